"""Where fits run: threads of this process, or whatever workers ``joblib.parallel_config`` names, on any machine."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from joblib import Parallel, delayed, parallel_config
from joblib.parallel import get_active_backend
from threadpoolctl import threadpool_limits

logger = logging.getLogger("autoten")

# A call of a function, to be run somewhere.
Task = tuple[Callable[..., Any], tuple[Any, ...]]

# Told of every result as it comes: the number of its task, and the result.
Told = Callable[[int, Any], None]

# Tasks whose workers died are run again, so many times in all: a task that exhausts the memory kills them each time.
ATTEMPTS = 3


def _nobody(number: int, result: Any) -> None:
    """Keep nothing of a result as it comes."""


# What joblib raises when a worker is gone, or the data that were sent to it.
LOST = (BrokenExecutor, CancelledError)


class Workers:
    """joblib's workers, to be entered; each works with one BLAS thread.

    Threads, unless the user's ``joblib.parallel_config`` says otherwise. What is large goes to a cluster by parts, each
    of them sent once with its task.

    Parameters
    ----------
    n_jobs : int
        Number of workers, as in joblib; a dask cluster works with all it has.
    """

    def __init__(self, n_jobs: int) -> None:
        backend, _ = get_active_backend(prefer="threads")
        self.number = backend.effective_n_jobs(n_jobs)
        self.several = self.number > 1
        return_as = "generator" if backend.supports_return_generator else "list"
        self._parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as=return_as)
        self._opened = ExitStack()

    def __enter__(self) -> Workers:
        self._opened.enter_context(one_blas_thread())
        self._opened.enter_context(self._parallel)
        return self

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)

    def run(self, *groups: Sequence[Task], told: Told = _nobody) -> tuple[list[list[Any]], list[float]]:
        """Run groups of tasks as one; return the results of each and its share of the seconds."""
        began = time.monotonic()
        outcomes = iter(self._outcomes([task for group in groups for task in group], told))
        done = [[next(outcomes) for _ in group] for group in groups]
        took = time.monotonic() - began
        busy = [sum(seconds for _, seconds in group) for group in done]
        shares = [took * part / sum(busy) if part else 0.0 for part in busy]
        return [[result for result, _ in group] for group in done], shares

    def _outcomes(self, tasks: Sequence[Task], told: Told) -> list[tuple[Any, float]]:
        done: list[tuple[Any, float]] = []
        for attempt in range(1, ATTEMPTS + 1):
            try:
                calls = (delayed(_timed)(f, *args) for f, args in tasks[len(done) :])
                with closing(outcome for outcome in self._parallel(calls)) as outcomes:
                    for outcome in outcomes:
                        told(len(done), outcome[0])
                        done.append(outcome)
                break
            except LOST as error:
                if attempt == ATTEMPTS:
                    raise
                logger.warning("workers were lost (%s); their tasks are run again", type(error).__name__)
        return done


def task(function: Callable[..., Any], *arguments: Any) -> Task:
    """Return the record of a call."""
    return function, arguments


_lock = threading.Lock()
_holders: list[Any] = []
_limits: list[threadpool_limits] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread in this process; of several threads in here the last one out gives it back."""
    with _lock:
        if not _holders:
            _limits.append(threadpool_limits(limits=1, user_api="blas"))
        _holders.append(None)
    try:
        yield
    finally:
        with _lock:
            _holders.pop()
            if not _holders:
                _limits.pop().restore_original_limits()


def _timed(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Call `function` with one BLAS thread, wherever this is; return its seconds too."""
    began = time.monotonic()
    # A cluster would send what a task runs in turn, such as the fits of a part, back to all workers.
    with one_blas_thread(), parallel_config(backend="threading"):
        result = function(*arguments)
    return result, time.monotonic() - began
