"""
Reads a YAML file into frozen dataclasses whose fields say what they are.

A dataclass field made by `option` holds the kind of its value, its default as a user would write
it, and its meaning; the file is read, checked and documented from that alone. Reading finds every
fault before it gives up, each with its place and line, and builds no object that YAML asks for:
only the tree of nodes is looked at, so a tag is a fault and a duplicate key is seen.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_UNIT_BYTES: dict[str, int] = {"": 1, "B": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("KMGT", start=1)
    for suffix, base in (("B", 1000), ("IB", 1024))
}
_TAG = "tag:yaml.org,2002:"
_PLAIN = {
    _TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map")
}
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse_duration(text: str) -> float:
    """Return the seconds of `0.5s`, `500ms`, `15m`, `2h`, `7d` or `1w`; ValueError otherwise."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|[smhdw])", text.strip(), re.ASCII)
    if match is None:
        raise ValueError(f'"{text}" is no duration; use a number and ms, s, m, h, d or w')
    return float(match[1]) * _UNIT_SECONDS[match[2]]


def parse_size(text: str) -> int:
    """Return the bytes of `10 GiB`, `500 MB` or `1048576`; ValueError otherwise."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-z]{0,3})", text.strip(), re.ASCII)
    unit = _UNIT_BYTES.get(match[2].upper(), 0) if match else 0
    if match is None or not unit:
        raise ValueError(f'"{text}" is no size; use a number and KB, MB, GB, KiB, MiB or GiB')
    return round(float(match[1]) * unit)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in the file: place, line (from 1; 0 for none), fault and remedy."""

    place: str
    line: int
    text: str

    def __str__(self) -> str:
        line = f" (line {self.line})" if self.line else ""
        return f"{self.place}{line}: {self.text}"


