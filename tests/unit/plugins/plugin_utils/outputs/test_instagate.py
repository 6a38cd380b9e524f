# SPDX-License-Identifier: GPL-3.0-or-later
"""The worksheet says what the vendor's guide says, in its order, and nothing that the policy does not declare."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.instagate import worksheets
from hypothesis import given
from hypothesis import strategies as st

from .audit_samples import plan
from .instagate_reader import passes, rules

CASES = ["10.77.10.25", "10.77.10.26", "10.77.10.50", "10.77.30.25", "203.0.113.25", "10.77.10.1"]


def sheet(change=None, hosts=None) -> dict[str, Any]:
    (found,) = worksheets(plan(change) if hosts is None else plan(change, hosts))
    return found.as_dict()


def servers(*addresses: str):
    return lambda raw: raw["zones"]["mailserver"].update(addresses=list(addresses))


def gateway(*addresses: str, **more: Any):
    def change(raw: Any) -> None:
        raw["zones"]["mailserver"]["addresses"] = list(addresses)
        raw["lan_gateways"][0] |= {"mode": "gateway_mail_server", "lan": "lan", **more}

    return change


def limits(worksheet: dict[str, Any]) -> str:
    return "\n".join(limit["what"] for limit in worksheet["limits"])


def test_internal_mail_server_has_the_fields_of_the_guide_in_its_order() -> None:
    found = sheet()
    assert [step["stage"] for step in found["steps"]] == [
        *("scanning", "rule", "rule", "order", "clients", "verify", "verify", "verify")
    ]
    assert [step["number"] for step in found["steps"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [(field["field"], field["value"]) for field in found["steps"][0]["fields"]] == [
        ("Other SMTP scanning", "off"),
        ("Local (Relay/Server) SMTP scanning", "on"),
        ("Outgoing scanning", "on"),
    ]
    assert rules(found) == [
        {
            "Action": "Accept",
            "Interface": "LAN",
            "Source match": "Include",
            "Source": "10.77.10.25/32 (network address and mask)",
            "Destination": "ANY (object)",
            "Services": "Selected: SMTP",
        },
        {
            "Action": "Deny",
            "Interface": "LAN",
            "Source": "ANY (object)",
            "Destination": "ANY (object)",
            "Services": "Selected: SMTP",
        },
    ]
    assert (found["group"], found["name"], found["mode"]) == ("routers", "routers", "internal_mail_server")


def test_gateway_mail_server_has_the_one_rule_of_the_guide() -> None:
    found = sheet(gateway("10.77.10.1"))
    assert [step["stage"] for step in found["steps"]] == ["scanning", "rule", "verify", "verify"]
    assert rules(found) == [
        {
            "Action": "Deny",
            "Interface": "LAN",
            "Source": "ANY (object)",
            "Destination match": "Exclude",
            "Destination": "10.77.10.1, the gateway's LAN address",
            "Services": "Selected: SMTP",
        }
    ]


def test_verification_goes_to_the_server_and_to_every_sentinel_of_ipv4() -> None:
    def change(raw: Any) -> None:
        raw["sentinels"].append({"name": "far-mx", "addresses": ["198.51.100.7", "2001:db8::7"]})

    steps = [step for step in sheet(change)["steps"] if step["stage"] == "verify"]
    assert [(step["action"], step["fields"][0]["value"]) for step in steps[:-1]] == [
        ("Connect to 10.77.10.25 port 25", "it answers"),
        ("Connect to far-mx 198.51.100.7 port 25", "blocked"),
        ("Connect to public-mx 203.0.113.25 port 25", "blocked"),
    ]


def test_without_a_sentinel_a_public_server_is_tried() -> None:
    steps = sheet(lambda raw: raw.update(sentinels=[]))["steps"]
    assert "Connect to a public SMTP server port 25" in [step["action"] for step in steps]


def test_several_addresses_are_several_accepts_above_the_one_deny() -> None:
    found = sheet(servers("10.77.10.26", "10.77.10.25", "fd77:10::25", "10.77.10.3"))
    sources = [(rule["Action"], rule["Source"].split()[0]) for rule in rules(found)]
    assert sources == [
        *(("Accept", f"10.77.10.{last}/32") for last in (3, 25, 26)),
        ("Deny", "ANY"),
    ]
    order = next(step for step in found["steps"] if step["stage"] == "order")
    assert [field["value"] for field in order["fields"]][-1] == "Deny, source ANY"
    assert "3 Accept rules above the Deny" in order["action"]
    assert "fd77:10::25" in limits(found)


def test_two_servers_of_one_group_are_one_worksheet() -> None:
    def change(raw: Any) -> None:
        raw["zones"]["second"] = {"addresses": ["10.77.10.26"], "name": "second.corp.test"}
        raw["lan_gateways"].append({**raw["lan_gateways"][0], "mail_server": "second", "owner": "ops@corp.test"})

    found = sheet(change)
    assert [rule["Source"].split("/")[0] for rule in rules(found)] == ["10.77.10.25", "10.77.10.26", "ANY (object)"]
    assert [entry["owner"] for entry in found["declared"]] == ["messaging@corp.test", "ops@corp.test"]


def both_modes(raw: Any) -> None:
    raw["zones"]["own"] = {"addresses": ["10.77.10.1"], "name": "own.corp.test"}
    more = {"mode": "gateway_mail_server", "mail_server": "own", "lan": "lan"}
    raw["lan_gateways"].append({**raw["lan_gateways"][0], **more})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (servers("fd77:10::25"), "no IPv4 address"),
        (lambda raw: raw["lan_gateways"][0].update(ports=[465, 587]), "without port 25"),
        (lambda raw: (raw.update(ports=[465, 587]), raw["lan_gateways"][0].update(ports=[587])), "without port 25"),
        (gateway("10.77.10.1", "10.77.10.25"), "has 2 IPv4 addresses"),
        (gateway("fd77:10::1"), "no IPv4 address"),
        (both_modes, "both modes"),
    ],
)
def test_what_cannot_be_set_faithfully_has_no_steps_and_says_why(change, words) -> None:
    found = sheet(change)
    assert not found["usable"]
    assert found["steps"] == []
    (limit,) = [limit for limit in found["limits"] if limit["blocks_use"]]
    assert words in limit["what"]
    assert limit["remedy"]


def test_ports_ipv6_and_interfaces_beyond_the_rules_are_told() -> None:
    told = limits(sheet())
    for words in ("they do not close 465 and 587", "IPv4 rules only", "interface LAN"):
        assert words in told
    assert "465" not in limits(sheet(lambda raw: raw.update(ports=[25], paths=[])))


def test_declared_paths_that_the_deny_stops_are_told_and_others_not() -> None:
    def change(raw: Any) -> None:
        raw["zones"]["printers"] = {"addresses": ["10.77.10.60", "fd77:10::60"]}
        raw["zones"]["six"] = {"addresses": ["fd77:10::61"], "name": "six.corp.test"}
        path = {**raw["paths"][0], "to": "gateway", "port": 25}
        raw["paths"] += [
            {**path, "id": "printers-out", "from": "printers"},
            {**path, "id": "server-out", "from": "mailserver"},
            {**path, "id": "six-out", "from": "six"},
        ]

    told = limits(sheet(change))
    assert "path printers-out (printers to gateway, port 25) is denied" in told
    for other in ("server-out", "six-out", "vault-to-tunnel"):
        assert other not in told


def test_gateway_mode_loses_paths_that_lead_elsewhere_only() -> None:
    def change(raw: Any) -> None:
        gateway("10.77.10.1")(raw)
        path = {**raw["paths"][0], "port": 25, "from": "lan"}
        raw["paths"] += [{**path, "id": "to-own", "to": "mailserver"}, {**path, "id": "away", "to": "gateway"}]

    told = limits(sheet(change))
    assert "path away" in told
    assert "to-own" not in told
    assert "not zone lan only" in told


def test_gateway_mode_for_another_host_is_questioned() -> None:
    assert "10.77.10.25 is no address of a LAN gateway" in limits(sheet(gateway("10.77.10.25")))
    assert "no address of a LAN gateway" not in limits(sheet(gateway("10.77.10.1")))


def test_each_group_has_a_worksheet_of_its_own_name() -> None:
    def change(entry: Any, group: str) -> Any:
        return {**entry, "hosts": group}

    shown = plan()
    (path,) = [entry for entry in shown["paths"] if entry["kind"] == "lan_gateway"]
    shown["paths"] = [change(path, group) for group in ("a/b", "../../etc", "a b", "A b", "", "..")]
    names = [worksheet.name for worksheet in worksheets(shown)]
    assert len({name.lower() for name in names}) == 6
    assert all(name and not name.startswith(".") and "/" not in name and " " not in name for name in names)


def test_policy_without_a_gateway_has_no_worksheet() -> None:
    assert worksheets(plan(lambda raw: raw.update(lan_gateways=[]))) == ()


@pytest.mark.parametrize("wrong", [None, [], {}, {"paths": {}}, {"paths": ["x"]}, {"paths": [{"id": "x"}]}])
def test_what_is_no_plan_is_refused(wrong) -> None:
    with pytest.raises(NotAPlan, match="smtp_plan"):
        worksheets(wrong)


@given(
    st.lists(st.sampled_from(CASES), min_size=1, max_size=4, unique=True),
    st.sampled_from(["internal_mail_server", "gateway_mail_server"]),
)
def test_device_lets_pass_what_the_mode_declares_and_nothing_else(addresses: list[str], mode: str) -> None:
    change = servers(*addresses) if mode == "internal_mail_server" else gateway(*addresses)
    found = sheet(lambda raw: (change(raw), raw.update(sentinels=[])))
    if not found["usable"]:
        assert mode == "gateway_mail_server"
        assert len(addresses) > 1
        return
    for source in CASES:
        for destination in CASES:
            declared = source in addresses if mode == "internal_mail_server" else destination in addresses
            assert passes(found, source, destination) == declared, (source, destination)
    order = [ipaddress.ip_network(r["Source"].split()[0]) for r in rules(found) if r["Action"] == "Accept"]
    assert order == sorted(order)


def test_server_without_the_port_of_smtp_is_in_no_rule() -> None:
    def change(raw: Any) -> None:
        raw["zones"]["second"] = {"addresses": ["10.77.10.26"], "name": "second.corp.test"}
        raw["lan_gateways"].append({**raw["lan_gateways"][0], "mail_server": "second", "ports": [587]})

    found = sheet(change)
    assert [rule["Source"].split("/")[0] for rule in rules(found)] == ["10.77.10.25", "ANY (object)"]
    assert "second is declared without port 25" in limits(found)


def test_path_of_which_the_deny_stops_a_part_is_told() -> None:
    def change(raw: Any) -> None:
        raw["zones"]["some"] = {"addresses": ["10.77.10.25", "10.77.10.60"]}
        raw["paths"].append({**raw["paths"][0], "id": "some-out", "from": "some", "to": "gateway", "port": 25})

    assert "path some-out" in limits(sheet(change))
