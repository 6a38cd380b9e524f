# SPDX-License-Identifier: GPL-3.0-or-later
"""What all peers have in common."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..cases import Load, Tls

SINK = "/usr/sbin/smtp-sink"


def nothing_to_wait_for() -> None:
    """A peer without a queue has delivered what it accepted."""


@dataclass(frozen=True)
class Peer:
    """One way for mail.

    `ports` has a port for each (TLS from the client, TLS to the next hop) that the peer offers; `roots` are the
    processes whose time is counted, with their children's; `settle` returns when everything accepted is delivered.
    """

    name: str
    ports: dict[tuple[bool, bool], int]
    roots: list[int]
    workers: int | None = None
    settle: Callable[[], None] = field(default=nothing_to_wait_for)

    def port(self, load: Load) -> int | None:
        """Return where this load goes, or None when the peer cannot carry it."""
        return self.ports.get((load.tls is not Tls.NONE, load.onward))


@dataclass(frozen=True)
class Sinks:
    """Where all mail ends: in clear text, and behind STARTTLS."""

    clear: int
    tls: int
    roots: list[int]


def await_greeting(port: int, seconds: float = 20.0) -> float:
    """Wait until port greets as SMTP servers do; return the seconds it took.

    Raises TimeoutError.
    """
    return _await(port, seconds, lambda connection: connection.recv(3) == b"220", "greets")


def await_port(port: int, seconds: float = 20.0) -> float:
    """Wait until port accepts connections, for servers that let the client speak first; return the seconds it took.

    Raises TimeoutError.
    """
    return _await(port, seconds, lambda _connection: True, "listens")


def _await(port: int, seconds: float, ready: Callable[[socket.socket], bool], does: str) -> float:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            if ready(connection):
                return time.monotonic() - began
        time.sleep(0.005)
    raise TimeoutError(f"nothing {does} on port {port} of 127.0.0.1 within {seconds:g} s")


@contextlib.contextmanager
def process(*argv: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for as long as the context lasts; what it complains about is seen."""
    running = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=env)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
