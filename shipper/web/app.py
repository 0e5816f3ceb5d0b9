"""
The web application of the dashboard: its addresses, and what each of them shows.

Every page is made here, on the server, and works without scripts. Requests are answered by threads,
a few at a time (stores.py); shipper and alert job are other processes, which a page cannot slow
down. Only forms change anything (acts.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from anyio import CapacityLimiter
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from shipper.errors import ConfigError, QueryError, ShipperError
from shipper.kibana.links import dashboard_link, discover_link
from shipper.store.fleet import read_fleet
from shipper.text import duration, instant, safe, size
from shipper.view.fleet import FleetLimits, state_of
from shipper.web.access import Access, Doors, Gate
from shipper.web.acts import LETTERS, REPORT, REPORTS, FormActs
from shipper.web.deadletters import letters_page
from shipper.web.live import LiveTails
from shipper.web.login import LOGIN, LOGOUT, OIDC, OIDC_BACK, LoginPage
from shipper.web.logs import MOST_DOWNLOADED, MOST_SHOWN, csv_of, lines_of, logs_page, rows_of
from shipper.web.overview import compared, overview_page
from shipper.web.place import MOST_FACETS, RANGES, PagePlace, place_of, settled
from shipper.web.reports import REPORT_HEADERS, list_reports, read_report
from shipper.web.rules import rule_page, rules_page
from shipper.web.searches import SavedSearches
from shipper.web.similar import similar_page
from shipper.web.stores import THREADS, StorePool, cancelled_with_its_tab
from shipper.web.tasks import TaskRunner
from shipper.web.throttle import LoginThrottle
from shipper.web.zones import shown, use_zone, zone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from shipper.kibana.place import KibanaPlace
    from shipper.store.api import Store
    from shipper.store.elasticsearch.curl import CurlPlace
    from shipper.store.fleet import FileLag
    from shipper.web.incidents import AlertPlaces

HERE: Final = Path(__file__).parent
DAY_MS: Final = 86_400_000
REFRESH: Final = dict.fromkeys(("overview", "incidents", "incident", "pipeline"), 30)  # seconds
RUNNING_REFRESH: Final = 2
LIMITS_MS: Final = (60_000, 300_000)  # a host is silent, behind


@dataclass(frozen=True, slots=True)
class WebSources:
    """Where the pages have their contents from; `now` returns epoch milliseconds."""

    opened: Callable[[], Store]
    alerts: AlertPlaces
    now: Callable[[], int]
    reports: Path | None = None
    dead_letters: Path | None = None
    kibana: KibanaPlace | None = None  # where links to records lead
    curl: CurlPlace | None = None  # where Elasticsearch has the records, if it does
    searches: Path | None = None  # the file of saved searches
    command: Sequence[str] = ()  # runs shipper, for what pages start; empty: they start nothing


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of the dashboard."""

    sources: WebSources
    pool: StorePool
    tasks: TaskRunner
    searches: SavedSearches
    templates: Environment

    def overview(self, request: Request) -> Response:
        """Show cards, curves, open incidents and hosts."""

        def content(place: PagePlace, now: int) -> Mapping[str, Any]:
            with self.pool.store() as store:
                page = overview_page(store, place, now)
                hosts = _hosts(store, now)
                counts = compared(store, place) if request.query_params.get("compare") else ()
            incidents = self.sources.alerts.incidents(now)
            kibana, asked = self.sources.kibana, place.selection
            dashboard = kibana and dashboard_link(kibana, "overview", asked.since, asked.until)
            return {
                "page": page,
                "hosts": hosts,
                "incidents": incidents,
                "compared": counts,
                "in_kibana": dashboard,
            }

        return self._page(request, "overview", content)

    def logs(self, request: Request) -> Response:
        """Show the records of a query."""

        def content(place: PagePlace, _now: int) -> Mapping[str, Any]:
            with self.pool.store() as store:
                return {
                    "page": logs_page(store, place, self.sources.curl),
                    "in_kibana": self._in_kibana(place),
                    "searches": self.searches.links(),
                    "most_facets": MOST_FACETS,
                    "most": MOST_DOWNLOADED,
                }

        return self._page(request, "logs", content)

    def trace(self, request: Request) -> Response:
        """Show everything with one request or workflow, oldest first."""

        def content(place: PagePlace, _now: int) -> Mapping[str, Any]:
            with self.pool.store() as store:
                rows = rows_of(store, place, MOST_SHOWN, self.sources.curl)
            return {"rows": rows, "most": MOST_SHOWN, "in_kibana": self._in_kibana(place)}

        return self._page(request, "trace", content)

    def _in_kibana(self, place: PagePlace) -> str | None:
        """Return the address of the same records in Kibana, where it can ask for them."""
        kibana, asked = self.sources.kibana, place.selection
        if kibana is None:
            return None
        sort = place.ascending
        return discover_link(kibana, asked.query, asked.since, asked.until, ascending=sort)

    def similar(self, request: Request) -> Response:
        """Show the messages of a query by their patterns."""

        def content(place: PagePlace, _now: int) -> Mapping[str, Any]:
            with self.pool.store() as store:
                return {"page": similar_page(store, place)}

        return self._page(request, "similar", content)

    def download(self, request: Request) -> Response:
        """Return the records of a query as a file of JSON lines or CSV, as many as fit."""
        is_csv = request.query_params.get("form") == "csv"
        try:
            place = place_of(request.query_params, self.sources.now())
            with self.pool.store() as store:
                text = csv_of(store, place) if is_csv else lines_of(store, place)
        except QueryError as error:
            return PlainTextResponse(f"{error}\n", 400)
        except ShipperError as error:
            return PlainTextResponse(f"{error}\n", 503)
        ending, kind = ("csv", "text/csv") if is_csv else ("ndjson", "application/x-ndjson")
        name = {"content-disposition": f'attachment; filename="records.{ending}"'}
        return Response(text, media_type=kind, headers=name)

    def incidents(self, request: Request) -> Response:
        """Show open and past incidents."""
        return self._page(
            request,
            "incidents",
            lambda _place, now: {"incidents": self.sources.alerts.incidents(now)},
        )

    def incident(self, request: Request) -> Response:
        """Show one incident."""
        name = str(request.path_params["id"])
        return self._page(
            request,
            "incident",
            lambda _place, now: {"page": self.sources.alerts.incident(name, now)},
        )

    def rules(self, request: Request) -> Response:
        """Show every rule with what its last window says."""

        def content(_place: PagePlace, now: int) -> Mapping[str, Any]:
            with self.pool.store() as store:
                rows, broken = rules_page(self.sources.alerts.rules, store, now)
            return {"rules": rows, "broken": broken}

        return self._page(request, "rules", content)

    def rule(self, request: Request) -> Response:
        """Show what a rule measured, and when it would have fired."""
        name = str(request.path_params["name"])
        threshold = request.query_params.get("threshold", "").strip()

        def content(place: PagePlace, now: int) -> Mapping[str, Any]:
            with self.pool.store() as store:  # to the end: so few are judged at a time
                folder = self.sources.alerts.rules
                return {"page": rule_page(folder, store, name, place, threshold=threshold, now=now)}

        return self._page(request, "rule", content, threshold=threshold)

    def reports(self, request: Request) -> Response:
        """Show which reports there are."""
        folder = self.sources.reports
        return self._page(
            request,
            "reports",
            lambda _place, _now: {
                "reports": list_reports(folder) if folder else [],
                "kinds": REPORTS,
                **self._tasks_of(REPORT),
            },
        )

    def _tasks_of(self, kind: str) -> Mapping[str, Any]:
        """Return the tasks that a page shows; it renews itself while one is running."""
        is_running = self.tasks.is_running(kind)
        return {
            "can_start": self.tasks.can_start and not is_running,
            "tasks": self.tasks.rows(kind),
            "refresh": RUNNING_REFRESH if is_running else 0,
        }

    def report(self, request: Request) -> Response:
        """Return a report as it was written, in a sandbox."""
        try:
            found = read_report(self.sources.reports, str(request.path_params["name"]))
        except ConfigError as error:
            return PlainTextResponse(f"{error}\n", 404)
        return HTMLResponse(found, headers=REPORT_HEADERS)

    def pipeline(self, request: Request) -> Response:
        """Show every host that ships to the store."""

        def content(_place: PagePlace, now: int) -> Mapping[str, Any]:
            with self.pool.store() as store:
                return {"hosts": _hosts(store, now)}

        return self._page(request, "pipeline", content)

    def deadletters(self, request: Request) -> Response:
        """Show what the output of this machine refused."""
        return self._page(
            request,
            "deadletters",
            lambda _place, _now: {
                "page": letters_page(self.sources.dead_letters),
                **self._tasks_of(LETTERS),
            },
        )

    def missing(self, request: Request, _error: Exception) -> Response:
        """Say that there is no such page."""

        def content(_place: PagePlace, _now: int) -> Mapping[str, Any]:
            raise ConfigError(
                f"there is no page {safe(request.url.path)[:100]}", "see the list above"
            )

        return self._page(request, "frame", content)

    def _page(
        self,
        request: Request,
        name: str,
        content: Callable[[PagePlace, int], Mapping[str, Any]],
        **asked: str,
    ) -> Response:
        """Return a page; what is wrong takes the place of the content, and the frame stays."""
        now = self.sources.now()
        use_zone(request.cookies)
        if moved := settled(request.query_params):
            return RedirectResponse(f"{request.url.path}?{urlencode(moved)}", 303)
        status, found = 200, dict[str, Any]()
        place = place_of({"q": request.query_params.get("q", "")}, now)
        try:
            place = place_of(request.query_params, now)
            found = {**content(place, now)}
        except QueryError as error:
            status, found = 400, {"fault": error.fault, "remedy": error.remedy}
        except ConfigError as error:
            status, found = 404, {"fault": error.fault, "remedy": error.remedy}
        except ShipperError as error:
            status, found = 503, {"fault": error.fault, "remedy": error.remedy}
        frame = {
            "form_token": request.state.form_token,
            "person": request.state.person,
            "has_account": request.state.has_account,
            "name": name,
            "refresh": REFRESH.get(name, 0),
            "place": place,
            "ranges": RANGES,
            "now": shown(now),
            "zone": zone(),
        }
        return HTMLResponse(
            self.templates.get_template(f"{name}.html").render(frame | asked | found), status
        )


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host on the page of the pipeline."""

    name: str
    state: str
    heartbeat: str
    watermark: str
    behind: str
    held: str
    files: int
    dead_letters: int
    audit: str
    version: str
    notes: tuple[str, ...]


def _hosts(store: Store, now: int) -> list[HostRow]:
    limits = FleetLimits(now, *LIMITS_MS)
    rows = []
    for beat in read_fleet(store, since=now - DAY_MS):
        state = state_of(beat, limits)
        notes = [
            f"{safe(lag.path)} is {size(lag.size - lag.acked)} behind" + _oldest(lag, now)
            for lag in (beat.furthest if state == "behind" else ())
        ]
        if beat.tombstones:
            notes.append(f"{beat.tombstones:,} files dropped before delivery")
        if beat.audit_open:
            notes.append(f"the last audit could not account for {beat.audit_open:,} records")
        lag = (
            f"{duration(max(now - beat.watermark, 0) / 1000)} ago" if beat.watermark else "unknown"
        )
        rows.append(
            HostRow(
                safe(beat.host),
                state,
                f"{duration(max(now - beat.at, 0) / 1000)} ago",
                lag,
                size(beat.behind_bytes),
                size(beat.held_bytes),
                beat.files,
                beat.dead_letters,
                "none yet"
                if beat.audit_open is None
                else f"{beat.audit_open:,} open"
                if beat.audit_open
                else "all there",
                safe(beat.version),
                tuple(notes),
            )
        )
    return rows


def _oldest(lag: FileLag, now: int) -> str:
    if lag.next_at is None:
        return ""
    return f"; its oldest unread record is {duration(max(now - lag.next_at, 0) / 1000)} old"


def make_app(
    sources: WebSources, *, token: str, port: int, access: Access | None = None
) -> Starlette:
    """Return the application; `token` opens it, `port` is where it will listen."""
    pool = StorePool(sources.opened)
    # Every value is escaped; charts are made by us and are the only markup from outside a template.
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True
    )
    templates.filters |= {"svg": Markup, "thousands": "{:,}".format}
    templates.filters |= {"instant": instant, "shown": shown}
    tasks = TaskRunner(sources.command)
    searches = SavedSearches(sources.searches)
    pages = Pages(sources, pool, tasks, searches, templates)
    acts = FormActs(sources.alerts, tasks, searches, sources.now, sources.reports)

    doors = Doors(access or Access(), token=token, port=port, owner=sources.alerts.user)
    login = LoginPage(doors, templates, LoginThrottle(doors.access.clock))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        closing = asyncio.create_task(pool.close_unused_ones())
        yield
        closing.cancel()
        tasks.close()
        pool.close()

    return Starlette(
        routes=[
            *_routes(pages, acts, LiveTails(sources.opened)),
            Route(LOGIN, login.show),
            Route(LOGIN, login.answer, methods=["POST"]),
            Route(LOGOUT, login.leave, methods=["POST"]),
            *_provider_routes(doors, login),
        ],
        exception_handlers={404: pages.missing},
        middleware=[Middleware(Gate, doors, login), Middleware(GZipMiddleware)],
        lifespan=lifespan,
    )


def _provider_routes(doors: Doors, login: LoginPage) -> list[BaseRoute]:
    if doors.access.provider is None:
        return []
    from shipper.web.oidc import OidcLogin  # noqa: PLC0415 - an extra

    pages = OidcLogin(doors, login, doors.access.provider)
    return [Route(OIDC, pages.start), Route(OIDC_BACK, pages.back)]


def _routes(pages: Pages, acts: FormActs, tails: LiveTails) -> list[BaseRoute]:
    asking = partial(cancelled_with_its_tab, threads=CapacityLimiter(THREADS))
    return [
        Route("/", asking(pages.overview), name="overview"),
        Route("/logs", asking(pages.logs)),
        Route("/live", tails.answer),
        Route("/trace", asking(pages.trace)),
        Route("/similar", asking(pages.similar)),
        Route("/download", asking(pages.download)),
        Route("/incidents", pages.incidents),
        Route("/incidents/{id}", pages.incident),
        Route("/incidents/{id}/{act}", acts.incident, methods=["POST"]),
        Route("/rules", asking(pages.rules)),
        Route("/rules/{name}", asking(pages.rule)),
        Route("/reports", pages.reports),
        Route("/reports/make", acts.report, methods=["POST"]),
        Route("/reports/{name}", pages.report),
        Route("/pipeline", asking(pages.pipeline)),
        Route("/deadletters", pages.deadletters),
        Route("/deadletters/{act}", acts.letters, methods=["POST"]),
        Route("/searches/{act}", acts.search, methods=["POST"]),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
