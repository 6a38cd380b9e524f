# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts in memory that all our processes share: each writes a slot of its own, whoever asks sums them up.

A slot belongs to a place (worker 0 of a generation), not to a process, so that a restart loses no count.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left

from alertpath_tunnel.ops.levels import PROTOCOL_EVENTS

SLOTS = 256
TOTALS = 0  # the supervisor's slot, into which those of ended generations are added
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds, of the histogram
BUCKETS = (*(f"seconds_to_{bound}" for bound in BOUNDS), "seconds_beyond")  # each without those before it
CLASSES = tuple(f"{by}_{digit}" for by in ("next_hop", "tunnel") for digit in ("2", "4", "5", "other"))
COUNTERS = (
    "connections",
    "refused_not_allowed",
    "refused_too_many",
    "refused_bad_header",
    *(f"transactions_{name}" for name in CLASSES),
    "transactions_unanswered",
    "messages_changed",
    "values_protected",
    "recipients_accepted",
    "recipients_refused",
    "bytes_received",
    "bytes_forwarded",
    *(f"event_{name.replace(' ', '_').lower()}" for name in PROTOCOL_EVENTS),
    *BUCKETS,
    "seconds_sum",
    "log_lines_lost",
    "restarts",
    "reloads",
    "reloads_refused",
)
GAUGES = ("sessions", "bytes_in_flight", "heartbeat", "moves")
_REFUSALS: dict[object, str] = {554: "refused_not_allowed", 421: "refused_too_many"}  # by the reply's code
FIELDS = {name: index for index, name in enumerate((*COUNTERS, *GAUGES))}


class Counters:
    """One slot."""

    def __init__(self, board: Board, slot: int) -> None:
        self._cells = board.cells
        self._base = slot * len(FIELDS)

    def add(self, name: str, amount: float = 1) -> None:
        self._cells[self._base + FIELDS[name]] += amount

    def put(self, name: str, value: float) -> None:
        self._cells[self._base + FIELDS[name]] = value

    def get(self, name: str) -> float:
        return self._cells[self._base + FIELDS[name]]

    def observe(self, record: dict[str, object]) -> None:
        """Count a line of the journal."""
        event = record.get("event")
        if event == "transaction":
            self._transaction(record)
        elif event == "refused":
            self.add(_REFUSALS.get(record.get("reply"), "refused_bad_header"))
        elif event in PROTOCOL_EVENTS:
            self.add(f"event_{str(event).replace(' ', '_').lower()}")

    def _transaction(self, record: dict[str, object]) -> None:
        reply = record.get("reply")
        if isinstance(reply, int):
            by = "next_hop" if record.get("reply_by") == "next hop" else "tunnel"
            digit = str(reply // 100)
            self.add(f"transactions_{by}_{digit if digit in '245' else 'other'}")
        else:
            self.add("transactions_unanswered")
        if record.get("changed"):
            self.add("messages_changed")
        elements = record.get("data_elements")
        if elements and isinstance(elements, dict):
            self.add("values_protected", sum(elements.values()))
        self.add("recipients_accepted", _number(record.get("recipients")))
        self.add("recipients_refused", _number(record.get("recipients_refused")))
        self.add("bytes_received", _number(record.get("size_in")))
        self.add("bytes_forwarded", _number(record.get("size_out")))
        seconds = _number(record.get("seconds"))
        self.add(BUCKETS[bisect_left(BOUNDS, seconds)])
        self.add("seconds_sum", seconds)


class Board:
    """All slots. Make it before the first fork."""

    def __init__(self) -> None:
        self.cells = memoryview(mmap.mmap(-1, SLOTS * len(FIELDS) * 8)).cast("d")
        self._free = list(range(SLOTS - 1, TOTALS, -1))

    def take(self) -> int:
        """Return a slot nobody uses. Raises IndexError when there is none."""
        return self._free.pop()

    def give_back(self, slot: int) -> None:
        """Add the counts of a slot to the totals and free it."""
        mine, totals = Counters(self, slot), Counters(self, TOTALS)
        totals.add("moves")
        for name in COUNTERS:
            totals.add(name, mine.get(name))
            mine.put(name, 0)
        totals.add("moves")
        self.rest(slot)
        self._free.append(slot)

    def rest(self, slot: int) -> None:
        """Forget the gauges of a process that ended."""
        for name in ("sessions", "bytes_in_flight", "heartbeat"):
            Counters(self, slot).put(name, 0)

    def totals(self) -> dict[str, float]:
        """Return the sum of each field over all slots, never in the middle of `give_back`."""
        width, own = len(FIELDS), Counters(self, TOTALS)
        while True:
            before = own.get("moves")
            cells = self.cells.tolist()
            # Odd: counts are on their way from one slot to another, which would make a sum go up and down again.
            if before % 2 == 0 and own.get("moves") == before:
                return {name: sum(cells[index::width]) for name, index in FIELDS.items()}


def _number(value: object) -> float:
    return value if isinstance(value, (int, float)) else 0
