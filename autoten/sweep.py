"""The sweep over ranks: every fit that anything later needs, made once, rank after rank."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoten._errors import as_generator, refuse
from autoten.fits import EXACT_LOSS, SAME_LOSS, FoldFit, RankFits, best_of
from autoten.halves import Half, draw_halves, without_mode
from autoten.holdout import Fold, Holdout, counts_of, offsets_of
from autoten.matching import Seen
from autoten.model import CPModel, n_parameters
from autoten.solvers.base import Fit, Solver
from autoten.solvers.starts import make_start
from autoten.solvers.subspaces import Compression, Subspaces, completed, is_complete
from autoten.tensors.chunked import ChunkedTensor
from autoten.tensors.tensor import Tensor
from autoten.workers import Task, Workers, task

# A fold has one start, grown from its own model of the rank below, and so many where that is no sure way: where its
# training tensor is not the whole less some cells, but a smaller one, or has fewer cells for each parameter than this.
FOLD_STARTS = 3
FEW_CELLS = 10.0

# Folds and halves end when what is still to come of their loss is less than this part of what noise gives the
# parameters of one component, and than this part of the loss: small tensors take their time.
SETTLED = 0.01
COARSEST_TOL = 3e-6

# It has missed a component if the full fit leaves less by more than this part of what the parameters of one take off
# noise: fits that have all components differ by less (benchmarks/bench_leak.py).
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

# With a limit of time, this share of it is held back for the ranks to come, the same for each: a rank that takes too
# long is left unfinished, so that all of them are at least explored.
HELD_BACK = 0.5

# Halves of the longest mode are fitted by themselves, to see whether the components come back: so many random splits,
# of which the best counts, so that few starts of each half will do, and so many sweeps of the better one, since what
# comes back shows early.
N_SPLITS = 4
HALF_STARTS = 2
HALF_SWEEPS = 60

# The start that is grown from the rank below stays in full space, beside those explored in the core.
FULL_SPACE_STARTS = (0,)

# One stream of random numbers per purpose, keyed by (purpose, rank, number): no count of workers, ranks or folds
# changes another number.
START, FOLD, DRAW_FOLDS, RESAMPLE, DRAW_HALVES, HALF = range(6)


class Passed(NamedTuple):
    """A rank that is known from an earlier run, or only climbed over, and its best model."""

    rank: int
    model: CPModel


@dataclass(frozen=True)
class Plan:
    """How a rank sweep is to be fitted."""

    solver: Solver
    holdout: Holdout
    n_starts: int
    n_folds: int
    entropy: int
    n_jobs: int = 1
    deadline: float = math.inf
    n_splits: int = N_SPLITS

    def rng(self, *key: int) -> np.random.Generator:
        """Return the stream of random numbers with this key."""
        return np.random.default_rng(np.random.SeedSequence(self.entropy, spawn_key=key))

    def __reduce__(self) -> tuple[Any, ...]:
        # Another machine's monotonic clock began at another time: the deadline travels by the time of day.
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _arrived, (values, time.time() - time.monotonic())


def _arrived(values: dict[str, Any], offset: float) -> Plan:
    return Plan(**{**values, "deadline": values["deadline"] + offset - (time.time() - time.monotonic())})


def fit_once(tensor: Tensor, rank: int, plan: Plan) -> Fit:
    """Return the best fit of one rank from starts of its own: none is grown from a smaller rank."""
    with Workers(1, here=isinstance(tensor, ChunkedTensor)) as workers:
        workers.share(tensor)
        starts, _ = _fit_starts(_Runner(workers, tensor, plan), Subspaces(tensor), plan, rank, _empty(tensor))
    return best_of(starts.fits)


def fit_ranks(
    tensor: Tensor,
    ranks: Sequence[int],
    plan: Plan,
    on_fit: Callable[[int], Any] = lambda n: None,
    known: Mapping[int, CPModel] = MappingProxyType({}),
    memory: MutableMapping[Key, Any] | None = None,
) -> Iterator[RankFits | Passed]:
    """Yield the fits of rank 0 and of each requested rank, smallest first; what is passed over by its best model.

    Every rank up to the largest is fitted, by the folds too, because each one gives the next a start to grow from. With
    a deadline a rank past the smallest requested one has a time of its own, after which no more of it is fitted: folds
    and halves without a fit that has ended have no model. Ends once the deadline has passed.

    Parameters
    ----------
    tensor : Tensor
    ranks : sequence of int
        Increasing, >= 1.
    plan : Plan
    on_fit : callable
        Called with the number of fits just finished.
    known : mapping from rank to CPModel
        Best models of ranks, 0 included, that an earlier run has finished: passed over, and grown from.
    memory : mapping, optional
        Single fits that an earlier run has finished are taken from here, and those of this run put here.
    """
    if all(rank in known for rank in range(max(ranks) + 1)):
        for rank in range(max(ranks) + 1):
            yield Passed(rank, known[rank])
        return
    folds = plan.holdout.folds(tensor, plan.n_folds, plan.rng(DRAW_FOLDS))
    null = plan.solver.fit(tensor, _empty(tensor))
    subspaces = Subspaces(tensor)
    # An array read in chunks has none: their fits would take more passes than all others.
    split = not isinstance(tensor, ChunkedTensor)
    halves = draw_halves(tensor.shape, plan.n_splits, plan.rng(DRAW_HALVES)) if split else []
    best, settled, unasked = null.model, True, {"starts": 0.0, "folds": 0.0}
    own = _OwnModels.of(folds, null.model)
    waiting: _Waiting | None = None
    with Workers(plan.n_jobs, here=isinstance(tensor, ChunkedTensor)) as workers:
        workers.share(tensor, *folds)
        runner = _Runner(workers, tensor, plan, memory)
        if 0 in known:
            yield Passed(0, known[0])
        else:
            yield _nothing_fitted(tensor, plan, folds, null)
        left = [rank for rank in range(1, max(ranks) + 1) if rank not in known]
        limited = _limited(plan, left, min(ranks))
        for rank in range(1, max(ranks) + 1):
            if rank in known:
                best, settled = known[rank], True
                yield Passed(rank, best)
                on_fit(plan.n_starts + len(folds))
                continue
            starts, refitted = _fit_starts(runner, subspaces, limited[rank], rank, best, settled, waiting)
            on_fit(plan.n_starts + (waiting is not None) * len(folds))
            if waiting is not None:
                own = own.after(rank - 1, refitted[0][0])
                yield waiting.done(*refitted)
                waiting = None
            if not starts.fits:  # time is over
                return
            best, settled = best_of(starts.fits).model, starts.whole
            unasked = {"starts": unasked["starts"] + starts.seconds, "folds": unasked["folds"]}
            own = own.at(rank - 1, runner, limited[rank], folds, known)
            # With several workers the folds are fitted beside the next rank's refining, so that none of them idles.
            waits = workers.several and rank + 1 in left and rank in ranks
            of_folds = own.group(rank, limited[rank + waits], folds, best, settled)
            if rank not in ranks:
                (fitted,), (spent,) = runner.run(of_folds)
                on_fit(len(folds))
                own = own.after(rank, fitted)
                unasked = {**unasked, "folds": unasked["folds"] + spent}
                if settled:
                    yield Passed(rank, best)
                continue
            of_halves = list(_half_arguments(plan, halves, subspaces, best, rank))
            groups = (of_folds, _Group(rank, _fit_half, limited[rank + waits], of_halves, settled))
            waiting = _Waiting(tensor, rank, starts, unasked, folds, groups, plan.solver)
            unasked = {"starts": 0.0, "folds": 0.0}
            if not waits:
                refitted = runner.run(*waiting.groups)
                on_fit(len(folds))
                own = own.after(rank, refitted[0][0])
                yield waiting.done(*refitted)
                waiting = None


def _nothing_fitted(tensor: Tensor, plan: Plan, folds: Sequence[Fold], null: Fit) -> RankFits:
    """Return the fits of rank 0, the model without components."""
    empty = tuple(_fold_fit(tensor, fold, null.model, True) for fold in folds)
    return RankFits(0, (null,), empty, {"starts": 0.0}, plan.solver, whole=time.monotonic() <= plan.deadline)


def _limited(plan: Plan, left: Sequence[int], first: int) -> dict[int, Plan]:
    """Return the plan of each rank that is left to be fitted, with a deadline of its own.

    Ranks up to the first requested one may take all the time: without that one there is no answer.
    """
    if plan.deadline == math.inf:
        return dict.fromkeys(left, plan)
    share = HELD_BACK * max(plan.deadline - time.monotonic(), 0.0) / max(len(left), 1)
    to_come = {rank: 0 if rank <= first else len(left) - 1 - n for n, rank in enumerate(left)}
    return {rank: replace(plan, deadline=plan.deadline - share * to_come[rank]) for rank in left}


@dataclass(frozen=True, eq=False)
class FoldModel:
    """What a fold has fitted to its training tensor and what that makes of the whole (None where it is not defined).

    The fold's cells, a long list, stay where they are.
    """

    own: CPModel
    whole: CPModel | None
    converged: bool
    cells_per_parameter: float


# Which fit: its rank, the function that makes it, and its number.
Key = tuple[int, str, int]

# What a fit returned (None if it was not begun), and whether it had ended in time.
_Result = tuple[Any, bool]

# What groups of fits returned, and their seconds.
_Done = tuple[list[list[_Result]], list[float]]


@dataclass(frozen=True, eq=False)
class _Group:
    """Fits of one kind and rank: what is called with the tensor, the plan and each of the arguments.

    Not `settled` if they are grown from fits that time has cut short, so that more time would give others.
    """

    rank: int
    function: Callable[..., Any]
    plan: Plan
    arguments: Sequence[tuple[Any, ...]]
    settled: bool

    def key(self, number: int) -> Key:
        """Return which fit a number means."""
        return self.rank, self.function.__name__, number

    def lasts(self, number: int) -> bool:
        """Return whether a further run would make the same fit; all starts but the grown one stand by themselves."""
        return self.settled or (self.function is _explore and number not in FULL_SPACE_STARTS)


class _Runner:
    """Runs groups of fits, but for those in the memory, and puts there what ends in time, as it comes."""

    def __init__(
        self, workers: Workers, tensor: Tensor, plan: Plan, memory: MutableMapping[Key, Any] | None = None
    ) -> None:
        self.workers = workers
        self.tensor = tensor
        self._plan = plan
        self._memory = memory
        self._begun = False

    def run(self, *groups: _Group, together: bool = False) -> _Done:
        """Return the results of each group and its share of the seconds."""
        known = self._memory or {}
        absent = [[n for n in range(len(group.arguments)) if group.key(n) not in known] for group in groups]
        tasks = [[self._task(group, n, n == new[0]) for n in new] for group, new in zip(groups, absent, strict=True)]
        places = [(group, number) for group, numbers in zip(groups, absent, strict=True) for number in numbers]
        made: dict[Key, _Result] = {}

        def told(place: int, result: _Result) -> None:
            group, number = places[place]
            made[group.key(number)] = result
            if self._memory is not None and result[1] and group.lasts(number):
                self._memory[group.key(number)] = result[0]

        if together:
            seconds = [self.workers.run_together(tasks[0], told)[1]]
        else:
            _, seconds = self.workers.run(*tasks, told=told)
        keys = [[group.key(number) for number in range(len(group.arguments))] for group in groups]
        return [[made[key] if key in made else (known[key], True) for key in of] for of in keys], seconds

    def remembers(self, group: _Group) -> bool:
        """Return whether no fit of a group has to be made."""
        return all(group.key(number) in (self._memory or {}) for number in range(len(group.arguments)))

    def _task(self, group: _Group, number: int, first: bool) -> Task:
        # The first fit of a run may take all the time, so that each run gets further; so may the first of a rank.
        plan = self._plan if not self._begun or (first and group.function is _explore) else group.plan
        self._begun = True
        return task(_in_time, group.function, self.tensor, plan, *group.arguments[number])


def _in_time(function: Callable[..., Any], tensor: Tensor, plan: Plan, *arguments: Any) -> _Result:
    """Return what the function returns, and whether it did so before the deadline; after it, nothing is begun."""
    if time.monotonic() > plan.deadline:
        return None, False
    result = function(tensor, plan, *arguments)
    return result, time.monotonic() <= plan.deadline


@dataclass(frozen=True, eq=False)
class _OwnModels:
    """The folds' own models of a rank, from which those of the next one grow; not `settled` if time cut one short."""

    rank: int
    models: tuple[CPModel, ...]
    settled: bool = True

    @classmethod
    def of(cls, folds: Sequence[Fold], null: CPModel) -> _OwnModels:
        """Return those without components."""
        return cls(0, tuple(fold.restrict(null) for fold in folds))

    def group(self, rank: int, plan: Plan, folds: Sequence[Fold], full: CPModel, settled: bool) -> _Group:
        """Return the fits of all folds of a rank."""
        arguments = [(fold, own, full, n) for n, (fold, own) in enumerate(zip(folds, self.models, strict=True))]
        return _Group(rank, _fit_fold, plan, arguments, settled and self.settled)

    def after(self, rank: int, fitted: Sequence[_Result]) -> _OwnModels:
        """Return the models of a rank from what its fits returned."""
        pairs = zip(self.models, fitted, strict=True)
        models = tuple(before if now is None else now.own for before, (now, _) in pairs)
        return _OwnModels(rank, models, self.settled and all(ended for _, ended in fitted))

    def at(
        self, rank: int, runner: _Runner, plan: Plan, folds: Sequence[Fold], known: Mapping[int, CPModel]
    ) -> _OwnModels:
        """Return the models of a known rank: kept by an earlier run, else on the same way as then."""
        own, ways = self, range(self.rank + 1, rank + 1)
        kept = [each for each in ways if runner.remembers(self.group(each, plan, folds, known[each], True))]
        for each in range(kept[-1] if kept else self.rank + 1, rank + 1):
            own = own.after(each, runner.run(own.group(each, plan, folds, known[each], True))[0][0])
        return own


