"""estimate_rank: from a tensor to a rank, its reason, and everything that led to it."""

from __future__ import annotations

import importlib
import json
import logging
import math
import platform
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numba
import numpy as np
import scipy

from autoten import report
from autoten._errors import check_integer, check_ranks, check_real, refuse
from autoten.checkpoint import Checkpoint, fingerprint
from autoten.door import as_tensor
from autoten.doubts import data_warnings, empty_warnings, fit_warnings, looks_like_counts, unseen_warnings
from autoten.fits import RankFits
from autoten.holdout import Blocks, Holdout, RandomElements
from autoten.labels import Labels, numbered, split_labels
from autoten.matching import Seen
from autoten.model import CPModel, n_parameters
from autoten.scores import DEFAULT_SCORERS
from autoten.selection import (
    DEFAULT_POLICY,
    Alternative,
    Choice,
    Policy,
    apply_policy,
    choose_between,
    selection_frequency,
)
from autoten.selection.choice import check_policy, policy_name
from autoten.solvers.als import ALS
from autoten.solvers.base import Solver
from autoten.solvers.kl import KL
from autoten.solvers.subspaces import Occupied
from autoten.sweep import N_SPLITS, RESAMPLE, Plan, check_largest_rank, entropy_of, fit_ranks, largest_determined_rank
from autoten.table import RankTable
from autoten.tensors.chunked import ChunkedTensor
from autoten.tensors.tensor import Tensor

if TYPE_CHECKING:
    from pathlib import Path

    from autoten.scores import Scorer

logger = logging.getLogger("autoten")

# Ranks are tried up to this one unless the data cannot determine so many components.
LARGEST_BY_DEFAULT = 10

# No more ranks are tried once the held-out errors of so many in a row were more than so many times the smallest one:
# larger models cost ever more, and the data do not carry them.
RANKS_FAR_PAST = 10
ERROR_FAR_PAST = 2.0

# Said where nobody named a solver.
COUNTS = (
    "X looks like counts (whole numbers, unseen ones predicted no better than Poisson noise allows), of which least "
    "squares often misses components"
)


