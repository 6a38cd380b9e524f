# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine can compile the service for a host: machine code fits what it was made on."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.release import interpreter

from .target import Target, TargetError

# Switches the build hook of tunnel/pyproject.toml.
_SWITCH = "HATCH_BUILD_HOOK_ENABLE_MYPYC"
_OR = "or leave compiled off"


class CompileError(Exception):
    """The service cannot be compiled here for that host."""


def environment(compiled: bool) -> dict[str, str]:
    """Return what to add to the build's environment. Off is said as well: a variable of the user's must not compile."""
    return {_SWITCH: "true" if compiled else "false"}


def controller() -> Target:
    """Return what machine code made here fits; raises CompileError where that is nothing a host could run."""
    try:
        return Target.of(interpreter())
    except TargetError as error:
        raise CompileError(f"compiled: the controller's Python cannot compile for others ({error}), {_OR}") from None


def require_fit(target: Target, here: Target) -> None:
    """Raise CompileError unless what is compiled *here* runs on *target*.

    Extension modules fit one minor version of Python. A program linked with one glibc may need what an older one lacks.
    """
    if (here.python, here.machine) == (target.python, target.machine) and here.glibc_minor <= target.glibc_minor:
        return
    raise CompileError(
        f"compiled: the controller compiles for {_described(here)}, the host is {_described(target)}; run the play "
        f"from a controller like the host, name a wheelhouse that was filled on a machine like it, {_OR}"
    )


def require_compiler() -> None:
    """Raise CompileError unless this machine has what compiling needs: a C compiler and Python's headers."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include"), "Python.h")
    lacks = [] if shutil.which(compiler) else [f"the C compiler {compiler}"]
    lacks += [] if header.is_file() else [f"Python's headers ({header})"]
    if lacks:
        raise CompileError(
            f"compiled: the controller lacks {' and '.join(lacks)}; install them (Debian: gcc, libc6-dev and "
            f"python3-dev), {_OR}"
        )


def _described(target: Target) -> str:
    return f"CPython {target.python} on {target.machine} with glibc 2.{target.glibc_minor}"
