# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared against what the loaded rules let through. Pure."""

from __future__ import annotations

from itertools import islice
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .addresses import text_of
from .analyse import Analysis, Part
from .grid import Grid, Mention, Rows, merge, without
from .model import DIRECTIONS, Ref
from .rectangles import Rectangle, count, rectangles
from .routes import Routes
from .spans import Span

FINDINGS = ("excess", "missing", "intercepted")
# A report that nobody reads to its end proves nothing more.
MOST = 40
MUST, MAY = "must", "may"


class Declared(NamedTuple):
    """One connection that is to be open: addresses as first and last, port, the policy's path."""

    version: int
    source: Span
    destination: Span
    port: int
    path: str


class Finding(NamedTuple):
    """One difference: where it is, how sure it is, whose path it concerns, which rules decide."""

    direction: str
    rectangle: Rectangle
    port: int
    certainty: str
    paths: Tuple[str, ...]
    by: Tuple[Ref, ...]

    def data(self) -> Dict[str, Any]:
        """Return this as the plain dictionary that docs/proof.md describes."""
        family = self.rectangle.family
        return {
            "direction": self.direction,
            "source": text_of(family, self.rectangle.src),
            "destination": text_of(family, self.rectangle.dst),
            "port": self.port,
            "certainty": self.certainty,
            "paths": list(self.paths),
            "by": [ref.data() for ref in self.by],
        }


class Comparison(NamedTuple):
    """All differences by kind, and how many of each kind were left out."""

    found: Mapping[str, Tuple[Finding, ...]]
    left_out: Mapping[str, int]

    @property
    def passed(self) -> bool:
        """Whether nothing but what is declared is open, and all of it surely is."""
        return not any(self.found[name] for name in FINDINGS)


class _Area(NamedTuple):
    """Where something differs on one port: the first rectangles of it, and how many there are."""

    direction: str
    port: int
    certainty: str
    shown: Tuple[Rectangle, ...]
    total: int


def compare(
    analysis: Analysis, declared: Mapping[str, Sequence[Declared]], routes: Optional[Routes] = None
) -> Comparison:
    """Return how the rules in *analysis* differ from what is *declared* for each direction.

    A declared path must be open over every interface by which, as *routes* say, its packets can come and go; over all
    that the host has, where that is not known.
    """
    areas: Dict[str, List[_Area]] = {name: [] for name in FINDINGS}
    for direction in analysis.directions:
        wanted = declared.get(direction, ())
        for family in (4, 6):
            chosen = [item for item in wanted if item.version == family]
            more = [Mention((source,), (destination,)) for _version, source, destination, _port, _path in chosen]
            for part in analysis.evaluate(direction, family, more):
                _compare_part(analysis, direction, part, chosen, routes, areas)
    found: Dict[str, Tuple[Finding, ...]] = {}
    left_out: Dict[str, int] = {}
    for name in FINDINGS:
        found[name] = tuple(_findings(analysis, name, areas[name], declared))
        total = sum(area.total for area in areas[name])
        left_out[name] = total - len(found[name])
    return Comparison(found, left_out)


def _compare_part(
    analysis: Analysis,
    direction: str,
    part: Part,
    declared: Sequence[Declared],
    routes: Optional[Routes],
    areas: Dict[str, List[_Area]],
) -> None:
    grid = part.grid
    low, high = grid.src
    near = [item for item in declared if item.source[0] <= high and item.source[1] >= low]
    everything = dict.fromkeys(range(len(grid.rows)), (1 << grid.width) - 1)
    for at, port in enumerate(part.units.ports):
        here = [item for item in near if item.port == port]
        units = _units(analysis, part, at, direction, None)
        may = _some(part.open, grid, units)
        painted = _painted(grid, here)
        excess = without(may, painted)
        sure = without(everything, _each(part.closed, grid, units)) if excess else {}
        for certainty, rows in _split(excess, sure):
            areas["excess"].append(_area(direction, part, port, certainty, rows))
        missing: Rows = {}
        surely: Rows = {}
        # Where no interface blocks anything of it, it does not matter which of them count.
        blocked = _both(painted, _some(part.closed, grid, units)) if painted else {}
        for group, items in (_by_interfaces(direction, here, routes) if blocked else {}).items():
            needed = _units(analysis, part, at, direction, group)
            shut = _both(_painted(grid, items), _some(part.closed, grid, needed))
            merge(missing, shut)
            merge(surely, without(shut, _some(part.open, grid, needed)))
        for certainty, rows in _split(missing, surely):
            areas["missing"].append(_area(direction, part, port, certainty, rows))
        moved = _some(part.moved, grid, units) if part.moved else {}
        if moved:
            matters = dict(may)
            merge(matters, painted)
            straight = _some_moved_only(part, grid, units)
            for certainty, rows in _split(_both(moved, matters), straight):
                areas["intercepted"].append(_area(direction, part, port, certainty, rows))


def _area(direction: str, part: Part, port: int, certainty: str, rows: Rows) -> _Area:
    shown = tuple(islice(rectangles(part.family, part.grid, rows), MOST))
    return _Area(direction, port, certainty, shown, count(part.grid, rows))


Group = Tuple[Optional[FrozenSet[str]], Optional[FrozenSet[str]]]