@dataclass(frozen=True, eq=False)
class RankEstimate:
    """The answer to "how many components?", with its reason, its alternatives and all that led to it.

    Attributes
    ----------
    choice : Choice
        What the policy answered.
    table : RankTable
        Every score of every rank, all replicates.
    model : CPModel
        The fitted model of the chosen rank, in the units of X.
    models : mapping from rank to CPModel
        The best model of every rank in the table.
    probabilities : mapping from rank to float
        The policy's own (`choice.probabilities`): calibrated ones with the default. Of a policy that states none, how
        often it picks each rank when the folds are drawn again with replacement, which is no calibrated probability.
    warnings : tuple of str
        What deserves a look: degenerate or unconverged fits, ranks past what is surely unique, sparse rows.
    timings : mapping from part to seconds
        Where the time went.
    settings : mapping from name to str
        How the estimate was made, down to the seed.
    by_solver : mapping from name to RankEstimate
        With several solvers, the estimate by each of them; everything else is that of the chosen one. Else empty.
    """

    choice: Choice
    table: RankTable
    models: Mapping[int, CPModel]
    probabilities: Mapping[int, float]
    warnings: tuple[str, ...]
    timings: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)
    by_solver: Mapping[str, RankEstimate] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """The chosen rank; 0 means nothing beyond noise."""
        return self.choice.rank

    @property
    def reason(self) -> str:
        """Why this rank, in a sentence or two."""
        return self.choice.reason

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """Other ranks worth a look, and why."""
        return self.choice.alternatives

    @property
    def model(self) -> CPModel:
        """The fitted model of the chosen rank, in the units of X."""
        return self.models[self.rank]

    @property
    def labels(self) -> Labels | None:
        """Names of the modes and their indices; None if the data had none. Every model has them too."""
        return self.model.labels

    def select(self, policy: Policy) -> Choice:
        """Return the choice of another policy from the same table, or tables; nothing is fitted again."""
        if not self.by_solver:
            return apply_policy(policy, self.table)
        return choose_between(policy, {name: each.table for name, each in self.by_solver.items()})[1]

    def report(self) -> str:
        """Return the whole answer as plain text: rank, reason, alternatives, table, warnings, settings."""
        return report.as_text(self)

    def to_frame(self) -> Any:
        """Return the table as a pandas data frame, one row per rank; with several solvers one per solver and rank."""
        if not self.by_solver:
            return self.table.to_frame()
        frames = {name: each.table.to_frame() for name, each in self.by_solver.items()}
        import pandas as pd

        return pd.concat(frames, names=["solver"])

    def to_html(self, path: str | Path) -> None:
        """Write the report to `path` as one self-contained web page: table, pictures, settings, versions."""
        from autoten import webpage

        webpage.write(self, path)

    def to_json(self) -> str:
        """Return rank, reason, probabilities, table and settings as a JSON document (NaN becomes null)."""
        return json.dumps(report.as_plain(self), indent=2, allow_nan=False)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the overview figure, write it to `path` if given, and return its Axes by panel name."""
        from autoten import plots

        panels = plots.plot_overview(self.table, self.choice)
        if path is not None:
            figure = panels["fit"].get_figure(root=True)
            assert figure is not None
            figure.savefig(path, dpi=200)
        return panels

    def save(self, path: str | Path) -> None:
        """Write everything but X to `path` (``.npz``, no pickle); `autoten.load` reads it back."""
        from autoten import store

        store.save(self, path)

    def _repr_html_(self) -> str:
        return report.as_html(self)

    def __repr__(self) -> str:
        return f"RankEstimate(rank={self.rank}, ranks={self.table.ranks.tolist()}, warnings={len(self.warnings)})"


def estimate_rank(
    X: Any,
    ranks: int | Iterable[int] | None = None,
    *,
    solver: Solver | Sequence[Solver] | None = None,
    scorers: Sequence[Scorer] = DEFAULT_SCORERS,
    policy: Policy = DEFAULT_POLICY,
    holdout: Holdout = RandomElements(0.1),  # noqa: B008 (a frozen value)
    n_starts: int = 10,
    n_folds: int = 5,
    n_splits: int = N_SPLITS,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
    n_jobs: int = 1,
    progress: bool = False,
    max_time: float | None = None,
    checkpoint: str | Path | None = None,
) -> RankEstimate:
    """Estimate how many PARAFAC/CP components a tensor supports.

    Every candidate rank is fitted from several starts and scored on two axes that disagree in useful ways: core
    consistency (is the structure really multilinear?) and held-out error (does the model predict cells it has not
    seen?). The policy trades them off.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N), N >= 3
        The data: an array of any real type (NaN = missing), ``numpy.ma``, a memory map, what `weighted` and the
        functions of `preprocess` return; a sparse tensor (n-D ``scipy.sparse.coo_array``, pydata ``sparse``, pyttb
        ``sptensor``), made dense only where that is cheaper: unlisted cells are observed zeros; or a dask array (one
        larger than 256 MiB, or `streamed`, is read in chunks, must be complete, and needs ``holdout=Blocks()``). None
        is missing, too, and equal matrices in a list are stacked; files are read by `read_tensor`. Labels of an xarray
        ``DataArray`` or of a pandas Series with a level of its index for each mode (a combination that is not listed is
        missing) come back on models, pictures and in the report, and modes may be given by name. Of a long data frame
        give ``X.set_index([modes])[values]``, of a wide one ``X.stack()``.
    ranks : int or iterable of int, optional
        Candidate ranks, >= 1: an integer n means 1 to n, ``[n]`` that rank alone, and None 1 to 10. Rank 0, the model
        without components, always stands in the table. A warning says where the table ends before: ranks above 1 with
        more free parameters than X has observed cells are left out (refused if there are no others), and so is what
        follows ten ranks in a row whose held-out error is more than twice the smallest.
    solver : Solver or sequence of solvers, optional
        How models are fitted. With several, such as ``(ALS(), KL())``, every one makes an estimate of its own on the
        same folds (``by_solver``), the policy acts within each, and `BestLoss` chooses between them unless the policy
        does so itself; one that does not suit the data is left out, with a warning. None means ``ALS()``, and
        ``(ALS(), KL())`` where X then looks like counts: whole numbers, of which no model predicts unseen ones better
        than Poisson noise allows. A warning says so.
    scorers : sequence of functions
        Each takes the tensor and the fits of one rank and returns a dict of scores.
    policy : function from RankTable to Choice (or to a rank)
        How the rank is chosen; see `autoten.selection`. Others can be applied later with ``.select``.
    holdout : Holdout
        What is hidden: `RandomElements`, `RandomFibres`, `Blocks` or `CountSplit`; `Centred` centres inside the folds.
    n_starts, n_folds : int
        Number of starts per rank and of held-out folds, >= 1 and >= 2.
    n_splits : int
        Number of random splits of the longest mode into halves that are fitted by themselves; 0 for none.
    random_state : int, Generator, RandomState or None
        Same seed, same answer, for any `n_jobs`. Of a Generator or RandomState the next number is drawn.
    n_jobs : int
        Workers, through joblib; -1 for all cores. Each fit runs on one thread. Threads of this process, unless
        ``joblib.parallel_config(backend=...)`` names others; a dask cluster works with all it has, whatever `n_jobs`.
    progress : bool
        Show a progress bar.
    max_time : float, optional
        Seconds after which nothing more is fitted. Half of them are held back so that a rank that takes long leaves
        some for each later one: ranks whose fits had not all ended stand in the table with the scores that there are,
        and a warning names them.
    checkpoint : str or Path, optional
        A file of what is finished, single fits included, replaced after every rank, every few seconds, and when the
        run ends early. If it is there already, the run goes on from it.

    Returns
    -------
    RankEstimate
        ``rank``, ``reason``, ``alternatives``, ``probabilities``, ``table``, ``model``, ``warnings``, ``timings``;
        ``report()``, ``plot()``, ``select(policy)``, ``save(path)``.

    Raises
    ------
    TypeError, ValueError
        One sentence for each unsuitable argument: what was expected, what was got, what to do.
    TimeoutError
        If `max_time` was over before a single rank was done.

    Notes
    -----
    Where the profiles of one mode shift or stretch from slab to slab (retention times, latencies), no CP model of few
    components fits, and ranks grow without end: align the slabs first, or turn to PARAFAC2.

    ``KeyboardInterrupt`` once rank 1 is done returns what is finished, with ``table.complete`` False.

    With a checkpoint a run that was killed, interrupted or out of time gives, called again, what an undisturbed run
    would have given, to the last bit, and a larger range of ranks begins where a smaller one ended. X, solver, holdout,
    scorers (known by their names), `n_starts`, `n_folds`, `n_splits` and the seed must be the same; policy, ranks,
    `n_jobs` and `max_time` need not. ``random_state=None`` takes the seed from the file. ``timings`` are those of the
    last run.

    References
    ----------
    Zabir & Papalexakis (2017), arXiv 1709.01147; Papalexakis (2016), SDM; Bro & Kiers (2003), J. Chemometrics 17.

    Examples
    --------
    >>> from autoten import estimate_rank
    >>> from autoten.datasets import load_amino_acids
    >>> estimate = estimate_rank(load_amino_acids().X, range(1, 5), random_state=0)
    >>> estimate.rank
    3
    """
    ranks = ranks if ranks is None else check_ranks(ranks)  # an iterator is read once
    settings: dict[str, Any] = {"scorers": scorers, "holdout": holdout, "n_starts": n_starts, "n_folds": n_folds}
    settings |= {"n_splits": n_splits, "n_jobs": n_jobs, "progress": progress}
    settings |= {"random_state": entropy_of(random_state) if checkpoint is None else random_state}
    if isinstance(solver, (tuple, list)):
        if checkpoint is not None:
            refuse("checkpoint of estimate_rank", "that of one solver", f"{len(solver)} solvers", "Estimate by each.")
        return _estimate_by_each(X, ranks, _named(solver), policy, max_time, settings)
    single = cast("Solver", ALS() if solver is None else solver)
    estimate, tensor = _estimate_by(X, ranks, single, policy, max_time, checkpoint, **settings)
    if solver is not None or not looks_like_counts(tensor, estimate.table):
        return estimate
    if checkpoint is not None:
        said = f"{COUNTS}: estimate by KL() too, with a checkpoint of its own."
        return replace(estimate, warnings=(*estimate.warnings, said))
    both = _estimate_by_each(X, ranks, {"KL": KL()}, policy, max_time, settings, {"ALS": estimate})
    said = f"{COUNTS}: where no solver is named, KL() takes part beside ALS()."
    return replace(both, warnings=(*both.warnings, said))


def _estimate_by(
    X: Any,
    ranks: Sequence[int] | None,
    solver: Solver,
    policy: Policy,
    max_time: float | None,
    checkpoint: str | Path | None = None,
    *,
    scorers: Sequence[Scorer],
    holdout: Holdout,
    n_starts: int,
    n_folds: int,
    n_splits: int,
    random_state: Any,
    n_jobs: int,
    progress: bool,
) -> tuple[RankEstimate, Tensor]:
    """Return the estimate by one solver, and the tensor that it saw."""
    began = time.monotonic()
    steps = tuple(getattr(X, "steps", ()))
    X, labels = split_labels(X)
    whole = as_tensor(X)
    candidates, left_out = _candidates(whole, ranks)
    _check_choices(solver, policy, holdout, scorers)
    _check_suits(solver, whole)
    out_of_reach = _check_reach(holdout, whole, candidates)
    store = None if checkpoint is None else Checkpoint(checkpoint)
    seed = store.seed if store is not None and random_state is None else None
    plan = Plan(
        cast("Solver", numbered(solver, len(whole.shape), labels)),
        numbered(holdout, len(whole.shape), labels),
        check_integer(n_starts, "n_starts of estimate_rank", minimum=1),
        check_integer(n_folds, "n_folds of estimate_rank", minimum=2),
        entropy_of(random_state) if seed is None else seed,
        _check_jobs(n_jobs),
        math.inf if max_time is None else began + check_real(max_time, "max_time", above=0.0, below=math.inf),
        check_integer(n_splits, "n_splits of estimate_rank", minimum=0),
    )
    occupied = Occupied.of(whole)
    tensor = occupied.tensor
    if store is not None:
        store.claim(_run_of(whole, scorers, plan))
    sweep = _Sweep(tensor, scorers, store)
    sweep.run(candidates, plan, progress)
    table = sweep.table(whole.shape, plan)
    selecting = time.monotonic()
    found = (
        *left_out,
        *out_of_reach,
        *empty_warnings(whole, tensor),
        *data_warnings(tensor, table, labels),
        *(plan.solver.doubts(tensor) if hasattr(plan.solver, "doubts") else ()),
        *sweep.warnings,
    )
    choice = _chosen(policy, table, found)
    probabilities = choice.probabilities or selection_frequency(policy, table, plan.rng(RESAMPLE))
    unseen = unseen_warnings(tensor, sweep.models[choice.rank], labels)
    warnings = (*found, *fit_warnings(tensor, table, choice.rank), *unseen)
    finished = time.monotonic()
    timings = {**sweep.timings, "selection": finished - selecting, "total": finished - began}
    settings = _settings_of(whole, steps, solver, holdout, policy, plan)
    seen = Seen.of(whole)
    models = {
        rank: seen.supported(occupied.expand(model)).scaled(tensor.scale).labelled(labels)
        for rank, model in sweep.models.items()
    }
    return RankEstimate(choice, table, models, probabilities, warnings, timings, settings), tensor


def _settings_of(
    whole: Tensor, steps: Sequence[str], solver: Any, holdout: Any, policy: Any, plan: Plan
) -> dict[str, Any]:
    """Return what an estimate was made with."""
    return {
        "shape": list(whole.shape),
        "observed": whole.n_observed,
        "preprocessing": list(steps),
        "solver": repr(solver),
        "holdout": repr(holdout),
        "policy": policy_name(policy),
        "n_starts": plan.n_starts,
        "n_folds": plan.n_folds,
        "n_splits": plan.n_splits,
        "seed": plan.entropy,
        "versions": _versions(),
    }


def _chosen(policy: Any, table: RankTable, found: Sequence[str]) -> Choice:
    """Return the policy's choice, or say what was found where it has none: no estimate then has warnings to read."""
    try:
        return apply_policy(policy, table)
    except ValueError as error:
        raise ValueError(" ".join([str(error), *found])) from error


