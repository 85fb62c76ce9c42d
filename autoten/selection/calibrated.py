"""The default policy: the evidence about every component, weighed into a probability of every rank."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from autoten._errors import counted
from autoten._typing import Array
from autoten.selection.choice import Alternative, Choice, in_points, is_scored, score_of, where_it_ends
from autoten.selection.policies import MAX_ALTERNATIVES, CoreConsistencyThreshold
from autoten.table import LOW_CONSISTENCY, RankTable

# Gains of log held-out error below this are none; ratios of gains are taken above it.
LEAST_GAIN = 0.002

# A component that explains less than this share of what any rank explains explains next to nothing.
SMALLEST_SHARE = 2e-4

# What noise lets be explained is at least so much of what is held out.
LEAST_EXPLAINED = 1e-3

# Limits of the pieces of evidence: beyond them more of the same says no more.
LARGEST_CONTRAST = 3.0
LARGEST_DECADES = 6.0
STRENGTHS = (-1.0, 3.0)
FALLS = (-1.0, 1.0)

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
    "halves_alike": "does not come back from halves of the data",
    "degeneracy": "nearly cancels another one",
    "strength": "hardly stands above noise",
    "fall": "is about as weak as those that follow",
}

# Scores that a table must hold beside the held-out error; they may be unknown.
NEEDED = ("core_consistency", "corrected_core_consistency", "stability_folds")

# Scores of what every rank leaves.
RESIDUAL_SCORES = ("residual_excess", "weakest_excess", "residual_likeness")

# A rank is clear when it is so many times as probable as any other; from this probability on others are mentioned. A
# residual looks like noise if its strongest component explains less than so much more, in logarithms, than chance does.
CLEAR_ODDS = 2.0
WORTH_A_MENTION = 0.05
LIKE_NOISE = 0.2

# The evidence: functions from a table to an entry for every rank above 0.


def intercept(table: RankTable) -> Array:
    """Return 1 for every component: what speaks for one before the evidence is seen."""
    return np.ones(len(table) - 1)


def contrast(table: RankTable) -> Array:
    """Return the log ratio of a component's gain to the largest gain that follows, 0 to 3; 0 for the last rank."""
    gains = np.maximum(np.nan_to_num(gains_over_best(table), nan=0.0), LEAST_GAIN)
    later = np.append(np.maximum.accumulate(gains[:0:-1])[::-1], gains[-1])
    return np.asarray(np.clip(np.log(gains / later), 0.0, LARGEST_CONTRAST))


def gains_over_best(table: RankTable) -> Array:
    """Return the paired drop of log held-out error from the best rank so far to every rank above 0, NaN where unknown.

    So what one component spoils and the next one repairs counts for neither.
    """
    errors = np.nan_to_num(table.mean("heldout"), nan=np.inf)
    ranks = table.ranks.tolist()
    return np.array([table.gain(rank, ranks[errors[:row].argmin()]).mean for row, rank in enumerate(ranks) if row])


