"""Halves of the longest mode: do components come back from fits that share no cell?"""

import numpy as np
import pytest
from scipy import sparse

from autoten import ALS, HALS, KL, estimate_rank
from autoten.datasets import make_cp_tensor, white_noise
from autoten.fits import N_SPLITS
from autoten.holdout import random_halves

DRAW = make_cp_tensor((9, 20, 8), 2, noise=white_noise(20), random_state=0)
QUICK = {"ranks": range(1, 5), "n_starts": 2, "n_folds": 2, "random_state": 0}


def halves_of(X, **options):
    return estimate_rank(X, **{**QUICK, **options}).table["stability_halves_splits"]


def test_components_of_the_data_come_back_and_those_of_the_noise_do_not():
    table = estimate_rank(DRAW.X, **QUICK).table
    halves = table["stability_halves_splits"]
    assert halves.shape == (5, N_SPLITS)
    assert np.isnan(halves[0]).all()
    assert (halves[2] > 0.99).all()
    assert (halves[3:] < 0.9).all()
    # The split in which they agree best counts.
    assert (halves[3:].max(axis=1) > halves[3:].min(axis=1)).all()
    np.testing.assert_array_equal(table.mean("stability_halves")[1:], halves[1:].max(axis=1))
    # Neither other ranks nor workers change any.
    np.testing.assert_array_equal(halves[[0, 2, 4]], halves_of(DRAW.X, ranks=[2, 4]))
    np.testing.assert_array_equal(halves, halves_of(DRAW.X, n_jobs=2))


def test_there_are_as_many_splits_as_asked_for():
    few, more = (halves_of(DRAW.X, n_splits=n) for n in (1, 5))
    assert (few.shape, more.shape) == ((5, 1), (5, 5))
    np.testing.assert_array_equal(few[:, 0], more[:, 0])
    answer = estimate_rank(DRAW.X, **QUICK, n_splits=0)
    assert np.isnan(answer.table["stability_halves"]).all()
    assert answer.rank == 2


@pytest.mark.parametrize("seed", range(3))
def test_sugar_comes_back_from_halves(real_data, seed):
    # From rank 3 on single fits of a half end in one of two minima, and in some splits the halves choose differently.
    X = real_data("sugar_process")["X"]
    table = estimate_rank(X, 4, solver=HALS(), n_starts=2, n_folds=2, random_state=seed).table
    assert (table.mean("stability_halves")[1:] > 0.98).all()


def test_halves_are_disjoint_and_in_order():
    halves = random_halves((4, 7, 5), 1, np.random.default_rng(0))
    assert [tuple(map(len, half)) for half in halves] == [(4, 3, 5), (4, 4, 5)]
    assert sorted([*halves[0][1], *halves[1][1]]) == list(range(7))
    assert all((np.diff(rows) > 0).all() for half in halves for rows in half)


@pytest.mark.parametrize("solver", [ALS(), ALS(compress=False), HALS(), KL()], ids=repr)
def test_every_solver_fits_halves_of_dense_and_sparse_tensors_alike(solver):
    X = np.random.default_rng(0).poisson(np.abs(DRAW.model.to_tensor())).astype(float)
    halves, of_list = (halves_of(data, solver=solver, ranks=[1, 2])[1:] for data in (X, sparse.coo_array(X)))
    assert (halves >= 0).all()
    assert (halves <= 1).all()
    np.testing.assert_allclose(of_list, halves, atol=1e-8)


def test_missing_cells_play_no_part():
    X = np.where(np.random.default_rng(0).random(DRAW.X.shape) < 0.2, np.nan, DRAW.X)
    assert (halves_of(X)[2] > 0.98).all()


def test_what_is_too_short_to_split_has_no_halves():
    X = make_cp_tensor((3, 3, 3), 1, noise=white_noise(20), random_state=0).X
    assert np.isnan(halves_of(X, ranks=[1, 2])).all()
    X = make_cp_tensor((5, 5, 2), 2, noise=white_noise(20), random_state=0).X
    halves = halves_of(X, ranks=[4, 5])  # half of five is two
    assert np.isfinite(halves[1]).all()
    assert np.isnan(halves[2]).all()


def test_halves_of_nothing_are_no_matter():
    X = DRAW.X.copy()
    X[:, 1:] = 0.0
    assert estimate_rank(X, **QUICK).rank in range(5)
    # Ranks 8 and 9 are more than the factors of a model of zeros can tell apart.
    assert estimate_rank(np.zeros((5, 6, 7)), random_state=0).rank == 0
