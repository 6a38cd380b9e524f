# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor: holds the sockets, begins workers anew that ended, and hands over to a new generation on reload.

It never touches mail. A generation is all processes that run by one reading of the configuration. On SIGHUP a new one
is begun beside the old, from memory, on the same sockets; only when it is ready does the old one stop accepting, and
its sessions go on to their end. Whatever fails before that leaves the old generation as it was.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alertpath_tunnel.config.problems import ConfigError, Problem
from alertpath_tunnel.net.runtime import Runtime
from alertpath_tunnel.ops.board import TOTALS, Board, Counters
from alertpath_tunnel.ops.journal import Journal
from alertpath_tunnel.ops.notify import notify, reloading, watchdog
from alertpath_tunnel.ops.status import tell_status
from alertpath_tunnel.process.activation import Address, inherited
from alertpath_tunnel.process.child import Child, Main
from alertpath_tunnel.process.listeners import Listeners
from alertpath_tunnel.process.worker import work

_TICK = 1.0
_AWAY = 3.0  # seconds between two looks that say that the supervisor itself did not run
_READY = 20.0  # seconds within which a new generation must be ready
_RETIRED = 5.0  # seconds within which the old one must have stopped accepting
_DELAYS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds before a worker that keeps ending is begun anew
_STEADY = 30.0  # seconds of life after which its earlier ends are forgotten
_KILL = 5.0  # seconds after the drain's limit

Prepare = Callable[[Path, Journal], Runtime]


@dataclass(eq=False)
class Generation:
    runtime: Runtime
    workers: list[Child] = field(default_factory=list)
    status: list[Child] = field(default_factory=list)  # one, or none

    @property
    def children(self) -> list[Child]:
        return self.workers + self.status


