"""Whole jobs: a rank sweep, a fresh process, two workers, and where the time of an estimate goes.

    python benchmarks/bench_solvers.py            # about eight minutes, writes results/solvers.json

The rival is the loop people write today: tensorly's parafac from random starts, rank after rank. Both sides do at most
100 sweeps a fit, tolerance 1e-8; ours explores in a compressed core, refines the best starts in full space, and keeps a
start in full space besides.

Quality beside speed: our best squared error per rank against theirs, core consistency of both best models up to the
true rank.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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

# Our losses may be so much above theirs, relatively, and core consistencies so many points apart.
LOSS_TOLERANCE, CONSISTENCY_TOLERANCE = 1e-4, 1.0

# What of an estimate's timings is not fitting.
BESIDE_THE_FITS = ("kernels", "scores", "selection")

# The whole job of a user with small data, in a process of its own.
ESTIMATE = (
    "import autoten; X = autoten.datasets.load_amino_acids().X; autoten.estimate_rank(X, {ranks}, random_state=0)"
)


class Sweep(NamedTuple):
    """A rank sweep: ranks 1 to `ranks`, free or nonnegative."""

    shape: Shape
    ranks: int = 15
    nonnegative: bool = False
    n_starts: int = 10


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
        *(Sweep(shape, 10, True) for shape in (SMALL, CUBE)),
    ),
    profiles=(Job(SMALL, 8), Job(CUBE, 8), Job(LARGE, 8)),
    parallel=Job((60, 60, 60), 15),
)
TINY = (12, 11, 10)
SMOKE = Grid(
    sweeps=(Sweep(TINY, ranks=2, n_starts=3),),
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


def rank_sweep(case: Sweep) -> Row:
    """Time the sweep: ours before, amid and after the rival's fits, of which the best of every rank is kept."""
    X, true_rank = workloads.data(case.shape, case.nonnegative)
    tensor, solver = as_tensor(X), NONNEGATIVE if case.nonnegative else SOLVER
    rival = neighbours.tensorly_hals if case.nonnegative else neighbours.tensorly_parafac
    ranks, mine, theirs, failed = range(1, case.ranks + 1), [], 0.0, 0
    fits: dict[int, Any] = {}
    best: dict[int, tuple[float, Any]] = {}

    def ours() -> None:
        fits.update(workloads.rank_sweep(X, ranks, solver, case.n_starts))

    for rank in ranks:
        if rank in (1, case.ranks // 2, case.ranks):
            mine.append(seconds_of(ours))
        for start in range(case.n_starts):
            began = time.process_time()
            try:
                model = rival(X, rank, MAX_SWEEPS, TOL, seed=start)
            except np.linalg.LinAlgError:  # a singular system; people catch it and go on
                model = None
            theirs += time.process_time() - began
            if model is None:
                failed += 1
            elif rank not in best or workloads.loss_of(tensor, model) < best[rank][0]:
                best[rank] = workloads.loss_of(tensor, model), model
    seconds = {"ours": float(np.median(mine)), "tensorly": theirs}
    report(f"rank sweep {label(case.shape)}{', nonnegative' * case.nonnegative}", seconds)
    return {
        "shape": list(case.shape),
        "ranks": case.ranks,
        "nonnegative": case.nonnegative,
        "n_starts": case.n_starts,
        "seconds": seconds,
        "ratio": theirs / seconds["ours"],
        "rival_failures": failed,
        "true_rank": true_rank,
    } | quality(X, true_rank, {rank: fits[rank].best.model for rank in ranks}, best)


def quality(X: Array, true_rank: int, models: dict[int, Any], best: dict[int, tuple[float, Any]]) -> Row:
    """Compare the best models of every rank that both sides have fitted."""
    tensor, per_rank = as_tensor(X), []
    for rank, (loss, model) in best.items():
        row: Row = {"rank": rank, "loss": {"ours": workloads.loss_of(tensor, models[rank]), "tensorly": loss}}
        if rank <= true_rank:
            both = {"ours": models[rank], "tensorly": model}
            row["core_consistency"] = {name: autoten.core_consistency(X, cp) for name, cp in both.items()}
        per_rank.append(row)
    excess = max(row["loss"]["ours"] / row["loss"]["tensorly"] - 1.0 for row in per_rank)
    differences = [np.ptp(list(row["core_consistency"].values())) for row in per_rank if "core_consistency" in row]
    difference = float(max(differences))
    return {
        "per_rank": per_rank,
        "loss_excess": excess,
        "core_consistency_difference": difference,
        "gate": bool(excess <= LOSS_TOLERANCE and difference <= CONSISTENCY_TOLERANCE),
    }


# --- whole estimates, workers, processes ---


def profile(job: Job) -> Row:
    """Return what share of an estimate is spent outside the fits."""
    timings = dict(job.ready()().timings)
    total = timings.pop("total") - timings.pop("kernels")
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
