# SPDX-License-Identifier: GPL-3.0-or-later
"""What passes and what does not, judged by real connections between namespaces."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

import pytest

from .conftest import ADDRESS, LEFT, MID, PORTS, RIGHT, between, inside, outcome, rule, sh, sock

VERSIONS = (4, 6)
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


@pytest.fixture
def servers(echo):
    for netns in (RIGHT, MID):
        for port in (*PORTS, 22):
            echo(netns, port)


def outcomes(source: str, destination: str, version: int, wait: float = 1.0) -> dict[int, str]:
    return {port: outcome(source, destination, version, port, wait) for port in (*PORTS, 22)}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_host_opens_only_what_egress_says(host, servers, version):
    host(LEFT).apply(egress=between(LEFT, RIGHT, 587))
    assert outcomes(LEFT, RIGHT, version) == {25: "refused", 465: "refused", 587: "open", 22: "open"}
    assert outcomes(LEFT, MID, version)[587] == "refused"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_host_accepts_only_what_ingress_says(host, servers, version):
    host(RIGHT).apply(ingress=between(LEFT, RIGHT, 25))
    assert outcomes(LEFT, RIGHT, version) == {25: "open", 465: "refused", 587: "refused", 22: "open"}
    assert outcome(MID, RIGHT, version, 25) == "refused"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_router_forwards_only_what_forward_says(host, servers, version):
    host(MID).apply(router=True, forward=between(LEFT, RIGHT, 465))
    assert outcomes(LEFT, RIGHT, version) == {25: "refused", 465: "open", 587: "refused", 22: "open"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_host_that_is_no_router_leaves_forwarded_traffic_alone(host, servers, version):
    host(MID).apply()
    assert set(outcomes(LEFT, RIGHT, version).values()) == {"open"}
    assert outcome(LEFT, MID, version, 25) == "refused"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("blocked", "seen"), [("admin-prohibited", "prohibited"), ("drop", "silent")])
def test_how_a_blocked_attempt_is_answered(host, servers, version, blocked, seen):
    host(MID).apply(router=True, blocked=blocked)
    # An ICMPv6 error that comes while connect() still holds the socket counts at the first retransmission, after 1 s.
    assert outcome(LEFT, RIGHT, version, 25, wait=3.0) == seen


def test_loopback_is_left_alone(host, servers):
    host(RIGHT).apply()
    for version in VERSIONS:
        assert outcome(RIGHT, RIGHT, version, 25) == "open"


def test_networks_that_contain_and_cross_each_other(host, servers):
    rules = [
        rule("0.0.0.0/0", "10.91.2.2", 25),
        rule("10.91.1.0/24", "0.0.0.0/0", 25),
        rule("10.91.1.2", "10.91.2.2", 25),
        rule("10.91.1.0/25", "10.91.2.0/24", 25),
        rule("10.0.0.0/8", "10.91.0.0/16", 25),
        rule("::/0", "fd91:2::2", 587),
        rule("fd91::/16", "::/0", 587),
    ]
    result = host(LEFT).apply(egress=rules)
    assert result["rules"] == 6
    assert outcome(LEFT, RIGHT, 4, 25) == outcome(LEFT, RIGHT, 6, 587) == "open"
    assert outcome(LEFT, RIGHT, 4, 587) == outcome(LEFT, RIGHT, 6, 25) == "refused"


def test_blocked_attempts_are_counted_by_direction(host, servers):
    mid = host(MID)
    mid.apply(router=True)
    for version in VERSIONS:
        outcome(LEFT, RIGHT, version, 25)
    outcome(LEFT, MID, 4, 25)
    counted = mid.apply(router=True)["blocked"]
    assert {direction: counts["packets"] for direction, counts in counted.items()} == {
        "egress": 0,
        "ingress": 1,
        "forward": 2,
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_load_cuts_no_session_on_another_port(host, servers, version):
    """With a shell session open, the first load of stateful rules has frozen it: the reason why these are stateless."""
    assert sh("nft", "list", "ruleset", netns=MID) == ""
    with sock(LEFT, version) as session, sock(LEFT, version) as through:
        session.settimeout(3)
        through.settimeout(3)
        session.connect((ADDRESS[MID, version], 22))
        through.connect((ADDRESS[RIGHT, version], 22))
        host(MID).apply(router=True)
        for each in (session, through):
            each.sendall(b"still here")
            assert each.recv(100) == b"still here"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("where", "options"), [(LEFT, {}), (MID, {"router": True})])
def test_an_established_smtp_connection_that_is_not_allowed_is_cut(host, servers, version, where, options):
    with sock(LEFT, version) as allowed, sock(LEFT, version) as forbidden:
        for connection, port in ((allowed, 587), (forbidden, 25)):
            connection.settimeout(3)
            connection.connect((ADDRESS[RIGHT, version], port))
        rules = between(LEFT, RIGHT, 587)
        host(where).apply(**options, **{"egress" if where == LEFT else "forward": rules})
        allowed.sendall(b"MAIL")
        assert allowed.recv(100) == b"MAIL"
        forbidden.sendall(b"MAIL")
        with pytest.raises(ConnectionResetError):
            forbidden.recv(100)


def test_a_verdict_of_ours_stands_beside_other_tables(host, servers):
    sh(
        "nft",
        "-f",
        "-",
        netns=MID,
        text="table inet other { chain f { type filter hook forward priority -10; accept; }; }",
    )
    before = sh("nft", "--handle", "list", "table", "inet", "other", netns=MID)
    mid = host(MID)
    mid.apply(router=True)
    assert outcome(LEFT, RIGHT, 4, 25) == "refused"
    mid.apply(state="absent")
    assert sh("nft", "--handle", "list", "table", "inet", "other", netns=MID) == before


def first_fragments(version: int) -> dict[str, bytes]:
    """First fragments from left to right: of a TCP SYN to port 25 without its ports, of one with them, of UDP."""
    tcp = struct.pack("!HHIIBBHHH", 40000, 25, 1, 0, 5 << 4, 2, 1000, 0, 0)
    udp = struct.pack("!HHHH", 40001, 53, 100, 0)
    ends = [socket.inet_pton(FAMILY[version], ADDRESS[end, version]) for end in (LEFT, RIGHT)]
    if version == 4:
        payloads = {"hidden": (6, tcp[:2]), "shown": (6, tcp[:8]), "udp": (17, udp)}
        return {
            name: struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), number, 0x2000, 64, kind, 0, *ends) + data
            for number, (name, (kind, data)) in enumerate(payloads.items(), 1)
        }
    # Next header, a reserved byte, offset 0 with more to come, identification; then destination options, then TCP.
    options = bytes([6, 0, 1, 4, 0, 0, 0, 0])
    extended = {"hidden": (60, options), "shown": (60, options + tcp[:8]), "udp": (17, udp)}
    return {
        name: struct.pack("!IHBB16s16s", 6 << 28, 8 + len(data), 44, 64, *ends)
        + struct.pack("!BBHI", kind, 0, 1, number)
        + data
        for number, (name, (kind, data)) in enumerate(extended.items(), 1)
    }


def arriving(version: int) -> set[str]:
    """Send every packet of first_fragments through mid; return the names of those that arrive."""
    with inside(LEFT):
        out = socket.socket(FAMILY[version], socket.SOCK_RAW, socket.IPPROTO_RAW)
    with inside(RIGHT):
        capture = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        capture.bind(("eth0", 3))
    wanted = first_fragments(version)
    # Behind the header that routers change: protocol-independent, and told apart by identification or payload.
    tails = {name: packet[20 if version == 4 else 40 :] for name, packet in wanted.items()}
    seen = set()
    with out, capture:
        for packet in wanted.values():
            out.sendto(packet, (ADDRESS[RIGHT, version], 0))
        end = time.monotonic() + 0.5
        while (rest := end - time.monotonic()) > 0:
            capture.settimeout(rest)
            with suppress(TimeoutError):
                packet = capture.recv(2000)
                if packet[0] >> 4 == version:
                    seen |= {name for name, tail in tails.items() if packet[20 if version == 4 else 40 :] == tail}
    return seen


@pytest.mark.parametrize("version", VERSIONS)
def test_a_first_fragment_that_hides_the_ports_does_not_pass(host, servers, version):
    outcome(LEFT, RIGHT, version, 22)
    assert arriving(version) == {"hidden", "shown", "udp"}
    host(MID).apply(router=True)
    assert arriving(version) == {"udp"}
