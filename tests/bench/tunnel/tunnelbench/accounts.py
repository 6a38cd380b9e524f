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


def processor_time(roots: list[int]) -> float:
    """Return the seconds of user and system time of the trees, those of children that have ended included."""
    used = 0
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            used += sum(int(value) for value in fields(pid)[11:15])
    return used / TICK


def resident(roots: list[int]) -> int:
    """Return the octets of memory that the trees hold; a page that several share counts once in all (PSS)."""
    octets = 0
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    octets += int(line.split()[1]) * 1024
    return octets
