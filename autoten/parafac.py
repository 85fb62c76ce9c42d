"""Fits for their own sake: one rank of a whole tensor, and of halves of its samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from autoten._errors import check_integer, refuse
from autoten._typing import Array
from autoten.door import data_of
from autoten.fits import Plan, entropy_of
from autoten.holdout import SHORTEST_SPLIT, RandomElements, random_halves, without_mode
from autoten.matching import Seen, match_score, matches
from autoten.model import CPModel, check_largest_rank
from autoten.solvers.als import ALS
from autoten.solvers.base import Fit, Solver
from autoten.solvers.subspaces import Occupied
from autoten.sweep import fit_once


def fit_parafac(
    X: Any, rank: int, *, solver: Solver | None = None, n_starts: int = 10, random_state: Any = None
) -> Fit:
    """Fit a PARAFAC/CP model of one rank and return the best of several starts.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N), N >= 3
        The data; NaN and masked cells are missing.
    rank : int
        Number of components, >= 1.
    solver : Solver, optional
        ``ALS()`` by default.
    n_starts : int
        Number of starts, of mixed kinds: spectral, Gaussian and nonnegative.
    random_state : int, Generator, RandomState or None
        Same seed, same result.

    Returns
    -------
    Fit
        ``model`` in the units of X and with its labels, ``loss`` (unexplained share of the sum of squares), ``n_iter``,
        ``converged``, ``history``.

    Raises
    ------
    TypeError, ValueError
        One sentence for each unsuitable argument.

    Examples
    --------
    >>> from autoten.datasets import load_amino_acids
    >>> fit = fit_parafac(load_amino_acids().X, 3, random_state=0)
    >>> fit.model.shape, round(100 * (1 - fit.loss), 2)
    ((5, 201, 61), 99.94)
    """
    data = data_of(X)
    whole = data.tensor
    rank = check_integer(rank, "rank of fit_parafac", minimum=1)
    check_largest_rank(whole.shape, rank, "rank of fit_parafac")
    occupied = Occupied.of(whole)
    tensor = occupied.tensor
    n_starts = check_integer(n_starts, "n_starts", minimum=1)
    solver = data.numbered(solver or ALS())
    best = fit_once(tensor, rank, Plan(solver, RandomElements(), n_starts, 0, entropy_of(random_state)))
    model = Seen.of(whole).supported(occupied.expand(best.model)).scaled(tensor.scale).labelled(data.labels)
    return Fit(model, best.loss, best.n_iter, best.converged, best.history)


def split_half(
    X: Any,
    rank: int,
    mode: int | str = 0,
    *,
    solver: Solver | None = None,
    n_splits: int = 5,
    n_starts: int = 5,
    random_state: Any = None,
) -> Array:
    """Return how well models of two random halves of a sample mode agree in the other modes.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        The data.
    rank : int
        Number of components.
    mode : int or str
        The mode of samples, of length >= 4, that is split, by number, or by name if X is labelled.
    solver : Solver, optional
        ``ALS()`` by default.
    n_splits, n_starts : int
        Number of random splits, and of starts for each half.
    random_state : int, Generator, RandomState or None
        Same seed, same result.

    Returns
    -------
    array of shape (n_splits,)
        Factor match scores over the other modes, in [0, 1]; where cells are missing, over what is observed of them.

    Raises
    ------
    ValueError
        If the mode is too short to split, or another argument is unsuitable.

    References
    ----------
    Harshman & Lundy (1984), in Law et al., Research Methods for Multimode Data Analysis, 122-215.

    Examples
    --------
    >>> from autoten.datasets import make_cp_tensor
    >>> X = make_cp_tensor((20, 8, 9), 2, random_state=0).X
    >>> bool(split_half(X, 2, n_splits=2, random_state=0).min() > 0.95)
    True
    """
    _, halves, seen = _halves(X, rank, mode, solver, n_splits, n_starts, random_state)
    return np.array([match_score(*models, seen) for models in halves])


class SplitHalf(NamedTuple):
    """How well each component comes back from halves of the samples: what `split_half_components` returns.

    Attributes
    ----------
    model : CPModel
        The model of all samples, whose components are the ones reported on.
    modes : tuple of int
        The modes that are compared: all but the one that is split.
    congruences : array of shape (n_splits, R, n_modes)
        For each split and component, the absolute cosine between the columns of its two halves in each of `modes`, in
        [0, 1] (Tucker's congruence coefficient; 0.95 and above is taken as the same spectrum). Where cells are missing,
        each row counts by what its observed cells show of the component.
    """

    model: CPModel
    modes: tuple[int, ...]
    congruences: Array

    @property
    def worst(self) -> Array:
        """The smallest congruence of each component over modes, in the median split, shape (R,)."""
        return np.asarray(np.median(self.congruences.min(axis=2), axis=0))


def split_half_components(
    X: Any,
    rank: int,
    mode: int | str = 0,
    *,
    solver: Solver | None = None,
    n_splits: int = 5,
    n_starts: int = 5,
    random_state: Any = None,
) -> SplitHalf:
    """Return how well each component comes back from random halves of a sample mode, mode by mode.

    The same splits and fits as `split_half`, whose score is the mean over components of the product over modes. The two
    halves' components are matched with one another, and named by the component of the whole that they resemble most.

    Parameters
    ----------
    X, rank, mode, solver, n_splits, n_starts, random_state
        As for `split_half`.

    Returns
    -------
    SplitHalf
        ``model``, ``modes``, ``congruences`` and ``worst``.

    Raises
    ------
    ValueError
        As `split_half`.

    References
    ----------
    Murphy, Stedmon, Graeber & Bro (2013), Fluorescence spectroscopy and multi-way techniques. PARAFAC, Analytical
    Methods 5, 6557-6566 (split-half validation of excitation-emission matrices).

    Examples
    --------
    >>> from autoten.datasets import make_cp_tensor
    >>> X = make_cp_tensor((20, 8, 9), 2, random_state=0).X
    >>> halves = split_half_components(X, 2, n_splits=3, random_state=0)
    >>> halves.congruences.shape, bool(halves.worst.min() > 0.95)
    ((3, 2, 2), True)
    """
    data = data_of(X)
    split, halves, seen = _halves(data, rank, mode, solver, n_splits, n_starts, random_state)
    whole = fit_parafac(data, rank, solver=solver, n_starts=n_starts, random_state=entropy_of(random_state))
    others = tuple(n for n in range(whole.model.ndim) if n != split)
    wanted = CPModel(whole.model.weights, tuple(whole.model.factors[n] for n in others))
    congruences = []
    for first, second in halves:
        named = matches(wanted, first, seen)
        congruences.append(np.abs(matches(first, second, seen).cosines)[named.second])
    return SplitHalf(whole.model, others, np.stack(congruences))


def _halves(
    X: Any, rank: int, mode: int | str, solver: Solver | None, n_splits: int, n_starts: int, random_state: Any
) -> tuple[int, list[tuple[CPModel, CPModel]], Seen]:
    """Return the sample mode's number, models, without it, of both halves of every split, and what they are seen by."""
    data = data_of(X)
    tensor = data.tensor
    mode = data.mode(mode, "mode of split_half")
    solver = data.numbered(solver)
    length = tensor.shape[mode]
    if length < SHORTEST_SPLIT:
        refuse("the mode to split", f"of length >= {SHORTEST_SPLIT}", f"length {length}")
    rank = check_integer(rank, "rank of split_half", minimum=1)
    rng = np.random.default_rng(entropy_of(random_state))
    pairs = []
    for _ in range(check_integer(n_splits, "n_splits", minimum=1)):
        models = []
        for half in random_halves(tensor.shape, mode, rng):
            part = tensor.sub(half)
            seed = int(rng.integers(2**32))
            fit = fit_parafac(part, rank, solver=solver, n_starts=n_starts, random_state=seed)
            models.append(without_mode(fit.model, mode))
        pairs.append((models[0], models[1]))
    return mode, pairs, Seen.of(tensor).without(mode)
