#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill_tree.py PID: kill -9 a process and all that descend from it, as when a machine dies."""

import contextlib
import os
import signal
import sys
from pathlib import Path


def parents():
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    return found


root = int(sys.argv[1])
tree, known = {root}, parents()
while more := {pid for pid, parent in known.items() if parent in tree} - tree:
    tree |= more
for pid in sorted(tree):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
print(len(tree))
