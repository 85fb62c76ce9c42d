"""The whole alternating-least-squares loop over an array, compiled: the textbook loop, one call per step.

Layout: everything with a component index keeps it first, (R, length), so that the inner loops run along a mode and
vectorise for any R. All factors lie side by side in one array ``factors`` (R, sum of lengths); ``rows`` is the tensor
as a matrix (product of the leading modes, last mode). Sums are float64 whatever X is.

Hidden cells, if any, are either listed, to be imputed, or have no weight in ``cell_weights`` and are left out: see
`_row_kernels`. Those of row l of ``rows`` are listed as the columns
``cell_columns[cell_starts[l] : cell_starts[l + 1]]``. ``sink`` is then a writable view of the same memory as ``rows``
and receives the model's values at these cells once a sweep, extrapolated like the factors: whatever stands there, the
observed cells' error is at most the filled tensor's, and a sweep that raises it is taken back.
"""

from __future__ import annotations

import numpy as np

from autoten._dense_kernels import contract_last, contract_rows, fill_leading, mttkrp_last, mttkrp_partial
from autoten._kernels import PROXIMAL, cholesky, compiled, squared_error
from autoten._row_kernels import exact_error, exact_sweep

# Sweeps in one window of the stopping rule, and the slowest rate per window that it extrapolates with: closer to 1
# the sum of the series has no meaning.
WINDOW = 5
SLOWEST_RATE = 0.98

# Falls of single sweeps that shrink by this factor are those of a fit that converges fast.
FAST_RATE = 0.3

# A loss below this share of the sum of squares is rounding: the Gram-based value cannot see further.
ROUNDING = 1e-14

# Hidden cells are filled in so many rows of X at once: they are read again right after, from the cache.
FILLED_ROWS = 64

# Extrapolation: plain sweeps before it may begin, first step, growth on success, shrinkage on failure, bounds.
PLAIN_SWEEPS = 5
FIRST_STEP = 0.5
STEP_GROWTH = 1.3
STEP_SHRINKAGE = 0.3
SMALLEST_STEP = 0.05
LARGEST_STEP = 30.0


@compiled
def rest_of_series(before, now):  # type: ignore[no-untyped-def]
    """Estimate the sum of the falls that follow two in a row, the last one at least: one slow fall makes no series."""
    rate = min(now / before, SLOWEST_RATE) if before > 0.0 else 0.0
    return max(now, now * rate / (1.0 - rate))


@compiled
def to_come(losses, n):  # type: ignore[no-untyped-def]
    """Estimate the decrease still to come after n sweeps: the sum of a geometric series over windows of sweeps.

    Before there are two windows, three falls do, each a fraction of the one before; the series is then one of the
    slowest rate.
    """
    if n <= 2 * WINDOW:
        if n < 4:
            return np.inf
        first = losses[n - 4] - losses[n - 3]
        second = losses[n - 3] - losses[n - 2]
        third = losses[n - 2] - losses[n - 1]
        if second <= FAST_RATE * first and third <= FAST_RATE * second:
            return max(third, 0.0) / (1.0 - SLOWEST_RATE)
        return np.inf
    before = max(losses[n - 1 - 2 * WINDOW] - losses[n - 1 - WINDOW], 0.0)
    return rest_of_series(before, max(losses[n - 1 - WINDOW] - losses[n - 1], 0.0))


@compiled
def gram_of_others(factors, lengths, offsets, mode, out):  # type: ignore[no-untyped-def]
    """out = the elementwise product of the Gram matrices of every factor but `mode`'s."""
    rank = factors.shape[0]
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


@compiled
def solve_columns(gram, rhs, delta, lower):  # type: ignore[no-untyped-def]
    """Overwrite rhs (R, I) with the solution of (gram + delta I) x = rhs, by Cholesky, all columns at once."""
    rank, length = rhs.shape
    cholesky(gram, delta, lower)
    for r in range(rank):
        for s in range(r):
            share = lower[r, s]
            for i in range(length):
                rhs[r, i] -= share * rhs[s, i]
        inverse = 1.0 / lower[r, r]
        for i in range(length):
            rhs[r, i] *= inverse
    for r in range(rank - 1, -1, -1):
        for s in range(r + 1, rank):
            share = lower[s, r]
            for i in range(length):
                rhs[r, i] -= share * rhs[s, i]
        inverse = 1.0 / lower[r, r]
        for i in range(length):
            rhs[r, i] *= inverse


