"""The sweep over ranks: every fit that anything later needs, made once, rank after rank."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from autoten.fits import (
    DRAW_FOLDS,
    DRAW_HALVES,
    KINDS,
    N_REFINED,
    SAME_LOSS,
    START,
    Plan,
    RankFits,
    best_of,
    explore,
    fit_fold,
    fit_half,
    refine,
    seen_by_fold,
)
from autoten.holdout import Fold, draw_halves
from autoten.model import CPModel, empty_model, largest_useful_rank
from autoten.solvers.base import Fit, Solver, make_start
from autoten.solvers.subspaces import Subspaces
from autoten.tensors.tensor import Tensor
from autoten.workers import Task, Workers, task

# With a limit of time, this share of it is held back for the ranks to come, the same for each: a rank that takes too
# long is left unfinished, so that all of them are at least explored.
HELD_BACK = 0.5

# The start that is grown from the rank below stays in full space, beside those explored in the core.
FULL_SPACE_STARTS = (0,)

# Which fit: its rank, the function that makes it, and its number.
Key = tuple[int, str, int]

# What a fit returned (None if it was not begun), and whether it had ended in time.
_Result = tuple[Any, bool]

# What groups of fits returned, and their seconds.
_Done = tuple[list[list[_Result]], list[float]]


class Passed(NamedTuple):
    """A rank that is known from an earlier run, or only climbed over: its best model, and the seconds it took.

    Not `whole` if time was over before its fits had ended.
    """

    rank: int
    model: CPModel
    seconds: Mapping[str, float]
    whole: bool = True


def fit_once(tensor: Tensor, rank: int, plan: Plan) -> Fit:
    """Return the best fit of one rank from starts of its own: none is grown from a smaller rank."""
    with Workers(1) as workers:
        runner = _Runner(workers, tensor, plan)
        starts, _ = _fit_starts(runner, Subspaces(tensor), plan, rank, empty_model(tensor.shape))
    return best_of(starts.fits)


def fit_ranks(
    tensor: Tensor,
    ranks: Sequence[int],
    plan: Plan,
    on_fit: Callable[[int], Any] = lambda rank: None,
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
        Called with its rank when a start was explored, or a fold or half fitted.
    known : mapping from rank to CPModel
        Best models of ranks, 0 included, that an earlier run has finished: passed over, and grown from.
    memory : mapping, optional
        Single fits that an earlier run has finished are taken from here, and those of this run put here.
    """
    climb = range(1, max(ranks) + 1)
    if 0 in known and all(rank in known for rank in climb):
        yield from (Passed(rank, known[rank], {}) for rank in (0, *climb))
        return
    folds = plan.holdout.folds(tensor, plan.n_folds, plan.rng(DRAW_FOLDS))
    null = plan.solver.fit(tensor, empty_model(tensor.shape))
    subspaces = Subspaces(tensor)
    halves = draw_halves(tensor.shape, plan.n_splits, plan.rng(DRAW_HALVES))
    best, settled = null.model, True
    own = _OwnModels.of(folds, null.model)
    waiting: _Waiting | None = None
    with Workers(plan.n_jobs) as workers:
        runner = _Runner(workers, tensor, plan, memory, on_fit)
        yield Passed(0, known[0], {}) if 0 in known else _nothing_fitted(tensor, plan, folds, null)
        left = [rank for rank in climb if rank not in known]
        limited = _limited(plan, left, min(ranks))
        for rank in climb:
            if rank in known:
                best, settled = known[rank], True
                yield Passed(rank, best, {})
                continue
            starts, refitted = _fit_starts(runner, subspaces, limited[rank], rank, best, settled, waiting)
            if waiting is not None:
                own = own.after(rank - 1, refitted[0][0])
                yield waiting.done(*refitted)
                waiting = None
            if not starts.fits:  # time is over
                return
            best, settled = best_of(starts.fits).model, starts.whole
            own = own.at(rank - 1, runner, limited[rank], folds, known)
            # With several workers the folds are fitted beside the next rank's refining, so that none of them idles.
            waits = workers.several and rank + 1 in left and rank in ranks
            of_folds = own.group(rank, limited[rank + waits], folds, best, settled)
            split_rows = halves if rank in ranks else []
            arguments = list(_half_arguments(plan, split_rows, subspaces, best, rank))
            of_halves = _Group(rank, fit_half, limited[rank + waits], arguments, settled)
            waiting = _Waiting(tensor, rank, rank in ranks, starts, folds, (of_folds, of_halves), plan.solver)
            if not waits:
                refitted = runner.run(*waiting.groups)
                own = own.after(rank, refitted[0][0])
                yield waiting.done(*refitted)
                waiting = None