class InvalidOptionsError(Exception):
    """The file cannot be used, for these reasons."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


class OptionKind(Protocol):
    """How a value is described to the user and read from its YAML node."""

    @property
    def shown(self) -> str:
        """Name the values that are taken, such as `a size`."""

    def read(self, node: Node, place: str, faults: list[Fault]) -> Any:
        """Return the value; where it is wrong, add to `faults` and give anything."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """
    A single value; `parse` gets its text as written and raises ValueError with the fault.

    `words` are all that it can be, where these are few.
    """

    shown: str
    parse: Callable[[str], Any]
    words: tuple[str, ...] = ()

    def read(self, node: Node, place: str, faults: list[Fault]) -> Any:
        """Return the parsed value."""
        if not isinstance(node, ScalarNode) or node.tag not in _PLAIN:
            faults.append(_fault(node, place, f"is {_shape(node)}; use {self.shown}"))
        elif node.tag == f"{_TAG}null":
            faults.append(_fault(node, place, f"has no value; use {self.shown}"))
        else:
            try:
                return self.parse(node.value)
            except ValueError as error:
                faults.append(_fault(node, place, str(error)))
        return None

    def between(self, low: str, high: str) -> Scalar:
        """Narrow the kind to the values from `low` to `high`, both allowed."""
        lowest, highest = self.parse(low), self.parse(high)

        def parse(text: str) -> Any:
            value = self.parse(text)
            if not lowest <= value <= highest:
                raise ValueError(f'"{text}" is out of range; use {low} to {high}')
            return value

        return Scalar(f"{self.shown} from {low} to {high}", parse)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values or sections of one kind; `least` is how many there must be."""

    item: OptionKind
    least: int = 0

    @property
    def shown(self) -> str:
        """Name the items."""
        return f"a list of: {self.item.shown}"

    def read(self, node: Node, place: str, faults: list[Fault]) -> tuple[Any, ...]:
        """Return the items."""
        if not isinstance(node, SequenceNode) or node.tag not in _PLAIN:
            faults.append(_fault(node, place, f"is {_shape(node)}; use {self.shown}"))
            return ()
        if len(node.value) < self.least:
            faults.append(_fault(node, place, f"is empty; use {self.shown}"))
        return tuple(
            self.item.read(item, f"{place}[{number}]", faults)
            for number, item in enumerate(node.value)
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping whose keys are the options of a dataclass; no value stands for all defaults."""

    type: type[Any]

    @property
    def shown(self) -> str:
        """Name the keys."""
        return f"a section with {', '.join(found.key for found in options_of(self.type))}"

    def read(self, node: Node, place: str, faults: list[Fault]) -> Any:
        """Build the dataclass; its own `faults()` says what is wrong between its options."""
        before = len(faults)
        options = {found.key: found for found in options_of(self.type)}
        pairs = _read_pairs(node, place, options, faults)
        values = {}
        for key, found in options.items():
            if key in pairs:
                values[found.name] = found.kind.read(pairs[key], _join(place, key), faults)
            elif found.required and not _is_other(node):
                told = f"is missing; use {found.kind.shown}"
                faults.append(_fault(node, _join(place, key), told))
        if len(faults) > before:
            return None
        value = self.type(**values)
        for key, told in getattr(value, "faults", tuple)():
            faults.append(_fault(pairs.get(key, node), _join(place, key), told))
        return value


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping from names that the user chooses to values or sections of one kind."""

    name: Scalar
    item: OptionKind

    @property
    def shown(self) -> str:
        """Name the keys and the items."""
        return f"a section of: {self.name.shown} to {self.item.shown}"

    def read(self, node: Node, place: str, faults: list[Fault]) -> dict[str, Any]:
        """Return the items by their names, in the order of the file."""
        if _is_other(node):
            faults.append(_fault(node, place, f"is {_shape(node)}; use {self.shown}"))
            return {}
        found: dict[str, Any] = {}
        for key, value in node.value if isinstance(node, MappingNode) else ():
            name = self.name.read(key, place, faults)
            if name in found:
                faults.append(_fault(key, _join(place, name), "is there twice; keep one"))
            elif name is not None:
                found[name] = self.item.read(value, _join(place, name), faults)
        return found


@dataclass(frozen=True, slots=True)
class OneOf:
    """A mapping with exactly one key, which names the section that its value is."""

    sections: Mapping[str, Section]

    @property
    def shown(self) -> str:
        """Name the keys."""
        return f"exactly one of: {', '.join(self.sections)}"

    def read(self, node: Node, place: str, faults: list[Fault]) -> Any:
        """Build the section that was chosen."""
        pairs = _read_pairs(node, place, self.sections, faults)
        if not _is_other(node) and (len(pairs) > 1 or not node.value):
            told = f"has {', '.join(pairs) or 'nothing'}; use {self.shown}"
            faults.append(_fault(node, place, told))
        chosen = [
            section.read(pairs[key], _join(place, key), faults)
            for key, section in self.sections.items()
            if key in pairs
        ]
        return chosen[0] if chosen else None


@dataclass(frozen=True, slots=True)
class Option:
    """One option: key in the file, field of the dataclass, kind, default as written, meaning."""

    key: str
    name: str
    kind: OptionKind
    default: str | None
    meaning: str

    @property
    def required(self) -> bool:
        """Say whether the file must have it."""
        return self.default is None


def option(
    kind: OptionKind,
    meaning: str,
    *,
    default: str | None = None,
    factory: Callable[[], Any] | None = None,
    key: str | None = None,
) -> Any:
    """
    Declare an option as the field of a dataclass; without a default it is required.

    `default` is written and read as in the file; with `factory`, which makes the value, it is
    only what the reference shows. `key` is the key in the file where the field has another name.
    """
    metadata = {"kind": kind, "meaning": meaning, "default": default, "key": key}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    if default is None:
        return dataclasses.field(metadata=metadata)
    faults: list[Fault] = []
    value = kind.read(_compose(default), "default", faults)
    if faults:
        raise InvalidOptionsError(faults)
    return dataclasses.field(default=value, metadata=metadata)


def options_of(section: type[Any]) -> Iterator[Option]:
    """Yield the options of a dataclass in the order of its fields."""
    for found in dataclasses.fields(section):
        told = found.metadata
        key = told["key"] or found.name
        yield Option(key, found.name, told["kind"], told["default"], told["meaning"])


def read_options(text: str, section: type[Any]) -> Any:
    """
    Read YAML text into a dataclass.

    Raises:
        InvalidOptionsError: with all faults of the text.
    """
    faults: list[Fault] = []
    value = Section(section).read(_compose(text), "", faults)
    if faults:
        raise InvalidOptionsError(sorted(faults, key=lambda fault: fault.line))
    return value


def with_option(section: Any, place: str, text: str) -> Any:
    """
    Return a copy of what was read with one option changed, which is written as in the file.

    `place` is its key, with those of the sections around it: `ratio.widen_to`.

    Raises:
        InvalidOptionsError: there is no such option, or it can't be this.
    """
    key, _, below = place.partition(".")
    known = {found.key: found for found in options_of(type(section))}
    if key not in known:
        told = f"unknown key; use one of: {', '.join(known)}"
        raise InvalidOptionsError([Fault(key, 0, told)])
    name, kind = known[key].name, known[key].kind
    if below:
        inner = getattr(section, name)
        if not dataclasses.is_dataclass(inner):
            raise InvalidOptionsError([Fault(key, 0, "has no keys here; name another")])
        value = with_option(inner, below, text)
    else:
        value = _read_alone(kind, key, text)
    changed = dataclasses.replace(section, **{name: value})
    faults = [Fault(at, 0, told) for at, told in getattr(changed, "faults", tuple)()]
    if faults:
        raise InvalidOptionsError(faults)
    return changed


def _read_alone(kind: OptionKind, key: str, text: str) -> Any:
    faults: list[Fault] = []
    value = kind.read(_compose(text), key, faults)
    if faults:
        raise InvalidOptionsError(dataclasses.replace(fault, line=0) for fault in faults)
    return value


def text_matching(pattern: str, shown: str) -> Scalar:
    """Take text that matches all of a regular expression; `shown` names such text."""

    def parse(text: str) -> str:
        if "${" in text:
            raise ValueError(f'"{text}": variables are not replaced here; write the value itself')
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f'"{text}" cannot be used; use {shown}')
        return text

    return Scalar(shown, parse)


