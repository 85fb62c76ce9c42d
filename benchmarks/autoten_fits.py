"""AutoTen's fits as its published code runs them: plain ALS from one start, and its core of a model of counts.

Layout as in `autoten.kernels.dense`: component index first, factors side by side, (R, sum of lengths), X as a matrix
(product of the leading modes, last mode). Tensors are small and starts many: both products with X go through BLAS, and
the sweeps are compiled, for in numpy most of their time goes into the interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoten import CPModel
from autoten.kernels.dense import Layout, fill_leading, mttkrp_partial
from autoten.kernels.linear import compiled, solve_columns
from autoten.scores.core_consistency import multiplied
from autoten.tensors.dense import DenseTensor

Array = NDArray[Any]

# One start, this tolerance on the fit, so many sweeps; and the steps to the core of counts.
AUTOTEN_TOLERANCE, AUTOTEN_SWEEPS, AUTOTEN_CORE_STEPS = 1e-6, 100, 30


@compiled
def solved(gram, product):  # type: ignore[no-untyped-def]
    """Return the inverse of gram times product; of a singular gram the pseudo-inverse."""
    solution = product.copy()
    solve_columns(gram, 0.0, solution)
    return solution if np.isfinite(solution).all() else np.linalg.pinv(gram) @ product


@compiled
def scale(factor, weights, first_sweep):  # type: ignore[no-untyped-def]
    """Divide every column, a row here, by its norm in the first sweep, by max(largest entry, 1) afterwards."""
    for r in range(factor.shape[0]):
        weights[r] = np.sqrt((factor[r] ** 2).sum()) if first_sweep else max(factor[r].max(), 1.0)
        factor[r] /= weights[r] if weights[r] > 0.0 else 1.0


@compiled
def _sweeps(dense, factors, weights, tolerance, max_sweeps):  # type: ignore[no-untyped-def]
    """Sweep a complete tensor until the fit settles, in place; return the fit and how many sweeps it took."""
    rows, (lengths, offsets, _) = dense.rows, dense.layout
    rank, last = factors.shape[0], lengths.size - 1
    columns = np.ascontiguousarray(rows.T)
    grams = np.empty((last + 1, rank, rank))
    for mode in range(last + 1):
        factor = np.ascontiguousarray(factors[:, offsets[mode] : offsets[mode] + lengths[mode]])
        grams[mode] = factor @ factor.T
    squares = (rows**2).sum()
    fit, sweep, settled = 0.0, 0, False
    while sweep < max_sweeps and not settled:
        sweep += 1
        np.dot(np.ascontiguousarray(factors[:, offsets[last] :]), columns, dense.work.contracted)
        for mode in range(last + 1):
            if mode < last:
                product = mttkrp_partial(dense, factors, mode)
            else:
                fill_leading(factors, dense.layout, dense.work.leading)
                product = np.dot(dense.work.leading, rows)
            gram = np.ones((rank, rank))
            for other in range(last + 1):
                if other != mode:
                    gram *= grams[other]
            factor = solved(gram, product)
            scale(factor, weights, sweep == 1)
            np.dot(factor, factor.T, grams[mode])
            factors[:, offsets[mode] : offsets[mode] + lengths[mode]] = factor
        error = squares
        for r in range(rank):
            error -= 2.0 * weights[r] * (factor[r] * product[r]).sum()
            for s in range(rank):
                error += weights[r] * weights[s] * gram[r, s] * grams[last, r, s]
        before, fit = fit, 1.0 - np.sqrt(max(error, 0.0) / squares)
        settled = sweep > 1 and abs(fit - before) < tolerance
    return fit, sweep


class SingleStart(NamedTuple):
    """What one start of plain ALS ends with."""

    model: CPModel
    fit: float
    sweeps: int


def single_start(X: Array, start: Sequence[Array], tolerance: float, max_sweeps: int) -> SingleStart:
    """Run alternating least squares as AutoTen's published code does, one start of complete data.

    Modes in order, normal equations; columns scaled by their norm in the first sweep and by max(largest entry, 1)
    afterwards; stops when ``1 - ||X - M|| / ||X||`` changes by less than `tolerance`. The first start is not used.
    """
    factors, weights = np.ascontiguousarray(np.vstack(start).T), np.ones(start[0].shape[1])
    dense = DenseTensor(np.ascontiguousarray(X, dtype=float)).problem(len(weights), Layout.of(X.shape))
    fit, sweeps = _sweeps(dense, factors, weights, tolerance, max_sweeps)
    parts = np.split(factors, dense.layout.offsets[1:], axis=1)
    return SingleStart(CPModel(weights, tuple(part.T for part in parts)), fit, sweeps)


def uniform_start(shape: Sequence[int], rank: int, key: Sequence[int]) -> list[Array]:
    """Return factors drawn from U(0, 1), mode after mode."""
    rng = np.random.default_rng([*key])
    return [rng.random((length, rank)) for length in shape]


def autoten_fit(X: Array, rank: int, seed: int) -> SingleStart:
    """Return AutoTen's one fit of a rank."""
    return single_start(X, uniform_start(X.shape, rank, (seed, rank)), AUTOTEN_TOLERANCE, AUTOTEN_SWEEPS)


def autoten_kl_core(X: Array, model: CPModel, core: Array) -> Array:
    """Return the core that AutoTen's code finds for a model of counts: thirty multiplicative steps from `core`.

    As it is there, since it makes the rule: at the optimum core consistency is near 100 at every rank where factors are
    sparse (`kl_core_consistency`). They are steps of EM only where all components weigh alike; the division by weights
    comes once, at the end, and goes by the last index of the core, though weights are folded into the first factor.
    """
    sums = [factor.sum(axis=0) for factor in model.factors]
    factors = [factor / np.where(total > 0.0, total, 1.0) for factor, total in zip(model.factors, sums, strict=True)]
    weights = model.weights * np.prod(sums, axis=0)
    factors[0] = factors[0] * weights
    for _ in range(AUTOTEN_CORE_STEPS):
        rates = multiplied(core, factors) + np.finfo(float).eps
        core = core * multiplied(X / rates, [factor.T for factor in factors])
    return np.asarray(core / np.where(weights > 0.0, weights, 1.0))
