"""
Writes dashboards as the bodies of `PUT /api/dashboards/{id}`.

Only what Kibana 9.4 and 9.5 both take, and the Basic licence has: so no `duration` format, no links
panel, no url_drilldown. Every id is fixed and every list in the order of its declaration, so a
change of a panel is a small diff. A body tells which version of it it is: its description ends with
a digest of all the rest (see shipper/kibana/setup.py).

    digest    of the body as JSON with sorted keys, without the description's own `[…]`

A dashboard keeps no time range of its own: so that of the page before stays, and a click on a value
leads to Discover, or the dashboard with the details, with time range and filters.

Right numbers: terms always say by what they are ranked; a count over time ends with "Other", so
parts add up; nothing is sampled.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from shipper.kibana.kql import kql_of
from shipper.kibana.panels import (
    ChartPanel,
    Dashboard,
    Form,
    Grouping,
    Measure,
    Measuring,
    Panel,
    RecordsPanel,
    ReferenceLine,
    Target,
    Unit,
)
from shipper.kibana.place import KibanaPlace

Json = dict[str, Any]

COLUMNS: Final = 48
GOOD, FAIR, BAD = "#24c292", "#fcd883", "#f6726a"
LEVEL_COLORS: Final = {"ERROR": BAD, "CRITICAL": "#a71627", "WARNING": FAIR, "INFO": "#61a2ff"}
NAVIGATION_HEIGHT: Final = 6

CONTROLS: Final = (
    ("service.name", "Service"),
    ("service.environment", "Environment"),
    ("host.name", "Host"),
    ("level", "Level"),
    ("event.dataset", "Dataset"),
)

_FORMATS: Final[dict[Unit, Json]] = {
    Unit.NUMBER: {"type": "number", "decimals": 0},
    Unit.DECIMAL: {"type": "number", "decimals": 2},
    Unit.PERCENT: {"type": "percent", "decimals": 2},
    Unit.MILLISECONDS: {"type": "number", "decimals": 0, "suffix": " ms"},
    Unit.SECONDS: {"type": "number", "decimals": 0, "suffix": " s"},
    Unit.BYTES: {"type": "bytes", "decimals": 1},
}


def dashboard_body(dashboard: Dashboard, others: tuple[Dashboard, ...], place: KibanaPlace) -> Json:
    """Return the body of a dashboard, with links to the others."""
    body = {
        "title": f"Orchestrator: {dashboard.title}",
        "query": {"expression": "", "language": "kql"},
        "filters": [],
        "options": {"sync_cursor": True, "sync_tooltips": False},
        "pinned_panels": [_control(field, title, place) for field, title in CONTROLS],
        "panels": [
            _navigation(dashboard, others, place),
            *(_placed(panel, grid, place) for panel, grid in laid_out(dashboard.panels)),
        ],
    }
    return {"description": f"{dashboard.answers} [{digest(body)}]", **body}


def digest(body: Json) -> str:
    """Return what tells two versions of a body apart."""
    text = json.dumps(body, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:12]


def laid_out(panels: tuple[Panel, ...]) -> list[tuple[Panel, Json]]:
    """Return the panels with their places: in rows, as high as the highest of the row."""
    found: list[tuple[Panel, Json]] = []
    x, y, row = 0, NAVIGATION_HEIGHT, 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, row = 0, y + row, 0
        found.append((panel, {"x": x, "y": y, "w": panel.width, "h": panel.height}))
        x, row = x + panel.width, max(row, panel.height)
    return found


def _control(field: str, title: str, place: KibanaPlace) -> Json:
    return {
        "type": "options_list_control",
        "width": "medium",
        "grow": True,
        "config": {
            "title": title,
            "data_view_id": place.data_view,
            "field_name": field,
            "sort": {"by": "_count", "direction": "desc"},
        },
    }


def _navigation(dashboard: Dashboard, others: tuple[Dashboard, ...], place: KibanaPlace) -> Json:
    pages = " · ".join(
        f"**{each.title}**"
        if each.key == dashboard.key
        else f"[{each.title}](#/view/{place.dashboard(each.key)})"
        for each in others
    )
    return {
        "type": "markdown",
        "id": "how-to-read",
        "grid": {"x": 0, "y": 0, "w": COLUMNS, "h": NAVIGATION_HEIGHT},
        "config": {
            "title": "How to read this",
            "hide_title": True,
            "content": f"{pages}\n\n{dashboard.reading}",
            "settings": {"open_links_in_new_tab": False},
        },
    }


def _placed(panel: Panel, grid: Json, place: KibanaPlace) -> Json:
    if isinstance(panel, RecordsPanel):
        return {
            "type": "discover_session",
            "id": panel.key,
            "grid": grid,
            "config": _records(panel, place),
        }
    write = {
        Form.NUMBER: _number,
        Form.LINES: _over_time,
        Form.BARS: _over_time,
        Form.TABLE: _table,
        Form.PIE: _pie,
    }[panel.form]
    head = {"title": panel.title, "description": panel.answers}
    return {"type": "vis", "id": panel.key, "grid": grid, "config": {**head, **write(panel, place)}}


def _records(panel: RecordsPanel, place: KibanaPlace) -> Json:
    return {
        "title": panel.title,
        "description": panel.answers,
        "tabs": [
            {
                "data_source": _source(place),
                "query": _query(panel.query),
                "filters": [],
                "column_order": list(panel.columns),
                "sort": [{"name": panel.sort, "direction": "desc"}],
                "sample_size": 200,
                "density": "compact",
            }
        ],
    }


def _source(place: KibanaPlace) -> Json:
    return {"type": "data_view_reference", "ref_id": place.data_view}


def _query(query: str) -> Json:
    return {"expression": kql_of(query), "language": "kql"}


def _operation(measure: Measure) -> Json:
    """Return what Kibana calculates for a measure."""
    label: Json = {"label": measure.label}
    if measure.unit in _FORMATS:
        label["format"] = _FORMATS[measure.unit]
    if measure.kind is Measuring.SHARE:
        return {"operation": "formula", "formula": _share(measure), **label}
    if measure.per_minute:
        label["time_scale"] = "m"
    if measure.where:
        expression = kql_of(measure.where, whole=False)
        label["filter"] = {"expression": expression, "language": "kql"}
    made: Json = {"operation": measure.kind.value}
    if measure.field:
        made["field"] = measure.field
    if measure.kind is Measuring.PERCENTILE:
        made["percentile"] = measure.percent
    if measure.kind is Measuring.LAST:
        made["time_field"] = "@timestamp"
    return {**made, **label}


def _share(measure: Measure) -> str:
    def count(query: str) -> str:
        kql = kql_of(query, whole=False)
        assert "'" not in kql, "a formula has it in single quotes"
        return f"count(kql='{kql}')" if kql else "count()"

    return f"{count(measure.where)} / {count(measure.to)}"


def _terms(by: Grouping, *, ranked: bool, other: bool = False) -> Json:
    rank: Json = {"type": "alphabetical", "direction": "asc"}
    if ranked:
        rank = {"type": "metric", "metric_index": 0, "direction": "desc"}
    terms = {
        "operation": "terms",
        "fields": [by.field],
        "limit": by.most,
        "rank_by": rank,
        "label": by.label,
    }
    return terms | ({"other_bucket": {"include_documents_without_field": False}} if other else {})


def _can_rank(measure: Measure) -> bool:
    return measure.kind not in {Measuring.SHARE, Measuring.LAST}


def _steps(target: Target) -> Json:
    """Return the colours of a value, whichever side is the good one."""
    good, bad = target.good, target.bad
    if good < bad:
        steps = [
            {"lt": good, "color": GOOD},
            {"gte": good, "lt": bad, "color": FAIR},
            {"gte": bad, "color": BAD},
        ]
    else:
        steps = [
            {"lt": bad, "color": BAD},
            {"gte": bad, "lt": good, "color": FAIR},
            {"gte": good, "color": GOOD},
        ]
    return {"type": "dynamic", "range": "absolute", "steps": steps}


def _number(panel: ChartPanel, place: KibanaPlace) -> Json:
    first, *second = panel.measures
    primary = {"type": "primary", **_operation(first)}
    if first.target is not None:
        primary |= {"color": _steps(first.target), "apply_color_to": "background"}
    metrics = [primary, *({"type": "secondary", **_operation(each)} for each in second)]
    return {
        "type": "metric",
        "data_source": _source(place),
        "query": _query(panel.query),
        "metrics": metrics,
    }


def _over_time(panel: ChartPanel, place: KibanaPlace) -> Json:
    layer: Json = {
        "type": "line" if panel.form is Form.LINES else "bar_stacked",
        "data_source": _source(place),
        "x": {
            "operation": "date_histogram",
            "field": "@timestamp",
            "suggested_interval": "auto",
            "include_empty_rows": True,
        },
        "y": [{**_operation(measure), "axis": "y"} for measure in panel.measures],
    }
    if panel.by is not None:
        adds_up = panel.measures[0].kind is Measuring.COUNT
        layer["breakdown_by"] = _terms(panel.by, ranked=_can_rank(panel.measures[0]), other=adds_up)
        if panel.by.field == "level":
            layer["breakdown_by"]["color"] = _level_colors()
    layers = [layer]
    if panel.thresholds:
        layers.append(_reference_lines(panel.thresholds, place))
    return {
        "type": "xy",
        "query": _query(panel.query),
        "axis": {
            "x": {"scale": "temporal", "title": {"visible": False}},
            "y": {"domain": {"type": "full", "rounding": True}, "title": {"visible": False}},
        },
        "legend": {"visibility": "visible", "placement": "outside", "position": "bottom"},
        "layers": layers,
        "drilldowns": _drilldowns(panel, place),
    }


def _reference_lines(thresholds: tuple[ReferenceLine, ...], place: KibanaPlace) -> Json:
    return {
        "type": "reference_lines",
        "data_source": _source(place),
        "thresholds": [
            {
                "operation": "static_value",
                "value": each.value,
                "label": each.label,
                "axis": "y",
                "stroke_dash": "dashed",
                "stroke_width": 1,
                "color": {"type": "static", "color": BAD if each.bad else FAIR},
                "text": {"visible": True},
            }
            for each in thresholds
        ],
    }


def _level_colors() -> Json:
    return {
        "mode": "categorical",
        "palette": "default",
        "mapping": [
            {"values": [level], "color": {"type": "color_code", "value": color}}
            for level, color in LEVEL_COLORS.items()
        ],
    }


def _table(panel: ChartPanel, place: KibanaPlace) -> Json:
    assert panel.by is not None
    metrics = []
    for measure in panel.measures:
        metric = _operation(measure)
        if measure.target is not None:
            metric |= {"color": _steps(measure.target), "apply_color_to": "badge"}
        metrics.append(metric)
    ranked = _can_rank(panel.measures[0])
    return {
        "type": "data_table",
        "data_source": _source(place),
        "query": _query(panel.query),
        "rows": [{**_terms(panel.by, ranked=ranked), "click_filter": True}],
        "metrics": metrics,
        "styling": {"density": {"mode": "compact"}, "paging": 10},
        "drilldowns": _drilldowns(panel, place),
    }


def _drilldowns(panel: ChartPanel, place: KibanaPlace) -> list[Json]:
    discover = {
        "type": "discover_drilldown",
        "label": "Show these records in Discover",
        "trigger": "on_apply_filter",
        "open_in_new_tab": False,
    }
    if not panel.leads_to:
        return [discover]
    details = {
        "type": "dashboard_drilldown",
        "label": f"Go to the dashboard of {panel.leads_to}",
        "trigger": "on_apply_filter",
        "dashboard_id": place.dashboard(panel.leads_to),
        "use_filters": True,
        "use_time_range": True,
        "open_in_new_tab": False,
    }
    return [discover, details]


def _pie(panel: ChartPanel, place: KibanaPlace) -> Json:
    assert panel.by is not None
    return {
        "type": "pie",
        "data_source": _source(place),
        "query": _query(panel.query),
        "metrics": [_operation(measure) for measure in panel.measures],
        "group_by": [_terms(panel.by, ranked=True, other=True)],
        "styling": {
            "donut_hole": "m",
            "labels": {"visible": True, "position": "inside"},
            "values": {"visible": True, "mode": "percentage", "percent_decimals": 1},
        },
        "legend": {"visibility": "auto"},
    }
