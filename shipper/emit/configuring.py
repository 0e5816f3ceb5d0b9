"""
Setting up the application's logging: two ready sets of files, or a config file of one's own.

    development   logs/                  application.log  everything
                                         error.log        ERROR and CRITICAL
                                         debug.log        DEBUG
                                         and the terminal, from INFO, as plain text
    production    /var/log/automation-   app.log          everything but access
                  orchestrator/          error.log        ERROR and CRITICAL
                                         access.log       automation_orchestrator.access
                                         workflow.log     automation_orchestrator.workflows
                                         worker.log       automation_orchestrator.worker
                                         slow_queries.log automation_orchestrator.slow_queries

A record that is in two files has the same `run` and `seq` in both, so it is stored once. Levels:
INFO, in development DEBUG for the loggers below `automation_orchestrator`. Files rotate at 10 MiB
and keep 5 backups, error.log 3. uvicorn's own loggers go the same way, except for its access log,
which the access middleware replaces.

What is wrong with the set-up is raised here, once; what goes wrong later is counted.
"""

from __future__ import annotations

import errno
import json
import logging.config
import os
from pathlib import Path
from typing import Any, Literal

from shipper.emit.access import LOGGER as ACCESS

_APPLICATION = "automation_orchestrator"
_FORMATTER = "shipper.emit.json_lines.JsonFormatter"
_HANDLER = "shipper.emit.rotating.ProcessSafeRotatingFileHandler"
# Class paths of a config file that are served by ours, so that an existing file loads as it is.
_REPLACED = {
    "logging.handlers.RotatingFileHandler": _HANDLER,
    "pythonjsonlogger.json.JsonFormatter": _FORMATTER,
    "pythonjsonlogger.jsonlogger.JsonFormatter": _FORMATTER,
    "pythonjsonlogger.msgspec.MsgspecFormatter": _FORMATTER,
    "pythonjsonlogger.orjson.OrjsonFormatter": _FORMATTER,
}
_SECTIONS = ("formatters", "filters", "handlers", "loggers", "root")
_UVICORN: dict[str, Any] = {
    "uvicorn": {"level": "INFO", "handlers": [], "propagate": True},
    "uvicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
    "uvicorn.access": {"level": "WARNING", "handlers": [], "propagate": False},
}
_DIRECTORIES = {
    "development": "logs",
    "production": "/var/log/automation-orchestrator",
}
_PLAIN = "%(asctime)s [%(levelname)s] %(name)s: %(message)s"


def configure(
    mode: Literal["development", "production"] = "development",
    *,
    directory: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
) -> None:
    """
    Set up logging for this process; call it once in each, where the application is made.

    `directory` takes the place of the mode's folder, which is made if it is missing. `config` is
    the path of a JSON file as `logging.config.dictConfig` takes it, used instead of a mode; its
    relative file names are then relative to `directory`, or to the working directory. In it, the
    classes of python-json-logger and `RotatingFileHandler` mean ours.

    Raises:
        ValueError: the mode is unknown, or the config is not one.
        OSError: the config cannot be read, or a log folder cannot be written.
    """
    if config is not None:
        place = f"logging config {os.fspath(config)}"
        settings = _with_ours(_read(Path(config), place), Path(directory or "."))
    elif mode in _DIRECTORIES:
        place = f"logging mode {mode}"
        settings = _settings(mode, Path(directory or _DIRECTORIES[mode]))
    else:
        raise ValueError(f"logging mode {mode!r} is unknown; use 'development' or 'production'")
    _prepare_folders(settings, place)
    try:
        logging.config.dictConfig(settings)
    except (ValueError, TypeError, AttributeError, KeyError, ImportError) as error:
        raise ValueError(f"cannot use {place}: {_explain(error)}") from error


def _settings(mode: str, directory: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": _FORMATTER}, "plain": {"format": _PLAIN}},
        "filters": {"only_debug": {"()": "shipper.emit.configuring.OnlyDebug"}},
        **(_development(directory) if mode == "development" else _production(directory)),
    }


