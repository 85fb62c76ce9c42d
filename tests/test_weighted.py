"""Known noise of every cell as weights: `weighted`, and what a dense tensor makes of it."""

import joblib
import numpy as np
import pytest
import reference
from contracts import (
    TensorCase,
    TensorContract,
    assert_close,
    check_equations,
    draw_factors,
    draw_model,
    noisy_tensor,
    with_holes,
)

from autoten import preprocess
from autoten.datasets import make_cp_tensor
from autoten.door import as_tensor, weighted
from autoten.estimate import estimate_rank
from autoten.holdout import Blocks, RandomFibres
from autoten.matching import factor_match_score
from autoten.model import CPModel
from autoten.parafac import fit_parafac
from autoten.scores.core_consistency import core_consistency, core_elements, corrected_core_consistency
from autoten.scores.heldout import heldout_error
from autoten.scores.nonnegative_cores import nonnegative_core_consistency
from autoten.sklearn_api import CP
from autoten.solvers.als import ALS, HALS
from autoten.solvers.kl import KL
from autoten.solvers.subspaces import Subspaces
from autoten.store import fingerprint
from autoten.warn import data_warnings

SHAPES = [(3, 4, 5), (2, 3, 4, 3)]


def draw_noise(shape, seed=0):
    """Return standard deviations over two orders of magnitude."""
    return 10.0 ** np.random.default_rng(seed + 50).uniform(-1, 1, shape)


def draw_case(shape, missing=0.0, seed=0):
    """Return data, noise, and the weights they must come to: 1 / noise^2, 1 on average where observed, else 0."""
    X, noise = noisy_tensor(shape, 2, missing=missing, seed=seed), draw_noise(shape, seed)
    weights = np.where(np.isnan(X), 0.0, noise**-2.0)
    return X, noise, weights * np.isfinite(X).sum() / weights.sum()


def heteroscedastic(seed, shape=(15, 16, 17), rank=3):
    """Return a tensor of which six cells in ten are precise and the others drown in noise, the noise, and the truth."""
    drawn, rng = make_cp_tensor(shape, rank, random_state=seed), np.random.default_rng(seed)
    noise = drawn.X.std() * np.where(rng.random(shape) < 0.6, 0.1, 6.0)
    return drawn.X + noise * rng.standard_normal(shape), noise, drawn.model


class TestEqualWeights(TensorContract):
    """Cells that are all equally well known: every operation is that of the data without weights."""

    @pytest.fixture(params=[(shape, dtype) for shape in SHAPES for dtype in ("f4", "f8")], ids=str)
    def case(self, request):
        shape, dtype = request.param
        source = with_holes(np.random.default_rng(0).standard_normal(shape), 0.2).astype(dtype)
        return TensorCase(as_tensor(weighted(source, 2.5)), source.astype(float), source)


# ---------------------------------------------------------------------------------------- against the definitions

cases = pytest.mark.parametrize("missing", [0.0, 0.3])
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


@shapes
@cases
def test_every_operation_counts_a_cell_by_its_weight(shape, missing):
    X, noise, weights = draw_case(shape, missing)
    tensor, factors = as_tensor(weighted(X, noise)), draw_factors(shape, 3, seed=7)
    assert_close(tensor.cell_weights, weights, 1e-12)
    assert_close(tensor.norm_squared, np.nansum(weights * X**2), 1e-12)
    assert_close(tensor.squared_error(factors), reference.loss(X, factors, cell_weights=weights), 1e-12)
    product = weights * np.nan_to_num(X)
    for mode in range(len(shape)):
        _, right = check_equations(tensor, X, factors, mode, 1e-10, weights)
        assert_close(tensor.mttkrp(factors, mode), right, 1e-10)
        unfolded = reference.unfold(product, mode)
        assert_close(tensor.gram(mode), unfolded @ unfolded.T, 1e-10)
    assert_close(tensor.project(factors), reference.tucker_tensor(product, [f.T for f in factors]), 1e-10)


@shapes
@cases
def test_the_core_is_that_of_weighted_least_squares(shape, missing):
    X, noise, weights = draw_case(shape, missing)
    model = draw_model(shape, 2, seed=3).normalized()
    expected = reference.least_squares_core(X, model.folded(), weights, of_model=1e-3 if missing else 0.0)
    assert_close(core_elements(weighted(X, noise), model), expected, 1e-6)


@pytest.mark.parametrize("solver", [ALS(tol=1e-12), HALS(tol=1e-12)], ids=repr)
@cases
def test_no_factor_can_be_moved_to_a_smaller_weighted_error(solver, missing):
    X, noise, weights = draw_case((6, 7, 8), missing)
    fit = fit_parafac(weighted(np.abs(X), noise), 2, solver=solver, n_starts=4, random_state=0)
    best = reference.loss(np.abs(X), fit.model.folded(), cell_weights=weights)
    assert_close(fit.loss, best / np.nansum(weights * X**2), 1e-9)
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = [np.abs(f + 1e-3 * rng.standard_normal(f.shape)) * np.sign(f) for f in fit.model.folded()]
        assert reference.loss(np.abs(X), moved, cell_weights=weights) >= best * (1 - 1e-9)