def _candidates(tensor: Tensor, ranks: Sequence[int] | None) -> tuple[Sequence[int], list[str]]:
    """Return the ranks to try, and what to say of those that the data cannot determine."""
    candidates = range(1, LARGEST_BY_DEFAULT + 1) if ranks is None else ranks
    if ranks is not None:
        check_largest_rank(tensor.shape, candidates[-1], "the largest of the ranks of estimate_rank")
    largest = largest_determined_rank(tensor)
    n_tried = bisect_right(candidates, largest)
    if n_tried == 0:
        expected = f"such that {tensor.n_observed:,} observed cells determine one: {largest} or less"
        refuse("ranks of estimate_rank", expected, candidates[0])
    if n_tried == len(candidates):
        return candidates, []
    first, last = candidates[n_tried], candidates[n_tried - 1]
    said = f"rank {first} has {n_parameters(tensor.shape, first):,} free parameters, the data have"
    return candidates[:n_tried], [f"Ranks above {last} were left out: {said} {tensor.n_observed:,} observed cells."]


def _estimate_by_each(
    X: Any,
    ranks: Sequence[int] | None,
    solvers: Mapping[str, Solver],
    policy: Policy,
    max_time: float | None,
    settings: Mapping[str, Any],
    known: Mapping[str, RankEstimate] = MappingProxyType({}),
) -> RankEstimate:
    """Return the estimate by the solver that the policy chooses, with those by the others, some known, beside it."""
    began = time.monotonic() - sum(estimate.timings["total"] for estimate in known.values())
    estimates = dict(known)
    left_out: list[str] = []
    tensor = as_tensor(X)
    for name, solver in solvers.items():
        try:
            _check_suits(solver, tensor)
        except ValueError as error:
            left_out.append(f"{name} was left out. {error}")
            continue
        left = None if max_time is None else max_time - (time.monotonic() - began)
        ended_early = any(not estimate.table.complete for estimate in estimates.values())
        if ended_early or (estimates and left is not None and left <= 0.0):
            left_out.append(f"{name} was left out, because the run ended early.")
            continue
        try:
            estimates[name], _ = _estimate_by(X, ranks, solver, policy, left, **settings)
        except TimeoutError:
            if not estimates:
                raise
            left_out.append(f"{name} was left out: no rank was done when the time was over. Raise max_time.")
        except KeyboardInterrupt:
            if not estimates:
                raise
            left_out.append(f"{name} was left out: no rank was done when the run was interrupted.")
            break
    if not estimates:
        refuse("solver of estimate_rank", "such that one at least suits X", "none", left_out[0])
    name, choice = choose_between(policy, {each: estimate.table for each, estimate in estimates.items()})
    chosen = estimates[name]
    cut_short = [
        f"{each} was cut short: it could not be judged on all ranks."
        for each, estimate in estimates.items()
        if each != name and not estimate.table.complete
    ]
    return replace(
        chosen,
        choice=choice,
        warnings=(*chosen.warnings, *cut_short, *left_out),
        timings={**chosen.timings, "total": time.monotonic() - began},
        by_solver=estimates,
    )


