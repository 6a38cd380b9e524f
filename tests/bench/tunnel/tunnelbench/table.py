# SPDX-License-Identifier: GPL-3.0-or-later
"""From the rounds' figures to a table: medians, ratios to the direct way, and how far the rounds lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from .cases import Load

DIRECT = "direct"
HEAD = (
    "load", "peer", "messages/s", "of direct (least to most)", "CPU ms/message", "p50 / p99 ms",
    "cores: peer / load", "limit",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """What one measurement found.

    `rate` is in messages a second, `cpu` in milliseconds of the peer's processor time for a message; `busy` and
    `load_busy` are the processors that the peer, and the generator with the sink, kept busy; p50 and p99 are
    milliseconds, `resumed` is the share of connections whose TLS session was resumed; None where that is not measured.
    """

    rate: float
    cpu: float
    busy: float
    load_busy: float
    p50: float | None = None
    p99: float | None = None
    resumed: float | None = None


@dataclass(frozen=True)
class Row:
    """One peer under one load, over all rounds."""

    load: Load
    peer: str
    rate: float
    ratio: float
    least: float
    most: float
    cpu: float
    busy: float
    load_busy: float
    p50: float | None
    p99: float | None
    resumed: float | None
    limit: str

    def cells(self) -> tuple[str, ...]:
        direct = self.peer == DIRECT
        apart = f"{self.ratio:.2f} ({self.least:.2f} to {self.most:.2f})"
        return (
            self.load.name,
            self.peer,
            f"{self.rate:.0f}" if self.rate >= 100 else f"{self.rate:.1f}",
            apart,
            "" if direct else f"{self.cpu:.2f}",
            "" if self.p50 is None or self.p99 is None else f"{self.p50:.1f} / {self.p99:.1f}",
            f"{'' if direct else f'{self.busy:.1f}'} / {self.load_busy:.1f}",
            self.limit if self.resumed is None or self.resumed > 0.99 else f"{self.limit}; {self.resumed:.0%} resumed",
        )


def rows(load: Load, rounds: list[dict[str, Sample]], workers: dict[str, int], cores: int) -> list[Row]:
    """Return a row for each peer, in the order of the first round.

    A ratio is that of one round, for what slows the machine slows all peers of a round; the row has its median. For
    the direct way itself, least and most are its rates against their median: the machine's own noise.
    """
    found = []
    for peer in rounds[0]:
        samples = [row[peer] for row in rounds]
        if peer == DIRECT:
            middle = statistics.median(sample.rate for sample in samples)
            ratios = [sample.rate / middle for sample in samples]
        else:
            ratios = [row[peer].rate / row[DIRECT].rate for row in rounds if DIRECT in row] or [float("nan")]
        busy, load_busy = (_median(getattr(one, name) for one in samples) for name in ("busy", "load_busy"))
        found.append(
            Row(
                load=load,
                peer=peer,
                rate=statistics.median(sample.rate for sample in samples),
                ratio=statistics.median(ratios),
                least=min(ratios),
                most=max(ratios),
                cpu=statistics.median(sample.cpu for sample in samples),
                busy=busy,
                load_busy=load_busy,
                p50=_middle([sample.p50 for sample in samples]),
                p99=_middle([sample.p99 for sample in samples]),
                resumed=_middle([sample.resumed for sample in samples]),
                limit=limit(peer, busy, load_busy, workers.get(peer), cores),
            )
        )
    return found


def limit(peer: str, busy: float, load_busy: float, workers: int | None, cores: int) -> str:
    """Say what kept the rate from being higher.

    A peer whose workers are busy all the time is the limit itself. Otherwise, with all processors busy, the machine
    is, and the generator and sink are it when they take the larger part. Waiting is what remains: for round trips,
    the disk, timers.
    """
    if workers and busy >= 0.9 * workers:
        return "peer"
    if busy + load_busy >= 0.85 * cores:
        return "generator and sink" if load_busy >= busy else "machine, mostly peer"
    return "generator and sink" if peer == DIRECT and load_busy >= 0.9 else "waiting"


def markdown(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    body = [head, ["---"] * len(head), *(list(line) for line in lines)]
    return "\n".join("| " + " | ".join(line) + " |" for line in body)


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _middle(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
