"""`shipper search`: find, count, group or follow records."""

from __future__ import annotations

import itertools
import time
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from shipper.commands.invocation import (
    Invocation,
    examples,
    invoked,
    json_option,
    refuse,
)
from shipper.commands.moments import as_zone, duration_option, moment_option
from shipper.commands.stores import open_store
from shipper.errors import QueryError, StoreUnavailable
from shipper.fields import ALIASES, FIELDS
from shipper.store.api import DateHistogram, Question, Selection, Sort, Terms, buckets_of
from shipper.store.hit_text import hit_json, hit_text
from shipper.store.opening import ReadLimits
from shipper.store.query.parser import parse
from shipper.store.query.tokens import escaped
from shipper.store.query.tree import fields_of
from shipper.text import Paint, counted, safe
from shipper.view import buckets as view

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from shipper.store.api import AggregateAnswer, Hit, Store

FOUND, NOTHING_FOUND = 0, 1
POLL_SECONDS = 0.2
MAX_UNKNOWN = 5  # fields of a query that are looked for when nothing was found
MAX_SLOTS = 10_000  # more lines than anybody reads; a store keeps them all in memory


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The options of the command line."""

    query: tuple[str, ...]
    since: int | None
    until: int | None
    limit: int | None
    sort: str | None
    as_json: bool
    count: bool
    by: tuple[str, ...]
    every: int | None
    follow: bool
    timeout: int
    partial: bool
    zone: tzinfo

    def __post_init__(self) -> None:
        """Refuse options that cannot be combined."""
        given = {
            "--follow": self.follow,
            "--count": self.count,
            "--by": bool(self.by),
            "--every": self.every is not None,
            "--sort": self.sort is not None,
            "--limit": self.limit is not None,
            "--until": self.until is not None,
        }
        excluded = {
            "--follow": ("--count", "--by", "--every", "--sort", "--until"),
            "--count": ("--by", "--every", "--sort", "--limit"),
            "--by": ("--sort",),
            "--every": ("--sort",) if self.by else ("--sort", "--limit"),
        }
        for option, others in excluded.items():
            clash = next((other for other in others if given[option] and given[other]), None)
            if clash:
                refuse(f"{option} and {clash} cannot be combined; use one of them")

        if len(self.by) > 1:
            refuse("--by takes one field; give it once, and run the command once per field")
        if self.since is not None and self.until is not None and self.since >= self.until:
            refuse("--since is not before --until; give an earlier --since or a later --until")

    @property
    def selection(self) -> Selection:
        """The records to search; the words that the shell split are one query."""
        return Selection(" ".join(self.query), self.since, self.until)

    def until_now(self, now: int) -> Selection:
        """Return the records to count per slot, up to the end of the current one."""
        end = now // (self.every or 1) * (self.every or 1) + (self.every or 1)
        return Selection(
            self.selection.query, self.since, end if self.until is None else self.until
        )


@click.command(
    epilog=examples(
        "shipper search level:ERROR --since 15m",
        "shipper search 'status_code:>=500 AND path:/api/*' --since 2h --limit 200",
        "shipper search 'message:\"timed out\"' --json | jq .exc_info",
        "shipper search level:ERROR --since 7d --by error_type",
        "shipper search event.dataset:orchestrator.access --since 1h --every 5m",
        "shipper search level:ERROR --follow",
    )
)
@click.argument("query", nargs=-1)
@moment_option(
    "--since", "From this time on: 15m, 2h, 7d (ago), 03:00, today, yesterday or ISO 8601."
)
@moment_option("--until", "Before this time, in the same forms. Default of --every: now.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many records to show (50), values of --by (10), or records before --follow (10; "
    "1000 with --since).",
)
@click.option(
    "--sort",
    type=click.Choice([sort.value for sort in Sort]),
    help="Oldest or newest first. Default: the newest records, oldest of them first.",
)
@json_option()
@click.option("--count", is_flag=True, help="Print only the number of records.")
@click.option("--by", multiple=True, metavar="FIELD", help="Count records per value of a field.")
@duration_option("--every", "Count records per time slot, such as 1m.")
@click.option(
    "--tz",
    "zone",
    callback=as_zone,
    is_eager=True,
    metavar="ZONE",
    help="Zone of the times given and shown: local, UTC (default), Europe/Berlin, +02:00. Not of "
    "--json.",
)
@click.option("--follow", is_flag=True, help="Show new records as they arrive, until Ctrl-C.")
@duration_option("--timeout", "Time limit of the query in the embedded store.", default="60s")
@click.option(
    "--partial",
    is_flag=True,
    help="Answer without the damaged files of the embedded store, and name them.",
)
@invoked
def search(invocation: Invocation, /, **given: Any) -> int:
    """
    Find, count, group or follow records.

    QUERY consists of field:value, ranges, AND, OR, NOT, "phrases" and wildcards (docs/search.md).
    Without QUERY all records match. Times are UTC unless --tz is given. Exits with 1 if no record
    matches.
    """
    options = SearchOptions(**given)
    _check_slots(options, invocation)
    limits = ReadLimits(options.timeout / 1000, _warn if options.partial else None)
    with open_store(invocation, limits) as store:
        if options.follow:
            return _follow(store, options, invocation)
        code = _answer(store, options, invocation)
        if code == NOTHING_FOUND and invocation.interactive:
            with suppress(QueryError, StoreUnavailable):  # a hint, and no reason to fail
                _say_why_nothing(store, options.selection)
    return code


def _answer(store: Store, options: SearchOptions, invocation: Invocation) -> int:
    if options.count:
        return _count(store, options)
    if options.every is None:
        if options.by:
            return _by(store, options, options.by[0], invocation)
        return _hits(store, options, invocation)
    if options.by:
        code = _by_every(store, options, options.by[0], options.every, invocation)
    else:
        code = _every(store, options, options.every, invocation)
    if options.until is None:
        end = options.until_now(invocation.now()).until
        later = store.count(Selection(options.selection.query, since=end))
        if later:
            left = f"{counted(later, 'record')} dated in the future"
            click.echo(f"shipper: {left} left out; see them with --since now", err=True)
    return code


def _say_why_nothing(store: Store, selection: Selection) -> None:
    if store.count(selection) == 0:  # --by may have found records without its field
        click.echo(f"shipper: {_why_nothing(store, selection.query)}", err=True)


def _why_nothing(store: Store, query: str) -> str:
    """Return why a query found nothing: a field that no record has, if there is one."""
    unknown = {field for field, _ in fields_of(parse(query)) if field.startswith("extra.")}
    for field in sorted(unknown)[:MAX_UNKNOWN]:
        if store.count(Selection(f"{escaped(field)}:*")) == 0:
            name = field.removeprefix("extra.")
            return f"no record has a field {safe(name)}{_meant(name)}"
    return "no record matches"


def _meant(name: str) -> str:
    likely = get_close_matches(name, [*FIELDS, *ALIASES], 1)
    return f"; did you mean {likely[0]}?" if likely else ""


def _warn(damaged: Path, fault: str) -> None:
    click.echo(safe(f"shipper: left out {damaged}: {fault}"), err=True)


def _hits(store: Store, options: SearchOptions, invocation: Invocation) -> int:
    found = store.search(
        options.selection, limit=options.limit or 50, sort=Sort(options.sort or Sort.DESC)
    )
    oldest_first = _in_order(found.hits if options.sort == Sort.ASC else found.hits[::-1])
    in_order = oldest_first[::-1] if options.sort == Sort.DESC else oldest_first
    _print(_rendered(in_order, options, invocation))
    left = found.total - len(found.hits)
    if left and not options.as_json and invocation.interactive:
        which = "oldest" if options.sort == Sort.ASC else "newest"
        click.echo(
            f"showing the {which} {len(found.hits):,} of {found.total:,} records; see --limit",
            err=True,
        )
    return FOUND if found.total else NOTHING_FOUND


def _in_order(hits: Sequence[Hit]) -> list[Hit]:
    """Return hits of rising time with those of one run and millisecond by their number."""
    ordered: list[Hit] = []
    for _, same in itertools.groupby(hits, key=lambda hit: hit.time):
        together = list(same)
        if len(together) > 1:
            together.sort(key=lambda hit: (hit.source.get("run", ""), hit.source.get("seq", 0)))
        ordered += together
    return ordered


def _count(store: Store, options: SearchOptions) -> int:
    count = store.count(options.selection)
    click.echo(count)
    return FOUND if count else NOTHING_FOUND


def _by(store: Store, options: SearchOptions, field: str, invocation: Invocation) -> int:
    terms = Terms(field, size=options.limit or 10)
    (answer,) = store.ask([Question(options.selection, {"values": terms})])
    values = buckets_of(answer, "values")
    if not values.buckets:
        return _nothing_has(field, answer)
    if options.as_json:
        _print(view.shares_json(values, answer.total))
    else:
        paint = Paint(invocation.colors)
        _print(view.shares_text(field, values, answer.total, invocation.width, paint))
    return FOUND


def _every(store: Store, options: SearchOptions, interval: int, invocation: Invocation) -> int:
    selection = options.until_now(invocation.now())
    (answer,) = store.ask([Question(selection, {"slots": DateHistogram(interval)})])
    if not answer.total:
        return NOTHING_FOUND
    slots = _slots(answer, interval, options, invocation)
    if options.as_json:
        _print(view.slots_json(slots))
    else:
        _print(view.slots_text(slots, invocation.width, Paint(invocation.colors)))
    return FOUND


def _by_every(
    store: Store, options: SearchOptions, field: str, interval: int, invocation: Invocation
) -> int:
    histogram = DateHistogram(interval)
    terms = Terms(field, options.limit or 10, {"slots": histogram})
    selection = options.until_now(invocation.now())
    (answer,) = store.ask([Question(selection, {"slots": histogram, "values": terms})])
    values = buckets_of(answer, "values").buckets
    if not values:
        return _nothing_has(field, answer)
    slots = _slots(answer, interval, options, invocation)
    series = [
        view.ValueCounts(str(value.key), view.counts_of(buckets_of(value, "slots")))
        for value in values
    ]
    if options.as_json:
        _print(view.grid_json(slots, series))
    else:
        _print(view.grid_text(slots, series, Paint(invocation.colors)))
    return FOUND


def _slots(
    answer: AggregateAnswer, interval: int, options: SearchOptions, invocation: Invocation
) -> view.Slots:
    bounds = _bounds(options, invocation)
    return view.Slots.between(buckets_of(answer, "slots"), interval, bounds, options.zone)


def _nothing_has(field: str, answer: AggregateAnswer) -> int:
    if answer.total:  # perhaps the field is misspelled
        records = counted(answer.total, "record")
        click.echo(f"shipper: none of {records} has the field {field}{_meant(field)}", err=True)
    return NOTHING_FOUND


def _follow(store: Store, options: SearchOptions, invocation: Invocation) -> int:
    """Show the last records, then every new one; following starts first, so none is missed."""
    before = options.limit or (10 if options.since is None else 1000)
    with suppress(KeyboardInterrupt):  # the normal end of following
        arriving = store.follow(options.selection)
        first = next(arriving)
        shown = _in_order(store.search(options.selection, limit=before).hits[::-1])
        _print(_rendered(shown, options, invocation))
        known = {hit.id for hit in shown}
        for hits in itertools.chain([first], arriving):
            _print(_rendered([hit for hit in hits if hit.id not in known], options, invocation))
            if not hits:
                time.sleep(POLL_SECONDS)
    return FOUND


def _rendered(hits: Sequence[Hit], options: SearchOptions, invocation: Invocation) -> list[str]:
    if options.as_json:
        return [hit_json(hit) for hit in hits]
    paint = Paint(invocation.colors)
    return [hit_text(hit, paint, options.zone) for hit in hits]


def _print(lines: Iterable[str]) -> None:
    text = "\n".join(lines)
    if text:
        click.echo(text)


def _bounds(options: SearchOptions, invocation: Invocation) -> tuple[int, ...]:
    """Return the first and the last time that slots have to cover, so that silence shows."""
    if options.since is None:
        return ()
    last = (invocation.now() if options.until is None else options.until) - 1
    return (options.since, max(last, options.since))


def _check_slots(options: SearchOptions, invocation: Invocation) -> None:
    bounds = _bounds(options, invocation)
    slots = (bounds[-1] - bounds[0]) // options.every if bounds and options.every else 0
    if slots > MAX_SLOTS:
        refuse(
            f"--every would show {slots:,} slots, more than {MAX_SLOTS:,}; "
            "use a longer --every or a later --since"
        )
