"""
The certificate of the server, read again when its files have changed: without a restart.

A new pair is tried in a context of its own first: a certificate that is not that of the key, or a
file that is half written, leaves the old one in use, and is tried again when a file has changed.
Connections that are open go on with the certificate that they began with.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK_SECONDS: Final = 5.0


@dataclass(slots=True)
class Certificate:
    """The files with a certificate and its key, and what has become of them."""

    path: Path
    key: Path
    _seen: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Remember how the files are now."""
        self._seen = self._look()

    def check(self) -> None:
        """Raise OSError or ValueError where they are of no use."""
        self.load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))

    def load(self, context: ssl.SSLContext) -> None:
        """Use them in a context; raise as `check` does."""
        context.load_cert_chain(self.path, self.key, password=lambda: "")

    def has_changed(self) -> bool:
        """Return whether the files have changed since it was last asked."""
        now = self._look()
        changed, self._seen = now != self._seen, now
        return changed

    def _look(self) -> list[tuple[int, ...]]:
        found = list[tuple[int, ...]]()
        for path in (self.path, self.key):
            try:
                state = path.stat()
            except OSError:
                found.append(())
            else:
                found.append((state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns))
        return found


async def keep_fresh(
    certificate: Certificate, context: ssl.SSLContext, report: Callable[[str], None]
) -> None:
    """Use the files in a context whenever they change; `report` is called with what came of it."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if not certificate.has_changed():
            continue
        try:
            certificate.check()
            certificate.load(context)
        except (OSError, ValueError) as error:  # SSLError is one
            report(f"the new certificate is not used: {error}; the one before is")
        else:
            report("the new certificate is used")
