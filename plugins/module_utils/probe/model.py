# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe is asked, and what it saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, NamedTuple, Optional, Tuple

from .seen import Smtp, Tcp, Tls, plain

ALLOWED = "allowed"
BLOCKED = "blocked"
EXPECTATIONS = (ALLOWED, BLOCKED)

CONNECT = "connect"
BANNER = "banner"
EHLO = "ehlo"
TLS = "tls"
AUTH = "auth"
MAIL = "mail"
DEPTHS = (CONNECT, BANNER, EHLO, TLS, AUTH, MAIL)
"""How far a probe goes, each depth including what the ones before it find."""
VERIFYING = frozenset({TLS, AUTH, MAIL})
"""The depths at which a server's certificate must prove who it is."""

NONE = "none"
STARTTLS = "starttls"
IMPLICIT = "implicit"
ENCRYPTIONS = (STARTTLS, IMPLICIT, NONE)

OPEN = "open"
REFUSED = "refused"
REJECTED = "rejected"
FILTERED = "filtered"
NO_ROUTE = "no_route"
NAME_ERROR = "name_error"
LOCAL_ERROR = "local_error"
BANNER_TIMEOUT = "banner_timeout"
NOT_SMTP = "not_smtp"
GREETING_REFUSED = "greeting_refused"
TLS_MISSING = "tls_missing"
TLS_FAILED = "tls_failed"
WRONG_SERVER = "wrong_server"
AUTH_FAILED = "auth_failed"
MAIL_REFUSED = "mail_refused"

SHUT = frozenset({REFUSED, REJECTED, FILTERED})
"""No connection came about, though the probe itself could run."""
NOT_RUN = frozenset({NO_ROUTE, NAME_ERROR, LOCAL_ERROR})
"""The probe never got as far as whatever should have answered it."""
CONNECTED = frozenset(
    {
        OPEN,
        BANNER_TIMEOUT,
        NOT_SMTP,
        GREETING_REFUSED,
        TLS_MISSING,
        TLS_FAILED,
        WRONG_SERVER,
    }
)
"""A TCP connection was established, and the server was looked at."""
DECLINED = frozenset({AUTH_FAILED, MAIL_REFUSED})
"""The server was the right one, and declined what the depths auth and mail try."""
ANSWERED = CONNECTED | DECLINED
"""A TCP connection was established, whatever came of it."""


class Target(NamedTuple):
    """One row to probe, with the fields of the plan's rows (docs/plan.md)."""

    destination: str
    port: int
    expect: str = ALLOWED
    source: Optional[str] = None
    encryption: Optional[str] = None
    name: Optional[str] = None
    host: Optional[str] = None
    path: Optional[str] = None
    depth: Optional[str] = None
    """How deep to look at this one; None: as deep as at the others."""


class Endpoint(NamedTuple):
    """Where a connection goes, and the local address it leaves from."""

    family: int
    address: Tuple[Any, ...]
    """A socket address as getaddrinfo gives it; the first element is the numeric address."""
    source: Optional[Tuple[Any, ...]] = None
    interface: Optional[str] = None
    """Answers count only when they come in by this interface; None: by any."""


@dataclass(frozen=True)
class Evidence:
    """What was seen, in words and in parts. A part that does not apply is None."""

    text: str
    errno: Optional[str] = None
    local: Optional[bool] = None
    """The host itself refused to send; nothing left it."""
    reset: Optional[bool] = None
    """A TCP reset answered: from the destination, or from a firewall in its name."""
    icmp_type: Optional[int] = None
    icmp_code: Optional[int] = None
    device: Optional[str] = None
    """The address of the device that sent the ICMP error."""
    greeting: Optional[str] = None
    greeting_name: Optional[str] = None
    reply: Optional[str] = None
    """The SMTP reply that ended the dialogue."""
    tls_version: Optional[str] = None
    cipher: Optional[str] = None
    tls_error: Optional[str] = None
    name_verified: Optional[bool] = None
    """The certificate's chain and name were both verified."""
    certificate_names: Optional[Tuple[str, ...]] = None
    common_name_only: Optional[bool] = None
    """The certificate names the server in its common name alone, which newer clients do not accept."""
    days_left: Optional[int] = None
    smtp: Optional[Smtp] = None
    tls: Optional[Tls] = None
    tcp: Optional[Tcp] = None
    kind: Optional[str] = None
    """The class within the outcome (classes.py), where what was seen tells more than the outcome does."""

    def as_dict(self) -> Dict[str, Any]:
        """Return the parts that apply, as plain data. The class is no part: a row has it beside its outcome."""
        return {name: plain(value) for name, value in vars(self).items() if value is not None and name != "kind"}


class Finding(NamedTuple):
    """One outcome (a constant of this module) and the evidence for it."""

    outcome: str
    evidence: Evidence
