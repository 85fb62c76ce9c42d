"""Tensors larger than memory: a dask array, of which one chunk at a time is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from math import prod
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from autoten._errors import refuse
from autoten.tensors.dense import DenseTensor
from autoten.tensors.passes import Arguments, Blocks, Function, Take, Where
from autoten.tensors.tensor import NO_CELLS, Array, Cells, Tensor, directions

# A dask array of at most so many bytes is computed and then treated like any other array, which is far faster. So is
# the part of one read in chunks that a fold is fitted to, if it is no more than this share of the whole.
LARGEST_COMPUTED = 2**28
COMPUTED_SHARE = 1 / 7

# A block that has to be whole in some modes holds no more than this share of the cells. Chunks that are too coarse for
# that in the other modes are cut, and then made several times in a pass.
BLOCK_SHARE = 1 / 8

# What is kept of the second pass has no more than this share of the cells, and no more than so many of them.
KEPT_SHARE = 1 / 64
LARGEST_KEPT = 2**25


class ChunkedTensor(Tensor):
    """A complete N-way dask array, float32 or float64, read chunk by chunk; every operation is one pass over it.

    The passes run in this process, one chunk in memory at a time, or where there is a dask client on its cluster. Fits
    that run `side_by_side` share them.

    Parameters
    ----------
    array : dask.array.Array of shape (I_1, ..., I_N)
        Finite, which ``largest_magnitude`` tells.
    scale : float
        The power of two by which the caller divided the data.
    largest_computed : int
        The most bytes of a part of it that is computed.
    """

    def __init__(self, array: Any, scale: float = 1.0, largest_computed: int = LARGEST_COMPUTED) -> None:
        self.array = array
        self.scale = scale
        self.largest_computed = largest_computed
        # Not cached properties: in Python 3.11 one thread that computes such a property keeps out all others, which it
        # may have to wait for here.
        self._surveyed: _Survey | None = None
        self._kept: _Compressed | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(length) for length in self.array.shape)

    def with_values(self, values: Array) -> NoReturn:
        remedy = "Compute the array if it fits into memory, or give a sparse tensor."
        refuse("the solver of a dask array that is read in chunks", "one of least squares", "one of counts", remedy)

    @property
    def nonzero(self) -> NoReturn:
        self.with_values(NO_CELLS)

    total = nonzero

    @property
    def norm_squared(self) -> float:
        return self._survey.norm_squared

    @property
    def largest_magnitude(self) -> float:
        """The largest magnitude of a cell; NaN or infinite if any cell is."""
        return self._survey.largest

    @cached_property
    def _blocks(self) -> Blocks:
        return Blocks(self.array)

    def _pass(self, function: Function, arguments: Arguments, take: Take, chunks: Any = None) -> None:
        """Let `take` have where each block is, and `function` of the block and of the arguments for that place."""
        blocks = self._blocks if chunks is None else Blocks(self.array, chunks)
        blocks.run(function, arguments, take)

    @cached_property
    def _split(self) -> int:
        """The mode in the most chunks: along it the first pass goes, in slabs that are whole in all others."""
        return max(range(len(self.shape)), key=lambda mode: (self.array.numblocks[mode], self.shape[mode]))

    @property
    def _survey(self) -> _Survey:
        """What the first pass finds: largest magnitude, norm, and the Gram matrices of all modes but one."""
        if self._surveyed is None:
            self._surveyed = self._first_pass()
        return self._surveyed

    def _first_pass(self) -> _Survey:
        modes = [mode for mode in range(len(self.shape)) if mode != self._split]
        largest, norm_squared = 0.0, 0.0
        grams = {mode: np.zeros((self.shape[mode],) * 2) for mode in modes}

        def take(where: Where, found: tuple[float, float, list[Array]]) -> None:
            nonlocal largest, norm_squared
            peak, squares, parts = found
            largest = float(np.maximum(largest, peak))
            with np.errstate(over="ignore", invalid="ignore"):  # out of range: the caller scales, and asks again
                norm_squared += squares
                for mode, part in zip(modes, parts, strict=True):
                    grams[mode] += part

        self._pass(_surveyed, lambda where: (modes,), take, self._whole_in(modes))
        return _Survey(largest, norm_squared, grams)

    @property
    def _compressed(self) -> _Compressed:
        """What the second pass finds: the last Gram matrix, and X in leading directions of all modes but that one."""
        if self._kept is None:
            self._kept = self._second_pass()
        return self._kept

    def _second_pass(self) -> _Compressed:
        shape, split = self.shape, self._split
        room = min(self._room(), LARGEST_KEPT) / shape[split]
        width = max(1, int(room ** (1 / (len(shape) - 1))))
        bases = {mode: directions(gram)[:, :width] for mode, gram in self._survey.grams.items()}
        gram = np.zeros((shape[split],) * 2)
        kept = np.zeros([shape[split] if mode == split else bases[mode].shape[1] for mode in range(len(shape))])

        def rows(where: Where) -> tuple[dict[int, Array], int]:
            return {mode: basis[where[mode]] for mode, basis in bases.items()}, split

        def take(where: Where, found: tuple[Array, Array]) -> None:
            gram[...] += found[0]
            kept[...] += found[1]

        self._pass(_gram_and_projected, rows, take, self._whole_in([split]))
        return _Compressed(gram, bases, kept)

    def _room(self) -> float:
        """Return how many cells the second pass may keep."""
        return KEPT_SHARE * prod(self.shape)

    def _whole_in(self, modes: Sequence[int]) -> Any:
        """Return chunks that are whole in some modes and those of the array in others, cut there if too large."""
        chunks = [(self.shape[n],) if n in modes else tuple(own) for n, own in enumerate(self.array.chunks)]
        others = [mode for mode in range(len(chunks)) if mode not in modes]
        while prod(map(max, chunks)) > BLOCK_SHARE * self.n_observed:
            mode = max(others, key=lambda other: max(chunks[other]))
            length = max(chunks[mode])
            if length == 1:
                break
            halves = [(-(-own // 2), own // 2) if own == length else (own,) for own in chunks[mode]]
            chunks[mode] = tuple(part for parts in halves for part in parts)
        return tuple(chunks)

    def mttkrp(self, factors: Sequence[Array], mode: int) -> Array:
        total = np.zeros((self.shape[mode], factors[0].shape[1]))

        def take(where: Where, part: Array) -> None:
            total[where[mode]] += part

        self._pass(_mttkrp, lambda where: (_rows(factors, where), mode), take)
        return total

    def squared_error(self, factors: Sequence[Array]) -> float:
        parts: list[float] = []
        self._pass(_squared_error, lambda where: (_rows(factors, where),), lambda where, part: parts.append(part))
        return float(sum(parts))

    def project(self, matrices: Sequence[Array]) -> Array:
        if (kept := self._projected_before(matrices)) is not None:
            return kept
        total = np.zeros([matrix.shape[1] for matrix in matrices])

        def take(where: Where, part: Array) -> None:
            total[...] += part

        self._pass(_project, lambda where: (_rows(matrices, where),), take)
        return total

    def _projected_before(self, matrices: Sequence[Array]) -> Array | None:
        """Return the projection from what the second pass kept, None where that does not reach."""
        if self._kept is None:
            return None
        leading = [slice(matrix.shape[1]) for matrix in matrices]
        leading[self._split] = slice(None)
        for mode, basis in self._kept.bases.items():
            wanted, had = matrices[mode], basis[:, leading[mode]]
            if wanted.shape != had.shape or not np.allclose(wanted, had, rtol=0.0, atol=1e-12):
                return None
        core = np.tensordot(self._kept.kept[tuple(leading)], matrices[self._split], axes=(self._split, 0))
        return np.ascontiguousarray(np.moveaxis(core, -1, self._split))

    def gram(self, mode: int) -> Array:
        return self._compressed.gram if mode == self._split else self._survey.grams[mode]

    def values_at(self, cells: Cells) -> Array:
        values = np.empty(len(cells))
        index = np.unravel_index(cells, self.shape)
        for where, block in self._blocks.each(_itself, lambda where: ()):
            pairs = list(zip(index, where, strict=True))
            inside = np.logical_and.reduce([(axis >= part.start) & (axis < part.stop) for axis, part in pairs])
            values[inside] = block[tuple(axis[inside] - part.start for axis, part in pairs)]
        return values

    def hide(self, cells: Cells) -> NoReturn:
        remedy = "Use Blocks(), or compute the array if it fits into memory."
        refuse("a dask array that is read in chunks", "complete, without hidden cells", f"{len(cells)} cells", remedy)

    def pieces(self) -> Iterator[Array]:
        return (block for _, block in self._blocks.each(_itself, lambda where: ()))

    def sub(self, indices: Sequence[Array]) -> ChunkedTensor:
        array, indices = self.array, [np.asarray(index) for index in indices]
        if all((np.diff(index) > 0).all() for index in indices):
            # Each chunk gives a chunk; dask's own indexing would make larger ones out of several.
            bounds = [np.cumsum((0, *lengths)) for lengths in array.chunks]
            cuts = [np.diff(np.searchsorted(i, b)) for i, b in zip(indices, bounds, strict=True)]
            chunks = tuple(tuple(map(int, lengths)) for lengths in cuts)
            array = array.map_blocks(_picked, indices, chunks=chunks, dtype=array.dtype)
        else:
            for mode, index in enumerate(indices):
                array = array[(slice(None),) * mode + (index,)]
        return ChunkedTensor(array, self.scale, self.largest_computed)

    def computed_if_small(self, whole: Tensor) -> Tensor:
        """Return a part that is to be fitted, in memory where it is small itself and as a share of the whole."""
        small = self.array.nbytes <= self.largest_computed and self.n_observed <= COMPUTED_SHARE * whole.n_observed
        return self.computed() if small else self

    def computed(self) -> DenseTensor:
        """Return the same tensor in memory, filled chunk by chunk."""
        data = np.empty(self.shape, dtype=self.array.dtype)
        for where, block in self._blocks.each(_itself, lambda where: ()):
            data[where] = block
        return DenseTensor(data, self.scale)


class _Survey(NamedTuple):
    largest: float
    norm_squared: float
    grams: dict[int, NDArray[Any]]


class _Compressed(NamedTuple):
    gram: NDArray[Any]
    bases: dict[int, NDArray[Any]]
    kept: NDArray[Any]


def _rows(matrices: Sequence[Array], where: Where) -> list[Array]:
    return [np.asarray(matrix[part], dtype=float) for matrix, part in zip(matrices, where, strict=True)]


def _itself(block: Array) -> Array:
    return block


def _mttkrp(block: Array, factors: Sequence[Array], mode: int) -> Array:
    return DenseTensor(block).mttkrp(factors, mode)


def _squared_error(block: Array, factors: Sequence[Array]) -> float:
    return DenseTensor(block).squared_error(factors)


def _project(block: Array, matrices: Sequence[Array]) -> Array:
    return DenseTensor(block).project(matrices)


def _surveyed(block: Array, modes: Sequence[int]) -> tuple[float, float, list[Array]]:
    largest = float(np.maximum(block.max(), -block.min()))
    if not np.isfinite(largest):
        return largest, largest, [np.zeros((block.shape[mode],) * 2) for mode in modes]
    tensor = DenseTensor(block)
    with np.errstate(over="ignore", invalid="ignore"):  # as above
        return largest, tensor.norm_squared, [tensor.gram(mode) for mode in modes]


def _gram_and_projected(block: Array, bases: dict[int, Array], split: int) -> tuple[Array, Array]:
    projected = block
    for mode in sorted(bases, reverse=True):
        projected = np.moveaxis(np.tensordot(projected, bases[mode], axes=(mode, 0)), -1, mode)
    return DenseTensor(block).gram(split), projected


def _picked(block: Array, indices: Sequence[Array], *, block_info: Any = None) -> Array:
    """Return what a block has at the wanted indices of the whole array."""
    places = block_info[0]["array-location"]
    local = [index[(index >= a) & (index < b)] - a for index, (a, b) in zip(indices, places, strict=True)]
    return block[np.ix_(*local)]
