"""The Pareto front and the rules that people use: rules from a table of scores to a rank, with the reason in words.

A policy is any function of a `RankTable` that returns a `Choice` (or a bare rank); these are frozen dataclasses so that
they can be printed, compared and passed around. None of them fits anything. Of ranks that tie, the smallest is taken.
A rank whose score is unknown (NaN) is left out of consideration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import takewhile
from math import inf, isnan
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoten._errors import check_real, refuse
from autoten._typing import Array
from autoten.selection.choice import Alternative, Choice, score_of, where_it_ends
from autoten.table import LOWEST_CONSISTENCY, RankTable

# Two predictions closer than this share of the data's sum of squares are the same prediction: on data without noise the
# rest is where the solver happened to stop.
NEGLIGIBLE = 1e-8

MAX_ALTERNATIVES = 3


@dataclass(frozen=True)
class HeldOutMinimum:
    """The rank of smallest held-out error.

    The right rule when all that the model misses is noise; where the misfit has structure of its own (scatter, drift,
    interactions) it runs on to ever larger ranks.

    Examples
    --------
    >>> table = RankTable([0, 1, 2, 3], {"heldout": [[1.0], [0.4], [0.1], [0.12]]}, (5, 6, 7))
    >>> choice = HeldOutMinimum()(table)
    >>> choice.rank, choice.reason
    (2, "Rank 2 predicts the hidden entries best: its held-out error is 10 % of the zero model's.")
    """

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice from the table."""
        heldout = score_of(table, "heldout", repr(self))
        row = best_row(-heldout)
        return Choice(int(table.ranks[row]), _best_prediction(row, table, heldout) + where_it_ends(table))


@dataclass(frozen=True)
class OneStandardError:
    r"""The smallest rank whose held-out error is within some standard errors of the smallest one.

    With :math:`d_f(r)` the held-out error of rank r minus that of the best rank in fold f, the smallest r such that

    .. math:: \bar d(r) \le k \, \mathrm{se}(d(r))

    Mean and standard error are those of *paired* differences, which spread far less than the errors themselves. Folds
    share training data, so the standard error is a yardstick and not a test. It can answer 0.

    Parameters
    ----------
    n_errors : float
        How many standard errors, k; above 0.

    Raises
    ------
    ValueError
        If `n_errors` is not above 0.

    References
    ----------
    Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees, section 3.4.3.

    Examples
    --------
    Rank 3 predicts a little better than rank 2, but not in every fold.

    >>> heldout = [[1.0, 1.0, 1.0], [0.4, 0.5, 0.4], [0.10, 0.12, 0.10], [0.11, 0.09, 0.10]]
    >>> table = RankTable([0, 1, 2, 3], {"heldout": heldout}, (5, 6, 7))
    >>> OneStandardError()(table).rank, OneStandardError(0.1)(table).rank
    (2, 3)
    """

    n_errors: float = 1.0

    def __post_init__(self) -> None:
        check_real(self.n_errors, "n_errors of OneStandardError", above=0.0, below=inf)

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice from the table."""
        heldout = score_of(table, "heldout", repr(self))
        best = best_row(-heldout)
        row = next(row for row in range(best + 1) if row == best or self._is_close(table, row, best))
        rank, lowest = int(table.ranks[row]), int(table.ranks[best])
        errors = f"{self.n_errors:g} standard error{'' if self.n_errors == 1 else 's'}"
        least, ending = _percent(heldout[best]), where_it_ends(table)
        if row < best:
            reason = (
                f"Rank {rank} is the smallest whose held-out error ({_percent(heldout[row])} of the zero model's) is "
                f"within {errors} of the lowest ({least} at rank {lowest}).{ending}"
            )
            return Choice(rank, reason, (Alternative(lowest, f"lowest held-out error, {least}"),))
        rest = f" Every smaller rank is more than {errors} worse."
        if isnan(table.standard_error("heldout")[best]):
            rest = " There is no standard error to compare smaller ranks by: it takes two folds."
        return Choice(rank, _best_prediction(best, table, heldout) + (rest if best else "") + ending)

    def _is_close(self, table: RankTable, row: int, best: int) -> bool:
        difference = table.difference(int(table.ranks[row]), int(table.ranks[best]))
        # One fold has no standard error: then nothing but the minimum itself is close.
        error = 0.0 if isnan(difference.error) else difference.error
        return difference.mean <= self.n_errors * error + NEGLIGIBLE


@dataclass(frozen=True)
class CoreConsistencyThreshold:
    """The largest rank such that it and every smaller one have a core consistency of at least `threshold`.

    The habit of many laboratories: climb until core consistency drops. Ranks beyond the first failure are not looked
    at, because core consistency past the true rank can come back by chance; the largest of those that pass
    nevertheless is given as an alternative. Core consistency is the raw one, of the best start. Up to rank 2 of a
    three-way tensor (1 of nonnegative fits) it is 100 for any data, so an answer of 2 only says that 3 is too many. It
    answers 0 if the smallest rank tried fails already.

    Parameters
    ----------
    threshold : float
        In points of core consistency, above 0 and below 100.

    Raises
    ------
    ValueError
        If `threshold` is not between 0 and 100.

    References
    ----------
    Bro & Kiers (2003), Journal of Chemometrics 17, 274-286.

    Examples
    --------
    >>> table = RankTable([0, 1, 2, 3, 4], {"core_consistency": [[np.nan], [100], [100], [97], [-3e7]]}, (5, 6, 7))
    >>> print(CoreConsistencyThreshold()(table).reason)
    Rank 3 is the largest up to which core consistency stays at 80 or more: 97 at rank 3, below -1000 at rank 4.
    """

    threshold: float = 80.0

    def __post_init__(self) -> None:
        check_real(self.threshold, "threshold of CoreConsistencyThreshold", above=0.0, below=100.0)

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice from the table."""
        scores = score_of(table, "core_consistency", repr(self))
        known = {int(r): c for r, c in zip(table.ranks, scores, strict=True) if r > 0 and not isnan(c)}
        if not known:
            return Choice(0, "The table holds no rank with components.")
        passed = list(takewhile(lambda rank: known[rank] >= self.threshold, known))
        # The last rank that passed and the first that did not, where there are such.
        around = list(known)[max(len(passed) - 1, 0) : len(passed) + 1]
        figures = ", ".join(f"{_points(known[rank])} at rank {rank}" for rank in around)
        if not passed:
            reason = f"Not even the smallest rank tried has a core consistency of {self.threshold:g}: {figures}."
        else:
            stays = f"is the largest up to which core consistency stays at {self.threshold:g} or more"
            reason = f"Rank {passed[-1]} {stays}: {figures}."
            if not table.informative[table.row(passed[-1])]:
                reason += " Up to this rank it does so for any data, which is no evidence for it."
        returned = [rank for rank, value in known.items() if rank not in passed and value >= self.threshold]
        others = [Alternative(rank, f"core consistency {_points(known[rank])} again") for rank in returned[-1:]]
        return Choice(passed[-1] if passed else 0, reason, tuple(others))


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


