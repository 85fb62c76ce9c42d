"""Nonnegative PARAFAC: the contract of a solver, exact row problems, optimality, chosen modes."""

import numpy as np
import pytest
import reference
from contracts import SolverContract, draw_factors, draw_model, noisy_tensor, with_holes
from scipy.optimize import nnls

from autoten import (
    ALS,
    HALS,
    CPModel,
    core_consistency,
    estimate_rank,
    factor_match_score,
    fit_parafac,
    nonnegative_core_consistency,
)
from autoten._errors import AutotenWarning
from autoten.door import as_tensor
from autoten.kernels.linear import PROXIMAL, descend, solve_each, solve_rows
from autoten.preprocess import mask_scatter
from autoten.solvers.subspaces import Compression


def nonnegative_model(shape, rank, seed=0):
    return CPModel(np.ones(rank), tuple(np.abs(factor) for factor in draw_model(shape, rank, seed).factors))


def noisy_nonnegative(shape, rank, missing=0.0, seed=0):
    """Return a nonnegative CP tensor with zeros in its factors, plus noise that makes many cells negative."""
    factors = [np.maximum(factor, 0.0) for factor in draw_model(shape, rank, seed).factors]
    noise = np.random.default_rng(seed + 1000).standard_normal(shape)
    return with_holes(reference.cp_tensor(factors) + 0.1 * noise, missing, seed + 2000)


class TestHALS(SolverContract):
    solver = HALS()
    SIZES = (1e150, 1e-150, 3.0)

    def data(self, missing):
        return noisy_nonnegative((6, 7, 8), 3, missing)

    def draw(self, seed=0):
        return nonnegative_model((6, 7, 8), 3, seed)


class TestPlainHALS(TestHALS):
    solver = HALS(extrapolate=False, max_iter=5000)


class TestHALSInOneMode(TestHALS):
    # With six cells in ten missing there are two for each parameter: small falls go on for long.
    solver = HALS(nonnegative=(0,), max_iter=5000, tol=1e-8)


# ------------------------------------------------------------------------------------------------ a row's own problem


def solve_nonnegative_rows(gram, rhs, previous):
    """Return the nonnegative rows (I, R) that sweeps make of one Gram matrix for all, or of one for each row."""
    rank = rhs.shape[1]
    if gram.ndim == 3:
        out, packed = np.empty_like(rhs), gram[:, *np.tril_indices(rank)]
        solve_each(packed, rhs, previous, True, out)
        return out
    out, delta = np.empty_like(rhs.T, order="C"), PROXIMAL * np.trace(gram) / rank
    solve_rows(gram, np.ascontiguousarray(rhs.T), np.ascontiguousarray(previous.T), delta, True, out)
    return out.T


def value(gram, rhs, row):
    return row @ gram @ row / 2 - rhs @ row


def draw_row_problem(rng, rank, condition):
    """Return the Gram matrix of a random design with so large a condition number, in random units, and a target's."""
    left, right = (np.linalg.qr(rng.standard_normal((n, rank)))[0] for n in (3 * rank, rank))
    design = left * condition ** -np.linspace(0.0, 1.0, rank) @ right.T * 10.0 ** rng.uniform(-2.0, 2.0, rank)
    return design.T @ design, design.T @ rng.standard_normal(3 * rank)


def best_value(gram, rhs):
    """Return the smallest value over nonnegative rows, and where it is, by scipy on the Cholesky factor."""
    units = 1.0 / np.sqrt(np.diag(gram))
    upper = np.linalg.cholesky(gram * np.outer(units, units)).T
    row = nnls(upper, np.linalg.solve(upper.T, rhs * units))[0] * units
    return value(gram, rhs, row), row


@pytest.mark.parametrize("condition", [3.0, 1e4])
@pytest.mark.parametrize("rank", [1, 2, 5, 9])
def test_active_sets_end_where_nnls_does_and_never_go_uphill(rank, condition):
    rng, at_zero = np.random.default_rng(rank), 0
    for _ in range(40):
        gram, rhs = draw_row_problem(rng, rank, condition)
        best, expected = best_value(gram, rhs)
        units = 1.0 / np.sqrt(np.diag(gram))
        size = max(abs(best), np.max(rhs**2 * units**2))
        # The pull towards where a row was moves it by the condition of its equations; so does rounding in them, and
        # builds of LAPACK differ in that (wheels for Python 3.14).
        cond = np.linalg.cond(gram * np.outer(units, units))
        atol = 1e-11 * cond * np.max(np.maximum(expected / units, 1.0))
        for row in (rng.random(rank) * units, np.zeros(rank), expected.copy(), np.eye(rank)[0] * units):
            before = value(gram, rhs, row)
            descend(gram, rhs, row)
            assert (row >= 0).all()
            assert value(gram, rhs, row) <= min(before, best) + (1e-9 + np.finfo(float).eps * cond) * size
            np.testing.assert_allclose(row / units, expected / units, rtol=0, atol=atol)
            at_zero += (row == 0.0).sum()
    assert at_zero > 0


