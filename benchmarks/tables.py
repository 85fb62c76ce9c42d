"""Write the tables of this folder's README.md, and those of the project's, anew from the results.

    python benchmarks/tables.py            # between the markers of both
    python benchmarks/tables.py --smoke    # prints them, writes nothing

What stands outside ``<!-- begin: name -->`` ... ``<!-- end: name -->`` is written by hand and kept.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import bench_compression
import bench_counts
import bench_holdouts
import bench_looks
import bench_missing
import recovery_tables
import terabyte
from markdown import NOT_YET, table
from targets import TARGETS, Results, Row, minimum_in_words, shown
from timed import label

HERE = Path(__file__).parent
README = HERE / "README.md"
FIRST = HERE.parent / "README.md"

Blocks = Mapping[str, Callable[[Results], list[str]]]

NAMES = (
    "kernels",
    "sparse",
    "engine",
    "solvers",
    "memory",
    "kinds",
    "missing",
    "leak",
    "spectra",
    "switch",
    "counts",
    "looks",
    "distributed",
    "growth",
    "recovery",
    "calibration",
    "holdouts",
    "compression",
)


def load(folder: Path) -> Results:
    """Return the results that are there."""
    paths = {name: folder / f"{name}.json" for name in NAMES}
    return {name: json.loads(path.read_text("utf-8")) for name, path in paths.items() if path.is_file()}


def made(results: Row, command: str, threads: str) -> list[str]:
    """Return on which machine, with what and by which command results were made."""
    where = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in where["packages"].items())
    blas = f" ({', '.join(where['blas'])})" if where.get("blas") else ""
    load = f", load {where['load']} beforehand" if where.get("load") is not None else ""
    machine = f"{where['processor']}, {where['cores']} cores{load}"
    return [f"`{command}` on {machine}; Python {where['python']}, {versions}{blas}. {threads}", ""]


def block(
    name: str,
    results: Results,
    lines: Callable[[Row], list[str]],
    threads: str = "BLAS on one thread, our kernels serial; CPU time, medians.",
    header: bool = True,
) -> list[str]:
    """Return a table and how it was made, or that it was not."""
    if name not in results:
        return [NOT_YET]
    if not header:
        return lines(results[name])
    return [*made(results[name], f"python benchmarks/bench_{name}.py", threads), *lines(results[name])]


def targets(results: Results) -> list[str]:
    """Return the target table."""
    head = ("workload", "goal", "stretch", "measured", "verdict", "quality gate")
    source = "From the runs below, with their machines, versions, threads and commands."
    return [source, "", *table(head, (target.row(results) for target in TARGETS))]


def losses(results: Results) -> list[str]:
    """Return where a rival is faster than we are."""
    measured = "kernels" in results and "solvers" in results
    return list(_losses(results)) or (["Nowhere in the tables below."] if measured else [NOT_YET])


def _losses(results: Results) -> Iterator[str]:
    for part in ("dense_sweeps", "masked_sweeps", "core_consistency", "products"):
        for row in results.get("kernels", {}).get(part, ()):
            what = row.get("product", part.replace("_", " "))
            for rival in ("tensorly", "pyttb", "tlviz", "blas"):
                ratio = row["ratio"].get(rival, 1.0)
                if ratio < 1.0:
                    yield f"- {what}, {_label(row)}, R {row['rank']}: {rival} takes {ratio:.2f} of our time"
    for part in ("rank_sweeps", "holdouts"):
        for row in results.get("solvers", {}).get(part, ()):
            if row["ratio"] < 1.0:
                yield f"- {part.replace('_', ' ')}, {_label(row)}: tensorly takes {row['ratio']:.2f} of our time"


# ----------------------------------------------------------------------------------------------------------- tables


def sweeps(results: Row) -> list[str]:
    """Return dense sweeps."""
    head = ("tensor", "R", "ours", "ours, float32", "tensorly", "pyttb", "ratios", "of two reads", "of the limit")
    rows = (
        (
            _label(row),
            row["rank"],
            *(_ms(row["seconds"].get(name)) for name in ("ours", "ours_float32", "tensorly", "pyttb")),
            _ratios(row["ratio"]),
            f"{100 * row['share_of_two_reads']:.0f} %",
            f"{100 * row['share_of_limit']:.0f} %",
        )
        for row in results["dense_sweeps"]
    )
    read, compute = results["bandwidth_bytes_per_second"] / 1e9, results["dgemm_flops_per_second"] / 1e9
    limit = (
        f"One thread reads {read:.1f} GB/s here (the sum of a big array) and does {compute:.1f} GF/s (dgemm, 1500²). "
        "The limit of a sweep is 4 operations per cell and component at that rate or, where X does not fit the cache, "
        "two reads of X in float64, whichever takes longer."
    )
    return [*table(head, rows), "", limit]


def masked(results: Row) -> list[str]:
    """Return sweeps with missing cells."""
    head = ("tensor", "R", "missing", "ours", "tensorly mask=", "ratio", "loss / theirs - 1")
    rows = (
        (
            _label(row),
            row["rank"],
            f"{100 * row['missing']:.0f} %",
            _ms(row["seconds"]["ours"]),
            _ms(row["seconds"]["tensorly"]),
            f"{row['ratio']['tensorly']:.1f}",
            f"{row['loss_excess']:.0e}",
        )
        for row in results["masked_sweeps"]
    )
    return table(head, rows)


def consistency(results: Row) -> list[str]:
    """Return core consistency."""
    head = ("tensor", "R", "ours", "tlviz", "ratio", "difference")
    rows = (
        (
            _label(row),
            row["rank"],
            _ms(row["seconds"]["ours"]),
            _ms(row["seconds"]["tlviz"]),
            f"{row['ratio']['tlviz']:.1f}",
            f"{row['difference']:.0e}",
        )
        for row in results["core_consistency"]
    )
    return table(head, rows)


def products(results: Row) -> list[str]:
    """Return our kernels against BLAS."""
    head = ("tensor", "R", "product", "ours", "BLAS, (R, n)", "BLAS, (n, R)", "best BLAS / ours", "ours reads")
    rows = (
        (
            _label(row),
            row["rank"],
            row["product"],
            *(_ms(row["seconds"][name]) for name in ("ours", "blas_components_first", "blas_components_last")),
            f"{row['ratio']['blas']:.2f}",
            f"{row['bytes_per_second']['ours'] / 1e9:.1f} GB/s",
        )
        for row in results["products"]
    )
    return table(head, rows)


def sparse(results: Row) -> list[str]:
    """Return products, sweeps, cores and estimates of sparse tensors."""
    shape = label(tuple(results["shape"]))
    head = (f"of {shape}", "nonzeros", "R", "autoten", "pyttb", "ratio", "differs by")
    measured = [("MTTKRP, all modes", row) for row in results["products"]]
    measured += [("core consistency", row) for row in results["core_consistency"]]
    rows = [
        (
            what,
            f"{row['nonzeros']:,}",
            row["rank"],
            _s(row["seconds"]["ours"]),
            _s(row["seconds"]["pyttb"]),
            f"{row['ratio']['pyttb']:.3g}",
            f"{row['difference']:.0e}",
        )
        for what, row in measured
    ]
    sweeps = [
        f"A sweep of {row['nonzeros']:,} nonzeros takes {_s(row['sweep_seconds'])}, "
        f"{row['sweep_over_products']:.3g} times its products."
        for row in results["products"]
    ]
    estimates = [
        f"An estimate of {row['nonzeros']:,} nonzeros, ranks 1..{row['largest_rank']}, fits of 20 sweeps at most, "
        f"takes {_s(row['seconds'])} and at its peak {row['bytes_per_nonzero']:.0f} bytes a nonzero beyond X, "
        f"{row['of_the_nonzeros']:.3g} times what X takes itself."
        for row in results["estimates"]
    ]
    reading = [
        f"Reading a `.tns` file of {row['lines']:,} lines ({row['bytes'] / 1e6:.0f} MB) takes {_s(row['seconds'])} "
        "(wall clock; goal: under a minute)."
        for row in results.get("reading", ())
    ]
    return [*table(head, rows), "", *sweeps, *estimates, *reading]


def rank_sweeps(results: Row) -> list[str]:
    """Return whole rank sweeps."""
    head = (
        "tensor",
        "ranks × starts",
        "ours",
        "tensorly",
        "ratio",
        "worst loss / theirs - 1",
        "core consistency within",
    )
    rows = (
        (
            _label(row),
            f"1..{row['ranks']} × {row['n_starts']}" + (", nonnegative" if row["nonnegative"] else ""),
            _s(row["seconds"]["ours"]),
            _s(row["seconds"]["tensorly"]) + (" (scaled)" if row["scaled"] else ""),
            f"{row['ratio']:.0f}",
            f"{row['loss_excess']:.0e} (against {row['rival_starts_compared']} starts)",
            f"{row['core_consistency_difference']:.1g} points, ranks 1..{row['true_rank']}",
        )
        for row in results["rank_sweeps"]
    )
    return table(head, rows)


def engine(results: Row) -> list[str]:
    """Return whole estimates of every kind of data."""
    head = ("data", "seconds", "times complete ALS", "starts", "folds", "halves", "scores", "rank")
    rows = (
        (
            row["name"],
            _s(row["seconds"]),
            f"{row['seconds'] / row['complete']:.2f}" if "complete" in row else "–",
            *(
                f"{row['timings'][part]:.3g}" if "timings" in row else "–"
                for part in ("starts", "folds", "halves", "scores")
            ),
            str(row.get("rank", "–")),
        )
        for row in results["rows"]
    )
    return table(head, rows)


def holdouts(results: Row) -> list[str]:
    """Return hold-outs."""
    head = ("tensor", "folds × ranks", "ours", "tensorly mask=", "ratio", "ratio, full fits counted", "quality")
    rows = (
        (
            _label(row),
            f"{row['n_folds']} × {row['ranks']}",
            _s(row["seconds"]["ours"]),
            _s(row["seconds"]["tensorly"]),
            f"{row['ratio']:.1f}",
            f"{row['ratio_with_full_fits']:.1f}",
            f"{minimum_in_words(row)} (true rank {row['true_rank']})",
        )
        for row in results["holdouts"]
    )
    return table(head, rows)


def processes(results: Row) -> list[str]:
    """Return fresh processes."""
    spent = results["processes"]
    names = {
        "python": "`python -c pass`",
        "import": "`import autoten`",
        "import with estimate_rank": "`import autoten; autoten.estimate_rank`",
        "estimate": f"`{spent['estimate_command']}`",
        "cold": "the same, no kernel cached",
    }
    rows = (
        (words, _s(spent["wall_seconds"][name]), _s(spent["cpu_seconds"][name]))
        for name, words in names.items()
        if name in spent["wall_seconds"]
    )
    compile_time = spent["compile_seconds"]
    said = ["", f"Compiling takes {_s(compile_time)} of CPU time, once."] if compile_time else []
    return [*table(("process", "wall", "CPU"), rows), *said]


def parallel(results: Row) -> list[str]:
    """Return the gain of a second worker."""
    row = results["parallel"]
    line = (
        f"`estimate_rank`, {_label(row)}, ranks 1..{row['ranks']}: {_s(row['seconds']['1'])} with one worker, "
        f"{_s(row['seconds']['2'])} with two (wall clock), speed-up {row['speed_up']:.2f}; "
        f"{'the same answer' if row['gate'] else '**another answer**'}."
    )
    return [line if row["long_enough"] else f"{line} No job of the list took long enough to need a second worker."]


def time_limit(results: Row) -> list[str]:
    """Return how well max_time is kept."""
    row = results["time_limit"]
    return [
        f"`estimate_rank`, {_label(row)}, ranks 1..{row['ranks']}, `max_time={row['max_time']:g}` (kernels compiled "
        f"before): back after {_s(row['seconds'])} with ranks 1..{row['done']}, {100 * row['overrun']:.1f} % too late."
    ]


def profiles(results: Row) -> list[str]:
    """Return where the time of an estimate goes."""
    parts = list(dict.fromkeys(part for row in results["profiles"] for part in row["seconds"]))
    rows = (
        (
            _label(row),
            f"1..{row['ranks']}",
            _s(row["total"]),
            *(f"{100 * row['seconds'].get(part, 0.0) / row['total']:.0f} %" for part in parts),
            f"{100 * row['share_outside_fits']:.0f} %",
        )
        for row in results["profiles"]
    )
    return table(("tensor", "ranks", "total (wall)", *parts, "outside the fits"), rows)


def memory(results: Row) -> list[str]:
    """Return peak memory."""
    shape = tuple(results["shape"])
    rows = (
        (row["what"], row["rank"], row["workers"], f"{row['bytes'] / 1e6:.0f} MB", shown(row["share_per_worker"], "%"))
        for row in results["rows"]
    )
    head = ("call", "R", "workers", f"beyond X ({label(shape)}, float64)", "of X, per worker")
    return table(head, rows)


def distributed(results: Row) -> list[str]:
    """Return what an array read in chunks costs against its size, a cluster's sweeps, and the plan for 1 TB."""
    parts = list(results["rows"][0]["seconds"])
    head = (f"X, chunks of {results['chunk']}³", "size", *parts, "a pass of a sweep, per GB", "peak memory, of X")
    rows = (
        (
            f"{row['side']}³",
            f"{row['bytes'] / 1e9:.2f} GB",
            *(_s(row["seconds"][part]) for part in parts),
            _s(row["seconds"]["sweep"] / 3 / (row["bytes"] / 1e9)),
            f"{100 * row['peak_share']:.0f} %",
        )
        for row in results["rows"]
    )
    clusters = (
        f"A sweep of {row['side']}³, held by {row['workers']} worker{'s' * (row['workers'] > 1)}, takes "
        f"{_s(row['sweep'])}."
        for row in results["clusters"]
    )
    return [*table(head, rows), "", *clusters, "", *terabyte.plan(results)]


