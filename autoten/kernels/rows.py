"""Weighted least squares: every row of a factor has normal equations of its own, solved where it lies.

``cell_weights`` has the shape of ``rows``: what a cell's squared error counts for, or True where a cell was observed
and False elsewhere. With z the elementwise product of the other modes' rows at a cell, a row's equations are the
weighted sums of x z and of z z' over its cells (over observed cells alone: Tomasi & Bro 2005).

A symmetric matrix is kept as its lower triangle row after row, R (R + 1) / 2 numbers, and so are the products of all
pairs of a vector's entries. The pairs of z are the elementwise product of the pairs of the modes' rows: a mode's Gram
matrices are the MTTKRP of ``cell_weights`` with pairs in place of factors. Columns are many then: it goes through BLAS.
As in `kernels.dense`, what is contracted with the last factor serves every other mode.
"""

from __future__ import annotations

import numpy as np

from autoten.kernels.linear import PROXIMAL, compiled, solve_rows

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
def row_equations(dense, stacked, pairs, mode, grams, rhs):  # type: ignore[no-untyped-def]
    """Sum the weighted Gram matrices (I, R (R + 1) / 2) and right-hand sides (I, R) of all rows of a mode.

    Of the modes in turn, from the first, where the work has room for what it leaves behind.
    """
    n_rows, n_columns = dense.rows.shape
    rank, n_pairs = stacked.shape[1], pairs.shape[1]
    last = dense.layout.lengths.size - 1
    kept = dense.work.pairs.size > 0
    counted, values = np.empty((ROWS_AT_ONCE, n_columns)), np.empty((ROWS_AT_ONCE, n_columns))
    products, pair_products = np.empty((ROWS_AT_ONCE, rank)), np.empty((ROWS_AT_ONCE, n_pairs))
    at = np.zeros(last, dtype=np.int64)  # where the row is in the leading modes
    grams[:] = 0.0
    rhs[:] = 0.0
    for first in range(0, n_rows, ROWS_AT_ONCE):
        size = min(ROWS_AT_ONCE, n_rows - first)
        if mode in (0, last) or not kept:
            for b in range(size):
                for k in range(n_columns):
                    counted[b, k] = np.float64(dense.cell_weights[first + b, k])
                    values[b, k] = counted[b, k] * dense.rows[first + b, k]
        if mode == last:
            products[:] = 1.0
            pair_products[:] = 1.0
        elif mode == 0 or not kept:
            np.dot(values[:size], stacked[dense.layout.offsets[last] :], products[:size])
            np.dot(counted[:size], pairs[dense.layout.offsets[last] :], pair_products[:size])
            if kept:
                dense.work.leading[first : first + size] = products[:size]
                dense.work.pairs[first : first + size] = pair_products[:size]
        else:
            products[:size] = dense.work.leading[first : first + size]
            pair_products[:size] = dense.work.pairs[first : first + size]
        for b in range(size):
            for n in range(last):
                if n != mode:
                    i = dense.layout.offsets[n] + at[n]
                    for r in range(rank):
                        products[b, r] *= stacked[i, r]
                    for p in range(n_pairs):
                        pair_products[b, p] *= pairs[i, p]
            if mode < last:
                for r in range(rank):
                    rhs[at[mode], r] += products[b, r]
                for p in range(n_pairs):
                    grams[at[mode], p] += pair_products[b, p]
            n = last - 1
            at[n] += 1
            while n > 0 and at[n] == dense.layout.lengths[n]:
                at[n] = 0
                n -= 1
                at[n] += 1
        if mode == last:
            rhs += np.dot(values[:size].T, products[:size])
            grams += np.dot(counted[:size].T, pair_products[:size])


@compiled
def solve_each(grams, rhs, previous, nonnegative, out):  # type: ignore[no-untyped-def]
    """Solve every row's equations, arrays (I, ...); return what the solution takes off the sum of squares."""
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
        column = (rank, 1)
        right, before, row = rhs[i].reshape(column), previous[i].reshape(column), out[i].reshape(column)
        total += solve_rows(gram, right, before, delta, nonnegative, row)
    return total
