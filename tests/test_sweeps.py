"""The sweeps of least squares: by whatever stores the tensor, in the span of the last step, and where they end."""

import itertools
import math

import numpy as np
import pytest
from contracts import SolverContract, draw_model, noisy_tensor

from autoten import ALS, HALS, CPModel, factor_match_score, weighted
from autoten.datasets import collinear_factors, make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.solvers.least_squares import Core, Sweeps, problem_of
from autoten.solvers.stopping import to_come
from autoten.solvers.subspaces import Compression
from autoten.tensors.sparse import SparseTensor

SHAPE = (32, 34, 36)


@pytest.fixture
def rounds(monkeypatch):
    """The lengths of all rounds that are done by subspaces."""
    done = []
    one_round = Sweeps._round

    def counted(self, *args):
        losses, settled = one_round(self, *args)
        done.append(len(losses))
        return losses, settled

    monkeypatch.setattr(Sweeps, "_round", counted)
    return done


class TestALSBySubspaces(SolverContract):
    """The contract's tensors are small: here subspaces are used for them all the same."""

    solver = ALS()
    # In the span of a completed tensor losses are upper bounds, close to those of the observed cells.
    OF_HISTORY = 1e-4

    @pytest.fixture(autouse=True)
    def _always(self, monkeypatch):
        monkeypatch.setattr("autoten.solvers.least_squares.FEWEST_CELLS", 0)
        monkeypatch.setattr("autoten.solvers.least_squares.LARGEST_SHARE", 1.0)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_they_end_where_sweeps_in_full_space_end(missing, dtype, rounds):
    X = noisy_tensor(SHAPE, 3, noise=0.3, missing=missing).astype(dtype)
    start = draw_model(SHAPE, 3, seed=1)
    fit, plain = (ALS(tol=1e-10, compress=compress).fit(as_tensor(X), start) for compress in (True, False))
    assert fit.converged
    assert fit.loss == pytest.approx(plain.loss, rel=1e-8)
    assert factor_match_score(fit.model, plain.model) > 1 - 1e-6
    assert bool(rounds) == (missing == 0.0)  # with hidden cells sweeps in full space come first, and were enough


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_a_swamp_is_crossed_with_few_sweeps_in_full_space(missing, rounds):
    X = make_cp_tensor(SHAPE, 3, factors=collinear_factors(0.95), noise=white_noise(30), random_state=3).X
    if missing:
        X.flat[np.random.default_rng(0).permutation(X.size)[: int(missing * X.size)]] = np.nan
    start = draw_model(SHAPE, 3, seed=5)
    fit, plain = (ALS(compress=compress).fit(as_tensor(X), start) for compress in (True, False))
    assert fit.converged
    assert fit.loss <= plain.loss * (1 + 1e-5)
    assert len(rounds) < plain.n_iter / 5


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.4, 0.6])
def test_the_loss_never_rises_and_the_last_one_is_that_of_the_model(missing, rounds):
    X, start = noisy_tensor(SHAPE, 3, noise=0.3, missing=missing), draw_model(SHAPE, 6, seed=2)
    sweeps = Sweeps(problem_of(as_tensor(X), 6), start.normalized(), 1e-9, True)
    losses, _ = sweeps.sweep_by_subspaces(400, math.inf)
    assert len(rounds) > 2
    assert (np.diff(losses) <= 1e-12 * losses[0]).all()
    expected = np.nansum((X - sweeps.model.to_tensor()) ** 2)
    # Of a filled tensor the loss in a subspace is an upper bound, close to the loss at the end.
    assert expected <= losses[-1] * (1 + 1e-9)
    assert losses[-1] == pytest.approx(expected, rel=1e-6)


