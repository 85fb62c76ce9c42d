"""The site leaves nothing out: every public name has its page in the reference, and no page has a name that is gone."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import autoten
from autoten import scores

DOCS = Path(__file__).resolve().parents[1] / "docs"
REFERENCE = DOCS / "reference"
PUBLIC = {name: getattr(autoten, name) for name in autoten.__all__}
MODULES = [scores, *filter(inspect.ismodule, PUBLIC.values())]


def listed():
    """Return the names in the tables of the reference, as often as they stand there."""
    pages = [page.read_text("utf-8") for page in sorted(REFERENCE.glob("*.md"))]
    return [name for page in pages for name in re.findall(r"^(?:   |\.\. py:data:: )([\w.]+)$", page, re.MULTILINE)]


def public(module):
    """Return the public names of a module: what it says is all, else what a package hands on, or a file defines."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and (hasattr(module, "__path__") or value.__module__ == module.__name__)
    }


def test_public_names_are_found():
    assert {"load_amino_acids", "make_cp_tensor"} <= public(autoten.datasets)
    assert "plot_overview" in public(autoten.plots)
    assert "Preprocessed" in public(autoten.preprocess)
    assert "refuse" not in public(autoten.datasets)


def test_every_public_name_stands_in_the_reference_once_and_no_other():
    names = {name for name, value in PUBLIC.items() if not inspect.ismodule(value)}
    of_modules = {f"{module.__name__}.{name}" for module in MODULES for name in public(module) - names}
    public_names = names | {name.removeprefix("autoten.") for name in of_modules}
    assert public_names - set(listed()) == set(), "name it in a table of docs/reference/"
    assert sorted(listed()) == sorted(public_names)


def test_pages_of_the_reference_are_reached():
    index = (REFERENCE / "index.md").read_text("utf-8")
    toctree = re.search(r"```\{toctree\}\n:hidden:\n\n(.*?)```", index, re.DOTALL)[1].split()
    assert sorted(toctree) == sorted(page.stem for page in REFERENCE.glob("*.md") if page.stem != "index")


def test_a_built_site_is_searched_for_dead_links_and_for_what_it_would_fetch(tmp_path):
    (tmp_path / "good.html").write_text('<p id="here"><a href="#here">x</a> <a href="https://example.org">y</a></p>')
    check = [sys.executable, str(DOCS / "check_site.py"), str(tmp_path)]
    assert subprocess.run(check, check=False).returncode == 0
    (tmp_path / "bad.html").write_text(
        '<a href="gone.html">1</a> <a href="good.html#gone">2</a> <script src="https://example.org/x.js"></script>'
    )
    found = subprocess.run(check, check=False, capture_output=True, text=True)
    said = [line.split(": ", 1)[1] for line in found.stderr.splitlines()]
    assert said == [
        "gone.html leads to no file",
        "good.html#gone leads to no place on that page",
        "fetches https://example.org/x.js",
    ]
    assert found.returncode == 1
