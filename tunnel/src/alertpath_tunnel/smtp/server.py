# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session with a client: octets in, events and octets out. What is allowed when stands in tables.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alertpath_tunnel.smtp import canonical, envelope, events, tables
from alertpath_tunnel.smtp.data import DataReader
from alertpath_tunnel.smtp.lines import LineReader, LineStatus
from alertpath_tunnel.smtp.reply import Reply
from alertpath_tunnel.smtp.tables import ServerState

# RFC 4954 4 and 8: a mechanism, perhaps with an initial response; the answer to a challenge, or the end of it.
_AUTH: Final = re.compile(rb"[A-Za-z0-9_-]{1,20}(?: (?:=|[A-Za-z0-9+/]+={0,2}))?")
_ANSWER: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}|\*")


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """What this server is, and how much it takes."""

    hostname: bytes
    size: int  # octets of a message
    recipients: int  # of a transaction
    errors: int  # of a session
    identity: bytes = b""  # a word of the greeting by which this service knows itself
    tls_offered: bool = False
    tls_required: bool = False
    auth: bool = False  # AUTH is passed on to the next hop, within TLS


class ServerSession:
    """Feed with `receive`, ask with `next_event`, answer with `reply`, send what `take_output` returns."""

    def __init__(self, policy: ServerPolicy, tls_active: bool = False) -> None:
        self.policy = policy
        self.state = ServerState.CONNECTED
        self.tls_active = tls_active
        self.extensions: Mapping[bytes, bytes] = {}
        self.relayed: frozenset[bytes] = frozenset()
        """Those of the extensions that the next hop must have, too."""
        self.part = 0
        """When whole lines of so many octets are held they are handed over as a Part; 0 never."""
        self._lines = LineReader(tables.LONGEST_COMMAND)
        self._data: DataReader | None = None
        self._verb: bytes | None = None  # the command whose reply is awaited
        self._utf8 = False
        self._authenticated = False
        self._recipients = 0
        self._errors = 0
        self._last: Reply | None = None
        self._output = b""

    # -- octets -------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take octets of the client."""
        self._lines.feed(data)

    def take_output(self) -> bytes:
        """Return what must be sent now, and forget it."""
        output, self._output = self._output, b""
        return output

    @property
    def held(self) -> int:
        """Octets of the message under way that are held here."""
        return self._data.held if self._data else 0

    @property
    def receiving(self) -> bool:
        """Whether a message is under way."""
        return self._data is not None

    @property
    def in_transaction(self) -> bool:
        return self.state in (ServerState.MAIL, ServerState.RCPT, ServerState.DATA)

    # -- what the driver says ------------------------------------------------------------------------------------

    def greet(self) -> None:
        """Write the greeting."""
        self._write(Reply(220, ((self.policy.hostname + b" ESMTP " + self.policy.identity).rstrip(),)))

    def accept_hello(self, available: Mapping[bytes, bytes]) -> None:
        """Answer EHLO or HELO; `available` are the next hop's extensions, keyword in upper case -> parameters."""
        if self._verb == b"HELO":
            self.extensions, self.relayed = {}, frozenset()
            self.reply(Reply(250, (self.policy.hostname,)))
            return
        offered = {name: b"" for name in tables.RELAYED_EXTENSIONS if name in available}
        mechanisms = tables.mechanisms(available.get(b"AUTH", b"")) if self.policy.auth and self.tls_active else b""
        self.relayed = frozenset(offered) | ({b"AUTH"} if mechanisms else frozenset())
        if b"SIZE" in offered:
            offered[b"SIZE"] = b"%d" % self._size(available[b"SIZE"])
        if self.policy.tls_offered and not self.tls_active:
            offered[b"STARTTLS"] = b""
        if mechanisms and not self._authenticated:
            offered[b"AUTH"] = mechanisms
            self._lines.allow(tables.AUTH_LINE)
        self.extensions = offered
        words = [name + b" " + value if value else name for name, value in offered.items()]
        self.reply(Reply(250, (self.policy.hostname, *words)))

    def reply(self, reply: Reply, close: bool = False) -> None:
        """Answer the last event."""
        if self._verb is None:
            raise RuntimeError("no command waits for a reply")
        verb, self._verb = self._verb, None
        if verb in tables.LAST_IN_GROUP and self._lines.pending:
            self._close(tables.CLOSING_PIPELINING)
            return
        self._write(reply)
        self._move(verb, reply.code)
        if close:
            self.state = ServerState.CLOSED
        elif verb == b"AUTH" and reply.code >= 400:
            # Whoever tries out passwords does not do so for ever.
            self._count_error()

    def close(self, reply: Reply) -> None:
        """Say `reply` on our own account, and end."""
        self._close(reply)

    def discard(self, reason: Reply) -> None:
        """Refuse the message under way with `reason` once it is complete, and keep no more of it."""
        if self._data:
            self._data.discard(reason)

    def tls_started(self) -> None:
        """Forget everything the client said in clear text (RFC 3207 4.2)."""
        self.tls_active = True
        self.state = ServerState.CONNECTED
        self.extensions, self.relayed = {}, frozenset()

    # -- what the driver asks ------------------------------------------------------------------------------------

    def next_event(self) -> events.Event:
        """Return the next event. An event that waits for a reply must be answered first."""
        if self._verb is not None:
            raise RuntimeError("a command waits for its reply")
        while self.state is not ServerState.CLOSED:
            if self._data is not None:
                return self._read_message(self._data)
            if not self._lines.pending:
                return events.NEED_DATA
            event = self._read_command()
            if event is not None:
                return event
        return events.Closed(self._last)

    def _read_message(self, reader: DataReader) -> events.Event:
        rest = reader.feed(self._lines.take_all()) if self._lines.pending else None
        if rest is not None:
            self._lines.feed(rest)
            self._data = None
            self._verb = b"END"
            taken = reader.take()
            refusal = reader.reply
            return events.Message(taken, 0 if refusal else reader.size, refusal)
        if self.part and reader.ready >= self.part:
            taken = reader.take()
            if reader.reply is None:
                return events.Part(taken)
        return events.NEED_DATA

    def _read_command(self) -> events.Event | None:
        status, line = self._lines.next()
        if status is LineStatus.INCOMPLETE:
            return events.NEED_DATA
        if self.state is ServerState.AUTH:
            return self._read_answer(status, line)
        verb, _blank, argument = line.partition(b" ")
        verb = verb.upper()
        closing = self._closing(status, verb)
        if closing is not None:
            self._close(closing)
            return None
        refusal = self._refusal(status, verb, line, argument)
        if refusal is not None:
            self._error(refusal)
            return None
        return self._dispatch(verb, argument.strip(b" "))

    def _read_answer(self, status: LineStatus, line: bytes) -> events.Event | None:
        # Whoever sends anything else here takes it for something else than we do.
        if status is not LineStatus.COMPLETE or not _ANSWER.fullmatch(line):
            self._close(tables.CLOSING_ANSWER)
            return None
        self._verb = b"AUTH"
        return events.Auth(line, first=False)

    def _closing(self, status: LineStatus, verb: bytes) -> Reply | None:
        """Return the reply after which the connection must end, if the line calls for one."""
        if status is LineStatus.BARE:
            return tables.CLOSING_COMMAND
        # Unless it was told otherwise, and may go on after this verb, the client must wait for our reply.
        alone = verb in tables.LAST_IN_GROUP or b"PIPELINING" not in self.extensions
        if alone and self._lines.pending and verb != b"QUIT":
            return tables.CLOSING_PIPELINING
        return tables.CLOSING_BDAT if verb == b"BDAT" else None

    def _refusal(self, status: LineStatus, verb: bytes, line: bytes, argument: bytes) -> Reply | None:
        """Return the reply to a command that is refused whatever its argument says."""
        if status is LineStatus.TOO_LONG or len(line) + 2 > tables.command_limit(verb, self.relayed):
            return tables.LINE_TOO_LONG
        if canonical.has_control(line):
            return tables.UNKNOWN_COMMAND
        if self.policy.tls_required and not self.tls_active and verb in tables.NEEDS_TLS:
            return tables.TLS_FIRST
        states = tables.SERVER_COMMANDS.get(verb)
        if states is None:
            return tables.NOT_OFFERED.get(verb, tables.UNKNOWN_COMMAND)
        if verb == b"AUTH" and self._authenticated:
            return tables.AUTH_ACTIVE
        if verb == b"AUTH" and b"AUTH" not in self.extensions:
            return tables.NOT_IMPLEMENTED
        if verb == b"STARTTLS" and self.tls_active:
            return tables.TLS_ACTIVE
        if verb == b"STARTTLS" and not self.policy.tls_offered:
            return tables.NOT_IMPLEMENTED
        if self.state not in states:
            return tables.OUT_OF_ORDER
        if verb in tables.NO_ARGUMENT and argument.strip(b" "):
            return tables.BAD_SYNTAX
        return None

    def _dispatch(self, verb: bytes, argument: bytes) -> events.Event | None:
        own = tables.OWN_REPLIES.get(verb)
        if own:
            if verb == b"VRFY" and not argument:
                self._error(tables.BAD_SYNTAX)
            else:
                self._verb = verb
                self.reply(own)
            return None
        try:
            event = self._event(verb, argument)
        except envelope.EnvelopeError as error:
            self._error(error.reply)
            return None
        self._verb = verb
        return event

    def _event(self, verb: bytes, argument: bytes) -> events.Event:
        match verb:
            case b"EHLO" | b"HELO":
                if not argument or b" " in argument or len(argument) > 255 or not argument.isascii():
                    raise envelope.EnvelopeError(tables.BAD_SYNTAX)
                return events.Hello(argument, verb == b"EHLO")
            case b"MAIL":
                return events.Mail(self._sender(argument))
            case b"RCPT":
                return events.Rcpt(self._recipient(argument))
            case b"DATA":
                return events.DATA_START
            case b"STARTTLS":
                return events.START_TLS
            case b"AUTH":
                if not _AUTH.fullmatch(argument):
                    raise envelope.EnvelopeError(tables.BAD_SYNTAX)
                if not tables.mechanisms(argument.split(b" ")[0]):
                    raise envelope.EnvelopeError(tables.NO_MECHANISM)
                return events.Auth(argument, first=True)
            case _:
                return events.RESET

    def _sender(self, argument: bytes) -> envelope.Path:
        path = envelope.parse(argument, b"FROM", self.relayed)
        self._utf8 = b"SMTPUTF8" in path.parameters
        envelope.check_address(path.address, self._utf8)
        size = path.parameters.get(b"SIZE")
        if size is not None and int(size) > self._size(self.extensions.get(b"SIZE", b"")):
            raise envelope.EnvelopeError(tables.TOO_BIG)
        return path

    def _recipient(self, argument: bytes) -> envelope.Path:
        path = envelope.parse(argument, b"TO", self.relayed)
        envelope.check_address(path.address, self._utf8)
        if not path.address:
            raise envelope.EnvelopeError(tables.BAD_SYNTAX)
        if self._recipients >= self.policy.recipients:
            raise envelope.EnvelopeError(tables.TOO_MANY_RECIPIENTS)
        return path

    # -- moves ---------------------------------------------------------------------------------------------------

    def _size(self, next_hop: bytes) -> int:
        """Return the smaller of our limit and the next hop's; 0 or nothing means it names none (RFC 1870 4)."""
        limit = int(next_hop) if next_hop.isdigit() and len(next_hop) <= 20 else 0
        return min(self.policy.size, limit) if limit else self.policy.size

    def _move(self, verb: bytes, code: int) -> None:
        self.state = tables.server_next(verb, self.state, code)
        if verb == b"AUTH" and 200 <= code < 300:
            self._authenticated = True
        if self.state is ServerState.DATA:
            self._data = DataReader(self._size(self.extensions.get(b"SIZE", b"")))
        elif not self.in_transaction:
            self._recipients = 0
            self._utf8 = False
        elif verb == b"RCPT" and 200 <= code < 300:
            self._recipients += 1

    def _write(self, reply: Reply) -> None:
        self._last = reply
        self._output += reply.octets

    def _error(self, reply: Reply) -> None:
        self._write(reply)
        # A client that goes on naming recipients does as it should, and defers those (RFC 5321 4.5.3.1.10).
        if reply is not tables.TOO_MANY_RECIPIENTS:
            self._count_error()

    def _count_error(self) -> None:
        self._errors += 1
        if self._errors >= self.policy.errors:
            self._close(tables.CLOSING_ERRORS)

    def _close(self, reply: Reply) -> None:
        self._write(reply)
        self._verb = None
        self._data = None
        self.state = ServerState.CLOSED
