"""
The shape of the house, read from the source: who may import whom, and how large things get.

Sorted `__all__`, docstrings of the package and the number of parameters are ruff's to guard.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "shipper"
CODE = [*PACKAGE.rglob("*.py")]
ALL_CODE = [
    path
    for top in ("shipper", "tests", "bench", "examples")
    for path in ROOT.glob(f"{top}/**/*.py")
]

# The arrows between the rooms: what a room (a folder, or a module beside the folders) may import
# of ours besides itself. `a.b` allows that module or folder only.
SEAMS = {
    "decoding",
    "errors",
    "events",
    "fingerprint",
    "splice",
    "fields",
    "files",
    "times",
    "crashpoints",
    "transactions",
}
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"cli"},
    "cli": {"commands", "errors", "text"},
    "errors": set(),
    "decoding": set(),
    "files": set(),
    "times": set(),
    "transactions": set(),
    "events": {"fingerprint"},
    "fingerprint": set(),
    "splice": {"events"},
    "fields": set(),
    "crashpoints": set(),
    "own_log": {"emit.appending"},  # a log of ours is one of an application
    "text": {"times"},
    "emit": set(),
    "instrument": {"emit"},  # in the application, too
    "process": {"errors", "files"},
    "formats": {"errors"},
    "config": {"errors", "formats"},
    # One way to a server: `check` has to find what stops `deliver`, and in the same words.
    "net": {"config", "decoding", "errors"},
    "registry": SEAMS,
    "tail": {*SEAMS, "formats.continuing", "registry"},
    "enrich": {*SEAMS, "formats"},
    "redact": SEAMS,
    "processors": {*(*SEAMS, "config.processors", "enrich.weight", "store.query", "store.untyped")},
    "store": {
        *("config", "crashpoints", "decoding", "errors", "fields", "files", "net", "splice"),
        *("text", "times"),
    },
    "deliver": {
        *(*SEAMS, "config", "enrich", "net", "registry", "tail.lag"),
        *("store.embedded.writer", "store.embedded.incoming"),
    },
    "audit": {
        *("config", "decoding", "deliver.deadletters", "enrich.origin", "events", "files"),
        *("process", "registry"),
        *("store", "tail.content", "tail.discovery", "tail.holds", "tail.inventory"),
        *("formats.table", "tail.streams"),
    },
    "kibana": {
        *("config.kibana", "decoding", "errors", "fields", "files", "net", "store.api"),
        *("store.elasticsearch.compile", "store.query", "store.untyped", "text", "times"),
    },
    "charts": {"text"},
    "intake": {*SEAMS, "config", "enrich.zoned", "formats.definition"},
    "poll": {"config", "decoding", "fields", "net", "own_log", "times"},
    "reports": {
        *("alerts.alerters", "alerts.backtest", "alerts.incident", "alerts.incidents"),
        *("alerts.rules", "alerts.severity", "charts", "config.inputs", "config.reports"),
        *("decoding", "errors", "files", "store", "tail.discovery", "text", "times"),
        *("kibana.links", "kibana.place"),  # queries lead to the records
    },
    "alerts": {
        *("config", "crashpoints", "errors", "fields", "files", "net", "store", "text", "times"),
        *("decoding", "transactions"),
        *("kibana.links", "kibana.place"),  # pages lead to the records
        "emit.appending",  # the log of the alert job is one of an application
    },
    "check": {
        *(
            "agent.status",
            "agent.treatment",
            "alerts.alerters",
            "alerts.rules",
            "alerts.settings",
            "config",
        ),
        *("errors", "files", "formats", "net", "poll", "process.data_folder", "reports.senders"),
        *("store", "tail", "text"),
    },
    "view": {
        *("agent.status", "alerts.backtest", "alerts.incident", "alerts.incidents"),
        *("alerts.ledger", "alerts.rules", "alerts.verdict", "audit.result"),
        *("check.finding", "fields", "store", "text"),
    },
    "web": {
        *("alerts.backtest", "alerts.incident", "alerts.incidents", "alerts.judge"),
        *("alerts.ledger", "alerts.pages", "alerts.rules", "alerts.severity", "alerts.verdict"),
        *("charts", "config.addresses", "config.matchers", "config.options", "decoding"),
        *("errors", "fields"),
        *("deliver.deadletters", "files", "store", "text", "times", "view.fleet", "view.records"),
        *("emit.ulid", "own_log"),
        *("config.oidc", "net"),  # the provider that people log in by
        *("kibana.links", "kibana.place"),  # records are shown there, too
    },
    "commands": {
        *("agent", "alerts", "audit", "check", "config", "deliver.deadletters", "demo"),
        *(
            "enrich.classify",
            "files",
            "errors",
            "fields",
            "kibana",
            "poll",
            "process",
            "processors.cases",
            "registry",
            "reports",
            "store",
            "text",
            "times",
        ),
        "view",
        "web",
    },
}

# The same within `alerts`, for its modules and folders but the composition.
IN_ALERTS: dict[str, set[str]] = {
    "severity": set(),
    "verdict": set(),
    "incident": {"severity", "verdict"},
    "page": {"incident"},
    "incidents": {"incident", "severity", "verdict"},
    "rules": {"severity", "verdict"},
    "policy": {"incidents", "severity"},
    "ledger": {"incident", "incidents", "verdict"},
    "pages": {"incident", "page", "rules", "severity", "verdict"},
    "alerters": {"incident", "page", "pages", "severity"},
    "settings": {"alerters", "incident", "severity"},
    "routing": {"incident", "settings"},
    "judge": {
        *("incident", "incidents", "ledger", "routing", "rules", "settings", "severity"),
        "verdict",
    },
    "notify": {"alerters", "incident", "ledger", "page", "pages", "settings", "severity"},
    "backtest": {"incident", "incidents", "judge", "rules", "verdict"},
}

# Where everything is put together; these may import anything but what stands above them.
COMPOSITIONS = {"agent", "alerts.job", "alerts.job_threads", "demo"}
ABOVE = {"cli", "commands", "view"}

# Who asks the machine for the time or starts threads and processes, and why not somebody else.
CLOCK_AND_THREADS = {
    "agent.loop": "the shipper's composition",
    "demo.run": "the demo's composition",
    "alerts.job": "the alert job's composition",
    "alerts.job_threads": "the threads of the alert job",
    "alerts.due_reports": "the process that the alert job starts",
    "cli": "gives the commands their clock",
    "check.machine": "asks the machine how it is",
    "emit": "lives in the application, which has no composition of ours",
    "instrument": "lives in the application, too",
    "alerts.alerters.apprise": "Apprise bounds no try; one that takes too long is left behind",
    "reports.backups": "runs the commands that verify backups",
    "intake.journald": "journalctl, which yields the entries of the journal",
    "web.tasks": "commands that pages start, each in a process of its own",
    "net.resolve": "looks names up, which has no time limit of its own",
    "process.signals": "a handler may take no lock; a thread does it, which only sets flags",
    "deliver.outputs.embedded": "makes pieces of the store beside the publishing, one thread",
    "store.embedded.view": "a thread interrupts what takes longer than its limit",
    "tail.watch": "starts the thread of watchdog, which only sets a flag",
}

ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "sys.argv"}
CLOCK = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "time.time",
    "time.time_ns",
}
THREADS = {
    "_thread.start_new_thread",
    "concurrent.futures.ProcessPoolExecutor",
    "concurrent.futures.ThreadPoolExecutor",
    "multiprocessing.Process",
    "os.fork",
    "subprocess.Popen",
    "subprocess.run",
    "threading.Thread",
    "threading.Timer",
    "watchdog.observers.Observer",
}
NO_NAME_AT_ALL = {"common", "helper", "helpers", "misc", "util", "utils"}

MODULE_LINES = 500
FUNCTION_LINES = 45
CLASS_METHODS = 25
MEDIAN_FUNCTION_LINES = 9


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def name_of(path: Path) -> str:
    """Return `tail.registry` for shipper/registry/registry.py, `tail` for its __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[:-1] else parts)


