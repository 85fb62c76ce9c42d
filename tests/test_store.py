"""What is kept on disk comes back the same to the last bit: estimates, and what a run has finished before it ended."""

import copy
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields, is_dataclass
from functools import partial
from math import inf, nan
from pathlib import Path

import joblib
import numpy as np
import pytest

from autoten import ALS, HALS, KL, Blocks, RandomElements, RankEstimate, estimate_rank, load, preprocess
from autoten.datasets import make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.fits import FoldModel
from autoten.labels import Labels
from autoten.model import CPModel
from autoten.scores import DEFAULT_SCORERS
from autoten.selection import Alternative, Choice, HeldOutMinimum
from autoten.solvers.base import Fit
from autoten.store import Checkpoint, fingerprint
from autoten.table import RankTable

CHECKOUT = Path(__file__).resolve().parents[1]
X = make_cp_tensor((8, 7, 6), 2, noise=white_noise(20), random_state=0).X
HOLED = np.where(np.arange(X.size).reshape(X.shape) % 7 == 3, np.nan, X)
COUNTS = np.random.default_rng(0).poisson(5.0 * np.abs(X))
QUICK = {"ranks": range(1, 4), "n_starts": 3, "n_folds": 3, "random_state": 0}
FOUR = QUICK | {"ranks": range(1, 5)}


def assert_same(a, b):
    """Assert that two results agree in type, in every field and in every bit of every array."""
    assert type(a) is type(b)
    if is_dataclass(a):
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, dict):
        assert_same(list(a), list(b))
        assert_same(list(a.values()), list(b.values()))
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b or a != a  # NaN is the one value that differs from itself


# ------------------------------------------------------------------------------------------------------------ estimates


def ragged(tensor, fits):
    """Score with as many replicates as there are components, one of them unknown."""
    return {"größe": [nan, *range(fits.rank)]}


def stated(table):
    one, two = table.ranks[1:3]
    shares = {one: np.float32(0.25), two: np.float64(0.75)}
    return Choice(two, 'Weil "zwei" reicht: ≥ 1 <b>&</b> basta.', (Alternative(one, "fast so gut"),), shares)


def stopped_at_three(tensor, fits):
    if fits.rank == 3:
        raise KeyboardInterrupt
    return {}


# Estimates of every kind: what makes them, X but for it.
KINDS = {
    "defaults": {},
    "missing": {"X": HOLED},
    "four modes": {"X": X.reshape(8, 7, 3, 2)},
    "float32": {"X": X.astype(np.float32)},
    "huge": {"X": X * 1e200},
    "preprocessed": {"X": preprocess.center(X, 0)},
    "nonnegative": {"X": np.abs(X), "solver": HALS()},
    "several solvers": {"X": COUNTS, "solver": (ALS(), KL())},
    "gaps in ranks": {"ranks": [1, 3]},
    "rank 0": {"policy": lambda table: 0},
    "stated probabilities": {"policy": stated},
    "own scorer": {"scorers": (*DEFAULT_SCORERS, ragged)},
    "no score": {"scorers": (), "policy": lambda table: 1},
    "interrupted": {"scorers": (*DEFAULT_SCORERS, stopped_at_three)},
}


@pytest.fixture(scope="module")
def plain():
    return estimate_rank(X, **QUICK)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_saved_is_loaded_and_answers_the_same(kind, tmp_path):
    estimate = estimate_rank(**({"X": X} | QUICK | KINDS[kind]))
    estimate.save(tmp_path / "one.npz")
    loaded = load(tmp_path / "one.npz")
    assert_same(loaded, estimate)
    assert loaded.table.complete is (kind != "interrupted")
    assert loaded.table.constrained is (kind == "nonnegative")
    for said in (RankEstimate.report, RankEstimate.to_json, RankEstimate._repr_html_, repr):
        assert said(loaded) == said(estimate)
    if "heldout" in loaded.table:
        assert loaded.select(HeldOutMinimum()) == estimate.select(HeldOutMinimum())
    loaded.save(tmp_path / "two.npz")
    with np.load(tmp_path / "one.npz", allow_pickle=False) as one, np.load(tmp_path / "two.npz") as two:
        assert_same(dict(two), dict(one))
        assert max(one[name].size for name in one.files) < X.size / 4  # the data are not there


