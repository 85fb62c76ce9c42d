"""What every tensor, solver, hold-out and scorer must do: subclass a contract, say what to test, inherit the tests.

The smallest subclass is a class whose name begins with ``Test`` and gives the one attribute or fixture that the
contract names. Expected values come from `reference`, the slow definitions.
"""

import math
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
import reference

from autoten.door import as_tensor
from autoten.fits import FoldFit, RankFits
from autoten.model import CPModel, empty_model
from autoten.solvers.als import ALS
from autoten.solvers.least_squares import Sweeps, problem_of
from autoten.store import fingerprint


def draw_factors(shape, rank, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((length, rank)) for length in shape]


def draw_model(shape, rank, seed=0):
    return CPModel(np.ones(rank), tuple(draw_factors(shape, rank, seed)))


def with_holes(X, share, seed=1):
    """Return X with NaN in a share of its cells."""
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


def noisy_tensor(shape, rank, noise=0.3, missing=0.0, seed=0):
    """Return a CP tensor of Gaussian factors plus white noise of `noise` times its standard deviation."""
    signal = reference.cp_tensor(draw_factors(shape, rank, seed))
    rng = np.random.default_rng(seed + 1000)
    return with_holes(signal + noise * signal.std() * rng.standard_normal(shape), missing, seed + 2000)


def assert_close(got, expected, rtol):
    """Compare arrays (or numbers) relative to the largest entry that is expected; shapes must agree."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=0, atol=rtol * max(np.abs(expected).max(initial=0.0), 1e-300))


def parts(model):
    """Return the arrays that a model is made of."""
    return [model.weights, *model.factors]


def assert_value(record):
    """Check that a record of settings is told by them, and says them."""
    assert record == type(record)(**vars(record)) == eval(repr(record), {type(record).__name__: type(record)})
    assert hash(record) == hash(type(record)(**vars(record)))


# ----------------------------------------------------------------------------------------------------------- tensors


class TensorCase(NamedTuple):
    """A tensor, the dense array that it must be equal to (NaN = unobserved), and the array that it was made of."""

    tensor: object
    X: np.ndarray
    source: np.ndarray


def full_grams(packed, length):
    """Return one symmetric Gram matrix for every row; a tensor gives lower triangles, or a single one for all rows."""
    rank = int(np.sqrt(2 * packed.shape[1]))
    full = np.empty((length, rank, rank))
    r, s = np.tril_indices(rank)
    full[:, r, s] = full[:, s, r] = packed
    return full


def solve_each(grams, rhs):
    """Return the rows that solve the normal equations (the smallest ones, where they are singular)."""
    return np.array([np.linalg.lstsq(matrix, row)[0] for matrix, row in zip(grams, rhs, strict=True)])


def check_equations(tensor, X, factors, mode, rtol, weights=None):
    """Compare a mode's normal equations with the definition; return them, a full matrix for every row."""
    gram, rhs = tensor.normal_equations(factors, mode)
    grams, right = full_grams(gram, len(rhs)), rhs
    expected = reference.normal_equations(X, factors, mode, weights)
    assert_close(grams, expected[0], rtol)
    assert_close(right, expected[1], rtol)
    return grams, right


# A fit may impute hidden cells or leave them out of every row's equations, and its factors may be constrained.
ways = pytest.mark.parametrize(("impute_share", "nonnegative"), list(product([0.0, 1.0], [False, True])))