def growth(results: Row) -> list[str]:
    """Return the exponents of growth."""
    rows = (
        (shown["against"], shown["title"], line, f"{shown['sizes'][0]}..{shown['sizes'][-1]}", f"{slope:.2f}")
        for shown in results["panels"]
        for line, slope in shown["slopes"].items()
    )
    return table(("against", "fixed", "cost of", "sizes", "slope"), rows)


def compression(results: Row) -> list[str]:
    """Return how compressed and uncompressed runs agree."""
    return [f"- {line}" for line in bench_compression.summary(results["tensors"])]


def kinds(results: Row) -> list[str]:
    """Return estimates of real tensors."""
    head = ("tensor", "fitted by", "agreed", "rank", "probability", "wall", "CPU", "beyond X", "warnings")
    rows = (
        (
            f"{row['file']}, {label(tuple(row['shape']))}, {_cells(row)}",
            row["name"].rsplit(", ", 1)[1],
            " or ".join(map(str, row["agreed"])) or "–",
            row["rank"],
            ", ".join(f"{rank}: {probability:.2f}" for rank, probability in row["probabilities"].items()),
            _s(row["wall_seconds"]),
            _s(row["cpu_seconds"]),
            f"{row['extra_bytes'] / 1e6:.0f} MB ({row['extra_bytes'] / row['bytes']:.2g} times X)",
            "<br>".join(row["warnings"]) or "none",
        )
        for row in results["rows"]
    )
    return table(head, rows)


