"""Centring inside folds: offsets are estimated without the held-out cells, and together with the components."""

import numpy as np
import pytest
import reference
from contracts import with_holes

from autoten import ALS, HALS, KL, Centred, RandomElements, RandomFibres, estimate_rank, fit_parafac, weighted
from autoten.datasets import make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.fits import Plan, fit_fold, seen_by_fold
from autoten.model import CPModel
from autoten.preprocess import center
from autoten.scores.heldout import relative_error

SHAPE = (5, 9, 10)
HOLDOUT = Centred(RandomElements(0.1), 0)
PLAN = Plan(ALS(tol=1e-10), HOLDOUT, 4, 3, 0)


def with_offsets(shape=SHAPE, noise=None, seed=0, modes=(0,)):
    """Return a tensor of rank 2 with offsets, ten times as large, that are constant along each of the modes."""
    rng = np.random.default_rng(seed)
    X = make_cp_tensor(shape, 2, noise=noise, random_state=seed).X
    for mode in modes:
        X = X + 10 * rng.standard_normal([1 if n == mode else length for n, length in enumerate(shape)])
    return X


def folds_of(X, holdout=HOLDOUT, n_folds=3):
    return holdout.folds(as_tensor(X), n_folds, np.random.default_rng(0))


def fold_fit(tensor, fold, full):
    of = fit_fold(tensor, PLAN, fold, CPModel(np.zeros(0), [np.zeros((n, 0)) for n in tensor.shape]), full, 0)
    return seen_by_fold(tensor, fold, of.whole, of.converged)


def full_model(X, rank=2):
    return fit_parafac(X, rank, solver=PLAN.solver, n_starts=4, random_state=0).model


@pytest.mark.parametrize("modes", [(0,), (1,), (0, 2)])
def test_held_out_values_change_neither_offsets_nor_models(modes):
    X = np.asarray(center(with_offsets(noise=white_noise(20), modes=modes), modes))
    full = full_model(X)
    for fold in folds_of(X, Centred(RandomElements(0.1), modes)):
        tampered = X.copy()
        tampered.ravel()[fold.cells] += 100.0
        clean, other = (fold_fit(as_tensor(data), fold, full) for data in (X, tampered))
        np.testing.assert_allclose(other.model.to_tensor(), clean.model.to_tensor(), atol=1e-8)
        np.testing.assert_allclose(other.offsets, clean.offsets, atol=1e-8)


def test_offsets_and_components_are_the_joint_least_squares_fit():
    X = np.asarray(center(with_offsets(noise=white_noise(10)), 0))
    tensor, fold = as_tensor(X), folds_of(X)[0]
    fit = fold_fit(tensor, fold, full_model(X))
    seen = np.where(np.isin(np.arange(X.size), fold.cells).reshape(SHAPE), np.nan, X)
    offsets, means = fold.offsets(tensor, fit.model), np.nanmean(seen - fit.model.to_tensor(), axis=0)
    np.testing.assert_allclose(offsets, np.broadcast_to(means, SHAPE), atol=1e-12)
    best = reference.loss(seen - offsets, fit.model.folded())
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = [f + 1e-3 * rng.standard_normal(f.shape) for f in fit.model.folded()]
        left = seen - reference.cp_tensor(moved)
        assert np.nansum((left - np.nanmean(left, axis=0)) ** 2) >= best * (1 - 1e-7)


def test_without_noise_held_out_cells_of_a_short_mode_are_predicted():
    X = np.asarray(center(with_offsets(), 0))
    tensor, full, rng = as_tensor(X), full_model(X), np.random.default_rng(0)
    start = CPModel(full.weights, tuple(f + 0.1 * rng.standard_normal(f.shape) for f in full.factors))
    for fold in folds_of(X):
        fit = fold_fit(tensor, fold, start)
        assert relative_error(tensor, fit.model, fold.cells, offsets=fit.offsets) < 1e-5
        # The means of what a fold sees, taken once, are off by the mean of what it does not.
        once = fold.without(tensor, fold.offsets(tensor, full.scaled(0.0)))
        model = ALS().fit(once, full).model
        offsets = fold.offsets_at_cells(tensor, model)
        assert relative_error(tensor, model, fold.cells, offsets=offsets[[1, 1]]) > 1e-3


