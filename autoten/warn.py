"""Warnings of an estimate: what deserves a look in the data, before any fit, and in the fits afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_array
from scipy.sparse.csgraph import connected_components

from autoten._errors import counted
from autoten._typing import Array
from autoten.fits import KINDS
from autoten.labels import Labels, in_words, wavelength_modes
from autoten.matching import Seen, matches
from autoten.model import CPModel, is_surely_unique, largest_determined_rank, n_parameters
from autoten.table import LOW_CONSISTENCY, RankTable
from autoten.tensors.tensor import LISTABLE, Tensor, indices_of

if TYPE_CHECKING:
    from autoten.answer import RankEstimate

# Of a part that finds more components than the whole, and gives the whole's rank less than this, it is said which.
AS_GOOD_AS_NONE = 0.05

# A component lives in few slabs where these hold all but a part of its squares, and are at most such a share of a mode.
LOCAL_SHARE = 0.1
LOCAL_SQUARES = 0.9

# So many different warnings of parts are passed on.
MOST_OF_PARTS = 5

# Below this congruence two components nearly cancel each other: a degenerate solution.
DEGENERATE = -0.9

# Share of a component's squares, in cells where no slab of a mode was observed, that deserves a warning.
UNSEEN = 0.2

# A mode is nearly the same in all components if no two columns have a smaller cosine. Core consistency then goes by the
# little in which they differ: where it is low that deserves a warning.
NEARLY_ALIKE = 0.99

# Share of a column's squares, in entries of the lesser sign, that noise about zero does not explain: it is 0.00 in the
# amino acids, up to 0.04 in other nonnegative laboratory data of the right rank, 0.1 to 0.5 where components cancel.
NEGATIVE = 0.1

# Squared mean over mean of squares: from here on what all cells share hides what tells them apart.
OFFSET = 0.9

# Slabs whose inner products with random directions agree so well are compared cell by cell.
SIGNATURE_TOLERANCE = 1e-9

# The variance of a Poisson count is its mean. Squared errors at cells that no fit has seen, in units of the mean, were
# 0.91 to 8 for Poisson counts (least squares is no sharp tool for them), more for over-dispersed ones; 0.89 or less for
# most scores, yes and no, and pixels of eight bits: between the ends of a scale there is little room.
LEAST_DISPERSION = 0.9

# Share of the cells above zero that hold the largest value. Counts have no end, and few are that large: 0 to 0.05; a
# scale that errors do not tell from counts, of ten steps and more, ends in 0.05 of them and more.
SCALE_END = 0.05

# So many zeros at least must be lacking among counts before it is said that they may only not be listed.
FEWEST_LACKING = 10.0

# Whole numbers as large as this on average are as often the readings of an instrument, whose unit is no event.
LARGEST_MEAN_COUNT = 1000.0


# Slabs of a sparse tensor with fewer nonzeros are often the same by chance; of the others so many pairs are compared.
FEWEST_TWIN_NONZEROS = 5
MOST_TWINS = 20


# Scattered light makes a ridge along emission = n x excitation: cells within so many nm of it against those between so
# many nm to either side, at the excitations where all were measured. With the scatter left in, they were 2.5 to 24
# times as bright in four sets (2.2 and 3.5 times at n = 2 in two of them); without, or where instruments block it, 0.2
# to 0.9 times in seven, and 1 in a simulation whose molecules emit 10 nm above what they absorb.
ON_RIDGE = 5.0
BESIDE_RIDGE = (15.0, 30.0)
RIDGE = 2.0
FEWEST_ON_RIDGE = 3


# What the warnings of a run say that somebody has interrupted.
INTERRUPTED = "run was interrupted"

# No more ranks are tried once the held-out errors of so many in a row were more than so many times the smallest one:
# larger models cost ever more, and the data do not carry them.
RANKS_FAR_PAST = 10
ERROR_FAR_PAST = 2.0


def left_out_warning(tensor: Tensor, last: int, first: int) -> str:
    """Return what is said of the ranks above `last`, from `first` on, that the data cannot determine."""
    said = f"rank {first} has {n_parameters(tensor.shape, first):,} free parameters, the data have"
    return f"Ranks above {last} were left out: {said} {tensor.n_observed:,} observed cells."


def far_past_warning(done: int) -> str:
    """Return why ranks above `done` do not stand in the table."""
    return (
        f"Ranks above {done} were not tried: the held-out errors of the last {RANKS_FAR_PAST} were more than "
        f"{ERROR_FAR_PAST:g} times the smallest."
    )


def skipped_warning(
    skipped: Sequence[int], cut_short: Mapping[int, Sequence[str]], *, interrupted: bool, kept: bool
) -> str:
    """Return what an interrupt or the end of the time has cost: whole ranks, and kinds of fits of some others.

    `kept` if there is a checkpoint to go on from.
    """
    lost = [_ranks_in_words(skipped)] if skipped else []
    for kind in KINDS:
        ranks = [rank for rank, kinds in cut_short.items() if kind in kinds]
        lost += [f"{kind} of {_ranks_in_words(ranks)}"] if ranks else []
    how = "were skipped or cut short" if cut_short else f"{'was' if len(skipped) == 1 else 'were'} skipped"
    grown = [rank for rank, kinds in cut_short.items() if not kinds]
    after = f" ({_ranks_in_words(grown)} grew from such fits)" if grown else ""
    cause, more_time = (f"The {INTERRUPTED}", "") if interrupted else ("Time was over", "Raise max_time, or ")
    remedy = "call it again with the same checkpoint to go on" if kept else "give a checkpoint, so that a run can go on"
    remedy = f"{more_time}{remedy}" if more_time else f"{remedy[0].upper()}{remedy[1:]}"
    return f"{cause}: {', '.join(lost)} {how}{after}. {remedy}."


def _ranks_in_words(ranks: Sequence[int]) -> str:
    """Return ranks in words: ``rank 4``, ``ranks 2 and 4``, ``ranks 3 to 7``."""
    first, last = ranks[0], ranks[-1]
    if first == last:
        return f"rank {first}"
    if last - first == len(ranks) - 1 > 1:
        return f"ranks {first} to {last}"
    return f"ranks {', '.join(map(str, ranks[:-1]))} and {last}"


def counts_warning(joined: bool) -> str:
    """Return what is said of counts where nobody named a solver: whether KL has joined in."""
    beside = "where no solver is named, KL() takes part beside ALS()"
    remedy = beside if joined else "estimate by KL() too, with a checkpoint of its own"
    return (
        "X looks like counts (whole numbers, unseen ones predicted no better than Poisson noise allows), of which "
        f"least squares often misses components: {remedy}."
    )


def empty_warnings(whole: Tensor, occupied: Tensor) -> Iterator[str]:
    """Yield which modes have slabs of zeros that took no part in the fits."""
    for mode, (length, n_occupied) in enumerate(zip(whole.shape, occupied.shape, strict=True)):
        if n_occupied < length:
            yield (
                f"Mode {mode}: {length - n_occupied:,} of {length:,} slabs hold no nonzero; "
                "their rows are zero in every model."
            )


def data_warnings(tensor: Tensor, table: RankTable, labels: Labels | None = None) -> Iterator[str]:
    """Yield what the data alone make doubtful."""
    if tensor.norm_squared == 0.0:
        yield "All observed cells are zero: there is nothing to decompose."
        return
    largest, hidden = int(table.ranks[-1]), dict(indices_of(tensor.hidden, tensor.shape))
    for mode, length in enumerate(tensor.shape):
        observed = prod(tensor.shape) // length - np.bincount(hidden[mode], minlength=length)
        if len(few := np.flatnonzero(observed < largest)):
            yield (
                f"{_raised(in_words(labels, mode))}: {_listed(labels, mode, few)} with as few as {observed.min()} "
                f"observed cells; more components than that cannot be told apart there (largest rank tried: {largest})."
            )
    yield from _unlinked_warnings(tensor, hidden, labels)
    yield from _unlisted_warnings(tensor)
    yield from _scatter_warnings(tensor, labels)
    if "heldout" in table and (n_empty := int(np.isnan(table["heldout"][0]).sum())):
        n_folds = table["heldout"].shape[1]
        yield (
            f"Only zeros, if anything, are left to predict in {n_empty} of {counted(n_folds, 'fold')}, because so few "
            f"cells are observed and not zero: the held-out error rests on {n_folds - n_empty or 'none'} of them. Hide "
            "more, or other cells."
        )
    yield from _sum_warnings(tensor, labels)


def _unlinked_warnings(tensor: Tensor, hidden: dict[int, Array], labels: Labels | None) -> Iterator[str]:
    """Find pairs of modes whose slabs fall into parts that no observed cell links."""
    for one, other in combinations(range(len(tensor.shape)), 2):
        lengths = tensor.shape[one], tensor.shape[other]
        rest = prod(tensor.shape) // prod(lengths)
        # Two parts have at least so many pairs of slabs between them, without an observed cell.
        if len(tensor.hidden) < rest * (sum(lengths) - 2) or prod(lengths) > LISTABLE:
            continue
        pairs = np.ravel_multi_index((hidden[one], hidden[other]), lengths)
        linked = np.bincount(pairs, minlength=prod(lengths)).reshape(lengths) < rest
        n_parts, part = connected_components(block_array([[None, linked], [linked.T, None]]), directed=False)
        if n_parts > 1:
            slabs = _listed(labels, one, np.flatnonzero(part[: lengths[0]] == part[0]))
            yield (
                f"{_raised(in_words(labels, one))}: nothing links {slabs} to the rest, observed at other slabs of "
                f"{in_words(labels, other)} ({n_parts} such parts): amounts cannot be compared between them. "
                "Decompose each part by itself."
            )


def _unlisted_warnings(tensor: Tensor) -> Iterator[str]:
    """Find counts of which the zeros seem to be taken for missing, as where a table lists only what happened.

    Of Poisson counts about ``f1 (f1 - 1) / (2 (f2 + 1))`` at least are 0 where f1 are 1 and f2 are 2, whatever their
    rates (Chao 1984, Scandinavian Journal of Statistics 11, 265-270).
    """
    if not len(tensor.hidden) or tensor.cell_weights is not None or len(tensor.nonzero) < tensor.n_observed:
        return
    values = tensor.values_at(tensor.nonzero) * tensor.scale
    ones, twos = (np.count_nonzero(values == n) for n in (1.0, 2.0))
    lacking = ones * (ones - 1) / (2 * (twos + 1))
    ends = np.count_nonzero(values == values.max()) > SCALE_END * len(values)
    if lacking < FEWEST_LACKING or ends or values.min() < 1.0 or not np.array_equal(values, np.floor(values)):
        return
    yield (
        f"Observed cells are counts, none of them 0, where at least {lacking:.0f} zeros are expected of so many ones: "
        "zeros may be taken for missing. If what is not listed means zero, say so: "
        "autoten.from_table(..., unlisted='zero')."
    )


def _scatter_warnings(tensor: Tensor, labels: Labels | None) -> Iterator[str]:
    """Find scattered light in fluorescence that is labelled by its wavelengths: a ridge where no mask lies."""
    modes = wavelength_modes(labels)
    if modes is None or labels is None:
        return
    emission, excitation = (np.asarray(labels.indices[mode], dtype=float) for mode in modes)
    if (len(emission), len(excitation)) != tuple(tensor.shape[mode] for mode in modes):
        return  # empty slabs took no part
    # Sums over samples, and how many of them were observed.
    ones = [np.ones((length, len(excitation))) for length in tensor.shape]
    ones[modes[1]] = np.eye(len(excitation))
    sums = tensor.mttkrp(ones, modes[0])
    hidden = dict(indices_of(tensor.hidden, tensor.shape))
    places = np.ravel_multi_index([hidden[mode] for mode in modes], sums.shape)
    seen = prod(tensor.shape) // sums.size - np.bincount(places, minlength=sums.size).reshape(sums.shape)
    for order, where in ((1, "emission = excitation"), (2, "emission = 2 x excitation")):
        brighter = _ridge(sums, seen, emission[:, None] - order * excitation)
        if brighter > RIDGE:
            yield (
                f"Scattered light ({where}) is still in X, {brighter:.2g} times as bright as what lies beside it: no "
                "component describes it. Mark it as missing with preprocess.mask_scatter."
            )
            return


def _ridge(sums: Array, seen: Array, distance: Array) -> float:
    """Return how bright cells at distance 0 are over those beside: in the mean, or in the median if that is less."""
    beside = (np.abs(distance) >= BESIDE_RIDGE[0]) & (np.abs(distance) <= BESIDE_RIDGE[1])
    parts = (np.abs(distance) <= ON_RIDGE, beside & (distance < 0), beside & (distance > 0))
    counts = np.array([np.where(part, seen, 0).sum(axis=0) for part in parts])
    measured = (counts > 0).all(axis=0)
    if measured.sum() < FEWEST_ON_RIDGE:
        return 0.0
    on, *sides = np.array([np.where(part, sums, 0.0).sum(axis=0) for part in parts])[:, measured] / counts[:, measured]
    brighter = np.maximum(*sides)
    if on.sum() <= 0.0 or brighter.sum() <= 0.0:
        return 0.0
    typical = np.median(np.divide(on, brighter, out=np.zeros_like(on), where=brighter > 0))
    return float(min(on.sum() / brighter.sum(), typical))


def looks_like_counts(tensor: Tensor, table: RankTable) -> bool:
    """Return whether X is of whole numbers that no model of a table of least squares predicts too well for counts."""
    if tensor.cell_weights is not None or tensor.scale != 1.0 or "heldout" not in table:
        return False
    if not 0.0 < tensor.total < LARGEST_MEAN_COUNT * tensor.n_observed:
        return False
    values = tensor.values_at(tensor.nonzero)
    ends = np.count_nonzero(values == values.max()) > SCALE_END * len(values)
    if ends or values.min() < 0.0 or not np.array_equal(values, np.floor(values)):
        return False
    errors = (float(np.nanmean(row)) for row in table["heldout"] if not np.isnan(row).all())
    return min(errors, default=0.0) * tensor.norm_squared >= LEAST_DISPERSION * tensor.total


def _sum_warnings(tensor: Tensor, labels: Labels | None = None) -> Iterator[str]:
    """Find a strong offset, and identical slabs, by the slabs' inner products with random directions and with ones."""
    rng, found = np.random.default_rng(0), []
    directions = [np.column_stack([rng.standard_normal((length, 2)), np.ones(length)]) for length in tensor.shape]
    for mode in range(len(tensor.shape)):
        products = tensor.mttkrp(directions, mode)
        offset = float(products[:, 2].sum()) ** 2 / (tensor.n_observed * tensor.norm_squared)
        if mode == 0 and offset > OFFSET:
            yield (
                f"The mean of all cells makes up {100 * offset:.3g} % of their mean square: an offset hides what tells "
                "cells apart. If it means nothing, centre a mode first (autoten.preprocess.center)."
            )
        if twins := sorted(_twins(tensor, mode, products)):
            (first, second), *more = twins
            others = f" (and {len(more)} more)" if more else ""
            pair = f"{_slab(labels, mode, first)} and {_slab(labels, mode, second)}"
            found.append(f"{in_words(labels, mode)}: slabs {pair} are identical{others}")
    if found:
        yield (
            f"{_raised('; '.join(found))}: a held-out cell is then known from its twin, and "
            "held-out error flatters large ranks. Remove duplicates."
        )


