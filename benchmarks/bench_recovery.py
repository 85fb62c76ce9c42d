"""How often is the true rank chosen, by us and by the rules people use, and how honest are the probabilities?

    python benchmarks/draws.py reported --rivals   # fits and rivals' answers, hours; can be stopped and taken up again
    python benchmarks/draws.py real --rivals
    python benchmarks/bench_recovery.py            # the rest from what was kept, a minute; writes results/recovery.json
    python benchmarks/bench_recovery.py --smoke    # two draws of a few cases, fitted now; writes nothing

Everything is judged on the reported draws, whose seeds serve nothing else. "Identifiable" is decided before any rule is
asked (Kruskal's condition, and ALS started at the truth keeps every component); rates are of identifiable draws unless
they say otherwise. The development draws give the coefficients that leave a family, or a kind of evidence, out.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import calibrate
import cases
import draws
import machine
import measure
import numpy as np
import real
import recipes
import rivals
from numpy.typing import NDArray
from scipy.stats import binomtest

from autoten.selection import DEFAULT_POLICY, Choice, apply_policy
from autoten.selection.choice import Policy
from autoten.table import RankTable

Array = NDArray[np.float64]

OURS = "autoten"
FUSION = "one-SE, else DIFFIT"

# Ranges of ranks compared: so many more than the truth.
NARROW, WIDE = 3, 12

N_BINS = 10
N_RESAMPLED = 1000
SURE = 0.9

# Cases of the smoke run, one draw each.
SMOKE = ("P8 R3 30 dB", "R1 positive 10 dB", "3 x 15 x 15 R5")


@dataclass(frozen=True)
class Recorded:
    """A stored table in the place of an estimate: all that a rule on the table asks of one."""

    table: RankTable

    def select(self, policy: Policy) -> Choice:
        """Return the choice of a policy."""
        return apply_policy(policy, self.table)


@dataclass(frozen=True, eq=False)
class Judged:
    """A draw with all answers."""

    row: dict[str, Any]

    @property
    def case(self) -> str:
        """The name of its case."""
        return str(self.row["case"])

    @property
    def rank(self) -> int:
        """The true rank."""
        return int(self.row["rank"])

    @property
    def table(self) -> RankTable:
        """Our scores."""
        table: RankTable = self.row["table"]
        return table

    @cached_property
    def choice(self) -> Choice:
        """Our choice: that of the default, which `KL` may have had a part in."""
        if default := self.row.get("default"):
            return Choice(default["rank"], "", (), dict(enumerate(default["probabilities"])))  # every rank is tried
        return apply_policy(DEFAULT_POLICY, self.table)

    @cached_property
    def answers(self) -> dict[str, int | None]:
        """The rank that each rule answers; None where it does not apply, or was not asked."""
        ranks = self.table.ranks[1:]
        evidence = rivals.Evidence(
            np.empty(self.table.shape), Recorded(self.table), range(ranks[0], ranks[-1] + 1), self.row["number"]
        )  # type: ignore[arg-type]
        kept = {name: answer["rank"] for name, answer in self.row["answers"].items()}
        asked = {
            name: kept.get(name) if name in kept or rival.needs == "own fits" else rival.rule(evidence)
            for name, rival in rivals.RIVALS.items()
            if name != draws.SLOW and (name in kept or name != "NORMO")
        }
        return {OURS: self.choice.rank, **asked}

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
        """As a share; NaN of none."""
        return self.right / self.n if self.n else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Wilson."""
        low, high = binomtest(self.right, self.n).proportion_ci(method="wilson")
        return float(low), float(high)

    def __str__(self) -> str:
        return f"{100 * self.share:.1f} %" if self.n else "–"


def rate(of: Iterable[Judged], rule: str) -> Rate:
    """Return how often a rule is right where it applies."""
    right = [answer for judged in of if (answer := judged.right(rule)) is not None]
    return Rate(sum(right), len(right))


def rules(of: Sequence[Judged]) -> list[str]:
    """Return ours and every rival that was asked, best first after ours."""
    names = dict.fromkeys(name for judged in of for name, answer in judged.answers.items() if answer is not None)
    return [OURS, *sorted((name for name in names if name != OURS), key=lambda name: -rate(of, name).share)]


def by(of: Iterable[Judged], key: Callable[[Judged], str]) -> dict[str, list[Judged]]:
    """Return the draws by a key, in their order."""
    groups: dict[str, list[Judged]] = {}
    for judged in of:
        groups.setdefault(key(judged), []).append(judged)
    return groups


