# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and networks as the policy names them: read strictly, printed one way, compared as numbers."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Block:
    """An address or a network of one family, as the numbers it spans."""

    version: int
    first: int
    last: int

    @property
    def prefix(self) -> int:
        """The prefix length."""
        return _width(self.version) - (self.last - self.first + 1).bit_length() + 1

    @property
    def single(self) -> bool:
        """Whether it is one address."""
        return self.first == self.last

    def covers(self, other: Block) -> bool:
        """Whether every address of *other* lies in this block."""
        return self.version == other.version and self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        address = str(_address(self.version, self.first))
        return address if self.single else f"{address}/{self.prefix}"


EVERYWHERE = (Block(4, 0, 2**32 - 1), Block(6, 0, 2**128 - 1))


def _width(version: int) -> int:
    return 32 if version == 4 else 128


def parse_block(text: object, network: bool = False) -> Block:
    """Read an address, or with *network* a network in prefix form, as a Block.

    Raises ValueError, in words fit for a person, for a name, a zone id, leading zeros, an IPv4-mapped IPv6 address,
    or host bits in a network.
    """
    if not isinstance(text, str):
        raise ValueError("is not an address in quotes")
    if "%" in text:
        raise ValueError("carries a zone id, which means nothing to other hosts")
    if "/" not in text:
        return _single(text)
    if not network:
        raise ValueError("is a network where one address is needed")
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError("is not an IPv4 or IPv6 network") from None
    if not text.partition("/")[2].isdigit():
        raise ValueError("is not written with a prefix length")
    _refuse_mapped(interface.ip)
    if interface.ip != interface.network.network_address:
        raise ValueError(f"has host bits set; the network is {interface.network}")
    return Block(interface.version, int(interface.network[0]), int(interface.network[-1]))


def _single(text: str) -> Block:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("is not an IPv4 or IPv6 address") from None
    _refuse_mapped(address)
    return Block(address.version, int(address), int(address))


def _refuse_mapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        raise ValueError("is an IPv4 address in IPv6 clothing")


def _address(version: int, number: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number)


def unusable(block: Block) -> str | None:
    """Why no mail server can stand at the address *block*; None when one can (RFC 6890, and CyberArk's 1.1.1.1)."""
    address = _address(block.version, block.first)
    if str(address) == "1.1.1.1":
        return "is what CyberArk writes for 'not configured'"
    if address.is_loopback:
        return "is a loopback address"
    if address.is_multicast:
        return "is a multicast address"
    if block.first == 0:
        return "is the unspecified address"
    if block.version == 4 and block.first == 2**32 - 1:
        return "is the broadcast address"
    if block.version == 4 and (block.first >> 24 == 0 or block.first >> 28 == 15):
        return "is a reserved address"
    return None
