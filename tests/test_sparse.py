"""SparseTensor against the slow definitions, and the same tensor given dense or sparse."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
import pyttb
import reference
import scipy.sparse
import sparse
from contracts import TensorCase, TensorContract, assert_close, check_tensor, draw_factors, draw_model, with_holes
from hypothesis import given, settings
from hypothesis import strategies as st

from autoten import (
    ALS,
    HALS,
    Blocks,
    RandomElements,
    RandomFibres,
    core_consistency,
    estimate_rank,
    factor_match_score,
    fit_parafac,
)
from autoten.datasets import make_count_tensor, make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.labels import Labels
from autoten.solvers.subspaces import Occupied, Subspaces
from autoten.tensors.dense import DenseTensor
from autoten.tensors.sparse import SparseTensor
from autoten.tensors.tensor import model_norm_squared
from autoten.warn import _sum_warnings

NO_LABELS = Labels(("",) * 3, (None,) * 3)


def draw(shape, filled=0.3, seed=0, dtype="f8"):
    """Return an array of which a share of the cells is not zero."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < filled, rng.standard_normal(shape), 0.0).astype(dtype)


def sparse_of(X):
    cells = np.flatnonzero(X)
    return SparseTensor.of(cells, X.ravel()[cells], X.shape)


def grid(*axes):
    return pytest.fixture(params=list(product(*axes)), ids=lambda parameters: "-".join(map(str, parameters)))


class TestSparse(TensorContract):
    @grid([(3, 4, 5), (2, 3, 4, 3), (2, 3, 2, 2, 3)], [0.05, 0.3], ["f4", "f8"])
    def case(self, request):
        X = draw(*request.param[:2], dtype=request.param[2])
        tensor = sparse_of(X)
        return TensorCase(tensor, X.astype(float), tensor.values)


class TestHeldOut(TensorContract):
    """A fold: nonzeros and zeros are hidden, imputed or left out of every row's equations."""

    @grid([(3, 4, 5), (2, 3, 4, 3)], [0.1, 0.5], [0.05, 0.4, 0.7])
    def case(self, request):
        shape, filled, share = request.param
        source = draw(shape, filled)
        tensor, X = sparse_of(source), with_holes(source, share)
        return TensorCase(tensor.hide(np.flatnonzero(np.isnan(X))), X, tensor.values)


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 6), min_size=3, max_size=5).map(tuple),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    st.integers(0, 1000),
)
def test_any_small_tensor_agrees_with_the_definitions(shape, rank, filled, seed):
    X = draw(shape, filled, seed)
    tensor, factors = sparse_of(X), draw_factors(shape, rank, seed)
    check_tensor(tensor, X, 1e-9)
    for mode in range(X.ndim):
        assert_close(tensor.mttkrp(factors, mode), reference.mttkrp(X, factors, mode), 1e-9)
    expected = reference.tucker_tensor(X, [factor.T for factor in factors])
    assert_close(tensor.project(factors), expected, 1e-9)


@pytest.mark.parametrize("shape", [(41, 23, 19), (2, 67, 130), (130, 67, 2), (6, 9, 35, 5)], ids=str)
def test_larger_sizes(shape):
    X = draw(shape, 0.1)
    tensor = sparse_of(X)
    for rank in (3, 16, 40):
        factors = draw_factors(shape, rank)
        for mode in range(X.ndim):
            assert_close(tensor.mttkrp(factors, mode), as_tensor(X).mttkrp(factors, mode), 1e-9)
        assert_close(tensor.squared_error(factors), as_tensor(X).squared_error(factors), 1e-9)
    for mode in range(X.ndim):
        assert_close(tensor.gram(mode), as_tensor(X).gram(mode), 1e-9)
    keep = [np.arange(length)[::2] for length in shape]
    check_tensor(tensor.sub(keep), X[np.ix_(*keep)], 1e-9)


def test_nothing_is_stored_but_nonzeros():
    cells, values = np.array([7, 3, 7, 5, 9, 9]), np.array([1.0, 2.0, 0.5, 0.0, 4.0, -4.0])
    tensor = SparseTensor.of(cells, values, (3, 4, 5))
    assert tensor.listed.tolist() == [3, 7]
    assert tensor.values.tolist() == [2.0, 1.5]


