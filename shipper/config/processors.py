"""The options of the section `processors`: what is done to records, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.config.options import (
    COUNT,
    PATH,
    SIZE,
    TEXT,
    ListOf,
    OneOf,
    Section,
    one_word_of,
    option,
    optional,
    text_matching,
)

_FIELD = text_matching(r"[^\x00-\x20\x7f*?:]{1,200}", "the name of a field")
_QUERY = "A query (docs/search.md); none: every record."


@dataclass(frozen=True, slots=True)
class DropStep:
    """Leaves records out: they are not stored, and the audit counts them as dropped."""

    where: str = option(TEXT, "Which records: a query (docs/search.md).")


@dataclass(frozen=True, slots=True)
class SampleStep:
    """
    Keeps one record in so many, the same ones whenever they are read.

    `extra.weight` of those that are kept is the number that each stands for.
    """

    count: int = option(COUNT.between("2", "1000000"), "One in how many.")
    where: str | None = optional(TEXT, _QUERY)


@dataclass(frozen=True, slots=True)
class RenameStep:
    """Moves the value of a field to another, which is replaced if it is there."""

    field: str = option(_FIELD, "The field to move.")
    to: str = option(_FIELD, "Its new name.")
    where: str | None = optional(TEXT, _QUERY)


@dataclass(frozen=True, slots=True)
class RemoveStep:
    """Removes fields."""

    fields: tuple[str, ...] = option(ListOf(_FIELD, least=1), "The fields.")
    where: str | None = optional(TEXT, _QUERY)


@dataclass(frozen=True, slots=True)
class SetStep:
    """Gives a field a value, whether it has one or not."""

    field: str = option(_FIELD, "The field.")
    value: str = option(TEXT, "Its value.")
    where: str | None = optional(TEXT, _QUERY)


@dataclass(frozen=True, slots=True)
class ParseStep:
    """Takes a text apart: a JSON object, or logfmt (`key=value key="a b"`)."""

    field: str = option(_FIELD, "The field with the text.")
    form: str = option(one_word_of("json", "logfmt"), "What the text is.", key="as")
    into: str = option(_FIELD, "The field under which the keys are put.", default="extra.parsed")
    where: str | None = optional(TEXT, _QUERY)


@dataclass(frozen=True, slots=True)
class LookupStep:
    """Adds the columns of the row of a CSV file whose key is the value of a field."""

    file: Path = option(
        PATH,
        "CSV file, UTF-8, with a heading; its first column is the key. It is read at the start and "
        "at a reload; at most 64 MiB.",
    )
    field: str = option(_FIELD, "The field whose value is looked up.")
    into: str = option(_FIELD, "The field under which the other columns are put.")
    where: str | None = optional(TEXT, _QUERY)


@dataclass(frozen=True, slots=True)
class GeoStep:
    """
    Adds where an IP address is: `source.geo.country_iso_code` and other names of ECS.

    Private and reserved addresses are left alone. It needs the extra `geoip`.
    """

    file: Path = option(
        PATH,
        "Database in the format of MaxMind (.mmdb): of cities, countries or autonomous systems. It "
        "is held in memory; when the file is replaced, the new one is used within seconds.",
    )
    field: str = option(_FIELD, "The field with the address.", default="client_ip")
    into: str = option(
        _FIELD, "The field under which `geo` and `as` are put.", default="extra.source"
    )
    where: str | None = optional(TEXT, _QUERY)


@dataclass(frozen=True, slots=True)
class TruncateStep:
    """Cuts a long text, and tags the record `truncated`."""

    field: str = option(_FIELD, "The field with the text.")
    max_bytes: int = option(SIZE.between("16 B", "8 MiB"), "What is kept, in UTF-8.")
    where: str | None = optional(TEXT, _QUERY)


StepOptions = (
    DropStep
    | SampleStep
    | RenameStep
    | RemoveStep
    | SetStep
    | ParseStep
    | LookupStep
    | GeoStep
    | TruncateStep
)

STEPS: Final = {
    "drop": Section(DropStep),
    "keep_one_in": Section(SampleStep),
    "rename": Section(RenameStep),
    "remove": Section(RemoveStep),
    "set": Section(SetStep),
    "parse": Section(ParseStep),
    "lookup": Section(LookupStep),
    "geoip": Section(GeoStep),
    "truncate": Section(TruncateStep),
}
STEP: Final = OneOf(STEPS)
