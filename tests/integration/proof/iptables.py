# SPDX-License-Identifier: GPL-3.0-or-later
"""Random input for iptables-restore, for both of its kernels and both versions of IP."""

from __future__ import annotations

import random

from .universe import DEVICES, LOCAL, LOOSE, PORTS, PROXY, REMOTE, SIZE, address

BUILT_IN = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
}
IN, OUT = ("PREROUTING", "INPUT", "FORWARD"), ("FORWARD", "OUTPUT", "POSTROUTING")


class Maker:
    """Makes the input of one iptables-restore."""

    def __init__(self, rng: random.Random, version: int, wild: bool) -> None:
        self.marks = rng.random() < 0.4
        """Whether this is about marks."""
        self.rng = rng
        self.version = version
        self.wild = wild
        self.unknown: set[str] = set()

    def some(self, chance: float) -> bool:
        return self.rng.random() < chance

    def no(self) -> str:
        return "! " if self.some(0.2) else ""

    def one(self) -> str:
        return address(self.version, self.rng.choice((LOCAL, REMOTE, REMOTE)), self.rng.randrange(SIZE))

    def network(self) -> str:
        width = 32 if self.version == 4 else 128
        if self.some(0.08):
            return "10.0.0.0/8" if self.version == 4 else "fd00::/8"
        if self.wild and self.some(0.2):
            self.unknown.add("bits of addresses")
            if self.version == 4:
                return f"{self.one()}/255.255.255.{self.rng.choice((251, 245, 254))}"
            return f"{self.one()}/ffff:ffff:ffff:ffff:ffff:ffff:ffff:{self.rng.choice(('fff5', 'fffb', 'fffe'))}"
        return f"{self.one()}/{width - self.rng.choice((0, 0, 1, 2, 3))}"

    def span(self) -> str:
        low, high = sorted((self.rng.randrange(SIZE), self.rng.randrange(SIZE)))
        place = self.rng.choice((LOCAL, REMOTE))
        return f"{address(self.version, place, low)}-{address(self.version, place, high)}"

    def port(self) -> str:
        low, high = sorted(self.rng.sample(PORTS, 2))
        return self.rng.choice((str(low), str(high), f"{low}:{high}", f":{low}", f"{high}:"))

    def several(self) -> str:
        low, high = sorted(self.rng.sample(PORTS, 2))
        return self.rng.choice((f"{low},{high}", f"{low}:{high}", f"{self.rng.choice(PORTS)},{low}:{high}"))

    def mark(self) -> str:
        return hex(self.rng.randrange(4))

    def matches(self, table: str, chain: str) -> list[str]:
        parts = []
        if self.some(0.35):
            parts.append(f"{self.no()}-s {self.network()}")
        if self.some(0.45):
            parts.append(f"{self.no()}-d {self.network()}")
        if chain in IN and self.some(0.2):
            # iptables-save leaves out a bare plus, negated or not: nobody could tell from its text
            parts.append(f"{self.no()}-i {self.rng.choice((*DEVICES, 'lan+', 'wan+'))}")
        if chain in OUT and self.some(0.2):
            parts.append(f"{self.no()}-o {self.rng.choice((*DEVICES, 'lan+', 'wan+'))}")
        roll = self.rng.random()
        if roll < 0.5:
            parts.append("-p tcp")
            parts += self.rng.choice(
                (
                    [f"-m tcp {self.no()}--dport {self.port()}"],
                    [f"-m tcp {self.no()}--dport {self.rng.choice(PORTS)}"],
                    [f"-m multiport {self.no()}--dports {self.several()}"],
                    ["-m tcp --syn"],
                    [f"-m tcp {self.no()}--tcp-flags FIN,SYN,RST,ACK SYN"],
                    [],
                )
            )
        elif roll < 0.6:
            parts.append(self.rng.choice(("-p udp -m udp --dport 25", "! -p tcp", "! -p udp", "-p 6")))
        extra = [
            "-m conntrack --ctstate NEW",
            f"-m conntrack {self.no()}--ctstate RELATED,ESTABLISHED",
            "-m state --state NEW,ESTABLISHED",
            "-m conntrack --ctstate INVALID",
            "-m conntrack --ctstate UNTRACKED",
            f"-m mark {self.no()}--mark {self.mark()}",
            f"-m mark {self.no()}--mark {self.mark()}/{self.mark()}",
            f"-m connmark {self.no()}--mark {self.mark()}/{self.mark()}",
            f"-m iprange {self.no()}--src-range {self.span()}",
            f"-m iprange {self.no()}--dst-range {self.span()}",
            '-m comment --comment "a comment, with --dport 25"',
        ]
        if self.marks and table in ("filter", "nat") and self.some(0.6):
            parts.append(self.rng.choice(extra[5:7]))
        elif self.some(0.35):
            parts.append(self.rng.choice(extra))
        elif self.some(0.2):
            parts.append(extra[0])
        if self.wild and self.some(0.15):
            parts.append(self.mystery(chain))
        return parts

    def mystery(self, chain: str) -> str:
        """A match whose result does not follow from the rules and the ends of the first packet."""
        texts = [
            "-m limit --limit 2/sec --limit-burst 3",
            "-m statistic --mode nth --every 2 --packet 0",
            "-m statistic --mode random --probability 0.5",
            "-p tcp -m tcp --sport 1024:30000",
            "-m length --length 30:80",
            "-m recent --name seen --set",
            "-m recent --name seen --update --seconds 60 --hitcount 2",
            "-m connlimit --connlimit-above 3",
            "-m quota --quota 400",
            "-m u32 --u32 0>>28=4",
            "-m time --timestart 00:00 --timestop 23:59",
            "-m hashlimit --hashlimit-name h --hashlimit-upto 2/sec --hashlimit-burst 2 --hashlimit-mode srcip",
            "-m ttl --ttl-gt 63" if self.version == 4 else "-m hl --hl-gt 63",
            "-m conntrack --ctstate DNAT",
            "-m conntrack --ctdir ORIGINAL",
            "-m addrtype --dst-type LOCAL",
            "-m addrtype ! --src-type LOCAL",
            "-m pkttype --pkt-type unicast",
        ]
        if chain in ("OUTPUT", "POSTROUTING"):
            texts += ["-m owner --uid-owner 0", "-m owner ! --uid-owner 0"]
        chosen = self.rng.choice(texts)
        self.unknown.add(chosen.split()[1])
        return chosen

    def target(self, table: str, chain: str, own: list[str]) -> str:
        texts = ["-j ACCEPT"] * 3 + ["-j RETURN", "", '-j LOG --log-prefix "x: "']
        texts += [f"{how} {name}" for name in own for how in ("-j", "-g")] * (1 + self.some(0.5))
        if table != "nat":
            texts += ["-j DROP"] * 3
        if table == "filter":
            how = "icmp-port-unreachable" if self.version == 4 else "icmp6-adm-prohibited"
            texts += ["-j REJECT", "-j REJECT --reject-with tcp-reset", f"-j REJECT --reject-with {how}"]
        elif table == "raw":
            texts += ["-j CT --notrack", "-j NOTRACK"]
        elif table == "mangle":
            texts += [
                f"-j MARK --set-mark {self.mark()}",
                f"-j MARK --set-xmark {self.mark()}/{self.mark()}",
                f"-j MARK --or-mark {self.mark()}",
                f"-j MARK --and-mark {self.mark()}",
                f"-j MARK --xor-mark {self.mark()}",
                f"-j CONNMARK --set-mark {self.mark()}/{self.mark()}",
                "-j CONNMARK --save-mark",
                "-j CONNMARK --restore-mark",
            ]
            if self.wild and chain == "PREROUTING" and self.some(0.4):
                self.unknown.add("tproxy")
                texts = [f"-j TPROXY --on-port {PROXY} --tproxy-mark {LOOSE}/0xffffffff"]
        elif chain in ("PREROUTING", "OUTPUT"):
            to, port = self.one(), self.rng.choice(PORTS)
            texts += [f"-j DNAT --to-destination {to}"] * 3
            texts += [f"-j REDIRECT --to-ports {port}", "-j REDIRECT"]
            texts += [f"-j DNAT --to-destination {to if self.version == 4 else f'[{to}]'}:{port}"] * 3
        elif chain == "POSTROUTING":
            texts += [f"-j SNAT --to-source {self.one()}", "-j MASQUERADE"] * 2
        else:
            texts += [f"-j SNAT --to-source {self.one()}"] * 2
        return self.rng.choice(texts)

    def table(self, table: str) -> list[str]:
        """The lines of one table."""
        heads, rules = [], []
        for chain in BUILT_IN[table]:
            policy = "DROP" if table != "nat" and self.some(0.12) else "ACCEPT"
            heads.append(f":{chain} {policy} [0:0]")
            if self.some(0.35):
                continue
            own: list[str] = []
            for number in range(self.rng.choice((0, 0, 1, 2))):
                name = f"{chain.lower()}-{number}"
                heads.append(f":{name} - [0:0]")
                rules += [self.rule(table, chain, name, own) for _ in range(self.rng.randint(1, 4))]
                own = [*own, name]
            rules += [self.rule(table, chain, chain, own) for _ in range(self.rng.randint(1, 4))]
        return [f"*{table}", *heads, *rules, "COMMIT"]

    def rule(self, table: str, built_in: str, chain: str, own: list[str]) -> str:
        target = self.target(table, built_in, own)
        parts = self.matches(table, built_in)
        needs_tcp = any(word in target for word in ("tcp-reset", "--to-ports", "TPROXY", "]:")) or (
            "--to-destination" in target and target.count(":") == 1
        )
        if needs_tcp and "-p tcp" not in parts:
            parts = ["-p tcp", *(part for part in parts if "-p " not in part)]
        merged = [part.removeprefix("-p tcp ") if "-p tcp" in parts and part != "-p tcp" else part for part in parts]
        return " ".join(part for part in (f"-A {chain}", *merged, target) if part)

    def make(self) -> list[str]:
        chances = {"filter": 0.9, "nat": 0.6, "mangle": 1.0 if self.marks else 0.3, "raw": 0.3}
        tables = [table for table in BUILT_IN if self.some(chances[table])]
        return [line for table in tables for line in self.table(table)]


