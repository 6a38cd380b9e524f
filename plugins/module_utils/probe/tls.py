# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS without sockets: octets in, octets out, and a reason in plain words when it fails."""

from __future__ import annotations

import ssl
from typing import Any, NamedTuple, Optional, Tuple

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
ABOUT_CERTIFICATE = frozenset({*_VERIFY_CODES.values(), "certificate"})
"""The reasons that are about the server's certificate."""
_REASONS = {
    "WRONG_VERSION_NUMBER": "no_tls",  # what came is no record of any version
    "UNSUPPORTED_PROTOCOL": "version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "version",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "no_common_cipher",
    "NO_SHARED_CIPHER": "no_common_cipher",
    "NO_CIPHERS_AVAILABLE": "no_common_cipher",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "client_certificate_required",
}
# RFC 8446 section 6.2: alerts by which a server judges the client's certificate
_JUDGED: Tuple[str, ...] = ("BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_REVOKED", "CERTIFICATE_EXPIRED")
_JUDGED += ("CERTIFICATE_UNKNOWN", "UNKNOWN_CA", "ACCESS_DENIED", "DECRYPT_ERROR")
_CERTIFICATE, _CERTIFICATE_REQUEST = 11, 13  # RFC 8446 section 4
_TLS13 = 0x0304


class TrustError(Exception):
    """The certificates of the authorities cannot be used. The text says why, and what to do."""


class TlsFailure(Exception):
    """A handshake failed. *reason* is one word, *about_certificate* whether the server's certificate was the cause.

    *alert*: the server said so, in an alert.
    """

    def __init__(self, reason: str, text: str, about_certificate: bool = False, alert: bool = False) -> None:
        super().__init__(text)
        self.reason = reason
        self.about_certificate = about_certificate
        self.alert = alert


class Handshake(NamedTuple):
    """What a finished handshake agreed on, and the server's certificate in DER."""

    version: str
    cipher: str
    certificate: bytes


class Shown(NamedTuple):
    """What the server showed, in a handshake that failed as well: its chain in DER, its own certificate first.

    A part is None when this Python does not show it.
    """

    chain: Optional[Tuple[bytes, ...]]
    client_certificate_asked: Optional[bool]


class ClientCertificate(NamedTuple):
    """The files on this host with the client's certificate and its key, and the key's password."""

    file: str
    key: Optional[str] = None
    password: Optional[str] = None

    def __repr__(self) -> str:
        return f"ClientCertificate({self.file})"


class Trust(NamedTuple):
    """Whose certificates are trusted: PEM text, a file on this host, or, with neither, the host's own authorities."""

    pem: Optional[str] = None
    file: Optional[str] = None


HOST_AUTHORITIES = Trust()


def verifying_context(trust: Trust, client: Optional[ClientCertificate] = None) -> ssl.SSLContext:
    """Return a client context that verifies chain and name, TLS 1.2 and later (RFC 8996). Raises TrustError."""
    context = _context(client)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if trust.pem is not None:
            # Between the certificates of a bundle stand names in any letters; Python refuses what is not ASCII.
            context.load_verify_locations(cadata=trust.pem.encode("ascii", "ignore").decode("ascii"))
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


def describing_context(client: Optional[ClientCertificate] = None) -> ssl.SSLContext:
    """Return a client context that trusts anybody: to look at a certificate, never to decide on it."""
    context = _context(client)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _context(client: Optional[ClientCertificate]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslobject_class = _Watched
    if hasattr(ssl.SSLContext, "_msg_callback"):
        # Not documented, but in every CPython since 3.8: no other way shows the certificate of a handshake that failed.
        setattr(context, "_msg_callback", _watch)  # noqa: B010  # typeshed does not know it
    if client is None:
        return context
    try:
        # A password that is always there: without one, the library would ask the terminal.
        context.load_cert_chain(client.file, client.key, password=client.password or "")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) if getattr(error, "filename", None) else getattr(error, "reason", None)
        files = client.file if client.key is None else f"{client.file} with client_key {client.key}"
        raise TrustError(
            f"client_cert {files}: {why or 'not usable'}; give a certificate and its key in PEM form, readable here, "
            "and client_key_password when the key is encrypted"
        ) from None
    return context


