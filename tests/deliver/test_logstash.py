"""Output `logstash`: what is acked is accepted, what is not is sent again, to a host that works."""

from __future__ import annotations

import socket
import threading
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.config.outputs import TlsOptions
from shipper.deliver import lumberjack_connection
from shipper.deliver.lumberjack import FramePreparer
from shipper.deliver.output import open_output
from shipper.deliver.outputs import logstash as module
from shipper.deliver.outputs.logstash import Logstash, LogstashHost
from shipper.errors import OutputUnavailable
from shipper.events import Delivery
from tests.deliver.delivering import NOW, document_of, events_of, publish, simple_batch
from tests.deliver.logstash_sending import batch_to, config_of, ids, insist, logstash
from tests.servers.lumberjack_scripted import (
    ScriptedServer,
    Step,
    Window,
    accept,
    accept_late,
    ack_frame,
    cut,
    cut_after,
    say,
    scripted,
)


def test_a_batch_goes_out_in_windows() -> None:
    """A batch is cut into windows of at most `window_events`; whole and in order it arrives."""
    with scripted() as server, logstash(server.address) as output:
        assert publish(output, batch_to(20)) == Delivery()

    assert server.sizes == [8, 8, 4]
    assert server.connections == 1
    assert server.stored == Counter(ids(*range(20)))
    event = server.windows[0].events[3]
    assert event.pop("@metadata") == {"origin": ids(3)[0]}
    assert event == msgspec.json.decode(document_of(3))


@pytest.mark.parametrize("level", [0, 3])
def test_compression_is_a_choice(level: int) -> None:
    """Level 0 sends as it is, others compress; the events are the same."""
    with scripted() as server, logstash(server.address, compression_level=level) as output:
        publish(output, batch_to(8))

    assert server.stored == Counter(ids(*range(8)))


