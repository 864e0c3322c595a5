"""No file and no function of the package outgrows what a reader can hold.

A file of more than 300 lines, or a function of more than 40, usually does two things, of which one has no name and no
test of its own; whoever looks for it reads all of it. Both limits stand in CONTRIBUTING.md. Of a function its body
counts, without signature and docstring, because long docstrings and keyword arguments are wanted.
"""

from __future__ import annotations

import ast
from pathlib import Path

import shiftgauge

SOURCE = Path(shiftgauge.__file__).parent
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 40


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement behind the docstring to the end; 0 where a docstring is all there is."""
    first = 1 if ast.get_docstring(function, clean=False) is not None else 0
    inside = function.body[first:]
    return inside[-1].end_lineno - inside[0].lineno + 1 if inside else 0


def long_functions(text: str, most: int) -> list[tuple[str, int]]:
    """Name and length of every function, within others and in classes too, that is longer."""
    found = [
        (node.name, body_lines(node))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return [(name, lines) for name, lines in found if lines > most]


def test_files_have_at_most_300_lines():
    lines = {str(path.relative_to(SOURCE)): len(path.read_text("utf-8").splitlines()) for path in SOURCE.rglob("*.py")}
    assert len(lines) > 100
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}


def test_functions_have_at_most_40_lines():
    found = {
        f"{path.relative_to(SOURCE)}: {name}": lines
        for path in SOURCE.rglob("*.py")
        for name, lines in long_functions(path.read_text("utf-8"), MOST_LINES_OF_A_FUNCTION)
    }
    assert found == {}


def test_signature_and_docstring_do_not_count_and_inner_functions_do():
    docstring = '    """Says.\n\n    More.\n    """\n'
    text = f"def outer(\n    a,\n    b,\n):\n{docstring}    def inner():\n        return a\n\n    return inner\n"
    assert long_functions(text, 3) == [("outer", 4)]
    assert long_functions(text, 0) == [("outer", 4), ("inner", 1)]
    assert long_functions('def bare():\n    """Says."""\n', 0) == []
