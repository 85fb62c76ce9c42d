"""AutoTen keeps to scikit-learn's conventions and promises no more than this."""

import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

from autoten import ALS, AutoTen, RandomElements, RandomFibres, RankEstimate, estimate_rank
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


def test_fit_returns_the_estimator_and_ignores_y():
    model = AutoTen([1, 2], **QUICK)
    assert model.fit(X, None) is model
    assert model.fit(X, y=None).rank_ == 2


def test_every_parameter_arrives():
    parameters = {
        "ranks": [3, 1],
        "solver": ALS(max_iter=50),
        "scorers": (*DEFAULT_SCORERS, lambda X, fits: {"mine": fits.rank}),
        "policy": lambda table: 1,
        "holdout": RandomFibres(1, 0.2),
        "n_starts": 2,
        "n_folds": 4,
        "random_state": 7,
        "n_jobs": 2,
    }
    estimate = AutoTen(**parameters).fit(X).estimate_
    assert estimate.table.ranks.tolist() == [0, 1, 3]
    assert estimate.table["mine"].tolist() == [[0], [1], [3]]
    assert estimate.rank == 1
    assert estimate.table["loss_starts"].shape == (3, 2)
    assert estimate.table["heldout"].shape == (3, 4)
    assert estimate.settings["solver"] == repr(ALS(max_iter=50))
    assert estimate.settings["holdout"] == "RandomFibres(mode=1, share=0.2)"
    assert estimate.settings["seed"] == 7


def test_parameters_and_defaults_are_those_of_estimate_rank():
    ours = inspect.signature(AutoTen.__init__).parameters
    verb = inspect.signature(estimate_rank).parameters
    for name, parameter in ours.items():
        if name != "self":
            assert parameter.default == verb[name].default, name
            assert parameter.kind == verb[name].kind, name
    # What concerns a single call, and what scikit-learn passes to fit, is not a parameter of the estimator.
    assert set(verb) - set(ours) <= {"X", "progress", "max_time", "checkpoint"}


def test_get_params_gives_every_parameter():
    assert AutoTen(**QUICK).get_params() == {
        "ranks": range(1, 11),
        "solver": ALS(),
        "scorers": DEFAULT_SCORERS,
        "policy": DEFAULT_POLICY,
        "holdout": RandomElements(0.1),
        "n_starts": 3,
        "n_folds": 3,
        "random_state": 0,
        "n_jobs": 1,
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
    assert repr(AutoTen(n_starts=3, solver=ALS(), random_state=0)) == "AutoTen(n_starts=3, random_state=0)"
    assert repr(AutoTen(policy=Knee())) == "AutoTen(policy=Knee())"


def test_html_in_a_notebook_names_it():
    assert "AutoTen" in AutoTen(n_starts=3)._repr_html_()


def test_a_fitted_one_can_be_pickled():
    model = AutoTen(range(1, 3), **QUICK).fit(X)
    twin = pickle.loads(pickle.dumps(model))
    assert twin.rank_ == model.rank_
    assert_same_tables(twin.table_, model.table_)


def test_it_is_an_estimator_of_scikit_learn():
    assert isinstance(AutoTen(), BaseEstimator)
