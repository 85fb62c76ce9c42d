"""PARAFAC of counts: Poisson rates by alternating Newton steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten import _count_kernels
from autoten._validation import check_integer, check_real, refuse
from autoten.cp import CPModel
from autoten.losses import Poisson
from autoten.solvers import loop
from autoten.solvers.alternating import Iterate, alternate
from autoten.solvers.base import Fit
from autoten.tensors.counts import Counts, deviance, null_deviance

if TYPE_CHECKING:
    from autoten.tensors.protocol import Tensor

Array = NDArray[Any]

# Rates below this share of the mean count as much where a Newton step is computed; losses know no such bound.
SMALLEST_RATE = 1e-12

# A start that gives a count no rate at all gets so much of every column's mean added to its entries.
MIXED_IN = 1e-2


@dataclass(frozen=True)
class KL:
    r"""Nonnegative PARAFAC of counts by maximum likelihood under Poisson noise (Kullback-Leibler divergence).

    Each sweep lowers, in one mode after the other,

    .. math:: D = 2 \sum_c \left( x_c \log \frac{x_c}{m_c} - x_c + m_c \right), \qquad
              m = [\![A_1, \dots, A_N]\!], \quad A_n \ge 0

    over observed cells. A row's step goes to the nonnegative minimum of the quadratic model of D; where D would rise,
    the row takes the multiplicative step instead, which never raises it (Chi & Kolda 2012). So the loss never rises,
    entries at zero can leave it, and far fewer sweeps are needed than by multiplicative steps alone. Extrapolation and
    the stopping rule are those of `ALS`. A sweep visits nonzero cells only; observed zeros enter through column sums.

    Parameters
    ----------
    max_iter : int
        Largest number of sweeps.
    tol : float
        Relative decrease of the deviance that may be left; with 0, as in `ALS`, every sweep of `max_iter` is made.
    floor : float
        Where held-out counts are judged, rates below this share of their mean are raised to it, and such hits counted.
    extrapolate : bool
        False gives plain sweeps.

    Notes
    -----
    The loss of a `Fit` is the deviance as a share of that of the null model, one rate for all observed cells.

    References
    ----------
    Chi & Kolda (2012), SIAM Journal on Matrix Analysis and Applications 33, 1272-1299 (CP-APR); Hansen, Plantenga &
    Kolda (2015), Optimization Methods and Software 30, 1002-1029 (row-wise Newton steps).

    Examples
    --------
    >>> import numpy as np
    >>> from autoten import fit_parafac
    >>> rng = np.random.default_rng(0)
    >>> rates = np.einsum("ir,jr,kr->ijk", *(rng.gamma(0.3, size=(n, 2)) for n in (12, 13, 14)))
    >>> fit = fit_parafac(rng.poisson(20 * rates), 2, solver=KL(), n_starts=3, random_state=0)
    >>> fit.converged, fit.loss < 0.5
    (True, True)
    """

    max_iter: int = 1000
    tol: float = 1e-7
    floor: float = 1e-3
    extrapolate: bool = True

    def __post_init__(self) -> None:
        check_integer(self.max_iter, "max_iter of KL", minimum=1)
        check_real(self.tol, "tol of KL", above=0.0, below=1.0, closed=True)
        check_real(self.floor, "floor of KL", above=0.0, below=1.0)

    @property
    def compress(self) -> bool:
        """Never: a core of the data has negative entries."""
        return False

    @property
    def loss(self) -> Poisson:
        """The loss, for what judges its models."""
        return Poisson(self.floor)

    def check(self, tensor: Tensor) -> None:
        """Refuse a tensor with negative cells, or with weights: counts have a noise of their own."""
        if tensor.cell_weights is not None:
            remedy = "Leave them out, or use HALS()."
            refuse("X for the solver KL", "counts without weights", "weights of their cells", remedy)
        smallest = float(tensor.values_at(tensor.nonzero).min(initial=0.0)) * tensor.scale
        if smallest < 0.0:
            refuse(
                "X for the solver KL",
                "counts or other amounts >= 0",
                f"{smallest:.6g} as the smallest cell",
                "Use ALS() for data with negative values.",
            )

    def fit(self, tensor: Tensor, start: CPModel, *, max_iter: int | None = None, deadline: float = math.inf) -> Fit:
        """Fit from `start`, whose factors count by their magnitudes."""
        self.check(tensor)
        if tensor.total == 0.0 or start.rank == 0:
            return Fit(start.scaled(0.0), float(tensor.total > 0.0), 0, True, np.zeros(0))
        counts = Counts(tensor)
        rounding = loop.ROUNDING * tensor.total
        null = null_deviance(tensor, self.loss)
        null = null if null > rounding else 1.0  # counts that are all equal leave nothing to explain
        model, losses, settled = alternate(
            _PoissonProblem(counts, SMALLEST_RATE * tensor.total / tensor.n_observed),
            _admissible_start(counts, start),
            self.max_iter if max_iter is None else min(max_iter, self.max_iter),
            tol=self.tol,
            rounding=rounding,
            extrapolate=self.extrapolate,
            deadline=deadline,
        )
        history = np.minimum.accumulate(np.maximum(losses, 0.0)) / null
        loss, _ = deviance(tensor, model.folded(), self.loss)
        return Fit(model.normalized(), max(loss, 0.0) / null, len(history), settled, history)


class _PoissonProblem:
    """The deviance, lowered row by row."""

    def __init__(self, counts: Counts, smallest: float) -> None:
        self._counts = counts
        self._smallest = smallest

    def solve(self, iterate: Iterate, mode: int) -> Iterate:
        """Return the iterate with every row of `mode` moved by a Newton step, or else a multiplicative one."""
        factors = iterate.folded_at(mode)
        sums = self._counts.row_sums(factors, mode)
        slopes, curvatures, errors = self._counts.derivatives(factors, mode, self._smallest)
        before, moved = factors[mode], factors[mode].copy()
        _count_kernels.newton_rows(sums, slopes, curvatures, moved)
        now = errors + np.einsum("ir,ir->i", sums, before)
        then = self._errors(factors, mode, moved) + np.einsum("ir,ir->i", sums, moved)
        uphill = ~(then <= now)
        if uphill.any():
            multiplied = before * np.divide(slopes, sums, out=np.zeros_like(sums), where=sums > 0.0)
            moved = np.where(uphill[:, None], multiplied, moved)
            then = self._errors(factors, mode, moved) + np.einsum("ir,ir->i", sums, moved)
        loss = 2.0 * (float(then.sum()) - self._counts.total)
        return iterate.with_mode(mode, moved, loss, keep_directions=True)

    def _errors(self, factors: list[Array], mode: int, moved: Array) -> Array:
        return self._counts.errors([moved if n == mode else factor for n, factor in enumerate(factors)], mode)

    def admissible(self, iterate: Iterate) -> Iterate:
        """Return the iterate with what an extrapolation has made negative at zero."""
        return replace(iterate, factors=[np.maximum(factor, 0.0) for factor in iterate.factors])

    def loss(self, iterate: Iterate) -> float:
        """Return the deviance over observed cells."""
        return float(iterate.solved)


def _admissible_start(counts: Counts, start: CPModel) -> CPModel:
    """Return the start without signs, of the size of the counts if it has none, and with a rate for every count."""
    factors = tuple(np.abs(factor) for factor in start.normalized().factors)
    weights = start.normalized().weights
    if not weights.any():
        sums = np.prod([factor.sum(axis=0) for factor in factors], axis=0)
        weights = counts.total / (start.rank * np.where(sums > 0.0, sums, 1.0))
    model = CPModel(weights, factors)
    if np.isfinite(counts.errors(model.folded(), 0)).all():
        return model
    return CPModel(weights, tuple(factor + MIXED_IN * factor.mean(axis=0) for factor in factors))
