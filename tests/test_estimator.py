"""AutoTen keeps to scikit-learn's conventions, and treats new samples as CP does."""

import inspect
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline

from autoten import ALS, CP, AutoTen, RandomElements, RandomFibres, RankEstimate, estimate_rank
from autoten.datasets import make_cp_tensor, white_noise
from autoten.scores import DEFAULT_SCORERS
from autoten.selection import DEFAULT_POLICY, Knee

X = make_cp_tensor((6, 7, 8), 2, noise=white_noise(20), random_state=0).X
QUICK = {"n_starts": 3, "n_folds": 3, "random_state": 0}


def assert_same_tables(a, b):
    assert list(a.replicates) == list(b.replicates)
    for name in a.replicates:
        np.testing.assert_array_equal(a[name], b[name])


def test_fit_gives_what_estimate_rank_gives():
    fitted = AutoTen(range(1, 4), **QUICK).fit(X)
    wanted = estimate_rank(X, range(1, 4), **QUICK)
    assert isinstance(fitted.estimate_, RankEstimate)
    assert fitted.rank_ == wanted.rank == 2
    assert fitted.probabilities_ == wanted.probabilities
    assert fitted.table_ is fitted.estimate_.table
    assert fitted.model_ is fitted.estimate_.model
    assert_same_tables(fitted.table_, wanted.table)


@pytest.mark.parametrize(("ranks", "tried"), [(2, [0, 1, 2]), ([2], [0, 2]), (None, list(range(11)))], ids=str)
def test_an_integer_means_the_ranks_up_to_it(ranks, tried):
    assert AutoTen(ranks, **QUICK).fit(X).table_.ranks.tolist() == tried


def test_fit_returns_the_estimator_and_ignores_y():
    model = AutoTen([1, 2], **QUICK)
    assert model.fit(X, None) is model
    assert model.fit(X, y=["any", "labels"]).rank_ == 2


def test_every_parameter_arrives(tmp_path, capfd):
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
    estimate = AutoTen(**parameters).fit(X).estimate_
    assert estimate.table.ranks.tolist() == [0, 1, 3]
    assert estimate.table["mine"].tolist() == [[0], [1], [3]]
    assert estimate.rank == 1
    assert estimate.table["loss_starts"].shape == (3, 2)
    assert estimate.table["heldout"].shape == (3, 4)
    assert estimate.table["stability_halves_splits"].shape == (3, 2)
    assert estimate.settings["solver"] == repr(ALS(max_iter=50))
    assert estimate.settings["holdout"] == "RandomFibres(mode=1, share=0.2)"
    assert estimate.settings["seed"] == 7
    assert "fit/s" in capfd.readouterr().err
    assert parameters["checkpoint"].is_file()
    with pytest.raises(TimeoutError):
        AutoTen([1, 2], max_time=1e-9, **QUICK).fit(X)


def test_parameters_and_defaults_are_those_of_estimate_rank():
    ours = inspect.signature(AutoTen.__init__).parameters
    verb = inspect.signature(estimate_rank).parameters
    for name in set(verb) - {"X"}:
        assert ours[name].default == verb[name].default, name
        assert ours[name].kind == verb[name].kind, name
    of_new_samples = inspect.signature(CP.__init__).parameters
    for name in set(ours) - set(verb) - {"self"}:
        assert ours[name].default == of_new_samples[name].default, name
        assert ours[name].kind == of_new_samples[name].kind, name


def test_get_params_gives_every_parameter():
    assert AutoTen(**QUICK).get_params() == {
        "ranks": None,
        "solver": None,
        "scorers": DEFAULT_SCORERS,
        "policy": DEFAULT_POLICY,
        "holdout": RandomElements(0.1),
        "n_starts": 3,
        "n_folds": 3,
        "n_splits": 4,
        "random_state": 0,
        "n_jobs": 1,
        "progress": False,
        "max_time": None,
        "checkpoint": None,
        "mode": 0,
        "heldout_share": 0.2,
    }


def test_set_params_sets_them():
    model = AutoTen()
    assert model.set_params(ranks=[2], policy=Knee(), n_starts=4) is model
    assert (model.ranks, model.policy, model.n_starts) == ([2], Knee(), 4)
    with pytest.raises(ValueError, match="Invalid parameter 'rank'"):
        model.set_params(rank=3)


