"""
Every option once: its type, its default, what it means.

`load` reads a file into `Config`; docs/configuration.md is written from the same declarations. A
relative path is relative to the working directory. Nothing here looks at the environment, and no
variable in the file is replaced.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shipper.errors import ConfigError
from shipper.options import (
    DURATION,
    SECONDS,
    SIZE,
    SWITCH,
    TEXT,
    InvalidOptionsError,
    ListOf,
    OneOf,
    Scalar,
    Section,
    one_word_of,
    option,
    parse_duration,
    parse_size,
    read_options,
    text_matching,
)

__all__ = [
    "Config",
    "ConsoleOutput",
    "Delivery",
    "EmbeddedOutput",
    "Host",
    "Input",
    "Output",
    "Service",
    "Tail",
    "load",
    "parse_duration",
    "parse_size",
]

_NAMESPACE = text_matching(
    r"[^A-Z\\/*?\"<>| ,#:\-\x00-\x1f]{1,100}", "lower case without spaces and - / * ? : # ,"
)
_GLOB = text_matching(r"(?!~)[^\x00]*[^\x00/]", "the path of a file, with * ? [ ] ** as wildcards")
_PATH_TEXT = text_matching(r"(?!~)[^\x00]+", "a path; ~ is not replaced")
_PATH = Scalar("a path", lambda text: Path(_PATH_TEXT.parse(text)))


@dataclass(frozen=True, slots=True)
class Service:
    """The application that writes the logs."""

    name: str = option(TEXT, "`service.name` of every record.")
    environment: str = option(TEXT, "`service.environment` of every record.", default="production")
    version: str = option(TEXT, "`service.version` of every record.", default="unknown")


@dataclass(frozen=True, slots=True)
class Host:
    """The machine that the application runs on."""

    name: str = option(
        TEXT,
        "`host.name` of every record.",
        default="the name of this machine",
        factory=socket.gethostname,
    )


@dataclass(frozen=True, slots=True)
class Input:
    """A set of files that are read."""

    paths: tuple[str, ...] = option(
        ListOf(_GLOB, least=1),
        "Files to read. `*`, `?` and `[…]` match within one name, `**` any number of folders. "
        "What a file is rotated to (`app.log.1`, `app.log-20260205`) is read with it, unless it "
        "is compressed.",
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


@dataclass(frozen=True, slots=True)
class Tail:
    """How files are found and read."""

    scan_seconds: float = option(
        SECONDS.between("0.05s", "1h"),
        "Time between two looks at all folders and files. The scan is what finds every change; "
        "events of the kernel only make it sooner.",
        default="1s",
    )
    block_bytes: int = option(
        SIZE.between("4 KiB", "8 MiB"), "How much of a file is read at a time.", default="1 MiB"
    )
    watch: bool = option(
        SWITCH,
        "Take events of the kernel (inotify) as hints. Without them, new lines wait for the scan.",
        default="true",
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """How records are handed to the output. These numbers bound the memory used."""

    batch_bytes: int = option(
        SIZE.between("64 KiB", "64 MiB"),
        "A batch is published when it has this many bytes of log lines …",
        default="2 MiB",
    )
    linger_seconds: float = option(
        SECONDS.between("0s", "1m"),
        "… or when its oldest line has waited this long.",
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
        """Give (key, fault; remedy) for values that do not go together."""
        if self.queue_bytes < self.batch_bytes:
            yield "queue_bytes", "is less than batch_bytes; use at least as much"
        if self.backoff_max_seconds < self.backoff_seconds:
            yield "backoff_max_seconds", "is less than backoff_seconds; use at least as much"


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


Output = EmbeddedOutput | ConsoleOutput

OUTPUTS = {"embedded": Section(EmbeddedOutput), "console": Section(ConsoleOutput)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One pipeline: what is read, and where it goes."""

    service: Service = option(Section(Service), "The application.")
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
    host: Host = option(Section(Host), "The machine.", default="{}", factory=Host)
    inputs: tuple[Input, ...] = option(ListOf(Section(Input), least=1), "What is read.")
    tail: Tail = option(Section(Tail), "How it is read.", default="{}")
    delivery: Delivery = option(Section(Delivery), "How it is handed over.", default="{}")
    output: Output = option(OneOf(OUTPUTS), "Where it goes.")


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
