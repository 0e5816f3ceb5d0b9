"""What enrichment adds to a record besides its own fields: host, service, event, data stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shipper.enrich.classify import stream_of
from shipper.formats.matching import compile_linear

if TYPE_CHECKING:
    from shipper.enrich.classify import Classification
    from shipper.events import Source


@dataclass(frozen=True, slots=True)
class RecordContext:
    """What every record of this shipper has in common."""

    host: str
    service: str
    environment: str
    version: str
    namespace: str

    def of(self, source: Source, path: str) -> RecordContext:
        """Return what the records of one file of an input have in common."""
        service = source.service
        if source.service_from_path:
            found = compile_linear(source.service_from_path).search(path.encode(errors="replace"))
            if found is not None and found[1]:
                service = found[1].decode(errors="replace")
        return replace(self, service=service) if service else self


def context_of(
    around: RecordContext, classification: Classification, created: str
) -> dict[str, dict[str, object]]:
    """Return the objects that enrichment adds, but for `log`."""
    event: dict[str, object] = {"dataset": classification.dataset, "kind": "event"}
    if classification.categories:
        event["category"] = classification.categories
    event["created"] = created
    context: dict[str, dict[str, object]] = {
        "host": {"name": around.host},
        "service": {
            "name": around.service,
            "environment": around.environment,
            "version": around.version,
        },
        "event": event,
        "data_stream": {
            "type": "logs",
            "dataset": stream_of(classification.dataset),
            "namespace": around.namespace,
        },
    }
    if classification.error:
        context["error"] = {"category": classification.error}
    return context