def select_rank(table: RankTable, policy: Policy = DEFAULT_POLICY) -> Choice:
    """Return a policy's choice from a table of scores; nothing is fitted.

    Parameters
    ----------
    table : RankTable
        From `estimate_rank`, or made from scores of your own.
    policy : function from RankTable to Choice (or to a rank)

    Returns
    -------
    Choice

    Raises
    ------
    ValueError
        If the policy needs a score that the table lacks, or answers with something that is no rank of the table.

    Examples
    --------
    >>> from autoten import RankTable, select_rank
    >>> table = RankTable([0, 1, 2], {"heldout": [[1.0, 1.0], [0.2, 0.3], [0.21, 0.31]]}, (5, 6, 7))
    >>> select_rank(table, lambda table: int(table.mean("heldout").argmin())).rank
    1
    """
    return apply_policy(policy, table)


class _FarPastError(Exception):
    """Larger ranks are far past what the data carry."""


class _Sweep:
    """Scores ranks as their fits arrive, and keeps of each only its scores and its best model, also on disk."""

    def __init__(self, tensor: Tensor, scorers: Sequence[Scorer], store: Checkpoint | None = None) -> None:
        self.models: dict[int, CPModel] = {}
        self.timings: dict[str, float] = {"starts": 0.0, "folds": 0.0, "halves": 0.0, "scores": 0.0}
        self.warnings: list[str] = []
        self._tensor = tensor
        self._scorers = scorers
        self._store = store
        self._scores: dict[int, Mapping[str, Any]] = {}
        self._cut_short: list[int] = []
        self._ended = False
        self._complete = False

    def run(self, ranks: Sequence[int], plan: Plan, progress: bool) -> None:
        """Fit and score rank after rank until all are done, time is up or the user interrupts."""
        total = max(ranks) * (plan.n_starts + plan.n_folds)
        asked = {0, *ranks}
        stored = {} if self._store is None else self._store.ranks
        known = {rank: done for rank, done in stored.items() if done.scores is not None or rank not in asked}

        def on_pass(rank: int, model: CPModel) -> None:
            if rank not in known:
                self._keep(rank, model)
            elif rank in asked:
                self.models[rank] = model
                self._scores[rank] = known[rank].scores or {}
                self._check_far_past()

        models = {rank: done.model for rank, done in known.items()}
        memory = None if self._store is None else self._store.fits
        with _ProgressBar(total, progress) as advance:
            try:
                for fits in fit_ranks(self._tensor, ranks, plan, advance, models, on_pass, memory):
                    self._score(fits)
                    if fits.whole:
                        self._keep(fits.rank, fits.best.model, self._scores[fits.rank])
                    else:
                        self._cut_short.append(fits.rank)
                    self._check_far_past()
            except _FarPastError:
                self._ended = True
            except KeyboardInterrupt:
                if len(self._scores) < 2:
                    raise
            finally:
                if self._store is not None:
                    self._store.flush()
        done = max(self.models)
        if {0, *self._cut_short} >= set(self.models):
            raise TimeoutError(f"max_time must be long enough for one rank. Rank {ranks[0]} did not finish. Raise it.")
        self._complete = (done == ranks[-1] or self._ended) and not self._cut_short
        if self._ended and done < ranks[-1]:
            self.warnings.append(
                f"Ranks above {done} were not tried: the held-out errors of the last {RANKS_FAR_PAST} were more than "
                f"{ERROR_FAR_PAST:g} times the smallest."
            )
        elif done < ranks[-1]:
            self.warnings.append(
                f"The run ended early: of ranks {ranks[0]} to {ranks[-1]} only those up to {done} are in the table."
            )
        if self._cut_short:
            self.warnings.append(
                f"Time was over before all fits of these ranks had ended: {', '.join(map(str, self._cut_short))}. "
                "Scores are missing there, or those of unfinished fits. Raise max_time, or go on from a checkpoint."
            )

    def _check_far_past(self) -> None:
        """End the run where larger ranks have long ceased to predict anything; a score that is absent ends none."""
        rows = [scores.get("heldout", np.nan) for _, scores in sorted(self._scores.items())]
        errors = np.array([np.median(row) for row in rows])
        if len(errors) > RANKS_FAR_PAST and np.all(errors[-RANKS_FAR_PAST:] > ERROR_FAR_PAST * np.fmin.reduce(errors)):
            raise _FarPastError

    def _score(self, fits: RankFits) -> None:
        began = time.monotonic()
        scores: dict[str, Any] = {}
        for scorer in self._scorers:
            scores.update(_checked_scores(scorer(self._tensor, fits), scorer))
        self._scores[fits.rank] = scores
        self.models[fits.rank] = fits.best.model
        for part, seconds in fits.seconds.items():
            self.timings[part] += seconds
        self.timings["scores"] += time.monotonic() - began
        logger.info("rank %d: loss %.6g", fits.rank, fits.best.loss)

    def _keep(self, rank: int, model: CPModel, scores: Mapping[str, Any] | None = None) -> None:
        if self._store is not None:
            self._store.add(rank, model, scores)

    def table(self, shape: tuple[int, ...], plan: Plan) -> RankTable:
        """Return the table of all scores of a tensor; rows with fewer replicates are filled up with NaN."""
        columns = {}
        of_ranks = [scores for _, scores in sorted(self._scores.items())]
        for name in dict.fromkeys(name for scores in of_ranks for name in scores):
            rows = [scores.get(name, np.array([np.nan])) for scores in of_ranks]
            width = max(len(row) for row in rows)
            columns[name] = np.array([np.pad(row, (0, width - len(row)), constant_values=np.nan) for row in rows])
        constrained = bool(getattr(plan.solver, "nonnegative", False))
        by = (_own_name(plan.solver), _own_name(plan.holdout))
        return RankTable(np.array(sorted(self.models)), columns, shape, self._complete, constrained, *by)