def test_the_constructor_stores_and_does_not_check():
    ranks, policy = [0], "nonsense"
    model = AutoTen(ranks, policy=policy)
    assert model.ranks is ranks
    assert model.policy is policy
    with pytest.raises(ValueError, match="ranks of estimate_rank must be positive integers"):
        model.fit(X)


def test_clone_is_unfitted_and_has_the_same_parameters():
    model = AutoTen([1, 2, 3], solver=ALS(max_iter=300), policy=Knee(), **QUICK).fit(X)
    twin = clone(model)
    assert isinstance(twin, AutoTen)
    assert twin.get_params() == model.get_params()
    assert not hasattr(twin, "rank_")
    assert_same_tables(twin.fit(X).table_, model.table_)


def test_clone_takes_a_lambda_policy():
    def policy(table):
        return 1

    assert clone(AutoTen([1, 2], policy=policy, **QUICK)).fit(X).rank_ == 1


def test_fitted_twice_it_gives_the_same():
    model = AutoTen(range(1, 4), **QUICK)
    first = model.fit(X).estimate_
    second = model.fit(X).estimate_
    assert first is not second
    assert_same_tables(first.table, second.table)
    assert first.choice == second.choice
    assert first.probabilities == second.probabilities


def test_fitted_anew_it_forgets():
    model = AutoTen(range(1, 4), **QUICK).fit(X)
    model.set_params(policy=lambda table: 3).fit(X[:4])
    assert (model.rank_, model.model_.rank, model.model_.shape) == (3, 3, (4, 7, 8))


def test_fit_changes_no_parameter():
    model = AutoTen(range(1, 3), **QUICK)
    before = model.get_params()
    model.fit(X)
    assert model.get_params() == before


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(AutoTen()) == "AutoTen()"
    assert repr(AutoTen(n_starts=3, solver=None, random_state=0)) == "AutoTen(n_starts=3, random_state=0)"
    assert repr(AutoTen(policy=Knee())) == "AutoTen(policy=Knee())"


def test_html_in_a_notebook_names_it():
    assert "AutoTen" in AutoTen(n_starts=3)._repr_html_()


def test_it_is_an_estimator_and_a_transformer_of_scikit_learn():
    assert isinstance(AutoTen(), BaseEstimator)
    assert isinstance(AutoTen(), TransformerMixin)


# --------------------------------------------------------------------------------------------------------- new samples

