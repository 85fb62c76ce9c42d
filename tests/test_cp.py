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


seeds = st.integers(0, 10_000)
shapes = st.lists(st.integers(1, 5), min_size=3, max_size=4).map(tuple)
ranks = st.integers(1, 4)


# ------------------------------------------------------------------------------------------------------ the model


@given(seeds, shapes, ranks)
def test_tensor_norm_and_values_agree_with_the_sum_of_outer_products(seed, shape, rank):
    model = random_model(seed, shape, rank)
    expected = reference.cp_tensor(model.factors, model.weights)
    np.testing.assert_allclose(model.to_tensor(), expected, atol=1e-12)
    np.testing.assert_allclose(reference.cp_tensor(model.folded()), expected, atol=1e-12)
    assert model.norm_squared == pytest.approx(np.sum(expected**2), abs=1e-10)
    cells = np.random.default_rng(seed).permutation(expected.size)[:7]
    np.testing.assert_allclose(model.values_at(cells), expected.ravel()[cells], atol=1e-12)


@pytest.mark.parametrize("weights", [[1, 2, 3], np.ones(3, np.float32)])
def test_values_are_as_precise_as_factors_whatever_the_type_of_the_weights(weights):
    model = CPModel(weights, random_model().factors)
    cells = np.arange(120)
    np.testing.assert_allclose(model.values_at(cells), model.to_tensor().ravel(), rtol=1e-12)


def test_a_model_knows_its_rank_and_shape():
    model = random_model()
    assert (model.rank, model.shape, model.ndim, len(model)) == (3, SHAPE, 3, 2)
    assert repr(model) == "CPModel(rank=3, shape=(4, 5, 6))"


def test_a_model_unpacks_and_indexes_as_a_pair():
    model = random_model()
    weights, factors = model
    assert weights is model[0] is model.weights
    assert isinstance(factors, list)
    assert all(a is b is c for a, b, c in zip(factors, model[1], model.factors, strict=True))


def test_a_model_is_frozen():
    with pytest.raises(AttributeError):
        random_model().weights = np.ones(3)


def test_scaled_is_the_model_of_the_scaled_tensor():
    model = random_model()
    np.testing.assert_allclose(model.scaled(-2.5).to_tensor(), -2.5 * model.to_tensor())


def test_rows_is_the_model_of_the_sub_tensor():
    model = random_model()
    sub = model.rows([np.array([3, 1]), slice(None), slice(2, 4)])
    np.testing.assert_allclose(sub.to_tensor(), model.to_tensor()[[3, 1], :, 2:4])


def test_a_model_without_components_is_the_zero_tensor():
    model = CPModel(np.ones(0), tuple(np.ones((length, 0)) for length in SHAPE))
    np.testing.assert_array_equal(model.to_tensor(), np.zeros(SHAPE))
    np.testing.assert_array_equal(model.values_at(np.arange(4)), np.zeros(4))
    assert (model.norm_squared, model.normalized().shape) == (0.0, SHAPE)


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


@given(seeds, st.permutations(range(3)), st.lists(st.sampled_from([-3.0, -1.0, 0.5, 2.0]), min_size=9, max_size=9))
def test_normalized_is_the_same_for_every_way_to_write_a_model(seed, order, scales):
    model = random_model(seed)
    a, b = model.normalized(), reordered(model, order, np.reshape(scales, (3, 3))).normalized()
    np.testing.assert_allclose(a.weights, b.weights)
    for left, right in zip(a.factors, b.factors, strict=True):
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


@given(seeds, seeds, st.integers(1, 4), st.integers(1, 4))
def test_factor_match_score_agrees_with_trying_every_matching(seed_a, seed_b, rank_a, rank_b):
    a, b = random_model(seed_a, rank=rank_a), random_model(seed_b, rank=rank_b)
    assert factor_match_score(a, b) == pytest.approx(reference.factor_match_score(a.factors, b.factors))


@given(seeds, st.permutations(range(3)), st.lists(st.sampled_from([-3.0, -1.0, 0.5, 2.0]), min_size=9, max_size=9))
def test_factor_match_score_ignores_order_sign_and_scale(seed, order, scales):
    a, b = random_model(seed), random_model(seed + 1)
    again = reordered(b, order, np.reshape(scales, (3, 3)))
    assert factor_match_score(b, again) == pytest.approx(1.0)
    assert factor_match_score(a, again) == pytest.approx(factor_match_score(a, b))
    assert factor_match_score(again, a) == pytest.approx(factor_match_score(a, b))


def test_factor_match_score_ignores_weights():
    a = random_model()
    assert factor_match_score(a, CPModel(np.array([1e-3, 5.0, 200.0]), a.factors)) == pytest.approx(1.0)


def test_factor_match_score_without_components():
    empty = CPModel(np.ones(0), tuple(np.ones((length, 0)) for length in SHAPE))
    assert factor_match_score(empty, empty) == 1.0
    assert factor_match_score(empty, random_model()) == 0.0


def test_factor_match_score_stays_in_the_unit_interval_despite_rounding():
    scores = [factor_match_score(random_model(seed), random_model(seed)) for seed in range(50)]
    assert all(0.999999 < score <= 1.0 for score in scores)


