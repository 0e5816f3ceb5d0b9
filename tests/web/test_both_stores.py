"""The pages on both stores: the same records make the same pages."""

from __future__ import annotations

import re

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.store.api import Store
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from tests.store.store_loading import load_elasticsearch, load_embedded
from tests.web.browsing import Browser
from tests.web.test_dashboard import NOW, PAGES, RECORDS, TOKEN


@pytest.mark.server
def test_the_pages_of_both_stores_are_alike(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every page has the same text, whichever store has the records."""
    assert pages_of(load_elasticsearch(request, [RECORDS]), tmp_path_factory) == pages_of(
        load_embedded(request, [RECORDS]), tmp_path_factory
    )


def pages_of(store: Store, factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    folder = factory.mktemp("alerts")
    alerts = AlertPlaces(folder / "none.db", folder, folder, Sla(), "oncall")
    app = make_app(WebSources(lambda: store, alerts, lambda: NOW), token=TOKEN, port=8765)
    pages = [
        *PAGES,
        "/logs?q=level:ERROR&cols=run,extra.target,seq",
        "/logs?q=status_code:>=500&facet=extra.queue_depth",
        "/logs?facet=extra.target,message,request_id,nothing,extra.queue_depth",
    ]
    with Browser(app) as browser:
        browser.get(f"/?token={TOKEN}")
        answers = [browser.get(page) for page in pages]
    assert {answer.status_code for answer in answers} == {200}
    texts = [re.sub(r'name="form" value="[^"]+"', "", answer.text) for answer in answers]
    return [
        (answer.status_code, re.sub(r"\s+", " ", text))
        for answer, text in zip(answers, texts, strict=True)
    ]
