# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry packets between two network namespaces by way of TUN devices, late and with losses.

    slow_relay.py CLIENT SERVER LOSS SECONDS SLOW_SECONDS SLOW_EVERY

LOSS is the share of packets lost each way, SECONDS the time each way; SLOW_SECONDS holds for the servers whose
address's last octet is SLOW_EVERY - 1 modulo SLOW_EVERY. For machines whose kernel has no netem.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque
from pathlib import Path

_SET_INTERFACE = 0x400454CA  # TUNSETIFF, linux/if_tun.h
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_NET_NAMESPACE = 0x40000000
_BATCH = 256
_C = ctypes.CDLL(None, use_errno=True)


def open_inside(namespace: str) -> int:
    """Return the descriptor of the device `slow` in a namespace; this process stays there."""
    handle = os.open(Path("/run/netns") / namespace, os.O_RDONLY)
    if _C.setns(handle, _NET_NAMESPACE):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(handle)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _SET_INTERFACE, struct.pack("16sH14x", b"slow", _TUN_WITHOUT_HEADER))
    return device


class Lane:
    """One direction: what was read from one device waits until it is written to the other."""

    def __init__(self, source: int, sink: int, address: tuple[int, int], loss: float, seconds: list[float]) -> None:
        self.source = source
        self._sink = sink
        self._last_octet = address
        self._loss = loss
        self._seconds = seconds
        self._waiting: list[deque[tuple[float, bytes]]] = [deque(), deque()]

    def take(self, now: float, every: int) -> None:
        v4, v6 = self._last_octet
        for _packet in range(_BATCH):
            try:
                packet = os.read(self.source, 65536)
            except BlockingIOError:
                return
            if random.random() < self._loss:
                continue
            octet = packet[v4 if packet[0] >> 4 == 4 else v6]
            slow = octet % every == every - 1
            self._waiting[slow].append((now + self._seconds[slow], packet))

    def give(self, now: float) -> None:
        for waiting in self._waiting:
            while waiting and waiting[0][0] <= now:
                try:
                    os.write(self._sink, waiting.popleft()[1])
                except OSError:
                    return

    def due(self) -> float:
        return min((waiting[0][0] for waiting in self._waiting if waiting), default=float("inf"))


def main() -> None:
    client, server = open_inside(sys.argv[1]), open_inside(sys.argv[2])
    loss, seconds, slow, every = float(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6])
    there = Lane(client, server, (19, 39), loss, [seconds, slow])  # the destination address ends there (IPv4, IPv6)
    back = Lane(server, client, (15, 23), loss, [seconds, slow])  # and the source address here
    poll = select.poll()
    poll.register(client, select.POLLIN)
    poll.register(server, select.POLLIN)
    print("ready", flush=True)
    while True:
        wait = min(there.due(), back.due()) - time.monotonic()
        poll.poll(None if wait == float("inf") else max(0, int(wait * 1000 + 0.5)))
        for lane in (there, back):
            now = time.monotonic()
            lane.take(now, every)
            lane.give(now)


main()
