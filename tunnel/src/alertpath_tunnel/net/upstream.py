# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaks to a next hop: connects with failover, encrypts, authenticates, and passes on commands one by one."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from typing import Final, cast

from alertpath_tunnel.config.model import Config, ForwardingAddress, Timeouts
from alertpath_tunnel.config.names import is_address
from alertpath_tunnel.net.runtime import NextHop, identity
from alertpath_tunnel.net.tls import agreed
from alertpath_tunnel.net.wire import Wire, protocol
from alertpath_tunnel.smtp.client import ClientSession, ProtocolError
from alertpath_tunnel.smtp.data import Received
from alertpath_tunnel.smtp.envelope import Path
from alertpath_tunnel.smtp.reply import Reply
from alertpath_tunnel.smtp.tables import ClientState

_QUIT_TIMEOUT: Final = 5
_CHUNK: Final = 256 * 1024  # octets handed to the transport at once: it copies what the peer does not take


class Unavailable(Exception):
    """No forwarding address could be reached; the text says why, for each."""


class Lost(Exception):
    """The connection broke, fell silent, or the next hop left the protocol."""


class Refused(Exception):
    """The next hop refused a message before it had it all."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


class UpstreamConnection:
    """A session with one next hop, ready for mail."""

    def __init__(self, wire: Wire, hop: NextHop, address: ForwardingAddress, timeouts: Timeouts) -> None:
        self.hop = hop
        self.address = address
        self.messages = 0  # transactions begun
        self.reused = False
        self.owned = False  # a client said AUTH over it: nobody else may ever use it
        self._loop = asyncio.get_running_loop()
        self._begun = self.idle_since = self._loop.time()
        self._wire = wire
        self._session = ClientSession()
        self._timeouts = timeouts
        self.tls: tuple[str, str] | None = None  # version and cipher

    @property
    def extensions(self) -> Mapping[bytes, bytes]:
        return self._session.extensions

    @property
    def usable(self) -> bool:
        """Whether a transaction could begin now: nothing was said out of turn, a farewell included."""
        return self._session.state is ClientState.READY and not self._wire.ended and not self._wire.buffered

    def worn(self, messages: int, seconds: int) -> bool:
        """Whether this connection served long enough."""
        return self.messages >= messages or self._loop.time() - self._begun >= seconds

    def given_back(self) -> None:
        self.reused = True
        self.idle_since = self._loop.time()

    async def auth(self, line: bytes, first: bool) -> Reply:
        """Pass on what a client said of AUTH."""
        self.owned = True
        return await self._ask(self._session.auth(line, first))

    async def mail(self, path: Path) -> Reply:
        self.messages += 1
        return await self._ask(self._session.mail(path))

    async def rcpt(self, path: Path) -> Reply:
        return await self._ask(self._session.rcpt(path))

    async def data(self) -> Reply:
        return await self._ask(self._session.data())

    async def message(self, content: bytes) -> Reply:
        """Send the message; the reply is the next hop's verdict. Raises Lost, Refused, NotCanonical before it sends."""
        octets = self._session.message(content)
        content = b""  # the other copy
        return await self._ask(octets, self._timeouts.data_reply)

    async def part(self, lines: Received) -> None:
        """Send a part of a message, of which more follows. Raises Lost, Refused."""
        try:
            await self._write(self._session.part(lines), self._loop.time() + self._timeouts.data_reply)
        except (OSError, ProtocolError) as error:
            raise _lost(error) from None

    async def last_part(self, lines: Received) -> Reply:
        """Send the rest of a message; the reply is the next hop's verdict. Raises Lost, Refused."""
        return await self._ask(self._session.last_part(lines), self._timeouts.data_reply)

    async def reset(self) -> None:
        """End a transaction, if one is open."""
        if self._session.state in (ClientState.MAIL, ClientState.RCPT):
            reply = await self._ask(self._session.rset())
            if not reply.positive:
                raise Lost(f"RSET was answered {reply.code}")

    async def quit(self) -> None:
        """Part in peace if that is possible."""
        try:
            if self._session.state in (ClientState.GREETED, ClientState.READY, ClientState.MAIL, ClientState.RCPT):
                await self._ask(self._session.quit(), _QUIT_TIMEOUT)
        except (Lost, ProtocolError):
            pass
        finally:
            self._wire.close()

    def abort(self) -> None:
        """Break the connection: what was begun is not completed."""
        self._wire.abort()

    async def _ask(self, octets: bytes, timeout: float | None = None) -> Reply:
        deadline = self._loop.time() + (timeout or self._timeouts.reply)
        try:
            if octets:
                self._in_turn()
            await self._write(octets, deadline) if len(octets) > _CHUNK else self._wire.send(octets)
            while data := await self._wire.read(deadline):
                self._session.receive(data)
                if self._session.state is ClientState.DATA and not self._wire.delivered:
                    # It cannot know where the message ends, nor where the next command begins.
                    raise Refused(self._session.early())
                reply = self._session.next_reply()
                if reply:
                    return reply
        except (OSError, ProtocolError) as error:
            raise _lost(error) from None
        raise Lost("the next hop closed the connection")

    async def _write(self, octets: bytes, deadline: float) -> None:
        for start in range(0, len(octets), _CHUNK):
            self._in_turn()
            self._wire.send(octets[start : start + _CHUNK])
            if self._wire.slow:
                await self._wire.caught_up(deadline, or_spoke=True)

    def _in_turn(self) -> None:
        """See that nothing lies here that would be taken for the reply to what we say next.

        Raises ProtocolError, or Refused when it is the refusal of the message under way.
        """
        if self._wire.buffered or self._session.pending:
            self._session.receive(self._wire.take())
            raise Refused(self._session.early())

    # -- setting up ----------------------------------------------------------------------------------------------

    async def prepare(self, hop: NextHop, config: Config) -> None:
        """Greeting, TLS, EHLO and AUTH. Raises Lost."""
        tls = hop.upstream.tls
        if tls.mode == "implicit":
            await self._encrypt(hop)
        greeting = await self._ask(b"")
        self._expect("the greeting", greeting)
        if identity(config) in greeting.lines[0].split():
            raise Lost("the next hop is this tunnel itself: mail would go in a circle")
        hostname = config.hostname.encode()
        await self._hello(hostname)
        offered = b"STARTTLS" in self.extensions
        if tls.mode == "starttls" and not offered:
            raise Lost("the next hop offers no STARTTLS")
        if tls.mode == "starttls" or (tls.mode == "opportunistic" and offered):
            self._expect("STARTTLS", await self._ask(self._session.starttls()))
            self._session.tls_started()
            await self._encrypt(hop)
            await self._hello(hostname)
        if hop.upstream.auth:
            await self._authenticate(hop.upstream.auth.user.encode(), hop.password)

    async def _encrypt(self, hop: NextHop) -> None:
        assert hop.context is not None
        name = hop.upstream.tls.name or self.address.name
        try:
            await self._wire.start_tls(hop.context, self._timeouts.handshake, name)
            self.tls = agreed(self._wire.get_extra("ssl_object"))
        except ssl.SSLCertVerificationError as error:
            raise Lost(f"the certificate is not accepted: {error.verify_message}") from None
        except (OSError, ProtocolError) as error:
            raise Lost(f"TLS failed: {str(error) or type(error).__name__}") from None

    async def _hello(self, hostname: bytes) -> None:
        reply = await self._ask(self._session.ehlo(hostname))
        if not reply.positive and self._session.state is ClientState.GREETED:
            reply = await self._ask(self._session.helo(hostname))
        self._expect("EHLO", reply)

    async def _authenticate(self, user: bytes, password: bytes) -> None:
        mechanisms = self.extensions.get(b"AUTH", b"").upper().split()
        if b"PLAIN" in mechanisms:
            self._expect("AUTH PLAIN", await self._ask(self._session.auth_plain(user, password)))
        elif b"LOGIN" in mechanisms:
            reply = await self._ask(self._session.auth_login())
            for secret in (user, password):
                if reply.code != 334:
                    break
                reply = await self._ask(self._session.auth_response(secret))
            self._expect("AUTH LOGIN", reply)
        else:
            raise Lost("the next hop offers neither AUTH PLAIN nor LOGIN")

    @staticmethod
    def _expect(what: str, reply: Reply) -> None:
        if not 200 <= reply.code < 300:
            # The text of a reply to AUTH may repeat what was sent.
            text = "" if what.startswith("AUTH") else " " + reply.lines[0].decode("ascii", "replace")
            raise Lost(f"{what} was answered {reply.code}{text}")


