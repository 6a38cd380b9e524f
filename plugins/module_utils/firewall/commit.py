# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that the controller must confirm over a new connection, else it is taken back. The edge.

Two dead men that need nothing of each other are armed before the change: gate.py inside the kernel, deadman.py outside.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any, Iterator, Mapping, NamedTuple, Optional

from .. import managed_file
from . import boot, deadman, gate, lock, pending, render, session
from .model import Ruleset
from .nft import Nft

# So much later than the kernel's, the other dead man finds the old rules in force already.
_LATER = 0.5
# What is confirmed at the last moment might be taken back at the same time.
_MARGIN = 1.0
_ID = re.compile(r"[A-Za-z0-9-]{8,64}\Z")
_PAUSE = 0.2


class NotConfirmed(Exception):
    """A confirmation that is refused. *kind* says why: "session" (too old), "late", or "unknown"."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        super().__init__(text)


class Change(NamedTuple):
    """What the controller asks for: the change's *id*, in how many *seconds* it must be confirmed, and whether the
    controller comes over the network, so that the change could cut it off."""

    id: str
    seconds: float
    remote: bool


class Begun(NamedTuple):
    """A change that waits for its confirmation: its *id*, the *seconds* it has, and the dead men that are armed."""

    id: str
    seconds: float
    dead_men: str


def from_options(options: Mapping[str, Any]) -> Optional[Change]:
    """Return the change of the module's *options* transaction and confirm_timeout, None without the former.

    Raises ValueError when the id, which becomes a folder's name, or the time is none.
    """
    seconds = options["confirm_timeout"]
    if not 5 <= seconds <= 3600:
        raise ValueError(f"confirm_timeout: {seconds} is not a number of seconds from 5 to 3600")
    asked = options.get("transaction")
    if not asked:
        return None
    if not _ID.match(asked["id"]):
        raise ValueError(f"transaction: {asked['id']!r} is not an id: write 8 to 64 letters, digits and hyphens")
    return Change(asked["id"], float(seconds), asked["remote"])


def needed(options: Mapping[str, Any], ruleset: Ruleset, change: Optional[Change]) -> Optional[Change]:
    """Return *change* when the module's *options* want *ruleset* confirmed, None when they do not.

    Raises ValueError when they do and there is no controller's half that could.
    """
    wish = options["commit_confirm"]
    if wish == "never" or (wish == "auto" and ruleset.management is None):
        return None
    if change is None:
        raise ValueError(
            "commit_confirm: no controller's half is there to confirm the rules: run the module by its full name "
            "alertpath.smtp.smtp_firewall in a play, without async"
        )
    return change


def state(identity: str) -> str:
    """Return how the change *identity* stands: "pending", "confirmed", "rolled-back", or "unknown"."""
    record = pending.find(identity)
    if record is None or record.system != session.system():
        return "unknown"
    return pending.ROLLED_BACK if record.state == pending.PENDING and record.left() <= 0 else record.state


@contextlib.contextmanager
def alone(nft: Nft, lock_path: str, patience: float) -> Iterator[str]:
    """Hold the lock while the body runs, with no change waiting for its confirmation and nothing left of one that
    nobody confirmed; yield the chains that are loaded then (nft list chains inet).

    Waits up to *patience* seconds for both, else raises LockBusy.
    """
    deadline = time.monotonic() + patience
    while True:
        with lock.held(lock_path, max(0.0, deadline - time.monotonic())):
            record = pending.waiting()
            if record is None or record.system != session.system() or record.left() <= 0:
                yield _settle(nft, record)
                return
        # The lock is free meanwhile: the confirmation needs it.
        if time.monotonic() >= deadline:
            raise lock.LockBusy(
                f"a change of another run (id {record.id}) waits for its confirmation for {record.left():.0f} s more: "
                "wait until it is confirmed or taken back, or set a longer lock_timeout; nothing was changed"
            )
        time.sleep(_PAUSE)


def _settle(nft: Nft, record: Optional[pending.Record]) -> str:
    chains = nft.chains()
    if gate.unconfirmed(chains):
        nft.load(way_back(effective(nft, chains)))
        if record is not None:
            _restore_boot(record)
        chains = nft.chains()
    if record is not None:
        pending.move(record, pending.ROLLED_BACK)
    return chains


def _restore_boot(record: pending.Record) -> None:
    content = managed_file.read(record.folder / deadman.BEFORE_BOOT)
    if content is not None:
        boot.put_back(boot.File(content, boot.RULES_MODE))
    elif (record.folder / deadman.NO_BOOT).exists():
        boot.put_back(None)


def effective(nft: Nft, chains: str) -> Optional[str]:
    """Return the listing of the rules that hold, or will once a change that waits is not confirmed; None for none.

    *chains* are those that are loaded.
    """
    if not gate.unconfirmed(chains):
        return nft.listing()
    before = nft.listing(render.BEFORE)
    return None if before is None else gate.former(before)


def way_back(before: Optional[str]) -> str:
    """Return the transaction that puts the table with the listing *before* in place of whatever is ours."""
    return render.removing() if before is None else render.replacing(before)


def begin(nft: Nft, wanted: render.Rendered, change: Change, old: Optional[boot.BootState], lock_path: str) -> Begun:
    """Let *wanted* hold until it is confirmed, or for *change.seconds*. It is called within alone.

    Raises CommandError when something failed; the rules are as they were then.
    """
    before = nft.listing()
    back = way_back(before)
    text = gate.staged(wanted.table, before, change.seconds)
    nft.check(text)
    files = deadman.DeadMan.files(change.id, nft.path, lock_path, back, old)
    dead_man = deadman.DeadMan(pending.begin(change.id, files), nft.path)
    start = pending.now()
    record = pending.Record(change.id, pending.PENDING, session.system(), wanted.digest, start, start + change.seconds)
    pending.note(record)
    try:
        armed = dead_man.arm(change.seconds + _LATER)
        nft.load(text)
    except BaseException:
        dead_man.disarm()
        pending.forget()
        raise
    applied = pending.now()
    pending.note(record._replace(applied=applied, deadline=min(record.deadline, applied + change.seconds)))
    return Begun(change.id, change.seconds, f"the kernel; {armed}")


def ready(nft: Nft, change: Change, digest: str) -> Optional[pending.Record]:
    """Return the record of *change* when it may be confirmed now, None when it was confirmed before. The lock is held.

    Raises NotConfirmed when it is too late, the session is older than the change, or nothing is known of it.
    """
    identity = change.id
    record = pending.find(identity)
    if record is None or record.system != session.system():
        raise NotConfirmed("unknown", f"this host knows of no change {identity}: it was restarted, or never began it")
    if record.digest != digest:
        raise NotConfirmed("unknown", f"the change {identity} has other rules than those that are to be confirmed")
    if record.state == pending.CONFIRMED:
        return None
    if record.state == pending.ROLLED_BACK or record.left() < _MARGIN or not gate.armed(nft.armed_set()):
        raise NotConfirmed("late", f"the change {identity} was not confirmed in time and is taken back")
    found = session.current(change.remote)
    if found.over == "unknown":
        raise NotConfirmed("session", "no ssh daemon is above this process, so the age of its session is not known")
    if found.over == "ssh" and found.started < record.applied:
        age = record.applied - found.started
        raise NotConfirmed(
            "session", f"this session is {age:.1f} s older than the change, and does not prove that a new one can begin"
        )
    return record


def abandon(record: pending.Record, nft: Nft) -> None:
    """Take the change of *record* back at once, because it could not be confirmed, and disarm the dead men."""
    chains = nft.chains()
    if gate.unconfirmed(chains):
        nft.load(way_back(effective(nft, chains)))
    pending.move(record, pending.ROLLED_BACK)
    deadman.DeadMan(record.folder, nft.path).disarm()


def close(record: pending.Record, nft: Nft) -> None:
    """Note that *record* is confirmed and disarm what would take it back; the new rules are loaded for good."""
    pending.move(record, pending.CONFIRMED)
    deadman.DeadMan(record.folder, nft.path).disarm()
