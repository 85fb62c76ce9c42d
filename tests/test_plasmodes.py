"""Plasmodes: what is planted is what was promised, and the rest of the real tensor is as it was."""

import numpy as np
import plasmodes
import pytest
from cases import KEPT, smallest_congruence

from autoten import CPModel, fit_parafac
from autoten.door import as_tensor
from autoten.matching import Seen, congruences
from autoten.model import is_surely_unique


@pytest.fixture(params=["bread", "Pythia"])
def case(request, real_data):
    case = next(case for case in plasmodes.PLASMODES if case.family == request.param)
    real_data(plasmodes.BY_NAME[case.family].file)
    return case


def test_a_draw_is_the_rest_with_components_of_strengths_in_range(case):
    rest = plasmodes.rest_of(case.family)
    observed = ~np.isnan(rest.cells)
    for number in range(5):
        draw = case.draw("smoke", number)
        np.testing.assert_allclose(draw.X - draw.model.to_tensor(), rest.cells, atol=1e-9 * np.nanmax(np.abs(draw.X)))
        terms = [
            CPModel(draw.model.weights[[r]], tuple(f[:, [r]] for f in draw.model.factors)) for r in range(draw.rank)
        ]
        norms = np.array([np.linalg.norm(term.to_tensor()[observed]) for term in terms])
        least, most = plasmodes.STRENGTHS
        assert ((norms >= 0.999 * least * rest.strongest) & (norms <= 1.001 * most * rest.strongest)).all()
        assert draw.rank <= min(plasmodes.MOST_PLANTED, draw.ranks[-1] - 2)
        assert is_surely_unique(draw.X.shape, draw.rank)
        alike = congruences(draw.model, draw.model, Seen.of(as_tensor(draw.X)))
        assert (np.abs(np.triu(alike, 1)) <= plasmodes.MOST_ALIKE + 1e-9).all()


def test_the_strongest_term_of_the_rest_is_what_a_fit_of_one_component_finds(case):
    rest = plasmodes.rest_of(case.family)
    term = fit_parafac(rest.cells, 1, random_state=0).model.to_tensor()
    assert rest.strongest == pytest.approx(np.linalg.norm(term[~np.isnan(rest.cells)]), rel=1e-3)


def test_the_same_number_is_the_same_draw_and_splits_share_none(real_data):
    real_data("bread_sensory")
    both = (*plasmodes.PLASMODES, *plasmodes.PLASMODES_BY_BOTH)
    case, by_hals, by_als = (case for case in both if case.family == "bread")
    first = case.draw("reported", 3).X
    plasmodes.rest_of.cache_clear()
    np.testing.assert_array_equal(first, case.draw("reported", 3).X)
    assert not np.array_equal(first, case.draw("reported", 4).X, equal_nan=True)
    assert not np.array_equal(first, case.draw("development", 3).X, equal_nan=True)
    one, other = (case.draw("smoke", 1) for case in (by_hals, by_als))
    np.testing.assert_array_equal(one.X, other.X)
    assert (type(by_hals.solver).__name__, type(by_als.solver).__name__) == ("HALS", "ALS")
    assert all((factor >= 0).all() for factor in one.model.factors)


def test_components_are_found_in_any_order_or_one_is_lost():
    rng = np.random.default_rng(0)
    factors = tuple(rng.standard_normal((n, 3)) for n in (5, 6, 7))
    truth, turned, lost = (
        CPModel(np.ones(3), tuple(f[:, o] for f in factors)) for o in ([0, 1, 2], [2, 1, 0], [0, 1, 1])
    )
    assert smallest_congruence(truth, turned) >= KEPT > smallest_congruence(truth, lost)


def test_columns_that_depend_on_each_other_lower_the_rank_of_kruskal():
    columns = np.eye(4)[:, [0, 1, 2, 2]]
    assert [plasmodes._kruskal_rank(columns[:, :n]) for n in (3, 4)] == [3, 1]
    assert plasmodes._kruskal_rank(np.eye(4)[:, :3] @ np.array([[1, 0, 0, 0.6], [0, 1, 0, 0.8], [0, 0, 1, 0]])) == 2
