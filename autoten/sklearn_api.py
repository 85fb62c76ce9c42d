"""The scikit-learn estimators: a few lines each over `estimate_rank` and `fit_parafac`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from autoten._errors import as_generator, check_mode, check_real, refuse
from autoten._typing import Array
from autoten.door import Data, data_of
from autoten.estimate import estimate_rank
from autoten.fits import N_SPLITS
from autoten.holdout import Holdout, RandomElements, regressed_rows
from autoten.labels import names_of
from autoten.model import CPModel
from autoten.parafac import fit_parafac
from autoten.scores import DEFAULT_SCORERS
from autoten.selection import DEFAULT_POLICY, Policy
from autoten.solvers.als import ALS
from autoten.solvers.base import Solver
from autoten.tensors.tensor import weights_at

if TYPE_CHECKING:
    from pathlib import Path

    from autoten.scores import Scorer
    from autoten.tensors.tensor import Tensor


class _SampleTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What a fitted model tells of new samples: their amounts of each component, and how well it predicts them."""

    # A subclass has the parameters `mode`, `heldout_share` and `random_state`; its `fit` sets ``model_``.

    mode: int | str
    heldout_share: float
    random_state: Any
    model_: CPModel

    def transform(self, X: Any) -> Array:
        """Return the amounts of the components in new samples, shape (n_samples, rank).

        Parameters
        ----------
        X : array_like
            Of the shape that was fitted but for the number of samples, which may be one. Missing cells are passed over;
            a sample with fewer observed cells than components has many best amounts, and gets small ones.

        Raises
        ------
        ValueError
            If X has another shape, or a sample without any observed cell.
        """
        tensor = self._samples(X, "transform")
        return self._amounts(tensor) * tensor.scale

    def inverse_transform(self, X: Any) -> Array:
        """Return the tensor of samples with these amounts, shape (n_samples, rank), of the components."""
        check_is_fitted(self)
        amounts = np.asarray(X)
        if amounts.ndim != 2 or amounts.shape[1] != self.model_.rank:
            expected = f"amounts of {self.model_.rank} components, shape (n_samples, {self.model_.rank})"
            refuse(f"X of {self._name}.inverse_transform", expected, f"shape {amounts.shape}")
        return self._model_of(amounts).to_tensor()

    def score(self, X: Any, y: object = None) -> float:
        r"""Return how well cells of new samples are predicted from their other cells, at most 1; `y` is ignored.

        The amounts of the components are estimated from all cells but a share drawn at random, which they then predict;
        disjoint shares take turns until (nearly) every observed cell was predicted once.

        .. math:: 1 - \sum_h (x_h - \hat x_h)^2 \Big/ \sum_h x_h^2

        1 is perfect, 0 no better than predicting zero. Predicting the cells that the amounts were estimated from would
        favour ever more components.

        Raises
        ------
        ValueError
            As `transform`.
        """
        share = check_real(self.heldout_share, f"heldout_share of {self._name}", above=0.0, below=0.5000001)
        tensor = self._samples(X, "score")
        folds = RandomElements(share).folds(tensor, int(1 / share), as_generator(self.random_state))
        error = total = 0.0
        for fold in folds:
            values = tensor.values_at(fold.cells)
            predicted = self._model_of(self._amounts(fold.training(tensor))).values_at(fold.cells)
            weights = weights_at(tensor, fold.cells)
            error += float((weights * np.square(values - predicted)).sum())
            total += float((weights * np.square(values)).sum())
        return 1.0 - error / total if total else float(error == 0.0)

    def _samples(self, X: Any, method: str) -> Tensor:
        """Return new samples as a tensor, of the fitted shape but for their number."""
        check_is_fitted(self)
        mode, fitted = self._mode_of_samples, self.model_.shape
        tensor = data_of(X, samples=mode).tensor
        if len(tensor.shape) != len(fitted) or _without(tensor.shape, mode) != _without(fitted, mode):
            any_number = ", ".join("any" if n == mode else str(length) for n, length in enumerate(fitted))
            refuse(f"X of {self._name}.{method}", f"of shape ({any_number}), as fitted", f"shape {tensor.shape}")
        return tensor

    def _amounts(self, tensor: Tensor) -> Array:
        mode = self._mode_of_samples
        if self.model_.rank == 0:  # AutoTen found nothing beyond noise: there is nothing to solve for
            return np.zeros((tensor.shape[mode], 0))
        return regressed_rows(tensor, self.model_.factors, mode)

    def _model_of(self, amounts: Array) -> CPModel:
        factors = list(self.model_.factors)
        factors[self._mode_of_samples] = amounts
        return CPModel(np.ones(self.model_.rank), tuple(factors))

    def _data(self, X: Any) -> Data:
        """Return what is fitted, and refuse a mode of samples that it does not have."""
        data = data_of(X)
        data.mode(self.mode, f"mode of {self._name}")
        return data

    @property
    def _mode_of_samples(self) -> int:
        return check_mode(self.mode, self.model_.ndim, f"mode of {self._name}", names_of(self.model_.labels))

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def _n_features_out(self) -> int:
        return self.model_.rank

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