class TensorContract:
    """A subclass has a fixture ``case`` that returns a `TensorCase`."""

    RTOL = 1e-9  # sums are float64 whatever the data are

    def test_it_is_the_tensor_of_its_observed_cells(self, case):
        check_tensor(case.tensor, case.X, self.RTOL)
        assert all(type(length) is int for length in case.tensor.shape)
        assert case.tensor.hidden.dtype == np.int64
        assert case.tensor.scale == 1.0

    def test_total(self, case):
        assert_close(case.tensor.total, np.nansum(case.X), self.RTOL)

    def test_nonzero_cells_may_be_given_other_values(self, case):
        nonzero = np.flatnonzero(np.nan_to_num(case.X))
        np.testing.assert_array_equal(case.tensor.nonzero, nonzero)
        values = np.arange(len(nonzero)) % 3 - 1.0
        X = case.X.copy()
        X.ravel()[nonzero] = values
        check_tensor(case.tensor.with_values(values), X, self.RTOL)
        check_tensor(case.tensor, case.X, self.RTOL)

    def test_mttkrp(self, case):
        for rank, mode in product(range(1, 10), range(case.X.ndim)):  # kernels take several columns at a time
            factors = draw_factors(case.X.shape, rank)
            got = case.tensor.mttkrp(factors, mode)
            assert got.dtype == float
            assert_close(got, reference.mttkrp(case.X, factors, mode), self.RTOL)

    def test_mttkrp_reads_factors_in_any_memory_order(self, case):
        factors = draw_factors(case.X.shape, 3)
        strided = [np.asfortranarray(factors[0]), np.repeat(factors[1], 2, axis=1)[:, ::2], *factors[2:-1]]
        strided.append(factors[-1][::-1].copy()[::-1])
        for mode in range(case.X.ndim):
            assert_close(case.tensor.mttkrp(strided, mode), reference.mttkrp(case.X, factors, mode), self.RTOL)

    def test_normal_equations(self, case):
        for rank, mode in product([1, 5], range(case.X.ndim)):
            check_equations(case.tensor, case.X, draw_factors(case.X.shape, rank), mode, self.RTOL)

    @ways
    def test_a_sweep_never_raises_the_error_and_tells_what_is_left(self, case, impute_share, nonnegative):
        start = draw_model(case.X.shape, 2)
        modes = range(case.X.ndim) if nonnegative else ()
        if nonnegative:
            start = CPModel(start.weights, tuple(map(np.abs, start.factors)))
        sweeps = Sweeps(problem_of(case.tensor, 2, modes, impute_share), start.normalized(), 0.0, False)
        before = reference.loss(case.X, start.factors)
        for _ in range(3):
            (told,), _ = sweeps.sweep(1, math.inf)
            left = reference.loss(case.X, sweeps.model.folded())
            assert left <= before * (1 + 1e-9)
            assert told == pytest.approx(left, abs=self.RTOL * case.tensor.norm_squared)
            assert not nonnegative or min(factor.min() for factor in sweeps.model.factors) >= 0.0
            before = left

    @pytest.mark.parametrize("impute_share", [0.0, 1.0])
    def test_a_sweep_leaves_the_best_rows_where_they_are(self, case, impute_share):
        # Of the first mode: it is updated while hidden cells still hold what the model before the sweep says.
        factors = draw_factors(case.X.shape, 2)
        factors[0] = solve_each(*reference.normal_equations(case.X, factors, 0))
        start = CPModel(np.ones(2), tuple(factors)).normalized()
        sweeps = Sweeps(problem_of(case.tensor, 2, (), impute_share), start, 0.0, False)
        sweeps.sweep(1, math.inf)
        assert_close(sweeps.model.factors[0], start.factors[0], 1e-7)

    def test_project(self, case):
        matrices = [matrix[:, :2] for matrix in draw_factors(case.X.shape, 3)]
        matrices[1] = draw_factors(case.X.shape, 4)[1]
        expected = reference.tucker_tensor(np.nan_to_num(case.X), [matrix.T for matrix in matrices])
        assert_close(case.tensor.project(matrices), expected, self.RTOL)

    def test_gram(self, case):
        for mode in range(case.X.ndim):
            unfolded = reference.unfold(np.nan_to_num(case.X), mode)
            assert_close(case.tensor.gram(mode), unfolded @ unfolded.T, self.RTOL)
            columns = draw_factors(case.X.shape, 3)[mode]
            assert_close(case.tensor.gram_times(mode, columns), unfolded @ unfolded.T @ columns, self.RTOL)

    def test_values_at(self, case):
        cells = np.flatnonzero(~np.isnan(case.X))[::3]
        assert case.tensor.values_at(cells).dtype == float
        assert case.tensor.values_at(cells[:0]).shape == (0,)

    def test_hiding_cells_leaves_the_tensor_itself_alone_and_may_be_done_twice(self, case):
        observed = np.flatnonzero(~np.isnan(case.X))
        first, second = observed[::5], np.union1d(observed[::5][:2], observed[2::5])
        X, before = case.X.copy(), case.tensor.norm_squared
        for cells, hidden in ((first, case.tensor.hide(first)), (second, case.tensor.hide(first).hide(second))):
            X.ravel()[cells] = np.nan
            check_tensor(hidden, X, self.RTOL)
        assert case.tensor.norm_squared == before
        check_tensor(case.tensor, case.X, self.RTOL)

    def test_sub_is_the_tensor_at_an_index_array_per_mode(self, case):
        rng = np.random.default_rng(3)
        lengths = [[rng.integers(2, length + 1) for length in case.X.shape] for _ in range(4)]
        # The corner that bi-cross-validation keeps of a short mode has a single index.
        lengths += [[1 if n == mode else length for n, length in enumerate(case.X.shape)] for mode in range(3)]
        for wanted in lengths:
            indices = [rng.permutation(length)[:n] for length, n in zip(case.X.shape, wanted, strict=True)]
            X = case.X[np.ix_(*indices)]
            if np.isfinite(X).any():
                check_tensor(case.tensor.sub(indices), X, self.RTOL)

    def test_pieces_tell_it_from_a_tensor_with_one_cell_less(self, case):
        observed = np.flatnonzero(~np.isnan(case.X))
        assert fingerprint(case.tensor) == fingerprint(case.tensor)
        assert fingerprint(case.tensor) != fingerprint(case.tensor.hide(observed[-1:]))

    def test_nothing_changes_the_array_it_was_made_of(self, case):
        before, flags = case.source.tobytes(), str(case.source.flags)
        check_tensor(case.tensor, case.X, self.RTOL)
        case.tensor.project(draw_factors(case.X.shape, 2))
        ALS(max_iter=3).fit(case.tensor, draw_model(case.X.shape, 3))
        case.tensor.hide(np.arange(4)).gram(0)
        assert case.source.tobytes() == before
        assert str(case.source.flags) == flags


