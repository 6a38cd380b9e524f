# SPDX-License-Identifier: GPL-3.0-or-later
"""What a compiled plan admits is what the policy declares, whatever order it was written in."""

from __future__ import annotations

import ipaddress
import json
import random
from typing import Any

from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import PolicyError
from hypothesis import assume, given
from hypothesis import strategies as st

from .conftest import BASE, HOSTS, TODAY, make_host

# A small world: sixteen addresses, the first eight of which are hosts, four of them in two groups.
WORLD = [f"192.0.2.{n}" for n in range(16, 32)]
SMALL_HOSTS = tuple(
    make_host(f"h{n}", WORLD[n], groups=(("a",) if n < 2 else ("b",) if n < 4 else ("r",) if n == 4 else ()))
    for n in range(8)
)
zones = st.sampled_from(["a", "b", "pins", "net", "pair"])
paths = st.lists(st.tuples(zones, zones, st.sets(st.sampled_from([25, 465, 587]), min_size=1)), max_size=4)


def small_policy(ways, mode: str | None) -> dict[str, Any]:
    words = {"owner": "o", "approved_by": "c", "reason": "r", "review_by": "2027-06-30", "encryption": "starttls"}
    return {
        "zones": {
            "a": {"group": "a"},
            "b": {"group": "b"},
            "pins": {"addresses": [WORLD[6], WORLD[12]], "name": "p.test"},
            "net": {"networks": ["192.0.2.24/29"]},
            "pair": {"networks": ["192.0.2.20/31"], "addresses": [WORLD[1]]},
            "server": {"addresses": [WORLD[7]], "name": "s.test"},
        },
        "paths": [
            {"id": f"p{n}", "from": one, "to": two, "ports": sorted(ports), **words}
            for n, (one, two, ports) in enumerate(ways)
        ],
        "lan_gateways": [{"hosts": "r", "mode": mode, "mail_server": "server"}] if mode else [],
        "sentinels": [{"name": "s", "address": WORLD[15]}],
    }


ENDS = {
    "a": {WORLD[0], WORLD[1]},
    "b": {WORLD[2], WORLD[3]},
    "pins": {WORLD[6], WORLD[12]},
    "net": set(WORLD[8:16]),
    "pair": {WORLD[4], WORLD[5], WORLD[1]},
}


def admits(rules: list[dict[str, Any]], source: str, destination: str, port: int) -> bool:
    def holds(block: str, address: str) -> bool:
        return ipaddress.ip_address(address) in ipaddress.ip_network(block)

    return any(
        rule["port"] == port and holds(rule["source"], source) and holds(rule["destination"], destination)
        for rule in rules
    )


@given(paths, st.sampled_from([None, "internal_mail_server", "gateway_mail_server"]))
def test_rules_admit_exactly_what_is_declared(ways, mode) -> None:
    try:
        plan = compile_policy(small_policy(ways, mode), SMALL_HOSTS, TODAY)
    except PolicyError:
        assume(False)
        return
    managed = {"h0", "h1", "h2", "h3"} | ({"h4"} if mode else set())
    addresses = dict(zip((f"h{n}" for n in range(8)), WORLD, strict=False))

    def declared(source: str, destination: str, port: int) -> bool:
        return source != destination and any(
            source in ENDS[one] and destination in ENDS[two] and port in ports for one, two, ports in ways
        )

    def routed(source: str, destination: str, port: int) -> bool:
        server = WORLD[7]
        by_mode = (
            port == 25
            and source != destination
            and {None: None, "internal_mail_server": source}.get(mode, destination) == server
        )
        return declared(source, destination, port) or by_mode

    for source in WORLD:
        for destination in WORLD:
            for port in (25, 465, 587):
                for name in managed - {"h4"}:
                    firewall = plan.hosts[name]["firewall"]
                    if addresses[name] == source != destination:
                        assert admits(firewall["egress"], source, destination, port) == declared(
                            source, destination, port
                        )
                    if addresses[name] == destination != source:
                        assert admits(firewall["ingress"], source, destination, port) == declared(
                            source, destination, port
                        )
                if mode and WORLD[4] not in (source, destination) and source != destination:
                    forward = plan.hosts["h4"]["firewall"]["forward"]
                    assert admits(forward, source, destination, port) == routed(source, destination, port)


