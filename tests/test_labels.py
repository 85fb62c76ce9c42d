"""Labelled data in, labelled results out: xarray DataArray and pandas Series, and what carries their labels."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from autoten import (
    CP,
    HALS,
    AutoTen,
    Centred,
    RandomElements,
    RandomFibres,
    core_consistency,
    estimate_rank,
    fit_parafac,
    load,
    preprocess,
    sample_influence,
    split_half,
    split_half_components,
    weighted,
)
from autoten.datasets import make_cp_tensor, white_noise
from autoten.door import as_tensor, unlabelled
from autoten.labels import Labels, numbered
from autoten.model import CPModel

pd = pytest.importorskip("pandas")
xr = pytest.importorskip("xarray")


def split_labels(X):
    given = unlabelled(X)
    return given.X, given.labels


X = make_cp_tensor((5, 7, 8), 2, noise=white_noise(20), random_state=0).X
NAMES = ("sample", "time", "sensor")
SAMPLES, TIMES = [f"s{i}" for i in range(5)], np.arange("2021-01", "2021-08", dtype="datetime64[M]")
QUICK = {"ranks": [1, 2, 3], "n_starts": 3, "n_folds": 3, "random_state": 0}


def data_array(values=X):
    return xr.DataArray(values, dims=NAMES, coords={"sample": SAMPLES, "time": TIMES})


def series(values=X):
    sensors = range(10, 18)
    index = pd.MultiIndex.from_product([SAMPLES, TIMES.astype("datetime64[ns]"), sensors], names=NAMES)
    return pd.Series(values.ravel(), index)


@pytest.fixture(scope="module")
def estimate():
    return estimate_rank(data_array(), **QUICK)


# ------------------------------------------------------------------------------------------------------------------ in


def test_a_data_array_is_its_numbers_and_its_labels():
    plain, labels = split_labels(data_array())
    np.testing.assert_array_equal(plain, X)
    assert labels.names == NAMES
    assert labels.indices[0].tolist() == SAMPLES
    assert labels.indices[1].dtype.kind == "M"
    assert labels.indices[2] is None


def test_what_has_no_labels_stays_as_it_is():
    for plain in (X, np.ma.masked_array(X), X.tolist(), preprocess.center(X, 0).X):
        kept, labels = split_labels(plain)
        assert kept is plain
        assert labels is None


def test_rows_of_a_series_may_come_in_any_order():
    shuffled = series().sample(frac=1.0, random_state=0)
    plain, labels = split_labels(shuffled)
    np.testing.assert_array_equal(plain, X)
    assert labels.names == NAMES
    assert labels.indices[2].tolist() == list(range(10, 18))


def test_what_a_series_does_not_list_is_missing_and_so_is_nan():
    values = X.copy()
    values[0, 0, 0] = np.nan
    listed = series(values).drop(("s1", TIMES[2], 13))
    values[1, 2, 3] = np.nan
    np.testing.assert_array_equal(split_labels(listed)[0], values)
    assert as_tensor(listed).hidden.tolist() == np.flatnonzero(np.isnan(values)).tolist()


def test_labels_that_no_row_uses_are_no_indices():
    assert split_labels(series()[lambda s: s.index.get_level_values("sample") != "s4"])[0].shape == (4, 7, 8)


@pytest.mark.parametrize("dtype", ["i2", "f4", "Int64", "Float32", "boolean"])
def test_numbers_of_every_kind(dtype):
    whole = (np.arange(X.size).reshape(X.shape) % 5 > 2).astype(int)
    listed = series(whole).astype(dtype)
    if dtype[0].isupper():
        listed.iloc[3] = pd.NA
    plain, _ = split_labels(listed)
    expected = whole.astype(float)
    expected.flat[3] = np.nan if dtype[0].isupper() else expected.flat[3]
    np.testing.assert_array_equal(plain, expected)
    assert as_tensor(listed).shape == X.shape


def test_labels_of_any_kind_become_numbers_dates_or_texts():
    periods = pd.period_range("2020-01", periods=5, freq="M")
    groups = pd.Categorical(["b", "a", "c"])
    index = pd.MultiIndex.from_product([periods, groups, [(1, 2), (3, 4)]])
    _, labels = split_labels(pd.Series(np.arange(30.0), index))
    assert labels.names == ("mode 0", "mode 1", "mode 2")
    assert labels.indices[0].tolist()[:2] == ["2020-01", "2020-02"]
    assert labels.indices[2].tolist() == ["1 / 2", "3 / 4"]
    assert all(names.dtype.kind in "iufMU" for names in labels.indices)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            lambda: pd.concat([series(), series().iloc[:2]]),
            r"^X must be a Series that lists each cell once\. Got 2 ",
        ),
        (
            lambda: series().to_frame(),
            r"^X must be an array, or a Series .* Got a DataFrame\. Of a long table, .*X\.set_index\(.*X\.stack\(\)",
        ),
        (lambda: series().droplevel(0).groupby(level=[0, 1]).sum(), r"^X must be a tensor with at least 3 modes"),
        (lambda: series().rename({"s0": np.nan}), r"^the index of X must be complete\. Got 56 rows without a label"),
        (lambda: series().astype(str), r"^X must be an array of real numbers\. Got dtype object"),
        (lambda: data_array()[0], r"^X must be a tensor with at least 3 modes\. Got shape \(7, 8\)"),
        (lambda: xr.Dataset({"a": data_array()}), r"^X must be an array of real numbers\. Got Dataset"),
    ],
    ids=["repeated", "frame", "two levels", "no label", "texts", "two modes", "dataset"],
)
def test_what_is_no_tensor_is_refused_in_a_sentence(wrong, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        estimate_rank(wrong(), [1])


def test_a_series_that_would_fill_the_memory_is_refused():
    n = 2_000
    index = pd.MultiIndex.from_arrays([np.arange(n)] * 3)
    with pytest.raises(ValueError, match=r"span at most 2147483648 cells\. Got shape .*give a sparse array\.$"):
        as_tensor(pd.Series(np.ones(n), index))


def test_frames_as_the_refusal_says():
    long, wide = series().rename("value").reset_index(), series().unstack("sensor")
    for frame in (long, wide, series().to_frame()):
        with pytest.raises(
            ValueError, match=r"Got a DataFrame\. Of a long table, .* give X\.set_index\(\[modes\]\)\[val"
        ):
            preprocess.center(frame, 0)
    np.testing.assert_array_equal(split_labels(long.set_index(list(NAMES))["value"])[0], X)
    plain, labels = split_labels(wide.stack())
    np.testing.assert_array_equal(plain, X)
    assert labels.names == NAMES


def test_tables_in_a_list_are_stacked_only_if_their_labels_agree():
    tables = [pd.DataFrame(part, TIMES, range(10, 18)) for part in X]
    np.testing.assert_array_equal(preprocess.center(tables, 0).X, preprocess.center(X, 0).X)
    tables[1] = tables[1].iloc[::-1]
    with pytest.raises(ValueError, match=r"^X must be tables with the same rows and columns, .*pandas\.concat\("):
        as_tensor(tables)
    np.testing.assert_array_equal(split_labels(pd.concat(dict(enumerate(tables))).stack())[0], X)


def test_noise_may_come_as_a_table():
    noise = pd.DataFrame(np.arange(1.0, 57.0).reshape(7, 8), TIMES)
    np.testing.assert_array_equal(weighted(X, noise).noise[2], noise)


# -------------------------------------------------------------------------------------------------------- modes by name


def by_fibres(X, mode):
    return estimate_rank(X, **{**QUICK, "ranks": [1], "holdout": RandomFibres(mode)}).table["heldout"]


def by_centred(X, mode):
    holdout = Centred(RandomFibres(mode), modes=mode)
    other = Centred(RandomElements(), modes=(mode,))
    prepared = preprocess.center(X, mode)
    with pytest.raises(ValueError, match="the hold-out of Centred must be one that leaves cells"):
        estimate_rank(prepared, **{**QUICK, "holdout": holdout})
    return estimate_rank(prepared, **{**QUICK, "ranks": [1], "holdout": other}).table["heldout"]


def by_hals(X, mode):
    factors = fit_parafac(X, 2, solver=HALS(nonnegative=(mode,)), n_starts=2, random_state=0).model.factors
    return np.concatenate(factors)


def by_solvers(X, mode):
    solvers = (HALS(nonnegative=(mode,)), HALS(nonnegative=(mode, 2)))
    tables = [each.table["fit"] for each in estimate_rank(X, solver=solvers, **QUICK).by_solver.values()]
    return np.concatenate(tables)


def by_halves(X, mode):
    quick = {"n_splits": 1, "n_starts": 2, "random_state": 0, "solver": HALS(nonnegative=(mode, 1))}
    halves = split_half_components(X, 2, mode, **quick)
    assert halves.modes == (1, 2)
    return [*split_half(X, 2, mode, **quick), *halves.worst]


def by_estimator(estimator):
    def fitted(X, mode):
        model = estimator.set_params(mode=mode).fit(X)
        return [*model.transform(split_labels(X)[0][:3]).ravel(), model.score(X)]

    return fitted


BY_MODE = {
    "center": lambda X, mode: preprocess.center(X, [mode, 2]).X,
    "scale": lambda X, mode: preprocess.scale(X, mode).X,
    "mask_scatter": lambda X, mode: (
        preprocess.mask_scatter(X, range(300, 308), range(300, 305), 1.5, modes=(2, mode)).X
    ),
    "RandomFibres": by_fibres,
    "Centred": by_centred,
    "HALS": by_hals,
    "several solvers": by_solvers,
    "split_half": by_halves,
    "sample_influence": lambda X, mode: sample_influence(
        X, CPModel(np.ones(1), [np.ones((n, 1)) for n in (5, 7, 8)]), mode
    ),
    "CP": by_estimator(CP(2, n_starts=2, random_state=0)),
    "AutoTen": by_estimator(AutoTen(**QUICK)),
}


@pytest.mark.parametrize("ask", BY_MODE.values(), ids=BY_MODE)
def test_a_mode_may_be_given_by_its_name(ask):
    expected = ask(X, 0)
    for labelled in (data_array(), series()):
        np.testing.assert_array_equal(ask(labelled, "sample"), expected)
    with pytest.raises(ValueError, match=r"must be one of \['sample', 'time', 'sensor'\]\. Got 'smaple'\.$"):
        ask(data_array(), "smaple")
    with pytest.raises(ValueError, match=r"must be a number, since X has no names of modes\. Got 'sample'\.$"):
        ask(X, "sample")


def test_names_pass_through_preprocessing_and_weights():
    prepared = preprocess.scale(preprocess.center(data_array(), "sample"), "time")
    assert prepared.steps == ("centred across mode 0", "scaled within mode 1")
    np.testing.assert_array_equal(by_fibres(weighted(data_array(), 1.0), "time"), by_fibres(weighted(X, 1.0), 1))


def test_the_model_knows_names_too(estimate):
    named, plain = (sample_influence(X, estimate.models[2], mode) for mode in ("time", 1))
    np.testing.assert_array_equal(named, plain)


@dataclass(frozen=True)
class Own:
    """A user's record, whose texts name no modes."""

    kind: str
    numbers: np.ndarray


