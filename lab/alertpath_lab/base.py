# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the hosts' common base tree once per recipe and keep it; a half-built tree is never taken for a whole one."""

from __future__ import annotations

import fcntl
import os
import platform
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import kernel, preflight, recipe
from .errors import LabError
from .layout import cache_folder
from .system import environment, remove_tree
from .topology import Base

_APT = Path("/etc/apt")
# The build's processes have a namespace of their own, which ends with its first: none goes on alone (unshare(1)).
_CONFINED = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def ensure_base(base: Base, say: Callable[[str], None], rebuild: bool = False) -> Path:
    """Return the folder of the tree for *base*, built if it is not there or *rebuild* asks for it."""
    folder = cache_folder()
    tree = folder / f"lab-base-{recipe.digest(base, platform.machine())}"
    if tree.is_dir() and not rebuild:
        return tree
    preflight.check_builder()
    folder.mkdir(parents=True, exist_ok=True)
    # Whoever builds holds the lock, and so does what it started: a build that outlives its parent is waited for.
    with open(folder / f"{tree.name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if rebuild and tree.is_dir():
            _remove_unused(tree)
        if not tree.is_dir():
            for leftover in folder.glob(f"{tree.name}.tmp-*"):
                remove_tree(leftover)
            say(f"base tree: building {tree} ({len(recipe.packages(base))} packages and what they need)")
            temporary = folder / f"{tree.name}.tmp-{os.getpid()}"
            _build(base, temporary, lock.fileno())
            temporary.rename(tree)
    return tree


def _remove_unused(tree: Path) -> None:
    if f"lowerdir={tree}," in Path("/proc/self/mounts").read_text():
        raise LabError(f"{tree} is in use by a lab; run lab/lab down first")
    remove_tree(tree)


def _build(base: Base, target: Path, lock: int) -> None:
    argv, stdin = recipe.mmdebstrap(base, target, recipe.debian_sources(_apt_sources(), base.suite))
    log = target.with_name(f"{target.name}.log")
    with open(log, "w+", encoding="utf-8", errors="replace") as output:
        done = subprocess.run(
            (*_CONFINED, *argv),
            input=stdin,
            text=True,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment(), "DEBIAN_FRONTEND": "noninteractive"},
            pass_fds=(lock,),
            preexec_fn=lambda: kernel.die_with_parent(signal.SIGKILL),
            check=False,
        )
        output.seek(0)
        text = output.read()
    log.unlink()
    if done.returncode != 0:
        remove_tree(target)
        tail = "\n".join(text.strip().splitlines()[-15:])
        raise LabError(f"the base tree could not be built; mmdebstrap left with {done.returncode}:\n{tail}")


def _apt_sources() -> list[tuple[str, str]]:
    files = [_APT / "sources.list"]
    parts = _APT / "sources.list.d"
    if parts.is_dir():
        files += sorted(path for path in parts.iterdir() if path.suffix in (".list", ".sources"))
    return [(path.name, path.read_text(encoding="utf-8", errors="replace")) for path in files if path.is_file()]
