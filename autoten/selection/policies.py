"""Policies: rules from a table of scores to a rank, with the reason in words.

A policy is any function of a `RankTable` that returns a `Choice` (or a bare rank); these are frozen dataclasses so that
they can be printed, compared and passed around. None of them fits anything. Of ranks that tie, the smallest is taken.
A rank whose score is unknown (NaN) is left out of consideration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, isnan, prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from autoten._errors import check_real, refuse
from autoten.selection.choice import Alternative, Choice
from autoten.selection.pareto import (
    TradeOff,
    chord_distance,
    ideal_distance,
    score_of,
    trade_off,
    where_it_ends,
)
from autoten.table import RankTable

Array = NDArray[np.float64]

# Two predictions closer than this share of the data's sum of squares are the same prediction, and a gain in fit below
# it is none: on data without noise the rest is where the solver happened to stop.
NEGLIGIBLE = 1e-8

# A reason names a core consistency below this as "below -1000": the figure itself says nothing more.
LOWEST_CONSISTENCY = -1000.0

MAX_ALTERNATIVES = 3

# Published constants of AutoTen: core consistencies below 20 count as 0, and rank 1 is not a candidate.
AUTOTEN_NOISE = 20.0
AUTOTEN_LOWEST_RANK = 2


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
        return Choice(int(table.ranks[row]), _best_prediction(table, row, heldout) + where_it_ends(table))


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
        row = next((row for row in range(best) if self._is_close(table, row, best)), best)
        if row == best:
            reason = _best_prediction(table, best, heldout, self._rest(table, best)) + where_it_ends(table)
            return Choice(int(table.ranks[best]), reason)
        rank, lowest = int(table.ranks[row]), int(table.ranks[best])
        error, least = _percent(heldout[row]), _percent(heldout[best])
        reason = (
            f"Rank {rank} is the smallest whose held-out error ({error} of the zero model's) is within "
            f"{_count(self.n_errors, 'standard error')} of the lowest ({least} at rank {lowest})."
            f"{where_it_ends(table)}"
        )
        return Choice(rank, reason, (Alternative(lowest, f"lowest held-out error, {least}"),))

    def _is_close(self, table: RankTable, row: int, best: int) -> bool:
        difference = table.difference(int(table.ranks[row]), int(table.ranks[best]))
        # One fold has no standard error: then nothing but the minimum itself is close.
        error = 0.0 if isnan(difference.error) else difference.error
        return difference.mean <= self.n_errors * error + NEGLIGIBLE

    def _rest(self, table: RankTable, best: int) -> str:
        if best == 0:
            return ""
        if isnan(table.standard_error("heldout")[best]):
            return " There is no standard error to compare smaller ranks by: it takes two folds."
        return f" Every smaller rank is more than {_count(self.n_errors, 'standard error')} worse."


class _TradeOffPolicy(ABC):
    """Score every rank on the two axes of `TradeOff`, take the highest score.

    A new rule of this kind is a sentence and a formula.
    """

    because: ClassVar[str]  # what the best score means, to follow "Rank 3"; may name the rule's parameters in braces

    @abstractmethod
    def scores(self, trade: TradeOff) -> Array:
        """Return the score of every rank, shape (n_rows,); larger is better, NaN where an axis is unknown."""

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice from the table."""
        trade = trade_off(table, repr(self))
        scores = self.scores(trade)
        row = best_row(scores)
        reason = f"Rank {trade.ranks[row]} {self.because.format_map(vars(self))}: {describe(trade, row)}."
        reason += where_it_ends(table)
        return Choice(int(trade.ranks[row]), reason, _others_on_front(trade, scores, row))


@dataclass(frozen=True)
class Knee(_TradeOffPolicy):
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

    def scores(self, trade: TradeOff) -> Array:
        """Return the signed distance from the chord, shape (n_rows,)."""
        most_accurate = trade.accuracy[trade.known].max()
        return chord_distance(trade.points, start=(1.0, 0.0), end=(0.0, most_accurate))


