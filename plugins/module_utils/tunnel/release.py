# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of the tunnel service on a host: each in a folder of its own, one of them current.

```
/opt/alertpath-tunnel/releases/DIGEST/   a virtual environment, with the file .complete once it works
/opt/alertpath-tunnel/current            a symbolic link to the release that runs
```
A crash at any point leaves the current release as it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Dict, Iterator, Optional

from .. import command, managed_file

ROOT = Path("/opt/alertpath-tunnel")
PROGRAM = "alertpath-tunnel"
_COMPLETE = ".complete"
_KEPT = 2
_INSTALL = (
    *("install", "--quiet", "--no-index", "--no-cache-dir", "--disable-pip-version-check"),
    *("--no-warn-script-location", "--root-user-action", "ignore"),
)


class ReleaseError(Exception):
    """A release could not be installed; the current one goes on."""


def interpreter() -> Dict[str, str]:
    """Return what wheels for this host must fit: Python version, machine and C library."""
    library, version = platform.libc_ver()
    return {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "implementation": sys.implementation.name,
        "machine": platform.machine(),
        "libc": library or sysconfig.get_config_var("MULTIARCH") or "",
        "libc_version": version,
    }


class Releases:
    """The releases below *root*."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.current_link = root / "current"

    def current(self) -> Optional[str]:
        """Return the digest of the release that is current and whole, or None."""
        try:
            folder = self.root / os.readlink(self.current_link)
        except OSError:
            return None
        return folder.name if (folder / _COMPLETE).exists() else None

    def install(self, digest: str, wheelhouse: Path) -> None:
        """Install the wheels of the folder *wheelhouse* as release *digest*, prove that it starts, make it current.

        Raises ReleaseError, CommandError or OSError; the current release is then as it was.
        """
        with self._alone():
            folder = self.root / "releases" / digest
            if not (folder / _COMPLETE).exists():
                _build(folder, wheelhouse)
            self._switch(folder)
            self._prune(keep=digest)

    def remove(self) -> bool:
        """Remove every release; return whether there was any."""
        if not self.root.exists():
            return False
        managed_file.remove(self.current_link)
        shutil.rmtree(self.root)
        return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep a second run on this host out, and make what is written readable by the service's user."""
        before = os.umask(0o022)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        finally:
            os.umask(before)

    def _switch(self, folder: Path) -> None:
        staged = self.root / ".current"
        managed_file.remove(staged)
        staged.symlink_to(Path("releases") / folder.name)
        staged.replace(self.current_link)

    def _prune(self, keep: str) -> None:
        """Keep the current release and the one before it, to go back to by hand."""
        others = [path for path in (self.root / "releases").iterdir() if path.name != keep]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[_KEPT - 1 :]:
            shutil.rmtree(path)


def _build(folder: Path, wheelhouse: Path) -> None:
    pips = sorted(wheelhouse.glob("pip-*.whl"))
    if not pips:
        raise ReleaseError(f"{wheelhouse} holds no wheel of pip; fill the wheelhouse again")
    if folder.exists():
        shutil.rmtree(folder)
    try:
        # Without pip: Debian has venv in its standard library, but ensurepip in a package of its own.
        command.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)])
        python = str(folder / "bin" / "python")
        command.run(
            [*(python, "-I", f"{pips[-1]}/pip"), *_INSTALL, "--find-links", str(wheelhouse), PROGRAM],
            timeout=300,
            # The host's own pip configuration has no say in an installation from files.
            env={"PIP_CONFIG_FILE": os.devnull},
        )
        command.run([str(folder / "bin" / PROGRAM), "version"])
        os.sync()
        managed_file.replace(folder / _COMPLETE, b"")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