def test_hiding_lists_what_is_hidden_and_shares_where_the_nonzeros_are():
    cells, values = np.array([3, 7, 9]), np.array([2.0, 1.5, 4.0])
    tensor = SparseTensor.of(cells, values, (3, 4, 5))
    fold = tensor.hide(np.array([3, 4]))
    assert fold.pattern is tensor.pattern
    assert (fold.listed.tolist(), fold.hidden.tolist(), fold.n_observed) == ([7, 9], [3, 4], 58)
    assert fold.norm_squared == 1.5**2 + 4.0**2
    assert tensor.values.tolist() == [2.0, 1.5, 4.0]
    assert np.shares_memory(tensor.hide(np.array([4])).values, tensor.values)  # nothing to take out


@pytest.mark.parametrize("rank", [0, 1, 2, 7, 120])  # of many components it comes from Gram matrices
@pytest.mark.parametrize("shape", [(3, 4, 5), (8, 9, 4, 3)], ids=str)
def test_the_norm_of_a_model(shape, rank):
    factors = draw_factors(shape, rank)
    assert model_norm_squared(factors) == pytest.approx(np.sum(reference.cp_tensor(factors) ** 2), rel=1e-10)


def test_components_that_nearly_cancel_keep_their_digits():
    one = draw_factors((8, 9, 10), 1)
    other = [one[0] + 1e-7 * draw_factors((8, 9, 10), 1, seed=1)[0], one[1], one[2]]
    factors = [np.hstack([1e6 * one[0], -1e6 * other[0]]), *(np.hstack([factor, factor]) for factor in one[1:])]
    expected = 1e12 * np.prod([np.sum(A**2) for A in (one[0] - other[0], one[1], one[2])])
    assert model_norm_squared(factors) == pytest.approx(expected, rel=1e-5)


# ----------------------------------------------------------------------------------------------- dense and sparse alike

PLAIN = make_cp_tensor((10, 9, 11), 2, noise=white_noise(20), random_state=2).X
PLAIN[np.random.default_rng(2).random(PLAIN.shape) < 0.2] = 0.0
STORED = {
    "scipy": scipy.sparse.coo_array,
    "pydata": sparse.COO.from_numpy,
    "pyttb sptensor": lambda X: pyttb.tensor(X).to_sptensor(),
    "pyttb tensor": pyttb.tensor,
}


@pytest.fixture(scope="module")
def dense_estimate():
    return estimate_rank(PLAIN, range(1, 4), **SETTINGS)


SETTINGS = {"solver": ALS(tol=1e-15, max_iter=20_000), "n_starts": 5, "n_folds": 4, "random_state": 0}


@pytest.mark.parametrize("kind", STORED)
def test_the_same_tensor_has_the_same_rank_and_scores_however_it_is_stored(dense_estimate, kind):
    estimate = estimate_rank(STORED[kind](PLAIN), range(1, 4), **SETTINGS)
    assert estimate.rank == dense_estimate.rank == 2
    assert estimate.warnings == dense_estimate.warnings
    for name, expected in dense_estimate.table.replicates.items():
        got = estimate.table.replicates[name]
        # Which of several equal starts is called the best, and compared with the others, is up to rounding.
        if name != "stability_starts":
            # Past the true rank a fold may end in another optimum.
            up_to = 4 if name in ("fit", "loss_starts", "residual_excess", "ceiling") else 3
            np.testing.assert_allclose(got[:up_to], expected[:up_to], rtol=1e-8, atol=1e-8, err_msg=name)
    assert factor_match_score(estimate.model, dense_estimate.model) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("holdout", [RandomElements(0.1), RandomElements(0.5), RandomFibres(1), Blocks()], ids=repr)
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_folds_are_those_of_the_dense_tensor(holdout, missing):
    X = with_holes(draw((9, 10, 11)), missing)
    folds = [holdout.folds(as_tensor(data), 4, np.random.default_rng(0)) for data in (X, scipy.sparse.coo_array(X))]
    for one, other in zip(*folds, strict=True):
        np.testing.assert_array_equal(one.cells, other.cells)
        assert one.weights is other.weights is None
        X_seen, S_seen = one.training(as_tensor(X)), other.training(as_tensor(scipy.sparse.coo_array(X)))
        assert S_seen.norm_squared == pytest.approx(X_seen.norm_squared)
        factors = draw_factors(X_seen.shape, 2)
        assert S_seen.squared_error(factors) == pytest.approx(X_seen.squared_error(factors))


