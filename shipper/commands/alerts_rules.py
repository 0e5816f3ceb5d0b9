"""`shipper alerts rules`: what each rule asks, and how it stands now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipper.alerts.judge.evaluate import judge
from shipper.alerts.judge.measure import Asked, measure
from shipper.alerts.rules.reading import load_rules
from shipper.alerts.verdict import VerdictState
from shipper.commands.invocation import Invocation, examples, invoked, json_option
from shipper.commands.stores import open_store
from shipper.config.main import load
from shipper.store.api import Question, Selection
from shipper.store.fleet import read_fleet
from shipper.text import Paint
from shipper.view import rules as view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipper.alerts.rules.rule import Rule
    from shipper.alerts.verdict import Verdict
    from shipper.store.api import Store

_FLEET_MS = 86_400_000  # whoever has sent no heartbeat for so long is not waited for
_IDLE_MS = 30 * 86_400_000  # a rule that has matched nothing for so long is named
_NO, _GOOD = 1, 0


def rules_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Take `--rules DIR`."""
    return click.option(
        "--rules",
        "folder",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder of the rules.  [default: alerts.rules of the config]",
    )(command)


def rules_of(invocation: Invocation, folder: Path | None, names: Sequence[str]) -> Sequence[Rule]:
    """
    Read the rules of these names, all where none is named.

    Raises:
        ConfigError: the config or a rule file can't be used, or there is no rule of a name.
    """
    return load_rules(folder or load(invocation.config).alerts.rules).named(names)


@click.command(
    epilog=examples(
        "shipper alerts rules",
        "shipper alerts rules error_rate_high",
        "shipper alerts rules --json | jq 'select(.state == \"breach\")'",
    )
)
@click.argument("names", nargs=-1, metavar="[RULE]...")
@rules_option
@json_option()
@invoked
def rules(
    invocation: Invocation, names: Sequence[str], folder: Path | None, *, as_json: bool
) -> int:
    """
    Show each rule with its query and its current state.

    Evaluates the last complete window of each rule on the records stored now. Nobody is notified
    and no incident is opened. A rule whose query matches nothing in 30 days is named: it may be
    peace, or a query that can never match. Exits with 1 if a rule is in breach.
    """
    chosen = [rule for rule in rules_of(invocation, folder, names) if rule.probes]
    now = invocation.now()
    with open_store(invocation) as store:
        judged = _judged(store, chosen, now)
        idle = _idle(store, chosen, now)
        late = [
            beat for beat in read_fleet(store, since=now - _FLEET_MS, now=now) if not beat.stopped
        ]
    if as_json:
        lines = view.rules_json(judged, idle)
    else:
        lines = view.rules_text(judged, idle, Paint(invocation.colors))
        lines += view.late_text(late, now)
    for line in lines:
        click.echo(line)
    verdicts = (verdict for _, found in judged for verdict in found)
    return _NO if any(verdict.state is VerdictState.BREACH for verdict in verdicts) else _GOOD


def _idle(store: Store, rules: Sequence[Rule], now: int) -> set[str]:
    """Return the rules none of whose queries matches a record of the last 30 days."""
    queries = {rule.name: {probe.query for probe in rule.probes} - {"*"} for rule in rules}
    asked = sorted(set().union(*queries.values()))
    questions = [Question(Selection(query, now - _IDLE_MS, now), {}) for query in asked]
    totals = dict(zip(asked, (answer.total for answer in store.ask(questions)), strict=True))
    return {
        name
        for name, wanted in queries.items()
        if wanted and not any(totals[query] for query in wanted)
    }


def _judged(store: Store, rules: Sequence[Rule], now: int) -> list[tuple[Rule, list[Verdict]]]:
    asked = [Asked(rule, now // rule.every_ms * rule.every_ms) for rule in rules]
    measured = measure(store, asked)
    return [(rule, judge(each)) for rule, each in zip(rules, measured, strict=True)]
