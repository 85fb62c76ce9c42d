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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import calibrate
import cases
import draws
import measure
import numpy as np
import pandas as pd
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


def choice_of(row: Row) -> Choice:
    """Return our choice of a draw: that of the default, which `KL` may have had a part in."""
    if default := row.get("default"):
        return Choice(default["rank"], "", (), dict(enumerate(default["probabilities"])))  # every rank is tried
    return apply_policy(DEFAULT_POLICY, row["table"])


def answers_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the rank that each rule answers, a row for every draw; NaN where it does not apply, or was not asked."""
    found = []
    for row in rows:
        table = row["table"]
        tried = range(table.ranks[1], table.ranks[-1] + 1)
        evidence = rivals.Evidence(np.empty(table.shape), Recorded(table), tried, row["number"])  # type: ignore[arg-type]
        asked = {
            name: rival.rule(evidence)
            for name, rival in rivals.RIVALS.items()
            if rival.needs == "table" and name != "NORMO"
        }
        kept = {name: answer["rank"] for name, answer in row["answers"].items()}
        found.append({OURS: choice_of(row).rank, **asked, **kept})
    return pd.DataFrame(found, dtype=float).dropna(axis=1, how="all")


def right_of(rows: Sequence[Row], answers: pd.DataFrame) -> pd.DataFrame:
    """Return whether each answer is right, 1 or 0, NaN where there is none; ours first, then the best rule."""
    right = answers.eq([row["rank"] for row in rows], axis=0).where(answers.notna()).astype(float)
    rules = right[[row["rank"] is not None and row["identifiable"] for row in rows]].mean()
    return right[[OURS, *rules.drop(OURS).sort_values(ascending=False, kind="stable").index]]


# --- the reported draws ---


def overall(rows: Sequence[Row], answers: pd.DataFrame) -> list[Row]:
    """Return a row for every rule: rates, errors, seconds."""
    kept = np.array([row["identifiable"] for row in rows])
    right, error = right_of(rows, answers), answers.sub([row["rank"] for row in rows], axis=0)[kept]
    found = []
    for rule in right:
        of = right[rule][kept].dropna()
        low, high = binomtest(int(of.sum()), len(of)).proportion_ci(method="wilson")
        own = [row["answers"][rule]["seconds"] for row in rows if rule in row["answers"] and rule != "NORMO"]
        found.append(
            {
                "rule": rule,
                "exact": float(of.mean()),
                "low": float(low),
                "high": float(high),
                "of": len(of),
                "of all draws": float(right[rule].mean()),
                "mean error": float(error[rule].mean()),
                "mean absolute error": float(error[rule].abs().mean()),
                "CPU s a draw": float(np.median(own or [row["seconds"] for row in rows])),
            }
        )
    return found


def grouped(rows: Sequence[Row], answers: pd.DataFrame, name: str, key: Callable[[Row], str]) -> list[Row]:
    """Return our rate in every group, that of the fusion, and the best three of rivals that did better."""
    kept, groups = np.array([row["identifiable"] for row in rows]), np.array([key(row) for row in rows])
    right, found = right_of(rows, answers), []
    for group in dict.fromkeys(groups):
        rates = right[kept & (groups == group)].mean().sort_values(ascending=False, kind="stable")
        better = [f"{rule} {share:.3g}" for rule, share in rates.items() if share > rates[OURS]]
        found.append(
            {
                name: str(group),
                **({"what hides it": cases.BY_NAME[group].what} if name == "case" else {}),
                "identifiable": f"{(kept & (groups == group)).sum()} of {(groups == group).sum()}",
                "autoten": None if np.isnan(rates[OURS]) else float(rates[OURS]),
                FUSION: None if np.isnan(rates[FUSION]) else float(rates[FUSION]),
                "rivals that did better": ", ".join(better[:3]) + " …" * (len(better) > 3),
            }
        )
    return found


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


def forms(rows: Sequence[Row]) -> tuple[list[Row], Row]:
    """Return how each form does on draws: fitted to all development draws, and to all but the family of the draw.

    And how honest the default is when fitted without the family of the draw.
    """
    development, honest, found = calibrate.development(), {}, []
    evidence = [Seen.of(row) for row in rows]
    truths, families = [seen.rank for seen in evidence], dict.fromkeys(seen.family for seen in evidence)
    for form, names in calibrate.FORMS.items():
        fitted, without = calibrate.fitted(development, names), calibrate.without(development, names, families)
        row: Row = {"weighed": form, "parameters": len(names)}
        for what, shares in (
            ("as it is", [seen.shares(fitted) for seen in evidence]),
            ("family left out", [seen.shares(without[seen.family]) for seen in evidence]),
        ):
            rates = calibrate.rates_of(evidence, shares)
            row |= {f"exact, {what}": rates.exact, f"log score, {what}": rates.log_score}
        honest = honest or honesty("named cases, family left out", shares, truths)
        found.append(row)
    return found, honest


def unseen() -> tuple[list[Row], list[Row]]:
    """Return how recipes and plasmodes are answered by coefficients that were made without them, and by rules; honesty.

    Of draws in which the best model of the true rank has the components; plasmodes are left out by substance.
    """
    development, exact, honest = calibrate.development(), {}, []
    coefficients = calibrate.without(development, calibrate.DEFAULT)
    for source in ("recipes", "plasmodes", "weak"):
        seen = [each for each in development if each.source == source and each.found]
        shares, rows = [each.shares(coefficients[each.apart]) for each in seen], [each.row for each in seen]
        answers = answers_of(rows).assign(**{OURS: [int(share.argmax()) for share in shares]})
        rates = answers.eq([each.rank for each in seen], axis=0).where(answers.notna()).astype(float).mean()
        exact[source] = {"draws": len(seen), OURS: rates[OURS], **rates}
        honest.append(honesty(source, shares, [each.rank for each in seen]))
    frame = pd.DataFrame(exact)
    rules = frame["plasmodes"].drop(["draws", OURS]).sort_values(ascending=False, kind="stable").index
    return [{"rule": rule, **frame.loc[rule].to_dict()} for rule in ("draws", OURS, *rules)], honest


# --- real tensors ---


def real_tensors(tier: str) -> list[Row]:
    """Return, for every real tensor of a tier, the accepted ranks, what probability we give them, and all answers.

    The last row says how often answers are accepted, every family alike; no answer is not accepted.
    """
    known = {case.name: case for case in real.REAL if case.tier == tier}
    rows = [row for row in draws.load("real") if row["case"] in known]
    answers, names = answers_of(rows), [row["case"] for row in rows]
    accepted = answers.apply(
        lambda given: [rank in known[name].accepted for rank, name in zip(given, names, strict=True)]
    )
    stated = [
        sum((choice_of(row).probabilities or {}).get(r, 0.0) for r in known[row["case"]].accepted) for row in rows
    ]
    found = []
    for name, given in answers.groupby(names, sort=False):
        about = {"tensor": name, "accepted": " ".join(map(str, sorted(known[name].accepted)))}
        about["stated"] = float(np.mean([share for share, of in zip(stated, names, strict=True) if of == name]))
        found.append(about | {rule: _all_of(column.tolist()) for rule, column in given.items()})
    families = accepted.groupby(names).mean().groupby(lambda name: known[name].family).mean().mean()
    return [*found, {"tensor": "accepted, families alike", "accepted": "", "stated": "", **families.to_dict()}]


def _all_of(answers: Sequence[float]) -> str:
    """Return the answers from all seeds, one where they are the same."""
    words = ["–" if np.isnan(answer) else f"{answer:.0f}" for answer in answers]
    return words[0] if len(set(words)) == 1 else " ".join(words)


def run(smoke: Sequence[str]) -> Row:
    """Judge what has been measured; of a smoke run a few draws that are measured now."""
    if smoke:
        with tempfile.TemporaryDirectory() as folder:
            draws.run("smoke", [cases.BY_NAME[name] for name in smoke], 1, root=Path(folder))
            rows = draws.load("smoke", Path(folder))
    else:
        rows = [row for row in draws.load("reported") if row["case"] in cases.BY_NAME]
    kept, answers = [row for row in rows if row["identifiable"]], answers_of(rows)
    shares = [np.array(list((choice_of(row).probabilities or {}).values())) for row in kept]
    truths = [row["rank"] for row in kept]
    results = {
        "overall": overall(rows, answers),
        "families": grouped(rows, answers, "family", lambda row: cases.BY_NAME[row["case"]].family),
        "cases": grouped(rows, answers, "case", lambda row: row["case"]),
        "calibration": bins(shares, truths),
        "honesty": [honesty("named cases", shares, truths)],
    }
    if smoke:
        return results
    of_forms, left_out = forms(kept)
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
