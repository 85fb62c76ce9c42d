"""Ways in: long tables of any package, and labels for plain arrays."""

import datetime as dt
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from autoten import AutotenWarning, estimate_rank, from_table, labelled, load, read_tensor
from autoten.datasets import make_count_tensor
from autoten.frames import FEW_CELLS

MODES = ["airline", "origin", "hour"]
EVENTS = {
    "airline": ["UA", "B6", "UA", "UA", "AA"],
    "origin": ["EWR", "JFK", "EWR", "JFK", "EWR"],
    "hour": [6, 6, 6, 9, 22],
    "delay": [12.0, -3.0, 0.5, 4.0, None],
}
COUNTS = np.zeros((3, 2, 3))
COUNTS[2, 0, 0], COUNTS[1, 1, 0], COUNTS[2, 1, 1], COUNTS[0, 0, 2] = 2, 1, 1, 1
FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "lazy": pl.LazyFrame}


@pytest.fixture(params=[*FRAMES, "csv", "parquet"])
def table(request, tmp_path):
    """Return a function from columns and options to a tensor, for every kind of table."""

    def read(columns, modes, values=None, unlisted=None):
        if request.param in FRAMES:
            return from_table(FRAMES[request.param](columns), modes, values, unlisted=unlisted)
        path = tmp_path / f"X.{request.param}"
        getattr(pl.DataFrame(columns), f"write_{request.param}")(path)
        return read_tensor(path, modes=modes, values=values, unlisted=unlisted)

    return read


def test_events_are_counted(table):
    X = table(EVENTS, MODES)
    np.testing.assert_array_equal(X, COUNTS)
    assert X.labels.names == tuple(MODES)
    assert [labels.tolist() for labels in X.labels.indices] == [["AA", "B6", "UA"], ["EWR", "JFK"], [6, 9, 22]]


def test_values_are_summed_or_missing_as_said(table):
    sums = np.zeros((3, 2, 3))
    sums[2, 0, 0], sums[1, 1, 0], sums[2, 1, 1], sums[0, 0, 2] = 12.5, -3, 4, np.nan
    np.testing.assert_array_equal(table(EVENTS, MODES, "delay", "zero"), sums)
    once = {name: column[1:] for name, column in EVENTS.items()}
    listed = np.where(COUNTS > 0, sums, np.nan)
    listed[2, 0, 0] = 0.5
    np.testing.assert_array_equal(table(once, MODES, "delay", "missing"), listed)


def test_where_every_combination_is_listed_nothing_need_be_said(table):
    places = np.indices((2, 3, 4)).reshape(3, -1)
    columns = {name: place.tolist() for name, place in zip("abc", places, strict=True)} | {"x": list(range(24))}
    np.testing.assert_array_equal(table(columns, list("cab"), "x"), np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1))
    fewer = {name: column[1:] for name, column in columns.items()}
    with pytest.raises(ValueError, match=r"^unlisted of \w+ must be 'zero' or 'missing', .* Got 23 rows for 24 comb"):
        table(fewer, list("abc"), "x")


def test_a_cell_that_is_listed_twice_where_nobody_looked(table):
    with pytest.raises(ValueError, match=r"a table that lists each cell once\. Got 1 repeated row\. Sum or average"):
        table(EVENTS, MODES, "delay", "missing")


# ------------------------------------------------------------------------------------------------------------- labels

