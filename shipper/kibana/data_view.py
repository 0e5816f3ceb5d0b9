"""
The data view: which indices Kibana shows, and how it writes their fields.

It has the runtime fields of shipper/kibana/runtime.py, and labels and formats for all.
"""

from __future__ import annotations

import json
from typing import Any, Final

from shipper.fields import FIELDS, FieldKind
from shipper.kibana.bodies import digest
from shipper.kibana.place import KibanaPlace
from shipper.kibana.runtime import RUNTIME

Json = dict[str, Any]

TITLE: Final = "logs-orchestrator.*-*"
NAME: Final = "Orchestrator logs"

_MILLISECONDS: Final = (
    "duration_ms",
    "execution_time_ms",
    "extra.latency_ms",
    "extra.database.response_time_ms",
)
_SECONDS: Final = ("extra.open_seconds", "extra.uptime_seconds")
_BYTES: Final = (
    "extra.bytes",
    "extra.heartbeat.behind_bytes",
    "extra.resources.memory_rss_bytes",
)
_LABELS: Final = {
    "duration_ms": "Response time",
    "execution_time_ms": "Execution time",
    "error_type": "Error type",
    "exc_info": "Stack trace",
    "request_id": "Request",
    "workflow_id": "Workflow",
    "status_code": "Status code",
    "client_ip": "Client",
    "user_agent": "User agent",
}


def data_view_body(place: KibanaPlace) -> Json:
    """Return the body of `POST /api/data_views/data_view`."""
    view: Json = {
        "id": place.data_view,
        "title": TITLE,
        "name": NAME if place.data_view == KibanaPlace().data_view else f"{NAME} ({place.space})",
        "timeFieldName": "@timestamp",
        "allowNoIndex": True,
        "fieldFormats": field_formats(place),
        "fieldAttrs": _attributes(),
        "runtimeFieldMap": {name: {"type": kind} for name, (kind, _) in RUNTIME.items()},
    }
    return {"data_view": view}


def version_of(view: Json) -> str:
    """Return what tells two versions of a data view apart, by what Kibana answers of it."""
    kept = {name: view.get(name) for name in ("title", "name", "timeFieldName", "fieldFormats")}
    types = {name: each.get("type") for name, each in _objects(view.get("runtimeFieldMap"))}
    labels = {
        name: each["customLabel"]
        for name, each in _objects(view.get("fieldAttrs"))
        if each.get("customLabel")
    }
    return digest({**kept, "types": types, "labels": labels})


def _objects(found: Any) -> list[tuple[str, Json]]:
    """Return the objects within an object of Kibana, which may be anything."""
    items = found.items() if isinstance(found, dict) else ()
    return [(name, each) for name, each in items if isinstance(each, dict)]


def field_formats(place: KibanaPlace) -> Json:
    """Return how values are written; a request and a workflow lead to all of their records."""
    formats: Json = {
        "request_id": _link("request_id", place),
        "workflow_id": _link("workflow_id", place),
    }
    for fields, unit in ((_MILLISECONDS, "milliseconds"), (_SECONDS, "seconds")):
        formats |= {
            field: {
                "id": "duration",
                "params": {
                    "inputFormat": unit,
                    "outputFormat": "humanizePrecise",
                    "outputPrecision": 1,
                    "useShortSuffix": True,
                },
            }
            for field in fields
        }
    formats |= {field: {"id": "bytes", "params": {"pattern": "0,0.[0]b"}} for field in _BYTES}
    formats["extra.success_rate"] = {"id": "percent", "params": {"pattern": "0,0.[00]%"}}
    return formats


def _link(field: str, place: KibanaPlace) -> Json:
    """Return the format that leads from a value to all of its records, in order of time."""
    state = (
        f"columns:!(level,logger,message),dataSource:(dataViewId:{place.data_view},type:dataView),"
        f"query:(language:kuery,query:'{field}:%22{{{{value}}}}%22'),sort:!(!('@timestamp',asc))"
    )
    template = f"../app/discover#/?_g=(time:(from:now-7d,to:now))&_a=({state})"
    return {
        "id": "url",
        "params": {
            "type": "a",
            "urlTemplate": template,
            "labelTemplate": "{{value}}",
            "openLinkInCurrentTab": False,
        },
    }


def _attributes() -> Json:
    attributes: Json = {
        field.name: {"customDescription": field.meaning}
        for field in FIELDS.values()
        if field.kind is not FieldKind.OBJECT
    }
    for name, label in _LABELS.items():
        attributes[name]["customLabel"] = label
    return attributes | {name: {"customLabel": label} for name, (_, label) in RUNTIME.items()}


def saved_object(place: KibanaPlace) -> Json:
    """Return the data view as a saved object, for the import of a file by hand."""
    view = data_view_body(place)["data_view"]
    maps = {
        "fieldFormatMap": view["fieldFormats"],
        "fieldAttrs": view["fieldAttrs"],
        "runtimeFieldMap": view["runtimeFieldMap"],
    }
    return {
        "attributes": {
            **{name: json.dumps(value, sort_keys=True) for name, value in maps.items()},
            "allowNoIndex": True,
            "name": view["name"],
            "timeFieldName": "@timestamp",
            "title": TITLE,
        },
        "coreMigrationVersion": "8.8.0",
        "id": place.data_view,
        "managed": False,
        "references": [],
        "type": "index-pattern",
        "typeMigrationVersion": "8.0.0",
    }
