"""`shipper serve`: the dashboard, for browsers on this machine, or on others."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from shipper.alerts.policy import sla_of
from shipper.alerts.settings import load as load_settings
from shipper.commands.alerts_acts import user
from shipper.commands.invocation import Invocation, examples, invoked, refuse
from shipper.config.addresses import HOST_AND_PORT, is_loopback
from shipper.config.main import load
from shipper.config.options import InvalidValueError
from shipper.config.outputs import ElasticsearchOutput
from shipper.config.shipped import own_or_shipped
from shipper.errors import ConfigError, ShipperError
from shipper.kibana.place import KibanaPlace
from shipper.process import data_folder
from shipper.store.elasticsearch.curl import CurlPlace
from shipper.store.opening import ReadLimits, store_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import uvicorn

    from shipper.config.main import Config
    from shipper.store.api import Store
    from shipper.web.access import Access
    from shipper.web.app import WebSources
    from shipper.web.certificates import Certificate
    from shipper.web.provider import OidcProvider
    from shipper.web.proxies import Proxies

FILE = click.Path(path_type=Path, dir_okay=False)
USUAL_ADDRESS = "127.0.0.1:8765"
QUESTION_SECONDS = 20.0
STOP_SECONDS = 2
MOST_CONNECTIONS = 200


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How browsers reach the dashboard."""

    listen: str
    names: Sequence[str]
    tls_cert: Path | None
    tls_key: Path | None
    behind_proxy: bool
    trusted: Sequence[str]
    proxy_user_header: str

    @property
    def is_secure(self) -> bool:
        """Whether browsers come by TLS."""
        return self.tls_cert is not None or self.behind_proxy

    @property
    def scheme(self) -> str:
        """The scheme of the address that is listened on."""
        return "http" if self.tls_cert is None else "https"


@click.command(
    epilog=examples(
        "shipper serve",
        "shipper serve --listen 127.0.0.1:9000",
        "ssh -L 8765:127.0.0.1:8765 logs1  # the dashboard of another machine",
        "shipper serve --listen 10.0.0.5:8765 --tls-cert logs1.pem --tls-key logs1.key",
    )
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default=USUAL_ADDRESS,
    show_default=True,
    help="Address of this machine to listen on; port 0: any that is free.",
)
@click.option(
    "--name",
    "names",
    metavar="HOST",
    multiple=True,
    help="Another name by which browsers reach it; can be repeated.",
)
@click.option(
    "--tls-cert", type=FILE, metavar="FILE", help="Certificate (PEM) and its chain, for https."
)
@click.option("--tls-key", type=FILE, metavar="FILE", help="Its key (PEM, without a password).")
@click.option(
    "--behind-proxy", is_flag=True, help="A proxy does TLS; only trusted proxies are answered."
)
@click.option(
    "--trusted-proxy",
    "trusted",
    metavar="NETWORK",
    multiple=True,
    help="Network of proxies, such as 10.0.0.7/32; default: this machine. Can be repeated.",
)
@click.option(
    "--proxy-user-header",
    metavar="NAME",
    default="",
    help="Header in which the proxy names the user that it has logged in.",
)
@invoked
def serve(invocation: Invocation, **given: Any) -> int:
    """
    Show records, incidents and hosts in a browser.

    Without users (see shipper users), it prints a link that logs in whoever opens it first, and the
    next link then. An address that others can reach needs users, and TLS or a proxy. Runs until
    Ctrl-C.
    """
    options = ServeOptions(**given)
    host, port = _address(options.listen)
    config = load(invocation.config)
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from shipper.web.app import make_app  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"the dashboard needs {error.name}", "pip install 'orchestrator-shipper[web]'"
        ) from None
    provider = _provider_of(config, invocation)
    has_users = provider is not None or _has_users(config)
    proxies = _judged(options, host, has_users=has_users)
    with socket.create_server((host, port), family=_family(host)) as listening:
        port = listening.getsockname()[1]
        server = f"{options.scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
        access = _access(config, invocation, options, proxies, (host, server))
        access = replace(access, provider=provider)
        token = "" if has_users else secrets.token_urlsafe(24)
        app = make_app(_sources(config, invocation), token=token, port=port, access=access)
        click.echo(f"dashboard: {server}" + (f"?token={token}" if token else ""))
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=STOP_SECONDS,
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
        )
        asyncio.run(_served(settings, listening, options))
    return 0


async def _served(
    settings: uvicorn.Config, listening: socket.socket, options: ServeOptions
) -> None:
    """Serve until a signal, and use a renewed certificate meanwhile."""
    import uvicorn  # noqa: PLC0415 - an extra

    from shipper.web.certificates import keep_fresh  # noqa: PLC0415

    certificate = None if options.tls_cert is None else _certificate(options)
    settings.load()  # makes the context
    renewing = None
    if certificate is not None and settings.ssl is not None:
        report = partial(click.echo, err=True)
        renewing = asyncio.create_task(keep_fresh(certificate, settings.ssl, report))
    await uvicorn.Server(settings).serve(sockets=[listening])
    if renewing is not None:
        renewing.cancel()