def restores(rng: random.Random) -> tuple[list[tuple[str, list[str]]], set[str]]:
    """Draw the input of some iptables-restore tools, and what of it an evaluator cannot know."""
    made, unknown = [], set()
    wild = rng.random() < 0.4
    flavours = rng.choice((["nft"], ["nft"], ["legacy"], ["legacy"], ["nft", "legacy"]))
    for flavour in flavours:
        for version, tool in ((4, "iptables"), (6, "ip6tables")):
            if rng.random() < 0.8:
                maker = Maker(rng, version, wild)
                made.append((f"{tool}-{flavour}", maker.make()))
                unknown |= maker.unknown
    return made, unknown


def themed(rng: random.Random) -> list[tuple[str, list[str]]]:
    """Draw a ruleset round calls, marks and protocols, for both versions of IP."""
    flavour = rng.choice(("nft", "legacy"))
    made = []
    for version, tool in ((4, "iptables"), (6, "ip6tables")):
        maker = Maker(rng, version, wild=False)
        lines = ["*mangle"]
        for chain in ("PREROUTING", "OUTPUT"):
            lines += [f"-A {chain} {_half(rng)} -j MARK --set-xmark {maker.mark()}/{maker.mark()}" for _ in range(2)]
            lines.append(f"-A {chain} {_half(rng)} -j MARK --or-mark {maker.mark()}")
        to, port = maker.one(), rng.choice(PORTS)
        ended = f"{to if version == 4 else f'[{to}]'}:{port}"
        lines += ["COMMIT", "*nat"]
        lines += [f"-A {chain} {_half(rng)} -j DNAT --to-destination {ended}" for chain in ("PREROUTING", "OUTPUT")]
        lines += ["COMMIT", "*filter", *(f":{chain} {rng.choice(('ACCEPT', 'DROP'))}" for chain in BUILT_IN["filter"])]
        lines += [":first -", ":second -"]
        for chain in ("first", "second"):
            lines += [f"-A {chain} {_half(rng)} -j {rng.choice(('ACCEPT', 'DROP', 'RETURN'))}" for _ in range(2)]
        for chain in BUILT_IN["filter"]:
            device = f"-{'o' if chain == 'OUTPUT' else 'i'} {rng.choice(('lan+', 'wan+', 'lan0'))}"
            lines.append(f"-A {chain} {maker.no()}{device} {_half(rng)} -j {rng.choice(('ACCEPT', 'DROP'))}")
            if rng.random() < 0.5:
                asked = rng.choice(
                    (f"-d {to} -p tcp -m tcp --dport {port}", f"-p tcp -m tcp ! --dport {port}", f"-d {to}")
                )
                lines.append(f"-A {chain} {asked} -j {rng.choice(('ACCEPT', 'DROP'))}")
            mark = f"-m mark {maker.no()}--mark {rng.choice(('0x1/0x1', '0x2/0x2', '0x0/0x1', '0x1/0x3'))}"
            lines += [
                f"-A {chain} {rng.choice(('-p udp', '! -p tcp', '-p icmp'))} -j {rng.choice(('ACCEPT', 'DROP'))}",
                f"-A {chain} {_half(rng)} {rng.choice(('-g', '-j'))} first",
                f"-A {chain} {mark} -j {rng.choice(('ACCEPT', 'DROP'))}",
                f"-A {chain} -m conntrack --ctstate {rng.choice(('NEW', 'ESTABLISHED', 'INVALID'))} -g second",
            ]
        made.append((f"{tool}-{flavour}", [*lines, "COMMIT"]))
    return made


def _half(rng: random.Random) -> str:
    """A match that about half of the packets meet."""
    return f"-p tcp -m tcp --dport {rng.choice(('24:26', '465:588', '587:2525', '25:465', '588'))}"
