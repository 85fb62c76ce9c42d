"""The loop that every solver shares: mode after mode, extrapolated between sweeps, with one stopping rule."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autoten.cp import CPModel
from autoten.solvers import loop

Array = NDArray[Any]


@dataclass(frozen=True)
class Iterate:
    """Weights and factors between two mode updates, and the last solved problem (for the loss)."""

    weights: Array
    factors: list[Array]
    solved: Any = None

    def ahead_of(self, earlier: Iterate, step: float) -> Iterate:
        """Return the iterate moved on along its last change; the first mode is left for its own update."""
        if not step:
            return self
        moved = [now + step * (now - old) for now, old in zip(self.factors[1:], earlier.factors[1:], strict=True)]
        return Iterate(self.weights, [self.factors[0], *moved])

    def folded_at(self, mode: int) -> list[Array]:
        """Return the factors with the weights multiplied into `mode`'s."""
        factors = list(self.factors)
        factors[mode] = factors[mode] * self.weights
        return factors

    def with_mode(self, mode: int, solved: Array, problem: Any, *, keep_directions: bool = False) -> Iterate:
        """Return the iterate with the factor of `mode` replaced: unit columns, their norms as the weights.

        A column of zeros stays one, unless its direction is to be kept, without weight: other modes can then bring the
        component back, where without any direction they never could.
        """
        norms = np.sqrt(np.einsum("ir,ir->r", solved, solved))
        factors = list(self.factors)
        unit = solved / np.where(norms > 0.0, norms, 1.0)
        factors[mode] = np.where(norms > 0.0, unit, factors[mode]) if keep_directions else unit
        return Iterate(norms, factors, problem)


class Problem(Protocol):
    """A loss, and how to lower it in one mode."""

    def solve(self, iterate: Iterate, mode: int) -> Iterate:
        """Return the iterate with `mode` updated; the loss never rises."""

    def admissible(self, iterate: Iterate) -> Iterate:
        """Return the nearest iterate that meets the constraints."""

    def loss(self, iterate: Iterate) -> float:
        """Return the loss of what `solve` has just returned."""


def alternate(
    problem: Problem,
    start: CPModel,
    max_iter: int,
    *,
    tol: float,
    rounding: float,
    extrapolate: bool,
    deadline: float,
) -> tuple[CPModel, Array, bool]:
    """Sweep over the modes until the loss has settled; return the model, the losses and whether they have.

    With a `tol` of zero all sweeps are made.
    Between sweeps the factors move on along their last change; a step that raises the loss is taken back. A loss below
    `rounding` is none, and a decrease below it cannot be seen.
    """
    now = earlier = Iterate(start.weights, list(start.factors))
    losses = np.empty(max_iter)
    step = _Step(extrapolate)
    settled, done = False, 0
    for sweep in range(max_iter):
        if (settled and tol) or time.monotonic() >= deadline:
            break
        first = problem.solve(problem.admissible(now.ahead_of(earlier, step.length)), 0)
        if step.length:
            if problem.loss(first) <= losses[sweep - 1]:
                step.succeeded()
            else:
                step.failed()
                first = problem.solve(now, 0)
        earlier, now = now, first
        for mode in range(1, len(start.factors)):
            now = problem.solve(now, mode)
        losses[sweep] = problem.loss(now)
        done = sweep + 1
        step.begin_after(done)
        settled = losses[sweep] <= rounding or loop.to_come(losses, done) <= max(tol * losses[sweep], rounding)
    return CPModel(now.weights, tuple(now.factors)), losses[:done], bool(settled)


class _Step:
    """Length of the extrapolation: grows while steps succeed, shrinks when one is taken back."""

    def __init__(self, enabled: bool) -> None:
        self.length = 0.0
        self._enabled = enabled

    def begin_after(self, n_sweeps: int) -> None:
        if self._enabled and n_sweeps == loop.PLAIN_SWEEPS:
            self.length = loop.FIRST_STEP

    def succeeded(self) -> None:
        self.length = min(self.length * loop.STEP_GROWTH, loop.LARGEST_STEP)

    def failed(self) -> None:
        self.length = max(self.length * loop.STEP_SHRINKAGE, loop.SMALLEST_STEP)
