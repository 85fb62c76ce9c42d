"""Fluorescence from files to a report: what instruments write, what is done to light, Fmax, OpenFluor's text."""

import warnings
from dataclasses import replace
from datetime import UTC, datetime

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pictures import assert_readable
from scipy.interpolate import pchip_interpolate

from autoten import HALS, CPModel, estimate_rank, fit_parafac, fluorescence, labelled, plots, preprocess
from autoten._errors import AutotenWarning
from autoten.datasets import load_amino_acids
from autoten.door import Preprocessed
from autoten.labels import Labels
from autoten.report import as_page

EMISSION, EXCITATION = np.array([300.0, 302.5, 310.25, 320.0]), np.array([240.0, 250.0, 265.0])
EEM = np.array([[1.5, 22.0, -0.25], [3.0, 40.5, 5.0], [2.0, 1e-3, 7.0], [1.0, 8.0, 9.0]])


def numbers(values, decimal="."):
    return [f"{value:g}".replace(".", decimal) for value in values]


def matrix(separator=",", decimal=".", corner="", eem=EEM, down=EMISSION, across=EXCITATION):
    head = separator.join([corner, *numbers(across, decimal)])
    rows = [separator.join(numbers([one, *line], decimal)) for one, line in zip(down, eem, strict=True)]
    return "\n".join([head, *rows]) + "\n"


def pairs(mark="EX", eem=EEM, down=EMISSION, across=EXCITATION):
    """Return columns as a Cary Eclipse writes them: two heads, a comma at each end, its settings below."""
    heads = "".join(f"river no 3_{mark}_{one:.2f},," for one in across)
    below = "Wavelength (nm),Intensity (a.u.)," * len(across)
    rows = ["".join(f"{one},{value}," for value in line) for one, line in zip(down, eem, strict=True)]
    return "\n".join([heads, below, *rows, "", "Collection Time: 3/9/2012 9:18:50 PM", "Averaging Time 0.02,5", ""])


def with_comments(text):
    """Return a table with lines and columns of comments around it, as a non-standard Horiba file."""
    lines = [f"{'seen' if n % 3 else ''},,{line},," for n, line in enumerate(text.replace("\n,", "\nnm,").split())]
    return "\n".join(["Some comments,,,,", ",,,,,", ",,,more,,", *lines])


SAMPLE_LINES = "Sample:\t'1\nRun Date:\t10:22:54, 06/01/2016\n\nEX Sampling Interval:\t5.0 nm\nSlit:5.0/20.0nm\n\n"
FILES = {
    "plain": matrix(),
    "emission across": matrix(eem=EEM.T, down=EXCITATION, across=EMISSION),
    "falling": matrix(eem=EEM[::-1, ::-1], down=EMISSION[::-1], across=EXCITATION[::-1]),
    "decimal commas": matrix(";", ",", "Em\\Ex"),
    "blank fields at the ends": matrix().replace("\n", ",,,\n"),
    "quotes": matrix(corner='"Em, nm"'),
    "blanks": "  " + matrix("  "),
    "written by R, nothing in the corner": matrix().removeprefix(","),
    "lines above and below": f"Operator: a, b\nslits, 5, 5\n\n{matrix()}\nend of file\n",
    "a range above": f"Emission range,300,320\nExcitation range,240,265\n{matrix()}",
    "Windows": matrix().replace("\n", "\r\n"),
    "Horiba, comments around": with_comments(matrix(corner="Wavelength")),
    "Aqualog": matrix("\t", corner="Sample - Blank").replace("\n", "\nnm\t\t\t\nNormalized by 75.335\t\t\t\n", 1),
    "FluoroMax": matrix("\t", corner="F1"),
    "Hitachi": f"{SAMPLE_LINES}Data Points\n{matrix(chr(9)).replace('22', ' 22')}",
    "Cary Eclipse": pairs(),
    "Cary Eclipse, excitation scanned": pairs("EM", EEM.T, EXCITATION, EMISSION),
}


