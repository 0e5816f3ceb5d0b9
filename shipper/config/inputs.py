"""The options of the sections `inputs`, `tail` and `holds`: what is read, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from shipper.config.intake import (
    IntakeOptions,
    JournaldOptions,
    StdinOptions,
    SyslogOptions,
    spool_folder,
    spool_pattern,
)
from shipper.config.options import (
    COUNT,
    SECONDS,
    SIZE,
    SWITCH,
    TEXT,
    Faults,
    InvalidValueError,
    ListOf,
    MapOf,
    Scalar,
    Section,
    one_word_of,
    option,
    optional,
    text_matching,
)
from shipper.errors import ConfigError
from shipper.formats.blocks import numbers_of
from shipper.formats.definition import Layout, LogFormat
from shipper.formats.matching import compile_linear, compile_own
from shipper.formats.table import EMIT, JSON, NAMES

MOST_LINE_BYTES = 8 << 20

_GLOB = text_matching(r"(?!~)[^\x00]*[^\x00/]", "the path of a file, with * ? [ ] ** as wildcards")


def _parse_pattern(text: str) -> re.Pattern[bytes]:
    """Return a pattern of RE2, which takes linear time; of `re` if only that knows what it uses."""
    try:
        found: re.Pattern[bytes] = compile_linear(text, by_byte=True)
    except ConfigError:
        pass
    else:
        return found
    try:
        return re.compile(text.encode())
    except re.error as error:
        fault = f'"{text}" is not a regular expression: {error}'
        raise InvalidValueError(fault, "correct it") from error


def _parse_line_pattern(text: str) -> str:
    try:
        names = compile_own(text)[1]
    except ConfigError as error:
        raise InvalidValueError(error.fault, error.remedy) from error
    if not names:
        raise InvalidValueError(
            f'"{text}" has no named group', "name what it finds: %{IP:client_ip} or (?P<name>…)"
        )
    return text


def _parse_path_pattern(text: str) -> str:
    try:
        groups = compile_linear(text).groups
    except ConfigError as error:
        raise InvalidValueError(error.fault, error.remedy) from error
    if groups != 1:
        raise InvalidValueError(f'"{text}" has {groups} groups', "put the service into ( )")
    return text


def _parse_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, OSError, ValueError) as error:  # ValueError: it leads out of its folder
        raise InvalidValueError(
            f'"{text}" is not a time zone of this machine',
            "use a name such as Europe/Berlin or UTC",
        ) from error
    return text


def _parse_plain(text: str) -> str | int | float | bool:
    """Return a number or a switch where YAML sees one."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?(0|[1-9][0-9]{0,14})", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text, re.ASCII):
        return float(text)
    return str(TEXT.parse(text))


_PATTERN = Scalar("a regular expression", _parse_pattern)
_LINE_PATTERN = Scalar("a pattern with named groups", _parse_line_pattern)
_PATH_PATTERN = Scalar("a regular expression with one group", _parse_path_pattern)
_ZONE = Scalar("a time zone", _parse_zone)
_NAME = text_matching(r"[A-Za-z_@][A-Za-z0-9_.-]{0,99}", "letters, digits, _ . and -")
_GROUP = text_matching(r"[A-Za-z_][A-Za-z0-9_]{0,99}", "the name of a group of the pattern")
_PLAIN = Scalar("a text, a number, true or false", _parse_plain)
_DATASET = text_matching(
    r"(?!\.\.?$)[a-z0-9_][a-z0-9_.]{0,29}",
    "at most 30 of lower case, digits, _ and ., such as nginx.access",
)


@dataclass(frozen=True, slots=True)
class MultilineOptions:
    """
    Joins lines of plain-text logs into one event, such as a traceback.

    A line that is a JSON object is always an event of its own.
    """

    first_line: re.Pattern[bytes] | None = optional(
        _PATTERN,
        "Regular expression that matches the beginning of the first line of an event, such as "
        "`\\d{4}-\\d\\d-\\d\\d `. Without it, every line starts an event except indented and blank "
        "lines and the lines of a traceback. It takes linear time, unless it has look-around or "
        "back references.",
    )
    max_lines: int = option(
        COUNT.between("2", "100000"),
        "Maximum number of lines in an event; further lines start another event.",
        default="500",
    )
    max_bytes: int = option(
        SIZE.between("1 KiB", "4 MiB"),
        "Maximum size of an event of several lines; further lines start another event.",
        default="128 KiB",
    )
    quiet_seconds: float = option(
        SECONDS.between("0.1s", "1h"),
        "The last event of a file is complete when nothing was appended for this long. Raise it if "
        "the application pauses in the middle of an event.",
        default="5s",
    )