DAYS = ["Mon", "Tue", "Wed", "Sun"]
DATES = [dt.date(2024, 1, 2), dt.date(2023, 12, 31)]
OWN = {
    "enum": (pl.Series(["Wed", "Tue"], dtype=pl.Enum(DAYS)), ["Tue", "Wed"]),
    "categories": (pd.Categorical(["Wed", "Mon"], categories=DAYS), ["Mon", "Wed"]),
    "ordered categories": (pd.Categorical(["low", "high"], ["low", "mid", "high"], ordered=True), ["low", "high"]),
    "categories that are numbers": (pd.Categorical([3, 1], categories=[3, 2, 1]), [3, 1]),
    "polars categories": (pl.Series(["Wed", "Mon"], dtype=pl.Categorical), ["Mon", "Wed"]),
    "dates": (pl.Series(DATES), DATES[::-1]),
    "dates as objects": (pd.Series(DATES, dtype=object), DATES[::-1]),
    "times of whole days": (pd.to_datetime(DATES), DATES[::-1]),
    "times": (
        pd.to_datetime(["2024-01-01 05:30", "2024-01-01 00:00"]),
        [dt.datetime(2024, 1, 1, h, 6 * h) for h in (0, 5)],
    ),
    "times of the day": (pl.Series([dt.time(9), dt.time(8)]), ["08:00:00", "09:00:00"]),
    "periods": (pd.period_range("2024-01", periods=2, freq="M")[::-1], ["2024-01", "2024-02"]),
    "ranges": (pd.cut([7.0, 1.0], [0, 5, 10]), ["(0, 5]", "(5, 10]"]),
    "yes and no": (pd.Series([True, False]), [False, True]),
    "whole numbers that may be missing": (pd.array([10, 9], dtype="Int64"), [9, 10]),
    "texts of another package": (pd.array(["b", "a"], dtype="string"), ["a", "b"]),
    "pairs": (pd.Series([(2, 1), (1, 2)]), ["1 / 2", "2 / 1"]),
    "dates and numbers": (pd.Series([2, dt.date(2024, 1, 1)], dtype=object), ["2", "2024-01-01"]),
    "numbers of any size": (pd.Series([2**70, 1], dtype=object), ["1", str(2**70)]),
    "of two kinds": (pd.Series(["a", 1], dtype=object), ["1", "a"]),
    "wavelengths": (pl.Series([300.5, 300.0]), [300.0, 300.5]),
}


@pytest.mark.parametrize("kind", OWN)
def test_labels_are_sorted_or_in_the_order_of_their_own(kind):
    column, expected = OWN[kind]
    frame = (pl if isinstance(column, pl.Series) else pd).DataFrame({"a": column, "b": [1, 2], "c": [1, 2]})
    labels = from_table(frame, ["b", "c", "a"]).labels.indices[2]
    assert labels.tolist() == expected
    assert labels.dtype.kind in "biufMU"


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (pd.DataFrame({"a": ["x", None], "b": [1, 2], "c": [1, 2]}), "a"),
        (pl.DataFrame({"a": ["x", None], "b": [1, 2], "c": [1, 2]}), "a"),
        (pl.DataFrame({"a": [1, 2], "b": [1, None], "c": [1, 2]}), "b"),
        (pl.DataFrame({"a": [1, 2], "b": [1, 2], "c": [1.5, np.nan]}), "c"),
        (pd.DataFrame({"a": pd.to_datetime(["2024-01-01", None]), "b": [1, 2], "c": [1, 2]}), "a"),
        (pd.DataFrame({"a": pd.Categorical(["x", None]), "b": [1, 2], "c": [1, 2]}), "a"),
    ],
)
def test_a_blank_label_is_refused(frame, name):
    sentence = rf"^the column {name} in the frame must be labelled in every row\. Got 1 blank field\. Drop these rows"
    with pytest.raises(ValueError, match=sentence):
        from_table(frame, ["a", "b", "c"])


@pytest.mark.parametrize("dtype", ["i2", "u1", "f4", "?", "Int64", "Float32", "boolean"])
def test_values_of_every_kind(dtype):
    values = pd.Series([1, 0, 1, 1]).astype(dtype)
    if dtype[0].isupper() or dtype == "boolean":
        values[1] = pd.NA
    frame = pd.DataFrame({"a": [1, 2, 1, 2], "b": [1, 2, 2, 1], "c": [1, 2, 2, 2], "x": values})
    X = from_table(frame, ["a", "b", "c"], "x", unlisted="missing").X
    assert np.isnan(X[1, 1, 1]) == (values.isna().any())
    assert np.nansum(X) == 3
    assert X.dtype == (np.float32 if dtype in ("f4", "Float32") else np.float64)


# ------------------------------------------------------------------------------------------------------------- sparse


