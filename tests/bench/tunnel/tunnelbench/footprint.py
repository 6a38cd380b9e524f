# SPDX-License-Identifier: GPL-3.0-or-later
"""What a peer takes while it carries nothing: memory for each idle session, and time from start to ready."""

from __future__ import annotations

import fnmatch
import socket
import ssl
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness import Pki

from .accounts import resident
from .peers.base import Peer, Sinks
from .peers.tunnel import VARIANTS, tunnel
from .release import SYSTEM

NAMES = ("idle/plain", "idle/tls", "start")
HEAD = ("what", "peer", "median", "least to most")
SETTLED = 0.5
"""Seconds in which a peer does what it does once a session is there, before its memory is read."""


@dataclass(frozen=True)
class Figure:
    """One thing measured several times, in *unit*."""

    what: str
    peer: str
    unit: str
    values: list[float]

    def cells(self) -> tuple[str, ...]:
        middle, least, most = map(_figure, (statistics.median(self.values), min(self.values), max(self.values)))
        apart = f"{least} to {most}" if len(self.values) > 1 else ""
        return self.what, self.peer, f"{middle} {self.unit}", apart


def chosen(patterns: list[str]) -> list[str]:
    """Return the names that fit one of the shell patterns; all of them without patterns."""
    return [name for name in NAMES if not patterns or any(fnmatch.fnmatch(name, one) for one in patterns)]


def idle(name: str, peers: Iterable[Peer], pki: Pki) -> list[Figure]:
    """Measure each peer's memory for a session that has said EHLO and waits, behind TLS for `idle/tls`.

    Raises OSError and RuntimeError when a peer lets a session not in.
    """
    secured = name == "idle/tls"
    return [
        Figure(f"{name}, {count} sessions", peer.name, "KB a session", [_idle(peer, pki, count, secured)])
        for peer in peers
        if peer.roots and (secured, False) in peer.ports
        for count in [1000 if peer.workers else 50]
    ]


def _idle(peer: Peer, pki: Pki, count: int, secured: bool) -> float:
    """Return the KB for each of *count* sessions, above what the peer holds with a few."""
    context = ssl.create_default_context(cafile=str(pki.ca)) if secured else None
    with ExitStack() as stack:

        def more(number: int) -> int:
            for _ in range(number):
                stack.enter_context(_session(peer.ports[secured, False], context))
            time.sleep(SETTLED)
            return resident(peer.roots)

        # The first ones let every worker load what a first session needs.
        before = more(4 * (peer.workers or 1))
        return (more(count) - before) / count / 1000


def _session(port: int, context: ssl.SSLContext | None) -> socket.socket:
    """Return a connection after EHLO."""
    connection = socket.create_connection(("127.0.0.1", port), 20)
    _reply(connection)
    _ehlo(connection)
    if context:
        connection.sendall(b"STARTTLS\r\n")
        _reply(connection)
        connection = context.wrap_socket(connection, server_hostname="localhost")
        _ehlo(connection)
    return connection


def _ehlo(connection: socket.socket) -> None:
    connection.sendall(b"EHLO client.bench.example\r\n")
    _reply(connection)


def _reply(connection: socket.socket) -> None:
    """Read one reply. Raises RuntimeError when it is not one of success."""
    reply = b""
    while not reply.endswith(b"\r\n") or reply[reply.rfind(b"\n", 0, -1) + 1 :][3:4] == b"-":
        piece = connection.recv(4096)
        reply += piece
        if not piece or reply[:1] != b"2":
            raise RuntimeError(f"an idle session was not let in: {reply!r}")


def starts(home: Path, pki: Pki, sinks: Sinks, times: int) -> list[Figure]:
    """Measure the time from the service's command to its READY=1 (sd_notify(3)); and what Python alone takes."""
    bare = [_seconds(lambda: subprocess.run([SYSTEM, "-c", "pass"], check=True)) for _ in range(times)]
    figures = [Figure("start", "Python alone", "s", bare)]
    for variant in (one for one in VARIANTS if not one.rules):
        taken = []
        for number in range(times):
            place = home / f"start-{VARIANTS.index(variant)}-{number}"
            place.mkdir()
            began = time.perf_counter()
            with tunnel(place, pki, sinks, variant):
                taken.append(time.perf_counter() - began)
        figures.append(Figure("start to ready", variant.name, "s", taken))
    return figures


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
