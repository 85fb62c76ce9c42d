"""estimate_rank from end to end: the answer, what comes with it, and what must not change it."""

import hashlib
import itertools
import json
import logging
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import joblib
import numpy as np
import pytest
import reference
import scipy.sparse
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba.core.compiler_lock import global_compiler_lock

import autoten
from autoten import (
    ALS,
    HALS,
    Blocks,
    RandomElements,
    RandomFibres,
    estimate_rank,
    labelled,
    preprocess,
    select_rank,
    weighted,
)
from autoten.datasets import load_amino_acids, make_cp_tensor, white_noise
from autoten.parafac import fit_parafac
from autoten.scores import DEFAULT_SCORERS
from autoten.selection import Alternative, Calibrated, Choice, HeldOutMinimum

TRUTH = 2
SHAPE = (8, 7, 6)
X = make_cp_tensor(SHAPE, TRUTH, noise=white_noise(20), random_state=0).X
QUICK = {"ranks": range(1, 5), "n_starts": 3, "n_folds": 3, "random_state": 0}
# With gaps a model with too many components takes long to converge, and nothing here needs that it does.
GAPS = {**QUICK, "ranks": range(1, 4), "solver": ALS(max_iter=200)}
# Where only the flow matters.
BRIEF = {"ranks": [1], "n_starts": 1, "n_folds": 2, "n_splits": 0, "random_state": 0, "solver": ALS(max_iter=5)}


def quick(X=X, **changes):
    return estimate_rank(X, **{**QUICK, **changes})


def brief(X=X, **changes):
    return estimate_rank(X, **{**BRIEF, **changes})


def holed(X, share=0.2, seed=1):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


def assert_same_tables(a, b, rows=slice(None)):
    """Assert that two estimates agree in every bit of every score (the first in the second's rows)."""
    assert a.table.ranks.tolist() == b.table.ranks[rows].tolist()
    assert list(a.table.replicates) == list(b.table.replicates)
    for name, column in a.table.replicates.items():
        np.testing.assert_array_equal(column, b.table[name][rows], err_msg=name)


@pytest.fixture(scope="module")
def estimate():
    return quick()


@pytest.fixture(scope="module")
def amino():
    # Rank 5 crosses a swamp that can take more sweeps than the default's thousand.
    return estimate_rank(load_amino_acids().X, range(1, 6), solver=ALS(max_iter=3000), random_state=0)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when told to."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


# ----------------------------------------------------------------------------------------------------------- the answer


def test_amino_acids_have_three_components_the_concentrations(amino):
    assert amino.rank == 3
    assert amino.probabilities[3] > 0.9
    assert amino.warnings == ()
    assert amino.table.complete is True
    assert amino.model.shape == (5, 201, 61)
    assert amino.reason.startswith("Component 3 lowers the held-out error by 99.")
    cosines = np.abs(np.corrcoef(load_amino_acids().concentrations.T, amino.model.factors[0].T)[:3, 3:])
    assert sorted(cosines.argmax(axis=1)) == [0, 1, 2]
    assert cosines.max(axis=1).min() > 0.99


def test_rank_zero_always_stands_in_the_table(estimate):
    assert estimate.table.ranks.tolist() == [0, 1, 2, 3, 4]
    assert estimate.table.value("fit", 0) == 0.0
    assert estimate.table["heldout"][0].tolist() == [1.0] * 3
    assert np.isnan(estimate.table.value("core_consistency", 0))
    assert estimate.models[0].rank == 0
    assert not estimate.models[0].to_tensor().any()


def test_noise_has_rank_zero():
    answer = estimate_rank(np.random.default_rng(0).standard_normal((9, 8, 7)), range(1, 4), random_state=0)
    assert answer.rank == answer.model.rank == 0
    assert answer.report().startswith("Estimated rank: 0 (no component that can be told from noise)\n")


def test_shapes_of_the_scores(estimate):
    names_of_width = {
        1: "weakest_excess residual_likeness fit converged opposition core_consistency ceiling noise_loss "
        "corrected_core_consistency stability_halves",
        3: "loss_starts core_consistency_starts heldout cells_per_parameter stability_folds stability_starts",
        4: "residual_excess stability_halves_splits",
    }
    widths = {name: column.shape[1] for name, column in estimate.table.replicates.items()}
    assert widths == {name: width for width, names in names_of_width.items() for name in names.split()}


def test_scores_agree_with_one_another(estimate):
    table = estimate.table
    np.testing.assert_allclose(table["fit"][:, 0], 1 - np.nanmin(table["loss_starts"], axis=1), rtol=1e-12)
    assert (np.diff(table["fit"][:, 0]) > 0).all()
    assert table.value("core_consistency", 1) == pytest.approx(100, abs=1e-4)
    assert table.value("core_consistency", 2) == pytest.approx(100, abs=1e-4)
    assert table.value("heldout", TRUTH) < 0.05 < table.value("heldout", 1)
    fit = fit_parafac(X, TRUTH, n_starts=3, random_state=0)
    assert 1 - fit.loss == pytest.approx(table.value("fit", TRUTH), rel=1e-6)


def test_models_are_in_the_units_of_x(estimate):
    norm = np.linalg.norm(X)
    for rank in range(1, 5):
        error = np.linalg.norm(X - estimate.models[rank].to_tensor()) / norm
        assert error**2 == pytest.approx(1 - estimate.table.value("fit", rank), rel=1e-6)
    assert estimate.model is estimate.models[estimate.rank]


@pytest.mark.parametrize(
    "holdout", [RandomElements(0.2), RandomFibres(0), RandomFibres(-1, 0.2), Blocks(0.4)], ids=repr
)
def test_every_holdout_finds_the_rank(holdout):
    X = make_cp_tensor((12, 11, 10), TRUTH, noise=white_noise(20), random_state=0).X
    answer = estimate_rank(X, range(1, 4), n_starts=3, holdout=holdout, random_state=0)
    assert answer.rank == TRUTH
    assert f" {holdout!r}, " in answer.report()


def test_four_modes_with_missing_cells():
    X = make_cp_tensor((6, 5, 4, 7), TRUTH, noise=white_noise(20), missing=0.3, random_state=0).X
    assert estimate_rank(X, range(1, 4), n_starts=3, random_state=0).rank == TRUTH


# ---------------------------------------------------------------------------------------------------- ways to say ranks


