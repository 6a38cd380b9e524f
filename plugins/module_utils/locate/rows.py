# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rows of a run deserve a search for the stopping device, and what it found, put into them."""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence, Tuple

from ..probe.model import ANSWERED, NAME_ERROR, NOT_RUN
from ..probe.rows import ALL, NOTHING, Evidences, Row
from ..probe.verdict import AS_EXPECTED
from .locate import AT_ONCE, Question, locate_all
from .model import BUDGET, EXACT, REFUSES, Device, Verdict

Search = Callable[[Sequence[Question], float, int], List[Verdict]]
_Key = Tuple[Optional[str], str, int]


def located(
    evidences: Evidences,
    wanted: str,
    control_ports: Sequence[int] = (22,),
    budget: float = BUDGET,
    search: Search = locate_all,
) -> Evidences:
    """Return *evidences* with `where` in the rows that are *wanted*.

    Rows that are not as expected come first, so that they are told when the *budget* (seconds) is short. A path that
    several rows share is searched once. What the probing host itself refused needs no search.
    """
    rows = [row for row in evidences.rows if _is_wanted(row, wanted)]
    rows.sort(key=lambda row: row.judgement.verdict == AS_EXPECTED)
    questions: Dict[_Key, Question] = {}
    for row in rows:
        if not _refused_here(row):
            source, address, port = _key(row)
            ports = tuple(number for number in control_ports if number != port)
            questions.setdefault((source, address, port), Question(address, port, source, ports))
    verdicts = search(list(questions.values()), budget, AT_ONCE) if questions else []
    found = dict(zip(questions, verdicts))

    def where(row: Row) -> Optional[Verdict]:
        if not _is_wanted(row, wanted):
            return None
        return _own(row) if _refused_here(row) else found[_key(row)]

    return evidences._replace(rows=[row._replace(where=where(row)) for row in evidences.rows])


def _key(row: Row) -> _Key:
    return row.target.source, row.address or "", row.target.port


def _is_wanted(row: Row, wanted: str) -> bool:
    finding = row.answer.finding
    if wanted == NOTHING or row.address is None or finding.outcome == NAME_ERROR:
        return False
    if row.judgement.verdict != AS_EXPECTED:
        return True
    return wanted == ALL and not (finding.outcome in ANSWERED and finding.evidence.name_verified)


def _refused_here(row: Row) -> bool:
    finding = row.answer.finding
    return finding.outcome in NOT_RUN and bool(finding.evidence.local)


def _own(row: Row) -> Verdict:
    device = Device(0, row.target.source, "own host")
    return Verdict(EXACT, f"this host {REFUSES}: {row.answer.finding.evidence.text}", (device,), REFUSES)
