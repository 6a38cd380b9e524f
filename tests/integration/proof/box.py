# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel as the judge: a network namespace, packets put into it, and where they came out.

Devices are tun devices held open by this process: a packet written to one arrives at the host over it, a packet
read from one has left the host after every hook. A raw socket sees what was delivered after the last chain of
input. The number of a point travels as TCP sequence number, which NAT leaves alone, so a packet is known again
however it was changed.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from . import universe
from .universe import Point

LEGACY = ("iptables-legacy", "ip6tables-legacy")
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_IPV6_HDRINCL = 36
_SYN, _SYN_FLAGS = 0x02, 0x17
_MAGIC = 0x5A700000
_EMPTY = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
}


class Seen(NamedTuple):
    """A packet that came through: where it came out, and its ends by then."""

    where: str
    """A device, or "local" for what was delivered to the host itself."""
    source: str
    destination: str
    port: int


class Refused(Exception):
    """A tool did not take the rules; the text says why."""


def sh(*argv: str, text: str | None = None) -> str:
    """Run a command in the namespace this process is in, and return its output."""
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def own_namespace() -> Iterator[None]:
    """Put this process (its main thread) into a new network namespace, and back afterwards."""
    with open("/proc/thread-self/ns/net") as home:
        if _LIBC.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        try:
            yield
        finally:
            if _LIBC.setns(home.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")


def syn(point: Point, number: int, sport: int) -> bytes:
    """The packet of a point: a TCP SYN with right checksums, whose sequence number carries *number*."""
    version = point.version
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    ends = socket.inet_pton(family, point.source) + socket.inet_pton(family, point.destination)
    tcp = struct.pack("!HHIIBBHHH", sport, point.port, _MAGIC | number, 0, 5 << 4, _SYN, 64240, 0, 0)
    pseudo = ends + (struct.pack("!BBH", 0, 6, 20) if version == 4 else struct.pack("!IHBB", 20, 0, 0, 6))
    tcp = tcp[:16] + struct.pack("!H", _checksum(pseudo + tcp)) + tcp[18:]
    if version == 6:
        return struct.pack("!IHBB", 6 << 28, 20, 6, 64) + ends + tcp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40, number & 0xFFFF, 0, 64, 6, 0) + ends
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + tcp


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _read_tcp(tcp: bytes) -> tuple[int, int] | None:
    """(number, destination port) of one of our SYNs; None for anything else, such as the stack's own resets."""
    if len(tcp) < 20 or tcp[13] & _SYN_FLAGS != _SYN:
        return None
    port, sequence = struct.unpack_from("!HI", tcp, 2)
    return (sequence & 0xFFFFF, port) if sequence & 0xFFF00000 == _MAGIC else None


def _read_packet(where: str, data: bytes) -> tuple[int, Seen] | None:
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= 40 and data[9] == 6:
        family, ends, tcp = socket.AF_INET, data[12:20], data[(data[0] & 15) * 4 :]
    elif version == 6 and len(data) >= 60 and data[6] == 6:
        family, ends, tcp = socket.AF_INET6, data[8:40], data[40:]
    else:
        return None
    read, half = _read_tcp(tcp), len(ends) // 2
    if read is None:
        return None
    seen = Seen(where, socket.inet_ntop(family, ends[:half]), socket.inet_ntop(family, ends[half:]), read[1])
    return read[0], seen


