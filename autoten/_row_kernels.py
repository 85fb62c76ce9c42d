"""Weighted least squares: every row of a factor has normal equations of its own, solved where it lies.

The tensor is the matrix ``rows`` (product of the leading modes, last mode). ``cell_weights`` has its shape: what a
cell's squared error counts for, or True where a cell was observed and False elsewhere. With z the elementwise product
of the other modes' rows at a cell, a row's equations are the weighted sums of x z and of z z' over its cells (over
observed cells alone: Tomasi & Bro 2005).

A symmetric matrix is kept as its lower triangle row after row, R (R + 1) / 2 numbers, and so are the products of all
pairs of a vector's entries. The pairs of z are the elementwise product of the pairs of the modes' rows: a mode's Gram
matrices are the MTTKRP of ``cell_weights`` with pairs in place of factors. Columns are many then: it goes through BLAS.
"""

from __future__ import annotations

import numpy as np

from autoten._kernels import PROXIMAL, compiled, explained, solve

# Rows of the tensor that one product takes together: scratch memory stays small, whatever the shape.
ROWS_AT_ONCE = 256


@compiled
def fill_pairs(stacked, start, length, pairs):  # type: ignore[no-untyped-def]
    """Write the products of all pairs of entries of every row of one mode."""
    for i in range(start, start + length):
        p = 0
        for r in range(stacked.shape[1]):
            for s in range(r + 1):
                pairs[i, p] = stacked[i, r] * stacked[i, s]
                p += 1


@compiled
def row_equations(rows, cell_weights, lengths, offsets, stacked, pairs, mode, grams, rhs):  # type: ignore[no-untyped-def]
    """Sum the weighted Gram matrices (I, R (R + 1) / 2) and right-hand sides (I, R) of all rows of a mode."""
    n_rows, n_columns = rows.shape
    rank, n_pairs = stacked.shape[1], pairs.shape[1]
    last = lengths.size - 1
    counted, values = np.empty((ROWS_AT_ONCE, n_columns)), np.empty((ROWS_AT_ONCE, n_columns))
    products, pair_products = np.empty((ROWS_AT_ONCE, rank)), np.empty((ROWS_AT_ONCE, n_pairs))
    grams[:] = 0.0
    rhs[:] = 0.0
    for first in range(0, n_rows, ROWS_AT_ONCE):
        size = min(ROWS_AT_ONCE, n_rows - first)
        for b in range(size):
            for k in range(n_columns):
                counted[b, k] = np.float64(cell_weights[first + b, k])
                values[b, k] = counted[b, k] * rows[first + b, k]
        if mode < last:
            np.dot(values[:size], stacked[offsets[last] :], products[:size])
            np.dot(counted[:size], pairs[offsets[last] :], pair_products[:size])
        else:
            products[:] = 1.0
            pair_products[:] = 1.0
        for b in range(size):
            here = 0
            rest = first + b
            for n in range(last - 1, -1, -1):
                i = rest % lengths[n]
                rest //= lengths[n]
                if n == mode:
                    here = i
                else:
                    i += offsets[n]
                    for r in range(rank):
                        products[b, r] *= stacked[i, r]
                    for p in range(n_pairs):
                        pair_products[b, p] *= pairs[i, p]
            if mode < last:
                for r in range(rank):
                    rhs[here, r] += products[b, r]
                for p in range(n_pairs):
                    grams[here, p] += pair_products[b, p]
        if mode == last:
            rhs += np.dot(values[:size].T, products[:size])
            grams += np.dot(counted[:size].T, pair_products[:size])


@compiled
def solve_rows(grams, rhs, previous, out):  # type: ignore[no-untyped-def]
    """Solve every row's equations; return what the solution takes off the sum of squares."""
    length, rank = rhs.shape
    diagonal = 0.0
    for i in range(length):
        p = -1
        for r in range(rank):
            p += r + 1
            diagonal += grams[i, p]
    delta = max(PROXIMAL * diagonal / (length * rank), 1e-300)
    gram = np.empty((rank, rank))
    total = 0.0
    for i in range(length):
        p = 0
        for r in range(rank):
            for s in range(r + 1):
                gram[r, s] = grams[i, p]
                p += 1
        solve(gram, rhs[i : i + 1], previous[i : i + 1], delta, out[i : i + 1])
        total += explained(gram, rhs[i : i + 1], out[i : i + 1])
    return total


@compiled
def exact_sweep(rows, cell_weights, lengths, offsets, factors, weights, norm_squared, limit):  # type: ignore[no-untyped-def]
    """Update every mode once, in place; return the loss: infinite, the sweep broken off, if it is above `limit`.

    Factors lie side by side, component index first, with unit columns.
    """
    rank = weights.size
    stacked = np.ascontiguousarray(factors.T)
    pairs = np.empty((stacked.shape[0], rank * (rank + 1) // 2))
    fill_pairs(stacked, 0, stacked.shape[0], pairs)
    loss = np.inf
    for mode in range(lengths.size):
        start, length = offsets[mode], lengths[mode]
        grams, rhs = np.empty((length, pairs.shape[1])), np.empty((length, rank))
        row_equations(rows, cell_weights, lengths, offsets, stacked, pairs, mode, grams, rhs)
        solution = np.empty((length, rank))
        loss = norm_squared - solve_rows(grams, rhs, stacked[start : start + length] * weights, solution)
        if loss > limit:
            return np.inf
        for r in range(rank):
            weights[r] = np.sqrt((solution[:, r] ** 2).sum())
            stacked[start : start + length, r] = solution[:, r] / (weights[r] if weights[r] > 0.0 else 1.0)
        fill_pairs(stacked, start, length, pairs)
    factors[:] = stacked.T
    return loss


@compiled
def exact_error(rows, cell_weights, lengths, offsets, factors, weights):  # type: ignore[no-untyped-def]
    """Return the weighted squared error from the residuals."""
    stacked = np.ascontiguousarray(factors.T)
    last = lengths.size - 1
    total = 0.0
    products = np.empty(weights.size)
    for row in range(rows.shape[0]):
        products[:] = weights
        rest = row
        for n in range(last - 1, -1, -1):
            products *= stacked[offsets[n] + rest % lengths[n]]
            rest //= lengths[n]
        for k in range(lengths[last]):
            weight = np.float64(cell_weights[row, k])
            if weight > 0.0:
                error = np.float64(rows[row, k])
                for r in range(weights.size):
                    error -= products[r] * stacked[offsets[last] + k, r]
                total += weight * (error * error)
    return total
