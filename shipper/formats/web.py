"""Formats of web servers: nginx and Apache."""

from __future__ import annotations

from shipper.formats.definition import Layout, LogFormat

_REQUEST = (
    r'"(?:(?P<method>[A-Z]+) (?P<path>[^ "?\\]*)(?:\?(?P<query>[^ "\\]*))?'
    r'(?: (?P<protocol>[^ "]+))?'
    r'|(?P<request>%{QUOTED}))"'
)
_COMBINED = (
    r"(?P<client_ip>[^ ]+) (?P<ident>[^ ]+) (?P<user>[^\[]+) \[%{HTTPDATE:time}\] "
    + _REQUEST
    + r" (?P<status_code>[0-9]{3}) (?P<bytes>[0-9]+|-)"
    r'(?: "%{QUOTED:referrer}" "%{QUOTED:user_agent}")?(?: (?P<more>.*))?'
)

W3C_FIELDS = b"#Fields:"  # begins a line that names the columns of those after it

NGINX = LogFormat(
    "nginx",
    "nginx: the access log (combined, also with more fields behind it) and the error log",
    (
        Layout("nginx.access", _COMBINED, category="web", numbers=frozenset({"bytes"})),
        Layout(
            "nginx.error",
            r"(?P<time>[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8}) \[(?P<level>[a-z]+)\] "
            r"(?P<pid>[0-9]+)#(?P<tid>[0-9]+): (?:\*(?P<connection>[0-9]+) )?"
            r"(?P<message>[^,]*(?:,(?! client: )[^,]*)*)"
            r"(?:, client: (?P<client_ip>[^,]+))?(?:, server: (?P<server>[^,]*))?"
            r'(?:, request: "(?P<method>[A-Z]+) (?P<path>[^ "?]*)[^"]*(?:"(?!, |$)[^"]*)*")?'
            r"(?:, (?P<more>.*))?",
            category="web",
            numbers=frozenset({"pid", "tid", "connection"}),
        ),
    ),
    (
        (
            "203.0.113.7 - - [05/Feb/2026:14:30:45 +0000] "
            '"GET /api/workflows?page=2 HTTP/1.1" 200 612 "-" "curl/7.88.1"'
        ),
        (
            '2026/02/05 14:30:45 [error] 71#71: *3 open() "/var/www/x" failed (2: No such file or '
            'directory), client: 203.0.113.7, server: _, request: "GET /x HTTP/1.1", host: "x"'
        ),
    ),
    paths=r"nginx",
)

APACHE = LogFormat(
    "apache",
    "Apache HTTP Server: the access log (common, combined, vhost_combined) and the error log",
    (
        Layout(
            "apache.access",
            r"(?:(?P<server>[^ ]+:[0-9]+) )?" + _COMBINED,
            category="web",
            numbers=frozenset({"bytes"}),
        ),
        Layout(
            "apache.error",
            r"\[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [0-9 ]{2} [0-9:]{8}(?:\.[0-9]+)? [0-9]{4})\] "
            r"\[(?:(?P<module>[a-z0-9_]*):)?(?P<level>[a-z0-9]+)\] "
            r"(?:\[pid (?P<pid>[0-9]+)(?::tid (?P<tid>[0-9]+))?\] )?"
            r"(?:\[client (?P<client_ip>[^\]]+?)(?::(?P<client_port>[0-9]+))?\] )?"
            r"(?:(?P<code>AH[0-9]+): )?(?P<message>.*)",
            time="%a %b %d %H:%M:%S %Y",
            category="web",
            numbers=frozenset({"pid", "tid", "client_port"}),
        ),
    ),
    (
        (
            "203.0.113.7 - - [05/Feb/2026:14:30:45 +0000] "
            '"GET /index.html HTTP/1.1" 404 437 "-" "curl/7.88.1"'
        ),
        (
            "[Thu Feb 05 14:30:45.123456 2026] [core:error] [pid 71:tid 140] "
            "[client 203.0.113.7:41812] AH00126: Invalid URI in request GET HTTP/1.0 HTTP/1.1"
        ),
    ),
    paths=r"apache|httpd",
)

W3C = LogFormat(
    "w3c",
    "W3C extended log format, as of IIS and CloudFront: the last `#Fields:` before a line says "
    "what its columns are; times are in UTC unless `time.zone` says otherwise. These are the "
    "usual ones of IIS",
    (
        Layout(
            "w3c.access",
            r"(?P<time>[0-9-]{10} [0-9:]{8}) (?P<server_ip>[^ ]+) (?P<method>[^ ]+) "
            r"(?P<path>[^ ]+) (?P<query>[^ ]+) (?P<server_port>[^ ]+) (?P<user>[^ ]+) "
            r"(?P<client_ip>[^ ]+) (?P<user_agent>[^ ]+) (?P<referrer>[^ ]+) "
            r"(?P<status_code>[^ ]+) "
            r"(?P<substatus>[^ ]+) (?P<win32_status>[^ ]+) (?P<duration_ms>[^ ]+)",
            category="web",
        ),
    ),
    (
        (
            "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip "
            "cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken\n"
            "2026-02-05 14:30:45 10.0.0.5 GET /api/workflows page=2 443 - 203.0.113.7 "
            "Mozilla/5.0+(X11;+Linux+x86_64) - 200 0 0 46"
        ),
    ),
    paths=r"W3SVC|inetpub|u_ex[0-9]",
)