def folder_of(tmp_path, **texts):
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return tmp_path


# ------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_file_as_instruments_and_people_write_it(tmp_path, text):
    eems = fluorescence.read_eems(folder_of(tmp_path, a=text, b=text))
    np.testing.assert_array_equal(eems.X, [EEM, EEM])
    assert eems.labels.names == ("sample", "emission", "excitation")
    sample, emission, excitation = eems.labels.indices
    assert sample.tolist() == ["a", "b"]
    np.testing.assert_array_equal(emission, EMISSION)
    np.testing.assert_array_equal(excitation, EXCITATION)
    assert eems.steps == ()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16"])
def test_any_encoding_of_the_lines_above(tmp_path, encoding):
    text = f"Gerät: Lauterbrunner Straße, Küvette 1 cm\n{matrix()}"
    eems = fluorescence.read_eems(folder_of(tmp_path, a=text.encode(encoding)))
    np.testing.assert_array_equal(eems.X, [EEM])


def test_wavelengths_are_those_that_were_set(tmp_path):
    text = matrix().replace("302.5", "302.4970245").replace("265", "265.0")
    eems = fluorescence.read_eems(folder_of(tmp_path, a=text))
    np.testing.assert_array_equal(eems.labels.indices[1], EMISSION)


def test_files_in_the_natural_order_of_their_names_and_only_those_asked_for(tmp_path):
    folder_of(tmp_path, s10=matrix(), s2=matrix(), S1=matrix(), blank=matrix())
    (tmp_path / ".s0.csv").write_text("hidden")
    (tmp_path / "notes.txt").write_text("no landscape")
    (tmp_path / "s3").mkdir()
    eems = fluorescence.read_eems(tmp_path, "[sS]*.csv")
    assert eems.labels.indices[0].tolist() == ["S1", "s2", "s10"]
    (tmp_path / "s2.txt").write_text(matrix())
    assert fluorescence.read_eems(tmp_path, "s2.*").labels.indices[0].tolist() == ["s2.csv", "s2.txt"]


def test_missing_values_and_the_wavelengths_of_the_largest_file(tmp_path):
    text = matrix().replace("22", "NaN").replace("40.5", "").replace("0.001", "NA")
    eems = fluorescence.read_eems(folder_of(tmp_path, a=text))
    assert np.argwhere(np.isnan(eems.X)).tolist() == [[0, 0, 1], [0, 1, 1], [0, 2, 1]]
    short = matrix(eem=EEM[1:, :2], down=EMISSION[1:], across=EXCITATION[:2])
    cary = pairs(eem=EEM[::2], down=EMISSION[::2])
    eems = fluorescence.read_eems(folder_of(tmp_path, b=matrix(), c=short, d=cary), "[b-d]*")
    np.testing.assert_array_equal(eems.X[0], EEM)
    np.testing.assert_array_equal(eems.X[1, 1:, :2], EEM[1:, :2])
    np.testing.assert_array_equal(eems.X[2, ::2], EEM[::2])
    assert [np.isfinite(slab).sum() for slab in eems.X] == [12, 6, 6]
    assert eems.steps == ("2 samples without some wavelengths of the others: missing",)


def test_cary_columns_of_different_lengths(tmp_path):
    lines = [line.split(",") for line in pairs().splitlines()]
    lines[2][4:6] = "", ""  # the third scan begins later
    eems = fluorescence.read_eems(folder_of(tmp_path, a="\n".join(map(",".join, lines))))
    assert np.argwhere(np.isnan(eems.X)).tolist() == [[0, 0, 2]]


