"""The rules people use to choose a rank, each written from its definition and judged on the same evidence.

`RIVALS` names them all. A rule is a function from `Evidence` to a rank, or to None where it does not apply; its
docstring says what it deviates in from its source. Neighbouring packages as they are shipped are in `neighbours`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import isnan, prod
from typing import Any, NamedTuple

import numpy as np
from autoten_fits import AUTOTEN_TOLERANCE, autoten_fit, autoten_kl_core, single_start, uniform_start
from kneed import KneeLocator
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.stats import linregress, t

from autoten import KL, CPModel, RankEstimate, core_consistency, selection
from autoten.door import as_tensor
from autoten.holdout import longest_mode
from autoten.model import largest_useful_rank
from autoten.parafac import split_half
from autoten.scores.core_consistency import consistency
from autoten.selection.policies import best_row, trade_off
from autoten.table import LOWEST_CONSISTENCY, RankTable

Array = NDArray[Any]

# The smallest rank that AutoTen and NSVD try.
LOWEST_RANK = 2
# NSVD: the same fits from so many starts. Published with 50,000 sweeps at most; the longest we saw took 1138.
NSVD_STARTS, NSVD_SWEEPS, OUTLIER_DEVIATIONS = 10, 2000, 3.0
# NORMO: two components are redundant above this correlation.
REDUNDANT = 0.7
# Components that come back: mean factor match score.
REPLICABLE, SPLITS, SPLIT_STARTS, SHORTEST_SPLIT = 0.9, 3, 3, 4
# hottbox: relative error (of the norm, not of its square) that is good enough.
GOOD_ENOUGH = 0.01
# LaRGE: an eigenvalue leaves the line of the noise when it lies above what the smaller ones predict at this level.
LEAVES_AT, SHORTEST_LINE = 1e-4, 3
# Differences of fit below this are none: on data without noise the rest is where the solver stopped.
NO_GAIN = 1e-8


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that a rule may look at: data (NaN = missing), our fits with their scores, candidates, a seed for its own."""

    X: Array
    estimate: RankEstimate
    ranks: range
    seed: int

    @property
    def table(self) -> RankTable:
        """The scores of our fits."""
        return self.estimate.table

    @property
    def complete(self) -> bool:
        """Whether no cell is missing."""
        return not bool(np.isnan(self.X).any())


Rule = Callable[[Evidence], int | None]


class Rival(NamedTuple):
    """A rule and what it costs: "table", nothing beyond our fits, or "own fits"."""

    rule: Rule
    needs: str


def by(policy: selection.Policy) -> Rule:
    """Return a policy of ours as a rule: same fits, same table."""
    return lambda evidence: evidence.estimate.select(policy).rank


def compromise(worth: Callable[[Array, Array], Array]) -> Rule:
    """Return the rule that takes the rank worth most by interpretability and accuracy, the axes of the Pareto front."""
    return lambda evidence: int(evidence.table.ranks[best_row(worth(*trade_off(evidence.table)))])


def diffit(evidence: Evidence) -> int:
    """Return the rank after which the gain in fit falls off most steeply (DIFFIT).

    The largest ratio of a component's gain to the largest later one, among those that gain as much as any later one and
    as if the data were spread evenly over as many components as the tensor could hold: ratios of tiny gains decide
    nothing. If none before the last qualifies, the last if that explains enough, else 0. Made for Tucker3 models; where
    ranks were skipped, gains are per component (Timmerman & Kiers 2000, Br. J. Math. Stat. Psychol. 53, 1-16).
    """
    table, fits = evidence.table, evidence.table.mean("fit")
    known = ~np.isnan(fits)
    ranks = table.ranks[known]
    gains, least = np.diff(fits[known]) / np.diff(ranks), max(table.shape) / prod(table.shape)
    later = np.maximum.accumulate(gains[::-1])[::-1][1:]
    ratios = np.where(gains[:-1] >= np.maximum(later, least), gains[:-1] / np.maximum(later, NO_GAIN), 0.0)
    if ratios.any():
        return int(ranks[1 + ratios.argmax()])
    return int(ranks[-1]) if len(gains) and gains[-1] >= least else 0


