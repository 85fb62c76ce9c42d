"""Held-out error: does the model predict cells it has not seen?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten._validation import refuse
from autoten.cp import CPModel
from autoten.io import as_tensor, model_of
from autoten.tensors.equations import model_values
from autoten.tensors.protocol import Block

if TYPE_CHECKING:
    from autoten.fitting import RankFits
    from autoten.tensors.protocol import Cells, Tensor


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
    """Return the held-out error of every fold (NaN where a fold has no model or only zeros to predict)."""
    return {
        "heldout": [
            float("nan") if fold.model is None else relative_error(tensor, fold.model, fold.cells, fold.weights)
            for fold in fits.folds
        ]
    }


def relative_error(
    tensor: Tensor, model: CPModel, cells: Cells | Block, weights: NDArray[np.float64] | None = None
) -> float:
    """Return the model's squared error at `cells` over that of the zero model, each cell counted `weights` times.

    Where that is zero, NaN; 1 for a tensor of zeros, which the zero model predicts as well as any.
    """
    if tensor.norm_squared == 0.0:
        return 1.0
    if isinstance(cells, Block):
        part = tensor.sub(cells.indices)
        squared_error = part.squared_error(model.rows(cells.indices).folded())
        return squared_error / part.norm_squared if part.norm_squared > 0.0 else float("nan")
    values: NDArray[Any] = tensor.values_at(cells)
    errors = values - model_values(model.folded(), cells, tensor.shape)
    if weights is not None:
        values, errors = np.sqrt(weights) * values, np.sqrt(weights) * errors
    null = float(values @ values)
    return float(errors @ errors) / null if null > 0.0 else float("nan")