def share(table: RankTable) -> Array:
    """Return the log of `explained_share`, -8.5 to 0.

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
    r"""Return minus the decades of corrected core consistency c that are lost, :math:`\log_{10}(1 + (100 - c) / 10)`.

    From -6 to 0; so every further component pays for what has been lost before it too.
    """
    return -decades(table, 100.0 - table.mean("corrected_core_consistency")[1:])


def decades(table: RankTable, points: Array) -> Array:
    """Return points lost by every rank above 0 in decades, none where core consistency is mute.

    Where they are unknown as many as at the rank before: what could not be scored is no evidence.
    """
    lost = _last_known(np.where(table.informative[1:], points, 0.0), 0.0)
    return np.asarray(np.clip(np.log10(1.0 + np.maximum(lost, 0.0) / POINTS), 0.0, LARGEST_DECADES))


def replicability(table: RankTable) -> Array:
    r"""Return by how many decades more the folds find the same components than at the rank before.

    What they find differently is :math:`R (1 - s)` components, with s the factor match score between the full fit and
    a fold's. It grows slowly up to the true rank and jumps beyond it. Agreement on a component that explains nothing
    does not speak for it.
    """
    return _found_alike(table, "stability_folds", LEAST_IN_FOLDS)


def halves_alike(table: RankTable) -> Array:
    """Return the same as `replicability` of models of two halves; s leaves out the mode that is halved."""
    return _found_alike(table, "stability_halves", LEAST_IN_HALVES)


def _found_alike(table: RankTable, name: str, least: float) -> Array:
    """Return the decades gained by every rank above 0 in what is found differently, in components."""
    different = table.ranks[1:] * (1.0 - table.known(name)[1:])
    first = np.log10(max(least, USUAL_DIFFERENCE))
    logs = _last_known(np.log10(np.maximum(different, least)), first)
    return _credited(-np.diff(logs, prepend=first), explained_share(table) > SMALLEST_SHARE)


def _credited(values: Array, where: NDArray[np.bool_]) -> Array:
    """Return what speaks for components, elsewhere only what speaks against them."""
    return np.where(where, values, np.minimum(values, 0.0))


def _last_known(values: Array, first: float) -> Array:
    """Return the values, where one is unknown the last one that is not: so that no difference comes of it."""
    known = np.concatenate([[first], values])
    place = np.maximum.accumulate(np.where(np.isnan(known), 0, np.arange(len(known))))
    return np.asarray(known[place][1:])


def degeneracy(table: RankTable) -> Array:
    """Return 0 to -1 as the congruence of a rank's most opposed two components goes from -0.7 to -1.

    Components that nearly cancel each other are one component too many, as a rule. 0 where it is not known.
    """
    return np.clip((np.nan_to_num(table.known("opposition")[1:]) - OPPOSED) / (1.0 + OPPOSED), -1.0, 0.0)


def strength(table: RankTable) -> Array:
    """Return how far the weakest component of every rank above 0 stands above noise, from -1 to 3.

    The log ratio of what it alone explains to what one component explains of noise of the residual's size
    (`weakest_excess`): about 0 where it is noise itself. It speaks for none that explains next to nothing of the
    held-out cells, nor where the rank before left nothing beyond chance: half of a component that was split has much of
    its own all the same. The last one known where nothing was left to compare with, 0 where none is.
    """
    left = _last_known(table.known("residual_excess"), 0.0)[:-1]
    return _credited(_above_noise(table), (left > BY_CHANCE) & (explained_share(table) > SMALLEST_SHARE))


def fall(table: RankTable) -> Array:
    """Return how much stronger the weakest component of a rank is than that of the next one, a log ratio of -1 to 1.

    At the true rank the weakest one is a component, at the next it is a part of what the noise holds, or of what bends
    the components. 0 for the last rank.
    """
    strengths = _above_noise(table)
    return np.asarray(np.clip(strengths - np.append(strengths[1:], strengths[-1:]), *FALLS))


def _above_noise(table: RankTable) -> Array:
    """Return `strength` as it is, whatever the component explains."""
    return np.asarray(np.clip(_last_known(table.known("weakest_excess")[1:], 0.0), *STRENGTHS))


def likeness(table: RankTable) -> Array:
    """Return how like the model the strongest component left over was at the rank before, less half of what it is now.

    With too few components the model holds mixtures of them, and what is missing of each resembles it in all modes but
    one (`residual_likeness`); beside the true components noise resembles none. From -1/2 to 1.
    """
    alike = _last_known(table.known("residual_likeness"), 0.0)
    return np.asarray(alike[:-1] - 0.5 * alike[1:])


_PIECES = (intercept, contrast, share, trilinearity, replicability, halves_alike, degeneracy, strength, fall, likeness)
EVIDENCE: Mapping[str, Callable[[RankTable], Array]] = MappingProxyType({f.__name__: f for f in _PIECES})

# Pieces of evidence that a table may lack, by what they need: without them other coefficients apply.
NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"halves": ("halves_alike",), "residuals": ("strength", "fall", "likeness")}
)


@cache
def published() -> Mapping[str, Any]:
    """Return all coefficients by solver and by what is not known, and the hold-outs that they were made for."""
    text = files("autoten.selection").joinpath("calibrated.json").read_text("utf-8")
    return cast("Mapping[str, Any]", json.loads(text))


def coefficients_for(table: RankTable) -> Mapping[str, float]:
    """Return the published coefficients of a table's solver (of least squares if there are none) and evidence.

    Where the longest mode is very short no halves are known, of a user's own tables no residuals.
    """
    known = {
        "halves": np.isfinite(table.known("stability_halves")).any(),
        "residuals": all(name in table for name in RESIDUAL_SCORES),
    }
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
    if len(known) > 1 and known.ranks[1] > 1 and explained_share(known)[0] > SMALLEST_SHARE:
        odds[0] = _odds_against_nothing(known, coefficients)
    told = credibility(known)[1:]
    odds = np.where(odds < UNKNOWN, told * odds + (1.0 - told) * UNKNOWN, odds)
    scores = np.zeros(len(table))
    scores[scored] = np.concatenate([[0.0], np.cumsum(odds)])
    if not scored.all():
        apart = sum(coefficients.get(f.__name__, 0.0) * f(table) for f in (trilinearity, halves_alike, degeneracy))
        for row in np.flatnonzero(~scored):
            scores[row] = scores[row - 1] + UNKNOWN + min(float(np.asarray(apart)[row - 1]), 0.0)
    return np.diff(scores)


def _odds_against_nothing(table: RankTable, coefficients: Mapping[str, float]) -> float:
    """Return the log odds of a first rank above 1, by what it explains and how far one component is above noise."""
    # What else speaks against it may speak for a smaller one, which was not tried.
    gain = np.log(max(gains_over_best(table)[0], LEAST_GAIN) / LEAST_GAIN)
    explained = {"intercept": 1.0, "contrast": min(gain, LARGEST_CONTRAST), "share": share(table)[0]}
    above = np.nan_to_num(table.known("residual_excess")[0])
    explained |= {"strength": np.clip(above, *STRENGTHS), "fall": np.clip(above, *FALLS)}
    return float(sum(coefficients.get(name, 0.0) * value for name, value in explained.items()))


def credibility(table: RankTable) -> Array:
    """Return how far what speaks against a rank is to be believed, from 0 to 1, for every row."""
    cells, errors = table.known("cells_per_parameter"), table.mean("heldout")
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
    (`trilinearity`), whether folds (`replicability`) and halves of the longest mode (`halves_alike`) find the same
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
        for name in ("heldout", *(name for name in NEEDED if name not in table)):
            score_of(table, name, repr(self))  # refuses, or warrants that it is known somewhere
        coefficients = coefficients_for(table) if self.coefficients is None else self.coefficients
        shares = probabilities(log_odds(table, coefficients))
        ranks = table.ranks.tolist()
        row = int(np.argmax(np.where(is_scored(table), shares, -1.0)))
        others = [other for other in np.argsort(-shares) if other != row and shares[other] >= WORTH_A_MENTION]
        cases = {ranks[other]: _case_for(table, other, row) for other in others[:MAX_ALTERNATIVES]}
        for rank, case in _case_of_core(table, row).items():
            cases[rank] = f"{cases[rank]}; {case}" if rank in cases else case
        return Choice(
            ranks[row],
            reason_for(table, coefficients, shares, row) + where_it_ends(table) + _how_far_to_trust(table),
            tuple(Alternative(*case) for case in cases.items()),
            dict(zip(ranks, shares.tolist(), strict=True)),
        )


def reason_for(table: RankTable, coefficients: Mapping[str, float], shares: Array, row: int) -> str:
    """Return why this rank and not its neighbours, in two sentences as a rule."""
    sentences = []
    second = int(np.argmax(np.where(np.arange(len(shares)) == row, -1.0, shares)))
    if shares[row] < CLEAR_ODDS * shares[second]:
        one, other = sorted((row, second))
        apart = other > one + 1 and shares[one + 1 : other].max() < min(shares[row], shares[second])
        sentences.append(
            f"No clear rank: {table.ranks[row]} has a probability of {100 * shares[row]:.0f} %, "
            f"{table.ranks[second]} one of {100 * shares[second]:.0f} %{', those between less' if apart else ''}."
        )
    excess = table.known("residual_excess")
    if row == 0:
        sentences.append(_why_nothing(table, excess[0]))
    else:
        sentences += [_prediction(table, coefficients, row), *_interpretability(table, row)]
        if excess[0] <= 0.0:
            sentences.append("Yet one component explains no more of the data than of noise of the same size.")
        elif not np.isnan(excess[row]):
            looks = "looks like noise" if excess[row] < LIKE_NOISE else "still has structure"
            times = (
                f"{np.exp(excess[row]):.2g} times as much of it as" if excess[row] > BY_CHANCE else "no more of it than"
            )
            sentences.append(f"What it leaves {looks}: one more component explains {times} of noise.")
    return " ".join(sentences)


def _how_far_to_trust(table: RankTable) -> str:
    """Return a sentence, to follow a reason, about probabilities that were made for other fits; else nothing."""
    known = published()
    solvers, holdouts = [*known["coefficients"], ""], [*known["holdouts"], ""]  # a table need not know
    if table.solver in solvers and table.holdout in holdouts:
        return ""
    by = table.solver if table.holdout in holdouts else f"{table.solver} with {table.holdout}"
    return f" Probabilities are a guide: they were made for other fits than {by}."


def _why_nothing(table: RankTable, excess: float) -> str:
    """Return why not even the first component is one."""
    verdict = ": not enough to tell it from noise" if gains_over_best(table)[0] > 0 else ": nothing beyond noise"
    if credibility(table)[1] < 1.0:
        cells = table.known("cells_per_parameter")[1]
        verdict = (
            f", but the data can hardly tell: {cells:.2g} observed cells to learn each parameter from, where "
            f"{ENOUGH_CELLS:g} are enough"
        )
    reason = f"Component {table.ranks[1]} {_does(table, 1)}{verdict}."
    if not np.isnan(excess):
        reason += f" It explains {np.exp(excess):.2f} times as much of the data as of noise of the same size."
    return reason


def _prediction(table: RankTable, coefficients: Mapping[str, float], row: int) -> str:
    """Return what the chosen component does to the held-out error, and what later ones do."""
    here, gains = f"Component {table.ranks[row]} {_does(table, row)}", gains_over_best(table)
    later = np.nan_to_num(gains[row:], nan=-np.inf)
    if not len(later):
        return f"{here}; no larger rank was tried."
    if later.max() <= 0:
        return f"{here}, {'later ones not at all' if gains[row - 1] > 0 else 'nor do later ones'}."
    why = ""
    if later.max() > gains[row - 1]:
        # A gain is relative to the error that was left: a larger one later on need not be worth a component.
        why = f" ({_case_against(table, coefficients, row + 1 + int(later.argmax()), row)})"
    return f"{here}, later ones by {_lowered_by(later.max())} at most{why}."


def _interpretability(table: RankTable, row: int) -> list[str]:
    """Return core consistency and what halves share, here and at the next rank, as far as they are known."""
    near, ranks, said = range(row, min(row + 2, len(table))), table.ranks, []
    consistency, alike = table.known("core_consistency"), table.known("stability_halves")
    rows = [r for r in near if not np.isnan(consistency[r])]
    if table.informative[rows].any():
        figures = [f"{in_points(consistency[r])} at rank {ranks[r]}" for r in rows]
        if rows[0] == row and table.informative[row]:
            figures[0] += _if_low(consistency[row], table.mean("corrected_core_consistency")[row])
        said.append(f"core consistency is {' and '.join(figures)}")
    rows = [r for r in near if not np.isnan(alike[r])]
    if rows:
        figures = [_found_again(int(ranks[r]), alike[r]) for r in rows]
        said.append(f"halves of the data share {' and '.join(figures)}")
    sentence = "; ".join(said)
    return [f"{sentence[0].upper()}{sentence[1:]}."] if said else []


def _if_low(consistency: float, corrected: float) -> str:
    """Return what is to be said of a core consistency of the chosen rank that is low; else nothing."""
    if consistency >= LOW_CONSISTENCY:
        return ""
    if corrected >= LOW_CONSISTENCY:
        return f" (low, as noise makes it: {in_points(corrected)} without what noise explains)"
    return " (low: components mix, which speaks against this rank, but less than all else speaks for it)"


def _found_again(rank: int, alike: float) -> str:
    """Return what halves share of the components of a rank, and whether that is good."""
    lost = round(rank * (1.0 - alike))
    verdict = f"about {lost} {'does' if lost == 1 else 'do'} not come back" if lost else "good"
    return f"{rank * alike:.1f} of {counted(rank, 'component')} ({verdict})"


def _case_against(table: RankTable, coefficients: Mapping[str, float], row: int, chosen: int) -> str:
    """Return what speaks most against a larger rank than the chosen one."""
    weighed = {name: coefficients[name] * EVIDENCE[name](table) for name in DOUBTS if name in coefficients}
    lost = {name: float(odds[chosen:row].sum()) for name, odds in weighed.items()}
    worst = min(lost, key=lambda name: lost[name], default="")
    doubt = f", which {DOUBTS[worst]}" if lost.get(worst, 0.0) < 0.0 else ""
    return f"component {table.ranks[row]}{doubt}"


def _case_for(table: RankTable, row: int, chosen: int) -> str:
    """Return what can be said for another rank than the chosen one."""
    does = _does(table, row + (row < chosen))
    if row < chosen:
        return f"if component {table.ranks[row + 1]} is none: it {does}{' only' if does.startswith('lowers') else ''}"
    doubt = "core consistency cannot tell"
    if table.informative[row]:
        doubt = f"core consistency is {in_points(table.mean('core_consistency')[row])}"
    return f"if component {table.ranks[row]} is one: it {does}; {doubt}"


def _case_of_core(table: RankTable, chosen: int) -> dict[int, str]:
    """Return a smaller rank at which core consistency alone would stop, and why; nothing where there is none.

    None that is larger: the corrected one forgives noise, and so goes on past the right rank more often than not.
    """
    values, least = table.mean("corrected_core_consistency"), CoreConsistencyThreshold.threshold
    failed = next((row for row in range(1, chosen + 1) if table.informative[row] and values[row] < least), 1)
    if failed == 1:
        return {}
    known = [row for row in (failed - 1, failed) if not np.isnan(values[row])]
    figures = ", ".join(f"{in_points(values[row])} at rank {table.ranks[row]}" for row in known)
    return {int(table.ranks[failed - 1]): f"corrected core consistency alone would stop there: {figures}"}


def _does(table: RankTable, row: int) -> str:
    """Return by how much the component of a row changes the held-out error."""
    gain = gains_over_best(table)[row - 1]
    return f"lowers the held-out error by {_lowered_by(gain)}" if gain > 0 else "does not lower the held-out error"


def _lowered_by(gain: float) -> str:
    """Return in words the share of the held-out error that a gain, in logarithms, takes away."""
    percent = f"{-100.0 * np.expm1(-gain):.3g} %"
    return percent if percent != "100 %" else "more than 99.9 %"


DEFAULT_POLICY = Calibrated()
