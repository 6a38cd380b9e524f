# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions as scripts: what the server says, what the client answers, what comes of it."""

from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.dialogue import Dialogue, Step
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.sasl import Credentials
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.steps import NO_ERRAND, Errand
from hypothesis import given
from hypothesis import strategies as st

NAME = "mail.corp.test"
GREETING = b"220 mail.corp.test ESMTP\r\n"
AUTH = b"250-mail.corp.test\r\n250 AUTH LOGIN\r\n"
EXTENSIONS = b"250-mail.corp.test\r\n250-STARTTLS\r\n250 SIZE 1000\r\n"

ERRAND = Errand(None, "", "a@b.test")
SECRETS = (b"cmVsYXk=", b"czNjcmV0", b"AHJlbGF5AHMzY3JldA==")
ALL = Errand(Credentials("relay", "s3cret"), "", "a@b.test")


def session(
    *said: bytes,
    encryption: str = "starttls",
    depth: str = "tls",
    name: str | None = NAME,
    errand: Errand = NO_ERRAND,
) -> tuple[Dialogue, bytes]:
    dialogue = Dialogue(encryption, depth, "[192.0.2.1]", name, errand)
    sent = b""
    for part in said:
        dialogue.receive(part)
        sent += dialogue.output()
    return dialogue, sent


def test_starttls_up_to_the_handshake_and_quit_after_it() -> None:
    dialogue, sent = session(GREETING, EXTENSIONS, b"220 go\r\n")
    assert dialogue.step is Step.TLS
    assert sent == b"EHLO [192.0.2.1]\r\nSTARTTLS\r\n"
    dialogue.secured(name_verified=True)
    assert dialogue.output() == b"QUIT\r\n"
    assert dialogue.finding.outcome == "open"
    dialogue.receive(b"221 bye\r\n")
    assert dialogue.step is Step.DONE


def test_implicit_tls_greets_after_the_handshake() -> None:
    dialogue, _ = session(encryption="implicit")
    assert dialogue.step is Step.TLS
    dialogue.secured(name_verified=True)
    dialogue.receive(b"220 whoever\r\n")
    assert (dialogue.finding.outcome, dialogue.output()) == ("open", b"QUIT\r\n")


@pytest.mark.parametrize(
    ("said", "outcome", "sent"),
    [
        ([b"554 no\r\n"], "greeting_refused", b"QUIT\r\n"),
        ([b"421 busy\r\n"], "greeting_refused", b"QUIT\r\n"),
        ([b"220-mail\r\n", b"554 no\r\n"], "not_smtp", b""),
        ([b"354 what\r\n"], "not_smtp", b""),
        ([b"hello\r\n"], "not_smtp", b""),
        ([GREETING, b"250 mail\r\n"], "tls_missing", b"EHLO [192.0.2.1]\r\nQUIT\r\n"),
        ([GREETING, b"250 STARTTLS\r\n"], "tls_missing", b"EHLO [192.0.2.1]\r\nQUIT\r\n"),
        ([GREETING, b"502 no\r\n"], "tls_missing", b"EHLO [192.0.2.1]\r\nQUIT\r\n"),
        ([GREETING, b"421 no\r\n"], "greeting_refused", b"EHLO [192.0.2.1]\r\nQUIT\r\n"),
        ([GREETING, EXTENSIONS, b"454 no\r\n"], "tls_missing", b"EHLO [192.0.2.1]\r\nSTARTTLS\r\nQUIT\r\n"),
        ([GREETING, EXTENSIONS, b"220 go\r\n250 x\r\n"], "tls_failed", b"EHLO [192.0.2.1]\r\nSTARTTLS\r\n"),
    ],
)
def test_what_ends_a_session(said: list[bytes], outcome: str, sent: bytes) -> None:
    dialogue, said_back = session(*said)
    assert (dialogue.finding.outcome, said_back) == (outcome, sent)


def test_extension_is_found_in_any_case_and_not_by_its_beginning() -> None:
    assert session(GREETING, b"250-mail\r\n250 starttls\r\n")[0].step is Step.STARTTLS
    assert session(GREETING, b"250-mail\r\n250 STARTTLSX\r\n")[0].finding.outcome == "tls_missing"


