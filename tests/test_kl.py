"""PARAFAC of counts: the contract of a solver, monotone and optimal steps, held-out deviance, divided counts."""

import numpy as np
import pytest
import reference
from contracts import FoldFit, RankFits, SolverContract, noisy_tensor, with_holes
from scipy import sparse

from autoten import ALS, KL, CountSplit, CPModel, RandomElements, estimate_rank, factor_match_score, fit_parafac
from autoten.door import as_tensor
from autoten.kernels import counts as kernels
from autoten.model import empty_model
from autoten.scores import heldout_scores
from autoten.solvers import kl, loop
from autoten.tensors import counts as storage
from autoten.tensors.counts import Poisson, as_counts, deviance


def gamma_model(shape, rank, mean, seed=0, gamma=0.5):
    rng = np.random.default_rng(seed)
    model = CPModel(np.ones(rank), tuple(rng.gamma(gamma, size=(length, rank)) for length in shape))
    return model.scaled(mean / model.to_tensor().mean())


def counts(shape, rank, mean=3.0, missing=0.0, seed=0, gamma=0.5):
    rates = gamma_model(shape, rank, mean, seed, gamma).to_tensor()
    return with_holes(np.random.default_rng(seed + 1000).poisson(rates).astype(float), missing, seed + 2000)


class TestKL(SolverContract):
    solver = KL()
    SIZES = (1e150, 1e-150, 3.0)
    EXACT = 1e-12

    def data(self, missing):
        return counts((6, 7, 8), 3, mean=20.0, missing=missing)

    def draw(self, seed=0):
        return gamma_model((6, 7, 8), 3, 20.0, seed, gamma=2.0)

    def loss(self, X, model):
        return reference.deviance(X, model.factors, model.weights) / reference.null_deviance(X)


class TestPlainKL(TestKL):
    solver = KL(extrapolate=False)


# ---------------------------------------------------------------------------------------------------------- the fit


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.6])
def test_a_converged_fit_meets_the_conditions_of_an_optimum(missing):
    # Karush, Kuhn and Tucker: no slope where an entry is positive, none downhill where it is zero.
    X = counts((6, 7, 8), 3, mean=5.0, missing=missing)
    fit = fit_parafac(X, 3, solver=KL(tol=1e-13, max_iter=20_000), n_starts=3, random_state=0)
    assert fit.converged
    factors = fit.model.folded()
    assert any((factor == 0).any() for factor in factors)
    for mode in range(3):
        design = reference.khatri_rao([factor for n, factor in enumerate(factors) if n != mode])
        for row, cells in zip(factors[mode], reference.unfold(X, mode), strict=True):
            seen = ~np.isnan(cells)
            rates = design[seen] @ row
            ratios = np.divide(cells[seen], rates, out=np.zeros_like(rates), where=cells[seen] > 0)
            sums = design[seen].sum(axis=0)
            slopes = sums - design[seen].T @ ratios
            assert (np.abs(slopes[row > 1e-6 * row.max()]) <= 1e-3 * sums.max()).all()
            assert (slopes >= -1e-3 * sums.max()).all()


def test_it_needs_far_fewer_sweeps_than_multiplicative_steps():
    X = counts((8, 9, 10), 3, mean=5.0, gamma=0.3)
    start = gamma_model((8, 9, 10), 3, 5.0, seed=5, gamma=2.0)
    fit = KL().fit(as_tensor(X), start)
    factors, sums = [factor.copy() for factor in start.folded()], []
    for _ in range(3 * fit.n_iter):  # CP-APR with one inner step: Chi & Kolda 2012
        for mode in range(3):
            model = reference.cp_tensor(factors)
            ratio = np.divide(X, model, out=np.zeros_like(X), where=X > 0)
            sums = np.prod([factor.sum(axis=0) for n, factor in enumerate(factors) if n != mode], axis=0)
            factors[mode] = factors[mode] * reference.mttkrp(ratio, factors, mode) / sums
    assert fit.converged
    assert fit.loss < reference.deviance(X, factors) / reference.null_deviance(X)


STORAGES = {"in one array": 0.0, "listed": 1.0}


@pytest.mark.parametrize("largest_listed", STORAGES.values(), ids=STORAGES)
@pytest.mark.parametrize(("shape", "missing"), [((9, 7, 8), 0.2), ((5, 4, 6, 3), 0.0), ((2, 70, 41), 0.7)], ids=str)
def test_a_sweep_is_that_of_the_slow_definition(monkeypatch, shape, missing, largest_listed):
    monkeypatch.setattr(storage, "LISTED_SHARE", largest_listed)
    X = counts(shape, 3, mean=20.0, missing=missing, gamma=2.0)
    start = gamma_model(shape, 3, 20.0, seed=7)  # far off: rows of every kind of step
    problem, model = as_counts(as_tensor(X)), loop.begun(start.normalized())
    assert (problem.unfolded[0].size == 0) == (largest_listed == 1.0)
    factors = start.folded()
    for _ in range(3):
        loss = kl.sweep(problem, model, np.inf)
        factors = reference.poisson_sweep(X, factors)
        expected = reference.cp_tensor(factors)
        got = loop.ended(model, problem.layout.offsets).to_tensor()
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9 * expected.max())
        assert loss == pytest.approx(reference.deviance(X, factors), rel=1e-9)


