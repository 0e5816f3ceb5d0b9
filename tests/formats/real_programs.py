"""
Real programs that write their logs into a folder: nginx, Apache, PostgreSQL, Redis.

A program is looked for in the PATH and where Debian puts it. If it is not there, a test is skipped
with the reason, or fails where SHIPPER_TEST_REQUIRE is set (`.ci/run` installs them).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PLACES = ["/usr/sbin", "/usr/bin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
NOBODY = "nobody"
ROOT = Path(__file__).parents[2]


def program(name: str) -> str:
    """Return the path of a program; skip or fail if there is none."""
    path = shutil.which(name, path=os.pathsep.join([*PLACES, os.environ["PATH"]]))
    if path is None:
        give_up = pytest.fail if os.environ.get("SHIPPER_TEST_REQUIRE") else pytest.skip
        give_up(f"{name} is not installed (apt-get install nginx-light apache2 redis-server ...)")
    return path


def free_port() -> int:
    """Return a port of the loopback that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def says(port: int, text: bytes) -> bytes:
    """Send bytes to a port, and return what is answered until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(4096):
            answer += data
    return answer


def is_open(port: int) -> bool:
    """Return whether a port takes connections."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(command: list[str], folder: Path, *, user: str | None = None) -> Iterator[None]:
    """Run a server in the foreground; end it afterwards."""
    with (folder / "server.out").open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=out,
            stderr=out,
            user=user if user and os.geteuid() == 0 else None,
            env={"PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C"},
            start_new_session=True,  # Apache ends the group of its process
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=30)


REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: test/1.0\r\nConnection: close\r\n\r\n",
    b'GET /no-such-page?a=1&b="2" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    b"\x16\x03\x01\x02\r\n\r\n",
    b"POST /index.html HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
)

NGINX = """\
daemon off;
{user}
pid {folder}/pid;
error_log {logs}/error.log info;
events {{}}
http {{
  access_log {logs}/access.log combined;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {folder};
    location /broken {{ return 503; }}
  }}
}}
"""

APACHE = """\
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
DefaultRuntimeDir {folder}
{user}
Listen 127.0.0.1:{port}
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
DocumentRoot {folder}
ErrorLog {logs}/error.log
LogLevel info
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\"" combined
CustomLog {logs}/access.log combined
"""


def write_nginx(folder: Path, logs: Path) -> None:
    """Let nginx write access.log and error.log."""
    port, path = free_port(), program("nginx")
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, logs=logs, port=port, user=user))
    with running([path, "-p", str(folder), "-c", str(config)], folder):
        wait_for(lambda: is_open(port))
        for request in (*REQUESTS, b"GET /broken HTTP/1.0\r\n\r\n"):
            says(port, request)


def write_apache(folder: Path, logs: Path) -> None:
    """Let Apache write access.log and error.log."""
    port, path = free_port(), program("apache2")
    user = f"User {NOBODY}\nGroup nogroup" if os.geteuid() == 0 else ""
    config = folder / "apache.conf"
    config.write_text(APACHE.format(folder=folder, logs=logs, port=port, user=user))
    with running([path, "-DFOREGROUND", "-f", str(config)], folder):
        wait_for(lambda: is_open(port))
        for request in REQUESTS:
            says(port, request)


def write_redis(folder: Path, logs: Path) -> None:
    """Let Redis write redis.log."""
    port, path = free_port(), program("redis-server")
    command = [path, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--logfile", str(logs / "redis.log"), "--loglevel", "verbose", "--save", ""]
    with running(command, folder):
        wait_for(lambda: is_open(port))
        says(port, b"PING\r\nNO-SUCH-COMMAND\r\n")


@contextmanager
def postgres(folder: Path, *options: str) -> Iterator[int]:
    """Run PostgreSQL with an empty cluster, whose user is `app`; yield its port."""
    port, path, init = free_port(), program("postgres"), program("initdb")
    data = folder / "data"
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    make = [init, "-D", str(data), "-U", "app", "-A", "trust", "-N", "--no-instructions"]
    make += ["-E", "UTF8"]
    subprocess.run(
        [*make, "--locale=C"], check=True, capture_output=True, user=user, cwd=folder, timeout=120
    )
    command = [path, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F"]
    for option in options:
        command += ["-c", option]
    with running(command, folder, user=user):
        wait_for(lambda: is_open(port))
        yield port


def write_postgres(folder: Path, logs: Path) -> None:
    """Let PostgreSQL write its log, with an error and its statement of two lines."""
    start = b"\0\x03\0\0user\0app\0database\0postgres\0\0"
    query = b"select *\nfrom no_such_table\0"
    message = (len(start) + 4).to_bytes(4, "big") + start
    message += b"Q" + (len(query) + 4).to_bytes(4, "big") + query
    with postgres(folder, "log_line_prefix=%m [%p] %q%u@%d ", "log_connections=on") as port:
        wait_for(lambda: b"no_such_table" in says(port, message))
    shutil.copy(folder / "server.out", logs / "postgresql.log")


WRITERS = {
    "nginx": write_nginx,
    "apache": write_apache,
    "postgres": write_postgres,
    "redis": write_redis,
}


def shipper(place: Path, *arguments: str, zone: str = "UTC", fails: bool = False) -> str:
    """Run the shipper in a folder; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "--config", "shipper.yml", *arguments],
        cwd=place,
        env={"PYTHONPATH": str(ROOT), "TZ": zone},
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert fails or done.returncode == 0, done.stderr
    return done.stdout
