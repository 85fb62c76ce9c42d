"""Sparse tensors from other packages and from files: what is read, and a sentence for what cannot be."""

import gzip
import re
import sys

import numpy as np
import pytest
import pyttb
import scipy.sparse
import sparse
import xarray as xr
from contracts import check_tensor
from scipy.io import savemat

from autoten import fit_parafac, read_tensor, read_tns
from autoten.door import as_tensor
from autoten.tensors.sparse import SparseTensor

SHAPE = (3, 4, 5)


def draw(shape=SHAPE, filled=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < filled, rng.integers(1, 9, shape), 0).astype(float)


def coo(X):
    places = np.nonzero(X)
    return scipy.sparse.coo_array((X[places], places), shape=X.shape)


KINDS = {
    "scipy": coo,
    "pydata COO": sparse.COO.from_numpy,
    "pydata GCXS": sparse.GCXS.from_numpy,
    "pydata DOK": sparse.DOK.from_numpy,
    "pyttb sptensor": lambda X: pyttb.tensor(X).to_sptensor(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [SHAPE, (2, 3, 4, 3)], ids=str)
@pytest.mark.parametrize("filled", [0.0, 0.3, 1.0])
def test_every_kind_of_sparse_tensor(kind, shape, filled):
    X = draw(shape, filled)
    tensor = as_tensor(KINDS[kind](X))
    assert isinstance(tensor, SparseTensor)
    check_tensor(tensor, X, 1e-9)
    assert as_tensor(tensor) is tensor


def test_a_dense_pyttb_tensor():
    check_tensor(as_tensor(pyttb.tensor(draw())), draw(), 1e-9)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u8", "?", "f2"])
@pytest.mark.parametrize("index", ["i1", "u2", "i4", "u8"])
def test_any_type_of_values_and_indices(dtype, index):
    X = draw().astype(dtype)
    places = np.nonzero(X)
    subs = np.stack(places, axis=1).astype(index)
    given = pyttb.sptensor(subs, X[places][:, None], SHAPE)
    given.subs = subs  # as they were: pyttb makes them int64
    tensor = as_tensor(given)
    check_tensor(tensor, X.astype(float), 1e-9)
    assert tensor.values.dtype == (np.float32 if dtype in ("f4", "f2") else np.float64)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_values_of_the_same_cell_are_summed_and_zeros_dropped(dtype):
    values = np.array([1, 2, 3, 0, 5, -5], dtype=dtype)
    coords = (np.array([0, 2, 0, 1, 1, 1]), np.array([1, 3, 1, 1, 0, 0]), np.array([2, 4, 2, 1, 0, 0]))
    X = np.zeros(SHAPE)
    np.add.at(X, coords, values)
    tensor = as_tensor(scipy.sparse.coo_array((values, coords), shape=SHAPE))
    check_tensor(tensor, X, 1e-9)
    assert len(tensor.nonzero) == 2


def test_a_listed_nan_is_missing():
    X = draw()
    X[1, 2, 3] = X[0, 0, 0] = np.nan
    check_tensor(as_tensor(coo(X)), X, 1e-9)
    dense, listed = (fit_parafac(form(X), 1, random_state=0).loss for form in (np.asarray, coo))
    assert listed == pytest.approx(dense, rel=1e-6)


@pytest.mark.parametrize("power", [-600, 600])
def test_values_of_any_size(power):
    X = draw()
    tensor = as_tensor(coo(np.ldexp(X, power)))
    assert 0 < tensor.norm_squared < np.inf
    exponent = int(np.log2(tensor.scale)) - power
    np.testing.assert_array_equal(np.ldexp(tensor.values_at(np.arange(60)), exponent), X.ravel())
    plain, scaled = (fit_parafac(coo(np.ldexp(X, exponent)), 2, random_state=0).loss for exponent in (0, power))
    assert scaled == pytest.approx(plain, rel=1e-9)


# ------------------------------------------------------------------------------------------------------------- .tns


def as_lines(X):
    return [f"{' '.join(str(i + 1) for i in cell)} {float(X[tuple(cell)])!r}\n" for cell in np.argwhere(X).tolist()]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", ["X.tns", "X.tns.gz", "X.TNS"])
@pytest.mark.parametrize("read", [read_tns, read_tensor])
def test_a_frostt_file(tmp_path, name, read):
    X = draw((4, 3, 5, 2)) / 3
    text = "".join(as_lines(X)).encode()
    path = write(tmp_path / name, gzip.compress(text) if name.endswith("gz") else text)
    for given in (path, str(path)):
        got = read(given)
        assert isinstance(got, scipy.sparse.coo_array)
        full = np.zeros(X.shape)
        np.add.at(full, got.coords, got.data)
        np.testing.assert_array_equal(full, X)


@pytest.mark.parametrize(
    "text",
    [
        "1 1 1 2\n3 4 5 1\n",
        "1 1 1 2\r\n3 4 5 1\r\n",
        "# i j k x\n\n 1\t1  1 2.0\n3 4 5 1 # the last",
        "1 1 1 2e0\n\n\n3 4 5 +1\n#\n",
        "\ufeff1 1 1 2\n3 4 5 1\n",
        "1,1,1,2\n3,4,5,1\n",
        "\ufeffi, j, k, value\r\n1, 1, 1, 2 # first\r\n\r\n3,\t4, 5 , 1\r\n",
        "i j k value\n1 1 1 2\n3 4 5 1\n",
        "3\n3 4 5\n1 1 1 2\n3 4 5 1\n",
        "# ours\nsptensor\n3\n3 4 5 # lengths\n2\n1 1 1 2\n3 4 5 1\n",
    ],
)
def test_comments_blanks_and_ends_of_lines(tmp_path, text):
    got = read_tns(write(tmp_path / "X.tns", text))
    assert (got.shape, got.data.tolist()) == (SHAPE, [2.0, 1.0])
    assert [index.tolist() for index in got.coords] == [[0, 2], [0, 3], [0, 4]]


@pytest.mark.parametrize(
    ("stated", "given", "expected"),
    [
        ("3\n9 4 6\n", None, (9, 4, 6)),
        ("3\n9 4 6\n", (9, 9, 9), (9, 9, 9)),
        ("", (9, 9, 9), (9, 9, 9)),
        (
            "3\n9 3 6\n",
            None,
            r"^the shape in X\.tns .* \(3, 4, 5\), the largest indices in X\.tns\. Got \(9, 3, 6\)\.$",
        ),
        ("", (9, 3, 9), r"^shape of read_tns must be at least \(3, 4, 5\), the largest indices in X"),
        ("", (9, 9), r"^shape of read_tns must be the lengths of the 3 modes in X\.tns\. Got \(9, 9\)"),
    ],
)
def test_a_shape_may_be_stated_or_given(tmp_path, stated, given, expected):
    path = write(tmp_path / "X.tns", f"{stated}1 1 1 2\n3 4 5 1\n")
    if isinstance(expected, tuple):
        assert read_tns(path, shape=given).shape == expected
        return
    with pytest.raises(ValueError, match=expected):
        read_tns(path, shape=given)


def test_what_pyttb_exports(tmp_path):
    X = draw()
    X[2], X[:, :, 4] = 0, 0  # the shape ends in slabs without a nonzero
    pyttb.export_data(pyttb.tensor(X).to_sptensor(), str(tmp_path / "X.tns"))
    check_tensor(as_tensor(read_tensor(tmp_path / "X.tns")), X, 1e-9)


def test_large_files_come_in_blocks(tmp_path):
    # Of 8 MiB: each ends in the middle of a line.
    X = draw((9, 8, 7), filled=0.01)
    padded = "# 12\n" + "".join(f"{'#' * (2**23 - len(line) - 1)}\n{line}" for line in as_lines(X))
    np.testing.assert_array_equal(read_tns(write(tmp_path / "X.tns", padded)).data, X[X != 0])
    number = padded.count("\n") + 1
    with pytest.raises(ValueError, match=f"^line {number} of X.tns must be 3 indices, counted from one, and a value"):
        read_tns(write(tmp_path / "X.tns", padded + "1 2 x 4\n"))


OF_THREE = "of X.tns must be 3 indices, counted from one, and a value. Got"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 1 1 2\n1 0 3 4\n", f"line 2 {OF_THREE} 1 0 3 4."),
        ("#\n1 1 1 2\n\n1 3 4\n", f"line 4 {OF_THREE} 1 3 4."),
        ("1 1 1.5 2\n", f"line 1 {OF_THREE} 1 1 1.5 2."),
        ("1 1 1 2\n1 1 nan 2\n", f"line 2 {OF_THREE} 1 1 nan 2."),
        ("1 1 1 two\n", f"line 1 {OF_THREE} 1 1 1 two."),
        ("a,b,c,d\ne,f,g,h\n", f"line 2 {OF_THREE} e,f,g,h."),
        ("1 1 1 1\n1 2 1 0,5\n", f"line 2 {OF_THREE} 1 2 1 0,5."),
        ("1 1 1 0,5\n", "line 1 of X.tns must be 1 indices, counted from one, and a value. Got 1 1 1 0,5."),
        ("3\n4 five 6\n1 1 1 2\n", "line 1 of X.tns must be 1 indices, counted from one, and a value. Got 3."),
        *(
            (text, "X.tns must be a file with at least one nonzero. Got none.")
            for text in ("", "# nothing\n", "a,b,c\n")
        ),
        ("1 1 1 1_0\n", f"line 1 {OF_THREE} 1 1 1 1_0."),
        (b"\xff\xfe\n", "X.tns cannot be read as a .tns file: UnicodeDecodeError: "),
    ],
)
def test_a_malformed_file_is_refused_in_one_sentence(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}{'' if sentence.endswith(' ') else '$'}"):
        read_tns(write(tmp_path / "X.tns", text))