@pytest.mark.parametrize("largest_listed", STORAGES.values(), ids=STORAGES)
@pytest.mark.parametrize(
    ("shape", "rank", "mean"), [((9, 30, 40), 3, 2.0), ((3, 40, 30), 5, 0.2), ((6, 1000, 2), 2, 1.0)]
)
def test_a_sweep_never_raises_the_loss(monkeypatch, shape, rank, mean, largest_listed):
    monkeypatch.setattr(storage, "LISTED_SHARE", largest_listed)
    X = counts(shape, 3, mean=mean, missing=0.1, gamma=0.2)
    X[1] = 0
    tensor = as_tensor(X)
    for seed in range(5):
        model, before = kl._admissible_start(as_counts(tensor), gamma_model(shape, rank, mean, seed=100 + seed))
        for _ in range(30):
            loss = kl.sweep(as_counts(tensor), model, np.inf)
            assert loss <= before + 1e-12 * tensor.total
            before = loss


def test_a_step_that_is_surely_downhill_is_downhill():
    rng = np.random.default_rng(0)
    sure = 0
    for _ in range(300):
        design, row, x = rng.gamma(0.5, size=(20, 3)), rng.gamma(0.5, size=3), rng.poisson(3.0, size=20).astype(float)
        rates, sums = design @ row, design.sum(axis=0)
        curvatures, slope = (design * (x / rates**2)[:, None]).T @ design, sums - design.T @ (x / rates)
        now = np.maximum(row + rng.uniform(-1.0, 1.5) * np.linalg.solve(curvatures, -slope), 0.0)
        if kernels.surely_downhill(curvatures, slope, row, now):
            sure += 1
            assert sums @ now - x @ np.log(design @ now) <= sums @ row - x @ np.log(rates) + 1e-12
    assert 50 < sure < 250


def test_logarithms_are_those_of_numpy():
    rng = np.random.default_rng(0)
    rates = np.concatenate([np.exp(rng.uniform(-700, 700, size=500)), rng.uniform(0.5, 2.0, size=500), [1.0, 2.0, 0.5]])
    for x, m in zip(rng.poisson(2.0, size=len(rates)) + 1.0, rates, strict=True):
        one = np.array([x])
        assert kernels.weighted_logs(one, np.array([m])) == pytest.approx(x * np.log(m), rel=1e-15, abs=1e-15)
    x = rng.poisson(2.0, size=len(rates)).astype(float)
    assert kernels.weighted_logs(x, rates.copy()) == pytest.approx(x @ np.log(rates), rel=1e-13)
    assert kernels.weighted_logs(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0.0
    assert kernels.weighted_logs(np.array([1.0, 1.0]), np.array([0.0, 1.0])) == -np.inf


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.6])
def test_the_truth_is_recovered(missing):
    truth = gamma_model((20, 21, 22), 3, 10.0, seed=1)
    X = with_holes(np.random.default_rng(0).poisson(truth.to_tensor()).astype(float), missing)
    fit = fit_parafac(X, 3, solver=KL(), n_starts=3, random_state=0)
    assert fit.converged
    assert factor_match_score(fit.model, truth) > 0.99
    assert all((factor >= 0).all() for factor in fit.model.factors)


def test_a_start_that_gives_a_count_no_rate_is_mended():
    X = counts((6, 7, 8), 2) + 1
    start = gamma_model((6, 7, 8), 2, 4.0)
    start.factors[0][2] = 0.0
    fit = KL().fit(as_tensor(X), start)
    assert fit.converged
    assert fit.loss == pytest.approx(fit_parafac(X, 2, solver=KL(), random_state=0).loss, rel=1e-3)


def test_slabs_without_a_count_get_no_rate_and_constant_counts_leave_nothing_to_explain():
    X = counts((6, 7, 8), 2)
    X[2] = 0
    np.testing.assert_array_equal(fit_parafac(X, 3, solver=KL(), n_starts=2).model.to_tensor()[2], 0)
    fit = fit_parafac(np.full((4, 5, 6), 3), 2, solver=KL(), n_starts=2, random_state=0)
    assert fit.loss < 1e-9
    np.testing.assert_allclose(fit.model.to_tensor(), 3.0, rtol=1e-4)


