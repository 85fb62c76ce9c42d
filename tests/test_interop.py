"""Neighbouring packages take our results as they are, and our scores take their models."""

import copy
import warnings

import numpy as np
import pytest

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
    return estimate_rank(X, range(1, 5), n_starts=3, n_folds=3, random_state=0)


@pytest.fixture(scope="module")
def model(estimate):
    assert estimate.rank == 2
    return estimate.model


# -------------------------------------------------------------------------------------------------- tensorly takes ours


def test_tensorly_takes_our_model(model):
    cp_tensor = pytest.importorskip("tensorly.cp_tensor")
    np.testing.assert_allclose(cp_tensor.cp_to_tensor(model), model.to_tensor(), atol=1e-12)
    assert cp_tensor.cp_norm(model) == pytest.approx(np.linalg.norm(model.to_tensor()))
    assert cp_tensor.cp_to_unfolded(model, 1).shape == (7, 48)
    assert cp_tensor.cp_to_vec(model).shape == (336,)
    theirs = cp_tensor.CPTensor(model)
    assert (theirs.shape, theirs.rank) == ((8, 7, 6), 2)
    normalised = cp_tensor.cp_normalize(model)
    np.testing.assert_allclose(cp_tensor.cp_to_tensor(normalised), model.to_tensor(), atol=1e-12)


def test_tensorly_starts_from_our_model(model):
    tensorly = pytest.importorskip("tensorly")
    from tensorly.decomposition import parafac

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tensorly warns that the weights of a start are folded into a factor
        theirs = parafac(X, 2, init=copy.deepcopy(tensorly.cp_tensor.CPTensor(model)), n_iter_max=3)
    # Three more sweeps find nothing to improve.
    assert factor_match_score(theirs, model) == pytest.approx(1.0, abs=1e-6)


def test_four_modes_are_the_same_to_tensorly():
    cp_tensor = pytest.importorskip("tensorly.cp_tensor")
    model = fit_parafac(FOUR_WAY, 2, n_starts=2, random_state=0).model
    np.testing.assert_allclose(cp_tensor.cp_to_tensor(model), model.to_tensor(), atol=1e-12)


# ----------------------------------------------------------------------------------------------------- tlviz takes ours


def test_tlviz_scores_our_model_as_we_do(estimate, model):
    scores = pytest.importorskip("tlviz.model_evaluation")
    for rank in (1, 2, 3):
        fitted = estimate.models[rank]
        assert scores.core_consistency(fitted, X) == pytest.approx(core_consistency(X, fitted), rel=1e-6)
        ours = core_consistency(X, fitted, core_divisor=True)
        assert scores.core_consistency(fitted, X, normalised=True) == pytest.approx(ours, rel=1e-6)
        assert scores.fit(fitted, X) == pytest.approx(estimate.table.value("fit", rank), rel=1e-9)
        assert scores.relative_sse(fitted, X) == pytest.approx(1 - estimate.table.value("fit", rank), rel=1e-6)


def test_tlviz_compares_our_models_as_we_do(estimate, model):
    tools = pytest.importorskip("tlviz.factor_tools")
    other = fit_parafac(X[:, :, ::-1], 2, random_state=3).model
    theirs = tools.factor_match_score(model, other, consider_weights=False)
    assert theirs == pytest.approx(factor_match_score(model, other), rel=1e-9)
    assert theirs < 0.9
    assert tools.degeneracy_score(estimate.models[3]) == pytest.approx(estimate.table.value("opposition", 3), rel=1e-9)
    assert tools.check_cp_tensor_equal(model, CPModel(model.weights.copy(), [f.copy() for f in model.factors]))
    permuted = tools.permute_cp_tensor(model, permutation=[1, 0])
    assert factor_match_score(permuted, model) == pytest.approx(1.0)
    assert tools.normalise_cp_tensor(model)[0].shape == (2,)


def test_tlviz_postprocesses_and_looks_for_outliers(model):
    postprocessing = pytest.importorskip("tlviz.postprocessing")
    from tlviz.outliers import compute_outlier_info

    assert factor_match_score(postprocessing.postprocess(model, X), model) == pytest.approx(1.0)
    assert compute_outlier_info(model, X).shape == (8, 2)


PLOTS = {
    "components_plot": lambda draw, estimate: draw(estimate.model),
    "component_scatterplot": lambda draw, estimate: draw(estimate.model, 0),
    "component_comparison_plot": lambda draw, estimate: draw({"one": estimate.model, "other": estimate.model}),
    "histogram_of_residuals": lambda draw, estimate: draw(estimate.model, X),
    "residual_qq": lambda draw, estimate: draw(estimate.model, X),
    "outlier_plot": lambda draw, estimate: draw(estimate.model, X),
    "core_element_plot": lambda draw, estimate: draw(estimate.model, X),
    "scree_plot": lambda draw, estimate: draw({rank: estimate.models[rank] for rank in (1, 2, 3)}, X),
    "percentage_variation_plot": lambda draw, estimate: draw(estimate.model),
}


