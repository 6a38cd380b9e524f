# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import sasl
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.reply import printable
from hypothesis import given
from hypothesis import strategies as st

ME = sasl.Credentials("relay@corp.test", "s3cret word")


def test_plain_mechanism_goes_with_its_command() -> None:
    said = sasl.say("PLAIN", ME)
    assert said.answers == ()
    assert base64.b64decode(said.command.split()[2]) == b"\0relay@corp.test\0s3cret word"


def test_long_credentials_wait_for_the_challenge() -> None:
    said = sasl.say("PLAIN", sasl.Credentials("a", "x" * 600))
    assert said.command == b"AUTH PLAIN"
    assert base64.b64decode(said.answers[0]) == b"\0a\0" + b"x" * 600


def test_login_answers_two_questions() -> None:
    said = sasl.say("LOGIN", ME)
    assert said.command == b"AUTH LOGIN"
    assert [base64.b64decode(part) for part in said.answers] == [b"relay@corp.test", b"s3cret word"]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["LOGIN", "PLAIN"], "PLAIN"), (["login"], "LOGIN"), (["GSSAPI", "CRAM-MD5"], None), ([], None)],
)
def test_choice(offered: list[str], chosen: str | None) -> None:
    assert sasl.choose(offered) == chosen


secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=30)


@given(secrets, secrets, st.text(max_size=20))
def test_nothing_of_the_credentials_is_left(username: str, password: str, between: str) -> None:
    me = sasl.Credentials(username, password)
    coded = [part.decode() for how in sasl.MECHANISMS for part in sasl.say(how, me).answers]
    masked = sasl.mask(f"no {username} {between} {password} {' '.join(coded)}", me)
    for secret in (*coded, password, username):
        assert secret not in masked or secret in "(credentials)" or secret in f"no  {between} "


def test_credentials_do_not_show() -> None:
    assert "s3cret" not in repr(ME)
    assert "relay" not in repr(ME)


def test_longest_secret_is_masked_first() -> None:
    me = sasl.Credentials("relay", "relay-and-more")
    assert sasl.mask("no relay-and-more for relay", me) == "no (credentials) for (credentials)"


@pytest.mark.parametrize(
    "password", ["p\u00e4ssw\u00f6rd", "a\tb and more", "\U0001f511\U0001f511\U0001f511\U0001f511"]
)
def test_secret_that_is_shown_escaped_is_masked(password: str) -> None:
    said = printable(f"no {password} here".encode())
    masked = sasl.mask(said, sasl.Credentials("relay@corp.test", password))
    assert masked == "no (credentials) here"


@given(secrets, st.integers(4, 29))
def test_beginning_of_a_secret_where_a_line_was_cut_is_masked(password: str, length: int) -> None:
    masked = sasl.mask(f"denied: {password[:length]}", sasl.Credentials("relay@corp.test", password))
    assert not masked.endswith(password[:length]) or password[:length] in "denied: (credentials)"
