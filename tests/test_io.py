"""as_tensor, masked and read_tensor: every kind of input, and a sentence for every unsuitable one."""

import re
from fractions import Fraction
from io import StringIO
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
import tensorly
from contracts import check_tensor, draw_factors, noisy_tensor, with_holes
from hypothesis import given, settings
from hypothesis import strategies as st

from autoten import core_consistency, fit_parafac, masked, read_tensor
from autoten.door import _largest_magnitude, as_tensor
from autoten.labels import split_labels
from autoten.preprocess import Preprocessed, center

SHAPE = (3, 4, 5)


def draw(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).standard_normal(shape)


class Wrapped:
    """Anything that NumPy can convert, such as a torch tensor."""

    def __init__(self, X):
        self.X = X

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.X, dtype=dtype)


class Unwilling:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("can't convert cuda:0 device type tensor to numpy")


# ------------------------------------------------------------------------------------------------- what is accepted


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", ">i2", "u4", "i8", "?", "f2", ">f2", "f4", ">f4", "<f4", "f8", ">f8", "<f8", "g"]
)
def test_every_real_type_in_every_byte_order(dtype):
    X = np.abs(10 * draw()).astype(dtype)
    X[0, 0, 0] = 1
    check_tensor(as_tensor(X), X.astype(float), 1e-9)
    single = X.dtype.kind == "f" and X.dtype.itemsize <= 4
    assert as_tensor(X).data.dtype == (np.float32 if single else np.float64)


@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray,
        lambda X: X.transpose(2, 0, 1),
        lambda X: X[::-1, :, ::-1],
        lambda X: X[:, ::2, 1:],
        lambda X: np.broadcast_to(X[:1], X.shape),
        lambda X: X.swapaxes(0, 2)[::-1].astype(">f4"),
        lambda X: np.lib.stride_tricks.sliding_window_view(X, 2, axis=0),
    ],
    ids=["fortran", "transposed", "negative strides", "steps", "broadcast", "all at once", "sliding window"],
)
def test_views_and_other_memory_orders(view):
    X = view(draw())
    before = X.copy()
    check_tensor(as_tensor(X), np.array(X, dtype=float, order="C"), 1e-6 if X.dtype.itemsize == 4 else 1e-9)
    np.testing.assert_array_equal(X, before)


def test_a_view_of_a_read_only_array():
    X = draw()
    X.flags.writeable = False
    for source in (X, X[:, ::-1], np.asfortranarray(X)):
        check_tensor(as_tensor(source), np.array(source, order="C"), 1e-9)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_memory_maps(tmp_path, order, holes):
    X = with_holes(draw(), holes)
    np.save(tmp_path / "X.npy", np.asarray(X, order=order))
    check_tensor(as_tensor(np.load(tmp_path / "X.npy", mmap_mode="r")), X, 1e-9)
    raw = np.memmap(tmp_path / "raw", dtype="f8", mode="w+", shape=SHAPE)
    raw[:] = X
    check_tensor(as_tensor(raw), X, 1e-9)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8"])
def test_nan_is_missing(dtype):
    X = with_holes(draw(), 0.3).astype(dtype)
    before = X.copy()
    check_tensor(as_tensor(X), X.astype(float), 1e-9)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("dtype", ["i4", "u1", "f4", "f8"])
def test_masked_arrays(dtype):
    mask = np.random.default_rng(1).random(SHAPE) < 0.3
    X = (10 * np.abs(draw())).astype(dtype)
    expected = np.where(mask, np.nan, X.astype(float))
    check_tensor(as_tensor(np.ma.masked_array(X, mask)), expected, 1e-9)
    check_tensor(as_tensor(masked(X, ~mask)), expected, 1e-9)
    check_tensor(as_tensor(masked(X, (~mask).astype(int))), expected, 1e-9)


def test_what_a_mask_hides_may_be_anything():
    X, mask = draw(), np.zeros(SHAPE, dtype=bool)
    X[0, 0, :3], mask[0, 0, :3] = [np.inf, -np.inf, np.nan], True
    expected = np.where(mask, np.nan, X)
    check_tensor(as_tensor(np.ma.masked_array(X, mask)), expected, 1e-9)
    check_tensor(as_tensor(masked(X, ~mask)), expected, 1e-9)


