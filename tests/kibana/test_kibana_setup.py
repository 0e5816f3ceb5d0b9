"""`shipper setup --kibana`: everything is there after it, twice as well as once, and no more."""

from __future__ import annotations

import base64
import copy
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner

from shipper.cli import main
from shipper.config.kibana import KibanaServer
from shipper.errors import ShipperError
from shipper.kibana import setup
from shipper.kibana.client import KibanaClient, KibanaError
from shipper.kibana.copies import KibanaCopies
from shipper.kibana.dashboards.all import DASHBOARDS
from shipper.kibana.place import KibanaPlace
from shipper.kibana.sessions import SESSIONS
from shipper.kibana.setup import KibanaState, remove_from_kibana, set_up_kibana
from tests.kibana.facts import faults_if_known
from tests.servers.kibana_scripted import KEY, READ_ONLY, ScriptedKibana, scripted_kibana
from tests.servers.posts import Cut, Posted, Says

ROOT = Path(__file__).parents[2]
ALL = len(DASHBOARDS) + len(SESSIONS) + 1
CONFIG = """\
service: {{name: app}}
inputs: [{{paths: [logs/*.log]}}]
output: {{embedded: {{}}}}
kibana: {{url: "{url}", api_key_file: "{key}"{more}}}
"""
NOW = 1_770_301_845_123  # 2026-02-05T14:30:45.123Z


@pytest.fixture
def kibana() -> Iterator[ScriptedKibana]:
    with scripted_kibana(faults_if_known) as server:
        yield server


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY)
    return path


def client_of(kibana: ScriptedKibana, key: Path, space: str = "") -> KibanaClient:
    server = KibanaServer(url=kibana.url, api_key_file=key, request_seconds=20)
    return KibanaClient(server, KibanaPlace(kibana.url, space), pause=lambda _: None)


@pytest.fixture(autouse=True)
def folder_of_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def copies() -> list[Path]:
    return sorted(Path("copies").glob("*"))


def states(client: KibanaClient, *, dry_run: bool = False) -> dict[str, KibanaState]:
    kept = KibanaCopies(Path("copies"), NOW)
    return {step.name: step.state for step in set_up_kibana(client, kept, dry_run=dry_run)}


def run(tmp_path: Path, kibana: ScriptedKibana, *arguments: str, more: str = "") -> tuple[int, str]:
    config = tmp_path / "shipper.yml"
    config.write_text(CONFIG.format(url=kibana.url, key=tmp_path / "key", more=more))
    result = CliRunner().invoke(main, ["setup", "--config", str(config), *arguments])
    return result.exit_code, result.output


def test_twice_is_once(tmp_path: Path, kibana: ScriptedKibana, key: Path) -> None:
    """A dry run writes nothing; the first setup installs all, the second changes nothing."""
    assert key.exists()
    code, output = run(tmp_path, kibana, "--kibana", "--dry-run")
    assert code == 1
    assert output.count("is missing") == ALL
    assert kibana.writes() == []

    code, output = run(tmp_path, kibana, "--kibana", kibana.url)
    assert (code, output.count(": installed")) == (0, ALL)
    written = len(kibana.writes())
    assert len(kibana.dashboards) == len(DASHBOARDS)
    assert {*kibana.views} == {"logs-orchestrator"}
    assert len(kibana.saved) == len(SESSIONS)

    code, output = run(tmp_path, kibana, "--kibana")
    assert (code, output.count("is up to date")) == (0, ALL)
    assert len(kibana.writes()) == written
    assert run(tmp_path, kibana, "--kibana", "--dry-run")[0] == 0
    absent = ("404 GET", "400 POST /api/saved_objects/_export")
    assert all(each.startswith(absent) for each in kibana.refused)  # questions for what is new


