# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages as spans: what the rules see, what they change, and what must stay as it was."""

from __future__ import annotations

import base64
import email
import email.policy
import quopri
import time
import tracemalloc
from email.message import EmailMessage

import pytest
from alertpath_tunnel.mime.errors import Ambiguous
from alertpath_tunnel.mime.view import MessageView
from alertpath_tunnel.mime.walk import MimeLimits
from alertpath_tunnel.protect.methods import mask
from alertpath_tunnel.protect.model import DataElement
from alertpath_tunnel.rules import model
from alertpath_tunnel.rules.engine import Engine
from alertpath_tunnel.rules.message import Outcome, Processor
from hypothesis import given
from hypothesis import strategies as st

LIMITS = MimeLimits(depth=30, parts=1000, header_bytes=65536)
CARD = "4111 1111 1111 1111"
MASKED = "************1111"
CCN = DataElement("ccn", "mask", "drop", keep_last=4)


def processor(*rules: model.TextRule, attachments: str = "pass", opaque: str = "refuse") -> Processor:
    cards = model.ExtractText("cards", model.Pattern(None, "ccn", luhn=True), (model.Transform("mask", "ccn"),))
    extract = model.ExtractMessage("message", model.FIELDS, attachments, opaque, rules or (cards,))
    profile = model.Profile("p", (extract,))
    return Processor([profile], Engine([profile], {"ccn": lambda value: mask(value, CCN)}), LIMITS)


def process(message: bytes) -> Outcome:
    return processor().process(message)


def texts(message: bytes) -> list[tuple[str, str]]:
    return [(text.field, text.current.decode()) for text in MessageView(message, LIMITS).texts()]


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def changed_only(before: bytes, after: bytes, head: int, tail: int) -> None:
    assert after[:head] == before[:head]
    assert after[len(after) - tail :] == before[len(before) - tail :]


# What the subject is written as -> the same after the rule.
SUBJECTS = [
    (f"Alert {CARD} now", f"Alert {MASKED} now"),
    ("Alert 4111-1111-1111-1111", f"Alert {MASKED}"),
    ("Alert 4111111111111111.", f"Alert {MASKED}."),
    ("Alert 4111 1111\n 1111 1111 folded", f"Alert {MASKED} folded"),
    ("4111\n\t1111 1111 1111", "4111\n\t1111 1111 1111"),  # a tab is no separator of groups
    (f"ä=C3 {CARD}", f"ä=C3 {MASKED}"),
]


@pytest.mark.parametrize(("subject", "expected"), SUBJECTS)
def test_plain_subject_is_spliced(subject: str, expected: str) -> None:
    outcome = process(crlf(f"From: a\nSubject: {subject}\nTo: b\n\nbody\n"))
    assert outcome.refusal is None
    assert outcome.content == crlf(f"From: a\nSubject: {expected}\nTo: b\n\nbody\n")


def b64(text: str, charset: str = "utf-8") -> str:
    return base64.b64encode(text.encode(charset)).decode()


# Encoded words the value is hidden in; all are one text to a reader.
ENCODED = [
    f"=?utf-8?B?{b64(CARD)}?=",
    "=?utf-8?Q?4111_1111=201111_1111?=",
    "=?UTF-8?q?4111 1111 1111 1111?=",
    "=?utf-8?Q?4111=201111=201111=201111??=",
    "=?utf-8?Q?yours?_4111=201111=201111=201111?=",
    f"=?utf-8?B?{b64('4111 1111')}?= =?utf-8?B?{b64(' 1111 1111')}?=",
    f"=?utf-8?B?{b64('4111 1111')}?=\n =?utf-8?Q?_1111_1111?=",
    f"=?utf-8?B?{b64('4111 1111')}?= =?iso-8859-1?Q?_1111_1111?=",
    f"=?us-ascii*en?B?{b64(CARD)}?=",
    "4111 =?utf-8?Q?1111?= 1111 1111",
    f"glued=?utf-8?B?{b64(CARD)}?=",
    "=?utf-8?B?"
    + base64.b64encode("é".encode()[:1]).decode()
    + "?= =?utf-8?B?"
    + base64.b64encode("é".encode()[1:] + CARD.encode()).decode()
    + "?=",
    f"=?iso-2022-jp?B?{b64('日本' + CARD, 'iso-2022-jp')}?=",
    "=?gb2312?B?" + b64("中" + CARD, "gbk") + "?=",
]


