"""Fluorescence from files to a report: landscapes as instruments write them, Fmax, loadings for OpenFluor.

A landscape, or excitation-emission matrix (EEM), is the fluorescence of one sample at each emission and excitation
wavelength. What one does to it before a fit is in `preprocess`: scattered light, absorbed light.
"""

from __future__ import annotations

import codecs
import csv
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import dropwhile, takewhile
from math import nan
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autoten._errors import AutotenWarning, check_mode, counted, reading, refuse, to_be_written
from autoten._typing import Array
from autoten.door import Preprocessed
from autoten.files import number_in
from autoten.labels import LANDSCAPE, Labels, names_of
from autoten.model import as_cp, brightest

__all__ = ["maxima", "read_eems", "write_openfluor"]

# Wavelengths in files, nm: what is outside is no wavelength. Instruments set them no finer than these decimals, but
# write 232.0299988 for 232.03.
SHORTEST, LONGEST = 100.0, 2500.0
DECIMALS = 2

# Cary Eclipse: the head of a pair of columns, such as "river 3_EX_240.00", whose cells are wavelength and intensity.
HEAD_OF_PAIR = re.compile(r"_(EX|EM)_(\d+(?:\.\d+)?)$", re.IGNORECASE)

# The header of an OpenFluor file, in the order of that site's own template; what nobody says stays blank.
OPENFLUOR_FIELDS = (
    *("name", "creator", "email", "doi", "reference", "unit", "toolbox", "date", "fluorometer", "nSample"),
    *("constraints", "validation", "methods", "preprocess", "sources", "ecozones", "description"),
)


def landscape_modes(modes: Any, ndim: int, labels: Labels | None, what: str) -> tuple[int, int]:
    """Return the modes of emission and of excitation: those asked for, those of these names, or 1 and 2."""
    names = names_of(labels)
    if modes is None:
        modes = LANDSCAPE if set(LANDSCAPE) <= set(names) else (1, 2)
    listed = list(modes) if isinstance(modes, Iterable) and not isinstance(modes, str) else [modes]
    places = tuple(check_mode(mode, ndim, what, names) for mode in listed)
    if len(places) != 2 or places[0] == places[1]:
        refuse(what, "two different ones, of emission and of excitation", repr(modes))
    return places


def wavelengths_of(given: Any, mode: int, length: int, labels: Labels | None, what: str) -> Array:
    """Return the wavelengths of a mode as floats: those given, in an array of any shape, or its labels."""
    if given is None:
        given = None if labels is None else labels.indices[mode]
        if given is None or given.dtype.kind not in "iuf":
            got = "none" if given is None else "labels that are no numbers"
            refuse(what, "the wavelengths of its mode in nm where X is not labelled by them", got)
    wavelengths = np.ravel(given)  # MATLAB has matrices alone
    if wavelengths.dtype.kind not in "iuf" or wavelengths.shape != (length,):
        refuse(what, f"{length} wavelengths in nm, one for each index of its mode", f"shape {np.shape(given)}")
    if not (np.isfinite(wavelengths).all() and (wavelengths > 0).all()):
        refuse(what, "positive and finite, in nm", f"{wavelengths.min()} to {wavelengths.max()}")
    return wavelengths.astype(float)


def both_wavelengths(
    emission: Any, excitation: Any, places: tuple[int, int], shape: tuple[int, ...], labels: Labels | None, asker: str
) -> tuple[Array, Array]:
    """Return the wavelengths of emission and of excitation: those given, else the labels."""
    em, ex = (
        wavelengths_of(given, place, shape[place], labels, f"{name} of {asker}")
        for given, place, name in zip((emission, excitation), places, LANDSCAPE, strict=True)
    )
    return em, ex


