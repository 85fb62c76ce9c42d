"""Compiled products of a dense tensor with factors.

A tensor is the read-only C-contiguous matrix ``rows`` (product of the leading modes, last mode); factors arrive side by
side, (R, sum of lengths), see `Layout`. The component index comes first, so that the inner loops run along a mode and
vectorise for any R. X may be float32 or float64; sums are always float64.

Where cells have weights (or True where one was observed, False elsewhere) every row of a factor has normal equations of
its own: with z the elementwise product of the other modes' rows at a cell, the weighted sums of x z and of z z' over
its cells (over observed cells alone: Tomasi & Bro 2005). A symmetric matrix is kept as its lower triangle row after
row, R (R + 1) / 2 numbers, and so are the products of all pairs of a vector's entries. The pairs of z are the
elementwise product of the pairs of the modes' rows: a mode's Gram matrices are the MTTKRP of the weights with pairs in
place of factors. Columns are many then: it goes through BLAS.

A sweep reads X twice: X times the last factor serves every other mode (the dimension tree of Phan, Tichavsky &
Cichocki 2013 with a single branching), and the last mode needs X once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autoten._typing import Array
from autoten.kernels.linear import compiled

# Rows of X that one pass handles together: each value that is loaded then serves several multiplications.
ROW_BLOCK = 4

# A tensor larger than the last-level cache is read twice, block by block: once from start to end, which runs at the
# full speed of memory, then in tiles from the cache. Saves a fifth at 200 x 200 x 200, costs half where X fits.
READ_AHEAD_BYTES = 24_000_000
READ_AHEAD_ROWS = 40

# Hidden cells are filled in so many rows of X at once: they are read again right after, from the cache.
FILLED_ROWS = 64

# Rows of X that one product of row equations takes together: scratch memory stays small, whatever the shape.
ROWS_AT_ONCE = 256


class Layout(NamedTuple):
    """The factors, side by side: their lengths, where each begins, and which of them must not be negative."""

    lengths: Array
    offsets: Array
    nonnegative: Array

    @classmethod
    def of(cls, shape: Sequence[int], nonnegative: Sequence[int] = ()) -> Layout:
        """Return the layout of a tensor's factors; `nonnegative` names modes."""
        lengths = np.array(shape, dtype=np.int64)
        constrained = np.zeros(len(lengths), dtype=bool)
        constrained[list(nonnegative)] = True
        return cls(lengths, np.cumsum(lengths) - lengths, constrained)


class Work(NamedTuple):
    """Scratch memory of the products of one tensor with R components."""

    contracted: Array  # (R, rows): X times the last factor
    leading: Array  # (R, rows): the Khatri-Rao product of all others
    left: Array
    right: Array
    products: Array  # (rows, R): X times the last factor, of row equations
    pairs: Array  # the weights times pairs of columns of the last factor, where there is room to keep them

    @classmethod
    def of(cls, n_rows: int, rank: int, n_pairs: int = 0) -> Work:
        """Return as much as is needed."""
        n_kept = n_rows if n_pairs else 0
        shapes = ((rank, n_rows), (rank, n_rows), n_rows, n_rows, (n_kept, rank), (n_kept, n_pairs))
        return cls(*(np.empty(shape) for shape in shapes))


