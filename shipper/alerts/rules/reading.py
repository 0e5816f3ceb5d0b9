"""
Reads rule files: one YAML file a rule, all faults of all files at once.

A broken file never hides the others: `read_rules` gives the rules that can be used and, beside
them, the files that can't be, each with its faults. Whoever starts decides which of the two counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipper.alerts.rules.rule import Rule
from shipper.config.options import Fault, InvalidOptionsError, read_options
from shipper.errors import ConfigError
from shipper.files import read_regular

SUFFIX = ".yml"
MAX_BYTES = 1 << 20  # of a rule file


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule file that can't be used, and why, a line per fault."""

    path: Path
    faults: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"cannot use {self.path}:", *(f"  {fault}" for fault in self.faults)])


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a folder by name, and what could not be read."""

    rules: tuple[Rule, ...]
    broken: tuple[Broken, ...] = ()

    def named(self, names: Iterable[str]) -> Sequence[Rule]:
        """
        Return the rules of these names, all of them where none is named.

        Raises:
            ConfigError: there is no rule of a name.
        """
        by_name = {rule.name: rule for rule in self.rules}
        wanted = list(names)
        for name in wanted:
            if name not in by_name:
                known = ", ".join(by_name) or "none"
                raise ConfigError(f"there is no rule {name}", f"use one of: {known}")
        return [by_name[name] for name in wanted] if wanted else self.rules


def read_rules(folder: Path) -> Rules:
    """
    Read all rule files of a folder, in the order of their names.

    Raises:
        ConfigError: the folder can't be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except OSError as error:
        raise ConfigError(
            f"cannot read the rules in {folder}: {error.strerror}",
            "correct alerts.rules in the config",
        ) from error
    found = [_read(path) for path in paths]
    return Rules(
        tuple(each for each in found if isinstance(each, Rule)),
        tuple(each for each in found if isinstance(each, Broken)),
    )


def load_rules(folder: Path) -> Rules:
    """
    Read all rule files of a folder, each of which has to be right.

    Raises:
        ConfigError: with all faults of all files.
    """
    rules = read_rules(folder)
    if rules.broken:
        raise ConfigError("\n".join(map(str, rules.broken)))
    return rules


def parse_rule(text: str) -> Rule:
    """
    Read the text of a rule file.

    Raises:
        InvalidOptionsError: with all its faults.
    """
    rule: Rule = read_options(text, Rule)
    return rule


def _read(path: Path) -> Rule | Broken:
    try:
        rule = parse_rule(read_regular(path, MAX_BYTES, follow=True).decode())
    except InvalidOptionsError as error:
        return Broken(path, tuple(map(str, error.faults)))
    except UnicodeDecodeError:
        return Broken(path, ("is not UTF-8; save it as UTF-8",))
    except OSError as error:
        return Broken(path, (f"cannot be read: {error.strerror}; correct its permissions",))
    if rule.name != path.stem:
        fault = f"is {rule.name}, but the file is {path.name}"
        return Broken(path, (str(Fault("name", 0, fault, "give both the same name")),))
    return rule
