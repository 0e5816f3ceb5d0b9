"""
The options of inputs that are no files: what comes in is written to a spool, which is then read.

`spool_patterns` names the files of a spool, which the shipper reads like any log.
"""

from __future__ import annotations

from dataclasses import dataclass
from glob import escape
from pathlib import Path

from shipper.config.options import SIZE, option, text_matching

INPUTS = "inputs"  # the folder of spools in the data folder
_NAME = text_matching(r"[a-z0-9][a-z0-9_-]{0,39}", "at most 40 of lower case, digits, _ and -")
_SPOOL_NAME = "Name of the folder below `inputs/` of the data folder, where what came in is kept "
_SPOOL_NAME += "until it is delivered. No two inputs may have the same one."
_SPOOL_BYTES = "Maximum size of the spool. When it is reached, nothing more is read until some of "
_SPOOL_BYTES += "it is delivered"
_SPOOL_SIZE = SIZE.between("64 KiB", "1 TiB")


@dataclass(frozen=True, slots=True)
class StdinOptions:
    """
    Standard input, read by `shipper run --stdin`.

    Without that option nothing is read, but what an earlier run left in the spool is delivered.
    """

    name: str = option(_NAME, _SPOOL_NAME, default="stdin")
    spool_bytes: int = option(
        _SPOOL_SIZE, _SPOOL_BYTES + ": the pipe fills up and its writer waits.", default="1 GiB"
    )


IntakeOptions = StdinOptions


def spool_folder(options: IntakeOptions, data_dir: Path) -> Path:
    """Return the folder of a spool."""
    return data_dir / INPUTS / options.name


def spool_pattern(folder: Path) -> str:
    """Return the pattern of the files of a spool."""
    return f"{escape(str(folder))}/*.log"
