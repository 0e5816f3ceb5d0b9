"""
Writes the pages of docs/ that list options, and the JSON schemas of rules and metrics files.

`make docs` runs it; all texts come from the declarations of the options.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from inspect import cleandoc
from typing import Any

from shipper.alerts.backtest.cases import CaseFile
from shipper.alerts.rules.rule import Rule
from shipper.alerts.rules.schema import rule_schema
from shipper.alerts.settings import AlertSettings
from shipper.config.main import Config
from shipper.config.options import ListOf, MapOf, OneOf, Option, OptionKind, Section, options_of
from shipper.kibana.files import kibana_files
from shipper.reports.metrics import metrics_schema
from tools.formats_page import formats_page

_HEAD = """\
# Configuration

One YAML file, `config/shipper.yml` unless `--config FILE` or the environment variable
`SHIPPER_CONFIG` names another. The smallest one:

```yaml
service: {name: automation-orchestrator}
inputs:
  - paths: [logs/*.log]
output: {embedded: {}}
```

- A relative path is relative to the working directory of the command.
- `~` and `${VARIABLES}` are not replaced; a value that has one is an error. If the file must differ
  between machines, generate it with a tool of your choice.
- A duration is a number and `ms`, `s`, `m`, `h`, `d` or `w`, such as `500ms` or `30d`. A key that
  ends in `_seconds` also accepts a bare number of seconds.
- A size is a number and `KB`, `MB`, `GB` or `TB` (powers of 1,000) or `KiB`, `MiB`, `GiB`, `TiB`
  (powers of 1,024). A bare number is bytes.
- Unknown keys, duplicate keys and YAML tags are errors. All errors are reported at once, each with
  its place, line and remedy. `shipper check` shows them, and whatever else would keep the shipper
  from working.
"""

_FOOT = """
This page is generated from `shipper/config/` by `make docs`.
"""

_ALERTS_HEAD = """\
# Configuration of alerters and routes

The file that `alerts.settings` of the [config](configuration.md) names, by default
`config/alerts.json`: YAML or JSON, comments allowed. It says who is notified of which incidents,
and how. [alerters.md](alerters.md) has an example of every alerter and its guarantees. Durations
and paths are written as in the config. All errors are reported at once, each with its place, line
and remedy.
"""

_ALERTS_FOOT = """
This page is generated from `shipper/alerts/settings.py` by `make docs`.
"""

_IN_WORDS = {"{}": "its defaults", "[]": "empty", "none": "none"}  # defaults nobody would write


_RULES_HEAD = """\
# Rules

Every key of a rule file and of a file of cases. [alerts.md](alerts.md) explains how to write, test
and back-test a rule.

- A rule is one YAML file in `config/rules/`, with the name of the rule. Its cases are in
  `config/rules/tests/`, in a file of the same name.
- A share is written as `1%` (or `0.01`), a threshold in time as `500ms` (or `500`).
- Queries are written as in [search.md](search.md). A query that some store cannot answer is an
  error.
- Editors with YAML language support complete keys and mark errors if the first line is
  `# yaml-language-server: $schema=rule.schema.json`.
"""

_RULES_FOOT = """
This page and `config/rules/rule.schema.json` are generated from `shipper/alerts/rules/` and
`shipper/alerts/backtest/cases.py` by `make docs`.
"""


def configuration() -> str:
    """Return the text of docs/configuration.md."""
    return _HEAD + "".join(_describe(Config, "", "The whole file")) + _FOOT


def alerts_configuration() -> str:
    """Return the text of docs/alerts-configuration.md."""
    return _ALERTS_HEAD + "".join(_describe(AlertSettings, "", "The whole file")) + _ALERTS_FOOT


def rules() -> str:
    """Return the text of docs/alerts-rules.md."""
    tables = [*_describe(Rule, "", "A rule"), *_describe(CaseFile, "", "A file of cases")]
    return _RULES_HEAD + "".join(tables) + _RULES_FOOT


def schema() -> str:
    """Return the schema of rule files, for editors."""
    return json.dumps(rule_schema(), indent=2, ensure_ascii=False) + "\n"


def metrics_files() -> str:
    """Return the JSON schema of metrics files."""
    return json.dumps(metrics_schema(), indent=2, ensure_ascii=False) + "\n"


def _kibana_file(path: str) -> str:
    return kibana_files()[path]


PAGES: dict[str, Callable[[], str]] = {
    "config/metrics.schema.json": metrics_files,
    "config/rules/rule.schema.json": schema,
    "docs/alerts-rules.md": rules,
    "docs/formats.md": formats_page,
    "docs/configuration.md": configuration,
    "docs/alerts-configuration.md": alerts_configuration,
    **{path: partial(_kibana_file, path) for path in kibana_files()},
}


def _describe(section: type[Any], place: str, title: str) -> Iterator[str]:
    """Yield the table of a section, then its sections, in the order of the file."""
    yield f"\n## {title}\n\n{cleandoc(section.__doc__ or '')}\n\n"
    yield "| key | value | default | meaning |\n|---|---|---|---|\n"
    for found in options_of(section):
        yield f"| `{place}{found.key}` | {_shown(found)} | {_default(found)} | {found.meaning} |\n"
    for found in options_of(section):
        for inner, below in _sections(found.kind, f"{place}{found.key}"):
            yield from _describe(inner.type, f"{below}.", f"`{below}`")


def _sections(kind: OptionKind, place: str) -> Iterator[tuple[Section, str]]:
    if isinstance(kind, Section):
        yield kind, place
    elif isinstance(kind, ListOf):
        yield from _sections(kind.item, f"{place}[]")
    elif isinstance(kind, MapOf):
        yield from _sections(kind.item, f"{place}.NAME")
    elif isinstance(kind, OneOf):
        for name, section in kind.sections.items():
            yield section, f"{place}.{name}"


def _shown(found: Option) -> str:
    return found.kind.shown.replace("|", "\\|")


def _default(found: Option) -> str:
    if found.default is None:
        return "required"
    if found.default in _IN_WORDS:
        return _IN_WORDS[found.default]
    return found.default if re.search(" of |`", found.default) else f"`{found.default}`"
