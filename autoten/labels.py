"""Names of modes and of their indices: taken off labelled data, carried along by models."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from math import nan, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoten._errors import check_mode, counted, is_number, reading, refuse

# Kinds of label arrays that NumPy can save and plots can draw as they are; all others become texts.
PLAIN_KINDS = "biufmMU"

# Metadata of a field of a solver or hold-out that holds modes, by number or by name.
MODES = {"modes": True}

# A Series or a table is unfolded to at most so many cells (16 GiB of float64).
LARGEST_UNFOLDED = 2**31

# How a missing value is written in a table, besides NaN.
MISSING_VALUES = ("", "NA")


@dataclass(frozen=True, eq=False)
class Labels:
    """Names of the modes, and of the indices of each mode where the data have them.

    Parameters
    ----------
    names : tuple of str
        One name for each mode.
    indices : tuple of (array of shape (I_n,) or None)
        The labels of each mode's indices: numbers, dates or texts; None where there are none.

    Examples
    --------
    >>> labels = Labels(("sample", "emission"), (np.array(["a", "b"]), None))
    >>> labels.index(0, 1), labels.index(1, 7), labels.mode("emission")
    ('b', '7', 1)
    """

    names: tuple[str, ...]
    indices: tuple[NDArray[Any] | None, ...]

    def mode(self, mode: int | str) -> int:
        """Return the number of a mode that is given by number or name."""
        return check_mode(mode, len(self.names), "mode", self.names)

    def index(self, mode: int, index: int) -> str:
        """Return the label of one index of a mode; its number where there are no labels."""
        labels = self.indices[mode]
        return str(index if labels is None else labels[index])

    def agree_with(self, other: Labels) -> bool:
        """Tell whether modes have the same names, and indices the same labels where both have any."""
        pairs = zip(self.indices, other.indices, strict=False)
        return self.names == other.names and all(
            one is None or two is None or np.array_equal(one, two) for one, two in pairs
        )

    def rows(self, indices: Sequence[Any]) -> Labels:
        """Return the labels of a sub-tensor: `indices` holds one index array (or slice) per mode."""
        kept = [None if labels is None else labels[index] for labels, index in zip(self.indices, indices, strict=True)]
        return Labels(self.names, tuple(kept))


def split_labels(X: Any) -> tuple[Any, Labels | None]:
    """Return what `X` holds without its labels, and the labels; of anything unlabelled the same X and None.

    Labelled are an xarray ``DataArray`` and a pandas Series with a MultiIndex, one level for each mode. A combination
    of labels that the Series does not list is missing (NaN), and so is NaN itself.

    Raises
    ------
    ValueError
        If a Series lists a cell twice, lacks a label, or would unfold to more than `LARGEST_UNFOLDED` cells.
    """
    if hasattr(X, "dims") and hasattr(X, "coords") and hasattr(X, "data"):
        names = tuple(str(name) for name in X.dims)
        return X.data, Labels(names, tuple(_plain(X.coords[name]) if name in X.coords else None for name in X.dims))
    if getattr(X, "ndim", 0) == 1 and hasattr(getattr(X, "index", None), "codes") and hasattr(X.index, "levels"):
        return _unfolded(X)
    return X, getattr(X, "labels", None) if hasattr(X, "steps") else None


def names_of(labels: Labels | None) -> tuple[str, ...]:
    """Return the names of the modes; none where there are no labels."""
    return () if labels is None else labels.names


def numbered(record: Any, ndim: int, labels: Labels | None) -> Any:
    """Return a solver or hold-out, a frozen record, with the numbers of modes in place of names, also inside a part."""
    if not is_dataclass(record) or isinstance(record, type):
        return record
    changes = {}
    for field in fields(record):
        value, what = getattr(record, field.name), f"{field.name} of {type(record).__name__}"
        if "modes" not in field.metadata:
            changed = numbered(value, ndim, labels)
        else:
            given = value if isinstance(value, tuple) else (value,)
            numbers = [check_mode(m, ndim, what, names_of(labels)) if isinstance(m, str) else m for m in given]
            changed = tuple(numbers) if isinstance(value, tuple) else numbers[0]
        if changed is not value:
            changes[field.name] = changed
    return replace(record, **changes) if changes else record


def _unfolded(series: Any) -> tuple[NDArray[Any], Labels]:
    """Return a Series as a dense array, NaN where it lists nothing."""
    index = series.index.remove_unused_levels()
    shape = tuple(len(level) for level in index.levels)
    codes = np.array([np.asarray(code) for code in index.codes], dtype=np.int64)
    unnamed = int((codes < 0).any(axis=0).sum())
    if unnamed:
        refuse("the index of X", "complete", f"{unnamed} rows without a label")
    values = series.to_numpy(dtype=float, na_value=np.nan) if _is_nullable(series.dtype) else series.to_numpy()
    names = tuple(f"mode {mode}" if name is None else str(name) for mode, name in enumerate(index.names))
    remedy = "Sum or average them first: X.groupby(level=list(range(X.index.nlevels))).mean()."
    array = _filled("X", "a Series", codes, shape, values, remedy)
    return array, Labels(names, tuple(_plain(level) for level in index.levels))


def _filled(
    what: str, kind: str, codes: Iterable[Any], shape: tuple[int, ...], values: NDArray[Any], remedy: str
) -> NDArray[Any]:
    """Return listed values as a dense array, NaN where nothing is listed; `remedy` is for cells listed twice."""
    if prod(shape) > LARGEST_UNFOLDED:
        sparse = "Where an unlisted combination means zero, give a sparse array."
        refuse(what, f"{kind} whose labels span at most {LARGEST_UNFOLDED} cells", f"shape {shape}", sparse)
    cells = np.ravel_multi_index(tuple(codes), shape)
    twice = np.size(cells) - np.unique(cells).size
    if twice:
        refuse(what, f"{kind} that lists each cell once", counted(twice, "repeated row"), remedy)
    dtype = np.result_type(values.dtype, np.float32 if values.dtype.kind == "f" else np.float64)
    array = np.full(shape, np.nan if dtype.kind in "fc" else None, dtype=dtype)
    array.reshape(-1)[cells] = values
    return array


@dataclass(frozen=True, eq=False)
class LabelledArray:
    """An array with the labels of its modes: a ``DataArray`` as far as this package reads one, without xarray.

    Parameters
    ----------
    data : array of shape (I_1, ..., I_N)
        The values, NaN where missing; NumPy takes the whole in their place.
    dims : tuple of str
        One name for each mode.
    coords : mapping from name to array of shape (I_n,)
        The labels of each mode's indices.
    """

    data: NDArray[Any]
    dims: tuple[str, ...]
    coords: Mapping[str, NDArray[Any]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each mode."""
        return self.data.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.data, dtype=dtype, copy=copy)


