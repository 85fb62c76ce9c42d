"""Sparse tensors from other packages and from files: what is read, and a sentence for what cannot be."""

import gzip
import re

import numpy as np
import pytest
import pyttb
import scipy.sparse
import sparse
from contracts import check_tensor
from scipy.io import savemat

from autoten import fit_parafac, read_tensor, read_tns
from autoten.door import as_tensor
from autoten.tensors.sparse import SparseTensor

SHAPE = (3, 4, 5)


def draw(shape=SHAPE, filled=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < filled, rng.integers(1, 9, shape), 0).astype(float)


def coo(X, values=float, index=np.int64):
    places = np.nonzero(X)
    return scipy.sparse.coo_array((X[places].astype(values), tuple(p.astype(index) for p in places)), shape=X.shape)


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
    given = KINDS[kind](X)
    tensor = as_tensor(given)
    assert isinstance(tensor, SparseTensor)
    check_tensor(tensor, X, 1e-9)
    assert as_tensor(tensor) is tensor


def test_a_dense_pyttb_tensor():
    X = draw()
    check_tensor(as_tensor(pyttb.tensor(X)), X, 1e-9)


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
    assert tensor.pattern.coords.dtype == np.int32


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_values_of_the_same_cell_are_summed_and_zeros_dropped(dtype):
    values = np.array([1, 2, 3, 0, 5, -5], dtype=dtype)
    coords = (np.array([0, 2, 0, 1, 1, 1]), np.array([1, 3, 1, 1, 0, 0]), np.array([2, 4, 2, 1, 0, 0]))
    X = np.zeros(SHAPE)
    np.add.at(X, coords, values)
    tensor = as_tensor(scipy.sparse.coo_array((values, coords), shape=SHAPE))
    check_tensor(tensor, X, 1e-9)
    assert len(tensor.listed) == 2


def test_a_listed_nan_is_missing():
    X = draw()
    X[1, 2, 3] = X[0, 0, 0] = np.nan
    check_tensor(as_tensor(coo(X)), X, 1e-9)
    assert fit_parafac(coo(X), 1, random_state=0).loss == pytest.approx(
        fit_parafac(X, 1, random_state=0).loss, rel=1e-6
    )


@pytest.mark.parametrize("power", [-600, 600])
def test_values_of_any_size(power):
    X = draw()
    tensor = as_tensor(coo(np.ldexp(X, power)))
    assert tensor.norm_squared > 0
    np.testing.assert_array_equal(
        np.ldexp(tensor.values_at(np.arange(60)), int(np.log2(tensor.scale)) - power), X.ravel()
    )
    assert fit_parafac(coo(np.ldexp(X, power)), 2, random_state=0).loss == pytest.approx(
        fit_parafac(coo(X), 2, random_state=0).loss, rel=1e-9
    )


SLAB = draw()
SLAB[:, 2] = np.nan
BROKEN = pyttb.tensor(draw()).to_sptensor()
BROKEN.subs[0, 2] = 6
FRACTIONAL = pyttb.tensor(draw()).to_sptensor()
FRACTIONAL.subs = FRACTIONAL.subs.astype(float)
HUGE = scipy.sparse.coo_array(([1.0], ([0], [1], [2])), shape=(2**21, 2**21, 2**21))

REFUSED = [
    (
        scipy.sparse.csr_array(np.eye(4)),
        ValueError,
        "X must be a tensor with at least 3 modes. Got shape (4, 4). A matrix has no unique CP decomposition: use a "
        "matrix method.",
    ),
    (
        coo(draw((3, 1, 4))),
        ValueError,
        "X must be a tensor whose modes all have length >= 2. Got shape (3, 1, 4). Drop mode 1 with numpy.squeeze.",
    ),
    (
        sparse.COO(np.array([[0], [1], [2]]), [1.0], shape=SHAPE, fill_value=1.0),
        ValueError,
        "X must be a sparse tensor whose unlisted cells are zero. Got fill_value 1.0.",
    ),
    (
        coo(draw() * 1j, values=complex),
        TypeError,
        "X must be an array of real numbers. Got complex numbers (complex128). Analyse its real and imaginary parts, "
        "or its magnitude.",
    ),
    (
        coo(np.where(draw() == draw().max(), np.inf, draw())),
        ValueError,
        f"X must be finite, with NaN for missing cells. Got {(draw() == draw().max()).sum()} infinite cells. Set them "
        "to NaN if they are missing.",
    ),
    (
        coo(SLAB),
        ValueError,
        "X must be a tensor with observed cells in every slab. Got no observed cell at index 2 of mode 1. Leave this "
        "slab out.",
    ),
    (
        BROKEN,
        ValueError,
        "the coordinates of X must be inside its shape (3, 4, 5). Got index 6 in mode 2. They count from zero.",
    ),
    (FRACTIONAL, TypeError, "the coordinates of X must be integers. Got dtype float64 in mode 0."),
    (
        HUGE,
        ValueError,
        "X must be a tensor with fewer than 2**63 cells. Got shape (2097152, 2097152, 2097152). Leave out slabs "
        "without a nonzero.",
    ),
]


