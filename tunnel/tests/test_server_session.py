# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session with a client, as dialogues: what is said, which events follow, what is answered."""

from __future__ import annotations

import itertools

import pytest
from alertpath_tunnel.smtp import canonical, events, tables
from alertpath_tunnel.smtp.reply import Reply
from alertpath_tunnel.smtp.server import ServerPolicy, ServerSession
from hypothesis import given
from hypothesis import strategies as st

EXTENSIONS = {b"PIPELINING": b"", b"SIZE": b"0", b"8BITMIME": b"", b"SMTPUTF8": b"", b"DSN": b"", b"CHUNKING": b""}
POLICY = ServerPolicy(b"t.example", size=2000, recipients=2, errors=5, tls_offered=True)


class Driver:
    """Answers every event with what the next hop of `answers` says, else with success."""

    def __init__(
        self, policy: ServerPolicy = POLICY, extensions: dict[bytes, bytes] | None = None, **answers: int
    ) -> None:
        self.machine = ServerSession(policy)
        self.extensions = EXTENSIONS if extensions is None else extensions
        self.answers = answers
        self.events: list[events.Event] = []
        self.machine.greet()
        self.output = self.machine.take_output()

    def say(self, *chunks: bytes) -> list[str]:
        """Feed chunks, and return the first line of each reply."""
        for chunk in chunks:
            self.machine.receive(chunk)
            while not isinstance(event := self.machine.next_event(), (events.NeedData, events.Closed)):
                self.events.append(event)
                self._answer(event)
        output = self.machine.take_output()
        self.output += output
        return [row.decode() for row in output.split(b"\r\n") if row[3:4] == b" "]

    def _answer(self, event: events.Event) -> None:
        name = type(event).__name__
        if isinstance(event, events.Message) and event.refusal:
            self.machine.reply(event.refusal, close=event.refusal is tables.CLOSING_CONTENT)
        elif name in self.answers:
            self.machine.reply(Reply(self.answers[name], (b"next hop",)))
        elif isinstance(event, events.Hello):
            self.machine.accept_hello(self.extensions)
        elif isinstance(event, events.StartTls):
            self.machine.reply(tables.START_TLS)
            if not self.closed:
                self.machine.tls_started()
        else:
            self.machine.reply(tables.START_DATA if isinstance(event, events.DataStart) else tables.OK)

    @property
    def closed(self) -> bool:
        return self.machine.state is tables.ServerState.CLOSED

    @property
    def messages(self) -> list[bytes]:
        return [event.content for event in self.events if isinstance(event, events.Message) and not event.refusal]


EHLO = b"EHLO c.example\r\n"
MAIL = b"MAIL FROM:<a@b>\r\n"
RCPT = b"RCPT TO:<c@d>\r\n"

