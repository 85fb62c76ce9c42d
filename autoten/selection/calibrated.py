"""The default policy: the evidence about every component, weighed into a probability of every rank."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from autoten.selection.choice import Alternative, Choice
from autoten.selection.pareto import is_scored, score_of, where_it_ends
from autoten.table import RankTable

Array = NDArray[np.float64]

# Gains of log held-out error below this are none; ratios of gains are taken above it.
LEAST_GAIN = 0.002

# A component that explains less than this share of what any rank explains explains next to nothing.
SMALLEST_SHARE = 2e-4

# What noise lets be explained is at least so much of what is held out.
LEAST_EXPLAINED = 1e-3

# Limits of the pieces of evidence: beyond them more of the same says no more.
LARGEST_CONTRAST = 3.0
LARGEST_LOSS = 6.0
STRENGTHS = (-1.0, 3.0)
LARGEST_FALL = 1.0

# Up to this log ratio one component explains no more of a residual than of copies with random signs.
BY_CHANCE = 0.05

# From this congruence on two components are opposed.
OPPOSED = -0.7

# Core consistency is lost by decades of so many points.
POINTS = 10.0

# What is found differently, in components: the least that is told from nothing, in folds, which share most cells, and
# in halves, which share none; and what a first component is held against.
LEAST_IN_FOLDS = 1e-4
LEAST_IN_HALVES = 0.03
USUAL_DIFFERENCE = 1e-2

# Other solvers than those with coefficients of their own get these.
OTHERWISE = "ALS"

# Where nothing is known of it, one more component is half as probable.
UNKNOWN = -np.log(2.0)

# What speaks against a rank does so as far as its folds had cells to learn from: not at all with so many training cells
# for each parameter, in full with so many. With fewer, cells that are missed by more than twice their size, from the
# first rank on, show that fits have exploded, and not that there is nothing.
FEWEST_CELLS, ENOUGH_CELLS = 1.0, 10.0
EXPLODED = 2.0

# What a piece of evidence says where it speaks against a component, to follow "component 5, which".
DOUBTS = {
    "share": "explains little of all that is held out",
    "trilinearity": "costs core consistency",
    "replicability": "folds find less alike",
    "split_half": "does not come back from halves of the data",
    "degeneracy": "nearly cancels another one",
    "strength": "hardly stands above noise",
    "fall": "is about as weak as those that follow",
}

# Scores that a table must hold; but for the held-out error they may be unknown.
NEEDED = ("heldout", "core_consistency", "corrected_core_consistency", "stability_folds")

# Scores of what every rank leaves.
RESIDUAL_SCORES = ("residual_excess", "weakest_excess", "residual_likeness")

# A rank is clear when it is so many times as probable as any other; from this probability on others are mentioned. A
# residual looks like noise if its strongest component explains less than so much more, in logarithms, than chance does.
CLEAR_ODDS = 2.0
WORTH_A_MENTION = 0.05
LIKE_NOISE = 0.2
N_ALTERNATIVES = 3


def intercept(table: RankTable) -> Array:
    """Return 1 for every component: what speaks for one before the evidence is seen."""
    return np.ones(len(table) - 1)


def contrast(table: RankTable) -> Array:
    """Return the log ratio of a component's gain to the largest gain of those that follow, from 0 to 3.

    A gain is the paired drop of log held-out error from the best rank so far, so that what one component spoils and
    the next one repairs counts for neither. 0 for the last rank, which nothing follows.
    """
    gains = np.maximum(np.nan_to_num(gains_over_best(table), nan=0.0), LEAST_GAIN)
    later = np.append(np.maximum.accumulate(gains[:0:-1])[::-1], gains[-1])
    return np.asarray(np.clip(np.log(gains / later), 0.0, LARGEST_CONTRAST))


def gains_over_best(table: RankTable) -> Array:
    """Return the drop of log held-out error from the best rank so far to every rank above 0, NaN where unknown."""
    errors = np.nan_to_num(table.mean("heldout"), nan=np.inf)
    best = [int(errors[: row + 1].argmin()) for row in range(len(table) - 1)]
    ranks = table.ranks.tolist()
    return np.array([table.gain(rank, ranks[row]).mean for rank, row in zip(ranks[1:], best, strict=True)])


def share(table: RankTable) -> Array:
    """Return the log of the share that a component has in all that any rank explains of the held-out cells, -8.5 to 0.

    Where noise is low, a small remnant (scatter, curvature, a shifted peak) may gain as much in logarithms as a
    component does; it explains next to nothing all the same. 0 for one that explains nothing beyond the best rank so
    far: a weak one among others may well not, and neither its contrast nor its replicability speaks for it.
    """
    explained = explained_share(table)
    return np.where(explained > 0.0, np.log(np.clip(explained, SMALLEST_SHARE, 1.0)), 0.0)


def explained_share(table: RankTable) -> Array:
    """Return what every component explains beyond the best rank so far, of all that any rank explains, 0 to 1."""
    errors = np.nan_to_num(table.mean("heldout"), nan=np.inf)
    best = np.minimum.accumulate(errors)
    explained = max(errors[0] - best[-1], LEAST_EXPLAINED * errors[0])
    return np.asarray(np.clip((best[:-1] - errors[1:]) / (explained or 1.0), 0.0, 1.0))


def trilinearity(table: RankTable) -> Array:
    """Return minus the decades of corrected core consistency that are lost at a component's rank, from -6 to 0.

    So every further component pays for what has been lost before it too; see `decades_lost`.
    """
    return -decades_lost(table)


def decades_lost(table: RankTable) -> Array:
    r"""Return :math:`\log_{10}(1 + (100 - c) / 10)` of every rank above 0, from 0 to 6.

    None where nothing is lost, and where core consistency says nothing (`RankTable.informative`).
    """
    return decades(table, 100.0 - table.mean("corrected_core_consistency")[1:])


def decades(table: RankTable, points: Array) -> Array:
    """Return points lost by every rank above 0 in decades, none where core consistency is mute.

    Where they are unknown as many as at the rank before: what could not be scored is no evidence.
    """
    lost = _last_known(np.where(table.informative[1:], points, 0.0), 0.0)
    return np.asarray(np.clip(np.log10(1.0 + np.maximum(lost, 0.0) / POINTS), 0.0, LARGEST_LOSS))


def replicability(table: RankTable) -> Array:
    r"""Return by how many decades more the folds find the same components than at the rank before.

    What they find differently is :math:`R (1 - s)` components, with s the factor match score between the full fit and
    a fold's. It grows slowly up to the true rank and jumps beyond it. Agreement on a component that explains nothing
    does not speak for it.
    """
    return _found_alike(table, "stability_folds", LEAST_IN_FOLDS)


def split_half(table: RankTable) -> Array:
    """Return by how many decades more than at the rank before models of two halves find the same components.

    As `replicability`; s is the factor match score in the modes that are not halved. 0 where unknown.
    """
    return _found_alike(table, "stability_halves", LEAST_IN_HALVES) if has_halves(table) else np.zeros(len(table) - 1)


def _found_alike(table: RankTable, name: str, least: float) -> Array:
    """Return the decades gained by every rank above 0 in what is found differently, in components."""
    different = table.ranks[1:] * (1.0 - table.mean(name)[1:])
    first = np.log10(max(least, USUAL_DIFFERENCE))
    logs = _last_known(np.log10(np.maximum(different, least)), first)
    return _credited(-np.diff(logs, prepend=first), explained_share(table) > SMALLEST_SHARE)


def _credited(values: Array, where: NDArray[np.bool_]) -> Array:
    """Return what speaks for components, elsewhere only what speaks against them."""
    return np.where(where, values, np.minimum(values, 0.0))


def has_halves(table: RankTable) -> bool:
    """Return whether models of halves are known: of arrays read in chunks and of very short modes there are none."""
    return "stability_halves" in table and bool(np.isfinite(table["stability_halves"]).any())


def _last_known(values: Array, first: float) -> Array:
    """Return the values, where one is unknown the last one that is not: so that no difference comes of it."""
    known = np.concatenate([[first], values])
    place = np.maximum.accumulate(np.where(np.isnan(known), 0, np.arange(len(known))))
    return np.asarray(known[place][1:])


def degeneracy(table: RankTable) -> Array:
    """Return 0 to -1 as the congruence of a rank's most opposed two components goes from -0.7 to -1.

    Components that nearly cancel each other are one component too many, as a rule. 0 where it is not known.
    """
    opposed = np.nan_to_num(table.mean("opposition")[1:]) if "opposition" in table else np.zeros(len(table) - 1)
    return np.clip((opposed - OPPOSED) / (1.0 + OPPOSED), -1.0, 0.0)


def strength(table: RankTable) -> Array:
    """Return how far the weakest component of every rank above 0 stands above noise, from -1 to 3.

    The log ratio of what it alone explains to what one component explains of noise of the residual's size
    (`weakest_excess`): about 0 where it is noise itself, the more the surer it is there. It speaks for none that
    explains next to nothing of the held-out cells, nor where the rank before left nothing beyond chance: half of a
    component that was split has much of its own all the same. The last one known where nothing was left to compare
    with, 0 where none is.
    """
    if not has_residuals(table):
        return _above_noise(table)
    left = _last_known(table.mean("residual_excess"), 0.0)[:-1]
    return _credited(_above_noise(table), (left > BY_CHANCE) & (explained_share(table) > SMALLEST_SHARE))


def fall(table: RankTable) -> Array:
    """Return how much stronger the weakest component of a rank is than that of the next one, a log ratio of -1 to 1.

    At the true rank the weakest one is a component, at the next it is a part of what the noise holds, or of what bends
    the components. 0 for the last rank.
    """
    strengths = _above_noise(table)
    return np.clip(strengths - np.append(strengths[1:], strengths[-1:]), -LARGEST_FALL, LARGEST_FALL)


def _above_noise(table: RankTable) -> Array:
    """Return `strength` as it is, whatever the component explains; 0 where what is left is not known."""
    if not has_residuals(table):
        return np.zeros(len(table) - 1)
    return np.asarray(np.clip(_last_known(table.mean("weakest_excess")[1:], 0.0), *STRENGTHS))


def likeness(table: RankTable) -> Array:
    """Return how like the model the strongest component left over was at the rank before, less half of what it is now.

    With too few components the model holds mixtures of them, and what is missing of each resembles it in all modes but
    one (`residual_likeness`); beside the true components noise resembles none. From -1/2 to 1.
    """
    if not has_residuals(table):
        return np.zeros(len(table) - 1)
    alike = _last_known(table.mean("residual_likeness"), 0.0)
    return np.asarray(alike[:-1] - 0.5 * alike[1:])


def has_residuals(table: RankTable) -> bool:
    """Return whether it is known what every rank leaves: not of tables from before it was, nor of a user's own."""
    return all(name in table for name in RESIDUAL_SCORES)


