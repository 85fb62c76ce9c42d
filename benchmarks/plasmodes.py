"""Known components in the noise of real instruments: planted in what a model of a real tensor leaves over.

From each tensor of the data folder a fit is taken out; the rest is kept as it is, gaps and all, and components are
added to it, each stronger than the strongest rank-one term that the rest has by itself. How many were added is then
known, and what hides them is real. The files are read as in `real`, and may be absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from cases import SEEDS, Array, Draw, Rng, Split, snr_of
from real import path_of
from recipes import FACTORS, NONNEGATIVE

from autoten import ALS, HALS, CPModel, fit_parafac
from autoten.datasets import FactorGenerator
from autoten.model import khatri_rao
from autoten.preprocess import center, scale
from autoten.solvers.base import Solver

Arrays = Mapping[str, Array]

# Norms of components in units of the strongest rank-one term of the rest.
STRENGTHS = (1.3, 20.0)

# Up to so many components; candidates 1 to one of these, whatever was planted.
MOST_PLANTED, LARGEST_RANKS = 6, (8, 14)

# No two components are more alike than this, over the observed cells.
MOST_ALIKE = 0.7

# Columns are independent if no combination of them, of unit norm as they are, is smaller.
INDEPENDENT = 0.02

# Factors of so many modes are borrowed, also from a fit with so many components more than were taken out.
BORROWED, MORE, N_STARTS = 0.25, 3, 5


# --- sources ---


@dataclass(frozen=True)
class Source:
    """A real tensor, thinned to some 35,000 cells at most, and how many components are taken out of it.

    Those published, where there are any; more where one term would hold over two fifths of what they leave, which is
    then rather one component than noise.
    """

    name: str
    file: str
    rank: int
    prepare: Callable[[Arrays], Array]


def _every(*steps: int) -> Callable[[Arrays], Array]:
    """Return a function that takes every so many-th index of the modes."""
    return lambda arrays: arrays["X"][tuple(slice(None, None, step) for step in steps)]


def _autoscaled(arrays: Arrays) -> Array:
    return np.asarray(scale(center(arrays["X"], 0), 1).X)


def _kinetics(arrays: Arrays) -> Array:
    return np.delete(arrays["X"], arrays["outlier_samples"], axis=0)[::3, :, :, ::6]


def _bicycles(arrays: Arrays) -> Array:
    """Return stations x months x weekdays x pairs of hours, years summed."""
    trips = arrays["X"].astype(float).sum(axis=1)
    return trips.reshape(*trips.shape[:-1], 12, 2).sum(axis=-1)[::9]


def _counts(coords: Array, vals: Array) -> Array:
    """Return listed counts as an array."""
    X = np.zeros(coords.max(axis=0) + 1)
    np.add.at(X, tuple(coords.T), vals)
    return X


def _busiest(X: Array, mode: int, n: int) -> Array:
    totals = np.moveaxis(X, mode, 0).sum(axis=tuple(range(1, X.ndim)))
    return X.take(np.sort(np.argsort(-totals, kind="stable")[:n]), axis=mode)


def _traffic(n: int, step: int) -> Callable[[Arrays], Array]:
    """Return a function that gives log counts between the n busiest at either end, every so many-th time."""

    def prepare(arrays: Arrays) -> Array:
        X = _counts(arrays["coords"], arrays["vals"])[..., ::step]
        return np.log1p(_busiest(_busiest(X, 0, n), 1, n))

    return prepare


def _departures(arrays: Arrays) -> Array:
    """Return square roots of counts, weeks x hours x destinations."""
    day, hour, _, destination, _ = arrays["coords"].T
    X = _counts(np.stack([day // 7, hour, destination], axis=1), arrays["vals"])
    return np.sqrt(_busiest(X[:52, 5:], 2, 20))


SOURCES = (
    Source("amino acids", "amino_acids", 3, _every(1, 2, 1)),
    Source("amino acids without scatter", "amino_acids_scatter_missing", 4, _every(1, 2, 1)),
    Source("UV-vis kinetics", "uvvis_two_step_kinetics_trilinear", 3, _every(1, 2, 2)),
    Source("DOSY", "dosy_qgc_decra", 3, _every(1, 1, 6)),
    Source("albatross", "albatross_feems_sim", 3, _every(1, 2)),
    Source("albatross with scatter", "albatross_feems_sim", 3, lambda arrays: arrays["X_with_scatter"][:, ::2]),
    Source("pesticides", "tauler_b_hplc_pesticides", 5, _every()),
    Source("inner filter, two", "nlfd_inner_filter_2comp", 4, _every()),
    Source("inner filter, three", "nlfd_inner_filter_3comp", 3, _every()),
    Source("milk", "milk_metabolomics", 3, _every(2)),
    Source("sugar", "sugar_process", 4, _every(4)),
    Source("sugar with scatter", "sugar_process_full", 6, _every(4, 8)),
    Source("bread", "bread_sensory", 2, lambda arrays: np.asarray(center(arrays["X"], 0).X)),
    Source("microbiome", "microbiome_fujita2023", 3, _every()),
    Source("covid serology", "covid19_serology", 2, _every(2)),
    Source("IL-2", "il2_response", 3, _every()),
    Source("catecholamines", "kinetic_fluorescence", 3, _kinetics),
    Source("city bikes", "oslo_city_bike", 3, _bicycles),
    Source("OECD electronics", "oecd_electronics", 3, _every()),
    Source("daughters", "kojima_girls", 2, _autoscaled),
    Source("girls' growth", "girls_growth", 3, _autoscaled),
    Source("Indian Pines", "indian_pines", 4, lambda arrays: arrays["X"][40:76, 40:76, ::8]),
    Source("Chicago", "chicago_crime_counts", 4, lambda arrays: np.log1p(arrays["X"][:, ::2])),
    Source("births", "us_births", 3, lambda arrays: np.log1p(arrays["X"][::3, ::2, :52:4])),
    Source("Pythia", "pythia_evals", 4, lambda arrays: np.asarray(center(arrays["X"][..., ::2], 3).X)),
    Source("XSTest", "xstest_counts", 3, _every()),
    Source("Enron", "enron_monthly", 5, _traffic(30, 2)),
    Source("flights", "us_flights_2001_daily", 5, _traffic(20, 3)),
    Source("New York departures", "nycflights13", 4, _departures),
)
BY_NAME = {source.name: source for source in SOURCES}


@dataclass(frozen=True, eq=False)
class Rest:
    """What a fit leaves of a source (NaN = missing), the norm of its strongest rank-one term, and two fits.

    Factors are borrowed from what was taken out, and from a fit with more components.
    """

    cells: Array
    strongest: float
    fits: tuple[CPModel, CPModel]


@cache
def rest_of(name: str) -> Rest:
    """Return what is left of a source; by name, which is the same in every worker."""
    source = BY_NAME[name]
    path = path_of(source.file)
    assert path is not None
    with np.load(path, allow_pickle=False) as arrays:
        X = np.asarray(source.prepare(arrays), dtype=float)
    ranks = source.rank, source.rank + MORE
    taken, larger = (fit_parafac(X, rank, n_starts=N_STARTS, random_state=0).model for rank in ranks)
    cells = X - taken.to_tensor()
    # A least-squares rank-one term has the sum of squares that it explains.
    explained = 1.0 - fit_parafac(cells, 1, random_state=0).loss
    return Rest(cells, float(np.sqrt(explained * np.nansum(cells**2))), (taken, larger))


# --- factors ---


def borrowed(columns: Array, *, nonnegative: bool = False) -> FactorGenerator:
    """Return a generator of columns like those of a fit: some of them or mixtures, sometimes in another order."""
    columns = np.abs(columns) if nonnegative else columns

    def draw(length: int, rank: int, rng: Rng) -> Array:
        mixing = rng.standard_normal((columns.shape[1], rank))
        if rng.random() < 0.5:
            mixing = np.eye(columns.shape[1])[:, rng.integers(columns.shape[1], size=rank)]
        order = rng.permutation(length) if rng.random() < 0.5 else np.arange(length)
        return columns[order] @ (np.abs(mixing) if nonnegative else mixing)

    return draw


# --- draws ---


@dataclass(frozen=True)
class Plasmode:
    """A case whose draws plant components, nonnegative ones or any, in the rest of one real tensor: its family."""

    name: str
    family: str
    solver: Solver = ALS()  # noqa: RUF009 (a frozen value)
    nonnegative: bool = False

    @property
    def is_there(self) -> bool:
        """Whether the source's file can be read."""
        return path_of(BY_NAME[self.family].file) is not None

    def draw(self, split: Split, number: int) -> Draw:
        """Return tensor `number` of a split; same arguments, same tensor, whatever the solver."""
        kind = "nonnegative, planted in" if self.nonnegative else "planted in"
        rng = np.random.default_rng([SEEDS[split], *f"{kind} {self.family}".encode(), number])
        rest = rest_of(self.family)
        largest = int(rng.integers(LARGEST_RANKS[0], LARGEST_RANKS[1] + 1))
        rank = int(rng.integers(1, MOST_PLANTED + 1))
        model = planted(rest, rank, rng, nonnegative=self.nonnegative)
        signal = model.to_tensor()
        X = rest.cells + signal
        return Draw(X, model, snr_of(signal, X), largest)


