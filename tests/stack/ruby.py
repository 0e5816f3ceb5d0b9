"""
Ruby for the scripts of Logstash's pipelines.

Where it comes from, the first that works: a command in SHIPPER_TEST_RUBY, or the JRuby that
Logstash runs on, from Maven Central (needs Maven and a JDK of version 21 or newer). Without either
a test is skipped with the reason, or fails where SHIPPER_TEST_REQUIRE is set.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.servers.elasticsearch import give_up

ROOT = Path(__file__).parent.parent.parent
RUNNER = Path(__file__).parent / "run_scripts.rb"
CACHE = ROOT / ".cache" / "jruby"
JRUBY = "10.0.6.0"  # of Logstash 9.5
FETCH_SECONDS = 300
RUN_SECONDS = 240  # JRuby starts slowly on a machine that is busy


def ruby() -> list[str]:
    """Return the command of a Ruby; skip or fail where there is none."""
    given = os.environ.get("SHIPPER_TEST_RUBY")
    if given:
        return shlex.split(given)
    java, maven = java_21(), shutil.which("mvn")
    if java is None or maven is None:
        give_up("JRuby needs mvn to be fetched with, and a JDK of version 21 or newer to run on")
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
    return [str(java), "-XX:TieredStopAtLevel=1", "-jar", str(jar)]


def java_21() -> Path | None:
    """Return the `java` of a JDK of version 21 or newer: that of JAVA_HOME, or one installed."""
    homes = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    for home in [*homes, *sorted(Path("/usr/lib/jvm").glob("*"))]:
        release = home / "release"
        if release.exists() and (home / "bin/java").exists():
            found = re.search(r'JAVA_VERSION="(\d+)', release.read_text())
            if found is not None and int(found[1]) >= 21:
                return home / "bin/java"
    return None


def run_script(name: str, params: dict[str, str], events: list[dict[str, Any]]) -> list[Any]:
    """Run a script of logstash/scripts over events; return the results, None for a dropped one."""
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
