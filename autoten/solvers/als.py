"""PARAFAC by alternating least squares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from autoten._errors import check_integer, check_real
from autoten.model import CPModel
from autoten.solvers.base import Explored, Fit
from autoten.solvers.least_squares import explore_core, fit_least_squares

if TYPE_CHECKING:
    from autoten.solvers.subspaces import Compression
    from autoten.tensors.tensor import Tensor

Array = NDArray[Any]


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
        return fit_least_squares(tensor, start.normalized(), self, (), max_iter, deadline)

    def explore(self, core: Compression, start: CPModel, deadline: float = math.inf) -> Explored:
        """Fit a tensor by its core."""
        return explore_core(core, start, self, (), deadline)