def test_nan_and_mask_together_hide_both():
    X, mask = with_holes(draw(), 0.2), np.random.default_rng(2).random(SHAPE) < 0.2
    check_tensor(as_tensor(np.ma.masked_array(X, mask)), np.where(mask, np.nan, X), 1e-9)


def test_masking_a_masked_array_hides_both():
    X, mask, observed = draw(), np.zeros(SHAPE, dtype=bool), np.ones(SHAPE, dtype=bool)
    mask[0, 0, 0], observed[1, 1, 1] = True, False
    expected = X.copy()
    expected[0, 0, 0] = expected[1, 1, 1] = np.nan
    check_tensor(as_tensor(masked(np.ma.masked_array(X, mask), observed)), expected, 1e-9)


@pytest.mark.parametrize("mask", [np.ma.nomask, False, np.zeros(SHAPE, dtype=bool)], ids=["nomask", "False", "zeros"])
def test_a_mask_that_hides_nothing(mask):
    check_tensor(as_tensor(np.ma.masked_array(draw(), mask)), draw(), 1e-9)


@pytest.mark.parametrize("wrap", [Wrapped, tensorly.tensor, np.ndarray.tolist], ids=["__array__", "tensorly", "lists"])
def test_whatever_numpy_converts(wrap):
    check_tensor(as_tensor(wrap(draw())), draw(), 1e-9)


@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_a_preprocessed_tensor(holes):
    prepared = center(with_holes(draw(), holes), 0)
    check_tensor(as_tensor(prepared), prepared.X, 1e-9)
    X = np.ma.masked_array(draw(), mask=np.arange(60).reshape(SHAPE) == 7)
    check_tensor(as_tensor(Preprocessed(X, ())), X.filled(np.nan), 1e-9)


def test_a_tensor_stays_what_it_is():
    for tensor in (as_tensor(draw()), as_tensor(with_holes(draw(), 0.3))):
        assert as_tensor(tensor) is tensor


@pytest.mark.parametrize("shape", [(2, 3, 2, 2, 2, 3), (2,) * 7, (2,) * 9])
@pytest.mark.parametrize("holes", [0.0, 0.1, 0.5])
def test_orders_above_five(shape, holes):
    X = with_holes(draw(shape=shape), holes)
    assert as_tensor(X).shape == shape
    exact = np.where(np.isnan(X), np.nan, noisy_tensor(shape, 1, noise=0.0))
    assert fit_parafac(exact, 1, n_starts=3, random_state=0).loss < 1e-12


# ------------------------------------------------------------------------------------------------------------ scale


@pytest.mark.parametrize("power", [-1000, -600, 600, 1000])
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_rescaling_by_a_power_of_two_is_exact(power, holes):
    X = with_holes(draw(), holes)
    plain, scaled = as_tensor(X), as_tensor(np.ldexp(X, power))
    assert np.log2(scaled.scale) % 1 == 0
    observed = np.flatnonzero(~np.isnan(X))
    # Both have one scaled copy of the same numbers: not a bit of a mantissa differs.
    np.testing.assert_array_equal(
        np.ldexp(scaled.values_at(observed), int(np.log2(scaled.scale)) - power), plain.values_at(observed)
    )
    assert np.isfinite(scaled.norm_squared)
    assert scaled.norm_squared > 0


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


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("laid_out", [np.asarray, np.asfortranarray, lambda X: X[::2], lambda X: X[:, :0]])
def test_the_largest_magnitude_in_any_layout(kind, laid_out):
    X = draw().astype(kind)
    assert _largest_magnitude(laid_out(X)) == np.abs(laid_out(X)).max(initial=0.0)
    assert _largest_magnitude(laid_out(-np.ones_like(X))) == float(laid_out(X).size > 0)


def test_nan_is_larger_than_any_magnitude():
    X = draw()
    X[0, 0, 0] = -np.inf
    assert _largest_magnitude(X) == np.inf
    for nan in (np.nan, -np.nan):
        X[1, 0, 0] = nan
        assert np.isnan(_largest_magnitude(X))