@pytest.mark.parametrize(
    ("ranks", "rows"),
    [
        ([3, 1, 2, 1], [0, 1, 2, 3]),
        ((2,), [0, 2]),
        (2, [0, 1, 2]),  # an integer means the ranks up to it
        (np.int32(2), [0, 1, 2]),
        (np.array(2), [0, 1, 2]),
        (range(3, 0, -1), [0, 1, 2, 3]),
        (np.array([1, 3], dtype=np.uint8), [0, 1, 3]),
        ({2, 1}, [0, 1, 2]),
        pytest.param((rank for rank in (2, 4)), [0, 2, 4], id="a generator"),
    ],
    ids=str,
)
def test_no_score_depends_on_the_other_ranks_asked_for(estimate, ranks, rows):
    answer = quick(ranks=ranks)
    assert_same_tables(answer, estimate, rows)
    assert all(type(rank) is int for rank in answer.models)


def test_folds_end_early_and_their_errors_are_those_of_fits_without_an_end():
    X = make_cp_tensor((12, 11, 10), 3, noise=white_noise(5), random_state=1).X
    options = {"n_starts": 1, "n_folds": 3, "n_splits": 0, "random_state": 0}
    early, endless = (estimate_rank(X, 4, solver=solver, **options) for solver in (ALS(), ALS(tol=0, max_iter=100)))
    np.testing.assert_allclose(early.table["heldout"], endless.table["heldout"], rtol=2e-4)


def test_by_default_ranks_1_to_10_are_tried():
    X = make_cp_tensor((5, 6, 5), 1, noise=white_noise(20), random_state=0).X
    assert brief(X, ranks=None).table.ranks.tolist() == list(range(11))


# ------------------------------------------------------------------------------------------------------------- policies


def test_another_policy_chooses_from_the_same_table(estimate):
    assert select_rank(estimate.table) == estimate.select(Calibrated()) == estimate.choice
    choice = estimate.select(HeldOutMinimum())
    assert isinstance(choice, Choice)
    assert choice == select_rank(estimate.table, HeldOutMinimum()) == quick(policy=HeldOutMinimum()).choice


def test_a_policy_of_ones_own_answers_with_a_rank_or_a_choice_with_everything(estimate):
    def predictive_and_stable(table):
        good = (table.mean("heldout") < 0.1) & (table.mean("stability_folds") > 0.99)
        good |= table.ranks == 0
        return table.ranks[good].max()

    answer = quick(policy=predictive_and_stable)
    assert (answer.rank, type(answer.rank)) == (TRUTH, int)
    assert answer.reason == "chosen by predictive_and_stable"
    assert answer.settings["policy"] == "predictive_and_stable"
    said = Choice(1, "I know it.", (Alternative(2, "you may differ"),), {1: 0.9, 2: 0.1})
    answer = quick(policy=lambda table: said)
    assert answer.choice == said
    assert (answer.rank, answer.reason, answer.alternatives) == (1, "I know it.", (Alternative(2, "you may differ"),))
    assert answer.probabilities == {1: 0.9, 2: 0.1}
    assert answer.model.rank == 1
    assert_same_tables(answer, estimate)
    assert "Alternative: rank 2, you may differ." in answer.report()
    assert "Probability: rank 1 90 %, rank 2 10 %." in answer.report()


def test_probabilities_are_unsure_where_the_folds_are():
    # The smallest held-out error falls on either of two ranks that predict equally well, by the folds that are drawn.
    answer = quick(policy=HeldOutMinimum())
    other = quick(X + np.random.default_rng(0).normal(0, 1, SHAPE), policy=HeldOutMinimum())
    assert max(answer.probabilities.values()) > 0.9
    assert max(other.probabilities.values()) < 0.9


# -------------------------------------------------------------------------------------------------------------- scorers


def test_a_scorer_of_ones_own_adds_columns():
    def mine(tensor, fits):
        return {"components": fits.rank, "sweeps": [fit.n_iter for fit in fits.starts], "cells": tensor.n_observed}

    def odd(tensor, fits):  # may know its score for some ranks only
        return {"odd": 1} if fits.rank % 2 else {}

    table = quick(scorers=(*DEFAULT_SCORERS, mine, odd)).table
    assert table["components"].tolist() == [[0], [1], [2], [3], [4]]
    assert table["cells"].tolist() == [[X.size]] * 5
    assert table["sweeps"].shape == (5, 3)
    assert np.isnan(table["sweeps"][0, 1:]).all()  # rank 0 has one fit
    assert (table["sweeps"][1:] > 0).all()
    np.testing.assert_array_equal(table["odd"].ravel(), [np.nan, 1, np.nan, 1, np.nan])


def test_scorers_can_do_without_the_default_ones():
    answer = brief(ranks=3, scorers=[lambda X, fits: {"r": fits.rank}], policy=lambda table: 3)
    assert list(answer.table.replicates) == ["r"]
    assert answer.rank == 3
    assert "Estimated rank: 3" in answer.report()


@pytest.mark.parametrize("scores", [None, 3.0, {"mine": "high"}, {"mine": [[1.0, 2.0]]}], ids=repr)
def test_a_scorer_that_answers_nonsense_is_refused(scores):
    def mine(tensor, fits):
        return scores

    with pytest.raises((TypeError, ValueError), match="mine must be"):
        brief(scorers=(*DEFAULT_SCORERS, mine))


# ----------------------------------------------------------------------------------------------------- what comes along


class Ticking:
    """A solver of which every fit takes a second of the clock in the test."""

    compress = False

    def __init__(self, clock):
        self.clock = clock

    def __repr__(self):
        return f"{type(self).__name__}()"

    def fit(self, tensor, start, **options):
        self.clock.now += 1.0
        return ALS().fit(tensor, start, **options)


@pytest.mark.parametrize("ranks", [range(1, 5), [4]], ids=str)
def test_the_parts_are_most_of_the_total(clock, ranks):
    timings = quick(ranks=ranks, solver=Ticking(clock)).timings
    assert set(timings) == {"kernels", "starts", "folds", "halves", "scores", "selection", "total"}
    # Each of three folds climbs to rank 4, and looks each time whether the full fit has found more.
    assert timings["folds"] >= 2.0 * 3.0 * 4
    assert timings["starts"] >= 12.0
    # One second, that of rank 0, has no part of its own.
    assert timings["total"] - 1.0 == sum(seconds for part, seconds in timings.items() if part != "total")


