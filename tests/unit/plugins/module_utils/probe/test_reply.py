# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.reply import NotSmtp, Reply, ReplyReader, printable
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
replies = st.builds(
    lambda code, lines: Reply(code, tuple(lines)), st.integers(200, 599), st.lists(texts, min_size=1, max_size=6)
)


def wire(reply: Reply) -> bytes:
    *first, last = reply.lines
    return b"".join(f"{reply.code}-{line}\r\n".encode() for line in first) + f"{reply.code} {last}\r\n".encode()


def drain(reader: ReplyReader) -> list[Reply]:
    found = []
    while (reply := reader.next_reply()) is not None:
        found.append(reply)
    return found


@given(st.lists(replies, max_size=5), st.data())
def test_replies_are_read_the_same_however_they_are_cut(said: list[Reply], data) -> None:
    stream = b"".join(map(wire, said))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader, found = ReplyReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:end])
        found += drain(reader)
    assert found == said
    assert reader.pending == b""


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_no_octets_break_the_reader(parts: list[bytes]) -> None:
    reader = ReplyReader()
    try:
        for part in parts:
            reader.feed(part)
            drain(reader)
    except NotSmtp:
        pass


@pytest.mark.parametrize(
    "stream",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"+OK ready\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"22 short\r\n",
        b"2200 long\r\n",
        b"120 no such class\r\n",
        b"220-one\r\n250 two\r\n",
        b"220-" + b"x" * 5000 + b"\r\n",
        b"x" * 5000,
        b"220-again\r\n" * 200,
    ],
)
def test_what_is_no_reply(stream: bytes) -> None:
    reader = ReplyReader()
    reader.feed(stream)
    with pytest.raises(NotSmtp):
        reader.next_reply()


def test_reply_without_text() -> None:
    reader = ReplyReader()
    reader.feed(b"220\n")
    assert reader.next_reply() == Reply(220, ("",))


@given(st.binary(max_size=400))
def test_shown_text_is_printable_ascii(data: bytes) -> None:
    text = printable(data)
    assert text.isascii()
    assert text.isprintable() or text == ""
    assert len(text) <= 200


@pytest.mark.parametrize(
    ("code", "text", "enhanced"),
    [
        (550, "5.7.1 not you", "5.7.1"),
        (250, "2.1.0", "2.1.0"),
        (250, "5.7.1 of another class", None),
        (250, "2.1 short", None),
        (250, "2.1.0x", None),
        (250, "3.1.0 no class", None),
        (250, "ok 2.1.0", None),
    ],
)
def test_enhanced_status_code(code: int, text: str, enhanced: str | None) -> None:
    assert Reply(code, (text,)).enhanced == enhanced
