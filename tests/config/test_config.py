"""The config: all faults at once with place and remedy, and a reference that is up to date."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config.inputs import InputOptions, TailOptions
from shipper.config.main import (
    Config,
    DeliveryOptions,
    HostOptions,
    ServiceOptions,
    load,
)
from shipper.config.options import (
    Fault,
    InvalidOptionsError,
    parse_duration,
    parse_size,
    read_options,
)
from shipper.config.outputs import (
    ConsoleOutput,
    ElasticsearchOutput,
    EmbeddedOutput,
    LogstashOutput,
    TlsOptions,
)
from shipper.errors import ConfigError
from tools.reference import PAGES, configuration

ROOT = Path(__file__).parents[2]
SMALLEST = "service: {name: app}\ninputs: [{paths: [logs/*.log]}]\noutput: {embedded: {}}\n"


def read(text: str) -> Config:
    config: Config = read_options(text, Config)
    return config


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidOptionsError) as raised:
        read_options(text, Config)
    return [str(fault) for fault in raised.value.faults]


def test_the_shipped_config_loads() -> None:
    """`config/shipper.yml` loads unchanged, with the values that its comments state."""
    config = load(ROOT / "config/shipper.yml")

    assert config == Config(
        service=ServiceOptions("automation-orchestrator", "production", "1.0.0"),
        namespace="production",
        data_dir=Path("var/shipper"),
        host=HostOptions(socket.gethostname()),
        inputs=(InputOptions(paths=("logs/*.log",)),),
        output=EmbeddedOutput(Path("var/index"), 30 * 86400, 10 * 2**30),
    )


def test_what_is_left_out_has_its_default() -> None:
    """A section that is left out, or left empty, is the section with all its defaults."""
    config = read(SMALLEST + "tail:\ndelivery: {}\n")

    assert config.tail == TailOptions(scan_seconds=1.0, block_bytes=2**18, watch=True)
    assert config.delivery == DeliveryOptions(
        batch_bytes=2 * 2**20,
        linger_seconds=0.8,
        queue_bytes=4 * 2**20,
        backoff_seconds=0.5,
        backoff_max_seconds=30.0,
        stop_seconds=30.0,
    )
    assert config.service == ServiceOptions("app", "production", "unknown")
    assert config.inputs[0] == InputOptions(("logs/*.log",), (), max_line_bytes=2**20)


def test_text_is_taken_as_written() -> None:
    """Text that YAML would read as a number, a boolean or a date stays as the user wrote it."""
    config = read(SMALLEST.replace("app", "on") + "host: {name: 010}\n")

    assert config.service.name == "on"
    assert config.host.name == "010"


def test_the_output_is_chosen_by_its_key() -> None:
    """`output` has exactly one key, the kind of the output."""
    text = SMALLEST.replace("{embedded: {}}", "{console: {format: bulk, path: out.ndjson}}")

    assert read(text).output == ConsoleOutput(format="bulk", path="out.ndjson")


def test_servers_are_given_by_their_addresses() -> None:
    """Only the hosts are required; all other options have safe defaults."""
    logstash = read(SMALLEST.replace("embedded: {}", 'logstash: {hosts: ["a:5044", "[::1]:1"]}'))
    search = read(SMALLEST.replace("embedded: {}", 'elasticsearch: {hosts: ["https://es1:9200/"]}'))

    assert logstash.output == LogstashOutput(("a:5044", "[::1]:1"), TlsOptions(None, None, None))
    assert search.output == ElasticsearchOutput(
        ("https://es1:9200",), None, None, None, TlsOptions()
    )
    assert TlsOptions().enabled
    assert TlsOptions().verify


def test_an_output_with_all_its_options() -> None:
    """Secrets are given by file, and a certificate together with its key."""
    text = (
        "elasticsearch: {hosts: [https://es1:9200, https://es2:9200/es], username: shipper, "
        "password_file: /run/secrets/es, tls: {ca: ca.pem, certificate: c.pem, key: k.pem}, "
        "compression_level: 0, request_bytes: 1 MiB, request_seconds: 5}"
    )
    assert read(SMALLEST.replace("embedded: {}", text)).output == ElasticsearchOutput(
        ("https://es1:9200", "https://es2:9200/es"),
        username="shipper",
        password_file=Path("/run/secrets/es"),
        tls=TlsOptions(Path("ca.pem"), Path("c.pem"), Path("k.pem")),
        compression_level=0,
        request_bytes=2**20,
        request_seconds=5.0,
    )


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        ("logstash: {hosts: []}", "logstash.hosts (line 3): is empty"),
        ("logstash: {hosts: [logs1]}", 'logstash.hosts[0] (line 3): "logs1" is not valid; use'),
        ("logstash: {hosts: [a:70000]}", 'logstash.hosts[0] (line 3): "a:70000" is not valid'),
        ("logstash: {hosts: [https://a:1]}", "logstash.hosts[0] (line 3): "),
        (
            "logstash: {hosts: [a:1], compression_level: 4}",
            'logstash.compression_level (line 3): "4" is out of range; use 0 to 3',
        ),
        (
            "logstash: {hosts: [a:1], window_events: 1.5}",
            'logstash.window_events (line 3): "1.5" is not a whole number; use only digits',
        ),
        (
            "logstash: {hosts: [a:1], tls: {certificate: a.pem}}",
            "logstash.tls.key (line 3): is missing; use both certificate and key, or neither",
        ),
        (
            "logstash: {hosts: [a:1], tls: {key: a.pem}}",
            "logstash.tls.certificate (line 3): is missing",
        ),
        ("elasticsearch: {hosts: [es1:9200]}", "elasticsearch.hosts[0] (line 3): "),
        ("elasticsearch: {hosts: [https://es1]}", "elasticsearch.hosts[0] (line 3): "),
        (
            "elasticsearch: {hosts: [http://a:1, https://a:1]}",
            "elasticsearch.hosts (line 3): has http and https; use one of them",
        ),
        (
            "elasticsearch: {hosts: [http://a:1], username: u}",
            "elasticsearch.password_file (line 3): is missing; use both",
        ),
        (
            "elasticsearch: {hosts: [http://a:1], password_file: u}",
            "elasticsearch.username (line 3): is missing; use both",
        ),
        (
            "elasticsearch: {hosts: [http://a:1], api_key_file: k, username: u, password_file: p}",
            "elasticsearch.api_key_file (line 3): cannot be combined with username; use",
        ),
        (
            "elasticsearch: {hosts: [http://a:1], tls: {enabled: false}}",
            "elasticsearch.tls (line 3): cannot be disabled here; use http:",
        ),
    ],
)
def test_each_fault_of_a_server_has_its_place(output: str, fault: str) -> None:
    """An address without a port, half a pair of files or two kinds of login are faults."""
    found = faults(SMALLEST.replace("embedded: {}", output))

    assert any(each.startswith(f"output.{fault}") for each in found), found


def test_a_password_in_an_address_is_not_shown() -> None:
    """A secret that is in the config by mistake is not repeated in the fault."""
    text = 'elasticsearch: {hosts: ["https://elastic:hunter2@es1:9200"]}'
    (fault,) = faults(SMALLEST.replace("embedded: {}", text))

    assert "hunter2" not in fault
    assert "use username and password_file, or api_key_file" in fault


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.5s", 0.5),
        ("500ms", 0.5),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("7d", 604800.0),
        ("1 w", 604800.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """A duration is a number and a unit."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "15", "m", "-1s", "1e3s", "1h30m", "inf", "1 y", "\uff11s", "1s\0"]
)
def test_no_durations(text: str) -> None:
    """Anything else is a fault, never a guess."""
    with pytest.raises(ValueError, match="is not a duration; use"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 2**20),
        ("10 GiB", 10 * 2**30),
        ("500 MB", 500_000_000),
        ("1.5kib", 1536),
        ("64B", 64),
        ("1TB", 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """A size is a number of bytes, with a decimal or a binary unit."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1 G", "1 PiB", "10 gigabytes", "0x10", "nan"])
def test_no_sizes(text: str) -> None:
    """A unit that could mean two things, or nothing, is a fault."""
    with pytest.raises(ValueError, match="is not a size; use"):
        parse_size(text)


def test_all_faults_are_reported_at_once() -> None:
    """All faults of a file are reported at once, in its order, with place, line and remedy."""
    found = faults(
        "servce: {name: app}\n"
        "service: {version: [1]}\n"
        "namespace: Production\n"
        "data_dir: ${HOME}/shipper\n"
        "inputs:\n"
        "  - paths: logs/*.log\n"
        "    max_line_bytes: 10 GiX\n"
        "  - logs/*.log\n"
        "  - {paths: []}\n"
        "tail: {watch: 1, scan_seconds: 0}\n"
        "delivery: [8 MiB]\n"
        "output: {embedded: {keep: 30}, console: {format: xml}}\n"
    )

    paths = "the path of a file, with * ? [ ] ** as wildcards"
    assert found == [
        "servce (line 1): unknown key; use service",
        "service.name (line 2): is missing; use text",
        "service.version (line 2): is a list; use text",
        (
            'namespace (line 3): "Production" is not valid; '
            "use lower case without spaces and - / * ? : # ,"
        ),
        (
            'data_dir (line 4): "${HOME}/shipper": variables are not replaced here; '
            "write the value itself"
        ),
        f'inputs[0].paths (line 6): is the single value "logs/*.log"; use a list of: {paths}',
        (
            'inputs[0].max_line_bytes (line 7): "10 GiX" is not a size; '
            "use a number and KB, MB, GB, KiB, MiB or GiB"
        ),
        (
            'inputs[1] (line 8): is the single value "logs/*.log"; '
            "use a section with the keys paths, exclude, format, pattern, time, service, "
            "service_from_path, dataset, fields, tags, max_line_bytes, compressed, multiline, "
            "stdin, syslog, journald"
        ),
        f"inputs[2].paths (line 9): is empty; use a list of: {paths}",
        'tail.scan_seconds (line 10): "0" is out of range; use 0.05s to 1h',
        'tail.watch (line 10): "1" is not a switch; use true or false',
        (
            "delivery (line 11): is a list; use a section with the keys batch_bytes, "
            "linger_seconds, queue_bytes, backoff_seconds, backoff_max_seconds, stop_seconds"
        ),
        (
            "output (line 12): has embedded, console; "
            "use exactly one of: embedded, console, logstash, elasticsearch"
        ),
        (
            'output.embedded.keep (line 12): "30" is not a duration; '
            "use a number and ms, s, m, h, d or w"
        ),
        'output.console.format (line 12): "xml" is not valid; use json or bulk',
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("", "service: is missing"),
        ("- a", "the file (line 1): is a list; use a section"),
        ("a: [", "the file (line 1): is not YAML"),
        ("a: b: c", "the file (line 1): is not YAML"),
        ("a: 1\n---\nb: 2", "the file (line 2): is not YAML"),
        ("a: \x07", "the file: is not YAML"),
        ("[" * 1000, "the file: is nested too deep"),
        ("namespace: [a]", "namespace (line 1): is a list; use lower case"),
        ("namespace:", "namespace (line 1): has no value; use lower case"),
        ("namespace: a\nnamespace: a", "namespace (line 2): is a duplicate key; keep one"),
        ("? [a]\n: b", "a list (line 1): unknown key; use one of: service"),
        ("<<: {namespace: a}", "<< (line 1): unknown key"),
        ("data_dir: ~/shipper", 'data_dir (line 1): "~/shipper" is not valid; use a path'),
        ("inputs: [{paths: [logs/]}]", 'inputs[0].paths[0] (line 1): "logs/" is not valid'),
        ("output: {}", "output (line 1): has nothing; use exactly one of"),
        ("output: {elastic: {}}", "output.elastic (line 1): unknown key; use elasticsearch"),
        (
            "data_dir: !!python/object/apply:os.system [false]",
            "data_dir (line 1): is tagged python/object/apply:os.system, and tags are not used",
        ),
        ("tail: !!set {watch}", "tail (line 1): is tagged set"),
        ("inputs: !!python/tuple [a]", "inputs (line 1): is tagged python/tuple"),
        ("tail: {watch: !x true}", "tail.watch (line 1): is tagged !x"),
        ("tail: &a {watch: *a}", "tail.watch (line 1): is a section; use true or false"),
    ],
)
def test_each_fault_has_its_place(line: str, fault: str) -> None:
    """Whatever a file contains, the result is a fault with its place, never a traceback."""
    assert any(found.startswith(fault) for found in faults(line)), faults(line)


WORDS = st.sampled_from(
    [*"{}[]:,&*!|>-?#%@`'\"\n \t~0", "paths", "embedded: ", "!!python/name:os.system", "1e999"]
)


@given(st.lists(st.tuples(st.integers(0, 80), WORDS | st.text(max_size=3)), max_size=5))
def test_no_text_is_too_odd(changes: list[tuple[int, str]]) -> None:
    """Any text is either a config or a list of faults."""
    text = SMALLEST
    for place, inserted in changes:
        text = text[:place] + inserted + text[place:]

    with suppress(InvalidOptionsError):
        assert isinstance(read(text), Config)


def test_options_that_do_not_go_together() -> None:
    """A rule about two options is checked if both can be read."""
    text = "delivery: {queue_bytes: 1 MiB, backoff_seconds: 1m, backoff_max_seconds: 1s}"

    assert faults(SMALLEST + text) == [
        "delivery.queue_bytes (line 4): is less than batch_bytes; use at least as much",
        "delivery.backoff_max_seconds (line 4): is less than backoff_seconds; use at least as much",
    ]


def test_the_error_names_the_file(tmp_path: Path) -> None:
    """The error starts with the path of the file and has one line per fault."""
    path = tmp_path / "shipper.yml"
    path.write_text(SMALLEST.replace("app", ""))

    with pytest.raises(ConfigError) as raised:
        load(path)

    assert str(raised.value) == (
        f"cannot use {path}:\n  service.name (line 1): has no value; use text"
    )


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder and bytes that are not text are faults with a remedy."""
    (tmp_path / "latin1.yml").write_bytes(b"namespace: caf\xe9\n")

    for name, reason in [
        ("no.yml", "No such file"),
        (".", "Is a directory"),
        ("latin1.yml", "UTF-8"),
    ]:
        with pytest.raises(ConfigError, match=rf"cannot read .*{reason}.*; "):
            load(tmp_path / name)


def test_a_fault_without_a_line() -> None:
    """A fault without a line is reported without one."""
    assert (
        str(Fault("the file", 0, "is nested too deep", "remove levels"))
        == "the file: is nested too deep; remove levels"
    )


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_is_not_stale(page: str) -> None:
    """The reference pages in docs/ match the code; `make docs` writes them."""
    assert (ROOT / page).read_text() == PAGES[page]()


def test_the_smallest_config_of_the_reference_loads() -> None:
    """The example at the head of the reference is complete."""
    example = configuration().split("```yaml\n")[1].split("```")[0]

    assert read(example).service.name == "automation-orchestrator"
