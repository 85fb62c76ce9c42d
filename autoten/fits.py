"""Single fits: from a start, of a fold, of a half; and the records of all fits of one rank."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoten._errors import as_generator
from autoten._typing import Array
from autoten.clock import Clock
from autoten.holdout import CentredFold, Fold, Holdout, longest_mode, without_mode
from autoten.matching import Seen
from autoten.model import CPModel, empty_model, n_parameters
from autoten.solvers.als import ALS
from autoten.solvers.base import Fit, Solver, SolverDefaults, ability, make_start
from autoten.solvers.subspaces import Compression, Subspaces, completed, is_complete
from autoten.tensors.counts import Poisson
from autoten.tensors.tensor import Cells, Tensor

# Fits whose losses agree to this relative difference are the same solution; losses below the other are rounding.
SAME_LOSS = 1e-6
EXACT_LOSS = 1e-14

# A fold has one start, grown from its own model of the rank below, and so many where that is no sure way: where its
# training tensor is not the whole less some cells, but a smaller one, or has fewer cells for each parameter than this.
FOLD_STARTS = 3
FEW_CELLS = 10.0

# Folds and halves end when what is still to come of their loss is less than this part of what noise gives the
# parameters of one component, and than this part of the loss: small tensors take their time.
SETTLED = 0.01
COARSEST_TOL = 3e-6

# It has missed a component if the full fit leaves less by more than this part of what the parameters of one take off
# noise: fits that have all components differ by less (benchmarks/archive/leak.md).
MISSED = 0.5

# Starts are explored for so many sweeps in full space, most of them in a compressed core and, where that is not quite
# the tensor, for a few sweeps in full space after it; the best few are refined there until they converge.
EXPLORING_SWEEPS = 60
EXPANDING_SWEEPS = 2
N_REFINED = 3

# A fold that centres fits offsets and components in turn, until a further turn lowers the error it sees by less than
# this share, or for so many turns.
OFFSET_TOLERANCE = 1e-6
OFFSET_TURNS = 50

# Halves of the longest mode are fitted by themselves, to see whether the components come back: so many random splits,
# of which the best counts, so that few starts of each half will do, and so many sweeps of the better one, since what
# comes back shows early.
N_SPLITS = 4
HALF_STARTS = 2
HALF_SWEEPS = 60

# One stream of random numbers per purpose, keyed by (purpose, rank, number): no count of workers, ranks or folds
# changes another number.
START, FOLD, DRAW_FOLDS, RESAMPLE, DRAW_HALVES, HALF, PARTS = range(7)

# The kinds of fits of a rank, in the order in which they are made.
KINDS = ("starts", "folds", "halves")


@dataclass(frozen=True)
class Plan:
    """How a rank sweep is to be fitted; `limit` is when the time is over, unless the clock stands meanwhile."""

    solver: Solver
    holdout: Holdout
    n_starts: int
    n_folds: int
    entropy: int
    n_jobs: int = 1
    limit: float = math.inf
    n_splits: int = N_SPLITS
    clock: Clock = field(default_factory=Clock, compare=False)

    @property
    def deadline(self) -> float:
        """When the time is over, by ``time.monotonic()``: later by what the clock has stood."""
        return self.limit + self.clock.stood

    def rng(self, *key: int) -> np.random.Generator:
        """Return the stream of random numbers with this key."""
        return np.random.default_rng(np.random.SeedSequence(self.entropy, spawn_key=key))

    def __reduce__(self) -> tuple[Any, ...]:
        # Another machine's monotonic clock began at another time: the deadline travels by the time of day.
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "clock"}
        values["limit"] = self.deadline
        return _arrived, (values, time.time() - time.monotonic())


def _arrived(values: dict[str, Any], offset: float) -> Plan:
    return Plan(**{**values, "limit": values["limit"] + offset - (time.time() - time.monotonic())})


@dataclass(frozen=True, eq=False)
class FoldModel:
    """What a fold has fitted to its training tensor and what that makes of the whole (None where it is not defined).

    The fold's cells, a long list, stay where they are.
    """

    own: CPModel
    whole: CPModel | None
    converged: bool
    cells_per_parameter: float


@dataclass(frozen=True, eq=False)
class FoldFit:
    """A fold's model of what it has not seen (None where it is not defined): cells of the tensor.

    Where cells were sampled, `weights` tells how many each of them stands for. With `counts`, a tensor of its own: a
    part of every cell, which the model has not seen. `offsets`, shape (2, n_cells), belong to the prediction where the
    fold centres: beside the model, and beside none. `cells_per_parameter` is the number of observed training cells for
    each free parameter.
    """

    model: CPModel | None
    cells: Cells
    converged: bool
    weights: NDArray[np.float64] | None = None
    counts: Tensor | None = None
    offsets: NDArray[np.float64] | None = None
    cells_per_parameter: float = math.nan


@dataclass(frozen=True, eq=False)
class RankFits:
    """All fits of one rank. Lives until its scores are taken; of the models only the best one's is kept.

    `halves` holds, for each random split of the longest mode, the models of both halves without that mode; none where
    it is too short.
    Not `whole` if time was over before a fit of this rank, or of one that it was grown from, had ended; `cut_short` are
    those of its own, of `KINDS`.
    """

    rank: int
    starts: tuple[Fit, ...]
    folds: tuple[FoldFit, ...]
    seconds: dict[str, float]
    solver: Solver = ALS()  # noqa: RUF009 (a frozen value)
    halves: tuple[tuple[CPModel, CPModel], ...] = ()
    whole: bool = True
    cut_short: tuple[str, ...] = ()

    @property
    def loss(self) -> Poisson | None:
        """What the solver minimises; None for squared errors."""
        return ability(self.solver, "loss", SolverDefaults)  # type: ignore[no-any-return]

    @property
    def best(self) -> Fit:
        """The start with the smallest loss."""
        return best_of(self.starts)


def best_of(fits: Sequence[Fit]) -> Fit:
    """Return the fit with the smallest loss; of those that are the same solution, one that has converged."""
    smallest = min(fit.loss for fit in fits)
    same = [fit for fit in fits if fit.loss <= smallest * (1.0 + SAME_LOSS) + EXACT_LOSS]
    return min(same, key=lambda fit: (not fit.converged, fit.loss))


def explore(tensor: Tensor, plan: Plan, start: CPModel, core: Compression | None) -> Fit:
    """Return a fit that shows what a start leads to: in a core where there is one, then a few sweeps in full space."""
    sweeps = EXPLORING_SWEEPS
    if core is not None and tensor.norm_squared > 0.0:  # zeros have nothing that a core could hold a share of
        explored = plan.solver.explore(core, start, plan.deadline)  # type: ignore[attr-defined]
        start, sweeps = explored.model, EXPANDING_SWEEPS
        if explored.in_span and is_complete(tensor) and len(explored.losses):
            # What the bases cut off is orthogonal to the model: it adds to the error as it is.
            losses = explored.losses + (tensor.norm_squared - core.core.norm_squared)
            history = np.maximum(np.minimum.accumulate(losses), 0.0) / tensor.norm_squared
            return Fit(start, float(history[-1]), len(history), False, history)
    fit = plan.solver.fit(tensor, start, max_iter=sweeps, deadline=plan.deadline)
    endless = ability(plan.solver, "tol", SolverDefaults) == 0.0  # every sweep is wanted
    return replace(fit, converged=fit.converged and not endless)


def refine(tensor: Tensor, plan: Plan, fit: Fit) -> Fit:
    """Return a fit that has converged."""
    return fit if fit.converged else plan.solver.fit(tensor, fit.model, deadline=plan.deadline)


def fit_fold(tensor: Tensor, plan: Plan, fold: Any, smaller: CPModel, full: CPModel, number: int) -> FoldModel:
    """Fit a fold, grown from its own model of the rank below, which has not seen what the fold holds out.

    The full fit has: past the true rank its surplus components lie where they fit the noise of held-out cells too, and
    a fold that starts there stays there, however long it is fitted. So it serves only where the fold has missed a
    component on its own way: where a single sweep from the full fit leaves less of the training cells than the fold's
    own fit does, by more than a good part of what the parameters of one component take off noise.

    A model with as many parameters as there are cells to learn from would predict anything: such a fold has none. And
    where cells are missing, entries that no training cell determines are zero: what they would predict is not known.
    """
    training = fold.training(tensor)
    rank, of_one, solver = full.rank, n_parameters(training.shape, 1), settling(plan.solver, training)
    per_parameter = training.n_observed / (rank * of_one)
    if per_parameter <= 1.0:
        return FoldModel(smaller, None, True, per_parameter)
    if isinstance(fold, CentredFold) and tensor.norm_squared > 0.0:  # zeros need no offsets
        fit = partial(_fit_beside_offsets, tensor, replace(plan, solver=solver), fold)
    else:
        fit = partial(solver.fit, training, deadline=plan.deadline)
    rng = plan.rng(FOLD, rank, number)
    several = not fold.warm or per_parameter < FEW_CELLS
    bases = Subspaces(training).bases(rank) if several else ()
    starts = [make_start(k, bases, rank, smaller, rng) for k in range(FOLD_STARTS if several else 1)]
    best = best_of([fit(start) for start in starts])
    if fold.warm:
        ahead = fit(fold.restrict(full), max_iter=1)
        if ahead.loss < best.loss * (1.0 - MISSED * of_one / (training.n_observed - rank * of_one)):
            best = best_of([best, fit(ahead.model)])
    whole = fold.expand(tensor, best.model)
    if whole is not None and fold.warm and len(tensor.hidden):
        whole = Seen.of(training).supported(whole).within_support()
    return FoldModel(best.model, whole, best.converged, per_parameter)


def settling(solver: Solver, tensor: Tensor) -> Solver:
    """Return a solver for fits that are compared by their noise: they end before what noise still gives them counts."""
    tol = ability(solver, "tol", SolverDefaults)
    telling = tensor.n_observed if tensor.listed is None else len(tensor.listed)  # zeros without number tell little
    enough = min(SETTLED * n_parameters(tensor.shape, 1) / max(telling, 1), COARSEST_TOL)
    return replace(solver, tol=enough) if 0.0 < tol < enough else solver  # type: ignore[type-var]


def _fit_beside_offsets(
    tensor: Tensor, plan: Plan, fold: CentredFold, start: CPModel, max_iter: int | None = None
) -> Fit:
    """Fit a fold's offsets and its components in turn: the error over what it sees never rises."""
    # With `max_iter` one turn of so many sweeps.
    model, before, settled = start, math.inf, False
    for _ in range(OFFSET_TURNS if max_iter is None else 1):
        training = fold.without(tensor, fold.offsets(tensor, model))
        fit = plan.solver.fit(training, model, max_iter=max_iter, deadline=plan.deadline)
        model, error = fit.model, fit.loss * training.norm_squared
        settled = before - error <= OFFSET_TOLERANCE * error + EXACT_LOSS * tensor.norm_squared
        if settled or time.monotonic() > plan.deadline:
            break
        before = error
    return Fit(model, error / tensor.norm_squared, fit.n_iter, fit.converged and settled, fit.history)


