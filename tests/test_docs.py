"""The docs are complete: whatever a user can set, type or search for is written down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from shipper.cli import main
from shipper.fields import ALIASES, FIELDS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
PAGES += [*ROOT.glob("bench/*.md"), *ROOT.glob("examples/**/*.md")]


def commands(
    command: click.Command, name: str, context: click.Context | None = None
) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name, groups too."""
    yield name, command
    if isinstance(command, click.Group):
        here = click.Context(command, info_name=name, parent=context)
        for below in command.list_commands(here):
            found = command.get_command(here, below)
            assert found is not None
            yield from commands(found, f"{name} {below}", here)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as code hosts make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def undocumented(text: str, name: str, command: click.Command) -> Iterator[str]:
    """Yield what is missing of a command: its heading, or options in its section."""
    section = re.search(rf"^#+ `{name}.*$([\s\S]*?)(?=^#+ `shipper|\Z)", text, re.MULTILINE)
    shared = {"--config", "--debug"} if name != "shipper" else set()
    flags = {flag for each in command.params for flag in each.opts if flag.startswith("--")}
    if section is None:
        yield f"a heading `{name}`"
    else:
        yield from (f"{name} {flag}" for flag in flags - shared if flag not in section[1])


def test_every_command_is_documented() -> None:
    """docs/commands.md has a heading per command, and every option below it."""
    text = (ROOT / "docs/commands.md").read_text()

    missing = [
        told for name, each in commands(main, "shipper") for told in undocumented(text, name, each)
    ]

    assert missing == []


def test_every_field_is_documented() -> None:
    """docs/search.md has a row for every field of a record: kind, ECS name, meaning."""
    text = (ROOT / "docs/search.md").read_text()
    names = {name: f"`{alias}`" for alias, name in ALIASES.items()}
    rows = [
        f"| `{field.name}` | {field.kind} | {names.get(field.name, '')} | {field.meaning} |"
        for field in FIELDS.values()
    ]

    assert [row for row in rows if row not in text] == []


def test_every_tag_is_documented() -> None:
    """docs/guarantees.md names every tag that a record can get."""
    text = (ROOT / "docs/guarantees.md").read_text()
    source = (ROOT / "shipper/enrich/odd.py").read_text()
    tags = {*re.findall(r'tags\.append\("(\w+)"\)', source), "not_json", "rejected"}

    assert {tag for tag in tags if f"`{tag}`" not in text} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A link within the repository leads to a file, and to a heading that is there."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_every_module_that_is_named_is_there(page: str) -> None:
    """A path of a module in the pages that lead to the code is one that exists."""
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", text))
    seams = {path.name for path in (ROOT / "shipper").glob("*.py")}

    gone = {
        name
        for name in named - seams
        if not (ROOT / name).exists() and not (ROOT / "shipper" / name).exists()
    }
    # `main.py` in a line about `config/` is one of that folder.
    assert {name for name in gone if "/" in name} == set()
