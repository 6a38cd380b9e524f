# SPDX-License-Identifier: GPL-3.0-or-later
"""Which peers there are, and how the chosen ones come up and go."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import Pki, free_port

from .peers.base import SINK, Peer, Sinks, await_greeting, process
from .peers.haraka import NAME as HARAKA
from .peers.haraka import haraka
from .peers.postfix import postfix
from .peers.tunnel import VARIANTS, tunnel
from .prepare import haraka as haraka_folder
from .table import DIRECT

TUNNELS = {variant.name: variant for variant in VARIANTS}
POSTFIX = ("Postfix proxy filter", "Postfix relay", "Postfix + Python milter")
TLS_SINK = Path(__file__).with_name("sink.py")
SECURED = ((False, True), (True, False), (True, True))
PEERS = (DIRECT, *TUNNELS, *POSTFIX, HARAKA)
QUICK = (DIRECT, "tunnel, 1 worker", "tunnel, 1 worker, compiled", "Postfix proxy filter")


@contextmanager
def peers(home: Path, names: set[str]) -> Iterator[tuple[list[Peer], Sinks, Pki]]:
    """Run the sinks and the peers with these names; give them, the direct way first."""
    pki = Pki(home / "pki")
    with ExitStack() as stack:
        clear = free_port()
        # All tunnels keep connections to it; beyond its own limit of 256 at once it would let the others wait.
        sink = (SINK, "-u", "nobody", "-m", "2000", f"127.0.0.1:{clear}", "4096")
        roots = [stack.enter_context(process(*sink)).pid]
        await_greeting(clear)
        behind_tls = free_port()
        command = (sys.executable, "-I", str(TLS_SINK), str(behind_tls), str(pki.chain), str(pki.key))
        roots.append(stack.enter_context(process(*command)).pid)
        await_greeting(behind_tls)
        sinks = Sinks(clear, behind_tls, roots)
        # With TLS from the generator, the direct way is TLS to the sink, once.
        found = [Peer(DIRECT, {(False, False): clear, **dict.fromkeys(SECURED, behind_tls)}, [])]
        for name, variant in TUNNELS.items():
            if name in names:
                found.append(stack.enter_context(tunnel(home, pki, sinks, variant)))
        if names & set(POSTFIX):
            found += [peer for peer in stack.enter_context(postfix(home, pki, sinks, names)) if peer.name in names]
        if HARAKA in names:
            found.append(stack.enter_context(haraka(home, pki, sinks, haraka_folder())))
        yield found, sinks, pki
