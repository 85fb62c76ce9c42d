"""The definitions in reference.py against each other, against NumPy and against facts one can check by hand."""

import numpy as np
import pytest
import reference


def draw(shape, rank, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((length, rank)) for length in shape]


def with_holes(X, share=0.3, seed=1):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


SHAPES = [(3, 4, 5), (2, 3, 2, 4)]


def test_kronecker_agrees_with_numpy():
    a, b, c = draw((2, 3), 2)[0], draw((3, 3), 4)[1], draw((2, 2), 3)[0]
    np.testing.assert_allclose(reference.kronecker([a, b, c]), np.kron(np.kron(a, b), c))


def test_khatri_rao_columns_are_kronecker_products():
    a, b = draw((3, 4), 2)
    expected = np.column_stack([np.kron(a[:, r], b[:, r]) for r in range(2)])
    np.testing.assert_allclose(reference.khatri_rao([a, b]), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_unfolded_cp_tensor_is_factor_times_khatri_rao(shape):
    factors = draw(shape, 3)
    X = reference.cp_tensor(factors)
    for mode in range(len(shape)):
        others = [factor for n, factor in enumerate(factors) if n != mode]
        np.testing.assert_allclose(reference.unfold(X, mode), factors[mode] @ reference.khatri_rao(others).T)


def test_unfold_keeps_every_entry_in_its_place():
    X = np.arange(24.0).reshape(2, 3, 4)
    assert reference.unfold(X, 1).tolist() == X.transpose(1, 0, 2).reshape(3, 8).tolist()


@pytest.mark.parametrize("shape", SHAPES)
def test_cp_tensor_is_the_tucker_tensor_of_a_superdiagonal_core(shape):
    factors = draw(shape, 3)
    core = reference.superdiagonal(3, len(shape))
    np.testing.assert_allclose(reference.cp_tensor(factors), reference.tucker_tensor(core, factors))


def test_weights_multiply_the_components():
    factors = draw((3, 4, 5), 2)
    folded = [factors[0] * [2.0, -3.0], *factors[1:]]
    np.testing.assert_allclose(reference.cp_tensor(factors, [2.0, -3.0]), reference.cp_tensor(folded))


@pytest.mark.parametrize("shape", SHAPES)
def test_mttkrp_is_unfolding_times_khatri_rao_with_zeros_for_holes(shape):
    factors = draw(shape, 2)
    X = with_holes(reference.cp_tensor(draw(shape, 4, seed=2)))
    for mode in range(len(shape)):
        others = [factor for n, factor in enumerate(factors) if n != mode]
        expected = np.nan_to_num(reference.unfold(X, mode)) @ reference.khatri_rao(others)
        np.testing.assert_allclose(reference.mttkrp(X, factors, mode), expected)


def test_normal_equations_of_a_complete_tensor_share_one_gram_matrix():
    factors = draw((3, 4, 5), 2)
    X = reference.cp_tensor(draw((3, 4, 5), 4, seed=2))
    grams, right = reference.normal_equations(X, factors, 1)
    expected = (factors[0].T @ factors[0]) * (factors[2].T @ factors[2])
    np.testing.assert_allclose(grams, np.broadcast_to(expected, (4, 2, 2)))
    np.testing.assert_allclose(right, reference.mttkrp(X, factors, 1))


def test_normal_equations_are_solved_by_the_true_rows():
    factors = draw((4, 5, 6), 2)
    X = with_holes(reference.cp_tensor(factors))
    for mode in range(3):
        grams, right = reference.normal_equations(X, factors, mode)
        np.testing.assert_allclose(np.linalg.solve(grams, right[..., None])[..., 0], factors[mode])


def test_loss_counts_observed_cells_only():
    factors = draw((3, 4, 5), 2)
    X = reference.cp_tensor(factors)
    X[0, 0, 0] += 3.0
    assert reference.loss(X, factors) == pytest.approx(9.0)
    X[0, 0, 0] = np.nan
    assert reference.loss(X, factors) == pytest.approx(0.0)


@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_als_never_raises_the_loss_and_finds_an_exact_model(holes):
    truth = draw((5, 6, 7), 2)
    X = with_holes(reference.cp_tensor(truth), holes)
    factors, losses = reference.als(X, draw((5, 6, 7), 2, seed=4), n_sweeps=60)
    assert all(np.diff(losses) <= 1e-9 * losses[0])
    assert losses[-1] < 1e-6 * np.nansum(X**2)
    assert reference.factor_match_score(factors, truth) > 0.999


@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_least_squares_core_recovers_a_known_core(holes):
    rng = np.random.default_rng(4)
    core, factors = rng.standard_normal((2, 2, 2)), draw((3, 4, 5), 2)
    X = with_holes(reference.tucker_tensor(core, factors), holes)
    np.testing.assert_allclose(reference.least_squares_core(X, factors), core)


def test_least_squares_core_of_a_complete_tensor_multiplies_by_pseudo_inverses():
    factors = draw((2, 4, 5), 3)  # one mode shorter than the rank: the smallest core is meant
    X = reference.cp_tensor(draw((2, 4, 5), 6, seed=5))
    expected = reference.tucker_tensor(X, [np.linalg.pinv(factor) for factor in factors])
    np.testing.assert_allclose(reference.least_squares_core(X, factors), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("over_core_norm", [False, True])
def test_core_consistency_of_an_exact_model_is_100_whatever_the_weights(shape, over_core_norm):
    factors, weights = draw(shape, 2), np.array([5.0, -0.1])
    X = reference.cp_tensor(factors, weights)
    c = reference.core_consistency(X, factors, weights, over_core_norm=over_core_norm)
    assert c == pytest.approx(100.0)


def test_core_consistency_of_a_known_core_is_its_distance_to_the_superdiagonal():
    core = reference.superdiagonal(2, 3)
    core[0, 1, 1] = 0.5
    factors = draw((3, 4, 5), 2)
    X = reference.tucker_tensor(core, factors)
    assert reference.core_consistency(X, factors) == pytest.approx(100 * (1 - 0.25 / 2))
    assert reference.core_consistency(X, factors, over_core_norm=True) == pytest.approx(100 * (1 - 0.25 / 2.25))


def test_core_consistency_says_nothing_about_one_or_two_components():
    # At a converged fit the residual core vanishes wherever N - 1 indices agree: here, everywhere.
    X = np.random.default_rng(6).standard_normal((4, 5, 6))
    factors, _ = reference.als(X, draw((4, 5, 6), 2, seed=7), n_sweeps=300)
    assert reference.core_consistency(X, factors) == pytest.approx(100.0, abs=1e-3)


def test_attainable_core_consistency_with_one_short_mode_is_its_share():
    assert reference.attainable_core_consistency(draw((4, 8, 8), 6)) == pytest.approx(100 * 4 / 6)
    assert reference.attainable_core_consistency(draw((6, 6, 6), 6)) == pytest.approx(100.0)


def test_attainable_core_consistency_agrees_with_the_projector_formula():
    factors = draw((3, 4, 4), 5)
    product = np.prod([np.linalg.pinv(factor) @ factor for factor in factors], axis=0)
    assert reference.attainable_core_consistency(factors) == pytest.approx(100 / 5 * product.sum())


def test_factor_match_score_of_orthogonal_and_of_shuffled_components():
    identity = [np.eye(4)[:, :2]] * 3
    shuffled = [np.eye(4)[:, [1, 0]] * -2.0] * 3
    other = [np.eye(4)[:, 2:]] * 3
    assert reference.factor_match_score(identity, shuffled) == pytest.approx(1.0)
    assert reference.factor_match_score(identity, other) == pytest.approx(0.0)
    assert reference.factor_match_score(identity, [np.eye(4)[:, 1:]] * 3) == pytest.approx(0.5)


def test_pareto_front_by_hand():
    points = [(0, 3), (1, 2), (1, 1), (3, 0), (0, 3), (2, 0)]
    assert reference.pareto_front(points).tolist() == [True, True, False, True, True, False]


def test_matrix_multiplication_tensor_multiplies_matrices():
    a, b = np.random.default_rng(8).standard_normal((2, 2, 2))
    product = np.einsum("abc,a,b->c", reference.matrix_multiplication_tensor(), a.ravel(), b.ravel())
    np.testing.assert_allclose(product, (a @ b).ravel())


def test_strassen_multiplies_with_seven_products():
    factors = reference.strassen_factors()
    assert factors[0].shape == (4, 7)
    np.testing.assert_array_equal(reference.cp_tensor(factors), reference.matrix_multiplication_tensor())


def test_w_tensor_is_approached_by_rank_two():
    errors = [
        np.linalg.norm(reference.w_tensor() - reference.cp_tensor(reference.w_approximation(n))) for n in (10, 100)
    ]
    assert errors[1] == pytest.approx(errors[0] / 10, rel=0.1)
    # Rank 3, not 2: Cayley's hyperdeterminant vanishes although no unfolding is of rank 1.
    a = reference.w_tensor()
    slabs = np.linalg.det(a[0]), np.linalg.det(a[1]), np.linalg.det(a[0] + a[1])
    mixed = slabs[2] - slabs[0] - slabs[1]
    assert mixed**2 - 4 * slabs[0] * slabs[1] == pytest.approx(0.0)
    assert [np.linalg.matrix_rank(reference.unfold(a, mode)) for mode in range(3)] == [2, 2, 2]
