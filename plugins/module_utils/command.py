# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a tool of the host: an argument vector in, its output or one clear error out."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Dict, NamedTuple, Optional, Sequence

# Tools that administrate a host often lie outside the PATH of a non-login session.
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class CommandError(Exception):
    """A tool is missing, failed, or did not end in time. The text names the command, the reason and a remedy."""


class Completed(NamedTuple):
    """What a command left behind: its exit code and its decoded output."""

    returncode: int
    stdout: str
    stderr: str


def find_tool(name: str, remedy: str) -> str:
    """Return the absolute path of the tool *name*.

    Raises CommandError with *remedy* (for example "install the package nftables") when the host lacks it.
    """
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SBIN])
    found = shutil.which(name, path=search)
    if found is None:
        raise CommandError(f"{name} is not on this host: {remedy}")
    return found


def run(
    argv: Sequence[str],
    stdin: Optional[str] = None,
    timeout: float = 60.0,
    check: bool = True,
    env: Optional[Dict[str, str]] = None,
) -> Completed:
    """Run *argv* in the C locale with *stdin* as its input.

    With *check*, a non-zero exit raises CommandError with the tool's own words; a command that outlives
    *timeout* seconds is killed and raises CommandError either way. Secrets belong in *stdin*, never in *argv*.
    """
    try:
        # This library imports nothing of Ansible, so run_command is out of reach.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            list(argv),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env={**os.environ, **(env or {}), "LC_ALL": "C", "LANGUAGE": "C"},
            timeout=timeout,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CommandError(f"{argv[0]} did not end within {timeout:g} s and was killed") from None
    except OSError as error:
        raise CommandError(f"{argv[0]} could not be started: {error.strerror}") from None
    if check and done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise CommandError(f"{argv[0]} failed with {done.returncode}: " + " | ".join(words[:5]))
    return Completed(done.returncode, done.stdout, done.stderr)
