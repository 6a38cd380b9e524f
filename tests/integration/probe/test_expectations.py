# SPDX-License-Identifier: GPL-3.0-or-later
"""What passes as allowed and as blocked: a dead network, a typing error and a wrong server never do."""

from __future__ import annotations

import os
from typing import Any

import pytest

from .conftest import NAME, World
from .network import Network

BOTH = pytest.mark.parametrize("version", [4, 6])
OWN_RULES = {
    "reset": "reject with tcp reset",
    "icmp": "reject with icmpx type admin-prohibited",
    "drop": "drop",
}


def own(what: str) -> str:
    return f"table inet t {{ chain c {{ type filter hook output priority 0; tcp dport 25 {what}; }}; }}"


def judged(network: Network, *targets: dict[str, Any], **settings: Any) -> list[tuple[str, str]]:
    rows = network.probe([{"expect": "blocked", **target} for target in targets], **settings)["rows"]
    return [(row["outcome"], row["verdict"]) for row in rows]


@BOTH
@pytest.mark.parametrize(("how", "outcome"), [("reset", "refused"), ("icmp", "rejected"), ("drop", "filtered")])
def test_block_passes_only_while_the_network_lives(
    network: Network, world: World, version: int, how: str, outcome: str
) -> None:
    target = {"destination": network.server[version], "port": 25}
    network.nft("client", own(OWN_RULES[how]))
    try:
        assert judged(network, target) == [(outcome, "pass")]
        # A router that forwards nothing any more: the host's own rules answer as before.
        network.nft("router", "table inet t { chain c { type filter hook forward priority 0; policy drop; }; }")
        assert judged(network, target) == [(outcome, "unproven")]
        assert judged(network, target, require_control=False) == [(outcome, "pass")]
    finally:
        network.nft("client", "")
        network.nft("router", "")


def test_cable_that_is_out_never_passes() -> None:
    network = Network(f"apprbc{os.getpid()}")
    try:
        network.up()
        network.serve({"22": {"kind": "hang_up"}})
        targets = [{"destination": address, "port": 25} for address in network.server.values()]
        assert judged(network, *targets) == [("refused", "pass")] * 2
        network.ip(network.names["router"], "link", "set", "r1", "down")
        found = judged(network, *targets)
    finally:
        network.down()
    assert {outcome for outcome, _verdict in found} <= {"no_route", "local_error", "filtered"}
    assert {verdict for _outcome, verdict in found} <= {"error", "unproven"}


def test_typing_error_never_passes(network: Network, world: World) -> None:
    names = {"destination": "gatewya.invalid", "port": 25}
    link = {"destination": "10.91.1.78", "port": 25}
    behind = {"destination": "10.91.2.78", "port": 25}
    unrouted = {"destination": "10.199.2.10", "port": 25}
    living = {"destination": network.server[4], "port": world.ports["good"], "expect": "allowed", "depth": "connect"}
    *typed, alive = judged(network, names, link, behind, unrouted, living)
    assert [verdict for _outcome, verdict in typed] == ["error"] * 4
    assert [outcome for outcome, _verdict in typed] == ["name_error", "no_route", "no_route", "no_route"]
    assert alive == ("open", "pass")


@BOTH
def test_another_address_of_the_family_is_control_enough_when_told_so_and_of_the_other_family_is_none(
    network: Network, world: World, version: int
) -> None:
    dead = {"destination": network.other[version], "port": 25}
    drop = "ip daddr 10.91.2.11 drop; ip6 daddr fd91:2::11 drop;"
    network.nft("server", f"table inet t {{ chain c {{ type filter hook input priority 0; {drop} }}; }}")
    other = 6 if version == 4 else 4
    good = {"port": world.ports["good"], "expect": "allowed", "depth": "connect"}
    try:
        same = judged(network, dead, {"destination": network.server[version], **good}, require_answer=False)
        different = judged(network, dead, {"destination": network.server[other], **good}, require_answer=False)
        by_default = judged(network, dead, {"destination": network.server[version], **good})
    finally:
        network.nft("server", "")
    assert by_default == [("filtered", "unproven"), ("open", "pass")]
    assert same == [("filtered", "pass"), ("open", "pass")]
    assert different == [("filtered", "unproven"), ("open", "pass")]


@BOTH
@pytest.mark.parametrize("server", ["misnamed", "untrusted", "silent", "ssh", "refusing", "plain"])
def test_allowed_is_open_and_the_right_server(network: Network, world: World, version: int, server: str) -> None:
    good = {"destination": network.server[version], "encryption": "starttls", "name": NAME, "expect": "allowed"}
    targets = [{**good, "port": world.ports["good"]}, {**good, "port": world.ports[server]}]
    first, second = judged(network, *targets, ca_pem=world.ca.pem, timeout=2.0)
    assert first == ("open", "pass")
    assert second[1] == "fail"
