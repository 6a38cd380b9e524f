# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rulesets as nft text: valid, small, and full of what firewalls are made of."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from .universe import DEVICES, LOCAL, LOOSE, PORTS, PROXY, REMOTE, SIZE, address


@dataclass
class Chain:
    """A chain of nft or iptables: its rules, one text each, and for a base chain of nft its head."""

    name: str
    head: str = ""
    rules: list[str] = field(default_factory=list)


@dataclass
class Table:
    """A table of nft: its family, its sets and maps, one text each, and its chains."""

    family: str
    name: str
    items: list[str] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)

    def text(self) -> str:
        chains = (
            f"chain {chain.name} {{\n{chain.head}\n" + "".join(f"{rule}\n" for rule in chain.rules) + "}\n"
            for chain in self.chains
        )
        return (
            f"table {self.family} {self.name} {{\n"
            + "".join(f"{item}\n" for item in self.items)
            + "".join(chains)
            + "}\n"
        )


@dataclass
class Ruleset:
    """Everything a host loads."""

    tables: list[Table] = field(default_factory=list)
    restores: list[tuple[str, list[str]]] = field(default_factory=list)
    """(tool, lines of its input) for each iptables-restore."""
    unknown: set[str] = field(default_factory=set)
    """What an evaluator cannot decide from rules and the first packet's ends alone."""

    def lines(self) -> dict[int, tuple[Chain, int]]:
        """Where each rule of nft's text stands in it: line number, counted from 1, to (chain, index)."""
        found, line = {}, 1
        for table in self.tables:
            line += 1 + sum(item.count("\n") + 1 for item in table.items)
            for chain in table.chains:
                found |= {line + 2 + index: (chain, index) for index in range(len(chain.rules))}
                line += 3 + len(chain.rules)
            line += 1
        return found

    def without(self, lines: Collection[int]) -> Ruleset | None:
        """A copy without the rules on these lines of nft's text; None when a line holds no rule."""
        places = self.lines()
        if not lines or not all(line in places for line in lines):
            return None
        gone = {(id(places[line][0]), places[line][1]) for line in lines}
        tables = [
            replace(
                table,
                chains=[
                    replace(one, rules=[rule for at, rule in enumerate(one.rules) if (id(one), at) not in gone])
                    for one in table.chains
                ],
            )
            for table in self.tables
        ]
        return replace(self, tables=tables)

    def nft(self) -> str:
        return "".join(table.text() for table in self.tables)

    def restored(self) -> list[tuple[str, str]]:
        return [(tool, "\n".join(lines) + "\n") for tool, lines in self.restores]

    def text(self) -> str:
        return self.nft() + "".join(f"# {tool}-restore\n{text}" for tool, text in self.restored())


@dataclass(frozen=True)
class Where:
    """Where a rule stands: what it may say depends on it."""

    family: str
    kind: str
    hook: str
    version: int = 0
    """The version of IP that the matches of a rule share; 0 before one is chosen."""

    @property
    def versions(self) -> tuple[int, ...]:
        return (self.version,) if self.version else {"ip": (4,), "ip6": (6,)}.get(self.family, (4, 6))


# The priorities that real tables use, and the ones around them where conntrack and NAT take their turn.
PRIORITIES = (-400, -300, -250, -150, -110, -100, -50, -10, 0, 0, 0, 5, 10, 50, 90, 100, 110, 225, 300)
HOOKS = {
    "filter": ("prerouting", "input", "forward", "output", "postrouting"),
    "nat": ("prerouting", "input", "output", "postrouting"),
    "route": ("output",),
}
L = {4: "ip", 6: "ip6"}


