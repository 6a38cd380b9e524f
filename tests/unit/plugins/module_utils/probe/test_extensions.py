# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.extensions import is_hidden, read_offer
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.reply import Reply


def offer(*lines: str):
    return read_offer(Reply(250, ("mail.corp.test", *lines)))


def test_keywords_and_parameters() -> None:
    seen = offer("SIZE 1000", "auth PLAIN login", "AUTH=LOGIN CRAM-MD5", "STARTTLS", "X-THING a b", "?? no")
    assert seen.extensions == {
        "SIZE": ("1000",),
        "AUTH": ("PLAIN", "login", "LOGIN", "CRAM-MD5"),
        "STARTTLS": (),
        "X-THING": ("a", "b"),
    }
    assert (seen.size, seen.starttls, seen.masked) == (1000, True, ())
    assert seen.auth[:2] == ("PLAIN", "LOGIN")


@pytest.mark.parametrize(
    ("line", "size"), [("SIZE", 0), ("SIZE 0", 0), ("SIZE x", 0), ("SIZE " + "9" * 30, 0), ("HELP", None)]
)
def test_size(line: str, size: int | None) -> None:
    assert offer(line).size == size


@pytest.mark.parametrize(("line", "masked"), [("XXXXXXXA", True), ("XXXXXXXX", True), ("XCLIENT", False), ("X", False)])
def test_overwritten_extension(line: str, masked: bool) -> None:
    assert bool(offer(line).masked) is masked


@pytest.mark.parametrize(
    ("greeting", "hidden"),
    [
        ("*************************", True),
        ("************0*2*****0**0***", True),
        ("mail.corp.test ESMTP", False),
        ("mail.corp.test ******** hello", False),
        ("", False),
        ("***", False),
    ],
)
def test_overwritten_greeting(greeting: str, hidden: bool) -> None:
    assert is_hidden(greeting) is hidden
