"""Cores without negative entries: what core consistency asks of models whose factors may not be negative.

An unrestricted core can cancel what nonnegative components add up, so it leaves the superdiagonal although no component
is one too many. A core that is nonnegative itself, in the loss of the model, cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, reduce
from math import prod
from typing import Any

import numpy as np
from scipy.optimize import nnls
from scipy.special import rel_entr

from autoten._errors import refuse
from autoten._typing import Array
from autoten.door import as_tensor, model_of
from autoten.fits import RankFits
from autoten.kernels.linear import ROUNDING
from autoten.matching import Seen
from autoten.model import CPModel
from autoten.scores.core_consistency import (
    CORE_DAMPING,
    LARGEST_CORE,
    LARGEST_SOLVED_CORE,
    CoreEquations,
    attainable,
    consistency,
    superdiagonal,
    unseen,
    values_of_core,
)
from autoten.tensors.dense import DenseTensor
from autoten.tensors.sparse import Pattern, SparseTensor
from autoten.tensors.tensor import Tensor, model_values

# Newton steps to a core of counts, at most; and the decrease of the divergence, relative, at which they end.
KL_CORE_STEPS = 100
KL_CORE_TOLERANCE = 1e-9

# How much the entries are held where they are at first, relative to a multiplicative step; and the share of what the
# slope promises that a step must bring. An entry counts as this, relative to the model's own, at least.
FIRST_HOLD = 1e-3
LEAST_SHARE = 1e-4
SMALL_ENTRY = 1e-6

# Share of a core's start that is spread evenly, off the diagonal too: counts where the model has none have a rate then.
OFF_DIAGONAL = 0.5

# Products of entries below this are zero: squares of their inverses would leave the floating range.
SMALLEST = 1e-100


def nonnegative_core_consistency(X: Any, cp: Any) -> float:
    r"""Return the core consistency of a CP model of `X` whose core may not be negative, in percent.

    .. math:: c = 100 \left(1 - \frac{\|G - T\|^2}{F}\right), \qquad
              G = \operatorname{argmin}_{G \ge 0} \|X - G \times_1 A_1 \cdots \times_N A_N\|^2

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
    """Return the nonnegative least-squares core (F, ..., F), weights folded into mode 0; None without a core."""
    # In the factors' orthonormal bases the data have no more cells than the core.
    if model.rank == 0 or model.rank**model.ndim > LARGEST_SOLVED_CORE or tensor.cell_weights is not None:
        return None
    factors = model.normalized().folded()
    bases, triangles = zip(*(np.linalg.qr(factor) for factor in factors), strict=True)
    projected = tensor.project(bases)
    if len(tensor.hidden):
        filled = model_values(factors, tensor.hidden, tensor.shape)
        projected = projected + SparseTensor.of(tensor.hidden, filled, tensor.shape).project(bases)
    core, _ = nnls(reduce(np.kron, triangles), projected.ravel(), maxiter=30 * projected.size)
    return np.asarray(core).reshape((model.rank,) * model.ndim)


