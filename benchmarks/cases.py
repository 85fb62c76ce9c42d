"""Tensors of known rank, as data: every case of the recovery suite with its shape, its rank and what hides it.

The true rank is the number of rank-one terms of the systematic multilinear part; a constant counts as one, structured
noise, misfit, scatter and outliers do not. The sources P1 to P10 are named where a generator is one that the literature
uses.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import linear_sum_assignment

from autoten import ALS, CPModel
from autoten.datasets import (
    FactorGenerator,
    collinear_factors,
    gaussian_factors,
    structured_noise,
    uniform_factors,
    white_noise,
)
from autoten.door import as_tensor
from autoten.matching import congruences
from autoten.model import is_surely_unique

Array = NDArray[Any]
Rng = np.random.Generator
Split = Literal["development", "reported", "smoke"]

# One stream of draws for each purpose; nothing is ever tuned on the reported ones.
SEEDS: dict[Split, int] = {"development": 20261, "reported": 20262, "smoke": 20263}

# A component is lost when ALS, started at the truth, ends with less congruence than this.
KEPT = 0.9

# The candidates: 1 to so many, by the number of cells and never by the truth.
LARGEST_RANKS = ((2_500, 12), (20_000, 16))
LARGEST_RANK = 24


@dataclass(frozen=True)
class Effect:
    """Something that happens to a tensor on its way to the user, and its numbers."""

    name: str
    happens: Callable[..., Array]
    numbers: Mapping[str, Any]

    def __call__(self, X: Array, model: CPModel, rng: Rng) -> Array:
        """Return what becomes of X, a tensor whose systematic part is `model`."""
        return np.asarray(self.happens(X, model, rng, **self.numbers))

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value:g}' for key, value in self.numbers.items())})"


def effect(happens: Callable[..., Array], name: str = "") -> Callable[..., Effect]:
    """Return what makes an effect of the numbers that a function takes after X, the model and the generator."""
    signature = inspect.signature(happens)

    def made(*numbers: Any, **named: Any) -> Effect:
        bound = signature.bind(None, None, None, *numbers, **named)
        bound.apply_defaults()
        return Effect(name or happens.__name__, happens, dict(list(bound.arguments.items())[3:]))

    return made


# --- noise ---

# Independent Gaussian noise: at an exact signal-to-noise ratio, or of a standard deviation (P10).
White = effect(lambda X, model, rng, snr_db: X + white_noise(snr_db)(X, rng), "White")
WhiteOf = effect(lambda X, model, rng, deviation: X + deviation * rng.standard_normal(X.shape), "WhiteOf")

# A hundred rank-one Gaussian terms, of a norm in units of the signal's (P3, P4).
Structured = effect(lambda X, model, rng, ratio: X + structured_noise(ratio)(X, rng), "Structured")

# Every cell off by a Gaussian share of itself.
Multiplicative = effect(lambda X, model, rng, share: X * (1 + share * rng.standard_normal(X.shape)), "Multiplicative")

# Counts: the signal scaled to a mean, every cell then a Poisson draw.
Poisson = effect(lambda X, model, rng, mean: rng.poisson(X * (mean / X.mean())).astype(float), "Poisson")

# A response that bends down, x - a x^2 / max x, so that `bend` is what the largest value loses.
InnerFilter = effect(lambda X, model, rng, bend: X - bend * X**2 / np.abs(X).max(), "InnerFilter")


@effect
def HeavyTailed(X: Array, model: CPModel, rng: Rng, snr_db: float, freedom: float = 3.0) -> Array:
    """Student's t noise."""
    return X + sized(rng.standard_t(freedom, X.shape), snr_db, X)


@effect
def Uneven(X: Array, model: CPModel, rng: Rng, snr_db: float) -> Array:
    """Gaussian noise whose standard deviation differs up to tenfold between the slices of mode 0."""
    deviations = 10.0 ** rng.random((len(X), *[1] * (X.ndim - 1)))
    return X + sized(deviations * rng.standard_normal(X.shape), snr_db, X)


@effect
def Autocorrelated(X: Array, model: CPModel, rng: Rng, snr_db: float, width: float = 1.0) -> Array:
    """Gaussian noise smoothed along the last mode (standard deviation of the filter: so many cells)."""
    return X + sized(gaussian_filter1d(rng.standard_normal(X.shape), width, axis=-1), snr_db, X)


@effect
def OnNonzeros(X: Array, model: CPModel, rng: Rng) -> Array:
    """White noise on nonzero cells only, its norm a share of the signal's drawn from U(.02, .10) (P1)."""
    return X + of_share(rng.standard_normal(X.shape) * (X != 0), rng.uniform(0.02, 0.10), X)


