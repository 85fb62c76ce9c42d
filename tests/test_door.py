"""Whatever people have becomes a tensor, and so does what they have in files: `as_tensor`, `masked`, `read_tensor`."""

from contextlib import nullcontext
from fractions import Fraction
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import scipy.io
import tensorly
from contracts import check_tensor, noisy_tensor, with_holes
from hypothesis import given, settings
from hypothesis import strategies as st

from autoten import AutotenWarning, core_consistency, fit_parafac, masked, read_tensor
from autoten.door import as_tensor
from autoten.preprocess import Preprocessed, center, drop_empty_slabs

SHAPE = (3, 4, 5)


def draw(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).standard_normal(shape)


class Wrapped:
    """Anything that NumPy can convert, such as a torch tensor."""

    def __init__(self, X):
        self.X = X

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.X, dtype=dtype)


# ------------------------------------------------------------------------------------------------- what is accepted


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i2", "u4", "i8", "?", "f2", ">f2", "f4", ">f4", "f8", ">f8", "g"])
def test_every_real_type_in_every_byte_order(dtype):
    X = np.abs(10 * draw()).astype(dtype)
    X[0, 0, 0] = 1
    check_tensor(as_tensor(X), X.astype(float), 1e-9)
    single = X.dtype.kind == "f" and X.dtype.itemsize <= 4
    assert as_tensor(X).values_at(np.arange(60)).dtype == float
    assert as_tensor(X).data.dtype == (np.float32 if single else np.float64)


@pytest.mark.parametrize(
    "view",
    [
        np.asarray,
        np.asfortranarray,
        lambda X: X.transpose(2, 0, 1),
        lambda X: X[::-1, :, ::-1],
        lambda X: X[:, ::2, 1:],
        lambda X: np.broadcast_to(X[:1], X.shape),
        lambda X: X.swapaxes(0, 2)[::-1].astype(">f4"),
        lambda X: np.lib.stride_tricks.sliding_window_view(X, 2, axis=0),
    ],
    ids=["C", "fortran", "transposed", "negative strides", "steps", "broadcast", "all at once", "sliding window"],
)
def test_views_and_other_memory_orders(view):
    X = draw()
    X.flags.writeable = False
    given = view(X)
    before = given.copy()
    check_tensor(as_tensor(given), np.array(given, dtype=float, order="C"), 1e-6 if given.dtype.itemsize == 4 else 1e-9)
    np.testing.assert_array_equal(given, before)
    for sign in (1, -1):  # of the largest entry, which must be found in any layout
        huge = view(np.ldexp(sign * np.abs(X), 100 if given.dtype.itemsize == 4 else 900))
        assert 1e-3 < as_tensor(huge).norm_squared < np.inf


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_memory_maps(tmp_path, order, holes):
    X = with_holes(draw(), holes)
    np.save(tmp_path / "X.npy", np.asarray(X, order=order))
    check_tensor(as_tensor(np.load(tmp_path / "X.npy", mmap_mode="r")), X, 1e-9)
    raw = np.memmap(tmp_path / "raw", dtype="f8", mode="w+", shape=SHAPE)
    raw[:] = X
    check_tensor(as_tensor(raw), X, 1e-9)


@pytest.mark.parametrize("dtype", ["i4", "u1", "f2", "f4", "f8", ">f8"])
def test_nan_and_what_is_masked_are_missing(dtype):
    mask = np.random.default_rng(1).random(SHAPE) < 0.3
    X = (10 * np.abs(draw())).astype(dtype)
    expected = np.where(mask, np.nan, X.astype(float))
    check_tensor(as_tensor(np.ma.masked_array(X, False)), X.astype(float), 1e-9)  # hides nothing
    hidden = [np.ma.masked_array(X, mask), masked(X, ~mask), masked(X, (~mask).astype(int))]
    for data in hidden if X.dtype.kind in "iu" else [*hidden, expected.astype(dtype)]:
        check_tensor(as_tensor(data), expected, 1e-9)


