# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings the rules back after a restart: a file for nft and a systemd unit that loads it. The edge."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Tuple

from .. import command, managed_file
from .undo import Steps

RULES = "/etc/alertpath/firewall.nft"
SERVICE = "alertpath-firewall.service"
UNIT = f"/etc/systemd/system/{SERVICE}"

# What is allowed is nobody's business but the administrator's: nft lists the rules to root only, too.
RULES_MODE = 0o600
UNIT_MODE = 0o644

_BOOTED = "/run/systemd/system"  # sd_booted(3)
_REMEDY = "this host has no systemd: set persist to false and load the rules at boot by other means"

_LINKS = tuple(f"/etc/systemd/system/{wanting}.wants/{SERVICE}" for wanting in ("sysinit.target", "nftables.service"))

# Debian's nftables.service flushes every table when it starts, stops or reloads: the unit follows each of these.
_UNIT = """\
# {mark}
[Unit]
Description=SMTP firewall rules of Alertpath
Documentation=man:nft(8)
DefaultDependencies=no
After=local-fs.target nftables.service
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={nft} -f {rules}
ExecReload={nft} -f {rules}

[Install]
WantedBy=sysinit.target nftables.service
"""


Link = Tuple[str, str]


@dataclass(frozen=True)
class BootState:
    """What a restart would bring: the rules file, the unit, the links that enable it (path and target), and whether
    the unit has run."""

    rules: Optional[bytes]
    rules_mode: Optional[int]
    unit: Optional[bytes]
    unit_mode: Optional[int]
    links: Tuple[Link, ...]
    active: bool


NOTHING = BootState(None, None, None, None, (), False)


def wanted(rules: str, nft: str) -> BootState:
    """Return the state in which a restart brings the transaction *rules*, loaded by the command at the path *nft*."""
    unit = _UNIT.format(mark=managed_file.MARK, nft=nft, rules=RULES).encode()
    return BootState(rules.encode(), RULES_MODE, unit, UNIT_MODE, tuple((link, UNIT) for link in _LINKS), True)


def compared(old: BootState, new: BootState) -> List[Tuple[str, Tuple[str, str]]]:
    """Return what a reader compares: (name, (before, after)) of the rules file, the unit, and the unit's state."""
    return [
        (RULES, (_shown(old.rules, old.rules_mode, RULES_MODE), _shown(new.rules, new.rules_mode, RULES_MODE))),
        (UNIT, (_shown(old.unit, old.unit_mode, UNIT_MODE), _shown(new.unit, new.unit_mode, UNIT_MODE))),
        (SERVICE, (_words(old), _words(new))),
    ]


def _shown(content: Optional[bytes], mode: Optional[int], right: int) -> str:
    odd = "" if mode in (None, right) else f"# mode {mode:04o}\n"
    return odd + (content or b"").decode(errors="replace")


def _words(state: BootState) -> str:
    links = "".join(f"{link} -> {target}\n" for link, target in state.links)
    return f"{links}{'active' if state.active else 'inactive'}\n"


class Boot:
    """The rules file and the unit of this host."""

    def __init__(self) -> None:
        self.systemctl = command.find_tool("systemctl", _REMEDY)
        self.booted = Path(_BOOTED).is_dir()

    def state(self) -> BootState:
        """Return what is there. Where systemd does not run, a unit that is enabled counts as active."""
        # Path.readlink came with Python 3.9. systemctl is-enabled is content with any one of the links.
        links = tuple((link, os.readlink(link)) for link in _LINKS if Path(link).is_symlink())
        return BootState(
            managed_file.read(RULES),
            managed_file.mode_of(RULES),
            managed_file.read(UNIT),
            managed_file.mode_of(UNIT),
            links,
            self._active() if self.booted else len(links) == len(_LINKS),
        )

    def _active(self) -> bool:
        return command.run([self.systemctl, "--quiet", "is-active", SERVICE], check=False).returncode == 0

    def install(self, new: BootState, old: BootState, steps: Steps) -> None:
        """Put the unit of *new* in place, enabled and, on a running system, active."""
        steps.taken(UNIT, lambda: self._put_back(old))
        if (old.unit, old.unit_mode) != (new.unit, new.unit_mode):
            managed_file.replace(UNIT, new.unit or b"", UNIT_MODE)
            self._reload()
        command.run([self.systemctl, "--quiet", "enable", SERVICE])
        if self.booted:
            # Starting it loads the same rules once more: the proof that the next boot can.
            command.run([self.systemctl, "start", SERVICE])

    def uninstall(self, old: BootState, steps: Steps) -> None:
        """Remove the unit and its links."""
        steps.taken(UNIT, lambda: self._put_back(old))
        if self.booted and old.active:
            command.run([self.systemctl, "stop", SERVICE])
        self._link(())
        managed_file.remove(UNIT)
        self._reload()

    def _put_back(self, old: BootState) -> None:
        if self.booted and not old.active and self._active():
            command.run([self.systemctl, "stop", SERVICE])
        self._link(old.links)
        _put_back(UNIT, old.unit, UNIT_MODE if old.unit_mode is None else old.unit_mode)
        self._reload()
        if self.booted and old.active and not self._active():
            command.run([self.systemctl, "start", SERVICE])

    def _link(self, links: Tuple[Link, ...]) -> None:
        """Make *links* the only ones of the unit."""
        for link in map(Path, _LINKS):
            if link.is_symlink():
                link.unlink()
                with contextlib.suppress(OSError):  # a folder that holds other links stays
                    link.parent.rmdir()
        for name, target in links:
            Path(name).parent.mkdir(0o755, parents=True, exist_ok=True)
            Path(name).symlink_to(target)

    def _reload(self) -> None:
        if self.booted:
            command.run([self.systemctl, "daemon-reload"])


def clear_leftovers() -> None:
    """Make the folder of the rules file, and remove what a killed run left beside the files."""
    Path(RULES).parent.mkdir(0o755, parents=True, exist_ok=True)
    for path in map(Path, (RULES, UNIT)):
        for leftover in path.parent.glob(f".{path.name}.*"):
            managed_file.remove(leftover)


def put_back_rules(old: BootState) -> None:
    """Put the rules file back as *old* has it."""
    _put_back(RULES, old.rules, RULES_MODE if old.rules_mode is None else old.rules_mode)


def _put_back(path: str, content: Optional[bytes], mode: int) -> None:
    if content is None:
        managed_file.remove(path)
    else:
        managed_file.replace(path, content, mode)
