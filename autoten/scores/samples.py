"""Samples one by one: how much each one shapes a model, and how badly it is described."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoten._errors import check_mode
from autoten.door import data_of, model_of
from autoten.labels import names_of

Array = NDArray[np.float64]

# Singular values of a factor below this share of its largest count as zero.
RANK_CUTOFF = 1e-10


class SampleInfluence(NamedTuple):
    """Leverage and residual of every sample: what `sample_influence` returns.

    Attributes
    ----------
    leverage : array of shape (I,)
        In [0, 1]; the sum is the number of (linearly independent) components. A sample with a leverage near 1 has a
        component to itself.
    residual : array of shape (I,)
        Root mean square of the residuals at a sample's observed cells, in the units of X. Of `weighted` data each
        square counts by its weight, so that samples of precise cells are judged more strictly.
    """

    leverage: Array
    residual: Array


def sample_influence(X: Any, cp: Any, mode: int | str = 0) -> SampleInfluence:
    r"""Return the leverage and the residual of every sample, to be looked at together.

    .. math:: h_i = [A (A^T A)^+ A^T]_{ii}, \qquad e_i = \sqrt{\frac{1}{n_i} \sum_{jk} (x_{ijk} - m_{ijk})^2}

    with A the factor of the sample mode and :math:`n_i` the number of observed cells of sample i. A large residual with
    a small leverage is a sample that the model does not describe; a large leverage with a small residual one that the
    model bends to; both large: look at it first.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        The data; missing cells take no part.
    cp : CP model of the same shape
    mode : int or str
        The mode of the samples, by number, or by name if X or the model is labelled.

    Returns
    -------
    SampleInfluence
        ``leverage`` and ``residual``, one entry per sample.

    Raises
    ------
    ValueError
        If the model has another shape than X, or X no such mode.

    References
    ----------
    Bro (1997), Chemometrics and Intelligent Laboratory Systems 38, 149-171; Cook & Weisberg (1982), Residuals and
    Influence in Regression (leverage).

    Examples
    --------
    >>> from autoten import fit_parafac
    >>> from autoten.datasets import load_amino_acids
    >>> X = load_amino_acids().X
    >>> influence = sample_influence(X, fit_parafac(X, 3, random_state=0).model)
    >>> influence.leverage.round(1).tolist()  # three pure substances, two mixtures
    [0.8, 0.9, 0.8, 0.3, 0.2]
    """
    data = data_of(X)
    tensor, labels = data.tensor, data.labels
    model = model_of(tensor, cp)
    mode = check_mode(mode, len(tensor.shape), "mode of sample_influence", names_of(labels or model.labels))
    residual = np.empty(tensor.shape[mode])
    for sample in range(tensor.shape[mode]):
        slab = [np.array([sample]) if n == mode else np.arange(length) for n, length in enumerate(tensor.shape)]
        part = tensor.sub(slab)
        squared_error = part.squared_error(model.rows(slab).folded())
        residual[sample] = np.sqrt(max(squared_error, 0.0) / part.n_observed)
    return SampleInfluence(_leverage(model.factors[mode]), residual * tensor.scale)


def _leverage(factor: Array) -> Array:
    if not factor.shape[1]:
        return np.zeros(len(factor))
    u, s, _ = np.linalg.svd(factor, full_matrices=False)
    return np.asarray(np.square(u[:, s > RANK_CUTOFF * s[0]]).sum(axis=1))