@effect
def Rounded(X: Array, model: CPModel, rng: Rng, levels: int) -> Array:
    """Readings in so many equal steps between the smallest and the largest value."""
    step = np.ptp(X) / (levels - 1)
    return np.round(X / step) * step


# --- what instruments do ---


@effect
def PeakShifts(X: Array, model: CPModel, rng: Rng, deviation: float) -> Array:
    """The profiles of mode 1 shift from sample to sample (mode 0) by a Gaussian number of cells."""
    a, b, c = model.folded()
    places = np.arange(len(b))
    shifts = deviation * rng.standard_normal(len(a))
    shifted = np.array([[np.interp(places - shift, places, column) for column in b.T] for shift in shifts])
    return X - model.to_tensor() + np.einsum("ir,irj,kr->ijk", a, shifted, c)


@effect
def Scatter(X: Array, model: CPModel, rng: Rng, share: float, width: float = 0.03) -> Array:
    """A remnant of first-order scatter: a ridge along the diagonal of modes 1 and 2, its height by sample.

    Of full rank in the two wavelengths, so no number of components describes it; `share` of the signal's norm.
    """
    samples, emission, excitation = X.shape
    distance = np.linspace(0, 1, emission)[:, None] - np.linspace(0, 1, excitation)
    ridge = np.exp(-0.5 * (distance / width) ** 2)
    return X + of_share(rng.uniform(0.5, 1.5, (samples, 1, 1)) * ridge * rng.uniform(0.0, 1.0, X.shape), share, X)


@effect
def Drift(X: Array, model: CPModel, rng: Rng, share: float) -> Array:
    """Profiles of mode 1 that change slowly from the first sample to the last, by a share of their norm."""
    a, b, c = model.folded()
    change = gaussian_filter1d(rng.standard_normal(b.shape), 0.1 * len(b), axis=0)
    change *= np.linalg.norm(b, axis=0) / np.linalg.norm(change, axis=0)
    time = np.linspace(-1.0, 1.0, len(a))[:, None]
    return X + share * np.einsum("ir,jr,kr->ijk", a * time, change, c)


@effect
def Interactions(X: Array, model: CPModel, rng: Rng, share: float) -> Array:
    """Weak entries off the superdiagonal of the core: Gaussian, together a share of the signal's norm."""
    core = rng.standard_normal((model.rank,) * model.ndim)
    core[(np.arange(model.rank),) * model.ndim] = 0.0
    return X + of_share(tucker(core, model.folded()), share, X)


@effect
def Remnant(X: Array, model: CPModel, rng: Rng, share: float, rank: int) -> Array:
    """Structure that no few components share: a dense random Tucker core, its norm a share of the signal's."""
    core = rng.standard_normal((rank,) * X.ndim)
    return X + of_share(tucker(core, [rng.standard_normal((length, rank)) for length in X.shape]), share, X)


def tucker(core: Array, factors: Sequence[Array]) -> Array:
    for mode, factor in enumerate(factors):
        core = np.moveaxis(np.tensordot(factor, core, axes=(1, mode)), 0, mode)
    return core


# --- what is missing ---


@effect
def Missing(X: Array, model: CPModel, rng: Rng, share: float) -> Array:
    """A share of the cells, at random."""
    return _without(X, rng.permutation(X.size)[: round(share * X.size)])


@effect
def MissingFibres(X: Array, model: CPModel, rng: Rng, share: float) -> Array:
    """A share of the fibres of the last mode, whole ones, at random."""
    n = X.size // X.shape[-1]
    return _without(X, rng.permutation(n)[: round(share * n), None] * X.shape[-1] + np.arange(X.shape[-1]))


def _without(X: Array, cells: Array) -> Array:
    X = X.copy()
    X.flat[cells.ravel()] = np.nan
    return X


def of_share(noise: Array, share: float, signal: Array) -> Array:
    return sized(noise, -20 * np.log10(share), signal)


def sized(noise: Array, snr_db: float, signal: Array) -> Array:
    """Return noise scaled to a signal-to-noise ratio; a zero signal counts as one of unit root mean square."""
    norm = np.linalg.norm(signal) or np.sqrt(signal.size)
    return np.asarray(noise * (norm / np.linalg.norm(noise) * 10 ** (-snr_db / 20)))


# --- factors ---


