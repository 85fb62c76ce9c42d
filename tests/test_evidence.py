"""Answers that once rested on a leak, on rows that no cell determines, or on scores that were not taken."""

import logging
import re
from itertools import pairwise

import numpy as np
import pytest
import reference
from contracts import draw_factors, draw_model, with_holes

from autoten import (
    ALS,
    HALS,
    Blocks,
    CPModel,
    RandomFibres,
    corrected_core_consistency,
    estimate_rank,
    factor_match_score,
    fit_parafac,
    match_components,
    split_half,
    split_half_components,
    weighted,
)
from autoten.datasets import load_amino_acids, make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.matching import Seen, congruences, most_opposed_pair
from autoten.selection import HeldOutMinimum, Knee, OneStandardError

nan = float("nan")

# ----------------------------------------------------------------------------------- nothing that was not learnt


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("shape", [(3, 5, 4), (4, 4, 3)])
def test_noise_with_few_cells_gets_no_sure_rank_but_none(shape, seed):
    answer = estimate_rank(np.random.default_rng([seed, 5]).standard_normal(shape), random_state=0)
    assert max(share for rank, share in answer.probabilities.items() if rank) < 0.7
    assert np.nanmin(answer.table.mean("heldout")[1:]) > 0.3


def test_noise_of_which_hardly_a_cell_is_observed_gets_no_sure_rank():
    rng = np.random.default_rng(0)
    hidden = rng.random((12, 13, 14)) < 0.95
    answer = estimate_rank(np.where(hidden, nan, rng.standard_normal(hidden.shape)), random_state=0)
    assert max(answer.probabilities.values()) < 0.7
    assert "2.6 observed cells to learn each parameter from" in answer.reason


def test_few_cells_of_a_component_tensor_leave_the_rank_open():
    X = make_cp_tensor((30, 30, 30), 3, noise=white_noise(5), random_state=0).X
    answer = estimate_rank(with_holes(X, 0.98), 4, solver=ALS(max_iter=100), random_state=0)
    assert max(answer.probabilities.values()) < 0.7
    assert "the data can hardly tell" in answer.reason


def test_a_range_that_ends_where_folds_are_saturated_takes_nothing_from_the_true_rank():
    for seed in range(2):
        X = make_cp_tensor((2, 5, 80), 2, noise=white_noise(12), random_state=seed).X
        short, long = (estimate_rank(X, largest, random_state=0) for largest in (5, 10))
        assert short.rank == long.rank


# -------------------------------------------------------------------------------------- where the observed cells say it


def spectra(seed, masked=True):
    emission, excitation, rng = np.arange(290, 551, 9.0), np.arange(230, 481, 8.0), np.random.default_rng(seed)

    def bands(at, middle, width):
        return np.exp(-0.5 * ((at[:, None] - middle) / width) ** 2)

    B = bands(emission, [320, 370, 430], [18, 25, 32])
    C = bands(excitation, [265, 300, 345], [12, 15, 20]) + 0.4 * bands(excitation, [235, 245, 270], [12] * 3)
    signal = np.einsum("ir,jr,kr->ijk", rng.gamma(3, 1, (20, 3)), B, C)
    X = signal + 0.005 * signal.max() * rng.standard_normal(signal.shape)
    if masked:
        X[:, emission[:, None] < excitation + 12] = nan
    return X


@pytest.mark.parametrize("seed", range(2))
def test_spectra_without_what_lies_below_the_excitation_keep_their_rank(seed):
    answer = estimate_rank(spectra(seed), 5, random_state=0)
    assert answer.rank == 3
    assert answer.probabilities[3] > 0.9
    assert answer.table.value("corrected_core_consistency", 3) > 99
    assert answer.table.value("stability_folds", 3) > 0.99
    assert answer.table.value("stability_halves", 3) > 0.99


def test_spectra_by_nonnegative_factors_keep_their_rank_too():
    assert estimate_rank(spectra(0), 5, solver=HALS(), random_state=0).rank == 3


def in_two_ranges(shape):
    """Return NaN where one of two ranges of mode 1 meets the other one of mode 2, and ones elsewhere."""
    X = np.ones(shape)
    X[:, :2, 2:], X[:, 2:, :2] = nan, nan
    return X


