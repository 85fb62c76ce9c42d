"""The CP model: weights and factors, and the few things one does with them."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from autoten._errors import AutotenWarning, check_integer, imported, refuse
from autoten._typing import Array
from autoten.kernels.linear import to_unit_columns
from autoten.labels import Labels, wavelength_modes

# An entry rests on hardly a cell where the data say less of it than this share of what they say of its component's
# entries on average (each counted by its square): its standard error is more than ten times as large. With this share,
# more than a hundred times, no cell tells it from zero.
WITHOUT_SUPPORT = 0.01
UNDETERMINED = 1e-4

# Below this share of a component's squares in observed cells its largest value is hardly a measured one.
HARDLY_SEEN = 0.2

# Files of no mode, beside those of the modes.
OTHER_FILES = ("weights", "fmax")

# A name of a mode makes so many characters of the name of a file.
LONGEST_FILE_NAME = 60


@dataclass(frozen=True, eq=False)
class CPModel:
    """A sum of rank-one terms, ``X[i, j, ...] = sum_r weights[r] * A[i, r] * B[j, r] * ...``.

    It unpacks like tensorly's ``CPTensor``: ``weights, factors = model``; tensorly and tlviz take it as it is.

    Parameters
    ----------
    weights : array of shape (R,)
        The weight of each component.
    factors : sequence of arrays of shapes (I_1, R), ..., (I_N, R)
        One factor matrix per mode.
    labels : Labels, optional
        Names of the modes and of their indices; models of labelled data have them.
    support : tuple of arrays of shapes (I_1, R), ..., (I_N, R), optional
        At each index of a mode, the share of a component's squares in the other modes that was observed (each cell
        times its weight): what the entry of the factor rests on. Models of data with missing cells have it.

    Raises
    ------
    ValueError
        If the factors are not matrices with as many columns as there are weights, or the labels do not fit them.

    Examples
    --------
    >>> import numpy as np
    >>> model = CPModel(np.ones(1), [np.ones((2, 1)), np.ones((3, 1)), np.ones((4, 1))])
    >>> model.rank, model.shape, float(model.to_tensor().sum())
    (1, (2, 3, 4), 24.0)
    """

    weights: Array
    factors: tuple[Array, ...]
    labels: Labels | None = None
    support: tuple[Array, ...] | None = None

    def __post_init__(self) -> None:
        factors = tuple(np.asarray(factor) for factor in self.factors)
        weights = np.asarray(self.weights)
        if weights.ndim != 1:
            refuse("the weights of a CP model", "a vector, one entry for each component", f"shape {weights.shape}")
        if not factors:
            refuse("the factors of a CP model", "one matrix for each mode", "none")
        expected = f"a matrix with {weights.size} columns, one for each weight"
        for mode, factor in enumerate(factors):
            if factor.ndim != 2 or factor.shape[1] != weights.size:
                refuse(f"factor {mode} of a CP model", expected, f"shape {factor.shape}")
        object.__setattr__(self, "factors", factors)
        object.__setattr__(self, "weights", weights)
        if self.labels is not None:
            _check_labels(self.labels, self.shape)

    @property
    def rank(self) -> int:
        """Number of components."""
        return int(self.weights.size)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each mode."""
        return tuple(factor.shape[0] for factor in self.factors)

    @property
    def ndim(self) -> int:
        """Number of modes."""
        return len(self.factors)

    @property
    def named(self) -> Labels:
        """The labels; of a model without any, the numbers of its modes as names."""
        return self.labels or Labels(tuple(f"mode {mode}" for mode in range(self.ndim)), (None,) * self.ndim)

    def __iter__(self) -> Iterator[Any]:
        yield self.weights
        yield list(self.factors)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, item: int) -> Any:
        return (self.weights, list(self.factors))[item]

    def __repr__(self) -> str:
        return f"CPModel(rank={self.rank}, shape={self.shape})"

    @property
    def observed_share(self) -> Array:
        """Share of each component's squares that lies in observed cells, shape (R,); 1 where none are missing.

        Where cells have weights (1 on average), each counts by its own: components where the noise is low pass 1.
        """
        if self.support is None:
            return np.ones(self.rank)
        unit = self.unit_columns()
        return np.asarray(np.einsum("ir,ir->r", np.square(unit.factors[0]), self.support[0]))

    def without_support(self, mode: int, least: float = WITHOUT_SUPPORT) -> NDArray[np.bool_]:
        """Return which entries of a mode rest on hardly a cell, shape (I_mode, R); none where none are missing."""
        if self.support is None:
            return np.zeros(self.factors[mode].shape, dtype=bool)
        return np.asarray(self.support[mode] < least * self.observed_share)

    def within_support(self) -> CPModel:
        """Return the model with zeros for entries that no observed cell determines, and without what they rest on."""
        undetermined = (self.without_support(mode, UNDETERMINED) for mode in range(self.ndim))
        factors = (np.where(of, 0.0, factor) for of, factor in zip(undetermined, self.factors, strict=True))
        return replace(self, factors=tuple(factors), support=None)

    def to_tensor(self) -> Array:
        """Return the modelled tensor, shape ``self.shape`` (dense: think before you call it on a large model)."""
        if self.rank == 0:
            return np.zeros(self.shape)
        rest = khatri_rao(self.factors[1:])
        return np.asarray(((self.factors[0] * self.weights) @ rest.T).reshape(self.shape))

    def values_at(self, cells: NDArray[np.int64]) -> Array:
        """Return the model's values at `cells` (C-order linear indices), shape ``(len(cells),)``."""
        product = np.broadcast_to(self.weights.astype(float), (len(cells), self.rank))
        for index, factor in zip(np.unravel_index(cells, self.shape), self.factors, strict=True):
            product = product * factor[index]
        return np.asarray(product.sum(axis=1))

    def scaled(self, by: float) -> CPModel:
        """Return the model of ``by * X``; factors take a share where the weights alone would overflow."""
        with np.errstate(over="ignore"):
            weights = self.weights * by
        if np.isfinite(weights).all() or not np.isfinite(self.weights).all():
            return replace(self, weights=weights)
        share = by ** (1.0 / (self.ndim + 1))
        return replace(self, weights=self.weights * share, factors=tuple(factor * share for factor in self.factors))

    def rows(self, indices: Sequence[Any]) -> CPModel:
        """Return the model of a sub-tensor: `indices` holds one index array (or slice) per mode."""
        factors = tuple(f[index] for f, index in zip(self.factors, indices, strict=True))
        return CPModel(self.weights, factors, self.labels and self.labels.rows(indices))

    def placed(self, indices: Sequence[Array], shape: Sequence[int]) -> CPModel:
        """Return the model of a larger tensor, whose `rows` at these indices it is; all else is zero."""
        factors = tuple(np.zeros((length, self.rank)) for length in shape)
        for whole, index, factor in zip(factors, indices, self.factors, strict=True):
            whole[index] = factor
        return CPModel(self.weights, factors)

    def labelled(self, labels: Labels | None) -> CPModel:
        """Return the model with these labels, or without any for None."""
        return replace(self, labels=labels)

    def to_frame(self, mode: int | str | None = None) -> Any:
        """Return a factor, or all of them, as a pandas data frame: a row for each index, a column for each component.

        Parameters
        ----------
        mode : int or str, optional
            The mode's number, or its name if the model is labelled. By default all modes, one below the other.

        Returns
        -------
        DataFrame of shape (I_mode, R), or (I_1 + ... + I_N, R) with levels *mode* and *label* of its index
            Rows are called by the labels of the mode, numbers from 0 where it has none; columns, the components, by
            numbers from 1, as in pictures.

        Raises
        ------
        ImportError
            If pandas is not installed (``pip install 'autoten[labels]'``).
        ValueError
            If the model has no such mode.

        Examples
        --------
        >>> labels = Labels(("person", "day"), (np.array(["Ann", "Bo"]), None))
        >>> model = CPModel(np.ones(1), [np.array([[0.5], [1.0]]), np.ones((2, 1))], labels)
        >>> model.to_frame("person")
        component    1
        person
        Ann        0.5
        Bo         1.0
        >>> model.to_frame()
        component       1
        mode   label
        person Ann    0.5
               Bo     1.0
        day    0      1.0
               1      1.0
        """
        pd = imported("pandas", "to_frame")
        labels = self.named
        if mode is None:
            parts = [self.to_frame(number) for number in range(self.ndim)]
            return pd.concat(parts, keys=labels.names, names=["mode", "label"])
        number = labels.mode(mode)
        index = pd.Index(self._index(number), name=labels.names[number])
        columns = pd.RangeIndex(1, self.rank + 1, name="component")
        return pd.DataFrame(self.factors[number], index=index, columns=columns)

    def to_xarray(self) -> Any:
        """Return weights and factors as an xarray ``Dataset``: dimensions are the modes and *component*.

        Returns
        -------
        Dataset
            *weights* over the components, numbered from 1, and for each mode *factor_NAME* over its indices and the
            components, with the labels of the mode as a coordinate where it has any.

        Raises
        ------
        ImportError
            If xarray is not installed (``pip install 'autoten[labels]'``).
        ValueError
            If two modes have the same name, or one has that of a variable or of *component*.

        Examples
        --------
        >>> labels = Labels(("person", "day"), (np.array(["Ann", "Bo"]), None))
        >>> model = CPModel(np.ones(1), [np.array([[0.5], [1.0]]), np.ones((3, 1))], labels)
        >>> float(model.to_xarray()["factor_person"].sel(person="Ann", component=1))
        0.5
        """
        xr = imported("xarray", "to_xarray")
        names, indices = self.named.names, self.named.indices
        variables: dict[str, Any] = {"weights": ("component", self.weights)}
        for name, factor in zip(names, self.factors, strict=True):
            variables[f"factor_{name}"] = (name, "component"), factor
        if len({*names, *variables, "component"}) < 2 * self.ndim + 2:
            expected = f"different, and none of them one of component, {', '.join(variables)}"
            refuse("the names of modes of to_xarray", expected, ", ".join(names))
        coords = {name: index for name, index in zip(names, indices, strict=True) if index is not None}
        return xr.Dataset(variables, {**coords, "component": np.arange(1, self.rank + 1)})

    def to_csv(self, folder: str | Path) -> list[Path]:
        r"""Write a CSV file for each mode into a folder: a row for each index, its label first, then each component.

        Parameters
        ----------
        folder : str or Path
            It is made where it does not exist; files of the same names in it are replaced. What lies below the rounding
            error of a column's largest entry is written as 0.

        Returns
        -------
        list of Path
            A file for each mode, called by its name (what no file name may hold becomes ``_``), and ``weights.csv``. Of
            samples, emission and excitation, labelled by wavelengths, also ``fmax.csv``: `fluorescence.maxima`.

        Raises
        ------
        ValueError
            If there is a file in place of the folder.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> labels = Labels(("person", "day"), (np.array(["Ann", "Bo"]), None))
        >>> model = CPModel(np.ones(1), [np.array([[0.5], [1.0]]), np.ones((3, 1))], labels)
        >>> with TemporaryDirectory() as folder:
        ...     paths = model.to_csv(folder)
        ...     print(paths[0].name, paths[0].read_text(), sep="\n")
        person.csv
        person,component 1
        Ann,0.5
        Bo,1.0
        <BLANKLINE>
        """
        folder, names = Path(folder), self.named.names
        if folder.exists() and not folder.is_dir():
            refuse("the folder of to_csv", "a folder, or a new path", str(folder))
        folder.mkdir(parents=True, exist_ok=True)
        header = [f"component {number}" for number in range(1, self.rank + 1)]
        paths = [folder / name for name in _file_names(names)]
        of_weights, of_maxima = (folder / f"{name}.csv" for name in OTHER_FILES)
        for mode, (name, path) in enumerate(zip(names, paths, strict=True)):
            factor = np.asarray(self.factors[mode])
            none = np.abs(factor) < np.finfo(float).eps * np.abs(factor).max(axis=0, initial=0.0)
            rows = zip(self._index(mode), np.where(none, 0.0, factor).tolist(), strict=True)
            _write_csv(path, [[name, *header], *([label, *row] for label, row in rows)])
        _write_csv(of_weights, [header, self.weights.tolist()])
        places = wavelength_modes(self.labels)
        if places is None or self.ndim != 3:
            return [*paths, of_weights]
        (samples,) = {0, 1, 2} - set(places)
        rows = zip(self._index(samples), brightest(self, places).tolist(), strict=True)
        _write_csv(of_maxima, [[names[samples], *header], *([label, *row] for label, row in rows)])
        return [*paths, of_weights, of_maxima]

    def top(self, mode: int | str, n: int = 10) -> dict[int, list[tuple[str, float]]]:
        """Return the entries of a mode that are largest in magnitude in each component, with their labels.

        Parameters
        ----------
        mode : int or str
            The mode's number, or its name if the model is labelled.
        n : int
            So many entries at most. Zeros are left out, and entries that rest on hardly an observed cell (see
            `without_support`).

        Returns
        -------
        dict from component, from 1, to list of (label, entry)
            The largest magnitude first.

        Raises
        ------
        ValueError
            If the model has no such mode, or `n` is below 1.

        Examples
        --------
        >>> labels = Labels(("word", "day"), (np.array(["tea", "sun", "fog"]), None))
        >>> model = CPModel(np.ones(2), [np.array([[0.6, 0.0], [-0.8, 0.0], [0.1, 1.0]]), np.ones((2, 2))], labels)
        >>> model.top("word", 2)
        {1: [('sun', -0.8), ('tea', 0.6)], 2: [('fog', 1.0)]}
        """
        number, labels = self.named.mode(mode), self.named
        n = check_integer(n, "n of top", minimum=1)
        entries = np.where(self.without_support(number), 0.0, self.factors[number])
        largest = np.argsort(-np.abs(entries), axis=0, kind="stable")[:n]
        return {
            r + 1: [(labels.index(number, i), float(entries[i, r])) for i in largest[:, r].tolist() if entries[i, r]]
            for r in range(self.rank)
        }

    def _index(self, mode: int) -> Any:
        """Return the labels of a mode, numbers from 0 where it has none."""
        labels = self.named.indices[mode]
        return range(self.shape[mode]) if labels is None else labels

    def to_tensorly(self) -> Any:
        """Return the model as tensorly's own ``CPTensor``, with copies of weights and factors.

        Most of tensorly takes a `CPModel` as it is; this is for what asks for the class.

        Returns
        -------
        tensorly.cp_tensor.CPTensor

        Raises
        ------
        ImportError
            If tensorly is not installed.

        Examples
        --------
        >>> CPModel(np.ones(1), [np.ones((2, 1)), np.ones((3, 1)), np.ones((4, 1))]).to_tensorly()
        (weights, factors) : rank-1 CPTensor of shape (2, 3, 4)
        """
        tensorly = imported("tensorly", "to_tensorly", "tensorly")
        return tensorly.cp_tensor.CPTensor((self.weights.copy(), [factor.copy() for factor in self.factors]))

    def folded(self) -> list[Array]:
        """Return the factors with the weights multiplied into the first."""
        return [self.factors[0] * self.weights, *self.factors[1:]]

    def normalized(self) -> CPModel:
        """Return the same tensor with unit columns, nonnegative weights in descending order and signs fixed.

        In every mode but the first the entry of largest magnitude in a column is positive; the first mode
        carries what sign is left. A component that is zero has weight 0.
        """
        unit = self.unit_columns()
        order = np.argsort(-unit.weights, kind="stable")
        support = self.support and tuple(shares[:, order] for shares in self.support)
        return CPModel(unit.weights[order], tuple(f[:, order] for f in unit.factors), self.labels, support)

    def unit_columns(self) -> CPModel:
        """Return the same tensor with unit columns and nonnegative weights, components in their own order."""
        weights = self.weights.astype(float, copy=True)
        factors = [np.array(factor, dtype=float, order="C") for factor in self.factors]
        for mode, factor in enumerate(factors):
            weights *= to_unit_columns(factor, mode > 0)
        factors[0] = factors[0] * np.where(weights < 0, -1, 1)
        return CPModel(np.abs(weights), tuple(factors), self.labels, self.support)


