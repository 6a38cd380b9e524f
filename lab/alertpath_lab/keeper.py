# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep one host: wire it, boot it, boot it again when it reboots, unplug it when it ends.

Run as `python -I -S keeper.py <task.json> <lock>` by `lab up`, one per host. It outlives its parent, holds the lock,
an open file it inherits, for as long as it runs, and imports little, because it stays in memory.
"""

from __future__ import annotations

import json
import os
import sys
import time
from subprocess import PIPE, Popen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def say(text: str) -> None:
    """Write a line to the host's console log, which standard error leads to."""
    os.write(2, f"keeper: {time.strftime('%H:%M:%S')} {text}\n".encode())


def join(folders: list[str]) -> None:
    """Put this process into the control groups *folders*."""
    for folder in folders:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - pathlib stays out of memory
        with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write("0")


def clear(folders: list[str]) -> None:
    """Remove the control groups that the last boot left below *folders*."""
    for top in folders:
        for folder, _folders, _files in os.walk(top, topdown=False):
            if folder != top:
                try:
                    os.rmdir(folder)  # noqa: PTH106
                except OSError as error:
                    say(f"{folder}: stays: {error.strerror}")


def run(steps: list[tuple[list[str], str, str | None]]) -> bool:
    """Run *steps* in order up to the first that fails; whether all went well."""
    for argv, stdin, ignore in steps:
        process = Popen(argv, stdin=PIPE, stderr=PIPE, env={**os.environ, "LC_ALL": "C"})
        error = process.communicate(stdin.encode())[1].decode(errors="replace").strip()
        if process.returncode != 0 and (ignore is None or ignore not in error):
            say(f"{' '.join(argv)}: {error}")
            return False
    return True


def boot(task: dict[str, Any]) -> int:
    """Boot the host once and return the status it ended with; a signal counts as 128 and its number."""
    clear(task["groups"])
    process = os.fork()
    if process == 0:
        start(task)
    write(f"{task['folder']}/nspawn.pid", f"{process}\n")
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return status if status >= 0 else 128 - status


def start(task: dict[str, Any]) -> NoReturn:
    """Become systemd-nspawn, in the host's own control groups."""
    try:
        join(task["groups"])
        os.execvpe(task["command"][0], task["command"], task["environment"])  # noqa: S606
    except OSError as error:
        say(f"cannot boot: {error}")
    os._exit(127)


def write(path: str, text: str) -> None:
    """Write *text* to *path*, whole or not at all."""
    with open(f"{path}.new", "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(f"{path}.new", path)  # noqa: PTH105


def main(path: str, lock: int) -> int:
    """Keep the host that the task in *path* describes; 0 when it ended by itself."""
    # What is started from here must not hold the lock when this process has ended.
    os.set_inheritable(lock, False)
    with open(path, encoding="utf-8") as stream:
        task = json.load(stream)
    join(task["keepers"])
    status = task["reboot"]
    while status == task["reboot"]:
        if not run(task["power_off"]) or not run(task["power_on"]):
            run(task["power_off"])
            return 1
        status = boot(task)
        say("the host reboots" if status == task["reboot"] else f"the host ended with {status}")
    run(task["power_off"])
    return 0 if status == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