def test_a_file_that_runs_the_other_way_is_turned_and_named(tmp_path):
    across = matrix(eem=EEM.T, down=EXCITATION, across=EMISSION)
    short = matrix(eem=EEM.T[:, 1:], down=EXCITATION, across=EMISSION[1:])
    turned = {"a": across, "d": short}
    eems = fluorescence.read_eems(folder_of(tmp_path, b=matrix(), c=matrix(), e=matrix(), **turned))
    assert eems.labels.names == ("sample", "emission", "excitation")
    np.testing.assert_array_equal(eems.X[[0, 1, 2, 4]], [EEM] * 4)
    np.testing.assert_array_equal(eems.X[3, 1:], EEM[1:])
    assert eems.steps == (
        "1 sample without some wavelengths of the others: missing",
        "2 files turned, since written across where the others are down: a.csv, d.csv",
    )
    # Most are across: the two that are down are odd then, and the file of an instrument says what is what.
    (tmp_path / "e.csv").unlink()
    for name in ("f", "g"):
        (tmp_path / f"{name}.csv").write_text(across)
    eems = fluorescence.read_eems(tmp_path)
    np.testing.assert_array_equal(eems.X[[0, 1, 2, 4, 5]], [EEM] * 5)
    assert eems.steps[1].endswith(": b.csv, c.csv")
    (tmp_path / "h.csv").write_text(pairs())
    assert fluorescence.read_eems(tmp_path).steps[1].endswith(": a.csv, d.csv, f.csv, g.csv")


def test_real_landscapes_go_through_files(tmp_path, real_data):
    acids = load_amino_acids()
    sugar = real_data("sugar_process")
    mixtures = real_data("nlfd_inner_filter_3comp")["X"]  # its wavelengths are unknown: these are made up
    right = sugar["X"][:12, :, ::-1], sugar["emission_nm"], sugar["excitation_nm"]
    sets = [
        (acids.X, acids.emission_nm, acids.excitation_nm),
        right,
        (mixtures, 300 + np.arange(57), 240 + np.arange(57)),
    ]
    for n, (X, emission, excitation) in enumerate(sets):
        folder = tmp_path / f"{n}"
        folder.mkdir()
        for sample, slab in enumerate(X):
            across = (slab.T, excitation, emission) if n == 1 else (slab, emission, excitation)
            text = "\n".join(",".join(map(repr, map(float, line))) for line in np.column_stack([across[1], across[0]]))
            (folder / f"{sample}.csv").write_text(",".join(map(str, ["nm", *across[2]])) + "\n" + text)
        eems = fluorescence.read_eems(folder)
        np.testing.assert_array_equal(eems.X, X)
        np.testing.assert_array_equal(eems.labels.indices[1], emission)
        np.testing.assert_array_equal(eems.labels.indices[2], excitation)


# ---------------------------------------------------------------------------------------------------------- scatter


def acids():
    data = load_amino_acids()
    names = np.array(["Trp", "Tyr", "Phe", "mix 1", "mix 2"])
    labels = Labels(("sample", "emission", "excitation"), (names, data.emission_nm, data.excitation_nm))
    return Preprocessed(data.X, labels=labels)


def test_wavelengths_come_from_labels_wherever_they_are():
    X, data = acids(), load_amino_acids()
    wanted = preprocess.mask_scatter(data.X, data.emission_nm, data.excitation_nm, 10)
    prepared = preprocess.mask_scatter(X)
    np.testing.assert_array_equal(prepared.X, wanted.X)
    assert prepared.steps == wanted.steps
    assert prepared.labels is X.labels
    coords = {"emission": data.emission_nm, "excitation": data.excitation_nm}
    turned = xr.DataArray(data.X.transpose(2, 0, 1), coords, dims=("excitation", "sample", "emission"))
    np.testing.assert_array_equal(preprocess.mask_scatter(turned).X.transpose(1, 2, 0), wanted.X)
    column = preprocess.mask_scatter(data.X, data.emission_nm[:, None], data.excitation_nm[None])  # MATLAB's
    np.testing.assert_array_equal(column.X, wanted.X)


