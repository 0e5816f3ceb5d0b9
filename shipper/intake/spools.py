"""
The spools of a config.

They are open whether anything is received or not, those of inputs that are not in the config any
more, too: what an earlier run has left in them is delivered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from shipper.config.inputs import InputOptions
from shipper.config.intake import INPUTS, JournaldOptions, spool_folder
from shipper.intake.spool import IntakeCounters, Spool


class Spools:
    """The spools of a config, by the names of their inputs; for the reading thread."""

    def __init__(self, inputs: Iterable[InputOptions], data_dir: Path) -> None:
        self._data_dir = data_dir
        self._spools: dict[str, Spool] = {}
        self.set_inputs(inputs)

    def set_inputs(self, inputs: Iterable[InputOptions]) -> None:
        """Open the spools of these inputs, and those that are left of others."""
        for source in inputs:
            options = source.intake
            if options is not None and options.name not in self._spools:
                folder = spool_folder(options, self._data_dir)
                self._spools[options.name] = Spool(
                    folder,
                    options.spool_bytes,
                    keep_last=isinstance(options, JournaldOptions),
                )
        for folder in left_spools(inputs, self._data_dir):
            if folder.name not in self._spools:
                self._spools[folder.name] = Spool(folder, 0)

    def __getitem__(self, name: str) -> Spool:
        return self._spools[name]

    def prune(self, acked: Callable[[], Mapping[str, int]]) -> None:
        """Remove what is delivered; `acked` gives the acked and saved bytes by path."""
        if self._spools:
            known = acked()
            for spool in self._spools.values():
                spool.prune(known)

    def totals(self) -> IntakeCounters:
        """Return the counters of all; called by any thread."""
        total = IntakeCounters()
        for spool in tuple(self._spools.values()):
            each = spool.counters
            total.messages += each.messages
            total.bytes += each.bytes
            total.cut += each.cut
            total.lost += each.lost
            total.refused += each.refused
            total.connections += each.connections
        return total

    def size(self) -> int:
        """Return the bytes of all spools; called by any thread."""
        return sum(spool.size for spool in tuple(self._spools.values()))


def left_spools(inputs: Iterable[InputOptions], data_dir: Path) -> list[Path]:
    """Return the folders of spools that none of these inputs has."""
    named = {each.intake.name for each in inputs if each.intake is not None}
    try:
        with os.scandir(data_dir / INPUTS) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []  # there never was one
    return [data_dir / INPUTS / name for name in sorted(found) if name not in named]
