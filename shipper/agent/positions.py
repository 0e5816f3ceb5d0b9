"""What the registry knows, and changing it: beside a running shipper by request, else at once."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.agent import requests
from shipper.agent.assembly import tailer_of
from shipper.agent.requests import RequestOutcome
from shipper.errors import DataFolderError
from shipper.process import data_folder
from shipper.registry.records import Changes
from shipper.registry.registry import Registry
from shipper.registry.snapshot import read_known_files
from shipper.tail import positions
from shipper.tail.discovery import Patterns
from shipper.tail.holds import read_holds
from shipper.tail.inventory import list_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.config.main import Config
    from shipper.registry.records import FileRecord

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class KnownFile:
    """
    A file as the registry knows it; sizes and offsets in bytes.

    `again` is the offset up to which it is read again, 0 if it is not. `state` is `current`,
    `behind`, `again` (read again on demand), `held` (it has no other name any more) or `gone`;
    `size` is None where it is gone.
    """

    path: str
    device: int
    inode: int
    stream: str
    generation: int
    offset: int
    again: int
    size: int | None
    state: str
    seen_at: int


def known_files(config: Config) -> list[KnownFile]:
    """
    Return what the registry knows of each file, whether a shipper runs or not.

    Raises:
        DataFolderError: there is no registry, or it cannot be read.

    """
    records = read_known_files(config.data_dir / data_folder.REGISTRY)
    holds = read_holds(config.data_dir / data_folder.HOLDS)
    inputs = [Patterns(each.paths, each.exclude) for each in config.inputs]
    files = []
    for found, held, record in list_files(inputs, holds, records):
        if record is None:
            continue
        if found is not None:
            files.append(_known(record, found.shown, found.stat.st_size, ""))
        elif held is not None:
            files.append(_known(record, record.path, held.stat.st_size, "held"))
        else:
            files.append(_known(record, record.path, None, "gone"))
    return sorted(files, key=lambda file: file.path)


def _known(record: FileRecord, path: str, size: int | None, state: str) -> KnownFile:
    again = record.again if record.offset < record.again else 0
    if not state and again:
        state = "again"
    elif not state:
        state = "current" if record.offset == size else "behind"
    return KnownFile(
        path=path,
        device=record.file.device,
        inode=record.file.inode,
        stream=record.stream,
        generation=record.generation,
        offset=record.offset,
        again=again,
        size=size,
        state=state,
        seen_at=record.seen_at,
    )


def change(
    config: Config, request: requests.RereadRequest | requests.ForgetRequest, now_ms: int
) -> tuple[RequestOutcome, ...]:
    """
    Change positions where no shipper runs.

    Raises:
        DataFolderError: a shipper runs, or the data folder cannot be used.

    """
    with (
        data_folder.hold(config.data_dir, root_may=True),
        closing(Registry(config.data_dir / data_folder.REGISTRY)) as registry,
        closing(tailer_of(config, registry)) as tailer,
    ):
        tailer.scan(now=time.monotonic(), wall=now_ms)
        if isinstance(request, requests.RereadRequest):
            found = [*positions.reread(tailer, request.files)]
        else:
            found = [*positions.forget(tailer, request.patterns)]
        changes = Changes()
        changes.add_files(*tailer.take_changes())
        changes.add_tombstones(tailer.take_tombstones())
        if not changes.is_empty():
            registry.save(changes, now_ms)
        tailer.saved()
    return tuple(RequestOutcome(*each) for each in found)


def hand_over(
    config: Config, request: requests.Request, clock: Callable[[], float], seconds: float
) -> tuple[RequestOutcome, ...]:
    """
    Ask the running shipper, and wait for its answer.

    Raises:
        DataFolderError: it can't be asked, or did not answer in time; it then answers later.

    """
    place = requests.ask(
        config.data_dir / data_folder.REQUESTS, f"{int(clock() * 1000)}-{os.getpid()}", request
    )
    deadline = time.monotonic() + seconds
    while True:
        found = requests.take_answer(place)
        if found is not None:
            return found.outcomes
        if time.monotonic() > deadline or data_folder.holder_of(config.data_dir) is None:
            raise DataFolderError(
                "the running shipper has not done it yet: it waits until all that it has read is"
                " acknowledged, and does it then, or at its next start; see shipper status"
            )
        time.sleep(POLL_SECONDS)
