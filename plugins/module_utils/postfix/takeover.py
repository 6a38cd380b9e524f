# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a satellite's configuration in place, or the user's own back, as one transaction."""

from __future__ import annotations

import pwd
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional

from ..command import CommandError
from ..managed_file import read
from . import maincf, render
from .instance import Instance, version_tuple
from .model import Installation, Satellite
from .store import Change, Store

# Changing these takes a restart; a reload keeps the sockets that are open (postconf(5), inet_interfaces).
_SOCKETS = ("inet_interfaces", "inet_protocols", "master_service_disable", "queue_directory")


class TakeoverError(Exception):
    """The configuration was refused or did not come up. What was there before is in place again."""


@dataclass
class Outcome:
    """What a run found and did; *action* is what Postfix was told: none, start, reload, restart or stop."""

    changed: bool = False
    changes: List[Change] = field(default_factory=list)
    action: str = "none"
    version: str = ""
    backup: Optional[str] = None


class Takeover:
    """Bring the Postfix of the configuration directory *config* under management, or give it back."""

    def __init__(self, config: str, check_mode: bool) -> None:
        self.instance = Instance(config)
        self.store = Store(config)
        self.check_mode = check_mode
        if not (self.store.config / "master.cf").is_file():
            raise TakeoverError(f"{config}/master.cf is missing; install the package postfix again to get its default")
        if not check_mode:
            self.store.remove_stages()

    def present(self, satellite: Satellite) -> Outcome:
        """Make the host a satellite. Raises ValueRefused, CommandError or TakeoverError."""
        store, outcome = self.store, Outcome(version=self.instance.version)
        kept = maincf.kept(store.settings)
        installation = Installation(version_tuple(outcome.version), self.instance.known_parameters(), kept)
        files = render.maps(satellite)
        if store.slot and store.holds(files) and store.before == render.main_cf(satellite, installation, store.slot):
            return self._keep_running(outcome, satellite)
        slot = store.free_slot
        main = render.main_cf(satellite, installation, slot)
        outcome.changed, outcome.changes, outcome.action = True, store.changes(main, files), self._action(main)
        with store.stage(main, slot, files) as stage:
            self._validate(stage, satellite, slot, main)
        if not self.check_mode:
            if store.keep_original():
                outcome.backup = str(store.backup)
            store.fill(slot, files)
            self._switch(main, outcome.action, self._greeting(satellite))
            store.note_applied(main)
            if store.slot:
                store.drop(store.slot)
        return outcome

    def absent(self) -> Outcome:
        """Put back the main.cf that was there before the first takeover. Raises CommandError or TakeoverError."""
        store, outcome = self.store, Outcome(version=self.instance.version)
        if not store.managed:
            return outcome
        original = read(store.backup)
        if self.instance.running():
            outcome.action = "stop" if original is None else "restart"
        outcome.changed, outcome.changes = True, store.changes(original, {})
        if self.check_mode:
            return outcome
        if original is not None:
            with store.stage(original) as stage:
                self.instance.check(stage)
        self._switch(original, outcome.action, "")
        store.forget()
        return outcome

    def _keep_running(self, outcome: Outcome, satellite: Satellite) -> Outcome:
        running = self.instance.running()
        if running and self.store.applied():
            return outcome
        outcome.changed, outcome.action = True, "restart" if running else "start"
        if not self.check_mode:
            self.instance.restart()
            self.instance.wait_until_it_answers(self._greeting(satellite))
            self.store.note_applied(self.store.before or b"")
        return outcome

    @staticmethod
    def _greeting(satellite: Satellite) -> str:
        return satellite.hostname if satellite.loopback_smtp else ""

    def _action(self, main: bytes) -> str:
        if not self.instance.running():
            return "start"
        old, new = self.store.settings, maincf.parse(main.decode("utf-8"))
        same_sockets = self.store.managed and all(old.get(name) == new.get(name) for name in _SOCKETS)
        return "reload" if same_sockets else "restart"

    def _validate(self, stage: str, satellite: Satellite, slot: str, main: bytes) -> None:
        """Let Postfix read the staged files. Raises TakeoverError; nothing of the host has changed yet."""
        self._check_account(satellite.notice_recipient)
        words = self.instance.complaints(stage)
        if words:
            raise TakeoverError(f"Postfix refuses the rendered main.cf: {' | '.join(words)}. Nothing was changed")
        conflicts = maincf.master_conflicts(
            self.instance.master(stage, "-P"),
            self.instance.master(stage, "-M"),
            frozenset(maincf.parse(main.decode("utf-8"))),
            satellite.loopback_smtp,
        )
        if conflicts:
            raise TakeoverError(
                f"{self.store.config}/master.cf would undo the configuration: {'; '.join(conflicts)}. "
                "Remove that from master.cf. Nothing was changed"
            )
        for table, rows in render.expected_lookups(satellite).items():
            path = str(Path(stage) / render.MAPS / slot / table)
            for key, value in rows:
                found = self.instance.lookup(stage, path, key)
                if found != value:
                    raise TakeoverError(f"Postfix reads {found!r} for {key!r} in {table}. Nothing was changed")
        if not self.check_mode:  # it may create folders of the queue that are missing
            try:
                self.instance.check(stage)
            except CommandError as error:
                raise TakeoverError(f"postfix check refuses the files: {error}. Nothing was changed") from None

    @staticmethod
    def _check_account(name: Optional[str]) -> None:
        if name is None or "@" in name:
            return
        try:
            pwd.getpwnam(name)
        except KeyError:
            raise TakeoverError(
                f"notice_recipient: this host has no account {name}; create it, or give a mail address"
            ) from None

    def _switch(self, main: Optional[bytes], action: str, greeting: str) -> None:
        """Replace main.cf and let Postfix take it; on failure put back what was there and raise TakeoverError."""
        try:
            self.store.put(main)
            if action == "reload":
                self.instance.reload()
            elif action == "stop":
                self.instance.stop()
            elif action != "none":
                self.instance.restart()
            if action not in ("none", "stop"):
                self.instance.wait_until_it_answers(greeting)
        except (CommandError, OSError) as error:
            self._restore(action)
            raise TakeoverError(f"{error}. The configuration that was there before is in place again") from None

    def _restore(self, action: str) -> None:
        self.store.put(self.store.before)
        if not self.store.managed:
            self.store.forget()
        else:
            self.store.drop(self.store.free_slot)
        try:
            if action == "start":
                self.instance.stop()
            elif action != "none":
                self.instance.restart()
                self.instance.wait_until_it_answers("")
        except (CommandError, OSError) as error:
            raise TakeoverError(
                f"the configuration that was there before is in place again, but Postfix does not run with it: {error}"
            ) from None
