"""What deserves a look: about the data before any fit, and about the fits afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten.cp import is_surely_unique
from autoten.fitting import largest_determined_rank
from autoten.labels import Labels
from autoten.tensors.equations import indices_of

if TYPE_CHECKING:
    from autoten.table import RankTable
    from autoten.tensors.protocol import Tensor

# Below this congruence two components nearly cancel each other: a degenerate solution.
DEGENERATE = -0.9

# Slabs whose inner products with random directions agree so well are compared cell by cell.
SIGNATURE_TOLERANCE = 1e-9


# Slabs of a sparse tensor with fewer nonzeros are often the same by chance; of the others so many pairs are compared.
FEWEST_TWIN_NONZEROS = 5
MOST_TWINS = 20


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
    labels = labels or Labels(("",) * len(tensor.shape), (None,) * len(tensor.shape))
    if tensor.norm_squared == 0.0:
        yield "All observed cells are zero: there is nothing to decompose."
        return
    largest = int(table.ranks[-1])
    hidden = np.unravel_index(tensor.hidden, tensor.shape)
    for mode, length in enumerate(tensor.shape):
        cells = int(np.prod(tensor.shape)) // length
        observed = cells - np.bincount(hidden[mode], minlength=length)
        few = np.flatnonzero(observed < largest)
        if len(few):
            yield (
                f"{_mode(labels, mode)}: {_listed(labels, mode, few)} with as few as {observed.min()} observed cells; "
                f"more components than that cannot be told apart there (largest rank tried: {largest})."
            )
    yield from _twin_warnings(tensor, labels)


def _twin_warnings(tensor: Tensor, labels: Labels) -> Iterator[str]:
    """Find identical slabs: by their inner products with random directions first, then cell by cell."""
    rng = np.random.default_rng(0)
    directions = [rng.standard_normal((length, 2)) for length in tensor.shape]
    equations = tensor.normal_equations(exact=True)
    counts = None
    if tensor.listed is not None:
        index = indices_of(tensor.listed, tensor.shape)
        counts = {mode: np.bincount(places, minlength=tensor.shape[mode]) for mode, places in index}
    for mode in range(len(tensor.shape)):
        signature = equations.at(directions, mode)[1]
        order = np.lexsort(signature.T)
        close = np.isclose(signature[order[:-1]], signature[order[1:]], rtol=SIGNATURE_TOLERANCE, atol=0.0).all(axis=1)
        pairs = [(order[k], order[k + 1]) for k in np.flatnonzero(close) if signature[order[k]].any()]
        if counts is not None:
            pairs = [pair for pair in pairs if counts[mode][pair[0]] >= FEWEST_TWIN_NONZEROS][:MOST_TWINS]
        twins = [sorted(map(int, pair)) for pair in pairs if _are_identical(tensor, mode, pair)]
        if twins:
            (first, second), *more = sorted(twins)
            others = f" (and {len(more)} more)" if more else ""
            yield (
                f"{_mode(labels, mode)}: slabs {_slab(labels, mode, first)} and {_slab(labels, mode, second)} are "
                f"identical{others}: a held-out cell is then known from "
                "its twin, and held-out error flatters large ranks. Remove duplicates."
            )


def _are_identical(tensor: Tensor, mode: int, pair: tuple[int, int]) -> bool:
    slabs = [
        tensor.sub([np.array([index]) if n == mode else np.arange(size) for n, size in enumerate(tensor.shape)])
        for index in pair
    ]
    one, other = (slab.listed for slab in slabs)
    cells = np.arange(prod(slabs[0].shape)) if one is None or other is None else np.union1d(one, other)
    same_gaps = np.array_equal(slabs[0].hidden, slabs[1].hidden)
    seen = np.setdiff1d(cells, slabs[0].hidden, assume_unique=True)
    return same_gaps and np.array_equal(slabs[0].values_at(seen), slabs[1].values_at(seen))


def fit_warnings(tensor: Tensor, table: RankTable, rank: int) -> Iterator[str]:
    """Yield what the fits of the chosen rank and of its neighbours make doubtful."""
    for row, candidate in enumerate(table.ranks):
        chosen = " (the chosen rank)" if candidate == rank else ""
        if "opposition" in table and table["opposition"][row, 0] < DEGENERATE:
            yield (
                f"Rank {candidate}{chosen} is degenerate: two components nearly cancel each other (congruence "
                f"{table['opposition'][row, 0]:.3f}), a common sign of one component too many."
            )
        if "converged_starts" in table and candidate and not _best_converged(table, row):
            yield f"Rank {candidate}{chosen}: the best fit had not converged; raise max_iter of the solver."
        if candidate and not is_surely_unique(tensor.shape, int(candidate)):
            yield f"Rank {candidate}{chosen} is past Kruskal's bound for this shape: uniqueness is not guaranteed."
    *_, largest = table.ranks
    smallest = table.ranks[min(1, len(table) - 1)]
    if rank == largest and table.complete:
        if rank < largest_determined_rank(tensor):
            yield f"Rank {rank} is the largest that was tried: the data may support more. Widen the range of ranks."
        else:
            yield f"Rank {rank} is the largest that so few observed cells determine: the data may hold more components."
    if rank in (0, smallest) and smallest > 1:
        yield f"Rank {smallest} is the smallest that was tried: the data may hold fewer components. Begin with rank 1."


def _best_converged(table: RankTable, row: int) -> bool:
    best = int(np.nanargmin(table["loss_starts"][row]))
    return bool(table["converged_starts"][row, best])


def _mode(labels: Labels, mode: int) -> str:
    return f"Mode {mode} ({labels.names[mode]})" if labels.names[mode] else f"Mode {mode}"


def _slab(labels: Labels, mode: int, index: int) -> str:
    return str(index) if labels.indices[mode] is None else f"{index} ({labels.index(mode, index)})"


def _listed(labels: Labels, mode: int, indices: NDArray[Any]) -> str:
    shown = ", ".join(_slab(labels, mode, index) for index in indices[:5])
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    return f"{'slab' if len(indices) == 1 else 'slabs'} {shown}{more}"
