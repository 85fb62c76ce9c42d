"""The default policy, branch by branch, on tables made from the gains of their components."""

from math import inf, log, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoten.selection import DEFAULT_POLICY, Alternative, Balance, apply_policy
from autoten.table import RankTable

SURE = 20.0  # standard errors, unless a test says otherwise


def make_table(gains, corrected=100.0, *, raw=None, errors=SURE, ranks=None, shape=(20, 20, 20)):
    """Return a table whose components lower the log held-out error by `gains`, `errors` standard errors each.

    Two folds, one a standard error above the mean and one below: the standard error of two numbers is half their
    distance.
    """
    gains = np.asarray(gains, dtype=float)
    deviations = np.abs(gains) / np.broadcast_to(errors, gains.shape)
    folds = np.stack([gains + deviations, gains - deviations], axis=1)
    heldout = np.exp(-np.cumsum(np.vstack([[0.0, 0.0], folds]), axis=0))
    corrected = np.broadcast_to(np.asarray(corrected, dtype=float), gains.shape)
    scores = {
        "heldout": heldout,
        "corrected_core_consistency": [[nan], *corrected[:, None]],
        "core_consistency": [[nan], *(corrected if raw is None else np.asarray(raw, dtype=float))[:, None]],
    }
    return RankTable(range(len(gains) + 1) if ranks is None else [0, *ranks], scores, shape)


def stands_out(choice):
    return "no rank stands out clearly" not in choice.reason


def chosen(*arguments, policy=DEFAULT_POLICY, **options):
    return apply_policy(policy, make_table(*arguments, **options)).rank


def test_the_tables_have_the_gains_that_were_asked_for():
    table = make_table([0.5, -0.1, 0.2], errors=[4, 5, 2])
    assert [table.gain(rank).mean for rank in (1, 2, 3)] == pytest.approx([0.5, -0.1, 0.2])
    assert [table.gain(rank).z for rank in (1, 2, 3)] == pytest.approx([4, -5, 2])


# ----------------------------------------------------------------------------------------------------------- prediction


def test_the_last_component_before_the_gains_end():
    choice = DEFAULT_POLICY(make_table([1.0, 0.8, 0.5, 0.001, 0.001]))
    assert choice.rank == 3
    assert stands_out(choice)


@pytest.mark.parametrize(("later", "rank"), [(0.32, 2), (0.34, 0)])
def test_a_component_must_gain_three_times_what_a_later_one_does(later, rank):
    # 1.0 / .32 is more than 3, 1.0 / .34 is less. (Core consistencies of 70 are not respectable: where nothing stands
    # out, the answer is 0.)
    assert chosen([1.0, 1.0, later, later, 0.15, 0.1, 0.06], corrected=70.0) == rank


def test_every_component_counts_not_only_the_last():
    # Component 3 gains 1.5, five times what follows, but component 2 gains only .6, twice as much.
    assert chosen([1.0, 0.95, 1.5, 0.3, 0.2, 0.1], corrected=70.0) == 3
    assert chosen([1.0, 0.60, 1.5, 0.3, 0.2, 0.1], corrected=70.0) == 0


def test_only_the_next_three_are_rivals():
    # A late gain of .5 is a rival of component 2 at rank 5, no more at rank 6.
    assert chosen([1.0, 1.0, 0.01, 0.01, 0.5, 0.01, 0.01], corrected=70.0) == 0
    assert chosen([1.0, 1.0, 0.01, 0.01, 0.01, 0.5, 0.01], corrected=70.0) == 2


def test_the_window_is_a_parameter():
    gains = [1.0, 1.0, 0.01, 0.01, 0.5, 0.01]
    assert chosen(gains, 70.0, policy=Balance(window=2)) == 2
    assert chosen(gains, 70.0, policy=Balance(window=3)) != 2


@pytest.mark.parametrize(("errors", "rank"), [(1.6, 2), (1.4, 1)])
def test_a_component_must_gain_one_and_a_half_standard_errors(errors, rank):
    choice = DEFAULT_POLICY(make_table([1.0, 0.2, 0.001, 0.001], errors=[SURE, errors, SURE, SURE]))
    assert choice.rank == rank
    assert stands_out(choice)


def test_an_insignificant_rival_counts_for_nothing():
    gains, errors = [1.0, 0.5, 0.4, 0.0001], [SURE, SURE, 1.4, SURE]
    assert stands_out(DEFAULT_POLICY(make_table(gains, errors=errors)))
    assert chosen(gains, errors=errors) == 2
    assert chosen(gains) == 3


