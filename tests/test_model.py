"""The CP model: what it computes, its normal form, how two are compared, and models of neighbouring packages."""

import sys

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from autoten.matching import congruences, factor_match_score, most_opposed_pair
from autoten.model import CPModel, as_cp, is_surely_unique, khatri_rao

SHAPE = (4, 5, 6)


def random_model(seed=0, shape=SHAPE, rank=3):
    rng = np.random.default_rng(seed)
    return CPModel(rng.standard_normal(rank), tuple(rng.standard_normal((length, rank)) for length in shape))


def reordered(model, order, scales):
    """The same tensor with the components in another order, each mode's columns scaled, the weights compensating."""
    factors = tuple(factor[:, order] * scale for factor, scale in zip(model.factors, scales, strict=True))
    return CPModel(model.weights[order] / np.prod(scales, axis=0), factors)


EMPTY = CPModel(np.ones(0), tuple(np.ones((length, 0)) for length in SHAPE))
seeds = st.integers(0, 10_000)
shapes = st.lists(st.integers(1, 5), min_size=3, max_size=4).map(tuple)
ranks = st.integers(1, 4)
ways = given(
    seeds, st.permutations(range(3)), st.lists(st.sampled_from([-3.0, -1.0, 0.5, 2.0]), min_size=9, max_size=9)
)


# ------------------------------------------------------------------------------------------------------ the model


@given(seeds, shapes, ranks)
def test_tensor_and_values_agree_with_the_sum_of_outer_products(seed, shape, rank):
    model = random_model(seed, shape, rank)
    expected = reference.cp_tensor(model.factors, model.weights)
    np.testing.assert_allclose(model.to_tensor(), expected, atol=1e-12)
    np.testing.assert_allclose(reference.cp_tensor(model.folded()), expected, atol=1e-12)
    cells = np.random.default_rng(seed).permutation(expected.size)[:7]
    np.testing.assert_allclose(model.values_at(cells), expected.ravel()[cells], atol=1e-12)


@pytest.mark.parametrize("weights", [[1, 2, 3], np.ones(3, np.float32)])
def test_values_are_as_precise_as_factors_whatever_the_type_of_the_weights(weights):
    model = CPModel(weights, random_model().factors)
    np.testing.assert_allclose(model.values_at(np.arange(120)), model.to_tensor().ravel(), rtol=1e-12)


def test_a_model_is_a_frozen_pair_that_knows_its_rank_and_shape():
    model = random_model()
    assert (model.rank, model.shape, model.ndim, len(model)) == (3, SHAPE, 3, 2)
    assert repr(model) == "CPModel(rank=3, shape=(4, 5, 6))"
    weights, factors = model
    assert weights is model[0] is model.weights
    assert isinstance(factors, list)
    assert all(a is b is c for a, b, c in zip(factors, model[1], model.factors, strict=True))
    with pytest.raises(AttributeError):
        model.weights = np.ones(3)


def test_scaled_models_and_rows_of_models_are_those_of_the_tensor():
    model = random_model()
    np.testing.assert_allclose(model.scaled(-2.5).to_tensor(), -2.5 * model.to_tensor())
    sub = model.rows([np.array([3, 1]), slice(None), slice(2, 4)])
    np.testing.assert_allclose(sub.to_tensor(), model.to_tensor()[[3, 1], :, 2:4])
    whole = sub.placed([np.array([3, 1]), slice(None), slice(2, 4)], SHAPE).to_tensor()
    np.testing.assert_allclose(whole[[3, 1], :, 2:4], sub.to_tensor())
    assert not whole[[0, 2]].any()


def test_a_model_without_components_is_the_zero_tensor():
    np.testing.assert_array_equal(EMPTY.to_tensor(), np.zeros(SHAPE))
    np.testing.assert_array_equal(EMPTY.values_at(np.arange(4)), np.zeros(4))
    assert EMPTY.normalized().shape == SHAPE


def test_khatri_rao_agrees_with_the_definition():
    factors = random_model().factors
    np.testing.assert_allclose(khatri_rao(factors), reference.khatri_rao(factors))


