# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence as JUnit XML, which the servers of continuous integration show. Pure.

One suite for each host, one case for each row of its probe, and one each for its drift, its proof and what is missing.
A row that is not as declared is a failure; one that could not be found out, and a host without evidence, an error.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import rules_table
from .evidence import Report, Seen
from .rules import UNKNOWN, Drift, Proof

_FAILURE, _ERROR = "failure", "error"
_KINDS = {"fail": _FAILURE, "unproven": _FAILURE, "error": _ERROR}
# What XML 1.0 (section 2.2) has no way to write, though a server may well send it.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class _Case:
    """One test: *kind* is empty when it passed."""

    group: str
    name: str
    seconds: float = 0.0
    kind: str = ""
    what: str = ""
    message: str = ""
    text: str = ""


def document(report: Report, name: str) -> str:
    """Return *report* as an XML document of one line for each element; *name* is that of the whole."""
    rows = report.by_host
    rules: list[Drift | Proof] = [*(report.drift or ()), *(report.proof or ())]
    hosts = sorted({*rows, *(gap.host for gap in report.gaps), *(item.host for item in rules)})
    root = ET.Element("testsuites", name=_plain(name))
    totals = [_add(root, host, list(_cases(report, host, rows.get(host, ())))) for host in hosts]
    for key, number in zip(("tests", "failures", "errors"), map(sum, zip(*totals, strict=True)), strict=False):
        root.set(key, str(number))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _cases(report: Report, host: str, rows: Sequence[Seen]) -> Iterator[_Case]:
    for gap in report.gaps:
        if gap.host == host:
            yield _Case("evidence", "every planned probe", 0.0, _ERROR, "missing", gap.reason, gap.reason)
    yield from map(_row, rows)
    for name, items in (("drift", report.drift or ()), ("proof", report.proof or ())):
        for item in items:
            if item.host == host:
                yield _ruled(name, item)


def _row(seen: Seen) -> _Case:
    row = seen.row
    where = seen.address if seen.destination_host == seen.address else f"{seen.destination_host} {seen.address}"
    # Without a source the host chose one, and the suite names the host.
    source = f" from {row['source']}" if row.get("source") else ""
    name = f"{row['expect']}{source} to {where} port {row['port']}"
    group, seconds = str(row.get("path") or row["expect"]), float(row.get("seconds") or 0.0)
    if seen.passed:
        return _Case(group, name, seconds)
    kind = _KINDS.get(row["verdict"], _ERROR)
    stops = (row.get("where") or {}).get("text")
    said = (row.get("evidence") or {}).get("text")
    lines = [("seen", said), ("stops", stops), ("remedy", seen.remedy)]
    text = "\n".join(f"{word}: {value}" for word, value in lines if value)
    return _Case(group, name, seconds, kind, str(row.get("class") or row["outcome"]), str(row["reason"]), text)


def _ruled(name: str, item: Drift | Proof) -> _Case:
    what = {"drift": "loaded and boot rules as declared", "proof": "rules let pass what is declared and nothing else"}
    if item.passed:
        return _Case("rules", what[name])
    drifted, proved = ((item,), None) if isinstance(item, Drift) else (None, (item,))
    lines = [line for line in rules_table.lines(drifted, proved) if not line.startswith("RULES ")]
    kind = _ERROR if item.state == UNKNOWN else _FAILURE
    return _Case("rules", what[name], 0.0, kind, item.state, lines[0] if lines else item.state, "\n".join(lines))


def _add(root: ET.Element, host: str, cases: list[_Case]) -> tuple[int, int, int]:
    failures, errors = (sum(case.kind == kind for case in cases) for kind in (_FAILURE, _ERROR))
    suite = ET.SubElement(root, "testsuite", name=_plain(host), hostname=_plain(host))
    counts = {"tests": len(cases), "failures": failures, "errors": errors, "skipped": 0}
    for key, number in counts.items():
        suite.set(key, str(number))
    suite.set("time", f"{sum(case.seconds for case in cases):.3f}")
    for case in cases:
        names = {"classname": f"{host}.{case.group}", "name": case.name, "time": f"{case.seconds:.3f}"}
        element = ET.SubElement(suite, "testcase", {key: _plain(value) for key, value in names.items()})
        if case.kind:
            told = ET.SubElement(element, case.kind, type=_plain(case.what), message=_plain(case.message))
            told.text = _plain(case.text)
    return len(cases), failures, errors


def _plain(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
