"""Ways out: models as frames, datasets, files and lists; estimates as JSON and netCDF, and with another rank taken."""

import csv
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from autoten import ALS, KL, estimate_rank, labelled, load, plots, selection
from autoten.datasets import make_count_tensor, make_cp_tensor, white_noise
from autoten.labels import Labels
from autoten.model import CPModel
from autoten.report import program
from autoten.selection.choice import beside
from autoten.table import RankTable

X = make_cp_tensor((5, 7, 8), 2, noise=white_noise(20), random_state=0).X
DAYS = np.arange("2024-01-01", "2024-01-08", dtype="datetime64[D]")
NAMED = labelled(X, {"sample": list("abcde"), "day": DAYS, "m/z": None})
QUICK = {"n_starts": 2, "n_folds": 3, "n_splits": 0, "random_state": 0}


@pytest.fixture(scope="module")
def estimate():
    return estimate_rank(NAMED, [1, 2, 3], **QUICK)


@pytest.fixture(scope="module")
def of_two():
    counts = make_count_tensor((6, 7, 8), 2, 2000, random_state=0).X
    return estimate_rank(counts, [1, 2, 3], solver=(ALS(), KL()), **QUICK)


# ------------------------------------------------------------------------------------------------------------- models


def test_all_modes_are_one_frame(estimate):
    model = estimate.model
    frame = model.to_frame()
    assert frame.shape == (20, 2)
    assert frame.index.names == ["mode", "label"]
    assert frame.columns.tolist() == [1, 2]
    for mode, name in enumerate(model.labels.names):
        np.testing.assert_array_equal(frame.loc[name], model.factors[mode])
        pd.testing.assert_index_equal(frame.loc[name].index, model.to_frame(name).index, check_names=False, exact=False)


def test_a_dataset_has_weights_and_factors_by_label(estimate):
    model, found = estimate.model, estimate.model.to_xarray()
    again = np.einsum("r,ir,jr,kr", found.weights, *(found[f"factor_{name}"] for name in model.labels.names))
    np.testing.assert_allclose(again, model.to_tensor())
    assert found["factor_day"].sel(day="2024-01-02", component=2) == model.factors[1][1, 1]
    assert "m/z" not in found.coords


@pytest.mark.parametrize(
    "names", [("a", "a", "b"), ("component", "a", "b"), ("weights", "a", "b"), ("factor_a", "a", "b")]
)
def test_a_dataset_needs_names_that_differ(estimate, names):
    labels = Labels(names, (np.arange(5), None, None))
    with pytest.raises(
        ValueError, match=r"^the names of modes of to_xarray must be different, and none of them one of"
    ):
        estimate.model.labelled(labels).to_xarray()


def test_a_file_for_each_mode_has_the_factor_to_the_last_bit(estimate, tmp_path):
    model = estimate.model
    paths = model.to_csv(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["sample.csv", "day.csv", "m_z.csv", "weights.csv"]
    tables = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.reader(file)))
    assert tables[0][0] == ["sample", "component 1", "component 2"]
    for (_, *rows), factor in zip(tables[:3], model.factors, strict=True):
        np.testing.assert_array_equal([[float(cell) for cell in row[1:]] for row in rows], factor)
    assert [row[0] for row in tables[1][1:]] == [str(day) for day in DAYS]
    assert [row[0] for row in tables[2][1:]] == [str(n) for n in range(8)]
    np.testing.assert_array_equal([float(cell) for cell in tables[3][1]], model.weights)


def test_what_rounding_left_of_a_zero_is_written_as_one(tmp_path):
    model = CPModel(np.ones(2), [np.array([[1.0, 1e-300], [-2.6e-188, -1e-310], [1e-15, 0.0]])] * 3)
    *_, rows = (line.split(",")[1:] for line in model.to_csv(tmp_path)[0].read_text().splitlines()[:-1])
    assert rows == ["0.0", "-1e-310"]
    assert model.to_csv(tmp_path)[0].read_text().splitlines()[-1] == "2,1e-15,0.0"


@pytest.mark.parametrize("method", ["to_html", "to_json", "plot", "save"])
def test_no_file_is_written_into_a_folder_that_is_not_there(estimate, tmp_path, method):
    path = tmp_path / "absent" / "X.npz"
    with pytest.raises(
        FileNotFoundError, match=rf"^the path of {method} must be in a folder that exists\. Got .*absent"
    ):
        getattr(estimate, method)(path)
    assert not path.parent.exists()


