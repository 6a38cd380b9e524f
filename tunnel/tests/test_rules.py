# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule tree, patterns, data elements and edits."""

from __future__ import annotations

import itertools
import time

import pytest
from alertpath_tunnel.edits import Edit, apply, compose
from alertpath_tunnel.protect.methods import ProtectError, build
from alertpath_tunnel.protect.model import DataElement
from alertpath_tunnel.rules import model
from alertpath_tunnel.rules.cards import find_cards, has_luhn
from alertpath_tunnel.rules.engine import Engine, Refused, RuleError, Tally
from alertpath_tunnel.rules.patterns import PatternError, compile_pattern
from hypothesis import given
from hypothesis import strategies as st

KEY = b"k" * 32


def run(text: str, *rules: model.TextRule) -> tuple[str, str | None, Tally]:
    elements = {"up": str.upper, "x": lambda _: "x", "fail": lambda value: value[99]}
    profile = model.Profile("p", (model.ExtractMessage("m", model.FIELDS, "pass", "pass", rules),))
    tally = Tally()
    result = Engine([profile], elements).run(rules, text.encode(), tally)
    return apply(text.encode(), result.edits).decode(), result.leave, tally


def extract(
    regex: str, *rules: model.TextRule, group: str | int = 0, prerequisite: str | None = None
) -> model.ExtractText:
    return model.ExtractText(f"find {regex}", model.Pattern(regex, group=group, prerequisite=prerequisite), rules)


UP, X = model.Transform("up", "up"), model.Transform("x", "x")


@pytest.mark.parametrize(
    ("text", "rules", "expected"),
    [
        ("a b ä b", (extract("b|ä", UP),), "a B Ä B"),
        ("user=bob, bob", (extract("user=(?P<u>[a-z]+)", UP, group="u"),), "user=BOB, bob"),
        ("user=bob", (extract("user=([a-z]+)", UP, group=1),), "user=BOB"),
        ("[a1] a1", (extract(r"\[[^]]*\]", extract("[a-z]", UP)),), "[A1] a1"),
        ("abc", (extract("b", X), extract("axc", UP)), "AXC"),
        ("abc abc", (extract("abc", UP), extract("B", X)), "AxC AxC"),
        ("a b", (extract("a", UP, prerequisite="c"),), "a b"),
        ("a c", (extract("a", UP, prerequisite="c"),), "A c"),
        ("ab ab", (extract("a", model.Exit("e", "Branch"), UP), extract("b", UP)), "aB aB"),
        ("aab", (extract("a", UP, model.Exit("e", "Profile")), extract("b", UP)), "Aab"),
        ("", (UP,), ""),
    ],
)
def test_rules_change_texts(text: str, rules: tuple[model.TextRule, ...], expected: str) -> None:
    assert run(text, *rules)[0] == expected


def test_exit_says_how_far() -> None:
    assert run("a", extract("a", model.Exit("e", "RuleSet")))[1] == "RuleSet"
    assert run("a", extract("a", model.Exit("e", "Branch")))[1] is None


def test_error_and_log() -> None:
    with pytest.raises(Refused, match="no keys"):
        run("key", extract("key", model.Error("e", "no keys by mail")))
    assert run("key", extract("key", model.Log("l", "a key")))[2].notes == ["a key"]


def test_a_failing_data_element_names_the_rule_and_not_the_value() -> None:
    with pytest.raises(RuleError) as caught:
        run("topsecret", extract("top.*", model.Transform("rule 7", "fail")))
    assert "rule 7" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("pattern", "field"),
    [
        (model.Pattern("(a"), "regex"),
        (model.Pattern("(?=a)"), "regex"),
        (model.Pattern(r"(a)\1"), "regex"),
        (model.Pattern("a{2000}"), "regex"),
        (model.Pattern("a", group=1), "group"),
        (model.Pattern("(?P<a>x)", group="b"), "group"),
        (model.Pattern("a", prerequisite="("), "prerequisite"),
    ],
)
def test_expressions_that_cannot_be_used(pattern: model.Pattern, field: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert caught.value.field == field
    assert capfd.readouterr().err == ""


def test_patterns_take_linear_time() -> None:
    begun = time.monotonic()
    assert not list(compile_pattern(model.Pattern("(a+)+$"))(b"a" * 50_000 + b"!"))
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4111 1111 1111 1111", ["4111 1111 1111 1111"]),
        ("4111-1111-1111-1111,5500000000000004", ["4111-1111-1111-1111", "5500000000000004"]),
        ("1 4111 1111 1111 1111 7", ["4111 1111 1111 1111"]),
        ("3782 822463 10005", ["3782 822463 10005"]),
        ("4111 1111 1111 1112", []),
        ("order 41111111111111119999", []),
        ("4111\u00a01111\u00a01111\u00a01111", ["4111\u00a01111\u00a01111\u00a01111"]),
        ("4111\u20101111\u20101111\u20101111", ["4111\u20101111\u20101111\u20101111"]),
        ("4111\x961111\x971111\x961111", ["4111\x961111\x971111\x961111"]),
        ("4111  1111 1111 1111", []),
        ("4111 1111 1111 1111 4111 1111 1111 1111", ["4111 1111 1111 1111"] * 2),
        ("ID4111111111111111X", ["4111111111111111"]),
    ],
)
def test_card_numbers(text: str, found: list[str]) -> None:
    octets = text.encode()
    assert [octets[start:end].decode() for start, end in find_cards(octets, luhn=True)] == found