@pytest.mark.parametrize("subject", ENCODED)
def test_value_in_encoded_words_is_found_and_written_again(subject: str) -> None:
    message = crlf(f"From: a\nSubject: {subject}\nTo: b\n\nbody\n")
    outcome = process(message)
    assert outcome.refusal is None, outcome.reason
    assert outcome.tally.elements == {"ccn": 1}
    read = email.message_from_bytes(outcome.content, policy=email.policy.SMTP)
    assert MASKED in read["Subject"]
    assert "4111" not in read["Subject"].replace(MASKED, "")
    changed_only(message, outcome.content, len("From: a\r\nSubject: "), len("\r\nTo: b\r\n\r\nbody\r\n"))


@pytest.mark.parametrize("subject", ["=?a?Q?x" * 100, "?" * 900], ids=["words", "marks"])
def test_words_that_do_not_end_are_looked_at_once(subject: str) -> None:
    begun = time.monotonic()
    assert process(crlf("Subject: =?utf-8?Q?" + f"\n {subject}" * 65 + "\n\nx\n")).refusal is None
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?Q?x=0D=0ABcc:_evil@x?=",
        "=?utf-8?Q?x=0ABcc:_evil@x?=",
        f"=?utf-8?B?{b64('x' + chr(0))}?=",
        "=?utf-8?X?abc?=",
        "=?nonsense?Q?abc?=",
        "=?unicode_escape?Q?abc?=",
        "=?rot13?Q?abc?=",
        "=?utf-8?B?abc*?=",
        "=?utf-8?Q?=ZZ?=",
        "=?utf-8?Q?=FF=FE?=",
    ],
)
def test_dangerous_encoded_words_are_refused(subject: str) -> None:
    outcome = process(crlf(f"Subject: {subject}\n\nbody\n"))
    assert outcome.refusal is not None
    assert outcome.refusal.octets.startswith(b"554 5.7.1 ")
    assert outcome.content == b""


