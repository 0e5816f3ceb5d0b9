"""`shipper alerts backtest`: what rules would have done, had they been there."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipper.alerts.backtest.backtest import BacktestOutcome
from shipper.alerts.backtest.backtest import backtest as run
from shipper.alerts.backtest.history import HistorySpan, read_history
from shipper.alerts.backtest.muted import with_mutes
from shipper.alerts.backtest.sweep import changed, values_of
from shipper.alerts.incidents.muting import Mutes
from shipper.alerts.policy import inhibition_of, maintenance_of
from shipper.alerts.rules.reading import load_rules
from shipper.alerts.rules.trust import is_on_free_text
from shipper.commands.alerts_rules import rules_of, rules_option
from shipper.commands.invocation import (
    Invocation,
    examples,
    invoked,
    json_option,
    refuse,
)
from shipper.commands.moments import moment_option
from shipper.commands.stores import open_store
from shipper.config.main import load
from shipper.errors import ConfigError
from shipper.text import Paint
from shipper.view import backtest as view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shipper.alerts.rules.rule import Rule
    from shipper.config.alerts import AlertOptions

Setting = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestOptions:
    """What the command line asked for; times in epoch milliseconds."""

    names: Sequence[str]
    since: int
    until: int | None
    settings: Sequence[Setting]
    sweep: Sequence[Setting]
    folder: Path | None
    as_json: bool


def _as_settings(
    _ctx: click.Context, _option: click.Parameter, texts: Sequence[str]
) -> list[Setting]:
    return [_pair(text) for text in texts]


def _as_sweep(_ctx: click.Context, _option: click.Parameter, text: str | None) -> list[Setting]:
    if text is None:
        return []
    key, values = _pair(text)
    try:
        return [(key, value) for value in values_of(values)]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _pair(text: str) -> Setting:
    key, sign, value = text.partition("=")
    if not (key.strip() and sign and value.strip()):
        raise click.BadParameter(f'"{text}" has no value; use KEY=VALUE, such as above=2%')
    return key.strip(), value.strip()


@click.command(
    epilog=examples(
        "shipper alerts backtest --since 7d",
        "shipper alerts backtest error_rate_high --set above=2% --set for=5m",
        "shipper alerts backtest error_rate_high --sweep above=0.5%..5%",
        "shipper alerts backtest --since 30d --json | jq -r .rule | sort | uniq -c",
    )
)
@click.argument("names", nargs=-1, metavar="[RULE]...")
@moment_option(
    "--since", "Windows that end at this time or later: 7d, 12h (ago) or ISO 8601.", default="30d"
)
@moment_option("--until", "Windows that end at this time or earlier.  [default: now]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=_as_settings,
    metavar="KEY=VALUE",
    help="Use this value instead of that of the rule file; repeatable.",
)
@click.option(
    "--sweep",
    callback=_as_sweep,
    metavar="KEY=A..B",
    help="Try ten values from A to B, or those of KEY=A,B,C; one line each.",
)
@rules_option
@json_option()
@invoked
def backtest(invocation: Invocation, /, **options: Any) -> int:
    """
    Show when rules would have fired on the stored records.

    Evaluates every window of the past like the live alert job, and shows the incidents that would
    have fired. What `alerts.maintenance` and `alerts.inhibit` of the config mute is shown and not
    counted as a page. Nobody is notified.
    """
    wanted = BacktestOptions(**options)
    until = invocation.now() if wanted.until is None else wanted.until
    span = HistorySpan(wanted.since, until)
    if span.since >= span.until:
        refuse("--since is not before --until; no window can end between them")
    rules = [changed(rule, wanted.settings) for rule in _tested(invocation, wanted)]
    variants = _swept(rules, wanted.sweep) if wanted.sweep else [("", rule) for rule in rules]
    outcomes = _run(invocation, span, variants, wanted.folder)
    for line in _shown(wanted, outcomes, invocation):
        click.echo(line)
    return 0


def _tested(invocation: Invocation, wanted: BacktestOptions) -> list[Rule]:
    """Return the rules that ask a store; what the job finds out about itself has no past."""
    chosen = rules_of(invocation, wanted.folder, wanted.names)
    found = [rule for rule in chosen if rule.probes]
    if not found:
        raise ConfigError(
            "these rules are about the alert job itself and have no query", "name another"
        )
    return found


def _swept(rules: Sequence[Rule], sweep: Sequence[Setting]) -> list[tuple[str, Rule]]:
    return [(value, changed(rule, [(key, value)])) for rule in rules for key, value in sweep]


def _run(
    invocation: Invocation,
    span: HistorySpan,
    variants: Sequence[tuple[str, Rule]],
    folder: Path | None,
) -> list[tuple[str, BacktestOutcome]]:
    options = load(invocation.config).alerts
    folder_rules = load_rules(folder or options.rules).rules
    mutes = _mutes(options, folder_rules)
    with open_store(invocation) as store, _progress() as progress:
        rules = [rule for _, rule in variants]
        others = _sources(mutes, folder_rules, rules)
        history = read_history(store, [*rules, *others], span, progress)
    outcomes = with_mutes(
        [run(rule, history) for rule in rules], mutes, [run(rule, history) for rule in others]
    )
    return [(value, outcome) for (value, _), outcome in zip(variants, outcomes, strict=True)]


def _mutes(options: AlertOptions, rules: Sequence[Rule]) -> Mutes:
    """Return what mutes by the config: planned work, and what follows from what."""
    on_text = frozenset(rule.name for rule in rules if is_on_free_text(rule))
    return Mutes(
        maintenance=tuple(map(maintenance_of, options.maintenance)),
        inhibitions=tuple(inhibition_of(each, on_text) for each in options.inhibit),
    )


def _sources(mutes: Mutes, rules: Sequence[Rule], chosen: Sequence[Rule]) -> list[Rule]:
    """Return the rules that are not looked at themselves, and may mute those that are."""
    names = {rule.name for rule in chosen}
    return [
        rule
        for rule in rules
        if rule.probes
        and rule.name not in names
        and any(
            each.is_from(rule.name) and any(map(each.is_for, names)) for each in mutes.inhibitions
        )
    ]


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """Show how far it is, to a person who waits."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=1000, label="asking", file=sys.stderr) as bar:
        yield lambda share: bar.update(round(1000 * share) - bar.pos)


def _shown(
    wanted: BacktestOptions, outcomes: Sequence[tuple[str, BacktestOutcome]], invocation: Invocation
) -> list[str]:
    if wanted.sweep:
        key = wanted.sweep[0][0]
        return view.sweep_json(outcomes, key) if wanted.as_json else view.sweep_text(outcomes, key)
    plain = [outcome for _, outcome in outcomes]
    if wanted.as_json:
        return view.incidents_json(plain)
    return view.incidents_text(plain, Paint(invocation.colors))
