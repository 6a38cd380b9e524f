# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and networks as the policy names them: read strictly, printed one way, compared as numbers."""

from __future__ import annotations

from dataclasses import dataclass

import netaddr


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
        address = str(netaddr.IPAddress(self.first, self.version))
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
    address, slash, _length = text.partition("/")
    if slash and not network:
        raise ValueError("is a network where one address is needed")
    try:
        parsed = (
            netaddr.IPNetwork(text) if slash else netaddr.IPNetwork(netaddr.IPAddress(text, flags=netaddr.INET_PTON))
        )
        exact = netaddr.IPAddress(address, flags=netaddr.INET_PTON)
    except (netaddr.AddrFormatError, ValueError, TypeError):
        raise ValueError("is not an IPv4 or IPv6 " + ("network" if slash else "address")) from None
    if exact.version == 6 and exact.is_ipv4_mapped():
        raise ValueError("is an IPv4 address in IPv6 clothing")
    if parsed.first != int(exact):
        raise ValueError(f"has host bits set; the network is {parsed.cidr}")
    return Block(parsed.version, parsed.first, parsed.last)


def merge(blocks: list[Block]) -> list[Block]:
    """The fewest blocks that span the same addresses, in order."""
    ranges = netaddr.IPSet()
    for block in blocks:
        ranges.add(
            netaddr.IPRange(netaddr.IPAddress(block.first, block.version), netaddr.IPAddress(block.last, block.version))
        )
    return sorted(Block(cidr.version, cidr.first, cidr.last) for cidr in ranges.iter_cidrs())


def unusable(block: Block) -> str | None:
    """Why no mail server can stand at the address *block*; None when one can (RFC 6890, and CyberArk's 1.1.1.1)."""
    address = netaddr.IPAddress(block.first, block.version)
    if str(address) == "1.1.1.1":
        return "is what CyberArk writes for 'not configured'"
    if address.is_loopback():
        return "is a loopback address"
    if address.is_multicast():
        return "is a multicast address"
    if block.first == 0:
        return "is the unspecified address"
    if block.version == 4 and block.first == 2**32 - 1:
        return "is the broadcast address"
    if block.version == 4 and (block.first >> 24 == 0 or block.first >> 28 == 15):
        return "is a reserved address"
    return None