def test_congruences_are_products_of_cosines_in_the_order_of_the_components():
    a, b = random_model(0), random_model(1, rank=2)
    table = congruences(a, b)
    assert table.shape == (3, 2)
    for r in range(3):
        for s in range(2):
            # One component of each model at a time: the cosine between two rank-one tensors, whatever the weights.
            left = reference.cp_tensor([f[:, [r]] for f in a.factors], a.weights[[r]]).ravel()
            right = reference.cp_tensor([f[:, [s]] for f in b.factors], b.weights[[s]]).ravel()
            cosine = left @ right / (np.linalg.norm(left) * np.linalg.norm(right))
            assert table[r, s] == pytest.approx(cosine)


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


def test_one_component_opposes_nothing():
    assert most_opposed_pair(random_model(rank=1)) == (0.0, (0, 0))


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


def test_as_cp_returns_ours_as_it_is():
    model = random_model()
    assert as_cp(model, SHAPE) is model


@pytest.mark.parametrize("pair", [tuple, list])
def test_as_cp_takes_plain_pairs_and_reads_none_as_unit_weights(pair):
    model = random_model()
    np.testing.assert_allclose(as_cp(pair([model.weights, list(model.factors)])).to_tensor(), model.to_tensor())
    np.testing.assert_array_equal(as_cp(pair([None, list(model.factors)])).weights, np.ones(3))


def test_as_cp_takes_tensorlys_model():
    tensorly = pytest.importorskip("tensorly")
    model = random_model()
    theirs = tensorly.cp_tensor.CPTensor((model.weights, list(model.factors)))
    np.testing.assert_allclose(as_cp(theirs, SHAPE).to_tensor(), tensorly.cp_to_tensor(theirs))


def test_as_cp_takes_pyttbs_model():
    pyttb = pytest.importorskip("pyttb")
    model = random_model()
    theirs = pyttb.ktensor([np.asfortranarray(factor) for factor in model.factors], model.weights.copy())
    np.testing.assert_allclose(as_cp(theirs, SHAPE).to_tensor(), theirs.full().data)


def test_tensorly_takes_our_model():
    tensorly = pytest.importorskip("tensorly")
    model = random_model()
    np.testing.assert_allclose(tensorly.cp_to_tensor(model), model.to_tensor())
    assert tensorly.cp_tensor.cp_norm(model) ** 2 == pytest.approx(model.norm_squared)


def test_tlviz_takes_our_model():
    tlviz = pytest.importorskip("tlviz")
    a, b = (
        CPModel(np.array([3.0, 2.0, 1.0]), random_model(seed).factors) for seed in (0, 1)
    )  # tlviz ignores signs of weights
    theirs = tlviz.factor_tools.factor_match_score(a, b, consider_weights=False)
    assert theirs == pytest.approx(factor_match_score(a, b))
    assert tlviz.factor_tools.degeneracy_score(a) == pytest.approx(most_opposed_pair(a)[0])
    assert tlviz.model_evaluation.core_consistency(a, a.to_tensor()) == pytest.approx(100.0)


# ------------------------------------------------------------------------------------------------------- sentences


def test_a_factor_that_does_not_fit_the_weights_is_named():
    factors = [np.ones((4, 2)), np.ones((5, 3)), np.ones((6, 2))]
    expected = r"factor 1 of a CP model must be a matrix with 2 columns, one for each weight\. Got shape \(5, 3\)\."
    with pytest.raises(ValueError, match=expected):
        CPModel(np.ones(2), factors)


def test_a_factor_that_is_no_matrix_is_named():
    with pytest.raises(ValueError, match=r"factor 0 of a CP model must be a matrix.*Got shape \(4,\)\."):
        CPModel(np.ones(1), [np.ones(4), np.ones((5, 1)), np.ones((6, 1))])


def test_weights_that_are_no_vector_are_blamed_not_the_factors():
    with pytest.raises(ValueError, match=r"[Ww]eights.*Got shape \(1, 2\)\."):
        CPModel(np.ones((1, 2)), [np.ones((length, 2)) for length in SHAPE])


def test_a_model_without_factors_is_refused():
    with pytest.raises(ValueError, match=r"must be"):
        CPModel(np.ones(2), [])


@pytest.mark.parametrize(
    "nonsense", [3, None, "factors", np.ones((3, 4)), (np.ones(2),), (None, []), (None, [np.ones(3)])]
)
def test_what_is_no_cp_model_is_refused_in_one_sentence(nonsense):
    with pytest.raises((TypeError, ValueError), match=r"CP model must be .*\. Got .*\."):
        as_cp(nonsense)


def test_the_type_of_what_is_no_cp_model_is_named():
    expected = r"a CP model must be a CPModel or a pair \(weights, factors\)\. Got int\."
    with pytest.raises(TypeError, match=expected):
        as_cp(3)


def test_a_model_of_another_shape_is_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"shape \(4, 5, 7\)\. Got shape \(4, 5, 6\)\."):
        as_cp(random_model(), (4, 5, 7))
    with pytest.raises(ValueError, match=r"shape \(4, 5, 6\)\. Got shape \(6, 5, 4\)\."):
        factor_match_score(random_model(), random_model(shape=(6, 5, 4)))