def test_settings_say_how_to_do_it_again(estimate):
    settings = dict(estimate.settings)
    versions = settings.pop("versions")
    assert list(versions) == ["autoten", "numpy", "scipy", "numba", "python", "system"]
    assert versions["numpy"] == np.__version__
    assert settings == {
        "shape": [8, 7, 6],
        "observed": 336,
        "preprocessing": [],
        "solver": repr(ALS()),
        "holdout": "RandomElements(share=0.1)",
        "policy": repr(Calibrated()),
        "n_starts": 3,
        "n_folds": 3,
        "n_splits": 4,
        "seed": 0,
    }


@pytest.mark.parametrize("random_state", [None, np.random.default_rng(5)], ids=["None", "Generator"])
def test_a_run_without_a_seed_records_one(random_state):
    first = quick(ranks=2, random_state=random_state)
    again = quick(ranks=2, random_state=first.settings["seed"])
    assert_same_tables(first, again)
    assert first.probabilities == again.probabilities


def test_a_random_state_of_numpy_gives_its_next_number():
    state, again = np.random.RandomState(0), np.random.RandomState(0)
    seeds = [brief(random_state=state).settings["seed"] for _ in range(2)]
    assert seeds[0] != seeds[1]
    assert [brief(random_state=again).settings["seed"] for _ in range(2)] == seeds
    assert make_cp_tensor(SHAPE, 2, random_state=np.random.RandomState(0)).X.shape == SHAPE


def test_different_seeds_hide_different_cells(estimate):
    other = quick(random_state=1)
    assert not (other.table["heldout"][1:] == estimate.table["heldout"][1:]).any()


class Noting(Ticking):
    """A solver that notes where it is told to begin, but for models that are fitted on."""

    def fit(self, tensor, start, **options):
        if start.rank and start.weights[-1] == 0.0:
            entries = start.factors[-1][:, -1]
            self.clock.begun.append((entries / entries[0])[1])
        return super().fit(tensor, start, **options)


def test_no_two_fits_begin_with_the_same_numbers(clock):
    clock.begun = []
    quick(solver=Noting(clock), n_starts=4, n_splits=0)
    assert len(clock.begun) >= 4 * (4 + 3)
    assert len(set(clock.begun)) == len(clock.begun)


def test_the_estimate_in_a_line_is_frozen_and_does_not_hold_x(estimate):
    assert repr(estimate) == f"RankEstimate(rank=2, ranks=[0, 1, 2, 3, 4], warnings={len(estimate.warnings)})"
    with pytest.raises(AttributeError):
        estimate.choice = Choice(1)
    arrays = [*estimate.table.replicates.values(), *(f for model in estimate.models.values() for f in model.factors)]
    assert max(array.size for array in arrays) < X.size / 4


# --------------------------------------------------------------------------------------------------------------- report


def test_report_says_everything():
    prepared = preprocess.scale(preprocess.center(X, 0), 1)
    answer = quick(prepared, ranks=[1, 2], policy=lambda table: 2)
    headline, reason, blank, header, *rest = answer.report().splitlines()
    assert (headline, reason, blank) == ("Estimated rank: 2", "chosen by <lambda>", "")
    columns = "rank fit % core cons. corrected ceiling held-out stability halves left"
    assert header.split() == columns.split()
    rows = [row.split() for row in rest[:3]]
    assert [row[0] for row in rows] == ["0", "1", "*"]
    assert rows[0] == ["0", "0", "-", "-", "-", "1", "-", "-", rows[0][8]]
    assert rows[2][1] == "2"
    assert float(rows[2][2]) == pytest.approx(100 * answer.table.value("fit", 2), rel=1e-3)
    assert float(rows[2][6]) == pytest.approx(answer.table.value("heldout", 2), rel=1e-3)
    left = [float(row[-1]) for row in rows]
    assert left == pytest.approx(np.exp(answer.table.mean("residual_excess")), rel=0.05)
    assert left[0] > 2 > 1.5 > left[2]  # noise is about 1
    assert len({len(row) for row in [header, *rest[:3]]}) == 1  # aligned
    text = "\n".join(rest)
    assert "Support of the folds: rank 2 100 %." in text
    assert "\nWarnings:\n- Rank 2 is the largest that was tried" in text
    assert "preprocessing: centred across mode 0, scaled within mode 1; " in text
    assert text.splitlines()[-1].startswith("8 x 7 x 6 tensor, 336 observed cells; ")
    assert "policy <lambda>, 3 starts, 3 folds, 4 splits, seed 0; " in text


def test_report_leaves_out_what_no_reader_needs(amino):
    assert "Warnings" not in amino.report()
    assert "preprocessing: none stated;" in amino.report()
    assert re.search(r"\n \* +3  ", amino.report())
    assert amino.table.value("core_consistency", 5) < -1000
    assert "< -1000" in amino.report()


def test_html_is_well_formed_and_escaped():
    nasty = '<script>alert("x")</script> & more'
    holdout = type("Named", (RandomElements,), {"__repr__": lambda self: nasty})(0.2)
    said = Choice(2, nasty, (Alternative(1, nasty),))
    fragment = brief(preprocess.center(X, 0), ranks=2, policy=lambda table: said, holdout=holdout)._repr_html_()
    text = "".join(ET.fromstring(fragment.replace("<br>", " ")).itertext())
    assert "<script" not in fragment
    assert text.count(nasty) == 3  # reason, alternative, hold-out
    for words in ("Estimated rank: 2", "Rank 2 is the largest that was tried", "centred across mode 0"):
        assert words in text
    assert "policy <lambda>," in text


def test_html_sets_the_chosen_row_in_bold(estimate):
    rows = estimate._repr_html_().split("<tbody>")[1].split("</tr>")
    assert [row for row in rows if "font-weight:bold" in row] == [rows[2]]
    assert "* 2" in rows[2]


def test_json_has_all_of_it_to_the_last_bit(estimate):
    record = json.loads(estimate.to_json(), parse_constant=pytest.fail)
    parts = "rank reason alternatives probabilities table complete warnings timings settings"
    assert set(record) == set(parts.split())
    for name in ("rank", "reason", "timings", "settings"):
        assert record[name] == getattr(estimate, name)
    assert record["probabilities"] == {str(rank): share for rank, share in estimate.probabilities.items()}
    assert record["complete"] is True
    assert record["warnings"] == list(estimate.warnings)
    table = record["table"]
    assert table["rank"] == [0, 1, 2, 3, 4]
    assert table["core_consistency"][0] is None  # NaN
    for name, column in estimate.table.replicates.items():
        listed = table.get(f"{name}_replicates", [[value] for value in table[name]])
        np.testing.assert_array_equal(np.array(listed, dtype=float), column)
        np.testing.assert_array_equal(np.array(table[name], dtype=float), estimate.table.mean(name))


