# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wheelhouse that somebody filled by hand."""

from __future__ import annotations

import hashlib
from pathlib import Path


class GivenError(Exception):
    """The folder is no wheelhouse."""


def release_of(folder: Path) -> str:
    """Name the release that the wheels in *folder* make; raises GivenError when what is needed is not there."""
    wheels = sorted(folder.glob("*.whl"))
    for name in ("alertpath_tunnel", "pip"):
        if not any(wheel.name.startswith(f"{name}-") for wheel in wheels):
            raise GivenError(
                f"{folder} holds no wheel of {name}; a wheelhouse holds the service, what it needs, and pip"
            )
    digest = hashlib.sha256()
    for wheel in wheels:
        digest.update(f"\0{wheel.name}\0".encode())
        digest.update(wheel.read_bytes())
    version = next(wheel.name.split("-")[1] for wheel in wheels if wheel.name.startswith("alertpath_tunnel-"))
    return f"{version}-{digest.hexdigest()[:12]}"
