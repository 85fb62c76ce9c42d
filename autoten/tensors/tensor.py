"""What a tensor can do for whatever uses it, and arithmetic with lists of its cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from math import prod
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from autoten._typing import Array
from autoten.kernels import dense as dense_kernels
from autoten.kernels import linear
from autoten.kernels.dense import Layout
from autoten.model import khatri_rao

Cells = NDArray[np.int64]  # sorted C-order linear indices

NO_CELLS: Cells = np.empty(0, dtype=np.int64)

# Up to so many cells may be listed one by one; the folds of a sparse tensor of at most this size are those of the same
# tensor given dense.
LISTABLE = 2**22

# Largest core in which a model's norm is summed cell by cell.
LARGEST_NORM_CORE = 10**6


class Tensor(Protocol):
    """N-way data behind a handful of operations: one algorithm over few operations.

    What is written out here suits a tensor that is complete, and of which nothing is known but its operations.
    """

    hidden: Cells = NO_CELLS
    """The cells that are not observed."""

    scale: float
    """The power of two that the data were divided by (1 unless squares would leave the floating range)."""

    cell_weights: NDArray[np.float64] | None = None
    """What each cell's squared error counts for, shape (I_1, ..., I_N): 0 where hidden, 1 on average elsewhere.

    None where all observed cells count alike.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each mode."""

    @property
    def n_observed(self) -> int:
        """Number of observed cells."""
        return prod(self.shape) - len(self.hidden)

    @property
    def norm_squared(self) -> float:
        """Sum of squares over observed cells, weighted."""

    @property
    def total(self) -> float:
        """Sum over observed cells."""

    @property
    def nonzero(self) -> Cells:
        """The observed cells that hold anything but zero."""

    @property
    def listed(self) -> Cells | None:
        """The observed cells that are not zero where the storage lists them, None where it lists all cells."""
        return None

    @property
    def pass_cost(self) -> int:
        """What a pass over the data costs, in cells of a dense tensor."""
        return prod(self.shape)

    def mttkrp(self, factors: Sequence[Array], mode: int) -> Array:
        """Return the MTTKRP over observed cells, each times its weight, shape (I_mode, R)."""

    def normal_equations(self, factors: Sequence[Array], mode: int) -> tuple[Array, Array]:
        """Return Gram matrices and MTTKRP (I, R) of a mode's least-squares problem over observed cells, with weights.

        One matrix for each row, or a single one: its lower triangle row after row, shape (I or 1, R (R + 1) / 2).
        """
        gram = gram_of_others(factors, mode)
        return gram[None, *np.tril_indices(len(gram))], self.mttkrp(factors, mode)

    def squared_error(self, factors: Sequence[Array]) -> float:
        """Return the weighted squared error of a model over observed cells, from its residuals."""

    def project(self, matrices: Sequence[Array]) -> Array:
        """Return X times the transpose of a matrix (I_n, k_n) in every mode: each cell times its weight."""

    def gram(self, mode: int) -> Array:
        """Return the unfolding of `mode` times its transpose, each cell times its weight, shape (I, I)."""

    def gram_times(self, mode: int, columns: Array) -> Array:
        """Return `gram` times a matrix (I, k), without forming it where it costs more than it is worth."""
        return self.gram(mode) @ columns

    def slab_squares(self) -> list[Array]:
        """Return the sum of squares of every slab of each mode, each cell times its weight."""

    def values_at(self, cells: Cells) -> Array:
        """Return the values at observed cells, shape (len(cells),)."""

    def with_values(self, values: Array) -> Tensor:
        """Return the tensor with other values in its `nonzero` cells; observed zeros and unobserved cells stay."""

    def hide(self, cells: Cells) -> Tensor:
        """Return the same data with more cells unobserved; X is shared, not copied."""

    def sub(self, indices: Sequence[Array]) -> Tensor:
        """Return the sub-tensor at an index array per mode."""

    def subs(self, parts: Sequence[Sequence[Array]]) -> list[Tensor]:
        """Return the sub-tensors at lists of an index array per mode."""
        return [self.sub(indices) for indices in parts]

    def summed(self, function: Any, factors: Sequence[Array], mode: int) -> Sequence[Array]:
        """Return what a function makes of the tensor, factors and a mode: sums, where the tensor is in blocks."""
        return cast("Sequence[Array]", function(self, factors, mode))

    def pieces(self) -> Iterator[Array]:
        """Yield arrays that together are the tensor, by which a checkpoint knows it again."""


def row_equations(tensor: Tensor, factors: Sequence[Array], mode: int) -> tuple[Array, Array]:
    """Return a tensor's `normal_equations` with a matrix for each row: what blocks add up."""
    grams, rhs = tensor.normal_equations(factors, mode)
    return np.repeat(grams, len(rhs) // len(grams), axis=0), np.ascontiguousarray(rhs)


def gram_of_others(factors: Sequence[Array], mode: int) -> Array:
    """Return the elementwise product of the Gram matrices of every factor but `mode`'s, shape (R, R)."""
    layout = Layout.of([len(factor) for factor in factors])
    return np.asarray(dense_kernels.gram_of_others(side_by_side(factors), layout, mode))


def side_by_side(factors: Sequence[Array]) -> Array:
    """Return the factors as kernels take them, shape (R, sum of lengths)."""
    return np.ascontiguousarray(np.vstack(factors).T, dtype=float)


def solve_rows(grams: Array, rhs: Array) -> Array:
    """Return the rows (I, R) that solve normal equations."""
    rows, grams = np.empty_like(rhs), np.repeat(grams, len(rhs) // len(grams), axis=0)
    linear.solve_each(grams, rhs, np.zeros_like(rhs), False, rows)
    return rows


def directions(gram: Array) -> Array:
    """Return the eigenvectors of a Gram matrix, largest eigenvalue first, as columns."""
    return np.ascontiguousarray(np.linalg.eigh(gram)[1][:, ::-1])


def model_norm_squared(factors: Sequence[Array]) -> float:
    """Return the squared norm of the model whose weights are folded into its factors.

    Summed in the core that QR leaves of the factors: components that nearly cancel do so before they are squared,
    which keeps twice the digits of a sum over Gram matrices.
    """
    rank, half = factors[0].shape[1], len(factors) // 2
    if rank == 0:
        return 0.0
    if rank ** len(factors) > LARGEST_NORM_CORE:
        return float(reduce(np.multiply, (factor.T @ factor for factor in factors)).sum())
    triangles = [np.asarray(np.linalg.qr(factor, mode="r")) for factor in factors]
    return float(np.square(khatri_rao(triangles[:half]) @ khatri_rao(triangles[half:]).T).sum())


def joined(cells: NDArray[np.int64], more: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cells of two sorted lists as one, none of them twice."""
    if not len(cells) or not len(more):
        return more if len(more) else cells
    both = np.sort(np.concatenate([cells, more]), kind="stable")  # two runs are merged
    return both[np.diff(both, prepend=-1) > 0]


def other_cells(cells: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the cells of a tensor that are not in the list, sorted."""
    mask = np.ones(prod(shape), dtype=bool)
    mask[cells] = False
    return np.flatnonzero(mask)


def indices_of(cells: NDArray[np.int64], shape: tuple[int, ...]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each mode and the cells' indices in it, last mode first: those of all modes take N times the memory."""
    rest = cells
    for mode in reversed(range(1, len(shape))):
        rest, index = np.divmod(rest, shape[mode])
        yield mode, index
    yield 0, rest


def part_of(cells: Cells, shape: tuple[int, ...], indices: Sequence[Array]) -> tuple[Cells, NDArray[np.bool_]]:
    """Return the cells inside the part of a tensor at an index array per mode, numbered there, and which they are."""
    part = np.zeros(len(cells), dtype=np.int64)
    inside = np.ones(len(cells), dtype=bool)
    stride = 1
    for mode, index in indices_of(cells, shape):
        place = np.full(shape[mode], -1, dtype=np.int64)
        place[indices[mode]] = np.arange(len(indices[mode]))
        part += stride * place[index]
        inside &= place[index] >= 0
        stride *= len(indices[mode])
    return part[inside], inside


def places_of(cells: NDArray[np.int64], listed: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return where each cell stands, or would stand, in a sorted list, and whether it is there."""
    place = np.searchsorted(listed, cells)
    found = np.zeros(len(cells), dtype=bool)
    inside = place < len(listed)
    found[inside] = listed[place[inside]] == cells[inside]
    return place, found


def stack_rows(cells: Cells, shape: tuple[int, ...]) -> Array:
    """Return each cell's rows in the stacked factors, shape (N, n_cells)."""
    offsets = Layout.of(shape).offsets
    return np.stack(np.unravel_index(cells, shape)).astype(np.int64) + offsets[:, None]


def model_values(factors: Sequence[Array], cells: Cells, shape: tuple[int, ...]) -> Array:
    """Return the values at `cells` of the model whose weights are folded into its factors."""
    out = np.empty(len(cells))
    linear.values_at(stack_rows(cells, shape), np.vstack(factors), out)
    return out


def weights_at(tensor: Tensor, cells: NDArray[np.int64]) -> Array | float:
    """Return what the squared errors at `cells` count for: 1 where all observed cells count alike."""
    return 1.0 if tensor.cell_weights is None else tensor.cell_weights.reshape(-1)[cells]
