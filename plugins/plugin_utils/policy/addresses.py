# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and networks as the policy names them: read strictly, printed one way, compared as numbers."""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_WIDTH = {4: 32, 6: 128}


class Block(NamedTuple):
    """An address or a network of one family, as the numbers it spans. Sorts by family, then as numbers."""

    version: int
    first: int
    last: int

    @property
    def prefix(self) -> int:
        """The prefix length."""
        return _WIDTH[self.version] - (self.last - self.first + 1).bit_length() + 1

    @property
    def single(self) -> bool:
        """Whether it is one address."""
        return self.first == self.last

    def covers(self, other: Block) -> bool:
        """Whether every address of *other* lies in this block."""
        return self.version == other.version and self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        address = ipaddress.IPv4Address(self.first) if self.version == 4 else ipaddress.IPv6Address(self.first)
        return str(address) if self.single else f"{address}/{self.prefix}"


EVERYWHERE = (Block(4, 0, 2**32 - 1), Block(6, 0, 2**128 - 1))


def parse_block(text: object, network: bool = False) -> Block:
    """Read an address, or with *network* a network in prefix form, as a Block. A prefix of full length is an address.

    Raises ValueError, in words fit for a person, for a name, a zone id, leading zeros, an IPv4-mapped IPv6 address,
    or host bits in a network.
    """
    if not isinstance(text, str):
        raise ValueError("is not an address in quotes")
    if "%" in text:
        raise ValueError("carries a zone id, which means nothing to other hosts")
    address, slash, length = text.partition("/")
    try:
        found = ipaddress.ip_address(address)
        if slash and not (length.isascii() and length.isdigit() and int(length[:4]) <= found.max_prefixlen):
            raise ValueError
    except ValueError:
        raise ValueError(f"is not an IPv4 or IPv6 {'network' if network else 'address'}") from None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        raise ValueError("is an IPv4 address in IPv6 clothing")
    size = 1 << (found.max_prefixlen - int(length)) if slash else 1
    number = int(found)
    first = number - number % size
    block = Block(found.version, first, first + size - 1)
    if not network and size > 1:
        raise ValueError("is a network where one address is needed")
    if first != number:
        raise ValueError(f"has host bits set; the network is {block}")
    return block


_NOWHERE = tuple(
    (parse_block(text, network=True), reason)
    for text, reason in (
        ("0.0.0.0/32", "is the unspecified address"),
        ("::", "is the unspecified address"),
        ("255.255.255.255", "is the broadcast address"),
        ("1.1.1.1", "is what CyberArk writes for 'not configured'"),
        ("127.0.0.0/8", "is a loopback address"),
        ("::1", "is a loopback address"),
        ("224.0.0.0/4", "is a multicast address"),
        ("ff00::/8", "is a multicast address"),
        ("169.254.0.0/16", "is a link-local address, which no router passes on"),
        ("fe80::/10", "is a link-local address, which no router passes on"),
        ("0.0.0.0/8", "is a reserved address"),
        ("240.0.0.0/4", "is a reserved address"),
    )
)


def unusable(block: Block) -> str | None:
    """Why no mail can come from or go to *block*; None when it can (RFC 6890, RFC 3927, and CyberArk's 1.1.1.1)."""
    return next((reason for nowhere, reason in _NOWHERE if nowhere.covers(block)), None)


class Span:
    """A set of blocks that answers quickly whether it covers or meets another."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        merged: list[Block] = []
        for block in sorted(blocks):
            last = merged[-1] if merged else None
            if last and last.version == block.version and block.first <= last.last + 1:
                merged[-1] = Block(last.version, last.first, max(last.last, block.last))
            else:
                merged.append(block)
        self.blocks = tuple(merged)
        self._starts = [block[:2] for block in merged]

    def __bool__(self) -> bool:
        return bool(self.blocks)

    def of(self, version: int) -> Span:
        """The part of one family."""
        return Span(block for block in self.blocks if block.version == version)

    def covers(self, block: Block) -> bool:
        """Whether every address of *block* is in the set."""
        index = bisect_right(self._starts, (block.version, block.first)) - 1
        return index >= 0 and self.blocks[index].covers(block)

    def covers_all(self, other: Span) -> bool:
        """Whether the set holds all of *other*."""
        return all(self.covers(block) for block in other.blocks)

    def meets(self, other: Span) -> bool:
        """Whether any address is in both."""
        one, two = 0, 0
        while one < len(self.blocks) and two < len(other.blocks):
            a, b = self.blocks[one], other.blocks[two]
            if a.version == b.version and a.first <= b.last and b.first <= a.last:
                return True
            if (a.version, a.last) < (b.version, b.last):
                one += 1
            else:
                two += 1
        return False


class Index:
    """Single addresses in order, to find those in a span without looking at the others."""

    def __init__(self, addresses: Iterable[Block]) -> None:
        self._addresses = sorted(set(addresses))
        self._numbers = [block[:2] for block in self._addresses]

    def inside(self, span: Span) -> Iterator[Block]:
        """The addresses that *span* covers, in order."""
        for block in span.blocks:
            start = bisect_left(self._numbers, (block.version, block.first))
            yield from self._addresses[start : bisect_right(self._numbers, (block.version, block.last), start)]


def outermost(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """The *blocks* in order, without those that lie inside another one."""
    found: list[Block] = []
    for block in sorted(set(blocks), key=lambda block: (block.version, block.first, -block.last)):
        if not found or not found[-1].covers(block):
            found.append(block)
    return tuple(found)
