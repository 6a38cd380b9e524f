# SPDX-License-Identifier: GPL-3.0-or-later
"""One measurement: a generator sends, everything arrives, and the time of all processes is read."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from .accounts import processor_time, wanted_times
from .cases import Generator, Load, Tls
from .limits import Shares
from .peers.base import Peer, Sinks
from .table import Sample

SOURCE = "/usr/sbin/smtp-source"
GENERATOR = Path(__file__).with_name("generator.py")
LIMIT = 60.0
"""Seconds after which a measurement counts as hung."""


class Failed(Exception):
    """The generator did not get all of its messages through."""


def command(load: Load, port: int, messages: int, ca: Path) -> list[str]:
    """Return the generator's command line."""
    recipient = "b@onward.example" if load.onward else "b@bench.example"
    if load.generator is Generator.SOURCE:
        kept = ["-d"] if load.kept else []
        argv = [SOURCE, *kept, "-s", str(load.sessions), "-m", str(messages), "-l", str(load.octets)]
        return [*argv, "-f", "a@bench.example", "-t", recipient, f"127.0.0.1:{port}"]
    argv = [sys.executable, "-I", str(GENERATOR), "--port", str(port), "--sessions", str(load.sessions)]
    argv += ["--messages", str(messages), "--octets", str(load.octets), "--recipient", recipient]
    argv += ["--kept"] if load.kept else []
    argv += ["--prompt"] if load.prompt else []
    argv += ["--tls", "--ca", str(ca)] if load.tls is not Tls.NONE else []
    return argv + (["--resume"] if load.tls is Tls.RESUMED else [])


def measure(peer: Peer, load: Load, messages: int, sinks: Sinks, ca: Path) -> Sample:
    """Send *messages* through the peer and return what it took, its queue's delivery included.

    Raises Failed when the generator complains, is not ready in time, or the peer does not deliver.
    """
    port = peer.port(load)
    assert port is not None
    times, wanted = _times(peer, sinks), (wanted_times(peer.roots), wanted_times(sinks.roots))
    began = time.monotonic()
    try:
        argv = command(load, port, messages, ca)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT, check=False)
        if done.returncode or done.stderr:
            raise Failed(f"{peer.name}, {load.name}: {done.stderr.strip()[-500:] or done.returncode}")
        sent_all = time.monotonic()
        peer.settle()
    except (subprocess.TimeoutExpired, TimeoutError, RuntimeError) as error:
        raise Failed(f"{peer.name}, {load.name}: {error}") from error
    now = time.monotonic()
    found = json.loads(done.stdout) if load.generator is Generator.OWN else {}
    # Our own generator says how long its sessions took: an interpreter's start is not the peer's.
    seconds = found["seconds"] + now - sent_all if found else now - began
    used, sunk, sent = (then - earlier for then, earlier in zip(_times(peer, sinks), times, strict=True))
    peer_wanted, sink_wanted = (
        _since(wanted_times(one.roots), then) for one, then in ((peer, wanted[0]), (sinks, wanted[1]))
    )
    return Sample(
        rate=messages / seconds,
        cpu=1000 * used / messages,
        shares=Shares(
            peer=used / seconds,
            peer_wanted=sum(peer_wanted) / seconds,
            busiest=max(peer_wanted, default=0.0) / seconds,
            sink=max(sink_wanted) / seconds,
            load=(sunk + sent - found.get("before", 0.0)) / seconds,
        ),
        p50=found.get("p50"),
        p99=found.get("p99"),
        resumed=found.get("resumed") if load.tls is Tls.RESUMED and not load.kept else None,
    )


def _times(peer: Peer, sinks: Sinks) -> tuple[float, float, float]:
    """Return the processor time of the peer, of the sinks, and of the generators that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return processor_time(peer.roots), processor_time(sinks.roots), ended.ru_utime + ended.ru_stime


def _since(now: dict[int, float], then: dict[int, float]) -> list[float]:
    return [seconds - then.get(pid, 0.0) for pid, seconds in now.items()]
