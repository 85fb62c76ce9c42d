"""A small version of benchmarks/bench_recovery.py: the true rank on easy draws, and where one axis alone fails."""

import numpy as np
import pytest

import autoten
from autoten.datasets import gaussian_factors, make_cp_tensor, structured_noise, uniform_factors, white_noise
from autoten.selection import CoreConsistencyThreshold, OneStandardError


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("shape", [(20, 16, 24), (8, 9, 10, 7)])
@pytest.mark.parametrize("factors", [gaussian_factors, uniform_factors])
def test_the_true_rank_under_white_noise(shape, rank, factors):
    X = make_cp_tensor(shape, rank, factors=factors, noise=white_noise(15.0), random_state=rank).X
    assert autoten.estimate_rank(X, range(1, 7), n_starts=5, random_state=0).rank == rank


def test_pure_noise_has_rank_zero():
    answers = [
        autoten.estimate_rank(np.random.default_rng(seed).standard_normal((12, 13, 14)), range(1, 4), random_state=0)
        for seed in range(5)
    ]
    assert sum(answer.rank == 0 for answer in answers) >= 4


def test_both_axes_win_where_each_alone_fails():
    X = make_cp_tensor((25, 20, 22), 3, noise=structured_noise(0.5), random_state=1).X
    estimate = autoten.estimate_rank(X, range(1, 9), n_starts=5, random_state=0)
    assert estimate.rank == 3
    assert estimate.select(OneStandardError()).rank > 3
    assert estimate.select(CoreConsistencyThreshold(80.0)).rank > 3