def family_of(judged: Judged) -> str:
    """Return the family of a draw."""
    return cases.BY_NAME[judged.case].family


# --- what is measured ---


def overall(of: Sequence[Judged]) -> list[dict[str, Any]]:
    """Return a row for every rule: rates, errors, seconds."""
    identifiable = [judged for judged in of if judged.row["identifiable"]]
    rows = []
    for rule in rules(identifiable):
        found = rate(identifiable, rule)
        errors = [answer - j.rank for j in identifiable if (answer := j.answers.get(rule)) is not None]
        own = [j.row["answers"][rule]["seconds"] for j in of if rule in j.row["answers"] and rule != "NORMO"]
        rows.append(
            {
                "rule": rule,
                "right": found.right,
                "n": found.n,
                "all": rate(of, rule)._asdict(),
                "error": float(np.mean(errors)),
                "absolute_error": float(np.mean(np.abs(errors))),
                "seconds": float(np.median(own or [j.row["seconds"] for j in of])),
            }
        )
    return rows


def grouped(of: Sequence[Judged], key: Callable[[Judged], str]) -> list[dict[str, Any]]:
    """Return for every group the rate of every rule on identifiable draws, and ours on all of them."""
    rows = []
    for name, group in by(of, key).items():
        identifiable = [judged for judged in group if judged.row["identifiable"]]
        rates = {rule: list(rate(identifiable, rule)) for rule in rules(of)}
        ours = list(rate(group, OURS))
        rows.append({"name": name, "n": len(group), "identifiable": len(identifiable), "rates": rates, "all": ours})
    return rows


def paired(of: Sequence[Judged]) -> list[dict[str, Any]]:
    """Return, for every case and rival that is right more often than we are, the exact paired test (Holm over all)."""
    found: list[dict[str, Any]] = []
    identifiable = [judged for judged in of if judged.row["identifiable"]]
    for case, group in by(identifiable, lambda judged: judged.case).items():
        for rule in rules(identifiable)[1:]:
            pairs = [(j.right(OURS), right) for j in group if (right := j.right(rule)) is not None]
            we, they = sum(ours and not theirs for ours, theirs in pairs), sum(t and not o for o, t in pairs)
            p = binomtest(they, we + they, alternative="greater").pvalue if we + they else 1.0
            found.append({"case": case, "rule": rule, "ours_only": we, "theirs_only": they, "n": len(pairs), "p": p})
    running = 0.0
    for place, row in enumerate(sorted(found, key=lambda row: row["p"])):
        running = max(running, min(1.0, row["p"] * (len(found) - place)))
        row["holm"] = float(running)
        row["p"] = float(row["p"])
    return [row for row in found if row["theirs_only"] > row["ours_only"]]


def calibration(shares: Sequence[Array], truths: Sequence[int]) -> dict[str, Any]:
    """Return how honest probabilities are: equal-mass bins of that of the chosen rank, Brier and log score.

    The expected calibration error is the mean distance of a bin's stated probability from its share of right answers;
    its interval comes from resampled draws.
    """
    answers = [int(share.argmax()) for share in shares]
    stated = np.array([share[answer] for share, answer in zip(shares, answers, strict=True)])
    right = np.equal(answers, truths).astype(float)
    rng = np.random.default_rng(0)
    resampled = [rng.integers(len(stated), size=len(stated)) for _ in range(N_RESAMPLED)]
    low, high = np.quantile([_calibration_error(stated[r], right[r]) for r in resampled], [0.025, 0.975])
    sure = stated >= SURE
    truth = [share[t] for share, t in zip(shares, truths, strict=True)]
    return {
        "error": _calibration_error(stated, right),
        "interval": [float(low), float(high)],
        "bins": [[float(stated[b].mean()), float(right[b].mean()), len(b)] for b in _bins(stated)],
        "brier": float(np.mean((stated - right) ** 2)),
        "log_score": float(np.mean(np.log(np.maximum(truth, 1e-12)))),
        "sure": [float(sure.mean()), float(right[sure].mean()) if sure.any() else None],
    }


def _bins(stated: Array) -> list[NDArray[np.int64]]:
    return [b for b in np.array_split(np.argsort(stated, kind="stable"), N_BINS) if len(b)]


def _calibration_error(stated: Array, right: Array) -> float:
    return float(sum(len(b) * abs(stated[b].mean() - right[b].mean()) for b in _bins(stated)) / len(stated))


