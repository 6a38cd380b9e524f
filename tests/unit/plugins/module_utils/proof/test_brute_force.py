# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rulesets against an evaluator that takes one packet through one rule after the other.

It knows nothing of sets of packets, so it shares no code and no idea with what it judges. The kernel itself is asked in
tests/integration/proof; here also those ways of working are forced that only huge rulesets need.
"""

from __future__ import annotations

import ipaddress
import json
import random
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.proof import analyse, grid, runs, walk

PORTS = (25, 587)
BASE = int(ipaddress.ip_address("10.0.0.0"))
SIZE = 8
ACCEPT, DROP, OTHER = "accept", "drop", "other"


def text(number: int) -> str:
    return str(ipaddress.ip_address(BASE + number))


def addresses(rng: random.Random) -> tuple[Any, set[int]]:
    low = rng.randrange(SIZE)
    high = min(SIZE - 1, low + rng.choice((0, 0, 1, 3)))
    held = set(range(low, high + 1))
    if rng.random() < 0.3:
        more = rng.randrange(SIZE)
        if more not in held:
            return {"set": [span(low, high), span(more, more)]}, held | {more}
    return span(low, high), held


def span(low: int, high: int) -> Any:
    return text(low) if low == high else {"range": [text(low), text(high)]}


class Ruleset:
    """A random ruleset: nft's JSON, and for each rule (tests, verdict), a test being a function or None for unknown."""

    def __init__(self, seed: int, length: int) -> None:
        self.rng = random.Random(seed)
        self.chains = {name: self.rules(length, at) for at, name in enumerate(("a", "b", "c", "base"))}
        self.policy = self.rng.choice((ACCEPT, DROP))

    def rules(self, length: int, depth: int) -> list[tuple[list[Any], list[Any], str]]:
        found = []
        for _number in range(self.rng.randrange(1, length)):
            expr, tests = [], []
            for field, at in (("saddr", 0), ("daddr", 1)):
                if self.rng.random() < 0.6:
                    value, held = addresses(self.rng)
                    negated = self.rng.random() < 0.2
                    left = {"payload": {"protocol": "ip", "field": field}}
                    expr.append({"match": {"op": "!=" if negated else "==", "left": left, "right": value}})
                    tests.append(lambda p, at=at, held=held, negated=negated: (p[at] in held) != negated)
            if self.rng.random() < 0.4:
                port = self.rng.choice(PORTS)
                left = {"payload": {"protocol": "tcp", "field": "dport"}}
                expr.append({"match": {"op": "==", "left": left, "right": port}})
                tests.append(lambda p, port=port: p[2] == port)
            if self.rng.random() < 0.15:
                expr.append({"limit": {"rate": 1, "per": "second"}})
                tests.append(None)
            if self.rng.random() < 0.2:
                mark = self.rng.randrange(2)
                expr.append({"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": mark}})
                tests.append(("mark", mark))
            verdict = self.rng.choice(["accept", "drop", "accept", "drop", "return", "mark", *["call"] * bool(depth)])
            if verdict == "mark":
                mark = self.rng.randrange(2)
                expr.append({"mangle": {"key": {"meta": {"key": "mark"}}, "value": mark}})
                verdict = f"mark {mark}"
            elif verdict == "call":
                kind, target = self.rng.choice(("jump", "goto")), self.rng.choice("abc"[:depth])
                expr.append({kind: {"target": target}})
                verdict = f"{kind} {target}"
            else:
                expr.append({verdict: None})
            found.append((expr, tests, verdict))
        return found

    def walk(self, name: str, at: int, packet: tuple[int, int, int], mark: int) -> set[tuple[str, int]]:
        """Every outcome a packet can have from a rule on: a verdict, or OTHER for coming back with a mark."""
        rules = self.chains[name]
        if at == len(rules):
            return {(OTHER, mark)}
        _expr, tests, verdict = rules[at]
        certain = True
        for test in tests:
            if test is None:
                certain = False
            elif not (mark == test[1] if isinstance(test, tuple) else test(packet)):
                return self.walk(name, at + 1, packet, mark)
        missed = set() if certain else self.walk(name, at + 1, packet, mark)
        return missed | self.met(name, at, verdict, packet, mark)

    def met(self, name: str, at: int, verdict: str, packet: tuple[int, int, int], mark: int) -> set[tuple[str, int]]:
        kind, _space, target = verdict.partition(" ")
        if kind in (ACCEPT, DROP):
            return {(kind, mark)}
        if kind == "return":
            return {(OTHER, mark)}
        if kind == "mark":
            return self.walk(name, at + 1, packet, int(target))
        inner = self.walk(target, 0, packet, mark)
        if kind == "goto":
            return inner
        ends = {item for item in inner if item[0] != OTHER}
        for what, left in inner:
            if what == OTHER:
                ends |= self.walk(name, at + 1, packet, left)
        return ends

    def outcomes(self, packet: tuple[int, int, int]) -> set[str]:
        return {self.policy if what == OTHER else what for what, _mark in self.walk("base", 0, packet, 0)}


