# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP SYN or UDP datagram by a plain socket, and what the kernel tells about its fate."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from typing import Any, NamedTuple, Optional, Tuple

from ..probe.icmp import IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE, IcmpError, parse
from .model import ACCEPTED, EXPIRED, LOCAL, PROBLEM, RESET, SILENT, UNREACHABLE, Reply
from .route import scope_of

# linux/in.h, linux/in6.h, linux/tcp.h; Python names some of them only in later versions.
_IP_TTL = 2
_IP_OPTIONS = 4
_IP_RECVTTL = 12
_IP_MINTTL = 21
_IP_BIND_ADDRESS_NO_PORT = 24
_IPV6_UNICAST_HOPS = 16
_IPV6_RECVHOPLIMIT = 51
_IPV6_HOPLIMIT = 52
_IPV6_DSTOPTS = 59
_IPV6_MINHOPCOUNT = 73
_TCP_INFO = 11
_RETRANSMITS = 2  # tcpi_retransmits: how often the retransmission timer fired
_RETRANS_OUT = 36  # tcpi_retrans: retransmissions that left the network stack
_TCP_INFO_SIZE = 104
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_KINDS = {
    (4, 3): UNREACHABLE,
    (6, 1): UNREACHABLE,
    (4, 11): EXPIRED,
    (6, 3): EXPIRED,
    (4, 12): PROBLEM,
    (6, 4): PROBLEM,
}
_FRAGMENTATION_NEEDED = 4
_MOST_HOPS_BY_OPTION = 16


class Shot(NamedTuple):
    """A SYN (or with *udp* an empty datagram) to send, and from where."""

    family: int
    address: Tuple[Any, ...]
    source: Optional[Tuple[Any, ...]] = None
    ttl: Optional[int] = None
    least_ttl: Optional[int] = None
    """Answers that arrive with a smaller TTL are ignored by the kernel (IP_MINTTL, IPV6_MINHOPCOUNT)."""
    option_hop: Optional[int] = None
    """Carry an IP option about which the device at this hop complains: see `_complaint_option`."""
    udp: bool = False


def _complaint_option(shot: Shot, hop: int) -> Tuple[int, int, bytes]:
    """Return level, name and value of a socket option that makes a device complain by ICMP, without harm to others.

    IPv4: a timestamp option (RFC 791) that is already full; each hop adds one to its overflow counter of four bits,
    and the hop at which that overflows reports a parameter problem, after prerouting and before input and forward
    rules. IPv6: a destination option (RFC 8200 section 4.2; type of RFC 4727) that the destination must refuse, after
    its input rules; the kernel lets only CAP_NET_RAW send it.
    """
    if shot.family == socket.AF_INET6:
        return socket.IPPROTO_IPV6, _IPV6_DSTOPTS, bytes((0, 0, 0x9E, 4, 0, 0, 0, 0))
    return socket.IPPROTO_IP, _IP_OPTIONS, bytes((68, 8, 9, (_MOST_HOPS_BY_OPTION - hop) << 4, 0, 0, 0, 0))


def can_complain(family: int, hop: int) -> bool:
    """Whether there is an option that singles out the device at *hop*."""
    return family == socket.AF_INET6 or 2 <= hop <= _MOST_HOPS_BY_OPTION


def nameless(code: int, stepped: bool) -> Reply:
    """Read an error number that came without the ICMP message behind it, as Linux before 5.8 reports them.

    There, an expired TTL and an unreachable host look alike: to a SYN of a small TTL (*stepped*) it is the former.
    """
    return Reply(EXPIRED if stepped and code == errno.EHOSTUNREACH else UNREACHABLE, errno=code)