def test_missing_cells_of_a_sparse_tensor_are_those_of_the_dense_one():
    X = with_holes(PLAIN, 0.1)
    dense, stored = (estimate_rank(data, range(1, 3), **SETTINGS) for data in (X, scipy.sparse.coo_array(X)))
    assert dense.rank == stored.rank
    for name in ("fit", "core_consistency", "heldout"):
        np.testing.assert_allclose(stored.table.mean(name), dense.table.mean(name), rtol=1e-6, err_msg=name)


# ------------------------------------------------------------------------------------------------ sampled zeros


@pytest.fixture
def unlistable(monkeypatch):
    """Make small tensors count as too large for a list of their cells, and samples of zeros small."""
    monkeypatch.setattr("autoten.holdout.LISTABLE", 100)
    monkeypatch.setattr("autoten.holdout.FEWEST_ZEROS", 50)


def counts(seed=0):
    return make_count_tensor((15, 16, 17), 2, events=600, random_state=seed).X.astype(float)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_fold_hides_a_share_of_the_nonzeros_and_a_sample_of_the_zeros(unlistable, share):
    X = with_holes(counts(), share)
    folds = RandomElements(share).folds(as_tensor(scipy.sparse.coo_array(X)), 3, np.random.default_rng(0))
    seen = []
    for fold in folds:
        assert (np.diff(fold.cells) > 0).all()
        assert np.isfinite(X.ravel()[fold.cells]).all()
        nonzero = X.ravel()[fold.cells] != 0
        assert nonzero.sum() == round(share * np.count_nonzero(np.nan_to_num(X)))
        assert 25 < (~nonzero).sum() <= max(50, 2 * nonzero.sum())
        assert (fold.weights[nonzero] == 1).all()
        assert (fold.weights > 0).all()
        seen.append(fold.cells[nonzero])
    assert len(np.unique(np.concatenate(seen))) == sum(map(len, seen))  # disjoint, as all folds are


def test_the_weighted_error_estimates_that_of_hiding_a_share_of_all_cells(unlistable):
    X = counts()
    tensor, model = as_tensor(scipy.sparse.coo_array(X)), fit_parafac(X, 2, random_state=0).model
    squares = model.to_tensor().ravel() ** 2
    expected = 0.2 * squares[X.ravel() == 0].sum()
    folds = RandomElements(0.2).folds(tensor, 3000, np.random.default_rng(0))
    estimates = [squares[fold.cells] @ (fold.weights * (X.ravel()[fold.cells] == 0)) for fold in folds]
    assert np.mean(estimates) == pytest.approx(expected, abs=4 * np.std(estimates) / np.sqrt(len(estimates)))
    # A uniform sample would do far worse: the model is large where the data are.
    uniform = [
        0.2 * X.size * squares[rng_cells].mean()
        for rng_cells in np.random.default_rng(1).integers(X.size, size=(3000, 50))
    ]
    assert np.std(estimates) < 0.7 * np.std(uniform)


def test_blocks_hide_the_nonzeros_of_the_block_and_a_sample_of_its_zeros(unlistable):
    X = counts()
    tensor = as_tensor(scipy.sparse.coo_array(X))
    for fold in Blocks().folds(tensor, 3, np.random.default_rng(0)):
        block = np.zeros(X.shape, dtype=bool)
        block[np.ix_(*fold.left_out)] = True
        assert block.ravel()[fold.cells].all()
        nonzeros = np.flatnonzero(block & (X != 0))
        assert np.isin(nonzeros, fold.cells).all()
        assert (fold.weights[np.isin(fold.cells, nonzeros)] == 1).all()
        zeros = block.sum() - len(nonzeros)
        assert fold.weights.sum() - len(nonzeros) == pytest.approx(zeros, rel=0.6)