def _access(
    config: Config,
    invocation: Invocation,
    options: ServeOptions,
    proxies: Proxies | None,
    where: tuple[str, str],
) -> Access:
    """Return who may come in, on a server with this host and address."""
    from shipper.web.access import Access  # noqa: PLC0415 - an extra
    from shipper.web.trail import WebTrail  # noqa: PLC0415

    host, server = where

    def print_link(token: str) -> None:
        with suppress(OSError):  # nobody reads it any more
            click.echo(f"for another browser: {server}?token={token}")

    return Access(
        users=config.data_dir / data_folder.USERS,
        names=frozenset(name.lower() for name in (host, *options.names)),
        secure=options.is_secure,
        trail=WebTrail(config.data_dir / data_folder.WEB_LOG, invocation.now),
        proxies=proxies,
        link_used=print_link,
    )


def _provider_of(config: Config, invocation: Invocation) -> OidcProvider | None:
    if config.oidc is None:
        return None
    try:
        from shipper.web.provider import OidcProvider  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            f"oidc needs {error.name}", "pip install 'orchestrator-shipper[oidc]'"
        ) from None
    return OidcProvider(config.oidc, monotonic, invocation.now)


def _has_users(config: Config) -> bool:
    from shipper.web.people import UsersFile  # noqa: PLC0415 - an extra

    return bool(UsersFile(config.data_dir / data_folder.USERS).users())


def _judged(options: ServeOptions, host: str, *, has_users: bool) -> Proxies | None:
    """Return the proxies; refuse a way to the server that is not safe."""
    if (options.tls_cert is None) != (options.tls_key is None):
        refuse("--tls-cert and --tls-key need each other")
    if options.tls_cert is not None:
        _check_certificate(options)
    if not options.behind_proxy and (options.trusted or options.proxy_user_header):
        refuse("--trusted-proxy and --proxy-user-header need --behind-proxy")
    if options.proxy_user_header and not options.trusted:
        refuse(
            "--proxy-user-header needs --trusted-proxy: else every user of this machine could say "
            "to be anybody"
        )
    for name in options.names:
        if not re.fullmatch(r"[\w.:-]+", name, re.ASCII) or re.fullmatch(r"[^:]+:\d+", name):
            refuse(f"--name {name} is no host, such as logs1.example.org, without a port")
    is_open = not is_loopback(host)
    if is_open and not options.is_secure:
        refuse(
            f"--listen {options.listen}: others can reach this address; give --tls-cert and "
            "--tls-key, or --behind-proxy, or use 127.0.0.1 and ssh -L"
        )
    if (is_open or options.behind_proxy) and not has_users:
        refuse(
            f"--listen {options.listen}: others can reach it; first use shipper users add, or set "
            "oidc in the config"
        )
    return _proxies(options) if options.behind_proxy else None


def _proxies(options: ServeOptions) -> Proxies:
    from shipper.web.proxies import LOOPBACK, Proxies  # noqa: PLC0415 - an extra

    try:
        networks = tuple(ip_network(each) for each in options.trusted)
    except ValueError as error:
        refuse(f"--trusted-proxy {error}; use a network such as 10.0.0.7/32")
    return Proxies(networks or LOOPBACK, options.proxy_user_header)


def _certificate(options: ServeOptions) -> Certificate:
    from shipper.web.certificates import Certificate  # noqa: PLC0415 - an extra

    assert options.tls_cert is not None
    assert options.tls_key is not None
    return Certificate(options.tls_cert, options.tls_key)


def _check_certificate(options: ServeOptions) -> None:
    try:
        _certificate(options).check()
    except (OSError, ValueError) as error:  # SSLError is one
        raise ConfigError(
            f"--tls-cert {options.tls_cert}, --tls-key {options.tls_key}: {error}",
            "give a certificate and its key in PEM, without a password",
        ) from None


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
        curl=_curl_of(config),
        kibana=None if server is None else KibanaPlace(server.url, server.space),
        command=(sys.executable, "-m", "shipper", "--config", str(invocation.config)),
    )


def _curl_of(config: Config) -> CurlPlace | None:
    place = config.search or config.output
    if not isinstance(place, ElasticsearchOutput):
        return None
    return CurlPlace(place.hosts[0], config.namespace)


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
    """Return host and port; refuse an address that is none."""
    host, _, port = listen.rpartition(":")
    try:
        if port != "0":
            HOST_AND_PORT.parse(listen)
    except InvalidValueError:
        refuse(f"--listen {listen} is not host:port, such as {USUAL_ADDRESS}")
    host = host.strip("[]")
    return host, int(port)