def test_a_policy_may_answer_with_numpy_integers():
    record = json.loads(estimate_rank(X, **QUICK, policy=stated).to_json())
    assert (record["rank"], record["alternatives"]) == (2, [[1, "fast so gut"]])
    assert record["probabilities"] == {"1": 0.25, "2": 0.75}


def test_path_may_be_text_or_a_link_and_npz_is_added(plain, tmp_path):
    plain.save(f"{tmp_path}/estimate")
    assert load(f"{tmp_path}/estimate.npz").rank == load(f"{tmp_path}/estimate").rank == plain.rank
    plain.save(tmp_path / "fit.2026")
    assert load(tmp_path / "fit.2026").rank == plain.rank
    (tmp_path / "link.npz").symlink_to("aim.npz")
    plain.save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert load(tmp_path / "aim.npz").rank == plain.rank
    with pytest.raises(FileNotFoundError, match="nowhere"):
        plain.save(tmp_path / "nowhere" / "estimate.npz")


def model(rank, labels=None, support=False):
    factors = [np.arange(n * rank, dtype=np.float32 if n == 3 else float).reshape(n, rank) for n in (2, 3, 4)]
    shares = tuple(1 / (1 + factor) for factor in factors) if support else None
    return CPModel(np.arange(rank) + 0.5, factors, labels, shares)


def made(labels=None, by_solver=(), **made_by):
    """Return an estimate that no data have led to, of every kind of part."""
    scores = {"größe": [[nan, 1.0], [0.25, -inf], [0.125, 3.0]], "fit": [[0.0], [0.5], [0.75]]}
    table = RankTable([0, 1, 3], scores, (2, 3, 4), complete=not labels, **made_by)
    choice = Choice(3, 'weil "drei": ≥ 1 <b>', (Alternative(1, "less"),), {1: 0.25, 3: 0.75} if labels else None)
    models = {0: model(0, labels), 1: model(1, labels, True), 3: model(3, labels)}
    settings = {"shape": [2, 3, 4], "preprocessing": ["centred"], "seed": 2**70, "versions": {"numpy": "2"}}
    probabilities = {1: 0.5, 3: 0.5}
    return RankEstimate(choice, table, models, probabilities, ("a warning",), {"total": 1.5}, settings, dict(by_solver))


LABELS = Labels(("sample", "<nm>", "zeit"), (np.array(["a", "ß"]), None, np.array([1.5, 2.5, 3.5, 4.5])))
BY_SOLVER = {
    "ALS": made(LABELS, solver="ALS"),
    "HALS()": made(constrained=True, solver="HALS", holdout="Blocks"),
}
MADE = made(LABELS, BY_SOLVER, solver="ALS")


def test_an_estimate_of_the_first_version_is_read(tmp_path):
    # The file was written, as `MADE`, by the code that knew no other format.
    assert_same(load(CHECKOUT / "tests/data/estimate_version_1.npz"), MADE)
    MADE.save(tmp_path / "again.npz")
    assert_same(load(tmp_path / "again.npz"), MADE)


COPIES = {
    "pickle": lambda value, path: pickle.loads(pickle.dumps(value, protocol=2)),
    "deepcopy": lambda value, path: copy.deepcopy(value),
    "copy": lambda value, path: copy.copy(value),
    "joblib": lambda value, path: joblib.load(joblib.dump(value, path)[0]),
}


@pytest.mark.parametrize("way", COPIES)
def test_an_estimate_survives_copying(way, tmp_path, plain):
    for estimate in (MADE, plain):
        twin = COPIES[way](estimate, tmp_path / "value.joblib")
        assert twin is not estimate
        assert_same(twin, estimate)
    shared = np.shares_memory(twin.model.factors[0], plain.model.factors[0])
    assert shared is (way == "copy")


def test_the_comparison_of_these_tests_sees_one_bit(plain):
    twin = copy.deepcopy(plain)
    twin.table["heldout"][2, 1] = np.nextafter(twin.table["heldout"][2, 1], 2.0)
    with pytest.raises(AssertionError):
        assert_same(twin, plain)


def record(path, **changes):
    """Write a file of a record alone, or change that of the file that is there."""
    arrays = dict(np.load(path)) if path.exists() else {"record": "{}"}
    changed = json.loads(str(arrays["record"])) | changes
    np.savez(path, **arrays | {"record": np.array(json.dumps(changed))})


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-400])


