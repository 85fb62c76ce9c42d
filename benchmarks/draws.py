"""Fit every draw of the recovery suite once, and keep what selectors and rivals decide from.

    python benchmarks/draws.py development             # tables only: what the selector is made from
    python benchmarks/draws.py development --of recipes --draws 700
    python benchmarks/draws.py development --of plasmodes --draws 30
    python benchmarks/draws.py reported --rivals       # tables, and the answers of rules with fits of their own
    python benchmarks/draws.py real --rivals           # the same of the real tensors
    python benchmarks/draws.py development --pack      # what has been measured so far, into results/draws
    python benchmarks/draws.py reported --ask NSVD     # the answers of a rule with fits of its own, where there is none

One line of JSON per draw is appended to ``benchmarks/draws/SPLIT.jsonl``; draws that are there or packed already are
passed over, so a run can be stopped and taken up again. Fits do not depend on the selector: it reads the tables
afterwards.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cases
import numpy as np
import plasmodes
import real
import recipes
import rivals
from cases import Case, Split
from joblib import Parallel, delayed
from measure import Row

import autoten
from autoten.solvers.base import Solver
from autoten.table import RankTable

# Where draws are kept: as they were measured below it in ``draws``, packed in ``results/draws``.
ROOT = Path(__file__).parent
N_DRAWS = 20

# What a table knows of how its models were fitted.
FITTED_BY = ("constrained", "solver", "holdout")

# Digits of a stored score.
DIGITS = 6

# Two halves of three splits of three starts for every rank: more than all other rivals together.
SLOW = "split-half"

# Scores of single starts that no rule reads.
UNREAD = ("converged", "loss_starts", "core_consistency_starts", "stability_starts")


def by(case: Case, solver: Solver) -> Any:
    """Return a named case, fitted by a solver other than least squares."""
    name = f"{case.name} by {type(solver).__name__}"
    return SimpleNamespace(name=name, family=case.family, solver=solver, draw=case.draw)


COUNTS = [case for case in cases.CASES if case.family == "counts"]
NONNEGATIVE = [case for case in cases.CASES if case.nonnegative and case.rank and case not in COUNTS]
PLASMODES = (*plasmodes.PLASMODES, *plasmodes.PLASMODES_BY_BOTH)
KINDS: Mapping[str, Sequence[Any]] = {
    "cases": cases.CASES,
    "others": [*(by(case, autoten.HALS()) for case in NONNEGATIVE), *(by(case, autoten.KL()) for case in COUNTS)],
    "real": [case for case in real.REAL if case.is_there],
    "recipes": recipes.RECIPES,
    "weak": [recipes.WEAK],
    "plasmodes": [case for case in PLASMODES if case.is_there],
}
CASES: Mapping[str, Any] = {
    case.name: case for case in (*cases.CASES, *KINDS["others"], *real.REAL, *recipes.RECIPES, recipes.WEAK, *PLASMODES)
}


def measured(name: str, split: Split, number: int, with_rivals: bool) -> Row:
    """Return one draw's truth, its table, and the answers of rules that look at more than the table."""
    case = CASES[name]
    draw = case.draw(split, number)
    began = time.process_time()
    named = {"solver": case.solver} if hasattr(case, "solver") else {}
    whole = autoten.estimate_rank(draw.X, draw.ranks, random_state=number, **named)
    seconds = round(time.process_time() - began, 3)
    estimate = whole.by_solver.get("ALS", whole)
    best = estimate.models.get(draw.rank) if draw.rank else None
    row = {
        "case": name,
        "number": number,
        "shape": draw.X.shape,
        "rank": draw.rank,
        "identifiable": draw.identifiable,
        "snr_db": _digits(draw.snr_db),
        "found": None if best is None else round(cases.smallest_congruence(draw.model, best), DIGITS),
        "seconds": seconds,
        "table": stored(estimate.table),
        "answers": {},
    }
    if draw.ingredients:
        row["ingredients"] = dict(draw.ingredients)
    if estimate is not whole:  # `KL` took part: the table of least squares alone does not give the default's answer
        shares = [_digits(share) for share in (whole.probabilities or {}).values()]
        row["default"] = {"rank": whole.rank, "probabilities": shares}
    tried = [rank for rank in draw.ranks if rank in estimate.models]  # those that the data can determine
    evidence = rivals.Evidence(draw.X, estimate, tried, number)
    for rule, rival in rivals.RIVALS.items():
        if rule == "NORMO" or (with_rivals and rival.needs == "own fits" and rule != SLOW):
            row["answers"][rule] = _asked(rule, evidence)
    return row


def _asked(rule: str, evidence: rivals.Evidence) -> Row:
    """Return the answer of a rule, and its seconds."""
    began = time.process_time()
    rank = rivals.RIVALS[rule].rule(evidence)
    return {"rank": rank, "seconds": round(time.process_time() - began, 3)}


