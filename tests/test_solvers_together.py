"""Several solvers in one estimate: a table for each, and policies that choose between them."""

import json
import math
import time
from dataclasses import dataclass

import numpy as np
import pytest
from contracts import noisy_tensor
from test_kl import counts

from autoten import ALS, HALS, KL, RankTable, estimate_rank, load, selection
from autoten.datasets import make_cp_tensor, white_noise
from autoten.selection import AutoTen2016, BestLoss, CoreConsistencyThreshold, HeldOutMinimum, choose_between

BRIEF = {"n_starts": 3, "n_folds": 3, "random_state": 0}


@pytest.fixture(scope="module")
def both():
    return estimate_rank(counts((12, 13, 14), 2, gamma=0.4), range(1, 5), solver=(ALS(), KL()), **BRIEF)


def test_each_solver_has_the_table_that_it_has_alone(both):
    assert list(both.by_solver) == ["ALS", "KL"]
    X = counts((12, 13, 14), 2, gamma=0.4)
    for name, solver in (("ALS", ALS()), ("KL", KL())):
        alone = estimate_rank(X, range(1, 5), solver=solver, **BRIEF)
        assert list(alone.table.replicates) == list(both.by_solver[name].table.replicates)
        for score in alone.table.replicates:
            np.testing.assert_array_equal(alone.table[score], both.by_solver[name].table[score])
        assert alone.by_solver == {}


def test_the_answer_is_that_of_one_of_them(both):
    assert both.rank == 2
    (chosen,) = (name for name, each in both.by_solver.items() if each.table is both.table)
    assert both.settings["solver"] == repr({"ALS": ALS(), "KL": KL()}[chosen])
    assert f"By {chosen}, whose squared error at held-out cells is" in both.reason
    assert both.model is both.by_solver[chosen].model


def test_another_policy_chooses_between_them_too(both):
    for policy in (HeldOutMinimum(), BestLoss(HeldOutMinimum()), AutoTen2016(), CoreConsistencyThreshold()):
        tables = {name: each.table for name, each in both.by_solver.items()}
        assert both.select(policy) == choose_between(policy, tables)[1]


def test_everything_is_saved_and_shown(both, tmp_path):
    both.save(tmp_path / "both.npz")
    again = load(tmp_path / "both.npz")
    assert again.report() == both.report()
    assert again.to_json() == both.to_json()
    assert list(json.loads(both.to_json())["by_solver"]) == ["ALS", "KL"]
    frame = both.to_frame()
    assert frame.index.names == ["solver", "rank"]
    assert frame.index.tolist() == [(name, rank) for name in ("ALS", "KL") for rank in range(5)]
    assert frame.loc[("KL", 2), "heldout"] == pytest.approx(both.by_solver["KL"].table.value("heldout", 2))


def test_kl_is_left_out_of_negative_data_with_a_word():
    X = noisy_tensor((6, 7, 8), 1)
    estimate = estimate_rank(X, [1, 2], solver=(ALS(), KL()), **BRIEF)
    assert list(estimate.by_solver) == ["ALS"]
    assert estimate.warnings[-1] == (
        f"KL was left out. X for the solver KL must be counts or other amounts >= 0. Got {X.min():.6g} as the smallest "
        "cell. Use ALS() for data with negative values."
    )
    np.testing.assert_array_equal(estimate.table["fit"], estimate_rank(X, [1, 2], **BRIEF).table["fit"])


def test_solvers_of_one_class_are_told_apart():
    solvers = (HALS(), HALS(nonnegative=(0,)))
    estimate = estimate_rank(noisy_tensor((5, 6, 7), 1) + 2, [1], solver=solvers, **BRIEF)
    assert list(estimate.by_solver) == [repr(solver) for solver in solvers]


# ------------------------------------------------------------------------------------------------------------ policies


def table(**scores):
    rows = len(next(iter(scores.values())))
    columns = {name: [[np.nan], *([value] for value in values)] for name, values in scores.items()}
    return RankTable(range(rows + 1), columns, (8, 9, 10))


