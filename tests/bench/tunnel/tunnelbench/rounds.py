# SPDX-License-Identifier: GPL-3.0-or-later
"""The run: every load in rounds, every peer in each round, and the tables as they come."""

from __future__ import annotations

import math
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness import Pki

from . import cases, footprint, table
from .measure import Failed, measure
from .peers.base import Peer, Sinks
from .setup import peers

PATIENCE = 3
"""A peer takes part in rounds as long as it has not taken this many times the time that they should take."""


@dataclass(frozen=True)
class Settings:
    """How many rounds, and how many seconds a measurement is to take."""

    rounds: int
    seconds: float


class Noise:
    """How far the machine's own speed varies: the time of a fixed piece of computing, which only it can change."""

    def __init__(self) -> None:
        self._spins: list[float] = []
        self.look()

    def look(self) -> None:
        for _ in range(3):
            began = time.perf_counter()
            sum(number * number for number in range(400_000))
            self._spins.append(time.perf_counter() - began)

    def __str__(self) -> str:
        self.look()
        middle = statistics.median(self._spins)
        least, most = min(self._spins) / middle, max(self._spins) / middle
        return f"The same computing took {least:.2f} to {most:.2f} of its median over the run."


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def under(
    load: cases.Load, able: list[Peer], sinks: Sinks, ca: Path, settings: Settings
) -> tuple[list[dict[str, table.Sample]], list[str]]:
    """Return each round's samples, and what failed; the peers take turns, in another order each round.

    A peer for which a single message takes longer than a measurement should takes part in fewer rounds, but in one, and
    one that failed in no more.
    """
    failed: list[str] = []
    spent = dict.fromkeys((peer.name for peer in able), 0.0)
    counts = {peer.name: cases.count(load, 20, 1) for peer in able}

    def once(peer: Peer) -> table.Sample | None:
        began = time.monotonic()
        try:
            return measure(peer, load, counts[peer.name], sinks, ca)
        except Failed as error:
            tell(f"failed: {error}")
            failed.append(str(error))
            spent[peer.name] = math.inf
            return None
        finally:
            spent[peer.name] += time.monotonic() - began

    for peer in able:
        # What is cold at first, processes not yet forked and code not yet compiled, must not mislead.
        for part in (0.1, 0.3, 1.0):
            found = once(peer) if spent[peer.name] < settings.seconds else None
            if found:
                counts[peer.name] = cases.count(load, found.rate, part * settings.seconds)
    rounds = []
    for number in range(settings.rounds):
        turn = able[number % len(able) :] + able[: number % len(able)]
        most = PATIENCE * settings.rounds * settings.seconds
        samples = {peer.name: once(peer) for peer in turn if spent[peer.name] < (most if number else math.inf)}
        rounds.append({peer.name: sample for peer in able if (sample := samples.get(peer.name))})
    return rounds, failed


def carried(
    loads: list[cases.Load], found: list[Peer], sinks: Sinks, ca: Path, settings: Settings, noise: Noise
) -> list[str]:
    """Lay every load upon every peer that can carry it, print the table, and return what failed."""
    failures = []
    workers = {peer.name: peer.workers for peer in found if peer.workers}
    cores = len(os.sched_getaffinity(0))
    print(table.markdown(table.HEAD, []), flush=True)
    for number, load in enumerate(loads, 1):
        tell(f"{number}/{len(loads)} {load.name}")
        able = [peer for peer in found if peer.port(load) is not None]
        noise.look()
        rounds, failed = under(load, able, sinks, ca, settings)
        failures += failed
        for row in table.rows(load, rounds, workers, cores):
            print(table.line(row.cells()), flush=True)
    return failures


def resting(names: list[str], found: list[Peer], sinks: Sinks, pki: Pki, home: Path, rounds: int) -> list[str]:
    """Measure what is taken without load, print the table, and return what failed."""
    failures = []
    print("\n" + table.markdown(footprint.HEAD, []), flush=True)
    for name in names:
        tell(name)
        try:
            figures = (
                footprint.starts(home, pki, sinks, rounds) if name == "start" else footprint.idle(name, found, pki)
            )
        except (OSError, RuntimeError) as error:
            failures.append(f"{name}: {error}")
            continue
        for figure in figures:
            print(table.line(figure.cells()), flush=True)
    return failures


def play(home: Path, loads: list[cases.Load], still: list[str], names: set[str], settings: Settings) -> int:
    """Measure the *loads*, then what is named in *still*, and print the tables; return 1 when a peer failed."""
    failures: list[str] = []
    noise = Noise()
    with peers(home, names) as (found, sinks, pki):
        if loads:
            failures = carried(loads, found, sinks, pki.ca, settings, noise)
        if still:
            failures += resting(still, found, sinks, pki, home, settings.rounds)
    print(f"\n{settings.rounds} rounds, {len(os.sched_getaffinity(0))} processors. {noise}")
    for failure in failures:
        print(f"failed: {failure}")
    return 1 if failures else 0
