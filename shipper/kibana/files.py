"""
The files of `kibana/`: what `shipper setup --kibana` installs, for people without our command.

They are written by `make docs`, of the default space.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from shipper.kibana.bodies import dashboard_body
from shipper.kibana.dashboards.all import DASHBOARDS
from shipper.kibana.data_view import data_view_body, saved_object
from shipper.kibana.panels import ChartPanel, Dashboard
from shipper.kibana.place import KibanaPlace
from shipper.kibana.sessions import SESSIONS, ndjson, session_object

_PANELS_HEAD = """\
# Panels of the dashboards in Kibana

What each panel answers, and the query it asks, in the language of [search.md](search.md). The same
query with `shipper search` finds the same records. [kibana/README.md](../kibana/README.md) says how
they get into Kibana.
"""
_PANELS_FOOT = """
This page is generated from `shipper/kibana/` by `make docs`.
"""


def kibana_files() -> dict[str, str]:
    """Return the text of each file by its path in the repository."""
    place = KibanaPlace()
    files = {
        "kibana/data-view.json": _json(data_view_body(place)),
        "kibana/data-view.ndjson": ndjson([saved_object(place)]),
        "kibana/discover-sessions.ndjson": ndjson(
            [session_object(each, place) for each in SESSIONS]
        ),
        "docs/kibana-panels.md": _PANELS_HEAD + "".join(_tables()) + _PANELS_FOOT,
    }
    for each in DASHBOARDS:
        path = f"kibana/dashboards/{place.dashboard(each.key)}.json"
        files[path] = _json(dashboard_body(each, DASHBOARDS, place))
    return files


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _tables() -> Iterator[str]:
    for dashboard in DASHBOARDS:
        yield f"\n## {dashboard.title}\n\n{dashboard.answers}\n\n"
        yield "| panel | answers | query |\n|---|---|---|\n"
        yield from _rows(dashboard)
    yield "\n## Discover sessions\n\nThe questions of the guide's troubleshooting.\n\n"
    yield "| session | answers | query |\n|---|---|---|\n"
    for session in SESSIONS:
        yield f"| {session.title} | {session.answers} | `{session.query}` |\n"


def _rows(dashboard: Dashboard) -> Iterator[str]:
    for panel in dashboard.panels:
        query = f"`{panel.query}`" if panel.query else "all records"
        if isinstance(panel, ChartPanel):
            shown = ", ".join(each.label for each in panel.measures)
            by = f" by {panel.by.label.lower()}" if panel.by else ""
            yield f"| {panel.title} ({shown}{by}) | {panel.answers} | {query} |\n"
        else:
            yield f"| {panel.title} (records) | {panel.answers} | {query} |\n"
