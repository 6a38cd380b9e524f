# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rulesets as nft text: valid, small, and full of what firewalls are made of."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from .matches import Matches
from .operands import L, Where
from .ruleset import Chain, Ruleset, Table
from .universe import DEVICES, LOCAL, LOOSE, PORTS, PROXY, REMOTE, SIZE, address

# The priorities that real tables use, and the ones around them where conntrack and NAT take their turn.
PRIORITIES = (-400, -300, -250, -150, -110, -100, -50, -10, 0, 0, 0, 5, 10, 50, 90, 100, 110, 225, 300)
HOOKS = {
    "filter": ("prerouting", "input", "forward", "output", "postrouting"),
    "nat": ("prerouting", "input", "output", "postrouting"),
    "route": ("output",),
}


class Maker(Matches):
    """Makes one ruleset from one random generator."""

    # Statements and verdicts.

    def statement(self, where: Where) -> str:
        version = self.rng.choice(where.versions)
        texts = [
            "counter",
            "counter",
            'log prefix "seen "',
            f"meta mark set {self.mark()}",
            f"meta mark set {self.mark()}",
            f"meta mark set meta mark or {self.mark()}",
            f"meta mark set meta mark and {self.mark()}",
            f"meta mark set meta mark xor {self.mark()}",
            f"meta mark set tcp dport map {self.mapped()}",
            "meta nftrace set 1" if where.hook == "prerouting" else "counter",
        ]
        if where.family != "netdev":
            texts += [f"ct mark set {self.mark()}", "ct mark set meta mark", "meta mark set ct mark"]
            texts += [f"ct mark set ct mark or {self.mark()}"]
            texts += [f"meta mark set {L[version]} daddr map {self.marks_of(version)}"]
            if where.hook in ("prerouting", "output") and where.kind != "nat":
                texts += ["notrack", "notrack"]
        if self.wild and self.rng.random() < 0.05:
            self.unknown.add("rewritten")
            to = address(version, REMOTE, self.rng.randrange(SIZE))
            texts = [
                f"{L[version]} daddr set {to}",
                f"tcp dport set {self.rng.choice(PORTS)}",
                f"{L[version]} saddr set {to}",
            ]
        return self.rng.choice(texts)

    def mapped(self) -> str:
        return self.braces([f"{port} : {self.mark()}" for port in self.ports(2)])

    def marks_of(self, version: int) -> str:
        return self.braces([f"{one} : {self.mark()}" for one in self.addresses(version, 2)])

    def verdict(self, where: Where, targets: Sequence[str]) -> str:
        texts = ["accept"] * 4 + ["drop"] * 4 + ["return", "continue"]
        texts += [f"{how} {target}" for target in targets for how in ("jump", "jump", "goto")]
        if self.wild and self.table.family == "netdev" and self.rng.random() < 0.1:
            self.unknown.add("sent on")
            return f"fwd to {self.rng.choice(DEVICES)}"
        if where.kind != "nat" and where.hook in ("input", "forward", "output"):
            texts += ["reject", "reject with tcp reset"]
            texts += {
                "ip": ["reject with icmp type host-unreachable"],
                "ip6": ["reject with icmpv6 type admin-prohibited"],
            }.get(where.family, ["reject with icmpx type admin-prohibited"])
        return self.rng.choice(texts)

    def vmap(self, where: Where, targets: Sequence[str]) -> str:
        """A verdict map, anonymous or named, over one field or several joined."""
        version = self.rng.choice(where.versions)
        verdicts = [
            "accept",
            "drop",
            "return",
            "continue",
            *(f"{how} {to}" for to in targets for how in ("jump", "goto")),
        ]
        roll = self.rng.random()
        if roll < 0.25:
            expression, kind = "tcp dport", "inet_service"
            keys = self.ports(3)
        elif roll < 0.5:
            expression, kind = f"{L[version]} {self.rng.choice(('saddr', 'daddr'))}", f"ipv{version}_addr"
            keys = self.addresses(version, 3)
        elif roll < 0.6 and where.family != "netdev":
            expression, kind, keys = self.rng.choice(
                [
                    ("ct state", "", self.rng.sample(["new", "established", "related", "invalid", "untracked"], 3)),
                    ("meta mark", "", [self.mark()]),
                    ("meta l4proto", "", ["tcp", "udp"]),
                ]
            )
        elif roll < 0.7 and where.hook in ("input", "forward", "prerouting", "ingress"):
            expression, kind = "iifname", "ifname"
            keys = [*self.rng.sample(DEVICES, 2), "lo"]
        else:
            expression, kind, rows = self.concatenation(where, version)
            keys = [" . ".join(row) for row in rows]
        elements = [f"{key} : {self.rng.choice(verdicts)}" for key in keys]
        if kind and self.rng.random() < 0.4:
            name = self.fresh("m")
            flags = "" if kind == "ifname" else "flags interval\n"
            self.late.append(f"map {name} {{\ntype {kind} : verdict\n{flags}elements = {self.braces(elements)}\n}}")
            return f"{expression} vmap @{name}"
        return f"{expression} vmap {self.braces(elements)}"

    def translation(self, where: Where) -> str:
        """What a rule of a nat chain does."""
        version = where.version
        family = f"{L[version]} " if where.family == "inet" else ""
        place = REMOTE if self.rng.random() < 0.7 else LOCAL
        offset = self.rng.randrange(1, 8)
        to = address(version, place, offset)
        bracketed = f"[{to}]" if version == 6 else to
        tcp = "meta l4proto tcp "
        if where.hook in ("prerouting", "output"):
            texts = [
                f"dnat {family}to {to}",
                f"{tcp}dnat {family}to {bracketed}:{self.rng.choice(PORTS)}",
                f"{tcp}redirect to :{self.rng.choice(PORTS)}",
                "redirect" if where.family != "inet" else f"meta nfproto ipv{version} redirect",
                self.dnat_map(version, family),
                self.dnat_pairs(version, family),
            ]
            if self.wild and self.rng.random() < 0.2:
                self.unknown.add("dnat range")
                last = address(version, place, offset + 3)
                texts = [
                    f"dnat {family}to {to}-{last}",
                    f"dnat {family}to numgen inc mod 2 map {{ 0 : {to}, 1 : {last} }}",
                ]
        elif where.hook == "postrouting":
            texts = [f"snat {family}to {to}", "masquerade", f"snat {family}to {address(version, LOCAL, 2)}"]
        else:
            texts = [f"snat {family}to {to}"]
        return self.rng.choice(texts)

    def dnat_map(self, version: int, family: str) -> str:
        keys = self.addresses(version, 2)
        pairs = [f"{key} : {address(version, REMOTE, self.rng.randrange(SIZE))}" for key in keys]
        return f"dnat {family}to {L[version]} daddr map {self.braces(pairs)}"

    def dnat_pairs(self, version: int, family: str) -> str:
        ports = self.rng.sample(PORTS, 2)
        pairs = [
            f"{port} : {address(version, REMOTE, self.rng.randrange(SIZE))} . {self.rng.choice(PORTS)}"
            for port in ports
        ]
        return f"dnat {family}to tcp dport map {self.braces(pairs)}" if family else self.dnat_map(version, family)

    def rule(self, where: Where, targets: Sequence[str]) -> str:
        where = replace(where, version=self.rng.choice(where.versions))
        if self.rng.random() < 0.04:
            return f"{self.elsewhere(where)} {self.verdict(where, targets)}".replace(" with tcp reset", "")
        matches = [self.match(where) for _ in range(self.rng.choice((0, 1, 1, 1, 2, 2, 3)))]
        parts = list(matches)
        while self.rng.random() < 0.22:
            parts.insert(self.rng.randint(len(matches), len(parts)), self.statement(where))
        roll = self.rng.random()
        if where.kind == "nat" and roll < 0.45:
            parts.append(self.translation(where))
        elif (
            self.wild
            and where.hook == "prerouting"
            and where.kind == "filter"
            and where.family != "netdev"
            and roll < 0.05
        ):
            self.unknown.add("tproxy")
            version = where.version
            family = {"inet": f"meta nfproto ipv{version} "}.get(where.family, "")
            named = {"inet": f" {L[version]}"}.get(where.family, "")
            parts.append(f"{family}meta l4proto tcp tproxy{named} to :{PROXY} meta mark set {LOOSE} accept")
        elif roll < 0.24:
            parts.append(self.vmap(where, targets))
        elif roll < 0.9 or not parts:
            parts.append(self.verdict(where, targets))
        if self.rng.random() < 0.1:
            parts.append('comment "why: tcp dport 25 accept"')
        return " ".join(parts)

    # Chains and tables.

    def make_table(self, number: int) -> Table:
        family = self.rng.choice(("inet", "inet", "inet", "ip", "ip", "ip6", "ip6", "netdev"))
        self.table = Table(family, f"t{number}", dormant=self.rng.random() < 0.04)
        self.after: list[str] = []
        for index in range(self.rng.choice((1, 2, 2, 3, 4)) if family != "netdev" else 1):
            self.make_tree(family, index)
        return self.table

    def make_tree(self, family: str, index: int) -> None:
        """A base chain and the chains of its own that it calls, which come first in the text."""
        kind = self.rng.choice(("filter", "filter", "filter", "filter", "nat", "nat", "route"))
        hook = self.rng.choice(HOOKS[kind])
        device = ""
        if family == "netdev" or (family == "inet" and self.rng.random() < 0.05):
            kind, hook, device = "filter", "ingress", f" device {self.rng.choice(DEVICES)}"
            if self.rng.random() < 0.3:
                device = f" devices = {self.braces(self.rng.sample(DEVICES, 2))}"
        where = Where(family if hook != "ingress" else "netdev", kind, hook)
        priority = self.rng.choice(PRIORITIES)
        if kind == "nat":
            usual = -100 if hook in ("prerouting", "output") else 100
            priority = usual if self.rng.random() < 0.7 else self.rng.choice([one for one in PRIORITIES if one > -200])
        policy = "drop" if kind != "nat" and self.rng.random() < 0.25 else "accept"
        known: list[str] = []
        for below in range(self.rng.choice((0, 1, 1, 2, 3))):
            chain = Chain(f"u{index}{below}")
            self.grow(chain, where, known, self.rng.randint(1, 4))
            known.append(chain.name)
        base = Chain(f"b{index}", f"type {kind} hook {hook}{device} priority {priority}; policy {policy};")
        self.grow(base, where, known, self.rng.randint(1, 6))

    def grow(self, chain: Chain, where: Where, targets: Sequence[str], rules: int) -> None:
        self.late = []
        chain.rules += [self.rule(where, targets) for _ in range(rules)]
        self.table.items += self.late  # verdict maps name chains: nft reads them all before it looks for any
        self.table.chains.append(chain)

    def make(self, tables: int) -> Ruleset:
        made = [self.make_table(number) for number in range(tables)]
        return Ruleset(made, unknown=self.unknown)


def ruleset(rng: random.Random) -> Ruleset:
    """Draw a ruleset of nft: half of them hold nothing that an evaluator could not know."""
    return Maker(rng, wild=rng.random() < 0.5).make(rng.choice((1, 2, 2, 3)))
