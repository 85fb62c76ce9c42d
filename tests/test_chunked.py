"""A dask array read in chunks: its operations, the same answer as in memory, shared passes, and how little memory."""

import itertools
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from contracts import TensorCase, TensorContract, assert_close, draw_factors

from autoten import ALS, Blocks, estimate_rank, fit_parafac, streamed
from autoten.datasets import make_cp_tensor, white_noise
from autoten.door import as_tensor
from autoten.model import empty_model
from autoten.solvers.subspaces import Subspaces
from autoten.tensors import chunked
from autoten.tensors.chunked import ChunkedTensor, side_by_side
from autoten.tensors.dense import DenseTensor

da = pytest.importorskip("dask.array")

CHECKOUT = Path(__file__).resolve().parents[1]
SHAPES = {(7, 6, 5): (3, 4, 2), (4, 5, 3, 4): (2, 2, 3, 4), (6, 5, 4): (6, 5, 4)}


class TestChunked(TensorContract):
    @pytest.fixture(params=list(product(SHAPES, ["f4", "f8"])), ids=str)
    def case(self, request):
        shape, dtype = request.param
        source = np.random.default_rng(0).standard_normal(shape).astype(dtype)
        return TensorCase(streamed(da.from_array(source, chunks=SHAPES[shape])), source.astype(float), source)

    # Single cells cannot be hidden, which the refusal below says.
    test_hiding_cells_leaves_the_tensor_itself_alone_and_may_be_done_twice = None
    test_pieces_tell_it_from_a_tensor_with_one_cell_less = None
    test_nothing_changes_the_array_it_was_made_of = None

    # It is not for losses that ask for a list of nonzero cells.
    test_nonzero_cells_may_be_given_other_values = None

    def test_total(self, case):
        for asked in (lambda: case.tensor.total, lambda: case.tensor.nonzero, lambda: case.tensor.with_values([])):
            with pytest.raises(ValueError, match=r"read in chunks must be one of least squares\. Got one of counts\."):
                asked()

    def test_it_is_read_in_chunks(self, case):
        assert isinstance(case.tensor, ChunkedTensor)
        assert as_tensor(case.tensor) is case.tensor

    def test_pieces_are_all_cells(self, case):
        pieces = list(case.tensor.pieces())
        assert sum(piece.size for piece in pieces) == case.X.size
        assert sorted(np.concatenate([piece.ravel() for piece in pieces])) == sorted(case.source.ravel())


# ------------------------------------------------------------------------------------------------------ what is read


class Counted:
    """An array that counts how often each of its cells is read."""

    def __init__(self, X):
        self.X, self.reads = X, np.zeros(X.shape, dtype=int)
        self.shape, self.dtype, self.ndim = X.shape, X.dtype, X.ndim

    def __getitem__(self, index):
        self.reads[index] += 1
        return self.X[index]


def counted(X, chunks):
    """Return an array, or one drawn of this shape, how often its cells are read, and the dask array that reads them."""
    X = make_cp_tensor(X, 2, noise=white_noise(20), random_state=0).X if isinstance(X, tuple) else X
    source = Counted(X)
    return X, source, da.from_array(source, chunks=chunks, asarray=True, name=False, meta=np.empty((0,) * 3))


def test_checking_and_compressing_takes_two_passes(monkeypatch):
    monkeypatch.setattr(chunked, "KEPT_SHARE", 1 / 7)  # what large arrays have room for
    X, source, array = counted((90, 70, 75), (10, 35, 15))
    tensor = streamed(array)
    assert (source.reads == 1).all()
    subspaces, in_memory = Subspaces(tensor), Subspaces(as_tensor(X))
    core = subspaces.core(2, empty_model(X.shape))
    assert source.reads.max() == 2
    expected = in_memory.core(2, empty_model(X.shape))
    assert_close(core.core.norm_squared, expected.core.norm_squared, 1e-9)
    for basis, other in zip(subspaces.bases(2), in_memory.bases(2), strict=True):
        np.testing.assert_allclose(np.abs((basis * other).sum(axis=0))[:2], 1, rtol=1e-9)


def test_a_projection_that_was_not_kept_takes_one_pass_more():
    X, source, array = counted((32, 28, 26), (4, 7, 13))
    tensor = streamed(array)
    grams = [tensor.gram(mode) for mode in range(3)]
    assert source.reads.max() == 2
    matrices = draw_factors(X.shape, 2)
    assert_close(tensor.project(matrices), as_tensor(X).project(matrices), 1e-9)
    assert source.reads.max() == 3
    for mode, gram in enumerate(grams):
        assert_close(gram, as_tensor(X).gram(mode), 1e-9)