def _cells(row: Row) -> str:
    """Return how many cells hold something, in words."""
    if row["sparse"]:
        return f"{row['filled']:,} nonzeros"
    return f"{100 * row['missing']:.1f} % missing" if row["missing"] else "complete"


def leak(results: Row) -> list[str]:
    """Return how far folds move from those that know nothing of what they hold out, a row for every rank."""
    head = ("rank, of true rank 3", "ours", "warm", "chance", "rows of ours within 0.5", "of warm", "of chance")
    ways = ("ours", "warm", "chance")
    body = []
    for rank in sorted({row["rank"] for row in results["rows"]}):
        of = {way: [row[way] for row in results["rows"] if row["rank"] == rank] for way in ways}
        means = [f"{sum(of[way]) / len(of[way]):+.2f}" for way in ways]
        body.append((rank, *means, *(f"{sum(abs(by) <= 0.5 for by in of[way])} of {len(of[way])}" for way in ways)))
    return table(head, body)


def spectra(results: Row) -> list[str]:
    """Return how often the number of fluorophores is found, with and without the cells below the excitation."""
    head = ("tensors", "right", "smallest probability of the answer")
    return table(
        head,
        [
            (
                f"{len(results['rows'])} {name}",
                results["right"][name],
                f"{100 * min(row[f'{name}_probability'] for row in results['rows']):.0f} %",
            )
            for name in ("complete", "masked")
        ],
    )


