"""docs/alerters.md: its examples load, its receiver checks, and nothing of it is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.alerts.alerters.alerter import ALERTERS, AlerterContext, open_alerter
from shipper.alerts.alerters.settings import AlerterSettings, Webhook
from shipper.alerts.incident import Change
from shipper.alerts.settings import FROM_THE_GUIDE, AlertSettings
from shipper.config.options import read_options
from tests.alerts.paging import page
from tests.servers.posts import Posts, recording_server

PAGE = (Path(__file__).parents[3] / "docs/alerters.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(example: str) -> None:
    """Each can be copied into alerts.json, and its alerters can be made."""
    settings: AlertSettings = read_options(example, AlertSettings)

    assert settings.all_alerters
    for name, each in settings.all_alerters.items():
        open_alerter(name, each, AlerterContext(lambda: 0.0))


def test_every_kind_has_an_example() -> None:
    """A reader finds each alerter, with a config that works."""
    kinds = {
        each.kind
        for example in EXAMPLES
        for each in read_options(example, AlertSettings).all_alerters.values()
    }

    assert kinds == set(ALERTERS)


def test_the_guides_form_is_what_the_page_says() -> None:
    """Both forms of the mail alerter give the same alerter and the same route."""
    guide, ours = (read_options(each, AlertSettings) for each in EXAMPLES if FROM_THE_GUIDE in each)

    assert guide.all_alerters == ours.all_alerters
    assert guide.all_routes == ours.all_routes


def test_every_change_is_named() -> None:
    """The table says of each change whether it is told."""
    assert [change for change in Change if f"`{change}`" not in PAGE] == []


@pytest.fixture
def posts() -> Iterator[Posts]:
    """Run a server that records."""
    with recording_server() as posts:
        yield posts


def test_the_receiver_of_the_page_checks(posts: Posts, tmp_path: Path) -> None:
    """Its code takes what is ours, and nothing that was changed, delayed or made up."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    is_ours = names["is_ours"]
    (tmp_path / "secret").write_text("between us")
    hook = Webhook(url=posts.url, secret_file=tmp_path / "secret")
    alerter = open_alerter("own", AlerterSettings(webhook=hook), AlerterContext(lambda: 1000.0))

    alerter.notify(page(), None)

    (told,) = posts.posted
    assert is_ours(b"between us", told.headers, told.body, 1001.0)
    assert not is_ours(b"between you", told.headers, told.body, 1001.0)
    assert not is_ours(b"between us", told.headers, told.body + b" ", 1001.0)
    assert not is_ours(b"between us", told.headers, told.body, 2000.0)
