"""The scikit-learn estimator: a few lines over `estimate_rank`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator

from autoten.estimate import estimate_rank
from autoten.holdout import Holdout, RandomElements
from autoten.scores import DEFAULT_SCORERS
from autoten.selection import DEFAULT_POLICY, Policy
from autoten.solvers.als import ALS
from autoten.solvers.base import Solver

if TYPE_CHECKING:
    from autoten.scores import Scorer


class AutoTen(BaseEstimator):
    """Estimate the rank of a tensor and keep the model of that rank, the scikit-learn way.

    Parameters are those of `estimate_rank`, which it calls.

    Attributes
    ----------
    rank_ : int
        The chosen rank.
    probabilities_ : dict from rank to float
    table_ : RankTable
    model_ : CPModel
        The fitted model of the chosen rank.
    estimate_ : RankEstimate
        Everything: report, plots, warnings.

    Examples
    --------
    >>> from autoten import AutoTen
    >>> from autoten.datasets import load_amino_acids
    >>> AutoTen(range(1, 5), random_state=0).fit(load_amino_acids().X).rank_
    3
    """

    def __init__(
        self,
        ranks: Iterable[int] = range(1, 11),
        *,
        solver: Solver | Sequence[Solver] = ALS(),  # noqa: B008 (a frozen value)
        scorers: Sequence[Scorer] = DEFAULT_SCORERS,
        policy: Policy = DEFAULT_POLICY,
        holdout: Holdout = RandomElements(0.1),  # noqa: B008 (a frozen value)
        n_starts: int = 10,
        n_folds: int = 5,
        random_state: Any = None,
        n_jobs: int = 1,
    ) -> None:
        self.ranks = ranks
        self.solver = solver
        self.scorers = scorers
        self.policy = policy
        self.holdout = holdout
        self.n_starts = n_starts
        self.n_folds = n_folds
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: None = None) -> AutoTen:
        """Estimate the rank of X, shape (I_1, ..., I_N), N >= 3; `y` is ignored."""
        self.estimate_ = estimate_rank(X, **self.get_params(deep=False))
        self.rank_ = self.estimate_.rank
        self.probabilities_ = self.estimate_.probabilities
        self.table_ = self.estimate_.table
        self.model_ = self.estimate_.model
        return self
