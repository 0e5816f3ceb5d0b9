"""Tests of what redaction does to events: identity, structure, actions, and faults of its own."""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
import pytest

from shipper.deliver.bulk import BulkPreparer
from shipper.redact import redactor as module
from shipper.redact.redactor import WITHHELD_TEXT
from shipper.redact.texts import Texts
from shipper.splice import Spliced
from tests.enrich.enriching import RUN, documents, enrich, line_of
from tests.redact.redacting import STREAM, events_of, redacted, redacted_text, redactor

CARD = 4111111111111111


def spliced(*lines: bytes) -> Spliced:
    events = enrich(b"\n".join([*lines, b""]))
    assert isinstance(events, Spliced)
    return events


def test_a_block_without_secrets_is_the_same_object() -> None:
    """Nothing is decoded, copied or encoded anew where no hint of a secret is."""
    events = spliced(line_of(message="Worker started"), line_of(8, message="done", status="ok"))
    foreign = events_of({"message": "plain"})

    assert redactor().redact(events) is events
    assert redactor().redact(foreign) is foreign


def test_spliced_records_stay_spliced() -> None:
    """Their bodies, what outputs read of them, and the documents have no secret; ids stay."""
    events = spliced(
        line_of(message="fine"),
        line_of(8, message="user joe@example.org", request_id="password=x", duration_ms=1.5),
        line_of(9, message="GET /", client_ip="203.0.113.77"),
    )
    ids, times = events.ids, events.times

    new = redactor().redact(events)

    assert isinstance(new, Spliced)
    assert new.ids == ids == [f"{RUN}-{seq}" for seq in (7, 8, 9)]
    assert (new.times, new.offsets, new.origins) == (times, events.offsets, events.origins)
    assert new.bodies[0] is not None
    found = documents(new)
    assert found[1]["message"] == "user [redacted:email]"
    assert found[1]["request_id"] == "password=[redacted:password]"
    assert found[1]["duration_ms"] == 1.5
    assert found[2]["client_ip"] == "203.0.113.0"
    assert [record.message for record in new.records][1] == "user [redacted:email]"
    assert b"joe@" not in BulkPreparer("default").prepare_spliced(new).body


def test_the_path_of_a_file_is_redacted() -> None:
    """Also in spliced records, whose tails are shared by many."""
    events = spliced(line_of(message="fine"))
    tail = events.tails[0]
    events.tails[0] = tail._replace(data=tail.data.replace(b"app.log", b"token=zqx.log"))

    (found,) = documents(redactor().redact(events))

    assert found["log"]["file"]["path"] == "/var/log/orchestrator/token=[redacted:password]"
    assert found["log"]["offset"] == 0
    assert found["host"] == {"name": "web-1"}


def test_a_key_that_stands_twice_hides_nothing() -> None:
    """A decoder shows the last value; the bytes of the line had both."""
    line = line_of(message="password=zqx")[:-1] + b',"message":"fine"}'
    events = enrich(line + b"\n")

    assert "zqx" not in str(redactor().redact(events).docs)


def test_every_value_is_searched_whatever_its_type_and_nesting() -> None:
    """Objects, lists, numbers, keys and tags; two keys that are masked alike are still two."""
    found = redacted(
        {
            "tags": ["joe@example.org"],
            "level": "JOE@EXAMPLE.ORG",
            "extra": {
                "users": {"a@b.co": {"id": CARD, "x": None}, "c@d.co": [1, True, [str(CARD)]]},
                "float": float(CARD),
            },
        }
    )

    assert found["tags"] == ["[redacted:email]"]
    assert found["level"] == "[redacted:email]"
    users = found["extra"]["users"]
    assert [*users] == ["[redacted:email]", "[redacted:email]#2"]
    assert users["[redacted:email]"] == {"id": "[redacted:card]", "x": None}
    assert users["[redacted:email]#2"] == [1, True, ["[redacted:card]"]]
    assert str(CARD) not in str(found)


def test_the_identity_of_a_record_stays() -> None:
    """Time, run, seq, offset, stream, host and dataset are not searched."""
    record = {
        "run": "password=x",
        "seq": CARD,
        "host": {"name": "10.1.2.3"},
        "event": {"dataset": "a@b.co"},
        "log": {"file": {"path": "/a"}, "offset": CARD, "stream": "password=x"},
        "message": "a@b.co",
    }

    found = redacted(record)

    assert found.pop("message") == "[redacted:email]"
    assert {key: found[key] for key in record if key != "message"} == {
        key: record[key] for key in record if key != "message"
    }