@pytest.mark.parametrize("largest", [1e306, np.finfo(float).tiny])
def test_the_ends_of_the_floating_range(largest):
    fit = fit_parafac(draw() / np.abs(draw()).max() * largest, 2, n_starts=2, random_state=0)
    assert fit.loss == pytest.approx(fit_parafac(draw(), 2, n_starts=2, random_state=0).loss, rel=1e-9)


@settings(max_examples=20)
@given(st.integers(-1060, 1000), st.integers(0, 100))
def test_scale_times_values_is_always_the_data(power, seed):
    X = np.ldexp(draw(seed), power)
    tensor = as_tensor(X)
    exponent = int(np.log2(tensor.scale))
    np.testing.assert_array_equal(np.ldexp(tensor.values_at(np.arange(60)), exponent), X.ravel())


# ------------------------------------------------------------------------------------------------- what is refused

SLAB = draw()
SLAB[:, 2] = np.nan
SLAB[:, 3] = np.nan


@pytest.mark.parametrize("missing", [None, "pandas' NA"])
@pytest.mark.parametrize("number", [float, int, Fraction, np.float32, bool])
def test_none_is_missing(missing, number):
    missing = missing and pytest.importorskip("pandas").NA
    cells = np.array([number(cell % 3) for cell in range(60)], dtype=object).reshape(SHAPE)
    expected = cells.astype(float)
    cells[1, 2, 3], expected[1, 2, 3] = missing, np.nan
    for data in (cells, cells.tolist(), list(cells)):
        tensor = as_tensor(data)
        assert tensor.hidden.tolist() == [np.ravel_multi_index((1, 2, 3), SHAPE)]
        np.testing.assert_array_equal(tensor.values_at(np.arange(5)), expected.ravel()[:5])
    np.testing.assert_array_equal(center(cells, 0).X, center(expected, 0).X)


def test_matrices_in_a_list_are_stacked_with_what_their_masks_hide():
    X = draw()
    hidden = X > 1
    matrices = [np.ma.masked_array(part, mask) for part, mask in zip(X, hidden, strict=True)]
    for data in (matrices, tuple(matrices), [*matrices[:-1], np.where(hidden[-1], np.nan, X[-1])]):
        assert as_tensor(data).hidden.tolist() == np.flatnonzero(hidden).tolist()
        np.testing.assert_array_equal(center(data, 0).X, center(np.ma.masked_array(X, hidden), 0).X)
    assert as_tensor(list(X)).hidden.size == 0
    whole = np.ma.masked_array(X, hidden)
    for data in ([list(part) for part in whole], [[list(row) for row in part] for part in whole]):
        assert as_tensor(data).hidden.tolist() == np.flatnonzero(hidden).tolist()


