"""estimate_rank: from a tensor to a rank, its reason, and everything that led to it."""

from __future__ import annotations

import importlib
import logging
import math
import platform
import time
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numba
import numpy as np
import scipy

from autoten._errors import check_integer, check_ranks, check_real, refuse
from autoten._typing import Array
from autoten.answer import RankEstimate
from autoten.clock import Clock
from autoten.door import LARGEST_COMPUTED, Data, data_of
from autoten.fits import N_SPLITS, RESAMPLE, Plan, RankFits, entropy_of
from autoten.holdout import Holdout, HoldoutDefaults, RandomElements
from autoten.matching import Seen
from autoten.model import CPModel, check_largest_rank, largest_determined_rank
from autoten.parts import Parts, estimate_by_parts, numbered
from autoten.progress import Progress
from autoten.scores import DEFAULT_SCORERS, Scorer
from autoten.selection import DEFAULT_POLICY, Choice, Policy, apply_policy, choose_between, selection_frequency
from autoten.selection.choice import check_policy, policy_name
from autoten.solvers.als import ALS
from autoten.solvers.base import Solver, SolverDefaults, ability
from autoten.solvers.kl import KL
from autoten.solvers.subspaces import Occupied
from autoten.store import Checkpoint, fingerprint
from autoten.sweep import fit_ranks
from autoten.table import RankTable
from autoten.tensors.chunked import ChunkedTensor
from autoten.tensors.tensor import Tensor
from autoten.warn import (
    ERROR_FAR_PAST,
    INTERRUPTED,
    RANKS_FAR_PAST,
    alike_warnings,
    counts_warning,
    data_warnings,
    empty_warnings,
    far_past_warning,
    fit_warnings,
    left_out_warning,
    looks_like_counts,
    negative_warnings,
    skipped_warning,
    unseen_warnings,
)

logger = logging.getLogger("autoten")

