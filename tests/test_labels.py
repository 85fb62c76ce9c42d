"""Labelled data in, labelled results out: xarray DataArray and pandas Series, and what carries their labels."""

from dataclasses import dataclass

import numpy as np
import pytest

from autoten import (
    ALS,
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
    sample_influence,
    split_half,
    split_half_components,
    weighted,
)
from autoten.datasets import make_cp_tensor, white_noise
from autoten.model import CPModel
from autoten.preprocess import center, drop_empty_slabs, mask_scatter, scale

pd = pytest.importorskip("pandas")
xr = pytest.importorskip("xarray")

X = make_cp_tensor((5, 7, 8), 2, noise=white_noise(20), random_state=0).X
NAMES = ("sample", "time", "sensor")
SAMPLES, TIMES = [f"s{i}" for i in range(5)], np.arange("2021-01", "2021-08", dtype="datetime64[M]")
QUICK = {"ranks": [1, 2, 3], "n_starts": 3, "n_folds": 3, "random_state": 0}
BRIEF = {"n_starts": 1, "n_folds": 2, "n_splits": 0, "random_state": 0}


def data_array(values=X):
    return xr.DataArray(values, dims=NAMES, coords={"sample": SAMPLES, "time": TIMES})


def series(values=X):
    index = pd.MultiIndex.from_product([SAMPLES, TIMES.astype("datetime64[ns]"), range(10, 18)], names=NAMES)
    return pd.Series(values.ravel(), index)


def split(labelled):
    """Return the numbers of data without empty slabs, as they are, and their labels."""
    whole = drop_empty_slabs(labelled)
    assert whole.steps == ()
    return whole.X, whole.labels


@pytest.fixture(scope="module")
def estimate():
    return estimate_rank(data_array(), **QUICK)


# ------------------------------------------------------------------------------------------------------------------ in


def test_a_data_array_is_its_numbers_and_its_labels():
    plain, labels = split(data_array())
    np.testing.assert_array_equal(plain, X)
    assert labels.names == NAMES
    assert labels.indices[0].tolist() == SAMPLES
    assert labels.indices[1].dtype.kind == "M"
    assert labels.indices[2] is None


def test_what_has_no_labels_has_none():
    for plain in (X, np.ma.masked_array(X), X.tolist()):
        assert split(plain)[1] is None


def test_rows_of_a_series_may_come_in_any_order_and_not_all():
    plain, labels = split(series().sample(frac=1.0, random_state=0))
    np.testing.assert_array_equal(plain, X)
    assert labels.names == NAMES
    assert labels.indices[2].tolist() == list(range(10, 18))
    # What it does not list is missing, and so is NaN; labels that no row uses are no indices.
    values = X.copy()
    values[0, 0, 0] = np.nan
    listed = series(values).drop(("s1", TIMES[2], 13))
    values[1, 2, 3] = np.nan
    np.testing.assert_array_equal(split(listed)[0], values)
    assert split(series()[lambda s: s.index.get_level_values("sample") != "s4"])[0].shape == (4, 7, 8)


@pytest.mark.parametrize("dtype", ["i2", "f4", "Int64", "Float32", "boolean"])
def test_numbers_of_every_kind(dtype):
    whole = (np.arange(X.size).reshape(X.shape) % 5 > 2).astype(int)
    listed, expected = series(whole).astype(dtype), whole.astype(float)
    if dtype[0].isupper():
        listed.iloc[3], expected.flat[3] = pd.NA, np.nan
    np.testing.assert_array_equal(split(listed)[0], expected)


def test_labels_of_any_kind_become_numbers_dates_or_texts():
    periods = pd.period_range("2020-01", periods=5, freq="M")
    groups = pd.Categorical(["b", "a", "c"])
    index = pd.MultiIndex.from_product([periods, groups, [(1, 2), (3, 4)]])
    _, labels = split(pd.Series(np.arange(30.0), index))
    assert labels.names == ("mode 0", "mode 1", "mode 2")
    assert labels.indices[0].tolist()[:2] == ["2020-01", "2020-02"]
    assert labels.indices[2].tolist() == ["1 / 2", "3 / 4"]
    assert all(names.dtype.kind in "iufMU" for names in labels.indices)