def _lost(error: Exception) -> Lost:
    return Lost("the next hop is silent" if isinstance(error, TimeoutError) else str(error) or type(error).__name__)


async def connect_one(hop: NextHop, address: ForwardingAddress, config: Config) -> UpstreamConnection:
    """Return a connection to `address` that is ready for mail. Raises Lost, OSError, TimeoutError."""
    # In a task of its own, which is what a timeout needs.
    wire = await asyncio.get_running_loop().create_task(_dial(address, config.timeouts.connect))
    connection = UpstreamConnection(wire, hop, address, config.timeouts)
    try:
        await connection.prepare(hop, config)
    except BaseException:
        wire.abort()
        raise
    return connection


async def _dial(address: ForwardingAddress, timeout: float) -> Wire:
    """Connect to the first of the addresses behind a name that answers. Each has its share of the time: one that is
    silent would use up that of the others."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    async with asyncio.timeout_at(deadline):
        hosts = await _hosts(address)
    reasons: list[str] = []
    for place, host in enumerate(hosts):
        try:
            async with asyncio.timeout((deadline - loop.time()) / (len(hosts) - place)):
                _transport, wire = await loop.create_connection(protocol, host, address.port)
        except OSError as error:
            if len(hosts) == 1:
                raise
            reasons.append(f"{host}: {str(error) or type(error).__name__}")
        else:
            return cast("Wire", wire)
    raise OSError(", ".join(reasons))


async def _hosts(address: ForwardingAddress) -> list[str]:
    if is_address(address.address):
        return [address.address]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.address, address.port, type=socket.SOCK_STREAM)
    return [str(peer[0]) for *_kind, peer in found]
