"""What a solver is, what a fit carries, and where fits start from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from autoten._typing import Array
from autoten.model import CPModel
from autoten.tensors.counts import Poisson
from autoten.tensors.tensor import Tensor


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted CP model and how it was reached.

    Parameters
    ----------
    model : CPModel
        Unit columns, weights in descending order.
    loss : float
        Squared error over observed cells as a share of their sum of squares, >= 0; 0 for a tensor of zeros. Of `KL`
        the deviance as a share of that of a constant rate.
    n_iter : int
        Sweeps made.
    converged : bool
        Whether the loss had settled within the solver's tolerance.
    history : array of shape (n_iter,)
        The loss after each sweep; never rises.
    """

    model: CPModel
    loss: float
    n_iter: int
    converged: bool
    history: Array

    def __repr__(self) -> str:
        state = "converged" if self.converged else "not converged"
        return f"Fit(rank={self.model.rank}, loss={self.loss:.6g}, {state} after {self.n_iter} sweeps)"


class Explored(NamedTuple):
    """A model of a tensor by its core: the core's losses on the way, and whether the model is in the span of its bases.

    What the bases cut off of the tensor is orthogonal to every model that is.
    """

    model: CPModel
    losses: Array
    in_span: bool


class Solver(Protocol):
    """Fits a CP model from a start. A frozen record of its own parameters, printable and comparable.

    What a solver may have besides, and what stands in for it where it has not, is in `SolverDefaults`.
    """

    @property
    def compress(self) -> bool:
        """Whether starts may be explored in a compressed core: by ``explore(core, start, deadline)``."""

    def fit(self, tensor: Tensor, start: CPModel, *, max_iter: int | None = None, deadline: float = math.inf) -> Fit:
        """Fit from `start`, in the tensor's own units.

        Stops once converged, after `max_iter` sweeps (if that is below the solver's own limit), or when
        ``time.monotonic()`` passes `deadline`.
        """


class SolverDefaults:
    """What a solver need not have; `ability` asks for it."""

    loss: Poisson | None = None  # what it minimises: least squares for None
    nonnegative: Any = ()  # the constrained modes, or True for all
    tol: float = math.nan  # the relative decrease of the loss that may be left

    def check(self, tensor: Tensor) -> None:
        """Refuse data that it cannot fit."""

    def doubts(self, tensor: Tensor) -> Iterable[str]:
        """Yield warnings of data that it can hardly fit."""
        return ()


def ability(record: Any, name: str, kind: type) -> Any:
    """Return what a record calls by this name, or what stands in for it where a user's own has nothing of the kind."""
    return getattr(record, name, getattr(kind(), name))


def make_start(number: int, bases: Sequence[Array], rank: int, smaller: CPModel, rng: np.random.Generator) -> CPModel:
    """Return start number `number`, of several kinds because none is good on all data.

    First one grown from `smaller`, the best model of the rank below (without components where there is none), then the
    leading directions `bases` (I_n, k_n) of every mode, then signed and nonnegative factors in turn. Directions have no
    size: hidden cells are then imputed as zero first, and not as what chance says.
    """
    weights = np.zeros(rank)
    if number == 0 and smaller.rank:
        surplus = [rng.standard_normal((length, rank - smaller.rank)) for length in smaller.shape]
        pairs = zip(smaller.factors, surplus, strict=True)
        factors = [np.hstack([factor, more / np.linalg.norm(more, axis=0)]) for factor, more in pairs]
        weights[: smaller.rank] = smaller.weights
    elif number == 1:
        surplus = [rng.standard_normal((len(b), max(rank - b.shape[1], 0))) / np.sqrt(len(b)) for b in bases]
        factors = [np.hstack([basis[:, :rank], more]) for basis, more in zip(bases, surplus, strict=True)]
    else:  # nonnegative factors are nearer to spectra, concentrations and counts than signed ones
        draw = rng.random if number % 2 else rng.standard_normal
        factors = [draw((length, rank)) for length in smaller.shape]
    return CPModel(weights, tuple(factors))
