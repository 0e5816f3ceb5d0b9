"""Run the Automation Orchestrator: `python -m examples.orchestrator --help`."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from examples.orchestrator.app import install
from examples.orchestrator.database import DatabaseUnavailableError
from examples.orchestrator.faults import PROFILES, FaultRates, parse
from examples.orchestrator.settings import MODES, Settings


def main() -> int:
    """Serve until a signal ends it; 3 if that cannot begin."""
    try:
        usual = Settings.from_environment(os.environ)
    except ValueError as error:
        sys.stderr.write(f"wrong setting in the environment: {error}\n")
        return 2
    options = _options(usual)
    settings = replace(
        usual,
        logs=options.logs.absolute(),
        data=options.data.absolute(),
        mode=options.mode,
        faults=options.faults,
        queue_workers=options.queue_workers,
        slow_query_ms=options.slow_query_ms,
    )
    os.environ.update(settings.to_environment())
    try:
        with socket.create_server((options.host, options.port), backlog=2048) as listener:
            install(settings)  # not before the port is ours: another one may run on this data
            _announce(listener, settings)
            return _serve(listener, processes=options.workers)
    except (OSError, DatabaseUnavailableError) as error:
        sys.stderr.write(f"cannot run on {options.host}:{options.port}: {error}\n")
        return 3


def _announce(listener: socket.socket, settings: Settings) -> None:
    host, port = listener.getsockname()[:2]
    where = f"http://{host}:{port}, logs in {settings.logs}"
    sys.stdout.write(f"Automation Orchestrator on {where}\n")
    sys.stdout.flush()


def _serve(listener: socket.socket, *, processes: int) -> int:
    # asyncio does this only for sockets that name their protocol, which this one does not; without
    # it an answer in two packets takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        "examples.orchestrator.app:create_app_from_environment",
        factory=True,
        workers=processes,
        log_config=None,  # uvicorn's own records go where the application's go
        access_log=False,  # emit's middleware writes it, with more in it
    )
    if processes > 1:
        Multiprocess(config, sockets=[listener]).run()
        return 0
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # comes again when uvicorn has shut down
        server.run(sockets=[listener])
    return 0 if server.started else 3


def _options(usual: Settings) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.orchestrator",
        description="A small workflow application that logs through shipper.emit.",
        epilog=_switches(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=8000, help="0 takes a free one and prints it (%(default)s)")
    add("--logs", type=Path, default=usual.logs, help="folder of the log files (%(default)s)")
    add("--data", type=Path, default=usual.data, help="folder of the database (%(default)s)")
    add("--mode", choices=MODES, default=usual.mode, help="set of log files (%(default)s)")
    add("--workers", type=int, default=1, help="server processes (%(default)s)")
    add(
        "--queue-workers",
        type=int,
        default=usual.queue_workers,
        help="executions at a time, per server process (%(default)s)",
    )
    add(
        "--slow-query-ms",
        type=float,
        default=usual.slow_query_ms,
        metavar="N",
        help="a query that takes so long is logged as slow (%(default)s)",
    )
    add(
        "--faults",
        type=_checked_faults,
        default=usual.faults,
        metavar="LIST",
        help="what breaks, as in none,timeout=0.2 or demo,server_error=0.5 (%(default)s)",
    )
    return parser.parse_args()


def _checked_faults(text: str) -> str:
    try:
        parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _switches() -> str:
    lines = [f"  {name:17} {field.description}" for name, field in FaultRates.model_fields.items()]
    return "\n".join([f"faults (profiles: {', '.join(PROFILES)}):", *lines])


if __name__ == "__main__":
    sys.exit(main())
