# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run found: rows of evidence as they are handed on (docs/probe.md). Pure."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ..locate.model import Verdict as Where
from . import verdict
from .classes import classify
from .forwarded import seen_over_ssh
from .job import Answer
from .located import seen_with
from .model import CONNECT, Target
from .remedies import remedy

NOTHING = "nothing"
DIFFERENCES = "differences"
ALL = "all"
LOCATE = (NOTHING, DIFFERENCES, ALL)
"""Which rows to search for: none; those that are not as expected; those that stop somewhere, or may, as well."""


class Row(NamedTuple):
    """One line of evidence."""

    target: Target
    address: Optional[str]
    answer: Answer
    control: Optional[str]
    judgement: verdict.Judgement
    depth: str = CONNECT
    """How deep it was looked."""
    where: Optional[Where] = None
    """Where the connection stops; None when that was not looked for."""
    via: Optional[str] = None
    """The host it was probed from over SSH; None when the one that asks did it itself."""

    def as_dict(self) -> Dict[str, Any]:
        """Return the row as plain data: the target's fields, what was found, and the verdict."""
        finding = self.answer.finding
        seen = classify(finding, self.depth, self.control == verdict.DESTINATION)
        if self.via is not None:
            seen = seen_over_ssh(seen, finding, self.target, self.address, self.via)
        if self.where is not None:
            seen = seen_with(seen, finding, self.where)
        passed = self.judgement.verdict == verdict.AS_EXPECTED
        return {
            **self.target._asdict(),
            "depth": self.depth,
            "via": self.via,
            "address": self.address,
            "outcome": finding.outcome,
            "class": seen.name,
            "cannot_tell": list(seen.cannot_tell),
            "evidence": finding.evidence.as_dict(),
            "where": None if self.where is None else self.where.as_dict(),
            "attempts": self.answer.attempts,
            "seconds": round(self.answer.seconds, 3),
            "control": self.control,
            "verdict": self.judgement.verdict,
            "reason": self.judgement.reason,
            "remedy": None if passed else remedy(self.target.expect, finding, seen.name, self.judgement.verdict),
        }


class Evidences(NamedTuple):
    """The rows of a run, in the order of its targets, and how many destinations gave a positive control by family."""

    rows: List[Row]
    controls: Dict[str, int]
    moved_names: Sequence[Dict[str, Any]] = ()
    """Names that lead elsewhere than to the pinned addresses, see pins.py."""
