"""The default policy, piece by piece, on tables made from the gains of their components."""

import json
from dataclasses import replace
from importlib.resources import files
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoten.selection import DEFAULT_POLICY, Calibrated, apply_policy, calibrated
from autoten.table import RankTable

SHAPE = (20, 20, 20)


def make_table(gains, core=100.0, alike=None, *, ranks=None, shape=SHAPE, **scores):
    """Return a table whose components lower the log held-out error by `gains`; `alike` is the folds' match score."""
    gains = np.asarray(gains, dtype=float)
    ranks = np.arange(1, len(gains) + 1) if ranks is None else np.asarray(ranks)
    heldout = np.exp(-np.concatenate([[0.0], np.cumsum(gains)]))
    alike = 1.0 - 1e-3 / ranks if alike is None else np.broadcast_to(np.asarray(alike, dtype=float), gains.shape)
    core = np.broadcast_to(np.asarray(core, dtype=float), gains.shape)
    columns = {
        "heldout": np.column_stack([heldout * 0.99, heldout * 1.01]),
        "core_consistency": [[nan], *core[:, None]],
        "corrected_core_consistency": [[nan], *core[:, None]],
        "stability_folds": [[nan], *alike[:, None]],
        **scores,
    }
    return RankTable([0, *ranks], columns, shape)


# A weak share, that each of the others may be the strongest doubt.
WEIGHTS = dict.fromkeys(calibrated.EVIDENCE, 1.0) | {"share": 0.02}


def stated(*arguments, **options):
    return apply_policy(DEFAULT_POLICY, make_table(*arguments, **options)).probabilities


# ------------------------------------------------------------------------------------------------------------- evidence


def test_contrast_is_the_log_ratio_to_the_largest_that_follows():
    table = make_table([0.8, 0.1, 0.4, 0.05, 0.02])
    # One that stands out less than a later one is not held liable.
    wanted = [np.log(2), 0.0, np.log(8), np.log(2.5), 0.0]
    np.testing.assert_allclose(calibrated.contrast(table), wanted, atol=1e-9)
    assert calibrated.contrast(make_table([5.0, 0.0]))[0] == calibrated.LARGEST_CONTRAST


def test_what_one_component_spoils_and_the_next_repairs_counts_for_neither():
    gains = calibrated.gains_over_best(make_table([1.0, -0.5, 0.5, 0.2]))
    np.testing.assert_allclose(gains, [1.0, -0.5, 0.0, 0.2], atol=1e-9)


def test_every_further_component_pays_for_the_core_consistency_that_is_lost():
    table = make_table([1.0] * 6, core=[-900, -900, 90, 10, -1e9, 90])
    lost = np.log10([1, 1, 2, 10, 1e6, 2])
    np.testing.assert_allclose(calibrated.trilinearity(table), -lost, atol=1e-9)
    four_modes = make_table([1.0, 1.0], core=0.0, shape=(8, 8, 8, 8))  # it counts from rank 2 on
    np.testing.assert_allclose(calibrated.trilinearity(four_modes), [0.0, -np.log10(11)])
    assert not calibrated.trilinearity(make_table([1.0] * 4, core=nan)).any()  # unknown, it says nothing


def test_share_is_of_all_that_any_rank_explains():
    table = make_table([np.log(2), np.log(2), -0.1, np.log(2)])
    left = 0.125 * np.exp(0.1)  # what the third one spoiled is not the fourth one's merit
    wanted = np.log(np.array([0.5, 0.25, 1.0, 0.25 - left]) / (1.0 - left)) * [1, 1, 0, 1]
    np.testing.assert_allclose(calibrated.share(table), wanted, atol=1e-9)
    noise = make_table([1e-4, -0.1])  # where next to nothing is explained, a share of it is not much
    np.testing.assert_allclose(calibrated.share(noise)[0], np.log(0.1), atol=1e-3)
    # That of a component that explains nothing says nothing.
    assert calibrated.share(make_table([-0.1, -0.2])).tolist() == [0.0, 0.0]
    assert calibrated.share(make_table([1.0, 1e-9]))[1] == np.log(calibrated.SMALLEST_SHARE)


