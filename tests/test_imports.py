"""What imports what: one order of layers, nothing heavy before it is needed, and names that all lead somewhere."""

import ast
import graphlib
import json
import re
import subprocess
import sys
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

import autoten

PACKAGE = Path(autoten.__file__).resolve().parent
CHECKOUT = Path(__file__).resolve().parents[1]

# The one order of imports: a unit (a module, or a whole subpackage) imports from layers before its own, never from its
# own layer or a later one. Inside a subpackage, and among the kernels, modules may import one another.
LAYERS = [
    ["_errors", "_typing", "clock"],
    ["kernels", "labels"],
    ["model"],
    ["tensors"],
    ["solvers"],
    ["door", "holdout", "datasets", "workers"],
    ["frames"],
    ["files"],
    ["matching", "fluorescence"],
    ["fits"],
    ["sweep", "preprocess"],
    ["parafac"],
    ["scores"],
    ["table"],
    ["selection"],
    ["plots"],
    ["warn", "report", "store", "progress"],
    ["answer"],
    ["parts"],
    ["estimate"],
    ["sklearn_api"],
    ["__main__"],
]
HEIGHT = {unit: height for height, layer in enumerate(LAYERS) for unit in layer}

# What puts an estimate into words, or warns of it, knows its record for the sake of types alone.
FOR_TYPES = {("report", "answer"), ("warn", "answer")}


class Import(NamedTuple):
    """An import statement: of what, by which module, and when it runs."""

    module: str
    target: str
    when: str  # "at once", "late" (inside a function) or "for types"

    @property
    def units(self):
        return unit_of(self.module), unit_of(self.target)


def unit_of(module):
    """Return the unit a module of the package belongs to: ``autoten.tensors.dense`` is part of ``tensors``."""
    return module.split(".")[1] if "." in module else "__init__"


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(module, node, when="at once"):
    """Yield every import of a module, of names inside the package down to the submodule."""
    if isinstance(node, ast.Import):
        yield from (Import(module, alias.name, when) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        inner = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (Import(module, name if name in MODULES else node.module, when) for name in inner)
    for_types = node.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) else ()
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and when == "at once":
        when = "late"
    for child in ast.iter_child_nodes(node):
        yield from imports_of(module, child, "for types" if child in for_types else when)


IMPORTS = [
    found for module, path in MODULES.items() for found in imports_of(module, ast.parse(path.read_text("utf-8")))
]
INSIDE = [found for found in IMPORTS if found.target.split(".")[0] == "autoten"]


def upward(imports, when):
    """Return the imports of a kind that do not go from a layer to one before it, but for those inside one unit."""
    pairs = [found.units for found in imports if found.when == when and unit_of(found.module) != "__init__"]
    return {(one, other) for one, other in pairs if one != other and HEIGHT[one] <= HEIGHT[other]}


# ------------------------------------------------------------------------------------------------- the order of imports


def test_imports_go_one_way():
    units = {unit_of(module) for module in MODULES} - {"__init__"}
    assert units <= set(HEIGHT), f"say in LAYERS where {sorted(units - set(HEIGHT))} belongs"
    assert upward(INSIDE, "at once") == set()
    assert upward(INSIDE, "late") == set()
    assert upward(INSIDE, "for types") == FOR_TYPES
    # The names of the package are for users; a module that took them would hide where it stands.
    assert [found for found in INSIDE if found.target == "autoten"] == []


def test_an_import_against_the_order_would_be_found():
    source = """
from typing import TYPE_CHECKING
import autoten.plots as p
from autoten import model, estimate_rank
if TYPE_CHECKING:
    from autoten.door import as_tensor
else:
    import json
try:
    from autoten.table import RankTable
except ImportError:
    pass
class C:
    import os
    def m(self):
        if True:
            from autoten.store import load
"""
    seen = {(found.target, found.when) for found in imports_of("autoten.x", ast.parse(source))}
    at_once = {"typing", "autoten.plots", "autoten.model", "autoten", "json", "autoten.table", "os"}
    others = {("autoten.door", "for types"), ("autoten.store", "late")}
    assert seen == {(name, "at once") for name in at_once} | others
    for before, after in pairwise(LAYERS):
        wrong = Import(f"autoten.{before[0]}", f"autoten.{after[0]}.anything", "at once")
        right = Import(f"autoten.{after[0]}.anything", f"autoten.{before[0]}", "at once")
        assert upward([wrong, right], "at once") == {(before[0], after[0])}
    beside = Import(f"autoten.{LAYERS[1][0]}", f"autoten.{LAYERS[1][1]}", "at once")
    assert upward([beside], "at once") == {beside.units}
    assert len(MODULES) > 25


