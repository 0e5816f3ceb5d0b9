"""Formats of applications that log text: Java, Python, and whatever begins with a time."""

from __future__ import annotations

from shipper.formats.definition import TIME_OF_DAY, Layout, LogFormat

_TIME = r"\[?%{TIMESTAMP_ISO8601:time}\]?"
_REQUEST = (
    r'"(?P<method>[A-Z]+) (?P<path>[^ "?]*)(?:\?(?P<query>[^ "]*))?(?: (?P<protocol>[^ "]+))?"'
)
# What may stand between the time and the level: the name of a logger, a process, a thread.
_WORDS = r"[^0-9A-Za-z]{1,8}(?:[0-9A-Za-z_.$#-]{1,60}[^0-9A-Za-z]{1,8}){0,2}"
_LEVEL = r"\[?%{LOGLEVEL:level}\]?"

JAVA = LogFormat(
    "java",
    "Java: the usual layouts of Logback, Log4j and Spring Boot",
    (
        Layout(
            "java.log",
            _TIME + r" +%{LOGLEVEL:level} +(?P<pid>[0-9]+) --- "
            r"(?:\[(?P<application>[^\]]*)\] )?\[ *(?P<thread>[^\]]*)\] (?P<logger>[^ ]+) *: "
            r"(?P<message>.*)",
            numbers=frozenset({"pid"}),
        ),
        Layout(
            "java.log",
            _TIME + r" +\[(?P<thread>[^\]]*)\] +%{LOGLEVEL:level} +(?P<logger>[^ ]+) +[-:] "
            r"(?P<message>.*)",
        ),
        Layout(
            "java.log",
            _TIME + r" +%{LOGLEVEL:level} +\[(?P<thread>[^\]]*)\] +(?:\((?P<logger>[^)]*)\)|"
            r"(?P<logger_name>[^ ]+)) *[-:]? *(?P<message>.*)",
        ),
        Layout(
            "java.log",
            r"%{TIME:time} +\[(?P<thread>[^\]]*)\] +%{LOGLEVEL:level} +(?P<logger>[^ ]+) +[-:] "
            r"(?P<message>.*)",
            time=TIME_OF_DAY,
        ),
    ),
    (
        "2026-02-05 14:30:45.123 [main] ERROR com.example.App - no such workflow",
        "2026-02-05T14:30:45.123Z  INFO 71 --- [app] [           main] c.e.Application : Started",
    ),
    first_line=r"\[?(?:[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ])?[0-9]{2}:[0-9]{2}:[0-9]{2}[.,]",
    paths=r"catalina|tomcat|spring",
)

PYTHON = LogFormat(
    "python",
    "Python: `basicConfig`, the usual formats of `logging`, Django and uvicorn",
    (
        Layout(
            "python.log",
            _TIME + r" - (?P<logger>[^ ]+) - %{LOGLEVEL:level} - (?P<message>.*)",
        ),
        Layout(
            "python.log",
            _TIME + r" +" + _LEVEL + r" +(?:\[(?P<thread>[^\]]*)\] )?(?P<logger>[A-Za-z_][\w.]*)"
            r"(?::(?P<line>[0-9]+))?(?: -|:) +(?P<message>.*)",
            numbers=frozenset({"line"}),
        ),
        Layout(
            "python.log",
            r"%{LOGLEVEL:level} " + _TIME + r" (?P<logger>[\w.]+) (?P<pid>[0-9]+) "
            r"(?P<thread>[0-9]+) (?P<message>.*)",
            numbers=frozenset({"pid", "thread"}),
        ),
        Layout(
            "python.log",
            r"\[(?P<time>[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4} [0-9:]{8})\] "
            + _REQUEST
            + r" (?P<status_code>[0-9]{3}) (?P<bytes>[0-9]+)",
            category="web",
            numbers=frozenset({"bytes"}),
        ),
        Layout(
            "python.log",
            r"%{LOGLEVEL:level}: +(?P<client_ip>[^ ]+):(?P<client_port>[0-9]+) - "
            + _REQUEST
            + r" (?P<status_code>[0-9]{3})(?: [A-Za-z ]+)?",
            category="web",
            numbers=frozenset({"client_port"}),
        ),
        Layout("python.log", r"%{LOGLEVEL:level}:(?P<logger>[\w.]+):(?P<message>.*)"),
        Layout("python.log", r"%{LOGLEVEL:level}: +(?P<message>.*)"),
    ),
    (
        "2026-02-05 14:30:45,123 - app.workflows - ERROR - no such workflow",
        "ERROR:app.workflows:no such workflow",
    ),
    first_line=r"\[?(?:[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ]|[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4} )"
    r"|%{LOGLEVEL}[: ]",
    paths=r"django|gunicorn|celery|uvicorn",
)

TEXT = LogFormat(
    "text",
    "Any text: time and level at the beginning of a line are found, all of it is the message; the "
    "logger of Ruby",
    (
        Layout(
            "text.log",
            r"[A-Z], \[%{TIMESTAMP_ISO8601:time} #(?P<pid>[0-9]+)\] +%{LOGLEVEL:level} -- "
            r"(?P<logger>[^:]*): (?P<message>.*)",
            numbers=frozenset({"pid"}),
        ),
        Layout("text.log", _TIME + _WORDS + r"%{LOGLEVEL:level}\b.*"),
        Layout("text.log", _TIME + r".*"),
        Layout("text.log", r"\[?%{HTTPDATE:time}\]?" + _WORDS + r"%{LOGLEVEL:level}\b.*"),
        Layout("text.log", r"\[?%{HTTPDATE:time}\]?.*"),
        Layout("text.log", _LEVEL + r"(?:[: |-].*)?"),
        Layout("text.log", r"[ \t]*[^ \t].*"),
    ),
    ("2026-02-05 14:30:45 [warning] the queue is long",),
    first_line="",
)
