# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence as a table for a reader: one line per pair of hosts, then the differences with their remedies. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from . import rules_table
from .evidence import Report, Seen

TITLE = "ALERTPATH MATRIX"
_LEGEND = "open = the right server answers, - = blocked, ! = not as declared, IPv4/IPv6 where they differ"
UNRUN = frozenset({"no_route", "name_error", "local_error"})
SHUT = frozenset({"refused", "rejected", "filtered"})
_MOST = 200


def state(seen: Seen) -> str:
    """Return the word for one row in the table."""
    outcome = seen.row["outcome"]
    if seen.row["verdict"] == "unproven":
        return "unproven!"
    if outcome in UNRUN:
        return "error!"
    word = "open" if outcome == "open" else "-" if outcome in SHUT else "wrong"
    if seen.passed:
        return word
    return "shut!" if word == "-" else f"{word}!"


def lines(report: Report) -> list[str]:
    """Return the whole table, line by line, without empty lines, tabs or trailing blanks."""
    wrong = report.differences
    verdict = "all as declared" if report.rows and not wrong and not report.gaps else f"{len(wrong)} not as declared"
    missing = f", no full evidence from {_count(len(report.gaps), 'host')}" if report.gaps else ""
    rules = f", rules not as declared on {_count(len(report.astray), 'host')}" if report.astray else ""
    found = [TITLE, f"{_count(len(report.rows), 'row')} from {_count(report.hosts, 'host')}, {verdict}{missing}{rules}"]
    if report.rows:
        found += [*_grid(report.rows), _LEGEND]
    found += [f"NO EVIDENCE from {gap.host}, {gap.reason}" for gap in report.gaps]
    return [*found, *_details(wrong), *rules_table.lines(report.drift, report.proof), *_moved(report)]


def _moved(report: Report) -> list[str]:
    """Names that lead elsewhere: mail still goes to the pinned addresses, which may be out of date."""
    return [
        f"NAME {moved.name} leads to {', '.join(moved.resolved)} on {', '.join(moved.hosts)}; the policy pins "
        f"{', '.join(moved.pinned)}: ask its owner which is right, and change the policy or the name"
        for moved in report.moved
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _grid(rows: Sequence[Seen]) -> list[str]:
    ports = sorted({seen.row["port"] for seen in rows})
    cells: dict[tuple[str, str], dict[int, list[Seen]]] = defaultdict(lambda: defaultdict(list))
    for seen in rows:
        cells[seen.probe_host, seen.destination_host][seen.row["port"]].append(seen)
    table = [["FROM", "TO", *map(str, ports)]]
    table += [[*pair, *(_cell(by_port.get(port, ())) for port in ports)] for pair, by_port in sorted(cells.items())]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in table]


def _cell(rows: Iterable[Seen]) -> str:
    """The words of each family, joined when several addresses differ; once when the families agree."""
    families: dict[str, set[str]] = defaultdict(set)
    for seen in rows:
        families[seen.family].add(state(seen))
    words = ["+".join(sorted(words)) for _family, words in sorted(families.items())]
    return words[0] if len(set(words)) == 1 else "/".join(words)


def _details(wrong: Sequence[Seen]) -> list[str]:
    """Differences under their remedy; the same difference from several hosts in one line."""
    groups: dict[str, dict[tuple[str, str, int, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for seen in wrong:
        row = seen.row
        stops = (row.get("where") or {}).get("text")
        why = f"{row['reason']}; {stops}" if stops else row["reason"]
        place = (seen.destination_host, seen.address, row["port"], why)
        groups[seen.remedy][place].append(seen.probe_host)
    found = []
    for advice, places in groups.items():
        found.append(f"DIFFERS ({_count(sum(map(len, places.values())), 'row')}), {advice}")
        for (host, address, port, reason), sources in places.items():
            name = address if host == address else f"{host} {address}"
            found.append(f"from {', '.join(sorted(set(sources)))} to {name} port {port}, {reason}")
    if len(found) > _MOST:
        found = [*found[:_MOST], f"and {len(found) - _MOST} lines more; path_verification_report keeps all rows"]
    return found