def _development(directory: Path) -> dict[str, Any]:
    console = {"class": "logging.StreamHandler", "formatter": "plain", "level": "INFO"}
    return {
        "handlers": {
            "console": console,
            "application": _file(directory / "application.log"),
            "error": _file(directory / "error.log", level="ERROR", backups=3),
            "debug": _file(directory / "debug.log") | {"filters": ["only_debug"]},
        },
        "root": {"level": "INFO", "handlers": ["console", "application", "error", "debug"]},
        "loggers": {_APPLICATION: {"level": "DEBUG"}, **_UVICORN},
    }


def _production(directory: Path) -> dict[str, Any]:
    return {
        "handlers": {
            "app": _file(directory / "app.log"),
            "error": _file(directory / "error.log", level="ERROR", backups=3),
            "access": _file(directory / "access.log"),
            "workflow": _file(directory / "workflow.log"),
            "worker": _file(directory / "worker.log"),
            "slow_queries": _file(directory / "slow_queries.log"),
        },
        "root": {"level": "INFO", "handlers": ["app", "error"]},
        "loggers": {
            ACCESS: {"handlers": ["access"], "propagate": False},
            f"{_APPLICATION}.workflows": {"handlers": ["workflow"]},
            f"{_APPLICATION}.worker": {"handlers": ["worker"]},
            f"{_APPLICATION}.slow_queries": {"handlers": ["slow_queries"]},
            **_UVICORN,
        },
    }


def _file(path: Path, *, level: str = "DEBUG", backups: int = 5) -> dict[str, Any]:
    return {
        "class": _HANDLER,
        "filename": os.fspath(path),
        "maxBytes": 10 * 1024 * 1024,
        "backupCount": backups,
        "formatter": "json",
        "level": level,
    }


class OnlyDebug(logging.Filter):
    """Lets pass what is below INFO."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is a detail for developers."""
        return record.levelno < logging.INFO


def _read(path: Path, place: str) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_bytes())
    except OSError as error:
        raise type(error)(f"cannot read {place}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"cannot use {place}: it is not JSON: {error}") from error
    if not isinstance(settings, dict):
        # Not a TypeError: the fault is the file's, not the caller's.
        raise ValueError(f"cannot use {place}: its JSON is not an object")  # noqa: TRY004
    wrong = [name for name in _SECTIONS if not isinstance(settings.get(name, {}), dict)]
    if wrong:
        raise ValueError(f"cannot use {place}: {', '.join(wrong)} is not an object")
    return settings


def _with_ours(settings: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Put our classes in place of those they stand for, and add uvicorn's loggers if not named."""
    for item in (*_objects(settings, "formatters"), *_objects(settings, "handlers")):
        for key in ("class", "()"):
            if item.get(key) in _REPLACED:
                item[key] = _REPLACED[item[key]]
        if isinstance(item.get("filename"), str):
            item["filename"] = os.fspath(directory / item["filename"])
    settings["loggers"] = {**_UVICORN, **settings.get("loggers", {})}
    return settings


def _prepare_folders(settings: dict[str, Any], place: str) -> None:
    for handler in _objects(settings, "handlers"):
        filename = handler.get("filename")
        if not isinstance(filename, str):
            continue
        folder = Path(filename).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            remedy = "make the folder writable for this user or name another"
            sentence = f"cannot use {place}: cannot write to {folder}: {error.strerror}; {remedy}"
            raise type(error)(sentence) from error


def _objects(settings: dict[str, Any], section: str) -> list[dict[str, Any]]:
    """Take the objects of a section; what else is in it, dictConfig will name."""
    return [value for value in settings.get(section, {}).values() if isinstance(value, dict)]


def _explain(error: Exception) -> str:
    return f"{error}: {error.__cause__}" if error.__cause__ else str(error)
