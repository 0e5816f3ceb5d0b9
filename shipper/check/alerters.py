"""
The way to each alerter: is its secret there and kept, is its service reached, would it log us in.

Nobody is told of anything. What is wrong here keeps no record from being shipped, so it is a
warning; a file that cannot be used is an error, since the alert job would not start.
"""

from __future__ import annotations

import dataclasses
import re
import stat
from contextlib import closing
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
from shipper.check.finding import Finding, FindingLevel
from shipper.errors import ConfigError
from shipper.net.connect import ConnectionFailed, connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shipper.alerts.alerters.alerter import Alerter
    from shipper.alerts.alerters.settings import Kinds
    from shipper.alerts.settings import AlerterSettings

PLACE = "alerts.settings"
_PORTS = {"https": 443, "http": 80}


def look_at_alerters(path: Path, now: float) -> Iterator[Finding]:
    """Take every hop to every alerter of a file; none where there is no such file."""
    if not path.exists():
        return
    try:
        settings = load(path)
    except ConfigError as error:
        for fault in str(error).splitlines()[1:] or [str(error)]:
            told, _, remedy = fault.strip().partition("; ")
            yield Finding(PLACE, FindingLevel.ERROR, f"{path}: {told}", remedy)
        return
    for name, each in settings.all_alerters.items():
        place = f"alerters.{name}"
        try:
            alerter = open_alerter(name, each, AlerterContext(lambda: now))
        except ConfigError as error:
            told, _, remedy = str(error).partition("; ")
            yield Finding(place, FindingLevel.ERROR, told, remedy)
            continue
        with closing(alerter):
            faults = list(_look_at_secrets(place, each.of_kind))
            yield from faults or _look_at_way(place, each, alerter)


def _look_at_secrets(place: str, settings: Kinds) -> Iterator[Finding]:
    for option in dataclasses.fields(settings):
        path: Path | None = getattr(settings, option.name)
        if not option.name.endswith("_file") or path is None:
            continue
        where = f"{place}.{option.name}"
        try:
            read_secret(path)
        except AlerterUnavailable as error:
            told, _, remedy = str(error).partition("; ")
            yield Finding(where, FindingLevel.WARNING, told, remedy)
        else:
            if path.stat().st_mode & stat.S_IROTH:
                told = f"anybody on this machine may read {path}"
                yield Finding(where, FindingLevel.WARNING, told, f"chmod o-rwx {path}")


def _look_at_way(place: str, settings: AlerterSettings, alerter: Alerter) -> Iterator[Finding]:
    try:
        if isinstance(alerter, EmailAlerter):
            alerter.log_in()
        else:
            _connect(place, settings)
    except (AlerterUnavailable, AlerterRefused, ConnectionFailed) as error:
        told, _, remedy = str(error).rpartition("; ")
        yield Finding(place, FindingLevel.WARNING, told.partition(": ")[2] or told, remedy)
    else:
        yield Finding(place, FindingLevel.OK, alerter.where)


def _connect(place: str, settings: AlerterSettings) -> None:
    """Open a connection to the service and close it; nothing where there is none, or many."""
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
    except ValueError as error:
        told, _, remedy = str(error).partition("; ")
        raise ConnectionFailed(f"what {file} holds {told}", remedy) from None
