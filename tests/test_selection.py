"""Policies and the Pareto front, on tables small enough to work out by hand."""

from dataclasses import dataclass, replace
from itertools import product
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from autoten.selection import (
    Alternative,
    AutoTen2016,
    Choice,
    CoreConsistencyThreshold,
    HarmonicMean,
    HeldOutMinimum,
    Knee,
    OneStandardError,
    TradeOffPolicy,
    apply_policy,
    pareto_front,
    selection_frequency,
)
from autoten.selection.across import two_median_split
from autoten.selection.policies import trade_off
from autoten.table import RankTable

# Every policy with the scores it needs.
NEEDS = {
    HeldOutMinimum(): ["heldout"],
    OneStandardError(): ["heldout"],
    Knee(): ["heldout", "corrected_core_consistency"],
    HarmonicMean(): ["heldout", "corrected_core_consistency"],
    CoreConsistencyThreshold(): ["core_consistency"],
    AutoTen2016(): ["core_consistency"],
}


@dataclass(frozen=True)
class Price(TradeOffPolicy):
    """A user's own: a percent of prediction is worth so many points of core consistency."""

    points: float = 1.0
    because = "is the best deal"

    def worth(self, interpretability, accuracy):
        return interpretability + self.points * accuracy


def every_policy():
    return pytest.mark.parametrize("policy", NEEDS, ids=repr)


def make_table(ranks, shape=(10, 10, 10), **scores):
    """Return a table; a score is one number, or one list of replicates, for each rank."""
    columns = {name: np.array([np.atleast_1d(value) for value in values]) for name, values in scores.items()}
    return RankTable(ranks, columns, shape)


def without_row(table, rank):
    """Return the table with every score of one rank unknown."""
    columns = {name: np.where(table.ranks[:, None] == rank, nan, column) for name, column in table.replicates.items()}
    return RankTable(table.ranks, columns, table.shape)


# Interpretability and accuracy of ranks 0 to 6: (1, 0) (1, .4) (1, .6) (.9, .8) (.6, .9) (.05, .95) (0, .94).
# On the front: 2, 3, 4, 5. Rank 2 beats 0 and 1; rank 5 beats 6.
TOY = make_table(
    range(7),
    core_consistency=[nan, 100, 100, 90, 60, 5, -3e6],
    corrected_core_consistency=[nan, 100, 100, 90, 60, 5, -3e6],
    heldout=[[1.0, 1.0], [0.6, 0.6], [0.4, 0.4], [0.2, 0.2], [0.1, 0.1], [0.05, 0.05], [0.06, 0.06]],
    fit=[0, 0.4, 0.6, 0.8, 0.9, 0.95, 0.96],
)

# Strong noise, nothing predicts much: (1, 0) (1, .02) (1, .05) (.6, .10) (.3, .11).
NOISY = make_table(range(5), corrected_core_consistency=[nan, 100, 100, 60, 30], heldout=[1.0, 0.98, 0.95, 0.90, 0.89])


class TestParetoFront:
    points = arrays(
        float,
        array_shapes(min_dims=2, max_dims=2, max_side=8),
        elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, inf, nan]),
    )

    @given(points)
    def test_equals_the_double_loop(self, points):
        front = pareto_front(points)
        assert front.dtype == bool
        beaten = [any(all(q >= p) and any(q > p) for q in points) for p in points]
        assert front.tolist() == [not (lost or np.isnan(p).any()) for p, lost in zip(points, beaten, strict=True)]

    @given(points, st.data())
    def test_a_dominated_point_changes_nothing(self, points, data):
        front = pareto_front(points)
        better = data.draw(st.sampled_from([*points[front], np.zeros(points.shape[1])]))
        steps = data.draw(arrays(float, points.shape[1], elements=st.sampled_from([0.0, 1.0])))
        extended = pareto_front(np.vstack([points, better, better - steps]))
        smaller = pareto_front(np.vstack([points, better]))
        np.testing.assert_array_equal(extended[:-1], smaller)

    def test_equal_points_stay_together_and_nan_neither_stays_nor_dominates(self):
        assert pareto_front([[1, 1], [1, 1], [0, 1], [nan, 9]]).tolist() == [True, True, False, False]
        assert pareto_front(np.empty((0, 2))).tolist() == []


