"""A dask cluster and joblib's processes: the same bits, and workers that die only cost time."""

import math
import os
import pickle
import signal
import time
from concurrent.futures import BrokenExecutor

import joblib
import numpy as np
import pytest
from test_store import assert_same
from threadpoolctl import threadpool_info

from autoten import ALS, Blocks, Parts, estimate_rank, fit_parafac
from autoten.datasets import make_cp_tensor, white_noise
from autoten.fits import Plan
from autoten.holdout import RandomElements
from autoten.tensors.dense import DenseTensor
from autoten.workers import Workers, one_blas_thread, task

da = pytest.importorskip("dask.array")
config = pytest.importorskip("dask.config")
distributed = pytest.importorskip("distributed")

X = make_cp_tensor((20, 15, 12), 2, noise=white_noise(20), random_state=0).X
HOLED = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
QUICK = {"ranks": range(1, 4), "n_starts": 2, "n_folds": 3, "random_state": 0}

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")


PARTS = Parts(0.005)


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        # A worker that takes longer than 15 s to come back, on a busy machine, would be given up.
        config.set({"distributed.deploy.lost-worker-timeout": "600s"}),
        distributed.LocalCluster(**options, silence_logs=50) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def dask(client):
    pids_once_restarted(client)
    with joblib.parallel_config(backend="dask", client=client, wait_for_workers_timeout=60):
        yield client


def pids_once_restarted(client):
    """Return the processes of the workers once there are two again."""
    for _ in range(200):
        client.wait_for_workers(2)
        found = client.run(os.getpid, on_error="ignore")
        if len(found) == 2:
            return set(found.values())
        time.sleep(0.05)
    raise AssertionError("the workers were not started again")


def assert_same_here(there, X=X, **options):
    """Assert that an estimate from elsewhere is that of this process."""
    with joblib.parallel_config(backend="threading"):
        here = estimate_rank(X, **QUICK, **options)
    for name in ("choice", "table", "models", "probabilities", "warnings"):
        assert_same(getattr(there, name), getattr(here, name))


def deadly(folder, deaths):
    """Return a solver that kills the process it is in, but never this one, so many times."""

    class Deadly(ALS):  # a local class travels by value
        home = os.getpid()

        def fit(self, tensor, start, **options):
            if os.getpid() != self.home and start.rank == 2:
                for death in range(deaths):
                    try:
                        (folder / str(death)).touch(exist_ok=False)
                    except FileExistsError:
                        continue
                    os.kill(os.getpid(), signal.SIGKILL)
            return super().fit(tensor, start, **options)

    return Deadly()


# ------------------------------------------------------------------------------------------------------------ a cluster


@pytest.mark.parametrize(
    ("data", "holdout"),
    [(X, RandomElements(0.1)), (HOLED, RandomElements(0.1)), (X.astype("f4"), Blocks()), (HOLED, Blocks())],
    ids=["complete", "missing", "blocks of float32", "blocks, missing"],
)
def test_a_cluster_gives_the_same_bits(dask, data, holdout):
    assert_same_here(estimate_rank(data, **QUICK, holdout=holdout), data, holdout=holdout)


def test_fits_really_run_in_the_clusters_workers(dask):
    with Workers(1) as workers:
        assert workers.several
        (pids,), _ = workers.run([task(os.getpid) for _ in range(20)])
    assert set(pids) == set(dask.run(os.getpid).values())
    assert os.getpid() not in pids


def test_a_single_fit_uses_the_cluster_too(dask):
    there = fit_parafac(X, 2, n_starts=3, random_state=0)
    with joblib.parallel_config(backend="threading"):
        assert_same(there, fit_parafac(X, 2, n_starts=3, random_state=0))


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_killed_worker_only_delays_the_answer(dask, tmp_path, deaths):
    pids = set(dask.run(os.getpid).values())
    there = estimate_rank(X, **QUICK, solver=deadly(tmp_path, deaths))
    # On a busy machine a killed worker is slow to come back, and joblib runs what is left here: nobody dies twice.
    assert 1 <= len(list(tmp_path.iterdir())) <= deaths
    assert len(pids & pids_once_restarted(dask)) < 2
    assert_same_here(there)


