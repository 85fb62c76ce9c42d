"""The scikit-learn estimators: a few lines each over `estimate_rank` and `fit_parafac`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from autoten._errors import as_generator, check_mode, check_real, refuse
from autoten._typing import Array
from autoten.door import LARGEST_COMPUTED, Data, Preprocessed, data_of, numbers_of, unlabelled
from autoten.estimate import estimate_rank
from autoten.fits import N_SPLITS
from autoten.holdout import Holdout, RandomElements, regressed_rows
from autoten.labels import names_of
from autoten.model import CPModel
from autoten.parafac import fit_parafac
from autoten.parts import Parts
from autoten.preprocess.steps import centred, scaled
from autoten.scores import DEFAULT_SCORERS, Scorer
from autoten.selection import DEFAULT_POLICY, Policy
from autoten.solvers.als import ALS
from autoten.solvers.base import Solver
from autoten.tensors.tensor import Tensor, weights_at


class _TensorTransformer(TransformerMixin, BaseEstimator):
    """What all of them tell scikit-learn: X has three modes or more, and cells of it may be missing."""

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


class _SampleTransformer(ClassNamePrefixFeaturesOutMixin, _TensorTransformer):
    """What a fitted model tells of new samples: their amounts of each component, and how well it predicts them."""

    # A subclass has the parameters `mode`, `heldout_share` and `random_state`; its `fit` sets ``model_``.

    model_: CPModel

    def transform(self, X: Any) -> Any:
        """Return the amounts of the components in new samples.

        Parameters
        ----------
        X : array_like
            Of the shape that was fitted but for the number of samples, which may be one. Missing cells are passed over;
            a sample with fewer observed cells than components has many best amounts, and gets small ones.

        Returns
        -------
        ndarray of shape (n_samples, rank), or data frame
            After ``set_output(transform="pandas")`` or ``"polars"`` a data frame, its columns named by the class and
            the number of the component (``cp0``, ``cp1``), in pandas with the labels of the samples as its index.

        Raises
        ------
        ValueError
            If X has another shape, or a sample without any observed cell.
        """
        data = self._samples(X, "transform")
        amounts = self._amounts(data.tensor) * data.tensor.scale
        output = getattr(self, "_sklearn_output_config", {}).get("transform", get_config()["transform_output"])
        if data.labels is None or output != "pandas":
            return amounts
        from pandas import DataFrame  # the index of a long table, a Series, has more rows than there are samples

        return DataFrame(amounts, index=data.labels.indices[self._mode_of_samples])

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
        tensor = self._samples(X, "score").tensor
        folds = RandomElements(share).folds(tensor, int(1 / share), as_generator(self.random_state))
        error = total = 0.0
        for fold in folds:
            values = tensor.values_at(fold.cells)
            predicted = self._model_of(self._amounts(fold.training(tensor))).values_at(fold.cells)
            weights = weights_at(tensor, fold.cells)
            error += float((weights * np.square(values - predicted)).sum())
            total += float((weights * np.square(values)).sum())
        return 1.0 - error / total if total else float(error == 0.0)

    def _samples(self, X: Any, method: str) -> Data:
        """Return new samples, of the fitted shape but for their number."""
        check_is_fitted(self)
        mode = self._mode_of_samples
        data = data_of(X, samples=mode)
        _check_like(data.tensor.shape, self.model_.shape, mode, f"X of {self._name}.{method}")
        return data

    def _amounts(self, tensor: Tensor) -> Array:
        mode = self._mode_of_samples
        if self.model_.rank == 0:  # AutoTen found nothing beyond noise: there is nothing to solve for
            return np.zeros((tensor.shape[mode], 0))
        return regressed_rows(tensor, self.model_.factors, mode)

    def _model_of(self, amounts: Array) -> CPModel:
        factors = list(self.model_.factors)
        factors[self._mode_of_samples] = amounts
        return CPModel(np.ones(self.model_.rank), tuple(factors))

    def _data(self, X: Any, largest_computed: int | None = None) -> Data:
        """Return what is fitted, and refuse a mode of samples that it does not have."""
        data = data_of(X, largest_computed=largest_computed)
        data.mode(self.mode, f"mode of {self._name}")
        return data

    @property
    def _mode_of_samples(self) -> int:
        return check_mode(self.mode, self.model_.ndim, f"mode of {self._name}", names_of(self.model_.labels))

    @property
    def _n_features_out(self) -> int:
        return self.model_.rank

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class AutoTen(_SampleTransformer):
    """Estimate the rank of a tensor and keep the model of that rank, the scikit-learn way.

    Once fitted it treats new samples as `CP` does with a model of the chosen rank: `transform` gives their amounts of
    each component, `score` says how well cells of theirs are predicted from their other cells.

    Parameters
    ----------
    ranks, solver, scorers, policy, holdout, n_starts, n_folds, n_splits
        Those of `estimate_rank`, which `fit` calls.
    random_state, n_jobs, progress, max_time, checkpoint, parts
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
        parts: Parts | None = None,
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
        self.parts = parts
        self.mode = mode
        self.heldout_share = heldout_share

    def fit(self, X: Any, y: object = None) -> AutoTen:
        """Estimate the rank of X, shape (I_1, ..., I_N), N >= 3; `y` is ignored."""
        data = self._data(X, LARGEST_COMPUTED if self.parts is None else 0)
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


