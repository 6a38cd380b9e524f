# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import datetime
import ipaddress

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.certificate import MalformedCertificate, read
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = ec.generate_private_key(ec.SECP256R1())
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
labels = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=4).map(".".join)


def der(end: datetime.datetime, *alternative: x509.GeneralName, common: str = "common.test") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(end)
    )
    if alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@settings(max_examples=40)
@given(st.lists(names, max_size=4), st.lists(st.ip_addresses(), max_size=3), st.integers(1, 40000))
def test_names_and_dates_are_those_of_the_certificate(dns: list[str], addresses, days: int) -> None:
    end = START + datetime.timedelta(days=days)
    found = read(der(end, *map(x509.DNSName, dns), *map(x509.IPAddress, addresses)))
    assert found.names == ((*dns, *map(str, addresses)) if dns or addresses else ("common.test",))
    assert (found.not_before, found.not_after) == (START, end)


def test_days_left_round_down_and_turn_negative() -> None:
    end = START + datetime.timedelta(days=10)
    found = read(der(end, x509.IPAddress(ipaddress.ip_address("192.0.2.1"))))
    assert found.days_left(end - datetime.timedelta(hours=30)) == 1
    assert found.days_left(end + datetime.timedelta(hours=1)) == -1


GOOD = der(START + datetime.timedelta(days=10), x509.DNSName("mail.test"))


@given(st.data())
def test_damaged_certificate_is_refused_or_read_but_breaks_nothing(data) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedCertificate):
        read(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


@given(st.binary(max_size=200))
def test_other_octets_are_no_certificate(data: bytes) -> None:
    with pytest.raises(MalformedCertificate):
        read(data)
