"""
Secrets: read from their files when they are needed, shown to nobody.

A `Secret` shows as `***` wherever it is printed, formatted or logged; `reveal` is called where it
is sent. `Scrub` takes secrets, and the forms in which they travel, out of what a server answered.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from shipper.alerts.alerters.alerter import AlerterUnavailable

MOST_BYTES: Final = 4096  # more is no secret but a wrong file
SHORTEST: Final = 4  # what is shorter is in every text by chance
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_USABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class Secret:
    """A text that nobody sees by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "***"

    def reveal(self) -> str:
        """Return the text itself, to send it."""
        return self._text


def read_secret(path: Path) -> Secret:
    """
    Read the secret that a file holds; blanks and the line's end around it do not count.

    Raises:
        AlerterUnavailable: the file cannot be read now, or holds none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise AlerterUnavailable(
            f"cannot read {path}: {error.strerror}", "correct the file"
        ) from None
    text = content.decode("latin-1").strip()
    if len(content) > MOST_BYTES or _USABLE.fullmatch(text) is None:
        raise AlerterUnavailable(
            f"{path} holds no secret", "put the secret into it: one line of printable ASCII"
        )
    return Secret(text)


class Scrub:
    """Takes secrets out of a text that came from elsewhere, base64 that holds one too."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        texts = {secret.reveal() for secret in secrets}
        texts |= {end for text in texts for end in text.rsplit("/", 1)[1:]}
        self._texts = {text for text in texts if len(text) >= SHORTEST}
        forms = {form for text in self._texts for form in _forms(text)}
        known = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Return the text with `***` where a secret was."""
        if self._known is None:
            return text
        return self._known.sub("***", _BASE64.sub(self._without_base64, text))

    def _without_base64(self, found: re.Match[str]) -> str:
        try:
            plain = base64.b64decode(found[0] + "=" * (-len(found[0]) % 4), altchars=b"-_")
        except binascii.Error:
            return found[0]
        return "***" if any(text.encode() in plain for text in self._texts) else found[0]


def _forms(text: str) -> tuple[str, ...]:
    """Return the ways in which servers write a text into an answer."""
    return (text, quote(text), quote(text, safe=""), text.replace("/", "\\/"))
