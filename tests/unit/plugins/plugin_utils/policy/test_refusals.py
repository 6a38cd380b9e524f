# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy is refused for: each refusal names place, field, value and remedy, and all come at once."""

from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import Findings, PolicyError
from hypothesis import given
from hypothesis import strategies as st

from .conftest import BASE, HOSTS, TODAY, make_host


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
    ((*PATH, "id"), "tunnel-to-gateway", "tunnel-to-gateway", "id", "two paths"),
    ((*PATH, "frm"), "vaults", "vault-to-tunnel", "frm", "not a key"),
    ((*PATH, True), "vaults", "vault-to-tunnel", "True", "not a word"),
    (("zones", "gateway"), {"name": "smtp.corp.test"}, "zones.gateway", None, "by name alone"),
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
    (("zones", "vaults", "group"), "vault", "zones.vaults", "group", "not a group"),
    (("zones", "any"), {"group": "vaults"}, "zones.any", None, "cannot be"),
    (("zones", "empty"), {}, "zones.empty", None, "is empty"),
    (("lan_gateways", 0, "mode"), "bridge", "lan_gateways[0]", "mode", "not a choice"),
    (("lan_gateways", 0, "mail_server"), "lan", "lan_gateways[0]", "mail_server", "wider"),
    (("sentinels", 0, "address"), "mx.example", "sentinels[0]", "address", "not an IPv4"),
    (("blocked",), "ignore", "smtp_policy", "blocked", "not a choice"),
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


@pytest.mark.parametrize("key", ["password", "smtp_secret", "api_token", "private_key"])
def test_secret_in_clear_text_is_refused_and_never_shown(compiled, policy, key) -> None:
    policy["zones"]["gateway"][key] = "hunter2"
    with pytest.raises(PolicyError) as refused:
        compiled(policy)
    assert key in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_any_to_any_is_refused_even_with_a_reason(compiled, policy) -> None:
    policy["paths"][0].update({"from": "any", "to": "any", "wide_reason": "because"})
    with pytest.raises(PolicyError, match="opens everything"):
        compiled(policy)


def test_path_inside_another_is_refused(compiled, policy) -> None:
    policy["paths"].append({**policy["paths"][0], "id": "again"})
    with pytest.raises(PolicyError, match="adds nothing to path again"):
        compiled(policy)


def test_path_that_contradicts_another_is_refused(compiled, policy) -> None:
    policy["paths"].append({**policy["paths"][0], "id": "zz", "encryption": "implicit"})
    with pytest.raises(PolicyError, match="contradicts path vault-to-tunnel"):
        compiled(policy)


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


def warned(plan, words: str) -> bool:
    return any(words in finding["message"] for finding in plan.findings)


def test_review_soon_or_overdue_can_be_a_warning(compiled, policy) -> None:
    assert not compiled(policy).findings
    policy["paths"][0]["review_by"] = "2026-12-23"
    assert warned(compiled(policy), "is due in 30 days")
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


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6) | st.booleans() | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)
places = [
    *(
        (key,)
        for key in ("ports", "zones", "paths", "lan_gateways", "sentinels", "blocked", "widest", "review_overdue")
    ),
    *(("paths", 0, key) for key in BASE["paths"][0]),
    *(("zones", "gateway", key) for key in ("addresses", "networks", "name", "group", "managed")),
    *(("lan_gateways", 0, key) for key in ("hosts", "mode", "mail_server", "ports", "lan")),
    *(("sentinels", 0, key) for key in ("name", "address")),
]


@given(st.sampled_from(places), junk)
def test_junk_anywhere_is_refused_or_compiled_never_a_crash(where, value) -> None:
    import copy

    from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy

    raw = copy.deepcopy(BASE)
    set_in(raw, where, value)
    try:
        compile_policy(raw, HOSTS, TODAY)
    except PolicyError as refused:
        assert refused.findings  # noqa: PT017 - either way is right, a crash is not


@given(junk)
def test_junk_as_the_whole_policy(value) -> None:
    from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy

    try:
        compile_policy(value, HOSTS, TODAY)
    except PolicyError as refused:
        assert refused.findings  # noqa: PT017
