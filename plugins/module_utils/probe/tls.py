# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS without sockets: octets in, octets out, and a reason in plain words when it fails."""

from __future__ import annotations

import ssl
from typing import NamedTuple, Optional, Tuple

MISMATCH = "name_mismatch"

# X509_V_ERR_* of OpenSSL's x509_vfy.h, as SSLCertVerificationError.verify_code gives them
_VERIFY_CODES = {
    2: "untrusted",
    7: "bad_signature",
    9: "not_yet_valid",
    10: "expired",
    18: "untrusted",
    19: "untrusted",
    20: "untrusted",
    21: "untrusted",
    22: "untrusted",
    23: "revoked",
    24: "untrusted",
    26: "wrong_purpose",
    27: "untrusted",
    62: MISMATCH,
    64: MISMATCH,
    66: "weak_key",
    67: "weak_key",
    68: "weak_signature",
}
_REASONS = {
    "WRONG_VERSION_NUMBER": "version",
    "UNSUPPORTED_PROTOCOL": "version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "version",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "no_common_cipher",
    "NO_SHARED_CIPHER": "no_common_cipher",
    "NO_CIPHERS_AVAILABLE": "no_common_cipher",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "client_certificate_required",
}


class TrustError(Exception):
    """The certificates of the authorities cannot be used. The text says why, and what to do."""


class TlsFailure(Exception):
    """A handshake failed. *reason* is one word, *about_certificate* whether the server's certificate was the cause."""

    def __init__(self, reason: str, text: str, about_certificate: bool = False) -> None:
        super().__init__(text)
        self.reason = reason
        self.about_certificate = about_certificate


class Handshake(NamedTuple):
    """What a finished handshake agreed on, and the server's certificate in DER."""

    version: str
    cipher: str
    certificate: bytes


class Trust(NamedTuple):
    """Whose certificates are trusted: PEM text, a file on this host, or, with neither, the host's own authorities."""

    pem: Optional[str] = None
    file: Optional[str] = None


HOST_AUTHORITIES = Trust()


def verifying_context(trust: Trust) -> ssl.SSLContext:
    """Return a client context that verifies chain and name, TLS 1.2 and later (RFC 8996). Raises TrustError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if trust.pem is not None:
            context.load_verify_locations(cadata=trust.pem)
        elif trust.file is not None:
            context.load_verify_locations(cafile=trust.file)
        else:
            context.set_default_verify_paths()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        where = "ca_pem" if trust.pem is not None else f"ca_file {trust.file}"
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise TrustError(f"{where}: {why}; give certificates in PEM form") from None
    if (trust.pem is not None or trust.file is not None) and not context.cert_store_stats()["x509"]:
        where = "ca_pem" if trust.pem is not None else f"ca_file {trust.file}"
        raise TrustError(f"{where}: no certificate is in it; give certificates in PEM form")
    return context


def describing_context() -> ssl.SSLContext:
    """Return a client context that trusts anybody: to look at a certificate, never to decide on it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def explain(error: ssl.SSLError) -> TlsFailure:
    """Name the reason of a failed handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _VERIFY_CODES.get(error.verify_code, "certificate")
        return TlsFailure(reason, error.verify_message.rstrip("."), about_certificate=True)
    reason = error.reason or "tls"
    words = reason.replace("_", " ").lower()
    return TlsFailure(_REASONS.get(reason, words.replace(" ", "_")), words)


def looks_like_tls(data: bytes) -> bool:
    """Whether a server's first octets are a TLS record: a handshake or an alert (RFC 8446 section 5.1)."""
    return data[:1] in (b"\x16", b"\x15")


class TlsClient:
    """A TLS client over memory. Feed what the server sent, send what it gives back."""

    def __init__(self, context: ssl.SSLContext, name: Optional[str]) -> None:
        """*name* is sent as SNI and, by a verifying context that checks names, demanded of the certificate."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    def receive(self, data: bytes) -> None:
        """Take octets from the server."""
        self._incoming.write(data)

    def output(self) -> bytes:
        """Return the octets to send to the server."""
        return self._outgoing.read()

    def handshake(self) -> Optional[Handshake]:
        """Go on with the handshake; None until it is finished. Raises TlsFailure."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError as error:
            raise explain(error) from None
        cipher: Optional[Tuple[str, str, int]] = self._object.cipher()
        return Handshake(
            self._object.version() or "", cipher[0] if cipher else "", self._object.getpeercert(binary_form=True) or b""
        )

    def read(self) -> bytes:
        """Return what the server said inside TLS so far. Raises TlsFailure."""
        parts = []
        try:
            while True:
                part = self._object.read(16384)
                if not part:
                    break
                parts.append(part)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        except ssl.SSLError as error:
            raise explain(error) from None
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        """Say something to the server inside TLS. Raises TlsFailure."""
        try:
            self._object.write(data)
        except ssl.SSLError as error:
            raise explain(error) from None