def body_message(encoding: str, body: bytes, charset: str = "utf-8", kind: str = "text/plain") -> bytes:
    head = (
        f"MIME-Version: 1.0\r\nContent-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + body


BODIES = [
    ("7bit", f"x {CARD} y\r\n".encode(), "us-ascii"),
    ("8bit", f"ü {CARD} ß\r\n".encode(), "utf-8"),
    ("8bit", f"ü {CARD} ß\r\n".encode("latin-1"), "iso-8859-1"),
    ("8bit", f"ü {CARD} ß\r\n".encode("latin-1"), "utf-8"),  # a wrong label hides nothing
    ("8bit", f"ü {CARD} ß\r\n".encode("latin-1"), "us-ascii"),
    ("8bit", f"中 {CARD} 文\r\n".encode("gbk"), "gb2312"),
    ("7bit", f"日本 {CARD} 語\r\n".encode("iso-2022-jp"), "iso-2022-jp"),
    ("binary", f"x {CARD}\r\n".encode(), "utf-8"),
    ("quoted-printable", b"=C3=BC 4111=201111 1111 =\r\n1111 =3D\r\n", "utf-8"),
    ("quoted-printable", b"4111 11=\r\n11 1=\r\n1=31=31 1111\r\n", "utf-8"),
    ("quoted-printable", b"a=b 4111 1111 1111 1111 = =zz\r\n", "utf-8"),
    ("Quoted-Printable (comment)", b"=34111 1111 1111 1111\r\n", "utf-8"),
    (
        "base64",
        base64.encodebytes(f"grüße {CARD} und mehr, damit es Zeilen werden {CARD}\n".encode()).replace(b"\n", b"\r\n"),
        "utf-8",
    ),
    ("BASE64", base64.b64encode(f"{CARD} {CARD}".encode()) + b"\r\n", "utf-8"),
    ("base64", base64.encodebytes(f"grüße {CARD}\r\n".encode("cp1252")).replace(b"\n", b"\r\n"), "windows-1252"),
]


def read_body(message: bytes) -> str:
    # The library decodes nothing behind a comment; readers do.
    part = email.message_from_bytes(message.replace(b" (comment)", b""), policy=email.policy.SMTP)
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    try:
        return payload.decode(part.get_content_charset() or "ascii")
    except UnicodeDecodeError:
        return payload.decode("latin-1")


@pytest.mark.parametrize(("encoding", "body", "charset"), BODIES)
def test_value_in_a_body_is_found_in_every_encoding(encoding: str, body: bytes, charset: str) -> None:
    message = body_message(encoding, body, charset)
    outcome = process(message)
    assert outcome.refusal is None, outcome.reason
    assert outcome.tally.elements["ccn"] >= 1
    before, after = read_body(message), read_body(outcome.content)
    assert after == before.replace(CARD, MASKED)
    assert outcome.content[: message.index(b"\r\n\r\n") + 4] == message[: message.index(b"\r\n\r\n") + 4]


@pytest.mark.parametrize(
    ("between", "charset"),
    [
        *((b"\x96", label) for label in ("iso-8859-1", "us-ascii", "utf-8", "windows-1252")),
        *((between.encode(), "utf-8") for between in "\u00a0\u2010\u2013\u2015\u202f"),
    ],
)
def test_what_stands_between_digits_is_known_in_a_text_that_breaks_its_charset(between: bytes, charset: str) -> None:
    """Readers show a dash or a blank there, whatever they make of an octet that is wrong."""
    body = b"caf\xe9 \x81 " + between.join((b"4111", b"1111", b"1111", b"1111")) + b"\r\n"
    for message in (body_message("8bit", body, charset), b"Subject: " + body + b"\r\nx\r\n"):
        outcome = process(message)
        assert outcome.refusal is None, outcome.reason
        assert outcome.content == message.replace(body, b"caf\xe9 \x81 " + MASKED.encode() + b"\r\n")


@pytest.mark.parametrize("good", [b"\xc3\xa9", b""], ids=["utf-8", "iso-8859-1"])
def test_an_octet_that_is_wrong_is_a_character_of_the_value_it_stands_in(good: bytes) -> None:
    """A match that ended before it would leave the rest of the secret."""
    rules = model.ExtractText("x", model.Pattern(r"key=\S+"), (model.Transform("t", "hide"),))
    profile = model.Profile("p", (model.ExtractMessage("m", model.FIELDS, "pass", "refuse", (rules,)),))
    engine = Engine([profile], {"hide": lambda _: "hidden"})
    message = body_message("8bit", good + b" key=se\xe9cret end\r\n")
    outcome = Processor([profile], engine, LIMITS).process(message)
    assert outcome.content == message.replace(b"key=se\xe9cret", b"hidden")


def test_a_subject_that_is_written_anew_shows_what_was_wrong_as_before() -> None:
    outcome = process(b"Subject: caf\xe9 \xc3\xa9 =?utf-8?Q?4111_1111_1111_1111?=\r\n\r\nx\r\n")
    read = email.message_from_bytes(outcome.content, policy=email.policy.SMTP)
    assert read["Subject"] == f"caf\ufffd é {MASKED}"


def test_quoted_printable_lines_stay_short() -> None:
    rules = model.ExtractText("x", model.Pattern("SECRET"), (model.Transform("t", "long"),))
    profile = model.Profile("p", (model.ExtractMessage("m", model.FIELDS, "pass", "refuse", (rules,)),))
    engine = Engine([profile], {"long": lambda _: "ü" * 60})
    body = b"a" * 60 + b"SECRET" + b"b" * 10 + b"\r\n" + b"c" * 70 + b"SEC=\r\nRET\r\nSECRET\r\n"
    outcome = Processor([profile], engine, LIMITS).process(body_message("quoted-printable", body))
    assert outcome.refusal is None
    encoded = outcome.content.split(b"\r\n\r\n", 1)[1]
    assert max(map(len, encoded.split(b"\r\n"))) <= 76
    assert quopri.decodestring(encoded).decode().replace("\r\n", "\n") == (
        "a" * 60 + "ü" * 60 + "b" * 10 + "\n" + "c" * 70 + "ü" * 60 + "\n" + "ü" * 60 + "\n"
    )


def multipart(*parts: str, boundary: str = "b1", kind: str = "mixed") -> str:
    rows = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\npreamble\n{rows}--{boundary}--\nepilogue\n'


def test_every_text_of_a_nested_message_is_seen() -> None:
    inner = multipart(
        f"Content-Type: text/plain\n\nplain {CARD}",
        f"Content-Type: text/html\n\n<b>{CARD}</b>",
        boundary="b2",
        kind="alternative",
    )
    attached = f"Content-Type: message/rfc822\n\nSubject: inner {CARD}\nFrom: x\n\nforwarded {CARD}"
    binary = f"Content-Type: image/png; name=x.png\nContent-Transfer-Encoding: base64\n\n{b64(CARD)}"
    message = crlf("MIME-Version: 1.0\nSubject: outer\n" + multipart(inner, attached, binary))
    outcome = process(message)
    assert outcome.refusal is None, outcome.reason
    assert outcome.tally.elements == {"ccn": 4}
    assert outcome.content == message.replace(CARD.encode(), MASKED.encode())


@pytest.mark.parametrize("kind", ["message/rfc822", "message/global", "message/news"])
def test_an_attached_message_is_looked_into_whatever_its_kind(kind: str) -> None:
    inner = f"Subject: =?utf-8?B?{b64(CARD)}?=\nContent-Transfer-Encoding: base64\n\n{b64(CARD)}"
    outcome = process(crlf("MIME-Version: 1.0\n" + multipart(f"Content-Type: {kind}\n\n{inner}")))
    assert outcome.refusal is None, outcome.reason
    assert outcome.tally.elements == {"ccn": 2}


def test_text_around_parts_is_seen() -> None:
    message = crlf("MIME-Version: 1.0\n" + multipart("\nx").replace("preamble", CARD).replace("epilogue", CARD))
    assert process(message).content == message.replace(CARD.encode(), MASKED.encode())


def test_digest_holds_messages() -> None:
    message = crlf("MIME-Version: 1.0\n" + multipart(f"\nSubject: {CARD}\n\nx", kind="digest"))
    assert ("subject", CARD) in texts(message)


AMBIGUOUS = [
    "Subject: a\nSubject: b\n\nx\n",
    "subject : a\nSubject: b\n\nx\n",
    "Content-Type: text/plain\nContent-Type: text/html\n\nx\n",
    "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\nx\n",
    "MIME-Version: 1.0\nMIME-Version: 1.0\n\nx\n",
    "MIME-Version: 2.0\n\nx\n",
    "Content-Type: multipart/mixed\n\nx\n",
    "Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\nx\n--a--\n",
    "Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\nx\n--ab--\n",
    "Content-Type: multipart/mixed; boundary=a\n\n--ab\n\nx\n--ab--\n",
    "Content-Type: multipart/mixed; boundary=a\n\nnothing\n",
    "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n--a\n\ny\n",
    "Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n--a\n\nx\n--a--\n",
    "Content-Type: text\n\nx\n",
    "Content-Type: text/plain (unclosed\n\nx\n",
    "Content-Type: text/plain; charset=utf-7\n\nx\n",
    "Content-Type: text/plain; charset=klingon\n\nx\n",
    "Content-Type: text/plain; charset=a; charset=b\n\nx\n",
    "Content-Type: message/partial; id=x; number=1\n\nx\n",
    "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\neA==\n",
    'Content-Transfer-Encoding: "base64"\n\neA==\n',
    "Content-Transfer-Encoding: x-uuencode\n\nx\n",
    "Content-Transfer-Encoding: 8bit, base64\n\nx\n",
    "Content-Transfer-Encoding: base64\n\neA==\nfooter!\n",
    "Content-Transfer-Encoding: base64\n\neA==eA==\n",
    "Content-Transfer-Encoding: base64\n\neA\n",
    "Content-Transfer-Encoding: base64\n\nAAAA\n",  # NUL once decoded
    "Content-Transfer-Encoding: quoted-printable\n\n=00\n",
    "no header at all\n\nx\n",
    " folded first\n\nx\n",
    "Subject: x\n \nBcc: y\n\nx\n",
    "Bad Name: x\n\nx\n",
]


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_ambiguous_messages_are_refused(text: str) -> None:
    outcome = process(crlf(text))
    assert outcome.refusal is not None
    assert outcome.refusal.code == 554
    assert outcome.content == b""


def test_labels_that_name_no_charset_are_not_kept() -> None:
    """Whoever thinks up labels, a new one of 60 KB for each message, must not fill the memory by that."""
    tracemalloc.start()
    try:
        for number in range(50):
            label = f"x{number}-" + "a" * 60_000
            outcome = process(crlf(f"Content-Type: text/plain; charset={label}\n\nx\n"))
            assert outcome.refusal is not None
        del label, outcome
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "label", ["UTF8", "iso-8859-1", "Latin1", "ANSI_X3.4-1968", "windows-1252", "koi8-u", "CP1252"]
)
def test_a_charset_goes_by_many_names(label: str) -> None:
    assert process(crlf(f"Content-Type: text/plain; charset={label}\n\n{CARD}\n")).content.endswith(b"1111\r\n")


