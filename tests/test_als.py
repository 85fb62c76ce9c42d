"""PARAFAC-ALS: the contract of a solver, the textbook algorithm, known minima, swamps, and starts of every kind."""

import math
from dataclasses import dataclass
from itertools import count, permutations

import numpy as np
import pytest
import reference
from contracts import SolverContract, draw_factors, draw_model, noisy_tensor, with_holes

from autoten import ALS, CPModel, factor_match_score, fit_parafac
from autoten.datasets import collinear_factors, make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.kernels.linear import compiled
from autoten.model import empty_model
from autoten.solvers import loop
from autoten.solvers.base import make_start
from autoten.solvers.least_squares import Sweeps, problem_of


@dataclass(frozen=True, eq=False)
class Interpreted:
    """A problem that is no record: the loop runs it in plain Python, sweep by sweep."""

    problem: tuple

    def __getattr__(self, name):
        return getattr(self.problem, name)

    def sweep(self, model, limit):
        return swept(self.problem, model, limit)


@compiled
def swept(problem, model, limit):
    return loop.sweep_once(problem, model, limit)


class TestALS(SolverContract):
    solver = ALS()


class TestPlainALS(SolverContract):
    solver = ALS(extrapolate=False, max_iter=5000)


# ------------------------------------------------------------------------------------------- the textbook algorithm


@pytest.mark.parametrize("shape", [(4, 5, 6), (3, 4, 3, 4), (2, 3, 2, 3, 2)], ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.4, 0.6])
def test_plain_als_is_the_textbook_algorithm_sweep_by_sweep(shape, missing):
    X, start = noisy_tensor(shape, 2, missing=missing), draw_factors(shape, 2, seed=5)
    factors, losses = reference.als(X, start, 8)
    fit = ALS(extrapolate=False).fit(as_tensor(X), CPModel(np.ones(2), tuple(start)), max_iter=8)
    np.testing.assert_allclose(fit.history * np.nansum(X**2), losses, rtol=1e-8)
    np.testing.assert_allclose(fit.model.to_tensor(), reference.cp_tensor(factors), atol=1e-7 * np.nanmax(np.abs(X)))


# The last shape has more rows than one product takes.
SIZES = [((6, 7, 8), 3), ((3, 4, 5, 6), 5), ((2, 3, 2, 3, 2), 1), ((9, 4, 3), 2), ((20, 15, 4), 3)]


@pytest.mark.parametrize("missing", [0.0, 0.25, 0.55])
@pytest.mark.parametrize("extrapolate", [False, True])
def test_the_interpreted_loop_takes_the_same_sweeps_as_the_compiled_one(missing, extrapolate):
    for shape, rank in SIZES:
        problem = problem_of(as_tensor(noisy_tensor(shape, 2, missing=missing)), rank)
        start = draw_model(shape, rank, seed=3).normalized()
        fast, slow = (Sweeps(each, start, 1e-7, extrapolate) for each in (problem, Interpreted(problem)))
        (losses, settled), (expected, also) = (each.sweep(60, math.inf) for each in (fast, slow))
        np.testing.assert_allclose(losses, expected, rtol=1e-9)
        assert settled == also
        np.testing.assert_allclose(fast.model.to_tensor(), slow.model.to_tensor(), atol=1e-6)


@pytest.mark.parametrize("missing", [0.1, 0.25])
def test_imputing_and_solving_over_observed_cells_end_in_the_same_fit(missing):
    for shape in [(6, 7, 8), (4, 5, 5, 6)]:
        X = noisy_tensor(shape, 2, missing=missing)
        start = fit_parafac(np.nan_to_num(X), 2, random_state=0).model
        imputed, exact = (Sweeps(problem_of(as_tensor(X), 2, (), share), start, 1e-10, True) for share in (1.0, 0.0))
        (losses, settled), (expected, also) = (each.sweep(1000, math.inf) for each in (imputed, exact))
        assert settled
        assert also
        assert losses[-1] == pytest.approx(expected[-1], rel=1e-8)
        assert factor_match_score(imputed.model, exact.model) > 1 - 1e-6


