"""Compiled steps of Poisson fits: what rows of a factor need of the counts, and their Newton steps.

Everything with a component index keeps it first, so that inner loops run along cells and vectorise for any R. The cells
of a row come with ``columns`` (R, cells), the products of the other factors' entries there: rates are a row times them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from autoten._typing import Array
from autoten.kernels.dense import ROW_BLOCK, Layout, contract_last
from autoten.kernels.linear import compiled, descend
from autoten.kernels.sparse import Slices

# So many cells are at work together: what they need of R factors and of their pairs stays in the cache.
CELLS_AT_ONCE = 768

# Rates below this share of the mean count as much where a Newton step is computed; losses know no such bound.
SMALLEST_RATE = 1e-12

# Floating numbers by their bits.
LOG_2 = float(np.log(2.0))
BITS_OF_ROOT = int(np.float64(np.sqrt(0.5)).view(np.int64))
MANTISSA_BITS = int(np.finfo(float).nmant)
SMALLEST_EXPONENT = int(np.finfo(float).minexp)


class Counts(NamedTuple):
    """Counts, mode by mode, in one of two ways; what is not used is empty.

    Either every unfolding of the tensor, (I_n, product of the other modes), zeros where hidden; the other modes of
    mode n, in the order of ``others[n]``, run the faster the longer they are. Or the nonzeros, slice by slice.
    `unseen` are the hidden cells slice by slice, or the observed ones if those are fewer.
    """

    unfolded: tuple[Array, ...]
    others: Array
    slices: tuple[Slices, ...]
    values: tuple[Array, ...]
    unseen: tuple[Slices, ...]
    few_hidden: bool
    layout: Layout
    smallest: float  # below 0 if there is no Poisson model of them
    total: float
    mean: float
    entropy: float  # sum x log (x / mean), half the deviance from a constant rate

    def multiplications(self, rank: int) -> float:
        """Return about how many a sweep takes, those of listed cells waiting for memory."""
        n_cells = self.unfolded[0].size or 4 * len(self.values[0])
        return len(self.values) * n_cells * rank * (rank + 9) / 2.0


@compiled
def unfolded_columns(counts, factors, mode, first, size, columns):  # type: ignore[no-untyped-def]
    """Fill in so many columns, from number `first` on, of the Khatri-Rao product that belongs to an unfolding."""
    lengths, offsets, _ = counts.layout
    others = counts.others[mode]
    fastest = others[others.size - 1]
    rank = columns.shape[0]
    here = np.empty(rank)
    done = 0
    while done < size:
        run, begin = divmod(first + done, lengths[fastest])
        end = min(lengths[fastest], begin + size - done)
        for r in range(rank):
            here[r] = 1.0
        for n in range(others.size - 2, -1, -1):
            run, i = divmod(run, lengths[others[n]])
            for r in range(rank):
                here[r] *= factors[r, offsets[others[n]] + i]
        for r in range(rank):
            product = here[r]
            column = columns[r, done : done + end - begin]
            entries = factors[r, offsets[fastest] + begin : offsets[fastest] + end]
            for k in range(end - begin):
                column[k] = product * entries[k]
        done += end - begin


@compiled
def listed_columns(cells, layout, factors, mode, first, end, columns):  # type: ignore[no-untyped-def]
    """Fill columns for the cells first .. end - 1 of a list; `cells` (N - 1, n) holds their other indices."""
    offsets = layout.offsets
    for r in range(factors.shape[0]):
        column = columns[r, : end - first]
        entries, more = factors[r, offsets[0 if mode else 1] :], factors[r, offsets[1 if mode > 1 else 2] :]
        here, there = cells[0, first:end], cells[1, first:end]
        for c in range(column.size):
            column[c] = entries[here[c]] * more[there[c]]
        for n in range(2, cells.shape[0]):
            entries, here = factors[r, offsets[n + (n >= mode)] :], cells[n, first:end]
            for c in range(column.size):
                column[c] *= entries[here[c]]


@compiled
def fill_rates(rows, i, columns, rates):  # type: ignore[no-untyped-def]
    """rates[c] = sum_r rows[r, i] columns[r, c]."""
    rank = rows.shape[0]
    for c in range(rates.size):
        rates[c] = 0.0
    for r in range(0, rank - 1, 2):
        one, other = rows[r, i], rows[r + 1, i]
        for c in range(rates.size):
            rates[c] += one * columns[r, c] + other * columns[r + 1, c]
    if rank % 2:
        one = rows[rank - 1, i]
        for c in range(rates.size):
            rates[c] += one * columns[rank - 1, c]


@compiled
def fill_ratios(values, smallest, rates, ratios):  # type: ignore[no-untyped-def]
    """ratios = x / m, rates = x / m^2, where m counts as `smallest` at least; return above 0 if a count's m is less."""
    raised = 0.0
    for c in range(rates.size):
        rate = max(rates[c], smallest)
        raised += values[c] * (rate - rates[c])
        inverse = 1.0 / rate
        ratio = values[c] * inverse
        ratios[c] = ratio
        rates[c] = ratio * inverse
    return raised


