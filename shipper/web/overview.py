"""
The overview: the four cards of the guide, and the curves below them.

The cards show the last answer of the application to a poll of its health. One that is older than
three polls is not shown as if it were new: the card says since when there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shipper.charts import ChartLine, time_chart
from shipper.store.api import (
    AggregateAnswer,
    Aggregation,
    DateHistogram,
    Percentiles,
    PercentileValues,
    Question,
    Selection,
    Terms,
    buckets_of,
)
from shipper.store.inventory import value_at
from shipper.text import counted, duration, safe
from shipper.web.logs import FacetValue
from shipper.web.rows import condition
from shipper.web.zones import shown, zone

if TYPE_CHECKING:
    from shipper.store.api import Hit, Store
    from shipper.web.place import PagePlace

HEALTH: Final = "event.dataset:orchestrator.health OR logger:automation_orchestrator.health"
ACCESS: Final = "event.dataset:orchestrator.access"
SERVER_ERRORS: Final = "status_code:[500 TO 599]"
WORKFLOWS: Final = "event.dataset:orchestrator.workflow"
ERRORS: Final = "level:ERROR OR level:CRITICAL"
COMPARED: Final = {
    "requests": (ACCESS,),
    "server errors": (ACCESS, SERVER_ERRORS),
    "failed workflows": (WORKFLOWS, "status:failed"),
    "errors and criticals in the logs": (ERRORS,),
}
POLLS_MS: Final = 86_400_000  # how far back the last answer is looked for
POLLS: Final = 200
NO_NUMBER: Final = "\N{EN DASH}"
WIDTH, HEIGHT = 520, 160  # of a chart
USUAL_EVERY: Final = 60.0
MISSED: Final = 3
# The limits of the guide: degraded and unhealthy.
SUCCESS: Final = (0.95, 0.80)
QUEUE: Final = (100, 500)
SERVER_ERROR_LIMIT: Final = 1.0  # percent
LATENCY_LIMIT: Final = 500.0


@dataclass(frozen=True, slots=True)
class Card:
    """One number with its state: healthy, degraded, unhealthy, or unknown; `link` explains it."""

    name: str
    value: str
    state: str
    note: str
    link: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A chart with its title, and the address of the records that it counts."""

    title: str
    svg: str
    link: str


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """What the overview shows."""

    cards: Sequence[Card]
    curves: Sequence[Curve]
    errors: Sequence[FacetValue]


@dataclass(frozen=True, slots=True)
class ComparedCount:
    """A count of the time of a page beside that of the time before, each with its records."""

    name: str
    now: int
    before: int
    change: str
    link: str
    link_before: str


def compared(store: Store, place: PagePlace) -> list[ComparedCount]:
    """
    Return counts of the time of a page, and of as long a time before it.

    Raises:
        StoreUnavailable: the store cannot be read now.
    """
    earlier = place.narrowed(2 * place.since - place.until, place.since)
    questions = [
        Question(each.about(*parts), {}) for parts in COMPARED.values() for each in (place, earlier)
    ]
    totals = [answer.total for answer in store.ask(questions)]
    found = []
    for number, (name, parts) in enumerate(COMPARED.items()):
        now, before = totals[2 * number : 2 * number + 2]
        query = " AND ".join(f"({part})" for part in parts)
        change = f"{(now - before) / before:+.0%}" if before else NO_NUMBER
        links = place.link(q=query), earlier.link(q=query)
        found.append(ComparedCount(name, now, before, change, *links))
    return found


def overview_page(store: Store, place: PagePlace, now: int) -> OverviewPage:
    """
    Ask for the page.

    Raises:
        StoreUnavailable: the store cannot be read now.
    """
    slots = DateHistogram(place.slot_ms)
    latency = DateHistogram(place.slot_ms, {"ms": Percentiles("duration_ms", (50.0, 95.0, 99.0))})

    def asked(of: Aggregation, *parts: str) -> Question:
        return Question(place.about(*parts), {"slots": of})

    requests, faults, succeeded, failed, errors = store.ask(
        [
            asked(latency, ACCESS),
            asked(slots, ACCESS, SERVER_ERRORS),
            asked(slots, WORKFLOWS, "status:success"),
            asked(slots, WORKFLOWS, "status:failed"),
            Question(place.about(ERRORS), {"slots": slots, "types": Terms("error_type", 8)}),
        ]
    )
    polled = Selection(HEALTH, now - POLLS_MS, now + 1)
    polls = store.search(polled, limit=POLLS, counted=False).hits
    curves = [
        _rate(requests, place),
        _shares(requests, faults, place),
        _latency(requests, place),
        _workflows(succeeded, failed, place),
        _counts("Errors and criticals in the logs", errors, ERRORS, place),
    ]
    top = [
        FacetValue(
            safe(str(each.key)), each.count, place.link(q=condition("error_type", each.key)), ""
        )
        for each in buckets_of(errors, "types").buckets
    ]
    return OverviewPage(_cards(polls, requests, faults, place, now), curves, top)


def _cards(
    polls: Sequence[Hit],
    requests: AggregateAnswer,
    faults: AggregateAnswer,
    place: PagePlace,
    now: int,
) -> list[Card]:
    """Return the four cards, of the application that is worst off."""
    link = place.link(q=HEALTH)
    last: dict[str, Hit] = {}
    for hit in polls:  # newest first
        name = value_at(hit.source, "extra.target") or value_at(hit.source, "service.name") or ""
        last.setdefault(str(name), hit)
    if not last:
        note = "no health record in a day; poll the application: section health of the config"
        cards = [Card(name, NO_NUMBER, "unknown", note, link) for name in ("Status", "Uptime")]
        return [
            *cards,
            _success(requests, faults, place),
            Card("Queue depth", NO_NUMBER, "unknown", note, link),
        ]
    name, worst = max(last.items(), key=lambda each: _badness(each[1], now))
    late = now - worst.time > MISSED * _every(worst) * 1000
    where = safe(name)[:40]
    if late:
        since = f"{where}: no poll since {shown(worst.time)}"
        return [
            Card("Status", "no answer", "unhealthy", since, link),
            *(
                Card(n, NO_NUMBER, "unknown", since, link)
                for n in ("Uptime", "Success rate", "Queue depth")
            ),
        ]
    return _polled(worst, where, now, link, _success(requests, faults, place))


