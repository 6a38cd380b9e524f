# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy is refused for: each refusal names place, field, value and remedy, and all come at once."""

from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import Findings, PolicyError

from .conftest import HOSTS, TODAY, make_host


def set_in(raw, where, value):
    *way, last = where
    for step in way:
        raw = raw[step]
    raw[last] = value


PATH = ("paths", 0)
ERRORS = [
    ((*PATH, "owner"), None, "vault-to-tunnel", "owner", "is missing"),
    ((*PATH, "approved_by"), "", "vault-to-tunnel", "approved_by", "is missing"),
    ((*PATH, "reason"), None, "vault-to-tunnel", "reason", "is missing"),
    ((*PATH, "reason"), "two\nlines", "vault-to-tunnel", "reason", "one line"),
    ((*PATH, "review_by"), "2026-11-22", "vault-to-tunnel", "review_by", "was 1 day ago"),
    ((*PATH, "review_by"), "soon", "vault-to-tunnel", "review_by", "not a date"),
    ((*PATH, "to"), "tunnells", "vault-to-tunnel", "to", "not a zone"),
    ((*PATH, "to"), "any", "vault-to-tunnel", "to", "wider"),
    ((*PATH, "port"), 26, "vault-to-tunnel", "port", "not among"),
    ((*PATH, "port"), True, "vault-to-tunnel", "port", "not a TCP port"),
    ((*PATH, "port"), "smtp", "vault-to-tunnel", "port", "not a TCP port"),
    ((*PATH, "encryption"), "none", "vault-to-tunnel", "encryption", "clear text"),
    ((*PATH, "encryption"), "ssl", "vault-to-tunnel", "encryption", "not a choice"),
    ((*PATH, "port"), "0587", "vault-to-tunnel", "port", "not a TCP port"),
    ((*PATH, "ports"), [587], "vault-to-tunnel", "ports", "beside port"),
    ((*PATH, "review_by"), 20270630, "vault-to-tunnel", "review_by", "not a date"),
    ((*PATH, "review_by"), "2027-02-30", "vault-to-tunnel", "review_by", "not a date"),
    ((*PATH, "from"), 7, "vault-to-tunnel", "from", "not a zone"),
    ((*PATH, "from"), "any", "vault-to-tunnel", "from", "wider"),
    ((*PATH, "reason"), "reads\u202ebackwards", "vault-to-tunnel", "reason", "one line"),
    ((*PATH, "owner"), {"name": "soc"}, "vault-to-tunnel", "owner", "not text"),
    ((*PATH, "id"), "tunnel-to-gateway", "tunnel-to-gateway", "id", "two paths"),
    ((*PATH, "frm"), "vaults", "vault-to-tunnel", "frm", "not a key"),
    ((*PATH, True), "vaults", "vault-to-tunnel", "True", "not a word"),
    (("zones", "gateway"), {"name": "smtp.corp.test"}, "zones.gateway", "name", "by name alone"),
    (("zones", "gateway", "addresses"), ["1.1.1.1"], "zones.gateway", "addresses", "CyberArk"),
    (("zones", "gateway", "addresses"), ["127.0.0.1"], "zones.gateway", "addresses", "loopback"),
    (("zones", "gateway", "addresses"), ["::1"], "zones.gateway", "addresses", "loopback"),
    (("zones", "gateway", "addresses"), ["224.0.0.1"], "zones.gateway", "addresses", "multicast"),
    (("zones", "gateway", "addresses"), ["0.0.0.0"], "zones.gateway", "addresses", "unspecified"),
    (("zones", "gateway", "addresses"), ["255.255.255.255"], "zones.gateway", "addresses", "broadcast"),
    (("zones", "gateway", "addresses"), ["smtp.corp.test"], "zones.gateway", "addresses", "not an IPv4 or IPv6"),
    (("zones", "gateway", "addresses"), ["010.1.1.1"], "zones.gateway", "addresses", "not an IPv4 or IPv6"),
    (("zones", "gateway", "addresses"), ["::ffff:10.1.1.1"], "zones.gateway", "addresses", "clothing"),
    (("zones", "gateway", "addresses"), ["fe80::1%eth0"], "zones.gateway", "addresses", "zone id"),
    (("zones", "lan", "networks"), ["10.77.10.1/24"], "zones.lan", "networks", "10.77.10.0/24"),
    (("zones", "gateway", "addresses"), ["10.77.30.0/24"], "zones.gateway", "addresses", "one address"),
    (("zones", "gateway", "addresses"), ["fe80::25"], "zones.gateway", "addresses", "link-local"),
    (("zones", "gateway", "addresses"), ["::"], "zones.gateway", "addresses", "unspecified"),
    (("zones", "gateway", "addresses"), ["240.0.0.1"], "zones.gateway", "addresses", "reserved"),
    (("zones", "gateway", "addresses"), ["ff02::1"], "zones.gateway", "addresses", "multicast"),
    (("zones", "gateway", "addresses"), [167772161], "zones.gateway", "addresses", "in quotes"),
    (("zones", "gateway", "name"), "smtp corp", "zones.gateway", "name", "not a host name"),
    (("zones", "lan", "networks"), ["127.0.0.0/24"], "zones.lan", "networks", "loopback"),
    (("zones", "lan", "networks"), ["10.0.0.0/255.0.0.0"], "zones.lan", "networks", "not an IPv4 or IPv6 network"),
    (("zones", "lan", "networks"), ["10.0.0.0/33"], "zones.lan", "networks", "not an IPv4 or IPv6 network"),
    (("zones", 5), {"group": "vaults"}, "zones.5", None, "cannot be"),
    (("zones", "a b"), {"group": "vaults"}, "zones.a b", None, "cannot be"),
    (("zones", "vaults", "managed"), "no", "zones.vaults", "managed", "not a boolean"),
    (("zones", "vaults", "group"), "vault", "zones.vaults", "group", "not a group"),
    (("zones", "any"), {"group": "vaults"}, "zones.any", None, "cannot be"),
    (("zones", "empty"), {}, "zones.empty", "addresses", "is empty"),
    (("lan_gateways", 0, "mode"), "bridge", "lan_gateways[0]", "mode", "not a choice"),
    (("lan_gateways", 0, "mail_server"), "lan", "lan_gateways[0]", "mail_server", "wider"),
    (("lan_gateways", 0, "review_by"), "2026-11-22", "lan_gateways[0]", "review_by", "was 1 day ago"),
    (("lan_gateways", 0, "review_by"), "later", "lan_gateways[0]", "review_by", "not a date"),
    (("lan_gateways", 0, "lan"), "lan", "lan_gateways[0]", "lan", "means nothing"),
    (("lan_gateways", 0, "hosts"), "bridges", "lan_gateways[0]", "hosts", "not a group"),
    (("lan_gateways", 0, "ports"), [2525], "lan_gateways[0]", "ports", "not among"),
    (("sentinels", 0, "address"), "10.77.30.25", "tunnel-to-gateway", "to", "must be unreachable"),
    (("sentinels", 0, "address"), "mx.example", "sentinels[0]", "address", "not an IPv4"),
    (("blocked",), "ignore", "smtp_policy", "blocked", "not a choice"),
    (("ports",), [22, 25, 465, 587], "smtp_policy", "ports", "SSH"),
    (("widest",), {"ipv4": 33}, "smtp_policy.widest", "ipv4", "not a prefix length"),
    (("ports",), [0], "smtp_policy", "ports", "not a TCP port"),
    (("zones",), ["vaults"], "smtp_policy", "zones", "not a mapping"),
    (("paths",), {"a": 1}, "smtp_policy", "paths", "not a list"),
]


