# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the arguments of MAIL and RCPT (RFC 5321 4.1.2), and writes them again in their canonical form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from alertpath_tunnel.smtp import tables
from alertpath_tunnel.smtp.reply import Reply

_QUOTED = rb'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"'
_PATH: Final = re.compile(rb" *<(?P<address>(?:" + _QUOTED + rb'|[^<>"\\\x00-\x20\x7f])*)>(?P<rest> .*)?')
_SOURCE_ROUTE: Final = re.compile(rb"@[^,:]+(?:,@[^,:]+)*:")
_XTEXT = rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})"
_VALUES: Final = {
    b"SIZE": re.compile(rb"[0-9]{1,20}"),
    b"BODY": re.compile(rb"7BIT|8BITMIME", re.IGNORECASE),
    b"RET": re.compile(rb"FULL|HDRS", re.IGNORECASE),
    # Whoever said so to the client's server, or <> (RFC 4954 5).
    b"AUTH": re.compile(_XTEXT + rb"{1,500}"),
    b"ENVID": re.compile(_XTEXT + rb"{1,100}"),
    b"NOTIFY": re.compile(rb"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}", re.IGNORECASE),
    # Addresses of SMTPUTF8 stand in ORCPT as utf-8-addr-xtext, ASCII too (RFC 6533 3).
    b"ORCPT": re.compile(rb"[!-:<-~]{1,60};[!-~]{1,500}"),
}


class EnvelopeError(Exception):
    """An argument of MAIL or RCPT that must be refused; `reply` says how."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Path:
    """A reverse or forward path without its brackets, and its parameters (keyword in upper case -> value or None)."""

    address: bytes
    parameters: Mapping[bytes, bytes | None]

    def to_argument(self, keyword: bytes) -> bytes:
        """Return what follows MAIL (`keyword` FROM) or RCPT (TO)."""
        words = [key if value is None else key + b"=" + value for key, value in self.parameters.items()]
        return b" ".join([keyword + b":<" + self.address + b">", *words])


# A vault writes from the same address to the same few again and again.
@lru_cache(maxsize=1024)
def parse(argument: bytes, keyword: bytes, announced: frozenset[bytes]) -> Path:
    """Read `argument`, which must begin with `keyword`, FROM or TO, and a colon.

    `announced` are the extensions the client was told of. Raises EnvelopeError.
    """
    head = argument[: len(keyword) + 1]
    match = _PATH.fullmatch(argument[len(head) :]) if head.upper() == keyword + b":" else None
    if match is None:
        raise EnvelopeError(tables.BAD_SYNTAX)
    address = match["address"]
    route = _SOURCE_ROUTE.match(address)
    if route:
        address = address[route.end() :]
        if not address:
            # A route to nobody is no null sender.
            raise EnvelopeError(tables.BAD_SYNTAX)
    known = tables.MAIL_PARAMETERS if keyword == b"FROM" else tables.RCPT_PARAMETERS
    parameters = _parameters((match["rest"] or b"").split(), known, announced)
    return Path(address, parameters)


def check_address(address: bytes, utf8: bool) -> None:
    """Raise EnvelopeError for octets above 127 unless the transaction is SMTPUTF8 and they are UTF-8 (RFC 6531 3.3)."""
    if address.isascii():
        return
    try:
        address.decode("utf-8")
    except UnicodeDecodeError:
        raise EnvelopeError(tables.BAD_SYNTAX) from None
    if not utf8:
        raise EnvelopeError(tables.NOT_ASCII)


def _parameters(
    words: list[bytes], known: Mapping[bytes, bytes], announced: frozenset[bytes]
) -> Mapping[bytes, bytes | None]:
    found: dict[bytes, bytes | None] = {}
    for word in words:
        keyword, equals, value = word.partition(b"=")
        keyword = keyword.upper()
        if known.get(keyword) not in announced:
            raise EnvelopeError(tables.BAD_PARAMETER)
        pattern = _VALUES.get(keyword)
        if keyword in found or (pattern is None) == bool(equals) or (pattern and not pattern.fullmatch(value)):
            raise EnvelopeError(tables.BAD_SYNTAX)
        found[keyword] = value if equals else None
    return MappingProxyType(found)
