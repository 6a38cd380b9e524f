# SPDX-License-Identifier: GPL-3.0-or-later
"""What proves a block: an answer of the address itself, which neither a dead network nor a typing error can give."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import World
from .network import Network

BOTH = pytest.mark.parametrize("version", [4, 6])
NOBODY = {4: "10.92.3.52", 6: "fd92:3::52"}
"""A mistyped address: routed, and nobody has it."""
HOOKS = {"client": "output", "router": "forward", "server": "input"}
WAYS = {
    "reset": "reject with tcp reset",
    "icmp": "reject with icmpx type admin-prohibited",
    "drop": "drop",
}


def chain(part: str, *rules: str) -> str:
    return f"table inet t {{ chain c {{ type filter hook {HOOKS[part]} priority 0; {'; '.join(rules)}; }}; }}"


def asked(network: Network, *targets: dict[str, Any], **settings: Any) -> list[dict[str, Any]]:
    return network.probe([{"expect": "blocked", "port": 25, **target} for target in targets], **settings)["rows"]


@BOTH
def test_port_that_takes_one_connection_of_many_is_not_blocked(network: Network, world: World, version: int) -> None:
    """The first SYN is that of the control port, which the rule lets pass."""
    rule = "tcp dport 22 tcp flags syn limit rate over 1/minute burst 1 packets drop"
    network.nft("router", chain("router", rule))
    try:
        (row,) = asked(network, {"destination": network.server[version], "port": 22}, control_ports=[22])
    finally:
        network.nft("router", "")
    assert told(row) == ("open", "destination", "fail")
    assert "not each time" in row["reason"]


def told(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["outcome"], row["control"], row["verdict"]


@BOTH
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("part", ["client", "router"])
def test_mistyped_address_never_passes_whatever_a_firewall_says_in_its_name(
    network: Network, world: World, version: int, part: str, how: str
) -> None:
    """All of TCP to that net is answered alike, as a host in lockdown or a border does it: the control port, too."""
    net = f"{'ip' if version == 4 else 'ip6'} daddr {NOBODY[version]} meta l4proto tcp"
    network.nft(part, chain(part, f"{net} {WAYS[how]}"))
    network.route("router", "add", NOBODY[version], "via", network.server[version])
    living = {"destination": network.server[version], "port": world.ports["good"], "expect": "allowed"}
    try:
        row, alive = asked(network, {"destination": NOBODY[version]}, living, depth="connect")
    finally:
        network.nft(part, "")
        network.route("router", "del", NOBODY[version])
    outcome = {"reset": "refused", "icmp": "rejected", "drop": "filtered"}[how]
    assert told(row) == (outcome, "family", "unproven")
    assert "nobody may be there" in row["reason"]
    assert "control_ports" in row["remedy"]
    assert alive["verdict"] == "pass"


@BOTH
def test_mistyped_address_never_passes_when_a_firewall_rejects_as_if_it_were_the_address(
    network: Network, version: int
) -> None:
    """As bridges do, and rules at a router's ingress."""
    network.route("router", "add", NOBODY[version], "via", network.server[version])
    rule = "tcp dport {22, 25} reject with icmpx type admin-prohibited"
    network.nft("router", f"table netdev t {{ chain c {{ type filter hook ingress device r1 priority 0; {rule}; }}; }}")
    try:
        (row,) = asked(network, {"destination": NOBODY[version]})
    finally:
        network.nft("router", "")
        network.route("router", "del", NOBODY[version])
    assert row["evidence"]["device"] == NOBODY[version]
    assert told(row) == ("rejected", "family", "unproven")


@BOTH
@pytest.mark.parametrize("how", WAYS)
def test_host_in_lockdown_whose_network_is_dead_proves_nothing(network: Network, version: int, how: str) -> None:
    network.nft("client", chain("client", f"meta l4proto tcp {WAYS[how]}"))
    network.nft("router", chain("router", "drop"))
    try:
        (row,) = asked(network, {"destination": network.server[version]})
        assert told(row)[1:] == ("none", "unproven"), row
        (row,) = asked(network, {"destination": network.server[version]}, require_answer=False)
        assert told(row)[1:] == ("none", "unproven"), row
    finally:
        network.nft("client", "")
        network.nft("router", "")


@pytest.fixture(scope="module")
def proxy(network: Network) -> int:
    """A port of the client on which everything is accepted."""
    listen = Path(__file__).parents[1] / "locate" / "listen.py"
    network.start_in("client", sys.executable, str(listen), "3998", says=b"listening")
    return 3998


