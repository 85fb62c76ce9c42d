"""Choosing between solvers: every solver has a table of its own, and policies act within one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from autoten._errors import refuse
from autoten._typing import Array
from autoten.selection.calibrated import DEFAULT_POLICY
from autoten.selection.choice import Choice, Policy, apply_policy, check_policy, score_of
from autoten.table import RankTable

# Published constants of AutoTen: core consistencies below 20 count as 0, and rank 1 is not a candidate.
AUTOTEN_NOISE = 20.0
AUTOTEN_LOWEST_RANK = 2


@runtime_checkable
class ChoosesBetween(Protocol):
    """A policy that chooses between solvers as well, from a table of each."""

    def between(self, tables: Mapping[str, RankTable]) -> tuple[str, Choice]:
        """Return the name of the chosen table, and the choice from it."""


def choose_between(policy: Policy, tables: Mapping[str, RankTable]) -> tuple[str, Choice]:
    """Return the chosen table's name and the choice from it.

    By the policy itself if it can (`ChoosesBetween`); else by the policy within each table and by
    `BestLoss` between them.
    """
    across = policy if isinstance(policy, ChoosesBetween) else BestLoss(policy)
    name, choice = across.between(tables)
    return name, apply_policy(lambda table: choice, tables[name])


@dataclass(frozen=True)
class BestLoss:
    """The solver whose model of its own choice predicts best; its rank by an ordinary policy.

    Each solver's table gets its rank from `policy`. Of these models the one with the smallest squared error at held-out
    cells wins, the first of equals: whatever loss a model was fitted by, the one that suits the noise makes the most
    of the data, and so predicts better in squared error too. Every solver is tested on the same folds. On a single
    table it is `policy`.

    Parameters
    ----------
    policy : function from RankTable to Choice (or to a rank)

    Examples
    --------
    >>> als = RankTable([0, 1, 2], {"heldout": [[1.0], [0.5], [0.6]]}, (5, 6, 7))
    >>> kl = RankTable([0, 1, 2], {"heldout": [[1.0], [0.3], [0.2]],
    ...                            "heldout_squared": [[1.0], [0.6], [0.4]]}, (5, 6, 7))
    >>> lowest = lambda table: int(table.mean("heldout").argmin())
    >>> BestLoss(lowest).between({"ALS": als, "KL": kl})[0]
    'KL'
    """

    policy: Policy = DEFAULT_POLICY

    def __post_init__(self) -> None:
        check_policy(self.policy, "policy of BestLoss")

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice of the policy from one table."""
        return apply_policy(self.policy, table)

    def between(self, tables: Mapping[str, RankTable]) -> tuple[str, Choice]:
        """Return the name of the chosen table, and the choice from it."""
        choices = {name: self(table) for name, table in tables.items()}
        errors = {name: _squared_error(tables[name], choice.rank) for name, choice in choices.items()}
        best = min(errors, key=lambda name: (isnan(errors[name]), errors[name]))
        if len(tables) == 1:
            return best, choices[best]
        answered = choices[best].rank
        others, disagree = [], []
        for name, choice in choices.items():
            if name == best:
                continue
            says = f"it says {choice.rank}"
            if choice.rank != answered:
                disagree.append(name)
                # Errors of different ranks do not compare the solvers.
                there = _squared_error(tables[name], answered) if answered in tables[name].ranks else np.nan
                says += f"; {_percent(there)} at rank {answered}"
            others.append(f"{name} {_percent(errors[name])} ({says})")
        its_own = _percent(errors[best], " of the zero model's")
        by = f"By {best}, whose squared error at held-out cells is {its_own}; by {', '.join(others)}."
        differ = f"{best} and {' and '.join(disagree)} disagree on the rank: look at both." if disagree else ""
        reason = " ".join(part for part in (choices[best].reason, by, differ) if part)
        return best, replace(choices[best], reason=reason)


def _squared_error(table: RankTable, rank: int) -> float:
    """Return the squared error at held-out cells relative to the zero model's; NaN if the table does not know it."""
    name = "heldout_squared" if "heldout_squared" in table else "heldout"
    return float(table.known(name)[table.row(rank)])


def _percent(share: float, of: str = "") -> str:
    return "unknown" if isnan(share) else f"{100.0 * share:.3g} %{of}"