@pytest.mark.parametrize(("X", "error", "sentence"), REFUSED, ids=[sentence[:60] for _, _, sentence in REFUSED])
def test_what_is_no_sparse_tensor_is_refused_in_one_sentence(X, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        as_tensor(X)


# ------------------------------------------------------------------------------------------------------------- .tns


def as_text(X):
    return "".join(
        f"{' '.join(str(i + 1) for i in cell)} {float(X[tuple(cell)])!r}\n" for cell in np.argwhere(X).tolist()
    )


@pytest.mark.parametrize("name", ["X.tns", "X.tns.gz", "X.TNS"])
@pytest.mark.parametrize("read", [read_tns, read_tensor])
def test_a_frostt_file(tmp_path, name, read):
    X = draw((4, 3, 5, 2)) / 3
    text = as_text(X).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    for path in (tmp_path / name, str(tmp_path / name)):
        got = read(path)
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
    (tmp_path / "X.tns").write_bytes(text.encode())
    got = read_tns(tmp_path / "X.tns")
    assert (got.shape, got.data.tolist()) == (SHAPE, [2.0, 1.0])
    assert [index.tolist() for index in got.coords] == [[0, 2], [0, 3], [0, 4]]


def test_the_shape_that_a_file_states(tmp_path):
    (tmp_path / "X.tns").write_text("3\n9 4 6\n1 1 1 2\n3 4 5 1\n")
    assert read_tns(tmp_path / "X.tns").shape == (9, 4, 6)
    assert read_tns(tmp_path / "X.tns", shape=(9, 9, 9)).shape == (9, 9, 9)
    (tmp_path / "X.tns").write_text("3\n9 3 6\n1 1 1 2\n3 4 5 1\n")
    with pytest.raises(
        ValueError,
        match=r"^the shape in X\.tns must be at least \(3, 4, 5\), the largest indices in X\.tns\. Got \(9, 3, 6\)\.$",
    ):
        read_tns(tmp_path / "X.tns")


def test_what_pyttb_exports(tmp_path):
    X = draw()
    X[2], X[:, :, 4] = 0, 0  # the shape ends in slabs without a nonzero
    pyttb.export_data(pyttb.tensor(X).to_sptensor(), str(tmp_path / "X.tns"))
    got = read_tensor(tmp_path / "X.tns")
    assert got.shape == X.shape
    check_tensor(as_tensor(got), X, 1e-9)


def test_a_larger_shape_may_be_given(tmp_path):
    (tmp_path / "X.tns").write_text("1 1 1 2\n3 4 5 1\n")
    assert read_tns(tmp_path / "X.tns", shape=(9, 9, 9)).shape == (9, 9, 9)
    with pytest.raises(ValueError, match=r"^shape of read_tns must be at least \(3, 4, 5\), the largest indices in X"):
        read_tns(tmp_path / "X.tns", shape=(9, 3, 9))
    with pytest.raises(
        ValueError, match=r"^shape of read_tns must be the lengths of the 3 modes in X\.tns\. Got \(9, 9\)"
    ):
        read_tns(tmp_path / "X.tns", shape=(9, 9))


def test_large_files_come_in_blocks(tmp_path, monkeypatch):
    X = draw((9, 8, 7))
    (tmp_path / "X.tns").write_text("# a comment\n" + as_text(X))
    monkeypatch.setattr("autoten.files.BLOCK_BYTES", 50)
    np.testing.assert_array_equal(read_tns(tmp_path / "X.tns").data, X[X != 0])
    (tmp_path / "X.tns").write_text("# a comment\n" + as_text(X) + "1 2 x 4\n")
    number = int((X != 0).sum()) + 2
    with pytest.raises(ValueError, match=f"^line {number} of X.tns must be 3 indices, counted from one, and a value"):
        read_tns(tmp_path / "X.tns")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 1 1 2\n1 0 3 4\n", "line 2 of X.tns must be 3 indices, counted from one, and a value. Got 1 0 3 4."),
        ("#\n1 1 1 2\n\n1 3 4\n", "line 4 of X.tns must be 3 indices, counted from one, and a value. Got 1 3 4."),
        ("1 1 1.5 2\n", "line 1 of X.tns must be 3 indices, counted from one, and a value. Got 1 1 1.5 2."),
        ("1 1 1 2\n1 1 nan 2\n", "line 2 of X.tns must be 3 indices, counted from one, and a value. Got 1 1 nan 2."),
        ("1 1 1 two\n", "line 1 of X.tns must be 3 indices, counted from one, and a value. Got 1 1 1 two."),
        ("a,b,c,d\n", "X.tns must be a file with at least one nonzero. Got none."),
        ("a,b,c,d\ne,f,g,h\n", "line 2 of X.tns must be 3 indices, counted from one, and a value. Got e,f,g,h."),
        ("1 1 1 0,5\n", "line 1 of X.tns must be 1 indices, counted from one, and a value. Got 1 1 1 0,5."),
        ("1 1 1 1\n1 2 1 0,5\n", "line 2 of X.tns must be 3 indices, counted from one, and a value. Got 1 2 1 0,5."),
        ("3\n4 five 6\n1 1 1 2\n", "line 1 of X.tns must be 1 indices, counted from one, and a value. Got 3."),
        ("# nothing\n", "X.tns must be a file with at least one nonzero. Got none."),
        ("", "X.tns must be a file with at least one nonzero. Got none."),
        ("1 1 1 1_0\n", "X.tns must be lines of indices and values. Got what NumPy cannot read, in lines 1 to 1."),
    ],
)
def test_a_malformed_file_is_refused_in_one_sentence(tmp_path, text, sentence):
    (tmp_path / "X.tns").write_text(text)
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        read_tns(tmp_path / "X.tns")


