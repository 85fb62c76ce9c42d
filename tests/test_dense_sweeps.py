"""Sweeps over a dense array: most of them in the span of the last step, and where they end."""

import itertools
import math

import numpy as np
import pytest
from contracts import SolverContract, draw_model, noisy_tensor

from autoten import ALS, factor_match_score
from autoten import _als_kernel as loop
from autoten.datasets import collinear_factors, make_cp_tensor, white_noise
from autoten.io import as_tensor
from autoten.solvers.dense import DenseSweeps

SHAPE = (32, 34, 36)


@pytest.fixture
def rounds(monkeypatch):
    """The lengths of all rounds that are done by subspaces."""
    done = []
    one_round = DenseSweeps._round

    def counted(self, *args):
        losses, settled = one_round(self, *args)
        done.append(len(losses))
        return losses, settled

    monkeypatch.setattr(DenseSweeps, "_round", counted)
    return done


class TestALSBySubspaces(SolverContract):
    """The contract's tensors are small: here subspaces are used for them all the same."""

    solver = ALS()

    @pytest.fixture(autouse=True)
    def _always(self, monkeypatch):
        monkeypatch.setattr("autoten.solvers.dense.FEWEST_CELLS", 0)
        monkeypatch.setattr("autoten.solvers.dense.LARGEST_SHARE", 1.0)


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


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_the_loss_never_rises_and_the_last_one_is_that_of_the_model(missing, rounds):
    X, start = noisy_tensor(SHAPE, 3, noise=0.3, missing=missing), draw_model(SHAPE, 6, seed=2)
    tensor = as_tensor(X)
    sweeps = DenseSweeps(tensor.dense_rows(), SHAPE, tensor.norm_squared, start.normalized(), 1e-9, True)
    losses, _ = sweeps.sweep_by_subspaces(400, math.inf)
    assert len(rounds) > 2
    assert (np.diff(losses) <= 1e-12 * losses[0]).all()
    expected = np.nansum((X - sweeps.model.to_tensor()) ** 2)
    assert sweeps.residual_error() == pytest.approx(expected, rel=1e-9)
    # Of a filled tensor the loss in a subspace is an upper bound, close to the loss at the end.
    assert expected <= losses[-1] * (1 + 1e-9)
    assert losses[-1] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("max_iter", [1, 2, 41, 42, 60])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_all_sweeps_count(max_iter, missing):
    X, start = noisy_tensor(SHAPE, 3, noise=0.3, missing=missing), draw_model(SHAPE, 7, seed=2)
    fit = ALS(tol=1e-14).fit(as_tensor(X), start, max_iter=max_iter)
    assert fit.n_iter == len(fit.history) <= max_iter
    assert not fit.converged


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("deadline", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 9.0])
def test_whenever_the_deadline_passes_there_is_a_model(deadline, missing, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("autoten.solvers.dense.CALL_SECONDS", 1e-12)
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    X, start = noisy_tensor(SHAPE, 3, noise=0.3, missing=missing), draw_model(SHAPE, 6, seed=2)
    fit = ALS().fit(as_tensor(X), start, deadline=deadline)
    assert not fit.converged
    assert fit.n_iter <= deadline
    assert np.isfinite(fit.loss)


@pytest.mark.parametrize(
    ("solver", "missing", "rank"),
    [(ALS(compress=False), 0.0, 3), (ALS(extrapolate=False), 0.0, 3), (ALS(), 0.4, 3), (ALS(), 0.0, 10)],
    ids=["compress=False", "extrapolate=False", "rows solved exactly", "a core as large as the tensor"],
)
def test_where_they_do_not_suit_every_sweep_is_in_full_space(solver, missing, rank, rounds):
    X, start = noisy_tensor(SHAPE, 3, missing=missing), draw_model(SHAPE, rank, seed=2)
    solver.fit(as_tensor(X), start, max_iter=20)
    assert rounds == []


def test_small_tensors_are_swept_in_full_space(rounds):
    shape = (20, 21, 22)
    ALS().fit(as_tensor(noisy_tensor(shape, 2)), draw_model(shape, 2, seed=2), max_iter=20)
    assert rounds == []


def test_a_mode_shorter_than_twice_the_rank_is_taken_whole(rounds):
    shape = (4, 120, 110)
    X, start = noisy_tensor(shape, 3, noise=0.3), draw_model(shape, 6, seed=2)
    fit, plain = (ALS(compress=compress).fit(as_tensor(X), start) for compress in (True, False))
    assert rounds
    assert fit.loss == pytest.approx(plain.loss, rel=1e-2)


# ------------------------------------------------------------------------------------------------------ when to stop


def test_a_fit_that_converges_fast_may_stop_before_two_windows_are_full():
    losses = 1.0 + 0.1 ** np.arange(1.0, 10.0)
    assert loop.to_come(losses, 3) == np.inf
    assert loop.to_come(losses, 4) == pytest.approx(50 * 0.9e-3, rel=1e-9)


@pytest.mark.parametrize("rate", [0.5, 0.9, 1.0])
def test_one_that_slows_down_may_not(rate):
    falls = np.concatenate([[0.1, 0.01], 0.001 * rate ** np.arange(7)])
    losses = 1.0 - np.cumsum(falls)
    assert loop.to_come(losses, 5) == np.inf
    assert loop.to_come(losses, 6) == np.inf
