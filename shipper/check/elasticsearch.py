"""
Checks the way to Elasticsearch, node by node: connection, login, templates and privileges.

Imports the official client, which is an extra: import this module where it is used.
"""

from __future__ import annotations

from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shipper.check.finding import Finding, error, ok, warning
from shipper.check.tls import check_expiry, check_tls, end_of
from shipper.config.addresses import is_loopback
from shipper.errors import ShipperError
from shipper.net.connect import ConnectionFailed, connect
from shipper.net.elastic import Cluster, ElasticFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config.outputs import ElasticsearchOutput

PLACE = "output.elasticsearch"
STREAMS = "logs-orchestrator.*-*"

MOST_SECONDS = 10.0  # a check must not take as long as a request of the shipper may
CLOCK_SLACK = 30  # seconds that two clocks may differ by before windows of time miss records


def check_elasticsearch(output: ElasticsearchOutput, now: float) -> Iterator[Finding]:
    """Ask every node; `now` is in epoch seconds."""
    yield from check_tls(f"{PLACE}.tls", output.tls, now)
    unusable = list(_check_files(output))
    yield from unusable
    has_login = output.api_key_file is not None or output.username is not None
    for index, url in enumerate(output.hosts):
        place = f"{PLACE}.hosts[{index}]"
        parts = urlsplit(url)
        address = parts.netloc  # host:port, as the config was checked for
        if parts.scheme == "http" and has_login and not is_loopback(parts.hostname or ""):
            yield warning(place, f"credentials are sent to {address} in clear text", "use https")
        node = replace(
            output, hosts=(url,), request_seconds=min(output.request_seconds, MOST_SECONDS)
        )
        try:
            end = _connect(address, node)
        except ConnectionFailed as failed:
            yield error(place, f"{address} {failed.fault}", failed.remedy)
        else:
            if not unusable:
                yield from _check_node(place, node, now)
            yield from check_expiry(place, f"the certificate of {address}", end, now)


def _check_files(output: ElasticsearchOutput) -> Iterator[Finding]:
    """Check whether secrets and certificates can be read."""
    try:
        Cluster(output).close()
    except ShipperError as failed:
        yield error(PLACE, failed.fault, failed.remedy)


def _connect(address: str, node: ElasticsearchOutput) -> float | None:
    """Return the end of the server's certificate, in epoch seconds; None if it has none."""
    tls = replace(node.tls, enabled=node.hosts[0].startswith("https:"))
    with connect(address, tls, node.request_seconds, PLACE) as connected:
        return end_of(connected)


def _check_node(place: str, node: ElasticsearchOutput, now: float) -> Iterator[Finding]:
    """Check what only a logged-in client can find out."""
    cluster = Cluster(node)
    try:
        yield from _check_answers(place, cluster, now)
    except ElasticFailure as failure:
        yield error(place, failure.fault, failure.remedy or "see the log of Elasticsearch")
    finally:
        cluster.close()


def _check_answers(place: str, cluster: Cluster, now: float) -> Iterator[Finding]:
    info = cluster.ask(lambda client: client.info())
    version = info["version"]["number"]
    yield ok(place, f"{cluster.name} is Elasticsearch {version} and accepts our login")
    yield from check_clock_skew(place, _time_there(cluster, info.meta.headers), now)
    yield from _check_templates(place, cluster)
    yield from _check_privileges(place, cluster)


def _time_there(cluster: Cluster, headers: Any) -> float | None:
    """Return the server's time in epoch seconds: from a header, or else from its statistics."""
    if "date" in headers:
        return parsedate_to_datetime(headers["date"]).timestamp()
    stats = _ask_if_allowed(
        cluster,
        lambda client: client.nodes.stats(
            node_id="_local", metric="process", filter_path="nodes.*.timestamp"
        ),
    )
    times = [node["timestamp"] / 1000 for node in (stats or {}).get("nodes", {}).values()]
    return max(times, default=None)


def check_clock_skew(place: str, there: float | None, now: float) -> Iterator[Finding]:
    """Warn of clocks that differ; both are epoch seconds."""
    if there is not None and abs(there - now) > CLOCK_SLACK:
        ahead = "ahead of" if there > now else "behind"
        fault = f"its clock is {abs(there - now):.0f} s {ahead} ours"
        yield warning(place, fault, "set both clocks, such as by NTP")


def _check_templates(place: str, cluster: Cluster) -> Iterator[Finding]:
    found = _ask_if_allowed(
        cluster,
        lambda client: client.indices.get_index_template(
            filter_path="index_templates.index_template.index_patterns"
        ),
    )
    if found is None:
        return  # a writer need not have the privilege to ask
    patterns = [
        pattern
        for each in found.get("index_templates", ())
        for pattern in each["index_template"]["index_patterns"]
    ]
    if STREAMS not in patterns:
        yield error(place, f"there is no index template for {STREAMS}", "run shipper setup")


def _check_privileges(place: str, cluster: Cluster) -> Iterator[Finding]:
    """Check whether this user may write; without security, everybody may."""
    found = _ask_if_allowed(
        cluster,
        lambda client: client.security.has_privileges(
            index=[{"names": [STREAMS], "privileges": ["create_doc"]}]
        ),
    )
    if found is not None and not found["has_all_requested"]:
        yield error(
            place,
            f"the user {found['username']} may not write to {STREAMS}",
            "give it the role that shipper setup creates",
        )


def _ask_if_allowed(cluster: Cluster, request: Any) -> Any:
    """Return the answer; None if we lack the privilege, or the server lacks the feature."""
    try:
        return cluster.ask(request)
    except ElasticFailure as failure:
        if 400 <= failure.status < 500 or failure.status == 501:
            return None
        raise
