"""How often is the true rank chosen, by us and by the rules people use, and how honest are the probabilities?

    python benchmarks/draws.py reported --rivals   # fits and rivals' answers, hours; can be stopped and taken up again
    python benchmarks/draws.py real --rivals
    python benchmarks/bench_recovery.py            # the rest from what was kept, a minute; writes results/recovery.json
    python benchmarks/bench_recovery.py --smoke    # a draw of one case, fitted now

Everything is judged on the reported draws, whose seeds serve nothing else. "Identifiable" is decided before any rule is
asked (Kruskal's condition, and ALS started at the truth keeps every component); rates are of identifiable draws unless
they say otherwise. The development draws give the coefficients that leave a family, or a kind of evidence, out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import calibrate
import cases
import draws
import measure
import numpy as np
import real
import rivals
from calibrate import Seen
from measure import Row
from numpy.typing import NDArray
from scipy.stats import binomtest

from autoten.selection import DEFAULT_POLICY, Choice, apply_policy
from autoten.selection.choice import Policy
from autoten.table import RankTable

Array = NDArray[np.float64]

OURS, FUSION = "autoten", "one-SE, else DIFFIT"
N_BINS = 10
N_RESAMPLED = 1000
SURE = 0.9

# Cases of which a draw is fitted now; of none all that was kept is judged.
FULL, SMOKE = (), ("R1 positive 10 dB",)


@dataclass(frozen=True)
class Recorded:
    """A stored table in the place of an estimate: all that a rule on the table asks of one."""

    table: RankTable

    def select(self, policy: Policy) -> Choice:
        return apply_policy(policy, self.table)


@dataclass(frozen=True, eq=False)
class Judged:
    """A draw with all answers."""

    row: Row

    @property
    def case(self) -> str:
        return str(self.row["case"])

    @property
    def rank(self) -> int:
        return int(self.row["rank"])

    @cached_property
    def choice(self) -> Choice:
        """Our choice: that of the default, which `KL` may have had a part in."""
        if default := self.row.get("default"):
            return Choice(default["rank"], "", (), dict(enumerate(default["probabilities"])))  # every rank is tried
        return apply_policy(DEFAULT_POLICY, self.row["table"])

    @cached_property
    def answers(self) -> dict[str, int | None]:
        """The rank that each rule answers; None where it does not apply, or was not asked."""
        table = self.row["table"]
        ranks = range(table.ranks[1], table.ranks[-1] + 1)
        evidence = rivals.Evidence(np.empty(table.shape), Recorded(table), ranks, self.row["number"])  # type: ignore[arg-type]
        asked = {
            name: rival.rule(evidence)
            for name, rival in rivals.RIVALS.items()
            if rival.needs == "table" and name != "NORMO"
        }
        kept = {name: answer["rank"] for name, answer in self.row["answers"].items()}
        return {OURS: self.choice.rank, **asked, **kept}

    def right(self, rule: str) -> bool | None:
        """Whether a rule is right, None where it does not apply."""
        answer = self.answers.get(rule)
        return None if answer is None else answer == self.rank


class Rate(NamedTuple):
    """A number of right answers among so many."""

    right: int
    n: int

    @property
    def share(self) -> float:
        return self.right / self.n if self.n else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Wilson."""
        low, high = binomtest(self.right, self.n).proportion_ci(method="wilson")
        return float(low), float(high)


def rate(of: Iterable[Judged], rule: str = OURS) -> Rate:
    """Return how often a rule is right where it applies."""
    right = [answer for judged in of if (answer := judged.right(rule)) is not None]
    return Rate(sum(right), len(right))


def rates(of: Sequence[Judged]) -> dict[str, Rate]:
    """Return the rates of ours and of every rival that was asked, best first after ours."""
    asked = dict.fromkeys(rule for judged in of for rule, answer in judged.answers.items() if answer is not None)
    found = {rule: rate(of, rule) for rule in asked}
    return dict(sorted(found.items(), key=lambda pair: (pair[0] != OURS, -pair[1].share)))


def by(of: Iterable[Any], key: Callable[[Any], str]) -> dict[str, list[Any]]:
    """Return the draws by a key, in their order."""
    groups: dict[str, list[Any]] = {}
    for each in of:
        groups.setdefault(key(each), []).append(each)
    return groups


def identifiable(of: Iterable[Judged]) -> list[Judged]:
    return [judged for judged in of if judged.row["identifiable"]]


# --- the reported draws ---