def missing(results: Row) -> list[str]:
    """Return how often the rank is found with cells missing."""
    head = ("draws", "missing", "right", "goal", "too small", "too large", "probability of the truth", "CPU, median")
    rows = (
        (
            row["split"],
            f"{100 * row['share']:.0f} %",
            f"{row['right']} of {row['draws']} ({100 * row['right'] / row['draws']:.0f} %)",
            f"{100 * row['goal']:.0f} %: {'met' if row['right'] >= row['goal'] * row['draws'] else '**missed**'}",
            row["too_small"],
            row["too_large"],
            f"{row['probability_of_truth']:.2f}",
            _s(row["cpu_seconds"]),
        )
        for row in bench_missing.rates(results["rows"])
    )
    return table(head, rows)


def switch(results: Row) -> list[str]:
    """Return fits with missing cells, imputed and solved exactly."""
    head = ("missing", "R", "imputed", "exact", "imputed / exact", "sweeps", "losses apart")
    rows = (
        (
            f"{100 * row['share']:.0f} %",
            row["rank"],
            _ms(row["seconds"]["imputed"]),
            _ms(row["seconds"]["exact"]),
            f"{row['seconds']['imputed'] / row['seconds']['exact']:.2f}",
            f"{row['sweeps']['imputed']}, {row['sweeps']['exact']}",
            f"{abs(row['loss']['imputed'] / row['loss']['exact'] - 1.0):.0e}",
        )
        for row in results["rows"]
    )
    return table(head, rows)


