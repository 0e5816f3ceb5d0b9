"""Formats around other formats: what Docker and Kubernetes write; and logfmt."""

from __future__ import annotations

from shipper.formats.definition import Layout, LogFormat

DOCKER = LogFormat(
    "docker",
    "Docker's json-file driver: what its `log` says is read as JSON or as one of the formats below",
    (
        Layout(
            "docker.log",
            r'\{"log":"(?P<message>[^"\\]*(?:\\.[^"\\]*)*)".*"stream":"(?P<stream>[a-z]+)".*'
            r'"time":"(?P<time>[^"]*)"\}',
        ),
    ),
    (
        (
            r'{"log":"{\"level\":\"error\",\"msg\":\"it broke\"}\n","stream":"stderr",'
            r'"time":"2026-02-05T14:30:45.123456789Z"}'
        ),
    ),
    paths=r"/containers/.*-json\.log",
)

CRI = LogFormat(
    "cri",
    "Kubernetes (containerd, CRI-O): what a container says is read as with `docker`",
    (
        Layout(
            "docker.log",
            r"(?P<time>[0-9-]{10}T[0-9:.]{8,18}(?:Z|[+-][0-9:]{5})) (?P<stream>stdout|stderr) "
            r"(?P<part>[FP])(?::[^ ]*)? (?P<message>.*)",
        ),
    ),
    ("2026-02-05T14:30:45.123456789Z stdout F it works",),
    paths=r"/pods/|/containers/",
)

_PAIR = r'[A-Za-z_@][\w.@/-]*=(?:"%{QUOTED}"|[^ "=]*)'

LOGFMT = LogFormat(
    "logfmt",
    "logfmt (`key=value`), as of Go services and Grafana: its keys are those of [JSON](#json)",
    (Layout("text.log", rf"{_PAIR}(?: +{_PAIR})+ *"),),
    ('ts=2026-02-05T14:30:45.123Z level=error msg="it broke" err="no such workflow" status=500',),
)