def real_landscapes(real_data):
    """Yield landscapes with their wavelengths in the right order."""
    for name in ("amino_acids", "amino_acids_scatter_missing", "sugar_process", "sugar_process_full"):
        arrays = real_data(name)
        X = arrays["X"][:, :, ::-1] if name.startswith("sugar") else arrays["X"]  # its excitations stand in reverse
        yield name, X, arrays["emission_nm"], arrays["excitation_nm"]
    arrays = real_data("albatross_feems_sim")
    yield "albatross", arrays["X"], arrays["emission_nm"], arrays["excitation_nm"]
    yield "albatross with scatter", arrays["X_with_scatter"], arrays["emission_nm"], arrays["excitation_nm"]
    arrays = real_data("kinetic_fluorescence")
    yield "kinetics", arrays["X"], arrays["emission_nm"], arrays["excitation_nm"]


def test_excitations_in_reverse_order_are_noticed_and_right_ones_are_not(real_data):
    noticed = {}
    for name, X, emission, excitation in real_landscapes(real_data):
        for width in (5, 10, 15):
            preprocess.mask_scatter(X, emission, excitation, width)  # a warning would be an error
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            preprocess.mask_scatter(X[:, :, ::-1], emission, excitation, 10)
            preprocess.mask_scatter(X.swapaxes(1, 2), excitation, emission, 10)
        noticed[name] = len(said)
    # In the kinetics no cell lies at shorter emissions than excitations: a reversal cannot be told.
    assert noticed == {name: 1 + int(name != "kinetics") for name in noticed}
    arrays = real_data("sugar_process_full")
    with pytest.warns(
        AutotenWarning,
        match=r"are 1\.3 times as .* reverse order 0\.034 times, .* exchanged 0\.83 times\. Are the ex",
    ) as caught:
        preprocess.mask_scatter(arrays["X"], arrays["emission_nm"], arrays["excitation_nm"], 10)
    assert caught[0].filename == __file__


def test_an_exchange_of_the_modes_is_noticed_in_names_and_in_openfluor(tmp_path):
    X = acids()
    wrong = labelled(X.X, dict(zip(("sample", "excitation", "emission"), X.labels.indices, strict=True)))
    with pytest.warns(AutotenWarning, match=r"are 1\.8e\+02 times as .* exchanged 0\.004\d* times\. Are the"):
        preprocess.mask_scatter(wrong)
    model = fit_parafac(wrong, 3, solver=HALS(), random_state=0).model
    with pytest.warns(AutotenWarning, match=r"^3 of 3 components are brightest at an emission shorter than") as caught:
        fluorescence.write_openfluor(model, tmp_path / "wrong.txt", name="wrong")
    assert caught[0].filename == __file__


def test_a_mask_that_takes_most_of_a_landscape_is_warned_of():
    with pytest.warns(AutotenWarning, match=r"^Bands within 40 nm hold 44 % of the observed cells: what is left may"):
        masked = preprocess.mask_scatter(acids(), width=40)
    assert masked.steps[-1].startswith("Bands within 40 nm hold 44 %")  # where the report has it, too


def test_a_maximum_that_nobody_measured_is_warned_of(tmp_path):
    rng = np.random.default_rng(0)
    factors = [rng.random((length, 2)) for length in (5, 6, 7)]
    support = tuple(np.full(factor.shape, [0.9, 0.1]) for factor in factors)
    labels = Labels(("sample", "emission", "excitation"), (None, np.arange(300, 306), np.arange(250, 257)))
    model = CPModel(np.ones(2), factors, labels, support)
    for write in (fluorescence.maxima, lambda model: model.to_csv(tmp_path)):
        with pytest.warns(AutotenWarning, match=r"^More than 80 % of component 2 \(of the squares\) lies"):
            write(model)


def scatter_warnings(X):
    """Return what an estimate says of scattered light left in."""
    answer = estimate_rank(X, [1], n_starts=1, n_folds=2, n_splits=0, random_state=0)
    return [said for said in answer.warnings if said.startswith("Scattered light")]