def test_names_of_files_are_allowed_anywhere_and_never_alike(estimate, tmp_path):
    model = estimate.model.labelled(Labels(("Weights", "../a:b", ".. a_b"), (None,) * 3))
    paths = model.to_csv(tmp_path)
    assert len({path.name.casefold() for path in paths}) == 4
    assert {path.parent for path in paths} == {tmp_path}
    assert paths[-1].name == "weights.csv"
    long = estimate.model.labelled(Labels(("n" * 500, "n" * 501, ""), (None,) * 3)).to_csv(tmp_path)
    assert len({path.name for path in long}) == 4
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^the folder of to_csv must be a folder, or a new path\. Got .*file\.$"):
        model.to_csv(tmp_path / "file")


def test_the_largest_entries_with_their_labels():
    factor = np.array([[0.1, 0.0], [-0.9, 0.2], [0.4, 0.0], [0.4, -0.3]])
    model = CPModel(np.ones(2), [factor, np.ones((2, 2)), np.ones((3, 2))])
    assert model.top(0, 3) == {1: [("1", -0.9), ("2", 0.4), ("3", 0.4)], 2: [("3", -0.3), ("1", 0.2)]}
    assert len(model.top(0)[1]) == 4
    named = model.labelled(Labels(("word", "b", "c"), (np.array(list("wxyz")), None, None)))
    assert named.top("word", 1) == {1: [("x", -0.9)], 2: [("z", -0.3)]}
    # What no observed cell determines is no large entry, whatever it is.
    support = np.array([[1.0, 1.0], [1e-9, 1.0], [1.0, 1.0], [1.0, 1.0]])
    hidden = replace(named, support=(support, np.ones((2, 2)), np.ones((3, 2))))
    assert hidden.top("word", 1)[1] == [("y", 0.4)]


# ---------------------------------------------------------------------------------------------------------- estimates


def test_another_rank_is_taken_and_everything_says_so(estimate, tmp_path):
    taken = estimate.at(3)
    assert (taken.rank, taken.model.rank, taken.choice.in_place_of) == (3, 3, estimate.choice)
    assert taken.report().startswith("Rank taken: 3. Estimated rank: 2\nRank 3 was taken by hand, in place of 2,")
    assert "Alternative: rank 2, the estimate." in taken.report()
    heldout = estimate.table.mean("heldout")
    assert f"the estimate. Held-out error {heldout[3]:.4g} ({heldout[2]:.4g} at rank 2)." in taken.reason
    assert estimate.reason not in taken.report()
    assert "* 3" in taken.report()
    assert "Rank taken: 3. Estimated rank: 2" in taken._repr_html_()
    assert json.loads(taken.to_json())["in_place_of"] == 2
    assert "in_place_of" not in json.loads(estimate.to_json())
    assert (
        plots.plot_overview(taken.table, taken.choice)["fit"]
        .figure.get_suptitle()
        .startswith("Rank 3 taken in place of 2 f")
    )
    assert "taken: 3" in plots.plot_fit(taken.table, taken.choice).get_legend_handles_labels()[1]
    taken.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<title>Rank taken: 3. Estimated rank: 2</title>" in page
    assert "Components of rank 3" in page
    assert ").at(3)" in program(taken)
    taken.save(tmp_path / "taken")
    assert load(tmp_path / "taken").report() == taken.report()


def test_at_goes_there_and_back(estimate):
    there = estimate.at(3).at(1)
    assert there.choice.in_place_of == estimate.choice
    back = there.at(2)
    assert back.choice == estimate.choice
    assert back.report() == estimate.report()
    assert estimate.at(0).model.rank == 0
    for rank in (4, 99):
        with pytest.raises(
            ValueError, match=r"^rank of at must be one of \[0, 1, 2, 3\], the ranks in the table\. Got"
        ):
            estimate.at(rank)


def test_warnings_about_the_chosen_rank_are_about_the_one_that_is_taken(estimate):
    widest = "is the largest that was tried"
    assert not any(widest in warning for warning in estimate.warnings)
    assert any(f"Rank 3 {widest}" in warning for warning in estimate.at(3).warnings)
    assert not any(widest in warning for warning in estimate.at(3).at(1).warnings)
    assert estimate.at(3).at(2).warnings == estimate.warnings