def _digits(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None


# --- what is kept ---


def stored(table: RankTable) -> Row:
    """Return a table as plain lists, NaN as None."""
    scores = {
        name: [[_digits(value) for value in row] for row in column.tolist()]
        for name, column in table.replicates.items()
        if name not in UNREAD
    }
    about = {name: getattr(table, name) for name in ("shape", *FITTED_BY)}
    return {"ranks": table.ranks.tolist(), **about, "scores": scores}


def restored(plain: Row) -> RankTable:
    """Return the table that `stored` wrote."""
    scores = {n: np.array(v, dtype=float) for n, v in plain["scores"].items()}
    about = {name: plain[name] for name in FITTED_BY if name in plain}
    return RankTable(plain["ranks"], scores, plain["shape"], **about)


def load(split: str, root: Path = ROOT) -> list[Row]:
    """Return all draws of a split that have been measured, in the order of the cases; tables restored."""
    places = {name: place for place, name in enumerate(CASES)}
    rows = [row for row in _lines(split, root) if row["case"] in places]
    rows.sort(key=lambda row: (places[row["case"]], row["number"]))
    return [row | {"table": restored(row["table"])} for row in rows]


def _lines(split: str, root: Path = ROOT) -> list[Row]:
    """Return what is packed and what has been measured since, as it was written."""
    texts = []
    if (packed := root / "results" / "draws" / f"{split}.jsonl.gz").exists():
        texts.append(gzip.decompress(packed.read_bytes()).decode("utf-8"))
    if (path := root / "draws" / f"{split}.jsonl").exists():
        texts.append(path.read_text(encoding="utf-8"))
    rows = [json.loads(line) for text in texts for line in text.splitlines()]
    return list({(row["case"], row["number"]): row for row in rows}.values())


def _text(rows: Sequence[Row]) -> str:
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)


def pack(split: str, root: Path = ROOT) -> None:
    """Write all that has been measured of a split into the folder of results."""
    rows = sorted(_lines(split, root), key=lambda row: (row["case"], row["number"]))
    packed = root / "results" / "draws"
    packed.mkdir(parents=True, exist_ok=True)
    (packed / f"{split}.jsonl.gz").write_bytes(gzip.compress(_text(rows).encode("utf-8"), mtime=0))
    print(f"{len(rows)} draws packed")


# --- what is done ---


def _in_parallel(function: Any, jobs: Sequence[tuple[Any, ...]], n_jobs: int) -> Iterator[Any]:
    """Yield what a function returns, in the order of the jobs."""
    work = Parallel(n_jobs=n_jobs, return_as="generator", batch_size=1)
    for place, result in enumerate(work(delayed(function)(*job) for job in jobs), 1):
        print(f"{place}/{len(jobs)}", *jobs[place - 1][:3], flush=True)
        yield result


def run(
    split: Split, which: Sequence[Any], n_draws: int, with_rivals: bool = False, n_jobs: int = 1, root: Path = ROOT
) -> None:
    """Measure what is missing, draw by draw across the cases, so that a stopped run has some of every case."""
    done = {(row["case"], row["number"]) for row in load(split, root)}
    names = [(case.name, number) for number in range(n_draws) for case in which]
    todo = [(name, split, number, with_rivals) for name, number in names if (name, number) not in done]
    path = root / "draws" / f"{split}.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for row in _in_parallel(measured, todo, n_jobs):
            file.write(_text([row]))
            file.flush()


def ask(split: Split, names: Sequence[str], n_draws: int, n_jobs: int) -> None:
    """Ask rules with fits of their own about the first draws of every case whose rows lack their answers."""
    rows = _lines(split)
    lacking = [(r, name) for r in rows for name in names if name not in r["answers"] and r["number"] < n_draws]
    jobs = [(row["case"], row["number"], name, split) for row, name in lacking]
    (ROOT / "draws").mkdir(exist_ok=True)
    for (row, name), answer in zip(lacking, _in_parallel(_answered, jobs, n_jobs), strict=True):
        row["answers"][name] = answer
        with (ROOT / "draws" / f"{split}.jsonl").open("a", encoding="utf-8") as file:  # the last line of a draw counts
            file.write(_text([row]))


def _answered(case: str, number: int, rule: str, split: Split) -> Row:
    """Return the answer of a rule with fits of its own about a draw."""
    draw = CASES[case].draw(split, number)
    return _asked(rule, rivals.Evidence(draw.X, None, draw.ranks, number))  # type: ignore[arg-type]


def main() -> None:
    """Measure the draws of a split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", choices=[*cases.SEEDS, "real"])
    parser.add_argument("--draws", type=int, default=N_DRAWS, help="draws of each case")
    parser.add_argument("--rivals", action="store_true", help="also the rules with fits of their own")
    parser.add_argument("--of", choices=[*KINDS], default="cases", help="what is drawn")
    parser.add_argument("--only", nargs="+", metavar="CASE", help="these cases")
    parser.add_argument("--pack", action="store_true", help="measure nothing, pack what is there")
    parser.add_argument("--ask", nargs="+", metavar="RULE", help="these rules, where rows lack their answers")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    which = KINDS["real" if options.split == "real" else options.of]
    which = [case for case in which if not options.only or case.name in options.only]
    if options.pack:
        pack(options.split)
    elif options.ask:
        ask(options.split, options.ask, options.draws, options.jobs)
    else:
        run(options.split, which, options.draws, options.rivals, options.jobs)


if __name__ == "__main__":
    main()
