"""configure(): which record ends in which file, and what is said when it cannot be set up."""

from __future__ import annotations

import copy
import json
import logging
import logging.config
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper import emit
from tests.emit.emit_files import logging_put_back, read

GUIDE = Path(__file__).parents[2] / "config" / "logging_config.json"


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    with logging_put_back():
        yield


def log_everywhere() -> None:
    """Log once at the places that have a file, and the details of one."""
    logging.getLogger("automation_orchestrator.access").info("access")
    logging.getLogger("automation_orchestrator.workflows").info("workflow")
    logging.getLogger("automation_orchestrator.workflows.steps").error("step failed")
    logging.getLogger("automation_orchestrator.worker").info("worker")
    logging.getLogger("automation_orchestrator.slow_queries").warning("slow query")
    logging.getLogger("automation_orchestrator.engine").debug("detail")
    logging.getLogger("some.library").info("library")
    logging.getLogger("some.library").debug("library's detail")
    logging.getLogger("uvicorn.error").info("server")
    logging.getLogger("uvicorn.access").info("server's access")


def messages(folder: Path) -> dict[str, list[str]]:
    return {
        path.name: [record["message"] for record in read(path)] for path in sorted(folder.iterdir())
    }


def test_production_has_a_file_for_each_purpose(tmp_path: Path) -> None:
    """app.log holds all but access; the others are views of it, error.log of what went wrong."""
    emit.configure("production", directory=tmp_path)
    log_everywhere()

    assert messages(tmp_path) == {
        "access.log": ["access"],
        "app.log": ["workflow", "step failed", "worker", "slow query", "library", "server"],
        "error.log": ["step failed"],
        "slow_queries.log": ["slow query"],
        "worker.log": ["worker"],
        "workflow.log": ["workflow", "step failed"],
    }


def test_development_has_everything_in_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """application.log holds all, debug.log the details; the terminal shows plain text."""
    emit.configure("development", directory=tmp_path)
    log_everywhere()

    everything = ["access", "workflow", "step failed", "worker", "slow query", "detail"]
    assert messages(tmp_path) == {
        "application.log": [*everything, "library", "server"],
        "debug.log": ["detail"],
        "error.log": ["step failed"],
    }
    terminal = capsys.readouterr().err.splitlines()
    assert len(terminal) == 7
    assert terminal[0].endswith("[INFO] automation_orchestrator.access: access")


def test_a_record_in_several_files_has_one_origin(tmp_path: Path) -> None:
    """So that it is stored once, and so that no number is missing between the files."""
    emit.configure("production", directory=tmp_path)
    log_everywhere()

    by_origin: dict[tuple[str, int], set[str]] = {}
    for path in tmp_path.iterdir():
        for record in read(path):
            by_origin.setdefault((record["run"], record["seq"]), set()).add(record["message"])
    assert all(len(texts) == 1 for texts in by_origin.values())
    seqs = sorted(seq for _, seq in by_origin)
    assert seqs == list(range(seqs[0], seqs[0] + 7))


def test_uvicorns_own_set_up_is_replaced(tmp_path: Path) -> None:
    """Configured after uvicorn did, as a worker does, its records are in app.log, once."""
    uvicorn_config = pytest.importorskip("uvicorn.config")
    logging.config.dictConfig(copy.deepcopy(uvicorn_config.LOGGING_CONFIG))
    emit.configure("production", directory=tmp_path)
    logging.getLogger("uvicorn.error").info("started", extra={"color_message": "\x1b[1mstarted"})
    logging.getLogger("uvicorn.access").info("GET / 200")

    (record,) = read(tmp_path / "app.log")
    assert record["message"] == "started"
    assert "color_message" not in record


def test_the_guides_config_loads_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its class paths mean ours: the fields have values, and its files are safe to share."""
    monkeypatch.chdir(tmp_path)
    emit.configure(config=GUIDE)
    logger = logging.getLogger("automation_orchestrator.workflows")
    with emit.bind(workflow_id="workflow_123"):
        logger.error("Workflow failed", extra={"status": "failed"})

    (record,) = read(tmp_path / "logs" / "error.log")
    assert (
        record.items()
        >= {
            "level": "ERROR",
            "logger": "automation_orchestrator.workflows",
            "message": "Workflow failed",
            "workflow_id": "workflow_123",
            "status": "failed",
        }.items()
    )
    assert {"timestamp", "run", "seq"} <= set(record)
    assert read(tmp_path / "logs" / "application.log") == [record]
    assert json.loads(capsys.readouterr().err) == record
    _, *files = logging.getLogger().handlers
    assert all(isinstance(file, emit.ProcessSafeRotatingFileHandler) for file in files)


def test_the_guides_config_is_unchanged() -> None:
    """The file is as printed: the class paths and sizes that people know."""
    settings = json.loads(GUIDE.read_bytes())

    assert settings["formatters"]["json"] == {
        "class": "pythonjsonlogger.jsonlogger.JsonFormatter",
        "format": "%(timestamp)s %(level)s %(logger)s %(message)s",
    }
    assert settings["handlers"]["file"]["class"] == "logging.handlers.RotatingFileHandler"
    assert settings["handlers"]["file"]["backupCount"] == 5
    assert settings["handlers"]["error_file"]["backupCount"] == 3


def test_a_configs_files_can_be_put_elsewhere(tmp_path: Path) -> None:
    """Relative names in a config are relative to the directory, if one is given."""
    emit.configure(config=GUIDE, directory=tmp_path)
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("uvicorn.access").info("GET / 200")

    assert messages(tmp_path / "logs") == {"application.log": ["started"]}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "logging.json"
    path.write_text(text)
    return path


ASKS_FOR_MORE = """
{"version": 1,
 "formatters": {"json": {"()": "pythonjsonlogger.json.JsonFormatter", "json_indent": 2}}}