@compiled
def update_mode(factors, weights, lengths, offsets, mode, rhs, gram, lower):  # type: ignore[no-untyped-def]
    """Put the mode at its least-squares optimum; return what the model takes off the sum of squares.

    The columns get unit length, their norms go to the weights.
    """
    rank = factors.shape[0]
    length = lengths[mode]
    start = offsets[mode]
    gram_of_others(factors, lengths, offsets, mode, gram)
    trace = 0.0
    for r in range(rank):
        trace += gram[r, r]
    delta = max(PROXIMAL * trace / rank, 1e-300)
    solution = rhs.copy()
    for r in range(rank):
        for i in range(length):
            solution[r, i] += delta * weights[r] * factors[r, start + i]
    solve_columns(gram, solution, delta, lower)
    explained = 0.0
    for r in range(rank):
        squared = 0.0
        for s in range(r + 1):
            inner = 0.0
            for i in range(length):
                inner += solution[r, i] * solution[s, i]
            if s == r:
                squared = inner
                explained -= gram[r, r] * inner
            else:
                explained -= 2.0 * gram[r, s] * inner
        for i in range(length):
            explained += 2.0 * solution[r, i] * rhs[r, i]
        weights[r] = np.sqrt(squared)
        inverse = 1.0 / weights[r] if weights[r] > 0.0 else 1.0
        for i in range(length):
            factors[r, start + i] = solution[r, i] * inverse
    return explained


@compiled
def model_at_cells(  # type: ignore[no-untyped-def]
    sink, cell_starts, cell_columns, factors, weights, offsets, leading, filling, before, step, model
):
    """Put the model's values at the hidden cells into `model`; return what their filling adds to the squared error.

    `leading` is the Khatri-Rao product of every factor but the last. With f what X holds at the hidden cells (see
    `fill`) and m the model, the filled tensor has sum f^2 in its sum of squares and sum (f - m)^2 in its squared error
    that the observed cells have not: together sum m (2 f - m).
    """
    total = 0.0
    if cell_columns.size == 0:
        return total
    rank = factors.shape[0]
    single = sink.itemsize == 4  # what it holds has been rounded
    # One row per index: the cells jump about in this mode.
    last = np.ascontiguousarray(factors[:, offsets[offsets.size - 1] :].T)
    here = np.empty(rank)
    for row in range(cell_starts.size - 1):
        for r in range(rank):
            here[r] = weights[r] * leading[row, r]
        for c in range(cell_starts[row], cell_starts[row + 1]):
            column = cell_columns[c]
            value = 0.0
            for r in range(rank):
                value += here[r] * last[column, r]
            held = filling[c] + step * (filling[c] - before[c])
            if single:
                held = np.float64(np.float32(held))
            model[c] = value
            total += value * (2.0 * held - value)
    return total


@compiled
def fill(cell_starts, cell_columns, model, before, step, begin, end, sink):  # type: ignore[no-untyped-def]
    """Write the model's values, moved on by `step` times their last change, into X's hidden cells of these rows."""
    for row in range(begin, end):
        for c in range(cell_starts[row], cell_starts[row + 1]):
            sink[row, cell_columns[c]] = model[c] + step * (model[c] - before[c])


@compiled
def contract_filled(rows, sink, cell_starts, cell_columns, model, before, step, last, out):  # type: ignore[no-untyped-def]
    """Contract X with the last factor; its hidden cells are filled block by block, while the block is at hand."""
    if cell_columns.size == 0:
        contract_last(rows, last, out)
        return
    n_rows = rows.shape[0]
    for begin in range(0, n_rows, FILLED_ROWS):
        end = min(begin + FILLED_ROWS, n_rows)
        fill(cell_starts, cell_columns, model, before, step, begin, end, sink)
        contract_rows(rows, last, out, begin, end)


@compiled
def one_sweep(  # type: ignore[no-untyped-def]
    rows,
    sink,
    cell_starts,
    cell_columns,
    cell_weights,
    lengths,
    offsets,
    factors,
    weights,
    filling,
    before,
    step,
    model,
    norm_squared,
    limit,
    contracted,
    leading,
    scratch,
    right,
    gram,
    lower,
):
    """Update every mode once; return the loss. `model` receives the model's values at listed cells.

    Those cells hold `filling`, moved on from `before` by `step`, meanwhile.

    Infinite, the sweep broken off, if the loss is above `limit` after the first mode already. With listed cells it is
    known at the end only.
    """
    if cell_weights.size > 0:
        return exact_sweep(rows, cell_weights, lengths, offsets, factors, weights, norm_squared, limit)
    last = lengths.size - 1
    here = factors[:, offsets[last] :].copy()
    contract_filled(rows, sink, cell_starts, cell_columns, filling, before, step, here, contracted)
    for mode in range(last):
        rhs = mttkrp_partial(contracted, lengths, offsets, factors, mode, scratch, right)
        explained = update_mode(factors, weights, lengths, offsets, mode, rhs, gram, lower)
        if cell_columns.size == 0 and norm_squared - explained > limit:
            return np.inf
    fill_leading(factors, lengths, offsets, leading)
    explained = update_mode(factors, weights, lengths, offsets, last, mttkrp_last(rows, leading), gram, lower)
    filled = model_at_cells(
        sink, cell_starts, cell_columns, factors, weights, offsets, leading, filling, before, step, model
    )
    return norm_squared + filled - explained


