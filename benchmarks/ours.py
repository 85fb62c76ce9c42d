"""autoten as the benchmarks run it, beside `neighbours`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import autoten
from autoten import ALS, CPModel
from autoten.datasets import make_cp_tensor
from autoten.door import as_tensor
from autoten.fits import Plan, RankFits, empty_model
from autoten.holdout import Fold, Holdout
from autoten.solvers.base import Fit
from autoten.sweep import fit_ranks
from autoten.tensors.tensor import Tensor

Array = NDArray[Any]

# A tolerance that no fit meets.
NEVER = 1e-300


class NoHoldout:
    """Hides nothing: fits alone."""

    def folds(self, tensor: Tensor, n_folds: int, rng: np.random.Generator) -> Sequence[Fold]:
        """Return no fold."""
        return ()


def warm_up() -> None:
    """Compile, or load from the cache, what an estimate needs."""
    X = make_cp_tensor((12, 11, 10), 2, random_state=0).X
    autoten.estimate_rank(X, range(1, 3), n_starts=2, n_folds=2, random_state=0)


def plain_als(tensor: Tensor, factors: Sequence[Array], sweeps: int) -> Fit:
    """Return plain ALS from these factors in full space, as many sweeps unless the last digit is reached before."""
    start = CPModel(np.ones(factors[0].shape[1]), tuple(factors))
    return ALS(max_iter=sweeps, tol=NEVER, extrapolate=False, compress=False).fit(tensor, start)


def sweeps_over(tensor: Tensor, factors: Sequence[Array]) -> Callable[[int], Fit]:
    """Return a function that does exactly as many sweeps of plain ALS as it is asked for."""

    def run(sweeps: int) -> Fit:
        fit = plain_als(tensor, factors, sweeps)
        if fit.n_iter != sweeps:
            raise RuntimeError(f"asked for {sweeps} sweeps, did {fit.n_iter}")
        return fit

    return run


def rank_sweep(
    X: Array,
    ranks: Sequence[int],
    solver: ALS,
    n_starts: int,
    seed: int,
    holdout: Holdout | None = None,
    n_folds: int = 0,
) -> dict[int, RankFits]:
    """Return all fits of every rank: `fit_ranks` as `estimate_rank` calls it, one worker, nothing scored.

    What an estimate fits besides, halves of the longest mode and copies with random signs, has no counterpart in the
    loop that people write, and is left out.
    """
    plan = Plan(solver, holdout or NoHoldout(), n_starts, n_folds, seed, n_splits=0)
    tensor = as_tensor(X)
    found = fit_ranks(tensor, ranks, plan, known={0: empty_model(tensor)})
    return {fits.rank: fits for fits in found if fits.rank}


def loss_of(tensor: Tensor, cp: Any) -> float:
    """Return a model's squared error over observed cells as a share of their sum of squares, from its residuals."""
    weights, factors = cp
    model = CPModel(np.asarray(weights, dtype=float), tuple(np.asarray(factor, dtype=float) for factor in factors))
    return tensor.squared_error(model.folded()) / tensor.norm_squared