def one_se_or_diffit(evidence: Evidence) -> int:
    """Return one-SE's rank, or DIFFIT's if that is the largest candidate or its core consistency is below -1000."""
    rank = evidence.estimate.select(selection.OneStandardError()).rank
    absurd = rank > 0 and evidence.table.value("core_consistency", rank) < LOWEST_CONSISTENCY
    return diffit(evidence) if absurd or rank == evidence.ranks[-1] else rank


def chull(evidence: Evidence) -> int:
    """Return the rank of the largest scree ratio on the upper convex hull of fit against complexity.

    Complexity is the number of components, to which free parameters are proportional. Rank 0 is the lower end of the
    hull, so that 1 can be chosen; neither end can. With nothing between the ends the answer is 0 if the larger end
    explains nothing, else that end (Ceulemans & Kiers 2006, Br. J. Math. Stat. Psychol. 59, 133-150).
    """
    hull: list[tuple[int, float]] = []
    for point in zip(evidence.table.ranks.tolist(), evidence.table.mean("fit").tolist(), strict=True):
        if hull and point[1] <= hull[-1][1] + NO_GAIN:
            continue  # as simple a model fits as well
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-1], point):
            hull.pop()
        hull.append(point)
    if len(hull) < 3:
        return hull[-1][0]
    slopes = [_slope(a, b) for a, b in pairwise(hull)]
    return hull[1 + int(np.argmax([before / after for before, after in pairwise(slopes)]))][0]


def _slope(a: tuple[int, float], b: tuple[int, float]) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])


def replicability(evidence: Evidence) -> int:
    """Return the largest rank up to which all fits of folds find the full fit's components, on average 0.9 alike.

    Adali et al. (2022) refit random subsets of the samples, we without the folds' cells, which costs nothing extra.
    """
    fine = evidence.table.mean("stability_folds")[1:] >= REPLICABLE
    return int(evidence.table.ranks[len(fine) if fine.all() else fine.argmin()])


def elbow(evidence: Evidence) -> int:
    """Return cell2cell's elbow: Kneedle with sensitivity 1 on the relative error (of the norm) against rank from 1 on.

    0 where Kneedle sees none: the rule then gives its users no answer, which should not count as not applying.
    """
    errors = relative_errors(evidence)
    if len(errors) < 3 or np.ptp(list(errors.values())) == 0:
        return 0
    knee = KneeLocator(list(errors), list(errors.values()), S=1.0, curve="convex", direction="decreasing")
    return int(knee.elbow or 0)


def error_threshold(evidence: Evidence) -> int:
    """Return hottbox's answer: the smallest rank whose relative error (of the norm) is 0.01 or less.

    Where none is, the rank of smallest error, as its ``rankest`` does: the largest one, as a rule. It never says 0.
    """
    errors = relative_errors(evidence)
    return next((r for r, error in errors.items() if error <= GOOD_ENOUGH), min(errors, key=errors.__getitem__))


def relative_errors(evidence: Evidence) -> dict[int, float]:
    """Return ||X - M|| / ||X|| over observed cells of every rank above 0."""
    errors = np.sqrt(np.maximum(0.0, 1.0 - evidence.table.mean("fit")))
    return {rank: error for rank, error in zip(evidence.table.ranks.tolist(), errors.tolist(), strict=True) if rank}


