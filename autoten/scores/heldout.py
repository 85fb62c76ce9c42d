"""Held-out error: does the model predict cells it has not seen?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autoten._errors import refuse
from autoten._typing import Array
from autoten.door import as_tensor, model_of
from autoten.fits import FoldFit, RankFits
from autoten.model import CPModel
from autoten.tensors.counts import Poisson, deviance, null_deviance
from autoten.tensors.tensor import Cells, Tensor, model_values, weights_at


def heldout_error(X: Any, cp: Any, heldout: Any) -> float:
    r"""Return the squared error at held-out cells as a share of that of the zero model.

    .. math:: \sum_{h} (x_h - m_h)^2 \Big/ \sum_{h} x_h^2

    0 is perfect, 1 no better than predicting zero. The model must not have seen the cells: fit it on
    ``masked(X, ~heldout)``.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        The data.
    cp : CP model of the same shape
    heldout : array_like of bool, shape (I_1, ..., I_N)
        True where a cell was hidden from the fit; cells missing in X are passed over.

    Returns
    -------
    float
        At least 0; above 1 it is worse than predicting zero.

    Raises
    ------
    ValueError
        If the shapes differ or no held-out cell is observed.

    Examples
    --------
    >>> import numpy as np
    >>> from autoten import fit_parafac, masked
    >>> from autoten.datasets import load_amino_acids
    >>> X = load_amino_acids().X
    >>> heldout = np.random.default_rng(0).random(X.shape) < 0.1
    >>> fit = fit_parafac(masked(X, ~heldout), 3, n_starts=3, random_state=0)
    >>> heldout_error(X, fit.model, heldout) < 0.001
    True
    """
    tensor = as_tensor(X)
    model = model_of(tensor, cp)
    heldout = np.asarray(heldout)
    if heldout.shape != tensor.shape or heldout.dtype != bool:
        refuse("heldout", f"a boolean array of X's shape {tensor.shape}", f"{heldout.dtype} of shape {heldout.shape}")
    cells = np.setdiff1d(np.flatnonzero(heldout), tensor.hidden, assume_unique=True)
    if not len(cells):
        refuse("heldout", "True at one observed cell at least", "none")
    return relative_error(tensor, model, cells)


def heldout_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    """Return the held-out error of every fold, by the loss of the solver, relative to the null model.

    NaN where a fold has no model or only zeros to predict. Besides, the number of training cells for each parameter: at
    1 or below a fold has no model, which could predict anything. For counts fitted by KL the error is the deviance,
    relative to that of their mean; and the squared error, by which fits of different losses can be compared, is beside.
    """
    cells = {"cells_per_parameter": [fold.cells_per_parameter for fold in fits.folds]}
    squared = [_squared(tensor, fold) for fold in fits.folds]
    if fits.loss is None:
        return {"heldout": squared, **cells}
    return {**cells, "heldout": [_deviance(tensor, fold, fits.loss) for fold in fits.folds], "heldout_squared": squared}


def _squared(tensor: Tensor, fold: FoldFit) -> float:
    """Return the fold's squared error over that of the zero model."""
    if fold.model is None:
        return float("nan")
    if fold.counts is None:
        return relative_error(tensor, fold.model, fold.cells, fold.weights, fold.offsets)
    return _share(fold.counts.squared_error(fold.model.folded()), fold.counts.norm_squared)


def _deviance(tensor: Tensor, fold: FoldFit, loss: Poisson) -> float:
    """Return the fold's deviance over that of the mean of what is held out; rates are floored."""
    if tensor.total == 0.0:
        return 1.0
    if fold.model is None or (fold.counts is None and len(fold.cells) == 0):
        return float("nan")
    factors = fold.model.folded()
    if fold.counts is not None:
        mean = fold.counts.total / fold.counts.n_observed
        null = null_deviance(fold.counts, loss) if mean > 0.0 else 0.0
        error = deviance(fold.counts, factors, loss, mean) if fold.model.rank else null
    else:
        cells, weights = fold.cells, fold.weights
        counts = tensor.values_at(cells)
        mean = float(np.average(counts, weights=weights))
        null = loss.error(counts, np.full(len(counts), mean), weights) if mean > 0.0 else 0.0
        rates = loss.floored(counts, model_values(factors, cells, tensor.shape), mean)
        error = loss.error(counts, rates, weights) if fold.model.rank else null
    return _share(error, null)


def relative_error(
    tensor: Tensor, model: CPModel, cells: Cells, weights: Array | None = None, offsets: Array | None = None
) -> float:
    """Return the model's squared error at `cells` over that of the zero model, each cell counted `weights` times.

    Where the tensor's cells have weights of their own, their squared errors count for these too. With offsets, those
    beside the model and those beside none, both predict by these as well. 1 for a tensor of zeros, which the zero model
    predicts as well as any.
    """
    if tensor.norm_squared == 0.0:
        return 1.0
    values: Array = tensor.values_at(cells)
    errors = values - model_values(model.folded(), cells, tensor.shape)
    if offsets is not None:
        values, errors = values - offsets[1], errors - offsets[0]
    roots = np.sqrt(weights_at(tensor, cells) * (1.0 if weights is None else weights))
    values, errors = roots * values, roots * errors
    return _share(float(errors @ errors), float(values @ values))


def _share(error: float, null: float) -> float:
    """Return an error over that of the null model; NaN where that has none."""
    return error / null if null > 0.0 else float("nan")