@pytest.mark.parametrize(
    ("greeting", "name", "outcome"),
    [
        (b"220 MAIL.corp.TEST hi\r\n", NAME, "open"),
        (b"220 other.corp.test\r\n", NAME, "wrong_server"),
        (b"220\r\n", NAME, "wrong_server"),
        (b"220 other.corp.test\r\n", None, "open"),
    ],
)
def test_greeting_names_the_server_in_clear_text(greeting: bytes, name: str | None, outcome: str) -> None:
    assert session(greeting, encryption="none", name=name)[0].finding.outcome == outcome
    assert session(greeting, depth="banner", name=name)[0].finding.outcome == outcome


@pytest.mark.parametrize(
    ("said", "closed", "late"),
    [
        ([], "not_smtp", "banner_timeout"),
        ([GREETING], "not_smtp", "not_smtp"),
        ([GREETING, EXTENSIONS], "tls_failed", "tls_failed"),
        ([GREETING, EXTENSIONS, b"220 go\r\n"], "tls_failed", "tls_failed"),
        ([b"554 no\r\n"], "greeting_refused", "greeting_refused"),
    ],
)
def test_end_in_the_middle(said: list[bytes], closed: str, late: str) -> None:
    dialogue, _ = session(*said)
    dialogue.closed("gone")
    assert (dialogue.finding.outcome, dialogue.step) == (closed, Step.DONE)
    dialogue, _ = session(*said)
    dialogue.expired(5)
    assert (dialogue.finding.outcome, dialogue.step) == (late, Step.DONE)


def test_late_reply_keeps_the_greeting_and_says_how_long_each_stage_took() -> None:
    dialogue, _ = session(GREETING, EXTENSIONS, depth="ehlo", encryption="none")
    dialogue.took(Step.GREETING, 0.25)
    dialogue.took(Step.EHLO, 0.5)
    smtp = dialogue.finding.evidence.smtp
    assert smtp is not None
    assert smtp.greeting_seconds == 0.25
    assert [(seen.stage, seen.code, seen.seconds) for seen in smtp.exchanges] == [
        ("greeting", 220, 0.25),
        ("ehlo", 250, 0.5),
    ]


def test_mail_is_for_the_right_server_only() -> None:
    _, sent = session(b"220 other.test\r\n", EXTENSIONS, depth="mail", encryption="none", errand=ERRAND)
    assert sent == b"EHLO [192.0.2.1]\r\nQUIT\r\n"
    _, sent = session(GREETING, EXTENSIONS, b"250 ok\r\n", depth="mail", encryption="none", errand=ERRAND)
    assert sent == b"EHLO [192.0.2.1]\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n"


@pytest.mark.parametrize(("proven", "last"), [(True, b"AUTH LOGIN\r\n"), (False, b"QUIT\r\n")])
def test_credentials_wait_for_a_proven_server(proven: bool, last: bytes) -> None:
    dialogue = Dialogue("starttls", "auth", "[192.0.2.1]", NAME, ALL)
    for part in (GREETING, EXTENSIONS, b"220 go\r\n"):
        dialogue.receive(part)
    dialogue.secured(name_verified=proven)
    dialogue.output()
    dialogue.receive(AUTH)
    assert dialogue.output() == last
    assert (dialogue.finding.outcome == "auth_failed") is not proven


def test_refused_recipient_is_taken_back() -> None:
    said = (GREETING, EXTENSIONS, b"250 ok\r\n", b"550 5.1.1 no\r\n", b"250 ok\r\n")
    dialogue, sent = session(*said, depth="mail", encryption="none", errand=ERRAND)
    assert sent.endswith(b"RCPT TO:<a@b.test>\r\nRSET\r\nQUIT\r\n")
    assert dialogue.finding.evidence.kind == "recipient_refused"


