"""Sparse tensors: nonzeros and their cells; every other cell is an observed zero, or hidden.

Every operation costs in proportion to the nonzeros (and to what it returns). What only depends on where the nonzeros
are, the `Pattern`, is found once, when first needed, and shared by tensors with the same cells and other values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from autoten._typing import Array
from autoten.kernels import sparse as sparse_kernels
from autoten.kernels.dense import Layout
from autoten.kernels.sparse import Slices
from autoten.tensors.tensor import (
    NO_CELLS,
    Cells,
    Tensor,
    gram_of_others,
    indices_of,
    joined,
    model_norm_squared,
    model_values,
    part_of,
    places_of,
)

# So many cells of a compressed core cost a sweep as much as one nonzero, whose rows lie anywhere in memory.
CELLS_PER_NONZERO = 4

# Up to so many slices are cut out one by one.
FEW_SLICES = 16


class Pattern:
    """Where the nonzeros are.

    Parameters
    ----------
    cells : array of int64
        Sorted C-order linear indices, none twice.
    shape : tuple of int
    """

    def __init__(self, cells: Cells, shape: tuple[int, ...]) -> None:
        self.cells = cells
        self.shape = shape
        self._slices: dict[int, Slices] = {}

    @cached_property
    def coords(self) -> Array:
        """Coordinates, shape (N, nnz), int32 where the modes are short enough."""
        dtype = np.int32 if max(self.shape) <= np.iinfo(np.int32).max else np.int64
        coords = np.empty((len(self.shape), len(self.cells)), dtype=dtype)
        for mode, index in indices_of(self.cells, self.shape):
            coords[mode] = index
        return coords

    def slices(self, mode: int) -> Slices:
        """Return the nonzeros in the order of one mode's slices."""
        if mode not in self._slices:
            order, starts = self._sorted_by(self._in_order, mode)
            others = [index for n, index in enumerate(self.coords) if n != mode]
            moved = self.coords[1:] if mode == 0 else np.stack([index[order] for index in others])
            self._slices[mode] = Slices(starts, order, moved)
        return self._slices[mode]

    def fibres(self, mode: int) -> tuple[Array, Cells]:
        """Return an order in which the nonzeros of every fibre of `mode` follow one another, and where each begins."""
        order = self._in_order
        # Mode 0 runs slowest already: sorted by all others, the last first, it runs fastest in the end.
        for other in reversed(range(len(self.shape))):
            if other != mode and mode != len(self.shape) - 1:
                order = self._sorted_by(order, other)[0]
        begins = np.zeros(len(order), dtype=bool)
        for other, index in enumerate(self.coords):
            if other != mode:
                begins[1:] |= np.diff(index[order]) != 0
        begins[:1] = True
        return order, np.append(np.flatnonzero(begins), len(order))

    @property
    def _in_order(self) -> Array:
        return np.arange(len(self.cells), dtype=np.int32 if len(self.cells) < 2**31 else np.int64)

    def _sorted_by(self, order: Array, mode: int) -> tuple[Array, Cells]:
        starts = np.empty(self.shape[mode] + 1, dtype=np.int64)
        out = np.empty_like(order)
        sparse_kernels.counting_sort(self.coords[mode], order, starts, out)
        return out, starts


