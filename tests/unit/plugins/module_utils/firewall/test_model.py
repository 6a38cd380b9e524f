# SPDX-License-Identifier: GPL-3.0-or-later
"""Options become rules, or one error that lists every problem."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import model, nets
from hypothesis import given
from hypothesis import strategies as st


def rule(source="10.0.0.1", destination="10.0.0.2", port=25, **more):
    return {"source": source, "destination": destination, "port": port, **more}


def problems(**options) -> tuple[str, ...]:
    with pytest.raises(model.RulesRefused) as refused:
        model.from_options({"ports": [25, 587], **options})
    return refused.value.problems


@given(st.ip_addresses())
def test_an_address_is_read_as_ipaddress_reads_it(address):
    if address.version == 6 and address.ipv4_mapped:
        with pytest.raises(ValueError, match="write it as IPv4"):
            nets.parse_net(str(address))
        return
    net = nets.parse_net(str(address))
    assert (net.version, net.first, net.last, net.plain) == (address.version, int(address), int(address), True)
    assert ipaddress.ip_address(net.text) == address


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_is_read_as_ipaddress_reads_it(address, length):
    network = ipaddress.ip_network((address, min(length, address.max_prefixlen)), strict=False)
    if network.version == 6 and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        return
    net = nets.parse_net(str(network))
    assert (net.first, net.last) == (int(network[0]), int(network[-1]))
    assert net.plain == (network.num_addresses == 1)
    assert ipaddress.ip_network(net.text) == network


@given(st.text())
def test_other_text_is_no_network(text):
    try:
        ipaddress.ip_network(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"write|neither"):
            nets.parse_net(text)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("10.0.0.1/8", "write 10.0.0.0/8"),
        ("fd00::1/64", "write fd00::/64"),
        ("::ffff:10.0.0.1", "write it as IPv4"),
        ("::ffff:10.0.0.0/104", "write it as IPv4"),
        ("fe80::1%eth0", "without it"),
        ("010.0.0.1", "neither"),
        ("10.0.0.1-10.0.0.9", "neither"),
        ("mail.corp.test", "neither"),
        ("", "neither"),
        (None, "is missing"),
        (167772161, "is not text"),
        (["10.0.0.1"], "is not text"),
        ("10.0.0.1 } ; flush ruleset", "neither"),
        ("10.0.0.1\x00", "neither"),
    ],
)
def test_a_wrong_address_is_refused_with_a_remedy(text, remedy):
    (problem,) = problems(egress=[rule(source=text)])
    assert problem.startswith("egress[0]: source: ")
    assert remedy in problem


def test_all_problems_come_at_once_each_with_its_place():
    found = problems(
        ports=[25, 0, 22, "x", True],
        egress=[rule("10.0.0.1", "fd00::1"), rule(port=26), rule(protocol="udp"), "rule"],
        ingress=[rule(port=[25], destination="nowhere")],
        forward=[rule()],
        blocked="ignore",
        log_rate="often",
        log_group=-1,
    )
    starts = [problem.split(":")[0] for problem in found]
    assert starts == ["ports"] * 4 + [
        "egress[0]",
        "egress[1]",
        "egress[2]",
        "egress[3]",
        "ingress[0]",
        "ingress[0]",
        "forward",
        "blocked",
        "log_rate",
        "log_group",
    ]


def test_no_ports_are_refused():
    assert problems(ports=[]) == ("ports: none given: name the TCP ports that count as SMTP, such as 25, 465, 587",)


def test_numbers_may_be_text_as_templates_write_them():
    ruleset = model.from_options({"ports": ["587", 25], "egress": [rule(port="587")]})
    assert ruleset.ports == (25, 587)
    assert ruleset.egress[0].port == 587


def test_spellings_of_one_network_are_one():
    spelled = model.from_options({"ports": [25], "egress": [rule("FD00:0::01", "fd00::2/128")]}).egress[0]
    plain = model.from_options({"ports": [25], "egress": [rule("fd00::1", "fd00::2")]}).egress[0]
    assert spelled == plain


def test_only_ports_among_those_of_clients_are_warned_about():
    assert model.warnings(model.from_options({"ports": [25, 32767]})) == []
    (warning,) = model.warnings(model.from_options({"ports": [25, 32768]}))
    assert "32768" in warning
