"""
Every error that a user can meet, in one tree.

    ShipperError                 exit 3 unless said otherwise
    ├── ConfigError              wrong use or config: all faults at once; exit 2
    │   └── QueryError           a query or a field that cannot be answered as asked; exit 2
    ├── DataFolderError          the data folder is in use, full, read-only or corrupt
    ├── StoreUnavailable         the store cannot be read or written now
    └── OutputUnavailable        nothing is known of any event of the batch: send all again

An error has a `fault`, which says where and what, and a `remedy`, which says what to do; as text it
is both, with a semicolon between. `cli` prints it on one line and exits with `exit_code`; a
traceback is always a fault of ours.
"""

from __future__ import annotations


class ShipperError(Exception):
    """Something that stops the work and that the user can mend."""

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
    """The store cannot answer this question as it was asked."""


class DataFolderError(ShipperError):
    """The data folder cannot be used: locked, full, read-only or corrupt."""


class StoreUnavailable(ShipperError):
    """The store cannot be read or written now."""


class OutputUnavailable(ShipperError):
    """Nothing is known of any event of a batch; all of it has to be sent again."""
