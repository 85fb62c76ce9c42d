import dataclasses
import math

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from autoten.datasets import (
    collinear_factors,
    gaussian_factors,
    load_amino_acids,
    make_count_tensor,
    make_cp_tensor,
    smooth_spectra,
    structured_noise,
    uniform_factors,
    white_noise,
)

SHAPE = (6, 7, 8)


# ------------------------------------------------------------------------------------------------------ amino acids


def test_amino_acids_and_their_axes_fit_together():
    data = load_amino_acids()
    assert data.X.shape == (5, 201, 61) == (len(data.samples), len(data.emission_nm), len(data.excitation_nm))
    assert data.X.dtype == float
    assert np.isfinite(data.X).all()
    assert (data.emission_nm[0], data.emission_nm[-1]) == (250, 450)
    assert (data.excitation_nm[0], data.excitation_nm[-1]) == (240, 300)
    assert set(np.diff(data.emission_nm)) == set(np.diff(data.excitation_nm)) == {1}
    assert data.concentrations.shape == (5, data.rank) == (5, len(data.substances))
    assert "1997" in data.citation
    assert "5 samples x 201 emission" in data.description
    assert repr(data) == "AminoAcids(shape=(5, 201, 61), rank=3)"


def test_amino_acids_pure_samples_hold_the_substance_they_are_named_after():
    data = load_amino_acids()
    for sample, substance in zip(data.samples[:3], data.substances, strict=True):
        present = data.concentrations[data.samples.index(sample)] > 0
        assert [substance] == [name for name, there in zip(data.substances, present, strict=True) if there]
    assert (data.concentrations[3:] > 0).all()


def test_amino_acids_pure_samples_fluoresce_where_their_substance_does():
    # Emission and excitation maxima that handbooks give for tryptophan, tyrosine and phenylalanine, nm.
    data = load_amino_acids()
    for landscape, (emission, excitation) in zip(data.X, [(353, 278), (303, 274), (282, 257)], strict=False):
        row, column = np.unravel_index(landscape.argmax(), landscape.shape)
        assert data.emission_nm[row] == pytest.approx(emission, abs=8)
        assert data.excitation_nm[column] == pytest.approx(excitation, abs=8)


def test_amino_acids_pure_samples_are_of_rank_one_and_three_components_explain_all():
    data = load_amino_acids()
    for landscape in data.X[:3]:
        singular = np.linalg.svd(landscape, compute_uv=False)
        assert singular[0] ** 2 > 0.98 * np.sum(singular**2)
    # Every landscape is a mixture of the three pure ones: least squares on them leaves little of the mixtures.
    pure, mixtures = data.X[:3].reshape(3, -1).T, data.X[3:].reshape(2, -1).T
    shares, *_ = np.linalg.lstsq(pure, mixtures)
    assert np.linalg.norm(mixtures - pure @ shares) < 0.05 * np.linalg.norm(mixtures)
    weighed = data.concentrations[3:] / data.concentrations[:3].max(axis=0)
    np.testing.assert_allclose(shares.T, weighed, rtol=0.15)


def test_amino_acids_ship_the_very_tensor_of_the_data_folder(real_data):
    np.testing.assert_array_equal(load_amino_acids().X, real_data("amino_acids")["X"])


def test_amino_acids_of_one_caller_are_not_those_of_another():
    data = load_amino_acids()
    data.X[:] = 0
    assert load_amino_acids().X.any()
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.X = None


# --------------------------------------------------------------------------------------------------- make_cp_tensor


@given(
    shape=st.lists(st.integers(1, 6), min_size=3, max_size=4).map(tuple),
    rank=st.integers(0, 4),
    snr_db=st.floats(-20, 60),
    seed=st.integers(0, 1000),
)
def test_a_drawn_tensor_is_its_model_plus_noise_of_exactly_the_size_asked_for(shape, rank, snr_db, seed):
    drawn = make_cp_tensor(shape, rank, noise=white_noise(snr_db), random_state=seed)
    signal = reference.cp_tensor(drawn.model.factors, drawn.model.weights)
    noise = drawn.X - signal
    assert drawn.X.shape == drawn.model.shape == shape
    assert drawn.rank == rank
    assert drawn.signal_norm == pytest.approx(np.linalg.norm(signal))
    assert drawn.noise_norm == pytest.approx(np.linalg.norm(noise))
    if rank:
        assert 10 * math.log10(np.sum(signal**2) / np.sum(noise**2)) == pytest.approx(snr_db, abs=1e-6)
        assert drawn.snr_db == pytest.approx(snr_db, abs=1e-9)


