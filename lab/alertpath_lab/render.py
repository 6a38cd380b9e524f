# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive the text files of a lab: inventory, hosts file, ssh configuration, wrappers."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from .layout import Layout
from .topology import Address, Host, Topology

WRAPPED = ("ssh", "sftp", "scp")


def host_names(topology: Topology, host: Host) -> list[str]:
    """What *host* is called: the full name first, as hosts(5) wants the canonical name, then the others."""
    names = [topology.fqdn(host), host.name]
    if host.smtp_name not in names:
        names.append(host.smtp_name)
    return names


def hosts_file(topology: Topology) -> str:
    """/etc/hosts of every host: all names of all hosts, in both families."""
    lines = [
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost ip6-loopback",
    ]
    for host in (*topology.hosts, topology.controller):
        names = " ".join(host_names(topology, host))
        lines.extend(f"{address} {names}" for address in host.addresses)
    return _text(lines)


def resolv_conf() -> str:
    """/etc/resolv.conf of every host: no name server, so that an unknown name fails at once."""
    return "# The lab has no DNS server: names are in /etc/hosts.\noptions timeout:1 attempts:1\n"


def sysctl_file(settings: Mapping[str, str]) -> str:
    """A file for /etc/sysctl.d, so that the host itself restores what the lab set."""
    return _text([f"{key} = {value}" for key, value in settings.items()])


def known_hosts(topology: Topology, public_keys: Mapping[str, str]) -> str:
    """ssh's known_hosts: each host's names and addresses with its key (`ssh-ed25519 AAAA...`)."""
    lines = []
    for host in topology.hosts:
        aliases = [*host_names(topology, host), *(str(address) for address in host.addresses)]
        lines.append(f"{','.join(aliases)} {public_keys[host.name]}")
    return _text(lines)


def ssh_config(layout: Layout, topology: Topology) -> str:
    """ssh's configuration for the wrappers; nothing of the user's or the machine's own is read beside it."""
    lines = []
    for host in topology.hosts:
        names = " ".join(host_names(topology, host))
        lines += [f"Host {names}", f"  HostName {host.management_address}"]
    lines += [
        "Host *",
        "  User root",
        f"  IdentityFile {layout.ssh_key}",
        "  IdentitiesOnly yes",
        f"  UserKnownHostsFile {layout.known_hosts}",
        "  GlobalKnownHostsFile none",
        "  StrictHostKeyChecking yes",
        "  UpdateHostKeys no",
        "  PasswordAuthentication no",
        "  ConnectTimeout 10",
        # A firewall that forgets a session must not hang it for ever.
        "  ServerAliveInterval 5",
        "  ServerAliveCountMax 6",
        "  LogLevel ERROR",
    ]
    return _text(lines)


def wrapper(layout: Layout, tool: str) -> str:
    """A script that runs *tool* (ssh, sftp, scp) in the controller's network namespace."""
    namespace = layout.namespace("controller")
    return f'#!/bin/sh\nexec nsenter --net={namespace} {tool} -F {layout.ssh_config} "$@"\n'


def inventory(layout: Layout, topology: Topology) -> str:
    """The Ansible inventory (YAML) of the lab."""
    groups: dict[str, dict[str, object]] = {}
    for host in topology.hosts:
        for group in host.groups:
            members = groups.setdefault(group, {"hosts": {}})["hosts"]
            assert isinstance(members, dict)
            members[host.name] = {}
    document = {
        "all": {
            "vars": {
                "ansible_user": "root",
                "ansible_python_interpreter": "/usr/bin/python3",
                "ansible_ssh_private_key_file": str(layout.ssh_key),
                "ansible_control_path_dir": str(layout.control_sockets),
                **{f"ansible_{tool}_executable": str(layout.wrappers / tool) for tool in WRAPPED},
                "lab_name": layout.name,
                "lab_state": str(layout.state),
            },
            "hosts": {host.name: _host_variables(host) for host in topology.hosts},
            "children": groups,
        }
    }
    body = yaml.safe_dump(document, sort_keys=False, default_flow_style=False, width=110)
    return f"# Written by lab/lab up; lab/lab down removes it.\n---\n{body}"


def _host_variables(host: Host) -> dict[str, object]:
    return {
        "ansible_host": str(host.management_address),
        "smtp_addresses": [str(address) for address in sorted_addresses(host)],
        "smtp_name": host.smtp_name,
        **host.variables,
    }


def sorted_addresses(host: Host) -> list[Address]:
    """All addresses of *host*, IPv4 before IPv6, else in the order of the topology."""
    return sorted(host.addresses, key=lambda address: address.version)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
