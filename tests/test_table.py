"""RankTable: replicates in, means, errors and paired differences out, on numbers that can be worked out by hand."""

import sys
from dataclasses import replace
from math import inf, isnan, log, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import trim_mean

from autoten.table import FOLD_SCORES, Difference, RankTable, put_together

SHAPE = (5, 6, 7)

# Two scores over five folds, one over three starts, one of a single value.
TABLE = RankTable(
    [0, 1, 3],
    {
        "heldout": [[1.0, 1.0, 1.0, 1.0, 1.0], [0.5, 0.6, 0.4, 0.7, 0.3], [0.2, 0.2, 0.1, 0.9, 0.1]],
        "stability_folds": [[nan] * 5, [1.0, 0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4, 0.5]],
        "loss_starts": [[1.0, nan, nan], [0.5, 0.5, 0.5], [0.1, 0.2, 0.3]],
        "fit": [[0.0], [0.5], [0.9]],
    },
    SHAPE,
)


# --------------------------------------------------------------------------------------------------------- construction


def test_holds_what_it_was_given():
    assert TABLE.ranks.tolist() == [0, 1, 3]
    assert TABLE.ranks.dtype == np.int64
    assert TABLE.shape == SHAPE
    assert TABLE.complete is True
    assert len(TABLE) == 3
    assert "fit" in TABLE
    assert "ceiling" not in TABLE
    assert TABLE["loss_starts"].shape == (3, 3)
    assert TABLE["fit"].dtype == float
    assert repr(TABLE) == "RankTable(ranks=[0, 1, 3], scores=['fit', 'heldout', 'loss_starts', 'stability_folds'])"
    assert [TABLE.row(rank) for rank in (0, 1, 3)] == [0, 1, 2]
    assert TABLE.value("fit", 3) == 0.9
    assert TABLE.known("fit").tolist() == [0.0, 0.5, 0.9]
    assert np.isnan(TABLE.known("ceiling")).all()
    with pytest.raises(AttributeError):
        TABLE.complete = False


# ----------------------------------------------------------------------------------------------------- means and errors


def test_mean_and_error_by_hand():
    # Of .3 .4 .5 .6 .7 one value drops out at each end: .5. Winsorised: .4 .4 .5 .6 .6, variance .04 / 4 = .01,
    # so the standard error is .1 / (.6 sqrt 5).
    assert TABLE.value("heldout", 1) == pytest.approx(0.5)
    assert TABLE.standard_error("heldout")[1] == pytest.approx(0.1 / (0.6 * sqrt(5)))
    # .1 .1 .2 .2 .9: the .9 drops out, and so does a fold that exploded.
    assert TABLE.value("heldout", 3) == pytest.approx(0.5 / 3)
    wild = RankTable([0, 1], {"heldout": [[1.0] * 5, [0.1, 0.1, 0.2, 0.2, inf]]}, SHAPE)
    assert wild.value("heldout", 1) == TABLE.value("heldout", 3)


def test_with_fewer_than_five_replicates_nothing_is_trimmed():
    table = RankTable([0, 1], {"heldout": [[1.0] * 4, [0.1, 0.2, 0.3, 1.0]]}, SHAPE)
    assert table.value("heldout", 1) == pytest.approx(0.4)
    assert table.standard_error("heldout")[1] == pytest.approx(np.std([0.1, 0.2, 0.3, 1.0], ddof=1) / 2)


def test_unknown_replicates_are_left_out():
    table = RankTable([0, 1, 2], {"heldout": [[1.0, 1.0, nan], [0.2, nan, 0.4], [nan, nan, nan]]}, SHAPE)
    np.testing.assert_allclose(table.mean("heldout"), [1.0, 0.3, nan])
    np.testing.assert_allclose(table.standard_error("heldout"), [0.0, 0.1, nan])
    # A single replicate has no error, nor has an explosion in every fold.
    assert np.isnan(TABLE.standard_error("fit")).all()
    table = RankTable([0, 1], {"heldout": [[1.0] * 5, [0.1, inf, inf, inf, inf]]}, SHAPE)
    assert table.value("heldout", 1) == inf
    assert isnan(table.standard_error("heldout")[1])


@given(arrays(float, st.integers(2, 30), elements=st.floats(-1e3, 1e3)), st.randoms())
def test_mean_is_scipys_trimmed_mean_whatever_the_order_of_replicates(values, random):
    shuffled = np.array(random.sample(list(values), len(values)))
    one, other = (RankTable([0], {"score": v[None]}, SHAPE) for v in (values, shuffled))
    assert one.value("score", 0) == pytest.approx(trim_mean(values, 0.2), rel=1e-9, abs=1e-9)
    assert one.value("score", 0) == other.value("score", 0)
    assert one.standard_error("score") == other.standard_error("score")


