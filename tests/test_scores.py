"""Scores by hand: what each number of a fit, of a fold and of two starts is."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from contracts import ScorerContract, draw_factors, draw_model, make_fits, noisy_tensor, with_holes
from hypothesis import given, settings
from hypothesis import strategies as st

from autoten import (
    ALS,
    KL,
    CPModel,
    Fit,
    estimate_rank,
    fit_parafac,
    heldout_error,
    masked,
    split_half,
    split_half_components,
)
from autoten.door import as_tensor
from autoten.fits import FoldFit, RankFits
from autoten.model import empty_model
from autoten.scores import DEFAULT_SCORERS, fit_scores, heldout_scores, stability_scores


def fit_of(model, loss=0.1, converged=True):
    return Fit(model, loss, 3, converged, np.array([0.3, 0.2, loss]))


def fits_of(rank, models, losses=None, folds=()):
    losses = [0.1] * len(models) if losses is None else losses
    return RankFits(rank, tuple(fit_of(*pair) for pair in zip(models, losses, strict=True)), tuple(folds), {})


def turned(model, seed=0):
    """The same tensor with the components in another order, scaled and with other signs."""
    rng = np.random.default_rng(seed)
    order, scales = rng.permutation(model.rank), rng.uniform(0.5, 2, (model.ndim, model.rank)) * [[-1], [1], [-1]]
    factors = tuple((A * scale)[:, order] for A, scale in zip(model.factors, scales, strict=True))
    return CPModel((model.weights / np.prod(scales, axis=0))[order], factors)


class TestFitScores(ScorerContract):
    scorer = staticmethod(lambda tensor, fits: {**fit_scores(tensor, fits), **stability_scores(tensor, fits)})


class TestHeldoutScores(ScorerContract):
    scorer = staticmethod(heldout_scores)


class TestAUsersOwn(ScorerContract):
    scorer = staticmethod(lambda tensor, fits: {"smallest_weight": fits.best.model.weights.min(initial=np.inf) < 1e-3})


def test_the_default_scorers_are_these():
    expected = (
        "residual_scores fit_scores core_consistency_scores nonnegative_core_scores heldout_scores stability_scores"
    )
    assert [scorer.__name__ for scorer in DEFAULT_SCORERS] == expected.split()


def test_a_scorer_never_changes_the_scores_of_another():
    tensor = as_tensor(noisy_tensor((6, 7, 8), 2, missing=0.1))
    fits = make_fits(tensor, 2)
    alone = {name: value for scorer in DEFAULT_SCORERS for name, value in scorer(tensor, fits).items()}
    backwards = {name: value for scorer in DEFAULT_SCORERS[::-1] for name, value in scorer(tensor, fits).items()}
    assert alone.keys() == backwards.keys()
    for name, value in alone.items():
        np.testing.assert_array_equal(value, backwards[name])


# -------------------------------------------------------------------------------------------------------------- fit


def test_fit_is_the_explained_share_of_the_best_start():
    tensor, models = as_tensor(noisy_tensor((4, 5, 6), 2)), [draw_model((4, 5, 6), 2, seed) for seed in range(3)]
    scores = fit_scores(tensor, fits_of(2, models, [0.3, 0.1, 0.2]))
    assert scores["fit"] == pytest.approx(0.9)
    assert list(scores["loss_starts"]) == [0.3, 0.1, 0.2]


def test_opposition_is_the_most_negative_congruence_of_two_components():
    rng = np.random.default_rng(0)
    factors = [rng.standard_normal((length, 3)) for length in (4, 5, 6)]
    factors = [np.column_stack([A, A[:, 0] + 0.01 * rng.standard_normal(len(A))]) for A in factors]
    factors[1][:, 3] *= -1
    model = CPModel(np.ones(4), tuple(factors))
    cosines = [(A / np.linalg.norm(A, axis=0)).T @ (A / np.linalg.norm(A, axis=0)) for A in factors]
    expected = np.prod(cosines, axis=0)[~np.eye(4, dtype=bool)].min()
    assert expected < -0.99
    tensor = as_tensor(noisy_tensor((4, 5, 6), 2))
    assert fit_scores(tensor, fits_of(4, [model]))["opposition"] == pytest.approx(expected)


# --------------------------------------------------------------------------------------------------------- held out


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(0, 3), st.sampled_from([0.0, 0.3]), st.floats(0.05, 1.0))
def test_heldout_error_is_the_squared_error_over_that_of_zero(seed, rank, missing, share):
    X = with_holes(np.random.default_rng(seed).standard_normal((4, 5, 6)), missing, seed)
    model = draw_model((4, 5, 6), rank, seed + 1)
    heldout = np.random.default_rng(seed + 2).random(X.shape) < share
    heldout[np.unravel_index(np.flatnonzero(~np.isnan(X))[0], X.shape)] = True
    used = heldout & ~np.isnan(X)
    expected = np.sum((X - reference.cp_tensor(model.factors, model.weights))[used] ** 2) / np.sum(X[used] ** 2)
    assert heldout_error(X, model, heldout) == pytest.approx(expected, rel=1e-9)


def test_heldout_error_by_hand():
    X, heldout = np.arange(8.0).reshape(2, 2, 2), np.zeros((2, 2, 2), dtype=bool)
    heldout[0, 0, 0] = heldout[1, 1, 1] = True
    assert heldout_error(X, (None, [np.ones((2, 1))] * 3), heldout) == pytest.approx((1 + 36) / 49)
    truth = draw_model((4, 5, 6), 2)
    heldout = np.random.default_rng(0).random((4, 5, 6)) < 0.3
    assert heldout_error(truth.to_tensor(), truth, heldout) < 1e-25
    assert heldout_error(truth.to_tensor(), empty_model((4, 5, 6)), heldout) == 1


@pytest.mark.parametrize("size", [1e150, 1e-150])
def test_heldout_error_of_data_of_any_size(size):
    X, model = noisy_tensor((4, 5, 6), 2), draw_model((4, 5, 6), 2, seed=1)
    heldout = np.random.default_rng(0).random(X.shape) < 0.3
    expected = heldout_error(X, model, heldout)
    assert heldout_error(X * size, model.scaled(size), heldout) == pytest.approx(expected, rel=1e-9)


def test_masked_cells_are_passed_over():
    X, model = noisy_tensor((4, 5, 6), 2), draw_model((4, 5, 6), 2, seed=1)
    heldout, observed = np.zeros(X.shape, dtype=bool), np.ones(X.shape, dtype=bool)
    heldout[0], observed[:, :2, :4] = True, False
    expected = heldout_error(X, model, heldout & observed)
    assert heldout_error(masked(X, observed), model, heldout) == pytest.approx(expected)


def test_the_score_has_a_value_for_each_fold():
    X = noisy_tensor((6, 7, 8), 2, missing=0.2)
    tensor = as_tensor(X)
    fits = make_fits(tensor, 2, n_folds=4)
    got = heldout_scores(tensor, fits)["heldout"]
    expected = []
    for fold in fits.folds:
        heldout = np.zeros(X.size, dtype=bool)
        heldout[fold.cells] = True
        expected.append(heldout_error(X, fold.model, heldout.reshape(X.shape)))
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert len(set(got)) == 4
    fold = fits.folds[0]  # sampled: the second half of its cells stand for nine each
    half, nine = np.split(fold.cells, 2)[1], np.repeat([1.0, 9.0], len(fold.cells) // 2)
    (weighted,) = heldout_scores(tensor, replace(fits, folds=(replace(fold, weights=nine),)))["heldout"]
    errors, squares = (
        sum(share * (each.ravel()[cells] ** 2).sum() for share, cells in ((1, fold.cells), (8, half)))
        for each in (X - fold.model.to_tensor(), X)
    )
    assert weighted == pytest.approx(errors / squares, rel=1e-9)


@pytest.mark.parametrize("solver", [ALS(), KL()])
def test_a_fold_without_a_model_or_cells_or_with_nothing_but_zeros_is_unknown_without_a_word_from_numpy(solver):
    X, model, none = np.abs(noisy_tensor((4, 5, 6), 2)), draw_model((4, 5, 6), 2), np.empty(0, dtype=np.int64)
    X[0] = 0
    folds = [
        FoldFit(None, np.arange(60), True),
        FoldFit(model, np.arange(30), True),
        FoldFit(model, none, True),
        FoldFit(model, none, True, np.empty(0)),
        FoldFit(model, np.arange(60), True),
    ]
    fits = replace(fits_of(2, [model], folds=folds), solver=solver)
    unknown = np.isnan(heldout_scores(as_tensor(X), fits)["heldout"])
    assert unknown.tolist() == [True, True, True, True, False]


def test_rank_zero_scores_exactly_1():
    tensor = as_tensor(noisy_tensor((6, 7, 8), 2))
    assert heldout_scores(tensor, make_fits(tensor, 0))["heldout"] == [1.0, 1.0, 1.0]


# --------------------------------------------------------------------------------------------------------- stability


def test_stability_is_the_factor_match_score_of_the_best_start_and_each_fold():
    models = [draw_model((4, 5, 6), 3, seed) for seed in range(4)]
    folds = [FoldFit(model, np.arange(6), True) for model in (models[1], turned(models[0]), models[3])]
    folds.append(FoldFit(None, np.arange(6), True))
    fits = fits_of(3, [models[2], models[0]], [0.2, 0.1], folds)
    got = stability_scores(as_tensor(noisy_tensor((4, 5, 6), 2)), fits)["stability_folds"]
    expected = [reference.factor_match_score(models[0].factors, models[1].factors), 1.0]
    expected.append(reference.factor_match_score(models[0].factors, models[3].factors))
    np.testing.assert_allclose(got[:3], expected, rtol=1e-9)
    assert np.isnan(got[3])


def test_stability_compares_the_best_start_with_the_other_good_ones():
    best, other = draw_model((4, 5, 6), 3), draw_model((4, 5, 6), 3, seed=1)
    fits = fits_of(3, [other, best, turned(best), other], [0.1005, 0.1, 0.1001, 0.5])
    got = stability_scores(as_tensor(noisy_tensor((4, 5, 6), 2)), fits)["stability_starts"]
    assert got[0] == pytest.approx(reference.factor_match_score(best.factors, other.factors))
    assert got[2] == pytest.approx(1)
    assert np.isnan([got[1], got[3]]).all()  # itself, and one that ended far above

    # Losses of 1e-16 and 1e-14 are the same loss, rounding: starts of an exact tensor are all good.
    exact = fits_of(3, [best, turned(best)], [1e-16, 1e-14])
    assert stability_scores(as_tensor(best.to_tensor()), exact)["stability_starts"][1] == pytest.approx(1)


def test_stability_of_rank_zero_is_unknown():
    tensor = as_tensor(noisy_tensor((6, 7, 8), 2))
    scores = stability_scores(tensor, make_fits(tensor, 0))
    assert np.isnan(np.atleast_1d(scores["stability_starts"])).all()
    assert np.isnan(scores["stability_folds"]).all()
    assert len(scores["stability_folds"]) == 3


def test_up_to_the_true_rank_held_out_errors_fall_and_components_are_stable():
    X = noisy_tensor((12, 13, 14), 3, noise=1.0)
    table = estimate_rank(X, 6, n_starts=5, n_folds=5, random_state=0).table
    assert table.mean("heldout").argmin() == 3
    assert (np.diff(table.mean("heldout")[:4]) < 0).all()
    of_folds = table.replicates["stability_folds"].mean(axis=1)
    assert of_folds[3] > 0.95
    assert of_folds[5:].max() < 0.9


# -------------------------------------------------------------------------------------------------------- split half


@pytest.mark.parametrize("mode", [0, -1])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_halves_of_an_exact_tensor_agree(mode, missing):
    X = with_holes(reference.cp_tensor(draw_factors((12, 7, 13), 2)), missing)
    scores = split_half(X, 2, mode, n_splits=3, random_state=0)
    assert scores.shape == (3,)
    assert (scores > 0.999).all()


def test_halves_agree_on_as_many_components_as_there_are():
    noise = np.random.default_rng(0).standard_normal((12, 13, 14))
    assert split_half(noise, 3, n_splits=3, random_state=0).max() < 0.5
    X = noisy_tensor((30, 10, 11), 2, noise=0.5)
    of_ranks = [split_half(X, rank, n_splits=3, random_state=0).mean() for rank in (1, 2, 4)]
    assert of_ranks[1] > 0.95 > 0.8 > of_ranks[2]


def test_the_same_seed_splits_alike():
    X = noisy_tensor((12, 7, 8), 2, noise=1.0)
    one, two, other = (split_half(X, 2, n_splits=2, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("mode", [0, 1])
def test_halves_component_by_component_are_those_of_the_score(mode):
    X = noisy_tensor((14, 12, 8), 3, noise=1.0)
    arguments = {"rank": 3, "mode": mode, "n_splits": 3, "n_starts": 3, "random_state": 0}
    halves = split_half_components(X, **arguments)
    assert halves.modes == ((1, 2) if mode == 0 else (0, 2))
    assert halves.congruences.shape == (3, 3, 2)
    np.testing.assert_allclose(halves.congruences.prod(axis=2).mean(axis=1), split_half(X, **arguments), rtol=1e-9)
    whole = fit_parafac(X, 3, n_starts=3, random_state=0).model
    np.testing.assert_array_equal(halves.model.weights, whole.weights)


def test_a_component_of_few_samples_is_the_one_that_does_not_come_back():
    rng = np.random.default_rng(0)
    factors = draw_factors((20, 9, 10), 3, seed=1)
    factors[0] = 1.0 + rng.random((20, 3))
    factors[0][1:, 1] = 0.0  # one sample alone has the second component: one of the halves never sees it
    X = reference.cp_tensor(factors) + 0.05 * rng.normal(size=(20, 9, 10))
    halves = split_half_components(X, 3, n_splits=4, n_starts=3, random_state=0)
    rare = int(np.argmax(np.abs(halves.model.factors[0][0])))
    assert halves.worst.argmin() == rare
    assert halves.worst[rare] < 0.8
    assert np.delete(halves.worst, rare).min() > 0.95


# ------------------------------------------------------------------------------------------------------- any scale


def test_scores_do_not_depend_on_the_scale_of_the_data():
    X, model = noisy_tensor((6, 7, 8), 2, missing=0.1), fit_parafac(noisy_tensor((6, 7, 8), 2), 2, random_state=0).model
    of_sizes = []
    for size in (1.0, 1e150, 1e-150):
        tensor = as_tensor(X * size)
        own = model.scaled(size / tensor.scale)
        fits = RankFits(2, (ALS().fit(tensor, own, max_iter=5),), (FoldFit(own, np.arange(0, 300, 7), True),), {})
        cells = np.setdiff1d(fits.folds[0].cells, tensor.hidden)
        fits = RankFits(2, fits.starts, (FoldFit(own, cells, True),), {})
        of_sizes.append({name: value for scorer in DEFAULT_SCORERS for name, value in scorer(tensor, fits).items()})
    for name, value in of_sizes[0].items():
        for other in of_sizes[1:]:
            np.testing.assert_allclose(
                np.array(other[name], float), np.array(value, float), rtol=1e-5, atol=1e-9, err_msg=name
            )
