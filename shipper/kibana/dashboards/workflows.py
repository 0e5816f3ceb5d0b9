"""Whether workflows succeed, and how long they run."""

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

_MEAN: Final = Measure("Mean", Measuring.AVERAGE, "execution_time_ms", unit=Unit.MILLISECONDS)
_P95: Final = Measure("p95", Measuring.PERCENTILE, "execution_time_ms", unit=Unit.MILLISECONDS)
_FAILED: Final = Measure(
    "Failed", Measuring.SHARE, where="status:failed", unit=Unit.PERCENT, target=ask.FAILED
)

WORKFLOWS: Final = Dashboard(
    "workflows",
    "Workflows",
    "Do workflows succeed, and how long do they run?",
    "One record per execution, with its outcome. More than 5 % failures is an alert; the runbook "
    "is `workflow-failures`. Errors of one type in one workflow are a pattern; of one type in many "
    "workflows, something that they share is down.",
    (
        number(
            "success",
            "Success",
            "Which share of executions succeeds?",
            ask.WORKFLOWS,
            Measure(
                "Success",
                Measuring.SHARE,
                where="status:success",
                unit=Unit.PERCENT,
                target=ask.SUCCEEDED,
            ),
        ),
        number(
            "executions",
            "Executions",
            "How many executions ended?",
            ask.WORKFLOWS,
            Measure("Executions"),
            Measure("failed", where="status:failed"),
        ),
        number("duration", "Duration", "How long do they run?", ask.WORKFLOWS, _MEAN, _P95),
        number(
            "distinct",
            "Workflows",
            "How many different workflows ran?",
            ask.WORKFLOWS,
            Measure("Workflows", Measuring.UNIQUE, "workflow_id"),
        ),
        ChartPanel(
            "over-time",
            "Executions by outcome",
            "When did executions fail?",
            Form.BARS,
            ask.WORKFLOWS,
            (Measure("Executions"),),
            by=Grouping("status", "Outcome", 5),
        ),
        ChartPanel(
            "failed-share",
            "Share of failures",
            "Is the share of failures beyond the limit of an alert?",
            Form.LINES,
            ask.WORKFLOWS,
            (_FAILED,),
            thresholds=(ReferenceLine("alert", 0.05, bad=True),),
        ),
        ChartPanel(
            "table",
            "Workflows",
            "Which workflows fail, and which run long?",
            Form.TABLE,
            ask.WORKFLOWS,
            (Measure("Executions"), _FAILED, _MEAN, _P95),
            by=Grouping("workflow_id", "Workflow", 50),
        ),
        ChartPanel(
            "types",
            "Errors of workflows",
            "Of which type are the errors, and how many workflows have them?",
            Form.TABLE,
            "error.category:workflow",
            (Measure("Errors"), Measure("Workflows", Measuring.UNIQUE, "workflow_id")),
            by=Grouping("error_type", "Type", 50),
        ),
        RecordsPanel(
            "failed",
            "Failed executions",
            "Which executions failed, and why?",
            f"{ask.WORKFLOWS} AND status:failed",
            ("workflow_id", "error_type", "message", "execution_time_ms", "request_id"),
        ),
        RecordsPanel(
            "longest",
            "Longest executions",
            "Which executions ran longest?",
            ask.WORKFLOWS,
            ("execution_time_ms", "workflow_id", "status", "host.name"),
            sort="execution_time_ms",
        ),
    ),
)
