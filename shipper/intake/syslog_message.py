"""
A syslog message (RFC 5424, RFC 3164 and what is sent in its name) as the fields of a line of JSON.

Nothing is refused: what has no form that is known is its own message, with the time of arrival. So
has a message without a time. The names are those of the format `syslog` of files.
"""

from __future__ import annotations

import re
from typing import Any, Final

from shipper.enrich.zoned import ZonedTimes
from shipper.formats.definition import ISO
from shipper.times import iso

LEVELS: Final = ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG")
_FACILITIES: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"),
    *("authpriv", "ftp", "ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
_PRIORITY: Final = re.compile(r"<([0-9]{1,3})>")
# A quoted value may hold ] and, behind a backslash, quotes: each step takes what no other would.
_STRUCTURED: Final = r'(?:-|(?:\[(?:[^\]"\\]++|"(?:[^"\\]++|\\.)*+"|\\.)*+\])++)'
_RFC_5424: Final = re.compile(
    r"1 (?P<time>[^ ]+) (?P<hostname>[^ ]+) (?P<logger>[^ ]+) (?P<pid>[^ ]+) (?P<msgid>[^ ]+) "
    rf"(?P<structured>{_STRUCTURED})(?: (?P<message>.*))?",
    re.DOTALL,
)
_RFC_3164: Final = re.compile(
    r"(?P<time>[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:?[0-9]{2})) "
    r"(?P<rest>.*)",
    re.DOTALL,
)
_TAG: Final = re.compile(
    r"(?:(?P<hostname>[^ :\[\]]{1,255}) )?(?P<logger>[^ :\[\]]{1,128})"
    r"(?:\[(?P<pid>[^ \]]{1,128})\])?: ?(?P<message>.*)",
    re.DOTALL,
)
_PID: Final = re.compile(r"[0-9]{1,18}")
_BSD_TIME: Final = "%b %d %H:%M:%S"


class SyslogReader:
    """Reads messages; used by one thread. `zone` is that of times without one."""

    def __init__(self, zone: str) -> None:
        self._bsd = ZonedTimes(_BSD_TIME, zone)
        self._iso = ZonedTimes(ISO, zone)

    def read(self, data: bytes, peer: str, received: int) -> dict[str, Any] | None:
        """Return what a message says; None if it is empty. `received` is in epoch milliseconds."""
        text = data.decode(errors="replace").strip("\r\n\0 ").removeprefix("\ufeff")
        if not text:
            return None
        found: dict[str, Any] = {}
        priority = _PRIORITY.match(text)
        if priority is not None and int(priority[1]) < len(_FACILITIES) * 8:
            facility, severity = divmod(int(priority[1]), 8)
            found = {"level": LEVELS[severity], "facility": _FACILITIES[facility]}
            text = text[priority.end() :]
        fields = self._fields(text, received)
        time = fields.pop("time", None)
        found |= {name: value for name, value in fields.items() if value not in {"-", None}}
        if _PID.fullmatch(str(found.get("pid", ""))):
            found["pid"] = int(found["pid"])
        found.setdefault("message", "")
        arrived = iso(received)
        return {
            "timestamp": arrived if time is None else iso(time),
            **found,
            "peer": peer,
            "received": arrived,
        }

    def _fields(self, text: str, received: int) -> dict[str, Any]:
        new = _RFC_5424.fullmatch(text)
        if new is not None:
            message = (new["message"] or "").removeprefix("\ufeff")
            return {
                **new.groupdict(),
                "message": message,
                "time": self._iso.parse(new["time"], received),
            }
        old = _RFC_3164.fullmatch(text)
        if old is None:
            return {**_tagged(text), "time": None}
        times = self._iso if old["time"][0].isdigit() else self._bsd
        return {**_tagged(old["rest"]), "time": times.parse(old["time"], received)}


def _tagged(text: str) -> dict[str, Any]:
    """Return host, program, process and message, as far as they are there."""
    found = _TAG.fullmatch(text)
    return {"message": text} if found is None else found.groupdict()
