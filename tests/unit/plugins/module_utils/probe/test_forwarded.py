# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import forwarded, model
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.classes import classify
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import Evidence, Finding, Target
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.verdict import DESTINATION, judge
from hypothesis import given
from hypothesis import strategies as st

TARGET = Target("192.0.2.7", 25)


@pytest.mark.parametrize(
    ("number", "outcome", "kind"),
    [
        (errno.ECONNREFUSED, "refused", None),
        (errno.EHOSTUNREACH, "no_route", None),
        (errno.ENETUNREACH, "no_route", None),
        (errno.EACCES, "no_route", None),
        (errno.ETIMEDOUT, "filtered", None),
        (errno.EPERM, "local_error", "local_policy"),
        (errno.EMFILE, "local_error", None),
    ],
)
def test_words_of_openssh(number: int, outcome: str, kind: str | None) -> None:
    finding = forwarded.from_refusal(2, os.strerror(number), "vault")
    assert (finding.outcome, finding.evidence.kind) == (outcome, kind)
    assert finding.evidence.errno == errno.errorcode[number]


@given(st.integers(0, 2**32 - 1), st.text())
def test_only_words_that_are_known_ever_prove_a_block(code: int, text: str) -> None:
    words = {os.strerror(number).lower() for number in (errno.ECONNREFUSED, errno.ETIMEDOUT)}
    finding = forwarded.from_refusal(code, text, "vault")
    passed = judge(model.BLOCKED, model.CONNECT, finding, DESTINATION, True).verdict == "pass"
    assert not passed or (code == 2 and text.strip().lower() in words)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 99])
def test_other_refusals_say_nothing_of_the_path(code: int) -> None:
    finding = forwarded.from_refusal(code, "open failed", "vault")
    assert finding.outcome == "local_error"
    assert finding.evidence.kind == ("carrier_forbids" if code == 1 else "carrier_unclear")


def seen(finding: Finding, target: Target = TARGET, depth: str = model.CONNECT) -> tuple[str, ...]:
    return forwarded.seen_over_ssh(classify(finding, depth), finding, target, "192.0.2.7", "vault").cannot_tell


def test_what_is_left_open() -> None:
    assert seen(forwarded.from_refusal(2, "Connection refused", "vault")) == (forwarded.HOW_REFUSED,)
    assert seen(forwarded.from_refusal(2, "No route to host", "vault")) == (forwarded.HOW_UNREACHABLE,)
    assert forwarded.IF_ACKNOWLEDGED in seen(Finding(model.BANNER_TIMEOUT, Evidence("nothing")), depth=model.BANNER)
    sourced = seen(Finding(model.OPEN, Evidence("connected")), TARGET._replace(source="192.0.2.1"))
    assert any("192.0.2.1" in text for text in sourced)
    named = seen(Finding(model.OPEN, Evidence("connected")), TARGET._replace(destination="mail.corp.test"))
    assert any("mail.corp.test leads to 192.0.2.7 on vault too" in text for text in named)
    assert seen(forwarded.from_loss("gone", "vault")) == ()
