"""
Ruby for the scripts of Logstash's pipelines.

Where it comes from, the first that works: a command in SHIPPER_TEST_RUBY, `ruby`, JRuby (which is
what Logstash runs on) from Maven Central. Without any of them a test is skipped with the reason,
or fails where SHIPPER_TEST_REQUIRE is set.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.servers.elasticsearch import give_up

ROOT = Path(__file__).parent.parent.parent
RUNNER = Path(__file__).parent / "run_scripts.rb"
CACHE = ROOT / ".cache" / "jruby"
JRUBY = "9.4.13.0"  # of the line that Logstash 9 is built on
FETCH_SECONDS = 300
RUN_SECONDS = 60


def ruby() -> list[str]:
    """Give the command of a Ruby; skip or fail where there is none."""
    told = os.environ.get("SHIPPER_TEST_RUBY")
    if told:
        return shlex.split(told)
    installed = shutil.which("ruby")
    if installed:
        return [installed]
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None or maven is None:
        give_up("there is no ruby, and no java and mvn to fetch JRuby with")
    jar = CACHE / f"jruby-complete-{JRUBY}.jar"
    if not jar.exists():
        artifact = f"-Dartifact=org.jruby:jruby-complete:{JRUBY}"
        fetched = subprocess.run(
            [maven, "-q", "-B", "dependency:copy", artifact, f"-DoutputDirectory={CACHE}"],
            capture_output=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
        if fetched.returncode != 0:
            give_up("JRuby cannot be fetched from Maven Central")
    return [java, "-XX:TieredStopAtLevel=1", "-jar", str(jar)]


def run_script(name: str, params: dict[str, str], events: list[dict[str, Any]]) -> list[Any]:
    """Run a script of logstash/scripts over events; give what came out, None for a dropped one."""
    work = {"script": str(ROOT / "logstash/scripts" / name), "params": params, "events": events}
    done = subprocess.run(
        [*ruby(), str(RUNNER)],
        input=json.dumps(work).encode(),
        capture_output=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    answers: list[Any] = json.loads(done.stdout)
    return answers
