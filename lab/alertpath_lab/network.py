# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive what wires the lab: text for `ip -batch`, sysctls, and the steps that power a host's network on and off."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from .layout import Layout
from .topology import Host, Topology


class Step(NamedTuple):
    """A command, its standard input, and the error text that means there was nothing to do."""

    argv: tuple[str, ...]
    stdin: str = ""
    ignore: str | None = None


def inside(namespace: Path, *argv: str) -> tuple[str, ...]:
    """The command *argv* as run in the network namespace mounted on *namespace*."""
    return ("nsenter", f"--net={namespace}", *argv)


def switch_batch(topology: Topology) -> str:
    """`ip -batch` text for the switch: one bridge per segment.

    Multicast snooping is off: without a querier it would lose neighbour discovery (RFC 4541 section 2.1.2).
    """
    lines = ["link set dev lo up"]
    for segment in topology.segments:
        lines.append(f"link add name {segment.name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0")
        lines.append(f"link set dev {segment.name} up")
    return _text(lines)


def mac_address(lab: str, host: str, segment: str) -> str:
    """A locally administered address that stays the same over reboots, as a network card's does."""
    digest = hashlib.sha256(f"{lab}/{host}/{segment}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (0x02, *digest[:5]))


def ports(topology: Topology, host: Host) -> tuple[str, ...]:
    """The names of the switch's ports that *host* is plugged into, one per interface.

    The underscore, which no segment's name has, keeps them apart from the bridges.
    """
    everyone = (topology.controller, *topology.hosts)
    number = next(index for index, other in enumerate(everyone) if other.name == host.name)
    return tuple(f"p{number}_{index}" for index in range(len(host.interfaces)))


def plug_batch(layout: Layout, topology: Topology, host: Host) -> str:
    """`ip -batch` text, for the switch, that plugs every interface of *host* in."""
    lines = []
    for port, interface in zip(ports(topology, host), host.interfaces, strict=True):
        mac = mac_address(layout.name, host.name, interface.segment)
        namespace = layout.namespace(host.name)
        lines.append(f"link add name {port} type veth peer name {interface.device} address {mac} netns {namespace}")
        lines.append(f"link set dev {port} master {interface.segment} up")
    return _text(lines)


def address_batch(host: Host) -> str:
    """`ip -batch` text, for the host's namespace: addresses and routes.

    `nodad`: the lab's addresses are known to be unique, and must be usable at once (RFC 4862 section 5.4 waits).
    """
    lines = ["link set dev lo up"]
    for interface in host.interfaces:
        for address in interface.addresses:
            suffix = " nodad" if address.version == 6 else ""
            lines.append(f"addr add {address} dev {interface.device}{suffix}")
        lines.append(f"link set dev {interface.device} up")
    lines.extend(f"route add {route.destination} via {route.via}" for route in host.routes)
    return _text(lines)


def sysctls(host: Host) -> dict[str, str]:
    """Kernel settings of the host's namespace, set before it has any interface."""
    forwarding = "1" if host.forwarding else "0"
    settings = {}
    for scope in ("all", "default"):
        settings[f"net.ipv6.conf.{scope}.disable_ipv6"] = "0"
        settings[f"net.ipv6.conf.{scope}.accept_dad"] = "0"
        settings[f"net.ipv6.conf.{scope}.accept_ra"] = "0"
    # Forwarding is set last: changing it rewrites the settings of single interfaces (kernel, ip-sysctl.rst).
    settings["net.ipv4.ip_forward"] = forwarding
    settings["net.ipv6.conf.all.forwarding"] = forwarding
    return settings


def _sysctl_step(namespace: Path, settings: dict[str, str]) -> Step:
    pairs = [f"{key}={value}" for key, value in settings.items()]
    return Step(inside(namespace, "sysctl", "--quiet", "--write", *pairs))


def switch_steps(layout: Layout, topology: Topology) -> list[Step]:
    """Make the switch's namespace and its bridges."""
    namespace = layout.namespace("switch")
    quiet = {f"net.ipv6.conf.{scope}.disable_ipv6": "1" for scope in ("all", "default")}
    return [
        Step(("unshare", f"--net={namespace}", "true")),
        _sysctl_step(namespace, quiet),
        Step(inside(namespace, "ip", "-batch", "-"), switch_batch(topology)),
    ]


def power_on(layout: Layout, topology: Topology, host: Host) -> list[Step]:
    """Give *host* a fresh network namespace, plugged in and addressed.

    A host gets a new one at every boot: rules, connection tracking, sysctls and routes that nothing inside the host
    brings back are lost, as they are when a real machine reboots.
    """
    namespace = layout.namespace(host.name)
    return [
        Step(("unshare", f"--net={namespace}", "true")),
        _sysctl_step(namespace, sysctls(host)),
        Step(inside(layout.namespace("switch"), "ip", "-batch", "-"), plug_batch(layout, topology, host)),
        Step(inside(namespace, "ip", "-batch", "-"), address_batch(host)),
    ]


def power_off(layout: Layout, topology: Topology, host: Host) -> list[Step]:
    """Pull *host*'s plugs and forget its namespace; nothing to do when that has been done."""
    unplug = [
        Step(inside(layout.namespace("switch"), "ip", "link", "delete", "dev", port), ignore="Cannot find device")
        for port in ports(topology, host)
    ]
    return [*unplug, Step(("umount", str(layout.namespace(host.name))), ignore="not mounted")]


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
