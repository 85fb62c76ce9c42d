"""The benchmark scripts run, on tiny sizes; their tables are made from their results and from nothing else."""

import copy
import json
import math
import re
import subprocess
import sys

import bench_counts
import bench_distributed
import bench_engine
import bench_growth
import bench_holdouts
import bench_kernels
import bench_kinds
import bench_leak
import bench_looks
import bench_memory
import bench_missing
import bench_solvers
import bench_sparse
import bench_spectra
import bench_switch
import machine
import measure
import neighbours
import numpy as np
import pytest
import rows
import tables
import targets
import terabyte
import timed

BENCHMARKS = measure.RESULTS.parent

RUNS = {
    "kernels": lambda: bench_kernels.run(bench_kernels.SMOKE),
    "sparse": lambda: bench_sparse.run(bench_sparse.SMOKE),
    "solvers": lambda: bench_solvers.run(bench_solvers.SMOKE),
    "memory": lambda: bench_memory.run(bench_memory.SMOKE),
    "growth": lambda: bench_growth.run(bench_growth.SMOKE),
    "engine": lambda: {"rows": rows.made(bench_engine.jobs((8, 9, 10), range(1, 3), (), ()))},
    "kinds": lambda: {"rows": rows.made(bench_kinds.jobs(bench_kinds.SMOKE))},
    "missing": lambda: {"rows": rows.made(bench_missing.SMOKE)},
    "counts": lambda: {"rows": rows.made(bench_counts.SMOKE)},
    "looks": lambda: {"rows": rows.made(bench_looks.SMOKE)},
    "holdouts": lambda: {"rows": rows.made(bench_holdouts.SMOKE)},
    "switch": lambda: bench_switch.run(bench_switch.SMOKE),
    "leak": lambda: bench_leak.run(bench_leak.SMOKE),
    "spectra": lambda: bench_spectra.run(bench_spectra.SMOKE),
}


@pytest.fixture(scope="module")
def smoke():
    """Return the results of smoke runs, as they come back from JSON."""
    with measure.one_thread():
        results = {name: {"machine": machine.record()} | run() for name, run in RUNS.items()}
    return json.loads(json.dumps(results))


def test_kernels(smoke):
    kernels = smoke["kernels"]
    assert kernels["bandwidth_bytes_per_second"] > 0
    for row in kernels["dense_sweeps"]:
        assert row["loss_difference"] < targets.SAME_LOSS
        assert {"ours", "tensorly"} <= set(row["seconds"])
    assert [row["missing"] for row in kernels["masked_sweeps"]] == [0.1, 0.3]
    for row in kernels["masked_sweeps"]:
        assert row["loss_excess"] < targets.NO_WORSE
    for row in kernels["core_consistency"]:
        assert row["difference"] < targets.SAME_CONSISTENCY
    assert {row["product"] for row in kernels["products"]} == {"times last", "transposed times others"}


def test_folds_and_spectra(smoke):
    assert [(row["rank"], row["tensors"]) for row in smoke["leak"]["rows"]] == [(1, 1), (2, 1)]
    assert all(math.isfinite(row[way]) for row in smoke["leak"]["rows"] for way in ("ours", "warm", "chance"))
    (row,) = smoke["spectra"]["rows"]
    assert row["rank"] == 5
    assert 0.2 < row["missing"] < 0.4


def test_distributed():
    pytest.importorskip("distributed")
    results = json.loads(json.dumps(bench_distributed.run(bench_distributed.SMOKE)))
    (row,) = results["rows"]
    assert set(row["seconds"]) == {"first pass", "making X", "second pass", "sweep", "one fit", "estimate"}
    assert [cluster["workers"] for cluster in results["clusters"]] == [1]
    shown = "\n".join(tables.distributed(results))
    assert "| 24³ | 0.00 GB |" in shown
    assert "A sweep of 24³, held by 1 worker, takes" in shown


def test_the_plan_for_a_terabyte_is_reckoned_from_the_measured_rates():
    row = {"side": 500, "bytes": 1e9, "seconds": {"sweep": 3.0}, "peak_share": 0.1}
    smaller = {"side": 250, "bytes": 1.25e8, "seconds": {"sweep": 99.0}, "peak_share": 0.1}
    results = {"chunk": 125, "rows": [row, smaller], "clusters": [{"workers": 2, "side": 500, "sweep": 0.75}]}
    assert terabyte.seconds_per_gigabyte(results) == pytest.approx((1.0, 0.5))
    planned = terabyte.passes()
    lines = terabyte.plan(results)
    assert "1 s for a pass over 1 GB" in lines[0]
    assert lines[4].endswith("| 2 | 33 min | 2 s |")
    total = sum(planned.values())
    assert lines[-1] == f"| in all | {total:.0f} | {total * 1000 / 86400:.0f} days | {total * 500 / 512 / 60:.0f} min |"


