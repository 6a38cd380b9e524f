# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud rules admit exactly what the policy opens, and nothing that the cloud would refuse."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.cloud import cloud_rules
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter_plan import Refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .audit_samples import plan as compiled
from .perimeter_samples import POINTS, POINTS6, PORTS, TODAY, holds, opens, plan, plans, way

AWS_TEXT = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}")
AZURE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,78}[A-Za-z0-9_]")
MEMBERS = [["192.0.2.16"], ["2001:db8::10"], ["192.0.2.16", "192.0.2.17", "2001:db8::11"], ["192.0.2.16", "192.0.2.18"]]
GATEWAY = {
    "kind": "lan_gateway", "encryption": None, "hosts": "routers", "mail_server": "mail", "lan": None,
}  # fmt: skip


def with_zone(made_from: dict[str, Any], addresses: list[str], networks: list[str]) -> dict[str, Any]:
    zone = {"name": "z", "group": "g", "managed": True, "addresses": addresses, "networks": networks}
    return {**made_from, "zones": [zone, {"name": "empty", "group": None, "managed": True, "addresses": []}]}


def peers(address: str) -> list[str]:
    return POINTS if ipaddress.ip_address(address).version == 4 else POINTS6


def aws_allows(permissions: list[dict[str, Any]], peer: str, port: int) -> bool:
    return any(
        p["IpProtocol"] == "tcp"
        and p["FromPort"] <= port <= p["ToPort"]
        and holds(peer, [r["CidrIp"] for r in p["IpRanges"]] + [r["CidrIpv6"] for r in p["Ipv6Ranges"]])
        for p in permissions
    )


def azure_decides(rules: list[dict[str, Any]], direction: str, source: str, destination: str, port: int) -> str:
    """What Azure does: the lowest priority that matches decides."""

    def values(rule: dict[str, Any], name: str) -> list[str]:
        one, several = rule.get(name), rule.get(f"{name}s", rule.get(f"{name}es"))
        assert (one is None) != (several is None)
        return [one] if several is None else several

    for rule in sorted((r["properties"] for r in rules), key=lambda r: r["priority"]):
        near, far = values(rule, "sourceAddressPrefix"), values(rule, "destinationAddressPrefix")
        if (
            rule["direction"] == direction
            and (near == ["*"] or holds(source, near))
            and (far == ["*"] or holds(destination, far))
            and str(port) in values(rule, "destinationPortRange")
        ):
            return str(rule["access"])
    return "none"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made_from=plans(), members=st.sampled_from(MEMBERS), network=st.booleans())
def test_azure_decides_as_the_policy(made_from: dict[str, Any], members: list[str], network: bool) -> None:
    made_from = with_zone(made_from, members, ["192.0.2.20/30"] if network else [])
    (group,) = cloud_rules(made_from, "azure", TODAY)["groups"]
    rules = group["securityRules"]
    own = [*members, *(["192.0.2.21"] if network else [])]
    for mine in own:
        for peer in set(peers(mine)) - set(own):
            for port in (*PORTS, 24):
                for direction, source, destination in (("Outbound", mine, peer), ("Inbound", peer, mine)):
                    opened = any(opens(w, source, destination, port) for w in made_from["paths"])
                    expected = "none" if port not in PORTS else "Allow" if opened else "Deny"
                    assert azure_decides(rules, direction, source, destination, port) == expected
    _azure_takes(rules)


def _azure_takes(rules: list[dict[str, Any]]) -> None:
    """What the ARM reference asks for."""
    names = [rule["name"].lower() for rule in rules]
    assert len(set(names)) == len(names)
    taken = [(rule["properties"]["direction"], rule["properties"]["priority"]) for rule in rules]
    assert len(set(taken)) == len(taken)
    for rule in rules:
        found = rule["properties"]
        assert AZURE_NAME.fullmatch(rule["name"])
        assert len(found["description"]) <= 140
        assert 100 <= found["priority"] <= 4096
        prefixes = [
            ipaddress.ip_network(text)
            for side in ("source", "destination")
            for text in [found.get(f"{side}AddressPrefix"), *found.get(f"{side}AddressPrefixes", [])]
            if text and text != "*"
        ]
        assert len({prefix.version for prefix in prefixes}) <= 1
        for side in ("source", "destination"):
            several = [ipaddress.ip_network(text) for text in found.get(f"{side}AddressPrefixes", [])]
            assert not any(a.overlaps(b) for a in several for b in several if a is not b)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made_from=plans(), members=st.sampled_from(MEMBERS))