# Dialogue -> codes of the replies, and whether the connection is then closed.
DIALOGUES: list[tuple[str, list[bytes], list[int], bool]] = [
    (
        "whole transaction",
        [EHLO, MAIL, RCPT, b"DATA\r\n", b"x\r\n.\r\n", b"QUIT\r\n"],
        [250, 250, 250, 354, 250, 221],
        True,
    ),
    ("pipelined", [EHLO, MAIL + RCPT + b"DATA\r\n", b".\r\n" + MAIL], [250, 250, 250, 354, 250, 250], False),
    ("lower case verbs", [b"ehlo x\r\n", b"mail from:<a@b>\r\n", b"rcpt to:<c@d>\r\n"], [250, 250, 250], False),
    ("HELO", [b"HELO x\r\n", MAIL, RCPT, b"DATA\r\n", b".\r\n"], [250, 250, 250, 354, 250], False),
    ("HELO without name", [b"HELO\r\n"], [501], False),
    ("MAIL before EHLO", [MAIL], [503], False),
    ("RCPT before MAIL", [EHLO, RCPT], [250, 503], False),
    ("DATA before RCPT", [EHLO, MAIL, b"DATA\r\n"], [250, 250, 503], False),
    ("second MAIL", [EHLO, MAIL, MAIL], [250, 250, 503], False),
    ("RSET", [EHLO, MAIL, b"RSET\r\n", MAIL], [250, 250, 250, 250], False),
    ("RSET first", [b"RSET\r\n", MAIL], [250, 503], False),
    ("EHLO resets", [EHLO, MAIL, RCPT, EHLO, RCPT], [250, 250, 250, 250, 503], False),
    ("NOOP, VRFY, HELP", [EHLO, b"NOOP x\r\n", b"VRFY a\r\n", b"HELP\r\n"], [250, 250, 252, 214], False),
    ("VRFY without a name", [EHLO, b"VRFY\r\n"], [250, 501], False),
    ("AUTH is not offered", [EHLO, b"AUTH PLAIN AGEAYg==\r\n"], [250, 502], False),
    ("unknown verb", [b"XYZZY\r\n"], [500], False),
    ("argument where none is", [EHLO, b"RSET now\r\n"], [250, 501], False),
    ("BDAT closes", [EHLO, MAIL, RCPT, b"BDAT 10 LAST\r\n"], [250, 250, 250, 502], True),
    ("bare LF in a command", [b"EHLO x\n"], [521], True),
    ("bare CR in a command", [b"EHLO x\ry\r\n"], [521], True),
    ("NUL in a command", [b"EHLO x\0\r\n"], [521], True),
    ("control character in a command", [b"EHLO x\x07\r\n"], [500], False),
    ("long command", [b"NOOP " + b"x" * 600 + b"\r\n", b"NOOP\r\n"], [500, 250], False),
    ("endless command", [b"NOOP ", *[b"x" * 1000] * 50, b"\r\n", b"NOOP\r\n"], [500, 250], False),
    ("512 octets", [b"NOOP " + b"x" * 505 + b"\r\n"], [250], False),
    ("513 octets", [b"NOOP " + b"x" * 506 + b"\r\n"], [500], False),
    ("pipelined EHLO", [EHLO + MAIL], [554], True),
    ("pipelined before EHLO", [b"NOOP\r\nNOOP\r\n"], [554], True),
    ("DATA with content", [EHLO, MAIL, RCPT, b"DATA\r\nx\r\n.\r\n"], [250, 250, 250, 554], True),
    ("commands behind STARTTLS", [EHLO, b"STARTTLS\r\nMAIL FROM:<evil@x>\r\n"], [250, 554], True),
    ("STARTTLS with an argument", [EHLO, b"STARTTLS x\r\n"], [250, 501], False),
    ("STARTTLS first", [b"STARTTLS\r\n"], [503], False),
    ("STARTTLS forgets", [EHLO, b"STARTTLS\r\n", MAIL], [250, 220, 503], False),
    ("STARTTLS twice", [EHLO, b"STARTTLS\r\n", EHLO, b"STARTTLS\r\n"], [250, 220, 250, 503], False),
    ("STARTTLS within a transaction", [EHLO, MAIL, b"STARTTLS\r\n"], [250, 250, 503], False),
    ("too many errors", [b"A\r\n", b"B\r\n", b"C\r\n", b"D\r\n", b"E\r\n"], [500, 500, 500, 500, 500, 421], True),
    ("too many recipients", [EHLO, MAIL, RCPT, RCPT, RCPT], [250, 250, 250, 250, 452], False),
    ("null sender", [EHLO, b"MAIL FROM:<>\r\n", RCPT], [250, 250, 250], False),
    ("null recipient", [EHLO, MAIL, b"RCPT TO:<>\r\n"], [250, 250, 501], False),
    (
        "source route to nobody",
        [EHLO, b"MAIL FROM:<@a,@b:>\r\n", MAIL, b"RCPT TO:<@a:>\r\n"],
        [250, 501, 250, 501],
        False,
    ),
    ("far too many recipients", [EHLO, MAIL, *[RCPT] * 20, b"DATA\r\n"], [250] * 4 + [452] * 18 + [354], False),
    ("blank before the path", [EHLO, b"MAIL FROM: <a@b>\r\n"], [250, 250], False),
    ("no brackets", [EHLO, b"MAIL FROM:a@b\r\n"], [250, 501], False),
    ("quoted local part", [EHLO, b'MAIL FROM:<"a >b"@c>\r\n'], [250, 250], False),
    ("parameters", [EHLO, b"MAIL FROM:<a@b> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=x+2By\r\n"], [250, 250], False),
    (
        "DSN of a recipient",
        [EHLO, MAIL, b"RCPT TO:<c@d> NOTIFY=FAILURE,DELAY ORCPT=rfc822;c@d\r\n"],
        [250, 250, 250],
        False,
    ),
    ("unknown parameter", [EHLO, b"MAIL FROM:<a@b> X=1\r\n"], [250, 555], False),
    ("AUTH parameter", [EHLO, b"MAIL FROM:<a@b> AUTH=<>\r\n"], [250, 555], False),
    ("parameter twice", [EHLO, b"MAIL FROM:<a@b> SIZE=1 SIZE=2\r\n"], [250, 501], False),
    ("bad value", [EHLO, b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n"], [250, 501], False),
    ("declared size", [EHLO, b"MAIL FROM:<a@b> SIZE=2001\r\n"], [250, 552], False),
    ("UTF-8 without SMTPUTF8", [EHLO, "MAIL FROM:<ä@b>\r\n".encode()], [250, 553], False),
    (
        "UTF-8 with SMTPUTF8",
        [EHLO, "MAIL FROM:<ä@b> SMTPUTF8\r\n".encode(), "RCPT TO:<ö@d>\r\n".encode()],
        [250, 250, 250],
        False,
    ),
    ("not UTF-8", [EHLO, b"MAIL FROM:<\xe4@b> SMTPUTF8\r\n"], [250, 501], False),
]


@pytest.mark.parametrize(
    ("chunks", "codes", "closed"), [row[1:] for row in DIALOGUES], ids=[row[0] for row in DIALOGUES]
)
def test_dialogue(chunks: list[bytes], codes: list[int], closed: bool) -> None:
    driver = Driver()
    replies = driver.say(*chunks)
    assert [int(reply[:3]) for reply in replies] == codes
    assert driver.closed is closed


# What must never end a message, whatever follows it: CVE-2023-51764 and its kin.
SMUGGLING = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\n\n.\r\n",
    b"\r\r\n.\r\r\n",
    b"\0\r\n.\0\r\n",
    b"\r\n\0.\r\n",
]


@pytest.mark.parametrize("ending", SMUGGLING, ids=repr)
def test_nothing_but_crlf_dot_crlf_ends_a_message(ending: bytes) -> None:
    driver = Driver()
    driver.say(EHLO, MAIL, RCPT, b"DATA\r\n")
    inner = b"MAIL FROM:<admin@b>\r\nRCPT TO:<victim@d>\r\nDATA\r\nevil\r\n.\r\n"
    replies = driver.say(b"Subject: x\r\n\r\nhello" + ending + inner)
    assert replies == ["550 5.6.0 Bare CR, LF or NUL in message, closing"]
    assert driver.closed
    assert not driver.messages
    assert sum(isinstance(event, events.Mail) for event in driver.events) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"x" * 998 + b"\r\n", 250),
        (b"x" * 999 + b"\r\n", 554),
        (b"a\r\n" + b"x" * 999 + b"\r\nb\r\n", 554),
        (b"." + b"x" * 998 + b"\r\n", 250),  # the stuffed dot does not count
        (b"x\r\n" * 666, 250),  # 1998 octets
        (b"x\r\n" * 667, 552),
        (b"..\r\n" * 666, 250),  # more than the limit only while stuffed
        (b"x" * 100000 + b"\r\n", 552),
    ],
)
def test_limits_of_a_message(content: bytes, code: int) -> None:
    driver = Driver()
    driver.say(EHLO, MAIL, RCPT, b"DATA\r\n")
    assert driver.say(content, b".\r\n")[0].startswith(str(code))
    assert driver.say(MAIL)[0].startswith("250")


