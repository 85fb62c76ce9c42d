"""Core consistency (CORCONDIA): is the structure really multilinear?

The factors are kept and an unrestricted Tucker core is fitted to the data. If the CP structure is right, that core is
superdiagonal; what it holds elsewhere, or lacks on the diagonal, counts against the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, cg

from autoten._errors import refuse
from autoten._typing import Array
from autoten.door import as_tensor, model_of
from autoten.fits import RankFits
from autoten.kernels import linear
from autoten.matching import Seen
from autoten.model import CPModel, n_parameters
from autoten.tensors.dense import DenseTensor
from autoten.tensors.sparse import SparseTensor
from autoten.tensors.tensor import Tensor, stack_rows

# Singular values of a factor below this share of its largest count as zero.
RANK_CUTOFF = 1e-10

# A core with more cells than this is not worth its memory; the score is then undefined (NaN).
LARGEST_CORE = 20_000_000

# A tangent space spanned by more than so many vectors, N F^2 of them, is not worth its time (past 25 components in 3
# modes); what noise is expected to cost is then undefined (NaN).
LARGEST_TANGENT = 2000

# What a model says of a cell counts for so much, where cells are missing: directions of the core that observed cells
# hardly see, such as one component's excitation with another's emission below it, would be noise blown up.
SEEN_CORE = 1e-3

# Up to so many cells of a core its equations are solved at once, by a matrix; beyond, by conjugate gradients up to this
# relative residual or number of steps. A core that solves nonnegative least squares has no more.
LARGEST_SOLVED_CORE = 1000
CORE_TOLERANCE = 1e-6
CORE_STEPS = 300

# Added to the equations of a core, scaled to a diagonal of ones: keeps them well-posed.
CORE_DAMPING = 1e-10


class CorrectedCoreConsistency(NamedTuple):
    """Core consistency and the two figures that put it into proportion.

    Attributes
    ----------
    raw : float
        Core consistency in percent, at most 100 and unbounded below.
    ceiling : float
        What an exact model with these factors would score: below 100 when the rank exceeds a dimension.
    noise_loss : float
        Points that white noise of the residual's size is expected to cost at these factors.
    corrected : float
        Core consistency without what ceiling and noise explain, in [-inf, 100]; see `corrected_core_consistency`.
    """

    raw: float
    ceiling: float
    noise_loss: float
    corrected: float


def core_consistency(X: Any, cp: Any) -> float:
    r"""Return the core consistency of a CP model of `X` in percent.

    .. math:: c = 100 \left(1 - \frac{\|G - T\|^2}{F}\right), \qquad
              G = \operatorname{argmin}_G \|X - G \times_1 A_1 \cdots \times_N A_N\|^2

    with unit columns, all weights folded into the first factor, and T the superdiagonal tensor of ones (Bro & Kiers
    2003, equation 7). Which factor carries the weights matters for what the core holds off its diagonal; the first
    one is the convention of tlviz. Its score is this one for models with unit columns, such as ours are; the columns of
    any other it takes at the lengths they have.
    100 is perfect; values near 0 or below speak against the model. In three modes it carries no information at one
    and two components: there every converged least-squares fit scores 100, whatever the data (a degenerate one,
    whose components still grow and cancel, has not converged in this sense and can score anything).

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        The data; missing cells (NaN, ``numpy.ma``) take no part: the core is fitted to observed cells only, by weighted
        least squares where they have weights (`weighted`). So that it does not stray where no cell has seen anything,
        what the model says counts in every cell for a thousandth of what is seen on average.
    cp : CP model of the same shape with F components
        `CPModel`, tensorly's ``CPTensor``, pyttb's ``ktensor`` or ``(weights, factors)``.

    Returns
    -------
    float
        At most 100; NaN for a model without components or a core too large to hold.

    Raises
    ------
    ValueError
        If the model has another shape than X, or X is not a tensor of finite numbers.

    References
    ----------
    Bro & Kiers (2003), Journal of Chemometrics 17, 274-286.

    Examples
    --------
    >>> from autoten import fit_parafac
    >>> from autoten.datasets import load_amino_acids
    >>> X = load_amino_acids().X
    >>> round(core_consistency(X, fit_parafac(X, 3, random_state=0).model), 1)
    99.8
    """
    tensor = as_tensor(X)
    return consistency(fitted_core(tensor, model_of(tensor, cp)))


def core_elements(X: Any, cp: Any) -> Array:
    r"""Return the least-squares core of a CP model of `X`: what core consistency is computed from.

    Perfect is the superdiagonal tensor of ones. See `core_consistency` for the definition, and
    ``plots.plot_core_elements`` for the picture.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        The data, as for `core_consistency`.
    cp : CP model of the same shape with F components, in descending order of weight in the answer

    Returns
    -------
    array of shape (F, ..., F)

    Raises
    ------
    ValueError
        As `core_consistency`; if the model has no component, or so many that the core cannot be held.

    Examples
    --------
    >>> from autoten import fit_parafac
    >>> from autoten.datasets import load_amino_acids
    >>> X = load_amino_acids().X
    >>> core = core_elements(X, fit_parafac(X, 3, random_state=0).model)
    >>> core.shape, np.einsum("rrr->r", core).round(1)
    ((3, 3, 3), array([1., 1., 1.]))
    """
    tensor = as_tensor(X)
    model = model_of(tensor, cp)
    core = fitted_core(tensor, model)
    if core is None:
        expected = f"a model of at least one component, with a core of at most {LARGEST_CORE} cells"
        refuse("the model of core_elements", expected, f"rank {model.rank}")
    return core


def corrected_core_consistency(X: Any, cp: Any) -> CorrectedCoreConsistency:
    r"""Return core consistency with its attainable ceiling and the loss that white noise alone explains.

    The ceiling is :math:`c_{max} = \frac{100}{F} \sum_{rs} \prod_n (A_n^+ A_n)_{rs}`. The expected loss is
    :math:`\ell = \frac{100}{F} \hat\sigma^2 \operatorname{tr}[W (I - P) W^T]` with :math:`W = \otimes A_n^+`, P
    the projector on the tangent space of the CP model (noise along it is absorbed by the fit and costs nothing) and
    :math:`\hat\sigma^2` the residual variance. With the structure's share :math:`s = c_{max} / (c_{max} + \ell)` of
    the core's expected energy,

    .. math:: c_{corrected} = 100 \, s \left(1 - \frac{\max(0, c_{max} - c - \ell)}{c_{max} + \ell}\right)

    What noise explains is not held against the model, but a core that noise drowns (:math:`s \to 0`) does not speak
    for it either. Collinear components have a large expected loss even when they are real, so that their raw value
    alone misleads. Both figures are approximations.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        The data, as for `core_consistency`.
    cp : CP model of the same shape with F components

    Returns
    -------
    CorrectedCoreConsistency
        ``raw``, ``ceiling``, ``noise_loss`` and ``corrected``, in percent points.

    Raises
    ------
    ValueError
        As `core_consistency`.

    Examples
    --------
    >>> from autoten import fit_parafac
    >>> from autoten.datasets import load_amino_acids
    >>> X = load_amino_acids().X
    >>> scores = corrected_core_consistency(X, fit_parafac(X, 3, random_state=0).model)
    >>> round(scores.ceiling), scores.noise_loss < 1
    (100, True)
    """
    tensor = as_tensor(X)
    model = model_of(tensor, cp)
    squared_error = tensor.squared_error(model.folded())
    return corrected(tensor, model, squared_error, consistency(fitted_core(tensor, model)))


def corrected(tensor: Tensor, model: CPModel, squared_error: float, raw: float) -> CorrectedCoreConsistency:
    """Return the corrected core consistency of a model whose squared error and raw core consistency are known."""
    if model.rank == 0:
        return CorrectedCoreConsistency(np.nan, np.nan, np.nan, np.nan)
    weights, spectra = _weights_and_spectra(model)
    ceiling, loss = _ceiling(spectra), _noise_loss(tensor, weights, spectra, squared_error)
    if ceiling + loss == 0.0:  # a model of nothing but zeros
        return CorrectedCoreConsistency(raw, ceiling, loss, 0.0)
    excess = max(0.0, ceiling - raw - loss) / (ceiling + loss)
    share = ceiling / (ceiling + loss)
    return CorrectedCoreConsistency(raw, ceiling, loss, 100.0 * share * (1.0 - excess))


def attainable(model: CPModel) -> float:
    """Return what an exact model with these factors would score."""
    return _ceiling(_weights_and_spectra(model)[1]) if model.rank else float("nan")


def core_consistency_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    """Return what `corrected_core_consistency` gives for the best start, and the raw value of every converged one."""
    if fits.loss is not None:
        return {}
    best = fits.best
    raw = consistency(fitted_core(tensor, best.model))
    of_starts = [
        raw if fit is best else consistency(fitted_core(tensor, fit.model)) if fit.converged else np.nan
        for fit in fits.starts
    ]
    scores = corrected(tensor, best.model, best.loss * tensor.norm_squared, raw)
    return {
        "core_consistency": raw,
        "core_consistency_starts": of_starts,
        "ceiling": scores.ceiling,
        "noise_loss": scores.noise_loss,
        "corrected_core_consistency": scores.corrected,
    }


def fitted_core(tensor: Tensor, model: CPModel) -> Array | None:
    """Return the least-squares core over observed cells, weights in mode 0; None without components or if too large."""
    if model.rank == 0 or float(model.rank) ** model.ndim > LARGEST_CORE:
        return None
    weights, spectra = _weights_and_spectra(model)
    if len(tensor.hidden) or tensor.cell_weights is not None:
        core = _core_over_observed(tensor, weights, spectra)
    else:
        core = tensor.project([s.basis for s in spectra])
    core = multiplied(core, [s.inverse for s in spectra])
    # Folding the weights into mode 0 divides its index by them; a component without weight has no core entry.
    inverse = _inverse_weights(weights)
    return core * inverse.reshape(-1, *[1] * (model.ndim - 1))


def consistency(core: Array | None) -> float:
    """Return how close a core is to the superdiagonal, in percent; NaN without a core."""
    if core is None:
        return float("nan")
    rank: int = core.shape[0]
    distance = core - superdiagonal(np.ones(rank), core.ndim)
    return 100.0 * (1.0 - float((distance**2).sum()) / rank)


def _ceiling(spectra: list[_Spectrum]) -> float:
    projectors = [s.projector for s in spectra]
    return 100.0 / len(projectors[0]) * float(reduce(np.multiply, projectors).sum())


@dataclass(frozen=True)
class _Spectrum:
    """A factor's singular value decomposition, cut off at its numerical rank and padded with zeros to F."""

    basis: Array  # (I, F), orthonormal columns, then zeros
    triangle: Array  # (F, F): basis @ triangle = factor
    inverse: Array  # (F, F): pseudo-inverse of triangle
    projector: Array  # (F, F): pseudo-inverse of the factor times the factor

    @classmethod
    def of(cls, factor: Array) -> _Spectrum:
        length, rank = factor.shape
        padded = factor if length >= rank else np.vstack([factor, np.zeros((rank - length, rank))])
        u, s, vt = np.linalg.svd(padded, full_matrices=False)
        kept = s > RANK_CUTOFF * s[0]
        inverse = np.divide(1.0, s, out=np.zeros(rank), where=kept)
        return cls(u[:length] * kept, (s * kept)[:, None] * vt, vt.T * inverse, (vt.T * kept) @ vt)