def _twins(tensor: Tensor, mode: int, products: Array) -> Iterator[tuple[int, int]]:
    """Yield pairs of identical slabs: of those whose inner products agree, cell by cell."""
    order = np.lexsort(products.T)
    close = np.isclose(products[order[:-1]], products[order[1:]], rtol=SIGNATURE_TOLERANCE, atol=0.0).all(axis=1)
    pairs = [sorted(map(int, order[k : k + 2])) for k in np.flatnonzero(close) if products[order[k]].any()]
    if pairs and tensor.listed is not None:
        counts = np.bincount(dict(indices_of(tensor.listed, tensor.shape))[mode], minlength=tensor.shape[mode])
        pairs = [pair for pair in pairs if counts[pair].min() >= FEWEST_TWIN_NONZEROS][:MOST_TWINS]
    whole = [np.arange(length) for length in tensor.shape]
    for pair in pairs:
        one, other = (tensor.sub([*whole[:mode], np.array([index]), *whole[mode + 1 :]]) for index in pair)
        listed = [slab.listed for slab in (one, other) if slab.listed is not None]
        cells = np.unique(np.concatenate(listed)) if len(listed) == 2 else np.arange(prod(one.shape))
        seen = np.setdiff1d(cells, one.hidden, assume_unique=True)
        if np.array_equal(one.hidden, other.hidden) and np.array_equal(one.values_at(seen), other.values_at(seen)):
            yield pair[0], pair[1]


