"""AutoTen and CP keep to scikit-learn's conventions; a score of new samples that does not favour large ranks."""

import inspect
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline

from autoten import (
    ALS,
    CP,
    AutoTen,
    CenterAcross,
    RandomElements,
    RandomFibres,
    estimate_rank,
    factor_match_score,
    fit_parafac,
)
from autoten.datasets import load_amino_acids, make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.scores import DEFAULT_SCORERS
from autoten.selection import HeldOutMinimum

DRAW = make_cp_tensor((24, 9, 10), 2, noise=white_noise(10), random_state=1)
X, TRUE = DRAW.X, DRAW.model
AMOUNTS = TRUE.factors[0] * TRUE.weights
NEW = X[:5]
FAST = {"n_starts": 2, "n_folds": 2, "random_state": 0, "solver": ALS(max_iter=100)}
THREE_FOLDS = KFold(3, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def cp():
    return CP(2, n_starts=4, random_state=0).fit(X)


@pytest.fixture(scope="module")
def autoten():
    return AutoTen(range(1, 4), **FAST).fit(X)


@pytest.fixture(params=["cp", "autoten"])
def fitted(request):
    """Either estimator, fitted."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def empty():
    return AutoTen([1, 2], policy=lambda table: 0, **FAST).fit(X)


def assert_same_tables(a, b):
    assert list(a.replicates) == list(b.replicates)
    for name in a.replicates:
        np.testing.assert_array_equal(a[name], b[name])


def moved(X, mode):
    return np.ascontiguousarray(np.moveaxis(X, 0, mode))


def best_amounts(sample, model):
    """Return the least-squares amounts of one sample over its observed cells, by the definition."""
    design = np.einsum("jr,kr->jkr", *model.factors[1:]).reshape(-1, model.rank)
    seen = ~np.isnan(sample.ravel())
    return np.linalg.lstsq(design[seen], sample.ravel()[seen], rcond=None)[0]


# ----------------------------------------------------------------------------------------------------------------- fit


def test_autoten_gives_what_estimate_rank_gives(autoten):
    wanted = estimate_rank(X, range(1, 4), **FAST)
    assert autoten.rank_ == wanted.rank == 2
    assert autoten.estimate_.reason == wanted.reason
    assert autoten.probabilities_ == wanted.probabilities
    assert autoten.table_ is autoten.estimate_.table
    assert autoten.model_ is autoten.estimate_.model
    assert_same_tables(autoten.table_, wanted.table)


def test_cp_gives_the_model_of_fit_parafac(cp):
    fit = fit_parafac(X, 2, n_starts=4, random_state=0)
    np.testing.assert_array_equal(cp.model_.weights, fit.model.weights)
    assert cp.n_iter_ == fit.n_iter


def test_every_parameter_of_estimate_rank_arrives(tmp_path, capfd):
    parameters = {
        "ranks": [3, 1],
        "solver": ALS(max_iter=50),
        "scorers": (*DEFAULT_SCORERS, lambda X, fits: {"mine": fits.rank}),
        "policy": lambda table: 1,
        "holdout": RandomFibres(1, 0.2),
        "n_starts": 2,
        "n_folds": 4,
        "n_splits": 2,
        "random_state": 7,
        "n_jobs": 2,
        "progress": True,
        "max_time": 1e6,
        "checkpoint": tmp_path / "run.npz",
    }
    estimate = AutoTen(**parameters).fit(NEW).estimate_
    assert estimate.table.ranks.tolist() == [0, 1, 3]
    assert estimate.table["mine"].tolist() == [[0], [1], [3]]
    assert estimate.rank == 1
    assert estimate.table["loss_starts"].shape == (3, 2)
    assert estimate.table["heldout"].shape == (3, 4)
    assert estimate.table["stability_halves_splits"].shape == (3, 2)
    assert estimate.settings["solver"] == repr(ALS(max_iter=50))
    assert estimate.settings["holdout"] == "RandomFibres(mode=1, share=0.2)"
    assert estimate.settings["seed"] == 7
    assert "rank 3 of 3 by ALS" in capfd.readouterr().err
    assert parameters["checkpoint"].is_file()
    with pytest.raises(TimeoutError):
        AutoTen([1, 2], max_time=1e-9, **FAST).fit(NEW)


def test_parameters_and_defaults_are_those_of_estimate_rank():
    ours = inspect.signature(AutoTen.__init__).parameters
    verb = inspect.signature(estimate_rank).parameters
    of_new_samples = inspect.signature(CP.__init__).parameters
    for name in set(ours) - {"self"}:
        wanted = verb.get(name) or of_new_samples[name]
        assert (ours[name].default, ours[name].kind) == (wanted.default, wanted.kind), name
    assert set(verb) - set(ours) == {"X"}
    assert AutoTen(n_starts=3).get_params() == AutoTen().get_params() | {"n_starts": 3}


# -------------------------------------------------------------------------------------------------------- conventions


def test_the_constructor_stores_and_does_not_check():
    ranks, policy = [0], "nonsense"
    autoten, cp = AutoTen(ranks, policy=policy), CP(0, heldout_share=2.0)
    assert autoten.ranks is ranks
    assert autoten.policy is policy
    assert (cp.rank, cp.heldout_share) == (0, 2.0)
    with pytest.raises(ValueError, match="ranks of estimate_rank must be positive integers"):
        autoten.fit(X)


def test_a_clone_is_unfitted_and_gives_the_same(fitted):
    twin = clone(fitted)
    assert isinstance(twin, BaseEstimator)
    assert isinstance(twin, TransformerMixin)
    assert twin.get_params() == fitted.get_params()
    assert not hasattr(twin, "model_")
    assert twin.fit(X, y=["any", "labels"]) is twin
    assert twin.get_params() == fitted.get_params()
    for one, other in zip(twin.model_.factors, fitted.model_.factors, strict=True):
        np.testing.assert_array_equal(one, other)
    assert type(fitted).__name__ in fitted._repr_html_()


def test_clone_takes_a_lambda_policy_and_fitted_anew_it_forgets(autoten):
    twin = clone(autoten.__class__([1, 3], policy=lambda table: 1, **FAST)).fit(X)
    assert twin.rank_ == 1
    twin.set_params(policy=lambda table: 3).fit(NEW)
    assert (twin.rank_, twin.model_.rank, twin.model_.shape) == (3, 3, (5, 9, 10))


def test_set_params_and_repr():
    autoten = AutoTen()
    assert autoten.set_params(ranks=[2], policy=HeldOutMinimum(), n_starts=4) is autoten
    assert (autoten.ranks, autoten.policy, autoten.n_starts) == ([2], HeldOutMinimum(), 4)
    assert repr(autoten) == "AutoTen(n_starts=4, policy=HeldOutMinimum(), ranks=[2])"
    assert repr(AutoTen(solver=None, random_state=0)) == "AutoTen(random_state=0)"
    assert (repr(CP()), repr(CP(3))) == ("CP()", "CP(rank=3)")
    with pytest.raises(ValueError, match="Invalid parameter 'rank'"):
        autoten.set_params(rank=3)


def test_a_fitted_one_comes_back_from_pickle_and_joblib(fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    for twin in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "fitted.joblib")):
        np.testing.assert_array_equal(twin.transform(NEW), fitted.transform(NEW))
        assert twin.score(NEW) == fitted.score(NEW)


def test_features_have_names_and_may_be_a_frame(fitted, empty):
    names = [f"{type(fitted).__name__.lower()}{n}" for n in range(2)]
    pipeline = make_pipeline(CenterAcross(0), clone(fitted))
    assert fitted.get_feature_names_out().tolist() == names
    assert pipeline.fit(X).get_feature_names_out().tolist() == names
    for estimator in (fitted, pipeline):
        for output, kind in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
            frame = clone(estimator).set_output(transform=output).fit(X).transform(NEW)
            assert isinstance(frame, kind)
            assert list(frame.columns) == names
            np.testing.assert_array_equal(frame.to_numpy(), estimator.transform(NEW))
            assert clone(empty).set_output(transform=output).fit(X).transform(NEW).shape[1] == 0
    with config_context(transform_output="pandas"):
        assert fitted.transform(NEW).columns.tolist() == names
        assert pipeline.transform(NEW).columns.tolist() == names


def test_a_frame_of_labelled_samples_has_their_labels(fitted):
    labelled = xr.DataArray(NEW, dims=("sample", "x", "y"), coords={"sample": list("abcde")})
    for form in (labelled, labelled.to_series()):  # a long table has an index of its own, of every cell
        framed = clone(fitted).set_output(transform="pandas").fit(X)
        assert framed.transform(form).index.tolist() == list("abcde")
        assert isinstance(fitted.transform(form), np.ndarray)
        assert clone(fitted).set_output(transform="polars").fit(X).transform(form).shape == (5, 2)
    assert framed.transform(labelled.drop_vars("sample")).index.tolist() == [0, 1, 2, 3, 4]


# --------------------------------------------------------------------------------------------------------- new samples


def test_amounts_of_the_fitted_samples_are_the_factor(fitted):
    wanted = fitted.model_.factors[0] * fitted.model_.weights
    np.testing.assert_allclose(fitted.transform(X), wanted, rtol=1e-2, atol=1e-3 * np.abs(wanted).max())
    np.testing.assert_array_equal(clone(fitted).fit_transform(X, y=None), fitted.transform(X))


@pytest.mark.parametrize("missing", [0.0, 0.2, 0.8])
def test_amounts_are_the_least_squares_ones_over_observed_cells(fitted, missing):
    rng = np.random.default_rng(2)
    new = np.where(rng.random((5, 9, 10)) < missing, np.nan, rng.normal(size=(5, 9, 10)))
    new[:, 4] = np.nan if missing else new[:, 4]  # no sample has this slab
    wanted = [best_amounts(sample, fitted.model_) for sample in new]
    np.testing.assert_allclose(fitted.transform(new), wanted, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted.transform(new[3:4]), wanted[3:4], rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(fitted.transform(np.ma.masked_invalid(new)), fitted.transform(new))


@pytest.mark.parametrize("mode", [1, 2, -1])
def test_samples_may_be_any_mode(fitted, mode):
    there = clone(fitted).set_params(mode=mode).fit(moved(X, mode))
    new = moved(NEW * 2.0, mode)
    here = fitted.transform(NEW * 2.0)
    order = [int(np.abs(np.corrcoef(column, here.T)[0, 1:]).argmax()) for column in there.transform(new).T]
    np.testing.assert_allclose(np.abs(there.transform(new)), np.abs(here[:, order]), rtol=1e-2, atol=1e-2)
    assert there.inverse_transform(there.transform(new)).shape == new.shape
    assert there.score(new) == pytest.approx(fitted.score(NEW), abs=0.02)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_amounts_have_the_units_of_the_data(cp, size):
    scaled = clone(cp).fit(X * size)
    np.testing.assert_allclose(scaled.transform(NEW * size) / size, cp.transform(NEW), rtol=1e-6)


def test_inverse_transform_is_the_sum_of_components(fitted):
    amounts = np.random.default_rng(0).normal(size=(4, 2))
    wanted = np.einsum("ir,jr,kr->ijk", amounts, *fitted.model_.factors[1:])
    np.testing.assert_allclose(fitted.inverse_transform(amounts), wanted, atol=1e-12)
    np.testing.assert_allclose(fitted.transform(wanted), amounts, atol=1e-9)


def test_amounts_of_real_mixtures_are_their_concentrations():
    data = load_amino_acids()
    amounts = CP(3, random_state=0).fit(data.X).transform(data.X)
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


def test_of_no_component_there_are_no_amounts(empty):
    assert empty.rank_ == 0
    amounts = empty.transform(NEW)
    assert amounts.shape == (5, 0)
    np.testing.assert_array_equal(empty.inverse_transform(amounts), np.zeros(NEW.shape))
    assert empty.score(NEW) == 0.0
    assert empty.score(np.where(NEW > 1.0, np.nan, NEW)) == 0.0
    assert empty.get_feature_names_out().tolist() == []
    with pytest.raises(ValueError, match=r"Found array with 0 feature"):
        make_pipeline(clone(empty), Ridge()).fit(X, np.arange(24.0))


# --------------------------------------------------------------------------------------------------------------- score


def test_score_is_that_of_its_definition(fitted):
    given = clone(fitted).set_params(heldout_share=0.5, random_state=5).fit(X)
    error = total = 0.0
    for fold in RandomElements(0.5).folds(as_tensor(X[:6]), 2, np.random.default_rng(5)):
        seen = X[:6].copy()
        seen.flat[fold.cells] = np.nan
        predicted = given.inverse_transform([best_amounts(sample, given.model_) for sample in seen])
        error += np.square(X[:6] - predicted).flat[fold.cells].sum()
        total += np.square(X[:6]).flat[fold.cells].sum()
    assert given.score(X[:6]) == pytest.approx(1 - error / total, rel=1e-6)


def test_score_predicts_cells_from_the_others(fitted):
    new = TRUE.to_tensor()[:6]
    assert fitted.score(new) > 0.98
    assert fitted.score(np.random.default_rng(0).normal(size=new.shape)) < 0.05
    assert fitted.score(np.zeros_like(new)) == 1.0
    assert fitted.score(X) == fitted.score(X)
    assert fitted.score(X) != clone(fitted).set_params(random_state=1).fit(X).score(X)
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.3, np.nan, X)
    assert fitted.score(gaps) == pytest.approx(fitted.score(X), abs=0.05)
    assert fitted.score(X[:1]) <= 1


def same_cells(cp, X, y=None):
    """Score new samples on the cells that their amounts were estimated from: what CP.score is there to avoid."""
    return -np.square(X - cp.inverse_transform(cp.transform(X))).sum()


@pytest.mark.parametrize("seed", range(2))
def test_grid_search_finds_the_rank_where_refitting_the_same_cells_runs_to_the_top(seed):
    X = make_cp_tensor((24, 9, 10), 3, noise=white_noise(5), random_state=seed).X
    grid, cp = {"rank": range(2, 6)}, CP(n_starts=3, random_state=0)
    search = GridSearchCV(cp, grid, cv=THREE_FOLDS).fit(X)
    assert search.best_params_ == {"rank": 3}
    assert search.best_estimator_.model_.rank == 3
    assert GridSearchCV(cp, grid, cv=THREE_FOLDS, scoring=same_cells).fit(X).best_params_ == {"rank": 5}


# --------------------------------------------------------------------------------------------------------- scikit-learn


@pytest.mark.parametrize(
    "estimator", [CP(2, n_starts=2, random_state=0), AutoTen([1, 2], **FAST)], ids=["CP", "AutoTen"]
)
def test_a_pipeline_from_samples_to_a_property_and_to_a_class(estimator):
    y = AMOUNTS @ [1.0, -2.0]
    regression = make_pipeline(estimator, Ridge(alpha=1e-6))
    assert cross_val_score(regression, X, y, cv=THREE_FOLDS, scoring="r2").mean() > 0.9
    classes = np.where(y > np.median(y), "high", "low")
    predicted = cross_val_predict(make_pipeline(estimator, LogisticRegression()), X, classes, cv=THREE_FOLDS)
    assert (predicted == classes).mean() > 0.8
    scores = cross_val_score(estimator, X, cv=THREE_FOLDS)
    assert scores.shape == (3,)
    assert scores.min() > 0.8


def test_grid_search_over_policies_and_within_a_pipeline():
    grid = {"policy": [lambda table: 1, lambda table: 2]}
    search = GridSearchCV(AutoTen([1, 2], **FAST), grid, cv=THREE_FOLDS).fit(X)
    assert search.best_estimator_.rank_ == 2
    pipeline = make_pipeline(CP(n_starts=2, random_state=0), Ridge(alpha=1e-6))
    search = GridSearchCV(pipeline, {"cp__rank": [1, 2]}, cv=THREE_FOLDS).fit(X, AMOUNTS @ [1.0, -2.0])
    assert search.best_params_ == {"cp__rank": 2}


@pytest.mark.parametrize("estimator", [AutoTen(mode=3), CP(mode=3)])
def test_a_mode_that_is_not_there_is_refused_before_anything_is_fitted(monkeypatch, estimator):
    monkeypatch.setattr(ALS, "fit", None)
    name = type(estimator).__name__
    with pytest.raises(ValueError, match=f"^mode of {name} must be a mode of a tensor with 3 modes, 0 to 2. Got 3"):
        estimator.fit(X)
