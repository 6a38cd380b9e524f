# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of one client's mail: the way to the next hop, the rules, and the line in the journal.

It knows nothing of the client's connection: a session asks it, and passes its replies on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Final

from alertpath_tunnel.config.model import Config
from alertpath_tunnel.net.budget import Share
from alertpath_tunnel.net.examiner import Examiner
from alertpath_tunnel.net.pool import Pool
from alertpath_tunnel.net.runtime import NextHop, RunningTunnel
from alertpath_tunnel.net.upstream import Lost, Refused, Unavailable, UpstreamConnection
from alertpath_tunnel.ops.journal import Journal, Transaction
from alertpath_tunnel.smtp import events, tables
from alertpath_tunnel.smtp.data import Received
from alertpath_tunnel.smtp.envelope import Path
from alertpath_tunnel.smtp.reply import Reply

_LOOP: Final = "too many Received headers"


class Delivery:
    """One transaction at a time. What raises Lost has been tried, and only the next hop knows what came of it."""

    def __init__(
        self,
        session: int,
        client: str,
        tunnel: RunningTunnel,
        config: Config,
        share: Share,
        examiner: Examiner,
        pool: Pool,
        journal: Journal,
    ) -> None:
        self.client_tls: tuple[str, str] | None = None  # version and cipher
        service = tunnel.service
        self.passes_parts: Final = service is not None and not service.processor.active
        """Whether a message can go on before it is complete: no rule looks at it."""
        self._session = session
        self._client = client
        self._tunnel = tunnel
        self._config = config
        self._share = share
        self._examiner = examiner
        self._pool = pool
        self._journal = journal
        self._hop: NextHop | None = None
        self._upstream: UpstreamConnection | None = None
        self._authenticated = False  # over this very connection, which the session keeps
        self._transaction: Transaction | None = None
        self._passing = False  # the next hop has begun to receive a message that is still on its way to us
        self._in_header = True
        self._received_headers = 0

    # -- commands ------------------------------------------------------------------------------------------------

    async def hello(self, *names: str | None) -> Mapping[bytes, bytes] | None:
        """Return the extensions of the next hop for the first of `names` that has one; None if it is out of reach."""
        await self.reset()
        service = self._tunnel.service
        self._hop = service.hop(*names) if service else None
        if not await self._take_upstream():
            return None
        available = dict(self._need_upstream().extensions)
        # Until MAIL others may use the connection: an idle session costs the next hop nothing.
        self._leave_upstream()
        return available

    async def auth(self, event: events.Auth, relayed: frozenset[bytes]) -> Reply:
        """Pass on AUTH, or the answer to a challenge, unread. Raises Lost."""
        if event.first and not await self._take_upstream(fresh=True, needed=relayed | {b"AUTH"}):
            return tables.UNAVAILABLE
        reply = await self._need_upstream().auth(event.line, event.first)
        if reply.code == 334:
            return reply
        if reply.positive:
            self._authenticated = True
        else:
            self._leave_upstream()
        return _final(reply)

    async def mail(self, path: Path, relayed: frozenset[bytes]) -> Reply:
        """Begin a transaction; `relayed` are the extensions the client was told of. Raises Lost."""
        if await self._take_upstream() and not self._need_upstream().extensions.keys() >= relayed:
            # Another forwarding address than the one we spoke for.
            self._leave_upstream()
            await self._take_upstream(needed=relayed)
        if self._upstream:
            reply = await self._mail(path)
            if reply is None:
                # It had ended while it waited, and MAIL promised nobody anything: once more, over a new one.
                reply = await self._mail(path) if await self._take_upstream(fresh=True, needed=relayed) else None
            if reply is not None:
                return reply
        return tables.UNAVAILABLE

    async def rcpt(self, path: Path) -> Reply:
        """Raises Lost."""
        reply = await self._need_upstream().rcpt(path)
        if self._transaction:
            self._transaction.recipient(reply)
        return _final(reply)

    async def part(self, lines: Received) -> Reply | None:
        """Pass on a part of the message; return the reply that the whole message must get if that cannot be."""
        if self._transaction is None:
            return tables.LOST
        try:
            refusal = await self._pass(lines)
        except Lost as error:
            self.lost(error)
            return tables.LOST
        if refusal:
            self.end()
        return refusal

    async def message(self, event: events.Message) -> Reply:
        """Return the verdict on the message: the next hop's, or ours if it must not get there. Raises Lost."""
        try:
            return await self._message(event)
        except MemoryError:
            # Its copies are gone with the exception: others, and the next of this client, may find room.
            return await self._refuse(tables.NO_MEMORY, "no memory for it")

    async def _message(self, event: events.Message) -> Reply:
        transaction = self._transaction
        if transaction is None:
            # Broken off before the message was complete.
            self._share.release()
            return event.refusal or tables.LOST
        refusal = event.refusal
        if refusal is None:
            transaction.received(event.size)
        if refusal is None and not self._passing:
            self._share.hold(event.size)
            refusal = self._look_at_header(event.lines)
        if refusal:
            return await self._refuse(refusal, _LOOP if refusal is tables.LOOP else "not acceptable")
        if not self.passes_parts:
            return await self._examined(event.take())
        if not self._passing:
            reply = await self._data()
            if reply.code != 354:
                return reply
        transaction.untouched()
        transaction.sending(event.size)
        return await self._sent(self._need_upstream().last_part(event.lines))

    async def reset(self) -> None:
        """End the transaction, if one is open. Raises Lost."""
        await self._reset_upstream()
        self._leave_upstream()
        self.end("reset")

    # -- the end of a transaction --------------------------------------------------------------------------------

    def lost(self, error: Lost) -> None:
        """The next hop is gone within a transaction: whether it took the message, only it knows."""
        self._abort()
        if self._transaction is None:
            self.note("next hop lost", error)
        else:
            self._transaction.verdict(tables.LOST, str(error))
            self.end()

    def end(self, reason: str = "", reply: Reply | None = None) -> None:
        """Write the transaction's line. `reason` and what we said last stand in it unless there was a verdict."""
        transaction, self._transaction = self._transaction, None
        if transaction:
            self._journal.write(transaction.record(reply, reason))

    def leave(self, reply: Reply | None, reason: str) -> None:
        """The client is gone, or about to go."""
        self._authenticated = False
        self.end(reason, reply)
        self._share.release()
        self._leave_upstream()

    def note(self, event: str, error: Exception, **more: object) -> None:
        """Write what went wrong outside a message's verdict."""
        name = type(error).__name__
        record = {
            "event": event,
            "session": self._session,
            "tunnel": self._tunnel.tunnel.name,
            "client_ip": self._client,
        }
        reason = "" if event == "internal error" else str(error)
        self._journal.write({**record, "reason": reason or name, **more})

    # -- steps ---------------------------------------------------------------------------------------------------

    async def _mail(self, path: Path) -> Reply | None:
        """Return None if the connection turned out to have ended before."""
        upstream = self._need_upstream()
        self._passing, self._in_header, self._received_headers = False, True, 0
        self._transaction = transaction = Transaction(
            session=self._session,
            tunnel=self._tunnel.tunnel.name,
            client=self._client,
            tls=self.client_tls,
            upstream=upstream.address.endpoint,
            upstream_tls=upstream.tls,
        )
        try:
            reply = await upstream.mail(path)
            if reply.code == 421 and upstream.reused:
                raise Lost("a farewell crossed MAIL")
        except Lost:
            if not upstream.reused:
                raise
            self._abort()
            self._transaction = None
            return None
        if not reply.positive:
            transaction.verdict(reply, "sender refused", by_next_hop=True)
            self._leave_upstream()
            self.end()
        return _final(reply)

    async def _data(self) -> Reply:
        """Send DATA. What is no 354 is the verdict."""
        upstream = self._need_upstream()
        reply = await upstream.data()
        if reply.code == 354:
            return reply
        if reply.positive:
            raise Lost(f"DATA was answered {reply.code}")
        if reply.code != 421:
            await self._reset_upstream()
        self._leave_upstream()
        return self._verdict(reply)

    async def _pass(self, lines: Received) -> Reply | None:
        refusal = self._look_at_header(lines)
        if refusal:
            return await self._refuse(refusal, _LOOP)
        if not self._passing:
            reply = await self._data()
            if reply.code != 354:
                return reply
            self._passing = True
        try:
            await self._need_upstream().part(lines)
        except Refused as early:
            self._leave_upstream()
            return self._verdict(early.reply)
        return None

    def _look_at_header(self, lines: Received) -> Reply | None:
        """Note what the journal wants to know of the header, and find mail that goes in a circle."""
        assert self._transaction is not None
        if self._in_header:
            head, self._in_header = tables.header(lines.content)
            self._received_headers += tables.hops(head)
            self._transaction.header(head)
        return tables.LOOP if self._received_headers > self._config.limits.received_headers else None

    async def _examined(self, content: bytes) -> Reply:
        transaction = self._transaction
        assert transaction is not None
        assert self._tunnel.service is not None
        outcome = await self._examiner.examine(self._tunnel.service.processor.process, content)
        content = b""  # each copy of a large message is dropped once the next is made
        transaction.processed(outcome)
        if outcome.refusal:
            return await self._refuse(outcome.refusal, outcome.reason)
        reply = await self._data()
        if reply.code != 354:
            return reply
        transaction.sending(len(outcome.content))
        sent = self._need_upstream().message(outcome.content)
        del outcome
        return await self._sent(sent)

    async def _sent(self, reply: Awaitable[Reply]) -> Reply:
        try:
            verdict = _final(await reply)
        except Refused as early:
            verdict = early.reply
        self._leave_upstream()
        return self._verdict(verdict)

    async def _refuse(self, reply: Reply, reason: str) -> Reply:
        await self._break_off()
        return self._verdict(reply, reason, by_next_hop=False)

    def _verdict(self, reply: Reply, reason: str = "", by_next_hop: bool = True) -> Reply:
        self._share.release()
        if self._transaction:
            self._transaction.verdict(reply, reason, by_next_hop)
        return reply

    # -- the next hop --------------------------------------------------------------------------------------------

    async def _take_upstream(self, fresh: bool = False, needed: frozenset[bytes] = frozenset()) -> bool:
        # Without the connection over which the client authenticated itself it is nobody.
        if self._upstream is None and self._hop and not self._authenticated:
            try:
                self._upstream = await self._pool.take(self._hop, self._config, fresh, needed)
            except Unavailable as error:
                self.note("next hop unavailable", error)
        return self._upstream is not None

    def _need_upstream(self) -> UpstreamConnection:
        if self._upstream is None:
            raise Lost("there is no connection to a next hop")
        return self._upstream

    async def _break_off(self) -> None:
        """See to it that the next hop delivers nothing of the message under way."""
        await self._reset_upstream()
        # If it has part of the message it is within DATA still: it is broken off, and never has the line that ends it.
        self._leave_upstream()

    async def _reset_upstream(self) -> None:
        if self._upstream:
            try:
                await self._upstream.reset()
            except Lost:
                # Nothing was sent that could be accepted; the next transaction connects anew.
                self._abort()

    def _leave_upstream(self) -> None:
        """Give the connection back; one within a transaction is broken off, which ends the transaction."""
        if self._authenticated and self._upstream and self._upstream.usable:
            return
        upstream, self._upstream = self._upstream, None
        if upstream:
            self._pool.give(upstream, self._config)

    def _abort(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream:
            upstream.abort()


def _final(reply: Reply) -> Reply:
    """Return what may be passed on to the client as it is. Raises Lost."""
    if 300 <= reply.code < 400:
        raise Lost(f"a command was answered {reply.code}")
    return reply