@compiled
def weighted_logs(values, rates):  # type: ignore[no-untyped-def]
    """Return sum x log m, minus infinity where the rate m of a count is zero; overwrites the rates."""
    bits = rates.view(np.int64)
    exponents = 0.0
    lost = 0.0
    for c in range(rates.size):
        # m = 2^exponent y with y between sqrt(1/2) and sqrt(2).
        exponent = (bits[c] - BITS_OF_ROOT) >> MANTISSA_BITS
        exponents += values[c] * exponent
        lost += values[c] if exponent < SMALLEST_EXPONENT else 0.0
        bits[c] -= exponent << MANTISSA_BITS
    logs = 0.0
    for c in range(rates.size):
        # log y = 2 (s + s^3 / 3 + s^5 / 5 + ...), up to rounding.
        s = (rates[c] - 1.0) / (rates[c] + 1.0)
        z = s * s
        series = ((((z / 19 + 1 / 17) * z + 1 / 15) * z + 1 / 13) * z + 1 / 11) * z + 1 / 9
        series = (((series * z + 1 / 7) * z + 1 / 5) * z + 1 / 3) * z + 1.0
        logs += values[c] * (s * series)
    return -np.inf if lost > 0.0 else LOG_2 * exponents + 2.0 * logs


@compiled
def add_derivatives(counts, factors, rows, mode, slopes, curvatures, raised):  # type: ignore[no-untyped-def]
    """Add up the derivatives of sum x log m in each row, and its counts at rates too small to be used.

    With p a cell's column: slopes (R, I) sum (x / m) p, curvatures (pairs, I) sum (x / m^2) p p', the lower triangle
    row after row.
    """
    if counts.unfolded[mode].size > 0:
        _unfolded_derivatives(counts, factors, rows, mode, slopes, curvatures, raised)
        return
    slices, smallest = counts.slices[mode], SMALLEST_RATE * counts.mean
    rank = rows.shape[0]
    columns, scratch = np.empty((rank, CELLS_AT_ONCE)), np.empty((2, CELLS_AT_ONCE))
    for i in range(rows.shape[1]):
        for first in range(slices.starts[i], slices.starts[i + 1], CELLS_AT_ONCE):
            end = min(first + CELLS_AT_ONCE, slices.starts[i + 1])
            rates, ratios = scratch[0, : end - first], scratch[1, : end - first]
            listed_columns(slices.others, counts.layout, factors, mode, first, end, columns)
            fill_rates(rows, i, columns, rates)
            raised[i] += fill_ratios(counts.values[mode][first:end], smallest, rates, ratios)
            p = 0
            for r in range(rank):
                slope = 0.0
                for c in range(rates.size):
                    slope += ratios[c] * columns[r, c]
                slopes[r, i] += slope
            for r in range(rank):
                for c in range(rates.size):
                    ratios[c] = rates[c] * columns[r, c]
                for s in range(0, r + 1, 2):
                    t = min(s + 1, r)
                    one, other = 0.0, 0.0
                    for c in range(rates.size):
                        one += ratios[c] * columns[s, c]
                        other += ratios[c] * columns[t, c]
                    curvatures[p + s, i] += one
                    curvatures[p + t, i] += other if s < t else 0.0
                p += r + 1