REFUSED = [
    (
        np.ones((3, 4)),
        ValueError,
        "X must be a tensor with at least 3 modes. Got shape (3, 4). A matrix has no unique CP decomposition: use a "
        "matrix method.",
    ),
    (np.float64(3), ValueError, "X must be a tensor with at least 3 modes. Got shape (). A matrix has no unique CP"),
    (np.ones((3, 0, 4)), ValueError, "X must be a tensor with at least one cell. Got shape (3, 0, 4)."),
    (
        np.ones((3, 1, 4)),
        ValueError,
        "X must be a tensor whose modes all have length >= 2. Got shape (3, 1, 4). Drop mode 1 with numpy.squeeze.",
    ),
    (np.full(SHAPE, np.nan), ValueError, "X must be a tensor with observed cells. Got only missing cells."),
    (
        np.ma.masked_array(draw(), mask=True),
        ValueError,
        "X must be a tensor with observed cells. Got only missing cells.",
    ),
    (
        SLAB,
        ValueError,
        "X must be a tensor with observed cells in every slab. Got no observed cell at indices 2, 3 of mode 1. "
        "Leave such slabs out: autoten.preprocess.drop_empty_slabs(X).",
    ),
    (
        np.where(draw() > 1, np.inf, 1.0),
        ValueError,
        f"X must be finite, with NaN for missing cells. Got {(draw() > 1).sum()} infinite cells. Set them to NaN if "
        "they are missing.",
    ),
    (
        np.where(np.arange(60).reshape(SHAPE) < 2, [[[-np.inf] + 4 * [np.nan]]], 1.0),
        ValueError,
        "X must be finite, with NaN for missing cells. Got 1 infinite cell.",
    ),
    (
        draw() + 1j,
        TypeError,
        "X must be an array of real numbers. Got complex numbers (complex128). Analyse its real and imaginary parts, "
        "or its magnitude.",
    ),
    (
        np.full(SHAPE, "a"),
        TypeError,
        "X must be an array of real numbers. Got dtype <U1. Give a NumPy array, or anything that converts to one.",
    ),
    (
        "data.npy",
        TypeError,
        "X must be an array of real numbers. Got 'data.npy'. Read a file first: autoten.read_tensor(",
    ),
    (Path("data.npy"), TypeError, f"X must be an array of real numbers. Got {Path('data.npy')!r}. Read a file first: "),
    (np.full(SHAPE, None), ValueError, "X must be a tensor with observed cells. Got only missing cells."),
    (
        np.array([1.5, "2"] * 30, dtype=object).reshape(SHAPE),
        TypeError,
        "X must be an array of real numbers. Got dtype object, with cells of type str. Give a NumPy array",
    ),
    (
        [[[10**400, 1], [1, 1]]] * 3,
        ValueError,
        "X must be an array of real numbers. Got an integer beyond the range of float64. ",
    ),
    (
        [np.ones((3, 4)), np.ones((3, 5)), np.ones((3, 4))],
        ValueError,
        "X must be an array, or equal ones to stack. Got 3 arrays of shapes (3, 4), (3, 5). Pad the shorter ",
    ),
    (
        [np.ma.masked_array(np.ones((3, 4))), np.ones((3, 5)), [[1.0, 2.0], [3.0]]],
        ValueError,
        "X must be an array, or equal ones to stack. Got 3 arrays of shapes (3, 4), (3, 5). ",
    ),
    (
        [scipy.sparse.csr_array(np.eye(3))] * 2,
        TypeError,
        "X must be an array of real numbers. Got dtype object, with cells of type csr_array. Give a NumPy array",
    ),
    (None, TypeError, "X must be an array of real numbers. Got dtype object. Give a NumPy array"),
    (np.zeros(SHAPE, "M8[s]"), TypeError, "X must be an array of real numbers. Got dtype datetime64[s]. Give a NumPy"),
    ([[[1, 2], [3]]], TypeError, "X must be an array of real numbers. Got list. Give a NumPy array"),
    (Unwilling(), TypeError, "X must be an array of real numbers. Got Unwilling. Give a NumPy array"),
]
DOORS = [
    as_tensor,
    lambda X: fit_parafac(X, 2),
    lambda X: core_consistency(X, (None, draw_factors(SHAPE, 2))),
]


