"""DenseTensor, complete and with hidden cells, against the slow definitions, operation by operation."""

import math
from itertools import product

import numpy as np
import pytest
import reference
import scipy.sparse
from contracts import (
    TensorCase,
    TensorContract,
    assert_close,
    check_tensor,
    draw_factors,
    draw_model,
    full_grams,
    with_holes,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from autoten.door import as_tensor
from autoten.model import CPModel
from autoten.solvers.least_squares import Sweeps, problem_of

SHAPES = [(3, 4, 5), (7, 6, 3), (2, 3, 4, 3), (2, 3, 2, 2, 3)]
DTYPES = ["f4", "f8"]
# Few hidden (imputed), many and most (per-row equations over the observed ones).
SHARES = [0.05, 0.4, 0.7]


def draw(shape, dtype, seed=0):
    """Return an array and the same in float64, for the definitions."""
    source = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return source, source.astype(float)


def named(parameters):
    shape, *rest = parameters
    return "-".join(["x".join(map(str, shape)), *map(str, rest)])


def grid(*axes):
    return pytest.fixture(params=list(product(*axes)), ids=named)


class TestDense(TensorContract):
    @grid(SHAPES, DTYPES)
    def case(self, request):
        source, X = draw(*request.param)
        return TensorCase(as_tensor(source), X, source)


class TestMasked(TensorContract):
    """A user's NaN."""

    @grid(SHAPES, ["f8"], SHARES)
    def case(self, request):
        shape, dtype, share = request.param
        source = with_holes(draw(shape, dtype)[0], share).astype(dtype)
        return TensorCase(as_tensor(source), source.astype(float), source)


class TestHeldOut(TensorContract):
    """A fold of a complete tensor: what is hidden is really there."""

    @grid([(3, 4, 5)], DTYPES, SHARES)
    def case(self, request):
        shape, dtype, share = request.param
        source, X = draw(shape, dtype)
        X = with_holes(X, share)
        return TensorCase(as_tensor(source).hide(np.flatnonzero(np.isnan(X))), X, source)


class TestHeldOutOfMasked(TensorContract):
    """A fold on top of a user's NaN, hidden in two steps."""

    @grid([(3, 2, 3, 4)], ["f8"], SHARES)
    def case(self, request):
        shape, dtype, share = request.param
        source = with_holes(draw(shape, dtype)[0], share).astype(dtype)
        X = with_holes(source.astype(float), 0.2, seed=2)
        cells = np.flatnonzero(np.isnan(X))
        return TensorCase(as_tensor(source).hide(cells[::2]).hide(cells), X, source)


# ------------------------------------------------------------------------------------ with imputing, and without


def filled(X, factors):
    return np.where(np.isnan(X), reference.cp_tensor(factors), X)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("share", SHARES)
def test_a_sweep_is_the_textbooks_over_the_filled_tensor_or_over_observed_cells(shape, share):
    X, factors = with_holes(draw(shape, "f8")[1], share), draw_factors(shape, 2)
    problem = problem_of(as_tensor(X), 2)
    imputed = problem.n_cells > 0
    sweeps = Sweeps(problem, CPModel(np.ones(2), tuple(factors)).normalized(), 0.0, False)
    sweeps.sweep(1, math.inf)
    expected, _ = reference.als(filled(X, factors) if imputed else X, factors, 1)
    assert_close(sweeps.model.to_tensor(), reference.cp_tensor(expected), 1e-7)
    # Imputing forgets the cells it must not know too slowly where much is missing.
    assert not (imputed and share > 0.3)


def test_imputing_uses_the_model_of_the_moment():
    X = with_holes(draw((4, 5, 6), "f8")[1], 0.05)
    problem = problem_of(as_tensor(X), 2)
    assert problem.n_cells == np.isnan(X).sum()
    sweeps = Sweeps(problem, draw_model(X.shape, 2), 0.0, False)
    for turn in range(3):
        factors = draw_factors(X.shape, 2, seed=10 * turn)
        sweeps.model = CPModel(np.ones(2), tuple(factors)).normalized()
        sweeps.sweep(2, math.inf)
        for _ in range(2):
            factors, _ = reference.als(filled(X, factors), factors, 1)
        assert_close(sweeps.model.to_tensor(), reference.cp_tensor(factors), 1e-9)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.4])
