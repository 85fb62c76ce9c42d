"""Long tables, a row for each cell or event: data frames, and what files hold, become labelled tensors."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from datetime import date
from math import prod
from numbers import Real
from os import PathLike
from typing import Any, Protocol

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from autoten._errors import AutotenWarning, counted, refuse
from autoten._typing import Array
from autoten.door import LARGEST_UNFOLDED, NO_MATRIX, PLAIN_KINDS, Preprocessed, filled, linear_cells, plain_labels
from autoten.labels import Labels

# With zeros where nothing is listed a tensor is dense up to so many cells, where every function of the package takes
# it, and beyond them where so large a share is listed: from there on dense fits are the faster ones.
FEW_CELLS = 2**20
WELL_FILLED = 0.1


class Table(Protocol):
    """A long table; how sentences call it and its reader, and what they add where a column is absent."""

    what: str
    asker: str
    remedy: str
    names: list[Any]
    n_rows: int

    def coded(self, name: Any) -> tuple[Array, NDArray[np.int64]]:
        """Return the labels of a column in their order, and which of them stands in each row."""

    def numbers(self, name: Any) -> Array:
        """Return the values of a column, NaN where there is none."""

    def has_numbers(self, name: Any) -> bool:
        """Tell whether a column can be one of values."""


def from_table(frame: Any, modes: Iterable[Any], values: Any = None, *, unlisted: str | None = None) -> Preprocessed:
    """Return the labelled tensor in a long table: a data frame with a row for each cell, or for each event.

    Parameters
    ----------
    frame : data frame
        Of pandas, polars, pyarrow, or of any other package that narwhals knows; a lazy one is collected.
    modes : sequence of names of columns
        A column for each mode, three or more: numbers, texts, dates, booleans or categories. Its labels are sorted;
        those of a pandas ``Categorical`` or a polars ``Enum`` keep their order there, without which texts such as
        weekdays stand in that of the alphabet. A label without a row is none.
    values : name of a column, optional
        The column of values; a blank one is a missing cell. If left out, each row is an event, and rows are counted.
    unlisted : {"zero", "missing"}, optional
        What a combination of labels without a row means. "zero": nothing was there, as in counts; rows of the same
        cell are then summed. "missing": nobody looked; a cell may then be listed once. Rows that are counted mean zero;
        values need no word only where every combination is listed.

    Returns
    -------
    Preprocessed
        The tensor with its labels. With zeros, where it has many cells of which few are listed, it is a
        ``scipy.sparse.coo_array``; else dense, with NaN for missing cells.

    Raises
    ------
    TypeError, ValueError
        If there is no such column, a label is blank, values are no numbers, a cell is listed twice where unlisted ones
        are missing, or `unlisted` must be said.

    Warns
    -----
    AutotenWarning
        If each cell that is listed is counted once, while a column of numbers is left over.

    Examples
    --------
    >>> import pandas as pd
    >>> flights = pd.DataFrame({
    ...     "airline": ["UA", "B6", "UA", "UA"],
    ...     "origin": ["EWR", "JFK", "EWR", "JFK"],
    ...     "hour": [6, 6, 6, 9],
    ...     "delay": [12.0, -3.0, 0.5, 4.0],
    ... })
    >>> X = from_table(flights, ["airline", "origin", "hour"])
    >>> X
    Preprocessed(shape=(2, 2, 2), steps=(), modes=('airline', 'origin', 'hour'))
    >>> X.labels.indices[0].tolist(), np.asarray(X)[1].tolist()
    (['B6', 'UA'], [[2.0, 0.0], [0.0, 1.0]])
    >>> from_table(flights[1:], ["airline", "origin", "hour"], "delay", unlisted="missing").X[0].tolist()
    [[nan, nan], [-3.0, nan]]
    """
    return tensor_of(Frame(frame), modes, values, unlisted)


class Frame:
    """A data frame of any package as a long table."""

    def __init__(self, frame: Any, what: str = "the frame", asker: str = "from_table") -> None:
        import narwhals as nw
        from narwhals.exceptions import DuplicateError

        self.what, self.asker = what, asker
        has_index = any(getattr(getattr(frame, "index", None), "names", ()))
        self.remedy = "Make columns of the levels of its index: reset_index()." if has_index else ""
        try:
            table = nw.from_native(frame, pass_through=True)
        except DuplicateError:
            refuse(f"the columns of {what}", "called by names that differ", ", ".join(map(str, frame.columns)))
        if isinstance(table, nw.LazyFrame):
            table = table.collect()
        if not isinstance(table, nw.DataFrame):
            remedy = "Read a file by autoten.read_tensor." if isinstance(frame, (str, PathLike)) else self.remedy
            refuse(f"{what} of {asker}", "a data frame", type(frame).__name__, remedy, kind=TypeError)
        self._table = table
        self.names = table.columns
        self.n_rows = len(table)

    def coded(self, name: Any) -> tuple[Array, NDArray[np.int64]]:
        """Return the labels of a column in their order, and which of them stands in each row."""
        column = self._table.get_column(name)
        array = column.to_numpy()
        blank = np.asarray(column.is_null().to_numpy(), dtype=bool)
        if array.dtype.kind == "f":
            blank = blank | np.isnan(array)
        return coded(array, f"{name} in {self.what}", int(blank.sum()), _own_order(column))

    def numbers(self, name: Any) -> Array:
        """Return the values of a column, NaN where there is none."""
        import narwhals as nw

        column = self._table.get_column(name)
        if not (self.has_numbers(name) or column.dtype == nw.Boolean):
            refuse(f"the column {name} in {self.what}", "numbers", f"dtype {column.dtype}", kind=TypeError)
        return np.asarray(column.cast(nw.Float32 if column.dtype == nw.Float32 else nw.Float64).to_numpy())

    def has_numbers(self, name: Any) -> bool:
        """Tell whether a column can be one of values."""
        return bool(self._table.get_column(name).dtype.is_numeric())


def tensor_of(table: Table, modes: Iterable[Any], values: Any, unlisted: str | None) -> Preprocessed:
    """Return the tensor in a long table; see `from_table`."""
    if isinstance(modes, str) or not isinstance(modes, Iterable):
        refuse(f"modes of {table.asker}", "a list of names of columns", repr(modes), kind=TypeError)
    modes = list(modes)
    _check_columns(table, modes, values)
    if unlisted not in (None, "zero", "missing"):
        refuse(f"unlisted of {table.asker}", "'zero' or 'missing'", repr(unlisted))
    if values is None and unlisted == "missing":
        remedy = "A combination without a row had no event. Name the column of values if there is one."
        refuse(f"unlisted of {table.asker}", "'zero' where rows are counted", repr(unlisted), remedy)
    if not table.n_rows:
        refuse(table.what, "a table with at least one row", "none")
    indices, codes = zip(*map(table.coded, modes), strict=True)
    labels, shape = Labels(tuple(map(str, modes)), indices), tuple(map(len, indices))
    if values is None:
        counts = _summed(codes, shape, None)
        _warn_of_values_left_over(table, modes, counts)
        return Preprocessed(counts, labels=labels)
    numbers = table.numbers(values)
    if unlisted is None and table.n_rows < prod(shape):
        expected = "'zero' or 'missing', since not every combination of labels is listed"
        got = f"{counted(table.n_rows, 'row')} for {prod(shape)} combinations"
        remedy = "Say 'zero' where nothing was there, as in counts, and 'missing' where nobody looked."
        refuse(f"unlisted of {table.asker}", expected, got, remedy)
    if unlisted == "zero":
        return Preprocessed(_summed(codes, shape, numbers), labels=labels)
    remedy = (
        "Sum or average them first, say unlisted='zero' if they are parts of a sum, or name modes and no values where "
        "rows are events."
    )
    return Preprocessed(filled(table.what, "a table", codes, shape, numbers, remedy), labels=labels)


def _warn_of_values_left_over(table: Table, modes: Sequence[Any], counts: Any) -> None:
    """Warn of rows that are counted once each while a column of numbers takes no part."""
    if counts.sum() > counts.max() == 1.0:
        for name in table.names:
            if name not in modes and table.has_numbers(name):
                message = f"Every cell that {table.what} lists is counted once. Did you mean values={name!r}?"
                warnings.warn(message, AutotenWarning, stacklevel=4)
                return


def _summed(codes: Sequence[Array], shape: tuple[int, ...], values: Array | None) -> Any:
    """Return the sums of the rows of each cell, or their numbers where there are no values, and zero elsewhere."""
    n_cells = prod(shape)
    cells, rows = np.unique(linear_cells(codes, shape), return_inverse=True)
    sums = np.bincount(rows, values).astype(np.float64 if values is None else values.dtype)
    if n_cells > FEW_CELLS and (len(cells) < WELL_FILLED * n_cells or n_cells > LARGEST_UNFOLDED):
        return scipy.sparse.coo_array((sums, np.unravel_index(cells, shape)), shape=shape)
    array = np.zeros(shape, dtype=sums.dtype)
    array.reshape(-1)[cells] = sums
    return array


def coded(array: Array, what: str, n_blank: int, order: Iterable[Any] | None = None) -> tuple[Array, NDArray[np.int64]]:
    """Return the labels of a column, sorted or in an order of their own, and which of them stands in each row."""
    if n_blank:
        remedy = "Drop these rows, or give them a label."
        refuse(f"the column {what}", "labelled in every row", counted(n_blank, "blank field"), remedy)
    if order is None and array.dtype.kind in PLAIN_KINDS:
        labels, codes = np.unique(array, return_inverse=True)
        return plain_labels(labels), codes
    rows = array.tolist()
    try:
        present = set(rows)
    except TypeError:
        got = f"a {type(rows[0]).__name__}"
        refuse(f"the column {what}", "labels: numbers, texts, dates, categories", got, kind=TypeError)
    kept = [label for label in (_sorted(present) if order is None else order) if label in present]
    places = {label: place for place, label in enumerate(kept)}
    codes = np.fromiter(map(places.__getitem__, rows), np.int64, len(rows))
    if all(type(label) is date for label in kept):
        return plain_labels(np.array(kept, dtype="M8[D]")), codes
    if all(isinstance(label, Real) for label in kept):
        return plain_labels(np.array(kept)), codes
    return plain_labels(np.fromiter(kept, object, len(kept))), codes


def _sorted(labels: Iterable[Any]) -> list[Any]:
    """Return labels in order; those of several types, which have none, by their texts."""
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=str)


def _own_order(column: Any) -> Iterable[Any] | None:
    """Return the categories of a column in their order; None where it has no order of its own."""
    import narwhals as nw

    # narwhals tells the order of ordered categories alone, pandas knows that of all.
    categories = getattr(getattr(column.to_native(), "cat", None), "categories", None)
    if categories is not None:
        return list(categories)
    return list(column.dtype.categories) if isinstance(column.dtype, nw.Enum) else None


def _check_columns(table: Table, modes: list[Any], values: Any) -> None:
    """Refuse what are no columns of a table, or not what a tensor needs."""
    what = f"modes of {table.asker}"
    for asked, names in ((what, modes), (f"values of {table.asker}", () if values is None else (values,))):
        for name in names:
            try:
                is_column = name in table.names
            except (TypeError, ValueError):  # expressions, whole columns: what they compare to is no yes or no
                refuse(asked, "said by names of columns", type(name).__name__, kind=TypeError)
            if not is_column:
                refuse(asked, f"out of the columns {', '.join(map(str, table.names))}", repr(name), table.remedy)
    named = modes if values is None else [*modes, values]
    if len(set(named)) < len(named):
        refuse(f"modes and values of {table.asker}", "columns that differ", ", ".join(map(str, named)))
    if len(modes) < 3:
        refuse(what, "at least three columns", repr(modes), NO_MATRIX)