def test_a_loss_is_no_rival():
    assert chosen([1.0, 1.0, -0.5, -0.5, -0.5]) == 2


@pytest.mark.parametrize(("gain", "rank"), [(0.016, 2), (0.014, 0)])
def test_later_components_are_taken_to_gain_half_a_percent(gain, rank):
    # One of the later gains, .003, is above .002, so 3 * .005 = .015 is needed. (Rank 1 has the larger rank 2 for a
    # rival, and core consistencies of 70 are not respectable: all or nothing.)
    assert chosen([gain, gain, 0.003, 0.001], corrected=70.0) == rank


@pytest.mark.parametrize(("gain", "rank"), [(0.007, 2), (0.005, 0)])
def test_at_the_end_of_all_gains_two_permille_are_enough(gain, rank):
    # No later gain is above .002: 3 * .002 = .006 is needed.
    assert chosen([gain, gain, 0.0015, 0.001], corrected=70.0) == rank


def test_a_single_later_component_does_not_show_that_gains_have_ended():
    assert chosen([0.007, 0.007, 0.0001], corrected=70.0) == 0
    assert chosen([0.016, 0.016, 0.0001], corrected=70.0) == 2


# -------------------------------------------------------------------------------------------------------- the last rank


@pytest.mark.parametrize(("gain", "clear"), [(0.016, True), (0.014, False)])
def test_a_single_candidate_needs_its_least_gain(gain, clear):
    choice = DEFAULT_POLICY(make_table([gain], corrected=90.0))
    assert (choice.rank, stands_out(choice)) == (1, clear)


def test_the_last_rank_is_taken_where_nothing_stands_out():
    # No component gains three times what the next one does, and .2 is less than a third of what is usual before it.
    choice = DEFAULT_POLICY(make_table([1.0, 0.5, 0.2]))
    assert choice.rank == 3
    assert not stands_out(choice)


@pytest.mark.parametrize(("last", "clear"), [(1.12, True), (1.08, False)])
def test_the_last_rank_stands_out_on_a_par_with_those_before_it(last, clear):
    # What is usual before it is the median of 1.2 and 1.0.
    choice = DEFAULT_POLICY(make_table([1.2, 1.0, last], corrected=90.0))
    assert (choice.rank, stands_out(choice)) == (3, clear)


def test_before_the_last_rank_the_least_gain_is_needed_too():
    assert stands_out(DEFAULT_POLICY(make_table([1.0, 0.016, 2.0], corrected=90.0)))
    assert not stands_out(DEFAULT_POLICY(make_table([1.0, 0.014, 2.0], corrected=90.0)))


def test_the_last_rank_needs_a_respectable_core_consistency():
    assert chosen([1.2, 1.0, 1.15], corrected=81.0) == 3
    assert chosen([1.2, 1.0, 1.15], corrected=79.0) == 0


def test_above_a_refuted_rank_core_consistency_must_be_respectable():
    gains = [1.0, 1.0, 0.5, 0.5, 0.001, 0.001]
    assert chosen(gains, [100, 100, -5, 81, 70, 70]) == 4
    assert chosen(gains, [100, 100, -5, 79, 70, 70]) == 2


def test_beyond_the_length_of_a_mode_a_component_must_gain_what_is_usual():
    # Ceilings below 100: the third component gains a fifth of the median before it, a third would be needed.
    table = make_table([1.0, 1.0, 0.2, 0.001, 0.001])
    short = RankTable(
        table.ranks, {**table.replicates, "ceiling": [[nan], [100], [100], [67], [50], [40]]}, table.shape
    )
    assert DEFAULT_POLICY(table).rank == 3
    assert DEFAULT_POLICY(short).rank == 2


def test_a_fallback_needs_the_least_gain():
    gains = [1.0, 0.5, 0.4, 0.0001]
    assert chosen(gains, [100, 100, 100, 100]) == 3


def test_the_last_rank_does_not_stand_out_by_a_fraction_of_those_before_it():
    # .2 is less than a third of 1.0; what stands out is rank 2, whose components gain five times as much.
    choice = DEFAULT_POLICY(make_table([1.0, 1.0, 0.2]))
    assert choice.rank == 2
    assert stands_out(choice)


# ----------------------------------------------------------------------------------------------------- core consistency


def test_a_refuted_rank_cannot_be_chosen():
    gains = [1.0, 1.0, 0.5, 0.001, 0.001]
    assert chosen(gains) == 3
    assert chosen(gains, [100, 100, 0.1, 90, 90]) == 3
    assert chosen(gains, [100, 100, -0.1, 90, 90]) == 2