def test_frames_and_lists_of_tables_as_the_refusals_say():
    long, wide = series().rename("value").reset_index(), series().unstack("sensor")
    tables = [pd.DataFrame(part, TIMES, range(10, 18)) for part in X]
    np.testing.assert_array_equal(split(long.set_index(list(NAMES))["value"])[0], X)
    np.testing.assert_array_equal(split(tables)[0], X)
    np.testing.assert_array_equal(split(pd.concat(dict(enumerate([*tables[1:], tables[0]]))).stack())[0][4], X[0])
    plain, labels = split(wide.stack())
    np.testing.assert_array_equal(plain, X)
    assert labels.names == NAMES


def test_noise_may_come_as_a_table():
    noise = pd.DataFrame(np.arange(1.0, 57.0).reshape(7, 8), TIMES)
    np.testing.assert_array_equal(weighted(X, noise).noise[2], noise)


# -------------------------------------------------------------------------------------------------------- modes by name


def by_fibres(X, mode):
    return estimate_rank(X, [1], holdout=RandomFibres(mode), **BRIEF).table["heldout"]


def by_centred(X, mode):
    across, along = Centred(RandomElements(), modes=(mode, 1)), Centred(RandomFibres(mode, 0.2), modes=1)
    errors = [
        estimate_rank(center(X, modes), [1], holdout=holdout, **BRIEF).table["heldout"]
        for modes, holdout in (([0, 1], across), (1, along))
    ]
    with pytest.raises(ValueError, match="the hold-out of Centred must be one that leaves cells"):
        estimate_rank(center(X, mode), [1], holdout=Centred(RandomFibres(mode), modes=mode), **BRIEF)
    return errors


def by_hals(X, mode):
    factors = fit_parafac(X, 2, solver=HALS(nonnegative=(mode,)), n_starts=2, random_state=0).model.factors
    return np.concatenate(factors)


def by_solvers(X, mode):
    solvers = (HALS(nonnegative=(mode,)), HALS(nonnegative=(mode, 2)))
    both = estimate_rank(X, [1, 2], solver=solvers, **BRIEF).by_solver.values()
    return np.concatenate([each.table["fit"] for each in both])


def by_halves(X, mode):
    quick = {"n_splits": 1, "n_starts": 2, "random_state": 0, "solver": HALS(nonnegative=(mode, 1))}
    halves = split_half_components(X, 2, mode, **quick)
    assert halves.modes == (1, 2)
    return [*split_half(X, 2, mode, **quick), *halves.worst]


def by_estimator(estimator):
    def fitted(X, mode):
        model = estimator.set_params(mode=mode).fit(X)
        return [*model.transform(split(X)[0][:3]).ravel(), model.score(X)]

    return fitted


