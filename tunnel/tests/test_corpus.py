# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dialogues and configurations that were once thought of, or found by fuzzing, tried each time.

A dialogue is what a client sends, octet by octet; `expected.json` has how many messages of it may be accepted when
the client waits for each reply. A configuration only has to be judged: accepted, or refused with a place and a remedy.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_config_hostile import judge
from test_fuzz import Talk, keeps_the_laws

CORPUS = Path(__file__).parent / "corpus"
DIALOGUES = sorted((CORPUS / "dialogues").glob("*.smtp"))
CONFIGS = sorted((CORPUS / "configs").glob("*.json"))
EXPECTED: dict[str, int] = json.loads((CORPUS / "expected.json").read_text())


def test_every_dialogue_has_its_expectation() -> None:
    assert {file.stem for file in DIALOGUES} == EXPECTED.keys()


@pytest.mark.parametrize("file", DIALOGUES, ids=lambda file: file.stem)
def test_dialogue_keeps_the_laws_however_it_comes(file: Path) -> None:
    octets = file.read_bytes()
    halves = [[octets[:at], octets[at:]] for at in range(1, min(len(octets), 400))]
    for chunks in ([octets], [octets[at : at + 1] for at in range(len(octets))], *halves):
        keeps_the_laws(octets, chunks)


@pytest.mark.parametrize("file", DIALOGUES, ids=lambda file: file.stem)
def test_dialogue_of_a_client_that_waits(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(keeps_the_laws(b"".join(lines), lines).messages) == EXPECTED[file.stem]


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_configuration_is_judged(tmp_path: Path, file: Path) -> None:
    judge(tmp_path, file.read_text(encoding="utf-8", errors="surrogateescape"))


def test_talk_is_the_machine_itself() -> None:
    """So that a corpus that tries nothing is noticed."""
    assert Talk().say([b"EHLO x\r\n"]).events
