"""What to hide: held-out folds, the same ones for every rank; and random halves of a mode, which share no cell.

A hold-out is a frozen record with one method, ``folds``; a fold says which tensor to fit, where to start, and how a
model of that tensor becomes one of the whole, to be compared on the fold's cells.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autoten._errors import check_mode, check_modes_given, check_real, refuse
from autoten._typing import Array
from autoten.labels import MODES
from autoten.model import CPModel, is_surely_unique
from autoten.tensors.dense import DenseTensor
from autoten.tensors.tensor import LISTABLE, NO_CELLS, Cells, Tensor, indices_of, other_cells, places_of, solve_rows

# A slab never loses more than this share of its observed cells to one fold.
MOST_OF_A_SLAB = 0.5

# Of a sparse tensor too large to list its cells, a fold hides a share of the nonzeros and a sample of the zeros: so
# many for each nonzero, at least so many in all. Half of the sample is drawn from anywhere, half from busy slabs.
ZEROS_PER_NONZERO = 2
FEWEST_ZEROS = 20_000

# Means above this share of the root mean square of X are not those of centred data. Means over several modes are taken
# off in turn until none exceeds a small share of the largest value, or for so many sweeps.
CENTRED_TOLERANCE = 1e-3
SMALLEST_MEAN = 1e-10
MEAN_SWEEPS = 1000

# Counts are divided as 64-bit integers.
LARGEST_COUNT = 2.0**63

# A half is a tensor too, with two slabs at least.
SHORTEST_SPLIT = 4


class Holdout(Protocol):
    """Chooses folds. A frozen record of its own parameters; what else it may have is in `HoldoutDefaults`."""

    def folds(self, tensor: Tensor, n_folds: int, rng: np.random.Generator) -> Sequence[Any]:
        """Return `n_folds` folds, drawn once for all ranks: each is a `Fold`, or has what is asked of one."""


class HoldoutDefaults:
    """What a hold-out need not have; `solvers.base.ability` asks for it."""

    def largest_rank(self, shape: Sequence[int]) -> int:
        """Return the largest rank that folds of a tensor of this shape can score."""
        return sys.maxsize


@dataclass(frozen=True, eq=False)
class Fold:
    """One held-out part: by itself cells that are hidden, whose rest is fitted by models of the whole.

    A fold of another class needs neither `weights` nor `counts`: `solvers.base.ability` asks for these.
    """

    cells: Cells = field(default_factory=NO_CELLS.copy)  # to predict: a sorted list
    weights: Array | None = None  # how many cells each of them stands for, where some were sampled
    warm: bool = True  # whether all rows of the whole are fitted, so that models of the whole describe what is fitted

    def training(self, tensor: Tensor) -> Tensor:
        """Return what may be seen."""
        return tensor.hide(self.cells)

    def restrict(self, model: CPModel) -> CPModel:
        """Return the part of a model of the whole tensor that describes the training tensor."""
        return model

    def expand(self, tensor: Tensor, model: CPModel) -> CPModel | None:
        """Return the model of the whole tensor from one of the training tensor; None where that is not defined."""
        return model

    def counts(self, tensor: Tensor) -> Tensor | None:
        """Return what is held out where that is a part of every cell: `expand` then returns the model of that part."""
        return None


@dataclass(frozen=True)
class RandomElements:
    """Hide single cells at random: tests interpolation between neighbours in every mode.

    Parameters
    ----------
    share : float
        Share of the observed cells that each fold hides, in (0, 0.5]. Folds are disjoint while share * n_folds <= 1.

    Notes
    -----
    No slab loses more than half of its observed cells to one fold: surplus cells are put back.

    A sparse tensor of more than four million cells hides the share of its nonzeros and a sample of its zeros, the busy
    slabs' more often. A sampled zero counts in the held-out error for as many as it stands for (the inverse of how
    often it is drawn), so that the error estimates without bias that of hiding the share of all cells.

    Examples
    --------
    >>> from autoten import estimate_rank
    >>> from autoten.datasets import load_amino_acids
    >>> X = load_amino_acids().X
    >>> estimate_rank(X, range(1, 5), holdout=RandomElements(0.2), random_state=0).rank
    3
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        check_real(self.share, "share of RandomElements", above=0.0, below=0.5000001)

    def folds(self, tensor: Tensor, n_folds: int, rng: np.random.Generator) -> list[Fold]:
        """Return the folds."""
        nonzeros = _nonzeros_of_long_list(tensor)
        if nonzeros is not None:
            shares = [nonzeros[np.sort(places)] for places in _disjoint(len(nonzeros), self.share, n_folds, rng)]
            return [Fold(*_with_sampled_zeros(tensor, nonzeros, hidden, self.share, rng)) for hidden in shares]
        # A list of all cells would be as large as X.
        observed = other_cells(tensor.hidden, tensor.shape) if len(tensor.hidden) else None
        folds = []
        for drawn in _disjoint(tensor.n_observed, self.share, n_folds, rng):
            places = np.sort(drawn).astype(np.int64)
            cells = places if observed is None else observed[places]
            folds.append(Fold(_spare_slabs(tensor, cells, np.arange(len(cells)), rng)))
        return folds


