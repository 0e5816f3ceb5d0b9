"""The options of the section `kibana`: where it is, for links and for `shipper setup --kibana`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.config.options import (
    PATH,
    SECONDS,
    TEXT,
    Faults,
    InvalidValueError,
    Scalar,
    Section,
    option,
    optional,
    text_matching,
)
from shipper.config.outputs import TlsOptions, both_or_neither

_HOST: Final = r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])"
_ADDRESS: Final = re.compile(rf"https?://{_HOST}(?::\d{{1,5}})?(?:/[\w.~/-]*)?")
SPACE: Final = text_matching(r"[a-z0-9_-]{1,100}", "lower-case letters, digits, - and _")


def _parse_address(text: str) -> str:
    if "@" in text:  # the fault must not show it
        raise InvalidValueError(
            "has a user or password", "use username and password_file, or api_key_file"
        )
    if not _ADDRESS.fullmatch(text) or not text.isascii():
        raise InvalidValueError(
            f'"{text}" is not the address of Kibana', "use one such as https://kibana.example:5601"
        )
    if "/s/" in f"{text}/":
        raise InvalidValueError("has a space in its path", "set space instead")
    return text.rstrip("/")


KIBANA_URL: Final = Scalar("http:// or https://, and a host", _parse_address)


@dataclass(frozen=True, slots=True)
class KibanaServer:
    """A Kibana of version 9.4 or newer. `shipper setup --kibana` installs the dashboards in it."""

    url: str = option(
        KIBANA_URL, "Its address, as browsers have it, such as `https://kibana.example:5601`."
    )
    space: str = option(SPACE, "Id of the space for dashboards and links.", default="default")
    api_key_file: Path | None = optional(
        PATH, "File with an API key in the `encoded` form. Only `shipper setup` needs a login."
    )
    username: str | None = optional(TEXT, "User name, if there is no API key.")
    password_file: Path | None = optional(PATH, "File with the password of `username`.")
    tls: TlsOptions = option(
        Section(TlsOptions), "TLS of the connection, for https.", default="{}", factory=TlsOptions
    )
    request_seconds: float = option(
        SECONDS.between("1s", "10m"), "Timeout of a request.", default="30s"
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        yield from both_or_neither(self, "username", "password_file")
        if self.api_key_file is not None and self.username is not None:
            yield "api_key_file", "cannot be combined with username", "use one of them"
        if not self.tls.enabled:
            yield "tls", "cannot be disabled here", "use http:// in url for clear text"
