"""CP as a transformer of scikit-learn: new samples in any mode, and a score that does not favour large ranks."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline

from autoten import ALS, CP, RandomElements, factor_match_score, fit_parafac
from autoten.datasets import load_amino_acids, make_cp_tensor, white_noise
from autoten.door import as_tensor

DRAW = make_cp_tensor((24, 9, 10), 3, noise=white_noise(10), random_state=1)
X, TRUE = DRAW.X, DRAW.model
FIVE_FOLDS = KFold(5, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def fitted():
    return CP(3, n_starts=4, random_state=0).fit(X)


def moved(X, mode):
    return np.ascontiguousarray(np.moveaxis(X, 0, mode))


def best_amounts(sample, model):
    """Return the least-squares amounts of one sample over its observed cells, by the definition."""
    design = np.einsum("jr,kr->jkr", *model.factors[1:]).reshape(-1, model.rank)
    seen = ~np.isnan(sample.ravel())
    return np.linalg.lstsq(design[seen], sample.ravel()[seen], rcond=None)[0]


# ------------------------------------------------------------------------------------------------------- fit, transform


def test_fit_gives_the_model_of_fit_parafac(fitted):
    fit = fit_parafac(X, 3, n_starts=4, random_state=0)
    np.testing.assert_array_equal(fitted.model_.weights, fit.model.weights)
    assert fitted.n_iter_ == fit.n_iter
    assert CP(2).fit_transform(X, y=None).shape == (24, 2)


def test_amounts_of_the_fitted_samples_are_the_factor(fitted):
    wanted = fitted.model_.factors[0] * fitted.model_.weights
    np.testing.assert_allclose(fitted.transform(X), wanted, rtol=1e-2, atol=1e-3 * np.abs(wanted).max())
    np.testing.assert_array_equal(CP(3, n_starts=4, random_state=0).fit_transform(X), fitted.transform(X))


@pytest.mark.parametrize("missing", [0.0, 0.2, 0.8])
def test_amounts_are_the_least_squares_ones_over_observed_cells(fitted, missing):
    rng = np.random.default_rng(2)
    new = np.where(rng.random((5, 9, 10)) < missing, np.nan, rng.normal(size=(5, 9, 10)))
    wanted = [best_amounts(sample, fitted.model_) for sample in new]
    np.testing.assert_allclose(fitted.transform(new), wanted, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(fitted.transform(np.ma.masked_invalid(new)), fitted.transform(new))


def test_a_sample_is_transformed_the_same_alone_and_whatever_it_lacks(fitted):
    np.testing.assert_allclose(fitted.transform(X[7:8]), fitted.transform(X)[7:8], rtol=1e-9)
    lacking = X[:2].copy()
    lacking[:, 4] = np.nan  # no sample has this slab
    wanted = [best_amounts(sample, fitted.model_) for sample in lacking]
    np.testing.assert_allclose(fitted.transform(lacking), wanted, rtol=1e-6)


@pytest.mark.parametrize("mode", [1, 2, -1])
def test_samples_may_be_any_mode(fitted, mode):
    there = CP(3, mode=mode, n_starts=4, random_state=0).fit(moved(X, mode))
    new = moved(X[:5] * 2.0, mode)
    here = fitted.transform(X[:5] * 2.0)
    order = [int(np.abs(np.corrcoef(column, here.T)[0, 1:]).argmax()) for column in there.transform(new).T]
    np.testing.assert_allclose(np.abs(there.transform(new)), np.abs(here[:, order]), rtol=1e-2, atol=1e-2)
    assert there.inverse_transform(there.transform(new)).shape == new.shape
    assert there.score(new) == pytest.approx(fitted.score(X[:5]), abs=0.02)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_amounts_have_the_units_of_the_data(size):
    small, plain = (CP(2, n_starts=2, random_state=0).fit(X * unit) for unit in (size, 1.0))
    np.testing.assert_allclose(small.transform(X[:3] * size) / size, plain.transform(X[:3]), rtol=1e-6)


def test_inverse_transform_is_the_sum_of_components(fitted):
    amounts = np.random.default_rng(0).normal(size=(4, 3))
    wanted = np.einsum("ir,jr,kr->ijk", amounts, *fitted.model_.factors[1:])
    np.testing.assert_allclose(fitted.inverse_transform(amounts), wanted, atol=1e-12)
    np.testing.assert_allclose(fitted.transform(wanted), amounts, atol=1e-9)


def test_amounts_of_real_mixtures_are_their_concentrations():
    data = load_amino_acids()
    cp = CP(3, random_state=0).fit(data.X)
    amounts = cp.transform(data.X)
    # Each pure sample holds one substance: in units of the pure samples the mixtures are what was weighed in.
    units = np.linalg.solve(amounts[:3], data.concentrations[:3])
    np.testing.assert_allclose(amounts[3:] @ units, data.concentrations[3:], rtol=0.3, atol=2e-7)


def test_four_modes():
    draw = make_cp_tensor((10, 4, 5, 6), 2, noise=white_noise(20), random_state=0)
    cp = CP(2, mode=3, n_starts=3, random_state=0).fit(draw.X)
    new = draw.X[..., 2:4]
    assert cp.transform(new).shape == (2, 2)
    assert factor_match_score(cp.model_, draw.model) > 0.99
    assert cp.score(new) > 0.9


# --------------------------------------------------------------------------------------------------------------- score


def test_score_predicts_cells_from_the_others(fitted):
    new = TRUE.to_tensor()[:6]
    assert fitted.score(new) > 0.98
    assert fitted.score(np.random.default_rng(0).normal(size=new.shape)) < 0.05
    assert fitted.score(np.zeros_like(new)) == 1.0


def test_score_is_that_of_its_definition(fitted):
    cp = clone(fitted).set_params(heldout_share=0.5, random_state=5)
    cp.fit(X)
    error = total = 0.0
    for fold in RandomElements(0.5).folds(as_tensor(X[:6]), 2, np.random.default_rng(5)):
        seen = X[:6].copy()
        seen.flat[fold.cells] = np.nan
        predicted = cp.inverse_transform([best_amounts(sample, cp.model_) for sample in seen])
        error += np.square(X[:6] - predicted).flat[fold.cells].sum()
        total += np.square(X[:6]).flat[fold.cells].sum()
    assert cp.score(X[:6]) == pytest.approx(1 - error / total, rel=1e-6)


def test_score_is_seeded_and_takes_missing_cells_and_one_sample(fitted):
    assert fitted.score(X) == fitted.score(X)
    assert fitted.score(X) != clone(fitted).set_params(random_state=1).fit(X).score(X)
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.3, np.nan, X)
    assert fitted.score(gaps) == pytest.approx(fitted.score(X), abs=0.05)
    assert fitted.score(X[:1]) <= 1


def same_cells(cp, X, y=None):
    """Score new samples on the cells that their amounts were estimated from: what CP.score is there to avoid."""
    return -np.square(X - cp.inverse_transform(cp.transform(X))).sum()


@pytest.mark.parametrize("seed", range(3))
def test_grid_search_finds_the_rank_where_refitting_the_same_cells_runs_to_the_top(seed):
    X = make_cp_tensor((24, 9, 10), 3, noise=white_noise(5), random_state=seed).X
    grid, cp = {"rank": range(1, 7)}, CP(n_starts=3, random_state=0)
    search = GridSearchCV(cp, grid, cv=FIVE_FOLDS).fit(X)
    assert search.best_params_ == {"rank": 3}
    assert search.best_estimator_.model_.rank == 3
    assert GridSearchCV(cp, grid, cv=FIVE_FOLDS, scoring=same_cells).fit(X).best_params_ == {"rank": 6}


# -------------------------------------------------------------------------------------------------------- scikit-learn


def test_parameters_clone_and_repr():
    cp = CP(3, mode=1, solver=ALS(max_iter=50), n_starts=2, heldout_share=0.1, random_state=4)
    twin = clone(cp)
    assert twin.get_params() == cp.get_params()
    assert not hasattr(twin, "model_")
    assert repr(CP()) == "CP()"
    assert repr(CP(3)) == "CP(rank=3)"
    assert cp.set_params(rank=2).rank == 2


def test_a_pipeline_from_samples_to_a_property():
    amounts = TRUE.factors[0] * TRUE.weights
    y = amounts @ [1.0, -2.0, 0.5]
    pipeline = make_pipeline(CP(3, n_starts=3, random_state=0), LinearRegression())
    assert cross_val_score(pipeline, X, y, cv=FIVE_FOLDS, scoring="r2").mean() > 0.9
    assert cross_val_predict(pipeline, X, y, cv=FIVE_FOLDS).shape == y.shape
    search = GridSearchCV(pipeline, {"cp__rank": [1, 3]}, cv=FIVE_FOLDS).fit(X, y)
    assert search.best_params_ == {"cp__rank": 3}


def test_features_have_names_and_may_be_a_frame(fitted):
    pytest.importorskip("pandas")
    assert fitted.get_feature_names_out().tolist() == ["cp0", "cp1", "cp2"]
    frame = clone(fitted).set_output(transform="pandas").fit(X).transform(X)
    assert frame.columns.tolist() == ["cp0", "cp1", "cp2"]


def test_pickle_and_joblib(fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "cp.joblib")
    for twin in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "cp.joblib")):
        np.testing.assert_array_equal(twin.transform(X), fitted.transform(X))
        assert twin.score(X) == fitted.score(X)


def test_the_constructor_stores_and_does_not_check():
    cp = CP(0, heldout_share=2.0)
    assert (cp.rank, cp.heldout_share) == (0, 2.0)


# ------------------------------------------------------------------------------------------------------- wrong inputs


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda cp: cp.transform(X[:, :8]),
            r"^X of CP\.transform must be of shape \(any, 9, 10\), as fitted\. Got shape",
        ),
        (lambda cp: cp.score(X[..., None].repeat(2, 3)), r"^X of CP\.score must be of shape \(any, 9, 10\)"),
        (lambda cp: cp.transform(X[0]), r"^X must be a tensor with at least 3 modes\. Got shape \(9, 10\)"),
        (
            lambda cp: cp.transform(X[:2] * [[[1.0]], [[np.nan]]]),
            r"observed cells in every slab\. Got no .* 1 of mode 0",
        ),
        (
            lambda cp: cp.inverse_transform(X[0]),
            r"^X of CP\.inverse_transform must be amounts of 3 comp.*Got shape \(9,",
        ),
        (lambda cp: CP(0).fit(X), r"^rank of fit_parafac must be an integer >= 1\. Got 0"),
        (lambda cp: CP(1, mode=3).fit(X), r"^mode of CP must be a mode of a tensor with 3 modes, 0 to 2\. Got 3"),
        (lambda cp: CP(1, heldout_share=0.9).fit(X).score(X), r"^heldout_share of CP must be a number above 0"),
        (lambda cp: CP(1).transform(X), r"not fitted yet"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(fitted, call, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        call(fitted)
