# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority and a satellite to vary."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix.model import Installation, NextHop, Satellite
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix.render import OPTIONAL
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def _authority() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode(), private.decode()


_CERTIFICATE, _KEY = _authority()


@pytest.fixture(scope="session")
def ca() -> str:
    return _CERTIFICATE


@pytest.fixture(scope="session")
def private_key() -> str:
    return _KEY


@pytest.fixture(scope="session")
def hop() -> NextHop:
    return NextHop("10.77.30.11", 587, "starttls", "tunnel1.corp.test")


@pytest.fixture(scope="session")
def make(ca, hop):
    def satellite(**changed: object) -> Satellite:
        return Satellite(**{"next_hops": (hop,), "hostname": "vault1.corp.test", "ca": ca, **changed})

    return satellite


@pytest.fixture(scope="session")
def installation() -> Installation:
    return Installation((3, 7, 11), OPTIONAL, {})
