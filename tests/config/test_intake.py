"""Inputs that are no files: what the config says of them, and where their spools are."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.config.main import load, with_stdin
from shipper.config.options import InvalidOptionsError

HEAD = "service: {name: app}\noutput: {embedded: {}}\ndata_dir: 'var/[x]'\n"


def written(folder: Path, inputs: str) -> Path:
    path = folder / "shipper.yml"
    path.write_text(f"{HEAD}inputs: {inputs}\n")
    return path


def test_an_input_that_is_no_file_reads_its_spool(tmp_path: Path) -> None:
    """Its paths are the files of its spool, whatever the name of the data folder."""
    config = load(written(tmp_path, "[{stdin: {name: pods}}]"))

    assert config.inputs[0].paths == ("var/[[]x]/inputs/pods/*.log",)
    assert with_stdin(config) is config


def test_standard_input_needs_no_entry(tmp_path: Path) -> None:
    """`--stdin` without an entry adds one."""
    config = with_stdin(load(written(tmp_path, "[{paths: [a.log]}]")))

    assert config.inputs[1].paths == ("var/[[]x]/inputs/stdin/*.log",)


@pytest.mark.parametrize(
    ("inputs", "fault"),
    [
        ("[{format: json}]", "inputs[0].paths (line 4): is missing; name files to read, or use "),
        ("[{stdin: {}, paths: [a.log]}]", "is there beside an input that is no file"),
        ("[{stdin: {}, exclude: [a.log]}]", "is there beside an input that is no file"),
        ("[{stdin: {}}, {stdin: {}}]", "inputs (line 4): has two spools of one name"),
        ("[{syslog: {}}]", "inputs[0].syslog.listen (line 4): is missing"),
        ('[{syslog: {listen: ["tcp://x"]}}]', '"x" is not valid; use host:port'),
        ('[{syslog: {listen: ["http://x:1"]}}]', '"http://x:1" is not an address; use tcp://'),
        ('[{syslog: {listen: ["unix://a"]}}]', '"unix://a" is not an address'),
        ('[{syslog: {listen: ["tcp://a:1"]}, format: json}]', "is there beside a way in"),
        ('[{syslog: {listen: ["tcp://a:1"]}, stdin: {}}]', "is there beside another way in"),
        ("[{stdin: {name: ../up}}]", '"../up" is not valid'),
        ("[{stdin: {spool_bytes: 1 KiB}}]", '"1 KiB" is out of range'),
    ],
)
def test_contradictions_are_faults_with_their_place(
    tmp_path: Path, inputs: str, fault: str
) -> None:
    """A config that says nothing, or two things, is refused."""
    with pytest.raises(InvalidOptionsError) as raised:
        load(written(tmp_path, inputs))

    assert fault in str(raised.value)


def test_syslog_is_read_as_json_of_its_dataset(tmp_path: Path) -> None:
    """What it is written as in the spool is no choice; the dataset and the zone are."""
    listen = '["tcp://[::1]:5514", "unixgram:///run/log.sock"]'
    [source] = load(written(tmp_path, f"[{{syslog: {{listen: {listen}}}}}]")).inputs

    assert source.format == "json"
    assert source.dataset == "syslog.log"
    assert source.syslog is not None
    assert [each.text for each in source.syslog.listen] == [
        "tcp://[::1]:5514",
        "unixgram:///run/log.sock",
    ]
    assert all(each.is_local for each in source.syslog.listen)