@dataclass(frozen=True, slots=True)
class TimeOptions:
    """
    How the times of lines are read.

    A time that names its zone is read in that one. [formats.md](formats.md#times) says what happens
    when the clocks change.
    """

    field: str = option(_GROUP, "Group of `pattern` that is the time.", default="time")
    format: str = option(
        TEXT,
        "How times are written in `pattern`: `iso` for ISO 8601 and access logs, or a form of "
        "Python's `strptime` without fractions of a second, which are recognized, such as "
        "`%d.%m.%Y %H:%M:%S`.",
        default="iso",
    )
    zone: str | None = optional(
        _ZONE,
        "Zone of times that name none, such as `Europe/Berlin`. JSON without a zone is UTC in any "
        "case.",
        default="that of this machine",
    )


@dataclass(frozen=True, slots=True)
class InputOptions:
    """A set of log files to read, or another way in: `stdin`, `syslog`, `journald`."""

    paths: tuple[str, ...] = option(
        ListOf(_GLOB, least=1),
        "Files to read. `*`, `?` and `[…]` match within a name, `**` matches any number of "
        "folders. Rotated copies (`app.log.1`, `app.log-20260205`, `app.log.2.gz`) are found "
        "without being listed.",
        default="none",
        factory=tuple,
    )
    exclude: tuple[str, ...] = option(
        ListOf(_GLOB),
        "Files to skip although `paths` matches them. A pattern without `/` is compared with the "
        "name only.",
        default="[]",
    )
    format: str = option(
        one_word_of(*NAMES),
        "What the lines are: [formats.md](formats.md). `auto` finds it out for each file. `emit` "
        "and `json` are JSON of any application; other lines are kept as text.",
        default=EMIT,
    )
    pattern: str | None = optional(
        _LINE_PATTERN,
        "Form of the lines instead of a `format`: a regular expression of RE2 with named groups "
        "and [building blocks](formats.md#your-own-patterns), which matches all of the first line "
        "of an event, such as `%{TIMESTAMP_ISO8601:time} %{LOGLEVEL:level} %{GREEDYDATA:message}`.",
    )
    time: TimeOptions = option(
        Section(TimeOptions), "How the times of lines are read.", default="{}", factory=TimeOptions
    )
    service: str | None = optional(
        TEXT, "`service.name` of these records.", default="`service.name` of the config"
    )
    service_from_path: str | None = optional(
        _PATH_PATTERN,
        "Regular expression whose group is the `service.name`, looked for in the path of the file: "
        "`/srv/([^/]+)/logs/`. Where it is not found, `service` counts.",
    )
    dataset: str | None = optional(
        _DATASET,
        "`event.dataset` of these records. Their data stream is "
        "`logs-orchestrator.<dataset>-<namespace>`.",
        default="that of the format; for JSON, decided by the record",
    )
    fields: dict[str, str | int | float | bool] = option(
        MapOf(_NAME, _PLAIN),
        "Fields that these records get under `extra`, unless the line has them.",
        default="{}",
        factory=dict,
    )
    tags: tuple[str, ...] = option(ListOf(_NAME), "Tags that these records get.", default="[]")
    max_line_bytes: int = option(
        SIZE.between("1 KiB", "8 MiB"),
        "Maximum size of a line. A longer line is cut here and tagged. This bounds the memory that "
        "one line can take.",
        default="1 MiB",
    )
    compressed: str = option(
        one_word_of("new", "all", "none"),
        "Which `.gz` files to read whose uncompressed file was never seen. `new`: those that "
        "changed after the first start with this `data_dir`, which covers rotation while the "
        "shipper was down and skips old archives. `all`: every one. `none`: no `.gz` file at all. "
        "With `new` and `all`, a file that is compressed while it is being read is finished from "
        "its `.gz`.",
        default="new",
    )
    multiline: MultilineOptions | None = optional(
        Section(MultilineOptions),
        "Joins lines of plain-text logs into one event. Without it, the lines of a `format` are "
        "joined as that needs it; with `emit`, `json` or `pattern`, every line is an event.",
    )
    stdin: StdinOptions | None = optional(
        Section(StdinOptions), "Standard input instead of `paths`: [inputs.md](inputs.md)."
    )
    syslog: SyslogOptions | None = optional(
        Section(SyslogOptions),
        "Syslog instead of `paths`, received over TCP, UDP or unix sockets: "
        "[inputs.md](inputs.md#syslog).",
    )
    journald: JournaldOptions | None = optional(
        Section(JournaldOptions),
        "The journal of systemd instead of `paths`: [inputs.md](inputs.md#journald).",
    )

    @property
    def intake(self) -> IntakeOptions | None:
        """The way by which lines come in, if they are not those of files."""
        return self.stdin or self.syslog or self.journald

    def spooled(self, data_dir: Path) -> InputOptions:
        """Return the input with the paths of its spool, if it has one."""
        if self.intake is None:
            return self
        spooled = replace(self, paths=(spool_pattern(spool_folder(self.intake, data_dir)),))
        if self.stdin is not None:
            return spooled
        dataset = self.dataset or ("syslog.log" if self.syslog else "journald.log")
        return replace(spooled, format=JSON, dataset=dataset, max_line_bytes=MOST_LINE_BYTES)

    def own_format(self) -> LogFormat | None:
        """Return the format that `pattern` describes."""
        if self.pattern is None:
            return None
        layout = Layout(
            "text.log",
            self.pattern,
            time=self.time.format,
            numbers=numbers_of(self.pattern),
            time_group=self.time.field,
        )
        return LogFormat("pattern", "", (layout,), (), is_own=True)

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.intake is None and not self.paths:
            yield "paths", "is missing", "name files to read, or use stdin, syslog or journald"
        if self.intake is not None and (self.paths or self.exclude):
            key = "paths" if self.paths else "exclude"
            yield key, "is there beside an input that is no file", "use two inputs"
        ways = (self.stdin, self.syslog, self.journald)
        if sum(each is not None for each in ways) > 1:
            yield "paths", "is there beside another way in", "use an input for each"
        if self.intake is not None and self.stdin is None:
            yield from self._faults_of_messages()
        if self.multiline is not None and self.multiline.max_bytes > self.max_line_bytes:
            yield "multiline", "max_bytes is more than max_line_bytes", "use at most as much"
        if self.pattern is None:
            if self.time != TimeOptions(zone=self.time.zone):
                yield (
                    "time",
                    "field and format belong to a pattern",
                    "add one, or use the zone only",
                )
            return
        if self.format != EMIT:
            yield "format", "is there beside a pattern", "use one of them"
        if self.time.field not in compile_own(self.pattern)[1]:
            remedy = "add the group, or name it in time.field"
            yield "pattern", f"has no group {self.time.field}, so no record has a time", remedy

    def _faults_of_messages(self) -> Faults:
        """Yield the options of lines, where what comes in is no lines."""
        if self.format != EMIT:
            yield "format", "is there beside a way in that has one", "leave it out"
        if self.pattern is not None:
            yield "pattern", "is there beside a way in that has a format", "leave it out"
        if self.multiline is not None:
            yield "multiline", "is there beside a way in of whole messages", "leave it out"


