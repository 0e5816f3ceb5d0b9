"""Asks each application of `health` once, as the poller will."""

from __future__ import annotations

import time
from collections.abc import Iterator

from shipper.check.finding import Finding, ok, warning
from shipper.check.machine import CheckContext
from shipper.poll.ask import ask

_REMEDIES = {
    "token": "correct token_file",
    "tls": "see tls.ca of the target, or its certificate",
    "redirect": "use the address that it redirects to",
    "not_json": "correct the address, or what it is expected to answer",
    "not_health": "correct the address, or what it is expected to answer",
    "http_status": "correct the address, or its token_file",
}


def check_health(context: CheckContext) -> Iterator[Finding]:
    """Check whether applications answer; one that does not yet is no error of the shipper."""
    for number, target in enumerate(context.config.health):
        place = f"health[{number}] ({target.name})"
        answer = ask(target, time.monotonic)
        if answer.failure is None:
            yield ok(place, f"it answers: {answer.status}")
        else:
            remedy = _REMEDIES.get(answer.failure, "start it, or correct its address")
            yield warning(place, answer.reason or answer.failure, remedy)
