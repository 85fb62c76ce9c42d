"""PARAFAC of counts: Poisson rates by alternating Newton steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from autoten._errors import check_integer, check_real, refuse
from autoten._typing import Array
from autoten.kernels.counts import Counts, add_derivatives, log_sums, newton_rows, row_sums
from autoten.kernels.linear import ROUNDING, compiled
from autoten.model import CPModel
from autoten.solvers import loop
from autoten.solvers.base import Explored, Fit, SolverDefaults
from autoten.solvers.least_squares import admit, explore_core, put, rows_of
from autoten.solvers.loop import Model, Pace
from autoten.solvers.subspaces import Compression
from autoten.tensors.counts import Poisson, as_counts, deviance
from autoten.tensors.tensor import Tensor, side_by_side

# A start that gives a count no rate at all gets so much of every column's mean added to its entries.
MIXED_IN = 1e-2


@compiled
def update_mode(counts, model, mode):  # type: ignore[no-untyped-def]
    """Move every row of a mode by a Newton step, or else a multiplicative one; return the sums for `deviance_at`."""
    rank, length = model.weights.size, counts.layout.lengths[mode]
    rows = rows_of(model, counts.layout, mode)
    sums = row_sums(counts, model.factors, mode)
    slopes, curvatures = np.zeros((rank, length)), np.zeros((rank * (rank + 1) // 2, length))
    raised, moved = np.zeros(length), np.empty((rank, length))
    add_derivatives(counts, model.factors, rows, mode, slopes, curvatures, raised)
    doubtful = newton_rows(sums, slopes, curvatures, rows, moved)
    chosen = np.flatnonzero(doubtful | (raised > 0.0))
    if chosen.size > 0:
        before = log_sums(counts, model.factors, rows, mode, chosen)
        after = log_sums(counts, model.factors, moved, mode, chosen)
        for n in range(chosen.size):
            i = chosen[n]
            change = before[n] - after[n]
            for r in range(rank):
                change += sums[r, i] * (moved[r, i] - rows[r, i])
            if not change <= 0.0:
                for r in range(rank):
                    moved[r, i] = rows[r, i] * slopes[r, i] / sums[r, i] if sums[r, i] > 0.0 else 0.0
    put(model, counts.layout, mode, moved)
    return sums


@compiled
def deviance_at(counts, model, mode, sums):  # type: ignore[no-untyped-def]
    """Return the deviance over observed cells, from the sums over those of each row of a mode."""
    rows = rows_of(model, counts.layout, mode)
    logs = log_sums(counts, model.factors, rows, mode, np.arange(rows.shape[1])).sum()
    return 2.0 * (counts.entropy - logs + (sums * rows).sum() - counts.total)


@compiled
def sweep(counts, model, limit):  # type: ignore[no-untyped-def]
    """Update every mode once; return the loss, which is known at the end only."""
    admit(model, counts.layout)
    last = counts.layout.lengths.size - 1
    for mode in range(last):
        update_mode(counts, model, mode)
    return deviance_at(counts, model, last, update_mode(counts, model, last))


loop.swept_by(Counts, sweep)


@dataclass(frozen=True)
class KL(SolverDefaults):
    r"""Nonnegative PARAFAC of counts by maximum likelihood under Poisson noise (Kullback-Leibler divergence).

    Each sweep lowers, in one mode after the other,

    .. math:: D = 2 \sum_c \left( x_c \log \frac{x_c}{m_c} - x_c + m_c \right), \qquad
              m = [\![A_1, \dots, A_N]\!], \quad A_n \ge 0

    over observed cells. A row's step goes to the nonnegative minimum of the quadratic model of D; where D would rise,
    the row takes the multiplicative step instead, which never raises it (Chi & Kolda 2012). So the loss never rises,
    entries at zero can leave it, and far fewer sweeps are needed than by multiplicative steps alone. Extrapolation and
    the stopping rule are those of `ALS`. Where few cells hold counts, a sweep visits those only: observed zeros enter
    through column sums. Else it runs through all cells, of which a copy is kept for each mode.

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

    # Starts are explored by least squares, with X read through a core; rates that are near are found so.
    compress: ClassVar[bool] = True

    @property
    def loss(self) -> Poisson:  # type: ignore[override]
        """The loss, for what judges its models."""
        return Poisson(self.floor)

    def check(self, tensor: Tensor) -> None:
        """Refuse a tensor with negative cells, or with weights: counts have a noise of their own."""
        if tensor.cell_weights is not None:
            remedy = "Leave them out, or use HALS()."
            refuse("X for the solver KL", "counts without weights", "weights of their cells", remedy)
        smallest = as_counts(tensor).smallest * tensor.scale
        if smallest < 0.0:
            refuse(
                "X for the solver KL",
                "counts or other amounts >= 0",
                f"{smallest:.6g} as the smallest cell",
                "Use ALS() for data with negative values.",
            )

    def explore(self, core: Compression, start: CPModel, deadline: float = math.inf) -> Explored:
        """Fit rates to a tensor read through its core, by least squares."""
        positive = CPModel(start.weights, tuple(map(np.abs, start.factors)))
        return explore_core(core, positive, self, tuple(range(start.ndim)), deadline)

    def fit(self, tensor: Tensor, start: CPModel, *, max_iter: int | None = None, deadline: float = math.inf) -> Fit:
        """Fit from `start`, whose factors count by their magnitudes."""
        self.check(tensor)
        if tensor.total == 0.0 or start.rank == 0:
            return Fit(start.scaled(0.0), float(tensor.total > 0.0), 0, True, np.zeros(0))
        counts = as_counts(tensor)
        model, loss = _admissible_start(counts, start)
        rounding = ROUNDING * tensor.total
        # Counts that are all equal leave nothing to explain.
        null = 2.0 * counts.entropy if 2.0 * counts.entropy > rounding else 1.0
        pace = Pace(self.tol, self.extrapolate, rounding, tensor.shape[0])
        most = self.max_iter if max_iter is None else min(max_iter, self.max_iter)
        losses, settled = loop.run(counts, model, pace, most, deadline, counts.multiplications(start.rank))
        history = np.minimum.accumulate(np.maximum(losses, 0.0)) / null
        loss = float(max(losses[-1] if len(losses) else loss, 0.0) / null)
        return Fit(loop.ended(model, counts.layout.offsets).normalized(), loss, len(history), settled, history)


