r"""
The detectors: what a secret looks like.

A detector has two patterns of RE2, whose time is linear in the length of the text whatever it
holds. `pattern` finds secrets in decoded texts; its first group that took part, or all of it, is a
candidate, and `spans` says which parts of that are secrets (a card number has its check digit).
`hint` is looked for in the bytes of JSON: it matches wherever a text within them has a secret, and
perhaps elsewhere. Where it does not match, nothing is decoded. Escapes of JSON are the reason why
these are two: behind `\n` a word does not begin, for a pattern. A text whose letters are escaped
(`\u0070assword`) is always decoded.

What is missed is a leak, and what is masked without need a nuisance: patterns rather take too much.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

ESCAPES: Final = r"\\[u/]"  # of characters that need none: any detector may match behind them

AROUND: Final = 64  # a UUID and a `traceparent` are shorter

Spans = Iterator[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Detector:
    """
    A kind of secret.

    Behind a match without secrets the search goes on after `step` bytes, 0: behind all of it.
    `normal` brings equal secrets to one form before they are hashed; `masked` is what stands in
    place of one, None for the usual mark. `spans` gets a candidate, and up to `AROUND` bytes before
    it and behind it.
    """

    name: str
    pattern: str
    hint: str
    meaning: str
    spans: Callable[[bytes, bytes, bytes], Spans] = lambda found, *_: iter([(0, len(found))])
    step: int = 0
    normal: Callable[[bytes], bytes] = bytes
    masked: Callable[[bytes], bytes] | None = None


# How the names of secrets end, in texts and as keys: `db_password`, `accessToken`, `X-Api-Key`.
NAMES: Final = (
    r"passw(?:or)?d|passphrase|passwort|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key"
    r"|private[_-]?key|credentials?|session[_-]?id|authorization|set-cookie|cookie"
)
NAME_OF_SECRET: Final = re.compile(rf"(?:{NAMES})\Z", re.IGNORECASE)

_QUOTED = (
    r'\\+"((?:[^"\\]|\\\\+.|\\[^"])*)'  # JSON within a text of JSON
    r'|"((?:[^"\\]|\\(?s:.))*)'
    r"|'((?:[^'\\]|\\(?s:.))*)"
)
_BARE = r"""[^\s"'&]+(?:["'][^\s"'&,;:)}\]>]+)*"""  # a quote within it does not end it
_VALUE = rf"(?:{_QUOTED}|({_BARE}))"
_SCHEMED = rf"(?:{_QUOTED}|((?:[A-Za-z-]+[ \t]+)?{_BARE}))"
_IS = r"""\\*["']?\s{0,8}(?:=>|[:=])\s{0,8}"""
_PAIR = (
    rf"(?i)(?:authorization{_IS}{_SCHEMED}"
    rf'|cookie{_IS}(?:\\*"((?:[^"\\]|\\(?s:.))*)|([^\r\n"]+))'
    rf"|--(?:{NAMES})[ \t]+{_VALUE}"
    rf"|(?:{NAMES}){_IS}{_VALUE})"
)

_KEYS = (  # in upper or lower case: a level is stored in upper case
    r"A(?:KIA|SIA)[0-9A-Z]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}"
    r"|glpat-[A-Za-z0-9_-]{20,}"
    r"|xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}"  # Slack
    r"|hooks\.slack\.com/services/[A-Za-z0-9/]{10,}"
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{10,}"  # Stripe
    r"|(?:^|[^A-Za-z0-9])(sk-[A-Za-z0-9_-]{20,})"  # OpenAI, Anthropic
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}"  # Google
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"  # SendGrid
    r"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|hf_[A-Za-z0-9]{30,}|dop_v1_[a-f0-9]{64}"
    r"|[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"  # Telegram
)

_LOCAL = r"[\pL\pN._%+-]"
_IP4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
IP6_HINT: Final = r"[0-9A-Fa-f]::|::[0-9A-Fa-f]|(?:[0-9A-Fa-f]{1,4}:){7}"
_IP6 = r"(?:[0-9A-Fa-f]{0,4}:){2,8}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4})"


def _scheme_value(found: bytes, *_: bytes) -> Spans:
    """Yield what is no word: `Bearer token expired` has no token."""
    if len(found) >= 24 or re.search(rb"[0-9=._~+/]|[a-z][A-Z]", found):
        yield 0, len(found)


def _cards(found: bytes, before: bytes, behind: bytes) -> Spans:
    """
    Yield the numbers of cards, also in a URL, which has `%20` or `+` for a space.

    The digits of an escape before a number are no part of it, unless they make it one.
    """
    found = found.replace(b"%20", b"   ").replace(b"+", b" ")
    spans = [*_cards_in(found, before, behind)]
    if not spans and before.endswith(b"%") and found[:2].isdigit():
        spans = [(first + 2, end + 2) for first, end in _cards_in(found[2:], b"", behind)]
    yield from spans


