# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One client's session: reads what the client says, and answers with what its delivery came to."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import traceback
from collections.abc import Mapping
from typing import Final

from alertpath_tunnel.config.model import Config
from alertpath_tunnel.net.addresses import plain, within
from alertpath_tunnel.net.budget import Budget
from alertpath_tunnel.net.delivery import Delivery
from alertpath_tunnel.net.examiner import Examiner
from alertpath_tunnel.net.pool import Pool
from alertpath_tunnel.net.runtime import RunningTunnel
from alertpath_tunnel.net.tls import agreed, asked_name
from alertpath_tunnel.net.upstream import Lost
from alertpath_tunnel.net.wire import Wire
from alertpath_tunnel.ops.journal import Journal
from alertpath_tunnel.smtp import events, tables
from alertpath_tunnel.smtp.reply import Reply
from alertpath_tunnel.smtp.server import ServerSession

_INTERNAL: Final = Reply(421, (b"4.3.0 Internal error, closing",))
_numbers: Final = itertools.count(1)


class Session:
    """Serves one connection from greeting to farewell."""

    def __init__(
        self,
        wire: Wire,
        client: str,
        tunnel: RunningTunnel,
        config: Config,
        budget: Budget,
        examiner: Examiner,
        pool: Pool,
        journal: Journal,
    ) -> None:
        self._wire = wire
        self._tunnel = tunnel
        self._config = config
        self._idle = tunnel.tunnel.idle
        self._share = budget.share()
        self._delivery = Delivery(next(_numbers), client, tunnel, config, self._share, examiner, pool, journal)
        self._loop = asyncio.get_running_loop()
        self._deadline = 0.0
        self._message_deadline = 0.0
        self._rate_deadline = 0.0  # moves on with each octet of a message
        self._draining = False
        tls = tunnel.tunnel.tls
        policy = tunnel.policy
        if policy.tls_required and within(client, tls.clear_text_clients):
            policy = dataclasses.replace(policy, tls_required=False)
        self._machine = ServerSession(policy, tls_active=tls.mode == "implicit")
        if self._delivery.passes_parts:
            self._machine.part = config.limits.part_bytes

    def drain(self) -> None:
        """End as soon as no transaction is under way."""
        self._draining = True
        self._wire.interrupt()

    async def run(self) -> None:
        """Serve until either side is done. Never raises but for cancellation."""
        said: tuple[Reply | None, str] = (None, "session ended")
        try:
            said = (await self._serve(), "session closed")
        except (ConnectionError, TimeoutError) as error:
            self._delivery.note("connection lost", error)
        except OSError as error:
            self._delivery.note("connection lost" if self._machine.in_transaction else "TLS failed", error)
        except Exception as error:  # noqa: BLE001 - one session must not take the others with it
            trace = "".join(traceback.format_tb(error.__traceback__))
            self._delivery.note("internal error", error, trace=trace)
            self._machine.close(_INTERNAL)
            with contextlib.suppress(ConnectionError):
                self._wire.send(self._machine.take_output())
        finally:
            self._delivery.leave(*said)
            self._wire.close()

    async def _serve(self) -> Reply | None:
        """Return what ended the session."""
        if self._tunnel.tunnel.tls.mode == "implicit":
            await self._encrypt()
        if self._tunnel.service is None:
            self._machine.close(tables.UNAVAILABLE)
        else:
            self._machine.greet()
        while True:
            event = self._machine.next_event()
            if event is events.NEED_DATA:
                if not await self._more():
                    return None
            elif isinstance(event, events.Closed):
                await self._flush()
                # A farewell decides nothing about a transaction that was under way.
                return None if event.reply is tables.BYE else event.reply
            else:
                self._deadline = 0.0
                try:
                    await self._handle(event)
                except Lost as error:
                    self._delivery.lost(error)
                    self._machine.close(tables.LOST)

    # -- the client ----------------------------------------------------------------------------------------------

    async def _more(self) -> bool:
        """Feed the machine once more; false at the end of the connection."""
        await self._flush()
        machine, now = self._machine, self._loop.time()
        if machine.receiving:
            if not await self._find_room():
                self._machine.discard(tables.FULL)
                self._share.release()
            now = self._loop.time()
            deadline = min(now + self._idle, self._message_deadline, self._rate_deadline)
        else:
            # A deadline for the whole command, not for each of its octets.
            deadline = self._deadline = self._deadline or now + self._idle
        if self._draining and not machine.in_transaction:
            machine.close(tables.SHUTTING_DOWN)
            return True
        try:
            data = await self._wire.read(deadline)
        except TimeoutError:
            machine.close(tables.TIMED_OUT)
            return True
        self._rate_deadline += len(data) / self._config.limits.data_rate
        machine.receive(data)
        return bool(data) or not self._wire.ended

    async def _find_room(self) -> bool:
        """Wait until the message under way may grow; false when that takes too long."""
        held = self._machine.held
        self._share.hold(held)
        if not held or self._share.may_grow:
            return True
        began = self._loop.time()
        try:
            await self._share.room(min(began + self._config.timeouts.room, self._message_deadline))
        except TimeoutError:
            return False
        # The client could not send meanwhile.
        self._rate_deadline += self._loop.time() - began
        return True

    async def _flush(self) -> None:
        output = self._machine.take_output()
        if output:
            # What we answered is over, whoever found the answer: the time for the next command begins.
            self._deadline = 0.0
            self._wire.send(output)
            if self._wire.slow:
                await self._wire.caught_up(self._loop.time() + self._idle)

    def _reply(self, reply: Reply, close: bool = False) -> None:
        # What arrived meanwhile was sent before our reply: the machine judges whether that was allowed.
        if self._wire.buffered:
            self._machine.receive(self._wire.take())
        self._machine.reply(reply, close)

    async def _encrypt(self) -> None:
        assert self._tunnel.context is not None
        await self._wire.start_tls(self._tunnel.context, self._config.timeouts.handshake)
        self._delivery.client_tls = agreed(self._wire.get_extra("ssl_object"))

    # -- events --------------------------------------------------------------------------------------------------

    async def _handle(self, event: events.Event) -> None:
        match event:
            case events.Hello():
                await self._hello()
            case events.StartTls():
                await self._start_tls()
            case events.Auth():
                self._reply(await self._delivery.auth(event, self._machine.relayed))
            case events.Mail():
                self._reply(await self._delivery.mail(event.path, self._machine.relayed))
            case events.Rcpt():
                self._reply(await self._delivery.rcpt(event.path))
            case events.DataStart():
                await self._data_start()
            case events.Part():
                refusal = await self._delivery.part(event.lines)
                if refusal:
                    self._machine.discard(refusal)
            case events.Message():
                reply = await self._delivery.message(event)
                self._reply(reply, close=reply is tables.CLOSING_CONTENT)
                await self._flush()
                self._delivery.end()
            case events.Reset():
                await self._delivery.reset()
                self._reply(tables.FLUSHED)
            case _:
                raise AssertionError(event)

    async def _data_start(self) -> None:
        self._share.begin()
        if not self._share.may_grow:
            try:
                await self._share.room(self._loop.time() + self._config.timeouts.room)
            except TimeoutError:
                self._share.release()
                self._reply(tables.FULL)
                return
        now = self._loop.time()
        self._message_deadline = now + self._config.timeouts.message
        self._rate_deadline = now + self._idle
        self._reply(tables.START_DATA)

    async def _hello(self) -> None:
        available: Mapping[bytes, bytes] | None = {}
        # Nobody is bothered on behalf of a client that has yet to begin TLS.
        if self._machine.tls_active or not self._machine.policy.tls_required:
            local = self._wire.get_extra("sockname")
            address = plain(str(local[0])) if isinstance(local, tuple) else None
            available = await self._delivery.hello(asked_name(self._wire.get_extra("ssl_object")), address)
        if available is None:
            self._reply(tables.UNAVAILABLE)
        else:
            self._machine.receive(self._wire.take())
            self._machine.accept_hello(available)

    async def _start_tls(self) -> None:
        self._reply(tables.START_TLS)
        if self._machine.state is tables.ServerState.CLOSED:
            return
        # No await between the look at what is pending and the handshake: nothing can slip in.
        self._wire.send(self._machine.take_output())
        await self._encrypt()
        self._machine.tls_started()