class Box:
    """The host under test. Make it inside `own_namespace()`; load rules, send points, read what came through."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._tuns: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._sockets: list[socket.socket] = []
        self._legacy: set[str] = set()
        self._sport = 1024
        self._make_devices()
        self._make_routes()
        self._raw4 = self._socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._raw6 = self._socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._raw6.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
        self._in4 = self._socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self._in6 = self._socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self._in6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        for fd in (*self._tuns.values(), self._in4.fileno(), self._in6.fileno()):
            self._poll.register(fd, select.EPOLLIN)
        self._make_proxy()

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
        for fd in self._tuns.values():
            os.close(fd)
        self._poll.close()

    def _socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        self._sockets.append(sock)
        return sock

    def _make_devices(self) -> None:
        net = Path("/proc/sys/net")
        settings = {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1, "ipv4/icmp_ratelimit": 0}
        for scope in ("all", "default"):
            settings |= {f"ipv4/conf/{scope}/{key}": 0 for key in ("rp_filter", "send_redirects")}
            settings |= {f"ipv6/conf/{scope}/{key}": 0 for key in ("accept_dad", "autoconf", "accept_ra")}
            settings |= {f"ipv6/conf/{scope}/addr_gen_mode": 1}
        for key, value in settings.items():
            (net / key).write_text(str(value))
        for name in universe.DEVICES:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
            self._tuns[name] = fd
            self._names[fd] = name

    def _make_routes(self) -> None:
        sh("ip", "link", "set", "lo", "up")
        for name in universe.DEVICES:
            sh("ip", "link", "set", name, "up")
        for version, host, nodad in ((4, 32, ""), (6, 128, "nodad")):
            lines = [
                f"address add {one}/{host} dev {name} {nodad}"
                for name in universe.DEVICES
                for one in universe.own(version, name)
            ]
            near = universe.address(version, universe.LOCAL, 0)
            lines.append(f"route add {near}/{host - 4} dev {universe.DEVICES[-2]}")
            lines.append(f"route add default dev {universe.DEVICES[0]}")
            for offset in range(0, universe.SIZE, universe.SIZE // len(universe.DEVICES)):
                remote = universe.address(version, universe.REMOTE, offset)
                lines.append(f"route add {remote}/{host - 2} dev {universe.behind(offset)}")
            lines.append(f"route add local default dev lo table {universe.LOOSE}")
            lines.append(f"rule add fwmark {universe.LOOSE} lookup {universe.LOOSE} priority 1")
            sh("ip", f"-{version}", "-batch", "-", text="\n".join(lines))

    def _make_proxy(self) -> None:
        for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            sock = self._socket(family, socket.SOCK_STREAM)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, 75, 1)  # IPV6_TRANSPARENT
            else:
                sock.setsockopt(socket.IPPROTO_IP, 19, 1)  # IP_TRANSPARENT
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((any_address, universe.PROXY))
            sock.listen(4096)

    def load(self, nft: str = "", restores: Iterable[tuple[str, str]] = ()) -> None:
        """Replace every rule in the namespace by these: nft's text, and (tool, text) for each iptables-restore.

        Raises Refused when a tool does not take them; then no rules are loaded.
        """
        sh("conntrack", "-F")
        self._drain({})
        try:
            self._clear()
            if nft:
                sh("nft", "-f", "-", text=nft)
            for tool, text in restores:
                if tool in LEGACY:
                    self._legacy.add(tool)
                sh(f"{tool}-restore", "-w", "10", text=text)
        except Refused:
            self._clear()
            raise

    def change(self, nft: str) -> None:
        """Tell nft more, on top of what is loaded."""
        sh("nft", "-f", "-", text=nft)

    def _clear(self) -> None:
        sh("nft", "flush ruleset")
        for tool in sorted(self._legacy):
            text = "".join(
                f"*{table}\n" + "".join(f":{chain} ACCEPT\n" for chain in chains) + "COMMIT\n"
                for table, chains in _EMPTY.items()
            )
            sh(f"{tool}-restore", "-w", "10", text=text)
        self._legacy.clear()

    def send(self, points: Sequence[Point]) -> list[list[Seen]]:
        """Send the first packet of each point, in order; return for each where it was seen."""
        found: dict[int, list[Seen]] = {number: [] for number in range(len(points))}
        for number, point in enumerate(points):
            self._sport = self._sport + 1 if self._sport < 65000 else 1025
            packet = syn(point, number, self._sport)
            try:
                if point.direction != "egress":
                    os.write(self._tuns[point.iif or ""], packet)
                elif point.version == 4:
                    self._raw4.sendto(packet, (point.destination, 0))
                else:
                    self._raw6.sendto(packet, (point.destination, 0, 0, 0))
            except PermissionError:
                pass  # how a chain of output says that it dropped
            self._drain(found)
        self._drain(found, 0.005)
        return list(found.values())

    def _drain(self, found: dict[int, list[Seen]], wait: float = 0.0) -> None:
        while ready := self._poll.poll(wait):
            for fd, _event in ready:
                read = self._receive(fd)
                if read is not None and read[0] in found and read[1] not in found[read[0]]:
                    found[read[0]].append(read[1])

    def _receive(self, fd: int) -> tuple[int, Seen] | None:
        if fd in self._names:
            return _read_packet(self._names[fd], os.read(fd, 2048))
        if fd == self._in4.fileno():
            return _read_packet("local", self._in4.recv(2048))
        tcp, ancillary, _flags, sender = self._in6.recvmsg(2048, 64)
        read = _read_tcp(tcp)
        if read is None:
            return None
        destination = socket.inet_ntop(socket.AF_INET6, ancillary[0][2][:16])
        return read[0], Seen("local", sender[0].partition("%")[0], destination, read[1])


@contextmanager
def box() -> Iterator[Box]:
    """A box in a namespace of its own, which the calling process is in until the end."""
    with own_namespace():
        made = Box()
        try:
            yield made
        finally:
            made.close()


class Truth(NamedTuple):
    """What the kernel did with the packet of a point."""

    passed: bool
    changed: bool
    """It came out, and elsewhere than its destination says."""


def truth(point: Point, seen: Sequence[Seen]) -> Truth:
    """Judge a point by where its packet was seen at the end: after a device, or delivered."""
    expected = "local" if point.direction == "ingress" else point.oif
    return Truth(bool(seen), any((one.where, *one[2:]) != (expected, point.destination, point.port) for one in seen))