class TestTradeOff:
    def test_axes_are_normalised_by_meaning(self):
        trade = trade_off(TOY)
        assert trade.interpretability.tolist() == [1, 1, 1, 0.9, 0.6, 0.05, 0]
        np.testing.assert_allclose(trade.accuracy, [0, 0.4, 0.6, 0.8, 0.9, 0.95, 0.94])
        assert np.flatnonzero(trade.front).tolist() == [2, 3, 4, 5]

    def test_interpretability_is_cut_off_at_both_ends(self):
        # The correction can overshoot 100 a little.
        table = make_table([0, 3, 4], corrected_core_consistency=[nan, 103, -7e11], heldout=[1, 0.5, 0.4])
        assert trade_off(table).interpretability.tolist() == [1, 1, 0]

    @pytest.mark.parametrize(("shape", "counted"), [((9, 9, 9), [1, 1, 1, 0.4]), ((9, 9, 9, 9), [1, 1, 0.5, 0.4])])
    def test_core_consistency_counts_only_where_it_informs(self, shape, counted):
        # Of a three-way tensor c(1) = c(2) = 100 for any data; of a four-way one only c(1). What was measured there,
        # here 70 and 50, tells how far the fit has converged and nothing of the rank.
        table = make_table(range(4), shape, corrected_core_consistency=[nan, 70, 50, 40], heldout=[1.0, 0.5, 0.4, 0.3])
        assert trade_off(table).interpretability.tolist() == counted


class TestHeldOutMinimum:
    def test_by_hand(self):
        choice = HeldOutMinimum()(TOY)
        assert choice.rank == 5
        assert (
            choice.reason == "Rank 5 predicts the hidden entries best: its held-out error is 5 % of the zero model's."
        )

    @pytest.mark.parametrize(
        ("heldout", "rank"),
        [
            ([1.0, 0.3, 4e-10, 1e-12], 2),  # data without noise: the rest is the solver's tolerance
            ([[1.0] * 5, [0.3] * 5, [0.1, 0.1, 0.1, 0.1, 1e6]], 2),  # one exploded fold does not decide
            ([1.0, 0.3, inf], 1),  # a rank that exploded in every fold is no minimum
        ],
    )
    def test_smaller_by_more_than_rounding_and_in_most_folds(self, heldout, rank):
        assert HeldOutMinimum()(make_table(range(len(heldout)), heldout=heldout)).rank == rank

    def test_nothing_beats_the_zero_model(self):
        choice = HeldOutMinimum()(make_table([0, 1, 2], heldout=[1.0, 1.01, 1.3]))
        assert choice == Choice(0, "No rank predicts the hidden entries better than no model at all.")


class TestOneStandardError:
    # Rank 2 minus rank 3, fold by fold: -.01, .03, 0. Mean .00667; standard deviation .0208, standard error .0120.
    table = make_table([0, 1, 2, 3], heldout=[[1.0, 1.0, 1.0], [0.4, 0.5, 0.4], [0.10, 0.12, 0.10], [0.11, 0.09, 0.10]])

    def test_within_one_error(self):
        choice = OneStandardError()(self.table)
        assert choice.rank == 2
        assert choice.reason == (
            "Rank 2 is the smallest whose held-out error (10.7 % of the zero model's) is within 1 standard error of "
            "the lowest (10 % at rank 3)."
        )
        assert choice.alternatives == (Alternative(3, "lowest held-out error, 10 %"),)

    def test_beyond_half_an_error(self):
        # Half an error is .0060, less than .00667.
        choice = OneStandardError(0.5)(self.table)
        assert choice.rank == 3
        assert choice.reason.endswith("Every smaller rank is more than 0.5 standard errors worse.")
        assert choice.alternatives == ()

    @pytest.mark.parametrize(
        ("heldout", "rank"),
        [
            # Folds are paired: the levels spread by .06, but rank 3 is better by .01 in every fold.
            ([[1.0, 1.0, 1.0], [0.5, 0.6, 0.7], [0.10, 0.20, 0.30], [0.09, 0.19, 0.29]], 3),
            # It can answer 0. Rank 0 minus rank 1: .01, -.02, .02. Mean .0033, standard error .0120.
            ([[1.0, 1.0, 1.0], [0.99, 1.02, 0.98]], 0),
        ],
    )
    def test_differences_decide(self, heldout, rank):
        assert OneStandardError()(make_table(range(len(heldout)), heldout=heldout)).rank == rank

    def test_one_fold_has_no_error(self):
        choice = OneStandardError()(make_table([0, 1, 2], heldout=[1.0, 0.11, 0.10]))
        assert choice.rank == 2
        assert choice.reason.endswith("There is no standard error to compare smaller ranks by: it takes two folds.")


