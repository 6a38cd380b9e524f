# SPDX-License-Identifier: GPL-3.0-or-later
"""What a locked host may open and accept besides SMTP, point by point, against the policy's own words."""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import TODAY, make_host
from .worlds import WORDS, same_family

ZONES: dict[str, Any] = {
    "one": {"group": "ga"},
    "two": {"group": "gb"},
    "admins": {"networks": ["10.0.9.0/28", "2001:db8:9::/126"]},
    "pins": {"addresses": ["10.0.1.2", "10.0.8.1", "2001:db8:8::1"]},
}
HOSTS = (
    make_host("h1", "10.0.1.1", "2001:db8:1::1", groups=("ga",)),
    make_host("h2", "10.0.1.2", "2001:db8:1::2", groups=("ga", "gb")),
    make_host("h3", "10.0.1.3", "2001:db8:1::3", groups=("gb",)),
)
POINTS = [
    *("10.0.1.1", "10.0.1.2", "10.0.8.1", "10.0.8.255", "10.0.9.0", "10.0.9.15", "10.0.9.16", "9.9.9.9"),
    *("2001:db8:1::1", "2001:db8:1::3", "2001:db8:8::1", "2001:db8:9::", "2001:db8:9::3", "2001:db8:9::4"),
]
PORTS = (22, 53)
SSH = {"id": "always-ssh", "from": "any", "port": 22, "wide_reason": "so that somebody can log in"}

entry = st.tuples(
    st.booleans(),
    st.sampled_from([*ZONES, "any"]),
    st.sampled_from(["tcp", "udp", "icmp"]),
    st.sets(st.sampled_from(PORTS), min_size=1),
)
lock = st.tuples(st.sampled_from(["ga", "gb"]), st.lists(entry, max_size=3))


def written(locks: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "hosts": group,
            **WORDS,
            "allow": [
                SSH,
                *(
                    {"id": f"e{n}", "to" if out else "from": zone, "protocol": protocol, "wide_reason": "w"}
                    | ({} if protocol == "icmp" else {"ports": sorted(ports)})
                    for n, (out, zone, protocol, ports) in enumerate(entries)
                ),
            ],
        }
        for group, entries in locks
    ]


def holds(zone: str, address: str) -> bool:
    said = ZONES.get(zone, {"networks": ["0.0.0.0/0", "::/0"]})
    members = [str(b) for h in HOSTS if said.get("group") in h.groups for b in h.addresses]
    inside = any(ipaddress.ip_address(address) in ipaddress.ip_network(n) for n in said.get("networks", ()))
    return inside or address in members or address in said.get("addresses", ())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(lock, max_size=2))
def test_management_is_exactly_what_is_declared(locks: list[Any]) -> None:
    raw = {"zones": ZONES, "lockdown": written(locks)}
    hosts = compile_policy(raw, HOSTS, TODAY).hosts
    for host in HOSTS:
        mine = [item for lock in raw["lockdown"] if lock["hosts"] in host.groups for item in lock["allow"]]
        firewall = hosts[host.name]["firewall"]
        assert firewall["lockdown"] == bool(mine)
        own = [str(block) for block in host.addresses]
        for way in firewall["management"]:
            assert same_family(way["source"], way["destination"])
            assert (way["source"] if way["direction"] == "egress" else way["destination"]) in own
            assert not {way["source"], way["destination"]} <= set(own)
        for address in own:
            for other in POINTS:
                if other in own or not same_family(address, other):
                    continue
                for out in (True, False):
                    for protocol in ("tcp", "udp", "icmp"):
                        for port in PORTS if protocol != "icmp" else (None,):
                            point = (host.name, address, other, out, protocol, port)
                            assert admits(firewall["management"], *point[1:]) == declares(mine, *point[2:]), point


def declares(items: list[dict[str, Any]], other: str, out: bool, protocol: str, port: int | None) -> bool:
    return any(
        ("to" in item) == out
        and item.get("protocol", "tcp") == protocol
        and (port is None or port in item.get("ports", [item.get("port")]))
        and holds(item["to" if out else "from"], other)
        for item in items
    )


def admits(ways: list[dict[str, Any]], own: str, other: str, out: bool, protocol: str, port: int | None) -> bool:
    near, far = ("source", "destination") if out else ("destination", "source")
    return any(
        way["direction"] == ("egress" if out else "ingress")
        and way["protocol"] == protocol
        and way["port"] == port
        and way[near] == own
        and ipaddress.ip_address(other) in ipaddress.ip_network(way[far])
        for way in ways
    )
