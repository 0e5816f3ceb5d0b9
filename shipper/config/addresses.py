"""Addresses in the config: `host:port` and http addresses, and whether others can reach them."""

from __future__ import annotations

import ipaddress

from shipper.config.options import InvalidValueError, Scalar, text_matching

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_PORT = r":(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"  # to 65535

HOST_AND_PORT = text_matching(_HOST + _PORT, "host:port, such as logs1:5044")
_URL_TEXT = text_matching(
    rf"https?://{_HOST}{_PORT}(?:/[\w.~/-]*)?",
    "http:// or https://, host and port, such as https://es1:9200",
)


def _parse_url(text: str) -> str:
    if "@" in text:  # the fault must not show it
        raise InvalidValueError(
            "has a user or password", "use username and password_file, or api_key_file"
        )
    url: str = _URL_TEXT.parse(text)
    return url.rstrip("/")


URL = Scalar(_URL_TEXT.shown, _parse_url)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, judged by its name or address alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
