# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a connection attempt, each cause being the real thing: rules, routes, absent neighbours."""

from __future__ import annotations

from typing import Any

import pytest

from .network import Network

# port: where the rule stands, and what it does
RULES = {
    1001: ("client", "reject with tcp reset"),
    1002: ("client", "reject with icmpx type admin-prohibited"),
    1003: ("client", "drop"),
    1011: ("router", "reject with tcp reset"),
    1012: ("router", "reject with icmpx type admin-prohibited"),
    1013: ("router", "drop"),
    1014: ("router", "reject with icmpx type port-unreachable"),
    1015: ("router", "reject with icmpx type host-unreachable"),
    1021: ("server", "reject with tcp reset"),
    1022: ("server", "reject with icmpx type admin-prohibited"),
    1023: ("server", "drop"),
}
CLOSED = 1099
HOOKS = {"client": "output", "router": "forward", "server": "input"}
UNROUTED = {4: "10.99.0.1", 6: "fd99::1"}
BLACKHOLE = {4: "10.98.0.1", 6: "fd98::1"}
PROHIBITED = {4: "10.97.0.1", 6: "fd97::1"}
BEHIND_UNREACHABLE = {4: "10.92.1.1", 6: "fd92:1::1"}
BEHIND_BLACKHOLE = {4: "10.92.2.1", 6: "fd92:2::1"}


def rules(part: str) -> str:
    lines = "\n".join(f"tcp dport {port} {what}" for port, (where, what) in RULES.items() if where == part)
    extra = ""
    if part == "server":
        extra = "ip daddr 10.91.2.11 drop\nip6 daddr fd91:2::11 drop"
    hook = HOOKS[part]
    return f"table inet t {{ chain c {{ type filter hook {hook} priority 0\n{extra}\n{lines}\n}}\n}}"


@pytest.fixture(scope="module")
def rows(network: Network, world: Any) -> dict[tuple[int, str, str, int], dict[str, Any]]:
    """(IP version, expectation, destination, port) → row."""
    for part in HOOKS:
        network.nft(part, rules(part))
    for destination in (BLACKHOLE[4], BLACKHOLE[6]):
        network.route("client", "add", "blackhole", destination)
    for destination in (PROHIBITED[4], PROHIBITED[6]):
        network.route("client", "add", "prohibit", destination)
    for destination in (BEHIND_UNREACHABLE[4], BEHIND_UNREACHABLE[6]):
        network.route("router", "add", "unreachable", destination)
    for destination in (BEHIND_BLACKHOLE[4], BEHIND_BLACKHOLE[6]):
        network.route("router", "add", "blackhole", destination)
    wanted = [(network.server, port) for port in (*RULES, CLOSED)]
    wanted += [(places, 25) for places in (UNROUTED, BLACKHOLE, PROHIBITED, BEHIND_UNREACHABLE, BEHIND_BLACKHOLE)]
    wanted += [(network.absent, 25), (network.other, 25), (network.server, world.ports["silent"])]
    targets = [
        {"destination": places[version], "port": port, "expect": expect, "source": network.client[version]}
        for version in (4, 6)
        for expect in ("allowed", "blocked")
        for places, port in wanted
    ]
    try:
        result = network.probe(targets, depth="connect")
    finally:
        for part in HOOKS:
            network.nft(part, "")
    return {
        (6 if ":" in row["destination"] else 4, row["expect"], row["destination"], row["port"]): row
        for row in result["rows"]
    }


BOTH = pytest.mark.parametrize("version", [4, 6])
EITHER = pytest.mark.parametrize("expect", ["allowed", "blocked"])


@BOTH
@EITHER
@pytest.mark.parametrize("port", [CLOSED, 1001, 1011, 1021])
def test_reset_is_refused(rows, network: Network, version: int, expect: str, port: int) -> None:
    row = rows[version, expect, network.server[version], port]
    assert row["outcome"] == "refused"
    assert row["evidence"]["reset"] is True
    assert row["verdict"] == ("pass" if expect == "blocked" else "fail")
    assert row["seconds"] < (1.0 if expect == "blocked" else 3.0)