@dataclass(frozen=True)
class IdealPoint(_TradeOffPolicy):
    r"""The rank closest to the ideal: core consistency 100 and held-out error 0.

    .. math:: \min_r \sqrt{(1 - i_r)^2 + (1 - a_r)^2}

    with interpretability i and accuracy a of `TradeOff`. The larger shortfall dominates, so under strong noise, where
    no rank predicts much, core consistency decides. It can answer 0.

    References
    ----------
    Yu (1973), Management Science 19, 936-946 (compromise solutions).

    Examples
    --------
    >>> scores = {"corrected_core_consistency": [[np.nan], [100], [100], [95], [10]],
    ...           "heldout": [[1.0], [0.6], [0.4], [0.1], [0.09]]}
    >>> IdealPoint()(RankTable([0, 1, 2, 3, 4], scores, (5, 6, 7))).rank
    3
    """

    because: ClassVar[str] = "is closest to the ideal of core consistency 100 and held-out error 0"

    def scores(self, trade: TradeOff) -> Array:
        """Return minus the distance to the ideal point, shape (n_rows,)."""
        return -ideal_distance(trade.points, ideal=(1.0, 1.0))


@dataclass(frozen=True)
class HarmonicMean(_TradeOffPolicy):
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

    def scores(self, trade: TradeOff) -> Array:
        """Return the harmonic mean of the axes, shape (n_rows,)."""
        axes = np.clip(trade.points, 0.0, None)
        sums = axes.sum(axis=1)
        # Where both axes are 0 the numerator is 0 as well: any divisor above 0 gives the limit, 0.
        return np.asarray(2.0 * axes.prod(axis=1) / np.where(sums == 0.0, 1.0, sums))


@dataclass(frozen=True)
class ExchangeRate(_TradeOffPolicy):
    r"""The rank worth most at a fixed price of prediction in points of core consistency.

    .. math:: \max_r \; 100\, i_r + k \cdot 100\, a_r

    with interpretability i and accuracy a of `TradeOff`.

    Parameters
    ----------
    points_per_percent : float
        k, the points of core consistency you would give for predicting one more percent of the data's sum of squares;
        above 0.

    Raises
    ------
    ValueError
        If `points_per_percent` is not above 0.

    Examples
    --------
    From rank 3 to 4 the prediction gains one percent and core consistency loses 5 points.

    >>> scores = {"corrected_core_consistency": [[np.nan], [100], [100], [95], [90]],
    ...           "heldout": [[1.0], [0.6], [0.4], [0.1], [0.09]]}
    >>> table = RankTable([0, 1, 2, 3, 4], scores, (5, 6, 7))
    >>> ExchangeRate(1.0)(table).rank, ExchangeRate(10.0)(table).rank
    (3, 4)
    """

    points_per_percent: float = 1.0

    because: ClassVar[str] = (
        "is the best deal at an exchange rate of {points_per_percent:g} in core consistency for a percent of prediction"
    )

    def __post_init__(self) -> None:
        check_real(self.points_per_percent, "points_per_percent of ExchangeRate", above=0.0, below=inf)

    def scores(self, trade: TradeOff) -> Array:
        """Return the worth of every rank, shape (n_rows,), divided by 100."""
        return trade.interpretability + self.points_per_percent * trade.accuracy


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
        known = _known(table.ranks, score_of(table, "core_consistency", repr(self)), lowest=1)
        passed = _leading(known, self.threshold)
        rank = max(passed, default=0)
        returned = [r for r, value in known.items() if r not in passed and value >= self.threshold]
        others = [Alternative(r, f"core consistency {_points(known[r])} again") for r in returned[-1:]]
        return Choice(rank, self._reason(known, passed, table), tuple(others))

    def _reason(self, known: dict[int, float], passed: list[int], table: RankTable) -> str:
        if not known:
            return "The table holds no rank with components."
        # The last rank that passed and the first that did not, where there are such.
        around = list(known)[max(len(passed) - 1, 0) : len(passed) + 1]
        figures = [f"{_points(known[rank])} at rank {rank}" for rank in around]
        if not passed:
            return f"Not even the smallest rank tried has a core consistency of {self.threshold:g}: {figures[0]}."
        reason = (
            f"Rank {passed[-1]} is the largest up to which core consistency stays at {self.threshold:g} or more: "
            f"{', '.join(figures)}."
        )
        if not table.informative[table.row(passed[-1])]:
            reason += " Up to this rank it does so for any data, which is no evidence for it."
        return reason