def test_json_of_infinite_scores():
    answer = brief(scorers=[lambda X, fits: {"s": [math.inf, math.inf]}], policy=lambda table: 0)
    assert json.loads(answer.to_json())["table"]["s_replicates"] == [[None, None]] * 2


def test_frame_and_picture(estimate):
    frame = estimate.to_frame()
    assert frame.index.tolist() == [0, 1, 2, 3, 4]
    assert (frame.loc[1:, "heldout_se"] > 0).all()
    assert set(estimate.plot()) == {"fit", "core_consistency", "heldout", "front", "leftover"}


# ------------------------------------------------------------------------------------------------- progress and silence


def test_progress_and_logs_are_there_only_for_who_asks(capfd, caplog):
    with caplog.at_level(logging.DEBUG, logger="autoten"):
        brief(ranks=3)
    assert [record.args[0] for record in caplog.records if record.levelno == logging.DEBUG] == [0, 1, 2, 3]
    assert capfd.readouterr() == ("", "")
    brief(ranks=3, progress=True)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("autoten: 100% rank 3 of 3 by ALS, after ")  # no bar where nobody watches
    assert printed.err.count("\n") == 1


# ---------------------------------------------------------------------------------------------------- ended before time


def interrupted_at(rank):
    def scorer(tensor, fits):
        if fits.rank == rank:
            raise KeyboardInterrupt
        return {}

    return (*DEFAULT_SCORERS, scorer)


def interrupted(skipped):
    return f"The run was interrupted: {skipped} skipped. Give a checkpoint, so that a run can go on."


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_interrupted_at_rank_three_the_smaller_ones_are_kept(estimate, n_jobs, caplog):
    answer = quick(scorers=interrupted_at(3), n_jobs=n_jobs)
    assert caplog.messages == [interrupted("ranks 3 and 4 were")]
    assert_same_tables(answer, estimate, slice(3))
    assert answer.table.complete is False
    assert set(answer.models) == {0, 1, 2}
    assert interrupted("ranks 3 and 4 were") in answer.warnings
    assert interrupted("ranks 3 and 4 were") in answer.report()
    assert json.loads(answer.to_json())["complete"] is False
    assert not any("largest that was tried" in warning for warning in answer.warnings)


def test_interrupted_before_any_rank_is_done_it_stops_else_says_how_far_it_came():
    for rank in (0, 1):
        with pytest.raises(KeyboardInterrupt):
            brief(ranks=4, scorers=interrupted_at(rank))
    answer = brief(ranks=[2, 4], scorers=interrupted_at(4))
    assert answer.table.ranks.tolist() == [0, 2]
    assert interrupted("rank 4 was") in answer.warnings


def test_a_failing_scorer_is_no_interruption():
    def broken(tensor, fits):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        brief(scorers=(*DEFAULT_SCORERS, broken))


@pytest.mark.parametrize(("ranks", "first"), [(range(1, 5), 1), ([3, 4], 3)])
def test_no_time_for_a_single_rank(ranks, first):
    with pytest.raises(TimeoutError) as refusal:
        quick(ranks=ranks, max_time=1e-9)
    assert str(refusal.value) == f"max_time must be long enough for one rank. Rank {first} did not finish. Raise it."


def test_time_for_some_ranks(estimate, clock):
    def slow(tensor, fits):
        clock.now += 40.0 * (fits.rank == 2)
        return {}

    answer = quick(scorers=(*DEFAULT_SCORERS, slow), max_time=30.0)
    assert_same_tables(answer, estimate, slice(3))
    assert answer.table.complete is False
    assert (
        "Time was over: ranks 3 and 4 were skipped. Raise max_time, or give a checkpoint, so that a run can go on."
        in answer.warnings
    )


def test_the_clock_is_read_within_a_fit(clock):
    """A rank that would take for ever does not: fits end at the deadline, and a rank without any fit is dropped."""

    class Endless(Ticking):
        def fit(self, tensor, start, *, max_iter=None, deadline=math.inf):
            if start.rank == 3:
                self.clock.now = deadline + 1.0
            fit = super().fit(tensor, start, max_iter=max_iter, deadline=deadline)
            assert fit.n_iter == 0 or start.rank < 3
            return fit

    answer = quick(solver=Endless(clock), max_time=1000.0)
    assert answer.table.ranks.tolist() == [0, 1, 2]
    assert answer.table.complete is False


@pytest.mark.parametrize("max_time", [1000.0, 10.0])
def test_the_clock_stands_while_kernels_are_compiled(clock, max_time):
    """Of each rank the first fit compiles, for longer than the run may take."""
    compiled = set()

    class Compiling(Ticking):
        def fit(self, tensor, start, *, max_iter=None, deadline=math.inf):
            if start.rank not in compiled:
                compiled.add(start.rank)
                with global_compiler_lock:
                    self.clock.now += 100.0
            self.clock.now += 0.01
            in_time = self.clock.now <= deadline
            return ALS().fit(tensor, start, max_iter=max_iter if in_time else 1)

    answer = quick(solver=Compiling(clock), max_time=max_time)
    assert compiled == {0, 1, 2, 3, 4}
    assert answer.table.complete
    assert_same_tables(answer, quick(solver=Compiling(clock)))


class Patient(Ticking):
    """A solver of which a fit of rank r takes r seconds of the clock in the test, and gives up at the deadline."""

    def seconds(self, tensor, rank):
        return rank

    def fit(self, tensor, start, *, max_iter=None, deadline=math.inf):
        ends = self.clock.now + self.seconds(tensor, start.rank)
        self.clock.now = min(ends, max(self.clock.now, deadline) + 1e-3)
        return ALS().fit(tensor, start, max_iter=max_iter if ends <= deadline else 1)


class Stuck(Patient):
    """One whose folds of rank 2 take for ever, and every other fit a second."""

    def seconds(self, tensor, rank):
        of_a_fold = 0.8 * X.size < tensor.n_observed < X.size
        return 1e6 if of_a_fold and rank == 2 else 1.0


TIME_WAS_OVER = "Time was over: {} were skipped or cut short{}. Raise max_time, or {}."


@pytest.fixture(scope="module")
def patient():
    """What ranks 1 to 6 come to without a limit: about 40 fits each, of 1 to 6 seconds."""
    return quick(ranks=6, solver=Patient(SimpleNamespace(now=0.0)))


