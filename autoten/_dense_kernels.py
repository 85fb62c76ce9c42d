"""Compiled products of a dense tensor with factors.

A tensor arrives as the read-only C-contiguous matrix ``rows`` (product of the leading modes, last mode); factors arrive
side by side, (R, sum of lengths), ``offsets`` telling where each begins. The component index comes first, so that the
inner loops run along a mode and vectorise for any R. X may be float32 or float64; sums are always float64.

A sweep reads X twice: X times the last factor serves every other mode (the dimension tree of Phan, Tichavsky &
Cichocki 2013 with a single branching), and the last mode needs X once more.
"""

from __future__ import annotations

import numpy as np

from autoten._kernels import compiled

# Rows of X that one pass handles together: each value that is loaded then serves several multiplications.
ROW_BLOCK = 4

# A tensor larger than the last-level cache is read twice, block by block: once from start to end, which runs at the
# full speed of memory, then in tiles from the cache. Saves a fifth at 200 x 200 x 200, costs half where X fits.
READ_AHEAD_BYTES = 24_000_000
READ_AHEAD_ROWS = 40


@compiled
def read_ahead(rows, row):  # type: ignore[no-untyped-def]
    """Bring the next block of rows into the cache; the sum only keeps the compiler from leaving it out."""
    total = 0.0
    for i in range(row, min(row + READ_AHEAD_ROWS, rows.shape[0])):
        for k in range(rows.shape[1]):
            total += rows[i, k]
    return total


@compiled
def largest_bits(bits, without_sign):  # type: ignore[no-untyped-def]
    """Largest of `bits` & `without_sign`: of floats read as integers the largest magnitude; NaN is above them all."""
    largest = bits[0] & without_sign
    for i in range(1, bits.size):
        largest = max(largest, bits[i] & without_sign)
    return largest


@compiled
def kronecker(component, lengths, offsets, first, end, out):  # type: ignore[no-untyped-def]
    """out = the Kronecker product of one component's columns of modes first .. end - 1."""
    out[0] = 1.0
    size = 1
    for n in range(first, end):
        # From the back, so that an entry is read before it is overwritten.
        for p in range(size - 1, -1, -1):
            value = out[p]
            for i in range(lengths[n] - 1, -1, -1):
                out[p * lengths[n] + i] = value * component[offsets[n] + i]
        size *= lengths[n]


@compiled
def fill_leading(factors, lengths, offsets, out):  # type: ignore[no-untyped-def]
    """out[l, r] = the Khatri-Rao product of every factor but the last, written row by row."""
    rank = out.shape[1]
    by_row = np.ascontiguousarray(factors[:, : offsets[lengths.size - 1]].T)
    here = np.empty(rank)
    out[0] = 1.0
    size = 1
    for n in range(lengths.size - 1):
        # From the back, so that a row is read before it is overwritten.
        for p in range(size - 1, -1, -1):
            for r in range(rank):
                here[r] = out[p, r]
            for i in range(lengths[n] - 1, -1, -1):
                row = out[p * lengths[n] + i]
                factor = by_row[offsets[n] + i]
                for r in range(rank):
                    row[r] = here[r] * factor[r]
        size *= lengths[n]


@compiled
def contract_last(rows, last, out):  # type: ignore[no-untyped-def]
    """out[r, l] = sum_k rows[l, k] last[r, k], in tiles of 4 rows by 2 components: one read of X."""
    return contract_rows(rows, last, out, 0, rows.shape[0])


