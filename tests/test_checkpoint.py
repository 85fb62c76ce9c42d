"""A run that was killed goes on where it was and answers the same to the last bit; a file of another run is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_persistence import assert_same

from autoten import ALS, HALS, KL, Blocks, RandomElements, estimate_rank
from autoten.checkpoint import Checkpoint, fingerprint
from autoten.datasets import make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.scores import DEFAULT_SCORERS

X = make_cp_tensor((8, 7, 6), 2, noise=white_noise(20), random_state=0).X
HOLED = np.where(np.arange(X.size).reshape(X.shape) % 7 == 3, np.nan, X)
QUICK = {"ranks": range(1, 5), "n_starts": 3, "n_folds": 3, "random_state": 0}
CHECKOUT = Path(__file__).resolve().parents[1]


class Counting(ALS):
    """ALS that counts its fits; prints and compares as ALS does not, so it stands for a solver of one's own."""

    fits = 0

    def __repr__(self):
        return "Counting()"

    def fit(self, tensor, start, **options):
        Counting.fits += 1
        return super().fit(tensor, start, **options)


@pytest.fixture(autouse=True)
def _no_fits_yet():
    Counting.fits = 0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


@pytest.fixture(scope="module")
def undisturbed():
    return estimate_rank(X, **QUICK)


def interrupt_at(rank):
    """Return a run's scorers, of which the last stops it once; what it scores is the same either way."""
    stop = [True]

    def extra(tensor, fits):
        if fits.rank == rank and stop:
            stop.pop()
            raise KeyboardInterrupt
        return {"extra": float(fits.rank)}

    return (*DEFAULT_SCORERS, extra)


def assert_same_answer(a, b):
    for name in ("choice", "table", "models", "probabilities", "warnings"):
        assert_same(getattr(a, name), getattr(b, name))
    assert a.settings == b.settings


# --------------------------------------------------------------------------------------------------------- going on


def test_a_checkpoint_changes_no_bit(undisturbed, path):
    assert_same_answer(estimate_rank(X, **QUICK, checkpoint=path), undisturbed)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("data", [X, HOLED, X.astype(np.float32)], ids=["complete", "missing", "float32"])
def test_an_interrupted_run_goes_on_to_the_same_bits(path, data, n_jobs):
    scorers = interrupt_at(3)
    partial = estimate_rank(data, **QUICK, scorers=scorers, checkpoint=path, n_jobs=n_jobs)
    assert partial.table.ranks.tolist() == [0, 1, 2]
    whole = estimate_rank(data, **QUICK, scorers=scorers, checkpoint=path, n_jobs=n_jobs)
    assert_same_answer(whole, estimate_rank(data, **QUICK, scorers=scorers))


def test_what_is_finished_is_not_fitted_again(path):
    options = {**QUICK, "solver": Counting(), "checkpoint": path}
    first = estimate_rank(X, **options)
    spent = Counting.fits
    assert_same_answer(estimate_rank(X, **options), first)
    assert spent == Counting.fits


def test_a_larger_range_goes_on_from_a_smaller_one(path):
    options = {**QUICK, "solver": Counting()}
    whole = estimate_rank(X, **options)
    from_scratch, Counting.fits = Counting.fits, 0
    estimate_rank(X, **{**options, "ranks": range(1, 4)}, checkpoint=path)
    assert_same_answer(estimate_rank(X, **options, checkpoint=path), whole)
    assert from_scratch < Counting.fits <= from_scratch + 1  # the empty model is fitted twice


def test_a_smaller_range_takes_its_part(path, undisturbed):
    estimate_rank(X, **QUICK, checkpoint=path)
    smaller = estimate_rank(X, **{**QUICK, "ranks": [1, 3]}, checkpoint=path)
    assert_same_answer(smaller, estimate_rank(X, **{**QUICK, "ranks": [1, 3]}))
    assert_same_answer(estimate_rank(X, **QUICK, checkpoint=path), undisturbed)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ranks_that_were_climbed_over_are_scored_when_asked_for(path, undisturbed, n_jobs):
    estimate_rank(X, **{**QUICK, "ranks": [2, 4]}, checkpoint=path, n_jobs=n_jobs)
    assert_same_answer(estimate_rank(X, **QUICK, checkpoint=path, n_jobs=n_jobs), undisturbed)


COUNTS = np.random.default_rng(0).poisson(5.0 * np.abs(X))