@pytest.mark.parametrize(("refuted", "clear"), [(0.74, True), (0.8, False)])
def test_before_a_refuted_rank_less_contrast_is_needed(refuted, clear):
    # 1.0 / .74 is more than 1.3, 1.0 / .8 is less. Rank 2 comes out either way, as the largest that is respectable.
    choice = DEFAULT_POLICY(make_table([1.0, 1.0, refuted, 0.001, 0.001], [100, 100, -50, 70, 70]))
    assert choice.rank == 2
    assert stands_out(choice) == clear


def test_the_lesser_contrast_holds_for_the_rank_before_alone():
    # Rank 4 is refuted. Rank 2, two before it, outdoes the later gains of .5 only twice, which is not enough.
    choice = DEFAULT_POLICY(make_table([1.0, 1.0, 0.5, 0.5, 0.001], [100, 100, 79, -50, 79]))
    assert choice.rank == 2
    assert not stands_out(choice)


@pytest.mark.parametrize(
    ("shape", "corrected", "rank"),
    [
        ((9, 9, 9), [-50, -50, -50, -50], 2),  # three modes: ranks 1 and 2 cannot be refuted, rank 3 can
        ((9, 9, 9, 9), [-50, -50, -50, -50], 1),  # four modes: rank 1 cannot
        ((9, 9, 9, 9), [-50, 100, -50, -50], 2),
    ],
)
def test_where_core_consistency_is_100_for_any_data_it_refutes_nothing(shape, corrected, rank):
    assert chosen([1.0, 0.7, 0.3, 0.001], corrected, shape=shape) == rank


def test_an_unknown_core_consistency_refutes_nothing():
    assert chosen([1.0, 1.0, 0.5, 0.001, 0.001], [100, 100, nan, nan, nan]) == 3


# --------------------------------------------------------------------------------------------------- no rank stands out


# No component gains three times what the next ones do, and the last is far below the others.
NO_KNEE = [0.5, 0.45, 0.4, 0.35, 0.3, 0.12]


def test_without_a_knee_the_largest_respectable_rank_is_taken():
    assert chosen(NO_KNEE, [100, 100, 90, 81, 79, 79]) == 4
    assert chosen(NO_KNEE, [100, 100, 90, 79, 79, 81]) == 6
    assert chosen(NO_KNEE, [100, 100, 79, 79, 79, 79]) == 2
    assert chosen(NO_KNEE, [100, 100, 79, 79, 79, 69], policy=Balance(respectable=70.0)) == 5
    assert not stands_out(DEFAULT_POLICY(make_table(NO_KNEE)))


def test_without_a_knee_only_significant_gains_count():
    # With a contrast of 99 nothing stands out from the .5 % that the next component is taken to gain.
    strict = Balance(contrast=99.0)
    assert chosen(NO_KNEE, policy=strict) == 6
    assert chosen(NO_KNEE, errors=[SURE, SURE, SURE, SURE, SURE, 1.4], policy=strict) == 5
    assert chosen(NO_KNEE, errors=[SURE, SURE, SURE, SURE, 1.4, 1.4], policy=strict) == 4


def test_without_a_knee_a_refuted_rank_is_not_taken():
    assert chosen(NO_KNEE, [100, 100, 90, 90, -1, -1], policy=Balance(respectable=-10.0)) == 4


def test_no_significant_gain_is_rank_zero():
    choice = DEFAULT_POLICY(make_table([0.3, 0.2, 0.1], errors=1.0))
    assert choice.rank == 0
    assert choice.reason == (
        "No component lowers the held-out error beyond its scatter over the folds: nothing beyond noise."
    )


def test_worse_than_no_model_is_rank_zero():
    choice = DEFAULT_POLICY(make_table([-0.1, -0.1, -0.1]))
    assert choice.rank == 0
    assert choice.alternatives == ()


def test_a_fold_that_exploded_at_every_rank_is_rank_zero():
    table = make_table([0.1, 0.1])
    table["heldout"][1:] = inf
    assert DEFAULT_POLICY(table).rank == 0


def test_gains_without_a_respectable_rank_are_not_called_noise():
    choice = DEFAULT_POLICY(make_table(NO_KNEE, corrected=79.0))
    assert choice.rank == 0
    assert choice.reason == (
        "Components lower the held-out error, but no rank stands out or keeps a respectable core consistency: "
        "what the data hold is not of PARAFAC's kind."
    )


# ------------------------------------------------------------------------------------------------ reasons, alternatives


