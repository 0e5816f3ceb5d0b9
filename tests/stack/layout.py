"""The files of the stack, read for the tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from logstash_pipeline_parser import Pipeline  # type: ignore[import-untyped]

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "docker-compose-monitoring.yml"
INSECURE = ROOT / "docker-compose-insecure.yml"
ENVIRONMENT = ROOT / ".env.example"
PIPELINES = sorted((ROOT / "logstash/pipeline").glob("*.conf"))
CONDITIONS = {"if", "else if", "else"}


class ComposeLoader(yaml.SafeLoader):
    """Reads the tags that compose has for merging files."""


ComposeLoader.add_multi_constructor(
    "!", lambda loader, _suffix, node: loader.construct_sequence(node, deep=True)
)


def compose(path: Path = COMPOSE) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(path.read_text(), ComposeLoader)
    return loaded


def settings(path: Path = ENVIRONMENT) -> dict[str, str]:
    """Return the variables of an env file."""
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", path.read_text(), re.MULTILINE))


def variables(text: str) -> set[str]:
    """Return the names of the variables that a text is filled in with."""
    return set(re.findall(r"\$\{([A-Z_]+)", text))


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin of a pipeline: its section, name and options."""

    section: str
    name: str
    options: dict[str, Any]


def plugins(path: Path) -> list[Plugin]:
    """Return the plugins of a pipeline in their order."""
    return [
        plugin
        for section, nodes in Pipeline(path.read_text()).parse()
        for plugin in _plugins(section, nodes)
    ]


def _plugins(section: str, nodes: list[Any]) -> Iterator[Plugin]:
    for name, content in nodes:
        if name in CONDITIONS:
            # A condition's last item is the list of its branch; an `else` is nothing but that.
            branch = content if name == "else" else content[-1][0]
            yield from _plugins(section, branch)
        else:
            yield Plugin(section, name, {option: _value(value) for option, (value,) in content})


def _value(value: Any) -> Any:
    """Return a hash as a dict, a path as text, everything else as it is."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return {key: _value(inner) for key, (inner,) in value}
    return str(value) if isinstance(value, Path) else value
