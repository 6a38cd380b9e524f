# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove a server's certificate before anybody depends on it: by a TLS handshake with ourselves, in memory.

OpenSSL judges what a client would judge: that key and certificate belong together, the dates, the names, the chain.
"""

from __future__ import annotations

import datetime
import ssl
import tempfile
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

# DSG's administrators are warned this long before a certificate expires.
WARN_DAYS = 30
# ssl.VERIFY_X509_PARTIAL_CHAIN, which Python names from 3.10 on: a leaf may be its own trust anchor.
_PARTIAL_CHAIN = 0x80000
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class CertificateError(Exception):
    """A certificate that clients would refuse. The text holds every reason."""


class Proven(NamedTuple):
    """What is known of a good certificate: its last second in UTC, and the whole days until then."""

    expires: datetime.datetime
    days_left: int


def prove(
    chain: str, key: str, names: Sequence[str], authorities: Optional[str], folder: Optional[str] = None
) -> Proven:
    """Prove the PEM texts *chain* (leaf first) and *key* for each of *names* (host names or addresses).

    Without *authorities* (PEM) the leaf is trusted as it is, so that all but its chain is looked at. The key lies for
    a moment in a temporary folder below *folder* that only this user can enter. Raises CertificateError.
    """
    if "ENCRYPTED" in key:
        raise CertificateError("the private key is encrypted; give it without a password")
    leaf = _leaf(chain)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="certificate-", dir=folder) as name:
        chain_file, key_file = Path(name, "chain.pem"), Path(name, "server.key")
        chain_file.write_text(chain, encoding="ascii", errors="replace")
        key_file.touch(0o600)
        key_file.write_text(key, encoding="ascii", errors="replace")
        try:
            server.load_cert_chain(str(chain_file), str(key_file), password="")
        except (ssl.SSLError, ValueError) as error:
            raise CertificateError(f"certificate and key cannot be used together: {_reason(error)}") from None
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        client.load_verify_locations(cadata=leaf if authorities is None else authorities)
    except (ssl.SSLError, ValueError) as error:
        raise CertificateError(f"the authorities cannot be used: {_reason(error)}") from None
    if authorities is None:
        client.verify_flags |= _PARTIAL_CHAIN
    reasons = list(dict.fromkeys(reason for name in (None, *names) for reason in _refusals(server, client, name)))
    if reasons:
        raise CertificateError("; ".join(reasons))
    return _expiry(server, client)


def _leaf(chain: str) -> str:
    start, end = chain.find(_BEGIN), chain.find(_END)
    if start < 0 or end < start:
        raise CertificateError("the certificate is no PEM text; give the certificate itself, leaf first")
    return chain[start : end + len(_END)] + "\n"


def _refusals(server: ssl.SSLContext, client: ssl.SSLContext, name: Optional[str]) -> List[str]:
    client.check_hostname = name is not None
    try:
        _handshake(server, client, name)
    except ssl.SSLCertVerificationError as error:
        return [error.verify_message]
    except ssl.SSLError as error:
        return [_reason(error)]
    return []


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: Optional[str]) -> ssl.SSLObject:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [ours, theirs]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)
    return ours


def _expiry(server: ssl.SSLContext, client: ssl.SSLContext) -> Proven:
    client.check_hostname = False
    found = _handshake(server, client, None).getpeercert() or {}
    seconds = ssl.cert_time_to_seconds(str(found["notAfter"]))
    expires = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return Proven(expires, (expires - datetime.datetime.now(datetime.timezone.utc)).days)


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error)