# --------------------------------------------------------------------------------------------------- paired differences


def test_difference_is_paired_fold_by_fold():
    # Levels spread by .2, but the difference is -.01 in every fold: its error is (all but) zero.
    table = RankTable([0, 1, 2], {"heldout": [[1.0] * 3, [0.1, 0.2, 0.3], [0.09, 0.19, 0.29]]}, SHAPE)
    difference = table.difference(2, 1)
    assert difference.mean == pytest.approx(-0.01)
    assert difference.error < 1e-15
    assert table.difference(1, 2).mean == pytest.approx(0.01)


def test_difference_by_hand():
    # .1, -.1, .3: mean .1, standard deviation .2.
    table = RankTable([0, 1, 2], {"fit": [[0.0] * 3, [0.5, 0.6, 0.4], [0.6, 0.5, 0.7]]}, SHAPE)
    difference = table.difference(2, 1, "fit")
    assert difference.mean == pytest.approx(0.1)
    assert difference.error == pytest.approx(0.2 / sqrt(3))
    assert difference.z == pytest.approx(sqrt(3) / 2)


def test_difference_of_two_explosions_is_left_out_and_one_fold_is_no_evidence():
    table = RankTable([0, 1, 2], {"heldout": [[1.0] * 3, [inf, 0.3, 0.3], [inf, 0.2, 0.1]]}, SHAPE)
    assert table.difference(2, 1).mean == pytest.approx(-0.15)
    assert not RankTable([0, 1], {"heldout": [[1.0], [0.99]]}, SHAPE).gain(1).z >= 2.0


@pytest.mark.parametrize(
    ("difference", "z"),
    [
        (Difference(3.0, 1.5), 2.0),
        (Difference(-3.0, 1.5), -2.0),
        (Difference(3.0, 0.0), inf),
        (Difference(-3.0, 0.0), -inf),
        (Difference(0.0, 0.0), 0.0),
    ],
    ids=str,
)
def test_z_in_standard_errors(difference, z):
    assert difference.z == z


def test_gain_is_the_drop_of_log_error():
    table = RankTable([0, 1, 3], {"heldout": [[1.0, 1.0], [0.5, 0.25], [0.05, 0.025]]}, SHAPE)
    assert table.gain(1).mean == pytest.approx((log(2) + log(4)) / 2)
    assert table.gain(1).error == pytest.approx(log(2) / 2)  # the standard error of two values is half their distance
    # Rank 3 against the row before, which is rank 1: ten times better in both folds.
    assert table.gain(3).mean == pytest.approx(log(10))
    assert table.gain(3).error == pytest.approx(0.0, abs=1e-15)
    assert table.gain(3, 0).mean == pytest.approx((log(20) + log(40)) / 2)


def test_gain_of_rounding_is_none():
    # Below 1e-8 of the zero model's error the ratio of two errors is a ratio of roundings.
    table = RankTable([0, 1, 2, 3], {"heldout": [[1.0] * 2, [1e-4] * 2, [1e-13] * 2, [0.0] * 2]}, SHAPE)
    assert table.gain(2).mean == pytest.approx(log(1e4))
    assert table.gain(3) == Difference(0.0, 0.0)
    exploded = RankTable([0, 1], {"heldout": [[1.0, 1.0], [inf, inf]]}, SHAPE)
    assert exploded.gain(1).mean == -inf


# ----------------------------------------------------------------------------------------------------------- sub-tables


@pytest.mark.parametrize("ranks", [[3], [3, 0], (3, 3), iter([3])], ids=["list", "with 0", "twice", "iterator"])
def test_restricted_keeps_rank_zero_and_everything_else(ranks):
    part = TABLE.restricted(ranks)
    assert part.ranks.tolist() == [0, 3]
    assert list(part.replicates) == list(TABLE.replicates)
    for name, column in TABLE.replicates.items():
        np.testing.assert_array_equal(part[name], column[[0, 2]])
    assert (part.shape, part.complete) == (SHAPE, True)


