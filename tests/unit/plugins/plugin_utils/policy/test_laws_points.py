# SPDX-License-Identifier: GPL-3.0-or-later
"""What compiled rules admit, point by point, against the policy's own words; and how whole policies relate.

Points are the edges of every network and what lies one beside them, addresses that nobody named, and the ends that
are declared: where an interval is off by one, or a family is forgotten, it shows there.
"""

from __future__ import annotations

import copy
import ipaddress
from typing import Any

from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import PolicyError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from .conftest import TODAY, make_host
from .worlds import NETWORKS, POOL, PORTS, SmallWorld, same_family, worlds

slow = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def edges(text: str) -> set[str]:
    network = ipaddress.ip_network(text)
    around = {network[0], network[-1], network[0] - 1, network[-1] + 1}
    return {str(address) for address in around}


POINTS = sorted(
    {address for network in NETWORKS for address in edges(network)}
    | {POOL[0], POOL[6], POOL[9], POOL[12], POOL[18], POOL[21]}
    | {"203.0.113.9", "8.8.8.8", "255.0.0.1", "2001:db8:ffff::9", "::2", "fd00::1"}
)


class Reading:
    """A policy read word by word: which hosts stand in a group, what a zone holds, who may speak to whom."""

    def __init__(self, raw: dict[str, Any], hosts: tuple[Any, ...]) -> None:
        self.raw = raw
        self.own = {host.name: {str(block) for block in host.addresses} for host in hosts}
        self.groups = {host.name: host.groups for host in hosts}

    def members(self, group: str) -> list[str]:
        return [name for name, groups in self.groups.items() if group in groups]

    def holds(self, zone: str, address: str) -> bool:
        if zone == "any":
            return True
        said = self.raw["zones"][zone]
        if address in said.get("addresses", ()):
            return True
        if any(address in self.own[name] for name in self.members(said.get("group", ""))):
            return True
        number = ipaddress.ip_address(address)
        return any(number in ipaddress.ip_network(network) for network in said.get("networks", ()))

    def path_opens(self, source: str, destination: str, port: int) -> bool:
        return any(
            port in path["ports"] and self.holds(path["from"], source) and self.holds(path["to"], destination)
            for path in self.raw["paths"]
        )

    def mode_opens(self, gateway: dict[str, Any], source: str, destination: str, port: int) -> bool:
        if port not in gateway.get("ports", [25]):
            return False
        if gateway["mode"] == "internal_mail_server":
            return self.holds(gateway["mail_server"], source)
        return self.holds(gateway.get("lan", "any"), source) and self.holds(gateway["mail_server"], destination)

    def is_managed(self, name: str) -> bool:
        zones = [zone for zone in self.raw["zones"].values() if zone.get("managed", True)]
        groups = {zone["group"] for zone in zones if "group" in zone}
        return bool(self.groups[name] & (groups | {gateway["hosts"] for gateway in self.raw["lan_gateways"]}))

    def end_opens(self, name: str, source: str, destination: str, port: int) -> bool:
        """Whether the host *name*, one of the two ends, opens it."""
        if self.path_opens(source, destination, port):
            return True
        for gateway in self.raw["lan_gateways"]:
            server = any(self.holds(gateway["mail_server"], address) for address in self.own[name])
            if (server or not self.is_managed(name)) and self.mode_opens(gateway, source, destination, port):
                return True
        return False

    def router_opens(self, name: str, source: str, destination: str, port: int) -> bool:
        """Whether the router *name*, between the two, opens it."""
        mine = [gateway for gateway in self.raw["lan_gateways"] if gateway["hosts"] in self.groups[name]]
        return self.path_opens(source, destination, port) or any(
            self.mode_opens(gateway, source, destination, port) for gateway in mine
        )


