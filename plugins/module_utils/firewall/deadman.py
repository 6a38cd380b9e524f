# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead man outside the kernel: a timer of systemd, else a detached process, that puts everything back. The edge.

The kernel's own goes back to the old rules; this one also removes what stood beside them, and puts the boot file back
when a confirmation was cut off half way. It is rehearsed in the context in which it will run: another network
namespace or a missing privilege would leave it without effect.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Dict, List, Optional

from .. import command
from . import boot, gate, pending

_BOOTED = "/run/systemd/system"
_REHEARSAL = "the way back cannot be gone by the process that would have to"

BEFORE_RULES, BEFORE_BOOT, NO_BOOT, SCRIPT = "before.nft", "boot.nft", "boot.none", "rollback.sh"

# It gives up the lock after a while: whoever holds it for so long is stuck.
_SCRIPT = """\
# Puts the rules back that were there before the change {id}, unless it was confirmed.
exec 9>>{lock}
flock -w 5 9
cd {folder} && [ -e pending ] || exit 0
for pause in 0 1 2 5; do
    sleep $pause
    {nft} -f before.nft || continue
    {nft} list chains inet | grep -q 'chain {sign} ' && continue
    if [ -e boot.nft ]; then
        cp -p boot.nft {rules}.$$ && mv {rules}.$$ {rules}
    elif [ -e boot.none ]; then
        rm -f {rules}
    fi
    mv pending rolled-back
    exit 0
done
exit 1
"""


class DeadMan:
    """What goes back to the old rules by itself, for the change whose files lie in *folder*."""

    def __init__(self, folder: Path, nft: str) -> None:
        self._folder, self._nft = folder, nft
        self._unit = f"alertpath-firewall-{folder.name}"
        self._systemd = self._find_systemd()

    @staticmethod
    def files(identity: str, nft: str, lock: str, before: str, old: Optional[boot.BootState]) -> Dict[str, bytes]:
        """Return what its folder must hold: the script, the transaction *before*, and the boot file, if one is kept."""
        folder = Path(pending.FOLDER) / identity
        words = {"id": identity, "lock": lock, "folder": folder, "nft": nft, "rules": boot.RULES, "sign": gate.SIGN}
        script = _SCRIPT.format(**{name: shlex.quote(str(value)) for name, value in words.items()})
        found = {SCRIPT: script.encode(), BEFORE_RULES: before.encode()}
        if old:
            found[NO_BOOT if old.rules is None else BEFORE_BOOT] = b"" if old.rules is None else old.rules.content
        return found

    def _find_systemd(self) -> Optional[str]:
        """The path of systemd-run, None where systemd does not run."""
        if not Path(_BOOTED).is_dir():
            return None
        try:
            return command.find_tool("systemd-run", "install the package systemd")
        except command.CommandError:
            return None

    def arm(self, seconds: float) -> str:
        """Let the script run in *seconds*, unless disarmed; return what was armed, in words.

        Raises CommandError when the way back fails its rehearsal, or nothing could be armed.
        """
        if self._systemd and self._same_network(self._systemd):
            self._rehearse([self._systemd, "--quiet", "--wait", "--collect", "--pipe"])
            command.run(
                [
                    *(self._systemd, "--quiet", "--collect", f"--unit={self._unit}", f"--on-active={seconds:.1f}s"),
                    *("--timer-property=AccuracySec=100ms", "--description=Way back of an SMTP firewall change"),
                    *("/bin/sh", str(self._folder / SCRIPT)),
                ]
            )
            self._systemctl("is-active", check=True)
            return f"{self._unit}.timer"
        self._rehearse([])
        setsid = command.find_tool("setsid", "install the package util-linux")
        words = f"sleep {seconds:.1f}; exec sh {shlex.quote(str(self._folder / SCRIPT))}"
        # Without its own output the process would keep this one waiting for the end of it.
        detach = f"{shlex.quote(setsid)} -f sh -c {shlex.quote(words)} </dev/null >/dev/null 2>&1"
        command.run(["sh", "-c", detach])
        return "a detached process"

    def _same_network(self, systemd: str) -> bool:
        asked = [systemd, "--quiet", "--wait", "--collect", "--pipe", "readlink", "/proc/self/ns/net"]
        return command.run(asked).stdout.strip() == os.readlink("/proc/self/ns/net")

    def _rehearse(self, context: List[str]) -> None:
        before = str(self._folder / BEFORE_RULES)
        try:
            command.run([*context, self._nft, "--check", "--file", before])
        except command.CommandError as error:
            raise command.CommandError(f"{_REHEARSAL}: {error}; nothing was changed") from None

    def disarm(self) -> None:
        """Stop the timer. A detached process finds nothing to do when its time comes."""
        if self._systemd:
            self._systemctl("stop", check=False)

    def _systemctl(self, verb: str, check: bool) -> None:
        systemctl = command.find_tool("systemctl", "install the package systemd")
        command.run([systemctl, "--quiet", verb, f"{self._unit}.timer"], check=check)
