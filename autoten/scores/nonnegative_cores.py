"""Cores without negative entries: what core consistency asks of models whose factors may not be negative.

An unrestricted core can cancel what nonnegative components add up, so it leaves the superdiagonal although no component
is one too many. A core that is nonnegative itself, in the loss of the model, cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from autoten import _kernels
from autoten._validation import refuse
from autoten.cp import CPModel
from autoten.io import as_tensor, model_of
from autoten.losses import Poisson, loss_of
from autoten.scores.core_consistency import LARGEST_CORE, attainable, consistency, multiplied
from autoten.solvers import loop
from autoten.tensors.equations import model_values, stack_rows

if TYPE_CHECKING:
    from autoten.fitting import RankFits
    from autoten.tensors.protocol import Tensor

Array = NDArray[Any]

# A nonnegative core with more cells than this takes too long by least squares; the score is then undefined (NaN).
LARGEST_NONNEGATIVE_CORE = 1000

# Multiplicative steps to a core of counts, at most; and the relative decrease of the divergence that may be left.
KL_CORE_STEPS = 3000
KL_CORE_TOLERANCE = 1e-9

# They also end when the score has moved by less than so many points over so many accelerated steps (of three each): at
# that pace all others together would move it by less than a hundredth of a point.
SETTLED_POINTS = 1e-4
SETTLED_STEPS = 40

# Share of a core's start that is spread evenly, off the diagonal too: what starts at zero stays there.
OFF_DIAGONAL = 0.5

# Entries below this are zero in logarithms, and the bounds of those where a step is extrapolated.
SMALLEST_ENTRY = 1e-150
LOG_BOUNDS = (-345.0, 345.0)


def nonnegative_core_consistency(X: Any, cp: Any) -> float:
    r"""Return the core consistency of a CP model of `X` whose core may not be negative, in percent.

    .. math:: c = 100 \left(1 - \frac{\|G - T\|^2}{F}\right), \qquad
              G = \arg\min_{G \ge 0} \|X - G \times_1 A_1 \cdots \times_N A_N\|^2

    with unit columns and all weights folded into the first factor, as `core_consistency` has them. For models with
    nonnegative factors, whose unrestricted core strays without any component too many.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        The data; missing cells are filled with what the model says.
    cp : CP model of the same shape with F components

    Returns
    -------
    float
        At most 100; NaN for a model without components, a core of more than 1000 cells, or data that are `weighted`.

    Raises
    ------
    ValueError
        As `core_consistency`.

    Examples
    --------
    >>> from autoten import HALS, fit_parafac
    >>> from autoten.datasets import load_amino_acids
    >>> X = load_amino_acids().X
    >>> nonnegative_core_consistency(X, fit_parafac(X, 3, solver=HALS(), random_state=0).model) > 99
    True
    """
    tensor = as_tensor(X)
    return consistency(nonnegative_core(tensor, model_of(tensor, cp)))


def nonnegative_core(tensor: Tensor, model: CPModel) -> Array | None:
    """Return the nonnegative least-squares core (F, ..., F), weights folded into mode 0; None without a core.

    By nonnegative least squares on the Kronecker product of the factors' triangles: in their orthonormal bases the
    data have no more cells than the core.
    """
    if model.rank == 0 or model.rank**model.ndim > LARGEST_NONNEGATIVE_CORE or tensor.cell_weights is not None:
        return None
    factors = model.normalized().folded()
    bases, triangles = zip(*(np.linalg.qr(factor) for factor in factors), strict=True)
    projected = tensor.project(bases)
    if len(tensor.hidden):
        rows, _ = stack_rows(tensor.hidden, tensor.shape)
        width = max(basis.shape[1] for basis in bases)
        padded = np.vstack([np.pad(basis, ((0, 0), (0, width - basis.shape[1]))) for basis in bases])
        share = np.zeros(width**model.ndim)
        _kernels.tucker_adjoint(rows, padded, model_values(factors, tensor.hidden, tensor.shape), share)
        projected = projected + share.reshape((width,) * model.ndim)[tuple(slice(n) for n in projected.shape)]
    core, _ = nnls(reduce(np.kron, triangles), projected.ravel(), maxiter=30 * projected.size)
    return np.asarray(core).reshape((model.rank,) * model.ndim)


def kl_core_consistency(X: Any, cp: Any) -> float:
    r"""Return the core consistency of a CP model of the counts `X` under the Kullback-Leibler divergence, in percent.

    .. math:: c = 100 \left(1 - \frac{\|G - T\|^2}{F}\right), \qquad
              G = \arg\min_{G \ge 0} \mathrm{KL}(\operatorname{vec} X \,\|\, K \operatorname{vec} G), \quad
              K = A_N \otimes \cdots \otimes A_1

    with columns that sum to 1 and all weights folded into the first factor (Papalexakis 2016). The core is found by
    multiplicative steps :math:`g \leftarrow g \circ [K^T (x / K g)] / [K^T 1]`, accelerated, from a fixed start; K is
    never formed.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        Amounts >= 0; missing cells take no part.
    cp : CP model of the same shape with F components and nonnegative factors

    Returns
    -------
    float
        At most 100; NaN for a model without components or a core too large to hold.

    Raises
    ------
    ValueError
        If the shapes differ, or X or a factor has negative entries.

    References
    ----------
    Papalexakis (2016), SIAM International Conference on Data Mining, 711-719 (arXiv 1503.03355).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> factors = [rng.gamma(0.5, size=(n, 2)) for n in (8, 9, 10)]
    >>> X = rng.poisson(50 * np.einsum("ir,jr,kr->ijk", *factors))
    >>> kl_core_consistency(X, (50 * np.ones(2), factors)) > 90
    True
    """
    tensor = as_tensor(X)
    model = model_of(tensor, cp)
    if any((part < 0).any() for part in (model.weights, *model.factors)):
        refuse("a CP model of counts", "nonnegative", "negative entries")
    if tensor.cell_weights is not None:
        refuse("X of kl_core_consistency", "counts without weights", "weights of their cells")
    if (tensor.values_at(tensor.nonzero) < 0).any():
        refuse("X of kl_core_consistency", "counts or other amounts >= 0", "negative cells")
    return consistency(kl_core(tensor, model))


def kl_core(
    tensor: Tensor, model: CPModel, *, start: Array | None = None, n_steps: int = KL_CORE_STEPS, accelerate: bool = True
) -> Array | None:
    """Return the nonnegative core (F, ..., F) of smallest divergence, weights folded into mode 0; None without a core.

    Parameters
    ----------
    tensor : Tensor
    model : CPModel
        Nonnegative.
    start : array of shape (F, ..., F), optional
        Positive; by default the superdiagonal with something in every cell.
    n_steps : int
        Most multiplicative steps.
    accelerate : bool
        False takes them all, one by one.
    """
    if model.rank == 0 or float(model.rank) ** model.ndim > LARGEST_CORE:
        return None
    problem = _KLCore(tensor, _with_unit_sums(model).folded())
    core = _default_start(model) if start is None else np.array(start, dtype=float)
    if not accelerate:
        for _ in range(n_steps):
            core = problem.step(core)
        return core
    here = problem.at(core)
    losses, scores = np.empty(n_steps), np.empty(n_steps)
    for number in range((n_steps - 2) // 3):
        here = problem.accelerated(here)
        losses[number], scores[number] = here.loss, consistency(here.core)
        decrease = loop.to_come(losses, number + 1)
        recent = scores[max(number - SETTLED_STEPS, 0) : number + 1]
        if decrease <= max(KL_CORE_TOLERANCE * here.loss, loop.ROUNDING * tensor.total) or (
            len(recent) > SETTLED_STEPS and np.ptp(recent) < SETTLED_POINTS
        ):
            break
    return here.core


class _At(NamedTuple):
    """A core, the model's rates at the counts, and their divergence from these."""

    core: Array
    rates: Array
    loss: float