def test_scattered_light_left_in_is_told_and_where_there_is_none_nothing(real_data):
    found = {}
    for name, X, emission, excitation in real_landscapes(real_data):
        X = labelled(
            X[:12], {"s": None, "emission": emission, "excitation": excitation} | dict.fromkeys("t"[: X.ndim - 3])
        )
        if X.X.ndim == 3:
            found[name] = scatter_warnings(X)
            masked = preprocess.drop_empty_slabs(preprocess.mask_scatter(X, width=10))
            assert not scatter_warnings(masked)
    # The amino acids hold little scatter; the sugar was measured through a filter below the excitation or cut there.
    told = {name: said[0].partition(" as bright")[0] for name, said in found.items() if said}
    assert told == {
        "sugar_process_full": "Scattered light (emission = excitation) is still in X, 15 times",
        "albatross with scatter": "Scattered light (emission = excitation) is still in X, 2.5 times",
    }
    assert len(found) == 6


def test_second_order_scatter_alone_is_told_and_names_say_where_it_is():
    rng = np.random.default_rng(0)
    emission, excitation = np.arange(300.0, 560.0, 5), np.arange(240.0, 300.0, 5)
    spectra = [
        np.exp(-0.5 * ((axis[:, None] - at) / 40) ** 2)
        for axis, at in ((emission, [350, 420]), (excitation, [250, 280]))
    ]
    X = np.einsum("ir,jr,kr->ikj", rng.random((6, 2)), *spectra)
    ridge = np.exp(-0.5 * ((emission[:, None] - 2 * excitation) / 4) ** 2).T
    names = {"lake": None, "excitation": excitation, "emission": emission}
    assert not scatter_warnings(labelled(X, names))
    (said,) = scatter_warnings(labelled(X + 3 * ridge, names))
    assert "(emission = 2 x excitation) is still in X" in said
    names = {"lake": None, "b": excitation, "a": emission}
    assert not scatter_warnings(labelled(X + 3 * ridge, names))


def test_interpolation_is_monotone_along_emission_and_ends_where_the_measurement_does():
    X = acids().X.copy()
    X[0, 50:60, 3] = X[1, :20, 5] = X[2, 190:, 5] = X[3, :, 7] = np.nan
    X[4, 1:, 9] = np.nan
    before = X.copy()
    emission = load_amino_acids().emission_nm
    filled = preprocess.interpolate_scatter(X, emission)
    np.testing.assert_array_equal(X, before)
    seen = np.isfinite(X)
    np.testing.assert_array_equal(filled.X[seen], X[seen])
    assert np.argwhere(np.isfinite(filled.X) & ~seen).tolist() == [[0, place, 3] for place in range(50, 60)]
    known = seen[0, :, 3]
    wanted = pchip_interpolate(emission[known].astype(float), X[0, known, 3], emission[50:60])
    np.testing.assert_allclose(filled.X[0, 50:60, 3], wanted)
    low, high = sorted([X[0, 49, 3], X[0, 60, 3]])
    assert low <= filled.X[0, 50:60, 3].min() <= filled.X[0, 50:60, 3].max() <= high
    assert filled.steps == ("10 missing cells interpolated along emission",)
    falling = preprocess.interpolate_scatter(X[:, ::-1], emission[::-1])
    np.testing.assert_allclose(falling.X[:, ::-1], filled.X)
    turned = preprocess.interpolate_scatter(np.ma.masked_invalid(X.transpose(1, 2, 0)), emission, modes=(0, 1))
    assert isinstance(turned.X, np.ma.MaskedArray)
    np.testing.assert_allclose(np.asarray(turned).transpose(2, 0, 1), filled.X)


# ---------------------------------------------------------------------------------------------------- inner filter


def absorbing(strength=0.5):
    """Return landscapes, what the inner filter leaves of them, and the absorbance that did it."""
    X = acids()
    _, emission, excitation = X.labels.indices
    wavelengths = np.arange(230.0, 461.0, 2.0)
    shape = strength * np.exp(-(wavelengths - 230) / 60)
    absorbance = np.linspace(0, 1, 5)[:, None] * shape
    at = [np.array([np.interp(where, wavelengths, each) for each in absorbance]) for where in (emission, excitation)]
    dimmed = X.X * 10 ** -((at[0][:, :, None] + at[1][:, None, :]) / 2)
    return X, Preprocessed(dimmed, labels=X.labels), absorbance, wavelengths


