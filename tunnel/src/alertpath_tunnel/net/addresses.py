# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of clients, as sockets give them, against the networks of the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

from alertpath_tunnel.config.model import Network


def plain(address: str) -> str:
    """Return an address without its scope, and an IPv4 address that is mapped into IPv6 as what it is."""
    found = ip_address(address.split("%", 1)[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def within(client: str, networks: Iterable[Network]) -> bool:
    """Whether the address `client` lies in one of `networks`. What is no address lies in none."""
    try:
        address = ip_address(plain(client))
    except ValueError:
        return False
    return any(address in network for network in networks)
