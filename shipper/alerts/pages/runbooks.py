"""
The runbooks: a file of Markdown per problem, whose numbered steps a page shows.

Anything else in the file (what the symptoms are, what it means) is for who opens it. A rule may
name an address or a path instead; nothing that a log line holds chooses a file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

MOST_STEPS: Final = 12
MOST_BYTES: Final = 256 * 1024
_STEP = re.compile(r"^\d{1,2}[.)] +(.+)$")


def steps_of(runbook: str | None, folder: Path) -> tuple[str, ...]:
    """Return the steps of a runbook; what is wrong with it where there are none."""
    if not runbook:
        return ()
    if "://" in runbook:
        return (runbook,)
    path = Path(runbook) if runbook.endswith(".md") else folder / f"{runbook}.md"
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MOST_BYTES)
    except (OSError, ValueError):
        return (f"There is no runbook {path}; write one with numbered steps.",)
    return tuple(_steps(text)[:MOST_STEPS]) or (f"See {path}.",)


def _steps(text: str) -> list[str]:
    """Return the numbered lines, each with the lines that continue it."""
    steps: list[str] = []
    inside = False
    for line in text.splitlines():
        if found := _STEP.match(line):
            steps.append(found[1].strip())
        elif inside and line.startswith("   ") and line.strip():
            steps[-1] += f" {line.strip()}"
        inside = bool(found) or (inside and line.startswith("   ") and bool(line.strip()))
    return steps
