"""PARAFAC by alternating least squares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten import _als_kernel as loop
from autoten._validation import check_integer, check_real
from autoten.cp import CPModel
from autoten.solvers.alternating import Iterate, alternate
from autoten.solvers.base import Fit
from autoten.solvers.dense import DenseSweeps
from autoten.tensors.equations import solve_rows

if TYPE_CHECKING:
    from autoten.tensors.protocol import Tensor

Array = NDArray[Any]

# A model, its loss after every sweep, whether that has settled, and the squared error from the residuals.
_Fitted = tuple[CPModel, Array, bool, float]


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
        Largest number of sweeps, those in subspaces included.
    tol : float
        Relative decrease of the loss that may be left. With 0 nothing stops a fit before `max_iter`; ``converged`` then
        says whether the loss had come to rest but for rounding.
    extrapolate : bool
        False gives the plain textbook algorithm.
    compress : bool
        Whether starts may be explored in a compressed core, and sweeps done in subspaces; what is reported is refined
        in full space either way.

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
        check_real(self.tol, "tol of ALS", above=0.0, below=1.0, closed=True)

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
        model, losses, settled = alternate(
            LeastSquaresProblem(tensor),
            start,
            max_iter,
            tol=self.tol,
            rounding=loop.ROUNDING * tensor.norm_squared,
            extrapolate=self.extrapolate,
            deadline=deadline,
        )
        return model, losses, settled, tensor.squared_error(model.folded())

    def _dense_tensor(self, tensor: Tensor, start: CPModel, max_iter: int, deadline: float) -> _Fitted | None:
        """Do the same in one compiled loop, called for a bounded time at once; None where that does not suit."""
        dense = tensor.dense_rows()
        if dense is None:
            return None
        sweeps = DenseSweeps(dense, tensor.shape, tensor.norm_squared, start, self.tol, self.extrapolate)
        by_subspaces = self.compress and self.extrapolate and sweeps.subspaces_pay()
        losses, settled = (sweeps.sweep_by_subspaces if by_subspaces else sweeps.sweep)(max_iter, deadline)
        return sweeps.model, losses, settled, sweeps.residual_error()


class LeastSquaresProblem:
    """Least squares by the operations of the tensor protocol."""

    def __init__(self, tensor: Tensor) -> None:
        self.equations = tensor.normal_equations()

    def solve(self, iterate: Iterate, mode: int) -> Iterate:
        """Return the iterate with `mode` at its least-squares optimum."""
        factors = iterate.folded_at(mode)
        gram, rhs = self.equations.at(factors, mode)
        return iterate.with_mode(mode, solve_rows(gram, rhs, factors[mode]), (mode, gram, rhs))

    def admissible(self, iterate: Iterate) -> Iterate:
        """Return the iterate: every one will do."""
        return iterate

    def loss(self, iterate: Iterate) -> float:
        """Return the squared error over observed cells."""
        mode, gram, rhs = iterate.solved
        return self.equations.squared_error(iterate.folded_at(mode), mode, gram, rhs)
