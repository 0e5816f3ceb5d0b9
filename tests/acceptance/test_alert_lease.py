"""Two alert jobs, each with a data folder of its own, over one real Elasticsearch."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest

from shipper.alerts.incident import Phase
from tests.acceptance.alerting import Alerting
from tests.servers.posts import Says, recording_server
from tests.store.store_loading import Node
from tests.store.store_records import enriched, record

pytestmark = [pytest.mark.slow, pytest.mark.server]
CONFIG = """\
service: {{name: shop}}
namespace: {namespace}
data_dir: data
inputs: [{{paths: [logs/*.log]}}]
output: {{elasticsearch: {{hosts: ["{url}"]}}}}
alerts: {{rules: rules, settings: alerts.yml, grace: 1s, assumed_delay: 1s, lease: 10s}}
"""


def test_one_of_two_jobs_works(tmp_path: Path, elasticsearch_url: str) -> None:
    """One job tells, the other stands by, and takes over when the first one is gone."""
    node = Node(elasticsearch_url, uuid.uuid4().hex)
    now = time.time_ns() // 10**6
    node.send([record(n, now, level="ERROR", **enriched("app", n)) for n in range(3)])
    config = CONFIG.format(namespace=node.namespace, url=node.url)
    with recording_server() as posts:
        posts.otherwise = Says(200, b"ok")
        folders = [tmp_path / name for name in ("one", "other")]
        for folder in folders:
            folder.mkdir()
        one, other = (Alerting(folder, posts, config) for folder in folders)
        try:
            working = one.start("alerts", "run")
            one.wait(lambda: len(one.heard("hook")) == 1)
            waiting = other.start("alerts", "run")
            other.wait(lambda: "stands by" in other.output())
            assert other.incidents() == []
            called = other.call("alerts", "once")
            assert (called.returncode, called.stdout) == (3, "")  # the folder has its job already
            working.kill()
            working.wait(60)

            other.wait(lambda: len(other.incidents(Phase.FIRING)) == 1)

            assert "this alert job is active now" in other.output()
            again = one.start("alerts", "run")
            one.wait(lambda: one.output().count("stands by") == 1)
            assert other.stop(waiting) == 0
            one.wait(lambda: "this alert job is active now" in one.output())
            assert one.stop(again) == 0
            assert set(one.heard("hook").values()) == {1}
        finally:
            one.close()
            other.close()
