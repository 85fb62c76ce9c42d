"""The tables of the recovery suite, from results/recovery.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cases
import recovery_targets
from bench_recovery import FUSION, NARROW, OURS, WIDE, Rate, real_rate
from markdown import NOT_YET, table

Row = dict[str, Any]

# Rivals whose answers on real tensors are shown.
REAL_RIVALS = (
    "held-out one-SE",
    "DIFFIT",
    "one-SE, else DIFFIT",
    "core consistency >= 80",
    "AutoTen 2016, one start",
    "AutoTen 2016, many starts",
    "NORMO, single starts",
    "NSVD",
    "LaRGE",
    "replicability",
    "BCPF",
    "ARD-CP",
)


# What the first page shows.
FIRST_PAGE = (
    OURS,
    "elbow (cell2cell)",
    FUSION,
    "knee of the front",
    "DIFFIT",
    "held-out one-SE",
    "EEMqual",
    "BCPF",
    "AutoTen 2016, one start",
    "core consistency >= 80",
)


def first_page(results: Row) -> list[str]:
    """Return, for a few rules, how often each is right on simulated, planted and real components; what the axes do."""
    rules = {row["rule"]: row for row in results["overall"]}
    unseen = {source: results["unseen"][source]["rules"] for source in ("recipes", "plasmodes")}
    body = (
        (
            f"**{rule}, the default**" if rule == OURS else rule,
            Rate(rules[rule]["right"], rules[rule]["n"]),
            *(Rate(*unseen[source].get(rule, (0, 0))) for source in unseen),
            *(f"{100 * real_rate(results['real'], rule, tier):.0f} %" for tier in TIERS),
        )
        for rule in FIRST_PAGE
    )
    forms = {row["form"]: row["exact"] for row in results["forms"]}
    alone = (
        ("prediction alone", "prediction only"),
        ("core consistency alone", "core consistency only"),
        ("both with degeneracy", "prediction, core consistency and degeneracy"),
    )
    said = ", ".join(f"{words} {100 * forms[form]:.1f} %" for words, form in alone)
    head = ("rule", "named cases", "random recipes", "planted in real noise", *TIERS.values())
    return [
        *table(head, body),
        "",
        f"The two axes do not win by themselves. Exact on the named cases: {said}. It takes replicability and what is "
        f"left to reach {100 * results['forms'][0]['exact']:.1f} %.",
    ]


def overall(results: Row) -> list[str]:
    """Return how often each rule is right, over all cases."""
    n = sum(row["n"] for row in results["cases"])
    excluded = n - sum(row["identifiable"] for row in results["cases"])
    head = ("rule", "exact", "95 % interval", "of", "all draws", "mean error", "mean absolute error", "CPU s a draw")
    rows = (
        (
            f"**{row['rule']}**" if row["rule"] == OURS else row["rule"],
            Rate(row["right"], row["n"]),
            "–".join(f"{100 * end:.1f}" for end in Rate(row["right"], row["n"]).interval),
            row["n"],
            Rate(row["all"]["right"], row["all"]["n"]),
            f"{row['error']:+.2f}",
            f"{row['absolute_error']:.2f}",
            f"{row['seconds']:.2g}",
        )
        for row in results["overall"]
    )
    return [
        f"{n} reported draws of {len(results['cases'])} cases; {excluded} ({100 * excluded / n:.1f} %) are not "
        'identifiable and count under "all draws" only.',
        "",
        *table(head, rows),
    ]


def goals(results: Row) -> list[str]:
    """Return what was asked and what came out."""
    return table(("asked", "measured", ""), recovery_targets.checked(results))


def families(results: Row) -> list[str]:
    """Return our rate in every family beside the best rival's."""
    rows = []
    for row in results["families"]:
        rates = {rule: Rate(*rate) for rule, rate in row["rates"].items()}
        ours, fusion = rates.pop(OURS), rates.pop(FUSION)
        best = max(rates, key=lambda rule: rates[rule].share if rates[rule].n else -1.0)
        rows.append((row["name"], row["identifiable"], row["n"], ours, f"{rates[best]} ({best})", fusion))
    return table(("family", "identifiable", "of", "autoten", "best single rival there", FUSION), rows)


