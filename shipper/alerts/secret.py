"""
Secrets: read from their files when they are needed, shown to nobody.

A `Secret` shows as `***` wherever it is printed, formatted or logged; `reveal` is called where it
is sent. `Scrub` takes secrets, and the forms in which they travel, out of what a server answered.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from shipper.alerts.alerter import AlerterUnavailable

MOST_BYTES: Final = 4096  # more is no secret but a wrong file
SHORTEST: Final = 4  # what is shorter is in every text by chance
_USABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class Secret:
    """A text that nobody sees by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "***"

    def reveal(self) -> str:
        """Give the text itself, to send it."""
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
        raise AlerterUnavailable(f"cannot read {path}: {error.strerror}; mend the file") from None
    text = content.decode("latin-1").strip()
    if len(content) > MOST_BYTES or _USABLE.fullmatch(text) is None:
        told = "holds no secret: one line of printable ASCII is needed"
        raise AlerterUnavailable(f"{path} {told}; mend the file")
    return Secret(text)


class Scrub:
    """Takes secrets out of a text that came from elsewhere."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            text = secret.reveal()
            forms |= {text, quote(text, safe=""), quote(text), *text.rsplit("/", 1)[1:]}
            forms.add(base64.b64encode(text.encode()).decode().rstrip("="))
        known = sorted((form for form in forms if len(form) >= SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Give the text with `***` where a secret was."""
        return self._known.sub("***", text) if self._known else text