class TestTradeOffPolicies:
    @pytest.mark.parametrize(
        ("policy", "rank", "alternatives"),
        [
            # a + .95 (i - 1) for ranks 2 to 5: .6, .705, .52, .0475
            (Knee(), 3, [2, 4, 5]),
            # 1.2 / 1.6 = .75, 1.44 / 1.7 = .85, 1.08 / 1.5 = .72, .095 / 1 = .095
            (HarmonicMean(), 3, [2, 4, 5]),
            # i + 4 a: 3.4, 4.1, 4.2, 3.85
            (Price(4.0), 4, [3, 5, 2]),
        ],
        ids=repr,
    )
    def test_by_hand(self, policy, rank, alternatives):
        choice = policy(TOY)
        assert choice.rank == rank
        assert [other.rank for other in choice.alternatives] == alternatives

    @pytest.mark.parametrize(
        ("policy", "rank"),
        [
            (Knee(), 3),  # a + .11 (i - 1): .02, .05, .10 - .044 = .056, .11 - .077 = .033
            (HarmonicMean(), 3),  # .04 / 1.02, .1 / 1.05 = .095, .12 / .7 = .171, .066 / .41 = .161
        ],
        ids=repr,
    )
    def test_by_hand_under_strong_noise(self, policy, rank):
        assert policy(NOISY).rank == rank

    @pytest.mark.parametrize("policy", [Knee(), HarmonicMean(), Price()], ids=repr)
    def test_nothing_beyond_noise(self, policy):
        # Every rank predicts worse than the zero model.
        table = make_table(range(4), corrected_core_consistency=[nan, 100, 100, 98], heldout=[1, 1.01, 1.1, 1.2])
        choice = policy(table)
        assert choice.rank == 0
        assert choice.reason.endswith(": no component, and nothing predicted.")
        assert choice.alternatives == ()

    def test_harmonic_mean_is_not_fooled_by_two_signs(self):
        # i = .1, a = -.2: without the cut at 0 the mean would be 2 (-.02) / (-.1) = .4.
        assert HarmonicMean()(make_table([0, 3], corrected_core_consistency=[nan, 10], heldout=[1, 1.2])).rank == 0

    def test_reasons_have_the_figures(self):
        choice = Price(2.5)(TOY)
        assert choice.reason == (
            "Rank 3 is the best deal: corrected core consistency 90, 80 % of the hidden variation predicted."
        )
        assert choice.alternatives[1] == Alternative(
            2, "60 % of the hidden variation predicted (core consistency says nothing at this rank)"
        )
        huge = make_table([0, 3], corrected_core_consistency=[nan, -2.35227e6], heldout=[1.0, 0.1])
        assert "corrected core consistency below -1000, 90 %" in Price(2.0)(huge).reason
        # (1, 0) (0.9, -.1): no front but rank 0. Asked for rank 3 alone it is described as it is.
        poor = make_table([0, 3], corrected_core_consistency=[nan, 90], heldout=[nan, 1.1])
        assert "the hidden entries predicted no better than by zero" in Knee()(poor).reason

    @given(st.data())
    def test_ranks_that_are_not_chosen_do_not_matter(self, data):
        table = data.draw(tables())
        chosen = HarmonicMean()(table).rank
        kept = data.draw(st.sets(st.sampled_from(table.ranks.tolist())))
        kept_informative = kept | {chosen, 3}  # rank 3 keeps core consistency known for one rank
        assert HarmonicMean()(table.restricted(kept_informative)).rank == chosen

    @given(st.data())
    def test_ranks_beaten_on_both_axes_do_not_move_the_knee(self, data):
        table = data.draw(tables())
        trade = trade_off(table)
        row = data.draw(st.integers(0, len(table) - 1))
        lost_interpretability, lost_accuracy = data.draw(st.tuples(percents(), percents()))
        columns = {
            "corrected_core_consistency": 100 * trade.interpretability[row] - lost_interpretability,
            "heldout": 1 - trade.accuracy[row] + lost_accuracy / 100,
        }
        longer = RankTable(
            [*table.ranks, table.ranks[-1] + 1],
            {name: np.vstack([table[name], value]) for name, value in columns.items()},
            table.shape,
        )
        assert Knee()(longer).rank == Knee()(table).rank


def percents():
    return st.integers(0, 100)


@st.composite
def tables(draw):
    """Draw tables with ranks 0 to n whose scores are whole percents."""
    n = draw(st.integers(3, 8))
    consistency = draw(st.lists(percents(), min_size=n, max_size=n))
    heldout = draw(st.lists(st.integers(0, 120), min_size=n, max_size=n))
    return make_table(
        range(n + 1),
        corrected_core_consistency=[nan, *map(float, consistency)],
        heldout=[1.0, *(value / 100 for value in heldout)],
    )