def _weights_and_spectra(model: CPModel) -> tuple[Array, list[_Spectrum]]:
    """Return the weights still to be folded into mode 0, and the factors' decompositions, unit columns."""
    # Folding weights after the pseudo-inverse equals folding them before, and is better conditioned, as long as the
    # factor has full column rank; a shorter factor 0 gets them at once.
    model = model.normalized()
    spectra = [_Spectrum.of(factor) for factor in model.factors]
    if spectra[0].projector.trace() > model.rank - 0.5:  # its numerical rank
        return model.weights, spectra
    return np.ones(model.rank), [_Spectrum.of(model.factors[0] * model.weights), *spectra[1:]]


def _inverse_weights(weights: Array) -> Array:
    nonzero = weights > RANK_CUTOFF**2 * weights.max(initial=0.0)
    return np.where(nonzero, 1.0 / np.where(nonzero, weights, 1.0), 0.0)


def multiplied(core: Array, matrices: list[Array]) -> Array:
    """Return the core times a matrix in every mode."""
    for matrix in reversed(matrices):
        core = np.tensordot(matrix, core, axes=(1, core.ndim - 1))
    return core


def values_of_core(tensor: DenseTensor | SparseTensor, matrices: list[Array]) -> Callable[[Array], Array]:
    """Return a function of a core: its model's values at the nonzero cells of a tensor."""
    cells = tensor.nonzero
    if isinstance(tensor, DenseTensor):
        return lambda core: multiplied(core, matrices).reshape(-1)[cells]
    rows, stacked, out = stack_rows(cells, tensor.shape), np.vstack(matrices), np.empty(len(cells))

    def at_cells(core: Array) -> Array:
        linear.tucker_values(rows, stacked, np.ascontiguousarray(core).reshape(-1), out)
        return out.copy()

    return at_cells