# Ranks are tried up to this one unless the data cannot determine so many components.
LARGEST_BY_DEFAULT = 10


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
    parts: Parts | None = None,
) -> RankEstimate:
    """Estimate how many PARAFAC/CP components a tensor supports.

    Every candidate rank is fitted from several starts and scored on two axes that disagree in useful ways: core
    consistency (is the structure really multilinear?) and held-out error (does the model predict cells it has not
    seen?). The policy trades them off.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N), N >= 3
        The data: an array of any real type (NaN = missing), ``numpy.ma``, a memory map, what `from_table`, `labelled`,
        `weighted` and the functions of `preprocess` return; a sparse tensor (n-D ``scipy.sparse.coo_array``, pydata
        ``sparse``, pyttb ``sptensor``), made dense only where that is cheaper: unlisted cells are observed zeros; or a
        dask array. None is missing, too, and equal matrices in a list are stacked. Files are read by `read_tensor`,
        long data frames by `from_table`; of a wide one give ``X.stack()``. Labels, also those of an xarray
        ``DataArray`` or of a pandas Series with a level of its index for each mode (a combination that is not listed is
        missing), come back on models, pictures and in the report, and modes may be given by name.
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
        Show on stderr which rank is fitted and about how long it will still take: a bar, or a few plain lines where
        stderr is no terminal and this is no notebook with widgets.
    max_time : float, optional
        Seconds after which nothing more is fitted; while this process compiles kernels the clock stands. Half of them
        are held back so that a rank that takes long leaves some for each later one: ranks whose fits had not all ended
        stand in the table with the scores that there are, and a warning says which ranks and which kinds of fits were
        skipped.
    checkpoint : str or Path, optional
        A file of what is finished, single fits included, replaced after every rank, every few seconds, and when the
        run ends early. If it is there already, the run goes on from it. By parts each has a file of its own, numbered.
    parts : Parts, optional
        Estimate from parts of X, which take a share of its time and memory. None does so of what does not fit: a dask
        array of more than 256 MiB. `n_folds` and `n_splits` are then divided among the parts.

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

    A run that is likely to take more than a minute says so once ranks are done that took two seconds, with the memory
    that the process has taken at most, which larger ranks raise little: ``logging.basicConfig(level=logging.INFO)``
    shows it (logger ``autoten``). Time is known to a factor of two or so, since larger ranks may need more sweeps than
    those that were measured; a forecast that has doubled is said again.

    ``KeyboardInterrupt`` once rank 1 is done returns what is finished; a warning says what was skipped, in the log at
    once. ``table.complete`` is then False, as it is whenever time was over before all was fitted, by any of the
    solvers; ``by_solver[name].table.complete`` tells it of each.

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
    began = time.monotonic()
    several = isinstance(solver, (tuple, list))
    solvers = _named(cast("Sequence[Solver]", solver if several else [ALS() if solver is None else solver]))
    first = next(iter(solvers.values()))
    if several and checkpoint is not None:
        refuse("checkpoint of estimate_rank", "that of one solver", f"{len(solvers)} solvers", "Estimate by each.")
    asked = None if ranks is None else check_ranks(ranks)
    _check_choices(solvers.values(), policy, holdout, scorers, parts)
    data = data_of(X, largest_computed=LARGEST_COMPUTED if parts is None else 0)
    by_parts = parts is not None or isinstance(data.tensor, ChunkedTensor)
    store = None if checkpoint is None else Checkpoint(numbered(checkpoint, 0) if by_parts else checkpoint)
    seed = store.run.get("seed") if store is not None and random_state is None else None
    plan = Plan(
        first,
        data.numbered(holdout),
        check_integer(n_starts, "n_starts of estimate_rank", minimum=1),
        check_integer(n_folds, "n_folds of estimate_rank", minimum=2),
        entropy_of(random_state) if seed is None else seed,
        _check_jobs(n_jobs),
        math.inf if max_time is None else began + check_real(max_time, "max_time", above=0.0, below=math.inf),
        check_integer(n_splits, "n_splits of estimate_rank", minimum=0),
    )
    if by_parts:
        each = partial(estimate_rank, ranks=asked, solver=solver, scorers=scorers, policy=policy)
        return estimate_by_parts(each, data, parts or Parts(), plan, solvers, progress, checkpoint)
    candidates, left_out = _candidates(data.tensor, asked)
    if not several:
        ability(first, "check", SolverDefaults)(data.tensor)
    out_of_reach = _check_reach(holdout, data.tensor, candidates)
    found = (*left_out, *out_of_reach)
    with plan.clock:
        job = _Job(data, Occupied.of(data.tensor), candidates, plan, scorers, policy, holdout, progress, found, began)
        if several:
            return _estimate_by_each(job, solvers)
        estimate = _estimate_by(job, first, store)
        if solver is not None or not looks_like_counts(job.occupied.tensor, estimate.table):
            return estimate
        if store is None:
            estimate = _estimate_by_each(job, {"KL": KL()}, {"ALS": estimate})
        return replace(estimate, warnings=(*estimate.warnings, counts_warning(store is None)))


@dataclass(frozen=True, eq=False)
class _Job:
    """What every solver is asked: which ranks of which tensor, and how they are fitted and judged."""

    data: Data
    occupied: Occupied
    ranks: Sequence[int]
    plan: Plan
    scorers: Sequence[Scorer]
    policy: Policy
    holdout: Holdout
    progress: bool
    found: tuple[str, ...]
    began: float


def _estimate_by(
    job: _Job, solver: Solver, store: Checkpoint | None = None, which: tuple[int, int] = (1, 1)
) -> RankEstimate:
    """Return the estimate by one solver, of which there may be several."""
    began = time.monotonic()
    data, tensor = job.data, job.occupied.tensor
    plan = replace(job.plan, solver=data.numbered(solver))
    if store is not None:
        store.claim(_run_of(data.tensor, job.scorers, plan))
    doubts = tuple(ability(plan.solver, "doubts", SolverDefaults)(tensor))
    for doubt in doubts:
        logger.warning(doubt)  # now, and not only below an answer that may take long
    sweep = _ScoredSweep(tensor, job.scorers, store)
    with Progress(job.ranks, plan, job.progress, which) as shown:
        sweep.run(job.ranks, plan, shown)
    table = sweep.table(data.tensor.shape, plan)
    selecting = time.monotonic()
    found = (
        *job.found,
        *empty_warnings(data.tensor, tensor),
        *data_warnings(tensor, table, data.labels),
        *doubts,
        *sweep.warnings,
    )
    choice = _chosen(job.policy, table, found)
    probabilities = choice.probabilities or selection_frequency(job.policy, table, plan.rng(RESAMPLE))
    chosen = sweep.models[choice.rank]
    warnings = (
        *found,
        *fit_warnings(table, data.tensor.n_observed, choice.rank),
        *alike_warnings(table, sweep.models, choice.rank, data.labels),
        *negative_warnings(tensor, table, chosen),
        *unseen_warnings(tensor, chosen, data.labels),
    )
    finished = time.monotonic()
    timings = {**sweep.timings, "selection": finished - selecting, "total": finished - began}
    settings = {
        "shape": list(data.tensor.shape),
        "observed": data.tensor.n_observed,
        "preprocessing": list(data.steps),
        "solver": repr(solver),
        "holdout": repr(job.holdout),
        "policy": policy_name(job.policy),
        "n_starts": plan.n_starts,
        "n_folds": plan.n_folds,
        "n_splits": plan.n_splits,
        "seed": plan.entropy,
        "versions": _versions(),
    }
    seen = Seen.of(data.tensor)
    models = {
        rank: seen.supported(job.occupied.expand(model)).scaled(tensor.scale).labelled(data.labels)
        for rank, model in sweep.models.items()
    }
    return RankEstimate(choice, table, models, probabilities, warnings, timings, settings)


def _chosen(policy: Any, table: RankTable, found: Sequence[str]) -> Choice:
    """Return the policy's choice, or say what was found where it has none: no estimate then has warnings to read."""
    try:
        return apply_policy(policy, table)
    except ValueError as error:
        raise ValueError(" ".join([str(error), *found])) from error


