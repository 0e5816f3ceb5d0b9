"""Whether all is well: the indicators of the guide with their targets, and how they came to be."""

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
    ReferenceLine,
    Unit,
)

OVERVIEW: Final = Dashboard(
    "overview",
    "Overview",
    "Is the application well, by the targets of its indicators?",
    "Green meets the target, yellow deserves a look, red is an alert. What is red leads on: click "
    "a value of a chart for the records behind it. A number without a value had no records.",
    (
        number(
            "response-time",
            "Response time",
            "How long do requests take? Target: below 200 ms on average; above 500 ms is an alert.",
            ask.REQUESTS,
            ask.MEAN,
            ask.P95,
        ),
        number(
            "success-rate",
            "Success rate",
            "Which share of requests is answered without a server error? Target: above 98 %.",
            ask.REQUESTS,
            Measure(
                "Success rate",
                Measuring.SHARE,
                where="status_code:<500",
                unit=Unit.PERCENT,
                target=ask.SUCCEEDED,
            ),
            Measure("Requests"),
        ),
        number(
            "error-rate",
            "Error rate",
            "Which share of requests ends in a server error? Above 1 % is an alert, 2 % the limit.",
            ask.REQUESTS,
            ask.SERVER_ERRORS,
            Measure("Server errors", where="status_code:>=500"),
        ),
        number(
            "workflow-success",
            "Workflow success",
            "Which share of workflow executions succeeds? Below 95 % is an alert.",
            ask.WORKFLOWS,
            Measure(
                "Workflow success",
                Measuring.SHARE,
                where="status:success",
                unit=Unit.PERCENT,
                target=ask.SUCCEEDED,
            ),
            Measure("Executions"),
        ),
        number(
            "uptime",
            "Uptime",
            "In which share of polls was the application up? Target: 99.5 %.",
            ask.HEALTH,
            Measure("Uptime", Measuring.AVERAGE, "extra.up", unit=Unit.PERCENT, target=ask.UP),
        ),
        number(
            "queue-depth",
            "Queue",
            "How many executions wait now? Above 100 is an alert, above 500 unhealthy.",
            ask.HEALTH,
            Measure("Waiting", Measuring.LAST, "extra.queue_depth", target=ask.QUEUE),
            Measure("Most", Measuring.MAXIMUM, "extra.queue_depth"),
        ),
        number(
            "disk-free",
            "Disk",
            "How much room is left on the disk of the application?",
            ask.HEALTH,
            Measure("GB free", Measuring.LAST, "extra.storage.available_gb", unit=Unit.DECIMAL),
        ),
        number(
            "incidents",
            "Incidents",
            "How many incidents fired?",
            ask.INCIDENTS,
            Measure("Fired", where="extra.change:fired", target=ask.NONE),
            Measure("Resolved", where="extra.change:resolved"),
        ),
        ChartPanel(
            "requests",
            "Requests and errors",
            "How many requests came in, and how many of them failed?",
            Form.LINES,
            ask.REQUESTS,
            (
                Measure("Requests"),
                Measure("4xx", where="status_code:[400 TO 499]"),
                Measure("5xx", where="status_code:>=500"),
            ),
            leads_to="access",
        ),
        ChartPanel(
            "error-share",
            "Share of server errors",
            "When did requests fail, and beyond the limit of an alert?",
            Form.LINES,
            ask.REQUESTS,
            (ask.SERVER_ERRORS,),
            thresholds=(ReferenceLine("alert", 0.01, bad=True),),
            leads_to="errors",
        ),
        ChartPanel(
            "latency",
            "Response time",
            "How long do the median, the slower and the slowest requests take?",
            Form.LINES,
            ask.REQUESTS,
            tuple(
                Measure(
                    f"p{percent}",
                    Measuring.PERCENTILE,
                    "duration_ms",
                    percent=percent,
                    unit=Unit.MILLISECONDS,
                )
                for percent in (50, 95, 99)
            ),
            thresholds=(ReferenceLine("target", 200), ReferenceLine("alert", 500, bad=True)),
            leads_to="access",
        ),
        ChartPanel(
            "workflows",
            "Workflow executions",
            "How many executions ended, and how?",
            Form.BARS,
            ask.WORKFLOWS,
            (Measure("Executions"),),
            by=Grouping("status", "Outcome", 5),
            leads_to="workflows",
        ),
        ChartPanel(
            "queue",
            "Queue",
            "Does the queue drain, or grow?",
            Form.LINES,
            ask.HEALTH,
            (Measure("Waiting, at most", Measuring.MAXIMUM, "extra.queue_depth"),),
            thresholds=(ReferenceLine("alert", 100), ReferenceLine("unhealthy", 500, bad=True)),
            leads_to="health",
        ),
        ChartPanel(
            "resources",
            "Processor and disk",
            "Is the machine of the application at its limits?",
            Form.LINES,
            ask.RESOURCES,
            (
                Measure("CPU %", Measuring.AVERAGE, "extra.resources.cpu_percent"),
                Measure("Disk used %", Measuring.MAXIMUM, "extra.resources.disk_used_percent"),
            ),
            leads_to="health",
        ),
        ChartPanel(
            "levels",
            "Records by level",
            "What does the application log, and how loud is it?",
            Form.BARS,
            "",
            (Measure("Records"),),
            by=Grouping("level", "Level", 6),
            leads_to="errors",
        ),
        ChartPanel(
            "incidents-by-rule",
            "Incidents by rule",
            "Which rules fired?",
            Form.TABLE,
            f"{ask.INCIDENTS} AND extra.change:fired",
            (Measure("Fired"), ask.NEWEST),
            by=Grouping("extra.rule", "Rule", 20),
            leads_to="alerts",
        ),
        RecordsPanel(
            "latest-errors",
            "Latest errors",
            "What went wrong just now?",
            ask.ERRORS,
            ("service.name", "host.name", "error_type", "message"),
        ),
    ),
)
