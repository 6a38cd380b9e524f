# SPDX-License-Identifier: GPL-3.0-or-later
"""Forms of rules that the random rulesets do not draw: evaluator and kernel, in each family, at three hooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.analyse import analyse

from .box import Box, Refused
from .cases import try_points
from .compare import check
from .ruleset import Chain, Ruleset, Table
from .test_oracle import ALL

POINTS = [point._replace(port=port) for port in (25, 587, 24) for point in ALL]
PLACES = (("prerouting", -300), ("input", 0), ("output", 0))
OURS = "set s {{ type ipv4_addr; {} }}".format
MEMBERS = "elements = { 10.9.0.9, 10.8.0.1 };"
COUNTER = "counter c {\n}"
FORMS = {
    "a counter by a map": ('counter name tcp dport map { 587 : "c" }', COUNTER),
    "a counter by a map of addresses": ('counter name ip saddr map { 10.9.0.9 : "c" }', COUNTER),
    "a priority by a map": ("meta priority set tcp dport map { 587 : 1:1 }", ""),
    "a priority by a map of one family": ("meta priority set ip dscp map { cs0 : 1:1 }", ""),
    "a zone by a map": ("ct zone set tcp dport map { 587 : 3 }", ""),
    "a field of IPv4 set": ("ip dscp set cs1", ""),
    "a field of IPv6 set": ("ip6 hoplimit set 5", ""),
    "a field of UDP set": ("udp sport set 5", ""),
    "a field of Ethernet set": ("ether saddr set 00:00:00:00:00:01", ""),
    "a mark from addresses of one family": ("meta mark set jhash ip saddr mod 4", ""),
    "a mark from a socket": ("meta mark set socket mark", ""),
    "an unknown mark": ("meta mark set numgen random mod 4 meta mark 2", ""),
    "a mark by a map for everything": ("meta mark set tcp dport map { 25 : 1, * : 2 } meta mark 2", ""),
    "an address deleted from a set": ("delete @s { ip saddr }", OURS("flags dynamic; size 100;")),
    "a set of everything": ("ip saddr @s", OURS("flags interval; elements = { * };")),
    "a set of all protocols": ("meta l4proto @s", "set s { type inet_proto; flags interval; elements = { udp, * }; }"),
    "elements with a rate": ("ip saddr @s", OURS(f"limit rate over 10/second; {MEMBERS}")),
    "elements with a quota": ("ip saddr @s", OURS(f"flags dynamic; quota over 1000 bytes; {MEMBERS}")),
    "elements with a number of connections": ("ip saddr @s", OURS(f"ct count over 5; {MEMBERS}")),
    "elements with a counter": ("ip saddr @s", OURS(f"counter; {MEMBERS}")),
    "a verdict map that goes on": ("tcp dport vmap { 25 : continue, 24 : accept }", ""),
    "a verdict map of known fields that goes on": ("meta pkttype vmap { host : continue }", ""),
    "an Ethernet type": ("ether type ip", ""),
    "another Ethernet type": ("ether type != ip", ""),
    "a group of no interface": ("iifgroup != default", ""),
    "a type of no interface": ("iiftype != ether", ""),
}
WITHOUT_NAME = "tcp dport 25 jump {{ ip saddr 10.0.0.0/8 {0}; ip6 saddr fd00::/8 {0}; }}"


def disagreements(box: Box, rule: str, item: str, verdicts: tuple[str, ...] = ("drop", "accept")) -> Iterator[str]:
    loaded = 0
    for family in ("inet", "ip", "ip6"):
        for hook, priority in PLACES:
            for verdict in verdicts:
                policy = "accept" if verdict == "drop" else "drop"
                head = f"type filter hook {hook} priority {priority}; policy {policy};"
                chains = [Chain("c", head, [f"{rule} {verdict}".strip()])]
                # Connections are tracked in any case.
                chains.append(Chain("last", "type filter hook forward priority 300;", ["ct state new counter"]))
                ruleset = Ruleset([Table(family, "t", items=[item] if item else [], chains=chains)])
                try:
                    box.load(ruleset.nft())
                except Refused:
                    continue
                loaded += 1
                yield from map(str, check(try_points(box, rule, ruleset, POINTS), analyse, exact=False))
    assert loaded, "no table takes this rule"


@pytest.mark.parametrize("name", FORMS)
def test_the_kernel_agrees(name: str, host: Box) -> None:
    rule, item = FORMS[name]
    assert not list(disagreements(host, rule, item))[:1]


@pytest.mark.parametrize("verdict", ["accept", "drop"])
def test_chains_without_names_are_unknown(verdict: str, host: Box) -> None:
    assert not list(disagreements(host, WITHOUT_NAME.format(verdict), "", ("",)))[:1]