def test_what_gzip_cannot_read_is_refused(tmp_path):
    content = gzip.compress("".join(as_lines(draw((9, 8, 7)))).encode())
    for broken in (b"1 1 1 2\n", content[:-100], content[:40] + b"\0" * 40 + content[80:]):
        with pytest.raises(ValueError, match=r"^X\.tns\.gz cannot be read as a \.tns file: "):
            read_tns(write(tmp_path / "X.tns.gz", broken))


# ------------------------------------------------------------------------------------------------------ .npz and .mat


def test_an_archive_of_coordinates(tmp_path):
    X = draw()
    coords, vals = np.argwhere(X).astype("i4"), X[X != 0].astype("f4")
    np.savez(tmp_path / "X.npz", coords=coords, vals=vals, shape=SHAPE, days=[1, 2])
    got = read_tensor(tmp_path / "X.npz")
    assert got.dtype == np.float32
    check_tensor(as_tensor(got), X, 1e-9)


def test_an_archive_that_another_package_saved(tmp_path):
    X, path = draw(), tmp_path / "X.npz"
    scipy.sparse.save_npz(path, coo(X))
    if "coords" in np.load(path):  # before 1.17 scipy saves but two of the modes
        check_tensor(as_tensor(read_tensor(path)), X, 1e-9)
    sparse.save_npz(path, sparse.COO.from_numpy(X))
    check_tensor(as_tensor(read_tensor(path)), X, 1e-9)
    sparse.save_npz(path, sparse.COO.from_numpy(X) + 1)  # unlisted cells are no zeros
    with pytest.raises(ValueError, match=r"^X\.npz must be a file with an array named X or .* fill_value \(\)"):
        read_tensor(path)


