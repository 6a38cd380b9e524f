# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The classes within an outcome: what was seen, as finely as the evidence allows, and what it leaves open. Pure.

An outcome says what follows for the verdict; its class says what happened. Where there is nothing finer to say, the
class is the outcome.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

from . import model
from .model import Finding
from .seen import Tcp

OWN_RULE = "own_rule"
LOCAL_POLICY = "local_policy"
CARRIER_LOST = "carrier_lost"
CARRIER_FORBIDS = "carrier_forbids"
CARRIER_UNCLEAR = "carrier_unclear"
UNREACHABLE = "unreachable"
NO_NEIGHBOUR = "no_neighbour"
HALF_OPEN = "half_open"
TARPIT = "tarpit"
SILENT = "silent"
BANNER_INCOMPLETE = "banner_incomplete"
BANNER_LATE = "banner_late"
RESET_AFTER_ACCEPT = "reset_after_accept"
CLOSED_AFTER_ACCEPT = "closed_after_accept"
REJECTED_AFTER_ACCEPT = "rejected_after_accept"
RESET_IN_SESSION = "reset_in_session"
GREETING_421 = "greeting_421"
GREETING_554 = "greeting_554"
EHLO_REFUSED = "ehlo_refused"
TLS_NOT_OFFERED = "tls_not_offered"
TLS_REFUSED = "tls_refused"
TLS_STRIPPED = "tls_stripped"
CLEAR_TEXT = "clear_text"
WRONG_CERTIFICATE = "wrong_certificate"
WRONG_GREETING = "wrong_greeting"
HIDDEN_GREETING = "hidden_greeting"
AUTH_MISSING = "auth_missing"
AUTH_UNSAFE = "auth_unsafe"
AUTH_REFUSED = "auth_refused"
AUTH_DEFERRED = "auth_deferred"
AUTH_REQUIRED = "auth_required"
SENDER_REFUSED = "sender_refused"
SENDER_DEFERRED = "sender_deferred"
RECIPIENT_REFUSED = "recipient_refused"
RECIPIENT_DEFERRED = "recipient_deferred"
INTERCEPTED = "intercepted"
"""A device before the destination answers, or diverts the connection; only a search (locate) finds it."""

LATE = 3.0
"""Seconds from which on a greeting counts as late. Postfix's postscreen holds it back for 6."""

WITHIN: Dict[str, Tuple[str, ...]] = {
    model.OPEN: (BANNER_LATE, RESET_AFTER_ACCEPT),
    model.REFUSED: (OWN_RULE,),
    model.REJECTED: (OWN_RULE,),
    model.FILTERED: (OWN_RULE,),
    model.NO_ROUTE: (UNREACHABLE, NO_NEIGHBOUR),
    model.LOCAL_ERROR: (LOCAL_POLICY, CARRIER_LOST, CARRIER_FORBIDS, CARRIER_UNCLEAR),
    model.BANNER_TIMEOUT: (SILENT, HALF_OPEN, TARPIT, BANNER_INCOMPLETE),
    model.NOT_SMTP: (
        RESET_AFTER_ACCEPT,
        CLOSED_AFTER_ACCEPT,
        REJECTED_AFTER_ACCEPT,
        RESET_IN_SESSION,
        HALF_OPEN,
        TARPIT,
    ),
    model.GREETING_REFUSED: (GREETING_421, GREETING_554, EHLO_REFUSED),
    model.TLS_MISSING: (TLS_NOT_OFFERED, TLS_REFUSED, TLS_STRIPPED, EHLO_REFUSED, CLEAR_TEXT),
    model.TLS_FAILED: (
        RESET_AFTER_ACCEPT,
        CLOSED_AFTER_ACCEPT,
        RESET_IN_SESSION,
        REJECTED_AFTER_ACCEPT,
        HALF_OPEN,
        TARPIT,
    ),
    model.WRONG_SERVER: (WRONG_CERTIFICATE, WRONG_GREETING, HIDDEN_GREETING),
    model.AUTH_FAILED: (
        AUTH_MISSING,
        AUTH_UNSAFE,
        AUTH_REFUSED,
        AUTH_DEFERRED,
        RESET_IN_SESSION,
        REJECTED_AFTER_ACCEPT,
        HALF_OPEN,
        TARPIT,
    ),
    model.MAIL_REFUSED: (
        SENDER_REFUSED,
        SENDER_DEFERRED,
        RECIPIENT_REFUSED,
        RECIPIENT_DEFERRED,
        AUTH_REQUIRED,
        RESET_IN_SESSION,
        REJECTED_AFTER_ACCEPT,
        HALF_OPEN,
        TARPIT,
    ),
}
WITHIN.update({outcome: (*WITHIN.get(outcome, ()), INTERCEPTED) for outcome in model.ANSWERED})
"""The classes of each outcome that has finer ones."""

SILENCE = {
    HALF_OPEN: "; what was sent is not acknowledged: half open",
    TARPIT: "; the server's side takes nothing (send window 0): a tarpit",
    SILENT: "; what was sent is acknowledged: a server, or a proxy, that says nothing",
    BANNER_INCOMPLETE: "; the beginning of one came",
}
"""What a silence of each class means, in words."""