def kl_core_consistency(X: Any, cp: Any) -> float:
    r"""Return the core consistency of a CP model of the counts `X` under the Kullback-Leibler divergence, in percent.

    .. math:: c = 100 \left(1 - \frac{\|G - T\|^2}{F}\right), \qquad
              G = \operatorname{argmin}_{G \ge 0} \mathrm{KL}(\operatorname{vec} X \,\|\, K \operatorname{vec} G), \quad
              K = A_N \otimes \cdots \otimes A_1

    with columns that sum to 1 and all weights folded into the first factor (Papalexakis 2016). The core is found by
    projected Newton steps from a fixed start; K is never formed.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        Amounts >= 0; missing cells take no part, but what the model says counts for a thousandth then, as in
        `core_consistency`.
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


def kl_core(tensor: Tensor, model: CPModel) -> Array | None:
    """Return the nonnegative core (F, ..., F) of smallest divergence, weights folded into mode 0; None without a core.

    By projected Newton steps: entries at zero whose slope keeps them there stay out of the equations (Bertsekas 1982),
    and the others are held where they are the more, the further a step is from lowering the divergence.
    """
    if model.rank == 0 or float(model.rank) ** model.ndim > LARGEST_CORE:
        return None
    model = _with_unit_sums(model)
    factors, weights = list(model.factors), model.weights.reshape(-1, *[1] * (model.ndim - 1))
    target = superdiagonal(model.weights, model.ndim)
    pull = unseen(tensor) / np.maximum(weights, SMALLEST)
    counts, tensor_of = _counts(tensor, model)
    rates_of = values_of_core(tensor_of(counts), factors)
    sums = Seen.of(tensor).project(factors)
    sums = np.where(sums > ROUNDING, sums, 0.0)  # else no cell of theirs is observed: a difference of equals

    def at(core: Array) -> tuple[Array, Array, float]:
        rates = rates_of(core)
        loss = rel_entr(counts, rates).sum() - counts.sum() + (sums * core).sum()
        return core, rates, float(loss + 0.5 * (pull * np.square(core - target)).sum())

    core, rates, loss = at(OFF_DIAGONAL * weights / model.rank ** (model.ndim - 1) + (1.0 - OFF_DIAGONAL) * target)
    explained = tensor_of(counts / rates).project(factors)
    better = at(core * np.divide(explained, sums, out=np.zeros_like(sums), where=sums > 0.0))
    if better[2] < np.inf:  # else an entry that alone explains some count has next to no observed cell
        core, rates, loss = better
    held = FIRST_HOLD
    for _ in range(KL_CORE_STEPS):
        slope = sums - tensor_of(counts / rates).project(factors) + pull * (core - target)
        equations = CoreEquations(Seen(tensor.shape, 0.0, tensor_of(counts / rates**2)), factors)
        ridge = pull + held * sums / np.maximum(core, np.maximum(SMALL_ENTRY * weights, SMALLEST))
        step = equations.solved(-slope, ridge, free=(core > 0.0) | (slope < 0.0))
        ahead = at(np.maximum(core + step, 0.0))
        promised = float((slope * (core - ahead[0])).sum())
        settled = held <= FIRST_HOLD and abs(promised) <= max(KL_CORE_TOLERANCE * loss, ROUNDING * tensor.total)
        if loss - ahead[2] >= LEAST_SHARE * promised > 0.0:
            core, rates, loss = ahead
            held = max(held / 10.0, CORE_DAMPING)
        else:
            held *= 10.0
        if settled:
            break
    return np.divide(core, weights, out=np.zeros_like(core), where=weights > 0.0)


def _counts(tensor: Tensor, model: CPModel) -> tuple[Array, Callable[[Array], DenseTensor | SparseTensor]]:
    """Return the counts that some core explains, and what makes of values at their cells the cheaper kind of tensor."""
    cells, shape = tensor.nonzero, tensor.shape
    reached = model_values([factor.sum(axis=1, keepdims=True) for factor in model.folded()], cells, shape)
    cells = cells[reached > SMALLEST]
    if len(cells) * model.rank ** (model.ndim - 1) <= prod(shape):
        return tensor.values_at(cells), partial(SparseTensor, Pattern(cells, shape))

    def in_array(values: Array) -> DenseTensor:
        array = np.zeros(shape)
        array.reshape(-1)[cells] = values
        return DenseTensor(array)

    return tensor.values_at(cells), in_array


def nonnegative_core_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    """Return the scores of nonnegative cores: besides the ordinary ones for HALS, in place of them for KL.

    For KL no ceiling but that of the factors and no loss to noise is known, so nothing is corrected there.
    """
    best = fits.best
    if fits.loss is not None:
        raw = consistency(kl_core(tensor, best.model)) if tensor.total > 0.0 or best.model.rank == 0 else 0.0
        return {"core_consistency": raw, "ceiling": attainable(best.model), "corrected_core_consistency": raw}
    if getattr(fits.solver, "nonnegative", False):
        return {"nonnegative_core_consistency": consistency(nonnegative_core(tensor, best.model))}
    return {}


def _with_unit_sums(model: CPModel) -> CPModel:
    sums = [factor.sum(axis=0) for factor in model.factors]
    safe = [np.where(each > 0.0, each, 1.0) for each in sums]
    factors = tuple(factor / each for factor, each in zip(model.factors, safe, strict=True))
    return CPModel(model.weights * np.prod(safe, axis=0), factors)