OTHER_FILES = {
    "another.npz": lambda path: np.savez(path, X=X),
    "array.npy": lambda path: np.save(path, X),
    "text.npz": lambda path: path.write_text("rank: 3\n", encoding="utf-8"),
    "empty.npz": lambda path: path.touch(),
    "pickled.npz": lambda path: np.savez(path, record=np.array({"format": "autoten estimate"}, dtype=object)),
    "list.npz": lambda path: np.savez(path, record=np.array(json.dumps(["format"]))),
    "no-json.npz": lambda path: np.savez(path, record=np.array("{")),
    "format.npz": lambda path: record(path, format="something else", version=1),
    "no-format.npz": lambda path: record(path, version=1),
    "no-version.npz": lambda path: (MADE.save(path), record(path, version=None)),
    "no-estimate.npz": lambda path: (MADE.save(path), record(path, estimate={"parts": {}, "record": "RankEstimate"})),
    "cut-off.npz": lambda path: (MADE.save(path), cut_off(path)),
    "checkpoint.npz": lambda path: Checkpoint(path).claim({"seed": 0}),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_file_of_another_kind(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    OTHER_FILES[name](Path(name))
    with pytest.raises(ValueError) as refusal:
        load(name)
    assert str(refusal.value) == f"the path of load must be a file written by RankEstimate.save. Got {name}."


def test_a_file_that_is_not_there_or_from_a_later_version(tmp_path):
    existing = r"^the path of load must be an existing file written by RankEstimate\.save\. Got .*"
    for path in (tmp_path / "missing.npz", tmp_path):
        with pytest.raises(ValueError, match=existing + re.escape(f"{path.name}.")):
            load(path)
    record(tmp_path / "future.npz", format="autoten estimate", version=3)
    sentence = r"^the format version of an autoten estimate must be 1 or 2\. Got 3\. Update autoten\.$"
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path / "future.npz")


# ---------------------------------------------------------------------------------------------------------- checkpoints


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
    return estimate_rank(X, **FOUR)


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


def test_a_checkpoint_changes_no_bit_and_gives_any_smaller_range_its_part(path, undisturbed):
    assert_same_answer(estimate_rank(X, **FOUR, checkpoint=path), undisturbed)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    smaller = FOUR | {"ranks": [1, 3]}
    assert_same_answer(estimate_rank(X, **smaller, checkpoint=path), estimate_rank(X, **smaller))
    assert_same_answer(estimate_rank(X, **FOUR, checkpoint=path), undisturbed)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("data", [X, HOLED, X.astype(np.float32)], ids=["complete", "missing", "float32"])
def test_an_interrupted_run_goes_on_to_the_same_bits(path, data, n_jobs):
    scorers = interrupt_at(3)
    begun = estimate_rank(data, **FOUR, scorers=scorers, checkpoint=path, n_jobs=n_jobs)
    assert begun.table.ranks.tolist() == [0, 1, 2]
    whole = estimate_rank(data, **FOUR, scorers=scorers, checkpoint=path, n_jobs=n_jobs)
    assert_same_answer(whole, estimate_rank(data, **FOUR, scorers=scorers))


def test_what_is_finished_is_not_fitted_again_and_a_larger_range_goes_on_from_it(path):
    counted = partial(estimate_rank, X, solver=Counting())
    whole = counted(**FOUR)
    from_scratch, Counting.fits = Counting.fits, 0
    first = counted(**QUICK, checkpoint=path)
    spent = Counting.fits
    assert_same_answer(counted(**QUICK, checkpoint=path), first)
    assert spent == Counting.fits
    assert_same_answer(counted(**FOUR, checkpoint=path), whole)
    assert from_scratch < Counting.fits <= from_scratch + 1  # the empty model is fitted twice


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ranks_that_were_climbed_over_are_scored_when_asked_for(path, undisturbed, n_jobs):
    estimate_rank(X, **FOUR | {"ranks": [2, 4]}, checkpoint=path, n_jobs=n_jobs)
    assert_same_answer(estimate_rank(X, **FOUR, checkpoint=path, n_jobs=n_jobs), undisturbed)


@pytest.mark.parametrize(
    ("data", "kind"),
    [(X, ALS), (HOLED, ALS), (np.abs(HOLED), HALS), (COUNTS, KL)],
    ids=["complete", "missing", "nonnegative", "counts"],
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

    options = {**FOUR, "solver": Interrupted()}
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
    assert {(rank, kind) for rank, kind, _ in Checkpoint(path)} == {(4, "fit_fold")}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_whatever_file_was_left_behind_a_run_goes_on_to_the_same_bits(path, undisturbed, n_jobs, monkeypatch):
    monkeypatch.setattr("autoten.store.SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr("autoten.store.WRITING_SHARE", np.inf)
    left = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: left.append(path.read_bytes() if path.exists() else b""))
    estimate_rank(X, **FOUR, checkpoint=path, n_jobs=n_jobs)
    assert len(left) > 50
    for file in left[1::17]:
        path.write_bytes(file)
        assert_same_answer(estimate_rank(X, **FOUR, checkpoint=path, n_jobs=3 - n_jobs), undisturbed)


def test_a_quick_run_writes_its_ranks_alone(path, monkeypatch):
    writings = []
    monkeypatch.setattr(os, "fsync", writings.append)
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    estimate_rank(X, **FOUR, checkpoint=path)
    assert len(writings) == 1 + 5  # a file that can be written, and the ranks


def test_without_a_seed_that_of_the_file_is_taken(path):
    first, second = (estimate_rank(X, **QUICK | {"random_state": None}, checkpoint=path) for _ in range(2))
    assert_same_answer(first, second)


def test_out_of_time_nothing_unfinished_is_kept(path, undisturbed, monkeypatch):
    with pytest.raises(TimeoutError):
        estimate_rank(X, **FOUR, checkpoint=path, max_time=1e-9)
    assert Checkpoint(path).ranks == {}
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def late(tensor, fits):
        now[0] += 20.0
        return {}

    path.unlink()
    scorers = (*DEFAULT_SCORERS, late)
    cut = estimate_rank(X, **FOUR, scorers=scorers, checkpoint=path, max_time=30.0)
    assert cut.table.ranks.tolist() == [0, 1]
    assert_same_answer(estimate_rank(X, **FOUR, scorers=scorers, checkpoint=path), undisturbed)


def test_the_bar_counts_what_is_finished(path, capfd):
    for ranks in (4, 4, 5):
        estimate_rank(X, **FOUR | {"ranks": ranks}, checkpoint=path, progress=True)
    said = [line.partition(",")[0] for line in capfd.readouterr().err.splitlines()]
    assert said == [f"autoten: 100% rank {last} of {last} by ALS" for last in (4, 4, 5)]


PROGRAM = """
import os, sys, time
import numpy as np
import autoten
from autoten.scores import DEFAULT_SCORERS

def slow(tensor, fits):
    print(fits.rank, flush=True)
    if os.environ.get("SLOW") and fits.rank == 3:
        time.sleep(60)
    return {}

folder = sys.argv[1]
X = np.load(f"{folder}/X.npy")
estimate = autoten.estimate_rank(X, range(1, 5), n_starts=3, n_folds=3, random_state=0, n_jobs=2,
                                 scorers=(*DEFAULT_SCORERS, slow), checkpoint=f"{folder}/run.npz")
estimate.save(f"{folder}/answer.npz")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_process_goes_on_to_the_same_bits(undisturbed, path):
    np.save(path.with_name("X.npy"), X)
    command = [sys.executable, "-c", PROGRAM, str(path.parent)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    slow = subprocess.Popen(command, env={**environment, "SLOW": "1"}, stdout=subprocess.PIPE, text=True)
    with slow:
        assert [int(slow.stdout.readline()) for _ in range(4)] == [0, 1, 2, 3]
        slow.send_signal(signal.SIGKILL)
    assert slow.returncode == -signal.SIGKILL
    assert sorted(Checkpoint(path).ranks) == [0, 1, 2]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "4"]
    assert_same_answer(load(path.with_name("answer.npz")), undisturbed)


@pytest.mark.parametrize("writer", ["checkpoint", "save"])
def test_a_failing_write_leaves_the_old_file(path, plain, monkeypatch, writer):
    write = {"checkpoint": lambda: estimate_rank(X, **QUICK, checkpoint=path), "save": lambda: plain.save(path)}[writer]
    write()
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        estimate_rank(X, **FOUR, checkpoint=path) if writer == "checkpoint" else write()
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_checkpoint_is_that_of_the_code_of_version_4(path):
    class Mine(Fit):
        """What a solver of one's own may return."""

    run = {"X": "0123", "scorers": ["a", "b"], "seed": 7}
    fit = (model(2), 0.25, 12, True, np.array([0.5, 0.25]))
    written = Checkpoint(path)
    written.claim(run)
    written.add(0, model(0))
    written.add(1, model(1), {"fit": np.array([0.5])})
    written |= {(2, "fit_fold", 0): FoldModel(model(2), None, False, 1.5), (2, "fit_half", 1): model(2)}
    written[2, "explore", 3] = Mine(*fit)
    written.flush()
    # The other file was written like this by the code whose format it is.
    for each in (Checkpoint(path), Checkpoint(CHECKOUT / "tests/data/checkpoint_version_4.npz")):
        assert each.run == run
        assert_same([each.ranks[rank] for rank in (0, 1)], [written.ranks[rank] for rank in (0, 1)])
        assert_same(each.pop((2, "explore", 3)), Fit(*fit))
        assert_same(dict(sorted(each.items())), {key: written[key] for key in sorted(each)})
        assert len(each) == 2
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)


def test_another_dtype_or_scale_or_hole_is_another_tensor():
    of_two_scales = np.ldexp(X, 700), np.ldexp(X, 800)  # of the same numbers
    others = X, X + 0.0, X.astype("f4"), HOLED, X.reshape(8, 6, 7)
    assert len({fingerprint(as_tensor(data)) for data in (*of_two_scales, *others)}) == 6


SAME = "checkpoint of estimate_rank must be a file of a run with the same X, solver, holdout, scorers, n_starts, "
SAME += "n_folds, n_splits and seed. Got one with another {}. Give another path, or delete it."


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"X": np.where(np.arange(X.size).reshape(X.shape) == 100, 0.0, X)}, "X"),
        ({"X": HOLED}, "X"),
        ({"solver": ALS(tol=1e-6)}, "solver"),
        ({"holdout": RandomElements(0.2)}, "holdout"),
        ({"holdout": Blocks(), "n_folds": 4}, "holdout and another n_folds"),
        ({"scorers": DEFAULT_SCORERS[1:]}, "scorers"),
        ({"n_starts": 4}, "n_starts"),
        ({"n_splits": 2}, "n_splits"),
        ({"random_state": 1}, "seed"),
    ],
)
def test_a_file_of_another_run_is_refused(path, changed, named):
    options = {"X": X, **QUICK, "checkpoint": path}
    estimate_rank(**options | {"ranks": [1]})
    before = path.read_bytes()
    with pytest.raises(ValueError) as refusal:
        estimate_rank(**options | changed)
    assert str(refusal.value) == SAME.format(named)
    assert path.read_bytes() == before


