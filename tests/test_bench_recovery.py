"""The recovery suite: its cases are what they say, and its statistics are right on toys."""

import bench_recovery
import calibrate
import cases
import draws
import numpy as np
import pytest
import recipes

from autoten.selection import calibrated
from autoten.table import RankTable

EVERY = [pytest.param(case, id=case.name) for case in cases.CASES]


# ---------------------------------------------------------------------------------------------------------------- cases


def test_there_are_enough_cases_and_every_family_that_was_asked_for():
    assert len(cases.ORDINARY) >= 30
    assert len({case.name for case in cases.CASES}) == len(cases.CASES)
    assert {case.family for case in cases.CASES} == {
        *(
            "i.i.d. noise",
            "low SNR",
            "structured noise",
            "non-trilinear remnant",
            "instrument-like misfit",
            "collinear",
        ),
        *("unequal strengths", "rank above a dimension", "missing", "nonnegative smooth", "counts"),
        *("heavy-tailed or uneven noise", "four modes", "rank 1", "pure noise"),
    }


@pytest.mark.parametrize("case", EVERY)
def test_a_case_draws_what_it_says(case):
    draw = case.draw("smoke", 0)
    if case.sizes is None:
        assert draw.X.shape == case.shape
        assert draw.rank == case.rank
    assert draw.ranks[0] == 1
    assert draw.rank < draw.ranks[-1]
    white = [effect.snr_db for effect in case.effects if isinstance(effect, cases.White)]
    if white and len(case.effects) == 1 and case.rank:
        assert draw.snr_db == pytest.approx(white[0])


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
    share = {
        type(e): np.linalg.norm(e(X, model, rng) - X) / np.linalg.norm(X)
        for e in (
            cases.Scatter(0.05),
            cases.Interactions(0.05),
            cases.Structured(0.05),
            cases.HeavyTailed(20 * np.log10(20)),
        )
    }
    np.testing.assert_allclose(list(share.values()), 0.05)
    assert cases.InnerFilter(0.05)(X, model, rng).max() <= X.max() * 0.951
    assert np.isnan(cases.MissingFibres(0.25)(X, model, rng)).mean() == pytest.approx(0.25, abs=0.01)
    assert len(np.unique(cases.Rounded(12)(X, model, rng))) <= 12


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
    rng = np.random.default_rng(0)
    model = cases.CPModel(np.array([3.0, 1.0]), tuple(np.eye(n)[:, :2] for n in (5, 6, 7)))
    assert recipes.own_norm(model) == pytest.approx(1.0)
    alike = cases.CPModel(np.ones(2), tuple(np.array([[1.0, 0.6], [0.0, 0.8]]) for _ in range(3)))
    assert recipes.own_norm(alike) == pytest.approx(np.sqrt(1 - 0.6**6))
    X = model.to_tensor()
    for effect in (cases.White(3.0), cases.InnerFilter(0.1), recipes.OwnLoadings(0.2), recipes.Outliers(0.1, 5.0)):
        assert np.linalg.norm(recipes.OfNorm(effect, 0.25)(X, model, rng) - X) == pytest.approx(0.25)


# ---------------------------------------------------------------------------------------------------------------- draws


def test_a_table_comes_back_as_it_was_stored():
    table = RankTable([0, 1], {"heldout": [[1.0, 1.0], [0.25, np.nan]], "loss_starts": [[1.0], [0.5]]}, (3, 4, 5))
    again = draws.restored(draws.stored(table))
    np.testing.assert_array_equal(again["heldout"], table["heldout"])
    assert again.shape == table.shape
    assert "loss_starts" not in again  # no rule reads it


def test_packed_draws_are_loaded_and_not_measured_again(tmp_path, monkeypatch):
    case = cases.BY_NAME["3 x 15 x 15 R5"]
    monkeypatch.setattr(cases.Draw, "ranks", property(lambda draw: range(1, 3)))
    draws.run("smoke", [case], 1, with_rivals=False, n_jobs=1, root=tmp_path)
    draws.pack("smoke", tmp_path)
    (tmp_path / "draws" / "smoke.jsonl").unlink()
    (row,) = draws.load("smoke", tmp_path)
    assert (row["case"], row["number"], row["rank"]) == (case.name, 0, 5)
    assert row["table"].ranks.tolist() == [0, 1, 2]
    draws.run("smoke", [case], 1, with_rivals=False, n_jobs=1, root=tmp_path)
    assert not (tmp_path / "draws" / "smoke.jsonl").read_text()


