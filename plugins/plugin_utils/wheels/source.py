# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's source as it lies in the collection, and the name of the release it makes."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .target import Target

# What the service needs, pinned with hashes: the same sources make the same release, whenever they are built.
REQUIREMENTS = "requirements.txt"
FOLDER = Path(__file__).resolve().parents[3] / "tunnel"


class SourceError(Exception):
    """The collection lacks the service's source."""


@dataclass(frozen=True)
class Source:
    """What is built: the files of the package, and the pins of what it depends on."""

    folder: Path
    version: str
    files: tuple[Path, ...]

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Source:
        """Read the package in *folder*; raises SourceError when it is not there."""
        try:
            project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
            raise SourceError(
                f"{folder}: the tunnel's source is not whole ({error}); install the collection again"
            ) from None
        files = [folder / name for name in ("pyproject.toml", "README.md", REQUIREMENTS)]
        files += [path for path in (folder / "src").rglob("*") if path.is_file() and path.suffix != ".pyc"]
        return cls(folder, project["version"], tuple(sorted(files)))

    def release(self, target: Target, compiled: bool = False) -> str:
        """Name the release that this source makes for *target*: the same files, the same name."""
        digest = hashlib.sha256(repr((target, "compiled") if compiled else target).encode())
        for path in self.files:
            digest.update(f"\0{path.relative_to(self.folder)}\0".encode())
            digest.update(path.read_bytes())
        return f"{self.version}-{digest.hexdigest()[:12]}"
