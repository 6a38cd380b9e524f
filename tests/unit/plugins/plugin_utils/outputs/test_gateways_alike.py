# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LAN gateways of the same routers and mode, which share their id: two mail servers, two LANs, two approvals."""

from __future__ import annotations

import datetime
from itertools import permutations
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.cloud import cloud_rules
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter import acl
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.addresses import parse_block
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.model import Host

TODAY = datetime.date(2026, 11, 1)
_ZONES = {
    "mail": {"addresses": ["192.0.2.25", "2001:db8::25"]},
    "relay": {"addresses": ["192.0.2.26"]},
    "office": {"networks": ["198.51.100.0/25"]},
    "plant": {"networks": ["198.51.100.128/25"]},
}
_GATEWAY = {
    "hosts": "routers",
    "mode": "gateway_mail_server",
    "mail_server": "mail",
    "lan": "office",
    "owner": "messaging",
    "approved_by": "CHG1",
    "reason": "Mail of the LAN",
    "review_by": TODAY,
}
_INTERNAL = {**{key: value for key, value in _GATEWAY.items() if key != "lan"}, "mode": "internal_mail_server"}
ALIKE = {
    "mail servers": [_INTERNAL, {**_INTERNAL, "mail_server": "relay"}],
    "LANs": [_GATEWAY, {**_GATEWAY, "lan": "plant"}],
    "ports": [_GATEWAY, {**_GATEWAY, "ports": [587]}],
    "approvals": [_GATEWAY, {**_GATEWAY, "approved_by": "CHG2"}, {**_GATEWAY, "approved_by": "CHG0"}],
}

alike = pytest.mark.parametrize("gateways", ALIKE.values(), ids=ALIKE.keys())


def _plan(gateways: Any) -> dict[str, Any]:
    policy = {"zones": _ZONES, "lan_gateways": list(gateways)}
    router = Host("r1", frozenset({"routers"}), (parse_block("198.51.100.1"),))
    return compile_policy(policy, [router], TODAY).as_dict()


@alike
def test_the_plan_is_the_same_in_whatever_order_they_stand(gateways: list[dict[str, Any]]) -> None:
    plans = [_plan(order) for order in permutations(gateways)]

    assert all(plan == plans[0] for plan in plans)
    assert len(plans[0]["paths"]) == len(gateways)


@alike
@pytest.mark.parametrize("target", ["cisco", "ciscoasa", "juniper", "nftables", "paloalto", "srx"])
def test_an_acl_has_a_term_of_its_own_name_for_each(gateways: list[dict[str, Any]], target: str) -> None:
    pytest.importorskip("aerleon")

    made = acl(_plan(gateways), target, TODAY)

    names = [term["name"].lower() for term in made["terms"]]
    assert len(names) == len(set(names))
    assert sum(term["action"] == "permit" and term["family"] == "ipv4" for term in made["terms"]) == len(gateways)


@alike
def test_azure_rules_have_names_of_their_own(gateways: list[dict[str, Any]]) -> None:
    groups = cloud_rules(_plan(gateways), "azure", TODAY, names=_ZONES)["groups"]

    for group in groups:
        names = [rule["name"].lower() for rule in group["securityRules"]]
        assert len(names) == len(set(names)), group["name"]