def fit_warnings(table: RankTable, n_observed: int, rank: int) -> Iterator[str]:
    """Yield what the fits of the chosen rank and of its neighbours make doubtful."""
    ranks = table.ranks
    opposed = table["opposition"][:, 0] if "opposition" in table else np.zeros(len(ranks))
    if len(rows := np.flatnonzero(opposed < DEGENERATE)):
        congruences = " to ".join(dict.fromkeys(f"{of(opposed[rows]):.3f}" for of in (np.max, np.min)))
        yield (
            f"{_ranks(ranks[rows], rank, 'is', 'are')} degenerate: two components nearly cancel each other (congruence "
            f"{congruences}), a common sign of one component too many."
        )
    if "converged" in table and len(rows := np.flatnonzero((table["converged"][:, 0] != 1.0) & (ranks > 0))):
        fits = _ranks(ranks[rows], rank, ": the best fit", ": the best fits")
        yield f"{fits} had not converged; raise max_iter of the solver{'' if table.complete else ' or max_time'}."
    if len(rows := np.flatnonzero([not is_surely_unique(table.shape, int(each)) for each in ranks])):
        past = _ranks(ranks[rows], rank, "is", "are")
        yield f"{past} past Kruskal's bound for this shape: uniqueness is not guaranteed."
    *_, largest = ranks
    smallest = ranks[min(1, len(table) - 1)]
    if rank == largest and table.complete:
        if rank < largest_determined_rank(table.shape, n_observed):
            yield f"Rank {rank} is the largest that was tried: the data may support more. Widen the range of ranks."
        else:
            yield f"Rank {rank} is the largest that so few observed cells determine: the data may hold more components."
    if rank in (0, smallest) and smallest > 1:
        yield f"Rank {smallest} is the smallest that was tried: the data may hold fewer components. Begin with rank 1."


