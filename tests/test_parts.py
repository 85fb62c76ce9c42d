"""The estimate from parts: which are drawn, how their models become one, what is said of them, runs that end early."""

import json
import re
from itertools import pairwise
from math import prod

import numpy as np
import pytest
import reference
import scipy.sparse
import xarray
from contracts import assert_value, draw_model, with_holes
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from test_store import assert_same, assert_same_answer

from autoten import (
    ALS,
    HALS,
    KL,
    AutoTen,
    Blocks,
    Centred,
    CountSplit,
    CPModel,
    Parts,
    RandomElements,
    RandomFibres,
    estimate_rank,
    factor_match_score,
    fit_parafac,
    load,
    parts,
    preprocess,
    weighted,
)
from autoten.__main__ import main
from autoten.datasets import gamma_factors, gaussian_factors, make_count_tensor, make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.fits import Plan
from autoten.report import program
from autoten.scores import DEFAULT_SCORERS

da = pytest.importorskip("dask.array")

SHAPE = (40, 35, 30)
SIGNAL = make_cp_tensor(SHAPE, 2, random_state=0)
X = make_cp_tensor(SHAPE, 2, noise=white_noise(20), random_state=0).X
DRAWN = make_count_tensor(SHAPE, 2, events=60_000, random_state=0)
COUNTS = DRAWN.X
QUICK = {"ranks": 3, "parts": Parts(0.05), "n_starts": 2, "random_state": 0}  # three parts


def quick(X=X, **options):
    return estimate_rank(X, **QUICK | options)


@pytest.fixture(scope="module")
def estimate():
    return quick()


# ------------------------------------------------------------------------------------------------------ what is drawn


def draw(X, megabytes, seed=0):
    return Parts(megabytes).draw(as_tensor(X), np.random.default_rng(seed))


def test_a_record_of_settings():
    assert_value(Parts(0.5, refine=0))
    assert Parts() == Parts(megabytes=10.0, refine=2)


@examples(max_examples=60)
@given(st.lists(st.integers(2, 25), min_size=3, max_size=4), st.integers(1, 3000), st.integers(0, 9))
def test_parts_hold_every_slab_share_some_and_are_no_larger_than_asked(shape, cells, seed):
    drawn = draw(np.random.default_rng(seed).standard_normal(shape), cells * 8 / 2**20, seed)
    ((*lengths,),) = {tuple(map(len, part)) for part in drawn}
    assert prod(lengths) <= max(cells, 2 ** len(shape))
    assert (len(drawn) == 1) == (lengths == shape)
    assert len(drawn) <= 64
    for n, length, indices in zip(shape, lengths, zip(*drawn, strict=True), strict=True):
        assert all((np.diff(index) > 0).all() for index in indices)
        slabs = [set(index.tolist()) for index in indices]
        assert len(set.intersection(*slabs)) >= max(1, round(length / 8))
        assert set.union(*slabs) == set(range(n)) or (len(drawn) == 64 and set.union(*slabs) < set(range(n)))


@pytest.mark.parametrize(
    ("shape", "megabytes", "lengths", "n_parts"),
    [
        (SHAPE, 0.33, SHAPE, 1),
        (SHAPE, 0.1, (24, 23, 23), 2),
        (SHAPE, 0.05, (19, 19, 18), 3),
        ((3, 50, 60), 0.01, (3, 20, 21), 4),
        ((100, 5, 5), 1e-9, (2, 2, 2), 64),
    ],
    ids=str,
)
def test_long_modes_are_cut_to_one_length_and_short_ones_stay_whole(shape, megabytes, lengths, n_parts):
    drawn = draw(np.ones(shape), megabytes)
    assert [tuple(map(len, part)) for part in drawn] == [lengths] * n_parts


def test_busy_slabs_are_more_often_shared_by_all_parts_and_the_seed_decides():
    busy = X.copy()
    busy[7] *= 10.0
    everywhere = np.zeros(len(X))
    for seed in range(60):
        drawn = draw(busy, 0.05, seed)
        everywhere[list(set.intersection(*(set(part[0]) for part in drawn)))] += 1
    assert everywhere[7] > 30
    assert np.delete(everywhere, 7).max() < 15
    one, same, other = (draw(X, 0.05, seed) for seed in (0, 0, 1))
    assert_same(one, same)
    assert any((a != b).any() for a, b in zip(one[0], other[0], strict=True))


