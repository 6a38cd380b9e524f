# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a sign of life, and for whom."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import model, verdict
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.alive import Alive
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import Endpoint, Evidence, Finding
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.way_out import WayOut
from hypothesis import given
from hypothesis import strategies as st

HERE, NEAR, FAR = "192.0.2.7", "192.0.2.1", "198.51.100.9"
OUTCOMES = sorted(model.ANSWERED | model.SHUT | model.NOT_RUN)
OUTSIDE, UNBOUND, OWN = WayOut("eth0", False), WayOut(None, False), WayOut(None, True)


def end(address: str, port: int = 25, source: str | None = HERE) -> Endpoint:
    return Endpoint(socket.AF_INET, (address, port), (source, 0) if source else None)


def found(outcome: str, **parts: object) -> Finding:
    return Finding(outcome, Evidence("seen", **parts))  # type: ignore[arg-type]


RESET = found("refused")


def alive(address: str, finding: Finding, way: WayOut = OUTSIDE) -> Alive:
    """What is known once the control port of *address* did that."""
    made = Alive()
    (question,) = made.controls([end(address)], (22,), lambda _endpoint: way)
    assert question.interface == way.interface
    made.control(question, finding)
    return made


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_only_a_connection_or_its_own_word_shows_that_the_address_is_somebodys(outcome: str) -> None:
    level = alive(FAR, found(outcome)).level(end(FAR), RESET)
    if outcome in model.ANSWERED:
        assert level == verdict.DESTINATION
    else:
        assert level == (verdict.FAMILY if outcome == "refused" else verdict.NO_CONTROL)
    own_word = alive(FAR, found(outcome, device=FAR)).level(end(FAR), RESET)
    assert (own_word == verdict.DESTINATION) == (outcome in model.ANSWERED or outcome == "rejected")


def test_reset_counts_for_the_network_only_where_it_surely_came_from_there() -> None:
    assert alive(FAR, found("refused"), OUTSIDE).level(end(FAR), RESET) == verdict.FAMILY
    assert alive(FAR, found("refused"), UNBOUND).level(end(FAR), RESET) == verdict.NO_CONTROL
    assert alive(FAR, found("open"), UNBOUND).level(end(FAR), RESET) == verdict.DESTINATION


@pytest.mark.parametrize("outcome", sorted(model.SHUT))
def test_reset_shows_who_is_there_only_where_the_port_in_question_met_something_else(outcome: str) -> None:
    made = alive(FAR, RESET)
    assert made.level(end(FAR), found(outcome)) == (verdict.FAMILY if outcome == "refused" else verdict.DESTINATION)
    assert alive(FAR, RESET, UNBOUND).level(end(FAR), found(outcome)) == verdict.NO_CONTROL
    assert alive(NEAR, RESET).level(end(FAR), found(outcome)) == verdict.FAMILY


@pytest.mark.parametrize(("address", "way"), [(HERE, OUTSIDE), ("127.0.0.1", OUTSIDE), (FAR, OWN)])
def test_what_this_host_says_to_itself_shows_nothing_of_the_network(address: str, way: WayOut) -> None:
    for outcome in ("open", "refused"):
        assert alive(address, found(outcome), way).level(end(NEAR), RESET) == verdict.NO_CONTROL
    assert alive(FAR, found("filtered"), OWN).level(end(FAR), RESET) == verdict.DESTINATION


def test_own_word_shows_who_is_there_only_where_the_port_in_question_met_something_else() -> None:
    """A bridge rejects in anybody's name."""
    word = found("rejected", device=FAR)
    made = alive(FAR, word)
    assert made.level(end(FAR), word) == verdict.FAMILY
    for other in (found("filtered"), RESET, found("rejected", device="192.0.2.254")):
        assert made.level(end(FAR), other) == verdict.DESTINATION
    made = Alive()
    made.target(end(FAR), word)
    assert made.level(end(FAR), word) == verdict.FAMILY
    assert made.level(end(FAR, 587), found("filtered")) == verdict.DESTINATION


def test_families_and_sources_are_counted_by_themselves() -> None:
    made = alive(FAR, found("open"))
    assert made.level(end(NEAR), RESET) == verdict.FAMILY
    assert made.level(end(FAR, source="192.0.2.8"), RESET) == verdict.FAMILY
    assert made.level(Endpoint(socket.AF_INET6, ("2001:db8::9", 25, 0, 0)), RESET) == verdict.NO_CONTROL
    assert made.by_family() == {"ipv4": 1, "ipv6": 0}


def test_address_that_is_probed_from_two_sources_counts_once() -> None:
    made = Alive()
    for source in (HERE, "192.0.2.8"):
        made.target(end(FAR, source=source), found("open"))
    assert made.by_family() == {"ipv4": 1, "ipv6": 0}


outcomes = st.sampled_from(OUTCOMES)


@given(st.lists(st.tuples(outcomes, st.booleans()), max_size=8), outcomes)
def test_no_run_without_an_answer_of_its_own_makes_an_address_somebodys(
    others: list[tuple[str, bool]], outcome: str
) -> None:
    """Whatever others do, and whatever is said in its name, but for a connection."""
    made = Alive()
    for other, is_control in others:
        if is_control:
            (question,) = made.controls([end(NEAR)], (22,), lambda _endpoint: OUTSIDE)
            made.control(question, found(other))
        else:
            made.target(end(NEAR), found(other))
    made.target(end(FAR), found(outcome, device="192.0.2.254"))
    assert (made.level(end(FAR), RESET) == verdict.DESTINATION) == (outcome in model.ANSWERED)
    judged = verdict.judge("blocked", "connect", found("filtered"), made.level(end(FAR), RESET), True, True)
    assert (judged.verdict == "pass") == (outcome in model.ANSWERED)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_one_connection_in_the_run_shows_that_nothing_blocks(outcome: str) -> None:
    """A limit of a rate lets one SYN through and drops the next."""
    made = Alive()
    (question,) = made.controls([end(FAR)], (25,), lambda _endpoint: OUTSIDE)
    made.control(question, found("open"))
    made.target(end(NEAR), found("wrong_server"))
    for address in (FAR, NEAR):
        read = made.blocks(end(address), found(outcome))
        assert read.outcome == ("open" if outcome in model.SHUT else outcome)
        assert made.blocks(end(address, 587), found(outcome)) == found(outcome)
        assert made.blocks(end(address, source=None), found(outcome)) == found(outcome)