def test_what_a_mask_hides_may_be_anything_and_nan_is_hidden_too():
    X, mask = draw(), np.zeros(SHAPE, dtype=bool)
    X[0, 0, :3], mask[0, 0, :3], X[1, 1, 1] = [np.inf, -np.inf, np.nan], True, np.nan
    before, expected = X.copy(), np.where(mask, np.nan, X)
    for data in (np.ma.masked_array(X, mask), masked(X, ~mask)):
        check_tensor(as_tensor(data), expected, 1e-9)
    twice = masked(np.ma.masked_array(X, mask), np.arange(60).reshape(SHAPE) != 7)
    expected.ravel()[7] = np.nan
    check_tensor(as_tensor(twice), expected, 1e-9)
    twice[2, 2, 2] = np.ma.masked
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("wrap", [Wrapped, tensorly.tensor, np.ndarray.tolist], ids=["__array__", "tensorly", "lists"])
def test_whatever_numpy_converts(wrap):
    check_tensor(as_tensor(wrap(draw())), draw(), 1e-9)


@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_a_preprocessed_tensor(holes):
    prepared = center(with_holes(draw(), holes), 0)
    check_tensor(as_tensor(prepared), prepared.X, 1e-9)
    hidden = np.ma.masked_invalid(prepared.X)
    check_tensor(as_tensor(Preprocessed(hidden, ())), prepared.X, 1e-9)


@pytest.mark.parametrize("shape", [(2, 3, 2, 2, 2, 3), (2,) * 7, (2,) * 9])
@pytest.mark.parametrize("holes", [0.0, 0.1, 0.5])
def test_orders_above_five(shape, holes):
    exact = with_holes(noisy_tensor(shape, 1, noise=0.0), holes)
    assert as_tensor(exact).shape == shape
    assert fit_parafac(exact, 1, n_starts=3, random_state=0).loss < 1e-12


@pytest.mark.parametrize("missing", [None, pd.NA], ids=str)
@pytest.mark.parametrize("number", [float, int, Fraction, np.float32, bool])
def test_none_is_missing(missing, number):
    cells = np.array([number(cell % 3) for cell in range(60)], dtype=object).reshape(SHAPE)
    expected = cells.astype(float)
    cells[1, 2, 3], expected[1, 2, 3] = missing, np.nan
    for data in (cells, cells.tolist(), list(cells)):
        check_tensor(as_tensor(data), expected, 1e-9)
    np.testing.assert_array_equal(center(cells, 0).X, center(expected, 0).X)


def test_matrices_in_a_list_are_stacked_with_what_their_masks_hide():
    X = draw()
    hidden = X > 1
    whole = np.ma.masked_array(X, hidden)
    matrices = [np.ma.masked_array(part, mask) for part, mask in zip(X, hidden, strict=True)]
    for data in (matrices, tuple(matrices), [*matrices[:-1], np.where(hidden[-1], np.nan, X[-1])]):
        assert as_tensor(data).hidden.tolist() == np.flatnonzero(hidden).tolist()
        np.testing.assert_array_equal(center(data, 0).X, center(whole, 0).X)
    assert as_tensor(list(X)).hidden.size == 0
    for data in ([list(part) for part in whole], [[list(row) for row in part] for part in whole]):
        assert as_tensor(data).hidden.tolist() == np.flatnonzero(hidden).tolist()


# ------------------------------------------------------------------------------------------------------------ scale


@settings(max_examples=20)
@given(st.integers(-1060, 1000), st.integers(0, 100), st.sampled_from([0.0, 0.3]))
def test_scale_times_values_is_always_the_data(power, seed, holes):
    X = with_holes(np.ldexp(draw(seed), power), holes)
    tensor = as_tensor(X)
    assert as_tensor(tensor) is tensor
    assert np.log2(tensor.scale) % 1 == 0  # not a bit of a mantissa differs
    observed = np.flatnonzero(~np.isnan(X))
    np.testing.assert_array_equal(np.ldexp(tensor.values_at(observed), int(np.log2(tensor.scale))), X.ravel()[observed])
    assert 0 < tensor.norm_squared < np.inf