def test_parts_of_a_sparse_tensor_go_by_what_it_takes_and_not_by_its_cells():
    sparse = scipy.sparse.coo_array(np.where(np.random.default_rng(0).random(SHAPE) < 0.02, X, 0.0))
    (of_sparse, *_), (of_dense, *_) = draw(sparse, 0.005), draw(X, 0.005)
    assert all(len(here) > len(there) for here, there in zip(of_sparse, of_dense, strict=True))


def test_folds_and_splits_are_divided_among_the_parts(estimate):
    assert estimate.settings["shapes of parts"] == [[19, 19, 18]] * 3
    assert (estimate.settings["n_folds"], estimate.settings["n_splits"]) == (5, 4)
    settings = estimate.settings
    assert (settings["shape"], settings["observed"], settings["preprocessing"]) == ([*SHAPE], X.size, [])
    table = estimate.table
    assert (table["heldout"].shape, table["stability_halves_splits"].shape) == ((4, 3 * 2), (4, 3 * 2))
    assert quick(n_folds=7, n_splits=0).table["heldout"].shape == (4, 3 * 3)
    assert set(estimate.timings) == {"parts", "sweeps", "total"}
    assert table.shape == SHAPE
    assert table.complete


# --------------------------------------------------------------------------------------------------- one model of all


def shuffled(model, rng):
    """Return the same tensor with its components in another order, other signs and other sizes."""
    scales = rng.standard_normal((model.ndim, model.rank))
    scales[-1] /= scales.prod(axis=0)
    order = rng.permutation(model.rank)
    return CPModel(np.ones(model.rank), tuple((f * s)[:, order] for f, s in zip(model.folded(), scales, strict=True)))


@pytest.mark.parametrize("absent", [None, 0, 1, 2], ids=lambda mode: f"absent from the shared slabs of {mode}")
@pytest.mark.parametrize("shape", [SHAPE, (30, 4, 28, 20)], ids=str)
@pytest.mark.parametrize("rank", [1, 3])
def test_models_of_parts_in_any_order_sign_and_size_become_that_of_the_whole(shape, rank, absent):
    truth, rng = draw_model(shape, rank), np.random.default_rng(1)
    drawn = draw(truth.to_tensor(), 0.05)
    assert len(drawn) > 2
    if absent is not None:  # the short mode is shared as a whole: there it is in no part
        truth.factors[absent][list(set.intersection(*(set(part[absent]) for part in drawn))), 0] = 0.0
    joined = parts._joined(shape, [shuffled(truth.rows(part), rng) for part in drawn], drawn)
    np.testing.assert_allclose(joined.to_tensor(), truth.to_tensor(), atol=1e-9)


def test_without_noise_the_parts_tell_the_whole():
    for refine in (0, 2):
        found = quick(SIGNAL.X, parts=Parts(0.05, refine))
        assert found.rank == 2
        assert len(found.settings["losses of sweeps"]) == refine
        np.testing.assert_allclose(found.model.to_tensor(), SIGNAL.X, atol=1e-3)


HALF_SIGNED = make_cp_tensor(
    SHAPE, 2, factors=[gaussian_factors, gamma_factors(1.0), gaussian_factors], noise=white_noise(20), random_state=0
).X
SIZES = np.random.default_rng(0).uniform(0.2, 2.0, SHAPE[2])
FITTED = {
    "ALS": (X, ALS()),
    "missing": (with_holes(X, 0.5), ALS()),
    "float32": (X.astype("f4"), ALS()),
    "weights": (weighted(X, SIZES), ALS()),
    "HALS": (COUNTS, HALS()),
    "HALS of a mode": (HALF_SIGNED, HALS((1,))),
    "HALS, missing": (with_holes(COUNTS, 0.3), HALS()),
    "KL": (COUNTS, KL()),
    "KL, missing": (with_holes(COUNTS, 0.3), KL()),
    "sparse": (scipy.sparse.coo_array(COUNTS), KL()),
}