def test_a_number_that_its_field_cannot_have_as_text_is_removed() -> None:
    """A mask in a numeric field would be refused by a store."""
    assert "duration_ms" not in redacted({"message": "x", "duration_ms": CARD})


def test_values_of_secret_names_go_whatever_they_are() -> None:
    """Keys that end like a secret's name, and those of the config, hide all that is below them."""
    extra = {"dbPassword": {"a": [1, "x", None]}, "ssn": 5, "token_count": 7, "x": "token ssn"}

    found = redacted({"extra": extra}, names=["ssn"])["extra"]

    mark = "[redacted:password]"
    assert found == {
        "dbPassword": {"a": [mark, mark, None]},
        "ssn": mark,
        "token_count": 7,
        "x": "token ssn",
    }


def test_hashes_are_equal_for_equal_values_and_keys_only() -> None:
    """Records can be joined by them, and without the key no value can be tried out."""
    actions = {"all": "hash"}
    one = redacted_text("Joe@Example.org", actions=actions, key=b"k" * 16)
    same = redacted_text("to joe@example.org", actions=actions, key=b"k" * 16)
    other = redacted_text("joe@example.org", actions=actions, key=b"o" * 16)

    assert one.startswith("[email#")
    assert same == f"to {one}"
    assert other != one


def test_other_actions() -> None:
    """`remove` leaves nothing, `none` leaves all; a detector that is not named follows `all`."""
    actions = {"all": "none", "email": "remove", "ip": "mask"}

    assert redacted({"message": "a@b.co", "level": "x"}, actions=actions).get("message") is None
    text = "to a@b.co, 10.1.2.3, token=x"
    assert redacted_text(text, actions=actions) == "to , 10.1.2.0, token=x"
    assert redacted({"client_ip": "10.1.2.3"}, actions={"ip": "remove"}).get("client_ip") is None


def test_fields_to_keep() -> None:
    """What is named in `keep` is not searched."""
    record = {"client_ip": "10.1.2.3", "extra": {"a": {"b": "10.1.2.3", "c": "10.1.2.3"}}}

    found = redacted(record, keep=["client_ip", "extra.a.b"])

    assert found["client_ip"] == "10.1.2.3"
    assert found["extra"] == {"a": {"b": "10.1.2.3", "c": "10.1.2.0"}}


@pytest.mark.parametrize(
    ("pattern", "text", "without"),
    [
        (r"C-\d{4}", "C-1234\nC-99", "[redacted:customer]\nC-99"),
        (r"^x(\d)$", "x7", "x[redacted:customer]"),
        (r'"(.)"', 'a "b"', 'a "[redacted:customer]"'),
        (r"é+\d", "dé é7", "dé [redacted:customer]"),
    ],
)
def test_patterns_of_the_user(pattern: str, text: str, without: str) -> None:
    """They see every text by itself and unescaped, so anchors mean what they say."""
    found = redacted({"message": text, "logger": "y"}, patterns={"customer": pattern}, actions={})

    assert found["message"] == without
    assert found["logger"] == "y"


@pytest.mark.parametrize(
    "line",
    [
        rb'{"message":"\u0070assword=zqx"}',
        rb'{"message":"token=\u007aqx"}',
        rb'{"message":"https:\/\/u:zqx@h"}',
        rb'{"message":"a\npassword\t=\tzqx"}',
        rb'{"\u0070assword":"zqx"}',
        rb'{"message":"{\"a\":\"{\\\"token\\\":\\\"zqx\\\"}\"}"}',
        rb'{"password":"zqx", broken',
        b'{"password":"zqx\xff"}',
        b"\x1e\x1d password=zqx\x1ezqx",
    ],
)
def test_escapes_hide_nothing(line: bytes) -> None:
    """However a line writes its characters, and if it is no JSON at all."""
    emit = line_of(message="x")[:-1] + b"," + line[1:] if line.startswith(b'{"message') else line
    for each in (line, emit):
        found = str(redactor().redact(enrich(each + b"\n")).docs)
        assert "zqx" not in found
        assert "redacted" in found


