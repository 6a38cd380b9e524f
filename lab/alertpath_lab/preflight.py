# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can this machine raise the lab? Asked before anything is touched, answered with all that is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from .errors import LabError

# tool -> the Debian package it is in
RUN_TOOLS = {
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "scp": "openssh-client",
    "sftp": "openssh-client",
    "ssh": "openssh-client",
    "sysctl": "procps",
    "systemd-nspawn": "systemd-container",
    "umount": "mount",
    "unshare": "util-linux",
}
BUILD_TOOLS = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux"}


def missing_tools(tools: dict[str, str], present: Iterable[str]) -> str | None:
    """What to say about the *tools* that are not *present*: None when all are."""
    missing = sorted(set(tools) - set(present))
    if not missing:
        return None
    packages = " ".join(sorted({tools[tool] for tool in missing}))
    remedy = f"apt-get update && apt-get install --no-install-recommends {packages}"
    return f"{', '.join(missing)}: not found; as root: {remedy}"


def _found(tools: Iterable[str]) -> list[str]:
    # Root's tools are not on everybody's PATH; the commands that are run later need them there.
    path = os.environ.get("PATH", "")
    extra = [folder for folder in ("/usr/sbin", "/sbin") if folder not in path.split(":")]
    os.environ["PATH"] = ":".join([path, *extra]) if path else ":".join(extra)
    return [tool for tool in tools if shutil.which(tool)]


def check_root() -> None:
    """Raise LabError unless this is root on Linux."""
    if not sys.platform.startswith("linux"):
        raise LabError("the lab needs Linux: its hosts are namespaces and control groups of the Linux kernel")
    if os.geteuid() != 0:
        raise LabError("the lab needs root, for namespaces and mounts: run it with sudo")


def check_machine() -> None:
    """Raise LabError, with everything that is missing, unless this machine can run hosts."""
    check_root()
    problems = []
    tools = missing_tools(RUN_TOOLS, _found(RUN_TOOLS))
    if tools:
        problems.append(tools)
    problems += [
        f"the kernel has no {name} file system; modprobe {name}, or another kernel"
        for name in ("overlay", "tmpfs")
        if not _has_file_system(name)
    ]
    if problems:
        raise LabError("\n".join(problems))


def check_builder() -> None:
    """Raise LabError unless this machine can build a base tree."""
    check_root()
    tools = missing_tools(BUILD_TOOLS, _found(BUILD_TOOLS))
    if tools:
        raise LabError(tools)


def _has_file_system(name: str) -> bool:
    def known() -> bool:
        lines = Path("/proc/filesystems").read_text().splitlines()
        return name in {line.split()[-1] for line in lines if line}

    if not known() and shutil.which("modprobe"):
        subprocess.run(("modprobe", "--quiet", name), check=False)
    return known()
