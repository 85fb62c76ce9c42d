"""Light that no component describes: scattered by the sample, or absorbed by it before it is seen."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoten._errors import AutotenWarning, check_real, counted, refuse
from autoten._typing import Array
from autoten.door import Preprocessed, listed, numbers_of
from autoten.fluorescence import both_wavelengths, landscape_modes, wavelengths_of
from autoten.preprocess.steps import observed_values, prepared

# The O-H stretching band of liquid water, 1/cm.
RAMAN_SHIFT_OF_WATER = 3400.0

# Half the width of a band of scatter, nm: slits of 5 nm leave hardly anything beyond.
WIDTH = 10.0

# No molecule emits at shorter wavelengths than it is excited at: outside the bands such cells are dark. In nine sets
# they are up to 0.8 times as bright as the others where scatter is wider than the bands, else up to 0.27 (noise), and
# always darker than with the excitations reversed or the modes exchanged; in reverse order at least 0.4 times as bright
# as the others, and at least 5 times as bright as in the right one; with the modes exchanged at least as bright.
TOO_BRIGHT = 0.25
MUCH_BRIGHTER = 3.0

# Bands of 5 to 15 nm hold 3 to 26 % of the cells of nine sets. Of four of known rank two kept it up to bands of 60 %;
# of the others one lost a component at 54 %, one had two too many at 40 % and one too few at 56 %.
MUCH_MASKED = 0.4

# The sum of the absorbances at both wavelengths, per cm, up to which the correction was found to hold.
LARGEST_ABSORBANCE = 1.5

# No photometer sees through more; what is larger is transmission in percent, or of another length.
LARGEST_MEASURED = 10.0


def mask_scatter(
    X: Any,
    emission: Any = None,
    excitation: Any = None,
    width: float = WIDTH,
    *,
    modes: tuple[int | str, int | str] | None = None,
    orders: Iterable[int] = (1, 2),
    raman_shift: float | None = RAMAN_SHIFT_OF_WATER,
) -> Preprocessed:
    r"""Mark the scattered light in excitation-emission fluorescence as missing: Rayleigh and Raman bands.

    Light that the solvent scatters lies along lines where emission depends on excitation; no product of an emission and
    an excitation spectrum describes that, so it is left out. With wavelengths in nm and order n, a cell is masked
    where its emission is within `width` of

    .. math:: n \lambda_{ex} \;\text{(Rayleigh)} \qquad \text{or} \qquad
              \frac{n}{1 / \lambda_{ex} - 10^{-7} \Delta \tilde\nu} \;\text{(Raman)}

    Parameters
    ----------
    X : array, masked array, DataArray, Series or Preprocessed
        Fluorescence, of three modes or more. It is not modified; what is missing already stays missing.
    emission : array_like of shape (I_emission,), optional
        Emission wavelengths in nm; by default the labels of their mode.
    excitation : array_like of shape (I_excitation,), optional
        Excitation wavelengths in nm; by default the labels of their mode.
    width : float
        Half the width of a band: nm from its middle to either edge, > 0. Wider slits need wider bands: look at the
        result with `autoten.plots.plot_landscape`.
    modes : pair of int or str, optional
        The modes of emission and excitation, by number, or by name if X is labelled. By default those of these names,
        else 1 and 2.
    orders : iterable of int
        Which orders to mask, out of 1 and 2.
    raman_shift : float or None
        The Raman shift of the solvent in 1/cm: 3400 for the O-H stretching band of water. None: Rayleigh bands alone.

    Returns
    -------
    Preprocessed
        ``.X`` with NaN (a masked array: masked) in the bands, and ``.steps``, for `estimate_rank` and its report, with
        the share of the observed cells that were left out.

    Raises
    ------
    TypeError, ValueError
        If `X` is no tensor of finite real numbers, wavelengths are not positive, finite and one for each index of their
        mode, or another argument is unsuitable.

    Warns
    -----
    AutotenWarning
        If the excitations seem to stand in reverse order, or the two modes to be exchanged: outside the bands there is
        light at emissions shorter than the excitation, where no molecule shines, and much less of it otherwise. If more
        than 40 % of the observed cells were masked: what is left may not show all components.

    Notes
    -----
    Where the bands leave an index of a mode without any observed cell, `estimate_rank` names it and refuses;
    `drop_empty_slabs` leaves it out.

    References
    ----------
    Bahram, Bro, Stedmon & Afkhami (2006), Handling of Rayleigh and Raman scatter for PARAFAC modeling of fluorescence
    data, Journal of Chemometrics 20, 99-105; Lawaetz & Stedmon (2009), Applied Spectroscopy 63, 936-940 (the Raman band
    of water).

    Examples
    --------
    >>> from autoten import datasets
    >>> data = datasets.load_amino_acids()
    >>> prepared = mask_scatter(data.X, data.emission_nm, data.excitation_nm, width=10)
    >>> prepared.steps
    ('Rayleigh and Raman scatter of orders 1 and 2 within 10 nm left out (18.7 % of the observed cells)',)
    >>> bool(np.isnan(prepared.X[0, 0, 10])), int(data.emission_nm[0]), int(data.excitation_nm[10])
    (True, 250, 250)
    """
    given, values, observed = observed_values(X, "X of mask_scatter")
    places = landscape_modes(modes, values.ndim, given.labels, "modes of mask_scatter")
    asked = tuple(dict.fromkeys(orders))
    if not asked or not set(asked) <= {1, 2}:
        refuse("orders of mask_scatter", "1, 2 or both", asked)
    width = check_real(width, "width of mask_scatter", above=0.0, below=np.inf)
    if emission is not None and np.ndim(emission) == 0:
        remedy = f"The width of the bands is given by name: width={emission}."
        refuse("emission of mask_scatter", "an array of wavelengths in nm", repr(emission), remedy, kind=TypeError)
    em, ex = both_wavelengths(emission, excitation, places, given.shape, given.labels, "mask_scatter")
    if raman_shift is not None:
        shift = check_real(raman_shift, "raman_shift of mask_scatter", above=0.0, below=1e7 / float(ex.max()))

    def outside(em: Array, ex: Array, places: tuple[int, int]) -> NDArray[np.bool_]:
        middles = [order * ex for order in asked]
        if raman_shift is not None:
            with np.errstate(divide="ignore"):  # wavelengths of the other mode may have no such band
                middles += [order / np.maximum(1.0 / ex - 1e-7 * shift, 0.0) for order in asked]
        band = (np.abs(em[:, None, None] - np.stack(middles, axis=1)) <= width).any(axis=2)
        return np.asarray(observed & ~_over_tensor(band, places, values.ndim))

    kept = outside(em, ex, places)
    light, *otherwise = (
        _dark_over_bright(values, outside(one, other, of), _over_tensor(one[:, None] - other, of, values.ndim))
        for one, other, of in ((em, ex, places), (em, ex[::-1], places), (ex, em, places[::-1]))
    )
    doubts = []  # they stand among the steps, too: a report is read by those who saw no warning
    if light > max(TOO_BRIGHT, MUCH_BRIGHTER * min(otherwise)):
        doubts.append(_order_in_doubt(light, *otherwise))
    kinds = "Rayleigh" if raman_shift is None else "Rayleigh and Raman"
    named = f"order {asked[0]}" if len(asked) == 1 else "orders 1 and 2"
    share = 1.0 - kept.sum() / max(observed.sum(), 1)
    if share > MUCH_MASKED:
        doubts.append(
            f"Bands within {width:g} nm hold {100 * share:.0f} % of the observed cells: what is left may not show all "
            "components. Give a smaller width, and look at plots.plot_landscape."
        )
    for doubt in doubts:
        warnings.warn(doubt, AutotenWarning, stacklevel=2)
    left_out = f"left out ({100 * share:.1f} % of the observed cells)"
    return prepared(given, values, kept, f"{kinds} scatter of {named} within {width:g} nm {left_out}", *doubts)


def interpolate_scatter(
    X: Any, emission: Any = None, *, modes: tuple[int | str, int | str] | None = None
) -> Preprocessed:
    """Fill what is missing between measured cells along emission: smooth landscapes for pictures or other software.

    At each excitation of each sample the missing cells between two measured ones get the values of a monotone piecewise
    cubic through the measured ones, which has no bumps of its own (PCHIP). Beyond the first and the last measured
    cell nothing is invented: what is missing there stays missing.

    For the estimate of a rank leave the cells missing. A filled cell looks measured and is none: it counts in held-out
    errors and in core consistency, although where scatter lay on the slope of a peak its value is a guess. In a
    simulated set of three components with scatter, three had a probability of 94 % with the cells missing and of 37 %
    with them filled; of the amino acids' landscapes, filling a band of Rayleigh scatter raised the held-out error of
    three components sixfold.

    Parameters
    ----------
    X : array, masked array, DataArray, Series or Preprocessed
        Fluorescence, of three modes or more, as `mask_scatter` returns it. It is not modified.
    emission : array_like of shape (I_emission,), optional
        Emission wavelengths in nm, rising or falling; by default the labels of their mode.
    modes : pair of int or str, optional
        The modes of emission and excitation, as for `mask_scatter`.

    Returns
    -------
    Preprocessed
        ``.X`` with the cells filled, and ``.steps``, with how many.

    Raises
    ------
    TypeError, ValueError
        If `X` is no tensor of finite real numbers, or wavelengths are not positive, finite, different and one for each
        index of their mode.

    References
    ----------
    Fritsch & Carlson (1980), Monotone piecewise cubic interpolation, SIAM Journal on Numerical Analysis 17, 238-246.

    Examples
    --------
    >>> X = np.tile([[1.0], [2.0], [np.nan], [4.0], [np.nan]], (2, 1, 2))
    >>> filled = interpolate_scatter(X, emission=[300, 310, 320, 330, 340])
    >>> filled.X[0, :, 0]
    array([ 1.,  2.,  3.,  4., nan])
    >>> filled.steps
    ('4 missing cells interpolated along emission',)
    """
    from scipy.interpolate import PchipInterpolator

    given, values, observed = observed_values(X, "X of interpolate_scatter")
    place = landscape_modes(modes, values.ndim, given.labels, "modes of interpolate_scatter")[0]
    what = "emission of interpolate_scatter"
    em = wavelengths_of(emission, place, values.shape[place], given.labels, what)
    order = np.argsort(em)
    if (np.diff(em[order]) == 0).any():
        refuse(what, "wavelengths that differ", f"{em[order][:-1][np.diff(em[order]) == 0][0]:g} nm twice")
    known = observed.copy()
    # Views: what is written into a row is written into the tensor.
    rows, seen, filled = (np.moveaxis(array, place, -1) for array in (values, observed, known))
    for fibre in np.ndindex(rows.shape[:-1]):
        measured = order[seen[fibre][order]]
        inside = ~seen[fibre] & (em > em[measured].min(initial=np.inf)) & (em < em[measured].max(initial=0.0))
        if inside.any():
            rows[fibre][inside] = PchipInterpolator(em[measured], rows[fibre][measured])(em[inside])
            filled[fibre][inside] = True
    n_filled = int((known & ~observed).sum())
    return prepared(given, values, known, f"{counted(n_filled, 'missing cell')} interpolated along emission")


def correct_inner_filter(
    X: Any,
    absorbance: Any,
    wavelengths: Any,
    emission: Any = None,
    excitation: Any = None,
    *,
    modes: tuple[int | str, int | str] | None = None,
) -> Preprocessed:
    r"""Undo what a sample's own absorption takes away: exciting light before, emitted light after it meets a molecule.

    .. math:: f_{ijk} \leftarrow f_{ijk} \cdot 10^{(A_i(\lambda_{em, j}) + A_i(\lambda_{ex, k})) / 2}

    for a cuvette of 1 cm, seen at a right angle from its middle, with the absorbance :math:`A_i` (decadic, 1 cm) of
    sample i. Absorption makes fluorescence grow less than in proportion to concentration, differently at each
    wavelength: it bends the law of components, and can ask for one more.

    Parameters
    ----------
    X : array, masked array, DataArray, Series or Preprocessed
        Fluorescence, of three modes or more. It is not modified; what is missing stays missing.
    absorbance : array_like of shape (I_sample, W)
        The absorbance of each sample, as measured in 1 cm: of a longer cuvette, divide by its length in cm. With more
        modes than three, an axis for each but emission and excitation, in their order, then W.
    wavelengths : array_like of shape (W,)
        Where it was measured, in nm; between them it is interpolated linearly.
    emission, excitation : array_like, optional
        Wavelengths of X in nm; by default the labels of their modes.
    modes : pair of int or str, optional
        The modes of emission and excitation, as for `mask_scatter`.

    Returns
    -------
    Preprocessed
        ``.X``, corrected, and ``.steps``, with the largest factor.

    Raises
    ------
    TypeError, ValueError
        If `X` is no tensor of finite real numbers; if `absorbance` is not finite, beyond 10, of another shape, or not
        measured at all wavelengths of X.

    Warns
    -----
    AutotenWarning
        If the absorbances at a cell's two wavelengths add up to more than 1.5 in some samples, which are named: beyond
        that the correction is not reliable. Dilute them.

    References
    ----------
    Lakowicz (2006), Principles of Fluorescence Spectroscopy, 3rd edition, Springer, chapter 2; Kothawala, Murphy,
    Stedmon, Weyhenmeyer & Tranvik (2013), Inner filter correction of dissolved organic matter fluorescence, Limnology
    and Oceanography: Methods 11, 616-630 (the limit of 1.5).

    Examples
    --------
    >>> X = np.ones((2, 3, 2))
    >>> absorbance = [[0.0, 0.0], [0.2, 0.2]]  # a clear sample and a grey one
    >>> corrected = correct_inner_filter(X, absorbance, [200, 600], [300, 310, 320], [250, 260])
    >>> corrected.X[:, 0, 0].round(3), corrected.steps
    (array([1.   , 1.585]), ('inner filter corrected by absorbance (factors up to 1.58)',))
    """
    given, values, observed = observed_values(X, "X of correct_inner_filter")
    places = landscape_modes(modes, values.ndim, given.labels, "modes of correct_inner_filter")
    em, ex = both_wavelengths(emission, excitation, places, given.shape, given.labels, "correct_inner_filter")
    measured = numbers_of(np.asarray(absorbance), "absorbance of correct_inner_filter")[0].astype(float)
    others = tuple(length for mode, length in enumerate(values.shape) if mode not in places)
    what = "wavelengths of correct_inner_filter"
    at = wavelengths_of(wavelengths, -1, np.size(wavelengths), None, what)
    if measured.shape != (*others, len(at)):
        expected = f"of shape {(*others, len(at))}, a row for each sample, a column for each of its wavelengths"
        refuse("absorbance of correct_inner_filter", expected, f"shape {measured.shape}")
    if not (np.abs(measured) <= LARGEST_MEASURED).all():
        expected = f"finite and at most {LARGEST_MEASURED:g}, decadic, in 1 cm"
        refuse("absorbance of correct_inner_filter", expected, f"{measured.min():g} to {measured.max():g}")
    both = np.concatenate([em, ex])
    if both.min() < at.min() or both.max() > at.max():
        expected = f"from {both.min():g} to {both.max():g} nm at least, as X is"
        refuse(what, expected, f"{at.min():g} to {at.max():g} nm")
    order = np.argsort(at)
    spectra = measured.reshape(-1, len(at))
    at_both = np.array([np.interp(both, at[order], spectrum[order]) for spectrum in spectra]).reshape(*others, -1)
    sums = at_both[..., : len(em), None] + at_both[..., None, len(em) :]
    sums = np.moveaxis(sums, (-2, -1), places)
    _warn_of_absorbance(sums, observed, given, places)
    factors = 10.0 ** (0.5 * sums)
    values *= factors
    largest = factors.max(where=observed, initial=1.0)
    return prepared(given, values, observed, f"inner filter corrected by absorbance (factors up to {largest:.3g})")


def _over_tensor(landscape: Array, places: tuple[int, int], ndim: int) -> Array:
    """Return an array (emission, excitation) in the tensor's order of modes, of length 1 in all others."""
    turned = landscape if places[0] < places[1] else landscape.T
    return np.expand_dims(turned, tuple(mode for mode in range(ndim) if mode not in places))


