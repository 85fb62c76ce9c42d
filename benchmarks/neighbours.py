"""Neighbouring packages as they are shipped, each behind a thin function that says exactly how it is run.

Their own conversions (pyttb wants Fortran order) happen before the clock starts; BLAS has one thread, as for us.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyttb
import tlviz.model_evaluation
from numpy.typing import NDArray
from tensorly.cp_tensor import CPTensor
from tensorly.decomposition import non_negative_parafac_hals, parafac

Array = NDArray[Any]


def tensorly_parafac(X: Array, rank: int, sweeps: int, tol: float, seed: int = 0) -> CPTensor:
    """Run ``tensorly.decomposition.parafac`` from one random start.

    ``init="random"`` (uniform factors), ``normalize_factors=False``, ``n_iter_max=sweeps``, everything else as it
    comes: numpy backend, no line search. It stops when the error relative to the norm of X changes by less than `tol`
    from one sweep to the next. With ``tol=0`` it does exactly `sweeps` sweeps and computes no error, which spares it a
    little work that we do.
    """
    return parafac(X, rank, n_iter_max=sweeps, init="random", normalize_factors=False, tol=tol, random_state=seed)


def tensorly_hals(X: Array, rank: int, sweeps: int, tol: float, seed: int = 0) -> CPTensor:
    """Run ``tensorly.decomposition.non_negative_parafac_hals`` from one random start.

    ``init="random"``, everything else as it comes; the same stopping rule as `tensorly_parafac`.
    """
    return non_negative_parafac_hals(X, rank, n_iter_max=sweeps, init="random", tol=tol, random_state=seed)


def tensorly_parafac_from(X: Array, factors: Sequence[Array], sweeps: int) -> CPTensor:
    """Run the same from given factors, exactly `sweeps` sweeps: for comparing results, never timed."""
    start = CPTensor((np.ones(factors[0].shape[1]), [factor.copy() for factor in factors]))
    return parafac(X, factors[0].shape[1], n_iter_max=sweeps, init=start, normalize_factors=False, tol=0)


def tensorly_masked(X: Array, observed: NDArray[np.bool_], rank: int, sweeps: int, tol: float, seed: int = 0) -> Any:
    """Run ``tensorly.decomposition.parafac`` with ``mask=observed`` (True = observed), else as `tensorly_parafac`.

    It imputes hidden cells from the model once a sweep. Its first sweep reads whatever X holds there, so X has to come
    with zeros in hidden cells: see `hidden_as_zero`.
    """
    return parafac(
        X,
        rank,
        n_iter_max=sweeps,
        init="random",
        normalize_factors=False,
        tol=tol,
        random_state=seed,
        mask=observed,
    )


def tensorly_masked_from(X: Array, observed: NDArray[np.bool_], factors: Sequence[Array], sweeps: int) -> CPTensor:
    """Run the same from given factors, exactly `sweeps` sweeps: for comparing results, never timed."""
    rank = factors[0].shape[1]
    start = CPTensor((np.ones(rank), [factor.copy() for factor in factors]))
    return parafac(X, rank, n_iter_max=sweeps, init=start, normalize_factors=False, tol=0, mask=observed)


def hidden_as_zero(X: Array, observed: NDArray[np.bool_]) -> Array:
    """Return X with zeros in hidden cells."""
    return np.where(observed, X, 0.0)


def pyttb_tensor(X: Array) -> pyttb.tensor:
    """Return X as pyttb stores it (a copy in Fortran order)."""
    return pyttb.tensor(X)


def pyttb_cp_als(tensor: pyttb.tensor, rank: int, sweeps: int, tol: float = 0.0) -> pyttb.ktensor:
    """Run ``pyttb.cp_als`` on a dense tensor from one random start.

    ``init`` as its "random" draws it, but not from numpy's global state; ``maxiters=sweeps``, ``stoptol=tol``,
    ``printitn=0``. With ``tol=0`` it does exactly `sweeps`.
    """
    uniform = np.random.RandomState(0).uniform
    start = pyttb.ktensor([uniform(0, 1, (length, rank)) for length in tensor.shape])
    return pyttb.cp_als(tensor, rank, stoptol=tol, maxiters=sweeps, init=start, printitn=0)[0]


def tlviz_core_consistency(X: Array, weights: Array, factors: Sequence[Array]) -> float:
    """Run ``tlviz.model_evaluation.core_consistency((weights, factors), X)``, Bro & Kiers' formula as ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=DeprecationWarning)
        return float(tlviz.model_evaluation.core_consistency((weights, list(factors)), X))


def pyttb_sptensor(coords: Array, values: Array, shape: tuple[int, ...]) -> pyttb.sptensor:
    """Return nonzeros, coordinates (nnz, N), as pyttb stores them."""
    return pyttb.sptensor(coords, values[:, None], shape)


def pyttb_mttkrp(tensor: pyttb.sptensor, factors: Sequence[Array], mode: int) -> Array:
    """Run ``sptensor.mttkrp``."""
    return np.asarray(tensor.mttkrp(list(factors), mode))


def pyttb_core(tensor: pyttb.sptensor, weights: Array, factors: Sequence[Array]) -> Array:
    """Return the least-squares core by pyttb's chain of products ``sptensor.ttm``, weights folded into factor 0."""
    first, *others = factors
    inverses = [np.linalg.pinv(factor) for factor in (first * weights, *others)]
    core = tensor.ttm(inverses, np.arange(len(inverses)))
    return np.asarray(core.full().data if hasattr(core, "full") else core.data)
