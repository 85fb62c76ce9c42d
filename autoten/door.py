"""The door: whatever people have becomes a tensor with its labels and history, once.

The only place that looks at types of other packages, NaN, masks and dtype; what lies behind it takes `Data`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from numbers import Real
from os import PathLike
from typing import Any, cast

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from autoten._errors import check_mode, counted, refuse
from autoten._typing import Array
from autoten.kernels.dense import largest_bits
from autoten.labels import Labels, names_of, numbered
from autoten.model import CPModel, as_cp
from autoten.tensors.chunked import ChunkedTensor
from autoten.tensors.dense import DenseTensor
from autoten.tensors.sparse import SparseTensor
from autoten.tensors.tensor import Tensor

# Squares and their sums stay far inside the floating range while the largest magnitude is inside these powers of two.
SAFE_EXPONENTS = {"f": (-30, 30), "d": (-300, 300)}

# A dask array of at most so many bytes is computed, and then treated like any other array.
LARGEST_COMPUTED = 2**28

# A Series or a table is unfolded to at most so many cells (16 GiB of float64).
LARGEST_UNFOLDED = 2**31

# What to do with a tensor of two modes.
NO_MATRIX = "A matrix has no unique CP decomposition: use a matrix method."

# Kinds of label arrays that NumPy can save and plots can draw as they are; all others become texts.
PLAIN_KINDS = "biufmMU"


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """A tensor and what was done to it: what `from_table`, `labelled`, `weighted` and `preprocess` return.

    Every function of the package takes it in place of an array, and the report of `estimate_rank` states its steps.
    NumPy takes it too: ``np.asarray(prepared)`` is the tensor, with NaN for what a mask hides.

    Parameters
    ----------
    X : array, masked array or sparse array of shape (I_1, ..., I_N)
        The tensor.
    steps : tuple of str
        What was done, first step first, such as ``("centred across mode 0",)``.
    labels : Labels, optional
        The names of its modes and of their indices.
    noise : array of shape (I_1, ..., I_N), optional
        The standard deviation of every cell's noise, up to a common factor.
    """

    X: Any
    steps: tuple[str, ...] = ()
    labels: Labels | None = None
    noise: NDArray[np.float64] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each mode."""
        return np.shape(self.X)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        X = self.X.toarray() if scipy.sparse.issparse(self.X) else np.ma.filled(self.X, np.nan)
        return np.array(X, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        modes = "" if self.labels is None else f", modes={self.labels.names}"
        return f"Preprocessed(shape={self.shape}, steps={self.steps}{modes})"


@dataclass(frozen=True, eq=False)
class Data:
    """A tensor that solvers, scores and hold-outs can use, its labels, and what was done to it before."""

    tensor: Tensor
    labels: Labels | None = None
    steps: tuple[str, ...] = ()

    @property
    def ndim(self) -> int:
        """Number of modes."""
        return len(self.tensor.shape)

    def mode(self, mode: Any, what: str) -> int:
        """Return a mode, given by number or name, as an index."""
        return check_mode(mode, self.ndim, what, names_of(self.labels))

    def numbered(self, record: Any) -> Any:
        """Return a solver or hold-out with numbers in place of the names of modes."""
        return numbered(record, self.ndim, self.labels)


def data_of(X: Any, *, samples: int | None = None, largest_computed: int | None = None) -> Data:
    """Return what people have as a tensor with its labels and history; `Data` as it is.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N), N >= 3
        Numbers in any layout, byte order or memory map; NaN and the masked cells of a ``numpy.ma`` array are missing.
        float32 stays float32, every other real type becomes float64; None is missing, and equal matrices in a list are
        stacked. Sparse tensors (n-D ``scipy.sparse.coo_array``, pydata ``sparse`` arrays, pyttb's ``sptensor``) stay
        sparse: an unlisted cell is an observed zero, values of the same cell are summed, and a listed NaN is missing. A
        dask array is computed. An xarray ``DataArray`` and a pandas Series with a level of its index for each mode have
        labels.
    samples : int, optional
        A mode of new samples for a model that is known already: it may have length 1, and only each of its slabs needs
        an observed cell.
    largest_computed : int, optional
        A dask array of more bytes stays one, to be looked at by parts; for None, one of more than 256 MiB is refused.

    Raises
    ------
    TypeError, ValueError
        One sentence: what was expected, what was got, what to do.
    """
    if isinstance(X, Data):
        return X
    if isinstance(X, (DenseTensor, SparseTensor)):
        return Data(X)
    given = unlabelled(X)
    tensor = _tensor_of(given.X, samples, largest_computed)
    return Data(tensor if given.noise is None else _weighted_tensor(tensor, given.noise), given.labels, given.steps)


def as_tensor(X: Any) -> Tensor:
    """Return `X` as a tensor, its labels left behind: see `data_of`."""
    return data_of(X).tensor


def model_of(tensor: Tensor, cp: Any) -> CPModel:
    """Return a user's CP model of a tensor, checked, in the (scaled) units of the tensor."""
    model = as_cp(cp, tensor.shape)
    if not all(np.isfinite(part).all() for part in (model.weights, *model.factors)):
        refuse("the CP model", "finite", "NaN or infinite entries")
    return model.scaled(1.0 / tensor.scale)


def masked(X: Any, observed: Any) -> np.ma.MaskedArray[Any, Any]:
    """Return `X` with only the cells where `observed` is True counted as seen.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        The data; what it holds at unobserved cells is never used. Labels are lost: of an xarray ``DataArray`` take
        ``X.where(observed)`` instead.
    observed : array_like of bool, shape (I_1, ..., I_N)
        True = observed, as in tensorly and tensortools (``numpy.ma`` uses the opposite sense).

    Returns
    -------
    masked array of shape (I_1, ..., I_N)
        `X` with a mask (``numpy.ma``), which hides the cells that were not observed.

    Raises
    ------
    ValueError
        If the shapes differ or `observed` is not boolean.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(24.0).reshape(2, 3, 4)
    >>> int(masked(X, X != 5).count())
    23
    """
    X, observed = np.asanyarray(X), np.asarray(observed)
    if observed.shape != X.shape:
        refuse("observed", f"an array of X's shape {X.shape}", f"shape {observed.shape}")
    if observed.dtype != bool and not np.isin(observed, (0, 1)).all():
        refuse("observed", "boolean, True for an observed cell", f"dtype {observed.dtype}")
    return np.ma.masked_array(X, mask=~observed.astype(bool))


def labelled(X: Any, labels: Mapping[str, Any]) -> Preprocessed:
    """Return `X` with names for its modes and labels for their indices.

    They come back on models, pictures, warnings, reports and saved files, and a mode may then be given by its name.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N), masked, sparse or Preprocessed
        The data. Labels that they have are replaced.
    labels : mapping from name to array_like of shape (I_n,), or to None
        The name of each mode, in the order of the modes, and the labels of its indices: numbers, dates or texts. None
        where they have none.

    Returns
    -------
    Preprocessed

    Raises
    ------
    TypeError, ValueError
        If `X` is no array of real numbers, or there is not a name for each mode and a label for each index.

    Notes
    -----
    Matrices of the same rows and columns are stacked first, such as the layers of an AnnData object ``a``, where
    ``layers`` is ``a.layers``, the cells are ``a.obs_names`` and the genes ``a.var_names``; a sparse layer has a
    method ``toarray``.

    >>> import numpy as np
    >>> layers = {"spliced": np.ones((3, 4)), "unspliced": np.eye(3, 4)}
    >>> stacked = np.stack(list(layers.values()), axis=2)
    >>> labelled(stacked, {"cell": ["c1", "c2", "c3"], "gene": list("abcd"), "layer": list(layers)})
    Preprocessed(shape=(3, 4, 2), steps=(), modes=('cell', 'gene', 'layer'))

    Examples
    --------
    >>> from autoten import fit_parafac
    >>> X = labelled(np.arange(24.0).reshape(2, 3, 4), {"sample": ["a", "b"], "time": None, "sensor": [1, 2, 5, 9]})
    >>> fit_parafac(X, 1, random_state=0).model.top("sensor", 2)
    {1: [('9', 0.54...), ('5', 0.51...)]}
    """
    given = unlabelled(X)
    if not _is_dask(given.X) and coordinates_of(given.X) is None:
        data, mask = numbers_of(given.X, "X of labelled")
        given = replace(given, X=data if mask is None else np.ma.masked_array(data, mask))
    what = "labels of labelled"
    if not isinstance(labels, Mapping):
        expected = "a mapping from the name of each mode to its labels, or to None"
        refuse(what, expected, type(labels).__name__, kind=TypeError)
    shape = given.shape
    if len(labels) != len(shape):
        refuse(what, f"a name for each mode of shape {shape}", f"{len(labels)}: {', '.join(map(str, labels))}")
    indices = []
    for (name, of_mode), length in zip(labels.items(), shape, strict=True):
        found = None if of_mode is None else plain_labels(of_mode)
        if found is not None and found.shape != (length,):
            refuse(f"the labels of {name}", f"{length}, one for each index", f"shape {found.shape}")
        indices.append(found)
    return replace(given, labels=Labels(tuple(map(str, labels)), tuple(indices)))


def weighted(X: Any, noise: Any) -> Preprocessed:
    r"""Return `X` with the known noise of its cells: what is measured more precisely counts for more.

    .. math:: \min \sum_{ijk} w_{ijk} (x_{ijk} - m_{ijk})^2, \qquad w_{ijk} \propto \sigma_{ijk}^{-2}

    Fits, explained shares, held-out errors and core consistency are then all by weighted least squares, maximum
    likelihood for independent Gaussian noise of these sizes. Only their ratios matter: the weights of observed cells
    are made 1 on average. Equal noise gives what the data without weights give.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        Dense data: an array, a masked array, a ``DataArray``, a Series or a `Preprocessed` tensor. Missing cells (NaN
        or masked) have no weight.
    noise : array_like of the shape of X, or one that NumPy broadcasts to it
        The standard deviation of every cell's noise, > 0, in the units of X as it is: after scaling, if there was any.
        Ignored at missing cells.

    Returns
    -------
    Preprocessed
        For `estimate_rank`, `fit_parafac` and every other function that takes data.

    Raises
    ------
    TypeError, ValueError
        If `X` is sparse, a dask array, or no tensor of real numbers; if `noise` has another shape or other labels, or
        is not positive and finite wherever X was observed.

    Notes
    -----
    For `ALS` and `HALS`; `KL` refuses weights, since counts have a noise of their own. The nonnegative core of `HALS`
    fits has no weighted form here (NaN). Every row of a factor is solved by normal equations of its own, so that a fit
    takes as long as one with much missing, and starts are not explored in a compressed core.

    References
    ----------
    Bro, Sidiropoulos & Smilde (2002), Maximum likelihood fitting using ordinary least squares algorithms, Journal of
    Chemometrics 16, 387-400.

    Examples
    --------
    >>> import numpy as np
    >>> from autoten import fit_parafac
    >>> from autoten.datasets import make_cp_tensor
    >>> X = make_cp_tensor((10, 11, 12), 2, random_state=0).X
    >>> noise = np.where(np.arange(12) < 6, 0.1, 5.0)  # half of the channels are poor
    >>> noisy = X + noise * np.random.default_rng(0).standard_normal(X.shape)
    >>> fit = fit_parafac(weighted(noisy, noise), 2, random_state=0)
    >>> plain = fit_parafac(noisy, 2, random_state=0)
    >>> [bool(np.abs(each.model.to_tensor() - X)[..., :6].mean() < 0.1) for each in (fit, plain)]
    [True, False]
    """
    given, of_noise = unlabelled(X), unlabelled(noise)
    if _is_dask(given.X) or coordinates_of(given.X) is not None:
        remedy = "Give an array: X.todense() or X.compute(), if it fits into memory."
        refuse("X of weighted", "a dense tensor in memory", type(given.X).__name__, remedy, kind=TypeError)
    data, mask = numbers_of(given.X, "X of weighted")
    labels = given.labels
    if labels is not None and of_noise.labels is not None and not labels.agree_with(of_noise.labels):
        got = f"modes {of_noise.labels.names}"
        refuse("noise of weighted", "labelled as X is", got, "Bring it into the order of X.")
    noise = _as_real(np.asarray(of_noise.X), "Give the standard deviation of every cell.").astype(float)
    try:
        noise = np.broadcast_to(noise, data.shape)
    except ValueError:
        refuse("noise of weighted", f"of X's shape {data.shape}, or broadcast to it", f"shape {noise.shape}")
    unsuitable = ~missing_cells(data, mask) & ~((noise > 0.0) & (noise < np.inf))
    if unsuitable.any():
        remedy = "Mark a cell that tells nothing as missing: NaN in X."
        refuse("noise of weighted", "positive and finite at every observed cell", f"{noise[unsuitable][0]:g}", remedy)
    steps = (*given.steps, "cells weighted by the inverse square of their noise")
    return Preprocessed(data if mask is None else np.ma.masked_array(data, mask), steps, labels, noise)


def unlabelled(X: Any) -> Preprocessed:
    """Return what `X` holds, apart from its labels and history: those of an xarray ``DataArray`` or a pandas Series."""
    if isinstance(X, Preprocessed):
        return X
    if hasattr(X, "data_vars"):
        tensors = [name for name in X.data_vars if X[name].ndim >= 3] or X.data_vars
        held = ", ".join(f"{name!r} ({', '.join(map(str, X[name].dims))})" for name in tensors)
        remedy = f"Give one of its arrays, as X[name]: {held or 'it has none'}."
        refuse("X", "an array of real numbers", "an xarray Dataset", remedy, kind=TypeError)
    if hasattr(X, "dims") and hasattr(X, "coords") and hasattr(X, "data"):
        indices = tuple(plain_labels(X.coords[name]) if name in X.coords else None for name in X.dims)
        return Preprocessed(X.data, labels=Labels(tuple(map(str, X.dims)), indices))
    if getattr(X, "ndim", 0) == 1 and hasattr(getattr(X, "index", None), "codes") and hasattr(X.index, "levels"):
        return _unfolded(X)
    return Preprocessed(X)


def _unfolded(series: Any) -> Preprocessed:
    """Return a Series as a dense array, NaN where it lists nothing."""
    index = series.index.remove_unused_levels()
    shape = tuple(len(level) for level in index.levels)
    codes = np.array([np.asarray(code) for code in index.codes], dtype=np.int64)
    unnamed = int((codes < 0).any(axis=0).sum())
    if unnamed:
        refuse("the index of X", "complete", f"{unnamed} rows without a label")
    names = tuple(f"mode {mode}" if name is None else str(name) for mode, name in enumerate(index.names))
    remedy = "Sum or average them first: X.groupby(level=list(range(X.index.nlevels))).mean()."
    array = filled("X", "a Series", codes, shape, series.to_numpy(), remedy)
    return Preprocessed(array, labels=Labels(names, tuple(plain_labels(level) for level in index.levels)))


def filled(what: str, kind: str, codes: Iterable[Any], shape: tuple[int, ...], values: Array, remedy: str) -> Array:
    """Return listed values as a dense array, NaN where nothing is listed; `remedy` is for cells listed twice."""
    if prod(shape) > LARGEST_UNFOLDED:
        sparse = "Where an unlisted combination means zero, say so: autoten.from_table(..., unlisted='zero')."
        refuse(what, f"{kind} whose labels span at most {LARGEST_UNFOLDED} cells", f"shape {shape}", sparse)
    cells = np.ravel_multi_index(tuple(codes), shape)
    twice = np.size(cells) - np.unique(cells).size
    if twice:
        refuse(what, f"{kind} that lists each cell once", counted(twice, "repeated row"), remedy)
    dtype = np.result_type(values.dtype, np.float32 if values.dtype.kind == "f" else np.float64)
    array = np.full(shape, np.nan if dtype.kind in "fc" else None, dtype=dtype)
    array.reshape(-1)[cells] = values
    return array


def plain_labels(labels: Any) -> Array:
    """Return labels as an array of numbers, texts, or dates, which say days where they are whole ones, else seconds."""
    array = np.asarray(labels)
    if array.dtype.kind == "M":
        for coarser in (array.astype("M8[D]"), array.astype("M8[s]")):
            if coarser.dtype < array.dtype and np.array_equal(coarser, array):
                return coarser
    if array.dtype.kind in PLAIN_KINDS:
        return array
    texts = [" / ".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in array]
    return np.array(texts, dtype=str)


# Nonzeros in any order, maybe some twice: an index array for each mode, the values, the shape.
Coordinates = tuple[Sequence[Array], Array, tuple[int, ...]]


def coordinates_of(X: Any) -> Coordinates | None:
    """Return what a sparse tensor of scipy, pydata/sparse or pyttb holds; None for anything else.

    Raises
    ------
    ValueError
        If its unlisted cells are not zero.
    """
    if scipy.sparse.issparse(X):
        X = X.tocoo()
        return X.coords, X.data, X.shape
    if hasattr(X, "subs") and hasattr(X, "vals"):  # pyttb.sptensor; without nonzeros its arrays have no modes
        subs = np.asarray(X.subs).reshape(-1, len(X.shape))
        return list(subs.T), np.ravel(X.vals), tuple(X.shape)
    if hasattr(X, "fill_value") and not isinstance(X, np.ndarray):  # pydata COO, GCXS and DOK
        if not np.array_equal(X.fill_value, 0):
            refuse("X", "a sparse tensor whose unlisted cells are zero", f"fill_value {X.fill_value}")
        X = X if hasattr(X, "coords") else X.tocoo() if hasattr(X, "tocoo") else X.to_coo()
        return X.coords, X.data, tuple(X.shape)
    return None


def linear_cells(coords: Sequence[Array], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return C-order linear indices, refusing coordinates that are not integers inside the shape, or too many cells."""
    if prod(shape) >= 2**63:
        refuse("X", "a tensor with fewer than 2**63 cells", f"shape {shape}", "Leave out modes, or empty slabs.")
    cells = np.zeros(len(coords[0]), dtype=np.int64)
    for mode, (index, length) in enumerate(zip(coords, shape, strict=True)):
        index = np.asarray(index)
        if index.dtype.kind not in "iu" and index.size:
            refuse("the coordinates of X", "integers", f"dtype {index.dtype} in mode {mode}", kind=TypeError)
        outside = index[(index < 0) | (index >= length)] if index.size else index
        if outside.size:
            got = f"index {outside[0]} in mode {mode}"
            refuse("the coordinates of X", f"inside its shape {shape}", got, "They count from zero.")
        cells *= length
        cells += index.astype(np.int64, copy=False)
    return cells


def _tensor_of(X: Any, samples: int | None, largest_computed: int | None) -> Tensor:
    """Return unlabelled data as a tensor."""
    if _is_dask(X):
        _check_known(X)
        if hasattr(X, "chunks") and X.nbytes > (LARGEST_COMPUTED if largest_computed is None else largest_computed):
            if largest_computed is not None:
                return cast("Tensor", _chunked(X))
            remedy = "Use estimate_rank, which takes it by parts and whose models are of the whole; or X.compute()."
            refuse("X", f"a dask array of at most {LARGEST_COMPUTED >> 20} MiB", f"{X.nbytes >> 20:,} MiB", remedy)
        X = X.compute()
    listed = coordinates_of(X)
    if listed is not None:
        return _sparse_tensor(listed)
    array, mask = numbers_of(X)
    _check_shape(array.shape, samples)
    largest = _largest_magnitude(array)
    if mask is None and np.isfinite(largest):
        return DenseTensor(*_into_range(np.ascontiguousarray(array), largest))
    missing = missing_cells(array, mask)
    if missing.any():
        modes, remedy = range(missing.ndim), "Leave such slabs out: autoten.preprocess.drop_empty_slabs(X)."
        if samples is not None:
            modes, remedy = range(samples, samples + 1), "Drop it with numpy.delete(X, {slabs}, axis={mode})."
        _check_seen({n: missing.all(axis=tuple(m for m in range(missing.ndim) if m != n)) for n in modes}, remedy)
        array = np.where(missing, array.dtype.type(0), array)
    tensor = DenseTensor(*_finite_in_range(np.ascontiguousarray(array)))
    return tensor.hide(np.flatnonzero(missing)) if missing.any() else tensor


def _chunked(X: Any) -> ChunkedTensor:
    """Return a dask array as a tensor that is looked at by parts."""
    _check_shape(X.shape, None)
    array = X.astype(numbers_of(np.empty(0, X.dtype))[0].dtype)
    tensor = ChunkedTensor(array)
    if not np.isfinite(tensor.survey.largest):
        refuse("X", "finite, with NaN for missing cells", "infinite cells", "Set them to NaN if they are missing.")
    _check_seen({n: counts == 0 for n, counts in enumerate(tensor.survey.observed)}, "Leave such slabs out.")
    scaled, scale = _into_range(array, tensor.survey.largest)
    return tensor if scale == 1.0 else ChunkedTensor(scaled, scale)


def _sparse_tensor(listed: Coordinates) -> Tensor:
    """Return the tensor with these nonzeros, in no order, some maybe twice."""
    coords, values, lengths = listed
    shape = tuple(int(length) for length in lengths)
    _check_shape(shape, None)
    values = _as_real(np.asarray(values), "Give numbers as values.")
    cells = linear_cells(coords, shape)
    missing = np.isnan(values)
    hidden = np.unique(cells[missing])
    if len(hidden):
        cells, values = cells[~missing], values[~missing]
        places = enumerate(np.unravel_index(hidden, shape))
        counts = {n: np.bincount(index, minlength=shape[n]) for n, index in places}
        unseen = {n: missed == prod(shape) // shape[n] for n, missed in counts.items()}
        _check_seen(unseen, "Leave this slab out.")
    with np.errstate(over="ignore"):
        tensor = SparseTensor.of(cells, values, shape)
    tensor = SparseTensor(tensor.pattern, *_finite_in_range(tensor.values))
    return tensor.hide(hidden) if len(hidden) else tensor


def _weighted_tensor(tensor: Tensor, noise: NDArray[np.float64]) -> DenseTensor:
    """Return a dense tensor, complete or with hidden cells, with weights: 1 on average over observed cells."""
    assert isinstance(tensor, DenseTensor)
    hidden = np.zeros(tensor.shape, dtype=bool)
    hidden.reshape(-1)[tensor.hidden] = True
    # Against the smallest first: squares of what the user gives may leave the floating range.
    weights = np.square(np.min(noise, where=~hidden, initial=np.inf) / np.where(hidden, np.inf, noise))
    weights *= tensor.n_observed / weights.sum()
    return DenseTensor(tensor.data, tensor.scale, cell_weights=weights)


def numbers_of(X: Any, what: str = "X") -> tuple[Array, NDArray[np.bool_] | None]:
    """Return a real floating array in native byte order, and the mask of a numpy.ma array."""
    parts = X if isinstance(X, (list, tuple)) else ()
    _refuse_what_is_no_array(X, parts, what)
    if coordinates_of(X) is not None:
        remedy = "Give X.toarray() or X.todense(), if it fits into memory."
        refuse(what, "a dense array", type(X).__name__, remedy, kind=TypeError)
    if type(X).__module__.partition(".")[0] == "pyttb":
        X = getattr(X, "data", X)
    remedy = "Give a NumPy array, or anything that converts to one."
    try:
        array = _with_masks(X)
        mask = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
        array = np.asarray(array)  # of a masked array what it hides, too
    except Exception:  # noqa: BLE001 (an __array__ may raise anything)
        shapes = [str(part.shape) for part in parts if hasattr(part, "shape")]
        if shapes:
            got = f"{len(parts)} arrays of shapes {', '.join(dict.fromkeys(shapes))}"
            refuse(what, "an array, or equal ones to stack", got, "Pad the shorter ones with NaN: missing cells.")
        refuse(what, "an array of real numbers", type(X).__name__, remedy, kind=TypeError)
    return _as_real(array, remedy, what), mask


def missing_cells(array: Array, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return which cells are NaN or masked."""
    return np.isnan(array) if mask is None else mask | np.isnan(array)


def _with_masks(X: Any) -> Any:
    """Return lists that hold masked arrays as one of these: NumPy would take what they hide for seen."""
    if isinstance(X, (list, tuple)):
        parts = [_with_masks(part) for part in X]
        if any(isinstance(part, np.ma.MaskedArray) for part in parts):
            return np.ma.stack(parts)
    return X


def _refuse_what_is_no_array(X: Any, parts: Sequence[Any], what: str) -> None:
    """Refuse what NumPy would take for something else: the path of a file, and tables whose labels tell the modes."""
    if isinstance(X, (str, PathLike)):
        remedy = "Read a file first: autoten.read_tensor(path)."
        refuse(what, "an array of real numbers", repr(X), remedy, kind=TypeError)
    if _is_frame(X):
        wide = " Of a wide one, whose rows and columns together have a level for each mode, give X.stack()."
        unpivot = " Of a wide one make one first: X.unpivot(index=[names of the columns of labels])."
        remedy = (
            "Of a long table, a row for each cell or event, give autoten.from_table(X, modes, values): the names of "
            f"its columns.{wide if hasattr(X, 'stack') else unpivot if hasattr(X, 'unpivot') else ''}"
        )
        refuse(what, "an array or a labelled tensor", "a data frame", remedy)
    tables = [part for part in parts if hasattr(part, "iloc") and hasattr(part, "columns")]
    if any(not (one.index.equals(tables[0].index) and one.columns.equals(tables[0].columns)) for one in tables):
        remedy = "Give pandas.concat(dict of tables).stack(): cells that a table lacks are then missing."
        refuse(what, "tables with the same rows and columns, to stack", "tables that differ in them", remedy)


def _is_frame(X: Any) -> bool:
    """Tell whether X is a data frame of any package."""
    if not hasattr(type(X), "columns"):
        return False
    import narwhals as nw

    return isinstance(nw.from_native(X, pass_through=True), (nw.DataFrame, nw.LazyFrame))


def _as_real(array: Array, remedy: str, what: str = "X") -> Array:
    """Return an array of real numbers as float32 or float64, None as NaN."""
    if array.dtype == object and array.ndim:
        array = _without_objects(array, remedy, what)
    if array.dtype.kind not in "fiub":
        got = f"complex numbers ({array.dtype})" if array.dtype.kind == "c" else f"dtype {array.dtype}"
        if array.dtype.kind == "c":
            remedy = "Analyse its real and imaginary parts, or its magnitude."
        refuse(what, "an array of real numbers", got, remedy, kind=TypeError)
    dtype = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize <= 4 else np.float64
    return array.astype(dtype, copy=False)


def _without_objects(array: Array, remedy: str, what: str) -> NDArray[np.float64]:
    """Return an array of Python's numbers as floats; None, and pandas' NA, are missing."""
    cells = [np.nan if cell is None or type(cell).__name__ == "NAType" else cell for cell in array.flat]
    odd = next((cell for cell in cells if not isinstance(cell, (Real, np.bool_))), None)
    if odd is not None:
        got = f"dtype object, with cells of type {type(odd).__name__}"
        refuse(what, "an array of real numbers", got, remedy, kind=TypeError)
    try:
        return np.array(cells, dtype=float).reshape(array.shape)
    except OverflowError:
        refuse(what, "an array of real numbers", "an integer beyond the range of float64", "Scale it down.")


def _is_dask(X: Any) -> bool:
    return type(X).__module__.split(".")[0] == "dask"


def _check_known(X: Any) -> None:
    if any(length != length for length in getattr(X, "shape", ())):
        refuse("X", "a dask array of known shape", f"shape {X.shape}", "Call its compute_chunk_sizes() first.")


def check_shape(shape: tuple[int, ...], what: str = "X") -> None:
    """Refuse what has two modes or fewer, or no cell."""
    if len(shape) < 3:
        refuse(what, "a tensor with at least 3 modes", f"shape {shape}", NO_MATRIX)
    if prod(shape) == 0:
        refuse(what, "a tensor with at least one cell", f"shape {shape}")


def _check_shape(shape: tuple[int, ...], samples: int | None) -> None:
    check_shape(shape)
    single = [mode for mode, length in enumerate(shape) if length == 1 and mode != samples]
    if single:
        remedy = f"Drop mode {single[0]} with numpy.squeeze."
        if len(shape) - len(single) < 3:
            remedy = f"Several indices are needed in each of three modes (samples, say). {NO_MATRIX}"
        refuse("X", "a tensor whose modes all have length >= 2", f"shape {shape}", remedy)


def _check_seen(unseen: Mapping[int, Any], remedy: str) -> None:
    """Refuse what has slabs without an observed cell: for some modes, which these are."""
    if all(slabs.all() for slabs in unseen.values()):
        refuse("X", "a tensor with observed cells", "only missing cells")
    for mode, slabs in unseen.items():
        empty = np.flatnonzero(slabs).tolist()
        if empty:
            got = f"no observed cell at {'index' if len(empty) == 1 else 'indices'} {listed(empty, 5)} of mode {mode}"
            remedy = remedy.format(slabs=empty[:5], mode=mode)
            refuse("X", "a tensor with observed cells in every slab", got, remedy)


def listed(things: Sequence[Any] | Array, most: int = 10) -> str:
    """Return in words what there may be many of: the first few, and how many more."""
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(map(str, things[:most])) + more


def _largest_magnitude(array: Array) -> float:
    """Return the largest magnitude, NaN or infinity if there is any, without a mask of the array's size."""
    if array.size == 0:
        return 0.0
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        return float(np.maximum(array.max(), -array.min()))
    # Magnitudes are in the order of their bits, so one pass over integers does, NaN included.
    integer = np.dtype(f"i{array.itemsize}")
    bits = array.ravel(order="K").view(integer)
    bits.flags.writeable = False
    largest = largest_bits(bits, integer.type(np.iinfo(integer).max))
    return float(np.array(largest, integer).view(array.dtype))


def _finite_in_range(values: Array) -> tuple[Array, float]:
    """Return values whose squares stay in the floating range, and their scale; refuse infinite ones."""
    largest = _largest_magnitude(values)
    if not np.isfinite(largest):
        infinite = counted(int((~np.isfinite(values)).sum()), "infinite cell")
        refuse("X", "finite, with NaN for missing cells", infinite, "Set them to NaN if they are missing.")
    return _into_range(values, largest)


def _into_range(array: Array, largest: float) -> tuple[Array, float]:
    """Return the array divided by a power of two where its squares would leave the floating range (exact)."""
    exponent = min(int(np.frexp(largest)[1]), 1023) if largest else 0
    lowest, highest = SAFE_EXPONENTS[array.dtype.char]
    if lowest <= exponent <= highest:
        return array, 1.0
    return np.ldexp(array, -exponent), float(np.ldexp(1.0, exponent))
