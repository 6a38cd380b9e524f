# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's loaded rules let through: the whole of it, exactly where the rules are understood. Pure."""

from __future__ import annotations

from bisect import bisect_right
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from . import wording
from .addresses import address
from .facts import Facts
from .flow import Folds, Hit, Notes, refs
from .fold import Folded
from .grid import Block, Grid, Mention, Rows, blocks
from .mentions import mentions
from .model import DIRECTIONS, TOP, Chain, Interface, Loaded, Ref, Unmodelled
from .pause import no_collection
from .read import chains_of
from .route import Route, allowed
from .spans import Span
from .survey import Survey
from .units import LOOPBACK, Class, Interfaces, Units

__all__ = ["Analysis", "Decision", "Interface", "Loaded", "Part", "analyse"]

# Grids beyond so many bits are cut into several, one after the other.
_MOST_BITS = 120_000_000
_MOST_PARTS = 8
_WHOLE = {version: (0, top) for version, top in TOP.items()}


Chosen = Callable[[Units, int], List[int]]


class Part(NamedTuple):
    """A piece of the answer: a grid with the cells that may get through, those that may be dropped, those that may be
    led elsewhere, and those that may end without that."""

    family: int
    grid: Grid
    units: Units
    open: Rows
    closed: Rows
    moved: Rows
    straight: Rows


class Decision:
    """What the rules say of one point. *may*: it could be let through; *must*: it surely is; *intercepted*: whether it
    is led elsewhere than its destination, "no", "may" or "must"; *by*: the rules that decide."""

    def __init__(self, analysis: Analysis, point: Point, may: bool, must: bool, intercepted: str) -> None:
        self.may = may
        self.must = must
        self.intercepted = intercepted
        self._analysis, self._point = analysis, point
        self._by: Optional[Tuple[Ref, ...]] = None

    @property
    def by(self) -> Tuple[Ref, ...]:
        """The rules that decide, looked up when asked for."""
        if self._by is None:
            point = self._point
            src, dst = (point.source,) * 2, (point.destination,) * 2
            traced = self._analysis.trace(point.direction, point.family, src, dst, point.port, point.iif, point.oif)
            self._by = traced.by(self.may, self.must, self.intercepted)
        return self._by

    def __repr__(self) -> str:
        return f"Decision(may={self.may}, must={self.must}, intercepted={self.intercepted!r})"


class Point(NamedTuple):
    """The first packet of one connection. Interfaces are numbers of classes, or None."""

    direction: str
    family: int
    source: int
    destination: int
    port: int
    iif: Optional[Tuple[int, ...]]
    oif: Optional[Tuple[int, ...]]


class Trace(NamedTuple):
    """The rules that met packets with a verdict."""

    opening: Tuple[Ref, ...]
    closing: Tuple[Ref, ...]
    leading: Tuple[Ref, ...]

    def by(self, may: bool, must: bool, intercepted: str) -> Tuple[Ref, ...]:
        """Return the rules that matter for such an outcome."""
        found = list(self.leading) if intercepted != "no" else []
        if not must:
            found += self.closing
        if may:
            found += self.opening
        return tuple(dict.fromkeys(found))