def alike_warnings(
    table: RankTable, models: Mapping[int, CPModel], rank: int, labels: Labels | None = None
) -> Iterator[str]:
    """Yield which modes alone make core consistency low, at the chosen rank or the next at which it tells anything."""
    scores = table.known("core_consistency")
    rows = np.flatnonzero((table.ranks >= rank) & table.informative)
    if not len(rows) or not scores[rows[0]] < LOW_CONSISTENCY:
        return
    model = models[int(table.ranks[rows[0]])].unit_columns()
    cosines = [float(np.abs(factor.T @ factor).min()) for factor in model.factors]
    alike = [mode for mode, cosine in enumerate(cosines) if cosine >= NEARLY_ALIKE]
    if not 0 < len(alike) < model.ndim:
        return
    named = _raised(" and ".join(in_words(labels, mode) for mode in alike))
    is_same, it = ("is", "it") if len(alike) == 1 else ("are", "them")
    yield (
        f"{named} {is_same} nearly the same in all components (cosines of {NEARLY_ALIKE:g} and more at rank "
        f"{model.rank}): core consistency is low for that already. Leave {it} out, or sum over {it}."
    )


def negative_warnings(tensor: Tensor, table: RankTable, model: CPModel) -> Iterator[str]:
    """Yield which components have negative entries though X has none."""
    if table.constrained:
        return
    found = np.zeros(model.rank, dtype=bool)
    for factor in model.normalized().factors:
        below = np.square(np.minimum(factor, 0.0)).sum(axis=0)
        found |= np.minimum(below, 1.0 - below) > NEGATIVE
    # Hidden cells hold zeros, and lists of cells nothing below: only values are negative, and none is copied to see it.
    if found.any() and all(piece.min(initial=0) >= 0 for piece in tensor.pieces()):
        *most, last = [str(r + 1) for r in np.flatnonzero(found)]
        which = f"Components {', '.join(most)} and {last}" if most else f"Component {last}"
        have = "have" if most else "has"
        yield (
            f"{which} of rank {model.rank} {have} negative entries though X has none. Where components are to be parts "
            "of the data, solver=HALS() (--solver hals) keeps these out."
        )


