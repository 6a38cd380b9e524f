# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption on both sides: what is never done in clear text, and whose certificate lets nobody in."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import warnings
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from harness import NAME, Client, Mailbox, Pki, ScriptedHop, Tunnel, free_port
from test_end_to_end import CARD


@pytest.mark.parametrize("hidden", [b"250-hop\r\n250 XXXXXXXX\r\n", b"250-hop\r\n250 STARTTLS\r\n"])
def test_a_stripped_starttls_never_leads_to_clear_text(tmp_path: Path, pki: Pki, hidden: bytes) -> None:
    hop = ScriptedHop(EHLO=hidden, STARTTLS=b"454 4.7.0 TLS not available\r\n")
    with hop.running():
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.upstream_tls(pki, "starttls")
        with tunnel.running():
            client = Client(tunnel.port)
            client.reply()
            assert client.ask(b"EHLO x\r\n").startswith("421 4.4.1")
    assert not any(line.startswith(b"MAIL") for lines in hop.seen for line in lines)


@pytest.mark.parametrize(("mode", "encrypted"), [("starttls", True), ("none", False)])
def test_opportunistic_encrypts_where_it_is_offered(tmp_path: Path, pki: Pki, mode: str, encrypted: bool) -> None:
    with Mailbox(pki, mode).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        tunnel.upstream_tls(pki, "opportunistic")
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
            (record,) = tunnel.wait_journal()
    assert bool(record["next_hop_tls"]) is encrypted


def test_opportunistic_is_refused_behind_an_encrypted_tunnel(tmp_path: Path, pki: Pki) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tls(pki)
    tunnel.upstream_tls(pki, "opportunistic")
    with pytest.raises(AssertionError, match="clear text"):
        tunnel.start()
    assert tunnel.process.wait(10) != 0


@pytest.mark.parametrize("case", ["good", "missing", "expired", "other CA"])
def test_only_good_client_certificates_get_in(tmp_path: Path, pki: Pki, case: str) -> None:
    authority, other = trustme.CA(), trustme.CA()
    clients = tmp_path / "clients.pem"
    authority.cert_pem.write_to_path(str(clients))
    context = pki.client()
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    if case != "missing":
        issuer = other if case == "other CA" else authority
        issued = issuer.issue_cert("client.example", not_after=past if case == "expired" else None)
        issued.configure_cert(context)
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tls(pki, "implicit")
    tunnel.tunnel["advanced_settings"] = {"ssl_options": {"cert_reqs": "CERT_REQUIRED", "ca_certs": str(clients)}}
    with tunnel.running():
        client = Client(tunnel.port)
        try:
            # In TLS 1.3 the client learns of the refusal only when it reads.
            client.socket = context.wrap_socket(client.socket, server_hostname=NAME)
            greeting = client.socket.recv(100)
        except OSError:
            greeting = b""
    assert greeting.startswith(b"220") is (case == "good")


@pytest.mark.parametrize("name", [b"\xff" * len(NAME), b"\0" * len(NAME), b"." * len(NAME)])
def test_a_name_that_is_none_costs_its_client_the_handshake_and_nobody_a_traceback(
    tmp_path: Path, pki: Pki, name: bytes
) -> None:
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        pki.client().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=NAME).do_handshake()
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tls(pki, "implicit")
    # Whatever is on standard error at the end fails the test.
    with tunnel.running():
        client = Client(tunnel.port)
        client.send(outgoing.read().replace(NAME.encode(), name))
        served = client.socket.recv(1) == b"\x16"
        client.close()
        assert served or tunnel.wait_journal("TLS failed")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_nothing_below_tls_1_2_is_spoken(tmp_path: Path, pki: Pki, version: ssl.TLSVersion) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tls(pki, "implicit")
    context = pki.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    with tunnel.running():
        client = Client(tunnel.port)
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(client.socket, server_hostname=NAME)


def test_listed_clients_alone_may_speak_in_clear_text(tmp_path: Path, pki: Pki) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tls(pki, clear_text_clients=["127.0.0.2/32"])
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(CARD).startswith("530 5.7.0")
            exempt = Client(tunnel.port, source="127.0.0.2")
            assert exempt.begin().deliver(CARD).startswith("250")


def test_a_revoked_client_certificate_is_refused(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "server")
    authority = trustme.CA()
    good, revoked = authority.issue_cert("good.test"), authority.issue_cert("revoked.test")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "crl.pem").write_bytes(revocation_list(authority, revoked))
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tls(pki, "implicit")
        options = {"cert_reqs": "CERT_REQUIRED", "ca_certs": str(tmp_path / "ca.pem")}
        tunnel.tunnel["advanced_settings"] = {"ssl_options": options}
        with tunnel.running():
            # Without the list, both are let in.
            assert greeting(tunnel.port, pki, good).startswith(b"220")
            assert greeting(tunnel.port, pki, revoked).startswith(b"220")
            options["crl_file"] = str(tmp_path / "crl.pem")
            tunnel.reload()
            assert greeting(tunnel.port, pki, good).startswith(b"220")
            assert greeting(tunnel.port, pki, revoked) == b""
            assert "revoked" in str(tunnel.wait_journal("TLS failed")[0]["reason"])
            # A list that is out of date says nothing of who was revoked since: nobody is let in, and the log says why.
            (tmp_path / "crl.pem").write_bytes(revocation_list(authority, revoked, days=-1))
            tunnel.reload()
            assert greeting(tunnel.port, pki, good) == b""
            assert "CRL has expired" in str(tunnel.wait_journal("TLS failed", 2)[1]["reason"])


def revocation_list(authority: trustme.CA, leaf: trustme.LeafCert, days: int = 1) -> bytes:
    """Return a list that revokes *leaf*, and is to be renewed in *days*."""
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    serial = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).serial_number
    now = datetime.datetime.now(datetime.UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
    begin = now - datetime.timedelta(days=7)
    builder = x509.CertificateRevocationListBuilder(issuer.subject, begin, now + datetime.timedelta(days=days))
    builder = builder.add_revoked_certificate(entry)
    signed = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    return signed.public_bytes(serialization.Encoding.PEM)


def greeting(port: int, pki: Pki, leaf: trustme.LeafCert) -> bytes:
    """Return what a client with this certificate is greeted with, nothing when it is turned away."""
    context = pki.client()
    leaf.configure_cert(context)
    raw = socket.create_connection(("127.0.0.1", port), 10)
    # In TLS 1.3 the client learns of the refusal only when it reads.
    with raw, contextlib.suppress(OSError), context.wrap_socket(raw, server_hostname="localhost") as wrapped:
        return wrapped.recv(100)
    return b""
