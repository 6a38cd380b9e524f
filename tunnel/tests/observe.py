# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of a running service look at it with: its processes, its pages, and a load whose fate is counted."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from harness import Client, ScriptedHop


def children(pid: int) -> set[int]:
    """Return the processes that `pid` began."""
    return {int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def eventually(true: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Clients:
    """Some clients at work, each in a thread of its own until the context ends. A kind of them says in `_run` what
    each does until `_stop` is set.
    """

    def __init__(self, port: int, clients: int) -> None:
        self._port, self._stop = port, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(60)
                assert not thread.is_alive()

    def _run(self, number: int) -> None:
        raise NotImplementedError


class Load(Clients):
    """Clients that deliver without pause, a connection each message; what each saw is counted."""

    def __init__(self, port: int, clients: int = 4) -> None:
        super().__init__(port, clients)
        self.accepted: list[bytes] = []
        self.refused: list[str] = []
        self.interrupted: list[str] = []

    def _run(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            count += 1
            mark = b"<%d.%d@load.test>" % (number, count)
            try:
                client = Client(self._port, timeout=20)
            except OSError as error:
                self.refused.append(repr(error))
                continue
            try:
                self._deliver(client, mark)
            except OSError as error:
                self.interrupted.append(repr(error))
            finally:
                client.close()

    def _deliver(self, client: Client, mark: bytes) -> None:
        greeting = client.reply()
        reply = client.ask(b"EHLO load.test\r\n") if greeting.startswith("220") else greeting
        if reply.startswith("250"):
            reply = client.deliver(b"Message-ID: %s\r\n\r\nx\r\n" % mark)
        if reply.startswith("250"):
            self.accepted.append(mark)
        else:
            self.interrupted.append(reply)


def missing(load: Load, hop: ScriptedHop) -> list[bytes]:
    arrived = b"".join(hop.messages)
    return [mark for mark in load.accepted if mark not in arrived]


def sample(page: str, name: str) -> float:
    (value,) = re.findall(rf"^alertpath_tunnel_{re.escape(name)} ([0-9.e+-]+)$", page, re.MULTILINE)
    return float(value)