@pytest.mark.parametrize("dtype", ["i4", "f8"])
def test_coordinates_as_matlab_writes_them(tmp_path, dtype):
    X = draw()
    columns = {"vals": X[X != 0][:, None], "shape": np.array([SHAPE], dtype=dtype)}
    savemat(tmp_path / "X.mat", {"coords": np.argwhere(X).astype(dtype), **columns})
    check_tensor(as_tensor(read_tensor(tmp_path / "X.mat")), X, 1e-9)
    savemat(tmp_path / "X.mat", {"coords": np.argwhere(X) + 0.5, **columns})
    with pytest.raises(TypeError, match=r"^the coordinates of X must be integers\. Got dtype float64 in mode 0\.$"):
        read_tensor(tmp_path / "X.mat")
    savemat(tmp_path / "X.mat", {"coords": np.argwhere(X) + 1, **columns})
    with pytest.raises(ValueError, match=r"Got index \d in mode \d\. They count from zero\.$"):
        read_tensor(tmp_path / "X.mat")


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (
            {"coords": np.zeros((4, 3), dtype=int), "vals": np.ones(5)},
            r"^X\.npz must be a file with coords \(nnz, N\), vals \(nnz,\) and shape \(N,\)",
        ),
        (
            {"coords": [[0, 4, 0]], "vals": [1.0]},
            r"^the coordinates of X must be inside its shape \(3, 4, 5\)\. Got index 4 in mode 1",
        ),
        *(
            ({"coords": coords, values: np.ones(2)}, r"^X\.npz must be a file with an array named X or .*Got coords ")
            for coords in (np.array([[0, 0, 0], [1, 1, None]]), np.array([["a", "b", "c"], ["d", "e", "f"]]))
            for values in ("vals", "data")
        ),
    ],
)
def test_an_archive_whose_arrays_do_not_fit(tmp_path, arrays, sentence):
    np.savez(tmp_path / "X.npz", **arrays, shape=SHAPE)
    with pytest.raises(ValueError, match=sentence):
        read_tensor(tmp_path / "X.npz")


