# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that cannot be masked without harm. Pure.

Ansible masks a secret wherever its letters stand in a result. One that is part of a verdict or of a host's name makes
the rows unreadable for whatever judges them, and tells itself by what is missing there.
"""

from __future__ import annotations

import re
from typing import Iterable, Set

from . import classes, model, verdict
from .model import Target

_NUMBER = re.compile(r"[0-9.]{1,5}\Z")
"""Ports, seconds and days are numbers."""
_WORDS: Set[str] = {
    *verdict.VERDICTS,
    *(verdict.DESTINATION, verdict.FAMILY, verdict.NO_CONTROL),
    *model.EXPECTATIONS,
    *model.DEPTHS,
    *model.ENCRYPTIONS,
    *(model.ANSWERED | model.SHUT | model.NOT_RUN),
    *(name for names in classes.WITHIN.values() for name in names),
}


def words_of(targets: Iterable[Target]) -> Set[str]:
    """Return the words that rows about *targets* are made of, whatever is seen."""
    fields = {str(value) for target in targets for value in target if value is not None}
    return _WORDS | fields


def is_word(secret: str, words: Iterable[str]) -> bool:
    """Whether *secret* is part of one of *words*, or a short number."""
    return bool(_NUMBER.match(secret)) or any(secret in word for word in words)
