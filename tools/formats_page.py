"""Writes docs/formats.md from the definitions of the formats."""

from __future__ import annotations

from collections.abc import Iterator

from shipper.enrich.odd import OURS
from shipper.fields import FIELDS
from shipper.formats.blocks import BLOCKS
from shipper.formats.definition import Layout, LogFormat
from shipper.formats.detect import ENOUGH_LINES, LEAST_SHARE
from shipper.formats.dialects import EXTRA_OF, FIELD_OF, OBJECTS
from shipper.formats.matching import compile_ready
from shipper.formats.table import FORMATS

_HEAD = """\
# Formats

What the lines of an input are, so that every record has its level, its time and its numbers:

```yaml
service: {name: automation-orchestrator}
inputs:
  - paths: [/var/log/automation-orchestrator/*.log] # of emit
  - paths: [/var/log/nginx/*.log, /var/log/postgresql/*.log, /var/log/redis/*.log]
    format: auto
    service: infrastructure
  - paths: [/var/lib/docker/containers/*/*-json.log]
    format: docker
    service: containers
  - paths: [/srv/*/logs/*.log] # Java and Django
    format: auto
    service_from_path: /srv/([^/]+)/logs/
    time: {zone: Europe/Berlin}
    fields: {team: payments}
    tags: [edge]
  - paths: [/var/log/billing.log]
    pattern: "%{TIMESTAMP_ISO8601:time} %{LOGLEVEL:level} <%{WORD:logger}> %{GREEDYDATA:message}"
    dataset: billing.log
output: {embedded: {}}
```

- Without `format`, lines are JSON of `emit` or of any other application, and other lines are kept
  as text.
- `auto` finds out what each file is, from its first lines: the format that at least __SHARE__ of
  the lines that begin an event have. A file of fewer than __ENOUGH__ lines that have none is read
  as `text` until there are more. What a file was taken for stays, also after a restart; `shipper
  status` and `shipper check` show it.
- A line that does not have the format of its file is kept as text with the tag `no_match`; JSON
  is read as JSON in any file. `shipper check` warns if more than 1 % of the lines that it looks
  at are such, `shipper status` counts them.
- A traceback (of Python, Java, Go, Node or Ruby), and any other line that goes on, belongs to the
  event before: `exc_info` and `error_type`, or more of the `message`. Access logs have one line an
  event. In `text`, and in the log of a container, a line such as `TypeError: …` goes on only with
  an event whose first line speaks of a failure (`ERROR`, `failed` …), or with a traceback that has
  named no error yet; else it is an uncaught error, an event of its own.
- A group with the name of a [field](search.md#fields) is that field, others are under `extra`.
  `-` is no value. An access log has its whole line as the `message`.
- The data stream of a record is `logs-orchestrator.<dataset>-<namespace>`: so the templates and
  roles of `shipper setup` fit every dataset, and none is a data stream of another shipper.

## Times

A time that names its zone, as an offset or as UTC, is read in that one. Any other is of the zone
`time.zone` of its input, by default that of this machine. When the clocks are put back, a time
that they show twice is the second one if the line is read within an hour of that, else the first;
if PostgreSQL names the zone (CET, CEST), it is that one. A time that the clocks skip is read as
if they had gone on. A time without a year, or without a date, is the last such time that is not
more than a day, or an hour, in the future.

## Your own patterns

`pattern` is a regular expression with named groups that matches all of the first line of an
event, in the [syntax of RE2](https://github.com/google/re2/wiki/Syntax): no look-around and no
back references, so no line takes long. `%{NAME:group}` puts in a building block. `time` is the
time and `level` the level; groups of `INT` and `NUMBER` are numbers. With `time: {field: …,
format: …}` the time has another name or form. Lines are joined only with
[`multiline`](configuration.md#inputsmultiline).

"""

_FOOT = """
This page is generated from `shipper/formats/` by `make docs`.
"""


def formats_page() -> str:
    """Return the text of docs/formats.md."""
    share = f"{LEAST_SHARE:.0%}".replace("%", " %")
    head = _HEAD.replace("__SHARE__", share).replace("__ENOUGH__", str(ENOUGH_LINES))
    return head + "".join([*_blocks(), *_dialects(), *_formats()]) + _FOOT


_JSON = """\

## JSON

Without `format`, lines that emit did not write have the fields that they name as we do, or as the
Elastic Common Schema does ([guarantees.md](guarantees.md#unusual-lines)). `format: json` knows
these keys, too, and takes a third of the time:

"""

_JSON_END = """
If a line has a field under two keys, its own name wins, and the other stays under `extra`. What was
written stays there if the field says it in another way. Lines of JSON that no store could take as
they are, with a key twice or nested too deep, are treated as without `format`.
"""


def _dialects() -> Iterator[str]:
    yield _JSON
    yield "| field | keys |\n|---|---|\n"
    keys: dict[str, list[str]] = {}
    for key, field in FIELD_OF.items():
        keys.setdefault(field.replace(" ", "."), []).append(f"`{key}`")
    for holder, inner in OBJECTS.items():
        for key, field in inner.items():
            keys.setdefault(field.replace(" ", "."), []).append(f"`{holder}` → `{key}`")
    for key, name in EXTRA_OF.items():
        keys.setdefault(f"extra.{name}", []).append(f"`{key}`")
    for field, found in keys.items():
        yield f"| `{field}` | {', '.join(found)} |\n"
    yield _JSON_END


def _blocks() -> Iterator[str]:
    yield "| block | matches |\n|---|---|\n"
    for name, pattern in BLOCKS.items():
        shown = pattern.replace("|", "\\|")
        yield f"| `{name}` | `{shown}` |\n"


def _formats() -> Iterator[str]:
    yield "\n## Formats with patterns\n"
    for each in FORMATS.values():
        yield from _format(each)


def _format(each: LogFormat) -> Iterator[str]:
    yield f"\n### `{each.name}`\n\n{each.about}.\n\n"
    yield "".join(f"    {line}\n" for sample in each.samples for line in sample.split("\n"))
    yield "\n| dataset | fields | under `extra` |\n|---|---|---|\n"
    seen = set()
    for layout in each.layouts:
        row = f"| `{layout.dataset}` | {_fields(layout, known=True)} | "
        row += f"{_fields(layout, known=False)} |\n"
        if row not in seen:
            seen.add(row)
            yield row


def _fields(layout: Layout, *, known: bool) -> str:
    _match, names = compile_ready(layout.pattern)
    found = [name for name in names if (name in FIELDS and name not in OURS) is known]
    found = ["@timestamp" if name == layout.time_group else name for name in found]
    if known and layout.time_group in names:
        found.insert(0, "@timestamp")
    else:
        found = [name for name in found if name != "@timestamp"]
    if known and "message" not in found:
        found.append("message")
    return ", ".join(f"`{name}`" for name in found) or "-"