def test_the_inner_filter_is_undone():
    X, dimmed, absorbance, wavelengths = absorbing()
    corrected = preprocess.correct_inner_filter(dimmed, absorbance, wavelengths)
    np.testing.assert_allclose(corrected.X, X.X, rtol=1e-12)
    assert corrected.labels is dimmed.labels
    assert corrected.steps == ("inner filter corrected by absorbance (factors up to 2.46)",)
    table = pd.DataFrame(absorbance, columns=wavelengths).iloc[:, ::-1]
    again = preprocess.correct_inner_filter(dimmed, table, table.columns)
    np.testing.assert_allclose(again.X, X.X, rtol=1e-12)
    holes = preprocess.mask_scatter(dimmed)
    np.testing.assert_array_equal(
        np.isnan(preprocess.correct_inner_filter(holes, absorbance, wavelengths).X), np.isnan(holes.X)
    )
    # A further mode, all in another order.
    four = np.stack([dimmed.X, 2 * dimmed.X], axis=1).transpose(3, 0, 2, 1)
    where = {"emission": X.labels.indices[1], "excitation": X.labels.indices[2], "modes": (2, 0)}
    both = preprocess.correct_inner_filter(four, np.stack([absorbance] * 2, axis=1), wavelengths, **where)
    np.testing.assert_allclose(both.X.transpose(3, 1, 2, 0), [X.X, 2 * X.X], rtol=1e-12)


def test_samples_that_absorb_too_much_are_named():
    _, dimmed, absorbance, wavelengths = absorbing(strength=1.2)
    with pytest.warns(
        AutotenWarning, match=r"add up to 1\.9, more than 1\.5, in 1 sample \(mix 2\): .* dilute"
    ) as caught:
        preprocess.correct_inner_filter(dimmed, absorbance, wavelengths)
    assert caught[0].filename == __file__


def test_the_correction_straightens_real_mixtures(real_data):
    # Two dyes at concentrations whose absorption bends the law. How strongly they absorb is not known, but where: in
    # proportion to what excites them. Their emission lies beyond. All wavelengths are made up.
    mixtures = real_data("nlfd_inner_filter_2comp")
    excitation, emission = 250 + np.arange(46), 400 + np.arange(51)
    spectra = mixtures["excitation_profiles"] / mixtures["excitation_profiles"].max(axis=0)
    absorbance = np.pad(mixtures["concentrations"] @ spectra.T, ((0, 0), (0, 156)))
    where = {"emission": emission, "excitation": excitation, "modes": (2, 1)}
    corrected = preprocess.correct_inner_filter(mixtures["X"], absorbance, 250 + np.arange(202), **where)
    left = []
    for X in (mixtures["X"], corrected.X):
        model = fit_parafac(X, 2, solver=HALS(), random_state=0).model
        left.append(np.sum((X - model.to_tensor()) ** 2) / np.sum(X**2))
    assert left[1] < 0.75 * left[0]


# ---------------------------------------------------------------------------------------------- what is reported


