# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A topology is read whole or refused with everything that is wrong in it."""

from __future__ import annotations

import copy
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest
from alertpath_lab.errors import LabError, TopologyError
from alertpath_lab.parse import parse_topology
from alertpath_lab.topology import Route
from alertpath_lab.yaml_source import load, loads

SHIPPED = Path(__file__).resolve().parents[3] / "lab" / "topology.yml"

SMALL: dict[str, Any] = {
    "domain": "example.test",
    "segments": {
        "left": {"ipv4": "192.0.2.0/25", "ipv6": "2001:db8:1::/64", "router": "gate"},
        "right": {"ipv4": "192.0.2.128/25", "ipv6": "2001:db8:2::/64", "router": "gate"},
    },
    "controller": {"interfaces": {"left": ["192.0.2.10", "2001:db8:1::10"]}},
    "hosts": {
        "gate": {
            "groups": ["routers"],
            "forwarding": True,
            "interfaces": {"left": ["192.0.2.1", "2001:db8:1::1"], "right": ["192.0.2.129", "2001:db8:2::1"]},
            "routes": [],
        },
        "mail": {"groups": ["servers"], "interfaces": {"right": ["192.0.2.130", "2001:db8:2::2"]}},
    },
}


def changed(**changes: Any) -> dict[str, Any]:
    """SMALL with values replaced; a key is a path with __ between its parts, a value of ... removes it."""
    document = copy.deepcopy(SMALL)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return document


def complaints(document: object) -> dict[str, str]:
    with pytest.raises(TopologyError) as caught:
        parse_topology(document, "t.yml")
    assert all(line.startswith("t.yml: ") for line in str(caught.value).splitlines())
    return {problem.field: problem.message for problem in caught.value.problems}


def test_shipped_topology_is_valid() -> None:
    topology = parse_topology(load(SHIPPED), "topology.yml")
    assert [host.name for host in topology.hosts][:3] == ["router", "vault1", "vault2"]
    gateway = topology.host("gateway")
    assert gateway is not None
    assert gateway.smtp_name == "smtp.corp.test"
    assert gateway.addresses == (ip_address("10.77.30.25"), ip_address("fd77:30::25"))
    assert gateway.routes == (
        Route(ip_network("0.0.0.0/0"), ip_address("10.77.30.1")),
        Route(ip_network("::/0"), ip_address("fd77:30::1")),
    )


def test_addresses_get_their_segments_prefix() -> None:
    host = parse_topology(SMALL, "t.yml").host("mail")
    assert host is not None
    assert host.interfaces[0].device == "eth0"
    assert host.interfaces[0].addresses == (ip_interface("192.0.2.130/25"), ip_interface("2001:db8:2::2/64"))


def test_a_router_has_no_default_route_through_itself() -> None:
    document = changed(hosts__gate__routes=...)
    gate = parse_topology(document, "t.yml").host("gate")
    assert gate is not None
    assert gate.routes == ()


def test_default_route_only_in_families_both_ends_have() -> None:
    document = changed(hosts__mail__interfaces={"right": ["2001:db8:2::2"]})
    mail = parse_topology(document, "t.yml").host("mail")
    assert mail is not None
    assert mail.routes == (Route(ip_network("::/0"), ip_address("2001:db8:2::1")),)
    assert mail.management_address == ip_address("2001:db8:2::2")