def counts(results: Row) -> list[str]:
    """Return how often the rank of counts was right, by loss, hold-out and policy."""
    rates = bench_counts.rates(results["rows"])
    head = ("counts", "fitted by", "draws", *bench_counts.POLICIES, "CPU s a draw, median")
    body = ((row["setting"], row["run"], row["draws"], *row["right"].values(), _s(row["seconds"])) for row in rates)
    return [*table(head, body), "", *(f"- {line}" for line in bench_counts.beside_goals(results["rows"]))]


def looks(results: Row) -> list[str]:
    """Return what looks like counts, and how often the default and least squares are right."""
    head = ("kind", "draws", "look like counts", "right by default", "by least squares", "default", "least squares")
    return table(head, ((*row, _s(ours), _s(theirs)) for *row, ours, theirs in bench_looks.rates(results["rows"])))


def other_holdouts(results: Row) -> list[str]:
    """Return how often the default is right, and how honest it is, where other cells are held out."""
    head = ("held out", "draws", "right", "log score", "right of those stated with 90 %")
    return table(
        head,
        (
            (name, n, right, f"{score:.2f}", f"{sure} of {n_sure}")
            for name, n, right, score, sure, n_sure in bench_holdouts.rates(results["rows"])
        ),
    )


def first_page_of_speed(results: Results) -> list[str]:
    """Return the ratios to rivals that most users ask for, and what an estimate takes."""
    if not {"kernels", "solvers", "sparse"} <= results.keys():
        return [NOT_YET]
    kernels, solvers, sparse = (results[name] for name in ("kernels", "solvers", "sparse"))
    cubes = [row for row in kernels["dense_sweeps"] if row["rank"] == 5 and row["shape"][0] >= 100]
    pyttb = [row for row in cubes if "pyttb" in row["ratio"]]
    body = [
        ("ranks 1..15 × 10 starts, tensorly's `parafac`", *_each(solvers["rank_sweeps"], lambda row: row["ratio"])),
        ("a dense sweep, R 5, tensorly", *_each(cubes, lambda row: row["ratio"]["tensorly"])),
        ("a dense sweep, R 5, pyttb", *_each(pyttb, lambda row: row["ratio"]["pyttb"])),
        ("a sweep with missing cells, R 5, tensorly `mask=`", *_of_missing(kernels["masked_sweeps"])),
        ("core consistency, R 5, tlviz", *_each(kernels["core_consistency"], lambda row: row["ratio"]["tlviz"])),
        ("sparse MTTKRP, R 16, pyttb", *_of_nonzeros(sparse["products"])),
        ("sparse core consistency, R 5, pyttb", *_of_nonzeros(sparse["core_consistency"])),
    ]
    totals = ", ".join(f"{_s(row['total'])} for {_label(row)}" for row in solvers["profiles"])
    walls = solvers["processes"]["wall_seconds"]
    return [
        *table(("on one core", "of", "times as long as here"), body),
        "",
        f"- `estimate_rank` with defaults, ranks 1..{solvers['profiles'][0]['ranks']}: {totals}. Two workers "
        f"(`n_jobs=2`) are {solvers['parallel']['speed_up']:.1f} times as fast as one.",
        f"- The first call of all compiles the kernels, {solvers['processes']['compile_seconds']:.0f} seconds of CPU "
        f"time once; they are cached on disk. A later process needs {_s(walls['estimate'])} for import and a whole "
        f"estimate of the amino acids, where the first took {_s(walls['cold'])}.",
    ]


def _each(rows: Sequence[Row], ratio: Callable[[Row], float]) -> tuple[str, str]:
    return ", ".join(map(_label, rows)), ", ".join(f"{ratio(row):.1f}" for row in rows)