def as_cp(model: Any, shape: tuple[int, ...] | None = None) -> CPModel:
    """Return `model` as a CPModel: ours, tensorly's ``CPTensor``, pyttb's ``ktensor`` or ``(weights, factors)``.

    Parameters
    ----------
    model : CPModel, CPTensor, ktensor, pair, or an estimate or fit, for its model
        ``weights`` may be None (all ones), as in tensorly.
    shape : tuple of int, optional
        The shape that the model must have.

    Raises
    ------
    TypeError, ValueError
        If it is no CP model, or one of another shape.
    """
    model = model_of(model)
    cp = model if isinstance(model, CPModel) else _converted(model)
    if shape is not None and cp.shape != tuple(shape):
        refuse("the CP model", f"of the tensor's shape {tuple(shape)}", f"shape {cp.shape}")
    return cp


def model_of(given: Any) -> Any:
    """Return the model that an estimate or a fit holds; anything else as it is."""
    held = getattr(given, "model", None)
    return held if isinstance(held, CPModel) else given


def brightest(model: CPModel, places: Sequence[int]) -> Array:
    """Return each component's largest magnitude over the modes `places`, at each index of the others, then R."""
    cp = model.unit_columns()
    unseen = np.flatnonzero(cp.observed_share < HARDLY_SEEN)
    if len(unseen):
        named = f"component{'' if len(unseen) == 1 else 's'} {', '.join(str(r + 1) for r in unseen)}"
        message = (
            f"More than {100 * (1 - HARDLY_SEEN):.0f} % of {named} (of the squares) lies where nothing was observed: "
            "the maximum there is extrapolated, not measured."
        )
        warnings.warn(message, AutotenWarning, stacklevel=3)
    peaks = cp.weights.copy()
    for place in places:
        peaks *= np.abs(cp.factors[place]).max(axis=0)
    others = [factor for mode, factor in enumerate(cp.factors) if mode not in places]
    lengths = [len(factor) for factor in others]
    return np.asarray(khatri_rao(others).reshape(*lengths, cp.rank) * peaks)