def test_next_hops_size_limits_too() -> None:
    driver = Driver(extensions={b"SIZE": b"100"})
    assert driver.say(EHLO) == ["250 STARTTLS"]
    assert b"SIZE 100\r\n" in driver.output
    assert driver.say(b"MAIL FROM:<a@b> SIZE=101\r\n")[0].startswith("552")


@pytest.mark.parametrize(
    ("has", "announced"),
    [({}, {"STARTTLS"}), (EXTENSIONS, {"PIPELINING", "SIZE 2000", "8BITMIME", "SMTPUTF8", "DSN", "STARTTLS"})],
)
def test_announces_what_the_next_hop_has_and_never_chunking(has: dict[bytes, bytes], announced: set[str]) -> None:
    driver = Driver(extensions=has)
    driver.say(EHLO)
    rows = driver.output.decode().splitlines()[2:]
    assert {row[4:] for row in rows} == announced


def test_mail_commands_wait_for_tls() -> None:
    driver = Driver(ServerPolicy(b"t", 1000, 10, 20, tls_offered=True, tls_required=True), extensions={})
    driver.say(EHLO)
    for command in (MAIL, RCPT, b"DATA\r\n", b"VRFY x\r\n", b"AUTH PLAIN\r\n"):
        assert driver.say(command)[0].startswith("530 5.7.0")
    assert driver.say(b"NOOP\r\n", b"STARTTLS\r\n", EHLO, MAIL)[-1].startswith("250")