@pytest.mark.parametrize(("data", "solver"), FITTED.values(), ids=FITTED)
def test_sweeps_lower_the_loss_and_lead_to_the_model_in_memory(data, solver):
    found = quick(data, solver=solver, parts=Parts(0.05, refine=8), ranks=[2], policy=lambda table: 2)
    losses = found.settings["losses of sweeps"]
    assert len(found.settings["shapes of parts"]) > 1
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(losses))
    fit = fit_parafac(data, 2, solver=solver, n_starts=3, random_state=0)
    assert losses[-1] == pytest.approx(fit.loss, rel=1e-4 if isinstance(solver, KL) else 1e-6)
    assert losses[-1] >= fit.loss * (1 - 1e-9)
    assert factor_match_score(found.model, fit.model) > 0.99999
    if isinstance(solver, (HALS, KL)):
        modes = solver.constrained(3) if isinstance(solver, HALS) else range(3)
        assert all(found.model.factors[mode].min() >= 0.0 for mode in modes)


def test_the_loss_after_a_sweep_is_that_of_the_model():
    for data, solver in (FITTED["missing"], FITTED["HALS"], FITTED["KL, missing"]):
        found = quick(data, solver=solver)
        weights, factors = found.model
        if isinstance(solver, KL):
            expected = reference.deviance(data, factors, weights) / reference.null_deviance(data)
        else:
            expected = reference.loss(data, factors, weights) / np.nansum(np.square(data))
        assert found.settings["losses of sweeps"][-1] == pytest.approx(expected, rel=1e-9)
    data, noise = X, np.broadcast_to(SIZES, SHAPE)
    found = quick(weighted(data, noise))
    weights, factors = found.model
    expected = reference.loss(data, factors, weights, noise**-2) / np.sum(np.square(data / noise))
    assert found.settings["losses of sweeps"][-1] == pytest.approx(expected, rel=1e-9)


def test_a_slab_that_no_part_has_seen_gets_its_row_from_a_sweep():
    few, seldom = SIGNAL.X.copy(), [5, 11, 17, 23]
    few[seldom, 2:] = few[seldom, :, 2:] = np.nan  # of these a part sees nothing that lacks the other slabs
    before, after = (quick(few, parts=Parts(0.05, refine)) for refine in (0, 2))
    assert len({tuple(shape) for shape in before.settings["shapes of parts"]}) > 1
    assert before.rank == after.rank == 2
    unseen = np.flatnonzero(~before.model.factors[0].any(axis=1))
    assert len(unseen)
    assert set(unseen) <= set(seldom)
    np.testing.assert_allclose(after.model.to_tensor(), SIGNAL.X, atol=1e-3)


# -------------------------------------------------------------------------------------------- the same, whatever it is