@pytest.mark.parametrize(("where", "value", "place", "field", "words"), ERRORS)
def test_refusal_names_place_field_and_remedy(compiled, policy, where, value, place, field, words) -> None:
    set_in(policy, where, value)
    with pytest.raises(PolicyError) as refused:
        compiled(policy, findings=Findings("group_vars/all/smtp_policy.yml"))
    found = [f for f in refused.value.findings if (f.path, f.field) == (place, field)]
    assert found, refused.value
    assert words in found[0].message
    assert found[0].remedy
    assert found[0].file == "group_vars/all/smtp_policy.yml"


def test_all_errors_come_at_once(compiled, policy) -> None:
    for where, value in (((*PATH, "owner"), None), (("paths", 1, "to"), "gatway"), (("blocked",), "no")):
        set_in(policy, where, value)
    with pytest.raises(PolicyError) as refused:
        compiled(policy)
    assert {(f.path, f.field) for f in refused.value.findings} == {
        ("vault-to-tunnel", "owner"),
        ("tunnel-to-gateway", "to"),
        ("smtp_policy", "blocked"),
    }
    assert "did you mean 'gateway'?" in str(refused.value)


def test_errors_of_one_path_come_at_once(compiled, policy) -> None:
    policy["paths"][0] |= {"owner": "", "to": "tunnells", "encryption": "none", "review_by": "2020-01-01", "port": 26}
    with pytest.raises(PolicyError) as refused:
        compiled(policy)
    fields = {f.field for f in refused.value.findings if f.path == "vault-to-tunnel"}
    assert fields == {"owner", "to", "encryption", "review_by", "port"}


