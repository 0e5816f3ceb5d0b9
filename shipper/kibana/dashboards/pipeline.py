"""Whether every record arrives, and what was odd about lines."""

from __future__ import annotations

from typing import Final

from shipper.kibana.dashboards import queries as ask
from shipper.kibana.dashboards.queries import number
from shipper.kibana.panels import (
    ChartPanel,
    Dashboard,
    Form,
    Grouping,
    Measure,
    Measuring,
    RecordsPanel,
    Unit,
)

_BEHIND: Final = Measure(
    "Behind, at most", Measuring.MAXIMUM, "extra.heartbeat.behind_bytes", unit=Unit.BYTES
)

PIPELINE: Final = Dashboard(
    "pipeline",
    "Pipeline",
    "Does every record arrive, and what was odd about lines?",
    "Each shipper sends a heartbeat every few seconds, after everything it describes is stored. "
    "*Complete until* is its watermark: everything older is searchable. A host whose latest "
    "heartbeat is old is down or cut off; one whose watermark stands still is behind. Dead letters "
    "and open records of the audit have to be looked into: `shipper deadletters`, `shipper audit`.",
    (
        number(
            "hosts",
            "Hosts",
            "How many hosts ship?",
            ask.HEARTBEATS,
            Measure("Hosts", Measuring.UNIQUE, "host.name"),
        ),
        number("behind", "Behind", "How many bytes wait?", ask.HEARTBEATS, _BEHIND),
        number(
            "dead-letters",
            "Dead letters",
            "How many events were refused for good?",
            ask.HEARTBEATS,
            Measure(
                "Dead letters", Measuring.MAXIMUM, "extra.heartbeat.dead_letters", target=ask.NONE
            ),
        ),
        number(
            "rejected",
            "Refused records",
            "How many records were refused and stored as text?",
            "",
            Measure("Refused", where="tags:rejected", target=ask.NONE),
        ),
        ChartPanel(
            "fleet",
            "Hosts",
            "How far is each host?",
            Form.TABLE,
            ask.HEARTBEATS,
            (
                ask.NEWEST,
                Measure(
                    "Complete until",
                    Measuring.LAST,
                    "extra.heartbeat.watermark",
                    unit=Unit.PLAIN,
                ),
                Measure("Behind", Measuring.LAST, "extra.heartbeat.behind_bytes", unit=Unit.BYTES),
                Measure("Files", Measuring.LAST, "extra.heartbeat.files"),
                Measure("Dead letters", Measuring.LAST, "extra.heartbeat.dead_letters"),
                Measure("Open in audit", Measuring.LAST, "extra.heartbeat.audit_open"),
                Measure("Version", Measuring.LAST, "extra.heartbeat.version", unit=Unit.PLAIN),
            ),
            by=Grouping("host.name", "Host", 100),
            width=48,
        ),
        ChartPanel(
            "behind-over-time",
            "Bytes behind",
            "Which host falls behind?",
            Form.LINES,
            ask.HEARTBEATS,
            (_BEHIND,),
            by=Grouping("host.name", "Host", 10),
        ),
        ChartPanel(
            "heartbeats",
            "Heartbeats",
            "Is a shipper silent?",
            Form.LINES,
            ask.HEARTBEATS,
            (Measure("Heartbeats"),),
            by=Grouping("host.name", "Host", 10),
        ),
        ChartPanel(
            "by-host",
            "Records by host",
            "Which host logs how much?",
            Form.BARS,
            "",
            (Measure("Records"),),
            by=Grouping("host.name", "Host", 10),
        ),
        ChartPanel(
            "by-dataset",
            "Records by dataset",
            "Of which kind are the records?",
            Form.BARS,
            "",
            (Measure("Records"),),
            by=Grouping("event.dataset", "Dataset", 10),
        ),
        ChartPanel(
            "tags",
            "Odd lines",
            "What was odd about lines?",
            Form.TABLE,
            "_exists_:tags",
            (Measure("Records"), Measure("Files", Measuring.UNIQUE, "log.file.path"), ask.NEWEST),
            by=Grouping("tags", "Tag", 50),
        ),
        ChartPanel(
            "files",
            "Files",
            "Which files do records come from?",
            Form.TABLE,
            "_exists_:log.file.path",
            (Measure("Records"), ask.NEWEST),
            by=Grouping("log.file.path", "File", 50),
        ),
        RecordsPanel(
            "refused",
            "Refused records",
            "What was refused, and why?",
            "tags:rejected",
            ("error.message", "message", "host.name", "log.file.path"),
        ),
    ),
)
