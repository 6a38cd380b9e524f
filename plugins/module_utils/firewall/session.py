# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How old the login session is that this process runs in, and when this system was started.

A multiplexed ssh connection goes on working although no new one could be made, so only a session that began after the
rules were applied proves that the host can be reached under them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

_DAEMONS = ("sshd", "sshd-session", "sshd-auth", "dropbear")
_PROC = Path("/proc")


class Process(NamedTuple):
    """A process: its name, its command line, and when it was started, in seconds since the system was."""

    name: str
    words: str
    started: float


class Session(NamedTuple):
    """Where this process was started from: *over* is "ssh", "local", or "unknown" when it came over the network but the
    session cannot be found; *started* is in seconds since the system was started."""

    over: str
    started: float


def judge(ancestors: Sequence[Process], remote: bool) -> Session:
    """Return the session of a process with these *ancestors*, its parent first, that was or was not started over the
    network. Pure."""
    daemons = [process for process in ancestors if process.name in _DAEMONS]
    if daemons and _listens(daemons):
        daemons.pop()
    if daemons:
        return Session("ssh", daemons[-1].started)
    return Session("unknown" if remote else "local", 0.0)


def _listens(daemons: Sequence[Process]) -> bool:
    """Whether the topmost of *daemons* is the one that listens, for all sessions. OpenSSH's calls itself so, or still
    has its plain command line; where a daemon is started for each connection, the topmost is the session's."""
    words = daemons[-1].words
    return "[listener]" in words or (len(daemons) > 1 and not words.startswith("sshd: "))


def current(remote: bool) -> Session:
    """Return the session this process runs in; *remote* says whether it was started over the network."""
    ancestors: List[Process] = []
    pid = os.getppid()
    while pid > 0 and len(ancestors) < 100:
        found = _read(pid)
        if found is None:
            break
        process, pid = found
        ancestors.append(process)
    return judge(ancestors, remote)


class _Found(NamedTuple):
    process: Process
    parent: int


def _read(pid: int) -> Optional[_Found]:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
        words = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    # The name stands in parentheses and may hold any character: proc_pid_stat(5).
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2 :].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return _Found(Process(name, words.replace(b"\0", b" ").decode(errors="replace").strip(), started), int(fields[1]))


def system() -> str:
    """Return a word that changes with every start of this system; a container's own start counts."""
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    first = _read(1)
    return f"{boot}/{first.process.started if first else 0:g}"
