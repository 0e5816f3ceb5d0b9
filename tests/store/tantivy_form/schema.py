"""The schema of a part of an index of the old form, as its versions made it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import tantivy

from shipper.fields import FIELDS, FieldKind
from shipper.store.questions import UNGROUPED
from shipper.store.tantivy_migration.parts import Manifest
from shipper.store.tantivy_migration.schema import FLOATS, INTEGERS, VERSION

# Fields without a fast column: the envelope says whether a record has them.
WITHOUT_COLUMN: Final = ("message", "exc_info", "request_id")
MAX_BYTES: Final = 60_000  # of an envelope: a term has to hold it
KEYWORDS: Final = tuple(f.name for f in FIELDS.values() if f.kind is FieldKind.KEYWORD)
TEXTS: Final = tuple(f.name for f in FIELDS.values() if f.kind is FieldKind.TEXT)

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


def create_part(root: Path) -> Path:
    """Create an empty part."""
    path = root / "part-00000001"
    path.mkdir(mode=0o700)
    tantivy.Index(build_schema(), path=str(path))
    (path / "part.json").write_bytes(msgspec.json.encode(Manifest(VERSION, 0)))
    return path


def open_part(path: Path) -> tantivy.Index:
    """Open a part for its writer."""
    index = tantivy.Index.open(str(path))
    index.register_tokenizer(WORDS, word_analyzer())
    return index
