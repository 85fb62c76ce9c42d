"""What deserves a look: about the data before any fit, and about the fits afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten.cp import is_surely_unique

if TYPE_CHECKING:
    from autoten.table import RankTable
    from autoten.tensors.protocol import Tensor

# Below this congruence two components nearly cancel each other: a degenerate solution.
DEGENERATE = -0.9

# Slabs whose inner products reach this share of their norms are the same to all intents.
IDENTICAL = 1.0 - 1e-12


def data_warnings(tensor: Tensor, table: RankTable) -> Iterator[str]:
    """Yield what the data alone make doubtful."""
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
                f"Mode {mode}: {_listed(few)} with as few as {observed.min()} observed cells; more components "
                f"than that cannot be told apart there (largest rank tried: {largest})."
            )
        yield from _twin_warnings(tensor, mode)


def _twin_warnings(tensor: Tensor, mode: int) -> Iterator[str]:
    gram = tensor.gram(mode)
    norms = np.sqrt(np.diag(gram))
    cosines = gram / np.where(norms > 0, np.outer(norms, norms), 1.0)
    same = np.isclose(norms[:, None], norms, rtol=1e-12, atol=0.0) & (cosines > IDENTICAL) & (norms > 0)
    first, second = np.nonzero(np.triu(same, 1))
    if len(first):
        yield (
            f"Mode {mode}: slabs {first[0]} and {second[0]} are identical"
            f"{f' (and {len(first) - 1} more pairs)' if len(first) > 1 else ''}: a held-out cell is then known from "
            "its twin, and held-out error flatters large ranks. Remove duplicates or hold out fibres along this mode."
        )


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
    if rank == table.ranks[-1] and table.complete:
        yield f"Rank {rank} is the largest that was tried: the data may support more. Widen the range of ranks."


def _best_converged(table: RankTable, row: int) -> bool:
    best = int(np.nanargmin(table["loss_starts"][row]))
    return bool(table["converged_starts"][row, best])


def _listed(indices: NDArray[Any]) -> str:
    shown = ", ".join(str(index) for index in indices[:5])
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    return f"{'slab' if len(indices) == 1 else 'slabs'} {shown}{more}"
