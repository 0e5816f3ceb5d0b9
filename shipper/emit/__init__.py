"""
Logging for the application whose files are shipped: one call to set up, one middleware.

    from shipper import emit

    emit.configure(mode="production")
    app.add_middleware(emit.AccessLogMiddleware)
    with emit.bind(workflow_id="workflow_123"):
        logging.getLogger("automation_orchestrator.workflows").info("Workflow started")

Every record becomes one line of JSON with an origin (`run`, `seq`) that no other record has, so
that it can be accounted for all the way to the store. Needs nothing of the rest of the package.
"""

from __future__ import annotations

from shipper.emit.access import AccessLogMiddleware
from shipper.emit.configuring import configure
from shipper.emit.context import REQUEST_ID, WORKFLOW_ID, bind
from shipper.emit.json_lines import JsonFormatter
from shipper.emit.losses import failures
from shipper.emit.rotating import ProcessSafeRotatingFileHandler

__all__ = [
    "REQUEST_ID",
    "WORKFLOW_ID",
    "AccessLogMiddleware",
    "JsonFormatter",
    "ProcessSafeRotatingFileHandler",
    "bind",
    "configure",
    "failures",
]
