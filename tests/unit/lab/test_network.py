# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What wires the lab is derived, not typed: batches for ip, sysctls, steps."""

from __future__ import annotations

import re
from pathlib import Path

from alertpath_lab import network
from alertpath_lab.layout import Layout
from alertpath_lab.parse import parse_topology
from alertpath_lab.topology import Host, Topology
from alertpath_lab.yaml_source import load
from hypothesis import given
from hypothesis import strategies as st

LAYOUT = Layout("abc")
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,15}", fullmatch=True)


def shipped() -> Topology:
    return parse_topology(load(Path(__file__).resolve().parents[3] / "lab" / "topology.yml"), "topology.yml")


def named(topology: Topology, name: str) -> Host:
    host = topology.host(name)
    assert host is not None
    return host


def test_the_switch_has_a_bridge_per_segment() -> None:
    lines = network.switch_batch(shipped()).splitlines()
    assert lines[0] == "link set dev lo up"
    assert "link add name vault type bridge stp_state 0 forward_delay 0 mcast_snooping 0" in lines
    assert len(lines) == 1 + 2 * 5


def test_a_host_is_addressed_before_it_is_routed() -> None:
    assert network.address_batch(named(shipped(), "vault1")).splitlines() == [
        "link set dev lo up",
        "addr add 10.77.20.11/24 dev eth0",
        "addr add fd77:20::11/64 dev eth0 nodad",
        "link set dev eth0 up",
        "route add 0.0.0.0/0 via 10.77.20.1",
        "route add ::/0 via fd77:20::1",
    ]


def test_every_port_of_the_switch_has_a_name_of_its_own() -> None:
    topology = shipped()
    everyone = (topology.controller, *topology.hosts)
    ports = [port for host in everyone for port in network.ports(topology, host)]
    assert len(ports) == len(set(ports)) == sum(len(host.interfaces) for host in everyone)
    assert all(len(port) <= 15 for port in ports)


def test_a_host_is_plugged_into_its_segments() -> None:
    topology = shipped()
    lines = network.plug_batch(LAYOUT, topology, named(topology, "router")).splitlines()
    assert [line.split(" ")[-2] for line in lines[1::2]] == ["mgmt", "lan", "vault", "service", "public"]
    assert lines[0].endswith(" netns /run/alertpath-lab/abc/netns/router")


def test_only_routers_forward() -> None:
    topology = shipped()
    for name, value in (("router", "1"), ("vault1", "0")):
        settings = network.sysctls(named(topology, name))
        assert settings["net.ipv4.ip_forward"] == value
        assert settings["net.ipv6.conf.all.forwarding"] == value
        assert settings["net.ipv6.conf.default.accept_ra"] == "0"


def test_power_on_begins_with_a_fresh_namespace_and_power_off_ends_it() -> None:
    topology = shipped()
    host = named(topology, "gateway")
    on, off = network.power_on(LAYOUT, topology, host), network.power_off(LAYOUT, topology, host)
    namespace = "/run/alertpath-lab/abc/netns/gateway"
    assert on[0].argv == ("unshare", f"--net={namespace}", "true")
    assert off[-1].argv == ("umount", namespace)
    unplugged = [step.argv[-1] for step in off[:-1]]
    assert unplugged == list(network.ports(topology, host))
    # Everything else happens inside a namespace of the lab, never in the machine's own.
    assert all(
        step.argv[0] == "nsenter" and step.argv[1].startswith("--net=/run/alertpath-lab/abc/") for step in on[1:]
    )


@given(lab=NAMES, host=NAMES, segment=NAMES)
def test_mac_addresses_are_local_unicast_and_stay_the_same(lab: str, host: str, segment: str) -> None:
    mac = network.mac_address(lab, host, segment)
    assert re.fullmatch(r"02(:[0-9a-f]{2}){5}", mac)
    assert mac == network.mac_address(lab, host, segment)