def test_replicability_counts_components_that_differ():
    table = make_table([1.0] * 3, alike=[1 - 1e-3, 1 - 5e-4, 1 - 1e-1])
    np.testing.assert_allclose(calibrated.replicability(table), [1.0, 0.0, -np.log10(300)], atol=1e-9)
    assert calibrated.replicability(make_table([1.0], alike=1.0))[0] == 2.0
    # Agreement on a component that explains nothing does not speak for it.
    assert calibrated.replicability(make_table([0.0, 1.0], alike=1.0)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["replicability", "halves_alike", "fall"])
def test_what_could_not_be_scored_is_no_evidence(name):
    known = {
        "stability_halves": [[nan], [0.9], [0.8], [nan]],
        "weakest_excess": [[nan], [3.0], [1.0], [nan]],
        "residual_likeness": [[0.0], [0.1], [0.1], [nan]],
    }
    table = make_table([1.0, 1.0, 1.0], alike=[0.999, 0.9, nan], **known)
    _, second, third = calibrated.EVIDENCE[name](table)
    assert third == 0.0
    assert second != 0.0 or name == "fall"


def test_halves_are_weighed_as_folds_are():
    table = make_table([1.0] * 4, stability_halves=[[nan], [0.7], [0.985], [0.9], [nan]])
    np.testing.assert_allclose(calibrated.halves_alike(table), [-1.0, 1.0, -1.0, 0.0], atol=1e-9)
    exact = make_table([1.0, -0.5], stability_halves=[[nan], [1.0], [1.0]])
    assert calibrated.halves_alike(exact).tolist() == [0.0, 0.0]  # and what explains nothing gets no credit


WHAT_IS_LEFT = {
    "residual_excess": [[2.0, 2.2], [1.0, 1.2], [0.1, 0.2], [0.0, 0.0]],
    "weakest_excess": [[nan], [2.5], [1.8], [0.5]],
    "residual_likeness": [[0.0], [0.3], [0.1], [0.1]],
}


def test_the_weakest_component_is_held_against_noise_and_against_the_next_rank():
    table = make_table([1.0, 0.5, 0.1], **WHAT_IS_LEFT)
    np.testing.assert_allclose(calibrated.strength(table), [2.5, 1.8, 0.5])
    np.testing.assert_allclose(calibrated.fall(table), [0.7, 1.0, 0.0])
    far = WHAT_IS_LEFT | {"weakest_excess": [[nan], [50.0], [-9.0], [0.0]]}
    assert calibrated.strength(make_table([1.0] * 3, **far)).tolist() == [*calibrated.STRENGTHS[::-1], 0.0]
    assert calibrated.fall(make_table([1.0] * 3, **far))[0] == calibrated.FALLS[1]


def test_neither_what_predicts_nothing_nor_half_a_component_is_strong():
    assert calibrated.strength(make_table([1.0, 1e-5, -0.1], **WHAT_IS_LEFT)).tolist() == [2.5, 0.0, 0.0]
    nothing_left = WHAT_IS_LEFT | {"residual_excess": [[2.0], [0.04], [0.0], [0.0]]}
    np.testing.assert_allclose(calibrated.strength(make_table([1.0] * 3, **nothing_left)), [2.5, 0.0, 0.0])
    weaker = nothing_left | {"weakest_excess": [[nan], [2.5], [1.8], [-0.5]]}
    np.testing.assert_allclose(calibrated.strength(make_table([1.0] * 3, **weaker)), [2.5, 0.0, -0.5])


def test_what_is_left_is_like_the_components_while_they_are_mixtures():
    table = make_table([1.0, 0.5, 0.1], **WHAT_IS_LEFT)
    np.testing.assert_allclose(calibrated.likeness(table), [0.0 - 0.15, 0.3 - 0.05, 0.1 - 0.05])