PLASMODES = tuple(Plasmode(f"planted in {source.name}", source.name) for source in SOURCES)
PLASMODES_BY_BOTH = tuple(
    Plasmode(f"nonnegative, planted in {source.name}{by}", source.name, solver, nonnegative=True)
    for source in SOURCES
    for by, solver in (("", HALS()), (" by ALS", ALS()))
)


def planted(rest: Rest, rank: int, rng: Rng, *, nonnegative: bool = False) -> CPModel:
    """Return components for a rest: unlike each other, unique by Kruskal's condition, each of a strength in range."""
    shape = rest.cells.shape
    observed = ~np.isnan(rest.cells).ravel()
    among = tuple((NONNEGATIVE if nonnegative else FACTORS).values())
    while True:
        kinds = [
            borrowed(rest.fits[rng.integers(2)].factors[mode], nonnegative=nonnegative)
            if rng.random() < BORROWED
            else among[rng.integers(len(among))]
            for mode in range(len(shape))
        ]
        drawn = tuple(kind(n, rank, rng) for kind, n in zip(kinds, shape, strict=True))
        unit = CPModel(np.ones(rank), drawn).unit_columns()
        terms = khatri_rao(unit.factors)[observed]
        gram = terms.T @ terms
        norms = np.sqrt(np.diag(gram))
        if _is_unique(unit) and (np.abs(np.triu(gram, 1)) <= MOST_ALIKE * np.outer(norms, norms)).all():
            strengths = np.exp(rng.uniform(*np.log(STRENGTHS), rank))
            return CPModel(strengths * rest.strongest / norms, unit.factors)


def _is_unique(model: CPModel) -> bool:
    """Tell whether Kruskal's condition holds for these very factors, and no column is zero."""
    ranks = [_kruskal_rank(factor) for factor in model.factors]
    return min(ranks) >= min(model.rank, 1) and (model.rank < 2 or sum(ranks) >= 2 * model.rank + model.ndim - 1)


def _kruskal_rank(factor: Array) -> int:
    """Return the largest number k such that any k of the (unit) columns are independent."""

    def independent(k: int) -> bool:
        smallest = (np.linalg.svd(factor[:, some], compute_uv=False)[-1] for some in combinations(range(n), k))
        return all(value > INDEPENDENT for value in smallest)

    n = factor.shape[1]
    return next((k for k in range(min(factor.shape), 0, -1) if independent(k)), 0)
