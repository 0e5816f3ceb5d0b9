"""Positions changed where no shipper runs: all that a look at the files brings with it is saved."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from shipper.agent import positions, requests
from shipper.agent.loop import run
from shipper.config.inputs import HoldsOptions, InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import ConsoleOutput
from shipper.process import data_folder
from shipper.registry.registry import Registry

LIMIT = 1 << 20


def test_what_is_given_up_meanwhile_leaves_its_tombstone(tmp_path: Path) -> None:
    """A hold that goes over the budget at this look is a loss on purpose, and noted as one."""
    log, other = tmp_path / "app.log", tmp_path / "other.log"
    config = Config(
        service=ServiceOptions("app"),
        data_dir=tmp_path / "data",
        inputs=(InputOptions((str(tmp_path / "*.log"),)),),
        holds=HoldsOptions(max_bytes=LIMIT),
        output=ConsoleOutput(path=str(tmp_path / "out")),
    )
    for path in (log, other):
        path.write_text("a line\n")
    assert run(config, once=True, timeout_seconds=60) == 0
    with log.open("a") as file:
        file.write("x" * 99 + "\n" + "never read\n" * (LIMIT // 8))
    log.unlink()

    now_ms = int(time.time() * 1000)
    (outcome,) = positions.change(config, requests.RereadRequest({str(other): 0}), now_ms)

    assert outcome.fault is None
    with closing(Registry(config.data_dir / data_folder.REGISTRY)) as registry:
        (tombstone,) = registry.tombstones()
        assert (tombstone.path, tombstone.start) == (str(log), len("a line\n"))
        assert str(log) not in {record.path for record in registry.files()}
    assert len([*(config.data_dir / data_folder.HOLDS).iterdir()]) == 1
