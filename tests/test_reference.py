"""The definitions in reference.py against each other, against NumPy and against facts one can check by hand."""

import numpy as np
import pytest
import reference
from contracts import draw_factors, with_holes

shapes = pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 2, 4)], ids=str)
holes = pytest.mark.parametrize("holes", [0.0, 0.2])


def test_kronecker_and_khatri_rao_agree_with_numpy():
    a, b, c = (np.random.default_rng(n).standard_normal(shape) for n, shape in enumerate([(2, 2), (3, 4), (2, 3)]))
    np.testing.assert_allclose(reference.kronecker([a, b, c]), np.kron(np.kron(a, b), c))
    expected = np.column_stack([np.kron(a[:, r], b[:, r]) for r in range(2)])
    np.testing.assert_allclose(reference.khatri_rao([a, b[:, :2]]), expected)


def test_unfold_keeps_every_entry_in_its_place():
    X = np.arange(24.0).reshape(2, 3, 4)
    assert reference.unfold(X, 1).tolist() == X.transpose(1, 0, 2).reshape(3, 8).tolist()


@shapes
def test_cp_tensor_is_a_tucker_tensor_and_a_product_of_unfoldings(shape):
    factors, weights = draw_factors(shape, 3), np.array([2.0, -3.0, 1.0])
    X = reference.cp_tensor(factors, weights)
    factors[0] = factors[0] * weights
    np.testing.assert_allclose(X, reference.tucker_tensor(reference.superdiagonal(3, len(shape)), factors))
    for mode in range(len(shape)):
        others = [factor for n, factor in enumerate(factors) if n != mode]
        np.testing.assert_allclose(reference.unfold(X, mode), factors[mode] @ reference.khatri_rao(others).T)


@shapes
def test_mttkrp_is_unfolding_times_khatri_rao_with_zeros_for_holes(shape):
    factors = draw_factors(shape, 2)
    X = with_holes(reference.cp_tensor(draw_factors(shape, 4, seed=2)), 0.3)
    for mode in range(len(shape)):
        others = [factor for n, factor in enumerate(factors) if n != mode]
        expected = np.nan_to_num(reference.unfold(X, mode)) @ reference.khatri_rao(others)
        np.testing.assert_allclose(reference.mttkrp(X, factors, mode), expected)


def test_normal_equations_share_one_gram_matrix_where_nothing_is_missing_and_are_solved_by_the_true_rows():
    factors = draw_factors((4, 5, 6), 2)
    X = reference.cp_tensor(factors)
    for mode in range(3):
        grams, right = reference.normal_equations(X, factors, mode)
        expected = np.prod([factor.T @ factor for n, factor in enumerate(factors) if n != mode], axis=0)
        np.testing.assert_allclose(grams, np.broadcast_to(expected, grams.shape))
        np.testing.assert_allclose(right, reference.mttkrp(X, factors, mode))
        grams, right = reference.normal_equations(with_holes(X, 0.3), factors, mode)
        np.testing.assert_allclose(np.linalg.solve(grams, right[..., None])[..., 0], factors[mode])


def test_loss_counts_observed_cells_only():
    factors = draw_factors((3, 4, 5), 2)
    X = reference.cp_tensor(factors)
    X[0, 0, 0] += 3.0
    assert reference.loss(X, factors) == pytest.approx(9.0)
    X[0, 0, 0] = np.nan
    assert reference.loss(X, factors) == pytest.approx(0.0)


@holes
def test_als_never_raises_the_loss_and_finds_an_exact_model(holes):
    truth = draw_factors((5, 6, 7), 2)
    X = with_holes(reference.cp_tensor(truth), holes)
    factors, losses = reference.als(X, draw_factors((5, 6, 7), 2, seed=4), n_sweeps=60)
    assert all(np.diff(losses) <= 1e-9 * losses[0])
    assert losses[-1] < 1e-6 * np.nansum(X**2)
    assert reference.factor_match_score(factors, truth) > 0.999