_PIECES = (intercept, contrast, share, trilinearity, replicability, split_half, degeneracy, strength, fall, likeness)
EVIDENCE: Mapping[str, Callable[[RankTable], Array]] = MappingProxyType({f.__name__: f for f in _PIECES})

# Pieces of evidence that a table may lack, by what they need: without them other coefficients apply.
NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"halves": ("split_half",), "residuals": ("strength", "fall", "likeness")}
)


@cache
def published() -> Mapping[str, Any]:
    """Return all coefficients by solver and by what is not known, and the hold-outs that they were made for."""
    text = files("autoten.selection").joinpath("calibrated.json").read_text("utf-8")
    return cast("Mapping[str, Any]", json.loads(text))


def coefficients_for(table: RankTable) -> Mapping[str, float]:
    """Return the published coefficients of a table's solver (of least squares if there are none) and evidence."""
    known = {"halves": has_halves(table), "residuals": has_residuals(table)}
    of_solvers = published()["coefficients"]
    of_solver: Mapping[str, Mapping[str, float]] = of_solvers.get(table.solver, of_solvers[OTHERWISE])
    return of_solver[without(name for name, there in known.items() if not there)]


def without(unknown: Iterable[str]) -> str:
    """Return the name of the coefficients without some pieces of evidence."""
    return " and ".join(["all", *(f"without {name}" for name in unknown)])


