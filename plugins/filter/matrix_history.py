# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import from_data
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.history import MOST_RUNS, grown, read, run, written


def matrix_history(evidence: Any, history: Any = "", most: Any = MOST_RUNS) -> str:
    """Put what matrix_evidence put together at the end of a history."""
    try:
        latest = run(from_data(evidence), str(evidence.get("at") or ""), str(evidence.get("digest") or ""))
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"matrix_history: give what matrix_evidence returns; {error} is missing") from error
    if not str(most).isdecimal() or int(most) < 1:
        raise AnsibleFilterError(f"matrix_history: most is {most!r}; give a number of 1 or more")
    return written(grown(read(str(history or "")), latest, int(most)))


class FilterModule:
    """The filter matrix_history."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"matrix_history": matrix_history}