# --------------------------------------------------------------------------------------------------- held-out deviance


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_deviance_needs_no_list_of_zeros(missing):
    X, model = counts((6, 7, 8), 2, mean=0.5, missing=missing), gamma_model((6, 7, 8), 3, 0.5, seed=9)
    got = deviance(as_tensor(X), model.folded(), Poisson())
    assert got == pytest.approx(reference.deviance(X, model.factors, model.weights), rel=1e-9)


def fold_scores(X, model, cells):
    fits = RankFits(model.rank, (), (FoldFit(model, cells, True),), {}, solver=KL())
    return {name: value[0] for name, value in heldout_scores(as_tensor(X), fits).items()}


def test_the_held_out_error_is_the_deviance_over_that_of_the_mean():
    X, model, cells = counts((6, 7, 8), 2), gamma_model((6, 7, 8), 2, 3.0, gamma=3.0), np.arange(3, 300, 4)
    part = np.full(X.shape, np.nan)
    part.ravel()[cells] = X.ravel()[cells]
    scores = fold_scores(X, model, cells)
    expected = reference.deviance(part, model.factors, model.weights) / reference.null_deviance(part)
    assert scores["heldout"] == pytest.approx(expected, rel=1e-9)
    squared = np.nansum((part - model.to_tensor()) ** 2) / np.nansum(part**2)
    assert scores["heldout_squared"] == pytest.approx(squared, rel=1e-9)


def test_a_count_where_the_model_has_no_rate_is_floored():
    X, model = (
        np.full((3, 4, 5), 2.0),
        CPModel(np.ones(1), (np.array([[0.0], [2.0], [2.0]]), *np.ones((2, 4, 1))[:1], np.ones((5, 1)))),
    )
    cells = np.arange(10, 30)  # ten of them in the slab without a rate
    X.ravel()[25:] = 0
    scores = fold_scores(X, model, cells)
    mean = 2.0 * 15 / 20
    floored = 10 * 2 * (2 * np.log(2 / (1e-3 * mean)) - 2 + 1e-3 * mean)
    null = 15 * 2 * (2 * np.log(2 / mean) - 2 + mean) + 5 * 2 * mean
    assert scores["heldout"] == pytest.approx((floored + 5 * 2 * 2.0) / null)


def test_a_negative_rate_counts_as_none():
    rates = Poisson(0.1).floored(np.array([0.0, 2.0, 2.0]), np.array([-5.0, -5.0, 3.0]), mean=1.0)
    np.testing.assert_allclose(rates, [0.0, 0.1, 3.0])


def test_no_components_score_one():
    scores = fold_scores(counts((6, 7, 8), 2), empty_model((6, 7, 8)), np.arange(0, 300, 3))
    assert np.isnan(scores.pop("cells_per_parameter"))  # it has no parameters
    assert scores == {"heldout": 1.0, "heldout_squared": 1.0}


# ------------------------------------------------------------------------------------------------------ divided counts


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_two_parts_of_a_division_are_the_whole_and_know_nothing_of_each_other(missing):
    X = counts((12, 13, 14), 2, mean=20.0, missing=missing, gamma=5.0)
    tensor = as_tensor(X)
    observed = np.flatnonzero(~np.isnan(X))
    folds = CountSplit(0.3).folds(tensor, 3, np.random.default_rng(0))
    for fold in folds:
        kept, held = (part.values_at(observed) for part in (fold.training(tensor), fold.counts(tensor)))
        np.testing.assert_array_equal(kept + held, X.ravel()[observed])
        np.testing.assert_array_equal(fold.training(tensor).hidden, tensor.hidden)
        assert (held >= 0).all()
        assert held.sum() == pytest.approx(0.3 * np.nansum(X), rel=0.03)
        rates = gamma_model((12, 13, 14), 2, 20.0, gamma=5.0).to_tensor().ravel()[observed]
        residuals = (kept - 0.7 * rates) / np.sqrt(rates), (held - 0.3 * rates) / np.sqrt(rates)
        assert abs(np.corrcoef(residuals)[0, 1]) < 0.08  # hidden Poisson noise, halved, is not shared
    assert not np.array_equal(folds[0].counts(tensor).values_at(observed), folds[1].counts(tensor).values_at(observed))


def test_models_of_the_parts_are_in_proportion():
    tensor, model = as_tensor(counts((4, 5, 6), 1)), gamma_model((4, 5, 6), 2, 1.0)
    fold = CountSplit(0.2).folds(tensor, 1, np.random.default_rng(0))[0]
    np.testing.assert_allclose(fold.restrict(model).to_tensor(), 0.8 * model.to_tensor())
    np.testing.assert_allclose(fold.expand(tensor, fold.restrict(model)).to_tensor(), 0.2 * model.to_tensor())