@compiled
def als_sweeps(  # type: ignore[no-untyped-def]
    rows,
    sink,
    cell_starts,
    cell_columns,
    cell_weights,
    lengths,
    offsets,
    factors,
    earlier,
    weights,
    model,
    model_before,
    step,
    losses,
    begin,
    end,
    norm_squared,
    tol,
    extrapolate,
):
    """Run sweeps begin .. end - 1 in place; return how many sweeps are done and whether the loss has settled.

    `factors`, `earlier` (the sweep before), `weights`, `model` and `model_before` (its values at listed cells, now
    and a sweep before), `step` (one number) and `losses` carry the state between calls.
    """
    rank = factors.shape[0]
    n_rows = rows.shape[0]
    now = np.empty_like(factors)
    now_weights = np.empty_like(weights)
    model_after = np.empty_like(model)
    contracted = np.empty((rank, n_rows))
    leading = np.empty((n_rows, rank))
    scratch = np.empty(n_rows)
    right = np.empty(n_rows)
    gram = np.empty((rank, rank))
    lower = np.zeros((rank, rank))
    settled = False
    rounding = ROUNDING * norm_squared
    if begin == 0:
        fill_leading(factors, lengths, offsets, leading)
        model_at_cells(sink, cell_starts, cell_columns, factors, weights, offsets, leading, model, model, 0.0, model)
        model_before[:] = model
    for sweep in range(begin, end):
        now[:] = factors
        now_weights[:] = weights
        ahead = step[0]
        while True:
            if ahead > 0.0:
                for r in range(rank):
                    for i in range(lengths[0], factors.shape[1]):
                        factors[r, i] += ahead * (now[r, i] - earlier[r, i])
            limit = losses[sweep - 1] if ahead > 0.0 else np.inf
            losses[sweep] = one_sweep(
                rows,
                sink,
                cell_starts,
                cell_columns,
                cell_weights,
                lengths,
                offsets,
                factors,
                weights,
                model,
                model_before,
                ahead,
                model_after,
                norm_squared,
                limit,
                contracted,
                leading,
                scratch,
                right,
                gram,
                lower,
            )
            if losses[sweep] <= limit:
                break
            # The step went uphill: take it back and sweep from where we were.
            step[0] = max(step[0] * STEP_SHRINKAGE, SMALLEST_STEP)
            ahead = 0.0
            factors[:] = now
            weights[:] = now_weights
        if ahead > 0.0:
            step[0] = min(step[0] * STEP_GROWTH, LARGEST_STEP)
        earlier[:] = now
        model_before[:] = model
        model[:] = model_after
        if sweep + 1 == PLAIN_SWEEPS and extrapolate:
            step[0] = FIRST_STEP
        settled = losses[sweep] <= rounding or to_come(losses, sweep + 1) <= max(tol * losses[sweep], rounding)
        if settled and tol > 0.0:
            return sweep + 1, True
    return end, settled


@compiled
def residual_error(rows, sink, cell_starts, cell_columns, cell_weights, lengths, offsets, factors, weights):  # type: ignore[no-untyped-def]
    """Return the squared error over observed cells from the residuals; listed cells receive the model's values.

    A wild prediction there cancels before it is squared.
    """
    if cell_weights.size > 0:
        return exact_error(rows, cell_weights, lengths, offsets, factors, weights)
    leading = np.empty((rows.shape[0], factors.shape[0]))
    fill_leading(factors, lengths, offsets, leading)
    model = np.zeros(cell_columns.size)
    model_at_cells(sink, cell_starts, cell_columns, factors, weights, offsets, leading, model, model, 0.0, model)
    fill(cell_starts, cell_columns, model, model, 0.0, 0, cell_starts.size - 1, sink)
    folded = factors[:, offsets[lengths.size - 1] :] * np.expand_dims(weights, 1)
    return squared_error(rows, leading, folded)
