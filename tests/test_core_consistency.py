"""Core consistency, its ceiling and what noise costs it: against explicit least squares, tlviz and Monte Carlo."""

from functools import reduce

import numpy as np
import pytest
import pyttb
import reference
import tensorly
import tlviz.model_evaluation
from contracts import ScorerContract, draw_factors, draw_model, make_fits, noisy_tensor, with_holes
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autoten import ALS, CPModel, core_consistency, corrected_core_consistency, fit_parafac
from autoten.door import as_tensor
from autoten.fits import RankFits
from autoten.matching import Seen, most_opposed_pair
from autoten.model import empty_model
from autoten.scores import core_consistency_scores
from autoten.scores.core_consistency import LARGEST_SOLVED_CORE, CoreEquations

SHAPES = [(4, 5, 6), (3, 4, 3, 4), (3, 2, 3, 2, 3)]


def ids(value):
    return "x".join(map(str, value)) if isinstance(value, tuple) else None


def unit_columns(factors):
    return [A / np.linalg.norm(A, axis=0) for A in factors]


def draw(shape, rank, seed=0):
    """Return weights and factors with unit columns.

    How a component's scale is spread over the modes changes the core off its diagonal, and so the score. The convention
    is that of a normalised model: unit columns, and all weights in the first factor.
    """
    return np.random.default_rng(seed).uniform(0.5, 2.0, rank), unit_columns(draw_factors(shape, rank, seed))


# ---------------------------------------------------------------------------------------- explicit least squares


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=ids)
def test_it_is_the_least_squares_core_on_the_kronecker_matrix(shape, rank):
    X = noisy_tensor(shape, 2)
    weights, factors = draw(shape, rank, seed=1)
    if rank > shape[0]:
        weights = np.ones(rank)
    expected = reference.core_consistency(X, factors, weights)
    got = core_consistency(X, (weights, factors))
    assert 100 - got == pytest.approx(100 - expected, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("share", [0.05, 0.4, 0.75])
@pytest.mark.parametrize(("shape", "rank"), [((5, 6, 7), 3), ((4, 4, 5, 4), 2), ((3, 4, 3, 4, 3), 2)], ids=ids)
def test_with_missing_data_it_is_the_core_that_fits_observed_cells_best(shape, rank, share):
    X = with_holes(noisy_tensor(shape, rank), share)
    weights, factors = draw(shape, rank, seed=1)
    expected = reference.core_consistency(X, factors, weights)
    assert 100 - core_consistency(X, (weights, factors)) == pytest.approx(100 - expected, rel=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_with_missing_data_of_a_fitted_model_too(share):
    X = noisy_tensor((6, 7, 8), 3, missing=share)
    for rank in (1, 2, 3, 4):
        model = fit_parafac(X, rank, n_starts=5, random_state=0).model
        expected = reference.core_consistency(X, model.factors, model.weights)
        assert 100 - core_consistency(X, model) == pytest.approx(100 - expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.4])
def test_equations_that_are_too_many_for_a_matrix_are_the_same(share):
    shape, rank = (6, 7, 6, 8), 6
    seen = Seen.of(as_tensor(with_holes(np.ones(shape), share)))
    bases = [np.linalg.qr(factor)[0] for factor in draw_factors(shape, rank)]
    equations, design = CoreEquations(seen, bases), reduce(np.kron, bases)
    assert equations.diagonal.size > LARGEST_SOLVED_CORE
    observed = ~np.isnan(with_holes(np.ones(shape), share)).ravel()
    matrix, core = design[observed].T @ design[observed], np.random.default_rng(0).standard_normal((rank,) * 4)
    np.testing.assert_allclose(equations.diagonal.ravel(), np.diag(matrix), atol=1e-12)
    np.testing.assert_allclose((equations @ core).ravel(), matrix @ core.ravel(), atol=1e-10)
    free = core > 0
    found = equations.solved(core, 0.01, free).ravel()
    inside = np.flatnonzero(free)
    expected = np.linalg.solve(matrix[np.ix_(inside, inside)] + 0.01 * np.eye(len(inside)), core.ravel()[inside])
    np.testing.assert_allclose(found[inside], expected, atol=1e-4 * np.abs(expected).max())
    assert not found[~free.ravel()].any()


@pytest.mark.parametrize("shape", SHAPES[:2], ids=ids)
def test_nothing_missing_and_one_cell_missing_nearly_agree(shape):
    X = reference.cp_tensor(draw_factors(shape, 2))
    X += 0.01 * np.random.default_rng(0).standard_normal(shape)
    model = CPModel(np.ones(2), tuple(draw_factors(shape, 2)))
    holed = X.copy()
    holed.flat[3] = np.nan
    assert core_consistency(holed, model) == pytest.approx(core_consistency(X, model), abs=0.5)
    assert core_consistency(np.ma.masked_invalid(X), model) == pytest.approx(core_consistency(X, model), abs=1e-9)


# ------------------------------------------------------------------------------------------------------------ tlviz


@pytest.mark.parametrize(("shape", "rank"), [((8, 9, 10), r) for r in (1, 3, 5)] + [((6, 7, 6, 7), 3)], ids=ids)
def test_tlviz_agrees(shape, rank):
    X = noisy_tensor(shape, 3)
    models = [
        draw(shape, rank, seed=1),
        fit_parafac(X, rank, n_starts=3, random_state=0).model,
        tensorly.cp_tensor.cp_normalize((None, draw_factors(shape, rank, seed=2))),
    ]
    for model in models:
        expected = tlviz.model_evaluation.core_consistency(model, X)
        assert core_consistency(X, model) == pytest.approx(expected, rel=1e-6)


# --------------------------------------------------------------------------------------- what is true of any data


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.sampled_from([1, 2]), st.sampled_from([0.0, 0.3]))
def test_one_and_two_components_of_three_way_data_always_score_100(seed, rank, share):
    # At a converged fit the core's residual vanishes wherever two indices agree, and of two values two always do.
    X = with_holes(np.random.default_rng(seed).standard_normal((5, 6, 7)), share, seed)
    fit = fit_parafac(X, rank, solver=ALS(tol=1e-12, max_iter=3000), n_starts=1, random_state=0)
    assume(fit.converged and most_opposed_pair(fit.model)[0] > -0.95)  # a degenerate pair has no minimum
    assert core_consistency(X, fit.model) == pytest.approx(100, abs=0.01)


