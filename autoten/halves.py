"""Random halves of a mode: fits to them share no cell, so what both find is in the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten.model import CPModel

if TYPE_CHECKING:
    from autoten.tensors.tensor import Tensor

# A half is a tensor too, with two slabs at least.
SHORTEST_SPLIT = 4


@dataclass(frozen=True, eq=False)
class Half:
    """Some of the rows of a mode."""

    mode: int
    rows: NDArray[np.int64]

    def of(self, tensor: Tensor) -> Tensor:
        """Return the tensor of these rows."""
        return tensor.sub([self.rows if n == self.mode else np.arange(size) for n, size in enumerate(tensor.shape)])

    def of_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of that tensor."""
        return tuple(len(self.rows) if n == self.mode else length for n, length in enumerate(shape))

    def of_bases(self, bases: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        """Return bases of the whole, one for each mode, with these rows."""
        return tuple(basis[self.rows] if n == self.mode else basis for n, basis in enumerate(bases))


def random_halves(length: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of two random halves of a mode, each in order."""
    shuffled = rng.permutation(length)
    return np.sort(shuffled[: length // 2]), np.sort(shuffled[length // 2 :])


def longest_mode(shape: Sequence[int]) -> int:
    """Return the mode that is split: its halves lose least."""
    return int(np.argmax(shape))


def draw_halves(shape: Sequence[int], n_splits: int, rng: np.random.Generator) -> list[Half]:
    """Return both halves of every split of the longest mode, one after the other; none where it is too short."""
    mode = longest_mode(shape)
    if shape[mode] < SHORTEST_SPLIT:
        return []
    return [Half(mode, rows) for _ in range(n_splits) for rows in random_halves(shape[mode], rng)]


def without_mode(model: CPModel, mode: int) -> CPModel:
    """Return the model's other modes."""
    return CPModel(model.weights, tuple(factor for n, factor in enumerate(model.factors) if n != mode))