def check_tensor(tensor, X, rtol):
    """Check the operations that tell a tensor's every observed cell, and that no other one counts."""
    assert tensor.shape == X.shape
    assert tensor.n_observed == np.isfinite(X).sum()
    observed = np.flatnonzero(~np.isnan(X))
    np.testing.assert_array_equal(tensor.hidden, np.flatnonzero(np.isnan(X)))
    np.testing.assert_array_equal(tensor.values_at(observed), X.ravel()[observed])
    assert_close(tensor.norm_squared, np.nansum(X**2), rtol)
    factors = draw_factors(X.shape, 2, seed=5)
    assert_close(tensor.squared_error(factors), reference.loss(X, factors), rtol)
    for mode in range(X.ndim):
        check_equations(tensor, X, factors, mode, rtol)


# ----------------------------------------------------------------------------------------------------------- solvers


class SolverContract:
    """A subclass has an attribute ``solver`` that converges on small tensors of noise level 0.3; a field `max_iter`.

    It may say which models it can fit (`draw`), which data (`data`), and what its loss is (`loss`).
    """

    solver = None
    SIZES = (1e150, 1e-150, -3.0)
    EXACT = 1e-20  # the loss of a perfect fit, rounding included
    OF_HISTORY = 1e-6  # how far a loss in the history may be from that of the model after so many sweeps

    def tensor(self, X):
        return as_tensor(X)

    def data(self, missing):
        return noisy_tensor((6, 7, 8), 3, missing=missing)

    def draw(self, seed=0):
        return draw_model((6, 7, 8), 3, seed)

    def loss(self, X, model):
        return reference.loss(X, model.factors, model.weights) / np.nansum(X**2)

    @pytest.fixture(params=[0.0, 0.1, 0.6], ids=lambda share: f"missing {share}")
    def X(self, request):
        return self.data(request.param)

    @pytest.fixture
    def start(self):
        return self.draw(seed=7)

    def test_loss_is_the_explicit_residual_over_observed_cells(self, X, start):
        fit = self.solver.fit(self.tensor(X), start, max_iter=20)
        assert fit.loss == pytest.approx(self.loss(X, fit.model), rel=1e-9)

    def test_loss_never_rises_from_one_sweep_to_the_next(self, X, start):
        # The history could be polished; the residual after k sweeps, for every k, cannot.
        tensor = self.tensor(X)
        losses = np.array([self.solver.fit(tensor, start, max_iter=k).loss for k in range(1, 41)])
        assert (np.diff(losses) <= 1e-12).all()
        history = self.solver.fit(tensor, start, max_iter=40).history
        np.testing.assert_allclose(history, losses[: len(history)], rtol=self.OF_HISTORY, atol=1e-12)

    def test_history_has_an_entry_for_each_sweep_and_ends_at_the_loss_of_a_model_in_order(self, X, start):
        fit = self.solver.fit(self.tensor(X), start)
        assert fit.history.shape == (fit.n_iter,)
        assert [type(part) for part in (fit.loss, fit.n_iter, fit.converged)] == [float, int, bool]
        assert (fit.history >= 0).all()
        assert (np.diff(fit.history) <= 0).all()
        assert fit.history[-1] == pytest.approx(fit.loss, rel=1e-6, abs=1e-12)
        weights, factors = fit.model
        assert (np.diff(weights) <= 0).all()
        assert (weights >= 0).all()
        for factor in factors:
            np.testing.assert_allclose(np.linalg.norm(factor, axis=0), 1, rtol=1e-12)

    def test_loss_of_an_exact_tensor_is_never_negative(self, start):
        truth = self.draw()
        fit = self.solver.fit(self.tensor(reference.cp_tensor(truth.factors)), truth)
        assert 0 <= fit.loss < self.EXACT
        assert (fit.history >= 0).all()
        assert fit.converged

    def test_same_start_same_result_to_the_last_bit_and_the_start_is_left_alone(self, X, start):
        before = [part.copy() for part in parts(start)]
        one, two = (self.solver.fit(self.tensor(X.copy()), start) for _ in range(2))
        np.testing.assert_array_equal(one.history, two.history)
        assert all(map(np.array_equal, parts(one.model), parts(two.model)))
        assert all(map(np.array_equal, parts(start), before))

    def test_stops_after_the_smaller_max_iter_and_says_that_it_has_not_converged(self, X, start):
        fit = self.solver.fit(self.tensor(X), start, max_iter=3)
        assert (fit.n_iter, fit.converged) == (3, False)
        brief = type(self.solver)(**vars(self.solver) | {"max_iter": 4})
        fit = brief.fit(self.tensor(X), start, max_iter=50)
        assert (fit.n_iter, fit.converged) == (4, False)

    def test_without_a_tolerance_every_sweep_is_made(self, X, start):
        endless = type(self.solver)(**vars(self.solver) | {"tol": 0, "max_iter": 150})
        for data in (X, np.abs(start.to_tensor())):  # noise, and nothing but structure
            fit = endless.fit(self.tensor(data), start)
            assert (fit.n_iter, len(fit.history)) == (150, 150)
            assert np.all(np.diff(fit.history) <= 0)

    def test_a_deadline_in_the_past_keeps_what_is_there(self, X, start):
        fit = self.solver.fit(self.tensor(X), start, deadline=-math.inf)
        assert (fit.n_iter, fit.converged, len(fit.history)) == (0, False, 0)
        np.testing.assert_allclose(fit.model.to_tensor(), start.to_tensor(), atol=1e-12)
        assert fit.loss == pytest.approx(self.loss(X, start), rel=1e-9)

    def test_a_converged_fit_moves_no_more(self, X, start):
        first = self.solver.fit(self.tensor(X), start)
        assert first.converged
        again = self.solver.fit(self.tensor(X), first.model)
        assert again.loss == pytest.approx(first.loss, rel=1e-6)
        assert again.loss <= first.loss * (1 + 1e-12)

    def test_a_tensor_of_zeros_is_fitted_by_nothing(self, start):
        fit = self.solver.fit(self.tensor(np.zeros((6, 7, 8))), start)
        assert (fit.loss, fit.converged, fit.model.rank) == (0.0, True, 3)
        np.testing.assert_array_equal(fit.model.to_tensor(), 0)

    def test_no_components_leave_everything_unexplained(self, X):
        fit = self.solver.fit(self.tensor(X), empty_model((6, 7, 8)))
        assert (fit.loss, fit.converged, fit.model.rank, fit.model.shape) == (1.0, True, 0, (6, 7, 8))

    def test_scaling_the_data_scales_the_weights_alone(self, X, start):
        fit = self.solver.fit(self.tensor(X), start, max_iter=25)
        for size in self.SIZES:
            tensor = self.tensor(size * X)
            scaled = self.solver.fit(tensor, start.scaled(size / tensor.scale), max_iter=25)
            assert scaled.loss == pytest.approx(fit.loss, rel=1e-8)
            got = scaled.model.scaled(tensor.scale).to_tensor() / size
            np.testing.assert_allclose(got, fit.model.to_tensor(), atol=1e-8 * np.nanmax(np.abs(X)))

    def test_it_is_a_value(self):
        assert_value(self.solver)
        assert isinstance(self.solver.compress, bool)