def _own_name(record: object) -> str:
    """Return the name of a record's class, or of the one of this package that it is derived from."""
    ours = (cls.__name__ for cls in type(record).__mro__ if cls.__module__.startswith("autoten."))
    return next(ours, type(record).__name__)


def _run_of(tensor: Tensor, scorers: Sequence[Scorer], plan: Plan) -> dict[str, Any]:
    """Return all that the numbers of a sweep depend on: what two runs must share to share a checkpoint."""
    return {
        "X": fingerprint(tensor),
        "solver": repr(plan.solver),
        "holdout": repr(plan.holdout),
        "scorers": [getattr(scorer, "__qualname__", repr(scorer)) for scorer in scorers],
        "n_starts": plan.n_starts,
        "n_folds": plan.n_folds,
        "n_splits": plan.n_splits,
        "seed": plan.entropy,
    }


class _ProgressBar:
    """A tqdm bar over fits, on stderr or in a notebook; nothing at all unless asked for."""

    def __init__(self, total: int, shown: bool) -> None:
        self._total, self._shown = total, shown

    def __enter__(self) -> Callable[[int], Any]:
        from tqdm.auto import tqdm

        self._bar = tqdm(total=self._total, unit="fit", disable=not self._shown)
        update: Callable[[int], Any] = self._bar.update
        return update

    def __exit__(self, *error: object) -> None:
        self._bar.close()


