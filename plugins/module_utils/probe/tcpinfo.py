# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel knows of a TCP connection: `struct tcp_info` of linux/tcp.h, read by its documented offsets."""

from __future__ import annotations

import socket
import struct
from typing import Iterable, List, NamedTuple, Optional

from .seen import Tcp

_SIZE = 256
_U8 = struct.Struct("=8B")
_U32 = struct.Struct("=I")
_RETRANSMITS = 2
_UNACKED, _RETRANS, _TOTAL_RETRANS, _NOT_SENT, _SEND_WINDOW = 24, 36, 100, 144, 228


class TcpInfo(NamedTuple):
    """The fields used here; None where the kernel is too old to have them."""

    retransmits: int
    """Timeouts in a row on the oldest unacknowledged segment."""
    unacknowledged: int
    """Segments sent and not acknowledged."""
    repeated: int
    """Segments sent again that have left this host and are not acknowledged."""
    tried: int
    """Segments that were to be sent again, whether or not they left this host."""
    not_sent: Optional[int]
    """Octets still waiting to be sent for the first time (Linux 4.6)."""
    window: Optional[int]
    """The window the other side announced, in octets (Linux 5.4)."""


def parse(data: bytes) -> Optional[TcpInfo]:
    """Read the octets of TCP_INFO; None when they are too few to hold what Linux 3.x had."""

    def word(offset: int) -> Optional[int]:
        return int(_U32.unpack_from(data, offset)[0]) if len(data) >= offset + _U32.size else None

    unacknowledged, repeated, tried = word(_UNACKED), word(_RETRANS), word(_TOTAL_RETRANS)
    if unacknowledged is None or repeated is None or tried is None:
        return None
    retransmits = _U8.unpack_from(data)[_RETRANSMITS]
    return TcpInfo(retransmits, unacknowledged, repeated, tried, word(_NOT_SENT), word(_SEND_WINDOW))


def read(sock: socket.socket) -> Optional[TcpInfo]:
    """Return what the kernel says of *sock* now; None where it says nothing."""
    try:
        return parse(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE))
    except OSError:
        return None


def as_evidence(info: Optional[TcpInfo]) -> Optional[Tcp]:
    """Return what is worth telling of a connection that fell silent after something was sent on it."""
    if info is None:
        return None
    return Tcp(info.unacknowledged == 0 and not info.not_sent, info.window, info.retransmits)


def never_left(infos: Iterable[Optional[TcpInfo]]) -> bool:
    """Whether this host itself swallows what is sent, told by unanswered SYNs.

    The kernel counts a repeated segment as under way only if sending it succeeded; when a rule of this host drops it,
    sending fails. It takes a second until the kernel repeats a SYN, before that nothing can be said. While the first
    SYN still waits for a neighbour's address, the kernel does not try to repeat it.
    """
    repeated: List[TcpInfo] = [info for info in infos if info is not None and info.retransmits > 0]
    return bool(repeated) and all(info.tried > 0 and info.repeated == 0 for info in repeated)
