# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP and TLS together, against a TLS server in memory, whatever the sizes of the pieces on the wire."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.conversation import Conversation
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.dialogue import Step
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.tls import (
    Trust,
    describing_context,
    verifying_context,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

NAME = "mail.corp.test"
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for NAME that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=30, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("pem") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class Server:
    """The other end in memory: clear text first with STARTTLS, then TLS."""

    def __init__(self, pem: Path, implicit: bool) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._secure = implicit
        self._greeted = False
        self.implicit = implicit
        self.heard: list[bytes] = []
        self.alert: str | None = None

    def answer(self, data: bytes) -> bytes:
        if not self._secure:
            if not self._greeted:
                self._greeted = True
                return f"220 {NAME} ESMTP\r\n".encode()
            if data.startswith(b"EHLO"):
                return f"250-{NAME}\r\n250 STARTTLS\r\n".encode()
            if data == b"STARTTLS\r\n":
                self._secure = True
                return b"220 go ahead\r\n"
            return b""
        self._in.write(data)
        try:
            self._tls.do_handshake()
            if self.implicit and not self._greeted:
                self._greeted = True
                self._tls.write(f"220 {NAME} ESMTP\r\n".encode())
            self.heard.append(self._tls.read())
            self._tls.write(b"221 bye\r\n")
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.alert = error.reason
        return self._out.read()


def converse(pem: Path, encryption: str, trust: Trust, piece: int, name: str = NAME) -> tuple[Conversation, Server]:
    server = Server(pem, encryption == "implicit")
    client = Conversation(encryption, "tls", "[192.0.2.1]", name, verifying_context(trust), NOW)
    sent = client.output()
    for _ in range(20):
        said = server.answer(sent)
        for at in range(0, len(said), piece):
            client.receive(said[at : at + piece])
            if client.step is Step.DONE:
                break
        sent = client.output()
        if not said and not sent:
            break
    return client, server


@pytest.mark.parametrize("piece", [1, 7, 100000])
@pytest.mark.parametrize("encryption", ["starttls", "implicit"])
def test_verified_server_is_open_and_hears_quit_inside_tls(pem: Path, encryption: str, piece: int) -> None:
    client, server = converse(pem, encryption, Trust(file=str(pem)), piece)
    outcome, evidence = client.finding
    assert (outcome, client.step) == ("open", Step.DONE)
    assert evidence.name_verified is True
    assert (evidence.certificate_names, evidence.days_left) == ((NAME,), 30)
    assert (evidence.tls_version, evidence.greeting_name) == ("TLSv1.3", NAME)
    assert server.heard == [b"QUIT\r\n"]


@pytest.mark.parametrize("piece", [1, 100000])
def test_refused_certificate_ends_it_before_anything_is_said_inside(pem: Path, piece: int) -> None:
    client, server = converse(pem, "starttls", Trust(), piece)
    assert client.finding.outcome == "tls_failed"
    assert client.certificate_rejected
    assert server.heard == []
    assert server.alert == "TLSV1_ALERT_UNKNOWN_CA"


def test_certificate_of_another_name(pem: Path) -> None:
    client, _ = converse(pem, "implicit", Trust(file=str(pem)), 100000, name="other.test")
    assert client.finding.outcome == "wrong_server"
    assert client.finding.evidence.tls_error == "name_mismatch"


ANYBODY = describing_context()
CLEAR = [b"220 mail ESMTP\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 go\r\n"]
records = st.builds(
    lambda kind, body: bytes([kind, 3, 3, *len(body).to_bytes(2, "big")]) + body,
    st.sampled_from([20, 21, 22, 23]),
    st.binary(max_size=60),
)


@pytest.mark.parametrize("remark", ["# Főtanúsítvány\n", "\ufeff"])
def test_bundle_may_name_its_authorities_in_any_letters(pem: Path, remark: str) -> None:
    """As the bundles of browsers and distributions do."""
    assert verifying_context(Trust(pem=remark + pem.read_text())).cert_store_stats()["x509"] == 1


@given(st.sampled_from(["starttls", "implicit"]), st.lists(st.one_of(records, st.binary(max_size=60)), max_size=8))
def test_no_octets_behind_the_handshake_break_it(encryption: str, said: list[bytes]) -> None:
    client = Conversation(encryption, "tls", "[192.0.2.1]", NAME, ANYBODY, NOW)
    for part in [*(CLEAR if encryption == "starttls" else []), *said]:
        client.receive(part)
        client.output()
        if client.step is Step.DONE:
            break
    assert client.finding.outcome != "open" or client.step is Step.TLS
