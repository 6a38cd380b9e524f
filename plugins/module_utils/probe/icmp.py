# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ICMP errors as the kernel's error queue reports them (ip(7), IP_RECVERR; ipv6(7), IPV6_RECVERR)."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple, Optional

from .model import NO_ROUTE, REJECTED

# linux/in.h, linux/in6.h: Python's socket module names them only from 3.12 on, or not at all.
IP_RECVERR = 11
IPV6_RECVERR = 25
MSG_ERRQUEUE = 0x2000

_EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err, linux/errqueue.h
_ORIGIN_ICMP = 2
_ORIGIN_ICMP6 = 3

# RFC 792, RFC 1812 section 5.2.7.1: type 3, destination unreachable
_V4_UNREACHABLE = {
    0: (NO_ROUTE, "network unreachable"),
    1: (NO_ROUTE, "host unreachable"),
    2: (REJECTED, "protocol unreachable"),
    3: (REJECTED, "port unreachable"),
    5: (NO_ROUTE, "source route failed"),
    6: (NO_ROUTE, "network unknown"),
    7: (NO_ROUTE, "host unknown"),
    8: (NO_ROUTE, "source host isolated"),
    9: (REJECTED, "network administratively prohibited"),
    10: (REJECTED, "host administratively prohibited"),
    11: (NO_ROUTE, "network unreachable for type of service"),
    12: (NO_ROUTE, "host unreachable for type of service"),
    13: (REJECTED, "communication administratively prohibited"),
    14: (REJECTED, "host precedence violation"),
    15: (REJECTED, "precedence cutoff in effect"),
}
# RFC 4443 section 3.1: type 1, destination unreachable
_V6_UNREACHABLE = {
    0: (NO_ROUTE, "no route to destination"),
    1: (REJECTED, "communication administratively prohibited"),
    2: (NO_ROUTE, "beyond scope of source address"),
    3: (NO_ROUTE, "address unreachable"),
    4: (REJECTED, "port unreachable"),
    5: (REJECTED, "source address failed ingress or egress policy"),
    6: (REJECTED, "reject route to destination"),
}

NO_NEIGHBOUR = frozenset({(4, 3, 1), (6, 1, 3)})
"""IP version, type and code of what Linux says of a neighbour that it does not find."""


class IcmpError(NamedTuple):
    """One ICMP error: IP version 4 or 6, type, code, and the address of the device that sent it."""

    version: int
    type: int
    code: int
    device: str


class Meaning(NamedTuple):
    """What an ICMP error says about a connection attempt: an outcome, and the error's name."""

    outcome: str
    name: str


def meaning(error: IcmpError) -> Optional[Meaning]:
    """Return what *error* means for the attempt, or None when it does not end one (such as "packet too big")."""
    table = {(4, 3): _V4_UNREACHABLE, (6, 1): _V6_UNREACHABLE}.get((error.version, error.type), {})
    if error.code in table:
        return Meaning(*table[error.code])
    if (error.version, error.type) in {(4, 11), (6, 3)}:
        return Meaning(NO_ROUTE, "time exceeded in transit, a routing loop")
    if (error.version, error.type) in {(4, 12), (6, 4)}:
        return Meaning(REJECTED, "parameter problem")
    return None


def parse(data: bytes) -> Optional[IcmpError]:
    """Read the ancillary data of one message from the error queue: an extended error and the offender's address.

    Returns None for an error that no ICMP message caused, or one too short to name its sender.
    """
    if len(data) < _EXTENDED_ERROR.size:
        return None
    _errno, origin, kind, code, _pad, _info, _data = _EXTENDED_ERROR.unpack_from(data)
    offender = data[_EXTENDED_ERROR.size :]
    if origin == _ORIGIN_ICMP and len(offender) >= 8:
        return IcmpError(4, kind, code, socket.inet_ntop(socket.AF_INET, offender[4:8]))
    if origin == _ORIGIN_ICMP6 and len(offender) >= 24:
        return IcmpError(6, kind, code, socket.inet_ntop(socket.AF_INET6, offender[8:24]))
    return None
