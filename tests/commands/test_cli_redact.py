"""Tests of `shipper redact`, and of the config of redaction."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipper.cli import main
from tests.commands.cli_index import config_in


def run(config: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(config), "redact", *args])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text('{"message":"user zqx@b.co"}\ntoken=zqx\nfine\n')
    (tmp_path / "logs" / "app.log.1.gz").write_bytes(gzip.compress(b"token=zqx\n"))
    return config_in(tmp_path)


def with_redact(config: Path, section: str) -> Path:
    config.write_text(f"{config.read_text()}redact: {section}\n")
    return config


def test_the_report_counts_and_shows_no_value(config: Path) -> None:
    """By detector and field over all files of the inputs, rotated and compressed ones too."""
    result = run(config, "--report")

    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows == [
        ["detector", "field", "found", "files"],
        ["password", "message", "2", "2"],
        ["email", "message", "1", "1"],
    ]
    assert "4 records of 2 files searched" in result.stderr
    assert "zqx" not in result.output
    objects = map(json.loads, run(config, "--report", "--json").stdout.splitlines())
    assert {"detector": "email", "field": "message", "found": 1, "files": 1} in [*objects]


def test_inputs_without_files_are_named(config: Path) -> None:
    """Silence would look like records without secrets."""
    for path in (config.parent / "logs").iterdir():
        path.unlink()

    result = run(config)

    assert (result.exit_code, result.stdout) == (0, "")
    assert "the inputs match no file" in result.stderr


def test_nothing_found_is_exit_code_1(config: Path) -> None:
    """So that a script can ask whether a log has secrets."""
    clean = config.parent / "clean.log"
    clean.write_text("fine\n")

    assert run(config, "--report", str(clean)).exit_code == 1


def test_records_are_shown_as_they_would_be_stored(config: Path) -> None:
    """With the rules of the config."""
    with_redact(config, "{detectors: {email: remove}, patterns: {name: 'fi(.)e'}}")

    result = run(config, str(config.parent / "logs" / "app.log"))

    found = [json.loads(line)["message"] for line in result.stdout.splitlines()]
    assert found == ["user ", "token=zqx", "fi[redacted:name]e"]


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("{detectors: {emial: mask}}", "emial is no detector"),
        ("{detectors: {email: hash}}", "is missing, and hash needs it"),
        ("{detectors: {all: blank}}", "redact.detectors.all"),
        ("{patterns: {x: '(?=a)'}}", "is no regular expression of RE2"),
        ("{patterns: {x: 'a*'}}", "matches an empty text"),
        ("{patterns: {ip: 'a'}}", "the name of a ready detector"),
        ("{detectors: {ip: hash}, key_file: /nowhere}", "cannot read /nowhere"),
        ("{detectors: {ip: hash}, key_file: SHORT}", "has 5 bytes"),
    ],
)
def test_faults_of_the_config_are_refused(config: Path, section: str, fault: str) -> None:
    """With the place and the remedy; a key that cannot be used is never replaced by none."""
    short = config.parent / "short"
    short.write_text("short\n")
    result = run(with_redact(config, section.replace("SHORT", str(short))), "--report")

    assert result.exit_code == 2
    assert fault in result.stderr