def _nothing_fitted(tensor: Tensor, plan: Plan, folds: Sequence[Fold], null: Fit) -> RankFits:
    """Return the fits of rank 0, the model without components."""
    empty = tuple(seen_by_fold(tensor, fold, null.model, True) for fold in folds)
    return RankFits(0, (null,), empty, {"starts": 0.0}, plan.solver, whole=time.monotonic() <= plan.deadline)


def _limited(plan: Plan, left: Sequence[int], first: int) -> dict[int, Plan]:
    """Return the plan of each rank that is left to be fitted, with a deadline of its own."""
    # Ranks up to the first requested one may take all the time: without that one there is no answer.
    if plan.limit == math.inf:
        return dict.fromkeys(left, plan)
    share = HELD_BACK * max(plan.deadline - time.monotonic(), 0.0) / max(len(left), 1)
    to_come = {rank: 0 if rank <= first else len(left) - 1 - n for n, rank in enumerate(left)}
    return {rank: replace(plan, limit=plan.limit - share * to_come[rank]) for rank in left}


@dataclass(frozen=True, eq=False)
class _Group:
    """Fits of one kind and rank: what is called with the tensor, the plan and each of the arguments."""

    # Not `settled` if they are grown from fits that time has cut short, so that more time would give others.

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
        return self.settled or (self.function is explore and number not in FULL_SPACE_STARTS)


class _Runner:
    """Runs groups of fits, but for those in the memory, and puts there what ends in time, as it comes."""

    def __init__(
        self,
        workers: Workers,
        tensor: Tensor,
        plan: Plan,
        memory: MutableMapping[Key, Any] | None = None,
        on_fit: Callable[[int], Any] = lambda rank: None,
    ) -> None:
        self.workers = workers
        self.tensor = tensor
        self._plan = plan
        self._memory = memory
        self._on_fit = on_fit
        self._begun = False

    def run(self, *groups: _Group) -> _Done:
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
            if group.function is not refine:  # of which nobody knows beforehand how many there are
                self._on_fit(group.rank)

        _, seconds = self.workers.run(*tasks, told=told)
        keys = [[group.key(number) for number in range(len(group.arguments))] for group in groups]
        return [[made[key] if key in made else (known[key], True) for key in of] for of in keys], seconds

    def remembers(self, group: _Group) -> bool:
        """Return whether no fit of a group has to be made."""
        return all(group.key(number) in (self._memory or {}) for number in range(len(group.arguments)))

    def _task(self, group: _Group, number: int, first: bool) -> Task:
        # The first fit of a run may take all the time, so that each run gets further; so may the first of a rank.
        plan = self._plan if not self._begun or (first and group.function is explore) else group.plan
        self._begun = True
        return task(_in_time, group.function, self.tensor, plan, *group.arguments[number])


