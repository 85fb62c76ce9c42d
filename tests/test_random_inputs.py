"""Two hundred random inputs: each gets a finite answer, or one sentence that refuses it (`random_inputs` has more)."""

import numpy as np
import pytest
from random_inputs import DRAWN, Drawn, drawn, failure

from autoten.scores import DEFAULT_SCORERS

SEED, PARTS, EACH = 0, 10, 20


@pytest.mark.parametrize("part", range(PARTS))
def test_every_input_gets_a_finite_answer_or_one_sentence(part):
    numbers = range(part * EACH, (part + 1) * EACH)
    found = {number: failure(drawn(SEED, number), shown=number % DRAWN == 0) for number in numbers}
    assert {number: words for number, words in found.items() if words} == {}


def test_the_same_seed_draws_the_same_input():
    one, again = drawn(3, 1), drawn(3, 1)
    assert one.words == again.words
    np.testing.assert_array_equal(one.X(), again.X())
    assert drawn(3, 2).words != one.words


X = np.random.default_rng(0).standard_normal((3, 4, 5))
QUICK = {"ranks": [1], "n_starts": 1, "n_folds": 2, "random_state": 0}


def raising(error):
    def raise_it():
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("made", "arguments", "words"),
    [
        (lambda: X, {}, None),
        (lambda: X[0], {}, None),
        (raising(ValueError("zero-size array")), {}, "ValueError: zero-size array"),
        (raising(ZeroDivisionError("division by zero")), {}, "ZeroDivisionError: division by zero"),
        (lambda: X + np.float64(0) / np.float64(0), {}, "RuntimeWarning: invalid value"),
        (lambda: X, {"scorers": [*DEFAULT_SCORERS, lambda tensor, fits: {"mine": np.inf}]}, "infinite"),
    ],
)
def test_the_judge_finds_what_is_wrong(made, arguments, words):
    found = failure(Drawn(made, QUICK | arguments, ""))
    assert (found is None) == (words is None)
    assert words is None or words in found
