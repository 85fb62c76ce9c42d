"""A small core that stands in for a big tensor while starts are explored.

By HOSVD: in every mode the leading eigenvectors of the unfolding's Gram matrix span a subspace, and a CP model fitted
to the tensor's core in these bases is a CP model of the tensor (CANDELINC, Carroll, Pruzansky & Kruskal 1980), nearly
as good as one fitted to the tensor itself. Nearly: surplus components fit noise that the core has cut off, so fits are
refined in the full space before anything is reported of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from autoten._typing import Array
from autoten.model import CPModel
from autoten.tensors.dense import DenseTensor
from autoten.tensors.tensor import LISTABLE, Tensor, directions, indices_of

# Length of each mode of the core for rank F: twice F and some, so that surplus components find their noise too.
CORE_LENGTH_PER_COMPONENT = 2
CORE_LENGTH_SPARE = 10

# A core is worth its making when it has at most this share of the cells that a pass over the tensor costs.
WORTHWHILE_SHARE = 0.25

# Cores are computed for these numbers of components and cut down for smaller ranks: leading parts of a core are cores.
TIERS = (8, 24, 72, 216)

# So many cells of an array are swept in the time of one nonzero of a list.
DENSE_CELLS_PER_NONZERO = 12

# A mode longer than this is sketched: a Gram matrix of its length costs more than it is worth. The sketch finds so many
# vectors more than asked for, in so many rounds of subspace iteration (Halko, Martinsson & Tropp 2011, algorithm 4.4).
LONG_MODE = 2000
SKETCH_SPARE = 8
SKETCH_ROUNDS = 4


@dataclass(frozen=True, eq=False)
class Compression:
    """A tensor's core, and the orthonormal bases (I_n, k_n) that lead to it and back."""

    core: DenseTensor
    bases: tuple[Array, ...]

    @classmethod
    def of(cls, tensor: Tensor, bases: Sequence[Array]) -> Compression:
        """Return the core in the spans of other bases: those of a whole, with the rows of a part."""
        orthonormal = tuple(np.linalg.qr(basis)[0] for basis in bases)
        return cls(DenseTensor(tensor.project(orthonormal).astype(float)), orthonormal)

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