class Maker:
    """Makes one ruleset from one random generator."""

    def __init__(self, rng: random.Random, wild: bool) -> None:
        self.rng = rng
        self.wild = wild
        """Whether to use what an evaluator cannot know."""
        self.unknown: set[str] = set()
        self.table = Table("inet", "t")
        self.count = 0
        self.bottom = False

    # Operands: what a value is compared with.

    def cuts(self, size: int, pieces: int) -> list[tuple[int, int]]:
        """Disjoint intervals of 0..size-1, in order."""
        ends = sorted(self.rng.sample(range(size), min(size, 2 * pieces)))
        found = []
        for low, high in zip(ends[::2], ends[1::2], strict=False):
            kind = self.rng.random()
            found.append((low, low) if kind < 0.4 else (low, high))
        return found

    def interval(self, version: int, place: str, low: int, high: int) -> str:
        first, last = address(version, place, low), address(version, place, high)
        if low == high:
            return first
        size = high - low + 1
        if size & (size - 1) == 0 and low % size == 0 and self.rng.random() < 0.7:
            return f"{first}/{(32 if version == 4 else 128) - size.bit_length() + 1}"
        return f"{first}-{last}"

    def addresses(self, version: int, pieces: int = 1) -> list[str]:
        """Disjoint addresses, networks and ranges."""
        places = [self.rng.choice((LOCAL, REMOTE, REMOTE))] if pieces < 3 else [LOCAL, REMOTE]
        return [
            self.interval(version, place, low, high)
            for place in places
            for low, high in self.cuts(SIZE, max(1, pieces // len(places)))
        ]

    def network(self, version: int) -> str:
        """One address, network or range, which may be wide."""
        if self.rng.random() < 0.12:
            wide = {4: ("10.0.0.0/8", "10.8.0.0/15", "0.0.0.0/1"), 6: ("fd00::/8", "fd08::/15", "8000::/1")}
            return self.rng.choice(wide[version])
        return self.addresses(version)[0]

    def ports(self, pieces: int) -> list[str]:
        chosen = []
        for low, high in self.cuts(len(PORTS), pieces):
            chosen.append(str(PORTS[low]) if low == high else f"{PORTS[low]}-{PORTS[high]}")
        return chosen

    def devices(self) -> str:
        return self.rng.choice((*DEVICES, "lan*", "lan*", "wan*", "eth9", "lo"))

    def mark(self) -> str:
        return hex(self.rng.randrange(16))

    def negation(self) -> str:
        return "!= " if self.rng.random() < 0.25 else ""

    def braces(self, parts: Sequence[str]) -> str:
        return "{ " + ", ".join(parts) + " }"

    # Sets and maps.

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def named(self, kind: str, elements: Sequence[str], flags: str = "interval", extra: str = "") -> str:
        name = self.fresh("s")
        filled = f"elements = {self.braces(elements)}\n" if elements else ""
        shown = f"flags {flags}\n" if flags else ""
        self.table.items.append(f"set {name} {{\n{kind}\n{shown}{extra}{filled}}}")
        return f"@{name}"

    def membership(self, version: int, side: str) -> str:
        """An address in a set: anonymous or named, with intervals or without."""
        members = self.addresses(version, self.rng.randint(1, 4))
        roll = self.rng.random()
        if roll < 0.5:
            operand = self.braces(members)
        elif roll < 0.85:
            operand = self.named(f"type ipv{version}_addr", members)
        else:
            singles = [member for member in members if "-" not in member and "/" not in member]
            operand = self.named(f"type ipv{version}_addr", singles, "")
        return f"{L[version]} {side} {self.negation()}{operand}"

    def concatenation(self, where: Where, version: int) -> tuple[str, str, list[list[str]]]:
        """(expression, type, elements as fields) of fields joined; the elements are disjoint."""
        sides = self.rng.choice(
            [("saddr", "daddr"), ("daddr", "port"), ("saddr", "port"), ("daddr", "saddr", "port"), ("port", "daddr")]
        )
        if self.rng.random() < 0.15 and where.hook not in ("output", ""):
            sides = ("iif", *sides)
        columns, expressions, types = [], [], []
        for side in sides:
            if side == "port":
                columns.append(self.ports(2))
                expressions.append("tcp dport")
                types.append("inet_service")
            elif side == "iif":
                columns.append(self.rng.sample(DEVICES, 2))
                expressions.append("iifname")
                types.append("ifname")
            else:
                columns.append(self.addresses(version, 2))
                expressions.append(f"{L[version]} {side}")
                types.append(f"ipv{version}_addr")
        rows = {tuple(self.rng.choice(column) for column in columns) for _ in range(self.rng.randint(1, 5))}
        return " . ".join(expressions), " . ".join(types), [list(row) for row in sorted(rows)]

    def joined(self, where: Where, version: int) -> str:
        expression, kind, rows = self.concatenation(where, version)
        elements = [" . ".join(row) for row in rows]
        operand = self.named(f"type {kind}", elements) if self.rng.random() < 0.5 else self.braces(elements)
        return f"{expression} {self.negation()}{operand}"

    # Matches.

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
            (3, lambda: self.bits(version, side)),
        ]
        if self.wild:
            makers.append((9, lambda: self.mystery(where)))
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
        if self.rng.random() < 0.15:
            return f"{key} {self.negation()}{self.rng.choice((*DEVICES, 'lo'))}"
        if self.rng.random() < 0.3:
            return f"{key}name {self.negation()}{self.braces(self.rng.sample([*DEVICES, 'lo', 'eth9'], 2))}"
        return f'{key}name {self.negation()}"{self.devices()}"'

    def marked(self, where: Where) -> str:
        key = self.rng.choice(("meta mark", "meta mark", "ct mark")) if where.family != "netdev" else "meta mark"
        roll = self.rng.random()
        if roll < 0.45:
            return f"{key} and {self.mark()} {self.rng.choice(('==', '!='))} {self.mark()}"
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
        if self.rng.random() < 0.3:
            return f"tcp dport & {mask} {self.rng.choice(('==', '!='))} {value}"
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
        ]
        if where.family != "netdev":
            texts += [f"ct mark set {self.mark()}", "ct mark set meta mark", "meta mark set ct mark"]
            texts += [f"ct mark set ct mark or {self.mark()}"]
            texts += [f"meta mark set {L[version]} daddr map {self.marks_of(version)}"]
            if where.hook in ("prerouting", "output") and where.kind != "nat":
                texts += ["notrack", "notrack"]
        return self.rng.choice(texts)

    def mapped(self) -> str:
        return self.braces([f"{port} : {self.mark()}" for port in self.ports(2)])

    def marks_of(self, version: int) -> str:
        return self.braces([f"{one} : {self.mark()}" for one in self.addresses(version, 2)])

    def verdict(self, where: Where, targets: Sequence[str]) -> str:
        texts = ["accept"] * 4 + ["drop"] * 4 + ["return", "continue"]
        texts += [f"{how} {target}" for target in targets for how in ("jump", "jump", "goto")]
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
            expression, kind = "ct state", ""
            keys = self.rng.sample(["new", "established", "related", "invalid", "untracked"], 3)
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
        return " ".join(parts)

    # Chains and tables.

    def fill(self, chain: Chain, where: Where, targets: Sequence[str], rules: int) -> None:
        self.late: list[str] = []
        chain.rules += [self.rule(where, targets) for _ in range(rules)]

    def make_table(self, number: int) -> Table:
        family = self.rng.choice(("inet", "inet", "inet", "ip", "ip", "ip6", "ip6", "netdev"))
        self.table = Table(family, f"t{number}")
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
