"""
Saved Discover sessions: the questions of the guide's troubleshooting, each as a list of records.

Kibana has no public API that makes one, so they are imported as saved objects of type `search`, in
the form of an older version, which every later Kibana brings up to its own.
"""

from __future__ import annotations

import json
from typing import Any, Final

from shipper.kibana.bodies import digest
from shipper.kibana.dashboards import queries as ask
from shipper.kibana.kql import kql_of
from shipper.kibana.panels import DiscoverSession
from shipper.kibana.place import KibanaPlace

_INDEX: Final = "kibanaSavedObjectMeta.searchSourceJSON.index"

SESSIONS: Final = (
    DiscoverSession(
        "errors",
        "Latest errors",
        "High error rate: what went wrong, newest first",
        ask.ERRORS,
        ("service.name", "host.name", "error_type", "message"),
    ),
    DiscoverSession(
        "server-errors",
        "Requests that the server failed to answer",
        "High error rate: on which routes, for whom",
        f"{ask.REQUESTS} AND status_code:>=500",
        ("status_code", "method", "path", "duration_ms", "request_id", "host.name"),
    ),
    DiscoverSession(
        "queue",
        "Polls with a long queue",
        "Queue not processing: since when, and how long it is",
        f"{ask.HEALTH} AND extra.queue_depth:>100",
        ("extra.target", "extra.queue_depth", "status", "message"),
    ),
    DiscoverSession(
        "slow-requests",
        "Slow requests",
        "High response time: requests of more than 500 ms, slowest first",
        f"{ask.REQUESTS} AND duration_ms:>500",
        ("duration_ms", "status_code", "method", "path", "request_id", "host.name"),
        sort="duration_ms",
    ),
    DiscoverSession(
        "long-workflows",
        "Long-running workflows",
        "High response time: executions, longest first",
        ask.WORKFLOWS,
        ("execution_time_ms", "workflow_id", "status", "host.name"),
        sort="execution_time_ms",
    ),
    DiscoverSession(
        "database",
        "Database",
        "High response time: what was logged of the database and its connections",
        "message:database OR message:connection OR error_type:DatabaseError",
        ("level", "service.name", "logger", "message"),
    ),
    DiscoverSession(
        "retries",
        "Retry loops",
        "Memory leak: what is tried again and again",
        "message:retry OR message:retrying OR message:retries",
        ("level", "service.name", "logger", "message"),
    ),
    DiscoverSession(
        "memory",
        "Memory of the application",
        "Memory leak: what the application said of its resources",
        ask.RESOURCES,
        ("extra.resources.memory_rss_bytes", "extra.resources.open_files", "host.name"),
    ),
)


def session_object(session: DiscoverSession, place: KibanaPlace) -> dict[str, Any]:
    """Return a session as a saved object; its description ends with a digest of all the rest."""
    source = {
        "filter": [],
        "highlightAll": True,
        "indexRefName": _INDEX,
        "query": {"language": "kuery", "query": kql_of(session.query)},
        "version": True,
    }
    attributes = {
        "columns": list(session.columns),
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source, sort_keys=True)},
        "sort": [[session.sort, "desc"]],
        "timeRestore": False,
        "title": f"Orchestrator: {session.title}",
    }
    return {
        "attributes": {
            **attributes,
            "description": f"{session.answers} [{digest(attributes)}]",
        },
        "coreMigrationVersion": "8.8.0",
        "id": place.session(session.key),
        "managed": False,
        "references": [{"id": place.data_view, "name": _INDEX, "type": "index-pattern"}],
        "type": "search",
        "typeMigrationVersion": "8.0.0",
    }


def ndjson(objects: list[dict[str, Any]]) -> str:
    """Return saved objects as the file that Kibana imports."""
    return "".join(f"{json.dumps(each, sort_keys=True, ensure_ascii=False)}\n" for each in objects)