class Rules:
    """The rules of one direction, parsed once."""

    def __init__(self, rules: list[dict[str, Any]]) -> None:
        self.parsed = [
            (rule["port"], ipaddress.ip_network(rule["source"]), ipaddress.ip_network(rule["destination"]))
            for rule in rules
        ]

    def admit(self, source: str, destination: str, port: int) -> bool:
        one, two = ipaddress.ip_address(source), ipaddress.ip_address(destination)
        return any(port == p and one in s and two in d for p, s, d in self.parsed)


def pairs(own: set[str], direction: str):
    for source in sorted({*POINTS, *own}):
        for destination in sorted({*POINTS, *own}):
            mine = (source in own, destination in own)
            wanted = {"egress": (True, False), "ingress": (False, True), "forward": (False, False)}[direction]
            if source != destination and same_family(source, destination) and mine == wanted:
                yield source, destination


@slow
@given(worlds(), st.lists(st.sets(st.sampled_from(PORTS), min_size=1), min_size=2, max_size=2))
def test_rules_admit_exactly_what_is_declared(world: SmallWorld, ports: list[set[int]]) -> None:
    raw = copy.deepcopy(world.raw)
    for gateway, own in zip(raw["lan_gateways"], ports, strict=False):
        gateway["ports"] = sorted(own)
    plan = compile_policy(raw, world.hosts, TODAY)
    reading = Reading(raw, world.hosts)
    for name, host in plan.hosts.items():
        opens = {"egress": reading.end_opens, "ingress": reading.end_opens, "forward": reading.router_opens}
        if "router" not in host["enforces"]:
            assert host["firewall"]["forward"] == []
            del opens["forward"]
        for direction, declared in opens.items():
            rules = Rules(host["firewall"][direction])
            for source, destination in pairs(reading.own[name], direction):
                for port in PORTS:
                    point = (name, direction, source, destination, port)
                    assert rules.admit(source, destination, port) == declared(name, source, destination, port), point


def canonical(text: str) -> str:
    """An address or a network as plans write it (RFC 5952): an address without its prefix."""
    network = ipaddress.ip_network(text)
    return str(network[0] if network.prefixlen == network.max_prefixlen else network)


@slow
@given(worlds())
def test_ends_of_every_rule_are_of_one_family_and_one_spelling(world: SmallWorld) -> None:
    for host in world.plan.hosts.values():
        firewall = host["firewall"]
        for rule in [*firewall["egress"], *firewall["ingress"], *firewall["forward"], *host["probes"]]:
            ends = (rule["source"], rule["destination"])
            assert same_family(*ends), rule
            assert tuple(map(canonical, ends)) == ends
        for direction, near in (("egress", "source"), ("ingress", "destination")):
            assert {rule[near] for rule in firewall[direction]} <= set(host["addresses"])
        for rule in firewall["forward"]:
            assert not {rule["source"], rule["destination"]} & set(host["addresses"])


def admitted(plan: Any) -> set[tuple[Any, ...]]:
    """Everything that the rules of a plan admit among POINTS."""
    return {
        (name, direction, source, destination, port)
        for name, host in plan.hosts.items()
        for direction in ("egress", "ingress", "forward")
        for rules in [Rules(host["firewall"][direction])]
        if rules.parsed
        for source, destination in pairs(set(host["addresses"]), direction)
        for port in PORTS
        if rules.admit(source, destination, port)
    }


@settings(parent=slow, max_examples=15)
@given(worlds())
def test_paths_together_open_what_each_opens_alone(world: SmallWorld) -> None:
    none = admitted(compile_policy({**world.raw, "paths": []}, world.hosts, TODAY))
    alone = [admitted(compile_policy({**world.raw, "paths": [p]}, world.hosts, TODAY)) for p in world.raw["paths"]]
    assert admitted(world.plan) == none.union(*alone)
    assert all(none <= one for one in alone)


