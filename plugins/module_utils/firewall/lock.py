# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time: a lock that the kernel gives back when its holder dies. The edge."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Iterator

_PAUSE = 0.1


class LockBusy(Exception):
    """Another run holds the lock. The text says which process, and what to do."""


@contextlib.contextmanager
def held(path: str, patience: float) -> Iterator[None]:
    """Hold the lock file *path* while the body runs; wait up to *patience* seconds for it, else raise LockBusy."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _take(handle, path, time.monotonic() + patience, patience)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _take(handle: int, path: str, deadline: float, patience: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
                raise LockBusy(
                    f"another run (process {holder}) has held {path} for {patience:g} s: wait until it ends, "
                    "end it, or set a longer lock_timeout; nothing was changed"
                ) from None
        time.sleep(_PAUSE)