def test_three_components_or_four_modes_do_not():
    solver = ALS(tol=1e-12, max_iter=5000)
    noise = np.random.default_rng(0).standard_normal((5, 6, 7))
    assert core_consistency(noise, fit_parafac(noise, 3, solver=solver, random_state=0).model) < 90
    noise = np.random.default_rng(0).standard_normal((4, 5, 4, 5))
    assert core_consistency(noise, fit_parafac(noise, 2, solver=solver, random_state=0).model) < 90


def test_two_components_that_have_not_converged_score_less():
    noise = np.random.default_rng(0).standard_normal((5, 6, 7))
    fit = ALS().fit(as_tensor(noise), draw_model((5, 6, 7), 2), max_iter=2)
    assert core_consistency(noise, fit.model) < 99.9


@pytest.mark.parametrize("shape", SHAPES, ids=ids)
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_an_exact_model_scores_100(shape, share):
    weights, factors = draw(shape, 2)
    X = with_holes(reference.cp_tensor(factors, weights), share)
    assert core_consistency(X, (weights, factors)) == pytest.approx(100, abs=1e-6)


def test_a_known_core_is_its_distance_to_the_superdiagonal():
    core = reference.superdiagonal(3, 3)
    core[0, 1, 2], core[2, 2, 2] = 0.5, 0.8
    _, factors = draw((4, 5, 6), 3)
    X = reference.tucker_tensor(core, factors)
    assert core_consistency(X, (None, factors)) == pytest.approx(100 * (1 - 0.29 / 3))


@settings(max_examples=25)
@given(
    st.integers(0, 1000),
    st.sampled_from([(4, 5, 6), (3, 4, 3, 4)]),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.25]),
    st.floats(-3, 3),
)
def test_the_order_scale_and_sign_of_components_and_the_scale_of_the_data_do_not_matter(
    seed, shape, rank, share, power
):
    rng = np.random.default_rng(seed)
    X = with_holes(noisy_tensor(shape, rank, seed=seed), share, seed)
    weights, factors = draw(shape, rank, seed + 1)
    scales = [10 ** rng.uniform(-2, 2, rank) * rng.choice([-1, 1], rank) for _ in shape]
    order, size = rng.permutation(rank), 10**power
    twin = CPModel(
        size * (weights / np.prod(scales, axis=0))[order],
        tuple((A * scale)[:, order] for A, scale in zip(factors, scales, strict=True)),
    )
    assert 100 - core_consistency(size * X, twin) == pytest.approx(
        100 - core_consistency(X, (weights, factors)), rel=1e-5, abs=1e-7
    )
    for a, b in zip(
        corrected_core_consistency(X, (weights, factors)), corrected_core_consistency(size * X, twin), strict=True
    ):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-7, nan_ok=True)


