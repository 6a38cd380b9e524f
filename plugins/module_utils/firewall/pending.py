# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a change that waits for its confirmation: a folder that does not outlive the system. The edge.

The folder has the change's id for its name. One file in it says how the change stands by its own name, so that a step
from one state to the next is one rename, which the shell of the dead man can do as well.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from .. import managed_file

FOLDER = "/run/alertpath-firewall"
PENDING, CONFIRMED, ROLLED_BACK = "pending", "confirmed", "rolled-back"
_STATES = (PENDING, CONFIRMED, ROLLED_BACK)
_SECRET = 0o600  # what is allowed is nobody's business but the administrator's


class Record(NamedTuple):
    """A change: its *id*, its *state*, the *system* it was made on, the digest of its rules, and when it was begun and
    when it ends unless confirmed, in seconds since the system was started."""

    id: str
    state: str
    system: str
    digest: str
    applied: float
    deadline: float

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return Path(FOLDER) / self.id

    def left(self) -> float:
        """How many seconds are left to confirm it; nothing or less when it is too late."""
        return self.deadline - now()


def now() -> float:
    """Return the seconds since the system was started, those in suspension among them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def find(identity: str) -> Optional[Record]:
    """Return the record of the change *identity*, or None when this system knows nothing of it."""
    for state in _STATES:
        content = managed_file.read(Path(FOLDER) / identity / state)
        if content is not None:
            data: Dict[str, Any] = json.loads(content)
            return Record(identity, state, data["system"], data["digest"], data["applied"], data["deadline"])
    return None


def waiting() -> Optional[Record]:
    """Return the change that waits for its confirmation, if there is one."""
    return next((record for record in _all() if record.state == PENDING), None)


def _all() -> List[Record]:
    folder = Path(FOLDER)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [record for record in map(find, names) if record]


def begin(identity: str, files: Dict[str, bytes]) -> Path:
    """Forget the changes before, make the folder of the change *identity* with its *files*, and return it."""
    folder = Path(FOLDER)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(0o700)
    (folder / identity).mkdir(0o700)
    for name, content in files.items():
        managed_file.replace(folder / identity / name, content, _SECRET)
    return folder / identity


def note(record: Record) -> None:
    """Write *record* down under its state."""
    data = {name: getattr(record, name) for name in ("system", "digest", "applied", "deadline")}
    managed_file.replace(record.folder / record.state, json.dumps(data).encode(), _SECRET)


def move(record: Record, state: str) -> None:
    """Let *record* be in *state* from now on, in one step."""
    (record.folder / record.state).rename(record.folder / state)


def forget() -> None:
    """Remove every record."""
    shutil.rmtree(FOLDER, ignore_errors=True)
