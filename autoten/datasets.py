"""Tensors whose rank is known: a laboratory mixture that ships with the package, and draws from a CP model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from autoten._errors import as_generator, check_integer, check_real, refuse
from autoten._typing import Array
from autoten.model import CPModel

# (length, rank, rng) -> a factor matrix of shape (length, rank).
FactorGenerator = Callable[[int, int, np.random.Generator], Array]

# (signal, rng) -> what is added to the signal, of the signal's shape.
Noise = Callable[[Array, np.random.Generator], Array]


@dataclass(frozen=True, eq=False)
class AminoAcids:
    """Fluorescence of five laboratory mixtures of three amino acids: what `load_amino_acids` returns.

    Parameters
    ----------
    X : array of float, shape (5, 201, 61)
        Fluorescence intensity (arbitrary units): samples x emission x excitation.
    emission_nm, excitation_nm : arrays of int, shapes (201,) and (61,)
        Wavelengths of modes 1 and 2, in nanometres (250 to 450 and 240 to 300).
    concentrations : array of float, shape (5, 3)
        What was weighed in, in mol/l: up to scale, the first factor that a good model finds.
    samples, substances : tuples of str
        The names of mode 0, three pure solutions, then two mixtures; the columns of `concentrations`.
    rank : int
        The number of fluorescent substances, 3.
    description, citation : str
        What the tensor is, and what to cite.
    """

    X: Array
    emission_nm: Array
    excitation_nm: Array
    concentrations: Array
    samples: tuple[str, ...] = ("tryptophan", "tyrosine", "phenylalanine", "mixture 1", "mixture 2")
    substances: tuple[str, ...] = ("tryptophan", "tyrosine", "phenylalanine")
    rank: int = 3
    description: str = (
        "Fluorescence excitation-emission landscapes of five solutions of tryptophan, tyrosine and "
        "phenylalanine: three pure, two mixed. 5 samples x 201 emission wavelengths (250-450 nm) x "
        "61 excitation wavelengths (240-300 nm), complete. Three substances fluoresce, hence rank 3."
    )
    citation: str = (
        "R. Bro, PARAFAC. Tutorial and applications, Chemometrics and Intelligent Laboratory Systems 38 "
        "(1997) 149-171. Data from the N-way toolbox (BSD 2-clause licence, (c) 1999 Rasmus Bro)."
    )

    def __repr__(self) -> str:
        return f"AminoAcids(shape={self.X.shape}, rank={self.rank})"


def load_amino_acids() -> AminoAcids:
    """Return the amino acids fluorescence tensor, of chemical rank 3, which ships with the package.

    A substance absorbs and emits with spectra of its own, in proportion to its concentration: a sample's landscape is a
    sum of one rank-one term per substance. Samples 0, 1 and 2 are pure: any two of them form a tensor of rank 2.

    Returns
    -------
    AminoAcids
        Read from the file anew by every call, so changing an array changes nobody else's; its ``citation`` is that of
        Bro (1997).

    Examples
    --------
    >>> data = load_amino_acids()
    >>> data.X.shape, data.rank
    ((5, 201, 61), 3)
    >>> data.samples[3], np.round(1e6 * data.concentrations[3], 2).tolist()  # micromol/l of the three
    ('mixture 1', [1.58, 5.44, 355.0])
    """
    path = resources.files("autoten") / "data" / "amino_acids.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        emission, excitation = (arrays[name].astype(int) for name in ("emission_nm", "excitation_nm"))
        return AminoAcids(arrays["X"], emission, excitation, arrays["concentrations"])


@dataclass(frozen=True, eq=False)
class SyntheticTensor:
    """A tensor drawn from a known CP model: what `make_cp_tensor` returns.

    Parameters
    ----------
    X : array of float
        Signal plus noise, NaN where a cell is missing.
    model : CPModel
        The truth: ``model.to_tensor()`` is the signal.
    signal_norm, noise_norm : float
        Frobenius norms of signal and noise over all cells, before any were hidden.
    """

    X: Array
    model: CPModel
    signal_norm: float
    noise_norm: float

    @property
    def rank(self) -> int:
        """The true number of components."""
        return self.model.rank

    @property
    def snr_db(self) -> float:
        """Signal-to-noise ratio in decibels: infinite without noise, minus infinite without signal."""
        if self.noise_norm == 0:
            return math.inf
        return 20 * math.log10(self.signal_norm / self.noise_norm) if self.signal_norm else -math.inf

    def __repr__(self) -> str:
        return f"SyntheticTensor(shape={self.X.shape}, rank={self.rank}, snr_db={self.snr_db:g})"


def gaussian_factors(length: int, rank: int, rng: np.random.Generator) -> Array:
    """Return a factor matrix of independent standard normal entries, shape ``(length, rank)``.

    Examples
    --------
    >>> gaussian_factors(4, 2, np.random.default_rng(0)).shape
    (4, 2)
    """
    return rng.standard_normal((length, rank))


def uniform_factors(length: int, rank: int, rng: np.random.Generator) -> Array:
    """Return a factor matrix of independent entries, uniform on [0, 1), shape ``(length, rank)``.

    Nonnegative columns are collinear: in long modes any two have a cosine near 3/4.

    Examples
    --------
    >>> uniform_factors(4, 2, np.random.default_rng(0)).shape
    (4, 2)
    """
    return rng.random((length, rank))


def collinear_factors(correlation: float) -> FactorGenerator:
    """Return a generator of factor matrices with unit columns, any two of which have the cosine `correlation`.

    The Gram matrix is exact, ``A.T @ A = (1 - c) I + c 1 1'``, and the directions are otherwise uniformly random:
    ``A = Q L'`` with ``Q`` a random orthonormal matrix and ``L`` the Cholesky factor of the Gram matrix.

    Parameters
    ----------
    correlation : float
        The common cosine ``c``, at least 0 and below 1. Such a mode must be at least as long as the rank.

    Returns
    -------
    function
        Called with the length of a mode, a rank and a ``numpy.random.Generator``, it returns a factor matrix, shape
        ``(length, rank)``.

    References
    ----------
    Tomasi & Bro (2006), A comparison of algorithms for fitting the PARAFAC model, Computational Statistics & Data
    Analysis 50, 1700-1734 (simulated data with a set congruence between factors).

    Examples
    --------
    >>> A = collinear_factors(0.9)(10, 3, np.random.default_rng(0))
    >>> np.round(A.T @ A, 12)
    array([[1. , 0.9, 0.9],
           [0.9, 1. , 0.9],
           [0.9, 0.9, 1. ]])
    """
    correlation = check_real(correlation, "correlation of collinear_factors", above=0, below=1, closed=True)

    def draw(length: int, rank: int, rng: np.random.Generator) -> Array:
        if length < rank:
            refuse("a mode with collinear_factors", f"at least as long as the rank, {rank}", f"length {length}")
        orthonormal, triangle = np.linalg.qr(rng.standard_normal((length, rank)))
        # LAPACK ties the sign of a column to its first entry; undone, every direction is equally likely.
        orthonormal = orthonormal * np.sign(np.diagonal(triangle))
        gram = np.where(np.eye(rank, dtype=bool), 1.0, correlation)
        return np.asarray(orthonormal @ np.linalg.cholesky(gram).T)

    return draw


def gamma_factors(concentration: float = 0.3) -> FactorGenerator:
    """Return a generator of factor matrices with independent gamma entries, columns scaled to the sum 1.

    Below 1 a column has few large entries and many near zero, as the profiles of counts mostly have.

    Parameters
    ----------
    concentration : float
        The shape parameter of the gamma distribution, above 0: the columns are symmetric Dirichlet draws.

    Returns
    -------
    function
        Called with the length of a mode, a rank and a ``numpy.random.Generator``, it returns a factor matrix, shape
        ``(length, rank)``.

    Examples
    --------
    >>> A = gamma_factors(0.3)(50, 2, np.random.default_rng(0))
    >>> A.sum(axis=0).round(12).tolist(), int((A < 1e-3).sum() > 25)
    ([1.0, 1.0], 1)
    """
    concentration = check_real(concentration, "concentration of gamma_factors", above=0, below=math.inf)
    return lambda length, rank, rng: rng.dirichlet(np.full(length, concentration), size=rank).T


def smooth_spectra(width: float = 0.1, n_bands: int = 2) -> FactorGenerator:
    """Return a generator of nonnegative smooth factor matrices: columns like emission or excitation spectra.

    A column is a sum of Gaussian bands with centres anywhere along the mode, standard deviations between half and one
    and a half times `width`, and heights between 0.2 and 1.

    Parameters
    ----------
    width : float
        Usual standard deviation of a band as a share of the mode, above 0 and below 1.
    n_bands : int
        Number of bands in a column.

    Returns
    -------
    function
        Called with the length of a mode, a rank and a ``numpy.random.Generator``, it returns a factor matrix, shape
        ``(length, rank)``.

    Examples
    --------
    A fluorescence-like landscape of three substances, samples x emission x excitation:

    >>> factors = [uniform_factors, smooth_spectra(), smooth_spectra(0.15, n_bands=1)]
    >>> drawn = make_cp_tensor((10, 60, 40), 3, factors=factors, noise=white_noise(30), random_state=0)
    >>> bool((drawn.model.factors[1] >= 0).all()), drawn.X.shape
    (True, (10, 60, 40))
    """
    width = check_real(width, "width of smooth_spectra", above=0.0, below=1.0)
    n_bands = check_integer(n_bands, "n_bands of smooth_spectra", minimum=1)

    def draw(length: int, rank: int, rng: np.random.Generator) -> Array:
        places = np.linspace(0.0, 1.0, length)[:, None, None]
        centres = rng.random((rank, n_bands))
        widths = width * rng.uniform(0.5, 1.5, (rank, n_bands))
        heights = rng.uniform(0.2, 1.0, (rank, n_bands))
        return np.asarray((heights * np.exp(-0.5 * ((places - centres) / widths) ** 2)).sum(axis=2))

    return draw


def white_noise(snr_db: float) -> Noise:
    """Return independent Gaussian noise at an exact signal-to-noise ratio.

    The draw ``N`` is scaled so that ``10 log10(||S||^2 / ||N||^2)`` equals `snr_db`, not only on average. A zero
    signal counts as one of unit root mean square, so that `make_cp_tensor` with rank 0 gives pure noise.

    Parameters
    ----------
    snr_db : float
        The ratio in decibels: 20 means that the noise has a tenth of the signal's norm.

    Returns
    -------
    function
        Called with the signal, shape (I_1, ..., I_N), and a ``numpy.random.Generator``, it returns noise of this shape.

    Examples
    --------
    >>> drawn = make_cp_tensor((5, 6, 7), rank=2, noise=white_noise(snr_db=-5), random_state=0)
    >>> round(drawn.snr_db, 12)
    -5.0
    """
    ratio = 10 ** (-check_real(snr_db, "snr_db of white_noise", above=-math.inf, below=math.inf) / 20)
    return lambda signal, rng: _with_norm(rng.standard_normal(signal.shape), ratio, signal)


def structured_noise(ratio: float, n_terms: int = 100) -> Noise:
    """Return multilinear noise: many weak rank-one terms with Gaussian factors.

    It resembles what instruments and unmodelled effects leave behind: a surplus component can describe a little of
    it, in held-out cells too, so a held-out error keeps falling past the true rank.

    Parameters
    ----------
    ratio : float
        The norm of the noise in units of the signal's norm, above 0 (a zero signal counts as one of unit root mean
        square).
    n_terms : int
        Number of rank-one terms.

    Returns
    -------
    function
        Called with the signal, shape (I_1, ..., I_N), and a ``numpy.random.Generator``, it returns noise of this shape.

    References
    ----------
    Tsitsikas & Papalexakis (2020), NSVD: Normalized Singular Value Deviation reveals number of latent factors in
    tensor decomposition, Big Data, doi 10.1089/big.2020.0074 (100 terms; 10, 50 and 100 % of the signal's norm).

    Examples
    --------
    >>> drawn = make_cp_tensor((20, 20, 20), rank=5, noise=structured_noise(0.5), random_state=0)
    >>> round(drawn.noise_norm / drawn.signal_norm, 12)
    0.5
    """
    ratio = check_real(ratio, "ratio of structured_noise", above=0, below=math.inf)
    n_terms = check_integer(n_terms, "n_terms of structured_noise", minimum=1)

    def draw(signal: Array, rng: np.random.Generator) -> Array:
        factors = [gaussian_factors(length, n_terms, rng) for length in signal.shape]
        return _with_norm(CPModel(np.ones(n_terms), tuple(factors)).to_tensor(), ratio, signal)

    return draw


def make_cp_tensor(
    shape: Sequence[int],
    rank: int,
    *,
    factors: FactorGenerator | Sequence[FactorGenerator] = gaussian_factors,
    weights: Sequence[float] | Array | None = None,
    noise: Noise | None = None,
    missing: float = 0.0,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
) -> SyntheticTensor:
    """Draw a tensor of known rank: a CP model with random factors, plus noise, with some cells missing.

    The parts are drawn in the order factors, noise, missing cells. So one seed gives the same signal under every
    noise, the same noise (but for its size) at every ratio, and a larger missing share hides the same cells and more.

    Parameters
    ----------
    shape : sequence of int
        The length of each mode, three modes or more.
    rank : int
        Number of components; 0 for a tensor of nothing but noise.
    factors : callable or sequence of callables, one for each mode
        How a factor matrix is drawn: `gaussian_factors`, `uniform_factors`, ``collinear_factors(correlation)``,
        ``smooth_spectra()``, or any ``f(length, rank, rng)`` that returns an array of shape ``(length, rank)``.
    weights : sequence of float, shape (rank,), optional
        Multiplies the components as drawn (default: ones).
    noise : callable, optional
        What is added: ``white_noise(snr_db)``, ``structured_noise(ratio)``, or any ``f(signal, rng)`` that returns an
        array of the signal's shape. Default: nothing.
    missing : float
        Share of cells, at least 0 and below 1, that are set to NaN, chosen at random.
    random_state : int, Generator, RandomState or None
        The seed.

    Returns
    -------
    SyntheticTensor

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> drawn = make_cp_tensor((6, 7, 8), rank=2, noise=white_noise(snr_db=20), missing=0.25, random_state=0)
    >>> drawn
    SyntheticTensor(shape=(6, 7, 8), rank=2, snr_db=20)
    >>> int(np.isnan(drawn.X).sum()), drawn.X.size
    (84, 336)
    """
    shape = _check_shape(shape)
    rank = check_integer(rank, "rank of make_cp_tensor", minimum=0)
    missing = check_real(missing, "missing of make_cp_tensor", above=0, below=1, closed=True)
    rng = as_generator(random_state)

    given = np.ones(rank) if weights is None else np.asarray(weights)
    if given.shape != (rank,) or given.dtype.kind not in "iuf" or not np.isfinite(given).all():
        refuse("weights of make_cp_tensor", f"{rank} finite numbers, one for each component", repr(weights))
    model = CPModel(given.astype(float), _draw_factors(factors, shape, rank, rng))
    signal = model.to_tensor()
    added = np.zeros(shape) if noise is None else np.asarray(noise(signal, rng))
    if added.shape != shape:
        refuse("the result of noise of make_cp_tensor", f"of the signal's shape {shape}", f"shape {added.shape}")
    X = signal + added
    X.flat[rng.permutation(X.size)[: round(missing * X.size)]] = np.nan
    return SyntheticTensor(X, model, float(np.linalg.norm(signal)), float(np.linalg.norm(added)))


@dataclass(frozen=True, eq=False)
class CountTensor:
    """Counts drawn from a known CP model: what `make_count_tensor` returns.

    Parameters
    ----------
    X : array of int, or scipy.sparse.coo_array
        The counts.
    model : CPModel
        The truth: ``model.to_tensor()`` is what is expected in each cell, the weights are each component's events.
    """

    X: Any
    model: CPModel

    @property
    def rank(self) -> int:
        """The true number of components."""
        return self.model.rank

    def __repr__(self) -> str:
        events = int(np.sum(self.X.data))  # X.sum() of an n-dimensional sparse array takes scipy 1.16
        return f"CountTensor(shape={self.X.shape}, rank={self.rank}, events={events})"


def make_count_tensor(
    shape: Sequence[int],
    rank: int,
    events: float,
    *,
    sparse: bool = False,
    factors: FactorGenerator | Sequence[FactorGenerator] | None = None,
    smallest_share: float = 0.05,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
) -> CountTensor:
    """Draw independent Poisson counts whose expectations are a CP model of known rank.

    Drawn event by event where `sparse`: a component, then an index in each mode from its columns. The cost is then
    that of the events, whatever the shape; the distribution is the same.

    Parameters
    ----------
    shape : sequence of int
        The length of each mode, three modes or more.
    rank : int
        Number of components, >= 1.
    events : float
        The expected sum of all counts.
    sparse : bool
        Return the counts as a ``scipy.sparse.coo_array``.
    factors : callable or sequence of callables, one for each mode, optional
        How nonnegative factor matrices are drawn, as in `make_cp_tensor`; default ``gamma_factors(0.3)``.
    smallest_share : float
        The share of the events that every component has at least; what is left is divided uniformly at random. At
        most one over the rank.
    random_state : int, Generator, RandomState or None
        The seed.

    Returns
    -------
    CountTensor

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> make_count_tensor((30, 30, 30), 3, events=54_000, random_state=0)
    CountTensor(shape=(30, 30, 30), rank=3, events=54134)
    >>> drawn = make_count_tensor((10**5, 10**5, 10**4), 3, events=1000, sparse=True, random_state=0)
    >>> drawn.X.nnz <= 1100
    True
    """
    name = "make_count_tensor"
    shape = _check_shape(shape, name)
    rank = check_integer(rank, f"rank of {name}", minimum=1)
    events = check_real(events, f"events of {name}", above=0, below=math.inf)
    least = check_real(smallest_share, f"smallest_share of {name}", above=0, below=1, closed=True)
    if least * rank > 1:
        refuse(f"smallest_share of {name}", f"at most {1 / rank:.3g}, one over the rank", smallest_share)
    rng = as_generator(random_state)

    drawn = _draw_factors(factors or gamma_factors(), shape, rank, rng, name)
    if any((factor < 0).any() or not (factor.sum(axis=0) > 0).all() for factor in drawn):
        refuse(f"the factors of {name}", "nonnegative, with something in every column", "others")
    columns = tuple(factor / factor.sum(axis=0) for factor in drawn)
    shares = least + (1 - least * rank) * rng.dirichlet(np.ones(rank))
    model = CPModel(events * shares, columns)
    if not sparse:
        return CountTensor(rng.poisson(model.to_tensor()), model)

    from scipy.sparse import coo_array

    # A Poisson number of events, each on its own: the counts of all cells are independent Poisson numbers.
    of_component = rng.multinomial(rng.poisson(events), shares)
    coords = [
        np.concatenate([rng.choice(len(column), n, p=column) for column, n in zip(factor.T, of_component, strict=True)])
        for factor in columns
    ]
    counts = coo_array((np.ones(int(of_component.sum()), dtype=np.int64), tuple(coords)), shape=shape)
    counts.sum_duplicates()
    return CountTensor(counts, model)


def _with_norm(noise: Array, ratio: float, signal: Array) -> Array:
    """Return `noise` scaled to `ratio` times the norm of the signal (of a unit root mean square if that is zero)."""
    norm = np.linalg.norm(signal) or math.sqrt(signal.size)
    return np.asarray(noise * (ratio * norm / np.linalg.norm(noise)))


def _draw_factors(
    generators: FactorGenerator | Sequence[FactorGenerator],
    shape: tuple[int, ...],
    rank: int,
    rng: np.random.Generator,
    name: str = "make_cp_tensor",
) -> tuple[Array, ...]:
    """Return a factor matrix for each mode, each of the shape that it must have."""
    each = [generators] * len(shape) if callable(generators) else generators
    if not isinstance(each, Sequence) or len(each) != len(shape) or not all(map(callable, each)):
        expected = f"a callable such as gaussian_factors, or one for each of the {len(shape)} modes"
        refuse(f"factors of {name}", expected, repr(generators))
    drawn = tuple(np.asarray(generator(length, rank, rng)) for generator, length in zip(each, shape, strict=True))
    for factor, length in zip(drawn, shape, strict=True):
        if factor.shape != (length, rank):
            refuse(f"the result of factors of {name}", f"of shape {(length, rank)}", f"shape {factor.shape}")
    return drawn


def _check_shape(shape: Sequence[int], name: str = "make_cp_tensor") -> tuple[int, ...]:
    """Return the lengths of three modes or more as integers."""
    what = f"shape of {name}"
    lengths = tuple(shape) if isinstance(shape, Iterable) else ()
    if len(lengths) < 3:
        refuse(what, "the lengths of three modes or more", repr(shape))
    return tuple(check_integer(length, f"each length in {what}", minimum=1) for length in lengths)