# --------------------------------------------------------------------------------------------------------- hold-outs


class HoldoutContract:
    """A subclass has an attribute ``holdout``."""

    holdout = None
    SHAPE = (9, 10, 11)
    N_FOLDS = 4

    @pytest.fixture(params=[0.0, 0.3, 0.6], ids=lambda share: f"missing {share}")
    def X(self, request):
        return noisy_tensor(self.SHAPE, 2, missing=request.param)

    def folds(self, X, seed=0):
        return self.holdout.folds(as_tensor(X), self.N_FOLDS, np.random.default_rng(seed))

    def test_there_are_as_many_folds_as_asked_for_of_sorted_observed_cells(self, X):
        folds = self.folds(X)
        assert len(folds) == self.N_FOLDS
        for fold in folds:
            assert len(fold.cells) > 0
            assert (np.diff(fold.cells) > 0).all()
            assert np.isfinite(X.ravel()[fold.cells]).all()

    def test_same_seed_same_folds_another_seed_others(self, X):
        one, two, other = self.folds(X), self.folds(X), self.folds(X, seed=1)
        assert all(np.array_equal(a.cells, b.cells) for a, b in zip(one, two, strict=True))
        assert not all(np.array_equal(a.cells, b.cells) for a, b in zip(one, other, strict=True))

    def test_what_is_to_be_predicted_is_never_seen(self, X):
        for fold in self.folds(X):
            tampered = X.copy()
            tampered.ravel()[fold.cells] += 100
            clean, other = fold.training(as_tensor(X)), fold.training(as_tensor(tampered))
            assert clean.n_observed == other.n_observed <= np.isfinite(X).sum() - len(fold.cells)
            assert other.norm_squared == pytest.approx(clean.norm_squared, rel=1e-9)
            start = draw_model(clean.shape, 2)
            fits = [ALS(max_iter=20).fit(tensor, start) for tensor in (clean, other)]
            assert fits[1].loss == pytest.approx(fits[0].loss, rel=1e-6)
            models = [fold.expand(as_tensor(data), fits[0].model) for data in (X, tampered)]
            np.testing.assert_allclose(models[1].to_tensor(), models[0].to_tensor(), atol=1e-8)

    def test_models_come_and_go_in_the_right_shapes(self, X):
        tensor = as_tensor(X)
        for fold in self.folds(X):
            training = fold.training(tensor)
            whole = draw_model(tensor.shape, 2)
            assert fold.restrict(whole).shape == training.shape
            complete = fold.expand(tensor, draw_model(training.shape, 2))
            assert (complete.shape, complete.rank) == (tensor.shape, 2)

    def test_the_truth_describes_what_may_be_seen_and_predicts_what_may_not(self, X):
        truth = draw_model(self.SHAPE, 2)
        tensor = as_tensor(np.where(np.isnan(X), np.nan, truth.to_tensor()))
        for fold in self.holdout.folds(tensor, self.N_FOLDS, np.random.default_rng(0)):
            training, restricted = fold.training(tensor), fold.restrict(truth)
            assert training.squared_error(restricted.folded()) <= 1e-12 * training.norm_squared
            model = fold.expand(tensor, restricted)
            np.testing.assert_allclose(model.values_at(fold.cells), tensor.values_at(fold.cells), atol=1e-9)

    def test_it_is_a_value(self):
        assert_value(self.holdout)


