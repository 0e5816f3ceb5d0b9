"""
Checks the way to each alerter: its secrets, the connection to its service, and the login.

Nobody is notified. A fault here keeps no record from being shipped, so it is a warning; a settings
file that cannot be used is an error, since the alert job would not start.
"""

from __future__ import annotations

import dataclasses
import re
import stat
from typing import TYPE_CHECKING

from shipper.alerts.alerters.alerter import (
    AlerterContext,
    AlerterRefused,
    AlerterUnavailable,
    open_alerter,
)
from shipper.alerts.alerters.email import EmailAlerter
from shipper.alerts.alerters.secret import read_secret
from shipper.alerts.alerters.settings import (
    Apprise,
    Console,
    Email,
    PagerDuty,
    PagerDutyIncidents,
    Slack,
    Webhook,
    address_of,
)
from shipper.alerts.settings import load
from shipper.check.finding import Finding, error, ok, warning
from shipper.config.options import InvalidOptionsError, InvalidValueError
from shipper.errors import ConfigError
from shipper.net.connect import ConnectionFailed, connect
from shipper.reports.senders import senders_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from shipper.alerts.alerters.alerter import Alerter
    from shipper.alerts.alerters.settings import AlerterSettings, Kinds
    from shipper.config.reports import ReportOptions

PLACE = "alerts.settings"
_PORTS = {"https": 443, "http": 80}


def check_alerters(path: Path, now: float, reports: ReportOptions) -> Iterator[Finding]:
    """Check every alerter of a settings file, and that those which send reports are there."""
    try:
        settings = load(path)
    except InvalidOptionsError as invalid:
        for found in invalid.faults:
            yield error(PLACE, f"{path}: {found.where}: {found.fault}", found.remedy)
        return
    except ConfigError as failed:
        yield error(PLACE, failed.fault, failed.remedy)
        return
    for place, *choices in _senders(reports):
        try:
            senders_of(settings.all_alerters, *choices)
        except ConfigError as failed:
            yield error(place, failed.fault, failed.remedy)
    for name, each in settings.all_alerters.items():
        place = f"alerters.{name}"
        try:
            alerter = open_alerter(name, each, AlerterContext(lambda: now))
        except ConfigError as failed:
            yield error(place, failed.fault, failed.remedy)
            continue
        findings = list(_check_secrets(place, each.of_kind))
        yield from findings or _check_service(place, each, alerter)


def _senders(reports: ReportOptions) -> Iterator[tuple[str, *tuple[Sequence[str], ...]]]:
    """Yield each place of the config that says who sends reports, and its choices."""
    if reports.to:
        yield "reports.to", reports.to
    for number, entry in enumerate(reports.schedule):
        if entry.to or not reports.to:
            yield f"reports.schedule[{number}]", entry.to, reports.to


def _check_secrets(place: str, settings: Kinds) -> Iterator[Finding]:
    for option in dataclasses.fields(settings):
        path: Path | None = getattr(settings, option.name)
        if not option.name.endswith("_file") or path is None:
            continue
        where = f"{place}.{option.name}"
        try:
            read_secret(path)
        except AlerterUnavailable as failed:
            yield warning(where, failed.fault, failed.remedy)
        else:
            if path.stat().st_mode & stat.S_IROTH:
                fault = f"anybody on this machine can read {path}"
                yield warning(where, fault, f"chmod o-rwx {path}")


def _check_service(place: str, settings: AlerterSettings, alerter: Alerter) -> Iterator[Finding]:
    try:
        if isinstance(alerter, EmailAlerter):
            alerter.log_in()
        else:
            _connect(place, settings)
    except (AlerterUnavailable, AlerterRefused, ConnectionFailed) as failed:
        yield warning(place, failed.fault.removeprefix(f"{place}.{settings.kind}: "), failed.remedy)
    else:
        yield ok(place, alerter.where)


def _connect(place: str, settings: AlerterSettings) -> None:
    """Open a connection to the service and close it, if the kind has one known service."""
    kind = settings.of_kind
    if isinstance(kind, Email | Console | Apprise):
        return
    scheme, _, rest = _address_of(kind).partition("://")
    host = re.split("[/?]", rest)[0]
    if not host.rpartition(":")[2].isdigit():
        host = f"{host}:{_PORTS[scheme]}"
    tls = dataclasses.replace(kind.tls, enabled=scheme == "https")
    try:
        connect(host, tls, kind.seconds, f"{place}.{settings.kind}").close()
    except ConnectionFailed as failed:
        raise ConnectionFailed(f"{host} {failed.fault}", failed.remedy) from None


def _address_of(kind: Slack | PagerDuty | PagerDutyIncidents | Webhook) -> str:
    file = kind.url_file if isinstance(kind, Slack | Webhook) else None
    if file is None:
        address = kind.url if isinstance(kind, Webhook) else kind.base_url
        assert address is not None, "checked by faults"
        return address
    try:
        return address_of(read_secret(file).reveal())
    except InvalidValueError as invalid:
        raise ConnectionFailed(f"the URL in {file} {invalid.fault}", invalid.remedy) from None
