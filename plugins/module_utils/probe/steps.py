# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a session, in their order for each kind of encryption and depth. Rules as data."""

from __future__ import annotations

import enum
from typing import Dict, NamedTuple, Optional, Tuple

from .model import AUTH, BANNER, EHLO, IMPLICIT, MAIL, NONE, STARTTLS, TLS
from .sasl import Credentials


class Step(enum.Enum):
    """What the session waits for."""

    GREETING = "greeting"
    EHLO = "reply to EHLO"
    STARTTLS = "reply to STARTTLS"
    TLS = "TLS handshake"
    EHLO_INSIDE = "reply to EHLO inside TLS"
    AUTH = "reply to AUTH"
    MAIL = "reply to MAIL"
    RCPT = "reply to RCPT"
    RSET = "reply to RSET"
    QUIT = "reply to QUIT"
    DONE = "nothing"


LIMITS = {
    Step.GREETING: "greeting",
    Step.EHLO: "ehlo",
    Step.EHLO_INSIDE: "ehlo",
    Step.STARTTLS: "starttls",
    Step.TLS: "tls",
    Step.AUTH: "auth",
    Step.MAIL: "mail",
    Step.RCPT: "mail",
    Step.RSET: "quit",
    Step.QUIT: "quit",
}
"""The name of the time limit of each step."""
STAGES = {**LIMITS, Step.EHLO_INSIDE: "ehlo_inside", Step.MAIL: "mail_from", Step.RCPT: "rcpt_to", Step.RSET: "rset"}
"""The name of each step in the evidence."""

# Every session ends with QUIT. Inside TLS from the start (RFC 8314), the greeting comes after the handshake. After
# STARTTLS, all that was said before counts no more (RFC 3207 section 4.2), so EHLO is said again.
_CLEAR = (Step.GREETING, Step.EHLO)
_UPGRADED = (Step.GREETING, Step.EHLO, Step.STARTTLS, Step.TLS)
_INSIDE = (Step.TLS, Step.GREETING)
_STEPS: Dict[Tuple[str, str], Tuple[Step, ...]] = {
    (NONE, BANNER): (Step.GREETING,),
    (NONE, EHLO): _CLEAR,
    (NONE, TLS): (Step.GREETING,),
    (NONE, AUTH): _CLEAR,
    (NONE, MAIL): _CLEAR,
    (STARTTLS, BANNER): (Step.GREETING,),
    (STARTTLS, EHLO): _CLEAR,
    (STARTTLS, TLS): _UPGRADED,
    (STARTTLS, AUTH): (*_UPGRADED, Step.EHLO_INSIDE),
    (STARTTLS, MAIL): (*_UPGRADED, Step.EHLO_INSIDE),
    (IMPLICIT, BANNER): _INSIDE,
    (IMPLICIT, EHLO): (*_INSIDE, Step.EHLO_INSIDE),
    (IMPLICIT, TLS): _INSIDE,
    (IMPLICIT, AUTH): (*_INSIDE, Step.EHLO_INSIDE),
    (IMPLICIT, MAIL): (*_INSIDE, Step.EHLO_INSIDE),
}


class Errand(NamedTuple):
    """What to try once the server is known: who to be, and for whom a message would be."""

    credentials: Optional[Credentials] = None
    sender: str = ""
    """The address of the envelope's sender; empty for the null sender, `<>`."""
    recipient: Optional[str] = None


NO_ERRAND = Errand()


def steps(encryption: str, depth: str, errand: Errand = NO_ERRAND) -> Tuple[Step, ...]:
    """Return the steps before QUIT for a session of *depth* at a server with *encryption*."""
    found = _STEPS[encryption, depth]
    if depth == AUTH or (depth == MAIL and errand.credentials is not None):
        found = (*found, Step.AUTH)
    if depth == MAIL:
        found = (*found, Step.MAIL, Step.RCPT, Step.RSET)
    return found
