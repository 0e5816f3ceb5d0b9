"""
People: who may see the dashboard and who may act, in the users file of the data folder.

The file (`users.json`, mode 0600) has a name, a role and the argon2id hash of a password for each;
it is written whole and durably, under a lock. Whoever is removed, or gets another password, is out
with the next request: the file is looked at with each one, and each password has a stamp that
sessions remember. A file that can't be read lets nobody in.

A check takes as long for a name that is not there as for one that is.
"""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shipper.decoding import UNDECODABLE
from shipper.errors import ConfigError
from shipper.files import make_folder, open_locked, read_regular, write_whole
from shipper.text import safe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_USERS: Final = 10_000
MOST_BYTES: Final = 8 << 20
LEAST_CHARS: Final = 10  # of a password
MOST_CHARS: Final = 1000
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)
REMEDY: Final = "correct the permissions of the data folder, or restore the file from a backup"
NONE_REMEDY: Final = "see shipper users list"
_hasher = PasswordHasher()  # argon2id, with the parameters of RFC 9106 for little memory: 64 MiB


class Role(StrEnum):
    """What somebody may do: look, or act, too."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is at a browser."""

    name: str
    role: Role

    @property
    def names(self) -> tuple[str, str]:
        """The name and that of the role."""
        return self.name, self.role.value

    @property
    def may_act(self) -> bool:
        """Whether the forms of pages are for them."""
        return self.role is Role.OPERATOR


class UserEntry(msgspec.Struct, frozen=True):
    """A user of the file. Without a hash they come by a proxy only; `stamp` is of the password."""

    name: str
    role: Role
    hash: str = ""
    stamp: str = ""


class _File(msgspec.Struct):
    users: list[UserEntry] = []


class UsersFile:
    """The users of a file, which need not be there: then there are none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._users: dict[str, UserEntry] = {}

    def users(self) -> dict[str, UserEntry]:
        """
        Return the users by name, as the file has them now.

        Raises:
            ConfigError: the file can't be read.
        """
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            self._seen, self._users = None, {}
            return self._users
        except OSError as error:
            raise self._fault(error.strerror) from None
        look = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if look != self._seen:
            self._users, self._seen = self._read(), look
        return self._users

    def add(self, name: str, role: Role, password: str | None) -> None:
        """
        Add a user; without a password one that only a proxy can log in.

        Raises:
            ConfigError: the name is none or taken, the password bad, or the file can't be written.
        """
        if not NAME.fullmatch(name):
            raise ConfigError(
                f"{safe(name)[:80]} is no name of a user",
                "use 1 to 64 letters, digits and . _ @ + -, beginning with a letter or digit",
            )
        entry = _with_password(UserEntry(name, role), password)
        with self._changing() as users:
            if name in users:
                raise ConfigError(f"there is a user {name}", "see shipper users password and role")
            if len(users) >= MOST_USERS:
                raise ConfigError(f"there are {len(users):,} users", "remove some")
            users[name] = entry

    def remove(self, name: str) -> None:
        """Remove a user; raise ConfigError where there is none."""
        with self._changing() as users:
            del users[_known(users, name)]

    def set_password(self, name: str, password: str) -> None:
        """Change the password of a user, which ends their sessions; raise as `add` does."""
        with self._changing() as users:
            users[name] = _with_password(users[_known(users, name)], password)

    def set_role(self, name: str, role: Role) -> None:
        """Change the role of a user; raise as `add` does."""
        with self._changing() as users:
            users[name] = msgspec.structs.replace(users[_known(users, name)], role=role)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, UserEntry]]:
        """Yield the users, and keep what the block makes of them unless it raises."""
        try:
            make_folder(self._path.parent)
            # A file of its own: that of the users is replaced, and is not there while none are.
            fd = open_locked(self._path.with_suffix(".lock"), wait=True)
            try:
                users = self._read()
                yield users
                data = msgspec.json.encode(_File(list(users.values())))
                write_whole(self._path, data, durable=True)
            finally:
                os.close(fd)
        except OSError as error:
            raise ConfigError(f"cannot write {self._path}: {error.strerror}", REMEDY) from None

    def _read(self) -> dict[str, UserEntry]:
        try:
            data = read_regular(self._path, MOST_BYTES)
            found = msgspec.json.decode(data, type=_File).users
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._fault(error.strerror) from None
        except UNDECODABLE:
            raise self._fault("it is damaged") from None
        return {each.name: each for each in found}

    def _fault(self, why: str | None) -> ConfigError:
        return ConfigError(f"cannot read {self._path}: {why}", REMEDY)


def is_password_of(entry: UserEntry | None, password: str) -> bool:
    """Return whether this is the password of a user; for None, and after as long, it is not."""
    known = entry is not None and bool(entry.hash)
    try:
        right = _hasher.verify(entry.hash if entry and known else _of_nobody(), _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return right and known


@cache
def _of_nobody() -> str:
    """Return the hash of a password that nobody has."""
    return _hasher.hash(secrets.token_urlsafe(32))


def _known(users: dict[str, UserEntry], name: str) -> str:
    if name not in users:
        raise ConfigError(f"there is no user {safe(name)[:80]}", NONE_REMEDY)
    return name


def _with_password(entry: UserEntry, password: str | None) -> UserEntry:
    hashed = ""
    if password is not None:
        if not LEAST_CHARS <= len(password) <= MOST_CHARS or password.strip() == "":
            raise ConfigError(
                f"a password has {LEAST_CHARS} to {MOST_CHARS:,} characters", "choose another one"
            )
        hashed = _hasher.hash(_normal(password))
    return msgspec.structs.replace(entry, hash=hashed, stamp=secrets.token_urlsafe(12))


def _normal(password: str) -> bytes:
    """Return the bytes of a password, the same however a keyboard composes its letters."""
    return unicodedata.normalize("NFKC", password[:MOST_CHARS]).encode(errors="replace")
