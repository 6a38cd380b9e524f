# SPDX-License-Identifier: GPL-3.0-or-later
"""What can stop a connection, written down by hand with the device that does it, and put into a world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .world import ABSENT, Topology, World, by_node

FIRST_PORT = 3000
PROXY = 2525
CONTROL = 22
RESET = "reject with tcp reset"
PROHIBITED = "reject with icmpx type admin-prohibited"
UNREACHABLE = "reject with icmpx type host-unreachable"
DENY = "reset TCP, drop the rest"
CLOSED_PORT = "reject with icmpx type port-unreachable"
OUR_COUNTER = "blocked_egress"
"""The counter in our own table that smtp_firewall's rules count with."""
_PRIORITIES = {"prerouting": -150, "nat": -100}
_OF_THEIR_OWN = 190
_MORE = 100
"""Host numbers of more addresses of the destination, and of addresses that a router's routes treat differently."""


@dataclass(frozen=True)
class Case:
    """*node* does *what* in the *hook* of nft (or as a route, or nothing at all) to *port*; *truth* stops it."""

    what: str
    node: str = ""
    hook: str = ""
    truth: str = ""
    opened: bool = False
    """The destination listens on the port."""
    whole: bool = False
    """The rule is about every TCP packet to an address of its own, not about a port."""

    @property
    def culprit(self) -> str:
        return self.truth or self.node


def rule(question: Question, topology: Topology) -> str:
    case, version, port = question.case, question.version, question.port
    if case.hook in ("back", "answers"):
        return f"tcp sport {port} {case.what}"
    match = f"meta nfproto {'ipv4' if version == 4 else 'ipv6'} tcp dport {port}"
    if case.whole:
        match = f"ip{'' if version == 4 else '6'} daddr {question.destination}"
        if case.what == DENY:
            return f"{match} meta l4proto tcp {RESET}\n\t\t{match} drop"
        match += " meta l4proto tcp"
    if case.what == "redirect":
        return f"{match} redirect to :{PROXY}"
    if case.what == "dnat":
        elsewhere = next(iter(topology.addresses(version, "x").values()))
        return (
            f"{match} dnat ip{'' if version == 4 else '6'} to {elsewhere if version == 4 else f'[{elsewhere}]'}:{PROXY}"
        )
    return f"{match} {case.what}"


def chain(hook: str, rules: Sequence[str]) -> str:
    kind = "nat" if hook == "nat" else "filter"
    at = {"nat": "prerouting", "back": "forward", "answers": "input"}.get(hook, hook)
    body = "\n".join(f"\t\t{line}" for line in rules)
    return f"\tchain {hook} {{\n\t\ttype {kind} hook {at} priority {_PRIORITIES.get(hook, 0)}\n{body}\n\t}}"


@dataclass(frozen=True)
class Question:
    case: Case
    version: int
    destination: str
    port: int

    @property
    def name(self) -> str:
        return f"IPv{self.version}: {self.case.node or '-'} {self.case.hook} {self.case.what}"


def questions(topology: Topology, cases: Sequence[Case]) -> list[Question]:
    """Every case in both families, each with a port of its own."""
    last = topology.path[-1]
    link = topology.link_between(topology.path[-2], last)
    asked = []
    for number, case in enumerate(cases):
        for version in (4, 6):
            port = FIRST_PORT + 2 * number + (version == 6)
            host = {"route": _OF_THEIR_OWN + number, "absent": ABSENT}.get(case.hook)
            if case.whole:
                host = _MORE + number
            real = topology.addresses(version, last)[link]
            destination = real if host is None else topology.address(version, link, host)
            asked.append(Question(case, version, destination, port))
    return asked


def arrange(world: World, asked: Sequence[Question], more: dict[str, str] | None = None) -> None:
    """Load the rules and routes of all cases, and start what has to listen. *more*: further rules by node."""
    top = world.topology
    chains: list[tuple[str, str]] = []
    for node in top.nodes:
        for hook in ("output", "prerouting", "nat", "forward", "back", "input", "answers"):
            mine = [q for q in asked if (q.case.node, q.case.hook) == (node, hook)]
            if mine:
                chains.append((node, chain(hook, [rule(q, top) for q in mine])))
    for node, texts in by_node(chains).items():
        body = "\n".join(texts)
        counted = OUR_COUNTER in body
        table = f"alertpath {{\n\tcounter {OUR_COUNTER} {{ }}" if counted else "cases {"
        world.nft(node, f"table inet {table}\n{body}\n}}\n")
    for node, text in (more or {}).items():
        world.nft(node, text)
    for q in asked:
        if q.case.whole:
            world.address(top.path[-1], top.path[-2], q.destination)
        if q.case.hook == "route":
            world.route(q.case.node, "add", q.case.what, q.destination)
    world.listen(top.path[-1], [CONTROL, *(q.port for q in asked if q.case.opened)])
    for node in {q.case.node for q in asked if q.case.what == "redirect"} | ({"x"} & set(top.nodes)):
        world.listen(node, [PROXY])


EXACT, BETWEEN, UNKNOWN, WRONG = "exact", "between", "cannot tell", "WRONG"


def score(topology: Topology, question: Question, verdict: dict[str, Any]) -> str:
    """Hold a verdict against the truth. Whoever is named without having done it makes the verdict wrong."""
    culprit = question.case.culprit
    if verdict["answer"] == "nothing":
        return EXACT if culprit == "nobody" else WRONG
    named = [_node(topology, question, device) for device in _devices(verdict)]
    if verdict["answer"] == "cannot_tell":
        return WRONG if named else UNKNOWN
    if culprit not in named:
        return WRONG
    if verdict["answer"] == "exact":
        return EXACT if len(named) == 1 else WRONG
    neighbours = any(set(named) == set(pair) for pair in zip(topology.path, topology.path[1:], strict=False))
    return BETWEEN if len(named) == 2 and neighbours else WRONG


def _devices(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    return [verdict["device"]] if verdict["device"] else list(verdict["neighbours"])


def _node(topology: Topology, question: Question, device: dict[str, Any]) -> str | None:
    if device["role"] == "own host":
        return topology.path[0]
    if device["address"] is None:  # a router that never tells its address can only be counted
        return topology.path[device["hop"]]
    if device["address"] == question.destination and device["role"] != "router":
        return topology.path[-1]
    return topology.owner(device["address"])
