# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, networks and single rules, read strictly out of a module's options. Pure."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

_WIDTH = {4: 32, 6: 128}
_LENGTH = re.compile(r"(0|[1-9][0-9]{0,2})\Z")


class Net(NamedTuple):
    """A network, or one address as the network of full length. *first* is its lowest address as a number."""

    version: int
    first: int
    length: int
    text: str

    @property
    def plain(self) -> bool:
        """Whether this is a single address."""
        return self.length == _WIDTH[self.version]

    @property
    def last(self) -> int:
        """The highest address as a number."""
        return self.first | ((1 << (_WIDTH[self.version] - self.length)) - 1)


class Rule(NamedTuple):
    """One accept: connections from *source* to *destination* on TCP *port*; *path* names the policy's path."""

    source: Net
    destination: Net
    port: int
    path: str


def parse_net(text: str) -> Net:
    """Return the network written as *text*: an address, or a prefix without host bits.

    Raises ValueError with the reason and a remedy.
    """
    # The C library reads thousands of addresses ten times as fast as ipaddress, which has the last word on the rest.
    address, slash, length = text.partition("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        packed = socket.inet_pton(family, address)
    except (OSError, ValueError):
        return _parse_rest(text)
    version, width = (6, 128) if family == socket.AF_INET6 else (4, 32)
    first = int.from_bytes(packed, "big")
    if not slash or length == str(width):
        return _unmapped(Net(version, first, width, socket.inet_ntop(family, packed)))
    if not _LENGTH.match(length) or int(length) > width or first & ((1 << (width - int(length))) - 1):
        return _parse_rest(text)
    return _unmapped(Net(version, first, int(length), f"{socket.inet_ntop(family, packed)}/{length}"))


def _parse_rest(text: str) -> Net:
    if "%" in text:
        raise ValueError(f"{text!r} carries an interface name: write the address without it")
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        if "host bits" in str(error):
            meant = ipaddress.ip_network(text, strict=False)
            raise ValueError(f"{text!r} has bits set behind its prefix: write {meant}, or the address alone") from None
        raise ValueError(f"{text!r} is neither an IP address nor a network in prefix form") from None
    found = Net(network.version, int(network.network_address), network.prefixlen, str(network))
    return _unmapped(found._replace(text=str(network.network_address)) if found.plain else found)


def _unmapped(net: Net) -> Net:
    # RFC 4291 2.5.5.2: such addresses stand for IPv4 in a program; on the wire those packets are IPv4.
    if net.version == 6 and net.length >= 96 and net.first >> 32 == 0xFFFF:
        raise ValueError(f"{net.text!r} is an IPv4 address in IPv6 form, which no packet carries: write it as IPv4")
    return net


def parse_port(value: Any) -> Optional[int]:
    """Return *value*, a number or its digits, as a port from 1 to 65535; None when it is none."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536 else None


def parse_end(entry: Mapping[str, Any], key: str, known: Dict[str, Net], problems: List[str]) -> Optional[Net]:
    """Return the address or network that *entry* has under *key*, or None with the problem added to *problems*.

    *known* holds what was read before.
    """
    text = entry.get(key)
    if not isinstance(text, str):
        problems.append(
            f"{key}: {text!r} is not text: write an IP address or a network" if text else f"{key}: is missing"
        )
        return None
    found = known.get(text)
    if found is None:
        try:
            found = known[text] = parse_net(text)
        except ValueError as error:
            problems.append(f"{key}: {error}")
    return found