@pytest.mark.parametrize(
    ("data", "kind"),
    [(X, ALS), (HOLED, ALS), (X.astype(np.float32), ALS), (np.abs(HOLED), HALS), (COUNTS, KL)],
    ids=["complete", "missing", "float32", "nonnegative", "counts"],
)
def test_fits_of_an_unfinished_rank_are_not_made_again(path, data, kind):
    class Interrupted(kind):
        """Counts its fits, and interrupts the run in the one with the number `at`."""

        fits = at = 0

        def __repr__(self):
            return "Interrupted()"

        def fit(self, tensor, start, **options):
            Interrupted.fits += 1
            if Interrupted.fits == Interrupted.at:
                raise KeyboardInterrupt
            return super().fit(tensor, start, **options)

    options = {**QUICK, "solver": Interrupted()}
    undisturbed = estimate_rank(data, **options)
    alone, Interrupted.fits = Interrupted.fits, 0
    runs, whole = 0, None
    while whole is None or not whole.table.complete:
        runs += 1
        Interrupted.at = Interrupted.fits + 11  # ranks have 8 to 24 fits: those of every kind are interrupted
        try:
            whole = estimate_rank(data, **options, checkpoint=path)
        except KeyboardInterrupt:
            assert max(Checkpoint(path).ranks) == 0
    assert_same_answer(whole, undisturbed)
    # Made again are, each time, the empty model and the task that was interrupted: up to three starts and a refinement.
    assert alone // 11 < runs < alone
    assert Interrupted.fits <= alone + 5 * runs
    # Those of the last rank's folds stay: a larger range would grow from them.
    assert {(rank, kind) for rank, kind, _ in Checkpoint(path).fits} == {(4, "fit_fold")}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_whatever_file_was_left_behind_a_run_goes_on_to_the_same_bits(path, undisturbed, n_jobs, monkeypatch):
    monkeypatch.setattr("autoten.checkpoint.SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr("autoten.checkpoint.WRITING_SHARE", np.inf)
    left = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: left.append(path.read_bytes() if path.exists() else b""))
    estimate_rank(X, **QUICK, checkpoint=path, n_jobs=n_jobs)
    assert len(left) > 50
    for file in left[1::11]:
        path.write_bytes(file)
        assert_same_answer(estimate_rank(X, **QUICK, checkpoint=path, n_jobs=3 - n_jobs), undisturbed)


def test_a_quick_run_writes_its_ranks_alone(path, monkeypatch):
    writings = []
    monkeypatch.setattr(os, "fsync", writings.append)
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    estimate_rank(X, **QUICK, checkpoint=path)
    assert len(writings) == 1 + 5  # a file that can be written, and the ranks


def test_without_a_seed_that_of_the_file_is_taken(path):
    options = {**QUICK, "random_state": None}
    first = estimate_rank(X, **options, checkpoint=path)
    second = estimate_rank(X, **options, checkpoint=path)
    assert first.settings["seed"] == second.settings["seed"]
    assert_same_answer(first, second)


