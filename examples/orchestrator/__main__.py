"""Run the Automation Orchestrator: `python -m examples.orchestrator --help`."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from examples.orchestrator.app import install
from examples.orchestrator.faults import PROFILES, FaultRates, parse
from examples.orchestrator.settings import MODES, Settings


def main() -> None:
    """Serve until a signal ends it."""
    options = _options()
    settings = Settings(
        logs=options.logs.absolute(),
        data=options.data.absolute(),
        mode=options.mode,
        faults=options.faults,
        queue_workers=options.queue_workers,
    )
    os.environ.update(settings.to_environment())
    install(settings)
    with socket.create_server((options.host, options.port), backlog=2048) as listener:
        host, port = listener.getsockname()[:2]
        sys.stdout.write(
            f"Automation Orchestrator on http://{host}:{port}, logs in {options.logs}\n"
        )
        sys.stdout.flush()
        _serve(listener, processes=options.workers)


def _serve(listener: socket.socket, *, processes: int) -> None:
    config = uvicorn.Config(
        "examples.orchestrator.app:create_app_from_environment",
        factory=True,
        workers=processes,
        log_config=None,  # uvicorn's own records go where the application's go
        access_log=False,  # emit's middleware writes it, with more in it
    )
    if processes > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        uvicorn.Server(config).run(sockets=[listener])


def _options() -> argparse.Namespace:
    usual = Settings.from_environment(os.environ)
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
    main()