def check_rounds(tensor, X, rounds, lists=None):
    """Sweep by subspaces and in full space alone, with hardly a tolerance; compare where they end."""
    problem, start = problem_of(tensor, 3), draw_model(X.shape, 3, seed=5).scaled(0.0).normalized()
    by_rounds, plain = Sweeps(problem, start, 1e-12, True, lists), Sweeps(problem, start, 1e-12, True)
    losses, settled = by_rounds.sweep_by_subspaces(3000, math.inf)
    expected, also = plain.sweep(3000, math.inf)
    assert (settled, also) == (True, True)
    assert rounds
    assert (np.diff(losses) <= 1e-12 * losses[0]).all()
    assert np.nansum((X - by_rounds.model.to_tensor()) ** 2) == pytest.approx(expected[-1], rel=1e-8)
    assert factor_match_score(by_rounds.model, plain.model) > 1 - 1e-6


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.4])
def test_rounds_of_a_sparse_tensor_end_where_sweeps_in_full_space_end(missing, rounds):
    rng, shape = np.random.default_rng(0), (40, 42, 44)
    factors = [rng.random((length, 3)) * (rng.random((length, 1)) < 0.5) for length in shape]  # much alike
    X = np.einsum("ir,jr,kr->ijk", *factors) * (1.0 + 0.3 * rng.standard_normal(shape))
    nonzero, hidden = np.flatnonzero(X), np.sort(rng.permutation(X.size)[: int(missing * X.size)])
    tensor = SparseTensor.of(nonzero, X.ravel()[nonzero], X.shape).hide(hidden)
    X.ravel()[hidden] = np.nan
    check_rounds(tensor, X, rounds, tensor)


@pytest.mark.parametrize("missing", [0.1, 0.4, 0.6])
def test_rounds_that_complete_what_is_hidden_end_where_sweeps_in_full_space_end(missing, rounds):
    X = make_cp_tensor(SHAPE, 3, factors=collinear_factors(0.9), noise=white_noise(20), random_state=3).X
    X.flat[np.random.default_rng(0).permutation(X.size)[: int(missing * X.size)]] = np.nan
    check_rounds(as_tensor(X), X, rounds)


@pytest.mark.parametrize(("max_iter", "missing"), [(1, 0.0), (2, 0.1), (41, 0.1), (42, 0.0), (60, 0.1)])
def test_all_sweeps_count(max_iter, missing):
    X, start = noisy_tensor(SHAPE, 3, noise=0.3, missing=missing), draw_model(SHAPE, 7, seed=2)
    fit = ALS(tol=1e-14).fit(as_tensor(X), start, max_iter=max_iter)
    assert fit.n_iter == len(fit.history) <= max_iter
    assert not fit.converged


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("deadline", [0.0, 2.0, 3.0, 4.0, 9.0])
def test_whenever_the_deadline_passes_there_is_a_model(deadline, missing, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("autoten.solvers.loop.CALL_SECONDS", 1e-12)
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    X, start = noisy_tensor(SHAPE, 3, noise=0.3, missing=missing), draw_model(SHAPE, 6, seed=2)
    fit = ALS().fit(as_tensor(X), start, deadline=deadline)
    assert not fit.converged
    assert fit.n_iter <= deadline
    assert np.isfinite(fit.loss)


@pytest.mark.parametrize(
    ("solver", "missing", "rank", "shape"),
    [
        (ALS(compress=False), 0.4, 3, SHAPE),
        (ALS(extrapolate=False), 0.0, 3, SHAPE),
        (HALS(), 0.0, 3, SHAPE),
        (HALS(), 0.4, 3, SHAPE),
        (ALS(), 0.0, 10, SHAPE),  # a core nearly as large as the tensor
        (ALS(tol=1e-14), 0.1, 2, (20, 21, 22)),  # a small tensor
    ],
    ids=repr,
)
def test_where_they_do_not_suit_every_sweep_is_in_full_space(solver, missing, rank, shape, rounds):
    X, start = noisy_tensor(shape, 3, missing=missing), draw_model(shape, rank, seed=2)
    solver.fit(as_tensor(X), start, max_iter=60)
    assert rounds == []


def test_weights_cannot_be_completed_and_every_sweep_is_in_full_space(rounds):
    X, start = noisy_tensor(SHAPE, 3), draw_model(SHAPE, 3, seed=2)
    noise = np.random.default_rng(0).uniform(0.5, 2.0, SHAPE)
    ALS(tol=1e-14).fit(as_tensor(weighted(X, noise)), start, max_iter=60)
    assert rounds == []


def test_a_mode_shorter_than_twice_the_rank_is_taken_whole(rounds):
    shape = (4, 120, 110)
    X, start = noisy_tensor(shape, 3, noise=0.3), draw_model(shape, 6, seed=2)
    fit, plain = (ALS(compress=compress).fit(as_tensor(X), start) for compress in (True, False))
    assert rounds
    assert fit.loss == pytest.approx(plain.loss, rel=1e-2)


# --------------------------------------------------------------------------------------- one problem, stored otherwise


both = pytest.mark.parametrize("extrapolate", [False, True])


def nonnegative(model):
    return CPModel(model.weights, tuple(map(np.abs, model.factors)))


def assert_same_sweeps(problems, start, extrapolate, n=60):
    """Sweep by two problems from the same start; compare their losses one by one, and where they end."""
    one, other = (Sweeps(problem, start.normalized(), 0.0, extrapolate) for problem in problems)
    losses, expected = (sweeps.sweep(n, math.inf)[0] for sweeps in (one, other))
    size = problems[0].norm_squared
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-9 * size)
    np.testing.assert_allclose(one.model.to_tensor(), other.model.to_tensor(), rtol=0, atol=1e-6 * np.sqrt(size))