def test_the_reason_gives_the_gains_and_the_core_consistencies():
    # The third component lowers the error by 1 - e^-.5 = 39.3 %, the fourth by 1 - e^-.01 = .995 %.
    choice = DEFAULT_POLICY(
        make_table([1.0, 1.0, 0.5, 0.01, 0.002], [100, 100, 95.5, 90, 80], raw=[100, 100, 94.44, 88, 80])
    )
    assert choice.rank == 3
    assert choice.reason == (
        "Component 3 lowers the held-out error by 39.3 %, the next ones by 0.995 % at most. "
        "Core consistency is 94.4 at rank 3 and 88.0 at rank 4."
    )


def test_the_reason_names_what_refutes_the_next_rank():
    choice = DEFAULT_POLICY(make_table([log(4), log(2), 0.1], [100, 100, -10], raw=[100, 99.96, -2000]))
    assert choice.reason == (
        "Component 2 lowers the held-out error by 50 %, the next ones by 9.52 % at most. Core consistency is 100.0 at "
        "rank 2 and below -1000 at rank 3, which refutes that rank: noise does not explain it."
    )


def test_the_reason_says_that_later_gains_do_not_count():
    choice = DEFAULT_POLICY(make_table([log(2), 0.3, 0.2], errors=[SURE, 1.0, 1.0]))
    assert choice.reason.startswith(
        "Component 1 lowers the held-out error by 50 %, the next ones by nothing that counts. "
    )


def test_the_reason_at_the_upper_end_has_nothing_to_compare_with():
    choice = DEFAULT_POLICY(make_table([log(2), log(2)]))
    assert choice.rank == 2
    assert choice.reason.startswith("Component 2 lowers the held-out error by 50 %, and no larger rank was tried")
    assert choice.reason.endswith(". Core consistency is 100.0 at rank 2.")


def test_the_reason_admits_that_nothing_stands_out():
    choice = DEFAULT_POLICY(make_table(NO_KNEE, [100, 100, 90, 70, 70, 70]))
    assert choice.reason == (
        "Component 3 lowers the held-out error by 33 %, the next ones by 29.5 % at most (no rank stands out clearly). "
        "Core consistency is 90.0 at rank 3 and 70.0 at rank 4."
    )


def test_alternatives_are_another_knee_and_the_best_prediction():
    # Ranks 1 and 3 both stand out: 9 is three times 1.5 and more, 1.5 three times .01 and more.
    choice = DEFAULT_POLICY(make_table([9.0, 1.5, 1.5, 0.01, 0.001]))
    assert choice.rank == 3
    assert choice.alternatives == (
        Alternative(1, "its components stand out too, from those that follow"),
        Alternative(5, "smallest held-out error, but its last components add little"),
    )


def test_the_best_prediction_may_be_refuted():
    choice = DEFAULT_POLICY(make_table([1.0, 1.0, 0.1], [100, 100, -20]))
    assert choice.alternatives == (Alternative(3, "smallest held-out error, but core consistency refutes it"),)


def test_the_best_prediction_is_no_alternative_to_itself():
    assert DEFAULT_POLICY(make_table([1.0, 1.0, -0.1])).alternatives == ()


# -------------------------------------------------------------------------------------------------------- what it needs


@pytest.mark.parametrize("name", ["heldout", "core_consistency", "corrected_core_consistency"])
def test_a_missing_score_is_named(name):
    table = make_table([1.0, 0.5])
    scores = {other: column for other, column in table.replicates.items() if other != name}
    with pytest.raises(ValueError, match=rf"must be one with the score '{name}'\. Got only "):
        DEFAULT_POLICY(RankTable(table.ranks, scores, table.shape))


def test_it_is_a_value():
    assert Balance() == DEFAULT_POLICY != Balance(contrast=2.0)
    assert "window=5" in repr(Balance(window=5))
    with pytest.raises(AttributeError):
        DEFAULT_POLICY.contrast = 1.0


@given(st.lists(st.floats(-0.5, 2.0), min_size=1, max_size=8), st.data())
def test_any_table_gets_a_rank_of_its_own_and_a_sentence(gains, data):
    corrected = data.draw(st.lists(st.floats(-1e6, 100), min_size=len(gains), max_size=len(gains)))
    table = make_table(gains, corrected)
    choice = apply_policy(DEFAULT_POLICY, table)
    assert choice.reason.endswith(".")
    assert choice.rank not in [other.rank for other in choice.alternatives]
    if choice.rank > 2:
        assert corrected[choice.rank - 1] >= 0
    if choice.rank > 0:
        assert table.gain(choice.rank).mean > 0
