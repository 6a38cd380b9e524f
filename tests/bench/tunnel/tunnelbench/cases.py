# SPDX-License-Identifier: GPL-3.0-or-later
"""The loads that are laid upon every peer, and how they are named and chosen."""

from __future__ import annotations

import enum
import fnmatch
from dataclasses import dataclass

SIZES = {"1KB": 1_000, "20KB": 20_000, "1MB": 1_000_000, "10MB": 10_000_000}
SESSIONS = (1, 10, 100)


class Tls(enum.Enum):
    """What the generator does after EHLO."""

    NONE = "plain"
    FULL = "full"
    RESUMED = "resumed"


class Generator(enum.Enum):
    """What sends: Postfix's smtp-source, or our own, which knows TLS and measures each message."""

    SOURCE = "smtp-source"
    OWN = "own"


@dataclass(frozen=True)
class Load:
    """One kind of traffic.

    `kept` means all messages of a session over one connection, otherwise a connection for each; `onward` that the
    next hop is spoken to by STARTTLS; `prompt` that the generator acknowledges every segment at once, as a peer may
    wait for that (Nagle's algorithm, RFC 9293 section 3.7.4, against the delayed acknowledgement of section 3.8.6.3).
    """

    size: str
    sessions: int
    kept: bool = False
    tls: Tls = Tls.NONE
    onward: bool = False
    generator: Generator = Generator.SOURCE
    prompt: bool = False

    @property
    def octets(self) -> int:
        return SIZES[self.size]

    @property
    def name(self) -> str:
        """Group, size, sessions, and whether connections are kept: `plain/1KB/10/each`."""
        return f"{self.group}/{self.size}/{self.sessions}/{'kept' if self.kept else 'each'}"

    @property
    def group(self) -> str:
        if self.tls is not Tls.NONE:
            return f"tls-{self.tls.value}{'-both' if self.onward else ''}{'-prompt' if self.prompt else ''}"
        if self.onward:
            return "tls-onward"
        return "plain" if self.generator is Generator.SOURCE else "latency"


def every() -> list[Load]:
    """Return all loads, those in clear text first."""
    clear = [Load(size, sessions, kept) for kept in (False, True) for size in SIZES for sessions in SESSIONS]
    # Three of the largest messages in each of a hundred sessions show nothing that one does not.
    clear.remove(Load("10MB", 100, kept=True))
    latency = [Load("1KB", 10, kept, generator=Generator.OWN) for kept in (False, True)]
    sides = [(Tls.FULL, False), (Tls.RESUMED, False), (Tls.FULL, True), (Tls.RESUMED, True), (Tls.NONE, True)]
    shapes = [("1KB", 10, False), ("1KB", 100, False), ("1KB", 10, True), ("20KB", 10, False), ("1MB", 10, False)]
    tls = [
        Load(size, sessions, kept, side, onward, Generator.OWN)
        for side, onward in sides
        for size, sessions, kept in shapes
    ]
    prompt = [Load("1KB", 10, tls=tls, generator=Generator.OWN, prompt=True) for tls in (Tls.FULL, Tls.RESUMED)]
    return [*clear, *latency, *tls, *prompt]


def quick() -> list[Load]:
    """Return the few loads that show a change of the tunnel's speed."""
    return [Load("1KB", 10), Load("20KB", 10), Load("1KB", 100), Load("1MB", 10)]


def chosen(loads: list[Load], patterns: list[str]) -> list[Load]:
    """Return the loads whose name fits one of the shell patterns; all of them without patterns."""
    return [load for load in loads if not patterns or any(fnmatch.fnmatch(load.name, one) for one in patterns)]


def count(load: Load, rate: float, seconds: float, most: int = 20_000) -> int:
    """Return how many messages to send so that at *rate* a second it takes about *seconds*.

    Every session gets the same number, at least one, and with kept connections at least three; otherwise the
    connection itself would be what is measured.
    """
    each = round(rate * seconds / load.sessions)
    return load.sessions * max(3 if load.kept else 1, min(each, most // load.sessions))
