# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a strand waits. In a module of its own, for mypyc knows no coroutines of this kind."""

from __future__ import annotations

import types
from collections.abc import Generator


@types.coroutine
def pause() -> Generator[None, None, None]:
    """Let the running strand wait until it is resumed."""
    yield
