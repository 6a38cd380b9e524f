# SPDX-License-Identifier: GPL-3.0-or-later
"""Each class of an outcome, by the real rule or server that causes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import NAME, World
from .network import HERE, OLD, Network

BOTH = pytest.mark.parametrize("version", [4, 6])
DATA = "tcp flags & psh == psh"
TARPIT = 5100
# name: port, what is behind it, where a rule stands, and the rule
BEHIND: dict[str, tuple[int, dict[str, Any], str, str]] = {
    "half_open_silent": (5101, {"kind": "say"}, "router", f"{DATA} drop"),
    "half_open_talking": (5102, {"kind": "smtp", "offers": []}, "router", f"{DATA} drop"),
    "prohibited_talking": (5103, {"kind": "smtp"}, "router", f"{DATA} reject with icmpx type admin-prohibited"),
    "prohibited_silent": (5104, {"kind": "say"}, "router", f"{DATA} reject with icmpx type admin-prohibited"),
    "reset_talking": (5105, {"kind": "smtp"}, "router", f"{DATA} reject with tcp reset"),
    "reset_at_once": (5106, {"kind": "reset"}, "", ""),
    "hidden": (5107, {"kind": "smtp", "greeting": "220 ****************0*2**0**0", "offers": []}, "", ""),
    "stripped": (5108, {"kind": "smtp", "offers": ["SIZE 1000", "XXXXXXXA"]}, "", ""),
    "no_ehlo": (5109, {"kind": "smtp", "stall": "EHLO"}, "", ""),
    "own_drop": (5110, {"kind": "smtp"}, "client", "drop"),
    "own_reject": (5111, {"kind": "smtp"}, "client", "reject with icmpx type admin-prohibited"),
    "other_drop": (5112, {"kind": "smtp"}, "server", "drop"),
    "late": (5113, {"kind": "smtp", "offers": [], "wait": 4}, "", ""),
}
HOOKS = {"client": "output", "router": "forward", "server": "input"}


@pytest.fixture(scope="module")
def rows(network: Network, world: World) -> Iterator[dict[tuple[int, str], dict[str, Any]]]:
    """(IP version, name) → row of a path that should be open; the names of conftest's servers as well."""
    network.serve({str(port): how for port, how, _where, _rule in BEHIND.values()})
    network.start(sys.executable, str(HERE / "tarpit.py"), "eth0", str(TARPIT), says=b"listening\n")
    for part, hook in HOOKS.items():
        rules = [f"tcp dport {port} {rule}" for port, _how, where, rule in BEHIND.values() if where == part]
        if part == "server":
            rules.append(f"tcp dport {TARPIT} drop")
        lines = "\n".join(rules)
        network.nft(part, f"table inet t {{ chain c {{ type filter hook {hook} priority 0\n{lines}\n}}\n}}")
    encrypted = {"stripped", "plain", "starttls_refused", "untrusted", "misnamed", "no_ehlo", "prohibited_talking"}
    ports = {**world.ports, **{name: entry[0] for name, entry in BEHIND.items()}, "tarpit": TARPIT}
    wanted = [(version, name) for version in (4, 6) for name in ports]
    targets = [
        {
            "destination": network.server[version],
            "port": ports[name],
            "name": NAME,
            "encryption": "starttls" if name in encrypted else "none",
        }
        for version, name in wanted
    ]
    for target in targets:
        if target["port"] == ports["reset_talking"]:
            target["depth"] = "ehlo"
        if target["port"] == ports["half_open_talking"]:
            target["depth"] = "ehlo"
    try:
        result = network.probe(targets, ca_pem=world.ca.pem, timeout=5)
        yield dict(zip(wanted, result["rows"], strict=True))
    finally:
        for part in HOOKS:
            network.nft(part, "")


EXPECTED = {
    "tarpit": ("banner_timeout", "tarpit"),
    "half_open_silent": ("banner_timeout", "half_open"),
    "half_open_talking": ("not_smtp", "half_open"),
    "silent": ("banner_timeout", "silent"),
    "drip": ("banner_timeout", "banner_incomplete"),
    "prohibited_talking": ("not_smtp", "rejected_after_accept"),
    "prohibited_silent": ("not_smtp", "rejected_after_accept"),
    "reset_talking": ("not_smtp", "reset_in_session"),
    "reset_at_once": ("not_smtp", "reset_after_accept"),
    "hang_up": ("not_smtp", "closed_after_accept"),
    "ssh": ("not_smtp", "not_smtp"),
    "no_ehlo": ("not_smtp", "not_smtp"),
    "busy": ("greeting_refused", "greeting_421"),
    "refusing": ("greeting_refused", "greeting_554"),
    "plain": ("tls_missing", "tls_not_offered"),
    "starttls_refused": ("tls_missing", "tls_refused"),
    "stripped": ("tls_missing", "tls_stripped"),
    "untrusted": ("tls_failed", "tls_failed"),
    "misnamed": ("wrong_server", "wrong_certificate"),
    "other_greeting": ("wrong_server", "wrong_greeting"),
    "hidden": ("wrong_server", "hidden_greeting"),
    "own_drop": ("filtered", "own_rule"),
    "own_reject": ("rejected", "own_rule"),
    "other_drop": ("filtered", "filtered"),
    "late": ("open", "banner_late"),
}


