"""All formats by their names, in the order in which `auto` tries them."""

from __future__ import annotations

import re

from shipper.formats.blocks import expand
from shipper.formats.containers import CRI, DOCKER, LOGFMT
from shipper.formats.definition import LogFormat
from shipper.formats.languages import JAVA, PYTHON, TEXT
from shipper.formats.servers import POSTGRES, REDIS, SYSLOG
from shipper.formats.web import APACHE, NGINX, W3C

AUTO = "auto"
EMIT = "emit"
JSON = "json"
TEXT_NAME = TEXT.name

FORMATS: dict[str, LogFormat] = {
    each.name: each
    for each in (
        *(DOCKER, CRI, W3C, NGINX, APACHE, POSTGRES, REDIS),
        *(SYSLOG, LOGFMT, JAVA, PYTHON, TEXT),
    )
}

CONTAINERS = frozenset({DOCKER.name, CRI.name})  # formats that hold lines of another one
CRI_PATTERN = re.compile(expand(CRI.layouts[0].pattern), re.ASCII)
DOCKER_NAME = DOCKER.name
LOGFMT_NAME = LOGFMT.name
W3C_NAME = W3C.name
# What is tried for a line of a container that is no JSON.
INSIDE = (NGINX, APACHE, POSTGRES, REDIS, JAVA, PYTHON)

NAMES = (AUTO, EMIT, JSON, *FORMATS)