def read_eems(folder: str | Path, pattern: str = "*") -> Preprocessed:
    r"""Return the landscapes in a folder, a text file for each sample, as one labelled tensor.

    A file holds a matrix with its wavelengths: one axis in the first column of numbers, the other in a line above.
    Text before, beside and below it is passed over, so that tables by hand and files of Horiba (Aqualog, FluoroMax) and
    Hitachi (F-7000) instruments can be read as they are; or pairs of columns with the excitation in their head, as
    Agilent's Cary Eclipse writes them. Fields are separated by tabs, semicolons, commas or blanks, with a decimal comma
    where commas do not separate. Blank fields, NA and NaN are missing.

    Emission may run down or across: molecules emit at longer wavelengths than they absorb, so it is the axis on whose
    longer side the light lies, in all files together. A file that runs the other way than most is known by its
    wavelengths, and turned.

    Parameters
    ----------
    folder : str or Path
        Where the files are; folders in it are not looked into.
    pattern : str
        Which files to read, by their names, such as ``"*.csv"``, in the natural order of their names: 2 before 10.

    Returns
    -------
    Preprocessed
        ``.X``, an array of shape (I_sample, I_emission, I_excitation), and ``.labels``: sample (the names of the files
        without their endings), emission and excitation, rising, in nm, rounded to 0.01 nm. If some files lack
        wavelengths that others have, these cells are missing (NaN), and ``.steps`` says so, as it names files that
        were turned.

    Raises
    ------
    ValueError
        If a file has no such matrix, or a broken one; if the wavelengths of a file are not among those of the one
        with the most: samples must be measured alike, and are not interpolated here.

    Notes
    -----
    The formats of instruments are those of the example files that the R packages eemR and staRdom keep in public.
    Shimadzu's columns of emission and intensity do not state the excitations, and cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("lake 2", "lake 10"):
    ...         text = "Em\\Ex;250;260\n300;1,5;2\n310;3;4,5\n"
    ...         _ = Path(folder, f"{name}.csv").write_text(text)
    ...     eems = read_eems(folder)
    >>> eems.shape, eems.labels.indices[0].tolist()
    ((2, 2, 2), ['lake 2', 'lake 10'])
    """
    files = _files_in(folder, pattern)
    eems, odd = _alike([_read_eem(file) for file in files])
    emission, excitation = max((eem.down for eem in eems), key=len), max((eem.across for eem in eems), key=len)
    X = np.full((len(eems), len(emission), len(excitation)), np.nan)
    for slab, eem, file in zip(X, eems, files, strict=True):
        for axis, name, whole in ((eem.down, "emission", emission), (eem.across, "excitation", excitation)):
            if not np.isin(axis, whole).all():
                expected = f"of {name} wavelengths among those of the file with the most, {_range(whole)}"
                remedy = "Read files of one kind by pattern, or bring them to common wavelengths first."
                refuse(file.name, expected, _range(axis), remedy)
        slab[np.ix_(np.searchsorted(emission, eem.down), np.searchsorted(excitation, eem.across))] = eem.values
    short = sum(eem.values.shape != X.shape[1:] for eem in eems)
    steps = (f"{counted(short, 'sample')} without some wavelengths of the others: missing",) if short else ()
    if odd:
        named = ", ".join(files[place].name for place in odd)
        steps = (*steps, f"{counted(len(odd), 'file')} turned, since written across where the others are down: {named}")
    stems = [file.stem for file in files]
    samples = np.array(stems if len(set(stems)) == len(stems) else [file.name for file in files])
    return Preprocessed(X, steps, Labels(("sample", *LANDSCAPE), (samples, emission, excitation)))


def maxima(model: Any, *, modes: Any = None) -> Array:
    r"""Return Fmax: how brightly each component shines at its brightest in each sample, in the units of the data.

    .. math:: F_{ir} = w_r\, a_{ir} \max_j |b_{jr}| \max_k |c_{kr}|

    with weights :math:`w`, and columns of emission :math:`b` and excitation :math:`c`. Unlike loadings it depends on no
    scaling, and is what this field reports in place of scores: in proportion to concentration, by an unknown factor for
    each component.

    Parameters
    ----------
    model : CP model of samples, emission and excitation
        `CPModel`, tensorly's ``CPTensor``, pyttb's ``ktensor``, ``(weights, factors)``, or an estimate, for its model.
    modes : pair of int or str, optional
        The modes of emission and excitation; by default those of these names, else 1 and 2.

    Returns
    -------
    array of shape (I_sample, R)
        With more modes than three, of the lengths of all but those two, and R.

    Raises
    ------
    ValueError
        If the model has no two such modes.

    References
    ----------
    Murphy, Stedmon, Graeber & Bro (2013), Fluorescence spectroscopy and multi-way techniques. PARAFAC, Analytical
    Methods 5, 6557-6566.

    Examples
    --------
    >>> factors = [np.array([[1.0], [3.0]]), np.array([[0.5], [1.0]]), np.array([[4.0], [2.0]])]
    >>> maxima(([2.0], factors))
    array([[ 8.],
           [24.]])
    """
    cp = as_cp(model)
    return brightest(cp, landscape_modes(modes, cp.ndim, cp.labels, "modes of maxima"))