# -------------------------------------------------------------------------------------------------- normal form


@given(seeds, shapes, ranks)
def test_normalized_keeps_the_tensor_and_has_the_promised_form(seed, shape, rank):
    model = random_model(seed, shape, rank)
    normal = model.normalized()
    np.testing.assert_allclose(normal.to_tensor(), model.to_tensor(), atol=1e-12)
    assert all(normal.weights >= 0)
    assert all(np.diff(normal.weights) <= 0)
    for factor in normal.factors:
        np.testing.assert_allclose(np.linalg.norm(factor, axis=0), 1.0)
    for factor in normal.factors[1:]:
        assert all(factor.max(axis=0) == np.abs(factor).max(axis=0))


@ways
def test_normalized_is_the_same_for_every_way_to_write_a_model(seed, order, scales):
    model = random_model(seed)
    a, b = model.normalized(), reordered(model, order, np.reshape(scales, (3, 3))).normalized()
    for left, right in zip((a.weights, *a.factors), (b.weights, *b.factors), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-12)


def test_normalized_gives_a_component_with_a_zero_column_weight_zero():
    model = random_model()
    model.factors[1][:, 0] = 0.0
    normal = model.normalized()
    assert normal.weights[-1] == 0.0
    assert not normal.factors[1][:, -1].any()
    assert all(np.isfinite(factor).all() for factor in normal.factors)
    np.testing.assert_allclose(normal.to_tensor(), model.to_tensor())


def test_normalized_survives_columns_whose_squares_underflow():
    model = random_model()
    tiny = CPModel(model.weights, (model.factors[0] * 1e-200, *model.factors[1:]))
    np.testing.assert_allclose(tiny.normalized().weights, model.normalized().weights * 1e-200)
    np.testing.assert_allclose(tiny.normalized().factors[0], model.normalized().factors[0])


# --------------------------------------------------------------------------------------------- comparing two models


@given(seeds, seeds, ranks, ranks)
def test_factor_match_score_agrees_with_trying_every_matching(seed_a, seed_b, rank_a, rank_b):
    a, b = random_model(seed_a, rank=rank_a), random_model(seed_b, rank=rank_b)
    assert factor_match_score(a, b) == pytest.approx(reference.factor_match_score(a.factors, b.factors))


@ways
def test_factor_match_score_ignores_order_sign_and_scale(seed, order, scales):
    a, b = random_model(seed), random_model(seed + 1)
    again = reordered(b, order, np.reshape(scales, (3, 3)))
    assert factor_match_score(b, again) == pytest.approx(1.0)
    assert factor_match_score(a, again) == pytest.approx(factor_match_score(a, b))
    assert factor_match_score(again, a) == pytest.approx(factor_match_score(a, b))


def test_factor_match_score_ignores_weights_and_stays_in_the_unit_interval_despite_rounding():
    a = random_model()
    assert factor_match_score(a, CPModel(np.array([1e-3, 5.0, 200.0]), a.factors)) == pytest.approx(1.0)
    scores = [factor_match_score(random_model(seed), random_model(seed)) for seed in range(50)]
    assert all(0.999999 < score <= 1.0 for score in scores)
    assert (factor_match_score(EMPTY, EMPTY), factor_match_score(EMPTY, a)) == (1.0, 0.0)


def test_congruences_are_products_of_cosines_in_the_order_of_the_components():
    a, b = random_model(0), random_model(1, rank=2)
    table = congruences(a, b)
    assert table.shape == (3, 2)
    for r, s in np.ndindex(3, 2):
        # One component of each model at a time: the cosine between two rank-one tensors, whatever the weights.
        left = reference.cp_tensor([f[:, [r]] for f in a.factors], a.weights[[r]]).ravel()
        right = reference.cp_tensor([f[:, [s]] for f in b.factors], b.weights[[s]]).ravel()
        assert table[r, s] == pytest.approx(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 2, 0], [2, 0, 1]])