def _in_time(function: Callable[..., Any], tensor: Tensor, plan: Plan, *arguments: Any) -> _Result:
    """Return what the function returns, and whether it did so before the deadline; after it, nothing is begun."""
    deadline = plan.deadline
    if time.monotonic() > deadline:
        return None, False
    result = function(tensor, plan, *arguments)
    # While kernels were compiled the deadline has moved: what the former one has ended is made again.
    if deadline < time.monotonic() <= plan.deadline:
        deadline = plan.deadline
        result = function(tensor, plan, *arguments)
    return result, time.monotonic() <= deadline


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
        return _Group(rank, fit_fold, plan, arguments, settled and self.settled)

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
    """The fits from those starts that there was time for, none if none has ended; their seconds.

    `whole` if all have `ended`, and what they are grown from.
    """

    fits: tuple[Fit, ...]
    ended: bool
    whole: bool
    seconds: float


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A rank whose starts are fitted; its folds and, if it was `asked` for, its halves are still to be: two groups."""

    tensor: Tensor
    rank: int
    asked: bool
    starts: _Starts
    folds: Sequence[Fold]
    groups: tuple[_Group, _Group]
    solver: Solver

    def done(self, fitted: Sequence[list[_Result]], seconds: Sequence[float]) -> RankFits | Passed:
        """Return the fits of the rank from what its groups returned, and how long they took."""
        spent = dict(zip(KINDS, (self.starts.seconds, *seconds), strict=True))
        if not self.asked:
            return Passed(self.rank, best_of(self.starts.fits).model, spent, self.starts.whole)
        held_out = tuple(
            seen_by_fold(self.tensor, fold, of.whole, of.converged, of.cells_per_parameter)
            if ended
            else seen_by_fold(self.tensor, fold, None, False)
            for fold, (of, ended) in zip(self.folds, fitted[0], strict=True)
        )
        pairs = zip(fitted[1][0::2], fitted[1][1::2], strict=True)
        halves = tuple((one, other) for (one, ended), (other, too) in pairs if ended and too)
        # Folds may have ended in time and yet have grown from one of the rank below that had not.
        settled = all(group.settled for group in self.groups)
        in_time = [self.starts.ended, *(all(ended for _, ended in results) for results in fitted)]
        cut_short = tuple(kind for kind, ended in zip(KINDS, in_time, strict=True) if not ended)
        whole = settled and not cut_short
        return RankFits(self.rank, self.starts.fits, held_out, spent, self.solver, halves, whole, cut_short)


def _fit_starts(
    runner: _Runner,
    subspaces: Subspaces,
    plan: Plan,
    rank: int,
    smaller: CPModel,
    settled: bool = True,
    waiting: _Waiting | None = None,
) -> tuple[_Starts, _Done]:
    """Return a fit from every start: all explored, the best of them refined until they converge."""
    # The second entry is what the groups of a rank that waits have returned.
    began = time.monotonic()
    several = plan.n_starts > 1  # else there is only one, grown or random, in full space
    core = subspaces.core(rank, smaller) if plan.solver.compress and several else None
    bases = subspaces.bases(rank) if several else ()
    starts = [make_start(n, bases, rank, smaller, plan.rng(START, rank, n)) for n in range(plan.n_starts)]
    cores = [None if number in FULL_SPACE_STARTS else core for number in range(plan.n_starts)]
    exploring = _Group(rank, explore, plan, list(zip(starts, cores, strict=True)), settled)
    explored = runner.run(exploring)[0][0]
    fits: dict[int, Fit] = {number: fit for number, (fit, _) in enumerate(explored) if fit is not None}
    if not any(ended for _, ended in explored):
        fits = {}  # no fit at all that is worth a look
    in_time = all(ended for _, ended in explored)
    promising = _distinct_best(fits)
    spent = time.monotonic() - began
    refining = _Group(rank, refine, plan, [(fits[number],) for number in promising], settled and in_time)
    groups = () if waiting is None else waiting.groups
    (refined, *others), (seconds, *of_others) = runner.run(refining, *groups)
    fits |= {number: fit for number, (fit, _) in zip(promising, refined, strict=True) if fit is not None}
    in_time = in_time and all(ended for _, ended in refined)
    found = tuple(fits[number] for number in sorted(fits))
    return _Starts(found, in_time, settled and in_time, spent + seconds), (others, of_others)


def _distinct_best(fits: Mapping[int, Fit]) -> list[int]:
    """Return which fits to refine: the smallest losses, no two of them the same."""
    chosen: list[int] = []
    for number in sorted(fits, key=lambda number: fits[number].loss):
        if not chosen or fits[number].loss > fits[chosen[-1]].loss * (1.0 + SAME_LOSS):
            chosen.append(number)
    return chosen[:N_REFINED]


def _half_arguments(
    plan: Plan, halves: Sequence[Sequence[Any]], subspaces: Subspaces, model: CPModel, rank: int
) -> Iterator[tuple[Any, ...]]:
    """Yield the arguments of `fit_half` for every half that can have so many components."""
    if not halves or rank > largest_useful_rank([len(rows) for rows in halves[0]]):
        return
    bases = [basis[:, :rank] for basis in subspaces.bases(rank)]
    core = subspaces.core(rank, model) if plan.solver.compress else None
    inner = None if core is None else core.bases
    for number, half in enumerate(halves):
        yield half, bases, inner, rank, number
