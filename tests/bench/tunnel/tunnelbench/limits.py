# SPDX-License-Identifier: GPL-3.0-or-later
"""What kept a rate from being higher, told from who used the processors and who could have."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import NamedTuple

ALL = 0.9
"""From this part of a process's time on, it counts as never having waited for others."""


class Shares(NamedTuple):
    """Parts of a measurement's time; 1.0 is one processor.

    `peer` and `load` are what the peer, and the generator with the sink, ran. What a process wanted is what it ran, and
    what it could have run besides had a processor been free: all of the peer's processes, the busiest of them, and the
    busiest of the sink's.
    """

    peer: float
    peer_wanted: float
    busiest: float
    sink: float
    load: float


def middle(shares: Iterable[Shares]) -> Shares:
    """Return the median of each share."""
    return Shares(*(statistics.median(values) for values in zip(*shares, strict=True)))


def limit(shares: Shares, sessions: int, workers: int | None, cores: int) -> str:
    """Say what the limit was; *workers* is the number of the peer's processes that carry mail, None when it varies.

    With one session all take turns. Workers that always ran, or wanted to, are the limit; in the second case generator
    and sink had the processors that they lacked. One of several can be it alone, when it was given most connections.
    Otherwise, with all processors busy, the machine is, and without that the sink's process. Waiting is what remains:
    for round trips, the disk, timers.
    """
    if sessions == 1 and shares.peer + shares.load >= 0.8:
        return "one session: all in turn"
    if workers and shares.peer_wanted >= ALL * workers:
        return "worker" if shares.peer >= ALL * workers else "worker, short of processors"
    if workers and shares.busiest >= ALL:
        return f"one worker of {workers}"
    if shares.peer + shares.load >= 0.85 * cores:
        return "generator and sink" if shares.load >= shares.peer else "machine, mostly peer"
    return "sink" if shares.sink >= ALL else "waiting"