@pytest.mark.parametrize("shape", [(4, 5, 6), (3, 4, 3, 4)], ids=str)
def test_plain_imputing_als_is_a_textbook_sweep_over_the_tensor_that_the_model_has_filled(shape):
    X, factors = noisy_tensor(shape, 2, missing=0.2), draw_factors(shape, 2, seed=5)
    fit = ALS(extrapolate=False).fit(as_tensor(X), CPModel(np.ones(2), tuple(factors)), max_iter=6)
    losses = []
    for _ in range(6):
        filled = np.where(np.isnan(X), reference.cp_tensor(factors), X)
        factors, _ = reference.als(filled, factors, 1)
        losses.append(np.nansum((X - reference.cp_tensor(factors)) ** 2))
    np.testing.assert_allclose(fit.history * np.nansum(X**2), np.minimum.accumulate(losses), rtol=1e-8)


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_fit_in_many_short_calls_of_compiled_code_is_the_same_fit(missing, dtype, monkeypatch):
    # Calls are kept short so that an interrupt or a deadline is seen: what one leaves off the next must take up.
    X, start = noisy_tensor((6, 7, 8), 3, missing=missing).astype(dtype), draw_model((6, 7, 8), 4, seed=3)
    whole = ALS().fit(as_tensor(X), start)
    monkeypatch.setattr("autoten.solvers.loop.CALL_SECONDS", 1e-12)
    parts = ALS().fit(as_tensor(X), start)
    assert parts.n_iter == whole.n_iter > 20
    np.testing.assert_allclose(parts.history, whole.history, rtol=1e-9 if dtype == "f8" else 1e-6)


@pytest.mark.parametrize("shape", [(6, 7, 8), (40, 30, 30)], ids=str)
@pytest.mark.parametrize("tol", [0, 0.0])
def test_without_a_tolerance_what_is_reported_has_made_every_sweep(shape, tol):
    X = reference.cp_tensor(draw_factors(shape, 2, seed=1))
    for data in (X, X + np.random.default_rng(0).standard_normal(shape)):
        fit = fit_parafac(data, 2, solver=ALS(tol=tol, max_iter=120), n_starts=2, random_state=0)
        assert fit.n_iter == 120
        assert fit.converged  # the loss is at rest


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.6])
def test_a_deadline_that_passes_keeps_the_sweeps_that_are_done(missing, monkeypatch):
    X, start = noisy_tensor((6, 7, 8), 3, missing=missing), draw_model((6, 7, 8), 4, seed=3)
    monkeypatch.setattr("autoten.solvers.loop.CALL_SECONDS", 1e-12)
    clock = count()
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    late = ALS().fit(as_tensor(X), start, deadline=7.0)
    assert (late.n_iter, late.converged) == (7, False)
    expected = ALS().fit(as_tensor(X), start, max_iter=7)
    assert late.loss == expected.loss
    np.testing.assert_array_equal(late.history, expected.history)


# -------------------------------------------------------------------------------------------------- known solutions


@pytest.mark.parametrize("shape", [(8, 9, 10), (4, 5, 4, 5, 4)], ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.1, 0.4, 0.7])
@pytest.mark.parametrize("factors", [draw_factors, lambda *args: [np.abs(A) for A in draw_factors(*args)]])
def test_exact_tensors_are_recovered(shape, missing, factors):
    truth = CPModel(np.ones(3), tuple(factors(shape, 3, 4)))
    X = with_holes(reference.cp_tensor(truth.factors), missing)
    fit = fit_parafac(X, 3, n_starts=6, random_state=0)
    assert fit.converged
    assert fit.loss < 1e-10
    assert factor_match_score(fit.model, truth) > 1 - 1e-6
    np.testing.assert_allclose(fit.model.to_tensor(), truth.to_tensor(), atol=1e-3 * truth.to_tensor().std())


