"""
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
`VERSION` is incremented with every change of the schema that existing parts do not follow.
"""

from __future__ import annotations

from typing import Final

import tantivy

from shipper.fields import FIELDS, FieldKind
from shipper.store.questions import UNGROUPED

VERSION: Final = 2

KEYWORDS: Final = tuple(f.name for f in FIELDS.values() if f.kind is FieldKind.KEYWORD)
TEXTS: Final = tuple(f.name for f in FIELDS.values() if f.kind is FieldKind.TEXT)
INTEGERS: Final = tuple(f.name for f in FIELDS.values() if f.kind is FieldKind.INTEGER)
FLOATS: Final = tuple(f.name for f in FIELDS.values() if f.kind is FieldKind.FLOAT)

# Fields whose column has another name.
COLUMNS: Final = {"@timestamp": "_ms", "event.created": "_created", "log.offset": "_offset"}

ORDER_BITS: Final = 32
MAX_TERM_BYTES: Final = 65_530  # tantivy does not index longer terms

WORDS: Final = "words"
MAX_WORD_BYTES: Final = 255


def magnitude_column(field: str) -> str:
    """Return the column that holds the magnitude of a field's number (number_order.py)."""
    return f"_magnitude_{field}"


def word_analyzer() -> tantivy.TextAnalyzer:
    """Return the analysis of text fields: runs of letters and digits, lower-cased."""
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    builder = builder.filter(tantivy.Filter.remove_long(MAX_WORD_BYTES + 1))
    return builder.filter(tantivy.Filter.lowercase()).build()


def build_schema() -> tantivy.Schema:
    """Build the schema of a new part."""
    builder = tantivy.SchemaBuilder()
    for name in (*KEYWORDS, "_stream"):
        fast = name != UNGROUPED  # a column of values that are all different costs most of all
        builder.add_text_field(
            name, stored=True, fast=fast, tokenizer_name="raw", index_option="basic"
        )
    for name in TEXTS:
        builder.add_text_field(name, stored=True, tokenizer_name=WORDS)
    for name in (*INTEGERS, "_ms", "_order", "_created", "_offset", "_position"):
        builder.add_integer_field(name, fast=True)
    for name in FLOATS:
        builder.add_float_field(name, fast=True)
        builder.add_integer_field(magnitude_column(name), fast=True)
    builder.add_integer_field("_envelope", fast=True, indexed=True)
    builder.add_text_field("_envelopes", tokenizer_name="raw", index_option="basic")
    builder.add_json_field(
        "extra", fast=True, tokenizer_name="raw", index_option="basic", expand_dots_enabled=True
    )
    builder.add_bytes_field("_extra", stored=True)
    return builder.build()
