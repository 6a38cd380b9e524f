# SPDX-License-Identifier: GPL-3.0-or-later
"""Processor time and memory of process trees, from /proc (proc(5))."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def parents() -> dict[int, list[int]]:
    """Return the children of every process."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                children[int(fields(int(entry.name))[1])].append(int(entry.name))
    return children


def fields(pid: int) -> list[str]:
    """Return what /proc/PID/stat says behind the name: state, parent, and so on."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def tree(roots: list[int]) -> list[int]:
    """Return the processes and all their descendants."""
    children, found, waiting = parents(), [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children[pid]
    return found


def own_times(pid: int) -> tuple[float, float]:
    """Return the seconds that a process ran, and that its threads waited for a processor.

    From schedstat, in nanoseconds, but without threads that have ended; those are in stat, where each process's time is
    rounded down to a hundredth of a second, which many processes that each do a little make a large error.
    """
    ran = waited = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        one, other = (task / "schedstat").read_text().split()[:2]
        ran, waited = ran + int(one), waited + int(other)
    return max(ran / 1e9, sum(int(value) for value in fields(pid)[11:13]) / TICK), waited / 1e9


def processor_time(roots: list[int]) -> float:
    """Return the seconds of processor time of the trees, that of children that have ended included."""
    used = 0.0
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            used += own_times(pid)[0] + sum(int(value) for value in fields(pid)[13:15]) / TICK
    return used


def wanted_times(roots: list[int]) -> dict[int, float]:
    """Return, for each process of the trees, the seconds that it ran or could have run, had a processor been free."""
    found = {}
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            found[pid] = sum(own_times(pid))
    return found


def resident(roots: list[int]) -> int:
    """Return the octets of memory that the trees hold; a page that several share counts once in all (PSS)."""
    octets = 0
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    octets += int(line.split()[1]) * 1024
    return octets