def test_best_loss_compares_squared_errors_at_each_ones_own_rank():
    als = table(heldout=[0.5, 0.3, 0.31])
    kl = table(heldout=[0.2, 0.1, 0.09], heldout_squared=[0.6, 0.4, 0.35])
    name, choice = BestLoss(HeldOutMinimum()).between({"ALS": als, "KL": kl})
    assert (name, choice.rank) == ("ALS", 2)
    assert choice.reason.endswith(
        "By ALS, whose squared error at held-out cells is 30 % of the zero model's; "
        "by KL 35 % (it says 3; 40 % at rank 2). "
        "ALS and KL disagree on the rank: look at both."
    )
    short = kl.restricted([0, 1, 3])
    assert (
        "by KL 35 % (it says 3; unknown at rank 2)."
        in BestLoss(HeldOutMinimum()).between({"ALS": als, "KL": short})[1].reason
    )
    kl = table(heldout=[0.2, 0.1, 0.09], heldout_squared=[0.6, 0.4, 0.25])
    assert BestLoss(HeldOutMinimum()).between({"ALS": als, "KL": kl})[0] == "KL"
    assert BestLoss(HeldOutMinimum())(kl).rank == 3


@pytest.mark.parametrize(
    ("als", "said"),
    [
        (0.3, "ALS, whose squared error at held-out cells is 30 % of the zero model's; by KL unknown (it says 1)."),
        (np.nan, "ALS, whose squared error at held-out cells is unknown; by KL unknown (it says 1)."),
    ],
)
def test_an_error_that_was_not_taken_is_unknown(als, said):
    tables = {"ALS": table(heldout=[als]), "KL": table(heldout=[0.5], heldout_squared=[np.nan])}
    assert BestLoss(lambda table: 1).between(tables)[1].reason.endswith(said)


@pytest.mark.parametrize(
    ("als", "kl", "expected"),
    [
        ([100, 99, 98, 10, 10], [100, 99, 5, 5, 5], ("ALS", 3)),  # the larger rank
        ([100, 99, 5, 5, 5], [100, 97, 96, 95, 5], ("KL", 4)),
        ([100, 10, 10, 10, 10], [100, 99, 5, 5, 5], ("KL", 2)),  # all of ALS count as 0: the larger sum, not rank 5
        ([100, 90, 90, 0, 0], [100, 95, 95, 0, 0], ("KL", 3)),  # equal ranks: the larger sum
    ],
)
def test_autoten_takes_the_larger_rank_unless_a_choice_counts_as_nothing(als, kl, expected):
    tables = {"ALS": table(core_consistency=als), "KL": table(core_consistency=kl)}
    name, choice = AutoTen2016().between(tables)
    assert (name, choice.rank) == expected
    assert f"By {name}, because" in choice.reason


def test_one_table_alone_is_its_own_answer():
    curve = table(core_consistency=[100, 99, 98, 5])
    assert AutoTen2016().between({"ALS": curve}) == ("ALS", AutoTen2016()(curve))
    assert selection.BestLoss(HeldOutMinimum()).between({"ALS": table(heldout=[0.5, 0.3])})[0] == "ALS"


@dataclass(frozen=True)
class Late(ALS):
    """Least squares that wait until time is over before they fit more than so many components."""

    largest: int = 0

    def fit(self, tensor, start, *, max_iter=None, deadline=math.inf):
        if start.rank > self.largest and deadline < math.inf:
            time.sleep(max(0.0, deadline - time.monotonic()) + 0.01)
        return super().fit(tensor, start, max_iter=max_iter, deadline=deadline)


@pytest.mark.parametrize(
    ("largest", "said"),
    [
        (0, "Late was left out: no rank was done when the time was over. Raise max_time."),
        (2, "Late was cut short: it could not be judged on all ranks."),
    ],
)
def test_what_the_first_solver_has_done_is_kept_when_the_second_has_no_time(largest, said):
    X = make_cp_tensor((6, 7, 8), 2, noise=white_noise(20), random_state=0).X
    alone = estimate_rank(X, [1, 2, 3], n_starts=2, n_folds=2, random_state=0)
    answer = estimate_rank(
        X, [1, 2, 3], solver=(ALS(), Late(largest=largest)), n_starts=2, n_folds=2, random_state=0, max_time=2.0
    )
    assert answer.rank == alone.rank
    assert not answer.table.complete
    assert answer.by_solver["ALS"].table.complete
    assert answer.at(answer.rank).warnings == answer.warnings
    assert said in answer.warnings
    assert "Probability (of ranks 0 to 3 alone, since the run ended early): rank 2" in answer.report()
    assert list(answer.by_solver) == (["ALS", "Late"] if largest else ["ALS"])
