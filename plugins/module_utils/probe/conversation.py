# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SMTP dialogue and the TLS round it as one machine: octets from the wire in, octets for the wire out. Sans-I/O."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import datetime
from typing import Any, Optional, Tuple

from . import classes
from .certificate import Certificate, MalformedCertificate, read
from .dialogue import OVER, Dialogue
from .model import IMPLICIT, LOCAL_ERROR, TLS_FAILED, TLS_MISSING, WRONG_SERVER, Evidence, Finding
from .reply import printable
from .seen import ChainLink, Tcp, Tls
from .steps import NO_ERRAND, Errand, Step
from .tls import MISMATCH, Handshake, Shown, TlsClient, TlsFailure, looks_like_tls

_MOST_LINKS = 10


class Conversation:
    """One session with a server, from its first octet to its last."""

    def __init__(
        self,
        encryption: str,
        depth: str,
        helo: str,
        name: Optional[str],
        context: ssl.SSLContext,
        now: datetime,
        errand: Errand = NO_ERRAND,
        client_certificate: bool = False,
    ) -> None:
        """*context* decides whom to trust; *now* is the time that days left are counted from.

        *client_certificate*: the context has one to show.
        """
        self._dialogue = Dialogue(encryption, depth, helo, name, errand)
        self._client_certificate = client_certificate
        self._heard_inside = False
        self._implicit = encryption == IMPLICIT
        self._context = context
        self._name = name
        self._now = now
        self._tls: Optional[TlsClient] = None
        self._tls_began = False
        self._secure = False
        self._output = b""
        self.certificate_rejected = False
        """The handshake failed because of the server's certificate."""
        self._start_tls_if_due()

    @property
    def step(self) -> Step:
        """What the session waits for."""
        return self._dialogue.step

    @property
    def finding(self) -> Finding:
        """What the session found; final once `step` is QUIT or DONE."""
        return self._dialogue.finding

    def output(self) -> bytes:
        """Return the octets to send, once."""
        data, self._output = self._output, b""
        return data

    def receive(self, data: bytes) -> None:
        """Take octets from the wire."""
        try:
            if self._tls is None:
                self._dialogue.receive(data)
                self._start_tls_if_due()
            elif self._implicit and not self._secure and self._clear_text(data):
                return
            else:
                self._tls.receive(data)
                if not self._secure:
                    self._shake_hands(self._tls)
                if self._secure:
                    heard = self._tls.read()
                    self._heard_inside = self._heard_inside or bool(heard)
                    self._dialogue.receive(heard)
        except TlsFailure as failure:
            self._failed(failure)
        self._collect()

    def lost(self, how: str) -> None:
        """What carried the connection is gone; *how* in words. It says nothing of the server."""
        if self._dialogue.step not in OVER:
            self._dialogue.end(LOCAL_ERROR, how, kind=classes.CARRIER_LOST)
        else:
            self._dialogue.closed(how)

    def closed(self, how: str, **parts: Any) -> None:
        """The connection ended; *how* in words, *parts* of the evidence for it."""
        self._note_shown()
        tls = self.finding.evidence.tls
        waits = self._dialogue.step in (Step.TLS, Step.GREETING, Step.QUIT)
        if tls is None or not tls.client_certificate_asked or self._heard_inside or not waits:
            self._dialogue.closed(how, **parts)
            return
        # Some servers judge a client's certificate without an alert: they hang up before the first word inside TLS.
        judged = "refused" if tls.client_certificate_sent else "required"
        self._dialogue.end(
            TLS_FAILED,
            f"TLS failed: the server asked for a client certificate, got {'one' if judged == 'refused' else 'none'}, "
            f"and then {how} without a word",
            tls_error=f"client_certificate_{judged}",
            **{**parts, "kind": None},
        )

    def expired(self, seconds: float, tcp: Optional[Tcp] = None, overall: bool = False) -> None:
        """The server did not say enough within *seconds*; *tcp* and *overall* as `Dialogue.expired` has them."""
        self._note_shown()
        self._dialogue.expired(seconds, tcp, overall)

    def took(self, step: Step, seconds: float) -> None:
        """*step* lasted *seconds*."""
        self._dialogue.took(step, seconds)

    def _clear_text(self, data: bytes) -> bool:
        """Whether the server answers a TLS greeting in clear text: then there is no implicit TLS on this port."""
        if self._dialogue.step is not Step.TLS or looks_like_tls(data) or self._tls_began:
            self._tls_began = True
            return False
        line = printable(data.splitlines()[0] if data.splitlines() else data, 120)
        self._dialogue.end(
            TLS_MISSING, f"the server speaks clear text where TLS is due: {line}", reply=line, kind=classes.CLEAR_TEXT
        )
        return True

    def _start_tls_if_due(self) -> None:
        if self._dialogue.step is not Step.TLS or self._tls is not None:
            return
        self._collect()
        self._tls = TlsClient(self._context, self._name, self._client_certificate)
        try:
            self._shake_hands(self._tls)
        except TlsFailure as failure:
            self._failed(failure)
        self._collect()

    def _shake_hands(self, tls: TlsClient) -> None:
        done = tls.handshake()
        if done is None:
            return
        self._secure = True
        self._dialogue.note(describe(self.finding.evidence, done, self._now))
        self._note_shown()
        verified = self._context.verify_mode == ssl.CERT_REQUIRED
        self._dialogue.secured(verified and self._context.check_hostname and self._name is not None)

    def _failed(self, failure: TlsFailure) -> None:
        # With TLS 1.3 the server's judgement on our side of the handshake comes after ours is done, and QUIT is said.
        late = failure.alert and self._secure and not self._heard_inside and self._dialogue.step is Step.QUIT
        if self._dialogue.step in (Step.RSET, Step.QUIT, Step.DONE) and not late:
            self._dialogue.closed("TLS broke")
            return
        self._note_shown()
        if failure.about_certificate:
            self._describe_rejected()
        mismatch = failure.reason == MISMATCH
        self.certificate_rejected = failure.about_certificate
        self._dialogue.end(
            WRONG_SERVER if mismatch else TLS_FAILED,
            f"the certificate is not for {self._name}" if mismatch else f"TLS failed: {failure}",
            tls_error=failure.reason,
            kind=classes.WRONG_CERTIFICATE if mismatch else None,
        )
        if failure.about_certificate:
            self._dialogue.note(explain_certificate(self.finding.evidence, self._name))

    def _note_shown(self) -> None:
        """Add what the server has shown in the handshake to the evidence."""
        if self._tls is None:
            return
        shown = self._tls.shown
        sent = self._client_certificate and shown.client_certificate_asked
        tls = Tls(_links(shown, self._now), shown.client_certificate_asked, sent or None)
        if tls != Tls():
            self._dialogue.note(replace(self.finding.evidence, tls=tls))

    def _describe_rejected(self) -> None:
        evidence = self.finding.evidence
        links = evidence.tls.chain if evidence.tls else None
        if links:
            names, days = links[0].names, links[0].days_left
            self._dialogue.note(replace(evidence, certificate_names=names, days_left=days))

    def _collect(self) -> None:
        said = self._dialogue.output()
        if self._tls is None:
            self._output += said
            return
        try:
            if said and self._secure:
                self._tls.write(said)
        except TlsFailure as failure:
            self._failed(failure)
        self._output += self._tls.output()


