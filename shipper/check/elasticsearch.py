"""
The way to Elasticsearch, node by node: is it reached, does it know us, is it ready for records.

Imports the official client, which is an extra: import it where it is used.
"""

from __future__ import annotations

from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shipper.check.finding import Finding, FindingLevel
from shipper.check.tls import end_of, ends_soon, look_at_tls
from shipper.config.addresses import is_loopback
from shipper.errors import ShipperError
from shipper.net.connect import ConnectionFailed, connect
from shipper.net.elastic import Cluster, ElasticFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config.outputs import ElasticsearchOutput

PLACE = "output.elasticsearch"
STREAMS = "logs-orchestrator.*-*"

MOST_SECONDS = 10.0  # a look must not take as long as a request of the shipper may
CLOCK_SLACK = 30  # seconds that two clocks may differ by before windows of time miss records


def look_at_elasticsearch(output: ElasticsearchOutput, now: float) -> Iterator[Finding]:
    """Take every hop to every node. `now` is in epoch seconds."""
    yield from look_at_tls(f"{PLACE}.tls", output.tls, now)
    faults = list(_look_at_files(output))
    yield from faults
    has_login = output.api_key_file is not None or output.username is not None
    for index, url in enumerate(output.hosts):
        place = f"{PLACE}.hosts[{index}]"
        parts = urlsplit(url)
        address = parts.netloc  # host:port, as the config was checked for
        if parts.scheme == "http" and has_login and not is_loopback(parts.hostname or ""):
            told = f"the credentials go to {address} in clear text"
            yield Finding(place, FindingLevel.WARNING, told, "use https")
        node = replace(
            output, hosts=(url,), request_seconds=min(output.request_seconds, MOST_SECONDS)
        )
        try:
            end = _reach(address, node)
        except ConnectionFailed as failed:
            yield Finding(place, FindingLevel.ERROR, f"{address} {failed.fault}", failed.remedy)
        else:
            if not faults:
                yield from _look_at_node(place, node, now)
            yield from ends_soon(place, f"the certificate of {address}", end, now)


def _look_at_files(output: ElasticsearchOutput) -> Iterator[Finding]:
    """See whether secrets and certificates can be read."""
    try:
        Cluster(output).close()
    except ShipperError as error:
        fault, _, remedy = str(error).partition("; ")
        yield Finding(PLACE, FindingLevel.ERROR, fault, remedy)


def _reach(address: str, node: ElasticsearchOutput) -> float | None:
    """Return the end of the server's certificate, in epoch seconds; None if it has shown none."""
    tls = replace(node.tls, enabled=node.hosts[0].startswith("https:"))
    with connect(address, tls, node.request_seconds, PLACE) as connected:
        return end_of(connected)


def _look_at_node(place: str, node: ElasticsearchOutput, now: float) -> Iterator[Finding]:
    """Ask one node what only an answer can tell."""
    cluster = Cluster(node)
    try:
        yield from _look_at_answers(place, cluster, now)
    except ElasticFailure as failure:
        fault, _, remedy = str(failure).partition("; ")
        yield Finding(place, FindingLevel.ERROR, fault, remedy or "see the log of Elasticsearch")
    finally:
        cluster.close()


def _look_at_answers(place: str, cluster: Cluster, now: float) -> Iterator[Finding]:
    info = cluster.ask(lambda client: client.info())
    version = info["version"]["number"]
    yield Finding(place, FindingLevel.OK, f"{cluster.name} is Elasticsearch {version} and knows us")
    yield from clock_skew(place, _time_there(cluster, info.meta.headers), now)
    yield from _look_at_templates(place, cluster)
    yield from _look_at_rights(place, cluster)


def _time_there(cluster: Cluster, headers: Any) -> float | None:
    """Return the time of the server in epoch seconds: of a header, or else of its statistics."""
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


def clock_skew(place: str, there: float | None, now: float) -> Iterator[Finding]:
    """Warn of clocks that differ; both are epoch seconds."""
    if there is not None and abs(there - now) > CLOCK_SLACK:
        ahead = "ahead of" if there > now else "behind"
        told = f"its clock is {abs(there - now):.0f} s {ahead} ours"
        yield Finding(place, FindingLevel.WARNING, told, "set both clocks, such as by NTP")


def _look_at_templates(place: str, cluster: Cluster) -> Iterator[Finding]:
    found = _ask_if_allowed(
        cluster,
        lambda client: client.indices.get_index_template(
            filter_path="index_templates.index_template.index_patterns"
        ),
    )
    if found is None:
        return  # a writer may not ask, and need not
    patterns = [
        pattern
        for each in found.get("index_templates", ())
        for pattern in each["index_template"]["index_patterns"]
    ]
    if STREAMS not in patterns:
        told = f"there is no index template for {STREAMS}"
        yield Finding(place, FindingLevel.ERROR, told, "shipper setup")


def _look_at_rights(place: str, cluster: Cluster) -> Iterator[Finding]:
    """See whether we may write; where there is no security, everybody may."""
    found = _ask_if_allowed(
        cluster,
        lambda client: client.security.has_privileges(
            index=[{"names": [STREAMS], "privileges": ["create_doc"]}]
        ),
    )
    if found is not None and not found["has_all_requested"]:
        told = f"{found['username']} may not write to {STREAMS}"
        yield Finding(place, FindingLevel.ERROR, told, "give it the role that shipper setup makes")


def _ask_if_allowed(cluster: Cluster, request: Any) -> Any:
    """Return the answer; None where this is not ours to ask, or not offered."""
    try:
        return cluster.ask(request)
    except ElasticFailure as failure:
        if 400 <= failure.status < 500 or failure.status == 501:
            return None
        raise