def one_word_of(*words: str) -> Scalar:
    """Take one of a few words."""
    shown = " or ".join(words)
    return Scalar(shown, text_matching("|".join(map(re.escape, words)), shown).parse, words)


def _parse_seconds(text: str) -> float:
    plain = re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII)
    return float(text) if plain else parse_duration(text)


def _parse_switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError(f'"{text}" is neither; use true or false')
    return _SWITCH[text.lower()]


def _parse_count(text: str) -> int:
    if re.fullmatch(r"\d{1,9}", text, re.ASCII) is None:
        raise ValueError(f'"{text}" is no whole number; use digits alone')
    return int(text)


TEXT = text_matching(r"(?=.*\S)[^\x00-\x1f\x7f]+", "text")
SWITCH = Scalar("true or false", _parse_switch)
SECONDS = Scalar("seconds or a duration", _parse_seconds)
COUNT = Scalar("a whole number", _parse_count)
DURATION = Scalar("a duration", lambda text: round(parse_duration(text)))
SIZE = Scalar("a size", parse_size)
PATH_TEXT = text_matching(r"(?!~)[^\x00]+", "a path; ~ is not replaced")
PATH = Scalar("a path", lambda text: Path(PATH_TEXT.parse(text)))


def absent() -> None:
    """Stand for an option that was left out."""


def _compose(text: str) -> Node:
    """Parse a whole file; an empty one is an empty mapping."""
    try:
        node: Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
        return node or MappingNode(f"{_TAG}map", [])
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        told = f"is not YAML ({error.problem}); mend this line or the one above"
    except yaml.YAMLError as error:
        line, told = 0, f"is not YAML ({error}); save it as plain UTF-8 text"
    except RecursionError:
        line, told = 0, "is nested too deep; remove levels"
    raise InvalidOptionsError([Fault("the file", line, told)])


def _read_pairs(
    node: Node, place: str, known: Iterable[str], faults: list[Fault]
) -> dict[str, Node]:
    """Return the known keys of a mapping; a wrong, unknown or repeated one is a fault."""
    pairs: dict[str, Node] = {}
    if _is_other(node):
        told = f"is {_shape(node)}; use a section with the keys {', '.join(known)}"
        faults.append(_fault(node, place or "the file", told))
        return pairs
    for name, value in node.value if isinstance(node, MappingNode) else ():
        key = name.value if isinstance(name, ScalarNode) else _shape(name)
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            told = f"use {near[0]}" if near else f"use one of: {', '.join(known)}"
            faults.append(_fault(name, _join(place, key), f"unknown key; {told}"))
        elif key in pairs:
            faults.append(_fault(name, _join(place, key), "is there twice; keep one"))
        else:
            pairs[key] = value
    return pairs


def _is_other(node: Node) -> bool:
    """Say whether a node is no section: neither a mapping nor left empty."""
    return node.tag not in {f"{_TAG}map", f"{_TAG}null"}


def _shape(node: Node) -> str:
    if node.tag not in _PLAIN:
        return f"tagged {node.tag.removeprefix(_TAG)}, and tags are not used here"
    if isinstance(node, SequenceNode):
        return "a list"
    return "a section" if isinstance(node, MappingNode) else f'the single value "{node.value}"'


def _fault(node: Node, place: str, told: str) -> Fault:
    return Fault(place, node.start_mark.line + 1 if node.start_mark else 0, told)


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