def eemqual(evidence: Evidence) -> int | None:
    """Return the rank of the largest product of fit, core consistency and split-half congruence (EEMqual).

    Core consistency below 0 counts as 0; of equal products the smallest rank is taken; it never says 0. The source
    (Bro & Vidal 2011, Chemom. Intell. Lab. Syst. 106, 86-92, as ``eempf_eemqual`` of staRdom has it) multiplies the
    congruences of all components in both modes, each that of the best of three splits; ours, `stability_halves`, is a
    mean over components. Raised to the power of the rank, the nearest to a product that the table allows, it was right
    on 74 % of the reported draws and not 79 %, so the rival has what serves it better. None without halves.
    """
    table, tried = evidence.table, evidence.table.ranks > 0
    halves = table["stability_halves"][tried]
    if np.isnan(halves).all():
        return None
    best = np.max(halves, axis=1, initial=0.0, where=~np.isnan(halves))
    consistency = np.nan_to_num(np.maximum(table.mean("core_consistency")[tried], 0.0))
    return int(table.ranks[tried][np.argmax(table.mean("fit")[tried] * consistency * best)])


def normo(evidence: Evidence) -> int:
    """Return the rank before the first in which two components are redundant, on our best fits.

    Redundant: |r| of their columns, averaged over modes, is above 0.7; else the largest candidate. On its two public
    tensors (true rank 10; the original answers 9 and 10) no rank up to 12 is redundant on our fits: well-fitted surplus
    components describe noise, and noise does not correlate (Fernandes, Fanaee-T & Gama 2020, Big Data).
    """
    return before_redundant({rank: evidence.estimate.models[rank] for rank in evidence.ranks})


def before_redundant(models: Mapping[int, CPModel]) -> int:
    """Return the rank before the first redundant model, the largest rank if none is."""
    return next((rank - 1 for rank, model in models.items() if redundancy(model) > REDUNDANT), max(models))


def redundancy(model: CPModel) -> float:
    """Return the largest correlation of two components: |Pearson's r| of their columns, averaged over modes.

    NaN for a single component. A constant column correlates with nothing.
    """
    if model.rank < 2:
        return float("nan")
    return float(np.mean([_correlations(factor) for factor in model.factors], axis=0).max())


def _correlations(factor: Array) -> Array:
    """Return |r| of all pairs of columns."""
    constant = np.ptp(factor, axis=0) <= 1e-12 * np.abs(factor).max(axis=0)
    safe = np.where(constant, 0.0, factor)
    with np.errstate(invalid="ignore"):  # 0 / 0 of a constant column
        return np.abs(1.0 - np.nan_to_num(pdist(safe.T, "correlation"), nan=1.0))


def autoten_2016(evidence: Evidence) -> int | None:
    """Return AutoTen's answer as published: one random start a rank, 100 sweeps at most, from rank 2 on.

    Its least-squares branch alone, `AutoTen2016` on fits of its own; with seed 7 it gives sweeps, fit and core
    consistency of the original code from the same starts. Its code knows complete three-way tensors only, so None for
    others, and None if no candidate is above 1.
    """
    if not _autoten_applies(evidence):
        return None
    return selection.AutoTen2016()(_autoten_curve(evidence, _by_squares)).rank


def autoten_both_losses(evidence: Evidence) -> int | None:
    """Return AutoTen's answer of both its branches, least squares and Kullback-Leibler, as it chooses between them.

    One start a rank, the same for both losses. Counts it fits by multiplicative steps up to a tolerance of 1e-4
    (CP-APR), we by `KL`: the same divergence, nearer to its optimum. None as `autoten_2016`, and for data with negative
    cells.
    """
    if not _autoten_applies(evidence) or evidence.X.min() < 0.0:
        return None
    tables = {"least squares": _autoten_curve(evidence, _by_squares), "KL": _autoten_curve(evidence, _by_counts)}
    return selection.AutoTen2016().between(tables)[1].rank


def _autoten_applies(evidence: Evidence) -> bool:
    return evidence.complete and evidence.X.ndim == 3 and evidence.ranks[-1] >= LOWEST_RANK


