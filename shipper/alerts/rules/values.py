"""How the values of a rule file are written: queries, fields, thresholds, spans of time."""

from __future__ import annotations

import re
from typing import Final, Self

from shipper.config.options import InvalidValueError, Scalar, parse_duration
from shipper.errors import QueryError
from shipper.store.portable import check_field, check_number, check_query

_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,9})?", re.ASCII)
_UNIT: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|s|m|h)", re.ASCII)
_INDENT: Final = "\n      "


def parse_span_ms(text: str) -> int:
    """Return the milliseconds of a duration."""
    return round(parse_duration(text) * 1000)


class Threshold(float):
    """A threshold, and how it was written: `%` for a share, `time` for a time, else empty."""

    __slots__ = ("unit",)
    unit: str

    def __new__(cls, value: float, unit: str = "") -> Self:
        """Make a number that remembers its unit."""
        made = super().__new__(cls, value)
        made.unit = unit
        return made


def parse_threshold(text: str) -> Threshold:
    """Return `1%` as 0.01, `0.5s` as 500 (milliseconds), a bare number as it is."""
    if _NUMBER.fullmatch(text):
        return Threshold(float(text))
    if text.endswith("%") and _NUMBER.fullmatch(text[:-1].strip()):
        return Threshold(float(text[:-1]) / 100, "%")
    if _UNIT.fullmatch(text):
        return Threshold(parse_duration(text) * 1000, "time")
    raise InvalidValueError(
        f'"{text}" is not a threshold', "use a number, a share such as 1%, or a time such as 500ms"
    )


def _parse_query(text: str) -> str:
    try:
        check_query(text)
    except QueryError as error:
        raise InvalidValueError(error.fault, error.remedy.replace("\n", _INDENT)) from None
    return text


def _parse_group_field(text: str) -> str:
    try:
        check_field(text)
    except QueryError as error:
        raise InvalidValueError(error.fault, error.remedy) from None
    return text


def _parse_number_field(text: str) -> str:
    try:
        check_number(text)
    except QueryError as error:
        raise InvalidValueError(error.fault, error.remedy) from None
    return text


QUERY: Final = Scalar("a query", _parse_query)
FIELD: Final = Scalar("a field whose values can be counted", _parse_group_field)
NUMBER_FIELD: Final = Scalar("a field that holds numbers", _parse_number_field)
SPAN: Final = Scalar("a duration", parse_span_ms)
THRESHOLD: Final = Scalar("a number, a share such as 1%, or a time such as 500ms", parse_threshold)
