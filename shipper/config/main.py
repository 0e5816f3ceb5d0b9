"""
Every option once: its type, its default, what it means.

`load` reads a file into `Config`; docs/configuration.md is written from the same declarations. A
relative path is relative to the working directory. Nothing here looks at the environment, and no
variable in the file is replaced.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shipper.config.addresses import HOST_AND_PORT, URL, is_loopback
from shipper.config.alerts import AlertOptions
from shipper.config.options import (
    COUNT,
    DURATION,
    PATH,
    PATH_TEXT,
    SECONDS,
    SIZE,
    SWITCH,
    TEXT,
    InvalidOptionsError,
    ListOf,
    OneOf,
    Scalar,
    Section,
    absent,
    one_word_of,
    option,
    parse_duration,
    parse_size,
    read_options,
    text_matching,
)
from shipper.errors import ConfigError

__all__ = [
    "Config",
    "ConsoleOutput",
    "DeliveryOptions",
    "ElasticsearchOutput",
    "EmbeddedOutput",
    "HeartbeatOptions",
    "HoldsOptions",
    "HostOptions",
    "InputOptions",
    "LogstashOutput",
    "MetricsOptions",
    "MultilineOptions",
    "Output",
    "ServiceOptions",
    "TailOptions",
    "TlsOptions",
    "load",
    "parse_duration",
    "parse_size",
]

_NAMESPACE = text_matching(
    # 200 bytes at most: the name of an index may have 255
    r"(?:[!$-)+.0-9;=@\[\]-{}~]{1,100}|[^A-Z\\/*?\"<>| ,#:\-\x00-\x1f]{1,50})",
    "lower case without spaces and - / * ? : # ,",
)
_GLOB = text_matching(r"(?!~)[^\x00]*[^\x00/]", "the path of a file, with * ? [ ] ** as wildcards")
_PATH, _PATH_TEXT, _none = PATH, PATH_TEXT, absent


def _parse_pattern(text: str) -> re.Pattern[bytes]:
    try:
        return re.compile(text.encode())
    except re.error as error:
        raise ValueError(f'"{text}" is no regular expression: {error}') from error


_PATTERN = Scalar("a regular expression", _parse_pattern)


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """The application that writes the logs."""

    name: str = option(TEXT, "`service.name` of every record.")
    environment: str = option(TEXT, "`service.environment` of every record.", default="production")
    version: str = option(TEXT, "`service.version` of every record.", default="unknown")


@dataclass(frozen=True, slots=True)
class HostOptions:
    """The machine that the application runs on."""

    name: str = option(
        TEXT,
        "`host.name` of every record.",
        default="the name of this machine",
        factory=socket.gethostname,
    )


@dataclass(frozen=True, slots=True)
class MultilineOptions:
    """Joins the lines of plain-text logs: a traceback is one event. JSON lines stay alone."""

    first_line: re.Pattern[bytes] | None = option(
        _PATTERN,
        "An event begins with a line whose beginning matches, such as `\\d{4}-\\d\\d-\\d\\d `. "
        "Without it, every line begins one but those that are indented or blank, and those of a "
        "traceback.",
        default="none",
        factory=_none,
    )
    max_lines: int = option(
        COUNT.between("2", "100000"),
        "Most lines of an event; what lies beyond is the next event.",
        default="500",
    )
    max_bytes: int = option(
        SIZE.between("1 KiB", "4 MiB"),
        "Most bytes of an event of several lines; what lies beyond is the next event.",
        default="128 KiB",
    )
    quiet_seconds: float = option(
        SECONDS.between("0.1s", "1h"),
        "The last event of a file is over when nothing was written for so long.",
        default="5s",
    )


@dataclass(frozen=True, slots=True)
class InputOptions:
    """A set of files that are read."""

    paths: tuple[str, ...] = option(
        ListOf(_GLOB, least=1),
        "Files to read. `*`, `?` and `[…]` match within one name, `**` any number of folders. "
        "What a file is rotated to (`app.log.1`, `app.log-20260205`, `app.log.2.gz`) is read with "
        "it.",
    )
    exclude: tuple[str, ...] = option(
        ListOf(_GLOB),
        "Files to leave out although `paths` matches them; a pattern without `/` is held against "
        "the name alone.",
        default="[]",
    )
    max_line_bytes: int = option(
        SIZE.between("1 KiB", "8 MiB"),
        "A longer line is cut here and tagged; the memory that one line can take.",
        default="1 MiB",
    )
    compressed: str = option(
        one_word_of("new", "all", "none"),
        "Which gzips are read that no known file was compressed to. `new`: what changed after the "
        "first start on this data folder, so that a rotation while the shipper was down costs "
        "nothing, and an archive of years is left alone. A gzip of a file that is known is always "
        "read on where that was left, but with `none`.",
        default="new",
    )
    multiline: MultilineOptions | None = option(
        Section(MultilineOptions),
        "For plain-text logs: joins lines. Without it every line is an event.",
        default="none",
        factory=_none,
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield (key, fault; remedy) for values that do not go together."""
        if self.multiline is not None and self.multiline.max_bytes > self.max_line_bytes:
            yield "multiline", "max_bytes is more than max_line_bytes; use at most as much"


