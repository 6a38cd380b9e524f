# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TTL with which a TCP answer arrives, found by asking the kernel to ignore answers below one (IP_MINTTL)."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from .model import ACCEPTED, RESET
from .volley import Pace, fire
from .wire import Shot

_ANSWERED = frozenset({ACCEPTED, RESET})
_WIDTH = 15
"""Two rounds then settle 255 values."""
_LARGEST = 255


def thresholds(low: int, high: int, width: int = _WIDTH) -> List[int]:
    """Return up to *width* values strictly between *low* and *high*, evenly spread."""
    step = max((high - low) / (width + 1), 1.0)
    return sorted(
        {low + round(step * index) for index in range(1, width + 1) if low < low + round(step * index) < high}
    )


def narrow(low: int, high: int, answered: Sequence[Tuple[int, bool]]) -> Tuple[int, int]:
    """Return the new bounds: the answer's TTL is at least *low* and below *high*."""
    low = max([low, *(value for value, heard in answered if heard)])
    return low, min([high, *(value for value, heard in answered if not heard and value > low)])


def arriving_ttl(shot: Shot, seconds: float) -> Optional[int]:
    """Return the TTL with which the answer to *shot* arrives; *seconds* is how long an answer takes.

    None when the answers do not come reliably.
    """
    wait = max(0.15, 2 * seconds)
    pace = Pace((0.0, wait, 2 * wait), 3 * wait + 0.1)

    def heard(values: Sequence[int]) -> List[Tuple[int, bool]]:
        replies = fire([shot._replace(least_ttl=value) for value in values], pace)
        return [(value, reply.kind in _ANSWERED) for value, reply in zip(values, replies)]

    low, high = 0, _LARGEST + 1
    while high - low > 1:
        low, high = narrow(low, high, heard(thresholds(low, high)))
    if low == 0 or high > _LARGEST:
        return low or None
    # Lost packets look like ignored ones: what decides is asked again.
    return None if heard([high])[0][1] else low