class _KLCore:
    """The divergence of counts from a Tucker model, over its core."""

    def __init__(self, tensor: Tensor, factors: list[Array]) -> None:
        self._shape = tensor.shape
        self._factors = factors
        cells = tensor.nonzero
        self._counts = tensor.values_at(cells)
        self._cells = cells
        # Products with whole factors where cells are many, one cell after the other where they are few.
        rank = factors[0].shape[1]
        self._dense = len(cells) * rank ** (len(factors) - 1) > prod(tensor.shape)
        self._stacked = np.vstack(factors)
        self._rows = stack_rows(cells, tensor.shape)[0] if not self._dense else np.empty((len(factors), 0), np.int64)
        self._sums = reduce(np.multiply.outer, [factor.sum(axis=0) for factor in factors])
        if len(tensor.hidden):
            self._sums = np.maximum(self._sums - self._adjoint_at(tensor.hidden), 0.0)

    def rates(self, core: Array) -> Array:
        """Return the model's rates at the counts."""
        if self._dense:
            return np.asarray(multiplied(core, self._factors).reshape(-1)[self._cells])
        out = np.empty(len(self._cells))
        _kernels.tucker_values(self._rows, self._stacked, np.ascontiguousarray(core).reshape(-1), out)
        return out

    def adjoint(self, values: Array) -> Array:
        """Return the sum over the counts of `values` times the outer product of each cell's rows."""
        if self._dense:
            full = np.zeros(self._shape)
            full.reshape(-1)[self._cells] = values
            return multiplied(full, [factor.T for factor in self._factors])
        out = np.zeros(self._sums.size)
        _kernels.tucker_adjoint(self._rows, self._stacked, values, out)
        return out.reshape(self._sums.shape)

    def _adjoint_at(self, cells: Array) -> Array:
        out = np.zeros(self._sums.size)
        _kernels.tucker_adjoint(stack_rows(cells, self._shape)[0], self._stacked, np.ones(len(cells)), out)
        return out.reshape(self._sums.shape)

    def at(self, core: Array) -> _At:
        """Return what is known of a core."""
        rates = self.rates(core)
        with np.errstate(divide="ignore"):
            loss = self._counts @ np.log(self._counts / rates) - self._counts.sum() + (self._sums * core).sum()
        return _At(core, rates, float(loss))

    def step(self, core: Array) -> Array:
        """Return the core after a multiplicative step."""
        return self._stepped(core, self.rates(core))

    def _stepped(self, core: Array, rates: Array) -> Array:
        ratios = np.divide(self._counts, rates, out=np.zeros_like(rates), where=rates > 0.0)
        factor = np.divide(self.adjoint(ratios), self._sums, out=np.zeros_like(core), where=self._sums > 0.0)
        return np.asarray(core * factor)

    def accelerated(self, here: _At) -> _At:
        """Return where two steps and one along their trend in logarithms lead, the last taken back if it goes uphill.

        SQUAREM (Varadhan & Roland 2008): with r the first change and v the change of change, the length is |r| / |v|.
        """
        one = self._stepped(here.core, here.rates)
        two = self.at(self.step(one))
        logs = [np.log(np.maximum(each, SMALLEST_ENTRY)) for each in (here.core, one, two.core)]
        change, bend = logs[1] - logs[0], logs[2] - 2.0 * logs[1] + logs[0]
        length = np.sqrt((change**2).sum() / max(float((bend**2).sum()), SMALLEST_ENTRY))
        if length <= 1.0:
            return two
        ahead = np.exp(np.clip(logs[0] + 2.0 * length * change + length**2 * bend, *LOG_BOUNDS))
        return min(two, self.at(self.step(ahead)), key=lambda at: at.loss)