@pytest.mark.parametrize(
    ("seconds", "whole", "lost"),
    [
        (90.0, 1, "starts of ranks 3 to 6, folds of ranks 2 to 6, halves of ranks 2 to 6"),
        (380.0, 3, "folds of ranks 5 and 6, halves of ranks 4 to 6"),
        (1000.0, 6, None),
    ],
)
def test_with_little_time_every_rank_is_explored_at_least(clock, patient, seconds, whole, lost):
    clock.now = 0.0
    answer = quick(ranks=6, solver=Patient(clock), max_time=seconds)
    assert answer.table.ranks.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.isfinite(answer.table["fit"]).all()
    for name, column in answer.table.replicates.items():
        rows = slice(1 + whole)
        np.testing.assert_array_equal(column[rows], patient.table[name][rows, : column.shape[1]], err_msg=name)
    said = [warning for warning in answer.warnings if warning.startswith("Time was over")]
    if whole == 6:
        assert (answer.table.complete, said) == (True, [])
        assert clock.now < 1000.0
        return
    assert not answer.table.complete
    assert clock.now <= seconds + 0.1
    assert said == [TIME_WAS_OVER.format(lost, "", "give a checkpoint, so that a run can go on")]
    assert np.isnan(answer.table["heldout"][-1]).all()  # a fold that was cut short is none


def test_a_second_run_gets_further_until_all_is_done(clock, patient, tmp_path):
    for _ in range(20):
        clock.now = 0.0
        answer = quick(ranks=6, solver=Patient(clock), max_time=60.0, checkpoint=tmp_path / "run.npz")
        if answer.table.complete:
            break
    assert_same_tables(answer, patient)


def test_folds_that_grew_from_one_that_was_cut_short_are_not_kept(clock, tmp_path):
    undisturbed = quick(solver=Stuck(clock))
    clock.now = 0.0
    cut = quick(solver=Stuck(clock), max_time=1000.0, checkpoint=tmp_path / "run.npz")
    assert np.isfinite(cut.table["heldout"][[1, 3, 4]]).all()  # there was time enough for the folds of these ranks
    again = "call it again with the same checkpoint to go on"
    assert TIME_WAS_OVER.format("folds of rank 2, halves of rank 2", " (ranks 3 and 4 grew from such fits)", again) in (
        cut.warnings
    )
    clock.now = 0.0
    assert_same_tables(quick(solver=Stuck(clock), checkpoint=tmp_path / "run.npz"), undisturbed)


# --------------------------------------------------------------------------------------------------- ends of the ranks


@pytest.mark.parametrize(
    ("shape", "largest"), [((2, 4, 60), 7), ((3, 3, 50), 8), ((3, 4, 4), 5), ((2, 2, 2), 2), ((2, 2, 2, 2), 3)], ids=str
)
@pytest.mark.parametrize("solver", [ALS(max_iter=5), (ALS(max_iter=5), HALS(max_iter=5))], ids=["one", "two"])
def test_by_default_ranks_end_where_parameters_outnumber_cells(shape, largest, solver):
    tensor = np.random.default_rng(0).random(shape)
    answer = brief(tensor, ranks=None, solver=solver, n_splits=4)
    assert answer.table.ranks.tolist() == [*range(largest + 1)]
    parameters = (largest + 1) * (sum(shape) - len(shape) + 1)
    said = f"Ranks above {largest} were left out: rank {largest + 1} has {parameters} free parameters, "
    assert said + f"the data have {tensor.size} observed cells." in answer.warnings
    assert answer.table.complete


def test_ranks_that_the_observed_cells_cannot_determine_are_left_out(estimate):
    holes = np.random.default_rng(0).random(SHAPE) < 0.7
    answer = brief(np.where(holes, np.nan, X), ranks=range(1, 40))
    assert answer.table.ranks.tolist() == [*range((X.size - holes.sum()) // 19 + 1)]
    assert sum("were left out" in warning for warning in answer.warnings) == 1
    assert not any("were left out" in warning for warning in estimate.warnings)


def test_ranks_far_past_what_the_data_carry_are_not_tried(tmp_path):
    errors = [1.0, 0.2, *[0.3] * 3, *[0.41] * 12]
    options = {"ranks": 16, "scorers": [lambda X, fits: {"heldout": errors[fits.rank]}], "policy": lambda table: 1}
    answer = brief(**options, checkpoint=tmp_path / "run.npz")
    assert answer.table.ranks.tolist() == [*range(15)]  # 5 to 14 are ten of more than 2 times 0.2
    assert answer.table.complete
    said = "Ranks above 14 were not tried: the held-out errors of the last 10 were more than 2 times the smallest."
    assert said in answer.warnings
    for n_jobs, path in [(1, tmp_path / "run.npz"), (2, None)]:
        again = brief(**options, checkpoint=path, n_jobs=n_jobs)
        assert_same_tables(again, answer)
        assert again.warnings == answer.warnings
    shorter = brief(**{**options, "ranks": 14})
    assert_same_tables(shorter, answer)
    assert said not in shorter.warnings


SMALLEST = "Rank 4 is the smallest that was tried: the data may hold fewer components. Begin with rank 1."
LARGEST = "Rank {} is the largest that was tried: the data may support more. Widen the range of ranks."
DETERMINED = "Rank 5 is the largest that so few observed cells determine: the data may hold more components."


@pytest.mark.parametrize(
    ("X", "ranks", "wanted", "said"),
    [
        (X, [4, 5, 6], 4, [SMALLEST]),
        (X, [4, 5], 0, [SMALLEST]),
        (X, [1, 2], 2, [LARGEST.format(2)]),
        (X, [4, 5], 5, [LARGEST.format(5)]),
        (X, [1, 2], 1, []),
        (X, [2, 4, 6], 4, []),
        (X[:4, :4, :3], 5, 5, [DETERMINED]),
    ],
)
def test_an_answer_at_either_end_of_the_candidates_says_so(X, ranks, wanted, said):
    answer = brief(X, ranks=ranks, policy=lambda table: wanted)
    assert [each for each in answer.warnings if "tried:" in each or "so few observed" in each] == said


def test_noise_loss_is_unknown_where_no_degree_of_freedom_is_left():
    # 4 x 4 x 4 cells, but 6 components have 6 (12 - 2) = 60 parameters and 7 have 70.
    X = make_cp_tensor((4, 4, 4), 1, noise=white_noise(30), random_state=0).X
    few = estimate_rank(X, [1, 6, 7], n_starts=2, n_folds=2, random_state=0)
    np.testing.assert_array_equal(np.isnan(few.table.mean("noise_loss")), [True, False, False])
    assert few.rank == 1
    assert (
        "Ranks above 6 were left out: rank 7 has 70 free parameters, the data have 64 observed cells." in few.warnings
    )


# -------------------------------------------------------------------------------------- what must not change the answer

# Held-out and stability scores depend on which cells the seed hides, the others on the data alone. At ranks up to the
# true one the fits are converged and far from degenerate; what a model with too many components makes of rounding is
# not compared.
OF_THE_DATA = ["fit", "core_consistency", "ceiling", "noise_loss", "corrected_core_consistency", "opposition"]
EVERY_SCORE = [*OF_THE_DATA, "loss_starts", "core_consistency_starts", "heldout", "stability_folds"]


def assert_same_scores(answer, reference, names, rtol=1e-6, atol=1e-6):
    """Assert the same choice, and the same scores up to the true rank within rounding (points, shares alike)."""
    assert answer.rank == reference.rank == TRUTH
    for name in names:
        got, wanted = answer.table[name][: TRUTH + 1], reference.table[name][: TRUTH + 1]
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=atol, err_msg=name)


def assert_same_optimum(answer, reference):
    # Folds hide other cells and starts stand elsewhere: held-out scores differ, the optimum does not. Its loss is
    # found to the solver's tolerance, its core consistency, in points, to the root of that.
    assert_same_scores(answer, reference, ["fit"])
    assert_same_scores(answer, reference, OF_THE_DATA, rtol=0, atol=0.05)


few_examples = settings(max_examples=6)


@pytest.mark.parametrize("modes", list(itertools.permutations(range(3)))[1:], ids=str)
def test_the_order_of_modes_does_not_matter(estimate, modes):
    assert_same_optimum(quick(X.transpose(modes)), estimate)


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X.transpose(2, 0, 1),
        lambda X: X[::-1, :, ::-1],
        lambda X: -X,
        lambda X: X * 1e150,
        lambda X: X * 1e-150,
    ],
    ids=["modes", "slabs", "sign", "huge", "tiny"],
)
def test_data_with_gaps_may_be_turned_and_scaled_too(change):
    # A start also says what stands in a gap at first, and that is neither turned nor scaled.
    assert_same_optimum(estimate_rank(change(holed(X)), **GAPS), estimate_rank(holed(X), **GAPS))


