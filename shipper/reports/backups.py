"""
Verifies backups: by the age and size of the newest file, or by a command.

A command is run without a shell, without input, for a minute at most, and only its first line is
shown. What cannot be verified needs attention: a backup that nobody can see is none.
"""

from __future__ import annotations

import glob
import os
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from shipper.config.reports import BackupOptions
from shipper.reports.document import ReportSection, ReportTable, ReportText, State, cut
from shipper.text import duration, size

MOST_FILES: Final = 100_000  # that a pattern may match
COMMAND_SECONDS: Final = 60.0
SHOWN_BYTES: Final = 2000  # of what a command prints


@dataclass(frozen=True, slots=True)
class BackupCheck:
    """What was found about a backup, in words, and whether it is good."""

    name: str
    good: bool
    words: str


def backups_section(backups: Sequence[BackupOptions], now: int) -> ReportSection:
    """Return how the backups are."""
    title = "Backups"
    if not backups:
        text = "No backup is configured (reports.backups), so none was verified."
        blocks = (ReportText(text=text, state=State.ATTENTION),)
        return ReportSection(title=title, blocks=blocks)
    found = [verify(backup, now) for backup in backups]
    table = ReportTable(
        columns=("backup", "found"),
        rows=tuple((cut(each.name), cut(each.words)) for each in found),
        states=tuple(State.GOOD if each.good else State.BAD for each in found),
    )
    lines = tuple(
        ReportText(text=f"Backup {cut(each.name)}: {cut(each.words)}.", state=State.BAD)
        for each in found
        if not each.good
    )
    return ReportSection(title=title, blocks=(table,), headlines=lines)


def verify(backup: BackupOptions, now: int) -> BackupCheck:
    """Return how a backup is."""
    if backup.command:
        return _by_command(backup)
    assert backup.file is not None, "checked by BackupOptions.faults"
    newest = _newest(backup.file)
    if newest is None:
        return BackupCheck(backup.name, good=False, words=f"there is no file {backup.file}")
    path, found = newest
    age = max(now / 1000 - found.st_mtime, 0.0)
    words = f"{path}, {size(found.st_size)}, {duration(age)} old"
    if age > backup.max_age_seconds:
        return BackupCheck(backup.name, good=False, words=f"{words}: too old")
    if found.st_size < backup.min_size:
        return BackupCheck(backup.name, good=False, words=f"{words}: too small")
    return BackupCheck(backup.name, good=True, words=words)


def _newest(pattern: str) -> tuple[str, os.stat_result] | None:
    best: tuple[str, os.stat_result] | None = None
    for path in islice(glob.iglob(pattern), MOST_FILES):
        try:
            found = os.stat(path)
        except OSError:
            continue  # deleted meanwhile
        if stat.S_ISREG(found.st_mode) and (best is None or found.st_mtime > best[1].st_mtime):
            best = path, found
    return best


def _by_command(backup: BackupOptions) -> BackupCheck:
    try:
        done = subprocess.run(  # noqa: S603 - the command of the config, without a shell
            backup.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        words = f"the command did not end within {COMMAND_SECONDS:g} s"
        return BackupCheck(backup.name, good=False, words=words)
    except OSError as error:
        words = f"the command cannot be run: {error.strerror}"
        return BackupCheck(backup.name, good=False, words=words)
    lines = done.stdout[:SHOWN_BYTES].decode(errors="replace").strip().splitlines()
    words = lines[0] if lines else "no output"
    code = f" (exit code {done.returncode})" if done.returncode else ""
    return BackupCheck(backup.name, good=done.returncode == 0, words=words + code)
