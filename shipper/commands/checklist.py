"""`shipper checklist`: the guide's checklists, ticked where a report proves it."""

from __future__ import annotations

import os
import pwd
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from shipper.commands.invocation import Invocation, examples, invoked, json_option, refuse
from shipper.commands.moments import NamedDay, as_named_day
from shipper.commands.report import begun_day, made
from shipper.commands.report_sources import open_sources
from shipper.config.main import load
from shipper.files import make_folder
from shipper.reports.checklist import (
    LONGEST,
    TASKS,
    ChecklistItem,
    ItemState,
    Tick,
    append_tick,
    checklist_of,
    needs_attention,
    read_ticks,
)
from shipper.reports.periods import PeriodKind
from shipper.text import safe, safe_json, table

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.config.main import Config

_NO = 1
_KINDS = {"daily": PeriodKind.DAY, "weekly": PeriodKind.WEEK, "monthly": PeriodKind.MONTH}
_SIGNS = {ItemState.DONE: "[x]", ItemState.ATTENTION: "[!]", ItemState.YOURS: "[ ]"}


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@click.command(
    epilog=examples(
        "shipper checklist daily",
        "shipper checklist weekly --tick backups --note 'restored one'",
        "shipper checklist monthly --date 2026-02-05 --json",
    )
)
@click.argument("kind", type=click.Choice(list(_KINDS)))
@click.option(
    "--date",
    "day",
    callback=as_named_day,
    metavar="D",
    default="yesterday",
    show_default=True,
    help="A day of the period: 2026-02-05, today or yesterday.",
)
@click.option("--tick", "item", metavar="ITEM", help="Keep that a person saw to this item.")
@click.option("--note", metavar="TEXT", default="", help="A note for the tick.")
@click.option(
    "--by", metavar="NAME", default=_user, help="Your name; default: the user of this terminal."
)
@json_option("One JSON object per item.")
@invoked
def checklist(  # noqa: PLR0913, PLR0917 - the options
    invocation: Invocation,
    /,
    kind: str,
    day: NamedDay,
    item: str | None,
    note: str,
    by: str,
    *,
    as_json: bool,
) -> int:
    """
    Show the regular checks of a day, week or month, with what proves them.

    KIND is daily, weekly or monthly. An item is done, with its proof; needs attention; or is yours,
    with the command that helps. Exits with 1 if an item needs attention.
    """
    if item is not None and item not in {task.item for task in TASKS[kind]}:
        refuse(f"there is no item {item}; use {', '.join(t.item for t in TASKS[kind])}")
    config = load(invocation.config)
    found = begun_day(config, _KINDS[kind], day, invocation.now())
    with open_sources(config, invocation.now()) as sources:
        document = made(config, sources, _KINDS[kind], found)
        if item is not None:
            tick = Tick(
                checklist=kind,
                period=document.name,
                item=item,
                by=by[:LONGEST],
                at=sources.now,
                note=note[:LONGEST],
            )
            append_tick(_folder(config), tick)
        items = checklist_of(document, read_ticks(config.data_dir))
        when = {each.item: sources.local(each.ticked_at) for each in items if each.ticked_at}
    for line in _json(items) if as_json else _text(document.title, items, when):
        click.echo(line)
    return _NO if needs_attention(items) else 0


def _folder(config: Config) -> Path:
    make_folder(config.data_dir)
    return config.data_dir


def _json(items: list[ChecklistItem]) -> list[str]:
    return [safe_json(asdict(each)) for each in items]


def _text(title: str, items: list[ChecklistItem], when: dict[str, str]) -> list[str]:
    rows = []
    for each in items:
        helps = f"→ {each.command}" if each.state is not ItemState.DONE else ""
        ticked = ""
        if each.ticked_by:
            note = f": {each.note}" if each.note else ""
            ticked = f"ticked by {each.ticked_by}, {when[each.item]}{note}"
        said = "  ".join(filter(None, (ticked, each.proof, helps)))
        rows.append((_SIGNS[each.state], each.item, each.text, safe(said)))
    return [title, *table(rows)]