NOT_OURS = "checkpoint of estimate_rank must be a new path, or a file that an earlier run has written there. Got "
TOO_OLD = "the format version of an autoten checkpoint must be 4. Got 1. Give another path, or delete it."
UNWRITABLE = "checkpoint of estimate_rank must be a path that can be written. Got "


def begun(path):
    Checkpoint(path).claim({"seed": 0})


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda path: path.write_text("hello"), NOT_OURS),
        (lambda path: path.mkdir(), NOT_OURS),
        (MADE.save, NOT_OURS),
        (lambda path: (begun(path), cut_off(path)), NOT_OURS),
        (lambda path: (begun(path), record(path, format="other")), NOT_OURS),
        (lambda path: (begun(path), record(path, version=1)), TOO_OLD),
        (lambda path: path.parent.rmdir(), UNWRITABLE),
    ],
    ids=["text", "folder", "estimate", "damaged", "format", "version", "nowhere"],
)
def test_a_file_that_is_no_checkpoint_is_refused_before_the_first_fit(tmp_path, prepare, sentence):
    (tmp_path / "folder").mkdir()
    prepare(tmp_path / "folder" / "run.npz")
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        estimate_rank(X, **QUICK, solver=Counting(), checkpoint=tmp_path / "folder" / "run.npz")
    assert Counting.fits == 0