def test_maxima_are_the_brightest_cells_of_components_and_follow_concentrations(real_data):
    X = acids()
    model = fit_parafac(preprocess.mask_scatter(X, raman_shift=None), 3, solver=HALS(), random_state=0).model
    fmax = fluorescence.maxima(model)
    for r in range(3):
        one = CPModel(model.weights[[r]], [factor[:, [r]] for factor in model.factors]).to_tensor()
        np.testing.assert_allclose(fmax[:, r], np.abs(one).max(axis=(1, 2)))
    concentrations = real_data("amino_acids")["concentrations"]
    for amounts, known in zip(fmax[:, np.argmax(fmax[:3], axis=1)].T, concentrations.T, strict=True):
        assert np.corrcoef(amounts, known)[0, 1] > 0.99
    scaled = (model.weights / 7, [model.factors[0] * -7, model.factors[1] * -2, model.factors[2] / 2])
    np.testing.assert_allclose(fluorescence.maxima(scaled), fmax)
    turned = CPModel(model.weights, model.factors[::-1], Labels(X.labels.names[::-1], X.labels.indices[::-1]))
    np.testing.assert_allclose(fluorescence.maxima(turned), fmax)
    np.testing.assert_allclose(fluorescence.maxima((None, model.factors[::-1]), modes=(1, 0)).shape, (5, 3))
    four = CPModel(model.weights, [*model.factors, np.array([[1.0] * 3, [2.0] * 3])])
    np.testing.assert_allclose(fluorescence.maxima(four), np.stack([fmax, 2 * fmax], axis=1))


def test_openfluor_text(tmp_path):
    X = acids()
    model = fit_parafac(X, 3, solver=HALS(), random_state=0).model
    path = tmp_path / "acids.txt"
    fluorescence.write_openfluor(
        model, path, name="acids", unit="a.u.", date="2026-11-30", description="two\nlines\there"
    )
    lines = path.read_text("utf-8").splitlines()
    assert lines[:3] == ["#", "# Fluorescence Model", "#"]
    header = dict(
        line.partition("\t")[::2] for line in lines if line[0] != "#" and not line.startswith(("Ex\t", "Em\t"))
    )
    assert tuple(header) == fluorescence.OPENFLUOR_FIELDS
    said = {"name": "acids", "unit": "a.u.", "date": "2026-11-30", "toolbox": "autoten", "nSample": "5"}
    assert {key: value for key, value in header.items() if value} == {**said, "description": "two lines here"}
    for mark, mode in (("Ex", 2), ("Em", 1)):
        table = np.array([line.split("\t")[1:] for line in lines if line.startswith(f"{mark}\t")], dtype=float)
        np.testing.assert_array_equal(table[:, 0], X.labels.indices[mode])
        np.testing.assert_allclose(table[:, 1:], model.factors[mode] / model.factors[mode].max(axis=0), atol=1e-6)
    where = {"emission": range(101, 302), "excitation": range(1, 62)}
    fluorescence.write_openfluor((None, model.factors), path, name="bare", **where)
    assert f"\ndate\t{datetime.now(UTC).date().isoformat()}\n" in path.read_text("utf-8")


def test_an_estimate_stands_for_its_model_and_fills_in_the_header_of_openfluor(tmp_path):
    X = preprocess.drop_empty_slabs(preprocess.mask_scatter(acids(), width=5))
    answer = estimate_rank(X, [3], solver=HALS(), n_starts=1, n_folds=2, n_splits=0, random_state=0)
    np.testing.assert_array_equal(fluorescence.maxima(answer), fluorescence.maxima(answer.model))
    fit = fit_parafac(X, 1, n_starts=1, random_state=0)
    np.testing.assert_array_equal(fluorescence.maxima(fit), fluorescence.maxima(fit.model))
    assert len(plots.plot_components(answer)) == 3
    title = "sample: mix 1"
    assert plots.plot_landscape(answer, 3).get_title() == title
    fluorescence.write_openfluor(answer, tmp_path / "one.txt", name="one", methods="mine")
    header = (tmp_path / "one.txt").read_text("utf-8")
    assert "\nconstraints\tnonnegativity\n" in header
    assert "\nmethods\tmine\n" in header
    assert "\npreprocess\tRayleigh and Raman scatter of orders 1 and 2 within 5 nm left out (" in header
    assert "\nvalidation\n" in header


