"""Where addresses are is in a database that the user names, and that may change at any time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from shipper.errors import ConfigError
from shipper.processors.geo import LOOK_SECONDS, REMEMBERED, GeoDatabase
from tests.processors.mmdb import database
from tests.processors.test_steps import processed

BERLIN = {
    "continent": {"code": "EU", "names": {"en": "Europe", "de": "Europa"}},
    "country": {"iso_code": "DE", "names": {"en": "Germany"}},
    "subdivisions": [{"iso_code": "BE", "names": {"en": "Land Berlin"}}],
    "city": {"names": {"en": "Berlin"}},
    "postal": {"code": "10115"},
    "location": {"latitude": 52.5, "longitude": 13.4, "time_zone": "Europe/Berlin"},
}
GEO = {
    "continent_code": "EU",
    "continent_name": "Europe",
    "country_iso_code": "DE",
    "country_name": "Germany",
    "region_iso_code": "BE",
    "region_name": "Land Berlin",
    "city_name": "Berlin",
    "postal_code": "10115",
    "timezone": "Europe/Berlin",
    "location": {"lat": 52.5, "lon": 13.4},
}
SYSTEM = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example"}
PUBLIC, PUBLIC6 = "93.184.216.34", "2606:2800::34"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "city.mmdb"
    networks = {"93.184.216.0/24": BERLIN, "2606:2800::/32": BERLIN, "10.0.0.0/8": BERLIN}
    path.write_bytes(database(networks))
    return path


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC6, f"::ffff:{PUBLIC}"])
def test_an_address_has_its_place(tmp_path: Path, file: Path, address: str) -> None:
    """By the names of ECS; what else a record has under `source` stays."""
    step = f"geoip: {{file: {file}}}"

    found = processed(tmp_path, step, {"client_ip": address, "extra": {"source": {"port": 7}}})

    assert found == {"client_ip": address, "extra": {"source": {"port": 7, "geo": GEO}}}


@pytest.mark.parametrize(
    "record",
    [
        {"client_ip": "10.1.2.3"},
        {"client_ip": "::1"},
        {"client_ip": "8.8.8.8"},
        {"client_ip": "a.example.org"},
        {"client_ip": ""},
        {"extra": {"ip": PUBLIC}},
        {"client_ip": "fe80::1%eth0"},
    ],
)
def test_others_are_left_alone(tmp_path: Path, file: Path, record: dict[str, Any]) -> None:
    """Private ones, though the database has them; unknown ones; and what is no address."""
    assert processed(tmp_path, f"geoip: {{file: {file}}}", dict(record)) == record


def test_autonomous_systems_come_from_a_database_of_their_own(tmp_path: Path, file: Path) -> None:
    """Two steps put both under one object; any field can have the address."""
    systems = tmp_path / "asn.mmdb"
    systems.write_bytes(database({"93.184.216.0/24": SYSTEM}, version=4))
    steps = (
        f"geoip: {{file: {file}, field: peer, into: extra.to}}\n"
        f"  - geoip: {{file: {systems}, field: peer, into: extra.to}}"
    )

    found = processed(tmp_path, steps, {"extra": {"peer": PUBLIC}})

    wanted = {"geo": GEO, "as": {"number": 64500, "organization": {"name": "Example"}}}
    assert found == {"extra": {"peer": PUBLIC, "to": wanted}}
    alone = f"geoip: {{file: {systems}, field: peer}}"
    record = {"extra": {"peer": PUBLIC6}}  # the database has no addresses of this version
    assert processed(tmp_path, alone, record) == record


def country(name: str) -> bytes:
    return database({"93.184.216.0/24": {"country": {"iso_code": name}}})


def geo_of(places: Any) -> Any:
    return places["geo"]["country_iso_code"]


def test_a_new_file_is_used(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Renamed over the old one, or written over it; until it is whole, and gone, the old one is."""
    time = Time()
    places = GeoDatabase("p", file, now=time)

    def after_a_while() -> Any:
        time.now += LOOK_SECONDS
        return geo_of(places.places_of(PUBLIC))

    assert after_a_while() == "DE"
    (file.parent / "new").write_bytes(country("FR"))
    os.replace(file.parent / "new", file)
    assert geo_of(places.places_of(PUBLIC)) == "DE"  # not looked at for every record
    assert after_a_while() == "FR"
    file.write_bytes(country("IT")[:40])  # half of it, under the same inode
    assert [after_a_while() for _ in range(3)] == ["FR"] * 3
    assert caplog.text.count("is no such database") == 1
    file.write_bytes(country("IT"))
    assert after_a_while() == "IT"
    file.unlink()
    assert after_a_while() == "IT"
    file.mkdir()
    assert after_a_while() == "IT"


def test_a_file_that_is_cut_under_a_lookup_kills_nobody(file: Path) -> None:
    """As it would, were it mapped."""
    places = GeoDatabase("p", file, now=Time())
    os.truncate(file, 0)

    assert geo_of(places.places_of(PUBLIC)) == "DE"


def test_a_damaged_database_is_said_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its records stay as they are, and the log is not filled."""
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"\x49continent", b"\x3f" + b"\xff" * 9))
    places = GeoDatabase("p", file, now=Time())

    assert [places.places_of(address) for address in (PUBLIC, "93.184.216.35")] == [None, None]
    assert caplog.text.count("is damaged") == 1


def test_nothing_grows(file: Path) -> None:
    """The table of addresses has a bound, and so has the number of open files."""
    time = Time()
    places = GeoDatabase("p", file, now=time)
    for number in range(REMEMBERED + 7):
        places.places_of(f"93.184.{number >> 8}.{number & 255}")
    assert len(places._known) <= REMEMBERED
    before = len(os.listdir("/proc/self/fd"))
    for number in range(8):
        file.write_bytes(country("FR" if number % 2 else "IT"))
        os.utime(file, (number, number))
        time.now += LOOK_SECONDS
        places.places_of(PUBLIC)
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is no such database"),
        (b"ip,team\n", "is no such database"),
        (None, "cannot read"),
    ],
)
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes | None, fault: str) -> None:
    """The config is not taken, and the file is named as the config does."""
    path = tmp_path / "x.mmdb"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=fault) as raised:
        GeoDatabase("processors[0].geoip", path)
    assert f"processors[0].geoip.file: {path}" in str(raised.value) or content is None
    assert "/proc/" not in str(raised.value)


def test_without_the_package_the_remedy_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra of its own."""
    monkeypatch.setitem(__import__("sys").modules, "maxminddb", None)

    with pytest.raises(ConfigError, match=r"orchestrator-shipper\[geoip\]"):
        GeoDatabase("processors[0].geoip", file)
