# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix that a plan expects, before anything is probed. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import documents_plan as plans
from .documents import count, listed

TITLE = "ALERTPATH PLANNED MATRIX"
EXPECTATIONS = ("allowed", "blocked")
_WORDS = {"allowed": "open", "blocked": "-"}
_LEGEND = "open = must be open, - = must be blocked, IPv4/IPv6 where they differ"
_NOTHING = "empty = nothing is expected: no common address family, or a path to a network, which promises no server"


def rows(plan: Any, expect: str | None = None) -> list[dict[str, Any]]:
    """Return every probe of *plan* (docs/plan.md) with its `probe_host`, by host, the probes of each as planned; those
    alone that must be *expect*, when that is given. Raises NotAPlan."""
    hosts = plans.hosts(plan)
    return [
        {"probe_host": name, **probe}
        for name in sorted(hosts)
        for probe in hosts[name].get("probes") or ()
        if expect in (None, probe["expect"])
    ]


def lines(plan: Any, expect: str | None = None) -> list[str]:
    """Return the matrix as the lines of a table: a line for each pair of hosts, a column for each port, then what each
    path opens. Without empty lines, tabs or trailing blanks. Raises NotAPlan."""
    found = rows(plan, expect)
    allowed = sum(row["expect"] == "allowed" for row in found)
    sources = len({row["probe_host"] for row in found})
    shown = [
        TITLE,
        f"plan {plans.digest(plan)}",
        f"{count(len(found), 'row')} from {count(sources, 'host')}, "
        f"{allowed:,} allowed, {len(found) - allowed:,} blocked",
    ]
    if not found:
        return shown
    grid, gaps = _grid(found)
    return [*shown, *grid, _LEGEND, *([_NOTHING] if gaps else []), *_paths(found)]


def _grid(found: Sequence[Mapping[str, Any]]) -> tuple[list[str], bool]:
    """The table, and whether it has an empty cell."""
    ports = sorted({row["port"] for row in found})
    cells: dict[tuple[str, str], dict[int, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in found:
        cells[row["probe_host"], row["host"]][row["port"]].append(row)
    table = [["FROM", "TO", *map(str, ports)]]
    table += [[*pair, *(_cell(by_port.get(port, ())) for port in ports)] for pair, by_port in sorted(cells.items())]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    return text, any("" in line for line in table)


def _cell(found: Iterable[Mapping[str, Any]]) -> str:
    """The words of each family, joined when several addresses differ; once when the families agree."""
    families: dict[bool, set[str]] = defaultdict(set)
    for row in found:
        families[":" in row["destination"]].add(_WORDS[row["expect"]])
    words = ["+".join(sorted(families[family])) for family in sorted(families)]
    return words[0] if len(set(words)) == 1 else "/".join(words)


def _paths(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """What each path opens: its pairs of hosts, by port."""
    opened: dict[tuple[str, int], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in found:
        if row["expect"] == "allowed":
            opened[str(row["path"]), row["port"]][row["host"]].add(row["probe_host"])
    return [
        f"PATH {path} port {port}, from {listed(sorted(sources))} to {host}"
        for (path, port), ends in sorted(opened.items())
        for host, sources in sorted(ends.items())
    ]
