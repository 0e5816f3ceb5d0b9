r"""
The building blocks of patterns: `%{IP:client_ip}` is the group `client_ip` that matches an address.

Their names are those of grok. A block has no group of its own and no look-around, so that RE2 can
match it, which runs the patterns of users in linear time.
"""

from __future__ import annotations

import re

from shipper.errors import ConfigError

_DATE = r"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
_OFFSET = r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"

BLOCKS: dict[str, str] = {
    "DATA": r".*?",
    "GREEDYDATA": r".*",
    "HOSTNAME": r"[0-9A-Za-z][0-9A-Za-z._-]*",
    "HTTPDATE": rf"[0-9]{{1,2}}/[A-Z][a-z]{{2}}/[0-9]{{4}}:{_CLOCK}(?: {_OFFSET})?",
    "INT": r"[+-]?[0-9]+",
    "IP": r"[0-9A-Fa-f:.]+(?:%[0-9A-Za-z]+)?",
    "LOGGER": r"[A-Za-z_][0-9A-Za-z_.$/-]*",
    "LOGLEVEL": (
        r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|FATAL|CRITICAL|ALERT|EMERG|PANIC"
        r"|trace|debug|info|notice|warn|warning|error|fatal|critical|alert|emerg|panic"
        r"|Trace|Debug|Info|Notice|Warn|Warning|Error|Fatal|Critical)"
    ),
    "NOTSPACE": r"[^ \t]+",
    "NUMBER": r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?",
    "PATH": r"/[^ \t\"]*",
    "QUOTED": r"[^\"\\]*(?:\\.[^\"\\]*)*",
    "SYSLOGTIMESTAMP": r"[A-Z][a-z]{2} [ 0-9]?[0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}",
    "TIME": _CLOCK,
    "TIMESTAMP_ISO8601": rf"{_DATE}[T ]{_CLOCK}(?: ?(?:{_OFFSET}|UTC|GMT))?",
    "UUID": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "WORD": r"[0-9A-Za-z_]+",
}

_BLOCK = re.compile(r"%\{([A-Za-z0-9_]*)(?::([^}]*))?\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def expand(pattern: str) -> str:
    """
    Return a pattern with its blocks put in.

    Raises:
        ConfigError: there is no such block, or no such name of a group.

    """

    def block(found: re.Match[str]) -> str:
        name, group = found[1], found[2]
        if name not in BLOCKS:
            raise ConfigError(f"there is no block %{{{name}}}", f"use one of: {', '.join(BLOCKS)}")
        if group is None:
            return f"(?:{BLOCKS[name]})"
        if _NAME.fullmatch(group) is None:
            raise ConfigError(
                f'"{group}" is not the name of a group', "use letters, digits and underscores"
            )
        return f"(?P<{group}>{BLOCKS[name]})"

    return _BLOCK.sub(block, pattern)


def numbers_of(pattern: str) -> frozenset[str]:
    """Return the groups of a pattern that are numbers, by the blocks that they are made of."""
    return frozenset(
        found[2] for found in _BLOCK.finditer(pattern) if found[1] in ("INT", "NUMBER") and found[2]
    )
