# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

from hypothesis import settings

# A busy machine is slow now and then, and no property here is about time. A gate must give the same answer twice, so
# it tries the same examples each time; everywhere else they are new ones.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")
