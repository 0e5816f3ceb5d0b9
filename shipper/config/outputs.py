"""The options of the outputs: where records go, and how connections are secured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipper.config.addresses import HOST_AND_PORT, URL
from shipper.config.options import (
    COUNT,
    DURATION,
    PATH,
    PATH_TEXT,
    SECONDS,
    SIZE,
    SWITCH,
    TEXT,
    Faults,
    ListOf,
    Section,
    one_word_of,
    option,
    optional,
    text_matching,
)

_WRITER = text_matching(r"[a-z0-9][a-z0-9_-]{0,30}", "up to 31 lower-case letters, digits, - and _")

_LEVELS = COUNT.between("0", "3")
_LEVELS_MEANING = "Compression of what is sent: `0` none, `1` fastest, `3` smallest."


def both_or_neither(section: Any, first: str, second: str) -> Faults:
    """Yield the fault of a section that has only one of two options (which may be left out)."""
    lacking = [key for key in (first, second) if getattr(section, key) is None]
    if len(lacking) == 1:
        yield lacking[0], "is missing", f"use both {first} and {second}, or neither"


@dataclass(frozen=True, slots=True)
class EmbeddedOutput:
    """A searchable store in a folder of this machine; needs no other service."""

    path: Path = option(PATH, "Folder of the store.", default="var/index")
    keep_seconds: int = option(
        DURATION.between("1m", "5200w"),
        "Retention: records whose `@timestamp` is older are deleted, in steps of about a thirtieth "
        "of this time.",
        default="30d",
        key="keep",
    )
    max_bytes: int = option(
        SIZE.between("64 MiB", "100 TiB"),
        "Maximum size of the store; above it, the oldest records are deleted.",
        default="10 GiB",
        key="max_size",
    )
    writer: str = option(
        _WRITER,
        "Folder of this shipper in the store. Several shippers of a machine can write into one "
        "store, each with a name of its own; `keep` and `max_size` are for what it wrote itself.",
        default="main",
    )


@dataclass(frozen=True, slots=True)
class ConsoleOutput:
    """Writes the records as text, to look at or to pipe into another program; not searchable."""

    format: str = option(
        one_word_of("json", "bulk"),
        "`json`: one JSON document per line. `bulk`: the body of an Elasticsearch `_bulk` request.",
        default="json",
    )
    path: str = option(PATH_TEXT, "File to append to; `-` is standard output.", default='"-"')


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Encryption of a connection, and the certificates of both sides."""

    ca: Path | None = optional(
        PATH, "PEM file with the CA certificates to trust instead of those of this machine."
    )
    certificate: Path | None = optional(
        PATH, "PEM file with the client certificate and its chain, if the server asks for one."
    )
    key: Path | None = optional(
        PATH, "PEM file with the private key of `certificate`, without a password."
    )
    enabled: bool = option(
        SWITCH, "`false`: everything is sent in clear text, passwords too.", default="true"
    )
    verify: bool = option(
        SWITCH,
        "`false`: the certificate of the server is not checked, so anybody can pose as the "
        "server. For tests only.",
        default="true",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        yield from both_or_neither(self, "certificate", "key")


@dataclass(frozen=True, slots=True)
class LogstashOutput:
    """Ships to the `beats` input of Logstash (Lumberjack v2), which acknowledges every window."""

    hosts: tuple[str, ...] = option(
        ListOf(HOST_AND_PORT, least=1),
        "Logstash servers. They take turns, window by window; a server that fails is skipped for a "
        "while.",
    )
    tls: TlsOptions = option(Section(TlsOptions), "TLS of the connections.", default="{}")
    compression_level: int = option(_LEVELS, _LEVELS_MEANING, default="1")
    window_events: int = option(
        COUNT.between("1", "65536"),
        "Maximum number of events sent before the server has to acknowledge them. After a failure "
        "it shrinks, and grows again with success.",
        default="4096",
    )
    connect_seconds: float = option(
        SECONDS.between("0.1s", "10m"), "Timeout for opening a connection.", default="10s"
    )
    ack_seconds: float = option(
        SECONDS.between("0.1s", "1h"),
        "Timeout for a silent server. A Logstash whose pipeline is blocked sends a keepalive every "
        "few seconds, which restarts it.",
        default="1m",
    )


@dataclass(frozen=True, slots=True)
class ElasticsearchOutput:
    """An Elasticsearch cluster; `shipper setup` creates the templates and roles that it needs."""

    hosts: tuple[str, ...] = option(
        ListOf(URL, least=1),
        "Addresses of nodes, all http or all https. They take turns; a node that fails is skipped "
        "for a while.",
    )
    api_key_file: Path | None = optional(
        PATH,
        "File with an API key in the `encoded` form. It is read again when the key is refused, so "
        "a new key needs no restart.",
    )
    username: str | None = optional(TEXT, "User name, if there is no API key.")
    password_file: Path | None = optional(
        PATH, "File with the password of `username`. It is read again when the password is refused."
    )
    tls: TlsOptions = option(
        Section(TlsOptions), "TLS of the connections, for https addresses.", default="{}"
    )
    compression_level: int = option(_LEVELS, _LEVELS_MEANING, default="1")
    request_bytes: int = option(
        SIZE.between("64 KiB", "100 MiB"),
        "Maximum size of a request before compression; a single larger record is sent alone. Keep "
        "it below `http.max_content_length` of Elasticsearch.",
        default="5 MiB",
    )
    request_seconds: float = option(
        SECONDS.between("1s", "1h"), "Timeout of a request.", default="30s"
    )
    keep_seconds: int = option(
        DURATION.between("1d", "5200w"),
        "Retention, for `shipper setup`: an index is deleted when its newest record is about this "
        "old.",
        default="30d",
        key="keep",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if len({url.partition(":")[0] for url in self.hosts}) > 1:
            yield "hosts", "has http and https", "use one of them"
        yield from both_or_neither(self, "username", "password_file")
        if self.api_key_file is not None and self.username is not None:
            yield "api_key_file", "cannot be combined with username", "use one of them"
        if not self.tls.enabled:
            yield "tls", "cannot be disabled here", "use http:// in hosts for clear text"


Output = EmbeddedOutput | ConsoleOutput | LogstashOutput | ElasticsearchOutput

OUTPUTS = {
    "embedded": Section(EmbeddedOutput),
    "console": Section(ConsoleOutput),
    "logstash": Section(LogstashOutput),
    "elasticsearch": Section(ElasticsearchOutput),
}

SEARCHES = {"elasticsearch": Section(ElasticsearchOutput)}
