"""Makes the parts of a pipeline from a config."""

from __future__ import annotations

from glob import escape
from typing import TYPE_CHECKING

from shipper.deliver.watermark import LATE_MS
from shipper.enrich.enricher import RecordContext
from shipper.process import data_folder
from shipper.tail.discovery import Patterns
from shipper.tail.harvester import Cutting
from shipper.tail.holds import Holds
from shipper.tail.inputs import ALL_COMPRESSED, InputFiles
from shipper.tail.multiline import Multiline
from shipper.tail.tailer import Tailer

if TYPE_CHECKING:
    from shipper.config.inputs import InputOptions
    from shipper.config.main import Config
    from shipper.registry.registry import Registry

ALERT_LINE_BYTES = 2**20


def tailer_of(config: Config, registry: Registry) -> Tailer:
    """Return the tailer of a config, which continues where the registry says."""
    memory, saved = registry.saved_files(), registry.watermark()
    for record in memory.files:
        record.current_at = saved and saved + LATE_MS
    return Tailer(
        inputs_of(config, registry.begun()),
        memory,
        host=config.host.name,
        block_bytes=config.tail.block_bytes,
        holds=Holds(
            config.data_dir / data_folder.HOLDS if config.holds.enabled else None,
            config.holds.max_bytes,
        ),
    )


def inputs_of(config: Config, since: int) -> list[InputFiles]:
    """Return the files of all inputs; `since` is the first use of the data folder, in epoch ms."""
    inputs = [_files_of(source, since * 1_000_000) for source in config.inputs]
    alerts = escape(str(config.data_dir / data_folder.ALERTS_LOG))
    inputs.append(InputFiles(Patterns((alerts,)), Cutting(ALERT_LINE_BYTES)))
    return inputs


def _files_of(source: InputOptions, since_ns: int) -> InputFiles:
    joined, multiline = source.multiline, None
    if joined is not None:
        multiline = Multiline(
            joined.first_line, joined.max_lines, joined.max_bytes, joined.quiet_seconds
        )
    return InputFiles(
        Patterns(source.paths, source.exclude, compressed=source.compressed != "none"),
        Cutting(source.max_line_bytes, multiline),
        ALL_COMPRESSED if source.compressed == "all" else since_ns,
    )


def record_context(config: Config) -> RecordContext:
    """Return what every record of this shipper has in common."""
    return RecordContext(
        config.host.name,
        config.service.name,
        config.service.environment,
        config.service.version,
        config.namespace,
    )
