# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few system calls that Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

# <sched.h>, <sys/mount.h>, <sys/prctl.h>
_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_SLAVE = 0x80000
_PR_SET_PDEATHSIG = 1


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def enter_network(namespace: Path) -> None:
    """Move the calling thread, and what it starts, into the network namespace mounted on *namespace* (setns(2))."""
    with namespace.open("rb") as handle:
        _check(_libc.setns(handle.fileno(), _CLONE_NEWNET), str(namespace))


def private_mounts() -> None:
    """Give the calling process its own view of the mounts: it follows the machine's, but not the other way round."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None), "/")


def bind(source: Path, target: Path) -> None:
    """Show the file *source* in place of *target* (mount(2))."""
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, _MS_BIND, None), str(target))


def die_with_parent(signal: int) -> None:
    """Ask for *signal* when the parent ends, however it ends (prctl(2))."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")