@BOTH
@EITHER
@pytest.mark.parametrize(("port", "who"), [(1002, "client"), (1012, "router"), (1022, "server")])
def test_prohibition_is_rejected_and_names_the_device(
    rows, network: Network, version: int, expect: str, port: int, who: str
) -> None:
    row = rows[version, expect, network.server[version], port]
    assert row["outcome"] == "rejected"
    assert (row["evidence"]["icmp_type"], row["evidence"]["icmp_code"]) == ((3, 13) if version == 4 else (1, 1))
    assert row["evidence"]["device"] == getattr(network, who)[version]
    assert row["verdict"] == ("pass" if expect == "blocked" else "fail")


@BOTH
def test_port_unreachable_is_a_rejection_and_no_reset(rows, network: Network, version: int) -> None:
    row = rows[version, "blocked", network.server[version], 1014]
    assert row["outcome"] == "rejected"
    assert (row["evidence"]["icmp_type"], row["evidence"]["icmp_code"]) == ((3, 3) if version == 4 else (1, 4))


@BOTH
def test_unreachable_said_of_a_living_host_is_a_rejection(rows, network: Network, version: int) -> None:
    row = rows[version, "blocked", network.server[version], 1015]
    assert row["outcome"] == "rejected"
    assert row["evidence"]["device"] == network.router[version]
    assert row["verdict"] == "pass"


@BOTH
@pytest.mark.parametrize("how", ["host-unreachable", "no-route"])
def test_unreachable_said_of_a_living_host_by_an_own_rule_is_no_absent_neighbour(
    network: Network, world: Any, version: int, how: str
) -> None:
    rule = f"tcp dport 1098 reject with icmpx type {how}"
    network.nft("client", f"table inet t {{ chain c {{ type filter hook output priority 0; {rule}; }}; }}")
    target = {"destination": network.server[version], "port": 1098}
    try:
        rows = network.probe(
            [{**target, "expect": "blocked"}, target], control_ports=[22], locate="differences", depth="connect"
        )["rows"]
    finally:
        network.nft("client", "")
    assert [(row["outcome"], row["class"], row["verdict"]) for row in rows] == [
        ("rejected", "own_rule", "pass"),
        ("rejected", "own_rule", "fail"),
    ]
    for row in rows:
        assert row["evidence"]["text"].startswith("this host answered: ")
        assert "so a rule of this host says so" in row["evidence"]["text"]
    assert rows[1]["where"]["device"]["role"] == "own host"
    assert "it says so by ICMP" in rows[1]["where"]["text"]


@BOTH
@EITHER
@pytest.mark.parametrize("port", [1003, 1013, 1023])
def test_drop_anywhere_is_filtered(rows, network: Network, version: int, expect: str, port: int) -> None:
    row = rows[version, expect, network.server[version], port]
    assert row["outcome"] == "filtered"
    assert row["verdict"] == ("pass" if expect == "blocked" else "fail")
    if expect == "blocked":
        assert (row["control"], row["attempts"]) == ("destination", 1)
    else:
        assert row["attempts"] == 2


@BOTH
@EITHER
@pytest.mark.parametrize("places", [UNROUTED, BLACKHOLE, BEHIND_UNREACHABLE])
def test_no_route_is_never_a_pass(rows, version: int, expect: str, places: dict[int, str]) -> None:
    row = rows[version, expect, places[version], 25]
    assert row["outcome"] == "no_route"
    assert row["verdict"] == "error"


@BOTH
def test_router_that_has_no_route_is_named(rows, network: Network, version: int) -> None:
    row = rows[version, "blocked", BEHIND_UNREACHABLE[version], 25]
    assert row["evidence"]["device"] == network.router[version]


@BOTH
@EITHER
def test_absent_neighbour_is_no_route(rows, network: Network, version: int, expect: str) -> None:
    row = rows[version, expect, network.absent[version], 25]
    assert row["outcome"] == "no_route"
    assert "neighbour" in row["evidence"]["text"]
    assert row["verdict"] == "error"


@BOTH
def test_forbidding_route_is_a_local_error(rows, version: int) -> None:
    row = rows[version, "blocked", PROHIBITED[version], 25]
    assert (row["outcome"], row["verdict"]) == ("local_error", "error")
    assert row["evidence"]["local"] is True


