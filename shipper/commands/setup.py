"""`shipper setup`: installs what Elasticsearch needs before the first record, or Kibana to look."""

from __future__ import annotations

import dataclasses

import click

from shipper.commands.invocation import Invocation, examples, invoked
from shipper.config.kibana import KIBANA_URL, SPACE, KibanaServer
from shipper.config.main import Config, load
from shipper.config.options import InvalidValueError
from shipper.config.outputs import ElasticsearchOutput
from shipper.errors import ConfigError
from shipper.kibana.client import KibanaClient
from shipper.kibana.copies import KibanaCopies
from shipper.kibana.place import KibanaPlace
from shipper.kibana.setup import KibanaState, remove_from_kibana, set_up_kibana
from shipper.text import safe

FROM_CONFIG = ""  # --kibana without an address


@click.command(
    epilog=examples(
        "shipper setup --dry-run",
        "shipper setup",
        "shipper setup --kibana https://kibana.example:5601",
        "shipper setup --kibana --space ops --dry-run",
    )
)
@click.option("--dry-run", is_flag=True, help="Show what would change, without changing it.")
@click.option(
    "--kibana",
    is_flag=False,
    flag_value=FROM_CONFIG,
    metavar="[URL]",
    help="Install dashboards in Kibana instead; without URL, the one of the config.",
)
@click.option("--space", metavar="ID", help="Space of Kibana, if not that of the config.")
@click.option("--remove", is_flag=True, help="Remove from Kibana what setup has installed.")
@invoked
def setup(
    invocation: Invocation, *, dry_run: bool, kibana: str | None, space: str | None, remove: bool
) -> int:
    """
    Install or update what Elasticsearch needs: templates, lifecycle policy and roles.

    That is output.elasticsearch, or behind output.logstash the cluster of search.elasticsearch.

    What is up to date stays as it is. The component template logs-orchestrator@custom is yours:
    setup never changes it. Features that the cluster does not offer are reported and skipped. With
    --kibana, it installs dashboards, data view and Discover sessions, logged in as the section
    `kibana` of the config says. With --dry-run, exits with 1 if something would change.
    """
    config = load(invocation.config)
    if kibana is not None:
        server = _kibana_server(config, kibana, space)
        copies = KibanaCopies(config.data_dir / "kibana", invocation.now())
        return _set_up_kibana(server, copies, dry_run=dry_run, remove=remove)
    if remove or space is not None:
        option = "--remove" if remove else "--space"
        raise ConfigError(f"{option} is for Kibana", "add --kibana")
    return _set_up_elasticsearch(config, dry_run=dry_run)


def _kibana_server(config: Config, url: str, space: str | None) -> KibanaServer:
    """Return what the config says of Kibana, with what the command line says otherwise."""
    try:
        parsed = KIBANA_URL.parse(url) if url != FROM_CONFIG else None
        wanted = SPACE.parse(space) if space is not None else None
    except InvalidValueError as error:
        raise ConfigError(f"the address or space {error.fault}", error.remedy) from None
    if config.kibana is None:
        if parsed is None:
            raise ConfigError(
                "the config has no section kibana", "add it, or give an address to --kibana"
            )
        return KibanaServer(url=parsed, space=wanted or "default")
    return dataclasses.replace(
        config.kibana, url=parsed or config.kibana.url, space=wanted or config.kibana.space
    )


def _set_up_kibana(
    server: KibanaServer, copies: KibanaCopies, *, dry_run: bool, remove: bool
) -> int:
    client = KibanaClient(server, KibanaPlace(server.url, server.space))
    done = {
        KibanaState.NEW: "is missing" if dry_run else "installed",
        KibanaState.CHANGED: "would be updated" if dry_run else "updated",
        KibanaState.SAME: "is up to date",
        KibanaState.REMOVED: "would be removed" if dry_run else "removed",
        KibanaState.ABSENT: "is not there",
    }
    steps = (
        remove_from_kibana(client, dry_run=dry_run)
        if remove
        else set_up_kibana(client, copies, dry_run=dry_run)
    )
    changes = 0
    for step in steps:
        note = f" ({safe(step.note)})" if step.note else ""
        click.echo(f"{step.name}: {done[step.state]}{note}")
        changes += step.state not in {KibanaState.SAME, KibanaState.ABSENT}
    return 1 if dry_run and changes else 0


def _set_up_elasticsearch(config: Config, *, dry_run: bool) -> int:
    output = config.output if isinstance(config.output, ElasticsearchOutput) else config.search
    if output is None:
        raise ConfigError(
            "no Elasticsearch is configured, and nothing else needs a setup",
            "use output.elasticsearch, or with output.logstash search.elasticsearch: the cluster "
            "behind Logstash",
        )
    from shipper.store.elasticsearch.setup import SetupState, set_up  # noqa: PLC0415 -- an extra

    done = {
        SetupState.NEW: "installed",
        SetupState.CHANGED: "updated",
        SetupState.SAME: "is up to date",
    }
    if dry_run:
        done |= {SetupState.NEW: "is missing", SetupState.CHANGED: "would be updated"}
    changes = 0
    for step in set_up(output, dry_run=dry_run):
        note = f" ({safe(step.note)})" if step.note else ""
        click.echo(f"{step.resource}: {done.get(step.state, step.state)}{note}")
        changes += step.state in {SetupState.NEW, SetupState.CHANGED}
        for line in step.diff if dry_run else ():
            click.echo(f"  {safe(line)}")
    return 1 if dry_run and changes else 0
