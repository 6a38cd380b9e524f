# SPDX-License-Identifier: GPL-3.0-or-later
"""Lockdown in the policy: what a locked host may open and accept besides SMTP, and what is refused."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import PolicyError

from .conftest import BASE, HOSTS, TODAY, make_host

LOCKDOWN = {
    "hosts": "vaults",
    "owner": "soc@corp.test",
    "approved_by": "CHG0012345",
    "reason": "A vault speaks to few",
    "review_by": "2027-06-30",
    "allow": [
        {"id": "ssh", "from": "admins", "port": 22},
        {"id": "names", "to": "resolver", "protocol": "udp", "port": 53},
        {"id": "ping", "from": "admins", "protocol": "icmp"},
    ],
}


@pytest.fixture
def locked():
    raw = copy.deepcopy(BASE)
    raw["zones"]["admins"] = {"networks": ["10.77.0.0/24", "fd77:0::/64"]}
    raw["zones"]["resolver"] = {"addresses": ["10.77.0.53"]}
    raw["lockdown"] = [copy.deepcopy(LOCKDOWN)]
    return raw


def refused(raw, hosts=HOSTS):
    with pytest.raises(PolicyError) as caught:
        compile_policy(raw, hosts, TODAY)
    return [(f.path, f.field, f.value, f.message, f.remedy) for f in caught.value.findings]


def test_a_locked_host_gets_its_connections_in_its_families_and_others_stay_unlocked(locked):
    hosts = compile_policy(locked, HOSTS, TODAY).hosts
    both, four = hosts["vault1"]["firewall"], hosts["vault2"]["firewall"]
    assert both["lockdown"]
    assert four["lockdown"]
    assert {(w["path"], w["direction"], w["source"], w["destination"], w["port"]) for w in both["management"]} == {
        ("names", "egress", "10.77.20.11", "10.77.0.53", 53),
        ("ping", "ingress", "10.77.0.0/24", "10.77.20.11", None),
        ("ping", "ingress", "fd77::/64", "fd77:20::11", None),
        ("ssh", "ingress", "10.77.0.0/24", "10.77.20.11", 22),
        ("ssh", "ingress", "fd77::/64", "fd77:20::11", 22),
    }
    assert {w["source"] for w in four["management"] if w["path"] == "ssh"} == {"10.77.0.0/24"}
    assert not hosts["tunnel1"]["firewall"]["lockdown"]
    assert hosts["tunnel1"]["firewall"]["management"] == []


def test_several_lockdowns_of_one_host_add_up_and_the_order_does_not_matter(locked):
    more = {**copy.deepcopy(LOCKDOWN), "hosts": "tunnels", "allow": [{"id": "ssh", "from": "admins", "port": 2222}]}
    extra = {**copy.deepcopy(LOCKDOWN), "allow": [{"id": "clients", "from": "lan", "ports": [1858, 443]}]}
    locked["lockdown"] += [more, extra]
    plan = compile_policy(locked, HOSTS, TODAY).as_dict()
    ports = {w["port"] for w in plan["hosts"]["vault1"]["firewall"]["management"] if w["protocol"] == "tcp"}
    assert ports == {22, 443, 1858}
    locked["lockdown"].reverse()
    for entry in locked["lockdown"]:
        entry["allow"].reverse()
    assert compile_policy(locked, HOSTS, TODAY).as_dict() == plan


def test_the_plan_says_who_answers_for_a_lockdown(locked):
    (found,) = compile_policy(locked, HOSTS, TODAY).lockdown
    assert (found["hosts"], found["owner"], found["review_by"]) == ("vaults", "soc@corp.test", "2027-06-30")
    assert [item["id"] for item in found["allow"]] == ["names", "ping", "ssh"]


CASES = [
    ({"hosts": "vualts"}, "lockdown[0]", "hosts", "is not a group"),
    ({"hosts": None}, "lockdown[0]", "hosts", "is missing"),
    ({"owner": None}, "lockdown[0]", "owner", "is missing"),
    ({"review_by": "2026-01-01"}, "lockdown[0]", "review_by", "days ago"),
    ({"allow": []}, "lockdown[0]", "allow", "no TCP connection to log in"),
    ({"allow": [{"id": "ssh", "to": "admins", "port": 22}]}, "lockdown[0]", "allow", "no TCP connection"),
    ({"allow": [{"id": "dns", "from": "admins", "port": 53, "protocol": "udp"}]}, "lockdown[0]", "allow", "no TCP"),
    ({"allow": [{"id": "x", "from": "admins", "port": 587}]}, "lockdown[0].x", "port", "port of SMTP"),
    ({"allow": [{"id": "x", "from": "admins", "to": "lan", "port": 22}]}, "lockdown[0].x", "from", "not both"),
    ({"allow": [{"id": "x", "port": 22}]}, "lockdown[0].x", "from", "must be there"),
    ({"allow": [{"id": "x", "from": "any", "port": 22}]}, "lockdown[0].x", "from", "wider"),
    ({"allow": [{"id": "x", "from": "admins", "protocol": "icmp", "port": 8}]}, "lockdown[0].x", "port", "for ICMP"),
    ({"allow": [{"id": "x", "from": "admins", "protocol": "sctp", "port": 8}]}, "lockdown[0].x", "protocol", "choice"),
    ({"allow": [{"id": "x", "from": "nowhere", "port": 22}]}, "lockdown[0].x", "from", "not a zone"),
    ({"allow": [{"id": "x", "from": "admins"}]}, "lockdown[0].x", "port", "is missing"),
    ({"allow": [{"id": "x", "from": "admins", "port": 22, "prot": "tcp"}]}, "lockdown[0].x", "prot", "not a key"),
    ({"allow": [{"id": "x", "from": "admins", "port": 1}] * 2}, "lockdown[0].x", "id", "two connections"),
    ({"hosts": "plain"}, "lockdown[0]", "hosts", "no firewall to lock"),
]


@pytest.mark.parametrize(("change", "path", "field", "message"), CASES)
def test_refusals_name_place_field_and_remedy(locked, change, path, field, message):
    locked["lockdown"][0].update(change)
    hosts = (*HOSTS, make_host("bare", "10.77.40.1", groups=("plain",)))
    found = refused(locked, hosts)
    assert any(f[0] == path and f[1] == field and message in f[3] and f[4] for f in found), found


def test_a_host_that_the_operators_families_leave_out_is_named(locked):
    hosts = (*HOSTS, make_host("vault6", "fd77:20::66", groups=("vaults",)))
    locked["zones"]["admins"] = {"networks": ["10.77.0.0/24"]}
    assert [f[2] for f in refused(locked, hosts)] == ["vault6"]
