"""
The keys under `extra` that Kibana can count, sum and compare.

`extra` is one field of type `flattened`, whose keys Kibana offers neither for a sum nor for a table
and compares as texts. So those that dashboards use are runtime fields of the data view: without a
script, Elasticsearch reads them out of the record, under the name that `shipper search` has for
them. It does so only for the records that the rest of a question leaves; the panels name a dataset.
"""

from __future__ import annotations

from typing import Final

# Keys under `extra`: their type, and what people call them.
RUNTIME: Final[dict[str, tuple[str, str]]] = {
    # polls of /health
    "extra.target": ("keyword", "Polled target"),
    "extra.up": ("long", "Up (1) or not (0)"),
    "extra.failure": ("keyword", "Kind of failure"),
    "extra.reason": ("keyword", "Reason"),
    "extra.latency_ms": ("double", "Time of the poll"),
    "extra.http_status": ("long", "Status of the poll"),
    "extra.uptime_seconds": ("double", "Running since"),
    "extra.success_rate": ("double", "Success rate, as it says"),
    "extra.queue_depth": ("double", "Queue depth"),
    "extra.database.status": ("keyword", "Database"),
    "extra.database.response_time_ms": ("double", "Response time of the database"),
    "extra.storage.status": ("keyword", "Storage"),
    "extra.storage.available_gb": ("double", "Free disk (GB)"),
    # polls of /api/metrics
    "extra.api_calls_total": ("long", "Requests so far"),
    "extra.resources.cpu_percent": ("double", "CPU %"),
    "extra.resources.disk_used_percent": ("double", "Disk used %"),
    "extra.resources.memory_rss_bytes": ("double", "Memory"),
    "extra.resources.open_files": ("long", "Open files"),
    # heartbeats
    "extra.heartbeat.watermark": ("date", "Complete until"),
    "extra.heartbeat.behind_bytes": ("long", "Bytes behind"),
    "extra.heartbeat.dead_letters": ("long", "Dead letters"),
    "extra.heartbeat.files": ("long", "Open files of the shipper"),
    "extra.heartbeat.audit_open": ("long", "Open in audit"),
    "extra.heartbeat.version": ("keyword", "Version of the shipper"),
    # the log of the alert job
    "extra.incident": ("keyword", "Incident"),
    "extra.rule": ("keyword", "Rule"),
    "extra.severity": ("keyword", "Severity"),
    "extra.change": ("keyword", "Transition"),
    "extra.open_seconds": ("double", "Open for"),
    "extra.by": ("keyword", "By"),
    "extra.note": ("keyword", "Note"),
    "extra.flapping": ("boolean", "Flapping"),
    # logs of web servers
    "extra.bytes": ("double", "Bytes sent"),
}
