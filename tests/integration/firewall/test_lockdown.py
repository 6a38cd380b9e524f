# SPDX-License-Identifier: GPL-3.0-or-later
"""Lockdown in real traffic: what is declared passes both ways, everything else does not, on both versions of IP."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from .conftest import ADDRESS, LEFT, MID, RIGHT, between, inside, outcome, sock

BOTH = (4, 6)


def manage(direction, source, destination, **more):
    """A management connection on both versions of IP."""
    ends = [{"source": ADDRESS[source, v], "destination": ADDRESS[destination, v]} for v in BOTH]
    return [{"path": "m", "direction": direction, **end, **more} for end in ends]


SSH = manage("ingress", RIGHT, LEFT, port=22)


@pytest.fixture
def lock(host):
    left = host(LEFT)

    def apply(*management, **options):
        allowed = [entry for found in (SSH, *management) for entry in found]
        return left.apply(lockdown=True, management=allowed, commit_confirm="never", persist=False, **options)

    apply.host = left
    return apply


def udp(source, destination, version, port, bound=0, wait=0.5):
    """Send a datagram and wait for its echo: "answered", "prohibited" or "silent"."""
    with sock(source, version, socket.SOCK_DGRAM) as client:
        client.settimeout(wait)
        if bound:
            client.bind(("", bound))
        try:
            client.connect((ADDRESS[destination, version], port))
            client.send(b"ping")
            return "answered" if client.recv(100) else "empty"
        except TimeoutError:
            return "silent"
        except OSError:
            return "prohibited"


@pytest.fixture
def udp_echo():
    """Serves UDP ports that send back what they get."""
    servers, threads = [], []
    ended = threading.Event()

    def serve(netns, port):
        for version in BOTH:
            server = sock(netns, version, socket.SOCK_DGRAM)
            if version == 6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            server.bind(("", port))
            server.settimeout(0.1)
            servers.append(server)

            def answer(server=server):
                while not ended.is_set():
                    try:
                        data, peer = server.recvfrom(1000)
                        server.sendto(data, peer)
                    except OSError:
                        continue

            threads.append(threading.Thread(target=answer, daemon=True))
            threads[-1].start()

    yield serve
    ended.set()
    for thread in threads:
        thread.join()
    for server in servers:
        server.close()


def ping(source, destination, version):
    """Whether an echo request is answered (RFC 792, RFC 4443)."""
    kind = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with inside(source):
        client = socket.socket(family, socket.SOCK_RAW, kind)
    with client:
        client.settimeout(0.5)
        request = struct.pack("!BBHHH", 8 if version == 4 else 128, 0, 0, 77, 1)
        if version == 4:
            words = struct.unpack("!4H", request)
            total = sum(words)
            total = (total >> 16) + (total & 0xFFFF)
            request = struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, 77, 1)
        try:
            client.sendto(request, (ADDRESS[destination, version], 0))
            while True:
                data, peer = client.recvfrom(1000)
                kind_seen = data[20] if version == 4 else data[0]
                if peer[0] == ADDRESS[destination, version] and kind_seen == (0 if version == 4 else 129):
                    return True
        except OSError:
            return False


@pytest.mark.parametrize("version", BOTH)
def test_tcp_passes_where_declared_and_nowhere_else(lock, echo, version):
    for netns in (LEFT, RIGHT):
        for port in (22, 80, 587):
            echo(netns, port)
    # The first packet of IPv6 may wait for the addresses of the links to settle.
    assert outcome(RIGHT, LEFT, version, 80, wait=4.0) == "open"
    lock(manage("egress", LEFT, RIGHT, port=80), egress=between(LEFT, RIGHT, 587))
    assert outcome(RIGHT, LEFT, version, 22) == "open"
    assert outcome(RIGHT, LEFT, version, 80) == "refused"
    assert outcome(RIGHT, LEFT, version, 587) == "refused"
    assert outcome(LEFT, RIGHT, version, 80) == "open"
    assert outcome(LEFT, RIGHT, version, 587) == "open"
    assert outcome(LEFT, RIGHT, version, 22) == "refused"
    assert outcome(MID, LEFT, version, 22) == "refused"


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("blocked", ["drop", "admin-prohibited"])
def test_the_answer_is_as_asked_for(lock, echo, version, blocked):
    echo(LEFT, 80)
    lock(blocked=blocked)
    # An ICMPv6 error that comes while connect() still holds the socket counts at the first retransmission, after 1 s.
    assert outcome(RIGHT, LEFT, version, 80, wait=3.0) == {"drop": "silent", "admin-prohibited": "prohibited"}[blocked]


@pytest.mark.parametrize("version", BOTH)
def test_an_open_session_goes_on_through_the_first_load_and_a_forbidden_one_ends(lock, echo, version):
    echo(LEFT, 22)
    echo(LEFT, 80)
    with sock(RIGHT, version) as kept, sock(RIGHT, version) as cut:
        for client, port in ((kept, 22), (cut, 80)):
            client.settimeout(2)
            client.connect((ADDRESS[LEFT, version], port))
            client.send(b"before")
            assert client.recv(100) == b"before"
        lock()
        kept.send(b"after")
        assert kept.recv(100) == b"after"
        cut.send(b"after")
        with pytest.raises(ConnectionError):
            cut.recv(100)


@pytest.mark.parametrize("version", BOTH)
def test_udp_is_answered_where_declared_and_a_stranger_cannot_play_the_answer(lock, udp_echo, version):
    udp_echo(RIGHT, 53)
    udp_echo(LEFT, 161)
    assert udp(RIGHT, LEFT, version, 161) == "answered"
    lock(manage("egress", LEFT, RIGHT, protocol="udp", port=53))
    assert udp(LEFT, RIGHT, version, 53) == "answered"
    assert udp(LEFT, RIGHT, version, 54) == "prohibited"
    assert udp(RIGHT, LEFT, version, 161) == "prohibited"


def test_a_datagram_from_the_resolvers_port_opens_nothing(lock, udp_echo):
    udp_echo(LEFT, 161)
    lock(manage("egress", LEFT, RIGHT, protocol="udp", port=53))
    assert udp(RIGHT, LEFT, 4, 161, bound=53) == "prohibited"


def test_a_segment_from_a_declared_servers_port_opens_no_connection(lock, echo):
    """What looks like an answer must not be the first segment of a connection."""
    echo(LEFT, 80)
    lock(manage("egress", LEFT, RIGHT, port=443))
    with sock(RIGHT, 4) as client:
        client.settimeout(1)
        client.bind(("", 443))
        with pytest.raises(ConnectionRefusedError):
            client.connect((ADDRESS[LEFT, 4], 80))


@pytest.mark.parametrize("version", BOTH)
def test_ping_needs_a_declaration(lock, version):
    lock()
    assert not ping(RIGHT, LEFT, version)
    assert not ping(LEFT, RIGHT, version)
    lock(manage("ingress", RIGHT, LEFT, protocol="icmp"))
    assert ping(RIGHT, LEFT, version)
    assert not ping(LEFT, RIGHT, version)


def test_denied_attempts_are_counted_and_a_second_run_changes_nothing(lock, echo):
    echo(LEFT, 80)
    lock()
    outcome(RIGHT, LEFT, 4, 80)
    assert "counter denied_ingress {\n\t\tpackets 1 " in lock.host.table()
    assert lock()["changed"] is False


def test_lockdown_needs_a_way_in_and_a_controller(lock):
    left = lock.host
    assert "nobody could log in" in left.refuse(lockdown=True)
    assert "controller's half" in left.refuse(lockdown=True, management=SSH)
    assert "means nothing without lockdown" in left.refuse(management=SSH)
    bad = [{"direction": "in", "source": "10.0.0.1", "destination": "fd00::1", "port": 587}]
    message = left.refuse(lockdown=True, management=bad)
    for words in ("direction: 'in' is not one of", "different IP versions", "587 is governed by the declared paths"):
        assert words in message
