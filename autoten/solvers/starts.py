"""Where fits start from: several kinds, because no kind is good on all data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoten.model import CPModel


def random_signed(shape: Sequence[int], rank: int, rng: np.random.Generator) -> CPModel:
    """Return Gaussian factors."""
    return _without_weight(rng.standard_normal((length, rank)) for length in shape)


def random_nonnegative(shape: Sequence[int], rank: int, rng: np.random.Generator) -> CPModel:
    """Return uniform factors: nearer to spectra, concentrations and counts than signed ones."""
    return _without_weight(rng.random((length, rank)) for length in shape)


def spectral(bases: Sequence[NDArray[Any]], rank: int, rng: np.random.Generator) -> CPModel:
    """Return leading vectors of each mode's basis (I, I), with Gaussian columns where a mode is too short."""
    factors = []
    for basis in bases:
        leading = basis[:, :rank]
        surplus = rng.standard_normal((len(basis), rank - leading.shape[1])) / np.sqrt(len(basis))
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


def make_start(
    number: int, bases: Sequence[NDArray[Any]], rank: int, smaller: CPModel, rng: np.random.Generator
) -> CPModel:
    """Return start number `number`: grown from the rank below, spectral, then signed and nonnegative in turn.

    Parameters
    ----------
    number : int
    bases : sequence of arrays of shape (I_n, I_n)
        Leading directions of every mode, for the spectral start; see `compression.Subspaces`.
    rank : int
    smaller : CPModel
        The best model of the rank below; without components where there is none.
    rng : Generator
    """
    shape = smaller.shape
    if number == 0 and smaller.rank:
        return grown(smaller, rank, rng)
    if number == 1:
        return spectral(bases, rank, rng)
    return random_signed(shape, rank, rng) if number % 2 == 0 else random_nonnegative(shape, rank, rng)


def _without_weight(factors: Iterable[NDArray[Any]]) -> CPModel:
    """Return directions without size: hidden cells are then imputed as zero first, and not as what chance says."""
    factors = tuple(factors)
    return CPModel(np.zeros(factors[0].shape[1]), factors)
