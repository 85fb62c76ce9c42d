"""What looks like counts, and that KL then takes part where nobody named a solver."""

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from test_kl import counts

from autoten import ALS, HALS, KL, AutoTen, RankTable, estimate_rank, from_table, load, weighted
from autoten.datasets import make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.selection import HeldOutMinimum
from autoten.warn import data_warnings, looks_like_counts

BRIEF = {"n_starts": 3, "n_folds": 3, "random_state": 0}
SHAPE = (8, 9, 10)
X = counts((12, 13, 14), 3, mean=0.35, gamma=0.4)


def table(data, dispersion, folds=2):
    """Return a table of least squares whose smallest held-out squared error is so many times the mean."""
    values = data[~np.isnan(data)]
    smallest = dispersion * values.sum() / (values**2).sum()
    rows = [[1.0] * folds, [smallest - 1e-9, smallest + 1e-9, *[np.nan] * (folds - 2)], [3.0 * smallest] * folds]
    return RankTable([0, 1, 2], {"heldout": rows}, data.shape)


def poisson(mean=2.0):
    return np.random.default_rng(0).poisson(mean, SHAPE).astype(float)


def ratings():
    """Return marks from 0 to 10, many of them at either end."""
    marks = np.random.default_rng(0).normal(5.0, 3.5, SHAPE)
    return np.clip(np.round(marks), 0, 10)


LIKENESS = {
    "counts": (poisson(), 1.0, True),
    "nearly": (poisson(), 0.95, True),
    "too well predicted": (poisson(), 0.8, False),
    "over-dispersed": (poisson(), 40.0, True),
    "many": (poisson(900.0), 1.0, True),
    "readings": (poisson(1100.0), 1.0, False),
    "few": (poisson(0.3), 1.0, True),
    "halves": (poisson() + 0.5, 1.0, False),
    "negative": (np.where(poisson() > 5, -1.0, poisson()), 1.0, False),
    "cut off": (np.where(poisson() > 3, np.nan, poisson()), 1.0, False),  # an end
    "missing": (np.where(poisson() == 1, np.nan, poisson()), 1.0, True),
    "ratings": (ratings(), 2.0, False),
    "yes and no": (np.minimum(poisson(), 1.0), 1.0, False),
    "nothing": (np.zeros(SHAPE), 1.0, False),
}


@pytest.mark.parametrize(("data", "dispersion", "expected"), LIKENESS.values(), ids=LIKENESS)
def test_counts_are_whole_numbers_without_an_end_that_nobody_predicts_too_well(data, dispersion, expected):
    with np.errstate(invalid="ignore"):
        curve = table(data, dispersion)
    assert looks_like_counts(as_tensor(data), curve) is expected
    if not np.isnan(data).any():
        assert looks_like_counts(as_tensor(scipy.sparse.coo_array(data)), curve) is expected


def test_what_cannot_be_fitted_or_judged_as_counts_does_not_look_like_them():
    data = poisson()
    assert looks_like_counts(as_tensor(data), table(data, 1.0, folds=3))  # a fold without a model
    assert not looks_like_counts(as_tensor(weighted(data, np.ones(SHAPE) + data)), table(data, 1.0))
    assert not looks_like_counts(as_tensor(data), RankTable([0, 1], {"fit": [[0.0], [0.5]]}, SHAPE))
    assert not looks_like_counts(as_tensor(data * 2.0**-600), table(data, 1.0))
    unknown = RankTable([0, 1], {"heldout": [[np.nan], [np.nan]]}, SHAPE)
    assert not looks_like_counts(as_tensor(data), unknown)


@pytest.fixture(scope="module")
def default():
    return estimate_rank(X, iter([1, 2, 3, 4]), **BRIEF)


def said(estimate):
    return [warning for warning in estimate.warnings if "looks like counts" in warning]


def test_kl_takes_part_as_if_both_had_been_named(default, tmp_path):
    named = estimate_rank(X, range(1, 5), solver=(ALS(), KL()), **BRIEF)
    assert list(default.by_solver) == ["ALS", "KL"]
    assert (default.rank, default.reason, default.settings) == (named.rank, named.reason, named.settings)
    for name, alone in named.by_solver.items():
        for score in alone.table.replicates:
            np.testing.assert_array_equal(alone.table[score], default.by_solver[name].table[score])
    assert said(default) == [warning for warning in default.warnings if warning not in named.warnings]
    assert "KL() takes part" in default.report()
    assert default.timings["total"] > default.by_solver["ALS"].timings["total"]
    default.save(tmp_path / "both")
    assert load(tmp_path / "both").warnings == default.warnings


def test_it_finds_what_least_squares_misses(default):
    assert default.by_solver["ALS"].rank < 3
    assert default.rank == 3
    assert default.select(HeldOutMinimum()).rank >= 3


