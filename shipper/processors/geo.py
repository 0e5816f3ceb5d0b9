"""
Where IP addresses are, by a database in the format of MaxMind (GeoLite2, GeoIP2, DB-IP, IPinfo).

The file is copied into memory that has no name, and read there: whoever replaces it, by another
file or by writing over it, changes nothing under a lookup (a file that is mapped and cut kills its
reader). Every few seconds its stat is looked at; a new file is taken if all of it is a database,
else the old one stays, which is logged once.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from shipper.errors import ConfigError
from shipper.files import open_regular

log = logging.getLogger(__name__)

MOST_BYTES: Final = 1 << 30  # of a database; those of cities have 60 MiB
COPIED_BYTES: Final = 1 << 20  # in one call
LOOK_SECONDS: Final = 10.0
REMEMBERED: Final = 4096  # addresses
LONGEST_ADDRESS: Final = 64  # characters

Places = Mapping[str, Mapping[str, Any]]  # `geo` and `as` of ECS

_NAMES: Final = {  # of ECS ← of the database
    "continent_code": ("continent", "code"),
    "continent_name": ("continent", "names", "en"),
    "country_iso_code": ("country", "iso_code"),
    "country_name": ("country", "names", "en"),
    "region_iso_code": ("subdivisions", 0, "iso_code"),
    "region_name": ("subdivisions", 0, "names", "en"),
    "city_name": ("city", "names", "en"),
    "postal_code": ("postal", "code"),
    "timezone": ("location", "time_zone"),
}


class GeoDatabase:
    """
    One database file; used by one thread. `now` is monotonic, in seconds.

    Raises:
        ConfigError: the package for it is not installed, or the file is no database.

    """

    def __init__(
        self, place: str, path: Path, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._now = now
        self._known: dict[str, Places | None] = {}
        self._is_damaged = False
        self._look_at = now() + LOOK_SECONDS
        self._stat, self._reader = _opened(place, path)

    def places_of(self, address: str) -> Places | None:
        """Return what is known of an address; None for a private one, and for what is none."""
        if self._now() >= self._look_at:
            self._look()
        if len(address) > LONGEST_ADDRESS:
            return None
        if address not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[address] = self._places_of(address)
        return self._known[address]

    def _look(self) -> None:
        """Open the file again if it is another one, or was changed."""
        self._look_at = self._now() + LOOK_SECONDS
        try:
            found = _signature(os.stat(self._path))
        except OSError:
            return  # it is gone, for a moment or for good: what was read of it stays
        if found == self._stat:
            return
        old = self._reader
        try:
            self._stat, self._reader = _opened("geoip", self._path)
        except ConfigError as error:
            self._stat = found
            log.warning("%s; the one before is used until then", error)
            return
        old.close()
        self._known.clear()
        self._is_damaged = False
        log.info("%s: the new database is used", self._path)

    def _places_of(self, address: str) -> Places | None:
        try:
            ip = ipaddress.ip_address(address)
            ip = getattr(ip, "ipv4_mapped", None) or ip
            found = self._reader.get(str(ip)) if ip.is_global else None
        except ValueError:
            return None  # no address, or one of a version that the database does not have
        except RuntimeError as error:  # InvalidDatabaseError, and what the reader stumbles over
            if not self._is_damaged:
                log.warning("%s is damaged: %s", self._path, type(error).__name__)
            self._is_damaged = True
            return None
        return _places_in(found) if isinstance(found, dict) else None


def _places_in(found: dict[str, Any]) -> Places | None:
    geo = {name: value for name, path in _NAMES.items() if (value := _at(found, path)) is not None}
    location = {
        name: _at(found, ("location", of))
        for name, of in (("lat", "latitude"), ("lon", "longitude"))
    }
    if all(isinstance(value, int | float) for value in location.values()):
        geo["location"] = location
    if "country_iso_code" not in geo and isinstance(found.get("country"), str):
        geo["country_iso_code"] = found["country"]
    number = found.get("autonomous_system_number")
    name = found.get("autonomous_system_organization")
    system: dict[str, Any] = {} if number is None else {"number": number}
    if name is not None:
        system["organization"] = {"name": name}
    places = {"geo": geo, "as": system}
    return {key: value for key, value in places.items() if value} or None


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int):
            value = value[key] if len(value) > key else None
        else:
            return None
    return value


def _signature(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _opened(place: str, path: Path) -> tuple[tuple[int, ...], Any]:
    """Return the signature of a file and a reader of its copy; raise ConfigError."""
    try:
        import maxminddb  # noqa: PLC0415 -- only for those who have a database
    except ImportError as error:
        raise ConfigError(
            f"{place} needs {error.name}", "pip install 'orchestrator-shipper[geoip]'"
        ) from error
    remedy = "name a database in the format of MaxMind (.mmdb)"
    copy = -1
    try:
        fd = open_regular(path, follow=True)
        try:
            stat = os.fstat(fd)
            if stat.st_size > MOST_BYTES:
                raise ConfigError(f"{place}.file: {path} is larger than 1 GiB", remedy)
            copy = os.memfd_create("geoip", os.MFD_CLOEXEC)
            while os.sendfile(copy, fd, None, COPIED_BYTES):
                pass
        finally:
            os.close(fd)
        return _signature(stat), maxminddb.open_database(f"/proc/self/fd/{copy}")
    except OSError as error:
        raise ConfigError(f"{place}.file: cannot read {path}: {error.strerror}", remedy) from error
    except (maxminddb.InvalidDatabaseError, ValueError) as error:
        reason = str(error).replace(f"/proc/self/fd/{copy}", str(path))
        raise ConfigError(f"{place}.file: {path} is no such database: {reason}", remedy) from error
    finally:
        if copy >= 0:
            os.close(copy)