def test_of_several_solvers_the_chosen_one_gives_the_rank(of_two, tmp_path):
    taken = of_two.at(1 if of_two.rank != 1 else 2)
    assert taken.by_solver == of_two.by_solver
    assert taken.table is of_two.table
    taken.save(tmp_path / "taken")
    again = load(tmp_path / "taken")
    assert again.report() == taken.report()
    assert list(again.by_solver) == ["ALS", "KL"]
    assert again.at(of_two.rank).choice == of_two.choice
    assert set(json.loads(taken.to_json(factors=True))["by_solver"]["KL"]["model"]) == {"weights", "modes"}


def test_json_has_the_model_on_request_and_goes_to_a_file(estimate, tmp_path):
    text = estimate.to_json(tmp_path / "estimate.json", factors=True)
    assert (tmp_path / "estimate.json").read_text("utf-8") == f"{text}\n"
    assert "model" not in json.loads(estimate.to_json())
    model = json.loads(text)["model"]
    assert [mode["mode"] for mode in model["modes"]] == ["sample", "day", "m/z"]
    assert model["modes"][1]["labels"][0] == "2024-01-01"
    assert model["modes"][2]["labels"] is None
    factors = [np.array(mode["factor"]) for mode in model["modes"]]
    np.testing.assert_array_equal(CPModel(np.array(model["weights"]), factors).to_tensor(), estimate.model.to_tensor())


LABELS = {
    "none": None,
    "texts": np.array(["µm", "Å", "", "b", "c"]),
    "whole numbers": np.arange(5, dtype="u8"),
    "yes and no": np.array([True, False, True, True, False]),
    "months": np.arange("2024-01", "2024-06", dtype="datetime64[M]"),
    "spans": np.arange(5).astype("m8[ms]"),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("rank", [0, 2, 3])
def test_a_dataset_of_all_scores_survives_netcdf(estimate, kind, rank, tmp_path):
    labels = Labels(("emission in µm", "replicate", "fit"), (LABELS[kind], None, None))
    models = {each: model.labelled(labels) for each, model in estimate.models.items()}
    found = replace(estimate, models=models).at(rank).to_xarray()
    found.to_netcdf(tmp_path / "estimate.nc", engine="scipy")
    again = xr.load_dataset(tmp_path / "estimate.nc", engine="scipy")
    xr.testing.assert_equal(again, found)
    assert again.attrs == found.attrs
    assert again.attrs["rank"] == rank
    assert json.loads(again.attrs["settings"])["seed"] == 0
    heldout = again.scores.sel(score="heldout", rank=1)
    np.testing.assert_array_equal(heldout[:3], estimate.table["heldout"][1])
    assert np.isnan(again.scores.sel(score="fit", rank=1)).sum() == 3
    if rank:
        np.testing.assert_array_equal(again["factor_fit"], estimate.models[rank].factors[2])


@pytest.mark.parametrize("name", ["rank", "score", "scores", "score_replicate"])
def test_a_mode_that_is_called_like_a_dimension_of_scores_is_refused(estimate, name):
    models = {2: estimate.model.labelled(Labels(("a", name, "b"), (None,) * 3))}
    with pytest.raises(ValueError, match=rf"^the names of modes of to_xarray must be none of .* Got {name}\.$"):
        replace(estimate, models=models).to_xarray()


def test_a_rank_taken_by_hand_is_judged_by_its_own_scores_as_far_as_they_are_known():
    columns = {
        "heldout": [[1.0], [0.4], [0.2], [0.1234567], [np.nan]],
        "core_consistency": [[np.nan], [100], [100], [97.44], [-2e4]],
        "stability_halves": [[np.nan], [1.0], [0.95], [np.nan], [0.9]],
    }
    table = RankTable(np.arange(5), columns, (5, 6, 7))
    assert beside(table, 4, 3) == " Core consistency below -1000 (97.4 at rank 3)."
    assert beside(table, 3, 4) == " Core consistency 97.4 (below -1000 at rank 4)."
    assert beside(table, 2, 1) == (
        " Held-out error 0.2 (0.4 at rank 1); components that halves of the data share 1.9 (1.0)."
    )
    assert beside(table, 0, 4) == ""
    assert beside(RankTable([0, 1], {}, (5, 6, 7)), 0, 1) == ""


def test_a_choice_at_its_own_rank_is_itself():
    choice = selection.Choice(2, "", (selection.Alternative(3, "nearly as good"),))
    assert choice.at(2) is choice
    assert choice.at(3).alternatives == ((2, "the estimate"),)
    assert choice.at(3).reason == "Rank 3 was taken by hand, in place of 2, the estimate."