def nonnegative_core_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    """Return the scores of nonnegative cores: besides the ordinary ones for HALS, in place of them for KL.

    For KL no ceiling but that of the factors and no loss to noise is known, so nothing is corrected there.
    """
    best = fits.best
    if isinstance(loss_of(fits.solver), Poisson):
        raw = consistency(kl_core(tensor, best.model)) if tensor.total > 0.0 or best.model.rank == 0 else 0.0
        return {
            "core_consistency": raw,
            "ceiling": attainable(best.model),
            "corrected_core_consistency": raw,
        }
    if getattr(fits.solver, "nonnegative", False):
        return {"nonnegative_core_consistency": consistency(nonnegative_core(tensor, best.model))}
    return {}


def _with_unit_sums(model: CPModel) -> CPModel:
    sums = [factor.sum(axis=0) for factor in model.factors]
    safe = [np.where(each > 0.0, each, 1.0) for each in sums]
    factors = tuple(factor / each for factor, each in zip(model.factors, safe, strict=True))
    return CPModel(model.weights * np.prod(safe, axis=0), factors)


def _default_start(model: CPModel) -> Array:
    core = np.full((model.rank,) * model.ndim, OFF_DIAGONAL / model.rank ** (model.ndim - 1))
    core[(np.arange(model.rank),) * model.ndim] += 1.0 - OFF_DIAGONAL
    return core
