"""Which dataset, categories and error a record belongs to: a table."""

from __future__ import annotations

import pytest

from shipper.enrich.classify import CATEGORIES, Traits, classify
from tests.enrich.enriching import document, line_of

A = "automation_orchestrator"


@pytest.mark.parametrize(
    ("traits", "dataset", "error"),
    [
        (Traits(), "app", None),
        (Traits("shipper.alerts", "WARNING"), "alerts", None),
        (Traits("shipper.web", "WARNING"), "web", None),
        (Traits("shipper.alerts.other"), "app", None),
        (Traits(f"{A}.access", "INFO", "", 200), "access", None),
        (Traits(f"{A}.access", "INFO", "", 399), "access", None),
        (Traits(f"{A}.access", "WARNING", "", 400), "access", "user"),
        (Traits(f"{A}.access", "WARNING", "", 499), "access", "user"),
        (Traits(f"{A}.access", "ERROR", "", 500), "access", "server"),
        (Traits(f"{A}.access", "ERROR", "", 599), "access", "server"),
        (Traits(f"{A}.access", "ERROR"), "access", None),
        (Traits("uvicorn", "INFO", "", 503), "access", "server"),
        (Traits(f"{A}.workflows", "INFO", "success"), "workflow", None),
        (Traits(f"{A}.workflows", "INFO", "running"), "workflow", None),
        (Traits(f"{A}.workflows", "INFO", "failed"), "workflow", "workflow"),
        (Traits(f"{A}.workflows", "INFO", "failure"), "workflow", "workflow"),
        (Traits(f"{A}.workflows", "INFO", "error"), "workflow", "workflow"),
        (Traits(f"{A}.workflows", "INFO", "timeout"), "workflow", "workflow"),
        (Traits(f"{A}.workflows", "ERROR"), "workflow", "workflow"),
        (Traits(f"{A}.workflows.engine", "CRITICAL"), "workflow", "workflow"),
        (Traits("workflow.steps"), "workflow", None),
        (Traits("my_workflows_not"), "app", None),
        (Traits(f"{A}.database", "ERROR"), "app", "server"),
        (Traits(A, "CRITICAL"), "app", "server"),
        (Traits(A, "WARNING", "failed"), "app", None),
        (Traits("root", "error"), "app", None),
        (Traits(f"{A}.accessories", "INFO"), "app", None),
    ],
)
def test_dataset_and_error(traits: Traits, dataset: str, error: str | None) -> None:
    """The record alone decides where it belongs and whose error it is."""
    found = classify(traits)
    assert found.dataset == f"orchestrator.{dataset}"
    assert found.error == error


@pytest.mark.parametrize("name", [*CATEGORIES])
def test_categories(name: str) -> None:
    """The last part of the logger's name decides the categories."""
    assert classify(Traits(f"{A}.{name}")).categories == CATEGORIES[name]
    assert classify(Traits(f"{name}.other")).categories == ()


def test_an_access_record_is_of_the_web() -> None:
    """An HTTP status makes an access record, whatever its logger is called."""
    assert classify(Traits("nginx", "", "", 200)).categories == ("web",)


def test_in_the_document() -> None:
    """Dataset, categories and error stand where Kibana looks for them; no error, no key."""
    failed = document(line_of(1, logger=f"{A}.workflows", status="failed"))
    assert failed["error"] == {"category": "workflow"}
    assert failed["event"]["dataset"] == failed["data_stream"]["dataset"] == "orchestrator.workflow"
    assert failed["event"]["category"] == ["process"]
    fine = document(line_of(2, logger="x", level="INFO"))
    assert "error" not in fine
    assert "category" not in fine["event"]