@dataclass(frozen=True, slots=True)
class TailOptions:
    """How files are found and read."""

    scan_seconds: float = option(
        SECONDS.between("0.05s", "1h"),
        "Time between two looks at all folders and files. The scan is what finds every change; "
        "events of the kernel only make it sooner.",
        default="1s",
    )
    block_bytes: int = option(
        SIZE.between("4 KiB", "8 MiB"), "How much of a file is read at a time.", default="256 KiB"
    )
    watch: bool = option(
        SWITCH,
        "Take events of the kernel (inotify) as hints. Without them, new lines wait for the scan.",
        default="true",
    )


@dataclass(frozen=True, slots=True)
class HoldsOptions:
    """
    Keeps what is rotated away and deleted before it was delivered, also while no shipper runs.

    Every file that is read gets a second name (a hard link) in the data folder, until it is
    delivered.
    """

    enabled: bool = option(
        SWITCH,
        "`false`: only the open files of a running shipper keep what is deleted. logrotate does "
        "not rotate a file with two names unless its config says `allowhardlink`.",
        default="true",
    )
    max_bytes: int = option(
        SIZE.between("1 MiB", "100 TiB"),
        "Bytes that files may take which have no other name any more; the oldest is given up when "
        "they are more, and noted as a loss on purpose.",
        default="1 GiB",
    )


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How records are handed to the output. These numbers bound the memory used."""

    batch_bytes: int = option(
        SIZE.between("64 KiB", "64 MiB"),
        "A batch is published when it has this many bytes of log lines …",
        default="2 MiB",
    )
    linger_seconds: float = option(
        SECONDS.between("0s", "1m"),
        "… or when its oldest line has waited this long, or four times as long as the last try to "
        "publish took: an output that answers fast is told at once.",
        default="300ms",
    )
    queue_bytes: int = option(
        SIZE.between("64 KiB", "1 GiB"),
        "Bytes of log lines that wait between reading and publishing; when they are reached, "
        "reading waits.",
        default="4 MiB",
    )
    backoff_seconds: float = option(
        SECONDS.between("10ms", "1h"),
        "Pause after a failed publish; it doubles with every further failure, with jitter.",
        default="500ms",
    )
    backoff_max_seconds: float = option(
        SECONDS.between("10ms", "1h"), "The longest such pause.", default="30s"
    )
    stop_seconds: float = option(
        SECONDS.between("0s", "1h"),
        "How long a stop (SIGTERM) waits for what is under way. What is not acknowledged by then "
        "is read again at the next start.",
        default="30s",
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield (key, fault; remedy) for values that do not go together."""
        if self.queue_bytes < self.batch_bytes:
            yield "queue_bytes", "is less than batch_bytes; use at least as much"
        if self.backoff_max_seconds < self.backoff_seconds:
            yield "backoff_max_seconds", "is less than backoff_seconds; use at least as much"