def _file_names(names: Sequence[str]) -> list[str]:
    """Return names that a file of any system may have, no two of them alike, and none like those of no mode."""
    stems = list(OTHER_FILES)
    for name in names:
        stem = re.sub(r"[^\w .-]", "_", name[:LONGEST_FILE_NAME]).strip(" .") or "mode"
        while stem.casefold() in (other.casefold() for other in stems):
            stem += "_"
        stems.append(stem)
    return [f"{stem}.csv" for stem in stems[len(OTHER_FILES) :]]


def _write_csv(path: Path, rows: list[list[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _check_labels(labels: Labels, shape: tuple[int, ...]) -> None:
    counts = [None if indices is None else len(indices) for indices in labels.indices]
    fit = [count in (None, length) for count, length in zip(counts, shape, strict=False)]
    if not len(labels.names) == len(counts) == len(shape) or not all(fit):
        got = f"{len(labels.names)} names and {counts} labels"
        refuse("the labels of a CP model", f"one name per mode and one label per index of shape {shape}", got)


def _converted(model: Any) -> CPModel:
    if hasattr(model, "factor_matrices"):
        weights, factors = model.weights, model.factor_matrices
    else:
        try:
            weights, factors = model
            factors = [np.asarray(factor) for factor in factors]
            weights = np.ones(factors[0].shape[1]) if weights is None else weights
        except (TypeError, ValueError, IndexError):
            refuse("a CP model", "a CPModel or a pair (weights, factors)", type(model).__name__, kind=TypeError)
    return CPModel(weights, tuple(factors))


def khatri_rao(matrices: Sequence[Array]) -> Array:
    """Return the column-wise Kronecker product of matrices (I_n, R); the last index runs fastest."""
    return reduce(linalg.khatri_rao, matrices)


def empty_model(shape: Sequence[int]) -> CPModel:
    """Return the model without components."""
    return CPModel(np.zeros(0), tuple(np.zeros((length, 0)) for length in shape))


def n_parameters(shape: Sequence[int], rank: int) -> int:
    """Return the number of free parameters of a CP model: ``R (sum_n I_n - N + 1)``, scales counted once."""
    return rank * (sum(shape) - len(shape) + 1)


def is_surely_unique(shape: Sequence[int], rank: int) -> bool:
    """Tell whether Kruskal's condition holds for generic factors: ``sum_n min(I_n, R) >= 2 R + N - 1``.

    Sufficient, not necessary; N-way form by Sidiropoulos & Bro (2000). Beyond it uniqueness is not guaranteed.
    """
    return rank <= 1 or sum(min(length, rank) for length in shape) >= 2 * rank + len(shape) - 1


def largest_useful_rank(shape: Sequence[int]) -> int:
    """Return the product of all mode lengths but the largest: no tensor of this shape has a larger rank."""
    return prod(sorted(shape)[:-1])


def check_largest_rank(shape: Sequence[int], rank: int, what: str) -> None:
    """Refuse a rank above what any tensor of this shape can have."""
    bound = largest_useful_rank(shape)
    if rank > bound:
        expected = f"at most {bound}, the largest rank that a tensor of shape {tuple(shape)} can have"
        refuse(what, expected, str(rank), "Ask for fewer components.")


def largest_determined_rank(shape: Sequence[int], n_observed: int) -> int:
    """Return the largest rank, 1 at least, whose free parameters do not outnumber the observed cells.

    Beyond it many models fit equally well, and none can be told from the others.
    """
    return max(n_observed // n_parameters(shape, 1), 1)
