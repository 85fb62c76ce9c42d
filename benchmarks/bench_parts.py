"""What the estimate from parts of an array in chunks costs: CPU time and memory against its size, and a cluster.

    python benchmarks/bench_parts.py            # a quarter of an hour, writes results/parts.json

X is made chunk by chunk, a CP tensor of rank 4 with as much white noise, so that no disk is measured; making it is
timed alone and is part of every pass. Each size runs in a process of its own. How often the answer is right is another
matter: parts_draws.py.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import measure
import numpy as np
from measure import Row

import autoten
from autoten.door import data_of
from autoten.tensors.tensor import row_equations

RANK = 4


class Grid(NamedTuple):
    """What is measured: cubes of these sides, in chunks of that one; ranks up to; clusters of so many processes."""

    sides: tuple[int, ...] = (384, 512, 800)
    chunk: int = 64
    largest_rank: int = 8
    parts: autoten.Parts = autoten.Parts()
    workers: tuple[int, ...] = (1, 2)
    cluster_side: int = 512


FULL = Grid()
SMOKE = Grid((24, 24), 12, 2, autoten.Parts(megabytes=0.02), (1,), 24)

# The terabyte that nobody here has: a cube of 5000, in chunks of 250, on so many workers.
PLANNED_SIDE, PLANNED_CHUNK, PLANNED_WORKERS = 5000, 250, 64


def run(grid: Grid) -> Row:
    """Measure everything."""
    sizes = [in_a_child(of_one_size, grid, side) for side in grid.sides]
    clusters = [of_a_cluster(grid, workers) for workers in grid.workers]
    return {"sizes": sizes, "clusters": clusters, "plan": plan(grid, sizes[-1])}


def lazy(side: int, chunk: int) -> Any:
    """Return a cube as a dask array of which no chunk exists before it is asked for."""
    import dask.array as da

    factors = [np.random.default_rng(mode).standard_normal((side, RANK)) for mode in range(3)]

    def block(block_info: Any = None) -> Any:
        places = block_info[None]["array-location"]
        a, b, c = (factor[slice(*place)] for factor, place in zip(factors, places, strict=True))
        noise = np.random.default_rng([first for first, _ in places]).standard_normal((len(a), len(b), len(c)))
        return np.sqrt(RANK) * noise + (a[:, None, :] * b).reshape(-1, RANK).dot(c.T).reshape(noise.shape)

    lengths = [(chunk,) * (side // chunk) + ((side % chunk,) if side % chunk else ())] * 3
    return da.map_blocks(block, chunks=lengths, dtype=float, meta=np.empty((0, 0, 0)))


def of_one_size(grid: Grid, side: int) -> Row:
    """Return CPU seconds, what of them are passes, and the peak of memory that the estimate adds."""
    import dask

    with measure.one_thread(), dask.config.set(scheduler="synchronous"):
        estimated(grid, lazy(2 * grid.chunk, grid.chunk))  # kernels and libraries
        X = lazy(side, grid.chunk)
        tensor = data_of(X, largest_computed=0).tensor
        factors = [np.ones((side, grid.largest_rank)) for _ in range(3)]
        seconds = {
            "making X": cpu_of(lambda: sum(1 for _ in tensor._pass(nothing))),
            "a pass of a sweep": cpu_of(lambda: tensor.summed(row_equations, factors, 1)),
        }
        forget_peak()
        before, began = memory("VmRSS"), time.process_time()
        estimate = estimated(grid, X)
        seconds["estimate"] = time.process_time() - began
        added = memory("VmHWM") - before
    row = {
        "side": side,
        "gigabytes": X.nbytes / 1e9,
        "parts": len(estimate.settings["ranks of parts"]),
        "cells of a part": int(np.prod(estimate.settings["shapes of parts"][0])),
        "rank": estimate.rank,
        "seconds": seconds,
        "peak_share": added / X.nbytes,
    }
    print(f"{side} cubed: {row}")
    return row


def nothing(block: Any, where: Any) -> None:
    """Do nothing with a block that was made."""


def estimated(grid: Grid, X: Any) -> Any:
    """Return the estimate, with defaults."""
    return autoten.estimate_rank(X, range(1, grid.largest_rank + 1), parts=grid.parts, random_state=0)


def of_a_cluster(grid: Grid, workers: int) -> Row:
    """Return the wall seconds of an estimate on a cluster's processes, one thread each, and what of them are parts."""
    from distributed import Client, LocalCluster

    options = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        estimated(grid, lazy(2 * grid.chunk, grid.chunk))
        timings = estimated(grid, lazy(grid.cluster_side, grid.chunk)).timings
    print(f"{workers} workers: {dict(timings)}")
    return {"workers": workers, "side": grid.cluster_side, "seconds": dict(timings)}


def plan(grid: Grid, size: Row) -> list[Row]:
    """Return what a terabyte would take at the measured rates: passes by bytes, parts by their number."""
    bytes_each = 8 * PLANNED_SIDE**3
    a_pass = size["seconds"]["a pass of a sweep"] * bytes_each / (size["gigabytes"] * 1e9)
    n_passes = 2 + 3 * grid.parts.refine
    in_passes = size["seconds"]["a pass of a sweep"] * n_passes
    a_part = (size["seconds"]["estimate"] - in_passes) / size["parts"]
    length = round(size["cells of a part"] ** (1 / 3))
    n_parts = -(-(PLANNED_SIDE - length // 8) // (length - length // 8))
    rows = [
        {"what": f"{n_passes} passes: survey, gathering, sweeps", "seconds": n_passes * a_pass},
        {"what": f"{n_parts} parts", "seconds": n_parts * a_part},
    ]
    rows.append({"what": "in all", "seconds": sum(row["seconds"] for row in rows)})
    shared = {"one process, h": 1.0, f"{PLANNED_WORKERS} workers, min": PLANNED_WORKERS / 60.0}
    return [
        {"what": row["what"], **{name: row["seconds"] / 3600.0 / by for name, by in shared.items()}} for row in rows
    ]


def cpu_of(function: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call."""
    began = time.process_time()
    function()
    return time.process_time() - began


def in_a_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of this module returns in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as child:
        return child.submit(function, *arguments).result()


def forget_peak() -> None:
    """Set the peak back to what is resident now."""
    with suppress(OSError):  # Linux alone can
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def memory(name: str) -> int:
    """Return a figure of /proc/self/status in bytes; where there is none, the largest that was ever resident."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name + ":"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    measure.main("parts", __doc__, run, FULL, SMOKE)
