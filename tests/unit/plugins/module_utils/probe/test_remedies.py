# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import classes, model, remedies, tls, verdict
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import Evidence, Finding

OUTCOMES = sorted((model.ANSWERED | model.SHUT | model.NOT_RUN) - {model.OPEN})
CLASSES = [(outcome, name) for outcome in OUTCOMES for name in (outcome, *classes.WITHIN.get(outcome, ()))]


@pytest.mark.parametrize(("outcome", "name"), CLASSES)
def test_every_class_has_a_remedy_of_its_own(outcome: str, name: str) -> None:
    assert name in remedies.BY_CLASS
    text = remedies.remedy("allowed", Finding(outcome, Evidence("seen")), name, verdict.FAIL)
    assert text == remedies.BY_CLASS[name]


@pytest.mark.parametrize("error", [*remedies.BY_TLS_ERROR, "record_layer_failure"])
def test_failed_handshake_blames_no_certificate_unless_it_is_one(error: str) -> None:
    failed = Finding(model.TLS_FAILED, Evidence("seen", tls_error=error))
    text = remedies.remedy("allowed", failed, model.TLS_FAILED, verdict.FAIL)
    assert text != remedies.BY_CLASS[model.TLS_FAILED]
    late = remedies.remedy("allowed", failed, classes.CLOSED_AFTER_ACCEPT, verdict.FAIL)
    assert late == remedies.BY_CLASS[classes.CLOSED_AFTER_ACCEPT]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"500 5.5.1 unknown command\r\n", "no_tls"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "version"),  # the alert protocol_version
    ],
)
def test_clear_text_in_place_of_tls_is_no_matter_of_versions(said: bytes, reason: str) -> None:
    client = tls.TlsClient(tls.describing_context(), "mail.corp.test")
    client.handshake()
    client.receive(said)
    with pytest.raises(tls.TlsFailure) as caught:
        client.handshake()
    assert caught.value.reason == reason
    assert caught.value.reason in remedies.BY_TLS_ERROR


@pytest.mark.parametrize("error", ["expired", "untrusted", "certificate", None])
def test_failed_certificate_is_to_be_replaced(error: str | None) -> None:
    failed = Finding(model.TLS_FAILED, Evidence("seen", tls_error=error))
    text = remedies.remedy("allowed", failed, model.TLS_FAILED, verdict.FAIL)
    assert text == remedies.BY_CLASS[model.TLS_FAILED]


def test_remedies_are_sentences_for_a_reader() -> None:
    for name, text in (remedies.BY_CLASS | remedies.BY_TLS_ERROR).items():
        assert text[0].islower(), name
        assert not text.endswith((".", " ")), name
        assert "  " not in text, name


@pytest.mark.parametrize("outcome", sorted(model.SHUT))
def test_what_is_unproven_needs_a_control(outcome: str) -> None:
    text = remedies.remedy("blocked", Finding(outcome, Evidence("seen")), outcome, verdict.UNPROVEN)
    assert "control_ports" in text


def test_open_path_that_should_be_blocked_is_to_be_closed() -> None:
    text = remedies.remedy("blocked", Finding(model.OPEN, Evidence("seen")), model.OPEN, verdict.FAIL)
    assert text.startswith("apply the policy")
    through_a_proxy = Finding(model.OPEN, Evidence("seen"))
    assert "redirection" in remedies.remedy("blocked", through_a_proxy, classes.INTERCEPTED, verdict.FAIL)


def test_probe_that_could_not_run_is_mended_whatever_was_expected() -> None:
    finding = Finding(model.NO_ROUTE, Evidence("seen"))
    assert remedies.remedy("blocked", finding, model.NO_ROUTE, verdict.ERROR) == remedies.BY_CLASS[model.NO_ROUTE]