def test_large_documents_make_small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window is bounded in bytes too, but for one event that is larger alone."""
    frame = len(FramePreparer().prepare(events_of(0)).frames)
    monkeypatch.setattr(module, "WINDOW_BYTES", 3 * frame)
    with scripted() as server, logstash(server.address) as output:
        publish(output, batch_to(5))
        monkeypatch.setattr(module, "WINDOW_BYTES", 10)
        publish(output, simple_batch(7))

    assert server.sizes == [2, 3, 1]


def test_windows_shrink_and_grow() -> None:
    """After a failure the window is half as large, after each success twice, up to the limit."""
    with scripted(accept, cut, cut) as server, logstash(server.address) as output:
        publish(output, batch_to(32))

    # The first cut meets a connection that was in use: that may be why, so it costs no size.
    assert server.sizes == [8, 8, 8, 4, 8, 8, 4]
    assert server.stored == Counter(ids(*range(32)))


def test_what_was_acked_is_accepted() -> None:
    """After a partial ack only the rest is sent again; there is no event twice."""
    with scripted(cut_after(3, acked=3)) as server, logstash(server.address) as output:
        assert publish(output, batch_to(8)) == Delivery()

    assert server.windows[1].ids == ids(3, 4, 5, 6)
    assert server.stored == Counter(ids(*range(8)))


def test_what_was_not_acked_is_sent_again() -> None:
    """A connection cut after the write doubles events, and loses none; `_id` tells."""
    with scripted(cut_after()) as server, logstash(server.address) as output:
        assert publish(output, batch_to(8)) == Delivery()

    assert server.stored == Counter(ids(*range(8)) * 2)


def test_a_blocked_server_is_waited_for() -> None:
    """Ack 0 is a sign of life: it is reported, and the window is kept until its ack comes."""
    step = accept_late(1.0, alive=True)
    with scripted(step) as server, logstash(server.address, ack_seconds=0.2) as output:
        with pytest.raises(OutputUnavailable, match=r"^127.* is alive, but has not acked"):
            publish(output, batch_to(4))
        assert insist(output, batch_to(4)) == []

    assert server.sizes == [4]


def test_a_blocked_server_that_goes_away() -> None:
    """What a blocked server held is sent again when the connection ends instead of an ack."""
    opened = threading.Event()

    def block_then_cut(window: Window) -> None:
        while not opened.is_set():
            window.ack(0)
            opened.wait(0.02)
        cut(window)

    with scripted(block_then_cut) as server, logstash(server.address, ack_seconds=0.2) as output:
        with pytest.raises(OutputUnavailable, match="is alive"):
            publish(output, batch_to(4))
        opened.set()
        assert insist(output, batch_to(4)) == []

    assert set(server.stored) == set(ids(*range(4)))


def test_a_blocked_host_does_not_hold_up_the_others() -> None:
    """Another host takes the window over; the blocked one gets no other until it has acked."""
    opened = threading.Event()

    def block(window: Window) -> None:
        while not opened.is_set():
            window.ack(0)
            opened.wait(0.02)
        accept(window)

    with (
        scripted(block, block) as blocked,
        scripted() as other,
        logstash(other.address, blocked.address, ack_seconds=0.2) as output,
    ):
        for _ in range(2):
            assert publish(output, batch_to(16)) == Delivery()
        assert (blocked.sizes, other.sizes) == ([8], [8, 8, 8, 8])
        opened.set()
        for _ in range(100):
            assert publish(output, simple_batch(*range(20, 36))) == Delivery()
            if len(blocked.sizes) > 1:
                break

    assert len(blocked.sizes) > 1
    assert blocked.connections == 1


def test_silence_has_a_limit() -> None:
    """Without any ack for `ack_seconds`, nothing is known of any event, and it says so."""
    with scripted(say(b"")) as server, logstash(server.address, ack_seconds=0.2) as output:
        with pytest.raises(OutputUnavailable, match=r"^127.* was silent for 0\.2 s while an ack"):
            publish(output, batch_to(4))
        assert publish(output, batch_to(4)) == Delivery()


def test_a_late_ack_is_not_taken_for_the_next_window() -> None:
    """After silence a connection is given up: its late ack must not acknowledge what comes then."""
    late = accept_late(0.4, alive=False)
    with scripted(late, say(b"")) as server, logstash(server.address, ack_seconds=0.2) as output:
        for _ in range(2):
            with pytest.raises(OutputUnavailable, match="was silent"):
                publish(output, batch_to(4))

    assert server.windows[1].connection == 1


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak Lumberjack"),
        (ack_frame(99), "acked event 99 of a window of 4"),
        (b"\x15\x03\x01\x00\x02\x02\x46", r"wants TLS; see output\.logstash\.tls\.enabled"),
    ],
)
def test_an_answer_that_makes_no_sense(said: bytes, told: str) -> None:
    """What is no ack of this window accepts nothing, and the host is named with what it did."""
    with scripted(say(said)) as server, logstash(server.address) as output:
        with pytest.raises(OutputUnavailable, match=rf"^{server.address} .*{told}"):
            publish(output, batch_to(4))
        assert publish(output, batch_to(4)) == Delivery()


def test_an_ack_before_nonsense_counts() -> None:
    """What was acked before an answer that makes no sense stays accepted."""
    said = say(ack_frame(3) + b"nonsense", stored=3)
    with scripted(said) as server, logstash(server.address) as output:
        assert publish(output, batch_to(8)) == Delivery(again=(3, 4, 5, 6, 7))
    assert server.stored == Counter(ids(0, 1, 2))


def test_the_writing_side_stays_open_until_the_ack() -> None:
    """A server that sees the end of the stream before its ack would drop the window."""
    seen = []

    def look_then_accept(window: Window) -> None:
        window.connected.setblocking(False)  # noqa: FBT003 -- its signature
        try:
            seen.append(window.connected.recv(1))
        except BlockingIOError:
            seen.append(b"open")
        window.connected.settimeout(5)
        accept(window)

    with scripted(look_then_accept) as server, logstash(server.address) as output:
        publish(output, batch_to(4))

    assert seen == [b"open"]


def test_a_connection_that_the_server_closed_meanwhile() -> None:
    """Logstash closes idle connections: the next publish makes a new one, as if nothing was."""
    with scripted() as server, logstash(server.address) as output:
        publish(output, batch_to(4))
        server.cut_all()
        assert publish(output, batch_to(8)) == Delivery()

    assert server.sizes == [4, 8]
    assert server.connections == 2


def test_an_idle_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is made anew before the server would close it."""
    with scripted() as server, logstash(server.address) as output:
        publish(output, batch_to(4))
        monkeypatch.setattr(lumberjack_connection, "IDLE_SECONDS", 0.0)
        publish(output, batch_to(4))

    assert server.connections == 2


def test_something_said_after_the_ack_spoils_the_connection() -> None:
    """What comes when nothing is due might be taken for an ack of the next window: a new one."""
    with scripted() as server, logstash(server.address) as output:
        publish(output, batch_to(4))
        server.windows[0].ack(4)
        publish(output, batch_to(4))

    assert [window.connection for window in server.windows] == [0, 1]


def test_hosts_take_turns() -> None:
    """With several hosts, each window goes to the next one, on a connection that is kept."""
    with (
        scripted() as one,
        scripted() as two,
        logstash(one.address, two.address) as output,
    ):
        assert publish(output, batch_to(32)) == Delivery()

    assert (one.sizes, two.sizes) == ([8, 8], [8, 8])
    assert (one.connections, two.connections) == (1, 1)
    assert one.stored + two.stored == Counter(ids(*range(32)))


def test_a_dead_host_is_left() -> None:
    """A host that is down costs one try, then it rests; the other takes everything."""
    with (
        scripted(always=cut) as dead,
        scripted() as other,
        logstash(dead.address, other.address) as output,
    ):
        for _ in range(5):
            assert publish(output, batch_to(4)) == Delivery()

    assert dead.connections == 1
    assert other.stored == Counter(ids(*range(4)) * 5)


