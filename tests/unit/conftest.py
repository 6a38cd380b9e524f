# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from hypothesis import settings

# A busy machine is slow now and then, and no property here is about time.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