def every_case(results: Row) -> list[str]:
    """Return every case: what it is, our rate, and rivals that did better."""
    rows = []
    for row in results["cases"]:
        case, rates = cases.BY_NAME[row["name"]], {r: Rate(*x) for r, x in row["rates"].items()}
        ours = rates.pop(OURS)
        better = sorted((r for r, x in rates.items() if x.n and x.share > ours.share), key=lambda r: -rates[r].share)
        shown = ", ".join(f"{rule} {rates[rule]}" for rule in better[:3]) + (" …" if len(better) > 3 else "")
        shape = "varied" if case.sizes else "×".join(map(str, case.shape))
        rank = "varied" if case.sizes else case.rank
        rows.append((row["name"], shape, rank, case.what, f"{row['identifiable']}/{row['n']}", ours, shown))
    return table(("case", "shape", "R", "what hides it", "identifiable", "autoten", "rivals that did better"), rows)


def beaten(results: Row) -> list[str]:
    """Return every case and rival that was right more often than we were, draw by draw."""
    rows = sorted(results["paired"], key=lambda row: (row["holm"], row["p"]))
    shown = [row for row in rows if row["theirs_only"] - row["ours_only"] >= 2]
    counted = (
        (
            row["case"],
            row["rule"],
            row["theirs_only"],
            row["ours_only"],
            row["n"],
            f"{row['p']:.3f}",
            f"{row['holm']:.2f}",
        )
        for row in shown
    )
    head = ("case", "rival", "only it right", "only we right", "draws", "p, exact", "p, Holm")
    significant = sum(row["holm"] < 0.05 for row in rows)
    return [
        f"Of {len(results['cases'])} cases and all rivals, {len(rows)} pairs favour the rival, {significant} of them "
        "significantly (one-sided exact test of the draws on which the two differ, Holm over all pairs, 5 %). Those "
        "with a lead of two draws or more:",
        "",
        *table(head, counted),
    ]


def calibration(results: Row) -> list[str]:
    """Return stated probabilities beside shares of right answers."""
    found, default = results["calibration"], results["forms"][0]
    return [
        *table(
            ("stated (mean of bin)", "right", "draws"),
            ((f"{100 * s:.1f} %", f"{100 * r:.1f} %", n) for s, r, n in found["bins"]),
        ),
        "",
        f"Expected calibration error {_calibrated(found)}; families left out of the training: "
        f"{_calibrated(default['calibration_left_out'])}.",
        f"Stated 90 % or more on {100 * found['sure'][0]:.0f} % of the draws, and right on "
        f"{100 * found['sure'][1]:.1f} % of those.",
    ]


def _calibrated(found: Row) -> str:
    low, high = found["interval"]
    return (
        f"{found['error']:.3f} ({low:.3f}–{high:.3f}), Brier score {found['brier']:.3f}, "
        f"log score {found['log_score']:.3f}"
    )


def forms(results: Row) -> list[str]:
    """Return what each kind of evidence is worth."""
    rows = (
        (
            row["form"],
            row["parameters"],
            f"{100 * row['exact']:.1f} %",
            f"{100 * row['left_out']:.1f} %",
            f"{row['calibration']['log_score']:.3f}",
            f"{row['calibration_left_out']['log_score']:.3f}",
        )
        for row in results["forms"]
    )
    head = (
        *("weighed", "parameters", "exact", "exact, family left out"),
        *("log score", "log score, family left out"),
    )
    spread = results["range"]
    return [
        *table(head, rows),
        "",
        f"Ranks 1..R+{NARROW} and 1..R+{WIDE} give the same answer on {spread['same']} of {spread['n']} draws "
        f"({100 * spread['same'] / max(1, spread['n']):.1f} %); {spread['at_the_edge']} of the "
        "narrow ranges ended at the upper edge, which the answer then says.",
    ]


TIERS = {"laboratory": "laboratory truth", "opinion": "published opinion"}

SOURCES = {
    "recipes": "random recipes, a fifth left out at a time",
    "plasmodes": "components planted in the rests of real tensors, one substance left out at a time",
    "weak": "five to ten weak components (-10 to -5 dB), all of them left out",
}


