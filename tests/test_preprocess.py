import dataclasses

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from autoten._errors import AutotenWarning
from autoten.datasets import load_amino_acids
from autoten.estimate import estimate_rank
from autoten.preprocess import MAX_SWEEPS, Preprocessed, center, drop_empty_slabs, mask_scatter, scale

SHAPE = (5, 6, 7)

seeds = st.integers(0, 10_000)
shapes = st.lists(st.integers(2, 6), min_size=3, max_size=4).map(tuple)
some_modes = st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True)


def draw(shape=SHAPE, seed=0, holes=0.0):
    """Independent normal entries about 1, a share of them missing, at random but never a whole fibre of SHAPE."""
    rng = np.random.default_rng(seed)
    X = 1 + rng.standard_normal(shape)
    return np.where(rng.random(shape) < holes, np.nan, X)


def slab_mean_squares(X, mode):
    return np.nanmean(np.moveaxis(X, mode, 0).reshape(X.shape[mode], -1) ** 2, axis=1)


def cp_factors(rank, shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((length, rank)) for length in shape]


# --------------------------------------------------------------------------------------------------------- centring


@given(seeds, shapes, st.integers(0, 2))
def test_centring_subtracts_the_mean_of_every_fibre(seed, shape, mode):
    X = draw(shape, seed)
    np.testing.assert_allclose(center(X, mode).X, X - X.mean(axis=mode, keepdims=True), atol=1e-12)


@given(seeds, shapes, some_modes)
def test_centring_removes_every_offset_that_is_constant_along_one_of_the_modes(seed, shape, modes):
    X, rng = draw(shape, seed), np.random.default_rng(seed + 1)
    moved = X
    for mode in modes:
        moved = moved + 10 * rng.standard_normal([1 if n == mode else length for n, length in enumerate(shape)])
    np.testing.assert_allclose(center(moved, modes).X, center(X, modes).X, atol=1e-10)


@given(seeds, some_modes)
def test_centring_a_cp_tensor_centres_factor_columns_and_nothing_else(seed, modes):
    factors = cp_factors(2, seed=seed)
    centred = [A - A.mean(axis=0) if mode in modes else A for mode, A in enumerate(factors)]
    np.testing.assert_allclose(center(reference.cp_tensor(factors), modes).X, reference.cp_tensor(centred), atol=1e-12)


@given(seeds, some_modes, st.sampled_from([0.0, 0.3]))
def test_all_means_over_observed_cells_are_zero_after_centring(seed, modes, holes):
    X = draw(seed=seed, holes=holes)
    centred = center(X, modes).X
    np.testing.assert_array_equal(np.isnan(centred), np.isnan(X))
    for mode in modes:
        means = np.nansum(centred, axis=mode)
        np.testing.assert_allclose(means, 0, atol=1e-8)


def test_centring_with_holes_removes_offsets_exactly():
    X, offset = draw(holes=0.3), 10 * draw((1, 6, 7), seed=1)
    np.testing.assert_allclose(center(X + offset, 0).X, center(X, 0).X, atol=1e-10)


def test_one_sweep_over_two_modes_would_not_centre_a_tensor_with_holes():
    X = draw(holes=0.3)
    once = center(center(X, 0), 1).X
    assert np.abs(np.nanmean(once, axis=0)).max() > 0.01


def test_a_huge_offset_does_not_hide_the_means_that_are_left():
    X = draw(holes=0.3) + 1e8
    centred = center(X, [0, 1]).X
    assert np.abs(np.nanmean(centred, axis=(0))).max() < 1e-8


def test_centring_an_unobserved_fibre_and_a_constant_tensor_is_silent():
    X = draw()
    X[:, 2, 3] = np.nan
    assert np.isnan(center(X, 0).X[:, 2, 3]).all()
    np.testing.assert_allclose(center(np.full(SHAPE, 0.1), [0, 1, 2]).X, 0, atol=1e-15)
    assert np.isnan(center(np.full(SHAPE, np.nan), [0, 1, 2]).X).all()


def test_centring_that_does_not_settle_says_so(monkeypatch):
    monkeypatch.setattr("autoten.preprocess.MAX_SWEEPS", 2)
    with pytest.warns(AutotenWarning, match=r"Centring over modes 0 and 1 did not settle in 2 sweeps") as caught:
        center(draw(holes=0.5), [0, 1])
    assert caught[0].filename == __file__