def _autoten_curve(evidence: Evidence, score: Callable[[Evidence, int], float]) -> RankTable:
    """Return a table of nothing but the core consistencies that AutoTen reads."""
    ranks = [rank for rank in evidence.ranks if rank >= LOWEST_RANK]
    scores = np.array([[np.nan], *([score(evidence, rank)] for rank in ranks)])
    return RankTable(np.array([0, *ranks]), {"core_consistency": scores}, evidence.X.shape)


def _by_squares(evidence: Evidence, rank: int) -> float:
    return core_consistency(evidence.X, autoten_fit(evidence.X, rank, evidence.seed).model)


def _by_counts(evidence: Evidence, rank: int) -> float:
    X, seed = evidence.X, evidence.seed
    start = CPModel(np.ones(rank), tuple(uniform_start(X.shape, rank, (seed, rank))))
    core = np.random.default_rng([seed, rank, 0]).random((rank, rank, rank))
    return consistency(autoten_kl_core(X, KL().fit(as_tensor(X), start).model, core))


@lru_cache(maxsize=1)
def single_starts(evidence: Evidence) -> dict[int, list[CPModel]]:
    """Return the models of ten single starts for every rank from 2 on; NSVD and NORMO share them."""
    X, seed = evidence.X, evidence.seed
    return {
        rank: [
            single_start(X, uniform_start(X.shape, rank, (seed, rank, n)), AUTOTEN_TOLERANCE, NSVD_SWEEPS).model
            for n in range(NSVD_STARTS)
        ]
        for rank in evidence.ranks
        if rank >= LOWEST_RANK
    }


def nsvd(evidence: Evidence) -> int | None:
    """Return the rank whose components, found from ten starts, have the most even singular values (NSVD).

    The smallest `singular_value_deviation` wins. Rank 1 is left out: its one singular value is 1 up to rounding. None
    for missing data, which the published code handles only by hiding more, and if no candidate is above 1. On the demo
    tensor of its authors, who get 5 with ranks 1..8 and 10 with 1..10, twenty seeds gave 5 fifteen times, 10 thirteen
    (Tsitsikas & Papalexakis 2020, Big Data).
    """
    if not evidence.complete or evidence.ranks[-1] < LOWEST_RANK:
        return None
    scores = {
        rank: singular_value_deviation(np.array([_singular_values(model) for model in models]))
        for rank, models in single_starts(evidence).items()
    }
    return min(scores, key=lambda rank: np.inf if isnan(scores[rank]) else scores[rank])


def _singular_values(model: CPModel) -> Array:
    """Return those of the Khatri-Rao product of all factors, unit columns: roots of its Gram matrix's eigenvalues."""
    gram = np.prod([factor.T @ factor for factor in model.normalized().factors], axis=0)
    return np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))


def singular_value_deviation(values: Array) -> float:
    """Return NSVD's score of singular values, shape (starts, rank): the sum of log(variance / mean) over components.

    Without outliers, and averaged over growing numbers of starts, 2 to all, leaving out infinities, as published.
    """
    growing = [without_outliers(values[:n]) for n in range(2, len(values) + 1)]
    with np.errstate(divide="ignore", invalid="ignore"):  # equal values have no variance: an infinite score
        scores = np.array([np.log(some.var(axis=0, ddof=1) / some.mean(axis=0)).sum() for some in growing])
    finite = scores[np.isfinite(scores)]
    return float(finite.mean()) if len(finite) else float("nan")


def without_outliers(values: Array) -> Array:
    """Return values, those of a column more than 3 scaled median absolute deviations away replaced with its median."""
    median = np.median(values, axis=0)
    deviation = np.abs(values - median)
    return np.where(deviation > OUTLIER_DEVIATIONS * 1.4826 * np.median(deviation, axis=0), median, values)