@given(paths, st.sampled_from([None, "internal_mail_server", "gateway_mail_server"]))
def test_probes_expect_what_the_rules_do(ways, mode) -> None:
    try:
        plan = compile_policy(small_policy(ways, mode), SMALL_HOSTS, TODAY)
    except PolicyError:
        assume(False)
        return
    for name, host in plan.hosts.items():
        for probe in host["probes"]:
            assert probe["source"] in host["addresses"]
            assert probe["destination"] not in host["addresses"]
            ends = [host["firewall"]["egress"]] if host["enforces"] else []
            ends += [
                other["firewall"]["ingress"]
                for other in plan.hosts.values()
                if probe["destination"] in other["addresses"] and other["enforces"]
            ]
            triple = (probe["source"], probe["destination"], probe["port"])
            admitted = all(admits(rules, *triple) for rules in ends)
            if ends:
                assert (probe["expect"] == "allowed") == admitted, (name, probe)


@given(st.randoms())
def test_order_of_the_yaml_never_shows(shuffler: random.Random) -> None:
    raw = json.loads(json.dumps(BASE, default=str))
    zones_, paths_ = list(raw["zones"].items()), list(raw["paths"])
    hosts = list(HOSTS)
    for items in (zones_, paths_, hosts, raw["zones"]["gateway"]["addresses"]):
        shuffler.shuffle(items)
    shuffled = {**raw, "zones": dict(zones_), "paths": paths_}
    assert as_bytes(compile_policy(shuffled, hosts, TODAY)) == as_bytes(compile_policy(BASE, HOSTS, TODAY))


def as_bytes(plan) -> bytes:
    return json.dumps(plan.as_dict()).encode()


def test_compiled_twice_is_the_same_to_the_byte(compiled, policy) -> None:
    assert as_bytes(compiled(policy)) == as_bytes(compiled(policy))


def test_digest_changes_with_policy_and_hosts(compiled, policy) -> None:
    before = compiled(policy).digest
    moved = tuple(make_host("vault2", "10.77.20.13", groups=("vaults",)) if h.name == "vault2" else h for h in HOSTS)
    assert compiled(policy, moved).digest != before
    policy["paths"][0]["port"] = 25
    assert compiled(policy).digest != before


def test_shape_of_a_host(compiled, policy) -> None:
    plan = compiled(policy)
    assert "elsewhere" not in plan.hosts
    vault = plan.hosts["vault1"]
    assert vault["enforces"] == ["host"]
    assert plan.hosts["router"]["enforces"] == ["host", "router"]
    assert plan.hosts["client"]["enforces"] == []
    assert [(hop["address"], hop["name"], hop["encryption"]) for hop in vault["next_hops"]] == [
        ("10.77.30.11", "tunnel1.corp.test", "starttls"),
        ("fd77:30::11", "tunnel1.corp.test", "starttls"),
    ]
    assert plan.hosts["tunnel1"]["listeners"] == [
        {
            "paths": ["vault-to-tunnel"],
            "port": 587,
            "encryption": "starttls",
            "clients": ["10.77.20.11", "10.77.20.12", "fd77:20::11"],
        }
    ]
    allowed = [p for p in plan.hosts["mailserver"]["probes"] if p["expect"] == "allowed"]
    assert [(p["host"], p["port"]) for p in allowed] == [("public-mx", 25)]


def test_probes_only_for_whom_they_are_asked(compiled, policy) -> None:
    plan = compiled(policy, probes_for=["vault1"])
    assert plan.hosts["vault1"]["probes"]
    assert not plan.hosts["vault2"]["probes"]
