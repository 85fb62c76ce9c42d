"""Dense tensors of which some cells are known better than others: each cell's squared error has a weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from autoten import _kernels, _row_kernels
from autoten.tensors.dense import DenseTensor
from autoten.tensors.protocol import DenseRows, no_sink

if TYPE_CHECKING:
    from autoten.tensors.protocol import Array, Cells, NormalEquations


class WeightedTensor:
    """A dense tensor and what each cell's squared error counts for.

    Parameters
    ----------
    data : DenseTensor
        What it holds at cells without weight is never used.
    cell_weights : array of float64, shape (I_1, ..., I_N)
        C-contiguous, >= 0; 0 at cells that are not observed.
    """

    def __init__(self, data: DenseTensor, cell_weights: Array) -> None:
        self.data = data
        view = cell_weights.view()
        view.flags.writeable = False  # one compiled version, as of the data
        self.cell_weights = view

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What comes from another process may be mapped and begin at any byte, like the data of a DenseTensor.
        vars(self).update(state)
        WeightedTensor.__init__(self, self.data, np.require(self.cell_weights, requirements="A"))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def scale(self) -> float:
        return self.data.scale

    @cached_property
    def n_observed(self) -> int:
        return int(np.count_nonzero(self.cell_weights))

    @cached_property
    def hidden(self) -> Cells:
        return np.flatnonzero(self.cell_weights == 0.0)

    @cached_property
    def norm_squared(self) -> float:
        slabs = zip(self.cell_weights, self.data.data, strict=True)  # one by one: float32 is squared as float64
        return float(sum((weights * np.square(slab, dtype=np.float64)).sum() for weights, slab in slabs))

    @cached_property
    def total(self) -> float:
        return float(self.data.data.sum(dtype=float, where=self.cell_weights > 0.0))

    @property
    def nonzero(self) -> Cells:
        return np.setdiff1d(self.data.nonzero, self.hidden, assume_unique=True)

    @property
    def listed(self) -> None:
        return None

    @property
    def pass_cost(self) -> int:
        return self.data.pass_cost

    def mttkrp(self, factors: Sequence[Array], mode: int) -> Array:
        return _WeightedEquations(self).at(factors, mode)[1]

    def normal_equations(self, *, exact: bool = False) -> NormalEquations:
        return _WeightedEquations(self)

    def dense_rows(self) -> DenseRows:
        rows = self.data.rows
        return DenseRows(rows, *no_sink(rows.dtype), self.cell_weights.reshape(rows.shape))

    def squared_error(self, factors: Sequence[Array]) -> float:
        rows, stacked = self.dense_rows(), np.ascontiguousarray(np.vstack(factors).T)
        weights = np.ones(len(stacked))
        return float(_row_kernels.exact_error(rows.rows, rows.cell_weights, *_places(self), stacked, weights))

    def _product(self) -> DenseTensor:
        """Return the data, each cell times its weight."""
        return DenseTensor(self.cell_weights * self.data.data)

    def project(self, matrices: Sequence[Array]) -> Array:
        return self._product().project(matrices)

    def gram(self, mode: int) -> Array:
        return self._product().gram(mode)

    def gram_times(self, mode: int, columns: Array) -> Array:
        return self._product().gram_times(mode, columns)

    def values_at(self, cells: Cells) -> Array:
        return self.data.values_at(cells)

    def with_values(self, values: Array) -> WeightedTensor:
        return WeightedTensor(self.data.zeroed(self.hidden).with_values(values), self.cell_weights)

    def hide(self, cells: Cells) -> WeightedTensor:
        weights = self.cell_weights.copy()
        weights.reshape(-1)[cells] = 0.0
        return WeightedTensor(self.data, weights)

    def with_random_signs(self, rng: np.random.Generator) -> WeightedTensor:
        return WeightedTensor(self.data.with_random_signs(rng), self.cell_weights)

    def pieces(self) -> Iterator[Array]:
        yield from self.data.pieces()
        yield self.cell_weights

    def sub(self, indices: Sequence[Array]) -> WeightedTensor:
        return WeightedTensor(self.data.sub(indices), np.ascontiguousarray(self.cell_weights[np.ix_(*indices)]))


class _WeightedEquations:
    """Normal equations of every row, each cell with its weight."""

    def __init__(self, tensor: WeightedTensor) -> None:
        self._tensor = tensor
        self._rows = tensor.dense_rows()

    def at(self, factors: Sequence[Array], mode: int) -> tuple[Array, Array]:
        length, rank = factors[mode].shape
        stacked = np.ascontiguousarray(np.vstack(factors))
        pairs = np.empty((len(stacked), rank * (rank + 1) // 2))
        _row_kernels.fill_pairs(stacked, 0, len(stacked), pairs)
        packed, rhs = np.empty((length, pairs.shape[1])), np.empty((length, rank))
        rows, weights = self._rows.rows, self._rows.cell_weights
        _row_kernels.row_equations(rows, weights, *_places(self._tensor), stacked, pairs, mode, packed, rhs)
        grams = np.zeros((length, rank, rank))
        grams[:, *np.tril_indices(rank)] = packed
        return grams, rhs

    def squared_error(self, factors: Sequence[Array], mode: int, gram: Array, rhs: Array) -> float:
        return self._tensor.norm_squared - float(_kernels.explained_each(gram, rhs, factors[mode]))


def _places(tensor: WeightedTensor) -> tuple[Array, Array]:
    """Return the length of each mode and where its factor begins in the stack of all."""
    lengths = np.array(tensor.shape)
    return lengths, np.cumsum(lengths) - lengths