def normo_of_single_starts(evidence: Evidence) -> int | None:
    """Return the most frequent answer of NORMO over ten seeds, one start a rank each; the smallest of those that tie.

    On the public tensors of `normo` it answers 8 and 7 with ranks 1..12, seed 0: a single random start often ends in a
    worse optimum. None for missing data, and if no candidate is above 1.
    """
    if not evidence.complete or evidence.ranks[-1] < LOWEST_RANK:
        return None
    starts = single_starts(evidence)
    answers = [before_redundant({rank: models[n] for rank, models in starts.items()}) for n in range(NSVD_STARTS)]
    return int(np.bincount(answers).argmax())


def large(evidence: Evidence) -> int | None:
    """Return how many global eigenvalues stand above the line of the noise (LaRGE).

    From the smallest on, the first whose logarithm lies above what a line through the smaller ones predicts ends the
    noise. Published with a fixed threshold, whose value we could not look up; here the prediction interval of the
    regression judges, from three points on, at a level of 0.01 %, the best of four tried on 160 draws of their own.
    None for missing data (Korobkov, Diugurova, Haueisen & Haardt 2021, arXiv 2110.02705).
    """
    if not evidence.complete:
        return None
    return min(above_the_line(np.log(global_eigenvalues(evidence.X))), evidence.ranks[-1])


def global_eigenvalues(X: Array) -> Array:
    """Return products over modes of the k-th largest eigenvalue of the unfolding times its transpose, largest first."""
    spectra = [eigenvalues(X, mode)[: min(X.shape)] for mode in range(X.ndim)]
    return np.maximum(np.prod(spectra, axis=0), np.finfo(float).tiny)


def eigenvalues(X: Array, mode: int) -> Array:
    """Return those of a mode's unfolding times its transpose, largest first, as many as can differ from zero."""
    unfolded = np.moveaxis(X, mode, 0).reshape(X.shape[mode], -1)
    return np.linalg.svd(unfolded @ unfolded.T, compute_uv=False)[: min(unfolded.shape)]


