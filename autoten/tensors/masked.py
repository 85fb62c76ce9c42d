"""A tensor with unobserved cells: any base tensor and a sorted list of cells.

The list serves a held-out fold and a user's NaN alike. Where few cells are hidden they are imputed from the model,
one mode update after the other; where many are, their share is taken from every row's normal equations, which is
exact. No data type needs a masked twin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from autoten import _kernels
from autoten._als_kernel import ROUNDING
from autoten.tensors.equations import model_values, other_cells, places_of, stack_rows
from autoten.tensors.protocol import DenseRows, no_sink

if TYPE_CHECKING:
    from autoten.tensors.protocol import Array, Base, Cells, NormalEquations

# Share of hidden cells up to which imputing is used: its convergence slows down in proportion to the share, and past
# the true rank so much that a fit keeps a memory of what it started from.
IMPUTE_SHARE = 0.3

# Share of hidden cells from which the list of observed cells is the shorter one.
OBSERVED_LIST_SHARE = 0.5


class MaskedTensor:
    """A base tensor of which some cells are not observed.

    Parameters
    ----------
    base : DenseTensor or SparseTensor
        The data; what it holds at hidden cells is never used.
    hidden : array of int64
        Sorted C-order linear indices of the cells that are not observed.
    impute_share : float
        Up to which share of hidden cells they are imputed in the fits of this tensor.
    """

    def __init__(self, base: Base, hidden: Cells, impute_share: float = IMPUTE_SHARE) -> None:
        self.base = base
        self.hidden = hidden
        self.impute_share = impute_share

    @property
    def shape(self) -> tuple[int, ...]:
        return self.base.shape

    @property
    def scale(self) -> float:
        return self.base.scale

    @property
    def n_observed(self) -> int:
        return prod(self.shape) - len(self.hidden)

    @property
    def hidden_share(self) -> float:
        """Share of the cells that are hidden, in [0, 1]."""
        return len(self.hidden) / prod(self.shape)

    @cached_property
    def base_values(self) -> Array:
        """What the base holds at hidden cells."""
        return self.base.values_at(self.hidden)

    @cached_property
    def norm_squared(self) -> float:
        return self.base.norm_squared_without(self.hidden)

    @property
    def cell_weights(self) -> None:
        return None

    @cached_property
    def listed(self) -> Cells | None:
        """The observed cells that are not zero, where the base lists them."""
        listed = self.base.listed
        return None if listed is None else listed[~places_of(listed, self.hidden)[1]]

    @property
    def pass_cost(self) -> int:
        return self.base.pass_cost

    @cached_property
    def total(self) -> float:
        return self.base.total - float(self.base_values.sum())

    @property
    def nonzero(self) -> Cells:
        return np.setdiff1d(self.base.nonzero, self.hidden, assume_unique=True)

    @cached_property
    def observed(self) -> Cells:
        """Sorted linear indices of the observed cells."""
        return other_cells(self.hidden, self.shape)

    def mttkrp(self, factors: Sequence[Array], mode: int) -> Array:
        return _ExactEquations(self).at(factors, mode)[1]

    def normal_equations(self, *, exact: bool = False) -> NormalEquations:
        return _ExactEquations(self) if exact or self.hidden_share > self.impute_share else _ImputedEquations(self)

    def dense_rows(self) -> DenseRows | None:
        whole = self.base.dense_rows()
        if whole is None:
            return None
        rows, length = whole.rows, self.shape[-1]
        if self.hidden_share > self.impute_share:
            observed = np.ones(rows.shape, dtype=bool)
            observed.reshape(-1)[self.hidden] = False
            return DenseRows(rows, *no_sink(rows.dtype), observed)
        zeroed = self.base.zeroed(self.hidden).dense_rows()
        assert zeroed is not None
        rows = zeroed.rows
        sink = rows.view()
        sink.flags.writeable = True
        starts = np.searchsorted(self.hidden, length * np.arange(len(rows) + 1))
        columns = (self.hidden % length).astype(np.int32)
        return DenseRows(rows, sink, starts, columns, np.empty((0, 0), dtype=bool))

    def squared_error(self, factors: Sequence[Array]) -> float:
        if self.hidden_share > OBSERVED_LIST_SHARE:
            errors = self.base.values_at(self.observed) - model_values(factors, self.observed, self.shape)
            return float(errors @ errors)
        return self.base.squared_error_without(factors, self.hidden)

    def _zeroed(self) -> Base:
        return self.base.zeroed(self.hidden) if self.base_values.any() else self.base

    def project(self, matrices: Sequence[Array]) -> Array:
        return self._zeroed().project(matrices)

    def gram(self, mode: int) -> Array:
        return self._zeroed().gram(mode)

    def gram_times(self, mode: int, columns: Array) -> Array:
        return self._zeroed().gram_times(mode, columns)

    def values_at(self, cells: Cells) -> Array:
        return self.base.values_at(cells)

    def with_values(self, values: Array) -> MaskedTensor:
        cells = self.base.nonzero
        everything = self.base.values_at(cells)  # what the base holds at hidden cells stays there, unused
        everything[np.searchsorted(cells, self.nonzero)] = values
        return MaskedTensor(self.base.with_values(everything), self.hidden)

    def hide(self, cells: Cells) -> MaskedTensor:
        return MaskedTensor(self.base, np.union1d(self.hidden, cells))

    def with_random_signs(self, rng: np.random.Generator) -> MaskedTensor:
        return MaskedTensor(self.base.with_random_signs(rng), self.hidden)

    def pieces(self) -> Iterator[Array]:
        yield from self.base.pieces()
        yield self.hidden

    def sub(self, indices: Sequence[Array]) -> Base | MaskedTensor:
        part = self.base.sub(indices)
        positions, inside = [], np.ones(len(self.hidden), dtype=bool)
        for mode, index in zip(np.unravel_index(self.hidden, self.shape), indices, strict=True):
            place = np.full(max(self.shape), -1)
            place[index] = np.arange(len(index))
            positions.append(place[mode])
            inside &= positions[-1] >= 0
        hidden = np.sort(np.ravel_multi_index([position[inside] for position in positions], part.shape))
        return MaskedTensor(part, hidden) if len(hidden) else part


class _ImputedEquations:
    """Normal equations of the data with hidden cells filled from the current model (a majorising step)."""

    def __init__(self, tensor: MaskedTensor) -> None:
        self._tensor = tensor
        self._base = tensor.base.normal_equations()
        self._cells, self._offsets = stack_rows(tensor.hidden, tensor.shape)
        self._model = np.empty(len(tensor.hidden))

    def at(self, factors: Sequence[Array], mode: int) -> tuple[Array, Array]:
        gram, rhs = self._base.at(factors, mode)
        _kernels.impute(
            self._cells, self._tensor.base_values, np.vstack(factors), mode, self._offsets[mode], self._model, rhs
        )
        return gram, rhs

    def squared_error(self, factors: Sequence[Array], mode: int, gram: Array, rhs: Array) -> float:
        # Error of the filled tensor, less the error at the cells that were filled.
        before, after = self._model, np.empty(len(self._model))
        _kernels.values_at(self._cells, np.vstack(factors), after)
        filled = self._tensor.norm_squared + float(before @ before)
        error = filled - float(_kernels.explained(gram, rhs, factors[mode]))
        return error - float((before - after) @ (before - after))


class _ExactEquations:
    """Normal equations of every row over its observed cells alone (Tomasi & Bro 2005)."""

    def __init__(self, tensor: MaskedTensor) -> None:
        self._tensor = tensor
        self._listed = tensor.hidden_share > OBSERVED_LIST_SHARE
        self._base = None if self._listed else tensor.base.normal_equations()
        cells = tensor.observed if self._listed else tensor.hidden
        self._values = tensor.base.values_at(cells)
        self._cells, self._offsets = stack_rows(cells, tensor.shape)

    def at(self, factors: Sequence[Array], mode: int) -> tuple[Array, Array]:
        length, rank = factors[mode].shape
        if self._base is None:
            sign, grams, rhs = 1.0, np.zeros((length, rank, rank)), np.zeros((length, rank))
        else:
            gram, rhs = self._base.at(factors, mode)
            sign, grams = -1.0, np.repeat(gram[None], length, axis=0)
        _kernels.add_cells(self._cells, self._values, np.vstack(factors), mode, self._offsets[mode], sign, grams, rhs)
        if self._base is not None:
            # Of a component without an observed cell in a row the difference leaves rounding, of either sign.
            lost = np.einsum("irr->ir", grams) <= ROUNDING * np.diagonal(gram)
            grams[lost] = np.swapaxes(grams, 1, 2)[lost] = rhs[lost] = 0.0
        return grams, rhs

    def squared_error(self, factors: Sequence[Array], mode: int, gram: Array, rhs: Array) -> float:
        return self._tensor.norm_squared - float(_kernels.explained_each(gram, rhs, factors[mode]))
