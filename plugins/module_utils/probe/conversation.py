# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SMTP dialogue and the TLS round it as one machine: octets from the wire in, octets for the wire out. Sans-I/O."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import datetime
from typing import Optional

from .certificate import Certificate, MalformedCertificate, read
from .dialogue import Dialogue, Step
from .model import IMPLICIT, TLS_FAILED, TLS_MISSING, WRONG_SERVER, Evidence, Finding
from .reply import printable
from .tls import MISMATCH, Handshake, TlsClient, TlsFailure, looks_like_tls


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
    ) -> None:
        """*context* decides whom to trust; *now* is the time that days left are counted from."""
        self._dialogue = Dialogue(encryption, depth, helo, name)
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
                    self._dialogue.receive(self._tls.read())
        except TlsFailure as failure:
            self._failed(failure)
        self._collect()

    def closed(self, how: str) -> None:
        """The server closed the connection; *how* in words."""
        self._dialogue.closed(how)

    def expired(self, seconds: float) -> None:
        """The server did not say enough within *seconds*."""
        self._dialogue.expired(seconds)

    def _clear_text(self, data: bytes) -> bool:
        """Whether the server answers a TLS greeting in clear text: then there is no implicit TLS on this port."""
        if self._dialogue.step is not Step.TLS or looks_like_tls(data) or self._tls_began:
            self._tls_began = True
            return False
        line = printable(data.splitlines()[0] if data.splitlines() else data, 120)
        self._dialogue.end(TLS_MISSING, f"the server speaks clear text where TLS is due: {line}", reply=line)
        return True

    def _start_tls_if_due(self) -> None:
        if self._dialogue.step is not Step.TLS or self._tls is not None:
            return
        self._collect()
        self._tls = TlsClient(self._context, self._name)
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
        verified = self._context.verify_mode == ssl.CERT_REQUIRED
        self._dialogue.secured(verified and self._context.check_hostname and self._name is not None)

    def _failed(self, failure: TlsFailure) -> None:
        if self._dialogue.step in (Step.QUIT, Step.DONE):
            self._dialogue.closed("TLS broke")
            return
        self.certificate_rejected = failure.about_certificate
        outcome = WRONG_SERVER if failure.reason == MISMATCH else TLS_FAILED
        what = f"the certificate is not for {self._name}" if failure.reason == MISMATCH else f"TLS failed: {failure}"
        self._dialogue.end(outcome, what, tls_error=failure.reason)

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
        days_left=certificate.days_left(now) if certificate else None,
    )