@pytest.mark.parametrize("ahead", [MAIL, b"N"])
def test_what_arrives_before_the_reply_to_ehlo_is_unauthorised_pipelining(ahead: bytes) -> None:
    machine = ServerSession(POLICY)
    machine.receive(EHLO)
    assert isinstance(machine.next_event(), events.Hello)
    machine.receive(ahead)
    machine.accept_hello(EXTENSIONS)
    assert machine.take_output().startswith(b"554 5.5.0")
    assert isinstance(machine.next_event(), events.Closed)


def test_verdicts_move_the_state() -> None:
    driver = Driver(Rcpt=550)
    assert [reply[:3] for reply in driver.say(EHLO, MAIL, RCPT, b"DATA\r\n")] == ["250", "250", "550", "503"]
    assert Driver(Mail=421).say(EHLO, MAIL)[-1].startswith("421")
    refused = Driver(Message=554)
    assert refused.say(EHLO, MAIL, RCPT, b"DATA\r\n", b".\r\n", MAIL)[-2:] == ["554 next hop", "250 2.0.0 Ok"]


def test_a_reply_cannot_smuggle_lines() -> None:
    assert Reply(250, (b"a\r\n250 b\0",)).octets == b"250 a??250 b?\r\n"


CONTENT = st.lists(st.binary(max_size=40).map(lambda row: row.translate(None, b"\r\n\0")), max_size=20).map(
    lambda rows: b"".join(row + b"\r\n" for row in rows)
)
DOTTED = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x", b"x."]), max_size=20).map(
    lambda rows: b"".join(row + b"\r\n" for row in rows)
)


@given(st.one_of(CONTENT, DOTTED))
def test_stuffing_is_undone(content: bytes) -> None:
    stuffed = canonical.stuff(content)
    assert stuffed.endswith(b".\r\n")
    body = stuffed[:-3]
    assert b"\r\n.\r\n" not in b"\r\n" + body
    assert canonical.unstuff(body) == content


@given(st.one_of(CONTENT, DOTTED), st.lists(st.integers(0, 3000), max_size=12), st.booleans())
def test_any_split_of_the_input_gives_the_same_events(content: bytes, cuts: list[int], broken: bool) -> None:
    # Commands after which the client must wait come in pieces of their own; within them anything may be cut.
    groups = [
        EHLO,
        MAIL + RCPT + RCPT + b"DATA\r\n",
        canonical.stuff(content + (b"x\ny\r\n" if broken else b"")) + MAIL + b"RSET\r\n",
    ]

    def run(pieces: list[list[bytes]]) -> tuple[list[events.Event], bytes]:
        driver = Driver()
        for piece in pieces:
            driver.say(*piece)
        return driver.events, driver.output

    whole = run([[group] for group in groups])
    split = []
    for group in groups:
        edges = [0, *sorted({cut % len(group) for cut in cuts}), len(group)]
        split.append([group[a:b] for a, b in itertools.pairwise(edges)])
    assert run(split) == whole


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_no_input_breaks_the_machine(first: bytes, second: bytes) -> None:
    driver = Driver()
    driver.say(first, second)
    driver = Driver()
    driver.say(EHLO, MAIL, RCPT, b"DATA\r\n", first, second)
    for content in driver.messages:
        canonical.check(content, tables.TEXT_LINE)