class TradeOff(NamedTuple):
    """The two axes of every rank of a table, NaN where a score is missing.

    Both are normalised by meaning, never by the smallest and largest value in the table: a score of one rank does
    not move when other ranks are tried.
    """

    # Corrected core consistency / 100, cut off at 0; 1 where core consistency carries no information.
    interpretability: Array
    # 1 - held-out error: 0 predicts as badly as no model at all, 1 predicts every hidden entry.
    accuracy: Array

    @property
    def front(self) -> NDArray[np.bool_]:
        """Which ranks no other rank beats on both axes, shape (n_rows,)."""
        return pareto_front(np.column_stack(self))


def trade_off(table: RankTable, asker: str = "the trade-off") -> TradeOff:
    """Return the two axes of a table, or refuse one that lacks a score, in the name of who asks."""
    accuracy = 1.0 - score_of(table, "heldout", asker)
    consistency = score_of(table, "corrected_core_consistency", asker, needed=table.informative)
    return TradeOff(np.where(table.informative, np.clip(consistency / 100.0, 0.0, 1.0), 1.0), accuracy)


class TradeOffPolicy(ABC):
    """The rank of the largest worth on the two axes of a table; a new rule of this kind is a sentence and a formula."""

    because: ClassVar[str]  # what the largest worth means, to follow "Rank 3"

    @abstractmethod
    def worth(self, interpretability: Array, accuracy: Array) -> Array:
        """Return the worth of every rank, shape (n_rows,); NaN where an axis is unknown."""

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice from the table."""
        trade = trade_off(table, repr(self))
        worth = self.worth(*trade)
        row = best_row(worth)
        ranks, words = table.ranks.tolist(), _in_words(table, trade)
        others = [other for other in np.flatnonzero(trade.front & (table.ranks > 0)) if other != row]
        best_first = sorted(others, key=lambda other: -worth[other])[:MAX_ALTERNATIVES]
        reason = f"Rank {ranks[row]} {self.because}: {words[row]}.{where_it_ends(table)}"
        return Choice(ranks[row], reason, tuple(Alternative(ranks[other], words[other]) for other in best_first))


@dataclass(frozen=True)
class Knee(TradeOffPolicy):
    r"""The knee of the front: the rank farthest beyond the chord, by the maximum-distance definition.

    The chord runs from the model without components (interpretability 1, accuracy 0) to the point where all
    interpretability has been given for the best prediction (0, :math:`a_{max}`). A rank at interpretability i and
    accuracy a lies

    .. math:: d = \frac{a + a_{max} (i - 1)}{\sqrt{1 + a_{max}^2}}

    beyond it; the largest d wins. It is an exchange rate that adapts to the data: where noise lets no model
    predict more than a tenth, a percent of prediction is worth ten points of core consistency.

    Notes
    -----
    The usual chord through the two ends of the front, or Kneedle's min-max scaling (Satopaa et al. 2011), would make
    the answer depend on where the range of ranks stops. This chord moves only if a rank predicts better than all
    others; ranks that another rank beats on both axes never matter.

    References
    ----------
    Das (1999), Structural Optimization 18, 107-115.

    Examples
    --------
    >>> scores = {"corrected_core_consistency": [[np.nan], [100], [100], [95], [10]],
    ...           "heldout": [[1.0], [0.6], [0.4], [0.1], [0.09]]}
    >>> Knee()(RankTable([0, 1, 2, 3, 4], scores, (5, 6, 7))).rank
    3
    """

    because: ClassVar[str] = "is the knee of the front, where giving up core consistency for prediction stops paying"

    def worth(self, interpretability: Array, accuracy: Array) -> Array:
        """Return the signed distance from the chord, shape (n_rows,)."""
        most = accuracy[~np.isnan(interpretability + accuracy)].max()
        return np.asarray((accuracy + most * (interpretability - 1.0)) / np.hypot(1.0, most))


@dataclass(frozen=True)
class HarmonicMean(TradeOffPolicy):
    r"""The rank of the highest harmonic mean ("F1") of interpretability and accuracy.

    .. math:: F_1 = \frac{2 i a}{i + a}

    It is 0 as soon as one axis is 0 and never above twice the smaller one: neither axis can make up for the other.
    It answers 0 if no rank scores above 0.

    References
    ----------
    van Rijsbergen (1979), Information Retrieval, chapter 7 (the F measure).

    Examples
    --------
    >>> scores = {"corrected_core_consistency": [[np.nan], [100], [100], [95], [10]],
    ...           "heldout": [[1.0], [0.6], [0.4], [0.1], [0.09]]}
    >>> HarmonicMean()(RankTable([0, 1, 2, 3, 4], scores, (5, 6, 7))).rank
    3
    """

    because: ClassVar[str] = "has the highest harmonic mean of core consistency and predictive accuracy"

    def worth(self, interpretability: Array, accuracy: Array) -> Array:
        """Return the harmonic mean of the axes, shape (n_rows,)."""
        predicted = np.clip(accuracy, 0.0, None)
        sums = interpretability + predicted
        # Where both axes are 0 the numerator is 0 as well: any divisor above 0 gives the limit, 0.
        return np.asarray(2.0 * (interpretability * predicted) / np.where(sums == 0.0, 1.0, sums))


def best_row(scores: Array) -> int:
    """Return the row of the largest score, NaN left out; of rows that tie (within `NEGLIGIBLE`) the first."""
    return int(np.flatnonzero(scores >= np.nanmax(scores) - NEGLIGIBLE)[0])


def _in_words(table: RankTable, trade: TradeOff) -> list[str]:
    """Return the figures of every rank in words, for a reason."""
    words = ["no component, and nothing predicted"]
    consistency = table.mean("corrected_core_consistency")
    for row in range(1, len(table)):
        accuracy = trade.accuracy[row]
        predicted = f"{_percent(accuracy)} of the hidden variation predicted"
        if accuracy <= 0:
            predicted = "the hidden entries predicted no better than by zero"
        if table.informative[row]:
            words.append(f"corrected core consistency {_points(consistency[row])}, {predicted}")
        else:
            words.append(f"{predicted} (core consistency says nothing at this rank)")
    return words


def _best_prediction(row: int, table: RankTable, heldout: Array) -> str:
    if row == 0:
        return "No rank predicts the hidden entries better than no model at all."
    error = _percent(heldout[row])
    return (
        f"Rank {table.ranks[row]} predicts the hidden entries best: its held-out error is {error} of the zero model's."
    )


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def _points(consistency: float) -> str:
    return f"below {LOWEST_CONSISTENCY:g}" if consistency < LOWEST_CONSISTENCY else f"{consistency:.4g}"