def _admissible_start(counts: Counts, start: CPModel) -> tuple[Model, float]:
    """Return the start without signs, as large as the counts if it has no size, a rate for each count; and its loss."""
    start = start.normalized()
    factors, weights = [np.abs(factor) for factor in start.factors], start.weights
    if not weights.any():
        sums = np.prod([factor.sum(axis=0) for factor in factors], axis=0)
        weights = counts.total / (start.rank * np.where(sums > 0.0, sums, 1.0))
    for mixed_in in (0.0, MIXED_IN):
        mixed = tuple(factor + mixed_in * factor.mean(axis=0) for factor in factors)
        model = loop.begun(CPModel(weights, mixed))
        loss = deviance_at(counts, model, 0, row_sums(counts, model.factors, 0))
        if math.isfinite(loss):
            break
    return model, loss


def row_slopes(tensor: Tensor, factors: Sequence[Array], mode: int) -> tuple[Array, Array]:
    """Return sums of rates' columns and of counts over rates times these, (I, R): a row of a mode times their ratio.

    It is the multiplicative step, of factors with the weights folded in.
    """
    counts, columns = as_counts(tensor), side_by_side(factors)
    begin, (length, rank) = counts.layout.offsets[mode], factors[mode].shape
    slopes, curvatures = np.zeros((rank, length)), np.zeros((rank * (rank + 1) // 2, length))
    rows = columns[:, begin : begin + length].copy()
    add_derivatives(counts, columns, rows, mode, slopes, curvatures, np.zeros(length))
    return row_sums(counts, columns, mode).T, slopes.T


def deviance_parts(tensor: Tensor, factors: Sequence[Array], mode: int) -> tuple[Array, ...]:
    """Return the deviance, sum x log x and sum x, each spread over the rows of a mode, (I,): what blocks add up."""
    counts, length = as_counts(tensor), len(factors[mode])
    logs = counts.entropy + counts.total * np.log(counts.mean or 1.0)
    error = deviance(tensor, factors, Poisson())
    return tuple(np.full(length, each / length) for each in (error, logs, counts.total))
