# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PROXY protocol, versions 1 and 2: by it a load balancer says for whom it connects.

Source: "The PROXY protocol", sections 2.1 and 2.2 (HAProxy). Whoever may send it must send it.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LINE = 107  # octets of the longest header of version 1, its CRLF included
_LONGEST = 2048  # octets of addresses and TLVs in version 2; real ones stay under 600
_V1 = re.compile(rb"PROXY (?:(UNKNOWN)(?: [ -~]*)?|(TCP4|TCP6) (\S+) (\S+) ([0-9]{1,5}) ([0-9]{1,5}))\r\n")
_FAMILIES = {0x1: (4, IPv4Address), 0x2: (16, IPv6Address)}

Read = Callable[[int], Awaitable[bytes]]


class BadHeader(Exception):
    """What came is no PROXY header, or none that can be believed."""


async def read_header(raw: socket.socket, timeout: float) -> str | None:
    """Return the client's address, None when the balancer speaks for itself (LOCAL, UNKNOWN).

    Raises BadHeader, OSError, TimeoutError.
    """
    # Not an octet more than the header is read: what follows may be a TLS handshake.
    loop = asyncio.get_running_loop()

    async def read(count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = await loop.sock_recv(raw, count - len(found))
            if not part:
                raise BadHeader("the connection ended within the PROXY header")
            found += part
        return found

    async with asyncio.timeout(timeout):
        return await parse(read)


async def parse(read: Read) -> str | None:
    """The same from `read`, which returns exactly as many octets as it is asked for."""
    head = await read(len(_SIGNATURE))
    if head == _SIGNATURE:
        return await _version_2(read)
    if not head.startswith(b"PROXY "):
        raise BadHeader("no PROXY header")
    while not head.endswith(b"\n") and len(head) < _LINE:
        head += await read(1)
    return _version_1(head)


def _version_1(line: bytes) -> str | None:
    match = _V1.fullmatch(line)
    if match is None:
        raise BadHeader("a malformed PROXY header")
    if match[1]:
        return None
    source = _address(match[3])
    kind = IPv4Address if match[2] == b"TCP4" else IPv6Address
    if not isinstance(source, kind) or not isinstance(_address(match[4]), kind):
        raise BadHeader("an address of another family in the PROXY header")
    if int(match[5]) > 65535 or int(match[6]) > 65535:
        raise BadHeader("a port out of range in the PROXY header")
    return str(source)


def _address(text: bytes) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text.decode("ascii"))
    except ValueError:
        raise BadHeader("no address in the PROXY header") from None


async def _version_2(read: Read) -> str | None:
    version_command, family, high, low = await read(4)
    length = high << 8 | low
    if version_command not in (0x20, 0x21) or length > _LONGEST:
        raise BadHeader("an unknown PROXY header of version 2")
    body = await read(length)
    if version_command == 0x20 or family == 0:
        return None
    size, kind = _FAMILIES.get(family >> 4, (0, IPv4Address))
    if family & 0xF != 1 or not size or length < 2 * size + 4:
        raise BadHeader("a PROXY header of version 2 that is not for TCP")
    return str(kind(body[:size]))