def test_a_case_is_cheap_by_the_mean_of_its_first_draws(monkeypatch):
    taken = [("quick", 1.0)] * draws.N_DRAWS + [("quick", 1e3)] + [("slow", 4.0), ("slow", 7.0)]
    monkeypatch.setattr(draws, "_lines", lambda split: [{"case": case, "seconds": seconds} for case, seconds in taken])
    assert draws.cheap("smoke") == {"quick"}


# ----------------------------------------------------------------------------------------------------------- statistics


def test_maximum_likelihood_finds_the_coefficients_that_made_the_draws():
    rng = np.random.default_rng(0)
    truth = {"intercept": -0.5, "contrast": 1.5}
    seen = []
    for _ in range(3000):
        evidence = {"intercept": np.ones(5), "contrast": rng.uniform(-2, 2, 5)}
        shares = calibrated.probabilities(sum(weight * evidence[name] for name, weight in truth.items()))
        row = {"case": "P8 R3 30 dB", "rank": int(rng.choice(6, p=shares)), "identifiable": True}
        seen.append(calibrate.Seen(row, evidence))
    found = calibrate.fitted(seen, tuple(truth))
    assert found == {name: pytest.approx(value, abs=0.1) for name, value in truth.items()}


def test_evidence_never_counts_against_what_it_speaks_for():
    evidence = {"intercept": np.ones(2), "contrast": np.array([-1.0, 1.0])}  # points away from the truth
    seen = [calibrate.Seen({"case": "P8 R3 30 dB", "rank": 1, "identifiable": True}, evidence)] * 5
    assert calibrate.fitted(seen, ("intercept", "contrast"))["contrast"] == 0.0


def test_honest_probabilities_have_no_calibration_error():
    shares = [np.array([0.2, 0.8])] * 10
    honest = bench_recovery.calibration(shares, [1] * 8 + [0] * 2)
    assert honest["brier"] == pytest.approx(0.16)
    assert honest["log_score"] == pytest.approx(0.8 * np.log(0.8) + 0.2 * np.log(0.2))
    boastful = bench_recovery.calibration([np.array([0.0, 1.0])] * 10, [1] * 5 + [0] * 5)
    assert boastful["error"] >= 0.5
    assert boastful["sure"] == [1.0, 0.5]


def judged(case, rank, ours, theirs, table=None):
    row = {"case": case, "number": 0, "rank": rank, "identifiable": True, "table": table, "answers": {}}
    draw = bench_recovery.Judged(row)
    draw.__dict__["answers"] = {bench_recovery.OURS: ours, "rival": theirs}
    return draw


def test_a_rival_that_is_right_where_we_are_not_is_named_with_its_exact_test():
    draws_of_one = [judged("P8 R3 30 dB", 3, 4, 3) for _ in range(7)] + [judged("P8 R3 30 dB", 3, 3, 4)]
    (row,) = bench_recovery.paired(draws_of_one)
    assert (row["theirs_only"], row["ours_only"], row["n"]) == (7, 1, 8)
    assert row["p"] == pytest.approx(9 / 256)  # 7 or 8 heads of 8
    assert row["holm"] == row["p"]  # one case, one rival
    assert not bench_recovery.paired([judged("P8 R3 30 dB", 3, 3, 4)])


def test_rates_count_where_a_rule_applies():
    some = [judged("P8 R3 30 dB", 3, 3, None), judged("P8 R3 30 dB", 3, 2, 3)]
    assert bench_recovery.rate(some, bench_recovery.OURS) == (1, 2)
    assert bench_recovery.rate(some, "rival") == (1, 1)
    low, high = bench_recovery.Rate(190, 200).interval
    assert (low, high) == pytest.approx((0.910, 0.973), abs=1e-3)


def test_families_of_real_tensors_count_alike():
    rows = [
        {"family": "a", "tier": "opinion", "accepted": [3], "answers": {"rule": [3, 3]}},
        {"family": "a", "tier": "opinion", "accepted": [2], "answers": {"rule": [3, 3]}},
        {"family": "b", "tier": "opinion", "accepted": [1, 2], "answers": {"rule": [2, None]}},
        {"family": "b", "tier": "laboratory", "accepted": [1], "answers": {"rule": [1, 1]}},
    ]
    assert bench_recovery.real_rate(rows, "rule", "opinion") == pytest.approx(0.5)
    assert bench_recovery.real_rate(rows, "rule", "laboratory") == 1.0


def test_a_smoke_run_goes_from_draws_to_the_picture(monkeypatch, capsys):
    monkeypatch.setattr(cases.Draw, "ranks", property(lambda draw: range(1, 8)))
    bench_recovery.smoke(["3 x 15 x 15 R5"])
    assert "autoten: 1 of 1" in capsys.readouterr().out
