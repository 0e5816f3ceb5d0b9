r"""
The schema of a part: how each field of a document is stored in tantivy, and why.

    known keyword          raw term, fast column, stored      exact match, wildcards, terms
    known text             words with positions, stored       words, phrases
    known number           fast column                        ranges, aggregations
    known float            and `_magnitude_…` beside it       percentiles
    host, service, event,  `_envelope`: the number of the     one number a record instead of a
    error, log,            combination of their values; the   dozen constants; a query on them is
    data_stream            first record that has it carries   answered on the few combinations
                           its JSON in `_envelopes`
    event.created          `_created`, epoch ms               they differ record by record
    log.offset             `_offset`
    extra                  JSON: raw terms, fast columns,     what a value looked like is not lost
                           values as untyped.py reads;
                           its own text in `_extra`, stored

    _ms        `@timestamp` in epoch milliseconds (tantivy's own dates keep whole seconds only)
    _order     number of the commit << 32 | index in it: the order in which records were stored
    _stream    } origin of a record whose `_id` is not `<run>-<seq>`
    _position  }

An `_id` is not stored: it is composed of `run` and `seq`, or of `_stream` and `_position`.
What enriched records have in common is stored once per part: each combination of the objects is a
term `<number>\t<json>` in `_envelopes`, in which `_has` lists fields that have no column.
"""

from __future__ import annotations

from typing import Final

from shipper.fields import FIELDS, FieldKind

VERSION: Final = 2

INTEGERS: Final = tuple(f.name for f in FIELDS.values() if f.kind is FieldKind.INTEGER)
FLOATS: Final = tuple(f.name for f in FIELDS.values() if f.kind is FieldKind.FLOAT)
ORDER_BITS: Final = 32
HAS: Final = "_has"
