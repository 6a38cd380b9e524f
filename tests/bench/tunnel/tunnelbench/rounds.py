# SPDX-License-Identifier: GPL-3.0-or-later
"""The run: every load in rounds, every peer in each round, and the tables as they come."""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import cases, table
from .measure import Failed, measure
from .peers.base import Peer, Sinks
from .setup import peers


@dataclass(frozen=True)
class Settings:
    """How many rounds, and how many seconds a measurement is to take."""

    rounds: int
    seconds: float


def spin() -> float:
    """Return the seconds that a fixed piece of computing takes: only the machine can change it."""
    began = time.perf_counter()
    total = 0
    for number in range(400_000):
        total += number * number
    return time.perf_counter() - began


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def under(
    load: cases.Load, able: list[Peer], sinks: Sinks, ca: Path, settings: Settings
) -> list[dict[str, table.Sample]]:
    """Return each round's samples; the peers take turns, in another order each round."""
    counts = {}
    for peer in able:
        few = cases.count(load, 20, 1)
        guess = measure(peer, load, few, sinks, ca).rate
        guess = measure(peer, load, cases.count(load, guess, 0.2), sinks, ca).rate
        counts[peer.name] = cases.count(load, guess, settings.seconds)
    rounds = []
    for number in range(settings.rounds):
        turn = able[number % len(able) :] + able[: number % len(able)]
        found = {peer.name: measure(peer, load, counts[peer.name], sinks, ca) for peer in turn}
        rounds.append({peer.name: found[peer.name] for peer in able})
    return rounds


def play(home: Path, loads: list[cases.Load], names: set[str], settings: Settings) -> int:
    """Measure all and print the tables; return 1 when a peer failed."""
    failures, spins = [], []
    cores = len(os.sched_getaffinity(0))
    with peers(home, names) as (found, sinks, pki):
        workers = {peer.name: peer.workers for peer in found if peer.workers}
        print(table.markdown(table.HEAD, []), flush=True)
        for number, load in enumerate(loads, 1):
            tell(f"{number}/{len(loads)} {load.name}")
            spins += [spin() for _ in range(3)]
            able = [peer for peer in found if peer.port(load) is not None]
            try:
                rounds = under(load, able, sinks, pki.ca, settings)
            except Failed as error:
                failures.append(str(error))
                tell(f"failed: {error}")
                continue
            for row in table.rows(load, rounds, workers, cores):
                print("| " + " | ".join(row.cells()) + " |", flush=True)
    middle = statistics.median(spins)
    print(
        f"\n{settings.rounds} rounds, {cores} processors. The same computing took"
        f" {min(spins) / middle:.2f} to {max(spins) / middle:.2f} of its median over the run."
    )
    for failure in failures:
        print(f"failed: {failure}")
    return 1 if failures else 0