def test_errors_of_the_inventory_come_with_those_of_the_policy(compiled, policy) -> None:
    findings = Findings()
    findings.host_error("vault2", "smtp_addresses", "x", "is not an IPv4 or IPv6 address", "list it")
    policy["blocked"] = "no"
    with pytest.raises(PolicyError, match="for 2 errors"):
        compiled(policy, findings=findings)


def test_broken_zone_is_not_reported_again_by_the_paths_to_it(compiled, policy) -> None:
    policy["zones"]["gateway"] = "10.77.30.25"
    with pytest.raises(PolicyError) as refused:
        compiled(policy)
    assert [f.path for f in refused.value.findings] == ["zones.gateway"]


def test_wrong_entry_does_not_move_the_places_of_others(compiled, policy) -> None:
    policy["lan_gateways"] = ["wrong", {**policy["lan_gateways"][0], "hosts": "bridges"}]
    with pytest.raises(PolicyError) as refused:
        compiled(policy)
    assert {(f.path, f.field) for f in refused.value.findings} == {
        ("lan_gateways[0]", None),
        ("lan_gateways[1]", "hosts"),
    }


def test_any_to_any_is_refused_even_with_a_reason(compiled, policy) -> None:
    policy["paths"][0].update({"from": "any", "to": "any", "wide_reason": "because"})
    with pytest.raises(PolicyError, match="opens everything"):
        compiled(policy)


def test_everything_written_in_halves_is_any_to_any(compiled, policy) -> None:
    policy["zones"]["halves"] = {"networks": ["0.0.0.0/1", "128.0.0.0/1"]}
    policy["paths"][0].update({"from": "halves", "to": "any", "wide_reason": "because"})
    with pytest.raises(PolicyError, match="opens everything"):
        compiled(policy)


@pytest.mark.parametrize("full", ["10.77.30.25/32", "10.77.30.25"])
def test_prefix_of_full_length_is_an_address(compiled, policy, full) -> None:
    policy["zones"]["gateway"]["addresses"] = [full]
    assert compiled(policy).hosts["tunnel1"]["next_hops"][0]["address"] == "10.77.30.25"


@pytest.mark.parametrize(
    "words", [{"port": "587"}, {"review_by": "2027-06-30"}, {"id": 12}, {"port": None, "ports": [587]}]
)
def test_other_spellings_of_yaml_are_understood(compiled, policy, words) -> None:
    policy["paths"][0] |= words
    assert [rule["port"] for rule in compiled(policy).hosts["vault2"]["firewall"]["egress"]] == [587]


