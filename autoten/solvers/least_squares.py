"""Least squares in the loop: every mode in turn at its optimum, free or nonnegative, whatever stores the tensor.

How hidden cells are treated is a choice of the fit: few are imputed, from the model of the sweep before, extrapolated
like its factors. Whatever stands there, the observed cells' error is at most the filled tensor's, and a sweep that
raises it is taken back. Where many are hidden, and where cells have weights, every row's equations are solved exactly.

A sweep in full space costs two reads of the tensor. Between two of them the factors can be improved for next to nothing
in the span of their values before and after the last sweep: the tensor's core in these bases has at most twice as many
rows a mode as there are components, and ALS of the core is ALS of the tensor with its factors held in the span. Every
sweep in full space opens new directions, so nothing is cut off, and a fit ends where sweeps in full space alone would
end: at a point that neither kind of sweep improves.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoten._typing import Array
from autoten.kernels.dense import Dense, Layout, fill_pairs, gram_of_others, model_at_cells, product, row_equations
from autoten.kernels.linear import PROXIMAL, ROUNDING, compiled, solve_each, solve_rows
from autoten.kernels.sparse import Slices, add_mttkrp, observed_only
from autoten.model import CPModel
from autoten.solvers import loop
from autoten.solvers.base import Explored, Fit
from autoten.solvers.loop import Pace
from autoten.solvers.stopping import enough, rest_of_series
from autoten.solvers.subspaces import Compression
from autoten.tensors.dense import DenseTensor
from autoten.tensors.sparse import SparseTensor
from autoten.tensors.tensor import model_values

if TYPE_CHECKING:
    from autoten.solvers.als import LeastSquares
    from autoten.solvers.kl import KL
    from autoten.tensors.tensor import Tensor

# Share of hidden cells up to which they are imputed: its convergence slows down in proportion to the share, and past
# the true rank so much that a fit keeps a memory of what it started from.
IMPUTE_SHARE = 0.3

# A start is explored in a core for so many sweeps, which cost next to nothing, and for fewer of factors at full length.
CORE_SWEEPS = 200
CONSTRAINED_SWEEPS = 60

# Sweeps in a subspace that follow one in full space.
SWEEPS_IN_SUBSPACE = 40

# Subspaces pay where a sweep costs as much as one of so many cells, while the core has at most this share of them.
FEWEST_CELLS = 30_000
LARGEST_SHARE = 0.125

# So many in full space follow when subspaces have had nothing to do in so many rounds: then it is the span that has to
# turn, or what is imputed to move, and extrapolated sweeps do both. With hidden cells a fit begins with them.
SWEEPS_IN_FULL_SPACE = 30
IDLE_ROUNDS = 2


@compiled
def admit(model, layout):  # type: ignore[no-untyped-def]
    """Put what an extrapolation has made negative at zero, in modes that must not be."""
    for n in range(layout.lengths.size):
        if layout.nonnegative[n]:
            for r in range(model.weights.size):
                for i in range(layout.offsets[n], layout.offsets[n] + layout.lengths[n]):
                    model.factors[r, i] = max(model.factors[r, i], 0.0)


@compiled
def put(model, layout, mode, solution):  # type: ignore[no-untyped-def]
    """Put the rows of a mode (R, I) into the model: unit columns, their norms as the weights.

    A column of zeros stays one, unless it must not be negative: its direction is then kept, without weight. Other modes
    can bring such a component back, where without any direction they never could.
    """
    begin = layout.offsets[mode]
    for r in range(model.weights.size):
        squared = 0.0
        for i in range(layout.lengths[mode]):
            squared += solution[r, i] * solution[r, i]
        model.weights[r] = np.sqrt(squared)
        if squared > 0.0 or not layout.nonnegative[mode]:
            inverse = 1.0 / model.weights[r] if model.weights[r] > 0.0 else 1.0
            for i in range(layout.lengths[mode]):
                model.factors[r, begin + i] = solution[r, i] * inverse


@compiled
def rows_of(model, layout, mode):  # type: ignore[no-untyped-def]
    """Return the factor of a mode with the weights multiplied in, (R, I)."""
    rows = np.empty((model.weights.size, layout.lengths[mode]))
    for r in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            rows[r, i] = model.weights[r] * model.factors[r, layout.offsets[mode] + i]
    return rows


@compiled
def update_mode(model, layout, mode, rhs):  # type: ignore[no-untyped-def]
    """Put a mode at its optimum, given its MTTKRP (R, I); return what the model takes off the sum of squares."""
    rank = model.weights.size
    gram = gram_of_others(model.factors, layout, mode)
    trace = 0.0
    for r in range(rank):
        trace += gram[r, r]
    previous, solution = rows_of(model, layout, mode), np.empty_like(rhs)
    delta = max(PROXIMAL * trace / rank, 1e-300)
    explained = solve_rows(gram, rhs, previous, delta, layout.nonnegative[mode], solution)
    put(model, layout, mode, solution)
    return explained


@compiled
def update_rows(model, layout, mode, stacked, grams, rhs):  # type: ignore[no-untyped-def]
    """Do so row by row, of equations of their own (I, pairs) and (I, R); the stacked factors follow."""
    rows = slice(layout.offsets[mode], layout.offsets[mode] + layout.lengths[mode])
    previous, solution = stacked[rows] * model.weights, np.empty_like(rhs)
    explained = solve_each(grams, rhs, previous, layout.nonnegative[mode], solution)
    put(model, layout, mode, solution.T)
    stacked[rows] = model.factors[:, rows].T
    return explained


@compiled
def dense_sweep(problem, model, limit):  # type: ignore[no-untyped-def]
    """Sweep a tensor in one array; with listed cells the loss is known at the end only."""
    admit(model, problem.layout)
    if problem.cell_weights.size > 0:
        return exact_sweep(problem, model, limit)
    explained = 0.0
    for mode in range(problem.layout.lengths.size):
        rhs = product(problem, model.factors, model.at_cells, mode)
        explained = update_mode(model, problem.layout, mode, rhs)
        if model.at_cells.size == 0 and problem.norm_squared - explained > limit:
            return np.inf
    filled = model_at_cells(problem, model.factors, model.weights, model.at_cells) if model.at_cells.size else 0.0
    return problem.norm_squared + filled - explained


@compiled
def exact_sweep(problem, model, limit):  # type: ignore[no-untyped-def]
    """Do so with equations of their own for all rows."""
    rank, layout = model.weights.size, problem.layout
    stacked = np.ascontiguousarray(model.factors.T)
    pairs = np.empty((stacked.shape[0], rank * (rank + 1) // 2))
    fill_pairs(stacked, 0, stacked.shape[0], pairs)
    loss = np.inf
    for mode in range(layout.lengths.size):
        start, length = layout.offsets[mode], layout.lengths[mode]
        grams, rhs = np.empty((length, pairs.shape[1])), np.empty((length, rank))
        row_equations(problem, stacked, pairs, mode, grams, rhs)
        loss = problem.norm_squared - update_rows(model, layout, mode, stacked, grams, rhs)
        if loss > limit:
            return np.inf
        fill_pairs(stacked, start, length, pairs)
    return loss


class Core(NamedTuple):
    """A tensor read through its Tucker approximation, while factors keep their length and their constraint.

    Its products are those of a small core between bases (I_n, k_n) with orthonormal columns (Cohen, Comon & Farias
    2015, fast decomposition of large nonnegative tensors).
    """

    core: Dense
    bases: tuple[Array, ...]
    layout: Layout
    norm_squared: float
    n_cells: int = 0  # that are imputed

    def multiplications(self, rank: int) -> float:
        """Return about how many a sweep takes."""
        return 2.0 * rank * (self.core.rows.size + 2 * sum(basis.size for basis in self.bases))


@compiled
def core_sweep(problem, model, limit):  # type: ignore[no-untyped-def]
    """Sweep a Tucker approximation."""
    admit(model, problem.layout)
    layout, inner = problem.layout, problem.core.layout
    nothing = np.empty(0)
    small = np.empty((model.weights.size, inner.lengths.sum()))
    for n in range(inner.lengths.size):
        inside(problem, model.factors, n, small)
    for mode in range(inner.lengths.size):
        rhs = np.dot(product(problem.core, small, nothing, mode), problem.bases[mode].T)
        loss = problem.core.norm_squared - update_mode(model, layout, mode, rhs)
        if loss > limit:
            return np.inf
        inside(problem, model.factors, mode, small)
    return loss


@compiled
def inside(problem, factors, mode, small):  # type: ignore[no-untyped-def]
    """Write what the bases see of a factor."""
    layout, inner = problem.layout, problem.core.layout
    own = factors[:, layout.offsets[mode] : layout.offsets[mode] + layout.lengths[mode]].copy()
    begin = inner.offsets[mode]
    small[:, begin : begin + inner.lengths[mode]] = np.dot(own, problem.bases[mode])


class Lists(NamedTuple):
    """A sparse tensor: the nonzeros slice by slice of every mode, and its hidden cells, where it holds zeros."""

    slices: tuple[Slices, ...]
    values: tuple[Array, ...]  # in the order of each mode's slices
    hidden: tuple[Slices, ...]
    less: Array  # -1 for each hidden cell
    layout: Layout
    norm_squared: float
    n_cells: int = 0  # that are imputed

    def multiplications(self, rank: int) -> float:
        """Return about how many a sweep takes, each of which waits for memory."""
        of_hidden = len(self.less) * (rank + 3) // 2
        return 8.0 * rank * len(self.values) * (len(self.values[0]) + of_hidden)


@compiled
def lists_sweep(problem, model, limit):  # type: ignore[no-untyped-def]
    """Sweep a sparse tensor; with hidden cells rows have equations of their own."""
    layout, rank, hides = problem.layout, model.weights.size, problem.less.size > 0
    admit(model, layout)
    stacked = np.ascontiguousarray(model.factors.T)
    pairs = np.empty((stacked.shape[0] if hides else 0, rank * (rank + 1) // 2))
    if hides:
        fill_pairs(stacked, 0, stacked.shape[0], pairs)
    loss = np.inf
    for mode in range(layout.lengths.size):
        start, length = layout.offsets[mode], layout.lengths[mode]
        rhs = np.zeros((length, rank))
        add_mttkrp(problem.slices[mode], problem.values[mode], layout, stacked, mode, rhs)
        if hides:
            grams = np.zeros((length, pairs.shape[1]))
            add_mttkrp(problem.hidden[mode], problem.less, layout, pairs, mode, grams)
            observed_only(gram_of_others(model.factors, layout, mode), grams, rhs)
            loss = problem.norm_squared - update_rows(model, layout, mode, stacked, grams, rhs)
            fill_pairs(stacked, start, length, pairs)
        else:
            loss = problem.norm_squared - update_mode(model, layout, mode, np.ascontiguousarray(rhs.T))
            stacked[start : start + length] = model.factors[:, start : start + length].T
        if loss > limit:
            return np.inf
    return loss


loop.swept_by(Dense, dense_sweep)
loop.swept_by(Core, core_sweep)
loop.swept_by(Lists, lists_sweep)


def problem_of(tensor: Tensor, rank: int, nonnegative: Sequence[int] = (), impute_share: float = IMPUTE_SHARE) -> Any:
    """Return what the loop sweeps; up to this share of hidden cells they are imputed where X is dense."""
    layout = Layout.of(tensor.shape, nonnegative)
    if isinstance(tensor, SparseTensor):
        modes, hidden = range(len(tensor.shape)), tensor.hidden_pattern
        return Lists(
            tuple(tensor.pattern.slices(mode) for mode in modes),
            tuple(tensor.values_by(mode) for mode in modes),
            tuple(hidden.slices(mode) for mode in modes),
            np.full(len(tensor.hidden), -1.0),
            layout,
            tensor.norm_squared,
        )
    assert isinstance(tensor, DenseTensor)
    return tensor.problem(rank, layout, impute=len(tensor.hidden) <= impute_share * tensor.data.size)


class Sweeps:
    """A model and the problem whose loss sweeps lower, in place.

    Parameters
    ----------
    problem
        See `problem_of`.
    start : CPModel
        Where to begin.
    tol, extrapolate
        As of `ALS`.
    lists : SparseTensor, optional
        The tensor itself, if it is one.
    """

    def __init__(
        self, problem: Any, start: CPModel, tol: float, extrapolate: bool, lists: SparseTensor | None = None
    ) -> None:
        self._problem = problem
        self._lists = lists
        self._pace = Pace(tol, extrapolate, ROUNDING * problem.norm_squared, int(problem.layout.lengths[0]))
        self.model = start

    @property
    def model(self) -> CPModel:
        """The model."""
        return loop.ended(self._model, self._problem.layout.offsets)

    @model.setter
    def model(self, model: CPModel) -> None:
        self._model = loop.begun(model, self._problem.n_cells)

    def sweep(self, most: int, deadline: float) -> tuple[Array, bool]:
        """Do at most so many sweeps; return the loss after each of them, and whether it has settled."""
        if self._problem.n_cells:
            self._problem.look(self._model)
        cost = self._problem.multiplications(len(self._model.weights))
        return loop.run(self._problem, self._model, self._pace, most, deadline, cost)

    def sweep_by_subspaces(self, most: int, deadline: float) -> tuple[Array, bool]:
        """Do the same, most of the sweeps in the span of the last step in full space, while they have work to do there.

        Settled where sweeps in full space are, or when the falls of whole rounds, one sweep in full space and those in
        its subspace, sum to less than `tol` times the loss, estimated by a geometric series.
        """
        losses: list[float] = []
        hides = self._problem.n_cells or (self._lists is None and self._problem.cell_weights.size)
        settled, idle, fall = False, IDLE_ROUNDS if hides else 0, math.inf
        while len(losses) < most and not (settled and self._pace.tol) and time.monotonic() < deadline:
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
            left = rest_of_series(fall_before, fall) if fall_before < math.inf else fall
            settled = bool(enough(losses[-1], left, self._pace))
        return np.array(losses), settled

    def _round(self, most: int, deadline: float) -> tuple[list[float], bool]:
        """Sweep once in full space, then in the span of the factors before and after."""
        # Return the losses, those in the span of the filled tensor, and whether the latter had settled.
        earlier = self._model.factors.copy()
        losses = self.sweep(1, deadline)[0].tolist()
        columns = np.vstack([self._model.factors, earlier]).T
        inner, scale, norm_squared = self._core(np.split(columns, self._problem.layout.offsets[1:]))
        # What is outside the span is orthogonal to every model in it: the loss is that of the core but for a constant.
        core = problem_of(inner.core, len(self._model.weights))._replace(norm_squared=norm_squared)
        tol = max(self._pace.tol, ROUNDING)  # with none there is always a next subspace
        within = Sweeps(core, inner.restrict(self.model.scaled(scale)), tol, self._pace.extrapolate)
        more, settled = within.sweep(min(SWEEPS_IN_SUBSPACE, most - 1), deadline)
        self.model = inner.expand(within.model).scaled(1.0 / scale)
        return losses + more.tolist(), settled

    def _core(self, columns: Sequence[Array]) -> tuple[Compression, float, float]:
        """Return the core, in the span of columns, of what the model completes; its scale, its norm for the loss."""
        if self._lists is None:
            whole, scale, norm_squared = self._problem.completed(self._model)
            return Compression.of(DenseTensor(whole), columns), scale, norm_squared
        inner, hidden = Compression.of(self._lists, columns), self._lists.hidden
        filling = model_values(self.model.folded(), hidden, self._lists.shape)
        core = inner.core.data + SparseTensor(self._lists.hidden_pattern, filling).project(inner.bases)
        norm_squared = self._problem.norm_squared + float(filling @ filling)
        return Compression(DenseTensor(core), inner.bases), 1.0, norm_squared

    def subspaces_pay(self) -> bool:
        """Return whether most sweeps are better done in subspaces."""
        problem, rank = self._problem, len(self._model.weights)
        if not isinstance(problem, (Dense, Lists)) or problem.layout.nonnegative.any():
            return False
        cells = problem.multiplications(rank) / (2.0 * rank)
        in_core = math.prod(min(2 * rank, int(length)) for length in problem.layout.lengths)
        return cells >= FEWEST_CELLS and in_core <= LARGEST_SHARE * cells


def fit_least_squares(
    tensor: Tensor, start: CPModel, solver: LeastSquares, modes: tuple[int, ...], max_iter: int | None, deadline: float
) -> Fit:
    """Fit from a start with unit columns that is nonnegative in these modes."""
    norm_squared = tensor.norm_squared
    if norm_squared == 0.0 or start.rank == 0:
        return Fit(start.scaled(0.0), float(norm_squared > 0.0), 0, True, np.zeros(0))
    lists = tensor if isinstance(tensor, SparseTensor) else None
    sweeps = Sweeps(problem_of(tensor, start.rank, modes), start, solver.tol, solver.extrapolate, lists)
    by_subspaces = solver.compress and solver.extrapolate and sweeps.subspaces_pay()
    most = solver.max_iter if max_iter is None else min(max_iter, solver.max_iter)
    losses, settled = (sweeps.sweep_by_subspaces if by_subspaces else sweeps.sweep)(most, deadline)
    model = sweeps.model
    del sweeps  # and a copy of X with it
    history = np.minimum.accumulate(np.maximum(losses, 0.0)) / norm_squared
    # The Gram-based losses round at 1e-15 of the sum of squares; the residuals themselves do not.
    loss = tensor.squared_error(model.folded()) / norm_squared
    return Fit(model.normalized(), loss, len(history), settled, history)


def explore_core(
    core: Compression, start: CPModel, solver: LeastSquares | KL, modes: tuple[int, ...], deadline: float
) -> Explored:
    """Fit a tensor's core from a start for the tensor.

    Factors that must not be negative keep their length: the tensor is read through its core.
    """
    problem = problem_of(core.core, start.rank)
    if modes:
        layout = Layout.of([len(basis) for basis in core.bases], modes)
        problem = Core(problem, tuple(map(np.ascontiguousarray, core.bases)), layout, problem.norm_squared)
    inside = start if modes else core.restrict(start).normalized()
    sweeps = Sweeps(problem, inside, solver.tol, solver.extrapolate)
    losses, _ = sweeps.sweep(min(CONSTRAINED_SWEEPS if modes else CORE_SWEEPS, solver.max_iter), deadline)
    model = sweeps.model if modes else core.expand(sweeps.model)
    return Explored(model.normalized(), losses, not modes)
