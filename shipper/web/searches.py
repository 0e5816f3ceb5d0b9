"""
Saved searches: a name, and the state of the log page that it stands for.

They are a file of the data folder, for everybody who opens this dashboard. It is written whole and
durably, under a lock, so two dashboards lose nothing of each other. It is bounded: so many
searches, each so long.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.errors import ConfigError
from shipper.files import make_folder, open_locked, read_regular, write_whole
from shipper.text import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOST_SEARCHES: Final = 100
MOST_BYTES: Final = 1 << 20
NAME_CHARS: Final = 60
VALUE_CHARS: Final = 2000
STATE: Final = (
    "q",
    "range",
    "since",
    "until",
    "sort",
    "facet",
    "cols",
)  # of the address that is kept
REMEDY: Final = "correct the permissions of the data folder, or move the file away"


class SavedSearch(msgspec.Struct, frozen=True):
    """A name, and the parameters of the address of the log page."""

    name: str
    state: dict[str, str]


class _File(msgspec.Struct):
    searches: list[SavedSearch] = []


@dataclass(frozen=True, slots=True)
class SavedSearches:
    """The searches of a file; there need be none, and without a path there never are."""

    path: Path | None

    def links(self) -> list[tuple[str, str]]:
        """
        Return name and address of each, by name.

        Raises:
            ConfigError: the file can't be read.
        """
        found = self._read() if self.path is not None else []
        found.sort(key=lambda each: each.name.casefold())
        return [
            (each.name, f"/logs?{urlencode(_state_of(each.state))}")
            for each in found[:MOST_SEARCHES]
        ]

    def save(self, name: str, given: Mapping[str, str]) -> None:
        """
        Keep a search, in place of one of that name.

        Raises:
            ConfigError: it is no name, too long, one too many, or can't be written.
        """
        name, state = name.strip(), _state_of(given)
        if not name or len(name) > NAME_CHARS or name != safe(name):
            raise ConfigError(f"a name has 1 to {NAME_CHARS} characters", "use another name")
        if any(len(value) > VALUE_CHARS for value in state.values()):
            raise ConfigError("the query is too long to be saved", "shorten it")
        with self._changing() as searches:
            others = [each for each in searches if each.name != name]
            if len(others) >= MOST_SEARCHES:
                raise ConfigError(f"there are {len(others)} saved searches", "delete one first")
            searches[:] = [*others, SavedSearch(name, state)]

    def delete(self, name: str) -> None:
        """
        Delete the search of a name; do nothing where there is none.

        Raises:
            ConfigError: it can't be written.
        """
        with self._changing() as searches:
            searches[:] = [each for each in searches if each.name != name]

    @contextmanager
    def _changing(self) -> Iterator[list[SavedSearch]]:
        """Yield the searches, and keep what the block makes of them unless it raises."""
        if self.path is None:
            raise ConfigError("this dashboard keeps no searches", "keep the address of the page")
        try:
            make_folder(self.path.parent)
            fd = open_locked(self.path, wait=True)
            try:
                searches = self._read()
                yield searches
                write_whole(self.path, msgspec.json.encode(_File(searches)), durable=True)
            finally:
                os.close(fd)
        except OSError as error:
            raise ConfigError(f"cannot write {self.path}: {error.strerror}", REMEDY) from None

    def _read(self) -> list[SavedSearch]:
        assert self.path is not None
        try:
            data = read_regular(self.path, MOST_BYTES)
            return msgspec.json.decode(data, type=_File).searches if data else []
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror}", REMEDY) from None
        except UNDECODABLE:
            raise ConfigError(f"cannot read {self.path}: it is damaged", REMEDY) from None


def _state_of(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given[name] for name in STATE if given.get(name)}
