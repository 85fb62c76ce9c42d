"""Records of fits: what a fold learnt, and all fits of one rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoten.model import CPModel
from autoten.solvers.als import ALS
from autoten.solvers.base import Fit, Solver
from autoten.tensors.tensor import Block, Cells, Tensor

# Fits whose losses agree to this relative difference are the same solution; losses below the other are rounding.
SAME_LOSS = 1e-6
EXACT_LOSS = 1e-14


@dataclass(frozen=True, eq=False)
class FoldFit:
    """A fold's model of what it has not seen (None where it is not defined): cells of the tensor.

    Where cells were sampled, `weights` tells how many each of them stands for. With `counts`, a tensor of its own: a
    part of every cell, which the model has not seen. `offsets`, shape (2, n_cells), belong to the prediction where the
    fold centres: beside the model, and beside none. `cells_per_parameter` is the number of observed training cells for
    each free parameter.
    """

    model: CPModel | None
    cells: Cells | Block
    converged: bool
    weights: NDArray[np.float64] | None = None
    counts: Tensor | None = None
    offsets: NDArray[np.float64] | None = None
    cells_per_parameter: float = math.nan


@dataclass(frozen=True, eq=False)
class RankFits:
    """All fits of one rank. Lives until its scores are taken; of the models only the best one's is kept.

    `halves` holds, for each random split of the longest mode, the models of both halves without that mode; none where
    it is too short.
    Not `whole` if time was over before a fit of this rank, or of one that it was grown from, had ended.
    """

    rank: int
    starts: tuple[Fit, ...]
    folds: tuple[FoldFit, ...]
    seconds: dict[str, float]
    solver: Solver = ALS()  # noqa: RUF009 (a frozen value)
    halves: tuple[tuple[CPModel, CPModel], ...] = ()
    whole: bool = True

    @property
    def best(self) -> Fit:
        """The start with the smallest loss."""
        return best_of(self.starts)


def best_of(fits: Sequence[Fit]) -> Fit:
    """Return the fit with the smallest loss; of those that are the same solution, one that has converged."""
    smallest = min(fit.loss for fit in fits)
    same = [fit for fit in fits if fit.loss <= smallest * (1.0 + SAME_LOSS) + EXACT_LOSS]
    return min(same, key=lambda fit: (not fit.converged, fit.loss))
