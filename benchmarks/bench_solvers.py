"""Whole jobs: a rank sweep, a fresh process, two workers, and where the time of an estimate goes.

    python benchmarks/bench_solvers.py            # about eight minutes, writes results/solvers.json

The rival is the loop people write today: tensorly's parafac from random starts, rank after rank. Both sides do at most
100 sweeps a fit, tolerance 1e-8; ours explores in a compressed core, refines the best starts in full space, and keeps a
start in full space besides. A rival that would take more than 60 s is timed on ranks 1, 5, 10, 15 x 2 starts and scaled
(seconds per fit interpolated over ranks), marked ``scaled``.

Quality beside speed: our best squared error per rank against theirs, core consistency of both best models up to the
true rank.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any, NamedTuple

import measure
import neighbours
import numpy as np
import workloads
from measure import Row, alternating, report, seconds_of
from workloads import Array, Shape, label

import autoten
from autoten import ALS, HALS
from autoten.door import as_tensor

MAX_SWEEPS = 100
TOL = 1e-8
SOLVER = ALS(max_iter=MAX_SWEEPS, tol=TOL)
NONNEGATIVE = HALS(max_iter=MAX_SWEEPS, tol=TOL)

# A rival that needs longer than this is timed on a few ranks and starts, and scaled.
PATIENCE_SECONDS = 60.0

# Our losses may be so much above theirs, relatively, and core consistencies so many points apart.
LOSS_TOLERANCE, CONSISTENCY_TOLERANCE = 1e-4, 1.0

# What of an estimate's timings is not fitting.
BESIDE_THE_FITS = ("scores", "selection")

# The whole job of a user with small data, in a process of its own.
ESTIMATE = (
    "import autoten; X = autoten.datasets.load_amino_acids().X; autoten.estimate_rank(X, {ranks}, random_state=0)"
)


class Sweep(NamedTuple):
    """A rank sweep: ranks 1 to `ranks`, free or nonnegative, and what of it a slow rival is timed on."""

    shape: Shape
    ranks: int = 15
    nonnegative: bool = False
    n_starts: int = 10
    timed_ranks: tuple[int, ...] = (1, 5, 10, 15)
    timed_starts: int = 2


class Job(NamedTuple):
    """A call of `estimate_rank` with defaults, ranks 1 to `ranks`."""

    shape: Shape
    ranks: int

    def ready(self) -> Callable[..., autoten.RankEstimate]:
        """Return the call, its data made."""
        return partial(autoten.estimate_rank, workloads.data(self.shape)[0], range(1, self.ranks + 1), random_state=0)


class Grid(NamedTuple):
    """What is measured: rank sweeps, profiles of estimates, one of them with two workers, and fresh processes."""

    sweeps: tuple[Sweep, ...]
    profiles: tuple[Job, ...]
    parallel: Job
    process_ranks: str = "range(1, 7)"
    repeats: int = 5
    cold: bool = True


SMALL, CUBE, LARGE = workloads.AMINO_ACIDS, (100, 100, 100), (200, 200, 200)
FULL = Grid(
    sweeps=(
        *(Sweep(shape) for shape in (SMALL, CUBE, LARGE)),
        *(Sweep(shape, 10, True, timed_ranks=(1, 4, 7, 10)) for shape in (SMALL, CUBE)),
    ),
    profiles=(Job(SMALL, 8), Job(CUBE, 8), Job(LARGE, 8)),
    parallel=Job((60, 60, 60), 15),
)
TINY = (12, 11, 10)
SMOKE = Grid(
    sweeps=(Sweep(TINY, ranks=2, n_starts=3, timed_ranks=(1, 2), timed_starts=1),),
    profiles=(Job(TINY, 2),),
    parallel=Job(TINY, 2),
    process_ranks="range(1, 3), n_starts=2, n_folds=2",
    repeats=1,
    cold=False,
)


def run(grid: Grid) -> Row:
    """Measure everything; ratios are rival / ours."""
    workloads.warm_up()
    return {
        "max_sweeps": MAX_SWEEPS,
        "tol": TOL,
        "rank_sweeps": [rank_sweep(case) for case in grid.sweeps],
        "profiles": [profile(job) for job in grid.profiles],
        "parallel": parallel(grid.parallel),
        "processes": processes(grid.process_ranks, grid.repeats, grid.cold),
    }


# --- rank sweep ---


class TensorlyLoop:
    """A loop over a function of tensorly, each fit timed by itself; keeps the best model of every rank."""

    def __init__(self, X: Array, fit: Callable[..., Any] = neighbours.tensorly_parafac) -> None:
        self._X, self._tensor, self._fit = X, as_tensor(X), fit
        self.seconds: dict[tuple[int, int], float] = {}
        self.best: dict[int, tuple[float, Any]] = {}
        self.failed = 0

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
            loss = workloads.loss_of(self._tensor, model)
            if rank not in self.best or loss < self.best[rank][0]:
                self.best[rank] = loss, model

    def scaled(self, ranks: Sequence[int], n_starts: int) -> float:
        """Return the seconds of the whole loop: mean seconds of the fits made so far, interpolated over ranks."""
        timed = sorted({rank for rank, _ in self.seconds})
        means = [np.mean([s for (rank, _), s in self.seconds.items() if rank == timed_rank]) for timed_rank in timed]
        return n_starts * float(np.interp(ranks, timed, means).sum())


def rank_sweep(case: Sweep) -> Row:
    """Time the sweep: ours three times, before, amid and after the rival's fits."""
    X, true_rank = workloads.data(case.shape, case.nonnegative)
    solver = NONNEGATIVE if case.nonnegative else SOLVER
    ranks, mine, fits = range(1, case.ranks + 1), [], {}
    loop = TensorlyLoop(X, neighbours.tensorly_hals if case.nonnegative else neighbours.tensorly_parafac)

    def ours() -> None:
        fits.update(workloads.rank_sweep(X, ranks, solver, case.n_starts))

    mine.append(seconds_of(ours))
    loop.run((rank, start) for rank in case.timed_ranks for start in range(case.timed_starts))
    mine.append(seconds_of(ours))
    theirs = loop.scaled(ranks, case.n_starts)
    scaled = theirs > PATIENCE_SECONDS
    if not scaled:
        loop.run((rank, start) for rank in ranks for start in range(case.n_starts))
        theirs = sum(loop.seconds.values())
    mine.append(seconds_of(ours))
    seconds = {"ours": float(np.median(mine)), "tensorly": theirs}
    report(f"rank sweep {label(case.shape)}{', nonnegative' * case.nonnegative}{', scaled' * scaled}", seconds)
    return {
        "shape": list(case.shape),
        "ranks": case.ranks,
        "nonnegative": case.nonnegative,
        "n_starts": case.n_starts,
        "seconds": seconds,
        "ratio": theirs / seconds["ours"],
        "scaled": scaled,
        "rival_starts_compared": case.timed_starts if scaled else case.n_starts,
        "rival_failures": loop.failed,
    } | quality(X, true_rank, {rank: fits[rank].best.model for rank in ranks}, loop)


