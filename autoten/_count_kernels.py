"""Compiled passes over the counts of a tensor: what a Poisson fit needs of its nonzero cells.

Layout as in `_kernels`: factors stacked, (sum of lengths, R), and ``cells`` holding each cell's rows in the stack.
"""

from __future__ import annotations

import numpy as np

from autoten._kernels import compiled, descend, product_of_others


@compiled
def derivatives(cells, counts, stacked, mode, offset, smallest, slopes, curvatures, errors):  # type: ignore[no-untyped-def]
    """Add up, for each row of `mode`, the derivatives of sum x log m, and x log (x / m) itself.

    slopes[i] = sum (x / m) p, curvatures[i] = sum (x / m^2) p p' (lower triangle), p the product of the other factors'
    rows; m counts as `smallest` at least.
    """
    n_cells = cells.shape[1]
    rank = stacked.shape[1]
    product = np.empty(rank)
    for c in range(n_cells):
        product_of_others(cells, stacked, mode, c, 1.0, product)
        row = cells[mode, c]
        rate = 0.0
        for r in range(rank):
            rate += product[r] * stacked[row, r]
        rate = max(rate, smallest)
        row -= offset
        errors[row] += counts[c] * np.log(counts[c] / rate)
        ratio = counts[c] / rate
        for r in range(rank):
            slopes[row, r] += ratio * product[r]
            scaled = ratio / rate * product[r]
            for s in range(r + 1):
                curvatures[row, r, s] += scaled * product[s]


@compiled
def add_errors(cells, counts, stacked, mode, offset, errors):  # type: ignore[no-untyped-def]
    """errors[i] += sum of x log (x / m) over the listed cells in row i of `mode`; infinite where m is 0."""
    n_modes, n_cells = cells.shape
    rank = stacked.shape[1]
    product = np.empty(rank)
    for c in range(n_cells):
        product[:] = 1.0
        for other in range(n_modes):
            row = cells[other, c]
            for r in range(rank):
                product[r] *= stacked[row, r]
        rate = product.sum()
        errors[cells[mode, c] - offset] += counts[c] * np.log(counts[c] / rate) if rate > 0.0 else np.inf


@compiled
def newton_rows(sums, slopes, curvatures, rows):  # type: ignore[no-untyped-def]
    """Move each row to the minimum over a >= 0 of the quadratic model of sum m - sum x log m, in place."""
    n_rows, rank = rows.shape
    full = np.empty((rank, rank))
    rhs = np.empty(rank)
    for i in range(n_rows):
        for r in range(rank):
            for s in range(r + 1):
                full[r, s] = curvatures[i, r, s]
                full[s, r] = curvatures[i, r, s]
        for r in range(rank):
            rhs[r] = slopes[i, r] - sums[i, r]
            for s in range(rank):
                rhs[r] += full[r, s] * rows[i, s]
        for r in range(rank):
            # A row without a count where this component lives: the rate there only costs.
            if full[r, r] <= 0.0 and sums[i, r] > 0.0:
                rows[i, r] = 0.0
        descend(full, rhs, rows[i], 0.0)  # sums of positive terms are not off