@dataclass(frozen=True)
class AutoTen2016:
    """The rule of AutoTen as its published code runs it.

    Core consistencies of ranks from 2 on, values below 20 set to 0, are split in two by one-dimensional two-medians
    (city-block distance); the cluster of the higher mean is good, and the answer is the largest rank in it. If all
    values are equal there is one cluster only, and its largest rank is the answer: also if all are 0. As published,
    ranks 0 and 1 are never returned and the answer depends on the largest rank tried.

    Between losses (``estimate_rank(X, solver=(ALS(), KL()))``), each with a rank of its own, the larger rank is taken
    (strategy 2 of the published code). If a chosen rank's core consistency counts as 0, or the ranks are equal, the
    loss with the larger sum of core consistencies decides (strategy 1).

    Notes
    -----
    The published code leaves the clusters to an unseeded k-means. Here every cut of the sorted values is tried, so the
    split is the best there is and the same every time. The fits are ours, the best of several starts, where the
    original has one random start: better optimisation makes this rule choose larger ranks.

    References
    ----------
    Papalexakis (2016), SIAM International Conference on Data Mining, 711-719 (arXiv 1503.03355).

    Examples
    --------
    >>> table = RankTable([0, 1, 2, 3, 4], {"core_consistency": [[np.nan], [100], [100], [97], [-3e7]]}, (5, 6, 7))
    >>> AutoTen2016()(table).rank
    3
    """

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice from the table."""
        return self._curve(table)[0]

    def between(self, tables: Mapping[str, RankTable]) -> tuple[str, Choice]:
        """Return the name of the chosen loss's table, and the choice from it."""
        curves = {name: self._curve(table) for name, table in tables.items()}
        names = list(curves)
        sums = {name: sum(values.values()) for name, (_, values) in curves.items()}
        ranks = {name: choice.rank for name, (choice, _) in curves.items()}
        by_sum = max(names, key=lambda name: sums[name])
        if len(names) == 1:
            return by_sum, curves[by_sum][0]
        if all(values[choice.rank] > 0.0 for choice, values in curves.values()) and len(set(ranks.values())) > 1:
            best, why = max(names, key=lambda name: ranks[name]), "its rank is the larger one"
        else:
            best, why = by_sum, "its core consistencies have the larger sum"
        others = ", ".join(f"{name} says {ranks[name]}" for name in names if name != best)
        choice = curves[best][0]
        return best, replace(choice, reason=f"{choice.reason} By {best}, because {why}; {others}.")

    def _curve(self, table: RankTable) -> tuple[Choice, dict[int, float]]:
        """Return the choice from one table, and the core consistencies, noise as 0, that led to it."""
        candidates = table.ranks >= AUTOTEN_LOWEST_RANK
        if not candidates.any():
            refuse(
                f"the ranks for {self!r}",
                f"such that one is {AUTOTEN_LOWEST_RANK} at least",
                table.ranks.tolist(),
                "The published rule returns no smaller one: ask for more ranks, or choose another policy.",
            )
        scores = score_of(table, "core_consistency", repr(self), needed=candidates)
        known = _known(table.ranks, scores, lowest=AUTOTEN_LOWEST_RANK)
        values = np.array([value if value >= AUTOTEN_NOISE else 0.0 for value in known.values()])
        upper = two_median_split(values)
        rank = [r for r, good in zip(known, upper, strict=True) if good][-1]
        curve = dict(zip(known, values.tolist(), strict=True))
        return Choice(rank, _two_groups(rank, values[upper], values[~upper])), curve


