# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel between mail programs that others made."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tunnel" / "tests"))

from harness import Mailbox, Pki


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def mailbox(pki: Pki) -> Iterator[Mailbox]:
    with Mailbox(pki).running() as found:
        yield found
