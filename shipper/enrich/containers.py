"""
Lines of containers: to the records of what the container wrote.

The parts of a line are joined, and so are the lines of a traceback; what they say is read as JSON,
or as one of a few formats, else it is text. The time is that of the line if it has one, else the
one of the runtime. A record is known by the place of its first line in the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.enrich import clock
from shipper.enrich.classify import Classification
from shipper.enrich.foreign import JsonReader
from shipper.enrich.patterned import FormatReader, ReadLine
from shipper.formats.continuing import CONTINUING, FAILING, Continuation
from shipper.formats.languages import TEXT
from shipper.formats.table import CRI_PATTERN, DOCKER_NAME, INSIDE

if TYPE_CHECKING:
    from collections.abc import Iterator

DATASET = "docker.log"
NO_TIME = "no_timestamp"  # the tag of a line without a time of its own
UTC = "UTC"  # the zone of a container, unless the config says so
CONTINUES = re.compile(CONTINUING)
FAILS = re.compile(FAILING)


class _DockerLine(msgspec.Struct, gc=False):
    log: str
    stream: str = ""
    time: str = ""
    attrs: dict[str, str] = {}


@dataclass(slots=True)
class _Said:
    """What a container wrote: where it begins, and its parts so far."""

    offset: int
    time: str
    stream: str
    attrs: dict[str, str]
    text: list[str] = field(default_factory=list)
    is_part: bool = False
    event: Continuation[str] | None = None


class ContainerReader:
    """Reads the lines of Docker, or of CRI; used by one thread."""

    def __init__(self, name: str, zone: str, dataset: str) -> None:
        self._is_docker = name == DOCKER_NAME
        self._decoder = msgspec.json.Decoder(_DockerLine)
        self._json = JsonReader(dataset or DATASET)
        self._inside = [FormatReader(each, zone or UTC, dataset) for each in INSIDE]
        self._inside.append(FormatReader(TEXT, zone or UTC, dataset or DATASET))

    def read_all(self, event: bytes, read_at: int) -> Iterator[tuple[int, ReadLine | bytes]]:
        """
        Yield the records of lines that were cut from the file together, by their first byte.

        A line that the runtime did not write so is given as it is.
        """
        found: list[tuple[int, _Said | bytes]] = []
        open_for: dict[str, _Said] = {}
        offset = 0
        for line in event.removesuffix(b"\n").split(b"\n"):
            said = self._said(line, offset)
            if said is None:
                found.append((offset, line))
            elif not _goes_on(open_for.get(said.stream), said):
                open_for[said.stream] = said
                found.append((offset, said))
            offset += len(line) + 1
        for start, each in found:
            yield start, each if isinstance(each, bytes) else self._read(each, read_at)

    def _said(self, line: bytes, offset: int) -> _Said | None:
        if self._is_docker:
            try:
                docker = self._decoder.decode(line)
            except UNDECODABLE:
                return None
            if not docker.time:
                return None
            text, is_part = docker.log.removesuffix("\n"), not docker.log.endswith("\n")
            return _Said(offset, docker.time, docker.stream, docker.attrs, [text], is_part)
        try:
            found = CRI_PATTERN.fullmatch(line.removesuffix(b"\r").decode())
        except UnicodeDecodeError:
            return None
        if found is None:
            return None
        time, stream, part, text = found.groups()
        return _Said(offset, time, stream, {}, [text], part == "P")

    def _read(self, said: _Said, read_at: int) -> ReadLine:
        text = "".join(said.text).removesuffix("\r")
        line = self._inner(text, read_at)
        extra: dict[str, Any] = {"stream": said.stream, **line.extra}
        if said.attrs:
            extra["attrs"] = said.attrs
        time = line.time
        tags = line.fields.get("tags", [])
        if NO_TIME in tags and (of_runtime := clock.parse(said.time)) is not None:
            time = of_runtime
            line.fields["tags"] = [tag for tag in tags if tag != NO_TIME]
            if not line.fields["tags"]:
                del line.fields["tags"]
        return msgspec.structs.replace(line, extra=extra, time=time)

    def _inner(self, text: str, read_at: int) -> ReadLine:
        if text.startswith("{"):
            found = self._json.read(text.encode(errors="replace"), read_at)
            if found is not None:
                return found
        for reader in self._inside:
            found = reader.read_text(text, read_at)
            if found is not None:
                return found
        fields = {"message": text, "tags": [NO_TIME]}
        return ReadLine(fields, {}, read_at, Classification(DATASET, (), None))


def _goes_on(before: _Said | None, said: _Said) -> bool:
    """Add a line to the one before of its stream, if it goes on; return whether it does."""
    if before is None:
        return False
    if before.is_part:
        before.text += said.text
    elif before.text[0].startswith("{"):
        return False
    else:
        before.event = before.event or Continuation(CONTINUES, FAILS, before.text[0])
        if not before.event.goes_on(said.text[0]):
            return False
        before.text += ["\n", *said.text]
    before.is_part = said.is_part
    return True
