"""
Reads a YAML file into frozen dataclasses whose fields declare the options.

A field made by `option` declares the kind of its value, its default as a user would write it, and
its meaning; the file is read, checked and documented from these declarations alone:

    @dataclass(frozen=True, slots=True)
    class TailOptions:
        scan_seconds: float = option(SECONDS.between("0.05s", "1h"), "Scan interval.", default="1s")

Reading collects all faults of a file, each with its place and line, before it fails. It looks at
the tree of YAML nodes only and builds no object that a tag asks for: a tag is a fault, and a
duplicate key is noticed.
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

from shipper.errors import ConfigError

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_UNIT_BYTES: dict[str, int] = {"": 1, "B": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("KMGT", start=1)
    for suffix, base in (("B", 1000), ("IB", 1024))
}
_TAG = "tag:yaml.org,2002:"
_LONGEST = 500  # characters of a fault, which may quote a value
_PLAIN = {
    _TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map")
}
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class InvalidValueError(ValueError):
    """A text is not a value of its kind; `fault` says why, `remedy` what to write."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(fault, remedy)
        self.fault = fault
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.fault}; {self.remedy}"


def parse_duration(text: str) -> float:
    """Return the seconds of `0.5s`, `500ms`, `15m`, `2h`, `7d` or `1w`; else InvalidValueError."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|[smhdw])", text.strip(), re.ASCII)
    if match is None:
        raise InvalidValueError(
            f'"{text}" is not a duration', "use a number and ms, s, m, h, d or w"
        )
    return float(match[1]) * _UNIT_SECONDS[match[2]]


def parse_size(text: str) -> int:
    """Return the bytes of `10 GiB`, `500 MB` or `1048576`; else InvalidValueError."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-z]{0,3})", text.strip(), re.ASCII)
    unit = _UNIT_BYTES.get(match[2].upper(), 0) if match else 0
    if match is None or not unit:
        raise InvalidValueError(
            f'"{text}" is not a size', "use a number and KB, MB, GB, KiB, MiB or GiB"
        )
    return round(float(match[1]) * unit)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in the file; `line` counts from 1, 0 for none."""

    place: str
    line: int
    fault: str
    remedy: str

    @property
    def where(self) -> str:
        """Place and line."""
        return f"{self.place} (line {self.line})" if self.line else self.place

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.where}: {self.fault}{remedy}"


# What `faults()` of a section yields: key, fault, remedy.
Faults = Iterator[tuple[str, str, str]]


class InvalidOptionsError(ConfigError):
    """The options cannot be used; `faults` are all that is wrong with them."""

    def __init__(self, faults: Iterable[Fault], path: Path | None = None) -> None:
        self.faults = tuple(faults)
        head = "cannot use the options:" if path is None else f"cannot use {path}:"
        super().__init__("\n".join([head, *(f"  {fault}" for fault in self.faults)]))


class OptionKind(Protocol):
    """How a value is described to the user and read from its YAML node."""

    @property
    def shown(self) -> str:
        """The values that are accepted, such as `a size`."""

    def read(self, node: Node, place: str, faults: list[Fault]) -> Any:
        """Return the value; if it is wrong, add to `faults` and return anything."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """
    A single value; `parse` gets its text as written and raises InvalidValueError.

    `words` are all of its values, if they are few.
    """

    shown: str
    parse: Callable[[str], Any]
    words: tuple[str, ...] = ()

    def read(self, node: Node, place: str, faults: list[Fault]) -> Any:
        """Return the parsed value."""
        if not isinstance(node, ScalarNode) or node.tag not in _PLAIN:
            faults.append(_fault(node, place, f"is {_shape(node)}", f"use {self.shown}"))
        elif node.tag == f"{_TAG}null":
            faults.append(_fault(node, place, "has no value", f"use {self.shown}"))
        elif any("\ud800" <= letter <= "\udfff" for letter in node.value):
            fault = "has half of a pair of UTF-16, which is no letter"
            faults.append(_fault(node, place, fault, "write the letter, or its escape \\U"))
        else:
            try:
                return self.parse(node.value)
            except InvalidValueError as error:
                faults.append(_fault(node, place, error.fault, error.remedy))
        return None

    def between(self, low: str, high: str) -> Scalar:
        """Return the kind of the values from `low` to `high`, both allowed."""
        lowest, highest = self.parse(low), self.parse(high)

        def parse(text: str) -> Any:
            value = self.parse(text)
            if not lowest <= value <= highest:
                raise InvalidValueError(f'"{text}" is out of range', f"use {low} to {high}")
            return value

        return Scalar(f"{self.shown} from {low} to {high}", parse)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values or sections of one kind, with at least `least` items."""

    item: OptionKind
    least: int = 0

    @property
    def shown(self) -> str:
        """The kind of the items."""
        return f"a list of: {self.item.shown}"

    def read(self, node: Node, place: str, faults: list[Fault]) -> tuple[Any, ...]:
        """Return the items."""
        if not isinstance(node, SequenceNode) or node.tag not in _PLAIN:
            faults.append(_fault(node, place, f"is {_shape(node)}", f"use {self.shown}"))
            return ()
        if len(node.value) < self.least:
            faults.append(_fault(node, place, "is empty", f"use {self.shown}"))
        return tuple(
            self.item.read(item, f"{place}[{number}]", faults)
            for number, item in enumerate(node.value)
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping whose keys are the options of a dataclass; an empty one has all defaults."""

    type: type[Any]

    @property
    def shown(self) -> str:
        """The keys."""
        return f"a section with {', '.join(found.key for found in options_of(self.type))}"

    def read(self, node: Node, place: str, faults: list[Fault]) -> Any:
        """Build the dataclass; its own `faults()` yields what is wrong between its options."""
        before = len(faults)
        options = {found.key: found for found in options_of(self.type)}
        pairs = _read_pairs(node, place, options, faults)
        values = {}
        for key, found in options.items():
            if key in pairs:
                values[found.name] = found.kind.read(pairs[key], _join(place, key), faults)
            elif found.required and not _is_other(node):
                remedy = f"use {found.kind.shown}"
                faults.append(_fault(node, _join(place, key), "is missing", remedy))
        if len(faults) > before:
            return None
        value = self.type(**values)
        for key, fault, remedy in getattr(value, "faults", tuple)():
            faults.append(_fault(pairs.get(key, node), _join(place, key), fault, remedy))
        return value


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping from names of the user's choice to values or sections of one kind."""

    name: Scalar
    item: OptionKind

    @property
    def shown(self) -> str:
        """The kinds of the keys and the items."""
        return f"a section of: {self.name.shown} to {self.item.shown}"

    def read(self, node: Node, place: str, faults: list[Fault]) -> dict[str, Any]:
        """Return the items by their names, in the order of the file."""
        if _is_other(node):
            faults.append(_fault(node, place, f"is {_shape(node)}", f"use {self.shown}"))
            return {}
        found: dict[str, Any] = {}
        for key, value in node.value if isinstance(node, MappingNode) else ():
            name = self.name.read(key, place, faults)
            if name in found:
                faults.append(_fault(key, _join(place, name), "is a duplicate", "keep one"))
            elif name is not None:
                found[name] = self.item.read(value, _join(place, name), faults)
        return found


@dataclass(frozen=True, slots=True)
class OneOf:
    """A mapping with exactly one key, which says which of the sections its value is."""

    sections: Mapping[str, Section]

    @property
    def shown(self) -> str:
        """The keys."""
        return f"exactly one of: {', '.join(self.sections)}"

    def read(self, node: Node, place: str, faults: list[Fault]) -> Any:
        """Build the section that was chosen."""
        pairs = _read_pairs(node, place, self.sections, faults)
        if not _is_other(node) and (len(pairs) > 1 or not node.value):
            fault = f"has {', '.join(pairs) or 'nothing'}"
            faults.append(_fault(node, place, fault, f"use {self.shown}"))
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
        """Whether the file must have it."""
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

    `default` is written and read as in the file; with `factory`, which makes the value, it is only
    what the reference shows. `key` is the key in the file if it is not the name of the field.
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


def optional(
    kind: OptionKind, meaning: str, *, default: str = "none", key: str | None = None
) -> Any:
    """Declare an option that may be left out: it is None then, and `default` describes that."""
    return option(kind, meaning, default=default, factory=lambda: None, key=key)


def options_of(section: type[Any]) -> Iterator[Option]:
    """Yield the options of a dataclass in the order of its fields."""
    for found in dataclasses.fields(section):
        option = found.metadata
        key = option["key"] or found.name
        yield Option(key, found.name, option["kind"], option["default"], option["meaning"])


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


def load_options(path: Path, section: type[Any], remedy: str) -> Any:
    """
    Read a file into a dataclass; `remedy` says what to do if it cannot be read.

    Raises:
        InvalidOptionsError: with all faults of the file.
        ConfigError: the file cannot be read.
    """
    try:
        return read_options(path.read_text(encoding="utf-8"), section)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", remedy) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: it is not UTF-8", "save it as UTF-8") from error
    except InvalidOptionsError as error:
        raise InvalidOptionsError(error.faults, path) from None


