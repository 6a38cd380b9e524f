# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS contexts of both sides, and what a handshake agreed on."""

from __future__ import annotations

import ssl
from pathlib import Path
from weakref import WeakKeyDictionary

from alertpath_tunnel.config.model import Certificate, File, TunnelTls, UpstreamTls
from alertpath_tunnel.config.problems import Problem
from alertpath_tunnel.config.secrets import FileProblem, check_file, check_private, read_secret

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_REQUIREMENTS = {
    "CERT_NONE": ssl.CERT_NONE,
    "CERT_OPTIONAL": ssl.CERT_OPTIONAL,
    "CERT_REQUIRED": ssl.CERT_REQUIRED,
}
# RFC 9325, section 4.2: forward secrecy and authenticated encryption, which all of TLS 1.3 has.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_asked: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, str] = WeakKeyDictionary()


def server_context(tls: TunnelTls) -> ssl.SSLContext | None:
    """Return the context of a tunnel, None without TLS. Raises FileProblem."""
    certificate = tls.certificate
    if tls.mode == "none" or certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.minimum_version]
    if tls.maximum_version:
        context.maximum_version = _VERSIONS[tls.maximum_version]
    # Renegotiation lets a client make us work for nothing.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    # A mail client resumes one session at a time; browsers are why there would be two.
    context.num_tickets = 1
    context.sni_callback = _remember
    context.set_ciphers(tls.ciphers or _CIPHERS)
    _load_certificate(context, certificate)
    context.verify_mode = _REQUIREMENTS[tls.client_certificates]
    if tls.client_ca:
        _load_ca(context, tls.client_ca.at, tls.client_ca.name, check_file(tls.client_ca))
    if tls.client_crl:
        _load_crl(context, tls.client_crl)
    return context


def client_context(tls: UpstreamTls) -> ssl.SSLContext | None:
    """Return the context for next hops, None without TLS. Raises FileProblem."""
    if tls.mode == "none":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _VERSIONS[tls.minimum_version]
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca:
        _load_ca(context, tls.ca.at, tls.ca.name, check_file(tls.ca))
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if tls.certificate:
        _load_certificate(context, tls.certificate)
    return context


def asked_name(session: object) -> str | None:
    """Return the host name a client asked for by SNI."""
    return _asked.get(session) if isinstance(session, ssl.SSLObject) else None


def agreed(session: object) -> tuple[str, str] | None:
    """Return version and cipher of a handshake, None in clear text."""
    if not isinstance(session, ssl.SSLObject):
        return None
    cipher = session.cipher()
    return session.version() or "", cipher[0] if cipher else ""


def _remember(session: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
    if name:
        _asked[session] = name.lower().removesuffix(".")


def _load_certificate(context: ssl.SSLContext, certificate: Certificate) -> None:
    password = read_secret(certificate.password) if certificate.password else b""
    key = check_private(certificate.key)
    try:
        # The empty password keeps OpenSSL from asking the terminal for one.
        context.load_cert_chain(check_file(certificate.chain), key, lambda: password)
    except (OSError, ssl.SSLError, ValueError) as error:
        problem = Problem(
            certificate.chain.at,
            certificate.chain.name,
            f"chain and key cannot be used: {_reason(error)}",
            "check that both are PEM, belong together, and that password_file fits",
        )
        raise FileProblem(problem) from None


def _load_ca(context: ssl.SSLContext, at: str, name: str, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        problem = Problem(at, name, f"cannot be used as CA: {_reason(error)}", "name a PEM file of CA certificates")
        raise FileProblem(problem) from None


def _load_crl(context: ssl.SSLContext, file: File) -> None:
    """From now on every client's certificate is looked up in the list; one that has run out lets nobody in."""
    _load_ca(context, file.at, file.name, check_file(file))
    if not context.cert_store_stats()["crl"]:
        raise FileProblem(Problem(file.at, file.name, "holds no revocation list", "name a PEM file with X509 CRL"))
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
