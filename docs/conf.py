"""How Sphinx makes the documentation: `make docs`.

The source folder is the checkout, not docs/: pages of benchmarks/, the notebooks of examples/ and the changelog are
pages of the site where they lie, so one relative link is right on a forge and on the site, and nothing is copied.
Nothing is fetched, neither while it is built nor while it is read: fonts, scripts and styles lie beside the pages.
"""

import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
sys.path.insert(0, str(HERE))  # mathml.py

import autoten  # noqa: E402

project = "autoten"
author = "the autoten developers"
version = release = autoten.__version__
html_show_sphinx = html_show_copyright = False

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_nb", "mathml"]
root_doc = "docs/index"
include_patterns = ["docs/**", "benchmarks/README.md", "benchmarks/archive/*.md", "examples/*.ipynb", "C*.md"]
exclude_patterns = ["docs/_*", "**/.ipynb_checkpoints"]
nitpicky = True
nitpick_ignore = [("py:class", "collections.abc.Callable")]  # no page of other projects is fetched
nitpick_ignore_regex = [("py:obj", r"\w+")]  # `tol` in a docstring of its class: a parameter, told on the same page

# Pages with `{code-cell}` run, each in a folder of its own that is thrown away, and a page that fails fails the build.
# What they printed is kept for the next build, as long as the package and the results are the same. The notebooks of
# examples/ are shown as they are stored: tests run them.
used = hashlib.sha256()
for file in [*(CHECKOUT / "autoten").rglob("*.py"), *CHECKOUT.glob("benchmarks/results/*.json")]:
    used.update(file.read_bytes())
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "executed" / used.hexdigest()[:12])
nb_execution_excludepatterns = ["examples/*"]
nb_execution_raise_on_error = nb_execution_show_tb = True
nb_execution_in_temp = True
nb_execution_timeout = 600  # the first cell of all may have to compile the kernels
nb_ipywidgets_js = {}  # else two scripts from elsewhere
nb_merge_streams = True
nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# A page for every public name, from its docstring alone: types are said there, in words.
autosummary_generate = [str(page) for page in HERE.glob("reference/*.md")]  # pages that are new, too
autosummary_ignore_module_all = False
autodoc_typehints = "none"
autodoc_preserve_defaults = True  # a default by its name, not by its repr
default_role = "autolink"  # `name` leads to its page where it has one
autodoc_member_order = "bysource"
# All of numpydoc's checks but these: not every function needs an example or others to see, and a type or a sentence is
# left out where it is plain. What fits in few words has none; who lists parameters lists all, and what is returned.
numpydoc_validation_checks = {"all", "EX01", "SA01", "ES01", "PR04", "PR07", "RT03", "YD01"}
numpydoc_validation_overrides = {check: [r"(?s)\A(?!.*\bParameters\n)"] for check in ("PR01", "RT01")}
numpydoc_show_class_members = False  # the template names them, with their docstrings
templates_path = [str(HERE / "_templates")]  # whole: autosummary looks from the source folder, others from this one

html_theme = "pydata_sphinx_theme"
html_title = "autoten"
html_static_path = ["_static"]
html_css_files = ["autoten.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False
html_additional_pages = {"index": "to_docs.html"}
html_favicon = "_static/mark.svg"
html_sidebars = {f"docs/{page}": [] for page in ("index", "how", "right", "speed", "notebooks")}  # none below
html_context = {"default_mode": "auto"}  # light or dark as the system is
html_theme_options = {
    "logo": {"text": "autoten", "image_light": "_static/mark.svg", "image_dark": "_static/mark.svg"},
    "collapse_navigation": True,  # else every page holds the names of all
    "header_links_before_dropdown": 9,
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "back_to_top_button": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
}
