"""scikit-learn's own checks of estimators, and what of them cannot hold for a tensor, with the reason.

The checks feed matrices, and skip an estimator that says truly that it takes none. Here each matrix is handed on as a
tensor of two equal slabs.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from autoten import ALS, CP, AutoTen, CenterAcross, ScaleWithin


def tensor_of(X):
    """Return a matrix, dense or sparse, as a tensor of two equal slabs; anything else as it is."""
    if scipy.sparse.issparse(X):
        listed = X.tocoo()
        coords = (np.tile(listed.row, 2), np.tile(listed.col, 2), np.repeat([0, 1], len(listed.data)))
        return scipy.sparse.coo_array((np.tile(listed.data, 2), coords), shape=(*X.shape, 2))
    X = np.asarray(X) if hasattr(X, "__array__") else X
    return np.stack([X, X], axis=2) if np.ndim(X) == 2 else X


class Lifted:
    def fit(self, X, y=None):
        return super().fit(tensor_of(X), y)

    def transform(self, X):
        return self.matrix(super().transform(tensor_of(X)))

    @staticmethod
    def matrix(transformed):
        return transformed

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class LiftedModel(Lifted):
    def score(self, X, y=None):
        return super().score(tensor_of(X), y)


class LiftedStep(Lifted):
    @staticmethod
    def matrix(transformed):
        return np.asarray(transformed)[:, :, 0]


class LiftedCP(LiftedModel, CP):
    pass


class LiftedAutoTen(LiftedModel, AutoTen):
    pass


class LiftedCenterAcross(LiftedStep, CenterAcross):
    pass


class LiftedScaleWithin(LiftedStep, ScaleWithin):
    pass


@dataclass(frozen=True)
class One:
    """A policy whose name is the same in every worker, as the names of tests must be."""

    def __call__(self, table):
        return 1


FAST = {"n_starts": 2, "solver": ALS(max_iter=50), "random_state": 0}
MODELS = [LiftedCP(1, **FAST), LiftedAutoTen([1], n_folds=2, n_splits=1, policy=One(), **FAST)]
STEPS = [LiftedCenterAcross(0), LiftedScaleWithin(1)]

# Check -> why it cannot pass. "Ours" are refusals that come as they should, in the words of autoten._errors.
OF_ALL = {
    "check_n_features_in": "a tensor has a shape, and no number of features",
    "check_n_features_in_after_fitting": "a tensor has a shape, and no number of features",
    "check_complex_data": "the sentence is ours, and a TypeError",
    "check_dtype_object": "the sentence is ours: it names the type of the cell that is no number",
    "check_estimators_empty_data_messages": "the sentence is ours: a tensor with at least one cell",
    "check_fit2d_predict1d": "the sentence is ours: the shape that was fitted",
}
OF_MODELS = {
    "check_fit2d_1sample": "the sentence is ours: modes have length 2 at least",
    "check_fit2d_1feature": "the sentence is ours: modes have length 2 at least",
    "check_parameters_default_constructible": "a default is a frozen record, ALS(): safe to share, not known there",
}

OF_STEPS = dict.fromkeys(
    ("check_estimator_sparse_tag", "check_estimator_sparse_array", "check_estimator_sparse_matrix"),
    "the sentence is ours: a dense array",
)


def expected(estimator):
    return OF_ALL | (OF_MODELS if isinstance(estimator, LiftedModel) else OF_STEPS)


@pytest.mark.filterwarnings("ignore::autoten._errors.AutotenWarning")
@parametrize_with_checks(MODELS + STEPS, expected_failed_checks=expected)
def test_what_scikit_learn_asks_of_an_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", [CP(), AutoTen(), CenterAcross(0), ScaleWithin(1)])
def test_tags_say_what_is_taken_and_given(estimator):
    tags, model = get_tags(estimator), isinstance(estimator, (CP, AutoTen))
    given = tags.input_tags
    assert (given.two_d_array, given.three_d_array, given.allow_nan, given.sparse) == (False, True, True, model)
    assert tags.requires_fit
    assert not tags.target_tags.required
    assert tags.transformer_tags.preserves_dtype == (["float64"] if model else ["float64", "float32"])
