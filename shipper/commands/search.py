"""`shipper search`: find, count, group or follow records."""

from __future__ import annotations

import itertools
import time
from contextlib import suppress
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
from shipper.commands.search_numbers import numbers_of, patterns_of
from shipper.commands.search_options import SearchOptions, as_names
from shipper.commands.stores import open_store
from shipper.errors import QueryError, StoreUnavailable
from shipper.fields import ALIASES, FIELDS
from shipper.store.api import DateHistogram, Question, Selection, Sort, Terms, buckets_of
from shipper.store.context import with_context
from shipper.store.hit_text import hit_json, hit_text
from shipper.store.opening import ReadLimits
from shipper.store.query.parser import parse
from shipper.store.query.tokens import escaped
from shipper.store.query.tree import fields_of, words_of
from shipper.text import Paint, counted, safe, safe_json
from shipper.view import buckets as view
from shipper.view import records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from shipper.store.api import AggregateAnswer, Hit, Store

FOUND, NOTHING_FOUND = 0, 1
POLL_SECONDS = 0.2
MAX_UNKNOWN = 5  # fields of a query that are looked for when nothing was found
CONTEXT = click.IntRange(0, 1000)
MAX_SLOTS = 10_000  # more lines than anybody reads; a store keeps them all in memory


@click.command(
    epilog=examples(
        "shipper search level:ERROR --since 15m",
        "shipper search 'status_code:>=500 AND path:/api/*' --since 2h --limit 200",
        "shipper search 'message:\"timed out\"' --json | jq .exc_info",
        "shipper search level:ERROR --since 7d --by error_type",
        "shipper search event.dataset:orchestrator.access --since 1h --every 5m",
        "shipper search level:ERROR -B 20 --since 15m",
        "shipper search event.dataset:orchestrator.access --percentiles duration_ms --by route",
        "shipper search level:ERROR --patterns --since 1d",
        "shipper search --columns timestamp,level,message --format csv > records.csv",
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
@click.option(
    "--columns",
    callback=as_names,
    metavar="FIELDS",
    help="Show these fields of each record, such as timestamp,level,extra.user.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "json", "csv"]),
    help="How the answer is printed; json is the same as --json.",
)
@click.option(
    "-A", "--after", type=CONTEXT, default=0, metavar="N", help="Show N records after each, too."
)
@click.option(
    "-B", "--before", type=CONTEXT, default=0, metavar="N", help="Show N records before each, too."
)
@click.option("--stats", metavar="FIELD", help="Minimum, mean, maximum and sum of a number.")
@click.option("--percentiles", metavar="FIELD", help="Percentiles 50, 90, 95, 99 of a number.")
@click.option("--patterns", is_flag=True, help="Count similar messages of the newest records.")
@click.option("--follow", is_flag=True, help="Show new records as they arrive, until Ctrl-C.")
@duration_option("--timeout", "Time limit of the query in the embedded store.", default="60s")
@click.option(
    "--partial",
    is_flag=True,
    help="Answer without the damaged files of the embedded store, and name them.",
)
@invoked
def search(invocation: Invocation, /, *, as_json: bool, kind: str | None, **given: Any) -> int:
    """
    Find, count, group or follow records.

    QUERY consists of field:value, ranges, AND, OR, NOT, "phrases" and wildcards (docs/search.md).
    Without QUERY all records match. Times are UTC unless --tz is given. Exits with 1 if no record
    matches.
    """
    if as_json and kind not in (None, "json"):
        refuse(f"--json and --format {kind} cannot be combined; use one of them")
    options = SearchOptions(kind="json" if as_json else kind, **given)
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
    if options.patterns:
        return _patterns(store, options, invocation)
    if options.stats or options.percentiles:
        return _numbers(store, options, invocation)
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
    if options.before or options.after:
        _print_groups(
            with_context(store, in_order, options.before, options.after),
            in_order,
            options,
            invocation,
        )
    else:
        _print(_rendered(in_order, options, invocation))
    left = found.total - len(found.hits)
    if left and not options.is_for_programs and invocation.interactive:
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
    if options.is_for_programs:
        _print_objects(view.shares_json(values, answer.total), options)
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
    if options.is_for_programs:
        _print_objects(view.slots_json(slots), options)
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
    if options.is_for_programs:
        _print_objects(view.grid_json(slots, series), options)
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


def _print_groups(
    groups: Sequence[Sequence[Hit]],
    found: Sequence[Hit],
    options: SearchOptions,
    invocation: Invocation,
) -> None:
    """Print hits between their neighbours: `>` before a hit, `--` between two groups."""
    ids = {hit.id for hit in found}
    for number, group in enumerate(groups):
        if options.as_json:
            _print(hit_json(hit, is_context=hit.id not in ids) for hit in group)
            continue
        if number:
            click.echo("--")
        lines = zip(group, _rendered(group, options, invocation), strict=True)
        _print(f"{'>' if hit.id in ids else ' '} {line}" for hit, line in lines)


def _numbers(store: Store, options: SearchOptions, invocation: Invocation) -> int:
    whole = options.selection if options.every is None else options.until_now(invocation.now())
    rows = numbers_of(store, options, whole)
    if not rows:
        return NOTHING_FOUND
    if options.is_for_programs:
        _print_objects(map(safe_json, rows), options)
    else:
        _print(records.numbers_text(rows, Paint(invocation.colors)))
    return FOUND


def _patterns(store: Store, options: SearchOptions, invocation: Invocation) -> int:
    found, looked_at, total = patterns_of(store, options, options.selection)
    if not found:
        return NOTHING_FOUND
    if options.is_for_programs:
        _print_objects(records.patterns_json(found, looked_at), options)
    else:
        _print(records.patterns_text(found, looked_at, Paint(invocation.colors)))
    if looked_at < total:
        click.echo(f"shipper: of the newest {looked_at:,} of {total:,} records", err=True)
    return FOUND


def _rendered(hits: Sequence[Hit], options: SearchOptions, invocation: Invocation) -> list[str]:
    paint = Paint(invocation.colors)
    if options.as_csv:
        columns = options.columns or records.CSV_COLUMNS
        return records.hits_csv(hits, columns, options.zone) if hits else []
    if options.columns:
        if options.as_json:
            return [records.columns_json(hit, options.columns) for hit in hits]
        if not hits:
            return []
        return records.columns_text(hits, options.columns, paint, options.zone)
    if options.as_json:
        return [hit_json(hit) for hit in hits]
    marks = [*words_of(parse(options.selection.query))] if invocation.colors else ()
    return [hit_text(hit, paint, options.zone, marks) for hit in hits]


def _print_objects(lines: Iterable[str], options: SearchOptions) -> None:
    _print(records.objects_csv(lines) if options.as_csv else lines)


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
