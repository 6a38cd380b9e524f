# SPDX-License-Identifier: GPL-3.0-or-later
"""A case: a ruleset, what the host shows of it, points, and what the kernel did with each. Made from a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ansible_collections.alertpath.smtp.plugins.module_utils.proof import gather
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.model import Loaded

from . import generate, iptables, themes, universe
from .box import Box, Refused, Truth, truth
from .ruleset import Ruleset
from .universe import Point

PER_RULESET = 60
_NFT_LINE = re.compile(r"/dev/stdin:(\d+):")
_RESTORE_LINE = re.compile(r"^((?:ip6?tables)-\w+)-restore.*?(?:line: |line )(\d+)", re.DOTALL)


class Case(NamedTuple):
    """One ruleset in the kernel, and the points that were tried. *name*: seed and number, from which it was made."""

    name: str
    ruleset: Ruleset
    loaded: Loaded
    points: tuple[Point, ...]
    truths: tuple[Truth, ...]

    @property
    def themed(self) -> bool:
        """Whether the ruleset is about one thing."""
        return len(self.ruleset.tables) <= 1 and all(table.name == "theme" for table in self.ruleset.tables)


def draw(rng: random.Random, number: int) -> Ruleset:
    """Draw ruleset *number*: every other has a theme; the others are of nft, of iptables in either kernel, or both."""
    if number % 2 == 0:
        return themes.themed(rng, number // 2)
    kind = rng.choices(("nft", "iptables", "both"), (60, 30, 10))[0]
    made = Ruleset() if kind == "iptables" else generate.ruleset(rng)
    if kind != "nft":
        restores, unknown = iptables.restores(rng)
        made = replace(made, restores=restores, unknown=made.unknown | unknown)
    return replace(made, unknown=made.unknown | {"order"}) if made.tied() else made


def mended(ruleset: Ruleset, error: str) -> Ruleset | None:
    """The ruleset without the rules that a tool's message names; None when it names none."""
    if lines := {int(number) for number in _NFT_LINE.findall(error)}:
        places = ruleset.lines()
        return ruleset.without({line for line in lines if line in places})
    if found := _RESTORE_LINE.search(error):
        tool, line = found[1], int(found[2]) - 1
        restores = [
            (name, [text for at, text in enumerate(lines) if (name, at) != (tool, line) or not text.startswith("-A")])
            for name, lines in ruleset.restores
        ]
        if restores != ruleset.restores:
            return replace(ruleset, restores=restores)
    return None


def loading(box: Box, ruleset: Ruleset) -> Ruleset:
    """Load a ruleset, dropping rules that this kernel or tool does not take; return what was loaded.

    Raises Refused when that does not help.
    """
    for _attempt in range(8):
        try:
            box.load(ruleset.nft(), ruleset.restored())
        except Refused as error:
            smaller = mended(ruleset, str(error))
            if smaller is None:
                raise
            ruleset = smaller
        else:
            return ruleset
    raise Refused("still refused after dropping rules eight times")


def try_points(box: Box, name: str, ruleset: Ruleset, points: Sequence[Point]) -> Case:
    """Make a case of what the box has loaded: read it as a host's is read, then send the points."""
    loaded = gather.gather()
    if ruleset.later:
        box.change(ruleset.later)
    truths = tuple(truth(*pair) for pair in zip(points, box.send(points), strict=True))
    return Case(name, ruleset, loaded, tuple(points), truths)


def record(box: Box, seed: int, points: int, per_ruleset: int = PER_RULESET) -> Iterator[Case]:
    """Make cases from a seed until there are enough points. A ruleset that no tool takes is passed over."""
    done, number, refused = 0, 0, 0
    while done < points:
        name = f"{seed}:{number}"
        rng = random.Random(name)
        try:
            ruleset = loading(box, draw(rng, number))
        except Refused:
            refused += 1
            assert refused < 5 + number // 20, "too many rulesets are refused: the generator is at fault"
        else:
            yield try_points(box, name, ruleset, [universe.point(rng) for _ in range(per_ruleset)])
            done += per_ruleset
        number += 1