def test_fmax_is_written_beside_the_factors_and_on_the_page(tmp_path):
    answer = estimate_rank(acids(), [3], solver=HALS(), n_starts=1, n_folds=2, n_splits=0, random_state=0)
    paths = answer.model.to_csv(tmp_path)
    assert [path.name for path in paths[-2:]] == ["weights.csv", "fmax.csv"]
    written = pd.read_csv(paths[-1], index_col="sample")
    assert written.index.tolist() == ["Trp", "Tyr", "Phe", "mix 1", "mix 2"]
    assert written.columns.tolist() == ["component 1", "component 2", "component 3"]
    np.testing.assert_array_equal(written, fluorescence.maxima(answer))
    page = as_page(answer)
    emission, excitation = (
        axis[answer.model.factors[mode].argmax(axis=0)] for mode, axis in enumerate(acids().labels.indices[1:], start=1)
    )
    for r in range(3):
        cells = "".join(f"<td style='text-align:right'>{cell}</td>" for cell in (r + 1, excitation[r], emission[r]))
        assert cells in page
    assert f">{fluorescence.maxima(answer)[4, 2]:.4g}</td>" in page
    plain = CPModel(answer.model.weights, answer.model.factors)
    assert plain.to_csv(tmp_path / "plain")[-1].name == "weights.csv"
    assert "Fmax" not in as_page(replace(answer, models={3: plain}))


# ----------------------------------------------------------------------------------------------------- landscapes


def shown(ax):
    (mesh,) = ax.collections
    return mesh.get_array()


def test_a_landscape_is_drawn_as_it_is_with_its_holes():
    X = preprocess.mask_scatter(acids())
    for slab in (3, -2, "mix 1"):
        ax = plots.plot_landscape(X, slab)
        np.testing.assert_array_equal(shown(ax).filled(np.nan), X.X[3].T)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("emission (nm)", "excitation (nm)")
        assert ax.get_title() == "sample: mix 1 (hatched: missing)"
        assert ax.patch.get_hatch()
        assert ax.get_xlim() == (249.5, 450.5)
        assert_readable(ax.figure)
    # Noise about zero is no sign to be told by colours, what is left of centred data is.
    assert plots.plot_landscape(acids(), 3).collections[0].get_cmap().name == plt.rcParams["image.cmap"]
    assert plots.plot_landscape(preprocess.center(acids(), 0), 3).collections[0].get_cmap().name == "RdBu_r"
    ax = plots.plot_landscape(acids(), 2, mode="excitation")
    np.testing.assert_array_equal(shown(ax), acids().X[:, :, 2].T)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["Trp", "Tyr", "Phe", "mix 1", "mix 2"]
    assert ax.get_title() == "excitation: 242 nm"
    assert_readable(ax.figure)


def test_a_landscape_of_a_model_and_of_falling_wavelengths():
    rng = np.random.default_rng(0)
    labels = Labels(("sample", "emission", "excitation"), (None, EMISSION[::-1], EXCITATION))
    model = CPModel(np.array([1.0, 2.0]), [rng.random((length, 2)) for length in (5, 4, 3)], labels)
    ax = plots.plot_landscape(model, 4)
    np.testing.assert_allclose(shown(ax), model.to_tensor()[4, ::-1].T)
    assert not ax.patch.get_hatch()
    ax = plots.plot_landscape(np.full((2, 1, 3), np.nan), 0)
    assert_readable(ax.figure)


def test_from_files_to_a_rank(tmp_path):
    X = acids()
    for name, slab in zip(X.labels.indices[0], X.X[:, ::4, ::2], strict=True):
        text = matrix(";", ",", eem=slab, down=X.labels.indices[1][::4], across=X.labels.indices[2][::2])
        (tmp_path / f"{name}.csv").write_text(text)
    prepared = preprocess.mask_scatter(fluorescence.read_eems(tmp_path), width=5)
    estimate = estimate_rank(prepared, range(1, 5), solver=HALS(), n_starts=3, n_folds=3, random_state=0)
    assert estimate.rank == 3
    assert estimate.model.labels.indices[0].tolist() == ["mix 1", "mix 2", "Phe", "Trp", "Tyr"]
    assert "within 5 nm left out (" in estimate.report()
