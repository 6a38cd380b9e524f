# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings the rules back after a restart: a file for nft and a systemd unit that loads it. The edge."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

from .. import command, managed_file
from .undo import Steps

RULES = "/etc/alertpath/firewall.nft"
# A table of our name that somebody else made: kept, to be put back when ours is removed.
ORIGINAL = "/etc/alertpath/original.nft"
SERVICE = "alertpath-firewall.service"
UNIT = f"/etc/systemd/system/{SERVICE}"
DROP_IN = "/etc/systemd/system/nftables.service.d/alertpath-firewall.conf"
LINK = f"/etc/systemd/system/sysinit.target.wants/{SERVICE}"

# What is allowed is nobody's business but the administrator's: nft lists the rules to root only, too.
RULES_MODE = 0o600
_UNIT_MODE = 0o644

_BOOTED = "/run/systemd/system"  # sd_booted(3)
_REMEDY = "this host has no systemd: set persist to false and load the rules at boot by other means"

_UNIT = """\
# {mark}
[Unit]
Description=SMTP firewall rules of Alertpath
Documentation=man:nft(8)
DefaultDependencies=no
ConditionPathExists={rules}
After=local-fs.target nftables.service
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={nft} -f {rules}
ExecReload={nft} -f {rules}

[Install]
WantedBy=sysinit.target
"""

# Dependencies between units do not do: systemd starts a unit that is already active no second time, and orders no
# reloads.
_DROP_IN = """\
# {mark}
# This service removes every table when it starts, reloads or stops: the SMTP rules are put back at once.
[Service]
ExecStartPost=-{nft} -f {rules}
ExecReload=-{nft} -f {rules}
ExecStopPost=-{nft} -f {rules}
"""


class File(NamedTuple):
    """A file's bytes and permission bits."""

    content: bytes
    mode: int


@dataclass(frozen=True)
class BootState:
    """What a restart would bring: the rules file, the unit, the drop-in that keeps nftables.service from removing the
    rules, the target of the link that enables the unit, and whether the unit has run."""

    rules: Optional[File]
    unit: Optional[File]
    drop_in: Optional[File]
    link: Optional[str]
    active: bool


NOTHING = BootState(None, None, None, None, False)


def wanted(rules: str, nft: str) -> BootState:
    """Return the state in which a restart brings the transaction *rules*, loaded by the command at the path *nft*."""

    def filled(text: str) -> File:
        return File(text.format(mark=managed_file.MARK, nft=nft, rules=RULES).encode(), _UNIT_MODE)

    return BootState(File(rules.encode(), RULES_MODE), filled(_UNIT), filled(_DROP_IN), UNIT, True)


def compared(old: BootState, new: BootState) -> List[Tuple[str, Tuple[str, str]]]:
    """Return what a reader compares: (name, (before, after)) of each file, and of the unit's state."""
    return [
        (RULES, (_shown(old.rules), _shown(new.rules))),
        (UNIT, (_shown(old.unit), _shown(new.unit))),
        (DROP_IN, (_shown(old.drop_in), _shown(new.drop_in))),
        (SERVICE, (_words(old), _words(new))),
    ]


def _shown(file: Optional[File]) -> str:
    return f"mode {file.mode:04o}\n{file.content.decode(errors='replace')}" if file else ""


def _words(state: BootState) -> str:
    link = f"{LINK} -> {state.link}" if state.link else "not enabled"
    return f"{link}\n{'active' if state.active else 'inactive'}\n"


class Boot:
    """The files and the unit of this host."""

    def __init__(self) -> None:
        self.systemctl = command.find_tool("systemctl", _REMEDY)
        self.booted = Path(_BOOTED).is_dir()

    def state(self) -> BootState:
        """Return what is there. Where systemd does not run, a unit that is enabled counts as active."""
        link = _target(LINK)
        active = self._active() if self.booted else link is not None
        return BootState(_file(RULES), _file(UNIT), _file(DROP_IN), link, active)

    def _active(self) -> bool:
        return command.run([self.systemctl, "--quiet", "is-active", SERVICE], check=False).returncode == 0

    def install(self, new: BootState, old: BootState, steps: Steps) -> None:
        """Put the unit and the drop-in of *new* in place, the unit enabled and, on a running system, active."""
        steps.taken(UNIT, lambda: self._put_back(old))
        _write(UNIT, new.unit)
        _write(DROP_IN, new.drop_in)
        self._reload()
        if old.link not in (None, UNIT):
            _relink(None)
        command.run([self.systemctl, "--quiet", "enable", SERVICE])
        if self.booted:
            # Starting it loads the same rules once more: the proof that the next boot can.
            command.run([self.systemctl, "start", SERVICE])

    def uninstall(self, old: BootState, steps: Steps) -> None:
        """Remove the unit, the drop-in and the link."""
        steps.taken(UNIT, lambda: self._put_back(old))
        if self.booted and old.active:
            command.run([self.systemctl, "stop", SERVICE])
        _relink(None)
        _write(UNIT, None)
        _write(DROP_IN, None)
        self._reload()

    def _put_back(self, old: BootState) -> None:
        if self.booted and not old.active and self._active():
            command.run([self.systemctl, "stop", SERVICE])
        _relink(old.link)
        _write(UNIT, old.unit)
        _write(DROP_IN, old.drop_in)
        self._reload()
        if self.booted and old.active and not self._active():
            command.run([self.systemctl, "start", SERVICE])

    def _reload(self) -> None:
        if self.booted:
            command.run([self.systemctl, "daemon-reload"])


def clear_leftovers() -> None:
    """Make the folder of the rules file, and remove what a killed run left beside the files."""
    Path(RULES).parent.mkdir(0o755, parents=True, exist_ok=True)
    for path in map(Path, (RULES, UNIT, DROP_IN)):
        for leftover in path.parent.glob(f".{path.name}.*"):
            managed_file.remove(leftover)


def put_back(rules: Optional[File]) -> None:
    """Put the file *rules* back, or remove what is there when there was none."""
    _write(RULES, rules)


def original() -> Optional[str]:
    """Return the listing of the table that ours took the place of, or None when there was none."""
    content = managed_file.read(ORIGINAL)
    return None if content is None else content.decode(errors="replace")


def keep_original(listing: Optional[str]) -> None:
    """Keep the *listing* of the table that ours takes the place of; with None, forget it."""
    _write(ORIGINAL, None if listing is None else File(listing.encode(), RULES_MODE))


def remove_rules() -> None:
    """Remove the rules file, and its folder when nothing else is there."""
    _write(RULES, None)


def _file(path: str) -> Optional[File]:
    try:
        with open(path, "rb") as stream:
            return File(stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode))
    except FileNotFoundError:
        return None


def _write(path: str, file: Optional[File]) -> None:
    parent = Path(path).parent
    if file is not None:
        parent.mkdir(0o755, parents=True, exist_ok=True)
        if _file(path) != file:
            managed_file.replace(path, file.content, file.mode)
    elif parent.is_dir():
        managed_file.remove(path)
        with contextlib.suppress(OSError):  # a folder that holds something else stays
            parent.rmdir()


def _target(link: str) -> Optional[str]:
    # Path.readlink came with Python 3.9. systemctl is-enabled is content with other links, too.
    return os.readlink(link) if Path(link).is_symlink() else None


def _relink(target: Optional[str]) -> None:
    link = Path(LINK)
    if link.is_symlink():
        link.unlink()
        with contextlib.suppress(OSError):
            link.parent.rmdir()
    if target is not None:
        link.parent.mkdir(0o755, parents=True, exist_ok=True)
        link.symlink_to(target)
