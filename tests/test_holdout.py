"""What is hidden: the same cells for every rank, in the share asked for, and never more than the data can bear."""

from dataclasses import dataclass

import numpy as np
import pytest
import reference
from contracts import HoldoutContract, draw_model, noisy_tensor, with_holes
from hypothesis import given, settings
from hypothesis import strategies as st

from autoten import (
    ALS,
    HALS,
    KL,
    Blocks,
    Centred,
    CPModel,
    RandomElements,
    RandomFibres,
    estimate_rank,
    fit_parafac,
    weighted,
)
from autoten.datasets import make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.fits import DRAW_FOLDS, Plan, fit_fold
from autoten.holdout import Fold
from autoten.scores.heldout import heldout_scores, relative_error
from autoten.sweep import fit_ranks


class TestRandomElements(HoldoutContract):
    holdout = RandomElements(0.1)


class TestManyRandomElements(HoldoutContract):
    holdout = RandomElements(0.5)


class TestRandomFibres(HoldoutContract):
    holdout = RandomFibres(1, 0.1)


class TestRandomFibresOfTheLastMode(HoldoutContract):
    holdout = RandomFibres(-1, 0.3)


class TestBlocks(HoldoutContract):
    holdout = Blocks()


class TestContiguousBlocks(HoldoutContract):
    holdout = Blocks(0.4, contiguous=True)


@dataclass(frozen=True)
class Hidden:
    """What a user must write for a new kind of fold that is not derived from `Fold`."""

    cells: np.ndarray
    warm: bool = True

    def training(self, tensor):
        return tensor.hide(self.cells)

    def restrict(self, model):
        return model

    def expand(self, tensor, model):
        return model


@dataclass(frozen=True)
class EveryNth:
    """What a user must write for a new kind of hold-out."""

    step: int = 10
    fold: type = Hidden

    def folds(self, tensor, n_folds, rng):
        observed = np.setdiff1d(np.arange(np.prod(tensor.shape)), tensor.hidden)
        return [self.fold(observed[offset :: self.step]) for offset in rng.permutation(self.step)[:n_folds]]


class TestAUsersOwn(HoldoutContract):
    holdout = EveryNth()

    def test_it_is_a_value(self):
        assert self.holdout == EveryNth(10)


def test_a_users_own_hold_out_serves_an_estimate():
    X = noisy_tensor((8, 9, 10), 2)
    tables = []
    for fold in (Hidden, Fold):
        estimate = estimate_rank(X, 3, holdout=EveryNth(7, fold), n_starts=2, n_folds=3, random_state=0)
        tables.append(estimate.table["heldout"])
    assert tables[0].shape == (4, 3)
    assert tables[0][2].max() < tables[0][1].min()
    np.testing.assert_array_equal(*tables)


def draw_folds(holdout, X, n_folds=5, seed=0):
    return holdout.folds(as_tensor(X), n_folds, np.random.default_rng(seed))


ELEMENTS = [RandomElements(0.1), RandomElements(0.5), RandomFibres(0, 0.1), RandomFibres(1, 0.3), RandomFibres(2, 0.5)]
every_kind = pytest.mark.parametrize("holdout", [*ELEMENTS, Blocks(), Blocks(0.3, contiguous=True)], ids=repr)


# ---------------------------------------------------------------------------------------------- shares and overlaps


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.2, 0.5])
def test_random_elements_hide_the_share_of_observed_cells_asked_for(share, missing):
    X = noisy_tensor((12, 13, 14), 2, missing=missing)
    for fold in draw_folds(RandomElements(share), X, n_folds=7):
        # A few are put back where a slab would lose more than half.
        assert len(fold.cells) == pytest.approx(share * np.isfinite(X).sum(), rel=0.2 if share == 0.5 else 0.01, abs=1)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.2])
def test_random_fibres_hide_the_share_of_fibres_asked_for(share):
    X = noisy_tensor((12, 13, 14), 2)
    for mode, length in enumerate(X.shape):
        for fold in draw_folds(RandomFibres(mode, share), X, n_folds=7):
            assert len(fold.cells) == pytest.approx(share * X.size, rel=0.1, abs=length)  # whole fibres