def test_records_keep_everything_but_the_names():
    labels = Labels(NAMES, (None,) * 3)
    given = Centred(RandomFibres("sensor", 0.2), modes=("time", 0))
    assert numbered(given, 3, labels) == Centred(RandomFibres(2, 0.2), modes=(1, 0))
    assert numbered(HALS(max_iter=7), 3, labels) == HALS(max_iter=7)
    for own in (object(), Own("time", np.arange(3))):
        assert numbered(own, 3, labels) is own


def test_the_report_keeps_the_names():
    said = estimate_rank(data_array(), **{**QUICK, "ranks": [1], "holdout": RandomFibres("time")})
    assert "RandomFibres(mode='time', share=0.1)" in said.report()


# ----------------------------------------------------------------------------------------------------------------- out


def test_labelled_data_have_the_answer_of_their_numbers(estimate):
    plain = estimate_rank(X, **QUICK)
    listed = estimate_rank(series(), **QUICK)
    for name in plain.table.replicates:
        np.testing.assert_array_equal(estimate.table[name], plain.table[name])
        np.testing.assert_array_equal(listed.table[name], plain.table[name])
    assert plain.labels is None
    assert core_consistency(data_array(), plain.model) == core_consistency(X, plain.model)


def test_every_model_has_the_labels(estimate):
    assert estimate.labels.names == NAMES
    assert all(model.labels is estimate.labels for model in estimate.models.values())
    assert fit_parafac(series(), 1, n_starts=1, random_state=0).model.labels.names == NAMES
    assert AutoTen(**QUICK).fit(data_array()).model_.labels.names == NAMES