def test_without_the_check_digit_every_number_of_that_length_counts() -> None:
    assert list(find_cards(b"4111 1111 1111 1112", luhn=False)) == [(0, 19)]


def test_card_search_does_not_explode() -> None:
    begun = time.monotonic()
    list(find_cards(b"4112 " * 40_000, luhn=True))
    assert time.monotonic() - begun < 5


@given(st.text("0123456789", min_size=12, max_size=18))
def test_check_digit(digits: str) -> None:
    assert sum(has_luhn((digits + str(last)).encode()) for last in range(10)) == 1


def element(method: str, **more: object) -> DataElement:
    separators = str(more.pop("separators", "keep" if method == "tokenize" else "drop"))
    return DataElement("e", method, separators, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        ("4111 1111 1111 1111", {"keep_last": 4}, "************1111"),
        ("4111-1111-1111-1111", {"keep_last": 4, "separators": "keep"}, "****-****-****-1111"),
        ("4111111111111111", {"keep_first": 6, "keep_last": 4}, "411111******1111"),
        ("bob@corp", {"keep_first": 1, "separators": "keep"}, "b**@****"),
        ("1234", {"keep_last": 4}, "****"),
        ("12", {"keep_first": 1, "keep_last": 4}, "**"),
        ("äöü", {"keep_first": 1, "character": "#"}, "ä##"),
    ],
)
def test_mask(value: str, options: dict[str, object], expected: str) -> None:
    assert build(element("mask", **options), b"")(value) == expected


def test_mask_has_something_to_hide() -> None:
    with pytest.raises(ProtectError):
        build(element("mask"), b"")(" - ")


def test_hash_is_keyed_and_of_the_asked_length() -> None:
    one, other = build(element("hash", length=20), KEY), build(element("hash", length=20), b"o" * 32)
    assert one("4111 1111") == one("4111-1111") != one("4111-1112")
    assert one("4111") != other("4111")
    assert len(one("x")) == 20


@given(st.text("0123456789abcXYZ -@", min_size=1).filter(lambda text: any(c.isalnum() for c in text)))
def test_token_has_the_shape_of_the_value(value: str) -> None:
    token = build(element("tokenize"), KEY)(value)
    assert [_kind(c) for c in token] == [_kind(c) for c in value]
    assert token == build(element("tokenize"), KEY)(value)


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    if character.isalpha():
        return "upper" if character.isupper() else "lower"
    return character


def test_token_depends_on_the_key_and_not_on_separators() -> None:
    tokenize = build(element("tokenize"), KEY)
    assert tokenize("4111 1111 1111 1111").replace(" ", "") == tokenize("4111-1111-1111-1111").replace("-", "")
    assert tokenize("4111111111111111") != build(element("tokenize"), b"o" * 32)("4111111111111111")
    with pytest.raises(ProtectError):
        tokenize("Müller")


@st.composite
def edits_of(draw: st.DrawFn, length: int) -> list[Edit]:
    edges = sorted(draw(st.lists(st.integers(0, length), unique=True, max_size=8)))
    spans = [(a, b) for a, b in itertools.pairwise(edges) if draw(st.booleans())]
    return [Edit(start, end, draw(st.binary(max_size=4))) for start, end in spans]


@given(st.data(), st.binary(max_size=20))
def test_composed_edits_do_what_both_did(data: st.DataObject, text: bytes) -> None:
    first = data.draw(edits_of(len(text)))
    middle = apply(text, first)
    second = data.draw(edits_of(len(middle)))
    both = compose(first, second)
    assert apply(text, both) == apply(middle, second)
    assert all(one.end <= other.start for one, other in itertools.pairwise(both))
