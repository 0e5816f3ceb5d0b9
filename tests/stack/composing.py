"""
Docker Compose's own reading of compose files.

What reads them, the first that works: `docker compose config`, a program on the library that
Docker Compose is made of, built with Go into .cache. Without either a test is skipped with the
reason, or fails where SHIPPER_TEST_REQUIRE is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.servers.elasticsearch import give_up
from tests.stack.layout import ROOT

SOURCE = Path(__file__).parent / "compose_reader"
PROGRAM = ROOT / ".cache" / "compose-reader" / "compose_reader"
BUILD_SECONDS = 300  # the first build of all fetches the library


def read_compose(files: tuple[Path, ...], environment: Path) -> dict[str, Any]:
    """Return the project that the files make, all profiles with it."""
    done = subprocess.run(
        [*_command(files, environment)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    project: dict[str, Any] = yaml.safe_load(done.stdout)
    return project


def _command(files: tuple[Path, ...], environment: Path) -> list[str]:
    docker = shutil.which("docker") or "/bin/false"
    asked = [docker, "compose", "version"]
    if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
        chosen = [part for file in files for part in ("--file", str(file))]
        told = ["--env-file", str(environment), "--profile", "*"]
        return [docker, "compose", *chosen, *told, "config"]
    go = shutil.which("go")
    if go is None:
        give_up("there is neither docker compose nor go, which would build its library")
    built = subprocess.run(
        [go, "build", "-buildvcs=false", "-o", str(PROGRAM), "."],
        cwd=SOURCE,
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if built.returncode != 0:
        give_up(f"the reader of compose files cannot be built: {built.stderr.strip()}")
    return [str(PROGRAM), str(ROOT), str(environment), *map(str, files)]
