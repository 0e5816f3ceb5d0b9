"""
Logstash's settings and pipelines: they parse, and every name in them is one that Logstash has.

What a name does is not seen here; test_end_to_end.py runs Logstash where Docker is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from logstash_pipeline_parser import Pipeline  # type: ignore[import-untyped]

from shipper.config.main import load
from shipper.enrich import classify
from shipper.errors import ConfigError
from shipper.fields import HEARTBEAT
from tests.stack.layout import PIPELINES, ROOT, Plugin, compose, plugins, variables
from tests.stack.logstash_plugins import (
    BOOLEAN,
    CODECS,
    COMMON,
    HASH,
    LIST,
    NUMBER,
    PLUGINS,
    SETTINGS,
    STRING,
)

CONFIG = ROOT / "logstash/config"
MAIN = ROOT / "logstash/pipeline/main.conf"
DEADLETTERS = ROOT / "logstash/pipeline/deadletters.conf"
EVERY_PLUGIN = [(path.name, plugin) for path in PIPELINES for plugin in plugins(path)]


def one(path: Path, section: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in plugins(path) if (each.section, each.name) == (section, name)]
    return found.options


def guard() -> tuple[str, str]:
    """Return the patterns of datasets and namespaces that the main pipeline passes through."""
    text = MAIN.read_text()
    datasets = re.search(r"\[data_stream\]\[dataset\] =~ /(.*?)/ ", text)
    namespace = re.search(r"\[data_stream\]\[namespace\] =~ /(.*?)/ ", text)
    assert datasets is not None
    assert namespace is not None
    return datasets[1].replace(r"\z", r"\Z"), namespace[1].replace(r"\z", r"\Z")


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_a_pipeline_parses(path: Path) -> None:
    """A pipeline has inputs, filters and outputs, as Logstash's grammar wants them."""
    sections = [section for section, _ in Pipeline(path.read_text()).parse()]

    assert sections == ["input", "filter", "output"]


@pytest.mark.parametrize(
    ("file", "plugin"), EVERY_PLUGIN, ids=[f"{f}-{p.options.get('id')}" for f, p in EVERY_PLUGIN]
)
def test_every_option_is_documented(file: str, plugin: Plugin) -> None:
    """An option that a plugin doesn't have keeps the whole pipeline from starting."""
    known = PLUGINS[plugin.section, plugin.name] | COMMON[plugin.section]
    kinds: dict[str, type | tuple[type, ...]] = {
        STRING: str,
        NUMBER: int,
        BOOLEAN: (bool, str),
        LIST: list,
        HASH: dict,
    }

    assert set(plugin.options) <= set(known), file
    codec = plugin.options.get("codec", "plain")
    codec, options = codec if isinstance(codec, list) else (codec, [])
    assert {option for option, _ in options} <= CODECS[codec]
    for option, value in plugin.options.items():
        if option == "codec":
            continue
        assert isinstance(value, kinds[known[option]]), option
        if known[option] == BOOLEAN and isinstance(value, str):
            assert re.fullmatch(r"\$\{[A-Z_]+:(true|false)\}", value), option


def test_ids_are_unique() -> None:
    """Each plugin that is worth a look in the monitoring has an id of its own."""
    ids = [plugin.options["id"] for _, plugin in EVERY_PLUGIN if "id" in plugin.options]

    assert len(ids) == len(set(ids))
    assert len(ids) >= len(EVERY_PLUGIN) - 1


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_documents_are_created_once(path: Path) -> None:
    """The output writes with `create` and the origin as id, and makes nothing of its own."""
    output = one(path, "output", "elasticsearch")

    assert output["data_stream"] == "false"
    assert output["index"] == "logs-%{[data_stream][dataset]}-%{[data_stream][namespace]}"
    assert output["action"] == "create"
    assert output["document_id"] == "%{[@metadata][origin]}"
    assert output["manage_template"] is False
    assert output["ilm_enabled"] == "false"
    assert output["silence_errors_in_log"] == ["version_conflict_engine_exception"]
    assert output["ssl_verification_mode"] == "full"
    assert output["password"] == "${ELASTICSEARCH_PASSWORD}"  # no default: it has to be there


def test_both_pipelines_write_alike() -> None:
    """What was refused goes to the same place by the same rules."""
    main, dead = (one(path, "output", "elasticsearch") for path in (MAIN, DEADLETTERS))

    assert {**main, "id": ""} == {**dead, "id": ""}


def test_shippers_are_heard_over_tls() -> None:
    """Port 5044 speaks TLS and checks certificates of shippers unless it is told otherwise."""
    beats = one(MAIN, "input", "beats")

    assert beats["port"] == 5044
    assert beats["ssl_enabled"] == "${BEATS_TLS:true}"
    assert beats["ssl_client_authentication"] == "${BEATS_CLIENT_AUTHENTICATION:optional}"
    assert beats["ssl_key"].endswith(".pkcs8.key")
    assert beats["enrich"] == "none"