@pytest.mark.parametrize(
    ("holdout", "shape", "missing", "n_folds"),
    [
        (RandomElements(0.1), (12, 13, 14), 0.3, 5),
        (RandomFibres(1, 0.1), (12, 13, 14), 0.3, 5),
        (RandomElements(0.2), (12, 13, 14), 0.0, 5),  # up to the last that fits
        (RandomElements(0.1), (6, 7, 9), 0.0, 10),
        (RandomFibres(1, 0.2), (12, 13, 14), 0.0, 5),
    ],
    ids=repr,
)
def test_folds_are_disjoint_while_there_is_room(holdout, shape, missing, n_folds):
    X = noisy_tensor(shape, 2, missing=missing)
    cells = np.concatenate([fold.cells for fold in draw_folds(holdout, X, n_folds)])
    assert len(np.unique(cells)) == len(cells)
    if holdout == RandomElements(0.2):  # five folds of a fifth hide every cell
        assert len(cells) >= 0.99 * X.size


def test_more_folds_than_there_is_room_for_are_drawn_anew():
    X = noisy_tensor((12, 13, 14), 2)
    folds = draw_folds(RandomElements(0.5), X, 4)
    assert len(np.intersect1d(folds[0].cells, folds[1].cells)) == 0
    assert 0 < len(np.intersect1d(folds[0].cells, folds[2].cells)) < len(folds[0].cells)


@every_kind
@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_every_cell_can_be_drawn(holdout, missing):
    X = noisy_tensor((4, 5, 6), 1, missing=missing)
    seen = np.zeros(X.size, dtype=int)
    for fold in draw_folds(holdout, X, 300):
        seen[fold.cells] += 1
    observed = np.isfinite(X).ravel()
    assert (seen[~observed] == 0).all()
    assert (seen[observed] > 0).all()


# ------------------------------------------------------------------------------------------- what every slab keeps


def lost_shares(X, cells):
    """Return for every slab of every mode the share of its observed cells that are among `cells`."""
    hidden = np.zeros(X.size, dtype=bool)
    hidden[cells] = True
    hidden = hidden.reshape(X.shape)
    shares = []
    for mode in range(X.ndim):
        others = tuple(n for n in range(X.ndim) if n != mode)
        shares.extend(hidden.sum(axis=others) / np.isfinite(X).sum(axis=others))
    return np.array(shares)


