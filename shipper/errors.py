"""
The errors that a user can meet.

    ShipperError                 exit 3 unless noted
    ├── ConfigError              wrong usage or config; exit 2
    │   └── QueryError           a query or field that the store cannot answer; exit 2
    ├── DataFolderError          the data folder is in use, full, read-only or corrupt
    ├── StoreUnavailable         the store cannot be read or written now
    └── OutputUnavailable        the outcome of the batch is unknown: send all of it again

An error has a `fault` (where and what) and a `remedy` (what to do); its text is both, joined by a
semicolon. `cli` prints the text and exits with `exit_code`; any other exception is a bug.
"""

from __future__ import annotations

import errno
import traceback
from typing import Final

_NOT_ALLOWED = "run this as a user who may do that, such as that of the shipper"
_NO_SPACE = "free some space"
_REMEDIES: Final = {
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.ENOENT: "correct the path",
    errno.ENOTDIR: "correct the path",
    errno.EISDIR: "name a file, not a folder",
    errno.EROFS: "use a path on a file system that can be written",
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


class ShipperError(Exception):
    """A failure that the user can correct."""

    exit_code = 3

    def __init__(self, fault: str, remedy: str = "") -> None:
        super().__init__(fault, remedy)
        self.fault = fault
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.fault}; {self.remedy}" if self.remedy else self.fault


class ConfigError(ShipperError):
    """The config or the command line is wrong."""

    exit_code = 2


class QueryError(ConfigError):
    """The store cannot answer this query."""


class DataFolderError(ShipperError):
    """The data folder cannot be used: locked, full, read-only or corrupt."""


class StoreUnavailable(ShipperError):
    """The store cannot be read or written now."""


class OutputUnavailable(ShipperError):
    """The outcome of a batch is unknown; all of it has to be sent again."""


def remedy_of(error: OSError, otherwise: str = "") -> str:
    """Return what to do about an error of the system; `otherwise` if its number does not say."""
    return _REMEDIES.get(error.errno or 0, otherwise)


def bug_of(error: BaseException) -> str:
    """Return kind and place of a bug, for the log; not its message, which may quote a record."""
    places = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return f"{type(error).__name__}\n{places}"