def _estimate_by_each(
    job: _Job, solvers: Mapping[str, Solver], known: Mapping[str, RankEstimate] = MappingProxyType({})
) -> RankEstimate:
    """Return the estimate by the solver that the policy chooses, with those by the others, some known, beside it."""
    estimates = dict(known)
    left_out: list[str] = []
    suited: dict[str, Solver] = {}
    for name, solver in solvers.items():
        try:
            ability(solver, "check", SolverDefaults)(job.data.tensor)
            suited[name] = solver
        except ValueError as error:
            left_out.append(f"{name} was left out. {error}")
    complete = all(estimate.table.complete for estimate in estimates.values())
    for name, solver in suited.items():
        if not complete or (estimates and time.monotonic() >= job.plan.deadline):
            complete = False
            left_out.append(f"{name} was left out, because the run ended early.")
            continue
        try:
            estimates[name] = _estimate_by(job, solver, which=(len(estimates) + 1, len(known) + len(suited)))
            complete = estimates[name].table.complete
        except TimeoutError:
            if not estimates:
                raise
            complete = False
            left_out.append(f"{name} was left out: no rank was done when the time was over. Raise max_time.")
        except KeyboardInterrupt:
            if not estimates:
                raise
            complete = False
            left_out.append(f"{name} was left out: no rank was done when the {INTERRUPTED}.")
            logger.warning(left_out[-1])
    if not estimates:
        refuse("solver of estimate_rank", "such that one at least suits X", "none", left_out[0])
    name, choice = choose_between(job.policy, {each: estimate.table for each, estimate in estimates.items()})
    chosen = estimates[name]
    cut_short = [
        f"{each} was cut short: it could not be judged on all ranks."
        for each, estimate in estimates.items()
        if each != name and not estimate.table.complete
    ]
    return replace(
        chosen,
        choice=choice,
        table=chosen.table if complete else replace(chosen.table, complete=False),
        warnings=(*chosen.warnings, *cut_short, *left_out),
        timings={**chosen.timings, "total": time.monotonic() - job.began},
        by_solver=estimates,
    )


def _candidates(tensor: Tensor, ranks: Sequence[int] | None) -> tuple[Sequence[int], list[str]]:
    """Return the ranks to try, and what to say of those that the data cannot determine."""
    candidates = range(1, LARGEST_BY_DEFAULT + 1) if ranks is None else ranks
    if ranks is not None:
        check_largest_rank(tensor.shape, candidates[-1], "the largest of the ranks of estimate_rank")
    largest = largest_determined_rank(tensor.shape, tensor.n_observed)
    n_tried = bisect_right(candidates, largest)
    if n_tried == 0:
        expected = f"such that {tensor.n_observed:,} observed cells determine one: {largest} or less"
        refuse("ranks of estimate_rank", expected, candidates[0])
    if n_tried == len(candidates):
        return candidates, []
    return candidates[:n_tried], [left_out_warning(tensor, candidates[n_tried - 1], candidates[n_tried])]


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