# ----------------------------------------------------------------------------------------------------------- scorers


def make_fits(tensor, rank, *, n_starts=3, n_folds=3, missing_fold=False, seed=0):
    """Return fits of one rank as `autoten.sweep` hands them to a scorer: random starts, folds of every n-th cell."""
    observed = np.setdiff1d(np.arange(math.prod(tensor.shape)), tensor.hidden)
    solver = ALS(max_iter=200)
    starts = tuple(solver.fit(tensor, draw_model(tensor.shape, rank, seed + k)) for k in range(n_starts))
    best = min(starts, key=lambda fit: fit.loss)
    folds = []
    for k in range(n_folds):
        cells = observed[k::10]
        fit = solver.fit(tensor.hide(cells), best.model)
        folds.append(FoldFit(None if missing_fold and k == 0 else fit.model, cells, fit.converged))
    return RankFits(rank, starts, tuple(folds), {})


class ScorerContract:
    """A subclass has an attribute ``scorer`` (wrapped in `staticmethod`)."""

    scorer = None

    @pytest.fixture(params=[0.0, 0.3], ids=lambda share: f"missing {share}")
    def tensor(self, request):
        return as_tensor(noisy_tensor((6, 7, 8), 2, missing=request.param))

    @pytest.fixture(params=[0, 1, 3], ids=lambda rank: f"rank {rank}")
    def fits(self, request, tensor):
        return make_fits(tensor, request.param)

    def test_scores_are_numbers_or_sequences_of_numbers(self, tensor, fits):
        scores = self.scorer(tensor, fits)
        assert scores
        for name, value in scores.items():
            assert name.isidentifier()
            assert np.atleast_1d(np.asarray(value, dtype=float)).ndim == 1

    def test_it_is_pure_and_calls_no_solver(self, tensor, fits, monkeypatch):
        monkeypatch.setattr(ALS, "fit", None)
        before = [part.copy() for fit in fits.starts for part in parts(fit.model)]
        first, second = self.scorer(tensor, fits), self.scorer(tensor, fits)
        assert list(first) == list(second)
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
        assert all(map(np.array_equal, before, [part for fit in fits.starts for part in parts(fit.model)]))

    def test_every_rank_has_the_same_scores(self, tensor):
        names = [list(self.scorer(tensor, make_fits(tensor, rank))) for rank in (0, 1, 3)]
        assert names[0] == names[1] == names[2]

    def test_a_fold_without_a_model_spoils_nothing_else(self, tensor):
        whole = self.scorer(tensor, make_fits(tensor, 2))
        holed = self.scorer(tensor, make_fits(tensor, 2, missing_fold=True))
        for name, value in whole.items():
            one, other = np.atleast_1d(value), np.atleast_1d(holed[name])
            assert one.shape == other.shape
            different = [k for k in range(len(one)) if not np.array_equal(one[k], other[k], equal_nan=True)]
            assert different in ([], [0])

    @pytest.mark.filterwarnings("error")
    def test_a_tensor_of_zeros_is_scored_without_a_warning(self):
        tensor = as_tensor(np.zeros((4, 5, 6)))
        for rank in (0, 1, 3):
            for value in self.scorer(tensor, make_fits(tensor, rank)).values():
                assert not np.isinf(np.asarray(value, dtype=float)).any()
