"""
Which files the inputs mean, now: patterns to paths.

A rotated log belongs to its log: next to every file that a pattern matches, names that go on with
a dot or a dash and digits (`app.log.1`, `app.log.2026-02-05`, `app.log-20260205`) are taken too,
so that what was rotated while the shipper was down is still read; gzip may have followed
(`app.log.2.gz`). What was compressed otherwise is not, whatever the pattern.

A folder that is not there, or cannot be listed, matches nothing now and is looked at again in the
next scan.
"""

# Strings and scandir, not Path objects: every file is visited once a second.
from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from shipper.tail import links
from shipper.tail.content import GZIP
from shipper.tail.folders import folders_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OTHERWISE_COMPRESSED = (".bz2", ".lz4", ".xz", ".zip", ".zst")

NAMES_REMEMBERED = 20_000  # of files: what a pattern says of them is asked in every scan

ROTATED = re.compile(r"[.-]\d[\d_.T:-]*(?:\.gz)?\Z")


class FoundFile(NamedTuple):
    """An absolute path of an input, and whether its name is that of a rotated file, or a gzip."""

    path: str
    stat: os.stat_result
    rotated: bool
    compressed: bool = False

    @property
    def shown(self) -> str:
        """Return the path as valid text: a name may have bytes that are not UTF-8."""
        return os.fsencode(self.path).decode(errors="replace")


class _Name(NamedTuple):
    """What the name of a file says of it."""

    rotated: bool
    compressed: bool


def family(path: str) -> str:
    """Return the path of the log that a path was rotated from; its own, if it was not."""
    return ROTATED.sub("", path.removesuffix(GZIP))


@dataclass(frozen=True, slots=True)
class Patterns:
    """
    The paths of one input: glob patterns (`**` for any depth), and those to leave out.

    Gzips are found unless `compressed` is False.
    """

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    compressed: bool = True
    _regexes: dict[str, re.Pattern[str]] = field(default_factory=dict, repr=False)
    _names: dict[tuple[str, str], _Name | None] = field(default_factory=dict, repr=False)

    def find(self) -> Iterator[FoundFile]:
        """Find the regular files that match now, each path once."""
        done: set[str] = set()
        several, exclude = len(self.paths) > 1, self.exclude
        for pattern in self.paths:
            for found in self._find(pattern):
                if (several and found.path in done) or (exclude and self._excluded(found)):
                    continue
                if several:
                    done.add(found.path)
                yield found

    def take(self, path: str) -> bool:
        """Return whether a path that is not there any more was one of these."""
        names = {path, family(path)}
        if any(self._matches(name, pattern) for pattern in self.exclude for name in names):
            return False
        return any(self._leads_to(pattern, name) for pattern in self.paths for name in names)

    def _leads_to(self, pattern: str, path: str) -> bool:
        """Match a whole path as `find` does: wildcards end at a slash, but `**`."""
        wanted = os.path.abspath(pattern).split("/")
        return _match(wanted, path.split("/"), self._regex)

    def folders(self) -> set[str]:
        """
        Return the folders in which something may match: where to listen for changes.

        Absolute, as hints then name files as `find` does.
        """
        folders: set[str] = set()
        for pattern in self.paths:
            folder = os.path.dirname(pattern) or "."
            folders.update(folders_of(folder))
        return {os.path.abspath(folder) for folder in folders if os.path.isdir(folder)}

    def _find(self, pattern: str) -> Iterator[FoundFile]:
        folder, name = os.path.split(pattern)
        for place in folders_of(folder):
            yield from self._list(place, name)

    def _list(self, folder: str, pattern: str) -> Iterator[FoundFile]:
        names = self._names
        if len(names) > NAMES_REMEMBERED:
            names.clear()
        try:
            with os.scandir(os.path.abspath(folder)) as entries:
                for entry in entries:
                    key = pattern, entry.name
                    name = names[key] if key in names else names.setdefault(key, self._name(*key))
                    if name is not None:
                        stat = _stat(entry)
                        if stat is not None:
                            yield FoundFile(entry.path, stat, *name)
        except OSError:
            return  # not there now, or not to be listed: `check` says so

    def _name(self, pattern: str, name: str) -> _Name | None:
        """Return what a name means; None if the pattern does not take it."""
        regex = self._regex(pattern)
        suffix = ROTATED.search(name)
        rotated = suffix is not None and bool(regex.match(name[: suffix.start()]))
        compressed = name.endswith(GZIP)
        if not (rotated or regex.match(name)) or name.endswith(OTHERWISE_COMPRESSED):
            return None
        if compressed and not self.compressed:
            return None
        return _Name(rotated or compressed, compressed)

    def _excluded(self, found: FoundFile) -> bool:
        """Return whether the path, or the one that it was rotated from, is to be left out."""
        paths = [found.path, family(found.path)] if found.rotated else [found.path]
        return any(self._matches(path, pattern) for pattern in self.exclude for path in paths)

    def _matches(self, path: str, pattern: str) -> bool:
        if "/" not in pattern:
            return self._regex(pattern).match(os.path.basename(path)) is not None
        patterns = pattern, os.path.abspath(pattern)
        return any(self._regex(each).match(path) for each in patterns)

    def _regex(self, pattern: str) -> re.Pattern[str]:
        if pattern not in self._regexes:
            self._regexes[pattern] = re.compile(fnmatch.translate(pattern))
        return self._regexes[pattern]


def _match(wanted: list[str], parts: list[str], regex: Callable[[str], re.Pattern[str]]) -> bool:
    """Match a path part by part; `**` is any number of them."""
    if not wanted or not parts:
        return not wanted and not parts
    if wanted[0] == "**" and len(wanted) > 1:
        return _match(wanted[1:], parts, regex) or _match(wanted, parts[1:], regex)
    fits = regex(wanted[0]).match(parts[0]) is not None
    return fits and _match(wanted[1:], parts[1:], regex)


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Stat the entry (through a link that may be followed); None if it is no regular file."""
    try:
        stat = links.stat_of(entry.path, entry.stat(follow_symlinks=False))
    except OSError:
        return None  # it just went
    return stat if stat is not None and stat.st_mode & 0o170000 == 0o100000 else None
