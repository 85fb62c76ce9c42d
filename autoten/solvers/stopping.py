"""When a fit stops: by the decrease of the loss still to come, not by the last one.

In a swamp the loss hardly moves for hundreds of sweeps and falls much in the end. What is left is estimated as the sum
of a geometric series over windows of sweeps.
"""

from __future__ import annotations

import numpy as np

from autoten.kernels.linear import compiled

# Sweeps in one window, and the slowest rate per window that is extrapolated with: closer to 1 the sum of the series has
# no meaning.
WINDOW = 5
SLOWEST_RATE = 0.98

# Falls of single sweeps that shrink by this factor are those of a fit that converges fast.
FAST_RATE = 0.3


@compiled
def enough(loss, left, pace):  # type: ignore[no-untyped-def]
    """Return whether a loss has so little left to fall that it is within the tolerance, or rounding."""
    return left <= max(pace.tol * loss, pace.rounding)


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