@compiled
def contract_rows(rows, last, out, begin, end):  # type: ignore[no-untyped-def]
    """Do `contract_last` for rows begin .. end - 1 alone."""
    length = rows.shape[1]
    rank = last.shape[0]
    large = rows.size * rows.itemsize > READ_AHEAD_BYTES
    ahead = 0.0
    row = begin
    while row + ROW_BLOCK <= end:
        if large and row % READ_AHEAD_ROWS == 0:
            ahead += read_ahead(rows, row)
        r = 0
        while r + 2 <= rank:
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
            for k in range(length):
                x0 = np.float64(rows[row, k])
                x1 = np.float64(rows[row + 1, k])
                x2 = np.float64(rows[row + 2, k])
                x3 = np.float64(rows[row + 3, k])
                f = last[r, k]
                g = last[r + 1, k]
                a0 += x0 * f
                a1 += x1 * f
                a2 += x2 * f
                a3 += x3 * f
                b0 += x0 * g
                b1 += x1 * g
                b2 += x2 * g
                b3 += x3 * g
            out[r, row] = a0
            out[r, row + 1] = a1
            out[r, row + 2] = a2
            out[r, row + 3] = a3
            out[r + 1, row] = b0
            out[r + 1, row + 1] = b1
            out[r + 1, row + 2] = b2
            out[r + 1, row + 3] = b3
            r += 2
        if r < rank:
            a0 = a1 = a2 = a3 = 0.0
            for k in range(length):
                f = last[r, k]
                a0 += np.float64(rows[row, k]) * f
                a1 += np.float64(rows[row + 1, k]) * f
                a2 += np.float64(rows[row + 2, k]) * f
                a3 += np.float64(rows[row + 3, k]) * f
            out[r, row] = a0
            out[r, row + 1] = a1
            out[r, row + 2] = a2
            out[r, row + 3] = a3
        row += ROW_BLOCK
    while row < end:
        for r in range(rank):
            a0 = 0.0
            for k in range(length):
                a0 += np.float64(rows[row, k]) * last[r, k]
            out[r, row] = a0
        row += 1
    return ahead


@compiled
def mttkrp_last(rows, leading):  # type: ignore[no-untyped-def]
    """Return out[r, k] = sum_l rows[l, k] leading[l, r], in tiles of 4 rows by 2 components: one read of X."""
    n_rows, length = rows.shape
    rank = leading.shape[1]
    large = rows.size * rows.itemsize > READ_AHEAD_BYTES
    ahead = 0.0
    out = np.zeros((rank, length))
    row = 0
    while row + ROW_BLOCK <= n_rows:
        if large and row % READ_AHEAD_ROWS == 0:
            ahead += read_ahead(rows, row)
        r = 0
        while r + 2 <= rank:
            a0 = leading[row, r]
            a1 = leading[row + 1, r]
            a2 = leading[row + 2, r]
            a3 = leading[row + 3, r]
            b0 = leading[row, r + 1]
            b1 = leading[row + 1, r + 1]
            b2 = leading[row + 2, r + 1]
            b3 = leading[row + 3, r + 1]
            for k in range(length):
                x0 = np.float64(rows[row, k])
                x1 = np.float64(rows[row + 1, k])
                x2 = np.float64(rows[row + 2, k])
                x3 = np.float64(rows[row + 3, k])
                out[r, k] += x0 * a0 + x1 * a1 + x2 * a2 + x3 * a3
                out[r + 1, k] += x0 * b0 + x1 * b1 + x2 * b2 + x3 * b3
            r += 2
        if r < rank:
            a0 = leading[row, r]
            a1 = leading[row + 1, r]
            a2 = leading[row + 2, r]
            a3 = leading[row + 3, r]
            for k in range(length):
                out[r, k] += (
                    np.float64(rows[row, k]) * a0
                    + np.float64(rows[row + 1, k]) * a1
                    + np.float64(rows[row + 2, k]) * a2
                    + np.float64(rows[row + 3, k]) * a3
                )
        row += ROW_BLOCK
    while row < n_rows:
        for r in range(rank):
            a0 = leading[row, r]
            for k in range(length):
                out[r, k] += np.float64(rows[row, k]) * a0
        row += 1
    if np.isinf(ahead):  # never: X is finite and scaled; it makes the reading ahead count
        out[:] = ahead
    return out


@compiled
def mttkrp_partial(contracted, lengths, offsets, factors, mode, left, right):  # type: ignore[no-untyped-def]
    """Return the MTTKRP (R, I) of a mode other than the last, from X already contracted with the last factor."""
    rank = contracted.shape[0]
    n_left = 1
    for n in range(mode):
        n_left *= lengths[n]
    n_right = 1
    for n in range(mode + 1, lengths.size - 1):
        n_right *= lengths[n]
    length = lengths[mode]
    out = np.empty((rank, length))
    for r in range(rank):
        kronecker(factors[r], lengths, offsets, 0, mode, left)
        kronecker(factors[r], lengths, offsets, mode + 1, lengths.size - 1, right)
        for i in range(length):
            out[r, i] = 0.0
        for p in range(n_left):
            weight = left[p]
            if n_right == 1:
                start = p * length
                weight *= right[0]
                for i in range(length):
                    out[r, i] += contracted[r, start + i] * weight
            else:
                for i in range(length):
                    start = (p * length + i) * n_right
                    inner = 0.0
                    for t in range(n_right):
                        inner += contracted[r, start + t] * right[t]
                    out[r, i] += inner * weight
    return out