def test_matrix_multiplication_takes_seven_products_and_not_six():
    # Strassen 1969; the perturbed truth must find back to an exact solution, if not to the same one. Winograd 1971, and
    # Landsberg 2006 for the border rank: rank 6 does not even come close (1/8 is its best).
    X, rng = reference.matrix_multiplication_tensor(), np.random.default_rng(1)
    for noise in (0.0, 0.05, 0.3):
        factors = [A + noise * rng.standard_normal(A.shape) for A in reference.strassen_factors()]
        assert ALS().fit(as_tensor(X), CPModel(np.ones(7), tuple(factors))).loss < 1e-10
    assert fit_parafac(X, 7, n_starts=40, random_state=0).loss < 1e-10
    assert fit_parafac(X, 6, n_starts=20, random_state=0).loss == pytest.approx(1 / 8, rel=1e-3)


def test_a_tensor_without_a_best_approximation_ends_in_large_opposed_components():
    # de Silva & Lim 2008: rank-2 tensors come as close to the W tensor as one likes, with weights that grow.
    fit = fit_parafac(reference.w_tensor(), 2, n_starts=5, random_state=0)
    assert 0 < fit.loss < 1e-3
    assert fit.model.weights.min() > 5
    assert all(np.isfinite(part).all() for part in (fit.model.weights, *fit.model.factors))


