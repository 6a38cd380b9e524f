# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells how the service does, by HTTP on a loopback port: /metrics, /healthz, /readyz. A process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Sequence

from alertpath_tunnel.config.model import ForwardingAddress
from alertpath_tunnel.net.runtime import NextHop, Runtime
from alertpath_tunnel.ops.board import Board, Counters
from alertpath_tunnel.ops.metrics import render
from alertpath_tunnel.process.child import say

_STALE = 10.0  # seconds without a sign of life, after which a worker counts as unwell
_CACHED = 2.0  # seconds for which an answer about next hops holds
_PATIENCE = 5.0  # seconds for a next hop to greet, and for a request to arrive
_LONGEST = 8192
_AT_ONCE = 32
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}
_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


def tell_status(runtime: Runtime, board: Board, workers: Sequence[int], channel: socket.socket) -> None:
    """Answer until SIGTERM or the end of the supervisor. `workers` are the slots of the generation's workers."""
    asyncio.run(_Status(runtime, board, workers).serve(channel))


class _Status:
    def __init__(self, runtime: Runtime, board: Board, workers: Sequence[int]) -> None:
        self._runtime, self._board, self._workers = runtime, board, workers
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._looking = asyncio.Lock()
        self._looked = -_CACHED
        self._unreachable: list[str] = []

    async def serve(self, channel: socket.socket) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_reader(channel, stop.set)
        status = self._runtime.config.status
        assert status is not None
        try:
            server = await asyncio.start_server(self._answer, status.address, status.port, limit=_LONGEST)
        except OSError as error:
            sys.stderr.write(f"$.status: cannot listen at {status.address} {status.port}: {error.strerror}\n")
            return
        say(channel, "ready")
        await stop.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            # Only those that ask for something take up room: silent ones must not keep others from their answer.
            async with self._room, asyncio.timeout(_PATIENCE * 2):
                code, kind, body = await self._page(head.split(b"\r\n", 1)[0])
                writer.write(_response(code, kind, body.encode(), alone=head.startswith(b"HEAD ")))
                await writer.drain()
        writer.close()

    async def _page(self, request: bytes) -> tuple[int, str, str]:
        match request.split(b" "):
            case [b"GET" | b"HEAD", target, version] if version.startswith(b"HTTP/1."):
                path = target.split(b"?", 1)[0]
            case [_, _, version] if version.startswith(b"HTTP/1."):
                return 405, _TEXT, "only GET and HEAD\n"
            case _:
                return 400, _TEXT, "no HTTP request\n"
        if path == b"/metrics":
            return 200, _METRICS, render(self._board.totals(), len(self._workers) - len(self._unwell()))
        if path == b"/healthz":
            return _verdict(self._unwell())
        if path == b"/readyz":
            return _verdict(self._unwell() or await self._next_hops())
        return 404, _TEXT, "/metrics, /healthz or /readyz\n"

    def _unwell(self) -> list[str]:
        oldest = time.monotonic() - _STALE
        return [
            f"worker {index} gives no sign of life"
            for index, slot in enumerate(self._workers)
            if Counters(self._board, slot).get("heartbeat") < oldest
        ]

    async def _next_hops(self) -> list[str]:
        async with self._looking:
            if time.monotonic() - self._looked >= _CACHED:
                services = [running.service for running in self._runtime.tunnels if running.service]
                hops = {hop.upstream.name: hop for service in services for hop in service.hops.values()}
                answers = await asyncio.gather(*(_reachable(hop) for hop in hops.values()))
                self._unreachable = [
                    f"no forwarding address of {name} greets" for name, ok in zip(hops, answers, strict=True) if not ok
                ]
                self._looked = time.monotonic()
            return self._unreachable


def _response(code: int, kind: str, content: bytes, alone: bool) -> bytes:
    """Return a response, or, `alone`, its head, which says what it would say with the content behind it."""
    allowed = "Allow: GET, HEAD\r\n" if code == 405 else ""
    head = (
        f"HTTP/1.1 {code} {_REASONS[code]}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{allowed}"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() if alone else head.encode() + content


def _verdict(problems: Sequence[str]) -> tuple[int, str, str]:
    return (503, _TEXT, "\n".join(problems) + "\n") if problems else (200, _TEXT, "ok\n")


async def _reachable(hop: NextHop) -> bool:
    """Whether one forwarding address greets as an SMTP server (and, with implicit TLS, with its certificate)."""
    looks = [asyncio.ensure_future(_greets(hop, address)) for address in hop.upstream.addresses]
    try:
        for look in asyncio.as_completed(looks):
            if await look:
                return True
        return False
    finally:
        for task in looks:
            task.cancel()


async def _greets(hop: NextHop, address: ForwardingAddress) -> bool:
    tls = hop.upstream.tls
    context = hop.context if tls.mode == "implicit" else None
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(
                address.address,
                address.port,
                ssl=context,
                server_hostname=(tls.name or address.name) if context else None,
            )
            try:
                greeting = await reader.readline()
                writer.write(b"QUIT\r\n")
                await writer.drain()
                return greeting.startswith((b"220 ", b"220-"))
            finally:
                writer.close()
    except (OSError, ValueError, TimeoutError):
        return False