class _Step(_TensorTransformer):
    """A step before a model: what it learns from the training samples, slabs of mode 0, it does to new samples."""

    # Of a subclass: what does the step, and what undoes it; whether what it finds for mode 0, or for the others, holds
    # for new samples too; and in words for which modes it can be undone.
    _step: Callable[..., tuple[Preprocessed, dict[int, Array]]]
    _undone: Callable[..., Array]
    _of_mode_0: bool
    _invertible: str

    def __init_subclass__(cls) -> None:
        # No data frame, whatever the output is set to: a tensor fits into none.
        super().__init_subclass__(auto_wrap_output_keys=None)

    def __init__(self, modes: int | str | Iterable[int | str]) -> None:
        self.modes = modes

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn what new samples need from X, shape (n_samples, I_2, ..., I_N), N >= 3; `y` is ignored."""
        prepared, found = self._step(self._name, X, self.modes, {})
        self.modes_, self.sample_shape_ = tuple(found), prepared.shape[1:]
        self.learned_ = {mode: numbers for mode, numbers in found.items() if (mode == 0) is self._of_mode_0}
        return self

    def transform(self, X: Any) -> Preprocessed:
        """Return new samples, any number of them, with the step done, and labels if they came with some.

        Raises
        ------
        TypeError, ValueError
            If X has another shape than was fitted, or is no tensor of finite real numbers.
        """
        check_is_fitted(self)
        given = unlabelled(X)
        self._check_samples(numbers_of(given.X, f"X of {self._name}")[0], "transform")
        return self._step(self._name, given, self.modes_, self.learned_)[0]

    def inverse_transform(self, X: Any) -> Array:
        """Return samples, shape (n_samples, I_2, ..., I_N), as they were before the step.

        Raises
        ------
        ValueError
            If X has another shape than was fitted, or the step took something from each sample that is not kept.
        """
        check_is_fitted(self)
        if set(self.modes_) != set(self.learned_):
            remedy = "What was taken from each sample by itself is not kept."
            refuse(f"modes of {self._name}", f"{self._invertible} for inverse_transform", self.modes_, remedy)
        samples = np.asarray(unlabelled(X))
        self._check_samples(samples, "inverse_transform")
        return self._undone(samples)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names that came in: a tensor's cells have none, and a pipeline asks every step."""
        return input_features

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: a tensor fits into no data frame. A pipeline sets the output of every step."""
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_samples(self, samples: Array, method: str) -> None:
        _check_like(samples.shape, (0, *self.sample_shape_), 0, f"X of {self._name}.{method}")


class CenterAcross(_Step):
    r"""Centre new samples as the training samples were centred: `preprocess.center` as a transformer.

    Across the mode of the samples, mode 0, the means over the training samples are subtracted,
    :math:`x_{ijk} - \bar x_{jk}`; across another mode each sample is centred by itself. Of the training samples that is
    what `preprocess.center` makes of them: to rounding, or to a part in 10^10 where it takes sweeps (several modes, and
    missing cells).

    Parameters
    ----------
    modes : int, str or iterable of these
        The mode to centre across, or several, by number, or by name if X is labelled.

    Attributes
    ----------
    learned_ : dict from mode to array
        Under 0, where that mode is centred across, the means of the training samples, shape (1, I_2, ..., I_N); NaN in
        cells of which no training sample was observed: there new samples come to be missing.
    modes_ : tuple of int
        The modes by number.
    sample_shape_ : tuple of int
        The shape of a sample.

    Examples
    --------
    >>> from autoten import CP, CenterAcross
    >>> from autoten.datasets import load_amino_acids
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> data = load_amino_acids()
    >>> X, tyrosine = data.X + 100, data.concentrations[:, 1] * 1e6  # a strong offset; μmol/l
    >>> pipeline = make_pipeline(CenterAcross(0), CP(3, random_state=0), Ridge(alpha=1e-6))
    >>> predicted = pipeline.fit(X[:4], tyrosine[:4]).predict(X[4:])
    >>> predicted.round(1), tyrosine[4:]
    (array([4.4]), array([4.4]))
    """

    _step = staticmethod(centred)
    _of_mode_0 = True
    _invertible = "0 alone"

    def _undone(self, samples: Array) -> Array:
        return np.add(samples, self.learned_[0])


class ScaleWithin(_Step):
    r"""Scale new samples as the training samples were scaled: `preprocess.scale` as a transformer.

    Slabs of a mode are divided by the root mean squares of the training samples' slabs, :math:`x_{ijk} / s_j`; within
    the mode of the samples, mode 0, each sample is divided by its own. Of the training samples that is what
    `preprocess.scale` makes of them: to rounding, or to a part in 10^10 where it takes sweeps (several modes).

    Parameters
    ----------
    modes : int, str or iterable of these
        The mode to scale within, or several, by number, or by name if X is labelled.

    Attributes
    ----------
    learned_ : dict from mode to array
        What the slabs of each mode but 0 are divided by, of length 1 along all others; NaN for a slab that was zero or
        unobserved in all training samples: it is left as it is.
    modes_ : tuple of int
        The modes by number.
    sample_shape_ : tuple of int
        The shape of a sample.

    Examples
    --------
    >>> import numpy as np
    >>> from autoten import ScaleWithin
    >>> X = np.ones((4, 2, 3)) * [[[5], [0.1]]]
    >>> scaling = ScaleWithin(1).fit(X)
    >>> scaling.learned_[1].ravel(), scaling.transform(2 * X[:1]).X[0, :, 0]
    (array([5. , 0.1]), array([2., 2.]))
    """

    _step = staticmethod(scaled)
    _of_mode_0 = False
    _invertible = "without 0"

    def _undone(self, samples: Array) -> Array:
        for divisors in self.learned_.values():
            samples = samples * np.where(np.isnan(divisors), 1.0, divisors)
        return samples


def _check_like(shape: tuple[int, ...], fitted: tuple[int, ...], mode: int, what: str) -> None:
    """Refuse samples, along `mode`, that are not of the fitted shape but for their number."""
    if len(shape) != len(fitted) or (*shape[:mode], fitted[mode], *shape[mode + 1 :]) != fitted:
        any_number = ", ".join("any" if n == mode else str(length) for n, length in enumerate(fitted))
        refuse(what, f"of shape ({any_number}), as fitted", f"shape {shape}")
