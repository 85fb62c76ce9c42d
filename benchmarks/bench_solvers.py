"""Whole jobs: a rank sweep, its hold-out, a fresh process, two workers, and where the time of an estimate goes.

    python benchmarks/bench_solvers.py            # about eight minutes, writes results/solvers.json
    python benchmarks/bench_solvers.py --smoke    # tiny sizes, writes nothing

The rival is the loop people write today: tensorly's parafac from random starts, rank after rank, and the same with
``mask=`` for every fold. Both sides do at most 100 sweeps a fit, tolerance 1e-8; ours explores in a compressed core,
refines the best starts in full space, and keeps a start in full space besides. A rival that would take more than 60 s
is timed on ranks 1, 5, 10, 15 x 2 starts and scaled (seconds per fit interpolated over ranks), marked ``scaled``.

Quality beside speed: our best squared error per rank against theirs, core consistency of both best models up to the
true rank, the minimum of the held-out error over the same folds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import measure
import neighbours
import numpy as np
import ours
import timed
from measure import alternating, say, seconds_of, short
from timed import Array, Shape

import autoten
from autoten import ALS, HALS, RandomElements
from autoten.door import as_tensor
from autoten.fits import DRAW_FOLDS, Plan

MAX_SWEEPS = 100
TOL = 1e-8
SOLVER = ALS(max_iter=MAX_SWEEPS, tol=TOL)
NONNEGATIVE = HALS(max_iter=MAX_SWEEPS, tol=TOL)
HOLDOUT = RandomElements(0.1)

# A rival that needs longer than this is timed on a few ranks and starts, and scaled.
PATIENCE_SECONDS = 60.0

# What "within 1e-4" and "the same core consistency" (in points) mean.
LOSS_TOLERANCE = 1e-4
CONSISTENCY_TOLERANCE = 1.0

# Workers pay for a job that takes longer than this serially.
PARALLEL_SECONDS = 5.0

# What of an estimate's timings is not fitting.
BESIDE_THE_FITS = ("scores", "selection")

# The whole job of a user with small data, in a process of its own.
ESTIMATE = (
    "import autoten; X = autoten.datasets.load_amino_acids().X; autoten.estimate_rank(X, {ranks}, random_state=0)"
)


@dataclass(frozen=True)
class Sweep:
    """A rank sweep: ranks 1 to `ranks`, free or nonnegative, and what of it a slow rival is timed on."""

    shape: Shape
    ranks: int = 15
    nonnegative: bool = False
    n_starts: int = 10
    timed_ranks: tuple[int, ...] = (1, 5, 10, 15)
    timed_starts: int = 2


@dataclass(frozen=True)
class Folds:
    """A hold-out over ranks 1 to `ranks`."""

    shape: Shape
    ranks: int = 8
    n_folds: int = 5
    n_starts: int = 10
    repeats: int = 3


@dataclass(frozen=True)
class Job:
    """A call of `estimate_rank` with defaults, ranks 1 to `ranks`."""

    shape: Shape
    ranks: int


@dataclass(frozen=True)
class Grid:
    """What is measured. Of `parallel` the first job that is long enough is taken."""

    sweeps: tuple[Sweep, ...]
    folds: tuple[Folds, ...]
    profiles: tuple[Job, ...]
    parallel: tuple[Job, ...]
    parallel_seconds: float
    limited: Job
    max_time: float
    process_ranks: str
    repeats: int
    cold: bool


FULL = Grid(
    sweeps=(
        *(Sweep(shape) for shape in (timed.AMINO_ACIDS, (100, 100, 100), (200, 200, 200))),
        *(Sweep(shape, 10, True, timed_ranks=(1, 4, 7, 10)) for shape in (timed.AMINO_ACIDS, (100, 100, 100))),
    ),
    folds=(Folds(timed.AMINO_ACIDS), Folds((40, 40, 40))),
    profiles=(Job(timed.AMINO_ACIDS, 8), Job((100, 100, 100), 8), Job((200, 200, 200), 8)),
    parallel=(Job((60, 60, 60), 15), Job((100, 100, 100), 10), Job((100, 100, 100), 20), Job((200, 200, 200), 15)),
    parallel_seconds=PARALLEL_SECONDS,
    limited=Job((100, 100, 100), 30),
    max_time=2.0,
    process_ranks="range(1, 7)",
    repeats=5,
    cold=True,
)
SMOKE = Grid(
    sweeps=(Sweep((12, 11, 10), ranks=2, n_starts=3, timed_ranks=(1, 2), timed_starts=1),),
    folds=(Folds((12, 11, 10), ranks=2, n_folds=2, n_starts=2, repeats=1),),
    profiles=(Job((12, 11, 10), 2),),
    parallel=(Job((12, 11, 10), 2),),
    parallel_seconds=0.0,
    limited=Job((12, 11, 10), 30),
    max_time=0.5,
    process_ranks="range(1, 3), n_starts=2, n_folds=2",
    repeats=1,
    cold=False,
)


def run(grid: Grid) -> dict[str, Any]:
    """Measure everything; ratios are rival / ours."""
    ours.warm_up()
    return {
        "max_sweeps": MAX_SWEEPS,
        "tol": TOL,
        "rank_sweeps": [rank_sweep(case) for case in grid.sweeps],
        "holdouts": [holdout(case) for case in grid.folds],
        "profiles": [profile(job) for job in grid.profiles],
        "parallel": parallel(grid.parallel, grid.parallel_seconds),
        "time_limit": time_limit(grid.limited, grid.max_time),
        "processes": processes(grid.process_ranks, grid.repeats, grid.cold),
    }


# ------------------------------------------------------------------------------------------------------- rank sweep


class TensorlyLoop:
    """A loop over a function of tensorly, each fit timed by itself; keeps the best model of every rank."""

    def __init__(self, X: Array, fit: Callable[..., Any] = neighbours.tensorly_parafac) -> None:
        self._fit = fit
        self.seconds: dict[tuple[int, int], float] = {}
        self.best: dict[int, tuple[float, Any]] = {}
        self.failed = 0
        self._X = X
        self._tensor = as_tensor(X)

    def run(self, fits: Iterable[tuple[int, int]]) -> None:
        """Do these fits, (rank, start), unless they are done."""
        for rank, start in fits:
            if (rank, start) in self.seconds:
                continue
            began = time.process_time()
            try:
                model = self._fit(self._X, rank, MAX_SWEEPS, TOL, seed=start)
            except np.linalg.LinAlgError:  # a singular system; people catch it and go on
                model = None
            self.seconds[rank, start] = time.process_time() - began
            if model is None:
                self.failed += 1
                continue
            loss = ours.loss_of(self._tensor, model)
            if rank not in self.best or loss < self.best[rank][0]:
                self.best[rank] = loss, model

    def scaled(self, ranks: Sequence[int], n_starts: int) -> float:
        """Return the seconds of the whole loop: mean seconds of the fits made so far, interpolated over ranks."""
        timed = sorted({rank for rank, _ in self.seconds})
        means = [np.mean([s for (rank, _), s in self.seconds.items() if rank == timed_rank]) for timed_rank in timed]
        return n_starts * float(np.interp(ranks, timed, means).sum())


def rank_sweep(case: Sweep) -> dict[str, Any]:
    """Time the sweep: ours three times, before, amid and after the rival's fits."""
    X, true_rank = timed.data(case.shape, case.nonnegative)
    solver = NONNEGATIVE if case.nonnegative else SOLVER
    ranks = range(1, case.ranks + 1)
    whole = [(rank, start) for rank in ranks for start in range(case.n_starts)]
    probe = [(rank, start) for rank in case.timed_ranks for start in range(case.timed_starts)]
    rival = neighbours.tensorly_hals if case.nonnegative else neighbours.tensorly_parafac
    loop, mine, fits = TensorlyLoop(X, rival), [], {}

    def time_ours() -> None:
        began = time.process_time()
        fits.update(ours.rank_sweep(X, ranks, solver, case.n_starts, seed=0))
        mine.append(time.process_time() - began)

    time_ours()
    loop.run(probe)
    time_ours()
    theirs = loop.scaled(ranks, case.n_starts)
    scaled = theirs > PATIENCE_SECONDS
    if not scaled:
        loop.run(whole)
        theirs = sum(loop.seconds.values())
    time_ours()
    seconds = {"ours": float(np.median(mine)), "tensorly": theirs}
    row = {
        "shape": list(case.shape),
        "ranks": case.ranks,
        "nonnegative": case.nonnegative,
        "n_starts": case.n_starts,
        "seconds": seconds,
        "ratio": theirs / seconds["ours"],
        "scaled": scaled,
        "rival_starts_compared": case.timed_starts if scaled else case.n_starts,
        "rival_failures": loop.failed,
    } | _quality(X, true_rank, {rank: fits[rank].best.model for rank in ranks}, loop)
    say(
        f"rank sweep {timed.label(case.shape)}{', nonnegative' if case.nonnegative else ''}: "
        f"ours {short(seconds['ours'])}, tensorly {short(theirs)}"
        f"{' (scaled)' if scaled else ''}, ratio {row['ratio']:.1f}, worst excess of loss {row['loss_excess']:.1e}, "
        f"core consistency within {row['core_consistency_difference']:.2g}"
    )
    return row