class AutoTen(_SampleTransformer):
    """Estimate the rank of a tensor and keep the model of that rank, the scikit-learn way.

    Once fitted it treats new samples as `CP` does with a model of the chosen rank: `transform` gives their amounts of
    each component, `score` says how well cells of theirs are predicted from their other cells.

    Parameters
    ----------
    ranks, solver, scorers, policy, holdout, n_starts, n_folds, n_splits
        Those of `estimate_rank`, which `fit` calls.
    random_state, n_jobs, progress, max_time, checkpoint
        Those of `estimate_rank`, which `fit` calls.
    mode : int or str
        The mode of the samples, by number, or by name if X is labelled. Cross-validation of scikit-learn splits mode 0.
    heldout_share : float
        Share of the cells of new samples, in (0, 0.5], that `score` predicts from the others.

    Attributes
    ----------
    rank_ : int
        The chosen rank. Where it is 0, nothing beyond noise, amounts have no column and the score is 0.
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
    >>> X = load_amino_acids().X
    >>> estimator = AutoTen(range(1, 5), random_state=0).fit(X)
    >>> estimator.rank_, estimator.transform(X[3:]).shape, estimator.score(X[3:]) > 0.99
    (3, (2, 3), True)
    """

    def __init__(
        self,
        ranks: int | Iterable[int] | None = None,
        *,
        solver: Solver | Sequence[Solver] | None = None,
        scorers: Sequence[Scorer] = DEFAULT_SCORERS,
        policy: Policy = DEFAULT_POLICY,
        holdout: Holdout = RandomElements(0.1),  # noqa: B008 (a frozen value)
        n_starts: int = 10,
        n_folds: int = 5,
        n_splits: int = N_SPLITS,
        random_state: Any = None,
        n_jobs: int = 1,
        progress: bool = False,
        max_time: float | None = None,
        checkpoint: str | Path | None = None,
        mode: int | str = 0,
        heldout_share: float = 0.2,
    ) -> None:
        self.ranks = ranks
        self.solver = solver
        self.scorers = scorers
        self.policy = policy
        self.holdout = holdout
        self.n_starts = n_starts
        self.n_folds = n_folds
        self.n_splits = n_splits
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.progress = progress
        self.max_time = max_time
        self.checkpoint = checkpoint
        self.mode = mode
        self.heldout_share = heldout_share

    def fit(self, X: Any, y: object = None) -> AutoTen:
        """Estimate the rank of X, shape (I_1, ..., I_N), N >= 3; `y` is ignored."""
        data = self._data(X)
        of_new_samples = ("mode", "heldout_share")
        settings = {name: value for name, value in self.get_params(deep=False).items() if name not in of_new_samples}
        self.estimate_ = estimate_rank(data, **settings)
        self.rank_ = self.estimate_.rank
        self.probabilities_ = self.estimate_.probabilities
        self.table_ = self.estimate_.table
        self.model_ = self.estimate_.model
        return self


class CP(_SampleTransformer):
    r"""A PARAFAC/CP model of one rank as a transformer: samples in, their amounts of each component out.

    One mode holds the samples. `fit` finds the components; `transform` gives for new samples, complete or with missing
    cells, the amounts :math:`s_{ir}` that fit them best in least squares,
    :math:`x_{ijk} \approx \sum_r s_{ir} b_{jr} c_{kr}`, with the columns of the other modes, B and C, kept as they are.

    Parameters
    ----------
    rank : int
        Number of components, >= 1.
    mode : int or str
        The mode of the samples, by number, or by name if X is labelled. Cross-validation of scikit-learn splits mode 0.
    solver : Solver
        How the model is fitted.
    n_starts : int
        Number of starts.
    heldout_share : float
        Share of the cells of new samples, in (0, 0.5], that `score` predicts from the others.
    random_state : int, Generator, RandomState or None
        Same seed, same fit and same score.

    Attributes
    ----------
    model_ : CPModel
        The fitted model: unit columns, weights in descending order.
    n_iter_ : int
        Sweeps of the best start.

    Examples
    --------
    >>> from autoten import CP
    >>> from autoten.datasets import load_amino_acids
    >>> X = load_amino_acids().X
    >>> cp = CP(3, random_state=0).fit(X)
    >>> mixtures = cp.transform(X[3:])
    >>> mixtures.shape, cp.inverse_transform(mixtures).shape, cp.score(X[3:]) > 0.99
    ((2, 3), (2, 201, 61), True)
    """

    def __init__(
        self,
        rank: int = 1,
        *,
        mode: int | str = 0,
        solver: Solver = ALS(),  # noqa: B008 (a frozen value)
        n_starts: int = 10,
        heldout_share: float = 0.2,
        random_state: Any = None,
    ) -> None:
        self.rank = rank
        self.mode = mode
        self.solver = solver
        self.n_starts = n_starts
        self.heldout_share = heldout_share
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> CP:
        """Fit the model to X, shape (I_1, ..., I_N), N >= 3; `y` is ignored."""
        data = self._data(X)
        fit = fit_parafac(data, self.rank, solver=self.solver, n_starts=self.n_starts, random_state=self.random_state)
        self.model_ = fit.model
        self.n_iter_ = fit.n_iter
        return self


def _without(shape: tuple[int, ...], mode: int) -> tuple[int, ...]:
    return shape[:mode] + shape[mode + 1 :]
