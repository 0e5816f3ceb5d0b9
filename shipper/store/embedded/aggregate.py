"""Aggregations (being built)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.store.api import Answer, Question
    from shipper.store.embedded.view import View


def answer_all(questions: Sequence[Question], views: Sequence[View]) -> list[Answer]:
    raise QueryError("not yet")
