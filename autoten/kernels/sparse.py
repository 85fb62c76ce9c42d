"""Compiled loops over the nonzeros of a sparse tensor, each at a cost of the nonzeros and of what comes out.

Coordinates come one mode to a row, (N, nnz), as int32 or int64, in an order in which one mode (or all but one) runs
slowest, so that a slice (or a fibre) is one run of nonzeros and its sum stays in a small accumulator.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoten._typing import Array
from autoten.kernels.linear import ROUNDING, compiled


class Slices(NamedTuple):
    """The nonzeros slice by slice of one mode: slice i is the run ``starts[i] : starts[i + 1]`` of `order`.

    Inside a slice they keep their C order. `others` holds their coordinates in the other modes, (N - 1, nnz).
    """

    starts: NDArray[np.int64]
    order: Array
    others: Array


@compiled
def counting_sort(keys, order, starts, out):  # type: ignore[no-untyped-def]
    """out = `order` sorted by keys[order], stably; starts[k] : starts[k + 1] is where key k ends up."""
    starts[:] = 0
    for p in range(order.size):
        starts[keys[order[p]] + 1] += 1
    for k in range(1, starts.size):
        starts[k] += starts[k - 1]
    place = starts.copy()
    for p in range(order.size):
        key = keys[order[p]]
        out[place[key]] = order[p]
        place[key] += 1


@compiled
def add_mttkrp(slices, values, layout, stacked, mode, out):  # type: ignore[no-untyped-def]
    """out[i] += sum over slice i of `mode` of value times the other factors' rows; factors are stacked."""
    others = np.empty(layout.lengths.size - 1, dtype=np.int64)
    for n in range(others.size):
        others[n] = layout.offsets[n + (n >= mode)]
    if others.size == 2:
        _add_three(slices, values, others, stacked, out)
    else:
        _add_slices(slices, values, others, stacked, out)


@compiled
def _add_three(slices, values, offsets, stacked, out):  # type: ignore[no-untyped-def]
    """Do so for a tensor with three modes."""
    starts, _, others = slices
    rank = out.shape[1]
    row = np.empty(rank)
    for i in range(out.shape[0]):
        row[:] = 0.0
        for p in range(starts[i], starts[i + 1]):
            value = np.float64(values[p])
            j = offsets[0] + others[0, p]
            k = offsets[1] + others[1, p]
            for r in range(rank):
                row[r] += value * stacked[j, r] * stacked[k, r]
        out[i] += row


@compiled
def _add_slices(slices, values, offsets, stacked, out):  # type: ignore[no-untyped-def]
    """Do so for any order."""
    # Level m of `sums` adds up what has the present indices of the others before m in common, so that a row of a factor
    # is multiplied in once for a whole run of nonzeros that share it.
    starts, _, others = slices
    n_others, rank = others.shape[0], out.shape[1]
    last = n_others - 1
    sums = np.zeros((n_others, rank))
    for i in range(out.shape[0]):
        begin, end = starts[i], starts[i + 1]
        for p in range(begin, end):
            if p > begin:
                changed = 0
                while changed < last and others[changed, p] == others[changed, p - 1]:
                    changed += 1
                for level in range(last, changed, -1):
                    row = offsets[level - 1] + others[level - 1, p - 1]
                    for r in range(rank):
                        sums[level - 1, r] += stacked[row, r] * sums[level, r]
                        sums[level, r] = 0.0
            value = np.float64(values[p])
            row = offsets[last] + others[last, p]
            for r in range(rank):
                sums[last, r] += value * stacked[row, r]
        if end > begin:
            for level in range(last, 0, -1):
                row = offsets[level - 1] + others[level - 1, end - 1]
                for r in range(rank):
                    sums[level - 1, r] += stacked[row, r] * sums[level, r]
                    sums[level, r] = 0.0
        out[i] += sums[0]
        sums[0] = 0.0


@compiled
def observed_only(gram, grams, rhs):  # type: ignore[no-untyped-def]
    """Add the Gram matrix of all cells to what hidden ones take off every row's.

    Of a component without an observed cell in a row the difference leaves rounding, of either sign: it has no equation.
    """
    for i in range(grams.shape[0]):
        p = 0
        for r in range(gram.shape[0]):
            for s in range(r + 1):
                grams[i, p] += gram[r, s]
                p += 1
        d = -1
        for r in range(gram.shape[0]):
            d += r + 1
            if grams[i, d] <= ROUNDING * gram[r, r]:
                rhs[i, r] = 0.0
                p = 0
                for t in range(gram.shape[0]):
                    for s in range(t + 1):
                        if r in (s, t):
                            grams[i, p] = 0.0
                        p += 1


