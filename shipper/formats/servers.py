"""Formats of services of a host: PostgreSQL, Redis, syslog."""

from __future__ import annotations

from shipper.formats.definition import Layout, LogFormat

_SEVERITIES = ("EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG")
_POSTGRES = (
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}(?:\.[0-9]{3})? [A-Z0-9+-]+) \[(?P<pid>[0-9]+)\]"
    r"(?:-[0-9]+)?:? (?:(?P<user>[^ @]*)@(?P<database>[^ ]*) )?"
)

POSTGRES = LogFormat(
    "postgres",
    "PostgreSQL with a `log_line_prefix` of `%m [%p] `, also with `%u@%d ` behind it",
    (
        Layout(
            "postgresql.log",
            _POSTGRES + r"(?P<level>[A-Z]+[1-5]?):  (?P<message>.*)",
            category="database",
            numbers=frozenset({"pid"}),
        ),
    ),
    (
        (
            '2026-02-05 14:30:45.123 UTC [71] app@orders ERROR:  relation "jobs" does not exist at '
            "character 15"
        ),
    ),
    first_line=r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}[^\[]{1,12}\[([0-9]+)\]",
    follows=(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}[^\[]{1,12}\[([0-9]+)\]"
        r"[^:]{0,200}?(?:DETAIL|HINT|QUERY|CONTEXT|LOCATION|STATEMENT):  "
    ),
    paths=r"postgres",
)

REDIS = LogFormat(
    "redis",
    "Redis and Valkey",
    (
        Layout(
            "redis.log",
            r"(?P<pid>[0-9]+):(?P<role>[XCSM]) "
            r"(?P<time>[0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8}(?:\.[0-9]{3})?) "
            r"(?P<level>[.\-*#]) (?P<message>.*)",
            time="%d %b %Y %H:%M:%S",
            category="database",
            numbers=frozenset({"pid"}),
            levels={".": "DEBUG", "-": "INFO", "*": "INFO", "#": "WARNING"},
        ),
    ),
    ("71:M 05 Feb 2026 14:30:45.123 * Ready to accept connections tcp",),
    first_line=r"[0-9]+:[XCSM] [0-9]{2} [A-Z][a-z]{2} [0-9]{4} ",
    paths=r"redis|valkey",
)

SYSLOG = LogFormat(
    "syslog",
    "Files of rsyslog and syslog-ng: RFC 3164, the same with ISO times, RFC 5424",
    (
        Layout(
            "syslog.log",
            r"(?:<(?P<level>[0-9]{1,3})>)?(?P<time>%{SYSLOGTIMESTAMP}) (?P<hostname>[^ ]+) "
            r"(?P<logger>[^ :\[]+)(?:\[(?P<pid>[0-9]+)\])?: ?(?P<message>.*)",
            time="%b %d %H:%M:%S",
            numbers=frozenset({"pid"}),
            levels={str(number): _SEVERITIES[number % 8] for number in range(192)},
        ),
        Layout(
            "syslog.log",
            r"(?:<(?P<level>[0-9]{1,3})>)?(?P<time>[0-9-]{10}T[0-9:.]{8,18}(?:Z|[+-][0-9:]{5})) "
            r"(?P<hostname>[^ ]+) (?P<logger>[^ :\[]+)(?:\[(?P<pid>[0-9]+)\])?: ?(?P<message>.*)",
            numbers=frozenset({"pid"}),
            levels={str(number): _SEVERITIES[number % 8] for number in range(192)},
        ),
        Layout(
            "syslog.log",
            r"<(?P<level>[0-9]{1,3})>1 (?P<time>[^ ]+) (?P<hostname>[^ ]+) (?P<logger>[^ ]+) "
            r"(?P<pid>[^ ]+) (?P<msgid>[^ ]+) (?P<structured>-|(?:\[[^\]]*\])+) ?(?P<message>.*)",
            numbers=frozenset({"pid"}),
            levels={str(number): _SEVERITIES[number % 8] for number in range(192)},
        ),
    ),
    (
        "Feb  5 14:30:45 web-1 sshd[71]: Failed password for invalid user admin from 203.0.113.7",
        "<34>1 2026-02-05T14:30:45.123Z web-1 su 71 ID47 - 'su root' failed for app on /dev/pts/8",
    ),
    paths=r"syslog|messages|auth\.log|daemon\.log",
)
