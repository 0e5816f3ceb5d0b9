"""Tests of the detectors: what they find, what they leave, and that no text takes them long."""

from __future__ import annotations

import json

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.config import redact as options
from shipper.redact.detectors import DETECTORS, Detector
from tests.redact.redacting import card_of, events_of, iban_of, redacted_text, redactor

PASSWORD = "[redacted:password]"


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("password=hunter2", f"password={PASSWORD}"),
        ("DB_PASSWORD: hunter2 now", f"DB_PASSWORD: {PASSWORD} now"),
        ("password: 'hun ter2', user=x", f"password: '{PASSWORD}', user=x"),
        ('{"password": "hun\\"ter2", "a": 1}', f'{{"password": "{PASSWORD}", "a": 1}}'),
        (r'{"m": "{\"apiKey\": \"a b\\\"c\"}"}', rf'{{"m": "{{\"apiKey\": \"{PASSWORD}\"}}"}}'),
        ("{'secret': 'it\\'s', 'b': 2}", f"{{'secret': '{PASSWORD}', 'b': 2}}"),
        ('pwd=abc"def', f"pwd={PASSWORD}"),
        ("GET /a?token=abc123&x=1", f"GET /a?token={PASSWORD}&x=1"),
        ("curl --password hunter2 -v", f"curl --password {PASSWORD} -v"),
        ("Authorization: Bearer abc.def", f"Authorization: {PASSWORD}"),
        ("authorization=Token hunter2x", f"authorization={PASSWORD}"),
        ("Cookie: a=hunter2; b=3", f"Cookie: {PASSWORD}"),
        ("with Bearer abcdefgh1 sent", "with Bearer [redacted:bearer] sent"),
        ("Basic dXNlcjpwYXNz", "Basic [redacted:bearer]"),
        ("https://u:p@ss@host.com/x", "https://u:[redacted:url_password]@host.com/x"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_", "[redacted:jwt]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdW", "[redacted:jwt]"),
        ("key AKIAABCDEFGHIJKLMNOP", "key [redacted:api_key]"),
        (f"ghp_{'a' * 36} xoxb-1234567890-ab", "[redacted:api_key] [redacted:api_key]"),
        (f"use sk-{'a1' * 12}", "use [redacted:api_key]"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----[redacted:private_key]-----END RSA PRIVATE KEY-----",
        ),
        ("user=joe.b+x@exämple.co.uk!", "user=[redacted:email]!"),
        ("/u/joe%40example.org/x", "/u/[redacted:email]/x"),
        ("4111 1111 1111 1111 at 2024-01-01", "[redacted:card] at 2024-01-01"),
        ("2024-01-01 4111-1111-1111-1111 3", "2024-01-01 [redacted:card] 3"),
        ("card-4111111111111111/x", "card-[redacted:card]/x"),
        ("order7 4111 1111 1111 1111 x", "order7 [redacted:card] x"),
        (r"{\"card\": \"\n4111111111111111\"}", r"{\"card\": \"\n[redacted:card]\"}"),
        (r"\u000a4111111111111111\n", r"\u000a[redacted:card]\n"),
        ("card%3D4111111111111111%0A", "card%3D[redacted:card]%0A"),
        ("\x1b[31m4111111111111111\x1b[0m", "\x1b[31m[redacted:card]\x1b[0m"),
        ("5555555555554444,378282246310005", "[redacted:card],[redacted:card]"),
        ("DE89 3704 0044 0532 0130 00 EUR", "[redacted:iban] EUR"),
        ("ABC AB12 CDEF GB82WEST12345698765432", "ABC AB12 CDEF [redacted:iban]"),
        ("from 10.1.2.3:80", "from 10.1.2.0:80"),
        ("[2001:db8:7::1]:443 at 14:30:45", "[2001:db8:7::]:443 at 14:30:45"),
        ("peer:2001:db8::9", "peer:2001:db8::"),
        ("a:b:10.0.0.1", "a:b:10.0.0.0"),
    ],
)
def test_secrets_are_found(text: str, without: str) -> None:
    """Each kind of secret is found in the forms in which logs have it."""
    assert redacted_text(text) == without