@few_examples
@given(st.integers(0, 2), st.data())
def test_the_order_of_slabs_does_not_matter(estimate, mode, data):
    order = data.draw(st.permutations(range(SHAPE[mode])))
    answer = quick(X.take(order, axis=mode))
    assert_same_optimum(answer, estimate)
    rows = estimate.model.factors[mode][order]
    cosines = np.abs(np.sum(answer.model.factors[mode] * rows, axis=0))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-5)


@few_examples
@given(st.floats(-300, 300))
@example(150.0)
@example(-150.0)
@example(300.0)
@example(-300.0)
def test_the_unit_of_the_data_does_not_matter(estimate, exponent):
    answer = quick(X * 10.0**exponent)
    assert_same_scores(answer, estimate, EVERY_SCORE)
    assert np.linalg.norm(X - answer.model.to_tensor() / 10.0**exponent) < 0.11 * np.linalg.norm(X)


def test_the_sign_of_the_data_does_not_matter(estimate):
    assert_same_scores(quick(-X), estimate, EVERY_SCORE)


@pytest.mark.parametrize(
    "stored",
    [
        np.ma.masked_array(X, mask=np.zeros(SHAPE, dtype=bool)),
        autoten.masked(X, np.ones(SHAPE, dtype=bool)),
        np.asfortranarray(X),
        X.astype(">f8"),
        X[::-1][::-1],
        preprocess.Preprocessed(X, ()),
    ],
    ids=["mask of False", "all observed", "Fortran order", "big-endian", "view", "Preprocessed"],
)
def test_how_the_data_are_stored_changes_no_bit(estimate, stored):
    assert_same_tables(quick(stored), estimate)


def test_nan_and_a_mask_are_the_same_to_the_last_bit_and_x_is_not_changed():
    given = holed(X)
    given.flags.writeable = False
    before = given.copy()
    assert_same_tables(estimate_rank(np.ma.masked_invalid(given), **GAPS), estimate_rank(given, **GAPS))
    np.testing.assert_array_equal(given, before)


def test_single_precision_gives_the_same_answer(estimate):
    # Storing in single precision adds an error of 6e-8 per cell; scores are computed in double precision all the same.
    assert_same_scores(quick(X.astype(np.float32)), estimate, EVERY_SCORE, rtol=1e-4, atol=1e-4)
    whole = np.round(X * 100)  # exact in every type
    in_double = quick(whole)
    assert_same_scores(quick(whole.astype(np.float32)), in_double, EVERY_SCORE)
    assert_same_tables(quick(whole.astype(np.int16)), in_double)


# ----------------------------------------------------------------------------------------------- same seed, same answer

KINDS = {"complete": X, "missing": holed(X), "mostly missing": holed(X, 0.6)}


def digest(answer):
    """Return a hash of every bit of every score and every factor, and the probabilities."""
    arrays = [*answer.table.replicates.values(), *(f for model in answer.models.values() for f in model.factors)]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest(), answer.probabilities


def digests(**options):
    return {kind: digest(estimate_rank(X, **GAPS, **options)) for kind, X in KINDS.items()}


@pytest.fixture(scope="module")
def alone():
    """The digests of every kind of tensor, from one worker in this process."""
    return digests()


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_any_number_of_workers_gives_the_same_bits(alone, n_jobs):
    assert digests(n_jobs=n_jobs) == alone


def test_workers_in_processes_of_their_own_give_the_same_bits(alone):
    with joblib.parallel_config(backend="loky"):
        assert digests(n_jobs=2) == alone


