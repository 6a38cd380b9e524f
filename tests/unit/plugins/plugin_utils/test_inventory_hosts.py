# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.inventory_hosts import inventory_hosts
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import Findings


@pytest.mark.parametrize(
    ("variables", "addresses"),
    [
        ({"smtp_addresses": ["192.0.2.1", "2001:DB8::1"], "ansible_host": "192.0.2.9"}, ["192.0.2.1", "2001:db8::1"]),
        ({"smtp_addresses": "192.0.2.1"}, ["192.0.2.1"]),
        ({"smtp_addresses": []}, []),
        ({"ansible_host": "192.0.2.9"}, ["192.0.2.9"]),
        ({"ansible_host": "vault1.corp.test"}, []),
        ({}, []),
    ],
)
def test_addresses_are_declared_and_never_resolved(variables, addresses) -> None:
    findings = Findings()
    (host,) = inventory_hosts({"vault1": variables}, {"vaults": ["vault1"], "all": ["vault1"]}, findings)
    assert [str(block) for block in host.addresses] == addresses
    assert host.groups == {"vaults", "all"}
    assert not findings.errors


def test_wrong_address_is_named_with_its_host() -> None:
    findings = Findings()
    inventory_hosts({"vault1": {"smtp_addresses": ["192.0.2.0/24", "x"]}}, {"all": ["vault1"]}, findings)
    assert [(f.field, f.value) for f in findings.errors] == [
        ("smtp_addresses", "192.0.2.0/24"),
        ("smtp_addresses", "x"),
    ]