WHO_COMPLETES = "whether a server or a device on the way completed the TCP handshake"
WHO_RESETS = "whether the destination itself or a firewall in its name sent the reset"
WHO_RESETS_AFTERWARDS = "whether the server or a device on the way reset the connection"
WHO_STANDS_THERE = "whether another server stands at the address or a device on the way answers in its place"
WHICH_DROPS = "which device drops, and whether it drops the SYN or its answer"
WHICH_OF_MINE = "which rule of this host drops, and whether a device behind it would drop as well"
WHICH_REJECTS = "which device rejects: the kernel did not say"
"""What evidence leaves open; a search for the stopping device may answer it."""


def of_silence(tcp: Optional[Tcp], partial: bool, at_greeting: bool) -> Optional[str]:
    """Name the silence of a connected server by what the kernel knew of the connection.

    *partial*: the beginning of a reply came. Nothing acknowledged is half open, a window of 0 a tarpit.
    """
    if tcp is not None and not tcp.acknowledged:
        return TARPIT if tcp.window == 0 else HALF_OPEN
    if not at_greeting:
        return None
    if partial:
        return BANNER_INCOMPLETE
    return SILENT if tcp is not None else None


def of_end(reset: bool, rejected: bool, at_greeting: bool) -> Optional[str]:
    """Name how a connection ended: by a TCP reset, by an ICMP error or the like, else by an orderly close."""
    if rejected:
        return REJECTED_AFTER_ACCEPT
    if reset:
        return RESET_AFTER_ACCEPT if at_greeting else RESET_IN_SESSION
    return CLOSED_AFTER_ACCEPT if at_greeting else None


def of_refusal(what: str, code: int) -> Optional[str]:
    """Name a refusal by what is refused (`greeting`, `sender`, `recipient`) and the code of the reply."""
    if what == "greeting":
        return {421: GREETING_421, 554: GREETING_554}.get(code)
    if code == 530:  # RFC 4954 section 6
        return AUTH_REQUIRED
    deferred = 400 <= code < 500
    if what == "sender":
        return SENDER_DEFERRED if deferred else SENDER_REFUSED
    return RECIPIENT_DEFERRED if deferred else RECIPIENT_REFUSED


class Class(NamedTuple):
    """A class, and in words what the evidence for it cannot tell."""

    name: str
    cannot_tell: Tuple[str, ...]


def classify(finding: Finding, depth: str, destination_lives: bool = False) -> Class:
    """Return the class of a settled *finding* of a probe of *depth*.

    *destination_lives*: the destination answered on another port, so it is there.
    """
    evidence = finding.evidence
    smtp = evidence.smtp
    name = evidence.kind or finding.outcome
    if finding.outcome == model.OPEN and smtp is not None and (smtp.greeting_seconds or 0.0) >= LATE:
        name = BANNER_LATE
    if finding.outcome == model.OPEN:
        return Class(name, tuple(_unseen_of_open(finding, depth)))
    return Class(name, tuple(_unseen(name, finding, destination_lives)))


def _unseen_of_open(finding: Finding, depth: str) -> List[str]:
    evidence = finding.evidence
    if depth == model.CONNECT:
        return ["who answers, and whether it speaks SMTP", WHO_COMPLETES]
    unseen = []
    if not evidence.name_verified:
        unseen.append("whether the server is who it says: no certificate proved its name")
    tls = evidence.tls
    if tls is not None and tls.client_certificate_asked and not tls.client_certificate_sent and depth == model.TLS:
        unseen.append("whether the server serves a client without a certificate: it asked for one")
    if depth == model.MAIL:
        unseen.append("whether a message would be accepted after DATA, and delivered")
    return unseen


def _unseen(name: str, finding: Finding, destination_lives: bool) -> List[str]:
    evidence = finding.evidence
    if name == model.REFUSED:
        return [WHO_RESETS]
    if name == model.FILTERED:
        unseen = [WHICH_DROPS]
        if not destination_lives:
            unseen.append("whether the destination is there: it answered on no other port")
        return unseen
    if name == OWN_RULE and finding.outcome == model.FILTERED:
        return [WHICH_OF_MINE]
    if name in (model.REJECTED, model.NO_ROUTE, REJECTED_AFTER_ACCEPT) and not evidence.local and not evidence.device:
        return [WHICH_REJECTS]
    if name in (model.REJECTED, UNREACHABLE):
        return ["whether a rule or a missing route of the device made it answer so"] if _either(evidence) else []
    if name == LOCAL_POLICY:
        return ["which policy of this host: a route, a filter of system calls or of the cgroup, a security module"]
    if name in (HALF_OPEN, SILENT, TARPIT, BANNER_INCOMPLETE, CLOSED_AFTER_ACCEPT):
        return [WHO_COMPLETES]
    if name in (RESET_AFTER_ACCEPT, RESET_IN_SESSION):
        return [WHO_RESETS_AFTERWARDS]
    if name == TLS_NOT_OFFERED:
        return ["whether the server offers no STARTTLS or a device on the way removed it"]
    if name in (WRONG_CERTIFICATE, WRONG_GREETING):
        return [WHO_STANDS_THERE]
    if finding.outcome == model.TLS_FAILED and evidence.tls_error == "untrusted":
        return ["whether the server's authority is missing from the trusted ones or a device on the way re-signs"]
    return []


def _either(evidence: model.Evidence) -> bool:
    """Whether the ICMP error is one that both routing and filtering send (host or network unreachable)."""
    v6 = ":" in (evidence.device or "")
    return (evidence.icmp_type, evidence.icmp_code) in ({(1, 0), (1, 3)} if v6 else {(3, 0), (3, 1)})
