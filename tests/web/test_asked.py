"""How many requests a page makes of a store: each is one of Elasticsearch, too."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from shipper.store.opening import open_embedded
from tests.store.store_noting import NotingStore
from tests.store.store_records import write_parts
from tests.store.test_fleet import beat
from tests.web.serving import plain_sources, served
from tests.web.test_dashboard import RECORDS


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("/", ["ask", "search", "ask", "search"]),  # curves, polls, and the hosts in two
        ("/?compare=1", ["ask", "search", "ask", "search", "ask"]),
        ("/logs", ["ask", "search"]),
        ("/logs?q=level:NONE", ["ask"]),
        ("/logs?facet=extra.user,logger", ["ask", "search"]),
        ("/pipeline", ["ask", "search"]),
    ],
)
def test_a_page_makes_few_requests(tmp_path: Path, page: str, asked: list[str]) -> None:
    """All counts of a page are one request; its records are found without counting them again."""
    write_parts(tmp_path, [[*RECORDS, beat("web-1", "01JKABCDEFGHJKMNPQRSTVWXYZ", 7)]])
    store = NotingStore(open_embedded(tmp_path))
    with served(plain_sources(lambda: store, tmp_path)) as site:
        answer = httpx.get(site.at(page), headers={"cookie": site.cookie}, timeout=60)

    assert answer.status_code == 200
    assert store.asked == asked
