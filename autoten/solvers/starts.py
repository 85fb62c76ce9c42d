"""Where fits start from: several kinds, because no kind is good on all data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten.cp import CPModel

if TYPE_CHECKING:
    from autoten.tensors.protocol import Tensor


def random_signed(tensor: Tensor, rank: int, rng: np.random.Generator) -> CPModel:
    """Return Gaussian factors."""
    return _without_weight(rng.standard_normal((length, rank)) for length in tensor.shape)


def random_nonnegative(tensor: Tensor, rank: int, rng: np.random.Generator) -> CPModel:
    """Return uniform factors: nearer to spectra, concentrations and counts than signed ones."""
    return _without_weight(rng.random((length, rank)) for length in tensor.shape)


def spectral(tensor: Tensor, rank: int, rng: np.random.Generator) -> CPModel:
    """Return leading left singular vectors of the unfoldings, with Gaussian columns where a mode is too short."""
    factors = []
    for mode, length in enumerate(tensor.shape):
        _, vectors = np.linalg.eigh(tensor.gram(mode))
        leading = vectors[:, ::-1][:, :rank]
        surplus = rng.standard_normal((length, rank - leading.shape[1])) / np.sqrt(length)
        factors.append(np.hstack([leading, surplus]))
    return _without_weight(factors)


def grown(smaller: CPModel, rank: int, rng: np.random.Generator) -> CPModel:
    """Return `smaller` with Gaussian columns added: its fit can only improve on that of the smaller rank."""
    factors = []
    for factor in smaller.factors:
        surplus = rng.standard_normal((len(factor), rank - smaller.rank))
        factors.append(np.hstack([factor, surplus / np.linalg.norm(surplus, axis=0)]))
    weights = np.concatenate([smaller.weights, np.zeros(rank - smaller.rank)])
    return CPModel(weights, tuple(factors))


def make_start(index: int, tensor: Tensor, rank: int, smaller: CPModel, rng: np.random.Generator) -> CPModel:
    """Return start number `index`: grown from the rank below, spectral, then signed and nonnegative in turn."""
    if index == 0 and smaller.rank:
        return grown(smaller, rank, rng)
    if index == 1:
        return spectral(tensor, rank, rng)
    return random_signed(tensor, rank, rng) if index % 2 == 0 else random_nonnegative(tensor, rank, rng)


def _without_weight(factors: Iterable[NDArray[Any]]) -> CPModel:
    """Return directions without size: hidden cells are then imputed as zero first, and not as what chance says."""
    factors = tuple(factors)
    return CPModel(np.zeros(factors[0].shape[1]), factors)