def test_entries_that_no_cell_shows_are_not_compared():
    shape, rng = (6, 7, 8), np.random.default_rng(0)
    A, B, C = draw_factors(shape, 3)
    C[:2] = 0.0  # so that nothing is seen of the first rows of B
    X = in_two_ranges(shape) * reference.cp_tensor([A, B, C])
    models = []
    for _ in range(2):
        B = B.copy()
        B[:2] = 100 * rng.standard_normal((2, 3))
        models.append(CPModel(np.ones(3), (A, B, C)))
    assert factor_match_score(*models) < 0.9
    assert factor_match_score(*models, X) == pytest.approx(1.0, abs=1e-9)
    matches = match_components(*models, X)
    np.testing.assert_allclose(np.abs(matches.cosines), 1.0, atol=1e-9)
    np.testing.assert_allclose(matches.congruence, 1.0, atol=1e-9)
    assert corrected_core_consistency(X, models[0]).raw == pytest.approx(100.0, abs=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.8])
@pytest.mark.parametrize("of_weights", [False, True])
def test_components_are_compared_as_tensors_over_the_cells_that_count(share, of_weights):
    shape, rng = (4, 5, 6), np.random.default_rng(0)
    X = with_holes(rng.standard_normal(shape), share)
    noise = 0.5 + rng.random(shape)
    tensor = as_tensor(weighted(X, noise) if of_weights else X)
    weights = tensor.cell_weights if of_weights else (~np.isnan(X)).astype(float)
    a, b = draw_model(shape, 2, seed=1), draw_model(shape, 3, seed=2)
    terms = [np.einsum("ir,jr,kr->rijk", *model.factors) for model in (a, b)]
    inner = np.einsum("rijk,sijk,ijk->rs", *terms, weights)
    sizes = [np.sqrt(np.einsum("rijk,rijk,ijk->r", each, each, weights)) for each in terms]
    np.testing.assert_allclose(congruences(a, b, Seen.of(tensor)), inner / np.outer(*sizes), atol=1e-12)
    # Without a mode, a cell of the others counts for all that stand in it.
    seen = Seen.of(tensor).without(1)
    flat = [np.einsum("ir,kr->rik", model.factors[0], model.factors[2]) for model in (a, b)]
    expected = np.einsum("rik,sik,ik->rs", *flat, weights.sum(axis=1))
    got = seen.inner_products(*([m.factors[0], m.factors[2]] for m in (a, b)))
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_component_of_which_no_cell_is_seen_is_like_no_other():
    X = in_two_ranges((4, 5, 6))
    first, last = (np.where((np.arange(n) < 2) == side, 1.0, 0.0) for n, side in ((5, True), (6, False)))
    model = CPModel(np.ones(2), (np.ones((4, 2)), np.stack([first, 1 - first], 1), np.stack([last, last], 1)))
    seen = Seen.of(as_tensor(X))
    np.testing.assert_allclose(congruences(model, model, seen), [[0.0, 0.0], [0.0, 1.0]], atol=1e-12)
    assert most_opposed_pair(model, seen) == (0.0, (0, 1))


def test_halves_of_samples_are_compared_where_they_were_measured():
    X = spectra(3)
    assert split_half(X, 3, n_splits=2, n_starts=3, random_state=0).min() > 0.99
    halves = split_half_components(X, 3, n_splits=2, n_starts=3, random_state=0)
    assert halves.worst.min() > 0.98


# ------------------------------------------------------------------------------------- scores that were not taken


