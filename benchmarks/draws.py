"""Fit every draw of the recovery suite once, and keep what selectors and rivals decide from.

    python benchmarks/draws.py development             # tables only: what the selector is made from
    python benchmarks/draws.py development --of recipes --draws 700
    python benchmarks/draws.py development --of plasmodes --draws 30
    python benchmarks/draws.py reported --rivals       # tables, and the answers of rules with fits of their own
    python benchmarks/draws.py reported --rivals --cheap --draws 50  # more of the cases that took under 5 s
    python benchmarks/draws.py real --rivals           # the same of the real tensors
    python benchmarks/draws.py development --pack      # what has been measured so far, into results/draws
    python benchmarks/draws.py reported --ask BCPF     # the answers of a rule with fits of its own, where there is none
    python benchmarks/draws.py reported --again 5 17   # whether these draws get the stored answers from today's fits

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cases
import numpy as np
import plasmodes
import real
import recipes
import rivals
from cases import Case, Split
from joblib import Parallel, delayed

import autoten
from autoten import RankEstimate
from autoten.selection.calibrated import DEFAULT_POLICY
from autoten.solvers.base import Solver
from autoten.table import RankTable

# Where draws are kept: as they were measured below it in ``draws``, packed in ``results/draws``.
ROOT = Path(__file__).parent
N_DRAWS = 20

# What a table knows of how its models were fitted.
FITTED_BY = ("constrained", "solver", "holdout")

# A case is cheap if its estimates took less than so many seconds on average.
CHEAP = 5.0

# Rows are written again after so many answers.
KEEP_EVERY = 20


@dataclass(frozen=True)
class By:
    """A named case, fitted by a solver other than least squares."""

    case: Case
    solver: Solver

    @property
    def name(self) -> str:
        """The name of the case, and the solver's."""
        return f"{self.case.name} by {type(self.solver).__name__}"

    @property
    def family(self) -> str:
        """The family of the case."""
        return self.case.family

    def draw(self, split: Split, number: int) -> cases.Draw:
        """Return a tensor of the case."""
        return self.case.draw(split, number)


# Digits of a stored score.
DIGITS = 6

# Whatever can be drawn.
AnyCase = Case | recipes.Recipe | plasmodes.Plasmode | real.RealCase | By


BY_OTHERS = [
    *(
        By(case, autoten.HALS())
        for case in cases.ORDINARY
        if case.nonnegative and case.rank and case.family != "counts"
    ),
    *(By(case, autoten.KL()) for case in cases.ORDINARY if case.family == "counts"),
]
PLASMODES = (*plasmodes.PLASMODES, *plasmodes.PLASMODES_BY_BOTH)
KINDS: Mapping[str, Sequence[AnyCase]] = {
    "cases": cases.ORDINARY,
    "others": BY_OTHERS,
    "optional": [case for case in cases.CASES if case.optional],
    "recipes": recipes.RECIPES,
    "weak": [recipes.WEAK],
    "plasmodes": [case for case in PLASMODES if case.is_there],
}

CASES: Mapping[str, AnyCase] = {
    case.name: case
    for case in (*cases.BY_NAME.values(), *BY_OTHERS, *real.REAL, *recipes.RECIPES, recipes.WEAK, *PLASMODES)
}

# Two halves of three splits of three starts for every rank: more than all other rivals together.
SLOW = "split-half"

# Scores of single starts that no rule reads.
UNREAD = ("converged", "loss_starts", "converged_starts", "core_consistency_starts", "stability_starts")


def measured(case: AnyCase, split: Split, number: int, with_rivals: bool) -> dict[str, Any]:
    """Return one draw's truth, its table, and the answers of rules that look at more than the table."""
    draw = case.draw(split, number)
    began = time.process_time()
    named = {"solver": case.solver} if hasattr(case, "solver") else {}
    whole = autoten.estimate_rank(draw.X, draw.ranks, random_state=number, **named)
    estimate = whole.by_solver.get("ALS", whole)
    seconds = time.process_time() - began
    return {
        "case": case.name,
        "number": number,
        "shape": draw.X.shape,
        "rank": draw.rank,
        "identifiable": draw.identifiable,
        "snr_db": _digits(draw.snr_db),
        "found": _found(draw, estimate),
        **({"ingredients": dict(draw.ingredients)} if getattr(draw, "ingredients", None) else {}),
        **({"default": _choice(whole)} if estimate is not whole else {}),
        "seconds": round(seconds, 3),
        "table": stored(estimate.table),
        "answers": dict(_answers(draw, estimate, number, with_rivals)),
    }


