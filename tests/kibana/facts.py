"""
The schema of Kibana's API, which is not ours to publish: a folder beside the checkout.

SHIPPER_KIBANA_FACTS names it; else it is `../shared/kibana`. Without it a test is skipped with the
reason.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("SHIPPER_KIBANA_FACTS", ROOT.parent / "shared/kibana"))
DASHBOARD, DATA_VIEW = "kbn-dashboard-data", "data-view-create"


@cache
def validator(kind: str) -> Draft202012Validator:
    """Return what validates bodies of this kind; skip the test without the schema."""
    try:
        schema = json.loads((FOLDER / "schema.json").read_text())
    except FileNotFoundError:
        pytest.skip(f"no schema of Kibana's API in {FOLDER}; SHIPPER_KIBANA_FACTS names another")
    return Draft202012Validator({**schema, "$ref": f"#/$defs/{kind}"})


def faults_if_known(kind: str, body: Any) -> list[str]:
    """Return the same, for a server of the tests that has to answer without the schema too."""
    return faults(kind, body) if (FOLDER / "schema.json").exists() else []


def faults(kind: str, body: Any) -> list[str]:
    """Return what the schema has against a body."""
    return _faults(kind, json.dumps(body))


@cache  # the same bodies are sent in many tests, and each takes a while
def _faults(kind: str, text: str) -> list[str]:
    found = []
    for error in validator(kind).iter_errors(json.loads(text)):
        inner = error
        while inner.context:
            inner = best_match(inner.context) or inner.context[0]
        found.append(f"{'/'.join(map(str, inner.absolute_path))}: {inner.message[:200]}")
    return found