@dataclass(frozen=True)
class AutoTen2016:
    """The rule of AutoTen as its published code runs it.

    Core consistencies of ranks from 2 on, values below 20 set to 0, are split in two by one-dimensional two-medians
    (city-block distance); the cluster of the higher mean is good, and the answer is the largest rank in it. If all
    values are equal there is one cluster only, and its largest rank is the answer: also if all are 0. As published,
    ranks 0 and 1 are never returned and the answer depends on the largest rank tried.

    Between losses (``estimate_rank(X, solver=(ALS(), KL()))``), each with a rank of its own, the larger rank is taken
    (strategy 2 of the published code). If a chosen rank's core consistency counts as 0, or the ranks are equal, the
    loss with the larger sum of core consistencies decides (strategy 1).

    Notes
    -----
    The published code leaves the clusters to an unseeded k-means. Here every cut of the sorted values is tried, so the
    split is the best there is and the same every time. The fits are ours, the best of several starts, where the
    original has one random start: better optimisation makes this rule choose larger ranks.

    References
    ----------
    Papalexakis (2016), SIAM International Conference on Data Mining, 711-719 (arXiv 1503.03355).

    Examples
    --------
    >>> table = RankTable([0, 1, 2, 3, 4], {"core_consistency": [[np.nan], [100], [100], [97], [-3e7]]}, (5, 6, 7))
    >>> AutoTen2016()(table).rank
    3
    """

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice from the table."""
        curve = self._curve(table)
        values = np.array(list(curve.values()))
        good = two_median_split(values)
        rank = [candidate for candidate, is_good in zip(curve, good, strict=True) if is_good][-1]
        if good.all():
            return Choice(
                rank,
                f"Rank {rank} is the largest tried: every core consistency is {values[0]:.4g} (values below "
                f"{AUTOTEN_NOISE:g} count as 0), and then the published rule takes the largest rank.",
            )
        worse = values[~good].max()
        others = f"at most {worse:.4g}" if worse else f"below {AUTOTEN_NOISE:g}"
        return Choice(
            rank,
            f"Rank {rank} is the largest in the better of the two groups into which the core consistencies fall: "
            f"{values[good].min():.4g} or more in this group, {others} in the other.",
        )

    def between(self, tables: Mapping[str, RankTable]) -> tuple[str, Choice]:
        """Return the name of the chosen loss's table, and the choice from it."""
        choices = {name: self(table) for name, table in tables.items()}
        curves = {name: self._curve(table) for name, table in tables.items()}
        ranks = {name: choice.rank for name, choice in choices.items()}
        best = max(tables, key=lambda name: sum(curves[name].values()))
        why = "its core consistencies have the larger sum"
        if len(tables) == 1:
            return best, choices[best]
        if all(curves[name][rank] > 0.0 for name, rank in ranks.items()) and len(set(ranks.values())) > 1:
            best, why = max(ranks, key=lambda name: ranks[name]), "its rank is the larger one"
        others = ", ".join(f"{name} says {rank}" for name, rank in ranks.items() if name != best)
        return best, replace(choices[best], reason=f"{choices[best].reason} By {best}, because {why}; {others}.")

    def _curve(self, table: RankTable) -> dict[int, float]:
        """Return the core consistencies that are known of candidates, noise as 0."""
        candidates = table.ranks >= AUTOTEN_LOWEST_RANK
        if not candidates.any():
            refuse(
                f"the ranks for {self!r}",
                f"such that one is {AUTOTEN_LOWEST_RANK} at least",
                table.ranks.tolist(),
                "The published rule returns no smaller one: ask for more ranks, or choose another policy.",
            )
        scores = score_of(table, "core_consistency", repr(self), needed=candidates)
        candidates &= ~np.isnan(scores)
        values = np.where(scores >= AUTOTEN_NOISE, scores, 0.0)
        return dict(zip(table.ranks[candidates].tolist(), values[candidates].tolist(), strict=True))


def two_median_split(values: Array) -> NDArray[np.bool_]:
    """Return which values belong to the upper cluster of the best split in two by distance to the cluster medians.

    In one dimension the best clusters are intervals, so trying every cut of the sorted values is exact. Of cuts that
    are equally good, the lowest. Values that are all equal form one cluster.
    """
    ordered = np.sort(values)
    cuts = np.flatnonzero(np.diff(ordered) > 0) + 1
    if not cuts.size:
        return np.ones(values.shape, dtype=bool)
    costs = [sum(np.abs(part - np.median(part)).sum() for part in np.split(ordered, [cut])) for cut in cuts]
    return np.asarray(values >= ordered[cuts[int(np.argmin(costs))]])
