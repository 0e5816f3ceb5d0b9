"""Writes small databases in the format of MaxMind: https://maxmind.github.io/MaxMind-DB/."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from typing import Any

MARK = b"\xab\xcd\xefMaxMind.com"
KINDS = {"node_count": 6, "build_epoch": 9}  # of the numbers of the metadata; others are of 16 bits
SEPARATOR = 16  # bytes of zero between tree and data


def database(networks: Mapping[str, Any], *, version: int = 6) -> bytes:
    """Return a database of these networks and what is known of each."""
    nodes: list[list[Any]] = [[None, None]]
    for text, value in networks.items():
        network = ipaddress.ip_network(text)
        bits = int(network.network_address)
        length, width = network.prefixlen, network.max_prefixlen
        if version == 6 and network.version == 4:
            length, width = length + 96, 128
        node = 0
        for place in range(length - 1):
            side = bits >> (width - 1 - place) & 1
            if not isinstance(nodes[node][side], int):
                nodes.append([None, None])
                nodes[node][side] = len(nodes) - 1
            node = nodes[node][side]
        nodes[node][bits >> (width - length) & 1] = (value,)
    data, tree = b"", b""
    for pair in nodes:
        for entry in pair:
            record = entry if isinstance(entry, int) else len(nodes)
            if isinstance(entry, tuple):
                record = len(nodes) + SEPARATOR + len(data)
                data += encode(entry[0])
            tree += record.to_bytes(3, "big")
    about = {
        "node_count": len(nodes),
        "record_size": 24,
        "ip_version": version,
        "database_type": "Test-City",
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_770_000_000,
        "description": {"en": "made by a test"},
    }
    items = (encode(key) + encode(value, KINDS.get(key, 5)) for key, value in about.items())
    return tree + bytes(SEPARATOR) + data + MARK + _head(7, len(about)) + b"".join(items)


def encode(value: Any, kind: int = 6) -> bytes:
    """Return a value of the data section; a number is of this kind."""
    if isinstance(value, str):
        return _head(2, len(value.encode())) + value.encode()
    if isinstance(value, float):
        return _head(3, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return _head(kind, len(digits)) + digits
    if isinstance(value, dict):
        return _head(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    return _head(11, len(value)) + b"".join(map(encode, value))


def _head(kind: int, size: int) -> bytes:
    assert size < 285
    low, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    if kind <= 7:
        return bytes([kind << 5 | low]) + more
    return bytes([low, kind - 7]) + more
