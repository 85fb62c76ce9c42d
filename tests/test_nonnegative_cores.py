"""Cores without negative entries: against scipy and explicit multiplicative steps on the Kronecker matrix."""

from functools import reduce

import numpy as np
import pytest
import reference
from contracts import draw_factors, noisy_tensor, with_holes

from autoten import HALS, CPModel, estimate_rank, fit_parafac, kl_core_consistency, nonnegative_core_consistency
from autoten.door import as_tensor
from autoten.scores.nonnegative_cores import kl_core, nonnegative_core


def nonnegative_factors(shape, rank, seed=0):
    return [np.abs(factor) for factor in draw_factors(shape, rank, seed)]


def of_core(core):
    rank = core.shape[0]
    return 100 * (1 - np.sum((core - reference.superdiagonal(rank, core.ndim)) ** 2) / rank)


# ------------------------------------------------------------------------------------------------------ least squares


@pytest.mark.parametrize(("shape", "rank"), [((5, 6, 7), 3), ((4, 5, 4, 5), 2), ((3, 6, 7), 4)], ids=str)
def test_it_is_scipys_nonnegative_core_on_the_kronecker_matrix(shape, rank):
    X = noisy_tensor(shape, 2) + 1
    model = CPModel(np.arange(1.0, rank + 1), tuple(nonnegative_factors(shape, rank, seed=1))).normalized()
    expected = reference.nonnegative_core(X, model.folded())
    got = nonnegative_core(as_tensor(X), model)
    fits = [np.sum((X - reference.tucker_tensor(core, model.folded())) ** 2) for core in (got, expected)]
    assert fits[0] == pytest.approx(fits[1], rel=1e-9)
    assert (got >= 0).all()
    assert (got == 0).any()
    if rank <= min(shape):  # else the core is not unique
        np.testing.assert_allclose(got, expected, atol=1e-6 * np.abs(expected).max())
        assert nonnegative_core_consistency(X, model) == pytest.approx(of_core(expected), rel=1e-6)


def test_missing_cells_are_filled_from_the_model():
    model = CPModel(np.ones(2), tuple(nonnegative_factors((5, 6, 7), 2))).normalized()
    X = with_holes(noisy_tensor((5, 6, 7), 2) + 1, 0.3)
    filled = np.where(np.isnan(X), model.to_tensor(), X)
    assert nonnegative_core_consistency(X, model) == pytest.approx(
        nonnegative_core_consistency(filled, model), rel=1e-8
    )


def test_it_cannot_stray_as_far_as_the_free_core():
    # il2-like: nonnegative factors that are no least-squares optimum; the free core cancels, this one cannot.
    X = noisy_tensor((6, 7, 8), 3) ** 2
    estimate = estimate_rank(X, [1, 2, 3], solver=HALS(), n_starts=3, n_folds=2, random_state=0)
    table = estimate.table
    assert (table.mean("nonnegative_core_consistency")[1:] >= table.mean("core_consistency")[1:] - 1e-6).all()
    assert table.value("nonnegative_core_consistency", 3) == pytest.approx(
        nonnegative_core_consistency(X, estimate.models[3]), rel=1e-9
    )


def test_too_large_a_core_is_not_a_number():
    X = noisy_tensor((12, 13, 14), 2)
    model = fit_parafac(X, 11, solver=HALS(max_iter=2), n_starts=1, random_state=0).model
    assert np.isnan(nonnegative_core_consistency(X, model))


# ----------------------------------------------------------------------------------------------------- Kullback-Leibler


def oracle():
    """Return the exact model, its Poisson counts and the core's start of the published check."""
    rng = np.random.default_rng(11)
    factors = [rng.random((length, 3)) for length in (8, 10, 12)]
    factors = [factor / factor.sum(axis=0) for factor in factors]
    model = CPModel(np.array([1500.0, 1000.0, 500.0]), tuple(factors))
    X = model.to_tensor()
    return model, X, rng.poisson(X).astype(float), np.random.default_rng(12).random((3, 3, 3))