def log_odds(table: RankTable, coefficients: Mapping[str, float]) -> Array:
    """Return the log odds of every rank above 0 against the one before it in the table.

    Ranks without a held-out error are passed over, as if they had not been tried, and then put beside the rank before:
    half as probable, or less by what else speaks against them. Where few cells were there to learn from, what speaks
    against a rank says less.
    """
    scored = is_scored(table)
    known = table.restricted(table.ranks[scored])
    odds = np.asarray(sum(weight * EVIDENCE[name](known) for name, weight in coefficients.items()), dtype=float)
    if len(known) > 1:
        odds = _against_nothing(known, odds, coefficients)
    told = credibility(known)[1:]
    odds = np.where(odds < UNKNOWN, told * odds + (1.0 - told) * UNKNOWN, odds)
    scores = np.zeros(len(table))
    scores[scored] = np.concatenate([[0.0], np.cumsum(odds)])
    if scored.all():
        return np.diff(scores)
    apart = sum(coefficients.get(f.__name__, 0.0) * f(table) for f in (trilinearity, split_half, degeneracy))
    for row in np.flatnonzero(~scored):
        scores[row] = scores[row - 1] + UNKNOWN + min(float(np.asarray(apart)[row - 1]), 0.0)
    return np.diff(scores)


def _against_nothing(table: RankTable, odds: Array, coefficients: Mapping[str, float]) -> Array:
    """Return the odds, those against no component by what the first rank tried explains and how far one is above noise.

    If it explains something: where that is not the first there is, what else speaks against it may speak for a smaller
    one.
    """
    odds = odds.copy()
    if table.ranks[1] > 1 and explained_share(table)[0] > SMALLEST_SHARE:
        gain = np.log(max(gains_over_best(table)[0], LEAST_GAIN) / LEAST_GAIN)
        explained = {"intercept": 1.0, "contrast": min(gain, LARGEST_CONTRAST), "share": share(table)[0]}
        if "residual_excess" in table:
            above = np.nan_to_num(table.mean("residual_excess")[0])
            explained |= {"strength": np.clip(above, *STRENGTHS), "fall": np.clip(above, -LARGEST_FALL, LARGEST_FALL)}
        odds[0] = sum(coefficients.get(name, 0.0) * value for name, value in explained.items())
    return odds