def test_without_noise_the_tensor_is_its_model():
    drawn = make_cp_tensor(SHAPE, 3, random_state=0)
    np.testing.assert_array_equal(drawn.X, drawn.model.to_tensor())
    assert (drawn.noise_norm, drawn.snr_db) == (0.0, math.inf)
    assert [np.linalg.matrix_rank(reference.unfold(drawn.X, mode)) for mode in range(3)] == [3, 3, 3]


@pytest.mark.parametrize("noise", [white_noise(20), structured_noise(0.1)])
def test_rank_zero_is_nothing_but_noise_of_the_size_of_a_unit_signal(noise):
    drawn = make_cp_tensor(SHAPE, 0, noise=noise, random_state=0)
    assert drawn.rank == 0
    assert drawn.snr_db == -math.inf
    assert np.sqrt(np.mean(drawn.X**2)) == pytest.approx(0.1)


def test_white_noise_is_white():
    noise = white_noise(0)(np.ones((40, 40, 40)), np.random.default_rng(0))
    assert abs(noise.mean()) < 0.01
    assert np.mean(noise**4) / np.mean(noise**2) ** 2 == pytest.approx(3.0, abs=0.1)
    assert abs(np.mean(noise[1:] * noise[:-1])) < 0.01


def test_structured_noise_is_a_sum_of_the_rank_one_terms_asked_for():
    signal = np.ones((12, 12, 12))
    noise = structured_noise(0.5, n_terms=4)(signal, np.random.default_rng(0))
    assert np.linalg.norm(noise) == pytest.approx(0.5 * np.linalg.norm(signal))
    assert [np.linalg.matrix_rank(reference.unfold(noise, mode)) for mode in range(3)] == [4, 4, 4]


def test_same_seed_same_tensor_and_one_signal_under_every_noise():
    def draw(seed):
        return make_cp_tensor(SHAPE, 2, noise=white_noise(10), missing=0.2, random_state=seed).X

    np.testing.assert_array_equal(draw(0), draw(0))
    np.testing.assert_array_equal(draw(0), draw(np.random.default_rng(0)))
    assert not np.array_equal(draw(0), draw(1), equal_nan=True)
    assert not np.array_equal(draw(None), draw(None), equal_nan=True)
    clean = make_cp_tensor(SHAPE, 2, random_state=0)
    weak, strong = (make_cp_tensor(SHAPE, 2, noise=white_noise(snr), random_state=0) for snr in (20, 0))
    np.testing.assert_allclose(strong.X - clean.X, 10 * (weak.X - clean.X))


@given(st.floats(0, 0.99), st.integers(0, 100))
def test_missing_hides_exactly_the_share_and_changes_nothing_else(share, seed):
    full = make_cp_tensor(SHAPE, 2, random_state=seed)
    holed = make_cp_tensor(SHAPE, 2, missing=share, random_state=seed)
    hidden = np.isnan(holed.X)
    assert hidden.sum() == round(share * holed.X.size)
    np.testing.assert_array_equal(holed.X[~hidden], full.X[~hidden])
    assert holed.signal_norm == full.signal_norm


def test_missing_cells_lie_everywhere_and_those_of_a_larger_share_are_the_same_and_more():
    few, many = (np.isnan(make_cp_tensor((20,) * 3, 1, missing=np.float32(s), random_state=0).X) for s in (0.125, 0.5))
    assert (few.sum(), many.sum()) == (1000, 4000)
    assert many[few].all()
    for mode in range(3):
        shares = np.moveaxis(many, mode, 0).reshape(20, -1).mean(axis=1)
        assert np.abs(shares - 0.5).max() < 0.1


def test_weights_multiply_the_components_as_drawn():
    plain = make_cp_tensor(SHAPE, 2, random_state=0).model
    weighted = make_cp_tensor(SHAPE, 2, weights=[3, -0.1], random_state=0)
    np.testing.assert_allclose(weighted.X, reference.cp_tensor(plain.factors, [3, -0.1]))


def test_each_mode_may_have_its_own_generator():
    def steps(length, rank, rng):
        return np.arange(length * rank, dtype=float).reshape(length, rank)

    factors = make_cp_tensor(SHAPE, 2, factors=[uniform_factors, steps, gaussian_factors], random_state=0).model.factors
    assert factors[0].min() >= 0
    np.testing.assert_array_equal(factors[1], steps(7, 2, None))
    assert factors[2].min() < 0