def check(host: Any, hook: Any, seed: int, length: int) -> int:
    """Hold all points of one ruleset against each other; return how many of them are not sure."""
    made = Ruleset(seed, length)
    chains = {
        name: (hook("forward", made.policy) if name == "base" else {}, [expr for expr, _tests, _verdict in rules])
        for name, rules in made.chains.items()
    }
    analysis = analyse.analyse(host(chains), PORTS, ["forward"])
    unsure = 0
    for source in range(SIZE):
        for destination in range(SIZE):
            for port in PORTS:
                wanted = made.outcomes((source, destination, port))
                told = analysis.decide("forward", text(source), text(destination), port)
                place = f"seed {seed}, {text(source)} to {text(destination)} port {port}: {json.dumps(chains)}"
                assert told.may == (ACCEPT in wanted), place
                assert told.must == (DROP not in wanted), place
                assert told.intercepted == "no"
                unsure += told.may != told.must
    return unsure


@pytest.mark.parametrize("start", range(0, 60, 12))
def test_every_point_is_decided_as_packet_by_packet(host, hook, start) -> None:
    assert sum(check(host, hook, seed, 8) for seed in range(start, start + 12)) > 0


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_long_runs_taken_at_once_decide_the_same(host, hook, monkeypatch, start) -> None:
    monkeypatch.setattr(runs, "_LEAST_RULES", 2)
    monkeypatch.setattr(runs, "_LEAST_ROWS", 0)
    taken = []
    run = walk.Run
    monkeypatch.setattr(walk, "Run", lambda *args: taken.append(1) or run(*args))
    for seed in range(1000 + start, 1000 + start + 10):
        check(host, hook, seed, 20)
    assert taken


@pytest.mark.parametrize("start", range(0, 30, 10))
def test_grids_cut_into_blocks_decide_the_same(host, hook, monkeypatch, start) -> None:
    cut = grid.blocks
    monkeypatch.setattr(analyse, "_MOST_BITS", 1)
    monkeypatch.setattr(analyse, "_MOST_PARTS", 2)
    monkeypatch.setattr(walk, "_MANY_RULES", 1)

    def near(mentions: Any, first: int, last: int) -> list[Any]:
        return [m for m in mentions if m.src is None or any(f <= last and t >= first for f, t in m.src)]

    def finely(src: Any, mentions: Any, units: int, limit: int) -> Any:
        edges = sorted({src[0], *(BASE + number for number in range(0, SIZE, 3))})
        return [
            block
            for first, last in zip(edges, [*(edge - 1 for edge in edges[1:]), src[1]], strict=True)
            for block in cut((first, last), near(mentions, first, last), units, limit)
        ]

    monkeypatch.setattr(analyse, "blocks", finely)
    for seed in range(2000 + start, 2000 + start + 10):
        check(host, hook, seed, 12)