@dataclass(frozen=True)
class RandomFibres:
    """Hide whole fibres along one mode: a harsher test where that mode is ordered or autocorrelated.

    Parameters
    ----------
    mode : int or str
        The mode along which the fibres run (a spectrum, a time course), by number, or by name if X is labelled.
    share : float
        Share of the fibres that each fold hides, in (0, 0.5].
    """

    mode: int | str = field(metadata=MODES)
    share: float = 0.1

    def __post_init__(self) -> None:
        check_modes_given((self.mode,), "mode of RandomFibres")
        check_real(self.share, "share of RandomFibres", above=0.0, below=0.5000001)

    def folds(self, tensor: Tensor, n_folds: int, rng: np.random.Generator) -> list[Fold]:
        """Return the folds."""
        mode = check_mode(self.mode, len(tensor.shape), "mode of RandomFibres")
        if _nonzeros_of_long_list(tensor) is not None:
            remedy = "Use RandomElements or Blocks."
            refuse("a sparse tensor for RandomFibres", f"of at most {LISTABLE} cells", str(prod(tensor.shape)), remedy)
        # A fibre is known by the first of its cells.
        observed, stride = other_cells(tensor.hidden, tensor.shape), prod(tensor.shape[mode + 1 :])
        fibre = observed - observed // stride % tensor.shape[mode] * stride
        fibres = np.unique(fibre, return_inverse=True)[1]
        folds = []
        for drawn in _disjoint(int(fibres.max()) + 1, self.share, n_folds, rng):
            inside = np.isin(fibres, drawn)
            folds.append(Fold(_spare_slabs(tensor, observed[inside], fibres[inside], rng)))
        return folds


