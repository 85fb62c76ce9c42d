"""Fits side by side on an array in chunks: they share its passes, and each is what it would be alone."""

import itertools

import numpy as np
import pytest
from contracts import draw_factors
from test_chunked import Counted

from autoten import ALS, Blocks, estimate_rank
from autoten.datasets import make_cp_tensor, white_noise
from autoten.door import as_tensor, streamed
from autoten.tensors.chunked import side_by_side

da = pytest.importorskip("dask.array")

SHAPE, CHUNKS = (16, 15, 14), (2, 5, 7)
X = make_cp_tensor(SHAPE, 2, noise=white_noise(5), random_state=0).X
FACTORS = draw_factors(SHAPE, 2)


def counted():
    """Return a tensor in chunks, surveyed, and the array of how often each cell has been read since."""
    source = Counted(X)
    array = da.from_array(source, chunks=CHUNKS, asarray=True, name=False, meta=np.empty((0,) * 3))
    tensor = streamed(array, largest_computed=0)
    source.reads[:] = 0
    return tensor, source.reads


def passes(tensor, number):
    """Return a function that makes so many passes."""
    return lambda: [tensor.mttkrp(FACTORS, n % 3) for n in range(number)]


def test_as_many_passes_as_the_longest_needs_and_the_same_bits():
    tensor, reads = counted()
    alone = [passes(tensor, number)() for number in (1, 4, 2)]
    assert (reads == 7).all()
    together = side_by_side([passes(tensor, number) for number in (1, 4, 2)])
    assert (reads == 7 + 4).all()
    for ours, wanted in zip(itertools.chain(*together), itertools.chain(*alone), strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_one_alone_or_none_needs_no_threads():
    tensor, reads = counted()
    assert len(side_by_side([passes(tensor, 2)])[0]) == 2
    assert (reads == 2).all()
    assert side_by_side([]) == []


def test_different_arrays_have_passes_of_their_own():
    (tensor, reads), (other, of_other) = counted(), counted()
    side_by_side([passes(tensor, 3), passes(other, 2), passes(tensor, 2)])
    assert (reads == 3).all()
    assert (of_other == 2).all()


def test_what_a_tensor_finds_once_may_be_asked_for_by_all_at_once():
    tensor, _ = counted()
    grams = side_by_side([lambda t=t: [t.gram(mode) for mode in range(3)] for t in (tensor, tensor)])
    for mode in range(3):
        np.testing.assert_allclose(grams[0][mode], as_tensor(X).gram(mode), atol=1e-9)
        np.testing.assert_array_equal(grams[1][mode], grams[0][mode])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_or_interrupt_in_one_ends_all(error):
    tensor, _ = counted()

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

    tensor, _ = counted()
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
    array = streamed(da.from_array(X, chunks=(8, 15, 14)), largest_computed=0)
    settings = {"ranks": [1, 2], "holdout": Blocks(), "n_starts": 3, "n_folds": 2, "random_state": 0}
    one, two = (estimate_rank(array, **settings, solver=ALS(max_iter=5), n_jobs=n_jobs) for n_jobs in (1, 2))
    for name in one.table.replicates:
        np.testing.assert_array_equal(one.table[name], two.table[name])
