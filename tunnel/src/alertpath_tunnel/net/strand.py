# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a coroutine within the callbacks that bring what it waits for.

A task that waits for octets costs a future, a callback and a turn of the event loop each time; a session waits a dozen
times for a message. A strand waits by `PAUSE`, and whoever calls `resume` runs it on at once. It may also await what
any task may, futures included, with one exception: what asks for the current task, as asyncio.timeout does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Final

_running: Strand | None = None


def running() -> Strand:
    """Return the strand that runs now."""
    assert _running is not None, "only a strand can wait here"
    return _running


class _Pause:
    def __await__(self) -> Generator[None, None, None]:
        yield


PAUSE: Final = _Pause()
"""What a strand awaits to wait until it is resumed."""


class Strand:
    """Begins to run at once. `on_done` is called when the coroutine has ended, in whatever way."""

    __slots__ = ("_cancelled", "_coroutine", "_future", "_on_done", "ended")

    def __init__(self, coroutine: Coroutine[object, None, None], on_done: Callable[[], None]) -> None:
        self.ended = False
        self._coroutine = coroutine
        self._on_done = on_done
        self._future: asyncio.Future[object] | None = None  # what it awaits, when it is not paused
        self._cancelled = False
        self._run()

    def resume(self, error: BaseException | None = None) -> None:
        """Let a paused strand run on, or raise `error` where it waits."""
        if self._future is None and not self.ended:
            self._run(error)

    def cancel(self) -> None:
        """Raise CancelledError where it waits."""
        if self._future is not None:
            self._cancelled = True
            self._future.cancel()
        else:
            self.resume(asyncio.CancelledError())

    def _run(self, error: BaseException | None = None) -> None:
        global _running
        # A strand may begin another, which runs first.
        before, _running = _running, self
        try:
            awaited = self._coroutine.throw(error) if error else self._coroutine.send(None)
        except (StopIteration, asyncio.CancelledError):
            self._end()
        except Exception as failure:  # noqa: BLE001 - the loop reports it, as it does for a task
            self._end()
            context = {"message": "a strand failed", "exception": failure}
            asyncio.get_running_loop().call_exception_handler(context)
        else:
            if awaited is not None:
                self._await(awaited)
        finally:
            _running = before

    def _await(self, awaited: object) -> None:
        assert isinstance(awaited, asyncio.Future), awaited
        # By this a future knows that its awaiter has seen to being called back.
        awaited._asyncio_future_blocking = False
        self._future = awaited
        awaited.add_done_callback(self._arrived)

    def _arrived(self, _future: asyncio.Future[object]) -> None:
        self._future = None
        error = asyncio.CancelledError() if self._cancelled else None
        self._cancelled = False
        self._run(error)

    def _end(self) -> None:
        self.ended = True
        self._on_done()
