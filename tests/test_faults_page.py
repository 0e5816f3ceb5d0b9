"""docs/faults.md is what the tests of faults say: no test is without a row, no row without one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"\| `(faults/\w+\.py)::(\w+)(?:\[[^`]*\])?` \|$", re.MULTILINE)


def noted_in_tests() -> set[tuple[str, str]]:
    """Return file and name of every test that notes the outcome of a fault."""
    return {
        (f"faults/{path.name}", node.name)
        for path in ROOT.glob("tests/faults/test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and "outcome" in {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
    }


def test_the_page_has_every_fault() -> None:
    """Every test of a fault has its row in docs/faults.md, every row its test."""
    rows = {*ROW.findall((ROOT / "docs/faults.md").read_text())}

    assert rows == noted_in_tests(), "make faults-table"


def test_no_row_tells_of_a_loss() -> None:
    """The page that is shown to users has no loss and no double but where holds are off."""
    text = (ROOT / "docs/faults.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.endswith("` |")]

    bad = [row[0] for row in rows if (row[2], row[3]) != ("0", "0")]

    assert [name for name in bad if "holds switched off" not in name] == []