def test_aws_allows_what_the_policy_opens_or_refuses_to_widen(made_from: dict[str, Any], members: list[str]) -> None:
    made_from = with_zone(made_from, members, [])

    def openings(mine: str, peer: str, port: int) -> tuple[bool, bool]:
        ways = made_from["paths"]
        return any(opens(w, mine, peer, port) for w in ways), any(opens(w, peer, mine, port) for w in ways)

    partial = any(
        0 < sum(holds(a, w[side]) for a in family) < len(family)
        for w in made_from["paths"]
        if w["review_by"] is None or w["review_by"] >= TODAY.isoformat()
        for version in (4, 6)
        for family in [[a for a in members if ipaddress.ip_address(a).version == version]]
        for side, other in (("sources", "destinations"), ("destinations", "sources"))
        if any(ipaddress.ip_network(n).version == version for n in w[other])
    )
    try:
        (group,) = cloud_rules(made_from, "aws", TODAY)["groups"]
    except Refused:
        assert partial
        return
    for mine in members:
        for peer in set(peers(mine)) - set(members):
            for port in (*PORTS, 24):
                found = (aws_allows(group["egress"], peer, port), aws_allows(group["ingress"], peer, port))
                assert found == openings(mine, peer, port)
    for direction in ("egress", "ingress"):
        assert len({p["FromPort"] for p in group[direction]}) == len(group[direction])
        for permission in group[direction]:
            assert set(permission) == {"IpProtocol", "FromPort", "ToPort", "IpRanges", "Ipv6Ranges"}
            ranges = [*permission["IpRanges"], *permission["Ipv6Ranges"]]
            assert all(AWS_TEXT.fullmatch(r["Description"]) for r in ranges)
            texts = [r.get("CidrIp") or r["CidrIpv6"] for r in ranges]
            assert len(set(texts)) == len(texts)
            assert all("/" in text for text in texts)


def test_a_compiled_plan_by_host_and_by_zone() -> None:
    made_from = compiled()
    by_host = {g["name"]: g for g in cloud_rules(made_from, "aws", TODAY, per="host")["groups"]}
    assert set(by_host) == set(made_from["hosts"])
    for name, group in by_host.items():
        firewall = made_from["hosts"][name]["firewall"]
        for direction, side in (("egress", "destination"), ("ingress", "source")):
            declared = {(rule[side], rule["port"]) for rule in firewall[direction]}
            found = {
                (text.removesuffix("/32").removesuffix("/128"), p["FromPort"])
                for p in group[direction]
                for r in [*p["IpRanges"], *p["Ipv6Ranges"]]
                for text in [r.get("CidrIp") or r["CidrIpv6"]]
            }
            assert found == declared, (name, direction)
    by_zone = {g["name"]: g for g in cloud_rules(made_from, "aws", TODAY)["groups"]}
    assert by_zone["vaults"]["egress"][0]["FromPort"] == 587
    assert set(by_zone) == {"vaults", "tunnels", "gateway", "mailserver"}
    assert reasons(made_from, names=["lan"]) == [("lan", "egress")]
    assert cloud_rules(made_from, "azure", TODAY, names=["lan"])["groups"][0]["name"] == "lan"