def with_option(section: Any, place: str, text: str) -> Any:
    """
    Return a copy of a section with one option changed to `text`, written as in the file.

    `place` is its key after those of the sections around it: `ratio.widen_to`.

    Raises:
        InvalidOptionsError: there is no such option, or it cannot have this value.
    """
    key, _, below = place.partition(".")
    known = {found.key: found for found in options_of(type(section))}
    if key not in known:
        remedy = f"use one of: {', '.join(known)}"
        raise InvalidOptionsError([Fault(key, 0, "unknown key", remedy)])
    name, kind = known[key].name, known[key].kind
    if below:
        inner = getattr(section, name)
        if not dataclasses.is_dataclass(inner):
            raise InvalidOptionsError([Fault(key, 0, "is not a section", "use the key alone")])
        value = with_option(inner, below, text)
    else:
        value = _read_alone(kind, key, text)
    changed = dataclasses.replace(section, **{name: value})
    faults = [Fault(at, 0, *rest) for at, *rest in getattr(changed, "faults", tuple)()]
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
    """Return the kind of texts that match all of a regular expression; `shown` describes them."""

    def parse(text: str) -> str:
        if "${" in text:
            raise InvalidValueError(
                f'"{text}": variables are not replaced here', "write the value itself"
            )
        if re.fullmatch(pattern, text) is None:
            raise InvalidValueError(f'"{text}" is not valid', f"use {shown}")
        return text

    return Scalar(shown, parse)