@dataclass(frozen=True)
class Blocks:
    """Bi-cross-validation: fit one corner of the tensor, predict the opposite one by regression.

    Every mode's indices are split into kept and left-out. The model is fitted on the corner that is kept in every
    mode; the left-out rows of each factor follow by least squares from the side block that is left out in that mode
    alone; the block that is left out in every mode is predicted. Nothing is imputed and no start leaks, but the
    kept corner must support the rank: where Kruskal's condition fails there, the score is NaN. Unsuitable for
    mixtures with pure samples, whose components the kept corner may never see. What is predicted are cells of trials,
    neurons and times that were all left out: noise shared within a trial, or with ``contiguous=True`` between
    neighbouring times, is no help. Missing cells, such as the ends of ragged trials, play no part.

    Parameters
    ----------
    share : float
        Share of each mode's indices that is left out, in (0, 0.75]. Shares far below one half predict too few cells.
    contiguous : bool
        Leave out runs of neighbouring indices (for ordered, autocorrelated modes) in place of scattered ones.

    References
    ----------
    Owen & Perry (2009), Annals of Applied Statistics 3, 564-594 (for matrices).

    Examples
    --------
    Trials of unequal length, padded with NaN:

    >>> import numpy as np
    >>> from autoten import estimate_rank
    >>> from autoten.datasets import make_cp_tensor, white_noise
    >>> trials = make_cp_tensor((20, 15, 30), 2, noise=white_noise(15), random_state=0).X
    >>> trials[::2, :, 22:] = np.nan
    >>> estimate_rank(trials, range(1, 5), holdout=Blocks(contiguous=True), random_state=0).rank
    2
    """

    share: float = 0.5
    contiguous: bool = False

    def __post_init__(self) -> None:
        check_real(self.share, "share of Blocks", above=0.0, below=0.7500001)

    def folds(self, tensor: Tensor, n_folds: int, rng: np.random.Generator) -> list[Fold]:
        """Return the folds."""
        folds: list[Fold] = []
        for _ in range(n_folds):
            left_out = tuple(self._left_out(length, rng) for length in tensor.shape)
            kept = tuple(np.setdiff1d(np.arange(n), out) for n, out in zip(tensor.shape, left_out, strict=True))
            folds.append(_Corner(*_cells_of_block(tensor, left_out, rng), warm=False, left_out=left_out, kept=kept))
        return folds

    def largest_rank(self, shape: Sequence[int]) -> int:
        """Return the largest rank that the kept corner of a tensor of this shape can score."""
        kept = tuple(length - self._size(length) for length in shape)
        return next(rank for rank in count(1) if not _is_unique(kept, rank + 1))

    def _size(self, length: int) -> int:
        """Return how many indices of a mode are left out."""
        return min(max(1, round(self.share * length)), length - 1)

    def _left_out(self, length: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw them."""
        size = self._size(length)
        if self.contiguous:
            return np.arange(size) + rng.integers(length - size + 1)
        return np.sort(rng.choice(length, size, replace=False))


@dataclass(frozen=True)
class CountSplit:
    """Thinning: every count is divided by chance into one part to fit and one to predict.

    A Poisson count whose events are sent to one of two parts by independent coins gives two independent Poisson counts,
    with rates in proportion; so both tensors have the rank of the whole, nothing is masked and no start leaks more than
    the shared rates. For whole numbers only, and only as good as the Poisson assumption: where counts are more variable
    than Poisson counts, the two parts know each other.

    Parameters
    ----------
    share : float
        Chance of an event to be held out, in (0, 0.5].

    References
    ----------
    Neufeld, Dharamshi, Gao & Witten (2024), Journal of Machine Learning Research 25 (data thinning).

    Examples
    --------
    >>> import numpy as np
    >>> from autoten import KL, estimate_rank
    >>> rng = np.random.default_rng(0)
    >>> rates = np.einsum("ir,jr,kr->ijk", *(rng.gamma(0.3, size=(n, 2)) for n in (12, 13, 14)))
    >>> X = rng.poisson(20 * rates)
    >>> estimate_rank(X, range(1, 5), solver=KL(), holdout=CountSplit(), random_state=0).rank
    2
    """

    share: float = 0.2

    def __post_init__(self) -> None:
        check_real(self.share, "share of CountSplit", above=0.0, below=0.5000001)

    def folds(self, tensor: Tensor, n_folds: int, rng: np.random.Generator) -> list[Fold]:
        """Return the folds."""
        values = tensor.scale * tensor.values_at(tensor.nonzero)
        odd = values[(values < 0) | (values >= LARGEST_COUNT) | (values != np.round(values))]
        if len(odd):
            remedy = "Hold out cells with RandomElements(0.1) where data are no counts."
            refuse(
                "X for the hold-out CountSplit", "whole numbers >= 0 and below 2**63", f"{odd[0]:g} in a cell", remedy
            )
        return [_Thinned(share=self.share, seed=int(rng.integers(2**63))) for _ in range(n_folds)]


@dataclass(frozen=True)
class Centred:
    r"""Centre inside the folds, so that no mean knows a held-out cell.

    `preprocess.center` subtracts means over all cells, the held-out ones too. A fold of this hold-out estimates
    offsets, constant along the centred modes, from its own training cells, together with the components:

    .. math:: \min \sum_{ijk \text{ seen}} (x_{ijk} - \mu_{jk} - [\![A, B, C]\!]_{ijk})^2 \qquad \text{(mode 0)}

    and is judged by :math:`x - \mu - [\![A, B, C]\!]` at its held-out cells, relative to offsets alone. Models of the
    whole tensor are fitted to centred data, as ever: of complete data that is the same thing. It changes little where
    the centred modes are long; where they are short, a held-out cell is a good part of its own mean.

    Parameters
    ----------
    holdout : RandomElements or RandomFibres
        Which cells to hide.
    modes : int, str or tuple of these
        The modes that X is centred across, by number, or by name if X is labelled.

    Notes
    -----
    Offsets and components are fitted in turn until neither moves. Taking the means once, of what a fold sees, would not
    do: in each fibre the systematic part is then averaged over other rows, which is an error of the size of the mean of
    the hidden ones. A held-out cell whose fibre has no other cell left is put back.

    Scaling needs no such care: a slab is divided by one number, and whatever it is, a row of a factor makes up for it.

    Examples
    --------
    >>> from autoten import estimate_rank, preprocess
    >>> from autoten.datasets import load_amino_acids
    >>> X = preprocess.center(load_amino_acids().X + 100, modes=0)
    >>> estimate_rank(X, range(1, 5), holdout=Centred(RandomElements(0.1), modes=0), random_state=0).rank
    3
    """

    holdout: Holdout
    modes: int | str | tuple[int | str, ...] = field(metadata=MODES)

    def __post_init__(self) -> None:
        if not isinstance(self.holdout, (RandomElements, RandomFibres)):
            refuse(
                "holdout of Centred", "RandomElements(share) or RandomFibres(mode)", repr(self.holdout), kind=TypeError
            )
        modes = self.modes if isinstance(self.modes, tuple) else (self.modes,)
        if not modes:
            refuse("modes of Centred", "one mode or several", self.modes)
        check_modes_given(modes, "modes of Centred")

    def folds(self, tensor: Tensor, n_folds: int, rng: np.random.Generator) -> list[CentredFold]:
        """Return the folds."""
        modes = self.check(tensor)
        folds = []
        for fold in self.holdout.folds(tensor, n_folds, rng):
            cells = _predictable(tensor, np.asarray(fold.cells), modes)
            if not len(cells):
                remedy = "Hide cells, or fibres along a mode that is not centred."
                refuse("the hold-out of Centred", "one that leaves cells in every fibre", self.holdout, remedy)
            folds.append(CentredFold(cells, modes=modes))
        return folds

    def check(self, tensor: Tensor) -> tuple[int, ...]:
        """Return the centred modes; refuse data that are not centred across them."""
        if tensor.listed is not None:
            refuse("X for the hold-out Centred", "a dense tensor in memory", "another one", "Leave its offsets in.")
        modes, means = self._means(tensor)
        if np.abs(means).max() > CENTRED_TOLERANCE * np.sqrt(tensor.norm_squared / tensor.n_observed):
            remedy = f"Give preprocess.center(X, {self.modes})."
            refuse("X for the hold-out Centred", "centred across the same modes", "means that are not zero", remedy)
        return modes

    def centred(self, part: Tensor) -> Tensor:
        """Return a part of centred data centred by itself: what is zero over all slabs is not so over some of them."""
        return DenseTensor(_all_values(part) - self._means(part)[1], part.scale, part.hidden, part.cell_weights)

    def _means(self, tensor: Tensor) -> tuple[tuple[int, ...], Array]:
        """Return the centred modes, and the means over what is observed, as a sum of arrays constant along each."""
        given = self.modes if isinstance(self.modes, tuple) else (self.modes,)
        modes = tuple(sorted({check_mode(mode, len(tensor.shape), "modes of Centred") for mode in given}))
        return modes, _offsets(_all_values(tensor), (_all_weights(tensor) > 0.0).astype(float), modes)


@dataclass(frozen=True, eq=False)
class CentredFold(Fold):
    """A fold that hides cells and estimates offsets from the others."""

    modes: tuple[int, ...] = ()

    def offsets(self, tensor: Tensor, model: CPModel) -> Array:
        """Return the offsets that go best with a model of the whole tensor at the cells the fold sees; shape of X."""
        weights = _all_weights(tensor)
        weights.reshape(-1)[self.cells] = 0.0
        return _offsets(_all_values(tensor) - model.to_tensor(), weights, self.modes)

    def offsets_at_cells(self, tensor: Tensor, model: CPModel) -> Array:
        """Return the offsets at the fold's cells beside a model, and beside none, shape (2, n_cells)."""
        return np.stack([self.offsets(tensor, each).reshape(-1)[self.cells] for each in (model, model.scaled(0.0))])

    def without(self, tensor: Tensor, offsets: Array) -> Tensor:
        """Return what the fold sees, less offsets."""
        values = _all_values(tensor) - offsets
        return self.training(DenseTensor(values, tensor.scale, tensor.hidden, tensor.cell_weights))

    def expand(self, tensor: Tensor, model: CPModel) -> CPModel:
        """Return the model with centred columns: what is constant along a centred mode is the offsets' affair."""
        factors = [f - f.mean(axis=0) if mode in self.modes else f for mode, f in enumerate(model.factors)]
        return CPModel(model.weights, tuple(factors))


@dataclass(frozen=True, eq=False)
class _Thinned(Fold):
    """A fold that holds out a part of every count; drawn anew from its seed when needed, and so never stored."""

    share: float = 0.0
    seed: int = 0

    def training(self, tensor: Tensor) -> Tensor:
        return tensor.with_values(tensor.values_at(tensor.nonzero) - self._held_out(tensor))

    def restrict(self, model: CPModel) -> CPModel:
        return model.scaled(1.0 - self.share)

    def expand(self, tensor: Tensor, model: CPModel) -> CPModel:
        return model.scaled(self.share / (1.0 - self.share))

    def counts(self, tensor: Tensor) -> Tensor:
        return tensor.with_values(self._held_out(tensor))

    def _held_out(self, tensor: Tensor) -> Array:
        whole = np.round(tensor.values_at(tensor.nonzero) * tensor.scale).astype(np.int64)
        return np.random.default_rng(self.seed).binomial(whole, self.share) / tensor.scale


@dataclass(frozen=True, eq=False)
class _Corner(Fold):
    """A fold of bi-cross-validation: fitted is the corner that is kept in every mode."""

    left_out: tuple[NDArray[np.int64], ...] = ()
    kept: tuple[NDArray[np.int64], ...] = ()

    def training(self, tensor: Tensor) -> Tensor:
        return tensor.sub(self.kept)

    def restrict(self, model: CPModel) -> CPModel:
        return model.rows(self.kept)

    def expand(self, tensor: Tensor, model: CPModel) -> CPModel | None:
        if not _is_unique(model.shape, model.rank):
            return None
        folded = model.folded()
        whole = CPModel(np.ones(model.rank), tuple(folded)).placed(self.kept, tensor.shape)
        for mode, left_out in enumerate(self.left_out):
            side = tuple(left_out if n == mode else kept for n, kept in enumerate(self.kept))
            whole.factors[mode][left_out] = regressed_rows(tensor.sub(side), folded, mode)
        return whole


def _cells_of_block(
    tensor: Tensor, indices: tuple[NDArray[np.int64], ...], rng: np.random.Generator
) -> tuple[Cells, Array | None]:
    """Return the observed cells of a block, or some of them and how many each of these stands for."""
    if tensor.listed is not None and prod(map(len, indices)) > LISTABLE:
        part = tensor.sub(indices)
        assert part.listed is not None
        inside, weights = _with_sampled_zeros(part, part.listed, part.listed, 1.0, rng)
        places = zip(indices, np.unravel_index(inside, part.shape), strict=True)
        return np.ravel_multi_index([out[axis] for out, axis in places], tensor.shape), weights
    block = np.ravel_multi_index(np.ix_(*indices), tensor.shape).ravel()
    return np.setdiff1d(block, tensor.hidden, assume_unique=True), None


def _is_unique(shape: Sequence[int], rank: int) -> bool:
    """Return whether the rows that a corner of this shape leaves out can be regressed on a model of it."""
    return is_surely_unique(shape, rank) and rank <= prod(sorted(shape)[:-1])


def regressed_rows(tensor: Tensor, factors: Sequence[Array], mode: int) -> Array:
    """Return the rows of `mode` that fit `tensor` best in least squares when every other factor is given."""
    factors = list(factors)
    factors[mode] = np.zeros((tensor.shape[mode], factors[mode].shape[1]))
    gram, rhs = tensor.normal_equations(factors, mode)
    return solve_rows(gram, rhs)


def _all_values(tensor: Tensor) -> Array:
    """Return a dense tensor as an array; anything finite where it is hidden."""
    return tensor.values_at(np.arange(prod(tensor.shape))).reshape(tensor.shape)


def _all_weights(tensor: Tensor) -> Array:
    """Return a new array of what each cell counts for."""
    if tensor.cell_weights is not None:
        return tensor.cell_weights.copy()
    weights = np.ones(tensor.shape)
    weights.reshape(-1)[tensor.hidden] = 0.0
    return weights


def _offsets(values: Array, weights: Array, modes: tuple[int, ...]) -> Array:
    """Return the weighted least-squares fit by a sum of arrays, each constant along one of the modes."""
    left = values.copy()
    smallest = SMALLEST_MEAN * np.abs(values).max(initial=0.0)
    for _ in range(MEAN_SWEEPS if len(modes) > 1 else 1):
        largest = 0.0
        for mode in modes:
            sums, counts = ((weights * of).sum(axis=mode, keepdims=True) for of in (left, np.ones_like(left)))
            means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0.0)
            left -= means
            largest = max(largest, float(np.abs(means).max()))
        if largest <= smallest:
            break
    return values - left


