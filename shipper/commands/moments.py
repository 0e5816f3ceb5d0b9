"""
Times as a user types them: `15m`, `2h`, `7d` ago, or ISO 8601.

A time without an offset is UTC, as all times are that are shown.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from shipper.config import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def parse_moment(text: str, now: int) -> int:
    """Give epoch milliseconds; ValueError with the fault and the remedy otherwise."""
    if re.fullmatch(r"\s*[\d.]+\s*[a-z]+\s*", text):
        return now - parse_span(text)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        told = f'"{text}" is no time; use 15m, 2h, 7d (ago) or 2026-02-05T14:30:00Z'
        raise ValueError(told) from None
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (known - _EPOCH) // _MILLISECOND


def parse_span(text: str) -> int:
    """Give the milliseconds of a duration such as `1m`; ValueError otherwise."""
    return round(parse_duration(text) * 1000)


def parse_day(text: str, now: int) -> date:
    """Give the day, in UTC, of `2026-02-05`, `today` or `yesterday`; ValueError otherwise."""
    today = (_EPOCH + now * _MILLISECOND).date()
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    if text in named:
        return named[text]
    try:
        return date.fromisoformat(text)
    except ValueError:
        told = f'"{text}" is no day; use 2026-02-05, today or yesterday'
        raise ValueError(told) from None


class Typed(click.ParamType[Any]):
    """A value whose parser gets the text and the time now, and raises ValueError."""

    def __init__(self, name: str, parse: Callable[[str, int], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse what was typed; what is parsed already stays."""
        if not isinstance(value, str) or ctx is None:
            return value
        try:
            return self._parse(value, ctx.obj.now())
        except ValueError as error:
            self.fail(str(error), param, ctx)


MOMENT = Typed("time", parse_moment)
DAY = Typed("day", parse_day)
SPAN = Typed("duration", lambda text, _now: parse_span(text))
