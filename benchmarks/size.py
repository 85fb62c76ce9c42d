"""How large the house is: lines, longest function, widest signature, and imports that go in a circle.

python benchmarks/size.py
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYOUT = ("COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENCODING", "ENDMARKER")


def lines_of_code(source: str) -> int:
    """Return how many lines hold code: no blank ones, no comments, no docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    used = {n for t in tokens if tokenize.tok_name[t.type] not in LAYOUT for n in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            used -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(used)


def functions(path: Path) -> Iterator[tuple[int, int, str]]:
    """Yield lines without docstring, number of parameters and place of every function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (node.end_lineno or 0) - first[0].lineno + 1 if first else 0
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            yield length, len(arguments), f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def imports(path: Path, *, late: bool) -> set[str]:
    """Return the modules of the package that one imports: at once, or also in functions and for types."""
    tree, found = ast.parse(path.read_text("utf-8")), set()
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("autoten"):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def circle(late: bool) -> str:
    """Return a circle of imports within the package, or that there is none."""
    paths = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in (ROOT / "autoten").rglob("*.py")}
    graph = {name: (imports(path, late=late) & set(paths)) - {name} for name, path in paths.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " <- ".join(error.args[1])
    return "none"


def main() -> None:
    """Print all of that."""
    for folder in ("autoten", "tests", "benchmarks"):
        paths = sorted((ROOT / folder).rglob("*.py"))
        sources = [path.read_text("utf-8") for path in paths]
        code, lines = sum(map(lines_of_code, sources)), sum(len(source.splitlines()) for source in sources)
        print(f"{folder:10s} {code:6,} lines of code, {lines:6,} lines in all, {len(paths):3d} files")
    found = [each for path in (ROOT / "autoten").rglob("*.py") for each in functions(path)]
    longest, widest = max(found), max(found, key=lambda each: each[1])
    print(f"longest function: {longest[0]} lines without docstring, {longest[2]}")
    print(f"widest signature: {widest[1]} parameters, {widest[2]}")
    print(f"circle of imports: {circle(late=False)}; late ones and those for types counted: {circle(late=True)}")


if __name__ == "__main__":
    main()
