"""One sentence for each wrong input: what is called, what it raises, and what the sentence says."""

import math
import re

import numpy as np
import pytest

from autoten import ALS, RandomElements, RandomFibres, estimate_rank
from autoten.selection import Calibrated

# Rows: a name, a call without arguments, the kind of error, a pattern of the sentence. One section for each part.

SELECTION_AND_SCORES = []

# ---

PLOTS = []

# ---

TENSORS = []

# ---

SOLVERS_AND_HOLDOUTS = []

# ---

STORE_AND_COMMAND = []

# ---

X = np.random.default_rng(0).standard_normal((8, 7, 6))

# An argument of estimate_rank, what it must be, values out of range, and values of another type.
ARGUMENTS = [
    (
        "ranks",
        "ranks of estimate_rank must be positive integers. Got {!r}. Give a range such as range(1, 11), or its end "
        "alone; rank 0 (nothing beyond noise) is always added.",
        [0, [0, 1, 2], -3, [2, -1]],
        [2.0, [1, 2.5], [np.float64(1.0)], True, [True, 2], "1:10", ["1"], [[1, 2]]],
    ),
    (
        "ranks",
        "the largest of the ranks of estimate_rank must be at most 42, the largest rank that a tensor of shape "
        "(8, 7, 6) can have. Got {!r}. Ask for fewer components.",
        [43, 10**30],
        [],
    ),
    ("n_starts", "n_starts of estimate_rank must be an integer >= 1. Got {!r}.", [0], [2.5, True, "10"]),
    ("n_folds", "n_folds of estimate_rank must be an integer >= 2. Got {!r}.", [1], [None]),
    ("n_splits", "n_splits of estimate_rank must be an integer >= 0. Got {!r}.", [-1], []),
    (
        "solver",
        "solver of estimate_rank must be a Solver such as ALS(), with fit and compress. Got {!r}.",
        [],
        [ALS, "als", 0],
    ),
    (
        "policy",
        "policy of estimate_rank must be a function from a RankTable to a Choice, such as Knee(). Got {!r}.",
        [],
        [None, "knee", Calibrated],
    ),
    (
        "holdout",
        "holdout of estimate_rank must be a hold-out such as RandomElements(0.1). Got {!r}.",
        [],
        [0.1, None, RandomElements],
    ),
    (
        "scorers",
        "scorers of estimate_rank must be a sequence of functions of a tensor and the fits of a rank. Got {!r}.",
        [],
        [None, [1], "fit"],
    ),
    ("max_time", "max_time must be a number above 0 and below inf. Got {!r}.", [0, -1.5, math.inf, math.nan], ["1"]),
    ("random_state", "random_state must be an int, a Generator, RandomState or None. Got {!r}.", [], ["a", 1.5, True]),
    ("random_state", "random_state must be a seed >= 0, a Generator, RandomState or None. Got {!r}.", [-1], []),
    (
        "n_jobs",
        "n_jobs of estimate_rank must be a number of workers, or -1 for all cores. Got {!r}.",
        [0, "two", 1.5, True],
        [],
    ),
]


def refused(name, call, kind, sentence, *, whole=False):
    """Return a row: the sentence as it is, or as it begins."""
    return name, call, kind, f"^{re.escape(sentence)}{'$' if whole else ''}"


def estimating(X=X, **wrong):
    return lambda: estimate_rank(X, **wrong)


DOOR_AND_ESTIMATE = [
    *(
        refused(f"{name}={value!r}", estimating(**{name: value}), kind, must.format(value), whole=True)
        for name, must, out_of_range, of_another_type in ARGUMENTS
        for kind, values in ((ValueError, out_of_range), (TypeError, of_another_type))
        for value in values
    ),
    *(
        refused("no ranks", estimating(ranks=none), ValueError, "ranks of estimate_rank must be positive integers. Got")
        for none in ([], range(0))
    ),
    refused(
        "ranks that so few cells do not determine",
        estimating(X[:4, :4, :4], ranks=[7]),
        ValueError,
        "ranks of estimate_rank must be such that 64 observed cells determine one: 6 or less. Got 7.",
        whole=True,
    ),
    refused(
        "a long range",
        estimating(ranks=range(10**30, 0, -1)),
        ValueError,
        "the largest of the ranks of estimate_rank must be at most 42, the largest rank that a tensor",
    ),
    refused(
        "a hold-out of a fourth mode",
        estimating(holdout=RandomFibres(3)),
        ValueError,
        "mode of RandomFibres must be a mode of a tensor with 3 modes, 0 to 2. Got 3.",
        whole=True,
    ),
    (
        "a policy that misses its scores",
        estimating(ranks=[1], scorers=()),
        ValueError,
        r"must be one with the score '\w+'\. Got only ranks\. Add the scorer",
    ),
    ("a second positional argument", lambda: estimate_rank(X, [1], ALS()), TypeError, "positional"),
]

# ---

REFUSALS = [
    *SELECTION_AND_SCORES,
    *PLOTS,
    *TENSORS,
    *SOLVERS_AND_HOLDOUTS,
    *STORE_AND_COMMAND,
    *DOOR_AND_ESTIMATE,
]


@pytest.mark.parametrize(("call", "kind", "sentence"), [pytest.param(*row[1:], id=row[0]) for row in REFUSALS])
def test_a_wrong_input_gets_one_sentence(call, kind, sentence):
    with pytest.raises(kind, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)