class CoreEquations:
    """The normal equations of a core, K' W K g = rhs: K the Kronecker product of matrices, W what cells count for."""

    def __init__(self, seen: Seen, matrices: list[Array]) -> None:
        self._seen, self._matrices = seen, matrices
        self._shape = tuple(matrix.shape[1] for matrix in matrices)
        size = prod(self._shape)
        if size <= LARGEST_SOLVED_CORE:
            self._matrix = self._formed()
            diagonal = np.diagonal(self._matrix)
        else:
            self._matrix = LinearOperator((size, size), matvec=self._times(), dtype=float)
            diagonal = seen.project([np.square(matrix) for matrix in matrices])
        self.diagonal = diagonal.reshape(self._shape)

    def _formed(self) -> Array:
        """Return K' W K: by its symmetry in every mode, the weights times products of pairs of columns."""
        rank, order = self._shape[0], len(self._shape)
        r, s = np.tril_indices(rank)
        place = np.empty((rank, rank), dtype=np.intp)
        place[r, s] = place[s, r] = np.arange(len(r))
        pairs = [matrix[:, r] * matrix[:, s] for matrix in self._matrices]
        # Modes with fewer indices than pairs are multiplied in the end: before, products would outgrow the cells.
        formed = self._seen.project([pair if len(pair) > len(r) else np.eye(len(pair)) for pair in pairs])
        for mode, pair in enumerate(pairs):
            if len(pair) <= len(r):
                formed = np.moveaxis(np.tensordot(formed, pair, (mode, 0)), -1, mode)
            formed = formed.take(place.reshape(-1), axis=mode)
        axes = [*range(0, 2 * order, 2), *range(1, 2 * order, 2)]
        return formed.reshape((rank,) * (2 * order)).transpose(axes).reshape(rank**order, rank**order)

    def _times(self) -> Callable[[Array], Array]:
        """Return the product with K' W K, which is never formed."""
        common, apart = self._seen.common, self._seen.apart
        assert apart is not None  # else there is nothing to solve
        grams = [matrix.T @ matrix for matrix in self._matrices]
        weights, model_at = apart.values_at(apart.nonzero), values_of_core(apart, self._matrices)

        def times(core: Array) -> Array:
            core = core.reshape(self._shape)
            of_cells = apart.with_values(weights * model_at(core)).project(self._matrices)
            return np.asarray(common * multiplied(core, grams) + of_cells).reshape(-1)

        return times

    def __matmul__(self, core: Array) -> Array:
        return np.asarray(self._matrix @ core.reshape(-1)).reshape(self._shape)

    def solved(self, rhs: Array, ridge: Array | float = 0.0, free: Array | bool = True) -> Array:
        """Return the core that solves the equations with `ridge` on the diagonal; 0 where it is not `free`."""
        diagonal = self.diagonal + ridge
        scale = (np.where(free & (diagonal > 0.0), diagonal, np.inf) ** -0.5).reshape(-1)
        scaled_rhs = scale * rhs.reshape(-1)
        if isinstance(self._matrix, np.ndarray):
            scaled = self._matrix * scale
            scaled *= scale[:, None]
            np.fill_diagonal(scaled, 1.0 + CORE_DAMPING)
            found = cho_solve(cho_factor(scaled, lower=True, overwrite_a=True), scaled_rhs)
        else:
            own = CORE_DAMPING + scale**2 * (diagonal - self.diagonal).reshape(-1)
            scaled = LinearOperator(
                self._matrix.shape, matvec=lambda g: scale * (self._matrix @ (scale * g)) + own * g, dtype=float
            )
            found, _ = cg(scaled, scaled_rhs, rtol=CORE_TOLERANCE, maxiter=CORE_STEPS)
        return np.asarray(scale * found).reshape(self._shape)