class Attempt:
    """A shot under way."""

    __slots__ = ("_began", "refused", "shot", "sock")

    def __init__(self, shot: Shot) -> None:
        """Send it. Raises OSError when the socket cannot be had or set up."""
        kind = socket.SOCK_DGRAM if shot.udp else socket.SOCK_STREAM
        self.shot = shot
        self._began = time.monotonic()
        self.refused: Optional[int] = None
        self.sock = socket.socket(shot.family, kind | socket.SOCK_NONBLOCK)
        try:
            self._prepare()
            code = self.sock.connect_ex(shot.address)
            if shot.udp and code == 0:
                self.sock.send(b"")
        except OSError:
            self.sock.close()
            raise
        if code not in (0, errno.EINPROGRESS):
            self.refused = code

    def _prepare(self) -> None:
        shot, sock = self.shot, self.sock
        v6 = shot.family == socket.AF_INET6
        level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
        sock.setsockopt(level, IPV6_RECVERR if v6 else IP_RECVERR, 1)
        sock.setsockopt(level, _IPV6_RECVHOPLIMIT if v6 else _IP_RECVTTL, 1)
        if not shot.udp:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        if shot.ttl is not None:
            sock.setsockopt(level, _IPV6_UNICAST_HOPS if v6 else _IP_TTL, shot.ttl)
        if shot.least_ttl is not None:
            sock.setsockopt(level, _IPV6_MINHOPCOUNT if v6 else _IP_MINTTL, shot.least_ttl)
        if shot.option_hop is not None:
            sock.setsockopt(*_complaint_option(shot, shot.option_hop))
        if shot.source is not None:
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind(shot.source)

    def reply(self) -> Optional[Reply]:
        """Return the reply that ends the attempt; None while there is none."""
        seconds = time.monotonic() - self._began
        said = self._from_error_queue()
        if said is not None:
            return said._replace(seconds=seconds)
        code = self.refused or self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code in (errno.ECONNREFUSED, errno.ECONNRESET):
            return Reply(UNREACHABLE if self.shot.udp else RESET, seconds=seconds)
        if self.refused:
            return Reply(LOCAL, errno=code, seconds=seconds)
        if code:
            return nameless(code, self.shot.ttl is not None)._replace(seconds=seconds)
        if self.shot.udp:
            return None
        try:
            self.sock.getpeername()
        except OSError:
            return None
        return Reply(ACCEPTED, seconds=seconds)

    def silence(self) -> Reply:
        """Return what is known of an attempt that nothing answered: whether its retransmission left this host."""
        kept = None
        # Sending to a link-local neighbour that is not found fails as well, and TCP is told nothing of it.
        if not self.shot.udp and not scope_of(self.shot.address):
            info = self.sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_SIZE)
            if len(info) >= _RETRANS_OUT + 4 and info[_RETRANSMITS]:
                kept = struct.unpack_from("=I", info, _RETRANS_OUT)[0] == 0
        return Reply(SILENT, kept=kept, seconds=time.monotonic() - self._began)

    def _from_error_queue(self) -> Optional[Reply]:
        while True:
            try:
                _data, ancillary, _flags, _address = self.sock.recvmsg(0, 512, MSG_ERRQUEUE)
            except OSError:
                return None
            error: Optional[IcmpError] = None
            ttl: Optional[int] = None
            for level, kind, data in ancillary:
                if (level, kind) in {(socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)}:
                    error = parse(data)
                elif (level, kind) in {(socket.IPPROTO_IP, _IP_TTL), (socket.IPPROTO_IPV6, _IPV6_HOPLIMIT)}:
                    ttl = struct.unpack("=i", data)[0]
            meant = _KINDS.get((error.version, error.type)) if error else None
            if error is None or meant is None:
                continue
            if (error.version, error.type, error.code) == (4, 3, _FRAGMENTATION_NEEDED):
                continue
            return Reply(meant, error.device, error.type, error.code, ttl)

    def close(self) -> None:
        """End it; a connection that came about is reset."""
        self.sock.close()


def source_address(shot: Shot) -> Optional[str]:
    """Return the address from which this host would send to the shot's destination; None without a route."""
    with socket.socket(shot.family, socket.SOCK_DGRAM) as sock:
        try:
            if shot.source is not None:
                sock.bind(shot.source)
            sock.connect(shot.address)
        except OSError:
            return None
        return os.fsdecode(sock.getsockname()[0]).partition("%")[0]
