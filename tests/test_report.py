"""The report as a web page: what is on it, that it needs nothing else, and that it fits wide and narrow screens."""

import base64
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import autoten
from autoten import HALS, KL, estimate_rank, labelled, load, selection
from autoten.datasets import make_cp_tensor, white_noise
from autoten.labels import Labels
from autoten.model import CPModel
from autoten.preprocess import center
from autoten.report import COLUMNS, LARGEST_DRAWN, as_page, program
from autoten.selection import Alternative, Choice

X = make_cp_tensor((6, 20, 8), 2, noise=white_noise(20), random_state=0).X
QUICK = {"ranks": [1, 2, 3], "n_starts": 3, "n_folds": 3, "random_state": 0}
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


class Reader(HTMLParser):
    """Collects texts, attributes and tags; fails on a tag that is closed out of turn."""

    VOID = ("meta", "img", "br")

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.texts, self.images = [], [], [], []
        self.feed(page)
        assert not self.open
        self.said = "\n".join(self.texts)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] not in ("style", "script") and text.strip():
            self.texts.append(text)


@pytest.fixture(scope="module")
def estimate():
    return estimate_rank(X, **QUICK)


@pytest.fixture(scope="module")
def text(estimate):
    return as_page(estimate)


def test_the_page_holds_answer_table_pictures_settings_and_versions(estimate, text):
    read = Reader(text)
    assert "Estimated rank: 2" in read.said
    assert estimate.reason in read.said
    for heading in ("Pictures", "Scores", "Components of rank 2", "How it was made"):
        assert heading in read.texts
    for cell in ("rank", "held-out", "* 2", f"{estimate.table.value('heldout', 3):.4g}"):
        assert cell in read.texts
    for setting in ("6 × 20 × 8", "960", "none stated", "RandomElements(share=0.1)", f"numpy {np.__version__}"):
        assert setting in read.said
    captions = [*["Component"] * 3, "Fit: the ", "Core cons", "Held-out ", "Pareto fr", "What is l", *["Component"] * 6]
    assert [picture["alt"][:9] for picture in read.images] == captions
    for image in read.images:
        picture = Image.open(BytesIO(base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))))
        assert picture.width > 700
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


