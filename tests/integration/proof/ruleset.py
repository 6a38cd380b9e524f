# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruleset in parts, so that parts can be left out, and its text as the tools take it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace

_HEAD = re.compile(r"type (\w+) hook (\w+).* priority (-?\d+)")
_PRIORITIES = {"raw": "-300", "mangle": "-150", "filter": "0"}


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
    dormant: bool = False
    items: list[str] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)

    def text(self) -> str:
        chains = (
            f"chain {chain.name} {{\n{chain.head}\n" + "".join(f"{rule}\n" for rule in chain.rules) + "}\n"
            for chain in self.chains
        )
        flags = "flags dormant" if self.dormant else ""
        items = (f"{item}\n" for item in self.items)
        return f"table {self.family} {self.name} {{\n{flags}\n{''.join(items)}{''.join(chains)}}}\n"


@dataclass
class Ruleset:
    """Everything a host loads."""

    tables: list[Table] = field(default_factory=list)
    restores: list[tuple[str, list[str]]] = field(default_factory=list)
    """(tool, lines of its input) for each iptables-restore."""
    later: str = ""
    """What nft is told after the host was read, in place of the time that passes: elements with a timeout are gone."""
    unknown: set[str] = field(default_factory=set)
    """What an evaluator cannot decide from rules and the first packet's ends alone."""

    def tied(self) -> bool:
        """Whether base chains share a hook and a priority: the kernel runs those in the order of their loading."""
        places: Counter[tuple[str, ...]] = Counter()
        for table in self.tables:
            for chain in table.chains:
                if found := _HEAD.search(chain.head):
                    for family in ("ip", "ip6") if table.family in ("inet", "netdev") else (table.family,):
                        places[(family, "nat" if found[1] == "nat" else "", *found.groups()[1:])] += 1
        for tool, lines in self.restores:
            family, table_name = "ip6" if tool.startswith("ip6") else "ip", ""
            for line in lines:
                if line.startswith("*"):
                    table_name = line[1:]
                elif line.startswith(":") and line.split()[1] != "-":
                    hook = line[1:].split()[0].lower()
                    usual = "100" if hook in ("input", "postrouting") else "-100"
                    prio = usual if table_name == "nat" else _PRIORITIES[table_name]
                    places[family, "nat" if table_name == "nat" else "", hook, prio] += 1
        return max(places.values(), default=0) > 1

    def lines(self) -> dict[int, tuple[Chain, int]]:
        """Where each rule of nft's text stands in it: line number, counted from 1, to (chain, index)."""
        found, line = {}, 1
        for table in self.tables:
            line += 2 + sum(item.count("\n") + 1 for item in table.items)
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