@pytest.mark.parametrize("axes", list(permutations(range(3)))[1:])
@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_permuting_modes_permutes_factors(axes, missing):
    X, start = noisy_tensor((6, 7, 8), 3, noise=0.2, missing=missing), draw_model((6, 7, 8), 3, seed=1)
    solver = ALS(tol=1e-10, max_iter=5000)
    fit = solver.fit(as_tensor(X), start)
    moved = solver.fit(as_tensor(X.transpose(axes)), CPModel(start.weights, tuple(start.factors[n] for n in axes)))
    assert moved.loss == pytest.approx(fit.loss, rel=1e-6)
    expected = CPModel(fit.model.weights, tuple(fit.model.factors[n] for n in axes))
    assert factor_match_score(moved.model, expected) > 1 - 1e-5


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.5])
def test_a_start_may_come_in_any_scale_sign_and_order(missing):
    X, start = noisy_tensor((6, 7, 8), 3, missing=missing), draw_model((6, 7, 8), 3, seed=1)
    scales = np.array([[-1e3, 1, 2], [1, 1e-3, -2], [-1e-3, 1e3, -0.25]])
    factors = tuple((A * scale)[:, [2, 0, 1]] for A, scale in zip(start.factors, scales, strict=True))
    twin = CPModel(np.ones(3), factors)
    np.testing.assert_allclose(twin.to_tensor(), start.to_tensor(), atol=1e-9)
    fits = [ALS().fit(as_tensor(X), each, max_iter=20) for each in (start, twin)]
    np.testing.assert_allclose(fits[1].history, fits[0].history, rtol=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("noise", [1e-4, 0.3])
def test_float32_is_fitted_as_precisely_as_its_noise_allows(missing, noise):
    X = noisy_tensor((6, 7, 8), 2, noise=noise, missing=missing).astype("f4")
    start = draw_model(X.shape, 2, seed=1)
    single, double = (ALS().fit(as_tensor(data), start) for data in (X, X.astype(float)))
    assert single.loss == pytest.approx(double.loss, rel=1e-3)
    assert single.history[-1] == pytest.approx(single.loss, rel=1e-3)
    assert (single.converged, double.converged) == (True, True)


@pytest.mark.parametrize("dtype", ["f4", "u1"])
def test_other_types_are_fitted_as_well(dtype):
    X = (20 * np.abs(noisy_tensor((6, 7, 8), 2))).astype(dtype)
    fit, plain = (fit_parafac(data, 2, n_starts=3, random_state=0) for data in (X, X.astype(float)))
    assert fit.loss == pytest.approx(plain.loss, rel=1e-6)


@pytest.mark.parametrize("missing", [0.1, 0.5])
def test_cells_that_are_hidden_play_no_part(missing):
    # The array may hold anything there, and a large value must not cost precision either.
    X = noisy_tensor((6, 7, 8), 2)
    hidden = np.isnan(with_holes(X, missing))
    losses = []
    for value in (0.0, 1e4, 1e6):
        data = np.where(hidden, value, X)
        fit = fit_parafac(np.ma.masked_array(data, hidden), 2, n_starts=2, random_state=0)
        of_fold = ALS().fit(as_tensor(data).hide(np.flatnonzero(hidden)), draw_model(X.shape, 2))
        losses.append((fit.loss, of_fold.loss))
    np.testing.assert_allclose(losses, [losses[0]] * 3, rtol=1e-5)


# --------------------------------------------------------------------------------------- extrapolation and stopping


def test_extrapolation_costs_no_loss():
    compared = 0
    for shape, rank in [((6, 7, 8), 2), ((8, 9, 10), 3), ((5, 5, 5, 5), 3)]:
        for missing in (0.0, 0.1, 0.5):
            for seed in range(3):
                tensor = as_tensor(noisy_tensor(shape, rank, noise=0.5, missing=missing, seed=seed))
                start = draw_model(shape, rank, seed=seed + 99)
                fast = ALS(max_iter=2000).fit(tensor, start)
                plain = ALS(max_iter=2000, extrapolate=False).fit(tensor, start)
                if fast.converged and plain.converged:  # else a degenerate pair, whose loss has no minimum
                    assert fast.loss <= plain.loss * (1 + 1e-4)
                    compared += 1
    assert compared >= 15


def swamp(seed):
    """Return a tensor and a start between which lies a swamp: three components with mutual cosines 0.95."""
    drawn = make_cp_tensor((10, 11, 12), 3, factors=collinear_factors(0.95), noise=white_noise(30), random_state=seed)
    return as_tensor(drawn.X), draw_model(drawn.X.shape, 3, seed=seed + 50)


def test_it_is_a_swamp():
    # What makes the next test one that can fail: "stop at a small relative change" leaves far too early here.
    tensor, start = swamp(0)
    history = ALS(max_iter=20_000, tol=1e-15, extrapolate=False).fit(tensor, start).history
    small = np.flatnonzero(history[:-1] - history[1:] <= 1e-6 * history[1:])
    assert history[small[0]] > history[-1] * (1 + 2e-4)
    assert small[0] < 2000 < len(history)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("extrapolate", "slack"), [(False, 3), (True, 50)])
def test_the_tolerance_bounds_what_is_left_and_not_the_last_step(seed, extrapolate, slack):
    tensor, start = swamp(seed)
    least = ALS(max_iter=20_000, tol=1e-15).fit(tensor, start).loss
    for tol in (1e-3, 1e-5, 1e-7):
        fit = ALS(max_iter=20_000, tol=tol, extrapolate=extrapolate).fit(tensor, start)
        assert fit.converged
        assert -1e-9 <= fit.loss / least - 1 <= slack * tol


def test_extrapolation_pays_in_a_swamp_that_is_not_called_converged_before_it_is_crossed():
    tensor, start = swamp(0)
    fast = ALS(max_iter=20_000).fit(tensor, start)
    assert 5 * fast.n_iter < ALS(max_iter=20_000, extrapolate=False).fit(tensor, start).n_iter
    fit = ALS(max_iter=500, extrapolate=False).fit(tensor, start)
    assert (fit.converged, fit.n_iter) == (False, 500)