@pytest.mark.parametrize(
    "header",
    [
        'multipart/signed; boundary=b1; protocol="application/pgp-signature"; micalg=pgp-sha256',
        "multipart/mixed; boundary=b1",
    ],
)
def test_signed_parts_are_passed_or_refused_but_never_changed(header: str) -> None:
    signed = "multipart/signed" in header
    text = f"Content-Type: {header}\n\n--b1\n\nharmless\n--b1\nContent-Type: application/pgp-signature\n\nsig\n--b1--\n"
    assert process(crlf(text)).content == crlf(text)
    outcome = process(crlf(text.replace("harmless", CARD)))
    assert (outcome.refusal is not None) is signed


def test_clear_signed_text_is_not_changed() -> None:
    text = f"Subject: x\n\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{CARD}\n-----BEGIN PGP SIGNATURE-----\n"
    assert process(crlf(text)).refusal is not None


@pytest.mark.parametrize("kind", ["multipart/encrypted; boundary=x", "application/pkcs7-mime; smime-type=signed-data"])
def test_what_cannot_be_looked_into_follows_the_policy(kind: str) -> None:
    message = crlf(f"Content-Type: {kind}\n\n--x\n\nopaque\n--x--\n")
    assert process(message).refusal is not None
    assert processor(opaque="pass").process(message).content == message


