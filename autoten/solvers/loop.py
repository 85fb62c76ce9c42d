"""The loop that every solver runs: sweeps over the modes, extrapolated in between, until `stopping` says enough.

The same source runs compiled and interpreted. What a sweep is depends on the problem, a record (of loss, constraint and
storage) in a module: `swept_by` names the compiled function for problems of its kind; what is no record has a method
``sweep``. Layout: everything with a component index keeps it first, (R, length), so that inner loops run
along a mode and vectorise for any R; all factors lie side by side, (R, sum of lengths).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from autoten._typing import Array
from autoten.kernels.linear import COMPILED, compiled
from autoten.model import CPModel
from autoten.solvers.stopping import enough, to_come

# Extrapolation: plain sweeps before it may begin, first step, growth on success, shrinkage on failure, bounds.
PLAIN_SWEEPS = 5
FIRST_STEP = 0.5
STEP_GROWTH = 1.3
STEP_SHRINKAGE = 0.3
SMALLEST_STEP = 0.05
LARGEST_STEP = 30.0

# One call of the compiled loop works about this long, so that interrupts and deadlines are seen.
CALL_SECONDS = 0.1
MULTIPLICATIONS_PER_SECOND = 2e9


class Model(NamedTuple):
    """A model that sweeps change in place.

    Unit columns `factors` (R, sum of lengths), their `weights` (R,), and `at_cells`: what a problem's listed hidden
    cells hold, the model's values there after its last sweep, moved on like the factors.
    """

    factors: Array
    weights: Array
    at_cells: Array


class Path(NamedTuple):
    """A model on its way: the sweep before, the length of the next extrapolation (one number), all losses."""

    model: Model
    earlier: Model
    step: Array
    losses: Array


class Pace(NamedTuple):
    """How to sweep: `tol` and `extrapolate` as of `ALS`; a loss below `rounding` is none; the first mode's length."""

    tol: float
    extrapolate: bool
    rounding: float
    first: int


def sweep_once(problem: Any, model: Model, limit: float) -> float:
    """Update every mode once; return the loss, infinite if the sweep was broken off because it is above `limit`."""
    return float(problem.sweep(model, limit))


def swept_by(record: type, function: Callable[..., Any]) -> None:
    """Let the compiled loop sweep problems of this record by a compiled function."""

    @overload(sweep_once, jit_options=COMPILED)  # type: ignore[arg-type]
    def choose(problem, model, limit):  # type: ignore[no-untyped-def]
        if getattr(problem, "instance_class", None) is record:
            return lambda problem, model, limit: function(problem, model, limit)  # noqa: PLW0108 (numba needs it)
        return None


@compiled
def move_on(values, now, before, ahead):  # type: ignore[no-untyped-def]
    """Keep `values` in `now` and move them on by so many times their change from `before`."""
    for c in range(values.size):
        now[c] = values[c]
        values[c] += ahead * (now[c] - before[c])


def sweeps(problem, path, pace, begin, end):  # type: ignore[no-untyped-def]
    """Run sweeps begin .. end - 1 in place; return how many sweeps are done and whether the loss has settled.

    Between sweeps the factors move on along their last change, but for the first mode, which is updated next; a sweep
    that raises the loss then is taken back.
    """
    model, earlier, step, losses = path
    now, now_weights, cells = np.empty_like(model.factors), np.empty_like(model.weights), np.empty_like(model.at_cells)
    cells_before = earlier.at_cells
    settled = False
    for sweep in range(begin, end):
        now[:], now_weights[:] = model.factors, model.weights
        ahead = step[0]
        limit = losses[sweep - 1] if ahead > 0.0 else np.inf
        if ahead > 0.0:
            for r in range(now.shape[0]):
                move_on(model.factors[r, pace.first :], now[r, pace.first :], earlier.factors[r, pace.first :], ahead)
        move_on(model.at_cells, cells, cells_before, ahead)
        losses[sweep] = sweep_once(problem, model, limit)
        if not losses[sweep] <= limit:
            # The step went uphill: take it back and sweep from where we were.
            step[0] = max(ahead * STEP_SHRINKAGE, SMALLEST_STEP)
            model.factors[:], model.weights[:], model.at_cells[:] = now, now_weights, cells
            losses[sweep] = sweep_once(problem, model, np.inf)
        elif ahead > 0.0:
            step[0] = min(ahead * STEP_GROWTH, LARGEST_STEP)
        earlier.factors[:] = now
        cells, cells_before = cells_before, cells
        if sweep + 1 == PLAIN_SWEEPS and pace.extrapolate:
            step[0] = FIRST_STEP
        settled = losses[sweep] <= pace.rounding or enough(losses[sweep], to_come(losses, sweep + 1), pace)
        if settled and pace.tol > 0.0:
            end = sweep + 1
            break
    earlier.at_cells[:] = cells_before
    return end, settled


compiled_sweeps = compiled(sweeps)


def run(problem: Any, model: Model, pace: Pace, most: int, deadline: float, cost: float) -> tuple[Array, bool]:
    """Do at most so many sweeps, in place; return the loss after each of them, and whether it has settled.

    `cost` is about how many multiplications a sweep takes. Extrapolation begins anew.
    """
    compiled_problem = isinstance(problem, tuple)
    way: Callable[..., tuple[int, bool]] = compiled_sweeps if compiled_problem else sweeps
    at_once = max(1, int(CALL_SECONDS * MULTIPLICATIONS_PER_SECOND / cost)) if compiled_problem else 1
    path = Path(model, Model(*(part.copy() for part in model)), np.zeros(1), np.empty(most))
    done, settled = 0, False
    while done < most and not (settled and pace.tol) and time.monotonic() < deadline:
        end = min(done + at_once, most)
        done, settled = way(problem, path, pace, done, end)
    return path.losses[:done], bool(settled)


def begun(model: CPModel, n_cells: int = 0) -> Model:
    """Return the model as sweeps have it: its directions, their weights, nothing yet at so many hidden cells."""
    factors = np.ascontiguousarray(np.vstack(model.factors).T, dtype=float)
    return Model(factors, model.weights.astype(float), np.zeros(n_cells))


def ended(model: Model, offsets: Array) -> CPModel:
    """Return the model that sweeps have made."""
    ends = [*offsets[1:], model.factors.shape[1]]
    factors = (model.factors[:, begin:end].T for begin, end in zip(offsets, ends, strict=True))
    return CPModel(model.weights.copy(), tuple(map(np.ascontiguousarray, factors)))
