"""The rules of the house, out of the options: SLA clocks, maintenance windows, inhibitions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shipper.alerts.incidents.muting import Maintenance, Once, Recurring
from shipper.alerts.incidents.sla import Calendar, Limits, Sla
from shipper.alerts.incidents.sources import Inhibition
from shipper.alerts.severity import Severity

if TYPE_CHECKING:
    from shipper.config.alerts import InhibitOptions, MaintenanceOptions, SlaOptions, TimesToAnswer


def sla_of(options: SlaOptions) -> Sla:
    """Return the clocks of incidents."""
    times: dict[Severity, TimesToAnswer] = {each: getattr(options, each.value) for each in Severity}
    limits = {each: Limits(found.respond, found.resolve) for each, found in times.items()}
    calendar = Calendar(
        options.zone, frozenset(options.days), options.close, frozenset(options.holidays)
    )
    return Sla(limits, calendar)


def maintenance_of(options: MaintenanceOptions) -> Maintenance:
    """Return a maintenance window."""
    if options.start is not None and options.end is not None:
        once = Once(options.epoch_ms(options.start), options.epoch_ms(options.end))
        return Maintenance(options.name, once, options.match)
    assert options.at is not None, "checked by MaintenanceOptions.faults"
    assert options.span_seconds is not None, "checked by MaintenanceOptions.faults"
    when = Recurring(
        options.at,
        timedelta(seconds=options.span_seconds),
        frozenset(options.days),
        frozenset(options.dates),
        options.zone,
    )
    return Maintenance(options.name, when, options.match)


def inhibition_of(options: InhibitOptions, on_text: frozenset[str] = frozenset()) -> Inhibition:
    """Return an inhibition; rules `on_text` mute others only if that is asked for."""
    ignored = frozenset() if options.from_text else on_text
    return Inhibition(options.source, options.targets, options.equal, ignored)