def write_openfluor(
    model: Any, path: str | Path, *, name: str, emission: Any = None, excitation: Any = None, **fields: str
) -> None:
    r"""Write the spectra of a model as a text file that OpenFluor, the database of such models, takes.

    Above stand the fields of its header, then a line for each excitation and emission wavelength: ``Ex`` or ``Em``, the
    wavelength in nm and the loading of each component, separated by tabs. Each spectrum is divided by its largest
    loading, since that database accepts none above 1.

    Parameters
    ----------
    model : CP model of samples, emission and excitation
        The modes of the last two are those of these names, else 1 and 2. An estimate gives its model, and also fills
        in what it knows of constraints, preprocess and methods.
    path : str or Path
        The file; one that is there is replaced.
    name : str
        What to call the model.
    emission, excitation : array_like, optional
        Wavelengths in nm; by default the labels of the model.
    **fields : str
        More of the header: creator, email, doi, reference, unit, toolbox, date, fluorometer, nSample, constraints,
        validation, methods, preprocess, sources, ecozones, description. By default toolbox is autoten, date today, and
        nSample is counted; others stay blank, to be filled in, but for those that an estimate knows.

    Raises
    ------
    ValueError
        If the model has no wavelengths or no component, or the header no such field.

    Warns
    -----
    AutotenWarning
        If most components are brightest at an emission shorter than the excitation, where no molecule shines.

    Notes
    -----
    Format and fields are those that staRdom writes, whose template for that site is public, and eempy in the main.
    drEEM interpolates wavelengths that are not whole numbers; here they are written as they are. No file was sent to
    the site.

    References
    ----------
    Murphy, Stedmon, Wenig & Bro (2014), OpenFluor: an online spectral library of auto-fluorescence by organic compounds
    in the environment, Analytical Methods 6, 658-661; Pucher et al. (2019), staRdom, Water 11, 2366.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> factors = [np.ones((4, 1)), np.array([[1.0], [2.0]]), np.array([[3.0], [1.5]])]
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "one.txt")
    ...     write_openfluor((None, factors), path, name="one", emission=[300, 310], excitation=[250, 260])
    ...     print(path.read_text().partition("each component\n#\n")[2])
    Ex	250	1
    Ex	260	0.5
    Em	300	0.5
    Em	310	1
    <BLANKLINE>
    """
    cp = as_cp(model).unit_columns()
    unknown = sorted(set(fields) - set(OPENFLUOR_FIELDS))
    if unknown:
        refuse("a field of write_openfluor", f"one of {', '.join(OPENFLUOR_FIELDS)}", unknown[0])
    if not cp.rank:
        refuse("model of write_openfluor", "a model of at least one component", "none")
    places = landscape_modes(None, cp.ndim, cp.labels, "modes of write_openfluor")
    n_samples = cp.factors[min({0, 1, 2} - set(places))].shape[0]
    today = datetime.now(UTC).date().isoformat()
    known = {"toolbox": "autoten", "date": today, "nSample": str(n_samples), **_said_of(model)}
    said = {**known, **fields, "name": name}
    lines = ["#", "# Fluorescence Model", "#"]
    # A line for each field: what it holds must not begin another.
    lines += [f"{field}\t{' '.join(str(said.get(field, '')).split())}".rstrip() for field in OPENFLUOR_FIELDS]
    lines += ["#", "# Excitation/Emission (Ex, Em), wavelength (nm), loading of each component", "#"]
    em, ex = both_wavelengths(emission, excitation, places, cp.shape, cp.labels, "write_openfluor")
    emits, absorbs = (cp.factors[place] for place in places)
    for mark, wavelengths, factor in (("Ex", ex, absorbs), ("Em", em, emits)):
        peaks = factor.max(axis=0)
        loadings = factor / np.where(peaks > 0, peaks, 1.0)
        for wavelength, row in zip(wavelengths, loadings, strict=True):
            lines.append("\t".join([mark, f"{wavelength:g}", *(f"{loading:.6g}" for loading in row)]))
    to_be_written(path, "write_openfluor").write_text("\n".join(lines) + "\n", encoding="utf-8")
    n_backwards = int((em[emits.argmax(axis=0)] < ex[absorbs.argmax(axis=0)]).sum())
    if 2 * n_backwards > cp.rank:
        message = (
            f"{n_backwards} of {counted(cp.rank, 'component')} are brightest at an emission shorter than the "
            "excitation, where no molecule shines: are the two modes exchanged?"
        )
        warnings.warn(message, AutotenWarning, stacklevel=2)


