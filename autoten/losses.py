"""What "error" means: the loss by which a model is fitted, and judged at cells it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class LeastSquares:
    """The sum of squared differences."""

    def error(self, values: Array, predicted: Array) -> float:
        """Return sum (x - m)^2."""
        errors = values - predicted
        return float(errors @ errors)


@dataclass(frozen=True)
class Poisson:
    r"""The deviance of counts from Poisson rates: twice the Kullback-Leibler divergence.

    .. math:: D(x \| m) = 2 \sum_c \left( x_c \log \frac{x_c}{m_c} - x_c + m_c \right), \quad 0 \log 0 = 0

    Parameters
    ----------
    floor : float
        Rates below this share of the mean count are raised to it where an unseen cell is judged: one count at a rate
        of 0 would make the deviance infinite. How often that happened is counted.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, section 2.3.
    """

    floor: float = 1e-3

    def error(self, counts: Array, rates: Array, weights: Array | None = None) -> float:
        """Return the deviance of counts >= 0 from rates, above 0 wherever a count is; each cell `weights` times."""
        seen = counts > 0
        each = np.ones(len(counts)) if weights is None else weights
        x, m = counts[seen], rates[seen]
        with np.errstate(divide="ignore"):
            return 2.0 * float((each[seen] * x) @ np.log(x / m) - (each[seen] * x).sum() + (each * rates).sum())

    def floored(self, counts: Array, rates: Array, mean: float) -> tuple[Array, int]:
        """Return the rates, not below the floor where there is a count nor below 0, and how many counts stood below it.

        Negative rates come from regression alone (`holdout.Blocks`).
        """
        low = (counts > 0) & (rates < self.floor * mean)
        return np.where(low, self.floor * mean, np.maximum(rates, 0.0)), int(low.sum())


LEAST_SQUARES = LeastSquares()


def loss_of(solver: Any) -> LeastSquares | Poisson:
    """Return the loss that a solver minimises; least squares for one that does not say."""
    return getattr(solver, "loss", LEAST_SQUARES)
