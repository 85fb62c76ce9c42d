"""Tensors in files: .npy, .npz, .mat, .nc, long tables in .csv and .parquet, and FROSTT's .tns."""

from __future__ import annotations

import csv
import gzip
import warnings
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from math import nan, prod
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from autoten._errors import AutotenWarning, counted, imported, is_number, reading, refuse
from autoten._typing import Array
from autoten.door import Preprocessed, linear_cells, unlabelled
from autoten.frames import Frame, Table, coded, tensor_of

# A text file is parsed in blocks of so many bytes.
BLOCK_BYTES = 2**23

# Indices up to here are exact when read as floating-point numbers.
LARGEST_INDEX = 2**53

# How a missing value is written in a table, besides NaN.
MISSING_VALUES = ("", "NA")

# What a table that is a tensor as a whole looks like.
LONG = "a table with a row for each cell: its label in each mode, then its value, below a header of names"

# What to do where it may not be one.
EVENTS = "Where each row is an event, name the columns that are modes: modes=[...], on the command line --modes A,B,C."

# What stands for an array in a file that is a pickle, which is never loaded.
UNREADABLE = "(pickled)"


def read_tensor(path: str | Path, *, modes: Any = None, values: Any = None, unlisted: str | None = None) -> Any:
    r"""Return the tensor in a ``.npy``, ``.npz``, ``.mat``, ``.nc``, ``.csv``, ``.parquet`` or ``.tns(.gz)`` file.

    Of a file that holds several arrays the one called ``X`` is taken, or the only one with three or more modes; a field
    of a MATLAB struct is one of them, such as ``X.data``. A file with ``coords`` (nnz, N), counted from zero, ``vals``
    and ``shape``, and a FROSTT ``.tns`` file, give a ``scipy.sparse.coo_array``. The array in a netCDF file keeps its
    labels; `values` may name it.

    A ``.csv`` or ``.parquet`` file is a long table: a row for each cell, which holds its label in each mode and then
    its value. A combination of labels that is not listed, or whose value is blank or NA, is missing. The result, a
    `Preprocessed`, has the labels, sorted. Columns that are named below are read as by `from_table`.

    In a ``.csv`` file a header names the columns, and fields are separated by commas, semicolons or tabs. Labels are
    numbers where all of a column are. A first column without a name, such as the row numbers that pandas and R write,
    is left out.

    Parameters
    ----------
    path : str or Path
        The file.
    modes : sequence of names of columns, optional
        Of a table, a column for each mode; by default all but that of the values.
    values : name of a column, optional
        Of a table, the column of values. If it is left out beside `modes`, rows are counted; by default the last one.
        Of a ``.nc`` file, the variable.
    unlisted : {"zero", "missing"}, optional
        Of a table, what a combination of labels without a row means; see `from_table`. If neither `modes` nor `values`
        are named, "missing" by default.

    Returns
    -------
    ndarray, coo_array or Preprocessed
        What the file holds, as `estimate_rank` takes it; with labels of tables and of ``.nc`` files.

    Raises
    ------
    ImportError
        If nothing is installed that reads ``.parquet`` files (``pip install 'autoten[tables]'``) or ``.nc`` files
        (``pip install 'autoten[labels]'``).
    TypeError, ValueError
        If the file cannot be read or holds no such tensor, or several: the sentence names what it holds.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "calls.csv"
    ...     _ = path.write_text("caller,callee,day,minutes\nAnn,Bo,Mon,3\nBo,Cy,Tue,5\nAnn,Bo,Mon,2\n")
    ...     X = read_tensor(path, modes=["caller", "callee", "day"], values="minutes", unlisted="zero")
    >>> X.labels.names, X.X[0].tolist()
    (('caller', 'callee', 'day'), [[5.0, 0.0], [0.0, 0.0]])
    """
    path = Path(path)
    kind = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    kinds = [*READERS, NETCDF, *TABLES]
    if kind not in kinds and (kind or path.exists()):  # what has no ending is a folder with a slip in its name
        refuse("the file", f"one of {', '.join(kinds)}", path.name)
    if not path.is_file():
        refuse("the file", "an existing file", str(path))
    if kind in TABLES:
        return _read_table(path, modes, values, unlisted)
    if kind == NETCDF and modes is None and unlisted is None:
        return _read_netcdf(path, values)
    if any(option is not None for option in (modes, values, unlisted)):
        refuse("the file", f"one of {', '.join(TABLES)} where modes, values or unlisted are said", path.name)
    return READERS[kind](path)


