# SPDX-License-Identifier: GPL-3.0-or-later
"""Random matches: what a rule asks of a packet."""

from __future__ import annotations

from collections.abc import Callable

from .operands import L, Operands, Where
from .universe import DEVICES


class Matches(Operands):
    """Draws the matches of a rule."""

    def match(self, where: Where) -> str:
        version = self.rng.choice(where.versions)
        side = self.rng.choice(("saddr", "daddr", "daddr"))
        makers: list[tuple[int, Callable[[], str]]] = [
            (22, lambda: f"{L[version]} {side} {self.negation()}{self.network(version)}"),
            (14, lambda: self.membership(version, side)),
            (12, lambda: f"tcp dport {self.negation()}{self.rng.choice(self.ports(1))}"),
            (8, lambda: f"tcp dport {self.negation()}{self.braces(self.ports(self.rng.randint(1, 3)))}"),
            (4, lambda: f"tcp dport {self.negation()}{self.named('type inet_service', self.ports(2))}"),
            (9, lambda: self.joined(where, version)),
            (7, lambda: self.device(where)),
            (7, lambda: self.marked(where)),
            (7, lambda: self.state(where)),
            (5, lambda: self.protocol(where, version)),
            (2 + self.wild, lambda: f"tcp dport & 1 {self.rng.choice(('==', '!='))} 1"),
        ]
        if self.wild:
            makers += [(9, lambda: self.mystery(where)), (3, lambda: self.bits(version, side))]
        weights = [weight for weight, _make in makers]
        return self.rng.choices([make for _weight, make in makers], weights)[0]()

    def device(self, where: Where) -> str:
        if where.hook in ("input", "prerouting", "ingress"):
            key = "iif"
        elif where.hook in ("output", "postrouting"):
            key = "oif"
        else:
            key = self.rng.choice(("iif", "oif"))
        if self.rng.random() < 0.06:
            key = {"iif": "oif", "oif": "iif"}[key]
        if key == "iif" and where.hook == "postrouting":
            self.unknown.add("a device that kernels forget")
        if self.rng.random() < 0.15:
            return f"{key} {self.negation()}{self.rng.choice((*DEVICES, 'lo'))}"
        if self.rng.random() < 0.3:
            return f"{key}name {self.negation()}{self.braces(self.rng.sample([*DEVICES, 'lo', 'eth9'], 2))}"
        return f'{key}name {self.negation()}"{self.devices()}"'

    def marked(self, where: Where) -> str:
        key = self.rng.choice(("meta mark", "meta mark", "ct mark")) if where.family != "netdev" else "meta mark"
        roll = self.rng.random()
        if roll < 0.45:
            return f"{key} and {hex(self.rng.randrange(1, 8))} {self.rng.choice(('==', '!='))} {self.mark()}"
        if roll < 0.6:
            return f"{key} {self.negation()}{self.braces(sorted({self.mark() for _ in range(3)}))}"
        if roll < 0.7:
            return f"{key} {self.rng.choice(('<', '>', '<=', '>='))} {self.mark()}"
        return f"{key} {self.negation()}{self.mark()}"

    def state(self, where: Where) -> str:
        if where.family == "netdev":
            return f"meta protocol ip{where.version}".replace("ip4", "ip")
        return self.rng.choice(
            [
                "ct state new",
                "ct state new",
                "ct state != new",
                "ct state established,related",
                "ct state { new, untracked }",
                "ct state invalid",
                "ct state != invalid",
                "ct state untracked",
                "ct state & (new | related) != 0",
                "ct state new,established",
                "ct state != { established, related }",
            ]
        )

    def protocol(self, where: Where, version: int) -> str:
        if where.family == "netdev":
            return self.rng.choice((f"meta protocol ip{version}".replace("ip4", "ip"), "meta l4proto tcp"))
        texts = [
            "meta l4proto tcp",
            "meta l4proto != tcp",
            "th dport 25",
            "tcp flags & (fin | syn | rst | ack) == syn",
            "tcp flags syn / fin,syn,rst,ack",
            "tcp flags & (fin | syn) == fin | syn",
            "tcp flags != syn",
        ]
        if where.family == "inet":
            texts += [f"meta nfproto ipv{version}", "meta nfproto != ipv4", "meta nfproto != ipv6"]
        texts += (
            ["ip protocol tcp", "ip protocol != tcp"] if version == 4 else ["ip6 nexthdr tcp", "ip6 nexthdr != tcp"]
        )
        return self.rng.choice(texts)

    def elsewhere(self, where: Where) -> str:
        """A match that no TCP packet meets."""
        return self.rng.choice(
            ["udp dport 25", "meta l4proto udp", "icmp type echo-request" if where.version == 4 else "icmpv6 type 136"]
        )

    def bits(self, version: int, side: str) -> str:
        mask = self.rng.choice((1, 2, 3, 5, 9))
        value = self.rng.randrange(16) & mask
        shape = "0.0.0.{}" if version == 4 else "::{:x}"
        self.unknown.add("bits of addresses")
        return f"{L[version]} {side} & {shape.format(mask)} {self.rng.choice(('==', '!='))} {shape.format(value)}"

    def mystery(self, where: Where) -> str:
        """A match whose result does not follow from the rules and the ends of the first packet."""
        version = self.rng.choice(where.versions)
        texts = [
            "limit rate 2/second burst 3 packets",
            "limit rate over 2/second burst 3 packets",
            "numgen inc mod 2 == 0",
            "numgen random mod 4 > 0",
            "tcp sport 1024-30000",
            "tcp sport != 1024-50000",
            "meta length > 30",
            "quota 400 bytes",
            "quota over 400 bytes",
            "tcp window > 100",
            "@th,16,8 0",
            "meta time > 1000",
        ]
        texts += (
            ["ip ttl > 63", "ip dscp cs0", "ip length 40"] if version == 4 else ["ip6 hoplimit > 63", "ip6 dscp cs0"]
        )
        if where.family != "netdev":
            texts += ["ct direction original", "ct status dnat", "ct count over 3"]
            texts += ["ct expiration > 1s", "ct packets > 0"]
        if where.hook in ("prerouting", "input", "output") and where.kind != "nat":
            texts += ["fib daddr type local", "fib saddr type != local"]
        if where.hook in ("prerouting", "input"):
            texts += ["fib saddr . iif oif exists"]
        if where.hook == "output":
            texts += ["meta skuid 0", "meta skuid != 0", "meta skgid 4-9"]
        if where.hook == "input":
            texts += ["socket transparent 1"]
        texts += [lively] * 6 if (lively := self.lively(where, version)) else []
        chosen = self.rng.choice(texts)
        self.unknown.add(chosen.split(" ", 1)[0] if "@" not in chosen else "dynamic set")
        return chosen

    def lively(self, where: Where, version: int) -> str:
        """A set whose content changes by itself or by packets."""
        side = self.rng.choice(("saddr", "daddr"))
        if self.rng.random() < 0.4:
            members = [f"{one} timeout 1h" for one in self.addresses(version, 2) if "-" not in one and "/" not in one]
            name = self.named(f"type ipv{version}_addr", members, "timeout")
            return f"{L[version]} {side} {self.negation()}{name}"
        name = self.named(f"type ipv{version}_addr", [], "dynamic,timeout", "size 64\ntimeout 1h\n")
        for chain in self.table.chains:
            if chain.head and self.rng.random() < 0.6:
                chain.rules.append(f"{self.rng.choice(('add', 'update'))} {name} {{ {L[version]} {side} }}")
        return f"{L[version]} {side} {self.negation()}{name}"
