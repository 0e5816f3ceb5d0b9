"""Checks whether the patterns match files that this user can read, each only once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from glob import has_magic
from pathlib import Path

from shipper.check.finding import Finding, error, ok, warning
from shipper.check.machine import CheckContext, may, user
from shipper.tail import links
from shipper.tail.discovery import FoundFile
from shipper.text import size


def check_inputs(context: CheckContext) -> Iterator[Finding]:
    """Check whether the patterns match files that can be read."""
    for place, (pattern, matches) in context.matches.items():
        folder = _folder_of(pattern)
        if not os.path.isdir(folder):
            yield warning(
                place,
                f"the folder {folder} does not exist",
                "start the application, which creates it, or correct the path",
            )
        elif not may(folder, os.R_OK | os.X_OK):
            yield error(
                place,
                f"the folder {folder} cannot be listed by {user()}",
                f"allow {user()} to read and enter it",
            )
        else:
            yield from _check_files(place, pattern, matches)


def _check_files(place: str, pattern: str, matches: list[FoundFile]) -> Iterator[Finding]:
    unreadable = [found.path for found in matches if not may(found.path, os.R_OK)]
    for path in unreadable:
        yield error(
            place,
            f"{path} cannot be read by {user()}",
            f"allow {user()} to read it, such as by adding it to the group of the application",
        )
    if not matches:
        yield warning(
            place,
            f"{pattern} matches no file now",
            "start the application, or correct the path",
        )
    elif not unreadable:
        total = sum(found.stat.st_size for found in matches)
        yield ok(place, f"files: {len(matches)}, {size(total)}")


def check_links(context: CheckContext) -> Iterator[Finding]:
    """Yield the links that are not followed, and those that a user with all rights follows far."""
    for text in links.refused():
        yield warning(
            "inputs", f"{text}, which {user()} does not follow", "run the shipper as that user"
        )
    for place, (_pattern, matches) in context.matches.items():
        out = [(each.shown, links.leading_out(each.path)) for each in matches]
        far = [f"{path} leads to {target}" for path, target in out if target is not None]
        if far:
            others = f", and {len(far) - 1} more such links" if len(far) > 1 else ""
            yield warning(
                place,
                f"{far[0]}{others}: {user()} may read every file, and ships it",
                "run the shipper as a user that may read the logs alone, or exclude the link",
            )


def check_overlaps(context: CheckContext) -> Iterator[Finding]:
    """Check whether two inputs match the same file."""
    owners: dict[str, str] = {}
    for place, (_pattern, matches) in context.matches.items():
        owner = place.partition(".")[0]
        for found in matches:
            first = owners.setdefault(found.path, owner)
            if first != owner:
                yield warning(
                    place, f"{found.path} also matches {first}", "exclude it from one of them"
                )


def _folder_of(pattern: str) -> Path:
    """Return the folder that must exist: the part of the pattern before any wildcard."""
    folder = Path()
    for part in Path(pattern).parent.parts:
        if has_magic(part):
            break
        folder /= part
    return folder