@pytest.mark.parametrize(
    ("size", "dtype"), [(1e150, "f8"), (1e-150, "f8"), (1e-300, "f8"), (1e30, "f4"), (1e-30, "f4")]
)
def test_data_of_any_size_have_the_loss_and_scores_of_their_plain_twin(size, dtype):
    X = noisy_tensor((6, 7, 8), 3, noise=0.1, missing=0.1)
    data = (X * size).astype(dtype)
    plain, fit = (fit_parafac(Y, 3, n_starts=3, random_state=0) for Y in (X, data))
    rtol = 1e-6 if dtype == "f4" else 1e-9
    assert fit.loss == pytest.approx(plain.loss, rel=10 * rtol)
    np.testing.assert_allclose(fit.model.weights, plain.model.weights * size, rtol=1e-3)
    assert core_consistency(data, fit.model) == pytest.approx(core_consistency(X, plain.model), abs=0.01)


@pytest.mark.parametrize("largest", [1e306, np.finfo(float).tiny])
def test_the_ends_of_the_floating_range(largest):
    fit = fit_parafac(draw() / np.abs(draw()).max() * largest, 2, n_starts=2, random_state=0)
    assert fit.loss == pytest.approx(fit_parafac(draw(), 2, n_starts=2, random_state=0).loss, rel=1e-9)


# ----------------------------------------------------------------------------------------------------------- files


def write(path, **arrays):
    """Write arrays to a file of the kind that the suffix names."""
    if path.suffix == ".npy":
        np.save(path, next(iter(arrays.values())))
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        scipy.io.savemat(path, arrays)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1"])
def test_a_tensor_comes_back_from_a_file(tmp_path, suffix, dtype):
    X = np.abs(10 * draw()).astype(dtype)
    path = write(tmp_path / f"data{suffix}", anything=X)
    in_capitals = write(tmp_path / f"other{suffix}", anything=X).rename(tmp_path / f"other{suffix.upper()}")
    for name in (path, str(path), in_capitals):
        read = read_tensor(name)
        assert (read.shape, read.dtype) == (X.shape, X.dtype)
        np.testing.assert_array_equal(read, X)
    gaps = with_holes(draw(), 0.3)
    np.testing.assert_array_equal(read_tensor(write(path, X=gaps)), gaps)


# Labels with a None among them are saved as a pickle, which is never loaded.
PICKLED = np.array(["a", None, "c"], dtype=object)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npz", {"other": draw(1), "X": draw(), "labels": np.arange(3)}),
        ("a.mat", {"other": draw(1), "X": draw(), "labels": np.arange(3)}),
        ("a.npz", {"wavelengths": np.arange(5.0), "spectra": draw(), "matrix": np.ones((3, 4))}),
        ("a.mat", {"wavelengths": np.arange(5.0), "spectra": draw(), "matrix": np.ones((3, 4))}),
        ("a.npz", {"X": draw(), "labels": PICKLED}),
        ("a.npz", {"names": PICKLED, "spectra": draw(), "dates": PICKLED, "axis": np.arange(5.0)}),
        ("a.mat", {"X": {"data": draw(), "labels": np.arange(3)}}),
        ("a.mat", {"set": {"about": "?", "values": {"cube": draw(), "matrix": np.ones((3, 4))}}, "y": np.arange(3)}),
        ("a.mat", {"X": draw(), "set": {"data": draw(1)}}),
        ("a.mat", {"all": np.array([[(draw(), np.arange(4.0))]], dtype=[("data", object), ("axis", object)])}),
    ],
)
def test_of_several_arrays_x_or_the_only_tensor_is_taken(tmp_path, name, content):
    np.testing.assert_array_equal(read_tensor(write(tmp_path / name, **content)), draw())