@pytest.mark.parametrize("name", PLOTS)
def test_tlviz_draws_our_model(estimate, name):
    visualisation = pytest.importorskip("tlviz.visualisation")
    import matplotlib.pyplot as plt

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            PLOTS[name](getattr(visualisation, name), estimate)
        assert any(axes.has_data() for number in plt.get_fignums() for axes in plt.figure(number).axes)
    finally:
        plt.close("all")


# --------------------------------------------------------------------------------------------- we take models of others


def as_tensorly(model):
    return pytest.importorskip("tensorly.cp_tensor").CPTensor((model.weights, list(model.factors)))


def as_pyttb(model):
    return pytest.importorskip("pyttb").ktensor([f.copy(order="F") for f in model.factors], model.weights.copy())


FORMS = {
    "CPModel": lambda model: model,
    "tensorly": as_tensorly,
    "pyttb": as_pyttb,
    "pair": lambda model: (model.weights, list(model.factors)),
    "pair of tuples": lambda model: (tuple(model.weights), tuple(model.factors)),
    "no weights": lambda model: (None, model.folded()),
    "single precision": lambda model: CPModel(
        model.weights.astype(np.float32), [factor.astype(np.float32) for factor in model.factors]
    ),
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


@pytest.mark.parametrize("form", ["tensorly", "pyttb", "pair"])
def test_our_scores_take_any_model_with_four_modes_and_gaps(form):
    gaps = masked(FOUR_WAY, np.arange(FOUR_WAY.size).reshape(FOUR_WAY.shape) % 6 > 0)
    model = fit_parafac(gaps, 3, n_starts=2, random_state=0).model
    theirs = FORMS[form](model)
    assert core_consistency(gaps, theirs) == pytest.approx(core_consistency(gaps, model), rel=1e-6)


def test_scores_do_not_depend_on_order_sign_and_scale_of_the_components(model):
    weights, (A, B, C) = model
    other = (weights[::-1] / [2.0, -3.0], [A[:, ::-1] * [-4.0, 3.0], B[:, ::-1] * [-0.5, -1.0], C[:, ::-1]])
    np.testing.assert_allclose(CPModel(other[0], tuple(other[1])).to_tensor(), model.to_tensor(), atol=1e-12)
    assert core_consistency(X, other) == pytest.approx(core_consistency(X, model), rel=1e-9)
    assert factor_match_score(other, model) == pytest.approx(1.0)


def test_a_fit_of_tensorly_gets_the_scores_of_ours(model):
    decomposition = pytest.importorskip("tensorly.decomposition")
    theirs = decomposition.parafac(X, 2, n_iter_max=2000, tol=1e-12, random_state=0, normalize_factors=True)
    assert factor_match_score(theirs, model) == pytest.approx(1.0, abs=1e-4)
    assert core_consistency(X, theirs) == pytest.approx(100.0, abs=0.01)


@pytest.mark.parametrize(
    ("given", "kind", "sentence"),
    [
        (X, TypeError, r"^a CP model must be a CPModel or a pair \(weights, factors\)\. Got ndarray\.$"),
        (3, TypeError, r"^a CP model must be a CPModel or a pair \(weights, factors\)\. Got int\.$"),
        (
            (None, [np.ones((8, 2)), np.ones((7, 2)), np.ones((5, 2))]),
            ValueError,
            r"^the CP model must be of the tensor's shape \(8, 7, 6\)\. Got shape \(8, 7, 5\)\.$",
        ),
        (
            (np.ones(3), [np.ones((8, 2)), np.ones((7, 2)), np.ones((6, 2))]),
            ValueError,
            r"^factor 0 of a CP model must be a matrix with 3 columns, one for each weight\. Got shape \(8, 2\)\.$",
        ),
    ],
    ids=["array", "number", "shape", "weights"],
)
def test_what_is_no_model_is_refused(given, kind, sentence):
    with pytest.raises(kind, match=sentence):
        core_consistency(X, given)


# ---------------------------------------------------------------------------------------------------- tensors of others


def test_a_tensor_of_tensorly_is_an_array(estimate):
    tensorly = pytest.importorskip("tensorly")
    answer = estimate_rank(tensorly.tensor(X), range(1, 5), n_starts=3, n_folds=3, random_state=0)
    np.testing.assert_array_equal(answer.table["heldout"], estimate.table["heldout"])


def test_anything_that_converts_to_an_array_is_taken(estimate):
    class Wrapped:
        def __array__(self, dtype=None, copy=None):
            return np.array(X, dtype=dtype)

    answer = estimate_rank(Wrapped(), range(1, 5), n_starts=3, n_folds=3, random_state=0)
    np.testing.assert_array_equal(answer.table["heldout"], estimate.table["heldout"])