@pytest.mark.parametrize("size", [1e150, 1e-150, 1e-300])
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_data_of_any_size(size, share):
    X, model = noisy_tensor((4, 5, 6), 3, missing=share), draw_model((4, 5, 6), 3, seed=1)
    got = corrected_core_consistency(X * size, model.scaled(size))
    np.testing.assert_allclose(got, corrected_core_consistency(X, model), rtol=1e-6)
    # The size may sit in any factor.
    moved = CPModel(np.ones(3), (model.factors[0], model.factors[1] * size, model.factors[2]))
    np.testing.assert_allclose(corrected_core_consistency(X * size, moved), got, rtol=1e-6)


@pytest.mark.parametrize("axes", [(1, 2, 0), (2, 1, 0)], ids=ids)
def test_the_order_of_modes_does_not_matter_where_weights_are_equal(axes):
    X, (_, factors) = noisy_tensor((4, 5, 6), 2), draw((4, 5, 6), 3, seed=1)
    moved = corrected_core_consistency(X.transpose(axes), (None, [factors[n] for n in axes]))
    np.testing.assert_allclose(moved, corrected_core_consistency(X, (None, factors)), rtol=1e-8)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 1, 0)], ids=ids)
def test_unequal_weights_are_carried_by_the_first_mode_whichever_that_is(axes):
    # The core off its diagonal scales with the mode that carries the weights, so the order of modes matters a little.
    X = noisy_tensor((6, 7, 8), 3).transpose(axes)
    models = [(X, fit_parafac(X, 4, n_starts=3, random_state=0).model)]
    # A mode shorter than the rank may stand anywhere.
    shape = tuple((4, 20, 20)[n] for n in axes)
    weights, factors = draw(shape, 6)
    short = reference.cp_tensor(factors, weights)
    models.append((short + 0.1 * short.std() * np.random.default_rng(1).standard_normal(shape), (weights, factors)))
    for data, model in models:
        expected = tlviz.model_evaluation.core_consistency(model, data)
        assert core_consistency(data, model) == pytest.approx(expected, rel=1e-6)


def test_float32_data_lose_nothing_that_matters():
    X = noisy_tensor((6, 7, 8), 3)
    model = fit_parafac(X, 3, n_starts=3, random_state=0).model
    assert core_consistency(X.astype("f4"), model) == pytest.approx(core_consistency(X, model), abs=1e-3)


# -------------------------------------------------------------------------------------------- degenerate components


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_a_duplicated_component_takes_its_share_and_no_more(share):
    # A component in two equal halves: the smallest core spreads it over eight cells, 1/4 each, where T has two ones.
    factors = [np.column_stack([A, A[:, 0]]) for A in draw_factors((4, 5, 6), 2)]
    factors[0][:, [0, 2]] /= 2
    X = with_holes(reference.cp_tensor(factors), share)
    expected = 100 * (1 - (2 * 0.75**2 + 6 * 0.25**2) / 3)
    assert core_consistency(X, (None, factors)) == pytest.approx(expected, abs=1e-5)
    assert reference.core_consistency(X, factors) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("distance", [1e-16, 1e-14, 1e-12])
def test_components_that_are_the_same_but_for_rounding_do_not_explode(distance):
    rng = np.random.default_rng(0)
    factors = draw_factors((6, 7, 8), 2)
    factors = [np.column_stack([A, A[:, 0] * (1 + distance * rng.standard_normal(len(A)))]) for A in factors]
    X = noisy_tensor((6, 7, 8), 2)
    assert -1e4 < core_consistency(X, (None, factors)) <= 100
    assert all(np.isfinite(corrected_core_consistency(X, (None, factors))))


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_a_zero_component_costs_its_share(share):
    factors = [np.column_stack([A, np.zeros(len(A))]) for A in draw_factors((4, 5, 6), 2)]
    X = with_holes(reference.cp_tensor(factors), share)
    assert core_consistency(X, (None, factors)) == pytest.approx(100 * 2 / 3, abs=1e-5)
    assert core_consistency(X, ([1, 1, 0], draw_factors((4, 5, 6), 3))) <= 100