@holes
def test_least_squares_core_recovers_a_known_core(holes):
    core, factors = np.random.default_rng(4).standard_normal((2, 2, 2)), draw_factors((3, 4, 5), 2)
    X = with_holes(reference.tucker_tensor(core, factors), holes)
    np.testing.assert_allclose(reference.least_squares_core(X, factors), core)


def test_least_squares_core_of_a_complete_tensor_multiplies_by_pseudo_inverses():
    factors = draw_factors((2, 4, 5), 3)  # one mode shorter than the rank: the smallest core is meant
    X = reference.cp_tensor(draw_factors((2, 4, 5), 6, seed=5))
    expected = reference.tucker_tensor(X, [np.linalg.pinv(factor) for factor in factors])
    np.testing.assert_allclose(reference.least_squares_core(X, factors), expected)


def test_core_consistency_is_the_distance_of_the_core_to_the_superdiagonal_whatever_the_weights():
    core, factors, weights = reference.superdiagonal(2, 3), draw_factors((3, 4, 5), 2), np.array([5.0, -0.1])
    assert reference.core_consistency(reference.cp_tensor(factors, weights), factors, weights) == pytest.approx(100.0)
    core[0, 1, 1] = 0.5
    X = reference.tucker_tensor(core, factors)
    assert reference.core_consistency(X, factors) == pytest.approx(100 * (1 - 0.25 / 2))


def test_attainable_core_consistency_is_the_share_of_a_short_mode_and_that_of_the_projector_formula():
    assert reference.attainable_core_consistency(draw_factors((4, 8, 8), 6)) == pytest.approx(100 * 4 / 6)
    assert reference.attainable_core_consistency(draw_factors((6, 6, 6), 6)) == pytest.approx(100.0)
    factors = draw_factors((3, 4, 4), 5)
    product = np.prod([np.linalg.pinv(factor) @ factor for factor in factors], axis=0)
    assert reference.attainable_core_consistency(factors) == pytest.approx(100 / 5 * product.sum())


def test_factor_match_score_of_orthogonal_and_of_shuffled_components():
    identity, shuffled = [np.eye(4)[:, :2]] * 3, [np.eye(4)[:, [1, 0]] * -2.0] * 3
    assert reference.factor_match_score(identity, shuffled) == pytest.approx(1.0)
    assert reference.factor_match_score(identity, [np.eye(4)[:, 2:]] * 3) == pytest.approx(0.0)
    assert reference.factor_match_score(identity, [np.eye(4)[:, 1:]] * 3) == pytest.approx(0.5)


def test_matrix_multiplication_tensor_multiplies_matrices_by_seven_products():
    a, b = np.random.default_rng(8).standard_normal((2, 2, 2))
    X, factors = reference.matrix_multiplication_tensor(), reference.strassen_factors()
    np.testing.assert_allclose(np.einsum("abc,a,b->c", X, a.ravel(), b.ravel()), (a @ b).ravel())
    assert factors[0].shape == (4, 7)
    np.testing.assert_array_equal(reference.cp_tensor(factors), X)


def test_w_tensor_is_approached_by_rank_two():
    a = reference.w_tensor()
    errors = [np.linalg.norm(a - reference.cp_tensor(reference.w_approximation(n))) for n in (10, 100)]
    assert errors[1] == pytest.approx(errors[0] / 10, rel=0.1)
    # Rank 3, not 2: Cayley's hyperdeterminant vanishes although no unfolding is of rank 1.
    slabs = np.linalg.det(a[0]), np.linalg.det(a[1]), np.linalg.det(a[0] + a[1])
    mixed = slabs[2] - slabs[0] - slabs[1]
    assert mixed**2 - 4 * slabs[0] * slabs[1] == pytest.approx(0.0)
    assert [np.linalg.matrix_rank(reference.unfold(a, mode)) for mode in range(3)] == [2, 2, 2]
