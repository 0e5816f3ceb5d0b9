"""`shipper deadletters`: list, show, send again or drop refused events."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import click
import msgspec

from shipper.agent import positions, requests
from shipper.commands.invocation import (
    Invocation,
    common_options,
    examples,
    invoked,
    json_option,
    refuse,
)
from shipper.commands.moments import moment_option
from shipper.commands.registry import wait_option
from shipper.config.main import load
from shipper.deliver.deadletters import DeadLetters
from shipper.process import data_folder
from shipper.text import Paint, counted, safe, safe_json, table

if TYPE_CHECKING:
    from shipper.agent.requests import RequestOutcome
    from shipper.config.main import Config
    from shipper.deliver.deadletters import DeadLetter, Line

NONE: Final = "no dead letters"
MAX_REASON_CHARACTERS = 100  # in a list

all_option = click.option("--all", "everything", is_flag=True, help="Select all dead letters.")
ids_argument = click.argument("ids", nargs=-1, metavar="[ID]...")


@click.group(
    epilog=examples(
        "shipper deadletters list --since 1d",
        "shipper deadletters show 01JKABCDEFGHJKMNPQRSTVWXYZ-17",
        "shipper deadletters replay --all",
    )
)
@common_options
def deadletters() -> None:
    """
    List, show, send again or drop dead letters.

    An event that the output refuses both as it is and as text becomes a dead letter, with the
    reason. Its ID is the `_id` that the record would have.
    """


@deadletters.command(
    "list",
    epilog=examples("shipper deadletters list", "shipper deadletters list --json | jq -r .reason"),
)
@moment_option("--since", "Refused since this time.")
@json_option("One JSON object per line, without documents.")
@invoked
def list_(invocation: Invocation, since: int | None, *, as_json: bool) -> int:
    """
    List the dead letters, and how many there are per reason.

    A letter that was refused several times is shown once, with the last reason. Exits with 1 if
    there is none.
    """
    letters, times = _newest(_open(load(invocation.config)))
    chosen = [letter for letter in letters if since is None or letter.at_ms >= since]
    if as_json:
        for letter in chosen:
            summary = {"_id": letter.id, "dataset": letter.dataset, "reason": letter.reason}
            click.echo(safe_json({**summary, "at": letter.at, "times": times[letter.id]}))
    elif chosen:
        click.echo("\n".join(_listed(chosen, Paint(invocation.colors))))
    else:
        click.echo(NONE, err=True)
    return 0 if chosen else 1


def _newest(letters: DeadLetters) -> tuple[list[DeadLetter], Counter[str]]:
    """Return the last letter of each id, in the order of the file, and its number of lines."""
    newest: dict[str, DeadLetter] = {}
    times: Counter[str] = Counter()
    for line in letters.read():
        newest.pop(line.letter.id, None)
        newest[line.letter.id] = line.letter
        times[line.letter.id] += 1
    return list(newest.values()), times


def _listed(letters: list[DeadLetter], paint: Paint) -> list[str]:
    rows = [
        [safe(letter.at), safe(letter.id), safe(letter.dataset), _short(letter.reason)]
        for letter in letters
    ]
    heading, *lines = table([["refused", "id", "dataset", "reason"], *rows])
    reasons = Counter(_short(letter.reason) for letter in letters)
    counts = [f"{count:>8,}  {reason}" for reason, count in reasons.most_common()]
    return [paint.strong(heading), *lines, "", paint.strong("   count  reason"), *counts]


def _short(reason: str) -> str:
    first = safe(" ".join(reason.split()))
    return (
        first if len(first) <= MAX_REASON_CHARACTERS else f"{first[: MAX_REASON_CHARACTERS - 1]}…"
    )


@deadletters.command(epilog=examples("shipper deadletters show 0123456789abcdef0123-512"))
@click.argument("letter_id", metavar="ID")
@invoked
def show(invocation: Invocation, letter_id: str) -> int:
    """
    Show a dead letter with its document, as JSON.

    Exits with 1 if there is no such letter.
    """
    found = None
    for line in _open(load(invocation.config)).read():
        if line.letter.id == letter_id:
            found = line.letter
    if found is None:
        click.echo(
            f"there is no dead letter {safe(letter_id)}; see shipper deadletters list", err=True
        )
        return 1
    text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode(errors="replace")
    click.echo("\n".join(map(safe, text.splitlines())))
    return 0


@deadletters.command(
    epilog=examples(
        "shipper deadletters replay 01JKABCDEFGHJKMNPQRSTVWXYZ-17",
        "shipper deadletters replay --all",
    )
)
@ids_argument
@all_option
@wait_option
@invoked
def replay(invocation: Invocation, ids: tuple[str, ...], *, everything: bool, wait: int) -> int:
    """
    Send dead letters again, once the cause is fixed.

    They are delivered like all records: retried until the output answers, sent as text if it
    refuses them, and dead letters again if it refuses the text too. A letter is removed when its
    record is stored. A running shipper sends them itself; otherwise this command does. Exits with
    1 if a letter was refused again, or if there was none.
    """
    config = load(invocation.config)
    lines = _chosen(_open(config), ids, everything=everything)
    if not lines:
        click.echo(_none_found(everything=everything), err=True)
        return 1
    request = requests.ReplayRequest(None if everything else ids)
    outcomes = _replay(invocation, config, request, wait)
    counts = {each.subject: each.count for each in outcomes}
    stored = f"{counts['stored']} sent again and stored, {counts['before']} already stored"
    click.echo(f"{stored}, {counts['refused']} refused again")
    return 1 if counts["refused"] else 0


def _none_found(*, everything: bool) -> str:
    return NONE if everything else "there is no such dead letter; see shipper deadletters list"


def _replay(
    invocation: Invocation, config: Config, request: requests.ReplayRequest, wait: int
) -> tuple[RequestOutcome, ...]:
    if data_folder.holder_of(config.data_dir) is not None:
        return positions.hand_over(config, request, invocation.clock, wait / 1000)
    from shipper.agent.loop import replay_at_once  # noqa: PLC0415 -- the whole shipper

    return replay_at_once(config, request)


@deadletters.command(epilog=examples("shipper deadletters drop --all --yes"))
@ids_argument
@all_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@invoked
def drop(invocation: Invocation, ids: tuple[str, ...], *, everything: bool, yes: bool) -> int:
    """
    Drop dead letters permanently.

    Asks for confirmation on a terminal; elsewhere it needs --yes. Exits with 1 if nothing was
    dropped.
    """
    letters = _open(load(invocation.config))
    lines = _chosen(letters, ids, everything=everything)
    count = len({line.letter.id for line in lines})
    if not count:
        click.echo(_none_found(everything=everything), err=True)
        return 1
    if not yes:
        if not sys.stdin.isatty():
            refuse("dropping needs a confirmation; use --yes where there is no terminal")
        if not click.confirm(
            f"Drop {counted(count, 'dead letter')}? Their records will be lost", err=True
        ):
            return 1
    letters.remove([line.mark for line in lines])
    click.echo(f"{counted(count, 'dead letter')} dropped")
    return 0


def _open(config: Config) -> DeadLetters:
    return DeadLetters(config.data_dir / data_folder.DEAD_LETTERS)


def _chosen(letters: DeadLetters, ids: tuple[str, ...], *, everything: bool) -> list[Line]:
    if everything == bool(ids):
        refuse("give the IDs of dead letters, or --all")
    return [line for line in letters.read() if everything or line.letter.id in ids]
