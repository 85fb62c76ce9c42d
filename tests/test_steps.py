"""CenterAcross and ScaleWithin do to new samples what was done to the training samples."""

import pickle

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from autoten import CP, AutoTen, CenterAcross, ScaleWithin, masked
from autoten._errors import AutotenWarning
from autoten.datasets import make_cp_tensor, white_noise
from autoten.preprocess import center, scale

SHAPE = (7, 5, 6)
PAIRS = pytest.mark.parametrize(("step", "function"), [(CenterAcross, center), (ScaleWithin, scale)])
some_modes = st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True)


def draw(seed=0, holes=0.0, shape=SHAPE):
    rng = np.random.default_rng(seed)
    X = 3 + rng.standard_normal(shape) * rng.uniform(0.1, 10, (*shape[1:2], 1))
    return np.where(rng.random(shape) < holes, np.nan, X)


def same(one, other, tolerance=1e-12):
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.nanmax(np.abs(other)))


# ------------------------------------------------------------------------------------------------- the training samples


@PAIRS
@given(seed=st.integers(0, 1000), modes=some_modes, holes=st.sampled_from([0.0, 0.3]))
def test_training_samples_become_what_the_function_makes_of_them(step, function, seed, modes, holes):
    X = draw(seed, holes)
    fitted, wanted = step(modes).fit(X), function(X, modes)
    assert fitted.transform(X).steps == wanted.steps
    swept = len(modes) > 1 and (holes or step is ScaleWithin)
    same(fitted.transform(X).X, wanted.X, 1e-8 if swept else 1e-12)
    np.testing.assert_array_equal(step(modes).fit_transform(X).X, fitted.transform(X).X)


@PAIRS
@pytest.mark.parametrize("modes", [[0, 1], [1, 0], [0, 1, 2], 2])
def test_new_samples_do_not_depend_on_their_company(step, function, modes):
    X, new = draw(0, 0.2), draw(1, 0.2)
    fitted = step(modes).fit(X)
    together = fitted.transform(new).X
    for n in range(len(new)):
        same(fitted.transform(new[n : n + 1]).X, together[n : n + 1], 1e-8)
    both = fitted.transform(np.concatenate([X, new])).X
    same(both[: len(X)], function(X, modes).X, 1e-8)


# ------------------------------------------------------------------------------------------------------ the new samples


def test_new_samples_lose_the_means_of_the_training_samples_and_their_own():
    X, new = draw(0, 0.3), draw(1, 0.3)
    means = np.nanmean(X, axis=0)
    same(CenterAcross(0).fit(X).transform(new).X, new - means)
    same(CenterAcross(1).fit(X).transform(new).X, new - np.nanmean(new, axis=1, keepdims=True))
    assert CenterAcross(1).fit(X).learned_ == {}
    X, new = draw(0), draw(1)
    moved = new - X.mean(axis=0)
    same(CenterAcross([0, 2]).fit(X).transform(new).X, moved - moved.mean(axis=2, keepdims=True))


def test_new_samples_are_divided_by_the_scales_of_the_training_samples_and_by_their_own():
    X, new = draw(0, 0.3), draw(1, 0.3)
    roots = np.sqrt(np.nanmean(X**2, axis=(0, 2), keepdims=True))
    same(ScaleWithin(1).fit(X).transform(new).X, new / roots)
    own = np.sqrt(np.nanmean(new**2, axis=(1, 2), keepdims=True))
    same(ScaleWithin(0).fit(X).transform(new).X, new / own)
    both = ScaleWithin([0, 1]).fit(X)
    assert list(both.learned_) == [1]
    np.testing.assert_allclose(np.nanmean(both.transform(new).X ** 2, axis=(1, 2)), 1)


def test_of_cells_that_no_training_sample_had_nothing_is_known():
    X, new = draw(0), draw(1)
    X[:, 2, 3] = np.nan
    fitted = CenterAcross(0).fit(X)
    centred = fitted.transform(new).X
    assert np.isnan(centred[:, 2, 3]).all()
    assert np.isnan(centred).sum() == len(new)
    assert np.isnan(CenterAcross([0, 1]).fit(X).transform(new).X).sum() == len(new)
    assert np.ma.getmaskarray(fitted.transform(masked(new, new < 3)).X)[:, 2, 3].all()


