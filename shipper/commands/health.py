"""`shipper health`: asks applications how they are."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipper.commands.invocation import Invocation, examples, invoked, json_option, refuse
from shipper.commands.moments import duration_option
from shipper.config.health import (
    EXPECT_HEALTH,
    EXPECT_METRICS,
    EXPECT_SUCCESS,
    PAGE,
    HealthTargetOptions,
)
from shipper.config.main import load
from shipper.config.options import InvalidValueError
from shipper.errors import ConfigError
from shipper.poll.ask import HEALTHY, PollAnswer, ask
from shipper.poll.record import message_of, records_of
from shipper.text import Paint, plain, safe

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLORS = {"healthy": "INFO", "degraded": "WARNING", "unhealthy": "ERROR"}
_IN_THE_SENTENCE = {"timestamp", "level", "logger", "message", "target", "url", "status", "up"}
_OMITTED = _IN_THE_SENTENCE | {"every_seconds", "latency_ms", "reason", "failure"}


@click.command(
    epilog=examples(
        "shipper health",
        "shipper health http://localhost:8000/health",
        "shipper health http://localhost:8000/api/metrics --expect metrics",
        "shipper health --json | jq .queue_depth",
    )
)
@click.argument("url", required=False)
@duration_option("--timeout", "Time for an answer; default: that of the config, or 5s.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with a token to send to URL.",
)
@click.option(
    "--expect",
    type=click.Choice([EXPECT_HEALTH, EXPECT_METRICS, EXPECT_SUCCESS]),
    help="What URL answers: JSON with a status (default), JSON with numbers, or any 2xx.",
)
@json_option("One JSON object per line, as the record of a poll.")
@invoked
def health(  # noqa: PLR0913 -- the options of a command
    invocation: Invocation,
    *,
    url: str | None,
    timeout: int | None,
    token_file: Path | None,
    expect: str | None,
    as_json: bool,
) -> int:
    """
    Ask how an application is: that of URL, or all those of the config.

    Nothing is recorded. Exits with 0 if all are healthy, with 1 if one is degraded, unhealthy, or
    does not answer.
    """
    if url is None and token_file is not None:
        refuse("--token-file needs URL; the config has token_file for its own")
    if url is None and expect is not None:
        refuse("--expect needs URL; the config has expect for its own")
    targets = _targets(invocation, url, token_file, expect or EXPECT_HEALTH)
    if timeout is not None:
        targets = [_patient(target, timeout / 1000) for target in targets]
    are_healthy = True
    for target in targets:
        at = invocation.now()
        answer = ask(target, time.monotonic)
        are_healthy &= answer.status == HEALTHY
        record = next(records_of(target, answer, at))
        if as_json:
            click.echo(json.dumps(record))
        else:
            click.echo("\n".join(_text(target, answer, record, Paint(invocation.colors))))
    return 0 if are_healthy else 1


def _targets(
    invocation: Invocation, url: str | None, token_file: Path | None, expect: str
) -> list[HealthTargetOptions]:
    if url is None:
        found = [*load(invocation.config).health]
        if not found:
            raise ConfigError(
                f"{invocation.config} has no applications to ask",
                "name an address, or add the list `health`",
            )
        return found
    try:
        page = PAGE.parse(url)
    except InvalidValueError as error:
        raise ConfigError(f"the address {error.fault}", error.remedy) from None
    return [HealthTargetOptions(name="application", url=page, expect=expect, token_file=token_file)]


def _patient(target: HealthTargetOptions, seconds: float) -> HealthTargetOptions:
    return HealthTargetOptions(
        target.name,
        target.url,
        target.every_seconds,
        seconds,
        target.expect,
        target.token_file,
        target.tls,
    )


def _text(
    target: HealthTargetOptions, answer: PollAnswer, record: dict[str, Any], paint: Paint
) -> Iterator[str]:
    yield paint.level(safe(message_of(target.name, answer)), _COLORS[answer.status])
    if answer.failure == "not_health":
        yield "  for another page, such as /api/metrics: --expect, or expect in the config"
    for name, value in _leaves("", record):
        if name.partition(".")[0] not in _OMITTED:
            yield f"  {safe(name)}: {plain(value)}"


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(f"{place}.{name}" if place else name, each)
    else:
        yield place, value