@pytest.mark.parametrize(
    "text",
    [
        "Bearer token expired",
        "max_tokens=512, tokens: 3, the secret of success",
        "http://localhost:8080/x?mail",
        "risk-assessment-of-all-things-here",
        "request 1770249600000, order 4111111111111112",
        "took 0.4111111111111111 s",
        "request_id 9f4111111111111111c2, a4111111111111111, 4111111111111111e",
        "req_4111111111111111 and 4111111111111111_1",
        "trace 4bf92f35-4111-1111-1111-1111a, 00-4bf92f3577b34da6-4111111111111111-01",
        "4111111111111111-4bf92f35, 41111111-1111-1111-8111-11111111abcd",
        "at 14:30:45, MAC aa:bb:cc:dd:ee:ff, std::vector",
        "AB12CDEF34567890ABCD is no account",
        "version 1.2.3, mail to the @team",
        "password",
        "password=",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Words, times, ids and numbers without a check digit are left as they are."""
    assert redacted_text(text) == text


@settings(max_examples=40)
@given(st.integers(0, 10**14 - 1))
def test_every_right_number_is_found(number: int) -> None:
    """A card number or an IBAN is found whatever its digits are."""
    assert redacted_text(f"of {card_of(number)}.") == "of [redacted:card]."
    assert redacted_text(f"of {iban_of(number)}.") == "of [redacted:iban]."


SECRETS = (
    *(
        "a@b.co",
        card_of(7),
        iban_of(7),
        "10.1.2.3",
        "2001:db8:7::1",
        "token=zqx",
        "Bearer zqx45678",
    ),
    *("https://u:zqx@h", "eyJhbGciOi.zqx", f"ghp_{'a' * 36}", "password: 'z q x'"),
)


@settings(max_examples=60)
@given(
    st.text(max_size=30),
    st.sampled_from(["", " ", "=", '"', "'", "\\", "\n", "\t", "\x08", "é", "&", "/"]),
    st.sampled_from(SECRETS),
)
def test_a_hint_is_there_wherever_a_secret_is(text: str, mark: str, secret: str) -> None:
    """What is found by decoding every record is found by the hints in its bytes, too."""
    events = events_of({"message": f"{text}{mark}{secret}{mark}{text}"})
    reads_all = redactor()
    reads_all._rules.reads_all = True

    (by_hints,), (by_all,) = redactor().redact(events).docs, reads_all.redact(events).docs
    assert json.loads(by_hints) == json.loads(by_all)


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=lambda each: each.name)
def test_no_text_takes_long(detector: Detector) -> None:
    """Texts made to be hard take time in proportion to their length, for every detector."""
    size = 1 << 14
    hard = [
        *("a@" * size, "1 " * size, "4 1 " * size, "41 11 " * size, "AB12" * size, "1." * size),
        *("a:" * size, "::" * size, "password=" * size, 'token:"\\' * size, "eyJ" * size),
        *("Bearer " * size, "://u:" * size, "-----BEGIN PRIVATE KEY" * size, "'" * size),
    ]
    for text in hard:
        # Backtracking would take hours: the time limit of every test would end it.
        assert redacted_text(text[: 2 * size], actions={detector.name: "mask"})


def test_the_config_knows_every_detector() -> None:
    """The names in the config are those of the detectors, and all of the patterns compile."""
    assert tuple(DETECTORS) == options.DETECTORS
    for each in DETECTORS.values():
        re2.compile(each.pattern)
        re2.compile(each.hint)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("q=%204111111111111111", "q=%20[redacted:card]"),
        ("%254111111111111111&a=1", "%25[redacted:card]&a=1"),
        ("n=4111%201111%201111%201111", "n=[redacted:card]"),
        ("n=%204111+1111+1111+1111&x", "n=%20[redacted:card]&x"),
        ("100%4111111111111111", "100%[redacted:card]"),
        ("n=4111+1111+1111+1112", "n=4111+1111+1111+1112"),
        ("q=%204111111111111112", "q=%204111111111111112"),
    ],
)
def test_a_card_in_a_url(text: str, left: str) -> None:
    """Escapes of a URL neither hide the number of a card nor are a part of it."""
    assert redacted_text(text) == left