def test_uniform_factors_are_in_the_unit_interval_and_gaussian_ones_standard():
    uniform = uniform_factors(1000, 2, np.random.default_rng(0))
    assert (uniform.min() >= 0, uniform.max() < 1, uniform.mean() == pytest.approx(0.5, abs=0.05)) == (True,) * 3
    gaussian = gaussian_factors(1000, 2, np.random.default_rng(0))
    assert gaussian.mean() == pytest.approx(0.0, abs=0.1)
    assert gaussian.std() == pytest.approx(1.0, abs=0.1)


@given(st.floats(0, 0.99), st.integers(0, 4), st.integers(0, 3), st.integers(0, 100))
def test_collinear_factors_have_exactly_the_cosines_asked_for(correlation, rank, more, seed):
    A = collinear_factors(correlation)(rank + more, rank, np.random.default_rng(seed))
    expected = (1 - correlation) * np.eye(rank) + correlation
    np.testing.assert_allclose(A.T @ A, expected, atol=1e-12)


def test_collinear_factors_point_anywhere():
    columns = np.array([collinear_factors(0.5)(3, 2, np.random.default_rng(seed)) for seed in range(2000)])
    np.testing.assert_allclose(columns.mean(axis=0), 0, atol=0.06)  # five standard errors of 0.58 / sqrt(2000)


def test_the_record_reads_well_and_is_frozen():
    drawn = make_cp_tensor(SHAPE, 2, noise=white_noise(7), random_state=0)
    assert repr(drawn) == "SyntheticTensor(shape=(6, 7, 8), rank=2, snr_db=7)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        drawn.X = None


# ------------------------------------------------------------------------------------------------------------ counts


@pytest.mark.parametrize("sparse", [False, True])
def test_counts_have_the_expectations_of_their_model(sparse):
    draws = [make_count_tensor((6, 7, 8), 2, 5000, sparse=sparse, random_state=seed) for seed in range(5)]
    again = make_count_tensor((6, 7, 8), 2, 5000, sparse=sparse, random_state=0)
    for drawn in draws:
        X = drawn.X.toarray() if sparse else drawn.X
        expected = drawn.model.to_tensor()
        assert X.dtype.kind == "i"
        assert expected.sum() == pytest.approx(5000)
        assert abs(X.sum() - 5000) < 4 * np.sqrt(5000)
        # Pearson's statistic over the cells that expect something: its mean is their number, its variance about twice.
        likely = expected > 1
        statistic = np.sum((X - expected)[likely] ** 2 / expected[likely])
        assert statistic == pytest.approx(likely.sum(), abs=6 * np.sqrt(2 * likely.sum()))
        assert (X[expected < 1e-12] == 0).all()
    one, two = (d.X.toarray() if sparse else d.X for d in (draws[0], again))
    np.testing.assert_array_equal(one, two)


def test_no_component_of_counts_is_tiny():
    for seed in range(20):
        weights = make_count_tensor((6, 7, 8), 6, 1000, random_state=seed).model.weights
        assert weights.min() >= 50 - 1e-9
        assert weights.sum() == pytest.approx(1000)
    assert make_count_tensor((6, 7, 8), 1, 10, random_state=0).rank == 1


def test_sparse_counts_of_any_shape_cost_their_events():
    drawn = make_count_tensor((10**6, 10**6, 10**5), 2, 2000, sparse=True, random_state=0)
    assert drawn.X.shape == (10**6, 10**6, 10**5)
    events = drawn.X.data.sum()  # scipy sums n-dimensional arrays from 1.16 on
    assert drawn.X.nnz <= events == pytest.approx(2000, abs=200)
    assert len(np.unique(np.ravel_multi_index(drawn.X.coords, drawn.X.shape))) == drawn.X.nnz
    assert repr(drawn) == f"CountTensor(shape=(1000000, 1000000, 100000), rank=2, events={events})"


@pytest.mark.parametrize(("width", "n_bands"), [(0.05, 1), (0.1, 2), (0.3, 4)])
def test_smooth_spectra_are_nonnegative_smooth_and_no_two_alike(width, n_bands):
    A = smooth_spectra(width, n_bands)(200, 4, np.random.default_rng(0))
    assert A.shape == (200, 4)
    assert (A >= 0).all()
    assert A.max() <= n_bands
    # The steepest slope of a band of height 1: exp(-1/2) over its standard deviation, at least half the width.
    assert np.abs(np.diff(A, axis=0)).max() <= n_bands * np.exp(-0.5) / (0.5 * width) / 199
    cosines = A.T @ A / np.outer(*[np.linalg.norm(A, axis=0)] * 2)
    assert np.triu(cosines, 1).max() < 0.999