def above_the_line(logs: Array) -> int:
    """Return how many values, largest first, come before the first break from the line, seen from the smallest."""
    places = np.arange(len(logs), dtype=float)
    for place in range(len(logs) - SHORTEST_LINE - 1, -1, -1):
        x, y = places[place + 1 :], logs[place + 1 :]
        line = linregress(x, y)
        spread = np.sqrt(((y - line.intercept - line.slope * x) ** 2).sum() / (len(x) - 2))
        reach = np.sqrt(1.0 + 1.0 / len(x) + (place - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
        limit = t.ppf(1.0 - LEAVES_AT, len(x) - 2) * spread * reach
        if logs[place] - line.intercept - line.slope * place > limit:
            return place + 1
    return 0


def eigenvalue_ratio(evidence: Evidence) -> int | None:
    """Return the rank of the largest ratio of successive eigenvalues of the longest mode's Gram matrix.

    The aggregate one of two ratios for CP factor models of a series of tensors (Chen, Han & Yu 2024, arXiv 2406.17278),
    read from public R code of its algorithms (RC-PCA, CC-ISO). Ours: nothing says which mode is time, so the longest
    stands for it. It never says 0. None for missing data.
    """
    if not evidence.complete:
        return None
    return largest_ratio(eigenvalues(evidence.X, longest_mode(evidence.X.shape)), evidence.ranks[-1])


def eigenvalue_ratio_of_modes(evidence: Evidence) -> int | None:
    """Return the largest answer that eigenvalue ratios give in any mode: `eigenvalue_ratio`, mode by mode.

    The other of the two, for no more components than a mode's length // 2 - 1. Ours: all modes are asked, as none is
    known to be time, and of their answers, of which the code reports mean, median, largest and smallest, the largest is
    taken: a short mode, or one whose columns are alike, shows fewer components than there are, and none shows more.
    Modes shorter than 4 take no part. None if none is longer, and for missing data.
    """
    if not evidence.complete or max(evidence.X.shape) < SHORTEST_SPLIT:
        return None
    spectra = [eigenvalues(evidence.X, mode) for mode in range(evidence.X.ndim)]
    return max(largest_ratio(s, min(len(s) // 2 - 1, evidence.ranks[-1])) for s in spectra if len(s) >= SHORTEST_SPLIT)


def largest_ratio(values: Array, largest: int) -> int:
    """Return after how many of `values`, falling, the fall is steepest: at least 1, at most `largest`."""
    values = np.maximum(values[: largest + 1], np.finfo(float).eps * values[0])  # below that it is rounding
    return 1 + int(np.argmax(values[:-1] / values[1:])) if len(values) > 1 else 1


def split_half_rule(evidence: Evidence) -> int | None:
    """Return the largest rank at which two random halves of the longest mode give the same other factors, else 0.

    The same: a factor match score of 0.9 on average over three splits, each half the best of three starts. Smaller
    ranks need not pass: too few components leave the halves free to find different ones. None if no mode has 4 indices.
    """
    mode = longest_mode(evidence.X.shape)
    if evidence.X.shape[mode] < SHORTEST_SPLIT:
        return None
    half = tuple(length // 2 if n == mode else length for n, length in enumerate(evidence.X.shape))
    ranks = [rank for rank in evidence.ranks if rank <= largest_useful_rank(half)]
    return next((rank for rank in reversed(ranks) if _halves_agree(evidence, rank, mode)), 0)


def _halves_agree(evidence: Evidence, rank: int, mode: int) -> bool:
    rng, lost = np.random.default_rng([evidence.seed, rank]), 0.0
    for _ in range(SPLITS):
        seed = int(rng.integers(2**32))
        scores = split_half(evidence.X, rank, mode, n_splits=1, n_starts=SPLIT_STARTS, random_state=seed)
        lost += 1.0 - float(scores[0])
        if lost > SPLITS * (1.0 - REPLICABLE):
            return False  # not even perfect agreement of the other splits would do
    return True


RIVALS: Mapping[str, Rival] = {
    name: Rival(rule, needs)
    for name, rule, needs in (
        ("AutoTen 2016, one start", autoten_2016, "own fits"),
        ("AutoTen 2016, both losses", autoten_both_losses, "own fits"),
        ("AutoTen 2016, many starts", by(selection.AutoTen2016()), "table"),
        ("core consistency >= 50", by(selection.CoreConsistencyThreshold(50.0)), "table"),
        ("core consistency >= 80", by(selection.CoreConsistencyThreshold(80.0)), "table"),
        ("held-out minimum", by(selection.HeldOutMinimum()), "table"),
        ("held-out one-SE", by(selection.OneStandardError()), "table"),
        ("held-out two-SE", by(selection.OneStandardError(2.0)), "table"),
        ("DIFFIT", diffit, "table"),
        ("one-SE, else DIFFIT", one_se_or_diffit, "table"),
        ("CHull", chull, "table"),
        ("knee of the front", by(selection.Knee()), "table"),
        ("ideal point", compromise(lambda i, a: -np.hypot(1.0 - i, 1.0 - a)), "table"),  # Yu 1973, Management Sci. 19
        ("harmonic mean", by(selection.HarmonicMean()), "table"),
        ("exchange rate", compromise(lambda i, a: i + a), "table"),  # a point of core consistency for a percent
        ("replicability", replicability, "table"),
        ("EEMqual", eemqual, "table"),
        ("split-half", split_half_rule, "own fits"),
        ("NORMO", normo, "table"),
        ("NORMO, single starts", normo_of_single_starts, "own fits"),
        ("NSVD", nsvd, "own fits"),
        ("LaRGE", large, "own fits"),
        ("eigenvalue ratio, longest mode", eigenvalue_ratio, "own fits"),
        ("eigenvalue ratio, any mode", eigenvalue_ratio_of_modes, "own fits"),
        ("elbow (cell2cell)", elbow, "table"),
        ("error threshold (hottbox)", error_threshold, "table"),
    )
}