def test_many_cells_of_which_few_are_listed_stay_sparse_and_labelled(tmp_path):
    rng = np.random.default_rng(0)
    lengths = (40, 200, 400)
    rates = sum(np.einsum("i,j,k->ijk", *(rng.gamma(0.3, 1.0, n) for n in lengths)) for _ in range(2))
    X = rng.poisson(rates * 30000 / rates.sum())
    places = np.repeat(np.argwhere(X), X[X > 0], axis=0)
    shuffled = rng.permutation(places)
    frame = pl.DataFrame({"person": shuffled[:, 0], "place": shuffled[:, 1], "day": shuffled[:, 2]})
    frame = frame.with_columns(pl.format("p{}", "person").alias("person"))
    given = from_table(frame, ["person", "place", "day"])
    assert X.size > FEW_CELLS
    assert scipy.sparse.issparse(given.X)
    assert given.X.sum() == len(places)
    order = [int(name[1:]) for name in given.labels.indices[0]]
    np.testing.assert_array_equal(np.asarray(given), X[np.ix_(order, *given.labels.indices[1:])])
    estimate = estimate_rank(given, [1, 2], n_starts=2, n_folds=2, n_splits=1, random_state=0)
    assert "3 " not in estimate.report()[:5]
    assert "person x place x day" in estimate.report()
    assert estimate.model.top("person", 1)[1][0][0].startswith("p")
    estimate.save(tmp_path / "estimate")
    estimate.to_html(tmp_path / "page.html")
    assert load(tmp_path / "estimate").labels.agree_with(given.labels)


def test_a_span_that_no_memory_holds_is_sparse():
    n = 2000
    frame = pl.DataFrame({name: np.arange(n) for name in "abcd"})
    X = from_table(frame, list("abcd")).X
    assert (X.shape, X.nnz) == ((n,) * 4, n)
    with pytest.raises(ValueError, match=r"Got shape \(2000, 2000, 2000\)\. Where .*unlisted='zero'"):
        from_table(frame, list("abc"), "d", unlisted="missing")


def test_flights_as_events_and_as_a_table(real_data):
    arrays = real_data("nycflights13")
    coords, n_flights = arrays["coords"], arrays["vals"].astype(int)
    names = ["day", "hour", "origin", "dest", "carrier"]
    columns = {"day": np.datetime64("2013-01-01") + coords[:, 0], "hour": coords[:, 1]}
    columns |= {name: arrays[f"{name}s"][coords[:, n]] for n, name in enumerate(names) if n > 1}
    listed = pl.DataFrame(columns | {"n": n_flights})
    events = listed.select(pl.exclude("n").repeat_by("n")).explode(pl.all()).sample(fraction=1.0, shuffle=True, seed=0)
    assert len(events) == n_flights.sum()
    counts, sums = from_table(events, names), from_table(listed, names, "n", unlisted="zero")
    assert counts.labels.index(0, 0) == "2013-01-01"
    assert counts.labels.agree_with(sums.labels)
    assert (counts.X != sums.X).nnz == 0
    full = scipy.sparse.coo_array((n_flights, tuple(coords.T)), shape=tuple(arrays["shape"]))
    assert counts.X.sum() == full.sum()
    few = ["origin", "carrier", "hour"]
    hourly = from_table(events, few)
    assert isinstance(hourly.X, np.ndarray)
    assert hourly.shape == (3, 16, len(np.unique(coords[:, 1])))
    missing = from_table(events.group_by(few).len("n"), few, "n", unlisted="missing")
    assert np.isnan(missing.X).sum() == (hourly.X == 0).sum() > 0
    np.testing.assert_array_equal(np.nan_to_num(missing.X), hourly.X)


# -------------------------------------------------------------------------------------------------------------- files


def test_a_parquet_file_as_a_whole_is_read_like_a_csv_file(tmp_path):
    X = make_count_tensor((3, 4, 5), 2, 600, random_state=0).X
    places = np.indices(X.shape).reshape(3, -1)
    days = [dt.date(2024, 1, 1 + day) for day in places[2]]
    frame = pl.DataFrame({"x": np.array(list("abc"))[places[0]], "y": places[1], "z": days, "n": X.ravel()})
    frame.write_csv(tmp_path / "X.csv")
    frame.write_parquet(tmp_path / "X.parquet")
    for name in ("X.csv", "X.parquet"):
        read = read_tensor(tmp_path / name)
        np.testing.assert_array_equal(read, X)
        assert read.labels.names == ("x", "y", "z")
        assert np.isnan(read_tensor(tmp_path / name, modes=["x", "y", "z"], values="n").X).sum() == 0
    assert read_tensor(tmp_path / "X.parquet").labels.index(2, 0) == "2024-01-01"


