"""Compiled loops: arrays and integers in, arrays out; nothing here knows a class or raises.

Factors arrive *stacked*, (sum of lengths, R), and ``cells`` holds row numbers of the stack, shape (N, n_cells), so that
one compiled version serves every order; where rows are solved the component index comes first. Sums are always float64.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
import numpy as np

from autoten._errors import AutotenWarning

# Every flag that lets sums vectorise, without "nnan" and "ninf": NaN and infinity must keep their meaning.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}

# How everything is compiled: without the GIL, divisions by zero as numpy has them.
COMPILED: dict[str, Any] = {"nogil": True, "fastmath": FASTMATH, "error_model": "numpy"}

# Proximal shift of every solve, relative to the mean of the Gram diagonal: keeps it well-posed and the loss monotone,
# and vanishes at a fixed point, because it pulls towards the previous factor and not towards zero.
PROXIMAL = 1e-12

# A loss below this share of the sum of squares is rounding, and so is what a difference leaves of a Gram matrix.
ROUNDING = 1e-14

# Nonnegative rows: the most sets of free entries that are tried, times the rank, and the slope of an entry at zero that
# is rounding, as a share of what pulls it.
ACTIVE_SETS = 3
SMALLEST_SLOPE = 1e-10


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` on first use, without the GIL, cached on disk where a cache can be written."""
    try:
        return numba.njit(cache=True, **COMPILED)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # numba found no writable folder for its cache
        _warn_once()
        return numba.njit(**COMPILED)(function)  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _warn_once() -> None:
    warnings.warn(
        "No writable folder for compiled kernels: they are compiled anew in every process (some seconds). "
        "Set NUMBA_CACHE_DIR to a writable folder.",
        AutotenWarning,
        stacklevel=3,
    )


@compiled
def to_unit_columns(factor, turned):  # type: ignore[no-untyped-def]
    """Give the columns of a factor unit length, in place; return what they were divided by.

    If they may be `turned`, so that the entry of largest magnitude is positive.
    """
    sizes = np.zeros(factor.shape[1])
    for r in range(factor.shape[1]):
        # Divide by the largest entry first: a column of 1e-200 has a norm whose square underflows.
        peak, sign = 0.0, 1.0
        for i in range(factor.shape[0]):
            if abs(factor[i, r]) > peak:
                peak = abs(factor[i, r])
                sign = -1.0 if turned and factor[i, r] < 0.0 else 1.0
        squares = 0.0
        for i in range(factor.shape[0]):
            factor[i, r] /= peak if peak > 0.0 else 1.0
            squares += factor[i, r] ** 2
        norm = np.sqrt(squares)
        for i in range(factor.shape[0]):
            factor[i, r] *= sign / norm if norm > 0.0 else 1.0
        sizes[r] = sign * peak * norm
    return sizes


@compiled
def squares_elsewhere(values, cells):  # type: ignore[no-untyped-def]
    """Sum of squares of all values but those at the sorted cells."""
    total = 0.0
    start = 0
    for c in range(cells.size + 1):
        end = cells[c] if c < cells.size else values.size
        for i in range(start, end):
            total += np.float64(values[i]) ** 2
        start = end + 1
    return total


@compiled
def values_at(cells, stacked, out):  # type: ignore[no-untyped-def]
    """out[c] = sum_r prod_n stacked[cells[n, c], r]: the model's values at listed cells."""
    n_modes, n_cells = cells.shape
    rank = stacked.shape[1]
    product = np.empty(rank)
    for c in range(n_cells):
        product[:] = 1.0
        for mode in range(n_modes):
            row = cells[mode, c]
            for r in range(rank):
                product[r] *= stacked[row, r]
        out[c] = product.sum()


@compiled
def cholesky(gram, delta, lower):  # type: ignore[no-untyped-def]
    """lower @ lower.T = gram + delta I, from the lower triangle of gram."""
    for r in range(gram.shape[0]):
        for s in range(r + 1):
            value = gram[r, s]
            if r == s:
                value += delta
            for t in range(s):
                value -= lower[r, t] * lower[s, t]
            # A pivot lost to rounding: the shift delta bounds it from below in exact arithmetic.
            lower[r, s] = np.sqrt(max(value, delta)) if r == s else value / lower[s, s]


@compiled
def solve_columns(gram, delta, columns):  # type: ignore[no-untyped-def]
    """Overwrite columns (R, n) with the solution x of (gram + delta I) x = columns; gram's lower triangle is read."""
    rank, n = columns.shape
    lower = np.zeros((rank, rank))
    cholesky(gram, delta, lower)
    for r in range(rank):
        for s in range(r):
            share = lower[r, s]
            for i in range(n):
                columns[r, i] -= share * columns[s, i]
        inverse = 1.0 / lower[r, r]
        for i in range(n):
            columns[r, i] *= inverse
    for r in range(rank - 1, -1, -1):
        for s in range(r + 1, rank):
            share = lower[s, r]
            for i in range(n):
                columns[r, i] -= share * columns[s, i]
        inverse = 1.0 / lower[r, r]
        for i in range(n):
            columns[r, i] *= inverse


