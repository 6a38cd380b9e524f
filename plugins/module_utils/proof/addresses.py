# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, prefixes and interface names as nft and iptables write them. Pure."""

from __future__ import annotations

import ipaddress
import socket
from typing import Iterable, List, NamedTuple, Sequence, Tuple

from .model import TOP, WIDTH
from .spans import Span, Spans


def address(text: str) -> Tuple[int, int]:
    """Return IP version and number of the address *text*. Raises ValueError when it is none."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        packed = socket.inet_pton(family, text)
    except (OSError, ValueError):
        raise ValueError(f"{text!r} is not an address") from None
    return (6 if family == socket.AF_INET6 else 4), int.from_bytes(packed, "big")


def prefix(text: str, length: int) -> Tuple[int, Span]:
    """Return the IP version and the addresses of the network with *length* in which *text* lies."""
    version, number = address(text)
    beyond = WIDTH[version] - length
    first = number >> beyond << beyond
    return version, (first, first | ((1 << beyond) - 1))


def masked(text: str) -> Tuple[int, Spans]:
    """Return version and addresses of an address, a prefix, or an address with a mask ("10.0.0.0/255.0.0.0").

    Raises ValueError for a mask with holes in it.
    """
    base, slash, mask = text.partition("/")
    if not slash:
        version, number = address(base)
        return version, ((number, number),)
    if mask.isdigit():
        version, span = prefix(base, int(mask))
        return version, (span,)
    version, number = address(base)
    bits = address(mask)[1]
    beyond = bits ^ TOP[version]
    if beyond & (beyond + 1):
        raise ValueError(f"{mask!r} is a mask with holes")
    return version, ((number & bits, (number & bits) | beyond),)


def same_name(pattern: str, name: str) -> bool:
    """Whether the interface *name* is what *pattern*, a name or the beginning of one with an asterisk, stands for."""
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return pattern == name


class Own(NamedTuple):
    """Addresses of one IP version that the kernel holds for its own, for broadcast, and whether that is all known."""

    local: Spans
    broadcast: Spans
    known: bool


def text_of(version: int, span: Span) -> str:
    """Return *span* as text: an address, a prefix, or first and last address."""
    first, last = span
    make = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    size = last - first + 1
    if size & (size - 1) == 0 and first % size == 0:
        length = WIDTH[version] - size.bit_length() + 1
        return str(make(first)) if length == WIDTH[version] else f"{make(first)}/{length}"
    return f"{make(first)}-{make(last)}"


def spans_of(version: int, texts: Iterable[str]) -> List[Span]:
    """Return the addresses of that *version* among *texts*, without their prefix lengths."""
    found = []
    for text in texts:
        family, number = address(text.partition("/")[0].partition("%")[0])
        if family == version:
            found.append((number, number))
    return found


def names_of(patterns: Sequence[str]) -> str:
    """Return *patterns* for a reader."""
    return ", ".join(patterns)