@pytest.mark.parametrize("chunks", [(30, 28, 1), (1, 28, 26), (30, 28, 26)], ids=str)
def test_chunks_of_any_form_give_the_same(chunks):
    X, _, array = counted((30, 28, 26), chunks)
    tensor, dense = streamed(array), as_tensor(X)
    for mode in range(3):
        assert_close(tensor.gram(mode), dense.gram(mode), 1e-9)
    assert all(np.prod([max(c) for c in tensor._whole_in(modes)]) <= X.size / 8 for modes in ([0], [1, 2], [0, 2]))


# --------------------------------------------------------------------------------------------------- the same answer

X = make_cp_tensor((24, 20, 22), 2, noise=white_noise(20), random_state=0).X
QUICK = {"ranks": range(1, 4), "n_starts": 3, "n_folds": 2, "random_state": 0, "holdout": Blocks()}
QUICK["solver"] = ALS(max_iter=60)

# Which of several starts with the same loss is refined, rounding decides; an array read in chunks has no halves.
OF_SINGLE_STARTS = {"core_consistency_starts", "stability_starts", "loss_starts"}
NOT_COMPARED = OF_SINGLE_STARTS | {"stability_halves", "stability_halves_splits"}


@pytest.fixture(scope="module")
def in_memory():
    return estimate_rank(X, **QUICK)


