"""Dense tensors: the data, which cells are hidden, and, optionally, what each cell's squared error counts for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoten._typing import Array
from autoten.kernels import dense as dense_kernels
from autoten.kernels import linear
from autoten.kernels.dense import Dense, Layout, Work
from autoten.model import khatri_rao
from autoten.tensors.tensor import NO_CELLS, Cells, Tensor, joined, part_of, side_by_side

# Up to so many columns the compiled contraction is faster than OpenBLAS (benchmarks/archive/products.md).
KERNEL_COLUMNS = 32

# A pass over X that needs a working copy makes it of one block at a time.
N_BLOCKS = 16

NO_WEIGHTS = np.empty((0, 0), dtype=bool)


class DenseTensor(Tensor):
    """An N-way array, C-contiguous, float32 or float64; X itself is never changed.

    Parameters
    ----------
    data : array of shape (I_1, ..., I_N)
        C-contiguous and finite; what it holds at hidden cells is never used.
    scale : float
        The power of two by which the caller divided the data.
    hidden : array of int64, optional
        Sorted C-order linear indices of the cells that are not observed.
    cell_weights : array of float64, shape (I_1, ..., I_N), optional
        C-contiguous, >= 0: what each cell's squared error counts for, 1 on average where observed, 0 elsewhere.
    """

    def __init__(
        self,
        data: Array,
        scale: float = 1.0,
        hidden: Cells = NO_CELLS,
        cell_weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.data = _read_only(data)
        self.scale = scale
        self.cell_weights = None if cell_weights is None else _read_only(cell_weights)
        self.hidden = hidden if cell_weights is None else np.flatnonzero(cell_weights == 0.0)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("row_weights", "_listed")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        # What comes from another process may be mapped, writable, or begin at any byte: then sums round otherwise.
        self.data = _read_only(np.require(self.data, requirements="A"))
        if self.cell_weights is not None:
            self.cell_weights = _read_only(np.require(self.cell_weights, requirements="A"))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @cached_property
    def norm_squared(self) -> float:
        if self.cell_weights is not None:
            slabs = zip(self.cell_weights, self.data, strict=True)  # one by one: float32 is squared as float64
            return float(sum((weights * np.square(slab, dtype=np.float64)).sum() for weights, slab in slabs))
        # Not by subtraction: a wild value at one of the cells would take the digits of all the others with it.
        return float(linear.squares_elsewhere(self.data.reshape(-1), self.hidden))

    @cached_property
    def total(self) -> float:
        return float(self.data.sum(dtype=float)) - float(self.values_at(self.hidden).sum())

    @property
    def nonzero(self) -> Cells:
        nonzero = np.flatnonzero(self.data != 0.0)  # ten times as fast as without the comparison
        return np.setdiff1d(nonzero, self.hidden, assume_unique=True) if len(self.hidden) else nonzero

    @property
    def rows(self) -> Array:
        """The data as a matrix, shape (product of the leading modes, last mode)."""
        return self.data.reshape(-1, self.shape[-1])

    @cached_property
    def row_weights(self) -> Array:
        """What each cell of `rows` counts for: booleans where all observed ones count alike, empty if all cells do."""
        if self.cell_weights is not None:
            return self.cell_weights.reshape(self.rows.shape)
        if not len(self.hidden):
            return NO_WEIGHTS
        observed = np.ones(self.rows.shape, dtype=bool)
        observed.reshape(-1)[self.hidden] = False
        return observed

    def problem(self, rank: int, layout: Layout, *, impute: bool = False) -> Dense:
        """Return what kernels need to fit so many components; `impute` lists the hidden cells, if all count alike."""
        rows, length = self.rows, self.shape[-1]
        sink, starts, columns = np.empty((0, 0), rows.dtype), NO_CELLS, np.empty(0, np.int32)
        if impute and self.cell_weights is None:
            weights = NO_WEIGHTS
            if len(self.hidden):
                rows = self._counted().rows
                sink = rows.view()
                sink.flags.writeable = True
                starts, columns = self._listed
        else:
            weights = self.row_weights
        n_pairs = rank * (rank + 1) // 2 if weights.size else 0
        work = Work.of(len(rows), rank, n_pairs if n_pairs <= length else 0)
        return Dense(rows, sink, starts, columns, weights, layout, work, self.norm_squared)

    @cached_property
    def _listed(self) -> tuple[Cells, NDArray[np.int32]]:
        """Where the hidden cells of each row begin in their list, and their columns."""
        length = self.shape[-1]
        starts = np.searchsorted(self.hidden, length * np.arange(len(self.rows) + 1))
        return starts, (self.hidden % length).astype(np.int32)

    def mttkrp(self, factors: Sequence[Array], mode: int) -> Array:
        layout, factors_t, nothing = Layout.of(self.shape), side_by_side(factors), np.empty(0)
        dense = self._counted().problem(len(factors_t), layout, impute=True)
        if 0 < mode < len(factors) - 1:
            dense_kernels.contract_filled(dense, factors_t[:, layout.offsets[-1] :].copy(), nothing)
        return np.ascontiguousarray(dense_kernels.product(dense, factors_t, nothing, mode).T)

    def normal_equations(self, factors: Sequence[Array], mode: int) -> tuple[Array, Array]:
        if not len(self.hidden) and self.cell_weights is None:
            return super().normal_equations(factors, mode)
        length, rank = factors[mode].shape
        stacked = np.ascontiguousarray(np.vstack(factors), dtype=float)
        pairs = np.empty((len(stacked), rank * (rank + 1) // 2))
        dense_kernels.fill_pairs(stacked, 0, len(stacked), pairs)
        grams, rhs = np.empty((length, pairs.shape[1])), np.empty((length, rank))
        dense = self.problem(rank, Layout.of(self.shape))
        dense = dense._replace(work=Work.of(len(dense.rows), rank))  # nothing is left behind by an earlier mode
        dense_kernels.row_equations(dense, stacked, pairs, mode, grams, rhs)
        return grams, rhs

    def squared_error(self, factors: Sequence[Array]) -> float:
        leading, last = khatri_rao(factors[:-1]).T, np.ascontiguousarray(factors[-1].T, dtype=float)
        return float(dense_kernels.squared_error(self.rows, self.row_weights, leading, last))

    def _counted(self) -> DenseTensor:
        """Return the data, each cell times its weight, as a tensor of its own; itself if all cells count alike."""
        if self.cell_weights is not None:
            return DenseTensor(self.cell_weights * self.data)
        return self.filled(self.hidden, 0.0) if len(self.hidden) else self

    def filled(self, cells: Cells, values: Array | float) -> DenseTensor:
        """Return a complete copy with other values at `cells`."""
        data = self.data.copy()
        data.reshape(-1)[cells] = values
        return DenseTensor(data, self.scale)

    def project(self, matrices: Sequence[Array]) -> Array:
        core = self._counted()._contract_last(matrices[-1]).reshape(-1, *self.shape[:-1])
        # Each contraction takes the last of the tensor's own axes and appends the new one: the order ends up reversed.
        for mode in reversed(range(len(matrices) - 1)):
            core = np.tensordot(core, matrices[mode], axes=(mode + 1, 0))
        return np.ascontiguousarray(core.transpose())

    def _contract_last(self, matrix: Array) -> Array:
        """Return X times the transpose of `matrix` (I, k) in the last mode, shape (k, product of the other modes)."""
        rows = self.rows
        out = np.empty((matrix.shape[1], len(rows)))
        if matrix.shape[1] <= KERNEL_COLUMNS:
            dense_kernels.contract_last(rows, np.ascontiguousarray(matrix.T, dtype=float), out, 0, len(rows))
        else:
            for block in _blocks(len(rows)):
                out[:, block] = matrix.T @ rows[block].T.astype(float)
        return out

    def gram(self, mode: int) -> Array:
        total = np.zeros((self.shape[mode], self.shape[mode]))
        for unfolded in self._counted()._unfolded(mode):
            total += unfolded @ unfolded.T
        return total

    def gram_times(self, mode: int, columns: Array) -> Array:
        total = np.zeros(columns.shape)
        for unfolded in self._counted()._unfolded(mode):
            total += unfolded @ (unfolded.T @ columns)
        return total

    def _unfolded(self, mode: int) -> Iterator[Array]:
        """Yield the unfolding of `mode` in blocks of columns: they bound the copy of float32 data and inner modes."""
        length = self.shape[mode]
        left = prod(self.shape[:mode])
        slabs = self.data.reshape(left, length, -1)
        if left == 1:
            blocks = (slabs[0, :, block] for block in _blocks(slabs.shape[2]))
        else:
            blocks = (np.moveaxis(slabs[block], 1, 0).reshape(length, -1) for block in _blocks(left))
        return (unfolded.astype(float, copy=False) for unfolded in blocks)

    def slab_squares(self) -> list[Array]:
        total = [np.zeros(length) for length in self.shape]
        for i, slab in enumerate(self._counted().data):
            squares = np.square(slab, dtype=float)
            total[0][i] = squares.sum()
            for mode in range(1, len(total)):
                total[mode] += squares.sum(axis=tuple(n for n in range(squares.ndim) if n != mode - 1))
        return total

    def values_at(self, cells: Cells) -> Array:
        return self.data.reshape(-1)[cells].astype(float)

    def with_values(self, values: Array) -> DenseTensor:
        data = np.zeros(self.shape)
        data.reshape(-1)[self.nonzero] = values
        return DenseTensor(data, self.scale, self.hidden, self.cell_weights)

    def hide(self, cells: Cells) -> DenseTensor:
        if self.cell_weights is None:
            return DenseTensor(self.data, self.scale, joined(self.hidden, cells))
        weights = self.cell_weights.copy()
        weights.reshape(-1)[cells] = 0.0
        return DenseTensor(self.data, self.scale, cell_weights=weights)

    def pieces(self) -> Iterator[Array]:
        yield from (self.rows[block] for block in _blocks(len(self.rows)))
        if self.cell_weights is not None:
            yield self.cell_weights
        elif len(self.hidden):
            yield self.hidden

    def sub(self, indices: Sequence[Array]) -> DenseTensor:
        data = np.ascontiguousarray(self.data[np.ix_(*indices)])
        if self.cell_weights is not None:
            return DenseTensor(data, self.scale, cell_weights=np.ascontiguousarray(self.cell_weights[np.ix_(*indices)]))
        return DenseTensor(data, self.scale, np.sort(part_of(self.hidden, self.shape, indices)[0]))


def _read_only(array: Array) -> Array:
    """Return a view that is compiled once, whether or not it came from a read-only memory map."""
    view = array.view(np.ndarray)  # drops np.memmap, whose slices would each carry the file along
    view.flags.writeable = False
    return view


def _blocks(length: int) -> Iterator[slice]:
    """Yield slices that cut `length` into at most `N_BLOCKS` pieces."""
    step = -(-length // N_BLOCKS)
    return (slice(start, start + step) for start in range(0, length, step))
