"""
The partner services that workflows call: a billing system, a CRM and so on.

They are simulated in this process and answer in 5 to 80 ms, so that the example needs no network.
"""

from __future__ import annotations

import asyncio

from examples.orchestrator.definitions import Data
from examples.orchestrator.faults import Faults

SERVICES = frozenset({"billing", "crm", "mail", "warehouse"})
HANG_SECONDS = 3600.0  # longer than any caller waits


class UnknownServiceError(Exception):
    """There is no such service."""


class Services:
    """A client for all of them."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def call(self, service: str, data: Data) -> Data:
        """
        Send data to a service and return its answer.

        Raises:
            UnknownServiceError: there is no such service.
            ConnectionResetError: the connection was lost; a second try may succeed.

        """
        if service not in SERVICES:
            raise UnknownServiceError(f"no service is named {service!r}")
        if self._faults.strikes("timeout"):
            await asyncio.sleep(HANG_SECONDS)
        if self._faults.strikes("flaky_action"):
            raise ConnectionResetError(f"{service} reset the connection")
        await asyncio.sleep(self._faults.random.uniform(0.005, 0.08))
        return {f"{service}_status": "accepted", f"{service}_keys": len(data)}
