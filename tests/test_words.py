"""What users read is in the words of the field: phrases that were retired do not come back."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from shipper.cli import main

ROOT = Path(__file__).parent.parent
# docs/faults.md quotes what the tests saw.
PAGES = [
    "README.md",
    *(f"docs/{page.name}" for page in sorted(ROOT.glob("docs/*.md")) if page.name != "faults.md"),
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("config/runbooks/*.md"))),
]
RETIRED = re.compile(
    r"\btold\b|\btells (?:people|it|them|who)\b|taken (?:up|over)\b|given up\b|let go of"
    r"|never not\b|there cannot be|\bmend(?:ed|s)?\b|\babsorbs?\b|gone unread|dead man's ping"
    r"|\b1 (?:pages|records|rules|files|hosts)\b"
)
# What code says to people, or calls a thing; `told_at` is in ledgers that exist.
RETIRED_IN_CODE = re.compile(RETIRED.pattern + r"|[Ll]et go of|\b[Tt]ellers?\b|\b_told\b")
SOURCES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("shipper/**/*.py"))


def found(text: str) -> list[str]:
    """Return the lines with a retired phrase."""
    return [line.strip() for line in text.splitlines() if RETIRED.search(line)]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_retired_words(page: str) -> None:
    """A page says notified, reported, dropped, fixed: what the reader knows from elsewhere."""
    assert found((ROOT / page).read_text()) == []


@pytest.mark.parametrize("source", SOURCES)
def test_the_code_has_no_retired_words(source: str) -> None:
    """Errors, log lines, docstrings and names speak as the pages do."""
    lines = (ROOT / source).read_text().splitlines()

    assert [line.strip() for line in lines if RETIRED_IN_CODE.search(line)] == []


def commands(command: click.Command, *names: str) -> list[tuple[str, click.Command]]:
    """Return a command and all below it, by their full names."""
    below = []
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            below += commands(inner, *names, name)
    return [(" ".join(("shipper", *names)), command), *below]


@pytest.mark.parametrize(("name", "command"), commands(main), ids=str)
def test_help_has_no_retired_words(name: str, command: click.Command) -> None:
    """`--help` speaks as the pages do."""
    help_text = command.get_help(click.Context(command, info_name=name))

    assert found(help_text) == []
