# SPDX-License-Identifier: GPL-3.0-or-later
"""From the rounds' figures to a table: medians, ratios to the direct way, and how far the rounds lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from .cases import Load
from .limits import Shares, limit, middle

DIRECT = "direct"
HEAD = (
    "load", "peer", "messages/s", "of direct (least to most)", "CPU ms/message", "p50 / p99 ms", "over direct",
    "cores: peer / load", "limit",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """What one measurement found.

    `rate` is in messages a second, `cpu` in milliseconds of the peer's processor time for a message; p50 and p99 are
    milliseconds, `resumed` is the share of connections whose TLS session was resumed; None where that is not measured.
    """

    rate: float
    cpu: float
    shares: Shares
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
    shares: Shares
    p50: float | None
    p99: float | None
    more50: float | None
    more99: float | None
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
            "" if direct or self.more50 is None or self.more99 is None else f"{self.more50:+.1f} / {self.more99:+.1f}",
            f"{'' if direct else f'{self.shares.peer:.1f}'} / {self.shares.load:.1f}",
            self.limit if self.resumed is None or self.resumed > 0.99 else f"{self.limit}; {self.resumed:.0%} resumed",
        )


def rows(load: Load, rounds: list[dict[str, Sample]], workers: dict[str, int], cores: int) -> list[Row]:
    """Return a row for each peer, in the order of the first round.

    A ratio is that of one round, for what slows the machine slows all peers of a round; the row has its median. For
    the direct way itself, least and most are its rates against their median: the machine's own noise.
    """
    found = []
    for peer in rounds[0]:
        samples = [row[peer] for row in rounds if peer in row]
        both = [row for row in rounds if {peer, DIRECT} <= row.keys()]
        if peer == DIRECT:
            usual = statistics.median(sample.rate for sample in samples)
            ratios = [sample.rate / usual for sample in samples]
        else:
            ratios = [row[peer].rate / row[DIRECT].rate for row in both] or [float("nan")]
        shares = middle(sample.shares for sample in samples)
        found.append(
            Row(
                load=load,
                peer=peer,
                rate=statistics.median(sample.rate for sample in samples),
                ratio=statistics.median(ratios),
                least=min(ratios),
                most=max(ratios),
                cpu=statistics.median(sample.cpu for sample in samples),
                shares=shares,
                p50=_middle([sample.p50 for sample in samples]),
                p99=_middle([sample.p99 for sample in samples]),
                more50=_over([(row[peer].p50, row[DIRECT].p50) for row in both]),
                more99=_over([(row[peer].p99, row[DIRECT].p99) for row in both]),
                resumed=_middle([sample.resumed for sample in samples]),
                limit=limit(shares, load.sessions, workers.get(peer), cores),
            )
        )
    return found


def markdown(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    return "\n".join(map(line, [head, ["---"] * len(head), *lines]))


def line(cells: Iterable[str]) -> str:
    """Return one line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def _middle(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _over(pairs: list[tuple[float | None, float | None]]) -> float | None:
    """Return the median of what the first is over the second."""
    return _middle([None if one is None or other is None else one - other for one, other in pairs])
