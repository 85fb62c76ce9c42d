"""Names of modes and of their indices: taken off labelled data, carried along by models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from autoten._errors import check_mode
from autoten._typing import Array

# The names of modes by which the wavelengths of fluorescence are found.
LANDSCAPE = ("emission", "excitation")

# Metadata of a field of a solver or hold-out that holds modes, by number or by name.
MODES = {"modes": True}


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
    indices: tuple[Array | None, ...]

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


def in_words(labels: Labels | None, *modes: int) -> str:
    """Return modes in words, with names where they have any: "mode 0", "modes 0 (sample), 1 (day) and 2 (judge)"."""
    names = names_of(labels)
    named = [mode for mode in modes if names and names[mode] not in ("", f"mode {mode}")]
    *first, last = (f"{mode} ({names[mode]})" if mode in named else f"{mode}" for mode in modes)
    return f"modes {', '.join(first)} and {last}" if first else f"mode {last}"


def names_of(labels: Labels | None) -> tuple[str, ...]:
    """Return the names of the modes; none where there are no labels."""
    return () if labels is None else labels.names


def wavelength_modes(labels: Labels | None) -> tuple[int, int] | None:
    """Return the modes named emission and excitation, if both are there and labelled by numbers."""
    names = names_of(labels)
    if labels is None or not set(LANDSCAPE) <= set(names):
        return None
    emission, excitation = map(names.index, LANDSCAPE)
    given = (labels.indices[emission], labels.indices[excitation])
    return None if any(axis is None or axis.dtype.kind not in "iuf" for axis in given) else (emission, excitation)


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