def test_solvers(smoke):
    solvers = smoke["solvers"]
    for row in solvers["rank_sweeps"]:
        assert row["gate"], row
        assert not row["scaled"]
    for row in solvers["holdouts"]:
        assert row["gate"], row
    for row in solvers["profiles"]:
        assert 0 < row["share_outside_fits"] < 1
    assert solvers["parallel"]["gate"]
    assert {"python", "import", "estimate"} <= set(solvers["processes"]["wall_seconds"])


def test_memory(smoke):
    shares = {row["what"]: row["share_per_worker"] for row in smoke["memory"]["rows"]}
    assert shares["rank sweep"] > 0
    assert shares["core consistency"] >= 0


def test_engine(smoke):
    engine = smoke["engine"]
    assert [row["name"] for row in engine["rows"]] == [
        kind for kind in bench_engine.kinds((6, 7, 8)) if kind != "complete"
    ]
    assert all(row["seconds"] > 0 and row["complete"] > 0 for row in engine["rows"])
    assert len(tables.engine(engine)) == len(engine["rows"]) + 2


def test_kinds(smoke):
    (row,) = smoke["kinds"]["rows"]
    assert (row["file"], row["shape"], row["missing"]) == ("amino_acids", [5, 201, 61], 0.0)
    assert row["wall_seconds"] > 0
    assert row["extra_bytes"] >= 0
    assert all(len(warning) <= bench_kinds.LONGEST_WARNING for warning in row["warnings"])
    assert "amino_acids, 5×201×61, complete | HALS |" in "\n".join(tables.kinds(smoke["kinds"]))


def test_a_tiny_twin_is_of_the_same_kind():
    X = timed.noisy_cp((7, 8, 9, 5)).X
    X[0, 1, 2, 3] = float("nan")
    tiny = bench_kinds._tiny(X)
    assert (tiny.ndim, tiny.dtype, int((tiny != tiny).sum())) == (4, X.dtype, 1)
    counts = bench_counts.Setting((20, 20, 20), filled=0.02).draw(2, 0).X
    assert (bench_kinds._tiny(counts).format, bench_kinds._tiny(counts).dtype) == ("coo", counts.dtype)


def test_missing(smoke):
    shares = [row["share"] for row in bench_missing.rates(smoke["missing"]["rows"])]
    assert shares == [0.1, 0.6]
    assert len(bench_missing.FULL) == 2 * 20 * 4
    assert len({name for name in bench_missing.FULL if "reported" in name}) == 80
    row = smoke["missing"]["rows"][0] | {"split": "reported"}
    met, missed = ([row | {"rank": 3 if n < right else 2} for n in range(20)] for right in (19, 18))
    assert ["met" in tables.missing({"rows": done})[2] for done in (met, missed)] == [True, False]


def test_counts_have_the_density_that_is_asked_for():
    drawn = bench_counts.Setting((40, 40, 40), filled=0.01).draw(3, 0)
    assert drawn.X.nnz == pytest.approx(0.01 * 40**3, rel=0.15)
    assert drawn.model.weights.min() >= 0.05 * drawn.model.weights.sum() * (1 - 1e-9)
    assert bench_counts.Setting((20, 20, 20), mean=0.5).draw(3, 0).X.mean() == pytest.approx(0.5, rel=0.2)
    assert len(bench_counts.FULL) == 3 * 20 + 2 * 5  # four draws of a rank, one of the sparse ones


def test_other_holdouts(smoke):
    (row,) = smoke["holdouts"]["rows"]
    assert set(row["by"]) == set(bench_holdouts.HOLDOUTS)
    right = {"rank": 2, "probabilities": {"1": 0.05, "2": 0.95}}
    wrong = {"rank": 1, "probabilities": {"1": 0.6, "2": 0.4}}
    found = {"rank": 2, "found": True, "by": dict.fromkeys(bench_holdouts.HOLDOUTS, wrong) | {"Blocks": right}}
    lost = found | {"found": False}
    lines = tables.other_holdouts({"rows": [found, lost]})
    assert "| Blocks | 1 | 1 | -0.05 | 1 of 1 |" in lines
    assert "| RandomFibres | 1 | 0 | -0.92 | 0 of 0 |" in lines


