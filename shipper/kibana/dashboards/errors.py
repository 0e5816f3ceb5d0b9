"""Where errors come from, and which are new."""

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


def _table(key: str, title: str, answers: str, by: Grouping) -> ChartPanel:
    return ChartPanel(
        key,
        title,
        answers,
        Form.TABLE,
        ask.ERRORS,
        (Measure("Errors"), Measure("Types", Measuring.UNIQUE, "error_type"), ask.NEWEST),
        by=by,
        width=16,
    )


ERRORS: Final = Dashboard(
    "errors",
    "Errors",
    "Where do errors come from, and which are new?",
    "An error is a record of level ERROR or CRITICAL. *User* errors (4xx) are the clients' and "
    "expected; *server* errors are urgent; *workflow* errors are watched for patterns. Investigate "
    "by type first, then by route and host; the runbook is `high-error-rate`.",
    (
        number(
            "errors",
            "Errors",
            "How many errors were logged?",
            ask.ERRORS,
            Measure("Errors"),
            Measure("critical", where="level:CRITICAL"),
        ),
        number(
            "types",
            "Types",
            "How many different types of error are there?",
            ask.ERRORS,
            Measure("Types", Measuring.UNIQUE, "error_type"),
        ),
        number(
            "server",
            "Server errors",
            "Which share of requests ends in a server error?",
            ask.REQUESTS,
            ask.SERVER_ERRORS,
        ),
        number(
            "workflows",
            "Failed workflows",
            "How many different workflows failed?",
            f"{ask.WORKFLOWS} AND status:failed",
            Measure("Workflows", Measuring.UNIQUE, "workflow_id"),
            Measure("Executions"),
        ),
        ChartPanel(
            "by-category",
            "Errors by category",
            "Whose errors are they: of users, of the server, of workflows?",
            Form.BARS,
            "_exists_:error.category",
            (Measure("Records"),),
            by=Grouping("error.category", "Category", 5),
        ),
        ChartPanel(
            "by-type-over-time",
            "Errors by type",
            "Which errors became more frequent?",
            Form.BARS,
            ask.ERRORS,
            (Measure("Errors"),),
            by=Grouping("error_type", "Type", 8),
        ),
        ChartPanel(
            "timeouts",
            "Time-outs",
            "Do calls time out? More than 10 a minute is an alert.",
            Form.LINES,
            f"{ask.ERRORS} AND error_type:TimeoutError",
            (Measure("Time-outs per minute", per_minute=True),),
            thresholds=(ReferenceLine("alert", 10, bad=True),),
        ),
        ChartPanel(
            "logins",
            "Failed logins",
            "Does somebody guess passwords? More than 100 a minute is an alert.",
            Form.LINES,
            "event.category:authentication AND level:IN [WARNING ERROR CRITICAL]",
            (Measure("Failed logins per minute", per_minute=True),),
            thresholds=(ReferenceLine("alert", 100, bad=True),),
        ),
        _table("by-type", "By type", "Which types?", Grouping("error_type", "Type", 50)),
        _table("by-route", "By route", "On which routes?", Grouping("route", "Route", 50)),
        _table("by-host", "By host", "On which hosts?", Grouping("host.name", "Host", 50)),
        _table(
            "by-service", "By service", "In which services?", Grouping("service.name", "Service")
        ),
        _table("by-logger", "By logger", "Which part logs them?", Grouping("logger", "Logger", 50)),
        ChartPanel(
            "newest-types",
            "Newest types",
            "Which types of error appeared last? Choose a long time range.",
            Form.TABLE,
            ask.ERRORS,
            (
                Measure("First seen", Measuring.MINIMUM, "@timestamp", unit=Unit.PLAIN),
                Measure("Errors"),
            ),
            by=Grouping("error_type", "Type", 10),
            width=16,
        ),
        RecordsPanel(
            "stack-traces",
            "Stack traces",
            "What exactly failed, and where in the code?",
            f"{ask.ERRORS} AND _exists_:exc_info",
            ("service.name", "error_type", "message", "exc_info"),
        ),
    ),
)
