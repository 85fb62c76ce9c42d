"""A small core that stands in for a big tensor while starts are explored.

By HOSVD: in every mode the leading eigenvectors of the unfolding's Gram matrix span a subspace, and a CP model fitted
to the tensor's core in these bases is a CP model of the tensor (CANDELINC, Carroll, Pruzansky & Kruskal 1980), nearly
as good as one fitted to the tensor itself. Nearly: surplus components fit noise that the core has cut off, so fits are
refined in the full space before anything is reported of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten.cp import CPModel
from autoten.tensors.dense import DenseTensor
from autoten.tensors.equations import directions

if TYPE_CHECKING:
    from autoten.tensors.protocol import Tensor

Array = NDArray[Any]

# Length of each mode of the core for rank F: twice F and some, so that surplus components find their noise too.
CORE_LENGTH_PER_COMPONENT = 2
CORE_LENGTH_SPARE = 10

# A core is worth its making when it has at most this share of the tensor's cells.
WORTHWHILE_SHARE = 0.25

# Cores are computed for these numbers of components and cut down for smaller ranks: leading parts of a core are cores.
TIERS = (8, 24, 72, 216)


@dataclass(frozen=True, eq=False)
class Compression:
    """A tensor's core, and the orthonormal bases (I_n, k_n) that lead to it and back."""

    core: DenseTensor
    bases: tuple[Array, ...]

    def restrict(self, model: CPModel) -> CPModel:
        """Return the model's projection on the bases, a model of the core."""
        return CPModel(model.weights, tuple(b.T @ f for b, f in zip(self.bases, model.factors, strict=True)))

    def expand(self, model: CPModel) -> CPModel:
        """Return a model of the core as a model of the tensor."""
        return CPModel(model.weights, tuple(b @ f for b, f in zip(self.bases, model.factors, strict=True)))

    def leading(self, length: int) -> Compression:
        """Return the core of the leading `length` basis vectors of every mode."""
        core = self.core.data[tuple(slice(length) for _ in self.bases)]
        return Compression(DenseTensor(np.ascontiguousarray(core)), tuple(basis[:, :length] for basis in self.bases))


class Subspaces:
    """Leading subspaces of a tensor's unfoldings and the cores in them, each computed once, when first needed."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._cores: dict[int, Compression] = {}

    @cached_property
    def bases(self) -> tuple[Array, ...]:
        """Eigenvectors of every unfolding's Gram matrix, largest eigenvalue first, shapes (I_n, I_n)."""
        return tuple(directions(self._tensor.gram(mode)) for mode in range(len(self._tensor.shape)))

    def core(self, rank: int) -> Compression | None:
        """Return the core to explore `rank` in, or None where exploring in full space is as well."""
        if len(self._tensor.hidden) or rank > TIERS[-1]:
            return None
        length = _core_length(rank)
        shape = self._tensor.shape
        if prod(min(length, n) for n in shape) > WORTHWHILE_SHARE * prod(shape):
            return None
        # A tier does not depend on the largest rank asked for, so neither does any fit.
        tier = next(t for t in TIERS if t >= rank)
        if tier not in self._cores:
            bases = tuple(np.ascontiguousarray(basis[:, : _core_length(tier)]) for basis in self.bases)
            self._cores[tier] = Compression(DenseTensor(self._tensor.project(bases).astype(float)), bases)
        return self._cores[tier].leading(length)


def _core_length(rank: int) -> int:
    return CORE_LENGTH_PER_COMPONENT * rank + CORE_LENGTH_SPARE
