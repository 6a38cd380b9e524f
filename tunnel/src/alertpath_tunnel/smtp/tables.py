# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule of the two SMTP state machines, as tables first and a handful of functions second.

server.py and client.py hold no rule of their own: they read bytes, look here, and move.
Sources are RFC 5321 unless a line names another.
"""

from __future__ import annotations

import enum
from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import Final

from alertpath_tunnel.smtp.reply import Reply


# Each step of a machine looks states up. Enum's own hash is written in Python; members are compared by identity.
class ServerState(enum.Enum):
    """Where a session with a client stands."""

    __hash__ = object.__hash__

    CONNECTED = "connected"  # greeted, no EHLO yet (or TLS has just begun: RFC 3207 4.2)
    READY = "ready"  # no transaction
    MAIL = "mail"  # a sender was accepted
    RCPT = "rcpt"  # at least one recipient was accepted
    DATA = "data"  # the message is being received
    AUTH = "auth"  # the answer to a challenge is awaited
    CLOSED = "closed"


class ClientState(enum.Enum):
    """Where a session with a next hop stands."""

    __hash__ = object.__hash__

    CONNECTING = "connecting"  # its greeting is awaited
    GREETED = "greeted"  # or TLS has just begun
    READY = "ready"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # it answered 354
    CLOSED = "closed"


class Verdict(enum.Enum):
    """What a reply code means for the state."""

    __hash__ = object.__hash__

    ACCEPTED = "accepted"
    CHALLENGED = "challenged"  # AUTH goes on (RFC 4954 4)
    REFUSED = "refused"


S = ServerState
_OPEN: Final = frozenset({S.CONNECTED, S.READY, S.MAIL, S.RCPT})
_HELLOED: Final = frozenset({S.READY, S.MAIL, S.RCPT})

# Verbs we know, and the states each is in order (4.1.4). A verb in another state is answered by OUT_OF_ORDER.
SERVER_COMMANDS: Final[Mapping[bytes, frozenset[ServerState]]] = MappingProxyType(
    {
        b"EHLO": _OPEN,
        b"HELO": _OPEN,
        b"STARTTLS": frozenset({S.READY}),
        b"AUTH": frozenset({S.READY}),
        b"MAIL": frozenset({S.READY}),
        b"RCPT": frozenset({S.MAIL, S.RCPT}),
        b"DATA": frozenset({S.RCPT}),
        b"RSET": _OPEN,
        b"NOOP": _OPEN,
        b"HELP": _OPEN,
        b"VRFY": _HELLOED,
        b"QUIT": _OPEN,
    }
)

# (verb, state, verdict) -> state. What is not listed leaves the state as it is. END is the end of data.
_TRANSACTION: Final = (S.MAIL, S.RCPT)
SERVER_TRANSITIONS: Final[Mapping[tuple[bytes, ServerState, Verdict], ServerState]] = MappingProxyType(
    {
        **{(verb, state, Verdict.ACCEPTED): S.READY for verb in (b"EHLO", b"HELO") for state in _OPEN},
        **{(b"RSET", state, Verdict.ACCEPTED): S.READY for state in _TRANSACTION},
        (b"STARTTLS", S.READY, Verdict.ACCEPTED): S.CONNECTED,
        (b"AUTH", S.READY, Verdict.CHALLENGED): S.AUTH,
        (b"AUTH", S.AUTH, Verdict.ACCEPTED): S.READY,
        (b"AUTH", S.AUTH, Verdict.REFUSED): S.READY,
        (b"MAIL", S.READY, Verdict.ACCEPTED): S.MAIL,
        (b"RCPT", S.MAIL, Verdict.ACCEPTED): S.RCPT,
        (b"DATA", S.RCPT, Verdict.ACCEPTED): S.DATA,
        (b"END", S.DATA, Verdict.ACCEPTED): S.READY,
        (b"END", S.DATA, Verdict.REFUSED): S.READY,
        **{(b"QUIT", state, Verdict.ACCEPTED): S.CLOSED for state in _OPEN},
    }
)

# Verbs that need TLS when the tunnel requires it; the others are those RFC 3207 4 leaves open.
NEEDS_TLS: Final = frozenset({b"MAIL", b"RCPT", b"DATA", b"VRFY", b"AUTH"})

# Verbs after which nothing may follow before our reply: RFC 2920 3.1 and, for a handshake's sake, RFC 3207 4.2.
# NOOP and VRFY stand in RFC 2920's list, too; what follows them is harmless, and clients do it.
LAST_IN_GROUP: Final = frozenset({b"EHLO", b"HELO", b"DATA", b"STARTTLS", b"AUTH", b"BDAT"})

# Verbs that take no argument at all.
NO_ARGUMENT: Final = frozenset({b"DATA", b"RSET", b"STARTTLS", b"QUIT"})

# Longest command line in octets, CRLF included (4.5.3.1.4). The parameters of extensions come on top:
# SIZE 26 (RFC 1870 3), BODY 17 (RFC 6152 2), SMTPUTF8 10 (RFC 6531 3.1), RET=HDRS 9 and ENVID of 100
# (RFC 3461 4.3, 4.4), NOTIFY of all three 29 and ORCPT of 500 (RFC 3461 4.1, 4.2).
COMMAND_LINE: Final = 512
COMMAND_ALLOWANCE: Final[Mapping[bytes, int]] = MappingProxyType({b"MAIL": 26 + 17 + 10 + 9 + 107, b"RCPT": 29 + 507})
LONGEST_COMMAND: Final = COMMAND_LINE + max(COMMAND_ALLOWANCE.values())
AUTH_LINE: Final = 12288  # octets of AUTH and of the answers to challenges, CRLF included (RFC 4954 4)
AUTH_PARAMETER: Final = 500  # octets on top in MAIL, where AUTH is offered (RFC 4954 3)
TEXT_LINE: Final = 1000  # octets, CRLF included, the stuffed dot not (4.5.3.1.6)
REPLY_LINE: Final = 512  # octets (4.5.3.1.5); next hops are given twice that
REPLY_LINES: Final = 100

# Extensions that describe the next hop: announced as far as it has them.
RELAYED_EXTENSIONS: Final = (b"PIPELINING", b"SIZE", b"8BITMIME", b"SMTPUTF8", b"DSN", b"ENHANCEDSTATUSCODES")

# Parameter -> the extension that allows it.
MAIL_PARAMETERS: Final[Mapping[bytes, bytes]] = MappingProxyType(
    {
        b"SIZE": b"SIZE",
        b"BODY": b"8BITMIME",
        b"SMTPUTF8": b"SMTPUTF8",
        b"RET": b"DSN",
        b"ENVID": b"DSN",
        b"AUTH": b"AUTH",
    }
)
RCPT_PARAMETERS: Final[Mapping[bytes, bytes]] = MappingProxyType({b"NOTIFY": b"DSN", b"ORCPT": b"DSN"})

# Our own replies. Texts of the first group are those the administrator looks for.
UNAVAILABLE: Final = Reply(421, (b"4.4.1 Next hop unavailable",))
LOST: Final = Reply(421, (b"4.4.2 Connection to the next hop lost",))
PROCESSING: Final = Reply(451, (b"4.3.0 Message could not be processed",))
BY_RULE: Final = Reply(554, (b"5.7.1 Message refused by rule",))
TIMED_OUT: Final = Reply(421, (b"4.4.2 Timed out, closing",))
SHUTTING_DOWN: Final = Reply(421, (b"4.3.2 Service shutting down",))
TOO_MANY_CONNECTIONS: Final = Reply(421, (b"4.3.2 Too many connections",))
NOT_ALLOWED: Final = Reply(554, (b"5.7.1 Access denied",))
NO_MEMORY: Final = Reply(452, (b"4.3.1 No memory for this message, try again later",))
FULL: Final = Reply(452, (b"4.3.1 Too many bytes in flight, try again later",))

OK: Final = Reply(250, (b"2.0.0 Ok",))
FLUSHED: Final = Reply(250, (b"2.0.0 Reset",))
START_DATA: Final = Reply(354, (b"End data with <CR><LF>.<CR><LF>",))
START_TLS: Final = Reply(220, (b"2.0.0 Ready to start TLS",))
BYE: Final = Reply(221, (b"2.0.0 Bye",))
CANNOT_VERIFY: Final = Reply(252, (b"2.5.2 Cannot verify, will try delivery",))
HELP_TEXT: Final = Reply(214, (b"2.0.0 See RFC 5321",))

UNKNOWN_COMMAND: Final = Reply(500, (b"5.5.2 Command not recognised",))
LINE_TOO_LONG: Final = Reply(500, (b"5.5.2 Line too long",))
BAD_SYNTAX: Final = Reply(501, (b"5.5.4 Syntax error in arguments",))
NOT_IMPLEMENTED: Final = Reply(502, (b"5.5.1 Command not implemented",))
OUT_OF_ORDER: Final = Reply(503, (b"5.5.1 Bad sequence of commands",))
AUTH_ACTIVE: Final = Reply(503, (b"5.5.1 Already authenticated",))
TLS_ACTIVE: Final = Reply(503, (b"5.5.1 TLS already active",))
NO_MECHANISM: Final = Reply(504, (b"5.5.4 Mechanism not available",))
TLS_FIRST: Final = Reply(530, (b"5.7.0 Must issue a STARTTLS command first",))
TOO_MANY_RECIPIENTS: Final = Reply(452, (b"4.5.3 Too many recipients",))
BAD_PARAMETER: Final = Reply(555, (b"5.5.4 Parameter not recognised or not available",))
NOT_ASCII: Final = Reply(553, (b"5.6.7 Non-ASCII address without SMTPUTF8",))
TOO_BIG: Final = Reply(552, (b"5.3.4 Message exceeds the size limit",))
LOOP: Final = Reply(554, (b"5.4.6 Too many hops, mail goes in a circle",))
TEXT_LINE_TOO_LONG: Final = Reply(554, (b"5.6.0 Line longer than 998 octets in message",))

# After these the connection is closed: the client is broken, or two protocols are being mixed on purpose.
CLOSING_COMMAND: Final = Reply(521, (b"5.5.2 Bare CR, LF or NUL in command, closing",))
CLOSING_CONTENT: Final = Reply(550, (b"5.6.0 Bare CR, LF or NUL in message, closing",))
CLOSING_PIPELINING: Final = Reply(554, (b"5.5.0 Unauthorised pipelining, closing",))
CLOSING_ANSWER: Final = Reply(521, (b"5.5.2 No answer to a challenge, closing",))
CLOSING_BDAT: Final = Reply(502, (b"5.5.1 BDAT not offered, closing",))
CLOSING_ERRORS: Final = Reply(421, (b"4.7.0 Too many errors, closing",))

# Verbs that we answer ourselves.
OWN_REPLIES: Final[Mapping[bytes, Reply]] = MappingProxyType(
    {b"NOOP": OK, b"HELP": HELP_TEXT, b"VRFY": CANNOT_VERIFY, b"QUIT": BYE}
)

# Verbs that are known and not offered.
NOT_OFFERED: Final[Mapping[bytes, Reply]] = MappingProxyType(
    {
        b"EXPN": NOT_IMPLEMENTED,
        b"ETRN": NOT_IMPLEMENTED,
        b"TURN": NOT_IMPLEMENTED,
        b"BDAT": CLOSING_BDAT,
    }
)

C = ClientState
# What we may send to a next hop in which state, and the codes by which it accepts (4.3.2; AUTH: RFC 4954 4).
CLIENT_COMMANDS: Final[Mapping[bytes, frozenset[ClientState]]] = MappingProxyType(
    {
        b"GREETING": frozenset({C.CONNECTING}),
        b"EHLO": frozenset({C.GREETED, C.READY}),
        b"HELO": frozenset({C.GREETED}),
        b"STARTTLS": frozenset({C.READY}),
        b"AUTH": frozenset({C.READY}),
        b"MAIL": frozenset({C.READY}),
        b"RCPT": frozenset({C.MAIL, C.RCPT}),
        b"DATA": frozenset({C.RCPT}),
        b"END": frozenset({C.DATA}),
        b"RSET": frozenset({C.READY, C.MAIL, C.RCPT}),
        b"NOOP": frozenset({C.READY}),
        b"QUIT": frozenset({C.GREETED, C.READY, C.MAIL, C.RCPT}),
    }
)
CLIENT_ACCEPTS: Final[Mapping[bytes, range]] = MappingProxyType(
    {verb: range(200, 300) for verb in CLIENT_COMMANDS} | {b"DATA": range(354, 355)}
)
CLIENT_TRANSITIONS: Final[Mapping[tuple[bytes, Verdict], ClientState]] = MappingProxyType(
    {
        (b"GREETING", Verdict.ACCEPTED): C.GREETED,
        (b"GREETING", Verdict.REFUSED): C.CLOSED,
        (b"EHLO", Verdict.ACCEPTED): C.READY,
        (b"HELO", Verdict.ACCEPTED): C.READY,
        (b"STARTTLS", Verdict.ACCEPTED): C.GREETED,
        (b"MAIL", Verdict.ACCEPTED): C.MAIL,
        (b"RCPT", Verdict.ACCEPTED): C.RCPT,
        (b"DATA", Verdict.ACCEPTED): C.DATA,
        (b"END", Verdict.ACCEPTED): C.READY,
        (b"END", Verdict.REFUSED): C.READY,
        (b"RSET", Verdict.ACCEPTED): C.READY,
        (b"QUIT", Verdict.ACCEPTED): C.CLOSED,
        (b"QUIT", Verdict.REFUSED): C.CLOSED,
    }
)


def server_next(verb: bytes, state: ServerState, code: int) -> ServerState:
    """Return the state after we answered `verb` with `code`. 421 and 521 announce the end (3.8; RFC 7504)."""
    if code in (421, 521):
        return ServerState.CLOSED
    verdict = Verdict.CHALLENGED if code == 334 else Verdict.ACCEPTED if 200 <= code < 400 else Verdict.REFUSED
    return SERVER_TRANSITIONS.get((verb, state, verdict), state)


def client_next(verb: bytes, state: ClientState, code: int) -> ClientState:
    """Return the state after the next hop answered `verb` with `code`."""
    if code == 421:
        return ClientState.CLOSED
    verdict = Verdict.ACCEPTED if code in CLIENT_ACCEPTS[verb] else Verdict.REFUSED
    return CLIENT_TRANSITIONS.get((verb, verdict), state)


def mechanisms(words: bytes) -> bytes:
    """Return those of the AUTH mechanisms `words` by which a client can speak for itself through us.

    EXTERNAL would show the next hop our own certificate in its place (RFC 4422 A), and what ends in -PLUS is bound to
    the TLS connection (RFC 5802 6), of which there are two.
    """
    kept = [word for word in words.split() if word.upper() != b"EXTERNAL" and not word.upper().endswith(b"-PLUS")]
    return b" ".join(kept)


def header(lines: bytes) -> tuple[bytes, bool]:
    """Return those of `lines` that belong to a message's header, and whether it may go on after them."""
    if lines.startswith(b"\r\n"):
        return b"", False
    end = lines.find(b"\r\n\r\n")
    return (lines, True) if end < 0 else (lines[: end + 2], False)


def hops(head: bytes) -> int:
    """Return how many Received fields stand in lines of a header (6.3)."""
    return (b"\r\n" + head.lower()).count(b"\r\nreceived:")


def command_limit(verb: bytes, extensions: Container[bytes]) -> int:
    """Return the longest line of `verb` in octets, CRLF included, where the client was told of `extensions`."""
    if verb == b"AUTH":
        return AUTH_LINE
    parameter = AUTH_PARAMETER if verb == b"MAIL" and b"AUTH" in extensions else 0
    return COMMAND_LINE + COMMAND_ALLOWANCE.get(verb, 0) + parameter
