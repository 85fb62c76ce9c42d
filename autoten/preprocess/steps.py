"""Centring across and scaling within modes, the two steps that leave trilinear structure alone; empty slabs left out.

Take a fibre of mode n to be what one gets by fixing every index but the n-th, and a slab of mode n what one gets by
fixing the n-th alone. An offset is removed by *centring across* a mode: from each fibre of the mode its mean is
subtracted. Units are made comparable by *scaling within* a mode: each slab of the mode is divided by one number.
Both act on a CP model through one factor matrix only, so the number of components stays what it was. Subtracting
slab means, or dividing fibre by fibre ("autoscaling" an unfolded tensor), acts on no factor: it adds structure.

Source: Bro & Smilde (2003), Centering and scaling in component analysis, Journal of Chemometrics 17, 16-33.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoten._errors import AutotenWarning, check_mode, refuse
from autoten._typing import Array
from autoten.door import Preprocessed, check_shape, listed, missing_cells, numbers_of, unlabelled
from autoten.labels import Labels, in_words, names_of

# Sweeps over the modes end when no mean exceeds this share of the largest entry that is left (centring), or no slab's
# root mean square is further than this from one (scaling).
TOLERANCE = 1e-10
MAX_SWEEPS = 1000


def center(X: Any, modes: int | str | Iterable[int | str]) -> Preprocessed:
    r"""Subtract from every fibre of a mode its mean: offsets that are constant along that mode vanish.

    .. math:: x_{ijk} \leftarrow x_{ijk} - \frac{1}{I} \sum_{i'} x_{i'jk} \qquad \text{(across mode 0)}

    A CP tensor stays one with the same number of components or fewer, for only the columns of that mode's factor are
    centred; and whatever offset :math:`\mu_{jk}` was added to all the :math:`x_{ijk}` is gone, be it structured or not.
    That is why one centres *across* a mode. Subtracting the mean of each slab, or the grand mean, has neither virtue.

    Parameters
    ----------
    X : array, masked array, DataArray, Series or Preprocessed
        A tensor of three modes or more. Missing cells are NaN or masked. It is not modified.
    modes : int, str or iterable of these
        The mode to centre across, or several, one after another, by number, or by name if X is labelled.

    Returns
    -------
    Preprocessed
        ``.X``, the centred tensor (float32 stays float32, other numbers become float64; masked stays masked), and
        ``.steps``, what was done.

    Raises
    ------
    TypeError, ValueError
        If `X` is no tensor of finite real numbers, or a mode is not one of its modes.

    Warns
    -----
    AutotenWarning
        If `MAX_SWEEPS` sweeps over several modes left some means of a tensor with missing cells above `TOLERANCE`.

    Notes
    -----
    Several modes: without missing cells the order does not matter, and centring across one mode keeps the zero means of
    another. With missing cells it does not, so the modes are swept until all means (over observed cells) are zero.

    Missing cells: offsets are still removed exactly, but in each fibre the mean of the systematic part now runs over
    other rows of the factor, so what is left is a CP tensor only approximately; the more is missing, the less so (Bro
    & Smilde call it suboptimal). With much missing leave the offset in: one of rank one is simply one component more.

    Centre first, scale afterwards: scaling within one mode keeps the centring across the *other* modes, whereas
    centring changes the scale of every slab.

    References
    ----------
    Bro & Smilde (2003), Centering and scaling in component analysis, Journal of Chemometrics 17, 16-33.

    Examples
    --------
    >>> X = np.arange(24.0).reshape(2, 3, 4)
    >>> prepared = center(X, modes=0)
    >>> prepared
    Preprocessed(shape=(2, 3, 4), steps=('centred across mode 0',))
    >>> prepared.X[:, 0, 0]
    array([-6.,  6.])
    """
    return centred("center", X, modes, {})[0]


def scale(X: Any, modes: int | str | Iterable[int | str]) -> Preprocessed:
    r"""Divide every slab of a mode by its root mean square: all its slabs come to weigh the same in a fit.

    .. math:: x_{ijk} \leftarrow x_{ijk} \Big/ \sqrt{\frac{1}{JK} \sum_{j'k'} x_{ij'k'}^2}
              \qquad \text{(within mode 0)}

    One number for each slab multiplies one row of that mode's factor, so a CP tensor stays one with the same number
    of components. That is why one scales *within* a mode, and never fibre by fibre. Use it where the indices of a mode
    have different units, or where large entries are no more precise than small ones.

    Parameters
    ----------
    X : array, masked array, DataArray, Series or Preprocessed
        A tensor of three modes or more. Missing cells are NaN or masked. It is not modified.
    modes : int, str or iterable of these
        The mode to scale within, or several, by number, or by name if X is labelled.

    Returns
    -------
    Preprocessed
        ``.X``, the scaled tensor (float32 stays float32, other numbers become float64; masked stays masked), and
        ``.steps``, what was done. The mean square of each slab's observed entries is 1.

    Raises
    ------
    TypeError, ValueError
        If `X` is no tensor of finite real numbers, or a mode is not one of its modes.

    Warns
    -----
    AutotenWarning
        If a slab is zero or has no observed entry: it is left as it is, and for the other modes it counts as missing.
        If the sweeps over several modes did not settle within `MAX_SWEEPS`, which happens when scattered zeros make
        equal scales in all those modes impossible.

    Notes
    -----
    Scaling within a second mode changes the scale of the first one's slabs, so several modes are swept until all are
    right (the balancing of Sinkhorn & Knopp (1967), applied to the squares).

    Scaling within a mode undoes a centring across the same mode, because it multiplies each entry of a fibre by another
    number; it keeps the centring across all others. So centre first, and scale within a mode that is not centred.

    References
    ----------
    Bro & Smilde (2003), Centering and scaling in component analysis, Journal of Chemometrics 17, 16-33.

    Examples
    --------
    >>> X = np.ones((2, 3, 4)) * [[[5]], [[-0.1]]]
    >>> prepared = scale(X, modes=0)
    >>> prepared.X[:, 0, 0], prepared.steps
    (array([ 1., -1.]), ('scaled within mode 0',))
    """
    return scaled("scale", X, modes, {})[0]


def centred(name: str, X: Any, modes: Any, known: Mapping[int, Array]) -> tuple[Preprocessed, dict[int, Array]]:
    """Do what `center` does, across some modes with `known` offsets, and return also what was subtracted across each.

    An offset has length 1 along its mode. It is NaN where nothing was observed: there nothing is known of new cells.
    """
    given, values, observed = observed_values(X, f"X of {name}")
    modes = _check_modes(modes, given, f"modes of {name}")
    offsets = dict(known)
    for offset in known.values():
        observed = observed & ~np.isnan(offset)
        values = np.where(observed, values - offset, 0.0)

    def subtract_means(mode: int) -> float:
        counts = observed.sum(axis=mode, keepdims=True)
        means = values.sum(axis=mode, keepdims=True) / np.maximum(counts, 1)
        np.subtract(values, means, out=values, where=observed)
        offsets[mode] = offsets.get(mode, 0.0) + np.where(counts > 0, means, np.nan)
        # Against what is left, not against X: a huge offset must not hide a mean that is large beside the signal.
        return _largest(means) / (_largest(values) or 1.0)

    others = tuple(mode for mode in modes if mode not in known)
    _sweep(subtract_means, others, "Centring", given.labels)
    return prepared(given, values, observed, f"centred across {in_words(given.labels, *modes)}"), offsets


def scaled(name: str, X: Any, modes: Any, known: Mapping[int, Array]) -> tuple[Preprocessed, dict[int, Array]]:
    """Do what `scale` does, within some modes with `known` divisors, and return also the divisors of each mode's slabs.

    Divisors have length 1 along all other modes. They are NaN for a slab that is left as it is.
    """
    given, values, observed = observed_values(X, f"X of {name}")
    modes = _check_modes(modes, given, f"modes of {name}")
    others = tuple(mode for mode in modes if mode not in known)
    divided, counted = dict(known), observed
    for divisors in known.values():
        counted = counted & ~np.isnan(divisors)
        np.divide(values, divisors, out=values, where=~np.isnan(divisors))
    # A zero slab can never be scaled; counted in the means of the other modes it would make equal scales impossible.
    counted = counted & ~_in_zero_slabs(np.where(counted, values, 0.0), others, given.labels)

    def divide_by_root_mean_squares(mode: int) -> float:
        roots = _root_mean_squares(np.where(counted, values, 0.0), counted, mode)
        divisors = np.where(roots > 0, roots, 1.0)
        np.divide(values, divisors, out=values)
        divided[mode] = divided.get(mode, 1.0) * np.where(roots > 0, roots, np.nan)
        return _largest(divisors - 1)

    _sweep(divide_by_root_mean_squares, others, "Scaling", given.labels)
    return prepared(given, values, observed, f"scaled within {in_words(given.labels, *modes)}"), divided


def drop_empty_slabs(X: Any) -> Preprocessed:
    """Leave out every slab, of any mode, in which nothing was observed: no data can tell its row of a factor.

    Every fit and every estimate refuses such a slab, because a model would have to invent it. Other slabs stay, however
    little was observed in them.

    Parameters
    ----------
    X : array, masked array, DataArray, Series or Preprocessed
        A tensor of three modes or more. Missing cells are NaN or masked. It is not modified.

    Returns
    -------
    Preprocessed
        ``.X``, the tensor without these slabs, ``.labels``, those of the slabs that are left, and ``.steps``, in which
        the others are named.

    Raises
    ------
    TypeError, ValueError
        If `X` is no tensor of finite real numbers, or has no observed cell at all.

    Examples
    --------
    >>> X = np.arange(24.0).reshape(2, 3, 4)
    >>> X[:, 1] = np.nan
    >>> drop_empty_slabs(X)
    Preprocessed(shape=(2, 2, 4), steps=('slab 1 of mode 1 left out, nothing observed',))
    """
    given, values, observed = observed_values(X, "X of drop_empty_slabs")
    if not observed.any():
        refuse("X of drop_empty_slabs", "a tensor with observed cells", "only missing cells")
    # One look is enough: a slab that holds an observed cell holds it still when empty slabs of other modes are gone.
    seen = [observed.any(axis=_all_but(mode, observed.ndim)) for mode in range(observed.ndim)]
    steps = [
        f"slab{'' if (~kept).sum() == 1 else 's'} {listed(np.flatnonzero(~kept))} of {in_words(given.labels, mode)} "
        "left out, nothing observed"
        for mode, kept in enumerate(seen)
        if not kept.all()
    ]
    given = replace(given, labels=given.labels and given.labels.rows(seen))
    return prepared(given, values[np.ix_(*seen)], observed[np.ix_(*seen)], *steps)


def _sweep(step: Callable[[int], float], modes: tuple[int, ...], verb: str, labels: Labels | None) -> None:
    """Apply `step` to mode after mode until the largest change that a step reports is within `TOLERANCE`."""
    for _ in range(MAX_SWEEPS):
        change = max([step(mode) for mode in modes], default=0.0)
        if change <= TOLERANCE:
            return
    words = in_words(labels, *modes)
    message = f"{verb} over {words} did not settle in {MAX_SWEEPS} sweeps (last relative change {change:.1e})."
    warnings.warn(message, AutotenWarning, stacklevel=4)


def _root_mean_squares(values: Array, counted: NDArray[np.bool_], mode: int) -> Array:
    """Return the root mean square of each slab's counted entries (what does not count is 0), other axes of length 1."""
    others = _all_but(mode, values.ndim)
    # Divide by the largest entry first: squares of 1e-200 underflow, squares of 1e200 overflow.
    peaks = np.abs(values).max(axis=others, keepdims=True, initial=0.0)
    squares = np.square(values / np.where(peaks > 0, peaks, 1.0)).sum(axis=others, keepdims=True)
    return np.asarray(peaks * np.sqrt(squares / np.maximum(counted.sum(axis=others, keepdims=True), 1)))