# ---------------------------------------------------------------------------------------------------------- scaling


@given(seeds, shapes, st.integers(0, 2))
def test_scaling_divides_every_slab_by_its_root_mean_square(seed, shape, mode):
    X = draw(shape, seed)
    others = tuple(n for n in range(len(shape)) if n != mode)
    expected = X / np.sqrt(np.mean(X**2, axis=others, keepdims=True))
    np.testing.assert_allclose(scale(X, mode).X, expected, rtol=1e-9)


@given(seeds, some_modes, st.sampled_from([0.0, 0.3]))
def test_every_slab_has_unit_mean_square_over_observed_cells_after_scaling(seed, modes, holes):
    X = draw(seed=seed, holes=holes)
    scaled = scale(X, modes).X
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(X))
    for mode in modes:
        np.testing.assert_allclose(slab_mean_squares(scaled, mode), 1, rtol=1e-8)


@given(seeds, some_modes, st.sampled_from([0.0, 0.3]))
def test_scaling_is_idempotent(seed, modes, holes):
    once = scale(draw(seed=seed, holes=holes), modes)
    np.testing.assert_allclose(scale(once, modes).X, once.X, rtol=1e-8)


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


@given(seeds)
def test_scaling_undoes_units(seed):
    X, units = draw(seed=seed), np.random.default_rng(seed).uniform(0.1, 1000, (6, 1))
    np.testing.assert_allclose(scale(X * units, 1).X, scale(X, 1).X)


def test_scaling_a_zero_slab_leaves_it_and_names_it():
    X = draw()
    X[:, 2] = 0
    X[:, 4] = np.nan
    with pytest.warns(AutotenWarning, match=r"2 slab\(s\) of mode 1 are zero or have no observed.*: 2, 4\.") as caught:
        scaled = scale(X, 1).X
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(scaled[:, [2, 4]], X[:, [2, 4]])
    np.testing.assert_allclose(slab_mean_squares(scaled[:, [0, 1, 3, 5]], 1), 1)


def test_a_zero_slab_does_not_spoil_the_scales_of_other_modes():
    X = draw()
    X[3] = 0
    with pytest.warns(AutotenWarning, match=r"1 slab\(s\) of mode 0 .*: 3\.") as caught:
        scaled = scale(X, [0, 1]).X
    assert len(caught) == 1
    np.testing.assert_allclose(slab_mean_squares(np.delete(scaled, 3, axis=0), 0), 1)
    np.testing.assert_allclose(slab_mean_squares(np.delete(scaled, 3, axis=0), 1), 1)


def test_many_zero_slabs_are_counted_not_all_listed():
    X = np.zeros((30, 2, 2))
    X[-1] = 1
    with pytest.warns(AutotenWarning, match=r"29 slab\(s\) of mode 0 .*: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, \.\.\.\."):
        scale(X, 0)


def test_scales_that_zeros_make_impossible_are_named():
    X = np.array([[1.0, 1.0], [0.0, 1.0]])[..., None]  # rows and columns cannot both be balanced
    with pytest.warns(AutotenWarning, match=rf"Scaling over modes 0 and 1 did not settle in {MAX_SWEEPS} sweeps"):
        scale(X, [0, 1])


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
    masked = np.ma.masked_array(np.where(np.isnan(X), 1e6, X), mask=np.isnan(X))
    prepared, twin = verb(masked, [0, 1]), verb(X, [0, 1])
    assert isinstance(prepared.X, np.ma.MaskedArray)
    np.testing.assert_array_equal(prepared.X.mask, np.isnan(X))
    np.testing.assert_array_equal(np.asarray(prepared), twin.X)
    assert type(twin.X) is np.ndarray


@both
def test_a_nan_that_is_not_masked_counts_as_masked(verb):
    X = np.ma.masked_array(draw(), mask=False)
    X[1, 2, 3] = np.nan
    assert verb(X, 0).X.mask.sum() == 1


@both
def test_a_masked_array_without_a_mask_stays_a_masked_array(verb):
    result = verb(np.ma.masked_array(draw()), 0).X
    assert isinstance(result, np.ma.MaskedArray)
    assert not result.mask.any()