def test_an_absent_or_broken_file(tmp_path):
    with pytest.raises(ValueError, match=r"^the file must be an existing file\. Got .*absent\.tns\.$"):
        read_tns(tmp_path / "absent.tns")
    (tmp_path / "X.tns.gz").write_bytes(b"1 1 1 2\n")
    with pytest.raises(ValueError, match=r"^X\.tns\.gz cannot be read as a \.tns file: BadGzipFile: "):
        read_tns(tmp_path / "X.tns.gz")
    content = gzip.compress(as_text(draw((9, 8, 7))).encode())
    for broken in (content[:-100], content[:40] + b"\0" * 40 + content[80:]):
        (tmp_path / "X.tns.gz").write_bytes(broken)
        with pytest.raises(ValueError, match=r"^X\.tns\.gz cannot be read as a \.tns file: "):
            read_tns(tmp_path / "X.tns.gz")
    (tmp_path / "X.tns").write_bytes(b"\xff\xfe\n")
    with pytest.raises(ValueError, match=r"^X\.tns cannot be read as a \.tns file: UnicodeDecodeError: "):
        read_tns(tmp_path / "X.tns")


# ------------------------------------------------------------------------------------------------------------- .npz


def test_an_archive_of_coordinates(tmp_path):
    X = draw()
    coords = np.argwhere(X)
    np.savez(tmp_path / "X.npz", coords=coords.astype("i4"), vals=X[X != 0].astype("f4"), shape=SHAPE, days=[1, 2])
    got = read_tensor(tmp_path / "X.npz")
    assert got.dtype == np.float32
    check_tensor(as_tensor(got), X, 1e-9)


@pytest.mark.parametrize("package", ["scipy", "pydata"])
def test_an_archive_that_another_package_saved(tmp_path, package):
    X = draw()
    if package == "scipy":
        scipy.sparse.save_npz(tmp_path / "X.npz", coo(X))
    else:
        sparse.save_npz(tmp_path / "X.npz", sparse.COO.from_numpy(X))
    check_tensor(as_tensor(read_tensor(tmp_path / "X.npz")), X, 1e-9)
    sparse.save_npz(tmp_path / "X.npz", sparse.COO.from_numpy(X) + 1)  # unlisted cells are no zeros
    with pytest.raises(ValueError, match=r"^X\.npz must be a file with an array named X or .* fill_value \(\)\.$"):
        read_tensor(tmp_path / "X.npz")


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


def test_an_archive_whose_arrays_do_not_fit(tmp_path):
    np.savez(tmp_path / "X.npz", coords=np.zeros((4, 3), dtype=int), vals=np.ones(5), shape=SHAPE)
    with pytest.raises(
        ValueError, match=r"^X\.npz must be a file with coords \(nnz, N\), vals \(nnz,\) and shape \(N,\)"
    ):
        read_tensor(tmp_path / "X.npz")
    np.savez(tmp_path / "X.npz", coords=[[0, 4, 0]], vals=[1.0], shape=SHAPE)
    with pytest.raises(
        ValueError, match=r"^the coordinates of X must be inside its shape \(3, 4, 5\)\. Got index 4 in mode 1"
    ):
        read_tensor(tmp_path / "X.npz")


@pytest.mark.parametrize("name", ["enron_monthly", "nycflights13"])
def test_real_sparse_tensors(real_data, name, tmp_path):
    arrays = real_data(name)
    np.savez(tmp_path / "X.npz", **arrays)
    tensor = as_tensor(read_tensor(tmp_path / "X.npz"))
    assert tensor.shape == tuple(arrays["shape"])
    assert len(tensor.listed) == len(arrays["vals"])
    assert tensor.norm_squared == pytest.approx(float(np.square(arrays["vals"], dtype=float).sum()))


@pytest.mark.parametrize("coords", [np.array([[0, 0, 0], [1, 1, None]]), np.array([["a", "b", "c"], ["d", "e", "f"]])])
@pytest.mark.parametrize("values", ["vals", "data"])
def test_coordinates_that_are_no_numbers_are_refused(tmp_path, coords, values):
    np.savez(tmp_path / "X.npz", coords=coords, shape=SHAPE, **{values: np.ones(2)})
    with pytest.raises(ValueError, match=r"^X\.npz must be a file with an array named X or .*Got coords "):
        read_tensor(tmp_path / "X.npz")