class Steps(int):
    """So many sets are tried, whatever the rank."""

    def __mul__(self, rank):
        return int(self)


@pytest.mark.parametrize("rank", [2, 5, 9])
def test_no_active_set_on_the_way_goes_uphill(rank, monkeypatch):
    rng = np.random.default_rng(rank)
    for _ in range(20):
        gram, rhs = draw_row_problem(rng, rank, 1e2)
        start, values = rng.random(rank) / np.sqrt(np.diag(gram)), []
        for n in range(2 * rank):
            monkeypatch.setattr("autoten.kernels.linear.ACTIVE_SETS", Steps(n))
            row = start.copy()
            descend.py_func(gram, rhs, row)
            assert (row >= 0.0).all()
            values.append(value(gram, rhs, row))
        assert (np.diff(values) <= 1e-10 * max(map(abs, values))).all()


@pytest.mark.parametrize("rank", [2, 5, 9])
def test_active_sets_leave_components_without_direction_where_they_are(rank):
    rng = np.random.default_rng(rank)
    for _ in range(20):
        gram, rhs = draw_row_problem(rng, rank, 10.0)
        kept = np.sort(rng.permutation(rank)[: rng.integers(rank)])
        gram[kept], gram[:, kept], rhs[kept] = 0.0, 0.0, 0.0
        others = np.setdiff1d(np.arange(rank), kept)
        row = rng.random(rank) * (rng.random(rank) < 0.5)
        before = row.copy()
        descend(gram, rhs, row)
        np.testing.assert_array_equal(row[kept], before[kept])
        inner = gram[np.ix_(others, others)]
        np.testing.assert_allclose(row[others], best_value(inner, rhs[others])[1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("n_grams", [1, 5])
@pytest.mark.parametrize("rank", [1, 3, 6])
def test_a_row_is_at_the_optimum_that_nnls_finds(rank, n_grams):
    rng = np.random.default_rng(rank)
    designs = rng.standard_normal((n_grams, 20, rank)) + 0.5
    targets = rng.standard_normal((5, 20))
    grams = np.einsum("nki,nkj->nij", designs, designs)
    rhs = np.array([designs[i % n_grams].T @ target for i, target in enumerate(targets)])
    got = solve_nonnegative_rows(np.tril(grams[0] if n_grams == 1 else grams), rhs, rng.random((5, rank)))
    expected = [nnls(designs[i % n_grams], target)[0] for i, target in enumerate(targets)]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert (np.array(expected) == 0).any() or rank == 1


def test_a_component_that_no_observed_cell_shows_stays_where_it_is():
    rows = solve_nonnegative_rows(np.diag([1.0, 0.0]), np.array([[-1.0, 0.0]]), np.array([[2.0, 3.0]]))
    np.testing.assert_allclose(rows, [[0.0, 3.0]])
    # A row's Gram matrix is that of all cells less that of the hidden ones: of all but the first, rounding is left.
    left = np.array([[1.82e-5, 0.0, 0.0], [7.53e-18, 9.42e-19, 0.0], [-6.08e-18, -7.9e-17, 1.05e-17]])
    rhs, before = np.array([[1.0, 1.0, -1.0], [4e-3, 0.0, 0.0]]), np.array([[2.0, 2.0, 2.0], [230.0, 0.0, 0.0]])
    rows = solve_nonnegative_rows(np.array([np.eye(3), left]), rhs, before)
    np.testing.assert_allclose(rows, [[1.0, 1.0, 0.0], [4e-3 / 1.82e-5, 0.0, 0.0]], atol=1.0)


def test_a_row_stays_where_rounding_leaves_its_equations_indefinite():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rounding = 1e-16 * rng.standard_normal((3, 3))
        gram, previous = np.zeros((1, 4, 4)), np.abs(rng.standard_normal((1, 4)))
        gram[0, :3, :3], gram[0, 3, 3] = rounding + rounding.T, 0.5
        rows = solve_nonnegative_rows(gram, np.array([[0.0, 0.0, 0.0, -1.0]]), previous)
        assert rows[0, 3] < 1e-9
        np.testing.assert_allclose(rows[0, :3], previous[0, :3], atol=0.01)


# ---------------------------------------------------------------------------------------------------------- the model


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("modes", [True, (0,), (0, 2), (-1,)], ids=str)
def test_chosen_modes_are_nonnegative_and_others_are_free(modes, missing):
    X = noisy_tensor((6, 7, 8), 3, missing=missing)
    chosen = {0, 1, 2} if modes is True else {mode % 3 for mode in modes}
    model = fit_parafac(X, 3, solver=HALS(modes), n_starts=3, random_state=0).model
    for mode, factor in enumerate(model.factors):
        assert ((factor >= 0).all()) == (mode in chosen)


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_no_factor_of_a_converged_fit_can_be_bettered(missing):
    # Each row is compared with scipy's nonnegative least squares on the Khatri-Rao product, observed cells only.
    X = noisy_nonnegative((5, 6, 7), 3, missing)
    fit = fit_parafac(X, 3, solver=HALS(tol=1e-12, max_iter=20_000), n_starts=3, random_state=0)
    assert fit.converged
    factors = fit.model.folded()
    assert any((factor == 0).any() for factor in factors)
    for mode in range(3):
        design = reference.khatri_rao([factor for n, factor in enumerate(factors) if n != mode])
        for row, cells in zip(factors[mode], reference.unfold(X, mode), strict=True):
            seen = ~np.isnan(cells)
            best = nnls(design[seen], cells[seen])[1] ** 2
            assert np.sum((design[seen] @ row - cells[seen]) ** 2) <= best + 1e-6 * np.nansum(X**2)


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.6])
def test_exact_nonnegative_tensors_are_recovered(missing):
    truth = nonnegative_model((8, 9, 10), 3, seed=4)
    fit = fit_parafac(with_holes(truth.to_tensor(), missing), 3, solver=HALS(), n_starts=6, random_state=0)
    assert fit.loss < 1e-9
    assert factor_match_score(fit.model, truth) > 1 - 1e-5