@dataclass(frozen=True, eq=False)
class Occupied:
    """A tensor as it is fitted, and where its slabs stand in the whole.

    A sparse one whose array costs less than its lists becomes dense. A larger one loses the empty slabs of its long
    modes: a least-squares model is zero in a slab of observed zeros, whatever its rank, so such slabs need no rows
    while models are fitted, and the cost of a mode is that of its occupied slabs.
    """

    tensor: Tensor
    shape: tuple[int, ...]
    indices: tuple[Array, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> Occupied:
        """Return the tensor itself, unless it is sparse: and small, or empty in half the slabs of a long mode."""
        cells, shape, part = tensor.listed, tensor.shape, tensor
        indices = [np.arange(length) for length in shape]
        if cells is None:
            return cls(tensor, shape, tuple(indices))
        if prod(shape) <= min(DENSE_CELLS_PER_NONZERO * (len(cells) + len(tensor.hidden)), LISTABLE):
            data = np.zeros(shape)
            data.reshape(-1)[cells] = tensor.values_at(cells)
            part = DenseTensor(data, tensor.scale, tensor.hidden)
        elif max(shape) > LONG_MODE:
            for mode, index in indices_of(np.concatenate([cells, tensor.hidden]), shape):
                occupied = np.bincount(index, minlength=shape[mode]) > 0
                if occupied.sum() < 2:  # a mode of a tensor has two slabs at least
                    occupied[:2] = True
                if shape[mode] > LONG_MODE and 2 * occupied.sum() <= shape[mode]:
                    indices[mode] = np.flatnonzero(occupied)
            if tuple(map(len, indices)) != shape:
                part = tensor.sub(indices)
        return cls(part, shape, tuple(indices))

    def expand(self, model: CPModel) -> CPModel:
        """Return the model of the whole tensor: rows of zeros in the empty slabs."""
        return model if self.tensor.shape == self.shape else model.placed(self.indices, self.shape)


def is_complete(tensor: Tensor) -> bool:
    """Return whether all cells are observed, and count alike."""
    return not len(tensor.hidden) and tensor.cell_weights is None


def completed(tensor: Tensor, model: CPModel) -> Tensor:
    """Return a tensor as a model completes it; one that lists its nonzeros as it is, zero where it is hidden.

    Hidden cells hold what the model says, and cells that count for less than others lie between both: no fit ends here,
    but it shows where one may begin.
    """
    if is_complete(tensor) or not isinstance(tensor, DenseTensor):
        return tensor
    if tensor.cell_weights is not None:
        expected = model.to_tensor()
        return DenseTensor(expected + np.minimum(tensor.cell_weights, 1.0) * (tensor.data - expected), tensor.scale)
    return tensor.filled(tensor.hidden, model.values_at(tensor.hidden))


class Subspaces:
    """Leading subspaces of a tensor's unfoldings and the cores in them, each computed once, when first needed."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._cores: dict[int, Compression] = {}
        self._leading: tuple[int, Compression] | None = None
        self._bases: dict[tuple[int, int | None], Array] = {}

    def bases(self, rank: int) -> tuple[Array, ...]:
        """Return leading eigenvectors of every unfolding's Gram matrix, largest eigenvalue first, shapes (I_n, k_n).

        All of a mode up to `LONG_MODE`, of a longer one as many as cores for `rank` need, found by a sketch.
        """
        tier = next((t for t in TIERS if t >= rank), rank)
        return tuple(
            self._vectors(mode, None if length <= LONG_MODE else min(_core_length(tier), length))
            for mode, length in enumerate(self._tensor.shape)
        )

    def _vectors(self, mode: int, n_vectors: int | None) -> Array:
        if (mode, n_vectors) not in self._bases:
            if n_vectors is None:
                vectors = directions(self._tensor.gram(mode))
            else:
                vectors = _sketched(self._tensor, mode, n_vectors)
            self._bases[mode, n_vectors] = np.ascontiguousarray(vectors)
        return self._bases[mode, n_vectors]

    def core(self, rank: int, smaller: CPModel) -> Compression | None:
        """Return the core to explore `rank` in, or None where exploring in full space is as well.

        Where cells are missing or have weights, it is that of the data completed by a smaller model.
        """
        if not is_complete(self._tensor) and isinstance(self._tensor, DenseTensor):
            return Subspaces(completed(self._tensor, smaller)).core(rank, smaller)
        if rank > TIERS[-1] or len(self._tensor.hidden):
            return None
        length = _core_length(rank)
        shape = self._tensor.shape
        if prod(min(length, n) for n in shape) > WORTHWHILE_SHARE * self._tensor.pass_cost:
            return None
        # A tier does not depend on the largest rank asked for, so neither does any fit.
        tier = next(t for t in TIERS if t >= rank)
        if tier not in self._cores:
            bases = tuple(np.ascontiguousarray(basis[:, : _core_length(tier)]) for basis in self.bases(tier))
            self._cores[tier] = Compression(DenseTensor(self._tensor.project(bases).astype(float)), bases)
        if self._leading is None or self._leading[0] != rank:  # asked for twice: one object is sent to workers once
            self._leading = rank, self._cores[tier].leading(length)
        return self._leading[1]


def _sketched(tensor: Tensor, mode: int, n_vectors: int) -> Array:
    """Return approximate leading eigenvectors (I, k) of an unfolding's Gram matrix, which is never formed."""
    length = tensor.shape[mode]
    rng = np.random.default_rng([mode, n_vectors])  # no fit depends on what else is drawn
    basis = rng.standard_normal((length, min(n_vectors + SKETCH_SPARE, length)))
    for _ in range(SKETCH_ROUNDS):
        basis = np.linalg.qr(tensor.gram_times(mode, basis))[0]
    inside = np.linalg.eigh(basis.T @ tensor.gram_times(mode, basis))[1]
    return np.asarray(basis @ inside[:, : -n_vectors - 1 : -1])


def _core_length(rank: int) -> int:
    return CORE_LENGTH_PER_COMPONENT * rank + CORE_LENGTH_SPARE
