# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A topology: hosts on segments. Values only; `parse` makes them, `network` and `render` derive from them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
AddressInNetwork = IPv4Interface | IPv6Interface

CONTROLLER = "controller"


@dataclass(frozen=True)
class Segment:
    """One wire: a bridge that hosts are attached to. *router* names the host that others route through."""

    name: str
    networks: tuple[Network, ...]
    router: str | None


@dataclass(frozen=True)
class Interface:
    """A network interface of a host, on one segment."""

    device: str
    segment: str
    addresses: tuple[AddressInNetwork, ...]


@dataclass(frozen=True)
class Route:
    """Where a host sends what is not on its own segments."""

    destination: Network
    via: Address


@dataclass(frozen=True)
class Host:
    """A host with its routes resolved to addresses. The controller is one as well, with no group."""

    name: str
    groups: tuple[str, ...]
    forwarding: bool
    interfaces: tuple[Interface, ...]
    routes: tuple[Route, ...]
    smtp_name: str
    variables: dict[str, object]

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All addresses, in the order of the topology."""
        return tuple(address.ip for interface in self.interfaces for address in interface.addresses)

    @property
    def management_address(self) -> Address:
        """The address that Ansible connects to: the first IPv4 address, else the first."""
        return next((address for address in self.addresses if address.version == 4), self.addresses[0])


@dataclass(frozen=True)
class Base:
    """What the hosts' common base tree holds: a Debian release and packages besides the lab's own."""

    suite: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Topology:
    """Everything `lab up` raises."""

    domain: str
    base: Base
    segments: tuple[Segment, ...]
    controller: Host
    hosts: tuple[Host, ...]
    secrets: tuple[str, ...]

    def host(self, name: str) -> Host | None:
        """The host called *name*, or None."""
        return next((host for host in self.hosts if host.name == name), None)

    def fqdn(self, host: Host) -> str:
        """The full name of *host* in the lab's domain."""
        return f"{host.name}.{self.domain}"
