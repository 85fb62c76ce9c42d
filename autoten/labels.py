"""Names of modes and of their indices: taken off labelled data, carried along by models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoten._validation import check_mode, refuse

# Kinds of label arrays that NumPy can save and plots can draw as they are; all others become texts.
PLAIN_KINDS = "biufmMU"

# Metadata of a field of a solver or hold-out that holds modes, by number or by name.
MODES = {"modes": True}

# A Series is unfolded to at most so many cells (16 GiB of float64).
LARGEST_UNFOLDED = 2**31


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
    if prod(shape) > LARGEST_UNFOLDED:
        remedy = "Where an unlisted combination means zero, give a sparse array."
        refuse("X", f"a Series whose labels span at most {LARGEST_UNFOLDED} cells", f"shape {shape}", remedy)
    cells = np.ravel_multi_index(tuple(codes), shape)
    twice = np.size(cells) - np.unique(cells).size
    if twice:
        remedy = "Sum or average them first: X.groupby(level=list(range(X.index.nlevels))).mean()."
        refuse("X", "a Series that lists each cell once", f"{twice} repeated rows", remedy)
    values = series.to_numpy(dtype=float, na_value=np.nan) if _is_nullable(series.dtype) else series.to_numpy()
    dtype = np.result_type(values.dtype, np.float32 if values.dtype.kind == "f" else np.float64)
    array = np.full(shape, np.nan if dtype.kind in "fc" else None, dtype=dtype)
    array.reshape(-1)[cells] = values
    names = tuple(f"mode {mode}" if name is None else str(name) for mode, name in enumerate(index.names))
    return array, Labels(names, tuple(_plain(level) for level in index.levels))


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
