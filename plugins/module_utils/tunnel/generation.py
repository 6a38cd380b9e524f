# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel's configuration with the files it names, as one generation that is put live in one step.

```
/etc/alertpath-tunnel/generations/DIGEST/   config.json and the files it names
/etc/alertpath-tunnel/current               a symbolic link to the generation that is live
```
Certificate, key, password and configuration change together or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional

from .. import command, managed_file

ROOT = Path("/etc/alertpath-tunnel")
CONFIG = "config.json"
REFERENCE = "file:"
_ROOT_MODE = 0o755
_FOLDER_MODE = 0o750
_FILE_MODE = 0o640


class GenerationError(Exception):
    """A configuration is refused; the live one goes on."""


@dataclass(frozen=True)
class Generation:
    """A configuration, and the content of the files that it names as `file:NAME`."""

    config: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """Return what is wrong with names: files that are named and not given, or the other way round."""
        named = set(_named(self.config))
        found = [
            f"the configuration names file:{name}, which is not among files" for name in sorted(named - set(self.files))
        ]
        found += [f"files.{name} is named nowhere in the configuration" for name in sorted(set(self.files) - named)]
        found += [
            f"files: {name!r} is not a plain file name"
            for name in sorted(self.files)
            if name in ("", ".", "..", CONFIG) or "/" in name or name.startswith(".") or "\0" in name
        ]
        return found

    def rendered(self, folder: Path) -> str:
        """Return the configuration's text with files in *folder*; same configuration, same text."""
        return json.dumps(_placed(self.config, folder), indent=2, sort_keys=True) + "\n"

    def digest(self) -> str:
        """Return a name for exactly this content."""
        content = json.dumps([self.config, self.files], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def _named(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value[len(REFERENCE) :]] if value.startswith(REFERENCE) else []
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return [name for item in items for name in _named(item)]


def _placed(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return str(folder / value[len(REFERENCE) :]) if value.startswith(REFERENCE) else value
    if isinstance(value, Mapping):
        return {key: _placed(item, folder) for key, item in value.items()}
    return [_placed(item, folder) for item in value] if isinstance(value, (list, tuple)) else value


class Store:
    """The generations below *root*, readable by *group* (a group id; None for root alone)."""

    def __init__(self, root: Path = ROOT, group: Optional[int] = None) -> None:
        self.root = root
        self.generations = root / "generations"
        self.group = group
        self.current_link = root / "current"

    def live(self) -> Optional[Path]:
        """Return the folder of the live generation, or None."""
        try:
            folder = self.root / os.readlink(self.current_link)
        except OSError:
            return None
        return folder if (folder / CONFIG).exists() else None

    def live_text(self) -> str:
        """Return the text of the live configuration, empty when there is none."""
        folder = self.live()
        return (managed_file.read(folder / CONFIG) or b"").decode(errors="replace") if folder else ""

    def is_live(self, wanted: Generation) -> bool:
        """Return whether *wanted* is live, to the byte and with the right modes."""
        folder = self.live()
        if folder is None or folder.name != wanted.digest():
            return False
        texts = {**wanted.files, CONFIG: wanted.rendered(self.current_link)}
        modes = {self.root: _ROOT_MODE, self.generations: _FOLDER_MODE, folder: _FOLDER_MODE}
        if any(managed_file.mode_of(path) != mode for path, mode in modes.items()):
            return False
        return {path.name for path in folder.iterdir()} == set(texts) and all(
            managed_file.read(folder / name) == text.encode()
            and managed_file.mode_of(folder / name) == _FILE_MODE
            and (self.group is None or (folder / name).stat().st_gid == self.group)
            for name, text in texts.items()
        )

    def put_live(self, wanted: Generation, checker: str) -> None:
        """Write *wanted* aside, let the program *checker* judge it, and make it live in one step.

        Raises GenerationError with everything that the checker found; what was live then still is.
        """
        with self._alone():
            self._put_live(wanted, checker)

    def judge_live(self, checker: str) -> None:
        """Let *checker* judge what is live. Raises GenerationError with everything that it found."""
        self._judge(self.current_link, checker)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep a second run on this host out, which would take what this one has begun for a leftover."""
        self.root.mkdir(parents=True, exist_ok=True)
        # Whatever the umask, and whoever made it: the service's user must get through.
        self.root.chmod(_ROOT_MODE)
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _put_live(self, wanted: Generation, checker: str) -> None:
        self.generations.mkdir(0o700, exist_ok=True)
        self.generations.chmod(_FOLDER_MODE)
        self._own(self.generations)
        folder = self.generations / wanted.digest()
        staged = self.generations / f".{folder.name}"
        for leftover in self.generations.glob(".*"):
            shutil.rmtree(leftover)
        try:
            self._write(wanted, staged, placed=staged)
            self._judge(staged, checker)
            shutil.rmtree(staged)
            self._write(wanted, staged, placed=self.current_link)
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)
            staged.rename(folder)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        link = self.root / ".current"
        managed_file.remove(link)
        link.symlink_to(Path("generations") / folder.name)
        link.replace(self.current_link)
        for other in self.generations.iterdir():
            if other != folder:
                shutil.rmtree(other)

    def remove(self) -> bool:
        """Remove everything; return whether there was anything."""
        if not self.root.exists():
            return False
        shutil.rmtree(self.root)
        return True

    def _write(self, wanted: Generation, folder: Path, placed: Path) -> None:
        folder.mkdir(0o700)
        for name, text in {**wanted.files, CONFIG: wanted.rendered(placed)}.items():
            managed_file.replace(folder / name, text.encode(), 0o600)
            self._own(folder / name)
            (folder / name).chmod(_FILE_MODE)
        self._own(folder)
        folder.chmod(_FOLDER_MODE)

    def _own(self, path: Path) -> None:
        if self.group is not None:
            os.chown(path, 0, self.group)

    def _judge(self, folder: Path, checker: str) -> None:
        judged = command.run([checker, "check", str(folder / CONFIG)], check=False)
        if judged.returncode != 0:
            said = (judged.stderr or judged.stdout).strip().replace(str(folder), str(self.current_link))
            raise GenerationError(f"alertpath-tunnel check refuses the configuration:\n{said}")