def ours(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a module imports, anywhere in it."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("shipper.") for name in names if name.startswith("shipper."))


def uses(path: Path, wanted: set[str]) -> Iterator[str]:
    """Yield `line: name` for every use of one of the dotted names, whatever it is imported as."""
    known: dict[str, str] = {}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            known |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute | ast.Name):
            head, dot, rest = ast.unparse(node).partition(".")
            name = known.get(head, "") + dot + rest
            if name in wanted:
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {name}"


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (
        node
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_imports_keep_their_direction(path: Path) -> None:
    """A room imports only what is listed for it; a composition, nothing that stands above it."""
    module = name_of(path)
    room = module.partition(".")[0]
    found = {name for name in ours(path) if name.partition(".")[0] != room}

    if {module, room} & COMPOSITIONS:
        wrong = {name for name in found if name.partition(".")[0] in ABOVE}
        assert not wrong, f"{module} imports what stands above it"
        return
    allowed = MAY_IMPORT[room]
    wrong = {
        name
        for name in found
        if not any(name == each or name.startswith(f"{each}.") for each in allowed)
    }
    assert not wrong, f"shipper/{room} may import {sorted(allowed) or 'nothing of ours'}"


@pytest.mark.parametrize("room", sorted(IN_ALERTS))
def test_rooms_of_alerts_keep_their_direction(room: str) -> None:
    """Within `alerts` the arrows are those listed; each is there, and none closes a circle."""
    drawn = {
        name.split(".")[1]
        for path in CODE
        if name_of(path).split(".")[:2] == ["alerts", room]
        for name in ours(path)
        if name.startswith("alerts.")
    }
    assert drawn - {room} == IN_ALERTS[room]
    before = list(IN_ALERTS)[: list(IN_ALERTS).index(room)]
    assert IN_ALERTS[room] <= {*before}, "a room imports only what is listed above it"


def test_every_allowed_arrow_is_there() -> None:
    """The list of arrows is the picture of the house: what nobody imports any more leaves it."""
    drawn: dict[str, set[str]] = {}
    for path in CODE:
        drawn.setdefault(name_of(path).partition(".")[0], set()).update(ours(path))

    idle = {
        f"{room} -> {each}"
        for room, allowed in MAY_IMPORT.items()
        for each in allowed - (SEAMS if allowed >= SEAMS else set())
        if not any(name == each or name.startswith(f"{each}.") for name in drawn[room])
    }
    assert idle == set()


def test_the_example_uses_what_an_application_uses() -> None:
    """The example imports `shipper.emit` and `shipper.instrument`, and no other part of ours."""
    found = {name for path in ROOT.glob("examples/**/*.py") for name in ours(path)}

    assert {name.partition(".")[0] for name in found} == {"emit", "instrument"}


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_only_the_command_line_reads_the_environment(path: Path) -> None:
    """`cli.py` alone reads argv and environment, so every other part can be called with values."""
    found = list(uses(path, ENVIRONMENT))

    assert found == [] or name_of(path) == "cli"


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_only_compositions_read_the_clock_or_start_threads(path: Path) -> None:
    """A clock is handed in, so that a test can hand in another; threads have one owner."""
    found = list(uses(path, CLOCK | THREADS))

    assert found == [] or {name_of(path), name_of(path).partition(".")[0]} & {*CLOCK_AND_THREADS}


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_module_has_a_size(path: Path) -> None:
    """A module has at most 500 lines, a function at most 45."""
    lines = len(path.read_text().splitlines())
    assert lines <= MODULE_LINES
    long = {each.name: lines_of(each) for each in functions_of(path)}
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES} == {}