def test_held_out_errors_count_by_their_weights():
    X, noise, weights = draw_case((4, 5, 6), missing=0.1)
    model, heldout = draw_model(X.shape, 2, seed=9), np.random.default_rng(1).random(X.shape) < 0.3
    seen = heldout & ~np.isnan(X)
    error = (weights * (X - model.to_tensor()) ** 2)[seen].sum() / (weights * X**2)[seen].sum()
    assert heldout_error(weighted(X, noise), model, heldout) == pytest.approx(error, rel=1e-12)


def test_new_samples_are_judged_by_their_weights():
    drawn = make_cp_tensor((12, 9, 10), 2, random_state=0).X
    X = drawn.copy()
    X[:, :3] += 5.0 * np.random.default_rng(0).standard_normal((12, 3, 10))
    noise = np.where(np.arange(9) < 3, 5.0, 0.01)[:, None]
    cp = CP(2, n_starts=3, random_state=0).fit(weighted(X, noise))
    one = cp.transform(weighted(X[:1], noise))  # a single sample has a mode of length 1
    assert one.shape == (1, 2)
    assert cp.score(weighted(X, noise)) > 0.99 > cp.score(X)


# ---------------------------------------------------------------------------------------------- what weights are for


@cases
def test_equal_noise_changes_nothing(missing):
    X = noisy_tensor((8, 9, 10), 2, noise=0.1, missing=missing)
    even, solver = weighted(X, 0.01), ALS(tol=1e-13, compress=False)
    plain, fit = (fit_parafac(data, 3, solver=solver, random_state=0) for data in (X, even))
    assert fit.loss == pytest.approx(plain.loss, rel=1e-8)
    assert factor_match_score(fit.model, plain.model) > 1 - 1e-6
    heldout = np.random.default_rng(0).random(X.shape) < 0.2
    assert heldout_error(even, plain.model, heldout) == pytest.approx(heldout_error(X, plain.model, heldout), rel=1e-8)
    for got, expected in zip(*(corrected_core_consistency(data, plain.model) for data in (even, X)), strict=True):
        assert got == pytest.approx(expected, rel=1e-8, abs=1e-5)
    # Without a tolerance: folds end elsewhere by a part of their noise, by either way of hiding cells.
    endless = ALS(tol=0.0, compress=False)
    by_weights, plainly = (
        estimate_rank(data, range(1, 4), solver=endless, n_starts=4, random_state=0) for data in (even, X)
    )
    assert by_weights.rank == plainly.rank == 2
    for score, atol in [("fit", 1e-8), ("heldout", 1e-8), ("residual_excess", 1e-6)]:  # null: a few sweeps, unconverged
        np.testing.assert_allclose(by_weights.table[score][:3], plainly.table[score][:3], rtol=0, atol=atol)


@pytest.mark.parametrize("seed", range(2))
def test_known_noise_finds_a_rank_and_components_that_the_data_alone_do_not(seed):
    X, noise, truth = heteroscedastic(seed)
    options = {"ranks": range(1, 6), "n_starts": 4, "random_state": seed}
    known, unknown = (estimate_rank(data, **options) for data in (weighted(X, noise), X))
    assert (known.rank, unknown.rank) != (3, 3)
    assert known.rank == 3
    assert factor_match_score(known.models[3], truth) > 0.99
    assert factor_match_score(unknown.models[3], truth) < 0.8


def test_four_modes_missing_cells_and_nonnegative_factors():
    drawn, rng = make_cp_tensor((6, 7, 8, 5), 2, random_state=1), np.random.default_rng(1)
    noise = drawn.X.std() * np.where(rng.random(drawn.X.shape) < 0.7, 0.05, 5.0)
    X = with_holes(drawn.X + noise * rng.standard_normal(noise.shape), 0.2)
    estimate = estimate_rank(weighted(X, noise), range(1, 5), n_starts=4, random_state=0)
    assert estimate.rank == 2
    assert factor_match_score(estimate.model, drawn.model) > 0.99
    spectra = CPModel(np.ones(2), tuple(np.abs(f) for f in drawn.model.factors))
    X = spectra.to_tensor() + noise * rng.standard_normal(noise.shape)
    fit = fit_parafac(weighted(X, noise), 2, solver=HALS(), n_starts=3, random_state=0)
    assert factor_match_score(fit.model, spectra) > 0.99


