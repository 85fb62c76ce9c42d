"""What a reader sees is what the code does: notebooks and the README run, links lead somewhere, decisions are short."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from conftest import data_folder
from nbclient import NotebookClient

CHECKOUT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((CHECKOUT / "examples").glob("*.ipynb"))

# Two parts at least, at the start of a word: `</td>` and "and/or" are no paths.
ABSOLUTE_PATH = re.compile(r"(?:^|[\s\"'(=,])(/[\w.-]+/[\w./-]+|[A-Z]:\\[\w\\.-]+)", re.MULTILINE)


each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def texts(output):
    """Return what a stored output says in words: printed text, text and HTML of a value, a traceback."""
    yield output.get("text", "")
    yield from output.get("traceback", [])
    yield from (value for kind, value in output.get("data", {}).items() if kind.startswith("text/"))


def run(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # The kernel of this environment, in the folder where a reader opens the notebook.
    here = {"metadata": {"path": path.parent}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=here).execute()


@pytest.fixture(scope="module")
def runs(request):
    """Start all notebooks that are asked for, two at a time: each is a process of its own, mostly on one thread."""
    asked = [
        item.callspec.params["path"] for item in request.session.items if item.name.startswith("test_notebook_runs")
    ]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        if data_folder() is not None:
            patch.setenv("AUTOTEN_DATA", str(data_folder()))
        yield {path: pool.submit(run, path) for path in asked}
        pool.shutdown(cancel_futures=True)


@each_notebook
def test_notebook_runs_from_clean(path, runs):
    runs[path].result()


@each_notebook
def test_notebook_is_committed_as_one_clean_run_that_says_nothing_of_its_machine(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "restart, run all, save"
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert not [cell.metadata for cell in notebook.cells if cell.metadata]
    assert not ABSOLUTE_PATH.findall("\n".join(text for output in outputs for text in texts(output)))


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("File '/home/me/x.py'", True),
        ("/opt/lib/python3", True),
        (r"in C:\Users\me", True),
        ("<td>3</td></tr>", False),
        ("and/or 1/2", False),
        ("µmol/l", False),
    ],
)
def test_what_counts_as_a_path(said, named):
    assert bool(ABSOLUTE_PATH.search(said)) == named


def test_readme_runs_as_pasted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it saves files
    blocks = re.findall(r"^```python\n(.*?)^```", (CHECKOUT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    namespace = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)  # one after another, as a reader would


PAGES = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), CHECKOUT / "benchmarks" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_links_lead_to_files_that_exist(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    assert [each for each in targets if "://" not in each and not (page.parent / each).exists()] == []


@pytest.mark.parametrize("page", [*CHECKOUT.glob("docs/decisions/[!R]*.md")], ids=lambda page: page.stem)
def test_a_decision_is_a_statement_and_at_most_three_sentences(page):
    _, *decisions = page.read_text("utf-8").strip().split("\n\n")
    for decision in decisions:
        (reasons,) = re.findall(r"\A\*\*[^*]+\*\*\s(.+)\Z", decision, re.DOTALL)
        assert 1 <= len(re.findall(r"[.?!](?:\s(?=[A-Z`])|\Z)", reasons)) <= 3, reasons
