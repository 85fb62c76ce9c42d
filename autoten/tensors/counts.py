"""A tensor of counts as a Poisson fit sees it, and its deviance from a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from weakref import WeakKeyDictionary

import numpy as np

from autoten._typing import Array
from autoten.kernels.counts import Counts
from autoten.kernels.dense import Layout
from autoten.kernels.sparse import Slices
from autoten.model import CPModel
from autoten.tensors.sparse import Pattern
from autoten.tensors.tensor import Tensor, model_values, other_cells

# Up to this share of cells with counts these are listed, and gone through one by one.
LISTED_SHARE = 0.25

_KNOWN: WeakKeyDictionary[Tensor, Counts] = WeakKeyDictionary()


@dataclass(frozen=True)
class Poisson:
    r"""Twice the Kullback-Leibler divergence of Poisson rates: :math:`2 \sum_c x_c \log (x_c / m_c) - x_c + m_c`.

    Where a cell is judged that no fit has seen, rates below `floor` times the mean count are raised to it: one count at
    a rate of 0 would make the deviance infinite. How often that happened is counted.
    """

    floor: float = 1e-3

    def error(self, counts: Array, rates: Array, weights: Array | None = None) -> float:
        """Return the deviance of counts >= 0 from rates, above 0 wherever a count is; each cell `weights` times."""
        seen = counts > 0
        each = np.ones(len(counts)) if weights is None else weights
        x, m = counts[seen], rates[seen]
        with np.errstate(divide="ignore"):
            return 2.0 * float((each[seen] * x) @ np.log(x / m) - (each[seen] * x).sum() + (each * rates).sum())

    def floored(self, counts: Array, rates: Array, mean: float) -> Array:
        """Return the rates, not below the floor where there is a count, nor below 0, as those of regression may be."""
        low = (counts > 0) & (rates < self.floor * mean)
        return np.where(low, self.floor * mean, np.maximum(rates, 0.0))


def as_counts(tensor: Tensor) -> Counts:
    """Return the counts of a tensor, which are found once: many fits are of the same tensor."""
    if tensor not in _KNOWN:
        _KNOWN[tensor] = _counts_of(tensor)
    return _KNOWN[tensor]


def _counts_of(tensor: Tensor) -> Counts:
    cells, shape = tensor.nonzero, tensor.shape
    values = tensor.values_at(cells)
    smallest, mean = float(values.min(initial=0.0)), tensor.total / max(tensor.n_observed, 1)
    if not (values > 0.0).all():  # a part of a divided count may be zero where the count is not
        cells, values = cells[values > 0.0], values[values > 0.0]
    modes = range(len(shape))
    others = [sorted((n for n in modes if n != mode), key=lambda n: shape[n]) for mode in modes]
    unfolded = tuple(np.empty((0, 0)) for _ in modes)
    if len(cells) > LISTED_SHARE * prod(shape):
        whole = np.zeros(shape)
        whole.reshape(-1)[cells] = values
        by_mode = (np.ascontiguousarray(whole.transpose(mode, *others[mode])) for mode in modes)
        unfolded = tuple(matrix.reshape(len(matrix), -1) for matrix in by_mode)
        cells = cells[:0]
    # Sums over observed cells: over all, less the hidden ones; or over the observed ones where those are fewer.
    few_hidden = len(tensor.hidden) <= tensor.n_observed
    unseen = Pattern(tensor.hidden if few_hidden else other_cells(tensor.hidden, shape), shape)
    listed = Pattern(cells, shape)
    slices = [_unsigned(listed.slices(mode)) for mode in modes]
    return Counts(
        unfolded,
        np.array(others),
        tuple(slices),
        tuple(values[of.order] for of in slices),
        tuple(_unsigned(unseen.slices(mode)) for mode in modes),
        few_hidden,
        Layout.of(shape, modes),
        smallest,
        tensor.total,
        mean,
        float(values @ np.log(values / mean)) if smallest == 0.0 else math.nan,
    )


def _unsigned(slices: Slices) -> Slices:
    """Return slices whose indices kernels need not look at for a sign."""
    return slices._replace(others=slices.others.view(f"u{slices.others.itemsize}"))


def deviance(tensor: Tensor, factors: Sequence[Array], loss: Poisson, mean: float | None = None) -> float:
    """Return the deviance of a tensor's counts from a model, weights folded in.

    Rates are floored only where `mean` is given; see `Poisson.floored`. Zeros cost their rate: no list of them is made.
    """
    cells, hidden = tensor.nonzero, tensor.hidden
    counts = tensor.values_at(cells)
    if tensor.listed is None:  # all cells at once cost less than a list of their indices
        everywhere = CPModel(np.ones(factors[0].shape[1]), tuple(factors)).to_tensor().reshape(-1)
        rates, total = everywhere[cells], float(everywhere.sum() - everywhere[hidden].sum())
    else:
        rates, at_hidden = (model_values(factors, of, tensor.shape) for of in (cells, hidden))
        total = float(np.prod([factor.sum(axis=0) for factor in factors], axis=0).sum()) - float(at_hidden.sum())
    elsewhere = total - float(rates.sum())
    if mean is not None:
        rates = loss.floored(counts, rates, mean)
    return loss.error(counts, rates) + 2.0 * max(elsewhere, 0.0)


def null_deviance(tensor: Tensor, loss: Poisson) -> float:
    """Return the deviance of a tensor's counts from their mean."""
    counts = tensor.values_at(tensor.nonzero)
    mean = tensor.total / tensor.n_observed
    return loss.error(counts, np.full(len(counts), mean)) + 2.0 * mean * (tensor.n_observed - len(counts))