@pytest.mark.parametrize("solver", [KL(), ALS()], ids=["KL", "ALS"])
@pytest.mark.parametrize("as_given", [np.asarray, sparse.coo_array])
def test_counts_are_divided_as_long_as_integers_hold_them(solver, as_given):
    X = counts((4, 5, 6), 1) + 1.0
    X *= 2.0**62 / X.max()
    answer = estimate_rank(as_given(X), [1], solver=solver, holdout=CountSplit(), n_starts=1, n_folds=2)
    assert np.isfinite(answer.table["heldout"]).all()


@pytest.mark.parametrize("solver", [KL(), ALS()], ids=["KL", "ALS"])
@pytest.mark.parametrize("holdout", [CountSplit(), RandomElements()], ids=repr)
def test_the_rank_of_counts_is_found(solver, holdout):
    X = counts((20, 21, 22), 3, mean=3.0, gamma=0.4, seed=3)
    estimate = estimate_rank(X, range(1, 6), solver=solver, holdout=holdout, n_starts=4, n_folds=4, random_state=0)
    assert estimate.rank == 3
    assert "corrected" in estimate.report()
    assert estimate.table.mean("heldout")[0] == pytest.approx(1.0)
    assert estimate.table.mean("heldout")[3] < estimate.table.mean("heldout")[2]


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_every_score_is_there_and_core_consistency_says_nothing_up_to_rank_2(missing):
    X = counts((8, 9, 10), 4, mean=3.0, missing=missing)
    table = estimate_rank(X, [1, 2], solver=KL(), n_starts=3, n_folds=2, random_state=0).table
    np.testing.assert_allclose(table.mean("core_consistency")[1:], 100, atol=0.05)
    assert table.informative.tolist() == [False, False, False]
    for name in ("fit", "corrected_core_consistency", "ceiling", "heldout", "heldout_squared"):
        assert np.isfinite(table.mean(name)[1:]).all()
    assert np.isfinite(table["residual_excess"]).all()
    of_squares = estimate_rank(noisy_tensor((5, 6, 7), 1), [1], n_starts=2, n_folds=2, random_state=0).table
    assert not {"heldout_squared", "nonnegative_core_consistency"} & set(of_squares.replicates)


def test_a_tensor_of_zeros_is_answered_with_a_warning():
    estimate = estimate_rank(np.zeros((5, 6, 7)), [1, 2, 3], solver=KL(), n_starts=2, n_folds=2, random_state=0)
    np.testing.assert_array_equal(estimate.table.mean("heldout"), 1.0)
    np.testing.assert_array_equal(estimate.model.to_tensor(), 0)
    assert estimate.warnings[0] == "All observed cells are zero: there is nothing to decompose."


def test_chicago_crimes_run(real_data):
    X = real_data("chicago_crime_counts")["X"]
    estimate = estimate_rank(X, range(1, 4), solver=KL(), n_starts=2, n_folds=2, random_state=0)
    assert estimate.table.complete
    assert (np.diff(estimate.table["fit"][:, 0]) > 0).all()


def test_divided_sparse_counts_are_fitted_as_dense_ones_are():
    # A part of a count may be zero where the count is not: such a cell is no count to the fit.
    X = counts((12, 13, 14), 2, gamma=0.4)
    fits = []
    for data in (X, sparse.coo_array(X)):
        tensor = as_tensor(data)
        (fold, *_) = CountSplit(0.4).folds(tensor, 1, np.random.default_rng(0))
        training = fold.training(tensor)
        assert (training.values_at(np.flatnonzero(X)) == 0).any()
        start = CPModel(np.zeros(2), tuple(np.random.default_rng(1).random((n, 2)) for n in X.shape))
        fits.append(KL().fit(training, start))
    dense, listed = fits
    assert dense.converged
    assert listed.converged
    np.testing.assert_allclose(listed.history, dense.history, rtol=1e-8)


@pytest.mark.parametrize(("mean", "seed"), [(0.1, 0), (0.1, 1), (3.0, 2)])
def test_starts_explored_by_least_squares_lead_where_those_explored_by_counts_do(seed, mean, monkeypatch):
    X = counts((24, 26, 30), 3, mean, seed=seed)
    explored = []
    explore = KL.explore
    monkeypatch.setattr(KL, "explore", lambda self, *args: explored.append(args) or explore(self, *args))
    by_squares = fit_parafac(X, 3, solver=KL(), n_starts=6, random_state=seed)
    assert len(explored) == 5  # all but the one that grows
    monkeypatch.setattr(KL, "compress", False)
    by_counts = fit_parafac(X, 3, solver=KL(), n_starts=6, random_state=seed)
    assert len(explored) == 5
    assert by_squares.loss <= by_counts.loss * (1 + 1e-4)
