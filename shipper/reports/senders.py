"""Which alerters send reports: they are named in the config, and not every kind can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipper.alerts.alerters.settings import AlerterSettings
from shipper.errors import ConfigError

KINDS = ("email", "slack")  # of alerters that can send a report


def senders_of(settings: Mapping[str, AlerterSettings], *choices: Sequence[str]) -> Sequence[str]:
    """
    Return the names of the first choice that names any; without one, all that send mail.

    Raises:
        ConfigError: there is none, or one of them cannot send reports.
    """
    wanted: Sequence[str] = next((names for names in choices if names), ())
    wanted = wanted or [name for name, each in settings.items() if each.kind == "email"]
    if not wanted:
        raise ConfigError("no alerter can send reports", "add one of the kind email or slack")
    for name in wanted:
        if name not in settings:
            raise ConfigError(f"there is no alerter {name}", f"use one of: {', '.join(settings)}")
        if settings[name].kind not in KINDS:
            raise ConfigError(f"{name} cannot send reports", f"use {' or '.join(KINDS)}")
    return wanted