@compiled
def _unfolded_derivatives(counts, factors, rows, mode, slopes, curvatures, raised):  # type: ignore[no-untyped-def]
    """Do so from an unfolding, whose rows share their columns."""
    unfolded, smallest = counts.unfolded[mode], SMALLEST_RATE * counts.mean
    length, n_columns = unfolded.shape
    rank, n_pairs = rows.shape[0], curvatures.shape[0]
    at_once = -(-n_columns // -(-n_columns // CELLS_AT_ONCE))
    columns, pairs = np.zeros((rank, at_once)), np.zeros((n_pairs, at_once))
    rates, ratios = np.zeros((ROW_BLOCK, at_once)), np.zeros((ROW_BLOCK, at_once))
    slope, curvature = np.empty((rank, ROW_BLOCK)), np.empty((n_pairs, ROW_BLOCK))
    for first in range(0, n_columns, at_once):
        size = min(at_once, n_columns - first)
        unfolded_columns(counts, factors, mode, first, size, columns)
        p = 0
        for r in range(rank):
            for s in range(r + 1):
                for c in range(at_once):
                    pairs[p, c] = columns[r, c] * columns[s, c]
                p += 1
        for b in range(ROW_BLOCK):
            for c in range(size, at_once):
                rates[b, c] = ratios[b, c] = 0.0
        for block in range(0, length, ROW_BLOCK):
            n = min(ROW_BLOCK, length - block)
            for b in range(n):
                i = block + b
                fill_rates(rows, i, columns, rates[b, :size])
                values = unfolded[i, first : first + size]
                raised[i] += fill_ratios(values, smallest, rates[b, :size], ratios[b, :size])
            contract_last(ratios, columns, slope, 0, ROW_BLOCK)
            contract_last(rates, pairs, curvature, 0, ROW_BLOCK)
            for b in range(n):
                for r in range(rank):
                    slopes[r, block + b] += slope[r, b]
                for p in range(n_pairs):
                    curvatures[p, block + b] += curvature[p, b]


@compiled
def log_sums(counts, factors, rows, mode, chosen):  # type: ignore[no-untyped-def]
    """Return sum x log (m / mean) over the cells of each chosen row."""
    scaled = rows / counts.mean
    rank = rows.shape[0]
    sums, columns, scratch = np.zeros(chosen.size), np.empty((rank, CELLS_AT_ONCE)), np.empty(CELLS_AT_ONCE)
    unfolded, slices = counts.unfolded[mode], counts.slices[mode]
    for first in range(0, unfolded.shape[1], CELLS_AT_ONCE):
        rates = scratch[: min(CELLS_AT_ONCE, unfolded.shape[1] - first)]
        unfolded_columns(counts, factors, mode, first, rates.size, columns)
        for n in range(chosen.size):
            fill_rates(scaled, chosen[n], columns, rates)
            sums[n] += weighted_logs(unfolded[chosen[n], first : first + rates.size], rates)
    if unfolded.size > 0:
        return sums
    for n in range(chosen.size):
        start, stop = slices.starts[chosen[n]], slices.starts[chosen[n] + 1]
        for first in range(start, stop, CELLS_AT_ONCE):
            rates = scratch[: min(CELLS_AT_ONCE, stop - first)]
            listed_columns(slices.others, counts.layout, factors, mode, first, first + rates.size, columns)
            fill_rates(scaled, chosen[n], columns, rates)
            sums[n] += weighted_logs(counts.values[mode][first : first + rates.size], rates)
    return sums


@compiled
def row_sums(counts, factors, mode):  # type: ignore[no-untyped-def]
    """Return for each row of a mode the sum of the columns of its observed cells, (R, I)."""
    lengths, offsets, _ = counts.layout
    slices, rank = counts.unseen[mode], factors.shape[0]
    sums, columns = np.zeros((rank, lengths[mode])), np.empty((rank, CELLS_AT_ONCE))
    for i in range(lengths[mode]):
        for first in range(slices.starts[i], slices.starts[i + 1], CELLS_AT_ONCE):
            end = min(first + CELLS_AT_ONCE, slices.starts[i + 1])
            listed_columns(slices.others, counts.layout, factors, mode, first, end, columns)
            for r in range(rank):
                for c in range(end - first):
                    sums[r, i] += columns[r, c]
    if counts.few_hidden:
        for r in range(rank):
            everywhere = 1.0
            for n in range(lengths.size):
                if n != mode:
                    total = 0.0
                    for i in range(offsets[n], offsets[n] + lengths[n]):
                        total += factors[r, i]
                    everywhere *= total
            for i in range(lengths[mode]):
                sums[r, i] = max(everywhere - sums[r, i], 0.0)  # a row without observed cells is a difference of equals
    return sums


@compiled
def surely_downhill(gram, slope, before, now):  # type: ignore[no-untyped-def]
    """Tell whether a step lowers sum m - sum x log m, whatever the cells are, by its slope and its second derivatives.

    Where rates keep the share q <= 1 at least, it lies above slope' d by (q - 1 - log q) / (q - 1)^2 d' gram d at most.
    """
    share, first, second = 1.0, 0.0, 0.0
    for r in range(now.size):
        step = now[r] - before[r]
        if step < 0.0:
            share = min(share, now[r] / before[r])
        first += slope[r] * step
        for s in range(now.size):
            second += step * gram[r, s] * (now[s] - before[s])
    if second <= 0.0:
        return first <= 0.0
    share = min(share, 0.99)  # the quotient is one of small differences close to 1
    return share > 0.0 and first + (share - 1.0 - np.log(share)) / (share - 1.0) ** 2 * second <= 0.0


@compiled
def newton_rows(sums, slopes, curvatures, rows, moved):  # type: ignore[no-untyped-def]
    """Move each row to the minimum over a >= 0 of the quadratic model of sum m - sum x log m.

    Return which of them may have gone uphill.
    """
    rank, length = rows.shape
    doubtful = np.zeros(length, dtype=np.bool_)
    gram = np.empty((rank, rank))
    rhs, slope, before, now = np.empty(rank), np.empty(rank), np.empty(rank), np.empty(rank)
    for i in range(length):
        p = 0
        for r in range(rank):
            for s in range(r + 1):
                gram[r, s] = curvatures[p, i]
                gram[s, r] = curvatures[p, i]
                p += 1
            slope[r] = sums[r, i] - slopes[r, i]
            before[r] = rows[r, i]
            # A row without a count where this component lives: the rate there only costs.
            now[r] = before[r] if gram[r, r] > 0.0 or sums[r, i] <= 0.0 else 0.0
        for r in range(rank):
            rhs[r] = -slope[r]
            for s in range(rank):
                rhs[r] += gram[r, s] * before[s]
        descend(gram, rhs, now)
        doubtful[i] = not surely_downhill(gram, slope, before, now)
        for r in range(rank):
            moved[r, i] = now[r]
    return doubtful
