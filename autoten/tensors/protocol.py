"""What a tensor must be able to do for a solver, a score or a hold-out to use it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Cells = NDArray[np.int64]  # sorted C-order linear indices


class Block(NamedTuple):
    """The cells of a block, told by an index array for each mode: a list of them could be as large as X."""

    indices: tuple[NDArray[np.int64], ...]


class Tensor(Protocol):
    """N-way data behind a handful of operations; see the design: one algorithm over few operations."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each mode."""

    @property
    def n_observed(self) -> int:
        """Number of observed cells."""

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
    def scale(self) -> float:
        """The power of two that the data were divided by (1 unless squares would leave the floating range)."""

    @property
    def hidden(self) -> Cells:
        """The cells that are not observed."""

    @property
    def cell_weights(self) -> Array | None:
        """What each cell's squared error counts for, shape (I_1, ..., I_N): 0 where hidden, 1 on average elsewhere.

        None where all observed cells count alike.
        """

    @property
    def listed(self) -> Cells | None:
        """The observed cells that are not zero where the storage lists them, None where it lists all cells."""

    @property
    def pass_cost(self) -> int:
        """What a pass over the data costs, in cells of a dense tensor."""

    def mttkrp(self, factors: Sequence[Array], mode: int) -> Array:
        """Return the MTTKRP over observed cells, each times its weight, shape (I_mode, R)."""

    def normal_equations(self, factors: Sequence[Array], mode: int) -> tuple[Array, Array]:
        """Return Gram matrix, (R, R) or one per row (I, R, R), and MTTKRP (I, R) of a mode's least-squares problem.

        Over observed cells, each with its weight. Only the lower triangle of a Gram matrix is filled for certain.
        """

    def squared_error(self, factors: Sequence[Array]) -> float:
        """Return the weighted squared error of a model over observed cells, from its residuals."""

    def project(self, matrices: Sequence[Array]) -> Array:
        """Return X times the transpose of a matrix (I_n, k_n) in every mode: each cell times its weight."""

    def gram(self, mode: int) -> Array:
        """Return the unfolding of `mode` times its transpose, each cell times its weight, shape (I, I)."""

    def gram_times(self, mode: int, columns: Array) -> Array:
        """Return `gram` times a matrix (I, k), without forming it where it costs more than it is worth."""

    def values_at(self, cells: Cells) -> Array:
        """Return the values at observed cells, shape (len(cells),)."""

    def with_values(self, values: Array) -> Tensor:
        """Return the tensor with other values in its `nonzero` cells; observed zeros and unobserved cells stay."""

    def hide(self, cells: Cells) -> Tensor:
        """Return the same data with more cells unobserved; X is shared, not copied."""

    def sub(self, indices: Sequence[Array]) -> Tensor:
        """Return the sub-tensor at an index array per mode."""

    def pieces(self) -> Iterator[Array]:
        """Yield arrays that together are the tensor, by which a checkpoint knows it again."""
