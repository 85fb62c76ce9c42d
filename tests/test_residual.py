"""What is left of every rank, beside copies with random signs."""

import numpy as np
import pytest
import scipy.sparse
from contracts import noisy_tensor

from autoten import ALS, KL, CPModel, weighted
from autoten.datasets import make_cp_tensor, structured_noise, white_noise
from autoten.door import as_tensor
from autoten.fits import RankFits
from autoten.scores import residual, residual_scores
from autoten.solvers.base import Fit
from autoten.tensors.dense import DenseTensor

LEAST_SQUARES = ALS()


def excess(X, model, solver=LEAST_SQUARES):
    fit = Fit(model, 0.0, 1, True, np.zeros(0))
    return residual_scores(as_tensor(X), RankFits(model.rank, (fit,), (), {}, solver))["residual_excess"]


def truth(shape, rank, seed=0):
    rng = np.random.default_rng(seed)
    return CPModel(np.ones(rank), tuple(rng.standard_normal((n, rank)) for n in shape))


def first(model, rank):
    return CPModel(model.weights[:rank], tuple(factor[:, :rank] for factor in model.factors))


@pytest.mark.parametrize("shape", [(20, 21, 22), (9, 10, 8, 11), (6, 5, 7, 4, 8)], ids=str)
def test_weak_components_show_until_all_are_taken_out(shape):
    model, rng = truth(shape, 4), np.random.default_rng(1)
    X = model.to_tensor() + white_noise(-3.0)(model.to_tensor(), rng)
    seen = [excess(X, first(model, rank)).mean() for rank in range(5)]
    assert min(seen[:4]) > 0.3
    assert abs(seen[4]) < 0.15


def test_uneven_noise_and_outliers_are_no_structure():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 20, 20)) * 10.0 ** rng.uniform(0, 1, (20, 1, 1))
    X[3, 4, 5] = 300.0
    assert abs(excess(X, first(truth(X.shape, 1), 0)).mean()) < 0.1


def test_structured_noise_stays_above_zero_and_falls_at_the_true_rank():
    model, rng = truth((20, 20, 20), 3), np.random.default_rng(2)
    X = model.to_tensor() + structured_noise(0.5)(model.to_tensor(), rng)
    seen = [excess(X, first(model, rank)).mean() for rank in range(4)]
    assert seen[3] > 0.3
    assert seen[2] - seen[3] > 0.5


def test_the_strongest_component_is_that_of_a_converged_fit():
    X = noisy_tensor((12, 9, 7), 3, noise=0.5)
    best = max(ALS(tol=1e-12).fit(as_tensor(X), truth(X.shape, 1, seed)).loss * -1.0 for seed in range(5))
    assert residual._strongest(X)[1] ** 2 == pytest.approx((1.0 + best) * np.sum(X**2), rel=1e-3)


def test_it_is_that_of_the_squares_that_are_known():
    """Hidden cells count for nothing, weights as in the loss, and storage not at all."""
    X, model = noisy_tensor((8, 9, 10), 2), truth((8, 9, 10), 1)
    np.testing.assert_allclose(excess(weighted(X, 0.01), model), excess(X, model), atol=1e-5)
    holed = np.where(np.random.default_rng(0).random(X.shape) < 0.3, np.nan, X)
    weighed = DenseTensor(X, cell_weights=(~np.isnan(holed)) * 1.0)
    np.testing.assert_allclose(excess(holed, model), excess(weighed, model), atol=1e-5)
    thin = np.where(np.random.default_rng(1).random(X.shape) < 0.2, X, 0.0)
    np.testing.assert_allclose(excess(scipy.sparse.coo_array(thin), model), excess(thin, model), atol=1e-5)


def test_of_a_large_tensor_a_block_is_looked_at(monkeypatch):
    monkeypatch.setattr(residual, "LARGEST_BLOCK", 4_000)
    model = truth((30, 31, 32), 2)
    X = model.to_tensor() + white_noise(10.0)(model.to_tensor(), np.random.default_rng(0))
    assert excess(X, first(model, 1)).mean() > 0.5
    assert abs(excess(X, model).mean()) < 0.3


def test_of_a_large_sparse_tensor_the_busiest_slabs_are(monkeypatch):
    monkeypatch.setattr(residual, "LARGEST_BLOCK", 1_000)
    X = np.zeros((20, 30, 40))
    X[3:8, 5:12, 10:20] = np.random.default_rng(0).poisson(2.0, (5, 7, 10))
    indices = residual._block(as_tensor(scipy.sparse.coo_array(X)))
    assert np.prod([len(index) for index in indices]) <= 1_000
    assert set(range(3, 8)) <= set(indices[0])
    assert set(range(5, 12)) <= set(indices[1])


def test_counts_are_judged_by_their_own_noise():
    """Pearson's residual: where rates differ a hundredfold, weak components show beside strong ones."""
    rng = np.random.default_rng(0)
    model = make_cp_tensor((20, 21, 22), 3, factors=lambda n, r, g: g.gamma(0.5, size=(n, r)), random_state=0).model
    model = model.scaled(3.0 / model.to_tensor().mean())
    X = rng.poisson(model.to_tensor()).astype(float)
    assert abs(excess(X, model, KL()).mean()) < 0.15
    assert excess(X, first(model, 2), KL()).mean() > 0.3
    assert excess(X, first(model, 0), KL()).mean() > 0.3  # beside one rate for all


def test_nothing_left_is_no_evidence():
    model = truth((5, 6, 7), 2)
    assert np.isnan(excess(model.to_tensor(), model))
    assert np.isnan(excess(np.zeros((5, 6, 7)), first(model, 0)))


@pytest.mark.parametrize("shape", [(4, 30, 20), (20, 20, 20)], ids=str)
def test_what_bends_a_component_resembles_it_and_noise_resembles_none(shape):
    """Whatever the lengths: in short modes noise is like anything, and so are its copies."""
    model, rng = truth(shape, 2), np.random.default_rng(3)
    fit = Fit(model, 0.0, 1, True, np.zeros(0))
    noise = 0.5 * rng.standard_normal(shape)
    bent = (
        2.0
        * CPModel(np.ones(1), (*(f[:, :1] for f in model.factors[:2]), rng.standard_normal((shape[2], 1)))).to_tensor()
    )
    likeness = [
        residual_scores(as_tensor(model.to_tensor() + left), RankFits(2, (fit,), (), {}, ALS()))["residual_likeness"]
        for left in (noise, noise + bent)
    ]
    assert abs(likeness[0]) < 0.15
    assert likeness[1] > 0.5
