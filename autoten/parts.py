"""The estimate from parts of a large tensor: which are drawn, and how what they tell becomes one answer and one model.

Parts share slabs, the busy ones more often than others, and the rest is dealt out among them, so that every slab stands
in a part, and components are known again from part to part (Papalexakis, Faloutsos & Sidiropoulos 2012, ParCube).
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoten._errors import check_integer, check_real
from autoten._typing import Array
from autoten.answer import RankEstimate
from autoten.door import Data
from autoten.fits import PARTS, RESAMPLE, Plan
from autoten.holdout import Centred
from autoten.kernels.linear import solve_each
from autoten.labels import Labels
from autoten.matching import Seen, matches
from autoten.model import CPModel
from autoten.progress import spoken
from autoten.selection import apply_policy, choose_between, selection_frequency
from autoten.solvers.als import ALS, LeastSquares
from autoten.solvers.base import Solver
from autoten.solvers.kl import KL, deviance_parts, row_slopes
from autoten.table import put_together
from autoten.tensors.chunked import ChunkedTensor
from autoten.tensors.tensor import Tensor, indices_of, row_equations
from autoten.warn import INTERRUPTED, fit_warnings, part_warnings
from autoten.workers import Workers, task

logger = logging.getLogger("autoten")

# The indices of a part, an array for each mode.
Indices = tuple[NDArray[np.int64], ...]

# Of a part's slabs of a mode this share stands in all parts, half of them those with the largest sums of squares.
SHARED = 1 / 8

# No more parts than these: where they cannot hold all slabs, those left out get their rows from a sweep over X.
MOST_PARTS = 64

# So much of every column's mean is added to its entries before the multiplicative steps of counts.
MIXED_IN = 1e-3


@dataclass(frozen=True)
class Parts:
    """Estimate from parts of a large tensor: sub-tensors that fit into memory, which together hold every slab.

    Each part is estimated like any other tensor, side by side where there are several workers. Their tables are put
    together, and the policy decides from what all of them say. The models of the parts, whose components are matched by
    the slabs that they share, become one of the whole, which sweeps over X then improve.

    Parameters
    ----------
    megabytes : float
        Size of a part, in float64, above 0: memory and time go by it. Small parts see less of weak components.
    refine : int
        Number of sweeps over X of the chosen rank's model, >= 0: each takes a pass for every mode. With 0, and at other
        ranks, the model is that of the parts.

    Examples
    --------
    >>> from autoten import Parts, estimate_rank
    >>> from autoten.datasets import make_cp_tensor, white_noise
    >>> X = make_cp_tensor((80, 70, 60), 2, noise=white_noise(10), random_state=0).X
    >>> estimate_rank(X, 4, parts=Parts(megabytes=0.5), n_starts=3, random_state=0).rank
    2
    """

    megabytes: float = 10.0
    refine: int = 2

    def __post_init__(self) -> None:
        check_real(self.megabytes, "megabytes of Parts", above=0.0, below=np.inf)
        check_integer(self.refine, "refine of Parts", minimum=0)

    def draw(self, tensor: Tensor | ChunkedTensor, rng: np.random.Generator) -> list[Indices]:
        """Return the indices of every part; those of the whole where one part holds it."""
        lengths = _lengths(tensor.shape, self.megabytes * 2**20 / 8 / max(tensor.pass_cost, 1))
        pairs = list(zip(tensor.shape, lengths, strict=True))
        shared = [length if length == n else max(1, round(SHARED * length)) for n, length in pairs]
        own = [length - same for length, same in zip(lengths, shared, strict=True)]
        wanted = max(-(-(n - same) // max(more, 1)) for n, same, more in zip(tensor.shape, shared, own, strict=True))
        n_parts, of_modes = min(max(wanted, 1), MOST_PARTS), []
        for n, same, more, squares in zip(tensor.shape, shared, own, tensor.slab_squares(), strict=True):
            by_chance = rng.permutation(n)
            busiest = np.argsort(-squares, kind="stable")[: same // 2]
            everywhere = np.append(busiest, np.setdiff1d(by_chance, busiest, assume_unique=True)[: same - len(busiest)])
            rest = rng.permutation(np.setdiff1d(np.arange(n), everywhere))
            dealt = (np.arange(k * more, (k + 1) * more) % max(len(rest), 1) for k in range(n_parts))
            of_modes.append([np.sort(np.append(everywhere, rest[places])) for places in dealt])
        return list(zip(*of_modes, strict=True))


def _lengths(shape: Sequence[int], share: float) -> list[int]:
    """Return the lengths of a part with so large a share of the cells: long modes are cut to one length."""
    lengths, left = list(shape), share * prod(shape)
    for n_longer, mode in zip(range(len(shape), 0, -1), np.argsort(shape, kind="stable"), strict=True):
        lengths[mode] = min(shape[mode], max(2, int(left ** (1 / n_longer))))
        left /= lengths[mode]
    return lengths


def _joined(shape: Sequence[int], models: Sequence[CPModel], parts: Sequence[Indices]) -> CPModel:
    """Return one model of the whole from those of parts, of one rank: each continues the ones before it.

    Components are matched, and their sizes taken, by the slabs that are known already; of two parts that share some,
    the first one's rows stay.
    """
    rank = models[0].rank
    factors = [np.zeros((length, rank)) for length in shape]
    known = [np.zeros(length, dtype=bool) for length in shape]
    for model, indices in zip(models, parts, strict=True):
        own, new = model.folded(), [~of[index] for of, index in zip(known, indices, strict=True)]
        scales = np.ones((len(shape), rank))
        if known[0].any():
            here = [factor[~of] for factor, of in zip(own, new, strict=True)]
            before = [f[index[~of]] for f, index, of in zip(factors, indices, new, strict=True)]
            one, other = (CPModel(np.ones(rank), tuple(each)) for each in (before, here))
            order = matches(one, other, Seen(one.shape)).second
            own, here = [f[:, order] for f in own], [f[:, order] for f in here]
            sizes = np.stack([np.square(f).sum(axis=0) for f in here])
            with np.errstate(invalid="ignore", divide="ignore"):
                scales = np.stack([(a * b).sum(axis=0) for a, b in zip(before, here, strict=True)]) / sizes
            # A mode in whose shared slabs a component is not makes up for what the others say of its size.
            told = np.isfinite(scales) & (scales != 0.0)
            scales = np.where(told, scales, 1.0)
            scales = np.where(told, scales, 1.0 / np.prod(scales, axis=0))
        for mode, index in enumerate(indices):
            factors[mode][index[new[mode]]] = own[mode][new[mode]] * scales[mode]
            known[mode][index] = True
    return CPModel(np.ones(rank), tuple(factors)).normalized()


def _swept(
    tensor: Tensor | ChunkedTensor, model: CPModel, solver: Solver, n_sweeps: int, plan: Plan
) -> tuple[CPModel, list[float]]:
    """Return a model of the whole after so many sweeps, each of a pass for every mode, and the loss after each.

    Least squares solve every row; rates of counts take the multiplicative step, which adds up over blocks. An interrupt
    or the end of the time keeps what is done.
    """
    factors, losses = [np.array(factor, dtype=float, order="C") for factor in model.folded()], list[float]()
    if not model.rank or not isinstance(solver, (LeastSquares, KL)):  # of a solver of one's own no step is known
        return model, losses
    if isinstance(solver, KL):
        factors = [factor + MIXED_IN * factor.mean(axis=0) for factor in factors]  # what is zero could not leave it
        sweep: Callable[..., float] = _swept_rates
    else:
        sweep = partial(_swept_rows, nonnegative=solver.constrained(model.ndim))
    with suppress(KeyboardInterrupt):
        while len(losses) < n_sweeps and time.monotonic() < plan.deadline:
            losses.append(sweep(tensor, factors))
    return CPModel(np.ones(model.rank), tuple(factors)).normalized(), losses


def _swept_rows(tensor: Tensor | ChunkedTensor, factors: list[Array], nonnegative: Sequence[int]) -> float:
    """Solve the rows of every mode in turn, in place; return the unexplained share of the sum of squares."""
    for mode, rows in enumerate(factors):
        grams, rhs = tensor.summed(row_equations, factors, mode)
        solved = np.empty_like(rows)
        explained = solve_each(grams, rhs, rows, mode in nonnegative, solved)
        factors[mode] = solved
    return max(1.0 - float(explained) / (tensor.norm_squared or 1.0), 0.0)


def _swept_rates(tensor: Tensor | ChunkedTensor, factors: list[Array]) -> float:
    """Move the rows of every mode in turn, in place; return the deviance as a share of that of a constant rate."""
    for mode, rows in enumerate(factors):
        sums, slopes = tensor.summed(row_slopes, factors, mode)
        factors[mode] = rows * np.divide(slopes, sums, out=np.zeros_like(sums), where=sums > 0.0)
    error, logs, total = (float(part.sum()) for part in tensor.summed(deviance_parts, factors, 0))
    return error / (2.0 * (logs - total * math.log(total / tensor.n_observed)) or 1.0)


def estimate_by_parts(
    estimate_rank: partial[RankEstimate],
    data: Data,
    parts: Parts,
    plan: Plan,
    solvers: Mapping[str, Solver],
    progress: bool,
    checkpoint: Any,
) -> RankEstimate:
    """Return the estimate from parts of X: from their tables put together, with a model of the whole.

    `estimate_rank` is given what to ask of every part, but for what is divided among them: that is in the plan.
    """
    began, tensor, policy = time.monotonic(), data.tensor, estimate_rank.keywords["policy"]
    cut = _cut(tensor, parts, plan)
    found = _each_part(estimate_rank, data, cut, plan, progress, checkpoint)
    estimated = time.monotonic()
    indices = [cut[number][1] for number in sorted(found)]
    of_parts = [_by_solver(found[number], next(iter(solvers))) for number in sorted(found)]
    by_solver = {name: [of[name] for of in of_parts] for name in of_parts[0] if all(name in of for of in of_parts)}
    tables = {name: put_together([each.table for each in of], tensor.shape) for name, of in by_solver.items()}
    unfinished = len(cut) - len(found)
    if unfinished:
        tables = {name: replace(table, complete=False) for name, table in tables.items()}
    choices = {name: apply_policy(policy, table) for name, table in tables.items()}
    chosen = next(iter(tables))
    if len(tables) > 1:
        chosen, choices[chosen] = choose_between(policy, tables)
    estimates = {}
    for name, of_each in by_solver.items():
        table, rank = tables[name], choices[name].rank
        models = {}
        for r in table.ranks.tolist():
            # First those that find as many: others may have a component that is theirs alone in place of a common one.
            order = sorted(range(len(of_each)), key=lambda n: abs(of_each[n].rank - r))
            of_rank = [of_each[n].models[r].scaled(1.0 / tensor.scale) for n in order]
            models[r] = _joined(tensor.shape, of_rank, [indices[n] for n in order])
        settings = {
            **of_each[0].settings,
            "shape": list(tensor.shape),
            "observed": tensor.n_observed,
            "preprocessing": list(data.steps),
            "n_folds": plan.n_folds,
            "n_splits": plan.n_splits,
            "parts": repr(parts),
            "shapes of parts": [[len(index) for index in part] for part in indices],
            "ranks of parts": [each.rank for each in of_each],
        }
        if name == chosen:
            solver = data.numbered({"ALS": ALS(), "KL": KL(), **solvers}[name])
            models[rank], settings["losses of sweeps"] = _swept(tensor, models[rank], solver, parts.refine, plan)
        warnings = [
            *fit_warnings(table, tensor.n_observed, rank),
            *part_warnings(of_each, indices, models[rank], data.labels),
        ]
        if unfinished:
            warnings.append(f"The run ended before {unfinished} of {len(cut)} parts were estimated.")
        if name == chosen and rank and len(settings["losses of sweeps"]) < parts.refine:
            made = len(settings["losses of sweeps"])
            warnings.append(f"Only {made} of {parts.refine} sweeps over X were made: the model is that of parts else.")
        ended = time.monotonic()
        estimates[name] = RankEstimate(
            choices[name],
            table,
            {r: model.scaled(tensor.scale).labelled(data.labels) for r, model in models.items()},
            choices[name].probabilities or selection_frequency(policy, table, plan.rng(RESAMPLE)),
            tuple(warnings),
            {"parts": estimated - began, "sweeps": ended - estimated, "total": ended - began},
            settings,
        )
    return replace(estimates[chosen], by_solver=estimates if len(estimates) > 1 else {})


def _by_solver(estimate: RankEstimate, first: str) -> dict[str, RankEstimate]:
    """Return a part's estimates by solver, each with what was said of solvers: that one takes part, or was left out."""
    of_each = dict(estimate.by_solver) or {first: estimate}
    own = {warning for each in of_each.values() for warning in each.warnings}
    said = [warning for warning in estimate.warnings if warning not in own]
    return {name: replace(each, warnings=(*each.warnings, *said)) for name, each in of_each.items()}