@pytest.mark.parametrize("holdout", [Blocks(), RandomFibres(1)], ids=repr)
def test_other_hold_outs_take_weights(holdout):
    X, noise, _ = heteroscedastic(1)
    assert estimate_rank(weighted(X, noise), range(1, 5), holdout=holdout, n_starts=4, random_state=0).rank == 3


def test_starts_are_explored_in_the_core_of_the_data_as_a_smaller_model_completes_them():
    X, noise, weights = draw_case((30, 30, 30), missing=0.1)
    for smaller in (draw_model(X.shape, 0), draw_model(X.shape, 2)):
        expected = smaller.to_tensor()
        believed = expected + np.minimum(weights, 1.0) * (np.nan_to_num(X) - expected)
        core = Subspaces(as_tensor(weighted(X, noise))).core(1, smaller)
        of_believed = Subspaces(as_tensor(believed)).core(1, smaller)
        assert_close(np.abs(core.core.data), np.abs(of_believed.core.data), 1e-9)  # bases may turn round


def test_only_ratios_of_noise_matter_however_small_or_large_and_noise_may_be_that_of_channels():
    X, noise, weights = draw_case((3, 4, 5))
    for size in (1e-200, 1e200):
        assert_close(as_tensor(weighted(X, size * noise)).cell_weights, weights, 1e-12)
    of_channels = np.arange(1.0, 6.0)
    tensor = as_tensor(weighted(X, of_channels))
    assert_close(tensor.cell_weights[0, 0] / tensor.cell_weights[0, 0, 0], of_channels**-2.0, 1e-12)


def test_what_is_missing_needs_no_noise():
    X, noise, _ = draw_case((4, 5, 6), missing=0.2)
    known = np.where(np.isnan(X), np.nan, noise)
    hidden = np.ma.masked_array(np.nan_to_num(X, nan=7.0), np.isnan(X))
    tensors = [as_tensor(weighted(data, known)) for data in (X, hidden)]
    assert tensors[0].hidden.tolist() == np.flatnonzero(np.isnan(X)).tolist()
    np.testing.assert_array_equal(tensors[0].cell_weights, tensors[1].cell_weights)
    assert tensors[0].norm_squared == tensors[1].norm_squared


def test_other_noise_is_another_run_for_a_checkpoint():
    X, noise, _ = draw_case((3, 4, 5))
    assert fingerprint(as_tensor(weighted(X, noise))) != fingerprint(as_tensor(weighted(X, noise[::-1])))


def test_workers_change_no_number():
    data = weighted(*draw_case((8, 9, 10))[:2])
    options = {"ranks": range(1, 3), "n_starts": 2, "n_folds": 2, "random_state": 0}
    here = estimate_rank(data, **options).table["heldout"]
    np.testing.assert_array_equal(estimate_rank(data, **options, n_jobs=2).table["heldout"], here)
    with joblib.parallel_config(backend="loky"):
        np.testing.assert_array_equal(estimate_rank(data, **options, n_jobs=2).table["heldout"], here)


def test_twins_are_still_seen():
    X, noise, _ = draw_case((4, 5, 6))
    X[2], noise[2] = X[0], noise[0]
    tensor = as_tensor(weighted(X, noise))
    table = estimate_rank(weighted(X, noise), [1], n_starts=1, n_folds=2, random_state=0).table
    assert any("slabs 0 and 2 are identical" in warning for warning in data_warnings(tensor, table))


# ---------------------------------------------------------------------------------------- what may come in


def test_labels_steps_and_units_come_back():
    xarray = pytest.importorskip("xarray")
    X, noise, _ = draw_case((4, 5, 6))
    labelled = xarray.DataArray(X, {"site": list("abcd"), "hour": np.arange(5), "kind": np.arange(6)})
    both = weighted(labelled, xarray.DataArray(noise, labelled.coords))
    estimate = estimate_rank(both, [1], n_starts=2, n_folds=2, random_state=0)
    assert estimate.labels.names == ("site", "hour", "kind")
    centred = weighted(preprocess.center(labelled, 0), noise)
    assert centred.labels.names == ("site", "hour", "kind")
    assert centred.steps == ("centred across mode 0 (site)", "cells weighted by the inverse square of their noise")
    assert centred.shape == (4, 5, 6)


def test_kl_is_left_out_where_there_are_weights():
    X, noise, _ = draw_case((4, 5, 6))
    both = estimate_rank(weighted(np.abs(X), noise), [1], solver=(ALS(), KL()), n_starts=1, n_folds=2, random_state=0)
    assert any("KL was left out" in warning for warning in both.warnings)


def test_nonnegative_cores_have_no_weighted_form():
    X, noise, _ = draw_case((4, 5, 6))
    data, model = weighted(np.abs(X), noise), CPModel(np.ones(1), tuple(np.ones((n, 1)) for n in X.shape))
    assert np.isnan(nonnegative_core_consistency(data, model))
    assert np.isfinite(core_consistency(data, model))