class TestCoreConsistencyThreshold:
    def test_by_hand(self):
        choice = CoreConsistencyThreshold()(TOY)
        assert choice == Choice(
            3, "Rank 3 is the largest up to which core consistency stays at 80 or more: 90 at rank 3, 60 at rank 4."
        )

    def test_a_rank_that_comes_back_is_only_an_alternative(self):
        table = make_table(range(7), core_consistency=[nan, 100, 100, 97, -5e4, 85, 12])
        choice = CoreConsistencyThreshold()(table)
        assert choice.rank == 3
        assert choice.reason.endswith("97 at rank 3, below -1000 at rank 4.")
        assert choice.alternatives == (Alternative(5, "core consistency 85 again"),)

    def test_the_threshold_itself_passes(self):
        table = make_table([0, 1, 2, 3], core_consistency=[nan, 100, 100, 80])
        assert CoreConsistencyThreshold(80.0)(table).rank == 3
        assert CoreConsistencyThreshold(80.1)(table).rank == 2

    @pytest.mark.parametrize(
        ("threshold", "consistency", "rank", "reason"),
        [
            (
                50,
                [99.9966, 66.92],
                4,
                "Rank 4 is the largest up to which core consistency stays at 50 or more: 66.92 at rank 4.",
            ),
            (80, [50, 85], 0, "Not even the smallest rank tried has a core consistency of 80: 50 at rank 3."),
        ],
    )
    def test_all_or_none_pass(self, threshold, consistency, rank, reason):
        choice = CoreConsistencyThreshold(threshold)(make_table([0, 3, 4], core_consistency=[nan, *consistency]))
        assert (choice.rank, choice.reason) == (rank, reason)

    @pytest.mark.parametrize(("shape", "says_so"), [((9, 9, 9), True), ((9, 9, 9, 9), False)])
    def test_says_where_core_consistency_is_no_evidence(self, shape, says_so):
        choice = CoreConsistencyThreshold()(make_table(range(4), shape, core_consistency=[nan, 100, 100, 30]))
        assert choice.rank == 2
        assert ("no evidence" in choice.reason) == says_so

    def test_rank_2_is_evidence_where_factors_are_constrained(self):
        table = replace(make_table(range(4), core_consistency=[nan, 100, 90, 30]), constrained=True)
        assert "no evidence" not in CoreConsistencyThreshold()(table).reason
        assert "no evidence" in CoreConsistencyThreshold(95)(table).reason


class TestAutoTen2016:
    # Core consistencies that the original code gave from documented starts (science notes, section 2), ranks 2 to 9.
    NSVD = (100.000, 99.9731, 99.7966, 99.4965, 96.5981, -2.35227e6, 66.9199, 53.0578)
    AMINO_ACIDS = (99.9966, 99.8403, -7.8e11)

    @staticmethod
    def table(values):
        return make_table([0, *range(2, 2 + len(values))], core_consistency=[nan, *values])

    def test_amino_acids(self):
        # 0 against {99.84, 100}.
        choice = AutoTen2016()(self.table(self.AMINO_ACIDS))
        assert choice.rank == 3
        assert choice.reason == (
            "Rank 3 is the largest in the better of the two groups into which the core consistencies fall: 99.84 or "
            "more in this group, below 20 in the other."
        )

    def test_nsvd_synth_small(self):
        # The original picks 9 with ranks 2 to 10, where rank 10 is below 20 too. Sums of distances to the medians:
        # {0, 0} against the rest 83.2, cutting above 53.1 as well 89.8, above 66.9 as well 123.9.
        assert AutoTen2016()(self.table([*self.NSVD, -1e6])).rank == 9

    def test_depends_on_the_largest_rank_tried(self):
        # Without rank 10 a single 0 is left: {0, 53.1, 66.9} against the rest costs 70.8, {0} against the rest 83.2.
        choice = AutoTen2016()(self.table(self.NSVD))
        assert choice.rank == 6
        assert choice.reason.endswith("96.6 or more in this group, at most 66.92 in the other.")

    @pytest.mark.parametrize(
        ("values", "rank"),
        [
            # Values below 20 count as 0: {0, 0} against {60, 100} costs 40, {0, 0, 60} against {100} 60. As they are,
            # {-90, 19} and {60, 100} would cost 149 and {-90} against {19, 60, 100} 81: rank 4 would be good.
            ([100, 60, 19, -90], 3),
            ([20, 20, 0], 3),
            ([100], 2),
            ([0, 0], 3),  # never 1, whatever its core consistency
        ],
    )
    def test_what_counts(self, values, rank):
        table = make_table(range(len(values) + 2), core_consistency=[nan, 100, *values])
        assert AutoTen2016()(table).rank == rank

    @pytest.mark.parametrize("value", [100.0, 5.0])
    def test_equal_values_give_the_largest_rank(self, value):
        choice = AutoTen2016()(self.table([value] * 3))
        assert choice.rank == 4
        assert choice.reason.startswith("Rank 4 is the largest tried: every core consistency is")

    @given(st.lists(st.integers(0, 20), min_size=2, max_size=7))
    def test_the_split_is_the_best_of_all(self, values):
        def cost(members):
            return sum(
                np.abs(group - np.median(group)).sum() for group in (values[members], values[~members]) if group.size
            )

        values = np.array(values, dtype=float)
        every_split = [np.array(members) for members in product([False, True], repeat=len(values))]
        upper = two_median_split(values)
        assert cost(upper) == min(cost(members) for members in every_split)
        assert upper.all() or values[upper].min() > values[~upper].max()