def _quality(X: Array, true_rank: int, models: dict[int, Any], loop: TensorlyLoop) -> dict[str, Any]:
    """Compare the best models of every rank that both sides have fitted."""
    tensor = as_tensor(X)
    per_rank = []
    for rank, (loss, model) in sorted(loop.best.items()):
        row = {"rank": rank, "loss": {"ours": ours.loss_of(tensor, models[rank]), "tensorly": loss}}
        if rank <= true_rank:
            row["core_consistency"] = {
                "ours": autoten.core_consistency(X, models[rank]),
                "tensorly": autoten.core_consistency(X, model),
            }
        per_rank.append(row)
    excess = max(row["loss"]["ours"] / row["loss"]["tensorly"] - 1.0 for row in per_rank)
    differences = [np.ptp(list(row["core_consistency"].values())) for row in per_rank if "core_consistency" in row]
    difference = float(max(differences))
    return {
        "true_rank": true_rank,
        "per_rank": per_rank,
        "loss_excess": excess,
        "core_consistency_difference": difference,
        "gate": bool(excess <= LOSS_TOLERANCE and difference <= CONSISTENCY_TOLERANCE),
    }


# --------------------------------------------------------------------------------------------------------- hold-out


def holdout(case: Folds) -> dict[str, Any]:
    """Time the folds of a rank sweep: the sweep with folds less the sweep without; the rival fits folds alone.

    Ours start from the full fits, so the ratio with these counted is given too.
    """
    X, true_rank = timed.data(case.shape)
    ranks = range(1, case.ranks + 1)
    tensor = as_tensor(X)
    folds = HOLDOUT.folds(tensor, case.n_folds, Plan(SOLVER, HOLDOUT, case.n_starts, case.n_folds, 0).rng(DRAW_FOLDS))
    held_out = [np.isin(np.arange(X.size), fold.cells).reshape(X.shape) for fold in folds]
    mine: dict[int, Any] = {}
    theirs: dict[tuple[int, int], Any] = {}

    def tensorly_loop() -> None:
        for number, hidden in enumerate(held_out):
            training = neighbours.hidden_as_zero(X, ~hidden)
            for rank in ranks:
                theirs[rank, number] = neighbours.tensorly_masked(training, ~hidden, rank, MAX_SWEEPS, TOL, seed=number)

    def with_folds() -> None:
        mine.update(ours.rank_sweep(X, ranks, SOLVER, case.n_starts, 0, HOLDOUT, case.n_folds))

    runs = {
        "with_folds": with_folds,
        "without_folds": partial(ours.rank_sweep, X, ranks, SOLVER, case.n_starts, 0),
        "tensorly": tensorly_loop,
    }
    seconds = alternating(runs, case.repeats, warm=False)
    seconds["ours"] = seconds["with_folds"] - seconds["without_folds"]
    errors = {
        "ours": [_mean_error(X, held_out, [fold.model for fold in mine[rank].folds]) for rank in ranks],
        "tensorly": [_mean_error(X, held_out, [theirs[rank, n] for n in range(case.n_folds)]) for rank in ranks],
    }
    minimum = {name: 1 + int(np.argmin(values)) for name, values in errors.items()}
    smallest = {name: min(values) for name, values in errors.items()}
    row = {
        "shape": list(case.shape),
        "ranks": case.ranks,
        "n_folds": case.n_folds,
        "n_starts": case.n_starts,
        "seconds": seconds,
        "ratio": seconds["tensorly"] / seconds["ours"],
        "ratio_with_full_fits": seconds["tensorly"] / seconds["with_folds"],
        "heldout_error": errors,
        "rank_of_minimum": minimum,
        "smallest_error": smallest,
        "true_rank": true_rank,
        # From one start a fold the rival may miss the solution; a minimum elsewhere passes only if ours is the lower.
        "same_rank": minimum["ours"] == minimum["tensorly"],
        "gate": smallest["ours"] <= smallest["tensorly"] * (1.0 + LOSS_TOLERANCE),
    }
    say(
        f"hold-out {timed.label(case.shape)}: ours {short(seconds['ours'])} (with the full fits "
        f"{short(seconds['with_folds'])}), tensorly {short(seconds['tensorly'])}, minimum at rank {minimum}"
    )
    return row