class Supervisor:
    """One service."""

    def __init__(self, file: Path, workers: int, journal: Journal, prepare: Prepare) -> None:
        self._file, self._count, self._prepare = file, workers, prepare
        self._board = Board()
        self._counters = Counters(self._board, TOTALS)
        self._plain, self._journal = journal, journal
        self._current: Generation | None = None
        self._retired: list[Generation] = []
        self._wanted: set[int] = set()  # signals that came in
        self._looked = self._back = time.monotonic()
        self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._listeners = Listeners(inherited())

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises ConfigError when it cannot begin."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda got, _frame: self._wanted.add(got))
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        runtime = self._prepare(self._file, self._journal)
        self._journal = self._plain.child(runtime.config.log_levels, None)
        self._listeners.open(_addresses(runtime), self._file)
        for host, port in self._listeners.unclaimed:
            reason = f"the socket {host} {port} was passed to the service, but no tunnel has it"
            self._journal.write({"event": "warning", "reason": reason})
        self._current = self._begin(runtime)
        if not self._stopping:
            self._tell("ready")
            notify("READY=1")
        while not self._stopping:
            self._step(_TICK)
            self._mind()
            if signal.SIGHUP in self._wanted and not self._stopping:
                self._wanted.discard(signal.SIGHUP)
                self._reload()
        self._stop()

    # -- generations ---------------------------------------------------------------------------------------------

    def _begin(self, runtime: Runtime) -> Generation:
        """Begin a generation and wait until it is ready. Raises ConfigError when it does not come to be."""
        new = Generation(runtime)
        try:
            for index in range(self._count):
                slot = self._board.take()
                new.workers.append(Child(f"worker {index}", slot, self._worker(runtime, index, slot)))
            if runtime.config.status:
                slots = [child.slot for child in new.workers]
                slot = self._board.take()
                new.status.append(Child("status", slot, self._status(runtime, slots)))
        except IndexError:
            self._dissolve(new)
            raise _refusal(self._file, "cannot begin: too many earlier generations still have sessions") from None
        for child in new.children:
            try:
                self._fork(child, new)
            except OSError as error:
                self._dissolve(new)
                raise _refusal(self._file, f"cannot begin {child.name}: {error.strerror}") from None
        end = time.monotonic() + _READY
        while time.monotonic() < end and not self._stopping:
            # First: one that was ready may have ended since.
            if any(child.channel is None for child in new.children):
                break
            if all("ready" in child.said for child in new.children):
                return new
            self._step(0.2, new)
        if self._stopping:
            return new
        late = ", ".join(child.name for child in new.children if child.channel is None or "ready" not in child.said)
        self._dissolve(new)
        raise _refusal(self._file, f"cannot begin: {late} did not come up, see standard error")

    def _worker(self, runtime: Runtime, index: int, slot: int) -> Main:
        counters = Counters(self._board, slot)
        journal = self._plain.child(runtime.config.log_levels, counters, worker=index)
        return lambda channel: work(
            runtime, self._listeners.of_worker(_addresses(runtime)), self._count, journal, counters, channel
        )

    def _status(self, runtime: Runtime, slots: list[int]) -> Main:
        def main(channel: socket.socket) -> None:
            self._listeners.forget()
            tell_status(runtime, self._board, slots, channel)

        return main

    def _reload(self) -> None:
        assert self._current is not None
        reloading()
        fresh: list[Address] = []
        old = self._current
        try:
            runtime = self._prepare(self._file, self._journal)
            fresh = self._listeners.open(_addresses(runtime), self._file)
            # The status port passes from one process to the other.
            self._halt(old.status)
            new = self._begin(runtime)
        except ConfigError as error:
            self._listeners.keep_only(_addresses(old.runtime))
            for child in old.status:
                if not child.alive:
                    self._begin_anew(child, old)
            self._counters.add("reloads_refused")
            self._journal.write({"event": "reload refused", "reason": str(error), "addresses_given_up": len(fresh)})
        else:
            self._current = new
            self._retired.append(old)
            self._journal = self._plain.child(runtime.config.log_levels, None)
            for child in old.workers:
                child.due = None
                child.send(signal.SIGUSR1)
            end = time.monotonic() + _RETIRED
            while time.monotonic() < end and any(c.alive and "retired" not in c.said for c in old.workers):
                self._step(0.2)
            self._listeners.keep_only(_addresses(runtime))
            self._counters.add("reloads")
            self._tell("reloaded")
        notify("READY=1")

    # -- children ------------------------------------------------------------------------------------------------

    def _children(self, more: Generation | None = None) -> Iterator[Child]:
        for generation in (*self._retired, self._current, more):
            if generation:
                yield from generation.children

    def _fork(self, child: Child, generation: Generation) -> None:
        self._board.rest(child.slot)
        child.begin(list(self._children(generation)), self._leave)

    def _begin_anew(self, child: Child, generation: Generation) -> None:
        """Begin `child`. What the host has no room for now it may have later; the others go on meanwhile."""
        try:
            self._fork(child, generation)
        except OSError as error:
            delay = _put_off(child, child.failures + 1)
            self._journal.write(
                {"event": "worker not begun", "process": child.name, "reason": error.strerror, "delay": delay}
            )

    def _leave(self) -> None:
        """In a child: let go of what is the supervisor's."""
        signal.set_wakeup_fd(-1)
        self._plain.forget_missed()
        for end in self._pipe:
            os.close(end)

    def _step(self, timeout: float, more: Generation | None = None) -> None:
        """Wait for signals and news of children, at most `timeout` seconds."""
        children = [child for child in self._children(more) if child.channel]
        poll = select.poll()
        poll.register(self._pipe[0], select.POLLIN)
        by_number = {child.channel.fileno(): child for child in children if child.channel}
        for number in by_number:
            poll.register(number, select.POLLIN)
        for number, _event in poll.poll(timeout * 1000):
            if number == self._pipe[0]:
                os.read(number, 4096)
            else:
                by_number[number].listen()
        for child in self._children(more):
            self._reap(child)

    def _reap(self, child: Child) -> None:
        if not child.alive:
            return
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = child.pid, 0
        if not pid:
            return
        lived = child.ended()
        self._board.rest(child.slot)
        if self._stopping or self._current is None or child not in self._current.children:
            return
        code = os.waitstatus_to_exitcode(status)
        delay = _put_off(child, 1 if lived > _STEADY else child.failures + 1)
        self._counters.add("restarts")
        self._journal.write(
            {"event": "worker ended", "process": child.name, "exit": code, "seconds": round(lived, 1), "delay": delay}
        )

    def _mind(self) -> None:
        """Begin anew what is due, end what hangs, forget generations without a process."""
        assert self._current is not None
        now = time.monotonic()
        for child in self._current.children:
            if not child.alive and child.due is not None and child.due <= now:
                self._begin_anew(child, self._current)
        if now - self._looked > _AWAY:
            # Stopped together with the workers, perhaps: they get their time again.
            self._back = now
        self._looked = now
        for generation in (*self._retired, self._current):
            for worker in generation.workers:
                # One that never gave a sign may have stopped before its first.
                beat = Counters(self._board, worker.slot).get("heartbeat") or worker.begun
                silent = now - max(beat, self._back)
                if worker.alive and "hung" not in worker.said and silent > generation.runtime.config.timeouts.hang:
                    worker.said.add("hung")
                    self._journal.write({"event": "worker hung", "process": worker.name, "seconds": round(now - beat)})
                    worker.send(signal.SIGKILL)
        for generation in [g for g in self._retired if not any(child.alive for child in g.children)]:
            self._retired.remove(generation)
            self._dissolve(generation)
        watchdog()

    def _halt(self, children: list[Child]) -> None:
        """End processes that hold no mail."""
        for child in children:
            child.due = None
            child.send(signal.SIGKILL)
            if child.alive:
                os.waitpid(child.pid, 0)
                child.ended()

    def _dissolve(self, generation: Generation) -> None:
        self._halt(generation.children)
        for child in generation.children:
            self._board.give_back(child.slot)

    # -- the end -------------------------------------------------------------------------------------------------

    @property
    def _stopping(self) -> bool:
        return bool(self._wanted & {signal.SIGTERM, signal.SIGINT})

    def _stop(self) -> None:
        assert self._current is not None
        self._listeners.close()
        self._halt([child for child in self._children() if child.name == "status"])
        for child in self._children():
            child.send(signal.SIGTERM)
        limit = self._current.runtime.config.timeouts.drain + _KILL
        notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int((limit + _KILL) * 1e6)}")
        end = time.monotonic() + limit
        while any(child.alive for child in self._children()) and time.monotonic() < end:
            self._step(0.2)
        late = [child for child in self._children() if child.alive]
        self._halt(late)
        broken = sum(child.broken for child in self._children())
        self._journal.write({"event": "stopped", "sessions_broken_off": broken, "processes_killed": len(late)})

    def _tell(self, event: str) -> None:
        addresses = [f"{host} {port}" for host, port in self._listeners.addresses]
        self._journal.write({"event": event, "listening": addresses, "workers": self._count})


def _put_off(child: Child, failures: int) -> float:
    """Have `child` begun anew in a while, which is the longer the more often it failed; return it, in seconds."""
    child.failures = failures
    delay = _DELAYS[min(failures, len(_DELAYS)) - 1]
    child.due = time.monotonic() + delay
    return delay


def _addresses(runtime: Runtime) -> list[Address]:
    return [(ip, running.tunnel.port) for running in runtime.tunnels for ip in running.tunnel.addresses]


def _refusal(file: Path, message: str) -> ConfigError:
    return ConfigError(str(file), [Problem("$", None, message, "see the journal")])