def _said_of(estimate: Any) -> dict[str, str]:
    """Return the fields of the header that an estimate knows; none of a model."""
    settings = getattr(estimate, "settings", None)
    if not isinstance(settings, Mapping):
        return {}
    solver = str(settings.get("solver", ""))
    nonnegative = solver.startswith("KL(") or "nonnegative=True" in solver
    return {
        "constraints": "nonnegativity" if nonnegative else f"none but those of {solver}",
        "preprocess": "; ".join(settings.get("preprocessing", ())),
        "methods": f"number of components estimated by autoten: {solver}, {settings.get('holdout')}",
    }


# Files of instruments


class _Eem(NamedTuple):
    """What a file holds: wavelengths down its rows, wavelengths across, the values, and whether emission is down."""

    down: Array
    across: Array
    values: Array
    down_is_emission: bool | None = None  # None where the file does not say

    def turned(self) -> _Eem:
        return _Eem(self.across, self.down, self.values.T)


def _alike(eems: list[_Eem]) -> tuple[list[_Eem], list[int]]:
    """Return landscapes with emission down, and which of them run the other way than the others, by wavelengths."""
    stated = [eem.turned() if eem.down_is_emission is False else eem for eem in eems]
    # Those that say what is what are the pattern for the others, else the axes that most of these have.
    patterns = [eem for eem in stated if eem.down_is_emission is not None] or stated
    down, across = Counter((tuple(eem.down), tuple(eem.across)) for eem in patterns).most_common(1)[0][0]

    def is_odd(eem: _Eem) -> bool:
        as_it_is = np.isin(eem.down, down).sum() + np.isin(eem.across, across).sum()
        turned = np.isin(eem.across, down).sum() + np.isin(eem.down, across).sum()
        return eem.down_is_emission is None and bool(turned > as_it_is)

    odd = [place for place, eem in enumerate(stated) if is_odd(eem)]
    alike = [eem.turned() if place in odd else eem for place, eem in enumerate(stated)]
    if patterns is stated:
        # Nobody says what is what: molecules emit at longer wavelengths than they absorb.
        light = sum(np.nansum(np.sign(eem.down[:, None] - eem.across) * np.abs(eem.values)) for eem in alike)
        alike = [eem.turned() for eem in alike] if light < 0 else alike
    return alike, odd


def _files_in(folder: Any, pattern: str) -> list[Path]:
    """Return the files of a folder with names like `pattern`, in their natural order."""
    if not isinstance(folder, (str, PathLike)):
        remedy = "To read some of its files, say which by pattern."
        refuse("folder of read_eems", "the path of one folder", f"a {type(folder).__name__}", remedy, kind=TypeError)
    folder = Path(folder)
    if folder.is_file():
        remedy = f"To read it alone, give its folder, and pattern={folder.name!r}."
        refuse("folder of read_eems", "a folder of files", f"the file {folder}", remedy)
    if not folder.is_dir():
        missing = f"There is none of this name in {Path.cwd()}." if not folder.is_absolute() else "It does not exist."
        refuse("folder of read_eems", "a folder of files", str(folder), missing)
    files = [file for file in folder.glob(pattern) if file.is_file() and not file.name.startswith(".")]
    if not files:
        refuse("folder of read_eems", f"a folder with files named {pattern}", str(folder))
    return sorted(files, key=_natural)


def _natural(file: Path) -> list[Any]:
    """Return what sorts names as people do, numbers in them by their size."""
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in re.split(r"(\d+)", file.name)]


def _read_eem(file: Path) -> _Eem:
    rows = _fields(file)
    eem = _from_pairs(rows, file.name) or _from_matrix(rows, file.name)
    if eem is None:
        what = f"{file.name} is no landscape (EEM), which"
        expected = "a text file: a matrix of intensities, wavelengths from 100 to 2500 nm to its left and above it"
        got = "no line of rising or falling wavelengths above rows that begin with one"
        refuse(what, expected, got, "Leave files of another kind out: read_eems(folder, pattern).")
    axes, orders = [], []
    for axis in (eem.down, eem.across):
        rounded, order, counts = np.unique(np.round(axis, DECIMALS), return_index=True, return_counts=True)
        if counts.max() > 1:
            refuse(f"the wavelengths of {file.name}", "different ones", f"{rounded[counts.argmax()]:g} nm twice")
        axes.append(rounded)
        orders.append(order)
    return eem._replace(down=axes[0], across=axes[1], values=eem.values[np.ix_(*orders)])