def test_an_estimate_from_sampled_zeros_agrees_with_one_from_all_cells(monkeypatch):
    drawn = make_count_tensor((30, 30, 30), 2, events=8000, random_state=1)
    assert (drawn.X == 0).mean() > 0.8
    stored = scipy.sparse.coo_array(drawn.X)
    everything = estimate_rank(stored, range(1, 4), n_starts=3, random_state=0)
    monkeypatch.setattr("autoten.holdout.LISTABLE", 100)
    sampled = estimate_rank(stored, range(1, 4), n_starts=3, random_state=0)
    assert sampled.rank == everything.rank
    np.testing.assert_allclose(sampled.table.mean("heldout"), everything.table.mean("heldout"), atol=0.05)


def test_fibres_of_a_tensor_too_large_to_list_are_refused_in_one_sentence(unlistable):
    sentence = (
        r"^a sparse tensor for RandomFibres must be of at most 100 cells\. Got 4080\. Use RandomElements or Blocks\.$"
    )
    with pytest.raises(ValueError, match=sentence):
        RandomFibres(0).folds(as_tensor(scipy.sparse.coo_array(counts())), 2, np.random.default_rng(0))


# --------------------------------------------------------------------------------------------------- large and empty

LARGE = (10**6, 10**6, 10**5)


@pytest.fixture(scope="module")
def large():
    """Return 3000 events of two components, each spread over 20 slabs of every mode, and the components' slabs."""
    rng = np.random.default_rng(0)
    slabs = [[rng.choice(length, 20, replace=False) for length in LARGE] for _ in range(2)]
    coords = np.hstack([[mode[rng.integers(20, size=1500)] for mode in component] for component in slabs])
    return scipy.sparse.coo_array((np.ones(3000), tuple(coords)), shape=LARGE), slabs


