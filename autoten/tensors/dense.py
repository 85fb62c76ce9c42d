"""Dense tensors without gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten import _dense_kernels, _kernels
from autoten.cp import khatri_rao
from autoten.tensors.equations import gram_of_others, model_values
from autoten.tensors.protocol import DenseRows, no_sink

if TYPE_CHECKING:
    from autoten.tensors.masked import MaskedTensor
    from autoten.tensors.protocol import Array, Cells, NormalEquations


# Up to so many columns the compiled contraction is faster than OpenBLAS (benchmarks/results/kernels.json).
KERNEL_COLUMNS = 32

# A pass over X that needs a working copy makes it of one block at a time.
N_BLOCKS = 16


class DenseTensor:
    """A complete N-way array, C-contiguous, float32 or float64; X itself is never changed.

    Parameters
    ----------
    data : array of shape (I_1, ..., I_N)
        C-contiguous and finite.
    scale : float
        The power of two by which the caller divided the data.
    """

    def __init__(self, data: NDArray[Any], scale: float = 1.0) -> None:
        view = data.view(np.ndarray)  # drops np.memmap, whose slices would each carry the file along
        view.flags.writeable = False  # one compiled version, whether or not X came from a read-only memory map
        self.data = view
        self.scale = scale

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        # What comes from another process may be mapped, writable, or begin at any byte: then sums round otherwise.
        DenseTensor.__init__(self, np.require(self.data, requirements="A"), self.scale)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def n_observed(self) -> int:
        return self.data.size

    @property
    def hidden(self) -> Cells:
        return np.empty(0, dtype=np.int64)

    @cached_property
    def norm_squared(self) -> float:
        # einsum sums float32 in float32; blocks of rows summed in float64 keep the sum safe.
        return float(sum(np.square(row, dtype=np.float64).sum() for row in self.data))

    @cached_property
    def total(self) -> float:
        return float(self.data.sum(dtype=float))

    @property
    def nonzero(self) -> Cells:
        return np.flatnonzero(self.data)

    @property
    def cell_weights(self) -> None:
        return None

    @property
    def listed(self) -> None:
        return None

    @property
    def pass_cost(self) -> int:
        return self.data.size

    def norm_squared_without(self, cells: Cells) -> float:
        # Not by subtraction: a wild value at one of the cells would take the digits of all the others with it.
        return float(_kernels.squares_elsewhere(self.data.reshape(-1), cells))

    @property
    def rows(self) -> Array:
        """The data as a matrix, shape (product of the leading modes, last mode)."""
        return self.data.reshape(-1, self.shape[-1])

    def mttkrp(self, factors: Sequence[Array], mode: int) -> Array:
        return _DenseEquations(self).at(factors, mode)[1]

    def normal_equations(self, *, exact: bool = False) -> NormalEquations:
        return _DenseEquations(self)

    def squared_error(self, factors: Sequence[Array]) -> float:
        return float(_kernels.squared_error(self.rows, khatri_rao(factors[:-1]), _transposed(factors[-1])))

    def project(self, matrices: Sequence[Array]) -> Array:
        core = self._contract_last(matrices[-1]).reshape(-1, *self.shape[:-1])
        # Each contraction takes the last of the tensor's own axes and appends the new one: the order ends up reversed.
        for mode in reversed(range(len(matrices) - 1)):
            core = np.tensordot(core, matrices[mode], axes=(mode + 1, 0))
        return np.ascontiguousarray(core.transpose())

    def _contract_last(self, matrix: Array) -> Array:
        """Return X times the transpose of `matrix` (I, k) in the last mode, shape (k, product of the other modes)."""
        rows = self.rows
        out = np.empty((matrix.shape[1], len(rows)))
        if matrix.shape[1] <= KERNEL_COLUMNS:
            _dense_kernels.contract_last(rows, _transposed(matrix), out)
        else:
            for block in _blocks(len(rows)):
                out[:, block] = matrix.T @ rows[block].T.astype(float)
        return out

    def gram(self, mode: int) -> Array:
        total = np.zeros((self.shape[mode], self.shape[mode]))
        for unfolded in self._unfolded(mode):
            total += unfolded @ unfolded.T
        return total

    def gram_times(self, mode: int, columns: Array) -> Array:
        total = np.zeros(columns.shape)
        for unfolded in self._unfolded(mode):
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

    def values_at(self, cells: Cells) -> Array:
        return self.data.reshape(-1)[cells].astype(float)

    def replaced(self, cells: Cells, values: Array | float) -> DenseTensor:
        """Return a copy with other values at `cells`."""
        data = self.data.copy()
        data.reshape(-1)[cells] = values
        return DenseTensor(data, self.scale)

    def squared_error_without(self, factors: Sequence[Array], cells: Cells) -> float:
        # Filled with what the model says: a wild prediction at one of the cells then cancels before it is squared.
        return self.replaced(cells, model_values(factors, cells, self.shape)).squared_error(factors)

    def zeroed(self, cells: Cells) -> DenseTensor:
        return self.replaced(cells, 0.0)

    def with_values(self, values: Array) -> DenseTensor:
        data = np.zeros(self.shape)
        data.reshape(-1)[self.nonzero] = values
        return DenseTensor(data, self.scale)

    def hide(self, cells: Cells) -> MaskedTensor:
        from autoten.tensors.masked import MaskedTensor

        return MaskedTensor(self, cells)

    def with_random_signs(self, rng: np.random.Generator) -> DenseTensor:
        data = self.data.copy()
        bits = np.unpackbits(np.frombuffer(rng.bytes((data.size + 7) // 8), dtype=np.uint8), count=data.size)
        np.negative(data, out=data, where=bits.reshape(data.shape).view(bool))
        return DenseTensor(data, self.scale)

    def dense_rows(self) -> DenseRows:
        return DenseRows(self.rows, *no_sink(self.data.dtype), np.empty((0, 0), dtype=bool))

    def pieces(self) -> Iterator[Array]:
        return (self.rows[block] for block in _blocks(len(self.rows)))

    def sub(self, indices: Sequence[Array]) -> DenseTensor:
        return DenseTensor(np.ascontiguousarray(self.data[np.ix_(*indices)]), self.scale)


class _DenseEquations:
    """Normal equations with two reads of X a sweep; see `_dense_kernels`."""

    def __init__(self, tensor: DenseTensor) -> None:
        self._tensor = tensor
        self._lengths = np.array(tensor.shape)
        self._offsets = np.cumsum(self._lengths) - self._lengths
        self._contracted: Array | None = None
        self._contracted_with: Array | None = None

    def at(self, factors: Sequence[Array], mode: int) -> tuple[Array, Array]:
        return gram_of_others(factors, mode), self._mttkrp(factors, mode)

    def squared_error(self, factors: Sequence[Array], mode: int, gram: Array, rhs: Array) -> float:
        return self._tensor.norm_squared - float(_kernels.explained(gram, rhs, factors[mode]))

    def _mttkrp(self, factors: Sequence[Array], mode: int) -> Array:
        rows = self._tensor.rows
        if mode == len(factors) - 1:
            return np.ascontiguousarray(_dense_kernels.mttkrp_last(rows, khatri_rao(factors[:-1])).T)
        rank = factors[0].shape[1]
        if self._contracted_with is not factors[-1]:
            self._contracted = np.empty((rank, len(rows)))
            _dense_kernels.contract_last(rows, _transposed(factors[-1]), self._contracted)
            self._contracted_with = factors[-1]
        left, right = np.empty(len(rows)), np.empty(len(rows))
        rhs = _dense_kernels.mttkrp_partial(
            self._contracted, self._lengths, self._offsets, _transposed(np.vstack(factors)), mode, left, right
        )
        return np.ascontiguousarray(rhs.T)


def _blocks(length: int) -> Iterator[slice]:
    """Yield slices that cut `length` into at most `N_BLOCKS` pieces."""
    step = -(-length // N_BLOCKS)
    return (slice(start, start + step) for start in range(0, length, step))


def _transposed(factor: Array) -> Array:
    return np.ascontiguousarray(factor.T, dtype=float)
