"""
Health and metrics for the application, beside its logs: one line mounts them.

    from shipper.instrument import Instrument

    instrument = Instrument()
    instrument.install(app)
    instrument.probe("database", ready_made.sqlalchemy(engine))
    instrument.queue("tasks", depth=count_waiting)
    with instrument.workflow("workflow_123"):
        ...

Right with any number of workers. Needs the extra `instrument` (prometheus-client, psutil), and of
the rest of the package only `shipper.emit`.
"""

from __future__ import annotations

from shipper.instrument import ready_made
from shipper.instrument.instrument import Instrument
from shipper.instrument.judge import HealthLimits
from shipper.instrument.middleware import InstrumentMiddleware

__all__ = ["HealthLimits", "Instrument", "InstrumentMiddleware", "ready_made"]
