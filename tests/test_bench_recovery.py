"""The recovery suite: its cases are what they say, and its statistics are right on toys."""

import bench_recovery
import calibrate
import cases
import draws
import numpy as np
import pandas as pd
import pytest
import recipes
from bench_recovery import FUSION, OURS

from autoten import CPModel
from autoten.selection import calibrated
from autoten.table import RankTable

NAN = np.nan


def test_cases_draw_what_they_say():
    assert len(cases.BY_NAME) == len(cases.CASES) >= 59
    assert len({case.family for case in cases.CASES}) == 15
    for case in cases.CASES:
        draw = case.draw("smoke", 0)
        assert case.sizes or (draw.X.shape, draw.rank) == (case.shape, case.rank)
        assert 0 < draw.ranks[0] <= draw.rank + 1 <= draw.ranks[-1]
        if [effect.name for effect in case.effects] == ["White"] and case.rank:
            assert draw.snr_db == pytest.approx(case.effects[0].numbers["snr_db"])


def test_the_same_number_is_the_same_tensor_and_splits_share_none():
    case = cases.BY_NAME["P8 R3 30 dB"]
    first = case.draw("reported", 3).X
    assert np.array_equal(first, case.draw("reported", 3).X)
    assert not np.array_equal(first, case.draw("reported", 4).X)
    assert not np.array_equal(first, case.draw("development", 3).X)


def test_candidates_go_by_size_and_not_by_the_truth():
    for name, largest in {"P8 R3 30 dB": 12, "20 R4 0 dB": 16, "P5 R6 0 dB": 24}.items():
        assert cases.BY_NAME[name].draw("smoke", 0).ranks[-1] == largest


def test_effects_have_the_size_they_name():
    model = cases.BY_NAME["scatter 5 % R3"].draw("smoke", 0).model
    X, rng = model.to_tensor(), np.random.default_rng(0)
    twentieth = 20 * np.log10(20)
    effects = (cases.Scatter(0.05), cases.Interactions(0.05), cases.Structured(0.05), cases.HeavyTailed(twentieth))
    shares = [np.linalg.norm(effect(X, model, rng) - X) / np.linalg.norm(X) for effect in effects]
    np.testing.assert_allclose(shares, 0.05)
    assert cases.InnerFilter(0.05)(X, model, rng).max() <= X.max() * 0.951
    assert len(np.unique(cases.Rounded(12)(X, model, rng))) <= 12
    holes = np.isnan(cases.MissingFibres(0.25)(X, model, rng))
    assert holes.mean() == pytest.approx(0.25, abs=0.01)
    assert set(holes.mean(axis=-1).ravel()) == {0.0, 1.0}
    assert str(effects[3]) == "HeavyTailed(snr_db=26.0206, freedom=3)"


def test_a_lost_component_is_not_identifiable():
    model = cases.BY_NAME["20 R4 -8 dB"].draw("smoke", 0).model
    noise = np.random.default_rng(0).standard_normal(model.shape)
    assert cases.Draw(model.to_tensor() + 1e-3 * noise, model, 60.0).identifiable
    assert not cases.Draw(model.to_tensor() + 100 * noise, model, -40.0).identifiable


