# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wheels fit a host: its interpreter as pip's options and tags name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OLDEST_PYTHON = (3, 11)
# The oldest C library that a manylinux wheel may ask for (PEP 600), and the names before PEP 600 numbered them.
_OLDEST_GLIBC = 5
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


class TargetError(Exception):
    """A host that the service cannot be installed on."""


@dataclass(frozen=True)
class Target:
    """A CPython of one version on a Linux machine with one glibc."""

    python: str
    machine: str
    glibc_minor: int

    @classmethod
    def of(cls, interpreter: Mapping[str, str]) -> Target:
        """Read what tunnel_release said of a host; raises TargetError when the service cannot run there."""
        python = tuple(int(part) for part in interpreter["python"].split("."))
        if interpreter["implementation"] != "cpython" or python < OLDEST_PYTHON:
            raise TargetError(
                f"the tunnel needs CPython 3.11 or later, the host runs {interpreter['implementation']} "
                f"{interpreter['python']}; set ansible_python_interpreter to a newer one"
            )
        major, _dot, minor = interpreter["libc_version"].partition(".")
        if interpreter["libc"] != "glibc" or major != "2" or not minor.isdigit():
            raise TargetError(
                f"no wheels are built for the C library {interpreter['libc'] or 'of this host'}; "
                "fill a folder with wheels that fit and name it as wheelhouse"
            )
        return cls(interpreter["python"], interpreter["machine"], int(minor))

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags that fit, newest first (PEP 600)."""
        found = []
        for minor in range(self.glibc_minor, _OLDEST_GLIBC - 1, -1):
            found.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _LEGACY:
                found.append(f"{_LEGACY[minor]}_{self.machine}")
        return (*found, f"linux_{self.machine}")

    @property
    def pip_options(self) -> tuple[str, ...]:
        """Options that make `pip download` fetch for this host and not for the controller."""
        abi = f"cp{self.python.replace('.', '')}"
        platforms = [word for platform in self.platforms for word in ("--platform", platform)]
        tags = (
            "--python-version",
            self.python,
            "--implementation",
            "cp",
            "--abi",
            abi,
            "--abi",
            "abi3",
            "--abi",
            "none",
        )
        return ("--only-binary=:all:", *tags, *platforms)
