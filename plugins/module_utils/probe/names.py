# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a target says (an address or a name) to the addresses to connect to."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

_THREADS = 16


class Resolved(NamedTuple):
    """The socket addresses of a destination, or why there are none."""

    addresses: Tuple[Tuple[int, Tuple[Any, ...]], ...]
    error: str = ""


def numeric(text: str, port: int) -> Optional[Tuple[int, Tuple[Any, ...]]]:
    """Return (family, socket address) of an address in text form (with a scope, where it has one); None for a name."""
    try:
        ipaddress.ip_address(text.partition("%")[0])
        found = socket.getaddrinfo(text, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (ValueError, OSError):
        return None
    return int(found[0][0]), tuple(found[0][4])


def written(address: Tuple[Any, ...]) -> str:
    """Return a socket address in text form, as `numeric` reads it: with its scope, as each link has its fe80::1."""
    text, scope = str(address[0]), address[3] if len(address) > 3 else 0
    if not scope:
        return text
    try:
        return f"{text}%{socket.if_indextoname(scope)}"
    except OSError:
        return f"{text}%{scope}"


def _look_up(name: str) -> Resolved:
    try:
        found = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM)
    except OSError as error:  # of the resolver, or of the system under it
        return Resolved((), f"{name} does not resolve: {error.strerror}")
    except UnicodeError:
        return Resolved((), f"{name} is no host name")
    unique = {_unmapped(int(family), tuple(address)) for family, _type, _protocol, _name, address in found}
    usable = [item for item in unique if not ipaddress.ip_address(str(item[1][0]).partition("%")[0]).is_unspecified]
    if not usable:
        return Resolved((), f"{name} leads to no address, as resolvers answer for what they keep away")
    return Resolved(tuple(sorted(usable, key=lambda item: (item[0], str(item[1][0])))))


def _unmapped(family: int, address: Tuple[Any, ...]) -> Tuple[int, Tuple[Any, ...]]:
    """Return an IPv4 address in the form of IPv6 as what it is."""
    mapped = getattr(ipaddress.ip_address(str(address[0]).partition("%")[0]), "ipv4_mapped", None)
    return (family, address) if mapped is None else (int(socket.AF_INET), (str(mapped), address[1]))


def leads_home(name: str, address: Tuple[Any, ...]) -> bool:
    """Whether *name* leads to this host itself, though it is not the name for that (RFC 6761 section 6.3)."""
    own = ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback
    return own and name.rstrip(".").lower().rpartition(".")[2] != "localhost"


def resolve(names: Iterable[str], timeout: float) -> Dict[str, Resolved]:
    """Look up every name, some at a time; whatever takes longer than *timeout* seconds in all is an error.

    The look-ups run in daemon threads, for the resolver of the C library can be neither awaited nor stopped.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    answers: queue.SimpleQueue[Tuple[str, Resolved]] = queue.SimpleQueue()
    wanted: List[str] = sorted(set(names))
    for name in wanted:
        waiting.put(name)

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            answers.put((name, _look_up(name)))

    for _thread in range(min(_THREADS, len(wanted))):
        threading.Thread(target=work, daemon=True).start()
    found: Dict[str, Resolved] = {}
    deadline = time.monotonic() + timeout
    while len(found) < len(wanted):
        try:
            name, resolved = answers.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            break
        found[name] = resolved
    late = Resolved((), f"the resolver of this host did not answer within {timeout:g} s")
    return {name: found.get(name, late) for name in wanted}