"""
ERASES = """
{"version": 1,
 "handlers": {"file": {"class": "logging.handlers.RotatingFileHandler", "filename": "app.log",
                       "mode": "w"}}}
"""
IS_NO_SIZE = """
{"version": 1,
 "handlers": {"file": {"class": "logging.handlers.RotatingFileHandler", "filename": "app.log",
                       "maxBytes": "10 MB"}}}
"""
FAULTY: list[tuple[str, str]] = [
    ("{", "it is not JSON: "),
    ("[]", "its JSON is not an object"),
    ("{}", "dictionary doesn't specify a version"),
    ('{"version": 1, "handlers": {"file": {"class": "no.such.Handler"}}}', "'file': "),
    ('{"version": 1, "handlers": 7}', "handlers is not an object"),
    (ASKS_FOR_MORE, "json_indent makes lines that are no records; remove it"),
    (ERASES, "would erase"),
    (IS_NO_SIZE, "maxBytes '10 MB' is not possible; write a whole number"),
]


@pytest.mark.parametrize(("text", "fault"), FAULTY)
def test_a_config_that_is_none_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    """The error names the file and the fault; the next one that is right is taken."""
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=r"^cannot use logging config ") as caught:
        emit.configure(config=path, directory=tmp_path)

    assert str(path) in str(caught.value)
    assert fault in str(caught.value)
    emit.configure(directory=tmp_path)


def test_an_unknown_mode_is_refused() -> None:
    """The error names the modes that there are."""
    mode: Any = "prod"
    with pytest.raises(ValueError, match="'prod' is unknown; use 'development' or 'production'"):
        emit.configure(mode)


def test_a_config_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing file is said to be missing."""
    with pytest.raises(FileNotFoundError, match=r"^cannot read logging config .*: No such file"):
        emit.configure(config=tmp_path / "missing.json")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """What is wrong from the start is said at the start, with a remedy."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"^cannot use logging mode production: cannot write to "):
        emit.configure("production", directory=tmp_path / "file")
    with pytest.raises(OSError, match="make the folder writable for this user or name another"):
        emit.configure("production", directory=tmp_path / "file" / "logs")


def test_importing_emit_is_light() -> None:
    """An application gets python-json-logger and msgspec with it, and nothing else."""
    code = "import sys, shipper.emit; print(*{name.split('.')[0] for name in sys.modules})"
    command = [sys.executable, "-S", "-c", code]
    paths = [path for path in sys.path if path.endswith("site-packages")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(GUIDE.parents[1]), *paths])}
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)

    others = set(loaded.stdout.split()) - sys.stdlib_module_names - {"__main__"}
    assert others <= {"shipper", "pythonjsonlogger", "msgspec", "typing_extensions"}
    assert "asyncio" not in loaded.stdout


def test_the_arguments_of_python_json_logger(tmp_path: Path) -> None:
    """A config that people have loads as it is, and says what it said."""
    formatter = {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "format": "%(process)d %(levelname)s",
        "rename_fields": {"process": "pid", "levelname": "severity", "tenant": "customer"},
        "static_fields": {"env": "prod", "tenant": "none"},
        "defaults": {"region": "eu", "env": "test"},
        "reserved_attrs": ["secret"],
        "json_default": "tests.emit.test_configuring.shown",
        "timestamp": True,
        "json_ensure_ascii": False,
        "prefix": "",
    }
    handler = {
        "class": "logging.handlers.RotatingFileHandler",
        "filename": "app.log",
        "maxBytes": " 10485760 ",
        "backupCount": "3",
        "errors": "replace",
        "formatter": "json",
    }
    text = json.dumps(
        {
            "version": 1,
            "formatters": {"json": formatter},
            "handlers": {"file": handler},
            "root": {"level": "INFO", "handlers": ["file"]},
        }
    )
    emit.configure(config=written(tmp_path, text), directory=tmp_path)
    extra = {"tenant": "acme", "secret": "x", "shape": Shape(), "broken": Broken()}
    logging.getLogger().error("hello", extra=extra)

    (record,) = read(tmp_path / "app.log")
    assert record["level"] == "ERROR"
    assert (record["env"], record["region"], record["customer"]) == ("prod", "eu", "acme")
    assert record["pid"] == os.getpid()
    assert record["shape"] == "a shape"
    assert not {"secret", "tenant", "process", "severity"} & {*record}
    assert record["broken"]


class Shape:
    """A value that no encoder knows."""


class Broken:
    """A value that the application's own encoder fails on."""


def shown(value: object) -> str:
    """Encode a value, as a config of an application names it."""
    if isinstance(value, Shape):
        return "a shape"
    raise TypeError(value)
