"""``python -m autoten FILE``: the report on stdout, everything else on stderr, one sentence for what goes wrong."""

import gzip
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from scipy.io import savemat

import autoten
from autoten import ALS, HALS, KL, Blocks, Centred, CountSplit, Parts, RandomElements, RandomFibres, scores, selection
from autoten.__main__ import EPILOG, NAMED, OUTPUTS, _in_options, main
from autoten.datasets import make_cp_tensor, white_noise
from autoten.fits import N_SPLITS

# What the help says a summary holds.
EPILOG_NAMES = EPILOG.partition("between tabs:")[2].partition(".")[0].replace("\n", " ").split(",")

CHECKOUT = Path(autoten.__file__).resolve().parents[1]

X = make_cp_tensor((6, 7, 8), 2, noise=white_noise(20), random_state=0).X

AS_TEXT = "".join(f"{i + 1} {j + 1} {k + 1} {float(X[i, j, k])}\n" for i, j, k in np.ndindex(X.shape))
AS_TABLE = "".join(f"s{i},{300 + 5 * j},2024-01-0{k + 1},{float(X[i, j, k])}\n" for i, j, k in np.ndindex(X.shape))

WRITERS = {
    "X.npz": lambda path: np.savez(path, labels=np.arange(6), X=X, other=X[:4]),
    "X.mat": lambda path: savemat(path, {"X": X, "labels": np.arange(6)}),
    "X.nc": lambda path: xr.DataArray(X, dims=["a", "b", "c"], name="rate").to_netcdf(path, engine="scipy"),
    "X.tns.gz": lambda path: path.write_bytes(gzip.compress(AS_TEXT.encode())),
    "X.csv": lambda path: path.write_text("sample,emission in µm,day,x\n" + AS_TABLE, encoding="utf-8"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("X.npy", X)
    return tmp_path


def run(capsys, *arguments):
    """Return exit status, stdout and stderr."""
    status = main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


# -------------------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("name", WRITERS)
def test_every_readable_file_gets_its_report(folder, capsys, name):
    WRITERS[name](folder / name)
    status, out, err = run(capsys, name, "--ranks", "1:3")
    assert status == 0
    assert out.startswith("Estimated rank: 2\n")
    assert out.endswith(" s.\n")
    modes = {"X.csv": " (sample x emission in µm x day)", "X.nc": " (a x b x c)"}.get(name, "")
    assert f"6 x 7 x 8 tensor{modes}, 336 observed cells" in out
    assert "100%" in err
    assert "%|" not in out


def test_by_default_ranks_1_to_10_and_seed_0_and_no_file_is_written(folder, capsys):
    np.save("X.npy", np.where(np.arange(X.size).reshape(X.shape) % 25 == 2, np.nan, X))
    status, out, _ = run(capsys, "X.npy")
    assert status == 0
    starred = [line.replace("*", " ").split()[0] for line in out.splitlines()[5:15]]
    assert starred == [str(rank) for rank in range(1, 11)]
    assert "6 x 7 x 8 tensor, 322 observed cells" in out
    assert "10 starts, 5 folds, 4 splits, seed 0;" in out
    assert [path.name for path in folder.iterdir()] == ["X.npy"]


def test_the_answer_is_that_of_estimate_rank(folder, capsys):
    _, out, _ = run(capsys, "X.npy", "--ranks", "2:4", "--seed", 3, "--jobs", 2)
    wanted = autoten.estimate_rank(X, range(2, 5), random_state=3)
    assert out.rsplit(";", 1)[0] == wanted.report().rsplit(";", 1)[0]  # all but the seconds


def test_outputs_hold_the_whole_result(folder, capsys):
    Path("out.json").write_text("old")
    outputs = [
        "--plot-components",
        "top.png",
        "--json",
        "out.json",
        "--plot",
        "out.png",
        "--html",
        "out.html",
        "--save",
        "out.npz",
    ]
    status, out, _ = run(capsys, "X.npy", "--ranks", "1:3", *outputs)
    assert status == 0
    text = Path("out.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    record = json.loads(text, parse_constant=pytest.fail)
    assert (record["rank"], record["table"]["rank"], record["settings"]["shape"]) == (2, [0, 1, 2, 3], [6, 7, 8])
    assert record["reason"] in out
    assert record["reason"] in Path("out.html").read_text(encoding="utf-8")
    assert autoten.load("out.npz").report() == out.rstrip("\n")
    for name in ("out.png", "top.png"):
        with Image.open(name) as picture:  # large enough to read
            assert (picture.format, min(picture.size) > 600) == ("PNG", True)


def test_columns_of_a_table_are_named_and_components_written_with_their_labels(folder, capsys):
    cells = [(f"s,{i}", f"{300 + 5 * j}", f"{k}", float(X[i, j, k])) for i, j, k in np.ndindex(X.shape)]
    table = "".join(f'"{i}",{value},{j},unused,{k}\n' for i, j, k, value in cells)
    Path("X.csv").write_text('"sample, name",x,emission,note,day\n' + table, encoding="utf-8")
    named = ["--modes", '"sample, name", emission, day', "--values", "x", "--holdout", "fibres('sample, name')"]
    status, out, _ = run(capsys, "X.csv", *named, "--ranks", 2, "--components", "out")
    assert status == 0
    assert "(sample, name x emission x day)" in out
    files = {path.name: path.read_text("utf-8").splitlines() for path in Path("out").iterdir()}
    assert len(files) == 4
    assert [row.split(",")[0] for row in files["day.csv"]] == ["day", *map(str, range(8))]
    status, out, err = run(capsys, "X.csv", "--modes", "emission,day,note")
    assert (status, out) == (2, "")
    assert err.startswith("autoten: X must be a tensor whose modes all have length >= 2. ")


def test_of_an_incomplete_table_it_is_said_what_is_not_listed(folder, capsys):
    WRITERS["X.csv"](folder / "X.csv")
    header, _, *rows = Path("X.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    Path("X.csv").write_text("".join([header, *rows]), encoding="utf-8")
    status, out, err = run(capsys, "X.csv", "--ranks", 2, "--quiet")
    said = "1 of 336 combinations of labels without a row: taken as missing"
    remedy = "Say --unlisted zero if nothing was there, as in counts, or --unlisted missing if nobody looked."
    assert (status, err) == (0, f"autoten: X.csv: {said}. {remedy}\n")
    assert f"preprocessing: {said};" in out
    status, out, err = run(capsys, "X.csv", "--ranks", 2, "--quiet", "--unlisted", "missing")
    assert (status, err, said in out) == (0, "", False)
    status, out, err = run(capsys, "X.csv", "--modes", "sample,emission in µm,day", "--values", "x")
    assert (status, out) == (2, "")
    assert err == (
        "autoten: --unlisted must be 'zero' or 'missing', since not every combination of labels is listed. "
        "Got 335 rows for 336 combinations. Say 'zero' where nothing was there, as in counts, and 'missing' where "
        "nobody looked.\n"
    )


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("modes and values of read_tensor must be columns that differ.", "--modes and --values must be columns that"),
        ("Sum them first, or say unlisted='zero' if so.", "Sum them first, or say --unlisted zero if so."),
        ("n_folds of estimate_rank must be two.", "--folds must be two."),
        ("Raise max_time, or give a checkpoint.", "Raise --max-time, or give a checkpoint."),
        ("the number of modes of X, json of yours, n_iter, a-max_time", None),
    ],
)
def test_sentences_name_options(sentence, words):
    assert _in_options(sentence).startswith(words or sentence)


def landscapes(folder):
    """Write a folder of files as an instrument would: simulated light of two substances, and scatter."""
    rng = np.random.default_rng(0)
    emission, excitation = np.arange(300, 500, 5), np.arange(250, 400, 10)
    emits, absorbs = (
        np.exp(-0.5 * ((axis[:, None] - at) / 30) ** 2)
        for axis, at in ((emission, [350, 430]), (excitation, [275, 350]))
    )
    X = np.einsum("ir,jr,kr->ijk", rng.gamma(2, size=(8, 2)), emits, absorbs)
    X += 9 * np.exp(-0.5 * ((emission[:, None] - excitation) / 4) ** 2) + 0.01 * rng.standard_normal(X.shape)
    Path(folder).mkdir()
    for number, landscape in enumerate(X):
        lines = [[nm, *values] for nm, values in zip(emission, landscape, strict=True)]
        text = "\n".join(",".join(map(str, line)) for line in [["nm", *excitation], *lines])
        Path(folder, f"lake [{number}].csv").write_text(text)


def test_a_folder_of_landscapes_is_a_tensor_and_its_scatter_left_out(folder, capsys):
    landscapes("eems")
    status, out, _ = run(capsys, "eems", "--ranks", "3", "--solver", "hals", "--mask-scatter", 15, "--components", "of")
    assert status == 0
    assert out.startswith("Estimated rank: 2\n")
    assert "within 15 nm left out (" in out
    names = {path.name for path in Path("of").iterdir()}
    assert names == {"sample.csv", "emission.csv", "excitation.csv", "weights.csv", "fmax.csv"}
    status, out, err = run(capsys, "eems", "--ranks", "2", "--mask-scatter", 60, "--quiet")
    assert (status, "left out, nothing observed" in out) == (0, True)
    assert err.startswith("autoten: Bands within 60 nm hold ")
    status, out, _ = run(capsys, "eems", "--ranks", "2")
    assert "Scattered light (emission = excitation) is still in X, " in out
    for wrong, said in (
        (
            ["eems/lake [3].csv"],
            "FILE must be a tensor. Got lake [3].csv, the landscape of one sample. Give the folder ",
        ),
        (["eems", "--modes", "a,b,c"], "--modes must be given with a table. Got the folder eems."),
        (
            ["X.npy", "--mask-scatter", "9"],
            "emission of mask_scatter must be the wavelengths of its mode in nm where X",
        ),
    ):
        status, out, err = run(capsys, *wrong)
        assert (status, out) == (2, "")
        assert err.startswith(f"autoten: {said}")


def test_a_summary_is_one_line_of_pairs(folder, capsys):
    status, out, err = run(capsys, "X.npy", "--ranks", "1:3", "--summary", "--quiet")
    assert (status, err) == (0, "")
    assert out.count("\n") == 1
    pairs = dict(pair.split("=", 1) for pair in out.rstrip("\n").split("\t"))
    wanted = autoten.estimate_rank(X, 3, random_state=0)
    assert (pairs["rank"], pairs["solver"], pairs["complete"], pairs["file"]) == ("2", "ALS", "yes", "X.npy")
    assert float(pairs["probability"]) == pytest.approx(wanted.probabilities[2], rel=1e-3)
    assert pairs["alternatives"] == ",".join(str(other.rank) for other in wanted.alternatives)
    assert int(pairs["warnings"]) == len(wanted.warnings)
    assert (pairs["solvers"], pairs["ranks"]) == ("", "1:3")
    assert list(pairs) == [name.strip(" .") for name in EPILOG_NAMES]


def test_a_summary_names_every_solver_and_has_its_warnings_on_stderr(folder, capsys):
    status, out, err = run(capsys, "X.npy", "--ranks", "2:3", "--summary", "--solver", "als,hals")
    assert status == 0
    assert "\tsolvers=ALS:2,HALS:" in out
    assert "autoten: Rank 2 is the smallest that was tried" in err


def test_a_run_that_time_has_ended_has_a_status_of_its_own(folder, capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def slow(tensor, fits):
        now[0] += 40.0 * (fits.rank == 2)
        return {}

    monkeypatch.setattr("autoten.scores.fit_scores", slow)
    options = ["--summary", "--max-time", 30, "--policy", "held-out-minimum", "--scorers", "heldout,fit"]
    status, out, _ = run(capsys, "X.npy", "--ranks", 4, *options)
    assert status == 3
    assert "\tcomplete=no\t" in out


# --------------------------------------------------------------------------------------------------------------- errors

RANKS = (
    "--ranks must be LAST or FIRST:LAST with 1 <= FIRST <= LAST, or several of these, such as 8, 2:8 or 1:4,8. Got {}."
)
HOLDOUT = (
    '--holdout must be one of elements, fibres, blocks, counts, centred, such as "fibres(emission, share=0.2)". Got {}.'
)
SOLVER = '--solver must be one of als, hals, kl, such as "hals((0, 2))". Got {}.'
UNWRITABLE = "--{} must be a file that can be written. Got {}."
TWICE = "--{} must be a file of its own, neither FILE nor another output. Got {}."
UNSUITABLE = [
    (["absent.npy"], "the file must be an existing file. Got absent.npy."),
    (["."], "matrix.npy is no landscape (EEM), which must be a text file: a matrix of intensities, wavelengths"),
    (["text.npy"], "text.npy cannot be read as a .npy file: ValueError: the magic string is not correct; expected "),
    (["matrix.npy"], "X must be a tensor with at least 3 modes. Got shape (7, 8). "),
    (["X.npy", "--ranks", "0:3"], RANKS.format("0:3")),
    (["X.npy", "--ranks", "5:2"], RANKS.format("5:2")),
    (["X.npy", "--ranks", ":5"], RANKS.format(":5")),
    (["X.npy", "--ranks", "1:2:3"], RANKS.format("1:2:3")),
    (["X.npy", "--ranks", ""], RANKS.format("nothing")),
    (["X.npy", "--ranks", "1:43"], "the largest of the --ranks must be at most 42, "),
    (["X.npy", "--seed", "-1"], "--seed must be a seed >= 0, a Generator, RandomState or None. Got -1."),
    (["X.npy", "--ranks", "1,,3"], RANKS.format("1,,3")),
    (["X.npy", "--holdout", "fibres"], HOLDOUT.format("fibres (missing a required argument: 'mode')")),
    (["X.npy", "--holdout", "fibres:1"], HOLDOUT.format("fibres:1")),
    (["X.npy", "--holdout", "knee"], HOLDOUT.format("knee")),
    (["X.npy", "--holdout", ""], HOLDOUT.format("nothing")),
    (
        ["X.npy", "--holdout", "blocks(part=1)"],
        HOLDOUT.format("blocks(part=1) (got an unexpected keyword argument 'part')"),
    ),
    (["X.npy", "--holdout", "blocks(0.9)"], "share of Blocks must be a number above 0 and below 0.75. Got 0.9."),
    (["X.npy", "--solver", "nmf"], SOLVER.format("nmf")),
    (["X.npy", "--solver", "1 + 1"], SOLVER.format("1 + 1")),
    (["X.npy", "--solver", "als,als"], "--solver must be one solver, or several different ones. "),
    (["X.npy", "--solver", "hals(1)"], "nonnegative of HALS must be True or a tuple of modes such as (1, 2). Got 1."),
    (["X.npy", "--solver", "hals(open('x'))"], SOLVER.format("hals(open('x'))")),
    (["X.npy", "--policy", "best"], "--policy must be one of calibrated, one-standard-error, held-out-minimum, knee, "),
    (["X.npy", "--scorers", "fit,beauty"], "--scorers must be one of residual, fit, "),
    (["X.npy", "--solver", "kl"], "X for the solver KL must be counts or other amounts >= 0. "),
    (["X.npy", "--starts", "0"], "--starts must be an integer >= 1. Got 0."),
    (["X.npy", "--plot", "nowhere/out.png"], UNWRITABLE.format("plot", "nowhere/out.png (No such file or directory)")),
    (["X.npy", "--json", "."], UNWRITABLE.format("json", ". (Is a directory)")),
    (["X.npy", "--html", "X.npy/out.html"], UNWRITABLE.format("html", "X.npy/out.html (Not a directory)")),
    (["X.npy", "--plot", "out"], "--plot must be a file whose name ends in one of ."),
    (["X.npy", "--save", "out"], "--save must be a file whose name ends in one of .npz. Got out."),
    (["X.npy", "--components", "X.npy"], TWICE.format("components", "X.npy")),
    (
        ["X.npy", "--components", "nowhere/out"],
        "--components must be a folder that can be written. Got nowhere/out (No such file or directory).",
    ),
    (["X.npy", "--checkpoint", "run.npz", "--save", "run.npz"], TWICE.format("save", "run.npz")),
    (["X.npy", "--html", "out", "--json", "./out"], TWICE.format("json", "out")),
    (["X.npy", "--json", "X.npy"], TWICE.format("json", "X.npy")),
]


@pytest.mark.parametrize(("arguments", "sentence"), UNSUITABLE, ids=[" ".join(given) for given, _ in UNSUITABLE])
def test_what_is_unsuitable_gets_one_sentence_and_status_2(folder, capsys, arguments, sentence):
    Path("text.npy").write_text("no tensor\n", encoding="utf-8")
    np.save("matrix.npy", X[0])
    before = sorted(folder.rglob("*"))
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith(f"autoten: {sentence}")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--holdout", "fibres(3)"], "mode of RandomFibres must be a mode of a tensor with 3 modes, 0 to 2. Got 3."),
        (["--max-time", "1e-6"], "--max-time must be long enough for one rank. "),
    ],
)
def test_what_does_not_suit_the_data_gets_one_sentence_after_the_progress_bar(folder, capsys, arguments, sentence):
    status, out, err = run(capsys, "X.npy", *arguments)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"autoten: {sentence}")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: FILE"),
        (["X.npy", "--rank", "1:3", "--colour", "red"], "unrecognized arguments: --colour red"),
        (["X.npy", "--seed", "one"], "argument --seed: invalid int value: 'one'"),
        (["X.npy", "--max-time", "1m"], "argument --max-time: invalid float value: '1m'"),
        (["X.npy", "--plot"], "argument --plot: expected one argument"),
        (["X.npy", "--unlisted", "nan"], "argument --unlisted: invalid choice: 'nan' (choose from "),
    ],
    ids=["no file", "option", "seed", "time", "no value", "unlisted"],
)
def test_an_unknown_option_is_named_with_status_2(folder, capsys, arguments, complaint):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"autoten: {complaint}")
    assert err.endswith(". See autoten --help.\n")
    assert err.count("\n") == 1