def seen_by_fold(
    tensor: Tensor, fold: Any, model: CPModel | None, converged: bool, cells_per_parameter: float = math.nan
) -> FoldFit:
    """Return what scores need of a fold and of its model of the whole."""
    weights, counts = (ability(fold, name, Fold) for name in ("weights", "counts"))
    offsets = fold.offsets_at_cells(tensor, model) if isinstance(fold, CentredFold) and model is not None else None
    return FoldFit(model, fold.cells, converged, weights, counts(tensor), offsets, cells_per_parameter)


def fit_half(
    tensor: Tensor,
    plan: Plan,
    half: Sequence[NDArray[np.int64]],
    bases: Sequence[Array],
    inner: Sequence[Array] | None,
    rank: int,
    number: int,
) -> CPModel:
    """Return the model of a half without the mode that was split; `inner` are the bases of its core, if it has any."""
    part = tensor.sub(half)
    rng, nothing = plan.rng(HALF, rank, number), empty_model(part.shape)
    plan = replace(plan, solver=settling(plan.solver, part))
    own_bases = [basis[rows] for basis, rows in zip(bases, half, strict=True)]
    # The model of the whole must not say what a half has not seen: while it is explored its missing cells are zero.
    small = None
    if inner is not None:
        own_inner = [basis[rows] for basis, rows in zip(inner, half, strict=True)]
        small = Compression.of(completed(part, nothing), own_inner)
    starts = (make_start(1 + k, own_bases, rank, nothing, rng) for k in range(HALF_STARTS))
    best = best_of([explore(part, plan, start, small) for start in starts])
    fit = plan.solver.fit(part, best.model, max_iter=HALF_SWEEPS, deadline=plan.deadline)
    return without_mode(fit.model, longest_mode(tensor.shape))


def entropy_of(random_state: Any) -> int:
    """Return the integer from which every stream of random numbers derives."""
    rng = as_generator(random_state)
    return int(random_state) if isinstance(random_state, (int, np.integer)) else int(rng.integers(2**63))