class TestEveryPolicy:
    @every_policy()
    def test_answers_from_the_table(self, policy):
        choice = apply_policy(policy, TOY)
        assert type(choice.rank) is int
        assert choice.reason.endswith(".")
        assert choice.rank not in [other.rank for other in choice.alternatives]
        assert policy(TOY) == choice

    @every_policy()
    @pytest.mark.parametrize("rank", range(1, 7))
    def test_a_rank_without_scores_is_left_out(self, policy, rank):
        choice = apply_policy(policy, without_row(TOY, rank))
        assert rank not in [choice.rank, *(other.rank for other in choice.alternatives)]

    @every_policy()
    def test_a_single_candidate(self, policy):
        assert apply_policy(policy, TOY.restricted([3])).rank == 3

    @pytest.mark.parametrize("policy", [policy for policy in NEEDS if policy != AutoTen2016()], ids=repr)
    def test_no_candidate(self, policy):
        # What an interrupted run may leave. AutoTen2016 refuses it.
        assert apply_policy(policy, TOY.restricted([])).rank == 0

    @pytest.mark.parametrize(("policy", "score"), [(policy, score) for policy in NEEDS for score in NEEDS[policy]])
    def test_a_score_that_is_missing_or_nowhere_known_is_named(self, policy, score):
        columns = {name: column for name, column in TOY.replicates.items() if name != score}
        with pytest.raises(ValueError, match=f"must be one with the score '{score}'"):
            policy(RankTable(TOY.ranks, columns, TOY.shape))
        # The smallest rank at which the policy makes use of it.
        first = 2 if policy == AutoTen2016() else 3 if score == "corrected_core_consistency" else 1
        unknown = {**columns, score: np.full((len(TOY), 1), nan)}
        with pytest.raises(ValueError, match=f"must be known for one of ranks {first} to 6 at least"):
            policy(RankTable(TOY.ranks, unknown, TOY.shape))

    def test_policies_are_values(self):
        assert repr(OneStandardError(2.0)) == "OneStandardError(n_errors=2.0)"
        assert Knee() == Knee() != HarmonicMean()
        with pytest.raises(AttributeError):
            OneStandardError().n_errors = 3.0


class TestYourOwnPolicy:
    def test_four_lines_are_enough(self):
        def stable_and_predictive(table):
            good = (table.mean("heldout") < 0.3) & (table.mean("corrected_core_consistency") > 50)
            return int(table.ranks[good].max(initial=0))

        choice = apply_policy(stable_and_predictive, TOY)
        assert choice == Choice(4, "chosen by stable_and_predictive")

    def test_it_may_give_its_reason(self):
        assert apply_policy(lambda table: Choice(2, "I know it."), TOY).reason == "I know it."

    def test_selection_frequency(self):
        # Three folds drawn with replacement; rank 2 wins whenever the third is not among them: (2/3)^3 = .296.
        heldout = [[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.4, 0.4, 9.0]]
        table = make_table([0, 1, 2], heldout=heldout)
        frequency = selection_frequency(HeldOutMinimum(), table, np.random.default_rng(0), n_draws=2000)
        assert set(frequency) == {1, 2}
        assert frequency[2] == pytest.approx(8 / 27, abs=0.04)
        assert sum(frequency.values()) == pytest.approx(1.0)