def test_a_space_has_objects_of_its_own(kibana: ScriptedKibana, key: Path) -> None:
    """The same dashboards go into a second space under other ids, and leave the first alone."""
    assert {*states(client_of(kibana, key)).values()} == {KibanaState.NEW}
    before = copy.deepcopy(kibana.dashboards)

    assert {*states(client_of(kibana, key, "ops")).values()} == {KibanaState.NEW}

    assert {key: kibana.dashboards[key] for key in before} == before
    assert kibana.dashboards["shipper-errors-ops"][0] == "ops"
    assert kibana.views["logs-orchestrator-ops"][0] == "ops"
    assert {*states(client_of(kibana, key, "ops")).values()} == {KibanaState.SAME}


def test_a_space_that_is_not_there(tmp_path: Path, kibana: ScriptedKibana, key: Path) -> None:
    """It is said, and nothing is written."""
    assert key.exists()
    code, output = run(tmp_path, kibana, "--kibana", "--space", "nowhere")

    assert code == 2
    assert "no space nowhere" in output
    assert kibana.writes() == []


@pytest.mark.parametrize(
    "change", ["moved", "renamed", "added", "another version", "asks something else", "title"]
)
def test_what_was_changed_is_put_back(kibana: ScriptedKibana, key: Path, change: str) -> None:
    """Whatever is changed in a dashboard is put back, and a copy kept; the rest is not written."""
    client = client_of(kibana, key)
    assert states(client)
    name = "dashboard shipper-errors"
    body = kibana.dashboards["shipper-errors"][1]
    ours = copy.deepcopy(body)
    panel = body["panels"][2]
    if change == "moved":
        panel["grid"]["x"] += 1
    elif change == "renamed":
        panel["config"]["title"] = "Mine"
    elif change == "added":
        body["panels"].append(copy.deepcopy(panel) | {"id": "mine"})
        body["panels"][-1]["grid"]["y"] += 100
    elif change == "asks something else":
        panel["config"]["query"] = {"expression": "level:DEBUG", "language": "kql"}
    elif change == "title":
        body["title"] = "Mine"
    else:
        body["description"] = "Where errors come from [0123456789ab]"
    changed = copy.deepcopy(body)
    before = len(kibana.writes())
    assert states(client, dry_run=True)[name] is KibanaState.CHANGED
    assert (copies(), len(kibana.writes())) == ([], before)

    found = states(client)

    assert [each for each, state in found.items() if state is not KibanaState.SAME] == [name]
    assert found[name] is KibanaState.CHANGED
    assert without_ids(kibana.dashboards["shipper-errors"][1]) == without_ids(ours)
    assert {*kibana.writes()[before:]} == {"PUT /api/dashboards/shipper-errors"}
    (kept,) = copies()
    assert kept.name == "shipper-errors-20260205T143045123Z.json"
    shown = json.loads(kept.read_text())
    assert (shown["title"], shown["description"]) == (changed["title"], changed["description"])
    assert [each["config"].get("query") for each in shown["panels"]] == [
        each["config"].get("query") for each in changed["panels"]
    ]
    assert {*states(client).values()} == {KibanaState.SAME}


def without_ids(body: dict[str, Any]) -> dict[str, Any]:
    pinned = [{**each, "id": ""} for each in body["pinned_panels"]]
    return {**body, "pinned_panels": pinned}


