"""
Where a record belongs and whose error it is: decided by the record, never by its file.

An ERROR that the application wrote to both app.log and error.log is one record with one origin,
so its dataset must not depend on which of the two was read first.
"""

from __future__ import annotations

from dataclasses import dataclass

ACCESS = "orchestrator.access"
WORKFLOW = "orchestrator.workflow"
APP = "orchestrator.app"
ALERTS = "orchestrator.alerts"  # what the alert job logs of its incidents
# What the shipper and the alert job log themselves, by the logger.
OWN = {
    "shipper.alerts": ALERTS,
    "shipper.health": "orchestrator.health",  # polls of applications
    "shipper.metrics": "orchestrator.metrics",
    "shipper.web": "orchestrator.web",  # what people did on the dashboard
}

SEVERE = frozenset({"ERROR", "CRITICAL"})
FAILED = frozenset({"failed", "failure", "error", "timeout"})

# Event categories of ECS 9 by the last component of the logger's name.
CATEGORIES = {
    "access": ("web",),
    "auth": ("authentication",),
    "database": ("database",),
    "slow_queries": ("database",),
    "worker": ("process",),
    "workflows": ("process",),
}


STREAMS = "orchestrator."  # what the data streams of all our records begin with


@dataclass(frozen=True, slots=True)
class Traits:
    """What classification looks at; empty or 0 where the record has no such field."""

    logger: str = ""
    level: str = ""
    status: str = ""
    status_code: int = 0


@dataclass(frozen=True, slots=True)
class Classification:
    """Dataset, ECS categories, and the error category: user, server, workflow or None."""

    dataset: str
    categories: tuple[str, ...]
    error: str | None


def stream_of(dataset: str) -> str:
    """
    Return the dataset of the data stream of a record: `orchestrator.nginx.access`.

    All have one beginning, so that templates, roles and queries find them, and none is a stream of
    somebody else.
    """
    return dataset if dataset.startswith(STREAMS) else STREAMS + dataset


def classify(traits: Traits) -> Classification:
    """Decide dataset, categories and error category of one record."""
    parts = traits.logger.split(".")
    dataset = _dataset(parts, traits)
    categories = CATEGORIES.get(parts[-1], ("web",) if dataset == ACCESS else ())
    return Classification(dataset, categories, _error(dataset, traits))


def _dataset(parts: list[str], traits: Traits) -> str:
    if traits.logger in OWN:
        return OWN[traits.logger]
    if traits.status_code or parts[-1] == "access":
        return ACCESS
    return WORKFLOW if "workflows" in parts or "workflow" in parts else APP


def fault_of(status_code: int) -> str | None:
    """Return whose error an HTTP status is: server, user or None."""
    return "server" if status_code >= 500 else "user" if status_code >= 400 else None


def _error(dataset: str, traits: Traits) -> str | None:
    if dataset == ACCESS:
        return fault_of(traits.status_code)
    severe = traits.level in SEVERE
    if dataset == WORKFLOW:
        return "workflow" if severe or traits.status in FAILED else None
    return "server" if severe else None
