"""`shipper serve`: the dashboard, for a browser on this machine."""

from __future__ import annotations

import secrets
import socket
import sys
from typing import TYPE_CHECKING

import click

from shipper.alerts.policy import sla_of
from shipper.alerts.settings import load as load_settings
from shipper.commands.alerts_acts import user
from shipper.commands.invocation import Invocation, examples, invoked, refuse
from shipper.config.addresses import HOST_AND_PORT, is_loopback
from shipper.config.main import load
from shipper.config.options import InvalidValueError
from shipper.config.shipped import own_or_shipped
from shipper.errors import ConfigError, ShipperError
from shipper.kibana.place import KibanaPlace
from shipper.process import data_folder
from shipper.store.opening import ReadLimits, store_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shipper.config.main import Config
    from shipper.store.api import Store
    from shipper.web.app import WebSources

USUAL_ADDRESS = "127.0.0.1:8765"
QUESTION_SECONDS = 20.0
STOP_SECONDS = 2
MOST_CONNECTIONS = 200


@click.command(
    epilog=examples(
        "shipper serve",
        "shipper serve --listen 127.0.0.1:9000",
        "ssh -L 8765:127.0.0.1:8765 logs1  # the dashboard of another machine",
    )
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default=USUAL_ADDRESS,
    show_default=True,
    help="Address of this machine to listen on; port 0: any that is free.",
)
@invoked
def serve(invocation: Invocation, *, listen: str) -> int:
    """
    Show records, incidents and hosts in a browser.

    Prints a link that opens the dashboard; its token is valid until the command ends, with Ctrl-C.
    Only this machine can reach it.
    """
    host, port = _address(listen)
    config = load(invocation.config)
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from shipper.web.access import Access  # noqa: PLC0415
        from shipper.web.app import make_app  # noqa: PLC0415
        from shipper.web.trail import WebTrail  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"the dashboard needs {error.name}", "pip install 'orchestrator-shipper[web]'"
        ) from None
    with socket.create_server((host, port), family=_family(host)) as listening:
        port = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        server = f"http://{shown}:{port}/"
        access = Access(
            config.data_dir / data_folder.USERS,
            trail=WebTrail(config.data_dir / data_folder.WEB_LOG, invocation.now),
            link_used=lambda token: click.echo(f"for another browser: {server}?token={token}"),
        )
        token = secrets.token_urlsafe(24)
        app = make_app(_sources(config, invocation), token=token, port=port, access=access)
        click.echo(f"dashboard: {server}?token={token}")
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        uvicorn.Server(settings).run(sockets=[listening])
    return 0


def _sources(config: Config, invocation: Invocation) -> WebSources:
    """Return where the pages have their contents from."""
    from shipper.web.app import WebSources  # noqa: PLC0415 - an extra
    from shipper.web.incidents import AlertPlaces  # noqa: PLC0415

    alerts = AlertPlaces(
        config.data_dir / data_folder.ALERTS_LEDGER,
        config.alerts.rules,
        _runbooks(config),
        sla_of(config.alerts.sla),
        user(),
    )
    server = config.kibana
    return WebSources(
        opened=_opener(config),
        alerts=alerts,
        now=invocation.now,
        reports=config.reports.folder,
        searches=config.data_dir / data_folder.SEARCHES,
        dead_letters=config.data_dir / data_folder.DEAD_LETTERS,
        kibana=None if server is None else KibanaPlace(server.url, server.space),
        command=(sys.executable, "-m", "shipper", "--config", str(invocation.config)),
    )


def _runbooks(config: Config) -> Path:
    """Return the folder of the runbooks; the usual one where the settings of alerts are faulty."""
    try:
        return load_settings(config.alerts.settings).runbooks
    except ShipperError:
        return own_or_shipped("runbooks")


def _opener(config: Config) -> Callable[[], Store]:
    return lambda: store_of(config, ReadLimits(QUESTION_SECONDS))


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _address(listen: str) -> tuple[str, int]:
    """Return host and port; refuse an address that is none, or that others can reach."""
    host, _, port = listen.rpartition(":")
    try:
        if port != "0":
            HOST_AND_PORT.parse(listen)
    except InvalidValueError:
        refuse(f"--listen {listen} is not host:port, such as {USUAL_ADDRESS}")
    host = host.strip("[]")
    if not is_loopback(host):
        refuse(
            f"--listen {listen}: others can reach this address, and the dashboard has no accounts "
            "yet; use 127.0.0.1 and ssh -L"
        )
    return host, int(port)
