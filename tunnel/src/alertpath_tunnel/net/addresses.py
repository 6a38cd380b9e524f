# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of clients, as sockets give them, against the networks of the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from alertpath_tunnel.config.model import Network


# The same few clients come again and again, and to read an address takes longer than to look it up.
@lru_cache(maxsize=4096)
def read(address: str) -> IPv4Address | IPv6Address:
    """Return an address without its scope; an IPv4 address mapped into IPv6 as what it is. Raises ValueError."""
    found = ip_address(address.split("%", 1)[0])
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found


@lru_cache(maxsize=4096)
def plain(address: str) -> str:
    """The same as text."""
    return str(read(address))


def within(client: str, networks: Iterable[Network]) -> bool:
    """Whether the address `client` lies in one of `networks`. What is no address lies in none."""
    try:
        address = read(client)
    except ValueError:
        return False
    return any(address in network for network in networks)
