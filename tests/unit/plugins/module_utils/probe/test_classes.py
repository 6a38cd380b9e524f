# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from itertools import product

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import classes, model
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import Evidence, Finding
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.seen import Smtp, Tcp, Tls

OUTCOMES = sorted(model.ANSWERED | model.SHUT | model.NOT_RUN)


def found(outcome: str, **parts: object) -> Finding:
    return Finding(outcome, Evidence("seen", **parts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tcp", "partial", "at_greeting", "kind"),
    [
        (Tcp(True, 500, 0), False, True, "silent"),
        (Tcp(True, 0, 0), False, True, "silent"),
        (Tcp(True, 500, 0), True, True, "banner_incomplete"),
        (Tcp(False, 500, 2), False, True, "half_open"),
        (Tcp(False, None, 2), False, True, "half_open"),
        (Tcp(False, 0, 0), False, True, "tarpit"),
        (Tcp(False, 0, 0), True, True, "tarpit"),
        (None, False, True, None),
        (None, True, True, "banner_incomplete"),
        (Tcp(True, 500, 0), False, False, None),
        (Tcp(True, 500, 0), True, False, None),
        (Tcp(False, 500, 3), False, False, "half_open"),
    ],
)
def test_silence(tcp: Tcp | None, partial: bool, at_greeting: bool, kind: str | None) -> None:
    assert classes.of_silence(tcp, partial, at_greeting) == kind


@pytest.mark.parametrize(
    ("reset", "rejected", "at_greeting", "kind"),
    [
        (True, False, True, "reset_after_accept"),
        (True, False, False, "reset_in_session"),
        (False, False, True, "closed_after_accept"),
        (False, False, False, None),
        (False, True, True, "rejected_after_accept"),
        (False, True, False, "rejected_after_accept"),
    ],
)
def test_end(reset: bool, rejected: bool, at_greeting: bool, kind: str | None) -> None:
    assert classes.of_end(reset, rejected, at_greeting) == kind


@pytest.mark.parametrize(
    ("what", "code", "kind"),
    [
        ("greeting", 421, "greeting_421"),
        ("greeting", 554, "greeting_554"),
        ("greeting", 521, None),
        ("sender", 550, "sender_refused"),
        ("sender", 451, "sender_deferred"),
        ("recipient", 550, "recipient_refused"),
        ("recipient", 450, "recipient_deferred"),
        ("recipient", 530, "auth_required"),
    ],
)
def test_refusal(what: str, code: int, kind: str | None) -> None:
    assert classes.of_refusal(what, code) == kind


@pytest.mark.parametrize(("outcome", "depth"), list(product(OUTCOMES, model.DEPTHS)))
def test_class_is_the_outcome_or_finer(outcome: str, depth: str) -> None:
    assert classes.classify(found(outcome), depth).name == outcome
    for kind in classes.WITHIN.get(outcome, ()):
        assert classes.classify(found(outcome, kind=kind), depth).name == kind


def test_no_class_has_the_name_of_an_outcome() -> None:
    finer = {kind for kinds in classes.WITHIN.values() for kind in kinds}
    assert not finer & set(OUTCOMES)
    assert set(classes.WITHIN) <= set(OUTCOMES)


@pytest.mark.parametrize(
    ("seconds", "name"), [(None, "open"), (2.9, "open"), (3.0, "banner_late"), (9.0, "banner_late")]
)
def test_late_greeting(seconds: float | None, name: str) -> None:
    smtp = Smtp(greeting_code=220, greeting_seconds=seconds)
    assert classes.classify(found("open", smtp=smtp), "banner").name == name
    assert classes.classify(found("wrong_server", smtp=smtp), "banner").name == "wrong_server"


def test_who_is_not_proved_is_said() -> None:
    assert any("who answers" in text for text in classes.classify(found("open"), "connect").cannot_tell)
    assert any("no certificate" in text for text in classes.classify(found("open"), "banner").cannot_tell)
    assert classes.classify(found("open", name_verified=True), "tls").cannot_tell == ()


@pytest.mark.parametrize(("sent", "said"), [(None, True), (True, False)])
def test_unanswered_request_for_a_certificate_is_said(sent: bool | None, said: bool) -> None:
    tls = Tls(client_certificate_asked=True, client_certificate_sent=sent)
    seen = classes.classify(found("open", name_verified=True, tls=tls), "tls")
    assert bool(seen.cannot_tell) is said


def test_silence_of_a_living_destination_leaves_less_open() -> None:
    alone = classes.classify(found("filtered"), "connect").cannot_tell
    living = classes.classify(found("filtered"), "connect", destination_lives=True).cannot_tell
    assert len(alone) == len(living) + 1


@pytest.mark.parametrize("said", [(4, 11, 0), (6, 3, 0), (6, 3, 1)])
def test_loop_leaves_nothing_open_of_rules_and_routes(said: tuple[int, int, int]) -> None:
    """Type 3 is "unreachable" in ICMP, and "time exceeded" in ICMPv6."""
    device = "192.0.2.1" if said[0] == 4 else "2001:db8::1"
    loop = found("no_route", device=device, icmp_type=said[1], icmp_code=said[2], kind="unreachable")
    assert classes.classify(loop, "connect").cannot_tell == ()


@pytest.mark.parametrize("outcome", ["rejected", "no_route"])
def test_device_that_is_not_known_is_said(outcome: str) -> None:
    assert any("which device" in text for text in classes.classify(found(outcome), "connect").cannot_tell)
    known = found(outcome, device="192.0.2.1", icmp_type=3, icmp_code=13)
    assert classes.classify(known, "connect").cannot_tell == ()
    assert classes.classify(found(outcome, local=True), "connect").cannot_tell == ()
