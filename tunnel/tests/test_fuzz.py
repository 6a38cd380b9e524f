# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laws of the state machine under hostile input. ALERTPATH_EXAMPLES sets how long each is tried."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from alertpath_tunnel.smtp import canonical, events, tables
from alertpath_tunnel.smtp.server import ServerPolicy, ServerSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

brief = settings(
    max_examples=int(os.environ.get("ALERTPATH_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

POLICY = ServerPolicy(b"t.example", size=2000, recipients=3, errors=6)
NEXT_HOP = {b"PIPELINING": b"", b"SIZE": b"0", b"8BITMIME": b"", b"SMTPUTF8": b"", b"DSN": b""}
REPLY = re.compile(rb"[2-5][0-9]{2}[ -][^\x00-\x1f\x7f]*\r\n")

COMMANDS = [
    b"EHLO x\r\n",
    b"HELO x\r\n",
    b"MAIL FROM:<a@b>\r\n",
    b"MAIL FROM:<> SIZE=10 BODY=8BITMIME\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"RCPT TO:<c@d> NOTIFY=NEVER\r\n",
    b"DATA\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"VRFY x\r\n",
    b"QUIT\r\n",
    b"BDAT 4 LAST\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN AAAA\r\n",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
]
PIECES = [
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\r\n.\n",
    b"\n.\r\n",
    b"\r.\r\n",
    b".\r\n",
    b".",
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b"..",
    b"x" * 999,
]
HOSTILE = st.lists(st.one_of(st.sampled_from(COMMANDS), st.sampled_from(PIECES), st.binary(max_size=8)), max_size=25)
CUTS = st.lists(st.integers(1, 40), max_size=60)


class Talk:
    """Feeds a machine, and answers each event as an agreeable next hop would."""

    def __init__(self, part: int = 0) -> None:
        self.machine = ServerSession(POLICY)
        self.machine.part = part
        self.machine.greet()
        self.events: list[events.Event] = []
        self.output = b""

    def say(self, chunks: Iterable[bytes]) -> Talk:
        for chunk in chunks:
            self.machine.receive(chunk)
            while not isinstance(event := self.machine.next_event(), (events.NeedData, events.Closed)):
                self.events.append(event)
                if not isinstance(event, events.Part):
                    self._answer(event)
        self.output += self.machine.take_output()
        return self

    def _answer(self, event: events.Event) -> None:
        if isinstance(event, events.Hello):
            self.machine.accept_hello(NEXT_HOP)
        elif isinstance(event, events.Message) and event.refusal:
            self.machine.reply(event.refusal, close=event.refusal is tables.CLOSING_CONTENT)
        else:
            self.machine.reply(tables.START_DATA if isinstance(event, events.DataStart) else tables.OK)

    @property
    def messages(self) -> list[bytes]:
        return [event.content for event in self.events if isinstance(event, events.Message) and not event.refusal]


def split(octets: bytes, cuts: list[int]) -> list[bytes]:
    chunks, start = [], 0
    for cut in cuts:
        chunks.append(octets[start : start + cut])
        start += cut
    return [*chunks, octets[start:]]


def keeps_the_laws(octets: bytes, chunks: Iterable[bytes]) -> Talk:
    """Feed *octets*, cut into *chunks*, and return the talk after a look at what may never happen."""
    talk = Talk().say(chunks)
    # Each accepted message has an end of its own on the wire, and is canonical.
    assert len(talk.messages) <= octets.count(b"\r\n.\r\n")
    for content in talk.messages:
        canonical.check(content, tables.TEXT_LINE)
        assert len(content) <= POLICY.size
    # All we ever say are replies.
    assert b"".join(REPLY.findall(talk.output)) == talk.output
    for event in talk.events:
        if isinstance(event, (events.Mail, events.Rcpt)):
            canonical.command(b"X", event.path.to_argument(b"FROM"))
    return talk


@brief
@given(HOSTILE, CUTS)
def test_hostile_input_in_any_chunks_keeps_the_laws(parts: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(parts)
    keeps_the_laws(octets, split(octets, cuts))


@brief
@given(HOSTILE, CUTS)
def test_whatever_stands_in_a_message_it_stays_one(parts: list[bytes], cuts: list[int]) -> None:
    content = b"".join(parts)
    stuffed = canonical.stuff(content + b"\r\n") if not canonical.has_bare(content) else content + b"\r\n.\r\n"
    before_end = (b"\r\n" + stuffed)[: -len(b"\r\n.\r\n")]
    if b"\r\n.\r\n" in before_end + b"\r\n.":
        return
    talk = Talk().say([b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n"])
    talk.say(split(stuffed, cuts))
    arrived = [event for event in talk.events if isinstance(event, events.Message)]
    assert len(arrived) == 1
    assert sum(isinstance(event, events.Mail) for event in talk.events) == 1
    if canonical.has_bare(content):
        assert arrived[0].refusal is tables.CLOSING_CONTENT
    elif arrived[0].refusal is None:
        assert arrived[0].content == content + b"\r\n"


GROUP = st.lists(
    st.sampled_from(
        [
            b"NOOP\r\n",
            b"RSET\r\n",
            b"MAIL FROM:<a@b>\r\n",
            b"RCPT TO:<c@d>\r\n",
            b"VRFY x\r\n",
            b"WHAT\r\n",
            b"MAIL\r\n",
            b"NO\rOP\r\n",
            b"N\0\r\n",
            b"x" * 2000 + b"\r\n",
        ]
    ),
    max_size=8,
)


@brief
@given(GROUP, CUTS, CUTS)
def test_where_a_group_is_cut_changes_nothing(group: list[bytes], one: list[int], two: list[int]) -> None:
    """Commands that may be pipelined give the same events and the same replies however they are packed."""
    octets = b"".join(group)
    first = Talk().say([b"EHLO x\r\n"]).say(split(octets, one))
    second = Talk().say([b"EHLO x\r\n"]).say(split(octets, two))
    assert (first.events, first.output) == (second.events, second.output)


@brief
@given(HOSTILE)
def test_what_the_reader_accepts_the_writer_may_send(parts: list[bytes]) -> None:
    """The writer passes on unchanged messages without a second look: the reader must demand all that it would."""
    talk = Talk().say([b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n"])
    talk.say([b"".join(parts) + b"\r\n.\r\n"])
    for content in talk.messages:
        canonical.check(content, tables.TEXT_LINE)
        assert not content or canonical.stuff(content).count(b"\r\n.\r\n") == 1


@brief
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=30)), max_size=12), CUTS, st.integers(1, 300))
def test_parts_are_whole_canonical_lines_and_nothing_is_lost_between_them(
    parts: list[bytes], cuts: list[int], size: int
) -> None:
    stream = b"".join(parts) + b"\r\n.\r\n"
    begin = [b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n"]
    whole = Talk().say(begin).say([stream]).events
    talk = Talk(part=size).say(begin).say(split(stream, cuts))
    ended = [event for event in talk.events if isinstance(event, events.Message)][:1]
    expected = [event for event in whole if isinstance(event, events.Message)][:1]
    assert [event.refusal for event in ended] == [event.refusal for event in expected]
    passed = []
    for event in talk.events:
        if isinstance(event, events.Message):
            break
        if isinstance(event, events.Part):
            # Whatever the rest turns out to be: what goes on cannot end a message, nor is it anything but lines.
            canonical.check(event.lines.octets, tables.TEXT_LINE + 1)
            assert b"\r\n.\r\n" not in b"\r\n" + event.lines.octets
            passed.append(event.lines)
    if ended and not ended[0].refusal:
        assert b"".join(lines.content for lines in [*passed, ended[0].lines]) == expected[0].content
        assert ended[0].size == len(expected[0].content)


@brief
@given(
    st.lists(st.sampled_from([*PIECES, b"x", b"x\r\n", b"x" * 1001 + b"\r\n"]), max_size=8),
    # Long ones are judged in another way than short ones.
    st.sampled_from([b"", b"plain\r\n" * 1000]),
)
def test_lines_are_judged_as_the_rules_say_one_by_one(parts: list[bytes], before: bytes) -> None:
    lines = before + b"".join(parts) + b"\n"
    judged = canonical.judge(lines, tables.TEXT_LINE)
    found = (b"\r\n" + lines).find(b"\r\n.\r\n")
    body = lines if found < 0 else lines[:found]
    rows = body.split(b"\r\n")[:-1]
    assert judged.end == found
    assert judged.bare == bool(set(b"\r\n\0") & set(body.replace(b"\r\n", b"")))
    if not judged.bare:
        assert judged.dots == sum(row.startswith(b".") for row in rows)
        assert judged.long == any(len(row.removeprefix(b".")) + 2 > tables.TEXT_LINE for row in rows)