@BOTH
@pytest.mark.parametrize("name", EXPECTED)
def test_class_is_told_by_the_evidence(rows, version: int, name: str) -> None:
    row = rows[version, name]
    assert (row["outcome"], row["class"]) == EXPECTED[name], row
    assert row["verdict"] == ("pass" if row["outcome"] == "open" else "fail")


@BOTH
def test_what_the_kernel_knew_is_in_the_evidence(rows, version: int) -> None:
    assert rows[version, "tarpit"]["evidence"]["tcp"]["window"] == 0
    assert rows[version, "tarpit"]["evidence"]["tcp"]["acknowledged"] is False
    assert rows[version, "half_open_silent"]["evidence"]["tcp"]["acknowledged"] is False
    assert rows[version, "half_open_silent"]["evidence"]["tcp"]["retransmits"] >= 1
    assert rows[version, "silent"]["evidence"]["tcp"]["acknowledged"] is True
    assert rows[version, "late"]["evidence"]["smtp"]["greeting_seconds"] > 3.8


@BOTH
def test_what_cannot_be_told_is_said(rows, version: int) -> None:
    assert any("which device drops" in text for text in rows[version, "other_drop"]["cannot_tell"])
    assert any("re-signs" in text for text in rows[version, "untrusted"]["cannot_tell"])
    assert any("no certificate proved" in text for text in rows[version, "late"]["cannot_tell"])
    assert any("device on the way" in text for text in rows[version, "silent"]["cannot_tell"])


@BOTH
def test_filter_of_system_calls_is_local_policy_and_never_blocked(network: Network, world: World, version: int) -> None:
    python = str(OLD[0]) if OLD else sys.executable
    targets = [
        {"destination": network.server[version], "port": world.ports["plain"], "expect": e}
        for e in ("allowed", "blocked")
    ]
    for row in network.probe(targets, wrap=[python, str(HERE / "forbid_connect.py")], python=python)["rows"]:
        assert (row["outcome"], row["class"], row["verdict"]) == ("local_error", "local_policy", "error")
        assert row["evidence"]["errno"] == "EPERM"


@BOTH
def test_own_drop_is_told_apart_from_a_foreign_one_where_a_block_is_expected(network: Network, version: int) -> None:
    rule = "table inet t {{ chain c {{ type filter hook {} priority 0; tcp dport 5120 drop; }}; }}"
    target = {"destination": network.server[version], "port": 5120, "expect": "blocked"}
    for part, expected in (("client", "own_rule"), ("router", "filtered")):
        network.nft(part, rule.format(HOOKS[part]))
        try:
            (row,) = network.probe([target])["rows"]
        finally:
            network.nft(part, "")
        assert (row["outcome"], row["class"], row["verdict"]) == ("filtered", expected, "pass"), part


@BOTH
def test_answers_of_routes_are_told_apart_by_who_gave_them(network: Network, version: int) -> None:
    destination = {4: "10.92.7.1", 6: "fd92:7::1"}[version]
    target = {"destination": destination, "port": 25, "expect": "blocked"}
    absent = {"destination": network.absent[version], "port": 25, "expect": "blocked"}
    network.route("router", "add", "unreachable", destination)
    try:
        unreachable, nobody = network.probe([target, absent])["rows"]
        assert (unreachable["class"], unreachable["evidence"]["device"]) == ("unreachable", network.router[version])
        assert nobody["class"] == "no_neighbour"
        network.route("router", "del", "unreachable", destination)
        network.route("router", "add", "prohibit", destination)
        (row,) = network.probe([target])["rows"]
        assert (row["outcome"], row["class"]) == ("rejected", "rejected")
        assert row["evidence"]["device"] == network.router[version]
    finally:
        kind = "prohibit" if "prohibit" in network.ip(network.names["router"], "route", "show", "table", "all") else ""
        network.route("router", "del", *([kind] if kind else []), destination)