class Analysis:
    """The analysis of what a host has loaded, for TCP connections to *ports*."""

    def __init__(self, loaded: Loaded, ports: Sequence[int], directions: Sequence[str] = DIRECTIONS) -> None:
        """Read *loaded*. Raises ValueError, with the reason, when its text is not what it should be."""
        if not ports:
            raise ValueError("no ports given: name the TCP ports that count as SMTP, such as 25, 465, 587")
        unknown = sorted(set(directions) - set(DIRECTIONS))
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not a direction: choose among {', '.join(DIRECTIONS)}")
        self.ports = tuple(dict.fromkeys(ports))
        self.directions = tuple(directions)
        self.facts = Facts(loaded)
        with no_collection():
            self.chains, self.reading_notes = chains_of(loaded, self.facts)
        self.interfaces = Interfaces(self.chains.values(), self.facts.interfaces)
        self.forwards = dict(loaded.forwards)
        self.notes: Dict[Tuple[str, int], Notes] = {}
        self._routes: Dict[Tuple[str, int, Tuple[int, ...]], Route] = {}
        self._survey = Survey(self.chains)
        self._mentions: Dict[Tuple[str, int], List[Mention]] = {}
        self._looked_at: Set[Tuple[str, int]] = set()
        self._cuts: Dict[Tuple[str, int], List[Block]] = {}
        self._starts: Dict[Tuple[str, int], List[int]] = {}
        self._parts: Dict[Tuple[str, int, Span], Part] = {}

    def units(self, direction: str, ports: Sequence[int]) -> Units:
        """Return the combinations of port and interfaces that *direction* has."""
        classes = self.interfaces.classes
        ins: Sequence[Class] = classes if direction != "egress" else ()
        outs: Sequence[Class] = classes if direction != "ingress" else ()
        return Units(ports, ins, outs)

    def mentions(self, direction: str, family: int) -> List[Mention]:
        """Return the addresses of that IP version that rules for *direction* mention."""
        found = self._mentions.get((direction, family))
        if found is None:
            found = mentions(self._survey, direction, family, self.ports, self.facts)
            self._mentions[direction, family] = found
        return found

    def evaluate(self, direction: str, family: int, more: Sequence[Mention] = ()) -> Iterator[Part]:
        """Work the answer out, part by part, with grids that are also cut at *more*."""
        if direction not in self.directions:
            raise ValueError(f"direction {direction} was not analysed: it is not among {', '.join(self.directions)}")
        for block in self._blocks(direction, [*self.mentions(direction, family), *more], family):
            yield self._part(direction, family, block)
        self._looked_at.add((direction, family))

    def _blocks(self, direction: str, mentioned: Sequence[Mention], family: int) -> List[Block]:
        with no_collection():
            return blocks(_WHOLE[family], mentioned, self.units(direction, self.ports).size, _MOST_BITS)

    def _part(self, direction: str, family: int, block: Block) -> Part:
        notes = self.notes.setdefault((direction, family), Notes())
        with no_collection():
            route = self._route(direction, family, self.ports, notes)
            units = route.folds.units
            grid = Grid(block.span, _WHOLE[family], block.near, units.size)
            outcome = route.send(direction, grid)
            return Part(family, grid, units, allowed(outcome), outcome.dropped, outcome.moved, outcome.straight)

    def _part_of(self, direction: str, family: int, source: int) -> Part:
        """The part in which *source* lies. A few are kept, as those of a huge ruleset would fill the memory."""
        if direction not in self.directions:
            raise ValueError(f"direction {direction} was not analysed: it is not among {', '.join(self.directions)}")
        cuts = self._cuts.get((direction, family))
        if cuts is None:
            cuts = self._cuts[direction, family] = sorted(
                self._blocks(direction, self.mentions(direction, family), family), key=_first_source
            )
            self._starts[direction, family] = [block.span[0] for block in cuts]
        block = cuts[bisect_right(self._starts[direction, family], source) - 1]
        place = (direction, family, block.span)
        part = self._parts.pop(place, None) or self._part(direction, family, block)
        self._parts[place] = part
        while len(self._parts) > _MOST_PARTS:
            del self._parts[next(iter(self._parts))]
        return part

    def _route(self, direction: str, family: int, ports: Tuple[int, ...], notes: Notes) -> Route:
        route = self._routes.get((direction, family, ports))
        if route is None:
            folds = Folds(family, self.units(direction, ports), self.facts)
            forwards = self.forwards.get(family)
            route = Route(self.chains, folds, self.interfaces, self.facts, forwards, self._survey, notes)
            self._routes[direction, family, ports] = route
        route.notes = notes
        return route

    def decide(
        self,
        direction: str,
        source: str,
        destination: str,
        port: int,
        iif: Optional[str] = None,
        oif: Optional[str] = None,
    ) -> Decision:
        """Return what the rules say of the first packet of a connection from *source* to *destination*.

        Without interfaces, *may* is over any but the loopback interface, *must* over all that the host has. Raises
        ValueError for what was not analysed.
        """
        family, src = address(source)
        other, dst = address(destination)
        if family != other:
            raise ValueError(f"{source} and {destination} are of different IP versions")
        if port not in self.ports:
            raise ValueError(f"port {port} was not analysed: it is not among {', '.join(map(str, self.ports))}")
        point = Point(direction, family, src, dst, port, self._classes(iif), self._classes(oif))
        may_units, must_units = self._asked(direction, point)
        at = self.ports.index(port)
        part = self._part_of(direction, family, src)
        grid = part.grid
        row, column = grid.row_of(src), grid.column_of(dst)
        cells = [grid.width * unit + column for unit in may_units(part.units, at)]
        every = [grid.width * unit + column for unit in must_units(part.units, at)]
        may = any(part.open.get(row, 0) >> cell & 1 for cell in cells)
        shut = any(part.closed.get(row, 0) >> cell & 1 for cell in every)
        moved = any(part.moved.get(row, 0) >> cell & 1 for cell in cells)
        straight = any(part.straight.get(row, 0) >> cell & 1 for cell in every)
        return Decision(self, point, may, not shut, "no" if not moved else "may" if straight else "must")

    def _classes(self, name: Optional[str]) -> Optional[Tuple[int, ...]]:
        if name is None:
            return None
        if name == LOOPBACK:
            raise ValueError("the loopback interface is not analysed: only what crosses the network is")
        return (self.interfaces.place(name),)

    def _asked(self, direction: str, point: Point) -> Tuple[Chosen, Chosen]:
        """How to find the units of a port that *may*, and those that *must*, is about."""
        classes = self.interfaces.classes
        every = tuple(range(len(classes)))
        present = tuple(at for at, item in enumerate(classes) if item.present) or every

        def chosen(given: Optional[Tuple[int, ...]], default: Tuple[int, ...], used: bool) -> Tuple[int, ...]:
            return (given if given is not None else default) if used else (0,)

        def numbers(default: Tuple[int, ...]) -> Chosen:
            ins = chosen(point.iif, default, direction != "egress")
            outs = chosen(point.oif, default, direction != "ingress")
            return lambda units, port: [units.number(port, iif, oif) for iif in ins for oif in outs]

        return numbers(every), numbers(present)

    def trace(
        self,
        direction: str,
        family: int,
        src: Span,
        dst: Span,
        port: int,
        iif: Optional[Tuple[int, ...]] = None,
        oif: Optional[Tuple[int, ...]] = None,
    ) -> Trace:
        """Return the rules that decide over the packets from *src* to *dst* on *port*."""
        notes = Notes(hits=True)
        route = self._route(direction, family, (port,), notes)
        units = route.folds.units
        wanted = units.all
        if iif is not None and units.ins:
            wanted &= units.of_interfaces("iif", iif)
        if oif is not None and units.outs:
            wanted &= units.of_interfaces("oif", oif)
        grid = Grid(src, dst, self._near(direction, family, src), units.size)
        route.send(direction, grid, wanted)
        return traced(list(notes.hits or ()))

    def _near(self, direction: str, family: int, src: Span) -> List[Mention]:
        # What mentions other destinations only counts too: packets may be led there.
        return [item for item in self.mentions(direction, family) if item.src is None or _overlaps(item.src, src)]

    def entered(self) -> Iterator[Tuple[int, Chain, List[Folded]]]:
        """Return the chains that SMTP packets came to, with the rules in them that such packets can match."""
        for (direction, family), notes in self.notes.items():
            route = self._route(direction, family, self.ports, notes)
            for key in notes.entered:
                yield family, key[0], route.folds.chain(*key)[1]

    def close(self) -> None:
        """Take the rules apart, so that their memory is free at once: they and their chains know each other."""
        for chain in self.chains.values():
            chain.rules.clear()

    @property
    def unmodelled(self) -> List[Unmodelled]:
        """What counted as unknown: everything that an SMTP packet can meet and that the text does not decide."""
        found: Dict[Unmodelled, None] = dict.fromkeys(self.reading_notes)
        for direction in self.directions:
            for family in (4, 6):
                if (direction, family) not in self._looked_at:
                    for _part in self.evaluate(direction, family):
                        pass
                for rule, what in self.notes[direction, family].unknown:
                    chain = rule.chain
                    words = wording.rule(rule)
                    ref = Ref(chain.family, chain.table, chain.name, rule.handle, words, chain.source)
                    found[Unmodelled(ref, what)] = None
        return list(found)


def _first_source(block: Block) -> int:
    return block.span[0]


def _overlaps(spans: Sequence[Span], block: Span) -> bool:
    return any(first <= block[1] and last >= block[0] for first, last in spans)


def traced(hits: Sequence[Hit]) -> Trace:
    """Return *hits* as a Trace: explicit verdicts before policies."""
    opening = [hit for hit in hits if hit.verdict in ("accept", "queue") and hit.rule is not None]
    closing = [hit for hit in hits if hit.verdict in ("drop", "queue")]
    leading = [hit for hit in hits if hit.verdict not in ("accept", "drop", "queue", "return", "continue")]
    policies = [hit for hit in hits if hit.verdict == "accept" and hit.rule is None and hit.chain.rules]
    return Trace(
        tuple(refs(opening or policies, wording.rule)),
        tuple(refs(closing, wording.rule)),
        tuple(refs(leading, wording.rule)),
    )


def analyse(loaded: Loaded, ports: Sequence[int], directions: Sequence[str] = DIRECTIONS) -> Analysis:
    """Return the analysis of what a host has loaded, for TCP connections to *ports* in *directions*.

    Raises ValueError, with the reason, when the text of *loaded* is not what its tools print.
    """
    return Analysis(loaded, ports, directions)
