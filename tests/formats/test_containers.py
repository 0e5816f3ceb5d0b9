"""Lines of containers: parts joined, what they say read, each stored once whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shipper.crashpoints import CrashPoint
from shipper.tail.containers import ContainerLines
from tests.formats.reading import read_as

ROOT = Path(__file__).parent.parent.parent
TIME = "2026-02-05T14:30:45.123456789Z"
MS = "2026-02-05T14:30:45.123Z"


def docker(log: str, stream: str = "stdout", **more: Any) -> str:
    """Write a line as Docker does."""
    record = {"log": log, "stream": stream, **more, "time": TIME}
    return json.dumps(record, separators=(",", ":")) + "\n"


def test_what_a_container_says_is_taken_apart() -> None:
    """JSON, an access log and text in a container are records as they are in a file."""
    text = (
        docker('{"level":"error","msg":"it broke","ts":1770301840}\n')
        + docker('1.2.3.4 - - [05/Feb/2026:14:30:41 +0000] "GET / HTTP/1.1" 500 7 "-" "-"\n')
        + docker("plain\n", "stderr", attrs={"tag": "web"})
        + "no line of docker\n"
    )

    found, access, plain, odd = read_as("format: docker", text)

    assert (found["level"], found["message"]) == ("ERROR", "it broke")
    assert found["@timestamp"] == "2026-02-05T14:30:40.000Z"
    assert found["extra"]["stream"] == "stdout"
    assert (access["status_code"], access["event"]["dataset"]) == (500, "nginx.access")
    assert (plain["message"], plain["@timestamp"]) == ("plain", MS)
    assert plain["extra"] == {"stream": "stderr", "attrs": {"tag": "web"}}
    assert "tags" not in plain
    assert odd["tags"] == ["no_match"]
    assert {doc["event"]["dataset"] for doc in (found, plain, odd)} == {"docker.log"}


def test_parts_are_joined_by_stream() -> None:
    """A long line in parts is one record, also with lines of the other stream in between."""
    text = (
        docker('{"msg":"long ')
        + docker("between\n", "stderr")
        + docker("beside ", "stderr")
        + docker('line"}\n')
        + docker("it\n", "stderr")
        + docker("next\n")
    )

    docs = read_as_group(text)

    assert [doc["message"] for doc in docs] == ["long line", "between", "beside it", "next"]
    offsets = [doc["log"]["offset"] for doc in docs]
    assert offsets == sorted({text.encode().index(part) for part in map(str.encode, PARTS)})


PARTS = ('{"log":"{', '{"log":"between', '{"log":"beside', '{"log":"next')


def read_as_group(text: str, name: str = "docker") -> list[Any]:
    """Read text of which some events hold several records."""
    joined = ContainerLines(name == "docker", 500, 1 << 17, 5.0)
    starts, _complete = joined.split(text.encode())
    docs, ends = [], [*starts[1:], len(text.encode())]
    for start, end in zip(starts, ends, strict=True):
        for doc in read_as(f"format: {name}", text.encode()[start:end]):
            doc["log"]["offset"] += start
            docs.append(doc)
    return docs


def test_a_traceback_in_a_container_is_one_record() -> None:
    """The lines of a traceback, a line of the runtime each, are one record with its error."""
    text = "".join(
        docker(f"{line}\n", "stderr")
        for line in (
            "ERROR:app:it broke",
            "Traceback (most recent call last):",
            '  File "a.py", line 7',
            "ValueError: gone",
            "INFO:app:next",
        )
    )

    broke, after = read_as("format: docker", text)

    assert (broke["level"], broke["error_type"]) == ("ERROR", "ValueError")
    assert after["message"] == "next"


def test_cri_is_joined_by_its_tags() -> None:
    """P is a part, F the end of a line."""
    text = f"{TIME} stdout P one \n{TIME} stderr F other\n{TIME} stdout F two\n"

    docs = read_as_group(text, "cri")

    assert [doc["message"] for doc in docs] == ["one two", "other"]
    assert {doc["@timestamp"] for doc in docs} == {MS}


@pytest.mark.parametrize(
    ("log", "is_part"),
    [("a\n", False), ("a", True), ("a\\n", True), ("a\\\n", False), ("\n", False), ("", True)],
)
def test_where_a_line_of_docker_ends(log: str, is_part: bool) -> None:  # noqa: FBT001
    r"""A newline at the end ends it; a `\n` that the container wrote does not."""
    text = (docker(log) + docker("next\n")).encode()

    starts, _complete = ContainerLines(True, 500, 1 << 17, 5.0).split(text)  # noqa: FBT003

    assert (len(starts) == 1) is is_part


def test_logfmt_has_the_keys_of_json() -> None:
    """Quoted and bare values, numbers and escapes."""
    line = (
        'time=2026-02-05T14:30:45Z level=warn msg="it \\"broke\\"" dur=1.5 n=7 ok=true trace.id=t\n'
    )

    (doc,) = read_as("format: logfmt", line)

    assert (doc["level"], doc["message"]) == ("WARNING", 'it "broke"')
    assert doc["extra"]["dur"] == 1.5
    assert (doc["extra"]["n"], doc["extra"]["ok"], doc["extra"]["trace_id"]) == (7, True, "t")


CONFIG = """\
service: {name: app}
data_dir: data
inputs: [{paths: ["logs/*.log"], format: auto}]
tail: {block_bytes: 4 KiB}
delivery: {batch_bytes: 64 KiB, queue_bytes: 64 KiB}
output: {embedded: {}}
"""


def site_of(folder: Path) -> None:
    """Lay out a config and logs of containers and of Python, many blocks of each."""
    (folder / "logs").mkdir(parents=True)
    (folder / "shipper.yml").write_text(CONFIG)
    parts = [
        docker(f"{number} " + "x" * 300)
        + docker(f"err {number}\n", "stderr")
        + docker("y" * 300 + f" {number}\n")
        for number in range(150)
    ]
    (folder / "logs" / "docker.log").write_text("".join(parts))
    events = [
        f"2026-02-05 14:30:45,{number:03d} - app - ERROR - {number}\n"
        f'Traceback (most recent call last):\n  File "a.py", line {number}\nValueError: {number}\n'
        for number in range(300)
    ]
    (folder / "logs" / "python.log").write_text("".join(events))


def run(folder: Path, *command: str) -> int:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "TZ": "UTC"},
        check=False,
        timeout=90,
        capture_output=True,
    )
    return done.returncode


def stored(folder: Path) -> list[tuple[str, int, str, str]]:
    """Return every record of the store: file, offset, message, traceback."""
    assert run(folder, "shipper", "--config", "shipper.yml", "run", "--once") == 0
    assert run(folder, "shipper", "--config", "shipper.yml", "export", "all.ndjson") == 0
    docs = [json.loads(line) for line in (folder / "all.ndjson").read_text().splitlines()]
    return sorted(
        (
            Path(doc["log"]["file"]["path"]).name,
            doc["log"]["offset"],
            doc["message"],
            doc.get("exc_info", ""),
        )
        for doc in docs
        if doc["event"]["dataset"] != "orchestrator.heartbeat"
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int, str, str]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    site_of(folder)
    return stored(folder)


@pytest.mark.parametrize(
    ("step", "count"),
    [
        pytest.param(*(CrashPoint.READ, 2), marks=pytest.mark.slow),
        (CrashPoint.INDEXED, 1),
        pytest.param(*(CrashPoint.ACKED, 1), marks=pytest.mark.slow),
        pytest.param(*(CrashPoint.SAVING, 1), marks=pytest.mark.slow),
        (CrashPoint.SAVED, 1),
        pytest.param(*(CrashPoint.SAVED, 2), marks=pytest.mark.slow),
    ],
)
def test_killed_at_a_step(
    tmp_path: Path,
    undisturbed: list[tuple[str, int, str, str]],
    step: CrashPoint,
    count: int,
) -> None:
    """Killed wherever it is, events of several lines and parts are stored once, cut the same."""
    site_of(tmp_path)
    assert len(undisturbed) == 600

    crashing = ("tests.crashing", step.name, str(count), "--config", "shipper.yml", "run", "--once")
    assert run(tmp_path, *crashing) == -9

    assert stored(tmp_path) == undisturbed


def test_a_line_with_a_time_keeps_it_whatever_else_is_odd() -> None:
    """The time of the runtime is for lines without one only, and no other tag is taken away."""
    text = docker('{"msg":"a","level":{"x":1},"ts":1770301840}\n') + docker('{"level":{"x":1}}\n')

    timed, untimed = read_as("format: docker", text)

    assert (timed["@timestamp"], timed["tags"]) == ("2026-02-05T14:30:40.000Z", ["moved"])
    assert (untimed["@timestamp"], untimed["tags"]) == (MS, ["moved"])
