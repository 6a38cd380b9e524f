# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One client's session: drives the two state machines in lockstep, and takes each verdict from the next hop."""

from __future__ import annotations

import asyncio
import itertools
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from alertpath_tunnel.net.addresses import within
from alertpath_tunnel.net.budget import Budget
from alertpath_tunnel.net.pool import Pool
from alertpath_tunnel.net.runtime import NextHop, RunningTunnel
from alertpath_tunnel.net.tls import agreed, asked_name
from alertpath_tunnel.net.upstream import Lost, Unavailable, UpstreamConnection, identity
from alertpath_tunnel.net.wire import Wire
from alertpath_tunnel.ops.journal import Journal, Transaction
from alertpath_tunnel.rules.message import Outcome
from alertpath_tunnel.smtp import events, tables
from alertpath_tunnel.smtp.reply import Reply
from alertpath_tunnel.smtp.server import ServerPolicy, ServerSession

if TYPE_CHECKING:
    from alertpath_tunnel.config.model import Config

# Above this size a message is examined beside the event loop, so that others do not wait for it.
_LARGE = 64 * 1024
_INTERNAL = Reply(421, (b"4.3.0 Internal error, closing",))
_numbers = itertools.count(1)


class Session:
    """Serves one connection from greeting to farewell."""

    def __init__(
        self,
        wire: Wire,
        client: str,
        tunnel: RunningTunnel,
        config: Config,
        budget: Budget,
        pool: Pool,
        journal: Journal,
    ) -> None:
        self.client = client  # its address, by the PROXY header where one is believed
        self._wire = wire
        self._pool = pool
        self._tunnel = tunnel
        self._config = config
        self._share = budget.share()
        self._journal = journal
        self._id = next(_numbers)
        self._loop = asyncio.get_running_loop()
        self._upstream: UpstreamConnection | None = None
        self._hop: NextHop | None = None
        self._deadline = 0.0
        self._message_deadline = 0.0
        self._rate_deadline = 0.0  # moves on with each octet of a message
        self._draining = False
        self._transaction: Transaction | None = None
        tls = tunnel.tunnel.tls
        policy = ServerPolicy(
            hostname=config.hostname.encode(),
            identity=identity(config),
            size=config.limits.message_bytes,
            recipients=config.limits.recipients,
            errors=config.limits.errors,
            tls_offered=tls.mode == "starttls",
            tls_required=tls.mode == "starttls" and tls.required and not within(self.client, tls.clear_text_clients),
        )
        self._machine = ServerSession(policy, tls_active=tls.mode == "implicit")

    def drain(self) -> None:
        """End as soon as no transaction is under way."""
        self._draining = True
        self._wire.interrupt()

    async def run(self) -> None:
        """Serve until either side is done. Never raises but for cancellation."""
        try:
            await self._serve()
        except (ConnectionError, TimeoutError) as error:
            self._note("connection lost", error)
        except OSError as error:
            self._note("TLS failed" if self._transaction is None else "connection lost", error)
        except Exception as error:  # noqa: BLE001 - one session must not take the others with it
            self._note("internal error", error, trace="".join(traceback.format_tb(error.__traceback__)))
            self._machine.close(_INTERNAL)
            self._wire.send(self._machine.take_output())
        finally:
            self._end_transaction(None, "session ended")
            self._share.release()
            self._wire.close()
            self._leave_upstream()

    async def _serve(self) -> None:
        if self._tunnel.tunnel.tls.mode == "implicit":
            assert self._tunnel.context is not None
            await self._wire.start_tls(self._tunnel.context, self._config.timeouts.handshake)
        if self._tunnel.service is None:
            self._machine.close(tables.UNAVAILABLE)
        else:
            self._machine.greet()
        while True:
            event = self._machine.next_event()
            if isinstance(event, events.Closed):
                await self._flush()
                self._end_transaction(event.reply, "session closed")
                return
            if isinstance(event, events.NeedData):
                if not await self._more():
                    return
                continue
            self._deadline = 0.0
            try:
                await self._handle(event)
            except Lost as error:
                self._lost(error)

    # -- reading -------------------------------------------------------------------------------------------------

    async def _more(self) -> bool:
        """Feed the machine once more; false at the end of the connection."""
        self._share.hold(self._machine.held)
        if self._share.over:
            self._machine.discard(tables.FULL)
            # At once, or every other session would believe that it must let go, too.
            self._share.hold(self._machine.held)
        await self._flush()
        if self._draining and not self._machine.in_transaction:
            self._machine.close(tables.SHUTTING_DOWN)
            return True
        now = self._loop.time()
        idle = self._tunnel.tunnel.idle
        if self._machine.held:
            deadline = min(now + idle, self._message_deadline, self._rate_deadline)
        else:
            # A deadline for the whole command, not for each of its octets.
            self._deadline = self._deadline or now + idle
            deadline = self._deadline
        try:
            data = await self._wire.read(deadline)
        except TimeoutError:
            self._machine.close(tables.TIMED_OUT)
            return True
        self._rate_deadline += len(data) / self._config.limits.data_rate
        self._machine.receive(data)
        return bool(data) or not self._wire.ended

    async def _flush(self) -> None:
        output = self._machine.take_output()
        if output:
            await self._wire.write(output, self._loop.time() + self._tunnel.tunnel.idle)

    def _reply(self, reply: Reply, close: bool = False) -> None:
        # What arrived meanwhile was sent before our reply: the machine judges whether that was allowed.
        self._machine.receive(self._wire.take())
        self._machine.reply(reply, close)

    # -- events --------------------------------------------------------------------------------------------------

    async def _handle(self, event: events.Event) -> None:
        match event:
            case events.Hello():
                await self._hello()
            case events.StartTls():
                await self._start_tls()
            case events.Mail():
                await self._mail(event)
            case events.Rcpt():
                reply = await self._upstream_or_lost().rcpt(event.path)
                if self._transaction:
                    self._transaction.recipient(reply)
                self._relay(reply)
            case events.DataStart():
                now = self._loop.time()
                self._message_deadline = now + self._config.timeouts.message
                self._rate_deadline = now + self._tunnel.tunnel.idle
                self._reply(tables.FULL if self._share.full else tables.START_DATA)
            case events.Message():
                await self._message(event)
            case events.Reset():
                await self._reset_upstream()
                self._leave_upstream()
                self._end_transaction(None, "reset")
                self._reply(tables.FLUSHED)
            case _:
                raise AssertionError(event)

    async def _hello(self) -> None:
        if self._machine.policy.tls_required and not self._machine.tls_active:
            # Nobody is bothered on behalf of a client that has yet to begin TLS.
            self._accept_hello({})
            return
        self._end_transaction(None, "reset")
        await self._reset_upstream()
        self._leave_upstream()
        self._hop = self._find_hop()
        if await self._take_upstream():
            available = dict(self._upstream_or_lost().extensions)
            # Until MAIL others may use the connection: an idle session costs the next hop nothing.
            self._leave_upstream()
            self._accept_hello(available)
        else:
            self._reply(tables.UNAVAILABLE)

    def _accept_hello(self, available: dict[bytes, bytes]) -> None:
        self._machine.receive(self._wire.take())
        self._machine.accept_hello(available)

    async def _start_tls(self) -> None:
        assert self._tunnel.context is not None
        self._reply(tables.START_TLS)
        if self._machine.state is tables.ServerState.CLOSED:
            return
        # No await between the look at what is pending and the handshake: nothing can slip in.
        self._wire.send(self._machine.take_output())
        await self._wire.start_tls(self._tunnel.context, self._config.timeouts.handshake)
        self._machine.tls_started()

    async def _mail(self, event: events.Mail, fresh: bool = False) -> None:
        if not await self._take_upstream(fresh):
            self._reply(tables.UNAVAILABLE)
            return
        upstream = self._upstream_or_lost()
        relayed = set(self._machine.extensions) - {b"STARTTLS"}
        if not relayed <= set(upstream.extensions):
            # Another forwarding address than the one we spoke for.
            self._leave_upstream()
            self._reply(tables.UNAVAILABLE)
            return
        self._transaction = Transaction(
            session=self._id,
            tunnel=self._tunnel.tunnel.name,
            client=self.client,
            tls=agreed(self._wire.get_extra("ssl_object")),
            upstream=f"{upstream.address.address}:{upstream.address.port}",
            upstream_tls=upstream.tls,
        )
        try:
            reply = await upstream.mail(event.path)
            if reply.code == 421 and upstream.reused:
                raise Lost("a farewell crossed MAIL")
        except Lost:
            if not upstream.reused:
                raise
            # It ended between two messages, and MAIL promised nobody anything: once more over a new connection.
            upstream.abort()
            self._upstream = self._transaction = None
            await self._mail(event, fresh=True)
            return
        self._relay(reply)
        if not reply.positive:
            self._leave_upstream()
            self._end_transaction(reply, "sender refused", by_next_hop=True)

    async def _message(self, event: events.Message) -> None:
        assert self._transaction is not None
        self._share.hold(len(event.content))
        refusal = event.refusal or (tables.FULL if self._share.over else None)
        if refusal:
            await self._reset_upstream()
            self._finish(refusal, "not acceptable", close=refusal is tables.CLOSING_CONTENT)
            return
        self._transaction.received(event.content)
        if tables.hops(event.content) > self._config.limits.received_headers:
            await self._reset_upstream()
            self._finish(tables.LOOP, "too many Received headers")
            return
        outcome = await self._process(event.content)
        self._transaction.processed(outcome)
        if outcome.refusal:
            await self._reset_upstream()
            self._finish(outcome.refusal, outcome.reason)
            return
        upstream = self._upstream_or_lost()
        reply = await upstream.data()
        if reply.code == 354:
            reply = await upstream.message(outcome.content, received=outcome.content is event.content)
        elif reply.positive:
            raise Lost(f"DATA was answered {reply.code}")
        else:
            await self._reset_after(reply)
        self._share.hold(0)
        self._relay(reply)
        self._leave_upstream()
        self._end_transaction(reply, "", by_next_hop=True)

    async def _process(self, content: bytes) -> Outcome:
        assert self._tunnel.service is not None
        processor = self._tunnel.service.processor
        process: Callable[[bytes], Outcome] = processor.process
        if len(content) <= _LARGE or not processor.active:
            return process(content)
        try:
            async with asyncio.timeout(self._config.timeouts.processing):
                return await asyncio.to_thread(process, content)
        except TimeoutError:
            return Outcome(b"", tables.PROCESSING, "the rules took too long")

    def _finish(self, reply: Reply, reason: str, close: bool = False) -> None:
        self._share.hold(0)
        self._leave_upstream()
        self._reply(reply, close)
        self._end_transaction(reply, reason)

    # -- the next hop --------------------------------------------------------------------------------------------

    def _find_hop(self) -> NextHop | None:
        assert self._tunnel.service is not None
        local = self._wire.get_extra("sockname")
        address = str(local[0]) if isinstance(local, tuple) else None
        return self._tunnel.service.hop(asked_name(self._wire.get_extra("ssl_object")), address)

    async def _take_upstream(self, fresh: bool = False) -> bool:
        if self._upstream is None and self._hop:
            try:
                self._upstream = await self._pool.take(self._hop, self._config, fresh)
            except Unavailable as error:
                self._note("next hop unavailable", error)
        return self._upstream is not None

    def _upstream_or_lost(self) -> UpstreamConnection:
        if self._upstream is None:
            raise Lost("there is no connection to a next hop")
        return self._upstream

    async def _reset_upstream(self) -> None:
        if self._upstream:
            try:
                await self._upstream.reset()
            except Lost:
                # Nothing was sent that could be accepted; the next transaction connects anew.
                self._upstream.abort()
                self._upstream = None

    async def _reset_after(self, reply: Reply) -> None:
        if reply.code != 421:
            await self._reset_upstream()

    def _leave_upstream(self) -> None:
        """Give the connection back; one within a transaction is broken off, which ends the transaction."""
        upstream, self._upstream = self._upstream, None
        if upstream:
            self._pool.give(upstream, self._config)

    def _relay(self, reply: Reply) -> None:
        """Answer the client with the next hop's reply."""
        if 300 <= reply.code < 400:
            raise Lost(f"a command was answered {reply.code}")
        self._reply(reply)

    def _lost(self, error: Lost) -> None:
        """The next hop is gone within a transaction: whether it took the message, only it knows."""
        if self._upstream:
            self._upstream.abort()
            self._upstream = None
        self._machine.close(tables.LOST)
        if self._transaction is None:
            self._note("next hop lost", error)
        self._end_transaction(tables.LOST, str(error))

    # -- the journal ---------------------------------------------------------------------------------------------

    def _end_transaction(self, reply: Reply | None, reason: str, by_next_hop: bool = False) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction:
            self._journal.write(transaction.record(reply, reason, by_next_hop))

    def _note(self, event: str, error: Exception, **more: object) -> None:
        record = {"event": event, "session": self._id, "tunnel": self._tunnel.tunnel.name, "client_ip": self.client}
        reason = "" if event == "internal error" else str(error)
        self._journal.write({**record, "reason": reason or type(error).__name__, **more})