def _fields(file: Path) -> list[list[str]]:
    """Return the lines of a text file as lists of fields, with decimal points."""
    content = file.read_bytes()
    encoding = "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = text.splitlines()
    # A separator stands in nearly every line; in a comment above a matrix may be a few of another kind.
    separator = next((sign for sign in "\t;," if text.count(sign) >= max(len(lines), 1)), None)
    if separator != ",":
        lines = [line.replace(",", ".") for line in lines]
    if separator is None:
        return [line.split() for line in lines]
    with reading(file, "text", csv.Error):
        return [[field.strip() for field in row] for row in csv.reader(lines, delimiter=separator)]


def _wavelength(field: str) -> float | None:
    """Return the wavelength in a field; None where it holds something else."""
    number = number_in(field)
    return number if number is not None and SHORTEST <= number <= LONGEST else None


def _from_matrix(rows: list[list[str]], name: str) -> _Eem | None:
    """Return the first matrix with a line of wavelengths above and a column of them to its left; None without any."""
    for top, row in enumerate(rows):
        head = _wavelengths_at_the_end(row)
        if len(head) < 2:
            continue
        # Without a field in the corner, as R writes tables, the wavelengths stand one field too far to the left.
        first = max(_length(row) - len(head), 1)
        last = first + len(head)
        below = [n for n in range(top + 1, len(rows)) if len(rows[n]) >= last and _wavelength(rows[n][first - 1])]
        if len(below) < 2 or max(_length(rows[n]) for n in below) > last:
            continue  # with more columns below these wavelengths are a remark
        for n in sorted(set(range(below[0], below[-1])) - set(below)):
            if any(rows[n]):  # a line that was cut off would be passed over
                expected = "a wavelength and an intensity for each one above"
                refuse(f"line {n + 1} of {name}", expected, ",".join(rows[n]))
        values = [[number_in(field) for field in rows[n][first:last]] for n in below]
        for n, line in zip(below, values, strict=True):
            if None in line:
                word = rows[n][first + line.index(None)]
                refuse(f"line {n + 1} of {name}", "numbers, or blank where missing", word)
        down = np.array([_wavelength(rows[n][first - 1]) for n in below])
        return _Eem(down, head, np.array(values, dtype=float))
    return None


def _wavelengths_at_the_end(row: list[str]) -> Array:
    """Return the wavelengths that a line ends with, blank fields apart, while they rise or while they fall."""
    wavelengths = np.array([_wavelength(field) or nan for field in row[: _length(row)]])
    steps = np.sign(np.diff(wavelengths))
    breaks = np.flatnonzero(steps != steps[-1:])  # where what follows neither rises nor falls as the end does
    return wavelengths[breaks[-1] + 1 if breaks.size else 0 :]


def _length(row: list[str]) -> int:
    """Return the number of fields in a line up to its last one that is not blank."""
    return max((place for place, field in enumerate(row, 1) if field), default=0)


def _heads(row: list[str]) -> dict[int, re.Match[str]]:
    """Return what stands in a line as heads of pairs of columns, by their places."""
    found = {place: HEAD_OF_PAIR.search(field) for place, field in enumerate(row)}
    return {place: head for place, head in found.items() if head}


def _from_pairs(rows: list[list[str]], name: str) -> _Eem | None:
    """Return a landscape from pairs of columns, wavelength and intensity, below heads that state the other one."""
    top = next((n for n, row in enumerate(rows) if len(_heads(row)) >= 2), None)
    if top is None:
        return None
    heads = _heads(rows[top])

    def is_measured(row: list[str]) -> bool:
        return any(place + 1 < len(row) and _wavelength(row[place]) for place in heads)

    # Below the columns stand the settings of the instrument.
    measured = takewhile(is_measured, dropwhile(lambda row: not is_measured(row), rows[top + 1 :]))
    cells: dict[tuple[float, float], float] = {}
    for row in measured:
        for place, head in heads.items():
            if place + 1 < len(row) and row[place]:
                down, value = _wavelength(row[place]), number_in(row[place + 1])
                if down is None or value is None:
                    what = f"the columns {row[place]} of {name}"
                    refuse(what, "a wavelength and an intensity", ",".join(row[place : place + 2]))
                cells[round(down, DECIMALS), float(head[2])] = value
    if not cells:
        return None
    rising, beside = (sorted({cell[axis] for cell in cells}) for axis in (0, 1))
    values = np.array([[cells.get((one, other), nan) for other in beside] for one in rising])
    return _Eem(np.array(rising), np.array(beside), values, next(iter(heads.values()))[1].upper() == "EX")


def _range(axis: Array) -> str:
    return f"{len(axis)} from {axis[0]:g} to {axis[-1]:g} nm"