def range_dependence(of: Sequence[Judged]) -> dict[str, Any]:
    """Return how often a narrow and a wide range of ranks give the same answer, where both were fitted."""
    same, edges = [], []
    for judged in of:
        largest = int(judged.table.ranks[-1])
        if judged.rank + WIDE > largest:
            continue
        narrow, wide = (
            apply_policy(DEFAULT_POLICY, judged.table.restricted(range(1, judged.rank + more + 1)))
            for more in (NARROW, WIDE)
        )
        same.append(narrow.rank == wide.rank)
        edges.append(narrow.rank == judged.rank + NARROW)
    return {"same": sum(same), "n": len(same), "at_the_edge": sum(edges)}


def forms(of: Sequence[Judged]) -> list[dict[str, Any]]:
    """Return how each form does on the reported draws: fitted to all development draws, and to all but the family."""
    development = calibrate.development()
    identifiable = [judged for judged in of if judged.row["identifiable"]]
    evidence = [calibrate.Seen.of(judged.row) for judged in identifiable]
    truths = [judged.rank for judged in identifiable]
    families = dict.fromkeys(seen.family for seen in evidence)
    rows = []
    for form, names in calibrate.FORMS.items():
        fitted, without = calibrate.fitted(development, names), calibrate.without(development, names, families)
        known = [seen.shares(fitted) for seen in evidence]
        unknown = [seen.shares(without[seen.family]) for seen in evidence]
        rows.append(
            {
                "form": form,
                "parameters": len(names),
                "exact": _exact(known, truths),
                "left_out": _exact(unknown, truths),
                "calibration": calibration(known, truths),
                "calibration_left_out": calibration(unknown, truths),
            }
        )
    return rows


def _exact(shares: Sequence[Array], truths: Sequence[int]) -> float:
    return float(np.mean([int(share.argmax()) == truth for share, truth in zip(shares, truths, strict=True)]))


def unseen() -> dict[str, Any]:
    """Return how recipes and plasmodes are answered by coefficients that were made without them, and by rules.

    Of draws in which the best model of the true rank has the components; plasmodes are left out by substance.
    """
    answered = _left_out()
    found: dict[str, Any] = {}
    for source in ("recipes", "plasmodes", "weak"):
        seen = [(each, shares) for each, shares in answered["ALS"] if each.source == source and each.found]
        judged = [Judged(each.row) for each, _ in seen]
        groups: dict[str, list[bool]] = {}
        for each, shares in seen:
            groups.setdefault(each.apart, []).append(_right(each, shares))
        others = {rule: list(rate(judged, rule)) for rule in rules(judged) if rule != OURS}
        found[source] = {
            "rules": {OURS: [sum(_right(*one) for one in seen), len(seen)], **others},
            "groups": {name: [sum(some), len(some)] for name, some in groups.items()},
            "calibration": calibration([shares for _, shares in seen], [each.rank for each, _ in seen]),
        }
    found["pairs"] = pairs(answered)
    return found


def _left_out() -> dict[str, list[tuple[calibrate.Seen, Array]]]:
    """Return the development draws by every solver, each with probabilities that were made without its like."""
    found, towards = {}, None
    for solver in ("ALS", "HALS", "KL"):
        development = calibrate.development(solver)
        coefficients = calibrate.without(development, calibrate.DEFAULT, towards=towards)
        found[solver] = [(each, each.shares(coefficients[each.apart])) for each in development]
        towards = towards or coefficients
    return found


def _right(seen: calibrate.Seen, shares: Array) -> bool:
    return int(shares.argmax()) == seen.rank


def pairs(answered: Mapping[str, Sequence[tuple[calibrate.Seen, Array]]]) -> list[dict[str, Any]]:
    """Return how often another solver and ALS are right on the same draws, of those whose components both find."""
    of_als = {(each.case, each.row["number"]): (each, shares) for each, shares in answered["ALS"]}
    rows = []
    for solver in ("HALS", "KL"):
        both: dict[str, list[tuple[bool, bool]]] = {}
        for each, shares in answered[solver]:
            named = each.case.removesuffix(f" by {solver}")
            other = of_als.get((named if named != each.case else f"{named} by ALS", each.row["number"]))
            if other and each.found and other[0].found:
                both.setdefault(each.source, []).append((_right(each, shares), _right(*other)))
        for source, right in both.items():
            n_right = np.sum(right, axis=0).tolist()
            rows.append({"solver": solver, "source": source, "right": n_right[0], "als": n_right[1], "n": len(right)})
    return rows


