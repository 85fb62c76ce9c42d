"""What looks like counts, and what it is worth: the default, where `KL` then takes part, beside least squares alone.

    python benchmarks/bench_looks.py                # three minutes, writes results/looks.json row by row
    python benchmarks/bench_looks.py --only real    # these rows anew
    python benchmarks/bench_looks.py --smoke        # tiny, writes nothing

Tensors of 8 to 30 in every mode, ranks 1 to 6 (of readings and scores 1 to 4): counts, over-dispersed and sparse ones
too; other whole numbers: ratings, scores, yes and no, rounded readings, ranks within a row, pixels; and real tensors of
which nobody knows the rank. Ranks 1..8 are tried, five starts. The limits of `autoten.doubts.looks_like_counts` were
set on draws of other seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import rows
from numpy.typing import NDArray
from real import data_folder

from autoten import estimate_rank
from autoten.datasets import gamma_factors, gaussian_factors, make_count_tensor, make_cp_tensor, uniform_factors
from autoten.files import read_tensor

Array = NDArray[Any]
Rng = np.random.Generator
Kind = Callable[[Rng], tuple[Any, int | None]]  # a tensor and its rank

SALT, DRAWS, TRIED, MOST_SECONDS = 20281103, 4, 8, 60.0


def _rates(rng: Rng, mean: float, most: int, spread: bool = False) -> tuple[Array, int]:
    """Return expectations of a nonnegative model: most of them small, or `spread` evenly."""
    rank, shape = int(rng.integers(1, most + 1)), tuple(rng.integers(8, 31, 3).tolist())
    factors = uniform_factors if spread else gamma_factors(0.3)
    drawn = make_count_tensor(shape, rank, mean * float(np.prod(shape)), factors=factors, random_state=rng)
    return drawn.model.to_tensor(), rank


def counts(rng: Rng, mean: float, shape: float = np.inf, spread: bool = False, missing: float = 0.0) -> tuple[Any, int]:
    """Return Poisson counts; with a finite `shape` negative binomial ones, of variance m + m^2 / shape."""
    rates, rank = _rates(rng, mean, 6, spread)
    if np.isfinite(shape):
        rates = rates * rng.gamma(shape, 1.0 / shape, rates.shape)
    X = rng.poisson(rates).astype(float)
    X[rng.random(X.shape) < missing] = np.nan
    return X, rank


def sparse(rng: Rng) -> tuple[Any, int]:
    """Return sparse counts, one cell in a hundred or fewer filled."""
    rank = int(rng.integers(1, 7))
    return make_count_tensor((60, 60, 60), rank, events=3000, sparse=True, random_state=rng).X, rank


def scores(rng: Rng, first: int, last: int, shift: float = 0.0, missing: float = 0.0) -> tuple[Any, int]:
    """Return marks on a scale: a trilinear opinion and as much noise, cut at equal distances."""
    rank, shape = int(rng.integers(1, 5)), tuple(rng.integers(8, 31, 3).tolist())
    opinion = make_cp_tensor(shape, rank, factors=gaussian_factors, random_state=rng).X
    opinion = opinion / opinion.std() + rng.standard_normal(shape)
    cuts = np.linspace(-2.0, 2.0, last - first)
    X = first + np.searchsorted(cuts, opinion + shift).astype(float)
    X[rng.random(shape) < missing] = np.nan
    return X, rank


def readings(rng: Rng, mean: float, deviation: float, share: float = 0.0) -> tuple[Any, int]:
    """Return rounded readings with noise of one size, or of a share of what is read."""
    exact, rank = _rates(rng, mean, 4, spread=True)
    return np.maximum(np.round(exact + (deviation + share * exact) * rng.standard_normal(exact.shape)), 0.0), rank


def places(rng: Rng) -> tuple[Any, None]:
    """Return who comes first, second, third in every row."""
    X, _ = scores(rng, 0, 1000)
    return (X + rng.random(X.shape)).argsort(axis=2).argsort(axis=2) + 1.0, None


def pixels(rng: Rng, largest: int | None) -> tuple[Any, None]:
    """Return a corner of a hyperspectral image as it is, or in steps from 0 to `largest`."""
    X = real("indian_pines")
    part = X[tuple(slice(start, start + 24) for start in rng.integers(0, 120, 3))].astype(float)
    return (part if largest is None else np.floor(part * (largest / float(X.max())))), None


def real(name: str) -> Any:
    """Return a tensor of the data folder."""
    folder = data_folder()
    assert folder is not None
    return read_tensor(folder / f"{name}.npz")


KINDS: dict[str, Kind] = {
    **{f"Poisson, mean {mean:g}": partial(counts, mean=mean) for mean in (0.1, 1.0, 10.0, 300.0)},
    "Poisson, mean 3, spread": partial(counts, mean=3.0, spread=True),
    "Poisson, mean 1, 30 % missing": partial(counts, mean=1.0, missing=0.3),
    "Poisson, sparse": sparse,
    "Poisson of one rate": lambda rng: (rng.poisson(2.0, (15, 16, 17)).astype(float), 1),
    **{f"over-dispersed, k = {k:g}, mean 3": partial(counts, mean=3.0, shape=k) for k in (10.0, 2.0, 0.5)},
    "over-dispersed, k = 5, mean 300": partial(counts, mean=300.0, shape=5.0),
    "readings off by 20 %": partial(readings, mean=20.0, deviation=0.0, share=0.2),
    "rounded readings": partial(readings, mean=5.0, deviation=1.5),
    "rounded readings, variance the mean": partial(readings, mean=20.0, deviation=4.5),
    "ratings 1..5": partial(scores, first=1, last=5),
    "ratings 1..5, half missing": partial(scores, first=1, last=5, missing=0.5),
    "scores 0..10": partial(scores, first=0, last=10),
    "scores 0..3": partial(scores, first=0, last=3),
    "scores 0..3, most of them 0": partial(scores, first=0, last=3, shift=-2.5),
    "yes and no": partial(scores, first=0, last=1),
    "places in a row": places,
    "pixels 0..255": partial(pixels, largest=255),
    "pixels as they are": partial(pixels, largest=None),
}
REAL = {
    "xstest_counts": np.asarray,
    "oslo_city_bike": lambda X: X.sum(axis=1)[::7],
    "chicago_crime_counts": np.asarray,
    "enron_monthly": lambda X: X,
    "pythia_evals_zeroshot": lambda X: np.round(100.0 * X),  # in per cent
}


def measured(kind: str, number: int, tried: int = TRIED) -> rows.Row:
    """Return what a draw is taken for, its rank by default and by least squares, and the seconds of both."""
    if kind in KINDS:
        X, rank = KINDS[kind](np.random.default_rng([SALT, *kind.encode(), number]))
    else:
        X, rank = REAL[kind](real(kind)), None
    estimate = estimate_rank(X, tried, n_starts=5, random_state=number, max_time=MOST_SECONDS)
    by = estimate.by_solver or {"ALS": estimate}
    return {
        "kind": kind,
        "number": number,
        "rank": rank,
        "counts": len(by) > 1,
        "chosen": {"default": estimate.rank} | {name: each.rank for name, each in by.items()},
        "seconds": {"default": estimate.timings["total"], "ALS": by["ALS"].timings["total"]},
    }


def rates(done: Sequence[rows.Row]) -> list[list[Any]]:
    """Return how often each kind looks like counts, is answered right by default and by least squares, and the time."""
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in done):
        some = [row for row in done if row["kind"] == kind]
        said = sum(row["counts"] for row in some)
        spent = (sum(row["seconds"][way] for row in some) / len(some) for way in ("default", "ALS"))
        lines.append([kind, len(some), said, *(_right(some, way) for way in ("default", "ALS")), *spent])
    return lines


def _right(some: Sequence[rows.Row], way: str) -> str:
    """Return how many are right, or, where nobody knows, the answers."""
    if some[0]["rank"] is None:
        return "says " + ", ".join(str(row["chosen"][way]) for row in some)
    return str(sum(row["chosen"][way] == row["rank"] for row in some))


def summary(done: Sequence[rows.Row]) -> list[str]:
    """Return all of that, line by line."""
    return [
        f"{kind}: {said} of {draws} look like counts; right by default {ours}, by least squares {theirs}; "
        f"{ours_s:.2g} s, {theirs_s:.2g} s"
        for kind, draws, said, ours, theirs, ours_s, theirs_s in rates(done)
    ]


FULL: dict[str, rows.Job] = {
    **{
        f"{kind}, draw {number}": (measured, kind, number)
        for number in range(DRAWS)
        for kind in KINDS
        if "pixels" not in kind or data_folder() is not None
    },
    **{f"real {kind}": (measured, kind, 0) for kind in REAL if data_folder() is not None},
}
SMOKE: dict[str, rows.Job] = {
    kind: (measured, kind, 0, 2) for kind in ("Poisson, mean 1", "ratings 1..5, half missing", "scores 0..3")
}


if __name__ == "__main__":
    rows.main("looks", __doc__, FULL, SMOKE, summary)
