"""The whole alternating-least-squares loop for a dense tensor, compiled: the textbook loop, one call per step.

Layout: everything with a component index keeps it first, (R, length), so that the inner loops run along a mode and
vectorise for any R. All factors lie side by side in one array ``factors`` (R, sum of lengths); ``rows`` is the tensor
as a matrix (product of the leading modes, last mode). Sums are float64 whatever X is.

Hidden cells, if any, are listed by their place (row, column) in ``rows``. ``sink`` is then a writable view of the same
memory as ``rows`` and receives the model's values at these cells, once a sweep.
"""

from __future__ import annotations

import numpy as np

from autoten._dense_kernels import contract_last, fill_leading, mttkrp_last, mttkrp_partial
from autoten._kernels import PROXIMAL, cholesky, compiled

# Sweeps in one window of the stopping rule, and the slowest rate per window that it extrapolates with: closer to 1
# the sum of the series has no meaning.
WINDOW = 5
SLOWEST_RATE = 0.98

# A loss below this share of the sum of squares is rounding: the Gram-based value cannot see further.
ROUNDING = 1e-14

# Extrapolation: plain sweeps before it may begin, first step, growth on success, shrinkage on failure, bounds.
PLAIN_SWEEPS = 5
FIRST_STEP = 0.5
STEP_GROWTH = 1.3
STEP_SHRINKAGE = 0.3
SMALLEST_STEP = 0.05
LARGEST_STEP = 30.0


@compiled
def to_come(losses, n):  # type: ignore[no-untyped-def]
    """Estimate the decrease still to come after n sweeps: the sum of a geometric series over windows of sweeps.

    The last window's own decrease is the least it can be: one slow window does not make a series.
    """
    if n <= 2 * WINDOW:
        return np.inf
    before = max(losses[n - 1 - 2 * WINDOW] - losses[n - 1 - WINDOW], 0.0)
    now = max(losses[n - 1 - WINDOW] - losses[n - 1], 0.0)
    rate = min(now / before, SLOWEST_RATE) if before > 0.0 else 0.0
    return max(now, now * rate / (1.0 - rate))


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
def refill(  # type: ignore[no-untyped-def]
    cell_rows, cell_columns, factors, weights, lengths, offsets, scratch, leading, model, sink, contracted
):
    """Write the model's values into the hidden cells of X; return their sum of squares and the squared change.

    `model` remembers what the cells held, and `contracted`, X times the last factor, is corrected along.
    """
    n_cells = cell_rows.size
    if n_cells == 0:
        return 0.0, 0.0
    fill_leading(factors, lengths, offsets, scratch, leading)
    # One row per index: the cells jump about in this mode.
    last = np.ascontiguousarray(factors[:, offsets[lengths.size - 1] :].T)
    rank = factors.shape[0]
    here = np.empty(rank)
    correction = np.empty(rank)
    total = changed = 0.0
    c = 0
    while c < n_cells:
        # The cells are sorted: those of one row of the matrix share everything but the last factor.
        row = cell_rows[c]
        for r in range(rank):
            here[r] = weights[r] * leading[row, r]
            correction[r] = 0.0
        while c < n_cells and cell_rows[c] == row:
            column = cell_columns[c]
            value = 0.0
            for r in range(rank):
                value += here[r] * last[column, r]
            sink[row, column] = value
            # As it was stored: float32 data round it, and what the sums below see must be what X holds.
            value = np.float64(sink[row, column])
            change = value - model[c]
            for r in range(rank):
                correction[r] += change * last[column, r]
            model[c] = value
            total += value * value
            changed += change * change
            c += 1
        for r in range(rank):
            contracted[r, row] += correction[r]
    return total, changed


@compiled
def als_sweeps(  # type: ignore[no-untyped-def]
    rows,
    sink,
    cell_rows,
    cell_columns,
    lengths,
    offsets,
    factors,
    earlier,
    weights,
    step,
    losses,
    begin,
    end,
    norm_squared,
    tol,
    extrapolate,
):
    """Run sweeps begin .. end - 1 in place; return how many sweeps are done and whether the loss has settled.

    `factors`, `earlier` (the sweep before), `weights`, `step` (one number) and `losses` carry the state between calls.
    """
    rank = factors.shape[0]
    n_modes = lengths.size
    last = n_modes - 1
    n_rows = rows.shape[0]
    now = np.empty_like(factors)
    now_weights = np.empty_like(weights)
    contracted = np.empty((rank, n_rows))
    leading = np.empty((n_rows, rank))
    scratch = np.empty(n_rows)
    right = np.empty(n_rows)
    gram = np.empty((rank, rank))
    lower = np.zeros((rank, rank))
    model = np.zeros(cell_rows.size)
    for sweep in range(begin, end):
        now[:] = factors
        now_weights[:] = weights
        if step[0] > 0.0:
            for r in range(rank):
                for i in range(lengths[0], factors.shape[1]):
                    factors[r, i] += step[0] * (now[r, i] - earlier[r, i])
        hidden = changed = explained = 0.0
        for attempt in range(2):
            hidden, _ = refill(
                cell_rows, cell_columns, factors, weights, lengths, offsets, scratch, leading, model, sink, contracted
            )
            contract_last(rows, factors[:, offsets[last] :].copy(), contracted)
            rhs = mttkrp_partial(contracted, lengths, offsets, factors, 0, scratch, right)
            explained = update_mode(factors, weights, lengths, offsets, 0, rhs, gram, lower)
            filled = norm_squared + hidden
            hidden, changed = refill(
                cell_rows, cell_columns, factors, weights, lengths, offsets, scratch, leading, model, sink, contracted
            )
            if step[0] == 0.0 or attempt == 1:
                break
            if filled - explained - changed <= losses[sweep - 1]:
                step[0] = min(step[0] * STEP_GROWTH, LARGEST_STEP)
                break
            # The step went uphill: take it back and solve the first mode from where we were.
            step[0] = max(step[0] * STEP_SHRINKAGE, SMALLEST_STEP)
            factors[:] = now
            weights[:] = now_weights
        earlier[:] = now
        for mode in range(1, last):
            rhs = mttkrp_partial(contracted, lengths, offsets, factors, mode, scratch, right)
            update_mode(factors, weights, lengths, offsets, mode, rhs, gram, lower)
            hidden, _ = refill(
                cell_rows, cell_columns, factors, weights, lengths, offsets, scratch, leading, model, sink, contracted
            )
        fill_leading(factors, lengths, offsets, scratch, leading)
        explained = update_mode(factors, weights, lengths, offsets, last, mttkrp_last(rows, leading), gram, lower)
        filled = norm_squared + hidden
        hidden, changed = refill(
            cell_rows, cell_columns, factors, weights, lengths, offsets, scratch, leading, model, sink, contracted
        )
        # Error of the filled tensor, less the error at the cells that were filled.
        losses[sweep] = filled - explained - changed
        if sweep + 1 == PLAIN_SWEEPS and extrapolate:
            step[0] = FIRST_STEP
        rounding = ROUNDING * norm_squared
        if losses[sweep] <= rounding or to_come(losses, sweep + 1) <= max(tol * losses[sweep], rounding):
            return sweep + 1, True
    return end, False