def test_what_looks_like_counts(smoke):
    said = {row["kind"]: row["counts"] for row in smoke["looks"]["rows"]}
    assert said == {"Poisson, mean 1": True, "ratings 1..5, half missing": False, "scores 0..3": False}
    lines = "\n".join(tables.looks(smoke["looks"]))
    assert "| Poisson, mean 1 | 1 | 1 |" in lines
    drawn = {kind: draw(np.random.default_rng(0)) for kind, draw in bench_looks.KINDS.items() if "pixels" not in kind}
    whole = {kind: X.data if hasattr(X, "nnz") else X[~np.isnan(X)] for kind, (X, _) in drawn.items()}
    assert all(values.min() >= 0 and np.array_equal(values, np.floor(values)) for values in whole.values())
    assert {kind for kind, (_, rank) in drawn.items() if rank is None} == {"places in a row"}
    over = drawn["over-dispersed, k = 5, mean 300"][0]
    assert over.mean() == pytest.approx(300.0, rel=0.3)


def test_a_study_goes_on_where_it_was_cut_short(monkeypatch, tmp_path):
    calls = []

    def count(number, fails=()):
        calls.append(number)
        if number in fails:
            raise KeyboardInterrupt
        return {"number": number}

    def study(*arguments, fails=()):
        monkeypatch.setattr(sys, "argv", ["bench_study.py", *arguments])
        jobs = {f"row {number}": (count, number, fails) for number in range(4)}
        rows.main("study", "", jobs, {"row 0": (count, 0)}, lambda done: [str(len(done))])
        return [row["number"] for row in json.loads((tmp_path / "study.json").read_text())["rows"]]

    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        study(fails=(2,))
    assert study() == [0, 1, 2, 3]
    assert calls == [0, 1, 2, 2, 3]
    assert study("--only", "row 1") == [0, 1, 2, 3]
    assert calls[5:] == [1]
    study()  # all done: anew
    assert calls[6:] == [0, 1, 2, 3]
    study("--smoke")
    assert calls[10:] == [0]