def test_explicit_routes_by_host_and_by_address() -> None:
    routes = [
        {"to": "198.51.100.0/24", "via": "gate"},
        {"to": "2001:db8:9::/48", "via": "2001:db8:2::99"},
        {"to": "default", "via": "gate"},
    ]
    mail = parse_topology(changed(hosts__mail__routes=routes), "t.yml").host("mail")
    assert mail is not None
    assert [(str(route.destination), str(route.via)) for route in mail.routes] == [
        ("198.51.100.0/24", "192.0.2.129"),
        ("2001:db8:9::/48", "2001:db8:2::99"),
        ("0.0.0.0/0", "192.0.2.129"),
        ("::/0", "2001:db8:2::1"),
    ]


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        (
            {"hosts__mail__interfaces": {"right": ["192.0.2.129"]}},
            "hosts.mail.interfaces.right",
            "already given to gate",
        ),
        (
            {"hosts__mail__interfaces": {"right": ["192.0.2.5"]}},
            "hosts.mail.interfaces.right[0]",
            "outside segment right",
        ),
        ({"hosts__mail__interfaces": {"right": ["192.0.2.255"]}}, "hosts.mail.interfaces.right[0]", "broadcast"),
        ({"hosts__mail__interfaces": {"right": ["2001:db8:2::"]}}, "hosts.mail.interfaces.right[0]", "network"),
        ({"hosts__mail__interfaces": {"right": ["192.0.2.300"]}}, "hosts.mail.interfaces.right[0]", "not an address"),
        ({"hosts__mail__interfaces": {"right": []}}, "hosts.mail.interfaces.right", "no address"),
        ({"hosts__mail__interfaces": {"right": 7}}, "hosts.mail.interfaces.right", "must be a list"),
        ({"hosts__mail__interfaces": {}}, "hosts.mail.interfaces", "names no segment"),
        ({"hosts__mail__interfaces": ...}, "hosts.mail.interfaces", "must be a mapping, not nothing"),
        ({"hosts__mail__interfaces": {"up": ["192.0.2.130"]}}, "hosts.mail.interfaces.up", "no segment 'up'"),
        ({"hosts__mail__colour": "red"}, "hosts.mail.colour", "not known"),
        ({"hosts__mail__forwarding": "yes"}, "hosts.mail.forwarding", "true or false"),
        ({"hosts__mail__smtp_name": "under_score.test"}, "hosts.mail.smtp_name", "not a host name"),
        ({"hosts__mail__vars": {"lab_state": "/"}}, "hosts.mail.vars.lab_state", "written by the lab"),
        ({"hosts__mail__groups": ["gate"]}, "hosts.mail.groups", "a host's name"),
        ({"hosts__mail__groups": ["a", "a"]}, "hosts.mail.groups[1]", "listed twice"),
        ({"hosts__mail__routes": [{"to": "default", "via": "nobody"}]}, "hosts.mail.routes[0].via", "not a host"),
        ({"hosts__mail__routes": [{"to": "default", "via": "192.0.2.1"}]}, "hosts.mail.routes[0].via", "no segment of"),
        ({"hosts__mail__routes": [{"to": "192.0.2.1/24", "via": "gate"}]}, "hosts.mail.routes[0].to", "host bits"),
        ({"hosts__mail__routes": [{"to": "::/0", "via": "192.0.2.129"}]}, "hosts.mail.routes[0].via", "family"),
        ({"hosts": {}}, "hosts", "no host"),
        ({"hosts": ["mail"]}, "hosts", "must be a mapping"),
        ({"segments__left__ipv4": "192.0.2.0/24"}, "segments.right", "overlaps"),
        ({"segments__left__ipv4": "2001:db8:1::/64"}, "segments.left.ipv4", "family"),
        ({"segments__left": {}}, "segments.left", "no network"),
        ({"segments__left__router": "mail"}, "segments.left.router", "no interface on left"),
        ({"segments__left__router": "nobody"}, "segments.left.router", "no host"),
        ({"segments__a-name-of-sixteen": {"ipv4": "10.0.0.0/8"}}, "segments.a-name-of-sixteen", "too long"),
        ({"segments__lo": {"ipv4": "10.0.0.0/8"}}, "segments.lo", "kernel's own"),
        ({"controller": ...}, "controller", "must be a mapping"),
        ({"domain": "Example"}, "domain", "lower case"),
        ({"secrets": ["../x"]}, "secrets[0]", "a name"),
        ({"base": {"packages": ["ok", "--evil"]}}, "base.packages[1]", "package"),
    ],
)
def test_each_mistake_is_named_with_its_field(changes: dict[str, Any], field: str, message: str) -> None:
    found = complaints(changed(**changes))
    assert field in found
    assert message in found[field]


@pytest.mark.parametrize("name", ["controller", "switch", "Mail", "a_b", "-a", "1a", "a" * 41, "a b", ""])
def test_names_no_host_can_have(name: str) -> None:
    document = changed()
    document["hosts"][name] = {"groups": [], "interfaces": {"right": ["192.0.2.140"]}}
    assert f"hosts.{name}" in complaints(document)


def test_all_mistakes_are_reported_at_once() -> None:
    document = changed(domain=3, hosts__mail__interfaces={"nowhere": []}, segments__left__ipv6="x", secrets=[1])
    assert {"domain", "hosts.mail.interfaces.nowhere", "segments.left.ipv6", "secrets[0]"} <= set(complaints(document))


@pytest.mark.parametrize("document", [None, [], "text", 3, {}])
def test_a_document_that_is_no_topology(document: object) -> None:
    assert complaints(document)


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(LabError, match="'mail' is given twice"):
        loads("hosts:\n  mail: {}\n  mail: {}\n", "t.yml")


@pytest.mark.parametrize(
    "text", ["a: [", "a: !!python/object/apply:os.system [true]", "? [a]\n: b\n? [a]\n: c", "\x00"]
)
def test_text_that_is_not_plain_yaml(text: str) -> None:
    with pytest.raises(LabError, match=r"t\.yml"):
        parse_topology(loads(text, "t.yml"), "t.yml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="No such file"):
        load(tmp_path / "none.yml")
