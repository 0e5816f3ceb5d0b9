"""
The options of inputs that are no files: what comes in is written to a spool, which is then read.

`spool_patterns` names the files of a spool, which the shipper reads like any log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from shipper.config.addresses import HOST_AND_PORT, is_loopback
from shipper.config.options import (
    COUNT,
    PATH,
    SECONDS,
    SIZE,
    TEXT,
    InvalidValueError,
    ListOf,
    Scalar,
    one_word_of,
    option,
    optional,
    text_matching,
)

INPUTS = "inputs"  # the folder of spools in the data folder
_NAME = text_matching(r"[a-z0-9][a-z0-9_-]{0,39}", "at most 40 of lower case, digits, _ and -")
_SPOOL_NAME = "Name of the folder below `inputs/` of the data folder, where what came in is kept "
_SPOOL_NAME += "until it is delivered. No two inputs may have the same one."
_SPOOL_BYTES = "Maximum size of the spool. When it is reached, nothing more is read until some of "
_SPOOL_BYTES += "it is delivered"
_SPOOL_SIZE = SIZE.between("64 KiB", "1 TiB")


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where syslog is received: `kind` is tcp, udp, unix or unixgram; a path has no port."""

    kind: str
    host: str
    port: int = 0

    @property
    def is_unix(self) -> bool:
        """Whether it is a socket in the file system, whose path is `host`."""
        return self.kind.startswith("unix")

    @property
    def is_datagram(self) -> bool:
        """Whether each message is a datagram."""
        return self.kind in {"udp", "unixgram"}

    @property
    def is_local(self) -> bool:
        """Whether only this machine can send to it."""
        return self.is_unix or is_loopback(self.host)

    @property
    def text(self) -> str:
        """The address as it is written in the config."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{host}" + (f":{self.port}" if self.port else "")


_ADDRESS_SHOWN = "tcp://host:port, udp://host:port, unix:///path or unixgram:///path"


def _parse_address(text: str) -> ListenAddress:
    kind, _, place = text.partition("://")
    if kind in {"unix", "unixgram"} and re.fullmatch(r"/[^\x00]{1,106}", place):
        return ListenAddress(kind, place)
    if kind not in {"tcp", "udp"}:
        raise InvalidValueError(f'"{text}" is not an address', f"use {_ADDRESS_SHOWN}")
    host, _, port = HOST_AND_PORT.parse(place).rpartition(":")
    return ListenAddress(kind, host.strip("[]"), int(port))


_ADDRESS = Scalar(_ADDRESS_SHOWN, _parse_address)
_UNIT = text_matching(r"[A-Za-z0-9:_.@*?\\][A-Za-z0-9:_.@*?\\-]{0,254}", "the name of a unit")
_MODE = Scalar(
    "octal digits such as 0660",
    lambda text: int(text_matching("0?[0-7]{3}", "octal digits such as 0660").parse(text), 8),
)


@dataclass(frozen=True, slots=True)
class StdinOptions:
    """
    Standard input, read by `shipper run --stdin`.

    Without that option nothing is read, but what an earlier run left in the spool is delivered.
    """

    name: str = option(_NAME, _SPOOL_NAME, default="stdin")
    spool_bytes: int = option(
        _SPOOL_SIZE, _SPOOL_BYTES + ": the pipe fills up and its writer waits.", default="1 GiB"
    )


@dataclass(frozen=True, slots=True)
class SyslogOptions:
    """
    Syslog that other programs and machines send: RFC 5424, RFC 3164 and what resembles them.

    By TCP and `unix`, messages end with a newline or begin with their length (RFC 6587).
    """

    listen: tuple[ListenAddress, ...] = option(
        ListOf(_ADDRESS, least=1),
        "Where to listen, such as `tcp://127.0.0.1:5514`, `udp://0.0.0.0:5514`, "
        "`unix:///run/shipper.sock` (stream) or `unixgram:///run/shipper.sock` (datagrams, as "
        "`/dev/log`). Whoever can reach it can write records.",
    )
    name: str = option(_NAME, _SPOOL_NAME, default="syslog")
    spool_bytes: int = option(
        _SPOOL_SIZE,
        _SPOOL_BYTES + ": senders by TCP and unix sockets wait, datagrams of UDP are lost.",
        default="1 GiB",
    )
    max_message_bytes: int = option(
        SIZE.between("480", "1 MiB"),
        "Maximum size of a message; of a longer one, the beginning is stored.",
        default="64 KiB",
    )
    max_connections: int = option(
        COUNT.between("1", "10000"),
        "Maximum number of connections at a time; further ones are closed at once.",
        default="256",
    )
    idle_seconds: float = option(
        SECONDS.between("1s", "7d"),
        "A connection that sends nothing for this long is closed. A sender may lose the message "
        "with which it notices, so keep it long.",
        default="1h",
    )
    socket_mode: int = option(
        _MODE, "Permissions of sockets in the file system; who may write may send.", default="0660"
    )


@dataclass(frozen=True, slots=True)
class JournaldOptions:
    """The journal of systemd, read by `journalctl`, which the shipper starts."""

    units: tuple[str, ...] = option(
        ListOf(_UNIT),
        "Units whose entries are read, such as `nginx.service`; `*` and `?` are wildcards. Empty: "
        "all entries.",
        default="[]",
    )
    begin: str = option(
        one_word_of("all", "now"),
        "Where the first start begins: with all that the journal has, or with what comes from now "
        "on. Later starts go on where the last one ended.",
        default="all",
    )
    directory: Path | None = optional(
        PATH, "Folder of journal files to read.", default="the journal of this machine"
    )
    journalctl: str = option(TEXT, "The program.", default="journalctl")
    name: str = option(_NAME, _SPOOL_NAME, default="journald")
    spool_bytes: int = option(
        _SPOOL_SIZE, _SPOOL_BYTES + ": the journal keeps what is to come.", default="256 MiB"
    )


IntakeOptions = StdinOptions | SyslogOptions | JournaldOptions


def spool_folder(options: IntakeOptions, data_dir: Path) -> Path:
    """Return the folder of a spool."""
    return data_dir / INPUTS / options.name


def spool_pattern(folder: Path) -> str:
    """Return the pattern of the files of a spool."""
    return f"{escape(str(folder))}/*.log"
