# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that one module owns whole: read, and replaced in a single step that survives a crash."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Iterator, Optional, Union

PathLike = Union[str, "os.PathLike[str]"]

MARK = "Managed by the Ansible collection alertpath.smtp. Changes made here by hand are lost."


def read(path: PathLike) -> Optional[bytes]:
    """Return the bytes of *path*, or None when it does not exist."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None


def mode_of(path: PathLike) -> Optional[int]:
    """Return the permission bits of *path*, or None when it does not exist."""
    try:
        return stat.S_IMODE(Path(path).stat().st_mode)
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def staged(path: PathLike, content: bytes, mode: int = 0o644) -> Iterator[Path]:
    """Write *content* beside *path*, yield the temporary path, and swap it in when the body ends well.

    The body may validate the staged file with the tool that will read it. When the body raises, the
    temporary file is removed and *path* is as it was. The file is never visible with a wider mode than *mode*.
    """
    target = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
        temporary.replace(target)
        _sync_folder(target.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def replace(path: PathLike, content: bytes, mode: int = 0o644) -> None:
    """Replace *path* by *content* with *mode*, atomically and durably."""
    with staged(path, content, mode):
        pass


def remove(path: PathLike) -> bool:
    """Remove *path* durably; return whether it was there."""
    try:
        Path(path).unlink()
    except FileNotFoundError:
        return False
    _sync_folder(Path(path).parent)
    return True