def test_the_map_of_the_package_has_every_room_in_the_order_of_layers():
    rooms = re.findall(r"^\| `(\w+)/?` \|", (CHECKOUT / "docs" / "architecture.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rooms) == sorted(HEIGHT)
    assert [HEIGHT[room] for room in rooms] == sorted(HEIGHT.values())


def test_no_module_needs_itself():
    graph = {module: set() for module in MODULES}
    for found in INSIDE:
        if found.when == "at once":
            graph[found.module].add(found.target)
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_selection_sees_only_the_table_and_scores_never_call_a_solver():
    used = {(found.units[0], found.units[1]) for found in INSIDE if found.when != "for types"}
    assert {other for one, other in used if one == "selection"} == {"selection", "table", "_errors", "_typing"}
    assert not used & {("scores", "solvers"), ("scores", "sweep")}


def test_a_heavy_library_has_one_place_or_is_imported_by_the_calls_that_need_it():
    users = {(found.target.split(".")[0], unit_of(found.module), found.when) for found in IMPORTS}
    for library, owner in (("matplotlib", "plots"), ("sklearn", "sklearn_api")):
        assert {unit for name, unit, _ in users if name == library} == {owner}
    late = {"pandas", "tensorly", "xarray", "dask", "tqdm"}
    assert {name for name, _, when in users if when == "at once"} & late == set()


def patched(code):
    """Return what a program assigns to attributes of modules and classes that it imports."""
    tree = ast.parse(code)
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {(alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names}
    stored = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    return {ast.unparse(node) for node in stored if ast.unparse(node).partition(".")[0] in names}


def test_what_may_be_set_is_a_parameter():
    programs = {path.name: path.read_text("utf-8") for path in (CHECKOUT / "benchmarks").glob("*.py")}
    for path in (CHECKOUT / "examples").glob("*.ipynb"):
        cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
        programs[path.name] = "\n".join("".join(cell["source"]) for cell in cells)
    assert len(programs) > 20
    assert {name: found for name, code in programs.items() if (found := patched(code))} == {}
    code = "import a.b\nfrom c import d as e\nx.y = 1\ne.LIMIT, a.b.LIMIT = 2, 3\nself = e()\nself.z = a"
    assert patched(code) == {"e.LIMIT", "a.b.LIMIT"}


# ----------------------------------------------------------------------------------------------------- weight and speed


def in_a_new_process(statement):
    """Run a statement in a fresh interpreter; return what it has imported and the CPU seconds it took."""
    program = (
        "import json, sys, time\n"
        "began = time.process_time()\n"
        f"{statement}\n"
        "seconds = time.process_time() - began\n"
        "print(json.dumps([seconds, sorted(sys.modules)]))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    seconds, modules = json.loads(done.stdout)
    return seconds, set(modules)


SELDOM = {"sklearn", "matplotlib", "tensorly", "pandas", "xarray", "dask"}
HEAVY = {*SELDOM, "numba", "scipy", "numpy", "joblib", "tqdm"}


def test_import_takes_less_than_a_second_of_the_processor():
    assert any(in_a_new_process("import autoten")[0] < 1.0 for _ in range(3))


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import autoten; dir(autoten); autoten.__version__", HEAVY),
        ("from autoten import RankTable, Choice, select_rank, CPModel, load", SELDOM),
        ("import autoten; autoten.selection", {*SELDOM, "numba", "joblib"}),
        ("import autoten.__main__", {*SELDOM, "numba", "scipy"}),
        (
            "import numpy, autoten\n"
            "X = numpy.random.default_rng(0).random((3, 4, 5))\n"
            "autoten.estimate_rank(X, [1, 2], n_starts=2, n_folds=2, random_state=0).report()",
            SELDOM,
        ),
    ],
)
def test_nothing_heavy_is_imported_early(statement, absent):
    _, modules = in_a_new_process(statement)
    assert "autoten" in modules
    assert sorted(modules & absent) == []


def test_all_names_are_there_and_loaded_when_needed():
    _, modules = in_a_new_process("import autoten\nassert set(autoten.__all__) <= set(dir(autoten)), dir(autoten)")
    assert "autoten.estimate" not in modules
    assert dir(autoten) == sorted(dir(autoten))
    _, modules = in_a_new_process("from autoten import *\nassert callable(estimate_rank) and datasets.load_amino_acids")
    assert {"sklearn", "matplotlib"} <= modules  # the probe sees what is imported


# --------------------------------------------------------------------------------------------------------- public names


@pytest.mark.parametrize("name", autoten.__all__)
def test_every_public_name_leads_somewhere(name):
    value = getattr(autoten, name)
    assert value is getattr(autoten, name)
    assert value.__name__ in {name, f"autoten.{name}"}
    assert value.__doc__


# The stable names of the design whose machinery exists.
PROMISED = """
    estimate_rank RankEstimate load RankTable Choice fit_parafac Fit CPModel core_consistency corrected_core_consistency
    heldout_error factor_match_score pareto_front select_rank ALS HALS KL RandomElements RandomFibres Blocks CountSplit
    AutoTen CP Parts masked read_tensor read_tns split_half preprocess datasets selection plots AutotenWarning
    kl_core_consistency nonnegative_core_consistency
"""


def test_promised_names_are_public_once():
    assert set(PROMISED.split()) <= set(autoten.__all__)
    assert len(set(autoten.__all__)) == len(autoten.__all__)


def test_type_checkers_see_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    froms = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert [alias.asname for statement in froms for alias in statement.names] == autoten.__all__


def test_an_unknown_attribute_is_refused_as_by_any_module():
    with pytest.raises(AttributeError, match=r"^module 'autoten' has no attribute 'estimate_ranks'$"):
        autoten.estimate_ranks  # noqa: B018
    assert not hasattr(autoten, "numpy")
    with pytest.raises(ImportError, match="cannot import name 'estimate_ranks' from 'autoten'"):
        from autoten import estimate_ranks  # noqa: F401


def test_the_version_is_that_of_the_distribution():
    assert autoten.__version__ == version("autoten")