def one_word_of(*words: str) -> Scalar:
    """Return the kind of a few words."""
    shown = " or ".join(words)
    return Scalar(shown, text_matching("|".join(map(re.escape, words)), shown).parse, words)


def _parse_seconds(text: str) -> float:
    plain = re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII)
    return float(text) if plain else parse_duration(text)


def _parse_switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise InvalidValueError(f'"{text}" is not a switch', "use true or false")
    return _SWITCH[text.lower()]


def _parse_count(text: str) -> int:
    if re.fullmatch(r"\d{1,9}", text, re.ASCII) is None:
        raise InvalidValueError(f'"{text}" is not a whole number', "use only digits")
    return int(text)


TEXT = text_matching(r"(?=.*\S)[^\x00-\x1f\x7f]+", "text")
SWITCH = Scalar("true or false", _parse_switch)
SECONDS = Scalar("seconds or a duration", _parse_seconds)
COUNT = Scalar("a whole number", _parse_count)
DURATION = Scalar("a duration", lambda text: round(parse_duration(text)))
SIZE = Scalar("a size", parse_size)
PATH_TEXT = text_matching(r"(?!~)[^\x00]+", "a path; ~ is not replaced")
PATH = Scalar("a path", lambda text: Path(PATH_TEXT.parse(text)))


def _compose(text: str) -> Node:
    """Parse a whole file; an empty one is an empty mapping."""
    try:
        node: Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
        return node or MappingNode(f"{_TAG}map", [])
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        fault, remedy = f"is not YAML ({error.problem})", "correct this line or the one above"
    except yaml.YAMLError as error:
        line, fault, remedy = 0, f"is not YAML ({error})", "save it as plain UTF-8 text"
    except RecursionError:
        line, fault, remedy = 0, "is nested too deep", "remove levels"
    raise InvalidOptionsError([Fault("the file", line, fault, remedy)])


def _read_pairs(
    node: Node, place: str, known: Iterable[str], faults: list[Fault]
) -> dict[str, Node]:
    """Return the known keys of a mapping; an unknown or repeated one is a fault."""
    pairs: dict[str, Node] = {}
    if _is_other(node):
        remedy = f"use a section with the keys {', '.join(known)}"
        faults.append(_fault(node, place or "the file", f"is {_shape(node)}", remedy))
        return pairs
    for name, value in node.value if isinstance(node, MappingNode) else ():
        key = name.value if isinstance(name, ScalarNode) else _shape(name)
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            remedy = f"use {near[0]}" if near else f"use one of: {', '.join(known)}"
            faults.append(_fault(name, _join(place, key), "unknown key", remedy))
        elif key in pairs:
            faults.append(_fault(name, _join(place, key), "is a duplicate key", "keep one"))
        else:
            pairs[key] = value
    return pairs


def _is_other(node: Node) -> bool:
    """Return whether a node is neither a mapping nor empty."""
    return node.tag not in {f"{_TAG}map", f"{_TAG}null"}


def _shape(node: Node) -> str:
    if node.tag not in _PLAIN:
        return f"tagged {node.tag.removeprefix(_TAG)}, and tags are not used here"
    if isinstance(node, SequenceNode):
        return "a list"
    return "a section" if isinstance(node, MappingNode) else f'the single value "{node.value}"'


def _fault(node: Node, place: str, fault: str, remedy: str) -> Fault:
    line = node.start_mark.line + 1 if node.start_mark else 0
    return Fault(place, line, fault if len(fault) <= _LONGEST else f"{fault[:_LONGEST]} …", remedy)


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