def test_path_inside_another_is_refused(compiled, policy) -> None:
    policy["paths"].append({**policy["paths"][0], "id": "again"})
    with pytest.raises(PolicyError, match="adds nothing to path again"):
        compiled(policy)


def test_path_that_contradicts_another_is_refused(compiled, policy) -> None:
    policy["paths"].append({**policy["paths"][0], "id": "zz", "encryption": "implicit"})
    with pytest.raises(PolicyError, match="contradicts path vault-to-tunnel"):
        compiled(policy)


def test_server_speaks_one_way_on_one_port(compiled, policy) -> None:
    policy["paths"].append({**policy["paths"][0], "id": "zz", "from": "lan", "encryption": "implicit"})
    with pytest.raises(PolicyError, match="one port of a server"):
        compiled(policy)


def test_clear_text_beside_starttls_from_elsewhere_is_fine(compiled, policy) -> None:
    clear = {"encryption": "none", "cleartext_reason": "old printers"}
    policy["paths"].append({**policy["paths"][0], "id": "zz", "from": "lan", **clear})
    assert compiled(policy).hosts["tunnel1"]["listeners"]


def test_partial_overlap_is_fine(compiled, policy) -> None:
    policy["zones"]["half"] = {"addresses": ["10.77.20.11", "10.77.10.60"]}
    policy["paths"].append({**policy["paths"][0], "id": "zz", "from": "half"})
    assert compiled(policy).hosts


def test_path_may_share_ports_only_in_part(compiled, policy) -> None:
    policy["paths"].append({**policy["paths"][0], "id": "zz", "port": None, "ports": [25, 587]})
    with pytest.raises(PolicyError, match="vault-to-tunnel: to: tunnels adds nothing to path zz"):
        compiled(policy)
    policy["paths"][0] |= {"port": None, "ports": [465, 587], "encryption": "starttls"}
    assert compiled(policy).hosts


def test_overlap_in_different_families_is_none(compiled, policy) -> None:
    policy["zones"] |= {
        "one": {"addresses": ["10.1.1.1", "fd01::1"], "name": "s.test"},
        "two": {"addresses": ["10.1.1.2", "fd01::1"], "name": "s.test"},
        "from-one": {"addresses": ["10.2.2.2"]},
        "from-two": {"addresses": ["10.2.2.2", "fd02::2"]},
    }
    path = policy["paths"][0]
    policy["paths"] += [
        {**path, "id": "x", "from": "from-one", "to": "one"},
        {**path, "id": "y", "from": "from-two", "to": "two", "encryption": "none", "cleartext_reason": "r"},
    ]
    assert compiled(policy).hosts


def test_ends_without_a_common_family_are_refused(compiled, policy) -> None:
    policy["zones"]["gateway"]["addresses"] = ["fd77:30::25"]
    hosts = (*(h for h in HOSTS if h.name != "tunnel1"), make_host("tunnel1", "10.77.30.11", groups=("tunnels",)))
    with pytest.raises(PolicyError, match="no address family"):
        compiled(policy, hosts)


def test_host_without_address_is_refused(compiled, policy) -> None:
    with pytest.raises(PolicyError, match="vault3: smtp_addresses"):
        compiled(policy, (*HOSTS, make_host("vault3", groups=("vaults",))))


def test_address_of_two_hosts_is_refused(compiled, policy) -> None:
    with pytest.raises(PolicyError, match="is an address of"):
        compiled(policy, (*HOSTS, make_host("vault3", "10.77.20.11", groups=("vaults",))))


@pytest.mark.parametrize("address", ["127.0.0.1", "fe80::5", "1.1.1.1", "0.0.0.0"])
def test_host_known_by_an_address_that_leads_nowhere_is_refused(compiled, policy, address) -> None:
    with pytest.raises(PolicyError, match="vault3: smtp_addresses"):
        compiled(policy, (*HOSTS, make_host("vault3", address, groups=("vaults",))))