def test_an_older_version_that_nobody_changed_leaves_no_copy(
    kibana: ScriptedKibana, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its seal says that it is as it was put; without one, a copy is kept."""
    errors = next(each for each in DASHBOARDS if each.key == "errors")
    others = tuple(each for each in DASHBOARDS if each is not errors)
    older = replace(errors, panels=errors.panels[:3])
    client = client_of(kibana, key)
    monkeypatch.setattr(setup, "DASHBOARDS", (*others, older))
    assert states(client)
    monkeypatch.undo()
    monkeypatch.chdir(key.parent)

    assert states(client)["dashboard shipper-errors"] is KibanaState.CHANGED
    assert copies() == []


def test_a_kibana_that_shows_things_in_another_way_each_time(
    kibana: ScriptedKibana, key: Path
) -> None:
    """There is no seal then, and no setup that changes everything every time."""
    kibana.restless = True
    client = client_of(kibana, key)

    assert {*states(client).values()} == {KibanaState.NEW}
    assert {*states(client).values()} == {KibanaState.SAME}
    assert copies() == []


def test_what_cannot_be_copied_is_not_overwritten(
    tmp_path: Path, kibana: ScriptedKibana, key: Path
) -> None:
    """No place for a copy, or a panel that Kibana does not show: said, and nothing is written."""
    client = client_of(kibana, key)
    assert states(client)
    kibana.dashboards["shipper-errors"][1]["title"] = "Mine"
    before = len(kibana.writes())
    kibana.warnings = [{"type": "dropped_panel", "message": "a map"}]
    with pytest.raises(KibanaError, match=r"not in its copy.*a map"):
        states(client)
    kibana.warnings = []
    (tmp_path / "copies").write_text("in the way")
    with pytest.raises(ShipperError, match="cannot be kept"):
        states(client)

    assert len(kibana.writes()) == before
    assert kibana.dashboards["shipper-errors"][1]["title"] == "Mine"


def test_the_command_says_where_the_copy_is(
    tmp_path: Path, kibana: ScriptedKibana, key: Path
) -> None:
    """It is in the data folder."""
    assert states(client_of(kibana, key))
    kibana.dashboards["shipper-errors"][1]["title"] = "Mine"

    code, output = run(tmp_path, kibana, "--kibana")

    (kept,) = (tmp_path / "var/shipper/kibana").iterdir()
    assert code == 0
    assert f"shipper-errors: updated (changed in Kibana; a copy of the old one is {kept}" in (
        output.replace("var/shipper", f"{tmp_path}/var/shipper")
    )


@pytest.mark.parametrize(
    "shown",
    [
        b"[]",
        b"null",
        b"<html>",
        b'{"data": 7, "warnings": 0}',
        b'{"data": {"panels": {"a": 1}, "description": []}}',
        b'{"data": {"panels": [7, {"grid": 7, "config": []}], "pinned_panels": [null]}}',
        b'{"data": ' + b'{"a":' * 400 + b"1" + b"}" * 401,
        b"[" * 100_000,
    ],
)
def test_a_server_that_is_no_kibana(kibana: ScriptedKibana, key: Path, shown: bytes) -> None:
    """Whatever it answers is an error in words, and never a traceback."""
    client = client_of(kibana, key)
    assert states(client)
    answers = kibana.posts.otherwise

    def other(posted: Posted) -> Any:
        path = "/api/dashboards/shipper-errors"
        return Says(200, shown) if (posted.method, posted.path) == ("GET", path) else kibana(posted)

    kibana.posts.otherwise = other
    with pytest.raises(ShipperError):
        states(client)
    kibana.posts.otherwise = answers
    assert {*states(client).values()} == {KibanaState.SAME}


def test_a_data_view_of_an_older_version_is_updated(kibana: ScriptedKibana, key: Path) -> None:
    """What was imported by hand before keeps its id, and gets fields, formats and labels."""
    old = {"id": "logs-orchestrator", "title": "logs-orchestrator.*-*", "runtimeFieldMap": {}}
    kibana.views["logs-orchestrator"] = (
        "default",
        {**old, "name": "Orchestrator logs", "timeFieldName": "@timestamp"},
    )
    client = client_of(kibana, key)

    assert states(client)["data view logs-orchestrator"] is KibanaState.CHANGED

    view = kibana.views["logs-orchestrator"][1]
    assert view["runtimeFieldMap"]["extra.queue_depth"] == {"type": "double"}
    assert view["fieldAttrs"]["duration_ms"]["customLabel"] == "Response time"
    assert states(client)["data view logs-orchestrator"] is KibanaState.SAME


def test_the_data_view_of_somebody_else_stays(kibana: ScriptedKibana, key: Path) -> None:
    """One of the same name is not replaced: its owner's dashboards would be empty."""
    theirs = {"id": "theirs", "title": "x-*", "name": "Orchestrator logs", "runtimeFieldMap": {}}
    kibana.views["theirs"] = ("default", theirs)

    with pytest.raises(KibanaError, match="Duplicate data view"):
        states(client_of(kibana, key))

    assert kibana.views == {"theirs": ("default", theirs)}


def test_remove_takes_all_of_it_and_no_more(
    tmp_path: Path, kibana: ScriptedKibana, key: Path
) -> None:
    """What setup has installed goes; what others made stays; a second time there is nothing."""
    assert {*states(client_of(kibana, key)).values()} == {KibanaState.NEW}
    kibana.dashboards["mine"] = ("default", {"title": "mine"})
    code, output = run(tmp_path, kibana, "--kibana", "--remove", "--dry-run")
    assert (code, output.count("would be removed")) == (1, ALL)

    code, output = run(tmp_path, kibana, "--kibana", "--remove")

    assert (code, output.count(": removed")) == (0, ALL)
    assert output.splitlines()[-1].startswith("data view")
    assert ({*kibana.dashboards}, kibana.views, kibana.saved) == ({"mine"}, {}, {})
    again = {step.state for step in remove_from_kibana(client_of(kibana, key))}
    assert again == {KibanaState.ABSENT}


def test_what_passes_is_waited_for(kibana: ScriptedKibana, key: Path) -> None:
    """Too many requests, a proxy without Kibana and a connection that breaks are tried again."""
    waited: list[float] = []
    server = KibanaServer(url=kibana.url, api_key_file=key)
    client = KibanaClient(server, KibanaPlace(kibana.url), pause=waited.append)
    kibana.posts.script = [Says(429, {}, {"retry-after": "7"}), Says(502, b"<html>"), Cut()]

    assert {*states(client).values()} == {KibanaState.NEW}
    assert waited[0] == 7
    assert len(waited) == 3
    assert len(kibana.dashboards) == len(DASHBOARDS)


def test_an_answer_that_gets_lost(kibana: ScriptedKibana, key: Path) -> None:
    """Kibana makes the data view, a proxy loses its answer: the second try is no error."""

    def loses(posted: Posted) -> Says:
        assert kibana(posted).status == 200
        assert posted.path == "/api/data_views/data_view"
        return Says(502, b"")

    kibana.posts.script = [kibana, kibana, loses]

    assert {*states(client_of(kibana, key)).values()} == {KibanaState.NEW}
    assert {*states(client_of(kibana, key)).values()} == {KibanaState.SAME}


def test_a_kibana_that_is_not_there_is_not_waited_for() -> None:
    """Nobody listens: it is said at once, not after five tries."""
    waited: list[float] = []
    server = KibanaServer(url="http://127.0.0.1:1")
    client = KibanaClient(server, KibanaPlace(server.url), pause=waited.append)

    with pytest.raises(KibanaError, match="refuses connections"):
        states(client)

    assert waited == []


def test_what_does_not_pass_is_said(tmp_path: Path, kibana: ScriptedKibana, key: Path) -> None:
    """Wrong or weak logins, an old Kibana and one that is not there: the reason, and what to do."""
    for told, code, *said in (
        (READ_ONLY, 3, "403", "logs-orchestrator-kibana"),
        ("wrong", 3, "401", "kibana.api_key_file"),
    ):
        key.write_text(told)
        found, output = run(tmp_path, kibana, "--kibana")
        assert found == code
        assert all(each in output for each in said), output
        assert told not in output
    key.write_text(KEY)
    kibana.version = "9.3.4"
    code, output = run(tmp_path, kibana, "--kibana")
    assert code == 2
    assert "9.3.4 has no API for dashboards" in output
    assert kibana.dashboards == {}


def test_what_kibana_drops_is_an_error(kibana: ScriptedKibana, key: Path) -> None:
    """Kibana takes a body and drops a panel of it: a warning in what is read back."""
    kibana.warnings = [{"type": "dropped_panel", "message": "unknown type"}]

    with pytest.raises(KibanaError, match="dropped_panel"):
        states(client_of(kibana, key))


def test_an_id_of_another_space(kibana: ScriptedKibana, key: Path) -> None:
    """Ids are those of all spaces: it is said that one belongs to another."""
    kibana.dashboards["shipper-overview"] = ("ops", {"title": "theirs"})

    with pytest.raises(KibanaError, match="already exists") as refused:
        states(client_of(kibana, key))

    assert "--space" in refused.value.remedy
    assert kibana.dashboards["shipper-overview"][1] == {"title": "theirs"}


def test_a_login_goes_nowhere_else(kibana: ScriptedKibana, key: Path) -> None:
    """A redirect is not followed, and a certificate that nobody vouches for gets no key."""
    kibana.posts.script = [Says(302, b"", {"location": f"{kibana.url}/login"})]
    with pytest.raises(KibanaError, match="302"):
        states(client_of(kibana, key))
    assert len(kibana.posts.posted) == 1

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with scripted_kibana(faults_if_known, context) as other:
        with pytest.raises(KibanaError, match="not trusted"):
            states(client_of(other, key))
        assert other.posts.posted == []


def test_options_that_need_each_other(tmp_path: Path, kibana: ScriptedKibana, key: Path) -> None:
    """Options of Kibana alone, an address with a password or with a space in it are refused."""
    assert key.exists()
    assert "add --kibana" in run(tmp_path, kibana, "--remove")[1]
    assert "add --kibana" in run(tmp_path, kibana, "--space", "ops")[1]
    for url in ("https://user:secret@kibana:5601", "ftp://kibana", "https://kibana/s/ops"):
        code, output = run(tmp_path, kibana, "--kibana", url)
        assert code == 2
        assert "secret" not in output
    assert kibana.posts.posted == []


def test_the_import_without_our_command(kibana: ScriptedKibana, tmp_path: Path) -> None:
    """kibana/import.sh fills a bare Kibana; `setup` then finds everything up to date."""
    if shutil.which("curl") is None:
        pytest.fail("curl is missing: apt install curl")
    environment = {"PATH": os.environ["PATH"], "KIBANA_API_KEY": KEY}

    for _ in range(2):
        done = subprocess.run(
            ["bash", ROOT / "kibana/import.sh", kibana.url],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    (view,) = [each for id_, (_, each) in kibana.saved.items() if id_.startswith("index-pattern")]
    kibana.views["logs-orchestrator"] = ("default", view_of(view))
    key = tmp_path / "key"
    key.write_text(KEY)

    assert {*states(client_of(kibana, key)).values()} == {KibanaState.SAME}

    quoted = 'a"b\\c'
    denied = subprocess.run(
        ["bash", ROOT / "kibana/import.sh", kibana.url],
        env={"PATH": os.environ["PATH"], "KIBANA_USER": "nobody", "KIBANA_PASSWORD": quoted},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert denied.returncode == 1
    assert "unable to authenticate" in denied.stderr
    assert quoted not in denied.stderr
    login = kibana.posts.posted[-1].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(login).decode() == f"nobody:{quoted}"


def view_of(saved: Any) -> Any:
    """Return an imported data view as the API of data views shows it."""
    attributes = saved["attributes"]
    maps = {"fieldFormats": "fieldFormatMap", "fieldAttrs": "fieldAttrs"}
    maps["runtimeFieldMap"] = "runtimeFieldMap"
    shown = {name: json.loads(attributes[other]) for name, other in maps.items()}
    return {**{each: attributes[each] for each in ("name", "title", "timeFieldName")}, **shown}