def _mean_error(X: Array, held_out: Sequence[Array], models: Sequence[Any]) -> float:
    errors = [autoten.heldout_error(X, cp, hidden) for cp, hidden in zip(models, held_out, strict=True)]
    return float(np.mean(errors))


# --------------------------------------------------------------------------------- whole estimates, workers, processes


def estimate(X: Array, ranks: int, n_jobs: int = 1) -> autoten.RankEstimate:
    """Return an estimate with defaults."""
    return autoten.estimate_rank(X, range(1, ranks + 1), random_state=0, n_jobs=n_jobs)


def profile(job: Job) -> dict[str, Any]:
    """Return what share of an estimate is spent outside the fits."""
    X, _ = timed.data(job.shape)
    timings = dict(estimate(X, job.ranks).timings)
    total = timings.pop("total")
    fits = sum(seconds for part, seconds in timings.items() if part not in BESIDE_THE_FITS)
    row = {
        "shape": list(job.shape),
        "ranks": job.ranks,
        "total": total,
        "seconds": timings,
        "largest_part_beside": max(timings.get(part, 0.0) for part in BESIDE_THE_FITS) / total,
        "share_outside_fits": 1.0 - fits / total,
    }
    parts = ", ".join(f"{part} {100 * seconds / total:.0f} %" for part, seconds in timings.items())
    say(f"profile {timed.label(job.shape)}, ranks 1..{job.ranks}: {short(total)}: {parts}")
    return row


