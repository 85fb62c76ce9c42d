"""Sparse tensors as people have them: nonzeros in coordinate form, in other packages' classes and in files."""

from __future__ import annotations

import gzip
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from autoten._errors import is_number, reading, refuse

Array = NDArray[Any]

# A text file is parsed in blocks of so many bytes.
BLOCK_BYTES = 2**23

# Indices up to here are exact when read as floating-point numbers.
LARGEST_INDEX = 2**53


class Coordinates(NamedTuple):
    """Nonzeros in any order, maybe some twice: an index array for each mode, the values, the shape."""

    coords: Sequence[Array]
    values: Array
    shape: tuple[int, ...]


def coordinates_of(X: Any) -> Coordinates | None:
    """Return what a sparse tensor of scipy, pydata/sparse or pyttb holds; None for anything else.

    Raises
    ------
    ValueError
        If its unlisted cells are not zero.
    """
    if scipy.sparse.issparse(X):
        X = X.tocoo()
        return Coordinates(X.coords, X.data, X.shape)
    if hasattr(X, "subs") and hasattr(X, "vals"):  # pyttb.sptensor; without nonzeros its arrays have no modes
        subs = np.asarray(X.subs).reshape(-1, len(X.shape))
        return Coordinates(list(subs.T), np.ravel(X.vals), tuple(X.shape))
    if hasattr(X, "fill_value") and not isinstance(X, np.ndarray):  # pydata COO, GCXS and DOK
        if not np.array_equal(X.fill_value, 0):
            refuse("X", "a sparse tensor whose unlisted cells are zero", f"fill_value {X.fill_value}")
        X = X if hasattr(X, "coords") else X.tocoo() if hasattr(X, "tocoo") else X.to_coo()
        return Coordinates(X.coords, X.data, tuple(X.shape))
    return None


def linear_cells(coords: Sequence[Array], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return C-order linear indices, refusing coordinates that are not integers inside the shape."""
    cells = np.zeros(len(coords[0]), dtype=np.int64)
    for mode, (index, length) in enumerate(zip(coords, shape, strict=True)):
        index = np.asarray(index)
        if index.dtype.kind not in "iu" and index.size:
            refuse("the coordinates of X", "integers", f"dtype {index.dtype} in mode {mode}", kind=TypeError)
        outside = index[(index < 0) | (index >= length)] if index.size else index
        if outside.size:
            refuse(
                "the coordinates of X",
                f"inside its shape {shape}",
                f"index {outside[0]} in mode {mode}",
                "They count from zero.",
            )
        cells *= length
        cells += index.astype(np.int64, copy=False)
    return cells


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
    >>> X.shape, X.nnz, float(X.sum())
    ((3, 2, 2), 2, 5.5)
    """
    path = Path(path)
    if not path.is_file():
        refuse("the file", "an existing file", str(path))
    indices, values = [], []
    n_columns, n_lines = 0, 0
    what = "shape of read_tns"
    with reading(path, ".tns", OSError, EOFError, UnicodeDecodeError, zlib.error), _opened(path) as file:
        for lines in _blocks_of_lines(file):
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
    lengths = tuple(int(index.max()) + 1 for index in coords) if shape is None else tuple(shape)
    if len(lengths) != len(coords):
        refuse(what, f"the lengths of the {len(coords)} modes in {path.name}", lengths)
    if any(index.max() >= length for index, length in zip(coords, lengths, strict=True)):
        held = tuple(int(index.max()) + 1 for index in coords)
        refuse(what, f"at least {held}, the largest indices in {path.name}", lengths)
    return scipy.sparse.coo_array((np.concatenate(values), tuple(coords)), shape=lengths)


def from_arrays(arrays: Any, name: str) -> scipy.sparse.coo_array | None:
    """Return the sparse tensor of an archive with ``coords`` (nnz, N), ``vals`` and ``shape``; None if it has others.

    Coordinates are counted from zero. Also read is what scipy and pydata/sparse save: ``coords`` (N, nnz) and ``data``.
    """
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


def _opened(path: Path) -> Any:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _blocks_of_lines(file: IO[bytes]) -> Iterator[list[str]]:
    """Yield the lines of a file, many at once."""
    rest = file.read(len(BOM_UTF8)).removeprefix(BOM_UTF8)
    while block := file.read(BLOCK_BYTES):
        text, newline, tail = (rest + block).rpartition(b"\n")
        if newline:
            yield text.decode().split("\n")
        rest = tail
    if rest:
        yield rest.decode().split("\n")


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
    """Return the numbers in lines of text, one row for each that is not a comment."""
    first = next((line for line in lines if _words(line)), None)
    if first is None:
        return np.empty((0, n_columns))
    try:
        table = np.loadtxt(lines, ndmin=2, delimiter="," if "," in first.partition("#")[0] else None)
    except ValueError:
        table = np.empty((1, 0))
    indices = table[:, :-1]
    well_formed = (
        table.shape[1] == (n_columns or max(table.shape[1], 2))
        and (indices >= 1).all()
        and (indices < LARGEST_INDEX).all()
        and (indices == np.floor(indices)).all()
    )
    if not well_formed:
        _refuse_line(lines, n_before, n_columns, name)
    return table


def _refuse_line(lines: list[str], n_before: int, n_columns: int, name: str) -> NoReturn:
    """Name the first line that is not indices and a value."""
    for number, line in enumerate(lines, n_before + 1):
        words = _words(line)
        if not words:
            continue
        n_columns = n_columns or max(len(words), 2)
        try:
            *indices, _ = [float(word) for word in words]
            good = len(words) == n_columns and all(1 <= i < LARGEST_INDEX and i == int(i) for i in indices)
        except ValueError:
            good = False
        if not good:
            expected = f"{n_columns - 1} indices, counted from one, and a value"
            refuse(f"line {number} of {name}", expected, line.strip())
    refuse(name, "lines of indices and values", f"what NumPy cannot read, in lines {n_before + 1} to {number}")
