"""What a policy answers, and what a policy is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from autoten._errors import refuse
from autoten.table import RankTable


class Alternative(NamedTuple):
    """Another rank worth a look, and why."""

    rank: int
    reason: str


@dataclass(frozen=True)
class Choice:
    """A rank and the reason for it.

    Parameters
    ----------
    rank : int
        The chosen rank; 0 means nothing beyond noise.
    reason : str
        One or two sentences for a person.
    alternatives : tuple of Alternative
        Other ranks worth a look, best first.
    probabilities : mapping from rank to probability, or None
        None when the policy makes no such statement.
    """

    rank: int
    reason: str = ""
    alternatives: tuple[Alternative, ...] = ()
    probabilities: Mapping[int, float] | None = field(default=None)


Policy = Callable[[RankTable], "Choice | int"]


def apply_policy(policy: Policy, table: RankTable) -> Choice:
    """Return the policy's choice from the table; a bare integer becomes a Choice, anything else is refused."""
    check_policy(policy, "the policy")
    answer = policy(table)
    choice = answer if isinstance(answer, Choice) else Choice(answer, f"chosen by {policy_name(policy)}")
    rank = choice.rank
    if not isinstance(rank, (int, np.integer)) or isinstance(rank, bool) or rank not in table.ranks:
        refuse(
            f"the answer of {policy_name(policy)}", f"a Choice or a rank out of {table.ranks.tolist()}", repr(answer)
        )
    # Plain numbers: what NumPy calls an integer is not one to JSON.
    others = tuple(Alternative(int(other), reason) for other, reason in choice.alternatives)
    shares = choice.probabilities
    if shares is not None:
        shares = {int(candidate): float(share) for candidate, share in shares.items()}
    return replace(choice, rank=int(rank), alternatives=others, probabilities=shares)


def check_policy(policy: object, what: str) -> None:
    """Refuse what cannot be a policy."""
    if not callable(policy) or isinstance(policy, type):
        refuse(what, "a function from a RankTable to a Choice, such as Knee()", repr(policy), kind=TypeError)


def policy_name(policy: Policy) -> str:
    """Return a printable name: the function's name, or the object's repr."""
    return getattr(policy, "__name__", None) or repr(policy)


def selection_frequency(
    policy: Policy, table: RankTable, rng: np.random.Generator, n_draws: int = 200
) -> dict[int, float]:
    """Return how often the policy picks each rank when the folds are drawn again with replacement.

    It measures how firmly *these* folds support the choice; it is not a calibrated probability.
    """
    picks = [apply_policy(policy, table.resampled(rng)).rank for _ in range(n_draws)]
    ranks, counts = np.unique(picks, return_counts=True)
    return {int(rank): float(count / n_draws) for rank, count in zip(ranks, counts, strict=True)}