def test_port_5000_says_what_it_does_not_promise() -> None:
    """The port of the guide never acks; who reads the pipeline or the docs is told so."""
    assert one(MAIN, "input", "tcp")["port"] == 5000
    assert "NEVER ACKS" in MAIN.read_text()
    assert "never acks" in (ROOT / "docs/many-servers.md").read_text()


@pytest.mark.parametrize(
    ("dataset", "is_ours"),
    [
        *((classify.ACCESS, True), (classify.ALERTS, True), (HEARTBEAT, True)),
        *((classify.stream_of("nginx.access"), True), (classify.stream_of("x" * 30), True)),
        *(("nginx.access", False), ("orchestrator.", False), ("orchestrator.A", False)),
        *(("orchestrator.a-b", False), ("orchestrator.a*", False), ("xorchestrator.a", False)),
        *(("orchestrator." + "x" * 31, False), ("orchestrator.a\n", False)),
    ],
)
def test_only_our_data_streams_are_written_to(dataset: str, is_ours: bool) -> None:  # noqa: FBT001
    """A name that we may not write to would be tried for ever; the guard passes ours only."""
    datasets, _ = guard()

    assert (re.match(datasets, dataset) is not None) == is_ours


@pytest.mark.parametrize(
    "namespace",
    [
        "default",
        "prod-1",
        "Prod",
        "a b",
        "a_b.c",
        "é",
        "a,b",
        "a#b",
        'a"b',
        "a*",
        "",
        "x" * 100,
        "x" * 101,
        "é" * 50,
        "é" * 51,
    ],
)
def test_namespaces_are_those_of_the_config(namespace: str, tmp_path: Path) -> None:
    """What the shipper's config takes as a namespace, the guard of the pipeline takes too."""
    config = tmp_path / "shipper.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "service": {"name": "x"},
                "namespace": namespace,
                "inputs": [{"paths": ["x.log"]}],
                "output": {"embedded": {}},
            }
        )
    )
    _, pattern = guard()
    try:
        load(config)
        taken = True
    except ConfigError:
        taken = False

    assert (re.match(pattern, namespace) is not None) == taken


@pytest.mark.parametrize(
    ("origin", "is_kept"),
    [
        *(("01JKABCDEFGHJKMNPQRSTVWXYZ-7", True), ("x" * 512, True)),
        *(("x" * 513, False), ("", False), ("a b", False), ("a\nb", False), ("é", False)),
    ],
)
def test_an_origin_that_is_no_id_is_removed(origin: str, is_kept: bool) -> None:  # noqa: FBT001
    """An origin that Elasticsearch refuses as `_id` would hold up the pipeline for ever."""
    found = re.search(
        r"if \[@metadata\]\[origin\] and \[@metadata\]\[origin\] !~ /(.*?)/ {", MAIN.read_text()
    )

    assert found is not None
    assert (re.match(found[1].replace(r"\z", r"\Z"), origin) is not None) is is_kept


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_every_variable_of_a_pipeline_is_given(path: Path) -> None:
    """A variable without a default, which Logstash doesn't start without, is set by compose."""
    given = set(compose()["services"]["logstash"]["environment"])
    code = re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.MULTILINE)
    without_default = set(re.findall(r"\$\{([A-Z_]+)\}", code))

    assert without_default <= given
    allowed = given | {"CERTIFICATES", "BEATS_TLS", "ELASTICSEARCH_TLS"}  # the last two: insecure
    assert variables(code) <= allowed


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_every_script_is_there(path: Path) -> None:
    """A script of a filter is a file of logstash/scripts."""
    for plugin in plugins(path):
        if plugin.name == "ruby":
            name = plugin.options["path"].removeprefix("/usr/share/logstash/scripts/")
            assert (ROOT / "logstash/scripts" / name).is_file()


def test_settings() -> None:
    """Acked records are on disk, and both queues have bounds."""
    found = yaml.safe_load((CONFIG / "logstash.yml").read_text())

    assert set(found) <= SETTINGS
    assert found["queue.type"] == "persisted"
    assert found["queue.max_bytes"]
    assert found["queue.checkpoint.writes"] > 0
    assert found["dead_letter_queue.enable"] is True
    assert found["dead_letter_queue.max_bytes"]
    assert found["dead_letter_queue.retain.age"]
    assert found["pipeline.ecs_compatibility"] == "v8"
    assert found["api.http.host"] == "127.0.0.1"


def test_pipelines() -> None:
    """Both pipelines are started, with their files; the reader of dead letters reads `main`."""
    found = yaml.safe_load((CONFIG / "pipelines.yml").read_text())

    assert [each["pipeline.id"] for each in found] == ["main", "deadletters"]
    for each in found:
        assert set(each) <= SETTINGS
        assert (ROOT / "logstash/pipeline" / Path(each["path.config"]).name).is_file()
        assert "queue.type" not in each  # on disk, as logstash.yml has it
    reader = one(DEADLETTERS, "input", "dead_letter_queue")
    assert reader["pipeline_id"] == "main"
    assert reader["commit_offsets"] is True
    data = yaml.safe_load((CONFIG / "logstash.yml").read_text())["path.data"]
    assert reader["path"] == f"{data}/dead_letter_queue"
