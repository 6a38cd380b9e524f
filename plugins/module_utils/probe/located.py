# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a search for the stopping device adds to a class, and which of its open questions it answers. Pure."""

from __future__ import annotations

from typing import List

from ..locate import model as where
from . import classes, model
from .classes import INTERCEPTED, OWN_RULE, Class
from .model import Finding

_ANSWERED = frozenset(
    {
        classes.WHO_RESETS,
        classes.WHO_RESETS_AFTERWARDS,
        classes.WHICH_DROPS,
        classes.WHICH_REJECTS,
        classes.WHO_COMPLETES,
        classes.WHO_STANDS_THERE,
    }
)
"""What a class leaves open and a search that names a device tells."""


def seen_with(seen: Class, finding: Finding, found: where.Verdict) -> Class:
    """Return the class and its open questions, knowing where the connection stops.

    A connection that a device before the destination answers or diverts is intercepted, whatever was said on it.
    What this host itself stops is its own rule.
    """
    if found.answer == where.UNKNOWN:
        return seen
    name = seen.name
    left: List[str] = [text for text in seen.cannot_tell if text not in _ANSWERED]
    own = found.answer == where.EXACT and found.devices[0].role == "own host"
    if finding.outcome == model.FILTERED and found.how == where.REJECTS:  # the neighbour was not found meanwhile
        own = False
    if finding.outcome in model.ANSWERED and found.how in (where.ANSWERS, where.DIVERTS):
        name = INTERCEPTED
    elif finding.outcome in (model.FILTERED, model.REJECTED, model.REFUSED) and own:
        name = OWN_RULE
    if own and finding.outcome in model.SHUT:
        left = [text for text in left if text != classes.WHICH_OF_MINE or not found.own_rule]
    if finding.outcome == model.REFUSED and found.answer == where.EXACT and found.devices[0].role == "destination":
        left.append("whether nothing listens there or a rule of the destination resets")
    return Class(name, tuple(left))