@dataclass(frozen=True)
class DIFFIT:
    r"""The rank after which the gain in fit falls off most steeply.

    With f the explained share of the sum of squares and :math:`d_r = f_r - f_{r-1}` what component r adds to it,

    .. math:: \max_r \; \frac{d_r}{\max_{s > r} d_s} \quad \text{among the } r \text{ with } d_r \ge \max_{s > r} d_s
              \text{ and } d_r \ge 1 / r_{max}

    where :math:`r_{max}`, the product of all mode lengths but the largest, bounds every useful rank. The lower bound
    keeps ratios of two tiny gains from deciding: a component has to explain more than if the data were spread evenly
    over as many components as the tensor could hold. If no rank before the last qualifies, the answer is the last one
    if that explains enough, else 0.

    Notes
    -----
    Made for Tucker3 models, where s counts the components of all modes and the bound is 1 / (s_max - s_min); this is
    the same rule for CP. Where the table skips ranks, a gain is divided by the number of components that made it.
    The last rank of the table has no gain to compare with, so try one more than you expect.

    References
    ----------
    Timmerman & Kiers (2000), British Journal of Mathematical and Statistical Psychology 53, 1-16.

    Examples
    --------
    >>> table = RankTable([0, 1, 2, 3, 4], {"fit": [[0.0], [0.5], [0.9], [0.91], [0.915]]}, (5, 6, 7))
    >>> DIFFIT()(table).reason
    'Rank 2 stands out: a component explains 40 % of the data there, 40 times as much as any later one.'
    """

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice from the table."""
        known = _known(table.ranks, score_of(table, "fit", repr(self)), lowest=0)
        ranks, least = list(known)[1:], _even_share(table.shape)
        gains = np.diff(list(known.values())) / np.diff(list(known))
        later = _later_maximum(gains)
        # The last rank has nothing after it to compare with and drops out.
        ratios = {
            rank: gain / max(following, NEGLIGIBLE)
            for rank, gain, following in zip(ranks, gains, later, strict=False)
            if gain >= max(following, least)
        }
        if not ratios:
            return _without_ratio(ranks, gains, least)
        best, *others = sorted(ratios, key=lambda rank: -ratios[rank])
        reason = (
            f"Rank {best} stands out: a component explains {_percent(gains[ranks.index(best)])} of the data there, "
            f"{_times(ratios[best])} as much as any later one."
        )
        alternatives = [Alternative(rank, f"{_times(ratios[rank])} as much as any later one") for rank in others]
        return Choice(best, reason, tuple(alternatives[:MAX_ALTERNATIVES]))


def best_row(scores: Array) -> int:
    """Return the row of the largest score, NaN left out; of rows that tie (within `NEGLIGIBLE`) the first.

    Examples
    --------
    >>> best_row(np.array([np.nan, 0.3, 0.7, 0.7 + 1e-12]))
    2
    """
    return int(np.flatnonzero(scores >= np.nanmax(scores) - NEGLIGIBLE)[0])


def two_median_split(values: Array) -> NDArray[np.bool_]:
    """Return which values belong to the upper cluster of the best split in two by distance to the cluster medians.

    In one dimension the best clusters are intervals, so trying every cut of the sorted values is exact. Of cuts that
    are equally good, the lowest. Values that are all equal form one cluster.

    Parameters
    ----------
    values : array of shape (n,)
        At least one, finite.

    Returns
    -------
    array of bool, shape (n,)

    Examples
    --------
    >>> two_median_split(np.array([99.0, 0.0, 97.0, 1.0]))
    array([ True, False,  True, False])
    """
    ordered = np.sort(values)
    cuts = np.flatnonzero(np.diff(ordered) > 0) + 1
    if not cuts.size:
        return np.ones(values.shape, dtype=bool)
    costs = [_spread(ordered[:cut]) + _spread(ordered[cut:]) for cut in cuts]
    return np.asarray(values >= ordered[cuts[int(np.argmin(costs))]])


def describe(trade: TradeOff, row: int) -> str:
    """Return the figures of a rank in words, for a reason."""
    if trade.ranks[row] == 0:
        return "no component, and nothing predicted"
    accuracy = trade.accuracy[row]
    predicted = f"{_percent(accuracy)} of the hidden variation predicted"
    if accuracy <= 0:
        predicted = "the hidden entries predicted no better than by zero"
    if not trade.informative[row]:
        return f"{predicted} (core consistency says nothing at this rank)"
    return f"corrected core consistency {_points(trade.core_consistency[row])}, {predicted}"


def _others_on_front(trade: TradeOff, scores: Array, chosen: int) -> tuple[Alternative, ...]:
    """Return the other ranks with components that no rank beats on both axes, best score first."""
    rows = [int(row) for row in np.flatnonzero(trade.front & (trade.ranks > 0)) if row != chosen]
    rows.sort(key=lambda row: -scores[row])
    return tuple(Alternative(int(trade.ranks[row]), describe(trade, row)) for row in rows[:MAX_ALTERNATIVES])


def _best_prediction(table: RankTable, row: int, heldout: Array, rest: str = "") -> str:
    if row == 0:
        return "No rank predicts the hidden entries better than no model at all."
    best = f"Rank {table.ranks[row]} predicts the hidden entries best"
    return f"{best}: its held-out error is {_percent(heldout[row])} of the zero model's.{rest}"


def _known(ranks: NDArray[np.int64], scores: Array, lowest: int) -> dict[int, float]:
    """Return scores by rank, from `lowest` on, without those that are NaN."""
    return {int(r): float(v) for r, v in zip(ranks, scores, strict=True) if r >= lowest and not isnan(v)}


def _leading(known: dict[int, float], threshold: float) -> list[int]:
    """Return the ranks before the first whose score is below the threshold."""
    ranks = list(known)
    failures = (place for place, rank in enumerate(ranks) if known[rank] < threshold)
    return ranks[: next(failures, len(ranks))]


def _later_maximum(gains: Array) -> Array:
    """Return, for every gain but the last, the largest of those after it, shape (n - 1,)."""
    return np.maximum.accumulate(gains[::-1])[::-1][1:]


def _even_share(shape: tuple[int, ...]) -> float:
    """Return the share of one component if the data were spread evenly over the largest useful rank."""
    return max(shape) / prod(shape)


def _two_groups(rank: int, good: Array, bad: Array) -> str:
    """Return AutoTen's reason: what it saw in the two clusters."""
    if not bad.size:
        return (
            f"Rank {rank} is the largest tried: every core consistency is {_points(good[0])} (values below "
            f"{AUTOTEN_NOISE:g} count as 0), and then the published rule takes the largest rank."
        )
    others = f"at most {_points(bad.max())}" if bad.any() else f"below {AUTOTEN_NOISE:g}"
    return (
        f"Rank {rank} is the largest in the better of the two groups into which the core consistencies fall: "
        f"{_points(good.min())} or more in this group, {others} in the other."
    )


def _without_ratio(ranks: list[int], gains: Array, least: float) -> Choice:
    """Return DIFFIT's answer where no rank has both enough gain and a smaller one after it."""
    if ranks and gains[-1] >= least:
        return Choice(ranks[-1], f"Rank {ranks[-1]} is the last one tried, and no rank before it stands out.")
    return Choice(0, f"No rank adds a component that explains {_percent(least)} of the data, the least that counts.")


def _spread(values: Array) -> float:
    return float(np.abs(values - np.median(values)).sum())


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def _points(consistency: float) -> str:
    return f"below {LOWEST_CONSISTENCY:g}" if consistency < LOWEST_CONSISTENCY else f"{consistency:.4g}"


def _times(ratio: float) -> str:
    return "more than 1000 times" if ratio > 1000 else f"{ratio:.3g} times"


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"
