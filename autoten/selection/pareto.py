"""The Pareto front, and the trade-off it is drawn for: interpretability against predictive accuracy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoten._errors import refuse
from autoten.table import RankTable

Array = NDArray[np.float64]


def pareto_front(points: ArrayLike) -> NDArray[np.bool_]:
    """Tell which points no other point dominates.

    A point dominates another if it is at least as good in every objective and better in at least one.

    Parameters
    ----------
    points : array_like of shape (n, k)
        One row per point, one column per objective; larger is better (negate what should be small).

    Returns
    -------
    array of bool, shape (n,)
        True for the points of the front. Equal points stay or go together; a row with a NaN is never on the front
        and dominates nothing.

    Raises
    ------
    ValueError
        If `points` is no matrix.

    Notes
    -----
    Every point is compared with every other: O(n^2 k) time, made for the tens of ranks of a table.

    Examples
    --------
    Core consistency and predictive accuracy of ranks 1 to 4: rank 4 is worse than rank 3 in both.

    >>> pareto_front([[1.0, 0.5], [1.0, 0.7], [0.9, 0.95], [0.2, 0.94]])
    array([False,  True,  True, False])
    """
    points = np.asarray(points, dtype=float)
    if points.ndim != 2:
        refuse("points of pareto_front", "a matrix, one row per point", f"an array of shape {points.shape}")
    dominated = [bool(np.any((points >= p).all(axis=1) & (points > p).any(axis=1))) for p in points]
    return np.asarray(~np.array(dominated, dtype=bool) & ~np.isnan(points).any(axis=1))


def chord_distance(points: ArrayLike, start: ArrayLike, end: ArrayLike) -> Array:
    r"""Return the signed distance of points from the chord between two ends of a front.

    .. math:: d_i = \frac{(y_e - y_s)(x_i - x_s) - (x_e - x_s)(y_i - y_s)}{\|e - s\|}

    The knee of a front is the point of largest distance from the chord (the maximum-distance definition; Kneedle,
    Satopaa et al. 2011, takes the same difference after min-max scaling, which we avoid).

    Parameters
    ----------
    points : array_like of shape (n, 2)
        Two objectives, larger is better.
    start, end : array_like of shape (2,)
        The ends: `start` best in the first objective, `end` best in the second.

    Returns
    -------
    array of shape (n,)
        Positive on the side where both objectives are better.

    References
    ----------
    Das (1999), Structural Optimization 18, 107-115 (knee by distance from the line through the ends).

    Examples
    --------
    >>> chord_distance([[1.0, 1.0], [0.5, 0.5]], start=[1, 0], end=[0, 1]).round(3)
    array([0.707, 0.   ])
    """
    offsets = np.asarray(points, dtype=float) - np.asarray(start, dtype=float)
    width, height = np.asarray(end, dtype=float) - np.asarray(start, dtype=float)
    return np.asarray((height * offsets[:, 0] - width * offsets[:, 1]) / np.hypot(width, height))


def ideal_distance(points: ArrayLike, ideal: ArrayLike) -> Array:
    """Return the Euclidean distance of points from the ideal point (Yu 1973, Management Science 19, 936-946).

    Parameters
    ----------
    points : array_like of shape (n, k)
        Objectives on comparable scales.
    ideal : array_like of shape (k,)
        The best value of each objective.

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> ideal_distance([[1.0, 0.0], [0.7, 0.6]], ideal=[1, 1])
    array([1. , 0.5])
    """
    return np.asarray(np.linalg.norm(np.asarray(points, dtype=float) - np.asarray(ideal, dtype=float), axis=1))


class TradeOff(NamedTuple):
    """The two axes of every rank of a table, each with a zero and a one that mean something.

    Both are normalised by meaning, never by the smallest and largest value in the table: a score of one rank does
    not move when other ranks are tried.

    - *accuracy* = 1 - held-out error relative to the zero model: 0 predicts as badly as no model at all, 1 predicts
      every hidden entry; negative is worse than no model.
    - *interpretability* = corrected core consistency / 100, cut off at 0: 1 is as trilinear as these factors allow.
      It starts at 1 and counts only what is lost. Where core consistency carries no information it stays 1, whatever
      was measured, so it cannot favour one of those ranks over another: without components, and at the small ranks
      that `RankTable.informative` tells.
    """

    ranks: NDArray[np.int64]
    """Candidate ranks, shape (n_rows,)."""
    core_consistency: Array
    """Corrected core consistency as measured, shape (n_rows,), at most about 100 and as negative as it likes."""
    informative: NDArray[np.bool_]
    """Whether core consistency says anything at a rank, shape (n_rows,)."""
    points: Array
    """Interpretability and accuracy, shape (n_rows, 2); NaN where a score is missing."""

    @property
    def interpretability(self) -> Array:
        """The first axis, shape (n_rows,), in [0, 1]."""
        return self.points[:, 0]

    @property
    def accuracy(self) -> Array:
        """The second axis, shape (n_rows,), at most 1."""
        return self.points[:, 1]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which ranks have a value on both axes, shape (n_rows,)."""
        return np.asarray(~np.isnan(self.points).any(axis=1))

    @property
    def front(self) -> NDArray[np.bool_]:
        """Which ranks no other rank beats on both axes, shape (n_rows,)."""
        return pareto_front(self.points)