def _by_interfaces(
    direction: str, declared: Sequence[Declared], routes: Optional[Routes]
) -> Dict[Group, List[Declared]]:
    """*declared* by the interfaces that their packets can come and go by; None: any."""
    found: Dict[Group, List[Declared]] = {}
    known: Dict[Tuple[int, Span], Optional[FrozenSet[str]]] = {}

    def devices(version: int, span: Span) -> Optional[FrozenSet[str]]:
        if routes is None:
            return None
        if (version, span) not in known:
            known[version, span] = routes.devices(version, span)
        return known[version, span]

    for item in declared:
        comes = devices(item.version, item.source) if direction != "egress" else None
        goes = devices(item.version, item.destination) if direction != "ingress" else None
        found.setdefault((comes, goes), []).append(item)
    return found


def _units(analysis: Analysis, part: Part, port: int, direction: str, group: Optional[Group]) -> List[int]:
    """The units of a port: of all interfaces, or, for a *group*, of those that its packets can cross."""
    classes = analysis.interfaces.classes
    every = list(range(len(classes)))
    present = [at for at, item in enumerate(classes) if item.present] or every

    def chosen(names: Optional[FrozenSet[str]], used: bool) -> List[int]:
        if not used:
            return [0]
        if group is None:
            return every
        if names is None:
            return present
        return sorted({analysis.interfaces.place(name) for name in names if name != "lo"}) or present

    ins = chosen(group[0] if group else None, direction != "egress")
    outs = chosen(group[1] if group else None, direction != "ingress")
    return [part.units.number(port, iif, oif) for iif in ins for oif in outs]


def _some(rows: Rows, grid: Grid, units: Sequence[int]) -> Rows:
    """The cells that *rows* has for one of *units* at least; they are *rows* itself where there is but one."""
    if grid.units == 1 and list(units) == [0]:
        return rows
    mask = (1 << grid.width) - 1
    shifts = [unit * grid.width for unit in units]
    found: Rows = {}
    for row, bits in rows.items():
        some = 0
        for shift in shifts:
            some |= bits >> shift
        if some & mask:
            found[row] = some & mask
    return found


def _each(rows: Rows, grid: Grid, units: Sequence[int]) -> Rows:
    """The cells that *rows* has for all of *units*; they are *rows* itself where there is but one."""
    if grid.units == 1 and list(units) == [0]:
        return rows
    mask = (1 << grid.width) - 1
    shifts = [unit * grid.width for unit in units]
    found: Rows = {}
    for row, bits in rows.items():
        each = mask
        for shift in shifts:
            each &= bits >> shift
        if each:
            found[row] = each
    return found


def _some_moved_only(part: Part, grid: Grid, units: Sequence[int]) -> Rows:
    """The cells whose packets, over some interface, surely go elsewhere."""
    return _some(without(part.moved, part.straight), grid, units)


def _both(one: Rows, other: Rows) -> Rows:
    return {row: bits & other[row] for row, bits in one.items() if row in other and bits & other[row]}


def _split(rows: Rows, sure: Rows) -> Iterable[Tuple[str, Rows]]:
    """*rows* in the part that is sure and the rest."""
    for certainty, some in ((MUST, _both(rows, sure)), (MAY, without(rows, sure))):
        if some:
            yield certainty, some


def _painted(grid: Grid, declared: Sequence[Declared]) -> Rows:
    """The cells that are declared."""
    by_source: Dict[Span, List[Span]] = {}
    for item in declared:
        by_source.setdefault(item.source, []).append(item.destination)
    found: Rows = {}
    for source, destinations in by_source.items():
        ranges = grid.ranges((source,))
        if not ranges:
            continue
        bits = 0
        for destination in destinations if len(destinations) < 2 else set(destinations):
            bits |= grid.bits((destination,), 1)
        for start, end in ranges:
            for row in range(start, end):
                found[row] = found.get(row, 0) | bits
    return found


def _findings(
    analysis: Analysis, name: str, areas: Sequence[_Area], declared: Mapping[str, Sequence[Declared]]
) -> List[Finding]:
    shown: List[Tuple[_Area, Rectangle]] = []
    # Rounds, so that no direction or port hides behind another one's many rectangles.
    waiting = [(area, iter(area.shown)) for area in areas]
    share = 4
    while waiting and len(shown) < MOST:
        following = []
        for area, rest in waiting:
            some = list(islice(rest, share))
            shown += [(area, item) for item in some]
            if len(some) == share:
                following.append((area, rest))
        waiting = following
    found = [_finding(analysis, name, area, item, declared) for area, item in shown[:MOST]]
    order = {direction: at for at, direction in enumerate(DIRECTIONS)}
    return sorted(found, key=lambda f: (order[f.direction], f.certainty != MUST, f.port, f.rectangle))


def _finding(
    analysis: Analysis, name: str, area: _Area, item: Rectangle, declared: Mapping[str, Sequence[Declared]]
) -> Finding:
    traced = analysis.trace(area.direction, item.family, item.src, item.dst, area.port)
    by = {"excess": traced.opening, "missing": traced.closing, "intercepted": traced.leading}[name]
    if name == "excess":
        by = tuple(dict.fromkeys(traced.leading + by))
    paths = [
        other.path
        for other in declared.get(area.direction, ())
        if other.path
        and other.port == area.port
        and other.version == item.family
        and other.source[0] <= item.src[1]
        and other.source[1] >= item.src[0]
        and other.destination[0] <= item.dst[1]
        and other.destination[1] >= item.dst[0]
    ]
    named = () if name == "excess" else tuple(dict.fromkeys(paths))
    return Finding(area.direction, item, area.port, area.certainty, named, by)
