"""The options of the list `health`: applications that `shipper run` asks how they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shipper.config.options import (
    PATH,
    SECONDS,
    Faults,
    InvalidValueError,
    Scalar,
    Section,
    one_word_of,
    option,
    optional,
    text_matching,
)
from shipper.config.outputs import TlsOptions

MOST_TARGETS = 100
EXPECT_HEALTH, EXPECT_METRICS, EXPECT_SUCCESS = "health", "metrics", "success"

_PAGE_TEXT = text_matching(
    r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::\d{1,5})?"
    r"(?:/[!-?A-~]*)?",
    "http:// or https:// and an address, such as http://127.0.0.1:8000/health",
)


def _parse_page(text: str) -> str:
    if "@" in text.partition("://")[2].partition("/")[0]:  # the fault must not show it
        raise InvalidValueError("has a user or password", "use token_file")
    page: str = _PAGE_TEXT.parse(text)
    return page


PAGE = Scalar(_PAGE_TEXT.shown, _parse_page)


@dataclass(frozen=True, slots=True)
class HealthTargetOptions:
    """An application that is polled; every answer is a record."""

    name: str = option(
        text_matching(r"[\w.-]{1,100}", "letters, digits, . _ and -"),
        "Name of the target, `extra.target` of its records.",
    )
    url: str = option(PAGE, "Where it answers, such as `http://127.0.0.1:8000/health`.")
    every_seconds: float = option(
        SECONDS.between("1s", "1d"), "Time between two polls.", default="60s", key="every"
    )
    timeout_seconds: float = option(
        SECONDS.between("10ms", "5m"),
        "Time for the whole answer; after that the application counts as unhealthy.",
        default="5s",
        key="timeout",
    )
    expect: str = option(
        one_word_of(EXPECT_HEALTH, EXPECT_METRICS, EXPECT_SUCCESS),
        "What it answers: `health`, JSON with a `status`; `metrics`, JSON with numbers (dataset "
        "`orchestrator.metrics`); `success`, any answer of 2xx.",
        default=EXPECT_HEALTH,
    )
    token_file: Path | None = optional(
        PATH, "File with a token to send (`Authorization: Bearer …`); read for every poll."
    )
    tls: TlsOptions = option(
        Section(TlsOptions), "Certificates, for an address with https.", default="{}"
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.timeout_seconds > self.every_seconds:
            yield "timeout", "is longer than every", "use a shorter one"
