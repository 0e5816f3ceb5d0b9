"""Makes the parts of a pipeline from a config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.agent.inputs import inputs_of
from shipper.deliver.watermark import LATE_MS
from shipper.enrich.context import RecordContext
from shipper.process import data_folder
from shipper.tail.holds import Holds
from shipper.tail.tailer import Tailer

if TYPE_CHECKING:
    from shipper.config.main import Config
    from shipper.registry.registry import Registry


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


def record_context(config: Config) -> RecordContext:
    """Return what every record of this shipper has in common."""
    return RecordContext(
        config.host.name,
        config.service.name,
        config.service.environment,
        config.service.version,
        config.namespace,
    )
