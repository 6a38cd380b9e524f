# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions as scripts: what the server says, what the client answers, what comes of it."""

from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.dialogue import Dialogue, Step
from hypothesis import given
from hypothesis import strategies as st

NAME = "mail.corp.test"
GREETING = b"220 mail.corp.test ESMTP\r\n"
EXTENSIONS = b"250-mail.corp.test\r\n250-STARTTLS\r\n250 SIZE 1000\r\n"


def session(
    *said: bytes, encryption: str = "starttls", depth: str = "tls", name: str | None = NAME
) -> tuple[Dialogue, bytes]:
    dialogue = Dialogue(encryption, depth, "[192.0.2.1]", name)
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


pieces = st.one_of(
    st.sampled_from([GREETING, EXTENSIONS, b"220 go\r\n", b"250 x\r\n", b"421 x\r\n", b"220-", b"\r\n"]),
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