def test_a_hold_out_that_can_score_rank_1_alone_is_refused_before_any_fit():
    sentence = (
        "holdout of estimate_rank must be one that can score rank 2 of a tensor of shape (2, 25, 18): mode 0, of "
        "length 2, is too short to be divided. Got Blocks(share=0.5, contiguous=False). Use RandomElements(0.1), or "
        "leave out a smaller share."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        estimate_rank(np.ones((2, 25, 18)), 3, holdout=Blocks(), solver=Unfit())


class Unfit:
    """A solver that must not be asked."""

    compress = False

    def fit(self, *arguments, **options):
        raise AssertionError("no fit was to be made")


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_where_scores_end_the_range_ends_and_that_is_said(share, caplog):
    X = make_cp_tensor((6, 14, 15), 2, noise=white_noise(15), random_state=0).X
    holdout = Blocks(share)
    largest = holdout.largest_rank(X.shape)
    with caplog.at_level(logging.WARNING, "autoten"):
        answer = estimate_rank(X, [1, 2, largest, largest + 1], holdout=holdout, random_state=0)
    known = np.isfinite(answer.table.mean("heldout"))
    np.testing.assert_array_equal(known, [True, True, True, True, False])
    assert answer.rank == 2
    warning = f"{holdout!r} can score no rank above {largest} of a tensor of shape (6, 14, 15): mode 0, of length 6, "
    assert answer.warnings[0].startswith(warning)
    assert answer.warnings[0] in caplog.messages
    ended = f" Rank {largest + 1} has no held-out error: the range ended at {largest}."
    guide = " Probabilities are a guide: they were made for other fits than ALS with Blocks."
    assert answer.reason.endswith(ended + guide)
    for policy in (HeldOutMinimum(), OneStandardError(), Knee()):
        assert answer.select(policy).reason.endswith(ended)


def test_the_last_rank_with_a_score_is_not_told_apart_from_the_next_by_its_absence():
    X = make_cp_tensor((6, 14, 15), 3, noise=white_noise(15), random_state=0).X
    holdout = Blocks(0.5)
    largest = holdout.largest_rank(X.shape)
    inside, beyond = (estimate_rank(X, n, holdout=holdout, random_state=0) for n in (largest, largest + 2))
    for rank in range(1, largest):
        odds = [np.log(e.probabilities[rank + 1] / e.probabilities[rank]) for e in (inside, beyond)]
        assert odds[0] == pytest.approx(odds[1], abs=1e-9)
    assert all(0 < beyond.probabilities[r + 1] <= 0.5 * beyond.probabilities[r] + 1e-12 for r in (largest, largest + 1))


# ------------------------------------------------------------------------------------- ranks that were skipped


@pytest.mark.parametrize("ranks", [[5], [8], [4, 5, 6]])
def test_rank_0_does_not_win_because_the_true_rank_was_not_tried(ranks):
    answer = estimate_rank(load_amino_acids().X, ranks, random_state=0)
    assert answer.rank == ranks[0]
    assert answer.probabilities[0] < 0.05
    assert any(warning.startswith(f"Rank {ranks[0]} is the smallest that was tried") for warning in answer.warnings)


def test_rank_0_wins_over_a_larger_one_where_there_is_nothing():
    for seed in range(3):
        X = np.random.default_rng(seed).standard_normal((10, 11, 12))
        assert estimate_rank(X, [4], random_state=0).rank == 0


def test_an_integer_means_the_ranks_up_to_it():
    X = load_amino_acids().X
    few = {"n_starts": 2, "n_folds": 2, "solver": ALS(max_iter=20), "random_state": 0}
    assert estimate_rank(X, 3, **few).table.ranks.tolist() == [0, 1, 2, 3]
    assert estimate_rank(X, [3], **few).table.ranks.tolist() == [0, 3]


def test_larger_ranks_do_not_change_the_fits_of_smaller_ones():
    X = make_cp_tensor((8, 9, 10), 2, noise=white_noise(10), random_state=0).X
    tables = [estimate_rank(X, ranks, random_state=0).table for ranks in (3, [2, 3], 5)]
    for one, other in pairwise(tables):
        for rank in (2, 3):
            np.testing.assert_array_equal(one["heldout"][one.row(rank)], other["heldout"][other.row(rank)])
    fit = fit_parafac(X, 3, random_state=0)
    assert 1 - tables[0].value("fit", 3) == pytest.approx(fit.loss, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_fibres_that_only_tie_a_component_to_what_does_not_hold_it_predict_nothing_of_it(seed):
    """Three of the amino acids' samples are pure: where only such ones are seen, the others' entries are arbitrary."""
    X = load_amino_acids().X
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(5), (X.shape[2], 1)), axis=1).T
    X[np.broadcast_to((order < 3)[:, None, :], X.shape)] = nan
    table = estimate_rank(X, 3, holdout=RandomFibres(mode=1), random_state=0).table
    assert np.max(table.mean("heldout")[1:]) < 1.5
    assert table.value("heldout", 3) < 0.7 * table.value("heldout", 1)
