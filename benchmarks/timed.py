"""The data that benchmarks of speed and memory share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoten.datasets import (
    SyntheticTensor,
    gaussian_factors,
    load_amino_acids,
    make_cp_tensor,
    uniform_factors,
    white_noise,
)

Array = NDArray[Any]
Shape = tuple[int, ...]

SEED = 20270311
SNR_DB = 20.0
TRUE_RANK = 5
AMINO_ACIDS: Shape = (5, 201, 61)
AMINO_ACIDS_RANK = 3


def noise(shape: Shape) -> Array:
    """Return pure noise: no fit to it settles early, so every run does the sweeps it is asked for."""
    return np.random.default_rng(SEED).standard_normal(shape)


def noisy_cp(shape: Shape, rank: int = TRUE_RANK, nonnegative: bool = False) -> SyntheticTensor:
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


def label(shape: Shape) -> str:
    """Return a shape in words."""
    same = len(set(shape)) == 1
    return f"{shape[0]}{'⁰¹²³⁴⁵⁶⁷⁸⁹'[len(shape)]}" if same else "×".join(map(str, shape))