def _cards_in(found: bytes, before: bytes, behind: bytes) -> Spans:
    """
    Yield the groups of digits, of two at least, that are the number of a card together.

    Digits that touch a letter or `_`, or are parts of a hexadecimal id with hyphens, are none.

    Sums of digits up to each group say whether those between two groups have a right check digit,
    so the time grows with the digits, however many groups they are in.
    """
    groups = [match.span() for match in re.finditer(rb"[0-9]{2,}", found)]
    ends = [0]  # digits up to the end of each group
    sums = [[0], [0]]  # up to the same, with every second digit doubled: odd places, even places
    for first, end in groups:
        digits = found[first:end]
        for doubled, total in enumerate(sums):
            odd = (ends[-1] + doubled) % 2
            plain, twice = digits[1 - odd :: 2], digits[odd::2].translate(_DOUBLED)
            total.append(total[-1] + sum(plain) - 48 * len(plain) + sum(twice))
        ends.append(ends[-1] + end - first)
    at = int(found[1:2] == b".")  # a fraction is no card
    if _is_id_behind(behind):
        last = found.rfind(b" ") + 1
        groups = [group for group in groups if group[0] < last]
    if _is_id_before(before):
        first = len(found.partition(b" ")[0])
        at = max(at, sum(group[0] < first for group in groups))
    while at < len(groups):
        start = groups[at][0]
        lengths = _CARD_LENGTHS.get(found[start], ())
        for last in range(at + 1, min(at + MOST_GROUPS, len(groups)) + 1):
            length = ends[last] - ends[at]
            if length > LONGEST_CARD or not lengths:
                break
            total = sums[ends[last] % 2]
            if length in lengths and (total[last] - total[at]) % 10 == 0:
                yield start, groups[last - 1][1]
                at = last - 1
                break
        at += 1


def _is_id_before(text: bytes) -> bool:
    """Return whether what follows a text, from its next byte on, goes on with an id."""
    word = _WORD_BEFORE.search(text)
    if word is None or _ESCAPE_BEFORE.search(text):
        return False
    return not word[0].endswith(b"-") or _is_hex(word[0])


def _is_id_behind(text: bytes) -> bool:
    """Return whether a text begins in the middle of an id."""
    word = _WORD_BEHIND.match(text)
    return word is not None and (not word[0].startswith(b"-") or _is_hex(word[0]))


def _is_hex(word: bytes) -> bool:
    parts = word.strip(b"-").split(b"-")
    return all(map(_HEX.fullmatch, parts)) and any(map(_HEX_OF_ID.fullmatch, parts))


_WORD_BEFORE: Final = re.compile(rb"[0-9A-Za-z_-]*[A-Za-z_-]\Z")
_WORD_BEHIND: Final = re.compile(rb"[A-Za-z_-][0-9A-Za-z_-]*")
_ESCAPE_BEFORE: Final = re.compile(  # of JSON, of a URL, of a terminal
    rb"(?:\\[a-z]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2}|\x1b\[[0-9;]*[A-Za-z])\Z"
)
_HEX: Final = re.compile(rb"[0-9A-Fa-f]+")
_HEX_OF_ID: Final = re.compile(rb"(?=.*[0-9])(?=.*[A-Fa-f])[0-9A-Fa-f]{4,}")
LONGEST_CARD: Final = 19
MOST_GROUPS: Final = 9  # of two digits, and more, in so many digits
_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))
_CARD_LENGTHS: Final = {  # by the first digit
    ord("2"): (16,),
    ord("3"): (14, 15, 16),
    ord("4"): (13, 16, 19),
    ord("5"): (16, 17, 18, 19),
    ord("6"): (16, 17, 18, 19),
}


def _ibans(found: bytes, *_: bytes) -> Spans:
    """Yield the longest beginning whose checksum is right."""
    text = found.replace(b" ", b"")[:LONGEST_IBAN]
    values = [byte - 48 if byte < 65 else byte - 55 for byte in text]  # A is 10
    head = 0
    for value in values[:4]:  # which belongs at the end
        head = head * (10 if value < 10 else 100) + value
    rest = length = 0
    for place, value in enumerate(values[4:], 5):
        rest = (rest * (10 if value < 10 else 100) + value) % 97
        if place >= SHORTEST_IBAN and (rest * 1_000_000 + head) % 97 == 1:
            length = place
    if length:
        yield 0, _end_of(found, length)