def test_a_wild_prediction_at_a_hidden_cell_costs_no_precision(share):
    # Where few cells are seen, a model may be anything at the others: its error at the seen ones must not drown.
    X = with_holes(draw((4, 5, 6), "f8")[1], share)
    X[0, 0, 0] = np.nan
    factors = draw_factors(X.shape, 2)
    wild = [np.column_stack([factor, np.eye(len(factor))[0]]) for factor in factors]
    wild[0][0, 2] = 1e9
    assert as_tensor(X).squared_error(wild) == pytest.approx(reference.loss(X, factors), rel=1e-6)


def test_a_wild_value_that_is_hidden_costs_little_precision():
    # An outlier in a fold: the cells beside it are still to be fitted.
    X = draw((4, 5, 6), "f8")[0]
    X[1, 2, 3] = 1e9
    cell, seen = np.flatnonzero(X == 1e9), np.where(X == 1e9, np.nan, X)
    tensor, factors = as_tensor(X).hide(cell), draw_factors(X.shape, 2)
    assert tensor.norm_squared == pytest.approx(np.nansum(seen**2), rel=1e-6)
    assert tensor.squared_error(factors) == pytest.approx(reference.loss(seen, factors), rel=1e-6)
    for mode in range(3):
        assert_close(tensor.mttkrp(factors, mode), reference.mttkrp(seen, factors, mode), 1e-5)


def test_a_model_without_components_misses_all_that_is_observed_and_nothing_may_be():
    X = with_holes(draw((4, 5, 6), "f8")[1], 0.3)
    for data in (np.nan_to_num(X), X):
        assert as_tensor(data).squared_error([np.zeros((n, 0)) for n in X.shape]) == pytest.approx(np.nansum(X**2))
    tensor, factors = as_tensor(np.nan_to_num(X)).hide(np.arange(120)), draw_factors(X.shape, 2)
    assert (tensor.n_observed, tensor.norm_squared, tensor.squared_error(factors)) == (0, 0.0, 0.0)
    np.testing.assert_array_equal(tensor.mttkrp(factors, 0), 0)


# ------------------------------------------------------------------------------------------------- larger, and odd


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("share", [0.0, *SHARES])
@pytest.mark.parametrize("shape", [(41, 23, 19), (2, 67, 130), (130, 67, 2), (6, 9, 35, 5)], ids=str)
def test_sizes_past_any_block_of_the_kernels(shape, share, dtype):
    source = draw(shape, dtype)[0] if not share else with_holes(draw(shape, dtype)[0], share).astype(dtype)
    X, tensor = source.astype(float), as_tensor(source)
    factors = draw_factors(shape, 9)
    observed = ~np.isnan(X)
    model = reference.cp_tensor(factors)
    assert_close(tensor.squared_error(factors), np.sum((X - model)[observed] ** 2), 1e-9)
    for mode in range(X.ndim):
        expected = reference.mttkrp(X, factors, mode)
        assert_close(tensor.mttkrp(factors, mode), expected, 1e-9)
        unfolded = np.moveaxis(np.nan_to_num(X), mode, 0).reshape(shape[mode], -1)
        assert_close(tensor.gram(mode), unfolded @ unfolded.T, 1e-9)
        gram, rhs = tensor.normal_equations(factors, mode)
        design = reference_design(factors, mode)
        seen = np.moveaxis(observed, mode, 0).reshape(shape[mode], -1)
        assert_close(
            full_grams(gram, shape[mode]), np.einsum("ij,jr,js->irs", seen, design, design, optimize=True), 1e-9
        )
        assert_close(rhs, expected, 1e-9)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_component_without_an_observed_cell_has_no_equations(sparse):
    X, factors = draw((8, 5, 9), "f8")[1], draw_factors((8, 5, 9), 3)
    factors[1][1:, 0] = factors[2][2:, 0] = 0.0
    hidden = np.zeros(X.shape, dtype=bool)
    hidden[:, 0, :2] = True  # all that mode 0 could see of component 0
    tensor = as_tensor(scipy.sparse.coo_array(X) if sparse else X).hide(np.flatnonzero(hidden))
    for turn in range(20):  # rounding of either sign
        factors[2][:2, 0] = np.random.default_rng(turn).standard_normal(2)
        gram, rhs = tensor.normal_equations(factors, 0)
        gram = full_grams(gram, len(rhs))
        assert not gram[:, 0].any()
        assert not gram[:, :, 0].any()
        assert not rhs[:, 0].any()
        assert (np.einsum("irr->ir", gram)[:, 1:] > 0.1).all()
        assert np.abs(rhs[:, 1:]).min() > 0.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(41, 23, 37), (6, 9, 35, 50)], ids=str)
