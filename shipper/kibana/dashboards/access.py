"""Who asks for what, and how well they are served."""

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

_SERVED: Final = (Measure("Requests"), ask.MEAN, ask.P95, ask.SERVER_ERRORS)
# Requests as the application logs them, and as a web server in front of it does.
_ALL: Final = "event.dataset:IN [orchestrator.access nginx.access apache.access]"

ACCESS: Final = Dashboard(
    "access",
    "Access",
    "Who asks for what, and how well are they served?",
    "Requests as the application logs them. Look for the route whose p95 or share of server errors "
    "stands out, then for its slowest requests. Bytes come from the logs of nginx or Apache.",
    (
        number("requests", "Requests", "How many requests came in?", ask.REQUESTS, Measure("All")),
        number("mean", "Response time", "How long do they take?", ask.REQUESTS, ask.MEAN, ask.P95),
        number(
            "clients",
            "Clients",
            "From how many addresses?",
            ask.REQUESTS,
            Measure("Clients", Measuring.UNIQUE, "client_ip"),
        ),
        number(
            "bytes",
            "Sent",
            "How large is an answer?",
            _ALL,
            Measure("Mean size", Measuring.AVERAGE, "extra.bytes", unit=Unit.BYTES),
        ),
        ChartPanel(
            "by-status",
            "Requests by status",
            "With which status are requests answered?",
            Form.BARS,
            ask.REQUESTS,
            (Measure("Requests"),),
            by=Grouping("status_code", "Status", 8),
        ),
        ChartPanel(
            "latency",
            "Response time",
            "When were requests slow?",
            Form.LINES,
            ask.REQUESTS,
            (ask.MEAN, ask.P95),
            thresholds=(ReferenceLine("target", 200), ReferenceLine("alert", 500, bad=True)),
        ),
        ChartPanel(
            "routes",
            "Routes",
            "Which routes are busy, slow or failing?",
            Form.TABLE,
            ask.REQUESTS,
            _SERVED,
            by=Grouping("route", "Route", 50),
        ),
        ChartPanel(
            "slow-routes",
            "Slowest routes",
            "Where do requests take longest?",
            Form.TABLE,
            ask.REQUESTS,
            (ask.P95, Measure("Requests")),
            by=Grouping("route", "Route", 20),
        ),
        ChartPanel(
            "clients-table",
            "Clients",
            "Who asks most, and whose requests fail?",
            Form.TABLE,
            ask.REQUESTS,
            (Measure("Requests"), Measure("4xx", where="status_code:[400 TO 499]")),
            by=Grouping("client_ip", "Client", 50),
            width=16,
        ),
        ChartPanel(
            "methods",
            "Methods",
            "With which methods?",
            Form.PIE,
            ask.REQUESTS,
            (Measure("Requests"),),
            by=Grouping("method", "Method", 6),
            width=16,
        ),
        ChartPanel(
            "hosts",
            "Hosts",
            "Is the load even, and is one host slower than the others?",
            Form.TABLE,
            ask.REQUESTS,
            _SERVED,
            by=Grouping("host.name", "Host", 50),
            width=16,
        ),
        RecordsPanel(
            "slowest",
            "Slowest requests",
            "Which requests took longest?",
            ask.REQUESTS,
            ("duration_ms", "status_code", "method", "path", "request_id", "host.name"),
            sort="duration_ms",
        ),
    ),
)