def test_a_slab_that_was_zero_stays_as_it_is_and_counts_for_nothing():
    X, new = draw(0), draw(1)
    X[:, 2] = 0
    with pytest.warns(AutotenWarning, match=r"1 slab\(s\) of mode 1 are zero"):
        fitted = ScaleWithin([0, 1]).fit(X)
    with pytest.warns(AutotenWarning, match=r"1 slab\(s\) of mode 1 are zero"):
        wanted = scale(X, [0, 1]).X
    same(fitted.transform(X).X, wanted, 1e-8)
    scaled = fitted.transform(new).X
    np.testing.assert_allclose(np.mean(np.delete(scaled, 2, axis=1) ** 2, axis=(1, 2)), 1)
    alone = ScaleWithin(1)
    with pytest.warns(AutotenWarning, match="slab"):
        alone.fit(X)
    np.testing.assert_array_equal(alone.transform(new).X[:, 2], new[:, 2])
    same(alone.inverse_transform(alone.transform(new)), new)


# ----------------------------------------------------------------------------------------------------------- and back


@pytest.mark.parametrize("step", [CenterAcross(0), ScaleWithin(1), ScaleWithin([2, 1])])
def test_what_was_learned_is_undone(step):
    X, new = draw(0, 0.2), draw(1, 0.2)
    fitted = clone(step).fit(X)
    back = fitted.inverse_transform(fitted.transform(new))
    assert isinstance(back, np.ndarray)
    same(back, new)
    same(fitted.inverse_transform(fitted.transform(masked(new, new < 3))), np.where(new < 3, new, np.nan))
    twin = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(twin.transform(new).X, fitted.transform(new).X)


# ------------------------------------------------------------------------------------------------------ whatever X is


@PAIRS
def test_labels_are_kept_and_name_the_modes(step, function):
    X = xr.DataArray(draw(), dims=("sample", "time", "place"), coords={"sample": list("abcdefg")})
    fitted = step("time").fit(X)
    assert fitted.modes_ == (1,)
    for form in (X, X.to_series()):
        prepared = fitted.transform(form)
        assert prepared.labels.names == ("sample", "time", "place")
        assert prepared.labels.indices[0].tolist() == list("abcdefg")
    same(fitted.transform(X.values).X, function(X, "time").X)
    for dtype in (np.float32, np.int64):
        few = X.values.astype(dtype)
        assert step(1).fit(few).transform(few).X.dtype == function(few, 1).X.dtype


def test_what_was_done_is_told_by_the_estimate_behind_it():
    X = make_cp_tensor((12, 5, 6), 1, noise=white_noise(10), random_state=0).X + 50
    pipeline = make_pipeline(CenterAcross(0), ScaleWithin(1), AutoTen([1], n_starts=2, n_folds=2, random_state=0)).fit(
        X
    )
    assert "preprocessing: centred across mode 0, scaled within mode 1" in pipeline[-1].estimate_.report()
    back = pipeline.inverse_transform(pipeline.transform(X))
    assert np.square(back - X).mean() < 0.2 * np.square(X - X.mean()).mean()


def test_a_pipeline_predicts_a_property_and_its_rank_can_be_searched():
    draw_of_two = make_cp_tensor((30, 7, 8), 2, noise=white_noise(2), random_state=0)
    X = draw_of_two.X + 100 * np.random.default_rng(0).standard_normal((7, 8))  # an offset of full rank
    y = draw_of_two.model.factors[0] @ [1.0, -2.0]
    folds = KFold(3, shuffle=True, random_state=0)
    model = (CP(2, n_starts=2, random_state=0), Ridge(alpha=1e-6))
    assert cross_val_score(make_pipeline(CenterAcross(0), *model), X, y, cv=folds).mean() > 0.9
    assert cross_val_score(make_pipeline(*model), X, y, cv=folds).mean() < 0.7
    search = GridSearchCV(make_pipeline(CenterAcross(0), *model), {"cp__rank": [1, 2]}, cv=folds).fit(X, y)
    assert search.best_params_ == {"cp__rank": 2}
