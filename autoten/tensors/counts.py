"""A tensor of counts as a Poisson fit sees it: the list of its nonzero cells, and sums over all observed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten import _count_kernels
from autoten.tensors.equations import model_total, model_values, other_cells, stack_rows
from autoten.tensors.sparse import Pattern, SparseTensor

if TYPE_CHECKING:
    from autoten.losses import Poisson
    from autoten.tensors.protocol import Tensor

Array = NDArray[Any]


class Counts:
    """Counts and their places, one row number in the stacked factors for each mode; owns what a fit can reuse."""

    def __init__(self, tensor: Tensor) -> None:
        self.shape = tensor.shape
        self.total = tensor.total
        cells = tensor.nonzero
        self.values = tensor.values_at(cells)
        if not self.values.all():  # a part of a divided count may be zero where the count is not
            cells, self.values = cells[self.values > 0], self.values[self.values > 0]
        self.cells, self.offsets = stack_rows(cells, tensor.shape)
        # Sums over observed cells: over all, less the hidden ones; or over the observed ones where those are fewer.
        # Such a sum is the MTTKRP of a tensor of ones.
        self._few_hidden = len(tensor.hidden) <= tensor.n_observed
        listed = tensor.hidden if self._few_hidden else other_cells(tensor.hidden, tensor.shape)
        self._ones = SparseTensor(Pattern(listed, tensor.shape), np.ones(len(listed)))

    def row_sums(self, factors: Sequence[Array], mode: int) -> Array:
        """Return for each row of `mode` the sum over its observed cells of the other factors' product, (I, R)."""
        sums = self._ones.mttkrp(factors, mode)
        if self._few_hidden:
            sums = np.prod([factor.sum(axis=0) for n, factor in enumerate(factors) if n != mode], axis=0) - sums
        return np.maximum(sums, 0.0)  # a row without observed cells is a difference of equals

    def derivatives(self, factors: Sequence[Array], mode: int, smallest: float) -> tuple[Array, Array, Array]:
        """Return slopes (I, R), curvatures (I, R, R) and the rows' shares of sum x log (x / m), (I,)."""
        length, rank = factors[mode].shape
        slopes, curvatures, errors = np.zeros((length, rank)), np.zeros((length, rank, rank)), np.zeros(length)
        _count_kernels.derivatives(
            self.cells,
            self.values,
            np.vstack(factors),
            mode,
            self.offsets[mode],
            smallest,
            slopes,
            curvatures,
            errors,
        )
        return slopes, curvatures, errors

    def errors(self, factors: Sequence[Array], mode: int) -> Array:
        """Return the rows' shares of sum x log (x / m), (I,): infinite where the rate of a count is 0."""
        errors = np.zeros(self.shape[mode])
        _count_kernels.add_errors(self.cells, self.values, np.vstack(factors), mode, self.offsets[mode], errors)
        return errors


def deviance(tensor: Tensor, factors: Sequence[Array], loss: Poisson, mean: float | None = None) -> tuple[float, int]:
    """Return the deviance of a tensor's counts from a model, weights folded in, and how many rates were floored.

    Rates are floored only where `mean` is given; see `Poisson.floored`. Zeros cost their rate: no list of them is made.
    """
    cells = tensor.nonzero
    counts, rates = tensor.values_at(cells), model_values(factors, cells, tensor.shape)
    elsewhere = model_total(factors, tensor.hidden, tensor.shape) - float(rates.sum())
    n_floored = 0
    if mean is not None:
        rates, n_floored = loss.floored(counts, rates, mean)
    return loss.error(counts, rates) + 2.0 * max(elsewhere, 0.0), n_floored


def null_deviance(tensor: Tensor, loss: Poisson) -> float:
    """Return the deviance of a tensor's counts from their mean."""
    counts = tensor.values_at(tensor.nonzero)
    mean = tensor.total / tensor.n_observed
    return loss.error(counts, np.full(len(counts), mean)) + 2.0 * mean * (tensor.n_observed - len(counts))