@compiled
def project_three(starts, others, values, first, second, third, core):  # type: ignore[no-untyped-def]
    """core += the tensor with three modes, contracted with a matrix in each; `first` is that of the slices' mode."""
    inner = np.empty((second.shape[1], third.shape[1]))
    for i in range(starts.size - 1):
        if starts[i] == starts[i + 1]:
            continue
        inner[:] = 0.0
        for p in range(starts[i], starts[i + 1]):
            value = np.float64(values[p])
            j = others[0, p]
            k = others[1, p]
            for b in range(second.shape[1]):
                share = value * second[j, b]
                for c in range(third.shape[1]):
                    inner[b, c] += share * third[k, c]
        for a in range(first.shape[1]):
            for b in range(second.shape[1]):
                for c in range(third.shape[1]):
                    core[a, b, c] += first[i, a] * inner[b, c]


@compiled
def project(starts, others, values, matrices, offsets, widths, work, places):  # type: ignore[no-untyped-def]
    """`project_three` for any order: slice by slice, one nonzero after the other, innermost mode first.

    Modes count from that of the slices, then the others. Level n of `work`, from places[n], sums what the present
    indices of the modes before n have in common: the contraction over modes n, n + 1, ..., of the product of their
    widths. When an index changes, the levels below it are multiplied into the one above and begin anew; level 0, in
    the end, is the core. `matrices` holds the rows of one matrix after the other, flat.
    """
    last = others.shape[0]
    for i in range(starts.size - 1):
        begin, end = starts[i], starts[i + 1]
        if begin == end:
            continue
        for p in range(begin, end):
            if p > begin:
                changed = 1
                while changed < last and others[changed - 1, p] == others[changed - 1, p - 1]:
                    changed += 1
                for level in range(last, changed, -1):
                    _fold_level(level, others[level - 2, p - 1], matrices, offsets, widths, work, places)
            value = np.float64(values[p])
            row = offsets[last] + others[last - 1, p] * widths[last]
            for c in range(widths[last]):
                work[places[last] + c] += value * matrices[row + c]
        for level in range(last, 1, -1):
            _fold_level(level, others[level - 2, end - 1], matrices, offsets, widths, work, places)
        _fold_level(1, i, matrices, offsets, widths, work, places)


@compiled
def _fold_level(level, index, matrices, offsets, widths, work, places):  # type: ignore[no-untyped-def]
    """Multiply a level into the one above it, by the row of `index`, and empty it."""
    above, here, end = places[level - 1], places[level], places[level + 1]
    size = end - here
    row = offsets[level - 1] + index * widths[level - 1]
    for a in range(widths[level - 1]):
        share = matrices[row + a]
        for c in range(size):
            work[above + a * size + c] += share * work[here + c]
    work[here:end] = 0.0


@compiled
def gram_of_fibres(starts, index, values, out):  # type: ignore[no-untyped-def]
    """out += the unfolding times its transpose; fibre f is the run starts[f] : starts[f + 1]."""
    for f in range(starts.size - 1):
        for p in range(starts[f], starts[f + 1]):
            value = np.float64(values[p])
            for q in range(starts[f], starts[f + 1]):
                out[index[p], index[q]] += value * np.float64(values[q])


@compiled
def gram_times(starts, index, values, columns, out):  # type: ignore[no-untyped-def]
    """out += the unfolding times its transpose times `columns`, fibre by fibre; the Gram matrix is never formed."""
    width = columns.shape[1]
    inner = np.empty(width)
    for f in range(starts.size - 1):
        inner[:] = 0.0
        for p in range(starts[f], starts[f + 1]):
            value = np.float64(values[p])
            for c in range(width):
                inner[c] += value * columns[index[p], c]
        for p in range(starts[f], starts[f + 1]):
            value = np.float64(values[p])
            for c in range(width):
                out[index[p], c] += value * inner[c]


@compiled
def sparse_squares(coords, values, stacked, offsets):  # type: ignore[no-untyped-def]
    """Return the sums of (value - model)^2 and of model^2 over the nonzeros."""
    n_modes, n = coords.shape
    rank = stacked.shape[1]
    product = np.empty(rank)
    errors = 0.0
    squares = 0.0
    for p in range(n):
        product[:] = 1.0
        for m in range(n_modes):
            row = offsets[m] + coords[m, p]
            for r in range(rank):
                product[r] *= stacked[row, r]
        model = product.sum()
        error = np.float64(values[p]) - model
        errors += error * error
        squares += model * model
    return errors, squares