def _polled(hit: Hit, where: str, now: int, link: str, otherwise: Card) -> list[Card]:
    """Return the cards of an answer to a poll; `otherwise` is the success rate if it has none."""
    extra = value_at(hit.source, "extra")
    numbers: Mapping[str, Any] = extra if isinstance(extra, Mapping) else {}
    status = str(hit.source.get("status", "unknown"))
    reason = safe(str(numbers.get("reason") or f"{where}, {_ago(now - hit.time)}"))[:160]
    known = status if status in ("healthy", "degraded", "unhealthy") else "unknown"
    uptime, rate, depth = (
        _number(numbers.get(key)) for key in ("uptime_seconds", "success_rate", "queue_depth")
    )
    return [
        Card("Status", safe(status)[:20], known, reason, link),
        Card("Uptime", NO_NUMBER if uptime is None else duration(uptime), "plain", where, link),
        otherwise
        if rate is None
        else Card("Success rate", f"{rate:.1%}", _below(rate), "of the last minutes", link),
        Card(
            "Queue depth",
            NO_NUMBER if depth is None else f"{depth:,.0f}",
            "unknown" if depth is None else _above(depth),
            "not known now" if depth is None else "tasks that wait",
            link,
        ),
    ]


def _success(requests: AggregateAnswer, faults: AggregateAnswer, place: PagePlace) -> Card:
    link = place.link(q=f"{ACCESS} AND {SERVER_ERRORS}")
    if not requests.total:
        return Card("Success rate", NO_NUMBER, "unknown", "no request in this time", link)
    share = 1 - faults.total / requests.total
    return Card(
        "Success rate", f"{share:.1%}", _below(share), counted(requests.total, "request"), link
    )


def _badness(hit: Hit, now: int) -> tuple[int, int]:
    order = ("healthy", "degraded", "unhealthy")
    status = str(hit.source.get("status"))
    late = now - hit.time > MISSED * _every(hit) * 1000
    return (3 if late else order.index(status) if status in order else 1, now - hit.time)


def _every(hit: Hit) -> float:
    return _number(value_at(hit.source, "extra.every_seconds")) or USUAL_EVERY


def _number(value: Any) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def _below(share: float) -> str:
    return "healthy" if share > SUCCESS[0] else "degraded" if share >= SUCCESS[1] else "unhealthy"


def _above(depth: float) -> str:
    return "healthy" if depth < QUEUE[0] else "degraded" if depth <= QUEUE[1] else "unhealthy"


def _ago(ms: int) -> str:
    return f"{duration(max(ms, 0) / 1000)} ago"


def _chart(lines: Sequence[ChartLine], **options: Any) -> str:
    """Draw a chart that is readable on a narrow screen, too."""
    return time_chart(lines, zone(), width=WIDTH, height=HEIGHT, **options)


def _series(answer: AggregateAnswer) -> list[tuple[int, float]]:
    return [(int(slot.key), float(slot.count)) for slot in buckets_of(answer, "slots").buckets]


def _rate(requests: AggregateAnswer, place: PagePlace) -> Curve:
    seconds = place.slot_ms / 1000
    points = [(at, count / seconds) for at, count in _series(requests)]
    svg = _chart([ChartLine("requests", points)], unit="/s", bars=True)
    return Curve("Requests per second", svg, place.link(q=ACCESS))


def _shares(requests: AggregateAnswer, faults: AggregateAnswer, place: PagePlace) -> Curve:
    failed = dict(_series(faults))
    points = [
        (at, 100 * failed.get(at, 0.0) / count if count else None)
        for at, count in _series(requests)
    ]
    svg = _chart([ChartLine("5xx", points)], unit="%", limit=SERVER_ERROR_LIMIT)
    return Curve(
        "Server errors, share of requests", svg, place.link(q=f"{ACCESS} AND {SERVER_ERRORS}")
    )


def _latency(requests: AggregateAnswer, place: PagePlace) -> Curve:
    lines: dict[float, list[tuple[int, float | None]]] = {50.0: [], 95.0: [], 99.0: []}
    for slot in buckets_of(requests, "slots").buckets:
        found = slot.results.get("ms")
        values = found.values if isinstance(found, PercentileValues) else {}
        for percent, points in lines.items():
            points.append((int(slot.key), values.get(percent)))
    drawn = [ChartLine(f"p{percent:.0f}", points) for percent, points in lines.items()]
    svg = _chart(drawn, unit=" ms", limit=LATENCY_LIMIT)
    return Curve(
        "Response time", svg, place.link(q=f"{ACCESS} AND duration_ms:>{LATENCY_LIMIT:.0f}")
    )


def _workflows(succeeded: AggregateAnswer, failed: AggregateAnswer, place: PagePlace) -> Curve:
    lines = [ChartLine("success", _series(succeeded)), ChartLine("failed", _series(failed))]
    return Curve("Workflow executions", _chart(lines), place.link(q=WORKFLOWS))


def _counts(title: str, answer: AggregateAnswer, query: str, place: PagePlace) -> Curve:
    svg = _chart([ChartLine("records", _series(answer))], bars=True)
    return Curve(title, svg, place.link(q=query))
