"""
The page of reports: the HTML files of the reports folder, and each of them as it was written.

A file is found by a name that has the form of a report's, is regular and not too large; links are
not followed. It is shown under a policy of its own, as if it came from another place: it runs no
script, loads nothing, and knows nothing of the dashboard.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import islice
from stat import S_ISREG
from typing import TYPE_CHECKING, Final

from shipper.errors import ConfigError, StoreUnavailable
from shipper.files import read_regular
from shipper.text import safe, size
from shipper.web.zones import shown

if TYPE_CHECKING:
    from pathlib import Path

MOST_FILES: Final = 10_000  # of the folder that are looked at
MOST_SHOWN: Final = 400
MOST_BYTES: Final = 16 << 20
# A document in a sandbox may not be separated by the opener policy as well: browsers refuse both.
REPORT_HEADERS: Final = {
    "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "unsafe-none",
}
_NAME: Final = re.compile(r"(?P<kind>[a-z]{1,30})-(?P<period>[0-9A-Za-z_-]{1,60})\.html", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report in the list."""

    name: str
    kind: str
    period: str
    written: str
    size: str


def list_reports(folder: Path) -> list[ReportRow]:
    """
    Return the reports of a folder, those written last first.

    Raises:
        StoreUnavailable: the folder can't be read.
    """
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, MOST_FILES):
                name = _NAME.fullmatch(entry.name)
                state = entry.stat(follow_symlinks=False) if name else None
                if name and state and S_ISREG(state.st_mode):
                    found.append((state.st_mtime, name, state.st_size))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreUnavailable(
            f"cannot read {safe(str(folder))}: {error.strerror}", "grant it to this user"
        ) from None
    found.sort(key=lambda each: (each[0], each[1].string), reverse=True)
    return [
        ReportRow(
            name.string,
            name["kind"],
            name["period"],
            shown(int(at * 1000)),
            size(length),
        )
        for at, name, length in found[:MOST_SHOWN]
    ]


def read_report(folder: Path | None, name: str) -> bytes:
    """
    Return a report.

    Raises:
        ConfigError: there is none of this name, or it can't be read.
    """
    if folder is None or not _NAME.fullmatch(name):
        raise ConfigError(f"there is no report {safe(name)[:60]}", "see the list")
    try:
        return read_regular(folder / name, MOST_BYTES)
    except OSError as error:
        raise ConfigError(
            f"cannot read report {safe(name)[:60]}: {error.strerror}", "see the list"
        ) from None
