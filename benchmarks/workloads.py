"""The data that benchmarks of speed and memory share, and autoten as they run it; `neighbours` has the rivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import autoten
from autoten import ALS, CPModel
from autoten.datasets import gaussian_factors, load_amino_acids, make_cp_tensor, uniform_factors, white_noise
from autoten.door import as_tensor
from autoten.fits import Plan
from autoten.model import empty_model
from autoten.solvers.base import Fit
from autoten.sweep import fit_ranks
from autoten.tensors.tensor import Tensor

Array = NDArray[Any]
Shape = tuple[int, ...]

SEED, SNR_DB, TRUE_RANK = 20270311, 20.0, 5
AMINO_ACIDS, AMINO_ACIDS_RANK = (5, 201, 61), 3

# A tolerance that no fit meets.
NEVER = 1e-300


def noise(shape: Shape) -> Array:
    """Return pure noise: no fit to it settles early, so every run does the sweeps it is asked for."""
    return np.random.default_rng(SEED).standard_normal(shape)


def noisy_cp(shape: Shape, rank: int = TRUE_RANK, nonnegative: bool = False) -> Any:
    """Return a random CP tensor with white noise of a tenth of its norm."""
    factors = uniform_factors if nonnegative else gaussian_factors
    return make_cp_tensor(shape, rank, factors=factors, noise=white_noise(SNR_DB), random_state=SEED)


def data(shape: Shape, nonnegative: bool = False) -> tuple[Array, int]:
    """Return the amino acids for their shape, else a random CP tensor, and its true rank."""
    if shape == AMINO_ACIDS:
        return load_amino_acids().X, AMINO_ACIDS_RANK
    return noisy_cp(shape, nonnegative=nonnegative).X, TRUE_RANK


def factors(shape: Shape, rank: int) -> list[Array]:
    """Return Gaussian factors to start from."""
    rng = np.random.default_rng([SEED, rank])
    return [rng.standard_normal((length, rank)) for length in shape]


def observed(shape: Shape, missing: float) -> NDArray[np.bool_]:
    """Return a mask, True = observed, with exactly this share of the cells missing."""
    mask = np.ones(shape, dtype=bool)
    mask.flat[np.random.default_rng(SEED).permutation(mask.size)[: round(missing * mask.size)]] = False
    return mask


def label(shape: Sequence[int]) -> str:
    """Return a shape in words."""
    same = len(set(shape)) == 1
    return f"{shape[0]}{'⁰¹²³⁴⁵⁶⁷⁸⁹'[len(shape)]}" if same else "×".join(map(str, shape))


def warm_up() -> None:
    """Compile, or load from the cache, what an estimate needs."""
    X = make_cp_tensor((12, 11, 10), 2, random_state=0).X
    autoten.estimate_rank(X, range(1, 3), n_starts=2, n_folds=2, random_state=0)


def plain_als(tensor: Tensor, start: Sequence[Array], sweeps: int) -> Fit:
    """Return plain ALS from these factors in full space, as many sweeps unless the last digit is reached before."""
    model = CPModel(np.ones(start[0].shape[1]), tuple(start))
    return ALS(max_iter=sweeps, tol=NEVER, extrapolate=False, compress=False).fit(tensor, model)


def sweeps_over(tensor: Tensor, start: Sequence[Array]) -> Callable[[int], Fit]:
    """Return a function that does exactly as many sweeps of plain ALS as it is asked for."""

    def run(sweeps: int) -> Fit:
        fit = plain_als(tensor, start, sweeps)
        if fit.n_iter != sweeps:
            raise RuntimeError(f"asked for {sweeps} sweeps, did {fit.n_iter}")
        return fit

    return run


class NoHoldout:
    """Hides nothing: fits alone."""

    def folds(self, *_: Any) -> tuple[()]:
        return ()


def rank_sweep(X: Array, ranks: Sequence[int], solver: ALS, n_starts: int) -> dict[int, Any]:
    """Return all fits of every rank: `fit_ranks` as `estimate_rank` calls it, one worker, nothing held out nor scored.

    What an estimate fits besides, halves of the longest mode and copies with random signs, has no counterpart in the
    loop that people write, and is left out.
    """
    plan = Plan(solver, NoHoldout(), n_starts, 0, 0, n_splits=0)
    tensor = as_tensor(X)
    found = fit_ranks(tensor, ranks, plan, known={0: empty_model(tensor.shape)})
    return {fits.rank: fits for fits in found if fits.rank}


def loss_of(tensor: Tensor, cp: Any) -> float:
    """Return a model's squared error over observed cells as a share of their sum of squares, from its residuals."""
    weights, parts = cp
    model = CPModel(np.asarray(weights, dtype=float), tuple(np.asarray(factor, dtype=float) for factor in parts))
    return tensor.squared_error(model.folded()) / tensor.norm_squared