def _choice(estimate: RankEstimate) -> dict[str, Any]:
    """Return the answer of the default where `KL` took part, which the table of least squares alone does not give."""
    shares = (estimate.probabilities or {}).values()
    return {"rank": estimate.rank, "probabilities": [_digits(share) for share in shares]}


def _found(draw: cases.Draw | real.RealDraw, estimate: RankEstimate) -> float | None:
    """Return the smallest congruence of a true component with the best model of the true rank."""
    if not draw.rank or draw.rank not in estimate.models:
        return None
    return round(cases.smallest_congruence(draw.model, estimate.models[draw.rank]), DIGITS)


def _answers(
    draw: cases.Draw | real.RealDraw, estimate: RankEstimate, number: int, with_rivals: bool
) -> Iterator[tuple[str, Any]]:
    """Yield the rank and the seconds of every rule that the table alone does not answer."""
    tried = [rank for rank in draw.ranks if rank in estimate.models]  # those that the data can determine
    evidence = rivals.Evidence(draw.X, estimate, tried, number)
    for name, rival in rivals.RIVALS.items():
        own = rival.needs == "own fits"
        if name == SLOW or (own and not with_rivals) or (not own and name != "NORMO"):
            continue
        began = time.process_time()
        rank = rival.rule(evidence)
        yield name, {"rank": rank, "seconds": round(time.process_time() - began, 3)}


def stored(table: RankTable) -> dict[str, Any]:
    """Return a table as plain lists, NaN as None."""
    scores = {
        name: [[_digits(value) for value in row] for row in column.tolist()]
        for name, column in table.replicates.items()
        if name not in UNREAD
    }
    about = {name: getattr(table, name) for name in ("shape", *FITTED_BY)}
    return {"ranks": table.ranks.tolist(), **about, "scores": scores}


def _digits(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None


def restored(plain: dict[str, Any]) -> RankTable:
    """Return the table that `stored` wrote."""
    scores = {n: np.array(v, dtype=float) for n, v in plain["scores"].items()}
    about = {name: plain[name] for name in FITTED_BY if name in plain}
    return RankTable(plain["ranks"], scores, plain["shape"], **about)


def load(split: str, root: Path = ROOT) -> list[dict[str, Any]]:
    """Return all draws of a split that have been measured, in the order of the cases; tables restored."""
    places = {name: place for place, name in enumerate(CASES)}
    rows = sorted(
        (r for r in _lines(split, root) if r["case"] in places), key=lambda r: (places[r["case"]], r["number"])
    )
    return [row | {"table": restored(row["table"])} for row in rows]


def _lines(split: str, root: Path = ROOT) -> list[dict[str, Any]]:
    """Return what is packed and what has been measured since, as it was written."""
    texts = []
    if (packed := root / "results" / "draws" / f"{split}.jsonl.gz").exists():
        texts.append(gzip.decompress(packed.read_bytes()).decode("utf-8"))
    if (path := root / "draws" / f"{split}.jsonl").exists():
        texts.append(path.read_text(encoding="utf-8"))
    rows = [json.loads(line) for text in texts for line in text.splitlines()]
    return list({(row["case"], row["number"]): row for row in rows}.values())


def pack(split: str, root: Path = ROOT) -> None:
    """Write all that has been measured of a split into the folder of results."""
    rows = sorted(_lines(split, root), key=lambda row: (row["case"], row["number"]))
    text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
    packed = root / "results" / "draws"
    packed.mkdir(parents=True, exist_ok=True)
    (packed / f"{split}.jsonl.gz").write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    print(f"{len(rows)} draws packed")


def run(
    split: Split,
    which: Sequence[AnyCase],
    n_draws: int,
    with_rivals: bool,
    n_jobs: int,
    root: Path = ROOT,
) -> None:
    """Measure what is missing, draw by draw across the cases, so that a stopped run has some of every case."""
    done = {(row["case"], row["number"]) for row in load(split, root)}
    todo = [(c, number) for number in range(n_draws) for c in which if (c.name, number) not in done]
    path = root / "draws" / f"{split}.jsonl"
    path.parent.mkdir(exist_ok=True)
    work = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
    results = work(delayed(measured)(case, split, number, with_rivals) for case, number in todo)
    with path.open("a", encoding="utf-8") as file:
        for place, row in enumerate(results, 1):
            file.write(json.dumps(row, allow_nan=False) + "\n")
            file.flush()
            print(f"{place}/{len(todo)} {row['case']} #{row['number']}: {row['seconds']} s", flush=True)


def ask(split: Split, names: Sequence[str], n_draws: int, n_jobs: int, root: Path = ROOT) -> None:
    """Ask rules with fits of their own about the first draws of every case whose rows lack their answers."""
    rows = _lines(split, root)
    lacking = [(r, name) for r in rows for name in names if name not in r["answers"] and r["number"] < n_draws]
    path = root / "draws" / f"{split}.jsonl"
    path.parent.mkdir(exist_ok=True)
    work = Parallel(n_jobs=n_jobs, return_as="generator", batch_size=1)
    for place, ((row, name), answer) in enumerate(
        zip(lacking, work(delayed(_asked)(split, row, name) for row, name in lacking), strict=True), 1
    ):
        row["answers"][name] = answer
        print(f"{place}/{len(lacking)} {row['case']} #{row['number']}: {name} says {answer}", flush=True)
        if place % KEEP_EVERY == 0 or place == len(lacking):
            path.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows), encoding="utf-8")