SHORTEST_IBAN: Final = 15
LONGEST_IBAN: Final = 34


def _end_of(text: bytes, length: int) -> int:
    """Return where so many characters that are no spaces end."""
    for index, byte in enumerate(text):
        length -= byte != 32
        if length == 0:
            return index + 1
    return len(text)


def _addresses(found: bytes, *_: bytes) -> Spans:
    if b":" not in found:
        yield 0, len(found)
        return
    start, end = 0, len(found)
    while end and found[:end].endswith(b":") and not found[:end].endswith(b"::"):
        end -= 1
    while start < end:  # `peer:2001:db8::1` has an address behind a word
        if b":" in found[start:end] and is_address(found[start:end]):
            yield start, end
            return
        start = found.find(b":", start, end) + 1 or end
    for match in re.finditer(_IP4.encode(), found):
        yield match.span()


def is_address(text: bytes) -> bool:
    """Return whether all of a text is one IP address."""
    if b":" in text and b"::" not in text and text.count(b":") not in (6, 7):
        return False
    try:
        ipaddress.ip_address(text.decode())
    except ValueError:
        return False
    return b"%" not in text  # a zone is not hidden by a mask


def _network(address: bytes) -> bytes:
    """Return the network that an address is in: /24, of IPv6 /48."""
    if b":" not in address:
        return address.rpartition(b".")[0] + b".0"
    number = int(ipaddress.IPv6Address(address.decode())) >> 80 << 80
    return str(ipaddress.IPv6Address(number)).encode()


DETECTORS: Final[dict[str, Detector]] = {
    each.name: each
    for each in (
        Detector(
            "private_key",
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:(.*?))(?:-----END|\z)",
            r"PRIVATE KEY",
            "PEM blocks of private keys, within one record",
        ),
        Detector(
            "jwt",
            r"(?i)eyJ[A-Z0-9_-]{5,}\.[A-Z0-9_-]+(?:\.[A-Z0-9_-]*)*",
            r"(?i:eyJ[A-Z0-9_-]{5})",
            "JSON Web Tokens",
        ),
        Detector(
            "api_key",
            f"(?i){_KEYS}",
            f"(?i:{_KEYS.replace('(?:^|[^A-Za-z0-9])', '')})",
            "keys of AWS, GitHub, GitLab, Slack, Stripe, OpenAI, Google, SendGrid, npm, PyPI …",
        ),
        Detector(
            "bearer",
            r"(?i)(?:bearer|basic|digest|negotiate|apikey|token)[ \t]+([A-Za-z0-9._~+/-]{8,}=*)",
            r"(?i:bearer|basic|digest|negotiate|apikey|token)(?:[ \t]|\\t)",
            "what follows Bearer, Basic, Token … in a header",
            spans=_scheme_value,
        ),
        Detector(
            "url_password",
            r"""://[^\s/:@"'?#]*:([^\s/"']+)@""",
            r"""://[^\s/:@"'?#]*:""",
            "passwords in URLs",
        ),
        Detector(
            "password",
            _PAIR,
            rf"(?i:{NAMES})",
            "values of password, secret, token, api_key, authorization, cookie …: in texts as "
            "`key=value`, `key: value`, `--key value`, and of fields of these names",
        ),
        Detector(
            "email",
            rf"{_LOCAL}+(?:@|%40)[\pL\pN-]+(?:\.[\pL\pN-]+)+",
            r'[^"]@|%40',
            "e-mail addresses",
            normal=lambda found: found.replace(b"%40", b"@").lower(),
        ),
        Detector(
            "card",
            r"(?:[0-9]\.)?[0-9](?:(?:[ +-]|%20)?[0-9]){12,}",
            r"[2-6](?:(?:[ +-]|%20)?[0-9]){12}",
            "card numbers of 13 to 19 digits with a right check digit (Luhn)",
            spans=_cards,
            normal=lambda found: re.sub(rb"%20|[ +-]", b"", found),
        ),
        Detector(
            "iban",
            r"(?:^|[^A-Za-z0-9])([A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,40})",
            r"(?:^|[^A-Za-z0-9]|\\[bfnrt])[A-Z]{2}[0-9]{2} ?[A-Z0-9]{3}",
            "IBANs with a right checksum",
            spans=_ibans,
            step=4,
            normal=lambda found: found.replace(b" ", b""),
        ),
        Detector(
            "ip",
            rf"({_IP6})|({_IP4})",
            rf"{_IP4}|{IP6_HINT}",
            "IP addresses; the mask keeps the network, /24 or /48",
            spans=_addresses,
            masked=_network,
        ),
    )
}