def test_help_lists_every_option_and_choice_and_exit_status(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as leave:
        main(["--help"])
    out, err = capsys.readouterr()
    assert leave.value.code == 0
    assert err == ""
    before, _, after = out.partition("\n\nSolvers, hold-outs and policies")
    entries = [" ".join(entry.split()) for entry in re.split(r"\n  (?=\S)", before)[1:]]
    rows = {entry.split()[0]: entry.partition(" options:")[0] for entry in entries}
    defaults = {"ranks": "1:10", "solver": "als", "holdout": "elements", "policy": "calibrated", "max-time": "no limit"}
    defaults |= {"starts": "10", "folds": "5", "splits": str(N_SPLITS), "jobs": "1", "seed": "0", "scorers": "all"}
    defaults |= dict.fromkeys((*(name.replace("_", "-") for name in OUTPUTS), "checkpoint"), "nowhere")

    defaults |= dict.fromkeys(("plot", "html", "json", "save", "components", "checkpoint"), "nowhere")
    defaults |= {"mask-scatter": "nothing is left out", "parts": "from the whole"}
    without = ("version", "modes", "values", "unlisted", "summary", "quiet")
    assert set(rows) == {"FILE", "-h,", *(f"--{name}" for name in (*defaults, *without))}
    for name, default in defaults.items():
        assert rows[f"--{name}"].endswith((f"(default {default})", f"(default: {default})"))
    for name, (choices, _) in NAMED.items():
        assert ", ".join(choices) in rows[f"--{name}"]
    assert [int(line.split()[0]) for line in after.partition("Exit status:\n")[2].splitlines()] == [0, 1, 2, 3, 130]


def test_version(capsys):
    with pytest.raises(SystemExit) as leave:
        main(["--version"])
    assert leave.value.code == 0
    assert capsys.readouterr().out == f"autoten {autoten.__version__}\n"


def test_every_solver_holdout_policy_and_score_can_be_chosen():
    classes = [value for value in vars(selection).values() if isinstance(value, type)]
    policies = {each.__name__ for each in classes if any("__call__" in vars(base) for base in each.__mro__)}
    own = {option: {place.partition(":")[2] for place in known.values()} for option, (known, _) in NAMED.items()}
    # All but the one for several solvers, by which others are wrapped anyway, and the one of which others are made.
    assert own["policy"] == policies - {"BestLoss", "TradeOffPolicy"}
    records = [getattr(autoten, name) for name in autoten.__all__]
    for option, method in (("solver", "compress"), ("holdout", "folds")):
        assert own[option] == {each.__name__ for each in records if isinstance(each, type) and hasattr(each, method)}
    assert own["scorers"] == {scorer.__name__ for scorer in scores.DEFAULT_SCORERS}


# -------------------------------------------------------------------------------------------------------------- options


@pytest.fixture
def given(folder, monkeypatch):
    """Return a function that runs the command line and returns what `estimate_rank` was given."""
    seen = {}

    def estimate_rank(X, **options):
        seen.update(options)
        raise ValueError("enough")

    signature = inspect.signature(autoten.estimate_rank)
    monkeypatch.setattr("autoten.estimate.estimate_rank", estimate_rank)

    def run(*arguments):
        seen.clear()
        assert main(["X.npy", *map(str, arguments)]) == 2
        assert set(seen) <= set(signature.parameters)
        return {name: seen.get(name, parameter.default) for name, parameter in signature.parameters.items()}

    run.signature = signature
    return run


def test_defaults_are_those_of_estimate_rank(given):
    ours = given()
    theirs = {name: parameter.default for name, parameter in given.signature.parameters.items()}
    changed = {"random_state": 0, "progress": True}  # a program is to be repeatable, and to show that it lives
    assert ours == theirs | changed


def test_every_parameter_can_be_set(given):
    arguments = ["--ranks", 2, "--solver", "kl", "--scorers", "fit", "--policy", "knee", "--holdout", "blocks"]
    arguments += ["--starts", 2, "--folds", 3, "--splits", 1, "--seed", 1, "--jobs", 2, "--quiet", "--max-time", 9]
    theirs, ours = given(), given(*arguments, "--checkpoint", "run.npz", "--parts", 5)
    assert {name for name in ours if ours[name] == theirs[name]} == {"X"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--ranks", 5], {"ranks": range(1, 6)}),
        (["--ranks", "1:3,6,8"], {"ranks": [1, 2, 3, 6, 8]}),
        (["--solver", "hals", "--ranks", "2:5"], {"solver": HALS(), "ranks": range(2, 6)}),
        (["--solver", "als,KL(floor=0.01)"], {"solver": (ALS(), KL(floor=0.01))}),
        (["--solver", "hals((0, -1), max_iter=9)"], {"solver": HALS((0, -1), max_iter=9)}),
        (["--solver", "hals([emission, 'day, hour'])"], {"solver": HALS(("emission", "day, hour"))}),
        (["--solver", "kl", "--holdout", "counts"], {"solver": KL(), "holdout": CountSplit()}),
        (["--holdout", "elements(0.2)"], {"holdout": RandomElements(0.2)}),
        (["--holdout", "fibres(-1)"], {"holdout": RandomFibres(-1)}),
        (["--holdout", "fibres(emission, share=0.2)"], {"holdout": RandomFibres("emission", 0.2)}),
        (["--holdout", "Blocks(contiguous=True)"], {"holdout": Blocks(contiguous=True)}),
        (["--holdout", "centred(fibres(1), modes=(0, 2))"], {"holdout": Centred(RandomFibres(1), (0, 2))}),
        (["--holdout", "centred(elements, sample)"], {"holdout": Centred(RandomElements(), "sample")}),
        (["--policy", "core-consistency"], {"policy": selection.CoreConsistencyThreshold()}),
        (["--policy", "one-standard-error(n_errors=2)"], {"policy": selection.OneStandardError(2)}),
        (["--policy", "CoreConsistencyThreshold(70.0)"], {"policy": selection.CoreConsistencyThreshold(70.0)}),
        (["--scorers", "core-consistency"], {"scorers": (scores.core_consistency_scores,)}),
        (["--scorers", "fit, heldout"], {"scorers": (scores.fit_scores, scores.heldout_scores)}),
        (["--checkpoint", "run.npz", "--quiet"], {"checkpoint": Path("run.npz"), "progress": False}),
        (["--starts", 3, "--folds", 4, "--splits", 5], {"n_starts": 3, "n_folds": 4, "n_splits": 5}),
        (["--parts", 2.5], {"parts": Parts(2.5)}),
        (["--max-time", 60, "--seed", 7, "--jobs", -1], {"max_time": 60.0, "random_state": 7, "n_jobs": -1}),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_what_the_options_set(given, arguments, expected):
    assert given(*arguments) == given() | expected


def test_what_a_report_says_of_its_settings_can_be_given_again(given):
    solver, holdout = HALS(nonnegative=("emission", "day, hour")), Centred(RandomElements(0.2), modes=(0, 1))
    said = given("--solver", repr(solver), "--holdout", repr(holdout))
    assert (said["solver"], said["holdout"]) == (solver, holdout)


# ------------------------------------------------------------------------------------- when a file cannot be written


@pytest.mark.parametrize("broken", ["json", "html", "plot", "save"])
def test_the_report_and_the_other_files_are_there_when_one_cannot_be_written(folder, capsys, monkeypatch, broken):
    def fail(*_):
        raise OSError(28, "No space left on device")

    method = {"json": "to_json", "html": "to_html", "plot": "plot", "save": "save"}[broken]
    monkeypatch.setattr(f"autoten.estimate.RankEstimate.{method}", fail)
    names = {"json": "out.json", "html": "out.html", "plot": "out.pdf", "save": "out.npz"}
    targets = [text for name, target in names.items() for text in (f"--{name}", target)]
    status, out, err = run(capsys, "X.npy", "--ranks", 2, "--starts", 2, *targets)
    assert status == 1
    assert out.startswith("Estimated rank: 2\n")
    said = f"autoten: {names[broken]} could not be written: OSError: [Errno 28] No space left on device"
    assert err.splitlines()[-1] == said
    assert sorted(path.name for path in folder.iterdir()) == sorted({"X.npy", *names.values()} - {names[broken]})
    assert broken == "plot" or Path("out.pdf").read_bytes().startswith(b"%PDF")


def test_interrupted_while_files_are_written_it_says_which_are_not(folder, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("autoten.estimate.RankEstimate.to_json", interrupt)
    targets = ["--json", "out.json", "--plot", "out.png", "--save", "out.npz", "--components", "out"]
    status, out, err = run(capsys, "X.npy", "--ranks", 2, "--starts", 2, *targets)
    assert status == 1
    assert out.startswith("Estimated rank: 2\n")
    assert err.splitlines()[-1] == "autoten: interrupted after the answer: not written: out.json, out.npz, out."
    assert sorted(path.name for path in folder.iterdir()) == ["X.npy", "out.png"]


def test_interrupted_before_there_is_an_answer(folder, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("autoten.estimate.estimate_rank", interrupt)
    assert run(capsys, "X.npy") == (130, "", "autoten: interrupted before there was an answer.\n")


# --------------------------------------------------------------------------------------------------------- as a program


def program(*arguments, cwd, stdout=subprocess.PIPE, **environment):
    return subprocess.run(
        [sys.executable, "-m", "autoten", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_a_reader_that_has_gone_costs_no_file(folder):
    reading, writing = os.pipe()
    os.close(reading)
    done = program("X.npy", "--ranks", "2", "--json", "out.json", cwd=folder, stdout=writing)
    os.close(writing)
    assert done.returncode == 0
    assert "BrokenPipe" not in done.stderr
    assert json.loads((folder / "out.json").read_text(encoding="utf-8"))["rank"] == 2


def test_labels_that_the_terminal_cannot_show(folder):
    WRITERS["X.csv"](folder / "X.csv")
    done = program("X.csv", "--ranks", "2", cwd=folder, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "(sample x emission in ?m x day)" in done.stdout
    assert "100%" in done.stderr


def test_as_a_program_it_fails_in_one_sentence(folder):
    done = program("absent.npy", cwd=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "autoten: the file must be an existing file. Got absent.npy.\n"