@pytest.mark.parametrize("door", DOORS, ids=["as_tensor", "fit_parafac", "core_consistency"])
@pytest.mark.parametrize(("X", "error", "sentence"), REFUSED, ids=[sentence[9:60] for _, _, sentence in REFUSED])
def test_what_is_no_tensor_is_refused_in_one_sentence(door, X, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}") as caught:
        door(X)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("observed", "sentence"),
    [
        (np.ones((3, 4), dtype=bool), "observed must be an array of X's shape (3, 4, 5). Got shape (3, 4)."),
        (np.ones((5, 4, 3), dtype=bool), "observed must be an array of X's shape (3, 4, 5). Got shape (5, 4, 3)."),
        (True, "observed must be an array of X's shape (3, 4, 5). Got shape ()."),
        (np.full(SHAPE, 0.5), "observed must be boolean, True for an observed cell. Got dtype float64."),
        (np.full(SHAPE, "yes"), "observed must be boolean, True for an observed cell. Got dtype <U3."),
    ],
)
def test_an_unsuitable_observed_is_refused_in_one_sentence(observed, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        masked(draw(), observed)


def test_masked_leaves_x_and_observed_alone():
    X, observed = draw(), draw() < 0.5
    before = X.copy(), observed.copy()
    hidden = masked(X, observed)
    hidden[0, 0, 0] = np.ma.masked
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(observed, before[1])


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
    for path in (write(tmp_path / f"data{suffix}", anything=X), str(tmp_path / f"data{suffix}")):
        read = read_tensor(path)
        assert (read.shape, read.dtype) == (X.shape, X.dtype)
        np.testing.assert_array_equal(read, X)


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_x_is_taken_whatever_else_is_there(tmp_path, suffix):
    path = write(tmp_path / f"data{suffix}", other=draw(1), X=draw(), labels=np.arange(3))
    np.testing.assert_array_equal(read_tensor(path), draw())


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_the_only_tensor_is_taken_whatever_its_name(tmp_path, suffix):
    path = write(tmp_path / f"data{suffix}", wavelengths=np.arange(5.0), spectra=draw(), matrix=np.ones((3, 4)))
    np.testing.assert_array_equal(read_tensor(path), draw())


def test_what_stands_beside_x_need_not_be_readable(tmp_path):
    # Labels with a None among them are saved as a pickle, which is never loaded.
    path = write(tmp_path / "data.npz", X=draw(), labels=np.array(["a", None, "c"], dtype=object))
    np.testing.assert_array_equal(read_tensor(path), draw())


@pytest.mark.parametrize("suffix", [".NPY", ".Npz", ".MAT"])
def test_the_case_of_a_suffix_does_not_matter(tmp_path, suffix):
    path = write(tmp_path / f"data{suffix.lower()}", X=draw()).rename(tmp_path / f"data{suffix}")
    np.testing.assert_array_equal(read_tensor(path), draw())


def test_nan_survives_a_file(tmp_path):
    X = with_holes(draw(), 0.3)
    for suffix in (".npy", ".npz", ".mat"):
        np.testing.assert_array_equal(read_tensor(write(tmp_path / f"data{suffix}", X=X)), X)


@pytest.mark.parametrize(
    ("name", "arrays", "sentence"),
    [
        ("a.npz", {"a": np.ones(SHAPE), "b": np.ones(SHAPE)}, "Got a (3, 4, 5), b (3, 4, 5)."),
        ("a.mat", {"a": np.ones(SHAPE), "b": np.ones(SHAPE)}, "Got a (3, 4, 5), b (3, 4, 5)."),
        ("a.npz", {"a": np.ones((3, 4)), "b": np.ones(2)}, "Got a (3, 4), b (2,)."),
        ("a.npz", {}, "Got nothing."),
    ],
)
def test_a_file_without_one_obvious_tensor_is_refused(tmp_path, name, arrays, sentence):
    expected = f"{name} must be a file with an array named X or a single array of three or more modes. {sentence}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        read_tensor(write(tmp_path / name, **arrays))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat"])
@pytest.mark.parametrize("damage", ["empty", "garbage", "cut short"])
def test_a_broken_file_is_refused_in_one_sentence(tmp_path, suffix, damage):
    path = write(tmp_path / f"data{suffix}", X=draw(shape=(20, 20, 20)))
    content = {"empty": b"", "garbage": b"no tensor at all\n" * 100, "cut short": path.read_bytes()[:999]}[damage]
    path.write_bytes(content)
    sentence = rf"^data{re.escape(suffix)} (cannot be read as|must be) a {re.escape(suffix)} file"
    with pytest.raises(ValueError, match=sentence) as caught:
        read_tensor(path)
    assert "\n" not in str(caught.value)
    assert "pickle" not in str(caught.value)


def test_a_file_of_another_kind_says_how_it_begins(tmp_path):
    (tmp_path / "a.npz").write_text("1 2 3\n")
    np.save(tmp_path / "b.npy", draw())
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    (tmp_path / "c.npy").touch()
    for name, got in (("a.npz", r"b'1 2 3\n'"), ("b.npz", r"b'\x93NUMPY")):
        sentence = f"{name} must be a .npz file that NumPy wrote. Got one that begins with {got}"
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
            read_tensor(tmp_path / name)
    with pytest.raises(ValueError, match=r"^c\.npy must be a \.npy file that NumPy wrote\. Got an empty one\.$"):
        read_tensor(tmp_path / "c.npy")


def test_a_mat_file_of_version_7_3_is_refused_in_one_sentence(tmp_path):
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    signature = b"\x89HDF\r\n\x1a\n"
    sentence = (
        "data.mat must be a .mat file of version 7 or older. Got one of version 7.3, which is HDF5. Write it in MATLAB "
        "by save(file, variable, '-v7')."
    )
    for content in (header + signature.ljust(600, b"\0"), signature.ljust(600, b"\0")):
        (tmp_path / "data.mat").write_bytes(content)
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
            read_tensor(tmp_path / "data.mat")


