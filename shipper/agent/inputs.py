"""The inputs of a config, as `tail` and `enrich` use them: patterns, cuttings, formats."""

from __future__ import annotations

import re
from dataclasses import replace
from glob import escape
from typing import TYPE_CHECKING

from shipper.config.inputs import MultilineOptions
from shipper.config.intake import spool_pattern
from shipper.events import Source
from shipper.formats.blocks import expand
from shipper.formats.detect import HEAD_BYTES, recognize
from shipper.formats.table import AUTO, CONTAINERS, DOCKER_NAME, EMIT, FORMATS, JSON, TEXT_NAME
from shipper.formats.web import W3C, W3C_FIELDS
from shipper.intake.spools import left_spools
from shipper.process import data_folder
from shipper.tail.containers import ContainerLines
from shipper.tail.discovery import Patterns
from shipper.tail.harvester import Cutting, Guess
from shipper.tail.inputs import ALL_COMPRESSED, InputFiles
from shipper.tail.multiline import LineJoiner, Multiline

if TYPE_CHECKING:
    from shipper.config.inputs import InputOptions
    from shipper.config.main import Config
    from shipper.formats.definition import LogFormat

OWN_LOGS = (data_folder.ALERTS_LOG, data_folder.POLLS_LOG, data_folder.WEB_LOG)
OWN_LINE_BYTES = 2**20
LEFT_LINE_BYTES = 8 * 2**20  # the maximum of any input
OWN = "pattern of inputs[{}]"  # a format of the config, by the place of its input
_JOINED = MultilineOptions()


def inputs_of(config: Config, since: int) -> list[InputFiles]:
    """Return the files of all inputs; `since` is the first use of the data folder, in epoch ms."""
    inputs = [
        InputFiles(
            Patterns(source.paths, source.exclude, compressed=source.compressed != "none"),
            cutting_of(source, number),
            ALL_COMPRESSED if source.compressed == "all" else since * 1_000_000,
        )
        for number, source in enumerate(config.inputs)
    ]
    for folder in left_spools(config.inputs, config.data_dir):
        pattern = spool_pattern(folder.absolute())
        inputs.append(InputFiles(Patterns((pattern,)), Cutting(LEFT_LINE_BYTES)))
    for name in OWN_LOGS:
        path = escape(str(config.data_dir / name))
        inputs.append(InputFiles(Patterns((path,)), Cutting(OWN_LINE_BYTES)))
    return inputs


def own_formats(config: Config) -> dict[str, LogFormat]:
    """Return the formats that the config has patterns for, by their names."""
    return {
        OWN.format(number): found
        for number, source in enumerate(config.inputs)
        if (found := source.own_format()) is not None
    }


def cutting_of(source: InputOptions, number: int) -> Cutting:
    """Return how the files of an input are cut; `number` is its place among the inputs."""
    name = source.format if source.pattern is None else OWN.format(number)
    said = Source(
        "" if name == EMIT else name,
        source.time.zone or "",
        source.service or "",
        source.service_from_path or "",
        source.dataset or "",
        tuple(source.fields.items()),
        source.tags,
    )
    if name != AUTO:
        preamble = W3C_FIELDS if name == W3C.name else b""
        return Cutting(source.max_line_bytes, _multiline(source, name), said, preamble=preamble)
    cuttings = {
        each: Cutting(source.max_line_bytes, _multiline(source, each), replace(said, format=each))
        for each in (*FORMATS, JSON)
    }
    cuttings[W3C.name] = replace(cuttings[W3C.name], preamble=W3C_FIELDS)
    cuttings[EMIT] = Cutting(
        source.max_line_bytes, _multiline(source, EMIT), replace(said, format="")
    )
    return replace(cuttings[TEXT_NAME], guess=Guess(recognize, HEAD_BYTES, cuttings))


def _multiline(source: InputOptions, name: str) -> LineJoiner | None:
    """Return how lines are joined: as the input says, or as the format needs it."""
    first_line, follows, options = None, None, source.multiline
    if name in CONTAINERS:
        options = options or _JOINED
        most = min(options.max_bytes, source.max_line_bytes)
        is_docker = name == DOCKER_NAME
        return ContainerLines(is_docker, options.max_lines, most, options.quiet_seconds)
    if options is not None:
        first_line = options.first_line
    else:
        found = FORMATS.get(name)
        if found is None or found.first_line is None:
            return None
        options = _JOINED
        first_line = _compiled(found.first_line)
        follows = _compiled(found.follows)
    most = min(options.max_bytes, source.max_line_bytes)
    return Multiline(first_line, options.max_lines, most, options.quiet_seconds, follows)


def _compiled(pattern: str | None) -> re.Pattern[bytes] | None:
    return re.compile(expand(pattern).encode()) if pattern else None
