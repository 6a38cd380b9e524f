# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands, and read what the kernel says about mounts and processes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .errors import LabError
from .network import Step


def environment() -> dict[str, str]:
    """What tools are run with: this process's environment, in one language, as messages are compared with texts."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def run(argv: Sequence[str], stdin: str = "", ignore: str | None = None) -> str:
    """Run *argv* and return its output; raises LabError with its complaint, unless that contains *ignore*."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, env=environment(), check=False)
    except OSError as error:
        raise LabError(f"{argv[0]}: cannot be run: {error.strerror}") from error
    if done.returncode != 0 and (ignore is None or ignore not in done.stderr):
        complaint = (done.stderr or done.stdout).strip() or "it said nothing"
        raise LabError(f"`{' '.join(argv)}` left with {done.returncode}: {complaint}")
    return done.stdout


def run_steps(steps: Iterable[Step]) -> None:
    """Run *steps* in order."""
    for step in steps:
        run(step.argv, step.stdin, step.ignore)


def mounts_below(folder: Path, mountinfo: str | None = None) -> list[Path]:
    """The mount points at or below *folder*, in the order to unmount them (proc_pid_mountinfo(5))."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    points = [Path(_unescape(line.split(" ")[4])) for line in text.splitlines()]
    return [point for point in reversed(points) if point == folder or folder in point.parents]


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def is_mounted(point: Path) -> bool:
    """Whether something is mounted on *point* itself."""
    return point in mounts_below(point)


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below *folder*; what stays busy is detached, and freed once nobody uses it."""
    for point in mounts_below(folder):
        deadline = time.monotonic() + 3
        while True:
            try:
                run(("umount", str(point)), ignore="not mounted")
                break
            except LabError:
                if time.monotonic() > deadline:
                    run(("umount", "--lazy", str(point)), ignore="not mounted")
                    break
                time.sleep(0.05)


def remove_tree(folder: Path) -> None:
    """Delete *folder* and all in it; refuses while anything is mounted there."""
    held = mounts_below(folder)
    if held:
        raise LabError(f"{folder} is not removed: {held[0]} is still mounted; unmount it first")
    if folder.is_dir():
        shutil.rmtree(folder)


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write *text* to *path* whole or not at all, with *mode* from the first byte on."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "w", encoding="utf-8") as stream:
        os.fchmod(handle, mode)
        stream.write(text)
    temporary.replace(path)


def processes_in_namespaces(namespaces: Iterable[Path]) -> list[int]:
    """The processes whose network namespace is one of those mounted on *namespaces*."""
    wanted = set()
    for namespace in namespaces:
        if is_mounted(namespace):
            status = namespace.stat()
            wanted.add((status.st_dev, status.st_ino))
    found = []
    for entry in Path("/proc").iterdir() if wanted else ():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                status = (entry / "ns" / "net").stat()
                if (status.st_dev, status.st_ino) in wanted:
                    found.append(int(entry.name))
    return found


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Ask *done* every few milliseconds until it says yes; whether it did within *seconds*."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
