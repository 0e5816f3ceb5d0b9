"""
A real Elasticsearch for the tests: fixtures, and `python -m tests.servers.elasticsearch [PORT]`.

Where it comes from, the first that works: an address in SHIPPER_TEST_ELASTICSEARCH, an official
image where a Docker engine answers, a node made of the jars of Maven Central (needs a JDK of
version 21 or newer and Maven). Without any of them a test is skipped with the reason, or fails
where SHIPPER_TEST_REQUIRE is set.

    elasticsearch_url     address of a node that all tests of the session share: each keeps to a
                          namespace of its own, and leaves templates as `shipper setup` makes them
    start_elasticsearch   starts further nodes on this machine, to be killed and restarted
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, NoReturn

import pytest

IMAGE = os.environ.get("SHIPPER_TEST_ELASTICSEARCH_IMAGE", "elasticsearch:9.5.3")
RUNNER = Path(__file__).parent / "elasticsearch_node" / "run_es.sh"
CACHE = Path(__file__).parent.parent.parent / ".cache" / "elasticsearch-node"
READY_SECONDS = 100  # less than the timeout of a test, which would hide the reason
QUICK_START = "-XX:TieredStopAtLevel=1"  # of more worth to a test than speed
PORTS = "logs/http.ports"


class NoServerError(Exception):
    """There is none of this kind here, for this reason."""


class LocalNode:
    """A node of this machine in its own folder; the same folder keeps data and address."""

    def __init__(
        self, home: Path, *, settings: str = "", port: int = 0, full_speed: bool = False
    ) -> None:
        self.home = home
        self.port = port
        self._settings = settings
        self._options = "" if full_speed else QUICK_START
        self._environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the address; the port is known once the node was started."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Return the id of its process."""
        assert self._process is not None
        return self._process.pid

    first_failure: ClassVar[str | None] = None  # why the first node of this process did not start
    has_started: ClassVar[bool] = False

    def start(self) -> None:
        """
        Start it, and return when it answers.

        Where no node has ever started, the first failure is that of all: it is not waited for
        again.

        Raises:
            NoServerError: it does not start, for this reason.

        """
        assert self._process is None
        if self.first_failure is not None:
            raise NoServerError(f"as before: {self.first_failure}")
        try:
            self._start()
        except NoServerError as error:
            if not self.has_started:
                type(self).first_failure = str(error)
            raise
        type(self).has_started = True

    def _start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / PORTS).unlink(missing_ok=True)
        environment = {
            "ES_JAVA_OPTS": self._options,
            **os.environ,
            "ES_DIST": str(CACHE),
            "ES_YML": self._settings,
            **self._environment,
        }
        with open(self.home / "console.log", "ab") as console:
            self._process = subprocess.Popen(
                [RUNNER, str(self.port), self.home],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                told = (self.home / "console.log").read_text().splitlines()[-3:]
                self.stop()
                raise NoServerError("the node ended: " + " | ".join(told))
            if self._answers():
                return
            time.sleep(0.1)
        self.stop()
        raise NoServerError(f"the node did not answer within {READY_SECONDS} s")

    def _answers(self) -> bool:
        try:
            address = (self.home / PORTS).read_text().splitlines()[0]
            self.port = int(address.rpartition(":")[2])
            return self.answers("/_cluster/health?wait_for_status=yellow&timeout=1s")
        except (OSError, IndexError):
            return False

    def answers(self, path: str) -> bool:
        """Return whether a GET of this path is answered with 200; raise OSError without any."""
        return answers(f"{self.url}{path}")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """End it in good order, if it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


StartNode = Callable[..., LocalNode]


def answers(url: str) -> bool:
    """Say whether there is an answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False


def require_tools() -> None:
    """Raise NoServerError where a node cannot be made here."""
    missing = [tool for tool in ("bash", "mvn") if shutil.which(tool) is None]
    if missing:
        raise NoServerError(f"{missing[0]} is missing; a node is made with it and a JDK 21")


def of_the_environment(_stack: ExitStack, _folder: Path) -> str:
    """Return the address that the environment has."""
    url = os.environ.get("SHIPPER_TEST_ELASTICSEARCH")
    if not url:
        raise NoServerError("SHIPPER_TEST_ELASTICSEARCH is not set")
    return url.rstrip("/")


def of_docker(stack: ExitStack, _folder: Path) -> str:
    """Start the official image."""
    if not docker_answers():
        raise NoServerError("no Docker engine answers")
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 -- only with Docker
    from testcontainers.core.wait_strategies import HttpWaitStrategy  # noqa: PLC0415

    container = (
        DockerContainer(IMAGE)
        .with_env("discovery.type", "single-node")
        .with_env("xpack.security.enabled", "false")
        .with_env("ES_JAVA_OPTS", "-Xms512m -Xmx512m")
        .with_exposed_ports(9200)
        .waiting_for(HttpWaitStrategy(9200, "/_cluster/health").for_status_code(200))
    )
    try:
        stack.enter_context(container)
    except Exception as error:
        raise NoServerError(f"the image {IMAGE} cannot be started: {error}") from error
    return f"http://{container.get_container_host_ip()}:{container.get_exposed_port(9200)}"


def docker_answers() -> bool:
    """Ask the engine, if there is a client for it."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    asked = [docker, "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(asked, capture_output=True, timeout=20, check=False)
    return done.returncode == 0


def of_this_machine(stack: ExitStack, folder: Path) -> str:
    """Start a node made of jars."""
    require_tools()
    node = LocalNode(folder)
    stack.callback(node.stop)
    node.start()
    return node.url


def give_up(reason: str) -> NoReturn:
    """Skip the test, or fail where servers are demanded."""
    if os.environ.get("SHIPPER_TEST_REQUIRE"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def elasticsearch_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a node that all tests of the session share."""
    reasons = []
    with ExitStack() as stack:
        for start in (of_the_environment, of_docker, of_this_machine):
            try:
                url = start(stack, tmp_path_factory.mktemp("elasticsearch"))
            except NoServerError as error:
                reasons.append(str(error))
            else:
                yield url
                return
    give_up("no Elasticsearch: " + "; ".join(reasons))


@pytest.fixture
def start_elasticsearch(tmp_path: Path) -> Iterator[StartNode]:
    """Return a function that starts a node of this machine; see `LocalNode`."""
    nodes: list[LocalNode] = []

    def start(*, settings: str = "") -> LocalNode:
        node = LocalNode(tmp_path / f"node-{len(nodes)}", settings=settings)
        nodes.append(node)
        try:
            require_tools()
            node.start()
        except NoServerError as error:
            give_up(f"no Elasticsearch on this machine: {error}")
        return node

    yield start
    for node in nodes:
        node.stop()


def main() -> None:
    """Run a node until Ctrl-C, and print its address."""
    with tempfile.TemporaryDirectory(prefix="elasticsearch-") as folder:
        node = LocalNode(Path(folder), port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
        node.start()
        print(node.url, flush=True)  # noqa: T201 -- that is its purpose
        try:
            signal.pause()
        except KeyboardInterrupt:
            node.stop()


if __name__ == "__main__":
    main()
