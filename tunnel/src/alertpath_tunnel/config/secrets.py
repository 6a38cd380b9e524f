# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files a configuration names: secrets, keys and certificates."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from alertpath_tunnel.config.model import File
from alertpath_tunnel.config.problems import Problem

_CREDENTIALS = "credentials:"
_LARGEST = 64 * 1024 * 1024  # octets; the longest revocation lists have a few tens of megabytes


class FileProblem(Exception):
    """A file that cannot be used; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def resolve(file: File) -> Path:
    """Return the path of `file`. Raises FileProblem when it lies among credentials and there are none."""
    try:
        unusable = b"\0" in os.fsencode(file.name)
    except UnicodeEncodeError:
        unusable = True
    if unusable:
        raise FileProblem(Problem(file.at, file.name, "cannot be the name of a file", "correct it"))
    if not file.name.startswith(_CREDENTIALS):
        return Path(file.name)
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise FileProblem(
            Problem(
                file.at, file.name, "needs $CREDENTIALS_DIRECTORY, which is not set", "start by systemd", warning=True
            )
        )
    return Path(directory) / file.name.removeprefix(_CREDENTIALS)


def check_file(file: File) -> Path:
    """Return the path of `file` once it is known that reading it comes to an end. Raises FileProblem."""
    return _look_at(file)[0]


def _look_at(file: File) -> tuple[Path, os.stat_result]:
    path = resolve(file)
    try:
        found = path.stat()
    except OSError as error:
        raise FileProblem(
            Problem(file.at, file.name, f"cannot be read: {error.strerror}", "check path and mode")
        ) from error
    # A pipe or a device would hold up the whole service, at its start and at each reload.
    if not stat.S_ISREG(found.st_mode):
        raise FileProblem(Problem(file.at, file.name, "is no regular file", "name a file"))
    if found.st_size > _LARGEST:
        raise FileProblem(Problem(file.at, file.name, f"is larger than {_LARGEST} octets", "name another file"))
    return path, found


def check_private(file: File) -> Path:
    """Return the path of a secret file after a look at its mode. Raises FileProblem."""
    path, found = _look_at(file)
    if stat.S_IMODE(found.st_mode) & 0o007:
        raise FileProblem(Problem(file.at, file.name, "can be read by everybody", f"chmod o= {path}"))
    return path


def read_secret(file: File, least: int = 1) -> bytes:
    """Return a secret: the file without one line end at its end, at least `least` octets. Raises FileProblem."""
    path = check_private(file)
    try:
        secret = path.read_bytes()
    except OSError as error:
        raise FileProblem(
            Problem(file.at, file.name, f"cannot be read: {error.strerror}", "check path and mode")
        ) from error
    secret = secret.removesuffix(b"\n").removesuffix(b"\r")
    if len(secret) < least:
        raise FileProblem(Problem(file.at, file.name, f"holds fewer than {least} octets", "write a longer secret"))
    return secret