class _Watched(ssl.SSLObject):
    """A TLS connection that keeps what the server showed in its handshake."""

    watched = hasattr(ssl.SSLContext, "_msg_callback")
    certificates: Optional[Tuple[bytes, ...]] = None
    asked = False


def _watch(connection: Any, direction: str, version: int, _content: int, kind: int, data: bytes) -> None:
    """Take one message of a handshake, as OpenSSL's message callback gives it."""
    if direction != "read" or not isinstance(connection, _Watched):
        return
    if kind == _CERTIFICATE_REQUEST:
        connection.asked = True
    elif kind == _CERTIFICATE and connection.certificates is None:
        connection.certificates = chain(data, version >= _TLS13)


def chain(message: bytes, tls13: bool) -> Tuple[bytes, ...]:
    """Return the certificates in DER of a Certificate message (RFC 5246 section 7.4.2, RFC 8446 section 4.4.2).

    What does not fit ends the list: the TLS library judges the message, this only reads it.
    """
    at = 4  # the handshake header
    if tls13:
        at += 1 + message[at] if len(message) > at else 1
    at += 3
    found = []
    while at + 3 <= len(message):
        length = int.from_bytes(message[at : at + 3], "big")
        certificate = message[at + 3 : at + 3 + length]
        if not length or len(certificate) != length:
            break
        found.append(certificate)
        at += 3 + length
        if tls13:
            at += 2 + int.from_bytes(message[at : at + 2], "big")
    return tuple(found)


def explain(error: ssl.SSLError, unanswered_request: bool = False, certificate_sent: bool = False) -> TlsFailure:
    """Name the reason of a failed handshake.

    *unanswered_request*: the server asked for a client certificate and got none; *certificate_sent*: it got one.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _VERIFY_CODES.get(error.verify_code, "certificate")
        return TlsFailure(reason, error.verify_message.rstrip("."), about_certificate=True)
    if isinstance(error, ssl.SSLZeroReturnError):
        return TlsFailure("interrupted", "the server ended it")
    reason = error.reason or "tls"
    words = reason.replace("_", " ").lower()
    alert = "_ALERT_" in reason
    if unanswered_request and alert:
        return TlsFailure("client_certificate_required", f"a client certificate is required ({words})", alert=True)
    if certificate_sent and alert and reason.endswith(_JUDGED):
        return TlsFailure("client_certificate_refused", f"the client certificate is refused ({words})", alert=True)
    return TlsFailure(_REASONS.get(reason, words.replace(" ", "_")), words, alert=alert)


def looks_like_tls(data: bytes) -> bool:
    """Whether a server's first octets are a TLS record: a handshake or an alert (RFC 8446 section 5.1)."""
    return data[:1] in (b"\x16", b"\x15")


class TlsClient:
    """A TLS client over memory. Feed what the server sent, send what it gives back."""

    def __init__(self, context: ssl.SSLContext, name: Optional[str], certificate: bool = False) -> None:
        """*name* is sent as SNI and, by a verifying context that checks names, demanded of the certificate.

        *certificate*: the context has a client certificate to show.
        """
        self._certificate = certificate
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    @property
    def shown(self) -> Shown:
        """What the server has shown so far."""
        seen = self._object
        if not isinstance(seen, _Watched) or not seen.watched:
            return Shown(None, None)
        return Shown(seen.certificates, seen.asked)

    def _explain(self, error: ssl.SSLError) -> TlsFailure:
        asked = bool(self.shown.client_certificate_asked)
        return explain(error, asked and not self._certificate, asked and self._certificate)

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
            raise self._explain(error) from None
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
            raise self._explain(error) from None
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        """Say something to the server inside TLS. Raises TlsFailure."""
        try:
            self._object.write(data)
        except ssl.SSLError as error:
            raise self._explain(error) from None
