# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluator beside the kernel: what each says of a point, whether they agree, and the smallest ruleset if not."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from . import universe
from .box import Box, Refused, Truth
from .cases import Case, try_points
from .ruleset import Chain, Ruleset
from .universe import Point

Analyse = Callable[..., Any]
"""The evaluator: proof.analyse.analyse, or a mutant of it."""


class Disagreement(NamedTuple):
    """A point on which the evaluator is wrong, or less sure than it has reason to be."""

    case: Case
    at: int
    what: str
    told: str

    @property
    def point(self) -> Point:
        return self.case.points[self.at]

    def __str__(self) -> str:
        return (
            f"{self.what}\npoint:     {self.point}\nkernel:    {self.case.truths[self.at]}\nevaluator: {self.told}\n"
            f"case {self.case.name}, point {self.at} of {len(self.case.points)}\n{self.case.ruleset.text()}"
        )


def problems(analysis: Any, point: Point, truth: Truth, exact: bool, proxied: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with the evaluator's answers to one point, each with the answer: one with the devices, one without.

    *exact*: the ruleset holds nothing that the evaluator may be unsure of. *proxied*: it holds a transparent proxy,
    of which nobody can say from the rules that it gets the packet.
    """
    free = analysis.decide(point.direction, point.source, point.destination, point.port)
    bound = analysis.decide(point.direction, point.source, point.destination, point.port, iif=point.iif, oif=point.oif)
    for answer, name in ((free, "any device"), (bound, "these devices")):
        told = f"{name}: may {answer.may}, must {answer.must}, intercepted {answer.intercepted}, by {answer.by}"
        if answer is bound and (truth.changed or bound.intercepted != "no") and point.oif:
            continue  # where a changed destination leads is for the routes to say, not for the caller
        if answer.must and not answer.may:
            yield "must without may", told
        if answer.must and not truth.passed and not (proxied and answer.intercepted != "no"):
            yield "the kernel drops what must pass", told
        if truth.passed and not answer.may:
            yield "the kernel lets pass what cannot", told
        if truth.changed and answer.intercepted == "no":
            yield "the kernel sends it elsewhere unseen", told
        if truth.passed and not truth.changed and answer.intercepted == "must" and not proxied:
            yield "the kernel leaves alone what must be intercepted", told
        if answer is bound and exact and bound.intercepted == "no" and answer.may != answer.must:
            yield "unsure without reason", told
    if exact and bound.intercepted == "may" and point.direction != "ingress":
        yield "unsure of interception without reason", f"these devices: {bound}, by {bound.by}"
    if bound.intercepted == "no" and ((free.must and not bound.must) or (bound.may and not free.may)):
        yield "naming the devices contradicts", f"any device: {free}, these devices: {bound}"


def check(case: Case, analyse: Analyse, only: int | None = None, exact: bool = True) -> list[Disagreement]:
    """Compare every point of a case, or *only* one. An evaluator that fails disagrees.

    Not *exact*: the evaluator may be unsure of anything.
    """
    exact, proxied = exact and not case.ruleset.unknown, "tproxy" in case.ruleset.unknown
    found: list[Disagreement] = []
    at = only or 0
    try:
        analysis = analyse(case.loaded, ports=list(universe.PORTS))
        for at, (point, truth) in enumerate(zip(case.points, case.truths, strict=True)):
            if only in (None, at):
                found += [
                    Disagreement(case, at, what, told)
                    for what, told in problems(analysis, point, truth, exact, proxied)
                ]
    except Exception as error:  # noqa: BLE001 - whatever it stumbles over is its answer
        found.append(Disagreement(case, at, f"it fails with {type(error).__name__}", traceback.format_exc(limit=-4)))
    return found


class Tally:
    """Figures over many cases."""

    def __init__(self) -> None:
        self.rulesets = 0
        self.kernel: Counter[tuple[str, Truth]] = Counter()
        self.unknown: Counter[str] = Counter()

    def add(self, case: Case) -> None:
        self.rulesets += 1
        self.unknown["exact" if not case.ruleset.unknown else "with unknowns"] += 1
        for point, truth in zip(case.points, case.truths, strict=True):
            self.kernel[point.direction, truth] += 1

    @property
    def points(self) -> int:
        return sum(self.kernel.values())

    def __str__(self) -> str:
        kinds = {Truth(True, False): "passed", Truth(True, True): "moved", Truth(False, False): "dropped"}
        parts = (
            f"{direction}: " + ", ".join(f"{self.kernel[direction, truth]} {name}" for truth, name in kinds.items())
            for direction in ("egress", "ingress", "forward")
        )
        rulesets = f"{self.rulesets} rulesets ({self.unknown['exact']} fully known)"
        return f"{self.points} points, {rulesets}; " + "; ".join(parts)


def _smaller(ruleset: Ruleset) -> Iterator[Ruleset]:
    """Rulesets with one part less: a table, a restore, a base chain's rules, or a single rule."""
    for at in range(len(ruleset.tables)):
        yield replace(ruleset, tables=[*ruleset.tables[:at], *ruleset.tables[at + 1 :]])
    for at in range(len(ruleset.restores)):
        yield replace(ruleset, restores=[*ruleset.restores[:at], *ruleset.restores[at + 1 :]])
    for at, table in enumerate(ruleset.tables):
        for parts, name in ((table.chains, "chains"), (table.items, "items")):
            for index in range(len(parts)):
                fewer = replace(table, **{name: [*parts[:index], *parts[index + 1 :]]})
                yield replace(ruleset, tables=[*ruleset.tables[:at], fewer, *ruleset.tables[at + 1 :]])
        for index, chain in enumerate(table.chains):
            for rule in range(len(chain.rules)):
                less = Chain(chain.name, chain.head, [*chain.rules[:rule], *chain.rules[rule + 1 :]])
                fewer = replace(table, chains=[*table.chains[:index], less, *table.chains[index + 1 :]])
                yield replace(ruleset, tables=[*ruleset.tables[:at], fewer, *ruleset.tables[at + 1 :]])
    for at, (tool, lines) in enumerate(ruleset.restores):
        for index, line in enumerate(lines):
            if line.startswith("-A"):
                fewer_lines = [*lines[:index], *lines[index + 1 :]]
                yield replace(
                    ruleset, restores=[*ruleset.restores[:at], (tool, fewer_lines), *ruleset.restores[at + 1 :]]
                )


def shrink(box: Box, found: Disagreement, analyse: Analyse, seconds: float = 20.0) -> Disagreement:
    """Drop points and rules while the same disagreement stays; end after *seconds*."""
    end = time.monotonic() + seconds

    def again(ruleset: Ruleset, points: Sequence[Point], at: int) -> Disagreement | None:
        try:
            box.load(ruleset.nft(), ruleset.restored())
        except Refused:
            return None
        case = try_points(box, found.case.name, ruleset, points)
        return next((one for one in check(case, analyse, at) if one.what == found.what), None)

    best = again(found.case.ruleset, [found.point], 0) or found
    shrinking = True
    while shrinking:
        shrinking = False
        for ruleset in _smaller(best.case.ruleset):
            if time.monotonic() > end:
                return best
            if smaller := again(ruleset, best.case.points, best.at):
                best, shrinking = smaller, True
                break
    return best