ONES = CPModel(np.ones(1), [np.ones((n, 1)) for n in (5, 7, 8)])
BY_MODE = {
    "center": lambda X, mode: center(X, [mode, 2]).X,
    "scale": lambda X, mode: scale(X, mode).X,
    "mask_scatter": lambda X, mode: mask_scatter(X, range(300, 308), range(290, 295), 7.5, modes=(2, mode)).X,
    "RandomFibres": by_fibres,
    "Centred": by_centred,
    "HALS": by_hals,
    "several solvers": by_solvers,
    "split_half": by_halves,
    "sample_influence": lambda X, mode: sample_influence(X, ONES, mode),
    "CP": by_estimator(CP(2, n_starts=2, random_state=0)),
    "AutoTen": by_estimator(AutoTen([1, 2], **BRIEF)),
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


@dataclass(frozen=True)
class Own:
    """A user's solver, whose texts name no modes."""

    seen: set
    kind: str = "time"
    compress = False

    def fit(self, tensor, start, **options):
        self.seen.add((id(self), self.kind))
        return ALS().fit(tensor, start, **options)


def test_a_record_of_ones_own_stays_what_it_is():
    own = Own(set())
    estimate_rank(data_array(), [1], solver=own, **BRIEF)
    assert own.seen == {(id(own), "time")}


# ----------------------------------------------------------------------------------------------------------------- out


def test_labelled_data_have_the_answer_of_their_numbers(estimate):
    plain, listed = estimate_rank(X, **QUICK), estimate_rank(series(), **QUICK)
    for name in plain.table.replicates:
        np.testing.assert_array_equal(estimate.table[name], plain.table[name])
        np.testing.assert_array_equal(listed.table[name], plain.table[name])
    assert plain.labels is None
    assert core_consistency(data_array(), plain.model) == core_consistency(X, plain.model)
    named, numbered = (sample_influence(X, estimate.models[2], mode) for mode in ("time", 1))
    np.testing.assert_array_equal(named, numbered)


def test_every_model_has_the_labels(estimate):
    assert estimate.labels.names == NAMES
    assert all(model.labels is estimate.labels for model in estimate.models.values())
    assert fit_parafac(series(), 1, n_starts=1, random_state=0).model.labels.names == NAMES
    assert AutoTen([1], **BRIEF).fit(data_array()).model_.labels.names == NAMES


def test_a_factor_as_a_frame(estimate):
    frame = estimate.model.to_frame("time")
    assert frame.index.name == "time"
    assert frame.columns.tolist() == [1, 2]
    np.testing.assert_array_equal(frame.to_numpy(), estimate.model.factors[1])
    np.testing.assert_array_equal(frame.loc["2021-03"].to_numpy().ravel(), estimate.model.factors[1][2])
    assert estimate.model.to_frame(2).index.tolist() == list(range(8))
    assert estimate.model.to_frame(-1).index.name == "sensor"
    unlabelled = ONES.to_frame(1)
    assert (unlabelled.index.name, unlabelled.index.tolist(), unlabelled.columns.tolist()) == (
        "mode 1",
        [*range(7)],
        [1],
    )
    with pytest.raises(ValueError, match=r"^mode must be one of \['sample', 'time', 'sensor'\]\. Got 'times'\.$"):
        estimate.model.to_frame("times")


def test_labels_stay_with_a_model_that_is_changed(estimate):
    model = estimate.model
    for changed in (model.normalized(), model.scaled(2.0), model.scaled(1e308), model.rows([slice(None)] * 3)):
        assert changed.labels.names == NAMES
    part = model.rows([np.array([1, 3]), slice(2, 4), slice(None)])
    assert part.to_frame(0).index.tolist() == ["s1", "s3"]
    np.testing.assert_array_equal(part.labels.indices[1], TIMES[2:4])
    assert model.labelled(None).labels is None


@pytest.mark.parametrize("noise", [None, 1.0], ids=["plain", "weighted"])
def test_preprocessing_and_weights_keep_labels(noise):
    for labelled in (data_array(), series()):
        prepared = scale(center(labelled, "sample"), 2)
        assert prepared.steps == ("centred across mode 0 (sample)", "scaled within mode 2 (sensor)")
        assert prepared.labels.names == NAMES
        np.testing.assert_array_equal(prepared.X, scale(center(X, 0), 2).X)
        given = prepared if noise is None else weighted(prepared, noise)
        assert fit_parafac(given, 1, n_starts=1, random_state=0).model.labels.names == NAMES
        np.testing.assert_array_equal(
            by_fibres(given, "time"), by_fibres(prepared.X if noise is None else weighted(prepared.X, noise), 1)
        )


def test_saving_keeps_labels(estimate, tmp_path):
    estimate.save(tmp_path / "estimate.npz")
    loaded = load(tmp_path / "estimate.npz")
    assert loaded.labels.names == NAMES
    for ours, theirs in zip(estimate.labels.indices, loaded.labels.indices, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.report() == estimate.report()
    pd.testing.assert_frame_equal(loaded.models[3].to_frame("time"), estimate.models[3].to_frame("time"))


def test_the_report_and_warnings_name_what_they_speak_of(estimate):
    assert "5 x 7 x 8 tensor (sample x time x sensor)" in estimate.report()
    assert "sample x time x sensor" in estimate._repr_html_()
    odd = X.copy()
    odd[3], odd[2].flat[2:] = odd[1], np.nan
    said = estimate_rank(data_array(odd), [3], holdout=RandomFibres("time"), policy=lambda table: 3, **BRIEF)
    assert "RandomFibres(mode='time', share=0.1)" in said.report()
    for beginning in (
        "Mode 0 (sample): slabs 1 (s1) and 3 (s3) are identical",
        "Mode 0 (sample): slab 2 (s2) with as few as 2 observed cells",
    ):
        assert any(warning.startswith(beginning) for warning in said.warnings)
