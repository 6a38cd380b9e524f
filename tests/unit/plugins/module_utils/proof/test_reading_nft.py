# SPDX-License-Identifier: GPL-3.0-or-later
"""Each form in which nft writes what a rule looks at and does, against what a SYN to port 25 makes of it.

The expressions are as nft 1.0.6 printed them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.analyse import analyse
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.model import Loaded

HERE, THERE = "192.0.2.10", "203.0.113.25"
YES, NO, UNKNOWN = "matches", "matches not", "unknown"
SYN = {"payload": {"protocol": "tcp", "field": "flags"}}
SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}
TARGET = {"payload": {"protocol": "ip", "field": "daddr"}}
PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
MARK = {"meta": {"key": "mark"}}
STATE = {"ct": {"key": "state"}}


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def mangle(key: Any, value: Any) -> dict[str, Any]:
    return {"mangle": {"key": key, "value": value}}


def outcome(host: Any, hook: Any, *expr: Any, sets: Any = (), **more: Any) -> str:
    """What becomes of a rule with *expr* that drops: whether the packet meets it."""
    chains = {"c": (hook("output"), [[*expr, {"drop": None}]]), "empty": ({}, [])}
    told = analyse(host(chains, sets, **more), [25]).decide("egress", HERE, THERE, 25)
    return {(False, False): YES, (True, True): NO, (True, False): UNKNOWN}[told.may, told.must]


CASES = {
    "a prefix": (match(TARGET, {"prefix": {"addr": "203.0.113.0", "len": 24}}), YES),
    "another prefix": (match(TARGET, {"prefix": {"addr": "203.0.112.0", "len": 24}}), NO),
    "not a prefix": (match(TARGET, {"prefix": {"addr": "203.0.113.0", "len": 24}}, "!="), NO),
    "a range": (match(TARGET, {"range": ["203.0.113.20", "203.0.113.25"]}), YES),
    "beside a range": (match(TARGET, {"range": ["203.0.113.26", "203.0.113.27"]}), NO),
    "a set": (match(TARGET, {"set": ["203.0.113.25", {"prefix": {"addr": "10.0.0.0", "len": 8}}]}), YES),
    "not in a set": (match(SOURCE, {"set": ["203.0.113.25"]}, "!="), YES),
    "an address of the other family": (match({"payload": {"protocol": "ip6", "field": "daddr"}}, "::1", "!="), NO),
    "a port": (match(PORT, 25), YES),
    "ports below": (match(PORT, 25, "<"), NO),
    "ports from": (match(PORT, 25, ">="), YES),
    "th dport": (match({"payload": {"protocol": "th", "field": "dport"}}, {"range": [20, 30]}), YES),
    "a port's bits": (match({"&": [PORT, 1]}, 1), YES),
    "raw payload": (match({"payload": {"base": "th", "offset": 16, "len": 16}}, 25), YES),
    "other raw payload": (match({"payload": {"base": "th", "offset": 32, "len": 16}}, 25), UNKNOWN),
    "some source ports": (match({"payload": {"protocol": "tcp", "field": "sport"}}, {"range": [1024, 65535]}), UNKNOWN),
    "all source ports": (match({"payload": {"protocol": "tcp", "field": "sport"}}, {"range": [0, 65535]}), YES),
    "udp": (match({"payload": {"protocol": "udp", "field": "dport"}}, 25, "!="), NO),
    "icmp": (match({"payload": {"protocol": "icmp", "field": "type"}}, "echo-request", "!="), NO),
    "syn": (match(SYN, "syn", "in"), YES),
    "syn alone of four": (match({"&": [SYN, ["fin", "syn", "rst", "ack"]]}, "syn"), YES),
    "not syn alone": (match({"&": [SYN, ["fin", "syn", "rst", "ack"]]}, "syn", "!="), NO),
    "neither fin nor syn": (match(SYN, ["fin", "syn"], "!"), NO),
    "syn or syn and ack": (match(SYN, {"set": [{"|": ["syn", "ack"]}, "syn"]}), YES),
    "tcp among others": (match({"meta": {"key": "l4proto"}}, {"set": ["udp", "tcp"]}), YES),
    "ip protocol": (match({"payload": {"protocol": "ip", "field": "protocol"}}, "udp"), NO),
    "nfproto": (match({"meta": {"key": "nfproto"}}, "ipv4"), YES),
    "protocol": (match({"meta": {"key": "protocol"}}, {"set": ["ip6", "ip"]}), YES),
    "new": (match(STATE, "new", "in"), YES),
    "established or related": (match(STATE, ["established", "related"], "in"), NO),
    "not new": (match(STATE, "new", "!="), NO),
    "related or new": (match(STATE, {"set": ["related", "new"]}), YES),
    "dnat'ed": (match({"ct": {"key": "status"}}, "dnat", "in"), NO),
    "the original direction": (match({"ct": {"key": "direction"}}, "original"), YES),
    "the answer": (match({"ct": {"key": "direction"}}, "reply"), NO),
    "the original target": (match({"ct": {"key": "ip daddr", "dir": "original"}}, THERE), YES),
    "a mark": (match(MARK, 0), YES),
    "a bit of a mark": (match({"&": [MARK, 1]}, 1), NO),
    "a connection's mark": (match({"ct": {"key": "mark"}}, 0), YES),
    "no incoming interface": (match({"meta": {"key": "iifname"}}, "eth0"), NO),
    "other than an incoming interface": (match({"meta": {"key": "iifname"}}, "eth0", "!="), YES),
    "loopback": (match({"meta": {"key": "oifname"}}, "lo"), NO),
    "no fragment": (match({"&": [{"payload": {"protocol": "ip", "field": "frag-off"}}, 0x3FFF]}, 0x2000), NO),
    "a fragment's header": (match({"exthdr": {"name": "frag", "field": "frag-off"}}, 0), NO),
    "a time to live": (match({"payload": {"protocol": "ip", "field": "ttl"}}, 5), UNKNOWN),
    "an owner": (match({"meta": {"key": "skuid"}}, 0), UNKNOWN),
    "chance": (match({"numgen": {"mode": "random", "mod": 10, "offset": 0}}, 3, "<"), UNKNOWN),
    "a limit": ({"limit": {"rate": 5, "per": "second"}}, UNKNOWN),
    "a quota": ({"quota": {"val": 5, "val_unit": "mbytes"}}, UNKNOWN),
    "a count of connections": ({"ct count": {"val": 5, "inv": True}}, UNKNOWN),
    "a counter": ({"counter": {"packets": 1, "bytes": 2}}, YES),
    "a log": ({"log": {"prefix": "x"}}, YES),
    "a flow table": ({"flow": {"op": "add", "flowtable": "@f"}}, NO),
    "a statement of the future": ({"teleport": None}, UNKNOWN),
    "a match of the future": (match({"meta": {"key": "mood"}}, "good"), UNKNOWN),
    "the host's own addresses": (match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), NO),
    "unicast": (match({"fib": {"result": "type", "flags": ["daddr"]}}, "unicast"), YES),
    "its own source": (match({"fib": {"result": "type", "flags": "saddr"}}, {"set": ["local", "broadcast"]}), YES),
}


@pytest.mark.parametrize("name", CASES)
def test_a_match(host, hook, name) -> None:
    expr, wanted = CASES[name]
    assert outcome(host, hook, expr) == wanted


@pytest.mark.parametrize(
    ("value", "mark"),
    [
        (7, 7),
        ({"|": [{"&": [MARK, 511]}, 256]}, 256),
        ({"^": [MARK, 3]}, 3),
        ({"|": [{"^": [{"|": [MARK, 6]}, 5]}, 8]}, 11),
        ({"ct": {"key": "mark"}}, 0),
        ({"map": {"key": TARGET, "data": {"set": [["203.0.113.25", 5]]}}}, 5),
    ],
)
def test_marks_are_kept(host, hook, value, mark) -> None:
    for wanted, number in ((YES, mark), (NO, mark ^ 1)):
        chains = {"c": (hook("output"), [[mangle(MARK, value)], [match(MARK, number), {"drop": None}]])}
        told = analyse(host(chains), [25]).decide("egress", HERE, THERE, 25)
        assert (told.may, told.must) == ((False, False) if wanted == YES else (True, True))


def test_a_mark_without_an_element_ends_the_rule(host, hook) -> None:
    value = {"map": {"key": TARGET, "data": {"set": [["203.0.113.26", 5]]}}}
    assert outcome(host, hook, mangle(MARK, value)) == NO


def test_a_mark_travels_with_its_connection(host, hook) -> None:
    saved = [mangle(MARK, 9)], [mangle({"ct": {"key": "mark"}}, MARK)], [mangle(MARK, 0)]
    restored = [mangle(MARK, {"ct": {"key": "mark"}})], [match(MARK, 9), {"drop": None}]
    told = analyse(host({"c": (hook("output"), [*saved, *restored])}), [25]).decide("egress", HERE, THERE, 25)
    assert not told.may


def test_named_sets_of_all_kinds(host, hook) -> None:
    sets = [
        {"name": "fixed", "elem": [{"prefix": {"addr": "203.0.113.0", "len": 24}}]},
        {"name": "fading", "elem": [{"elem": {"val": "203.0.113.25", "timeout": 60, "expires": 9}}]},
        {"name": "changing", "elem": []},
        {"name": "pairs", "elem": [{"concat": ["203.0.113.25", {"range": [20, 30]}]}]},
        {"name": "verdicts", "map": "verdict", "elem": [["203.0.113.25", {"drop": None}]]},
    ]
    pair = {"concat": [TARGET, PORT]}
    for expr, wanted in (
        (match(TARGET, "@fixed"), YES),
        (match(SOURCE, "@fixed"), NO),
        (match(TARGET, "@fading"), UNKNOWN),
        (match(TARGET, "@fading", "!="), UNKNOWN),
        (match(TARGET, "@changing"), UNKNOWN),
        (match(TARGET, "@gone"), UNKNOWN),
        (match(pair, "@pairs"), YES),
        (match(pair, "@pairs", "!="), NO),
        (match(pair, {"set": [{"concat": [THERE, 26]}, {"concat": [HERE, 25]}]}), NO),
        ({"vmap": {"key": TARGET, "data": "@verdicts"}}, YES),
        ({"vmap": {"key": SOURCE, "data": "@verdicts"}}, NO),
    ):
        update = [{"set": {"op": "add", "elem": SOURCE, "set": "@changing"}}]
        chains = {"c": (hook("output"), [update, [expr, {"drop": None}]])}
        told = analyse(host(chains, sets), [25]).decide("egress", HERE, THERE, 25)
        assert {(False, False): YES, (True, True): NO, (True, False): UNKNOWN}[told.may, told.must] == wanted, expr


def test_before_connection_tracking_no_connection_is_new(host, hook) -> None:
    chains = {
        "raw": (hook("output", prio=-300), [[match(STATE, "new", "in"), {"drop": None}]]),
        "late": (hook("output", prio=0), [[match(STATE, "untracked", "in"), {"drop": None}]]),
    }
    assert analyse(host(chains), [25]).decide("egress", HERE, THERE, 25).must
    chains["raw"][1].append([{"notrack": None}])
    assert not analyse(host(chains), [25]).decide("egress", HERE, THERE, 25).may


def test_nat_chains_run_where_connections_are_tracked(host, hook) -> None:
    chains = {"n": (hook("output", kind="nat", prio=-100), [[{"drop": None}]])}
    assert analyse(host(chains), [25]).decide("egress", HERE, THERE, 25).must
    chains["late"] = (hook("output", prio=10), [[match(STATE, "established", "in"), {"accept": None}]])
    assert not analyse(host(chains), [25]).decide("egress", HERE, THERE, 25).may


def test_accept_ends_its_base_chain_only(host, hook) -> None:
    chains = {
        "first": (hook("output", prio=-5), [[{"accept": None}]]),
        "second": (hook("output", prio=5), [[match(PORT, 25), {"drop": None}]]),
    }
    analysis = analyse(host(chains), [25, 587])
    told = analysis.decide("egress", HERE, THERE, 25)
    assert not told.may
    assert [(ref.chain, ref.handle) for ref in told.by] == [("second", 11)]
    assert analysis.decide("egress", HERE, THERE, 587).must


def test_a_policy_decides_by_name(host, hook) -> None:
    told = analyse(host({"c": (hook("output", "drop"), [])}), [25]).decide("egress", HERE, THERE, 25)
    assert [(ref.chain, ref.handle, ref.rule) for ref in told.by] == [("c", None, "policy drop")]


def test_a_dormant_table_decides_nothing(host, hook) -> None:
    loaded = host({"c": (hook("output", "drop"), [])})
    listing = json.loads(loaded.nft)
    listing["nftables"][1]["table"]["flags"] = ["dormant"]
    assert analyse(loaded._replace(nft=json.dumps(listing)), [25]).decide("egress", HERE, THERE, 25).must
    # nft 1.0.6 writes anything there; the head of the table tells.
    listing["nftables"][1]["table"]["flags"] = "t"
    garbled = loaded._replace(nft=json.dumps(listing))
    assert not analyse(garbled, [25]).decide("egress", HERE, THERE, 25).must
    assert analyse(garbled, [25]).decide("egress", HERE, THERE, 25).may
    told = garbled._replace(heads="table inet t {\n\tflags dormant\n")
    assert analyse(told, [25]).decide("egress", HERE, THERE, 25).must
    awake = garbled._replace(heads="table inet t {\n\tflags owner\n")
    assert not analyse(awake, [25]).decide("egress", HERE, THERE, 25).may


def test_devices_of_netdev_chains(host, hook) -> None:
    chains = {"c": (hook("ingress", "drop"), [])}
    loaded = host(chains, family="netdev")
    text = (
        'table netdev t {\n\tchain c {\n\t\ttype filter hook ingress device "eth1" priority 0; policy drop;\n\t}\n}\n'
    )
    for analysis in (
        analyse(loaded._replace(chains=text), [25]),
        analyse(host({"c": ({**chains["c"][0], "dev": "eth1"}, [])}, family="netdev"), [25]),
    ):
        assert analysis.decide("ingress", THERE, HERE, 25, iif="eth0").must
        assert not analysis.decide("ingress", THERE, HERE, 25, iif="eth1").may
        assert analysis.decide("ingress", THERE, HERE, 25).may
        assert not analysis.decide("ingress", THERE, HERE, 25).must
    unknown = analyse(loaded, [25]).decide("ingress", THERE, HERE, 25, iif="eth0")
    assert (unknown.may, unknown.must) == (True, False)


def test_no_interfaces_known_is_no_proof_of_nothing(hook) -> None:
    rules = [{"chain": {"family": "inet", "table": "t", "name": "c", "handle": 1, **hook("output", "drop")}}]
    told = analyse(Loaded(json.dumps({"nftables": rules})), [25]).decide("egress", HERE, THERE, 25)
    assert not told.may
    assert analyse(Loaded('{"nftables": []}'), [25]).decide("egress", HERE, THERE, 25).must


@pytest.mark.parametrize("text", ["nonsense", "{}", '{"nftables": 1}', "[]"])
def test_what_is_no_listing_is_refused(text) -> None:
    with pytest.raises(ValueError, match="not the output of nft -j list ruleset"):
        analyse(Loaded(text), [25])


def test_chains_in_a_circle_are_refused(host, hook) -> None:
    chains = {"c": (hook("output"), [[{"jump": {"target": "d"}}]]), "d": ({}, [[{"jump": {"target": "d"}}]])}
    with pytest.raises(ValueError, match="in a circle"):
        analyse(host(chains), [25]).decide("egress", HERE, THERE, 25)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("egress", HERE, "2001:db8::1", 25), "different IP versions"),
        (("egress", HERE, THERE, 26), "port 26 was not analysed"),
        (("forward", HERE, THERE, 25), "direction forward was not analysed"),
        (("egress", HERE, "example", 25), "not an address"),
        (("egress", HERE, THERE, 25, None, "lo"), "loopback"),
    ],
)
def test_what_was_not_analysed_is_not_answered(host, hook, arguments, word) -> None:
    analysis = analyse(host({"c": (hook("output"), [])}), [25], ["egress"])
    with pytest.raises(ValueError, match=word):
        analysis.decide(*arguments)


def test_a_chain_without_a_name_is_unknown(host: Any, hook: Any) -> None:
    text = "jump {\n\t\t\tip saddr 10.0.0.0/8 accept\n\t\t\tdrop\n\t\t}"
    analysis = analyse(host({"c": (hook("output"), [[match(PORT, 25), text]])}), [25, 26])
    told = [analysis.decide("egress", HERE, THERE, port) for port in (25, 26)]
    assert [(one.may, one.must) for one in told] == [(True, False), (True, True)]
    assert "a chain without a name" in {item.what for item in analysis.unmodelled}


@pytest.mark.parametrize("words", ["dnat to 10.0.0.1", "redirect to :2525"])
def test_a_chain_without_a_name_may_lead_elsewhere(words: str, host: Any, hook: Any) -> None:
    chains = {"c": (hook("output", kind="nat", prio=-100), [[f"jump {{\n\t{words}\n}}"]])}
    assert analyse(host(chains), [25]).decide("egress", HERE, THERE, 25).intercepted == "may"


def test_a_set_that_a_chain_without_a_name_changes_is_unknown(host: Any, hook: Any) -> None:
    sets = [{"name": "s", "type": "ipv4_addr", "elem": []}]
    chains = {"c": (hook("output"), [["jump {\n\tadd @s { ip daddr }\n}"], [match(TARGET, "@s"), {"drop": None}]])}
    told = analyse(host(chains, sets), [25]).decide("egress", HERE, THERE, 25)
    assert (told.may, told.must) == (True, False)


def test_nat_by_a_map_of_ports_may_not_happen(host: Any, hook: Any) -> None:
    ports = {"map": {"key": PORT, "data": {"set": [[587, 2525]]}}}
    chains = {"c": (hook("output", kind="nat", prio=-100), [[{"redirect": {"port": ports}}]])}
    assert analyse(host(chains), [25]).decide("egress", HERE, THERE, 25).intercepted != "must"


def test_a_copy_may_arrive_though_the_packet_does_not(host: Any, hook: Any) -> None:
    """A router that is sent the copy hands it on."""
    chains = {
        "c": (hook("output"), [[{"dup": {"addr": "10.0.0.1"}}]]),
        "later": (hook("output", prio=10), [[match(PORT, 25), {"drop": None}]]),
    }
    analysis = analyse(host(chains), [25, 26])
    told = [analysis.decide("egress", HERE, THERE, port) for port in (25, 26)]
    assert [(one.may, one.must) for one in told] == [(True, False), (True, True)]
    assert "a copy that is sent elsewhere" in {item.what for item in analysis.unmodelled}
