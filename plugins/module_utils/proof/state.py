# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a packet on its way, besides the addresses, port and interfaces it came with. Pure."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

from .model import MARK_TOP, SetMark
from .spans import Spans, covers, single, touches

Bits = Tuple[int, int]
"""A number of which the bits in the second field are known."""

# Connection tracking has not seen the packet yet, has, or was told to leave it.
NOT_YET, NEW, UNTRACKED, EITHER = "not yet", "new", "untracked", "either"
UNSURE = "?"


class State(NamedTuple):
    """*src*, *dst*, *port*: what they were changed to, None while they are as the packet came. *iif*, *oif*: a name,
    "?" when not known, None while they are those the packet is looked at for. *moved*: led elsewhere than it wanted."""

    mark: Bits = (0, MARK_TOP)
    ctmark: Bits = (0, MARK_TOP)
    ct: str = NOT_YET
    src: Optional[Spans] = None
    dst: Optional[Spans] = None
    port: Optional[Spans] = None
    iif: Optional[str] = None
    oif: Optional[str] = None
    dnat: bool = False
    snat: bool = False
    moved: bool = False
    diverted: bool = False


class Hook(NamedTuple):
    """A place in the kernel where base chains hang. *iif*, *oif*: whether the packet has that interface there: "has",
    "none", or "perhaps", when it differs between kernels."""

    name: str
    iif: str
    oif: str


OUTPUT = Hook("output", "none", "has")
POSTROUTING = Hook("postrouting", "perhaps", "has")
LEAVING = Hook("egress", "perhaps", "has")
ARRIVING = Hook("ingress", "has", "none")
PREROUTING = Hook("prerouting", "has", "none")
INPUT = Hook("input", "has", "none")
FORWARD = Hook("forward", "has", "has")


def marked(state: State, step: SetMark) -> State:
    """Return *state* after a mark was set."""
    value, known = _kept(state, step.base, step.keep)
    other, other_known = _kept(state, step.other, step.other_keep)
    known &= other_known
    value = (value ^ other ^ step.flip) & known
    if step.which == "mark":
        return state._replace(mark=(value, known))
    return state._replace(ctmark=(value, known))


def _kept(state: State, base: str, keep: int) -> Bits:
    value, known = 0, MARK_TOP
    if base == "mark":
        value, known = state.mark
    elif base == "unknown":
        return 0, 0
    elif base == "ctmark" and state.ct == EITHER:
        known = 0
    elif base == "ctmark":
        value, known = state.ctmark
    # A bit that is not kept is known, whatever it was.
    return value & keep, (known | ~keep) & MARK_TOP


def joined(one: Bits, other: Bits) -> Bits:
    """Return what is known of a number that is *one* or *other*."""
    known = one[1] & other[1] & ~(one[0] ^ other[0])
    return one[0] & known, known


def bits_in(bits: Bits, mask: int, wanted: Spans) -> Optional[bool]:
    """Whether the number (*bits* & *mask*) is in *wanted*; None when that is not known."""
    value, known = bits
    if mask != -1:
        value, known = value & mask, known | (~mask & MARK_TOP)
    if known == MARK_TOP:
        return touches(((value, value),), wanted)
    if single(wanted):
        return False if (wanted[0][0] ^ value) & known else None
    free = ~known & MARK_TOP
    possible: Spans = ((value, value | free),)
    return answer(possible, wanted)


def answer(possible: Spans, wanted: Spans) -> Optional[bool]:
    """Whether a number that is one of *possible* is in *wanted*; None when that is not known."""
    if covers(wanted, possible):
        return True
    return None if touches(possible, wanted) else False