def _dark_over_bright(values: Array, kept: NDArray[np.bool_], shift: Array) -> float:
    """Return how bright cells are at emissions shorter than the excitation, over those at longer ones."""
    dark, bright = (np.abs(values[kept & where]) for where in (shift < 0, shift > 0))
    if not dark.any():
        return 0.0
    return float(dark.mean() / bright.mean()) if bright.any() else np.inf


def _order_in_doubt(light: float, light_reversed: float, light_exchanged: float) -> str:
    return (
        "Light lies at emissions shorter than the excitation, where no molecule shines: outside the bands such cells "
        f"are {light:.2g} times as bright as those at longer ones; with the excitations in reverse order "
        f"{light_reversed:.2g} times, with the two modes exchanged {light_exchanged:.2g} times. Are the excitations "
        "reversed, or the modes exchanged?"
    )


def _warn_of_absorbance(sums: Array, observed: NDArray[np.bool_], given: Preprocessed, places: tuple[int, int]) -> None:
    """Warn of samples that absorb more than the correction can undo, by their labels."""
    sample = min({0, 1, 2} - set(places))
    largest = sums.max(axis=tuple(mode for mode in range(sums.ndim) if mode != sample), where=observed, initial=0.0)
    strong = np.flatnonzero(largest > LARGEST_ABSORBANCE).tolist()
    if strong:
        names = [str(n) if given.labels is None else given.labels.index(sample, n) for n in strong]
        message = (
            f"The absorbances at a cell's two wavelengths add up to {largest.max():.2g}, more than "
            f"{LARGEST_ABSORBANCE:g}, in {counted(len(strong), 'sample')} ({listed(names)}): the correction is not "
            "reliable there; dilute and measure again."
        )
        warnings.warn(message, AutotenWarning, stacklevel=3)