@compiled
def solve_rows(gram, rhs, previous, delta, nonnegative, out):  # type: ignore[no-untyped-def]
    """Put rows a, the columns of `out` (R, n), where sum a' gram a / 2 - rhs' a is smallest, or over a >= 0 lower.

    Returns what they take off the sum of squares; gram's lower triangle is read. All are pulled towards `previous` by
    delta: without that, rows run away to infinity where gram is a difference that rounding leaves indefinite.
    Nonnegative rows are taken at their unconstrained optimum where that will do, elsewhere by active sets from the row
    as it was.
    """
    rank, n = rhs.shape
    for r in range(rank):
        for i in range(n):
            out[r, i] = rhs[r, i] + delta * previous[r, i]
    solve_columns(gram, delta, out)
    if nonnegative:
        descend_rows(gram, rhs, previous, delta, out)
    total = 0.0
    for r in range(rank):
        for s in range(r):
            inner = 0.0
            for i in range(n):
                inner += out[r, i] * out[s, i]
            total -= 2.0 * gram[r, s] * inner
        own = gram[r, r]
        for i in range(n):
            total += (2.0 * rhs[r, i] - own * out[r, i]) * out[r, i]
    return total


@compiled
def descend_rows(gram, rhs, previous, delta, out):  # type: ignore[no-untyped-def]
    """Replace each row with a negative entry by one over a >= 0; see `solve_rows`."""
    rank, n = rhs.shape
    full = np.empty((rank, rank))
    for r in range(rank):
        for s in range(r + 1):
            full[r, s] = gram[r, s]
            full[s, r] = gram[r, s]
        full[r, r] += delta
    row, right = np.empty(rank), np.empty(rank)
    for i in range(n):
        smallest = 0.0
        for r in range(rank):
            smallest = min(smallest, out[r, i])
            row[r] = previous[r, i]
            right[r] = rhs[r, i] + delta * previous[r, i]
        if smallest < 0.0:
            descend(full, right, row)
            for r in range(rank):
                out[r, i] = row[r]


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


@compiled
def tucker_values(cells, stacked, core, out):  # type: ignore[no-untyped-def]
    """out[c] = sum of the core (F,)*N, flattened, times the outer product of the rows of cell c."""
    n_modes, n_cells = cells.shape
    rank = stacked.shape[1]
    work = np.empty(core.size)
    for c in range(n_cells):
        work[:] = core
        size = core.size
        for mode in range(n_modes - 1, -1, -1):
            row = cells[mode, c]
            size //= rank
            for p in range(size):
                value = 0.0
                for r in range(rank):
                    value += work[p * rank + r] * stacked[row, r]
                work[p] = value
        out[c] = work[0]


@compiled
def descend(gram, rhs, row):  # type: ignore[no-untyped-def]
    """Put a row a where a' gram a / 2 - rhs' a is smallest over a >= 0, in place, never uphill from the row as it is.

    By active sets (Lawson & Hanson 1974, chapter 23), beginning with the entries above zero: a few small systems.
    """
    rank = row.size
    free, at, best = np.empty(rank, dtype=np.bool_), np.empty(rank, dtype=np.int64), np.empty(rank)
    for r in range(rank):
        free[r] = row[r] > 0.0 and gram[r, r] > 0.0  # else a component without direction elsewhere
    for _ in range(ACTIVE_SETS * rank):
        n = 0
        for r in range(rank):
            if free[r]:
                at[n] = r
                n += 1
        solve_free(gram, rhs, row, at[:n], best)
        step, blocking = 1.0, -1
        for a in range(n):
            if best[a] < 0.0 and row[at[a]] < step * (row[at[a]] - best[a]):
                step, blocking = row[at[a]] / (row[at[a]] - best[a]), at[a]
        for a in range(n):
            row[at[a]] = max(row[at[a]] + step * (best[a] - row[at[a]]), 0.0)
        if blocking >= 0:
            row[blocking] = 0.0
            free[blocking] = False
            continue
        steepest, entering = 0.0, -1
        for r in range(rank):
            if not free[r] and gram[r, r] > 0.0:
                slope = rhs[r]
                for s in range(rank):
                    slope -= gram[r, s] * row[s]
                if slope > SMALLEST_SLOPE * abs(rhs[r]) and slope * slope > steepest * gram[r, r]:
                    steepest, entering = slope * slope / gram[r, r], r
        if entering < 0:
            break
        free[entering] = True


@compiled
def solve_free(gram, rhs, row, at, best):  # type: ignore[no-untyped-def]
    """Put into `best` the optimum of the entries at `at`, the others of the row staying as they are.

    In units of their curvatures, which in rows of counts differ by many orders of magnitude.
    """
    n = at.size
    own, change = np.empty((n, n)), np.empty((n, 1))
    for a in range(n):
        slope = rhs[at[a]]
        for s in range(row.size):
            slope -= gram[at[a], s] * row[s]
        change[a, 0] = slope / np.sqrt(gram[at[a], at[a]])
        for b in range(a + 1):
            own[a, b] = gram[at[a], at[b]] / np.sqrt(gram[at[a], at[a]] * gram[at[b], at[b]])
    solve_columns(own, PROXIMAL, change)
    for a in range(n):
        best[a] = row[at[a]] + change[a, 0] / np.sqrt(gram[at[a], at[a]])