@pytest.mark.parametrize("name", ["enron_monthly", "nycflights13"])
def test_real_sparse_tensors(real_data, name, tmp_path):
    arrays = real_data(name)
    np.savez(tmp_path / "X.npz", **arrays)
    tensor = as_tensor(read_tensor(tmp_path / "X.npz"))
    assert tensor.shape == tuple(arrays["shape"])
    assert len(tensor.nonzero) == len(arrays["vals"])
    assert tensor.norm_squared == pytest.approx(float(np.square(arrays["vals"], dtype=float).sum()))


# -------------------------------------------------------------------------------------------------------------- netCDF


@pytest.fixture
def session():
    """Return a dataset with a tensor, one more cell of it missing, and what is none."""
    rates = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    rates[0, 1, 2] = np.nan
    days = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
    coords = {"neuron": ["n1", "n2", "n3", "n4"], "day": days.astype("datetime64[ns]")}
    return xr.Dataset({"rate": (("trial", "neuron", "day"), rates), "depth": ("neuron", np.ones(4))}, coords)


def test_a_netcdf_file_gives_its_only_tensor_with_labels(tmp_path, session):
    session.to_netcdf(tmp_path / "session.nc", engine="scipy")
    read = read_tensor(tmp_path / "session.nc")
    np.testing.assert_array_equal(read.X, session["rate"])
    assert read.labels.names == ("trial", "neuron", "day")
    assert [read.labels.index(mode, 1) for mode in range(3)] == ["1", "n2", "2024-01-02"]
    (tmp_path / "session.nc").unlink()  # it is closed, and nothing is still to be read
    assert np.isnan(np.asarray(read)).sum() == 1
    assert fit_parafac(read, 1, n_starts=1, random_state=0).model.labels.names == read.labels.names


def test_of_several_variables_one_is_named_or_called_x(tmp_path, session):
    session = session.assign(events=session["rate"].fillna(0.0).astype("int16"))
    session.to_netcdf(tmp_path / "two.nc", engine="scipy")
    assert read_tensor(tmp_path / "two.nc", values="events").X.dtype == np.int16
    for values in (None, "absent"):
        sentence = r"^two\.nc must be a file with an array named X .* Got rate \(3, 4, 5\), ev.* Name the variable "
        with pytest.raises(ValueError, match=sentence):
            read_tensor(tmp_path / "two.nc", values=values)
    session.rename(events="X").to_netcdf(tmp_path / "x.nc", engine="scipy")
    assert read_tensor(tmp_path / "x.nc").X.dtype == np.int16


def test_a_netcdf_file_that_cannot_be_read_gets_a_sentence(tmp_path, monkeypatch, session):
    session.to_netcdf(tmp_path / "session.nc", engine="scipy")
    with pytest.raises(
        ValueError, match=r"^the file must be one of \.csv, \.parquet where modes, .* Got session\.nc\.$"
    ):
        read_tensor(tmp_path / "session.nc", modes=["trial"])
    (tmp_path / "broken.nc").write_bytes(b"CDF\x01 or not")
    with pytest.raises(ValueError, match=r"^broken\.nc cannot be read as a \.nc file: "):
        read_tensor(tmp_path / "broken.nc")
    (tmp_path / "four.nc").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setattr("autoten.files.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"^four\.nc must be a netCDF file of version 3\. .* Install h5netcdf, which"):
        read_tensor(tmp_path / "four.nc")
    session[["depth"]].to_netcdf(tmp_path / "flat.nc", engine="scipy")
    with pytest.raises(ValueError, match=r"Got depth \(4,\)\. Name the variable by values\.$"):
        read_tensor(tmp_path / "flat.nc")
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(
        ImportError, match=r"^A \.nc file needs xarray\. Install it with `pip install 'autoten\[labels\]'"
    ):
        read_tensor(tmp_path / "session.nc")
