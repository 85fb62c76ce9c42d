"""From what people have to a tensor: the only place that looks at input types, NaN and dtype."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten._errors import check_integer, counted, reading, refuse
from autoten.files import Coordinates, coordinates_of, from_arrays, linear_cells, read_tns
from autoten.kernels.dense import largest_bits
from autoten.labels import Labels, read_csv, split_labels
from autoten.model import CPModel, as_cp
from autoten.tensors.chunked import LARGEST_COMPUTED, ChunkedTensor
from autoten.tensors.dense import DenseTensor
from autoten.tensors.sparse import SparseTensor

if TYPE_CHECKING:
    from autoten.tensors.tensor import Tensor

# Squares and their sums stay far inside the floating range while the largest magnitude is inside these powers of two.
SAFE_EXPONENTS = {"f": (-30, 30), "d": (-300, 300)}

# What stands for an array in a file that is a pickle, which is never loaded.
UNREADABLE = "(pickled)"


def as_tensor(X: Any, *, samples: int | None = None) -> Tensor:
    """Return `X` as a tensor that solvers, scores and hold-outs can use.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N), N >= 3
        Numbers in any layout, byte order or memory map; NaN and the masked cells of a ``numpy.ma`` array are missing.
        float32 stays float32, every other real type becomes float64; None is missing, and equal matrices in a list are
        stacked. A tensor is returned as it is. Sparse tensors (n-D ``scipy.sparse.coo_array``, pydata ``sparse``
        arrays, pyttb's ``sptensor``) stay sparse: an unlisted cell is an observed zero, values of the same cell are
        summed, and a listed NaN is missing. A dask array that is too
        large to be computed is read chunk by chunk. Of an xarray ``DataArray`` or a pandas Series with a level of its
        index for each mode, the labels are left behind.
    samples : int, optional
        A mode of new samples for a model that is known already: it may have length 1, and only each of its slabs needs
        an observed cell.

    Raises
    ------
    TypeError, ValueError
        One sentence: what was expected, what was got, what to do.
    """
    if isinstance(X, (DenseTensor, SparseTensor, ChunkedTensor)):
        return X
    if isinstance(X, Weighted):
        return _weighted_tensor(as_tensor(X.X, samples=samples), X.noise)
    X = getattr(X, "X", X) if hasattr(X, "steps") else X
    X, _ = split_labels(X)
    if type(X).__module__.split(".")[0] == "dask":
        return _from_dask(X)
    listed = coordinates_of(X)
    if listed is not None:
        return _sparse_tensor(listed)
    array, missing = numbers_of(X)
    _check_shape(array.shape, samples)
    largest = _largest_magnitude(array)
    if missing is None and np.isfinite(largest):
        return DenseTensor(*_into_range(np.ascontiguousarray(array), largest))
    missing = np.isnan(array) if missing is None else missing | np.isnan(array)
    if missing.any():
        _check_missing(missing, samples)
        array = np.where(missing, array.dtype.type(0), array)
        largest = _largest_magnitude(array)
    if not np.isfinite(largest):
        infinite = counted(int((~np.isfinite(array)).sum()), "infinite cell")
        refuse("X", "finite, with NaN for missing cells", infinite, "Set them to NaN if they are missing.")
    tensor = DenseTensor(*_into_range(np.ascontiguousarray(array), largest))
    return tensor.hide(np.flatnonzero(missing)) if missing.any() else tensor


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


@dataclass(frozen=True, eq=False)
class Weighted:
    """A tensor and the noise of its cells: what `weighted` returns. Every function of the package takes it.

    Parameters
    ----------
    X : array or masked array
        The data, missing cells NaN or masked.
    noise : array of the shape of X
        The standard deviation of every cell's noise, up to a common factor.
    steps : tuple of str
        What was done to the data before, and that they are weighted: for the report.
    labels : Labels, optional
        Those of a ``DataArray`` or Series.
    """

    X: NDArray[Any]
    noise: NDArray[np.float64]
    steps: tuple[str, ...]
    labels: Labels | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each mode."""
        return self.X.shape


def weighted(X: Any, noise: Any) -> Weighted:
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
    Weighted
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
    steps = (*getattr(X, "steps", ()), "cells weighted by the inverse square of their noise")
    X, labels = split_labels(X)
    X = getattr(X, "X", X) if hasattr(X, "steps") else X
    if type(X).__module__.split(".")[0] == "dask" or coordinates_of(X) is not None:
        remedy = "Give an array: X.todense() or X.compute(), if it fits into memory."
        refuse("X of weighted", "a dense tensor in memory", type(X).__name__, remedy, kind=TypeError)
    data, mask = numbers_of(X, "X of weighted")
    noise, of_noise = split_labels(noise)
    if labels is not None and of_noise is not None and not labels.agree_with(of_noise):
        refuse("noise of weighted", "labelled as X is", f"modes {of_noise.names}", "Bring it into the order of X.")
    noise = _as_real(np.asarray(noise), "Give the standard deviation of every cell.").astype(float)
    try:
        noise = np.broadcast_to(noise, data.shape)
    except ValueError:
        refuse("noise of weighted", f"of X's shape {data.shape}, or broadcast to it", f"shape {noise.shape}")
    observed = ~np.isnan(data) if mask is None else ~(np.isnan(data) | mask)
    unsuitable = observed & ~((noise > 0.0) & (noise < np.inf))
    if unsuitable.any():
        remedy = "Mark a cell that tells nothing as missing: NaN in X."
        refuse("noise of weighted", "positive and finite at every observed cell", f"{noise[unsuitable][0]:g}", remedy)
    return Weighted(data if mask is None else np.ma.masked_array(data, mask), noise, steps, labels)


def streamed(X: Any, *, largest_computed: int = LARGEST_COMPUTED) -> ChunkedTensor:
    """Return a dask array as a tensor that is read in chunks, however small it is.

    By itself that is done from 256 MiB on. Where memory is scarce, or to see what it does to an answer, ask for it.

    Parameters
    ----------
    X : dask.array.Array of shape (I_1, ..., I_N), N >= 3
        Complete and finite. Labels of a ``DataArray`` are left behind.
    largest_computed : int
        The part of X that a fold is fitted to is computed if it has at most so many bytes, and a seventh of the cells.

    Returns
    -------
    ChunkedTensor
        For `estimate_rank` (with ``holdout=Blocks()``), `fit_parafac` and every other function that takes data.

    Raises
    ------
    TypeError, ValueError
        If `X` is no dask array of real numbers, has missing cells, or is of unknown shape.

    Examples
    --------
    >>> import dask.array as da
    >>> from autoten import Blocks, datasets, estimate_rank
    >>> X = da.from_array(datasets.load_amino_acids().X, chunks=(5, 67, 61))
    >>> estimate_rank(streamed(X), range(1, 5), holdout=Blocks(), random_state=0).rank
    3
    """
    X, _ = split_labels(X)
    if type(X).__module__.split(".")[0] != "dask" or not hasattr(X, "chunks"):
        remedy = "Make it one with dask.array.from_array(X, chunks=...)."
        refuse("X of streamed", "a dask array", type(X).__name__, remedy, kind=TypeError)
    check_integer(largest_computed, "largest_computed of streamed", minimum=0)
    _check_known(X)
    _check_shape(X.shape, None)
    array = X.astype(numbers_of(np.empty(0, X.dtype))[0].dtype)
    tensor = ChunkedTensor(array, largest_computed=largest_computed)
    if not np.isfinite(tensor.largest_magnitude):
        remedy = "Fill or drop them, or compute the array if it fits into memory: there NaN is missing."
        refuse("X", "finite where it is a dask array that is read in chunks", "NaN or infinite cells", remedy)
    scaled, scale = _into_range(array, tensor.largest_magnitude)
    return tensor if scale == 1.0 else ChunkedTensor(scaled, scale, largest_computed)


def _weighted_tensor(tensor: Tensor, noise: NDArray[np.float64]) -> DenseTensor:
    """Return a dense tensor, complete or with hidden cells, with weights: 1 on average over observed cells."""
    assert isinstance(tensor, DenseTensor)
    hidden = np.zeros(tensor.shape, dtype=bool)
    hidden.reshape(-1)[tensor.hidden] = True
    # Against the smallest first: squares of what the user gives may leave the floating range.
    weights = np.square(np.min(noise, where=~hidden, initial=np.inf) / np.where(hidden, np.inf, noise))
    weights *= tensor.n_observed / weights.sum()
    return DenseTensor(tensor.data, tensor.scale, cell_weights=weights)


def read_tensor(path: str | Path) -> Any:
    """Return the tensor in a ``.npy``, ``.npz``, ``.mat``, ``.csv``, ``.tns`` or ``.tns.gz`` file.

    Of a file that holds several arrays the one called ``X`` is taken, or the only one with three or more modes; a field
    of a MATLAB struct is one of them, such as ``X.data``. A file with ``coords`` (nnz, N), counted from zero, ``vals``
    and ``shape``, and a FROSTT ``.tns`` file, give a ``scipy.sparse.coo_array``.

    A ``.csv`` file is a long table: a row for each cell, which holds its label in each mode and then its value, below a
    header that names the modes. Fields are separated by commas, semicolons or tabs. A combination of labels that is not
    listed, or whose value is blank or NA, is missing. The result has the labels (``data``, ``dims``, ``coords``, as an
    xarray ``DataArray``), sorted, as numbers where all of a column are. A first column without a name, such as the row
    numbers that pandas and R write, is left out.

    Raises
    ------
    ValueError
        If the file cannot be read or holds no such tensor, or several: the sentence names what it holds.
    """
    path = Path(path)
    kind = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if kind not in READERS:
        refuse("the file", f"one of {', '.join(READERS)}", path.name)
    if not path.is_file():
        refuse("the file", "an existing file", str(path))
    return READERS[kind](path)


def _read_npy(path: Path) -> NDArray[Any]:
    _check_beginning(path, ".npy", b"\x93NUMPY")
    with reading(path, ".npy", Exception):
        return np.asarray(np.load(path, allow_pickle=False))


def _read_npz(path: Path) -> Any:
    _check_beginning(path, ".npz", b"PK")
    arrays: dict[str, Any] = {}
    with reading(path, ".npz", Exception), np.load(path, allow_pickle=False) as archive:
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

    for beginning in (b"MATLAB 7.3", b"\x89HDF"):
        if _beginning(path).startswith(beginning):
            remedy = "Write it in MATLAB by save(file, variable, '-v7')."
            refuse(path.name, "a .mat file of version 7 or older", "one of version 7.3, which is HDF5", remedy)
    with reading(path, ".mat", Exception):
        arrays = dict(_without_structs((k, v) for k, v in loadmat(path).items() if not k.startswith("__")))
    return _only_tensor(arrays, path.name)


# What reads a file of each kind.
READERS: dict[str, Callable[[Path], Any]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mat": _read_mat,
    ".csv": read_csv,
    ".tns": read_tns,
    ".tns.gz": read_tns,
}


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(10)


def _check_beginning(path: Path, kind: str, expected: bytes) -> None:
    """Refuse what NumPy did not write: it takes all it does not know for a pickle."""
    beginning = _beginning(path)
    if not beginning.startswith(expected):
        got = f"one that begins with {beginning!r}" if beginning else "an empty one"
        refuse(path.name, f"a {kind} file that NumPy wrote", got)


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
    """Return the tensor among the arrays in a file."""
    if "X" in arrays:
        return np.asarray(arrays["X"])
    sparse = from_arrays(arrays, name)
    if sparse is not None:
        return sparse
    tensors = {name: value for name, value in arrays.items() if np.ndim(value) >= 3}
    if len(tensors) != 1:
        shapes = {key: value if value is UNREADABLE else np.shape(value) for key, value in (tensors or arrays).items()}
        held = ", ".join(f"{key} {shape}" for key, shape in shapes.items()) or "nothing"
        refuse(name, "a file with an array named X or a single array of three or more modes", held)
    return np.asarray(next(iter(tensors.values())))


def numbers_of(X: Any, what: str = "X") -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return a real floating array in native byte order, and the mask of a numpy.ma array."""
    mask = None
    parts = X if isinstance(X, (list, tuple)) else ()
    _refuse_what_is_no_array(X, parts, what)
    if type(X).__module__.partition(".")[0] == "pyttb":
        X = getattr(X, "data", X)
    remedy = "Give a NumPy array, or anything that converts to one."
    try:
        array = _with_masks(X)
        if isinstance(array, np.ma.MaskedArray):
            mask = np.ma.getmaskarray(array)
            array = array.data
        array = np.asarray(array)
    except Exception:  # noqa: BLE001 (an __array__ may raise anything)
        shapes = [str(part.shape) for part in parts if hasattr(part, "shape")]
        if shapes:
            got = f"{len(parts)} arrays of shapes {', '.join(dict.fromkeys(shapes))}"
            refuse(what, "an array, or equal ones to stack", got, "Pad the shorter ones with NaN: missing cells.")
        refuse(what, "an array of real numbers", type(X).__name__, remedy, kind=TypeError)
    return _as_real(array, remedy, what), mask


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
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        remedy = (
            "Of a long table, a row for each cell, give X.set_index([modes])[values]; of a wide one, whose rows and "
            "columns together have a level for each mode, X.stack()."
        )
        refuse(what, "an array, or a Series with a level of its index for each mode", "a DataFrame", remedy)
    tables = [part for part in parts if hasattr(part, "iloc") and hasattr(part, "columns")]
    if any(not (one.index.equals(tables[0].index) and one.columns.equals(tables[0].columns)) for one in tables):
        remedy = "Give pandas.concat(dict of tables).stack(): cells that a table lacks are then missing."
        refuse(what, "tables with the same rows and columns, to stack", "tables that differ in them", remedy)


def _as_real(array: NDArray[Any], remedy: str, what: str = "X") -> NDArray[Any]:
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


def _without_objects(array: NDArray[Any], remedy: str, what: str) -> NDArray[np.float64]:
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


def _sparse_tensor(listed: Coordinates) -> Tensor:
    """Return the tensor with these nonzeros, in no order, some maybe twice."""
    shape = tuple(int(length) for length in listed.shape)
    _check_shape(shape, None)
    if prod(shape) >= 2**63:
        refuse("X", "a tensor with fewer than 2**63 cells", f"shape {shape}", "Leave out slabs without a nonzero.")
    values = _as_real(np.asarray(listed.values), "Give numbers as values.")
    cells = linear_cells(listed.coords, shape)
    missing = np.isnan(values)
    hidden = np.unique(cells[missing])
    if len(hidden):
        cells, values = cells[~missing], values[~missing]
        _check_hidden(hidden, shape)
    with np.errstate(over="ignore"):
        tensor = SparseTensor.of(cells, values, shape)
    largest = _largest_magnitude(tensor.values)
    if not np.isfinite(largest):
        infinite = counted(int((~np.isfinite(tensor.values)).sum()), "infinite cell")
        refuse("X", "finite, with NaN for missing cells", infinite, "Set them to NaN if they are missing.")
    tensor = SparseTensor(tensor.pattern, *_into_range(tensor.values, largest))
    return tensor.hide(hidden) if len(hidden) else tensor


def _check_hidden(hidden: NDArray[np.int64], shape: tuple[int, ...]) -> None:
    """Refuse missing cells that leave a slab of a sparse tensor without any other."""
    for mode, index in enumerate(np.unravel_index(hidden, shape)):
        empty = np.flatnonzero(np.bincount(index, minlength=shape[mode]) == prod(shape) // shape[mode])
        if len(empty):
            got = f"no observed cell at index {empty[0]} of mode {mode}"
            refuse("X", "a tensor with observed cells in every slab", got, "Leave this slab out.")


def _from_dask(X: Any) -> Tensor:
    """Return a dask array as a tensor: in memory where it is small, else read in chunks."""
    _check_known(X)
    if not hasattr(X, "chunks") or X.nbytes <= LARGEST_COMPUTED:
        return as_tensor(X.compute())
    return streamed(X)


def _check_known(X: Any) -> None:
    if any(length != length for length in getattr(X, "shape", ())):
        refuse("X", "a dask array of known shape", f"shape {X.shape}", "Call its compute_chunk_sizes() first.")


def _largest_magnitude(array: NDArray[Any]) -> float:
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


def _check_shape(shape: tuple[int, ...], samples: int | None) -> None:
    if len(shape) < 3:
        remedy = "A matrix has no unique CP decomposition: use a matrix method."
        refuse("X", "a tensor with at least 3 modes", f"shape {shape}", remedy)
    if prod(shape) == 0:
        refuse("X", "a tensor with at least one cell", f"shape {shape}")
    single = [mode for mode, length in enumerate(shape) if length == 1 and mode != samples]
    if single:
        remedy = f"Drop mode {single[0]} with numpy.squeeze."
        refuse("X", "a tensor whose modes all have length >= 2", f"shape {shape}", remedy)


def _check_missing(missing: NDArray[np.bool_], samples: int | None) -> None:
    """Refuse slabs without an observed cell: of every mode, or of new samples in theirs."""
    if missing.all():
        refuse("X", "a tensor with observed cells", "only missing cells")
    for mode in range(missing.ndim) if samples is None else [samples]:
        empty = np.flatnonzero(missing.all(axis=tuple(n for n in range(missing.ndim) if n != mode))).tolist()
        if empty:
            listed = f"{'index' if len(empty) == 1 else 'indices'} {', '.join(map(str, empty[:5]))}"
            more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
            refuse(
                "X",
                "a tensor with observed cells in every slab",
                f"no observed cell at {listed}{more} of mode {mode}",
                "Leave such slabs out: autoten.preprocess.drop_empty_slabs(X)."
                if samples is None
                else f"Drop it with numpy.delete(X, {empty[:5]}, axis={mode}).",
            )


def _into_range(array: NDArray[Any], largest: float) -> tuple[NDArray[Any], float]:
    """Return the array divided by a power of two where its squares would leave the floating range (exact)."""
    exponent = min(int(np.frexp(largest)[1]), 1023) if largest else 0
    lowest, highest = SAFE_EXPONENTS[array.dtype.char]
    if lowest <= exponent <= highest:
        return array, 1.0
    return np.ldexp(array, -exponent), float(np.ldexp(1.0, exponent))