def spectra(length: int, rank: int, rng: Rng) -> Array:
    """Return smooth nonnegative profiles: one Gaussian peak each, sometimes with a shoulder, on a unit axis."""
    axis = np.linspace(0, 1, length)[:, None]
    centres = (np.arange(rank) + rng.uniform(0.1, 0.9, rank)) / rank
    widths = rng.uniform(0.06, 0.15, rank)
    shoulders = rng.uniform(0.0, 0.4, rank) * np.exp(-0.5 * ((axis - centres - 2 * widths) / widths) ** 2)
    return np.asarray(np.exp(-0.5 * ((axis - centres) / widths) ** 2) + shoulders)


def concentrations(length: int, rank: int, rng: Rng) -> Array:
    """Return log-normal amounts, a factor of two up and down."""
    return np.exp(0.7 * rng.standard_normal((length, rank)))


def exponential(length: int, rank: int, rng: Rng) -> Array:
    """Return independent exponential entries (P10)."""
    return rng.exponential(size=(length, rank))


def groups(length: int, rank: int, rng: Rng) -> Array:
    """Return nonnegative loadings most of which are small: who takes part in what."""
    return rng.gamma(0.4, size=(length, rank)) + 0.02


def mixed(sparse: bool) -> FactorGenerator:
    """Return a generator of uniform factors; if `sparse`, a share drawn from U(.01, .5) of the entries is zero (P1)."""

    def draw(length: int, rank: int, rng: Rng) -> Array:
        factor = rng.random((length, rank))
        return factor * (rng.random(factor.shape) >= rng.uniform(0.01, 0.5)) if sparse else factor

    return draw


# --- cases ---


def smallest_congruence(truth: CPModel, model: CPModel) -> float:
    """Return the smallest congruence of a true component with the one of a model that it is matched with."""
    alike = np.abs(congruences(truth, model))
    return float(alike[linear_sum_assignment(-alike)].min(initial=1.0))


@dataclass(frozen=True, eq=False)
class Draw:
    """One tensor: X as the user gets it (NaN = missing), the true model, and the signal-to-noise ratio (NaN of counts).

    It brings its largest candidate along, or has one by its size, and where it has some its ingredients by what they
    are for.
    """

    X: Array
    model: CPModel
    snr_db: float
    largest: int | None = None
    ingredients: Mapping[str, str] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """The true rank."""
        return self.model.rank

    @cached_property
    def identifiable(self) -> bool:
        """Whether Kruskal's condition holds and ALS, started at the truth, keeps every component."""
        if self.rank == 0:
            return True
        if not is_surely_unique(self.X.shape, self.rank):
            return False
        fit = ALS().fit(as_tensor(self.X), self.model)
        return smallest_congruence(self.model, fit.model) >= KEPT

    @property
    def ranks(self) -> range:
        """The candidates."""
        by_size = (largest for cells, largest in LARGEST_RANKS if self.X.size <= cells)
        return range(1, 1 + (self.largest or next(by_size, LARGEST_RANK)))


def snr_of(signal: Array, X: Array) -> float:
    """Return the ratio of the signal to all that was added, over observed cells, in decibels."""
    observed = ~np.isnan(X)
    with np.errstate(divide="ignore", invalid="ignore"):  # pure noise: no signal
        return float(10 * np.log10((signal[observed] ** 2).sum() / ((X - signal)[observed] ** 2).sum()))


@dataclass(frozen=True)
class Case:
    """A kind of tensor.

    `factors` is one generator, or one for each mode; `effects` happen in their order; `weights` are the norms of the
    components, as their factors come if None; `sizes` gives shape, rank and factors where draws differ in size.
    """

    name: str
    family: str
    shape: tuple[int, ...]
    rank: int
    factors: FactorGenerator | Sequence[FactorGenerator] = gaussian_factors
    effects: tuple[Effect, ...] = ()
    weights: tuple[float, ...] | None = None
    sizes: Callable[[Rng], tuple[tuple[int, ...], int, FactorGenerator]] | None = field(default=None, repr=False)

    @property
    def nonnegative(self) -> bool:
        """Whether all factors are."""
        each = (self.factors,) if callable(self.factors) else self.factors
        return self.sizes is None and set(each) <= {uniform_factors, exponential, groups, concentrations, spectra}

    def draw(self, split: Split, number: int) -> Draw:
        """Return tensor `number` of a split; same arguments, same tensor."""
        rng = np.random.default_rng([SEEDS[split], *self.name.encode(), number])
        shape, rank, factors = self.sizes(rng) if self.sizes else (self.shape, self.rank, self.factors)
        each = [factors] * len(shape) if callable(factors) else factors
        model = CPModel(np.ones(rank), tuple(make(n, rank, rng) for make, n in zip(each, shape, strict=True)))
        if self.weights is not None:
            model = CPModel(np.array(self.weights), model.normalized().factors)
        signal = X = model.to_tensor() if rank else np.zeros(shape)
        for effect in self.effects:
            X = effect(X, model, rng)
        counts = any(effect.name == "Poisson" for effect in self.effects)
        return Draw(X, model, np.nan if counts else snr_of(signal, X))

    @property
    def what(self) -> str:
        """What hides the rank, in words."""
        strengths = [f"strengths {self.weights[0]:g} to {self.weights[-1]:g}"] if self.weights else []
        return ", ".join([*strengths, *map(str, self.effects)])


