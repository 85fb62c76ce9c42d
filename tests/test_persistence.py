"""What is saved, pickled or copied comes back the same, to the last bit; other files are refused in a sentence."""

import copy
import json
import pickle
from dataclasses import fields, is_dataclass, replace
from math import inf, nan

import joblib
import numpy as np
import pytest

from autoten import RankEstimate, estimate_rank, fit_parafac, load, preprocess
from autoten.datasets import make_cp_tensor, white_noise
from autoten.model import CPModel
from autoten.scores import DEFAULT_SCORERS
from autoten.selection import Alternative, Choice, HeldOutMinimum, Knee
from autoten.solvers.base import Fit
from autoten.table import RankTable

X = make_cp_tensor((6, 7, 8), 2, noise=white_noise(20), random_state=0).X
QUICK = {"ranks": range(1, 4), "n_starts": 3, "n_folds": 3, "random_state": 0}


def assert_same(a, b):
    """Assert that two results agree in type, in every field and in every bit of every array."""
    assert type(a) is type(b)
    if is_dataclass(a):
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, dict):
        assert list(a) == list(b)
        assert [type(key) for key in a] == [type(key) for key in b]
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b or a != a  # NaN is the one value that differs from itself


def ragged(tensor, fits):
    """Score with as many replicates as there are components, one of them unknown."""
    return {"größe": [nan, *range(fits.rank)]}


def stated(table):
    return Choice(1, 'Weil "eins" reicht: ≥ 1 <b>&</b> basta.', (Alternative(2, "fast so gut"),), {1: 0.7, 2: 0.3})


def stopped_at_three(tensor, fits):
    if fits.rank == 3:
        raise KeyboardInterrupt
    return {}


# Estimates of every kind: a name and what makes it.
KINDS = {
    "defaults": lambda: estimate_rank(X, **QUICK),
    "missing": lambda: estimate_rank(np.where(np.arange(X.size).reshape(X.shape) % 7 == 3, np.nan, X), **QUICK),
    "four modes": lambda: estimate_rank(X.reshape(6, 7, 4, 2), **QUICK),
    "float32": lambda: estimate_rank(X.astype(np.float32), **QUICK),
    "huge": lambda: estimate_rank(X * 1e200, **QUICK),
    "preprocessed": lambda: estimate_rank(preprocess.center(X, 0), **QUICK),
    "gaps in ranks": lambda: estimate_rank(X, **{**QUICK, "ranks": [1, 3]}),
    "rank 0": lambda: estimate_rank(X, **QUICK, policy=lambda table: 0),
    "lambda policy": lambda: estimate_rank(X, **QUICK, policy=lambda table: 2),
    "stated probabilities": lambda: estimate_rank(X, **QUICK, policy=stated),
    "own scorer": lambda: estimate_rank(X, **QUICK, scorers=(*DEFAULT_SCORERS, ragged)),
    "no score": lambda: estimate_rank(X, **QUICK, scorers=(), policy=lambda table: 1),
    "interrupted": lambda: estimate_rank(X, **QUICK, scorers=(*DEFAULT_SCORERS, stopped_at_three)),
}


@pytest.fixture(scope="module", params=KINDS)
def estimate(request):
    return KINDS[request.param]()


@pytest.fixture(scope="module")
def plain():
    return KINDS["defaults"]()


# -------------------------------------------------------------------------------------------------------- save and load


def test_what_was_saved_is_loaded(estimate, tmp_path):
    estimate.save(tmp_path / "estimate.npz")
    assert_same(load(tmp_path / "estimate.npz"), estimate)


def test_a_loaded_estimate_answers_as_the_saved_one(plain, tmp_path):
    plain.save(tmp_path / "estimate.npz")
    loaded = load(tmp_path / "estimate.npz")
    assert loaded.report() == plain.report()
    assert loaded.to_json() == plain.to_json()
    assert loaded._repr_html_() == plain._repr_html_()
    assert repr(loaded) == repr(plain)
    for policy in (HeldOutMinimum(), Knee(), lambda table: 1):
        assert loaded.select(policy) == plain.select(policy)


def test_an_interrupted_run_stays_marked(tmp_path):
    KINDS["interrupted"]().save(tmp_path / "partial.npz")
    assert load(tmp_path / "partial.npz").table.complete is False


def test_constrained_fits_stay_marked(plain, tmp_path):
    replace(plain, table=replace(plain.table, constrained=True)).save(tmp_path / "constrained.npz")
    assert load(tmp_path / "constrained.npz").table.constrained is True


def test_saved_twice_is_saved_the_same(plain, tmp_path):
    plain.save(tmp_path / "one.npz")
    load(tmp_path / "one.npz").save(tmp_path / "two.npz")
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert_same(dict(two), dict(one))


def test_path_may_be_text_and_npz_is_added(plain, tmp_path):
    plain.save(f"{tmp_path}/estimate")
    assert load(f"{tmp_path}/estimate.npz").rank == load(f"{tmp_path}/estimate").rank == plain.rank
    plain.save(tmp_path / "fit.2026")
    assert load(tmp_path / "fit.2026").rank == plain.rank


def test_the_file_holds_neither_pickles_nor_the_data(plain, tmp_path):
    plain.save(tmp_path / "estimate.npz")
    with np.load(tmp_path / "estimate.npz", allow_pickle=False) as arrays:
        sizes = {name: arrays[name].size for name in arrays.files}
    assert max(sizes.values()) < X.size / 4


