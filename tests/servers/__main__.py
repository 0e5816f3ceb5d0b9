"""
The two real servers of the tests, to ship to by hand: `python -m tests.servers`, until Ctrl-C.

An Elasticsearch node on port 9200 with the templates of `shipper setup`, and a Lumberjack receiver
on port 5044 that adds every event to var/received.ndjson.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from shipper.config.outputs import ElasticsearchOutput
from shipper.store.elasticsearch.setup import set_up
from tests.servers.elasticsearch import LocalNode, NoServerError, require_tools
from tests.servers.lumberjack import Receiver


def main() -> None:
    """Start both, say what to put into the config, and wait for Ctrl-C."""
    received = Path("var/received.ndjson")
    received.parent.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="elasticsearch-") as folder:
        node = LocalNode(Path(folder), port=9200)
        receiver = Receiver(received, "127.0.0.1:5044")
        try:
            require_tools()
            node.start()
            steps = list(set_up(ElasticsearchOutput(hosts=(node.url,))))
            receiver.start("-lifetime", "24h")
            _tell(node.url, receiver.address, received, len(steps))
            signal.pause()
        except NoServerError as error:
            sys.exit(f"no Elasticsearch on this machine: {error}")
        except KeyboardInterrupt:
            print()
        finally:
            receiver.stop()
            node.stop()


def _tell(url: str, address: str, received: Path, pieces: int) -> None:
    print(
        f"Elasticsearch at {url}, {pieces} pieces of `shipper setup` looked at\n"
        f"Lumberjack receiver at {address}, what it gets is in {received}\n\n"
        "one of these as the output of config/shipper.yml, then `make run` in another terminal:\n"
        f'  elasticsearch: {{hosts: ["{url}"]}}\n'
        f'  logstash: {{hosts: ["{address}"], tls: {{enabled: false}}}}\n\n'
        "Ctrl-C stops both; the node's data go with it",
        flush=True,
    )


if __name__ == "__main__":
    main()
