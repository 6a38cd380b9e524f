# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session with a next hop: one command, one reply. What may be sent when stands in tables.py."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from alertpath_tunnel.smtp import canonical, tables
from alertpath_tunnel.smtp.data import Received
from alertpath_tunnel.smtp.envelope import Path
from alertpath_tunnel.smtp.reply import BadReply, Reply, ReplyReader
from alertpath_tunnel.smtp.tables import ClientState


class ProtocolError(Exception):
    """The next hop broke the protocol, or the driver asked for what is out of order."""


class ClientSession:
    """Each method that names a command returns the octets to send; `next_reply` then returns its reply."""

    def __init__(self) -> None:
        self.state = ClientState.CONNECTING
        self.extensions: Mapping[bytes, bytes] = {}
        self._reader = ReplyReader(2 * tables.REPLY_LINE, tables.REPLY_LINES)
        self._verb: bytes | None = b"GREETING"

    # -- replies -------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take octets of the next hop."""
        self._reader.feed(data)

    def next_reply(self) -> Reply | None:
        """Return the reply to the command under way, or None while it is incomplete. Raises ProtocolError."""
        try:
            reply = self._reader.next()
        except BadReply as error:
            self.state = ClientState.CLOSED
            raise ProtocolError(str(error)) from None
        if reply is None:
            return None
        verb = self._verb
        if verb is None or (self._reader.pending and not (verb == b"DATA" and reply.code == 354)):
            # One command, one reply: anything beyond is a reply injected or out of step (for STARTTLS: RFC 3207 6).
            # Behind a 354 it may be a refusal, for which there is `early`.
            self.state = ClientState.CLOSED
            raise ProtocolError("the next hop sent more than one reply")
        if reply.code == 221 and verb != b"QUIT":
            # A farewell takes nothing, though its first digit says so to many a client (RFC 5321 4.2.3).
            self.state = ClientState.CLOSED
            raise ProtocolError(f"the next hop took its leave upon {verb.decode()}")
        self._verb = None
        self.state = tables.client_next(verb, self.state, reply.code)
        if verb in (b"EHLO", b"HELO"):
            self.extensions = _extensions(reply) if verb == b"EHLO" and reply.positive else {}
        return reply

    @property
    def pending(self) -> bool:
        """Whether the next hop said more than it was asked for."""
        return self._reader.pending

    def early(self) -> Reply:
        """Return what the next hop says of a message that it has yet to be sent whole; the session is over with it.

        A refusal is one at any time, and the client should hear it: some servers say so of a message that grows too
        large. Anything else would be taken for the verdict on what they do not have. Raises ProtocolError.
        """
        within_data = self.state is ClientState.DATA
        self.state = ClientState.CLOSED
        try:
            reply = self._reader.next()
        except BadReply:
            reply = None
        if reply is None or reply.positive or self._reader.pending or not within_data:
            raise ProtocolError("the next hop spoke out of turn")
        return reply

    # -- commands ------------------------------------------------------------------------------------------------

    def ehlo(self, name: bytes) -> bytes:
        return self._command(b"EHLO", name)

    def helo(self, name: bytes) -> bytes:
        return self._command(b"HELO", name)

    def starttls(self) -> bytes:
        return self._command(b"STARTTLS")

    def tls_started(self) -> None:
        """Forget what was learned in clear text (RFC 3207 4.2)."""
        if self._reader.pending:
            raise ProtocolError("octets before the TLS handshake")
        self.extensions = {}

    def auth_plain(self, user: bytes, password: bytes) -> bytes:
        """RFC 4616 2, with the initial response of RFC 4954 4."""
        return self._command(b"AUTH", b"PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password))

    def auth_login(self) -> bytes:
        return self._command(b"AUTH", b"LOGIN")

    def auth_response(self, secret: bytes) -> bytes:
        """The answer to a 334."""
        self._begin(b"AUTH")
        return base64.b64encode(secret) + b"\r\n"

    def auth(self, line: bytes, first: bool) -> bytes:
        """What a client said of AUTH, as it said it: the command's argument when it is the `first`, else an answer."""
        # Challenges are as long as their answers.
        self._reader.allow(tables.AUTH_LINE)
        if first:
            return self._command(b"AUTH", line)
        if canonical.has_control(line):
            raise canonical.NotCanonical("a control character in an answer")
        self._begin(b"AUTH")
        return line + b"\r\n"

    def mail(self, path: Path) -> bytes:
        return self._command(b"MAIL", path.to_argument(b"FROM"))

    def rcpt(self, path: Path) -> bytes:
        return self._command(b"RCPT", path.to_argument(b"TO"))

    def data(self) -> bytes:
        return self._command(b"DATA")

    def message(self, content: bytes) -> bytes:
        """Return the message as it goes on the wire. Raises NotCanonical before anything is sent."""
        canonical.check(content, tables.TEXT_LINE)
        self._begin(b"END")
        return canonical.stuff(content)

    def part(self, lines: Received) -> bytes:
        """Return a part of a message on its way through, of which more follows."""
        self._in_order(b"END")
        return lines.octets

    def last_part(self, lines: Received) -> bytes:
        """Return the last part, and the line that ends the message."""
        self._begin(b"END")
        return canonical.with_end(lines.octets)

    def rset(self) -> bytes:
        return self._command(b"RSET")

    def quit(self) -> bytes:
        return self._command(b"QUIT")

    def _command(self, verb: bytes, argument: bytes = b"") -> bytes:
        line = canonical.command(verb, argument)
        self._begin(verb)
        return line

    def _begin(self, verb: bytes) -> None:
        self._in_order(verb)
        self._verb = verb

    def _in_order(self, verb: bytes) -> None:
        if self._verb is not None:
            raise ProtocolError(f"the reply to {self._verb.decode()} is awaited")
        if self.state not in tables.CLIENT_COMMANDS[verb]:
            raise ProtocolError(f"{verb.decode()} is out of order in state {self.state.value}")


def _extensions(reply: Reply) -> dict[bytes, bytes]:
    """Return the keywords of an EHLO reply in upper case, with their parameters (RFC 5321 4.1.1.1)."""
    found = {}
    for line in reply.lines[1:]:
        keyword, _blank, parameters = line.strip().partition(b" ")
        found[keyword.upper()] = parameters.strip()
    # Some servers say AUTH=PLAIN, a form older than RFC 4954.
    for keyword in [key for key in found if key.startswith(b"AUTH=")]:
        found.setdefault(b"AUTH", (keyword.removeprefix(b"AUTH=") + b" " + found[keyword]).strip())
    return found
