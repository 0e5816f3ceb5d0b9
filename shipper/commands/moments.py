"""
Times on the command line: `15m`, `2h`, `7d` (ago), `03:00`, `today`, `yesterday` or ISO 8601.

A time without a zone is UTC, like all times that are shown, unless `--tz` names another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import click

from shipper.commands.invocation import Command
from shipper.config.options import InvalidValueError, parse_duration
from shipper.times import EPOCH, MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable

_ZONE: Final = "shipper.zone"


def parse_moment(text: str, now: int, zone: tzinfo = UTC) -> int:
    """
    Return a time in epoch milliseconds; else InvalidValueError.

    `03:00` is the last time that the clock showed it, `today` and `yesterday` begin at midnight.
    """
    text = text.strip()
    if re.fullmatch(r"[\d.]+\s*[a-z]+", text):
        return now - round(parse_duration(text) * 1000)
    here = (EPOCH + now * MILLISECOND).astimezone(zone)
    midnight = datetime.combine(here.date(), time(), zone)
    named = {"now": here, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    try:
        if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text):
            moment = datetime.combine(here.date(), time.fromisoformat(text), zone)
            moment -= timedelta(days=moment > here)
        else:
            moment = named[text] if text in named else datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValueError(
            f'"{text}" is not a time',
            "use 15m, 2h, 7d (ago), 03:00, today, yesterday or 2026-02-05T14:30:00Z",
        ) from None
    known = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return (known - EPOCH) // MILLISECOND


class _Local(tzinfo):
    """The zone of this machine."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return moment.replace(tzinfo=None).astimezone().utcoffset() if moment else None

    def dst(self, _moment: datetime | None) -> None:
        return None

    def tzname(self, _moment: datetime | None) -> str:
        return "local"

    def fromutc(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=self)


def parse_zone(text: str) -> tzinfo:
    """Return the zone of `local`, `UTC`, `Europe/Berlin` or `+02:00`; else InvalidValueError."""
    offset = re.fullmatch(r"([+-])([01]\d|2[0-3]):([0-5]\d)", text)
    if offset:
        east = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(east if offset[1] == "+" else -east)
    if text in ("UTC", "local"):
        return UTC if text == "UTC" else _Local()
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError):
        raise InvalidValueError(
            f'"{text}" is not a time zone', "use local, UTC, Europe/Berlin or +02:00"
        ) from None


def parse_duration_ms(text: str) -> int:
    """Return a duration such as `1m` in milliseconds, at least 1; else InvalidValueError."""
    milliseconds = round(parse_duration(text) * 1000)
    if milliseconds < 1:
        raise InvalidValueError(f'"{text}" is too short', "use at least 1ms")
    return milliseconds


def parse_day(text: str, now: int, zone: tzinfo = UTC) -> date:
    """Return the day in a zone of `2026-02-05`, `today` or `yesterday`; else InvalidValueError."""
    today = (EPOCH + now * MILLISECOND).astimezone(zone).date()
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    if text in named:
        return named[text]
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidValueError(
            f'"{text}" is not a day', "use 2026-02-05, today or yesterday"
        ) from None


def typed(parse: Callable[[str, int, tzinfo], Any]) -> Callable[..., Any]:
    """Return the callback of an option from a parser of its text, the current time and the zone."""

    def callback(ctx: click.Context, _option: click.Parameter, text: str | None) -> Any:
        try:
            return None if text is None else parse(text, ctx.obj.now(), zone_of(ctx))
        except InvalidValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


def as_zone(ctx: click.Context, _option: click.Parameter, text: str | None) -> tzinfo:
    """Keep the zone of `--tz`, which is read before all other options, for their times."""
    try:
        zone = ctx.meta[_ZONE] = UTC if text is None else parse_zone(text)
    except InvalidValueError as error:
        raise click.BadParameter(str(error)) from None
    return zone


def zone_of(ctx: click.Context) -> tzinfo:
    """Return the zone of `--tz`, UTC without it."""
    zone: tzinfo = ctx.meta.get(_ZONE, UTC)
    return zone


@dataclass(frozen=True, slots=True)
class NamedDay:
    """A day of the command line: `today` and `yesterday` are other days in other zones."""

    text: str
    now: int

    def of(self, zone: tzinfo) -> date:
        """Return the day in a zone."""
        return parse_day(self.text, self.now, zone)


def _named_day(text: str, now: int, _zone: tzinfo) -> NamedDay:
    parse_day(text, now)
    return NamedDay(text, now)


as_moment = typed(parse_moment)
as_named_day = typed(_named_day)
as_duration = typed(lambda text, _now, _zone: parse_duration_ms(text))


def moment_option(
    name: str, text: str, *, default: str | None = None
) -> Callable[[Command], Command]:
    """Return an option whose value is a time, in epoch milliseconds."""
    shown: dict[str, Any] = {"default": default, "show_default": default is not None, "help": text}
    return click.option(name, callback=as_moment, metavar="T", **shown)


def duration_option(
    name: str, text: str, *, default: str | None = None, dest: str = ""
) -> Callable[[Command], Command]:
    """Return an option whose value is a duration, in milliseconds."""
    names = (name, dest) if dest else (name,)
    shown: dict[str, Any] = {"default": default, "show_default": default is not None, "help": text}
    return click.option(*names, callback=as_duration, metavar="D", **shown)
