"""The answers on real and published tensors, with the defaults. Where the numbers come from: README.md of the data."""

import numpy as np
import pytest

from autoten import ALS, HALS, estimate_rank
from autoten.preprocess import center, scale


def sound_estimate(X, ranks=range(1, 9), solver=None):
    """Return an estimate, after asserting what holds of every one, whatever the data."""
    estimate = estimate_rank(X, ranks, solver=solver, random_state=0)
    table = estimate.table
    assert table.complete
    assert table.ranks.tolist() == [0, *ranks]
    assert estimate.rank in table.ranks
    assert (np.diff(table["fit"][:, 0]) > -1e-9).all()
    assert np.nanmax(table["core_consistency"]) <= 100 + 1e-6
    assert np.isfinite(table["heldout"]).all()
    assert sum(estimate.probabilities.values()) == pytest.approx(1.0)
    assert estimate.report().startswith(f"Estimated rank: {estimate.rank}")
    return estimate


def test_amino_acids_are_three_substances_and_two_pure_samples_two(real_data):
    X = real_data("amino_acids")["X"]
    estimate = sound_estimate(X)
    assert estimate.rank == 3
    assert estimate.table.value("fit", 3) == pytest.approx(0.9994, abs=1e-4)
    assert estimate.table.value("core_consistency", 3) > 99
    for samples in ([0, 1], [0, 2], [1, 2]):
        assert sound_estimate(X[samples], range(1, 6)).rank == 2


def test_amino_acids_without_scatter_still_three(real_data):
    X = real_data("amino_acids_scatter_missing")["X"]
    assert np.isnan(X).mean() == pytest.approx(0.149, abs=0.001)
    estimate = sound_estimate(X)
    assert estimate.rank == 3
    assert any("observed cells" in warning for warning in estimate.warnings)


@pytest.mark.parametrize(
    ("name", "every", "solver"),
    [
        ("uvvis_two_step_kinetics_trilinear", 2, ALS()),  # one component is negative
        ("dosy_qgc_decra", 6, ALS()),
        ("dosy_qgc_decra", 6, HALS()),
        ("albatross_feems_sim", 1, ALS()),
        ("albatross_feems_sim", 1, HALS()),
    ],
)
def test_three_species(real_data, name, every, solver):
    assert sound_estimate(real_data(name)["X"][..., ::every], solver=solver).rank == 3


# Ranks that were published by people who looked at the data: an opinion. Where the answer does not share it, it must
# not rule it out; how often it does: benchmarks/README.md.


@pytest.mark.parametrize(
    ("name", "published", "centred"),
    [("covid19_serology", {2}, False), ("bread_sensory", {2, 3}, True), ("sugar_process", {3, 4}, False)],
)
def test_published_opinions_that_are_met(real_data, name, published, centred):
    X = real_data(name)["X"]
    estimate = sound_estimate(center(X, 0) if centred else X)
    assert estimate.rank in published
    assert ("preprocessing: centred across mode 0;" in estimate.report()) == centred


def test_microbiome_two_to_four_are_not_ruled_out(real_data):
    estimate = sound_estimate(real_data("microbiome_fujita2023")["X"])
    assert {2, 3, 4} & {estimate.rank, *(alternative.rank for alternative in estimate.alternatives)}
    assert max(estimate.probabilities.values()) < 0.9


def test_what_is_degenerate_is_said(real_data):
    # Four modes, 3.8 % missing; core consistency and fit disagree from rank 2 on, so no rank is the right one.
    X = real_data("il2_response")["X"]
    assert X.ndim == 4
    assert np.isnan(X).any()
    # Centred over the daughters, scaled per scale: from rank 3 on, components cancel each other.
    girls = sound_estimate(scale(center(real_data("kojima_girls")["X"], 0), 1), range(1, 5))
    assert girls.table.value("opposition", 3) < -0.9
    for estimate in (sound_estimate(X), girls):
        assert any("degenerate" in warning for warning in estimate.warnings)


@pytest.mark.parametrize("name", ["nsvd_synth_small", "normo_randn_50", "normo_stochastic_50"])
def test_published_synthetic_tensors_run(real_data, name):
    # True ranks 5, 10 and 10; what comes out is reported by the benchmarks and need not be that.
    sound_estimate(real_data(name)["X"], range(1, 12))