def test_coefficients_are_those_of_the_solver_and_of_what_is_known():
    made = calibrated.published()["coefficients"]
    halves = {"stability_halves": [[nan], [1.0], [1.0], [0.6]]}
    for solver, of in (("HALS", "HALS"), ("KL", "KL"), ("ALS", "ALS"), ("Own", "ALS"), ("", "ALS")):
        for scores, name in (
            (halves | WHAT_IS_LEFT, "all"),
            (WHAT_IS_LEFT, "all and without halves"),
            (halves, "all and without residuals"),
            ({}, "all and without halves and without residuals"),
        ):
            table = replace(make_table([1.0, 0.5, 0.1], **scores), solver=solver)
            odds = calibrated.log_odds(table, made[of][name])
            assert list(DEFAULT_POLICY(table).probabilities.values()) == calibrated.probabilities(odds).tolist()


@pytest.mark.parametrize(
    ("solver", "holdout", "by"),
    [
        ("ALS", "RandomElements", ""),
        ("HALS", "RandomFibres", ""),
        ("", "", ""),
        ("ALS", "Blocks", "ALS with Blocks"),
        ("Own", "RandomElements", "Own"),
    ],
)
def test_probabilities_made_for_other_fits_are_called_a_guide(solver, holdout, by):
    table = replace(make_table([1.0, 0.5, 0.1]), solver=solver, holdout=holdout)
    _, _, guide = DEFAULT_POLICY(table).reason.partition(" Probabilities are a guide: ")
    assert guide == (f"they were made for other fits than {by}." if by else "")


def test_components_that_cancel_each_other_speak_against_a_rank():
    table = make_table([1.0] * 4, opposition=[[0.0], [0.0], [-0.7], [-0.85], [-1.0]])
    np.testing.assert_allclose(calibrated.degeneracy(table), [0.0, 0.0, -0.5, -1.0], atol=1e-9)
    assert calibrated.degeneracy(make_table([1.0, 1.0])).tolist() == [0.0, 0.0]  # not known


@pytest.mark.parametrize("name", list(calibrated.EVIDENCE))
@given(gains=st.lists(st.floats(-5, 5) | st.sampled_from([nan, inf]), min_size=1, max_size=8))
def test_every_piece_is_finite_and_has_an_entry_for_every_component(name, gains):
    evidence = calibrated.EVIDENCE[name](make_table(gains))
    assert evidence.shape == (len(gains),)
    assert np.isfinite(evidence).all()


# ------------------------------------------------------------------------------------------------------------- weighing


def test_log_odds_are_the_weighted_sum():
    table = make_table([0.8, 0.4], alike=[1 - 1e-3, 1 - 5e-3])
    odds = calibrated.log_odds(table, {"intercept": 1.0, "contrast": 2.0, "replicability": 3.0})
    np.testing.assert_allclose(odds, [1 + 2 * np.log(2) + 3, 1 - 3])
    # Of neighbours: an adjacent-categories logit.
    np.testing.assert_allclose(calibrated.probabilities(np.log([3.0, 0.5])), np.array([2, 6, 3]) / 11)


def test_the_published_coefficients_are_those_in_the_file_and_none_is_negative():
    made = json.loads(files("autoten.selection").joinpath("calibrated.json").read_text("utf-8"))
    assert made == calibrated.published()
    for of_solver in made["coefficients"].values():
        assert set(of_solver["all"]) == set(calibrated.EVIDENCE)
        for weights in of_solver.values():
            assert all(weight >= 0 for name, weight in weights.items() if name != "intercept")