@pytest.mark.filterwarnings("error")
def test_a_model_of_zeros_has_no_core():
    X, model = noisy_tensor((4, 5, 6), 2), CPModel(np.zeros(2), tuple(draw_factors((4, 5, 6), 2)))
    assert core_consistency(X, model) == pytest.approx(0)
    zeros = fit_parafac(np.zeros((4, 5, 6)), 2, n_starts=2, random_state=0).model
    assert core_consistency(np.zeros((4, 5, 6)), zeros) == pytest.approx(0)
    corrected_core_consistency(np.zeros((4, 5, 6)), zeros)


def test_a_model_without_components_has_no_score():
    X, model = noisy_tensor((4, 5, 6), 2), empty_model((4, 5, 6))
    for data in (X, with_holes(X, 0.3)):
        assert np.isnan(core_consistency(data, model))
        assert np.isnan(corrected_core_consistency(data, model)).all()


def test_a_core_that_no_memory_should_hold_has_no_score():
    X = np.random.default_rng(0).standard_normal((9, 9, 9, 9))
    assert np.isnan(core_consistency(X, draw_model((9, 9, 9, 9), 80)))


# ----------------------------------------------------------------------------------------------------------- ceiling


@pytest.mark.parametrize(
    ("shape", "rank"), [((4, 5, 6), 3), ((2, 5, 6), 4), ((3, 4, 3), 5), ((2, 3, 2, 3), 3)], ids=ids
)
def test_the_ceiling_is_what_an_exact_model_scores(shape, rank):
    factors = unit_columns(draw_factors(shape, rank))
    X = reference.cp_tensor(factors)
    scores = corrected_core_consistency(X, (None, factors))
    assert scores.ceiling == pytest.approx(reference.attainable_core_consistency(factors), rel=1e-8)
    assert scores.raw == pytest.approx(scores.ceiling, rel=1e-8)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 1, 0)], ids=ids)
def test_the_ceiling_of_one_short_mode_is_its_share_whatever_the_factors_and_weights(axes):
    factors = draw_factors((4, 12, 13), 6)
    for weights in (np.ones(6), draw((4, 12, 13), 6)[0]):
        model = CPModel(weights, tuple(factors[n] for n in axes))
        scores = corrected_core_consistency(model.to_tensor(), model)
        assert scores.raw == pytest.approx(scores.ceiling, rel=1e-8)
    equal = corrected_core_consistency(reference.cp_tensor(factors), (None, factors))
    assert equal.ceiling == pytest.approx(100 * 4 / 6)


def test_the_ceiling_of_three_short_modes_depends_on_the_factors():
    # Generic factors of a 4 x 5 x 5 tensor with 7 components: about 28.6, and never what one short mode would give.
    ceilings = []
    for seed in range(40):
        factors = unit_columns(draw_factors((4, 5, 5), 7, seed))
        ceilings.append(corrected_core_consistency(reference.cp_tensor(factors), (None, factors)).ceiling)
    assert np.mean(ceilings) == pytest.approx(28.58, abs=1.5)
    assert 20 < min(ceilings) < max(ceilings) < 100 * 4 / 7


# -------------------------------------------------------------------------------------------------------- noise loss


def explicit_noise_loss(X, factors, *, reduced=True):
    """Return (100 / F) sigma^2 tr[W (I - P) W'], each matrix in full; without P what noise costs at given factors."""
    rank, observed = factors[0].shape[1], X.size
    design = np.linalg.pinv(reference.kronecker(factors))
    columns = []
    for n, factor in enumerate(factors):
        for i, r in np.ndindex(factor.shape):
            # The model is linear in each factor: its derivative in one entry is the model with that entry alone.
            single = np.zeros_like(factor)
            single[i, r] = 1.0
            columns.append(reference.cp_tensor([*factors[:n], single, *factors[n + 1 :]]).ravel())
    tangent, singular, _ = np.linalg.svd(np.column_stack(columns), full_matrices=False)
    tangent = tangent[:, singular > 1e-9 * singular[0]]
    freedom = observed - rank * (sum(X.shape) - X.ndim + 1)
    variance = reference.loss(X, factors) / freedom
    absorbed = np.sum((design @ tangent) ** 2) if reduced else 0.0
    return 100 / rank * variance * (np.sum(design**2) - absorbed)