def unseen(results: Row, most: int = 12) -> list[str]:
    """Return the rates of ours and of the best rules on draws that the coefficients were not made from."""
    lines = []
    for source, words in SOURCES.items():
        found = results["unseen"][source]
        rates = sorted(((rule, Rate(*rate)) for rule, rate in found["rules"].items()), key=lambda pair: -pair[1].share)
        rows = [(f"**{rule}**" if rule == OURS else rule, rate, rate.n) for rule, rate in rates if rate.n][:most]
        worst = sorted(found["groups"].items(), key=lambda pair: Rate(*pair[1]).share)[:3]
        said, sure = [], found["calibration"]["sure"][1]
        if source == "plasmodes":
            said.append("least: " + ", ".join(f"{name} {Rate(*counts)}" for name, counts in worst))
        if sure is not None:
            said.append(f"{100 * sure:.1f} % of the answers stated with 90 % and more are right")
        lines += [
            f"{words[0].upper()}{words[1:]}{_in_brackets(said)}:",
            "",
            *table(("rule", "exact", "of"), rows),
            "",
        ]
    compared = (
        (row["solver"], row["source"], Rate(row["right"], row["n"]), Rate(row["als"], row["n"]), row["n"])
        for row in results["unseen"]["pairs"]
    )
    best = sorted(((rule, Rate(*rate)) for rule, rate in results["weak"]["rules"].items()), key=lambda r: -r[1].share)
    others = ", ".join(f"{rule} {rate}" for rule, rate in best[:5] if rule != OURS)
    ours = Rate(*results["weak"]["rules"][OURS])
    return [
        *lines,
        "The same tensors by two solvers, where both find the components:",
        "",
        *table(("solver", "draws", "exact", "by ALS", "of"), compared),
        "",
        f"Five to ten weak components (-10 to -5 dB of independent noise; of {results['weak']['n']} draws the {ours.n} "
        f"in which the true rank predicts better than none by three paired errors): {ours}; {others}.",
    ]


def _in_brackets(said: Sequence[str]) -> str:
    return f" ({'; '.join(said)})" if said else ""


def left_out(results: Row) -> list[str]:
    """Return the rates of each form on each source, and of the default without each ingredient."""
    rows = (
        (form, row["parameters"], *(f"{100 * row[s]['exact']:.1f} % ({row[s]['log_score']:.2f})" for s in _ALL))
        for form, row in results["forms"].items()
    )
    ingredients = sorted(results["ingredients"].items(), key=lambda pair: pair[1]["exact"])
    shown = (
        (name, f"{100 * row['exact']:.1f} %", f"{row['log_score']:.2f}", row["n_draws"]) for name, row in ingredients
    )
    return [
        *table(("weighed", "parameters", *_ALL), rows),
        "",
        "The default on recipes with an ingredient, made without any draw that has it:",
        "",
        *table(("ingredient", "exact", "log score", "draws found"), shown),
    ]


_ALL = ("cases", "recipes", "plasmodes", "independent noise", "structured noise")


def real_tensors(results: Row) -> list[str]:
    """Return the answers on real tensors, ours and each rival's, all seeds, one table for each tier."""
    rows = results["real"]
    if not rows:
        return [NOT_YET]
    shown = [OURS, *REAL_RIVALS]
    lines = []
    for tier, words in TIERS.items():
        body = (
            (
                row["name"],
                ", ".join(map(str, row["accepted"])),
                f"{100 * row['stated']:.0f} %",
                *(_answers(row["answers"].get(rule)) for rule in shown),
            )
            for row in rows
            if row["tier"] == tier
        )
        last = ("accepted, families alike", "", "", *(f"{100 * real_rate(rows, rule, tier):.0f} %" for rule in shown))
        head = (words, "accepted", "autoten gives it", *shown)
        lines += [*table(head, [*body, last]), ""]
    return lines[:-1]


def _answers(answers: Sequence[int | None] | None) -> str:
    found = ["–" if answer is None else str(answer) for answer in answers or [None]]
    return found[0] if len(set(found)) == 1 else " ".join(found)


PARTS: Mapping[str, Callable[[Row], list[str]]] = {
    "goals": goals,
    "families": families,
    "cases": every_case,
    "beaten": beaten,
    "calibration": calibration,
    "forms": forms,
    "unseen": unseen,
    "real": real_tensors,
}
