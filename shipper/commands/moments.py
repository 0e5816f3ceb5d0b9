"""
Times on the command line: `15m`, `2h`, `7d` (ago), or ISO 8601.

A time without a zone is UTC, like all times that are shown.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from shipper.config.options import InvalidValueError, parse_duration
from shipper.times import EPOCH, MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable


def parse_moment(text: str, now: int) -> int:
    """Return a time in epoch milliseconds; else InvalidValueError."""
    if re.fullmatch(r"\s*[\d.]+\s*[a-z]+\s*", text):
        return now - round(parse_duration(text) * 1000)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidValueError(
            f'"{text}" is not a time', "use 15m, 2h, 7d (ago) or 2026-02-05T14:30:00Z"
        ) from None
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (known - EPOCH) // MILLISECOND


def parse_duration_ms(text: str) -> int:
    """Return a duration such as `1m` in milliseconds, at least 1; else InvalidValueError."""
    milliseconds = round(parse_duration(text) * 1000)
    if milliseconds < 1:
        raise InvalidValueError(f'"{text}" is too short', "use at least 1ms")
    return milliseconds


def parse_day(text: str, now: int) -> date:
    """Return the day in UTC of `2026-02-05`, `today` or `yesterday`; else InvalidValueError."""
    today = (EPOCH + now * MILLISECOND).date()
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    if text in named:
        return named[text]
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidValueError(
            f'"{text}" is not a day', "use 2026-02-05, today or yesterday"
        ) from None


def typed(parse: Callable[[str, int], Any]) -> Callable[..., Any]:
    """Return the callback of an option from a parser of its text and the current time."""

    def callback(ctx: click.Context, _option: click.Parameter, text: str | None) -> Any:
        try:
            return None if text is None else parse(text, ctx.obj.now())
        except InvalidValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


as_moment = typed(parse_moment)
as_day = typed(parse_day)
as_duration = typed(lambda text, _now: parse_duration_ms(text))