def test_projections_on_few_and_many_columns(shape, share, dtype):
    source = draw(shape, dtype)[0]
    tensor, X = as_tensor(source), source.astype(float)
    if share:
        X = with_holes(X, share)
        tensor = tensor.hide(np.flatnonzero(np.isnan(X)))
    for n_columns in ([2, 3, 5, 4], [7, 1, 33, 40], [40, 20, 37, 3]):
        matrices = [draw_factors((length,), n)[0] for length, n in zip(shape, n_columns, strict=False)]
        expected = np.nan_to_num(X)
        for mode, matrix in enumerate(matrices):
            expected = np.moveaxis(np.tensordot(expected, matrix, axes=(mode, 0)), -1, mode)
        assert_close(tensor.project(matrices), expected, 1e-9)


def reference_design(factors, mode):
    """Return the Khatri-Rao product of all factors but one by outer products: the definition is too slow here."""
    rows = np.ones((1, factors[0].shape[1]))
    for n, factor in enumerate(factors):
        if n != mode:
            rows = (rows[:, None] * factor).reshape(-1, factor.shape[1])
    return rows


def test_float32_sums_do_not_drift():
    # A million ones and tiny steps: a running float32 sum stops counting at 2 ** 24 and is off long before.
    X = np.full((160, 100, 70), 1.1, dtype=np.float32)
    tensor, value = as_tensor(X), float(np.float32(1.1))
    assert tensor.norm_squared == pytest.approx(X.size * value**2, rel=1e-12)
    ones = [np.ones((length, 1)) for length in X.shape]
    assert tensor.squared_error(ones) == pytest.approx(X.size * (value - 1) ** 2, rel=1e-9)
    for mode, length in enumerate(X.shape):
        np.testing.assert_allclose(tensor.mttkrp(ones, mode), X.size / length * value, rtol=1e-9)
        np.testing.assert_allclose(tensor.gram(mode), X.size / length * value**2, rtol=1e-9)


@settings(max_examples=30)
@given(
    st.lists(st.integers(2, 5), min_size=3, max_size=5).map(tuple),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.1, 0.5, 0.8]),
    st.integers(0, 1000),
)
def test_any_small_tensor_agrees_with_the_definitions(shape, rank, share, seed):
    X = with_holes(draw(shape, "f8", seed)[1], share, seed)
    if any(np.isnan(X).all(axis=tuple(n for n in range(X.ndim) if n != mode)).any() for mode in range(X.ndim)):
        return  # refused at the door
    tensor, factors = as_tensor(X), draw_factors(shape, rank, seed)
    check_tensor(tensor, X, 1e-9)
    for mode in range(X.ndim):
        assert_close(tensor.mttkrp(factors, mode), reference.mttkrp(X, factors, mode), 1e-9)


# ----------------------------------------------------------------------------------------------- sharing, not copying


def test_x_is_shared_not_copied_by_a_fold_neither():
    X = draw((6, 7, 8), "f8")[0]
    tensor, fold = as_tensor(X), as_tensor(X).hide(np.arange(0, 336, 7))
    assert np.shares_memory(tensor.data, X)
    X[0, 0, 1] = 42.0
    assert tensor.values_at(np.array([1])) == fold.values_at(np.array([1])) == 42.0
    assert X.flags.writeable
    X.flags.writeable = False
    assert np.shares_memory(as_tensor(X).data, X)
    check_tensor(as_tensor(X), X, 1e-9)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_memory_map_is_read_where_it_lies(tmp_path, mode, dtype):
    source, X = draw((5, 6, 7), dtype)
    np.save(tmp_path / "X.npy", source)
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    tensor = as_tensor(mapped)
    assert np.shares_memory(tensor.data, mapped)
    assert type(tensor.data) is np.ndarray
    check_tensor(tensor, X, 1e-9)
    cells = np.arange(0, 210, 3)
    folded = X.copy()
    folded.ravel()[cells] = np.nan
    check_tensor(tensor.hide(cells), folded, 1e-9)
    np.testing.assert_array_equal(np.load(tmp_path / "X.npy"), source)