def _asked(split: Split, row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the answer of a rule about a draw, and its seconds."""
    draw = CASES[row["case"]].draw(split, row["number"])
    evidence = rivals.Evidence(draw.X, None, draw.ranks, row["number"])  # type: ignore[arg-type]
    began = time.process_time()
    rank = rivals.RIVALS[name].rule(evidence)
    return {"rank": rank, "seconds": round(time.process_time() - began, 3)}


def again(split: Split, which: Sequence[AnyCase], numbers: Sequence[int], n_jobs: int) -> None:
    """Fit draws anew, store nothing, and say where the default policy answers otherwise than from the stored table."""
    stored_rows = {(row["case"], row["number"]): row for row in load(split)}
    todo = [(case, number) for number in numbers for case in which if (case.name, number) in stored_rows]
    rows = Parallel(n_jobs=n_jobs)(delayed(measured)(case, split, number, False) for case, number in todo)
    changed, moved, right = [], [], np.zeros(2, dtype=int)
    for row in rows:
        before = DEFAULT_POLICY(stored_rows[row["case"], row["number"]]["table"])
        now = DEFAULT_POLICY(restored(row["table"]))
        moved.append(max(abs(now.probabilities[rank] - before.probabilities[rank]) for rank in now.probabilities))
        right += [before.rank == row["rank"], now.rank == row["rank"]]
        if now.rank != before.rank:
            changed.append(f"{row['case']} #{row['number']} of rank {row['rank']}: {before.rank}, now {now.rank}")
    for line in changed:
        print(line)
    print(
        f"{len(rows)} draws fitted anew, {len(rows) - len(changed)} with the stored rank; probabilities moved by "
        f"{np.median(moved):.1e} (median), {np.quantile(moved, 0.9):.1e} (nine in ten); "
        f"right {right[0]}, now {right[1]}"
    )


def cheap(split: Split) -> set[str]:
    """Return the names of the cases whose measured draws took less than `CHEAP` seconds on average."""
    seconds: dict[str, list[float]] = {}
    for row in _lines(split):
        seconds.setdefault(row["case"], []).append(row["seconds"])
    return {name for name, taken in seconds.items() if np.mean(taken[:N_DRAWS]) < CHEAP}


def main() -> None:
    """Measure the draws of a split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", choices=[*cases.SEEDS, "real"])
    parser.add_argument("--draws", type=int, default=N_DRAWS, help="draws of each case")
    parser.add_argument("--rivals", action="store_true", help="also the rules with fits of their own")
    parser.add_argument("--of", choices=[*KINDS], default="cases", help="what is drawn; optional are the large cases")
    parser.add_argument("--cheap", action="store_true", help="only cases that took under 5 s so far")
    parser.add_argument("--only", nargs="+", metavar="CASE", help="these cases")
    parser.add_argument("--pack", action="store_true", help="measure nothing, pack what is there")
    parser.add_argument("--again", type=int, nargs="+", metavar="NUMBER", help="fit these draws anew and compare")
    parser.add_argument("--ask", nargs="+", metavar="RULE", help="these rules, where rows lack their answers")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if options.pack:
        pack(options.split)
        return
    if options.ask:
        ask(options.split, options.ask, options.draws, options.jobs)
        return
    which = [case for case in real.REAL if case.is_there] if options.split == "real" else KINDS[options.of]
    if options.only:
        which = [case for case in which if case.name in options.only]
    if options.cheap:
        names = cheap(options.split)
        which = [case for case in which if case.name in names]
    if options.again:
        again(options.split, which, options.again, options.jobs)
        return
    run(options.split, which, options.draws, options.rivals, options.jobs)


if __name__ == "__main__":
    main()