def unseen_warnings(tensor: Tensor, model: CPModel, labels: Labels | None = None) -> Iterator[str]:
    """Yield which components lie to a good part where the model does nothing but extrapolate."""
    index, model = dict(indices_of(tensor.hidden, tensor.shape)), model.normalized()
    for mode, length in enumerate(tensor.shape):
        others = [n for n in range(model.ndim) if n != mode]
        lengths = [tensor.shape[n] for n in others]
        fibres, counts = np.unique(np.ravel_multi_index([index[n] for n in others], lengths), return_counts=True)
        rows = zip(others, np.unravel_index(fibres[counts == length], lengths), strict=True)
        shares = np.prod([np.square(model.factors[n][row]) for n, row in rows], axis=0).sum(axis=0)
        if len(found := np.flatnonzero(shares > UNSEEN)):
            held = ", ".join(f"{100 * shares[r]:.0f} % of component {r + 1}" for r in found)
            lie = "lies" if len(found) == 1 else "lie"
            yield (
                f"At rank {model.rank} {held} (of its squares) {lie} where nothing was observed at any "
                f"index of {in_words(labels, mode)}: what the model says there is extrapolated, not measured. "
                "Probabilities speak of observed cells alone."
            )


def part_warnings(
    estimates: Sequence[RankEstimate], parts: Sequence[Sequence[Array]], model: CPModel, labels: Labels | None
) -> Iterator[str]:
    """Yield in what parts differ from the whole, which components live in few slabs, and what parts were warned of."""
    rank, n_parts = model.rank, len(estimates)
    of_ranks = Counter(each.rank for each in estimates)
    if set(of_ranks) != {rank}:
        said = ", ".join(f"{each} in {counted(times, 'part')}" for each, times in sorted(of_ranks.items()))
        yield f"Parts differ in their rank: {said}. {rank} is what their tables say together."
    for number, (each, indices) in enumerate(zip(estimates, parts, strict=True), 1):
        if each.rank > rank and each.probabilities.get(rank, 0.0) < AS_GOOD_AS_NONE:
            known = matches(each.model, model.rows(indices), Seen(each.model.shape)).first
            for component, mode, slabs in _local_components(each.model):
                if component not in known:
                    where = f"{in_words(labels, mode)}: {_listed(labels, mode, np.asarray(indices[mode])[slabs])}"
                    yield f"Part {number} alone holds one more component, which lives in few slabs of {where}."
    for mode, length in enumerate(model.shape):
        if absent := length - len(np.unique(np.concatenate([indices[mode] for indices in parts]))):
            where = f"{absent} of {length} slabs of {in_words(labels, mode)}"
            yield f"No part holds {where}: they have no say in the rank. Take larger parts."
    for component, mode, slabs in _local_components(model):
        of = f"{len(slabs)} of {model.shape[mode]} of {in_words(labels, mode)}"
        yield f"Component {component + 1} lives in few slabs ({of}): {_listed(labels, mode, slabs)}."
    found: Counter[str] = Counter()
    for each in estimates:
        of_fits = set(fit_warnings(each.table, each.settings["observed"], each.rank))
        found.update(warning for warning in each.warnings if warning not in of_fits)
    for warning, times in found.most_common(MOST_OF_PARTS):
        yield f"{warning} (So it is in {times} of {n_parts} parts.)"
    if len(found) > MOST_OF_PARTS:
        yield f"Parts were warned of {len(found) - MOST_OF_PARTS} other things."


