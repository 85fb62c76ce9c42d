"""What a run says of itself while it lasts: a bar or lines, forecasts of time and memory, kernels that are compiled."""

import logging
import math
import pickle
import sys
import time
from types import SimpleNamespace

import numba
import pytest
from numba.core.compiler_lock import global_compiler_lock

from autoten import estimate_rank
from autoten.clock import Clock
from autoten.datasets import make_cp_tensor, white_noise
from autoten.fits import Plan
from autoten.holdout import RandomElements
from autoten.progress import COMPILING, GROWTH, Progress, spoken
from autoten.scores import DEFAULT_SCORERS
from autoten.solvers.als import ALS
from autoten.sweep import _in_time

X = make_cp_tensor((6, 7, 8), 2, noise=white_noise(20), random_state=0).X


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(time=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: now.time)
    return now


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO, logger="autoten")
    return lambda: [record.getMessage() for record in caplog.records]


def plan(**options):
    """Return that of a run with ten fits for each rank."""
    return Plan(ALS(), RandomElements(), 4, 2, 0, n_splits=2, **options)


def progress(ranks, *, show=False, deadline=math.inf):
    return Progress(ranks, plan(limit=deadline), show)


def go(run, clock, *seconds):
    """Let ranks 0, 1 and so on take so long."""
    for rank, each in enumerate(seconds):
        clock.time += each
        run.on_rank(rank, measured=True)


# ------------------------------------------------------------------------------------------------------------ forecasts


def test_a_job_that_will_take_more_than_a_minute_is_forecast_once_with_its_memory(clock, logged):
    with progress(range(1, 11)) as run:
        go(run, clock, 0.5, 4.0)
        total = 4.5 + 4.0 * sum(rank**GROWTH for rank in range(2, 11))
        (line,) = logged()
        start, end = f"about {total / 60:.0f} min and ", " for ranks 1 to 10 by ALS, going by those up to 1"
        assert line.startswith(start)
        assert line.endswith(end)
        amount, unit = line.removeprefix(start).removesuffix(end).split()
        assert 0.05 < float(amount) * {"MB": 1e-3, "GB": 1.0}[unit] < 50.0
        go(run, clock, 0.0)
        assert len(logged()) == 1


def test_a_short_job_is_not_forecast_nor_one_that_is_nearly_done(clock, logged):
    with progress(range(1, 11)) as run:
        go(run, clock, 0.0, 0.5, 1.0, 1.5, 2.0)
    with progress([2]) as run:
        go(run, clock, 0.0, 10.0, 100.0)
    assert logged() == []


def test_a_forecast_that_has_doubled_is_said_again(clock, logged):
    with progress(range(1, 11)) as run:
        go(run, clock, 0.0, 4.0, 8.0, 100.0, 200.0, 300.0)
    assert [line.rpartition(" ")[2] for line in logged()] == ["1", "3"]


def test_what_max_time_allows_is_said_beside_a_longer_forecast(clock, logged):
    with progress(range(1, 11), deadline=clock.time + 120.0) as run:
        go(run, clock, 0.0, 60.0)
    assert logged()[0].endswith("; max_time ends them after 2 min")


def test_where_the_system_does_not_tell_memory_only_time_is_forecast(clock, logged, monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    with progress(range(1, 11)) as run:
        go(run, clock, 0.0, 60.0)
    assert " min for ranks 1 to 10" in logged()[0] or " h for ranks 1 to 10" in logged()[0]


def test_ranks_of_a_checkpoint_tell_nothing_of_time(clock, capfd):
    with progress(range(1, 4), show=True) as run:
        for rank in range(3):
            clock.time += 20.0
            run.on_rank(rank, measured=False)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 4
    assert not any("about" in line for line in lines)
    assert lines[-1] == "autoten: 46% rank 3 of 3 by ALS, after 60 s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "1 s"), (7.6, "8 s"), (89.0, "89 s"), (100.0, "2 min"), (5000.0, "83 min"), (9000.0, "2.5 h")],
)
def test_times_in_words(seconds, words):
    assert spoken(seconds) == words
    assert spoken(1e6) == "12 days"


# ------------------------------------------------------------------------------------------------------- what is shown


def test_in_a_pipe_a_few_plain_lines(clock, capfd):
    with progress(range(1, 4), show=True) as run:
        for rank in range(4):
            for _ in range(10 if rank else 0):
                clock.time += 1.0
                run.on_fit(rank)
            run.on_rank(rank, measured=True)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "\r" not in printed.err
    said = printed.err.splitlines()
    # Ten seconds later the next one, when a fit or a rank has ended.
    assert said[0].startswith("autoten: 14% rank 1 of 3 by ALS")
    assert said[1].startswith("autoten: 46% rank 2 of 3 by ALS, about ")
    assert said[-1] == "autoten: 100% rank 3 of 3 by ALS, after 30 s"
    assert len(said) == 4