def test_a_class_has_a_size() -> None:
    """A class has at most 25 methods."""
    large = {
        node.name
        for path in CODE
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
        and sum(isinstance(each, ast.FunctionDef) for each in node.body) > CLASS_METHODS
    }
    assert large == set()


def test_a_class_name_stands_for_one_thing() -> None:
    """No two classes of the package have one name."""
    names = Counter(
        node.name
        for path in CODE
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in names.items() if count > 1} == set()


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_docstrings_say_return(path: Path) -> None:
    """A docstring begins as PEP 257 has it: Return, Yield, or the verb of what is done."""
    wrong = [
        f"{each.name}: {text.splitlines()[0]}"
        for each in functions_of(path)
        if (text := ast.get_docstring(each)) and re.match(r"(Give|Gives|Tell whether)\b", text)
    ]
    assert wrong == []


def test_functions_are_short() -> None:
    """Half of all functions have at most 9 lines."""
    assert (
        median(lines_of(each) for path in CODE for each in functions_of(path))
        <= MEDIAN_FUNCTION_LINES
    )


def test_everything_has_a_name() -> None:
    """No module or folder is called by what it is not about."""
    assert {path for path in ALL_CODE if NO_NAME_AT_ALL & {path.stem, *path.parent.parts}} == set()


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("tests/**/test_*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_test_states_its_rule(path: Path) -> None:
    """The docstring of a test is the rule that it guards; that of a module, what they are about."""
    silent = [
        each.name
        for each in functions_of(path)
        if each.name.startswith("test_") and not ast.get_docstring(each)
    ]
    assert silent == []
    assert ast.get_docstring(tree_of(path))


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("shipper.emit", "click rich tantivy watchdog yaml fastapi starlette asyncio"),
        ("shipper.alerts.job", "apprise httpx requests fastapi"),
        ("shipper.cli", "rich tantivy watchdog yaml msgspec fastapi asyncio sqlite3"),
    ],
)
def test_an_import_brings_only_what_it_needs(module: str, heavy: str) -> None:
    """The application pays for `emit` alone, and `shipper --help` answers at once."""
    code = f"import sys, {module}; print(*sorted(set({heavy.split()}) & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split() == []
