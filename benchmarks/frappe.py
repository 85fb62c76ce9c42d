"""Self-FRAPPE: the rank that a regression reads off a tensor's features, trained on synthetic tensors like it.

Nothing is decomposed. Shiao & Papalexakis, "FRAPPE: fast rank approximation with explainable features for tensors".
The paper itself we could not look up; features, synthetic tensors and settings are those of its public code, as its
evaluation runs it. FRAPPE proper, the same regression trained once on ten thousand tensors of all shapes, is not here:
its training set leaves the shape of the data, and with it the size of most features, to chance.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from autoten import CPModel

Array = NDArray[Any]

# Synthetic tensors of each rank, the range of their noise relative to their norm, trees of the regression.
TENSORS_OF_A_RANK = 10
NOISE = (0.02, 0.55)
TREES = 1000

# A cell above this counts as nonzero. Cells scaled to [0, 1] are counted below each level.
NONZERO = 1e-5
LEVELS = np.linspace(0.1, 0.9, 9)

# More cells than this are not worth the time: up to 240 synthetic tensors of the same shape are made.
LARGEST = 500_000


def self_frappe(X: Array, largest: int, seed: int) -> int:
    """Return the rank, 1 to `largest`, that a regression trained on synthetic tensors of these ranks says of `X`.

    As published, but for the regression, whose package (LightGBM) we do not have: scikit-learn's gradient boosting on
    histograms does the same, with the same defaults, a thousand trees. Ours: the prediction is rounded; the largest
    candidate is trained on as well (their range ends before it); four modes and more, where their code stops at an
    error, have the features that it defines for four. Shapes, which are features too, are left out: within one shape
    they are constants.
    """
    rng = np.random.default_rng(seed)
    zeros = float(np.mean(X == 0.0))
    ranks = np.repeat(np.arange(1, largest + 1), TENSORS_OF_A_RANK)
    with_slices = zeros > 0.0 and X.ndim == 3
    trained = np.array([features(synthetic(X.shape, int(rank), zeros, rng), with_slices) for rank in ranks])
    regression = HistGradientBoostingRegressor(max_iter=TREES, random_state=seed).fit(trained, ranks)
    predicted = float(regression.predict(features(X, with_slices)[None])[0])
    return int(np.clip(round(predicted), 1, largest))


def synthetic(shape: tuple[int, ...], rank: int, zeros: float, rng: np.random.Generator) -> Array:
    """Return a tensor of uniform factors, of whose entries so large a share is zero, with noise on nonzero cells."""
    factors = [rng.random((length, rank)) for length in shape]
    for factor in factors:
        factor.ravel()[rng.choice(factor.size, round(zeros * factor.size), replace=False)] = 0.0
    X = CPModel(np.ones(rank), tuple(factors)).to_tensor()
    nonzero = X != 0.0
    noise = rng.standard_normal(np.count_nonzero(nonzero))
    if noise.size:
        X[nonzero] += rng.uniform(*NOISE) * np.linalg.norm(X) / np.linalg.norm(noise) * noise
    return X


def features(X: Array, with_slices: bool) -> Array:
    """Return FRAPPE's features: nonzero cells, cells below levels, ranks of slices, correlations of slabs.

    All but the first are taken over the slabs of each mode: smallest, median and largest. Ranks of slices (three modes
    only) are asked for where tensors have zeros; else every synthetic slice has the full rank, for its noise, and a
    feature that is constant in training says nothing of the data.
    """
    with np.errstate(invalid="ignore"):  # a tensor or a slab of equal cells has neither range nor correlations
        scaled = (X - X.min()) / (X.max() - X.min())
        levels = np.where(np.isnan(scaled), len(LEVELS), np.searchsorted(LEVELS, scaled, side="right"))
        found = [[np.count_nonzero(X >= NONZERO)]]
        for mode in range(X.ndim):
            others = tuple(n for n in range(X.ndim) if n != mode)
            slabs = np.moveaxis(scaled, mode, 0).reshape(X.shape[mode], -1)
            found += [_three(np.count_nonzero(X, axis=others)), *map(_three, _below(levels, mode).T)]
            if with_slices:
                found.append(_three(np.linalg.matrix_rank(np.moveaxis(X, mode, 0))))
            pairs = np.corrcoef(slabs)[np.triu_indices(len(slabs), 1)] if len(slabs) > 1 else np.zeros(0)
            found.append(_three(pairs[np.isfinite(pairs)]))
    return np.array([*chain.from_iterable(found)], dtype=float)


def _below(levels: Array, mode: int) -> Array:
    """Return how many cells of each slab lie below each level, shape (I_mode, levels)."""
    slabs = np.moveaxis(levels, mode, 0).reshape(levels.shape[mode], -1)
    counts = np.array([np.bincount(slab, minlength=len(LEVELS) + 1) for slab in slabs])
    return counts[:, : len(LEVELS)].cumsum(axis=1)


def _three(values: Array) -> Array:
    """Return the smallest, the lower median and the largest; zeros of none."""
    return np.quantile(values, (0.0, 0.5, 1.0), method="lower") if values.size else np.zeros(3)
