"""
What many questions about one time have in common: the records of that time, read once.

They stand in a table in memory, with the columns that the questions name, and no others. A question
on it takes a millisecond or two, on pieces several times that.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from shipper.fields import FieldKind
from shipper.store.api import Aggregation, DateHistogram, Filters, Question, Selection
from shipper.store.embedded.columns import OBJECT_KEYS, STORED, quoted
from shipper.store.embedded.compile import Compiler
from shipper.store.query.parser import parse
from shipper.store.questions import check, field_of, nested

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SHARED_MS: Final = 2 * 3_600_000  # questions about different times within this time share it
SHARED_QUESTIONS: Final = 4  # that share a time, at least
SHARED_RECORDS: Final = 200_000
MOST_FOUND: Final = 200_000  # records that several questions about keys without a column find
_NAME: Final = re.compile(r'"([^"]+)"|\b(\w+)\b')


def shared_time(selections: Sequence[Selection]) -> Selection | None:
    """
    Return the time that enough selections lie in; None if there are too few.

    It is the latest two hours, or a time of any length that enough of them are about.
    """
    until = max((each.until for each in selections if each.until is not None), default=0)
    whole = Selection("", until - SHARED_MS, until)
    shared = [each.since for each in selections if is_within(each, whole)]
    if len(shared) >= SHARED_QUESTIONS:
        return Selection("", min(since for since in shared if since is not None), until)
    times = Counter(Selection("", each.since, each.until) for each in selections)
    ((most, number),) = times.most_common(1) or [(Selection(), 0)]
    has_bounds = most.since is not None and most.until is not None
    return most if number >= SHARED_QUESTIONS and has_bounds else None


def is_within(inner: Selection, outer: Selection) -> bool:
    """Return whether one time lies in another; both have bounds."""
    return (
        inner.since is not None
        and inner.until is not None
        and outer.since is not None
        and outer.until is not None
        and outer.since <= inner.since <= inner.until <= outer.until
    )


def reads_keys(question: Question) -> bool:
    """Return whether keys without a column are read, even if no object has odd ones."""
    condition = Compiler(odd=False).selection(question.selection)
    return "_leaves" in condition or any(_untyped(question.aggregations))


def _untyped(aggregations: Mapping[str, Aggregation]) -> Iterator[bool]:
    for aggregation in aggregations.values():
        field, kind = field_of(aggregation)
        yield kind is FieldKind.OBJECT and field not in OBJECT_KEYS
        yield from _untyped(nested(aggregation))


def named_columns(questions: Sequence[Question]) -> list[str]:
    """
    Return the columns that the statements of some questions name, in the order of the pieces.

    Raises:
        QueryError: a question cannot be answered.
    """
    texts: list[str] = []
    for odd in (False, True):
        compiler = Compiler(odd=odd)
        for question in questions:
            check(question.aggregations)
            texts.append(compiler.selection(question.selection))
            texts += _texts(question.aggregations, compiler)
    found = {first or second for text in texts for first, second in _NAME.findall(text)}
    return [name for name in STORED if name in found or name == "_ms"]


def _texts(aggregations: Mapping[str, Aggregation], compiler: Compiler) -> Iterator[str]:
    for aggregation in aggregations.values():
        if isinstance(aggregation, Filters):
            for query in aggregation.queries.values():
                yield compiler.node(parse(query))
        elif not isinstance(aggregation, DateHistogram):
            field, kind = field_of(aggregation)
            yield quoted(field)
            if kind is FieldKind.OBJECT:
                yield "_leaves"
        yield from _texts(nested(aggregation), compiler)