def _in_zero_slabs(values: Array, modes: tuple[int, ...], labels: Labels | None) -> NDArray[np.bool_]:
    """Return which cells lie in a zero slab of one of the `modes` (broadcasts over the tensor), naming the slabs."""
    inside = np.zeros((1,) * values.ndim, dtype=bool)
    for mode in modes:
        zero = ~values.any(axis=_all_but(mode, values.ndim), keepdims=True)
        inside = inside | zero
        slabs = np.flatnonzero(zero)
        if slabs.size:
            message = f"{slabs.size} slab(s) of {in_words(labels, mode)} are zero or have no observed entry and stay as"
            warnings.warn(f"{message} they are: {listed(slabs)}.", AutotenWarning, stacklevel=4)
    return inside


def observed_values(X: Any, what: str) -> tuple[Preprocessed, Array, NDArray[np.bool_]]:
    """Return what was given, a new float64 array with 0 in missing cells, and which cells are observed."""
    given = unlabelled(X)
    if given.noise is not None:
        refuse(what, "a tensor without weights", "a weighted one", "Preprocess it first, and weigh the result.")
    data, mask = numbers_of(given.X, what)
    check_shape(data.shape, what)
    observed = ~missing_cells(data, mask)
    values = np.where(observed, data, 0).astype(np.float64)
    if not np.isfinite(values).all():
        refuse(what, "finite", "an infinite entry", "Mark a missing cell with NaN or a mask.")
    return given, values, observed


def prepared(given: Preprocessed, values: Array, observed: NDArray[np.bool_], *more: str) -> Preprocessed:
    """Return the new values in the likeness of what was given: its precision, its mask, its steps and those added."""
    values[~observed] = np.nan
    if getattr(given.X, "dtype", None) == np.float32:
        values = values.astype(np.float32)
    if isinstance(given.X, np.ma.MaskedArray):
        values = np.ma.masked_array(values, mask=~observed)
    return replace(given, X=values, steps=(*given.steps, *more))


def _check_modes(modes: Any, given: Preprocessed, what: str) -> tuple[int, ...]:
    several = list(modes) if isinstance(modes, Iterable) and not isinstance(modes, str) else [modes]
    checked = tuple(check_mode(mode, len(given.shape), what, names_of(given.labels)) for mode in several)
    if not checked or len(set(checked)) < len(checked):
        refuse(what, "one mode or several different ones", repr(modes))
    return checked


def _all_but(mode: int, ndim: int) -> tuple[int, ...]:
    return tuple(other for other in range(ndim) if other != mode)


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))
