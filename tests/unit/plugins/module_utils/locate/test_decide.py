# SPDX-License-Identifier: GPL-3.0-or-later
"""From evidence to verdicts: what is named exactly, what only between neighbours, and what not at all."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.locate.decide import decide
from ansible_collections.alertpath.smtp.plugins.module_utils.locate.model import (
    ACCEPTED,
    EXPIRED,
    LOCAL,
    PROBLEM,
    RESET,
    SILENT,
    UNREACHABLE,
    Evidence,
    Reply,
    Verdict,
)
from hypothesis import given
from hypothesis import strategies as st

OWN, GATEWAY, DESTINATION = "192.0.2.1", "192.0.2.254", "203.0.113.9"
ROUTERS = {1: GATEWAY, 2: "198.51.100.2", 3: "198.51.100.3"}
LENGTH = 4


def expired(hop: int, ttl: int | None = None, device: str | None = None) -> Reply:
    return Reply(EXPIRED, device or ROUTERS[hop], 11, 0, 65 - hop if ttl is None else ttl)


def hops(upto: int, then: str = SILENT) -> dict[int, Reply]:
    """Routers report as far as *upto*; from there on, *then*."""
    return {hop: expired(hop) if hop <= upto else Reply(then) for hop in range(1, LENGTH + 1)}


BASE = Evidence(
    DESTINATION,
    Reply(SILENT),
    OWN,
    GATEWAY,
    control=Reply(ACCEPTED),
    control_hops=hops(3, ACCEPTED),
    control_back=3,
)


def answered(kind: str, ttl: int, back: int | None, **more: object) -> Verdict:
    return decide(replace(BASE, target=Reply(kind), hops=hops(ttl - 1, kind), back=back, **more))


def named(verdict: Verdict) -> list[str | None]:
    return [device.address for device in verdict.devices]


@pytest.mark.parametrize("ttl", [2, 3, 4])
@pytest.mark.parametrize("kind", [RESET, ACCEPTED])
def test_the_way_back_tells_forward_rules_from_the_next_hop(kind: str, ttl: int) -> None:
    by_forward = answered(kind, ttl, ttl - 2)
    assert (by_forward.answer, named(by_forward)) == ("exact", [ROUTERS[ttl - 1]])
    there = answered(kind, ttl, ttl - 1)
    if (kind, ttl) == (ACCEPTED, LENGTH):
        assert there.answer == "nothing"
    else:
        assert (there.answer, named(there)) == ("exact", [ROUTERS.get(ttl, DESTINATION)])


@pytest.mark.parametrize("back", [0, 5, 17])
def test_an_answer_that_came_neither_way_accuses_nobody(back: int) -> None:
    assert (answered(RESET, 3, back).answer, answered(RESET, 3, back).devices) == ("cannot_tell", ())


def test_without_a_way_back_both_neighbours_are_named() -> None:
    verdict = answered(RESET, 3, None)
    assert (verdict.answer, named(verdict)) == ("between", [ROUTERS[2], ROUTERS[3]])


def test_equal_ways_back_are_told_apart_by_an_option_that_arrives() -> None:
    def asymmetric(**more: object) -> Verdict:
        return answered(RESET, LENGTH, 2, control_back=2, **more)

    assert named(asymmetric()) == [ROUTERS[3], DESTINATION]
    complaint = Reply(PROBLEM, DESTINATION, 12, 0, 61)
    assert named(asymmetric(arrived=complaint, arrived_control=complaint)) == [DESTINATION]
    # A reset instead of a complaint: the router's forward rules, or the destination's before its input.
    assert named(asymmetric(arrived=Reply(RESET), arrived_control=complaint)) == [ROUTERS[3], DESTINATION]


def test_a_control_that_a_router_may_have_forged_places_nothing() -> None:
    forged = answered(RESET, 3, 1, control=Reply(RESET), control_hops=hops(2, RESET), control_back=1)
    assert (forged.answer, named(forged)) == ("between", [ROUTERS[2], None])
    assert forged.devices[1].hop == 3


def test_without_any_control_an_answer_has_no_place() -> None:
    verdict = answered(RESET, LENGTH, 3, control=None, control_hops=hops(3))
    assert (verdict.answer, verdict.devices) == ("cannot_tell", ())


def test_a_router_that_a_control_shows_needs_no_answer_of_the_destination() -> None:
    assert named(answered(RESET, 3, 1, control=None, control_hops=hops(3))) == [ROUTERS[2]]


def test_errors_in_the_destinations_name_betray_a_translation() -> None:
    seen = {**hops(1, ACCEPTED), 2: expired(2, device=DESTINATION)}
    verdict = decide(replace(BASE, target=Reply(ACCEPTED), hops=seen, back=2))
    assert (verdict.answer, verdict.how, named(verdict)) == ("exact", "diverts", [ROUTERS[2]])
    hidden = decide(replace(BASE, target=Reply(ACCEPTED), hops={**seen, 1: Reply(SILENT)}, back=2))
    assert (hidden.answer, named(hidden)) == ("between", [ROUTERS[1], ROUTERS[2]])


def test_a_report_in_the_destinations_name_is_nobodys_name() -> None:
    seen = {**hops(1, ACCEPTED), 2: expired(2, device=DESTINATION)}
    verdict = decide(replace(BASE, target=Reply(ACCEPTED), hops=seen, control_hops=seen, control_back=2, back=2))
    assert [(device.hop, device.address) for device in verdict.devices] == [(2, None)]


def test_a_translation_at_the_first_hop_may_be_this_hosts_own() -> None:
    seen = {**hops(0, ACCEPTED), 1: expired(1, device=DESTINATION)}
    evidence = replace(BASE, target=Reply(ACCEPTED), hops=seen)
    assert named(decide(evidence)) == [OWN, GATEWAY]
    assert named(decide(replace(evidence, translates=False))) == [GATEWAY]


@pytest.mark.parametrize("kind", [RESET, ACCEPTED])
def test_whether_a_syn_leaves_tells_this_host_from_the_first_router(kind: str) -> None:
    assert named(answered(kind, 1, None, left=False)) == [OWN]
    assert named(answered(kind, 1, None, left=True, translates=False)) == [GATEWAY]
    assert named(answered(kind, 1, None, left=True)) == [OWN, GATEWAY]
    assert named(answered(kind, 1, None)) == [OWN, GATEWAY]


def test_an_icmp_error_names_its_sender() -> None:
    def said_by(device: str) -> Verdict:
        return decide(replace(BASE, target=Reply(UNREACHABLE, device, 3, 13, 60), hops=hops(3, UNREACHABLE)))

    assert named(said_by(ROUTERS[2])) == [ROUTERS[2]]
    assert said_by(OWN).devices[0].role == "own host"


def test_an_icmp_error_of_the_destination_must_come_from_its_distance() -> None:
    reply = Reply(UNREACHABLE, DESTINATION, 3, 13, 61)
    at_home = {**hops(3), LENGTH: reply}
    assert named(decide(replace(BASE, target=reply, hops=at_home))) == [DESTINATION]
    before = {**hops(2), 3: reply, 4: reply}
    assert named(decide(replace(BASE, target=reply, hops=before))) == [ROUTERS[3]]


def test_this_hosts_own_refusals() -> None:
    assert named(decide(replace(BASE, target=Reply(LOCAL, errno=errno.EACCES)))) == [OWN]
    dropped = decide(replace(BASE, target=Reply(SILENT, kept=True), own_rule="blocked_egress in table inet alertpath"))
    assert (named(dropped), dropped.own_rule) == ([OWN], "blocked_egress in table inet alertpath")


def test_a_rule_of_ours_is_told_only_of_this_host() -> None:
    verdict = answered(RESET, 3, 1, own_rule="blocked_egress in table inet alertpath")
    assert (named(verdict), verdict.own_rule) == ([ROUTERS[2]], None)


def silent(seen: int, **more: object) -> Verdict:
    return decide(replace(BASE, hops=hops(seen), **more))


@pytest.mark.parametrize("seen", [0, 1, 2])
def test_silence_lies_between_neighbours_when_the_control_was_heard_in_turn(seen: int) -> None:
    verdict = silent(seen, confirmed=True)
    assert (verdict.answer, named(verdict)) == ("between", [ROUTERS.get(seen, OWN), ROUTERS[seen + 1]])
    assert silent(seen, confirmed=False).answer == "cannot_tell"


def test_silence_at_the_end_may_be_a_lost_answer() -> None:
    complaint = Reply(PROBLEM, DESTINATION, 12, 0, 61)
    assert silent(3, confirmed=True).answer == "cannot_tell"
    assert silent(3, arrived=complaint, arrived_control=complaint, confirmed=True).answer == "cannot_tell"
    never = silent(3, arrived=Reply(SILENT), arrived_control=complaint, confirmed=True)
    assert (never.answer, named(never)) == ("between", [ROUTERS[3], DESTINATION])
    assert silent(3, arrived=Reply(SILENT), arrived_control=complaint, confirmed=False).answer == "cannot_tell"


def test_answers_that_this_host_drops_itself() -> None:
    complaint = Reply(PROBLEM, DESTINATION, 12, 0, 61)
    own = silent(3, arrived=complaint, arrived_control=complaint, confirmed=False, swallowed=True)
    assert (own.answer, named(own)) == ("exact", [OWN])
    # What is dropped may be ICMP errors about the SYNs while none of them is seen to come in.
    assert silent(3, swallowed=True).answer == "cannot_tell"


def test_silent_routers_are_no_neighbours() -> None:
    control = {**hops(3, ACCEPTED), 3: Reply(SILENT)}
    verdict = silent(2, control_hops=control, confirmed=True)
    assert (verdict.answer, verdict.devices) == ("cannot_tell", ())
    assert [device.address for device in verdict.suspects] == [ROUTERS[2], DESTINATION]


def test_an_error_whose_sender_the_kernel_hides_accuses_nobody() -> None:
    verdict = decide(replace(BASE, target=Reply(UNREACHABLE, errno=errno.EHOSTUNREACH)))
    assert (verdict.answer, verdict.devices) == ("cannot_tell", ())


def test_two_paths_accuse_nobody() -> None:
    other = {**hops(3, RESET), 2: expired(2, device="198.51.100.77")}
    assert decide(replace(BASE, target=Reply(RESET), hops=other, back=3)).answer == "cannot_tell"
    assert decide(replace(BASE, hops={**hops(2), 2: expired(2, device="198.51.100.77")}, confirmed=True)).devices == ()


def test_a_loop_names_the_two_routers_that_make_it() -> None:
    seen = {1: expired(1), **{hop: expired(2 + hop % 2) for hop in range(2, 9)}}
    verdict = decide(replace(BASE, target=expired(2), hops=seen, control=None, control_hops={}))
    assert (verdict.answer, verdict.how, named(verdict)) == ("between", "loops", [ROUTERS[2], ROUTERS[3]])


def test_a_destination_on_the_link_that_answers_at_its_distance() -> None:
    near = replace(BASE, gateway=None, control_hops={1: Reply(ACCEPTED)}, control_back=0, left=True, translates=False)
    closed = decide(replace(near, target=Reply(RESET), hops={1: Reply(RESET)}))
    assert (closed.answer, named(closed)) == ("exact", [DESTINATION])
    assert decide(replace(near, target=Reply(ACCEPTED), hops={1: Reply(ACCEPTED)})).answer == "nothing"


replies = st.one_of(
    st.builds(Reply, st.sampled_from([SILENT, ACCEPTED, RESET]), kept=st.sampled_from([None, False])),
    st.builds(
        Reply,
        st.sampled_from([EXPIRED, UNREACHABLE, PROBLEM]),
        st.sampled_from([*ROUTERS.values(), DESTINATION, OWN]),
        st.sampled_from([3, 11, 12]),
        st.integers(0, 13),
        st.one_of(st.none(), st.integers(1, 255)),
    ),
)
paths = st.dictionaries(st.integers(1, 6), replies, max_size=6)
maybe = st.sampled_from([None, False, True])
evidences = st.builds(
    Evidence,
    destination=st.just(DESTINATION),
    target=replies,
    own=st.just(OWN),
    gateway=st.sampled_from([None, GATEWAY]),
    hops=paths,
    control=st.one_of(st.none(), replies),
    control_hops=paths,
    back=st.one_of(st.none(), st.integers(0, 6)),
    control_back=st.one_of(st.none(), st.integers(0, 6)),
    left=maybe,
    translates=maybe,
    arrived=st.one_of(st.none(), replies),
    arrived_control=st.one_of(st.none(), replies),
    confirmed=maybe,
)


@given(evidences)
def test_any_evidence_gives_a_verdict_whose_shape_fits_its_answer(evidence: Evidence) -> None:
    verdict = decide(evidence)
    assert len(verdict.devices) == {"exact": 1, "between": 2}.get(verdict.answer, 0)
    assert bool(verdict.how) == bool(verdict.devices)
    assert verdict.text
    assert verdict.as_dict()["answer"] == verdict.answer


@given(evidences)
def test_silence_alone_never_names_one_device(evidence: Evidence) -> None:
    translated = any(reply.kind == EXPIRED and reply.device == DESTINATION for reply in evidence.hops.values())
    if evidence.target.kind == SILENT and not translated:
        assert decide(evidence).answer in ("between", "cannot_tell")