def credibility(table: RankTable) -> Array:
    """Return how far what speaks against a rank is to be believed, from 0 to 1, for every row."""
    if "cells_per_parameter" not in table:
        return np.ones(len(table))
    cells, errors = (table.mean(name) for name in ("cells_per_parameter", "heldout"))
    told = np.clip((np.nan_to_num(cells, nan=np.inf) - FEWEST_CELLS) / (ENOUGH_CELLS - FEWEST_CELLS), 0.0, 1.0)
    nothing_yet = np.fmin.accumulate(errors) >= errors[0]
    return np.where(nothing_yet & (told < 1.0) & (errors > EXPLODED), 0.0, told)


def probabilities(odds: Array) -> Array:
    """Return the probability of every row of a table, the first (rank 0) included, from log odds of neighbours."""
    scores = np.concatenate([[0.0], np.cumsum(odds)])
    shares = np.exp(scores - scores.max())
    return np.asarray(shares / shares.sum())


@dataclass(frozen=True, repr=False)
class Calibrated:
    r"""The most probable rank: prediction, interpretability, replicability and what is left, weighed.

    Nine pieces of evidence speak for a component or against it: how much more it lowers the held-out error than those
    that follow (`contrast`), how much of the data it explains (`share`), how much corrected core consistency is lost
    (`trilinearity`), whether folds (`replicability`) and halves of the longest mode (`split_half`) find the same
    components, whether two of them cancel each other (`degeneracy`), how far the weakest one stands above noise
    (`strength`), and more so than that of the next rank (`fall`), and whether what was left before it is like the
    components, as it is while they are mixtures (`likeness`). Their weighted sum is the log odds of a rank against the
    one before,

    .. math:: \log \frac{P(r)}{P(r - 1)} = \beta_0 + \sum_j \beta_j \varphi_j(r),

    an adjacent-categories logit. So a weak component between strong ones does not end the count, and the exchange rates
    between the axes are ratios of coefficients. The answer is the rank of the largest probability; where another one
    is nearly as probable the reason names both.

    The coefficients stand in ``autoten/selection/calibrated.json``, for each solver of its own: the maximum likelihood
    on tensors of random recipes, on components planted in what models of real tensors leave, and on the development
    draws of named cases (``benchmarks/calibrate.py``). ``benchmarks/README.md`` says how often the answer is right, and
    how honest the probabilities are, on kinds of tensors left out, and on real ones.

    Parameters
    ----------
    coefficients : mapping from a name in `EVIDENCE` to float, optional
        By default the published ones for the table's solver and for what is known in it.

    Notes
    -----
    The two axes are those of Zabir & Papalexakis (2017), who publish no rule. Probabilities are those of tensors such
    as the ones the coefficients were made from; where a table's solver or hold-out is none of theirs they are a guide,
    and the reason says so.

    Examples
    --------
    >>> scores = {"heldout": [[1.0, 1.0], [0.3, 0.31], [0.01, 0.011], [0.009, 0.0101], [0.0088, 0.0099]],
    ...           "core_consistency": [[np.nan], [100], [100], [20], [-900]],
    ...           "corrected_core_consistency": [[np.nan], [100], [100], [20], [-900]],
    ...           "stability_folds": [[np.nan], [0.999], [0.998], [0.9], [0.7]]}
    >>> choice = Calibrated()(RankTable([0, 1, 2, 3, 4], scores, (9, 9, 9)))
    >>> choice.rank, choice.probabilities[2] > 0.8
    (2, True)
    """

    coefficients: Mapping[str, float] | None = None

    def __repr__(self) -> str:
        return "Calibrated()" if self.coefficients is None else f"Calibrated({dict(self.coefficients)!r})"

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice from the table."""
        for name in NEEDED:
            if name == "heldout" or name not in table:
                score_of(table, name, repr(self))  # refuses, or warrants that it is known somewhere
        coefficients = coefficients_for(table) if self.coefficients is None else self.coefficients
        shares = probabilities(log_odds(table, coefficients))
        seen = _Seen.of(table, coefficients)
        ranks = table.ranks.tolist()
        row = int(np.argmax(np.where(is_scored(table), shares, -1.0)))
        others = [other for other in np.argsort(-shares) if other != row and shares[other] >= WORTH_A_MENTION]
        return Choice(
            ranks[row],
            _reason(seen, shares, row) + where_it_ends(table) + _how_far_to_trust(table),
            tuple(Alternative(ranks[other], seen.case_for(other, row)) for other in others[:N_ALTERNATIVES]),
            dict(zip(ranks, shares.tolist(), strict=True)),
        )


class _Seen(NamedTuple):
    """What the words of a choice are made of, a row for every rank."""

    ranks: NDArray[np.int64]
    gains: Array  # of log held-out error over the best rank before; NaN for rank 0
    consistency: Array
    informative: NDArray[np.bool_]
    shared: Array  # components that halves have in common; NaN where unknown
    excess: Array  # mean log ratio of what one component explains, residual to copies with random signs; NaN if unknown
    told: float  # how far the first rank is to be believed where it predicts nothing, 0 to 1
    cells: float  # its training cells for each parameter; NaN if unknown
    weighed: Mapping[str, Array]  # by piece of evidence, the log odds of every rank above 0

    @classmethod
    def of(cls, table: RankTable, coefficients: Mapping[str, float] = MappingProxyType({})) -> _Seen:
        gains = np.array([np.nan, *gains_over_best(table)])
        excess = table.mean("residual_excess") if "residual_excess" in table else np.full(len(table), np.nan)
        halves = table.mean("stability_halves") if has_halves(table) else np.full(len(table), np.nan)
        shared = np.asarray(table.ranks * halves, dtype=float)
        told = float(credibility(table)[1])
        cells = table.value("cells_per_parameter", int(table.ranks[1])) if told < 1.0 else np.nan
        weighed = {name: coefficients[name] * EVIDENCE[name](table) for name in DOUBTS if name in coefficients}
        core = table.mean("core_consistency")
        return cls(table.ranks, gains, core, table.informative, shared, excess, told, cells, weighed)

    def drop(self, row: int) -> str:
        """Return by how much the component of a row changes the held-out error."""
        change = 100.0 * np.expm1(-self.gains[row])
        return f"lowers the held-out error by {-change:.3g} %" if change < 0 else "does not lower the held-out error"

    def points(self, row: int) -> str:
        """Return the core consistency of a row."""
        value = self.consistency[row]
        return "below -1000" if value < -1000.0 else f"{value:.1f}"

    def case_against(self, row: int, chosen: int) -> str:
        """Return what speaks most against a larger rank than the chosen one."""
        lost = {name: float(odds[chosen:row].sum()) for name, odds in self.weighed.items()}
        worst = min(lost, key=lambda name: lost[name], default=None)
        doubt = f", which {DOUBTS[worst]}" if worst is not None and lost[worst] < 0.0 else ""
        return f"component {self.ranks[row]}{doubt}"

    def case_for(self, row: int, chosen: int) -> str:
        """Return what can be said for another rank than the chosen one."""
        if row < chosen:
            return f"component {self.ranks[row + 1]} {self.drop(row + 1)}, which may not be enough"
        doubt = f"core consistency is {self.points(row)}" if self.informative[row] else "core consistency cannot tell"
        return f"component {self.ranks[row]} {self.drop(row)}; {doubt}"


def _reason(seen: _Seen, shares: Array, row: int) -> str:
    """Return why this rank and not its neighbours, in two sentences as a rule."""
    sentences = []
    second = int(np.argmax(np.where(np.arange(len(shares)) == row, -1.0, shares)))
    if shares[row] < CLEAR_ODDS * shares[second]:
        one, other = sorted((row, second))
        apart = other > one + 1 and shares[one + 1 : other].max() < min(shares[row], shares[second])
        sentences.append(
            f"No clear rank: {seen.ranks[row]} has a probability of {100 * shares[row]:.0f} %, "
            f"{seen.ranks[second]} one of {100 * shares[second]:.0f} %{', those between less' if apart else ''}."
        )
    sentences += _why_nothing(seen) if row == 0 else [_prediction(seen, row), *_interpretability(seen, row)]
    if row > 0 and seen.excess[0] <= 0.0:
        sentences.append("Yet one component explains no more of the data than of copies with random signs.")
    elif row > 0 and not np.isnan(seen.excess[row]):
        sentences.append(_what_is_left(seen.excess[row]))
    return " ".join(sentences)


def _what_is_left(excess: float) -> str:
    """Return a sentence about the residual of the chosen rank."""
    looks = "looks like noise" if excess < LIKE_NOISE else "still has structure"
    return (
        f"What it leaves {looks}: one more explains {np.exp(excess):.2g} times as much as of copies with random signs."
    )


def _how_far_to_trust(table: RankTable) -> str:
    """Return a sentence, to follow a reason, about probabilities that were made for other fits; else nothing."""
    known = published()
    solvers, holdouts = [*known["coefficients"], ""], [*known["holdouts"], ""]  # a table need not know
    if table.solver in solvers and table.holdout in holdouts:
        return ""
    by = table.solver if table.holdout in holdouts else f"{table.solver} with {table.holdout}"
    return f" Probabilities are a guide: they were made for other fits than {by}."


def _why_nothing(seen: _Seen) -> list[str]:
    verdict = ": not enough to tell it from noise" if seen.gains[1] > 0 else ": nothing beyond noise"
    if seen.told < 1.0:
        verdict = (
            f", but the data can hardly tell: {seen.cells:.2g} observed cells to learn each parameter from, where "
            f"{ENOUGH_CELLS:g} are enough"
        )
    sentences = [f"Component {seen.ranks[1]} {seen.drop(1)}{verdict}."]
    if not np.isnan(seen.excess[0]):
        times = np.exp(seen.excess[0])
        sentences.append(f"It explains {times:.2f} times as much of the data as of copies with random signs.")
    return sentences


def _prediction(seen: _Seen, row: int) -> str:
    here = f"Component {seen.ranks[row]} {seen.drop(row)}"
    later = np.nan_to_num(seen.gains[row + 1 :], nan=-np.inf)
    if not len(later):
        return f"{here}; no larger rank was tried."
    largest = -100.0 * np.expm1(-later.max())
    if largest <= 0:
        return f"{here}, later ones not at all."
    # A gain is relative to the error that was left: a larger one later on need not be worth a component.
    larger = later.max() > seen.gains[row]
    why = f" ({seen.case_against(row + 1 + int(later.argmax()), row)})" if larger else ""
    return f"{here}, later ones by {largest:.3g} % at most{why}."


def _interpretability(seen: _Seen, row: int) -> list[str]:
    here_and_next = [r for r in (row, row + 1) if r < len(seen.ranks)]
    said = []
    rows = [r for r in here_and_next if not np.isnan(seen.consistency[r])]
    if any(seen.informative[r] for r in rows):
        said.append(f"core consistency is {' and '.join(f'{seen.points(r)} at rank {seen.ranks[r]}' for r in rows)}")
    if rows := [r for r in here_and_next if not np.isnan(seen.shared[r])]:
        shares = " and ".join(f"{seen.shared[r]:.1f} of {seen.ranks[r]}" for r in rows)
        said.append(f"halves of the data share {shares} components")
    sentence = "; ".join(said)
    return [f"{sentence[0].upper()}{sentence[1:]}."] if said else []


DEFAULT_POLICY = Calibrated()
