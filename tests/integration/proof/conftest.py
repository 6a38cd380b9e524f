# SPDX-License-Identifier: GPL-3.0-or-later
"""One box for all tests: the namespace of the process that runs them, while they run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .box import Box, box


@pytest.fixture(scope="module")
def host() -> Iterator[Box]:
    with box() as made:
        yield made