def read_csv(path: Path) -> LabelledArray:
    """Return the tensor in a long ``.csv`` table: a row for each cell, a column for each mode, the value last.

    The header names the modes. Fields are separated by commas, semicolons or tabs. Labels are sorted, as numbers where
    all of a column are; a combination that is not listed is missing. A first column without a name, the row numbers
    that pandas and R write, is left out.

    Raises
    ------
    ValueError
        If the file is no such table, or lists a cell twice.
    """
    expected = "a table with a row for each cell: its label in each mode, then its value, below a header of names"
    rows: list[list[str]] = []
    values = []
    with (
        reading(path, ".csv", OSError, csv.Error, UnicodeDecodeError),
        path.open(encoding="utf-8-sig", newline="") as file,
    ):
        separator = max(",;\t", key=file.readline().count)
        file.seek(0)
        table = csv.reader(file, delimiter=separator)
        names = [name.strip() for name in next(table, [])]
        for row in table:
            if not any(row):
                continue
            if len(row) != len(names):
                refuse(f"line {table.line_num} of {path.name}", f"{len(names)} fields", str(len(row)))
            rows.append(row[:-1])
            values.append(_value(row[-1], f"the last field in line {table.line_num} of {path.name}"))
    columns = list(zip(*rows, strict=True))
    if columns and not names[0] and len(set(columns[0])) == len(rows):
        del names[0], columns[0]
    if len(columns) < 3 or is_number(names[-1]):
        refuse(path.name, expected, f"{counted(len(rows), 'row')} below the header {', '.join(names) or '(nothing)'}")
    modes = [name or f"mode {mode}" for mode, name in enumerate(names[:-1])]
    if len(set(modes)) < len(modes):
        refuse(f"the header of {path.name}", "names that differ", ", ".join(names))
    pairs = [
        np.unique(_column(column, f"{name} in {path.name}"), return_inverse=True)
        for name, column in zip(modes, columns, strict=True)
    ]
    shape = tuple(len(labels) for labels, _ in pairs)
    if len(rows) <= sum(shape) - len(shape):  # fewer cells than rank 1 has parameters
        refuse(path.name, expected, f"{len(rows)} rows whose labels span shape {shape}")
    array = _filled(
        path.name, "a table", [codes for _, codes in pairs], shape, np.array(values), "Sum or average them first."
    )
    return LabelledArray(array, tuple(modes), {name: labels for name, (labels, _) in zip(modes, pairs, strict=True)})


def _value(text: str, what: str) -> float:
    if text.strip() in MISSING_VALUES:
        return nan
    if not is_number(text):
        refuse(what, "a number, with a decimal point, or blank where the cell is missing", text)
    return float(text)


def _column(words: Sequence[str], what: str) -> NDArray[Any]:
    """Return the labels of a column, one for each row, as numbers if all are finite ones."""
    labels = np.char.strip(np.array(words))
    blank = int((labels == "").sum())
    if blank:
        refuse(f"the column {what}", "labelled in every row", counted(blank, "blank field"))
    for kind in (np.int64, np.float64):
        try:
            numbers = labels.astype(kind)
        except (ValueError, OverflowError):
            continue
        if np.isfinite(numbers).all():
            return numbers
    return labels


def _is_nullable(dtype: Any) -> bool:
    """Tell whether a Series holds pandas' own numbers, which know NA and are no dtype of NumPy."""
    return not isinstance(dtype, np.dtype) and getattr(dtype, "kind", "O") in "biuf"


def _plain(labels: Any) -> NDArray[Any]:
    """Return labels as an array of numbers, dates or texts."""
    array = np.asarray(labels)
    if array.dtype.kind in PLAIN_KINDS:
        return array
    texts = [" / ".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in array]
    return np.array(texts, dtype=str)
