# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what is declared with what is loaded and what a restart would bring, and make them one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import ContextManager, Dict, List, Optional

from .. import managed_file
from . import boot, commit, listing, lock, render
from .model import Ruleset
from .nft import Nft
from .undo import Steps

LOCK = "/run/alertpath-firewall.lock"
_AS_BEFORE = "the rules, the boot file and the unit are as they were before"
_WHOLE = f"nft loads all of a table or nothing: nft list table inet {render.TABLE} shows what is loaded"


@dataclass(frozen=True)
class Outcome:
    """What was found, and what was, or in check mode would be, done."""

    live_differs: bool
    boot_differs: bool
    elements: int
    blocked: Dict[str, Dict[str, int]] = field(default_factory=dict)
    diff: List[Dict[str, str]] = field(default_factory=list)
    begun: Optional[commit.Begun] = None
    """Set when the change holds for a while only, until it is confirmed."""

    @property
    def changed(self) -> bool:
        """Whether anything differed from what was declared."""
        return self.live_differs or self.boot_differs


@dataclass(frozen=True)
class _Live:
    """The loaded table against the declared one. Listings are None where nobody had to read them."""

    differs: bool
    before: Optional[str]
    after: Optional[str]
    digest: Optional[str]


class Firewall:
    """The firewall of this host.

    *persist*: whether the boot file and the unit are managed too. *check*: compare, and touch nothing. *show*: fill
    in the diff. *patience*: seconds to wait for another run.
    """

    def __init__(self, persist: bool = True, check: bool = False, show: bool = False, patience: float = 30.0) -> None:
        self.nft = Nft()
        self._boot = boot.Boot() if persist else None
        self._check, self._show, self._patience = check, show, patience

    def present(self, ruleset: Ruleset, change: Optional[commit.Change] = None) -> Outcome:
        """Make *ruleset* the rules of this host, now and, with *persist*, after a restart.

        With *change*, other rules than the loaded ones hold for its seconds only, and what a restart brings is left
        alone, until confirm is called. Raises CommandError, LockBusy or OSError before anything was changed,
        ChangeFailed after a change was begun and taken back.
        """
        wanted = render.render(ruleset)
        begun = None
        with self._alone() as chains:
            live = self._compare(wanted, chains)
            old = self._boot.state() if self._boot else None
            new = boot.wanted(wanted.text, self.nft.path) if self._boot else None
            if not self._check and change and live.differs:
                begun = commit.begin(self.nft, wanted, change, old, LOCK)
            elif not self._check:
                with Steps(_AS_BEFORE if self._boot else _WHOLE) as steps:
                    self._apply(wanted, live, old, new, steps)
        counted = {direction: {"packets": 0, "bytes": 0} for direction in ruleset.directions()}
        if live.before is not None and (self._check or not live.differs):
            counted.update(listing.blocked(live.before))
        return Outcome(live.differs, old != new, wanted.elements, counted, self._diff(live, old, new), begun)

    def confirm(self, ruleset: Ruleset, change: commit.Change) -> None:
        """Make *change*, which waits, last. It was begun with *ruleset*. A second call does nothing.

        Raises NotConfirmed when this is refused, and what present raises.
        """
        wanted = render.render(ruleset)
        with lock.held(LOCK, self._patience):
            record = commit.ready(self.nft, change, wanted.digest)
            if record is None:
                return
            old = self._boot.state() if self._boot else None
            new = boot.wanted(wanted.text, self.nft.path) if self._boot else None
            with Steps(_AS_BEFORE if self._boot else _WHOLE) as steps:
                steps.taken(f"the record of the change {change.id}", lambda: commit.abandon(record, self.nft))
                before = commit.effective(self.nft, self.nft.chains())
                live = _Live(True, before, None, listing.digest(before or ""))
                self._apply(wanted, live, old, new, steps)
                commit.close(record, self.nft)
                if listing.digest(self.nft.chains()) != wanted.digest:
                    raise commit.NotConfirmed("late", f"the change {change.id} was taken back while it was confirmed")

    def absent(self) -> Outcome:
        """Remove the rules of this host and, with *persist*, what would bring them back; a table of their name that was
        there before them is put back. Raises as present does."""
        with self._alone() as chains:
            old = self._boot.state() if self._boot else None
            new = boot.NOTHING if self._boot else None
            before = commit.effective(self.nft, chains)
            # A table without our digest, on a host without our boot file, is somebody else's.
            ours = listing.digest(chains) is not None or (old is not None and old.rules is not None)
            live = _Live(ours and before is not None, before, boot.original() if ours else before, None)
            if not self._check:
                with Steps(_AS_BEFORE if self._boot else _WHOLE) as steps:
                    self._remove(live, old, steps)
        counted = listing.blocked(before or "") if ours else {}
        return Outcome(live.differs, old != new, 0, counted, self._diff(live, old, new))

    def _alone(self) -> ContextManager[str]:
        return (
            contextlib.nullcontext(self.nft.chains()) if self._check else commit.alone(self.nft, LOCK, self._patience)
        )

    def _compare(self, wanted: render.Rendered, chains: str) -> _Live:
        hurried = not self._check and not self._show
        digest = listing.digest(chains)
        if hurried and digest not in (None, wanted.digest):
            # Other rules were loaded: they differ, and reading thousands of elements would only cost time.
            return _Live(True, None, None, digest)
        before = commit.effective(self.nft, chains)
        if hurried and before is None:
            return _Live(True, None, None, None)
        after = self.nft.rehearse(wanted.text)
        differs = before is None or listing.canonical(before) != listing.canonical(after)
        return _Live(differs, before, after, digest)

    def _apply(
        self,
        wanted: render.Rendered,
        live: _Live,
        old: Optional[boot.BootState],
        new: Optional[boot.BootState],
        steps: Steps,
    ) -> None:
        with contextlib.ExitStack() as staged:
            if old and new and new.rules and old.rules != new.rules:
                boot.clear_leftovers()
                steps.taken(boot.RULES, lambda: boot.put_back(old.rules))
                staged.enter_context(managed_file.staged(boot.RULES, new.rules.content, new.rules.mode))
            if live.differs:
                if live.before is not None and live.digest is None and old and old.rules is None:
                    boot.keep_original(live.before)
                    steps.taken(boot.ORIGINAL, lambda: boot.keep_original(None))
                if old:
                    back = self._way_back(live, old)
                    steps.taken(f"the table inet {render.TABLE}", lambda: self.nft.load(back))
                self.nft.load(wanted.text)
        if self._boot and old and new and replace(old, rules=new.rules) != new:
            self._boot.install(new, old, steps)

    def _way_back(self, live: _Live, old: boot.BootState) -> str:
        """Return the transaction that restores the loaded table: from the boot file when that is what was loaded."""
        if live.before is None and live.digest is not None and old.rules:
            saved = old.rules.content.decode(errors="replace")
            if render.mark(live.digest) in saved:
                return saved
        before = live.before if live.before is not None else self.nft.listing()
        return commit.way_back(before)

    def _remove(self, live: _Live, old: Optional[boot.BootState], steps: Steps) -> None:
        if live.differs:
            back = commit.way_back(live.before)
            steps.taken(f"the table inet {render.TABLE}", lambda: self.nft.load(back))
            self.nft.load(commit.way_back(live.after))
            if live.after is not None:
                original = live.after
                steps.taken(boot.ORIGINAL, lambda: boot.keep_original(original))
                boot.keep_original(None)
        if self._boot and old and old != boot.NOTHING:
            boot.clear_leftovers()
            steps.taken(boot.RULES, lambda: boot.put_back(old.rules))
            boot.remove_rules()
            self._boot.uninstall(old, steps)

    def _diff(self, live: _Live, old: Optional[boot.BootState], new: Optional[boot.BootState]) -> List[Dict[str, str]]:
        if not self._show:
            return []
        before, after = (listing.canonical(text or "") for text in (live.before, live.after))
        found = [_difference(f"table inet {render.TABLE}", before, after)] if live.differs else []
        if old and new:
            found += [_difference(name, *texts) for name, texts in boot.compared(old, new) if texts[0] != texts[1]]
        return found


def _difference(name: str, before: str, after: str) -> Dict[str, str]:
    return {"before_header": name, "after_header": name, "before": before, "after": after}
