"""Checks inputs that are no files: whether they can be received, and by whom they can be sent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from shipper.check.finding import Finding, error, ok, warning
from shipper.check.machine import CheckContext, check_writable
from shipper.config.intake import (
    INPUTS,
    JournaldOptions,
    ListenAddress,
    StdinOptions,
    SyslogOptions,
)

LEAST_PORT = 1024  # lower ones need a privilege


def check_intake(context: CheckContext) -> Iterator[Finding]:
    """Check the inputs that are no files; nothing is opened."""
    data_dir = context.config.data_dir
    for number, source in enumerate(context.config.inputs):
        options, place = source.intake, f"inputs[{number}]"
        if options is None:
            continue
        yield from check_writable(f"{place}.spool", data_dir / INPUTS / options.name)
        match options:
            case StdinOptions():
                yield ok(f"{place}.stdin", "received by shipper run --stdin")
            case JournaldOptions():
                yield _check_program(f"{place}.journald.journalctl", options.journalctl)
            case SyslogOptions():
                for address in options.listen:
                    yield from _check_address(f"{place}.syslog.listen", address)


def _check_program(place: str, program: str) -> Finding:
    found = shutil.which(program)
    if found is None:
        return error(place, f"{program} is not installed", "install systemd, or name its path")
    return ok(place, f"{found}; its user has to be in the group systemd-journal or adm")


def _check_address(place: str, address: ListenAddress) -> Iterator[Finding]:
    if address.is_unix:
        yield from check_writable(place, Path(address.host).parent)
        return
    if not address.is_local:
        yield warning(
            place,
            f"{address.text} can be reached from other machines, who may write records",
            "let a firewall allow the senders only, or listen on a loopback address",
        )
    elif address.port < LEAST_PORT and os.geteuid() != 0:
        yield warning(
            place,
            f"{address.text} needs a privilege (CAP_NET_BIND_SERVICE)",
            f"use a port from {LEAST_PORT}",
        )
    else:
        yield ok(place, address.text)