@pytest.mark.parametrize("solver", [ALS(), HALS(), (ALS(), KL())], ids=["ALS", "HALS", "both"])
def test_whoever_names_solvers_has_them_alone(solver):
    estimate = estimate_rank(X, 2, solver=solver, **BRIEF)
    assert said(estimate) == []
    assert len(estimate.by_solver) == (2 if isinstance(solver, tuple) else 0)


def test_nothing_changes_where_no_counts_are():
    measured = make_cp_tensor((6, 7, 8), 2, noise=white_noise(10), random_state=0).X
    for data in (measured, ratings(), np.round(measured)):
        estimate = estimate_rank(data, 2, **BRIEF)
        assert (estimate.by_solver, said(estimate)) == ({}, [])
        assert estimate.settings["solver"] == repr(ALS())
    assert AutoTen(2, **BRIEF).fit(X).estimate_.by_solver.keys() == {"ALS", "KL"}


def test_a_checkpoint_is_that_of_least_squares_and_the_report_names_kl(tmp_path):
    kept = estimate_rank(X, 3, checkpoint=tmp_path / "run", **BRIEF)
    assert kept.by_solver == {}
    assert [warning.endswith("estimate by KL() too, with a checkpoint of its own.") for warning in said(kept)] == [True]
    again = estimate_rank(X, 3, checkpoint=tmp_path / "run", **BRIEF | {"random_state": None})
    assert (again.rank, again.warnings) == (kept.rank, kept.warnings)


@dataclass(frozen=True)
class Interrupted(KL):
    """Poisson fits that somebody breaks off."""

    def fit(self, tensor, start, **options):
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Endless(KL):
    """Poisson fits that end when time is over."""

    def fit(self, tensor, start, *, deadline=0.0, **options):
        time.sleep(max(0.0, deadline - time.monotonic()) + 0.01)
        return super().fit(tensor, start, deadline=deadline, **options)


@pytest.mark.parametrize(
    ("solver", "limit", "why"),
    [
        (Interrupted(), None, "no rank was done when the run was interrupted."),
        (Endless(), 2.0, "no rank was done when the time was over. Raise max_time."),
    ],
    ids=["interrupted", "late"],
)
def test_what_least_squares_found_is_kept_when_kl_does_not_end(solver, limit, why, monkeypatch):
    alone = estimate_rank(X, 2, solver=ALS(), **BRIEF)
    monkeypatch.setattr("autoten.estimate.KL", lambda: solver)
    began = time.monotonic()
    kept = estimate_rank(X, 2, max_time=limit, **BRIEF)
    assert limit is None or time.monotonic() - began < limit + 1.0
    assert (kept.rank, kept.reason) == (alone.rank, alone.reason)
    assert f"KL was left out: {why}" in kept.warnings


LACKING = "Observed cells are counts, none of them 0, where at least "


@pytest.mark.parametrize(
    ("draw", "lacks"),
    [
        (lambda rng: rng.poisson(rng.gamma(1.0, 2.0, SHAPE)), True),
        (lambda rng: rng.poisson(30.0, SHAPE), False),  # zeros are not to be expected
        (lambda rng: 1 + rng.integers(5, size=SHAPE), False),  # a scale
        (lambda rng: rng.gamma(1.0, 2.0, SHAPE), False),
        (lambda rng: -rng.poisson(2.0, SHAPE), False),
    ],
)
def test_counts_of_which_zeros_are_not_listed(draw, lacks):
    X = draw(np.random.default_rng(0)).astype(float)
    without = np.where(X == 0, np.nan, X)
    without[0, 0, 0] = np.nan
    curve = table(X, 1.0)
    assert any(warning.startswith(LACKING) for warning in data_warnings(as_tensor(without), curve)) == lacks
    observed = np.where(np.random.default_rng(1).random(SHAPE) < 0.8, X, np.nan)
    listed = scipy.sparse.coo_array(observed)
    for with_zeros in (observed, X, listed):
        assert not any(LACKING in warning for warning in data_warnings(as_tensor(with_zeros), curve))


def test_flights_that_are_listed_where_there_were_any(real_data):
    arrays = real_data("nycflights13")
    frame = pd.DataFrame(arrays["coords"][:, 1:], columns=["hour", "origin", "dest", "carrier"])
    modes = ["hour", "dest", "carrier"]
    counts = frame.groupby(modes).size()
    told = list(data_warnings(as_tensor(counts), table(np.ones(SHAPE), 1.0)))
    assert any(warning.startswith(LACKING) and "from_table" in warning for warning in told)
    zeros = from_table(counts.reset_index(name="n"), modes, "n", unlisted="zero")
    assert not any(LACKING in warning for warning in data_warnings(as_tensor(zeros), table(np.ones(SHAPE), 1.0)))