def test_resampling_draws_the_same_folds_for_every_rank_and_score():
    # Replicate k of every fold score holds k, so a resampled row shows which folds were drawn.
    numbered = {name: np.tile(np.arange(5.0), (3, 1)) for name in FOLD_SCORES}
    table = RankTable([0, 1, 2], {**numbered, "loss_starts": np.tile(np.arange(5.0), (3, 1))}, SHAPE, complete=False)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(50):
        drawn = table.resampled(rng)
        rows = np.vstack([drawn[name] for name in FOLD_SCORES])
        assert (rows == rows[0]).all()
        np.testing.assert_array_equal(drawn["loss_starts"], table["loss_starts"])
        assert (drawn.ranks.tolist(), drawn.shape, drawn.complete) == ([0, 1, 2], SHAPE, False)
        seen.add(tuple(rows[0]))
    assert len(seen) > 40
    assert any(len(set(folds)) < 5 for folds in seen)  # with replacement
    table = RankTable([0, 1], {"fit": [[0.0], [0.5]]}, SHAPE)
    np.testing.assert_array_equal(table.resampled(np.random.default_rng(0))["fit"], table["fit"])


# --------------------------------------------------------------------------------------------------------------- export


def test_to_dict_is_plain_lists():
    plain = TABLE.to_dict()
    assert list(plain) == [
        "rank",
        *("heldout", "heldout_replicates"),
        *("stability_folds", "stability_folds_replicates"),
        *("loss_starts", "loss_starts_replicates"),
        "fit",
    ]
    assert plain["rank"] == [0, 1, 3]
    assert all(type(rank) is int for rank in plain["rank"])
    assert plain["fit"] == [0.0, 0.5, 0.9]
    assert plain["heldout"] == TABLE.mean("heldout").tolist()
    assert plain["heldout_replicates"] == TABLE["heldout"].tolist()


def test_to_frame_has_a_row_for_every_rank():
    pytest.importorskip("pandas")
    frame = TABLE.to_frame()
    assert frame.index.name == "rank"
    assert frame.index.tolist() == [0, 1, 3]
    assert list(frame) == [
        *("heldout", "heldout_se", "stability_folds", "stability_folds_se", "loss_starts", "loss_starts_se", "fit"),
    ]
    np.testing.assert_array_equal(frame["heldout"], TABLE.mean("heldout"))
    np.testing.assert_array_equal(frame["heldout_se"], TABLE.standard_error("heldout"))


def test_to_frame_without_pandas_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    sentence = r"^to_frame needs pandas\. Install it with `pip install 'autoten\[labels\]'`\.$"
    with pytest.raises(ImportError, match=sentence):
        TABLE.to_frame()


# ---------------------------------------------------------------------------------------------------- tables of parts


def test_tables_of_parts_become_one_with_the_replicates_of_all_at_the_ranks_that_all_have():
    columns = {
        "heldout": [[1.0, 1.0], [0.5, 0.6], [0.2, 0.3]],
        "stability_halves": [[nan], [0.9], [0.4]],
        "stability_halves_splits": [[nan, nan], [0.9, 0.8], [0.4, 0.3]],
        "mine": [[0.0], [1.0], [2.0]],
    }
    one = RankTable([0, 1, 2], columns, (4, 3, 3), constrained=True, solver="HALS", holdout="Blocks")
    other = RankTable([0, 2, 3], {**columns, "theirs": [[0.0], [1.0], [2.0]]}, (4, 4, 3), constrained=True)
    both = put_together([one, other], (40, 30, 20))
    assert both.ranks.tolist() == [0, 2]
    assert (both.shape, both.complete, both.constrained) == ((40, 30, 20), True, True)
    assert (both.solver, both.holdout) == ("HALS", "Blocks")
    assert set(both.replicates) == set(columns)
    np.testing.assert_array_equal(both["heldout"], [[1.0] * 4, [0.2, 0.3, 0.5, 0.6]])
    np.testing.assert_array_equal(both["stability_halves_splits"], [[nan] * 4, [0.4, 0.3, 0.9, 0.8]])
    np.testing.assert_array_equal(both["stability_halves"], [[nan], [0.9]])
    np.testing.assert_array_equal(both["mine"], [[0.0, 0.0], [2.0, 1.0]])
    assert one["heldout"].shape == (3, 2)


def test_of_one_part_it_is_the_table_of_it_and_complete_only_if_all_are():
    alone = put_together([TABLE], (50, 60, 70))
    assert alone.shape == (50, 60, 70)
    assert alone.to_dict().keys() == TABLE.to_dict().keys()
    for name in TABLE.replicates:
        np.testing.assert_array_equal(alone[name], TABLE[name])
    assert not put_together([TABLE, replace(TABLE, complete=False)], SHAPE).complete