def _read_npy(path: Path) -> Array:
    # Not by `numpy.load`, which takes all that it does not know for a pickle.
    with reading(path, ".npy", Exception), path.open("rb") as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _read_npz(path: Path) -> Any:
    arrays: dict[str, Any] = {}
    with reading(path, ".npz", Exception), path.open("rb") as file, np.lib.npyio.NpzFile(file) as archive:
        names = ["X"] if "X" in archive.files else archive.files  # whatever else there is
        for name in names:
            try:
                arrays[name] = archive[name]
            except ValueError:
                if len(names) == 1:
                    raise
                arrays[name] = UNREADABLE
    return _only_tensor(arrays, path.name)


def _read_mat(path: Path) -> Any:
    from scipy.io import loadmat

    if _beginning(path).startswith((b"MATLAB 7.3", b"\x89HDF")):
        remedy = "Write it in MATLAB by save(file, variable, '-v7')."
        refuse(path.name, "a .mat file of version 7 or older", "one of version 7.3, which is HDF5", remedy)
    with reading(path, ".mat", Exception):
        arrays = dict(_without_structs((k, v) for k, v in loadmat(path).items() if not k.startswith("__")))
    return _only_tensor(arrays, path.name)


def _read_netcdf(path: Path, name: str | None) -> Preprocessed:
    """Return a variable of a netCDF file with its labels: the one of this name, else X, else the only tensor."""
    xr = imported("xarray", "A .nc file")
    if _beginning(path).startswith(b"\x89HDF") and not any(map(find_spec, ("netCDF4", "h5netcdf"))):
        remedy = "Install h5netcdf, which reads it."
        refuse(path.name, "a netCDF file of version 3", "one of version 4, which is HDF5", remedy)
    with reading(path, NETCDF, Exception), xr.open_dataset(path) as held:
        arrays = dict(held.load().data_vars)
    return unlabelled(_chosen(arrays, path.name, name, "Name the variable by values."))


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(10)


