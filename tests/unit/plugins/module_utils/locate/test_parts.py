# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a search: TTLs, thresholds, kernel tables and messages, options."""

from __future__ import annotations

import errno
import json
import socket
import struct
import time

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.locate import alone, own_host, route, trace, wire
from ansible_collections.alertpath.smtp.plugins.module_utils.locate.model import (
    ACCEPTED,
    EXPIRED,
    RESET,
    SILENT,
    UNREACHABLE,
    Reply,
    hops_back,
)
from ansible_collections.alertpath.smtp.plugins.module_utils.locate.way_back import narrow, thresholds
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(("ttl", "back"), [(64, 0), (61, 3), (128, 0), (120, 8), (255, 0), (250, 5), (65, 63)])
def test_hops_back_counts_from_the_next_usual_start(ttl: int, back: int) -> None:
    assert hops_back(ttl) == back


@given(st.integers(1, 255))
def test_the_search_for_a_ttl_ends_in_two_rounds_at_the_ttl(ttl: int) -> None:
    low, high = 0, 256
    for _round in range(2):
        values = thresholds(low, high)
        assert all(low < value < high for value in values)
        low, high = narrow(low, high, [(value, value <= ttl) for value in values])
    assert (low, high) == (ttl, ttl + 1)


def test_an_unanswered_threshold_below_an_answered_one_was_lost() -> None:
    assert narrow(0, 256, [(16, True), (32, False), (48, True), (64, False)]) == (48, 64)


def test_interfaces_are_counted_from_the_kernels_table() -> None:
    table = (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
        "    lo:     840      10    0    0    0     0          0         0      840      11    0\n"
        "  eth0: 5000      42    0    0    0     0          0         0     4000      37    0\n"
    )
    assert own_host.packets_by_interface(table) == {"lo": (10, 11), "eth0": (42, 37)}


def test_packets_that_were_dropped_on_arrival() -> None:
    v4 = "Ip: Forwarding InReceives ForwDatagrams InDelivers\nIp: 1 100 20 70\nIcmp: InMsgs\nIcmp: 5\n"
    v6 = "Ip6InReceives   \t50\nIp6InDelivers   \t44\nIp6OutForwDatagrams\t2\nIcmp6InMsgs \t3\n"
    assert own_host.dropped_on_arrival(v4, False) == 10
    assert own_host.dropped_on_arrival(v6, True) == 4


def counters(*entries: tuple[str, str, int]) -> str:
    found = [{"counter": {"table": table, "name": name, "packets": packets}} for table, name, packets in entries]
    return json.dumps({"nftables": [{"metainfo": {}}, *found]})


def test_only_our_own_counter_counts() -> None:
    listing = counters(("alertpath", "blocked_egress", 7), ("other", "blocked_egress", 100), ("alertpath", "x", 5))
    assert own_host.own_counter(listing) == 7
    assert own_host.own_counter(counters()) is None
    assert own_host.own_counter("no json") is None


def test_a_chain_that_may_translate_what_this_host_sends() -> None:
    def chains(*found: dict[str, str]) -> str:
        return json.dumps({"nftables": [{"chain": chain} for chain in found]})

    assert own_host.has_output_translation(chains({"type": "nat", "hook": "output"})) is True
    assert own_host.has_output_translation(chains({"type": "nat", "hook": "prerouting"}, {"name": "x"})) is False
    assert own_host.has_output_translation("") is None


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def message(kind: int, *attributes: bytes, route_type: int = 1) -> bytes:
    body = struct.pack("=8BI", 0, 0, 0, 0, 0, 0, 0, route_type, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def test_a_route_tells_gateway_and_interface() -> None:
    loopback = attribute(4, struct.pack("=I", socket.if_nametoindex("lo")))
    assert route.parse(message(24, loopback, attribute(5, bytes((192, 0, 2, 1))))) == ("192.0.2.1", "lo", False)
    assert route.parse(message(24, loopback)) == (None, "lo", False)
    assert route.parse(message(24, loopback, route_type=2)) == (None, "lo", True)
    via = attribute(18, struct.pack("=H", socket.AF_INET6) + socket.inet_pton(socket.AF_INET6, "fe80::1"))
    assert route.parse(message(24, via)) == ("fe80::1", None, False)
    assert route.parse(message(2, struct.pack("=i", -101))) is None
    assert route.parse(b"short") is None


def test_the_kernel_tells_the_route_to_the_loopback() -> None:
    assert route.route_to(socket.AF_INET, "127.0.0.1", None) == (None, "lo", True)
    assert route.route_to(socket.AF_INET6, "::1", None) == (None, "lo", True)


BASE = wire.Shot(socket.AF_INET, ("192.0.2.9", 25))


def test_a_control_is_chosen_by_how_hard_it_is_to_forge() -> None:
    shots = trace.candidates(BASE, (22, 22))
    assert [(shot.address[1], shot.udp) for shot in shots] == [(22, False), (33499, False), (33499, True)]
    there = Reply(UNREACHABLE, "192.0.2.9")

    def best(*replies: Reply) -> wire.Shot | None:
        shot, reply = trace.best(shots, replies, "192.0.2.9")
        return shot if reply else None

    assert best(Reply(ACCEPTED), Reply(RESET), there) == shots[0]
    assert best(Reply(SILENT), Reply(RESET), there) == shots[2]
    assert best(Reply(SILENT), Reply(RESET), Reply(SILENT)) == shots[1]
    assert best(Reply(SILENT), Reply(UNREACHABLE, "198.51.100.1"), Reply(SILENT)) is None


@pytest.mark.parametrize(("hop", "can"), [(1, False), (2, True), (16, True), (17, False)])
def test_an_option_of_ipv4_singles_out_hops_two_to_sixteen(hop: int, can: bool) -> None:
    assert wire.can_complain(socket.AF_INET, hop) is can


def test_old_kernels_tell_an_expired_ttl_by_the_error_number_alone() -> None:
    assert wire.nameless(errno.EHOSTUNREACH, True).kind == EXPIRED
    assert wire.nameless(errno.EHOSTUNREACH, False).kind == UNREACHABLE
    assert wire.nameless(errno.EACCES, True).kind == UNREACHABLE


def test_a_shot_at_the_loopback_is_reset_or_accepted() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        shot = wire.Shot(socket.AF_INET, ("127.0.0.1", port), source=("127.0.0.1", 0))
        assert trace.fire([shot])[0].kind == RESET
        listener.listen()
        assert trace.fire([shot])[0].kind == ACCEPTED
        assert trace.fire([shot._replace(least_ttl=64)])[0].kind == ACCEPTED


def test_the_kernel_ignores_answers_below_the_least_ttl() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        shot = wire.Shot(socket.AF_INET, listener.getsockname(), least_ttl=65)
        assert trace.fire([shot], trace.Pace((0.0,), 0.2))[0].kind == SILENT


def test_a_search_that_counts_packets_waits_for_another_one_and_says_nothing_in_the_end() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(alone.NAME)  # as another process does
        began = time.monotonic()
        with alone.alone(0.2) as mine:
            assert not mine
        assert 0.2 <= time.monotonic() - began < 2
    with alone.alone(0.2) as mine:
        assert mine
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
            other.bind(alone.NAME)
