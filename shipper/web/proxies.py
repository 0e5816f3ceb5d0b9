"""
Proxies before the dashboard: which are trusted, and what they say of a browser.

Only requests of a trusted proxy are answered at all, so nobody can reach the port without TLS
beside it, and a header with the name of a user comes from the proxy or is refused. The address of
the browser is the last one in `X-Forwarded-For` that is no trusted proxy: what stands before it,
the browser may have written itself.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import Headers

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
MOST_HOPS: Final = 50


@dataclass(frozen=True, slots=True)
class Proxies:
    """The networks of trusted proxies, and the header in which they name a user (empty: none)."""

    networks: Sequence[Network] = LOOPBACK
    user_header: str = ""

    def is_trusted(self, address: str) -> bool:
        """Return whether this is the address of a trusted proxy."""
        found = _parsed(address)
        return found is not None and any(
            found.version == network.version and found in network for network in self.networks
        )

    def client_of(self, peer: str, headers: Headers) -> str:
        """Return the address of the browser behind a trusted proxy."""
        said = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for hop in reversed(said[-MOST_HOPS:]):
            found = _parsed(hop.strip())
            if found is None:
                return peer
            peer = str(found)
            if not self.is_trusted(peer):
                return peer
        return peer

    def users_of(self, headers: Headers) -> list[str]:
        """Return the names in the header of users: none, one, or more than there can be."""
        return headers.getlist(self.user_header) if self.user_header else []


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