def trade_off(table: RankTable, asker: str = "the trade-off") -> TradeOff:
    """Return the two axes of a table.

    Parameters
    ----------
    table : RankTable
        With the scores ``corrected_core_consistency`` and ``heldout``.
    asker : str
        Who needs it, for the error message.

    Returns
    -------
    TradeOff

    Raises
    ------
    ValueError
        If one of the scores is missing, or NaN for every rank.

    Examples
    --------
    >>> scores = {"corrected_core_consistency": [[np.nan], [100], [-20]], "heldout": [[1.0], [0.5], [0.25]]}
    >>> trade_off(RankTable([0, 1, 2], scores, (5, 6, 7, 8))).points
    array([[1.  , 0.  ],
           [1.  , 0.5 ],
           [0.  , 0.75]])
    """
    accuracy = 1.0 - score_of(table, "heldout", asker)
    informative = table.informative
    consistency = score_of(table, "corrected_core_consistency", asker, needed=informative)
    interpretability = np.where(informative, np.clip(consistency / 100.0, 0.0, 1.0), 1.0)
    return TradeOff(table.ranks, consistency, informative, np.column_stack([interpretability, accuracy]))


def is_scored(table: RankTable) -> NDArray[np.bool_]:
    """Return which rows have a held-out error; the model without components counts as scored."""
    return np.asarray(~np.isnan(table.mean("heldout")) | (table.ranks == 0))


def where_it_ends(table: RankTable) -> str:
    """Return a sentence, to follow a reason, about ranks that have no held-out error; nothing where all have one."""
    without = table.ranks[~is_scored(table)].tolist()
    if not without:
        return ""
    which = f"Rank {without[0]} has" if len(without) == 1 else f"Ranks {', '.join(map(str, without))} have"
    ended = table.ranks[is_scored(table)][-1]
    return f" {which} no held-out error{f': the range ended at {ended}' if without[-1] > ended else ''}."


def score_of(table: RankTable, name: str, asker: str, needed: NDArray[np.bool_] | None = None) -> Array:
    """Return the mean of a score for every row, shape (n_rows,), NaN where it is not known.

    Parameters
    ----------
    table : RankTable
    name : str
        The score.
    asker : str
        Who needs it, for the error message.
    needed : array of bool, shape (n_rows,), optional
        At least one of these rows must have the score (default: the ranks with components).

    Raises
    ------
    ValueError
        If the table does not hold the score, or none of the rows in need of it has one.
    """
    if name not in table:
        remedy = "Add the scorer that computes it to `scorers` of estimate_rank, or choose another policy."
        held = f"only {', '.join(sorted(table.replicates)) or 'ranks'}"
        refuse(f"the table for {asker}", f"one with the score {name!r}", held, remedy)
    values = table.mean(name)
    rows = table.ranks > 0 if needed is None else needed
    if rows.any() and np.isnan(values[rows]).all():
        first, last = table.ranks[rows][[0, -1]]
        expected = f"known for rank {first}" if first == last else f"known for one of ranks {first} to {last} at least"
        remedy = "See the warnings of the estimate for why it could not be computed, or choose another policy."
        refuse(f"the score {name!r} for {asker}", expected, "NaN", remedy)
    return values