@BOTH
def test_silence_of_a_host_that_answers_nowhere_proves_nothing(rows, network: Network, version: int) -> None:
    """Somebody has the one address and nobody the other: from here they look the same."""
    for destination in (network.other[version], BEHIND_BLACKHOLE[version]):
        row = rows[version, "blocked", destination, 25]
        assert (row["outcome"], row["control"], row["verdict"]) == ("filtered", "family", "unproven")


@BOTH
def test_open_port_that_should_be_blocked_fails(rows, network: Network, world, version: int) -> None:
    row = rows[version, "blocked", network.server[version], world.ports["silent"]]
    assert (row["outcome"], row["verdict"]) == ("open", "fail")
    silent = rows[version, "blocked", network.server[version], 1023]
    assert row["seconds"] < silent["seconds"]  # an answer ends the wait


@BOTH
def test_connection_is_all_that_depth_connect_asks(rows, network: Network, world, version: int) -> None:
    row = rows[version, "allowed", network.server[version], world.ports["silent"]]
    assert (row["outcome"], row["verdict"]) == ("open", "pass")


@BOTH
def test_foreign_source_is_a_local_error_and_never_blocked(network: Network, version: int) -> None:
    source = network.server[version]
    target = {"destination": network.server[version], "port": CLOSED, "expect": "blocked", "source": source}
    (row,) = network.probe([target])["rows"]
    assert (row["outcome"], row["verdict"]) == ("local_error", "error")
    assert source in row["evidence"]["text"]


def test_source_of_the_other_family_is_a_local_error(network: Network) -> None:
    target = {"destination": network.server[4], "port": CLOSED, "expect": "blocked", "source": network.client[6]}
    (row,) = network.probe([target])["rows"]
    assert (row["outcome"], row["verdict"]) == ("local_error", "error")


def test_name_that_does_not_resolve_is_a_name_error(network: Network) -> None:
    targets = [{"destination": "nowhere.invalid", "port": 25, "expect": e} for e in ("allowed", "blocked")]
    rows = network.probe(targets, timeout=6)["rows"]
    assert [(row["outcome"], row["verdict"]) for row in rows] == [("name_error", "error")] * 2


def test_name_gives_a_row_for_each_of_its_addresses(network: Network, world) -> None:
    target = {"destination": "localhost", "port": CLOSED, "expect": "blocked"}
    rows = network.probe([target])["rows"]
    assert {row["address"] for row in rows} <= {"127.0.0.1", "::1"}
    assert all(row["outcome"] == "refused" for row in rows)


@BOTH
def test_silence_without_any_control_is_unproven(network: Network, version: int) -> None:
    network.nft("client", "table inet t { chain c { type filter hook output priority 0; meta l4proto tcp drop; }; }")
    try:
        target = {"destination": network.server[version], "port": 25, "expect": "blocked"}
        (row,) = network.probe([target])["rows"]
        assert (row["outcome"], row["control"], row["verdict"]) == ("filtered", "none", "unproven")
        (row,) = network.probe([target], require_control=False, control_ports=[])["rows"]
        assert (row["outcome"], row["control"], row["verdict"]) == ("filtered", "none", "pass")
    finally:
        network.nft("client", "")


def test_one_living_control_port_is_enough(network: Network, world) -> None:
    network.nft("router", rules("router"))
    try:
        target = {"destination": network.server[4], "port": 1013, "expect": "blocked"}
        for ports in ([22, 1015], [1015, 22]):
            (row,) = network.probe([target], control_ports=ports)["rows"]
            assert (row["outcome"], row["control"], row["verdict"]) == ("filtered", "destination", "pass")
        (row,) = network.probe([target], control_ports=[1015])["rows"]
        assert row["verdict"] != "pass"
    finally:
        network.nft("router", "")


def test_absent_neighbour_is_found_without_control_ports(network: Network) -> None:
    target = {"destination": network.absent[4], "port": 26, "expect": "blocked"}
    (row,) = network.probe([target], control_ports=[])["rows"]
    assert (row["outcome"], row["verdict"]) == ("no_route", "error")


def test_two_thousand_targets_on_few_descriptors(network: Network, world: Any) -> None:
    targets = [{"destination": network.server[4], "port": port, "expect": "blocked"} for port in range(10_000, 12_000)]
    result = network.probe(targets, files=128)
    assert {row["outcome"] for row in result["rows"]} == {"refused"}
    assert len(result["rows"]) == 2000
