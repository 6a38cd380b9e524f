# SPDX-License-Identifier: GPL-3.0-or-later
"""Where it stops, on two networks: real rules, routes and absent hosts, and the truth written by hand."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from .cases import (
    BETWEEN,
    CLOSED_PORT,
    CONTROL,
    DENY,
    EXACT,
    OUR_COUNTER,
    PROHIBITED,
    RESET,
    UNKNOWN,
    UNREACHABLE,
    WRONG,
    Case,
    Question,
    arrange,
    questions,
    score,
)
from .world import Topology, World

ROW = Topology(
    base=53,
    links=[("s", "r1"), ("r1", "r2"), ("r2", "r3"), ("r3", "d"), ("r2", "x")],
    path=["s", "r1", "r2", "r3", "d"],
    # Many cases share three routers and run side by side; the other network keeps Linux's rationing.
    settings={"*": ["net.ipv4.icmp_ratemask=0", "net.ipv6.icmp.ratelimit=0"]},
)
ROW_48 = [
    Case("drop", "s", "output"),
    Case(RESET, "s", "output"),
    Case(PROHIBITED, "s", "output"),
    Case("prohibit", "s", "route"),
    Case(RESET, "r1", "prerouting"),
    Case(RESET, "r1", "forward"),
    Case(PROHIBITED, "r1", "forward"),
    Case("redirect", "r1", "nat"),
    Case(RESET, "r2", "forward"),
    Case(CLOSED_PORT, "r2", "forward"),
    Case("redirect", "r2", "nat"),
    Case("dnat", "r2", "nat"),
    Case("unreachable", "r2", "route"),
    Case("drop", "r2", "forward"),
    Case(RESET, "r3", "forward"),
    Case(UNREACHABLE, "r3", "forward"),
    Case("redirect", "r3", "nat"),
    Case("prohibit", "r3", "route"),
    Case("nobody has the address", "", "absent", truth="r3"),
    Case("drop", "r3", "forward"),
    Case(RESET, "d", "input"),
    Case(PROHIBITED, "d", "input"),
    Case("closed", "", "", truth="d"),
    Case("drop", "d", "input", opened=True),
]
ROW_MORE = [
    Case("open", "", "", truth="nobody", opened=True),
    Case("drop", "r2", "prerouting"),
    Case("drop", "r2", "back", opened=True),
    Case("drop", "r1", "back", opened=True),
    Case("drop", "s", "answers", opened=True),
    Case("drop", "d", "prerouting"),
    Case("blackhole", "r2", "route"),
    Case("blackhole", "s", "route"),
    Case("drop", "r1", "forward"),
    Case(RESET, "r2", "prerouting"),
    Case(RESET, "d", "prerouting"),
    Case("dnat", "r1", "nat"),
    Case("redirect", "r1", "nat", whole=True),
    Case("redirect", "r2", "nat", whole=True),
    Case("dnat", "r2", "nat", whole=True),
    Case(RESET, "r1", "forward", whole=True),
    Case(RESET, "r2", "forward", whole=True),
    Case(RESET, "r3", "forward", whole=True),
    Case("drop", "r2", "forward", whole=True),
    Case(RESET, "d", "input", whole=True),
    Case(PROHIBITED, "d", "input", whole=True),
    Case(DENY, "r2", "forward", whole=True),
    Case(DENY, "r3", "forward", whole=True),
    Case(DENY, "d", "input", whole=True),
]

# The source is masqueraded; answers of the destination take a shorter way; a router reports no expired TTL; the
# destination starts at another TTL and drops what is not TCP; all ration their ICMP errors as Linux does.
BOW = Topology(
    base=54,
    links=[("s", "r1"), ("r1", "r2"), ("r2", "r3"), ("r3", "r4"), ("r4", "d"), ("d", "r5"), ("r5", "r1"), ("r3", "x")],
    path=["s", "r1", "r2", "r3", "r4", "d"],
    via={("r1", "d"): "r2", ("r2", "d"): "r3", ("r3", "d"): "r4", ("s", "d"): "r1", ("r1", "r4"): "r2"}
    | {("d", node): "r5" for node in ("s", "r1", "r2")},
    settings={"d": ["net.ipv4.ip_default_ttl=128", "net.ipv6.conf.all.hop_limit=128"]},
)
BOW_MORE_RULES = {
    "r1": (
        "table inet m {\n\tchain p {\n\t\ttype nat hook postrouting priority 100\n"
        '\t\toifname "l2" meta l4proto { tcp, udp } masquerade\n\t}\n}\n'
    ),
    "r3": (
        "table inet q {\n\tchain o {\n\t\ttype filter hook output priority 0\n"
        "\t\ticmp type time-exceeded drop\n\t\ticmpv6 type time-exceeded drop\n\t}\n}\n"
    ),
    "d": "table inet q {\n\tchain i {\n\t\ttype filter hook input priority -1\n\t\tmeta l4proto udp drop\n\t}\n}\n",
}
BOW_48 = [
    Case("counter name blocked_egress drop", "s", "output"),
    Case(f"counter name blocked_egress {RESET}", "s", "output"),
    Case("unreachable", "s", "route"),
    Case("blackhole", "s", "route"),
    Case(RESET, "r1", "forward"),
    Case(UNREACHABLE, "r1", "forward"),
    Case("redirect", "r1", "nat"),
    Case(RESET, "r2", "forward"),
    Case(PROHIBITED, "r2", "forward"),
    Case("redirect", "r2", "nat"),
    Case("prohibit", "r2", "route"),
    Case("drop", "r1", "forward"),
    Case(RESET, "r3", "forward"),
    Case(CLOSED_PORT, "r3", "forward"),
    Case("unreachable", "r3", "route"),
    Case(RESET, "r4", "forward"),
    Case(PROHIBITED, "r4", "forward"),
    Case("prohibit", "r4", "route"),
    Case("nobody has the address", "", "absent", truth="r4"),
    Case("drop", "r4", "forward"),
    Case(RESET, "d", "input"),
    Case(UNREACHABLE, "d", "input"),
    Case("closed", "", "", truth="d"),
    Case("drop", "d", "input"),
]
BOW_MORE = [
    Case("open", "", "", truth="nobody", opened=True),
    Case("drop", "r2", "forward"),
    Case("drop", "r3", "forward"),
    Case("drop", "r5", "back", opened=True),
    Case("drop", "s", "answers", opened=True),
    Case("dnat", "r3", "nat"),
    Case("redirect", "r4", "nat"),
    Case("dnat", "r1", "nat"),
]


LOSSY = replace(ROW, base=55)
LOSS = (
    "table inet loss {\n\tchain p {\n\t\ttype filter hook prerouting priority -400\n"
    "\t\tmeta l4proto { tcp, udp, icmp } numgen random mod 100 < 5 drop\n"
    "\t\ticmpv6 type { destination-unreachable, time-exceeded, parameter-problem } "
    "numgen random mod 100 < 5 drop\n\t}\n}\n"
)
"""Five of a hundred packets get lost on the first router, whichever way they go."""
LOSSY_CASES = [
    Case("drop", "s", "output"),
    Case(RESET, "r1", "forward"),
    Case(RESET, "r2", "forward"),
    Case(RESET, "r3", "forward"),
    Case(RESET, "r2", "prerouting"),
    Case("redirect", "r2", "nat"),
    Case("dnat", "r2", "nat"),
    Case(PROHIBITED, "r3", "forward"),
    Case(RESET, "d", "input"),
    Case("closed", "", "", truth="d"),
    Case("drop", "r1", "forward"),
    Case("drop", "r2", "forward"),
    Case("drop", "r3", "forward"),
    Case("drop", "d", "input"),
]


class Result(NamedTuple):
    question: Question
    verdict: dict[str, Any]
    score: str


def run(
    topology: Topology, first: list[Case], more: list[Case], rules: dict[str, str], at_once: int, unprivileged: bool
) -> Iterator[list[Result]]:
    world = World(topology, f"ap-where-{topology.base}-{os.getpid()}")
    try:
        world.up()
        asked = questions(topology, [*first, *more])
        arrange(world, asked, rules)
        source = {version: topology.facing(version, "s", "r1") for version in (4, 6)}
        found = world.locate(
            "s",
            [
                {"destination": q.destination, "port": q.port, "source": source[q.version], "control_ports": [CONTROL]}
                for q in asked
            ],
            at_once,
            unprivileged,
        )
        print(f"\n{len(asked)} searches in {found['seconds']:.0f} s")
        yield [Result(q, v, score(topology, q, v)) for q, v in zip(asked, found["verdicts"], strict=True)]
    finally:
        world.down()


@pytest.fixture(scope="module")
def row() -> Iterator[list[Result]]:
    yield from run(ROW, ROW_48, ROW_MORE, {}, at_once=8, unprivileged=True)


@pytest.fixture(scope="module")
def bow() -> Iterator[list[Result]]:
    yield from run(BOW, BOW_48, BOW_MORE, BOW_MORE_RULES, at_once=3, unprivileged=False)


def told(results: list[Result]) -> str:
    counts = Counter(result.score for result in results)
    lines = [f"{result.score:12} {result.question.name}: {result.verdict['text']}" for result in results]
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in (EXACT, BETWEEN, UNKNOWN, WRONG))
    return "\n".join([*lines, f"{len(results)} cases: {kinds}"])


@pytest.mark.parametrize("network", ["row", "bow"])
def test_most_are_named_exactly_and_none_wrongly(network: str, request: pytest.FixtureRequest) -> None:
    results: list[Result] = request.getfixturevalue(network)
    main = results[:48]
    print(told(main))
    print("beyond them:")
    print(told(results[48:]))
    assert len(main) == 48
    wrong = [result for result in results if result.score == WRONG]
    assert not wrong, told(wrong)
    assert sum(result.score == EXACT for result in main) >= 40, told(main)


def test_our_own_rule_is_told_by_its_counter(bow: list[Result]) -> None:
    ours = [result for result in bow if OUR_COUNTER in result.question.case.what]
    assert len(ours) == 4
    assert all(result.verdict["own_rule"] == f"{OUR_COUNTER} in table inet alertpath" for result in ours)
    assert not any(result.verdict["own_rule"] for result in bow if result not in ours)


def test_loss_names_nobody_wrongly() -> None:
    results = next(run(LOSSY, LOSSY_CASES, [], {"r1": LOSS}, at_once=4, unprivileged=False))
    print(told(results))
    assert not [result for result in results if result.score == WRONG], told(results)
    assert sum(result.score == EXACT for result in results) >= 18, told(results)  # of 20 that leave a sign


def test_a_search_that_finds_no_time_says_so() -> None:
    world = World(replace(ROW, base=56), f"ap-where-56-{os.getpid()}")
    try:
        world.up()
        question = {"destination": "10.56.4.2", "port": 25, "source": None, "control_ports": []}
        verdict = world.locate("s", [question], 1, False, budget=0.0)["verdicts"][0]
    finally:
        world.down()
    assert (verdict["answer"], verdict["device"], verdict["neighbours"]) == ("cannot_tell", None, [])
    assert "not looked at" in verdict["text"]


def test_rules_of_routing_by_port_are_this_hosts_own_knowledge() -> None:
    """This host sends one port by another router than all others, whose routers say nothing of that way."""
    topology = Topology(base=57, links=[("s", "r1"), ("r1", "d"), ("s", "r2"), ("r2", "d")], path=["s", "r2", "d"])
    world = World(topology, f"ap-where-57-{os.getpid()}")
    rules = "table inet t {\nchain n {\ntype nat hook prerouting priority -100\ntcp dport 25 redirect to :2525\n}\n}\n"
    try:
        world.up()
        world.nft("r2", rules)
        world.listen("r2", [2525])
        world.listen("d", [CONTROL])
        asked = []
        for version in (4, 6):
            gateway = topology.facing(version, "r2", "s")
            world.inside("s", "ip", f"-{version}", "route", "add", "default", "via", gateway, "table", "77")
            world.inside("s", "ip", f"-{version}", "rule", "add", "ipproto", "tcp", "dport", "25", "lookup", "77")
            destination = topology.facing(version, "d", "r1")
            asked.append({"destination": destination, "port": 25, "source": None, "control_ports": [CONTROL]})
        verdicts = world.locate("s", asked, 2, False)["verdicts"]
    finally:
        world.down()
    for version, verdict in zip((4, 6), verdicts, strict=True):
        gateway = topology.facing(version, "r2", "s")
        named = verdict["neighbours"] or [verdict["device"]]
        assert {"hop": 1, "address": gateway, "role": "router"} in named, verdict["text"]
        assert topology.facing(version, "r1", "s") not in {device["address"] for device in named}, verdict["text"]
