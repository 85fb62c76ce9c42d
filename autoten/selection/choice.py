"""What a policy is, what it answers, and how it reads a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoten._errors import is_integer, refuse
from autoten._typing import Array
from autoten.table import LOWEST_CONSISTENCY, RankTable


class Alternative(NamedTuple):
    """Another rank worth a look, and why."""

    rank: int
    """The rank."""
    reason: str
    """What speaks for it, in a sentence."""


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
    in_place_of : Choice, optional
        The policy's own choice, where a person has taken another rank (`RankEstimate.at`).
    """

    rank: int
    reason: str = ""
    alternatives: tuple[Alternative, ...] = ()
    probabilities: Mapping[int, float] | None = None
    in_place_of: Choice | None = None

    def at(self, rank: int) -> Choice:
        """Return the choice of another rank, by hand, in place of what the policy chose; its own choice for its own."""
        chosen = self.in_place_of or self
        if rank == chosen.rank:
            return chosen
        reason = f"Rank {rank} was taken by hand, in place of {chosen.rank}, the estimate."
        others = [other for other in chosen.alternatives if other.rank != rank]
        alternatives = (Alternative(chosen.rank, "the estimate"), *others)
        return replace(chosen, rank=rank, reason=reason, alternatives=alternatives, in_place_of=chosen)


Policy = Callable[[RankTable], "Choice | int"]


def apply_policy(policy: Policy, table: RankTable) -> Choice:
    """Return the policy's choice from the table; a bare integer becomes a Choice, anything else is refused."""
    check_policy(policy, "the policy")
    answer = policy(table)
    choice = answer if isinstance(answer, Choice) else Choice(answer, f"chosen by {policy_name(policy)}")
    rank: Any = choice.rank
    if not is_integer(rank) or rank not in table.ranks:
        expected = f"a Choice or a rank out of {table.ranks.tolist()}"
        refuse(f"the answer of {policy_name(policy)}", expected, repr(answer))
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


def score_of(table: RankTable, name: str, asker: str, needed: NDArray[np.bool_] | None = None) -> Array:
    """Return the mean of a score for every row, or refuse a table that knows it for none of the rows in need of it."""
    if name not in table:
        remedy = "Add the scorer that computes it to `scorers` of estimate_rank, or choose another policy."
        held = f"only {', '.join(sorted(table.replicates)) or 'ranks'}"
        refuse(f"the table for {asker}", f"one with the score {name!r}", held, remedy)
    values = table.mean(name)
    rows = table.ranks > 0 if needed is None else needed
    if rows.any() and np.isnan(values[rows]).all():
        first, last = table.ranks[rows][[0, -1]]
        expected = f"known for rank {first}" if first == last else f"known for one of ranks {first} to {last} at least"
        remedy = "See the warnings of the estimate for why it could not be computed, or choose another policy."
        refuse(f"the score {name!r} for {asker}", expected, "NaN", remedy)
    return values


def is_scored(table: RankTable) -> NDArray[np.bool_]:
    """Return which rows have a held-out error; the model without components counts as scored."""
    return np.asarray(~np.isnan(table.mean("heldout")) | (table.ranks == 0))


def beside(table: RankTable, rank: int, other: int) -> str:
    """Return a sentence, to follow a reason, of the scores of a rank beside those of another, as far as both are known.

    Halves are told in components that they share.
    """
    rows, said = [table.row(rank), table.row(other)], list[str]()
    for what, scores, written in (
        ("held-out error", table.known("heldout"), "{:.4g}".format),
        ("core consistency", np.where(table.informative, table.known("core_consistency"), np.nan), in_points),
        ("components that halves of the data share", table.ranks * table.known("stability_halves"), "{:.1f}".format),
    ):
        here, there = scores[rows]
        if not np.isnan(here + there):
            said.append(f"{what} {written(here)} ({written(there)}{'' if said else f' at rank {other}'})")
    sentence = "; ".join(said)
    return f" {sentence[0].upper()}{sentence[1:]}." if said else ""


def in_points(consistency: float) -> str:
    """Return a core consistency as a reason says it."""
    return f"below {LOWEST_CONSISTENCY:g}" if consistency < LOWEST_CONSISTENCY else f"{consistency:z.1f}"


def where_it_ends(table: RankTable) -> str:
    """Return a sentence, to follow a reason, about ranks that have no held-out error; nothing where all have one."""
    scored = is_scored(table)
    without = table.ranks[~scored].tolist()
    if not without:
        return ""
    which = f"Rank {without[0]} has" if len(without) == 1 else f"Ranks {', '.join(map(str, without))} have"
    ended = table.ranks[scored][-1]
    return f" {which} no held-out error{f': the range ended at {ended}' if without[-1] > ended else ''}."
