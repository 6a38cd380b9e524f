# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates are judged as a client would judge them."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.certificates import CertificateError, prove
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

NAME = "tunnel1.corp.test"


class Identity:
    """A key with its certificate."""

    def __init__(self, name: str, days: int = 90, issuer: Identity | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(issuer.subject if issuer else self.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=100))
            .not_valid_after(now + datetime.timedelta(days=days, hours=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        )
        self.certificate = builder.sign(issuer.key if issuer else self.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def key_pem(self, encryption: KeySerializationEncryption | None = None) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


@pytest.fixture(scope="module")
def authority() -> Identity:
    return Identity("Authority")


def test_good_certificate_is_proven_with_the_days_it_has(authority: Identity) -> None:
    leaf = Identity(NAME, 90, authority)
    assert prove(leaf.pem, leaf.key_pem(), [NAME], authority.pem).days_left == 90


@pytest.mark.parametrize("chained", [True, False])
def test_expired_certificate_is_refused_with_and_without_its_authority(authority: Identity, chained: bool) -> None:
    leaf = Identity(NAME, -1, authority)
    with pytest.raises(CertificateError, match="expired"):
        prove(leaf.pem, leaf.key_pem(), [NAME], authority.pem if chained else None)


def test_every_name_it_lacks_is_told(authority: Identity) -> None:
    leaf = Identity(NAME, 90, authority)
    with pytest.raises(CertificateError) as refused:
        prove(leaf.pem, leaf.key_pem(), [NAME, "other.test", "192.0.2.1"], authority.pem)
    assert "other.test" in str(refused.value)
    assert "192.0.2.1" in str(refused.value)
    assert NAME not in str(refused.value)


def test_chain_is_looked_at_when_authorities_are_given(authority: Identity) -> None:
    leaf = Identity(NAME, 90, authority)
    with pytest.raises(CertificateError, match="issuer"):
        prove(leaf.pem, leaf.key_pem(), [NAME], Identity("Another authority").pem)
    assert prove(leaf.pem, leaf.key_pem(), [NAME], None).days_left == 90


def test_key_of_another_certificate_is_refused(authority: Identity) -> None:
    with pytest.raises(CertificateError, match="KEY_VALUES_MISMATCH"):
        prove(Identity(NAME, 90, authority).pem, Identity(NAME, 90, authority).key_pem(), [NAME], authority.pem)


def test_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(authority: Identity) -> None:
    leaf = Identity(NAME, 90, authority)
    with pytest.raises(CertificateError, match="encrypted"):
        prove(leaf.pem, leaf.key_pem(BestAvailableEncryption(b"secret")), [NAME], authority.pem)


@pytest.mark.parametrize("text", ["", "no certificate", "-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----", "é"])
def test_text_that_is_no_certificate_is_refused(authority: Identity, text: str) -> None:
    with pytest.raises(CertificateError):
        prove(text, Identity(NAME, 90, authority).key_pem(), [NAME], None)


def test_nothing_is_left_in_the_folder(authority: Identity, tmp_path) -> None:
    leaf = Identity(NAME, 90, authority)
    prove(leaf.pem, leaf.key_pem(), [NAME], authority.pem, str(tmp_path))
    assert list(tmp_path.iterdir()) == []
