# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluator against the kernel over random rulesets, and mutants of the evaluator against the same points.

ALERTPATH_PROOF_POINTS and ALERTPATH_PROOF_SEED choose more points, or others; `long.py` beside does without pytest.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.analyse import analyse

from .box import box
from .cases import Case, record
from .compare import Analyse, Tally, check, shrink
from .mistakes import ALWAYS_LARGE, ALWAYS_TOO_LARGE, MISTAKES
from .mutants import Edit, built, caught_by, edited

POINTS = int(os.environ.get("ALERTPATH_PROOF_POINTS", "6000"))
SEED = int(os.environ.get("ALERTPATH_PROOF_SEED", "3"))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """What the kernel did; judged once for all tests."""
    with box() as host:
        return list(record(host, SEED, POINTS))


def test_no_disagreement(cases: list[Case]) -> None:
    tally = Tally()
    wrong = []
    for case in cases:
        tally.add(case)
        wrong += check(case, analyse)
    print(f"seed {SEED}: {tally}; {len(wrong)} disagreements")
    if wrong:
        with box() as host:
            smallest = shrink(host, wrong[0], analyse)
        pytest.fail(f"seed {SEED}: {len(wrong)} disagreements; the first, made small:\n{smallest}", pytrace=False)


def test_the_points_are_worth_their_time(cases: list[Case]) -> None:
    """Every direction has packets that pass, are dropped, are sent elsewhere, and unknowns are not everywhere."""
    tally = Tally()
    for case in cases:
        tally.add(case)
    assert len(tally.kernel) == 9, tally
    assert min(tally.kernel.values()) > tally.points / 200, tally
    assert tally.unknown["exact"] > tally.rulesets / 3, tally


def constant(may: bool, must: bool) -> Analyse:
    """An evaluator that has one answer to everything."""
    answer = SimpleNamespace(may=may, must=must, intercepted="may", by=())

    def analyse_nothing(loaded: Any, ports: Any) -> Any:
        return SimpleNamespace(decide=lambda *args, **kwargs: answer)

    return analyse_nothing


@pytest.mark.parametrize(("may", "must"), [(True, True), (False, False)])
def test_one_answer_to_everything_is_caught(may: bool, must: bool, cases: list[Case]) -> None:
    assert caught_by(cases, constant(may, must))


def test_never_being_sure_is_caught(cases: list[Case]) -> None:
    def unsure(loaded: Any, ports: Any) -> Any:
        found = analyse(loaded, ports=ports)

        def decide(*args: Any, **kwargs: Any) -> Any:
            told = found.decide(*args, **kwargs)
            return SimpleNamespace(may=True, must=False, intercepted=told.intercepted, by=told.by)

        return SimpleNamespace(decide=decide)

    assert caught_by(cases, unsure)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mutant_is_caught(name: str, cases: list[Case], tmp_path: Path) -> None:
    # Only for speed: first the rulesets that are most likely to show it.
    wanted = name.startswith("iptables")
    likely = sorted(cases, key=lambda case: (bool(case.ruleset.restores) != wanted, not case.themed))
    with built(tmp_path, edited(MISTAKES[name])) as mutant:
        assert caught_by(likely, mutant), f"the mutant {name!r} survived {len(cases)} rulesets"


def test_the_ways_for_large_rulesets_agree_too(cases: list[Case], tmp_path: Path) -> None:
    with built(tmp_path, edited(*ALWAYS_LARGE)) as large:
        assert not caught_by(cases[::2], large)


def test_giving_up_exactness_is_never_wrong(cases: list[Case], tmp_path: Path) -> None:
    with built(tmp_path, edited(*ALWAYS_TOO_LARGE)) as unsure:
        assert not [str(one) for case in cases[1::2] for one in check(case, unsure, exact=False)][:1]


def test_an_unchanged_copy_is_not_caught(cases: list[Case], tmp_path: Path) -> None:
    with built(tmp_path, {}) as copy:
        assert not caught_by(cases[:20], copy)


def test_a_mutant_whose_text_is_gone_says_so() -> None:
    with pytest.raises(ValueError, match="write this mutant anew"):
        edited(Edit("analyse.py", "no such text in the evaluator", ""))
