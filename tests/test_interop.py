"""Neighbouring packages take our results as they are, and our scores take their models."""

import copy
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import pyttb
import tensorly.decomposition
from tensorly import cp_tensor

from autoten import (
    core_consistency,
    corrected_core_consistency,
    estimate_rank,
    factor_match_score,
    fit_parafac,
    heldout_error,
    masked,
)
from autoten.datasets import make_cp_tensor, white_noise
from autoten.model import CPModel

X = make_cp_tensor((8, 7, 6), 2, noise=white_noise(20), random_state=0).X
FOUR_WAY = make_cp_tensor((5, 4, 6, 3), 2, noise=white_noise(20), random_state=0).X


@pytest.fixture(scope="module")
def estimate():
    return estimate_rank(X, range(1, 4), n_starts=3, n_folds=3, random_state=0)


@pytest.fixture(scope="module")
def model(estimate):
    assert estimate.rank == 2
    return estimate.model


# -------------------------------------------------------------------------------------------------- tensorly takes ours


def test_tensorly_takes_our_model(model):
    of_four_modes = fit_parafac(FOUR_WAY, 2, n_starts=2, random_state=0).model
    for each in (model, of_four_modes):
        np.testing.assert_allclose(cp_tensor.cp_to_tensor(each), each.to_tensor(), atol=1e-12)
    assert cp_tensor.cp_norm(model) == pytest.approx(np.linalg.norm(model.to_tensor()))
    assert cp_tensor.cp_to_unfolded(model, 1).shape == (7, 48)
    assert cp_tensor.cp_to_vec(model).shape == (336,)
    theirs = cp_tensor.CPTensor(model)
    assert (theirs.shape, theirs.rank) == ((8, 7, 6), 2)
    normalised = cp_tensor.cp_normalize(model)
    np.testing.assert_allclose(cp_tensor.cp_to_tensor(normalised), model.to_tensor(), atol=1e-12)


