"""Configs in a temporary folder, and the findings of all checks on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shipper.check.finding import Finding, FindingLevel
from shipper.check.machine import Machine
from shipper.check.run import check
from shipper.config.alerts import AlertOptions
from shipper.config.inputs import InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import EmbeddedOutput, Output

NOW = 1_770_301_845.0
NOBODY = 65534


def write(path: Path, data: bytes = b"", *, written: float = NOW) -> None:
    path.write_bytes(data)
    os.utime(path, (written, written))


def config_in(
    folder: Path, *paths: str, output: Output | None = None, inputs: tuple[InputOptions, ...] = ()
) -> Config:
    patterns = tuple(str(folder / path) for path in paths or ("logs/*.log",))
    return Config(
        service=ServiceOptions("app"),
        data_dir=folder / "data",
        inputs=inputs or (InputOptions(patterns),),
        output=output or EmbeddedOutput(folder / "index", max_bytes=1),
        alerts=AlertOptions(settings=Path(__file__).with_name("alerts.json")),
    )


def findings(config: Config, machine: Machine | None = None) -> list[Finding]:
    return check(config, machine or Machine(clock=lambda: NOW))


def faults(config: Config, machine: Machine | None = None) -> list[tuple[str, FindingLevel, str]]:
    found = [each for each in findings(config, machine) if each.level is not FindingLevel.OK]
    assert all(each.remedy for each in found)
    return [(each.place, each.level, each.fault) for each in found]


@contextmanager
def as_nobody() -> Iterator[int]:
    """Drop the privileges of root, who may open every file; yield the number of the user."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield os.geteuid()
    finally:
        os.seteuid(user)


def holds_of(config: Config, machine: Machine | None = None) -> list[tuple[FindingLevel, str]]:
    return [
        (each.level, each.fault)
        for each in findings(config, machine)
        if each.place.startswith("holds")
    ]