def numbered(path: Any, number: int) -> Any:
    """Return the path of a part's checkpoint; what is no path as it is, to be refused."""
    if not isinstance(path, (str, PathLike)):
        return path
    return Path(path).with_name(f"{Path(path).stem}-{number + 1}{Path(path).suffix}")


def _cut(tensor: Tensor | ChunkedTensor, parts: Parts, plan: Plan) -> list[tuple[Tensor, Indices]]:
    """Return the parts as they are estimated, and their indices."""
    if isinstance(plan.holdout, Centred) and not isinstance(tensor, ChunkedTensor):  # of chunks that would be a pass
        plan.holdout.check(tensor)
    drawn = parts.draw(tensor, plan.rng(PARTS))
    cut = [_observed(*each) for each in zip(tensor.subs(drawn), drawn, strict=True)]
    if isinstance(plan.holdout, Centred):
        cut = [(plan.holdout.centred(part), indices) for part, indices in cut]
    return cut


def _observed(part: Tensor, indices: Indices) -> tuple[Tensor, Indices]:
    """Return a part without the slabs in which nothing of it is observed, and its indices."""
    seen = [np.ones(length, dtype=bool) for length in part.shape]
    for mode, at in indices_of(part.hidden, part.shape):
        seen[mode] = np.bincount(at, minlength=len(seen[mode])) < prod(part.shape) // len(seen[mode])
    if all(of.all() for of in seen):
        return part, indices
    return part.sub([np.flatnonzero(of) for of in seen]), tuple(i[of] for i, of in zip(indices, seen, strict=True))


