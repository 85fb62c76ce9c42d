"""Tensors larger than memory: a dask array, of which one chunk at a time is looked at.

Every operation is a pass over its blocks, one after the other; fits that run side by side share their passes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, NamedTuple, NoReturn

import numpy as np

from autoten._errors import refuse
from autoten._typing import Array
from autoten.tensors.dense import DenseTensor
from autoten.tensors.tensor import NO_CELLS, Cells, Tensor, directions

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

Where = tuple[slice, ...]

# What is done with a block (in another process if there is a cluster): a function, and its further arguments.
Call = tuple[Callable[..., Any], tuple[Any, ...]]


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
        self._compressed: _Compressed | None = None

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
        return self._survey().norm_squared

    @property
    def largest_magnitude(self) -> float:
        """The largest magnitude of a cell; NaN or infinite if any cell is."""
        return self._survey().largest

    @cached_property
    def _blocks(self) -> _Blocks:
        return _Blocks(self.array, self.array.chunks)

    @cached_property
    def _split(self) -> int:
        """The mode in the most chunks: along it the first pass goes, in slabs that are whole in all others."""
        return max(range(len(self.shape)), key=lambda mode: (self.array.numblocks[mode], self.shape[mode]))

    def _survey(self) -> _Survey:
        """Return what the first pass finds: largest magnitude, norm, and the Gram matrices of all modes but one."""
        if self._surveyed is not None:
            return self._surveyed
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

        _run(_Blocks(self.array, self._whole_in(modes)), lambda where: (_surveyed, (modes,)), take)
        self._surveyed = _Survey(largest, norm_squared, grams)
        return self._surveyed

    def _compress(self) -> _Compressed:
        """Return what the second pass finds: the last Gram matrix, and X in leading directions of all other modes."""
        if self._compressed is not None:
            return self._compressed
        shape, split = self.shape, self._split
        room = min(KEPT_SHARE * prod(shape), LARGEST_KEPT) / shape[split]
        width = max(1, int(room ** (1 / (len(shape) - 1))))
        bases = {mode: directions(gram)[:, :width] for mode, gram in self._survey().grams.items()}
        gram = np.zeros((shape[split],) * 2)
        kept = np.zeros([shape[split] if mode == split else bases[mode].shape[1] for mode in range(len(shape))])

        def take(where: Where, found: tuple[Array, Array]) -> None:
            gram[...] += found[0]
            kept[...] += found[1]

        def call(where: Where) -> Call:
            return _gram_and_projected, ({mode: basis[where[mode]] for mode, basis in bases.items()}, split)

        _run(_Blocks(self.array, self._whole_in([split])), call, take)
        self._compressed = _Compressed(gram, bases, kept)
        return self._compressed

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

    def _sum(self, operation: str, matrices: Sequence[Array], total: Array, *mode: int) -> Array:
        """Return the sum of an operation of every block, with its rows of matrices; of a mode, those of a block."""

        def call(where: Where) -> Call:
            rows = [np.asarray(matrix[part], dtype=float) for matrix, part in zip(matrices, where, strict=True)]
            return _asked, (operation, rows, *mode)

        def take(where: Where, part: Array) -> None:
            total[where[mode[0]] if mode else ...] += part

        _run(self._blocks, call, take)
        return total

    def mttkrp(self, factors: Sequence[Array], mode: int) -> Array:
        return self._sum("mttkrp", factors, np.zeros((self.shape[mode], factors[0].shape[1])), mode)

    def squared_error(self, factors: Sequence[Array]) -> float:
        return float(self._sum("squared_error", factors, np.zeros(())))

    def project(self, matrices: Sequence[Array]) -> Array:
        before = self._projected_before(matrices)
        if before is not None:
            return before
        return self._sum("project", matrices, np.zeros([matrix.shape[1] for matrix in matrices]))

    def _projected_before(self, matrices: Sequence[Array]) -> Array | None:
        """Return the projection from what the second pass kept, None where that does not reach."""
        if self._compressed is None:
            return None
        leading = [slice(matrix.shape[1]) for matrix in matrices]
        leading[self._split] = slice(None)
        for mode, basis in self._compressed.bases.items():
            wanted, had = matrices[mode], basis[:, leading[mode]]
            if wanted.shape != had.shape or not np.allclose(wanted, had, rtol=0.0, atol=1e-12):
                return None
        core = np.tensordot(self._compressed.kept[tuple(leading)], matrices[self._split], axes=(self._split, 0))
        return np.ascontiguousarray(np.moveaxis(core, -1, self._split))

    def gram(self, mode: int) -> Array:
        return self._compress().gram if mode == self._split else self._survey().grams[mode]

    def values_at(self, cells: Cells) -> Array:
        values = np.empty(len(cells))
        index = np.unravel_index(cells, self.shape)
        for where, block in self._blocks.all():
            pairs = list(zip(index, where, strict=True))
            inside = np.logical_and.reduce([(axis >= part.start) & (axis < part.stop) for axis, part in pairs])
            values[inside] = block[tuple(axis[inside] - part.start for axis, part in pairs)]
        return values

    def hide(self, cells: Cells) -> NoReturn:
        remedy = "Use Blocks(), or compute the array if it fits into memory."
        refuse("a dask array that is read in chunks", "complete, without hidden cells", f"{len(cells)} cells", remedy)

    def pieces(self) -> Iterator[Array]:
        return (block for _, block in self._blocks.all())

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
        for where, block in self._blocks.all():
            data[where] = block
        return DenseTensor(data, self.scale)


class _Survey(NamedTuple):
    largest: float
    norm_squared: float
    grams: dict[int, Array]


class _Compressed(NamedTuple):
    gram: Array
    bases: dict[int, Array]
    kept: Array


def _asked(block: Array, operation: str, *arguments: Any) -> Any:
    return getattr(DenseTensor(block), operation)(*arguments)


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


# -------------------------------------------------------------------------------------------------------------- passes


class _Blocks:
    """A dask array in blocks, its own chunks or others, and how to make them: planned once and not in every pass."""

    def __init__(self, array: Any, chunks: Any) -> None:
        from dask.base import optimize

        (self._array,) = optimize(array)
        self._chunks = chunks

    @cached_property
    def _sources(self) -> list[tuple[Where, Any, Any]]:
        """Where each chunk is, the small graph that makes it, and its key there."""
        from dask.core import flatten
        from dask.optimization import cull

        graph = dict(self._array.__dask_graph__())
        keys = flatten(self._array.__dask_keys__())
        return [(where, cull(graph, [key])[0], key) for where, key in _filled(self._array.chunks, keys)]

    @property
    def key(self) -> Any:
        """What two passes over the same blocks have in common."""
        return self._array.name, self._chunks

    def results(self, calls: Callable[[Where], list[Call]]) -> Iterator[tuple[Where, list[Any]]]:
        """Yield where each block is, and what the calls for that place return of it."""
        client = _client()
        if client is None:
            for where in _places(self._chunks):
                if _is_filled(where):
                    yield where, _called(self._block(where), calls(where))
            return
        from dask.delayed import delayed

        blocks = self._array.rechunk(self._chunks).to_delayed().ravel()
        filled = list(_filled(self._chunks, blocks))
        futures = client.compute([delayed(_called)(block, calls(where)) for where, block in filled])
        for (where, _), future in zip(filled, futures, strict=True):
            yield where, future.result()

    def all(self) -> Iterator[tuple[Where, Array]]:
        """Yield where each block is, and the block."""
        for where, (block,) in self.results(lambda where: [(_itself, ())]):
            yield where, block

    def _block(self, where: Where) -> Array:
        """Return a block, filled from the chunks that it meets, one after the other."""
        from dask.local import get_sync

        data: Array = np.empty(0)
        for place, graph, key in self._sources:
            if place == where:
                return np.asarray(get_sync(graph, key))
            shared = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(where, place, strict=True)]
            if _is_filled(shared):
                data = data if data.size else np.empty([part.stop - part.start for part in where], self._array.dtype)
                data[_within(shared, where)] = get_sync(graph, key)[_within(shared, place)]
        return data


def _places(chunks: Any) -> list[Where]:
    """Return where the chunks are, the last mode fastest."""
    modes = []
    for lengths in chunks:
        ends = np.cumsum(lengths).tolist()
        modes.append([slice(end - length, end) for end, length in zip(ends, lengths, strict=True)])
    return list(product(*modes))


def _filled(chunks: Any, things: Iterable[Any]) -> Iterator[tuple[Where, Any]]:
    """Yield where those chunks are that are not empty, and what belongs to each."""
    return ((where, thing) for where, thing in zip(_places(chunks), things, strict=True) if _is_filled(where))


def _is_filled(where: Sequence[slice]) -> bool:
    return all(part.start < part.stop for part in where)


def _within(part: Sequence[slice], whole: Sequence[slice]) -> Where:
    return tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, whole, strict=True))


def _client() -> Any:
    """Return the dask client of the moment, None where nobody has made one."""
    if "distributed" not in sys.modules:
        return None
    try:
        return sys.modules["distributed"].get_client()
    except ValueError:
        return None


def _called(block: Any, calls: list[Call]) -> list[Any]:
    block = np.require(block, requirements=["C", "A"])
    return [function(block, *arguments) for function, arguments in calls]


def _itself(block: Array) -> Array:
    return block


class _Pass(NamedTuple):
    """What is done with every block, and what takes each result at once: together they may be larger than memory."""

    blocks: _Blocks
    call: Callable[[Where], Call]
    take: Callable[[Where, Any], None]
    made: Future[None]


class _SharedPasses:
    """The passes of a number of threads. The last one that comes to wait makes the pass for all of them."""

    def __init__(self, n_threads: int) -> None:
        self._lock = threading.Lock()
        self._at_work = n_threads
        self._waiting: list[_Pass] = []
        self._stopped = False

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function whose passes are shared with those of the other threads."""
        _here.shared = self
        try:
            return function()
        finally:
            del _here.shared
            self.wait_or_leave()

    def stop(self) -> None:
        """Let no thread go on beyond the next block."""
        self._stopped = True

    def wait_or_leave(self, *wanted: _Pass) -> None:
        """Wait for a pass, or for none any more."""
        with self._lock:
            self._at_work -= 1
            self._waiting += wanted
            if self._at_work:
                return
            waiting, self._waiting = self._waiting, []
            self._at_work = len(waiting)
        for key in dict.fromkeys(each.blocks.key for each in waiting):
            self._make([each for each in waiting if each.blocks.key == key])

    def _make(self, passes: Sequence[_Pass]) -> None:
        """Make one pass in place of several over the same blocks."""

        def calls(where: Where) -> list[Call]:
            if self._stopped:
                raise InterruptedError("a pass over an array in chunks was given up")
            return [each.call(where) for each in passes]

        try:
            for where, results in passes[0].blocks.results(calls):
                for each, result in zip(passes, results, strict=True):
                    each.take(where, result)
        except Exception as error:  # noqa: BLE001 (each thread raises it)
            for each in passes:
                each.made.set_exception(error)
        else:
            for each in passes:
                each.made.set_result(None)


_here = threading.local()


def _run(blocks: _Blocks, call: Callable[[Where], Call], take: Callable[[Where, Any], None]) -> None:
    """Make a pass, together with the threads that this one shares its passes with."""
    wanted = _Pass(blocks, call, take, Future())
    getattr(_here, "shared", _SharedPasses(1)).wait_or_leave(wanted)
    wanted.made.result()


def side_by_side(functions: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return what the functions return, called in threads that share their passes over the same array.

    Each pass begins when every one of them waits for one, or has ended: so many fits need no more passes than the
    longest of them. Each does what it would do alone, to the last bit.
    """
    if len(functions) <= 1:
        return [function() for function in functions]
    shared = _SharedPasses(len(functions))
    with ThreadPoolExecutor(len(functions)) as pool:
        try:
            futures = [pool.submit(copy_context().run, shared.call, function) for function in functions]
            return [future.result() for future in futures]
        except BaseException:
            shared.stop()  # an interrupt ends the other threads too
            raise