@BOTH
def test_own_redirection_of_everything_is_no_sign_of_life(
    network: Network, world: World, proxy: int, version: int
) -> None:
    rules = "table inet t { chain c { type nat hook output priority -100; tcp dport 22 redirect to :PORT; }; }"
    network.nft("client", rules.replace("PORT", str(proxy)))
    network.nft("router", chain("router", "drop"))
    try:
        (row,) = asked(network, {"destination": network.server[version]})
    finally:
        network.nft("client", "")
        network.nft("router", "")
    assert told(row) == ("filtered", "none", "unproven")


@BOTH
@pytest.mark.parametrize("how", ["icmpx type admin-prohibited", "icmpx type port-unreachable"])
def test_rejection_by_the_destination_itself_shows_that_it_is_there(network: Network, version: int, how: str) -> None:
    network.nft("server", chain("server", f"tcp dport 22 reject with {how}", "tcp dport 25 drop"))
    try:
        (row,) = asked(network, {"destination": network.server[version]})
    finally:
        network.nft("server", "")
    assert told(row) == ("filtered", "destination", "pass")


@BOTH
def test_reset_on_a_control_port_shows_the_network_and_not_who_it_is(
    network: Network, world: World, version: int
) -> None:
    target = {"destination": network.server[version]}
    (row,) = asked(network, target, control_ports=[1098])
    assert told(row) == ("refused", "family", "unproven")
    (row,) = asked(network, target, control_ports=[1098], require_answer=False)
    assert told(row) == ("refused", "family", "pass")
    (row,) = asked(network, target, control_ports=[1098, 22])
    assert told(row) == ("refused", "destination", "pass")


@BOTH
@pytest.mark.parametrize("part", ["client", "router", "server"])
@pytest.mark.parametrize("how", WAYS)
def test_reset_on_a_control_port_shows_who_is_there_where_the_blocked_port_met_something_else(
    network: Network, world: World, version: int, part: str, how: str
) -> None:
    port = world.ports["good"]
    network.nft(part, chain(part, f"tcp dport {port} {WAYS[how]}"))
    try:
        (row,) = asked(network, {"destination": network.server[version], "port": port}, control_ports=[1098])
    finally:
        network.nft(part, "")
    outcome = {"reset": "refused", "icmp": "rejected", "drop": "filtered"}[how]
    alike = how == "reset"
    assert told(row) == ((outcome, "family", "unproven") if alike else (outcome, "destination", "pass"))


@BOTH
def test_own_address_is_there_and_says_nothing_of_the_network(network: Network, version: int) -> None:
    dead = {"destination": network.server[version], "port": 25}
    network.nft("router", chain("router", "drop"))
    try:
        mine, other = asked(network, {"destination": network.client[version], "port": 1}, dead, require_answer=False)
    finally:
        network.nft("router", "")
    assert told(mine) == ("refused", "destination", "pass")
    assert told(other) == ("filtered", "none", "unproven")


def test_signs_of_life_need_no_privilege(network: Network) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    targets = [{"destination": address, "port": 25, "expect": "blocked"} for address in network.server.values()]
    rows = network.probe(targets, wrap=nobody, python="/usr/bin/python3", control_ports=[1098], require_answer=False)
    assert [told(row) for row in rows["rows"]] == [("refused", "family", "pass")] * 2


def test_two_interfaces_and_several_sources() -> None:
    """Each source's own way out is asked, not just any that the host has."""
    network = Network(f"apprbm{os.getpid()}")
    client, router = network.names["client"], network.names["router"]
    try:
        network.up()
        network.ip(client, "link", "add", "eth1", "type", "veth", "peer", "name", "r3", "netns", router)
        for name, device, host in ((client, "eth1", 10), (router, "r3", 1)):
            network.ip(name, "address", "add", f"10.91.3.{host}/24", "dev", device)
            network.ip(name, "link", "set", device, "up")
        network.ip(client, "address", "add", "10.91.1.12/24", "dev", "eth0")
        network.ip(client, "rule", "add", "from", "10.91.3.10", "table", "33")
        network.ip(client, "route", "add", "default", "via", "10.91.3.1", "table", "33")
        network.ip(network.names["server"], "route", "add", "10.91.3.0/24", "via", "10.91.2.1")
        network.serve({"22": {"kind": "hang_up"}})
        sources = [network.client[4], "10.91.1.12", "10.91.3.10"]
        targets = [{"destination": network.server[4], "source": source} for source in sources]
        assert [told(row) for row in asked(network, *targets)] == [("refused", "destination", "pass")] * 3
        network.ip(client, "link", "set", "eth1", "down")
        found = [told(row)[2] for row in asked(network, *targets)]
        assert found[:2] == ["pass", "pass"]
        assert found[2] in {"error", "unproven"}
    finally:
        network.down()