def test_errors_are_relative_to_offsets_alone_and_no_model_has_an_error_of_one():
    X = np.asarray(center(with_offsets(noise=white_noise(10)), 0))
    tensor, fold = as_tensor(X), folds_of(X)[0]
    nothing = CPModel(np.zeros(0), tuple(np.zeros((n, 0)) for n in SHAPE))
    fit = seen_by_fold(tensor, fold, nothing, True)
    assert relative_error(tensor, fit.model, fold.cells, offsets=fit.offsets) == 1.0
    seen = X.copy()
    seen.ravel()[fold.cells] = np.nan
    target = (X - np.nanmean(seen, axis=0)).ravel()[fold.cells]
    fit = fold_fit(tensor, fold, full_model(X))
    left = (X - fold.offsets(tensor, fit.model) - fit.model.to_tensor()).ravel()[fold.cells]
    error = relative_error(tensor, fit.model, fold.cells, offsets=fit.offsets)
    assert error == pytest.approx((left @ left) / (target @ target))


@pytest.mark.parametrize("holes", [0.0, 0.2])
@pytest.mark.parametrize("inner", [RandomElements(0.1), RandomFibres(1, 0.1)], ids=repr)
def test_the_rank_beside_offsets(inner, holes):
    X = with_holes(with_offsets((12, 10, 11), noise=white_noise(20)), holes)
    estimate = estimate_rank(center(X, 0), 3, holdout=Centred(inner, 0), n_starts=3, random_state=0)
    assert estimate.rank == 2
    assert (estimate.table["heldout"][0] == 1.0).all()


def test_offsets_are_by_weights_where_there_are_any_and_workers_change_no_number():
    X = np.asarray(center(with_offsets(noise=white_noise(20)), 0))
    data = weighted(X, np.exp(np.random.default_rng(0).standard_normal(SHAPE)))
    tensor, fold = as_tensor(data), folds_of(data)[0]
    fit = fold_fit(tensor, fold, full_model(data))
    weights = tensor.cell_weights.copy()
    weights.ravel()[fold.cells] = 0.0
    left = X - fit.model.to_tensor()
    np.testing.assert_allclose(fold.offsets(tensor, fit.model)[0], (weights * left).sum(0) / weights.sum(0), atol=1e-12)
    one, two = (estimate_rank(data, 3, holdout=HOLDOUT, n_starts=3, random_state=0, n_jobs=n) for n in (1, 2))
    assert one.rank == 2
    np.testing.assert_array_equal(one.table["heldout"], two.table["heldout"])


def test_a_cell_whose_fibre_has_no_other_is_put_back():
    X = np.asarray(center(with_holes(with_offsets((3, 9, 10)), 0.4), 0))
    X = np.asarray(center(X, 0))
    for fold in folds_of(X, Centred(RandomElements(0.5), 0)):
        left = np.isfinite(X)
        left.ravel()[fold.cells] = False
        fibres = np.unravel_index(fold.cells, X.shape)[1:]
        assert left.any(axis=0)[fibres].all()
        assert len(fold.cells) > 10


@pytest.mark.parametrize("solver", [ALS(max_iter=5), HALS(max_iter=5), KL(max_iter=5)])
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_zeros_need_no_offsets(solver, holes):
    X = with_holes(np.zeros((4, 5, 6)), holes, 0)
    answer = estimate_rank(X, 1, solver=solver, holdout=HOLDOUT, n_starts=1, n_folds=2, random_state=0)
    np.testing.assert_array_equal(answer.table["heldout"], 1.0)
    assert answer.warnings[0] == "All observed cells are zero: there is nothing to decompose."