@pytest.mark.parametrize(
    ("name", "content", "got"),
    [
        ("a.npz", {"a": np.ones(SHAPE), "b": np.ones(SHAPE)}, r"a \(3, 4, 5\), b \(3, 4, 5\)"),
        ("a.mat", {"a": np.ones(SHAPE), "b": np.ones(SHAPE)}, r"a \(3, 4, 5\), b \(3, 4, 5\)"),
        ("a.npz", {"a": np.ones((3, 4)), "b": np.ones(2)}, r"a \(3, 4\), b \(2,\)"),
        ("a.npz", {}, "nothing"),
        ("a.npz", {"names": PICKLED, "matrix": np.ones((3, 4))}, r"names \(pickled\), matrix \(3, 4\)"),
        ("a.mat", {"X": {"raw": draw(), "clean": draw(), "y": 1}}, r"X.raw \(3, 4, 5\), X.clean \(3, 4, 5\)"),
        ("a.mat", {"s": {"name": "?", "y": np.ones((2, 2))}}, r"s.name \(1,\), s.y \(2, 2\)"),
        ("a.mat", {"runs": [{"data": np.ones((2, 2))}, {"data": np.ones((2, 2))}]}, r"runs \(1, 2\)"),
        (
            "a.mat",
            {"runs": np.array([[(1, 2), (3, 4)]], dtype=[("a", object), ("b", object)])},
            r"runs.a \(1, 2\), runs.b \(1, 2\)",
        ),
    ],
)
def test_a_file_without_one_obvious_tensor_is_refused(tmp_path, name, content, got):
    expected = rf"^{name} must be a file with an array named X or a single array of three or more modes\. Got {got}\.$"
    with pytest.raises(ValueError, match=expected):
        read_tensor(write(tmp_path / name, **content))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat"])
@pytest.mark.parametrize("damage", ["empty", "garbage", "cut short", "pickle"])
def test_a_broken_file_is_refused_in_one_sentence(tmp_path, suffix, damage):
    path = write(tmp_path / f"data{suffix}", X=draw(shape=(20, 20, 20)))
    if damage == "pickle":  # never loaded
        np.savez(path, X=PICKLED) if suffix == ".npz" else np.save(path.open("wb"), PICKLED)
    else:
        content = {"empty": b"", "garbage": b"no tensor at all\n" * 100, "cut short": path.read_bytes()[:999]}[damage]
        path.write_bytes(content)
    sentence = rf"^data\{suffix} (cannot be read as|must be) a \{suffix} file"
    with pytest.raises(ValueError, match=sentence) as caught:
        read_tensor(path)
    assert "\n" not in str(caught.value)
    assert ("pickle" in str(caught.value)) == (damage == "pickle" and suffix != ".mat")


# ------------------------------------------------------------------------------------------------- long .csv tables


def long_table(X, missing="", separator=","):
    """Return the lines of a long table: samples by name, emission in nm, day by date."""
    labels = ("s1", "s2", "s3"), ("300", "305", "310.5", "320"), [f"2024-01-0{day}" for day in range(1, 6)]
    lines = [["sample", "emission", "day", "value"]]
    for cell in np.ndindex(X.shape):
        value = missing if np.isnan(X[cell]) else repr(float(X[cell]))
        lines.append([*(each[n] for each, n in zip(labels, cell, strict=True)), value])
    return [separator.join(line) for line in lines]


@pytest.fixture
def read_lines(tmp_path):
    """Return a function that reads a tensor from the lines of a .csv file."""

    def read(lines):
        (tmp_path / "X.csv").write_text("\n".join(lines), encoding="latin-1")
        return read_tensor(tmp_path / "X.csv")

    return read


def test_a_long_table_is_a_labelled_tensor(read_lines):
    header, *rows = long_table(draw())
    read = read_lines([header, *np.random.default_rng(0).permutation(rows)])
    np.testing.assert_array_equal(read, draw())
    assert (read.shape, read.labels.names) == (SHAPE, ("sample", "emission", "day"))
    assert read.labels.indices[0].tolist() == ["s1", "s2", "s3"]
    assert read.labels.indices[1].tolist() == [300, 305, 310.5, 320]
    model = fit_parafac(read, 1, random_state=0).model
    assert model.labels.names == ("sample", "emission", "day")
    assert model.labels.index(2, 4) == "2024-01-05"


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "nan", None], ids=str)
def test_cells_of_a_long_table_without_a_value_are_missing(read_lines, missing):
    X = with_holes(draw(), 0.3)
    lines = [line for line in long_table(X, missing or "") if missing is not None or not line.endswith(",")]
    expected = (
        pytest.warns(AutotenWarning, match="without a row: taken as missing") if missing is None else nullcontext()
    )
    with expected:
        np.testing.assert_array_equal(read_lines(lines), X)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("spelling", ["byte order mark", "end of line", "quotes", "row numbers", "blank lines"])
