"""Which components of two models belong together, and how alike they are where the data say something.

Where cells are missing, entries of a factor may stand for cells that no one has observed: a fit leaves them at whatever
chance has made of them. Components are compared over observed cells only, each with its weight; of complete data that
is the usual product of cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from autoten._errors import refuse
from autoten._typing import Array
from autoten.door import as_tensor
from autoten.model import CPModel, as_cp
from autoten.tensors.dense import DenseTensor
from autoten.tensors.sparse import SparseTensor
from autoten.tensors.tensor import Tensor

# An array of what each cell counts for is made where it has at most so many cells for each hidden one.
ARRAY_CELLS = 8

# A component whose observed cells hold less than this share of its sum of squares has none: the rest is rounding.
UNSEEN = 1e-12


@dataclass(frozen=True, eq=False)
class Seen:
    """What each cell counts for where components are compared: `common`, and what `apart` adds to it, if anything."""

    shape: tuple[int, ...]
    common: float = 1.0
    apart: DenseTensor | SparseTensor | None = None

    @classmethod
    def of(cls, tensor: Tensor) -> Seen:
        """Return the weights of a tensor's cells: 0 where nothing is observed."""
        if tensor.cell_weights is not None:
            return cls(tensor.shape, 0.0, DenseTensor(tensor.cell_weights))
        if not len(tensor.hidden):
            return cls(tensor.shape)
        if prod(tensor.shape) > ARRAY_CELLS * len(tensor.hidden):
            return cls(tensor.shape, 1.0, SparseTensor.of(tensor.hidden, -np.ones(len(tensor.hidden)), tensor.shape))
        observed = np.ones(tensor.shape)
        observed.reshape(-1)[tensor.hidden] = 0.0
        return cls(tensor.shape, 0.0, DenseTensor(observed))

    def without(self, mode: int) -> Seen:
        """Return the weights of the cells of all other modes: sums over this one."""
        shape = self.shape[:mode] + self.shape[mode + 1 :]
        apart = self.apart
        if isinstance(apart, DenseTensor):
            apart = DenseTensor(apart.data.sum(axis=mode, dtype=float))
        elif apart is not None:
            cells = np.ravel_multi_index(tuple(np.delete(apart.pattern.coords, mode, axis=0)), shape)
            apart = SparseTensor.of(cells, apart.values, shape)
        return Seen(shape, self.common * self.shape[mode], apart)

    def inner_products(self, a: Sequence[Array], b: Sequence[Array]) -> Array:
        """Return the inner products of rank-one terms over all cells, each with its weight, shape (R_a, R_b)."""
        table: Array = self.common * reduce(np.multiply, (left.T @ right for left, right in zip(a, b, strict=True)))
        if self.apart is not None:
            # So many terms at once: with more pairs than cells in a row of the last mode, products outgrow the cells.
            n = max(self.shape[-1] // max(b[0].shape[1], 1), 1)
            for r in range(0, len(table), n):
                both = zip(a, b, strict=True)
                pairs = [(left[:, r : r + n, None] * right[:, None, :]).reshape(len(left), -1) for left, right in both]
                table[r : r + n] += (self.apart.mttkrp(pairs, 0) * pairs[0]).sum(axis=0).reshape(-1, table.shape[1])
        return table

    def rows(self, terms: Sequence[Array], mode: int) -> Array:
        """Return what the cells of each row of a mode add up to, weighted, of terms without that mode: (I_mode, R)."""
        total = self.common * np.prod([term.sum(axis=0) for n, term in enumerate(terms) if n != mode], axis=0)
        if self.apart is not None:
            total = total + self.apart.mttkrp(terms, mode)
        return np.asarray(np.maximum(np.broadcast_to(total, (self.shape[mode], total.shape[-1])), 0.0))

    def project(self, matrices: Sequence[Array]) -> Array:
        """Return the weights times the transpose of a matrix (I_n, k_n) in every mode."""
        total = self.common * reduce(np.multiply.outer, [matrix.sum(axis=0) for matrix in matrices])
        return np.asarray(total if self.apart is None else total + self.apart.project(matrices))

    def supported(self, model: CPModel) -> CPModel:
        """Return the model with what its entries rest on (`CPModel.support`), unless all cells count alike."""
        if self.apart is None or not model.rank:
            return model
        squares = [np.square(factor) for factor in model.unit_columns().factors]
        return replace(model, support=tuple(self.rows(squares, mode) for mode in range(model.ndim)))


def congruences(a: CPModel, b: CPModel, seen: Seen | None = None) -> Array:
    """Return the cosines between components as tensors over the cells that count, shape (a.rank, b.rank), in [-1, 1].

    With all cells, the products over modes of the cosines between columns; 0 for a component of which none is seen.
    """
    seen = Seen(a.shape) if seen is None else seen
    left, right = (model.unit_columns().factors for model in (a, b))
    table = seen.inner_products(left, right)
    if seen.apart is None:
        return np.asarray(table / seen.common)
    shown = []
    for factors in (left, right):
        squares = [np.square(factor) for factor in factors]
        sizes = (seen.rows(squares, 0) * squares[0]).sum(axis=0)
        shown.append(np.where(sizes > UNSEEN * max(seen.common, 1.0), sizes, np.inf) ** -0.5)
    return np.asarray(shown[0][:, None] * table * shown[1])


def factor_match_score(a: Any, b: Any, X: Any = None) -> float:
    r"""Return how alike two CP models' components are, in [0, 1]: 1 means the same up to order, sign and scale.

    The mean, over the best one-to-one matching of components, of the product over modes of the absolute cosines
    between their columns (weights are ignored). With unequal ranks the surplus components are left unmatched.

    Where X has missing cells, give it: entries that no observed cell determines are then not compared. The product of
    cosines becomes the cosine between components as tensors, over the observed cells of X (each with its weight).

    .. math:: \mathrm{FMS} = \max_\pi \frac{1}{R} \sum_r \prod_n
              \frac{|a^{(n)}_r \cdot b^{(n)}_{\pi(r)}|}{\|a^{(n)}_r\| \|b^{(n)}_{\pi(r)}\|}

    Parameters
    ----------
    a, b : CP models of the same shape
        `CPModel`, tensorly's ``CPTensor``, pyttb's ``ktensor`` or ``(weights, factors)``.
    X : array_like of shape (I_1, ..., I_N), optional
        The data that both describe; without them all cells count alike.

    Returns
    -------
    float
        In [0, 1]; 1.0 for two models without components.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Tomasi & Bro (2006), Computational Statistics & Data Analysis 50, 1700-1734 (congruence products).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> a = CPModel(np.ones(2), [rng.random((n, 2)) for n in (4, 5, 6)])
    >>> b = CPModel(np.ones(2), [-3 * f[:, ::-1] for f in a.factors])
    >>> round(factor_match_score(a, b), 12)
    1.0
    """
    return match_score(*_compared(a, b, X))


def match_score(a: CPModel, b: CPModel, seen: Seen) -> float:
    """Return the factor match score over the cells that count."""
    if min(a.rank, b.rank) == 0:
        return float(a.rank == b.rank)
    table = np.abs(congruences(a, b, seen))
    rows, columns = linear_sum_assignment(-table)
    return float(np.clip(table[rows, columns].mean(), 0.0, 1.0))


def _compared(a: Any, b: Any, X: Any) -> tuple[CPModel, CPModel, Seen]:
    """Return both models, of one shape, and what each cell of X counts for."""
    a = as_cp(a)
    b = as_cp(b, a.shape)
    if X is None:
        return a, b, Seen(a.shape)
    tensor = as_tensor(X)
    if tensor.shape != a.shape:
        refuse("X of the CP models", f"of their shape {a.shape}", f"shape {tensor.shape}")
    return a, b, Seen.of(tensor)


class Matches(NamedTuple):
    """Components of two models, matched one to one: what `match_components` returns.

    Attributes
    ----------
    first, second : arrays of int, shape (n_pairs,)
        The components of either model that belong together, in the order of the first model.
    cosines : array of shape (n_pairs, N)
        The cosine between their columns in each mode, in [-1, 1] (Tucker's congruence coefficient).
    congruence : array of shape (n_pairs,)
        That between the components as tensors, in [0, 1]: the product of the absolute cosines over all modes, unless
        cells are missing.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    cosines: Array
    congruence: Array


def match_components(a: Any, b: Any, X: Any = None) -> Matches:
    """Return which components of two CP models belong together, and how alike they are in each mode.

    The matching is the best one in the sense of `factor_match_score`, which is the mean of ``congruence``.

    Parameters
    ----------
    a, b : CP models of the same shape
        With unequal ranks the surplus components have no match.
    X : array_like of shape (I_1, ..., I_N), optional
        The data that both describe: where cells are missing, rows count by what their observed cells show of a
        component. Without X all count alike.

    Returns
    -------
    Matches
        ``first``, ``second``, ``cosines`` and ``congruence``.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Tucker (1951), A method for synthesis of factor analysis studies; Lorenzo-Seva & ten Berge (2006), Methodology 2,
    57-64 (0.95 and above: the same component).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a = CPModel(np.ones(2), [rng.random((n, 2)) for n in (4, 5, 6)])
    >>> b = CPModel(np.ones(2), [f[:, ::-1] for f in a.factors])
    >>> matches = match_components(a, b)
    >>> matches.second.tolist(), matches.congruence.round(12).tolist()
    ([1, 0], [1.0, 1.0])
    """
    return matches(*_compared(a, b, X))


def matches(a: CPModel, b: CPModel, seen: Seen) -> Matches:
    """Return the best matching over the cells that count; each row of a mode by what its cells show of both."""
    table = np.abs(congruences(a, b, seen))
    first, second = linear_sum_assignment(-table)
    left, right = ([f[:, of] for f in m.unit_columns().factors] for m, of in ((a, first), (b, second)))
    sizes = [np.abs(one * other) for one, other in zip(left, right, strict=True)]
    cosines = []
    for mode, (one, other) in enumerate(zip(left, right, strict=True)):
        weights = np.ones(one.shape) if seen.apart is None else seen.rows(sizes, mode)
        inner, *squares = (
            np.einsum("ir,ir,ir->r", weights, u, v) for u, v in ((one, other), (one, one), (other, other))
        )
        cosines.append(inner / np.sqrt(np.maximum(squares[0] * squares[1], np.finfo(float).tiny)))
    congruence = np.clip(table[first, second], 0.0, 1.0)
    return Matches(first, second, np.clip(np.stack(cosines, axis=1), -1.0, 1.0), congruence)


def most_opposed_pair(model: CPModel, seen: Seen | None = None) -> tuple[float, tuple[int, int]]:
    """Return the smallest congruence between two components and which two: near -1 means degeneracy.

    Two components that nearly cancel each other, with weights that grow without bound, are the sign of a
    CP degeneracy (Kruskal, Harshman & Lundy 1989); it is common just past the true rank.
    """
    if model.rank < 2:
        return 0.0, (0, 0)
    table = congruences(model, model, seen)
    np.fill_diagonal(table, np.inf)
    r, s = np.unravel_index(int(table.argmin()), table.shape)
    return float(table[r, s]), (int(min(r, s)), int(max(r, s)))
