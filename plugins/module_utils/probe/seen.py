# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the evidence that a connection gives: of TCP, of SMTP and of TLS. Plain values, no behaviour."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional, Tuple


class Tcp(NamedTuple):
    """What the kernel knew of a connection on which the server fell silent (TCP_INFO, linux/tcp.h)."""

    acknowledged: bool
    """The server's side acknowledged all that was sent to it."""
    window: Optional[int]
    """Octets the server's side would still take; None on kernels before 5.4."""
    retransmits: int
    """How often in a row the oldest unacknowledged segment was sent again."""


class Exchange(NamedTuple):
    """One stage of a session: the reply's code, enhanced status code (RFC 3463) and text, and how long it took."""

    stage: str
    code: Optional[int]
    enhanced: Optional[str]
    text: str
    seconds: Optional[float] = None


class Smtp(NamedTuple):
    """What the server said of itself."""

    greeting_code: Optional[int] = None
    greeting_seconds: Optional[float] = None
    extensions: Optional[Dict[str, Tuple[str, ...]]] = None
    """EHLO keywords in capitals and their parameters, from the last EHLO: inside TLS where there was one."""
    size: Optional[int] = None
    """The largest message in octets (RFC 1870); 0 when the server sets no fixed limit."""
    auth: Optional[Tuple[str, ...]] = None
    """The SASL mechanisms offered (RFC 4954)."""
    auth_in_clear: Optional[bool] = None
    """Mechanisms were offered before TLS began."""
    mechanism: Optional[str] = None
    """The mechanism used."""
    exchanges: Tuple[Exchange, ...] = ()


class ChainLink(NamedTuple):
    """One certificate of the chain as the server sent it."""

    names: Tuple[str, ...]
    issuer: str
    not_after: str
    days_left: int


class Tls(NamedTuple):
    """What the handshake showed beyond version and cipher."""

    chain: Optional[Tuple[ChainLink, ...]] = None
    """The server's certificate first; None when this Python does not show the chain."""
    client_certificate_asked: Optional[bool] = None
    """The server asked for a client certificate; None when this Python does not show it."""
    client_certificate_sent: Optional[bool] = None


def plain(value: Any) -> Any:
    """Return *value* as plain data: named tuples as dictionaries without what does not apply, tuples as lists."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items() if part is not None}
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value
