# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix's configuration directory: main.cf, the two slots for its maps, the backup, and staged copies of it all.

main.cf names the slot that holds its maps, and the other slot takes the next generation: replacing main.cf is the one
step at which a new configuration becomes the host's. A crash leaves the old generation or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional

from ..managed_file import MARK, mode_of, read, remove, replace
from . import maincf, render

_STAGE = ".alertpath-stage-"
_BACKUP = "main.cf.before-alertpath"
_APPLIED = "applied"


@dataclass(frozen=True)
class Change:
    """One file that differs: its path on the host, its bytes before and after (None: absent), whether it is secret."""

    path: str
    before: Optional[bytes]
    after: Optional[bytes]
    secret: bool = False


class Store:
    """The files of one Postfix instance. What they held when the object was made is in *before* and *settings*."""

    def __init__(self, config: str) -> None:
        self.config = Path(config)
        self.main = self.config / "main.cf"
        self.backup = self.config / _BACKUP
        self.folder = self.config / render.MAPS
        self.before = read(self.main)
        self.managed = self.before is not None and MARK.encode("ascii") in self.before
        self.settings = maincf.parse((self.before or b"").decode("utf-8", "replace"))
        slot = Path(self.settings.get(render.SLOT_PARAMETER, "")).name
        self.slot = slot if self.managed and slot in render.SLOTS else None

    @property
    def free_slot(self) -> str:
        """The slot that main.cf does not name."""
        return render.SLOTS[1] if self.slot == render.SLOTS[0] else render.SLOTS[0]

    def holds(self, files: Dict[str, render.File]) -> bool:
        """Return whether the slot in use holds *files* and nothing else, as root's, with the right modes."""
        if self.slot is None:
            return False
        folder = self.folder / self.slot
        if not folder.is_dir() or {path.name for path in folder.iterdir()} != set(files):
            return False
        return all(
            read(folder / name) == file.content
            and mode_of(folder / name) == file.mode
            and (folder / name).stat().st_uid == os.geteuid()
            for name, file in files.items()
        )

    def changes(self, main: Optional[bytes], files: Dict[str, render.File]) -> List[Change]:
        """Return what differs between the files in use and *main* with *files*."""
        found = [Change(str(self.main), self.before, main)] if self.before != main else []
        held: Dict[str, Optional[bytes]] = {}
        if self.slot is not None and (self.folder / self.slot).is_dir():
            held = {path.name: read(path) for path in (self.folder / self.slot).iterdir()}
        for name in sorted({*held, *files}):
            after = files[name].content if name in files else None
            if held.get(name) != after:
                path = str(self.folder / (self.slot or self.free_slot) / name)
                found.append(Change(path, held.get(name), after, name in render.SECRET_FILES))
        return found

    @contextlib.contextmanager
    def stage(self, main: bytes, slot: str = "", files: Optional[Dict[str, render.File]] = None) -> Iterator[str]:
        """Yield a copy of the configuration directory, readable by root alone, that holds *main* and *files*."""
        stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=self.config))
        try:
            for path in self.config.iterdir():
                if path.name.startswith(_STAGE) or path.name in (self.main.name, _BACKUP, render.MAPS):
                    continue
                if path.is_dir():
                    shutil.copytree(path, stage / path.name, symlinks=True)
                elif path.is_file():
                    shutil.copy2(path, stage / path.name)
            replace(stage / self.main.name, main)
            if slot:
                self._write(stage / render.MAPS / slot, files or {})
            yield str(stage)
        finally:
            shutil.rmtree(stage)

    def remove_stages(self) -> None:
        """Remove the staged copies that a killed run has left."""
        for path in self.config.glob(_STAGE + "*"):
            shutil.rmtree(path)

    def keep_original(self) -> bool:
        """Keep the user's own main.cf; return whether there was one."""
        if self.before is None or self.managed:
            return False
        replace(self.backup, self.before, mode_of(self.main) or 0o644)
        return True

    @staticmethod
    def _write(folder: Path, files: Dict[str, render.File]) -> None:
        folder.mkdir(parents=True)
        for path in (folder.parent, folder):
            path.chmod(0o755)
        for name, file in files.items():
            replace(folder / name, file.content, file.mode)

    def fill(self, slot: str, files: Dict[str, render.File]) -> None:
        """Write *files* into *slot*, and nothing else."""
        self.drop(slot)
        self._write(self.folder / slot, files)

    def drop(self, slot: str) -> None:
        """Empty *slot*."""
        if (self.folder / slot).is_dir():
            shutil.rmtree(self.folder / slot)

    def put(self, main: Optional[bytes]) -> None:
        """Replace main.cf, or remove it."""
        if main is None:
            remove(self.main)
        else:
            replace(self.main, main)

    def forget(self) -> None:
        """Remove everything of ours beside main.cf, the backup included."""
        remove(self.backup)
        if self.folder.is_dir():
            shutil.rmtree(self.folder)

    def applied(self) -> bool:
        """Return whether Postfix was seen to run with the main.cf in place (a killed run may not have come so far)."""
        return self.before is not None and read(self.folder / _APPLIED) == self._digest(self.before)

    def note_applied(self, main: bytes) -> None:
        """Note that Postfix was seen to run with *main*."""
        replace(self.folder / _APPLIED, self._digest(main))

    @staticmethod
    def _digest(main: bytes) -> bytes:
        return hashlib.sha256(main).hexdigest().encode("ascii") + b"\n"