@pytest.mark.parametrize(
    "content",
    [
        {"X": {"data": draw(), "labels": np.arange(3)}},
        {"set": {"about": "spectra", "values": {"cube": draw(), "matrix": np.ones((3, 4))}}, "y": np.arange(3)},
        {"X": draw(), "set": {"data": draw(1)}},
        {"fluorescence": np.array([[(draw(), np.arange(4.0))]], dtype=[("data", object), ("axis", object)])},
    ],
    ids=["X.data", "nested", "beside X", "structured array"],
)
def test_the_tensor_inside_a_matlab_struct_is_taken(tmp_path, content):
    np.testing.assert_array_equal(read_tensor(write(tmp_path / "data.mat", **content)), draw())


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ({"X": {"raw": draw(), "clean": draw(), "y": 1}}, "X.raw (3, 4, 5), X.clean (3, 4, 5)"),
        ({"s": {"name": "?", "y": np.ones((2, 2))}}, "s.name (1,), s.y (2, 2)"),
        ({"runs": [{"data": np.ones((2, 2))}, {"data": np.ones((2, 2))}]}, "runs (1, 2)"),
        ({"runs": np.array([[(1, 2), (3, 4)]], dtype=[("a", object), ("b", object)])}, "runs.a (1, 2), runs.b (1, 2)"),
    ],
)
def test_fields_of_structs_are_named_where_none_is_the_obvious_tensor(tmp_path, content, got):
    with pytest.raises(ValueError, match=rf" three or more modes\. Got {re.escape(got)}\."):
        read_tensor(write(tmp_path / "data.mat", **content))


def test_a_tensor_beside_pickled_arrays_is_taken(tmp_path):
    pickled = np.array(["a", None, "c"], dtype=object)
    path = write(tmp_path / "data.npz", names=pickled, spectra=draw(), dates=pickled, axis=np.arange(5.0))
    np.testing.assert_array_equal(read_tensor(path), draw())
    path = write(tmp_path / "data.npz", names=pickled, matrix=np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"Got names \(pickled\), matrix \(3, 4\)\."):
        read_tensor(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_pickle_is_never_loaded(tmp_path, suffix):
    path = write(tmp_path / f"data{suffix}", X=np.full(SHAPE, None))
    with pytest.raises(
        ValueError, match=rf"^data{re.escape(suffix)} cannot be read as a .* file: ValueError: .*pickle"
    ):
        read_tensor(path)


def test_other_files_are_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.xlsx").write_text("1,2,3")
    with pytest.raises(
        ValueError, match=r"^the file must be one of \.npy, \.npz, \.mat, \.csv, \.tns, \.tns\.gz\. Got data\.xlsx\.$"
    ):
        read_tensor("data.xlsx")
    (tmp_path / "folder.npy").mkdir()
    for name in ("absent.npy", "folder.npy"):
        with pytest.raises(ValueError, match=rf"^the file must be an existing file\. Got {re.escape(name)}\.$"):
            read_tensor(name)


def test_the_name_of_an_absent_file_is_told_however_long_its_path(tmp_path):
    with pytest.raises(ValueError, match=r"^the file must be an existing file\. Got .*absent\.npy\.$"):
        read_tensor(tmp_path / ("folder" * 15) / "absent.npy")


# ------------------------------------------------------------------------------------------------- long .csv tables


def long_table(X, missing="", separator=","):
    """Return the text of a long table: samples by name, emission in nm, day by date."""
    labels = ("s1", "s2", "s3"), (300, 305, 310.5, 320), (f"2024-01-0{day}" for day in range(1, 6))
    labels = [list(map(str, each)) for each in labels]
    lines = [["sample", "emission", "day", "value"]]
    for cell in np.ndindex(X.shape):
        value = missing if np.isnan(X[cell]) else repr(float(X[cell]))
        lines.append([*(each[n] for each, n in zip(labels, cell, strict=True)), value])
    return [separator.join(line) for line in lines]


def test_a_long_table_is_a_labelled_tensor(tmp_path):
    header, *rows = long_table(draw())
    shuffled = np.random.default_rng(0).permutation(rows)
    (tmp_path / "X.csv").write_text("\n".join([header, *shuffled]), encoding="utf-8")
    read = read_tensor(tmp_path / "X.csv")
    np.testing.assert_array_equal(read, draw())
    assert (read.shape, read.dims) == (SHAPE, ("sample", "emission", "day"))
    assert read.coords["sample"].tolist() == ["s1", "s2", "s3"]
    assert read.coords["emission"].tolist() == [300, 305, 310.5, 320]
    model = fit_parafac(read, 1, random_state=0).model
    assert model.labels.names == ("sample", "emission", "day")
    assert model.labels.index(2, 4) == "2024-01-05"


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "nan", None], ids=str)
def test_cells_of_a_long_table_without_a_value_are_missing(tmp_path, missing):
    X = with_holes(draw(), 0.3)
    lines = long_table(X, missing or "")
    lines = [line for line in lines if missing is not None or not line.endswith(",")]
    (tmp_path / "X.csv").write_text("\n".join(lines), encoding="utf-8")
    np.testing.assert_array_equal(read_tensor(tmp_path / "X.csv"), X)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "spelling", ["as it is", "byte order mark", "end of line", "quotes", "row numbers", "blank lines"]
)
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
    assert read.dims == ("sample", "emission", "day")
    np.testing.assert_array_equal(read, draw())