@slow
@given(worlds())
def test_both_ends_of_a_path_agree(world: SmallWorld) -> None:
    """Without a LAN gateway, what a managed host may open, the managed host at its other end accepts."""
    raw = {**world.raw, "lan_gateways": []}
    plan = compile_policy(raw, world.hosts, TODAY)
    managed = {name: host for name, host in plan.hosts.items() if host["enforces"]}
    for one in managed.values():
        for two in managed.values():
            out, into = Rules(one["firewall"]["egress"]), Rules(two["firewall"]["ingress"])
            for source in one["addresses"]:
                for destination in two["addresses"]:
                    if source in two["addresses"] or destination in one["addresses"]:
                        continue
                    for port in PORTS if same_family(source, destination) else ():
                        assert out.admit(source, destination, port) == into.admit(source, destination, port)


def renamed(raw: dict[str, Any]) -> dict[str, Any]:
    """The same policy with every zone called otherwise."""
    again = copy.deepcopy(raw)
    names = {name: f"z{number}-{name[::-1]}" for number, name in enumerate(sorted(raw["zones"], reverse=True))}
    again["zones"] = {names[name]: zone for name, zone in again["zones"].items()}
    for item in (*again["paths"], *again["lan_gateways"]):
        for key in ("from", "to", "mail_server", "lan"):
            if key in item:
                item[key] = names.get(item[key], item[key])
    return again


@slow
@given(worlds())
def test_names_of_zones_change_no_rule(world: SmallWorld) -> None:
    again = compile_policy(renamed(world.raw), world.hosts, TODAY)
    for name, host in world.plan.hosts.items():
        assert again.hosts[name]["firewall"] == host["firewall"]


def swapped(text: str) -> str:
    """The address or network of the other family with the same last bits: 192.0.2.n beside 2001:db8::n."""
    network = ipaddress.ip_network(text)
    number = int(network[0])
    if network.prefixlen == 0:
        return "::/0" if network.version == 4 else "0.0.0.0/0"
    if network.version == 4:
        other, bits = ipaddress.ip_address((0x20010DB8 << 96) + (number & 0xFF)), network.prefixlen + 96
    else:
        other, bits = ipaddress.ip_address(0xC0000200 + (number & 0xFF)), network.prefixlen - 96
    return f"{other}/{bits}" if "/" in text else str(other)


def turned(value: Any) -> Any:
    """*value* with every address of the other family, and lists without their order."""
    if isinstance(value, dict):
        return {key: turned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [turned(item) for item in value]
    if isinstance(value, str) and (":" in value or value.count(".") == 3):
        try:
            return swapped(value)
        except ValueError:  # a name with dots or colons in it
            return value
    return value


def unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: unordered(item) for key, item in value.items()}
    return sorted((unordered(item) for item in value), key=repr) if isinstance(value, list) else value


def test_swapping_families_twice_changes_nothing() -> None:
    for text in [*POOL, *NETWORKS, "0.0.0.0/0", "::/0"]:
        assert swapped(text) != text
        assert swapped(swapped(text)) == text


@slow
@given(worlds())
def test_neither_family_is_treated_otherwise(world: SmallWorld) -> None:
    hosts = [
        make_host(host.name, *(swapped(str(block)) for block in host.addresses), groups=tuple(host.groups))
        for host in world.hosts
    ]
    again = compile_policy(turned(world.raw), hosts, TODAY).as_dict()
    once = world.plan.as_dict()
    for plan in (once, again):
        del plan["digest"], plan["findings"]
    assert unordered(turned(again)) == unordered(once)


@settings(parent=slow, max_examples=20)
@given(worlds(), st.sampled_from(POOL), st.sampled_from(PORTS))
def test_one_path_more_never_closes_anything(world: SmallWorld, address: str, port: int) -> None:
    raw = copy.deepcopy(world.raw)
    raw["zones"]["more"] = {"addresses": [address], "name": "more.test"}
    words = {"encryption": "starttls", "owner": "o", "approved_by": "c", "reason": "r", "review_by": "2027-06-30"}
    raw["paths"].append({"id": "more", "from": "more", "to": "pins", "ports": [port], **words})
    try:
        plan = compile_policy(raw, world.hosts, TODAY)
    except PolicyError:  # it overlaps, or shares no family: another law
        assume(False)
        return
    assert admitted(world.plan) <= admitted(plan)
