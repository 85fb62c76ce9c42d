"""``python -m autoten FILE``: the report on stdout, everything else on stderr, one sentence for what goes wrong."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

import autoten
from autoten.__main__ import main
from autoten.datasets import make_cp_tensor, white_noise

CHECKOUT = Path(autoten.__file__).resolve().parents[1]

X = make_cp_tensor((6, 7, 8), 2, noise=white_noise(20), random_state=0).X

AS_TEXT = "".join(f"{i + 1} {j + 1} {k + 1} {float(X[i, j, k])}\n" for i, j, k in np.ndindex(X.shape))

WRITERS = {
    "X.npy": lambda path: np.save(path, X),
    "X.npz": lambda path: np.savez(path, labels=np.arange(6), X=X, other=X[:4]),
    "only.npz": lambda path: np.savez(path, data=X, labels=np.arange(6)),
    "X.mat": lambda path: savemat(path, {"X": X, "labels": np.arange(6)}),
    "X.tns": lambda path: path.write_text(AS_TEXT),
    "X.tns.gz": lambda path: path.write_bytes(gzip.compress(AS_TEXT.encode())),
    "coords.npz": lambda path: np.savez(path, coords=np.argwhere(X), vals=X[X != 0], shape=X.shape),
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
    assert "6 x 7 x 8 tensor, 336 observed cells" in out
    assert out.endswith(" s.\n")
    assert "100%" in err
    assert "%|" not in out


def test_missing_cells_are_nan(folder, capsys):
    np.save("gaps.npy", np.where(np.arange(X.size).reshape(X.shape) % 5 == 2, np.nan, X))
    status, out, _ = run(capsys, "gaps.npy", "--ranks", "1:3")
    assert status == 0
    assert "6 x 7 x 8 tensor, 269 observed cells" in out


def test_by_default_ranks_1_to_10_and_seed_0(folder, capsys):
    np.save("small.npy", X[:5, :6, :5])
    status, out, _ = run(capsys, "small.npy")
    assert status == 0
    starred = [line.replace("*", " ").split()[0] for line in out.splitlines()[5:15]]
    assert starred == [str(rank) for rank in range(1, 11)]
    assert "10 starts, 5 folds, seed 0;" in out


def test_the_answer_is_that_of_estimate_rank(folder, capsys):
    _, out, _ = run(capsys, "X.npy", "--ranks", "2:4", "--seed", 3, "--jobs", 2)
    wanted = autoten.estimate_rank(X, range(2, 5), random_state=3)
    assert out.rsplit(";", 1)[0] == wanted.report().rsplit(";", 1)[0]  # all but the seconds


def test_another_seed_is_another_answer(folder, capsys):
    reports = [run(capsys, "X.npy", "--ranks", "1:2", "--seed", seed)[1] for seed in (0, 0, 1)]
    table = [report.split("Probability")[0] for report in reports]
    assert table[0] == table[1] != table[2]


def test_json_holds_the_whole_result(folder, capsys):
    status, out, _ = run(capsys, "X.npy", "--ranks", "1:3", "--json", "out.json")
    assert status == 0
    text = Path("out.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    record = json.loads(text, parse_constant=pytest.fail)
    assert record["rank"] == 2
    assert record["reason"] in out
    assert record["table"]["rank"] == [0, 1, 2, 3]
    assert record["settings"]["shape"] == [6, 7, 8]


@pytest.mark.parametrize("name", ["out.png", "out.pdf"])
def test_plot_writes_the_overview(folder, capsys, name):
    status, _, _ = run(capsys, "X.npy", "--ranks", "1:3", "--plot", folder / name)
    assert status == 0
    beginning = (folder / name).read_bytes()[:8]
    assert beginning.startswith(b"\x89PNG\r\n\x1a\n" if name.endswith("png") else b"%PDF")
    assert (folder / name).stat().st_size > 10_000


def test_plot_is_large_enough_to_read(folder, capsys):
    from matplotlib.image import imread

    run(capsys, "X.npy", "--ranks", "1:3", "--plot", "out.png")
    height, width = imread("out.png").shape[:2]
    assert min(height, width) > 800


def test_without_json_and_plot_no_file_is_written(folder, capsys):
    run(capsys, "X.npy", "--ranks", "1:2")
    assert [path.name for path in folder.iterdir()] == ["X.npy"]


# --------------------------------------------------------------------------------------------------------------- errors

RANKS = "--ranks must be FIRST:LAST with 1 <= FIRST <= LAST, such as 1:10. Got {}."


UNREADABLE = "{} must be a file with an array named X or a single array of three or more modes. Got {}."
UNSUITABLE = [
    (["absent.npy"], "the file must be an existing file. Got absent.npy."),
    (["."], "the file must be one of .npy, .npz, .mat, .tns, .tns.gz. Got ."),
    (["X.csv"], "the file must be one of .npy, .npz, .mat, .tns, .tns.gz. Got X.csv."),
    (["text.npy"], "text.npy cannot be read as a .npy file: "),
    (["text.npz"], "text.npz cannot be read as a .npz file: "),
    (["text.mat"], "text.mat cannot be read as a .mat file: "),
    (["empty.npy"], "empty.npy cannot be read as a .npy file: "),
    (["pickled.npy"], "pickled.npy cannot be read as a .npy file: "),
    (["two.npz"], UNREADABLE.format("two.npz", "a (6, 7, 8), b (6, 7, 8)")),
    (["flat.npz"], UNREADABLE.format("flat.npz", "a (7, 8), b (7, 8)")),
    (["matrix.npy"], "X must be a tensor with at least 3 modes. Got shape (7, 8). "),
    (["complex.npy"], "X must be an array of real numbers. Got complex numbers (complex128). "),
    (["X.npy", "--ranks", "0:3"], RANKS.format("0:3")),
    (["X.npy", "--ranks", "5:2"], RANKS.format("5:2")),
    (["X.npy", "--ranks", "5"], RANKS.format("5")),
    (["X.npy", "--ranks", "1:2:3"], RANKS.format("1:2:3")),
    (["X.npy", "--ranks", "a:b"], RANKS.format("a:b")),
    (["X.npy", "--ranks", ""], RANKS.format("")),
    (["X.npy", "--ranks", "1:43"], "the largest of the ranks of estimate_rank must be at most 42, "),
    (["X.npy", "--seed", "-1"], "random_state must be a seed >= 0, a numpy Generator or None. Got -1."),
    (["X.npy", "--plot", "nowhere/out.png"], "the folder to write to must be an existing folder. Got nowhere."),
    (["X.npy", "--json", "nowhere/out.json"], "the folder to write to must be an existing folder. Got nowhere."),
]


@pytest.mark.parametrize(("arguments", "sentence"), UNSUITABLE, ids=[" ".join(given) for given, _ in UNSUITABLE])
def test_what_is_unsuitable_gets_one_sentence_and_status_2(folder, capsys, arguments, sentence):
    for suffix in ("npy", "npz", "mat", "csv"):
        Path(f"text.{suffix}").write_text("no tensor\n", encoding="utf-8")
    Path("empty.npy").touch()
    np.save("pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez("two.npz", a=X, b=X)
    np.savez("flat.npz", a=X[0], b=X[1])
    np.save("matrix.npy", X[0])
    np.save("complex.npy", X * 1j)
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith(f"autoten: {sentence}")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: FILE"),
        (["X.npy", "--rank", "1:3", "--colour", "red"], "unrecognized arguments: --colour red"),
        (["X.npy", "more.npy"], "unrecognized arguments: more.npy"),
        (["X.npy", "--seed", "one"], "argument --seed: invalid int value: 'one'"),
        (["X.npy", "--jobs", "1.5"], "argument --jobs: invalid int value: '1.5'"),
        (["X.npy", "--plot"], "argument --plot: expected one argument"),
    ],
    ids=["no file", "option", "second file", "seed", "jobs", "no value"],
)
def test_an_unknown_option_is_named_with_status_2(folder, capsys, arguments, complaint):
    with pytest.raises(SystemExit) as refusal:
        main(arguments)
    out, err = capsys.readouterr()
    assert refusal.value.code == 2
    assert out == ""
    assert err.splitlines()[-1] == f"python -m autoten: error: {complaint}"


def test_help_lists_every_option(capsys):
    with pytest.raises(SystemExit) as leave:
        main(["--help"])
    out, err = capsys.readouterr()
    assert leave.value.code == 0
    assert err == ""
    for option in ("FILE", "--ranks", "--seed", "--jobs", "--plot", "--json"):
        assert option in out


def test_no_workers_get_one_sentence(folder, capsys):
    status, _, err = run(capsys, "X.npy", "--ranks", "1:2", "--jobs", "0")
    assert status == 2
    assert err.startswith("autoten: n_jobs of estimate_rank must be")


# --------------------------------------------------------------------------------------------------------- as a program


def program(*arguments, cwd):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(
        [sys.executable, "-m", "autoten", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_as_a_program(folder):
    done = program("X.npy", "--ranks", "1:3", "--plot", "out.png", "--json", "out.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Estimated rank: 2\n")
    assert "100%" in done.stderr
    assert json.loads((folder / "out.json").read_text(encoding="utf-8"))["rank"] == 2
    assert (folder / "out.png").read_bytes().startswith(b"\x89PNG")


def test_as_a_program_it_fails_in_one_sentence(folder):
    done = program("absent.npy", cwd=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "autoten: the file must be an existing file. Got absent.npy.\n"
