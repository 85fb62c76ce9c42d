"""How far a run is, and how long still: a bar, plain lines in a pipe, and a line in the log for long jobs."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from numba.core.event import Listener, register, unregister

from autoten.fits import Plan

logger = logging.getLogger("autoten")

# A rank is taken to cost its number to this power; how much at rank 1 is measured on the ranks that are done.
GROWTH = 1.25

# Seconds: longer jobs are forecast in the log, again if the forecast has doubled; what lies between two plain lines.
LONG = 60.0
BETWEEN_LINES = 10.0

# Nothing is forecast from less: it would say little of the fits, and what follows is a hundred times as much.
ENOUGH = 2.0

COMPILING = "compiling kernels (once for each solver, number of modes and kind of data; half a minute or more)"

# Above so many of a unit the next one is spoken of.
UNITS = (("s", 1.0, 90.0), ("min", 60.0, 90.0), ("h", 3600.0, 48.0), ("days", 86400.0, math.inf))


class Progress(Listener):
    """Follows a sweep over ranks, to be entered; shown on stderr if that is asked for.

    Parameters
    ----------
    ranks : sequence of int
        Those asked for; all up to the largest are fitted.
    plan : Plan
    show : bool
    which : tuple of int
        Which solver this is, counted from 1, and of how many: each begins at rank 1.
    """

    def __init__(self, ranks: Sequence[int], plan: Plan, show: bool, which: tuple[int, int] = (1, 1)) -> None:
        self._last = ranks[-1]
        number, n_solvers = which
        self._solver = type(plan.solver).__name__ + (f", solver {number} of {n_solvers}" if n_solvers > 1 else "")
        self._plan = plan
        self._n_fits = plan.n_starts + plan.n_folds + 2 * plan.n_splits
        self._total = sum(map(_work, range(1, self._last + 1)))
        self._done_work = 0.0
        self._counts: Counter[int] = Counter()  # fits of the ranks that are not done
        self._rank = 1
        self._measured_work = self._measured_seconds = 0.0
        self._forecast = LONG / 2.0
        self._began = self._since = self._now()
        self._stood = plan.clock.stood
        self._said = False  # that kernels are compiled
        self._shown: Any = (_Bar() if _is_watched() else _Lines()) if show and sys.stderr is not None else None

    def __enter__(self) -> Progress:
        register("numba:compile", self)
        self._show()
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        unregister("numba:compile", self)
        if self._shown is not None:
            stood = self._plan.clock.stood - self._stood
            after = f"after {spoken(self._now() - self._began + stood)}"
            if stood > ENOUGH:
                after += f", {spoken(stood)} of it for kernels"
            self._shown.end(self._share(), f"rank {self._rank} of {self._last} by {self._solver}, {after}")

    def on_fit(self, rank: int) -> None:
        """Count a fit."""
        if self._shown is not None:
            self._counts[rank] += 1
            self._rank = max(self._rank, rank)
            self._show()

    def on_rank(self, rank: int, *, measured: bool) -> None:
        """Count a rank as done; `measured` is one that has been fitted now."""
        now = self._now()
        self._done_work += _work(rank)
        self._counts.pop(rank, None)
        if measured and rank > 0:
            self._measured_work += _work(rank)
            self._measured_seconds += now - self._since
        self._since = now
        self._rank = max(self._rank, min(rank + 1, self._last))
        if rank < self._last:
            self._log(now, rank)
        self._show()

    def on_start(self, event: Any) -> None:
        """Say that kernels are compiled: numba calls this when it finds one in no cache."""
        if self._shown is not None:
            self._shown.say(self._share(), COMPILING)
        elif not self._said:
            logger.warning(COMPILING)
        self._said = True

    def on_end(self, event: Any) -> None:
        """Say nothing."""

    def _now(self) -> float:
        """Return a time that stands while kernels are compiled."""
        return time.monotonic() - self._plan.clock.stood

    def _share(self) -> float:
        under_way = sum(_work(rank) * min(count / self._n_fits, 1.0) for rank, count in self._counts.items())
        return min((self._done_work + under_way) / self._total, 1.0)

    def _left(self) -> float:
        """Return how many seconds are left; NaN as long as too little is known."""
        if self._measured_seconds < ENOUGH:
            return math.nan
        return self._measured_seconds * self._total * (1.0 - self._share()) / self._measured_work

    def _show(self) -> None:
        if self._shown is None or self._plan.clock.stands:
            return
        left = min(self._left(), self._plan.deadline - time.monotonic())
        text = f"rank {self._rank} of {self._last} by {self._solver}"
        self._shown.show(self._share(), text if math.isnan(left) else f"{text}, about {spoken(max(left, 0.0))} left")

    def _log(self, now: float, rank: int) -> None:
        total = now - self._began + self._left()
        if not total > 2.0 * self._forecast:
            return
        self._forecast = total
        limit = self._plan.limit - self._began
        ranks = f"ranks 1 to {self._last} by {self._solver}, going by those up to {rank}"
        ended = f"; max_time ends them after {spoken(limit)}" if limit < total else ""
        logger.info("about %s%s for %s%s", spoken(total), _memory(), ranks, ended)


class _Bar:
    """A bar of tqdm's, also in a notebook."""

    def __init__(self) -> None:
        from tqdm.auto import tqdm

        self._bar = tqdm(total=1.0, bar_format="{percentage:3.0f}%|{bar}| {desc}")

    def show(self, share: float, text: str) -> None:
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(share - self._bar.n)

    def say(self, share: float, text: str) -> None:
        self._bar.set_description_str(text)

    def end(self, share: float, text: str) -> None:
        self.show(share, text)
        self._bar.refresh()
        self._bar.close()


class _Lines:
    """Now and then a line: what is piped into a file shall be readable there."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._next = time.monotonic() + BETWEEN_LINES

    def show(self, share: float, text: str) -> None:
        if time.monotonic() >= self._next:
            self.say(share, text)

    def say(self, share: float, text: str) -> None:
        if text not in self._said:
            sys.stderr.write(f"autoten: {100.0 * share:.0f}% {text}\n")
            sys.stderr.flush()
        self._said.add(text)
        self._next = time.monotonic() + BETWEEN_LINES

    end = say


def _is_watched() -> bool:
    """Return whether a bar can move: on a terminal, or in a notebook that has widgets."""
    from tqdm.auto import tqdm

    return sys.stderr.isatty() or any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)


def _work(rank: int) -> float:
    return math.pow(rank, GROWTH)


def spoken(seconds: float) -> str:
    """Return a time in one figure or two: ``8 s``, ``2 min``, ``1.5 h``."""
    unit, size, _ = next(each for each in UNITS if seconds <= each[1] * each[2])
    number = seconds / size
    return f"{number:.1f} {unit}" if number < 3.0 and unit in ("h", "days") else f"{max(number, 1.0):.0f} {unit}"


def _memory() -> str:
    """Return how much memory this process has taken at most, in words; nothing where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f" and {peak / 1e9:.1f} GB" if peak >= 1e8 else f" and {peak / 1e6:.0f} MB"