@both
def test_negative_modes_count_from_the_end(verb):
    np.testing.assert_array_equal(verb(draw(), -1).X, verb(draw(), 2).X)
    assert verb(draw(), -1).steps == verb(draw(), 2).steps


@both
def test_modes_may_be_any_iterable(verb):
    for modes in (range(2), (0, 1), np.array([0, 1]), iter([0, 1])):
        np.testing.assert_array_equal(verb(draw(), modes).X, verb(draw(), [0, 1]).X)


def test_steps_tell_in_order_what_was_done():
    prepared = scale(center(center(draw(), 0), [2, 0, 1]), [1, 2])
    assert prepared.steps == (
        "centred across mode 0",
        "centred across modes 2, 0 and 1",
        "scaled within modes 1 and 2",
    )


def test_numpy_takes_a_prepared_tensor():
    prepared = center(draw(), 0)
    assert np.asarray(prepared) is prepared.X
    assert np.asarray(prepared, dtype=np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(prepared, copy=True), prepared.X)
    assert np.linalg.norm(prepared) == np.linalg.norm(prepared.X)
    assert prepared.shape == SHAPE


def test_numpy_sees_nan_where_a_mask_hides():
    X = np.ma.masked_array(np.ones((2, 2, 2)), mask=np.eye(2, dtype=bool)[None].repeat(2, 0))
    np.testing.assert_array_equal(np.isnan(np.asarray(Preprocessed(X, ()))), X.mask)


def test_a_prepared_tensor_reads_well_and_is_frozen():
    prepared = center(draw(), 0)
    assert repr(prepared) == "Preprocessed(shape=(5, 6, 7), steps=('centred across mode 0',))"
    with pytest.raises(dataclasses.FrozenInstanceError):
        prepared.steps = ()
    assert Preprocessed(draw(), ()).steps == ()


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


def test_what_refuses_an_empty_slab_names_the_remedy_and_the_remedy_is_one():
    X = with_empty_slabs()
    with pytest.raises(ValueError, match=r"at index 2 of mode 0\. Leave such .*drop_empty_slabs"):
        estimate_rank(X, [1])
    estimate = estimate_rank(drop_empty_slabs(X), [1], n_starts=1, n_folds=2, random_state=0)
    assert estimate.model.shape == (4, 4, 7)
    assert len(estimate.settings["preprocessing"]) == 2


@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_without_empty_slabs_nothing_changes(holes):
    prepared = drop_empty_slabs(draw(holes=holes))
    np.testing.assert_array_equal(prepared.X, draw(holes=holes))
    assert prepared.steps == ()


def test_a_slab_with_a_single_observed_cell_stays():
    X = draw()
    X[1] = np.nan
    X[1, 2, 3] = 5.0
    assert drop_empty_slabs(X).shape == SHAPE


def test_labels_stay_with_their_slabs():
    xarray = pytest.importorskip("xarray")
    X = xarray.DataArray(with_empty_slabs(), {"site": list("abcde"), "hour": np.arange(6) * 10, "kind": np.arange(7)})
    prepared = drop_empty_slabs(X)
    assert prepared.labels.indices[0].tolist() == list("abde")
    assert prepared.labels.indices[1].tolist() == [10, 20, 30, 40]
    again = drop_empty_slabs(center(X, modes=2))
    assert again.labels.indices[0].tolist() == list("abde")
    assert again.steps[0] == "centred across mode 2"


def test_a_series_of_which_a_slab_is_all_nan():
    pandas = pytest.importorskip("pandas")
    index = pandas.MultiIndex.from_product([list("abc"), [1, 2], [5, 6, 7]], names=["site", "year", "kind"])
    series = pandas.Series(np.where(index.get_level_values("site") == "b", np.nan, 1.0), index=index)
    assert drop_empty_slabs(series).labels.indices[0].tolist() == ["a", "c"]


def test_a_masked_array_stays_masked_without_its_empty_slabs():
    X = with_empty_slabs()
    prepared = drop_empty_slabs(np.ma.masked_invalid(X))
    assert isinstance(prepared.X, np.ma.MaskedArray)
    np.testing.assert_array_equal(np.asarray(prepared), np.asarray(drop_empty_slabs(X)))


def test_many_empty_slabs_are_counted_not_all_listed():
    X = draw((30, 3, 3))
    X[5:25] = np.nan
    assert drop_empty_slabs(X).steps == (
        "slabs 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 and 10 more of mode 0 left out, nothing observed",
    )


