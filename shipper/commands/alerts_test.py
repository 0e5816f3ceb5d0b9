"""`shipper alerts test`: the cases of rules, each on an index of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from shipper.alerts.backtest.cases import (
    Case,
    CaseChange,
    CaseFile,
    differs,
    documents,
    judge_case,
    read_cases,
)
from shipper.alerts.rules.reading import load_rules
from shipper.commands.invocation import Invocation, examples, invoked
from shipper.config.main import load
from shipper.enrich.classify import Traits, classify
from shipper.errors import ConfigError
from shipper.fields import level_of
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import open_embedded
from shipper.times import iso
from shipper.view import cases as view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.alerts.rules.rule import Rule

_RUN = "01KGDEXZ000000000000000000"
_FOLDER = "tests"  # below that of the rules
_KEEP_SECONDS = 100 * 366 * 86_400
_MAX_BYTES = 1 << 40
_AT_ONCE = 50_000
_FAILED, _GOOD = 1, 0


@click.command(
    epilog=examples(
        "shipper alerts test",
        "shipper alerts test config/rules/tests/error_rate_high.yml",
        "shipper alerts test my-cases --rules my-rules",
    )
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[DIR|FILE]...")
@click.option(
    "--rules",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the rules.  [default: alerts.rules of the config]",
)
@invoked
def test(invocation: Invocation, paths: Sequence[Path], folder: Path | None) -> int:
    """
    Test rules on their cases: records over time, and the notifications they should cause.

    Without DIR or FILE, runs all cases in the folder `tests` below the rules. Exits with 1 if a
    case fails.
    """
    folder = folder or load(invocation.config).alerts.rules
    rules = {rule.name: rule for rule in load_rules(folder).rules}
    chosen = list(_chosen(paths or [folder / _FOLDER], rules))
    failed = 0
    for rule, file, case in chosen:
        changes = _run(rule, file, case)
        if differs(case, changes):
            failed += 1
        for line in view.case_text(rule.name, case, changes, failed=differs(case, changes)):
            click.echo(line)
    click.echo(f"{len(chosen) - failed} of {len(chosen)} cases passed")
    return _FAILED if failed else _GOOD


def _chosen(
    paths: Sequence[Path], rules: Mapping[str, Rule]
) -> Iterator[tuple[Rule, CaseFile, Case]]:
    """Read all files; all faults are reported at once."""
    faults = []
    for path in _files(paths):
        try:
            file = read_cases(path)
            rule = _rule_of(file.rule or path.stem, path, rules)
        except ConfigError as error:
            faults.append(str(error))
        else:
            yield from ((rule, file, case) for case in file.cases)
    if faults:
        raise ConfigError("\n".join(faults))


def _rule_of(name: str, path: Path, rules: Mapping[str, Rule]) -> Rule:
    rule = rules.get(name)
    if rule is None or not rule.probes:
        known = ", ".join(name for name, each in rules.items() if each.probes)
        raise ConfigError(
            f"cannot use {path}:\n  rule: {name} is not a rule with a query",
            f"use one of: {known}",
        )
    return rule


def _files(paths: Sequence[Path]) -> list[Path]:
    found = [
        file for path in paths for file in (sorted(path.glob("*.yml")) if path.is_dir() else [path])
    ]
    if not found:
        raise ConfigError(
            f"there are no test cases in {paths[0]}", "docs/alerts.md shows how to write one"
        )
    return found


def _run(rule: Rule, file: CaseFile, case: Case) -> list[CaseChange]:
    """Write the records of a case into an index, and judge it."""
    with TemporaryDirectory(prefix="shipper-case-") as folder:
        path = Path(folder) / "index"
        records = documents(file, case)
        docs = [_line(document, seq, time) for seq, (time, document) in enumerate(records)]
        with closing(
            EmbeddedWriter(path, keep_seconds=_KEEP_SECONDS, max_bytes=_MAX_BYTES)
        ) as writer:
            for start in range(0, max(len(docs), 1), _AT_ONCE):
                part = range(start, min(start + _AT_ONCE, len(docs)))
                refused = writer.write(
                    [f"{_RUN}-{seq}" for seq in part],
                    [docs[seq] for seq in part],
                    [records[seq][0] for seq in part],
                )
                if refused:
                    raise ConfigError(
                        f"the case {case.name} has a record that no store accepts",
                        "correct its fields",
                    )
        with closing(open_embedded(path)) as store:
            return judge_case(rule, case, store)


def _line(document: Mapping[str, Any], seq: int, time: int) -> bytes:
    """Return a record as the shipper stores it: with dataset and category, unless it has them."""
    if "level" in document:
        document = {**document, "level": level_of(str(document["level"]))}
    found = classify(
        Traits(
            logger=document.get("logger", ""),
            level=document.get("level", ""),
            status=document.get("status", ""),
            status_code=document.get("status_code", 0),
        )
    )
    event = {"dataset": found.dataset, "category": list(found.categories)}
    error = {"category": found.error} if found.error else {}
    added = {"event": {**event, **document.get("event", {})}, "run": _RUN, "seq": seq}
    if error or "error" in document:
        added["error"] = {**error, **document.get("error", {})}
    return json.dumps({**document, **added, "@timestamp": iso(time)}).encode()
