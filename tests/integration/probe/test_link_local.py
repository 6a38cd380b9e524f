# SPDX-License-Identifier: GPL-3.0-or-later
"""Link-local addresses: each link has its own, and what one of them answers says nothing of the same on another."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .network import Network

SHARED, OWN_ELSEWHERE = "fe80::99", "fe80::77"
"""The router's on the first link, and nobody's on the second; this host's on the second, and nobody's on the first."""


@pytest.fixture(scope="module", autouse=True)
def links(network: Network) -> Iterator[None]:
    client, router = network.names["client"], network.names["router"]
    network.ip(client, "link", "add", "eth1", "type", "veth", "peer", "name", "r3", "netns", router)
    network.ip(client, "link", "set", "eth1", "up")
    network.ip(router, "link", "set", "r3", "up")
    network.ip(router, "address", "add", f"{SHARED}/64", "dev", "r1")
    network.ip(client, "address", "add", f"{OWN_ELSEWHERE}/64", "dev", "eth1")
    network.nft("router", "table inet t { chain c { type filter hook input priority 0; tcp dport 25 drop; }; }")
    listen = Path(__file__).parents[1] / "locate" / "listen.py"
    network.start_in("router", sys.executable, str(listen), "2222", says=b"listening")
    yield
    network.nft("router", "")
    network.ip(client, "link", "delete", "eth1")
    network.ip(router, "address", "del", f"{SHARED}/64", "dev", "r1")


def test_another_link_s_address_is_no_sign_of_life(network: Network) -> None:
    targets = [
        {"destination": destination, "port": 25, "expect": "blocked"}
        for destination in (f"{SHARED}%eth0", f"{SHARED}%eth1", f"{OWN_ELSEWHERE}%eth0")
    ]
    result = network.probe(targets, control_ports=[2222])
    assert [(row["address"], row["control"], row["verdict"]) for row in result["rows"]] == [
        (f"{SHARED}%eth0", "destination", "pass"),
        (f"{SHARED}%eth1", "family", "unproven"),
        (f"{OWN_ELSEWHERE}%eth0", "family", "unproven"),
    ]
    assert result["controls"] == {"ipv4": 0, "ipv6": 1}


def test_search_goes_to_the_link_that_was_probed(network: Network) -> None:
    target = {"destination": f"{SHARED}%eth0", "port": 25, "expect": "blocked"}
    (row,) = network.probe([target], control_ports=[2222], locate="all")["rows"]
    assert row["class"] == "filtered"
    assert (row["where"]["how"], row["where"]["device"]) == ("drops", None)
    assert [each["role"] for each in row["where"]["neighbours"]] == ["own host", "destination"]
    assert row["where"]["neighbours"][1]["address"] == SHARED


def test_absent_neighbour_that_the_search_finds_is_no_own_rule(network: Network) -> None:
    """Linux tells TCP sockets nothing of a link-local neighbour that it does not find; datagrams hear it."""
    (row,) = network.probe([{"destination": f"{SHARED}%eth1", "port": 25}], depth="connect", locate="differences")[
        "rows"
    ]
    assert row["class"] == row["outcome"]
    assert row["where"]["device"]["role"] == "own host"
    assert "its next hop is not found" in row["where"]["text"]