def as_memmap(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


GIVEN = {
    "dask": lambda X, folder: da.from_array(X, chunks=(12, 35, 7)),
    "dask of a memmap": lambda X, folder: da.from_array(as_memmap(X, folder), chunks=(40, 9, 30)),
    "memmap": as_memmap,
    "columns first": lambda X, folder: np.asfortranarray(X),
}


def assert_alike(a, b):
    assert (a.rank, a.warnings, a.settings["shapes of parts"]) == (b.rank, b.warnings, b.settings["shapes of parts"])
    assert set(a.table.replicates) == set(b.table.replicates)
    for name, column in b.table.replicates.items():
        np.testing.assert_allclose(a.table[name], column, rtol=1e-9, atol=1e-9, err_msg=name)
    for rank, model in b.models.items():
        np.testing.assert_allclose(a.models[rank].to_tensor(), model.to_tensor(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("given_as", GIVEN.values(), ids=GIVEN)
def test_the_answer_is_that_of_the_array_in_memory(estimate, tmp_path, given_as):
    assert_alike(quick(given_as(X, tmp_path)), estimate)


@pytest.mark.parametrize("solver", [ALS(), HALS(), KL()], ids=lambda solver: type(solver).__name__)
def test_so_is_that_of_counts_with_missing_cells(solver):
    holed = with_holes(COUNTS, 0.3)
    assert_alike(quick(da.from_array(holed, chunks=(12, 35, 7)), solver=solver), quick(holed, solver=solver))


def test_a_large_dask_array_needs_no_asking(monkeypatch, estimate):
    monkeypatch.setattr("autoten.estimate.LARGEST_COMPUTED", X.nbytes - 1)
    monkeypatch.setattr("autoten.sklearn_api.LARGEST_COMPUTED", X.nbytes - 1)
    array, options = da.from_array(X, chunks=12), QUICK | {"parts": None}
    found = estimate_rank(array, **options)
    assert (found.rank, found.settings["parts"]) == (2, repr(Parts()))
    assert AutoTen(**options).fit(array).estimate_.settings["parts"] == repr(Parts())
    assert "parts" not in estimate_rank(array[:, :, :-1], **options).settings


def test_several_workers_and_the_same_seed_give_the_same_bits(estimate):
    assert_same_answer(quick(n_jobs=2), estimate)
    drawn = quick(random_state=None)
    assert_same_answer(quick(random_state=drawn.settings["seed"]), drawn)
    assert drawn.settings["seed"] != estimate.settings["seed"]


# ------------------------------------------------------------------------------------------- all that an estimate has


@pytest.mark.parametrize(
    "holdout",
    [RandomElements(0.2), RandomFibres(0), RandomFibres(2), Blocks(), Blocks(contiguous=True), CountSplit()],
    ids=str,
)
def test_every_holdout_is_there(holdout):
    by_counts = isinstance(holdout, CountSplit)
    found = quick(COUNTS if by_counts else X, holdout=holdout, solver=KL() if by_counts else ALS())
    assert (found.rank, found.settings["holdout"]) == (2, repr(holdout))
    assert found.table.holdout == type(holdout).__name__
    assert np.isfinite(found.table["heldout"]).all()


def test_data_centred_across_a_mode_are_centred_in_every_part():
    centred = preprocess.center(SIGNAL.X + np.random.default_rng(0).standard_normal(SHAPE[1:]), 0)
    found = quick(centred, holdout=Centred(RandomElements(), 0))
    assert found.rank == 2
    np.testing.assert_allclose(found.model.to_tensor(), np.asarray(centred), atol=1e-3)


def test_counts_are_fitted_as_such_beside():
    found = quick(COUNTS)
    assert list(found.by_solver) == ["ALS", "KL"]
    assert found.rank == 2
    (said,) = (warning for warning in found.warnings if "looks like counts" in warning)
    assert said.endswith("(So it is in 3 of 3 parts.)")
    named = quick(COUNTS, solver=(ALS(), KL()))
    assert (named.rank, named.reason) == (found.rank, found.reason)
    for name, each in named.by_solver.items():
        assert_same(each.table, found.by_solver[name].table)
    swept = [name for name, each in found.by_solver.items() if "losses of sweeps" in each.settings]
    assert [found.by_solver[name].settings["solver"] for name in swept] == [found.settings["solver"]]
    assert_same(found.model, found.by_solver[swept[0]].model)


def test_a_solver_that_one_part_lacks_is_in_no_table():
    mixed = np.where(np.arange(SHAPE[0])[:, None, None] == 11, X, np.abs(X))  # KL suits the parts without a slab
    found = quick(mixed, solver=(ALS(), KL()))
    assert found.by_solver == {}
    assert any(said.startswith("KL was left out. X for the solver KL must be counts") for said in found.warnings)
    assert found.settings["solver"] == repr(ALS())


@pytest.mark.parametrize("chunks", [None, 10], ids=["in memory", "in chunks"])
def test_labels_come_back_on_models_and_in_warnings(chunks):
    twins = X.copy()
    twins[27] = twins[4]
    labels = {"sample": [f"s{i}" for i in range(40)], "time": np.arange(35) / 2}
    array = xarray.DataArray(twins, dims=["sample", "time", "sensor"], coords=labels)
    found = quick(array if chunks is None else array.chunk(chunks), parts=Parts(0.3), solver=HALS(("time",)))
    assert all(model.labels.names == ("sample", "time", "sensor") for model in found.models.values())
    assert found.labels.indices[0].tolist() == labels["sample"]
    assert found.model.factors[1].min() >= 0.0
    said = [warning for warning in found.warnings if "identical" in warning]
    assert re.match(r"Mode 0 \(sample\): slabs \d+ \(s4\) and \d+ \(s27\) are identical.* of 2 parts\.\)$", said[0])
    said = [warning for warning in quick(twins, parts=Parts(0.3)).warnings if "identical" in warning]
    assert re.match(r"Mode 0: slabs \d+ \(4\) and \d+ \(27\) are identical", said[0])


# ------------------------------------------------------------------------------------------ what is said of components


def with_local(slabs, size=3.0, second=1.0, local_second=False):
    """Return data, slab 9 of mode 0 the busiest, and their model, whose third component lives in some slabs only.

    The second one is of another size, or lives in the busiest slab only.
    """
    model = draw_model(SHAPE, 3)
    model.factors[1][:, 1] *= second
    if local_second:
        model.factors[0][:, 1] = 2.0 * (np.arange(SHAPE[0]) == 9)
    model.factors[0][np.setdiff1d(np.arange(SHAPE[0]), slabs), 2] = 0.0
    model.factors[0][slabs, 2] = size
    model.factors[0][9] *= 10.0
    signal = model.to_tensor()
    return signal + 0.1 * signal.std() * np.random.default_rng(0).standard_normal(SHAPE), model


def test_a_component_of_few_slabs_is_said_to_be_local():
    data = xarray.DataArray(with_local([3, 20])[0], dims=["dose", "b", "c"], coords={"dose": np.arange(40) * 10})
    found = quick(data, ranks=4, parts=Parts(0.3))
    assert found.rank == 3
    (said,) = (warning for warning in found.warnings if "few slabs" in warning)
    number = said.split()[1]
    assert said == f"Component {number} lives in few slabs (2 of 40 of mode 0 (dose)): slabs 3 (30), 20 (200)."
    assert set(np.argsort(-np.abs(found.model.factors[0][:, int(number) - 1]))[:2]) == {3, 20}


def test_a_component_that_one_part_alone_holds_is_named_and_so_is_how_parts_differ():
    found = quick(with_local([3], local_second=True)[0], ranks=4, n_starts=3)
    ranks = found.settings["ranks of parts"]
    assert (found.rank, sorted(ranks)) == (2, [2, 2, 3])
    number = ranks.index(3) + 1
    assert {
        "Parts differ in their rank: 2 in 2 parts, 3 in 1 part. 2 is what their tables say together.",
        f"Part {number} alone holds one more component, which lives in few slabs of mode 0: slab 3.",
        "Component 1 lives in few slabs (1 of 40 of mode 0): slab 9.",
    } <= set(found.warnings)
    assert sum("alone holds" in said for said in found.warnings) == 1
    doubtful = quick(with_local([3], size=1.5)[0], ranks=4, n_starts=3)  # two are likely enough in the part of three
    assert (doubtful.rank, doubtful.settings["ranks of parts"]) == (2, ranks)
    assert not any("alone holds" in said for said in doubtful.warnings)


def test_a_model_begins_with_parts_that_find_as_many_components():
    data, model = with_local([3], size=8.0, second=0.3)
    found = quick(data, ranks=4, n_starts=3, random_state=1)
    assert (found.rank, found.settings["ranks of parts"]) == (2, [3, 2, 3])
    common = CPModel(model.weights[:2], tuple(factor[:, :2] for factor in model.factors))
    assert factor_match_score(found.model, common) > 0.99


def test_of_many_different_warnings_of_parts_the_first_are_passed_on():
    class Doubtful(ALS):
        def doubts(self, tensor):
            yield f"Doubt {tensor.norm_squared:g}."
            yield "The same doubt."

    found = quick(parts=Parts(0.005), ranks=1, solver=Doubtful())
    n_parts = len(found.settings["shapes of parts"])
    said = [warning for warning in found.warnings if "oubt" in warning]
    assert said[0] == f"The same doubt. (So it is in {n_parts} of {n_parts} parts.)"
    assert len(said) == 5
    assert found.warnings[-1] == f"Parts were warned of {n_parts - 4} other things."


# ------------------------------------------------------------------------------------------------------- ended early


def interrupting(at, rank, solver=ALS):
    """Return scorers that interrupt, once, the part of this number at a rank, and the shapes of the parts they saw."""
    seen = []

    def scorer(tensor, fits):
        if fits.rank == rank and isinstance(fits.solver, solver):
            seen.append(tensor.shape)
            if len(seen) == at:
                raise KeyboardInterrupt
        return {}

    return (*DEFAULT_SCORERS, scorer), seen


@pytest.mark.parametrize(("rank", "kept"), [(1, 1), (3, 2)])
def test_an_interrupted_part_keeps_those_before_and_ranks_that_it_did_and_no_other_is_begun(tmp_path, rank, kept):
    scorers, seen = interrupting(2, rank)
    path = tmp_path / "run.npz"
    found = quick(scorers=scorers, checkpoint=path)
    assert len(seen) == 2
    assert found.settings["ranks of parts"] == [2] * kept
    assert found.table.ranks.tolist() == ([0, 1, 2, 3] if rank == 1 else [0, 1, 2])
    assert not found.table.complete
    assert f"The run ended before {3 - kept} of 3 parts were estimated." in found.warnings
    assert any("The run was interrupted: rank 3" in warning for warning in found.warnings) == (rank == 3)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run-1.npz", "run-2.npz"]
    again = quick(scorers=scorers, checkpoint=path, n_jobs=2)
    assert len(seen) == 2 + 2  # the first part is done
    assert_same_answer(again, quick(scorers=scorers))
    assert_same_answer(quick(scorers=scorers, checkpoint=path, random_state=None), again)


def test_an_interrupt_of_the_solver_that_is_not_chosen_is_one_too():
    scorers, seen = interrupting(2, 3, HALS)
    found = quick(scorers=scorers, solver=(ALS(), HALS()))
    assert len(seen) == 2
    assert found.settings["ranks of parts"] == [2, 2]
    assert [each.table.ranks[-1] for each in found.by_solver.values()] == [3, 2]


def test_interrupted_before_any_part_has_a_rank_it_stops():
    scorers, seen = interrupting(1, 1)
    with pytest.raises(KeyboardInterrupt):
        quick(scorers=scorers)
    assert len(seen) == 1


class Dawdling(ALS):
    """Fits of the second rank last until there is no time."""

    def fit(self, tensor, start, *, deadline=np.inf, **options):
        fit = super().fit(tensor, start, deadline=deadline, **options)
        while start.rank == 2 and parts.time.monotonic() < deadline:
            parts.time.sleep(0.01)
        return fit


def test_time_is_divided_and_a_part_that_used_up_its_own_ends_no_other():
    found = quick(solver=Dawdling(), max_time=1.5)
    assert len(found.settings["shapes of parts"]) == 3
    assert not found.table.complete
    assert sum("Time was over" in warning for warning in found.warnings) >= 1
    assert not any("were estimated" in warning for warning in found.warnings)


def test_time_for_some_parts_only_and_for_none(monkeypatch, estimate):
    limits, original = [], parts._estimate

    def second_is_late(estimate_rank, data):
        limits.append(estimate_rank.keywords["max_time"])
        return None if len(limits) == 2 else original(estimate_rank, data)

    monkeypatch.setattr(parts, "_estimate", second_is_late)
    found = quick(max_time=600)
    assert len(limits) == 3
    assert max(limits) <= 200
    assert "The run ended before 1 of 3 parts were estimated." in found.warnings
    assert any(said.startswith("No part holds 17 of 40 slabs of mode 0:") for said in found.warnings)
    assert not found.table.complete
    assert found.table["heldout"].shape == (4, 2 * 2)
    np.testing.assert_array_equal(found.table["heldout"], np.delete(estimate.table["heldout"], [2, 3], axis=1))
    assert factor_match_score(found.model, SIGNAL.model) > 0.999  # a sweep has given the rows of what is left out
    quick(max_time=600, n_jobs=2)
    assert 200 < max(limits[3:]) <= 400
    monkeypatch.undo()
    with pytest.raises(TimeoutError, match=r"^max_time must be long enough for one rank of one part\. None was fin"):
        quick(max_time=1e-9)


@pytest.mark.parametrize("ended_by", ["an interrupt", "the end of the time"])
def test_sweeps_end_early_and_what_is_done_is_kept(monkeypatch, ended_by):
    sweep, done = parts._swept_rows, []

    def swept(*arguments, **options):
        if done and ended_by == "an interrupt":
            raise KeyboardInterrupt
        done.append(sweep(*arguments, **options))
        if ended_by == "the end of the time":
            monkeypatch.setattr(Plan, "deadline", 0.0)
        return done[-1]

    monkeypatch.setattr(parts, "_swept_rows", swept)
    found = quick(parts=Parts(0.05, refine=3))
    assert found.settings["losses of sweeps"] == done
    assert found.warnings == ("Only 1 of 3 sweeps over X were made: the model is that of parts else.",)
    assert found.table.complete
    monkeypatch.undo()
    assert_same(found.model, quick(parts=Parts(0.05, refine=1)).model)


# ----------------------------------------------------------------------------------------------- told, kept and asked


def test_progress_tells_every_part(capfd):
    quick(progress=True)
    assert [line.rpartition(",")[0] for line in capfd.readouterr().err.splitlines()] == [
        f"part {number} of 3: rank 2" for number in (1, 2, 3)
    ]


def test_it_is_kept_and_told_like_any_other_estimate(estimate, tmp_path):
    estimate.save(tmp_path / "kept")
    assert_same(load(tmp_path / "kept.npz"), estimate)
    assert estimate.report().startswith("Estimated rank: 2\n")
    assert json.loads(estimate.to_json())["settings"]["parts"] == "Parts(megabytes=0.05, refine=2)"
    estimate.to_html(tmp_path / "page.html")
    assert "parts=Parts(megabytes=0.05, refine=2)" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert estimate.to_xarray().attrs["rank"] == 2
    assert estimate.at(1).model.rank == 1
    assert estimate.select(lambda table: 3).rank == 3


def test_the_program_of_the_report_makes_it_again(estimate):
    names = {"X": X}
    exec(program(estimate), names)
    assert_same_answer(names["estimate"], estimate)


def test_the_estimator_and_the_command_line_have_it(estimate, tmp_path, capsys):
    fitted = AutoTen(**QUICK).fit(X)
    assert_same_answer(fitted.estimate_, estimate)
    assert fitted.transform(X[:5]).shape == (5, 2)
    assert AutoTen(**QUICK).fit(da.from_array(X, chunks=10)).rank_ == 2
    np.save(tmp_path / "X.npy", X)
    options = ["--ranks", "3", "--starts", "2", "--parts", "0.05", "--json", f"{tmp_path}/X.json"]
    assert main([f"{tmp_path}/X.npy", *options]) == 0
    assert "part 3 of 3" in capsys.readouterr().err
    told = json.loads((tmp_path / "X.json").read_text())
    assert told["settings"]["parts"] == estimate.settings["parts"]
    np.testing.assert_array_equal(told["table"]["fit"], estimate.table.mean("fit"))


# ---------------------------------------------------------------------------------------------- what is hardly a tensor


@pytest.mark.parametrize("in_chunks", [False, True])
def test_of_nothing_there_is_nothing(in_chunks):
    for data in (np.zeros(SHAPE), np.zeros(SHAPE, int)):
        found = quick(da.from_array(data, chunks=20) if in_chunks else data)
        assert (found.rank, found.settings["losses of sweeps"]) == (0, [])
        said = "All observed cells are zero: there is nothing to decompose. (So it is in 3 of 3 parts.)"
        assert found.warnings == (said,)


def test_a_list_without_a_nonzero_costs_no_pass_and_has_no_component():
    assert quick(scipy.sparse.coo_array(np.zeros(SHAPE))).rank == 0


@pytest.mark.parametrize("dtype", [float, int, bool, "f4"])
def test_a_constant_is_one_component(dtype):
    found = quick(np.ones(SHAPE, dtype), ranks=1)
    assert found.rank == 1
    np.testing.assert_allclose(found.model.to_tensor(), 1.0, rtol=1e-6)


def test_ranks_end_where_parts_cannot_determine_more():
    small = X[:20, :18, :15]
    found = quick(small, parts=Parts(0.0005), ranks=7)
    assert found.table.ranks[-1] < 7
    n_parts = len(found.settings["shapes of parts"])
    assert any("were left out" in said and f"{n_parts} of {n_parts}" in said for said in found.warnings)
    tiny = quick(small, parts=Parts(1e-9), ranks=None)
    assert tiny.settings["shapes of parts"] == [[2, 2, 2]] * 19
    assert not any("No part holds" in said for said in tiny.warnings)
    assert np.isfinite(tiny.model.to_tensor()).all()
