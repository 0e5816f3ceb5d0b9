"""
The config file: one `Config`, whose sections are dataclasses of options.

Every option is declared once, with its type, its default and its meaning; `load` reads a file into
`Config`, and docs/configuration.md is written from the same declarations. A relative path is
relative to the working directory. The environment is not read, and no variable in the file is
replaced.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from pathlib import Path

from shipper.config.addresses import HOST_AND_PORT, is_loopback
from shipper.config.alerts import AlertOptions
from shipper.config.health import MOST_TARGETS, HealthTargetOptions
from shipper.config.inputs import HoldsOptions, InputOptions, TailOptions
from shipper.config.intake import StdinOptions
from shipper.config.kibana import KibanaServer
from shipper.config.oidc import OidcOptions
from shipper.config.options import (
    PATH,
    SECONDS,
    SIZE,
    SWITCH,
    TEXT,
    Faults,
    ListOf,
    OneOf,
    Section,
    load_options,
    option,
    optional,
    text_matching,
)
from shipper.config.outputs import OUTPUTS, SEARCHES, ElasticsearchOutput, Output
from shipper.config.processors import STEP, StepOptions
from shipper.config.redact import RedactOptions
from shipper.config.reports import KpiOptions, ReportOptions

_NAMESPACE = text_matching(
    # 200 bytes at most: the name of an index may have 255
    r"(?:[!$-)+.0-9;=@\[\]-{}~]{1,100}|[^A-Z\\/*?\"<>| ,#:\-\x00-\x1f]{1,50})",
    "lower case without spaces and - / * ? : # ,",
)


# Of dataset and namespace, so that `.ds-logs-orchestrator.<both>-2026.02.05-000001` has 255.
MOST_STREAM_BYTES = 214


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """The application that writes the logs."""

    name: str = option(TEXT, "`service.name` of every record.")
    environment: str = option(TEXT, "`service.environment` of every record.", default="production")
    version: str = option(TEXT, "`service.version` of every record.", default="unknown")


@dataclass(frozen=True, slots=True)
class HostOptions:
    """The machine that the application runs on."""

    name: str = option(
        TEXT,
        "`host.name` of every record. Set it where the host name changes, such as in a container.",
        default="the name of this machine",
        factory=socket.gethostname,
    )


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """Batching, queue and retry. These numbers bound the memory used."""

    batch_bytes: int = option(
        SIZE.between("64 KiB", "64 MiB"),
        "A batch is published when it has this many bytes of log lines, or after "
        "`linger_seconds`. Raise it for throughput.",
        default="2 MiB",
    )
    linger_seconds: float = option(
        SECONDS.between("0s", "1m"),
        "Maximum time that a line waits for its batch to fill. If the last publish was longer ago "
        "than that, the batch goes out sooner: after four times the duration of that publish.",
        default="800ms",
    )
    queue_bytes: int = option(
        SIZE.between("64 KiB", "1 GiB"),
        "Maximum size of the records between reading and publishing: their lines, or the documents "
        "made of lines that emit did not write. When it is reached, reading pauses.",
        default="4 MiB",
    )
    backoff_seconds: float = option(
        SECONDS.between("10ms", "1h"),
        "Pause after a failed publish. It doubles with every further failure, with jitter.",
        default="500ms",
    )
    backoff_max_seconds: float = option(
        SECONDS.between("10ms", "1h"), "Maximum pause after a failed publish.", default="30s"
    )
    stop_seconds: float = option(
        SECONDS.between("0s", "1h"),
        "How long a stop (SIGTERM) waits for batches in flight. What is not acknowledged by then "
        "is read again at the next start.",
        default="30s",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.queue_bytes < self.batch_bytes:
            yield "queue_bytes", "is less than batch_bytes", "use at least as much"
        if self.backoff_max_seconds < self.backoff_seconds:
            yield "backoff_max_seconds", "is less than backoff_seconds", "use at least as much"


@dataclass(frozen=True, slots=True)
class HeartbeatOptions:
    """Heartbeat records about the shipper itself, for `shipper fleet` and alerts."""

    every_seconds: float = option(
        SECONDS.between("0.1s", "1h"), "Interval between two heartbeats.", default="5s", key="every"
    )
    enabled: bool = option(
        SWITCH,
        "`false`: no heartbeats. Then neither `shipper fleet` nor alerts notice when this shipper "
        "is behind or down.",
        default="true",
    )


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """HTTP endpoint of a running shipper: `/metrics` (Prometheus), `/-/healthy`, `/-/ready`."""

    listen: str | None = optional(
        HOST_AND_PORT,
        "Address and port to listen on, such as `127.0.0.1:9479`; none: no endpoint. An address "
        "that other machines can reach needs `token_file`.",
    )
    token_file: Path | None = optional(
        PATH, "File with a token that every request must send (`Authorization: Bearer …`)."
    )
    ready_seconds: float = option(
        SECONDS.between("1s", "1d"),
        "`/-/ready` answers 503 when lines that were read wait longer than this for their "
        "acknowledgement.",
        default="1m",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.listen is None or self.token_file is not None:
            return
        if not is_loopback(self.listen.rpartition(":")[0]):
            yield "listen", "can be reached from other machines", "use 127.0.0.1, or add token_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One pipeline: what is read, and where it goes."""

    service: ServiceOptions = option(
        Section(ServiceOptions), "The application that writes the logs."
    )
    namespace: str = option(
        _NAMESPACE,
        "Last part of the data stream, `logs-orchestrator.<dataset>-<namespace>`. Use it to keep "
        "environments apart in one store.",
        default="default",
    )
    data_dir: Path = option(
        PATH,
        "Folder for the state of the shipper: the registry (how far each file is delivered) and "
        "dead letters. Each running shipper needs its own. Keep it on a local disk, if possible on "
        "the file system of the logs: `holds` needs that.",
        default="var/shipper",
    )
    host: HostOptions = option(
        Section(HostOptions), "The machine.", default="{}", factory=HostOptions
    )
    inputs: tuple[InputOptions, ...] = option(
        ListOf(Section(InputOptions), least=1), "What is read."
    )
    tail: TailOptions = option(Section(TailOptions), "How files are found and read.", default="{}")
    holds: HoldsOptions = option(
        Section(HoldsOptions),
        "Hard links that keep rotated files until they are delivered.",
        default="{}",
    )
    delivery: DeliveryOptions = option(
        Section(DeliveryOptions), "Batching, queue and retry.", default="{}"
    )
    heartbeat: HeartbeatOptions = option(
        Section(HeartbeatOptions),
        "Heartbeat records about the shipper itself; none with `output.console`.",
        default="{}",
    )
    metrics: MetricsOptions = option(
        Section(MetricsOptions),
        "HTTP endpoint for metrics and health checks.",
        default="{}",
        factory=MetricsOptions,
    )
    processors: tuple[StepOptions, ...] = option(
        ListOf(STEP),
        "What is done to records before they are redacted and stored, one after the other.",
        default="[]",
    )
    redact: RedactOptions | None = optional(
        Section(RedactOptions),
        "Takes secrets and personal data out of records; none: records stay as they are.",
    )
    health: tuple[HealthTargetOptions, ...] = option(
        ListOf(Section(HealthTargetOptions)),
        "Applications that `shipper run` asks how they are; each answer is a record of dataset "
        "`orchestrator.health` ([health.md](health.md)).",
        default="[]",
    )
    output: Output = option(OneOf(OUTPUTS), "Where records go.")
    search: ElasticsearchOutput | None = optional(
        OneOf(SEARCHES),
        "Where `shipper search`, `shipper report` and alerts query, if not the output itself. "
        "Needed with `output.logstash`; with `output.elasticsearch` use it to query as another "
        "user.",
    )
    kibana: KibanaServer | None = optional(
        Section(KibanaServer),
        "Where records are looked at: for links, and for `shipper setup --kibana`.",
    )
    oidc: OidcOptions | None = optional(
        Section(OidcOptions), "Log-in to the dashboard by an OpenID Connect provider."
    )
    alerts: AlertOptions = option(
        Section(AlertOptions), "The alert job.", default="{}", factory=AlertOptions
    )
    kpis: KpiOptions = option(
        Section(KpiOptions), "Targets of the key performance indicators in reports.", default="{}"
    )
    reports: ReportOptions = option(
        Section(ReportOptions), "Metrics files and reports.", default="{}"
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        names = [target.name for target in self.health]
        if len(set(names)) < len(names):
            yield "health", "has two targets of one name", "use another name for each"
        if len(names) > MOST_TARGETS:
            yield "health", f"has more than {MOST_TARGETS} targets", "use another shipper for some"
        spools = [each.intake.name for each in self.inputs if each.intake is not None]
        if len(set(spools)) < len(spools):
            yield "inputs", "has two spools of one name", "give one of them another name"
        longest = max((len(each.dataset or "") for each in self.inputs), default=0)
        if longest + len(self.namespace.encode()) > MOST_STREAM_BYTES:
            fault = "is too long for the name of a data stream, beside the dataset of an input"
            yield "namespace", fault, "shorten one of them"


def load(path: Path) -> Config:
    """
    Read the config file.

    Raises:
        InvalidOptionsError: with every fault of the file.
        ConfigError: the file cannot be read.
    """
    config: Config = load_options(path, Config, "use --config to name the config file")
    return replace(config, inputs=tuple(each.spooled(config.data_dir) for each in config.inputs))


def with_stdin(config: Config) -> Config:
    """Return a config with an input that is standard input; the same if it has one."""
    if any(each.stdin is not None for each in config.inputs):
        return config
    added = InputOptions(stdin=StdinOptions()).spooled(config.data_dir)
    return replace(config, inputs=(*config.inputs, added))
