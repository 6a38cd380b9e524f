# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.addresses import parse_block
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import Plan, compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.model import Host

TODAY = datetime.date(2026, 11, 23)

BASE: dict[str, Any] = {
    "zones": {
        "vaults": {"group": "vaults"},
        "tunnels": {"group": "tunnels"},
        "gateway": {"addresses": ["10.77.30.25", "fd77:30::25"], "name": "smtp.corp.test"},
        "mailserver": {"addresses": ["10.77.10.25"], "name": "mailserver.corp.test"},
        "lan": {"networks": ["10.77.10.0/24"]},
    },
    "paths": [
        {
            "id": "vault-to-tunnel",
            "from": "vaults",
            "to": "tunnels",
            "port": 587,
            "encryption": "starttls",
            "owner": "soc@corp.test",
            "approved_by": "CHG0012345",
            "reason": "Alerts leave through the tunnel",
            "review_by": datetime.date(2027, 6, 30),
        },
        {
            "id": "tunnel-to-gateway",
            "from": "tunnels",
            "to": "gateway",
            "port": 465,
            "encryption": "implicit",
            "owner": "soc@corp.test",
            "approved_by": "CHG0012345",
            "reason": "The tunnel hands alerts on",
            "review_by": "2027-06-30",
        },
    ],
    "lan_gateways": [
        {
            "hosts": "routers",
            "mode": "internal_mail_server",
            "mail_server": "mailserver",
            "owner": "messaging@corp.test",
            "approved_by": "CHG0012346",
            "reason": "One server alone delivers outside",
            "review_by": "2027-06-30",
        }
    ],
    "sentinels": [{"name": "public-mx", "address": "203.0.113.25"}],
}


def make_host(name: str, *addresses: str, groups: tuple[str, ...] = (), smtp_name: str | None = None) -> Host:
    return Host(name, frozenset(groups), tuple(sorted(parse_block(a) for a in addresses)), smtp_name)


HOSTS = (
    make_host("vault1", "10.77.20.11", "fd77:20::11", groups=("vaults",)),
    make_host("vault2", "10.77.20.12", groups=("vaults",)),
    make_host("tunnel1", "10.77.30.11", "fd77:30::11", groups=("tunnels",), smtp_name="tunnel1.corp.test"),
    make_host("router", "10.77.10.1", "10.77.20.1", "10.77.30.1", groups=("routers",)),
    make_host("client", "10.77.10.50"),
    make_host("mailserver", "10.77.10.25"),
    make_host("elsewhere", "192.0.2.1"),
)


@pytest.fixture
def policy() -> dict[str, Any]:
    """A policy that is accepted, to be changed at will."""
    return copy.deepcopy(BASE)


@pytest.fixture
def compiled():
    """Compile a policy for HOSTS, as of TODAY."""

    def run(raw: Any, hosts: tuple[Host, ...] = HOSTS, **options: Any) -> Plan:
        return compile_policy(raw, hosts, TODAY, **options)

    return run
