"""
How often a log-in may be tried: so often from a network, so often for a name.

Both are buckets that fill again with time, so a flood ends some seconds after it stops, and locks
nobody out for ever. Where a user has logged in before from a network, that pair has a bucket of
its own: a flood from elsewhere, for the same name, does not touch it. Names that are no user's are
counted as those that are.

The tables cannot grow: networks and names share a fixed number of buckets by a hash whose key is
made at the start, and the pairs are those of the last log-ins. A network is an IPv4 address, or
the first 64 bits of an IPv6 address.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from array import array
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SLOTS: Final = 8192
MOST_PAIRS: Final = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and one more after so many seconds."""

    burst: int
    seconds: float


OF_NETWORK: Final = Rate(10, 10)
OF_NAME: Final = Rate(20, 30)
OF_PAIR: Final = Rate(10, 10)


class LoginBuckets:
    """A fixed number of buckets, found by the hash of a name."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._key = os.urandom(16)
        self._full_at = array("d", bytes(8 * SLOTS))  # when each will be full again

    def wait(self, name: str, now: float) -> float:
        """Return the seconds until there is one for a name; 0: now."""
        return _wait(self._full_at[self._slot(name)], self._rate, now)

    def take(self, name: str, now: float) -> None:
        """Take one."""
        slot = self._slot(name)
        self._full_at[slot] = max(self._full_at[slot], now) + self._rate.seconds

    def _slot(self, name: str) -> int:
        data = name.encode(errors="replace")
        digest = hashlib.blake2b(data, digest_size=8, key=self._key).digest()
        return int.from_bytes(digest) % SLOTS


class LoginThrottle:
    """Says whether a log-in may be tried; for one thread."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._networks = LoginBuckets(OF_NETWORK)
        self._names = LoginBuckets(OF_NAME)
        self._pairs: OrderedDict[tuple[str, str], float] = OrderedDict()  # → when it is full again

    def try_one(self, name: str, address: str) -> float:
        """Count a try; return 0 if it may be made, else the seconds to wait. Then none is taken."""
        network, now = network_of(address), self._clock() + 1  # never the 0 of an empty bucket
        pair = (name, network)
        if pair in self._pairs:
            seconds = _wait(self._pairs[pair], OF_PAIR, now)
            if not seconds:
                self._pairs[pair] = max(self._pairs[pair], now) + OF_PAIR.seconds
            return seconds
        seconds = max(self._networks.wait(network, now), self._names.wait(name, now))
        if not seconds:
            self._networks.take(network, now)
            self._names.take(name, now)
        return seconds

    def knows(self, name: str, address: str) -> bool:
        """Return whether a user has logged in before from a network."""
        return (name, network_of(address)) in self._pairs

    def succeeded(self, name: str, address: str) -> None:
        """Remember a log-in of a user."""
        pair = (name, network_of(address))
        self._pairs[pair] = 0.0
        self._pairs.move_to_end(pair)
        if len(self._pairs) > MOST_PAIRS:
            self._pairs.popitem(last=False)


def network_of(address: str) -> str:
    """Return what stands for the network of an address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, 64), strict=False))


def _wait(full_at: float, rate: Rate, now: float) -> float:
    return max(0.0, full_at - now - (rate.burst - 1) * rate.seconds)
