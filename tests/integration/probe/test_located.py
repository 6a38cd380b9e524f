# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a path stops, told in the probe's own rows: by real rules on the client, the router and the server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import World
from .network import Network

BOTH = pytest.mark.parametrize("version", [4, 6])
CLIENT = """table inet alertpath { counter blocked_egress { }
chain c { type filter hook output priority 0
tcp dport 3001 counter name blocked_egress reject with tcp reset
tcp dport 3002 counter name blocked_egress reject with icmpx admin-prohibited
tcp dport 3003 counter name blocked_egress drop
}
}"""
ROUTER = """table inet t { chain c { type filter hook forward priority 0
tcp dport 3011 reject with tcp reset
tcp dport 3012 reject with icmpx admin-prohibited
tcp dport 3013 drop
}
chain n { type nat hook prerouting priority -100
tcp dport 3014 redirect to :3999
}
}"""
SERVER = """table inet t { chain c { type filter hook input priority 0
tcp dport 3021 reject with tcp reset
tcp dport 3023 drop
}
}"""
CLOSED = 3030


@pytest.fixture(scope="module")
def rows(network: Network, world: World) -> dict[tuple[int, int], dict[str, Any]]:
    """(IP version, port) → row, each with its place."""
    for part, rules in (("client", CLIENT), ("router", ROUTER), ("server", SERVER)):
        network.nft(part, rules)
    ports = [3001, 3002, 3003, 3011, 3012, 3013, 3014, 3021, 3023, CLOSED]
    targets = [
        {"destination": network.server[version], "port": port, "expect": "blocked"}
        for version in (4, 6)
        for port in ports
    ]
    targets += [{"destination": network.server[4], "port": world.ports["good"], "expect": "allowed", "depth": "banner"}]
    targets += [{"destination": "10.199.1.1", "port": 25, "expect": "blocked"}]
    listen = Path(__file__).parents[1] / "locate" / "listen.py"
    network.start_in("router", sys.executable, str(listen), "3999", says=b"listening")
    try:
        found = network.probe(targets, locate="all", locate_budget=200.0)["rows"]
    finally:
        for part in ("client", "router", "server"):
            network.nft(part, "")
    return {(6 if ":" in row["destination"] else 4, row["port"]): row for row in found}


@BOTH
@pytest.mark.parametrize(("port", "how"), [(3001, "resets"), (3002, "rejects"), (3003, "drops")])
def test_own_rule_is_told_by_its_counter(rows, version: int, port: int, how: str) -> None:
    row = rows[version, port]
    assert (row["where"]["answer"], row["where"]["how"]) == ("exact", how)
    assert row["where"]["device"]["role"] == "own host"
    assert row["where"]["own_rule"] == "blocked_egress in table inet alertpath"
    assert row["class"] == "own_rule"
    assert row["verdict"] == "pass"


@BOTH
def test_rejecting_router_is_named_with_type_and_code(rows, network: Network, version: int) -> None:
    where = rows[version, 3012]["where"]
    assert (where["answer"], where["device"]["address"]) == ("exact", network.router[version])
    assert (where["type"], where["code"]) == ((3, 13) if version == 4 else (1, 1))
    assert where["own_rule"] is None


@BOTH
def test_reset_of_a_router_is_not_blamed_on_the_server(rows, network: Network, version: int) -> None:
    where = rows[version, 3011]["where"]
    named = [where["device"]] if where["device"] else where["neighbours"]
    assert network.router[version] in [device["address"] for device in named]
    assert not any("sent the reset" in text for text in rows[version, 3011]["cannot_tell"])


@BOTH
def test_silent_drop_lies_between_neighbours_or_is_not_told(rows, network: Network, version: int) -> None:
    for port in (3013, 3023):
        where = rows[version, port]["where"]
        assert where["answer"] in {"between", "cannot_tell"}
        assert where["device"] is None
    named = [device["address"] for device in rows[version, 3013]["where"]["neighbours"]]
    assert not named or network.router[version] in named


@BOTH
@pytest.mark.parametrize("port", [3021, CLOSED])
def test_reset_of_the_server_is_its_own(rows, network: Network, version: int, port: int) -> None:
    where = rows[version, port]["where"]
    named = [where["device"]] if where["device"] else where["neighbours"]
    assert network.server[version] in [device["address"] for device in named]


@BOTH
def test_redirection_is_an_interception_and_fails(rows, network: Network, version: int) -> None:
    row = rows[version, 3014]
    assert (row["outcome"], row["class"], row["verdict"]) == ("open", "intercepted", "fail")
    named = [row["where"]["device"]] if row["where"]["device"] else row["where"]["neighbours"]
    assert network.router[version] in [device["address"] for device in named]
    assert "redirection" in row["remedy"]


def test_open_path_has_nothing_that_stops_it(rows, world: World) -> None:
    row = rows[4, world.ports["good"]]
    assert row["where"]["answer"] in {"nothing", "cannot_tell"}
    assert row["verdict"] == "pass"


def test_missing_route_is_this_hosts_own_matter(rows) -> None:
    where = rows[4, 25]["where"]
    assert (where["answer"], where["how"], where["device"]["role"]) == ("exact", "refuses to send", "own host")


@BOTH
def test_second_address_of_this_host_is_no_router(network: Network, version: int) -> None:
    """Linux answers a connection from a second address of a network in the name of the first."""
    source = {4: "10.91.1.20", 6: "fd91:1::20"}[version]
    targets = [
        {"destination": destination, "port": port, "source": source, "expect": "blocked"}
        for destination, port in ((network.server[version], 3002), (network.absent[version], 25))
    ]
    network.ip(network.names["client"], "address", "add", f"{source}/{24 if version == 4 else 64}", "dev", "eth0")
    network.nft("client", CLIENT)
    try:
        rule, absent = network.probe(targets, locate="all")["rows"]
    finally:
        network.nft("client", "")
        network.ip(network.names["client"], "address", "del", f"{source}/{24 if version == 4 else 64}", "dev", "eth0")
    assert (rule["class"], absent["class"]) == ("own_rule", "no_neighbour")
    assert rule["where"]["own_rule"] == "blocked_egress in table inet alertpath"
    for row in (rule, absent):
        assert row["evidence"]["text"].startswith("this host answered")
        assert row["where"]["device"] == {"hop": 0, "address": source, "role": "own host"}


def test_short_budget_is_told_and_nothing_is_searched_by_default(network: Network, world: World) -> None:
    targets = [{"destination": network.server[4], "port": port, "expect": "allowed"} for port in range(3100, 3120)]
    rows = network.probe(targets, depth="connect", locate="differences", locate_budget=1.0)["rows"]
    told = [row["where"]["text"] for row in rows]
    assert any("not looked at" in text for text in told)
    assert not any("not looked at" in text for text in told[:2])
    assert network.probe(targets[:1], depth="connect")["rows"][0]["where"] is None
