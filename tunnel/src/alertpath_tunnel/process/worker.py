# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker: carries the mail of the connections it accepts, until it is told to retire or to stop."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import socket
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import uvloop

from alertpath_tunnel.net.runtime import Runtime
from alertpath_tunnel.net.server import Server
from alertpath_tunnel.ops.board import Counters
from alertpath_tunnel.ops.journal import Journal
from alertpath_tunnel.process.activation import Address
from alertpath_tunnel.process.child import say

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_BEAT = 1.0  # seconds
_KEPT = 8 * 1024 * 1024  # octets; up to twice as much is kept for what comes next


def work(
    runtime: Runtime,
    sockets: Mapping[Address, socket.socket],
    workers: int,
    journal: Journal,
    counters: Counters,
    channel: socket.socket,
) -> None:
    """Serve until SIGTERM, or SIGUSR1 and no session is left, or the supervisor is gone."""
    sys.unraisablehook = _unraisable
    _keep_memory()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(share(runtime, workers), sockets, journal, counters, channel))


def _keep_memory() -> None:
    """Let freed memory stay with this process: handed back after each part of a message, it costs a fault a page."""
    # glibc moves its bounds to the size of what is freed (mallopt(3), notes on M_MMAP_THRESHOLD).
    bytearray(_KEPT)


def share(runtime: Runtime, workers: int) -> Runtime:
    """Return the runtime with one worker's share of what is limited for the whole service, rounded up."""
    limits = runtime.config.limits
    each = dataclasses.replace(
        limits,
        connections=-(-limits.connections // workers),
        bytes_in_flight=max(-(-limits.bytes_in_flight // workers), limits.message_bytes),
    )
    return dataclasses.replace(runtime, config=dataclasses.replace(runtime.config, limits=each))


async def _work(
    runtime: Runtime,
    sockets: Mapping[Address, socket.socket],
    journal: Journal,
    counters: Counters,
    channel: socket.socket,
) -> None:
    loop = asyncio.get_running_loop()
    stop, retire = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, retire.set)
    # The supervisor never writes here: readable means that it is gone.
    loop.add_reader(channel, _orphaned, loop, channel, stop)
    server = Server(runtime, journal, counters)
    await server.start(sockets)
    beating = asyncio.ensure_future(_beat(counters, server))
    say(channel, "ready")
    await _either(stop, retire)
    timeouts = runtime.config.timeouts
    if not stop.is_set():
        server.retire()
        say(channel, "retired")
        await _either(stop, server.empty, timeout=timeouts.retire)
    broken = await server.drain(timeouts.drain)
    say(channel, f"broken {broken}")
    beating.cancel()


def _unraisable(found: UnraisableHookArgs) -> None:
    """Python reads the name a client asks for by TLS where it can raise nothing, and writes a traceback instead.

    The handshake fails, and the session says so: strangers must not fill the log.
    """
    if not (isinstance(found.exc_value, UnicodeDecodeError) and isinstance(found.object, bytes)):
        sys.__unraisablehook__(found)


def _orphaned(loop: asyncio.AbstractEventLoop, channel: socket.socket, stop: asyncio.Event) -> None:
    loop.remove_reader(channel)
    stop.set()


async def _beat(counters: Counters, server: Server) -> None:
    while True:
        counters.put("heartbeat", time.monotonic())
        counters.put("bytes_in_flight", server.bytes_in_flight)
        await asyncio.sleep(_BEAT)


async def _either(*waited: asyncio.Event, timeout: float | None = None) -> None:
    tasks = [asyncio.ensure_future(event.wait()) for event in waited]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