# ----------------------------------------------------------------------------------------------------- odd tensors


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_a_constant_tensor_has_rank_one_and_one_of_zeros_none(rank, missing):
    X = with_holes(np.full((4, 5, 6), 2.5), missing)
    fit = fit_parafac(X, rank, n_starts=4, random_state=0)
    assert fit.loss < 1e-10
    known = np.isfinite(X) if rank > 1 else ...  # one component leaves nothing open
    np.testing.assert_allclose(fit.model.to_tensor()[known], 2.5, rtol=1e-4)
    fit = fit_parafac(0.0 * X, rank, n_starts=4, random_state=0)
    assert (fit.loss, fit.converged) == (0.0, True)
    np.testing.assert_array_equal(fit.model.to_tensor(), 0)


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("shape", [(4, 20, 20), (3, 3, 9), (2, 2, 2)], ids=str)
def test_ranks_above_a_dimension(shape, missing):
    X = noisy_tensor(shape, 2, missing=missing, seed=2)
    fit = fit_parafac(X, max(shape[:2][0] + 2, 4), n_starts=3, random_state=0)
    weights, factors = fit.model
    assert np.isfinite(weights).all()
    assert fit.loss == pytest.approx(reference.loss(X, factors, weights) / np.nansum(X**2), rel=1e-6, abs=1e-9)


def test_a_row_with_a_single_observed_cell_and_one_of_zeros():
    X = noisy_tensor((6, 7, 8), 2)
    X[2] = 0
    np.testing.assert_allclose(fit_parafac(X, 2, n_starts=3, random_state=0).model.to_tensor()[2], 0, atol=1e-12)
    X[3, :, :] = np.nan
    X[3, 2, 5] = 1.0
    fit = fit_parafac(X, 3, n_starts=3, random_state=0)
    assert all(np.isfinite(part).all() for part in (fit.model.weights, *fit.model.factors))
    assert fit.model.to_tensor()[3, 2, 5] == pytest.approx(1.0, abs=0.02)


# ----------------------------------------------------------------------------------------------------------- starts


def bases_of(X):
    """Return the left singular vectors of every unfolding, unobserved cells as zero."""
    return [np.linalg.svd(reference.unfold(np.nan_to_num(X), mode))[0] for mode in range(X.ndim)]


SPECTRAL, SIGNED, NONNEGATIVE = 1, 2, 3  # the numbers of the starts that make_start draws


def drawn(number, shape, rank, seed=0):
    bases = [np.linalg.qr(A)[0] for A in draw_factors(shape, max(shape))]
    return make_start(number, bases, rank, empty_model(shape), np.random.default_rng(seed))


every_kind = pytest.mark.parametrize("number", [SPECTRAL, SIGNED, NONNEGATIVE])


@every_kind
@pytest.mark.parametrize("shape", [(4, 5, 6), (2, 3, 2, 3, 2)], ids=str)
def test_a_start_has_the_tensors_shape_and_the_rank_and_is_drawn_anew(number, shape):
    for rank in (1, 3, 7):
        start, twin, other = (drawn(number, shape, rank, seed) for seed in (0, 0, 1))
        assert (start.shape, start.rank) == (shape, rank)
        for one, same, another in zip(start.factors, twin.factors, other.factors, strict=True):
            assert (np.linalg.norm(one, axis=0) > 0).all()
            np.testing.assert_array_equal(one, same)
            assert not np.array_equal(one, another) or (number == SPECTRAL and rank <= len(one))


@every_kind
@pytest.mark.parametrize("missing", [0.0, 0.1, 0.5])
def test_a_fit_from_a_start_of_any_kind_does_not_depend_on_the_scale_of_the_data(number, missing):
    # Where cells are hidden, what a start says of them must be no matter of units.
    X, start = noisy_tensor((6, 7, 8), 3, missing=missing), drawn(number, (6, 7, 8), 3)
    plain, large = (ALS().fit(as_tensor(data), start, max_iter=10) for data in (X, 1e6 * X))
    np.testing.assert_allclose(large.history, plain.history, rtol=1e-8)


