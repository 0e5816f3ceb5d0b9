"""
Compiles patterns: those of our formats with `re`, those of users with RE2.

A pattern of ours is written so that no line takes long, which a test proves. One of a user may have
nested repetitions, on which `re` would stop the shipper; RE2 takes time that grows with the length
of the line only, and has no look-around and no back references.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from shipper.errors import ConfigError
from shipper.formats.blocks import expand

# Takes a line; returns the values of the groups, None if the pattern does not match all of it.
Matcher = Callable[[str], tuple[str | None, ...] | None]

MOST_MEMORY = 16 << 20  # of one pattern of a user, compiled


@cache
def compile_ready(pattern: str) -> tuple[Matcher, tuple[str, ...]]:
    """Compile a pattern of ours; return its matcher and the names of its groups."""
    compiled = re.compile(expand(pattern), re.ASCII)
    matching = compiled.fullmatch

    def match(line: str) -> tuple[str | None, ...] | None:
        found = matching(line)
        return None if found is None else found.groups()

    return match, tuple(compiled.groupindex)


def compile_own(pattern: str) -> tuple[Matcher, tuple[str, ...]]:
    """
    Compile a pattern of a user; return its matcher and the names of its groups.

    Raises:
        ConfigError: it is none, or RE2 does not know what it uses.

    """
    compiled = compile_linear(expand(pattern))
    order = sorted(compiled.groupindex.items(), key=lambda item: item[1])
    indexes = [index for _name, index in order]

    def match(line: str) -> tuple[str | None, ...] | None:
        data = line.encode()
        found = compiled.fullmatch(data)
        if found is None:
            return None
        values = (found[index] for index in indexes)
        return tuple(None if value is None else value.decode(errors="replace") for value in values)

    return match, tuple(name.decode() for name, _index in order)


def compile_linear(pattern: str, *, by_byte: bool = False) -> Any:
    """
    Compile a regular expression that takes linear time; it matches bytes.

    With `by_byte`, a dot is one byte of any value, as for a pattern of bytes of `re`.

    Raises:
        ConfigError: it is none, or RE2 does not know what it uses.

    """
    import re2  # noqa: PLC0415 -- only who has patterns of his own needs it

    options = re2.Options()
    options.max_mem = MOST_MEMORY
    options.log_errors = False
    if by_byte:
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode() if isinstance(reason, bytes) else reason
        raise ConfigError(
            f'"{pattern}" is not a regular expression: {reason}',
            "correct it; look-around and back references are not available",
        ) from error
