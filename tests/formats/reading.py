"""What the tests of formats share: lines read as a format, as the pipeline does it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shipper.agent.inputs import cutting_of, own_formats
from shipper.config.inputs import InputOptions
from shipper.config.main import Config
from shipper.config.options import read_options
from shipper.enrich.enricher import Enricher
from tests.enrich.enriching import CONTEXT, block_of, documents


def config_of(options: str) -> Config:
    """Read a config with one input that has these options."""
    text = (
        f"service: {{name: app}}\ninputs: [{{paths: [logs/*.log], {options}}}]\n"
        "output: {embedded: {}}\n"
    )
    config: Config = read_options(text, Config)
    return config


def read_as(
    options: str,
    data: str | bytes,
    *,
    path: str = "/srv/logs/a.log",
    check_starts: bool = True,
) -> list[Any]:
    """Return the documents of some text as an input with these options reads it."""
    config = config_of(options)
    source: InputOptions = config.inputs[0]
    cutting = cutting_of(source, 0)
    data = data.encode() if isinstance(data, str) else data
    if cutting.guess:
        taken_for = cutting.guess.recognize(data, path)
        cutting = cutting.guess.cuttings.get(taken_for, cutting)
    block = replace(block_of(data, path=path), source=cutting.source)
    if cutting.multiline:
        block = replace(block, starts=tuple(cutting.multiline.split(data)[0]))
    events = Enricher(CONTEXT, own_formats(config)).enrich(block)
    found = documents(events)
    if check_starts and any(block.starts):
        assert [doc["log"]["offset"] for doc in found] == [*block.starts]
    return found
