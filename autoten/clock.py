"""A clock that stands while kernels are compiled: what a run takes on a machine that has them already."""

from __future__ import annotations

import threading
import time
from typing import Any

from numba.core.event import Listener, register, unregister

# What numba holds while it compiles a kernel, writes it to the cache, or reads it from there.
COMPILING = "numba:compiler_lock"


class Clock(Listener):
    """Counts, while it is entered, the seconds in which any thread of this process compiles kernels or reads them.

    Other processes have clocks of their own, which never stand.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._compilers, self._stood, self._since = 0, 0.0, 0.0

    def __enter__(self) -> Clock:
        register(COMPILING, self)
        return self

    def __exit__(self, *error: Any) -> None:
        unregister(COMPILING, self)

    @property
    def stands(self) -> bool:
        """Whether kernels are compiled just now."""
        return self._compilers > 0

    @property
    def stood(self) -> float:
        """Seconds for which it has stood."""
        with self._lock:
            return self._stood + (time.monotonic() - self._since if self._compilers else 0.0)

    def on_start(self, event: Any) -> None:
        """Stand: numba calls this; while it compiles a kernel it does so for others within."""
        with self._lock:
            self._compilers += 1
            if self._compilers == 1:
                self._since = time.monotonic()

    def on_end(self, event: Any) -> None:
        """Go on, when nobody compiles any more."""
        with self._lock:
            if self._compilers:  # else another thread had begun before this clock was entered
                self._compilers -= 1
                self._stood += 0.0 if self._compilers else time.monotonic() - self._since
