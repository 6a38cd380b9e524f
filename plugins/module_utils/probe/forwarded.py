# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an SSH server's words say of a connection it was to open, and what they leave open. Pure.

RFC 4254 gives four codes and a text. OpenSSH puts the error of its connect() into the text, in English.
"""

from __future__ import annotations

import errno
import os
from typing import List, Optional

from . import classes
from .classes import Class
from .classify import EXHAUSTED, from_errno
from .model import ANSWERED, BANNER_TIMEOUT, FILTERED, LOCAL_ERROR, NO_ROUTE, REFUSED, Evidence, Finding, Target
from .names import numeric

_PROHIBITED, _CONNECT_FAILED = 1, 2  # RFC 4254 section 5.1

_SPOKEN = (
    *(errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ETIMEDOUT),
    *(errno.EPERM, errno.EACCES, errno.EINVAL, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, *EXHAUSTED),
)
_NUMBERS = {os.strerror(number).lower(): number for number in _SPOKEN}

HOW_REFUSED = "whether a TCP reset or an ICMP error refused, and whose it was: SSH tells neither"
HOW_UNREACHABLE = "whether a firewall said so, a router, or the host itself: SSH tells none of them"
HOW_ENDED = "whether the connection was closed or reset: over SSH both look the same"
IF_ACKNOWLEDGED = "whether what was sent is acknowledged: SSH does not tell"


def from_refusal(code: int, text: str, host: str) -> Finding:
    """Classify the answer of *host*'s SSH server that it opens no connection: the code and the words it gave."""
    number = _NUMBERS.get(text.strip().lower())
    if code == _PROHIBITED:
        why = f"the SSH server of {host} forwards nothing there ({text}); it needs AllowTcpForwarding and PermitOpen"
        return Finding(LOCAL_ERROR, Evidence(why, kind=classes.CARRIER_FORBIDS))
    if code != _CONNECT_FAILED or number is None:
        said = f"{text or 'no reason'} (code {code})"
        why = f"{host} opened no connection, and its SSH server does not say why in words that are known: {said}"
        return Finding(LOCAL_ERROR, Evidence(why, kind=classes.CARRIER_UNCLEAR))
    name = errno.errorcode[number]
    if number == errno.ECONNREFUSED:
        return Finding(REFUSED, Evidence(f"refused, says {host}", name))
    if number == errno.EACCES:
        # What connect() says of a policy on the host, and of an ICMPv6 error from elsewhere: only one is a rejection.
        return Finding(NO_ROUTE, Evidence(f"forbidden, says {host}: {text}", name))
    if number == errno.ETIMEDOUT:
        return Finding(FILTERED, Evidence(f"no answer, says {host}", name))
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return Finding(NO_ROUTE, Evidence(f"unreachable, says {host}: {text}", name))
    found = from_errno(number, True)
    return Finding(found.outcome, Evidence(f"{host} says: {text}", name, local=True, kind=found.evidence.kind))


def from_silence(attempts: int, seconds: float, host: str) -> Finding:
    """Classify that *host* got no answer to any of *attempts* within *seconds*, and its SSH server is well."""
    return Finding(FILTERED, Evidence(f"{host} got no answer to {attempts} attempts to connect in {seconds:.1f} s"))


def from_loss(why: str, host: str) -> Finding:
    """Classify that the SSH connection to *host* is gone: nothing follows for the target."""
    return Finding(LOCAL_ERROR, Evidence(lost(why, host), kind=classes.CARRIER_LOST))


def lost(why: str, host: str) -> str:
    """Say that the SSH connection to *host* is gone."""
    return f"the SSH connection to {host} is lost: {why}"


def seen_over_ssh(seen: Class, finding: Finding, target: Target, address: Optional[str], host: str) -> Class:
    """Return the class with what a look from *host* over SSH leaves open besides."""
    left: List[str] = list(seen.cannot_tell)
    if finding.outcome == REFUSED:
        left = [HOW_REFUSED]
    elif finding.outcome == NO_ROUTE and not finding.evidence.local:
        left = [HOW_UNREACHABLE]
    elif seen.name == classes.CLOSED_AFTER_ACCEPT:
        left.append(HOW_ENDED)
    elif finding.outcome == BANNER_TIMEOUT:
        left.append(IF_ACKNOWLEDGED)
    if finding.outcome in ANSWERED or finding.outcome in (REFUSED, FILTERED, NO_ROUTE):
        if target.source is not None:
            left.append(f"whether it left {host} from {target.source}: its SSH server takes no source")
        if address is not None and numeric(target.destination, target.port) is None:
            left.append(f"whether {target.destination} leads to {address} on {host} too: it was looked up here")
    return Class(seen.name, tuple(left))