def test_the_spectral_start_of_orthogonal_components_is_the_solution():
    rng = np.random.default_rng(0)
    factors = [np.linalg.qr(rng.standard_normal((length, 3)))[0] for length in (6, 7, 8)]
    X = reference.cp_tensor(factors, [3.0, 2.0, 1.0])
    start = make_start(SPECTRAL, bases_of(X), 3, empty_model(X.shape), rng)
    assert ALS().fit(as_tensor(X), start, max_iter=1).loss < 1e-20


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_a_start_grown_from_a_smaller_rank_ends_no_higher(missing, seed):
    X = noisy_tensor((6, 7, 8), 4, noise=0.5, missing=missing, seed=seed)
    tensor, rng = as_tensor(X), np.random.default_rng(seed)
    fit = ALS().fit(tensor, drawn(SIGNED, X.shape, 1))
    for rank in (2, 3, 5, 6):  # it may grow by several components
        start = make_start(0, (), rank, fit.model, rng)
        assert (start.rank, start.shape) == (rank, X.shape)
        np.testing.assert_allclose(start.to_tensor(), fit.model.to_tensor(), atol=1e-12)
        larger = ALS().fit(tensor, start)
        # One sweep may not lose what was there already.
        assert ALS().fit(tensor, start, max_iter=1).loss <= fit.loss * (1 + 1e-9)
        assert larger.loss < fit.loss
        fit = larger


def test_starts_are_of_mixed_kinds():
    bases, smaller = bases_of(noisy_tensor((6, 7, 8), 2, missing=0.2)), draw_model((6, 7, 8), 2)
    starts = [make_start(number, bases, 3, smaller, np.random.default_rng(number)) for number in range(6)]
    assert all((start.rank, start.shape) == (3, (6, 7, 8)) for start in starts)
    np.testing.assert_allclose(starts[0].to_tensor(), smaller.to_tensor())
    for basis, factor in zip(bases, starts[SPECTRAL].factors, strict=True):
        np.testing.assert_array_equal(factor, basis[:, :3])
    negative = [np.concatenate(start.factors) < 0 for start in starts]
    assert [round(entries.mean(), 1) == 0.0 for entries in negative] == [False, False, False, True, False, True]
    assert all(0.2 < entries.mean() < 0.8 for entries in (negative[2], negative[4]))


# ------------------------------------------------------------------------------------------------------ fit_parafac


def test_the_same_seed_gives_the_same_fit_and_another_seed_another():
    X = noisy_tensor((6, 7, 8), 3, noise=1.0)
    one, two, other = (fit_parafac(X, 4, n_starts=4, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.history, two.history)
    np.testing.assert_array_equal(one.model.weights, two.model.weights)
    assert not np.array_equal(one.history, other.history)


def test_more_starts_are_no_worse():
    X = noisy_tensor((4, 5, 6), 4, noise=1.0)
    losses = [fit_parafac(X, 5, n_starts=n, random_state=0).loss for n in (1, 4, 16)]
    assert losses[1] <= losses[0] * (1 + 1e-6)
    assert losses[2] <= losses[1] * (1 + 1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_exploring_in_a_compressed_core_loses_nothing(noise):
    X = noisy_tensor((30, 31, 32), 3, noise=noise)
    for rank in (1, 3):
        fits = [fit_parafac(X, rank, solver=ALS(compress=compress), random_state=0) for compress in (True, False)]
        assert fits[0].loss == pytest.approx(fits[1].loss, rel=1e-5, abs=1e-12)
        assert fits[0].converged
        assert fits[0].loss == pytest.approx(np.sum((X - fits[0].model.to_tensor()) ** 2) / np.sum(X**2), abs=1e-12)


def test_the_model_is_in_the_units_of_x():
    X = noisy_tensor((6, 7, 8), 2, noise=0.0)
    for size in (1.0, 1e150, 1e-150):
        np.testing.assert_allclose(fit_parafac(X * size, 2, random_state=0).model.to_tensor() / size, X, atol=1e-4)