@dataclass(frozen=True, slots=True)
class TailOptions:
    """How files are found and read."""

    scan_seconds: float = option(
        SECONDS.between("0.05s", "1h"),
        "Interval between two scans of all folders and files. A scan finds every change; kernel "
        "events only make the shipper notice sooner.",
        default="1s",
    )
    block_bytes: int = option(
        SIZE.between("4 KiB", "8 MiB"),
        "How much of a file is read at a time, in turn with the other files.",
        default="256 KiB",
    )
    watch: bool = option(
        SWITCH,
        "Use kernel events (inotify) to notice new lines at once. `false`: new lines wait for the "
        "next scan; use it on file systems without events, such as NFS.",
        default="true",
    )


@dataclass(frozen=True, slots=True)
class HoldsOptions:
    """
    Hard links that keep rotated files until they are delivered.

    Every file that is read gets a second name in the data folder, so its content survives rotation
    and deletion, also while no shipper runs. The link is removed when the file is delivered.
    """

    enabled: bool = option(
        SWITCH,
        "`false`: a deleted file is only kept while a running shipper has it open. logrotate does "
        "not rotate a file that has two names unless its config says `allowhardlink`.",
        default="true",
    )
    max_bytes: int = option(
        SIZE.between("1 MiB", "100 TiB"),
        "Maximum total size of files that only the shipper still keeps. Above it, the oldest file "
        "is dropped and recorded as a deliberate loss. Raise it to survive longer outages of the "
        "output.",
        default="1 GiB",
    )