def test_out_of_time_nothing_unfinished_is_kept(path, undisturbed, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def late(tensor, fits):
        now[0] += 20.0
        return {}

    scorers = (*DEFAULT_SCORERS, late)
    partial = estimate_rank(X, **QUICK, scorers=scorers, checkpoint=path, max_time=30.0)
    assert partial.table.ranks.tolist() == [0, 1]
    assert_same_answer(estimate_rank(X, **QUICK, scorers=scorers, checkpoint=path), undisturbed)


def test_a_rank_zero_that_was_cut_short_is_not_kept(path, undisturbed):
    with pytest.raises(TimeoutError):
        estimate_rank(X, **QUICK, checkpoint=path, max_time=1e-9)
    assert Checkpoint(path).ranks == {}
    assert_same_answer(estimate_rank(X, **QUICK, checkpoint=path), undisturbed)


def test_the_bar_counts_what_is_finished(path, capfd):
    for _ in range(2):
        estimate_rank(X, **QUICK, checkpoint=path, progress=True)
    estimate_rank(X, **{**QUICK, "ranks": range(1, 6)}, checkpoint=path, progress=True)
    assert "30/30" in capfd.readouterr().err


# ------------------------------------------------------------------------------------------------------------- SIGKILL

PROGRAM = """
import os, sys
import numpy as np
import autoten
from autoten.scores import DEFAULT_SCORERS

def slow(tensor, fits):
    print(fits.rank, flush=True)
    if os.environ.get("SLOW") and fits.rank == 3:
        import time
        time.sleep(60)
    return {}

folder = sys.argv[1]
X = np.load(f"{folder}/X.npy")
estimate = autoten.estimate_rank(X, range(1, 5), n_starts=3, n_folds=3, random_state=0, n_jobs=int(sys.argv[2]),
                                 scorers=(*DEFAULT_SCORERS, slow), checkpoint=f"{folder}/run.npz")
estimate.save(f"{folder}/answer.npz")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_killed_process_goes_on_to_the_same_bits(undisturbed, tmp_path, n_jobs):
    from autoten import load

    np.save(tmp_path / "X.npy", X)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(n_jobs)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    slow = subprocess.Popen(command, env={**environment, "SLOW": "1"}, stdout=subprocess.PIPE, text=True)
    with slow:
        assert [int(slow.stdout.readline()) for _ in range(4)] == [0, 1, 2, 3]
        slow.send_signal(signal.SIGKILL)
    assert slow.returncode == -signal.SIGKILL
    assert sorted(Checkpoint(tmp_path / "run.npz").ranks) == [0, 1, 2]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "4"]
    assert_same_answer(load(tmp_path / "answer.npz"), undisturbed)


# ------------------------------------------------------------------------------------------------------ the file itself


def test_a_failing_write_leaves_the_old_file(path, monkeypatch):
    estimate_rank(X, **{**QUICK, "ranks": [1]}, checkpoint=path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        estimate_rank(X, **QUICK, checkpoint=path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_file_needs_no_pickle_and_states_its_version(path):
    estimate_rank(X, **QUICK, checkpoint=str(path))
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)
        record = json.loads(str(archive["record"]))
    assert (record["format"], record["version"]) == ("autoten checkpoint", 4)
    assert [rank for rank, _ in record["ranks"]] == [0, 1, 2, 3, 4]


def test_another_dtype_or_scale_or_hole_is_another_tensor():
    seen = {fingerprint(as_tensor(data)) for data in (X, X.astype("f4"), HOLED, 1e200 * X, X.reshape(8, 6, 7), X + 0.0)}
    assert len(seen) == 5


# ----------------------------------------------------------------------------------------------------------- refusals

SAME = "checkpoint of estimate_rank must be a file of a run with the same X, solver, holdout, scorers, n_starts, "
SAME += "n_folds, n_splits and seed. Got one with another {}. Give another path, or delete it."


@pytest.mark.parametrize(
    ("data", "changed", "named"),
    [
        (np.where(np.arange(X.size).reshape(X.shape) == 100, 0.0, X), {}, "X"),
        (HOLED, {}, "X"),
        (X, {"solver": ALS(tol=1e-6)}, "solver"),
        (X, {"holdout": RandomElements(0.2)}, "holdout"),
        (X, {"holdout": Blocks(), "n_folds": 4}, "holdout and another n_folds"),
        (X, {"scorers": DEFAULT_SCORERS[1:]}, "scorers"),
        (X, {"n_starts": 4}, "n_starts"),
        (X, {"n_splits": 2}, "n_splits"),
        (X, {"random_state": 1}, "seed"),
    ],
)
def test_a_file_of_another_run_is_refused(path, data, changed, named):
    estimate_rank(X, **{**QUICK, "ranks": [1]}, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError) as refusal:
        estimate_rank(data, **{**QUICK, **changed}, checkpoint=path)
    assert str(refusal.value) == SAME.format(named)
    assert path.read_bytes() == before


def written(path, **changes):
    estimate_rank(X, **{**QUICK, "ranks": [1]}, checkpoint=path)
    with np.load(path) as archive:
        arrays = dict(archive)
    record = json.loads(str(arrays["record"])) | changes
    np.savez(path, **{**arrays, "record": np.array(json.dumps(record))})


def damaged(path):
    estimate_rank(X, **{**QUICK, "ranks": [1]}, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-400])


NOT_OURS = "checkpoint of estimate_rank must be a new path, or a file that an earlier run has written there. Got "


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda path: path.write_text("hello"), NOT_OURS),
        (lambda path: path.mkdir(), NOT_OURS),
        (lambda path: estimate_rank(X, **QUICK).save(path), NOT_OURS),
        (damaged, NOT_OURS),
        (lambda path: written(path, format="other"), NOT_OURS),
        (lambda path: written(path, version=1), "the format version of a checkpoint must be 4. Got 1."),
    ],
    ids=["text", "folder", "estimate", "damaged", "format", "version"],
)
def test_a_file_that_is_no_checkpoint_is_refused(path, prepare, sentence):
    prepare(path)
    with pytest.raises(ValueError) as refusal:
        estimate_rank(X, **QUICK, checkpoint=path)
    assert str(refusal.value).startswith(sentence)


def test_a_path_that_cannot_be_written_shows_before_the_first_fit(tmp_path):
    with pytest.raises(ValueError, match=r"^checkpoint of estimate_rank must be a path that can be written\. Got "):
        estimate_rank(X, **QUICK, solver=Counting(), checkpoint=tmp_path / "absent" / "run.npz")
    assert Counting.fits == 0


def test_what_is_no_path_is_refused():
    with pytest.raises(TypeError, match=r"^checkpoint of estimate_rank must be a path\. Got 3\.$"):
        estimate_rank(X, **QUICK, checkpoint=3)
