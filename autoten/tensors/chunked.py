"""Arrays that need not fit into memory: a dask array, of which one pass over the chunks makes sums, or parts that fit.

Passes run wherever dask computes: in threads of this process, or on the cluster of the client that there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise, product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from autoten._typing import Array
from autoten.tensors.dense import DenseTensor
from autoten.tensors.tensor import Tensor

Where = tuple[slice, ...]

# A function of a tensor, factors and a mode: arrays with a row for each index of the mode, which blocks add up to.
Sums = Callable[[Tensor, Sequence[Array], int], tuple[Array, ...]]


class Survey(NamedTuple):
    """What one pass finds: the largest magnitude, and each slab's sum of squares and number of observed cells."""

    largest: float
    squares: list[Array]
    observed: list[Array]


class ChunkedTensor:
    """An N-way dask array, float32 or float64, of whose cells no more are in memory than the chunks at work.

    Parameters
    ----------
    array : dask.array.Array of shape (I_1, ..., I_N)
        NaN and masked cells are missing.
    scale : float
        The power of two by which the caller divided the data.
    """

    def __init__(self, array: Any, scale: float = 1.0) -> None:
        self.array = array
        self.scale = scale

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each mode."""
        return tuple(int(length) for length in self.array.shape)

    @property
    def pass_cost(self) -> int:
        """What a pass over the data costs, in cells of a dense tensor."""
        return prod(self.shape)

    @property
    def n_observed(self) -> int:
        """Number of observed cells."""
        return int(self.survey.observed[0].sum())

    @property
    def norm_squared(self) -> float:
        """Sum of squares over observed cells."""
        return float(self.survey.squares[0].sum())

    def slab_squares(self) -> list[Array]:
        """Return the sum of squares of every slab of each mode."""
        return self.survey.squares

    @cached_property
    def survey(self) -> Survey:
        """What has to be known before anything is scaled or drawn: one pass."""
        largest, squares, observed = 0.0, *([np.zeros(length) for length in self.shape] for _ in range(2))
        for where, found in self._pass(_surveyed):
            largest = float(np.maximum(largest, found.largest))
            for mode, part in enumerate(where):
                squares[mode][part] += found.squares[mode]
                observed[mode][part] += found.observed[mode]
        return Survey(largest, squares, observed)

    def subs(self, parts: Sequence[Sequence[Array]]) -> list[Tensor]:
        """Return the sub-tensors at lists of a sorted index array per mode: all of them from one pass."""
        filled = [np.empty([len(index) for index in indices], self.array.dtype) for indices in parts]
        for where, pieces in self._pass(_picked, parts):
            for part, indices, piece in zip(filled, parts, pieces, strict=True):
                part[_within(indices, where)[1]] = piece
        return [_tensor_of(part, self.scale) for part in filled]

    def summed(self, function: Sums, factors: Sequence[Array], mode: int) -> list[Array]:
        """Return the sums over blocks of what a function makes of each, with its rows of the factors: one pass."""
        total: list[Array] = []
        for where, sums in self._pass(_asked, function, factors, mode):
            total = total or [np.zeros((self.shape[mode], *part.shape[1:])) for part in sums]
            for whole, part in zip(total, sums, strict=True):
                whole[where[mode]] += part
        return total

    def _pass(self, function: Callable[..., Any], *arguments: Any) -> Iterator[tuple[Where, Any]]:
        """Yield where each block is, and what a function returns of it, of where it is, and of arguments for all."""
        from dask.base import compute
        from dask.delayed import delayed

        ends = [np.cumsum((0, *lengths)).tolist() for lengths in self.array.chunks]
        places = product(*([slice(*pair) for pair in pairwise(of)] for of in ends))
        filled = [
            (where, block)
            for where, block in zip(places, self.array.to_delayed().ravel(), strict=True)
            if all(part.start < part.stop for part in where)
        ]
        # Sent to a worker once, and not with every block.
        shared = [delayed(argument, pure=False, traverse=False) for argument in arguments]
        call = delayed(function, pure=False)
        results = compute(*(call(block, where, *shared) for where, block in filled))
        return zip((where for where, _ in filled), results, strict=True)


def _within(indices: Sequence[Array], where: Where) -> tuple[list[Array], tuple[slice, ...]]:
    """Return which cells of a block a sorted index array per mode picks, and where these stand in the part."""
    at = tuple(slice(*np.searchsorted(i, (w.start, w.stop))) for i, w in zip(indices, where, strict=True))
    return [i[s] - w.start for i, s, w in zip(indices, at, where, strict=True)], at


def _tensor_of(block: Any, scale: float = 1.0) -> DenseTensor:
    """Return a block, or a part, as a tensor."""
    block = np.ascontiguousarray(np.ma.filled(block, np.nan))
    missing = np.flatnonzero(np.isnan(block))
    if len(missing):
        block = np.nan_to_num(block, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return DenseTensor(block, scale, missing)


def _surveyed(block: Any, where: Where) -> Survey:
    tensor = _tensor_of(block)
    with np.errstate(over="ignore"):  # the caller scales what is out of range, and asks again
        squares = tensor.slab_squares()
    observed = DenseTensor(np.ones_like(tensor.data), 1.0, tensor.hidden).slab_squares()
    return Survey(float(np.abs(tensor.data).max()), squares, observed)


def _picked(block: Any, where: Where, parts: Sequence[Sequence[Array]]) -> list[Array]:
    block = np.ma.filled(block, np.nan)
    return [block[np.ix_(*_within(indices, where)[0])] for indices in parts]


def _asked(block: Any, where: Where, function: Sums, factors: Sequence[Array], mode: int) -> tuple[Array, ...]:
    rows = [factor[part] for factor, part in zip(factors, where, strict=True)]
    return function(_tensor_of(block), rows, mode)