def test_records_on_which_redaction_fails_are_withheld(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of this code lets no secret pass, and does not stop the lines beside it."""

    class Failing(Texts):
        def apply(self) -> Any:
            raise ValueError("zqx")

    monkeypatch.setattr(module, "Texts", Failing)
    caplog.set_level(logging.DEBUG)
    events = spliced(line_of(message="fine"), line_of(8, message="password=zqx", level="INFO"))
    redacting = redactor()

    fine, withheld = documents(redacting.redact(events))
    (foreign,) = redacting.redact(events_of({"message": "password=zqx"})).docs

    assert fine["message"] == "fine"
    assert (withheld["message"], withheld["seq"]) == (WITHHELD_TEXT, 8)
    assert json.loads(foreign)["tags"] == ["withheld"]
    assert redacting.withheld == 2
    assert "zqx" not in caplog.text + str(withheld) + str(foreign)


def test_no_separator_is_trusted() -> None:
    """A text with every separator in it loses one, and is not passed."""
    text = "\x1e\x1d\x1c\x02\x03\x04\x05\x06 password=zqx"

    assert "zqx" not in redacted_text(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "10.1.2.3",
            "a 10.1.2.3:80, 10.1.2.0 x.1.2.3",
            "1.2.3.4.5",
            "1234.10.0.1 1.2.3.4567",
            "1.2.3.4.5.6.7.8",
        ),
        *("x.1.2.3456.7.8.9", "5.1.2.3456.7.8.9", ".1.2.3.4.5", "1.2.3.0.5.6.7.8.9"),
        *(
            "\\u00e910.1.2.3",
            "\n10.1.2.3",
            "::ffff:10.1.2.3",
            '"10.1.2.3"',
            "v.1.2.3 1.2.3 .1.2.3.4",
        ),
        *("2001:db8:7::1 10.1.2.3", "password=10.1.2.3"),
    ],
)
def test_masks_in_the_bytes_are_those_in_the_texts(text: str) -> None:
    """IPv4 addresses are masked without decoding, to the same result."""
    events = events_of({"message": text, "extra": {text: [text]}})
    closely = redactor()
    closely._without_ip4 = None

    (fast,) = redactor().redact(events).docs

    assert json.loads(fast) == json.loads(closely.redact(events).docs[0])


def test_an_address_as_the_name_of_a_host_stays() -> None:
    """What the config says is the identity of a host, also if it is an address."""
    record = {"host": {"name": "10.1.2.3"}, "message": "from 10.4.5.6"}

    found = redacted(record)

    assert (found["host"], found["message"]) == ({"name": "10.1.2.3"}, "from 10.4.5.0")


def test_what_was_found_is_counted_without_a_value() -> None:
    """By detector and field; the path below a secret key is not shown, as it has the secret."""
    redacting = redactor(by_field=True)
    redacting.redact(events_of({"message": "a@b.co, c@d.co", "extra": {"u": {"ip": "1.2.3.4"}}}))
    redacting.redact(events_of({"client_ip": "1.2.3.4"}, {"client_ip": "5.6.7.8"}))
    redacting.redact(events_of({"extra": {"zqx@b.co": {"x": "1.2.3.4"}}}))

    assert {key: count for key, count in redacting.found.items() if count} == {
        ("email", "message"): 2,
        ("ip", "extra.u.ip"): 1,
        ("ip", "client_ip"): 2,
        ("email", "extra"): 1,
        ("ip", "extra"): 1,
    }


def test_redacting_twice_changes_nothing() -> None:
    """What stands for a secret is none."""
    for actions in ({"all": "mask"}, {"all": "hash"}):
        options = {"actions": actions, "key": b"k" * 16}
        once = redacted(
            {
                "message": "Authorization: Bearer abc.def1 a@b.co https://u:p@h 10.1.2.3",
                "extra": {"token": "x"},
            },
            **options,
        )
        once.pop("@timestamp")
        again = redacted(once, **options)
        again.pop("@timestamp")
        assert again == once


def test_documents_stay_what_a_store_expects() -> None:
    """A redacted body has the same fields of the same kinds, and begins with its time."""
    events = redactor().redact(spliced(line_of(message="a@b.co", status_code=200, level="INFO")))

    assert isinstance(events, Spliced)
    assert events.bodies[0].startswith(b"2026-02-05T14:30:45.123Z")
    fields = msgspec.json.decode(b'{"timestamp":"' + events.bodies[0] + b"}")
    assert fields["status_code"] == 200
    assert STREAM not in fields
