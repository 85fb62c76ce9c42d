"""PARAFAC by alternating least squares: factors free, or nonnegative in all modes or in chosen ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from autoten._errors import check_integer, check_mode, check_modes_given, check_real, refuse
from autoten.labels import MODES
from autoten.model import CPModel
from autoten.solvers.base import Explored, Fit, SolverDefaults
from autoten.solvers.least_squares import explore_core, fit_least_squares
from autoten.solvers.subspaces import Compression
from autoten.tensors.tensor import Tensor

# More than this share of the sum of squares in negative cells deserves a warning where every factor is nonnegative.
LARGEST_NEGATIVE_SHARE = 0.25


class LeastSquares(SolverDefaults):
    """Least squares with some modes constrained: what the records below set."""

    max_iter: int
    compress: bool
    extrapolate: bool

    def __post_init__(self) -> None:
        check_integer(self.max_iter, f"max_iter of {type(self).__name__}", minimum=1)
        check_real(self.tol, f"tol of {type(self).__name__}", above=0.0, below=1.0, closed=True)

    def fit(self, tensor: Tensor, start: CPModel, *, max_iter: int | None = None, deadline: float = math.inf) -> Fit:
        """Fit from `start`, of which constrained modes count by their magnitudes."""
        modes = self.constrained(start.ndim)
        fit = fit_least_squares(tensor, _magnitudes(start.normalized(), modes), self, modes, max_iter, deadline)
        return replace(fit, model=_with_signs(fit.model, modes))

    def explore(self, core: Compression, start: CPModel, deadline: float = math.inf) -> Explored:
        """Fit a tensor by its core, or read through it where factors are constrained."""
        modes = self.constrained(start.ndim)
        begin = _magnitudes(start.normalized(), modes) if modes else start
        explored = explore_core(core, begin, self, modes, deadline)
        return explored._replace(model=_with_signs(explored.model, modes))

    def constrained(self, ndim: int) -> tuple[int, ...]:
        """Return the constrained modes of a tensor with `ndim` modes, in order."""
        if self.nonnegative is True:
            return tuple(range(ndim))
        return tuple(sorted({check_mode(mode, ndim, "a mode in nonnegative of HALS") for mode in self.nonnegative}))


@dataclass(frozen=True)
class ALS(LeastSquares):
    r"""Least-squares PARAFAC by alternating least squares with safeguarded extrapolation.

    Each sweep solves one mode after the other,

    .. math:: A_n \leftarrow \operatorname{argmin}_A \|W \circ (X - [\![A_1, \dots, A, \dots, A_N]\!])\|^2

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


@dataclass(frozen=True)
class HALS(LeastSquares):
    r"""Least-squares PARAFAC with nonnegative factors, in all modes or in chosen ones.

    Each sweep lowers the squared error over observed cells in one mode after the other,

    .. math:: A_n \leftarrow \operatorname{argmin}_{A \ge 0} \|W \circ (X - [\![A_1, \dots, A, \dots, A_N]\!])\|^2

    row by row: at the unconstrained optimum where that is nonnegative, else at the optimum on a face, found by active
    sets from the row as it is (Lawson & Hanson 1974): what hierarchical ALS (Cichocki & Phan 2009) comes to when its
    inner passes go on to the end. For intensities, concentrations and spectra; negative data are allowed, and never
    reached. A start is made nonnegative by its magnitudes.

    Parameters
    ----------
    nonnegative : True or tuple of int or str
        The modes whose factors are >= 0, by number, or by name if X is labelled; True for all of them.
    max_iter, tol, extrapolate
        As of `ALS`.
    compress : bool
        Whether starts may be explored with X read through a compressed core; factors keep their length and their
        constraint meanwhile (Cohen, Comon & Farias 2015). What is reported is refined in full space either way.

    References
    ----------
    Cichocki & Phan (2009), IEICE Transactions on Fundamentals E92-A, 708-721; Lawson & Hanson (1974), Solving Least
    Squares Problems, chapter 23; Cohen, Comon & Farias (2015), Fast decomposition of large nonnegative tensors, IEEE
    Signal Processing Letters 22, 862-866.

    Examples
    --------
    >>> from autoten import fit_parafac
    >>> from autoten.datasets import load_amino_acids
    >>> fit = fit_parafac(load_amino_acids().X, 3, solver=HALS(), n_starts=3, random_state=0)
    >>> round(100 * (1 - fit.loss), 1), min(float(factor.min()) for factor in fit.model.factors)
    (99.9, 0.0)
    """

    nonnegative: bool | tuple[int | str, ...] = field(default=True, metadata=MODES)
    max_iter: int = 1000
    tol: float = 1e-7
    extrapolate: bool = True
    compress: bool = True

    def __post_init__(self) -> None:
        if self.nonnegative is not True:
            if not isinstance(self.nonnegative, tuple) or not self.nonnegative:
                expected = "True or a tuple of modes such as (1, 2)"
                refuse("nonnegative of HALS", expected, repr(self.nonnegative), kind=TypeError)
            check_modes_given(self.nonnegative, "a mode in nonnegative of HALS")
        super().__post_init__()

    def doubts(self, tensor: Tensor) -> Iterator[str]:
        """Yield a warning if much of the data is negative where no model can be."""
        ndim = len(tensor.shape)
        if len(self.constrained(ndim)) < ndim or tensor.norm_squared == 0.0:
            return
        squares = np.square(values := tensor.values_at(tensor.nonzero))
        share = float(squares[values < 0.0].sum() / squares.sum())
        if share > LARGEST_NEGATIVE_SHARE:
            yield (
                f"Negative cells hold {100 * share:.0f} % of the sum of squares, which no model with nonnegative "
                "factors in all modes can reach. Change the sign of X if it is all negative; else leave a mode free, "
                "such as the one across which X was centred: HALS(nonnegative=(1, 2)) lists the others, by number or "
                "name. Or use ALS()."
            )


def _magnitudes(model: CPModel, modes: tuple[int, ...]) -> CPModel:
    """Return the model with the factors of `modes` replaced by their magnitudes."""
    model = _with_signs(model, modes)
    return CPModel(model.weights, tuple(np.abs(f) if n in modes else f for n, f in enumerate(model.factors)))


def _with_signs(model: CPModel, modes: tuple[int, ...]) -> CPModel:
    """Return the same model with the sign that mode 0 carries in a mode where it may stay."""
    free = [mode for mode in range(model.ndim) if mode not in modes]
    if 0 in free or not free:
        return model
    factors = list(model.factors)
    signs = np.where(factors[0].sum(axis=0) < 0.0, -1.0, 1.0)
    factors[0], factors[free[0]] = factors[0] * signs, factors[free[0]] * signs
    return CPModel(model.weights, tuple(factors))