def test_attachments_follow_the_policy() -> None:
    message = crlf("MIME-Version: 1.0\n" + multipart("Content-Type: application/pdf\n\nx"))
    assert process(message).content == message
    assert processor(attachments="refuse").process(message).refusal is not None


def test_nesting_and_part_bombs_are_refused_quickly() -> None:
    nested = "x"
    for level in range(250):
        nested = f"Content-Type: multipart/mixed; boundary=b{level}x\n\n--b{level}x\n{nested}\n--b{level}x--\n"
    assert process(crlf(nested)).refusal is not None
    bomb = crlf("Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n\nx\n" * 100_000 + "--b--\n")
    assert process(bomb).refusal is not None
    with pytest.raises(Ambiguous):
        MessageView(b"X: " + b"y" * 70000 + b"\r\n\r\n", LIMITS)


@pytest.mark.parametrize("line", ["--b1--", "--b1", "--b1x"])
def test_a_change_that_would_make_another_message_is_refused(line: str) -> None:
    rules = model.ExtractText("x", model.Pattern("SECRET"), (model.Transform("t", "evil"),))
    profile = model.Profile("p", (model.ExtractMessage("m", model.FIELDS, "pass", "refuse", (rules,)),))
    engine = Engine([profile], {"evil": lambda _: line})
    message = crlf("MIME-Version: 1.0\n" + multipart("\nSECRET\n\nmore", "\nsecond"))
    outcome = Processor([profile], engine, LIMITS).process(message)
    assert outcome.refusal is not None
    assert outcome.refusal.code == 451


