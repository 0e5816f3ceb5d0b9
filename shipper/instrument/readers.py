"""
Who may read what an application says of itself.

`/health` is open. Everything else is for this machine, for the networks that are named, and for who
sends the token. What came through a proxy is not from this machine, although the proxy is: it
carries a header that says so.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

_PROXIED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})


@dataclass(frozen=True, slots=True)
class Readers:
    """
    Decides who may read: this machine, `networks` such as `10.0.0.0/8`, and who has the `token`.

    With a token, everybody needs it but those of the networks.
    """

    networks: tuple[Any, ...]
    token: bytes | None

    @classmethod
    def of(cls, networks: Iterable[str], token: str | None) -> Readers:
        """Return the readers; ValueError if a network is none, or the token is too short."""
        if token is not None and len(token) < 8:
            raise ValueError("a token has at least 8 characters")
        parsed = tuple(ip_network(network) for network in networks)
        return cls(parsed, None if token is None else token.encode())

    def may_read(self, scope: MutableMapping[str, Any]) -> bool:
        """Return whether a request may be answered."""
        if self.has_token(scope):
            return True
        client = scope.get("client")
        try:
            address = ip_address(client[0]) if client else None
        except ValueError:
            return False
        proxied = any(name.lower() in _PROXIED for name, _value in scope["headers"])
        if address is None or proxied:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        if any(address in network for network in self.networks):
            return True
        return self.token is None and address.is_loopback

    def has_token(self, scope: MutableMapping[str, Any]) -> bool:
        """Return whether a request carries the token; False if there is none."""
        if self.token is None:
            return False
        sent = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        word, _, given = sent[0].partition(b" ") if len(sent) == 1 else (b"", b"", b"")
        return word.lower() == b"bearer" and hmac.compare_digest(given.strip(), self.token)
