# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.alertpath.smtp.plugins.module_utils.probe.limits import NAMES, limits
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.steps import LIMITS, Step


def test_every_step_that_waits_has_a_limit() -> None:
    made = limits(15.0, {}, 0.0)
    assert {step for step in Step if step is not Step.DONE} == set(LIMITS)
    assert all(made.of(step) == (2.0 if LIMITS[step] == "quit" else 15.0) for step in LIMITS)
    assert set(NAMES) == set(made.steps)


def test_single_limits_go_first_and_the_whole_allows_for_the_longest() -> None:
    made = limits(15.0, {"greeting": 30.0, "quit": 9.0}, 0.0)
    assert (made.of(Step.GREETING), made.of(Step.RSET), made.of(Step.EHLO_INSIDE)) == (30.0, 9.0, 15.0)
    assert made.overall == 120.0
    assert limits(15.0, {}, 5.0).overall == 5.0


def test_farewell_is_no_longer_than_any_other_step() -> None:
    assert limits(0.5, {}, 0.0).of(Step.QUIT) == 0.5
