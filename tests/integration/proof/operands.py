# SPDX-License-Identifier: GPL-3.0-or-later
"""What random rules compare with, and the sets that hold it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from .ruleset import Table
from .universe import DEVICES, LOCAL, PORTS, REMOTE, SIZE, address

L = {4: "ip", 6: "ip6"}


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


class Operands:
    """Draws what a rule compares with: addresses, ports, devices, sets, fields joined."""

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
        return self.rng.choice((*DEVICES, "lan*", "lan*", "wan*", "lan", "wan", "eth9", "lo"))

    def mark(self) -> str:
        return hex(self.rng.randrange(8))

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
        if flags == "interval" and self.rng.random() < 0.2:
            shown += "auto-merge\n"
        if self.rng.random() < 0.1:
            shown += 'comment "of the test"\n'
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
            if where.hook == "postrouting":
                self.unknown.add("a device that kernels forget")
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
