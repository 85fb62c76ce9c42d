"""Passes over a dask array, one block after the other; fits that run side by side share them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from autoten.tensors.tensor import Array

Where = tuple[slice, ...]

# What a pass does with a block (in another process if there is a cluster), the further arguments for a block, and what
# becomes of the result: it is taken at once, since results of all blocks together may be larger than memory.
Function = Callable[..., Any]
Arguments = Callable[[Where], tuple[Any, ...]]
Take = Callable[[Where, Any], None]


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


class _Request(NamedTuple):
    blocks: Blocks
    function: Function
    arguments: Arguments
    take: Take
    served: Future[None]

    @property
    def key(self) -> Any:
        return self.blocks.key


class _SharedPasses:
    """The passes of a number of threads. The last one that comes to wait makes the pass for all of them."""

    def __init__(self, n_threads: int) -> None:
        self._lock = threading.Lock()
        self._at_work = n_threads
        self._waiting: list[_Request] = []
        self._stopped = False

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function whose passes are shared with those of the other threads."""
        _here.shared = self
        try:
            return function()
        finally:
            _here.shared = None
            self._wait_or_leave()

    def stop(self) -> None:
        """Let no thread go on beyond the next block."""
        self._stopped = True

    def run(self, blocks: Blocks, function: Function, arguments: Arguments, take: Take) -> None:
        """Wait until `take` has had the results of every block."""
        request = _Request(blocks, function, arguments, take, Future())
        self._wait_or_leave(request)
        request.served.result()

    def _wait_or_leave(self, *requests: _Request) -> None:
        with self._lock:
            self._at_work -= 1
            self._waiting += requests
            if self._at_work:
                return
            waiting, self._waiting = self._waiting, []
            self._at_work = len(waiting)
        for key in dict.fromkeys(request.key for request in waiting):
            self._serve([request for request in waiting if request.key == key])

    def _serve(self, requests: Sequence[_Request]) -> None:
        """Make one pass for several requests of the same blocks."""

        def arguments(where: Where) -> tuple[Any, ...]:
            if self._stopped:
                raise InterruptedError("a pass over an array in chunks was given up")
            return tuple((request.function, request.arguments(where)) for request in requests)

        def take(where: Where, results: Sequence[Any]) -> None:
            for request, result in zip(requests, results, strict=True):
                request.take(where, result)

        try:
            requests[0].blocks.run_alone(_each_of, arguments, take)
        except Exception as error:  # noqa: BLE001 (each thread raises it)
            for request in requests:
                request.served.set_exception(error)
        else:
            for request in requests:
                request.served.set_result(None)


def _each_of(block: Array, *calls: tuple[Function, tuple[Any, ...]]) -> list[Any]:
    return [function(block, *arguments) for function, arguments in calls]


class _Here(threading.local):
    """With whom this thread shares its passes."""

    shared: _SharedPasses | None = None


_here = _Here()


class Blocks:
    """A dask array in blocks, its own chunks or others, and how to make them: planned once and not in every pass."""

    def __init__(self, array: Any, chunks: Any = None) -> None:
        from dask.base import optimize

        (self._array,) = optimize(array)
        self._chunks = array.chunks if chunks is None else chunks

    @cached_property
    def _sources(self) -> list[tuple[Where, Any, Any]]:
        """Where each chunk is, the small graph that makes it, and its key there."""
        from dask.core import flatten
        from dask.optimization import cull

        graph = dict(self._array.__dask_graph__())
        keys = list(flatten(self._array.__dask_keys__()))
        places = _places(self._array.chunks)
        found = zip(places, keys, strict=True)
        return [(where, cull(graph, [key])[0], key) for where, key in found if _is_filled(where)]

    @property
    def key(self) -> Any:
        """What two passes over the same blocks have in common."""
        return self._array.name, self._chunks

    def run(self, function: Function, arguments: Arguments, take: Take) -> None:
        """Let `take` have where each block is, and `function` of the block and of the arguments for that place."""
        if _here.shared is None:
            self.run_alone(function, arguments, take)
        else:
            _here.shared.run(self, function, arguments, take)

    def run_alone(self, function: Function, arguments: Arguments, take: Take) -> None:
        """Do so in a pass that nobody shares."""
        for where, result in self.each(function, arguments):
            take(where, result)

    def each(self, function: Function, arguments: Arguments) -> Iterator[tuple[Where, Any]]:
        """Yield where each block is, and `function` of the block and the arguments for that place."""
        places = [where for where in _places(self._chunks) if _is_filled(where)]
        client = _client()
        if client is None:
            for where in places:
                yield where, function(self._block(where), *arguments(where))
            return
        from dask.delayed import delayed

        blocks = self._array.rechunk(self._chunks).to_delayed().ravel()
        blocks = [block for block, where in zip(blocks, _places(self._chunks), strict=True) if _is_filled(where)]
        calls = [delayed(_call)(block, function, arguments(where)) for block, where in zip(blocks, places, strict=True)]
        for where, future in zip(places, client.compute(calls), strict=True):
            yield where, future.result()

    def _block(self, where: Where) -> Array:
        """Return a block, filled from the chunks that it meets, one after the other."""
        from dask.local import get_sync

        data: Array = np.empty(0)
        for place, graph, key in self._sources:
            if place == where:
                return _contiguous(get_sync(graph, key))
            shared = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(where, place, strict=True)]
            if all(part.start < part.stop for part in shared):
                data = data if data.size else np.empty([part.stop - part.start for part in where], self._array.dtype)
                data[_within(shared, where)] = get_sync(graph, key)[_within(shared, place)]
        return data


def _places(chunks: Any) -> list[Where]:
    """Return where the chunks are, the last mode fastest."""
    ends = [np.cumsum(lengths).tolist() for lengths in chunks]
    slices = [
        [slice(end - length, end) for end, length in zip(mode_ends, lengths, strict=True)]
        for mode_ends, lengths in zip(ends, chunks, strict=True)
    ]
    return list(product(*slices))


def _is_filled(where: Where) -> bool:
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


def _call(chunk: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(_contiguous(chunk), *arguments)


def _contiguous(chunk: Any) -> Array:
    return np.require(chunk, requirements=["C", "A"])