def test_the_constraint_costs_something_where_it_binds_and_nothing_where_it_does_not():
    X = noisy_tensor((6, 7, 8), 3)
    assert fit_parafac(X, 3, solver=HALS(), random_state=0).loss > fit_parafac(X, 3, random_state=0).loss * 1.5
    positive = nonnegative_model((6, 7, 8), 2).to_tensor() + 0.01 * np.random.default_rng(0).standard_normal((6, 7, 8))
    fits = [fit_parafac(positive, 2, solver=solver, random_state=0) for solver in (HALS(), ALS())]
    assert fits[0].loss == pytest.approx(fits[1].loss, rel=1e-2)
    assert fits[0].loss >= fits[1].loss


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(("seed", "rank"), [(2, 5), (15, 7)])
def test_components_without_support_in_a_row_stay_finite(seed, rank):
    rng = np.random.default_rng([2, seed])
    X = rng.poisson(rng.gamma(0.3, 2, size=(4, 7, 4, 4))).astype(float)
    X[:, :, np.arange(4)[:, None] < np.arange(4)] = np.nan  # a triangle, as below the excitation line
    model = fit_parafac(X, rank, solver=HALS(max_iter=60), n_starts=5, random_state=0).model
    assert max(factor.max() for factor in model.factors) <= 1.0


def test_nothing_positive_to_find_is_zero_and_no_crash():
    fit = fit_parafac(-nonnegative_model((4, 5, 6), 2).to_tensor(), 2, solver=HALS(), n_starts=3, random_state=0)
    assert fit.loss == pytest.approx(1.0)
    np.testing.assert_array_equal(fit.model.to_tensor(), 0)


POSITIVE = nonnegative_model((5, 6, 7), 2).to_tensor()


@pytest.mark.parametrize(
    "X",
    [
        -POSITIVE,
        with_holes(-POSITIVE, 0.2, 0),
        np.where(np.arange(7) < 5, -1, 1) * POSITIVE,
        POSITIVE - 2 * POSITIVE.mean(),
    ],
    ids=["all negative", "with holes", "mostly", "an offset"],
)
def test_negative_data_are_a_warning_where_no_mode_is_free(X):
    quick = {"ranks": [1], "n_starts": 1, "n_folds": 2, "random_state": 0}
    said = [sentence for sentence in estimate_rank(X, solver=HALS(), **quick).warnings if "egative cells" in sentence]
    assert len(said) == 1
    assert said[0].startswith(
        f"Negative cells hold {100 * np.square(X[X < 0]).sum() / np.nansum(np.square(X)):.0f} % of the sum of squares, "
    )
    for other, solver in ((X, HALS(nonnegative=(1, 2))), (np.abs(X), HALS()), (0 * X, HALS())):
        assert "egative cells" not in " ".join(estimate_rank(other, solver=solver, **quick).warnings)