def test_a_dead_host_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has rested takes its turn, and takes part again when it is back."""
    monkeypatch.setattr(module, "REST_SECONDS", 0.0)
    with scripted() as dead, scripted() as other:
        dead.stop()
        with logstash(dead.address, other.address) as output:
            for _ in range(3):
                assert publish(output, batch_to(4)) == Delivery()
            dead.start()
            for _ in range(2):
                assert publish(output, batch_to(4)) == Delivery()

    assert dead.stored
    assert dead.stored + other.stored == Counter(ids(*range(4)) * 5)


def test_a_host_rests_longer_each_time() -> None:
    """The pause of a dead host doubles from one second to a minute, and ends with a success."""
    host = LogstashHost("logs1:5044")
    rests = []
    for _ in range(8):
        host.failed(100.0)
        rests.append(host.rests_until - 100.0)
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60]
    host.succeeded()
    host.failed(100.0)
    assert host.rests_until == 101.0


def test_every_host_that_is_down_is_named() -> None:
    """When no host takes anything, the message says of each what is wrong with it."""
    with scripted(always=say(b"nonsense")) as strange, scripted() as dead:
        dead.stop()
        with (
            logstash(dead.address, strange.address, "nobody.invalid:5044") as output,
            pytest.raises(OutputUnavailable) as caught,
        ):
            publish(output, batch_to(4))

    told = str(caught.value)
    assert f"{dead.address} refuses connections" in told
    assert f"{strange.address} answers, but does not speak Lumberjack" in told
    assert "nobody.invalid:5044 cannot be resolved" in told
    assert "\n" not in told


def test_an_address_that_never_answers() -> None:
    """A connection that is not made in time is given up, and nothing was sent."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        with socket.create_connection(address):  # takes the only place in the queue
            host = f"127.0.0.1:{address[1]}"
            with (
                logstash(host, connect_seconds=0.1, ack_seconds=0.1) as output,
                pytest.raises(
                    OutputUnavailable, match=r"^127.*(did not answer within 0\.1 s|was silent)"
                ),
            ):
                publish(output, batch_to(1))


def test_an_ipv6_address_has_brackets() -> None:
    """`[::1]:5044` is an address; where nobody listens it is refused like any other."""
    with (
        logstash("[::1]:1") as output,
        pytest.raises(OutputUnavailable, match=r"^\[::1\]:1 (refuses|cannot be reached)"),
    ):
        publish(output, batch_to(1))


def test_a_name_that_there_cannot_be() -> None:
    """A name that DNS would not even take is told like one that it does not know."""
    with (
        logstash("logs1..example:5044") as output,
        pytest.raises(
            OutputUnavailable,
            match=r"^logs1\.\.example:5044 is not a valid host name; .*logstash\.hosts",
        ),
    ):
        publish(output, batch_to(1))


def test_nothing_is_opened_before_the_first_publish() -> None:
    """A host that is down, or files that are missing, are reasons to wait, not to stop."""
    output = open_output(config_of("127.0.0.1:1", tls=TlsOptions()))
    assert isinstance(output, Logstash)
    output.maintain(NOW)
    assert (output.commit(), [*output.stored_after(0)]) == (0, [])
    output.close()


def test_closed_it_sends_nothing() -> None:
    """After `close`, which can be called twice, no connection is made any more."""
    with scripted() as server, logstash(server.address) as output:
        publish(output, batch_to(1))
        output.close()
        output.close()
        with pytest.raises(OutputUnavailable, match="closed"):
            publish(output, batch_to(1))

    assert server.connections == 1


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.just(accept),
    st.just(cut),
    st.just(cut_after()),
    st.just(say(b"?")),
    st.just(say(ack_frame(1) + b"?", stored=1)),
    st.builds(lambda count: cut_after(count + 1, acked=1), st.integers(0, 3)),
    st.builds(cut_after, st.integers(0, 3)),
)


@settings(max_examples=40)
@given(
    scripts=st.lists(st.lists(STEPS, max_size=12), min_size=1, max_size=2),
    size=st.integers(1, 20),
    limit=st.integers(1, 8),
)
def test_whatever_servers_do_nothing_is_lost(
    scripts: list[list[Step]], size: int, limit: int
) -> None:
    """Each event is stored or still owed after every publish; in the end all are, none refused."""
    servers = [ScriptedServer([*script]) for script in scripts]
    try:
        with logstash(*(s.address for s in servers), window_events=limit) as output:
            assert insist(output, batch_to(size)) == []
        stored = sum((server.stored for server in servers), Counter())
        assert set(stored) == set(ids(*range(size)))
        assert [server.faults for server in servers if server.faults] == []
    finally:
        for server in servers:
            server.stop()