def reading(folder):
    """Return a dask array of X, each of whose reads of a chunk leaves the number of its process in a folder."""

    def read(block):
        (folder / f"{os.getpid()}").touch()
        return block

    return da.from_array(X, chunks=10).map_blocks(read, dtype=float, meta=np.empty((0,) * 3))


def test_parts_are_gathered_estimated_and_swept_over_where_the_chunks_are(dask, tmp_path):
    with dask.as_current():
        there = estimate_rank(reading(tmp_path), **QUICK, parts=PARTS)
    assert len(there.settings["shapes of parts"]) > 2
    assert {int(path.name) for path in tmp_path.iterdir()} == set(dask.run(os.getpid).values())
    assert_same_here(there, da.from_array(X, chunks=10), parts=PARTS)


def test_a_worker_killed_in_a_part_only_delays_the_answer(dask, tmp_path):
    pids = set(dask.run(os.getpid).values())
    there = estimate_rank(X, **QUICK, parts=PARTS, solver=deadly(tmp_path, 1))
    assert len(list(tmp_path.iterdir())) == 1
    assert len(pids & pids_once_restarted(dask)) < 2
    assert_same_here(there, parts=PARTS)


def test_a_cluster_of_one_thread_is_left_alone_by_joblib():
    # joblib runs the tasks of a single worker right here.
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask", client=client),
    ):
        there = estimate_rank(X, **QUICK)
    assert_same_here(there)


# ------------------------------------------------------------------------------------------------------------ processes


@pytest.mark.parametrize("parts", [None, PARTS], ids=["in memory", "by parts"])
def test_a_killed_process_only_delays_the_answer(tmp_path, caplog, parts):
    with joblib.parallel_config(backend="loky"):
        there = estimate_rank(X, **QUICK, n_jobs=2, solver=deadly(tmp_path, 1), parts=parts)
    assert len(list(tmp_path.iterdir())) == 1
    assert "workers were lost (TerminatedWorkerError); their tasks are run again" in caplog.messages
    assert_same_here(there, parts=parts)


def test_processes_that_die_each_time_end_the_run(tmp_path):
    def die():  # a local function travels by value: processes need not import this module
        (tmp_path / f"{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    with joblib.parallel_config(backend="loky"), Workers(2) as w, pytest.raises(BrokenExecutor, match="terminated"):
        w.run([task(die) for _ in range(2)])
    assert len(list(tmp_path.iterdir())) >= 3


# ------------------------------------------------------------------------------------------------------- what they keep


def test_a_deadline_travels_by_the_time_of_day(monkeypatch):
    plan = Plan(ALS(), RandomElements(), 1, 2, 0, limit=time.monotonic() + 50.0)
    sent = pickle.dumps(plan)
    assert pickle.loads(sent).deadline == pytest.approx(plan.deadline, abs=0.1)
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 1e6)  # a machine that has been up for longer
    assert pickle.loads(sent).deadline == pytest.approx(plan.deadline + 1e6, abs=0.1)
    endless = Plan(ALS(), RandomElements(), 1, 2, 0)
    assert pickle.loads(pickle.dumps(endless)) == endless
    assert endless.deadline == math.inf


def test_a_tensor_from_elsewhere_is_read_only_and_aligned():
    stray = np.frombuffer(bytearray(8 * 24 + 3), dtype="f8", count=24, offset=3).reshape(2, 3, 4)
    assert not stray.flags.aligned
    tensor = DenseTensor.__new__(DenseTensor)
    tensor.__setstate__({"data": stray, "scale": 2.0, "cell_weights": stray, "norm_squared": 7.0})
    for array in (tensor.data, tensor.cell_weights):
        assert array.flags.aligned
        assert not array.flags.writeable
    assert (tensor.scale, tensor.norm_squared) == (2.0, 7.0)


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_blas_has_one_thread_until_the_last_one_leaves():
    before = blas_threads()
    first, second = one_blas_thread(), one_blas_thread()
    with first:
        assert blas_threads() == {1}
        second.__enter__()
    assert blas_threads() == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == before


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_keep_blas_to_one_thread(backend):
    # Made here: a configuration holds from when it is made.
    with joblib.parallel_config(backend=backend), Workers(2) as workers:
        (threads,), _ = workers.run([task(blas_threads) for _ in range(2)])
    assert threads == [{1}, {1}]