def test_a_component_that_was_lost_can_come_back():
    X = nonnegative_model((6, 7, 8), 2, seed=2).to_tensor()
    start = nonnegative_model((6, 7, 8), 2, seed=3)
    lost = CPModel(np.array([1.0, 0.0]), start.factors)
    assert HALS().fit(as_tensor(X), lost).loss < 1e-6


@pytest.mark.parametrize("modes", [(0,), (0, 2), (1, 2)], ids=str)
def test_a_start_keeps_its_signs_where_modes_are_free(modes):
    # Signs are fixed by the later modes elsewhere, which would make a constrained first mode negative.
    factors = [np.abs(f) if n in modes else f for n, f in enumerate(draw_factors((12, 13, 14), 2, seed=5))]
    truth, solver = CPModel(np.ones(2), tuple(factors)), HALS(nonnegative=modes)
    assert (truth.normalized().factors[0] < 0.0).all(axis=0).any() or 0 not in modes
    tensor = as_tensor(truth.to_tensor())
    assert solver.fit(tensor, truth, max_iter=1).loss < 1e-20
    core = Compression.of(tensor, [np.eye(length) for length in tensor.shape])
    assert tensor.squared_error(solver.explore(core, truth)[0].folded()) < 1e-12 * tensor.norm_squared


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("nonnegative", [True, (1,)])
def test_the_table_knows_that_a_free_core_of_constrained_factors_can_stray_from_rank_2_on(missing, nonnegative):
    X = noisy_nonnegative((8, 9, 10), 4, missing)
    solver = HALS(nonnegative=nonnegative)
    table = estimate_rank(X, [1, 2], solver=solver, n_starts=3, n_folds=2, random_state=0).table
    assert table.constrained
    assert table.value("core_consistency", 1) == pytest.approx(100, abs=1e-4)
    assert table.value("core_consistency", 2) < 99.97
    assert table.informative.tolist() == [False, False, True]


# --------------------------------------------------------------------------------------------------------- real data


def test_sugar_without_its_scatter_keeps_finite_factors(real_data):
    # Below the line of excitation nothing is observed: there are emissions at which a component has no observed cell.
    raw = real_data("sugar_process_full")
    emission, excitation = raw["emission_nm"][::8], raw["excitation_nm"].astype(float)
    with pytest.warns(AutotenWarning, match="reverse order"):  # so this file has them
        X = mask_scatter(raw["X"][:, ::8], emission, excitation, 22).X.astype(float)
    X[:, emission[:, None] < excitation] = np.nan
    X = X[:, ~np.isnan(X).all(axis=(0, 2))]
    fit = fit_parafac(X, 7, solver=HALS(max_iter=60), random_state=0)
    assert all(np.isfinite(factor).all() for factor in fit.model.factors)


def test_sugar_reaches_the_published_fits(real_data):
    # Fits and core consistencies of nonnegative models as in README.md of the data: rank 4 stands between 3 and 5.
    X = real_data("sugar_process")["X"]
    fits = {rank: fit_parafac(X, rank, solver=HALS(), n_starts=3, random_state=0) for rank in (2, 3, 4, 5)}
    explained = [100 * (1 - fit.loss) for fit in fits.values()]
    assert explained == pytest.approx([98.94, 99.51, 99.88, 99.93], abs=0.02)
    consistency = {rank: core_consistency(X, fits[rank].model) for rank in fits}
    assert consistency[3] < consistency[4] > consistency[5]
    assert all(nonnegative_core_consistency(X, fits[rank].model) > 99 for rank in fits)


def test_il2_keeps_a_nonnegative_core_up_to_three(real_data):
    # The free core is negative from rank 2 on; three nonnegative components are what a published example shows.
    X = real_data("il2_response")["X"]
    table = estimate_rank(X, range(1, 5), solver=HALS(), n_starts=4, n_folds=2, random_state=0).table
    assert (table.mean("core_consistency")[2:] < 0).all()
    scores = table.mean("nonnegative_core_consistency")
    assert (scores[1:4] > 90).all()
    assert scores[4] < 80


def test_kinetic_fluorescence_runs(real_data):
    X = real_data("kinetic_fluorescence")["X"][:, :, ::2, ::9]
    estimate = estimate_rank(X, 2, solver=HALS(), n_starts=2, n_folds=2, random_state=0)
    assert estimate.table.complete
    assert estimate.table.value("fit", 2) > 0.997
