"""Commands that root runs beside a service: nothing is left that the service can't open."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipper.agent.requests import ReplayRequest, ask
from shipper.alerts.ledger.ledger import Ledger
from shipper.cli import main
from shipper.files import make_folder
from shipper.store.embedded.view import unreadable
from tests.check.checking import as_nobody
from tests.commands.cli_index import config_in

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can work beside a service")

SERVICE = 65534
FOLDERS = ("data", "index")


def give_to_service(folder: Path) -> None:
    for root, folders, names in os.walk(folder):
        for name in (".", *folders, *names):
            os.chown(Path(root, name), SERVICE, SERVICE, follow_symlinks=False)


def foreign(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.rglob("*")) if path.stat().st_uid != SERVICE]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder with the data and store of a service: two commits, and a ledger."""
    config = config_in(tmp_path)
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs/app.log"
    for text in ("one", "two"):
        with log.open("a") as file:
            file.write(json.dumps({"message": text}) + "\n")
        done = CliRunner().invoke(main, ["--config", str(config), "run", "--once"])
        assert done.exit_code == 0, done.output
    Ledger(tmp_path / "data/alerts.db").close()
    for name in FOLDERS:
        give_to_service(tmp_path / name)
    return tmp_path


COMMANDS = (
    "audit",
    "audit --repair",
    "store compact",
    "deadletters drop x",
    "registry reset LOG",
    "alerts silence rule=timeouts --for 1h",
    "alerts list",
    "checklist daily --tick errors",
    "search one",
)


def test_what_root_leaves_belongs_to_the_service(site: Path) -> None:
    """In data folder and store, files and folders have the owner of the folder they are in."""
    left = {}
    for command in COMMANDS:
        arguments = command.replace("LOG", f"{site}/logs/app.log").split()
        done = CliRunner().invoke(main, ["--config", str(site / "shipper.yml"), *arguments])
        assert done.exit_code in (0, 1), done.output
        left[command] = [path for name in FOLDERS for path in foreign(site / name)]

    assert {command: found for command, found in left.items() if found} == {}


def test_a_request_can_be_read_by_the_service(tmp_path: Path) -> None:
    """The first command of root makes the folder of requests, which the service has to list."""
    os.chown(tmp_path, SERVICE, SERVICE)

    ask(tmp_path / "requests", "1", ReplayRequest())

    assert foreign(tmp_path) == []


def test_folders_above_a_private_one_have_the_usual_mode(tmp_path: Path) -> None:
    """Only the last one is for its owner alone."""
    make_folder(tmp_path / "srv/data")
    make_folder(tmp_path / "srv/data")

    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("srv", "srv/data")]
    assert modes == [0o777 & ~_umask(), 0o700]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_file_of_another_user_is_not_called_damaged(site: Path) -> None:
    """The remedy is about its owner; nobody is told to move records away."""
    (file, *_) = (site / "index/main").glob("*.ndjson")
    file.chmod(0)

    found = unreadable(site / "index", [file, site / "shipper.yml"], OSError("IO Error\nLINE 1"))
    with as_nobody():
        closed = unreadable(site / "index", [file], OSError("IO Error\nLINE 1"))

    assert str(found).startswith(f"cannot read the store {site}/index: IO Error; if the disk")
    assert f"this user may not read {file}" in closed.fault
    assert closed.remedy is not None
    assert "move" not in closed.remedy