def test_nothing_but_missing_cells_is_refused():
    with pytest.raises(ValueError, match=r"^X of drop_empty_slabs must be a tensor with observed cells"):
        drop_empty_slabs(np.full(SHAPE, np.nan))


# ------------------------------------------------------------------------------------------------------- sentences


@both
@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        (np.ones((3, 4)), r"must be a tensor with at least 3 modes\. Got shape \(3, 4\)\."),
        (np.ones((2, 2, 2), complex), r"must be an array of real numbers\. Got complex numbers \(complex128\)\."),
        (np.full((2, 2, 2), "a"), r"must be an array of real numbers\. Got dtype <U1\."),
        (None, r"must be an array of real numbers\. Got dtype object\."),
        ("data.npz", r"must be an array of real numbers\. Got 'data\.npz'\. Read a file first: autoten\.read_tensor"),
        (
            np.array([1.0, np.inf] * 4).reshape(2, 2, 2),
            r"must be finite\. Got an infinite entry\. Mark a missing cell with",
        ),
    ],
)
def test_what_is_no_tensor_is_refused_in_one_sentence(verb, X, sentence):
    with pytest.raises((ValueError, TypeError), match=rf"X of {verb.__name__} {sentence}"):
        verb(X, 0)


@both
@pytest.mark.parametrize(
    ("modes", "sentence"),
    [
        (3, r"must be a mode of a tensor with 3 modes, 0 to 2\. Got 3\."),
        (-4, r"must be an integer >= -3\. Got -4\."),
        ([], r"must be one mode or several different ones\. Got \[\]\."),
        ([0, 0], r"must be one mode or several different ones\. Got \[0, 0\]\."),
        ([0, -3], r"must be one mode or several different ones\. Got \[0, -3\]\."),
        (1.5, r"must be an integer >= -3\. Got 1\.5\."),
        ("0", r"must be a number, since X has no names of modes\. Got '0'\."),
        (True, r"must be an integer >= -3\. Got True\."),
    ],
)
def test_wrong_modes_are_refused_in_one_sentence(verb, modes, sentence):
    with pytest.raises((TypeError, ValueError), match=rf"modes of {verb.__name__} {sentence}"):
        verb(draw(), modes)


# -------------------------------------------------------------------------------------------------------- scatter

EMISSION, EXCITATION = np.arange(250.0, 650.0, 2.0), np.arange(240.0, 320.0, 5.0)
LANDSCAPES = np.random.default_rng(0).random((3, len(EMISSION), len(EXCITATION)))


def masked_emissions(prepared, excitation):
    """Return the emissions that are masked at one excitation, which must be the same for every sample."""
    gone = np.isnan(prepared.X[:, :, excitation == EXCITATION]).squeeze()
    assert (gone == gone[0]).all()
    return EMISSION[gone[0]].tolist()


def test_rayleigh_bands_of_both_orders():
    prepared = mask_scatter(LANDSCAPES, EMISSION, EXCITATION, 3, raman_shift=None)
    assert masked_emissions(prepared, 300) == [298, 300, 302, 598, 600, 602]
    assert masked_emissions(prepared, 245) == [488, 490, 492]  # 245 itself was not measured
    assert prepared.steps == ("Rayleigh scatter of orders 1 and 2 within 3 nm left out",)


def test_raman_bands_of_water():
    prepared = mask_scatter(LANDSCAPES, EMISSION, EXCITATION, 3, orders=[1])
    # 1 / (1 / 300 - 3400e-7) = 334.1 nm
    assert masked_emissions(prepared, 300) == [298, 300, 302, 332, 334, 336]
    second = masked_emissions(mask_scatter(LANDSCAPES, EMISSION, EXCITATION, 3, orders=[2]), 280)
    assert second == [558, 560, 562, 616, 618, 620]  # 2 x 309.5 = 618.9 nm
    other = mask_scatter(LANDSCAPES, EMISSION, EXCITATION, 3, orders=[1], raman_shift=2900)
    assert masked_emissions(other, 300) == [298, 300, 302, 326, 328, 330]  # 328.6 nm
    assert prepared.steps == ("Rayleigh and Raman scatter of order 1 within 3 nm left out",)