def test_spellings_of_a_long_table(tmp_path, separator, spelling):
    lines = long_table(draw(), separator=separator)
    if spelling == "row numbers":
        lines = [f"{n or ''}{separator}{line}" for n, line in enumerate(lines)]
    if spelling == "quotes":
        lines = [separator.join(f'"{word}"' for word in line.split(separator)) for line in lines]
    if spelling == "blank lines":
        lines = [*lines[:9], "", *lines[9:], separator * 3, ""]
    text = ("\r\n" if spelling == "end of line" else "\n").join(lines).encode()
    (tmp_path / "X.csv").write_bytes(b"\xef\xbb\xbf" * (spelling == "byte order mark") + text)
    read = read_tensor(tmp_path / "X.csv")
    assert read.labels.names == ("sample", "emission", "day")
    np.testing.assert_array_equal(read, draw())


def test_a_long_table_is_what_pandas_makes_of_it(tmp_path):
    frame = pd.read_csv(StringIO("\n".join(long_table(with_holes(draw(), 0.2)))))
    frame = frame.sample(frac=1, random_state=0)
    series = frame.set_index(["sample", "emission", "day"])["value"]
    theirs = drop_empty_slabs(series)
    for written, options in ((frame, {"index": False}), (frame, {}), (series, {})):
        written.to_csv(tmp_path / "X.csv", **options)
        X = read_tensor(tmp_path / "X.csv")
        np.testing.assert_array_equal(X, theirs)
        assert X.labels.agree_with(theirs.labels)


LONG = "must be a table with a row for each cell: its label in each mode, then its value, below a header of names. Got "
MANY = [f"{n % 1300},{n // 4},{n // 4},1" for n in range(5200)]  # span more than 2**31 cells


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: [], f"X.csv {LONG}0 rows below the header (nothing)."),
        (lambda lines: lines[:1], f"X.csv {LONG}0 rows below the header sample, emission, day, value."),
        (lambda lines: lines[1:], f"X.csv {LONG}59 rows below the header s1, 300, 2024-01-01, "),
        (lambda lines: ["a,b,c", "1,2,3"], f"X.csv {LONG}1 row below the header a, b, c."),
        (
            lambda lines: ["a,b,c,d", *(f"{i},{i + 0.5},{i + 0.1},{i}" for i in range(30))],
            f"X.csv {LONG}30 rows whose labels span shape (30, 30, 30).",
        ),
        (
            lambda lines: ["a,b,c,d", *MANY],
            "X.csv must be a table whose labels span at most 2147483648 cells. Got shape (1300, 1300, 1300).",
        ),
        (
            lambda lines: [*lines, lines[7]],
            "X.csv must be a table that lists each cell once. Got 1 repeated row. Sum or",
        ),
        (lambda lines: [*lines, "s1,300,2024-01-09"], "line 62 of X.csv must be 4 fields. Got 3."),
        (
            lambda lines: [*lines, "s1,300,2024-01-09,low"],
            "the field value in line 62 of X.csv must be a number, with a decimal point, or blank where the cell is "
            "missing. Got low.",
        ),
        (
            lambda lines: [*lines, "s1,,2024-01-09,1"],
            "the column emission in X.csv must be labelled in every row. Got 1 blank field.",
        ),
        (
            lambda lines: ["day,emission,day,value", *lines[1:]],
            "the header of X.csv must be names that differ. Got day, emission, day, value.",
        ),
        (lambda lines: ["\xff", *lines], "X.csv cannot be read as a .csv file: UnicodeDecodeError: "),
    ],
)
def test_what_is_no_long_table_is_refused_in_one_sentence(read_lines, change, sentence):
    with pytest.raises(ValueError) as caught:
        read_lines(change(long_table(draw())))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
