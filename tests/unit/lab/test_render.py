# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files a lab writes."""

from __future__ import annotations

from pathlib import Path

import yaml
from alertpath_lab import render
from alertpath_lab.inventory import owner
from alertpath_lab.layout import Layout
from alertpath_lab.parse import parse_topology
from alertpath_lab.topology import Topology
from alertpath_lab.yaml_source import load, loads

LAYOUT = Layout("abc")
V6_ONLY = """
domain: example.test
segments: {net: {ipv6: "2001:db8::/64"}}
controller: {interfaces: {net: ["2001:db8::10"]}}
hosts:
  mail: {smtp_name: mx.example.test, groups: [a, b], vars: {colour: red}, interfaces: {net: ["2001:db8::25"]}}
"""


def shipped() -> Topology:
    return parse_topology(load(Path(__file__).resolve().parents[3] / "lab" / "topology.yml"), "topology.yml")


def v6_only() -> Topology:
    return parse_topology(loads(V6_ONLY, "t.yml"), "t.yml")


def test_inventory_of_the_shipped_topology() -> None:
    text = render.inventory(LAYOUT, shipped())
    document = yaml.safe_load(text)["all"]
    assert document["vars"]["lab_state"] == "/run/alertpath-lab/abc"
    assert document["vars"]["ansible_ssh_executable"] == "/run/alertpath-lab/abc/bin/ssh"
    assert document["hosts"]["vault2"] == {
        "ansible_host": "10.77.20.12",
        "smtp_addresses": ["10.77.20.12", "fd77:20::12"],
        "smtp_name": "vault2.corp.test",
    }
    assert document["hosts"]["gateway"]["smtp_name"] == "smtp.corp.test"
    assert {group: list(members["hosts"]) for group, members in document["children"].items()} == {
        "routers": ["router"],
        "vaults": ["vault1", "vault2"],
        "tunnels": ["tunnel1", "tunnel2"],
        "gateways": ["gateway"],
        "mailservers": ["mailserver"],
        "clients": ["client"],
        "sentinels": ["publicmx"],
    }
    assert owner(text) == "/run/alertpath-lab/abc"


def test_inventory_without_ipv4() -> None:
    document = yaml.safe_load(render.inventory(LAYOUT, v6_only()))["all"]
    assert document["hosts"]["mail"] == {
        "ansible_host": "2001:db8::25",
        "smtp_addresses": ["2001:db8::25"],
        "smtp_name": "mx.example.test",
        "colour": "red",
    }
    assert set(document["children"]) == {"a", "b"}


def test_an_inventory_no_lab_wrote_has_no_owner() -> None:
    for text in ("", "all: {}", "- a", "a: [", "all: {vars: {lab_state: 3}}"):
        assert owner(text) is None


def test_hosts_file_has_every_name_in_both_families() -> None:
    lines = render.hosts_file(shipped()).splitlines()
    assert lines[:2] == ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    assert "10.77.30.25 gateway.corp.test gateway smtp.corp.test" in lines
    assert "fd77:30::25 gateway.corp.test gateway smtp.corp.test" in lines
    assert "203.0.113.1 router.corp.test router" in lines
    assert "10.77.0.10 controller.corp.test controller" in lines


def test_known_hosts_pins_names_and_addresses() -> None:
    assert render.known_hosts(v6_only(), {"mail": "ssh-ed25519 AAAA"}) == (
        "mail.example.test,mail,mx.example.test,2001:db8::25 ssh-ed25519 AAAA\n"
    )


def test_ssh_takes_nothing_from_the_machine() -> None:
    config = render.ssh_config(LAYOUT, v6_only())
    assert "StrictHostKeyChecking yes" in config
    assert "GlobalKnownHostsFile none" in config
    assert "Host mail.example.test mail mx.example.test\n  HostName 2001:db8::25\n" in config


def test_wrappers_run_the_tool_in_the_controllers_namespace() -> None:
    assert render.wrapper(LAYOUT, "scp").splitlines()[1] == (
        'exec nsenter --net=/run/alertpath-lab/abc/netns/controller scp -F /run/alertpath-lab/abc/ssh_config "$@"'
    )