def parallel(jobs: Sequence[Job], at_least: float) -> dict[str, Any]:
    """Time one job with one and with two workers: wall clock, in turns, three times."""
    for job in jobs:
        X, _ = timed.data(job.shape)
        serially = seconds_of(partial(estimate, X, job.ranks), time.perf_counter)
        say(f"one worker {timed.label(job.shape)}, ranks 1..{job.ranks}: {short(serially)}")
        if serially > at_least:
            break
    answers: dict[int, autoten.RankEstimate] = {}

    def keep(n_jobs: int) -> None:
        answers[n_jobs] = estimate(X, job.ranks, n_jobs)

    seconds = alternating({"1": partial(keep, 1), "2": partial(keep, 2)}, 3, time.perf_counter, warm=False)
    same = np.array_equal(answers[1].table.mean("heldout"), answers[2].table.mean("heldout"), equal_nan=True)
    say(f"speed-up of two workers: {seconds['1'] / seconds['2']:.2f}, same answer: {same}")
    return {
        "shape": list(job.shape),
        "ranks": job.ranks,
        "clock": "time.perf_counter",
        "seconds": seconds,
        "speed_up": seconds["1"] / seconds["2"],
        "long_enough": serially > at_least,
        "gate": bool(same),
    }


def time_limit(job: Job, max_time: float) -> dict[str, Any]:
    """Return by how much an estimate that cannot finish in time overruns; median of three."""
    X, _ = timed.data(job.shape)
    done: list[autoten.RankEstimate] = []

    def limited() -> None:
        done.append(autoten.estimate_rank(X, range(1, job.ranks + 1), random_state=0, max_time=max_time))

    seconds = alternating({"estimate": limited}, 3, time.perf_counter, warm=False)["estimate"]
    overrun = max(seconds / max_time - 1.0, 0.0)
    say(f"max_time {max_time:g} s: {short(seconds)}, {len(done[-1].table) - 1} ranks done")
    return {
        "shape": list(job.shape),
        "ranks": job.ranks,
        "max_time": max_time,
        "seconds": seconds,
        "overrun": overrun,
        "done": int(done[-1].table.ranks[-1]),
        "gate": not any(answer.table.complete for answer in done),
    }


def processes(ranks: str, repeats: int, cold: bool) -> dict[str, Any]:
    """Time fresh processes, wall and CPU: import alone, an estimate with kernels cached, and with a cold cache."""
    commands = {
        "python": "pass",
        "import": "import autoten",
        "import with estimate_rank": "import autoten; autoten.estimate_rank",
        "estimate": ESTIMATE.format(ranks=ranks),
    }
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    fresh(commands["estimate"])  # fills the caches
    for _ in range(repeats):
        for name, code in commands.items():
            spent[name].append(fresh(code))
    medians = {name: np.median(values, axis=0) for name, values in spent.items()}
    if cold:
        with tempfile.TemporaryDirectory() as folder:
            medians["cold"] = np.array(fresh(commands["estimate"], NUMBA_CACHE_DIR=folder))
    for name, (wall, cpu) in medians.items():
        say(f"process {name}: {short(wall)} wall, {short(cpu)} CPU")
    return {
        "estimate_command": commands["estimate"],
        "wall_seconds": {name: float(wall) for name, (wall, _) in medians.items()},
        "cpu_seconds": {name: float(cpu) for name, (_, cpu) in medians.items()},
        "compile_seconds": float(medians["cold"][1] - medians["estimate"][1]) if cold else None,
    }


def fresh(code: str, **environment: str) -> tuple[float, float]:
    """Return wall and CPU seconds of a new Python process that runs `code`."""
    before = getrusage(RUSAGE_CHILDREN)
    call: Callable[[], Any] = partial(
        subprocess.run, [sys.executable, "-c", code], check=True, env=os.environ | environment
    )
    wall = seconds_of(call, time.perf_counter)
    after = getrusage(RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    measure.main("solvers", __doc__, run, FULL, SMOKE)
