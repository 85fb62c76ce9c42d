"""Write the tables of this folder's README.md, of the project's, and of two pages of the site, anew from the results.

    python benchmarks/tables.py            # between the markers of all of them
    python benchmarks/tables.py --smoke    # prints them, writes nothing

What stands outside ``<!-- begin: name -->`` ... ``<!-- end: name -->`` is written by hand and kept.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import measure
import pandas as pd
import parts_draws
from measure import Row, markdown
from workloads import label

CHECKOUT = Path(__file__).resolve().parents[1]
README = CHECKOUT / "benchmarks" / "README.md"

# What nobody reads stays in the file.
LEFT_OUT = re.compile(r"gate|.*_command|.*selection")

KERNELS = "BLAS on one thread, our kernels serial; CPU time, medians."
ONE_WORKER = "BLAS on one thread, one worker; CPU time."
WALL = "BLAS on one thread in every worker; wall clock."

RECOVERY = ("families", "cases", "calibration", "honesty", "forms", "unseen", "laboratory", "opinion")

# Name of a block: the file and the part of it that are shown, and how they were timed.
TABLES = {
    "sweeps": ("kernels", "dense_sweeps", KERNELS),
    "masked": ("kernels", "masked_sweeps", KERNELS),
    "consistency": ("kernels", "core_consistency", KERNELS),
    "sparse": ("sparse", "products", KERNELS),
    "sparse-cores": ("sparse", "core_consistency", KERNELS),
    "engine": ("engine", "rows", ONE_WORKER),
    "rank-sweeps": ("solvers", "rank_sweeps", KERNELS),
    "processes": ("solvers", "processes", "Threads as they come; medians."),
    "parallel": ("solvers", "parallel", WALL),
    "parts-sizes": ("parts", "sizes", ONE_WORKER),
    "parts-clusters": ("parts", "clusters", ""),
    "parts-plan": ("parts", "plan", ""),
    "profiles": ("solvers", "profiles", WALL),
    "recovery": ("recovery", "overall", "One thread a draw; CPU time."),
    **{part: ("recovery", part, "") for part in RECOVERY},
    "left-out": ("calibration", "left-out", ""),
}


def table(file: str, part: str, how: str) -> list[str]:
    """Return all figures of a part of a result file, and with what they were made where it matters how."""
    results = measure.read(file)
    frame = pd.json_normalize(results[part]).map(cell)
    shown = [name for name in frame if not LEFT_OUT.fullmatch(name) and frame[name].ne("").any()]
    words = {name: name.replace(".", ", ").replace("_", " ") for name in shown}  # dots lead into records
    lines = markdown(frame[shown].rename(columns=words).to_dict("records"))
    if not how:
        return lines
    where = results["machine"]
    versions = ", ".join(f"{package} {version}" for package, version in where["packages"].items())
    machine = f"{where['processor']}, {where['cores']} cores, load {where['load']} beforehand"
    blas = ", ".join(where["blas"])
    said = f"`{results['command']}` on {machine}; Python {where['python']}, {versions} ({blas}). {how}"
    return [said, "", *lines]


def cell(value: Any) -> str:
    """Return a figure of three digits, a shape by its label, a dash for what was not measured; other lists: nothing."""
    if isinstance(value, list):
        return label(value) if len(value) < 6 and isinstance(value[0], int) else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "–" if pd.isna(value) else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def speed() -> list[str]:
    """Return the ratios to rivals that most users ask for, and what an estimate takes."""
    kernels, solvers, sparse = (measure.read(name) for name in ("kernels", "solvers", "sparse"))
    cubes = [row for row in kernels["dense_sweeps"] if row["rank"] == 5 and row["shape"][0] >= 100]
    ratios: Mapping[str, tuple[Sequence[Row], str]] = {
        "ranks 1..15 × 10 starts, tensorly's `parafac`": (solvers["rank_sweeps"], ""),
        "a dense sweep, R 5, tensorly": (cubes, "tensorly"),
        "a dense sweep, R 5, pyttb": ([row for row in cubes if "pyttb" in row["ratio"]], "pyttb"),
        "a sweep with missing cells, R 5, tensorly `mask=`": (kernels["masked_sweeps"], "tensorly"),
        "core consistency, R 5, tlviz": (kernels["core_consistency"], "tlviz"),
        "sparse MTTKRP, R 16, pyttb": (sparse["products"], "pyttb"),
        "sparse core consistency, R 5, pyttb": (sparse["core_consistency"], "pyttb"),
    }
    rows = [
        {
            "on one core": what,
            "of": ", ".join(map(_what, of)),
            "times as long as here": ", ".join(_times(row["ratio"][rival] if rival else row["ratio"]) for row in of),
        }
        for what, (of, rival) in ratios.items()
    ]
    totals = ", ".join(f"{row['total']:.3g} s for {label(row['shape'])}" for row in solvers["profiles"])
    compiling, wall = solvers["processes"]["compile_seconds"], solvers["processes"]["wall_seconds"]
    return [
        *markdown(rows),
        "",
        f"- `estimate_rank` with defaults, ranks 1..{solvers['profiles'][0]['ranks']}: {totals}. Two workers "
        f"(`n_jobs=2`) are {solvers['parallel']['speed_up']:.1f} times as fast as one.",
        f"- The first call of all compiles the kernels, {compiling:.0f} seconds of CPU time once; they are cached on "
        f"disk. A later process needs {wall['estimate']:.3g} s for import and a whole estimate of the amino acids, "
        f"where the first took {wall['cold']:.3g} s.",
    ]


def _what(row: Row) -> str:
    """Return a tensor in words."""
    if "nonzeros" in row:
        return f"{row['nonzeros']:.0e} nonzeros".replace("e+0", "e")
    missing = f" {_percent(row['missing'], 0)}" if "missing" in row else ""
    return f"{label(row['shape'])}{missing}{', nonnegative' * row.get('nonnegative', False)}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"


def recovery() -> list[str]:
    """Return, for a few rules, how often each is right on simulated, planted and real components; what the axes do."""
    found = measure.read("recovery")
    named, unseen = ({row["rule"]: row for row in found[part]} for part in ("overall", "unseen"))
    rows = [
        {
            "rule": f"**{rule}, the default**" if rule == "autoten" else rule,
            "named cases": _percent(named[rule]["exact"]),
            "random recipes": _percent(unseen.get(rule, {}).get("recipes")),
            "planted in real noise": _percent(unseen.get(rule, {}).get("plasmodes")),
            "laboratory truth": _percent(found["laboratory"][-1][rule], 0),
            "published opinion": _percent(found["opinion"][-1][rule], 0),
        }
        for rule in FIRST_RULES
    ]
    exact = {row["weighed"]: _percent(row["exact, as it is"]) for row in found["forms"]}
    default, both = next(iter(exact.values())), exact["prediction, core consistency and degeneracy"]
    return [
        *markdown(rows),
        "",
        "The two axes do not win by themselves. Exact on the named cases: prediction alone "
        f"{exact['prediction only']}, core consistency alone {exact['core consistency only']}, both with degeneracy "
        f"{both}. It takes replicability and what is left to reach {default}.",
    ]


def real() -> list[str]:
    """Return what the default says of every real tensor, beside what is known of it or said of it."""
    found = measure.read("recovery")
    rows = [
        {
            "tensor": row["tensor"],
            "components": row["accepted"].replace(" ", " or "),
            "told by": teller,
            "named": row["autoten"].replace(" ", ", "),
            "how sure": _percent(row["stated"], 0),
        }
        for teller, part in (("the laboratory", "laboratory"), ("a publication", "opinion"))
        for row in found[part][:-1]  # the last is their average
    ]
    return markdown(rows)


def summary() -> list[str]:
    """Return what the first page of the project says of both: a sentence each."""
    columns = [line.strip("| ").split(" | ") for line in recovery() if line.startswith("|")]
    heads, _, ours, *_ = columns
    found = dict(zip(heads[1:], ours[1:], strict=True))
    solvers = measure.read("solvers")
    times = [row["ratio"] for row in solvers["rank_sweeps"]]
    first = solvers["profiles"][0]
    return [
        f"- It names exactly the true rank in {found['named cases']} of simulated draws of known kinds, "
        f"{found['random recipes']} of kinds that it had never seen, {found['planted in real noise']} of components "
        f"planted in what models of real tensors leave, and {found['laboratory truth']} of laboratory mixtures.",
        f"- Ranks 1 to {first['ranks']} of a {label(first['shape'])} tensor take {first['total']:.2g} s on one core; "
        f"fits of 15 ranks are {_times(min(times))} to {_times(max(times))} times as fast as tensorly's.",
    ]


def parts() -> list[str]:
    """Return what the estimate from parts costs in accuracy and time, a sentence each."""
    found, *_, total = measure.read("parts"), *parts_draws.table(parts_draws.rows())
    first, last, plan = found["sizes"][0], found["sizes"][-1], found["plan"][-1]
    one, two = (row["seconds"]["parts"] for row in found["clusters"])
    by_length = ", ".join(f"{share:.0f} % at {length}³" for length, share in parts_draws.shares(parts_draws.rows()))
    process, workers = (name for name in plan if name != "what")
    peaks = " and ".join(f"{_percent(row['peak_share'], 0)} of {row['gigabytes']:.2g} GB" for row in found["sizes"][1:])
    return [
        f"- Of {total['draws of both']} tensors of 200³ to 400³ in {len(parts_draws.CASES)} kinds, ranks 2 to 8, parts "
        f"name the true rank in {total['parts right']}, the whole tensor in {total['whole right']}; of all "
        f"{total['all draws of parts']} draws that were made by parts alone, too, in {total['right']}.",
        f"- The share of the time that parts take is {by_length}.",
        f"- {first['gigabytes']:.2g} GB in chunks, ranks 1 to 8, defaults: {first['seconds']['estimate']:.0f} s of "
        f"CPU; {last['gigabytes']:.2g} GB: {last['seconds']['estimate']:.0f} s. Peak of memory: {peaks}.",
        f"- Two processes of a cluster are {one / two:.1f} times as fast as one for the estimates of parts.",
        f"- 1 TB, a plan on paper from these rates: {plan[process]:.1f} hours in one process, "
        f"{plan[workers]:.0f} minutes on {workers.split()[0]} workers. Nothing has been run at 1 TB.",
    ]


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


BLOCKS = {name: partial(table, *which) for name, which in TABLES.items()}
BLOCKS["parts"] = lambda: markdown(parts_draws.table(parts_draws.rows()))

# The page, and what stands between its markers.
PAGES: Mapping[Path, Mapping[str, Callable[[], list[str]]]] = {
    README: BLOCKS,
    CHECKOUT / "README.md": {"summary": summary},
    CHECKOUT / "docs" / "right.md": {"recovery": recovery, "honesty": BLOCKS["honesty"], "real": real},
    CHECKOUT / "docs" / "speed.md": {"speed": speed},
    CHECKOUT / "docs" / "machines.md": {"parts": parts},
}
# The few rules that the site shows first.
FIRST_RULES = (
    *("autoten", "elbow (cell2cell)", "one-SE, else DIFFIT", "knee of the front", "DIFFIT", "held-out one-SE"),
    *("EEMqual", "BCPF", "AutoTen 2016, one start", "core consistency >= 80"),
)


def render(text: str, blocks: Mapping[str, Callable[[], list[str]]]) -> str:
    """Return the text with every table made anew; markers without a table, or a table without them, are an error."""
    marked = re.findall(r"<!-- begin: ([\w-]+) -->", text)
    if sorted(marked) != sorted(blocks):
        raise ValueError(f"A page must have markers for exactly {sorted(blocks)}. Got {sorted(marked)}.")
    for name, lines in blocks.items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        before, rest = text.split(begin)
        text = "\n".join([f"{before}{begin}", "", *lines(), "", end + rest.split(end)[1]])
    return text


def main() -> None:
    """Write all pages."""
    for path, blocks in PAGES.items():
        text = render(path.read_text("utf-8"), blocks)
        if "--smoke" in sys.argv:
            print(text)
        else:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
