"""
Times as a user types them: `15m`, `2h`, `7d` ago, or ISO 8601.

A time without an offset is UTC, as all times are that are shown.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from shipper.config.main import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def parse_moment(text: str, now: int) -> int:
    """Return epoch milliseconds; ValueError with the fault and the remedy otherwise."""
    if re.fullmatch(r"\s*[\d.]+\s*[a-z]+\s*", text):
        return now - round(parse_duration(text) * 1000)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        told = f'"{text}" is no time; use 15m, 2h, 7d (ago) or 2026-02-05T14:30:00Z'
        raise ValueError(told) from None
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (known - _EPOCH) // _MILLISECOND


def parse_duration_ms(text: str) -> int:
    """Return the milliseconds of a duration such as `1m`, at least 1; ValueError otherwise."""
    milliseconds = round(parse_duration(text) * 1000)
    if milliseconds < 1:
        raise ValueError(f'"{text}" is no time at all; use at least 1ms')
    return milliseconds


def parse_day(text: str, now: int) -> date:
    """Return the day, in UTC, of `2026-02-05`, `today` or `yesterday`; ValueError otherwise."""
    today = (_EPOCH + now * _MILLISECOND).date()
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    if text in named:
        return named[text]
    try:
        return date.fromisoformat(text)
    except ValueError:
        told = f'"{text}" is no day; use 2026-02-05, today or yesterday'
        raise ValueError(told) from None


def typed(parse: Callable[[str, int], Any]) -> Callable[..., Any]:
    """Make an option's callback of a parser that gets the text and the time now."""

    def callback(ctx: click.Context, _option: click.Parameter, text: str | None) -> Any:
        try:
            return None if text is None else parse(text, ctx.obj.now())
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


as_moment = typed(parse_moment)
as_day = typed(parse_day)
as_duration = typed(lambda text, _now: parse_duration_ms(text))