def describe(evidence: Evidence, handshake: Handshake, now: datetime) -> Evidence:
    """Complete *evidence* with what a handshake showed, and the server's certificate says."""
    try:
        certificate: Optional[Certificate] = read(handshake.certificate)
    except MalformedCertificate:
        certificate = None
    return replace(
        evidence,
        tls_version=handshake.version,
        cipher=handshake.cipher,
        certificate_names=certificate.names if certificate else None,
        common_name_only=True if certificate and certificate.common_name_only else None,
        days_left=certificate.days_left(now) if certificate else None,
    )


def explain_certificate(evidence: Evidence, name: Optional[str] = None) -> Evidence:
    """Say in the text of *evidence* what the certificate names, though not *name*, and when it expired."""
    text, days = evidence.text, evidence.days_left
    if evidence.certificate_names:
        text = f"{text}; it names {', '.join(evidence.certificate_names[:5])}"
    if evidence.tls_error == MISMATCH and name and name.lower() in map(str.lower, evidence.certificate_names or ()):
        # RFC 9525 section 6.3: a name counts only as a DNS name, an address only as an IP address.
        text = f"{text}, but not as an alternative name of its kind, and no other counts"
    if days is not None and days < 0:
        text = f"{text}; it expired {-days} days ago"
    return replace(evidence, text=text)


def _links(shown: Shown, now: datetime) -> Optional[Tuple[ChainLink, ...]]:
    """Describe the certificates of a chain; one that cannot be read ends it."""
    if shown.chain is None:
        return None
    links = []
    for der in shown.chain[:_MOST_LINKS]:
        try:
            seen = read(der)
        except MalformedCertificate:
            break
        links.append(ChainLink(seen.names, seen.issuer, seen.not_after.strftime("%Y-%m-%d"), seen.days_left(now)))
    return tuple(links)