def quality(X: Array, true_rank: int, models: dict[int, Any], loop: TensorlyLoop) -> Row:
    """Compare the best models of every rank that both sides have fitted."""
    tensor, per_rank = as_tensor(X), []
    for rank, (loss, model) in sorted(loop.best.items()):
        row: Row = {"rank": rank, "loss": {"ours": workloads.loss_of(tensor, models[rank]), "tensorly": loss}}
        if rank <= true_rank:
            both = {"ours": models[rank], "tensorly": model}
            row["core_consistency"] = {name: autoten.core_consistency(X, cp) for name, cp in both.items()}
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


# --- whole estimates, workers, processes ---


def profile(job: Job) -> Row:
    """Return what share of an estimate is spent outside the fits."""
    timings = dict(job.ready()().timings)
    total = timings.pop("total")
    report(f"profile {label(job.shape)}, ranks 1..{job.ranks}", timings)
    fits = sum(seconds for part, seconds in timings.items() if part not in BESIDE_THE_FITS)
    about = {"shape": list(job.shape), "ranks": job.ranks, "total": total}
    return about | {"seconds": timings, "share_outside_fits": 1.0 - fits / total}


def parallel(job: Job) -> Row:
    """Time a job with one and with two workers: wall clock, in turns, three times."""
    estimate = job.ready()
    answers: dict[str, autoten.RankEstimate] = {}

    def keep(n_jobs: int) -> None:
        answers[str(n_jobs)] = estimate(n_jobs=n_jobs)

    seconds = alternating({"1": partial(keep, 1), "2": partial(keep, 2)}, 3, time.perf_counter, warm=False)
    report("workers", seconds)
    heldout = [answer.table.mean("heldout") for answer in answers.values()]
    return {
        "shape": list(job.shape),
        "ranks": job.ranks,
        "seconds": seconds,
        "speed_up": seconds["1"] / seconds["2"],
        "gate": bool(np.array_equal(*heldout, equal_nan=True)),
    }


def processes(ranks: str, repeats: int, cold: bool) -> Row:
    """Time fresh processes, wall and CPU: import alone, an estimate with kernels cached, and with a cold cache."""
    commands = {
        "python": "pass",
        "import": "import autoten",
        "import with estimate_rank": "import autoten; autoten.estimate_rank",
        "estimate": ESTIMATE.format(ranks=ranks),
    }
    fresh(commands["estimate"])  # fills the caches
    spent = [[fresh(code) for code in commands.values()] for _ in range(repeats)]
    medians = dict(zip(commands, np.median(spent, axis=0).tolist(), strict=True))
    if cold:
        with tempfile.TemporaryDirectory() as folder:
            medians["cold"] = fresh(commands["estimate"], NUMBA_CACHE_DIR=folder)
    report("processes", {name: wall for name, (wall, _) in medians.items()})
    return {
        "estimate_command": commands["estimate"],
        "wall_seconds": {name: wall for name, (wall, _) in medians.items()},
        "cpu_seconds": {name: cpu for name, (_, cpu) in medians.items()},
        "compile_seconds": medians["cold"][1] - medians["estimate"][1] if cold else None,
    }


def fresh(code: str, **environment: str) -> tuple[float, float]:
    """Return wall and CPU seconds of a new Python process that runs `code`."""
    before = getrusage(RUSAGE_CHILDREN)
    call = partial(subprocess.run, [sys.executable, "-c", code], check=True, env=os.environ | environment)
    wall = seconds_of(call, time.perf_counter)
    after = getrusage(RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    measure.main("solvers", __doc__, run, FULL, SMOKE)
