"""
Whether a rule goes by words that anybody can write.

Who sends requests writes their path, and with it the message of an access record: a rule that
searches the message alone can be made to fire from outside. A rule is bound if each record that it
finds also has a value that only the application gives it: its logger, its dataset or category, the
class of its exception, the file that it was read from.
"""

from __future__ import annotations

from typing import Final

from shipper.alerts.rules.rule import Rule
from shipper.store.query.parser import parse
from shipper.store.query.tree import And, Exists, Match, Node, Not, Or, Range, Wildcard

FREE: Final = frozenset({"message", "exc_info", "path", "route", "user_agent", "request_id"})
_BINDING: Final = frozenset({"logger", "error_type"})
_BINDING_OBJECTS: Final = ("event.", "data_stream.", "error.", "log.file.")


def is_on_free_text(rule: Rule) -> bool:
    """Return whether a record can be one of the rule's for its words alone."""
    return any(_is_free(parse(probe.query)) for probe in rule.probes)


def _is_free(node: Node) -> bool:
    match node:
        case And(items):
            return any(map(_is_free, items)) and not any(map(_binds, items))
        case Or(items):
            return any(map(_is_free, items))
        case Match(field=field) | Wildcard(field=field):
            return field in FREE
        case _:
            return False


def _binds(node: Node) -> bool:
    """Return whether what matches has a value that only the application can give."""
    match node:
        case And(items):
            return any(map(_binds, items))
        case Or(items):
            return all(map(_binds, items))
        case Match(field=field) | Wildcard(field=field) | Range(field=field) | Exists(field=field):
            return field in _BINDING or field.startswith(_BINDING_OBJECTS)
        case Not(item):
            return isinstance(item, Match) and item.field == "event.dataset"
        case _:
            return False