def test_a_lan_gateway_opens_its_mail_server_and_no_managed_host() -> None:
    inside = way("lan-gateway:routers:internal_mail_server", ["10.0.0.25"], ["0.0.0.0/0", "::/0"], [25],
                 mode="internal_mail_server", **GATEWAY)  # fmt: skip
    toward = way("lan-gateway:r2:gateway_mail_server", ["0.0.0.0/0"], ["10.0.0.26"], [25],
                 mode="gateway_mail_server", **GATEWAY)  # fmt: skip
    zones = [
        {"name": name, "group": group, "managed": managed, "addresses": [address], "networks": []}
        for name, group, managed, address in (
            ("vaults", "vaults", True, "10.0.0.1"),
            ("clients", "clients", False, "10.0.0.2"),
            ("mail", None, True, "10.0.0.25"),
            ("relay", "relay", True, "10.0.0.26"),
        )
    ]
    groups = {g["name"]: g for g in cloud_rules(plan([inside, toward], zones=zones), "aws", TODAY)["groups"]}
    assert groups["vaults"]["egress"] == groups["vaults"]["ingress"] == []
    assert [r["CidrIp"] for r in groups["clients"]["egress"][0]["IpRanges"]] == ["10.0.0.26/32"]
    assert [r["CidrIp"] for r in groups["clients"]["ingress"][0]["IpRanges"]] == ["10.0.0.25/32"]
    assert [r["CidrIp"] for r in groups["mail"]["egress"][0]["IpRanges"]] == ["0.0.0.0/0", "10.0.0.26/32"]
    assert [r["CidrIp"] for r in groups["relay"]["ingress"][0]["IpRanges"]] == ["0.0.0.0/0"]
    assert groups["relay"]["egress"] == []


def test_what_must_be_known_is_warned_of() -> None:
    made_from = with_zone(plan([way("out", ["10.0.0.1"], ["0.0.0.0/0"], [25])]), ["10.0.0.1"], [])
    aws = cloud_rules(made_from, "aws", TODAY)
    assert "no SMTP egress" in aws["warnings"][0]
    assert "IpProtocol -1" in aws["groups"][0]["warnings"][0]
    assert "port 25" in aws["groups"][0]["warnings"][1]
    assert "port 25" in cloud_rules(made_from, "azure", TODAY)["groups"][0]["warnings"][0]
    private = with_zone(plan([way("in", ["10.0.0.1"], ["172.31.255.255", "fd00::/8"], [25])]), ["10.0.0.1"], [])
    assert not any("port 25" in w for w in cloud_rules(private, "aws", TODAY)["groups"][0]["warnings"])
    old = with_zone(plan([way("old", ["10.0.0.1"], ["10.0.0.2"], [25], review_by="2026-11-22")]), ["10.0.0.1"], [])
    found = cloud_rules(old, "aws", TODAY)
    assert found["groups"][0]["egress"] == []
    assert found["expired"] == [{"path": "old", "review_by": "2026-11-22"}]
    assert "old" in found["warnings"][1]


def test_the_quota_is_counted_by_direction_and_family() -> None:
    def warned(count: int) -> bool:
        many = [f"10.1.0.{n}" for n in range(count)]
        made_from = with_zone(plan([way("many", ["10.0.0.1"], many, [25])]), ["10.0.0.1"], [])
        return any("quota" in w for w in cloud_rules(made_from, "aws", TODAY)["groups"][0]["warnings"])

    assert not warned(60)
    assert warned(61)


def reasons(made_from: Any, **options: Any) -> list[tuple[str | None, str | None]]:
    with pytest.raises(Refused) as refused:
        cloud_rules(made_from, **{"provider": "aws", "today": TODAY, **options})
    assert all(finding.remedy for finding in refused.value.findings)
    return [(finding.path, finding.field) for finding in refused.value.findings]


def test_what_cannot_be_said_is_refused() -> None:
    two = with_zone(plan([way("one", ["10.0.0.1"], ["10.0.0.9"], [25])]), ["10.0.0.1", "10.0.0.2"], [])
    assert reasons(two) == [("z", "egress")]
    assert cloud_rules(two, "azure", TODAY)["groups"][0]["securityRules"][0]["properties"]["priority"] == 100
    assert reasons(two, provider="gcp") == [(None, "provider")]
    assert reasons(two, per="rack") == [(None, "per")]
    assert reasons(two, names=["nowhere"]) == [(None, "names")]
    assert reasons(two, provider="azure", priority=99) == [("z", "priority"), ("z", "priority")]
    assert reasons(two, provider="azure", priority=4096) == [("z", "priority")]
    with pytest.raises(NotAPlan):
        cloud_rules({**two, "zones": None}, "aws", TODAY)


def test_names_of_rules_stay_apart() -> None:
    ids = ["a", "A", "x:y", "x-y", "p" * 90, "p" * 91]
    made_from = with_zone(plan([way(name, ["10.0.0.1"], ["10.0.0.9"], [25]) for name in ids]), ["10.0.0.1"], [])
    _azure_takes(cloud_rules(made_from, "azure", TODAY)["groups"][0]["securityRules"])