def test_saving_into_a_folder_that_is_not_there(plain, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        plain.save(tmp_path / "nowhere" / "estimate.npz")


def test_a_policy_may_answer_with_numpy_integers(tmp_path):
    def straight_from_the_table(table):
        one, two = table.ranks[1:3]
        return Choice(
            two, "as they are", (Alternative(one, "smaller"),), {one: np.float32(0.25), two: np.float64(0.75)}
        )

    estimate = estimate_rank(X, **QUICK, policy=straight_from_the_table)
    record = json.loads(estimate.to_json())
    assert (record["rank"], record["alternatives"]) == (2, [[1, "smaller"]])
    assert record["probabilities"] == {"1": 0.25, "2": 0.75}
    estimate.save(tmp_path / "estimate.npz")
    assert_same(load(tmp_path / "estimate.npz"), estimate)


# ------------------------------------------------------------------------------------------------- files of other kinds


def write(path, **record):
    np.savez(path, record=np.array(json.dumps(record)))


@pytest.mark.parametrize("name", ["missing.npz", "folder.npz"])
def test_a_file_that_is_not_there(name, tmp_path):
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ValueError, match="existing file") as refusal:
        load(tmp_path / name)
    assert str(refusal.value).startswith("the path of load must be an existing file written by RankEstimate.save. Got ")
    assert str(refusal.value).endswith(f"{name}.")


OTHER_FILES = {
    "another.npz": lambda path: np.savez(path, X=X),
    "array.npy": lambda path: np.save(path, X),
    "text.npz": lambda path: path.write_text("rank: 3\n", encoding="utf-8"),
    "empty.npz": lambda path: path.touch(),
    "pickled.npz": lambda path: np.savez(path, record=np.array({"format": "autoten estimate"}, dtype=object)),
    "list.npz": lambda path: np.savez(path, record=np.array(json.dumps(["format"]))),
    "no-json.npz": lambda path: np.savez(path, record=np.array("{")),
    "format.npz": lambda path: write(path, format="something else", version=1),
    "no-format.npz": lambda path: write(path, version=1),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_file_of_another_kind(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    OTHER_FILES[name](tmp_path / name)
    with pytest.raises(
        ValueError, match=rf"^the path of load must be a file written by RankEstimate\.save\. Got {name}\.$"
    ):
        load(name)


@pytest.mark.parametrize("dropped", ["version", "scores", "choice"])
def test_a_damaged_file(plain, tmp_path, dropped):
    plain.save(tmp_path / "whole.npz")
    with np.load(tmp_path / "whole.npz") as whole:
        arrays = dict(whole)
    record = json.loads(str(arrays["record"]))
    del record[dropped]
    np.savez(tmp_path / "damaged.npz", **{**arrays, "record": np.array(json.dumps(record))})
    with pytest.raises(ValueError, match=r"^the path of load must be a file written by RankEstimate\.save\."):
        load(tmp_path / "damaged.npz")


def test_a_file_from_a_later_version(tmp_path):
    write(tmp_path / "future.npz", format="autoten estimate", version=2)
    sentence = r"^the format version of a saved estimate must be at most 1\. Got 2\. Update autoten\.$"
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path / "future.npz")


# ------------------------------------------------------------------------------------------ pickle, deepcopy and joblib


def by_joblib(value, tmp_path):
    joblib.dump(value, tmp_path / "value.joblib")
    return joblib.load(tmp_path / "value.joblib")


COPIES = {
    "pickle": lambda value, tmp_path: pickle.loads(pickle.dumps(value)),
    "pickle protocol 2": lambda value, tmp_path: pickle.loads(pickle.dumps(value, protocol=2)),
    "deepcopy": lambda value, tmp_path: copy.deepcopy(value),
    "copy": lambda value, tmp_path: copy.copy(value),
    "joblib": by_joblib,
}


@pytest.fixture(params=COPIES)
def copied(request, tmp_path):
    return lambda value: COPIES[request.param](value, tmp_path)


def test_an_estimate_survives_copying(estimate, copied):
    twin = copied(estimate)
    assert isinstance(twin, RankEstimate)
    assert twin is not estimate
    assert_same(twin, estimate)


PARTS = {
    "table": RankTable([0, 2], {"heldout": [[1.0, 1.0], [inf, nan]]}, (4, 5, 6), complete=False, constrained=True),
    "model": CPModel(np.array([2.0, 1.0]), [np.ones((n, 2), dtype=np.float32) for n in (3, 4, 5)]),
    "empty model": CPModel(np.zeros(0), [np.zeros((n, 0)) for n in (3, 4, 5)]),
    "fit": fit_parafac(X, 2, n_starts=2, random_state=0),
    "choice": Choice(2, "two", (Alternative(3, "three"),), {2: 0.75, 3: 0.25}),
}


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_an_estimate_survive_copying(part, copied):
    assert_same(copied(PARTS[part]), PARTS[part])


def test_a_deep_copy_shares_no_memory(plain):
    twin = copy.deepcopy(plain)
    assert not any(
        np.shares_memory(mine, theirs)
        for rank in plain.models
        for mine, theirs in zip(plain.models[rank].factors, twin.models[rank].factors, strict=True)
    )


def test_the_comparison_of_these_tests_sees_one_bit(plain):
    twin = copy.deepcopy(plain)
    twin.table["heldout"][2, 1] = np.nextafter(twin.table["heldout"][2, 1], 2.0)
    with pytest.raises(AssertionError):
        assert_same(twin, plain)
    assert isinstance(PARTS["fit"], Fit)
