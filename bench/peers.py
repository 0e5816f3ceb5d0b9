"""
The same corpus through other shippers, where they are on the PATH: file → JSON documents → file.

Each decodes every line as JSON and writes a document a line, so that one can see when it is
through; its CPU time is read before it is stopped.

    python -m bench.peers 1000000
    python -m bench.peers 1000000 --nginx

With `--nginx`, each takes lines of nginx's combined access log apart, and so does this shipper,
whose documents have besides what enrichment adds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import corpus
from bench.formats import NGINX, lines_of
from bench.harness import Result, measure, table


@dataclass(frozen=True, slots=True)
class Peer:
    """Another shipper; `prepare` writes its config to a folder and gives its arguments."""

    name: str
    program: str
    prepare: Callable[[Path, Path], Sequence[str]]


def _filebeat(folder: Path, log: Path) -> Sequence[str]:
    config = {
        "filebeat.inputs": [
            {
                "type": "filestream",
                "id": "bench",
                "paths": [str(log)],
                "parsers": [{"ndjson": {"target": ""}}],
            }
        ],
        "output.file": {"path": str(folder), "filename": "out", "rotate_every_kb": 2**30},
        "path.home": str(folder),
    }
    (folder / "filebeat.yml").write_text(json.dumps(config))  # JSON is YAML
    return ["-e", "--strict.perms=false", "-c", str(folder / "filebeat.yml")]


def _rsyslog(folder: Path, log: Path) -> Sequence[str]:
    (folder / "rsyslog.conf").write_text(f"""\
global(workDirectory="{folder}" maxMessageSize="64k")
module(load="imfile")
module(load="mmjsonparse")
template(name="document" type="list") {{ property(name="$!all-json") constant(value="\\n") }}
ruleset(name="bench") {{
  action(type="mmjsonparse" cookie="")
  action(type="omfile" file="{folder}/out" template="document")
}}
input(type="imfile" file="{log}" tag="bench" ruleset="bench")
""")
    return ["-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid")]


def _fluent_bit(folder: Path, log: Path) -> Sequence[str]:
    (folder / "parsers.conf").write_text("[PARSER]\n    Name json\n    Format json\n")
    (folder / "fluent-bit.conf").write_text(f"""\
[SERVICE]
    Flush 1
    Parsers_File {folder}/parsers.conf
[INPUT]
    Name tail
    Path {log}
    Parser json
    Read_from_Head On
    Buffer_Max_Size 1M
[OUTPUT]
    Name file
    Match *
    Path {folder}
    File out
    Format plain
""")
    return ["-c", str(folder / "fluent-bit.conf")]


PEERS = (
    Peer("Filebeat", "filebeat", _filebeat),
    Peer("rsyslog", "rsyslogd", _rsyslog),
    Peer("Fluent Bit", "fluent-bit", _fluent_bit),
)


def _syslog_ng(folder: Path, log: Path) -> Sequence[str]:
    (folder / "syslog-ng.conf").write_text(f"""\
@version: current
@include "scl.conf"
options {{ stats-freq(0); }};
source bench {{
  file("{log}" flags(no-parse) follow-freq(1) log-fetch-limit(10000) log-iw-size(100000));
}};
destination bench {{
  file("{folder}/out" flush-lines(1000) log-fifo-size(200000)
    template("$(format-json --key .apache.* message=\\"$MESSAGE\\" time=\\"$ISODATE\\")\\n"));
}};
log {{
  source(bench);
  parser {{
    apache-accesslog-parser();
    date-parser(format("%d/%b/%Y:%H:%M:%S %z") template("${{.apache.timestamp}}"));
  }};
  destination(bench);
  flags(flow-control);
}};
""")
    places = ["-R", str(folder / "persist"), "-p", str(folder / "pid"), "-c", str(folder / "ctl")]
    return ["-F", "--no-caps", "-f", str(folder / "syslog-ng.conf"), *places]


def _shipper(folder: Path, log: Path) -> Sequence[str]:
    (folder / "shipper.yml").write_text(f"""\
service: {{name: web}}
data_dir: data
inputs: [{{paths: ["{log}"], format: nginx}}]
output: {{console: {{format: json, path: out}}}}
""")
    return ["-m", "shipper", "--config", str(folder / "shipper.yml"), "run"]


NGINX_PEERS = (
    Peer("this shipper", sys.executable, _shipper),
    Peer("syslog-ng", "syslog-ng", _syslog_ng),
)


def run(peer: Peer, log: Path, lines: int) -> Result | None:
    """Measure a peer over a corpus; None where it is not on the PATH."""
    program = shutil.which(peer.program)
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        return measure(
            peer.name,
            [program, *peer.prepare(folder, log)],
            lines=lines,
            is_done=LineCount(folder, lines).is_reached,
            folder=folder,
        )


class LineCount:
    """Counts the lines of the files `out*` of a folder, each byte once."""

    def __init__(self, folder: Path, wanted: int) -> None:
        self._folder, self._wanted, self._lines = folder, wanted, 0
        self._offsets: dict[Path, int] = {}

    def is_reached(self) -> bool:
        for path in self._folder.glob("out*"):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                while data := file.read(2**20):
                    self._lines += data.count(b"\n")
                self._offsets[path] = file.tell()
        return self._lines >= self._wanted


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Measure others.")
    parser.add_argument("lines", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--nginx", action="store_true", help="lines of nginx, taken apart")
    options = parser.parse_args()
    lines = options.lines
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "corpus.log")
        if options.nginx:
            log.write_bytes(lines_of(NGINX, lines, secrets=False))
        else:
            corpus.write(log, lines)
        peers = NGINX_PEERS if options.nginx else PEERS
        mean = log.stat().st_size / lines
        print(f"others, {lines:,} lines of {mean:.0f} bytes in the mean")
        results = [(peer, run(peer, log, lines)) for peer in peers]
    print(table([result for _peer, result in results if result]))
    for peer, result in results:
        if result is None:
            print(f"{peer.name} is not on the PATH ({peer.program})")


if __name__ == "__main__":
    main()