def _local_components(model: CPModel) -> list[tuple[int, int, NDArray[np.intp]]]:
    """Return which components live in few slabs of a mode: component, mode, and these slabs in order."""
    found = []
    for mode, factor in enumerate(model.unit_columns().factors):
        for component, squares in enumerate(np.square(factor).T):
            order = np.argsort(-squares)
            n = int(np.searchsorted(np.cumsum(squares[order]), LOCAL_SQUARES)) + 1
            if n <= LOCAL_SHARE * len(factor):
                found.append((component, mode, np.sort(order[:n])))
    return found


def _ranks(ranks: Sequence[int] | NDArray[np.int64], chosen: int, one: str, several: str) -> str:
    """Return ranks in words, the chosen one marked, and what goes on with one or with several."""
    *most, last = (f"{each} (the chosen rank)" if each == chosen else f"{each}" for each in ranks)
    said = f"Ranks {', '.join(most)} and {last} {several}" if most else f"Rank {last} {one}"
    return said.replace(" :", ":")


def _raised(words: str) -> str:
    return words[0].upper() + words[1:]


def _slab(labels: Labels | None, mode: int, index: int) -> str:
    return str(index) if labels is None or labels.indices[mode] is None else f"{index} ({labels.index(mode, index)})"


def _listed(labels: Labels | None, mode: int, indices: Array) -> str:
    shown = ", ".join(_slab(labels, mode, index) for index in indices[:5])
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    return f"{'slab' if len(indices) == 1 else 'slabs'} {shown}{more}"
