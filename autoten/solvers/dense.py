"""Sweeps of least squares over a dense array: the compiled loop, and how most of its sweeps are done in a small core.

A sweep in full space costs two reads of the tensor. Between two of them the factors can be improved for next to nothing
in the span of their values before and after the last sweep: the tensor's core in these bases has at most twice as many
rows a mode as there are components, and ALS of the core is ALS of the tensor with its factors held in the span. Every
sweep in full space opens new directions, so nothing is cut off, and a fit ends where sweeps in full space alone would
end: at a point that neither kind of sweep improves.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten import _als_kernel as loop
from autoten.compression import Compression
from autoten.cp import CPModel
from autoten.tensors.dense import DenseTensor

if TYPE_CHECKING:
    from autoten.tensors.protocol import DenseRows

Array = NDArray[Any]

# One call of the compiled loop works about this long, so that interrupts and deadlines are seen.
CALL_SECONDS = 0.1
MULTIPLICATIONS_PER_SECOND = 2e9

# Sweeps in a subspace that follow one in full space.
SWEEPS_IN_SUBSPACE = 40

# Subspaces pay for tensors of so many cells, while the core has at most this share of them.
FEWEST_CELLS = 30_000
LARGEST_SHARE = 0.125

# So many in full space follow when subspaces have had nothing to do in so many rounds: then it is the span that has to
# turn, or what is imputed to move, and extrapolated sweeps do both. With hidden cells a fit begins with them.
SWEEPS_IN_FULL_SPACE = 30
IDLE_ROUNDS = 2


class DenseSweeps:
    """A model of a dense tensor and the state of the compiled loop that improves it in place.

    Parameters
    ----------
    dense : DenseRows
        The tensor as a matrix, its hidden cells and its weights.
    shape : tuple of int
        Of the tensor.
    norm_squared : float
        The sum of squares of its observed cells.
    start : CPModel
        Where to begin.
    tol, extrapolate
        As of `ALS`.
    """

    def __init__(
        self,
        dense: DenseRows,
        shape: tuple[int, ...],
        norm_squared: float,
        start: CPModel,
        tol: float,
        extrapolate: bool,
    ) -> None:
        self.norm_squared = norm_squared
        self.tol = tol
        self.extrapolate = extrapolate
        self._dense = dense
        self._shape = shape
        self._lengths = np.array(shape)
        self._offsets = np.cumsum(self._lengths) - self._lengths
        self._at_cells = np.empty(len(dense.cell_columns))  # the model's values at hidden cells after the last sweep
        self.model = start

    @property
    def model(self) -> CPModel:
        """The model."""
        factors = np.split(self._factors, self._offsets[1:], axis=1)
        return CPModel(self._weights.copy(), tuple(np.ascontiguousarray(factor.T) for factor in factors))

    @model.setter
    def model(self, model: CPModel) -> None:
        self._factors = np.ascontiguousarray(np.vstack(model.factors).T, dtype=float)
        self._weights = model.weights.astype(float)

    def sweep(self, most: int, deadline: float) -> tuple[Array, bool]:
        """Do at most so many sweeps; return the loss after each of them, and whether it has settled."""
        # What calls of the loop hand on; extrapolation begins anew, since the model may have moved by other means.
        earlier, at_cells_before, step = self._factors.copy(), np.empty_like(self._at_cells), np.zeros(1)
        losses = np.empty(most)
        cost = self._dense.multiplications(len(self._weights))
        at_once = max(1, int(CALL_SECONDS * MULTIPLICATIONS_PER_SECOND / cost))
        done, settled = 0, False
        while done < most and not (settled and self.tol) and time.monotonic() < deadline:
            done, settled = loop.als_sweeps(
                *self._dense,
                self._lengths,
                self._offsets,
                self._factors,
                earlier,
                self._weights,
                self._at_cells,
                at_cells_before,
                step,
                losses,
                done,
                min(done + at_once, most),
                self.norm_squared,
                self.tol,
                self.extrapolate,
            )
        return losses[:done], settled

    def sweep_by_subspaces(self, most: int, deadline: float) -> tuple[Array, bool]:
        """Do the same, most of the sweeps in the span of the last step in full space, while they have work to do there.

        Settled where sweeps in full space are, or when the falls of whole rounds, one sweep in full space and those in
        its subspace, sum to less than `tol` times the loss, estimated by a geometric series.
        """
        losses: list[float] = []
        settled, idle, fall = False, IDLE_ROUNDS if len(self._at_cells) else 0, math.inf
        while len(losses) < most and not (settled and self.tol) and time.monotonic() < deadline:
            if idle == IDLE_ROUNDS:
                done, settled = self.sweep(min(SWEEPS_IN_FULL_SPACE, most - len(losses)), deadline)
                losses += done.tolist()
                idle, fall = 0, math.inf
                continue
            before, fall_before = losses[-1] if losses else math.inf, fall
            within, at_rest = self._round(most - len(losses), deadline)
            losses += within
            if not within:  # the deadline has passed meanwhile
                break
            idle = idle + 1 if at_rest else 0
            fall = max(before - losses[-1], 0.0)
            to_come = loop.rest_of_series(fall_before, fall) if fall_before < math.inf else fall
            settled = to_come <= max(self.tol * losses[-1], loop.ROUNDING * self.norm_squared)
        return np.array(losses), settled

    def _round(self, most: int, deadline: float) -> tuple[list[float], bool]:
        """Sweep once in full space, then in the span of the factors before and after.

        Return the losses, those in the span of the filled tensor, and whether the latter had settled.
        """
        earlier = self._factors.copy()
        losses = self.sweep(1, deadline)[0].tolist()
        columns = np.vstack([self._factors, earlier]).T
        inside = Compression.of(self._filled(), np.split(columns, self._offsets[1:]))
        core, start = inside.core, inside.restrict(self.model)
        # What is outside the span is orthogonal to every model in it: the loss is that of the core but for a constant.
        norm_squared = self.norm_squared + float(self._at_cells @ self._at_cells)
        tol = max(self.tol, loop.ROUNDING)  # with none there is always a next subspace
        within = DenseSweeps(core.dense_rows(), core.shape, norm_squared, start, tol, self.extrapolate)
        more, settled = within.sweep(min(SWEEPS_IN_SUBSPACE, most - 1), deadline)
        self.model = inside.expand(within.model)
        return losses + more.tolist(), settled

    def _filled(self) -> DenseTensor:
        """Return the tensor, its hidden cells filled with what the model says."""
        rows, sink, starts, columns, _ = self._dense
        loop.fill(starts, columns, self._at_cells, self._at_cells, 0.0, 0, len(starts) - 1, sink)
        return DenseTensor(rows.reshape(self._shape))

    def subspaces_pay(self) -> bool:
        """Return whether most sweeps are better done in subspaces."""
        dense = self._dense
        in_core = math.prod(min(2 * len(self._weights), length) for length in self._shape)
        large = dense.rows.size >= FEWEST_CELLS and in_core <= LARGEST_SHARE * dense.rows.size
        return large and not dense.cell_weights.size

    def residual_error(self) -> float:
        """Return the squared error over observed cells from the residuals."""
        return float(loop.residual_error(*self._dense, self._lengths, self._offsets, self._factors, self._weights))
