"""All formats by their names, in the order in which `auto` tries them."""

from __future__ import annotations

from shipper.formats.definition import LogFormat
from shipper.formats.languages import JAVA, PYTHON, TEXT
from shipper.formats.servers import POSTGRES, REDIS, SYSLOG
from shipper.formats.web import APACHE, NGINX

AUTO = "auto"
EMIT = "emit"
JSON = "json"
TEXT_NAME = TEXT.name

FORMATS: dict[str, LogFormat] = {
    each.name: each for each in (NGINX, APACHE, POSTGRES, REDIS, SYSLOG, JAVA, PYTHON, TEXT)
}

NAMES = (AUTO, EMIT, JSON, *FORMATS)