def overall(of: Sequence[Judged]) -> list[Row]:
    """Return a row for every rule: rates, errors, seconds."""
    kept, rows = identifiable(of), []
    for rule, found in rates(kept).items():
        low, high = found.interval
        errors = [answer - j.rank for j in kept if (answer := j.answers.get(rule)) is not None]
        own = [j.row["answers"][rule]["seconds"] for j in of if rule in j.row["answers"] and rule != "NORMO"]
        rows.append(
            {
                "rule": rule,
                "exact": found.share,
                "low": low,
                "high": high,
                "of": found.n,
                "of all draws": rate(of, rule).share,
                "mean error": float(np.mean(errors)),
                "mean absolute error": float(np.mean(np.abs(errors))),
                "CPU s a draw": float(np.median(own or [j.row["seconds"] for j in of])),
            }
        )
    return rows


def grouped(of: Sequence[Judged], name: str, key: Callable[[Judged], str]) -> list[Row]:
    """Return our rate in every group and those of rivals that are no worse, the best three."""
    rows = []
    for group, some in by(of, key).items():
        kept = identifiable(some)
        found = rates(kept)
        ours = found.pop(OURS, Rate(0, 0))
        better = [f"{rule} {each.share:.3g}" for rule, each in found.items() if each.share > ours.share]
        rows.append(
            {
                name: group,
                **({"what hides it": cases.BY_NAME[group].what} if name == "case" else {}),
                "identifiable": f"{len(kept)} of {len(some)}",
                "autoten": ours.share,
                FUSION: found.get(FUSION, Rate(0, 0)).share,
                "rivals that did better": ", ".join(better[:3]) + " …" * (len(better) > 3),
            }
        )
    return rows


def honesty(what: str, shares: Sequence[Array], truths: Sequence[int]) -> Row:
    """Return how honest probabilities are: calibration error of that of the chosen rank, Brier and log score.

    The expected calibration error is the mean distance of a bin's stated probability from its share of right answers;
    its interval comes from resampled draws.
    """
    stated, right = _stated(shares, truths)
    rng = np.random.default_rng(0)
    resampled = [rng.integers(len(stated), size=len(stated)) for _ in range(N_RESAMPLED)]
    low, high = np.quantile([_calibration_error(stated[r], right[r]) for r in resampled], [0.025, 0.975])
    truth = [share[t] for share, t in zip(shares, truths, strict=True)]
    sure = stated >= SURE
    return {
        "draws": what,
        "calibration error": _calibration_error(stated, right),
        "low": float(low),
        "high": float(high),
        "Brier score": float(np.mean((stated - right) ** 2)),
        "log score": float(np.mean(np.log(np.maximum(truth, 1e-12)))),
        "stated 90 % and more": float(sure.mean()),
        "right of those": float(right[sure].mean()) if sure.any() else None,
    }


def bins(shares: Sequence[Array], truths: Sequence[int]) -> list[Row]:
    """Return stated probabilities beside shares of right answers."""
    stated, right = _stated(shares, truths)
    means = [(float(stated[b].mean()), float(right[b].mean()), len(b)) for b in _bins(stated)]
    return [{"stated (mean of bin)": said, "right": found, "of": n} for said, found, n in means]


def _stated(shares: Sequence[Array], truths: Sequence[int]) -> tuple[Array, Array]:
    """Return the probability of every chosen rank, and whether it is right."""
    answers = [int(share.argmax()) for share in shares]
    return np.array([share.max() for share in shares]), np.equal(answers, truths).astype(float)


def _bins(stated: Array) -> list[NDArray[np.int64]]:
    return [b for b in np.array_split(np.argsort(stated, kind="stable"), N_BINS) if len(b)]


def _calibration_error(stated: Array, right: Array) -> float:
    return float(sum(len(b) * abs(stated[b].mean() - right[b].mean()) for b in _bins(stated)) / len(stated))


# --- what the coefficients were not made from ---


def forms(of: Sequence[Judged]) -> tuple[list[Row], Row]:
    """Return how each form does on the reported draws: fitted to all development draws, and to all but the family.

    And how honest the default is when fitted without the family of the draw.
    """
    development, honest = calibrate.development(), {}
    evidence = [Seen.of(judged.row) for judged in identifiable(of)]
    truths = [seen.rank for seen in evidence]
    families, rows = dict.fromkeys(seen.family for seen in evidence), []
    for form, names in calibrate.FORMS.items():
        fitted, without = calibrate.fitted(development, names), calibrate.without(development, names, families)
        row: Row = {"weighed": form, "parameters": len(names)}
        for what, shares in (
            ("as it is", [seen.shares(fitted) for seen in evidence]),
            ("family left out", [seen.shares(without[seen.family]) for seen in evidence]),
        ):
            found = calibrate.rates_of(evidence, shares)
            row |= {f"exact, {what}": found.exact, f"log score, {what}": found.log_score}
        honest = honest or honesty("named cases, family left out", shares, truths)
        rows.append(row)
    return rows, honest