SAMPLES = make_cp_tensor((24, 9, 10), 2, noise=white_noise(10), random_state=1)
NEW = SAMPLES.X[:5]
FAST = {"n_starts": 2, "n_folds": 2, "random_state": 0, "solver": ALS(max_iter=100)}
THREE_FOLDS = KFold(3, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def fitted():
    return AutoTen(range(1, 4), **FAST).fit(SAMPLES.X)


@pytest.fixture(scope="module")
def empty():
    return AutoTen([1, 2], policy=lambda table: 0, **FAST).fit(SAMPLES.X)


def moved(X, mode):
    return np.ascontiguousarray(np.moveaxis(X, 0, mode))


def as_cp_does(fitted):
    """Return a CP estimator with the same model."""
    cp = CP(fitted.rank_, random_state=0)
    cp.model_ = fitted.model_
    return cp


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_new_samples_are_treated_as_by_a_model_of_the_chosen_rank(fitted, missing):
    assert fitted.rank_ == 2
    new = np.where(np.random.default_rng(0).random(NEW.shape) < missing, np.nan, NEW)
    cp, amounts = as_cp_does(fitted), fitted.transform(new)
    assert amounts.shape == (5, 2)
    np.testing.assert_array_equal(amounts, cp.transform(new))
    np.testing.assert_array_equal(fitted.inverse_transform(amounts), cp.inverse_transform(amounts))
    assert fitted.score(new) == cp.score(new) > 0.8


def test_fit_transform_gives_the_amounts_of_the_fitted_samples(fitted):
    wanted = fitted.model_.factors[0] * fitted.model_.weights
    amounts = clone(fitted).fit_transform(SAMPLES.X, y=None)
    np.testing.assert_allclose(amounts, wanted, rtol=1e-2, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize("mode", [2, -2])
def test_samples_may_be_any_mode(fitted, mode):
    there = AutoTen(range(1, 4), mode=mode, **FAST).fit(moved(SAMPLES.X, mode))
    amounts = there.transform(moved(NEW, mode))
    assert amounts.shape == (5, 2)
    assert there.inverse_transform(amounts).shape == moved(NEW, mode).shape
    assert there.score(moved(NEW, mode)) == pytest.approx(fitted.score(NEW), abs=0.02)


def test_of_no_component_there_are_no_amounts(empty):
    assert empty.rank_ == 0
    amounts = empty.transform(NEW)
    assert amounts.shape == (5, 0)
    np.testing.assert_array_equal(empty.inverse_transform(amounts), np.zeros(NEW.shape))
    assert empty.score(NEW) == 0.0
    assert empty.score(np.where(NEW > 1.0, np.nan, NEW)) == 0.0
    assert empty.get_feature_names_out().tolist() == []


def test_no_component_is_no_feature_of_a_pipeline():
    pipeline = make_pipeline(AutoTen([1], policy=lambda table: 0, **FAST), Ridge())
    with pytest.raises(ValueError, match=r"Found array with 0 feature"):
        pipeline.fit(SAMPLES.X, np.arange(24.0))


def test_a_pipeline_from_samples_to_a_property_and_to_a_class():
    amounts = SAMPLES.model.factors[0] * SAMPLES.model.weights
    y = amounts @ [1.0, -2.0]
    autoten = AutoTen([1, 2], **FAST)
    regression = make_pipeline(autoten, Ridge(alpha=1e-6))
    assert cross_val_score(regression, SAMPLES.X, y, cv=THREE_FOLDS, scoring="r2").mean() > 0.9
    classes = np.where(y > np.median(y), "high", "low")
    predicted = cross_val_predict(make_pipeline(autoten, LogisticRegression()), SAMPLES.X, classes, cv=THREE_FOLDS)
    assert (predicted == classes).mean() > 0.8


def test_cross_validation_scores_new_samples():
    scores = cross_val_score(AutoTen([1, 2], **FAST), SAMPLES.X, cv=THREE_FOLDS)
    assert scores.shape == (3,)
    assert scores.min() > 0.8


def test_grid_search_over_policies():
    grid = {"policy": [lambda table: 1, lambda table: 2]}
    search = GridSearchCV(AutoTen([1, 2], **FAST), grid, cv=THREE_FOLDS).fit(SAMPLES.X)
    assert search.best_estimator_.rank_ == 2


def test_amounts_may_be_a_frame_with_names(fitted, empty):
    pytest.importorskip("pandas")
    assert fitted.get_feature_names_out().tolist() == ["autoten0", "autoten1"]
    frame = clone(fitted).set_output(transform="pandas").fit(SAMPLES.X).transform(NEW)
    assert frame.columns.tolist() == ["autoten0", "autoten1"]
    assert clone(empty).set_output(transform="pandas").fit(SAMPLES.X).transform(NEW).shape == (5, 0)


def test_a_fitted_one_comes_back_from_pickle_and_joblib(fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "autoten.joblib")
    for twin in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "autoten.joblib")):
        assert twin.rank_ == fitted.rank_
        assert_same_tables(twin.table_, fitted.table_)
        np.testing.assert_array_equal(twin.transform(NEW), fitted.transform(NEW))
        assert twin.score(NEW) == fitted.score(NEW)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda fitted: fitted.transform(NEW[:, :8]), r"^X of AutoTen\.transform must be of shape \(any, 9, 10\)"),
        (lambda fitted: fitted.score(NEW[..., :9]), r"^X of AutoTen\.score must be of shape \(any, 9, 10\)"),
        (
            lambda fitted: fitted.inverse_transform(np.ones((5, 3))),
            r"^X of AutoTen\.inverse_transform must be amounts of 2 components.*Got shape \(5, 3\)\.$",
        ),
        (
            lambda fitted: clone(fitted).set_params(heldout_share=0.9).fit(SAMPLES.X).score(NEW),
            r"^heldout_share of AutoTen must be a number above 0 and below 0\.5\. Got 0\.9\.$",
        ),
        (lambda fitted: AutoTen().transform(NEW), r"not fitted yet"),
        (lambda fitted: AutoTen().score(NEW), r"not fitted yet"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(fitted, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(fitted)


@pytest.mark.parametrize("estimator", [AutoTen(mode=3), CP(mode=3)])
def test_a_mode_that_is_not_there_is_refused_before_anything_is_fitted(monkeypatch, estimator):
    monkeypatch.setattr(ALS, "fit", None)
    name = type(estimator).__name__
    with pytest.raises(ValueError, match=f"^mode of {name} must be a mode of a tensor with 3 modes, 0 to 2. Got 3"):
        estimator.fit(SAMPLES.X)