def test_growth(smoke, tmp_path):
    panels = smoke["growth"]["panels"]
    assert [len(shown["sizes"]) for shown in panels] == [2, 2, 2, 2]
    bench_growth.draw(panels, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000


def test_slope_is_the_exponent():
    sizes = [10, 20, 40]
    assert bench_growth.slope(sizes, [7.0 * size**2.5 for size in sizes]) == pytest.approx(2.5)


def test_a_rival_is_scaled_over_ranks_and_starts():
    loop = bench_solvers.TensorlyLoop(timed.noisy_cp((4, 5, 6), 2).X)
    loop.seconds = {(1, 0): 1.0, (1, 1): 3.0, (3, 0): 6.0, (3, 1): 6.0}
    assert loop.scaled(range(1, 4), n_starts=10) == pytest.approx(10 * (2 + 4 + 6))


def test_rivals_do_as_many_sweeps_as_asked_for(monkeypatch):
    drawn = timed.noise((5, 6, 7))
    seen = []
    parafac = neighbours.parafac
    monkeypatch.setattr(neighbours, "parafac", lambda *args, **kwargs: seen.append(kwargs) or parafac(*args, **kwargs))
    neighbours.tensorly_parafac(drawn, 2, 3, tol=0.0)
    neighbours.tensorly_masked(drawn, timed.observed(drawn.shape, 0.1), 2, 4, tol=0.0)
    assert [(call["n_iter_max"], call["init"], call["tol"]) for call in seen] == [
        (3, "random", 0.0),
        (4, "random", 0.0),
    ]


def test_both_ways_with_missing_cells_end_in_the_same_fit(smoke):
    for row in smoke["switch"]["rows"]:
        assert row["loss"]["imputed"] == pytest.approx(row["loss"]["exact"], rel=1e-4)
        assert row["sweeps"]["imputed"] != row["sweeps"]["exact"]  # they were two ways


def test_tables_show_the_results(smoke):
    text = tables.render(tables.README.read_text("utf-8"), smoke)
    assert "python benchmarks/bench_kernels.py" in text
    assert "12×11×10" in text
    assert tables.render(text, smoke) == text
    handwritten = re.sub(r"(<!-- begin: ([\w-]+) -->).*?(<!-- end: \2 -->)", r"\1\3", text, flags=re.DOTALL)
    assert "Rivals as they are shipped" in handwritten
    assert "12×11×10" not in handwritten


def as_if_full(smoke):
    """Return smoke results under the names of the full sizes."""
    kernels, solvers, memory = (smoke[name] for name in ("kernels", "solvers", "memory"))
    full = bench_kernels.FULL
    kernels |= {
        part: [
            kernels[part][0] | {"shape": list(case.shape), "rank": rank, "missing": missing}
            for case in cases_of_part
            for rank in case.ranks
            for missing in full.missing
        ]
        for part, cases_of_part in {
            "dense_sweeps": full.dense,
            "masked_sweeps": full.masked,
            "core_consistency": full.consistency,
        }.items()
    }
    solvers |= {
        part: [solvers[part][0] | {"shape": list(case.shape)} for case in cases_of_part]
        for part, cases_of_part in {
            "holdouts": bench_solvers.FULL.folds,
            "profiles": bench_solvers.FULL.profiles,
        }.items()
    }
    solvers["rank_sweeps"] = [
        solvers["rank_sweeps"][0] | {"shape": list(case.shape), "nonnegative": case.nonnegative}
        for case in bench_solvers.FULL.sweeps
    ]
    smoke["engine"]["rows"] += [
        {"name": f"estimate {timed.label(shape)}", "seconds": 1.0} for shape in bench_engine.SIZES
    ]
    products, consistency = smoke["sparse"]["products"], smoke["sparse"]["core_consistency"]
    smoke["sparse"]["products"] = [products[0] | {"nonzeros": n} for n in bench_sparse.FULL.nonzeros]
    consistency[0]["nonzeros"] = bench_sparse.FULL.consistency_nonzeros
    solvers["processes"]["compile_seconds"] = 1.0
    for row in memory["rows"]:
        ranks = bench_memory.FULL.consistency_ranks[0], bench_memory.FULL.largest_rank
        row["rank"] = ranks[row["what"] == "rank sweep"]
    return smoke


def test_every_target_is_measured_by_the_full_run(smoke):
    full = as_if_full(copy.deepcopy(smoke))
    missing = [target.workload for target in targets.TARGETS if target.find(full) is None]
    assert not missing
    assert "not measured yet" not in "\n".join(tables.targets(full))


def test_tables_without_results_say_so():
    text = tables.render(tables.README.read_text("utf-8"), {})
    assert text.count(tables.NOT_YET) == len(tables.BLOCKS) - 1
    assert text.count("not measured yet") == len(targets.TARGETS)


@pytest.mark.parametrize(("page", "blocks"), [(tables.README, tables.BLOCKS), (tables.FIRST, tables.FIRST_PAGE)])
def test_the_committed_tables_are_those_of_the_committed_results(page, blocks):
    text = page.read_text("utf-8")
    assert tables.render(text, tables.load(measure.RESULTS), blocks) == text, "run `python benchmarks/tables.py`"


def test_every_table_has_its_markers():
    with pytest.raises(ValueError, match="markers for exactly"):
        tables.render("<!-- begin: targets -->\n<!-- end: targets -->", {})


@pytest.mark.parametrize(
    ("value", "gate_met", "at_most", "verdict"),
    [
        (9.0, True, False, "goal met"),
        (12.0, True, False, "stretch met"),
        (7.9, True, False, "**missed**"),
        (9.0, False, False, "**fast, but its gate is missed**"),
        (9.0, True, True, "**missed**"),
        (7.0, True, True, "goal met"),
    ],
)
def test_verdicts(value, gate_met, at_most, verdict):
    found = targets.Found(value, "same", gate_met)
    target = targets.Target("it", 8.0, 3.0 if at_most else 12.0, lambda results: found, at_most=at_most)
    assert target.row({})[4] == verdict


def test_a_smoke_run_writes_nothing():
    before = {path: path.stat().st_mtime_ns for path in measure.RESULTS.iterdir()}
    subprocess.run([sys.executable, BENCHMARKS / "bench_growth.py", "--smoke"], check=True, capture_output=True)
    assert {path: path.stat().st_mtime_ns for path in measure.RESULTS.iterdir()} == before
