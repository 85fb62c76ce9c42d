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
include_patterns = ["docs/**", "benchmarks/README.md", "benchmarks/archive/*.md", "examples/*.ipynb", "CHANGELOG.md"]
exclude_patterns = ["docs/_*", "**/.ipynb_checkpoints"]
nitpicky = True
nitpick_ignore = [("py:class", "collections.abc.Callable")]  # no page of other projects is fetched

# Pages with `{code-cell}` run, each in a folder of its own that is thrown away, and a page that fails fails the build.
# What they printed is kept for the next build, as long as the package is the same. The notebooks of examples/ are
# shown as they are stored: tests run them.
package = hashlib.sha256()
for file in sorted((CHECKOUT / "autoten").rglob("*.py")):
    package.update(file.read_bytes())
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "executed" / package.hexdigest()[:12])
nb_execution_excludepatterns = ["examples/*"]
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_ipywidgets_js = {}  # else two scripts from elsewhere
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# A page for every public name, from its docstring alone: types are said there, in words.
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template names them, with their docstrings
templates_path = [str(HERE / "_templates")]  # whole: autosummary looks from the source folder, others from this one

html_theme = "pydata_sphinx_theme"
html_title = "autoten"
html_static_path = ["_static"]
html_css_files = ["autoten.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False
html_additional_pages = {"index": "to_docs.html"}
html_theme_options = {
    "header_links_before_dropdown": 9,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
}
suppress_warnings = ["misc.highlighting_failure"]  # until the drawing of docs/architecture.md is one
