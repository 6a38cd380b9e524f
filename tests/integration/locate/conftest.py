# SPDX-License-Identifier: GPL-3.0-or-later
"""The privilege that these tests need."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
