"""Tensors of random recipes: every ingredient is drawn by itself, over a range as wide as the world.

What the default policy is made from, and judged on by leaving ingredients out (`calibrate.py`). A recipe has a number
of modes, lengths, a rank, factors of a kind for every mode, strengths, noise, and now and then misfit, gaps, or counts
in the place of noise. As in `cases.py` the true rank is the number of rank-one terms of the systematic part.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import cases
import numpy as np
from cases import Array, Draw, Effect, Rng, Split, effect
from scipy.ndimage import gaussian_filter1d

from autoten import ALS, HALS, KL, CPModel
from autoten.matching import congruences
from autoten.model import is_surely_unique, n_parameters
from autoten.solvers.base import Solver

Kind = Literal["any", "nonnegative", "counts", "weak"]

FEWEST_CELLS, MOST_CELLS = 200, 20_000
FEW, LARGEST_RANK = 6, 15

# Core consistency of a core with more entries would cost more than all fits.
LARGEST_CORE = 2**18

# Two components of so large a congruence are one.
SAME = 0.9

# Norms in units of the weakest component's own part: of what is not multilinear, and inversely of the strongest term of
# white noise of the size of the noise.
BENT, ABOVE_NOISE = (0.03, 1.5), (0.6, 100.0)

# Many weak components: Gaussian factors of such lengths, so many components, at so many decibels.
SIDES, MANY, WEAK_DB = (16, 34), (5, 10), (-10.0, -5.0)

# The candidates are 1 to so many, whatever the truth, but so many more than it at least.
CANDIDATES, MORE_THAN_TRUE = (7, 12), 2


# --- factors: one kind for each mode ---


def laplace(length: int, rank: int, rng: Rng) -> Array:
    return rng.laplace(size=(length, rank))


def sparse(length: int, rank: int, rng: Rng) -> Array:
    """Return Gaussian entries most of which are zero."""
    kept = rng.random((length, rank)) < rng.uniform(0.1, 0.5)
    kept[rng.integers(length, size=rank), np.arange(rank)] = True
    return rng.standard_normal((length, rank)) * kept


def smooth(length: int, rank: int, rng: Rng) -> Array:
    """Return smooth profiles of either sign."""
    width = rng.uniform(0.03, 0.2) * length
    return np.asarray(gaussian_filter1d(rng.standard_normal((length, rank)), width, axis=0, mode="wrap"))


def oscillating(length: int, rank: int, rng: Rng) -> Array:
    """Return sines of random frequency and phase, some of them dying away."""
    places = np.linspace(0.0, 1.0, length)[:, None]
    waves = np.sin(2 * np.pi * (rng.uniform(0.5, 0.25 * length + 1, rank) * places + rng.random(rank)))
    return np.asarray(waves * np.exp(-rng.choice([0.0, 3.0], rank) * places))


def blocks(length: int, rank: int, rng: Rng) -> Array:
    """Return members and others: ones on a stretch of indices, which may overlap, and little elsewhere."""
    first = rng.integers(length, size=rank)
    members = (np.arange(length)[:, None] - first) % length < max(1, round(rng.uniform(0.1, 0.5) * length))
    return members + 0.05 * rng.random((length, rank))


def offset(length: int, rank: int, rng: Rng) -> Array:
    """Return Gaussian entries on a level of their own, the same sign for all components."""
    return rng.standard_normal((length, rank)) + rng.uniform(0.5, 3.0)


def collinear(length: int, rank: int, rng: Rng) -> Array:
    """Return columns with a common part: cosines about a number from .3 to .97."""
    cosine = rng.uniform(0.3, 0.97)
    common = rng.standard_normal((length, 1))
    return np.sqrt(cosine) * common + np.sqrt(1.0 - cosine) * rng.standard_normal((length, rank))


def shared(length: int, rank: int, rng: Rng) -> Array:
    """Return columns of which neighbours share a direction, two by two."""
    return np.repeat(rng.standard_normal((length, rank)), 2, axis=1)[:, :rank]


def profiles(length: int, rank: int, rng: Rng) -> Array:
    """Return peaks at random places and of random widths, which overlap as they like."""
    axis = np.linspace(0.0, 1.0, length)[:, None]
    widths = np.exp(rng.uniform(np.log(0.03), np.log(0.3), rank))
    peaks, second = (np.exp(-0.5 * ((axis - rng.random(rank)) / widths) ** 2) for _ in range(2))
    return np.asarray(peaks + rng.choice([0.0, 0.5], rank) * second + 1e-3)


SIGNED = (cases.gaussian_factors, laplace, sparse, smooth, oscillating, offset, collinear, shared)
POSITIVE = (
    cases.uniform_factors,
    cases.exponential,
    cases.groups,
    cases.concentrations,
    cases.spectra,
    profiles,
    blocks,
)
NONNEGATIVE, FACTORS = (
    {make.__name__.removesuffix("_factors"): make for make in some} for some in (POSITIVE, SIGNED + POSITIVE)
)


# --- what cases.py does not have ---


@effect
def LowRank(X: Array, model: CPModel, rng: Rng, ratio: float, terms: int) -> Array:
    """Noise of so many rank-one Gaussian terms, of a norm in units of the signal's."""
    factors = tuple(rng.standard_normal((n, terms)) for n in X.shape)
    return X + cases.of_share(CPModel(np.ones(terms), factors).to_tensor(), ratio, X)


