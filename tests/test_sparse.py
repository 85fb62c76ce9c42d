"""SparseTensor against the slow definitions, and the same tensor given dense or sparse."""

from itertools import product

import numpy as np
import pytest
import reference
from contracts import TensorCase, TensorContract, assert_close, check_tensor, draw_factors, with_holes
from hypothesis import given, settings
from hypothesis import strategies as st

from autoten.io import as_tensor
from autoten.tensors.equations import model_norm_squared
from autoten.tensors.sparse import SparseTensor

SHAPES = [(3, 4, 5), (7, 6, 3), (2, 3, 4, 3), (2, 3, 2, 2, 3)]


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
    @grid(SHAPES, [0.05, 0.3, 1.0], ["f4", "f8"])
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
        unfolded = reference.unfold(X, mode)
        assert_close(tensor.gram_times(mode, factors[mode]), unfolded @ unfolded.T @ factors[mode], 1e-9)
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
    assert tensor.nonzeros.tolist() == [3, 7]
    assert tensor.values.tolist() == [2.0, 1.5]
    zeroed = tensor.zeroed(np.array([3, 4]))
    assert (zeroed.nonzeros.tolist(), zeroed.values.tolist()) == ([7], [1.5])


@pytest.mark.parametrize("filled", [0.1, 0.6])
def test_signs_are_those_of_the_dense_tensor(filled):
    X = draw((6, 7, 8), filled)
    signs = [data.with_random_signs(np.random.default_rng(3)) for data in (sparse_of(X), as_tensor(X))]
    everywhere = np.arange(X.size)
    np.testing.assert_array_equal(signs[0].values_at(everywhere), signs[1].values_at(everywhere))
    np.testing.assert_array_equal(np.abs(signs[0].values), np.abs(X[X != 0]))


@pytest.mark.parametrize("rank", [0, 1, 2, 7])
@pytest.mark.parametrize("shape", [(3, 4, 5), (8, 9, 4, 3)], ids=str)
def test_the_norm_of_a_model(shape, rank):
    factors = draw_factors(shape, rank)
    expected = np.sum(reference.cp_tensor(factors) ** 2)
    assert model_norm_squared(factors) == pytest.approx(expected, rel=1e-12)


def test_the_norm_of_a_model_of_many_components_comes_from_gram_matrices():
    factors = draw_factors((9, 10, 11), 120)
    assert model_norm_squared(factors) == pytest.approx(np.sum(np.einsum("ir,jr,kr->ijk", *factors) ** 2), rel=1e-10)


def test_components_that_nearly_cancel_keep_their_digits():
    one = draw_factors((8, 9, 10), 1)
    other = [one[0] + 1e-7 * draw_factors((8, 9, 10), 1, seed=1)[0], one[1], one[2]]
    factors = [
        np.hstack([1e6 * one[0], -1e6 * other[0]]),
        *(np.hstack(pair) for pair in zip(one[1:], other[1:], strict=True)),
    ]
    expected = 1e12 * np.prod([np.sum(A**2) for A in (one[0] - other[0], one[1], one[2])])
    assert model_norm_squared(factors) == pytest.approx(expected, rel=1e-5)