def test_a_tensor_of_10_to_the_17_cells(large):
    X, slabs = large
    tracemalloc.start()
    estimate = estimate_rank(X, range(1, 4), solver=ALS(), n_starts=3, n_folds=3, random_state=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Four models of 2.1 million rows, ranks 0 to 3, are all that is long; and the counts of the slabs' nonzeros.
    assert peak < 2.5 * 8 * sum(LARGE) * (1 + 2 + 3)
    assert estimate.rank == 2
    assert estimate.model.shape == LARGE
    for mode, factor in enumerate(estimate.model.factors):
        occupied = np.union1d(*(component[mode] for component in slabs))
        assert np.isin(np.flatnonzero(factor.any(axis=1)), occupied).all()
    assert f"Mode 0: {10**6 - 40:,} of 1,000,000 slabs hold no nonzero; their rows are zero" in estimate.report()
    assert "1000000 x 1000000 x 100000 tensor, 100000000000000000 observed cells" in estimate.report()
    assert estimate.table.shape == LARGE
    fit = fit_parafac(X, 2, n_starts=3, random_state=0)
    assert fit.model.shape == LARGE
    assert fit.loss == pytest.approx(estimate.table.replicates["loss_starts"][2].min(), rel=1e-5)
    assert core_consistency(X, fit.model) == pytest.approx(100.0, abs=0.01)
    estimate = estimate_rank(X, [1, 2], n_starts=2, n_folds=2, holdout=Blocks(), random_state=0)
    assert np.isfinite(estimate.table.replicates["heldout"]).all()


def test_slabs_without_a_nonzero_cost_nothing_and_change_nothing(monkeypatch):
    X = np.zeros((40, 12, 13))
    X[::3] = make_cp_tensor((14, 12, 13), 2, noise=white_noise(20), random_state=0).X
    X[X < 0] = 0.0
    monkeypatch.setattr("autoten.solvers.subspaces.DENSE_CELLS_PER_NONZERO", 0)  # else so small a tensor is made dense
    whole = fit_parafac(scipy.sparse.coo_array(X), 2, random_state=0)
    monkeypatch.setattr("autoten.solvers.subspaces.LONG_MODE", 30)
    tensor = as_tensor(scipy.sparse.coo_array(X))
    occupied = Occupied.of(tensor)
    assert occupied.tensor.shape[1:] == (12, 13)
    assert occupied.indices[0].tolist() == list(range(0, 40, 3))
    assert Occupied.of(as_tensor(X)).tensor.shape == X.shape
    fit = fit_parafac(scipy.sparse.coo_array(X), 2, random_state=0)
    assert fit.loss == pytest.approx(whole.loss, rel=1e-6)
    assert factor_match_score(fit.model, whole.model) == pytest.approx(1.0, abs=1e-6)
    assert not fit.model.factors[0][2].any()


@pytest.mark.parametrize("share", [0.0, 0.4])  # exact rows, dense or sparse
def test_a_small_tensor_that_is_not_very_sparse_is_fitted_dense(share, monkeypatch):
    X = draw((14, 12, 13), 0.2)
    cells = np.flatnonzero(np.isnan(with_holes(X, share)))
    tensor = sparse_of(X).hide(cells)
    dense = Occupied.of(tensor).tensor
    assert isinstance(dense, DenseTensor)
    X.ravel()[cells] = np.nan
    check_tensor(dense, X, 1e-12)
    start = draw_model(X.shape, 3)
    for solver in (ALS(compress=False), HALS()):
        fits = [solver.fit(each, start, max_iter=40) for each in (tensor, dense)]
        np.testing.assert_allclose(fits[1].history, fits[0].history, rtol=1e-6)
    very_sparse, large = sparse_of(draw((14, 12, 13), 0.05)), sparse_of(draw((200, 150, 150), 0.2))
    assert Occupied.of(very_sparse).tensor is very_sparse
    assert Occupied.of(large).tensor is large


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("stored", [scipy.sparse.coo_array, np.asarray], ids=["sparse", "dense"])
def test_long_modes_are_sketched(monkeypatch, stored, missing):
    X = with_holes(make_cp_tensor((60, 12, 13), 3, noise=white_noise(30), random_state=0).X, missing)
    exact = Subspaces(as_tensor(X)).bases(3)
    monkeypatch.setattr("autoten.solvers.subspaces.LONG_MODE", 30)
    tensor = as_tensor(stored(X))
    grams, gram = [], type(tensor).gram

    def counted(self, mode):
        grams.append(mode)
        return gram(self, mode)

    monkeypatch.setattr(type(tensor), "gram", counted)
    sketched, *_ = Subspaces(tensor).bases(3)
    assert grams == [1, 2]
    np.testing.assert_allclose(sketched.T @ sketched, np.eye(26), atol=1e-10)
    np.testing.assert_allclose(np.abs(np.sum(sketched[:, :3] * exact[0][:, :3], axis=0)), 1.0, atol=1e-3 + missing)
    np.testing.assert_array_equal(Subspaces(tensor).bases(3)[0], sketched)
    assert Subspaces(as_tensor(stored(X))).bases(30)[0].shape == (60, 60)


def test_twin_slabs_are_found_at_the_cost_of_the_nonzeros():
    X = counts()
    X[5] = X[9]
    tensor = as_tensor(scipy.sparse.coo_array(X))
    (warning,) = _sum_warnings(tensor, NO_LABELS)
    assert warning.startswith("Mode 0: slabs 5 and 9 are identical")
    X[3], X[4] = 0.0, 0.0
    X[3, 1, 1] = X[4, 1, 1] = 2.0  # the same by chance
    X[5, 0, 0] += 1
    assert list(_sum_warnings(as_tensor(scipy.sparse.coo_array(X)), NO_LABELS)) == []


def test_a_sparse_tensor_of_zeros_is_scored_as_the_dense_one():
    zeros = scipy.sparse.coo_array((5, 6, 7)), np.zeros((5, 6, 7))
    one, other = (estimate_rank(X, [1, 2], n_starts=2, n_folds=2, random_state=0) for X in zeros)
    assert one.warnings == other.warnings
    assert one.report().rsplit(";", 1)[0] == other.report().rsplit(";", 1)[0]  # all but the seconds
