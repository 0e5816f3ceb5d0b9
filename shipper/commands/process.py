"""`shipper process`: what the processors of the config make of records, without shipping them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from shipper.agent.dry_run import events_of
from shipper.agent.treatment import Treatment
from shipper.commands.invocation import Invocation, examples, invoked, refuse
from shipper.config.main import load
from shipper.processors.cases import CaseOutcome, run_cases
from shipper.text import Paint, counted, safe, safe_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config.main import Config

PASSED, FAILED = 0, 1


@click.command(
    epilog=examples(
        "shipper process logs/app.log --limit 3",
        "shipper process --test config/processors.test.yml",
    )
)
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--test",
    "cases",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="CASES",
    help="Run the cases of a YAML file in place of showing records.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="How many records to show.",
)
@invoked
def process(invocation: Invocation, /, *, file: Path | None, cases: Path | None, limit: int) -> int:
    """
    Show the first records of FILE before and after processors and redaction.

    Nothing is written or sent. With --test it exits with 1 if a case fails.
    """
    if (file is None) == (cases is None):
        refuse("give a FILE with log lines, or --test with a file of cases")
    config = load(invocation.config)
    if cases is not None:
        return _test(config, cases, invocation)
    assert file is not None
    paint = Paint(invocation.colors)
    for number, (before, after) in enumerate(_records(config, file, invocation.now())):
        if number == limit:
            break
        click.echo(paint.dim(f"- {safe_json(before)}"))
        click.echo("  dropped" if after is None else f"+ {safe_json(after)}")
    return PASSED


def _records(config: Config, path: Path, now: int) -> Iterator[tuple[Any, Any]]:
    """Yield the records of a file before and after; None for one that is dropped."""
    treatment = Treatment(config)
    for events in events_of(config, path, now):
        before = dict(zip(events.ids, map(bytes, events.docs), strict=True))
        left, _ = treatment.apply(events)
        after = dict(zip(left.ids, left.docs, strict=True))
        for origin, doc in before.items():
            new = after.get(origin)
            yield msgspec.json.decode(doc), None if new is None else msgspec.json.decode(new)


def _test(config: Config, path: Path, invocation: Invocation) -> int:
    outcomes = run_cases(path, Treatment(config).apply)
    paint = Paint(invocation.colors)
    for each in outcomes:
        click.echo(_outcome_text(each, paint))
    failed = sum(bool(each.faults) for each in outcomes)
    click.echo(f"{counted(len(outcomes), 'case')}, {failed:,} failed")
    return FAILED if failed else PASSED


def _outcome_text(outcome: CaseOutcome, paint: Paint) -> str:
    name = safe(outcome.name)
    if not outcome.faults:
        return f"{paint.level('ok', 'INFO')}      {name}"
    faults = "".join(f"\n        {safe(fault)}" for fault in outcome.faults)
    return f"{paint.level('failed', 'ERROR')}  {name}{faults}"