def _of_missing(rows: Sequence[Row]) -> tuple[str, str]:
    ratios = ", ".join(f"{row['ratio']['tensorly']:.0f}" for row in rows)
    return ", ".join(f"{_label(row)} {100 * row['missing']:.0f} %" for row in rows), ratios


def _of_nonzeros(rows: Sequence[Row]) -> tuple[str, str]:
    ratios = ", ".join(f"{row['ratio']['pyttb']:.0f}" for row in rows)
    return ", ".join(f"{row['nonzeros']:.0e} nonzeros".replace("e+0", "e") for row in rows), ratios


BLOCKS: Blocks = {
    "targets": targets,
    "losses": losses,
    "sweeps": partial(block, "kernels", lines=sweeps),
    "masked": partial(block, "kernels", lines=masked),
    "consistency": partial(block, "kernels", lines=consistency),
    "products": partial(block, "kernels", lines=products),
    "sparse": partial(block, "sparse", lines=sparse),
    "engine": partial(block, "engine", lines=engine, threads="BLAS on one thread, one worker; CPU time."),
    "rank-sweeps": partial(block, "solvers", lines=rank_sweeps),
    "holdouts": partial(block, "solvers", lines=holdouts),
    "processes": partial(block, "solvers", lines=processes, threads="Threads as they come; medians."),
    "parallel": partial(block, "solvers", lines=parallel, threads="BLAS on one thread in every worker; medians."),
    "time-limit": partial(block, "solvers", lines=time_limit),
    "profiles": partial(block, "solvers", lines=profiles, threads="BLAS on one thread, one worker; wall clock."),
    "memory": partial(block, "memory", lines=memory, threads="BLAS on one thread."),
    "distributed": partial(
        block, "distributed", lines=distributed, threads="BLAS on one thread in every process; wall clock."
    ),
    "growth": partial(block, "growth", lines=growth),
    "kinds": partial(block, "kinds", lines=kinds, threads="Two workers, BLAS on one thread in each."),
    "missing": partial(block, "missing", lines=missing, threads="One thread a draw."),
    "leak": partial(block, "leak", lines=leak),
    "spectra": partial(block, "spectra", lines=spectra),
    "switch": partial(block, "switch", lines=switch),
    "counts": partial(block, "counts", lines=counts, threads="One thread a draw; CPU time."),
    "looks": partial(block, "looks", lines=looks, threads="One thread; seconds on the wall, mean."),
    "other-holdouts": partial(block, "holdouts", lines=other_holdouts, header=False),
    "compression": partial(block, "compression", lines=compression, threads="One worker."),
    "recovery": partial(block, "recovery", lines=recovery_tables.overall, threads="One thread a draw; CPU time."),
    **{
        f"recovery-{part}": partial(block, "recovery", lines=lines, header=False)
        for part, lines in recovery_tables.PARTS.items()
    },
    "left-out": partial(block, "calibration", lines=recovery_tables.left_out, header=False),
}


# The few that the first page of the project shows.
FIRST_PAGE: Blocks = {
    "recovery": partial(block, "recovery", lines=recovery_tables.first_page, header=False),
    "speed": first_page_of_speed,
}


def render(text: str, results: Results, blocks: Blocks = BLOCKS) -> str:
    """Return the text with every table made anew; markers without a table, or a table without them, are an error."""
    marked = re.findall(r"<!-- begin: ([\w-]+) -->", text)
    if sorted(marked) != sorted(blocks):
        raise ValueError(f"README.md must have markers for exactly {sorted(blocks)}. Got {sorted(marked)}.")
    for name, lines in blocks.items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = "\n".join([f"{before}{begin}", "", *lines(results), "", f"{end}{after}"])
    return text


def _label(row: Row) -> str:
    return label(tuple(row["shape"]))


def _ratios(ratios: Mapping[str, float]) -> str:
    return ", ".join(f"{rival} {ratio:.1f}" for rival, ratio in ratios.items())


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1e3 * seconds:.3g} ms"


def _s(seconds: float) -> str:
    return f"{seconds:.3g} s"


def main() -> None:
    """Write both README.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="print, write nothing")
    smoke = parser.parse_args().smoke
    for path, blocks in ((README, BLOCKS), (FIRST, FIRST_PAGE)):
        text = render(path.read_text("utf-8"), load(HERE / "results"), blocks)
        if smoke:
            print(text)
        else:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