def _affordable_frappe(rng: Rng) -> tuple[tuple[int, ...], int, FactorGenerator]:
    """Return shape, rank and factors of P1's affordable version: U{8..40} three times, U{1..12}; half sparse."""
    shape = tuple(int(n) for n in rng.integers(8, 41, 3))
    return shape, int(rng.integers(1, 13)), mixed(bool(rng.random() < 0.5))


CUBE = (20, 20, 20)
LANDSCAPES = (12, 40, 25)
FLUORESCENCE = (concentrations, spectra, spectra)
IID, LOW = "i.i.d. noise", "low SNR"
STRUCTURED, REMNANT, INSTRUMENT = "structured noise", "non-trilinear remnant", "instrument-like misfit"
COLLINEAR, UNEQUAL, SHORT = "collinear", "unequal strengths", "rank above a dimension"
MISSING, SMOOTH, COUNTS = "missing", "nonnegative smooth", "counts"
HEAVY, FOUR, ONE, NOISE = "heavy-tailed or uneven noise", "four modes", "rank 1", "pure noise"
ALL_AT_ONCE = (PeakShifts(0.1), InnerFilter(0.02), Multiplicative(0.01), White(45))

CASES: tuple[Case, ...] = (
    # i.i.d. noise, 0 dB or better
    Case("P5 R6 20 dB", IID, (30, 30, 30), 6, effects=(White(20),)),
    Case("P5 R6 0 dB", IID, (30, 30, 30), 6, effects=(White(0),)),
    Case("P5 R12 10 dB", IID, (30, 30, 30), 12, effects=(White(10),)),
    Case("20 R4 10 dB", IID, CUBE, 4, effects=(White(10),)),
    Case("20 R4 0 dB", IID, CUBE, 4, effects=(White(0),)),
    Case("uniform R5 10 dB", IID, (15, 20, 25), 5, uniform_factors, (White(10),)),
    Case("P8 R3 30 dB", IID, (10, 10, 10), 3, effects=(White(30),)),
    Case("P10 exponential R4", IID, (25, 25, 25), 4, exponential, (WhiteOf(0.5),)),
    Case("P10 Gaussian R4", IID, (25, 25, 25), 4, effects=(WhiteOf(1.0),)),
    Case("P1 affordable", IID, (8, 40), 12, effects=(OnNonzeros(),), sizes=_affordable_frappe),
    # low SNR
    Case("20 R4 -8 dB", LOW, CUBE, 4, effects=(White(-8),)),
    Case("P5 R6 -5 dB", LOW, (30, 30, 30), 6, effects=(White(-5),)),
    Case("20 R3 -6 dB", LOW, CUBE, 3, effects=(White(-6),)),
    # structured noise
    Case("structured .25 R4", STRUCTURED, CUBE, 4, effects=(Structured(0.25),)),
    Case("structured .25 R5", STRUCTURED, CUBE, 5, effects=(Structured(0.25),)),
    Case("structured .5 R4", STRUCTURED, CUBE, 4, effects=(Structured(0.5),)),
    Case("structured .5 R5", STRUCTURED, CUBE, 5, effects=(Structured(0.5),)),
    Case("structured .25 R3 positive", STRUCTURED, (15, 20, 25), 3, uniform_factors, (Structured(0.25),)),
    Case("structured .1 and white R5", STRUCTURED, (15, 20, 25), 5, effects=(Structured(0.1), White(15))),
    # non-trilinear remnant
    Case("scatter 5 % R3", REMNANT, LANDSCAPES, 3, FLUORESCENCE, (Scatter(0.05), White(40))),
    Case("scatter 10 % R3", REMNANT, LANDSCAPES, 3, FLUORESCENCE, (Scatter(0.10), White(40))),
    Case("scatter 5 % R4 gaps", REMNANT, (15, 40, 25), 4, FLUORESCENCE, (Scatter(0.05), White(35), Missing(0.1))),
    # instrument-like misfit, 35 to 50 dB
    Case("inner filter R3", INSTRUMENT, LANDSCAPES, 3, FLUORESCENCE, (InnerFilter(0.05), White(45))),
    Case("peak shifts R4", INSTRUMENT, (15, 40, 20), 4, FLUORESCENCE, (PeakShifts(0.15), White(45))),
    Case("multiplicative R4", INSTRUMENT, (12, 30, 20), 4, FLUORESCENCE, (Multiplicative(0.02), White(45))),
    Case("drift R3", INSTRUMENT, (15, 30, 20), 3, FLUORESCENCE, (Drift(0.03), White(45))),
    Case("interactions R4", INSTRUMENT, (15, 20, 20), 4, effects=(Interactions(0.015), White(45))),
    Case("faint scatter R3", INSTRUMENT, (5, 60, 30), 3, FLUORESCENCE, (Scatter(0.01), White(50))),
    Case("all at once R3", INSTRUMENT, (10, 40, 20), 3, FLUORESCENCE, ALL_AT_ONCE),
    # collinear
    Case("cosine .5 R5", COLLINEAR, CUBE, 5, collinear_factors(0.5), (White(10),)),
    Case("cosine .8 R4", COLLINEAR, CUBE, 4, collinear_factors(0.8), (White(10),)),
    Case("cosine .9 R3", COLLINEAR, CUBE, 3, collinear_factors(0.9), (White(20),)),
    Case("cosine .95 R3", COLLINEAR, CUBE, 3, collinear_factors(0.95), (White(30),)),
    # unequal strengths
    Case("strengths 1 to .1 R5", UNEQUAL, CUBE, 5, effects=(White(20),), weights=(1.0, 0.56, 0.32, 0.18, 0.1)),
    Case("strengths 1 to .2 R4", UNEQUAL, (15, 20, 25), 4, effects=(White(12),), weights=(1.0, 0.6, 0.35, 0.2)),
    # rank above a dimension
    Case("4 x 20 x 20 R6", SHORT, (4, 20, 20), 6, effects=(White(20),)),
    Case("3 x 15 x 15 R5", SHORT, (3, 15, 15), 5, effects=(White(15),)),
    # missing
    Case("20 % missing R4", MISSING, CUBE, 4, effects=(White(10), Missing(0.2))),
    Case("40 % missing R3", MISSING, CUBE, 3, effects=(White(10), Missing(0.4))),
    Case("60 % missing R3", MISSING, CUBE, 3, effects=(White(15), Missing(0.6))),
    Case("20 % fibres R4", MISSING, CUBE, 4, effects=(White(10), MissingFibres(0.2))),
    # nonnegative smooth
    Case("spectra R4 30 dB", SMOOTH, (15, 40, 20), 4, FLUORESCENCE, (White(30),)),
    Case("spectra R5 20 dB", SMOOTH, (20, 40, 20), 5, FLUORESCENCE, (White(20),)),
    # counts
    Case("counts of mean 5 R4", COUNTS, (20, 25, 15), 4, groups, (Poisson(5.0),)),
    Case("counts of mean 1 R3", COUNTS, (20, 25, 15), 3, groups, (Poisson(1.0),)),
    Case("counts of mean .3 R3", COUNTS, (25, 25, 20), 3, groups, (Poisson(0.3),)),
    # heavy-tailed and uneven noise
    Case("t3 10 dB R4", HEAVY, CUBE, 4, effects=(HeavyTailed(10),)),
    Case("uneven 5 dB R4", HEAVY, CUBE, 4, effects=(Uneven(5),)),
    Case("autocorrelated 10 dB R4", HEAVY, CUBE, 4, effects=(Autocorrelated(10),)),
    Case("rounded to 12 steps R4", HEAVY, CUBE, 4, effects=(White(25), Rounded(12))),
    # four modes
    Case("four modes R4 10 dB", FOUR, (10, 8, 9, 7), 4, effects=(White(10),)),
    Case("four modes uniform R3", FOUR, (10, 8, 9, 7), 3, uniform_factors, (White(15),)),
    Case("four modes structured R3", FOUR, (8, 8, 8, 8), 3, effects=(Structured(0.25),)),
    # rank 1 and nothing at all
    Case("R1 0 dB", ONE, CUBE, 1, effects=(White(0),)),
    Case("R1 positive 10 dB", ONE, (12, 15, 10), 1, uniform_factors, (White(10),)),
    Case("R1 structured .25", ONE, CUBE, 1, effects=(Structured(0.25),)),
    Case("white noise", NOISE, CUBE, 0, effects=(White(0),)),
    Case("t3 noise", NOISE, (15, 10, 25), 0, effects=(HeavyTailed(0),)),
    Case("four-way noise", NOISE, (8, 9, 7, 6), 0, effects=(White(0),)),
)

BY_NAME = {case.name: case for case in CASES}
