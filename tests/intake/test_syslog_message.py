"""Syslog messages as they are sent: every one becomes a record, whatever its bytes are."""

from __future__ import annotations

import random
import time
from typing import Any

import msgspec
import pytest

from shipper.intake.syslog_message import SyslogReader

RECEIVED = 1_770_302_000_000  # 2026-02-05T14:33:20Z
ARRIVED = "2026-02-05T14:33:20.000Z"


def read(data: bytes, zone: str = "UTC") -> dict[str, Any]:
    found = SyslogReader(zone).read(data, "192.0.2.1:514", RECEIVED)
    assert found is not None
    assert found.pop("peer") == "192.0.2.1:514"
    assert found.pop("received") == ARRIVED
    return found


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (
            (
                b"<165>1 2026-02-05T14:30:45.123Z web-1 app 71 ID47 "
                b'[a@1 b="x\\"]y" c="]"][d@1] \xef\xbb\xbfit is \xc3\xa4'
            ),
            {
                "timestamp": "2026-02-05T14:30:45.123Z",
                "level": "INFO",
                "facility": "local4",
                "hostname": "web-1",
                "logger": "app",
                "pid": 71,
                "msgid": "ID47",
                "structured": '[a@1 b="x\\"]y" c="]"][d@1]',
                "message": "it is ä",
            },
        ),
        (
            b"<13>1 - - - - - -",
            {"timestamp": ARRIVED, "level": "INFO", "facility": "user", "message": ""},
        ),
        (
            b"<34>Feb  5 14:30:45 web-1 su[71]: 'su root' failed\n",
            {
                "timestamp": "2026-02-05T14:30:45.000Z",
                "level": "CRITICAL",
                "facility": "auth",
                "hostname": "web-1",
                "logger": "su",
                "pid": 71,
                "message": "'su root' failed",
            },
        ),
        (
            b"<11>Feb  5 14:30:45 app: without a host",
            {
                "timestamp": "2026-02-05T14:30:45.000Z",
                "level": "ERROR",
                "facility": "user",
                "logger": "app",
                "message": "without a host",
            },
        ),
        (
            b"<13>2026-02-05T15:30:45+01:00 web-1 app: ISO",
            {
                "timestamp": "2026-02-05T14:30:45.000Z",
                "level": "INFO",
                "facility": "user",
                "hostname": "web-1",
                "logger": "app",
                "message": "ISO",
            },
        ),
        (b"what is this", {"timestamp": ARRIVED, "message": "what is this"}),
        (b"<999>no priority", {"timestamp": ARRIVED, "message": "<999>no priority"}),
        (b"\xff\0\xfe", {"timestamp": ARRIVED, "message": "\ufffd\0\ufffd"}),
    ],
)
def test_a_message_is_read(data: bytes, fields: dict[str, Any]) -> None:
    """RFC 5424, RFC 3164, the same without a host or with an ISO time, and anything else."""
    assert read(data) == fields


def test_times_without_a_zone_are_those_of_the_input() -> None:
    """`time.zone` of the input counts."""
    found = read(b"<13>Feb  5 14:30:45 web-1 app: x", zone="Europe/Berlin")

    assert found["timestamp"] == "2026-02-05T13:30:45.000Z"


@pytest.mark.parametrize("data", [b"", b"\n", b" \0\r\n", b"\xef\xbb\xbf"])
def test_an_empty_message_is_none(data: bytes) -> None:
    """Nothing was said."""
    assert SyslogReader("").read(data, "", RECEIVED) is None


def test_no_bytes_are_too_much() -> None:
    """Random and hostile bytes give a line of JSON each, in linear time."""
    rng = random.Random(5)
    reader = SyslogReader("UTC")
    hostile = [b"<13>1 a b c d e " + part * 30_000 for part in (b"[", b'["', b'[\\"', b'["\\')]
    hostile += [b"<13>" + b"a" * 60_000, b"<13>Feb  5 14:30:45 " + b"a[" * 30_000]
    began = time.process_time()
    for data in hostile + [b"<13>" + rng.randbytes(300) for _ in range(500)]:
        line = msgspec.json.encode(reader.read(data, "p", RECEIVED))
        assert b"\n" not in line
    assert time.process_time() - began < 10  # CPU time; without bounds it would be hours
