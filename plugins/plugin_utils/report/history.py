# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs found: enough to say what changed since, and no more. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .evidence import Report, Seen

MOST_RUNS = 30
_MOST_KEYS = 500  # differences of a run that are kept by name
_VERSION = 1


@dataclass(frozen=True)
class Run:
    """One verification. *differ* names its differences, at most 500; *differing* says how many there were."""

    at: str
    digest: str
    passed: bool
    rows: int
    differing: int
    differ: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """The runs, the oldest first. *problem* says why earlier ones are missing, if they are."""

    runs: tuple[Run, ...] = ()
    problem: str = ""


def key(seen: Seen) -> str:
    """Return the name of a row, by which one run's is found in the next."""
    row = seen.row
    return f"{seen.probe_host} ({row['source']}) to {seen.destination_host} ({seen.address}) port {row['port']}"


def run(report: Report, at: str, digest: str) -> Run:
    """Return what is kept of *report*; *at* is its time in UTC, *digest* the plan's."""
    names = sorted({key(seen) for seen in report.differences})
    return Run(at, digest, report.passed, len(report.rows), len(names), tuple(names[:_MOST_KEYS]))


def read(text: str) -> History:
    """Return the history that `written` wrote as *text*. What cannot be read is left out, and said."""
    if not text.strip():
        return History()
    try:
        data = json.loads(text)
        if data["version"] != _VERSION:
            return History(problem=f"the history is of version {data['version']!r}, this reads version {_VERSION}")
        runs = tuple(_run(item) for item in data["runs"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return History(problem=f"the history could not be read ({type(error).__name__}); it begins anew")
    return History(runs)


def _run(item: Mapping[str, Any]) -> Run:
    names = item["differ"]
    if not isinstance(names, list):
        raise TypeError("differ is no list")
    differ = tuple(str(name) for name in names)
    return Run(
        str(item["at"]), str(item["digest"]), bool(item["passed"]), int(item["rows"]), int(item["differing"]), differ
    )


def grown(history: History, latest: Run, most: int = MOST_RUNS) -> History:
    """Return *history* with *latest* at its end and at most *most* runs. A run that is there already is replaced."""
    runs = [item for item in history.runs if item.at != latest.at]
    return History((*runs, latest)[-most:] if most > 0 else (), history.problem)


def written(history: History) -> str:
    """Return *history* as the text that `read` reads."""
    runs = [
        {
            "at": item.at,
            "digest": item.digest,
            "passed": item.passed,
            "rows": item.rows,
            "differing": item.differing,
            "differ": list(item.differ),
        }
        for item in history.runs
    ]
    return json.dumps({"version": _VERSION, "runs": runs}, indent=1) + "\n"


def changes(before: Run | None, after: Run) -> tuple[Sequence[str], Sequence[str]]:
    """Return which rows differ in *after* and did not in *before*, and which do not any more."""
    if before is None:
        return (), ()
    old, new = set(before.differ), set(after.differ)
    return sorted(new - old), sorted(old - new)
