"""Matchers: how an option or a command names incidents, such as `rule=server_*`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from shipper.config.options import InvalidValueError


class Comparison(StrEnum):
    """How a value is compared with that of the matcher."""

    IS = "="  # * ? [ ] are wildcards
    IS_NOT = "!="
    MATCHES = "~"  # a regular expression, for all of the value
    MATCHES_NOT = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """
    A condition on incidents: `rule=server_errors`, `severity=low`, `host~app[0-9]+`.

    The name is `rule`, `severity`, `id`, `host` (for `host.name`) or a field by which the rule
    groups. A field that the incident does not have counts as empty.
    """

    name: str
    comparison: Comparison
    wanted: str

    def holds(self, value: str) -> bool:
        """Return whether an incident with this value under `name` matches."""
        if self.comparison in {Comparison.IS, Comparison.IS_NOT}:
            return fnmatchcase(value, self.wanted) is (self.comparison is Comparison.IS)
        met = re.fullmatch(self.wanted, value) is not None
        return met is (self.comparison is Comparison.MATCHES)

    def __str__(self) -> str:
        return f"{self.name}{self.comparison}{self.wanted}"


def parse_matcher(text: str) -> Matcher:
    """Read `name=value`, `name!=value`, `name~value` or `name!~value`; else InvalidValueError."""
    found = re.fullmatch(r"([\w.@-]{1,200}?)(!=|!~|=|~)(.{0,1000})", text.strip(), re.DOTALL)
    if found is None:
        raise InvalidValueError(
            f'"{text}" is not a matcher',
            "use name=value or name~expression, such as rule=server_*",
        )
    comparison = Comparison(found[2])
    if comparison in {Comparison.MATCHES, Comparison.MATCHES_NOT}:
        try:
            re.compile(found[3])
        except re.error as error:
            raise InvalidValueError(
                f'"{found[3]}" is not a regular expression ({error})', "correct it, or use = and *"
            ) from None
    return Matcher(found[1], comparison, found[3])