def _without_structs(arrays: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the fields of MATLAB structs (and objects) as arrays of their own, and all other arrays as they are."""
    for name, value in arrays:
        fields = getattr(getattr(value, "dtype", None), "names", None)
        if fields is None:
            yield name, value
        else:
            single = value.size == 1
            yield from _without_structs((f"{name}.{f}", value[f].item() if single else value[f]) for f in fields)


def _only_tensor(arrays: dict[str, Any], name: str) -> Any:
    """Return the tensor among the arrays in a file, dense or sparse."""
    sparse = None if "X" in arrays else _sparse_from(arrays, name)
    return np.asarray(_chosen(arrays, name)) if sparse is None else sparse


def _chosen(arrays: dict[str, Any], file: str, name: str | None = None, remedy: str = "") -> Any:
    """Return the array of this name among those in a file: by default X, else the only one with so many modes."""
    tensors = [key for key, value in arrays.items() if np.ndim(value) >= 3]
    if name is None:
        name = tensors[0] if len(tensors) == 1 and "X" not in arrays else "X"
    if name not in arrays:
        shapes = {key: UNREADABLE if arrays[key] is UNREADABLE else np.shape(arrays[key]) for key in tensors or arrays}
        held = ", ".join(f"{key} {shape}" for key, shape in shapes.items()) or "nothing"
        refuse(file, "a file with an array named X or a single array of three or more modes", held, remedy)
    return arrays[name]


def _sparse_from(arrays: Any, name: str) -> scipy.sparse.coo_array | None:
    """Return the sparse tensor in arrays of ours, or as scipy and pydata/sparse save them; None if there is none."""
    arrays = {key: value for key, value in arrays.items() if np.asarray(value).dtype.kind in "biufc"}
    if {"coords", "data", "shape"} <= set(arrays) and not np.any(arrays.get("fill_value", 0)):
        arrays = {"coords": arrays["coords"].T, "vals": arrays["data"], "shape": arrays["shape"]}
    if not {"coords", "vals", "shape"} <= set(arrays):
        return None
    coords, values, shape = (np.asarray(arrays[key]) for key in ("coords", "vals", "shape"))
    values, shape = values.ravel(), shape.ravel()  # MATLAB has matrices alone, and numbers are doubles there
    coords = coords.astype(np.int64) if np.array_equal(coords, np.floor(coords)) else coords
    if coords.ndim != 2 or shape.shape != coords.shape[1:] or values.shape != coords.shape[:1]:
        held = f"shapes {coords.shape}, {values.shape} and {shape.shape}"
        refuse(name, "a file with coords (nnz, N), vals (nnz,) and shape (N,)", held)
    lengths = tuple(int(length) for length in shape)
    linear_cells(list(coords.T), lengths)
    return scipy.sparse.coo_array((values, tuple(coords.T)), shape=lengths)


def _read_table(path: Path, modes: Any, values: Any, unlisted: Any) -> Preprocessed:
    """Return the tensor in a long table: as a whole, the last column its values, where no column is named."""
    table = TABLES[path.suffix.lower()](path)
    if modes is not None:
        return tensor_of(table, modes, values, unlisted)
    said = values is not None or unlisted is not None
    if values is None:
        values, unlisted = next(reversed(table.names), None), unlisted or "missing"
    modes = [name for name in table.names if name != values]
    no_values = values in table.names and table.n_rows > 0 and not table.has_numbers(values)
    if len(modes) < 3 or not table.n_rows or is_number(str(table.names[-1])) or no_values:
        header = ", ".join(map(str, table.names)) or "(nothing)"
        got = f"{counted(table.n_rows, 'row')} below the header {header}"
        refuse(path.name, LONG, got, EVENTS if len(modes) >= 2 else "")
    tensor = tensor_of(table, modes, values, unlisted)
    shape = tensor.shape
    if unlisted == "missing" and table.n_rows <= sum(shape) - len(shape):  # fewer cells than rank 1 has parameters
        refuse(path.name, LONG, f"{table.n_rows} rows whose labels span shape {shape}", EVENTS)
    if said or table.n_rows == prod(shape):
        return tensor
    taken = f"{prod(shape) - table.n_rows:,} of {prod(shape):,} combinations of labels without a row: taken as missing"
    remedy = "Say unlisted='zero' if nothing was there, as in counts, or unlisted='missing' if nobody looked."
    warnings.warn(f"{path.name}: {taken}. {remedy}", AutotenWarning, stacklevel=3)
    return replace(tensor, steps=(taken,))


class _Csv:
    """A .csv file as a long table, every text of a column kept once: tables of events have many rows, few labels."""

    def __init__(self, path: Path) -> None:
        self.what, self.asker, self.remedy = path.name, "read_tensor", ""
        self._lines = array("q")
        with (
            reading(path, ".csv", OSError, csv.Error, UnicodeDecodeError),
            path.open(encoding="utf-8-sig", newline="") as file,
        ):
            separator = max(",;\t", key=file.readline().count)
            file.seek(0)
            rows = csv.reader(file, delimiter=separator)
            names = [name.strip() for name in next(rows, [])]
            columns: list[tuple[dict[str, int], array[int]]] = [({}, array("q")) for _ in names]
            for row in rows:
                if not any(row):
                    continue
                if len(row) != len(names):
                    refuse(f"line {rows.line_num} of {path.name}", f"{len(names)} fields", str(len(row)))
                self._lines.append(rows.line_num)
                for text, (places, codes) in zip(row, columns, strict=True):
                    codes.append(places.setdefault(text, len(places)))
        self.n_rows = len(self._lines)
        if names and not names[0] and len(columns[0][0]) == self.n_rows:
            del names[0], columns[0]
        names = [name or f"mode {mode}" for mode, name in enumerate(names)]
        self._columns = dict(zip(names, columns, strict=True))
        self.names = list(self._columns)
        if len(self.names) < len(names):
            refuse(f"the header of {path.name}", "names that differ", ", ".join(names))

    def coded(self, name: str) -> tuple[Array, NDArray[np.int64]]:
        """Return the labels of a column, sorted, and which of them stands in each row."""
        texts, codes = self._column(name)
        labels = np.char.strip(np.array(texts))
        n_blank = int((labels == "")[codes].sum())
        for kind in (np.int64, np.float64):
            try:
                numbers = labels.astype(kind)
            except (ValueError, OverflowError):
                continue
            if np.isfinite(numbers).all():
                labels = numbers
                break
        found, places = coded(labels, f"{name} in {self.what}", n_blank)
        return found, places[codes]

    def numbers(self, name: str) -> Array:
        """Return the values of a column, NaN where there is none."""
        texts, codes = self._column(name)
        found = [number_in(text) for text in texts]
        if None in found:
            place = found.index(None)
            line = self._lines[int(np.argmax(codes == place))]
            expected = "a number, with a decimal point, or blank where the cell is missing"
            refuse(f"the field {name} in line {line} of {self.what}", expected, texts[place])
        return np.array(found, dtype=float)[codes]

    def has_numbers(self, name: str) -> bool:
        """Tell whether a column can be one of values: whether a field of it is a number."""
        return any(is_number(text) for text in self._column(name)[0])

    def _column(self, name: str) -> tuple[list[str], NDArray[np.int64]]:
        """Return the texts of a column, and which of them stands in each row."""
        places, codes = self._columns[name]
        return list(places), np.array(codes, dtype=np.int64)


def number_in(field: str) -> float | None:
    """Return the number in a field of a table, NaN where it is missing, None where it holds something else."""
    if field.strip() in MISSING_VALUES:
        return nan
    return float(field) if is_number(field) else None


def _parquet(path: Path) -> Frame:
    """Return a .parquet file as a long table, by whichever package is there to read it."""
    import narwhals as nw

    backends: tuple[Literal["polars", "pyarrow"], ...] = ("polars", "pyarrow")
    backend = next((name for name in backends if find_spec(name)), None)
    if backend is None:
        raise ImportError("A .parquet file needs polars. Install it with `pip install 'autoten[tables]'`.")
    with reading(path, ".parquet", Exception):
        frame = nw.read_parquet(str(path), backend=backend)
    # An index that pandas has written stands behind the columns.
    names = [name for name in frame.columns if not name.startswith("__index_level_")]
    return Frame(frame.select(names), path.name, "read_tensor")


def read_tns(path: str | Path, shape: Sequence[int] | None = None) -> scipy.sparse.coo_array:
    r"""Return the sparse tensor in a FROSTT ``.tns`` or ``.tns.gz`` file.

    One nonzero a line: its indices, counted from one, and its value, separated by blanks or by commas; ``#`` begins a
    comment. Before them may stand a line of words, which is left out, and the number of modes, their lengths and the
    number of nonzeros, each in a line, as other packages write them.

    Parameters
    ----------
    path : str or Path
        The file; one whose name ends in ``.gz`` is decompressed on the way.
    shape : sequence of int, optional
        The shape; by default the one that the file states, else the largest index of each mode.

    Returns
    -------
    scipy.sparse.coo_array

    Raises
    ------
    ValueError
        If a line is not as described (it is named by its number), an index is outside `shape`, or there is no nonzero.

    References
    ----------
    Smith et al. (2017), FROSTT: The Formidable Repository of Open Sparse Tensors and Tools, http://frostt.io

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tiny.tns"
    ...     _ = path.write_text("# day hour place count\n1 1 2 4\n3 2 1 1.5\n")
    ...     X = read_tns(path)
    >>> X.shape, X.nnz, float(X.data.sum())
    ((3, 2, 2), 2, 5.5)
    """
    path = Path(path)
    if not path.is_file():
        refuse("the file", "an existing file", str(path))
    indices, values = [], []
    n_columns, n_lines = 0, 0
    what = "shape of read_tns"
    opened: Callable[..., IO[str]] = gzip.open if path.suffix.lower() == ".gz" else open
    broken = (OSError, EOFError, UnicodeDecodeError, zlib.error)
    with reading(path, ".tns", *broken), opened(path, "rt", encoding="utf-8-sig") as file:
        while lines := file.readlines(BLOCK_BYTES):
            if not n_lines:
                stated = _take_header(lines)
                if shape is None:
                    what, shape = f"the shape in {path.name}", stated
            table = _parsed(lines, n_lines, n_columns, path.name)
            n_lines += len(lines)
            if len(table):
                n_columns = table.shape[1]
                largest = table[:, :-1].max()
                indices.append((table[:, :-1] - 1).T.astype(np.int32 if largest <= 2**31 else np.int64))
                values.append(table[:, -1].copy())
    if not indices:
        refuse(path.name, "a file with at least one nonzero", "none")
    coords = np.concatenate(indices, axis=1)
    indices.clear()
    held = tuple(int(index.max()) + 1 for index in coords)
    lengths = held if shape is None else tuple(shape)
    if len(lengths) != len(held):
        refuse(what, f"the lengths of the {len(held)} modes in {path.name}", lengths)
    if np.less(lengths, held).any():
        refuse(what, f"at least {held}, the largest indices in {path.name}", lengths)
    return scipy.sparse.coo_array((np.concatenate(values), tuple(coords)), shape=lengths)


def _words(line: str) -> list[str]:
    """Return what stands in a line before a comment, separated by commas if there is one, else by blanks."""
    content = line.partition("#")[0].strip()
    return content.split("," if "," in content else None) if content else []


def _take_header(lines: list[str]) -> tuple[int, ...] | None:
    """Blank the lines before the first nonzero; return the shape that they state, None if they do not."""
    found = list(islice(((n, words) for n, words in enumerate(map(_words, lines)) if words), 4))
    if found and not any(map(is_number, found[0][1])):
        lines[found.pop(0)[0]] = ""
    if len(found) < 2 or found[0][1] != [str(len(found[1][1]))] or not all(map(str.isdecimal, found[1][1])):
        return None
    for n, words in found[:3]:
        if n <= found[1][0] or len(words) == 1:
            lines[n] = ""
    return tuple(map(int, found[1][1]))


def _parsed(lines: list[str], n_before: int, n_columns: int, name: str) -> Array:
    """Return the numbers in lines of text, a row for each that is not a comment; refuse the first line without them."""
    first = next(filter(_words, lines), None)
    if first is None:
        return np.empty((0, n_columns))
    n_columns = n_columns or max(len(_words(first)), 2)
    try:
        table = np.loadtxt(lines, ndmin=2, delimiter="," if "," in first.partition("#")[0] else None)
    except ValueError:
        table = np.empty((1, 0))
    indices = table[:, :-1]
    in_range = (indices >= 1) & (indices < LARGEST_INDEX) & (indices == np.floor(indices))
    if table.shape[1] == n_columns and in_range.all():
        return table
    if len(lines) == 1:
        expected = f"{n_columns - 1} indices, counted from one, and a value"
        refuse(f"line {n_before + 1} of {name}", expected, first.strip())
    half = len(lines) // 2
    parts = ((lines[:half], n_before), (lines[half:], n_before + half))
    return np.concatenate([_parsed(part, before, n_columns, name) for part, before in parts])


# Files of variables, of which one may be named.
NETCDF = ".nc"

# What reads a file of each kind, and a long table of each kind, of which columns may be named.
TABLES: dict[str, Callable[[Path], Table]] = {".csv": _Csv, ".parquet": _parquet}
READERS: dict[str, Callable[[Path], Any]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mat": _read_mat,
    ".tns": read_tns,
    ".tns.gz": read_tns,
}