@pytest.mark.parametrize(
    ("shape", "rank"),
    [((4, 5, 6), 3), ((3, 4, 5), 3), ((3, 3, 4, 3), 3), ((2, 3, 2, 3, 2), 2), ((3, 5, 6), 4), ((3, 4, 4), 5)],
    ids=ids,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_noise_loss_agrees_with_the_explicit_projector_on_the_tangent_space(shape, rank, weighted):
    X, (weights, factors) = noisy_tensor(shape, rank), draw(shape, rank)
    weights = weights if weighted and rank <= shape[0] else np.ones(rank)
    scores = corrected_core_consistency(X, (weights, factors))
    expected = explicit_noise_loss(X, [factors[0] * weights, *factors[1:]])
    assert expected > 0.01
    assert scores.noise_loss == pytest.approx(expected, rel=1e-8 if rank <= min(shape) else 1e-6)


@pytest.mark.parametrize("rank", [1, 2])
def test_noise_costs_one_and_two_components_of_three_way_data_nothing(rank):
    for seed in range(5):
        X, model = noisy_tensor((4, 5, 6), 2, seed=seed), draw_model((4, 5, 6), rank, seed)
        assert corrected_core_consistency(X, model).noise_loss == pytest.approx(0, abs=1e-6)


def test_noise_loss_at_the_true_factors_is_the_mean_over_noise_if_nothing_is_absorbed():
    # E[100 - c] at factors that do not follow the noise, by Monte Carlo.
    factors, sigma = draw((4, 5, 6), 3)[1], 0.02
    signal, rng = reference.cp_tensor(factors), np.random.default_rng(0)
    lost = [
        100 - core_consistency(signal + sigma * rng.standard_normal(signal.shape), (None, factors)) for _ in range(400)
    ]
    expected = 100 / 3 * sigma**2 * np.prod([np.trace(np.linalg.inv(A.T @ A)) for A in factors])
    assert np.mean(lost) == pytest.approx(expected, abs=4 * np.std(lost) / np.sqrt(len(lost)))
    # The same by the explicit matrices, and more than what is lost once factors may follow the noise.
    noisy = signal + sigma * rng.standard_normal(signal.shape)
    at_given_factors = explicit_noise_loss(noisy, factors, reduced=False)
    variance = reference.loss(noisy, factors) / (noisy.size - 3 * (4 + 5 + 6 - 2))
    assert at_given_factors == pytest.approx(expected * variance / sigma**2)
    assert 0.1 * at_given_factors < corrected_core_consistency(noisy, (None, factors)).noise_loss < at_given_factors


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_noise_loss_is_about_what_fits_lose(share):
    factors = draw_factors((7, 8, 9), 3)
    signal, truth = reference.cp_tensor(factors), CPModel(np.ones(3), tuple(factors))
    lost, foreseen = [], []
    for seed in range(30):
        noise = 0.1 * signal.std() * np.random.default_rng(seed).standard_normal(signal.shape)
        X = with_holes(signal + noise, share, seed)
        scores = corrected_core_consistency(X, ALS().fit(as_tensor(X), truth).model)
        lost.append(100 - scores.raw)
        foreseen.append(scores.noise_loss)
    assert np.mean(foreseen) == pytest.approx(np.mean(lost), rel=0.3)


def test_noise_loss_is_unknown_without_degrees_of_freedom_and_large_for_collinear_components():
    X = noisy_tensor((3, 3, 3), 2)
    assert np.isnan(corrected_core_consistency(X, draw_model((3, 3, 3), 4)).noise_loss)
    factors, losses = draw_factors((7, 8, 9), 3), []
    for used in (factors, [np.column_stack([A[:, 0], A[:, 0] + 0.3 * A[:, 1], A[:, 2]]) for A in factors]):
        signal = reference.cp_tensor(used)
        noise = 0.05 * signal.std() * np.random.default_rng(0).standard_normal(signal.shape)
        losses.append(corrected_core_consistency(signal + noise, (None, used)).noise_loss)
    assert losses[1] > 10 * losses[0]


# --------------------------------------------------------------------------------------------------------- corrected


@pytest.mark.parametrize(("shape", "rank"), [((4, 5, 6), 3), ((5, 3, 6), 4), ((3, 4, 3, 4), 2)], ids=ids)
@pytest.mark.parametrize("noise", [0.01, 0.3, 3.0])
def test_corrected_follows_its_formula(shape, rank, noise):
    X = noisy_tensor(shape, rank, noise=noise)
    model = fit_parafac(X, rank, n_starts=2, random_state=0).model
    raw, ceiling, loss, corrected = scores = corrected_core_consistency(X, model)
    assert scores._fields == ("raw", "ceiling", "noise_loss", "corrected")
    assert raw == core_consistency(X, model)
    share = ceiling / (ceiling + loss)
    assert corrected == pytest.approx(100 * share * (1 - max(0, ceiling - raw - loss) / (ceiling + loss)), abs=1e-9)
    assert corrected <= 100


def test_corrected_forgives_what_noise_and_the_ceiling_explain_and_nothing_else():
    factors = draw_factors((4, 20, 20), 6)
    X = reference.cp_tensor(unit_columns(factors))
    assert corrected_core_consistency(X, (None, unit_columns(factors))).corrected == pytest.approx(100)
    core = reference.superdiagonal(3, 3)
    core[0, 1, 2] = 1.0
    _, factors = draw((8, 9, 10), 3)
    assert corrected_core_consistency(reference.tucker_tensor(core, factors), (None, factors)).corrected < 80


# -------------------------------------------------------------------------------------------- what counts as a model


def test_models_of_other_packages_are_taken():
    X, (weights, factors) = noisy_tensor((4, 5, 6), 3), draw((4, 5, 6), 3)
    expected = corrected_core_consistency(X, CPModel(weights, tuple(factors)))
    for model in [
        (list(weights), tuple(factors)),
        tensorly.cp_tensor.CPTensor((weights, factors)),
        pyttb.ktensor([A.copy() for A in factors], weights.copy()),
        (None, [factors[0] * weights, *factors[1:]]),
    ]:
        np.testing.assert_allclose(corrected_core_consistency(X, model), expected, rtol=1e-9)
        assert core_consistency(X, model) == pytest.approx(expected.raw)


def test_the_model_is_left_alone():
    X, (weights, factors) = noisy_tensor((4, 5, 6), 3), draw((4, 5, 6), 3)
    before = [weights.copy(), *(A.copy() for A in factors)]
    corrected_core_consistency(with_holes(X, 0.2), (weights, factors))
    for now, then in zip([weights, *factors], before, strict=True):
        np.testing.assert_array_equal(now, then)


# ----------------------------------------------------------------------------------------------------------- the score


class TestScores(ScorerContract):
    scorer = staticmethod(core_consistency_scores)

    def test_they_are_those_of_the_public_functions(self, tensor):
        fits = make_fits(tensor, 3)
        scores = self.scorer(tensor, fits)
        X = np.full(tensor.shape, np.nan)
        observed = np.setdiff1d(np.arange(X.size), tensor.hidden)
        X.flat[observed] = tensor.values_at(observed)
        expected = corrected_core_consistency(X, fits.best.model)
        got = [scores[name] for name in ("core_consistency", "ceiling", "noise_loss", "corrected_core_consistency")]
        np.testing.assert_allclose(got, expected, rtol=1e-6)
        # A start that has not converged says nothing, unless it is the best there is.
        of_starts = [core_consistency(X, f.model) if f.converged or f is fits.best else np.nan for f in fits.starts]
        np.testing.assert_allclose(scores["core_consistency_starts"], of_starts, rtol=1e-6)
        assert scores["core_consistency"] in scores["core_consistency_starts"]

    def test_starts_that_have_not_converged_are_unknown(self, tensor):
        starts = [ALS().fit(tensor, draw_model(tensor.shape, 3, seed), max_iter=2) for seed in range(3)]
        known = np.isfinite(self.scorer(tensor, RankFits(3, tuple(starts), (), {}))["core_consistency_starts"])
        losses = [fit.loss for fit in starts]
        assert known.tolist() == [loss == min(losses) for loss in losses]