def test_a_factor_as_a_frame(estimate):
    frame = estimate.model.to_frame("time")
    assert frame.index.name == "time"
    assert frame.columns.tolist() == [1, 2]
    np.testing.assert_array_equal(frame.to_numpy(), estimate.model.factors[1])
    np.testing.assert_array_equal(frame.loc["2021-03"].to_numpy().ravel(), estimate.model.factors[1][2])
    assert estimate.model.to_frame(2).index.tolist() == list(range(8))
    assert estimate.model.to_frame(-1).index.name == "sensor"
    with pytest.raises(ValueError, match=r"^mode must be one of \['sample', 'time', 'sensor'\]\. Got 'times'\.$"):
        estimate.model.to_frame("times")


def test_a_factor_without_labels_as_a_frame():
    frame = CPModel(np.ones(2), [np.eye(n)[:, :2] for n in (3, 4, 5)]).to_frame(1)
    assert (frame.index.name, frame.index.tolist(), frame.columns.tolist()) == ("mode 1", [0, 1, 2, 3], [1, 2])


def test_labels_stay_with_a_model_that_is_changed(estimate):
    model = estimate.model
    for changed in (model.normalized(), model.scaled(2.0), model.scaled(1e308), model.rows([slice(None)] * 3)):
        assert changed.labels.names == NAMES
    part = model.rows([np.array([1, 3]), slice(2, 4), slice(None)])
    assert part.to_frame(0).index.tolist() == ["s1", "s3"]
    np.testing.assert_array_equal(part.labels.indices[1], TIMES[2:4])
    assert model.labelled(None).labels is None


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"^the labels of a CP model must be .* of shape \(3, 4\)\. Got 2 names"):
        CPModel(np.ones(1), [np.ones((3, 1)), np.ones((4, 1))], Labels(("a", "b"), (np.arange(2), None)))
    with pytest.raises(ValueError, match="Got 1 names"):
        CPModel(np.ones(1), [np.ones((3, 1)), np.ones((4, 1))], Labels(("a",), (None,)))