@dataclass(frozen=True, eq=False)
class _Starts:
    """The fits from those starts that there was time for, none if none has ended; whether all have; their seconds."""

    fits: tuple[Fit, ...]
    whole: bool
    seconds: float


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A rank whose starts are fitted; its folds and halves are still to be, two groups."""

    tensor: Tensor
    rank: int
    starts: _Starts
    spent: Mapping[str, float]
    folds: Sequence[Fold]
    groups: tuple[_Group, _Group]
    solver: Solver

    def done(self, fitted: Sequence[list[_Result]], seconds: Sequence[float]) -> RankFits:
        """Return the fits of the rank from what its groups returned, and how long they took."""
        held_out = tuple(
            _fold_fit(self.tensor, fold, of.whole, of.converged, of.cells_per_parameter)
            if ended
            else _fold_fit(self.tensor, fold, None, False)
            for fold, (of, ended) in zip(self.folds, fitted[0], strict=True)
        )
        pairs = zip(fitted[1][0::2], fitted[1][1::2], strict=True)
        halves = tuple((one, other) for (one, ended), (other, too) in pairs if ended and too)
        spent = {**self.spent, "folds": self.spent["folds"] + seconds[0], "halves": seconds[1]}
        # Folds may have ended in time and yet have grown from one of the rank below that had not.
        settled = all(group.settled for group in self.groups)
        whole = settled and all(ended for results in fitted for _, ended in results)
        return RankFits(self.rank, self.starts.fits, held_out, spent, self.solver, halves, whole)


def entropy_of(random_state: Any) -> int:
    """Return the integer from which every stream of random numbers derives."""
    rng = as_generator(random_state)
    return int(random_state) if isinstance(random_state, (int, np.integer)) else int(rng.integers(2**63))


def largest_useful_rank(shape: Sequence[int]) -> int:
    """Return the product of all mode lengths but the largest: no tensor of this shape has a larger rank."""
    return math.prod(sorted(shape)[:-1])


def check_largest_rank(shape: Sequence[int], rank: int, what: str) -> None:
    """Refuse a rank above what any tensor of this shape can have."""
    bound = largest_useful_rank(shape)
    if rank > bound:
        expected = f"at most {bound}, the largest rank that a tensor of shape {tuple(shape)} can have"
        refuse(what, expected, str(rank), "Ask for fewer components.")


def largest_determined_rank(tensor: Tensor) -> int:
    """Return the largest rank, 1 at least, whose free parameters do not outnumber the observed cells.

    Beyond it many models fit equally well, and none can be told from the others.
    """
    return max(tensor.n_observed // n_parameters(tensor.shape, 1), 1)


def _fit_starts(
    runner: _Runner,
    subspaces: Subspaces,
    plan: Plan,
    rank: int,
    smaller: CPModel,
    settled: bool = True,
    waiting: _Waiting | None = None,
) -> tuple[_Starts, _Done]:
    """Return a fit from every start: all explored, the best of them refined until they converge.

    The second entry is what the groups of a rank that waits have returned.
    """
    began = time.monotonic()
    several = plan.n_starts > 1  # else there is only one, grown or random, in full space
    core = subspaces.core(rank, smaller) if plan.solver.compress and several else None
    if core is not None:
        runner.workers.share(core)
    bases = subspaces.bases(rank) if several else ()
    starts = [make_start(n, bases, rank, smaller, plan.rng(START, rank, n)) for n in range(plan.n_starts)]
    cores = [None if number in FULL_SPACE_STARTS else core for number in range(plan.n_starts)]
    exploring = _Group(rank, _explore, plan, list(zip(starts, cores, strict=True)), settled)
    explored = runner.run(exploring)[0][0]
    fits: dict[int, Fit] = {number: fit for number, (fit, _) in enumerate(explored) if fit is not None}
    if not any(ended for _, ended in explored):
        fits = {}  # no fit at all that is worth a look
    whole = settled and all(ended for _, ended in explored)
    promising = _distinct_best(fits)
    spent = time.monotonic() - began
    refining = _Group(rank, _refine, plan, [(fits[number],) for number in promising], whole)
    groups = () if waiting is None else waiting.groups
    (refined, *others), (seconds, *of_others) = runner.run(refining, *groups, together=waiting is None)
    fits |= {number: fit for number, (fit, _) in zip(promising, refined, strict=True) if fit is not None}
    whole = whole and all(ended for _, ended in refined)
    return _Starts(tuple(fits[n] for n in sorted(fits)), whole, spent + seconds), (others, of_others)


def _distinct_best(fits: Mapping[int, Fit]) -> list[int]:
    """Return which fits to refine: the smallest losses, no two of them the same."""
    chosen: list[int] = []
    for number in sorted(fits, key=lambda number: fits[number].loss):
        if not chosen or fits[number].loss > fits[chosen[-1]].loss * (1.0 + SAME_LOSS):
            chosen.append(number)
    return chosen[:N_REFINED]


def _explore(tensor: Tensor, plan: Plan, start: CPModel, core: Compression | None) -> Fit:
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
    endless = getattr(plan.solver, "tol", None) == 0  # every sweep is wanted
    return replace(fit, converged=fit.converged and not endless)


def _refine(tensor: Tensor, plan: Plan, fit: Fit) -> Fit:
    return fit if fit.converged else plan.solver.fit(tensor, fit.model, deadline=plan.deadline)


def _fit_fold(tensor: Tensor, plan: Plan, fold: Any, smaller: CPModel, full: CPModel, number: int) -> FoldModel:
    """Fit a fold, grown from its own model of the rank below, which has not seen what the fold holds out.

    The full fit has: past the true rank its surplus components lie where they fit the noise of held-out cells too, and
    a fold that starts there stays there, however long it is fitted. So it serves only where the fold has missed a
    component on its own way: where a single sweep from the full fit leaves less of the training cells than the fold's
    own fit does, by more than a good part of what the parameters of one component take off noise.

    A model with as many parameters as there are cells to learn from would predict anything: such a fold has none. And
    where cells are missing, entries that no training cell determines are zero: what they would predict is not known.
    """
    beside_offsets = hasattr(fold, "offsets")
    training = tensor.hide(fold.cells) if beside_offsets else fold.training(tensor)
    rank, of_one, solver = full.rank, n_parameters(training.shape, 1), settling(plan.solver, training)
    per_parameter = training.n_observed / (rank * of_one)
    if per_parameter <= 1.0:
        return FoldModel(smaller, None, True, per_parameter)
    if beside_offsets and tensor.norm_squared > 0.0:  # zeros need no offsets
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
    whole = fold.complete(tensor, best.model)
    if whole is not None and fold.warm and len(tensor.hidden):
        whole = Seen.of(training).supported(whole).within_support()
    return FoldModel(best.model, whole, best.converged, per_parameter)


def settling(solver: Solver, tensor: Tensor) -> Solver:
    """Return a solver for fits that are compared by their noise: they end before what noise still gives them counts."""
    tol = getattr(solver, "tol", 0.0)
    telling = tensor.n_observed if tensor.listed is None else len(tensor.listed)  # zeros without number tell little
    enough = min(SETTLED * n_parameters(tensor.shape, 1) / max(telling, 1), COARSEST_TOL)
    return replace(solver, tol=enough) if 0.0 < tol < enough else solver  # type: ignore[type-var]


def _fit_beside_offsets(tensor: Tensor, plan: Plan, fold: Any, start: CPModel, max_iter: int | None = None) -> Fit:
    """Fit a fold's offsets and its components in turn: the error over what it sees never rises.

    With `max_iter` one turn of so many sweeps.
    """
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


def _half_arguments(
    plan: Plan, halves: Sequence[Half], subspaces: Subspaces, model: CPModel, rank: int
) -> Iterator[tuple[Any, ...]]:
    """Yield the arguments of `_fit_half` for every half that can have so many components."""
    if not halves or rank > largest_useful_rank(halves[0].of_shape(model.shape)):
        return
    bases = [basis[:, :rank] for basis in subspaces.bases(rank)]
    core = subspaces.core(rank, model) if plan.solver.compress else None
    inner = None if core is None else core.bases
    for number, half in enumerate(halves):
        yield half, bases, inner, rank, number


def _fit_half(
    tensor: Tensor,
    plan: Plan,
    half: Half,
    bases: Sequence[NDArray[Any]],
    inner: Sequence[NDArray[Any]] | None,
    rank: int,
    number: int,
) -> CPModel:
    """Return the model of a half without the mode that was split; `inner` are the bases of its core, if it has any."""
    part = half.of(tensor)
    rng, nothing = plan.rng(HALF, rank, number), _empty(part)
    plan = replace(plan, solver=settling(plan.solver, part))
    own_bases = half.of_bases(bases)
    # The model of the whole must not say what a half has not seen: while it is explored its missing cells are zero.
    small = None if inner is None else Compression.of(completed(part, nothing), half.of_bases(inner))
    starts = (make_start(1 + k, own_bases, rank, nothing, rng) for k in range(HALF_STARTS))
    best = best_of([_explore(part, plan, start, small) for start in starts])
    fit = plan.solver.fit(part, best.model, max_iter=HALF_SWEEPS, deadline=plan.deadline)
    return without_mode(fit.model, half.mode)


def _fold_fit(
    tensor: Tensor, fold: Fold, model: CPModel | None, converged: bool, cells_per_parameter: float = math.nan
) -> FoldFit:
    weights = getattr(fold, "weights", None)  # a fold that a user wrote need not have any
    offsets = None if model is None else offsets_of(fold, tensor, model)
    counts = counts_of(fold, tensor)
    return FoldFit(model, fold.cells, converged, weights, counts, offsets, cells_per_parameter)


def _empty(tensor: Tensor) -> CPModel:
    return CPModel(np.zeros(0), tuple(np.zeros((length, 0)) for length in tensor.shape))
