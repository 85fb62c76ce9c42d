"""What a solver is, and what a fit carries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from numpy.typing import NDArray

from autoten.model import CPModel

if TYPE_CHECKING:
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
    history: NDArray[Any]

    def __repr__(self) -> str:
        state = "converged" if self.converged else "not converged"
        return f"Fit(rank={self.model.rank}, loss={self.loss:.6g}, {state} after {self.n_iter} sweeps)"


class Explored(NamedTuple):
    """A model of a tensor by its core: the core's losses on the way, and whether the model is in the span of its bases.

    What the bases cut off of the tensor is orthogonal to every model that is.
    """

    model: CPModel
    losses: NDArray[Any]
    in_span: bool


class Solver(Protocol):
    """Fits a CP model from a start. A frozen record of its own parameters, printable and comparable.

    Three members are optional: ``loss``, what it minimises (`autoten.losses`; least squares without it),
    ``check(tensor)``, which refuses data that it cannot fit, and ``doubts(tensor)``, which yields warnings of data that
    it can hardly fit.
    """

    @property
    def compress(self) -> bool:
        """Whether starts may be explored in a compressed core: by ``explore(core, start, deadline)``."""

    def fit(self, tensor: Tensor, start: CPModel, *, max_iter: int | None = None, deadline: float = math.inf) -> Fit:
        """Fit from `start`, in the tensor's own units.

        Stops once converged, after `max_iter` sweeps (if that is below the solver's own limit), or when
        ``time.monotonic()`` passes `deadline`.
        """