def _core_over_observed(tensor: Tensor, weights: Array, spectra: list[_Spectrum]) -> Array:
    """Return the (weighted) core in the orthonormal bases over observed cells: the model's, and what it lacks."""
    bases = [s.basis for s in spectra]
    equations = CoreEquations(Seen.of(tensor), bases)
    start = multiplied(superdiagonal(weights, len(bases)), [s.triangle for s in spectra])
    return start + equations.solved(tensor.project(bases) - equations @ start, unseen(tensor))


def superdiagonal(weights: Array, order: int) -> Array:
    """Return the core of a CP model with these weights."""
    core = np.zeros((weights.size,) * order)
    core[(np.arange(weights.size),) * order] = weights
    return core


def unseen(tensor: Tensor) -> float:
    """Return what the model counts for in every cell where some are hidden: of what is seen on average, `SEEN_CORE`."""
    return SEEN_CORE * tensor.n_observed / prod(tensor.shape) if len(tensor.hidden) else 0.0


def _noise_loss(tensor: Tensor, weights: Array, spectra: list[_Spectrum], squared_error: float) -> float:
    """Return (100 / F) sigma^2 tr[W (I - P) W'], never forming a matrix larger than (N F^2, N F^2)."""
    rank, order = weights.size, len(spectra)
    freedom = tensor.n_observed - n_parameters(tensor.shape, rank)
    if freedom <= 0 or order * rank**2 > LARGEST_TANGENT:
        return float("nan")
    # Over observed cells only, the core's variance grows about as the share of observed cells shrinks. Where they have
    # weights, as the mean weight of all cells shrinks: the same share, for observed ones weigh 1 on average.
    variance = squared_error / freedom * (tensor.n_observed + len(tensor.hidden)) / tensor.n_observed

    metrics = [_inverse_weights(weights) ** 2, *[np.ones(rank)] * (order - 1)]
    inverses = [s.inverse for s in spectra]
    total = float(np.prod([np.sum(d[:, None] * v**2) for d, v in zip(metrics, inverses, strict=True)]))
    tangent = _inner_products(
        [np.eye(rank)] * order, [s.triangle for s in spectra], [s.triangle.T @ s.triangle for s in spectra]
    )
    mapped = _inner_products(
        [v.T @ (d[:, None] * v) for d, v in zip(metrics, inverses, strict=True)],
        [v.T @ (d[:, None] * s.projector) for d, v, s in zip(metrics, inverses, spectra, strict=True)],
        [s.projector @ (d[:, None] * s.projector) for d, s in zip(metrics, spectra, strict=True)],
    )
    values, vectors = np.linalg.eigh(tangent)
    kept = vectors[:, values > RANK_CUTOFF * values[-1]] / np.sqrt(values[values > RANK_CUTOFF * values[-1]])
    absorbed = float(np.einsum("ij,ij->", kept, mapped @ kept))
    return 100.0 / rank * variance * max(total - absorbed, 0.0)


def _inner_products(free: list[Array], mixed: list[Array], fixed: list[Array]) -> Array:
    """Return the Gram matrix of tangent vectors: e_i in mode n times component r's columns in every other mode."""
    # By mode, inner products of e_i with e_j (`free`), with columns (`mixed`), and of columns with columns (`fixed`).
    order, rank = len(free), len(free[0])
    gram = np.zeros((order, rank, rank, order, rank, rank))
    for n in range(order):
        for m in range(order):
            others = reduce(np.multiply, [fixed[k] for k in range(order) if k not in (n, m)])
            if n == m:
                gram[n, :, :, n] = np.einsum("ij,rs->irjs", free[n], others)
            else:
                gram[n, :, :, m] = np.einsum("is,jr,rs->irjs", mixed[n], mixed[m], others)
    size = order * rank * rank
    return gram.reshape(size, size)
