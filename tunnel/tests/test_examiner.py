# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large messages are examined few at a time: whatever comes to an end how ever, none is lost count of."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections.abc import Awaitable, Iterator

import pytest
from alertpath_tunnel.config.model import Timeouts
from alertpath_tunnel.net.examiner import _LARGE, _PART, _THREADS, Examiner
from alertpath_tunnel.rules.message import Outcome
from alertpath_tunnel.smtp import tables
from hypothesis import given, settings
from hypothesis import strategies as st

ROOM = 4 * _LARGE  # octets that may be examined at a time
WHOLE = b"x" * ROOM
LARGE = b"x" * (_LARGE + 1)
SHORT = dataclasses.replace(Timeouts(), room=1, processing=1)


def examiner(timeouts: Timeouts = SHORT, room: int = ROOM) -> Examiner:
    return Examiner(room * _PART, timeouts)


class Work:
    """Rules that take as long as the test wants; what runs beside what is noted."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.begun: list[int] = []
        self.threads: set[int] = set()
        self.now: list[int] = []  # sizes of those that run
        self.most: list[list[int]] = []
        self.go_on = threading.Event()
        self._seconds, self._lock = seconds, threading.Lock()
        if seconds:
            self.go_on.set()

    def __call__(self, content: bytes) -> Outcome:
        with self._lock:
            self.begun.append(len(content))
            self.threads.add(threading.get_ident())
            self.now.append(len(content))
            self.most.append(list(self.now))
        self.go_on.wait(20)
        time.sleep(self._seconds)
        with self._lock:
            self.now.remove(len(content))
        return Outcome(content, None, "")

    async def running(self, count: int) -> None:
        """Wait until so many have begun."""
        async with asyncio.timeout(10):
            while len(self.begun) < count:
                await asyncio.sleep(0.005)


def done_at_once(content: bytes) -> Outcome:
    return Outcome(content, None, "done")


async def is_free(examined: Examiner) -> None:
    """What needs all the room there is has its turn at once: nobody else is counted any more."""
    begun = time.monotonic()
    assert (await examined.examine(done_at_once, WHOLE)).reason == "done"
    assert time.monotonic() - begun < 0.9


@contextlib.contextmanager
def ended(work: Work) -> Iterator[None]:
    """Let the threads end, whatever becomes of the test."""
    try:
        yield
    finally:
        work.go_on.set()


def test_a_small_message_is_examined_at_once_and_a_large_one_beside_the_loop() -> None:
    async def main() -> None:
        small, large = Work(0.001), Work(0.001)
        await examiner().examine(small, b"x" * _LARGE)
        await examiner().examine(large, LARGE)
        assert small.threads == {threading.get_ident()}
        assert threading.get_ident() not in large.threads

    asyncio.run(main())


def test_the_loop_goes_on_while_large_ones_are_examined() -> None:
    async def main() -> None:
        work, examined = Work(), examiner()
        with ended(work):
            task = asyncio.ensure_future(examined.examine(work, LARGE))
            await work.running(1)
            assert (await examined.examine(done_at_once, b"small")).reason == "done"
            assert not task.done()
            work.go_on.set()
            assert (await task).content == LARGE
        await is_free(examined)

    asyncio.run(main())


def test_one_that_is_larger_than_the_room_is_examined_alone() -> None:
    async def main() -> None:
        work, examined = Work(0.02), examiner()
        sizes = [_LARGE + 1, 3 * ROOM, _LARGE + 2]
        await asyncio.gather(*(examined.examine(work, b"x" * size) for size in sizes))
        assert work.begun == sizes
        assert [beside for beside in work.most if 3 * ROOM in beside] == [[3 * ROOM]]

    asyncio.run(main())


def test_no_more_are_examined_than_there_are_threads() -> None:
    """One that waited within the pool of threads would lose its time for the rules there."""

    async def main() -> None:
        work, examined = Work(), examiner(room=1000 * _LARGE)
        with ended(work):
            tasks = [asyncio.ensure_future(examined.examine(work, LARGE)) for _ in range(_THREADS + 3)]
            await work.running(_THREADS)
            # Longer than `processing`, and less than `processing` and `room` together.
            late = [await task for task in tasks[:_THREADS]]
            assert {outcome.refusal for outcome in late} == {tables.PROCESSING}
            work.go_on.set()
            others = await asyncio.gather(*tasks[_THREADS:])
        assert {outcome.refusal for outcome in others} <= {None, tables.FULL}
        await is_free(examined)

    asyncio.run(main())


def test_one_whose_turn_does_not_come_is_refused_and_the_next_has_it() -> None:
    async def main() -> None:
        work, examined = Work(), examiner(dataclasses.replace(SHORT, processing=10))
        with ended(work):
            first = asyncio.ensure_future(examined.examine(work, WHOLE))
            await work.running(1)
            begun = time.monotonic()
            outcome = await examined.examine(work, LARGE)
            assert (outcome.refusal, outcome.content) == (tables.FULL, b"")
            assert 0.9 < time.monotonic() - begun < 3
            third = asyncio.ensure_future(examined.examine(work, LARGE))
            await asyncio.sleep(0.01)
            work.go_on.set()
            assert [(await task).refusal for task in (first, third)] == [None, None]
        assert work.begun == [len(WHOLE), len(LARGE)]
        await is_free(examined)

    asyncio.run(main())


def test_rules_that_take_too_long_are_given_up_and_counted_until_they_end() -> None:
    async def main() -> None:
        work, examined = Work(), examiner()
        with ended(work):
            begun = time.monotonic()
            assert (await examined.examine(work, WHOLE)).refusal is tables.PROCESSING
            assert 0.9 < time.monotonic() - begun < 3
            # Its thread has the copies still.
            assert (await examined.examine(done_at_once, LARGE)).refusal is tables.FULL
            waiting = asyncio.ensure_future(examined.examine(done_at_once, LARGE))
            await asyncio.sleep(0.01)
            work.go_on.set()
            assert (await waiting).reason == "done"
        await is_free(examined)

    asyncio.run(main())


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_whose_client_left_gives_its_place_to_the_next(place: int) -> None:
    """The first is under way, the second waits at the head of the queue, the third behind it."""

    async def main() -> None:
        work, examined = Work(), examiner(dataclasses.replace(SHORT, processing=10))
        with ended(work):
            sizes = [ROOM, ROOM - 1, ROOM - 2]
            tasks = [asyncio.ensure_future(examined.examine(work, b"x" * size)) for size in sizes]
            await work.running(1)
            tasks[place].cancel()
            with pytest.raises(asyncio.CancelledError):
                await tasks[place]
            assert work.begun == [ROOM]
            work.go_on.set()
            left = [task for number, task in enumerate(tasks) if number != place]
            assert [(await task).refusal for task in left] == [None, None]
        assert work.begun == [size for number, size in enumerate(sizes) if number in (0, *({1, 2} - {place}))]
        await is_free(examined)

    asyncio.run(main())


def test_a_turn_that_comes_together_with_the_end_of_patience_is_given_back() -> None:
    async def main() -> None:
        work, examined = Work(), examiner(dataclasses.replace(SHORT, processing=10))
        with ended(work):
            first = asyncio.ensure_future(examined.examine(work, WHOLE))
            await work.running(1)
            second = asyncio.ensure_future(examined.examine(done_at_once, WHOLE))
            await asyncio.sleep(0.05)
            work.go_on.set()
            # The loop sleeps meanwhile: the end of the first and the timeout of the second are found together.
            time.sleep(1.1)
            await first
            assert (await second).refusal in (None, tables.FULL)
        await is_free(examined)

    asyncio.run(main())


def test_rules_that_fail_are_told_and_counted_no_longer() -> None:
    def fails(_content: bytes) -> Outcome:
        raise MemoryError

    async def main() -> None:
        examined = examiner()
        for _ in range(3):
            with pytest.raises(MemoryError):
                await examined.examine(fails, WHOLE)
        await is_free(examined)

    asyncio.run(main())


def test_without_a_thread_to_be_had_the_message_is_refused_and_later_ones_have_their_turn() -> None:
    async def main() -> None:
        examined = examiner()
        before = threading.stack_size(2**46)  # more than any system maps
        try:
            with pytest.raises(MemoryError):
                await examined.examine(done_at_once, WHOLE)
        finally:
            threading.stack_size(before)
        await is_free(examined)

    asyncio.run(main())


SIZES = st.integers(_LARGE + 1, ROOM + _LARGE)
COMERS = st.lists(st.tuples(SIZES, st.sampled_from([None, 0.0, 0.002, 0.01])), min_size=1, max_size=12)


@settings(max_examples=30)
@given(COMERS)
def test_whoever_comes_and_leaves_the_room_is_never_overdrawn_and_empty_at_the_end(
    comers: list[tuple[int, float | None]],
) -> None:
    """Each comes with a size, and leaves after a while or stays to the end; those who stay are all served."""

    async def main() -> None:
        work, examined = Work(0.003), examiner(Timeouts())

        async def come(size: int, leaves: float | None) -> None:
            task = asyncio.ensure_future(examined.examine(work, b"x" * size))
            if leaves is not None:
                await asyncio.sleep(leaves)
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        visits: list[Awaitable[None]] = [come(size, leaves) for size, leaves in comers]
        async with asyncio.timeout(30):
            await asyncio.gather(*visits)
            # Threads of those that left may go on.
            while work.now:
                await asyncio.sleep(0.001)
        assert all(sum(beside) <= ROOM or len(beside) == 1 for beside in work.most)
        stayed = [size for size, leaves in comers if leaves is None]
        assert is_within(stayed, work.begun)
        await is_free(examined)

    asyncio.run(main())


def is_within(some: list[int], of_all: list[int]) -> bool:
    """Whether each of `some` is found in `of_all`."""
    rest = list(of_all)
    for each in some:
        if each not in rest:
            return False
        rest.remove(each)
    return True