def _each_part(
    estimate_rank: partial[RankEstimate],
    data: Data,
    cut: Sequence[tuple[Tensor, Indices]],
    plan: Plan,
    progress: bool,
    checkpoint: Any,
) -> dict[int, RankEstimate]:
    """Return the estimates of the parts by their number: of those that there was time for."""
    found: dict[int, RankEstimate] = {}
    n_parts = len(cut)
    logger.info("X is estimated from %d parts, the first of shape %s", n_parts, cut[0][0].shape)
    # Warnings of a part name slabs by their number there; the labels tell which they are of the whole.
    numbers = Labels(tuple(f"mode {mode}" for mode in range(data.ndim)), tuple(map(np.arange, data.tensor.shape)))
    divided = {
        "holdout": plan.holdout,
        "n_starts": plan.n_starts,
        "n_folds": max(2, -(-plan.n_folds // n_parts)),
        "n_splits": -(-plan.n_splits // n_parts),
        "random_state": plan.entropy,
    }

    def told(number: int, estimate: RankEstimate | None) -> None:
        if estimate is None:
            return
        found[number] = estimate
        if progress:
            took = spoken(estimate.timings["total"])
            sys.stderr.write(f"part {number + 1} of {n_parts}: rank {estimate.rank}, {took}\n")
        said = [warning for by in (estimate, *estimate.by_solver.values()) for warning in by.warnings]
        if any(INTERRUPTED in warning for warning in said):
            raise KeyboardInterrupt  # which the part has answered with what it had

    with Workers(plan.n_jobs) as workers:
        if plan.limit < math.inf:
            left = (plan.deadline - time.monotonic()) * min(workers.number / n_parts, 1.0)
            divided["max_time"] = max(left, sys.float_info.min)
        tasks = [
            task(
                _estimate,
                partial(estimate_rank, checkpoint=numbered(checkpoint, number), **divided),
                Data(part, (data.labels or numbers).rows(indices), data.steps),
            )
            for number, (part, indices) in enumerate(cut)
        ]
        try:
            workers.run(tasks, told=told)
        except KeyboardInterrupt:
            if not found:
                raise
    if not found:
        raise TimeoutError("max_time must be long enough for one rank of one part. None was finished. Raise it.")
    return found


def _estimate(estimate_rank: Callable[[Data], RankEstimate], data: Data) -> RankEstimate | None:
    """Return the estimate from a part; None where time was over before a rank was done."""
    try:
        return estimate_rank(data)
    except TimeoutError:
        return None
