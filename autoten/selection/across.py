"""Choosing between solvers: every solver has a table of its own, and policies act within one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from autoten.selection.calibrated import DEFAULT_POLICY
from autoten.selection.choice import Choice, Policy, apply_policy, check_policy
from autoten.table import RankTable


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
        choices = {name: apply_policy(self.policy, table) for name, table in tables.items()}
        errors = {name: _squared_error(tables[name], choice.rank) for name, choice in choices.items()}
        best = min(errors, key=lambda name: (np.isnan(errors[name]), errors[name]))
        others = ", ".join(
            f"{name} {_percent(errors[name])} (it says {choice.rank})"
            for name, choice in choices.items()
            if name != best
        )
        if not others:
            return best, choices[best]
        its_own = _percent(errors[best], " of the zero model's")
        reason = f"{choices[best].reason} By {best}, whose squared error at held-out cells is {its_own}; by {others}."
        return best, replace(choices[best], reason=reason.strip())


def _percent(share: float, of: str = "") -> str:
    return "unknown" if np.isnan(share) else f"{100.0 * share:.3g} %{of}"


def choose_between(policy: Policy, tables: Mapping[str, RankTable]) -> tuple[str, Choice]:
    """Return the chosen table's name and the choice from it.

    By the policy's own method ``between`` if it has one, as `BestLoss` and `AutoTen2016` do; else by the policy within
    each table and by `BestLoss` between them.
    """
    across = policy if hasattr(policy, "between") else BestLoss(policy)
    name, choice = across.between(tables)
    return name, apply_policy(lambda table: choice, tables[name])


def _squared_error(table: RankTable, rank: int) -> float:
    """Return the squared error at held-out cells relative to the zero model's; NaN if the table does not know it."""
    name = "heldout_squared" if "heldout_squared" in table else "heldout"
    return table.value(name, rank) if name in table else float("nan")