def test_the_page_is_one_file_that_fetches_and_runs_nothing_also_when_loaded(estimate, text, tmp_path):
    estimate.save(tmp_path / "estimate.npz")
    load(tmp_path / "estimate.npz").to_html(tmp_path / "report.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["estimate.npz", "report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == text
    assert not {"link", "iframe"} & set(Reader(text).tags)
    assert not re.search(r"<script [^>]*src|fetch\(|XMLHttpRequest", text)
    assert not re.search(r"https?:|url\(|@import", text)
    assert not plt.get_fignums()


def test_every_column_is_explained_and_other_ranks_are_folded(estimate, text):
    read = Reader(text)
    for name, heading, _, meaning in COLUMNS:
        assert (read.texts.count(heading), meaning in read.texts) == (
            (2, True) if name in estimate.table else (0, False)
        )
    assert [said for said in read.texts if re.fullmatch(r"Rank \d", said)] == ["Rank 1", "Rank 3"]
    assert read.tags.count("details") == read.tags.count("summary") == 3


def test_the_page_of_another_rank_says_what_the_policy_chose_and_has_its_components(estimate):
    read = Reader(as_page(estimate.at(3)))
    assert "Rank taken: 3. Estimated rank: 2" in read.said
    assert "Rank 3 was taken by hand, in place of 2" in read.said
    assert "Components of rank 3" in read.texts
    assert "Rank 2" in read.texts
    assert program(estimate.at(3)).endswith(").at(3)")


def test_alternatives_have_their_components_and_other_solvers_their_scores(estimate, tmp_path):
    other = replace(estimate, settings=estimate.settings | {"solver": "KL()"}, choice=Choice(1, "Half <as> much."))
    far = Choice(1, "It is so.", (Alternative(3, "it may be"),))
    both = replace(estimate, choice=far, by_solver={"ALS": estimate, "KL": other})
    both.save(tmp_path / "both.npz")
    for each in (both, load(tmp_path / "both.npz")):
        read = Reader(as_page(each))
        assert [said for said in read.texts if re.fullmatch(r"Rank \d", said)] == ["Rank 2", "Rank 3"]
        assert [said for said in read.texts if said.startswith("Scores by")] == ["Scores by KL, whose rank is 1"]
        assert (read.tags.count("table"), "Half <as> much." in read.texts) == (2, True)


def ran(estimate, **given):
    """Return the estimate that the program on its page makes, of data given, in a namespace of its own."""
    assert program(estimate) in Reader(as_page(estimate)).texts
    exec(program(estimate), given)
    return given["estimate"]


def assert_same(again, estimate):
    assert again.rank == estimate.rank
    for name in estimate.table.replicates:
        np.testing.assert_array_equal(again.table[name], estimate.table[name])


RUNS = {
    "defaults": {},
    "every choice": {
        "solver": HALS(nonnegative=(0, 2), max_iter=50),
        "holdout": autoten.RandomFibres(1, 0.2),
        "policy": selection.HarmonicMean(),
        "n_splits": 2,
    },
    "two solvers": {"solver": (HALS(max_iter=50), KL(max_iter=50)), "policy": selection.BestLoss(selection.Knee())},
}


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_the_program_on_the_page_makes_the_estimate_again(options):
    estimate = estimate_rank(np.abs(X), **{**QUICK, "ranks": [1, 2]}, **options)
    assert_same(ran(estimate, X=np.abs(X)), estimate)


def test_the_program_says_what_was_done_to_the_data_and_what_it_cannot_write():
    prepared = center(labelled(X, {"sample\nof": None, "time": None, "place": None}), 0)
    answer = estimate_rank(prepared, **{**QUICK, "ranks": [1, 2]}, policy=lambda table: 2)
    said = program(answer)
    assert "# X: the data, 6 × 20 × 8 (sample of × time × place)" in said
    assert "# preprocessing of X, to be done before: centred across mode 0" in said
    assert "# policy was <lambda>, of your own: give it here" in said
    np.testing.assert_array_equal(ran(answer, X=prepared).table["heldout"], answer.table["heldout"])


def test_labels_name_modes_and_nothing_is_taken_for_html(estimate):
    labels = Labels(("<i>sample</i>", "time", "sensor"), (np.array(list("abcdef")), None, None))
    models = {rank: model.labelled(labels) for rank, model in estimate.models.items()}
    read = Reader(as_page(replace(estimate, models=models, warnings=("a <b>bold</b> & wild $warning",))))
    assert "6 × 20 × 8 (<i>sample</i> × time × sensor)" in read.said
    assert "Components in time, columns of unit length" in read.said
    assert "a <b>bold</b> & wild $warning" in read.said
    assert not {"i", "b"} & set(read.tags)


@pytest.mark.parametrize("labels", [np.arange(20).astype("m8[ns]"), [""] * 20], ids=["spans of time", "empty"])
def test_labels_that_are_hard_to_draw_are_drawn(labels):
    xarray = pytest.importorskip("xarray")
    answer = estimate_rank(xarray.DataArray(X, dims=list("abc"), coords={"b": labels}), **QUICK)
    assert as_page(answer).count("<img") == 5 + 9


def test_without_components_or_with_too_many_there_is_no_picture_of_them(estimate):
    nothing = replace(estimate, choice=selection.Choice(0))
    assert len(Reader(as_page(nothing)).images) == 5 + 3  # those of rank 1, folded
    rank = LARGEST_DRAWN + 1
    models = {**estimate.models, 2: CPModel(np.ones(rank), [np.ones((n, rank)) for n in X.shape])}
    many = Reader(as_page(replace(estimate, models=models, settings={}, timings={})))
    assert len(many.images) == 5 + 6
    assert "not recorded" in many.texts[-3]


def in_browser(file, folder, *arguments):
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [BROWSER, *flags, f"--user-data-dir={folder / 'profile'}", *arguments, file.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_every_picture_and_nothing_wider_than_the_screen(text, tmp_path, width):
    # The browser's own window has a least width, so the page is told how wide it is.
    text = text.replace('<html lang="en">', f'<html lang="en" style="width:{width}px">')
    measured = (
        "<script>onload = () => { document.title = [document.body.scrollWidth, document.body.offsetWidth,"
        "[...document.images].filter(image => image.naturalWidth && image.width > 250).length].join(' ') }</script>"
    )
    (tmp_path / "page.html").write_text(text.replace("</body>", f"{measured}</body>"), encoding="utf-8")
    seen = in_browser(tmp_path / "page.html", tmp_path, "--window-size=1400,900", "--dump-dom")
    scroll, offset, shown = map(int, re.search(r"<title>([\d ]+)</title>", seen)[1].split())
    assert scroll <= offset <= width
    assert shown == 14


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
def test_a_click_on_a_heading_sorts_the_table_and_another_one_turns_it(estimate, text, tmp_path):
    clicked = (
        "<script>const order = () => [...document.querySelectorAll('tbody tr')].map((row) => row.cells[0].innerText);"
        "const head = [...document.querySelectorAll('th')].find((each) => each.innerText == 'held-out').firstChild;"
        "const said = [order()]; head.click(); said.push(order()); head.click(); said.push(order());"
        "const first = document.querySelector('th').firstChild; first.click(); said.push(order());"
        "document.title = said.map((each) => each.join(',')).join(';')</script>"
    )
    (tmp_path / "page.html").write_text(text.replace("</body>", f"{clicked}</body>"), encoding="utf-8")
    seen = in_browser(tmp_path / "page.html", tmp_path, "--dump-dom")
    by_rank = ["0", "1", "* 2", "3"]
    errors = estimate.table.mean("heldout")
    by_error = [by_rank[row] for row in np.argsort(errors)]
    wanted = [by_rank, by_error, by_error[::-1], by_rank]
    assert re.search(r"<title>(.*?)</title>", seen)[1] == ";".join(map(",".join, wanted))