def test_the_other_cells_stay_and_x_is_not_changed():
    before = LANDSCAPES.copy()
    prepared = mask_scatter(LANDSCAPES, EMISSION, EXCITATION, 10)
    kept = ~np.isnan(prepared.X)
    np.testing.assert_array_equal(prepared.X[kept], LANDSCAPES[kept])
    np.testing.assert_array_equal(LANDSCAPES, before)
    assert 0 < kept.sum() < kept.size


@pytest.mark.parametrize("modes", [(0, 2), (2, 0), (-1, 1), (3, 1)])
def test_emission_and_excitation_may_be_any_modes(modes):
    shape = [2, 2, 2, 2]
    plain = np.moveaxis(mask_scatter(LANDSCAPES, EMISSION, EXCITATION, 8).X, 0, -1)
    shape[modes[0]], shape[modes[1]] = len(EMISSION), len(EXCITATION)
    gone = np.isnan(mask_scatter(np.ones(shape), EMISSION, EXCITATION, 8, modes=modes).X)
    others = tuple(n for n in range(4) if n not in {mode % 4 for mode in modes})
    assert (gone.any(axis=others) == gone.all(axis=others)).all()
    there = gone.all(axis=others)
    wanted = np.isnan(plain[..., 0])
    np.testing.assert_array_equal(there if modes[0] % 4 < modes[1] % 4 else there.T, wanted)


def test_what_is_missing_already_stays_missing():
    X = LANDSCAPES.copy()
    X[0, 100, 3] = X[2, 20, 8] = np.nan
    prepared = mask_scatter(X, EMISSION, EXCITATION, 8)
    in_bands = np.isnan(mask_scatter(LANDSCAPES, EMISSION, EXCITATION, 8).X)
    np.testing.assert_array_equal(np.isnan(prepared.X), np.isnan(X) | in_bands)
    hidden = mask_scatter(np.ma.masked_invalid(X), EMISSION, EXCITATION, 8)
    np.testing.assert_array_equal(hidden.X.mask, np.isnan(prepared.X))
    twice = mask_scatter(prepared, EMISSION, EXCITATION, 12)
    assert len(twice.steps) == 2
    assert (np.isnan(twice.X) >= np.isnan(prepared.X)).all()
    assert mask_scatter(X.astype(np.float32), EMISSION, EXCITATION, 8).X.dtype == np.float32


def test_the_rank_of_the_amino_acids_without_their_scatter():
    data = load_amino_acids()
    prepared = mask_scatter(data.X, data.emission_nm, data.excitation_nm, 10)
    estimate = estimate_rank(prepared, [1, 2, 3, 4], n_starts=3, n_folds=3, random_state=0)
    assert estimate.rank == 3
    assert "scatter of orders 1 and 2 within 10 nm left out" in estimate.report()
    assert estimate.settings["observed"] == np.isfinite(prepared.X).sum() < data.X.size


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"emission": EMISSION[1:]}, r"^emission of mask_scatter must be 200 wavelengths in nm.*Got shape \(199,\)"),
        ({"excitation": EXCITATION - 240}, r"^excitation of mask_scatter must be positive and finite, in nm\. Got 0"),
        (
            {"emission": np.where(EMISSION > 600, np.nan, EMISSION)},
            "^emission of mask_scatter must be positive and fin",
        ),
        ({"width": 0}, "^width of mask_scatter must be a number above 0"),
        ({"orders": [3]}, r"^orders of mask_scatter must be 1, 2 or both\. Got \(3,\)"),
        ({"orders": []}, "^orders of mask_scatter must be 1, 2 or both"),
        ({"modes": (1, 1)}, "^modes of mask_scatter must be one mode or several different ones"),
        ({"modes": 1}, "^modes of mask_scatter must be two, of emission and of excitation"),
        ({"raman_shift": 1e5}, "^raman_shift of mask_scatter must be a number above 0 and below"),
        ({"X": np.where(LANDSCAPES > 0.9, np.inf, 1)}, "^X of mask_scatter must be finite"),
    ],
)
def test_what_is_no_fluorescence_is_refused(changed, sentence):
    arguments = {"X": LANDSCAPES, "emission": EMISSION, "excitation": EXCITATION, "width": 5.0, **changed}
    with pytest.raises((ValueError, TypeError), match=sentence):
        mask_scatter(**arguments)