@effect
def Clipped(X: Array, model: CPModel, rng: Rng, quantile: float) -> Array:
    """Readings above a quantile of their magnitudes stand at it: a saturated detector."""
    limit = np.quantile(np.abs(X), quantile)
    return np.clip(X, -limit, limit)


@effect
def Outliers(X: Array, model: CPModel, rng: Rng, share: float, size: float) -> Array:
    """A share of the cells is off by so many root mean squares."""
    off = rng.random(X.shape) < share
    return X + off * rng.standard_normal(X.shape) * size * np.sqrt(np.mean(X**2))


@effect
def OwnLoadings(X: Array, model: CPModel, rng: Rng, share: float) -> Array:
    """Every slab of mode 0 has its own variation of the loadings in mode 1, a share of their norm."""
    a, b, rest, *others = model.folded()
    own = rng.standard_normal((len(a), *b.shape))
    own *= share * np.linalg.norm(b, axis=0) / np.sqrt(len(b))
    for factor in others:
        rest = (rest[:, None, :] * factor).reshape(-1, model.rank)
    return X + np.matmul(a[:, None, :] * own, rest.T).reshape(X.shape)


@effect
def Triangle(X: Array, model: CPModel, rng: Rng, share: float) -> Array:
    """The cells on one side of a line through the last two modes are not there, as where scatter was cut out."""
    distance = np.linspace(0, 1, X.shape[-2])[:, None] - np.linspace(0, 1, X.shape[-1])
    return np.where(distance > np.quantile(distance, 1.0 - share), np.nan, X)


@effect
def Counted(X: Array, model: CPModel, rng: Rng, mean: float, dispersion: float = 0.0) -> Array:
    """Counts of a mean; with `dispersion` their rates vary, by a gamma distribution of this variance."""
    rates = np.maximum(X, 0.0) * (mean / X.mean()) if X.any() else np.full(X.shape, mean)
    if dispersion:
        rates = rates * rng.gamma(1.0 / dispersion, dispersion, X.shape)
    return rng.poisson(rates).astype(float)


@effect
def OfNorm(X: Array, model: CPModel, rng: Rng, what: Effect, norm: float) -> Array:
    """What an effect adds, made so large."""
    added = what(X, model, rng) - X
    return X + added * (norm / (np.linalg.norm(added) or 1.0))


# --- recipes ---


@dataclass(frozen=True)
class Recipe:
    """A case whose draws have nothing in common; recipes of a name are a family.

    What is drawn from: everything; nonnegative factors; nonnegative factors, counted; many Gaussian components in much
    noise that cells do not share.
    """

    name: str
    kind: Kind
    solver: Solver

    @property
    def family(self) -> str:
        return self.name

    def draw(self, split: Split, number: int) -> Draw:
        """Return tensor `number` of a split; same kind and arguments, same tensor."""
        rng = np.random.default_rng([cases.SEEDS[split], *b"recipe", *self.kind.encode(), number])
        while True:
            draw = _many_weak(rng) if self.kind == "weak" else _drawn(self.kind, rng)
            if draw is not None:
                return draw


RECIPES = (
    Recipe("recipe", "any", ALS()),
    Recipe("nonnegative recipe", "nonnegative", HALS()),
    Recipe("nonnegative recipe by ALS", "nonnegative", ALS()),
    Recipe("counted recipe", "counts", KL()),
    Recipe("counted recipe by ALS", "counts", ALS()),
)