def test_another_process_gives_the_same_bits(alone):
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_estimate as t"
    printed = subprocess.run(
        [sys.executable, "-c", f"{program}; print(t.digests())"],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed == f"{alone}\n"


# ------------------------------------------------------------------------------------------------- warnings of the data


def warnings_like(answer, text):
    return [warning for warning in answer.warnings if text in warning]


def only_like(answer, text):
    (warning,) = warnings_like(answer, text)
    return warning


def test_a_constant_tensor_has_one_component():
    answer = estimate_rank(np.full((5, 6, 7), 3.0), range(1, 4), random_state=0)
    assert answer.rank == 1
    np.testing.assert_allclose(answer.model.to_tensor(), 3.0)
    assert only_like(answer, "are identical") == (
        "Mode 0: slabs 0 and 1 are identical (and 3 more); mode 1: slabs 0 and 1 are identical (and 4 more); mode 2: "
        "slabs 0 and 1 are identical (and 5 more): a held-out cell is then known from its twin, and held-out error "
        "flatters large ranks. Remove duplicates."
    )


@pytest.mark.parametrize("wrapped", [lambda X: X, lambda X: weighted(X, np.array([1.0, 2.0, 3.0])[:, None, None])])
def test_what_entries_rest_on_is_taken_where_no_weight_overflows(wrapped):
    ones = np.ones((3, 4, 5))
    ones[0, 0, 0] = np.nan
    small, huge = (
        [estimate_rank(X, [1], n_starts=1, n_folds=2, random_state=0).model, fit_parafac(X, 1, random_state=0).model]
        for X in (wrapped(ones), wrapped(1.5e308 * ones))
    )
    for one, other in zip(small, huge, strict=True):
        for shares, same in zip(one.support, other.support, strict=True):
            np.testing.assert_allclose(shares, same)


@pytest.mark.parametrize(("seed", "n_empty"), [(0, 4), (1, 5)])
def test_folds_with_nothing_to_predict_are_counted(seed, n_empty):
    spike = np.zeros((6, 7, 8))
    spike[2, 3, 4] = 1.0
    sentence = (
        f"Only zeros, if anything, are left to predict in {n_empty} of 5 folds, because so few cells are observed and "
        f"not zero: the held-out error rests on {5 - n_empty or 'none'} of them. Hide more, or other cells."
    )
    if n_empty < 5:
        assert sentence in estimate_rank(spike, range(1, 3), random_state=seed).warnings
    else:  # no policy can choose; what it says to look at is said with it
        with pytest.raises(ValueError, match=re.escape(f"choose another policy. {sentence}")):
            estimate_rank(spike, range(1, 3), random_state=seed)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_a_strong_offset_is_named(estimate, missing):
    shifted = holed(X + 5.0 * np.std(X), missing)
    share = np.nanmean(shifted) ** 2 / np.nanmean(shifted**2)
    assert share > 0.9
    assert only_like(brief(shifted), "The mean of all cells") == (
        f"The mean of all cells makes up {100 * share:.3g} % of their mean square: an offset hides what tells cells "
        "apart. If it means nothing, centre a mode first (autoten.preprocess.center)."
    )
    assert warnings_like(estimate, "The mean") == []


def test_a_mode_that_tells_no_components_apart_is_named():
    brief_fits = {"solver": ALS(), "n_starts": 2, "n_folds": 2, "n_splits": 0, "random_state": 0}
    sound = make_cp_tensor((12, 13, 14), 3, random_state=0).X
    rng = np.random.default_rng(0)
    daily = sound[..., None] + 0.02 * np.std(sound) * rng.standard_normal((*sound.shape, 5))
    answer = estimate_rank(labelled(daily, dict.fromkeys(["who", "where", "hour", "day"])), 4, **brief_fits)
    assert answer.table.value("core_consistency", 3) < 0
    assert only_like(answer, "in all components") == (
        "Mode 3 (day) is nearly the same in all components (cosines of 0.99 and more at rank 3): core consistency is "
        "low for that already. Leave it out, or sum over it."
    )
    summed = estimate_rank(daily.sum(axis=3), 4, **brief_fits)
    assert summed.table.value("core_consistency", 3) > 99
    assert warnings_like(summed, "in all components") == []


@pytest.mark.parametrize("name", ["amino_acids", "girls_growth", "pythia_evals_zeroshot", "sugar_process"])
def test_which_real_tensors_have_such_a_mode(name, real_data):
    X = real_data(name)["X"]
    answer = estimate_rank(X, 4, solver=ALS(), n_starts=2, n_folds=2, n_splits=0, random_state=0)
    named = [warning.split(" is nearly")[0] for warning in warnings_like(answer, "in all components")]
    assert named == {"pythia_evals_zeroshot": ["Mode 1"]}.get(name, [])


def test_negative_entries_of_components_of_nonnegative_data_are_named():
    factors = [np.random.default_rng(length).random((length, 2)) for length in (12, 13, 14)]
    factors[2][:7, 1] *= -0.7
    signed = np.einsum("ir,jr,kr->ijk", *factors)
    X = signed + np.maximum(0.0, -signed.min())
    solvers = {"n_starts": 2, "n_folds": 2, "n_splits": 0, "random_state": 0}
    answer = estimate_rank(X, [3], solver=ALS(), policy=lambda table: 3, **solvers)
    assert only_like(answer, "negative entries").endswith(
        " of rank 3 has negative entries though X has none. Where components are to be parts of the data, "
        "solver=HALS() (--solver hals) keeps these out."
    )
    for data, solver in ((X, HALS()), (X - X.min() - 0.1, ALS()), (load_amino_acids().X.clip(0), ALS())):
        answer = estimate_rank(data, [3], solver=solver, policy=lambda table: 3, **solvers)
        assert warnings_like(answer, "negative entries") == []


def test_parts_that_no_cell_links_are_named():
    parted = X.copy()
    parted[:3, :5], parted[3:, 5:] = np.nan, np.nan
    assert only_like(brief(parted), "nothing links") == (
        "Mode 0: nothing links slabs 0, 1, 2 to the rest, observed at other slabs of mode 1 (2 such parts): amounts "
        "cannot be compared between them. Decompose each part by itself."
    )
    parted[0, 0] = X[0, 0]  # one sample measured in both ranges links them
    assert warnings_like(brief(parted), "nothing links") == []
    parted = X.copy()
    parted[:, :2, :4], parted[:, 2:, 4:] = np.nan, np.nan
    assert only_like(brief(parted), "links").startswith(
        "Mode 1: nothing links slabs 0, 1 to the rest, observed at other slabs of mode 2 (2 such"
    )


ALONE = np.zeros((70, 60, 6))
ALONE[3] = 1.0  # one of its halves is all zeros


@pytest.mark.parametrize(
    ("X", "rank"),
    [
        (np.zeros(SHAPE), 0),
        (holed(np.zeros(SHAPE)), 0),
        (np.zeros((70, 60, 6)), 0),
        (scipy.sparse.coo_array((70, 60, 60)), 0),
        (ALONE, 1),
    ],
    ids=["complete", "missing", "with a core", "sparse", "one slab"],
)
def test_a_tensor_of_zeros_has_none(X, rank):
    answer = quick(X)
    assert answer.rank == rank
    said = "All observed cells are zero: there is nothing to decompose." in answer.warnings
    assert said == (rank == 0)


def test_duplicate_slabs_are_named(estimate):
    twins = X.copy()
    twins[3] = twins[5]
    assert only_like(brief(twins), "Mode").startswith(
        "Mode 0: slabs 3 and 5 are identical: a held-out cell is then known from its twin, and held-out error flatters "
        "large ranks. Remove duplicates"
    )
    twins = X.copy()
    twins[:, 1] = twins[:, 4] = twins[:, 6]
    assert only_like(brief(twins), "Mode").startswith("Mode 1: slabs 1 and 4 are identical (and ")
    proportional = X.copy()
    proportional[3] = 2 * proportional[5]
    assert warnings_like(brief(proportional), "Mode") == warnings_like(estimate, "Mode") == []


def test_slabs_with_few_observed_cells_are_named():
    scarce = X.copy()
    scarce[2].flat[3:] = np.nan
    assert (
        "Mode 0: slab 2 with as few as 3 observed cells; more components than that cannot be told apart there "
        "(largest rank tried: 4)." in brief(scarce, ranks=[4]).warnings
    )
    assert warnings_like(brief(scarce, ranks=[3]), "Mode 0: slab 2") == []  # three can be told apart there
    scarce = make_cp_tensor((7, 8, 9), 2, noise=white_noise(20), random_state=0).X
    scarce.reshape(7, -1)[:6, 3:] = np.nan
    assert only_like(brief(scarce, ranks=[4], policy=lambda table: 0), "Mode 0").startswith(
        "Mode 0: slabs 0, 1, 2, 3, 4 and 1 more with as few as 3 observed cells;"
    )


# ------------------------------------------------------------------------------------------------- warnings of the fits


def warned(X=X, ranks=4, chosen=2, interrupted=99, **scores):
    """Return the warnings of a run whose scorer tells the given scores, an entry for each rank from 0."""

    def told(tensor, fits):
        if fits.rank == interrupted:
            raise KeyboardInterrupt
        return {name: of_ranks[fits.rank] for name, of_ranks in scores.items()}

    return brief(X, ranks=ranks, scorers=[told], policy=lambda table: chosen).warnings


def test_a_choice_at_the_upper_end_is_named(estimate):
    answer = quick(ranks=[1, 2])
    assert answer.rank == 2
    assert answer.warnings == (LARGEST.format(2),)
    assert warnings_like(estimate, "largest that was tried") == []


def test_a_degenerate_pair_is_named(amino):
    # The tensor W = a a b + a b a + b a a: of rank 3, yet approached without end by rank 2, components diverging.
    (a, b), rng = np.eye(2), np.random.default_rng(0)
    W = sum(np.einsum("i,j,k", *term) for term in ((a, a, b), (a, b, a), (b, a, a)))
    rotated = np.einsum("abc,ia,jb,kc", W, *(np.linalg.qr(rng.standard_normal((6, 2)))[0] for _ in range(3)))
    answer = quick(rotated + 1e-4 * rng.standard_normal((6, 6, 6)), policy=lambda table: 2)
    assert answer.table.value("opposition", 2) < -0.99
    (warning,) = answer.warnings
    assert warning.startswith("Ranks 2 (the chosen rank), 3 and 4 are degenerate: two components nearly cancel each")
    assert amino.table["opposition"].min() > -0.9
    assert warnings_like(amino, "degenerate") == []


def test_degenerate_ranks_share_a_line():
    assert warned(opposition=[0.0, 0.0, -0.95, -0.5, -0.999]) == (
        "Ranks 2 (the chosen rank) and 4 are degenerate: two components nearly cancel each other (congruence -0.950 to "
        "-0.999), a common sign of one component too many.",
    )
    assert warned(opposition=[0.0, 0.0, -0.95, -0.5, -0.85]) == (
        "Rank 2 (the chosen rank) is degenerate: two components nearly cancel each other (congruence -0.950), a common "
        "sign of one component too many.",
    )


def test_ranks_past_kruskals_bound_are_named():
    # Of a 3 x 3 x 9 tensor rank r is surely unique while 2 min(3, r) + min(9, r) >= 2 r + 2: up to 4.
    X = make_cp_tensor((3, 3, 9), 1, noise=white_noise(20), random_state=0).X
    said = "past Kruskal's bound for this shape: uniqueness is not guaranteed."
    assert f"Ranks 5 (the chosen rank) and 6 are {said}" in warned(X, ranks=6, chosen=5)
    assert f"Rank 5 is {said}" in warned(X, ranks=[1, 2, 5], chosen=1)
    assert not any("Kruskal" in each for each in warned(X, ranks=4, chosen=1))


def test_fits_that_have_not_converged_are_named(estimate):
    answer = quick(solver=ALS(max_iter=4))
    two, three, four = (f"{rank}{' (the chosen rank)' if rank == answer.rank else ''}" for rank in (2, 3, 4))
    sentence = f"Ranks {two}, {three} and {four}: the best fits had not converged; raise max_iter of the solver."
    assert sentence in answer.warnings
    assert not any("converged" in warning and "2" in warning for warning in estimate.warnings)
    assert "Rank 2: the best fit had not converged; raise max_iter of the solver or max_time." in warned(
        chosen=1, interrupted=3, converged=[1.0, 1.0, 0.0]
    )


@pytest.mark.parametrize("noise", [None, 1e-5, 3e-6])
def test_a_start_that_was_only_explored_is_not_taken_for_the_best_fit(noise):
    # Explored in a core, losses carry the rounding of the cut-off part: they come out below those of refined starts.
    if noise is None:
        data, ranks = np.arange(24000.0).reshape(30, 40, 20), [1]
    else:
        rng = np.random.default_rng(0)
        data = reference.cp_tensor([rng.standard_normal((length, 2)) for length in (30, 40, 20)])
        data, ranks = data + noise * rng.standard_normal(data.shape), [1, 2]
    answer = estimate_rank(data, ranks, random_state=0)
    table, row = answer.table, len(ranks)
    assert table["loss_starts"][row].min() < 1.0 - table["fit"][row, 0]
    assert table.value("converged", ranks[-1]) == 1
    assert warnings_like(answer, "converged") == []