def test_a_degenerate_pair_is_found_and_named(order):
    # The pair is heavy, the third component light: naming must follow the model's order, not that of the weights.
    light = np.array([0.01, 0.01])
    factors = [np.column_stack([light, pair]) for pair in reference.w_approximation(100)]
    model = CPModel(np.ones(3), tuple(factor[:, order] for factor in factors))
    congruence, pair = most_opposed_pair(model)
    assert congruence < -0.999
    assert {order[r] for r in pair} == {1, 2}
    assert pair[0] < pair[1]


def test_components_that_oppose_through_their_weights_are_opposed():
    columns = np.array([[1.0, 1.0], [0.0, 0.1]])
    assert most_opposed_pair(CPModel(np.array([1.0, 1.0]), (columns,) * 3))[0] > 0.9
    assert most_opposed_pair(CPModel(np.array([1.0, -1.0]), (columns,) * 3))[0] < -0.9
    assert most_opposed_pair(random_model(rank=1)) == (0.0, (0, 0))  # one component opposes nothing


@pytest.mark.parametrize(
    ("shape", "rank", "unique"),
    [
        ((3, 3, 3), 3, True),
        ((2, 2, 2), 2, True),
        ((2, 2, 2), 3, False),
        ((4, 5, 6), 6, True),  # 4 + 5 + 6 = 15 >= 2 * 6 + 2
        ((4, 5, 6), 7, False),  # 15 < 2 * 7 + 2
        ((2, 2, 2, 2), 2, True),  # 8 >= 2 * 2 + 3
        ((2, 2, 2, 2), 3, False),  # 8 < 2 * 3 + 3
        ((1, 5, 5), 2, False),  # a matrix in disguise: 1 + 2 + 2 < 6
        ((1, 5, 5), 1, True),
        ((4, 5, 6), 0, True),
    ],
)
def test_kruskals_condition(shape, rank, unique):
    assert is_surely_unique(shape, rank) is unique


# ---------------------------------------------------------------------------------------------- neighbours' models


def tensorlys(model):
    return pytest.importorskip("tensorly").cp_tensor.CPTensor((model.weights, list(model.factors)))


def pyttbs(model):
    factors = [np.asfortranarray(factor) for factor in model.factors]
    return pytest.importorskip("pyttb").ktensor(factors, model.weights.copy())


@pytest.mark.parametrize("kind", [tuple, list, tensorlys, pyttbs, lambda model: model], ids=lambda kind: kind.__name__)
def test_as_cp_takes_models_of_every_kind(kind):
    model = random_model()
    np.testing.assert_allclose(as_cp(kind(model), SHAPE).to_tensor(), model.to_tensor())
    assert as_cp(model, SHAPE) is model


def test_as_cp_reads_none_as_unit_weights():
    np.testing.assert_array_equal(as_cp((None, list(random_model().factors))).weights, np.ones(3))


def test_tensorly_takes_our_model_and_we_give_it_its_own(monkeypatch):
    tensorly = pytest.importorskip("tensorly")
    model = random_model()
    np.testing.assert_allclose(tensorly.cp_to_tensor(model), model.to_tensor())
    theirs = model.to_tensorly()
    assert isinstance(theirs, tensorly.cp_tensor.CPTensor)
    np.testing.assert_allclose(theirs.to_tensor(), model.to_tensor())
    theirs.factors[0][:] = 0.0  # a copy of its own
    assert model.factors[0].all()
    monkeypatch.setitem(sys.modules, "tensorly", None)
    with pytest.raises(ImportError, match=r"^to_tensorly needs tensorly\. Install it with `pip install tensorly`\.$"):
        model.to_tensorly()


def test_tlviz_takes_our_model():
    tlviz = pytest.importorskip("tlviz")
    # tlviz ignores signs of weights
    a, b = (CPModel(np.array([3.0, 2.0, 1.0]), random_model(seed).factors) for seed in (0, 1))
    theirs = tlviz.factor_tools.factor_match_score(a, b, consider_weights=False)
    assert theirs == pytest.approx(factor_match_score(a, b))
    assert tlviz.factor_tools.degeneracy_score(a) == pytest.approx(most_opposed_pair(a)[0])
    assert tlviz.model_evaluation.core_consistency(a, a.to_tensor()) == pytest.approx(100.0)
