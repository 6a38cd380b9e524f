# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rulesets round one theme, in which what one rule does is what the next asks: marks, NAT, tracking, sets."""

from __future__ import annotations

import random
from collections.abc import Callable

from . import iptables
from .generate import Maker
from .operands import L, Where
from .ruleset import Chain, Ruleset, Table
from .universe import DEVICES, LOCAL, LOOSE, PORTS, PROXY, REMOTE, address

ENDS = ("input", "forward", "output", "postrouting")
STARTS = ("prerouting", "output")


class Themes(Maker):
    """Makes small rulesets about one thing."""

    def wide(self, version: int) -> str:
        """A match that about half of the packets meet."""
        return self.rng.choice(
            (
                f"tcp dport {self.rng.choice(('24-26', '465-588', '587-2525', '!= 25-465'))}",
                f"{L[version]} {self.rng.choice(('saddr', 'daddr'))} {self.addresses(version, 1)[0]}",
                f"tcp dport & 1 == {self.rng.randrange(2)}",
            )
        )

    def base(self, hook: str, kind: str, priority: int, rules: list[str], policy: str = "accept") -> None:
        head = f"type {kind} hook {hook} priority {priority}; policy {policy};"
        self.table.chains.append(Chain(f"{kind}-{hook}-{abs(priority)}", head, rules))

    def version(self) -> int:
        return {"ip": 4, "ip6": 6}.get(self.table.family) or self.rng.choice((4, 6))

    def marks(self) -> None:
        """Marks set early in one chain, and asked for in a later one, whole or by some of their bits."""
        key = self.rng.choice(("meta mark", "meta mark", "ct mark"))
        for hook in STARTS:
            rules = [f"{key} set {self.mark()}"]
            for how in self.rng.sample(("", "or", "and", "xor"), 3):
                value = f"{key} {how} {self.mark()}" if how else self.mark()
                rules.append(f"{self.wide(self.version())} {key} set {value}")
            self.base(hook, "filter", -150, rules)
        for hook in ENDS[:3]:
            rules = [f"{self.ask(key)} {self.rng.choice(('accept', 'drop'))}" for _ in range(self.rng.randint(1, 3))]
            self.base(hook, "filter", 1, rules, self.rng.choice(("accept", "drop")))

    def ask(self, key: str) -> str:
        bit = self.rng.choice(("0x1", "0x2", "0x3", "0x4", "0x6"))
        return self.rng.choice(
            (
                f"{key} and {bit} {self.rng.choice(('==', '!='))} {bit}",
                f"{key} and {bit} {self.rng.choice(('==', '!='))} 0x0",
                f"{key} {self.negation()}{self.mark()}",
            )
        )

    def nat(self) -> None:
        """NAT, and filters that ask for where it leads or where it came from."""
        version = self.version()
        family = f"{L[version]} " if self.table.family == "inet" else ""
        for hook in STARTS:
            place = self.rng.choice((REMOTE, REMOTE, LOCAL))
            to, port = address(version, place, self.rng.randrange(1, 8)), self.rng.choice(PORTS)
            ended = f"[{to}]" if version == 6 else to
            ways = (f"dnat {family}to {to}", f"meta l4proto tcp dnat {family}to {ended}:{port}")
            rules = [f"{self.wide(version)} {self.rng.choice(ways)}"]
            if self.rng.random() < 0.3:
                rules.append(f"meta l4proto tcp redirect to :{port}")
            elif self.rng.random() < 0.5:
                rules.append(f"{self.wide(version)} drop")
            self.base(hook, "nat", self.rng.choice((-100, -100, -100, -110, 5)), rules)
            if self.rng.random() < 0.7:
                other = address(version, REMOTE, self.rng.randrange(8, 16))
                second = self.rng.choice((f"dnat {family}to {other}", "drop", "drop", f"{self.wide(version)} drop"))
                self.base(hook, "nat", 20, [second])
            if self.rng.random() < 0.4:
                continue
            asked = (f"{L[version]} daddr {to}", f"tcp dport {port}", f"{L[version]} daddr {to} tcp dport {port}")
            for end in ("input", "forward") if hook == "prerouting" else ("output", "postrouting"):
                verdict = self.rng.choice(("drop", "drop", "accept"))
                rules = [f"{self.rng.choice(asked)} {verdict}"]
                self.base(end, "filter", self.rng.choice((-50, 2)), rules, "drop" if verdict == "accept" else "accept")
        if self.rng.random() < 0.5:
            source = address(version, LOCAL, self.rng.randrange(1, 8))
            self.base("postrouting", "nat", 100, [f"{self.wide(version)} snat {family}to {source}"])
            self.base("postrouting", "filter", 300, [f"{L[version]} saddr {self.negation()}{source} drop"])

    def tracking(self) -> None:
        """Packets left out of connection tracking, and what later rules see of that."""
        version = self.version()
        family = f"{L[version]} " if self.table.family == "inet" else ""
        for hook in STARTS:
            rules = [f"{self.wide(version)} notrack"]
            state = self.rng.choice(("new", "new", "!= new", "invalid", "!= invalid"))
            rules.append(f"{self.wide(version)} ct state {state} drop")
            self.base(hook, "filter", -300, rules)
            if self.rng.random() < 0.7:
                to = address(version, REMOTE, self.rng.randrange(16))
                self.base(hook, "nat", -100, [f"dnat {family}to {to}"])
        for hook in ENDS[:3]:
            asked = ("untracked", "new", "!= new", "invalid", "{ new, untracked }", "established")
            rules = [f"ct state {self.rng.choice(asked)} {self.rng.choice(('accept', 'drop'))}" for _ in range(2)]
            self.base(hook, "filter", 0, rules, self.rng.choice(("accept", "drop")))

    def sets(self) -> None:
        """Sets whose elements go away by themselves, or that packets fill."""
        self.unknown.add("sets that change")
        version = self.version()
        for hook in ENDS[:3]:
            side = self.rng.choice(("saddr", "daddr"))
            everything = [f"{address(version, place, at)} timeout 1h" for place in (LOCAL, REMOTE) for at in range(16)]
            kept = self.rng.sample(everything, 20)
            verdict = self.rng.choice(("accept", "drop"))
            if self.rng.random() < 0.5:
                name = self.named(f"type ipv{version}_addr", kept, "timeout")
                self.gone.append(f"flush set {self.table.family} {self.table.name} {name[1:]}")
                rules = []
            else:
                name = self.named(f"type ipv{version}_addr", [], "dynamic,timeout", "size 999\ntimeout 1h\n")
                rules = [f"{self.wide(version)} add {name} {{ {L[version]} {side} }}"]
            rules.append(f"{L[version]} {side} {self.negation()}{name} {verdict}")
            self.base(hook, "filter", 0, rules, "drop" if verdict == "accept" else "accept")

    def calls(self) -> None:
        """Chains that call chains, and what comes after a call."""
        for hook in ENDS[:3]:
            where = Where(self.table.family, "filter", hook)
            known: list[str] = []
            for depth in range(3):
                chain = Chain(f"{hook}{depth}")
                for _ in range(self.rng.randint(1, 2)):
                    verdict = self.rng.choice(("accept", "drop", "return", *self.to(known)))
                    chain.rules.append(f"{self.wide(self.version())} {verdict}")
                known.append(chain.name)
                self.table.chains.append(chain)
            rules = [f"{self.wide(self.version())} {self.rng.choice(self.to(known))}" for _ in range(3)]
            self.late: list[str] = []
            rules.insert(1, self.vmap(where, known))
            rules.append(self.rng.choice(("drop", "accept")))
            self.table.items += self.late
            self.base(hook, "filter", 0, rules, self.rng.choice(("accept", "drop")))

    def fields(self) -> None:
        """Fields that are the same in every first packet of a TCP connection."""
        for hook in ENDS[:3]:
            where = Where(self.table.family, "filter", hook, self.version())
            verdict = self.rng.choice(("accept", "drop"))
            flags = ("& (fin | syn | rst | ack) == syn", "syn / fin,syn,rst,ack", "!= syn", "& (syn | ack) == ack")
            asked = (f"tcp flags {self.rng.choice(flags)}", self.protocol(where, where.version))
            rules = [f"{self.rng.choice(asked)} {self.wide(where.version)} {verdict}" for _ in range(2)]
            self.base(hook, "filter", 0, rules, "drop" if verdict == "accept" else "accept")

    def devices_asked(self) -> None:
        """Devices by name, by the beginning of a name, and by what is no whole name; one chain may be on a device."""
        names = ('"lan"', '"lan*"', "lan0", '"wan"', '"wan*"', "{ lan1, wan0 }", "{ lan0, dmz7 }", '"d*"')
        for hook in ENDS[:3]:
            keys = {"input": ("iif",), "output": ("oif",)}.get(hook, ("iif", "oif"))
            verdict = self.rng.choice(("accept", "drop"))
            rules = []
            for _ in range(3):
                asked = f"{self.rng.choice(keys)}name {self.negation()}{self.rng.choice(names)}"
                rules.append(f"{self.wide(self.version())} {asked} {verdict}")
            self.base(hook, "filter", 0, rules, "drop" if verdict == "accept" else "accept")
        if self.table.family == "inet" and self.rng.random() < 0.7:
            head = f"type filter hook ingress device {self.rng.choice(DEVICES)} priority 0; policy accept;"
            self.table.chains.append(Chain("on-device", head, [f"{self.wide(self.version())} drop"]))

    def many(self) -> None:
        """Many rules in a row, most for single pairs, some for networks far around."""
        version = self.version()
        near = [address(version, place, at) for place in (LOCAL, REMOTE) for at in range(16)]
        far = "10.{}.{}.{}" if version == 4 else "fd{:02}:{:x}::{:x}"
        rules = []
        for _ in range(120):
            ends = [*self.rng.sample(near, 2)]
            if self.rng.random() < 0.6:
                end = self.rng.randrange(2)
                wide = far.format(9, self.rng.randrange(4), self.rng.randrange(256))
                ends[end] = f"{wide}/{self.rng.choice((32, 30, 28) if version == 4 else (128, 126, 124))}"
            port = f" tcp dport {self.rng.choice(PORTS)}" if self.rng.random() < 0.7 else ""
            verdict = self.rng.choice(("accept", "drop", "drop", "return"))
            rules.append(f"{L[version]} saddr {ends[0]} {L[version]} daddr {ends[1]}{port} {verdict}")
        # And networks that hold the near ones, late, so that order counts.
        wide = [f"{self.wide(version)} {self.wide(version)}" for _ in range(20)]
        rules += [f"{match} {self.rng.choice(('accept', 'drop'))}" for match in wide]
        self.base(self.rng.choice(ENDS[:3]), "filter", 0, rules, self.rng.choice(("accept", "drop")))

    def to(self, known: list[str]) -> list[str]:
        return [f"{how} {name}" for name in known for how in ("jump", "goto")] or ["continue"]

    def proxy(self) -> None:
        """A transparent proxy on a router, and rules before and behind it."""
        self.unknown.add("tproxy")
        version = self.version()
        named = f" {L[version]}" if self.table.family == "inet" else ""
        guard = f"meta nfproto ipv{version} " if self.table.family == "inet" else ""
        taken = f"{guard}{self.wide(version)} meta l4proto tcp tproxy{named} to :{PROXY} meta mark set {LOOSE} accept"
        self.base("prerouting", "filter", -150, [f"{self.wide(version)} accept", taken])
        self.base("forward", "filter", 0, [f"{self.wide(version)} drop"])

    def make_theme(self, number: int) -> Ruleset:
        themes: list[Callable[[], None]] = [
            self.marks,
            self.fields,
            self.nat,
            self.tracking,
            self.nat,
            self.sets,
            self.calls,
            self.proxy,
            self.devices_asked,
            self.many,
        ]
        self.table = Table(self.rng.choice(("inet", "inet", "ip", "ip6")), "theme")
        self.gone: list[str] = []
        themes[number % len(themes)]()
        later = "\n".join(self.rng.sample(self.gone, self.rng.randint(0, len(self.gone))))
        return Ruleset([self.table], later=later, unknown=self.unknown)


def themed(rng: random.Random, number: int) -> Ruleset:
    """Draw a ruleset round a theme: the themes take turns, every fourth time it is one of iptables."""
    if number % 4 == 3:
        return Ruleset(restores=iptables.themed(rng))
    return Themes(rng, wild=False).make_theme(number - number // 4)
