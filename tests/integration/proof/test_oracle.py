# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge is judged: rulesets whose effect is plain to see, and what the box tells of them."""

from __future__ import annotations

import pytest

from .box import Box, Truth, truth
from .universe import Point

OUT4 = Point("egress", "10.8.0.1", "10.9.0.5", 25, None, "lan1")
OUT6 = Point("egress", "fd08::1", "fd09::5", 25, None, "lan1")
IN4 = Point("ingress", "10.9.0.9", "10.8.0.3", 25, "wan0", None)
IN6 = Point("ingress", "fd09::9", "fd08::3", 25, "wan0", None)
OVER4 = Point("forward", "10.9.0.9", "10.9.0.1", 25, "wan0", "lan0")
OVER6 = Point("forward", "fd09::9", "fd09::1", 25, "wan0", "lan0")
ALL = (OUT4, OUT6, IN4, IN6, OVER4, OVER6)
PASSED, DROPPED, MOVED = Truth(True, False), Truth(False, False), Truth(True, True)


def chain(hook: str, *rules: str, kind: str = "filter", priority: int = 0, policy: str = "accept") -> str:
    body = "\n".join(rules)
    head = f"type {kind} hook {hook} priority {priority}; policy {policy};"
    return f"chain {kind}{hook}{abs(priority)} {{\n{head}\n{body}\n}}\n"


def table(*chains: str, family: str = "inet") -> str:
    return f"table {family} t {{\n{''.join(chains)}}}\n"


BACK = "meta l4proto tcp redirect to :2525"
DNAT = "meta l4proto tcp dnat ip to 10.9.0.6:26"
TPROXY = "tcp dport 25 tproxy to :8025 meta mark set 77 accept"
CASES = {
    "no rules": ("", dict.fromkeys(ALL, PASSED)),
    "output drops": (table(chain("output", policy="drop")), {OUT4: DROPPED, OUT6: DROPPED, IN4: PASSED, OVER6: PASSED}),
    "input drops": (table(chain("input", policy="drop")), {IN4: DROPPED, IN6: DROPPED, OUT4: PASSED, OVER4: PASSED}),
    "forward drops": (table(chain("forward", policy="drop")), {OVER4: DROPPED, OVER6: DROPPED, IN6: PASSED}),
    "postrouting drops": (
        table(chain("postrouting", "oifname lan0 drop")),
        {OVER4: DROPPED, OVER6: DROPPED, OUT4: PASSED},
    ),
    "only IPv4": (table(chain("output", policy="drop"), family="ip"), {OUT4: DROPPED, OUT6: PASSED}),
    "a later chain drops": (
        table(chain("input", "accept"), chain("input", "drop", priority=10)),
        {IN4: DROPPED, IN6: DROPPED},
    ),
    "a reset refuses": (table(chain("output", "reject with tcp reset")), {OUT4: DROPPED, OUT6: DROPPED}),
    "another device": (table(chain("prerouting", "iifname wan0 drop")), {OVER4: DROPPED, IN6: DROPPED, OUT6: PASSED}),
    "every packet is new": (
        table(*(chain(hook, "ct state new accept", policy="drop") for hook in ("input", "output", "forward"))),
        dict.fromkeys(ALL, PASSED),
    ),
    "sent to another host": (
        table(*(chain(hook, DNAT, kind="nat", priority=-100) for hook in ("prerouting", "output"))),
        {OUT4: MOVED, OVER4: MOVED, IN4: MOVED, OUT6: PASSED},
    ),
    "sent to the host itself": (
        table(*(chain(hook, BACK, kind="nat", priority=-100) for hook in ("prerouting", "output"))),
        dict.fromkeys(ALL, MOVED),
    ),
    "sent to the host, input drops": (
        table(
            chain("input", policy="drop"),
            *(chain(hook, BACK, kind="nat", priority=-100) for hook in ("prerouting", "output")),
        ),
        {OUT4: DROPPED, OUT6: DROPPED, OVER4: DROPPED, IN6: DROPPED},
    ),
    "sent away, then dropped": (
        table(
            chain("output", DNAT, kind="nat", priority=-100),
            chain("postrouting", "ip daddr 10.9.0.6 tcp dport 26 drop"),
        ),
        {OUT4: DROPPED},
    ),
    "another source is the same destination": (
        table(chain("postrouting", "masquerade", kind="nat", priority=100)),
        {OUT4: PASSED, OUT6: PASSED, OVER4: PASSED, OVER6: PASSED},
    ),
    "a transparent proxy takes it": (
        table(chain("prerouting", TPROXY)),
        {OVER4: MOVED, OVER6: MOVED, OUT4: PASSED},
    ),
    "dropped on the device": (
        "table netdev t {\nchain c {\ntype filter hook ingress device wan0 priority 0;\ntcp dport 25 drop\n}\n}\n",
        {IN4: DROPPED, OVER6: DROPPED, OUT4: PASSED},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_plain_to_see(name: str, host: Box) -> None:
    text, expected = CASES[name]
    host.load(text)
    points = list(expected)
    told = {point: truth(point, seen) for point, seen in zip(points, host.send(points), strict=True)}
    assert told == expected


@pytest.mark.parametrize("flavour", ["nft", "legacy"])
def test_rules_of_iptables_count_and_go(flavour: str, host: Box) -> None:
    text = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT DROP\nCOMMIT\n"
    host.load(restores=[(f"iptables-{flavour}", text), (f"ip6tables-{flavour}", text)])
    assert [truth(*pair).passed for pair in zip(ALL, host.send(ALL), strict=True)] == [False, False] + [True] * 4
    host.load()
    assert all(truth(*pair).passed for pair in zip(ALL, host.send(ALL), strict=True))


def test_every_packet_of_many_is_told_apart(host: Box) -> None:
    host.load(table(chain("input", "tcp dport 25 counter drop")))
    points = [point._replace(port=port) for _ in range(300) for point in ALL for port in (25, 26)]
    told = [truth(*pair).passed for pair in zip(points, host.send(points), strict=True)]
    assert told == [point.direction != "ingress" or point.port != 25 for point in points]