def test_a_parquet_file_that_nothing_can_read(tmp_path, monkeypatch):
    (tmp_path / "X.parquet").write_bytes(b"PAR1 or not")
    with pytest.raises(ValueError, match=r"^X\.parquet cannot be read as a \.parquet file: "):
        read_tensor(tmp_path / "X.parquet")
    monkeypatch.setattr("autoten.files.find_spec", lambda name: None)
    with pytest.raises(
        ImportError, match=r"^A \.parquet file needs polars\. Install it with `pip install 'autoten\[tab"
    ):
        read_tensor(tmp_path / "X.parquet")


def test_columns_of_a_file_that_is_no_table(tmp_path):
    np.save(tmp_path / "X.npy", COUNTS)
    for option in ({"modes": MODES}, {"values": "n"}, {"unlisted": "zero"}):
        with pytest.raises(
            ValueError, match=r"^the file must be one of \.csv, \.parquet where modes, .* Got X\.npy\.$"
        ):
            read_tensor(tmp_path / "X.npy", **option)


def test_columns_of_a_csv_file_may_be_chosen(tmp_path):
    lines = [",airline,origin,note,hour,n", "0,UA,EWR,late,6,2", "1,B6,JFK,,6,1", "2,UA,JFK,,9,1", "3,AA,EWR,,22,1"]
    (tmp_path / "X.csv").write_text("\n".join(lines), encoding="utf-8")
    X = read_tensor(tmp_path / "X.csv", modes=MODES, values="n", unlisted="zero")
    np.testing.assert_array_equal(X, COUNTS)
    with pytest.warns(
        AutotenWarning, match=r"^Every cell that X\.csv lists is counted once\. Did you mean values='n'\?$"
    ):
        once = read_tensor(tmp_path / "X.csv", modes=MODES)
    np.testing.assert_array_equal(once, np.minimum(COUNTS, 1))
    whole = read_tensor(tmp_path / "X.csv", values="hour", unlisted="zero", modes=["airline", "origin", "n"])
    assert whole.labels.names == ("airline", "origin", "n")
    with pytest.raises(ValueError, match=r"^the field note in line 2 of X\.csv must be a number, .* Got late\.$"):
        read_tensor(tmp_path / "X.csv", modes=MODES, values="note", unlisted="zero")
    with pytest.raises(ValueError, match=r"^modes of read_tensor must be out of the columns airline, .* Got 'day'\.$"):
        read_tensor(tmp_path / "X.csv", modes=["airline", "origin", "day"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_of_events_without_modes_is_asked_for_them(kind, tmp_path):
    path = tmp_path / f"X.{kind}"
    getattr(pl.DataFrame(EVENTS | {"day": list("abcde")}), f"write_{kind}")(path)
    with pytest.raises(
        ValueError, match=r" Got 5 rows .*, day\. Where each row is an event, name .* modes=\[.*--modes "
    ):
        read_tensor(path)
    getattr(pl.DataFrame({name: EVENTS[name] * 9 for name in MODES} | {"day": [1] * 45}), f"write_{kind}")(path)
    with pytest.raises(ValueError, match=r" repeated rows\. .* name modes and no values where rows are events\.$"):
        read_tensor(path)


def test_counts_of_rows_are_doubted_only_where_values_may_be_meant(table):
    listed = {name: column[1:] for name, column in EVENTS.items()}
    with pytest.warns(AutotenWarning, match=r" is counted once\. Did you mean values='delay'\?$"):
        table(listed, MODES)
    table({name: listed[name] for name in MODES}, MODES)
    table(listed | {"delay": list("abcd")}, MODES)
    table(EVENTS, MODES)


# ----------------------------------------------------------------------------------------------- labels of plain arrays


@pytest.mark.parametrize("kind", [np.asarray, np.ma.masked_array, np.ndarray.tolist, scipy.sparse.coo_array])
def test_plain_arrays_get_labels(kind):
    X = make_count_tensor((4, 5, 6), 2, 600, random_state=0).X
    given = labelled(kind(X), {"person": list("abcd"), "day": None, "topic": np.arange(6) * 10})
    estimate = estimate_rank(given, [1, 2], n_starts=2, n_folds=2, n_splits=0, random_state=0)
    assert estimate.labels.names == ("person", "day", "topic")
    assert estimate.labels.index(0, 1) == "b"
    np.testing.assert_array_equal(np.asarray(given), X)


def test_narwhals_is_loaded_for_frames_alone():
    assert "narwhals" in sys.modules
    with pytest.raises(TypeError, match=r"^the frame of from_table must be a data frame\. Got dict\."):
        from_table(EVENTS, MODES)
