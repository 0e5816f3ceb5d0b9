"""`shipper redact`: what redaction finds in files, and what it makes of their records."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from shipper.agent.dry_run import events_of, files_of
from shipper.agent.treatment import redactor_with
from shipper.commands.invocation import Invocation, examples, invoked, json_option
from shipper.config.main import load
from shipper.config.redact import RedactOptions
from shipper.text import Paint, counted, safe, safe_json, table

if TYPE_CHECKING:
    from shipper.config.main import Config

FOUND, NOTHING_FOUND = 0, 1


@click.command(
    epilog=examples(
        "shipper redact --report",
        "shipper redact --report /var/log/app/*.log",
        "shipper redact logs/app.log | grep redacted",
    )
)
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--report", is_flag=True, help="Count what is found, by detector and field.")
@json_option("The report as one JSON object per line.")
@invoked
def redact(
    invocation: Invocation, /, *, files: tuple[Path, ...], report: bool, as_json: bool
) -> int:
    """
    Show the records of FILES as they would be stored, without secrets.

    Without FILES: those of the inputs. Nothing is written or sent. The report says how many secrets
    of which kind are in which field, and never shows one; it exits with 1 if there are none. A
    config without the section `redact` is taken to look for all of them.
    """
    config = load(invocation.config)
    options = config.redact or RedactOptions()
    if report:
        return _report(config, options, files, invocation, as_json=as_json)
    redactor = redactor_with(options)
    chosen = files or files_of(config)
    for path in chosen:
        for events in events_of(config, path, invocation.now()):
            for document in redactor.redact(events).docs:
                click.echo(safe_json(msgspec.json.decode(document)))
    if not chosen:
        click.echo("shipper: the inputs match no file", err=True)
    return FOUND


def _report(
    config: Config,
    options: RedactOptions,
    files: tuple[Path, ...],
    invocation: Invocation,
    *,
    as_json: bool,
) -> int:
    found: Counter[tuple[str, str]] = Counter()
    files_with: dict[tuple[str, str], int] = defaultdict(int)
    records = withheld = 0
    chosen = files or files_of(config)
    for path in chosen:
        redactor = redactor_with(options, by_field=True)
        for events in events_of(config, path, invocation.now()):
            records += len(events)
            redactor.redact(events)
        withheld += redactor.withheld
        for key, count in redactor.found.items():
            found[key] += count
            files_with[key] += count > 0
    rows = [(*key, count, files_with[key]) for key, count in found.most_common() if count]
    names = ("detector", "field", "found", "files")
    if as_json:
        lines = [safe_json(dict(zip(names, row, strict=True))) for row in rows]
    else:
        cells = [[safe(a), safe(b), f"{count:,}", f"{many:,}"] for a, b, count, many in rows]
        heading, *lines = table([names, *cells], right={2, 3})
        lines = [Paint(invocation.colors).strong(heading), *lines] if rows else []
    if lines:
        click.echo("\n".join(lines))
    searched = f"{counted(records, 'record')} of {counted(len(chosen), 'file')} searched"
    also = f", {counted(withheld, 'record')} withheld" if withheld else ""
    click.echo(f"shipper: {searched}{also}", err=True)
    return FOUND if rows else NOTHING_FOUND
