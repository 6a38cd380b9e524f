# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the kernel says about a connection attempt to an outcome. Pure."""

from __future__ import annotations

import errno
import os
from typing import Optional

from . import classes
from .icmp import NO_NEIGHBOUR, IcmpError, meaning
from .model import FILTERED, LOCAL_ERROR, NO_ROUTE, NOT_SMTP, REFUSED, REJECTED, Evidence, Finding

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""The host ran out of something; another attempt may do better."""
EXHAUSTED_NAMES = frozenset(errno.errorcode[code] for code in EXHAUSTED)

_UNROUTED = {
    errno.ENETUNREACH: "this host has no route to the destination",
    errno.EHOSTUNREACH: "a route of this host calls the destination unreachable",
    errno.EINVAL: "a blackhole route of this host swallows the destination",
    errno.ENETDOWN: "the network of this host is down",
    errno.EHOSTDOWN: "the destination is down",
}
_LOCAL = {
    errno.EPERM: "a policy of this host forbids the connection",
    errno.EACCES: "a policy or a prohibiting route of this host forbids the connection",
    errno.EAFNOSUPPORT: "this host does not support the address family",
    errno.EMFILE: "the probe ran out of file descriptors",
    errno.ENFILE: "this host ran out of file descriptors",
    errno.ENOBUFS: "this host ran out of network buffers",
    errno.ENOMEM: "this host ran out of memory",
}


def _name(code: int) -> str:
    return errno.errorcode.get(code, str(code))


def from_errno(code: int, at_once: bool, source: Optional[str] = None) -> Finding:
    """Classify the error number of a connection attempt.

    *at_once*: the system call itself failed, so nothing left the host. Otherwise the error came later, as an answer
    whose ICMP message the kernel did not report (Linux before 5.8); it is then ambiguous, and read as what
    proves least.
    """
    name = _name(code)
    if code == errno.ECONNREFUSED:
        return Finding(
            REFUSED, Evidence("a TCP reset came back (nothing listens, or a firewall resets)", name, reset=True)
        )
    if code == errno.ECONNRESET:  # before the handshake is done, a reset is ECONNREFUSED
        text = "connected, and reset at once"
        return Finding(NOT_SMTP, Evidence(text, name, reset=True, kind=classes.RESET_AFTER_ACCEPT))
    if code == errno.ETIMEDOUT:
        return Finding(FILTERED, Evidence("no answer", name))
    if not at_once and code == errno.EACCES:
        return Finding(REJECTED, Evidence("an ICMP error answered: communication administratively prohibited", name))
    if not at_once and code in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return Finding(NO_ROUTE, Evidence("an ICMP error answered: unreachable", name))
    if code == errno.EADDRNOTAVAIL:
        text = (
            f"the address {source} is not on this host"
            if source
            else "this host has no address to connect from, or no free port"
        )
        return Finding(LOCAL_ERROR, Evidence(text, name, local=True))
    if code in _UNROUTED:
        return Finding(NO_ROUTE, Evidence(_UNROUTED[code], name, local=True))
    kind = classes.LOCAL_POLICY if code in (errno.EPERM, errno.EACCES) else None
    return Finding(LOCAL_ERROR, Evidence(_LOCAL.get(code, os.strerror(code)), name, local=True, kind=kind))


def from_icmp(error: IcmpError, own_address: Optional[str]) -> Optional[Finding]:
    """Classify an ICMP error that answered an attempt; None when it does not end the attempt.

    An unreachable host reported from *own_address* is the neighbour that did not answer ARP or neighbour discovery,
    or a rule of this host that says the same.
    """
    said = meaning(error)
    if said is None:
        return None
    own = error.device == own_address
    who = "this host" if own else error.device
    text = f"{who} answered: {said.name}"
    kind: Optional[str] = None
    if said.outcome == NO_ROUTE and not own:
        kind = classes.UNREACHABLE
    elif (error.version, error.type, error.code) in NO_NEIGHBOUR and own:
        text = f"{text}, as when the next hop does not answer ARP or neighbour discovery"
        kind = classes.NO_NEIGHBOUR
    elif said.outcome != NO_ROUTE and own:
        kind = classes.OWN_RULE
    evidence = Evidence(text, icmp_type=error.type, icmp_code=error.code, device=error.device, kind=kind)
    return Finding(said.outcome, evidence)


def from_silence(attempts: int, seconds: float, never_left: bool = False) -> Finding:
    """Classify *attempts* SYNs that nothing answered within *seconds*; *never_left*: this host swallows them itself."""
    text = f"no answer to {attempts} SYNs in {seconds:.1f} s"
    if never_left:
        return Finding(
            FILTERED, Evidence(f"{text}: this host itself drops them on their way out", kind=classes.OWN_RULE)
        )
    return Finding(FILTERED, Evidence(text))
