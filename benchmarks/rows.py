"""Long studies, row by row: each row is written when it is done, and a study that was cut short goes on from there."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import machine
import measure
from joblib import Parallel, delayed
from measure import say

Row = dict[str, Any]
Job = tuple[Any, ...]  # a function of a module, and its arguments


def main(
    name: str,
    about: str | None,
    full: Mapping[str, Job],
    smoke: Mapping[str, Job],
    summary: Callable[[Sequence[Row]], list[str]],
    *,
    processes: int = 1,
) -> None:
    """Make the rows that are asked for and write results/`name`.json after each; the command line of a study.

    A row is what a job returns, and the name it has among the jobs. When all of them are there, a run begins anew.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it runs; nothing is written")
    parser.add_argument("--only", metavar="TEXT", help="make, or make again, the rows with TEXT in their names")
    options = parser.parse_args()
    if options.smoke:
        say("\n".join(summary(made(smoke))))
        return
    where, done = machine.record(), _done(name)
    if options.only is not None:
        todo = [key for key in full if options.only in key]
    else:
        todo = [key for key in full if key not in done] or list(full)
    tasks = (delayed(_made)(key, full[key]) for key in todo)
    for row in Parallel(n_jobs=processes, return_as="generator_unordered")(tasks):
        done[row["name"]] = row
        rows = [done[key] for key in full if key in done]
        measure.write(name, where, {"rows": rows})
        say(f"{len(rows)} of {len(full)}: {json.dumps(row)}")
    say("\n".join(summary([done[key] for key in full if key in done])))


def made(jobs: Mapping[str, Job]) -> list[Row]:
    """Return the rows of all jobs, one after another."""
    return [_made(key, job) for key, job in jobs.items()]


def _made(key: str, job: Job) -> Row:
    function, *arguments = job
    with measure.one_thread():
        wall, cpu = time.monotonic(), time.process_time()
        row = {"name": key} | function(*arguments)
        spent = {"wall_seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}
    return spent | row


def _done(name: str) -> dict[str, Row]:
    path = measure.RESULTS / f"{name}.json"
    if not path.is_file():
        return {}
    return {row["name"]: row for row in json.loads(path.read_text("utf-8")).get("rows", ())}