@pytest.mark.parametrize(
    ("said", "outcome", "end"),
    [
        ([b"250 ok\r\n"], "mail_refused", Step.DONE),
        ([b"250 ok\r\n", b"250 ok\r\n"], "open", Step.DONE),
        ([b"250 ok\r\n", b"550 no\r\n"], "mail_refused", Step.DONE),
    ],
)
def test_end_in_a_transaction(said: list[bytes], outcome: str, end: Step) -> None:
    for leave in (lambda d: d.closed("gone"), lambda d: d.expired(5)):
        dialogue, _ = session(GREETING, EXTENSIONS, *said, depth="mail", encryption="none", errand=ERRAND)
        leave(dialogue)
        assert (dialogue.finding.outcome, dialogue.step) == (outcome, end)


pieces = st.one_of(
    st.sampled_from(
        [GREETING, EXTENSIONS, b"220 go\r\n", b"250 x\r\n", AUTH, b"334 x\r\n", b"421 x\r\n", b"220-", b"\r\n"]
    ),
    st.binary(max_size=40),
)


@given(
    st.lists(pieces, max_size=12), st.sampled_from(["starttls", "implicit", "none"]), st.sampled_from(["banner", "tls"])
)
def test_no_server_makes_it_say_anything_else(said: list[bytes], encryption: str, depth: str) -> None:
    dialogue, sent = session(*said, encryption=encryption, depth=depth)
    commands = sent.split(b"\r\n")
    assert set(commands) <= {b"EHLO [192.0.2.1]", b"STARTTLS", b"QUIT", b""}
    assert len(commands) == len(set(commands))
    if encryption == "starttls" and depth == "tls":
        assert dialogue.finding.outcome != "open" or dialogue.step not in (Step.QUIT, Step.DONE)


@given(
    st.lists(pieces, max_size=14),
    st.sampled_from(["starttls", "implicit", "none"]),
    st.sampled_from(["ehlo", "auth", "mail"]),
    st.booleans(),
)
def test_no_server_hears_data_or_credentials_in_clear_text(
    said: list[bytes], encryption: str, depth: str, proven: bool
) -> None:
    dialogue = Dialogue(encryption, depth, "[192.0.2.1]", NAME, ALL)
    clear, inside = b"", b""
    secure = False
    for part in [b"", *said]:
        if dialogue.step is Step.TLS and not secure:
            secure = True
            dialogue.secured(proven)
        dialogue.receive(part)
        out = dialogue.output()
        clear, inside = (clear, inside + out) if secure else (clear + out, inside)
    words = {line.split(b" ")[0] for line in (clear + inside).split(b"\r\n")}
    assert words <= {b"EHLO", b"STARTTLS", b"AUTH", b"*", b"MAIL", b"RCPT", b"RSET", b"QUIT", b"", *SECRETS}
    assert b"AUTH" not in clear
    assert proven or b"AUTH" not in inside
    assert not any(secret in clear for secret in SECRETS)


def logged_in(credentials: Credentials, *said: bytes) -> tuple[Dialogue, bytes]:
    errand = Errand(credentials, "", "a@b.test")
    dialogue = Dialogue("starttls", "auth", "[192.0.2.1]", NAME, errand)
    for part in (GREETING, EXTENSIONS, b"220 go\r\n"):
        dialogue.receive(part)
    dialogue.secured(name_verified=True)
    dialogue.output()
    sent = b""
    for part in (AUTH, *said):
        dialogue.receive(part)
        sent += dialogue.output()
    return dialogue, sent


def test_server_that_asks_without_end_is_left() -> None:
    dialogue, sent = logged_in(Credentials("relay", "s3cret"), b"334 x\r\n" * 5000)
    assert sent.count(b"*") == 1
    assert sent.endswith(b"*\r\nQUIT\r\n")
    assert (dialogue.finding.outcome, dialogue.finding.evidence.kind) == ("auth_failed", "auth_refused")


def test_only_words_of_the_server_are_masked() -> None:
    """An account may be called like a server, which must still be readable."""
    dialogue, _ = logged_in(Credentials("mail", "corp.test and more"), b"334 x\r\n334 y\r\n235 welcome mail\r\n")
    evidence = dialogue.finding.evidence
    assert evidence.text.startswith("mail.corp.test answers, proved by its certificate")
    assert evidence.greeting == "220 mail.corp.test ESMTP"
    assert evidence.smtp is not None
    assert evidence.smtp.exchanges[-1].text == "235 welcome (credentials)"