def test_hosts_outside_the_plan_may_share_an_address(compiled, policy) -> None:
    assert compiled(policy, (*HOSTS, make_host("x", "127.0.0.1"), make_host("y", "127.0.0.1"))).hosts


def test_router_without_address_is_refused(compiled, policy) -> None:
    with pytest.raises(PolicyError, match="router2: smtp_addresses"):
        compiled(policy, (*HOSTS, make_host("router2", groups=("routers",))))


def warned(plan, words: str) -> bool:
    return any(words in finding["message"] for finding in plan.findings)


def test_review_soon_or_overdue_can_be_a_warning(compiled, policy) -> None:
    assert not compiled(policy).findings
    policy["paths"][0]["review_by"] = "2026-12-23"
    assert warned(compiled(policy), "is due in 30 days")
    policy["paths"][0]["review_by"] = "2026-12-24"
    assert not compiled(policy).findings
    policy["paths"][0]["review_by"] = "2026-11-23"
    assert warned(compiled(policy), "is due today")
    policy["paths"][0]["review_by"] = "2026-11-01"
    assert warned(compiled(policy, review_overdue="warning"), "was 22 days ago")


def test_unusual_things_are_warned_of(compiled, policy) -> None:
    policy["paths"][1]["encryption"] = "starttls"
    del policy["zones"]["gateway"]["name"]
    del policy["lan_gateways"][0]["owner"]
    policy["ports"] = [25, 465, 587, 40025]
    plan = compiled(policy)
    for words in ("is unusual on port 465", "no name to check", "without owner", "ports of their own"):
        assert warned(plan, words)


def test_path_that_nobody_enforces_is_warned_of(compiled, policy) -> None:
    policy["lan_gateways"] = []
    policy["zones"]["partner"] = {"addresses": ["198.51.100.1"], "name": "mx.partner.test"}
    policy["paths"].append({**policy["paths"][0], "id": "far", "from": "gateway", "to": "partner"})
    assert warned(compiled(policy), "enforced by no managed host")


def test_managed_host_inside_a_network_enforces_the_path(compiled, policy) -> None:
    policy["lan_gateways"] = []
    policy["zones"]["vault-net"] = {"networks": ["10.77.20.0/24"]}
    policy["paths"].append({**policy["paths"][0], "id": "net", "from": "vault-net", "to": "gateway"})
    assert not warned(compiled(policy), "enforced by no managed host")


def test_policy_that_names_no_host_is_warned_of(compiled) -> None:
    assert warned(compiled({}), "names no host")


def test_host_of_another_family_is_warned_of(compiled, policy) -> None:
    policy["zones"]["gateway"]["addresses"] = ["10.77.30.25"]
    plan = compiled(policy, (*HOSTS, make_host("tunnel2", "fd77:30::12", groups=("tunnels",))))
    assert warned(plan, "cannot use the path")


def test_mode_for_every_network_is_warned_of(compiled, policy) -> None:
    policy["lan_gateways"][0]["mode"] = "gateway_mail_server"
    assert warned(compiled(policy), "every network that is routed")


def test_findings_name_file_and_line_of_what_is_wrong(policy) -> None:
    lines = {id(policy["paths"][0]): "p.yml:9", id(policy["paths"][0]["encryption"]): "p.yml:14"}
    policy["paths"][0] |= {"owner": None}
    policy["paths"][1]["encryption"] = "none"
    lines[id(policy["paths"][1])] = "p.yml:20"
    findings = Findings("p.yml", origin=lambda value: lines.get(id(value)))
    policy["paths"][0]["encryption"] = "".join(["ssl", "3"])
    lines[id(policy["paths"][0]["encryption"])] = "p.yml:14"
    with pytest.raises(PolicyError) as refused:
        compile_policy(policy, HOSTS, TODAY, findings)
    assert {(f.field, f.path): f.file for f in refused.value.findings} == {
        ("owner", "vault-to-tunnel"): "p.yml:9",
        ("encryption", "vault-to-tunnel"): "p.yml:14",
        ("encryption", "tunnel-to-gateway"): "p.yml:20",
    }