def _predictable(tensor: Tensor, cells: Cells, modes: tuple[int, ...]) -> Cells:
    """Return the cells whose fibres along all of the modes keep an observed cell outside the list."""
    left = _all_weights(tensor) > 0.0
    left.reshape(-1)[cells] = False
    index = np.unravel_index(cells, tensor.shape)
    keep = np.ones(len(cells), dtype=bool)
    for mode in modes:
        keep &= np.asarray(left.any(axis=mode))[tuple(axis for n, axis in enumerate(index) if n != mode)]
    return cells[keep]


def _disjoint(n: int, share: float, n_folds: int, rng: np.random.Generator) -> list[Array]:
    """Return `n_folds` draws of a share of `n` numbers, disjoint for as long as one permutation lasts."""
    size = max(1, round(share * n))
    if size * n_folds > n >= share * n_folds * n - 0.5:
        size = max(1, n // n_folds)  # rounding must not keep 1 / share folds from being disjoint
    draws: list[Array] = []
    while len(draws) < n_folds:
        permutation = np.arange(n, dtype=np.uint32 if n < 2**32 else np.uint64)
        rng.shuffle(permutation)
        draws.extend(permutation[k * size : (k + 1) * size].copy() for k in range(max(1, n // size)))
    return draws[:n_folds]


def _nonzeros_of_long_list(tensor: Tensor) -> Cells | None:
    """Return the nonzeros of a sparse tensor that is too large to list its cells; None for any other."""
    return tensor.listed if prod(tensor.shape) > LISTABLE else None


def _with_sampled_zeros(
    tensor: Tensor, nonzeros: Cells, hidden: Cells, share: float, rng: np.random.Generator
) -> tuple[Cells, NDArray[np.float64]]:
    """Return some nonzeros and a sample of zeros, sorted, and how many cells each of them stands for."""
    # A zero is drawn, index by index, with probability p = prod_n (1 / I_n + c_n / nnz) / 2, c_n the nonzeros in its
    # slab of mode n, again and again. Drawn k times of m, it stands for share * k / (m p) zeros: by Hansen & Hurwitz
    # (1943) the weighted sum of anything over the sample then has the expected value of the sum over a share of all
    # zeros. Uniform draws alone would hardly ever meet the cells where a model of sparse data is not zero.
    size = max(ZEROS_PER_NONZERO * len(hidden), FEWEST_ZEROS)
    chance = np.ones(size)
    index = [np.empty(0, dtype=np.int64)] * len(tensor.shape)
    for mode, places in indices_of(nonzeros, tensor.shape):
        length = tensor.shape[mode]
        anywhere = rng.integers(length, size=size)
        if len(nonzeros):
            busy = places[rng.integers(len(nonzeros), size=size)]
            drawn = np.where(rng.random(size) < 0.5, anywhere, busy)
            chance *= 0.5 / length + 0.5 * np.bincount(places, minlength=length)[drawn] / len(nonzeros)
        else:
            drawn, chance = anywhere, chance / length
        index[mode] = drawn
    cells, first, times = np.unique(np.ravel_multi_index(index, tensor.shape), return_index=True, return_counts=True)
    zero = ~(places_of(cells, nonzeros)[1] | places_of(cells, tensor.hidden)[1])
    cells, weights = cells[zero], (share * times / (size * chance[first]))[zero]
    order = np.argsort(np.concatenate([hidden, cells]), kind="stable")
    return np.concatenate([hidden, cells])[order], np.concatenate([np.ones(len(hidden)), weights])[order]


def _spare_slabs(tensor: Tensor, cells: Cells, units: NDArray[np.int64], rng: np.random.Generator) -> Cells:
    """Return `cells` without the units, chosen at random, by which a slab would lose too much of what is observed."""
    index = np.unravel_index(cells, tensor.shape)
    gaps = np.unravel_index(tensor.hidden, tensor.shape)
    for mode, length in enumerate(tensor.shape):
        observed = prod(tensor.shape) // length - np.bincount(gaps[mode], minlength=length)
        for slab in np.flatnonzero(np.bincount(index[mode], minlength=length) > MOST_OF_A_SLAB * observed):
            inside = units[index[mode] == slab]
            shuffled, counts = np.unique(inside, return_counts=True)
            order = rng.permutation(len(shuffled))
            spared = shuffled[order[np.cumsum(counts[order]) > MOST_OF_A_SLAB * observed[slab]]]
            keep = ~np.isin(units, spared)
            cells, units, index = cells[keep], units[keep], tuple(axis[keep] for axis in index)
    return cells


def longest_mode(shape: Sequence[int]) -> int:
    """Return the mode that is split: its halves lose least."""
    return int(np.argmax(shape))


def random_halves(shape: Sequence[int], mode: int, rng: np.random.Generator) -> list[tuple[NDArray[np.int64], ...]]:
    """Return both halves of a tensor, split at random along a mode: an index array for each mode, in order."""
    parts = np.split(rng.permutation(shape[mode]), [shape[mode] // 2])
    return [tuple(np.sort(rows) if n == mode else np.arange(size) for n, size in enumerate(shape)) for rows in parts]


def draw_halves(shape: Sequence[int], n_splits: int, rng: np.random.Generator) -> list[tuple[NDArray[np.int64], ...]]:
    """Return both halves of every split of the longest mode, one after the other; none where it is too short."""
    mode = longest_mode(shape)
    n_splits = n_splits if shape[mode] >= SHORTEST_SPLIT else 0
    return [half for _ in range(n_splits) for half in random_halves(shape, mode, rng)]


def without_mode(model: CPModel, mode: int) -> CPModel:
    """Return the model's other modes."""
    return CPModel(model.weights, model.factors[:mode] + model.factors[mode + 1 :])
