"""Every documented form of a query, and its meaning in plain Python."""

from __future__ import annotations

from tests.store.store_records import DAY, NOON
from tests.store.store_reference import (
    Predicate,
    all_of,
    any_of,
    exists,
    has,
    like,
    no,
    says,
    time_within,
    within,
    word_like,
)

INF = float("inf")
TRUE, FALSE = True, False
TEXTS = ("message", "exc_info")
KEYWORDS = ("request_id", "workflow_id", "error_type", "run")


def bare(text: str) -> Predicate:
    """Return the meaning of a word without a field."""
    return any_of(*(says(t, text) for t in TEXTS), *(has(k, text) for k in KEYWORDS))


def everything(_: object) -> bool:
    return True


ERROR = has("level", "ERROR")
REFUSED = bare("refused")

IN_10 = r"10\.\d+\.\d+\.\d+"
MANY = any_of(has("level", "ERROR"), has("level", "INFO"))

MEANINGS: dict[str, Predicate] = {
    "*": everything,
    "*:*": everything,
    "   ": everything,
    # keywords: exact, level in any case
    "level:ERROR": ERROR,
    "level:error": ERROR,
    "level:DEBUG": has("level", "DEBUG"),
    "log.level:error": ERROR,
    "level: ERROR": ERROR,
    # as Kibana's language, Lucene and SQL write it
    "level : error": ERROR,
    'level : ("ERROR" or "CRITICAL")': any_of(ERROR, has("level", "CRITICAL")),
    "level : ERROR and status_code >= 500": all_of(ERROR, within("status_code", 500, INF)),
    "status_code>=500": within("status_code", 500, INF),
    "duration_ms < 10": within("duration_ms", -INF, 9.999),
    "level:error or level:info": MANY,
    "level:(error or info)": MANY,
    "status_code:* and not level:error": all_of(exists("status_code"), no(ERROR)),
    "not (level:error or level:info)": no(MANY),
    "connection and refused": all_of(bare("connection"), REFUSED),
    "level:IN [ERROR, INFO]": MANY,
    "level:in [ERROR,INFO]": MANY,
    "tenant:IN ['Acme Inc',acme]": any_of(
        has("extra.tenant", "Acme Inc"), has("extra.tenant", "acme")
    ),
    "_exists_:exc_info": exists("exc_info"),
    "NOT _exists_:tenant": no(exists("extra.tenant")),
    "client_ip:10.0.0.0/8": like("client_ip", IN_10),
    "client_ip:10.0.64.0/18": has("client_ip", "10.0.77.3"),
    "client_ip:10.0.0.0/15": like("client_ip", r"10\.[01]\.\d+\.\d+"),
    "client_ip:10.0.0.1/32": has("client_ip", "10.0.0.1"),
    "client_ip:0.0.0.0/0": exists("client_ip"),
    "peer:172.16.0.0/12": any_of(has("extra.peer", "172.18.0.9"), has("extra.peer", "172.16.0.1")),
    "net:10.0.0.0/8": has("extra.net", "10.0.0.0/8"),
    'client_ip:"10.0.0.0/8"': no(everything),
    # a level by any name, and as earlier versions stored it
    "level:err": ERROR,
    "level:fatal": has("level", "CRITICAL"),
    "level:50": ERROR,
    "level:warn": any_of(has("level", "WARNING"), has("level", "WARN")),
    "level:WARNING": has("level", "WARNING"),
    "level >= error": any_of(ERROR, has("level", "CRITICAL")),
    "level:>err": has("level", "CRITICAL"),
    "level:<warn": any_of(has("level", "DEBUG"), has("level", "INFO")),
    # zero has a sign in some records
    "zero:0": has("extra.zero", 0),
    "zero:-0.0": has("extra.zero", 0),
    "zero:>=0": within("extra.zero", 0, INF),
    "execution_time_ms:0": has("execution_time_ms", 0),
    "execution_time_ms:-0.0": has("execution_time_ms", 0),
    "execution_time_ms:>=0": within("execution_time_ms", 0, INF),
    "execution_time_ms:>0": within("execution_time_ms", 1, INF),
    "execution_time_ms:<0": no(everything),
    "execution_time_ms:<=-0.0": has("execution_time_ms", 0),
    "execution_time_ms:[0 TO 0]": has("execution_time_ms", 0),
    "execution_time_ms:{-1 TO 0}": no(everything),
    "x:1e999": no(everything),
    "logger:automation_orchestrator.access": has("logger", "automation_orchestrator.access"),
    "error_type:TimeoutError": has("error_type", "TimeoutError"),
    "error_type:timeouterror": has("error_type", "timeouterror"),
    "error.type:TimeoutError": has("error_type", "TimeoutError"),
    "path:/api/workflows/3": has("path", "/api/workflows/3"),
    'path:"/api/ü?q=*"': has("path", "/api/ü?q=*"),
    r"path:/api/ü\?q=\*": has("path", "/api/ü?q=*"),
    r"path:/a\ b/\(c\)/[d]/{e}/\*\?": has("path", "/a b/(c)/[d]/{e}/*?"),
    "route:/api/workflows/{workflow_id}": has("route", "/api/workflows/{workflow_id}"),
    "client_ip:10.0.0.1": has("client_ip", "10.0.0.1"),
    "user_agent:'curl/8.0 (x86_64)'": has("user_agent", "curl/8.0 (x86_64)"),
    "tags:a": has("tags", "a"),
    "tags:(a AND b)": all_of(has("tags", "a"), has("tags", "b")),
    "run:01JKABCDEFGHJKMNPQRSTVWXYZ": has("run", "01JKABCDEFGHJKMNPQRSTVWXYZ"),
    # words and phrases
    "message:connection": says("message", "connection"),
    "message:CONNECTION": says("message", "connection"),
    "message:ΑΒΓ": says("message", "αβγ"),
    # each character in lower case by itself, as Lucene has it
    "message:ΔΙΑΚΟΜΙΣΤΗΣ": says("message", "διακομιστησ"),
    "message:διακομιστησ": says("message", "διακομιστησ"),
    "message:*ΣΤΗΣ": word_like("message", ".*στησ"),
    "message:\u0130STANBUL": says("message", "istanbul"),
    "message:\u0130*": word_like("message", "i.*"),
    "message:istanbul": says("message", "istanbul"),
    "message:STRASSE": says("message", "strasse"),
    'message:"connection refused"': says("message", "connection refused"),
    "message:connection-refused": says("message", "connection refused"),
    'message:"a b a"': says("message", "a b a"),
    'message:"b b"': says("message", "b b"),
    "exc_info:TimeoutError": says("exc_info", "timeouterror"),
    "error.stack_trace:answer": says("exc_info", "answer"),
    "refused": REFUSED,
    '"connection refused"': bare("connection refused"),
    "workflow_7": bare("workflow_7"),
    "req_0003": bare("req_0003"),
    "TimeoutError": bare("TimeoutError"),
    "14:30": bare("14:30"),
    # wildcards
    "level:ERR*": like("level", "ERR.*"),
    "level:err*": like("level", "ERR.*"),
    "level:*": exists("level"),
    "level:?????": like("level", "....."),
    "path:/api/*": like("path", "/api/.*"),
    r"path:*\?*": like("path", r".*\?.*"),
    "error_type:*Error": like("error_type", ".*Error"),
    "path:(*workflows* OR *3 OR /a* OR *\\?q=*)": any_of(
        *(like("path", each) for each in (".*workflows.*", ".*3", "/a.*", r".*\?q=.*"))
    ),
    r"path:(*[d]* OR *ü* OR *.php OR *\*\? OR /*/3 OR ?api*)": any_of(
        *(like("path", each) for each in (r".*\[d\].*", ".*ü.*", r".*\.php", r".*\*\?")),
        *(like("path", each) for each in ("/.*/3", ".api.*")),
    ),
    "-path:(*w* OR *3 OR /a* OR *q*)": no(
        any_of(*(like("path", each) for each in (".*w.*", ".*3", "/a.*", ".*q.*")))
    ),
    "message:work*": word_like("message", "work.*"),
    "message:WORK?LOW": word_like("message", "work.low"),
    "conn*": any_of(
        *(word_like(t, "conn.*") for t in TEXTS), *(like(k, "conn.*") for k in KEYWORDS)
    ),
    "req_000?": any_of(*(like(k, "req_000.") for k in KEYWORDS)),
    "log.file.path:*access*": like("log.file.path", ".*access.*"),
    "extra.tenant:ac*": like("extra.tenant", "ac.*"),
    "extra.tenant:*c*e*": like("extra.tenant", ".*c.*e.*"),
    "extra.tenant:?c*": like("extra.tenant", ".c.*"),
    "extra.z:*w*w*w*w*w*w*w*w*x": no(everything),
    "extra.tenant:*": exists("extra.tenant"),
    "extra.when:2026-02-05T*": like("extra.when", "2026-02-05T.*"),
    # numbers
    "status_code:200": has("status_code", 200),
    "http.response.status_code:404": has("status_code", 404),
    "status_code:>=500": within("status_code", 500, INF),
    "status_code:>500": within("status_code", 501, INF),
    "status_code:<300": within("status_code", -INF, 299),
    "status_code:<= 404": within("status_code", -INF, 404),
    "status_code:[200 TO 404]": within("status_code", 200, 404),
    "status_code:{200 TO 404}": within("status_code", 201, 403),
    "status_code:[200 TO 404}": within("status_code", 200, 403),
    "status_code:{200 TO 404]": within("status_code", 201, 404),
    "status_code:[500 TO *]": within("status_code", 500, INF),
    "status_code:[* TO *]": exists("status_code"),
    "status_code:[500 TO 400]": no(everything),
    "status_code:(>=400 AND <500)": within("status_code", 400, 499),
    "status_code:IN [200 404]": any_of(has("status_code", 200), has("status_code", 404)),
    "duration_ms:12.5": has("duration_ms", 12.5),
    "duration_ms:0": has("duration_ms", 0),
    "duration_ms:3.0": has("duration_ms", 3),
    "duration_ms:>=4999.99": within("duration_ms", 4999.99, INF),
    "duration_ms:>4999.99": within("duration_ms", 5000, INF),
    "duration_ms:[.001 TO 1.25e1]": within("duration_ms", 0.001, 12.5),
    "seq:<1": has("seq", 0),
    # times
    "@timestamp:2026-02-05": time_within(NOON - DAY / 2, NOON + DAY / 2 - 1),
    "timestamp:2026-02-05T12:00": time_within(NOON, NOON + 59_999),
    "@timestamp:2026-02-05T12:01:30.001Z": time_within(NOON + 90_001, NOON + 90_001),
    "@timestamp:>=2026-02-05T12:01:30.001Z": time_within(NOON + 90_001, INF),
    "@timestamp:>2026-02-05T12:00:01": time_within(NOON + 2000, INF),
    "@timestamp:<2026-02-05": time_within(-INF, NOON - DAY / 2 - 1),
    "@timestamp:<=2026-02-05": time_within(-INF, NOON + DAY / 2 - 1),
    "@timestamp:[2026-02-05T13:00:00+01:00 TO 2026-02-05T12:00:02Z}": time_within(
        NOON, NOON + 1999
    ),
    "@timestamp:*": everything,
    "event.created:[2026-02-05T12:00:00.300Z TO 2026-02-05T12:00:00.600Z]": any_of(
        has("event.created", "2026-02-05T12:00:00.300Z"),
        has("event.created", "2026-02-05T12:00:00.500Z"),
        has("event.created", "2026-02-05T12:00:00.600Z"),
    ),
    "log.offset:[1 TO 600]": within("log.offset", 1, 600),
    # there or not
    "exc_info:*": exists("exc_info"),
    "request_id:*": exists("request_id"),
    "status_code:*": exists("status_code"),
    "host:*": exists("host"),
    "host:* -extra:*": all_of(exists("host"), no(exists("extra"))),
    "message:*": exists("message"),
    "duration_ms:*": exists("duration_ms"),
    "tags:*": exists("tags"),
    "error:*": exists("error"),
    "error.category:*": exists("error.category"),
    "event:*": exists("event"),
    "log:*": exists("log"),
    "log.stream:*": exists("log.stream"),
    "extra:*": exists("extra"),
    "NOT extra:*": no(exists("extra")),
    "extra.m:*": exists("extra.m"),
    "extra.m.a:*": exists("extra.m.a"),
    "extra.nothing:*": exists("extra.nothing"),
    "extra.ab:*": exists("extra.ab"),
    "extra.empty:*": exists("extra.empty"),
    # objects
    "host.name:web-1": has("host.name", "web-1"),
    "event.dataset:orchestrator.access": has("event.dataset", "orchestrator.access"),
    "event.category:web": has("event.category", "web"),
    "error.category:IN [user server]": any_of(
        has("error.category", "user"), has("error.category", "server")
    ),
    "error.message:boom": has("error.message", "boom"),
    "error.message:b*": like("error.message", "b.*"),
    "service.version:1.0.0": has("service.version", "1.0.0"),
    "service.version:2": has("service.version", "2"),
    "service.version:[0 TO 3]": no(everything),
    # unknown keys, with or without `extra`
    "extra.tenant:acme": has("extra.tenant", "acme"),
    "tenant:acme": has("extra.tenant", "acme"),
    'tenant:"Acme Inc"': has("extra.tenant", "Acme Inc"),
    'tenant:""': has("extra.tenant", ""),
    "extra.n:5": any_of(has("extra.n", 5), has("extra.n", "5")),
    "extra.n:5.0": any_of(has("extra.n", 5), has("extra.n", "5.0")),
    "extra.n:five": has("extra.n", "five"),
    "extra.n:9223372036854775808": has("extra.n", 2**63),
    "extra.n:>=0": all_of(within("extra.n", 0, 2**62)),
    "extra.n:>0": within("extra.n", 1e-300, 2**62),
    "extra.n:[-2.5 TO 5}": within("extra.n", -2.5, 4.999),
    "extra.n:{-2.5 TO 5]": within("extra.n", -2.499, 5),
    "extra.n:<0": within("extra.n", -INF, -1e-9),
    "extra.m:5": any_of(has("extra.m", 5), has("extra.m", "5")),
    "extra.m:two": has("extra.m", "two"),
    "extra.m:7": has("extra.m", 7),
    "extra.m.deep:er": has("extra.m.deep", "er"),
    "extra.m.a.b:nested": has("extra.m.a.b", "nested"),
    "extra.m.a.b:8": has("extra.m.a.b", 8),
    "extra.m:[5 TO 5]": has("extra.m", 5),
    "extra.n:[0 TO 0]": has("extra.n", 0),
    "extra.code:007": any_of(has("extra.code", "007"), has("extra.code", 7)),
    "extra.code:7": has("extra.code", 7),
    "extra.code:>0": within("extra.code", 1e-9, 2**62),
    "extra.code:*7": like("extra.code", ".*7"),
    "extra.v:1.1*": like("extra.v", r"1\.1.*"),
    "extra.flag:t*": like("extra.flag", "t.*"),
    "extra.n:-*": like("extra.n", "-.*"),
    "extra.flag:true": any_of(has("extra.flag", TRUE), has("extra.flag", "true")),
    "extra.flag:false": has("extra.flag", FALSE),
    'extra.when:"2026-02-05T14:30:45Z"': has("extra.when", "2026-02-05T14:30:45Z"),
    "extra.when:2026-02-05T15:30:45.123456789+01:00": has(
        "extra.when", "2026-02-05T15:30:45.123456789+01:00"
    ),
    "extra.day:2026-02-05": has("extra.day", "2026-02-05"),
    r"extra.a\ b:spaced": has("extra.a b", "spaced"),
    r"extra.ä-ö:[0 TO 2]": within("extra.ä-ö", 0, 2),
    "extra.ä-ö:1": has("extra.ä-ö", 1),
    "extra.huge_list:49": has("extra.huge_list", 49),
    "extra.list.x:[2 TO 2]": has("extra.list.x", 2),
    "extra.abc.d:1": has("extra.abc.d", 1),
    "extra.level:7": has("extra.level", 7),
    "extra.k:é": has("extra.k", "é"),
    'extra.text:"\x01marked"': has("extra.text", "\x01marked"),
    "extra.nowhere:1": no(everything),
    "extra.x:y": no(everything),
    # together
    "level:ERROR status_code:500": all_of(ERROR, has("status_code", 500)),
    "level:ERROR AND status_code:500": all_of(ERROR, has("status_code", 500)),
    "level:ERROR OR status_code:404": any_of(ERROR, has("status_code", 404)),
    "status_code:404 OR level:ERROR refused": any_of(
        has("status_code", 404), all_of(ERROR, REFUSED)
    ),
    "status_code:404 OR level:ERROR AND refused": any_of(
        has("status_code", 404), all_of(ERROR, REFUSED)
    ),
    "(status_code:404 OR level:ERROR) refused": all_of(
        any_of(has("status_code", 404), ERROR), REFUSED
    ),
    "NOT level:ERROR": no(ERROR),
    "-level:ERROR": no(ERROR),
    "NOT NOT level:ERROR": ERROR,
    "NOT (level:ERROR OR level:INFO)": no(any_of(ERROR, has("level", "INFO"))),
    "refused -level:ERROR": all_of(REFUSED, no(ERROR)),
    "+refused -level:ERROR": all_of(REFUSED, no(ERROR)),
    "refused AND NOT level:ERROR": all_of(REFUSED, no(ERROR)),
    "level:(ERROR OR CRITICAL)": any_of(ERROR, has("level", "CRITICAL")),
    "level:(NOT ERROR)": no(ERROR),
    "message:(workflow -failed)": all_of(
        says("message", "workflow"), no(says("message", "failed"))
    ),
    "tags IN [a, b]": any_of(has("tags", "a"), has("tags", "b")),
    "host.name.keyword:web-1": has("host.name", "web-1"),
    "logger.keyword:*access": like("logger", ".*access"),
    "level:(ERROR OR INFO) OR status_code:(404 OR 503) OR refused": any_of(
        MANY, has("status_code", 404), has("status_code", 503), REFUSED
    ),
    "level:IN [error 'CRITICAL']": any_of(ERROR, has("level", "CRITICAL")),
}
