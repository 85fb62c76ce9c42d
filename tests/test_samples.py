"""Leverage and residual of every sample, and the matching of components, against their definitions."""

import numpy as np
import pytest

from autoten import core_consistency, core_elements, factor_match_score, fit_parafac, match_components, sample_influence
from autoten.datasets import make_cp_tensor, white_noise
from autoten.model import CPModel

X = make_cp_tensor((8, 7, 6), 3, noise=white_noise(10), random_state=0).X
MODEL = fit_parafac(X, 3, n_starts=3, random_state=0).model
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.3, np.nan, X)


@pytest.mark.parametrize("mode", [0, 1, -1])
@pytest.mark.parametrize("data", [X, GAPS], ids=["complete", "missing"])
def test_leverage_and_residual_by_their_definitions(data, mode):
    influence = sample_influence(data, MODEL, mode)
    A = MODEL.factors[mode]
    np.testing.assert_allclose(influence.leverage, np.diag(A @ np.linalg.inv(A.T @ A) @ A.T), rtol=1e-9)
    errors = np.moveaxis(data - MODEL.to_tensor(), mode, 0).reshape(data.shape[mode], -1)
    np.testing.assert_allclose(influence.residual, np.sqrt(np.nanmean(errors**2, axis=1)), rtol=1e-6)
    assert influence.leverage.sum() == pytest.approx(3)


def test_residuals_have_the_units_of_the_data_and_leverages_none():
    for unit in (1e-200, 1e200):
        scaled = sample_influence(X * unit, MODEL.scaled(unit))
        np.testing.assert_allclose(scaled.residual / unit, sample_influence(X, MODEL).residual, rtol=1e-6)
        np.testing.assert_allclose(scaled.leverage, sample_influence(X, MODEL).leverage, rtol=1e-9)


def test_an_odd_sample_stands_out():
    odd = X.copy()
    odd[5] += 3 * np.random.default_rng(1).normal(size=odd[5].shape)
    influence = sample_influence(odd, MODEL)
    assert influence.residual.argmax() == 5
    odd[5] = 0.0
    odd[5, 2, 3] = 100.0
    assert sample_influence(odd, fit_parafac(odd, 3, n_starts=5, random_state=0).model).leverage[5] > 0.9


def test_models_without_full_rank_have_leverages_too():
    twice = CPModel(np.ones(2), [np.repeat(np.arange(1.0, n + 1)[:, None], 2, axis=1) for n in X.shape])
    assert sample_influence(X, twice).leverage.sum() == pytest.approx(1)
    assert sample_influence(X, CPModel(np.ones(0), [np.ones((n, 0)) for n in X.shape])).leverage.tolist() == [0.0] * 8


def test_the_core_is_that_of_core_consistency():
    distance = core_elements(X, MODEL)
    distance[(np.arange(3),) * 3] -= 1
    assert 100 * (1 - np.square(distance).sum() / 3) == pytest.approx(core_consistency(X, MODEL))


def test_matches_undo_order_sign_and_scale():
    rng = np.random.default_rng(0)
    other = CPModel(np.ones(3), [factor[:, [2, 0, 1]] * rng.normal(size=3) for factor in MODEL.factors])
    matches = match_components(MODEL, other)
    assert (matches.first.tolist(), matches.second.tolist()) == ([0, 1, 2], [1, 2, 0])
    np.testing.assert_allclose(np.abs(matches.cosines), 1.0)
    np.testing.assert_allclose(matches.congruence, 1.0)


@pytest.mark.parametrize("ranks", [(3, 3), (2, 4), (4, 2), (0, 2)])
def test_the_mean_congruence_is_the_factor_match_score(ranks):
    a, b = (
        CPModel(np.ones(rank), [np.random.default_rng(seed).normal(size=(n, rank)) for n in (5, 6, 7)])
        for seed, rank in enumerate(ranks)
    )
    matches = match_components(a, b)
    assert len(matches.first) == min(ranks)
    for r, s, cosines in zip(matches.first, matches.second, matches.cosines, strict=True):
        left, right = a.factors[1][:, r], b.factors[1][:, s]
        assert abs(cosines[1]) == pytest.approx(abs(left @ right) / np.linalg.norm(left) / np.linalg.norm(right))
    if min(ranks):
        assert matches.congruence.mean() == pytest.approx(factor_match_score(a, b))
