# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared against what is loaded: the differences, how sure they are, whose they are, how they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.proof import anomalies, compare, report

HERE, THERE, LAN = "192.0.2.10", "203.0.113.25", "198.51.100.7"
PATH = {"path": "p", "source": HERE, "destination": THERE, "port": 25}
ROUTES = [
    {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
    {"dst": "192.0.2.0/24", "dev": "eth0"},
    {"dst": "198.51.100.0/24", "dev": "eth1"},
    {"dst": "default", "gateway": "2001:db8::1", "dev": "eth0"},
]
RULES = [{"priority": 0, "src": "all", "table": "local"}, {"priority": 32766, "src": "all", "table": "main"}]


def addr(field: str, value: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": {"payload": {"protocol": "ip", "field": field}}, "right": value}}


def port(*numbers: int) -> dict[str, Any]:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": {"set": list(numbers)}}}


def name(side: str, value: str) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"meta": {"key": f"{side}name"}}, "right": value}}


ACCEPT, DROP, LIMIT = {"accept": None}, {"drop": None}, {"limit": {"rate": 1, "per": "second"}}
EXACT = [addr("saddr", HERE), addr("daddr", THERE), port(25), ACCEPT]


@pytest.fixture
def prove(host, hook):
    """Proves egress rules on ports 25 and 587; nothing comes in."""

    def run(*rules: list[Any], egress: Any = (PATH,), policy: str = "drop", **more: Any) -> dict[str, Any]:
        chains = {"o": (hook("output", policy), list(rules)), "i": (hook("input", "drop"), [])}
        return report.prove(host(chains, **more), {"ports": [25, 587], "egress": list(egress)})

    return run


def told(entries: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(e["direction"], e["source"], e["destination"], e["port"], e["certainty"]) for e in entries]


def test_exactly_what_is_declared_is_proved(prove) -> None:
    result = prove(EXACT)
    assert result["passed"] is True
    assert result["summary"] == "proved: exactly the declared paths are open (TCP ports 25, 587, egress, ingress)"
    assert not any(result[kind] for kind in ("excess", "missing", "intercepted", "unmodelled", "anomalies"))
    assert len(result["out_of_sight"]) >= 8
    json.dumps(result)


def test_what_is_open_and_not_declared(prove) -> None:
    result = prove(EXACT, [addr("daddr", {"prefix": {"addr": "10.0.0.0", "len": 8}}), port(587), ACCEPT])
    assert told(result["excess"]) == [("egress", "0.0.0.0/0", "10.0.0.0/8", 587, "must")]
    assert [(by["table"], by["chain"], by["handle"]) for by in result["excess"][0]["by"]] == [("t", "o", 11)]
    assert result["excess"][0]["paths"] == []
    assert not result["passed"]
    assert "1 open but not declared" in result["summary"]
    assert "table inet t chain o handle 11" in result["summary"]


def test_a_hole_in_what_is_open_is_cut_out_exactly(prove) -> None:
    result = prove([port(25), addr("saddr", HERE), ACCEPT])
    assert told(result["excess"]) == [
        ("egress", HERE, "0.0.0.0-203.0.113.24", 25, "must"),
        ("egress", HERE, "203.0.113.26-255.255.255.255", 25, "must"),
    ]


def test_what_is_declared_and_blocked(prove) -> None:
    result = prove([addr("daddr", {"prefix": {"addr": "203.0.113.0", "len": 24}}), DROP], EXACT)
    assert told(result["missing"]) == [("egress", HERE, THERE, 25, "must")]
    assert result["missing"][0]["paths"] == ["p"]
    assert [by["handle"] for by in result["missing"][0]["by"]] == [10]


def test_what_is_unknown_counts_as_open_and_as_blocked(prove) -> None:
    result = prove([LIMIT, *EXACT], [LIMIT, addr("saddr", HERE), port(587), ACCEPT])
    assert told(result["excess"]) == [("egress", HERE, "0.0.0.0/0", 587, "may")]
    assert told(result["missing"]) == [("egress", HERE, THERE, 25, "may")]
    assert {item["what"] for item in result["unmodelled"]} == {"limit"}
    assert not result["passed"]


def test_ipv6_is_not_forgotten(prove) -> None:
    result = prove(
        [{"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv4"}}, DROP], policy="accept"
    )
    assert {entry["source"] for entry in result["excess"]} == {"::/0"}


def test_what_is_led_elsewhere(host, hook) -> None:
    nat = [addr("daddr", THERE), port(25), {"dnat": {"family": "ip", "addr": LAN, "port": 2525}}]
    chains = {
        "n": (hook("output", kind="nat", prio=-100), [nat]),
        "o": (hook("output", "drop"), [[addr("daddr", LAN), ACCEPT]]),
        "i": (hook("input", "drop"), []),
    }
    result = report.prove(host(chains), {"ports": [25], "egress": [PATH]})
    (led,) = result["intercepted"]
    assert told([led]) == [("egress", "0.0.0.0/0", THERE, 25, "must")]
    assert led["paths"] == ["p"]
    assert led["by"][0]["rule"] == f"ip daddr {THERE} tcp dport {{ 25 }} dnat to {LAN}:2525"
    # Led there and let pass, it is open; for other sources it is not declared.
    assert {entry["destination"] for entry in result["excess"]} == {THERE, LAN}
    assert result["missing"] == []