def weak(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how draws of many weak components are answered, of those whose true rank predicts surely more than 0."""
    sure = [Judged(row) for row in rows if row["table"].gain(row["rank"], 0).z >= calibrate.SURELY]
    found = {rule: list(rate(sure, rule)) for rule in rules(sure)}
    return {"n": len(rows), "rules": found}


def real_tensors() -> list[dict[str, Any]]:
    """Return, for every real tensor, the accepted ranks, what probability we give them, and each rule's answers."""
    known = {case.name: case for case in real.REAL}
    rows: list[dict[str, Any]] = []
    for name, group in by(map(Judged, draws.load("real")), lambda judged: judged.case).items():
        answers = {rule: [judged.answers.get(rule) for judged in group] for rule in [OURS, *group[0].answers]}
        accepted = sorted(known[name].accepted)
        shares = [judged.choice.probabilities or {} for judged in group]
        stated = float(np.mean([sum(share.get(rank, 0.0) for rank in accepted) for share in shares]))
        rows.append(
            {
                "name": name,
                "family": known[name].family,
                "tier": known[name].tier,
                "accepted": accepted,
                "answers": answers,
                "stated": stated,
            }
        )
    return rows


def real_rate(rows: Sequence[dict[str, Any]], rule: str, tier: str) -> float:
    """Return how often a rule's answer is accepted in a tier, every family alike; no answer is not accepted."""
    families: dict[str, list[float]] = {}
    for row in rows:
        if row["tier"] != tier:
            continue
        families.setdefault(row["family"], []).append(
            float(np.mean([answer in row["accepted"] for answer in row["answers"].get(rule, [None])]))
        )
    return float(np.mean([np.mean(shares) for shares in families.values()])) if families else float("nan")


def results_of(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return what the draws alone say."""
    identifiable = [j for j in judged if j.row["identifiable"]]
    choices = [j.choice.probabilities or {} for j in identifiable]
    shares = [np.array(list(choice.values())) for choice in choices]
    return {
        "overall": overall(judged),
        "families": grouped(judged, family_of),
        "cases": grouped(judged, lambda j: j.case),
        "paired": paired(judged),
        "calibration": calibration(shares, [j.rank for j in identifiable]),
        "range": range_dependence(identifiable),
    }


# --- the picture ---


def heat_map(results: Mapping[str, Any], path: Path) -> None:
    """Draw the exact rate of every rule in every case."""
    from matplotlib.figure import Figure

    shown = [row["rule"] for row in results["overall"]]
    rates = np.array([[Rate(*row["rates"][rule]).share for rule in shown] for row in results["cases"]])
    figure = Figure(figsize=(0.36 * len(shown) + 3.4, 0.2 * len(rates) + 2.2), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(rates, cmap="cividis", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(len(shown)), shown, rotation=55, ha="left", rotation_mode="anchor", fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rates)), [row["name"] for row in results["cases"]], fontsize=8)
    families = [cases.BY_NAME[row["name"]].family for row in results["cases"]]
    for place in range(1, len(families)):
        if families[place] != families[place - 1]:
            axes.axhline(place - 0.5, color="white", linewidth=1.5)
    axes.axvline(0.5, color="white", linewidth=3)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02, label="share of identifiable draws answered exactly")
    bar.ax.tick_params(labelsize=8)
    figure.savefig(path, dpi=130)


def smoke(names: Sequence[str] = SMOKE) -> None:
    """Measure a few draws from nothing to the tables."""
    with tempfile.TemporaryDirectory() as folder:
        which = [cases.BY_NAME[name] for name in names]
        draws.run("smoke", which, 1, with_rivals=True, n_jobs=1, root=Path(folder))
        rows = draws.load("smoke", Path(folder))
    results = results_of([Judged(row) for row in rows])
    with tempfile.TemporaryDirectory() as folder:
        heat_map(results, Path(folder) / "recovery.png")
    for row in results["overall"]:
        print(f"{row['rule']}: {row['right']} of {row['n']}")


def main() -> None:
    """Judge what has been measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a few draws of a few cases; nothing is written")
    if parser.parse_args().smoke:
        smoke()
        return
    rows = draws.load("reported")
    judged = [Judged(row) for row in rows if row["case"] in cases.BY_NAME]
    results = {**results_of(judged), "forms": forms(judged), "unseen": unseen(), "real": real_tensors()}
    results["weak"] = weak([row for row in rows if row["case"] == recipes.WEAK.name])
    measure.write("recovery", machine.record(), results)
    heat_map(results, measure.RESULTS / "recovery.png")
    for row in results["overall"]:
        print(f"{row['rule']:30s} {Rate(row['right'], row['n'])} of {row['n']}")


if __name__ == "__main__":
    main()