def test_on_a_terminal_a_bar(clock, capfd, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress(range(1, 4), show=True) as run:
        go(run, clock, 0.0, 1.0, 2.0, 3.0)
    states = capfd.readouterr().err.split("\r")
    assert "  0%|" in states[1]
    assert states[-1].startswith("100%|")
    assert states[-1].endswith("| rank 3 of 3 by ALS, after 6 s\n")


def test_nothing_is_shown_where_there_is_no_stderr(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with progress(range(1, 4), show=True) as run:
        run.on_fit(1)
        go(run, clock, 0.0, 1.0)


def test_with_two_workers_and_several_solvers_too(capfd):
    estimate_rank(X, 3, solver=(ALS(), ALS(max_iter=50)), random_state=0, n_jobs=2, progress=True)
    said = capfd.readouterr().err.splitlines()
    assert [line.rpartition(",")[0] for line in said if "100%" in line] == [
        f"autoten: 100% rank 3 of 3 by ALS, solver {number} of 2" for number in (1, 2)
    ]


# ---------------------------------------------------------------------------------------------------------- compilation


def compile_something():
    @numba.njit
    def inner(x):
        return x + 1

    @numba.njit
    def outer(x):
        return inner(x)

    outer(1)


def test_kernels_that_are_compiled_are_named_once_and_take_no_part_in_forecasts(clock, capfd, logged, monkeypatch):
    on_start = Clock.on_start

    def slow(ours, event):
        on_start(ours, event)
        clock.time += 40.0

    monkeypatch.setattr(Clock, "on_start", slow)
    planned = plan()
    with planned.clock, Progress(range(1, 11), planned, True) as run:
        for rank in range(3):
            compile_something()
            clock.time += 2.0
            run.on_rank(rank, measured=True)
    compiling, *others = capfd.readouterr().err.splitlines()
    assert compiling == f"autoten: 0% {COMPILING}"
    assert not any("compiling" in line for line in others)
    assert others[-1].startswith("autoten: 4% rank 3 of 10 by ALS, after ")
    assert others[-1].endswith(f", {spoken(planned.clock.stood)} of it for kernels")
    assert planned.clock.stood >= 3 * 40.0
    assert [line.split(" and ")[0] for line in logged()] == ["about 3 min"]
    stood = planned.clock.stood
    compile_something()
    assert capfd.readouterr().err == ""
    assert planned.clock.stood == stood


def test_what_another_thread_compiles_does_not_disturb_the_clock(clock):
    with Clock() as ours:
        ours.on_end(None)  # begun before
        clock.time += 1000.0
        assert (ours.stood, ours.stands) == (0.0, False)
        ours.on_start(None)
        ours.on_start(None)  # beside it, or within
        clock.time += 10.0
        ours.on_end(None)
        assert (ours.stood, ours.stands) == (10.0, True)
        clock.time += 5.0
        ours.on_end(None)
        clock.time += 5.0
        assert (ours.stood, ours.stands) == (15.0, False)


def test_a_deadline_moves_while_kernels_are_compiled_and_fits_that_it_ended_are_made_again(clock):
    planned = plan(limit=clock.time + 10.0)
    tried = []

    def fit(tensor, plan):
        tried.append(plan.deadline)
        if len(tried) == 1:
            plan.clock.on_start(None)
            clock.time += 30.0
            plan.clock.on_end(None)
        return len(tried)

    assert _in_time(fit, None, planned) == (2, True)
    assert tried == [110.0, 140.0]
    clock.time += 11.0
    assert _in_time(fit, None, planned) == (None, False)
    assert pickle.loads(pickle.dumps(planned)).deadline == pytest.approx(planned.deadline, abs=0.1)


def test_kernels_that_are_compiled_are_named_once_also_without_progress(capfd, logged):
    with progress(range(1, 11)) as run:
        run.on_rank(0, measured=True)
        assert logged() == []  # nothing was compiled
        for _ in range(2):
            compile_something()
    assert logged() == [COMPILING]
    assert capfd.readouterr().out == ""


def test_kernels_are_a_part_of_their_own_in_the_timings(clock):
    class Waiting(ALS):
        """Each fit takes a second, the first of all waits for a kernel besides."""

        waited = False

        def fit(self, tensor, start, **options):
            clock.time += 1.0
            if not Waiting.waited:
                Waiting.waited = True
                with global_compiler_lock:
                    clock.time += 10.0
            return super().fit(tensor, start, **options)

    def slow_score(tensor, fits):
        if fits.rank == 1:
            with global_compiler_lock:
                clock.time += 5.0
        return {"slow": 1.0}

    def seconds(scorers):
        options = {"n_starts": 2, "n_folds": 2, "n_splits": 0, "random_state": 0, "scorers": scorers}
        return estimate_rank(X, 2, solver=(Waiting(), Waiting(max_iter=50)), **options).by_solver

    cold = list(seconds([*DEFAULT_SCORERS, slow_score]).values())
    warm = list(seconds(DEFAULT_SCORERS).values())
    assert [each.timings["kernels"] for each in cold] == [15.0, 5.0]  # the first fit, and a score of each solver
    assert [each.timings["kernels"] for each in warm] == [0.0, 0.0]
    for one, other in zip(cold, warm, strict=True):
        for part in ("starts", "folds", "halves", "scores"):
            assert one.timings[part] == pytest.approx(other.timings[part])


def test_reading_kernels_from_the_cache_counts_as_compiling_them(clock, capfd):
    planned = plan()
    with planned.clock, Progress([1], planned, True), global_compiler_lock:  # numba holds it then, too
        clock.time += 3.0
    assert planned.clock.stood == 3.0
    assert "compiling" not in capfd.readouterr().err


def test_nothing_is_forecast_from_less_than_two_seconds(clock, capfd, logged):
    with progress(range(1, 11), show=True) as run:
        go(run, clock, 20.0, 1.9)
        run.on_fit(2)
        assert logged() == []
        go(run, clock, 0.0, 0.0, 3.0)
    assert "left" not in capfd.readouterr().err.splitlines()[0]
    assert len(logged()) == 1
