"""The options of the section `redact`: what is a secret, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.config.options import (
    PATH,
    TEXT,
    Faults,
    InvalidValueError,
    ListOf,
    MapOf,
    Scalar,
    one_word_of,
    option,
    optional,
    text_matching,
)

ALL: Final = "all"
DETECTORS: Final = (
    *("private_key", "jwt", "api_key", "bearer", "url_password", "password", "email", "card"),
    *("iban", "ip"),
)
_NAME = text_matching(r"[a-z][a-z0-9_]{0,15}", "a short name of a-z, 0-9 and _")


def _parse_pattern(text: str) -> str:
    import re2  # noqa: PLC0415 -- for those who have patterns

    options = re2.Options()
    options.log_errors = False
    try:
        found = re2.compile(text, options).search("")
    except re2.error as error:
        fault = f'"{text}" is no regular expression of RE2: {_text(error)}'
        raise InvalidValueError(fault, "correct it; RE2 has no look-around") from None
    if found is not None:
        raise InvalidValueError(f'"{text}" matches an empty text', "let it match something")
    return text


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


PATTERN = Scalar("a regular expression of RE2", _parse_pattern)


@dataclass(frozen=True, slots=True)
class RedactOptions:
    """
    Takes secrets and personal data out of every record before it is stored, queued or sent.

    Every text is searched: values whatever their nesting, keys, whole numbers, tags, the path of
    the file. What stays is the identity of a record: time, `run`, `seq`, offset, host and dataset.
    """

    detectors: dict[str, str] = option(
        MapOf(_NAME, one_word_of("mask", "hash", "remove", "none")),
        "What is done about what a detector finds; `all` is for those that are not named. `mask`: "
        "`[redacted:email]` stands for it, and of an IP address the network. `hash`: "
        "`[email#3f9c2a…]`, the same for equal values, which needs `key_file`. `remove`: nothing "
        "stands for it. `none`: it stays.",
        default="{all: mask}",
        factory=lambda: {ALL: "mask"},
    )
    key_file: Path | None = optional(
        PATH,
        "File with the key of `hash`, 16 bytes or more. Equal values have equal hashes wherever "
        "the key is the same; without it nobody can try values out.",
    )
    names: tuple[str, ...] = option(
        ListOf(TEXT),
        "Further keys whose values are secrets, whatever they hold, such as `ssn`.",
        default="[]",
    )
    patterns: dict[str, str] = option(
        MapOf(_NAME, PATTERN),
        "Further detectors: a name, and a regular expression of RE2, whose first group (or all of "
        "it) is the secret. They are looked for in every text by itself, which takes longer than "
        "the ready ones.",
        default="{}",
        factory=dict,
    )
    keep: tuple[str, ...] = option(
        ListOf(TEXT),
        "Fields in which nothing is looked for, such as `client_ip` or `extra.build.hash`.",
        default="[]",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        known = {ALL, *DETECTORS, *self.patterns}
        for name in self.detectors:
            if name not in known:
                remedy = f"use one of: {', '.join(sorted(known))}"
                yield "detectors", f"{name} is no detector", remedy
        for name in self.patterns:
            if name in (ALL, *DETECTORS):
                yield "patterns", f"{name} is the name of a ready detector", "use another name"
        if "hash" in self.detectors.values() and self.key_file is None:
            yield "key_file", "is missing, and hash needs it", "name a file with a random key"
