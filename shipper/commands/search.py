"""`shipper search`: records, their number, their values, their course in time, or as they come."""

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
from shipper.text import Paint
from shipper.view import buckets as view

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipper.store.api import AggregateAnswer, Hit, Store

FOUND, NOTHING_FOUND = 0, 1
POLL_SECONDS = 0.2
MOST_SLOTS = 10_000  # more lines than anybody reads; a store has to hold them all at once


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What was asked for on the command line."""

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

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
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
                refuse(f"{option} and {clash} do not go together; use one of them")

        if self.since is not None and self.until is not None and self.since >= self.until:
            refuse("--since is not before --until; no record can be between them")

    @property
    def selection(self) -> Selection:
        """Say which records are asked about; words that the shell split are one query."""
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
    "--since", callback=as_moment, metavar="T", help="Not before: 15m, 2h, 7d ago or ISO 8601."
)
@click.option(
    "--until", callback=as_moment, metavar="T", help="Before: 15m, 2h, 7d ago or ISO 8601."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Records shown (50), values of --by (10), or records that --follow begins with (10, "
    "or 1000 with --since).",
)
@click.option(
    "--sort",
    type=click.Choice([sort.value for sort in Sort]),
    help="Oldest or newest first. Without it: the newest, in the order they happened.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--count", is_flag=True, help="Only how many.")
@click.option("--by", metavar="FIELD", help="Count per value of a field.")
@click.option("--every", callback=as_duration, metavar="D", help="Count per time slot, such as 1m.")
@click.option("--follow", is_flag=True, help="Show records as they arrive, until Ctrl-C.")
@common_options
@click.pass_obj
def search(invocation: Invocation, /, **options: Any) -> int:
    """
    Find, count, group or follow records.

    QUERY has field:value, ranges, AND, OR, NOT, "phrases" and wildcards (docs/search.md);
    without it every record matches. Times are UTC. Exits with 1 when nothing matches.
    """
    wanted = SearchOptions(**options)
    _check_slots(wanted, invocation)
    with open_store(invocation) as store:
        if wanted.follow:
            return _follow(store, wanted, invocation)
        if wanted.count:
            return _count(store, wanted)
        if wanted.by is not None and wanted.every is not None:
            return _by_every(store, wanted, wanted.by, wanted.every, invocation)
        if wanted.by is not None:
            return _by(store, wanted, wanted.by, invocation)
        if wanted.every is not None:
            return _every(store, wanted, wanted.every, invocation)
        return _hits(store, wanted, invocation)


def _hits(store: Store, wanted: SearchOptions, invocation: Invocation) -> int:
    found = store.search(
        wanted.selection, limit=wanted.limit or 50, sort=Sort(wanted.sort or Sort.DESC)
    )
    in_order = found.hits if wanted.sort else found.hits[::-1]
    _print(_rendered(in_order, wanted, invocation))
    left = found.total - len(found.hits)
    if left and not wanted.as_json and invocation.interactive:
        which = "oldest" if wanted.sort == Sort.ASC else "newest"
        click.echo(
            f"the {which} {len(found.hits):,} of {found.total:,}; --limit shows more", err=True
        )
    return FOUND if found.total else NOTHING_FOUND


def _count(store: Store, wanted: SearchOptions) -> int:
    count = store.count(wanted.selection)
    click.echo(count)
    return FOUND if count else NOTHING_FOUND


def _by(store: Store, wanted: SearchOptions, field: str, invocation: Invocation) -> int:
    terms = Terms(field, size=wanted.limit or 10)
    (answer,) = store.ask([Question(wanted.selection, {"values": terms})])
    values = buckets_of(answer, "values")
    if not values.buckets:
        return _nothing_has(field, answer)
    if wanted.as_json:
        _print(view.shares_json(values, answer.total))
    else:
        paint = Paint(invocation.colors)
        _print(view.shares_text(field, values, answer.total, invocation.width, paint))
    return FOUND


def _every(store: Store, wanted: SearchOptions, interval: int, invocation: Invocation) -> int:
    histogram = DateHistogram(interval)
    (answer,) = store.ask([Question(wanted.selection, {"slots": histogram})])
    if not answer.total:
        return NOTHING_FOUND
    slots = view.Slots.between(buckets_of(answer, "slots"), interval, _bounds(wanted, invocation))
    if wanted.as_json:
        _print(view.slots_json(slots))
    else:
        _print(view.slots_text(slots, invocation.width, Paint(invocation.colors)))
    return FOUND


def _by_every(
    store: Store, wanted: SearchOptions, field: str, interval: int, invocation: Invocation
) -> int:
    histogram = DateHistogram(interval)
    terms = Terms(field, wanted.limit or 10, {"slots": histogram})
    (answer,) = store.ask([Question(wanted.selection, {"slots": histogram, "values": terms})])
    values = buckets_of(answer, "values").buckets
    if not values:
        return _nothing_has(field, answer)
    slots = view.Slots.between(buckets_of(answer, "slots"), interval, _bounds(wanted, invocation))
    series = [
        view.ValueCounts(str(value.key), view.counts_of(buckets_of(value, "slots")))
        for value in values
    ]
    if wanted.as_json:
        _print(view.grid_json(slots, series))
    else:
        _print(view.grid_text(slots, series, Paint(invocation.colors)))
    return FOUND


def _nothing_has(field: str, answer: AggregateAnswer) -> int:
    if answer.total:  # a mistyped field, perhaps
        click.echo(f"shipper: none of {answer.total:,} records has {field}", err=True)
    return NOTHING_FOUND


def _follow(store: Store, wanted: SearchOptions, invocation: Invocation) -> int:
    """Show the last records, then every new one once; the first step of `follow` sets the mark."""
    before = wanted.limit or (10 if wanted.since is None else 1000)
    with suppress(KeyboardInterrupt):  # how following ends
        arriving = store.follow(wanted.selection)
        first = next(arriving)
        shown = store.search(wanted.selection, limit=before).hits[::-1]
        _print(_rendered(shown, wanted, invocation))
        known = {hit.id for hit in shown}
        for hits in itertools.chain([first], arriving):
            _print(_rendered([hit for hit in hits if hit.id not in known], wanted, invocation))
            if not hits:
                time.sleep(POLL_SECONDS)
    return FOUND


def _rendered(hits: Sequence[Hit], wanted: SearchOptions, invocation: Invocation) -> list[str]:
    if wanted.as_json:
        return [hit_json(hit) for hit in hits]
    paint = Paint(invocation.colors)
    return [hit_text(hit, paint) for hit in hits]


def _print(lines: Iterable[str]) -> None:
    text = "\n".join(lines)
    if text:
        click.echo(text)


def _bounds(wanted: SearchOptions, invocation: Invocation) -> tuple[int, ...]:
    """Give the first and last time that slots have to cover: silence up to now shows, too."""
    if wanted.since is None:
        return ()
    last = (invocation.now() if wanted.until is None else wanted.until) - 1
    return (wanted.since, max(last, wanted.since))


def _check_slots(wanted: SearchOptions, invocation: Invocation) -> None:
    bounds = _bounds(wanted, invocation)
    slots = (bounds[-1] - bounds[0]) // wanted.every if bounds and wanted.every else 0
    if slots > MOST_SLOTS:
        refuse(
            f"--every makes {slots:,} slots, {MOST_SLOTS:,} can be shown; "
            "use a longer --every or a later --since"
        )
