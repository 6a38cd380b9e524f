# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raise the one kernel limit that hosts share with the machine while labs stand, and put it back after the last."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from .layout import ROOT
from .system import write_file

# Every systemd watches control groups and folders; all hosts run as the machine's root, and count together
# (inotify(7), /proc interfaces). Debian's default of 128 is enough for some 20 hosts.
_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_WANTED = 4096
_BEFORE = ROOT / "max_user_instances.before"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep other labs from doing the same at this moment."""
    handle = os.open(ROOT.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def raise_limits() -> None:
    """Make room for labs, and note what the limit was. The lab's lock is held, so the state folder is there."""
    with _alone():
        now = int(_INSTANCES.read_text())
        if now < _WANTED:
            write_file(_BEFORE, f"{now}\n")
            _INSTANCES.write_text(f"{_WANTED}\n")


def restore_limits() -> None:
    """With no lab left, restore the limit, unless somebody else changed it meanwhile, and remove the state folder."""
    with _alone(), contextlib.suppress(FileNotFoundError):
        if {path.name for path in ROOT.iterdir()} == {_BEFORE.name}:
            if int(_INSTANCES.read_text()) == _WANTED:
                _INSTANCES.write_text(_BEFORE.read_text())
            _BEFORE.unlink()
        with contextlib.suppress(OSError):
            ROOT.rmdir()