@pytest.mark.parametrize("recipe", recipes.RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_is_always_the_same_and_suits_its_solver(recipe):
    for number in range(5):
        first, again = (recipe.draw("development", number) for _ in range(2))
        assert np.array_equal(first.X, again.X, equal_nan=True)
        assert first.rank + 1 <= first.ranks[-1]
        observed = first.X[~np.isnan(first.X)]
        if recipe.kind == "counts":
            assert (observed == np.round(observed)).all()
            assert observed.min() >= 0
        elif recipe.kind == "nonnegative":
            assert all((factor >= 0).all() for factor in first.model.factors)


def test_noise_and_misfit_have_the_sizes_that_were_drawn():
    rng, model = np.random.default_rng(0), CPModel(np.array([3.0, 1.0]), tuple(np.eye(n)[:, :2] for n in (5, 6, 7)))
    assert recipes.own_norm(model) == pytest.approx(1.0)
    alike = CPModel(np.ones(2), (np.array([[1.0, 0.6], [0.0, 0.8]]),) * 3)
    assert recipes.own_norm(alike) == pytest.approx(np.sqrt(1 - 0.6**6))
    X = model.to_tensor()
    for effect in (cases.White(3.0), cases.InnerFilter(0.1), recipes.OwnLoadings(0.2), recipes.Outliers(0.1, 5.0)):
        assert np.linalg.norm(recipes.OfNorm(effect, 0.25)(X, model, rng) - X) == pytest.approx(0.25)


def test_a_table_comes_back_as_it_was_stored():
    table = RankTable([0, 1], {"heldout": [[1.0, 1.0], [0.25, np.nan]], "loss_starts": [[1.0], [0.5]]}, (3, 4, 5))
    again = draws.restored(draws.stored(table))
    np.testing.assert_array_equal(again["heldout"], table["heldout"])
    assert again.shape == table.shape
    assert "loss_starts" not in again  # no rule reads it


def test_packed_draws_are_loaded_and_not_measured_again(tmp_path, monkeypatch):
    case = cases.BY_NAME["3 x 15 x 15 R5"]
    monkeypatch.setattr(cases.Draw, "ranks", property(lambda draw: range(1, 3)))
    draws.run("smoke", [case], 1, root=tmp_path)
    draws.pack("smoke", tmp_path)
    (tmp_path / "draws" / "smoke.jsonl").unlink()
    (row,) = draws.load("smoke", tmp_path)
    assert (row["case"], row["number"], row["rank"]) == (case.name, 0, 5)
    assert row["table"].ranks.tolist() == [0, 1, 2]
    draws.run("smoke", [case], 1, root=tmp_path)
    assert not (tmp_path / "draws" / "smoke.jsonl").read_text()


def seen_of(rank, evidence):
    return calibrate.Seen({"case": "P8 R3 30 dB", "rank": rank, "identifiable": True}, evidence)


def test_maximum_likelihood_finds_the_coefficients_that_made_the_draws():
    rng, truth, seen = np.random.default_rng(0), {"intercept": -0.5, "contrast": 1.5}, []
    for _ in range(3000):
        evidence = {"intercept": np.ones(5), "contrast": rng.uniform(-2, 2, 5)}
        shares = calibrated.probabilities(sum(weight * evidence[name] for name, weight in truth.items()))
        seen.append(seen_of(int(rng.choice(6, p=shares)), evidence))
    found = calibrate.fitted(seen, tuple(truth))
    assert found == {name: pytest.approx(value, abs=0.1) for name, value in truth.items()}


def test_evidence_never_counts_against_what_it_speaks_for():
    evidence = {"intercept": np.ones(2), "contrast": np.array([-1.0, 1.0])}  # points away from the truth
    assert calibrate.fitted([seen_of(1, evidence)] * 5, ("intercept", "contrast"))["contrast"] == 0.0


def test_honest_probabilities_have_no_calibration_error():
    honest = bench_recovery.honesty("toys", [np.array([0.2, 0.8])] * 10, [1] * 8 + [0] * 2)
    assert honest["Brier score"] == pytest.approx(0.16)
    assert honest["log score"] == pytest.approx(0.8 * np.log(0.8) + 0.2 * np.log(0.2))
    boastful = bench_recovery.honesty("toys", [np.array([0.0, 1.0])] * 10, [1] * 5 + [0] * 5)
    assert boastful["calibration error"] >= 0.5
    assert (boastful["stated 90 % and more"], boastful["right of those"]) == (1.0, 0.5)


def test_rates_count_where_a_rule_applies_and_name_rivals_that_did_better():
    rows = [{"case": "P8 R3 30 dB", "rank": 3, "identifiable": n < 2, "answers": {}, "seconds": 1.0} for n in range(3)]
    answers = pd.DataFrame({OURS: [3.0, 2.0, 3.0], FUSION: [2.0, NAN, 3.0], "rival": [NAN, 3.0, 4.0]})
    ours, rival, _ = bench_recovery.overall(rows, answers)
    assert [ours[name] for name in ("exact", "of", "of all draws", "mean error")] == [0.5, 2, 2 / 3, -0.5]
    assert (rival["exact"], rival["of"], rival["of all draws"]) == (1.0, 1, 0.5)
    (row,) = bench_recovery.grouped(rows, answers, "case", lambda row: row["case"])
    assert (row["identifiable"], row["autoten"], row["rivals that did better"]) == ("2 of 3", 0.5, "rival 1")


def test_families_of_real_tensors_count_alike(monkeypatch):
    of = {"amino acids": 3.0, "amino acids 0, 1": 3.0, "DOSY": 3.0}  # a family of two, one of them answered wrong
    monkeypatch.setattr(draws, "load", lambda split: [{"case": name} for name in of])
    monkeypatch.setattr(bench_recovery, "choice_of", lambda row: calibrated.Choice(3, "", (), {3: 0.5, 2: 0.25}))
    answers = pd.DataFrame({OURS: list(of.values()), "rival": [NAN, 2.0, NAN]})
    monkeypatch.setattr(bench_recovery, "answers_of", lambda rows: answers)
    *tensors, last = bench_recovery.real_tensors("laboratory")
    assert [(row["stated"], row["rival"]) for row in tensors] == [(0.5, "–"), (0.25, "2"), (0.5, "–")]
    assert (last[OURS], last["rival"]) == (0.75, 0.25)
