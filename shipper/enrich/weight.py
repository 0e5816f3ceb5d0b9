"""
How much a store makes of the objects and lists of a record.

Every value within them is indexed with the whole path that leads to it. So a line of 100 kB, a long
key with a list of numbers, would be an index of gigabytes: no store takes that, and the line would
be sent for ever. From a weight on that grows with the line, objects and lists are their own JSON,
as texts.
"""

from __future__ import annotations

import json
from typing import Any, Final

UNINDEXED: Final = ("unindexed",)  # the tag
OF_ANY: Final = 16 << 10  # the weight that any record may have
OF_A_BYTE: Final = 12  # and what it may have besides for each byte of its line
OF_A_VALUE: Final = 32  # a value has this weight, and that of its path


def lighten(extra: dict[str, Any], line: bytes) -> tuple[str, ...]:
    """
    Write what is too heavy as text, in its place; return the tag, if anything was.

    Nothing may be nested without end.
    """
    size = len(line)
    left = OF_ANY + OF_A_BYTE * size
    if (line.count(b",") + 1) * (size + OF_A_VALUE) <= left:
        return ()  # however long the paths in it are
    tags: tuple[str, ...] = ()
    for key, value in extra.items():
        if type(value) is not dict and type(value) is not list:
            continue
        now = _left(value, len(key), left)
        if now < 0:
            extra[key] = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            tags = UNINDEXED
        else:
            left = now
    return tags


def _left(value: Any, path: int, left: int) -> int:
    """
    Return what is left of a weight without that of a value; it is negative if nothing is.

    Keys and texts are left out: together they are no longer than the line.
    """
    left -= len(value) * (path + OF_A_VALUE)
    if left < 0:
        return left
    if type(value) is dict:
        for key, item in value.items():
            if type(item) is dict or type(item) is list:
                left = _left(item, path + 1 + len(key), left)
    else:
        for item in value:
            if type(item) is dict or type(item) is list:
                left = _left(item, path, left)
    return left
