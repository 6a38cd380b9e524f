# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces without names, and a sender of segments in each: what the benchmark of packets is made of."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

BATCH = 1000
_NEWNET = 0x40000000  # CLONE_NEWNET, unshare(2)
_LIBC = ctypes.CDLL(None, use_errno=True)


class Room:
    """A network namespace that lives as long as this object."""

    def __init__(self) -> None:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _checked(_LIBC.unshare(_NEWNET))
        self._there = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _checked(_LIBC.setns(home, _NEWNET))
        os.close(home)
        self._kept: list[int] = []

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be in the namespace while the body runs; what it starts is, too, and its sockets stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _checked(_LIBC.setns(self._there, _NEWNET))
        try:
            yield
        finally:
            _checked(_LIBC.setns(home, _NEWNET))
            os.close(home)

    def run(self, *commands: str) -> None:
        with self.inside():
            for command in commands:
                subprocess.run(command.split(), check=True)

    def load(self, rules: str) -> None:
        """Put *rules* in place of all others of this namespace."""
        with self.inside():
            subprocess.run(["nft", "-f", "-"], input=f"flush ruleset\n{rules}", text=True, check=True)

    def drain(self) -> None:
        """Send everything into a device that drops it, because nobody reads it (tun(4))."""
        with self.inside():
            descriptor = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(descriptor, 0x400454CA, struct.pack("16sH22x", b"drop0", 0x0001 | 0x1000))
        self._kept.append(descriptor)
        self.run("ip link set drop0 up", "ip route add default dev drop0", "ip -6 route add default dev drop0")

    def connect(self, device: str, other: Room, peer: str) -> None:
        """Lay a cable (veth(4)) from *device* here to *peer* in *other*."""
        with other.inside():
            holder = subprocess.Popen(["cat"], stdin=subprocess.PIPE)  # ip names a namespace by a process in it
        try:
            self.run(f"ip link add {device} type veth peer name {peer} netns {holder.pid}")
        finally:
            holder.communicate()


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    _fields_ = [
        *(("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32)),
        *(("vector", ctypes.POINTER(_Iovec)), ("count", ctypes.c_size_t)),
        *(("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int)),
    ]


class _Many(ctypes.Structure):
    _fields_ = [("header", _Message), ("sent", ctypes.c_uint)]


class Sender:
    """Sends one TCP segment to *port* for each of BATCH *pairs* of addresses, with one call of the kernel (sendmmsg).

    The segments are whole packets with an IP header of their own (raw(7)), so any source may be written.
    """

    def __init__(self, room: Room, pairs: Sequence[tuple[str, str]], port: int) -> None:
        if len(pairs) != BATCH:
            raise ValueError(f"{len(pairs)} pairs are not {BATCH}")
        family = socket.AF_INET6 if ":" in pairs[0][0] else socket.AF_INET
        with room.inside():
            self._socket = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self._kept: list[object] = []
        self._many = (_Many * BATCH)()
        segment = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 2, 1000, 0, 0)
        for many, pair in zip(self._many, pairs, strict=True):
            source, destination = (socket.inet_pton(family, end) for end in pair)
            if family == socket.AF_INET:
                header = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, socket.IPPROTO_TCP, 0)
                name_data = struct.pack("=HH", family, 0) + destination + bytes(8)
            else:
                header = struct.pack("!IHBB", 6 << 28, len(segment), socket.IPPROTO_TCP, 64)
                name_data = struct.pack("=HHI", family, 0, 0) + destination + bytes(4)
            data = header + source + destination + segment
            buffer = ctypes.create_string_buffer(data, len(data))
            name = ctypes.create_string_buffer(name_data, len(name_data))
            vector = _Iovec(ctypes.addressof(buffer), len(data))
            self._kept += [buffer, name, vector]
            many.header = _Message(ctypes.addressof(name), len(name_data), ctypes.pointer(vector), 1, None, 0, 0)

    def nanoseconds(self, batches: int) -> float:
        """Send that many batches; return the processor time that one segment took.

        Time in which another process had the processor does not count.
        """
        start = time.thread_time_ns()
        for _batch in range(batches):
            if _LIBC.sendmmsg(self._socket.fileno(), self._many, BATCH, 0) != BATCH:
                raise OSError(ctypes.get_errno(), "sendmmsg stopped early")
        return (time.thread_time_ns() - start) / batches / BATCH


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
