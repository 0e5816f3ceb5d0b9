"""
What a page shows, as its address says: the query, the time, the order, the fields of choice.

The whole state is in the address, so a page can be pasted into a chat. A range such as `1h` ends
now; `since` and `until` are ISO 8601 in UTC and stay as they are. A form sends `from` and `to`,
times of the zone that is shown, and which range there `was`; the page moves to the address in UTC.
So it does for `count`, the name of one more field to count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import quote_plus

from shipper.config.options import InvalidValueError, parse_duration
from shipper.errors import QueryError
from shipper.store.api import Selection
from shipper.times import iso, parse_period
from shipper.web.zones import in_utc

RANGES: Final = ("15m", "1h", "6h", "24h", "7d", "30d")
USUAL_RANGE: Final = "1h"
MOST_COLUMNS: Final = 10
MOST_FACETS: Final = 5
NAME_CHARS: Final = 100  # of a field
MOST_MS: Final = 400 * 86_400_000
BARS: Final = 60  # of a histogram, about
_STEPS: Final = tuple(
    1000 * seconds
    for seconds in (
        *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
        *(3600, 7200, 10_800, 21_600, 43_200, 86_400, 7 * 86_400, 28 * 86_400),
    )
)

_COLUMN: Final = re.compile(r"[A-Za-z_@][\w.@-]{0,99}", re.ASCII)
_OF_A_FORM: Final = frozenset({"from", "to", "was", "count"})
_OR: Final = re.compile(r"\bor\b|\|\|", re.IGNORECASE)  # before more is added, in brackets


@dataclass(frozen=True, slots=True)
class PagePlace:
    """
    Query, range and order of a page; `since` and `until` in epoch milliseconds.

    `columns` are fields that stand in the line of each record, `facets` those that are counted
    besides the usual ones.
    """

    query: str
    range: str  # empty where since and until are given
    since: int
    until: int
    ascending: bool = False
    columns: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()

    @property
    def selection(self) -> Selection:
        """The records that the page is about."""
        return Selection(self.query, self.since, self.until)

    @property
    def slot_ms(self) -> int:
        """Length of the slots that the time is divided into."""
        return next(
            (step for step in _STEPS if (self.until - self.since) / step <= BARS), _STEPS[-1]
        )

    def about(self, *parts: str) -> Selection:
        """Return the records of a query within the time of the page."""
        return Selection(
            " AND ".join(f"({part})" for part in parts if part), self.since, self.until
        )

    def link(self, path: str = "/logs", **changed: str) -> str:
        """Return the address of a page with this state, some of it changed; empty leaves it out."""
        state = {"q": self.query, "range": self.range}
        if not self.range:
            state |= {"since": iso(self.since), "until": iso(self.until)}
        if self.ascending:
            state["sort"] = "asc"
        if self.columns:
            state["cols"] = ",".join(self.columns)
        if self.facets:
            state["facet"] = ",".join(self.facets)
        state |= changed
        given = {name: value for name, value in state.items() if value}
        parts = [f"{name}={_quoted(value)}" for name, value in given.items()]
        return f"{path}?{'&'.join(parts)}" if parts else path

    def narrowed(self, since: int, until: int) -> PagePlace:
        """Return the place with another time."""
        return replace(self, range="", since=since, until=until)

    def with_column(self, name: str) -> str:
        """Return the address with a column more; empty where it is there, or there is no room."""
        if name in self.columns or len(self.columns) >= MOST_COLUMNS or not _COLUMN.fullmatch(name):
            return ""
        return self.link(cols=",".join([*self.columns, name]))

    def without_column(self, name: str) -> str:
        """Return the address without a column."""
        return self.link(cols=",".join(each for each in self.columns if each != name))

    def without_facet(self, name: str) -> str:
        """Return the address without a field that is counted."""
        return self.link(facet=",".join(each for each in self.facets if each != name))

    def adding(self, condition: str) -> str:
        """Return the query of the page with one more condition."""
        if self.query.strip() in ("", "*"):
            return condition
        around = f"({self.query})" if _OR.search(self.query) else self.query
        return f"{around} AND {condition}"


def place_of(given: Mapping[str, str], now: int) -> PagePlace:
    """
    Return the state that an address gives.

    Raises:
        QueryError: a time is not one.
    """
    query, ascending = given.get("q", ""), given.get("sort") == "asc"
    columns = tuple(filter(_COLUMN.fullmatch, _names(given.get("cols", ""))))[:MOST_COLUMNS]
    facets = _names(given.get("facet", ""))[:MOST_FACETS]
    if given.get("since") or given.get("until"):
        until = _moment(given.get("until", ""), now)
        since = _moment(given.get("since", ""), until - 3_600_000)
        if not 0 < until - since <= MOST_MS:
            raise QueryError("the time does not end after it began", "choose another time")
        return PagePlace(query, "", since, until, ascending, columns, facets)
    name = given.get("range") or USUAL_RANGE
    try:
        length = round(parse_duration(name) * 1000)
    except InvalidValueError as error:
        raise QueryError(str(error)) from None
    if not 1000 <= length <= MOST_MS:
        raise QueryError(f"the range {name} is out of range", "use 1s to 400d")
    return PagePlace(query, name, now - length, now, ascending, columns, facets)


def settled(given: Mapping[str, str]) -> Mapping[str, str]:
    """Return the state with what a form gives in its place; nothing where it gives nothing."""
    if not _OF_A_FORM & given.keys():
        return {}
    state = {name: value for name, value in given.items() if name not in _OF_A_FORM}
    times = {"since": given.get("from", ""), "until": given.get("to", "")}
    typed = {name: in_utc(text) for name, text in times.items() if text}
    if typed and given.get("range", "") == given.get("was", ""):  # no other range was chosen
        state = state | typed | {"range": ""}
    if count := given.get("count", "").strip():
        state["facet"] = f"{given.get('facet', '')},{count}".strip(",")
    return {name: value for name, value in state.items() if value}


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    """Return a text as addresses have it; the thousands of links of a page have much in common."""
    return quote_plus(text)


def _names(text: str) -> tuple[str, ...]:
    names = dict.fromkeys(name.strip()[:NAME_CHARS] for name in text.split(","))
    return tuple(filter(None, names))


def _moment(text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    period = parse_period(text)
    if period is None:
        raise QueryError(f'"{text}" is not a time', "use 2026-02-05T14:30:00Z")
    return period[0]