def test_the_last_component_that_stands_out_is_taken():
    seen = {
        "stability_halves": [[nan], [1.0], [1.0], [1.0], [0.7], [0.6], [0.5]],
        "residual_excess": [[2.0], [2.0], [1.5], [0.0], [0.0], [0.0], [0.0]],
        "weakest_excess": [[nan], [5.0], [4.0], [3.0], [0.2], [0.2], [0.2]],
        "residual_likeness": [[0.0], [0.3], [0.2], [0.1], [0.1], [0.1], [0.1]],
    }
    shares = stated([1.0, 0.8, 0.5, 0.001, 0.001, 0.001], core=[100, 100, 98, -900, -9e4, -9e6], **seen)
    assert max(shares, key=shares.get) == 3
    assert shares[3] > 0.9
    assert sum(shares.values()) == pytest.approx(1.0)


def test_each_axis_moves_the_choice_alone():
    gains = [1.0, 0.8, 0.1, 0.05, 0.05, 0.05]
    sound, spoiled = stated(gains), stated(gains, core=[100, 100, -1e4, -1e5, -1e6, -1e6])
    assert sound[2] < spoiled[2]
    assert stated([1.0, 0.8, 0.7, 0.01, 0.01, 0.01])[3] > stated([1.0, 0.8, 0.02, 0.01, 0.01, 0.01])[3]
    lost = stated(gains, alike=[1 - 1e-3, 1 - 1e-3, 0.8, 0.7, 0.7, 0.7])
    assert lost[2] > sound[2]
    # A weak component between strong ones does not end the count.
    assert DEFAULT_POLICY(make_table([1.0, 0.0, 1.5, 0.001, 0.001], core=[100, 100, 100, -900, -9e4])).rank == 3


def test_noise_is_rank_zero():
    choice = DEFAULT_POLICY(
        make_table([-0.05, -0.05, -0.1], alike=[0.8, 0.7, 0.4], residual_excess=[[0.02, 0.05], *[[nan, nan]] * 3])
    )
    assert choice.rank == 0
    assert choice.reason == (
        "Component 1 does not lower the held-out error: nothing beyond noise. "
        "It explains 1.04 times as much of the data as of noise of the same size."
    )


# ---------------------------------------------------------------------------------------------------------------- words


def test_the_reason_gives_both_axes():
    reason = DEFAULT_POLICY(make_table([1.0, 0.8, 0.5, 0.01, 0.01], core=[100, 100, 98, -900, -9e4])).reason
    assert reason == (
        "Component 3 lowers the held-out error by 39.3 %, later ones by 0.995 % at most. "
        "Core consistency is 98.0 at rank 3 and -900.0 at rank 4."
    )


@pytest.mark.parametrize(
    ("against", "doubt"),
    [
        ({"core": [100, 100, 99, -1e5]}, "costs core consistency"),
        ({"alike": [0.999, 0.999, 0.999, 0.5]}, "folds find less alike"),
        ({"stability_halves": [[nan], [1.0], [1.0], [0.3], [0.0]]}, "does not come back from halves of the data"),
        ({"opposition": [[nan], [0], [0], [0], [-0.99]]}, "nearly cancels another one"),
        ({"alike": 1.0}, "explains little of all that is held out"),
    ],
)
def test_a_larger_gain_that_does_not_count_is_explained(against, doubt):
    table = make_table([4.0, 1.0, 0.1, 2.0], **against)
    reasons = [calibrated.reason_for(table, WEIGHTS, np.eye(5)[row], row) for row in (1, 2)]
    assert "later ones by 86.5 % at most." in reasons[0]  # itself 98 %
    assert reasons[1].startswith(
        f"Component 2 lowers the held-out error by 63.2 %, later ones by 86.5 % at most (component 4, which {doubt})."
    )


def test_the_reason_says_what_halves_share():
    halves = [[nan], [1.0], [0.99], [0.6]]
    with_core = DEFAULT_POLICY(make_table([2.0, 2.0, 0.01], core=[100, 100, -50], stability_halves=halves))
    assert with_core.reason.endswith(
        "is 100.0 at rank 2 and -50.0 at rank 3; "
        "halves of the data share 2.0 of 2 components (good) and 1.8 of 3 components (about 1 does not come back)."
    )
    without = DEFAULT_POLICY(make_table([2.0, 0.01, 0.01], core=nan, stability_halves=[[nan], [1.0], [0.6], [0.5]]))
    assert without.reason.endswith(
        " Halves of the data share 1.0 of 1 component (good) and 1.2 of 2 components (about 1 does not come back)."
    )


