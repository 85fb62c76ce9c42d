"""Real tensors of every kind with all defaults: what they take, and what is answered.

    python benchmarks/bench_kinds.py                  # about half an hour, writes results/kinds.json row by row
    python benchmarks/bench_kinds.py --only enron     # these rows anew
    python benchmarks/bench_kinds.py --smoke          # a tiny tensor, writes nothing

Every estimate runs in a process of its own, with two workers, after one of a tiny tensor of the same kind has compiled
what it needs: peak memory beyond X, wall clock, CPU time. A row whose file is absent is passed over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import numpy as np
import real
import rows
from children import forget_peak, in_a_child, peak, resident

import autoten
from autoten import ALS, HALS, KL, estimate_rank, read_tensor
from autoten.datasets import make_count_tensor
from autoten.solvers.base import Solver

WORKERS = 2
SEED = 0
LONGEST_WARNING = 100


@dataclass(frozen=True)
class Kind:
    """A tensor in the data folder, how it is fitted, and which ranks its users agree on, if any."""

    file: str
    solver: Solver = ALS()  # noqa: RUF009 (a frozen value)
    agreed: tuple[int, ...] = ()
    largest: int = 10

    @property
    def name(self) -> str:
        """The name of its row."""
        return f"{self.file}, {type(self.solver).__name__}"


KINDS = (
    Kind("us_flights_2001_hourly"),
    Kind("nycflights13"),
    Kind("enron_monthly"),
    Kind("enron_monthly", KL()),
    Kind("chicago_crime_counts"),
    Kind("chicago_crime_counts", KL()),
    Kind("sugar_process", HALS(), agreed=(3, 4)),
    Kind("kinetic_fluorescence", HALS()),
)
SMOKE = (Kind("amino_acids", HALS(), largest=2),)


def measured(kind: Kind, path: Path) -> dict[str, Any]:
    """Return what an estimate in a fresh process takes and answers."""
    return in_a_child(_in_one_thread, kind, path)  # type: ignore[no-any-return]


def _in_one_thread(kind: Kind, path: Path) -> dict[str, Any]:
    with measure.one_thread():
        return _measured(kind, path)


def _measured(kind: Kind, path: Path) -> dict[str, Any]:
    X = read_tensor(path)
    estimate_rank(_tiny(X), [1, 2], solver=kind.solver, n_starts=2, n_folds=2, n_jobs=WORKERS, random_state=SEED)
    forget_peak()
    before, wall, cpu = resident(), time.monotonic(), time.process_time()
    ranks = range(1, kind.largest + 1)
    estimate = estimate_rank(X, ranks, solver=kind.solver, n_jobs=WORKERS, random_state=SEED)
    spent = {"wall_seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}
    near = [rank for rank in (estimate.rank - 1, estimate.rank, estimate.rank + 1) if rank in estimate.probabilities]
    return {
        "file": kind.file,
        "shape": list(X.shape),
        "filled": int(X.nnz if hasattr(X, "nnz") else np.isfinite(X).sum()),
        "sparse": hasattr(X, "nnz"),
        "missing": 0.0 if hasattr(X, "nnz") else float(np.isnan(X).mean()),
        "bytes": int(sum(part.nbytes for part in (*X.coords, X.data)) if hasattr(X, "nnz") else X.nbytes),
        "solver": repr(kind.solver),
        "ranks": list(ranks),
        "agreed": list(kind.agreed),
        "rank": estimate.rank,
        "probabilities": {str(rank): round(estimate.probabilities[rank], 4) for rank in near},
        "reason": estimate.reason,
        "warnings": [_shortened(warning) for warning in estimate.warnings],
        "extra_bytes": peak() - before,
        **spent,
    }


def _path(file: str) -> Path | None:
    """Return where a tensor is: in the data folder, or (one is) in the package."""
    folders = (real.data_folder(), Path(autoten.__file__).parent / "data")
    paths = [folder / f"{file}.npz" for folder in folders if folder is not None]
    return next((path for path in paths if path.is_file()), None)


def _tiny(X: Any) -> Any:
    """Return a small tensor of the same order, storage and type, with a missing cell if X has any."""
    sparse = hasattr(X, "nnz")
    counts = make_count_tensor((6,) * len(X.shape), 2, 500, sparse=sparse, random_state=SEED).X
    if sparse:
        return counts.astype(X.dtype)
    tiny = counts.astype(float if X.dtype.kind != "f" else X.dtype)
    if X.dtype.kind == "f" and np.isnan(X).any():
        tiny.flat[0] = np.nan
    return tiny


def _shortened(warning: str) -> str:
    return warning if len(warning) <= LONGEST_WARNING else f"{warning[: LONGEST_WARNING - 4]} ..."


def summary(done: Sequence[rows.Row]) -> list[str]:
    """Return a line for each tensor."""
    return [
        f"{row['name']}: rank {row['rank']}, probabilities {row['probabilities']}, {row['wall_seconds']:.1f} s, "
        f"{row['cpu_seconds']:.1f} s CPU, {row['extra_bytes'] / 1e6:.0f} MB, {len(row['warnings'])} warnings"
        for row in done
    ]


def jobs(kinds: Sequence[Kind]) -> dict[str, rows.Job]:
    """Return the rows to be made of the tensors that are there."""
    paths = ((kind, _path(kind.file)) for kind in kinds)
    return {kind.name: (measured, kind, path) for kind, path in paths if path is not None}


if __name__ == "__main__":
    rows.main("kinds", __doc__, jobs(KINDS), jobs(SMOKE), summary)