@dataclass(frozen=True, slots=True)
class HeartbeatOptions:
    """What the shipper tells of itself, the way of the records: `shipper fleet`, and alerts."""

    every_seconds: float = option(
        SECONDS.between("0.1s", "1h"), "Time between two heartbeats.", default="5s", key="every"
    )
    enabled: bool = option(
        SWITCH,
        "`false`: none. Then nobody is told how far this host is, nor whether it lives.",
        default="true",
    )


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """Where a running shipper can be asked how it is: `/metrics`, `/-/healthy`, `/-/ready`."""

    listen: str | None = option(
        HOST_AND_PORT,
        "Address and port, such as `127.0.0.1:9479`. Off this machine it needs `token_file`.",
        default="none",
        factory=_none,
    )
    token_file: Path | None = option(
        _PATH,
        "File with a token that every request has to show (`Authorization: Bearer …`).",
        default="none",
        factory=_none,
    )
    ready_seconds: float = option(
        SECONDS.between("1s", "1d"),
        "`/-/ready` says no when lines that were read wait for their ack this long.",
        default="1m",
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield (key, fault; remedy) for values that do not go together."""
        if (
            self.listen is not None
            and self.token_file is None
            and not is_loopback(self.listen.rpartition(":")[0])
        ):
            yield "listen", "can be reached by others; use 127.0.0.1, or add token_file"


@dataclass(frozen=True, slots=True)
class EmbeddedOutput:
    """A searchable index in a folder of this machine; no other service is needed."""

    path: Path = option(_PATH, "Folder of the index.", default="var/index")
    keep_seconds: int = option(
        DURATION.between("1m", "5200w"),
        "Age at which records are dropped, by `@timestamp`, in parts of about a thirtieth of it.",
        default="30d",
        key="keep",
    )
    max_bytes: int = option(
        SIZE.between("64 MiB", "100 TiB"),
        "Bytes that the index may take; the oldest records go first.",
        default="10 GiB",
        key="max_size",
    )


@dataclass(frozen=True, slots=True)
class ConsoleOutput:
    """Writes the documents as text, to look at or to pipe elsewhere; nothing can be searched."""

    format: str = option(
        one_word_of("json", "bulk"),
        "`json`: one document a line. `bulk`: the body of an Elasticsearch `_bulk` request.",
        default="json",
    )
    path: str = option(
        _PATH_TEXT, "File that is written to the end of; `-` is standard output.", default='"-"'
    )


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How a connection is made secret, and who is at its other end."""

    ca: Path | None = option(
        _PATH,
        "PEM file with the certificates that are trusted, instead of those of this machine.",
        default="none",
        factory=_none,
    )
    certificate: Path | None = option(
        _PATH,
        "PEM file with the certificate (and its chain) that this side shows, where it has to.",
        default="none",
        factory=_none,
    )
    key: Path | None = option(
        _PATH, "PEM file with the key of `certificate`.", default="none", factory=_none
    )
    enabled: bool = option(
        SWITCH, "`false`: everything goes in clear text, passwords too.", default="true"
    )
    verify: bool = option(
        SWITCH,
        "`false`: whoever answers is trusted, whatever its certificate. For a test, never longer.",
        default="true",
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield (key, fault; remedy) for values that do not go together."""
        if (self.certificate is None) != (self.key is None):
            missing = "certificate" if self.certificate is None else "key"
            yield missing, "is missing; use both certificate and key, or neither"


@dataclass(frozen=True, slots=True)
class LogstashOutput:
    """Ships to the `beats` input of Logstash (Lumberjack v2), which acknowledges every window."""

    hosts: tuple[str, ...] = option(
        ListOf(HOST_AND_PORT, least=1),
        "Logstash servers. They take turns, window by window; one that fails is left out for a "
        "while.",
    )
    tls: TlsOptions = option(Section(TlsOptions), "The connection.", default="{}")
    compression_level: int = option(
        COUNT.between("0", "3"),
        "`0` sends as it is; `1` is quickest, `3` smallest.",
        default="1",
    )
    window_events: int = option(
        COUNT.between("1", "65536"),
        "Most events that are sent before an ack is waited for; after a failure it is fewer, "
        "until it works again.",
        default="4096",
    )
    connect_seconds: float = option(
        SECONDS.between("0.1s", "10m"), "How long a connection may take to be made.", default="10s"
    )
    ack_seconds: float = option(
        SECONDS.between("0.1s", "1h"),
        "How long the server may be silent; while it is blocked it says so every few seconds, "
        "which counts as a sign of life.",
        default="1m",
    )


@dataclass(frozen=True, slots=True)
class ElasticsearchOutput:
    """Ships to Elasticsearch; `shipper setup` makes the templates and roles that it needs."""

    hosts: tuple[str, ...] = option(
        ListOf(URL, least=1),
        "Addresses of nodes, all http or all https. They take turns; one that fails is left out "
        "for a while.",
    )
    api_key_file: Path | None = option(
        _PATH,
        "File with an API key as Elasticsearch gives it out (`encoded`). It is read again when it "
        "is refused, so a new key needs no restart.",
        default="none",
        factory=_none,
    )
    username: str | None = option(
        TEXT, "User, where there is no API key.", default="none", factory=_none
    )
    password_file: Path | None = option(
        _PATH,
        "File with the password of `username`; read again when it is refused.",
        default="none",
        factory=_none,
    )
    tls: TlsOptions = option(
        Section(TlsOptions), "The connection, where the addresses are https.", default="{}"
    )
    compression_level: int = option(
        COUNT.between("0", "3"),
        "`0` sends as it is; `1` is quickest, `3` smallest.",
        default="1",
    )
    request_bytes: int = option(
        SIZE.between("64 KiB", "100 MiB"),
        "A request has at most this many bytes before compression, unless one record has more.",
        default="5 MiB",
    )
    request_seconds: float = option(
        SECONDS.between("1s", "1h"), "How long a request may take.", default="30s"
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield (key, fault; remedy) for values that do not go together."""
        if len({url.partition(":")[0] for url in self.hosts}) > 1:
            yield "hosts", "has http and https; use one of them"
        if (self.username is None) != (self.password_file is None):
            missing = "username" if self.username is None else "password_file"
            yield missing, "is missing; use both username and password_file, or neither"
        if self.api_key_file is not None and self.username is not None:
            yield "api_key_file", "is there with username; use one of them"
        if not self.tls.enabled:
            yield "tls", "is not enabled here by a switch; use https or http in hosts"


Output = EmbeddedOutput | ConsoleOutput | LogstashOutput | ElasticsearchOutput

OUTPUTS = {
    "embedded": Section(EmbeddedOutput),
    "console": Section(ConsoleOutput),
    "logstash": Section(LogstashOutput),
    "elasticsearch": Section(ElasticsearchOutput),
}

SEARCHES = {"elasticsearch": Section(ElasticsearchOutput)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One pipeline: what is read, and where it goes."""

    service: ServiceOptions = option(Section(ServiceOptions), "The application.")
    namespace: str = option(
        _NAMESPACE,
        "Last part of the data stream's name, `logs-orchestrator.<dataset>-<namespace>`: keeps "
        "environments apart in one store.",
        default="default",
    )
    data_dir: Path = option(
        _PATH,
        "Folder of the registry (how far each file was delivered) and of the dead letters. "
        "One running shipper per folder.",
        default="var/shipper",
    )
    host: HostOptions = option(
        Section(HostOptions), "The machine.", default="{}", factory=HostOptions
    )
    inputs: tuple[InputOptions, ...] = option(
        ListOf(Section(InputOptions), least=1), "What is read."
    )
    tail: TailOptions = option(Section(TailOptions), "How it is read.", default="{}")
    holds: HoldsOptions = option(
        Section(HoldsOptions), "How it is kept until it is delivered.", default="{}"
    )
    delivery: DeliveryOptions = option(
        Section(DeliveryOptions), "How it is handed over.", default="{}"
    )
    heartbeat: HeartbeatOptions = option(
        Section(HeartbeatOptions),
        "What is told of the shipper itself; with `output.console` nothing is.",
        default="{}",
    )
    metrics: MetricsOptions = option(
        Section(MetricsOptions),
        "How the shipper can be watched.",
        default="{}",
        factory=MetricsOptions,
    )
    output: Output = option(OneOf(OUTPUTS), "Where it goes.")
    search: ElasticsearchOutput | None = option(
        OneOf(SEARCHES),
        "Where `shipper search` and `shipper report` ask, if not where the output writes: with "
        "`output.logstash` they need it, with `output.elasticsearch` where only another user may "
        "read.",
        default="none",
        factory=_none,
    )
    alerts: AlertOptions = option(Section(AlertOptions), "The alert job.", default="{}")


def load(path: Path) -> Config:
    """
    Read the config file.

    Raises:
        ConfigError: with every fault of the file: place, fault, remedy.
    """
    try:
        config: Config = read_options(path.read_text(encoding="utf-8"), Config)
    except OSError as error:
        told = f"cannot read {path}: {error.strerror}; name the config with --config"
        raise ConfigError(told) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: is not UTF-8; save it as UTF-8") from error
    except InvalidOptionsError as error:
        lines = [f"cannot use {path}:", *(f"  {fault}" for fault in error.faults)]
        raise ConfigError("\n".join(lines)) from None
    return config
