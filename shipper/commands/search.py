"""`shipper search`: find, count, group or follow records."""

from __future__ import annotations

import itertools
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from shipper.commands.invocation import Invocation, common_options, examples, refuse
from shipper.commands.moments import as_duration, as_moment
from shipper.commands.stores import open_store
from shipper.store.api import DateHistogram, Question, Selection, Sort, Terms, buckets_of
from shipper.store.hit_text import hit_json, hit_text
from shipper.store.opening import ReadLimits
from shipper.text import Paint, counted, safe
from shipper.view import buckets as view

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from shipper.store.api import AggregateAnswer, Hit, Store

FOUND, NOTHING_FOUND = 0, 1
POLL_SECONDS = 0.2
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
    by: str | None
    every: int | None
    follow: bool
    timeout: int
    partial: bool

    def __post_init__(self) -> None:
        """Refuse options that cannot be combined."""
        given = {
            "--follow": self.follow,
            "--count": self.count,
            "--by": self.by is not None,
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

        if self.since is not None and self.until is not None and self.since >= self.until:
            refuse("--since is not before --until; give an earlier --since or a later --until")

    @property
    def selection(self) -> Selection:
        """The records to search; the words that the shell split are one query."""
        return Selection(" ".join(self.query), self.since, self.until)


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
@click.option(
    "--since",
    callback=as_moment,
    metavar="T",
    help="From this time on: 15m, 2h, 7d (ago) or ISO 8601.",
)
@click.option(
    "--until",
    callback=as_moment,
    metavar="T",
    help="Before this time: 15m, 2h, 7d (ago) or ISO 8601.",
)
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
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--count", is_flag=True, help="Print only the number of records.")
@click.option("--by", metavar="FIELD", help="Count records per value of a field.")
@click.option(
    "--every", callback=as_duration, metavar="D", help="Count records per time slot, such as 1m."
)
@click.option("--follow", is_flag=True, help="Show new records as they arrive, until Ctrl-C.")
@click.option(
    "--timeout",
    callback=as_duration,
    default="60s",
    show_default=True,
    metavar="D",
    help="Longest time for an answer of the embedded store.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="Answer without the damaged files of the embedded store, and name them.",
)
@common_options
@click.pass_obj
def search(invocation: Invocation, /, **given: Any) -> int:
    """
    Find, count, group or follow records.

    QUERY consists of field:value, ranges, AND, OR, NOT, "phrases" and wildcards (docs/search.md).
    Without QUERY all records match. Times are UTC. Exits with 1 if no record matches.
    """
    options = SearchOptions(**given)
    _check_slots(options, invocation)
    limits = ReadLimits(options.timeout / 1000, _warn if options.partial else None)
    with open_store(invocation, limits) as store:
        if options.follow:
            return _follow(store, options, invocation)
        if options.count:
            return _count(store, options)
        if options.by is not None and options.every is not None:
            return _by_every(store, options, options.by, options.every, invocation)
        if options.by is not None:
            return _by(store, options, options.by, invocation)
        if options.every is not None:
            return _every(store, options, options.every, invocation)
        return _hits(store, options, invocation)


def _warn(damaged: Path, fault: str) -> None:
    click.echo(safe(f"shipper: left out {damaged}: {fault}"), err=True)


def _hits(store: Store, options: SearchOptions, invocation: Invocation) -> int:
    found = store.search(
        options.selection, limit=options.limit or 50, sort=Sort(options.sort or Sort.DESC)
    )
    in_order = found.hits if options.sort else found.hits[::-1]
    _print(_rendered(in_order, options, invocation))
    left = found.total - len(found.hits)
    if left and not options.as_json and invocation.interactive:
        which = "oldest" if options.sort == Sort.ASC else "newest"
        click.echo(
            f"showing the {which} {len(found.hits):,} of {found.total:,} records; see --limit",
            err=True,
        )
    return FOUND if found.total else NOTHING_FOUND


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
    histogram = DateHistogram(interval)
    (answer,) = store.ask([Question(options.selection, {"slots": histogram})])
    if not answer.total:
        return NOTHING_FOUND
    slots = view.Slots.between(buckets_of(answer, "slots"), interval, _bounds(options, invocation))
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
    (answer,) = store.ask([Question(options.selection, {"slots": histogram, "values": terms})])
    values = buckets_of(answer, "values").buckets
    if not values:
        return _nothing_has(field, answer)
    slots = view.Slots.between(buckets_of(answer, "slots"), interval, _bounds(options, invocation))
    series = [
        view.ValueCounts(str(value.key), view.counts_of(buckets_of(value, "slots")))
        for value in values
    ]
    if options.as_json:
        _print(view.grid_json(slots, series))
    else:
        _print(view.grid_text(slots, series, Paint(invocation.colors)))
    return FOUND


def _nothing_has(field: str, answer: AggregateAnswer) -> int:
    if answer.total:  # perhaps the field is misspelled
        records = counted(answer.total, "record")
        click.echo(f"shipper: none of {records} has the field {field}", err=True)
    return NOTHING_FOUND


def _follow(store: Store, options: SearchOptions, invocation: Invocation) -> int:
    """Show the last records, then every new one; following starts first, so none is missed."""
    before = options.limit or (10 if options.since is None else 1000)
    with suppress(KeyboardInterrupt):  # the normal end of following
        arriving = store.follow(options.selection)
        first = next(arriving)
        shown = store.search(options.selection, limit=before).hits[::-1]
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
    return [hit_text(hit, paint) for hit in hits]


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
