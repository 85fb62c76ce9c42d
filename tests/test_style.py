"""What the linter does not know: no kernel takes a row of arguments, and no function is longer than a page."""

import ast
from pathlib import Path

import autoten

PACKAGE = Path(autoten.__file__).resolve().parent

MOST_ARGUMENTS = 8
MOST_LINES = 60


def functions(source):
    """Return every function of a program with its arguments, its lines without docstring, and if it is compiled."""
    found, tree = {}, ast.parse(source)
    calls = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = node.end_lineno - body[0].lineno + 1 if body else 0
            inputs = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            around = {ast.unparse(each) for each in node.decorator_list} | (calls & {f"compiled({node.name})"})
            compiled = any(name in each for each in around for name in ("compiled", "njit"))
            found[node.name, node.lineno] = len(inputs), length, compiled
    return found


def test_no_function_is_longer_than_a_page_and_no_kernel_has_more_arguments_than_one_can_tell_apart():
    measured = {
        (path.relative_to(PACKAGE).as_posix(), *where): measures
        for path in sorted(PACKAGE.rglob("*.py"))
        for where, measures in functions(path.read_text(encoding="utf-8")).items()
    }
    assert len(measured) > 300
    assert sum(compiled for _, _, compiled in measured.values()) > 30
    assert {where: n for where, (n, _, compiled) in measured.items() if compiled and n > MOST_ARGUMENTS} == {}
    assert {where: length for where, (_, length, _) in measured.items() if length > MOST_LINES} == {}


def test_the_reader_sees_what_it_should():
    source = '''
@compiled
def kernel(a, b, *, c):
    """Say.

    More.
    """
    x = 1

    return x


later = compiled(loop)
def loop(a, *rest, **options): return a


class C:
    @property
    def m(self):
        def inner(): ...
        return 2
'''
    assert {name: measured for (name, _), measured in functions(source).items()} == {
        "kernel": (3, 3, True),
        "loop": (1, 1, True),
        "m": (1, 2, False),
        "inner": (0, 1, False),
    }