def _checked_scores(scores: Any, scorer: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return a scorer's answer as vectors of replicates."""
    what = f"the answer of scorer {getattr(scorer, '__name__', scorer)!s}"
    expected = "a dict from score name to one number or a sequence of numbers"
    if not isinstance(scores, Mapping):
        refuse(what, expected, repr(scores), kind=TypeError)
    try:
        columns = {str(name): np.atleast_1d(np.asarray(values, dtype=float)) for name, values in scores.items()}
    except (TypeError, ValueError):
        refuse(what, expected, repr(scores), kind=TypeError)
    if any(column.ndim != 1 for column in columns.values()):
        refuse(what, expected, repr(scores), kind=TypeError)
    return columns


def _versions() -> dict[str, str]:
    """Return the versions of what the numbers depend on."""
    versions = {
        module.__name__: str(module.__version__) for module in (importlib.import_module("autoten"), np, scipy, numba)
    }
    return {**versions, "python": platform.python_version(), "system": platform.platform(terse=True)}


def _named(solvers: Sequence[Solver]) -> dict[str, Solver]:
    """Return the solvers by the name of their class, or by their repr where two are of one class."""
    classes = [type(solver).__name__ for solver in solvers]
    names = [name if classes.count(name) == 1 else repr(solver) for name, solver in zip(classes, solvers, strict=True)]
    if not solvers or len(set(names)) < len(names):
        refuse("solver of estimate_rank", "one solver, or several different ones", solvers)
    return dict(zip(names, solvers, strict=True))


def _check_suits(solver: Any, tensor: Tensor) -> None:
    """Refuse data that the solver says it cannot fit."""
    if hasattr(solver, "check"):
        solver.check(tensor)


def _check_reach(holdout: Any, tensor: Tensor, ranks: Sequence[int]) -> tuple[str, ...]:
    """Return a warning, and log it now, if the hold-out cannot score all ranks; refuse one that scores rank 1 only."""
    shape = tensor.shape
    if isinstance(tensor, ChunkedTensor) and not isinstance(holdout, Blocks):
        # Lists of single cells would take as much memory as X.
        refuse("holdout of estimate_rank", "Blocks() for a dask array that is read in chunks", holdout)
    largest = ranks[-1] if not hasattr(holdout, "largest_rank") else holdout.largest_rank(shape)
    if largest >= ranks[-1]:
        return ()
    mode = int(np.argmin(shape))
    cause = f"mode {mode}, of length {shape[mode]}, is too short to be divided"
    remedy = "Use RandomElements(0.1), or leave out a smaller share."
    if largest == 1 or largest < ranks[0]:
        expected = f"one that can score rank {max(2, ranks[0])} of a tensor of shape {shape}: {cause}"
        refuse("holdout of estimate_rank", expected, holdout, remedy)
    warning = f"{holdout!r} can score no rank above {largest} of a tensor of shape {shape}: {cause} further. {remedy}"
    logger.warning(warning)
    return (warning,)


def _check_jobs(n_jobs: Any) -> int:
    number = n_jobs if isinstance(n_jobs, (int, np.integer)) and not isinstance(n_jobs, bool) else 0
    if number == 0:
        refuse("n_jobs of estimate_rank", "a number of workers, or -1 for all cores", repr(n_jobs))
    return int(number)


def _check_choices(solver: Any, policy: Any, holdout: Any, scorers: Any) -> None:
    if not hasattr(solver, "fit") or not hasattr(solver, "compress") or isinstance(solver, type):
        refuse("solver of estimate_rank", "a Solver such as ALS(), with fit and compress", repr(solver), kind=TypeError)
    check_policy(policy, "policy of estimate_rank")
    if not hasattr(holdout, "folds") or isinstance(holdout, type):
        refuse("holdout of estimate_rank", "a hold-out such as RandomElements(0.1)", repr(holdout), kind=TypeError)
    if not isinstance(scorers, Sequence) or not all(callable(scorer) for scorer in scorers):
        refuse(
            "scorers of estimate_rank",
            "a sequence of functions of a tensor and the fits of a rank",
            repr(scorers),
            kind=TypeError,
        )
