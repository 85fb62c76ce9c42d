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


def tensorly_parafac(
    X: Array,
    rank: int,
    sweeps: int,
    tol: float = 0.0,
    seed: int = 0,
    *,
    start: Sequence[Array] | None = None,
    observed: NDArray[np.bool_] | None = None,
) -> CPTensor:
    """Run ``tensorly.decomposition.parafac`` from one random start.

    ``init="random"`` (uniform factors), ``normalize_factors=False``, ``n_iter_max=sweeps``, everything else as it
    comes: numpy backend, no line search. It stops when the error relative to the norm of X changes by less than `tol`
    from one sweep to the next. With ``tol=0`` it does exactly `sweeps` sweeps and computes no error, which spares it a
    little work that we do. From given factors (`start`) it runs for comparing results, never timed.

    With ``mask=observed`` it imputes hidden cells from the model once a sweep. Its first sweep reads whatever X holds
    there, so X has to come with zeros in hidden cells.
    """
    init = "random" if start is None else CPTensor((np.ones(rank), [factor.copy() for factor in start]))
    return parafac(
        X, rank, n_iter_max=sweeps, init=init, normalize_factors=False, tol=tol, random_state=seed, mask=observed
    )


def tensorly_hals(X: Array, rank: int, sweeps: int, tol: float, seed: int = 0) -> CPTensor:
    """Run ``tensorly.decomposition.non_negative_parafac_hals``, stopped and started as `tensorly_parafac`."""
    return non_negative_parafac_hals(X, rank, n_iter_max=sweeps, init="random", tol=tol, random_state=seed)


def pyttb_cp_als(tensor: pyttb.tensor, rank: int, sweeps: int) -> pyttb.ktensor:
    """Run ``pyttb.cp_als`` on a dense tensor from one random start: exactly `sweeps` sweeps.

    ``init`` as its "random" draws it, but not from numpy's global state; ``stoptol=0``, ``printitn=0``.
    """
    uniform = np.random.RandomState(0).uniform
    start = pyttb.ktensor([uniform(0, 1, (length, rank)) for length in tensor.shape])
    return pyttb.cp_als(tensor, rank, stoptol=0.0, maxiters=sweeps, init=start, printitn=0)[0]


def tlviz_core_consistency(X: Array, weights: Array, factors: Sequence[Array]) -> float:
    """Run ``tlviz.model_evaluation.core_consistency((weights, factors), X)``, Bro & Kiers' formula as ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=DeprecationWarning)
        return float(tlviz.model_evaluation.core_consistency((weights, list(factors)), X))


def pyttb_core(tensor: pyttb.sptensor, weights: Array, factors: Sequence[Array]) -> Array:
    """Return the least-squares core by pyttb's chain of products ``sptensor.ttm``, weights folded into factor 0."""
    first, *others = factors
    inverses = [np.linalg.pinv(factor) for factor in (first * weights, *others)]
    core = tensor.ttm(inverses, np.arange(len(inverses)))
    return np.asarray(core.full().data if hasattr(core, "full") else core.data)
