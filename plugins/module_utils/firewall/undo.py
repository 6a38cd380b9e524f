# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that are taken back, last first, when a later one fails."""

from __future__ import annotations

from types import TracebackType
from typing import Callable, List, Optional, Tuple, Type


class ChangeFailed(Exception):
    """A change did not succeed. The text says why, and what state it left."""


class Steps:
    """A context in which every step that was taken names how it is taken back.

    When the body raises, the steps are taken back and ChangeFailed is raised: its text has the cause, and either
    that all is as before, or what could not be put back.
    """

    def __init__(self, before: str) -> None:
        self._before = before
        self._taken: List[Tuple[str, Callable[[], object]]] = []

    def taken(self, what: str, back: Callable[[], object]) -> None:
        """Note that *what* is being changed, and that *back* puts it as it was."""
        self._taken.append((what, back))

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is None:
            return
        left = [trouble for trouble in map(_take_back, reversed(self._taken)) if trouble]
        if isinstance(error, Exception):
            state = "; ".join(left) if left else self._before
            raise ChangeFailed(f"{error}; {state}") from error


def _take_back(step: Tuple[str, Callable[[], object]]) -> Optional[str]:
    what, back = step
    try:
        back()
    except Exception as failure:  # noqa: BLE001 - every other step is still taken back, then all is told
        return f"{what} could not be put back: {failure}"
    return None
