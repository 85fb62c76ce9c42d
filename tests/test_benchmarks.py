"""The benchmark scripts run, on tiny sizes; their tables are made from their results and from nothing else."""

import importlib
import json
import re
import sys

import measure
import neighbours
import numpy as np
import pytest
import tables
import workloads

BENCHMARKS = measure.RESULTS.parent
SCRIPTS = sorted(path.stem.removeprefix("bench_") for path in BENCHMARKS.glob("bench_*.py"))

# What tiny sizes do not have: a cold cache, other draws; and what former runs of a slow rival had.
ONLY_FULL = ("scaled", "rival_starts_compared", "probabilities", "cold", "forms", "unseen", "laboratory", "opinion")
GATES = {"loss_difference": 1e-6, "difference": 1e-6, "loss_excess": 1e-4}


def leaves(value, path=()):
    """Yield the path of every figure, list elements left out, and the figure."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, path)
    else:
        yield path, value


def made_by(name, monkeypatch, *options):
    script = importlib.import_module(f"bench_{name}")
    monkeypatch.setattr(sys, "argv", [f"bench_{name}.py", "--smoke", *options])
    measure.main(name, script.__doc__, script.run, script.FULL, script.SMOKE)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_measures_what_its_committed_results_hold(name, monkeypatch, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in measure.RESULTS.iterdir()}
    made_by(name, monkeypatch, "--out", str(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in measure.RESULTS.iterdir()} == before
    made = list(leaves(json.loads((tmp_path / f"{name}.json").read_text())))
    now, committed = {path for path, _ in made}, {path for path, _ in leaves(measure.read(name))}
    assert {path for path in now ^ committed if not set(path) & set(ONLY_FULL)} == set()
    for path, value in made:
        assert value < GATES.get(path[-1], np.inf) if path[-1] in GATES else True, path
        assert value is True or path[-1] != "gate", path


def test_a_smoke_run_writes_nothing_unless_told_where(monkeypatch, tmp_path):
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["bench_x.py", "--smoke"])
    measure.main("x", "", lambda size: {"size": size}, 2, 1)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(sys, "argv", ["bench_x.py"])
    measure.main("x", "", lambda size: {"size": size}, 2, 1)
    assert (measure.read("x")["size"], measure.read("x")["command"]) == (2, "python benchmarks/bench_x.py")


def test_rivals_do_as_many_sweeps_as_asked_for(monkeypatch):
    X, seen, parafac = workloads.noise((5, 6, 7)), [], neighbours.parafac
    monkeypatch.setattr(neighbours, "parafac", lambda *args, **kwargs: seen.append(kwargs) or parafac(*args, **kwargs))
    neighbours.tensorly_parafac(X, 2, 3)
    neighbours.tensorly_parafac(X, 2, 4, observed=workloads.observed(X.shape, 0.1))
    assert [(call["n_iter_max"], call["init"], call["tol"]) for call in seen] == [(3, "random", 0), (4, "random", 0)]


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.relative_to(tables.CHECKOUT).as_posix())
def test_the_committed_tables_are_those_of_the_committed_results(page):
    text = page.read_text("utf-8")
    assert tables.render(text, tables.PAGES[page]) == text, "run `python benchmarks/tables.py`"


def test_every_table_has_its_markers():
    with pytest.raises(ValueError, match="markers for exactly"):
        tables.render("<!-- begin: sweeps -->\n<!-- end: sweeps -->", tables.BLOCKS)


def test_every_archived_page_is_listed_and_says_what_was_decided():
    listed = set(re.findall(r"\(archive/(\w+\.md)\)", tables.README.read_text("utf-8")))
    pages = {path.name: path.read_text("utf-8") for path in (BENCHMARKS / "archive").glob("*.md")}
    assert set(pages) == listed
    assert all("**Decision.**" in page for page in pages.values())