class Dense(NamedTuple):
    """A tensor in one array and what is fitted to it.

    Hidden cells are listed, to be imputed, or have no weight in `cell_weights` and are left out: see `row_equations`.
    Those of row l of `rows` are listed as the columns ``cell_columns[cell_starts[l] : cell_starts[l + 1]]``; `sink` is
    then a writable view of the same memory as `rows`. What is not used is empty.
    """

    rows: Array
    sink: Array
    cell_starts: Array
    cell_columns: Array
    cell_weights: Array
    layout: Layout
    work: Work
    norm_squared: float  # over observed cells

    @property
    def n_cells(self) -> int:
        """The number of listed cells."""
        return len(self.cell_columns)

    def multiplications(self, rank: int) -> float:
        """Return about how many a sweep takes."""
        return 2.0 * self.rows.size * (rank * (rank + 3) // 2 if self.cell_weights.size else rank)

    def completed(self, model: Any) -> tuple[Array, float, float]:
        """Return the tensor as a model completes it, what it is multiplied by, and its norm for the model's loss."""
        shape = tuple(self.layout.lengths)
        if not self.cell_weights.size:
            fill(self, model.at_cells, 0, len(self.cell_starts) - 1)
            return self.rows.reshape(shape), 1.0, self.norm_squared + float(model.at_cells @ model.at_cells)
        fill_leading(model.factors, self.layout, self.work.leading)
        folded = model.weights[:, None] * model.factors[:, self.layout.offsets[-1] :]
        whole, top = np.empty(self.rows.shape), float(self.cell_weights.max())
        norm_squared = complete(self.rows, self.cell_weights, top, self.work.leading, folded, whole)
        return whole.reshape(shape), float(np.sqrt(top)), norm_squared

    def look(self, model: Any) -> None:
        """Let listed cells hold what the model says."""
        if self.n_cells:
            fill_leading(model.factors, self.layout, self.work.leading)
            model_at_cells(self, model.factors, model.weights, model.at_cells)


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
def kronecker(component, layout, first, end, out):  # type: ignore[no-untyped-def]
    """out = the Kronecker product of one component's columns of modes first .. end - 1."""
    lengths, offsets, _ = layout
    out[0] = 1.0
    size = 1
    for n in range(first, end):
        column = component[offsets[n] : offsets[n] + lengths[n]]
        # From the back, so that an entry is read before it is overwritten.
        for p in range(size - 1, -1, -1):
            value = out[p]
            run = out[p * column.size : (p + 1) * column.size]
            for i in range(column.size):
                run[i] = value * column[i]
        size *= column.size


@compiled
def gram_of_others(factors, layout, mode):  # type: ignore[no-untyped-def]
    """Return the elementwise product of the Gram matrices of every factor but `mode`'s."""
    lengths, offsets, _ = layout
    rank = factors.shape[0]
    out = np.empty((rank, rank))
    for r in range(rank):
        for s in range(r + 1):
            product = 1.0
            for n in range(lengths.size):
                if n != mode:
                    inner = 0.0
                    for i in range(offsets[n], offsets[n] + lengths[n]):
                        inner += factors[r, i] * factors[s, i]
                    product *= inner
            out[r, s] = product
            out[s, r] = product
    return out


@compiled
def fill_leading(factors, layout, out):  # type: ignore[no-untyped-def]
    """out[r, l] = the Khatri-Rao product of every factor but the last."""
    for r in range(factors.shape[0]):
        kronecker(factors[r], layout, 0, layout.lengths.size - 1, out[r])


@compiled
def four(rows, row, k):  # type: ignore[no-untyped-def]
    """Return an entry of each of `ROW_BLOCK` rows."""
    return (
        np.float64(rows[row, k]),
        np.float64(rows[row + 1, k]),
        np.float64(rows[row + 2, k]),
        np.float64(rows[row + 3, k]),
    )


@compiled
def contract_last(rows, last, out, begin, end):  # type: ignore[no-untyped-def]
    """out[r, l] = sum_k rows[l, k] last[r, k] for rows begin .. end - 1, in tiles of 4 rows by 2 components."""
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
    """Return out[r, k] = sum_l leading[r, l] rows[l, k], in tiles of 4 rows by 2 components: one read of X."""
    n_rows, length = rows.shape
    rank = leading.shape[0]
    large = rows.size * rows.itemsize > READ_AHEAD_BYTES
    ahead = 0.0
    out = np.zeros((rank, length))
    row = 0
    while row + ROW_BLOCK <= n_rows:
        if large and row % READ_AHEAD_ROWS == 0:
            ahead += read_ahead(rows, row)
        r = 0
        while r + 2 <= rank:
            a0, a1, a2, a3 = four(leading.T, row, r)
            b0, b1, b2, b3 = four(leading.T, row, r + 1)
            for k in range(length):
                x0, x1, x2, x3 = four(rows, row, k)
                out[r, k] += x0 * a0 + x1 * a1 + x2 * a2 + x3 * a3
                out[r + 1, k] += x0 * b0 + x1 * b1 + x2 * b2 + x3 * b3
            r += 2
        if r < rank:
            a0, a1, a2, a3 = four(leading.T, row, r)
            for k in range(length):
                x0, x1, x2, x3 = four(rows, row, k)
                out[r, k] += x0 * a0 + x1 * a1 + x2 * a2 + x3 * a3
        row += ROW_BLOCK
    while row < n_rows:
        for r in range(rank):
            a0 = leading[r, row]
            for k in range(length):
                out[r, k] += np.float64(rows[row, k]) * a0
        row += 1
    if np.isinf(ahead):  # never: X is finite and scaled; it makes the reading ahead count
        out[:] = ahead
    return out


@compiled
def mttkrp_partial(dense, factors, mode):  # type: ignore[no-untyped-def]
    """Return the MTTKRP (R, I) of a mode other than the last, from X already contracted with the last factor."""
    contracted, left, right = dense.work.contracted, dense.work.left, dense.work.right
    lengths = dense.layout.lengths
    n_left, n_right = 1, 1
    for n in range(lengths.size - 1):
        if n < mode:
            n_left *= lengths[n]
        elif n > mode:
            n_right *= lengths[n]
    rank, length = factors.shape[0], lengths[mode]
    out = np.zeros((rank, length))
    for r in range(rank):
        kronecker(factors[r], dense.layout, 0, mode, left)
        kronecker(factors[r], dense.layout, mode + 1, lengths.size - 1, right)
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


@compiled
def product(dense, factors, at_cells, mode):  # type: ignore[no-untyped-def]
    """Return the MTTKRP (R, I) of X, its listed cells filled with `at_cells`; of the modes in turn, from the first.

    What the first leaves behind serves the others: X times the last factor.
    """
    last = dense.layout.lengths.size - 1
    if mode == 0:
        contract_filled(dense, factors[:, dense.layout.offsets[last] :].copy(), at_cells)
    if mode < last:
        return mttkrp_partial(dense, factors, mode)
    fill_leading(factors, dense.layout, dense.work.leading)
    return mttkrp_last(dense.rows, dense.work.leading)


@compiled
def contract_filled(dense, last, at_cells):  # type: ignore[no-untyped-def]
    """Contract X with the last factor; its listed cells are filled block by block, while the block is at hand."""
    n_rows = dense.rows.shape[0]
    if at_cells.size == 0:
        contract_last(dense.rows, last, dense.work.contracted, 0, n_rows)
        return
    for begin in range(0, n_rows, FILLED_ROWS):
        end = min(begin + FILLED_ROWS, n_rows)
        fill(dense, at_cells, begin, end)
        contract_last(dense.rows, last, dense.work.contracted, begin, end)


@compiled
def fill(dense, at_cells, begin, end):  # type: ignore[no-untyped-def]
    """Write values into X's listed cells of these rows."""
    for row in range(begin, end):
        for c in range(dense.cell_starts[row], dense.cell_starts[row + 1]):
            dense.sink[row, dense.cell_columns[c]] = at_cells[c]


@compiled
def model_at_cells(dense, factors, weights, at_cells):  # type: ignore[no-untyped-def]
    """Replace what listed cells hold by the model's values; return what that adds to the squared error.

    The Khatri-Rao product of every factor but the last is at hand. With f what X holds and m the model, the filled
    tensor has sum f^2 in its sum of squares and sum (f - m)^2 in its squared error that the observed cells have not:
    together sum m (2 f - m).
    """
    total = 0.0
    rank = factors.shape[0]
    single = dense.sink.itemsize == 4  # what it holds has been rounded
    # One row per index: the cells jump about in this mode.
    last = np.ascontiguousarray(factors[:, dense.layout.offsets[dense.layout.offsets.size - 1] :].T)
    here = np.empty(rank)
    for row in range(dense.cell_starts.size - 1):
        for r in range(rank):
            here[r] = weights[r] * dense.work.leading[r, row]
        for c in range(dense.cell_starts[row], dense.cell_starts[row + 1]):
            column = dense.cell_columns[c]
            value = 0.0
            for r in range(rank):
                value += here[r] * last[column, r]
            held = np.float64(np.float32(at_cells[c])) if single else at_cells[c]
            at_cells[c] = value
            total += value * (2.0 * held - value)
    return total


@compiled
def squared_error(rows, cell_weights, leading, factor_t):  # type: ignore[no-untyped-def]
    """sum weights (rows - leading @ factor)^2 without forming the model; all count alike where there are no weights."""
    n_rows, length = rows.shape
    rank = leading.shape[0]
    error = np.empty(length)
    total = 0.0
    for row in range(n_rows):
        for k in range(length):
            error[k] = np.float64(rows[row, k])
        for r in range(rank):
            a = leading[r, row]
            for k in range(length):
                error[k] -= a * factor_t[r, k]
        part = 0.0
        if cell_weights.size > 0:
            for k in range(length):
                part += np.float64(cell_weights[row, k]) * (error[k] * error[k])
        else:
            for k in range(length):
                part += error[k] * error[k]
        total += part
    return total


@compiled
def complete(rows, cell_weights, top, leading, factor_t, whole):  # type: ignore[no-untyped-def]
    """Put X into `whole` as far as its weights go, the model where they do not; return its norm for the model's loss.

    Whatever weights w, sum w (x - m)^2 is at most w_max = `top` times the squared distance of m from the tensor that
    lies w / w_max of the way from the present model to X, but for a constant, 0 where cells count fully or not at all
    (Kiers 1997, Psychometrika 62, 251-266). `whole` is that tensor times the root of `top`.
    """
    n_rows, length = rows.shape
    model = np.empty(length)
    total = 0.0
    for row in range(n_rows):
        model[:] = 0.0
        for r in range(leading.shape[0]):
            for k in range(length):
                model[k] += leading[r, row] * factor_t[r, k]
        for k in range(length):
            share = np.float64(cell_weights[row, k]) / top
            error = np.float64(rows[row, k]) - model[k]
            value = model[k] + share * error
            total += top * (value * value + share * (1.0 - share) * (error * error))
            whole[row, k] = np.sqrt(top) * value
    return total


# ------------------------------------------------------------------------------------------------------- row equations


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
                dense.work.products[first : first + size] = products[:size]
                dense.work.pairs[first : first + size] = pair_products[:size]
        else:
            products[:size] = dense.work.products[first : first + size]
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