@pytest.mark.parametrize(
    ("core", "corrected", "said"),
    [
        (60.0, 60.0, "is 60.0 at rank 3 and"),
        (-15.0, -15.0, "is -15.0 at rank 3 (low: components mix, which speaks against this rank"),
        (30.0, 80.0, "is 30.0 at rank 3 (low, as noise makes it: 80.0 without what noise explains) and"),
        (-0.01, -0.01, "is 0.0 at rank 3 (low"),
    ],
)
def test_a_low_core_consistency_of_the_chosen_rank_is_judged(core, corrected, said):
    columns = {"corrected_core_consistency": [[nan], [100], [100], [corrected], [-50]]}
    table = make_table([2.0, 2.0, 2.0, 0.01], core=[100, 100, core, -50], **columns)
    assert said in calibrated.reason_for(table, WEIGHTS, np.eye(5)[3], 3)


def test_nearly_all_of_an_error_is_never_all_of_it():
    table = make_table([9.0, -0.1])
    assert "by more than 99.9 %, later ones not at all" in calibrated.reason_for(table, WEIGHTS, np.eye(3)[1], 1)
    assert "error, nor do later ones" in calibrated.reason_for(make_table([-0.1, -0.1]), WEIGHTS, np.eye(3)[1], 1)


def test_core_consistency_that_cannot_tell_is_not_quoted_and_the_end_of_the_range_is_named():
    reason = DEFAULT_POLICY(make_table([1.0, -0.1], alike=[0.999, 0.8])).reason
    assert reason == "Component 1 lowers the held-out error by 63.2 %, later ones not at all."
    assert "Component 3 lowers the held-out error by 50.3 %; no larger rank was tried." in (
        DEFAULT_POLICY(make_table([1.0, 0.8, 0.7])).reason
    )


def test_no_clear_rank_is_said_and_the_others_are_alternatives():
    policy = Calibrated({"intercept": 0.0})
    choice = policy(make_table([1.0, 0.5, 0.1], core=[100, 100, -2000]))
    assert choice.reason.startswith("No clear rank: 0 has a probability of 25 %, 1 one of 25 %.")
    assert [other.rank for other in choice.alternatives] == [1, 2, 3]
    assert choice.alternatives[-1].reason.endswith("core consistency is below -1000")


def test_two_peaks_are_told_as_two():
    table = make_table([1.0, 0.5, 0.2])
    for shares, others in (
        ([0.01, 0.5, 0.04, 0.45], "3 one of 45 %, those between less"),
        ([0.01, 0.5, 0.45, 0.04], "2 one of 45 %"),
    ):
        reason = calibrated.reason_for(table, {}, np.array(shares), 1)
        assert reason.startswith(f"No clear rank: 1 has a probability of 50 %, {others}. Component")


def test_what_is_left_is_told():
    table = make_table([1.0, 0.8, 0.01], core=[100, 100, -900], **WHAT_IS_LEFT)
    assert DEFAULT_POLICY(table).reason.endswith(
        "What it leaves looks like noise: one more component explains 1.2 times as much of it as of noise."
    )
    left = {**WHAT_IS_LEFT, "residual_excess": [[2.0], [1.9], [0.7], [0.7]]}
    table = make_table([1.0, 0.8, 0.01], core=[100, 100, -900], **left)
    assert "still has structure: one more component explains 2 times as much of it as" in DEFAULT_POLICY(table).reason
    table = make_table(
        [1.0, 0.8, 0.01], core=[100, 100, -900], **{**left, "residual_excess": [[2.0], [1.9], [0.02], [0]]}
    )
    assert "looks like noise: one more component explains no more of it than of noise." in DEFAULT_POLICY(table).reason


