"""The sweeps of `rivals.single_start`, compiled: in numpy most of their time goes into the interpreter.

Layout as in `autoten.kernels.dense`: component index first, factors side by side, (R, sum of lengths), X as a matrix
(product of the leading modes, last mode). Tensors are small and starts many: both products with X go through BLAS.
"""

from __future__ import annotations

import numpy as np

from autoten.kernels.dense import fill_leading, mttkrp_partial
from autoten.kernels.linear import compiled, solve_columns


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
def sweeps(dense, factors, weights, tolerance, max_sweeps):  # type: ignore[no-untyped-def]
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
                product = np.dot(dense.work.leading.T, rows)
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