def test_a_path_must_be_open_where_its_packets_go(prove) -> None:
    by_eth0, by_eth1 = [name("oif", "eth0"), *EXACT], [name("oif", "eth1"), *EXACT]
    known = {"routes": json.dumps(ROUTES), "rules": json.dumps(RULES)}
    assert prove(by_eth0, **known)["passed"]
    missing = prove(by_eth1, **known)["missing"]
    assert told(missing) == [("egress", HERE, THERE, 25, "must")]
    # Where the routes are not known, every interface counts.
    assert not prove(by_eth0)["passed"]


def test_a_router_is_asked_about_forwarding(host, hook) -> None:
    path = {"path": "out", "source": LAN, "destination": THERE, "port": 25}
    rule = [name("iif", "eth1"), name("oif", "eth0"), addr("saddr", LAN), addr("daddr", THERE), port(25), ACCEPT]
    chains = {hooked: (hook(hooked, "drop"), []) for hooked in ("input", "output")}
    chains["forward"] = (hook("forward", "drop"), [rule])
    loaded = host(chains, routes=json.dumps(ROUTES), rules=json.dumps(RULES))
    options = {"ports": [25], "forward": [path], "router": True}
    assert report.prove(loaded, options)["passed"]
    assert report.prove(loaded, options)["directions"] == ["egress", "ingress", "forward"]
    with pytest.raises(ValueError, match="not a router"):
        report.prove(loaded, {**options, "router": False})


def test_long_reports_are_bounded_and_say_so(prove) -> None:
    rules = [[addr("saddr", f"10.0.{n}.1"), addr("daddr", f"10.1.{n}.1"), port(25), ACCEPT] for n in range(99)]
    result = prove(*rules, EXACT)
    assert len(result["excess"]) == compare.MOST
    assert result["left_out"]["excess"] == 99 - compare.MOST
    assert "99 open but not declared" in result["summary"]


def lasts(text: str) -> range:
    """The last numbers of the addresses that *text* stands for."""
    first, _dash, last = text.partition("-")
    base, _slash, length = first.partition("/")
    low = int(base.rsplit(".")[-1])
    return range(low, int(last.rsplit(".")[-1]) + 1 if last else low + (1 << (32 - int(length or 32))))


def test_findings_do_not_overlap_and_miss_nothing(prove) -> None:
    rules = [
        [
            addr("saddr", {"range": [f"10.0.0.{n}", f"10.0.0.{n + 5}"]}),
            addr("daddr", f"10.1.0.{n % 3}"),
            port(25),
            ACCEPT,
        ]
        for n in range(0, 12, 2)
    ]
    result = prove(*rules, EXACT)
    cells = [(s, d) for e in result["excess"] for s in lasts(e["source"]) for d in lasts(e["destination"])]
    wanted = {(s, n % 3) for n in range(0, 12, 2) for s in range(n, n + 6)}
    assert len(cells) == len(set(cells))
    assert set(cells) == wanted


def test_refused_options_are_told_all_at_once(prove) -> None:
    with pytest.raises(ValueError, match=r"(?s)egress\[0\].*egress\[1\]"):
        prove(egress=[{**PATH, "port": 99}, {**PATH, "source": "x"}])


def found(result: dict[str, Any], kind: str) -> list[tuple[int, list[int]]]:
    items = [item for item in result["anomalies"] if item["kind"] == kind]
    return [(item["rule"]["handle"], [other["handle"] for other in item["others"]]) for item in items]


def test_shadowed_redundant_and_contradicting_rules(prove) -> None:
    ten = {"prefix": {"addr": "10.0.0.0", "len": 8}}
    result = prove(
        [addr("daddr", "10.0.0.1"), port(25), ACCEPT],
        [addr("daddr", ten), port(25), ACCEPT],
        [addr("daddr", {"prefix": {"addr": "10.2.0.0", "len": 16}}), port(25, 587), DROP],
        [addr("daddr", "10.0.0.7"), port(25), DROP],
        [addr("daddr", "10.3.0.7"), port(22), DROP],
        [port(587), DROP],
        EXACT,
    )
    assert found(result, "shadowed") == [(13, [11])]
    assert found(result, "contradicting") == [(12, [11])]
    assert found(result, "redundant") == [(10, []), (12, []), (15, [])]


def test_an_exception_before_the_rule_is_no_anomaly(prove) -> None:
    assert prove(EXACT, [port(25, 587), DROP], policy="accept")["anomalies"] == []


def test_a_rule_behind_the_last_packet_is_shadowed(prove) -> None:
    result = prove([port(25, 587), DROP], EXACT)
    assert found(result, "shadowed") == [(11, [10])]


def test_a_search_that_was_cut_short_is_told(prove, monkeypatch) -> None:
    monkeypatch.setattr(anomalies, "_MOST_PAIRS", 3)
    result = prove(*[[addr("daddr", f"10.0.0.{n}"), port(25), ACCEPT] for n in range(9)], EXACT)
    assert any("anomalies" in line for line in result["out_of_sight"])