def test_tensorly_starts_from_our_model_and_finds_it(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tensorly warns that the weights of a start are folded into a factor
        start = copy.deepcopy(cp_tensor.CPTensor(model))
        further = tensorly.decomposition.parafac(X, 2, init=start, n_iter_max=3)
    # Three more sweeps find nothing to improve.
    assert factor_match_score(further, model) == pytest.approx(1.0, abs=1e-6)
    options = {"n_iter_max": 2000, "tol": 1e-12, "random_state": 0, "normalize_factors": True}
    theirs = tensorly.decomposition.parafac(X, 2, **options)
    assert factor_match_score(theirs, model) == pytest.approx(1.0, abs=1e-4)
    assert core_consistency(X, theirs) == pytest.approx(100.0, abs=0.01)


# ----------------------------------------------------------------------------------------------------- tlviz takes ours


def test_tlviz_scores_our_model_as_we_do(estimate):
    scores = pytest.importorskip("tlviz.model_evaluation")
    for rank in (1, 2, 3):
        fitted = estimate.models[rank]
        assert scores.core_consistency(fitted, X) == pytest.approx(core_consistency(X, fitted), rel=1e-6)
        assert scores.fit(fitted, X) == pytest.approx(estimate.table.value("fit", rank), rel=1e-9)
        assert scores.relative_sse(fitted, X) == pytest.approx(1 - estimate.table.value("fit", rank), rel=1e-6)


def test_tlviz_compares_our_models_as_we_do_and_changes_them(estimate, model):
    tools = pytest.importorskip("tlviz.factor_tools")
    other = fit_parafac(X[:, :, ::-1], 2, random_state=3).model
    theirs = tools.factor_match_score(model, other, consider_weights=False)
    assert theirs == pytest.approx(factor_match_score(model, other), rel=1e-9)
    assert theirs < 0.9
    assert tools.degeneracy_score(estimate.models[3]) == pytest.approx(estimate.table.value("opposition", 3), rel=1e-9)
    postprocessed = pytest.importorskip("tlviz.postprocessing").postprocess(model, X)
    for changed in (tools.permute_cp_tensor(model, permutation=[1, 0]), postprocessed):
        assert factor_match_score(changed, model) == pytest.approx(1.0)
    assert pytest.importorskip("tlviz.outliers").compute_outlier_info(model, X).shape == (8, 2)


PLOTS = {
    "components_plot": lambda estimate: [estimate.model],
    "component_scatterplot": lambda estimate: [estimate.model, 0],
    "component_comparison_plot": lambda estimate: [{"one": estimate.model, "other": estimate.model}],
    "histogram_of_residuals": lambda estimate: [estimate.model, X],
    "residual_qq": lambda estimate: [estimate.model, X],
    "outlier_plot": lambda estimate: [estimate.model, X],
    "core_element_plot": lambda estimate: [estimate.model, X],
    "scree_plot": lambda estimate: [{rank: estimate.models[rank] for rank in (1, 2, 3)}, X],
    "percentage_variation_plot": lambda estimate: [estimate.model],
}


@pytest.mark.parametrize("name", PLOTS)
def test_tlviz_draws_our_model(estimate, name):
    draw = getattr(pytest.importorskip("tlviz.visualisation"), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        draw(*PLOTS[name](estimate))
    assert any(axes.has_data() for number in plt.get_fignums() for axes in plt.figure(number).axes)


# --------------------------------------------------------------------------------------------- we take models of others


def in_single_precision(model):
    return CPModel(model.weights.astype(np.float32), [factor.astype(np.float32) for factor in model.factors])


FORMS = {
    "tensorly": lambda model: cp_tensor.CPTensor((model.weights, list(model.factors))),
    "pyttb": lambda model: pyttb.ktensor([f.copy(order="F") for f in model.factors], model.weights.copy()),
    "pair": lambda model: (model.weights, list(model.factors)),
    "pair of tuples": lambda model: (tuple(model.weights), tuple(model.factors)),
    "no weights": lambda model: (None, model.folded()),
    "single precision": in_single_precision,
}


@pytest.mark.parametrize("form", FORMS)
def test_our_scores_take_any_model(model, form):
    theirs = FORMS[form](model)
    rel = 1e-5 if form == "single precision" else 1e-9
    assert core_consistency(X, theirs) == pytest.approx(core_consistency(X, model), rel=rel)
    corrected = corrected_core_consistency(X, theirs)
    assert tuple(corrected) == pytest.approx(tuple(corrected_core_consistency(X, model)), rel=1e-4, abs=1e-3)
    cells = np.arange(X.size).reshape(X.shape) % 5 == 0
    assert heldout_error(X, theirs, cells) == pytest.approx(heldout_error(X, model, cells), rel=1e-4)
    assert factor_match_score(theirs, model) == pytest.approx(1.0)
    assert factor_match_score(model, theirs) == pytest.approx(1.0)
    gaps = masked(FOUR_WAY, np.arange(FOUR_WAY.size).reshape(FOUR_WAY.shape) % 6 > 0)
    of_four_modes = fit_parafac(gaps, 3, n_starts=2, random_state=0).model
    expected = core_consistency(gaps, of_four_modes)
    assert core_consistency(gaps, FORMS[form](of_four_modes)) == pytest.approx(expected, rel=max(rel, 1e-6))


def test_scores_do_not_depend_on_order_sign_and_scale_of_the_components(model):
    weights, (A, B, C) = model
    other = (weights[::-1] / [2.0, -3.0], [A[:, ::-1] * [-4.0, 3.0], B[:, ::-1] * [-0.5, -1.0], C[:, ::-1]])
    np.testing.assert_allclose(CPModel(other[0], tuple(other[1])).to_tensor(), model.to_tensor(), atol=1e-12)
    assert core_consistency(X, other) == pytest.approx(core_consistency(X, model), rel=1e-9)
    assert factor_match_score(other, model) == pytest.approx(1.0)