def assert_same_scores(there, here):
    assert there.rank == here.rank
    sound = slice(None, 3)  # past the true rank fits may be degenerate
    for table in (there.table, here.table):
        assert set(table.replicates) > OF_SINGLE_STARTS
    for name in set(here.table.replicates) - NOT_COMPARED:
        column = here.table[name]
        np.testing.assert_allclose(there.table[name][sound], column[sound], rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("largest", [0, X.nbytes // 7], ids=["all in chunks", "folds in memory"])
def test_the_answer_is_that_of_the_array_in_memory(in_memory, largest):
    there = estimate_rank(streamed(da.from_array(X, chunks=(12, 10, 22)), largest_computed=largest), **QUICK)
    assert_same_scores(there, in_memory)
    assert there.settings["shape"] == list(X.shape)


def test_numbers_out_of_range_are_scaled():
    tensor = streamed(da.from_array(1e200 * X, chunks=12))
    assert tensor.scale > 1e199
    model = fit_parafac(tensor, 1, n_starts=2, random_state=0).model
    expected = fit_parafac(1e200 * X, 1, n_starts=2, random_state=0).model
    np.testing.assert_allclose(model.weights, expected.weights, rtol=1e-6)


def test_a_small_dask_array_is_computed():
    holed = np.where(2 * X.std() < X, np.nan, X)
    tensor = as_tensor(da.from_array(holed, chunks=12))
    np.testing.assert_array_equal(tensor.hidden, np.flatnonzero(np.isnan(holed)))
    assert isinstance(as_tensor(da.from_array(X, chunks=12)), DenseTensor)


def test_whole_numbers_become_float64_and_halves_float32():
    assert streamed(da.ones((4, 4, 4), dtype=int, chunks=2)).array.dtype == np.float64
    assert streamed(da.ones((4, 4, 4), dtype="f2", chunks=2)).array.dtype == np.float32


def test_on_a_cluster_the_operations_run_there():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    array, dense = da.from_array(X, chunks=(12, 10, 22)), as_tensor(X)
    alone = streamed(array)
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
        tensor = streamed(array)
        factors = draw_factors(X.shape, 2)
        for mode in range(3):
            np.testing.assert_array_equal(tensor.mttkrp(factors, mode), alone.mttkrp(factors, mode))
            assert_close(tensor.gram(mode), dense.gram(mode), 1e-9)
        assert_close(tensor.squared_error(factors), dense.squared_error(factors), 1e-9)


# ------------------------------------------------------------------------------------------------- shared passes

SHARED = make_cp_tensor((16, 15, 14), 2, noise=white_noise(5), random_state=0).X
FACTORS = draw_factors(SHARED.shape, 2)


def surveyed():
    """Return a tensor in chunks, surveyed, and the array of how often each cell has been read since."""
    _, source, array = counted(SHARED, (2, 5, 7))
    tensor = streamed(array, largest_computed=0)
    source.reads[:] = 0
    return tensor, source.reads


def passes(tensor, number):
    """Return a function that makes so many passes."""
    return lambda: [tensor.mttkrp(FACTORS, n % 3) for n in range(number)]


def test_as_many_passes_as_the_longest_needs_and_the_same_bits():
    tensor, reads = surveyed()
    alone = [passes(tensor, number)() for number in (1, 4, 2)]
    assert (reads == 7).all()
    together = side_by_side([passes(tensor, number) for number in (1, 4, 2)])
    assert (reads == 7 + 4).all()
    for ours, wanted in zip(itertools.chain(*together), itertools.chain(*alone), strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_one_alone_or_none_needs_no_threads():
    tensor, reads = surveyed()
    assert len(side_by_side([passes(tensor, 2)])[0]) == 2
    assert (reads == 2).all()
    assert side_by_side([]) == []


def test_different_arrays_have_passes_of_their_own():
    (tensor, reads), (other, of_other) = surveyed(), surveyed()
    side_by_side([passes(tensor, 3), passes(other, 2), passes(tensor, 2)])
    assert (reads == 3).all()
    assert (of_other == 2).all()


def test_what_a_tensor_finds_once_may_be_asked_for_by_all_at_once():
    tensor, _ = surveyed()
    grams = side_by_side([lambda t=t: [t.gram(mode) for mode in range(3)] for t in (tensor, tensor)])
    for mode in range(3):
        np.testing.assert_allclose(grams[0][mode], as_tensor(SHARED).gram(mode), atol=1e-9)
        np.testing.assert_array_equal(grams[1][mode], grams[0][mode])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_or_interrupt_in_one_ends_all(error):
    tensor, _ = surveyed()

    def broken():
        tensor.mttkrp(FACTORS, 0)
        raise error("broken")

    def endless():
        while True:
            tensor.mttkrp(FACTORS, 0)

    with pytest.raises(error, match="broken"):
        side_by_side([broken, endless, endless])


def test_a_chunk_that_cannot_be_read_is_an_error_of_all_that_wait_for_it():
    def unreadable(block):
        raise OSError("no such chunk")

    tensor, _ = surveyed()
    tensor.array = tensor.array.map_blocks(unreadable, dtype=float)
    caught = []

    def told():
        try:
            tensor.mttkrp(FACTORS, 0)
        except OSError as error:
            caught.append(str(error))

    side_by_side([told, told])
    assert caught == ["no such chunk"] * 2


def test_several_workers_give_the_same_bits_as_one():
    array = streamed(da.from_array(SHARED, chunks=(8, 15, 14)), largest_computed=0)
    settings = {"ranks": [1, 2], "holdout": Blocks(), "n_starts": 3, "n_folds": 2, "random_state": 0}
    one, two = (estimate_rank(array, **settings, solver=ALS(max_iter=5), n_jobs=n_jobs) for n_jobs in (1, 2))
    for name in one.table.replicates:
        np.testing.assert_array_equal(one.table[name], two.table[name])


# ------------------------------------------------------------------------------------------------------------- memory

PROGRAM = """
from pathlib import Path
import numpy as np
import dask.array as da
import autoten

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

def lazy(side, chunk):
    factors = [np.random.default_rng(n).standard_normal((side, 2)) for n in range(3)]
    noise = 0.1 * np.random.default_rng(3).standard_normal((chunk // 2, chunk, chunk))
    def block(block_info=None):
        a, b, c = (f[slice(*place)] for f, place in zip(factors, block_info[None]["array-location"]))
        return (a[:, None] * b @ c.T) + noise
    chunks = [(length,) * (side // length) for length in noise.shape]
    return da.map_blocks(block, chunks=chunks, dtype=float, meta=np.empty((0, 0, 0)))

def run(X, ranks):
    return autoten.estimate_rank(X, ranks, solver=autoten.ALS(max_iter=2), holdout=autoten.Blocks(), n_starts=2,
                                 n_folds=2, random_state=0)

run(autoten.streamed(lazy(24, 12)), [1, 2])
X = lazy(256, 64)
Path("/proc/self/clear_refs").write_text("5")  # the peak is what is resident now
before = memory("VmRSS")
answer = run(autoten.streamed(X), [1, 2])
print((memory("VmHWM") - before) / X.nbytes, answer.rank)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_is_a_quarter_of_the_array_at_most():
    command = [sys.executable, "-c", PROGRAM]
    # glibc keeps up to 64 MB of what is freed, half of this small X; told so, it gives blocks back at once.
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "MALLOC_MMAP_THRESHOLD_": str(2**18)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    share, rank = done.stdout.split()
    assert float(share) <= 0.25
    assert int(rank) == 2
