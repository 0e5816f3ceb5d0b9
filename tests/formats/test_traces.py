"""Traces of Go, Node, Ruby, Java and Python: one record each, also in lines of a container."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shipper.tail.multiline import CONTINUES
from tests.formats.reading import read_as

UTC = "time: {zone: UTC}"
GO_PANIC = """\
panic: runtime error: index out of range [5] with length 3 [recovered]
\tpanic: again

goroutine 1 [running]:
main.(*Server).handle(0xc0000b2000, {0x7f3a, 0x5}, ...)
\t/app/main.go:9 +0x1d
github.com/x/y-z/pkg.Run[...](...)
\t/go/pkg/mod/github.com/x/y-z/pkg.go:7
main.main()
\t/app/main.go:3 +0x1b
created by net/http.(*Server).Serve in goroutine 1
\t/usr/local/go/src/net/http/server.go:3086 +0x5cb
exit status 2
"""
GO_LOG = (
    "2026/02/05 14:30:45 http: panic serving 127.0.0.1:5000: boom\n" + GO_PANIC.partition("\n\n")[2]
)
NODE_UNCAUGHT = """\
/app/server.js:7
    throw new TypeError('gone');
    ^

TypeError: gone
    at Object.<anonymous> (/app/server.js:7:9)
    at node:internal/main/run_main_module:28:49 {
  code: 'EGONE'
}

Node.js v20.11.0
"""
NODE_LOG = """\
2026-02-05T14:30:45.123Z [error] request failed
TypeError: gone
    at async handler (/app/server.js:7:9) {
  [cause]: Error: refused
      at connect (/app/db.js:3:1) {
    errno: -111
  }
}
"""
RUBY_UNCAUGHT = """\
app.rb:7:in `run': no such workflow (RuntimeError)
\tfrom app.rb:3:in `<main>'
"""
RUBY_LOG = """\
E, [2026-02-05T14:30:45.123456 #71] ERROR -- billing: no such workflow (Orders::MissingError)
app/models/order.rb:7:in `find!'
app/controllers/orders_controller.rb:3:in 'OrdersController#show'
/usr/lib/ruby/gems/3.3.0/gems/rack-3.0.8/lib/rack/handler.rb:12:in `block in call'
"""
# Name → the lines of one event, its error, and its level.
TRACES: dict[str, tuple[str, str | None, str | None]] = {
    "go panic": (GO_PANIC, None, "CRITICAL"),
    "go log": (GO_LOG, None, "CRITICAL"),
    "node uncaught": (NODE_UNCAUGHT, "TypeError", None),
    "node log": (NODE_LOG, "TypeError", "ERROR"),
    "ruby uncaught": (RUBY_UNCAUGHT, "RuntimeError", None),
    "ruby log": (RUBY_LOG, "Orders::MissingError", "ERROR"),
}
AFTER = "2026-02-05 14:30:46 [info] next\n"


def check(docs: list[Any], name: str) -> None:
    text, error, level = TRACES[name]
    broke, after = docs
    whole = f"{broke['message']}\n{broke['exc_info']}\n"
    assert whole.endswith(text.partition("\n")[2])
    assert (broke.get("error_type"), broke.get("level")) == (error, level)
    assert after["message"].endswith("next")


def docker_of(text: str) -> str:
    """Return the lines that Docker writes of a text."""
    lines = [
        {"log": line, "stream": "stderr", "time": "2026-02-05T14:30:47.123456789Z"}
        for line in text.splitlines(keepends=True)
    ]
    return "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in lines)


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_is_one_record(name: str) -> None:
    """Its first line is the message, the others are the traceback, and the error has its name."""
    check(read_as(f"format: text, {UTC}", TRACES[name][0] + AFTER), name)


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_in_a_container_is_one_record(name: str) -> None:
    """Docker writes a line of its own for each."""
    check(read_as("format: docker", docker_of(TRACES[name][0] + AFTER), check_starts=False), name)


@pytest.mark.parametrize(
    "line",
    ["exit", "f(x)", "server.start(now)", "} else", "a.rb:7: warning", "goroutines: 7", "created"],
)
def test_other_lines_begin_a_record(line: str) -> None:
    """What only looks a little like the line of a trace is none."""
    docs = read_as(f"format: text, {UTC}", f"{AFTER}{line}\n")

    assert [doc["message"] for doc in docs] == [AFTER[:-1], line]


UNCAUGHT = "TypeError: gone\n    at run (/app/server.js:7:9)\n"
PYTHON = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nKeyError: 7\n'
CHAINED = (
    f"{PYTHON}\nDuring handling of the above exception, another exception occurred:\n\n{PYTHON}"
)


@pytest.mark.parametrize(
    "events",
    [
        ("2026-02-05 14:30:45 [info] ready\n", UNCAUGHT),
        ("ready\n", "app.GoneException: gone\n"),
        (UNCAUGHT, UNCAUGHT, UNCAUGHT),
        (PYTHON, UNCAUGHT),
        (CHAINED, UNCAUGHT),
        ("2026-02-05 14:30:45 [info] ready\n" + PYTHON, UNCAUGHT),
        (GO_PANIC, GO_PANIC, AFTER, UNCAUGHT),
        (NODE_UNCAUGHT, UNCAUGHT),
        (NODE_LOG, UNCAUGHT, AFTER),
        ("WARN retried\n" + UNCAUGHT, AFTER),
    ],
)
@pytest.mark.parametrize("form", ["docker", "text"])
def test_an_uncaught_error_is_an_event_of_its_own(events: tuple[str, ...], form: str) -> None:
    """It is joined only to what speaks of a failure, or to a trace that has named no error yet."""
    if form == "docker":
        docs = read_as("format: docker", docker_of("".join(events)), check_starts=False)
    else:
        docs = read_as(f"format: text, {UTC}", "".join(events))

    found = [f"{doc['message']} {doc.get('exc_info', '')}".split() for doc in docs]
    wanted = [event.split() for event in events]
    ends = zip(found, wanted, strict=True)
    assert all(each and whole[-len(each) :] == each for each, whole in ends)


@pytest.mark.parametrize(
    "text", ["a.", "a.(", "a.b(0", "}", "a:", "a.(*a", "a/", "a:7:in `", "[...]", "a.a[...]"]
)
def test_no_line_takes_long_to_tell_if_it_goes_on(text: str) -> None:
    """Time grows with its length, not with its square: this would hang."""
    line = text * (1_000_000 // len(text))

    assert CONTINUES.match(line.encode()) is None or text == "}"
    assert CONTINUES.match(f"{line}\n".encode()) is None or text == "}"


def test_the_logger_of_ruby_is_understood() -> None:
    """The default form of Ruby, Rails and Sidekiq has level, time, process and program."""
    (doc,) = read_as(f"format: text, {UTC}", RUBY_LOG.splitlines()[0] + "\n")

    assert (doc["level"], doc["@timestamp"]) == ("ERROR", "2026-02-05T14:30:45.123Z")
    assert (doc["logger"], doc["extra"]["pid"]) == ("billing", 71)
    assert doc["message"] == "no such workflow (Orders::MissingError)"
