# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was expected against what was seen. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Optional

from .classes import OWN_RULE, UNREACHABLE
from .model import (
    ALLOWED,
    ANSWERED,
    CONNECT,
    FILTERED,
    LOCAL_ERROR,
    NAME_ERROR,
    NO_ROUTE,
    NOT_RUN,
    OPEN,
    REFUSED,
    REJECTED,
    Finding,
)

AS_EXPECTED = "pass"
FAIL = "fail"
ERROR = "error"
UNPROVEN = "unproven"
VERDICTS = (AS_EXPECTED, FAIL, ERROR, UNPROVEN)

DESTINATION = "destination"
FAMILY = "family"
NO_CONTROL = "none"


class Judgement(NamedTuple):
    """A verdict and the reason for it in words."""

    verdict: str
    reason: str


def is_sign_of_life(finding: Finding, outside: bool = True) -> bool:
    """Whether a TCP answer came, SYN-ACK or reset: then the network works.

    Without *outside* the answer may be of this host's own rules, and a reset is no sign.
    """
    return finding.outcome in ANSWERED or (finding.outcome == REFUSED and outside)


def rejects_itself(finding: Finding, address: str) -> bool:
    """Whether a connection to *address* was rejected by ICMP from that address.

    Nobody says of himself that he is unreachable; an address translation makes it look so.
    """
    return finding.outcome == REJECTED and finding.evidence.device == address.partition("%")[0]


def control_level(destination_is_there: bool, family_lives: bool) -> str:
    """Return the strongest positive control there is for a row: its destination, its address family, or none."""
    return DESTINATION if destination_is_there else FAMILY if family_lives else NO_CONTROL


def settle(finding: Finding, destination_lives: bool, control: Optional[Finding]) -> Finding:
    """Read a finding again, knowing what the destination did on a control port.

    "Unreachable" about a destination that answers elsewhere is a firewall's rejection. Silence about a destination
    whose neighbour or router says, after longer, that it cannot be reached is no filter.
    """
    evidence = finding.evidence
    if finding.outcome == NO_ROUTE and destination_lives and not evidence.local:
        own = evidence.device is not None and evidence.kind != UNREACHABLE
        who = "a rule of this host" if own else "a firewall"
        text = f"{evidence.text}; the destination answers on another port, so {who} says so"
        return Finding(REJECTED, replace(evidence, text=text, kind=OWN_RULE if own else None))
    if finding.outcome == FILTERED and control is not None and control.outcome in (NO_ROUTE, LOCAL_ERROR):
        return control
    return finding


def judge(
    expect: str, depth: str, finding: Finding, control: str, require_control: bool, require_answer: bool = False
) -> Judgement:
    """Compare the *finding* of a probe of *depth* with what was expected (`allowed` or `blocked`).

    *control* is what `control_level` gave: a block is proven only where something else answers. A reset or an ICMP
    rejection is no exception, for this host's own rules may send them though its network is dead. With
    *require_answer* the address itself must have answered elsewhere, for a mistyped one is as silent as a blocked one.
    """
    text = finding.evidence.text
    if finding.outcome in NOT_RUN:
        what = {NO_ROUTE: "no way to the destination", NAME_ERROR: "no address to probe"}
        return Judgement(ERROR, f"{what.get(finding.outcome, 'the probe could not run')}: {text}")
    if expect == ALLOWED:
        if finding.outcome != OPEN:
            return Judgement(FAIL, f"must be open to the right server, but {text}")
        return Judgement(AS_EXPECTED, "connected; who answered was not asked" if depth == CONNECT else text)
    if finding.outcome in ANSWERED:
        return Judgement(FAIL, f"must be blocked, but {text}")
    if control == NO_CONTROL and require_control:
        return Judgement(UNPROVEN, f"{text}; but nothing else answered either, so it proves nothing")
    if control == FAMILY and require_control and require_answer:
        return Judgement(UNPROVEN, f"{text}; but the address gave no sign of life, so nobody may be there")
    return Judgement(AS_EXPECTED, text)