@pytest.mark.parametrize("new", ["a\r\nBcc: x", "a\nb", "a\rb", "a\0b"])
def test_line_ends_out_of_a_transform_are_refused(new: str) -> None:
    rules = model.ExtractText("x", model.Pattern("SECRET"), (model.Transform("t", "evil"),))
    profile = model.Profile("p", (model.ExtractMessage("m", model.FIELDS, "pass", "refuse", (rules,)),))
    engine = Engine([profile], {"evil": lambda _: new})
    for message in ("Subject: SECRET\n\nx\n", "Subject: x\n\nSECRET\n"):
        outcome = Processor([profile], engine, LIMITS).process(crlf(message))
        assert outcome.refusal is not None
        assert outcome.refusal.code == 451


# -- laws ------------------------------------------------------------------------------------------------------------

# Without digits, of which any thirteen might be a card number, and without blanks at the ends, which the standard
# library folds into a line of blanks: that is refused (RFC 5322 section 3.2.2).
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Nd"]), max_size=30).map(
    lambda text: " ".join(text.split())
)


@st.composite
def messages(draw: st.DrawFn, filler: st.SearchStrategy[str] = WORDS) -> bytes:
    """Messages as the standard library writes them."""
    message = EmailMessage(email.policy.SMTP)
    message["Subject"] = draw(filler)
    charset = draw(st.sampled_from(["utf-8", "utf-16be"][:1]))
    encoding = draw(st.sampled_from(["base64", "quoted-printable", "8bit"]))
    message.set_content(draw(filler) + "\n", charset=charset, cte=encoding)
    if draw(st.booleans()):
        message.add_alternative(
            f"<p>{draw(filler)}</p>", subtype="html", cte=draw(st.sampled_from(["base64", "quoted-printable"]))
        )
    if draw(st.booleans()):
        message.add_attachment(
            draw(st.binary(max_size=50)), maintype="application", subtype="octet-stream", filename="ü.bin"
        )
    return message.as_bytes()


@given(messages())
def test_a_message_no_rule_touches_is_the_same_octets(message: bytes) -> None:
    outcome = process(message)
    assert outcome.refusal is None, outcome.reason
    if not outcome.tally.touched:
        assert outcome.content == message


@given(
    messages(st.tuples(WORDS, st.sampled_from(["", CARD, "4111-1111-1111-1111"]), WORDS).map(" ".join).map(str.strip))
)
def test_what_a_reader_sees_differs_by_the_masks_alone(message: bytes) -> None:
    outcome = process(message)
    assert outcome.refusal is None, outcome.reason
    assert [text for _, text in texts(outcome.content)] == [_masked(text) for _, text in texts(message)]


def _masked(text: str) -> str:
    for card in (CARD, "4111-1111-1111-1111"):
        text = text.replace(card, MASKED)
    return text


@given(st.binary(max_size=600))
def test_no_octets_break_the_view(junk: bytes) -> None:
    outcome = process(junk.replace(b"\r", b"").replace(b"\n", b"\r\n"))
    assert outcome.refusal is None or outcome.reason not in (
        "TypeError",
        "IndexError",
        "KeyError",
        "ValueError",
        "AssertionError",
    )


def test_the_parsers_own_errors_are_no_crashes() -> None:
    for sample in (
        "Content-Type: ;\n\nx\n",
        "Content-Type: a/b;;;\n\nx\n",
        "Subject:\n\nx\n",
        "\n",
        "",
        "Subject: x\n",
    ):
        outcome = process(crlf(sample))
        assert outcome.refusal is None or outcome.refusal.code == 554