@both
@pytest.mark.parametrize("modes", [(), (0, 1, 2), (1,)], ids=str)
def test_a_tensor_of_low_multilinear_rank_is_swept_by_its_core(modes, extrapolate):
    rng = np.random.default_rng(0)
    bases = [np.linalg.qr(np.abs(rng.standard_normal(shape)))[0] for shape in ((12, 4), (13, 5), (14, 6))]
    tensor = as_tensor(np.einsum("abc,ia,jb,kc->ijk", np.abs(rng.standard_normal((4, 5, 6))), *bases))
    whole = problem_of(tensor, 3, modes)
    inner = problem_of(Compression.of(tensor, bases).core, 3)
    core = Core(inner, tuple(bases), whole.layout, inner.norm_squared)
    assert_same_sweeps([core, whole], nonnegative(draw_model(tensor.shape, 3, seed=1)), extrapolate)


@both
@pytest.mark.parametrize("share", [0.0, 0.25])
@pytest.mark.parametrize("modes", [(), (0, 2)], ids=str)
@pytest.mark.parametrize("shape", [(7, 8, 9), (4, 5, 6, 3)], ids=str)
def test_a_list_of_nonzeros_is_swept_as_the_array_is(shape, modes, share, extrapolate):
    # Rows of a list have equations of their own where cells are hidden, whatever share of them.
    rng = np.random.default_rng(0)
    X = np.where(rng.random(shape) < 0.4, 1.0 + rng.standard_normal(shape), 0.0)
    nonzero, hidden = np.flatnonzero(X), np.sort(rng.permutation(X.size)[: int(share * X.size)])
    tensors = SparseTensor.of(nonzero, X.ravel()[nonzero], shape), as_tensor(X)
    problems = [problem_of(tensor.hide(hidden), 3, modes, 0.0) for tensor in tensors]
    assert [problem.n_cells for problem in problems] == [0, 0]
    assert_same_sweeps(problems, nonnegative(draw_model(shape, 3, seed=1)).scaled(2.0), extrapolate)


# ------------------------------------------------------------------------------------------------------ when to stop


def test_a_fit_that_converges_fast_may_stop_before_two_windows_are_full():
    losses = 1.0 + 0.1 ** np.arange(1.0, 10.0)
    assert to_come(losses, 3) == np.inf
    assert to_come(losses, 4) == pytest.approx(50 * 0.9e-3, rel=1e-9)


@pytest.mark.parametrize("rate", [0.5, 0.9, 1.0])
def test_one_that_slows_down_may_not(rate):
    falls = np.concatenate([[0.1, 0.01], 0.001 * rate ** np.arange(7)])
    losses = 1.0 - np.cumsum(falls)
    assert to_come(losses, 5) == np.inf
    assert to_come(losses, 6) == np.inf