def test_a_smaller_alternative_says_what_may_not_be_enough():
    choice = Calibrated({"contrast": 0.2})(make_table([1.0, 0.2, 0.1]))
    assert choice.rank == 2
    (reason,) = [other.reason for other in choice.alternatives if other.rank == 1]
    assert reason == "if component 2 is none: it lowers the held-out error by 18.1 % only"


LARGEST = Calibrated({"intercept": 5.0})


@pytest.mark.parametrize(
    ("core", "alternatives"),
    [
        ([100, 100, 97.4, 35.4], {3: "97.4 at rank 3, 35.4 at rank 4"}),
        ([100, 100, 79.9, 97], {2: "100.0 at rank 2, 79.9 at rank 3"}),
        ([100, 100, 80, -1e9], {3: "80.0 at rank 3, below -1000 at rank 4"}),
        ([100, 100, nan, 35], {3: "35.0 at rank 4"}),
        ([100, 100, 99, 97], {}),
        ([100, 100, 97, nan], {}),
        ([20, 30, 97, 95], {}),  # ranks at which it can tell nothing
    ],
)
def test_a_smaller_rank_at_which_core_consistency_alone_would_stop_is_an_alternative(core, alternatives):
    choice = LARGEST(make_table([2.0, 1.5, 1.5, 1.5], core=core))
    assert choice.rank == 4
    assert max(share for rank, share in choice.probabilities.items() if rank != 4) < 0.05
    stops = "corrected core consistency alone would stop there: "
    assert choice.alternatives == tuple((rank, f"{stops}{case}") for rank, case in alternatives.items())


def test_core_consistency_that_stops_elsewhere_is_no_alternative_twice_nor_one_beyond_the_range():
    even = Calibrated({"intercept": 1e-3})(make_table([2.0, 1.5, 1.5, 1.5], core=[100, 100, 97, 35]))
    assert [other.rank for other in even.alternatives] == [3, 2, 1]
    assert even.alternatives[0].reason == (
        "if component 4 is none: it lowers the held-out error by 77.7 % only; "
        "corrected core consistency alone would stop there: 97.0 at rank 3, 35.0 at rank 4"
    )
    assert LARGEST(make_table([2.0, 1.5], core=[20, 20], ranks=[3, 4])).alternatives == ()  # not below the first tried
    smaller = DEFAULT_POLICY(make_table([3.0, 2.0, -0.1, -0.1], core=[100, 100, 99, 20], alike=[1, 1, 0.5, 0.5]))
    assert smaller.rank == 2
    assert 3 not in [other.rank for other in smaller.alternatives]  # core consistency alone goes on to there


def test_components_no_better_than_random_signs_are_doubted():
    table = make_table([1.0, -0.1], alike=[0.999, 0.8], residual_excess=[[0.3, -0.31], *[[nan, nan]] * 2])
    assert DEFAULT_POLICY(table).reason.endswith("no more of the data than of noise of the same size.")


def test_it_is_a_value():
    assert Calibrated() == Calibrated()
    assert repr(Calibrated()) == "Calibrated()"
    assert repr(Calibrated({"contrast": 1.0})) == "Calibrated({'contrast': 1.0})"


@given(
    gains=st.lists(st.floats(-3, 8), min_size=1, max_size=8),
    core=st.floats(-1e12, 100),
    alike=st.floats(0, 1),
    step=st.integers(1, 3),
)
def test_any_table_gets_a_rank_of_its_own_and_a_sentence(gains, core, alike, step):
    ranks = step * np.arange(1, len(gains) + 1)
    choice = apply_policy(DEFAULT_POLICY, make_table(gains, core=core, alike=alike, ranks=ranks))
    assert choice.rank in [0, *ranks]
    assert choice.reason.endswith(".")
    assert choice.rank not in [other.rank for other in choice.alternatives]