class SparseTensor(Tensor):
    """An N-way tensor of which only the nonzeros are stored; an unlisted cell is an observed zero, unless it is hidden.

    Parameters
    ----------
    pattern : Pattern
        The cells of the nonzeros.
    values : array of shape (nnz,)
        float32 or float64, finite, in the order of the cells.
    scale : float
        The power of two by which the caller divided the data.
    hidden : array of int64, optional
        Sorted C-order linear indices of the cells that are not observed; nonzeros among them are not used.
    """

    def __init__(self, pattern: Pattern, values: Array, scale: float = 1.0, hidden: Cells = NO_CELLS) -> None:
        self.pattern = pattern
        self.scale = scale
        self.hidden = hidden
        place, found = places_of(hidden, pattern.cells)
        if found.any():  # the pattern is shared all the same
            values = values.copy()
            values[place[found]] = 0.0
        self.values = values
        self._by_slices: dict[int, Array] = {}

    @classmethod
    def of(cls, cells: Cells, values: Array, shape: tuple[int, ...], scale: float = 1.0) -> SparseTensor:
        """Return the tensor with these values: cells in any order, values of the same cell summed, zeros dropped."""
        if (cells[1:] <= cells[:-1]).any():
            order = np.argsort(cells, kind="stable")
            cells, values = cells[order], values[order]
            first = np.flatnonzero(np.diff(cells, prepend=-1))
            if len(first) < len(cells):
                cells, values = cells[first], np.add.reduceat(values, first, dtype=np.float64).astype(values.dtype)
        kept = values != 0
        if not kept.all():
            cells, values = cells[kept], values[kept]
        return cls(Pattern(cells, shape), values, scale)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pattern.shape

    @cached_property
    def hidden_pattern(self) -> Pattern:
        """The hidden cells, to be gone through like nonzeros."""
        return Pattern(self.hidden, self.shape)

    @cached_property
    def listed(self) -> Cells:
        cells = self.pattern.cells
        return cells[~places_of(cells, self.hidden)[1]] if len(self.hidden) else cells

    @property
    def pass_cost(self) -> int:
        return CELLS_PER_NONZERO * len(self.values)

    @cached_property
    def norm_squared(self) -> float:
        return float(np.square(self.values, dtype=np.float64).sum())

    def mttkrp(self, factors: Sequence[Array], mode: int) -> Array:
        layout, stacked = Layout.of(self.shape), np.ascontiguousarray(np.vstack(factors), dtype=float)
        out = np.zeros(factors[mode].shape)
        sparse_kernels.add_mttkrp(self.pattern.slices(mode), self.values_by(mode), layout, stacked, mode, out)
        return out

    def values_by(self, mode: int) -> Array:
        """Return the values in the order of a mode's slices."""
        if mode not in self._by_slices:
            self._by_slices[mode] = self.values if mode == 0 else self.values[self.pattern.slices(mode).order]
        return self._by_slices[mode]

    def normal_equations(self, factors: Sequence[Array], mode: int) -> tuple[Array, Array]:
        if not len(self.hidden):
            return super().normal_equations(factors, mode)
        # What hidden cells would add is the MTTKRP of ones among them, with the products of all pairs of columns.
        lower, upper = np.tril_indices(factors[0].shape[1])
        pairs = [factor[:, lower] * factor[:, upper] for factor in factors]
        grams = SparseTensor(self.hidden_pattern, np.full(len(self.hidden), -1.0)).mttkrp(pairs, mode)
        rhs = self.mttkrp(factors, mode)
        sparse_kernels.observed_only(gram_of_others(factors, mode), grams, rhs)
        return grams, rhs

    def squared_error(self, factors: Sequence[Array]) -> float:
        stacked, offsets = np.vstack(factors).astype(float, copy=False), Layout.of(self.shape).offsets
        coords, values = self.pattern.coords, self.values
        if len(self.hidden):
            kept = np.flatnonzero(values)
            coords, values = coords[:, kept], values[kept]
        errors, squares = sparse_kernels.sparse_squares(coords, values, stacked, offsets)
        elsewhere = model_values(factors, self.hidden, self.shape)
        squares += float(elsewhere @ elsewhere)
        # At the zeros the model itself is the error: all of its squares but those at other cells. Tiny negatives are
        # the rounding of a difference of large sums.
        return float(errors + max(model_norm_squared(factors) - squares, 0.0))

    def project(self, matrices: Sequence[Array]) -> Array:
        # The shortest mode runs slowest, so that the largest products, those of whole slices, are fewest.
        slowest = int(np.argmin(self.shape))
        modes = [slowest, *(n for n in range(len(self.shape)) if n != slowest)]
        starts, _, others = self.pattern.slices(slowest)
        values = self.values_by(slowest)
        ordered = [np.ascontiguousarray(matrices[mode], dtype=float) for mode in modes]
        widths = np.array([matrix.shape[1] for matrix in ordered])
        if len(modes) == 3:
            core = np.zeros(widths)
            sparse_kernels.project_three(starts, others, values, *ordered, core)
        else:
            sizes = np.array([matrix.size for matrix in ordered])
            places = np.concatenate([[0], np.cumsum(np.cumprod(widths[::-1])[::-1])])
            work = np.zeros(places[-1])
            flat, offsets = np.concatenate([matrix.ravel() for matrix in ordered]), np.cumsum(sizes) - sizes
            sparse_kernels.project(starts, others, values, flat, offsets, widths, work, places)
            core = work[: places[1]].reshape(widths)
        return np.ascontiguousarray(np.moveaxis(core, 0, slowest))

    def gram(self, mode: int) -> Array:
        order, starts = self.pattern.fibres(mode)
        total = np.zeros((self.shape[mode], self.shape[mode]))
        sparse_kernels.gram_of_fibres(starts, self.pattern.coords[mode][order], self.values[order], total)
        return total

    def gram_times(self, mode: int, columns: Array) -> Array:
        order, starts = self.pattern.fibres(mode)
        out = np.zeros(columns.shape)
        index = self.pattern.coords[mode][order]
        sparse_kernels.gram_times(starts, index, self.values[order], np.ascontiguousarray(columns), out)
        return out

    def slab_squares(self) -> list[Array]:
        squares = np.square(self.values, dtype=float)
        return [np.bincount(at, squares, n) for at, n in zip(self.pattern.coords, self.shape, strict=True)]

    def values_at(self, cells: Cells) -> Array:
        values = np.zeros(len(cells))
        place, found = places_of(cells, self.pattern.cells)
        values[found] = self.values[place[found]]
        return values

    @cached_property
    def total(self) -> float:
        return float(self.values.sum(dtype=float))

    @property
    def nonzero(self) -> Cells:
        return self.listed

    def pieces(self) -> Iterator[Array]:
        yield self.pattern.cells
        yield self.values
        if len(self.hidden):
            yield self.hidden

    def hide(self, cells: Cells) -> SparseTensor:
        return SparseTensor(self.pattern, self.values, self.scale, joined(self.hidden, cells))

    def with_values(self, values: Array) -> SparseTensor:
        # Cells that are the same share all that is known of them.
        everything = values
        if len(self.hidden):
            everything = np.zeros(len(self.values), values.dtype)
            everything[places_of(self.listed, self.pattern.cells)[0]] = values
        return SparseTensor(self.pattern, everything, self.scale, self.hidden)

    def sub(self, indices: Sequence[Array]) -> SparseTensor:
        # Where a mode keeps few slices only these are looked at: a single slab is cut out at its own cost.
        mode = int(np.argmin([len(index) / length for index, length in zip(indices, self.shape, strict=True)]))
        cells, values = self.pattern.cells, self.values
        if len(indices[mode]) <= FEW_SLICES:
            starts, order, _ = self.pattern.slices(mode)
            kept = np.concatenate([order[:0], *(order[starts[i] : starts[i + 1]] for i in indices[mode])])
            cells, values = cells[kept], values[kept]
        cells, inside = part_of(cells, self.shape, indices)
        part = SparseTensor.of(cells, values[inside], tuple(map(len, indices)), self.scale)
        hidden = np.sort(part_of(self.hidden, self.shape, indices)[0])
        return SparseTensor(part.pattern, part.values, self.scale, hidden) if len(hidden) else part