# Learned from by development seeds, and judged on reported ones and where all of them are left out.
WEAK = Recipe("many weak components", "weak", ALS())


def _drawn(kind: Kind, rng: Rng) -> Draw | None:
    """Return a draw, or none of a recipe that cannot be cooked."""
    shape = _shape(rng)
    few = rng.random() < 0.7
    rank = 0 if rng.random() < 0.06 else int(rng.integers(1, 1 + FEW) if few else rng.integers(FEW, 1 + LARGEST_RANK))
    factors, kinds = _factors(kind, shape, rank, rng)
    model, strengths = _strengths(CPModel(np.ones(rank), factors), rng)
    if not is_surely_unique(shape, rank) or (np.abs(congruences(model, model) - np.eye(rank)) > SAME).any():
        return None
    counted = kind == "counts" or (kind == "any" and set(kinds) <= set(NONNEGATIVE) and rng.random() < 0.4)
    weakest = own_norm(model)
    misfit = _misfit(len(shape), rank, rng)
    if counted:  # these two leave a rate a rate
        misfit = [each for each in misfit if each.name in ("InnerFilter", "PeakShifts")]
    noise = _noise(counted, shape, weakest, rng)
    gaps = _gaps(rng)
    signal = X = model.to_tensor() if rank else np.zeros(shape)
    bent = [OfNorm(each, weakest * _between(*BENT, rng)) for each in misfit]
    for happens in (*bent, *noise, *gaps):
        X = happens(X, model, rng)
    observed = ~np.isnan(X)
    everywhere = all(
        np.moveaxis(observed, n, 0).reshape(length, -1).any(axis=1).all() for n, length in enumerate(shape)
    )
    if not everywhere or not np.any(X[observed]):
        return None
    largest = max(int(rng.integers(CANDIDATES[0], CANDIDATES[1] + 1)), rank + MORE_THAN_TRUE)
    largest = min(largest, int(observed.sum()) // (2 * n_parameters(shape, 1)), prod(shape) // max(shape))
    if rank > largest - 1 or largest < 2 or largest ** len(shape) > LARGEST_CORE:
        return None
    of_noise = noise[0].numbers.get("what", noise[0])
    ingredients = {
        "modes": str(len(shape)),
        "factors": kinds[0] if len(set(kinds)) == 1 else "several",
        **{f"factors {n}": kind for n, kind in enumerate(kinds)},
        "strengths": strengths,
        "noise": of_noise.name,
        **({"reading": noise[1].name} if len(noise) > 1 else {}),
        **{name: each.name for name, each in zip(("misfit", "misfit 2"), misfit, strict=False)},
        **({"gaps": gaps[0].name} if gaps else {}),
    }
    snr = np.nan if counted or not rank else cases.snr_of(signal, X)
    return Draw(X, model, snr, largest, ingredients)


def _many_weak(rng: Rng) -> Draw:
    """Return a draw of many weak components and nothing else in the way."""
    shape = tuple(rng.integers(SIDES[0], SIDES[1] + 1, 3).tolist())
    rank = int(rng.integers(MANY[0], MANY[1] + 1))
    model = CPModel(np.ones(rank), tuple(cases.gaussian_factors(n, rank, rng) for n in shape))
    snr = float(rng.uniform(*WEAK_DB))
    noises = (cases.White(snr), cases.HeavyTailed(snr, float(rng.uniform(2.0, 5.0))), cases.Uneven(snr))
    noise = noises[rng.integers(len(noises))]
    X = noise(model.to_tensor(), model, rng)
    return Draw(X, model, snr, rank + int(rng.integers(MORE_THAN_TRUE, 5)), {"noise": noise.name})


def _shape(rng: Rng) -> tuple[int, ...]:
    """Return three to five lengths of 2 to 100, one of them now and then of up to 400."""
    n_modes = int(rng.choice([3, 4, 5], p=[0.72, 0.2, 0.08]))
    while True:
        lengths = np.exp(rng.uniform(np.log(2.0), np.log(101.0), n_modes)).astype(int)
        if rng.random() < 0.1:
            lengths[rng.integers(n_modes)] = int(rng.integers(100, 401))
        if FEWEST_CELLS <= prod(lengths.tolist()) <= MOST_CELLS and np.sort(lengths)[-2] > 3:
            return tuple(lengths.tolist())


def _factors(kind: Kind, shape: tuple[int, ...], rank: int, rng: Rng) -> tuple[tuple[Array, ...], list[str]]:
    """Return factors of one kind, or of one for each mode."""
    among = list(NONNEGATIVE if kind != "any" or rng.random() < 0.35 else FACTORS)
    drawn = rng.choice(among, size=len(shape)).tolist()
    kinds = [drawn[0]] * len(shape) if rng.random() < 0.4 else drawn
    if "shared" in kinds:  # twice, and the same pairs would share all but one direction at most
        first = kinds.index("shared")
        kinds[first + 1 :] = ["gaussian" if name == "shared" else name for name in kinds[first + 1 :]]
    return tuple(FACTORS[name](n, rank, rng) for name, n in zip(kinds, shape, strict=True)), kinds


def _strengths(model: CPModel, rng: Rng) -> tuple[CPModel, str]:
    """Return the model with strengths as they come, or from 1 down to .05, evenly or not."""
    if model.rank == 0 or rng.random() < 0.35:
        return model, "as they come"
    weakest = _between(0.05, 1.0, rng)
    even = rng.random() < 0.5
    logs = np.linspace(0.0, 1.0, model.rank) if even else np.sort(rng.random(model.rank))
    return CPModel(weakest**logs, model.normalized().factors), "even" if even else "random"


def own_norm(model: CPModel) -> float:
    """Return the norm of the weakest component's own part, which no combination of the others has; 1 of none."""
    if not model.rank:
        return 1.0
    unit = model.unit_columns()
    inverse = np.linalg.pinv(congruences(unit, unit), hermitian=True)
    return float((np.abs(unit.weights) / np.sqrt(np.maximum(np.diag(inverse), 1.0))).min())


def _between(low: float, high: float, rng: Rng) -> float:
    """Return a number between two, its logarithm uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _noise(counted: bool, shape: tuple[int, ...], weakest: float, rng: Rng) -> list[Effect]:
    """Return additive noise of one kind, and now and then a coarse or saturated reading; or counting.

    Its size is drawn beside the weakest component's own part, in units of what is strongest in white noise: measured by
    the whole signal, most draws of many components would be hopeless or without noise. That makes -20 to 60 dB.
    """
    if counted:
        return [Counted(_between(0.05, 20.0, rng), float(rng.choice([0.0, 0.0, rng.uniform(0.1, 1.0)])))]
    deviation = weakest / (_between(*ABOVE_NOISE, rng) * np.sqrt(shape).sum())
    kinds = [
        cases.White(0.0),
        cases.HeavyTailed(0.0, float(rng.uniform(2.0, 5.0))),
        cases.Uneven(0.0),
        cases.Autocorrelated(0.0, float(rng.uniform(0.4, 2.5))),
        LowRank(1.0, int(_between(10, 200, rng))),
    ]
    noise = kinds[rng.choice(len(kinds), p=[0.44, 0.14, 0.14, 0.14, 0.14])]
    effects = [OfNorm(noise, float(deviation * np.sqrt(prod(shape))))]
    if rng.random() < 0.1:
        effects.append(cases.Rounded(int(_between(4, 200, rng))))
    elif rng.random() < 0.08:
        effects.append(Clipped(float(rng.uniform(0.9, 0.999))))
    return effects


def _misfit(n_modes: int, rank: int, rng: Rng) -> list[Effect]:
    """Return up to two ways in which data are not quite multilinear, most of the time none; their size comes later."""
    n = int(rng.choice([0, 1, 2], p=[0.55, 0.33, 0.12]))
    if not rank or not n:
        return []
    some = [
        cases.Multiplicative(0.1),
        cases.InnerFilter(0.1),
        cases.Remnant(0.1, int(rng.integers(2, 7))),
        OwnLoadings(0.1),
        Outliers(_between(1e-4, 0.01, rng), 10.0),
    ]
    if rank > 1:
        some.append(cases.Interactions(0.1))
    if n_modes == 3:
        some += [cases.PeakShifts(float(rng.uniform(0.03, 0.5))), cases.Drift(0.05)]
    return [some[place] for place in rng.permutation(len(some))[:n]]


def _gaps(rng: Rng) -> list[Effect]:
    """Return missing cells, fibres or a triangle, most of the time none."""
    if rng.random() < 0.72:
        return []
    shares = [float(rng.uniform(*between)) for between in ((0.02, 0.6), (0.02, 0.4), (0.05, 0.4))]
    which = int(rng.integers(3))
    return [(cases.Missing, cases.MissingFibres, Triangle)[which](shares[which])]
