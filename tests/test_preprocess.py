"""Centring, scaling, what is left out, and the record of it all."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
import reference
import xarray as xr
from contracts import draw_factors
from hypothesis import given
from hypothesis import strategies as st

from autoten._errors import AutotenWarning
from autoten.datasets import load_amino_acids
from autoten.estimate import estimate_rank
from autoten.preprocess import Preprocessed, center, drop_empty_slabs, mask_scatter, scale

SHAPE = (5, 6, 7)

seeds = st.integers(0, 10_000)
shapes = st.lists(st.integers(2, 6), min_size=3, max_size=4).map(tuple)
some_modes = st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True)
shares = st.sampled_from([0.0, 0.3])


def draw(shape=SHAPE, seed=0, holes=0.0):
    """Independent normal entries about 1, a share of them missing, at random but never a whole fibre of SHAPE."""
    rng = np.random.default_rng(seed)
    X = 1 + rng.standard_normal(shape)
    return np.where(rng.random(shape) < holes, np.nan, X)


def slab_mean_squares(X, mode):
    return np.nanmean(np.moveaxis(X, mode, 0).reshape(X.shape[mode], -1) ** 2, axis=1)


# --------------------------------------------------------------------------------------------------------- centring


@given(seeds, shapes, some_modes)
def test_centring_subtracts_means_and_so_every_offset_that_is_constant_along_one_of_the_modes(seed, shape, modes):
    X, rng = draw(shape, seed), np.random.default_rng(seed + 1)
    np.testing.assert_allclose(center(X, modes[0]).X, X - X.mean(axis=modes[0], keepdims=True), atol=1e-12)
    moved = X
    for mode in modes:
        moved = moved + 10 * rng.standard_normal([1 if n == mode else length for n, length in enumerate(shape)])
    np.testing.assert_allclose(center(moved, modes).X, center(X, modes).X, atol=1e-10)
    factors = draw_factors(shape, 2, seed)  # of a CP tensor columns are centred, and nothing else
    centred = [A - A.mean(axis=0) if mode in modes else A for mode, A in enumerate(factors)]
    np.testing.assert_allclose(center(reference.cp_tensor(factors), modes).X, reference.cp_tensor(centred), atol=1e-12)


@given(seeds, some_modes, shares)
def test_all_means_over_observed_cells_are_zero_after_centring(seed, modes, holes):
    X = draw(seed=seed, holes=holes)
    centred = center(X, modes).X
    np.testing.assert_array_equal(np.isnan(centred), np.isnan(X))
    for mode in modes:
        np.testing.assert_allclose(np.nansum(centred, axis=mode), 0, atol=1e-8)


def test_centring_with_holes_removes_offsets_exactly():
    X, offset = draw(holes=0.3), 10 * draw((1, 6, 7), seed=1)
    np.testing.assert_allclose(center(X + offset, 0).X, center(X, 0).X, atol=1e-10)
    # Also huge ones; several modes take several sweeps.
    assert np.abs(np.nanmean(center(X + 1e8, [0, 1]).X, axis=0)).max() < 1e-8
    assert np.abs(np.nanmean(center(center(X, 0), 1).X, axis=0)).max() > 0.01


def test_centring_an_unobserved_fibre_and_a_constant_tensor_is_silent():
    X = draw()
    X[:, 2, 3] = np.nan
    assert np.isnan(center(X, 0).X[:, 2, 3]).all()
    np.testing.assert_allclose(center(np.full(SHAPE, 0.1), [0, 1, 2]).X, 0, atol=1e-15)
    assert np.isnan(center(np.full(SHAPE, np.nan), [0, 1, 2]).X).all()


def test_what_does_not_settle_says_so():
    halves = np.arange(40) < 20
    linked = np.where(halves[:, None] == halves, 0.0, np.nan)[..., None] + draw((40, 40, 2))
    linked[0, -1] = 1.0  # the only cells that two halves share
    with pytest.warns(AutotenWarning, match=r"Centring over modes 0 and 1 did not settle in 1000 sweeps") as caught:
        center(linked, [0, 1])
    assert caught[0].filename == __file__
    unbalanced = np.array([[1.0, 1.0], [0.0, 1.0]])[..., None]  # rows and columns cannot both have unit mean square
    with pytest.warns(AutotenWarning, match=r"Scaling over modes 0 and 1 did not settle in 1000 sweeps"):
        scale(unbalanced, [0, 1])


# ---------------------------------------------------------------------------------------------------------- scaling


@given(seeds, shapes, st.integers(0, 2))
def test_scaling_divides_every_slab_by_its_root_mean_square_and_so_undoes_units(seed, shape, mode):
    X = draw(shape, seed)
    others = tuple(n for n in range(len(shape)) if n != mode)
    expected = X / np.sqrt(np.mean(X**2, axis=others, keepdims=True))
    np.testing.assert_allclose(scale(X, mode).X, expected, rtol=1e-9)
    units = np.random.default_rng(seed).uniform(0.1, 1000, [n if k == mode else 1 for k, n in enumerate(shape)])
    np.testing.assert_allclose(scale(X * units, mode).X, expected, rtol=1e-9)


@given(seeds, some_modes, shares)
def test_every_slab_has_unit_mean_square_over_observed_cells_after_scaling(seed, modes, holes):
    X = draw(seed=seed, holes=holes)
    scaled = scale(X, modes)
    np.testing.assert_array_equal(np.isnan(scaled.X), np.isnan(X))
    for mode in modes:
        np.testing.assert_allclose(slab_mean_squares(scaled.X, mode), 1, rtol=1e-8)
    np.testing.assert_allclose(scale(scaled, modes).X, scaled.X, rtol=1e-8)


@given(seeds, some_modes)
def test_scaling_multiplies_rows_of_factors_and_nothing_else(seed, modes):
    # What is divided out is a product of one positive number for each index of each scaled mode: its logs add up.
    X = draw(seed=seed)
    divisors = X / scale(X, modes).X
    assert (divisors > 0).all()
    logs = np.log(divisors)
    effects = sum(logs.mean(axis=tuple(n for n in range(3) if n != mode), keepdims=True) for mode in modes)
    additive = np.broadcast_to(effects - (len(modes) - 1) * logs.mean(), SHAPE)
    np.testing.assert_allclose(logs, additive, atol=1e-10)


def test_scaling_a_zero_slab_leaves_it_and_names_it():
    X = draw()
    X[:, 2], X[:, 4] = 0, np.nan
    with pytest.warns(AutotenWarning, match=r"2 slab\(s\) of mode 1 are zero or have no observed.*: 2, 4\.") as caught:
        scaled = scale(X, 1).X
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(scaled[:, [2, 4]], X[:, [2, 4]])
    np.testing.assert_allclose(slab_mean_squares(scaled[:, [0, 1, 3, 5]], 1), 1)
    X = draw()
    X[3] = 0
    with pytest.warns(AutotenWarning, match=r"1 slab\(s\) of mode 0 .*: 3\.") as caught:
        scaled = np.delete(scale(X, [0, 1]).X, 3, axis=0)
    assert len(caught) == 1
    for mode in (0, 1):  # it does not spoil the scales of the other mode
        np.testing.assert_allclose(slab_mean_squares(scaled, mode), 1)
    X = np.zeros((30, 2, 2))
    X[-1] = 1
    with pytest.warns(AutotenWarning, match=r"29 slab\(s\) of mode 0 .*: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 19 more\."):
        scale(X, 0)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_scaling_survives_entries_whose_squares_leave_the_range_of_floats(size):
    np.testing.assert_allclose(scale(draw() * size, [0, 1]).X, scale(draw(), [0, 1]).X, rtol=1e-8)


def test_scaling_keeps_the_centring_across_other_modes_only():
    prepared = scale(center(draw(), 0), 1)
    assert np.abs(prepared.X.mean(axis=0)).max() < 1e-12
    assert np.abs(scale(prepared, 0).X.mean(axis=0)).max() > 0.01


# ---------------------------------------------------------------------------------- what goes in, what comes out

both = pytest.mark.parametrize("verb", [center, scale])


@both
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_the_input_is_untouched(verb, holes):
    X = draw(holes=holes)
    before = X.copy()
    prepared = verb(X, [0, 1])
    np.testing.assert_array_equal(X, before)
    assert not np.shares_memory(prepared.X, X)
    kept = prepared.X.copy()
    verb(prepared, 2)
    np.testing.assert_array_equal(prepared.X, kept)


@both
@pytest.mark.parametrize(
    ("dtype", "expected"), [("f4", "f4"), ("f8", "f8"), ("i4", "f8"), ("u1", "f8"), ("?", "f8"), (">f8", "f8")]
)
def test_float32_stays_and_other_numbers_become_float64(verb, dtype, expected):
    X = (10 + 3 * draw()).astype(dtype)
    result = verb(X, 0).X
    assert result.dtype == np.dtype(expected)
    np.testing.assert_allclose(result, verb(X.astype(float), 0).X, atol=1e-5)


@both
def test_a_masked_array_comes_back_masked_with_the_values_of_its_nan_twin(verb):
    X = draw(holes=0.3)
    hidden = np.ma.masked_array(np.where(np.isnan(X), 1e6, X), mask=np.isnan(X))
    prepared, twin = verb(hidden, [0, 1]), verb(X, [0, 1])
    assert isinstance(prepared.X, np.ma.MaskedArray)
    np.testing.assert_array_equal(prepared.X.mask, np.isnan(X))
    np.testing.assert_array_equal(np.asarray(prepared), twin.X)
    assert type(twin.X) is np.ndarray
    assert verb(np.ma.masked_array(X, mask=False), 0).X.mask.sum() == np.isnan(X).sum()  # so does NaN in it
    unmasked = verb(np.ma.masked_array(draw()), 0).X
    assert isinstance(unmasked, np.ma.MaskedArray)
    assert not unmasked.mask.any()


@both
def test_modes_may_be_negative_and_any_iterable(verb):
    for modes, same in [(-1, 2), *((modes, [0, 1]) for modes in (range(2), (0, -2), np.array([0, 1]), iter([0, 1])))]:
        one, other = verb(draw(), modes), verb(draw(), same)
        np.testing.assert_array_equal(one.X, other.X)
        assert one.steps == other.steps


def test_a_prepared_tensor_tells_in_order_what_was_done_and_is_frozen():
    prepared = scale(center(center(draw(), 0), [2, 0, 1]), [1, 2])
    steps = ("centred across mode 0", "centred across modes 2, 0 and 1", "scaled within modes 1 and 2")
    assert prepared.steps == steps
    assert repr(prepared) == f"Preprocessed(shape=(5, 6, 7), steps={steps})"
    with pytest.raises(dataclasses.FrozenInstanceError):
        prepared.steps = ()
    assert Preprocessed(draw(), ()).steps == ()


def test_numpy_takes_a_prepared_tensor():
    prepared = center(draw(), 0)
    assert np.asarray(prepared) is prepared.X
    assert np.asarray(prepared, dtype=np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(prepared, copy=True), prepared.X)
    assert np.linalg.norm(prepared) == np.linalg.norm(prepared.X)
    assert prepared.shape == SHAPE
    hidden = np.ma.masked_array(np.ones((2, 2, 2)), mask=np.eye(2, dtype=bool)[None].repeat(2, 0))
    np.testing.assert_array_equal(np.isnan(np.asarray(Preprocessed(hidden, ()))), hidden.mask)


# ------------------------------------------------------------------------------------------------------ empty slabs


def with_empty_slabs():
    X = draw(holes=0.2)
    X[2] = X[:, 5] = X[:, 0] = np.nan
    return X


def test_empty_slabs_of_all_modes_are_left_out_and_named():
    X = with_empty_slabs()
    prepared = drop_empty_slabs(X)
    np.testing.assert_array_equal(prepared.X, X[np.ix_([0, 1, 3, 4], [1, 2, 3, 4], range(7))])
    assert prepared.steps == (
        "slab 2 of mode 0 left out, nothing observed",
        "slabs 0, 5 of mode 1 left out, nothing observed",
    )
    hidden = drop_empty_slabs(np.ma.masked_invalid(X))
    assert isinstance(hidden.X, np.ma.MaskedArray)
    np.testing.assert_array_equal(np.asarray(hidden), np.asarray(prepared))
    with pytest.raises(ValueError, match=r"at index 2 of mode 0\. Leave such .*drop_empty_slabs"):
        estimate_rank(X, [1])
    estimate = estimate_rank(prepared, [1], n_starts=1, n_folds=2, random_state=0)
    assert estimate.model.shape == (4, 4, 7)
    assert estimate.settings["preprocessing"] == list(prepared.steps)
    X = draw((30, 3, 3))
    X[5:25] = np.nan
    assert drop_empty_slabs(X).steps == (
        "slabs 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 and 10 more of mode 0 left out, nothing observed",
    )


@pytest.mark.parametrize("holes", [0.0, 0.3, "all but one cell of a slab"])
def test_without_empty_slabs_nothing_changes(holes):
    X = draw(holes=0.0 if isinstance(holes, str) else holes)
    if isinstance(holes, str):
        X[1].flat[1:] = np.nan
    prepared = drop_empty_slabs(X)
    np.testing.assert_array_equal(prepared.X, X)
    assert prepared.steps == ()


def test_labels_stay_with_their_slabs():
    coords = {"site": list("abcde"), "hour": np.arange(6) * 10, "kind": np.arange(7)}
    X = xr.DataArray(with_empty_slabs(), coords)
    prepared = drop_empty_slabs(X)
    assert prepared.labels.indices[0].tolist() == list("abde")
    assert prepared.labels.indices[1].tolist() == [10, 20, 30, 40]
    again = drop_empty_slabs(center(X, modes=2))
    assert again.labels.indices[0].tolist() == list("abde")
    assert again.steps[0] == "centred across mode 2 (kind)"
    index = pd.MultiIndex.from_product([list("abc"), [1, 2], [5, 6, 7]], names=["site", "year", "kind"])
    series = pd.Series(np.where(index.get_level_values("site") == "b", np.nan, 1.0), index=index)
    assert drop_empty_slabs(series).labels.indices[0].tolist() == ["a", "c"]


# -------------------------------------------------------------------------------------------------------- scatter

EMISSION, EXCITATION = np.arange(250.0, 650.0, 2.0), np.arange(240.0, 320.0, 5.0)
GLOWS = EMISSION[:, None] > EXCITATION  # no molecule shines at shorter wavelengths than it is excited at
LANDSCAPES = np.random.default_rng(0).random((3, len(EMISSION), len(EXCITATION))) * GLOWS
RAYLEIGH = "Rayleigh scatter of orders 1 and 2 within 3 nm left out"
BOTH = "Rayleigh and Raman scatter of order 1 within 3 nm left out"


@pytest.mark.parametrize(
    ("options", "excitation", "bands", "step"),
    [
        ({"raman_shift": None}, 300, [298, 300, 302, 598, 600, 602], RAYLEIGH),
        ({"raman_shift": None}, 245, [488, 490, 492], RAYLEIGH),  # 245 itself was not measured
        # 1 / (1 / 300 - 3400e-7) = 334.1 nm, 1 / (1 / 300 - 2900e-7) = 328.6 nm, 2 / (1 / 280 - 3400e-7) = 618.9 nm
        ({"orders": [1]}, 300, [298, 300, 302, 332, 334, 336], BOTH),
        ({"orders": [1], "raman_shift": 2900}, 300, [298, 300, 302, 326, 328, 330], BOTH),
        ({"orders": [2]}, 280, [558, 560, 562, 616, 618, 620], BOTH.replace("order 1", "order 2")),
    ],
)
def test_bands_of_scatter(options, excitation, bands, step):
    prepared = mask_scatter(LANDSCAPES, EMISSION, EXCITATION, 3, **options)
    gone = np.isnan(prepared.X[:, :, excitation == EXCITATION]).squeeze()
    assert (gone == gone[0]).all()
    assert EMISSION[gone[0]].tolist() == bands
    assert prepared.steps == (f"{step} ({100 * np.isnan(prepared.X).mean():.1f} % of the observed cells)",)


def test_the_other_cells_stay_and_what_is_missing_stays_missing():
    X = LANDSCAPES.copy()
    X[0, 100, 3] = X[2, 20, 8] = np.nan
    before = X.copy()
    in_bands = np.isnan(mask_scatter(LANDSCAPES, EMISSION, EXCITATION, 8).X)
    assert 0 < in_bands.sum() < in_bands.size
    prepared = mask_scatter(X, EMISSION, EXCITATION, 8)
    np.testing.assert_array_equal(prepared.X, np.where(in_bands, np.nan, X))
    np.testing.assert_array_equal(X, before)
    hidden = mask_scatter(np.ma.masked_invalid(X), EMISSION, EXCITATION, 8)
    np.testing.assert_array_equal(hidden.X.mask, np.isnan(prepared.X))
    twice = mask_scatter(prepared, EMISSION, EXCITATION, 12)
    assert len(twice.steps) == 2
    assert (np.isnan(twice.X) >= np.isnan(prepared.X)).all()
    assert mask_scatter(X.astype(np.float32), EMISSION, EXCITATION, 8).X.dtype == np.float32


@pytest.mark.parametrize("modes", [(0, 2), (2, 0), (-1, 1), (3, 1)])
def test_emission_and_excitation_may_be_any_modes(modes):
    emission, excitation = (mode % 4 for mode in modes)
    X = np.moveaxis(np.multiply.outer(GLOWS, np.ones((2, 2))), (0, 1), (emission, excitation))
    gone = np.isnan(mask_scatter(X, EMISSION, EXCITATION, 8, modes=modes).X)
    wanted = np.isnan(mask_scatter(LANDSCAPES, EMISSION, EXCITATION, 8).X[0])
    there = np.moveaxis(gone, (emission, excitation), (0, 1))
    np.testing.assert_array_equal(there, np.broadcast_to(wanted[..., None, None], there.shape))


def test_the_rank_of_the_amino_acids_without_their_scatter():
    data = load_amino_acids()
    prepared = mask_scatter(data.X, data.emission_nm, data.excitation_nm, 10)
    estimate = estimate_rank(prepared, [1, 2, 3, 4], n_starts=3, n_folds=3, random_state=0)
    assert estimate.rank == 3
    assert re.search("scatter of orders 1 and 2 within 10 nm left out", estimate.report())
    assert estimate.settings["observed"] == np.isfinite(prepared.X).sum() < data.X.size