def test_a_long_table_is_what_pandas_makes_of_it(tmp_path):
    frame = pd.read_csv(StringIO("\n".join(long_table(with_holes(draw(), 0.2)))))
    frame = frame.sample(frac=1, random_state=0)
    series = frame.set_index(["sample", "emission", "day"])["value"]
    for index in (False, True):
        frame.to_csv(tmp_path / "X.csv", index=index)
        X, labels = split_labels(read_tensor(tmp_path / "X.csv"))
        theirs, expected = split_labels(series)
        np.testing.assert_array_equal(X, theirs)
        assert labels.agree_with(expected)
    series.to_csv(tmp_path / "X.csv")
    np.testing.assert_array_equal(read_tensor(tmp_path / "X.csv"), theirs)


LONG = (
    "X.csv must be a table with a row for each cell: its label in each mode, then its value, below a header of names."
)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: [], f"{LONG} Got 0 rows below the header (nothing)."),
        (lambda lines: lines[:1], f"{LONG} Got 0 rows below the header sample, emission, day, value."),
        (lambda lines: lines[1:], f"{LONG} Got 59 rows below the header s1, 300, 2024-01-01, "),
        (lambda lines: ["a,b,c", "1,2,3"], f"{LONG} Got 1 row below the header a, b, c."),
        (
            lambda lines: ["a,b,c,d", *(f"{i},{i + 0.5},{i + 0.1},{i}" for i in range(30))],
            f"{LONG} Got 30 rows whose labels span shape (30, 30, 30).",
        ),
        (
            lambda lines: [*lines, lines[7]],
            "X.csv must be a table that lists each cell once. Got 1 repeated row. Sum or",
        ),
        (lambda lines: [*lines, "s1,300,2024-01-09"], "line 62 of X.csv must be 4 fields. Got 3."),
        (
            lambda lines: [*lines, "s1,300,2024-01-09,low"],
            "the last field in line 62 of X.csv must be a number, with a decimal point, or blank where the cell is "
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
def test_what_is_no_long_table_is_refused_in_one_sentence(tmp_path, change, sentence):
    (tmp_path / "X.csv").write_text("\n".join(change(long_table(draw()))), encoding="latin-1")
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}") as caught:
        read_tensor(tmp_path / "X.csv")
    assert "\n" not in str(caught.value)


def test_a_long_table_may_span_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("autoten.labels.LARGEST_UNFOLDED", 59)
    (tmp_path / "X.csv").write_text("\n".join(long_table(draw())), encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"^X\.csv must be a table whose labels span at most 59 cells\. Got shape \(3, "
    ):
        read_tensor(tmp_path / "X.csv")


def test_the_order_of_modes_is_the_callers():
    for axes in permutations(range(3)):
        assert as_tensor(draw().transpose(axes)).shape == tuple(SHAPE[n] for n in axes)