@pytest.mark.parametrize("holdout", ELEMENTS, ids=repr)
@pytest.mark.parametrize("missing", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("shape", [(4, 5, 6), (2, 3, 20), (2, 2, 2, 9), (2, 2, 2)], ids=str)
def test_no_slab_loses_more_than_half_of_what_is_observed_in_it(holdout, missing, shape):
    for seed in range(5):
        X = noisy_tensor(shape, 1, missing=missing, seed=seed)
        X.flat[:: max(shape) + 1] = 1.0  # something is observed in every slab
        for n in range(X.ndim):
            np.moveaxis(X, n, 0)[:, *[0] * (X.ndim - 1)] = 1.0
        for fold in draw_folds(holdout, X, seed=seed):
            assert (lost_shares(X, fold.cells) <= 0.5).all()


@pytest.mark.parametrize("share", [0.4, 0.5])
def test_what_is_put_back_is_not_chosen_by_position(share):
    # Were it always the last cells of a slab, they would hardly ever be predicted.
    X = noisy_tensor((4, 5, 6), 1)
    counts = np.zeros(X.size)
    for fold in draw_folds(RandomElements(share), X, 1000):
        counts[fold.cells] += 1
    first, *_, last = np.split(counts, 4)
    assert last.sum() == pytest.approx(first.sum(), rel=0.1)


# ---------------------------------------------------------------------------------------------------------- fibres


def hidden_in_part(X, cells, mode):
    """Return which fibres of a mode have both hidden and other observed cells."""
    hidden = np.zeros(X.size, dtype=bool)
    hidden[cells] = True
    fibres = np.moveaxis(hidden.reshape(X.shape), mode, -1)
    observed = np.isfinite(np.moveaxis(X, mode, -1))
    return fibres.any(axis=-1) & (observed & ~fibres).any(axis=-1)


@pytest.mark.parametrize(("mode", "share"), [(0, 0.05), (2, 0.05), (-1, 0.05), (1, 0.3)])
@pytest.mark.parametrize("shape", [(4, 5, 6), (5, 12, 4), (9, 10, 11)], ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_random_fibres_stay_whole_also_where_a_slab_would_lose_too_much(shape, missing, mode, share):
    X = noisy_tensor(shape, 2, missing=missing)
    for seed in range(5):
        for fold in draw_folds(RandomFibres(mode, share), X, seed=seed):
            assert not hidden_in_part(X, fold.cells, mode).any()
            assert (lost_shares(X, fold.cells) <= 0.5).all()


# ---------------------------------------------------------------------------------------------------------- blocks


@pytest.mark.parametrize("share", [0.3, 0.5, 0.75])
@pytest.mark.parametrize("contiguous", [False, True])
def test_blocks_hide_the_product_of_a_share_of_every_mode(share, contiguous):
    X = noisy_tensor((8, 9, 10), 2)
    for fold in draw_folds(Blocks(share, contiguous=contiguous), X):
        index = np.unravel_index(fold.cells, X.shape)
        left_out = [np.unique(mode) for mode in index]
        assert [len(mode) for mode in left_out] == [round(share * length) for length in X.shape]
        assert len(fold.cells) == np.prod([len(mode) for mode in left_out])
        assert not contiguous or all((np.diff(mode) == 1).all() for mode in left_out)
        kept = fold.training(as_tensor(X))
        assert kept.shape == tuple(n - len(mode) for n, mode in zip(X.shape, left_out, strict=True))


def test_blocks_keep_and_leave_out_an_index_at_least():
    X = noisy_tensor((2, 3, 2), 1)
    for share in (0.01, 0.75):
        for fold in draw_folds(Blocks(share), X):
            assert all(length >= 1 for length in fold.training(as_tensor(X)).shape)
            assert len(fold.cells) >= 1


def test_blocks_regress_each_mode_on_its_own_side_block():
    # What is left out in one mode only is known; what is left out in two or all must not be used.
    X = noisy_tensor((8, 9, 10), 2, noise=0.3)
    tensor = as_tensor(X)
    (fold,) = draw_folds(Blocks(), X, n_folds=1)
    corner = ALS().fit(fold.training(tensor), draw_model(fold.training(tensor).shape, 2))
    model = fold.expand(tensor, corner.model)
    left_out = [np.unique(mode) for mode in np.unravel_index(fold.cells, X.shape)]
    kept = [np.setdiff1d(np.arange(n), mode) for n, mode in zip(X.shape, left_out, strict=True)]
    folded = corner.model.folded()
    expected = []
    for mode in range(3):
        side = X[np.ix_(*(left_out[n] if n == mode else kept[n] for n in range(3)))]
        design = reference.khatri_rao([A for n, A in enumerate(folded) if n != mode])
        rows = np.zeros((X.shape[mode], 2))
        rows[kept[mode]] = folded[mode]
        rows[left_out[mode]] = np.linalg.lstsq(design, reference.unfold(side, mode).T)[0].T
        expected.append(rows)
    np.testing.assert_allclose(model.to_tensor(), reference.cp_tensor(expected), atol=1e-6 * np.abs(X).max())


@pytest.mark.parametrize("rank", range(1, 8))
def test_blocks_refuse_ranks_beyond_kruskal_in_the_kept_corner(rank):
    X = noisy_tensor((8, 6, 6), 2)
    (fold,) = draw_folds(Blocks(0.5), X, n_folds=1)
    corner = fold.training(as_tensor(X)).shape
    assert corner == (4, 3, 3)
    unique = rank == 1 or sum(min(length, rank) for length in corner) >= 2 * rank + 2
    assert (fold.expand(as_tensor(X), draw_model(corner, rank)) is not None) == unique


def test_ranks_that_blocks_refuse_are_nan_in_the_table():
    X = noisy_tensor((8, 6, 6), 2)
    estimate = estimate_rank(X, range(1, 7), holdout=Blocks(), n_starts=2, n_folds=2, random_state=0)
    known = np.isfinite(estimate.table.replicates["heldout"]).all(axis=1)
    assert known.tolist() == [True, True, True, True, True, False, False]


def test_a_corner_with_an_empty_slab_is_survived():
    X = noisy_tensor((6, 6, 6), 1, missing=0.85, seed=3)
    for n in range(3):
        np.moveaxis(X, n, 0)[:, 0, 0] = 1.0
    estimate = estimate_rank(X, [1, 2], holdout=Blocks(), n_starts=2, n_folds=4, random_state=0)
    assert set(estimate.table.ranks) == {0, 1, 2}


# ------------------------------------------------------------------------------------------- the same for every rank


@every_kind
def test_every_rank_predicts_the_same_cells_of_the_same_folds(holdout):
    tensor = as_tensor(noisy_tensor((8, 9, 10), 2))
    solver = ALS(max_iter=5)
    of_ranks = []
    for ranks in ([1, 2, 3], [2]):
        plan = Plan(solver, holdout, n_starts=2, n_folds=3, entropy=5)
        found = [fits for fits in fit_ranks(tensor, ranks, plan) if fits.rank in (0, *ranks)]
        of_ranks.extend([fold.cells.tolist() for fold in fits.folds] for fits in found)
    assert len(of_ranks) == 6  # ranks 0, 1, 2, 3 and 0, 2
    assert all(cells == of_ranks[0] for cells in of_ranks)


# ------------------------------------------------------------------------------------------------------- no leaks


@pytest.mark.parametrize("surplus", [0, 2])
def test_a_fit_that_goes_on_from_that_of_all_data_forgets_what_it_must_predict(surplus):
    # It has forgotten once going on for 500 sweeps changes its held-out error by less than its uncertainty; one that is
    # stopped at once has not. Past the true rank this takes longest.
    X = noisy_tensor((15, 15, 15), 3, noise=1.0, missing=0.4, seed=4)
    tensor, full = as_tensor(X), fit_parafac(X, 3 + surplus, n_starts=4, random_state=0).model
    errors = []
    for fold in draw_folds(RandomElements(0.1), X, n_folds=5):
        training = fold.training(tensor)
        early, fit = ALS(tol=1e-15).fit(training, full, max_iter=1), ALS().fit(training, full)
        late = ALS(max_iter=500, tol=1e-15).fit(training, fit.model)
        errors.append([relative_error(tensor, each.model, fold.cells) for each in (early, fit, late)])
    early, warm, patient = np.array(errors).T
    of_early, difference = patient - early, patient - warm
    error, spread = (np.std(values, ddof=1) / np.sqrt(len(values)) for values in (difference, warm))
    assert abs(difference.mean()) <= max(2 * error, 0.1 * spread)
    assert surplus == 0 or of_early.mean() > 3 * np.std(of_early, ddof=1) / np.sqrt(len(of_early))


@pytest.mark.parametrize(("holdout", "missing"), [(RandomElements(0.1), 0.4), (RandomFibres(0, 0.2), 0.0)], ids=repr)
def test_held_out_errors_in_the_table_are_those_of_fits_that_never_saw_the_cells(holdout, missing):
    X = noisy_tensor((10, 11, 12), 3, noise=0.5, missing=missing)
    plan = Plan(ALS(), holdout, n_starts=5, n_folds=3, entropy=0)
    for fits in fit_ranks(as_tensor(X), [1, 2, 3], plan):
        for fold, error in zip(fits.folds, heldout_scores(as_tensor(X), fits)["heldout"], strict=True):
            blind = X.copy()
            blind.flat[fold.cells] = np.nan
            if fits.rank:
                model = fit_parafac(blind, fits.rank, n_starts=5, random_state=1).model
                assert error == pytest.approx(relative_error(as_tensor(X), model, fold.cells), rel=0.01)


@settings(max_examples=30)
@given(
    st.lists(st.integers(2, 7), min_size=3, max_size=4).map(tuple),
    st.floats(0.01, 0.5),
    st.integers(1, 6),
    st.integers(0, 1000),
    st.sampled_from([RandomElements, lambda share: RandomFibres(1, share), Blocks]),
)
def test_folds_of_any_small_tensor_are_in_order(shape, share, n_folds, seed, kind):
    tensor = as_tensor(np.random.default_rng(seed).standard_normal(shape))
    folds = kind(share).folds(tensor, n_folds, np.random.default_rng(seed))
    assert len(folds) == n_folds
    for fold in folds:
        assert (np.diff(fold.cells) > 0).all()
        assert len(fold.cells) == 0 or 0 <= fold.cells[0] <= fold.cells[-1] < np.prod(shape)
        training = fold.training(tensor)
        assert 0 < training.n_observed <= tensor.n_observed - len(fold.cells)
        assert isinstance(fold.expand(tensor, draw_model(training.shape, 1)), CPModel)


# ------------------------------------------------------------------------------------------------ warm starts and leaks


NOISE = np.random.default_rng(3).standard_normal((7, 8, 9))
COUNTS = np.random.default_rng(3).poisson(2.0, (7, 8, 9))


@pytest.mark.parametrize(
    ("X", "solver", "holdout"),
    [
        (NOISE, ALS(), RandomElements(0.1)),
        (NOISE[:3, :5, :4], ALS(), RandomElements(0.1)),
        (with_holes(NOISE, 0.5), ALS(), RandomElements(0.1)),
        (NOISE, ALS(), RandomFibres(2)),
        (NOISE - NOISE.mean(axis=0), ALS(), Centred(RandomElements(0.1), modes=0)),
        (weighted(NOISE, 0.5 + np.random.default_rng(4).random(NOISE.shape)), ALS(), RandomElements(0.1)),
        (np.abs(NOISE), HALS(), RandomElements(0.1)),
        (COUNTS, KL(), RandomElements(0.1)),
    ],
    ids=["elements", "few cells", "missing", "fibres", "centred", "weights", "HALS", "KL"],
)
def test_a_fold_remembers_nothing_of_what_it_holds_out(X, solver, holdout):
    """Other values at its cells, and so another model of all cells, change no number of its own models."""
    tensor = as_tensor(X)
    plan = Plan(solver, holdout, n_starts=3, n_folds=3, entropy=0)
    fold = plan.holdout.folds(tensor, plan.n_folds, plan.rng(DRAW_FOLDS))[0]
    own = [CPModel(np.zeros(0), [np.zeros((length, 0)) for length in tensor.shape])] * 2
    for rank in range(1, 6):
        full = [draw_model(tensor.shape, rank, seed=seed) for seed in (1, 2)]
        own = [fit_fold(tensor, plan, fold, *pair, 0).own for pair in zip(own, full, strict=True)]
        for one, other in zip(own[0].factors, own[1].factors, strict=True):
            np.testing.assert_array_equal(one, other)


def test_where_a_fold_misses_a_component_the_full_fit_helps():
    X = make_cp_tensor((10, 11, 12), 2, noise=white_noise(20.0), random_state=0).X
    tensor = as_tensor(X)
    plan = Plan(ALS(max_iter=1), RandomElements(0.1), n_starts=3, n_folds=2, entropy=0)  # one sweep from chance
    fold = plan.holdout.folds(tensor, 2, plan.rng(DRAW_FOLDS))[0]
    nothing = CPModel(np.zeros(0), [np.zeros((length, 0)) for length in tensor.shape])
    fits = [draw_model(tensor.shape, 2, seed=1), fit_parafac(X, 2, random_state=0).model]
    alone, helped = (fit_fold(tensor, plan, fold, nothing, full, 0).whole for full in fits)
    assert relative_error(tensor, helped, fold.cells) < 0.02 < relative_error(tensor, alone, fold.cells)


@pytest.mark.parametrize(("shape", "rank"), [((3, 5, 4), 6), ((4, 4, 3), 5), ((2, 4, 60), 7)])
def test_a_model_with_as_many_parameters_as_training_cells_is_not_scored(shape, rank):
    table = estimate_rank(np.random.default_rng(5).standard_normal(shape), range(1, rank + 1), random_state=0).table
    cells = np.prod(shape) - round(0.1 * np.prod(shape))
    parameters = table.ranks[1:] * (sum(shape) - 2)
    np.testing.assert_allclose(table["cells_per_parameter"][1:, 0], cells / parameters, rtol=0.03)
    np.testing.assert_array_equal(np.isnan(table.mean("heldout")[1:]), parameters >= cells)


def test_data_without_noise_keep_their_rank_where_larger_ones_cannot_be_scored():
    for shape, rank in [((4, 4, 3), 2), ((3, 5, 4), 2), ((2, 6, 60), 3)]:
        X = make_cp_tensor(shape, rank, random_state=1).X
        answer = estimate_rank(X, random_state=0)
        assert answer.rank == rank
        assert answer.table.value("heldout", rank) < 1e-8
