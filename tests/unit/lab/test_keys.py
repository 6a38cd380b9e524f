# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates verify as a mail server's must, and keys are what ssh reads."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from pathlib import Path

from alertpath_lab import keys
from alertpath_lab.parse import parse_topology
from alertpath_lab.yaml_source import load
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from cryptography.x509.verification import PolicyBuilder, Store

NOW = datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC)


def test_a_hosts_certificate_verifies_for_all_its_names_and_addresses() -> None:
    topology = parse_topology(load(Path(__file__).resolve().parents[3] / "lab" / "topology.yml"), "topology.yml")
    gateway = topology.host("gateway")
    assert gateway is not None
    authority = keys.Authority("abc", NOW)
    leaf = x509.load_pem_x509_certificate(authority.issue(topology, gateway).certificate.encode())
    root = x509.load_pem_x509_certificate(authority.own.certificate.encode())
    subjects: list[x509.DNSName | x509.IPAddress] = [
        *(x509.DNSName(name) for name in ("gateway.corp.test", "gateway", "smtp.corp.test")),
        *(x509.IPAddress(ip_address(text)) for text in ("10.77.30.25", "fd77:30::25")),
    ]
    for subject in subjects:
        verifier = PolicyBuilder().store(Store([root])).time(NOW).build_server_verifier(subject)
        assert verifier.verify(leaf, []) == [leaf, root]


def test_ssh_keys_are_pairs() -> None:
    pair = keys.ssh_key()
    private = load_ssh_private_key(pair.private.encode(), None)
    assert private.public_key() == load_ssh_public_key(pair.public.encode())


def test_passwords_differ() -> None:
    assert len({keys.password() for _ in range(50)}) == 50