def unseen() -> tuple[list[Row], list[Row]]:
    """Return how recipes and plasmodes are answered by coefficients that were made without them, and by rules; honesty.

    Of draws in which the best model of the true rank has the components; plasmodes are left out by substance.
    """
    development = calibrate.development()
    coefficients = calibrate.without(development, calibrate.DEFAULT)
    exact: dict[str, dict[str, Rate]] = {}
    honest = []
    for source in ("recipes", "plasmodes", "weak"):
        seen = [each for each in development if each.source == source and each.found]
        shares, truths = [each.shares(coefficients[each.apart]) for each in seen], [each.rank for each in seen]
        ours = Rate(sum(map(_right, seen, shares)), len(seen))
        exact[source] = rates([Judged(each.row) for each in seen]) | {OURS: ours}
        honest.append(honesty(source, shares, truths))
    names = sorted(exact["recipes"], key=lambda rule: (rule != OURS, -exact["plasmodes"][rule].share))
    rows = [{"rule": rule, **{source: found[rule].share for source, found in exact.items()}} for rule in names]
    return [{"rule": "draws", **{source: found[OURS].n for source, found in exact.items()}}, *rows], honest


def _right(seen: Seen, shares: Array) -> bool:
    return int(shares.argmax()) == seen.rank


# --- real tensors ---


def real_tensors(tier: str) -> list[Row]:
    """Return, for every real tensor of a tier, the accepted ranks, what probability we give them, and all answers.

    The last row says how often answers are accepted, every family alike; no answer is not accepted.
    """
    known = {case.name: case for case in real.REAL if case.tier == tier}
    rows, accepted = [], {}
    for name, group in by(map(Judged, draws.load("real")), lambda judged: judged.case).items():
        if name not in known:
            continue
        ranks = known[name].accepted
        answers = {rule: [judged.answers.get(rule) for judged in group] for rule in group[0].answers}
        stated = [sum((judged.choice.probabilities or {}).get(rank, 0.0) for rank in ranks) for judged in group]
        for rule, given in answers.items():
            accepted.setdefault(rule, {}).setdefault(known[name].family, []).append(
                np.mean([a in ranks for a in given])
            )
        shown = {rule: " ".join("–" if a is None else str(a) for a in given) for rule, given in answers.items()}
        rows.append({"tensor": name, "accepted": " ".join(map(str, sorted(ranks))), "stated": float(np.mean(stated))})
        rows[-1] |= {rule: text.split()[0] if len(set(text.split())) == 1 else text for rule, text in shown.items()}
    last = {rule: float(np.mean([np.mean(some) for some in families.values()])) for rule, families in accepted.items()}
    return [*rows, {"tensor": "accepted, families alike", "accepted": "", "stated": "", **last}]


def run(smoke: Sequence[str]) -> Row:
    """Judge what has been measured; of a smoke run a few draws that are measured now."""
    if smoke:
        with tempfile.TemporaryDirectory() as folder:
            draws.run("smoke", [cases.BY_NAME[name] for name in smoke], 1, root=Path(folder))
            rows = draws.load("smoke", Path(folder))
    else:
        rows = draws.load("reported")
    judged = [Judged(row) for row in rows if row["case"] in cases.BY_NAME]
    kept = identifiable(judged)
    shares = [np.array(list((j.choice.probabilities or {}).values())) for j in kept]
    truths = [j.rank for j in kept]
    results = {
        "overall": overall(judged),
        "families": grouped(judged, "family", lambda j: cases.BY_NAME[j.case].family),
        "cases": grouped(judged, "case", lambda j: j.case),
        "calibration": bins(shares, truths),
        "honesty": [honesty("named cases", shares, truths)],
    }
    if smoke:
        return results
    of_forms, left_out = forms(judged)
    apart, honest = unseen()
    return results | {
        "forms": of_forms,
        "unseen": apart,
        "honesty": [*results["honesty"], left_out, *honest],
        "laboratory": real_tensors("laboratory"),
        "opinion": real_tensors("opinion"),
    }


if __name__ == "__main__":
    measure.main("recovery", __doc__, run, FULL, SMOKE)
