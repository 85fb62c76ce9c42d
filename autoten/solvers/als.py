"""PARAFAC by alternating least squares."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten import _als_kernel as loop
from autoten._validation import check_integer, check_real
from autoten.cp import CPModel
from autoten.solvers.base import Fit
from autoten.tensors.equations import solve_rows

if TYPE_CHECKING:
    from autoten.tensors.protocol import NormalEquations, Tensor

Array = NDArray[Any]

# A model, its loss after every sweep, whether that has settled, and the squared error from the residuals.
_Fitted = tuple[CPModel, Array, bool, float]

# One call of the compiled loop works about this long, so that interrupts and deadlines are seen.
CALL_SECONDS = 0.1
MULTIPLICATIONS_PER_SECOND = 2e9


@dataclass(frozen=True)
class ALS:
    r"""Least-squares PARAFAC by alternating least squares with safeguarded extrapolation.

    Each sweep solves one mode after the other,

    .. math:: A_n \leftarrow \arg\min_A \|W \circ (X - [\![A_1, \dots, A, \dots, A_N]\!])\|^2

    over observed cells. Between sweeps the factors are extrapolated along their last change; a step that raises
    the loss is taken back, so the loss never rises (after Bro 1998, section 4.2.2, with an adaptive step).

    The fit stops when the decrease still to come, estimated by a geometric series from the last two windows of
    sweeps, is below `tol` times the loss. A small last decrease alone stops nothing: in a swamp the loss hardly
    moves for hundreds of sweeps, and the series then sums to a large remainder.

    Parameters
    ----------
    max_iter : int
        Largest number of sweeps.
    tol : float
        Relative decrease of the loss that may be left.
    extrapolate : bool
        False gives the plain textbook algorithm.
    compress : bool
        Whether starts may be explored in a compressed core; what is reported is refined in full space either way.

    References
    ----------
    Carroll & Chang (1970), Psychometrika 35, 283-319; Harshman (1970), UCLA Working Papers in Phonetics 16;
    Bro (1998), Multi-way Analysis in the Food Industry, thesis, University of Amsterdam.

    Examples
    --------
    >>> from autoten import fit_parafac
    >>> from autoten.datasets import load_amino_acids
    >>> fit = fit_parafac(load_amino_acids().X, 3, solver=ALS(max_iter=300), random_state=0)
    >>> fit.converged, round(100 * (1 - fit.loss), 2)
    (True, 99.94)
    """

    max_iter: int = 1000
    tol: float = 1e-7
    extrapolate: bool = True
    compress: bool = True

    def __post_init__(self) -> None:
        check_integer(self.max_iter, "max_iter of ALS", minimum=1)
        check_real(self.tol, "tol of ALS", above=0.0, below=1.0)

    def fit(self, tensor: Tensor, start: CPModel, *, max_iter: int | None = None, deadline: float = math.inf) -> Fit:
        """Fit from `start` (its first factor matters only for the values of hidden cells)."""
        norm_squared = tensor.norm_squared
        if norm_squared == 0.0 or start.rank == 0:
            return Fit(start.scaled(0.0), float(norm_squared > 0.0), 0, True, np.zeros(0))
        max_iter = self.max_iter if max_iter is None else min(max_iter, self.max_iter)
        fitted = self._dense_tensor(tensor, start.normalized(), max_iter, deadline)
        if fitted is None:
            fitted = self._any_tensor(tensor, start.normalized(), max_iter, deadline)
        model, losses, settled, squared_error = fitted
        history = np.minimum.accumulate(np.maximum(losses, 0.0)) / norm_squared
        # The Gram-based losses round at 1e-15 of the sum of squares; the residuals themselves do not.
        return Fit(model.normalized(), squared_error / norm_squared, len(history), settled, history)

    def _any_tensor(self, tensor: Tensor, start: CPModel, max_iter: int, deadline: float) -> _Fitted:
        """Fit by the operations of the tensor protocol."""
        equations = tensor.normal_equations()
        now = earlier = _Iterate(start.weights, list(start.factors))
        losses = np.empty(max_iter)
        rounding = loop.ROUNDING * tensor.norm_squared
        step = _Step(enabled=self.extrapolate)
        settled, done = False, 0
        for sweep in range(max_iter):
            if settled or time.monotonic() >= deadline:
                break
            first = _solve_mode(equations, now.ahead_of(earlier, step.length), 0)
            if step.length:
                if first.squared_error(equations) <= losses[sweep - 1]:
                    step.succeeded()
                else:
                    step.failed()
                    first = _solve_mode(equations, now, 0)
            earlier, now = now, first
            for mode in range(1, len(tensor.shape)):
                now = _solve_mode(equations, now, mode)
            losses[sweep] = now.squared_error(equations)
            done = sweep + 1
            step.begin_after(done)
            settled = losses[sweep] <= rounding or loop.to_come(losses, done) <= max(self.tol * losses[sweep], rounding)
        model = CPModel(now.weights, tuple(now.factors))
        return model, losses[:done], settled, tensor.squared_error(model.folded())

    def _dense_tensor(self, tensor: Tensor, start: CPModel, max_iter: int, deadline: float) -> _Fitted | None:
        """Do the same in one compiled loop, called for a bounded time at once; None where that does not suit."""
        dense = tensor.dense_rows()
        if dense is None:
            return None
        lengths = np.array(tensor.shape)
        offsets = np.cumsum(lengths) - lengths
        factors = np.ascontiguousarray(np.vstack(start.factors).T, dtype=float)
        weights = start.weights.astype(float)
        earlier, step, losses = factors.copy(), np.zeros(1), np.empty(max_iter)
        at_cells, at_cells_before = np.empty((2, len(dense.cell_columns)))
        at_once = max(1, int(CALL_SECONDS * MULTIPLICATIONS_PER_SECOND / dense.multiplications(start.rank)))
        done, settled = 0, False
        while done < max_iter and not settled and time.monotonic() < deadline:
            done, settled = loop.als_sweeps(
                *dense,
                lengths,
                offsets,
                factors,
                earlier,
                weights,
                at_cells,
                at_cells_before,
                step,
                losses,
                done,
                min(done + at_once, max_iter),
                tensor.norm_squared,
                self.tol,
                self.extrapolate,
            )
        squared_error = loop.residual_error(*dense, lengths, offsets, factors, weights)
        model = CPModel(weights, tuple(np.ascontiguousarray(f.T) for f in np.split(factors, offsets[1:], axis=1)))
        return model, losses[:done], settled, squared_error


@dataclass(frozen=True)
class _Iterate:
    """Weights and factors between two mode updates, and the last solved problem (for the loss)."""

    weights: Array
    factors: list[Array]
    solved: tuple[int, Array, Array] | None = None

    def ahead_of(self, earlier: _Iterate, step: float) -> _Iterate:
        """Return the iterate moved on along its last change; the first mode is left for its own update."""
        if not step:
            return self
        moved = [now + step * (now - old) for now, old in zip(self.factors[1:], earlier.factors[1:], strict=True)]
        return _Iterate(self.weights, [self.factors[0], *moved])

    def folded_at(self, mode: int) -> list[Array]:
        factors = list(self.factors)
        factors[mode] = factors[mode] * self.weights
        return factors

    def squared_error(self, equations: NormalEquations) -> float:
        assert self.solved is not None
        mode, gram, rhs = self.solved
        return equations.squared_error(self.folded_at(mode), mode, gram, rhs)


def _solve_mode(equations: NormalEquations, iterate: _Iterate, mode: int) -> _Iterate:
    """Return the iterate with `mode` at its least-squares optimum, its columns of unit length."""
    factors = iterate.folded_at(mode)
    gram, rhs = equations.at(factors, mode)
    solved = solve_rows(gram, rhs, factors[mode])
    norms = np.sqrt(np.einsum("ir,ir->r", solved, solved))
    factors[mode] = solved / np.where(norms > 0.0, norms, 1.0)
    return _Iterate(norms, factors, (mode, gram, rhs))


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
