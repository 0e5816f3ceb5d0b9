"""
Which symbolic links under a pattern are followed.

A shipper that may read every file (root, or CAP_DAC_READ_SEARCH) would read for whoever can write
to a log folder what that user may not: a link `evil.log` to a file of root. So such a shipper
follows a link only if root, its own user or the owner of the target made it. Any other shipper
reads with the rights that it was given, and the kernel refuses the rest.

A link that is exchanged after it was looked at leads to another file than the one that was found;
whoever opens a file compares (`shipper.tail.content.open_content`).
"""

from __future__ import annotations

import logging
import os
import stat
from typing import Final

log = logging.getLogger(__name__)

MOST_NAMED: Final = 1000  # links that are logged, each once

_READS_ALL: Final = 0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: capabilities(7)

_refused: dict[str, str] = {}


def stat_of(path: str, link: os.stat_result) -> os.stat_result | None:
    """
    Return what a path leads to, given its lstat; None for a link that is not followed.

    Raises OSError, as where the link leads nowhere.
    """
    if not stat.S_ISLNK(link.st_mode):
        return link
    target = os.stat(path)
    return target if _is_followed(path, link, target) else None


def leading_out(path: str) -> str | None:
    """Return where a link leads, if that is another folder and this process may read all files."""
    if not os.path.islink(path) or not reads_all():
        return None
    target = os.path.realpath(path)
    return None if os.path.dirname(target) == os.path.realpath(os.path.dirname(path)) else target


def forget() -> None:
    """Forget which links were not followed; the next look names them again."""
    _refused.clear()


def refused() -> list[str]:
    """Return the links that were not followed since `forget`, and why."""
    return list(_refused.values())


def _is_followed(path: str, link: os.stat_result, target: os.stat_result) -> bool:
    if link.st_uid in (0, os.geteuid(), target.st_uid) or not reads_all():
        return True
    if path not in _refused and len(_refused) < MOST_NAMED:
        shown = os.fsencode(path).decode(errors="replace")
        text = f"{shown}: a link of user {link.st_uid} to a file or folder of user {target.st_uid}"
        _refused[path] = text
        log.warning("%s; it is not read, as this shipper may read more than that user", text)
    return False


def reads_all() -> bool:
    """Return whether this process reads files whatever their permissions."""
    if os.geteuid() == 0:
        return True
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("CapEff:"):
                    return bool(int(line.split()[1], 16) & _READS_ALL)
    except OSError:
        pass  # no /proc: only root is known to read everything
    return False
