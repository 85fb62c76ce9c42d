"""Compiled loops: arrays and integers in, arrays out; nothing here knows a class or raises.

Factors arrive *stacked*, (sum of lengths, R), and ``cells`` holds row numbers of the stack, shape (N, n_cells), so that
one compiled version serves every order. Sums are always float64.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
import numpy as np

from autoten._validation import AutotenWarning

# Every flag that lets sums vectorise, without "nnan" and "ninf": NaN and infinity must keep their meaning.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}

# Proximal shift of every solve, relative to the mean of the Gram diagonal: keeps it well-posed and the loss monotone,
# and vanishes at a fixed point, because it pulls towards the previous factor and not towards zero.
PROXIMAL = 1e-12

# Coordinate descent over nonnegative rows: most passes, and the change relative to the row at which it ends. A pass
# costs next to nothing beside the products with X, and an unfinished row costs whole sweeps.
DESCENT_PASSES = 200
DESCENT_TOLERANCE = 1e-8


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` on first use, without the GIL, cached on disk where a cache can be written."""
    options: dict[str, Any] = {"nogil": True, "fastmath": FASTMATH, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # numba found no writable folder for its cache
        _warn_once()
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _warn_once() -> None:
    warnings.warn(
        "No writable folder for compiled kernels: they are compiled anew in every process (some seconds). "
        "Set NUMBA_CACHE_DIR to a writable folder.",
        AutotenWarning,
        stacklevel=3,
    )


@compiled
def squared_error(rows, leading, factor_t):  # type: ignore[no-untyped-def]
    """sum (rows - leading @ factor)^2 without forming the model."""
    n_rows, length = rows.shape
    rank = leading.shape[1]
    model = np.empty(length)
    total = 0.0
    for row in range(n_rows):
        model[:] = 0.0
        for r in range(rank):
            a = leading[row, r]
            for k in range(length):
                model[k] += a * factor_t[r, k]
        part = 0.0
        for k in range(length):
            error = np.float64(rows[row, k]) - model[k]
            part += error * error
        total += part
    return total


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


# As a call it would cost a quarter of the loops that it stands in.
@numba.njit(inline="always")
def product_of_others(cells, stacked, mode, c, start, product):  # type: ignore[no-untyped-def]
    """product = start times the elementwise product of the rows of cell c in every factor but `mode`'s."""
    product[:] = start
    for other in range(cells.shape[0]):
        if other != mode:
            row = cells[other, c]
            for r in range(product.size):
                product[r] *= stacked[row, r]


@compiled
def impute(cells, values, stacked, mode, offset, model, out):  # type: ignore[no-untyped-def]
    """Add the listed cells' share to an MTTKRP: values leave it, the model's values (kept in `model`) enter."""
    n_cells = cells.shape[1]
    rank = stacked.shape[1]
    product = np.empty(rank)
    for c in range(n_cells):
        product_of_others(cells, stacked, mode, c, 1.0, product)
        row = cells[mode, c]
        value = 0.0
        for r in range(rank):
            value += product[r] * stacked[row, r]
        model[c] = value
        change = value - values[c]
        for r in range(rank):
            out[row - offset, r] += change * product[r]


@compiled
def add_cells(cells, values, stacked, mode, offset, sign, grams, out):  # type: ignore[no-untyped-def]
    """Add the listed cells, times sign, to every row's Gram matrix and right-hand side."""
    n_cells = cells.shape[1]
    rank = stacked.shape[1]
    product = np.empty(rank)
    for c in range(n_cells):
        product_of_others(cells, stacked, mode, c, sign, product)
        row = cells[mode, c] - offset
        for r in range(rank):
            out[row, r] += values[c] * product[r]
            # sign * sign * sign = sign: the product carries the sign once, and once more is divided out.
            scaled = product[r] * sign
            for s in range(r + 1):
                grams[row, r, s] += scaled * product[s]


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
def solve(gram, rhs, previous, delta, out):  # type: ignore[no-untyped-def]
    """Solve out @ (gram + delta I) = rhs + delta * previous by Cholesky; gram's lower triangle is read."""
    n_rows, rank = rhs.shape
    lower = np.zeros((rank, rank))
    cholesky(gram, delta, lower)
    for i in range(n_rows):
        for r in range(rank):
            value = rhs[i, r] + delta * previous[i, r]
            for s in range(r):
                value -= lower[r, s] * out[i, s]
            out[i, r] = value / lower[r, r]
        for r in range(rank - 1, -1, -1):
            value = out[i, r]
            for s in range(r + 1, rank):
                value -= lower[s, r] * out[i, s]
            out[i, r] = value / lower[r, r]


@compiled
def solve_each(grams, rhs, previous, delta, out):  # type: ignore[no-untyped-def]
    """`solve` with a Gram matrix of its own for every row."""
    for i in range(rhs.shape[0]):
        solve(grams[i], rhs[i : i + 1], previous[i : i + 1], delta, out[i : i + 1])


@compiled
def explained(gram, rhs, factor):  # type: ignore[no-untyped-def]
    """<factor, 2 rhs - factor @ gram>: what the solved mode takes off the squared norm; gram's lower triangle."""
    n_rows, rank = rhs.shape
    total = 0.0
    for i in range(n_rows):
        for r in range(rank):
            inner = 2.0 * rhs[i, r] - factor[i, r] * gram[r, r]
            for s in range(r):
                inner -= 2.0 * factor[i, s] * gram[r, s]
            total += factor[i, r] * inner
    return total


@compiled
def explained_each(grams, rhs, factor):  # type: ignore[no-untyped-def]
    """`explained` with a Gram matrix of its own for every row."""
    total = 0.0
    for i in range(rhs.shape[0]):
        total += explained(grams[i], rhs[i : i + 1], factor[i : i + 1])
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
def solve_nonnegative(gram, rhs, delta, rows):  # type: ignore[no-untyped-def]
    """Lower each row's a' gram a / 2 - rhs' a over a >= 0, from the row as it is; gram's lower triangle is read.

    Where the unconstrained optimum is nonnegative it is taken; elsewhere coordinates are put at their optimum in turn
    until they hardly move. Both pull towards the row with delta: without that, coordinates run away to infinity where
    gram is a difference that rounding leaves indefinite, in rows of whose components hardly a cell is observed.
    """
    n_rows, rank = rhs.shape
    full = np.empty((rank, rank))
    for r in range(rank):
        for s in range(r + 1):
            full[r, s] = gram[r, s]
            full[s, r] = gram[r, s]
        full[r, r] += delta
    free = np.empty((n_rows, rank))
    solve(gram, rhs, rows, delta, free)
    for i in range(n_rows):
        if free[i].min() >= 0.0:
            rows[i] = free[i]
        else:
            descend(full, rhs[i] + delta * rows[i], rows[i])


@compiled
def descend(gram, rhs, row):  # type: ignore[no-untyped-def]
    """Cyclic coordinate descent on a' gram a / 2 - rhs' a over a >= 0, in place."""
    rank = row.size
    for _ in range(DESCENT_PASSES):
        moved = 0.0
        size = 0.0
        for r in range(rank):
            if gram[r, r] <= 0.0:
                continue  # a component without direction elsewhere
            slope = rhs[r]
            for s in range(rank):
                slope -= gram[r, s] * row[s]
            value = max(row[r] + slope / gram[r, r], 0.0)
            moved = max(moved, abs(value - row[r]))
            size = max(size, value)
            row[r] = value
        if moved <= DESCENT_TOLERANCE * size:
            break


@compiled
def solve_nonnegative_each(grams, rhs, delta, rows):  # type: ignore[no-untyped-def]
    """`solve_nonnegative` with a Gram matrix of its own for every row."""
    for i in range(rhs.shape[0]):
        solve_nonnegative(grams[i], rhs[i : i + 1], delta, rows[i : i + 1])