class _ScoredSweep:
    """Scores ranks as their fits arrive, and keeps of each only its scores and its best model, also on disk."""

    def __init__(self, tensor: Tensor, scorers: Sequence[Scorer], store: Checkpoint | None = None) -> None:
        self.models: dict[int, CPModel] = {}
        self.timings = dict.fromkeys(("kernels", "starts", "folds", "halves", "scores"), 0.0)
        self.warnings: list[str] = []
        self._tensor = tensor
        self._scorers = scorers
        self._store = store
        self._scores: dict[int, Mapping[str, Any]] = {}
        self._cut_short: dict[int, tuple[str, ...]] = {}
        self._complete = False
        self._clock, self._stood = Clock(), 0.0

    def run(self, ranks: Sequence[int], plan: Plan, shown: Progress) -> None:
        """Fit and score rank after rank until all are done, time is up or the user interrupts."""
        asked = {0, *ranks}
        stored = {} if self._store is None else self._store.ranks
        known = {rank: done for rank, done in stored.items() if done.scores is not None or rank not in asked}
        models = {rank: done.model for rank, done in known.items()}
        ended = interrupted = False
        self._clock, self._stood = plan.clock, plan.clock.stood
        try:
            for fits in fit_ranks(self._tensor, ranks, plan, shown.on_fit, models, self._store):
                self._count(fits.seconds if fits.rank not in known else {})
                if isinstance(fits, RankFits):
                    self._score(fits)
                elif fits.rank not in known:
                    if fits.whole:
                        self._keep(fits.rank, fits.model)
                elif fits.rank in asked:
                    self.models[fits.rank], self._scores[fits.rank] = fits.model, known[fits.rank].scores or {}
                shown.on_rank(fits.rank, measured=fits.rank not in known)
                if ended := self._far_past():
                    break
        except KeyboardInterrupt:
            if len(self._scores) < 2:
                raise
            interrupted = True
        finally:
            if self._store is not None:
                self._store.flush()
        done = max(self.models)
        if {0, *self._cut_short} >= set(self.models):
            raise TimeoutError(f"max_time must be long enough for one rank. Rank {ranks[0]} did not finish. Raise it.")
        self._complete = (done == ranks[-1] or ended) and not self._cut_short
        skipped = ranks[bisect_right(ranks, done) :]
        if ended and skipped:
            self.warnings.append(far_past_warning(done))
            skipped = ()
        if skipped or self._cut_short:
            kept = self._store is not None
            self.warnings.append(skipped_warning(skipped, self._cut_short, interrupted=interrupted, kept=kept))
            if interrupted:  # who pressed Ctrl-C looks for a sign that it was seen
                logger.warning(self.warnings[-1])

    def _far_past(self) -> bool:
        """Tell whether larger ranks have long ceased to predict anything; a score that is absent tells nothing."""
        rows = [scores.get("heldout", np.nan) for _, scores in sorted(self._scores.items())]
        errors = np.array([np.median(row) for row in rows])
        last = errors[-RANKS_FAR_PAST:]
        return len(errors) > RANKS_FAR_PAST and bool(np.all(last > ERROR_FAR_PAST * np.fmin.reduce(errors)))

    def _score(self, fits: RankFits) -> None:
        began = time.monotonic()
        scores: dict[str, Any] = {}
        for scorer in self._scorers:
            scores.update(_checked_scores(scorer(self._tensor, fits), scorer))
        self._scores[fits.rank] = scores
        self.models[fits.rank] = fits.best.model
        self.timings["scores"] += time.monotonic() - began - self._for_kernels()
        logger.debug("rank %d: loss %.6g", fits.rank, fits.best.loss)
        if fits.whole:
            self._keep(fits.rank, fits.best.model, scores)
        else:
            self._cut_short[fits.rank] = fits.cut_short

    def _count(self, spent: Mapping[str, float]) -> None:
        """Count the seconds of fits, less those of kernels: which of the fits waited for these is not known."""
        waited = min(self._for_kernels() / (sum(spent.values()) or 1.0), 1.0)
        for part, seconds in spent.items():
            self.timings[part] += seconds * (1.0 - waited)

    def _for_kernels(self) -> float:
        """Return the seconds in which kernels were compiled or read since this was last asked, and count them."""
        before, self._stood = self._stood, self._clock.stood
        self.timings["kernels"] += self._stood - before
        return self._stood - before

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
        constrained = bool(ability(plan.solver, "nonnegative", SolverDefaults))
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


def _checked_scores(scores: Any, scorer: Any) -> dict[str, Array]:
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


def _check_reach(holdout: Any, tensor: Tensor, ranks: Sequence[int]) -> tuple[str, ...]:
    """Return a warning, and log it now, if the hold-out cannot score all ranks; refuse one that scores rank 1 only."""
    shape = tensor.shape
    largest = ability(holdout, "largest_rank", HoldoutDefaults)(shape)
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


def _check_choices(solvers: Iterable[Any], policy: Any, holdout: Any, scorers: Any, parts: Any) -> None:
    if not isinstance(parts, Parts | None):
        refuse("parts of estimate_rank", "Parts(), or None", repr(parts), kind=TypeError)
    for solver in solvers:
        if not hasattr(solver, "fit") or not hasattr(solver, "compress") or isinstance(solver, type):
            expected = "a Solver such as ALS(), with fit and compress"
            refuse("solver of estimate_rank", expected, repr(solver), kind=TypeError)
    check_policy(policy, "policy of estimate_rank")
    if not hasattr(holdout, "folds") or isinstance(holdout, type):
        remedy = "Estimate once with each of several." if isinstance(holdout, Sequence) else ""
        expected = "a hold-out such as RandomElements(0.1)"
        refuse("holdout of estimate_rank", expected, repr(holdout), remedy, kind=TypeError)
    if not isinstance(scorers, Sequence) or not all(callable(scorer) for scorer in scorers):
        refuse(
            "scorers of estimate_rank",
            "a sequence of functions of a tensor and the fits of a rank",
            repr(scorers),
            kind=TypeError,
        )
