"""The wheel: what an installed package needs besides its modules is in it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from shipper.config import shipped
from tests.stack.layout import ROOT


def test_what_ships_is_the_config_of_the_checkout() -> None:
    """The package's rules are those of `config`, by a link: there is no second copy to forget."""
    assert shipped.SHIPPED.samefile(ROOT / "config")


def test_own_files_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of one's own is used where it is, and the package's where it is not."""
    monkeypatch.chdir(tmp_path)
    assert shipped.own_or_shipped("rules") == shipped.SHIPPED / "rules"
    (tmp_path / "config/rules").mkdir(parents=True)
    assert shipped.own_or_shipped("rules") == Path("config/rules")


def test_the_wheel_has_rules_cases_and_runbooks() -> None:
    """Each file of `config` that the alert job reads is package data; `.ci/run` runs a wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["shipper"]
    package = ROOT / "shipper"
    packed = {path for pattern in patterns for path in package.glob(pattern)}

    needed = (*ROOT.glob("config/rules/**/*.*"), *ROOT.glob("config/runbooks/*"))
    wanted = {package / "alerts/shipped" / path.relative_to(ROOT / "config") for path in needed}
    assert len(wanted) > 60
    assert wanted | {package / "alerts/shipped/alerts.json"} <= packed
