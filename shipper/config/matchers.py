"""Matchers: how an option or a command names incidents, such as `rule=server_*`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class Comparison(StrEnum):
    """How a value is held against what a matcher wants."""

    IS = "="  # * ? [ ] are wildcards
    IS_NOT = "!="
    MATCHES = "~"  # a regular expression, for all of the value
    MATCHES_NOT = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """
    What an incident has to be: `rule=server_errors`, `severity=low`, `host~app[0-9]+`.

    Besides `rule`, `severity`, `id` and `host` (for `host.name`), names are those of the fields by
    which the rule groups; of a field that it has not, the value is empty.
    """

    name: str
    comparison: Comparison
    wanted: str

    def holds(self, value: str) -> bool:
        """Return whether an incident matches that has this value under `name`."""
        if self.comparison in {Comparison.IS, Comparison.IS_NOT}:
            return fnmatchcase(value, self.wanted) is (self.comparison is Comparison.IS)
        met = re.fullmatch(self.wanted, value) is not None
        return met is (self.comparison is Comparison.MATCHES)

    def __str__(self) -> str:
        return f"{self.name}{self.comparison}{self.wanted}"


def parse_matcher(text: str) -> Matcher:
    """Read `name=value`, `name!=value`, `name~value` or `name!~value`; ValueError otherwise."""
    found = re.fullmatch(r"([\w.@-]{1,200}?)(!=|!~|=|~)(.{0,1000})", text.strip(), re.DOTALL)
    if found is None:
        told = f'"{text}" is no matcher; use name=value or name~expression, such as rule=server_*'
        raise ValueError(told)
    comparison = Comparison(found[2])
    if comparison in {Comparison.MATCHES, Comparison.MATCHES_NOT}:
        try:
            re.compile(found[3])
        except re.error as error:
            told = f'"{found[3]}" is no regular expression ({error}); mend it, or use = and *'
            raise ValueError(told) from None
    return Matcher(found[1], comparison, found[3])
