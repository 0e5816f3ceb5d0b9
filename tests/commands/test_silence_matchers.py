"""A silence that can never mute anything is refused, with what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shipper.alerts.ledger.ledger import Ledger
from shipper.commands.silence_matchers import refuse_unknown
from shipper.config.main import Config, load
from shipper.config.matchers import parse_matcher
from shipper.errors import ConfigError
from tests.alerts.rules.rule_texts import HEAD

RULE = HEAD.replace("name: r", "name: error_rate_high")
RULE += "count: level:ERROR\nabove: 0\ngroup_by: [service.name]\n"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/error_rate_high.yml").write_text(RULE)
    path = tmp_path / "shipper.yml"
    path.write_text(
        f"service: {{name: shop}}\ndata_dir: {tmp_path}\ninputs: [{{paths: [logs/*.log]}}]\n"
        f"output: {{embedded: {{}}}}\nalerts: {{rules: {tmp_path}/rules}}\n"
    )
    return load(path)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "alerts.db")) as opened:
        yield opened


@pytest.mark.parametrize(
    "text",
    [
        *("rule=error_rate_high", "rule=error_*", "rule!=nosuch", "rule=watermark_behind"),
        *("severity=high", "host=app7", "host.name~app.*", "service.name=not-yet-there"),
        *("rule~error.+|x", "rule=removed_rule"),
    ],
)
def test_what_can_match_is_taken(config: Config, ledger: Ledger, text: str) -> None:
    """Rules, those of the job and those that were judged; any value of a field of a group."""
    ledger.progress.set_judged("removed_rule", 0)

    refuse_unknown([parse_matcher(text)], config, ledger)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("rule=error_rate_hihg", "there is no such rule; use one of: error_rate_high"),
        ("rule~nosuch.*", "there is no such rule"),
        ("severity=hgih", "there is no such severity; use one of: high"),
        ("id=zzzz", "there is no such id; use shipper alerts list"),
        ("servce.name=shop", "no rule groups by servce.name; use one of: service.name"),
        ("servce.name!=shop", "no rule groups by servce.name"),
    ],
)
def test_what_can_match_nothing_is_refused(
    config: Config, ledger: Ledger, text: str, fault: str
) -> None:
    """The name is wrong, and people would be notified all the same."""
    with pytest.raises(ConfigError) as failed:
        refuse_unknown([parse_matcher(text)], config, ledger)

    assert fault in str(failed.value)