def test_preprocessing_keeps_labels():
    for labelled in (data_array(), series()):
        prepared = preprocess.scale(preprocess.center(labelled, 0), 2)
        assert prepared.steps == ("centred across mode 0", "scaled within mode 2")
        assert prepared.labels.names == NAMES
        np.testing.assert_array_equal(prepared.X, preprocess.scale(preprocess.center(X, 0), 2).X)
        assert fit_parafac(prepared, 1, n_starts=1, random_state=0).model.labels.names == NAMES


def test_saving_keeps_labels(estimate, tmp_path):
    estimate.save(tmp_path / "estimate.npz")
    loaded = load(tmp_path / "estimate.npz")
    assert loaded.labels.names == NAMES
    for ours, theirs in zip(estimate.labels.indices, loaded.labels.indices, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.report() == estimate.report()
    pd.testing.assert_frame_equal(loaded.models[3].to_frame("time"), estimate.models[3].to_frame("time"))


def test_the_report_names_modes(estimate):
    assert "5 x 7 x 8 tensor (sample x time x sensor)" in estimate.report()
    assert "sample x time x sensor" in estimate._repr_html_()


def test_warnings_name_what_they_speak_of():
    twins = X.copy()
    twins[3] = twins[1]
    said = estimate_rank(data_array(twins), **QUICK).warnings
    assert any(s.startswith("Mode 0 (sample): slabs 1 (s1) and 3 (s3) are identical") for s in said)
    few = X.copy()
    few[2].flat[2:] = np.nan
    said = estimate_rank(data_array(few), **{**QUICK, "ranks": [3]}).warnings
    assert any(s.startswith("Mode 0 (sample): slab 2 (s2) with as few as 2 observed cells") for s in said)


def test_unlabelled_data_need_neither_pandas_nor_xarray():
    program = (
        "import sys, numpy, autoten\n"
        "X = numpy.random.default_rng(0).random((3, 4, 5))\n"
        "autoten.estimate_rank(X, [1], n_starts=2, n_folds=2, random_state=0).report()\n"
        "assert not {'pandas', 'xarray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