def test_it_is_where_multiplicative_steps_lead_from_any_start():
    model, X, counts, start = oracle()
    for data, known in ((X, (75.9, 99.996)), (counts, (79.9, 99.65))):
        got = kl_core_consistency(data, model)
        steps = [of_core(reference.kl_core(data, model.folded(), start, n)) for n in (30, 2000)]
        assert steps == pytest.approx(known, abs=0.05)
        for begin in (start, reference.superdiagonal(3, 3) + 0.1):
            assert got == pytest.approx(of_core(reference.kl_core(data, model.folded(), begin, 20_000)), abs=0.01)


def test_the_published_recipe_divides_too_late():
    model, X, counts, start = oracle()
    # Without the division the steps settle elsewhere, however many there are.
    wrong = [of_core(reference.kl_core(data, model.folded(), start, 30, divide_once=True)) for data in (X, counts)]
    assert max(wrong) < 50


@pytest.mark.parametrize("missing", [0.0, 0.05, 0.3])
@pytest.mark.parametrize(
    ("shape", "rank", "mean"),
    [((9, 8, 7), 2, 0.05), ((5, 6, 7), 3, 5.0), ((3, 3, 5, 6), 2, 2.0), ((5, 2, 7), 4, 2.0), ((6, 6, 6, 6), 6, 2.0)],
    ids=["listed", "in an array", "four modes", "short modes", "large core"],
)
def test_no_core_without_negative_entries_has_less_divergence(shape, rank, mean, missing):
    factors = [factor / factor.sum(axis=0) for factor in nonnegative_factors(shape, rank)]
    weights = np.prod(shape) * mean * np.arange(1.0, rank + 1) / np.arange(1.0, rank + 1).sum()
    model = CPModel(weights, tuple(factors))
    X = with_holes(np.random.default_rng(0).poisson(model.to_tensor()).astype(float), missing)
    observed = ~np.isnan(X).ravel()
    core = kl_core(as_tensor(X), model)
    # The slopes of the divergence, and of what holds a core to the model where cells are missing, in amounts.
    rates = reference.tucker_tensor(core, model.folded()).ravel()
    ratios = np.divide(X.ravel(), rates, out=np.zeros(X.size), where=observed & (X.ravel() > 0))
    slopes = (reduce(np.kron, factors).T @ (observed - ratios)).reshape(core.shape)
    slopes += 1e-3 * observed.mean() * (missing > 0) * (core - reference.superdiagonal(rank, X.ndim))
    assert core.min() >= 0
    assert slopes.min() > -1e-5
    amounts = core * weights.reshape(-1, *[1] * (X.ndim - 1))
    assert np.abs(slopes * amounts).max() < 1e-6 * np.nansum(X)


def test_a_component_of_which_next_to_nothing_is_observed_is_no_obstacle():
    factors = [np.array([[1.0, 0.0], [0.0, 1e-9], [0.0, 1.0]])] * 3
    X = np.ones((3, 3, 3))
    X[2, 2, 1:] = X[2, 1, 2] = X[1, 2, 2] = np.nan
    assert np.isfinite(kl_core_consistency(X, (None, factors)))


def test_it_is_the_same_every_time_whatever_scale_the_columns_come_in():
    model, _, counts, _ = oracle()
    scaled = CPModel(
        model.weights / 6, tuple(factor * scale for factor, scale in zip(model.factors, (1, 2, 3), strict=True))
    )
    assert kl_core_consistency(counts, model) == kl_core_consistency(counts, model)
    assert kl_core_consistency(counts, scaled) == pytest.approx(kl_core_consistency(counts, model), abs=1e-6)


def test_an_interaction_is_found():
    # Counts from a Tucker model with one entry off the diagonal: a fifth of that core is no superdiagonal.
    model, _, _, _ = oracle()
    core = reference.superdiagonal(3, 3)
    core[0, 1, 2] = 0.8
    X = reference.tucker_tensor(core, model.folded())
    assert kl_core_consistency(X, model) == pytest.approx(of_core(core), abs=0.1)
