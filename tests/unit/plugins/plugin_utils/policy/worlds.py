# SPDX-License-Identifier: GPL-3.0-or-later
"""Small random worlds, and what must hold in them, worked out address by address from the policy's words alone."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import Plan, compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import PolicyError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.model import Host
from hypothesis import strategies as st

from .conftest import TODAY, make_host

PORTS = (25, 465, 587)
POOL = [f"192.0.2.{n}" for n in range(16, 28)] + [f"2001:db8::{n:x}" for n in range(16, 28)]
NETWORKS = ["192.0.2.16/29", "192.0.2.20/30", "192.0.2.24/29", "2001:db8::10/125", "2001:db8::18/126"]
WORDS = {"owner": "o", "approved_by": "c", "reason": "r", "review_by": "2027-06-30"}
HOST_COUNT = 7
ZONES = ["a", "b", "pins", "mix", "net"]


@dataclass(frozen=True)
class SmallWorld:
    """A policy that is accepted, its hosts and its plan."""

    raw: dict[str, Any]
    hosts: tuple[Host, ...]
    plan: Plan

    def addresses(self, name: str) -> list[str]:
        return [str(block) for host in self.hosts if host.name == name for block in host.addresses]

    def owner(self, address: str) -> str | None:
        return next((host.name for host in self.hosts if address in self.addresses(host.name)), None)

    def group(self, group: str) -> list[str]:
        return [host.name for host in self.hosts if group in host.groups]

    def pinned_in(self, zone: str) -> set[str]:
        declared = self.raw["zones"].get(zone, {})
        members = self.group(declared["group"]) if "group" in declared else []
        return {a for name in members for a in self.addresses(name)} | set(declared.get("addresses", ()))

    def lies_in(self, address: str, zone: str) -> bool:
        networks = self.raw["zones"].get(zone, {}).get("networks", ())
        return (
            zone == "any"
            or address in self.pinned_in(zone)
            or any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)
        )

    def sentinels(self) -> set[str]:
        return {address for sentinel in self.raw["sentinels"] for address in sentinel["addresses"]}

    def managed(self, name: str | None) -> bool:
        groups = [zone["group"] for zone in self.raw["zones"].values() if "group" in zone and zone.get("managed", True)]
        groups += [gateway["hosts"] for gateway in self.raw["lan_gateways"]]
        return any(name in self.group(group) for group in groups)

    def by_path(self, source: str, destination: str, port: int) -> list[str]:
        """The paths that open it, by their destination zone."""
        return [
            path["to"]
            for path in self.raw["paths"]
            if port in path["ports"] and self.lies_in(source, path["from"]) and self.lies_in(destination, path["to"])
        ]

    def by_mode(self, source: str, destination: str, port: int) -> list[dict[str, Any]]:
        """The LAN gateways whose mode opens it."""
        found = []
        for gateway in self.raw["lan_gateways"]:
            server, lan = gateway["mail_server"], gateway.get("lan", "any")
            ends = (server, "any") if gateway["mode"] == "internal_mail_server" else (lan, server)
            if port == 25 and self.lies_in(source, ends[0]) and self.lies_in(destination, ends[1]):
                found.append(gateway)
        return found

    def speaks_for(self, gateway: dict[str, Any], name: str | None) -> bool:
        """A managed host keeps to the declared paths, unless it is the mail server itself."""
        server = gateway["mail_server"]
        return not self.managed(name) or any(self.lies_in(a, server) for a in self.addresses(name or ""))


def in_order(rules: list[dict[str, Any]]) -> bool:
    """Whether *rules* stand as plans list them: by path, family, addresses as numbers, port."""

    def numbers(text: str) -> tuple[int, int, int]:
        network = ipaddress.ip_network(text)
        return network.version, int(network[0]), int(network[-1])

    keys = [(r["path"], numbers(r["source"]), numbers(r["destination"]), r["port"]) for r in rules]
    return keys == sorted(keys) and len({key[1:] for key in keys}) == len(keys)


def admits(rules: list[dict[str, Any]], source: str, destination: str, port: int) -> bool:
    one, two = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    return any(
        rule["port"] == port
        and one in ipaddress.ip_network(rule["source"])
        and two in ipaddress.ip_network(rule["destination"])
        for rule in rules
    )


def same_family(one: str, two: str) -> bool:
    return (":" in one) == (":" in two)


some = st.lists(st.sampled_from(POOL), min_size=1, max_size=3, unique=True)
wires = st.tuples(st.booleans(), st.booleans(), st.sets(st.sampled_from(["ga", "gb", "r", "s"]), max_size=2))
way = st.tuples(
    st.sampled_from([*ZONES, "any"]), st.sampled_from([*ZONES, "any"]), st.sets(st.sampled_from(PORTS), min_size=1)
)
router = st.tuples(
    st.sampled_from(["r", "s"]),
    st.sampled_from(["internal_mail_server", "gateway_mail_server"]),
    st.sampled_from(["pins", "a"]),
    st.booleans(),
)


@st.composite
def worlds(draw) -> SmallWorld:
    """A random world. What makes its policy refused is taken out, path by path, until it is accepted."""
    hosts = []
    for number in range(HOST_COUNT):
        four, six, groups = draw(wires)
        own = ([POOL[number]] if four or not six else []) + ([POOL[12 + number]] if six else [])
        fixed = {0: {"ga"}, 1: {"gb"}, 2: {"r"}, 3: {"s"}}.get(number, set())
        hosts.append(make_host(f"h{number}", *own, groups=tuple(groups | fixed)))
    nets = draw(st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=2, unique=True))
    paths = [
        {"id": f"p{n}", "from": one, "to": two, "ports": sorted(ports), "encryption": "starttls", "wide_reason": "w"}
        | WORDS
        for n, (one, two, ports) in enumerate(draw(st.lists(way, max_size=5)))
    ]
    gateways = [
        {"hosts": group, "mode": mode, "mail_server": server}
        | WORDS
        | ({"lan": "net"} if narrow and mode == "gateway_mail_server" else {})
        for group, mode, server, narrow in draw(st.lists(router, max_size=2))
    ]
    raw = {
        "zones": {
            "a": {"group": "ga"},
            "b": {"group": "gb", "managed": draw(st.booleans())},
            "pins": {"addresses": draw(some), "name": "p.test"},
            "mix": {"group": "ga", "addresses": draw(some), "networks": nets[:1]},
            "net": {"networks": nets},
        },
        "paths": paths,
        "lan_gateways": gateways,
        "sentinels": [{"name": "one", "addresses": draw(some)}, {"name": "two", "addresses": draw(some)}],
    }
    while True:
        try:
            return SmallWorld(raw, tuple(hosts), compile_policy(raw, hosts, TODAY))
        except PolicyError as refused:
            wrong = {finding.path for finding in refused.findings}
            if not any(str(place).startswith(("p", "lan_gateways")) for place in wrong):
                raise
            raw["paths"] = [path for path in raw["paths"] if path["id"] not in wrong]
            raw["lan_gateways"] = [g for n, g in enumerate(raw["lan_gateways"]) if f"lan_gateways[{n}]" not in wrong]
