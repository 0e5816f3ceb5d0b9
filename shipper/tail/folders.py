"""
The folders that a pattern means, as `glob` has it: `*` and `**` match no hidden name.

Links are followed (shipper/tail/links.py says which), and may lead in a circle, or to the root of a
disk. So each folder is visited once for each part of the pattern, under its own name rather than
that of a link, and no more than `MOST_FOLDERS` in all: the walk ends, and always at the same place.
"""

from __future__ import annotations

import fnmatch
import logging
import os
import re
from functools import lru_cache
from glob import has_magic
from typing import TYPE_CHECKING

from shipper.tail import links

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

MOST_FOLDERS = 20_000  # listed for one pattern; listing them takes about half a second

_excessive: set[str] = set()  # patterns of which it was logged that they match too much


def folders_of(pattern: str) -> Iterator[str]:
    """Yield the folders that match now, each once; those without a wildcard need not be there."""
    place = "/" if pattern.startswith("/") else ""
    if not has_magic(pattern):
        yield pattern or "."
        return
    walk = _Walk(pattern)
    for found in walk.expand(place, tuple(part for part in pattern.split("/") if part)):
        yield found or "."


class _Walk:
    """One walk; `expand` stops where it has listed too many folders."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._left = MOST_FOLDERS
        self._met: set[tuple[int, int, int]] = set()

    def expand(self, place: str, parts: tuple[str, ...]) -> Iterator[str]:
        """Yield what these parts of the pattern mean below a folder."""
        while parts and not has_magic(parts[0]):
            place, parts = os.path.join(place, parts[0]), parts[1:]
            if self._met and not _may_be_entered(place):
                return  # below a wildcard, where others may make links
        if not parts:
            if os.path.isdir(place or "."):
                yield place
            return
        if not self._is_new(place, len(parts)):
            return
        first, rest = parts[0], parts[1:]
        if first == "**":
            yield from self.expand(place, rest)
            rest = parts
        for name in self._list(place, "*" if first == "**" else first):
            yield from self.expand(os.path.join(place, name), rest)

    def _is_new(self, place: str, left: int) -> bool:
        """Note a visit; return False if the folder was visited for the same part, or is none."""
        try:
            stat = os.stat(place or ".")
        except OSError:
            return False
        key = stat.st_dev, stat.st_ino, left
        if key in self._met:
            return False
        self._met.add(key)
        return True

    def _list(self, place: str, pattern: str) -> list[str]:
        """Return the folders in a folder whose names match: first those that are no links."""
        if not self._left:
            if self._pattern not in _excessive:
                _excessive.add(self._pattern)
                log.warning(
                    "%s matches more than %d folders; the others are not read, use a narrower"
                    " pattern",
                    self._pattern,
                    MOST_FOLDERS,
                )
            return []
        self._left -= 1
        matches, hidden = _regex(pattern).match, pattern.startswith(".")
        names: tuple[list[str], list[str]] = [], []
        try:
            with os.scandir(place or ".") as entries:
                for entry in entries:
                    name = entry.name
                    if (hidden or name[0] != ".") and matches(name) and _is_folder(entry):
                        names[entry.is_symlink()].append(name)
        except OSError:
            pass  # not there now, or not to be listed: `check` says so
        return [*names[0], *names[1]]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and (not entry.is_symlink() or _may_be_entered(entry.path))
    except OSError:
        return False


def _may_be_entered(path: str) -> bool:
    """Return whether a path is there, and no link that is not followed."""
    try:
        return links.stat_of(path, os.lstat(path)) is not None
    except OSError:
        return False


@lru_cache(maxsize=1024)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))
